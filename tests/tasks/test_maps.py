"""Maps of words: what a score loses without a patch, against the other patches' mean; planted squares are found."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from chiasm.cli import cli
from chiasm.cli import explain as explain_command
from chiasm.encode._encoder import Encoder, each, every
from chiasm.errors import ChiasmError
from chiasm.media.images import decode_image
from chiasm.tasks._retrieve.maps import left_out
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

COLORS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220), "white": (235, 235, 235)}


def test_what_is_left_out_is_what_the_mean_of_the_other_patches_lacks():
    rng = np.random.default_rng(0)
    patches, direction = rng.normal(size=(25, 4)), rng.normal(size=4)

    def score(vectors):
        return np.tanh(vectors @ direction)

    told = left_out(patches, score)
    assert told.shape == (5, 5)
    for row, column in ((0, 0), (2, 3), (4, 2)):
        rest = [patches[5 * y + x] for y in range(5) for x in range(5) if abs(y - row) > 1 or abs(x - column) > 1]
        lost = score(patches.mean(axis=0)[None])[0] - score(np.mean(rest, axis=0)[None])[0]
        assert told[row, column] == pytest.approx(lost, abs=1e-6)


def test_patches_that_fill_no_square_have_no_map():
    assert left_out(np.ones((24, 3)), lambda vectors: vectors[:, 0]) is None
    assert left_out(np.ones((4, 3)), lambda vectors: vectors[:, 0]) is None


class Cells(Encoder):
    """The colors of 9 x 9 cells of a picture; whole, their mean, or their squares' mean (`bent`)."""

    modality = "image"

    def __init__(self, bent: bool = False):
        self.bent = bent

    def attempt(self, items):
        return each(lambda item: (np.mean(self._cells(item) ** (1 + self.bent), axis=0), []), items, 3)

    def tokens(self, items):
        return every(lambda item: (self._cells(item), []), items, "image")

    def _cells(self, item):
        picture = np.asarray(decode_image(item, 72)[0], dtype=np.float32) / 255
        return picture.reshape(9, 8, 9, 8, 3).mean(axis=(1, 3)).reshape(81, 3)


def _gray(rng):
    return np.repeat(rng.integers(90, 140, (72, 72, 1), dtype=np.uint8), 3, axis=2)


def _fitted(**options):
    """A model of gray pictures with a colored square at a random place, and the words for it."""
    rng = np.random.default_rng(0)
    words = [list(COLORS)[i % 4] for i in range(60)]
    pictures = [_gray(rng) for _ in words]
    for word, picture in zip(words, pictures, strict=True):
        top, left = rng.integers(0, 40, 2)
        picture[top : top + 32, left : left + 32] = COLORS[word]
    views = Views({"image": Column("image", pictures), "caption": Column("text", [f"a {w} square" for w in words])})
    encoders = {"text": "hashed_text", "image": Cells(**options)}
    return Retrieve(encoders=encoders, align="cca", baseline=False).fit(views)


@pytest.fixture(scope="module")
def painted():
    return _fitted()


def test_a_word_points_to_the_square_of_its_color(painted):
    rng = np.random.default_rng(1)
    right = dict.fromkeys(("red", "green"), 0)
    for _ in range(8):
        picture, lefts = _gray(rng), rng.permutation([0, 40]).tolist()
        places = {word: (int(rng.integers(0, 40)), left) for word, left in zip(right, lefts, strict=True)}
        for word, (top, left) in places.items():
            picture[top : top + 32, left : left + 32] = COLORS[word]
        for word, (top, left) in places.items():
            (told,) = painted.maps({"caption": [f"a {word} square"]}, {"image": [picture]})
            y, x = (np.array(np.unravel_index(told.argmax(), told.shape)) + 0.5) * 8
            right[word] += top <= y <= top + 32 and left <= x <= left + 32
    assert min(right.values()) >= 7  # by chance 1 or 2


def test_pictures_that_are_not_the_mean_of_their_patches_have_no_map():
    picture = _gray(np.random.default_rng(0))
    assert _fitted(bent=True).maps({"caption": ["a red square"]}, {"image": [picture, picture]}) == [None, None]


def test_a_map_wants_one_query_and_pictures_that_are_there(painted):
    picture = _gray(np.random.default_rng(0))
    with pytest.raises(ChiasmError, match="wanted one query, got 2"):
        painted.maps({"caption": ["a", "b"]}, {"image": [picture]})
    with pytest.raises(ChiasmError, match="got an absent one"):
        painted.maps({"caption": ["a"]}, {"image": [None]})


def _pictures(folder):
    """A gray picture with a red square at the lower left, and a plain one."""
    rng = np.random.default_rng(2)
    red, plain = _gray(rng), _gray(rng)
    red[36:68, 4:36] = COLORS["red"]
    for name, picture in (("red.png", red), ("plain.png", plain)):
        Image.fromarray(picture).save(folder / name)
    return [str(folder / "red.png"), str(folder / "plain.png")]


def test_the_command_tells_and_draws_where_the_words_are_met(painted, tmp_path, monkeypatch):
    monkeypatch.setattr(explain_command, "load", lambda model: painted)
    files = _pictures(tmp_path)
    drawn = tmp_path / "map.png"
    asked = ["explain", "m", "a red square", *files]
    for wrong, sentence in (("x.jpg", "wanted a PNG"), ("nowhere/x.png", "which is not there")):
        refused = CliRunner().invoke(cli, [*asked, "--map", str(tmp_path / wrong)])
        assert sentence in str(refused.exception)
    assert not (tmp_path / "nowhere").exists()
    told = CliRunner().invoke(cli, [*asked, "--map", str(drawn), "--json"])
    assert told.exit_code == 0, told.output
    one, other = json.loads(told.stdout)["results"]
    (direct,) = painted.maps({"caption": ["a red square"]}, {"image": files[:1]})
    np.testing.assert_allclose(one["map"], direct, atol=1e-6)
    assert 4 / 72 < one["place"][0] < 36 / 72 < one["place"][1] < 68 / 72
    assert one["score"] > other["score"]
    picture = np.asarray(Image.open(drawn).convert("RGB")).astype(int)[42 : 42 + 288, 2 * 12 + 288 : 2 * 12 + 2 * 288]
    pink = (picture[..., 0] - picture[..., 1])[:, :, None].reshape(9, 32, 9, 32).mean(axis=(1, 3))
    assert np.corrcoef(pink.ravel(), np.maximum(direct, 0).ravel())[0, 1] > 0.9
    assert "most at" in CliRunner().invoke(cli, asked).output


def test_the_command_refuses_what_is_no_picture_or_no_model_that_searches(painted, tmp_path, monkeypatch):
    monkeypatch.setattr(explain_command, "load", lambda model: painted)
    (tmp_path / "a.png").write_bytes(b"no picture")
    told = CliRunner().invoke(cli, ["explain", "m", "a dog", str(tmp_path / "a.png")])
    assert isinstance(told.exception, ChiasmError)
    assert "wanted a picture, got" in str(told.exception)
    told = CliRunner().invoke(cli, ["explain", "m", "a dog", *_pictures(tmp_path), "--from", "image"])
    assert "wanted words and pictures, got views of image" in str(told.exception)
    monkeypatch.setattr(explain_command, "load", lambda model: object())
    assert "wanted a model that searches" in str(CliRunner().invoke(cli, ["explain", "m", "a dog", "b.png"]).exception)
