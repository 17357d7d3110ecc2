"""What is unusual, named by labels or by another model's texts, and rows as plain values, the most unusual first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip
from chiasm.tasks._detect.alarms import Alarm
from chiasm.views import Column, Views

__all__ = ["Name", "alarm_name", "columns_of", "ranked", "row_events"]

Name = Callable[[Alarm], str | None]
"""What an alarm is called; None where nobody knows."""


def alarm_name(detector: Any, names: Any, texts: Sequence[str], film: str) -> Name:
    """What says how an alarm of a film is called: its label's text, or the text that is nearest to the moment.

    Args:
        detector: a fitted `Detect`. names: a fitted `Retrieve`, which is shown the moment; or any other, or None: the
            alarm's own label counts. texts: LABEL=TEXT, or for a `Retrieve` the texts to choose from; none: its own.
        film: the file that the alarms are of; only a `Retrieve` looks at it.

    Raises a ChiasmError, when it is asked, for a `Retrieve` without texts.
    """
    if hasattr(names, "hits"):
        view = next((name for name in names.views_ if name in detector.views_), "")
        return lambda alarm: _nearest(names, texts, {view: [Clip(film, alarm.start, alarm.end)]})[0]
    label = _labels(texts)
    return lambda alarm: label.get(alarm.event or "", alarm.event)


def row_events(detector: Any, names: Any, texts: Sequence[str], views: Views) -> list[str | None]:
    """What each row is called; an empty list where no model knows.

    Args:
        detector: a fitted `Detect`, which names rows itself where it learned labels and `names` is None.
        names: a fitted `Retrieve`, a task that answers with classes, a detector that learned labels, or None.
        texts: as of `alarm_name`. views: raw rows.

    Raises a ChiasmError for a `Retrieve` without texts.
    """
    if hasattr(names, "hits"):
        asked = next((name for name in names.views_ if name in views.columns and names.views_[name] != "text"), "")
        return _nearest(names, texts, views.replace({asked: views[asked]})) if asked else []
    model = names if names is not None else detector if detector.learn == "labels" else None
    if model is None:
        return []
    label = _labels(texts)
    events = model.events(views) if hasattr(model, "events") else model.answer(views)[0]
    return [label.get(str(event), str(event)) for event in events]


def ranked(
    detector: Any,
    views: Views,
    signs: Mapping[str, np.ndarray],
    surprise: np.ndarray,
    *,
    names: Any = None,
    texts: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """A dict a row, the most unusual first: id, p, surprise, whether it is unusual, p by sign, event, items by view.

    p is the share of normal rows that are as unusual; None where no sign, or this one, can tell. The surprise is
    -log p, and ranks rows whose p is too small to be written. `event` is there where the row is unusual and a model
    knows what it is.

    Args:
        views: the raw rows. signs, surprise: what `detector.signs` and `detector.outputs` said of them, in nats.
        names, texts: as of `row_events`.
    """
    order = np.argsort(-surprise, kind="stable")
    unusual = order[surprise[order] >= detector.threshold]
    said = row_events(detector, names, texts, views[unusual]) if len(unusual) else []
    rows: list[dict[str, Any]] = []
    for rank, row in enumerate(order.tolist()):
        each = {name: None if np.isnan(values[row]) else _share(values[row]) for name, values in signs.items()}
        held = {name: c.label(int(c.index[row])) for name, c in views.columns.items() if c.index[row] >= 0}
        known = any(p is not None for p in each.values())
        one: dict[str, Any] = {"id": str(views.ids[row]), "p": _share(surprise[row]) if known else None}
        one |= {"surprise": max(round(float(surprise[row]), 4), 0.0) if known else None}
        one |= {"unusual": rank < len(unusual)}
        told = {"event": said[rank]} if rank < len(said) else {}
        rows.append({**one, "signs": each, **told, "items": held})
    return rows


def columns_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """What `ranked` says as the columns of a table: their names, no two equal, and the cells of each row.

    A view's items stand under its name, the p of a sign under "p of" and its name.

    Args:
        rows: as `ranked` gives them. names: of the views.
    """
    signs = list(rows[0]["signs"]) if rows else []
    own = ["id", "p", "surprise", "unusual", *(f"p of {sign}" for sign in signs)]
    head = [*own, *(f"item {name}" if name in own else name for name in names)]
    cells = [[*(row[name] for name in own[:4]), *row["signs"].values(), *map(row["items"].get, names)] for row in rows]
    return head, cells


def _nearest(model: Any, texts: Sequence[str], asked: Any) -> list[str | None]:
    """The text that a retrieve model finds nearest for each."""
    to = next((name for name, modality in model.views_.items() if modality == "text"), None)
    if to is None:
        raise ChiasmError("wanted a retrieve model with texts to describe what is found, got one without.")
    within = Views({to: Column("text", list(texts))}) if texts else None
    return [hits[0]["item"] if hits else None for hits in model.hits(asked, to, 1, within)]


def _labels(texts: Sequence[str]) -> dict[str, str]:
    """Label -> text of LABEL=TEXT lines."""
    pairs = (one.partition("=") for one in texts if "=" in one)
    return {label: text for label, _, text in pairs}


def _share(surprise: float) -> float:
    return float(f"{np.exp(-surprise):.4g}")
