"""Word pieces, learned from the captions themselves: words, parts of rare ones, and runs of Chinese characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.part import Part

__all__ = ["END", "START", "Pieces"]

PAD, START, END = 0, 1, 2
_SPECIAL = ["<pad>", "<start>", "<end>"]


class Pieces(Part):
    """Texts as numbers of pieces, by byte-pair encoding; letters in lower case, the point at the end left out.

    Args:
        most: pieces, at most; few captions fill fewer.

    Learned: `tokenizer_`, as JSON.

    Source: Sennrich, Haddow & Birch 2016.
    """

    tokenizer_: str

    def __init__(self, most: int = 2000):
        self.most = most

    def fit(self, texts: Sequence[str], y: None = None) -> Pieces:
        """Learn the pieces of some texts."""
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        made = Tokenizer(models.BPE())
        made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        letters = len({letter for text in texts for letter in text})
        trainer = trainers.BpeTrainer(
            vocab_size=self.most + letters, min_frequency=2, special_tokens=_SPECIAL, show_progress=False
        )
        made.train_from_iterator(map(_bare, texts), trainer)
        self.tokenizer_ = made.to_str()
        vars(self).pop("_made", None)
        return self

    def __len__(self) -> int:
        return int(self._tokenizer().get_vocab_size())

    def ids(self, texts: Sequence[str], longest: int) -> np.ndarray:
        """`(n, t)`: the start, at most `longest` pieces, the end, then zeros; characters never seen are left out."""
        found = [[START, *one.ids[:longest], END] for one in self._tokenizer().encode_batch([_bare(t) for t in texts])]
        out = np.full((len(found), max(map(len, found), default=2)), PAD, dtype=np.int64)
        for row, one in enumerate(found):
            out[row, : len(one)] = one
        return out

    def text(self, ids: Sequence[int]) -> str:
        """The text of some pieces."""
        return str(self._tokenizer().decode([int(i) for i in ids if i > END])).strip()

    def begins(self) -> np.ndarray:
        """`(v,)` which pieces begin a word."""
        made = self._tokenizer()
        return np.array([str(made.id_to_token(i)).startswith("▁") for i in range(len(self))], dtype=bool)

    def _tokenizer(self) -> Any:
        held = vars(self).get("_made")
        if held is None:
            from tokenizers import Tokenizer

            self._made = held = Tokenizer.from_str(self.tokenizer_)
        return held

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_made"}


def _bare(text: str) -> str:
    return " ".join(text.split()).rstrip(".。 ")
