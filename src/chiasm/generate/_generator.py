"""What every generator shares: it reads some views and makes what another would hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import DEVICE, SEED
from chiasm.asked import check_width
from chiasm.errors import ChiasmError
from chiasm.part import Part
from chiasm.stats.blocks import Blocks, blocks
from chiasm.views import Views

__all__ = ["MAKES", "Generator"]

MAKES = ("texts", "vectors")


class Generator(Part):
    """Encoded views -> a text a row, or a vector a row: which of the two, `makes` says.

    A file of this folder that makes texts inherits from `Writer` (`_writer.py`), one that makes vectors from
    `VectorGenerator` (`_vectors.py`). Any view may be absent in any row, in training and later.
    """

    makes: ClassVar[str]
    """"texts" or "vectors"."""

    reads: ClassVar[str] = "vectors"
    """"vectors", of encoded views; or "items", what the views hold itself: such a one brings what it knows, and can be
    fitted without anything to learn from (y None)."""

    allowed: ClassVar = {"seed": SEED, "device": DEVICE}

    def fit(self, views: Any, y: Any = None) -> Generator:
        """Learn from encoded source views and what they are to be told as.

        Args:
            views: rows of equal id are one thing. y: n texts, None where there is none, or numbers `(n, d)`; of a thing
                in several rows, each row's text is one reference.
        """
        raise NotImplementedError

    def _seen(self, views: Views, widths: Mapping[str, int]) -> Blocks:
        """What there is of the views that were learned from; a ChiasmError where none is given, or one is too wide."""
        held = blocks(views, list(widths))
        if not held:
            raise ChiasmError(f"wanted some of the views {', '.join(widths)}, got {', '.join(views.names)}.")
        for name, block in list(held.items()):
            if not block.present.any():
                del held[name]  # nothing of it could be read: its width is not known
            else:
                check_width(name, views[name].width, widths[name])
        return held

    def generate(self, views: Any) -> np.ndarray:
        """`(n,)` texts or `(n, d)` float32, a row each; views that were not fitted are not looked at."""
        raise NotImplementedError
