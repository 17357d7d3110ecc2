"""Counterfactual: the same model with its inputs dropped, dealt to other rows, or made to add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chiasm.measure.truth import Truth
from chiasm.stats.resample import Draws, Sampled, difference, interval_of
from chiasm.views import Views

__all__ = ["additive", "drop", "missing", "shuffled"]

MASKS = 200
_PROJECTED, _BACKGROUND = 400, 40


def missing(fuser: Any, truth: Truth, views: Views, names: Sequence[str], seed: int) -> dict[str, Any]:
    """The fused model, its inputs dropped: by the views that are left, and under random masks.

    Every mask draws a rate from 0 to .95 and drops each view of each row with that chance.
    """
    k = len(names)
    sizes = range(1, k + 1) if k <= 5 else sorted({1, k - 1, k})
    kept = [subset for size in sizes for subset in combinations(range(k), size)]
    outputs = {subset: fuser.outputs(drop(views, [names[i] for i in range(k) if i not in subset])) for subset in kept}
    name = truth.judged
    table: dict[str, Any] = {
        "figure": name,
        "only": {" + ".join(names[i] for i in s): truth.figures(truth.measure(o))[name] for s, o in outputs.items()},
    }
    if k > 5:
        return table
    rng = np.random.default_rng(seed)
    outputs[()] = np.tile(fuser.prior_, (len(views), 1))
    values, rates = [], []
    every = np.arange(len(truth.rows))
    quick = truth.at(every, Draws(every, resamples=1, seed=seed))
    for _ in range(MASKS):
        rate = rng.uniform(0, 0.95)
        mask = rng.random((len(views), k)) >= rate
        mixed = np.empty_like(outputs[()])
        for subset, held in outputs.items():
            rows = (mask == np.isin(np.arange(k), subset)).all(axis=1)
            mixed[rows] = held[rows]
        rates.append(rate)
        values.append(quick.measure(mixed)[name][0])
    by_rate = {}
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.95)):
        inside = [v for v, r in zip(values, rates, strict=True) if low <= r < high]
        if inside and np.isfinite(inside).all():
            by_rate[f"{low:g}-{high:g}"] = round(float(np.mean(inside)), 6)
    if by_rate:  # one row, or rows of one class, have no such figure
        table["masks"] = {"masks": MASKS, "mean": round(float(np.mean(values)), 6), "by_rate": by_rate}
    return table


def drop(views: Views, names: Sequence[str]) -> Views:
    """The same rows without any item in some views."""
    gone = np.full(len(views), -1, dtype=np.int64)
    return views.replace({n: c.at(gone) if n in names else c for n, c in views.columns.items()})


def shuffled(
    fuser: Any, truth: Truth, views: Views, names: Sequence[str], fused: Mapping[str, Sampled], seed: int
) -> dict[str, Any]:
    """By view, what is lost when its items are dealt to other rows: how much the model leans on it."""
    rng = np.random.default_rng(seed)
    table = {}
    for name in names:
        column = views[name]
        index = column.index.copy()
        rows = np.flatnonzero(column.present)
        index[rows] = index[rng.permutation(rows)]
        dealt = views.replace({**views.columns, name: column.at(index)})
        table[name] = truth.compared(truth.measure(fuser.outputs(dealt)), fused)[truth.judged]
    return table


def additive(fuser: Any, truth: Truth, views: Views, names: Sequence[str], seed: int) -> dict[str, Any]:
    """Do the views interact? The model against its best additive projection, which no product of views can be in.

    f(x) is put on a scale where views add (log probability; log odds of tags; the number) and replaced by
    sum_v E f(x_v, others' x') - (k - 1) E f, expectations over rows drawn from the same table.

    Source: Hessel & Lee 2020 (empirical multimodally-additive projection).
    """
    rng = np.random.default_rng(seed)
    whole = np.flatnonzero(np.all([views.present(name) for name in names], axis=0))
    if len(whole) < 20:
        return {"rows": 0, "verdict": "too few rows have every view to ask whether the views interact"}
    rows = np.sort(rng.permutation(whole)[:_PROJECTED])
    back = rng.choice(whole, min(_BACKGROUND, len(whole)), replace=False)
    left, right = np.repeat(rows, len(back)), np.tile(back, len(rows))
    scale = _logits if truth.kind != "numbers" else (lambda x, _: x)
    grid = views[right]
    total = scale(fuser.outputs(views[back]), truth.kind).mean(axis=0) * (1 - len(names))
    for name in names:
        column = views[name]
        mixed = grid.replace({**grid.columns, name: column.at(column.index[left])})
        parts = scale(fuser.outputs(mixed), truth.kind).reshape(len(rows), len(back), -1)
        total = total + parts.mean(axis=1)
    part = truth.at(rows, Draws(views.clusters[rows], seed=seed))
    mine = part.measure(fuser.outputs(views[rows]))[truth.judged]
    projected = part.measure(_unlogits(total, truth.kind))[truth.judged]
    lost = difference(mine, projected)
    return {
        "figure": truth.judged,
        "rows": len(rows),
        "model": (interval_of(*mine)),
        "projection": (interval_of(*projected)),
        "difference": lost,
        "verdict": _interaction(lost, truth.judged),
    }


def _interaction(lost: Mapping[str, Any], judged: str) -> str:
    """Whether the views interact, in words."""
    value, low, high = lost["value"], lost["low"], lost["high"]
    if value is None or low is None or high is None:
        return "these rows cannot show whether the views interact"
    times, unit = (1, "R2") if judged == "r2" else (100, "points of AUC" if judged == "auc" else "points")
    value, low, high = (round(times * v, 2 if judged == "r2" else 1) + 0.0 for v in (value, low, high))
    amount = f"{value:+g} {unit} [{low:g}, {high:g}]"
    if lost["low"] > 0:
        return f"the views interact: what they say only together is worth {amount}"
    return f"the views add up: no interaction shows, {amount}"


def _logits(outputs: np.ndarray, kind: str) -> np.ndarray:
    safe = np.clip(outputs, 1e-9, 1 - 1e-9)
    found: np.ndarray = np.log(safe) - (np.log(1 - safe) if kind == "tags" else 0)
    return found


def _unlogits(values: np.ndarray, kind: str) -> np.ndarray:
    from scipy.special import expit, softmax

    if kind == "numbers":
        return values
    back: np.ndarray = expit(values) if kind == "tags" else softmax(values, axis=1)
    return back
