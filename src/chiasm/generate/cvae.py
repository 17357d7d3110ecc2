"""A conditional variational autoencoder of vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chiasm.generate._trained import HIDDEN, MAKER, TrainedVectors, dense, layer, more
from chiasm.nn.blocks import ArrayOps, Params

__all__ = ["CVAE"]

_READER, _SPREAD = "reader", "spread"
_NOISE = 32
_BOUNDS = (-4.0, 4.0)


class CVAE(TrainedVectors):
    """What the vectors of a row might be: p(y | x) = integral of p(y | g(x), z) p(z) dz, z of 32 numbers.

    A network of the closed guess g(x) and z makes the mean of what is beyond the guess, each axis has a learned spread
    of its own around it. In training a reader of guess and true vector tells z, and minus the evidence lower bound is
    minimized, whose second term (the divergence of z from a standard normal) grows from 0 to its whole over the first
    half. `generate` is the mean at z = 0; a draw takes z and the spread from normals.

    Choose it where what is left open has a shape that depends on the row, and there are many rows. With a thousand no
    gain over `ridge` is shown, in draws or in what is meant (benchmarks/generate/features.py, docs/generate.md).

    Args:
        epochs: at most. device: to train on ("auto", "cpu", "cuda"). seed: of folds, starts, batches and draws.

    Learned: see `TrainedVectors`. Source: Sohn, Lee & Yan 2015.
    """

    _rate = 3e-3

    def __init__(self, epochs: int = 150, device: str = "auto", seed: int = 0):
        self.epochs = epochs
        self.device = device
        self.seed = seed

    def _noise(self, k: int) -> int:
        return _NOISE

    def _start(self, k: int, rng: np.random.Generator) -> dict[str, Params]:
        return {
            _READER: dense(2 * k, HIDDEN // 2, 2 * _NOISE, rng),
            _SPREAD: {"log": np.zeros((1, k), np.float32)},
        }

    def _objective(self) -> Callable[..., Any]:
        import torch

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            guess, left = rows["guess"][batch["rows"]], rows["left"][batch["rows"]]
            told = layer(params[_READER], step.ops.join([guess, left]), step.ops)[1]
            mean, log = told[:, :_NOISE], told[:, _NOISE:].clamp(-8, 8)
            luck = torch.randn(mean.shape, generator=step.generator, device=mean.device)
            made = more(params[MAKER], guess, mean + luck * (log / 2).exp(), step.ops)[1]
            spread = params[_SPREAD]["log"].clamp(*_BOUNDS)
            misfit = (torch.square(left - made) * (-2 * spread).exp() / 2 + spread).sum(dim=1)
            divergence = (torch.square(mean) + log.exp() - 1 - log).sum(dim=1) / 2
            return (misfit + min(1.0, 2 * step.done) * divergence).mean()

        return objective

    def _white(self, params: Mapping[str, Params], guess: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        noise = np.zeros(_NOISE) if rng is None else rng.standard_normal(_NOISE)
        spread = np.exp(np.clip(params[_SPREAD]["log"], *_BOUNDS))
        around = spread * (0.0 if rng is None else np.float32(rng.standard_normal(guess.shape[1])))
        white: np.ndarray = more(params[MAKER], guess, _each(noise, len(guess)), ArrayOps())[1] + around
        return white


def _each(noise: np.ndarray, n: int) -> np.ndarray:
    return np.broadcast_to(noise.astype(np.float32), (n, len(noise)))
