"""What encoders know already: the names of a classifier and what its last layer looks for; a space that two share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Exported", "Known", "KnownPairs", "Names", "Same"]


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


class Same(NamedTuple):
    """Two views whose encoders share a space already, of width `d`: their cosines mean something as they are."""

    width: int


KnownPairs = Mapping[tuple[str, str], Names | Same]
"""By (view that speaks, view that shows) what the encoders of both know of each other."""
