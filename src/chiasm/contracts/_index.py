"""What an index promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.contracts._probe import Probe, Promise, hold, reloaded, stateless
from chiasm.index import Index
from chiasm.views import normalize

__all__ = ["BASE", "PROMISES"]

BASE = Index

N, QUERIES, K = 400, 20, 5
RECALL = 0.95
"""The share of the true nearest that an index has to find."""


def agrees_with_sorting(on: Probe) -> None:
    """It finds what sorting all cosines finds, nearest first."""
    vectors, queries = _data(on)
    keys, scores = _filled(on).search(queries, K)
    hold(np.shape(keys) == np.shape(scores) == (QUERIES, K), f"{QUERIES} queries, k = {K}: {np.shape(keys)} keys")
    cosines = queries @ normalize(vectors).T
    last = np.sort(cosines, axis=1)[:, -K] - 1e-9
    named = [{f"key {i}" for i in np.flatnonzero(row >= least)} for row, least in zip(cosines, last, strict=True)]
    recall = float(
        np.mean([len(set(row) & near) / K for row, near in zip(np.asarray(keys).tolist(), named, strict=True)])
    )
    hold(recall >= RECALL, f"it finds {recall:.3f} of the {K} nearest, wanted {RECALL}")
    hold((np.diff(scores, axis=1) <= 0).all(), "scores rise from one hit to the next: higher has to be closer")


def adds_to_what_is_there(on: Probe) -> None:
    """`add` adds to what is there, `len` counts it, and `search` gives all where there are fewer than k."""
    vectors, _ = _data(on)
    index = on.make().add(["x", "y"], vectors[:2])
    hold(hasattr(index, "search"), "add does not return self")
    hold(len(index) == 2, f"two vectors were added, its length is {len(index)}")
    index.add(["z"], vectors[2:3])
    keys, _ = index.search(vectors[2], 10)
    hold(len(index) == 3 and set(np.asarray(keys)[0].tolist()) == {"x", "y", "z"}, f"of x, y, z it gives {keys}")
    hold(np.asarray(keys)[0, 0] == "z", f"asked with the vector of z it gives {np.asarray(keys)[0, 0]} first")


def forgets_what_is_deleted(on: Probe) -> None:
    """A deleted key is never found again; keys that are not there are passed over."""
    vectors, _ = _data(on)
    index = on.make().add([f"key {i}" for i in range(N)], vectors)
    gone = index.delete(["key 3", "no such key"])
    hold(gone == 1, f"of one key that is there and one that is not, delete counts {gone}")
    hold("key 3" not in np.asarray(index.search(vectors[3], N)[0]).ravel().tolist(), "a deleted key is still found")
    hold(len(index) == N - 1, f"after a deletion of one of {N} its length is {len(index)}")


def goes_on_as_long_as_asked(on: Probe) -> None:
    """`ranked` gives every key in the end, each once, the scores falling."""
    _, queries = _data(on)
    found = list(_filled(on).ranked(queries[0]))
    hold(len({key for key, _ in found}) == len(found) == N, f"of {N} keys it gives {len(found)}")
    hold((np.diff([score for _, score in found]) <= 0).all(), "the scores do not fall")


def keeps_nothing_of_a_call(on: Probe) -> None:
    """No state of the last call: searching leaves nothing on it."""
    index, queries = _filled(on), _data(on)[1]
    stateless(on, index, *(lambda some=some: index.search(some, K) for some in (queries, queries[:2], queries[5:])))


def comes_back_from_disk(on: Probe) -> None:
    """Saved and loaded it finds the same."""
    index, queries = _filled(on), _data(on)[1]
    keys, scores = index.search(queries, K)
    with reloaded(on, index) as again:
        found, again_scores = again.search(queries, K)
        hold(np.asarray(found).tolist() == np.asarray(keys).tolist(), "it finds other keys")
        hold(np.array_equal(again_scores, scores), "it gives other scores")


def _data(on: Probe) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    if on.make().reads_codes:
        return rng.choice([-1.0, 1.0], (N, 64)), rng.choice([-1.0, 1.0], (QUERIES, 64))
    return rng.normal(size=(N, 12)), rng.normal(size=(QUERIES, 12))


def _filled(on: Probe) -> Any:
    return on.once("filled", lambda: on.make().add([f"key {i}" for i in range(N)], _data(on)[0]))


PROMISES = tuple(
    Promise.of(keep)
    for keep in (
        agrees_with_sorting,
        adds_to_what_is_there,
        forgets_what_is_deleted,
        goes_on_as_long_as_asked,
        keeps_nothing_of_a_call,
        comes_back_from_disk,
    )
)
