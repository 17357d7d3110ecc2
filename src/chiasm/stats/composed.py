"""One vector for a question of several terms: what is added is summed, what is taken out is projected out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["composed"]

_NOTHING = 1e-4
"""The length, beside what was added, below which nothing is left."""

Term = tuple[float, np.ndarray]
"""What a direction counts, and the direction `(d,)`."""


def composed(plus: Iterable[Term], minus: Iterable[Term] = ()) -> np.ndarray:
    """`(d,)` of length 1: the sum of the plus terms, of which the minus terms' directions are taken out.

    With unit vectors p_i and n_j and their weights w, v_j:

        q = sum w_i p_i,    q' = q - sum v_j a_j n_j,    q'/|q'|,

    where the a_j are such that sum a_j n_j is q's projection onto the minus directions. A weight of 1 makes q' equally
    like to what has much and little of n_j; 2 turns that part round, so that what has less of it comes first. A
    direction that q points away from anyway (q . n_j <= 0) is left as it is: there is nothing to take out.

    Projection was chosen over plain subtraction, q - v n, which takes as much from a q that has nothing of n as from
    one that is all n (`benchmarks/search/compound.py`).

    Args:
        plus, minus: (weight, vector) each, weights above 0, vectors `(d,)` of any length in one space that has its
            origin in the middle (as `auto`, `cca`, `pls` have it).

    Raises a ChiasmError where nothing is left: without a plus term, or where minus takes all of them.

    >>> composed([(1, np.array([1.0, 1.0]))], [(1, np.array([0.0, 2.0]))])
    array([1., 0.])
    """
    added, taken = [list(terms) for terms in (plus, minus)]
    if not added:
        raise ChiasmError("wanted something to look for beside what is taken out, got nothing.")
    query = np.sum([weight * _unit(vector) for weight, vector in added], axis=0)
    most = sum(weight for weight, _ in added)
    away = [(weight, unit) for weight, unit in ((w, _unit(v)) for w, v in taken) if query @ unit > 0]
    if away:
        directions = np.stack([unit for _, unit in away])
        parts = np.linalg.lstsq(directions.T, query, rcond=None)[0]
        query = query - (parts * [weight for weight, _ in away]) @ directions
    length = float(np.linalg.norm(query))
    if length < _NOTHING * most:
        raise ChiasmError("what is taken out is all that was asked for: nothing is left to look for.")
    found: np.ndarray = query / length
    return found


def _unit(vector: np.ndarray) -> np.ndarray:
    wide = np.asarray(vector, dtype=np.float64)
    return wide / max(float(np.linalg.norm(wide)), 1e-30)
