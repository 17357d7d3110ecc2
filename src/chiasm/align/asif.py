"""Relative representations: an item is described by how much it is like each known pair; nothing is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from chiasm.align._aligner import Aligner, centered
from chiasm.align._moments import means_by_id
from chiasm.align._select import folds
from chiasm.allowed import COUNT, POSITIVE, SEED
from chiasm.errors import ChiasmError
from chiasm.graph import Symbol
from chiasm.stats.relevance import check_pairs, reciprocal_rank
from chiasm.views import Views, as_views, normalize

__all__ = ["ASIF"]


class ASIF(Aligner):
    """Coordinates in the shared space are cosine similarities to anchors: the things known in every view.

    s_i(x) = cos(x - mean, anchor_i - mean) within x's own view; the k largest are kept, the others are 0; then
    sign(s) |s|^power, scaled to length 1. A picture and a caption are near when they are like the same known pairs.

    Choose it when the answer must be explained by known pairs, or when pairs come and go: an anchor can be looked at,
    and `forget` deletes it exactly. `cca` retrieves better from the same pairs (measured). The shared width is
    the number of anchors n, so a row takes 4 n bytes: for thousands of anchors, not millions.

    With three or more views an anchor must have all of them; things that lack one are not used. When no thing has all
    (image-text and audio-text tables), fit two views at a time or use `cca`, which goes through text.

    Args:
        k: similarities kept; None: chosen by retrieval on validation rows among shares of n.
        power: None: chosen likewise among 1, 2, 4, 8.
        seed: of the choice, when `fit` is given no validation rows.

    Learned: `ids_` `(n,)` of the anchors, `anchors_` by view `(n, d)` (the mean of an id's items), `means_` `(d,)` of
    the anchors, `chosen_`, `trials_`.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = ASIF(k=50, power=4).fit({"a": z @ [[1, 2, 0], [0, 1, 1], [1, 0, 1]], "b": z})
    >>> model.transform({"b": z[:5]})["b"].items.shape
    (5, 200)
    >>> model.forget(range(150)).transform({"b": z[:5]})["b"].items.shape
    (5, 50)

    Sources: Norelli et al. 2022, arXiv 2210.01738 (ASIF); Moschella et al. 2022, arXiv 2209.15430 (k = n, power 1).
    """

    ids_: np.ndarray
    anchors_: dict[str, np.ndarray]
    means_: dict[str, np.ndarray]
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    allowed: ClassVar = {"k": COUNT.or_none(), "power": POSITIVE.or_none(), "seed": SEED}

    def __init__(self, k: int | None = None, power: float | None = None, seed: int = 0):
        self.k = k
        self.power = power
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> ASIF:
        """Take the things that have every view as anchors, and choose k and power on `val`.

        Without `val` some of the things are held out for the choice; they are anchors in the end.
        Raises a ChiasmError for fewer than two views or fewer than two things with every view.
        """
        views = as_views(views)
        check_pairs(views)
        self._anchor(views)
        n = len(self.ids_)
        ks = [self.k] if self.k is not None else sorted({max(2, n // part) for part in (1, 2, 4, 8, 16, 32)})
        powers = [self.power] if self.power is not None else [1, 2, 4, 8]
        trials = [{"k": k, "power": power, "score": 0.0} for k in ks for power in powers]
        if len(trials) > 1:
            self._try(trials, views, val)
        best = max(trials, key=lambda trial: trial["score"])
        self.chosen_ = {"k": best["k"], "power": best["power"]}
        self.trials_ = trials if len(trials) > 1 else []
        return self._anchor(views)

    def forget(self, ids: Iterable[Any]) -> ASIF:
        """Delete the anchors of these ids, as if they had never been given, at the same k and power.

        Raises a ChiasmError when an id is no anchor, or fewer than two would be left.
        """
        self.check_fitted()
        gone = np.asarray(list(ids))
        strange = gone[~np.isin(gone, self.ids_)].tolist()
        if strange:
            raise ChiasmError(f"wanted ids of anchors to forget, got {strange[0]!r}, which is none.")
        kept = ~np.isin(self.ids_, gone)
        if kept.sum() < 2:
            raise ChiasmError(f"wanted to keep at least 2 anchors, got {len(gone)} of {len(kept)} to forget.")
        return self._hold(self.ids_[kept], {name: rows[kept] for name, rows in self.anchors_.items()})

    def _anchor(self, views: Views) -> ASIF:
        """Learn the things of `views` that have every view."""
        found = {name: means_by_id(views, name) for name in views.columns}
        whole = np.logical_and.reduce([held for _, held in found.values()])
        if whole.sum() < 2:
            raise ChiasmError(
                f"wanted at least 2 things that have every view ({', '.join(views.names)}), got {whole.sum()}: fit two "
                "views at a time, or use cca, which links views through a third."
            )
        ids = views.ids[np.unique(views.codes, return_index=True)[1]]
        kept = {name: np.promote_types(np.float32, views[name].items.dtype) for name in found}  # float64 stays so
        return self._hold(ids[whole], {name: means[whole].astype(kept[name]) for name, (means, _) in found.items()})

    def _hold(self, ids: np.ndarray, anchors: Mapping[str, np.ndarray]) -> ASIF:
        self.ids_, self.anchors_ = ids, dict(anchors)
        self.means_ = {name: rows.mean(axis=0, dtype=np.float64) for name, rows in anchors.items()}
        return self

    def _try(self, trials: list[dict[str, Any]], views: Views, val: Any) -> None:
        """Score every trial in place: the mean over folds whose held things are no anchors."""
        cuts = folds(views, val, self.seed)
        for mask, held in cuts:
            if mask is not None:
                self._anchor(views[~mask])
            near = {name: self._near(name, c.items[c.used]) for name, c in held.columns.items() if len(c.used)}
            for trial in trials:
                mapped = {name: _sparse(values, trial["k"], trial["power"]) for name, values in near.items()}
                trial["score"] += reciprocal_rank(held, mapped) / len(cuts)

    def _near(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Cosine similarities `(m, n)` of rows to the anchors."""
        mean = self.means_[name]
        return normalize(centered(rows, mean)) @ normalize(centered(self.anchors_[name], mean)).T

    def _widths(self) -> dict[str, int]:
        return {name: rows.shape[1] for name, rows in self.anchors_.items()}

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        return normalize(_sparse(self._near(name, rows), self.chosen_["k"], self.chosen_["power"]))

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        mean, k = self.means_[name], self.chosen_["k"]
        values = rows.centered(mean).unit() @ normalize(centered(self.anchors_[name], mean)).T
        if k < len(self.anchors_[name]):
            values = values.kept(values.top(k).min())
        return (values.sign() * values.abs() ** self.chosen_["power"]).unit()


def _sparse(values: np.ndarray, k: int, power: float) -> np.ndarray:
    """The k largest of each row, raised to a power that keeps the sign; the others are 0."""
    n = values.shape[1]
    if k < n and len(values):
        least = np.partition(values, n - k, axis=1)[:, n - k, None]
        values = np.where(values >= least, values, np.float32(0))
    raised: np.ndarray = np.sign(values) * np.abs(values) ** np.float32(power)
    return raised
