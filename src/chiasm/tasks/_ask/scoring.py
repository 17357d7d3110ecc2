"""What is right of some questions: with everything, by kind, and without looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks._ask.heads import Heads
from chiasm.tasks._ask.kinds import KINDS, kinds_of
from chiasm.views import Views

__all__ = ["apart", "compared", "judged", "scored"]


def scored(task: Any, rows: Views, blank: Views) -> dict[str, Any]:
    """The figures of a fitted `Ask` on encoded rows with answers; `blank` are the same rows with blank pictures."""
    return _figures(_said(task, rows, blank), task.heads_.names_, rows, task.seed)


def judged(task: Any, rows: Views, blank: Views) -> dict[str, np.ndarray]:
    """The same row by row: 1 where an answer is right, by answerer, and the `kind` of the true answer."""
    found = _right(_said(task, rows, blank), task.heads_.names_, np.asarray(rows.label))
    return {**found, "kind": kinds_of(np.asarray(rows.label))}


def _said(task: Any, rows: Views, blank: Views) -> dict[str, np.ndarray]:
    """By answerer what it says `(n, C)`."""
    shown = [name for name in rows.names if name != task.asked_]
    dealt = _dealt(rows, shown, task.seed)
    return {
        "all": task.heads_.outputs(rows),
        "question alone": task.alone_["question"].outputs(_of(rows, [task.asked_])),
        "picture alone": task.alone_["picture"].outputs(_of(rows, shown)),
        "blank picture": task.heads_.outputs(blank),
        "shuffled picture": task.heads_.outputs(dealt),
    }


def _right(said: Mapping[str, np.ndarray], names: list[str], true: np.ndarray) -> dict[str, np.ndarray]:
    known = np.array(names, dtype=object)
    return {name: (known[outputs.argmax(axis=1)] == true).astype(float) for name, outputs in said.items()}


def apart(task: Any, rows: Views) -> dict[str, Any] | None:
    """The short figures of rows; None where there are none."""
    if not len(rows):
        return None
    said = {
        "all": task.heads_.outputs(rows),
        "question alone": task.alone_["question"].outputs(_of(rows, [task.asked_])),
    }
    return _figures(said, task.heads_.names_, rows, task.seed)


def compared(heads: Heads, alone: Mapping[str, Heads], train: Views, seed: int) -> dict[str, Any]:
    """The same of the rows learned from, each answered by what was learned without its fold, pictures apart."""
    said = {"all": heads.crossed_, **{f"{name} alone": one.crossed_ for name, one in alone.items()}}
    return _figures(said, heads.names_, train, seed)


def _figures(said: Mapping[str, np.ndarray], names: list[str], rows: Views, seed: int) -> dict[str, Any]:
    true = np.asarray(rows.label)
    draws, right = Draws(rows.clusters, seed=seed), _right(said, names, true)
    sampled = {name: draws.mean(one) for name, one in right.items()}
    kinds, unknown = kinds_of(true), ~np.isin(true, np.array(names, dtype=object))
    table: dict[str, Any] = {
        "rows": len(rows),
        "clusters": int(draws.clusters),
        "accuracy": interval_of(*sampled["all"]),
        "controls": {},
        "kinds": {},
        "unknown": {"rows": int(unknown.sum()), "answers": len(set(true[unknown]))},
    }
    for name, one in sampled.items():
        if name != "all":
            table["controls"][name] = {"accuracy": interval_of(*one), "difference": difference(sampled["all"], one)}
    for kind in KINDS:
        mine = np.flatnonzero(kinds == kind)
        if len(mine):
            part = Draws(rows.clusters[mine], seed=seed)
            table["kinds"][kind] = {"rows": len(mine)} | {
                name: interval_of(*part.mean(one[mine])) for name, one in right.items()
            }
    return table


def _of(rows: Views, names: list[str]) -> Views:
    return rows.replace({name: rows.columns[name] for name in names})


def _dealt(rows: Views, shown: list[str], seed: int) -> Views:
    """The same questions, each with the pictures of another row."""
    order = np.random.default_rng(seed).permutation(len(rows))
    other = np.empty(len(rows), dtype=np.int64)
    other[order] = np.roll(order, 1)  # one round through all rows: nobody keeps his own
    return rows.replace({n: c.at(c.index[other]) if n in shown else c for n, c in rows.columns.items()})
