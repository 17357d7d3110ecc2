"""A fuser of another class, with what every fuser here has around it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.fuse._fuser import Fuser
from chiasm.stats.blocks import Blocks, views_of
from chiasm.views import Views

__all__ = ["Adopted", "adopt"]


class Adopted(Fuser):
    """An object with `fit(views, y)` and `predict_proba(views)` (or `predict`, for numbers) as a fuser.

    Rows without a label, absent views, out-of-fold answers (which learn anew for every fold) and the score are the
    base's. The object gets Views of vectors whose rows are things of their own, and labels as a list: names, lists of
    tags, or numbers. A row that has no view at all is not asked about.

    Args:
        fuser: the object, which is copied to be fitted. kind: what is answered: "classes", "tags" or "numbers"; the
            object is told where it has such a parameter, and `seed` likewise.

    Learned: `fuser_`, the fitted copy.
    """

    fuser_: Any

    def __init__(self, fuser: Any = None, kind: str = "classes", seed: int = 0):
        self.fuser = fuser
        self.kind = kind
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> None:
        fuser = copy.deepcopy(self.fuser)
        if self.kind != "numbers" and not hasattr(fuser, "predict_proba"):
            raise ChiasmError(
                f"wanted {self.kind} with their probabilities, got {type(fuser).__name__}, which has no predict_proba: "
                "add it, or ask for numbers (regress)."
            )
        known = fuser.get_params(deep=False) if hasattr(fuser, "get_params") else {}
        if mine := {name: getattr(self, name) for name in ("kind", "seed") if name in known}:
            fuser.set_params(**mine)
        fuser.fit(views_of(held), self._labels(truth))
        self.fuser_ = fuser

    def _labels(self, truth: np.ndarray) -> list[Any]:
        """Truth `(n, c)` as a person's labels."""
        if self.kind == "numbers":
            return truth[:, 0].tolist() if truth.shape[1] == 1 else truth.tolist()
        names = self.target_.names_
        if self.kind == "classes":
            return [names[code] for code in truth.argmax(axis=1).tolist()]
        return [[name for name, has in zip(names, row, strict=True) if has] for row in (truth > 0.5).tolist()]

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        views = views_of(held)
        there = np.any([column.present for column in views.columns.values()], axis=0)
        out = np.tile(self.prior_, (n, 1))
        if there.any():
            out[there] = self._said(views[there])
        return out

    def _said(self, views: Views) -> np.ndarray:
        """`(n, c)` what the object says of rows, in the order of `target_`."""
        if self.kind == "numbers":
            return self._shaped(self.fuser_.predict(views), len(views))
        said = np.asarray(self.fuser_.predict_proba(views), dtype=np.float64)
        names = self.target_.names_
        own = [str(name) for name in getattr(self.fuser_, "classes_", names)]
        if said.ndim != 2 or said.shape != (len(views), len(own)) or not set(own) <= set(names):
            raise ChiasmError(
                f"wanted probabilities ({len(views)}, {len(names)}) of {', '.join(names)} from "
                f"{type(self.fuser_).__name__}.predict_proba, got an array {said.shape} of {', '.join(own)}: a row a "
                "row, a column a name of classes_."
            )
        out = np.zeros((len(views), len(names)))
        out[:, [names.index(name) for name in own]] = said
        return out

    def _shaped(self, values: Any, n: int) -> np.ndarray:
        found = np.asarray(values, dtype=np.float64)
        found = found[:, None] if found.ndim == 1 else found
        if found.shape != (n, len(self.target_.names_)):
            raise ChiasmError(
                f"wanted ({n},) numbers from {type(self.fuser_).__name__}.predict, got an array {np.shape(values)}: "
                "one number a row."
            )
        return found

    def choices(self) -> dict[str, Any]:
        """What the object chose, where it tells."""
        return dict(getattr(self.fuser_, "chosen_", {}))


def adopt(part: Any) -> Fuser:
    """The part itself where it is a `Fuser`; else with the base's methods around it."""
    return part if isinstance(part, Fuser) else Adopted(part)
