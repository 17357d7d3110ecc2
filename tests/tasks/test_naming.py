"""Unusual rows as plain values, the most unusual first, and what they are called."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.tasks.classify import Classify
from chiasm.tasks.detect import Alarm, Detect, alarm_name, ranked, row_events
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(120, 4))
VALUES[33, 0] += 9
VALUES[77, 1] += 8
VIEWS = Views({"a": Column("vector", VALUES)}, np.array([f"id {i}" for i in range(120)], object))
KINDS = np.where(VALUES[:, 0] > 1.5, "tall", np.where(VALUES[:, 1] > 1.5, "wide", "plain"))


@pytest.fixture(scope="module")
def detector() -> Detect:
    return Detect(rate=0.02).fit(VIEWS)


def test_rows_are_ranked_by_surprise_and_called_unusual_up_to_the_rate(detector: Detect) -> None:
    signs, surprise = detector.signs(VIEWS), detector.outputs(VIEWS)
    rows = ranked(detector, VIEWS, signs, surprise)
    assert {row["id"] for row in rows[:2]} == {"id 33", "id 77"}
    assert [row["p"] for row in rows] == sorted(row["p"] for row in rows)
    assert sum(row["unusual"] for row in rows) == detector.answer(VIEWS)[0].sum()
    assert [row["p"] for row in rows] == pytest.approx(np.exp(np.sort(-surprise)).tolist(), rel=1e-3)
    assert all(set(row["signs"]) == {"a"} and row["items"]["a"].startswith("vector ") for row in rows)
    assert all("event" not in row for row in rows)  # nobody was asked what they are
    assert json.loads(json.dumps(rows)) == rows


def test_an_absent_view_has_no_sign_and_no_item(detector: Detect) -> None:
    absent = Views({"a": Column("vector", VALUES, np.array([33, -1]))})
    row = ranked(detector, absent, detector.signs(absent), detector.outputs(absent))[-1]
    assert (row["signs"], row["items"], row["unusual"]) == ({"a": None}, {}, False)


def test_a_classifier_names_the_unusual_rows_alone(detector: Detect) -> None:
    names = Classify(fuse="early").fit(VIEWS, KINDS)
    rows = ranked(detector, VIEWS, detector.signs(VIEWS), detector.outputs(VIEWS), names=names, texts=["tall=giant"])
    called = {row["id"]: row["event"] for row in rows if "event" in row}
    assert {name: called[name] for name in ("id 33", "id 77")} == {"id 33": "giant", "id 77": "wide"}
    assert len(called) == sum(row["unusual"] for row in rows)


def test_a_detector_that_learned_labels_names_rows_itself() -> None:
    views = Views(VIEWS.columns, VIEWS.ids, {"label": KINDS.astype(object)})
    detector = Detect(learn="labels", normal="plain", fuse="early").fit(views)
    assert row_events(detector, None, ["wide=as a house"], VIEWS[np.array([33, 77])]) == ["tall", "as a house"]


def test_a_model_that_searches_names_rows_by_the_nearest_text(detector: Detect) -> None:
    words = np.where(VALUES[:, 0] > 0, "much", "little").astype(object)
    paired = {"a": VALUES, "words": Column("text", words.tolist())}
    model = Retrieve({"words": "hashed_text"}, align="ridge").fit(paired)
    rows = VIEWS[np.array([33, int(VALUES[:, 0].argmin())])]
    assert row_events(detector, model, [], rows) == ["much", "little"]
    assert row_events(detector, model, ["little"], rows) == ["little", "little"]
    mute = Retrieve(align="ridge").fit({"a": VALUES, "b": VALUES[:, :2]})
    with pytest.raises(ChiasmError, match="wanted a retrieve model with texts to describe what is found"):
        row_events(detector, mute, [], rows)


def test_an_alarm_is_called_by_its_labels_text_or_by_its_label(detector: Detect) -> None:
    name = alarm_name(detector, None, ["wild=something races by", "no label"], "film.mp4")
    alarms = [Alarm(0.0, 1.0, 3.0, 0.5, event) for event in ("wild", "calm", None)]
    assert [name(alarm) for alarm in alarms] == ["something races by", "calm", None]
    assert row_events(detector, None, [], VIEWS) == []
