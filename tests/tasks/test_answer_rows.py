"""Answers as plain values say what `answer` says."""

from __future__ import annotations

import json

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
