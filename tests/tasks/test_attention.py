"""What a captioner looked at for each word: told and drawn by `chiasm explain`, with what is not shown of it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from chiasm.cli import cli
from chiasm.cli import explain as explain_command
from chiasm.data.toy import COLORS, SHAPES, shape_image
from chiasm.encode._encoder import Encoder, each
from chiasm.errors import ChiasmError
from chiasm.media.images import decode_image
from chiasm.tasks.caption import Caption
from chiasm.views import Column, Views

pytest.importorskip("torch")
from chiasm.generate import captioner

KINDS = [(color, shape) for color in COLORS for shape in SHAPES]


class Cells(Encoder):
    """The colors of 3 x 3 cells of a picture."""

    modality = "image"
    pooled = False

    def attempt(self, items):
        return each(lambda item: (self._cells(item), []), items, None)

    def _cells(self, item):
        picture = np.asarray(decode_image(item, 72)[0], dtype=np.float32) / 255
        return picture.reshape(3, 24, 3, 24, 3).mean(axis=(1, 3)).reshape(9, 3)


def _views(folder):
    files = []
    for i, (color, shape) in enumerate(KINDS):
        shape_image(color, shape, seed=i).save(folder / f"{i}.png")
        files.append(str(folder / f"{i}.png"))
    texts = [f"a {color} {shape}" for color, shape in KINDS]
    return Views({"photo": Column("image", files), "said": Column("text", texts)}), files


def test_what_was_looked_at_is_told_and_drawn(tmp_path, monkeypatch):
    views, files = _views(tmp_path)
    monkeypatch.setattr(captioner, "BLOCKS", (1,))
    model = Caption(generate=captioner.Captioner(beam=1), encoders={"image": Cells()}).fit(views)
    monkeypatch.setattr(explain_command, "load", lambda place: model)
    drawn, asked = tmp_path / "x.png", ["explain", "m", *files[:2]]
    told = CliRunner().invoke(cli, [*asked, "--map", str(drawn), "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert "is not shown" in found["note"]
    texts, direct = model.answer({"photo": files[:2]})[0], model.attention({"photo": files[:2]})
    for one, text, (same, words) in zip(found["results"], texts, direct, strict=True):
        assert one["answer"] == text == same
        assert [mine["word"] for mine in one["words"]] == text.split() == [word for word, _ in words]
        for mine, (_, grid) in zip(one["words"], words, strict=True):
            assert grid.shape == (3, 3)
            assert grid.sum() == pytest.approx(1, abs=1e-4)
            np.testing.assert_allclose(mine["map"], grid, atol=1e-6)
    sheet = np.asarray(Image.open(drawn).convert("RGB")).astype(int)
    step, (_, words) = 132 + 12, direct[0]
    for place, (_, grid) in enumerate(words, 1):  # the picture comes first
        left, top = 12 + place * step, 44 + 34
        part = sheet[top : top + 132, left : left + 132]
        pink = (part[..., 0] - part[..., 1])[22::44, 22::44]
        assert np.corrcoef(pink.ravel(), grid.ravel())[0, 1] > 0.8
    lines = CliRunner().invoke(cli, asked).output
    assert "most at" in lines
    assert "is not shown" in lines


def test_a_model_that_looks_at_no_patches_says_so(tmp_path):
    views, files = _views(tmp_path)
    model = Caption(encoders={"image": "pixel_image"}).fit(views)
    with pytest.raises(ChiasmError, match="wanted a captioner that looks at patches of pictures, got MBR"):
        model.attention({"photo": files[:1]})
