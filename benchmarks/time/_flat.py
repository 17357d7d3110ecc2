"""The rival of `synchronous` in `talking_face.py`: principal components of all steps side by side, then CCA."""

from __future__ import annotations

from itertools import product

import numpy as np

from chiasm.align.cca import CCA
from chiasm.views import Column, Views

SIZES = (32, 64, 128, 256, 512, 640)
"""Principal components that are tried for `Flat`."""


class Flat:
    """`cca` on the principal components of all steps of a clip side by side; everything is chosen on validation rows.

    Components are taken from inner products of clips, which is the same and quick.

    Args:
        audio, video: `(n, t, d)` steps. Streams: each number of sound; pixels and frame differences, half of d each.
    """

    def __init__(self, audio: np.ndarray, video: np.ndarray):
        numbers, cells = range(audio.shape[2]), video.shape[2] // 2
        streams = {
            "audio": [audio[..., i : i + 1] for i in numbers],
            "video": [video[..., :cells], video[..., cells:]],
        }
        self.products = {
            centered: {name: [self._products(one, centered) for one in held] for name, held in streams.items()}
            for centered in (True, False)
        }

    def fit(self, train: np.ndarray, val: np.ndarray) -> Flat:
        """Learn from `train`; what is free is chosen as `val` is found best."""
        tried = []
        for centered, scaled in product((True, False), (True, False)):
            parts = {name: self._parts(held, train, scaled) for name, held in self.products[centered].items()}
            for size in SIZES:
                reduced = Views({name: Column("vector", part[:, :size]) for name, part in parts.items()})
                model = CCA().fit(reduced[train], val=reduced[val])
                best = max(one["score"] for one in model.trials_)
                how = {"centered": centered, "scaled": scaled, "components": size, **model.chosen_}
                tried.append((best, how, model, reduced))
        _, self.chosen, self.model, self.reduced = max(tried, key=lambda one: one[0])  # the first of equals
        return self

    def transform(self, rows: np.ndarray) -> Views:
        """Some clips in the shared space."""
        mapped: Views = self.model.transform(self.reduced[rows])
        return mapped

    @staticmethod
    def _products(steps: np.ndarray, centered: bool) -> np.ndarray:
        """`(n, n)` of a stream's steps side by side, with or without each clip's own mean over time."""
        x = (steps - steps.mean(axis=1, keepdims=True) if centered else steps).reshape(len(steps), -1)
        x = x - x.mean(axis=0)
        return (x @ x.T).astype(np.float64)

    @staticmethod
    def _parts(streams: list[np.ndarray], train: np.ndarray, scaled: bool) -> np.ndarray:
        """`(n, r)` coordinates of every clip on the principal axes of the training clips, the widest first.

        `scaled`: each stream to the same variance.
        """
        products = np.zeros_like(streams[0])
        for one in streams:
            mean = one[:, train].mean(axis=1)
            one = one - mean - mean[:, None] + mean[train].mean()
            products += one / np.trace(one[np.ix_(train, train)]) if scaled else one
        values, vectors = np.linalg.eigh(products[np.ix_(train, train)])
        kept = np.flatnonzero(values > 1e-6 * values[-1])[::-1][: max(SIZES)]
        return (products[:, train] @ (vectors[:, kept] / np.sqrt(values[kept]))).astype(np.float32)
