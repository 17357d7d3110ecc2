"""With a handful of rows a fuser says little more than the shares of the classes; with many it says what it knows."""

import numpy as np
import pytest

from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.fuse.auto import Auto
from chiasm.fuse.early import Early
from chiasm.fuse.late import Late
from chiasm.stats.answers import ece, log_loss
from chiasm.stats.blocks import Block

LABELS = np.repeat(["积极", "中性", "消极"], [7, 3, 2])
SHARES = np.array([3, 2, 7]) / 12  # 中性, 消极, 积极


@pytest.mark.parametrize("make", [Early, Auto, Late])
def test_twelve_rows_that_say_nothing_are_answered_near_the_shares(make):
    surest, lost = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        views = {"words": rng.normal(size=(12, 384))}
        found = make(seed=seed).fit(views, LABELS).predict_proba({"words": rng.normal(size=(150, 384))})
        surest.append(found.max(axis=1).mean())
        codes = rng.choice(3, 150, p=SHARES)
        lost.append(log_loss(codes, found) - log_loss(codes, np.tile(SHARES, (150, 1))))
    assert np.mean(surest) < 0.75
    assert np.mean(lost) < 0.15


def test_twelve_rows_that_tell_are_believed_in_part():
    rng = np.random.default_rng(0)
    y, codes = np.arange(12) % 2, np.arange(200) % 2
    views = {"a": rng.normal(size=(12, 4)) + 4 * y[:, None]}
    found = Early().fit(views, y).predict_proba({"a": rng.normal(size=(200, 4)) + 4 * codes[:, None]})
    assert (found.argmax(axis=1) == codes).all()
    assert 0.6 < found.max(axis=1).mean() < 0.97


def test_scores_that_say_the_opposite_are_not_turned_round():
    truth = np.eye(2)[np.repeat([0, 1], [8, 4])]
    for kind in ("classes", "tags"):
        found = Calibrated(kind).fit(1e-4 * (1 - truth), truth)(np.array([[0.0, 1.0], [1.0, 0.0]]))
        np.testing.assert_allclose(found, [[8 / 12, 4 / 12]] * 2, atol=0.02)


def test_the_fold_that_a_row_stands_in_tells_nothing_of_its_class():
    rng = np.random.default_rng(0)
    truth = np.eye(3)[rng.choice(3, 30, p=[0.6, 0.25, 0.15])]
    folds = np.arange(30) % 5
    nothing = {"a": Block(np.zeros((30, 4), np.float32), np.ones(30, bool))}  # a view that is constant
    head = RidgeHead("classes")
    head.cross_fit(nothing, truth, folds)
    np.testing.assert_allclose(head.answer(nothing, 30), np.tile(truth.mean(axis=0), (30, 1)), atol=0.03)


def test_many_rows_are_believed_as_before():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 1500)
    x = rng.normal(size=(1500, 4)) + 1.5 * np.eye(3, 4)[y]
    found = Early().fit({"a": x[:1000]}, y[:1000]).predict_proba({"a": x[1000:]})
    logits = 1.5 * x[1000:, :3]
    best = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)  # the true probabilities
    assert log_loss(y[1000:], found) < log_loss(y[1000:], best) + 0.02
    assert ece(y[1000:], found) < 0.06
