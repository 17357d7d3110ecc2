"""Trust: intervals clustered by id, paired differences, splits that cut no id or group, and the leak guard."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chiasm.allowed import SEED
from chiasm.errors import ChiasmError, unknown
from chiasm.views import Views, connected, normalize

__all__ = ["FOLDS", "Leaks", "check_splits", "cut", "folds_of", "leak_warning", "leaks", "row_digests", "split_name"]

FOLDS = 5
"""Of cross-validation, at most."""

BY_DESIGN = 3.0
"""A view whose items stand for more things each than this (class names) shares them between splits by design."""

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val"}
_SPLITS |= {"test": "test", "testing": "test", "restval": "train"}


def split_name(name: str) -> str:
    """The one name of a split; val, valid, validation and dev are synonyms, restval is train (Karpathy).

    >>> split_name("Dev")
    'val'
    """
    if name.strip().lower() not in _SPLITS:
        raise unknown("split", name, ["train", "val", "test"])
    return _SPLITS[name.strip().lower()]


def cut(
    views: Views,
    parts: Mapping[str, float],
    seed: int = 0,
    twins: np.ndarray | None = None,
    *,
    stratify: np.ndarray | None = None,
) -> np.ndarray:
    """A random split `(n,)` of names by shares of the clusters; rows of one id or one group stay together.

    Args:
        parts: shares by name, of any sum. twins: `(n,)` integers; ids that have a row of equal number stay together
            too (`Encoding.twins`: rows that are equal in every view).
        seed: of the draw, 0 or more.
        stratify: `(n,)` classes, one a row: each part gets its share of the things of every class, as nearly as whole
            clusters allow (to one thing, where clusters are single things), and of a class with as many clusters as
            there are parts at least one cluster. Source: Sechidis et al. 2011 (rarest class first).

    >>> import numpy as np; from chiasm.views import Column
    >>> views = Views({"a": Column("vector", np.zeros((10, 1)))})
    >>> sorted(cut(views, {"train": 0.8, "test": 0.2}).tolist()).count("test")
    2
    >>> names = cut(views, {"train": 0.5, "test": 0.5}, stratify=["cat"] * 8 + ["dog"] * 2)
    >>> sorted(names[8:].tolist())
    ['test', 'train']
    """
    if not SEED.holds(seed):
        raise ChiasmError(f"wanted seed to be {SEED.words}, got {seed!r}.")
    codes = views.clusters if twins is None else connected(views.clusters, twins)
    things = int(codes.max()) + 1
    total = sum(parts.values())
    names = np.empty(things, dtype=object)
    if stratify is not None:
        shares = np.array(list(parts.values()), dtype=float) / total
        names[:] = np.array(list(parts), dtype=object)[_stratified(_class_counts(views, codes, stratify), shares, seed)]
        balanced: np.ndarray = names[codes]
        return balanced
    order = np.random.default_rng(seed).permutation(things)
    start, used = 0, 0.0
    for name, share in parts.items():
        used += share / total
        stop = round(used * things)
        names[order[start:stop]] = name
        start = stop
    drawn: np.ndarray = names[codes]
    return drawn


def _class_counts(views: Views, clusters: np.ndarray, classes: Any) -> Any:
    """Sparse `(clusters, classes)`: how many things of each class a cluster holds, a thing once for each it has."""
    from scipy.sparse import csr_array

    if len(classes) != len(views):
        raise ChiasmError(f"wanted {len(views)} classes to stratify by, one a row, got {len(classes)}.")
    kind = np.unique([str(value) for value in classes], return_inverse=True)[1]
    first = np.unique(views.codes * (int(kind.max()) + 1) + kind, return_index=True)[1]
    return csr_array((np.ones(len(first), dtype=np.int64), (clusters[first], kind[first])))


def _stratified(counts: Any, shares: np.ndarray, seed: int) -> np.ndarray:
    """`(clusters,)` the part of each cluster: rarest class first, large clusters first, to the part that lacks most."""
    of_kind = counts.tocsc()
    wanted = np.flatnonzero(shares > 0)
    held_by, sizes = np.diff(of_kind.indptr), of_kind.sum(axis=0)
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(counts.shape[1])
    rarest_first = kinds[np.argsort(held_by[kinds], kind="stable")]
    lacks = np.zeros((counts.shape[1], len(shares)), dtype=np.int64)
    owed = np.zeros(len(shares))  # what rounding has kept from a part so far
    for kind in rarest_first:
        exact = sizes[kind] * shares
        lacks[kind, wanted] = _rounded(exact[wanted], owed[wanted], least=int(held_by[kind] >= len(wanted)))
        owed += exact - lacks[kind]
    size = np.log2(counts.sum(axis=1)).astype(int)  # of about equal ones chance decides, or every seed is alike
    rank = np.lexsort((rng.random(len(size)), -size)).argsort()
    part, holds, lacks_in_all = np.full(len(size), -1), np.zeros_like(lacks), lacks.sum(axis=0)
    for kind in rarest_first:
        members = of_kind.indices[of_kind.indptr[kind] : of_kind.indptr[kind + 1]]
        waiting = members[part[members] < 0]
        for done, cluster in enumerate(waiting[np.argsort(rank[waiting])].tolist()):
            bare = wanted[holds[kind, wanted] == 0]
            among = bare if len(waiting) - done <= len(bare) and held_by[kind] >= len(wanted) else wanted
            best = among[np.lexsort((-lacks_in_all[among], -lacks[kind, among]))[0]]
            part[cluster] = best
            row = slice(counts.indptr[cluster], counts.indptr[cluster + 1])
            lacks[counts.indices[row], best] -= counts.data[row]
            holds[counts.indices[row], best] += counts.data[row]
            lacks_in_all[best] -= counts.data[row].sum()
    return part


def _rounded(exact: np.ndarray, owed: np.ndarray, least: int) -> np.ndarray:
    """Integers of the same sum, each within one of `exact`, those owed most rounded up; none under `least`."""
    low = np.floor(exact + 1e-9)
    low[np.argsort(-(exact - low + owed), kind="stable")[: round(exact.sum() - low.sum())]] += 1
    for place in np.flatnonzero(low < least):
        low[place] += 1
        low[np.argmax(low)] -= 1
    rounded: np.ndarray = low.astype(np.int64)
    return rounded


@dataclass
class Leaks:
    """What the splits share. `fatal` is a reason to refuse; `tainted` are rows scored a second time without."""

    ids: int = 0
    """ids that stand in two splits."""
    groups: int = 0
    """groups that stand in two splits."""
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
            return (
                f"{self.ids} ids stand in more than one split: give rows of one thing one split, name another column "
                "of what rows are about (id='COL'), or allow_leaks=True."
            )
        if self.groups:
            return f"{self.groups} groups stand in more than one split: give each one split, or allow_leaks=True."
        if self.rows:
            return f"{self.rows} held-out rows equal a training row in every view: remove them, or allow_leaks=True."
        return ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"ids": self.ids, "groups": self.groups, "rows": self.rows, "equal": self.equal, "near": self.near}


def leak_warning(leaks: Mapping[str, Any]) -> str:
    """One line for a person about `Leaks.as_dict`, or an empty string."""
    found = [f"{n} rows with an equal {view}" for view, n in leaks["equal"].items() if n]
    found += [f"{n} with a nearly equal {view}" for view, n in leaks["near"].items() if n]
    return f"leak: held-out rows share items with training rows: {', '.join(found)}" if found else ""


def row_digests(views: Views, *, partial: bool = False) -> np.ndarray:
    """`(n,)` 16-byte hashes of rows (the items of every view); empty where a view is absent.

    Needs the digests that encoding leaves on the columns; without them every hash is empty.

    Args:
        partial: hash what is there of a row instead; empty where only a record is, which others may equal.
    """
    names = sorted(views.columns)
    columns = [views.columns[name] for name in names]
    out = np.full(len(views), b"", dtype=object)
    if any(column.digests is None for column in columns):
        return out
    present = np.stack([column.present for column in columns])
    telling = np.array([column.modality != "record" for column in columns])
    rows = np.flatnonzero(present[telling].any(axis=0) if partial else present.all(axis=0))
    nothing = np.zeros((1, 16), np.uint8)  # what index -1 finds
    cells = [np.concatenate([np.asarray(c.digests).reshape(-1, 16), nothing])[c.index[rows]] for c in columns]
    joined = np.ascontiguousarray(np.concatenate(cells, axis=1))
    out[rows] = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in joined]
    return out


def leaks(views: Views, split: np.ndarray, near: Mapping[str, float | None] | None = None) -> Leaks:
    """What the held-out rows (val, test) share with the training rows.

    Equal records count only as a part of rows that are equal in another view too: an age and a sex fit many people.

    Args:
        views: encoded views (their columns carry item digests). split: `(n,)` names.
        near: by view, the cosine from which two items are called nearly equal (an encoder's `near`), or None.
    """
    held, train = split != "train", split == "train"
    found = Leaks(tainted=np.zeros(len(views), bool))
    found.ids = _crossing(views.codes.tolist(), split)
    if (group := views.group) is not None:
        found.groups = _crossing(group[group != ""].tolist(), split[group != ""])
    telling = {name: column for name, column in views.columns.items() if column.modality != "record"}
    digests = row_digests(views)
    seen = set(digests[train]) - {b""} if telling else set()
    same = np.array([d in seen for d in digests]) & held
    found.rows = int(same.sum())
    found.tainted |= same
    for name, column in telling.items():
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


def _crossing(keys: list[Any], split: np.ndarray) -> int:
    """How many more (key, split) pairs there are than keys."""
    pairs = set(zip(keys, split.tolist(), strict=True))
    return len(pairs) - len({key for key, _ in pairs})


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


def folds_of(clusters: np.ndarray, truth: np.ndarray, kind: str, seed: int = 0, most: int = FOLDS) -> np.ndarray:
    """`(n,)` fold numbers: rows of one cluster in one fold; of classes, each fold has its share as nearly as may be."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    count = min(most, len(np.unique(clusters)))
    if kind == "classes":  # scikit-learn wants a class with as many rows as folds
        count = min(count, max(2, int(truth.sum(axis=0).max())))
        if int(truth.sum(axis=0).max()) < 2:
            raise ChiasmError(
                f"wanted classes of several rows, got {len(truth)} classes of one row each: what is chosen is chosen "
                "on rows that were not learned from, of the same class."
            )
    if count < 2:
        raise ChiasmError("wanted at least two things to learn from that share no id and no group, got one.")
    out = np.empty(len(truth), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds
        if kind == "classes":
            cut = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
            parts = cut.split(truth, truth.argmax(axis=1), clusters)
        else:
            parts = GroupKFold(count, shuffle=True, random_state=seed).split(truth, groups=clusters)
        for number, (_, rows) in enumerate(parts):
            out[rows] = number
    return out
