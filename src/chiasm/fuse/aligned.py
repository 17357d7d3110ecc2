"""Align, then fuse: the views in a space that they share, beside their own or instead, before any fuser."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.allowed import PART, choice
from chiasm.errors import ChiasmError
from chiasm.finite import checked
from chiasm.fuse._alone import scaled
from chiasm.fuse._fuser import Fuser
from chiasm.stats.blocks import Blocks, blocks, presence, views_of

__all__ = ["Aligned"]

_KEEP = ("both", "aligned")
_SUFFIX = " (aligned)"


class Aligned(Fuser):
    """An aligner fitted on the training rows, every view mapped by it, and a fuser on what comes out.

    Choose it to ask whether a shared space helps an answer, or where the answer should rest on what the views have in
    common alone: where each view moves most in matters of its own and the label hangs on what they share (planted,
    200 rows: accuracy .87 with "aligned", .86 with "both", .80 for `early`; but a linear `early` finds it too, .89).

    Do not expect it to help otherwise: what one view alone says is dropped, or stands beside what says the same. Over 5
    re-drawn splits (benchmarks/fuse/aligned.py) this less `early` is +0.3 points of accuracy [-0.7, 1.4] on tweets and
    -0.2 [-2.1, 1.7] on news with "both", at five times the seconds; -0.8 [-3.0, 1.3] and -1.8 [-4.7, 1.0] with
    "aligned", and log loss +.020 [-.002, .042] and +.051 [.020, .082]. Pairs that an aligner has learned from agree
    better in its space than new ones will, which a fuser cannot know; trained ones suffer the most.

    Rows that have one view are mapped by it alone. A pair is two views of one row. Where there is one view only, there
    is nothing to align, and the fuser reads it as it is. What the aligner leaves open it chooses by retrieval within
    the training rows.

    Args:
        kind: "classes", "tags" or "numbers".
        align: an aligner or its name. fuse: a fuser or its name; its `kind` becomes this one's. Parts that are given
            are copied, not changed.
        keep: what the fuser sees, "both" (each view as it is, and aligned) or "aligned" (that alone).
        seed: of folds, and of parts given by name.

    Learned: `aligner_`, `fuser_`; `weights_` by view where the fuser has any. `crossed` fits both anew for each fold.
    Raises a ChiasmError for several views with fewer than two pairs, and for an unknown part or `keep`.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(300, 2))
    >>> views = {"a": z @ rng.normal(size=(2, 5)), "b": z @ rng.normal(size=(2, 4))}
    >>> fused = Aligned(keep="aligned").fit(views, z[:, 0] > 0)
    >>> fused.score({"b": views["b"]}, z[:, 0] > 0) > 0.9
    True

    Sources: Hotelling 1936 (CCA); Guo & Wu 2019 (a survey of CCA before a learner).
    """

    allowed: ClassVar = {"align": PART, "fuse": PART, "keep": choice(*_KEEP)}

    def __init__(
        self, kind: str = "classes", align: Any = "cca", fuse: Any = "early", keep: str = "both", seed: int = 0
    ):
        self.kind = kind
        self.align = align
        self.fuse = fuse
        self.keep = keep
        self.seed = seed

    aligner_: Any
    fuser_: Any

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> None:
        self.aligner_ = None
        if len(held) > 1:
            self.aligner_ = registry.fit(registry.make("align", self.align, seed=self.seed), views_of(held))
        mapped = self._mapped(held)
        self.fuser_ = registry.make("fuse", self.fuse, seed=self.seed).set_params(kind=self.kind)
        self.fuser_.target_, self.fuser_.prior_ = self.target_, truth.mean(axis=0)
        self.fuser_.widths_ = {name: block.values.shape[1] for name, block in mapped.items()}
        self.fuser_._learn(mapped, truth, folds)

    def _mapped(self, held: Blocks) -> Blocks:
        """What the fuser sees."""
        if self.aligner_ is None:
            return dict(held)
        found = dict(held) if self.keep == "both" else {}
        there = {name: block for name, block in held.items() if block.present.any()}
        if there:
            mapped = blocks(self.aligner_.transform(views_of(there)))
            found |= {name + _SUFFIX if self.keep == "both" else name: block for name, block in mapped.items()}
        return found

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        mapped = self._mapped(held)
        if not mapped:
            return np.tile(self.prior_, (n, 1))
        found: np.ndarray = self.fuser_._whole(mapped, n, self.prior_)
        return found

    @property
    def weights_(self) -> dict[str, float]:
        """By view what the fuser gives it, aligned and not, together; what it gives a product is shared out."""
        given, names = getattr(self.fuser_, "weights_", {}), list(self.widths_)
        summed = _by_view(np.array([list(given.values())]), list(given), names)[0] if given else []
        return dict(zip(names, np.asarray(summed).tolist(), strict=False))

    def row_weights(self, views: Any) -> np.ndarray:
        """`(n, k)` how much each view counts in each row, in the order of `widths_`; 0 where absent.

        From the fuser's own `row_weights`, or else its fixed ones, scaled to sum to 1 over the views that are there.
        Raises a ChiasmError where the fuser weighs no views.
        """
        self.check_fitted()
        views, names = checked(views, self.widths_), list(self.widths_)
        held = blocks(views, names)
        if hasattr(self.fuser_, "row_weights"):
            mapped = self._mapped(held)
            if not mapped:
                return np.zeros((len(views), len(names)))
            return _by_view(self.fuser_.row_weights(views_of(mapped)), list(self.fuser_.widths_), names)
        if not self.weights_:
            raise ChiasmError(f"{type(self.fuser_).__name__} gives views no weights: fuse with early or attention.")
        return scaled(presence(held, names, len(views)) * np.array(list(self.weights_.values())))


def _by_view(weights: np.ndarray, seen: list[str], names: list[str]) -> np.ndarray:
    """`(n, s)` weights of what a fuser sees (views, aligned views, products "a x b") -> `(n, k)` of views."""
    shares = np.zeros((len(seen), len(names)))
    for row, one in zip(shares, seen, strict=True):
        parts = [one] if one.removesuffix(_SUFFIX) in names else one.split(" x ")
        for part in parts:
            row[names.index(part.removesuffix(_SUFFIX))] += 1 / len(parts)
    found: np.ndarray = weights @ shares
    return found
