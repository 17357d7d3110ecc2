"""Aligners that were learned apart, on shards of the things, as one: the mean of their cosines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from chiasm import registry
from chiasm.align._aligner import Aligner
from chiasm.allowed import COUNT, PART, SEED
from chiasm.errors import ChiasmError
from chiasm.graph import Symbol, join
from chiasm.views import Column, Views, as_views, normalize

__all__ = ["Merged"]


class Merged(Aligner):
    """The spaces of several fitted aligners side by side, each as long as the others: what machines learned apart.

    A row of a view is mapped by every part, made unit length, divided by sqrt(parts) and put beside the others, so that
    a cosine in the merged space is the mean of the parts' cosines; between codes of `hashing` that is the share of
    equal bits over all parts. The space is as wide as all parts together, and a search costs as much more.

    Choose it where the things can't come to one machine and the aligner has no `merge` of its own. `cca`, `pls`,
    `procrustes` and `ridge` have one, which is exact and keeps the space small. Of four shards of photographs with
    captions it loses to one node with `cca` (R@1 -4.1 [-6.3, -1.9]); with `auto` -4.3 [-8.8, 0.3], and above the best
    shard (docs/align.md).

    Args:
        align: the aligner that is fitted on every shard, by name, or one of your own.
        shards: into how many parts `fit` cuts the things; rows of one id stay together.
        seed: of the cut, and of aligners by name.

    Learned: `parts_`, the fitted aligners. `Merged.of(parts)` takes such that were fitted elsewhere.

    >>> from chiasm.align.cca import CCA
    >>> from chiasm.data.toy import planted_pair
    >>> a, b = planted_pair(400, correlations=(0.99,) * 6)
    >>> shards = [{"a": a[s : s + 100], "b": b[s : s + 100]} for s in (0, 100, 200)]
    >>> model = Merged.of([CCA().fit(shard) for shard in shards])
    >>> model.score({"a": a[300:], "b": b[300:]}) > 0.5  # chance is 0.01
    True
    """

    allowed: ClassVar = {"align": PART, "shards": COUNT, "seed": SEED}

    parts_: list[Any]

    def __init__(self, align: Any = "cca", shards: int = 4, seed: int = 0):
        self.align = align
        self.shards = shards
        self.seed = seed

    @classmethod
    def of(cls, parts: Sequence[Aligner]) -> Self:
        """Fitted aligners of the same views as one.

        Raises a ChiasmError for none, for what is no aligner or not fitted, and where their views differ.
        """
        parts = list(parts)
        if not parts:
            raise ChiasmError("wanted fitted aligners to merge, got none.")
        for place, part in enumerate(parts):
            if not isinstance(part, Aligner):
                raise ChiasmError(f"wanted fitted aligners, got {type(part).__name__} at place {place}.")
            part.check_fitted()
        _check_equal(parts)
        merged = cls(type(parts[0])(**parts[0].get_params(deep=False)), len(parts))
        merged.parts_ = parts
        if features := vars(parts[0]).get("features_"):
            merged.features_ = dict(features)
        return merged

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Self:
        """Cut the things into shards and learn one aligner from each; `val` is handed to all.

        Raises a ChiasmError for fewer than two things a shard, and as the aligner does.
        """
        views = as_views(views)
        things = int(views.codes.max(initial=-1)) + 1
        if things < 2 * self.shards:
            raise ChiasmError(f"wanted two things a shard at least, got {things} for {self.shards}: ask for fewer.")
        shard = np.random.default_rng(self.seed).permutation(things)[views.codes] % self.shards
        parts = []
        for one in range(self.shards):
            part = registry.make("align", self.align, seed=self.seed)
            parts.append(registry.fit(part, views[shard == one], val=val).slim())
        self.parts_ = parts
        return self

    def _widths(self) -> dict[str, int]:
        widths: dict[str, int] = self.parts_[0].reads
        return widths

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        view = Views({name: Column("vector", rows)})
        return _beside([normalize(part.transform(view)[name].items) for part in self.parts_])

    def uncorrected(self, views: Any) -> Views:
        """As the base has it, of every part."""

        def bare(name: str, rows: np.ndarray) -> np.ndarray:
            view = Views({name: Column("vector", rows)})
            return _beside([normalize(part.uncorrected(view)[name].items) for part in self.parts_])

        return self._each(views, bare)

    def without_correction(self, vectors: np.ndarray) -> np.ndarray:
        """As the base has it, of every part."""
        pairs = zip(self.parts_, self._apart(vectors), strict=True)
        return _beside([part.without_correction(own) for part, own in pairs])

    def owed(self, name: str, to: str, vectors: np.ndarray) -> np.ndarray:
        """As the base has it: the mean of what the parts' vectors owe."""
        pairs = zip(self.parts_, self._apart(vectors), strict=True)
        mean: np.ndarray = np.mean([part.owed(name, to, own) for part, own in pairs], axis=0)
        return mean

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`; a ChiasmError where a part does not tell."""
        return join([part.traced(name, rows).unit() for part in self.parts_]) * (1 / np.sqrt(len(self.parts_)))

    def _apart(self, vectors: np.ndarray) -> list[np.ndarray]:
        """Mapped vectors -> those of each part, of length 1."""
        view = next(iter(self._widths()))
        ends = np.cumsum([part._mapped_width(view) for part in self.parts_])[:-1]
        return np.split(vectors * np.float32(np.sqrt(len(self.parts_))), ends, axis=1)


def _beside(mapped: list[np.ndarray]) -> np.ndarray:
    """Rows of length 1 of every part -> rows whose product is the mean of the parts' products."""
    beside: np.ndarray = np.concatenate(mapped, axis=1) / np.float32(np.sqrt(len(mapped)))
    return beside


def _check_equal(parts: list[Aligner]) -> None:
    """Raise a ChiasmError that names the first aligner whose views are not those of the first."""
    for place, part in enumerate(parts):
        if part.reads != parts[0].reads:
            raise ChiasmError(
                f"wanted aligners of the same views, got {parts[0].reads} at place 0 and {part.reads} at place "
                f"{place}: fit all on the same encoders' features."
            )
