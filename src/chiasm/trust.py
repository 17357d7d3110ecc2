"""Trust: intervals clustered by id, paired differences, splits that never cut an id, and the leak guard."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError, unknown
from chiasm.metrics import normalize
from chiasm.views import Views

__all__ = ["Leaks", "bootstrap", "cut", "leaks", "paired", "row_digests", "split_name"]

RESAMPLES = 1000

BY_DESIGN = 3.0
"""A view whose items stand for more things each than this (class names) shares them between splits by design."""

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val"}
_SPLITS |= {"test": "test", "testing": "test"}


def split_name(name: str) -> str:
    """The one name of a split; val, valid, validation and dev are synonyms.

    >>> split_name("Dev")
    'val'
    """
    if name.strip().lower() not in _SPLITS:
        raise unknown("split", name, ["train", "val", "test"])
    return _SPLITS[name.strip().lower()]


def bootstrap(
    values: np.ndarray, clusters: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and 95 % percentile interval of each column, resampling whole clusters (all queries of an id together).

    Args:
        values: `(n, c)` or `(n,)`, one row a query; NaN rows of a column are left out of it.
        clusters: `(n,)` the id each row belongs to.

    Returns (mean, low, high), each `(c,)`. Source: Efron & Tibshirani 1993, ch. 13; clusters: Field & Welsh 2007.
    """
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    code = np.unique(clusters, return_inverse=True)[1]
    known = ~np.isnan(values)
    sums = np.zeros((code.max() + 1, values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, code, np.where(known, values, 0))
    np.add.at(counts, code, known)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    block = max(1, 4_000_000 // len(sums))
    with np.errstate(invalid="ignore", divide="ignore"):
        for start in range(0, resamples, block):
            size = min(block, resamples - start)
            drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=size)
            means[start : start + size] = (drawn @ sums) / (drawn @ counts)
        center = sums.sum(axis=0) / counts.sum(axis=0)
    if np.isnan(center).any():
        means = np.where(np.isnan(center), np.nan, means)
    low, high = (np.quantile(means, q, axis=0) for q in (0.025, 0.975))
    return center, low, high


def paired(a: np.ndarray, b: np.ndarray, clusters: np.ndarray, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean of a - b over the same queries and its 95 % interval, resampling whole clusters."""
    center, low, high = bootstrap(np.asarray(a, float) - np.asarray(b, float), clusters, seed=seed)
    return float(center[0]), float(low[0]), float(high[0])


def cut(views: Views, parts: Mapping[str, float], seed: int = 0, twins: np.ndarray | None = None) -> np.ndarray:
    """A random split `(n,)` of names by shares of the ids; rows of one id stay together.

    Args:
        parts: shares by name, of any sum. twins: `(n,)` integers; ids that have a row of equal number stay together
            too (`Encoding.twins`: rows that are equal in every view).

    >>> import numpy as np; from chiasm.views import Column
    >>> names = cut(Views({"a": Column("vector", np.zeros((10, 1)))}), {"train": 0.8, "test": 0.2})
    >>> sorted(names.tolist()).count("test")
    2
    """
    codes = views.codes if twins is None else _joined(views.codes, twins)
    things = int(codes.max()) + 1
    total = sum(parts.values())
    order = np.random.default_rng(seed).permutation(things)
    names = np.empty(things, dtype=object)
    start, used = 0, 0.0
    for name, share in parts.items():
        used += share / total
        stop = round(used * things)
        names[order[start:stop]] = name
        start = stop
    drawn: np.ndarray = names[codes]
    return drawn


def _joined(ids: np.ndarray, twins: np.ndarray) -> np.ndarray:
    """`(n,)` numbers of the groups in which rows hang together by id or by twin."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = int(ids.max()) + 1
    size = n + int(twins.max()) + 1
    links = coo_array((np.ones(len(ids)), (ids, n + twins)), shape=(size, size))
    group = connected_components(links, directed=False)[1][ids]
    joined: np.ndarray = np.unique(group, return_inverse=True)[1]
    return joined


@dataclass
class Leaks:
    """What the splits share. `fatal` is a reason to refuse; `tainted` are rows scored a second time without."""

    ids: int = 0
    """ids that stand in two splits."""
    rows: int = 0
    """held-out rows equal to a training row in every view."""
    equal: dict[str, int] = field(default_factory=dict)
    """by view: held-out rows whose item stands in the training rows too."""
    near: dict[str, int] = field(default_factory=dict)
    """by view: held-out rows whose item is nearly equal to one of the training rows (cosine of their features)."""
    tainted: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """`(n,)` mask of the held-out rows that any of these touches."""

    @property
    def fatal(self) -> str:
        """The sentence to refuse with, or an empty string."""
        if self.ids:
            return f"{self.ids} ids stand in more than one split: give rows of one thing one split, or --allow-leaks."
        if self.rows:
            return f"{self.rows} held-out rows equal a training row in every view: remove them, or --allow-leaks."
        return ""

    def warning(self) -> str:
        """One line for a person, or an empty string."""
        found = [f"{n} rows with an equal {view}" for view, n in self.equal.items() if n]
        found += [f"{n} with a nearly equal {view}" for view, n in self.near.items() if n]
        return f"leak: held-out rows share items with training rows: {', '.join(found)}" if found else ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"ids": self.ids, "rows": self.rows, "equal": self.equal, "near": self.near}


def row_digests(views: Views) -> np.ndarray:
    """`(n,)` 16-byte hashes of whole rows (the items of every view), empty where a view is absent.

    Needs the digests that encoding leaves on the columns; without them every hash is empty.
    """
    columns = [views[name] for name in sorted(views.columns)]
    out = np.full(len(views), b"", dtype=object)
    if any(column.digests is None or not len(column.digests) for column in columns):
        return out
    whole = np.all([column.present for column in columns], axis=0)
    parts = [np.asarray(column.digests)[column.index[whole]] for column in columns]
    joined = np.ascontiguousarray(np.concatenate(parts, axis=1))
    out[whole] = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in joined]
    return out


def leaks(views: Views, split: np.ndarray, near: Mapping[str, float | None] | None = None) -> Leaks:
    """What the held-out rows (val, test) share with the training rows.

    Args:
        views: encoded views (their columns carry item digests). split: `(n,)` names.
        near: by view, the cosine from which two items are called nearly equal (an encoder's `near`), or None.
    """
    held, train = split != "train", split == "train"
    found = Leaks(tainted=np.zeros(len(views), bool))
    pairs = {(c, s) for c, s in zip(views.codes.tolist(), split.tolist(), strict=True)}
    found.ids = len(pairs) - len({c for c, _ in pairs})
    digests = row_digests(views)
    seen = set(digests[train]) - {b""}
    same = np.array([d in seen for d in digests]) & held
    found.rows = int(same.sum())
    found.tainted |= same
    for name, column in views.columns.items():
        if column.digests is None or not len(column.digests):
            continue
        code = np.unique(np.asarray(column.digests).view("V16").ravel(), return_inverse=True)[1]
        item = np.where(column.present, code[column.index], -1)
        repeats = len(np.unique(views.codes[train & column.present])) / max(len(np.unique(item[train])), 1)
        if repeats > BY_DESIGN:
            continue
        equal = np.isin(item, np.setdiff1d(item[train], [-1])) & held
        found.equal[name] = int(equal.sum())
        if cosine := (near or {}).get(name):
            close = _near(column.items, column.index, held & column.present & ~equal, train & column.present, cosine)
            found.near[name] = int(close.sum())
            equal = equal | close
        found.tainted |= equal
    return found


def _near(items: Any, index: np.ndarray, held: np.ndarray, train: np.ndarray, cosine: float) -> np.ndarray:
    """`(n,)` mask of the held rows whose vector is that close to a training row's vector."""
    out = np.zeros(len(index), bool)
    queries, gallery = np.flatnonzero(held), np.unique(index[train])
    for start in range(0, len(gallery), 8192):
        block = normalize(items[gallery[start : start + 8192]])
        for first in range(0, len(queries), 2048):
            rows = queries[first : first + 2048]
            out[rows] |= (normalize(items[index[rows]]) @ block.T).max(axis=1, initial=-1) >= cosine
    return out


def check_splits(split: np.ndarray) -> np.ndarray:
    """Split names made canonical; a ChiasmError for unknown names or no training rows."""
    known = {name: split_name(str(name)) for name in set(split.tolist())}
    if "train" not in known.values():
        raise ChiasmError(f"wanted some rows of split 'train', got only {', '.join(sorted(map(str, known)))}.")
    return np.array([known[name] for name in split.tolist()], dtype=object)
