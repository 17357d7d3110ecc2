"""A model of another library, with an `encode` of its own, as an encoder. `python examples/parts/sentence_encoder.py`.

`Sentences` stands for `sentence_transformers.SentenceTransformer`, so that this runs without a model on disk; with that
library, `_open` is `return SentenceTransformer(self.model, local_files_only=True)` and all the rest stays.
"""

import numpy as np

from chiasm.contracts import Encoder, check_part, readable


class Sentences:
    """Stands for a model: texts in, vectors out; what it is depends on what it was loaded from."""

    def __init__(self, folder: str):
        self.table = np.random.default_rng(sum(folder.encode())).normal(size=(256, 32)) / 8

    def encode(self, sentences: list[str], batch_size: int = 32) -> np.ndarray:
        """`(n, 32)`: the mean of a vector for every byte and its place."""
        return np.array([np.mean([self.table[(byte + 7 * i) % 256] for i, byte in enumerate(s.encode())], axis=0)
                         for s in sentences])  # fmt: skip


class SentenceText(Encoder):
    """The vectors of a sentence model, of length 1.

    Args:
        model: the folder that it is loaded from.
    """

    modality = "text"
    batch = 64

    def __init__(self, model: str = "model"):
        self.model = model

    def attempt(self, items):
        """Vectors of the texts; those without a visible character are noted as skipped."""
        texts, notes = readable(items)
        vectors = np.zeros((len(texts), 0), np.float32)
        if good := [i for i, text in enumerate(texts) if text]:
            found = np.asarray(self._opened().encode([texts[i] for i in good]), dtype=np.float32)
            vectors = np.zeros((len(texts), found.shape[1]), np.float32)
            vectors[good] = found / np.linalg.norm(found, axis=1, keepdims=True)
        return vectors, notes

    def weights(self) -> str:
        """What tells these weights from others, for the fingerprint: best the checksum of the file that holds them."""
        return self.model

    def _open(self):
        return Sentences(self.model)

    def _opened(self):
        """The model, opened on first use: what begins with an underscore is neither saved nor copied."""
        if vars(self).get("_held", ("", None))[0] != self.model:
            self._held = (self.model, self._open())
        return self._held[1]

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_held"}


if __name__ == "__main__":
    print(check_part(SentenceText(), other={"model": "another"}))
