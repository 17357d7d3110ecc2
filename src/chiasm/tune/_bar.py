"""The bar that a change of an encoder has to pass: the fuser after it, out of fold, on its vectors as they were."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chiasm import registry
from chiasm.target import Target
from chiasm.views import Column, Views

__all__ = ["Verdict", "passed"]


class Verdict(NamedTuple):
    """What left-out rows said."""

    before: float
    """The mean gain of the fuser's answers on the vectors as they were, `Target.gain`."""
    after: float
    """On the changed ones."""
    error: float
    """The standard error of the difference, rows that belong together counted as one draw."""

    @property
    def kept(self) -> bool:
        """Whether the change gains more than chance."""
        return self.after - self.before > self.error


def passed(
    fuse: Any, y: np.ndarray, together: np.ndarray, kind: str, seed: int, before: np.ndarray, after: np.ndarray
) -> Verdict:
    """Whether a fuser answers left-out rows better from changed vectors `(n, w)`.

    Its folds are `folds_of` of the same things and seed as the networks' were: a changed vector comes from the network
    that did not see its row, among the rows that the fuser learns from and among those that it answers.

    Args:
        fuse: the fuser, or its name. y: `(n,)` labels. together: `(n,)` integers 0..m-1, equal where rows belong
            together.
    """
    gains = []
    for vectors in (before, after):
        views = Views({"vector": Column("vector", vectors)}, together)
        fuser = registry.make("fuse", fuse, seed=seed).set_params(kind=kind).fit(views, y)
        gains.append(Target(kind).gain(fuser.crossed(views), fuser.folds_.truth_))
    gained = gains[1] - gains[0]
    error = float(np.sqrt(np.square(np.bincount(together, gained - gained.mean())).sum())) / len(gained)
    return Verdict(float(gains[0].mean()), float(gains[1].mean()), error)
