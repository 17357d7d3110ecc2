"""Occlusion: what is planted is found, what does not count is withheld, words in English and Chinese."""

import zlib

import numpy as np
import pytest

import chiasm
from chiasm.encode import spans
from chiasm.errors import ChiasmError
from chiasm.explain._cells import blob, box, neighbors, segments
from chiasm.explain.occlusion import Occlusion
from chiasm.media.images import decode_image
from chiasm.views import Column, Views

SIDE = 144


class Toy:
    """A part whose scores a function of one item makes; beside it, patches that tell the quarters apart."""

    def __init__(self, score, patches=None):
        self.score, self.given, self.asked = score, patches, 0

    def pair_scores(self, query, candidates):
        (column,) = candidates.columns.values()
        self.asked += len(column)
        return np.array([self.score(item) for item in column.items], dtype=float)

    def patches(self, views):
        return None if self.given is None else [self.given]


def striped(quarter, seed=0):
    """Gray noise `(144, 144, 3)` with a checkerboard in one quarter: 0 top left, 1 top right, 2 and 3 below."""
    noise = np.random.default_rng(seed).integers(90, 160, (SIDE, SIDE, 1), dtype=np.uint8)
    picture = np.repeat(noise, 3, axis=2)
    half = SIDE // 2
    top, left = half * (quarter // 2), half * (quarter % 2)
    board = (np.add.outer(np.arange(half) // 8, np.arange(half) // 8) % 2 * 255).astype(np.uint8)
    picture[top : top + half, left : left + half] = board[..., None]
    return picture


def contrast(item):
    """How much black beside white a picture holds: the checkerboard alone has any."""
    gray = np.asarray(decode_image(item, None)[0])[..., 0].astype(float)
    return float((np.abs(np.diff(gray, axis=1)) > 120).mean())


def one(part, text="a b", picture=None, **options):
    """What is told of one pair: (of the text, of the picture)."""
    views = {"text": Column("text", [text]), "image": Column("image", [striped(0) if picture is None else picture])}
    told = Occlusion(**options).explain(part, Views(views))
    return told["text"].items[0], told["image"].items[0]


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_the_quarter_that_decides_is_the_region(quarter, fill):
    _, told = one(Toy(contrast), picture=striped(quarter), fill=fill)
    left, top = quarter % 2 / 2, quarter // 2 / 2
    assert told["region"]["box"] == pytest.approx([left, top, left + 0.5, top + 0.5], abs=0.12)
    assert told["region"]["share"] > 0.8
    assert told["region"]["drop"] > told["region"]["random"]
    mask = np.array([[int(cell) for cell in line] for line in told["region"]["mask"]])
    assert mask.shape == (9, 9)
    assert box(mask == 1) == told["region"]["box"]


def test_the_encoder_s_patches_cut_the_picture_where_there_are_any():
    quarters = np.kron(np.arange(4).reshape(2, 2), np.ones((4, 4), dtype=int)).ravel()
    _, told = one(Toy(contrast, np.eye(4)[quarters]), picture=striped(2), segments=4)
    assert told["region"]["mask"] == ["00000000"] * 4 + ["11110000"] * 4
    assert told["region"]["box"] == [0, 0.5, 0.5, 1]
    assert told["region"]["share"] == 1


def test_patches_that_fill_no_square_are_left_aside():
    _, told = one(Toy(contrast, np.eye(5)), picture=striped(1))
    assert len(told["region"]["mask"]) == 9


def test_a_score_that_does_not_look_at_the_picture_is_withheld():
    text, picture = one(Toy(lambda item: 0.5))
    assert picture == {"score": 0.5, "withheld": "the picture scores no better than a blank one"}
    assert text == {"score": 0.5, "withheld": "no word that is left out lowers the score"}


def test_a_score_that_looks_at_the_whole_picture_alike_has_no_region():
    flat = np.full((SIDE, SIDE, 3), 100, dtype=np.uint8)
    flat[::2] = 150
    _, told = one(Toy(lambda item: float(np.asarray(item).std()) if np.ndim(item) == 3 else 0.0), picture=flat)
    assert "random ones of equal area" in told["withheld"]


@pytest.mark.slow
def test_of_scores_that_are_noise_one_in_ten_at_most_is_told():
    told = []
    for i in range(60):

        def noise(item, i=i):
            return float(np.random.default_rng([i, zlib.crc32(np.asarray(item).tobytes())]).normal())

        told.append(one(Toy(noise), picture=striped(i % 4, seed=i))[1])
    assert 0 < sum("region" in each for each in told) <= 6


def test_without_blobs_the_costliest_segment_is_told_as_it_is():
    part = Toy(contrast)
    _, told = one(part, picture=striped(3), blobs=0)
    assert told["region"]["random"] == 0
    assert part.asked <= 2 + 6 + 3  # pictures and the text's


def test_the_planted_word_has_the_largest_share():
    text, _ = one(Toy(lambda item: "zebra" in item and 1.0 + 0.1 * ("big" in item)), "one big zebra, please")
    said = {word["word"]: word["share"] for word in text["words"]}
    assert said == {
        "one": 0,
        "big": pytest.approx(0.083, abs=0.001),
        "zebra": pytest.approx(0.917, abs=0.001),
        "please": 0,
    }
    for word in text["words"]:
        assert "one big zebra, please"[word["start"] : word["end"]] == word["word"]


def test_chinese_is_cut_where_two_characters_count_together():
    def score(item):
        return 0.2 * ("汽" in item or "车" in item) + 0.1 * ("红" in item) + 0.1 * ("色" in item) if item else 0.0

    text, _ = one(Toy(lambda item: score(item) if isinstance(item, str) else 0.0), "红色汽车")
    assert [(word["word"], word["share"]) for word in text["words"]] == [("红", 0.25), ("色", 0.25), ("汽车", 0.5)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a red 汽车!", ["a", "red", "汽", "车"]),
        ("don't", ["don", "t"]),
        ("Größe 12", ["Größe", "12"]),
        ("🐕 in snow", ["🐕", "in", "snow"]),
        ("..., !", []),
    ],
)
def test_words_stand_where_spans_says(text, found):
    assert [text[start:end] for start, end, _ in spans(text)] == found


@pytest.mark.parametrize("text", ["zebra", "zebra!!", "...", "车"])
def test_a_text_of_one_word_has_nothing_to_leave_out(text):
    told, _ = one(Toy(lambda item: 1.0), text)
    assert told["withheld"] == "a text of one word has nothing to leave out"


def test_a_long_text_is_left_out_by_stretches_and_nothing_of_it_is_lost():
    words = [f"w{i}" for i in range(500)]
    part = Toy(lambda item: 1.0 * ("w321 " in item) if isinstance(item, str) else 0.0)
    told, _ = one(part, " ".join(words))
    assert len(told["words"]) <= 48
    assert " ".join(word["word"] for word in told["words"]) == " ".join(words)
    assert "w321" in max(told["words"], key=lambda word: word["share"])["word"]
    assert part.asked < 60 + 60


def test_what_cannot_be_read_says_so_and_what_is_absent_stays_absent():
    _, told = one(Toy(lambda item: 1.0), picture=b"no picture")
    assert "cannot be read" in told["withheld"]
    views = Views({"a": Column.from_cells("text", ["x y", None]), "b": Column.from_cells("text", ["x z", "w"])})
    back = Occlusion().explain(Toy(lambda item: float("x" in item)), views)
    assert back.present("a").tolist() == back.present("b").tolist() == [True, False]


def test_a_sound_is_not_taken_apart():
    views = Views({"a": Column("text", ["x y"]), "b": Column("audio", ["x.wav"])})
    told = Occlusion().explain(Toy(lambda item: 1.0), views)
    assert told["b"].items[0]["withheld"] == "audio is not taken apart, text or image is"


@pytest.mark.parametrize(
    ("options", "part", "columns", "words"),
    [
        ({"segments": 1}, Toy(len), "ab", "wanted segments to be a whole number of at least 2"),
        ({"blobs": -1}, Toy(len), "ab", "wanted blobs to be a whole number of at least 0"),
        ({"fill": "black"}, Toy(len), "ab", "no fill named 'black'"),
        ({"seed": -1}, Toy(len), "ab", "wanted seed"),
        ({}, object(), "ab", "wanted a part that scores pairs"),
        ({}, Toy(len), "abc", "wanted two columns, a pair a row, got a, b, c"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_a_sentence(options, part, columns, words):
    views = Views({name: Column("text", ["x y"]) for name in columns})
    with pytest.raises(ChiasmError, match=words):
        Occlusion(**options).explain(part, views)


def test_segments_are_connected_and_follow_what_is_alike():
    values = np.kron(np.arange(4).reshape(2, 2), np.ones((3, 3)))[..., None] == np.arange(4)
    assert {tuple(np.unique(segments(values * 1.0, 4)[rows, columns])) for rows in (slice(0, 3), slice(3, 6))
            for columns in (slice(0, 3), slice(3, 6))} == {(0,), (1,), (2,), (3,)}  # fmt: skip
    for seed in range(5):
        cut = segments(np.random.default_rng(seed).normal(size=(8, 8, 5)), 6)
        assert len(np.unique(cut)) == 6
        for number in range(6):
            assert connected(cut == number)


def test_segments_of_one_color_still_are_as_many_as_asked_for():
    assert len(np.unique(segments(np.zeros((9, 9, 3)), 6))) == 6


@pytest.mark.parametrize("area", [1, 7, 40, 81])
def test_a_blob_is_connected_and_as_large_as_asked_for(area):
    drawn = [blob(9, area, np.random.default_rng(seed)) for seed in range(4)]
    assert all(mask.sum() == area and connected(mask) for mask in drawn)
    assert area == 81 or len({mask.tobytes() for mask in drawn}) > 1


def connected(mask):
    near, held = neighbors(len(mask)), set(np.flatnonzero(mask))
    reached, edge = set(), [min(held)]
    while edge:
        cell = edge.pop()
        reached.add(cell)
        edge += [other for other in near[cell] if other in held and other not in reached]
    return reached == held


def test_it_is_found_by_its_name():
    assert chiasm.names("explain") == ["occlusion"]
    assert chiasm.get("explain", "occlusion") is chiasm.explain.Occlusion
