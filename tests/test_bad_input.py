"""Bad input through the real command line: one sentence that says what to do, exit code 1, never a traceback."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

import chiasm
from chiasm import ChiasmError
from chiasm.tasks.classify import Classify
from conftest import CHEAP, Run, Toy, make_pictures

COLUMNS = ("--text", "caption", "--image", "path", *CHEAP)


def refusal(done: CompletedProcess[str]) -> str:
    """The one sentence of a refused command; asserts that it is one."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("encode ", "leak: "))]
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert lines[0].endswith((".", "?", "%")) or "chiasm search MODEL" in lines[0], lines[0]
    assert "Traceback" not in done.stderr
    return lines[0]


def table(folder: Path, rows: Sequence[dict[str, Any]], name: str = "t.jsonl") -> Path:
    """Rows as a JSON-lines file beside twenty pictures."""
    make_pictures(folder, 20)
    (folder / name).write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return folder / name


def plain(n: int = 20) -> list[dict[str, Any]]:
    return [{"path": f"{i:04d}.png", "caption": f"words number {i}"} for i in range(n)]


def changed(rows: list[dict[str, Any]], **values: Any) -> list[dict[str, Any]]:
    """The rows with the last one's values replaced."""
    return [*rows[:-1], {**rows[-1], **values}]


def _raw(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _damaged_parquet(folder: Path) -> Path:
    make_pictures(folder, 20)
    parquet.write_table(pa.Table.from_pylist(plain()), folder / "t.parquet")
    content = bytearray((folder / "t.parquet").read_bytes())
    content[4:200] = bytes(196)
    return _raw(folder, "t.parquet", bytes(content))


def _linked(folder: Path) -> Path:
    (folder.parent / "outside").mkdir()
    make_pictures(folder.parent / "outside", 1)
    (folder / "linked.png").symlink_to(folder.parent / "outside" / "0000.png")
    return table(folder, [{**row, "path": "linked.png"} for row in plain()])


NOISE = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()

FITS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], str]] = {
    "a wrong column": (
        lambda d: table(d, plain()),
        ("--text", "captoin"),
        "did you mean 'caption'? Known: caption, path.",
    ),
    "a wrong label column": (lambda d: table(d, plain()), (*COLUMNS, "--label", "kind"), "no column in"),
    "a wrong split name": (
        lambda d: table(d, [{**row, "part": "tset"} for row in plain()]),
        (*COLUMNS, "--split", "part"),
        "no split named 'tset'; did you mean 'test'?",
    ),
    "no training rows": (
        lambda d: table(d, [{**row, "part": "test"} for row in plain()]),
        (*COLUMNS, "--split", "part"),
        "wanted some rows of split 'train', got only test",
    ),
    "one row": (lambda d: table(d, plain(1)), COLUMNS, "some hundred are needed"),
    "equal captions": (
        lambda d: table(d, [{**row, "caption": "same"} for row in plain()]),
        COLUMNS,
        "holds one and the same item in every row",
    ),
    "a view all absent": (
        lambda d: table(d, [{**row, "caption": None} for row in plain()]),
        COLUMNS,
        "column 'caption' is empty in all 20 rows",
    ),
    "no picture readable": (
        lambda d: table(d, [{**row, "path": f"none{i}.png"} for i, row in enumerate(plain())]),
        COLUMNS,
        "column 'path': none of the 20 files that it names was found",
    ),
    "pairs of no id": (
        lambda d: table(d, [{"path": row["path"]} for row in plain(10)] + [{"caption": r["caption"]} for r in plain()]),
        COLUMNS,
        "got 0: pairs are what is learned from",
    ),
    "mixed types": (lambda d: table(d, changed(plain(), caption=7)), COLUMNS, "row 20: wanted text, got int"),
    "DATA missing": (lambda d: d / "none.csv", COLUMNS, "wanted a table (.csv, .tsv"),
    "DATA of another kind": (lambda d: _raw(d, "t.bin", NOISE), COLUMNS, "cannot read 't.bin': wanted a table"),
    "noise as csv": (lambda d: _raw(d, "t.csv", NOISE), COLUMNS, "is not utf-8 text"),
    "noise as parquet": (lambda d: _raw(d, "t.parquet", NOISE), COLUMNS, "is damaged or is no Parquet file"),
    "damaged parquet": (_damaged_parquet, COLUMNS, "is damaged or is no Parquet file"),
    "links that leave": (_linked, COLUMNS, "'linked.png' leaves the data's folder"),
    "no columns named": (lambda d: table(d, plain()), (), "say which columns hold what: --text COL, --image COL"),
    "an unknown encoder": (
        lambda d: table(d, plain()),
        ("--text", "caption", "--image", "path", "--encoder", "caption=tfdif_text"),
        "did you mean 'tfidf_text'?",
    ),
    "an encoder of another modality": (
        lambda d: table(d, plain()),
        ("--text", "caption", "--image", "path", "--encoder", "caption=pixel_image"),
        "view 'caption' holds text",
    ),
    "an encoder without a view": (
        lambda d: table(d, plain()),
        (*COLUMNS, "--encoder", "tfidf_text"),
        "wanted --encoder VIEW=NAME",
    ),
    "an unknown aligner": (
        lambda d: table(d, plain()),
        (*COLUMNS, "--align", "procustes"),
        "did you mean 'procrustes'?",
    ),
    "a split file missing": (lambda d: table(d, plain()), (*COLUMNS, "--read-split", "none.csv"), "no file or folder"),
}


@pytest.mark.parametrize(("make", "options", "sentence"), FITS.values(), ids=FITS)
def test_fit_refuses_in_a_sentence(
    run: Run, tmp_path: Path, make: Callable[[Path], Path], options: tuple[str, ...], sentence: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert sentence in refusal(run("fit", "retrieve", make(data), *options, "--to", tmp_path / "m", cwd=tmp_path))
    assert not (tmp_path / "m").exists()


def test_an_id_in_two_splits_is_refused_unless_insisted_on(run: Run, tmp_path: Path) -> None:
    rows = [{**row, "key": i // 2, "part": "test" if i % 4 == 1 else "train"} for i, row in enumerate(plain())]
    data = table(tmp_path, rows)
    options = (*COLUMNS, "--id", "key", "--split", "part", "--to", tmp_path / "m")
    assert "5 ids stand in more than one split" in refusal(run("fit", "retrieve", data, *options))
    insisted = run("fit", "retrieve", data, *options, "--allow-leaks", "--json")
    assert insisted.returncode == 0, insisted.stderr
    assert json.loads(insisted.stdout)["leaks"]["ids"] == 5


def test_rows_equal_in_every_view_across_splits_are_refused_unless_insisted_on(run: Run, tmp_path: Path) -> None:
    rows = [{**row, "key": str(i), "part": "train"} for i, row in enumerate(plain())]
    data = table(
        tmp_path, [*rows, {**rows[0], "key": "twin", "part": "test"}, {**plain()[1], "key": "x", "part": "dev"}]
    )
    options = (*COLUMNS, "--id", "key", "--split", "part", "--to", tmp_path / "m")
    assert "2 held-out rows equal a training row in every view" in refusal(run("fit", "retrieve", data, *options))
    assert run("fit", "retrieve", data, *options, "--allow-leaks").returncode == 0


@pytest.mark.parametrize("place", ["a file", "below a file", "a folder of other things"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(run: Run, toy: Toy, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("x")
    target = {"a file": "file", "below a file": "file/m", "a folder of other things": "full"}[place]
    done = run("fit", "retrieve", *toy.columns, "--to", tmp_path / target)
    assert "choose another name." in refusal(done)
    assert "encode " not in done.stderr
    assert (tmp_path / "file").read_text() == (tmp_path / "full" / "thesis.doc").read_text() == "x"


@pytest.mark.parametrize("name", ["split.csv", "vectors.parquet", "vectors.csv"])
def test_a_report_that_cannot_be_written_is_told_in_a_sentence(run: Run, toy: Toy, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    target = tmp_path / "file" / name
    if name == "split.csv":
        done = run("fit", "retrieve", *toy.columns, "--to", tmp_path / "m", "--write-split", target)
    else:
        done = run("encode", *toy.columns[:5], *CHEAP, "--to", target)
    assert ("ends in .parquet" if name == "vectors.csv" else "name another place") in refusal(done)


def test_a_cache_that_cannot_be_written_is_told_in_a_sentence(run: Run, toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    env = {"CHIASM_CACHE": str(tmp_path / "file")}
    assert "Not a directory" in refusal(run("fit", "retrieve", *toy.columns, "--to", tmp_path / "m", env=env))
    assert "marked 'fault'" in refusal(run("doctor", env=env))


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    recipe = json.loads(path.read_text(encoding="utf-8"))
    change(recipe)
    path.write_text(json.dumps(recipe), encoding="utf-8")


def _forge(model: Path, part: dict[str, Any] | None = None, *, state: Any = None, arrays: str = "") -> None:
    """A recipe whose own checksum is right, as an attacker would write it."""

    def change(recipe: dict[str, Any]) -> None:
        whole = {"kind": "tasks", "name": "retrieve"} if part is None else part
        recipe["part"] = {**whole, "params": {}, "state": state or {}}
        recipe["arrays"] = arrays or recipe["arrays"]
        del recipe["digest"]
        text = json.dumps(recipe, ensure_ascii=False, sort_keys=True)
        recipe["digest"] = hashlib.sha256(text.encode()).hexdigest()

    _rewrite(model / "recipe.json", change)


MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda m: shutil.rmtree(m), "no saved model at"),
    "empty": (lambda m: [file.unlink() for file in m.iterdir()], "wanted a folder with a recipe.json"),
    "a file": (lambda m: (shutil.rmtree(m), m.write_text("x")), "no saved model at"),
    "arrays flipped": (lambda m: _flip(next(m.glob("arrays-*")), -99), "is damaged (its checksum differs)"),
    "arrays cut": (lambda m: os.truncate(next(m.glob("arrays-*")), 999), "is damaged (its checksum differs)"),
    "arrays gone": (lambda m: next(m.glob("arrays-*")).unlink(), "is missing"),
    "recipe flipped": (lambda m: _flip(m / "recipe.json", 40), "recipe.json is damaged"),
    "recipe cut": (lambda m: os.truncate(m / "recipe.json", 900), "recipe.json is damaged"),
    "recipe a list": (lambda m: (m / "recipe.json").write_text("[]"), "recipe.json is damaged"),
    "recipe binary": (lambda m: (m / "recipe.json").write_bytes(NOISE), "recipe.json is damaged"),
    "recipe of the future": (lambda m: _rewrite(m / "recipe.json", lambda r: r.update(format=99)), "upgrade chiasm"),
    "recipe edited": (lambda m: _rewrite(m / "recipe.json", lambda r: r["part"].update(kind="x")), "checksum differs"),
    "recipe naming another class": (lambda m: _forge(m, {"class": "os:system"}), "'os:system', which is not allowed"),
    "recipe naming another method": (lambda m: _forge(m, {"kind": "align", "name": "nope"}), "no align named 'nope'"),
    "recipe setting a method": (lambda m: _forge(m, state={"fit": 1}), "sets 'fit', which no fit would learn"),
    "arrays elsewhere": (lambda m: _forge(m, arrays="../../x.safetensors"), "do not trust it"),
}


@pytest.mark.parametrize(("damage", "sentence"), MODELS.values(), ids=MODELS)
def test_a_damaged_model_is_refused_in_a_sentence(
    toy: Toy, tmp_path: Path, damage: Callable[[Path], Any], sentence: str
) -> None:
    shutil.copytree(toy.model, tmp_path / "m")
    damage(tmp_path / "m")
    with pytest.raises(ChiasmError) as caught:
        chiasm.load(tmp_path / "m")
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "empty", "a file", "arrays cut", "recipe binary"])
def test_no_command_takes_a_damaged_model(run: Run, toy: Toy, tmp_path: Path, name: str) -> None:
    damage, sentence = MODELS[name]
    shutil.copytree(toy.model, tmp_path / "m")
    damage(tmp_path / "m")
    assert sentence in refusal(run("search", tmp_path / "m", "a red circle"))


SEARCHES: dict[str, tuple[tuple[str, ...], str]] = {
    "an empty query": (("",), "wanted words or a file to look for, got nothing"),
    "a blank query": ((" \t\n",), "wanted words or a file to look for, got nothing"),
    "no query": ((), "wanted words, --image FILE, --audio FILE or --video FILE"),
    "a picture that is none": (("--image", "pictures/t.csv"), "not one of PNG, JPEG"),
    "a picture that is missing": (("--image", "none.png"), "no such file"),
    "a picture that is a folder": (("--image", "pictures"), "not a regular file"),
    "an unknown view": (("a", "--to", "sound"), "no fitted view named 'sound'. Known: caption, path."),
    "an unknown start": (("a", "--from", "captoin"), "got one of caption, path"),
    "nowhere": (("a", "--in", "none"), "no file or folder 'none'"),
    "a folder without pictures": (("a", "--in", "toy.chiasm"), "no pictures, sounds or videos (.png, "),
    "a sheet of texts": (("--image", "pictures/0000.png", "--sheet", "s.png"), "a sheet draws pictures"),
    "a sheet of pictures elsewhere": (("a", "--sheet", "s.png"), "name the data's folder (--root DIR)"),
}


@pytest.mark.parametrize(("options", "sentence"), SEARCHES.values(), ids=SEARCHES)
def test_search_refuses_in_a_sentence(run: Run, toy: Toy, options: tuple[str, ...], sentence: str) -> None:
    assert sentence in refusal(run("search", toy.model, *options, cwd=toy.folder.parent))


def test_a_model_that_does_not_search_says_so(run: Run, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 2))
    chiasm.save(Classify(fuse="early").fit({"a": values}, np.where(values[:, 0] > 0, "x", "y")), tmp_path / "m")
    assert "wanted a model that searches" in refusal(run("search", tmp_path / "m", "a red circle"))


@pytest.mark.parametrize("k", [0, 100_000])
def test_a_wrong_k_is_a_usage_error(run: Run, toy: Toy, k: object) -> None:
    done = run("search", toy.model, "a red circle", "--k", k)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--k'" in done.stderr


STRANGE = {
    "100 kB": "a red circle" + " red circle" * 8500,
    "lone surrogates": "a red \udcff\udcfe circle",
    "right to left": "דיירה אדומה دائرة حمراء \u202e a red circle",
    "emoji": "👩‍🚀🔴 a red circle",
    "control characters": "a \x1b[31mred\x07 circle\x7f",
    "combining marks": "a red circle" + "\u0301" * 5000,
    "nothing known": "雪",
}


@pytest.mark.parametrize("query", STRANGE.values(), ids=STRANGE)
def test_strange_words_are_answered(run: Run, toy: Toy, query: str) -> None:
    done = run("search", toy.model, query, "--json")
    assert done.returncode == 0
    assert done.stderr.startswith("caption: 1 altered (cut 1)\n  cut: a red") if len(query) > 2000 else not done.stderr
    found = json.loads(done.stdout)
    assert found["query"] == query
    assert [hit["rank"] for hit in found["results"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "query", ["a red circle " * 80_000, "a red\0circle", "\ud800"], ids=["1 MB", "NUL", "surrogate"]
)
def test_words_that_no_command_line_can_carry_are_answered_by_the_api(toy: Toy, query: str) -> None:
    keys, scores = chiasm.load(toy.model).answer({"caption": [query]}, to="path")
    assert keys.shape == scores.shape == (1, 5)
    assert np.isfinite(scores).all()


@pytest.mark.slow
def test_training_rows_are_scored_only_when_insisted_on(run: Run, toy: Toy) -> None:
    options = ("score", toy.model, toy.table, "--where", "split=train")
    assert "rows that the model was fitted on" in refusal(run(*options))
    insisted = run(*options, "--allow-train", "--json")
    assert insisted.returncode == 0
    assert json.loads(insisted.stdout)["leaks"]["fitted_rows"] == json.loads(insisted.stdout)["rows"] == 112


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("split=tset", "did you mean 'test'?"),
        ("split", "wanted --where COL=VALUE"),
        ("color=red", "no column in"),
        ("shape=cube", "has no rows where"),
    ],
)
def test_score_refuses_in_a_sentence(run: Run, toy: Toy, where: str, sentence: str) -> None:
    assert sentence in refusal(run("score", toy.model, toy.table, "--where", where))


def break_pictures(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Break twenty pictures, each in its own way; returns the reason code that each must get."""
    png = (folder / names[0]).read_bytes()
    header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + png[24:29]
    bomb = png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
    jpeg = io.BytesIO()
    Image.open(folder / names[0]).save(jpeg, "JPEG")
    kinds: list[tuple[str, bytes | str]] = [
        ("not_an_image", b"just a text file"),
        ("not_an_image", b"<html><body>404</body></html>"),
        ("not_an_image", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
        ("not_an_image", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("not_an_image", b"%PDF-1.7"),
        ("not_an_image", bytes(1000)),
        ("not_an_image", NOISE),
        ("not_an_image", b"#EXTM3U\nhttp://example.org/x.ts\n"),
        ("not_an_image", b"\xff\xd8\xff"),
        ("empty", b""),
        ("empty", b""),
        ("broken", png[: len(png) // 2]),
        ("broken", png[:60]),
        ("broken", jpeg.getvalue()[:-200]),
        ("broken", png[:60] + bytes(len(png) - 60)),
        ("too_many_pixels", bomb),
        ("missing", "missing"),
        ("missing", "dangling"),
        ("not_a_file", "folder"),
        ("not_a_file", "pipe"),
    ]
    wanted = {}
    for name, (code, content) in zip(names, kinds, strict=True):
        path = folder / name
        path.unlink()
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content == "dangling":
            path.symlink_to(folder / "nowhere.png")
        elif content == "folder":
            path.mkdir()
        elif content == "pipe":
            os.mkfifo(path)
        wanted[name] = code
    return wanted


@pytest.mark.slow
def test_a_thousand_pictures_with_twenty_broken_ones_fit_and_each_is_named(run: Run, tmp_path: Path) -> None:
    pairs = make_pictures(tmp_path, 1000)
    wanted = break_pictures(tmp_path, [name for name, _ in pairs[::50]])
    lines = [f"{name},{caption} number {i}" for i, (name, caption) in enumerate(pairs)]
    (tmp_path / "t.csv").write_text("\n".join(["path,caption", *lines]), encoding="utf-8")
    tfidf = ("--encoder", "text=tfidf_text")
    done = run("fit", "retrieve", tmp_path / "t.csv", *COLUMNS, *tfidf, "--to", tmp_path / "m", "--json")
    assert done.returncode == 0, done.stderr
    assert "path: 20 skipped" in done.stderr
    assert str(tmp_path / "m" / "items.csv") in done.stderr
    counts = json.loads(done.stdout)["items"]["path"]
    assert (counts["items"], counts["skipped"]) == (1000, 20)
    with open(tmp_path / "m" / "items.csv", newline="", encoding="utf-8") as file:
        listed = {row["item"]: row for row in csv.DictReader(file)}
    assert {name: row["code"] for name, row in listed.items()} == wanted
    assert all(row["view"] == "path" and row["skipped"] == "True" and row["message"] for row in listed.values())
    again = run("encode", tmp_path / "t.csv", "--image", "path", *CHEAP, "--json")
    counts = json.loads(again.stdout)["views"]["path"]
    assert (counts["found"], counts["encoded"], counts["skipped"]) == (980, 0, 20)
