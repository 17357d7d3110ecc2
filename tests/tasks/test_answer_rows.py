"""Answers as plain values say what `answer` says."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from chiasm.tasks.classify import Classify
from chiasm.tasks.regress import Regress
from chiasm.tasks.tag import Tag

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 200, 3))
NEW = {"a": A[:7], "b": B[:7]}
IDS = np.arange(7)


def test_a_class_comes_with_its_confidence_and_the_probability_of_each() -> None:
    model = Classify(fuse="early").fit({"a": A, "b": B}, np.where(A[:, 0] > 0, "warm", "cold"))
    labels, sure = model.answer(NEW)
    rows = model.rows(IDS, model.outputs(NEW))
    assert [row["id"] for row in rows] == [str(i) for i in range(7)]
    assert [row["answer"] for row in rows] == labels.tolist()
    assert [row["confidence"] for row in rows] == pytest.approx(sure.tolist(), abs=1e-6)
    for row in rows:
        assert set(row["probabilities"]) == {"warm", "cold"}
        assert row["probabilities"][row["answer"]] == row["confidence"]
    assert json.loads(json.dumps(rows)) == rows


def test_tags_come_with_the_probability_of_each_and_the_likeliest_first() -> None:
    tags = [["warm"] * bool(x > 0) + ["wet"] * bool(z > 0) for x, z in zip(A[:, 0], B[:, 0], strict=True)]
    model = Tag(fuse="early").fit({"a": A, "b": B}, tags)
    rows = model.rows(IDS, model.outputs(NEW))
    assert [tuple(row["answer"]) for row in rows] == model.answer(NEW)[0].tolist()
    assert all(set(row["probabilities"]) == {"warm", "wet"} for row in rows)
    assert json.loads(json.dumps(rows)) == rows


def test_a_number_comes_with_the_half_width_of_its_interval() -> None:
    model = Regress(fuse="early").fit({"a": A, "b": B}, A[:, 0] + B[:, 0])
    values, widths = model.answer(NEW)
    rows = model.rows(IDS, model.outputs(NEW))
    assert [row["answer"] for row in rows] == pytest.approx(values.tolist(), abs=1e-6)
    assert [row["plus_minus_90"] for row in rows] == pytest.approx(widths.tolist(), abs=1e-6)
    assert json.loads(json.dumps(rows)) == rows


@pytest.mark.parametrize("fuse", ["auto", "early"])
def test_nine_of_ten_numbers_lie_within_their_width_whatever_views_a_row_has(fuse: str) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 2300, 2))
    y = 3 * a[:, 0] + 0.5 * b[:, 0] + 0.3 * rng.normal(size=2300)
    model = Regress(fuse=fuse).fit({"a": a[:300], "b": b[:300]}, y[:300])
    gone = np.full((2000, 2), np.nan)
    widths = []
    asked = ({"a": a[300:], "b": b[300:]}, {"a": a[300:]}, {"b": b[300:]}, {"a": gone, "b": gone})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that rows hold none of the views
        said = [model.answer(held) for held in asked]
    for values, width in said:
        assert np.mean(np.abs(values - y[300:]) <= width) > 0.86
        widths.append(width[0])
    assert widths[0] < 0.3 * widths[2] <= widths[3]
    rows = model.rows(range(2), np.zeros((2, 1)), [2, 1])
    assert [row["plus_minus_90"] for row in rows] == pytest.approx([widths[0], widths[2]], abs=1e-5)
    one = Regress(fuse=fuse).fit({"a": a[:300]}, y[:300])
    assert one.widths(np.array([0, 1]))[0] > 2 * one.widths(np.array([0, 1]))[1]
