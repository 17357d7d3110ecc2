"""The default: a short list of fusers by cross-validation, or the best single view where fusing does not beat it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import PART
from chiasm.errors import ChiasmError
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.graph import Symbol
from chiasm.stats.blocks import Blocks

__all__ = ["Auto"]

log = logging.getLogger(__name__)


class Auto(Fuser):
    """Whichever of a short list answers held-out rows best; the best single view where none of them beats it.

    Every candidate and every view alone answers each training row by what it learned without that row's fold, and is
    judged by the mean log likelihood (of numbers: by squared error). The first candidate stands unless a later one
    gains more over it than the standard error of that gain, so the simplest come first. The one that stands is kept if
    it so beats the best single view too; else that view answers alone, and the candidate only where it is absent.

    Args:
        kind: "classes", "tags" or "numbers". candidates: fusers or their names, the simplest first.
        seed: of folds and draws.

    Learned: `chosen_` (what was kept, and the gains), `fuser_`, and `single_` with its `view_` where a view answers
    alone.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 300)
    >>> views = {"a": rng.normal(size=(300, 3)) + 2 * y[:, None], "noise": rng.normal(size=(300, 4))}
    >>> Auto().fit(views, y).chosen_["fuser"]
    'a alone'
    """

    crosses_cheaply = True

    allowed: ClassVar = {"candidates": PART.each()}

    def __init__(
        self,
        kind: str = "classes",
        candidates: Sequence[Any] = ("early", "bilinear"),
        seed: int = 0,
    ):
        self.kind = kind
        self.candidates = candidates
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        if not self.candidates:
            raise ChiasmError("wanted at least one candidate fuser, got none.")
        alone = {view: RidgeHead(self.kind, seed=self.seed) for view in held}
        said = {view: alone[view].cross_fit({view: block}, truth, folds) for view, block in held.items()}
        gains = {f"{view} alone": self.target_.gain(outputs, truth) for view, outputs in said.items()}
        single = max(gains, key=lambda name: gains[name].mean())
        self.view_ = single.removesuffix(" alone")
        self.single_: RidgeHead | None = alone[self.view_]
        self.fuser_: Fuser | None = None
        kept = said[self.view_]
        best = single
        if len(held) > 1:
            fusers = {}
            for candidate in self.candidates:
                name = candidate if isinstance(candidate, str) else repr(candidate)
                fusers[name] = self._inside(candidate, held, truth, folds)
                gains[name] = self.target_.gain(fusers[name][1], truth)
            best = next(iter(fusers))
            for name in fusers:
                best = name if _beats(gains[name], gains[best]) else best
            self.fuser_, crossed = fusers[best]
            if _beats(gains[best], gains[single]):
                self.single_, kept = None, crossed
            else:
                here = held[self.view_].present
                kept = np.where(here[:, None], kept, crossed)
                best = single
                log.info("fusing gains nothing that %d rows can show over %s: it answers alone", len(truth), single)
        self.chosen_ = {"fuser": best, "gains": {name: round(float(g.mean()), 6) for name, g in gains.items()}}
        return kept

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        if self.single_ is None and self.fuser_ is not None:
            return self.fuser_._whole(held, n, self.prior_)
        out = np.tile(self.prior_, (n, 1)) if self.fuser_ is None else self.fuser_._whole(held, n, self.prior_)
        if self.single_ is not None and self.view_ in held:
            here = held[self.view_].present
            out[here] = self.single_.answer({self.view_: held[self.view_]}, n)[here]
        return out

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """As `Fuser.traced`."""
        if self.single_ is not None and self.view_ in rows:
            return self.single_.traced({self.view_: rows[self.view_]})
        return super().traced(rows) if self.fuser_ is None else self.fuser_.traced(rows)

    @property
    def weights_(self) -> dict[str, float]:
        """The kept fuser's weights by view, where it has fixed ones."""
        if self.single_ is not None:
            return {self.view_: 1.0}
        return dict(getattr(self.fuser_, "weights_", {}))


def _beats(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the mean paired gain is more than its standard error."""
    gained = one - other
    return bool(gained.mean() > gained.std() / np.sqrt(len(gained)))
