"""The slots of utterances: facts of their rows, from columns or from labels that are objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.column import missing
from chiasm.errors import ChiasmError
from chiasm.views import Views

__all__ = ["NOT_SAID", "PREFIX", "with_slots"]

NOT_SAID = "(not said)"
"""The class of a slot about which an utterance says nothing."""
PREFIX = "slot:"
"""Of the names of facts that are slots."""


def with_slots(views: Views, slots: Mapping[str, Sequence[Any]] | None) -> Views:
    """Views with a fact for each slot."""
    if slots is None and any(name.startswith(PREFIX) for name in views.facts):
        return views
    slots = _of_labels(views.label) if slots is None else slots
    if not slots:
        raise ChiasmError("wanted slots, a value of each a row, got none: pass {'color': [...], ...}, or labels.")
    facts = dict(views.facts)
    for slot, values in slots.items():
        if len(values) != len(views):
            raise ChiasmError(f"slot {slot!r}: wanted {len(views)} values, one a row, got {len(values)}.")
        facts[PREFIX + slot] = np.array([NOT_SAID if _lacking(v) else str(v) for v in values], dtype=object)
    return Views(views.columns, views.ids, facts)


def _of_labels(labels: np.ndarray | None) -> dict[str, list[Any]]:
    """The slots that objects a row hold; plain labels are the one slot "intent"."""
    rows = [_object(label) for label in ([] if labels is None else labels.tolist())]
    names = sorted({str(name) for row in rows for name in row})
    return {name: [row.get(name) for row in rows] for name in names}


def _object(label: Any) -> dict[str, Any]:
    if isinstance(label, str) and label.lstrip().startswith("{"):
        try:
            label = json.loads(label)
        except ValueError:
            raise ChiasmError(f"wanted slots as a JSON object, got {label[:80]!r}.") from None
    if isinstance(label, Mapping):
        return {str(name): value for name, value in label.items()}
    return {} if _lacking(label) else {"intent": label}


def _lacking(value: Any) -> bool:
    return missing(value) or (isinstance(value, str) and not value)
