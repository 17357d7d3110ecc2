"""What a task promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.contracts._probe import BrokenError, Probe, Promise, SkippedError, hold, pair, printed, reloaded
from chiasm.errors import ChiasmError
from chiasm.views import Column, Views

__all__ = ["BASE", "PROMISES"]

BASE = ()
"""Tasks stand above this package and have no one base: they are told by `answer`."""

LEARN = 450
"""Of the 600 generated pairs those of split "train"; the others are "test"."""


def beats_its_baseline(on: Probe) -> None:
    """It scores unseen rows far above the chance or majority that its own score states."""
    score = _scored(on)
    table = getattr(score, "table", {})
    if "majority" in table:
        hold(
            float(score) > table["majority"] + 0.2,
            f"it scores {float(score):.3f}, the majority {table['majority']:.3f}",
        )
        return
    ways = table.get("directions") or [{}]
    chance = table.get("chance", ways[0].get("chance", {}).get("R@1"))
    hold(chance is not None, "its score states neither majority nor chance: nothing says what a good score is")
    hold(0 < chance <= 1 / 150 + 1e-6, f"it states a chance of {chance} where there are 150 answers")
    hold(float(score) > 20 * chance, f"it scores {float(score):.3f}, wanted 20 times chance ({chance:.4f})")


def prints_its_score(on: Probe) -> None:
    """Its score prints as the table behind it."""
    printed(_scored(on))


def comes_back_from_disk(on: Probe) -> None:
    """Saved and loaded it scores and answers the same."""
    task, table = _fitted(on), _scored(on).table
    asked = _question(task)
    with reloaded(on, task) as again:
        repeated = again.score(_views(on)[LEARN:]).table
        same = {k: v for k, v in repeated.items() if k != "seconds"} == {
            k: v for k, v in table.items() if k != "seconds"
        }
        hold(same, "it scores otherwise")
        for mine, known in zip(again.answer(*asked), task.answer(*asked), strict=True):
            mine, known = np.asarray(mine), np.asarray(known)
            if mine.dtype == object:
                hold(mine.tolist() == known.tolist(), "it answers otherwise")
            else:
                hold(np.allclose(mine, known, atol=1e-6), "it answers otherwise")


def _views(on: Probe) -> Views:
    """The pairs, with a split and with labels of the kind that the task asks for; two groups where it seeks groups."""
    columns = dict(pair().columns)
    label = np.asarray(pair()["a"].items)[:, 0]
    kind = getattr(on.given, "kind", "classes")
    held: Any = np.where(label > 0, "p", "q")
    if kind == "tags":
        held = [["p"] if v > 0 else ["q"] for v in label]
    elif kind == "numbers":
        held = label
    elif kind == "clusters":
        apart = 4 * np.sign(label)[:, None]
        columns = {name: Column("vector", np.asarray(column.items) + apart) for name, column in columns.items()}
    split = np.array(["train"] * LEARN + ["test"] * (len(label) - LEARN), dtype=object)
    facts = {"split": split, "label": np.fromiter(held, dtype=object, count=len(label))}
    return Views(columns, pair().ids, facts)


def _fitted(on: Probe) -> Any:
    if not hasattr(on.given, "fit") or not hasattr(on.given, "score"):
        raise SkippedError(f"{on.cls.__name__} learns nothing, or has no score")
    return on.once("fitted", lambda: on.make().fit(_views(on)))


def _scored(on: Probe) -> Any:
    return on.once("score", lambda: _fitted(on).score(_views(on)[LEARN:]))


def _question(task: Any) -> tuple[Any, ...]:
    """What the task answers: rows of one view, or of both."""
    one, other = ({view: pair()[view].items[LEARN:]} for view in ("a", "b"))
    for asked in ((one,), (one, other), (one | other,)):
        try:
            task.answer(*asked)
        except (ChiasmError, TypeError):
            continue
        return asked
    raise BrokenError("it answers neither rows of one view nor of both")


PROMISES = (Promise.of(beats_its_baseline), Promise.of(prints_its_score), Promise.of(comes_back_from_disk))
