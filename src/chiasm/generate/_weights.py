"""How much each view counts when things are told alike: chosen by captions of things that are held out."""

from __future__ import annotations

import numpy as np

from chiasm.generate._seen import Seen
from chiasm.generate._writer import Known
from chiasm.stats.ngrams import Ngrams

__all__ = ["weighed"]

WEIGHTS = (1.0, 0.3, 0.1, 0.01)
"""None is 0: where a row has nothing else, a view of little weight still tells what is near."""
NEAR = 10
JUDGED = 300
"""Things that are judged on, at most."""


def weighed(known: Known, seed: int) -> Seen:
    """Things as rows, each view in turn with the weight that is best; of one view there is nothing to choose.

    Best: the captions of the 10 most alike things of other folds score highest (mean CIDEr) as captions of held-out
    ones, drawn by the seed.
    """
    seen, n = Seen().fit(known.held), len(known.references)
    if len(known.held) < 2:
        return seen
    some = np.random.default_rng(seed).permutation(n)[:JUDGED]
    space = Ngrams(known.references)
    told = space.of([mine[0] for mine in known.references])
    scores = space.alike(told.some(some), told)
    same = known.folds[some][:, None] == known.folds[None, :]

    def worth() -> float:
        rows = seen.rows(known.held, n)
        alike = np.where(same, -np.inf, rows[some] @ rows.T)
        near = np.argsort(-alike, axis=1, kind="stable")[:, :NEAR]
        return float(np.take_along_axis(scores, near, axis=1).mean())

    best = worth()
    for name in known.held:
        for weight in WEIGHTS[1:]:
            before, seen.weights_[name] = seen.weights_[name], weight
            if (found := worth()) > best:
                best = found
            else:
                seen.weights_[name] = before
    return seen
