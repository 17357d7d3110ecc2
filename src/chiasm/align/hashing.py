"""Hash codes: a few bits an item, equal where things belong together, for collections that have to be small."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from chiasm.align._aligner import Linear
from chiasm.align._trained import closed
from chiasm.allowed import COUNT, PART, SEED, Allowed, choice
from chiasm.graph import Symbol
from chiasm.views import as_views, normalize

__all__ = ["Hashing"]

ROTATIONS = ("itq", "random", "none")

BITS = Allowed(
    "a multiple of 8 from 8 on",
    lambda value: COUNT.holds(value) and value % 8 == 0,
)

_STEPS = 50
"""Of iterative quantization; codes change little after twenty."""


class Hashing(Linear):
    """Codes of `k` bits, written as -1 and 1: the signs of a linear aligner's space, turned so that they lose little.

    The cosine of two codes is 1 - 2 h / k, h the number of bits in which they differ (Hamming distance), so that codes
    are searched like any other vectors, and by `chiasm.index.hamming.Hamming` in 1/32 of the memory.

    Signs alone treat axes alike, of which the first say most. Iterative quantization turns the space by R so that the
    vectors y (of length 1) lie near corners b of a cube, in turn b = sign(y R) and R = the nearest to y'b with
    orthonormal columns; where there are more bits than axes, with orthonormal rows instead: a tight frame.

    Choose it where vectors do not fit into memory, or a first pass over very many is to be quick; else keep the floats.
    64 bits kept all of the class mAP of Wikipedia, some 95 % on products of ikea, and 62 % of R@1 among photographs;
    random hyperplanes and signs without a turn keep less on each (docs/align.md).

    Args:
        k: bits of a code, a multiple of 8.
        rotation: "itq"; "random": hyperplanes drawn at random; "none": one bit an axis, the first `k` (the others are
            drawn at random where there are fewer axes).
        start: the linear aligner whose space is quantized, by name, or one of your own.
        seed: of what is drawn.

    Learned: `means_` `(d,)` and `weights_` `(d, k)` by view; `start_` tells what was chosen in the aligner.

    >>> from chiasm.data.toy import planted_pair
    >>> a, b = planted_pair(300, correlations=(0.99,) * 6)
    >>> model = Hashing(k=64).fit({"a": a[:200], "b": b[:200]})
    >>> codes = model.transform({"a": a[200:], "b": b[200:]})
    >>> codes["a"].items.shape, sorted(set(codes["a"].items.ravel().tolist()))
    ((100, 64), [-1.0, 1.0])
    >>> model.score({"a": a[200:], "b": b[200:]}) > 0.5  # chance is 0.01
    True

    Sources: Gong & Lazebnik 2011 (iterative quantization, CCA-ITQ); Charikar 2002 (random hyperplanes).
    """

    allowed: ClassVar = {"k": BITS, "rotation": choice(*ROTATIONS), "start": PART, "seed": SEED}

    start_: dict[str, Any]

    def __init__(self, k: int = 64, rotation: str = "itq", start: Any = "cca", seed: int = 0):
        self.k = k
        self.rotation = rotation
        self.start = start
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Self:
        """Learn from the pairs of `views` as `start` does (`val` is handed to it), then where to cut its space.

        Raises a ChiasmError as `start` does, and where that is not linear.
        """
        views = as_views(views)
        space = closed(self.start, None, views, None if val is None else as_views(val))
        self.start_ = dict(space.choices())
        mapped = space.transform(views)
        rows = normalize(np.concatenate([np.asarray(c.items, float)[c.used] for c in mapped.columns.values()]))
        turn = _turned(rows, self.k, self.rotation, np.random.default_rng(self.seed))
        whole = {name: np.eye(len(mean)) for name, mean in space.means_.items()}
        self.means_ = dict(space.means_)
        self.weights_ = {name: space.weights_.get(name, whole[name]) @ turn for name in self.means_}
        return self

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        return signs(super()._map(name, rows))

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        return (super().traced(name, rows).sign() + 0.5).sign()


def signs(rows: np.ndarray) -> np.ndarray:
    """-1 or 1 of every number, float32; 0 counts as 1."""
    return np.where(rows >= 0, np.float32(1), np.float32(-1))


def _turned(rows: np.ndarray, bits: int, rotation: str, rng: np.random.Generator) -> np.ndarray:
    """`(r, bits)` what rows `(n, r)` of length 1 are multiplied with before their signs are taken."""
    width = rows.shape[1]
    if rotation == "random":
        return rng.normal(size=(width, bits))
    if rotation == "none":
        return np.concatenate([np.eye(width, min(bits, width)), rng.normal(size=(width, max(0, bits - width)))], axis=1)
    turn = _frame(rng.normal(size=(width, bits)))
    for _ in range(_STEPS):
        turn = _frame(rows.T @ signs(rows @ turn).astype(float))
    return turn


def _frame(matrix: np.ndarray) -> np.ndarray:
    """The nearest matrix whose rows, or columns where these are fewer, are orthonormal."""
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    nearest: np.ndarray = left @ right
    return nearest
