"""How many groups there are: as many as re-drawn halves of the rows agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.stats.blocks import Block, restrict
from chiasm.stats.partitions import adjusted_rand
from chiasm.tasks._cluster import groups

__all__ = ["curve", "steady"]

COUNTS = tuple(range(2, 16))
DRAWS = 5
LEAST = 10
"""Things a group, in a half, that are wanted for so many groups to be tried."""
MOST = 1000
"""Things of a half."""


def curve(how: str, held: Mapping[str, Block], seed: int) -> list[dict[str, Any]]:
    """By number of groups the agreement of two halves on all things: adjusted Rand, mean and standard error over draws.

    Things are cut in two at random; groups are learned from each half alone, and every thing is given to a group of
    both.

    Sources: Lange et al. 2004; Ben-Hur, Elisseeff & Guyon 2002.
    """
    n = len(next(iter(held.values())).present)
    counts = [k for k in COUNTS if k == 2 or 2 * LEAST * k <= n]
    found = np.empty((DRAWS, len(counts)))
    rng = np.random.default_rng(seed)
    for draw in range(DRAWS):
        order = rng.permutation(n)
        halves = [restrict(dict(held), np.sort(part[:MOST])) for part in (order[: n // 2], order[n // 2 :])]
        graphs = [groups.embedded(half, counts[-1], seed) if how == "spectral" else None for half in halves]
        for place, k in enumerate(counts):
            labels = [
                groups.assign(groups.learn(how, half, k, seed, graph), held, n)[0]
                for half, graph in zip(halves, graphs, strict=True)
            ]
            found[draw, place] = adjusted_rand(*labels)
    error = found.std(axis=0, ddof=1) / np.sqrt(DRAWS)
    return [
        {"k": k, "agreement": round(float(mean), 4), "error": round(float(one), 4)}
        for k, mean, one in zip(counts, found.mean(axis=0), error, strict=True)
    ]


def steady(known: list[dict[str, Any]]) -> int:
    """The most groups whose agreement is within one standard error of the best."""
    best = max(known, key=lambda one: one["agreement"])
    return max(int(one["k"]) for one in known if one["agreement"] >= best["agreement"] - best["error"])
