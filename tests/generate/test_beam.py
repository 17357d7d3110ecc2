"""Beam search against every text there is; forced and forbidden words; bounds."""

from itertools import product

import numpy as np
import pytest
from scipy.special import log_softmax

from chiasm.generate._beam import Wishes, search
from chiasm.generate._pieces import END, START, Pieces

TEXTS = ["red bus", "blue bus", "red dog", "big red dog", "一只狗", "dog 🐶"]


def language(seed=0):
    """Pieces, and a made-up language: the next piece depends on the row and the last two pieces."""
    pieces = Pieces(20).fit(TEXTS)
    v = len(pieces)
    table = log_softmax(np.random.default_rng(seed).normal(size=(2, v, v, v)) * 2, axis=-1)

    def following(ids, rows):
        before = ids[:, -2] if ids.shape[1] > 1 else np.zeros(len(ids), int)
        return table[rows, before, ids[:, -1]].copy()

    return pieces, following, v


def likelihood(following, row, ids):
    return sum(float(following(np.array([ids[:t]]), np.array([row]))[0, ids[t]]) for t in range(1, len(ids)))


def test_a_wide_beam_finds_the_likeliest_of_all_texts():
    pieces, following, v = language()
    found = search(following, 2, pieces, beam=400, longest=2)
    for row in (0, 1):
        every = {}
        for size in (1, 2):
            for ids in product(range(END + 1, v), repeat=size):
                text = pieces.text(ids)
                if text:
                    value = likelihood(following, row, (START, *ids, END)) / (size + 1)
                    every[text] = max(every.get(text, -np.inf), value)
        best = max(every, key=every.get)
        assert found[row][0].likelihood / found[row][0].pieces == pytest.approx(every[best])
        assert found[row][0].text == best


def test_texts_are_no_longer_than_asked_and_the_same_each_time():
    pieces, following, _ = language()
    found = search(following, 2, pieces, beam=3, longest=5)
    assert all(one.pieces <= 6 for mine in found for one in mine)
    assert all(len(mine) == 3 for mine in found)
    assert found == search(following, 2, pieces, beam=3, longest=5)


def test_forced_words_are_there_and_forbidden_ones_are_not():
    pieces, following, _ = language()
    forced = search(following, 2, pieces, beam=4, longest=8, wishes=Wishes.of(["red dog"]))
    assert all(mine and all("red dog" in one.text for one in mine) for mine in forced)
    without = search(following, 2, pieces, beam=4, longest=6, wishes=Wishes.of([], ["dog", "狗", "bus"]))
    assert all(mine for mine in without)
    assert not any(word in one.text.split() for mine in without for one in mine for word in ("dog", "bus"))
    assert not any("狗" in one.text for mine in without for one in mine)


def test_pieces_give_texts_back_in_lower_case_without_the_point_at_the_end():
    pieces = Pieces(50).fit(TEXTS)
    for text in TEXTS:
        assert pieces.text(pieces.ids([text], 20)[0]) == text
    assert pieces.text(pieces.ids(["Red  Bus."], 20)[0]) == "red bus"
    assert pieces.ids(["red bus", "dog"], 3).shape[0] == 2
    assert pieces.text(pieces.ids(["ξ"], 20)[0]) == ""
