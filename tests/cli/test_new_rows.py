"""More data than was learned from: new rows are scored and answered, whatever their columns and files are called."""

from __future__ import annotations

import csv
import json
import re
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chiasm
from chiasm.cli import main
from chiasm.cli._words import flags, typed
from chiasm.data.source import Source
from chiasm.data.toy import shape_image
from chiasm.tasks.classify import Classify
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures

Chiasm = Callable[..., tuple[int, str, str]]
WORDS = {"circle": "round wheel coin", "square": "box tile cube", "bar": "stick line rod"}
CHEAP = ("--encoder", "image=pixel_image", "--encoder", "text=bow_text", "--fuse", "late")


@pytest.fixture
def chiasm_(capsys: pytest.CaptureFixture[str]) -> Chiasm:
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        code = 0
        try:
            main([str(one) for one in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def items(n: int, seed: int) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    kinds = list(WORDS)
    rows = []
    for i in range(n):
        kind = kinds[i % 3]
        words = " ".join(rng.choice(WORDS[kind].split(), 2)) + f" {seed}{i}"
        rows.append({"key": f"k{seed}_{i}", "words": words, "path": f"图/{seed}_{i}.png", "kind": kind})
    return rows


def write(file: Path, rows: list[dict[str, Any]], rename: dict[str, str] | None = None, pictures: bool = True) -> Path:
    """A table, and its pictures."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for i, row in enumerate(rows if pictures else ()):
        if "path" in row and not (file.parent / row["path"]).exists():
            (file.parent / row["path"]).parent.mkdir(parents=True, exist_ok=True)
            shape_image("red", row["kind"], seed=zlib.crc32(row["path"].encode()) % 10_000 + i).save(
                file.parent / row["path"]
            )
    names = [(rename or {}).get(name, name) for name in rows[0]]
    with open(file, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(names)
        writer.writerows(row.values() for row in rows)
    return file


def without(rows: list[dict[str, str]], *names: str) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with ids, one without, and a model of each; words and pictures say the kind."""
    folder = tmp_path_factory.mktemp("my 数据")
    table = write(folder / "t.csv", items(90, 0))
    plain = write(folder / "plain.csv", without(items(90, 0), "key", "path"))
    for name, data, options in (
        ("ids", table, ("--text", "words", "--image", "path", "--id", "key", *CHEAP)),
        ("numbers", plain, ("--text", "words", *CHEAP[2:])),
    ):
        main(["fit", "classify", str(data), *options, "--label", "kind", "--to", str(folder / f"{name}.chiasm")])
    return folder


def scored(done: tuple[int, str, str]) -> dict[str, Any]:
    assert done[0] == 0, done[2]
    table: dict[str, Any] = json.loads(done[1])
    return table


# Scoring


def test_a_table_that_the_model_has_never_seen_is_scored_whole(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    fresh = write(tmp_path / "fresh.csv", items(30, 5))
    done = chiasm_("score", home / "ids.chiasm", fresh, "--json")
    table = scored(done)
    assert (table["rows"], table["split"]) == (30, "new")
    sentence = "none of the 30 rows is one that the model was fitted on: all are scored"
    assert f"note: {sentence}\n" in done[2]
    assert table["notes"] == [sentence]


def test_of_known_and_new_rows_the_learned_ones_are_left_out_and_told(
    chiasm_: Chiasm, home: Path, tmp_path: Path
) -> None:
    known = chiasm.load(home / "ids.chiasm")
    held = set(known.ids_[known.splits_ == "test"][:1]) | set(known.ids_[known.splits_ != "test"][:4])
    rows = [row for row in items(90, 0) if row["key"] in held]
    done = chiasm_("score", home / "ids.chiasm", write(tmp_path / "both.csv", rows + items(20, 6)), "--json")
    table = scored(done)
    assert (table["rows"], table["split"], table["leaks"]["fitted_rows"]) == (21, "test and new", 0)
    assert "20 of the 25 rows are new to the model, and 1 were held out at fit: these are scored; 4 that" in done[2]


def test_rows_of_new_ids_that_equal_learned_ones_are_left_out_too(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    known = chiasm.load(home / "ids.chiasm")
    learned = set(known.ids_[known.splits_ != "test"][:6])
    again = [{**row, "key": f"again {row['key']}"} for row in items(90, 0) if row["key"] in learned]
    for row in again:
        (tmp_path / row["path"]).parent.mkdir(exist_ok=True)
        (tmp_path / row["path"]).write_bytes((home / row["path"]).read_bytes())
    done = chiasm_("score", home / "ids.chiasm", write(tmp_path / "both.csv", again + items(20, 7)), "--json")
    assert scored(done)["rows"] == 20
    assert "6 that it was fitted on are left out" in done[2]


def test_only_learned_rows_need_the_flag(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    known = chiasm.load(home / "ids.chiasm")
    learned = set(known.ids_[known.splits_ != "test"])
    rows = [row for row in items(90, 0) if row["key"] in learned]
    for row in rows:
        (tmp_path / row["path"]).parent.mkdir(exist_ok=True)
        (tmp_path / row["path"]).write_bytes((home / row["path"]).read_bytes())
    table = write(tmp_path / "learned.csv", rows)
    code, _, told = chiasm_("score", home / "ids.chiasm", table)
    assert code == 1
    assert f"all {len(rows)} rows are rows that the model was fitted on" in told
    assert "--allow-train" in told
    again = scored(chiasm_("score", home / "ids.chiasm", table, "--allow-train", "--json"))
    assert (again["rows"], again["split"], again["leaks"]["fitted_rows"]) == (len(rows), "train", len(rows))


def test_the_rows_that_were_held_out_are_scored_as_before_and_nothing_is_told(chiasm_: Chiasm, home: Path) -> None:
    for model, data in (("ids", "t.csv"), ("numbers", "plain.csv")):
        known = chiasm.load(home / f"{model}.chiasm")
        done = chiasm_("score", home / f"{model}.chiasm", home / data, "--json")
        table = scored(done)
        assert (table["rows"], table["split"]) == (int((known.splits_ == "test").sum()), "test")
        assert "note:" not in done[2]


def test_numbers_of_rows_mean_nothing_in_another_table(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    fresh = write(tmp_path / "fresh.csv", without(items(30, 8), "key", "path"))
    table = scored(chiasm_("score", home / "numbers.chiasm", fresh, "--json"))
    assert (table["rows"], table["split"]) == (30, "new")


def test_a_table_that_grew_by_rows_is_scored_on_what_was_held_out_and_the_new(
    chiasm_: Chiasm, home: Path, tmp_path: Path
) -> None:
    grown = write(tmp_path / "grown.csv", without(items(90, 0) + items(12, 9), "key", "path"))
    known = chiasm.load(home / "numbers.chiasm")
    table = scored(chiasm_("score", home / "numbers.chiasm", grown, "--json"))
    assert (table["rows"], table["split"]) == (12 + int((known.splits_ == "test").sum()), "test and new")


def test_a_fresh_table_without_ids_split_and_group_is_scored_and_told(chiasm_: Chiasm, tmp_path: Path) -> None:
    rows = [
        {**row, "part": "test" if i % 5 == 0 else "train", "who": str(i // 6)}
        for i, row in enumerate(without(items(90, 0), "path"))
    ]
    table = write(tmp_path / "t.csv", rows)
    options = ("--text", "words", "--id", "key", "--split", "part", "--label", "kind", *CHEAP[2:])
    assert chiasm_("fit", "classify", table, *options, "--group", "key", "--to", tmp_path / "m")[0] == 0
    fresh = write(tmp_path / "fresh.csv", without(items(15, 5), "key", "path"))
    done = chiasm_("score", tmp_path / "m", fresh, "--json")
    assert scored(done)["rows"] == 15
    for column in ("key", "part"):
        assert f"has no column '{column}'" in done[2]


def test_a_search_is_scored_on_new_pairs(chiasm_: Chiasm, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(120, 4))
    a, b = z @ rng.normal(size=(4, 6)), z @ rng.normal(size=(4, 5))
    for name, part in (("t", slice(0, 90)), ("fresh", slice(90, 120))):
        lines = [json.dumps({"左": x.tolist(), "b": y.tolist()}) for x, y in zip(a[part], b[part], strict=True)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    options = ("--vector", "左", "--vector", "b", "--align", "cca", "--to", tmp_path / "m")
    assert chiasm_("fit", "retrieve", tmp_path / "t.jsonl", *options)[0] == 0
    table = scored(chiasm_("score", tmp_path / "m", tmp_path / "fresh.jsonl", "--json"))
    assert (table["rows"], table["split"]) == (30, "new")


# Other columns


def test_columns_of_other_names_are_told_and_named(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    names = {"words": "标题", "path": "bild", "kind": "art"}
    other = write(tmp_path / "other.csv", items(30, 5), names)
    model = home / "ids.chiasm"
    code, _, told = chiasm_("answer", model, other, "--json")
    assert code == 1
    assert "none of the columns that words, path were read from at fit: it has key, 标题, bild, art" in told
    assert "(--column words=COL)" in told
    code, out, told = chiasm_("answer", model, other, "--column", "words=标题", "--column", "path=bild", "--json")
    assert code == 0, told
    answers = json.loads(out)
    assert [row["id"] for row in answers] == [f"k5_{i}" for i in range(30)]
    code, _, told = chiasm_("score", model, other)
    assert code == 1
    assert "lacks columns that words, path, kind were read from at fit: it has key, 标题, bild, art" in told
    named = [part for old, new in names.items() for part in ("--column", f"{old}={new}")]
    assert scored(chiasm_("score", model, other, *named, "--json"))["rows"] == 30
    code, _, told = chiasm_("answer", model, other, "--column", "wrods=标题")
    assert "no view or field named 'wrods'; did you mean 'words'?" in told
    code, _, told = chiasm_("answer", model, other, "--column", "words")
    assert "wanted --column VIEW=COL" in told


def test_a_field_of_a_record_may_have_another_column(chiasm_: Chiasm, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.normal(size=60)
    rows = [{"size": f"{x:.3f}", "kind": "big" if x > 0 else "small"} for x in sizes]
    options = ("--number", "size", "--label", "kind", "--fuse", "late", "--to", tmp_path / "m")
    assert chiasm_("fit", "classify", write(tmp_path / "t.csv", rows), *options)[0] == 0
    new = write(tmp_path / "new.csv", [{"größe": "3"}, {"größe": "-3"}])
    code, out, told = chiasm_("answer", tmp_path / "m", new, "--column", "size=größe", "--json")
    assert code == 0, told
    assert [row["answer"] for row in json.loads(out)] == ["big", "small"]


def test_a_folder_one_picture_and_an_array_go_to_the_view_of_their_kind(
    chiasm_: Chiasm, home: Path, tmp_path: Path
) -> None:
    make_pictures(tmp_path / "新", 3)
    (tmp_path / "新" / "0000.txt").write_text("round wheel", encoding="utf-8")
    (tmp_path / "新" / "a.wav").write_bytes(b"x")
    model = home / "ids.chiasm"
    code, out, told = chiasm_("answer", model, tmp_path / "新", "--json")
    assert code == 0, told
    assert {row["id"] for row in json.loads(out)} >= {"0000", "0001", "0002"}
    assert "passed over (.wav 1)" in told
    code, out, told = chiasm_("answer", model, tmp_path / "新" / "0000.png", "--json")
    assert (code, [row["id"] for row in json.loads(out)]) == (0, ["0000.png"]), told
    code, _, told = chiasm_("answer", model, tmp_path / "新" / "a.wav")
    assert "wanted text, image, which the model learned from, got a.wav, which is audio" in told
    code, _, told = chiasm_("answer", model, tmp_path / "none.png")
    assert "no file" in told
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 4))
    lines = [json.dumps({"v": x.tolist(), "kind": "p" if x[0] > 0 else "n"}) for x in vectors]
    (tmp_path / "v.jsonl").write_text("\n".join(lines), encoding="utf-8")
    fit = ("--vector", "v", "--label", "kind", "--fuse", "late", "--to", tmp_path / "m")
    assert chiasm_("fit", "classify", tmp_path / "v.jsonl", *fit)[0] == 0
    np.save(tmp_path / "B.npy", np.array([[9.0, 0, 0, 0], [-9, 0, 0, 0]]))
    code, out, told = chiasm_("answer", tmp_path / "m", tmp_path / "B.npy", "--json")
    assert [row["answer"] for row in json.loads(out)] == ["p", "n"], told


def test_of_two_views_of_pictures_the_one_that_is_meant_is_asked_for(chiasm_: Chiasm, tmp_path: Path) -> None:
    rows = [{**row, "back": row["path"]} for row in items(60, 0)]
    table = write(tmp_path / "t.csv", rows)
    options = ("--image", "path", "--image", "back", "--id", "key", "--label", "kind", *CHEAP[:2], *CHEAP[4:])
    code, _, told = chiasm_("fit", "classify", table, *options, "--to", tmp_path / "m")
    assert code == 0, told
    one = tmp_path / rows[0]["path"]
    code, _, told = chiasm_("answer", tmp_path / "m", one)
    assert code == 1
    assert "which view is the image: path, back? Say it with --column path=image" in told
    code, out, told = chiasm_("answer", tmp_path / "m", one, "--column", "path=image", "--json")
    assert (code, len(json.loads(out))) == (0, 1), told


def test_a_row_whose_picture_is_missing_is_answered_from_its_words(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    rows = without(items(3, 5), "kind", "key")
    for cells in (["gone.png"], ["https://example.org/1.png"], ["NA"], [""], ["/home/me/1.png"]):
        one = write(tmp_path / "one.csv", [{**rows[0], "path": cells[0]}], pictures=False)
        code, out, told = chiasm_("answer", home / "ids.chiasm", one, "--json")
        assert code == 0, told
        assert len(json.loads(out)) == 1
        assert "column 'path'" in told  # and it is told
    nothing = write(tmp_path / "none.csv", [{"words": " ", "path": "gone.png"}], pictures=False)
    code, _, told = chiasm_("answer", home / "ids.chiasm", nothing)
    assert code == 1
    assert "nothing to read" in told


# Words of the command line


def test_a_command_to_follow_can_be_typed_as_it_stands(chiasm_: Chiasm, tmp_path: Path) -> None:
    folder = tmp_path / "my photos"
    table = write(folder / "t 1.csv", without(items(60, 0), "path", "key"))
    fit = ("--text", "words", "--label", "kind", *CHEAP[2:])
    code, out, told = chiasm_("fit", "classify", table, *fit, "--to", folder / "it's.chiasm")
    assert code == 0, told
    following = [shlex.split(line.removeprefix("next: ")) for line in out.splitlines() if line.startswith("next: ")]
    commands = [words[next(i for i, word in enumerate(words) if word in ("score", "answer")) :] for words in following]
    assert commands == [
        ["score", str(folder / "it's.chiasm"), str(table)],
        ["answer", str(folder / "it's.chiasm"), str(table), "--to", "answers.csv"],
    ]


def test_parameters_become_options_that_a_shell_reads() -> None:
    assert flags("say root='/a b/c'.") == "say --root '/a b/c'."
    assert flags("say where={'a': 'x', 'b c': 'y'}!") == "say --where a=x --where 'b c=y'!"
    assert flags("""(columns={'路': "it's"})""") == """(--column '路=it'"'"'s')"""
    assert typed("图.csv") == "图.csv"


@pytest.mark.parametrize("command", ["answer", "search", "match", "detect"])
def test_a_model_of_another_task_is_called_as_the_command_line_calls_it(
    chiasm_: Chiasm, tmp_path: Path, command: str
) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 3))
    if command == "answer":
        chiasm.save(Retrieve(align="cca").fit({"a": values, "b": values + 0.1}), tmp_path / "m")
    else:
        chiasm.save(Classify(fuse="late").fit({"a": values}, np.where(values[:, 0] > 0, "x", "y")), tmp_path / "m")
    code, _, told = chiasm_(command, tmp_path / "m", "words")
    assert code == 1
    assert not re.search(r"\b(Classify|Retrieve)\b|is of ", told)


def test_no_rows_of_a_condition_are_said_in_words(chiasm_: Chiasm, home: Path) -> None:
    code, _, told = chiasm_("answer", home / "ids.chiasm", home / "t.csv", "--where", "kind=cloud")
    assert (code, "has no rows where kind is 'cloud'" in told, "{" in told) == (1, True, False), told


def test_class_folders_need_no_label_and_a_table_says_which(chiasm_: Chiasm, tmp_path: Path) -> None:
    for kind in WORDS:
        for i in range(12):
            file = tmp_path / "c" / kind / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            shape_image("red", kind, seed=i).save(file)
    shape_image("red", "bar", seed=99).save(tmp_path / "c" / "root.png")
    fit = (*CHEAP[:2], "--fuse", "late", "--to", tmp_path / "m")
    code, out, told = chiasm_("fit", "classify", tmp_path / "c", *fit, "--json")
    assert code == 0, told
    assert json.loads(out)["answers"] == sorted(WORDS)
    assert "1 file (root.png): without a class, in no subfolder" in told
    table = write(tmp_path / "t.csv", without(items(6, 0), "path"))
    code, _, told = chiasm_("fit", "classify", table, "--text", "words", "--to", tmp_path / "m2")
    assert (code, "Missing option '--label'" in told) == (2, True)
    code, _, told = chiasm_("fit", "classify", tmp_path / "c" / "bar", *fit)
    assert (code, "tells no classes: wanted a subfolder for each" in told) == (1, True)


def test_of_class_folders_the_classes_are_still_a_view(tmp_path: Path) -> None:
    for kind in WORDS:
        make_pictures(tmp_path / "c" / kind, 4, seed=len(kind))
    views = Source().read_present(tmp_path / "c", {"image": "image", "class": "text"})
    assert sorted(views.names) == ["class", "image"]
    assert views.present("class").all()


def test_a_search_in_a_folder_with_a_text_of_another_encoding(chiasm_: Chiasm, tmp_path: Path) -> None:
    pairs = make_pictures(tmp_path / "p", 40)
    lines = "".join(f"{name},{words} {i}\n" for i, (name, words) in enumerate(pairs))
    (tmp_path / "p" / "t.csv").write_text(f"path,words\n{lines}", encoding="utf-8")
    fit = ("--text", "words", "--image", "path", *CHEAP[:4], "--align", "ridge", "--to", tmp_path / "m")
    assert chiasm_("fit", "retrieve", tmp_path / "p" / "t.csv", *fit)[0] == 0
    make_pictures(tmp_path / "q", 2)
    (tmp_path / "q" / "0000.txt").write_bytes("一只小狗".encode("gb18030"))
    code, _, told = chiasm_("search", tmp_path / "m", "a red bar", "--in", tmp_path / "q")
    assert (code, "utf-8" in told) == (0, False), told
    search = ("search", tmp_path / "m", "--image", tmp_path / "q" / "0000.png", "--in", tmp_path / "q")
    code, _, told = chiasm_(*search)
    assert (code, "--encoding gb18030" in told) == (1, True), told
    code, out, told = chiasm_(*search, "--encoding", "gb18030")
    assert (code, "一只小狗" in out) == (0, True), told
    code, _, told = chiasm_("search", tmp_path / "m", "\u200b")
    assert (code, "without a visible character" in told) == (1, True)


def test_tags_that_hold_what_stands_between_tags_are_in_quotes() -> None:
    from chiasm.cli.answer import _shown

    assert _shown(["红; red", "b", 'so "so"']) == '"红; red"; b; "so \\"so\\""'


def test_a_record_that_cannot_be_used_is_listed_by_the_id_of_its_row(tmp_path: Path) -> None:
    rows = [{"key": f"n{i}", "x": float(i), "y": 1.0 + i % 2} for i in range(30)]
    rows[4]["x"] = 1e300
    views = chiasm.read(rows, number=["x", "y"], id="key")
    report = chiasm.encoding.Encoding().fit(views).apply(views)[1]
    assert [label.partition(":")[0] for _, label, _ in report.notes] == ["n4"], report.notes


def test_a_notebook_shows_the_views_and_no_inner_names() -> None:
    rng = np.random.default_rng(0)
    model = Classify(fuse="late").fit({"a": rng.normal(size=(40, 3))}, ["x", "y"] * 20)
    assert "has learned: from a (vector)" in model._repr_html_()
    assert "fitted_" not in model._repr_html_()


def test_a_k_that_the_views_do_not_have_is_a_warning_of_chiasm() -> None:
    z = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.warns(chiasm.errors.ChiasmWarning, match="wanted k=10, got 2"):
        chiasm.align.CCA(k=10).fit({"a": z @ np.ones((2, 2)) + z, "b": z})
