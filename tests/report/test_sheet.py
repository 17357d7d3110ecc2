"""What a sheet draws of items that were found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chiasm.errors import ChiasmError
from chiasm.report.sheet import drawable, sheet
from chiasm.views import Column
from conftest import make_pictures


def test_pictures_are_drawn_from_the_column_that_was_searched() -> None:
    column = Column("image", [b"one", b"two", b"three"], labels=["1", "2", "3"])
    assert drawable(["3", "1", "3"], "picture", "image", within=column) == [b"three", b"one", b"three"]


def test_the_models_own_pictures_lie_below_a_folder(tmp_path: Path) -> None:
    make_pictures(tmp_path, 2)
    found = drawable(["0001.png", "gone.png"], "picture", "image", folder=tmp_path)
    assert found == [str(tmp_path / "0001.png"), str(tmp_path / "gone.png")]  # one that is gone is an empty frame
    with pytest.raises(ChiasmError, match=r"none of the pictures found is below .*: name .*root='DIR'"):
        drawable(["gone.png"], "picture", "image", folder=tmp_path)


def test_what_shows_nothing_is_not_drawn() -> None:
    column = Column("vector", np.zeros((1, 2)))
    with pytest.raises(ChiasmError, match="view 'words' holds text"):
        drawable(["vector 0"], "words", "text", within=column)


def test_the_outline_of_a_region_is_drawn_around_its_cells_and_nowhere_else(tmp_path: Path) -> None:
    white = np.full((40, 40, 3), 255, dtype=np.uint8)
    drawn = []
    for name, mask in (("with", ["100", "100", "000"]), ("without", None)):
        path = sheet([("q", [(white, "")])], tmp_path / f"{name}.png", side=90, outlines=[[mask]])
        drawn.append(np.asarray(Image.open(path)).astype(int))
    changed = np.argwhere((drawn[0] != drawn[1]).any(axis=-1))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert right - left == pytest.approx(30, abs=6)
    assert bottom - top == pytest.approx(60, abs=6)
    assert not (drawn[0] != drawn[1])[top + 8 : bottom - 8, left + 8 : right - 8].any()


def test_a_wide_picture_keeps_its_shape_and_a_sheet_is_a_png(tmp_path: Path) -> None:
    wide = np.zeros((30, 60, 3), dtype=np.uint8)
    black = (np.asarray(Image.open(sheet([("", [(wide, "")])], tmp_path / "s.png", side=90))) == 0).all(axis=-1)
    rows, columns = (np.flatnonzero(black.any(axis=axis)) for axis in (1, 0))
    assert np.ptp(columns) == pytest.approx(2 * np.ptp(rows), abs=2)  # the frame lies on its edge
    with pytest.raises(ChiasmError, match=r"ends in \.png"):
        sheet([("", [(wide, "")])], tmp_path / "s.txt")
