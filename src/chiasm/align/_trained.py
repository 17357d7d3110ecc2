"""What trained aligners share: a start, the choice of how long to train, the run on all rows, answers in numpy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from chiasm import registry
from chiasm.align._aligner import Aligner, Linear
from chiasm.align._select import folds, views_each
from chiasm.allowed import COUNT, DEVICE, NOT_NEGATIVE, PART, POSITIVE, SEED, SIZE, choice
from chiasm.errors import ChiasmError
from chiasm.graph import Symbol, SymbolOps
from chiasm.nn.blocks import HEADS, ArrayOps, Head, Params
from chiasm.nn.pairs import Axes, Batch, PairRows, axes, batches, links, turn
from chiasm.nn.schedule import Schedule
from chiasm.nn.start import started
from chiasm.stats.relevance import check_pairs, reciprocal_rank
from chiasm.views import Views, as_views

__all__ = ["LOSS", "Forms", "Linked", "Objective", "TrainedAligner", "again", "closed", "over_links", "unit"]

log = logging.getLogger(__name__)

Objective = Callable[[dict[str, Params], dict[str, Any], dict[Any, Any], Any], Any]
"""(parameters by view, rows by view, batch by two views, step) -> the loss."""

Forms = Mapping[str, Linear]
"""Fitted closed forms, by the parameter that names them."""

_ENOUGH = 100
"""The number of held-out things on which to choose how long to train."""

LOSS = "(loss)"
"""The group of parameters that belong to the loss and to no view."""


class TrainedAligner(Aligner):
    """An aligner with one head a view, trained by torch, saved as arrays and answering without torch.

    How many epochs are right is chosen by mean reciprocal rank on validation rows (those given, else parts of the
    training rows, which are all learned from in the end, for as many epochs). With few pairs a head that starts at
    random loses to closed forms, so a head starts as the linear map of one (`start`) unless its paper's point is
    another; then zero epochs may be chosen, and the closed form is what comes out.

    Learned: `centers_` `(d,)` and `bases_` `(d, r)` by view, the axes on which heads stand; `params_`, arrays by view;
    `chosen_` (epochs, score and the parameters of the loss); `trials_` (the score by epoch, one entry a look and fold).

    A subclass says what its head is and what it minimizes.
    """

    centers_: dict[str, np.ndarray]
    bases_: dict[str, np.ndarray]
    params_: dict[str, Params]
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    k: int | None
    start: Any
    epochs: int
    batch: int
    rate: float
    decay: float
    seed: int
    device: str

    local = ("device",)

    allowed: ClassVar = {
        "k": COUNT.or_none(),
        "start": PART.or_none(),
        "epochs": SIZE,
        "batch": COUNT,
        "rate": POSITIVE,
        "decay": NOT_NEGATIVE,
        "temperature": POSITIVE,
        "head": choice(*HEADS),
        "seed": SEED,
        "device": DEVICE,
    }

    _forms: ClassVar[tuple[str, ...]] = ("start",)
    """The parameters that name a linear aligner to fit first; what is open in it is chosen once, on all rows."""
    _most: ClassVar[int] = 512
    """The most axes of a view that the head stands on."""

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Self:
        """Learn from the pairs of `views` (Views, dict of arrays `(n, d_v)`, DataFrame), every id weighing the same.

        With `val` the parameters are kept that do best there, and its rows are not learned from.

        Raises a ChiasmError for fewer than two views, fewer than two pairs, or a loss that grows without bound.
        """
        views = as_views(views)
        check_pairs(views)
        val = None if val is None else as_views(val)
        paired = _paired(views)
        forms = {n: closed(part, self.k, views[paired], val) for n in self._forms if (part := getattr(self, n))}
        found = axes(views, self._most)
        cuts = _folds(views, val, self.seed)
        if not cuts:
            return self._learn(views, None, forms, found, stop=0 if "start" in forms else self.epochs)
        curves = []
        for mask, held in cuts:
            if mask is None:
                return self._learn(views, held, forms, found)
            rest = views[~mask]
            fewer = {name: again(form, views[paired & ~mask]) for name, form in forms.items()}
            trial = type(self)(**self.get_params(deep=False))
            curves.append(trial._learn(rest, held, fewer, found).trials_)
        stop, score = _best(curves)
        self._learn(views, None, forms, found, stop=stop)
        self.chosen_["score"] = score
        self.trials_ = [{"fold": i, **look} for i, curve in enumerate(curves) for look in curve]
        return self

    def _learn(
        self, views: Views, held: Views | None, forms: Forms, found: Mapping[str, Axes], stop: int | None = None
    ) -> Self:
        """One run on all rows of `views`, looked at on `held`."""
        from chiasm.nn.train import train

        rows, joined, rng = turn(views, found), self._links(views), np.random.default_rng(self.seed)
        params = self._params(found, forms.get("start"), rng, rows)
        trained = train(
            params | {LOSS: self._loss_params()},
            rows,
            partial(batches, joined, self.batch, rng),
            self._objective(views, forms),
            None if held is None else self._scorer(held, found, views),
            schedule=Schedule(self.epochs, self.rate, self.decay),
            stop=stop,
            seed=self.seed,
            device=self.device,
            progress=partial(log.debug, "%s"),
        )
        loss = {name: float(value) for name, value in trained.params[LOSS].items()}
        self.params_ = {name: trained.params[name] for name in params}
        self.centers_ = {name: one.center for name, one in found.items()}
        self.bases_ = {name: one.basis for name, one in found.items()}
        self.trials_ = [dict(look) for look in trained.history]
        self.chosen_ = {"epochs": trained.epoch, **loss}
        if trained.history:
            self.chosen_["score"] = max(look["score"] for look in trained.history)
        return self

    def _params(
        self,
        axes: Mapping[str, Axes],
        start: Linear | None,
        rng: np.random.Generator,
        rows: Mapping[str, np.ndarray],
    ) -> dict[str, Params]:
        """The heads before the first step: as the maps of a closed form, or at random."""
        maps = None if start is None else {name: start.weights_.get(name) for name in axes}
        return started(self._head(), axes, maps, self.k, rng)

    def _links(self, views: Views) -> dict[tuple[str, str], PairRows]:
        """The pairs that batches are drawn from, by two views."""
        return links(views)

    def _scorer(self, held: Views, found: Mapping[str, Axes], views: Views) -> Callable[[dict[str, Params]], float]:
        """How good heads are for held-out rows; `views`: what is learned from."""
        rows = turn(held, found)
        return lambda params: reciprocal_rank(held, {name: self._forward(params[name], rows[name]) for name in rows})

    def _forward(self, params: Params, rows: np.ndarray) -> np.ndarray:
        mapped: np.ndarray = self._head().forward(params, rows, ArrayOps(), 0.0)
        return mapped

    def _widths(self) -> dict[str, int]:
        return {name: len(center) for name, center in self.centers_.items()}

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        return self._forward(self.params_[name], Axes(self.centers_[name], self.bases_[name])(rows))

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        on_axes = rows.centered(self.centers_[name]) @ self.bases_[name]
        ops: Any = SymbolOps()  # of `Ops` the part that these heads ask for
        mapped: Symbol = self._head().forward(self.params_[name], on_axes, ops, 0.0)
        return mapped

    def _head(self) -> Head:
        """The head of every view."""
        raise NotImplementedError

    def _loss_params(self) -> Params:
        """What the loss itself learns, scalars by name."""
        return {}

    def _objective(self, views: Views, forms: Forms) -> Objective:
        """What is minimized, given the rows learned from and the closed forms fitted on them."""
        raise NotImplementedError


class Linked(NamedTuple):
    """Pairs of two views in a step: row i of one belongs to row i of the other; tensors."""

    left: Any
    """`(n, k)` mapped rows of length 1."""
    right: Any
    x: Any
    """`(n, r)` the same rows on their axes, before the head."""
    y: Any
    same: Any
    """See `Batch`."""


def over_links(
    loss: Callable[[Linked], Any],
    head: Head,
    params: dict[str, Params],
    rows: Mapping[str, Any],
    batch: Mapping[tuple[str, str], Batch],
    step: Any,
    *,
    dropout: float = 0.0,
    change: Callable[[Any], Any] | None = None,
    scaled: bool = True,
) -> Any:
    """The mean over every two views that pair up of a loss of their pairs.

    Args:
        dropout: in the head. change: of rows `(n, r)` of either view before the head, alike for both (mixing).
        scaled: the loss gets mapped rows of length 1, else as the head gives them.
    """
    total: Any = 0
    for (a, b), link in batch.items():
        x, y = rows[a][link.left], rows[b][link.right]
        if change is not None:
            x, y = change(x), change(y)
        left, right = (head.forward(params[v], r, step.ops, dropout) for v, r in ((a, x), (b, y)))
        if scaled:
            left, right = unit(left), unit(right)
        total = total + loss(Linked(left, right, x, y, link.same))
    return total / len(batch)


def unit(rows: Any) -> Any:
    """Tensor rows of length 1."""
    from torch.nn.functional import normalize

    return normalize(rows, dim=1)


def closed(part: Any, k: int | None, views: Views, val: Views | None) -> Linear:
    """The fitted linear aligner that heads start from or learn from: a name, or an aligner that is fitted as a copy.

    With k its shared width is k. Raises a ChiasmError for an aligner that is not linear.
    """
    made = registry.make("align", part)
    if not isinstance(made, Linear):
        raise ChiasmError(f"wanted a linear aligner (cca, pls), got {part!r}.")
    if k is not None and "k" in made.get_params(deep=False):
        made.set_params(k=k)
    fitted: Linear = registry.fit(made, views, val=val)
    return fitted


def again(form: Linear, views: Views) -> Linear:
    """The same closed form on fewer rows, nothing chosen anew."""
    part = type(form)(**form.get_params(deep=False))
    known = part.get_params(deep=False)
    part.set_params(**{name: value for name, value in form.choices().items() if name in known})
    return part.fit(views)


def _paired(views: Views) -> np.ndarray:
    """`(n,)` mask of the rows whose id has two views.

    Closed forms learn from these alone: with few pairs, a covariance over all rows beside a cross covariance over the
    pairs retrieves worse.
    """
    mask: np.ndarray = views_each(views)[views.codes] > 1
    return mask


def _folds(views: Views, val: Views | None, seed: int) -> list[tuple[np.ndarray | None, Views]]:
    """As many of `folds` as hold `_ENOUGH` things, each costing a run."""
    cuts: list[tuple[np.ndarray | None, Views]] = []
    for cut in folds(views, val, seed):
        if sum(held.things for _, held in cuts) >= _ENOUGH:
            break
        cuts.append(cut)
    return cuts


def _best(curves: list[list[dict[str, Any]]]) -> tuple[int, float]:
    """The number of epochs with the best mean score over folds, later of equals, among those all folds have seen."""
    seen = [{look["epoch"]: look["score"] for look in curve} for curve in curves]
    common = sorted(set.intersection(*(set(one) for one in seen)))
    means = {epoch: float(np.mean([one[epoch] for one in seen])) for epoch in common}
    best = max(common, key=lambda epoch: (means[epoch], epoch))
    return best, means[best]
