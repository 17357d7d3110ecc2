"""Pictures without a single caption are found by words, by the names that their encoder knows."""

from __future__ import annotations

import numpy as np
import pytest

import chiasm
from chiasm.errors import ChiasmError
from chiasm.tasks.retrieve import Retrieve
from conftest import pack


@pytest.mark.slow
def test_photographs_without_captions_are_found_by_words(tmp_path):
    table = pack("coco2k") / "data.parquet"
    both = chiasm.read(table, image="image", text="caption", id="id")[:150]
    pictures = both.replace({"image": both["image"]})
    model = Retrieve().fit(pictures)
    assert model.names_ == 1000
    scored = model.score(both.replace({"text": both["caption"], "image": both["image"]}), allow_train=True)
    assert min(one["R@1"]["low"] for one in scored.table["directions"]) > 0.1  # chance is .007
    model.save(tmp_path / "m")
    again = chiasm.load(tmp_path / "m")
    for words in ("a train at a station", "一列火车"):
        found = model.answer({"text": [words]}, k=3)
        assert np.array_equal(again.answer({"text": [words]}, k=3)[0], found[0])


def test_pictures_whose_encoder_knows_no_names_ask_for_a_second_column(tmp_path):
    from PIL import Image

    for i in range(4):
        Image.fromarray(np.full((32, 32, 3), 60 * i, np.uint8)).save(tmp_path / f"{i}.png")
    with pytest.raises(ChiasmError, match="name a second column"):
        Retrieve({"image": "pixel_image"}).fit(chiasm.read(tmp_path))
