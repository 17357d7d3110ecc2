"""Cutting a table for a task: a split of raw rows that parts nothing that hangs together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.encoding.step import Encoding
from chiasm.splits import cut
from chiasm.views import Views

__all__ = ["ANSWER_PARTS", "PARTS", "cut_whole"]

PARTS = {"train": 0.7, "val": 0.1, "test": 0.2}
"""What is learned from, chosen on and scored on, where nobody says otherwise."""

ANSWER_PARTS = {"train": 0.8, "test": 0.2}
"""The same of tasks that choose by cross-validation and need no validation rows."""


def cut_whole(
    views: Views, parts: Mapping[str, float] = PARTS, seed: int = 0, encoders: Mapping[str, Any] | None = None
) -> np.ndarray:
    """A random split `(n,)` of names that cuts no id, no group, and no rows whose items have equal bytes.

    Args:
        views: raw rows; nothing is encoded. parts: shares by name, of any sum. seed: of the draw.
        encoders: by view's name or modality, as of `Encoding`: an encoder says which bytes of an item count.

    >>> from chiasm.views import Column
    >>> views = Views({"a": Column("text", ["x", "x", "y", "z"])})
    >>> names = cut_whole(views, {"train": 0.5, "test": 0.5})
    >>> bool(names[0] == names[1])
    True
    """
    return cut(views, parts, seed, Encoding(encoders).twins(views))
