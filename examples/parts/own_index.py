"""An index of one's own: exact search in half the memory. `python examples/parts/own_index.py`."""

import numpy as np

from chiasm.contracts import Index, check_part


class Half(Index):
    """Every vector compared, kept in half precision: cosines are right to about .001, so that near ties may swap.

    Learned: `keys_` `(n,)` and `vectors_` `(n, d)` float16, of length 1.
    """

    def add(self, keys, vectors):
        """Add n keys and their vectors `(n, d)`."""
        vectors = np.asarray(vectors, dtype=np.float32)
        unit = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float16)
        keys = np.asarray(list(keys), dtype=object if isinstance(keys[0], str) else np.int64)
        if hasattr(self, "keys_"):
            keys, unit = np.concatenate([self.keys_, keys]), np.concatenate([self.vectors_, unit])
        self.keys_, self.vectors_ = keys, unit
        return self

    def delete(self, keys):
        """Remove keys; those that are not there are passed over. Returns how many went."""
        stay = ~np.isin(self.keys_, np.asarray(list(keys), dtype=self.keys_.dtype))
        self.keys_, self.vectors_ = self.keys_[stay], np.asarray(self.vectors_)[stay]
        return int((~stay).sum())

    def search(self, vectors, k=5):
        """The k nearest of each query: keys `(q, k)` and cosines `(q, k)`, falling."""
        queries = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
        queries = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
        scores = queries @ self.vectors_.astype(np.float32).T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.asarray(self.keys_)[best], np.take_along_axis(scores, best, axis=1)

    def __len__(self):
        return len(self.keys_) if hasattr(self, "keys_") else 0


if __name__ == "__main__":
    print(check_part(Half()))
