"""What encoders tell of themselves: the names of a classifier, a space that two share, the last layers apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Exported", "Known", "KnownPairs", "Last", "Names", "Same", "bounded"]


class Known(NamedTuple):
    """A classifier whose last layer is linear in exactly what its encoder's `encode` returns.

    Args:
        phrasings: by name what is said of it, the name first (["tabby cat", "a photo of a tabby cat"]).
        weights: `(m, d)` float32, a row a name. biases: `(m,)`.
    """

    phrasings: Sequence[Sequence[str]]
    weights: np.ndarray
    biases: np.ndarray


class Names(NamedTuple):
    """The same between two views: `vectors` `(m, e)` are the `names` in the view that speaks."""

    weights: np.ndarray
    biases: np.ndarray
    vectors: np.ndarray
    names: Sequence[str] = ()


class Exported(NamedTuple):
    """What a reader without this library needs to encode as an encoder does (`chiasm.export`)."""

    kind: str
    """The function of `chiasm.export.reader` that encodes one item."""
    settings: Mapping[str, Any]
    """Its arguments, plain values."""
    files: Mapping[str, Path] = {}
    """Arguments that are files, which are copied."""


def bounded(tail: Mapping[str, Any], sums: Any, shares: Any, ops: Any) -> Any:
    """`(..., w)` the mean of cells' sums `(..., t, w)`, cut to 0..6: the tail of EfficientNet-Lite."""
    return (ops.relu6(sums) * shares).sum(-2)


class Last(NamedTuple):
    """The last layers of an encoder, apart from what lies below them, for who adapts them to a task.

    What is added to an item's sums, linearly in the hidden numbers of the same cell, tunes the layers in between; the
    tail makes of its sums its vector.
    """

    below: Any
    """The encoder of what they read: `(t, d)` an item, `chiasm.tokens.Tokens`."""
    run: Callable[..., tuple[np.ndarray, np.ndarray]]
    """Cells `(n, t, d)` -> hidden numbers `(n, t, h)` and sums `(n, t, w)`; with `places` `(q,)` of those alone."""
    width: int
    """Of the vector."""
    parameters: int
    """How many numbers the whole network has, its classifier aside."""
    tail: Mapping[str, Any] = {}
    """Arrays that the tail reads."""
    vector: Callable[[Mapping[str, Any], Any, Any, Any], Any] = bounded
    """(tail, sums `(..., t, w)`, the share of each cell in a mean `(..., t, 1)`, `chiasm.nn.blocks.Ops`) -> vectors."""


class Same(NamedTuple):
    """Two views whose encoders share a space already, of width `d`: their cosines mean something as they are."""

    width: int


KnownPairs = Mapping[tuple[str, str], Names | Same]
"""By (view that speaks, view that shows) what the encoders of both know of each other."""
