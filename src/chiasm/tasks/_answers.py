"""Answers as plain values, a row each: what a csv, JSON or a page shows of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["columns", "rows"]


def columns(names: Sequence[str], outputs: np.ndarray) -> dict[str, np.ndarray]:
    """A column `p(NAME)` of probabilities for each class or tag, from `(n, c)` outputs.

    >>> columns(["cat", "a; b"], np.array([[0.75, 0.25]]))
    {'p(cat)': array([0.75]), 'p(a; b)': array([0.25])}
    """
    return {f"p({name})": outputs[:, place] for place, name in enumerate(names)}


def rows(
    task: Any, ids: Iterable[Any], outputs: np.ndarray, views: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """A dict a row: `id` and `answer`; how sure that is; and of how many views it was answered.

    A class has its `confidence` and the `probabilities` of all; tags, the likeliest first, the `probabilities` of all;
    a number `plus_minus_90`, the half width of the interval that holds 90 % of the truths.

    Args:
        task: a fitted `Answering`. ids: `(n,)`. outputs: `(n, c)`, what `task.outputs` said of these rows.
        views: `(n,)` how many views of each were there; left out, not told, and all of them.
    """
    names = [str(i) for i in ids]
    target = task.fuser_.target_
    there: list[dict[str, Any]] = [{}] * len(names) if views is None else [{"views": int(n)} for n in views]
    if task.kind == "numbers":
        widths = task.widths(np.full(len(names), len(task.views_)) if views is None else np.asarray(views))
        values = np.round(outputs[:, 0], 6).tolist()
        return [
            {"id": i, "answer": value, "plus_minus_90": round(width, 6), **more}
            for i, value, width, more in zip(names, values, widths.tolist(), there, strict=True)
        ]
    decided = target.decode(outputs, getattr(task, "thresholds_", None))
    found = []
    for i, one, sure, more in zip(names, decided, outputs, there, strict=True):
        each = {name: round(float(p), 6) for name, p in zip(target.names_, sure, strict=True)}
        if task.kind == "tags":
            tags = [target.names_[t] for t in np.argsort(-sure, kind="stable") if one[t]]
            found.append({"id": i, "answer": tags, **more, "probabilities": each})
        else:
            best: dict[str, Any] = {"answer": str(one), "confidence": max(each.values())}
            found.append({"id": i, **best, **more, "probabilities": each})
    return found
