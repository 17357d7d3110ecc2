"""Procrustes analysis: rotations of every view onto the others, lengths and angles kept."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh, svd

from chiasm.align._moments import Closed, widths
from chiasm.align._select import Candidate
from chiasm.allowed import COUNT
from chiasm.stats.covariance import Covariance
from chiasm.views import Views

__all__ = ["Procrustes"]

Solution = tuple[dict[str, np.ndarray], dict[tuple[str, str], np.ndarray]]
"""The principal axes of each view and, in their coordinates, the cross covariances."""

_WIDEST, _ROUNDS = 512, 100


class Procrustes(Closed):
    """Maps with orthonormal columns, W_v'W_v = I, that bring the views of a thing as near to each other as they can.

    Each view is first reduced to its k leading principal axes P_v `(d_v, k)` and then rotated: W_v = P_v R_v. A view
    narrower than k is not reduced but filled up with zeros, so that its W_v has orthonormal rows. The R_v maximize the
    sum over pairs of tr(R_a' C_ab R_b), C_ab = P_a' S_ab P_b: for two views from the SVD C = U diag(s) V' as R_a = U,
    R_b = V; for three or more (each scaled to variance 1 for this) by turning one view at a time to the sum of the
    others until nothing is gained (generalized Procrustes analysis). All from moments. Two views of one width d with
    k = d: `weights_["a"] @ weights_["b"].T` is the orthogonal Procrustes solution. Views that never meet do not pull.

    Choose it when distances within a view must survive (word vectors of two languages, two encoders of one modality).
    Choose `cca` when views differ in what they vary by: it may weigh directions, a rotation may not.
    Whitening the axes first retrieved worse on real features.

    Args:
        k: the shared width; None: chosen by retrieval on validation rows among 32, 64, 128, 256, 512 and the views'
            widths up to 512. At most the number of axes along which some view varies.
        precision: of the products, "float32" or "float64".
        seed: of the choice, when `fit` is given no validation rows.

    Learned: `means_`, `weights_` by view, `chosen_`, `trials_`, `moments_`. `partial_fit` without `fit` takes k 256
    where it is left open.

    >>> import numpy as np
    >>> a = np.random.default_rng(0).normal(size=(100, 3))
    >>> turn = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    >>> model = Procrustes(k=3, precision="float64").fit({"a": a, "b": a @ turn})
    >>> bool(np.allclose(model.weights_["a"] @ model.weights_["b"].T, turn))
    True

    Sources: Schoenemann 1966 (two); Gower 1975 (generalized).
    """

    _free = ("k",)

    allowed: ClassVar = {"k": COUNT.or_none()}

    def __init__(self, k: int | None = None, precision: str = "float32", seed: int = 0):
        self.k = k
        self.precision = precision
        self.seed = seed

    def _candidates(self, views: Views) -> list[Candidate]:
        every = widths(views).values()
        narrow, wide = min(every), min(max(every), _WIDEST)
        ks = [self.k] if self.k is not None else list(dict.fromkeys([narrow, wide, 256, 128, 512, 64, 32]))
        return [{"k": k} for k in ks if k <= wide or k == self.k]

    def _usual(self, moments: Covariance) -> dict[str, Any]:
        return {"k": self.k or 256}

    def _solve(self, moments: Covariance, candidate: Candidate, widths: Mapping[str, int]) -> Solution:
        axes, scales = {}, {}
        for name, d in moments.widths.items():
            covariance = moments.auto(name)
            most = min(d, max(_WIDEST, self.k or 0))
            values, vectors = eigh(covariance, subset_by_index=[d - most, d - 1])
            rank = max(1, int((values > 1e-6 * values[-1]).sum()))  # what lies below is rounding
            axes[name], scales[name] = vectors[:, ::-1][:, :rank], np.sqrt(np.trace(covariance))
        crosses = {
            (a, b): axes[a].T @ (moments.cross(a, b) / scales[a] / scales[b]) @ axes[b]
            for a, b in combinations(axes, 2)
        }
        return axes, crosses

    def _weights(self, solution: Solution, candidate: Candidate) -> dict[str, np.ndarray]:
        axes = {name: vectors[:, : candidate["k"]] for name, vectors in solution[0].items()}
        k = max(vectors.shape[1] for vectors in axes.values())
        blocks = {}
        for (a, b), cross in solution[1].items():
            blocks[a, b] = np.zeros((k, k))
            cross = cross[:k, :k]
            blocks[a, b][: len(cross), : cross.shape[1]] = cross
        turns = _turns(list(axes), blocks)
        return {name: vectors @ turns[name][: vectors.shape[1]] for name, vectors in axes.items()}


def _turns(names: list[str], crosses: dict[tuple[str, str], np.ndarray]) -> dict[str, np.ndarray]:
    """Rotations `(k, k)` by view that maximize the sum over pairs of tr(R_a' C_ab R_b)."""
    if len(names) == 2:
        left, _, right = svd(crosses[names[0], names[1]])
        return {names[0]: left, names[1]: right.T}

    def pull(name: str) -> np.ndarray:
        """Where the views turned so far want this one."""
        others = [crosses[name, o] @ r if (name, o) in crosses else crosses[o, name].T @ r for o, r in turns.items()]
        total: np.ndarray = np.sum(others, axis=0)
        return total

    size = {n: sum(np.linalg.norm(block) for pair, block in crosses.items() if n in pair) for n in names}
    first = max(names, key=lambda name: size[name])
    turns = {first: np.eye(len(next(iter(crosses.values()))))}
    while len(turns) < len(names):  # the view that hangs together most with those turned already
        pulls = {name: pull(name) for name in names if name not in turns}
        name = max(pulls, key=lambda n: float(np.linalg.norm(pulls[n])))
        turns[name] = _polar(pulls[name])[0]
    reached = -np.inf
    for _ in range(_ROUNDS):
        total = 0.0
        for name in names:
            turns.pop(name)
            turns[name], gain = _polar(pull(name))
            total += gain
        if total - reached <= 1e-9 * total:
            break
        reached = total
    return turns


def _polar(pull: np.ndarray) -> tuple[np.ndarray, float]:
    """The rotation R that maximizes tr(R' pull), and that maximum."""
    left, values, right = svd(pull)
    return left @ right, float(values.sum())
