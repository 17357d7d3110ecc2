"""What trained fusers share: views on few axes, dropped at random, one network a fold, answers in numpy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from chiasm.fuse._alone import honest
from chiasm.fuse._blocks import Blocks, blocks, patterns, presence, subsets
from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._kernel import Kernel
from chiasm.fuse._target import Target
from chiasm.nn.blocks import ArrayOps, Ops, Params
from chiasm.views import as_views

__all__ = ["DROP", "FAR", "JOINT", "Trained", "matrix"]

log = logging.getLogger(__name__)

JOINT = "(all)"
"""The group of parameters that belong to no one view."""

FAR = 1e9
"""What an absent view's score is lowered by."""

DROP = 0.9
"""The largest share of a batch's views that training hides."""

_HERE, _TRUTH = "(here)", "(truth)"
_EPOCHS = 20
_RATE = 8e-3
_DECAY = 1.0
_DROPOUT = 0.4
_STEPS = 18  # of an epoch, as long as a batch has 16 rows or more
_AXES = 128
_LEAST_ROWS = 10

Scores = dict[tuple[int, ...], np.ndarray]
"""By subset of the views, raw outputs `(n, c)`."""


class Trained(Fuser):
    """A fuser that torch trains, saved as arrays and answering without torch.

    Each view stands on its first 128 kernel principal axes (Gaussian kernel, 500 landmarks), one scale a view. For each
    fold one network learns from the other folds, with AdamW, and keeps the epoch that answers its own fold best; the
    answer is the mean of these networks, calibrated by their out-of-fold outputs. A mean of five costs as much as
    cross-validation and a last fit on all rows, and answers better (tweets of 3 classes: log loss .628 against .635;
    news of 10: .454 against .473).

    In training a view is hidden in a share of the rows that is drawn anew for each batch, between 0 and 0.9: dropping
    views protects only up to the largest share that training has seen. A row keeps at least one view.

    Learned: `kernels_`, `centers_`, `scales_` by view; `networks_`, parameters by view and name, one entry a fold;
    `calibrations_` by subset of the views; `middle_`, `spread_` of numbers; `weights_`, by view the mean of
    `row_weights` over training rows, out of fold; `chosen_` (the epochs of each network).

    A subclass says what the network is.
    """

    device: str

    kernels_: dict[str, Kernel]
    params_: dict[str, Params]
    weights_: dict[str, float]
    held_out: np.ndarray
    """`(m, c)` answers to the rows of the last `fit`, each by the network that left its fold out (not saved)."""

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

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> None:
        n, k = len(truth), len(held)
        self._stand(held)
        self.middle_, self.spread_ = np.zeros(truth.shape[1]), np.ones(truth.shape[1])
        if self.kind == "numbers":
            self.middle_, self.spread_ = truth.mean(axis=0), np.maximum(truth.std(axis=0), 1e-30)
        here = presence(held, list(held), n)
        data = self._turned(held, n)
        data[_HERE] = here.astype(np.float32)
        data[_TRUTH] = ((truth - self.middle_) / self.spread_).astype(np.float32)
        some, numbers = here.any(axis=1), np.unique(folds)
        insides = [np.flatnonzero((folds != fold) & some) for fold in numbers]
        parts = [{name: values[folds == fold] for name, values in data.items()} for fold in numbers]
        self._run(data, insides, parts)
        scores: Scores = {subset: np.zeros_like(truth) for subset in [(), *subsets(k)]}
        weights = np.zeros((n, k))
        for i, (fold, part) in enumerate(zip(numbers, parts, strict=True)):
            for subset, found in scores.items():
                mask = np.isin(np.arange(k), subset or range(k))
                found[folds == fold], shares = self._said(_one(self.params_, i), part, part[_HERE] * mask)
                if not subset:
                    weights[folds == fold] = shares
        self.weights_ = dict(zip(held, weights[some].mean(axis=0).tolist(), strict=True))
        self.calibrations_ = {}
        for subset, found in scores.items():
            rows = here[:, subset].all(axis=1) if subset else some
            if rows.sum() >= _LEAST_ROWS or not subset:
                self.calibrations_[_key(subset)] = Calibrated(self.kind).fit(found[rows], truth[rows])
        answered = self._calibrated(scores[()], here)
        answered[~some] = truth.mean(axis=0)
        self.held_out = honest(answered, truth, folds, self.kind)

    def _stand(self, held: Blocks) -> None:
        """Learn the axes that networks stand on."""
        self.kernels_, self.centers_, self.scales_ = {}, {}, {}
        for name, block in held.items():
            kernel = self.kernels_[name] = Kernel((name,), seed=self.seed).fit(held)
            kernel.whiten_ = np.ascontiguousarray(kernel.whiten_[:, -_AXES:])  # in order of rising variance
            values = kernel(held, len(block.values))[block.present]
            self.centers_[name] = values.mean(axis=0)
            self.scales_[name] = max(float(np.sqrt(values.var(axis=0).mean())), 1e-30)

    def _turned(self, held: Blocks, n: int) -> dict[str, np.ndarray]:
        """By fitted view its rows on its axes `(n, r)` float32; 0 where it is absent."""
        turned = {}
        for name, kernel in self.kernels_.items():
            turned[name] = np.zeros((n, kernel.width), dtype=np.float32)
            if name in held:
                here = held[name].present
                turned[name][here] = (kernel(held, n)[here] - self.centers_[name]) / np.float32(self.scales_[name])
        return turned

    def _run(
        self, data: Mapping[str, np.ndarray], insides: list[np.ndarray], parts: list[dict[str, np.ndarray]]
    ) -> None:
        """Train a network on each of some sets of rows, up to the epoch that answers the rest of the rows best."""
        from chiasm.nn.train import train

        rng, target = np.random.default_rng(self.seed), Target(self.kind)
        widths = {name: data[name].shape[1] for name in self.kernels_}
        starts = [self._start(widths, data[_TRUTH].shape[1], rng) for _ in insides]

        def score(params: dict[str, Params]) -> float:
            gains = []
            for i, part in enumerate(parts):
                out = self._forward(_one(params, i), part, part[_HERE], ArrayOps(), 0.0)[0].astype(np.float64)
                if self.kind != "numbers":
                    out = expit(out) if self.kind == "tags" else softmax(out, axis=1)
                gains.append(target.gain(out, part[_TRUTH]))
            return float(np.concatenate(gains).mean())

        found = train(
            {group: {name: np.stack([s[group][name] for s in starts]) for name in starts[0][group]} for group in starts[0]},
            data,
            partial(_epoch, insides, rng),
            self._objective(),
            score,
            epochs=_EPOCHS,
            rate=_RATE,
            decay=_DECAY,
            seed=self.seed,
            device=self.device,
            progress=partial(log.debug, "%s"),
        )
        self.params_, self.chosen_ = found.params, {"epochs": found.epoch}

    def _objective(self) -> Callable[..., Any]:
        """Cross-entropy, of tags each on its own; of numbers the squared error, in standard deviations."""
        import torch
        from torch.nn import functional

        def objective(params: dict[str, Params], data: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            at, draw = batch["rows"], step.generator
            here = data[_HERE][at]
            luck = torch.rand(here.shape, generator=draw, device=here.device)
            kept = here * (luck > DROP * torch.rand((), generator=draw, device=here.device))
            luckiest = functional.one_hot((here * luck).argmax(dim=-1), here.shape[-1]).to(here)
            kept = torch.where(kept.any(dim=-1, keepdim=True), kept, luckiest)
            rows = {}
            for name in self.kernels_:
                seen = torch.rand(data[name][at].shape, generator=draw, device=here.device) > _DROPOUT
                rows[name] = data[name][at] * seen / (1 - _DROPOUT)
            out, _ = self._forward(params, rows, kept, step.ops, _DROPOUT)
            truth = data[_TRUTH][at]
            if self.kind == "numbers":
                return functional.mse_loss(out, truth)
            if self.kind == "tags":
                return functional.binary_cross_entropy_with_logits(out, truth)
            return functional.cross_entropy(out.flatten(0, 1), truth.flatten(0, 1))

        return objective

    def _said(
        self, params: Mapping[str, Params], rows: Mapping[str, np.ndarray], here: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The mean of some networks, or what one says: outputs `(n, c)` in units of the truth, and weights `(n, k)`."""
        raw, each = self._forward(params, rows, here.astype(np.float32), ArrayOps(), 0.0)
        shares = np.stack([weight.mean(axis=-1) for weight in each], axis=-1)
        if raw.ndim > 2:
            raw, shares = raw.mean(axis=0), shares.mean(axis=0)
        return raw.astype(np.float64) * self.spread_ + self.middle_, shares.astype(np.float64)

    def _calibrated(self, raw: np.ndarray, here: np.ndarray) -> np.ndarray:
        """`(n, c)` outputs, each row's by the calibration for just the views that it has."""
        out = np.zeros_like(raw)
        for subset, rows in patterns(here):
            key = _key(subset)
            out[rows] = self.calibrations_[key if key in self.calibrations_ else ""](raw[rows])
        return out

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        here = presence(held, list(self.kernels_), n)
        return self._calibrated(self._said(self.params_, self._turned(held, n), here)[0], here)

    def _crossed(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        return self.held_out

    def row_weights(self, views: Any) -> np.ndarray:
        """`(n, k)` how much each view counts in each row, in the order of `widths_`: rows sum to 1.

        0 where a view is absent, and everywhere in a row that has none.
        """
        self.check_fitted()
        views = as_views(views)
        held, n = blocks(views, list(self.widths_)), len(views)
        return self._said(self.params_, self._turned(held, n), presence(held, list(self.kernels_), n))[1]


def matrix(d: int, k: int, rng: np.random.Generator, size: float = 1.0) -> np.ndarray:
    """`(d, k)` normal entries of variance size^2 / d."""
    return (size * rng.normal(size=(d, k)) / np.sqrt(d)).astype(np.float32)


def _epoch(insides: list[np.ndarray], rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """All rows of each set in random order, `(sets, batch)` after the other: 9 of 16 to 1,024 rows, or what it takes."""
    most = max(len(rows) for rows in insides)
    order = np.stack([np.resize(rng.permutation(rows), most) for rows in insides])
    size = min(max(most // _STEPS, 16), 1024)
    for part in np.array_split(order, max(1, round(most / size)), axis=1):
        yield {"rows": part}


def _one(params: Mapping[str, Params], i: int) -> dict[str, Params]:
    """The parameters of one of the networks."""
    return {group: {name: values[i] for name, values in inner.items()} for group, inner in params.items()}


def _key(subset: tuple[int, ...]) -> str:
    return ",".join(map(str, subset))
