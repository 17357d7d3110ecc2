"""A conditional generative adversarial network of vectors, whose two networks' features can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chiasm.generate._trained import HIDDEN, MAKER, TrainedVectors, dense, layer, more
from chiasm.generate._vectors import Known, checked_vectors
from chiasm.nn.blocks import ArrayOps, Ops, Params

__all__ = ["GAN"]

_JUDGE = "judge"


class GAN(TrainedVectors):
    """A maker of vectors from the closed guess g(x) and noise z, taught by a judge that tells made from true ones.

    y = g + L (z + network(g, z)), L as of `ridge`, whose draws training starts from. The judge is a projection
    discriminator, D(g, y) = w'f(y) + (V g)'f(y), f of two layers. Both learn by the hinge loss, the maker also by the
    squared distance to the true vector, for all epochs: nothing is chosen. `judged` gives f of any vectors, the judge's
    own features; `hidden` those of the maker.

    Choose it to study adversaries. With a thousand rows it loses: its draws have 5 to 10 % more energy score than those
    of `ridge`, and that it finds more true pictures is not shown (benchmarks/generate/features.py, docs/generate.md).

    Args:
        pull: how much the squared distance counts beside the judge. epochs: of training. device: to train on ("auto",
            "cpu", "cuda"). seed: of folds, starts, batches and draws.

    Learned: see `TrainedVectors`. Sources: Mirza & Osindero 2014; Miyato & Koyama 2018 (projection);
    Isola et al. 2017 (adversary and distance side by side).
    """

    _sides = ((MAKER,), (_JUDGE,))
    _rate = 2e-4

    def __init__(self, pull: float = 1.0, epochs: int = 60, device: str = "auto", seed: int = 0):
        self.pull = pull
        self.epochs = epochs
        self.device = device
        self.seed = seed

    def judged(self, vectors: Any) -> np.ndarray:
        """`(n, 256)` the judge's own features f of vectors `(n, t)`, made or true."""
        self.check_fitted()
        placed = self._placed(checked_vectors(vectors, len(self.middle_)))
        features: np.ndarray = _features(self.params_[_JUDGE], placed.astype(np.float32), ArrayOps())
        return features

    def hidden(self, views: Any) -> np.ndarray:
        """`(n, 512)` the maker's own features of rows, without noise."""
        guess, _ = self._guess(views)
        return np.asarray(more(self.params_[MAKER], guess, np.zeros_like(guess), ArrayOps())[0])

    def _learn(self, known: Known) -> None:
        self._train(known, np.arange(len(known.left)))

    def _noise(self, k: int) -> int:
        return k

    def _start(self, k: int, rng: np.random.Generator) -> dict[str, Params]:
        width = HIDDEN // 2
        judge = dense(k, width, width, rng)
        judge["plain"] = np.zeros((width, 1), np.float32)
        judge["match"] = (rng.normal(size=(k, width)) / np.sqrt(k * width)).astype(np.float32)
        return {_JUDGE: judge}

    def _objective(self) -> Callable[..., Any]:
        import torch
        from torch.nn.functional import relu

        around = torch.as_tensor(self.around_.T.copy())

        def judged(judge: Params, guess: Any, vectors: Any, ops: Ops) -> Any:
            read = _features(judge, vectors, ops)
            return (read @ judge["plain"])[:, 0] + ((guess @ judge["match"]) * read).sum(dim=1)

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            guess, left = rows["guess"][batch["rows"]], rows["left"][batch["rows"]]
            luck = torch.randn(guess.shape, generator=step.generator, device=guess.device)
            beyond = luck + more(params[MAKER], guess, luck, step.ops)[1]
            turn = around.to(guess.device)
            truth, made = guess + left @ turn, guess + beyond @ turn
            judge = params[_JUDGE]
            seen, told = judged(judge, guess, truth, step.ops), judged(judge, guess, made.detach(), step.ops)
            adversary = relu(1 - seen).mean() + relu(1 + told).mean()
            distance = torch.square(made - truth).mean()
            return self.pull * distance - judged(judge, guess, made, step.ops).mean(), adversary

        return objective

    def _white(self, params: Mapping[str, Params], guess: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        noise = np.zeros(guess.shape[1])
        if rng is not None:
            noise = noise + rng.standard_normal(guess.shape[1])
        each = np.broadcast_to(noise.astype(np.float32), guess.shape)
        white: np.ndarray = each + more(params[MAKER], guess, each, ArrayOps())[1]
        return white


def _features(judge: Params, vectors: Any, ops: Ops) -> Any:
    return ops.gelu(layer(judge, vectors, ops)[1])
