"""An aligner of one's own: every view predicts the first one. `python examples/parts/own_aligner.py`."""

import numpy as np

from chiasm.contracts import ChiasmError, Linear, as_views, check_part


class Predicted(Linear):
    """The first view, and the best linear guess at it from each other view, so that all lie in the first one's space.

    Learned: `means_` `(d,)` and `weights_` `(d, k)` by view, which is what `Linear` maps with: (x - mean) @ weights.

    Args:
        ridge: how much large weights are shunned, in units of a view's mean variance.
    """

    def __init__(self, ridge: float = 0.01):
        self.ridge = ridge

    def fit(self, views, y=None):
        """Learn from the rows that have the first view and another one; a ChiasmError where there are none."""
        views = as_views(views)  # Views, a dict of arrays, a DataFrame
        first, *others = views.names
        self.means_, self.weights_ = {}, {}
        for name in others:
            both = np.flatnonzero(views.present(first) & views.present(name))
            if len(both) < 2:
                raise ChiasmError(f"wanted rows with {first!r} and {name!r}, got {len(both)}: pair more of them.")
            x, target = self._rows(views, name, both), self._rows(views, first, both)
            self.means_[name] = x.mean(axis=0)
            x, target = x - x.mean(axis=0), target - target.mean(axis=0)
            gram = x.T @ x
            gram[np.diag_indices(len(gram))] += self.ridge * np.trace(gram) / len(gram)
            self.weights_[name] = np.linalg.solve(gram, x.T @ target)
        self.means_[first] = self._rows(views, first, np.flatnonzero(views.present(first))).mean(axis=0)
        return self

    def _rows(self, views, name, rows):
        """`(n, d)` the vectors of some rows: a column holds each distinct item once, and which row has which."""
        column = views[name]
        return np.asarray(column.take(column.index[rows]), dtype=np.float64)


if __name__ == "__main__":
    print(check_part(Predicted()))
