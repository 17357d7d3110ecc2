"""What was asked a while ago is not encoded again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from chiasm.media.images import Note

__all__ = ["Recent"]

MOST = 10_000


class Recent:
    """An encoder of texts that keeps the vectors of the last ones: the same text, the same numbers, at once.

    Args:
        encoder: whose vectors they are; everything else is its own. turns: held while something is encoded, so that
            no more threads do that than there are cores. most: texts that are kept.
    """

    def __init__(self, encoder: Any, turns: AbstractContextManager[Any], most: int = MOST):
        self.encoder, self.turns, self.most = encoder, turns, most
        self._held: OrderedDict[str, tuple[np.ndarray, list[Note]]] = OrderedDict()
        self._guard = threading.Lock()

    def encode(self, items: Sequence[Any]) -> np.ndarray:
        """As the encoder's."""
        return self.encode_told(items)[0]

    def encode_told(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """As the encoder's."""
        texts = [str(item) for item in items]
        with self._guard:
            known = {text: self._held[text] for text in dict.fromkeys(texts) if text in self._held}
            for text in known:
                self._held.move_to_end(text)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            with self.turns:
                rows, notes = self.encoder.encode_told(new)
            known |= {text: (np.asarray(rows)[place], notes.get(place, [])) for place, text in enumerate(new)}
            with self._guard:
                self._held.update({text: known[text] for text in new})
                while len(self._held) > self.most:
                    self._held.popitem(last=False)
        told = {place: known[text][1] for place, text in enumerate(texts) if known[text][1]}
        return np.stack([known[text][0] for text in texts]), told

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)
