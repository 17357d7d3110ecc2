"""What trained fusers share: views on few axes, dropped at random, one network a fold, answers in numpy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, softmax

from chiasm.fuse._alone import share
from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._kernel import Kernel
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.nn.blocks import ArrayOps, Ops, Params, matrix
from chiasm.nn.schedule import Schedule
from chiasm.stats.blocks import Block, Blocks, patterns, presence, subsets
from chiasm.target import Target

__all__ = [
    "DROPOUT",
    "HERE",
    "JOINT",
    "TRUTH",
    "Rows",
    "TrainedFuser",
    "batches",
    "beside",
    "epoch",
    "matrix",
    "one_of",
    "some",
]

log = logging.getLogger(__name__)

JOINT = "(all)"
"""The group of parameters that belong to no one view."""

HERE, TRUTH = "(here)", "(truth)"
DROPOUT = 0.4
_HIDDEN = 0.9
_STEPS, _LEAST_BATCH, _MOST_BATCH = 18, 16, 1024
_AXES = 128
_LEAST_ROWS = 10
_CHUNK = 4096

Rows = Mapping[str, np.ndarray]
"""By view its rows on its axes; which views are there, `HERE` `(n, k)`; and the truth, `TRUTH` `(n, c)`."""

Scores = dict[tuple[int, ...], np.ndarray]
"""By the places of the views that were looked at, raw outputs `(n, c)`; (): those that each row has."""


class TrainedFuser(Fuser):
    """A fuser that torch trains, saved as arrays and answering without torch.

    Each view stands on its first 128 kernel principal axes (Gaussian kernel, 500 landmarks), one scale a view. For each
    fold a network learns from the other folds, by AdamW, all of them side by side and for as many epochs as is best for
    the rows that each left out. The answer is the mean of these networks, calibrated by their out-of-fold outputs. It
    costs as much as choosing the epochs by cross-validation and then learning once from all rows, and its
    probabilities are better (log loss on training folds, `attention`: tweets of 3 classes .633 against .640, news of 10
    .451 against .479; their accuracies do not differ).

    Beside the networks stands the closed head of `early`, and the answer is a mean of both, by shares that out-of-fold
    answers choose for every set of views: the networks count nothing unless those rows gain by it by more than a
    standard error. So with few rows a class the answer is that of `early`. What `row_weights` tell is the networks'.

    In training each view is hidden in a share of the rows, which is drawn anew for every batch between 0 and 0.9:
    hiding views protects only up to the largest share that training has seen. A row keeps at least one view.

    Learned: `kernels_`, `centers_`, `scales_` by view; `params_`, arrays `(folds, ...)` by view and name; `head_`;
    `calibrations_` and the networks' `shares_` by set of views; `middle_`, `spread_` of numbers; `weights_`, by view
    the mean of `row_weights` over training rows, out of fold; `chosen_` (epochs).

    A subclass says what a network is.
    """

    device: str
    local = ("device",)

    _epochs: ClassVar[int] = 20
    _rate: ClassVar[float] = 8e-3
    _decay: ClassVar[float] = 1.0
    _cooling: ClassVar[tuple[float, ...]] = (1.0,)
    """What outputs are multiplied by when epochs are compared, each at its best: overconfidence is mended later."""
    _chunk: ClassVar[int] = _CHUNK
    """Rows answered at a time."""

    kernels_: dict[str, Any]
    centers_: dict[str, np.ndarray]
    scales_: dict[str, float]
    params_: dict[str, Params]
    weights_: dict[str, float]
    chosen_: dict[str, Any]
    crosses_cheaply = True

    def _start(self, widths: Mapping[str, int], c: int, rng: np.random.Generator) -> dict[str, Params]:
        """The parameters before the first step, by view and of `JOINT`, for views of these widths and c outputs."""
        raise NotImplementedError

    def _forward(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Any, list[Any]]:
        """Raw outputs `(n, c)`, and a view's weights `(n, w)` each, which sum to 1 over the views that are there.

        Args:
            params, rows: by view, in the order of the columns of `here`. here: `(n, k)`, 1 where a view is there.
        """
        raise NotImplementedError

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        n, k = len(truth), len(held)
        self._stand(held)
        self.middle_, self.spread_ = np.zeros(truth.shape[1]), np.ones(truth.shape[1])
        if self.kind == "numbers":
            self.middle_, self.spread_ = truth.mean(axis=0), np.maximum(truth.std(axis=0), 1e-30)
        here = presence(held, list(held), n)
        data: dict[str, np.ndarray] = self._turned(held, n)
        data[HERE] = here.astype(np.float32)
        data[TRUTH] = ((truth - self.middle_) / self.spread_).astype(np.float32)
        some, parts = here.any(axis=1), [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
        insides = [np.setdiff1d(np.flatnonzero(some), part) for part in parts]
        self._train(data, insides, parts)
        scores, weights = self._left_out(data, parts, subsets(k))
        self.weights_ = dict(zip(held, weights[some].mean(axis=0).tolist(), strict=True))
        self.head_, closed = self._closed(held, truth, folds)
        self.calibrations_, self.shares_ = {}, {}
        said = {}
        for subset, found in scores.items():
            rows = here[:, subset].all(axis=1) if subset else some
            if rows.sum() >= _LEAST_ROWS or not subset:
                key, calibrated = _key(subset), Calibrated(self.kind)
                self.calibrations_[key] = calibrated.fit(found[rows], truth[rows])
                said[key] = np.tile(truth.mean(axis=0), (n, 1))
                said[key][rows] = calibrated.crossed(found[rows], truth[rows], folds[rows])
                self.shares_[key] = share(said[key][rows], closed[subset][rows], truth[rows], self.kind)
        crossed = closed[()]
        for subset, rows in patterns(here):
            key = self._known(subset)
            crossed[rows] += self.shares_[key] * (said[key][rows] - crossed[rows])
        return crossed

    def _left_out(
        self, data: Rows, parts: list[np.ndarray], chosen: list[tuple[int, ...]]
    ) -> tuple[Scores, np.ndarray]:
        """What each network says of the rows that it left out, of the rows as they are and with only some views."""
        n, k = data[HERE].shape
        scores: Scores = {subset: np.zeros((n, len(self.middle_))) for subset in [(), *chosen]}
        weights = np.zeros((n, k))
        for i, part in enumerate(parts):
            mine, rows = one_of(self.params_, i), some(data, part)
            scores[()][part], weights[part] = self._said(mine, rows, rows[HERE])
            for subset in chosen:
                scores[subset][part], _ = self._said(mine, rows, rows[HERE] * np.isin(np.arange(k), subset))
        return scores, weights

    def _closed(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> tuple[RidgeHead, Scores]:
        """The closed head, and its out-of-fold answers by the views that are looked at."""
        head = RidgeHead(self.kind, seed=self.seed)
        return head, head.cross_fit_subsets(self._vectors(held), truth, folds, subsets(len(held)))

    def _vectors(self, held: Blocks) -> Blocks:
        """What the closed head reads."""
        return held

    def _stand(self, held: Blocks) -> None:
        """Learn the axes that networks stand on."""
        self.kernels_, self.centers_, self.scales_ = {}, {}, {}
        for name, block in held.items():
            self._stand_on(name, block)

    def _stand_on(self, name: str, block: Block) -> None:
        """Learn the axes of one view."""
        kernel = self.kernels_[name] = Kernel((name,), coordinates=_AXES, seed=self.seed).fit({name: block})
        values = kernel({name: block}, len(block.present))[block.present]
        self.centers_[name] = values.mean(axis=0)
        self.scales_[name] = max(float(np.sqrt(values.var(axis=0).mean())), 1e-30)

    def _turned(self, held: Blocks, n: int) -> dict[str, np.ndarray]:
        """By fitted view its rows on its axes `(n, r)` float32; 0 where it is absent."""
        return {name: self._turn(name, held.get(name), n) for name in self.kernels_}

    def _turn(self, name: str, block: Block | None, n: int) -> np.ndarray:
        """One view's rows."""
        kernel = self.kernels_[name]
        turned = np.zeros((n, kernel.width), dtype=np.float32)
        if block is not None:
            here = block.present
            turned[here] = (kernel({name: block}, n)[here] - self.centers_[name]) / np.float32(self.scales_[name])
        return turned

    def _train(self, data: Rows, insides: list[np.ndarray], parts: list[np.ndarray]) -> list[dict[str, float]]:
        """Train a network on each of `insides`, up to the epoch that together answers the rows of `parts` best.

        Returns the `loss` and the `score` of those rows, epoch by epoch, the start's first.
        """
        from chiasm.nn.train import train

        rng, target = np.random.default_rng(self.seed), Target(self.kind)
        widths = {name: data[name].shape[-1] for name in self.kernels_}
        starts = [self._start(widths, data[TRUTH].shape[1], rng) for _ in insides]
        outside = [some(data, part) for part in parts]
        truth = np.concatenate([rows[TRUTH] for rows in outside])

        def score(params: dict[str, Params]) -> float:
            said = [self._said(one_of(params, i), rows, rows[HERE])[0] for i, rows in enumerate(outside)]
            out = (np.concatenate(said) - self.middle_) / self.spread_
            return max(float(target.gain(_likely(out * by, self.kind), truth).mean()) for by in self._cooling)

        found = train(
            {
                group: {name: np.stack([s[group][name] for s in starts]) for name in starts[0][group]}
                for group in starts[0]
            },
            data,
            partial(epoch, insides, rng),
            self._objective(),
            score,
            schedule=Schedule(self._rounds(len(insides[0])), self._rate, self._decay),
            seed=self.seed,
            device=self.device,
            progress=partial(log.debug, "%s"),
        )
        self.params_, self.chosen_ = found.params, {"epochs": found.epoch}
        return found.history

    def _rounds(self, n: int) -> int:
        """The epochs of a run that learns from n rows."""
        return self._epochs

    def _objective(self) -> Callable[..., Any]:
        """Cross-entropy, of tags each on its own; of numbers the squared error, in standard deviations."""
        from torch.nn import functional

        def objective(params: dict[str, Params], data: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            rows, kept = self._drawn(data, batch["rows"], step)
            out, _ = self._forward(params, rows, kept, step.ops, DROPOUT)
            truth = data[TRUTH][batch["rows"]]
            if self.kind == "numbers":
                return functional.mse_loss(out, truth)
            if self.kind == "tags":
                return functional.binary_cross_entropy_with_logits(out, truth)
            return functional.cross_entropy(out.flatten(0, 1), truth.flatten(0, 1))

        return objective

    def _drawn(self, data: Mapping[str, Any], at: Any, step: Any) -> tuple[dict[str, Any], Any]:
        """Rows by view with a share of their numbers hidden, and `(..., k)` which of their views are looked at."""
        import torch
        from torch.nn import functional

        draw, here = step.generator, data[HERE][at]
        luck = torch.rand(here.shape, generator=draw, device=here.device)
        kept = here * (luck > _HIDDEN * torch.rand((), generator=draw, device=here.device))
        luckiest = functional.one_hot((here * luck).argmax(dim=-1), here.shape[-1]).to(here)
        kept = torch.where(kept.any(dim=-1, keepdim=True), kept, luckiest)
        rows = {name: values[at] for name, values in data.items() if name not in (HERE, TRUTH)}
        for name in self.kernels_:
            seen = torch.rand(rows[name].shape, generator=draw, device=here.device) > DROPOUT
            rows[name] = rows[name] * seen / (1 - DROPOUT)
        return rows, kept

    def _said(self, params: Mapping[str, Params], rows: Rows, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean of some networks, or what one says: outputs `(n, c)` in units of the truth, and weights `(n, k)`."""
        said = []
        for start in range(0, max(len(here), 1), self._chunk):
            part = some(rows, slice(start, start + self._chunk))
            raw, each = self._forward(
                params, part, here[start : start + self._chunk].astype(np.float32), ArrayOps(), 0.0
            )
            shares = np.stack([weight.mean(axis=-1) for weight in each], axis=-1)
            said.append((raw, shares) if raw.ndim == 2 else (raw.mean(axis=0), shares.mean(axis=0)))
        out, weights = (np.concatenate(parts).astype(np.float64) for parts in zip(*said, strict=True))
        return out * self.spread_ + self.middle_, weights

    def _known(self, subset: tuple[int, ...]) -> str:
        """The calibration for rows that have just these views, or else that for all rows."""
        key = _key(subset)
        return key if key in self.calibrations_ else ""

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        here = presence(held, list(self.kernels_), n)
        shares = vars(self).get("shares_", dict.fromkeys(self.calibrations_, 1.0))  # saved before there was a head
        out = self.head_.answer(self._vectors(held), n) if "head_" in vars(self) else np.tile(self.prior_, (n, 1))
        raw = self._said(self.params_, self._turned(held, n), here)[0] if any(shares.values()) else out
        for subset, rows in patterns(here):
            key = self._known(subset)
            if counts := shares[key]:
                out[rows] = counts * self.calibrations_[key](raw[rows]) + (1 - counts) * out[rows]
        return out

    def row_weights(self, views: Any) -> np.ndarray:
        """`(n, k)` how much each view counts in each row, in the order of `widths_`: rows sum to 1.

        0 where a view is absent, and everywhere in a row that has none.
        """
        held, n = self._asked_of(views)
        return self._said(self.params_, self._turned(held, n), presence(held, list(self.kernels_), n))[1]


def beside(joint: Params, each: list[Params], units: list[Any], there: list[Any]) -> tuple[Any, list[Any]]:
    """W_fc [units of every view], a learned stand-in for an absent one; a view's weight is its share of the lengths."""
    parts = [u @ params["join"] for u, params in zip(units, each, strict=True)]
    fused = joint["inner"]
    for part, params, mask in zip(parts, each, there, strict=True):
        fused = fused + mask * part + (1 - mask) * params["absent"]
    lengths = [mask * ((part * part).sum(-1)[..., None] + 1e-9) ** 0.5 for part, mask in zip(parts, there, strict=True)]
    whole = sum(lengths) + 1e-9
    return fused, [length / whole for length in lengths]


def epoch(insides: list[np.ndarray], rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """All rows of each set in random order, `(sets, batch)` at a time: in 18 batches, unless they got too small or big.

    A smaller set comes round again until the largest is through.
    """
    most = max(len(rows) for rows in insides)
    order = np.stack([np.resize(rng.permutation(rows), most) for rows in insides])
    for part in np.array_split(order, batches(most), axis=1):
        yield {"rows": part}


def batches(n: int) -> int:
    """How many batches an epoch of n rows has."""
    size = min(max(n // _STEPS, _LEAST_BATCH), _MOST_BATCH)
    return max(1, round(n / size))


def some(data: Rows, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """Some of the rows."""
    return {name: values[rows] for name, values in data.items()}


def _likely(out: np.ndarray, kind: str) -> np.ndarray:
    """Raw outputs as probabilities; numbers as they are."""
    if kind == "numbers":
        return out
    found: np.ndarray = expit(out) if kind == "tags" else softmax(out, axis=1)
    return found


def one_of(params: Mapping[str, Params], i: int) -> dict[str, Params]:
    """The parameters of one of the networks."""
    return {group: {name: values[i] for name, values in inner.items()} for group, inner in params.items()}


def _key(subset: tuple[int, ...]) -> str:
    return ",".join(map(str, subset))
