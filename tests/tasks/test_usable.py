"""A view of which nothing can be used is refused in a sentence, whatever the task: there would be nothing to find."""

from importlib.util import find_spec

import numpy as np
import pytest

import chiasm
from chiasm.errors import ChiasmError
from chiasm.tasks.classify import Classify
from chiasm.tasks.detect import Detect
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures

ENCODERS = {"text": "hashed_text", "image": "pixel_image"}


def rows(folder, broken):
    """60 rows of words, a picture and a label; the pictures in `broken` are none."""
    names = [str(folder / name) for name, _ in make_pictures(folder, 60)]
    for place in broken:
        (folder / f"{place:04d}.png").write_text("no picture")
    return chiasm.Views.of(
        {"words": [f"picture {i}" for i in range(60)], "photo": names},
        {"words": "text", "photo": "image"},
        label=["ab"[i % 2] for i in range(60)],
        split=["val" if i % 4 == 3 else "train" for i in range(60)],
    )


@pytest.mark.parametrize("task", [Retrieve, Classify, Detect])
def test_a_view_whose_every_item_cannot_be_read_is_refused(task, tmp_path):
    with pytest.raises(ChiasmError, match=r"image items of 'photo' .* none that can be used \(not_an_image 60; .*0000"):
        task(ENCODERS).fit(rows(tmp_path, range(60)))


def test_so_it_is_where_only_rows_that_are_not_learned_from_can_be_read(tmp_path):
    with pytest.raises(ChiasmError, match=r"none that can be used \(not_an_image 45;"):
        Retrieve(ENCODERS).fit(rows(tmp_path, [i for i in range(60) if i % 4 != 3]))


def test_pictures_without_words_are_refused_where_they_are_only_read_and_no_model_is_made(run, tmp_path):
    if find_spec("rapidocr_onnxruntime") is None:
        pytest.skip("needs rapidocr-onnxruntime")
    make_pictures(tmp_path / "Pictures", 4)
    said = run("fit", "retrieve", tmp_path / "Pictures", "--encoder", "image=ocr_image", "--to", tmp_path / "m")
    assert said.returncode == 1
    assert "none that can be used (no_words 4; 0000.png: no text was read in it)" in said.stderr
    assert not (tmp_path / "m").exists()


def test_some_that_can_be_read_are_enough_and_a_view_that_nobody_gave_is_another_matter(tmp_path):
    views = rows(tmp_path, range(0, 60, 2))
    assert len(Retrieve(ENCODERS).fit(views).items_["photo"]["item"]) == 30
    silent = views.replace({**views.columns, "photo": chiasm.Column("image", [], np.full(60, -1))})
    with pytest.raises(ChiasmError, match=r"view 'photo' is absent in all .* training rows"):
        Classify(ENCODERS).fit(silent)
