"""What an encoder knows already: the names of a classifier, and what its last layer looks for to say them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Known", "Names"]


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
    """The same between two views: `vectors` `(m, e)` are the names in the view that speaks."""

    weights: np.ndarray
    biases: np.ndarray
    vectors: np.ndarray
