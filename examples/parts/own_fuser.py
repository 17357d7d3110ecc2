"""A fuser of one's own: what each view adds to the mean answer, summed. `python examples/parts/own_fuser.py`."""

import numpy as np

from chiasm.contracts import Fuser, check_part


class Summed(Fuser):
    """One ridge regression a view on what the others have left unsaid; a view that is absent adds nothing.

    Args:
        kind: "classes", "tags" or "numbers". ridge: how much large weights are shunned, in units of a view's mean
            variance. rounds: how often the views take turns. seed: of the folds.

    Learned: `means_` `(d,)` and `weights_` `(d, c)` by view; `start_` `(c,)`, the mean answer.
    """

    def __init__(self, kind: str = "classes", ridge: float = 0.1, rounds: int = 5, seed: int = 0):
        self.kind = kind
        self.ridge = ridge
        self.rounds = rounds
        self.seed = seed

    def _learn(self, held, truth, folds):
        """Learn from a `Block` a view (`values` `(n, d)`, `present` `(n,)`) and truth `(n, c)`."""
        self.start_ = truth.mean(axis=0)
        self.means_ = {name: block.values[block.present].mean(axis=0) for name, block in held.items()}
        self.weights_of_ = {name: np.zeros((len(mean), truth.shape[1])) for name, mean in self.means_.items()}
        for _ in range(self.rounds):
            for name, block in held.items():
                left = (truth - self._sum(held, len(truth), but=name))[block.present]
                x = block.values[block.present] - self.means_[name]
                gram = x.T @ x
                gram[np.diag_indices(len(gram))] += self.ridge * np.trace(gram) / len(gram)
                self.weights_of_[name] = np.linalg.solve(gram, x.T @ left)

    def _answer(self, held, n):
        """`(n, c)` probabilities or numbers; views may be absent in rows, or missing altogether."""
        said = self._sum(held, n)
        if self.kind == "numbers":
            return said
        said = np.clip(said, 1e-6, 1)
        return said / said.sum(axis=1, keepdims=True) if self.kind == "classes" else said

    def _sum(self, held, n, but=""):
        said = np.tile(self.start_, (n, 1))
        for name, block in held.items():
            if name != but:
                said[block.present] += (block.values[block.present] - self.means_[name]) @ self.weights_of_[name]
        return said


if __name__ == "__main__":
    print(check_part(Summed()))
