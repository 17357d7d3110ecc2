"""How many groups there are: as many as re-drawn halves of the rows agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.stats.blocks import Block, restrict
from chiasm.stats.partitions import adjusted_rand
from chiasm.tasks._cluster import groups

__all__ = ["FAINT", "curve", "steady", "weights"]

COUNTS = tuple(range(2, 16))
DRAWS = 5
LEAST = 10
"""Things a group, in a half, that are wanted for so many groups to be tried."""
MOST = 1000
"""Things of a half."""
POWER = 4
FAINT = 0.25
"""The agreement of halves below which there may be no groups at all: noise was seen to reach .08 to .18 (trials)."""


def curve(
    how: str,
    held: Mapping[str, Block],
    seed: int,
    weights: Mapping[str, float] | None = None,
    counts: Sequence[int] = COUNTS,
) -> list[dict[str, Any]]:
    """By number of groups the agreement of two halves on all things: adjusted Rand, mean and standard error over draws.

    Things that have a view are cut in two at random; groups are learned from each half alone, and every thing is given
    to a group of both.

    Sources: Lange et al. 2004; Ben-Hur, Elisseeff & Guyon 2002.
    """
    held = restrict(dict(held), np.flatnonzero(np.any([block.present for block in held.values()], axis=0)))
    n = len(next(iter(held.values())).present)
    counts = [k for k in counts if k == counts[0] or 2 * LEAST * k <= n]
    found = np.empty((DRAWS, len(counts)))
    rng = np.random.default_rng(seed)
    for draw in range(DRAWS):
        order = rng.permutation(n)
        halves = [restrict(held, np.sort(part[:MOST])) for part in (order[: n // 2], order[n // 2 :])]
        spectral = how == "spectral"
        graphs = [groups.embedded(half, counts[-1], seed, weights) if spectral else None for half in halves]
        for place, k in enumerate(counts):
            labels = [
                groups.assign(groups.learn(how, half, k, seed, weights, graph), held, n)[0]
                for half, graph in zip(halves, graphs, strict=True)
            ]
            found[draw, place] = adjusted_rand(*labels)
    error = found.std(axis=0, ddof=1) / np.sqrt(DRAWS)
    return [
        {"k": k, "agreement": round(float(mean), 4), "error": round(float(one), 4)}
        for k, mean, one in zip(counts, found.mean(axis=0), error, strict=True)
    ]


def weights(how: str, held: Mapping[str, Block], k: int | None, seed: int) -> dict[str, float]:
    """By view what it weighs beside the others, 1 in the mean: the agreement of halves grouped by it alone, to the 4th.

    A view whose groups change with the rows that they were learned from has none to speak of. The agreement is that on
    k groups; of unknown k the mean of those on 4, 8 and 12. (The power was set on ikea and on digits cut in three.) A
    view that fewer than 20 things have is taken for one without groups, unless no view has more.
    """
    there = {name: np.flatnonzero(block.present) for name, block in held.items()}
    if len(held) == 1 or all(len(rows) < 2 * LEAST for rows in there.values()):
        return dict.fromkeys(held, 1.0)
    tried = (4, 8, 12) if k is None else (k,)
    found = {}
    for name, rows in there.items():
        steady = 0.0
        if len(rows) >= 2 * LEAST:
            here = restrict({name: held[name]}, rows)
            steady = float(np.mean([one["agreement"] for one in curve(how, here, seed, counts=tried)]))
        found[name] = max(steady, 0.05) ** POWER
    mean = float(np.mean(list(found.values())))
    return {name: max(round(one / mean, 4), 1e-4) for name, one in found.items()}


def steady(known: list[dict[str, Any]]) -> int:
    """The most groups whose agreement is within one standard error of the best."""
    best = max(known, key=lambda one: one["agreement"])
    return max(int(one["k"]) for one in known if one["agreement"] >= best["agreement"] - best["error"])
