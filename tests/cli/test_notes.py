"""What was skipped or altered is named: of what a search asks with, of what it looks in, and in JSON all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import chiasm
from chiasm.cli import main
from chiasm.tasks.contents import Contents
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views
from conftest import make_pictures


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of toy pictures and captions, and a folder of pictures some of which are odd."""
    folder = tmp_path_factory.mktemp("notes")
    pairs = make_pictures(folder / "learned", 60)
    columns = {
        "path": Column("image", [str(folder / "learned" / name) for name, _ in pairs]),
        "caption": Column("text", [f"{caption} {i}" for i, (_, caption) in enumerate(pairs)]),
    }
    for image in ("pixel_image", "pixel_image+pixel_image:size=8"):
        model = Retrieve(encoders={"path": image, "caption": "hashed_text"}, align="ridge").fit(Views(columns))
        chiasm.save(model, folder / f"{image.count('+') + 1}.chiasm")
    make_pictures(folder / "图", 3, seed=1)
    for i in range(5):
        (folder / "图" / f"坏{i}.png").write_bytes((folder / "learned" / f"{i:04d}.png").read_bytes()[:60])
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(folder / "图" / "动.gif", save_all=True, append_images=frames[1:])
    return folder


def ran(capsys: Any, *given: Any) -> tuple[str, str]:
    main([str(one) for one in given])  # it exits, which is an error here, where the code is not 0
    told = capsys.readouterr()
    return told.out, told.err


def test_a_fit_tells_in_json_too_what_it_learned_from_and_what_not(tmp_path: Path, capsys: Any) -> None:
    pairs = make_pictures(tmp_path, 12)
    parts = [(words, "test") if i == 3 else ("", "train") for i, (_, words) in enumerate(pairs)]
    lines = [f"{name},{words},{part}" for (name, _), (words, part) in zip(pairs, parts, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["path,words,split", *lines]), encoding="utf-8")
    fit = ("fit", "retrieve", tmp_path / "t.csv", "--image", "path", "--to", tmp_path / "m")
    (told,) = json.loads(ran(capsys, *fit, "--json")[0])["notes"]
    assert told.startswith("learned from no caption but from the 1,000 names that the encoder of 'path' knows")
    held = ran(capsys, *fit, "--text", "words", "--split", "split")[0]
    assert "pairs: 1 of 12 things have words + path, 0 of them learned from" in held
    assert (
        "the one caption is held out for choosing and scoring: give more, or a column of splits (--split COL)\n" in held
    )


@pytest.mark.parametrize("model", ["1.chiasm", "2.chiasm"])
def test_what_a_search_asks_with_is_noted_like_what_it_finds(model: str, home: Path, capsys: Any) -> None:
    ask = ("search", home / model, "--image", home / "图" / "动.gif", "--to", "caption", "--k", "1")
    assert "动.gif (used the first of several frames)" in ran(capsys, *ask)[1]
    (one,) = json.loads(ran(capsys, *ask, "--json")[0])["altered"]
    assert (one["view"], one["code"]) == ("path", "first_frame")
    assert one["item"].endswith("动.gif")


def test_what_a_folder_has_that_cannot_be_read_is_named_and_in_json_all_of_it(home: Path, capsys: Any) -> None:
    ask = ("search", home / "1.chiasm", "a red circle 1", "--in", home / "图", "--k", "1")
    told = ran(capsys, *ask)[1]
    assert "path: 5 skipped, 1 altered (broken 5, first_frame 1)" in told
    assert "broken: 坏0.png, 坏1.png, 坏2.png and 2 more (" in told
    found = json.loads(ran(capsys, *ask, "--json")[0])
    assert sorted(one["item"] for one in found["skipped"]) == [f"坏{i}.png" for i in range(5)]
    assert {one["code"] for one in found["skipped"]} == {"broken"}
    assert [one["item"] for one in found["altered"]] == ["动.gif"]


def test_a_search_in_python_reports_its_queries_and_a_picture_has_its_notes(home: Path) -> None:
    model = chiasm.load(home / "1.chiasm")
    found = model.hits({"path": [str(home / "图" / "动.gif"), str(home / "图" / "0000.png")]}, k=1)
    assert [(view, note.code) for view, _, note in found.report.notes] == [("path", "first_frame")]
    assert found.report.as_dict()["path"]["items"] == 2
    told = Contents().answer(str(home / "图" / "动.gif"))["notes"]
    assert [one["code"] for one in told] == ["first_frame"]
