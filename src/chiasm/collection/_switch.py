"""A new model for an index: its vectors at once, mapped from the old model's by a sample that is encoded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm.collection._catalog import Catalog, Item
from chiasm.collection._gallery import packed
from chiasm.collection._moments import item_of, key_of, keys_of, rows_of
from chiasm.collection._said import TEXTS, Said
from chiasm.collection.mapping import Asked, Map, held_by_both, held_out, lost, texts_of
from chiasm.index import Index
from chiasm.media.windows import windows
from chiasm.scale import Progress
from chiasm.views import Column, Views, normalize
from chiasm.where import fitting

__all__ = ["Side", "carry", "encode", "placed", "say_anew"]

LEAST = 32
"""The fewest files of a sample; with fewer than twice as many all are encoded."""

CAPTIONS = 20
"""The fewest files of a sample with captions of their own that try it."""

_BATCH, _ROWS = 512, 4096


class Side(NamedTuple):
    """A model, and what it has to do with a view."""

    model: Any
    view: str
    vectors: Index
    folder: Path
    window: float | None
    """Seconds of a moment."""

    def placed(self, items: Sequence[Item], progress: Progress | None = None) -> Placed:
        """What the model makes of files, by the keys of the index."""
        return placed(self.model, self.view, self.folder, self.window, items, progress)


class Placed(NamedTuple):
    """Files in a model's space."""

    keys: np.ndarray
    """`(m,)`, a file's own or those of its moments."""
    vectors: np.ndarray
    """`(m, d)` of length 1."""
    leading: dict[int, bytes]
    """The leading names of each file of which anything could be read."""


def carry(
    catalog: Catalog, old: Side, new: Side, sample: float, seed: int, progress: Progress | None
) -> tuple[dict[int, bytes], dict[str, Any]]:
    """Fill the new index of a view from the old one. Returns the leading names of what was encoded, and the loss.

    The map is learned from the sample, from texts, which both models place without a file being opened, and from what
    both models hold, where they were fitted on one table.

    Args:
        sample: the share of files that is encoded, drawn at random.
    """
    items = {item.id: item for item in catalog.items("state = 'searchable' AND view = ?", [old.view])}
    there = list(dict.fromkeys(id_ for key in old.vectors.keys().tolist() if (id_ := item_of(key)) in items))
    count = max(LEAST, int(np.ceil(sample * len(there))))
    every = len(there) < 2 * LEAST or count >= len(there)
    drawn = there if every else np.random.default_rng(seed).choice(there, count, replace=False).tolist()
    sampled = new.placed([items[id_] for id_ in sorted(drawn)], progress)
    told = {"files": len(there), "encoded": len(sampled.leading)}
    if every or len(sampled.leading) < LEAST // 2:
        _fill(old.vectors, new.vectors, items, sampled, None)
        return sampled.leading, {**told, "loss": None}
    known = dict(zip(sampled.keys.tolist(), sampled.vectors, strict=True))
    keys, vectors = old.vectors.vectors(sampled.keys)
    pairs = (vectors, np.stack([known[key] for key in keys.tolist()]))
    groups = np.array([item_of(key) for key in keys.tolist()])
    beside, asked = _texts(old, new, [items[id_] for id_ in groups.tolist()], pairs, seed, progress)
    known_both = held_by_both((old.model, new.model), old.view, pairs[0], seed)
    if len(known_both[0]):
        beside = np.concatenate([beside[0], known_both[0]]), np.concatenate([beside[1], known_both[1]])
    share, loss = lost(pairs[1], held_out(pairs, beside, groups, seed), asked, len(old.vectors))
    both = [np.concatenate([mine, more]) for mine, more in zip(pairs, beside, strict=True)]
    _fill(old.vectors, new.vectors, items, sampled, Map(both[0], both[1], share))
    loss |= {"of": asked.what, "queries": len(asked.vectors), "ridge": share}
    return sampled.leading, {**told, "loss": loss}


def encode(side: Side, items: Sequence[Item], progress: Progress | None) -> dict[int, bytes]:
    """Put some files into an index. Returns the leading names of those that could be read."""
    leading: dict[int, bytes] = {}
    for start in range(0, len(items), _BATCH):
        some = {item.id: item for item in items[start : start + _BATCH]}
        made = side.placed(list(some.values()), progress)
        _put(side.vectors, made.keys, made.vectors, some)
        leading |= made.leading
    return leading


def say_anew(said: Said, view: str, items: Sequence[Item]) -> dict[int, dict[str, Any]]:
    """Have the captions and read texts of files in another part. By id the facts of those whose facts it changes."""
    changed: dict[int, dict[str, Any]] = {}
    for start in range(0, len(items), _BATCH):
        some = [item for item in items[start : start + _BATCH] if any(map(item.facts.get, TEXTS))]
        facts = [dict(item.facts) for item in some]
        said.put(view, [item.id for item in some], facts)
        changed |= {item.id: one for item, one in zip(some, facts, strict=True) if one != item.facts}
    return changed


def placed(
    model: Any,
    view: str,
    folder: Path,
    window: float | None,
    items: Sequence[Item],
    progress: Progress | None = None,
) -> Placed:
    """What a model makes of files; long ones by their moments."""
    keys: list[int] = []
    vectors: list[np.ndarray] = []
    leading: dict[int, bytes] = {}
    for start in range(0, len(items), _BATCH):
        some = items[start : start + _BATCH]
        names = [item.name for item in some]
        column = Column(model.views_[view], [str(folder / name) for name in names], labels=names)
        views = Views({view: column}, ids=np.array(names, dtype=object))
        views = windows(views, view, window) if window else views
        found, shares, _ = model.placed(view, views)
        place = {used: at for at, used in enumerate(found.used.tolist())}
        for item, rows in zip(some, rows_of(views, names), strict=True):
            read = [(part, int(found.index[row])) for part, row in enumerate(rows) if found.index[row] >= 0]
            if read:
                first = place[read[0][1]]
                alone = shares and len(rows) == 1
                leading[item.id] = packed(shares["names"][first], shares["shares"][first]) if alone else b""
            keys += [key_of(item.id, part) for part, _ in read]
            vectors += [np.asarray(found.items[row]) for _, row in read]
        if progress is not None:
            progress("sample", min(start + _BATCH, len(items)), len(items))
    units = normalize(np.stack(vectors)) if vectors else np.zeros((0, 0), np.float32)
    return Placed(np.array(keys, dtype=np.int64), units, leading)


def _texts(
    old: Side,
    new: Side,
    sample: Sequence[Item],
    pairs: tuple[np.ndarray, np.ndarray],
    seed: int,
    progress: Progress | None,
) -> tuple[tuple[np.ndarray, np.ndarray], Asked]:
    """Pairs of texts to learn from, and queries: captions of the sample, else other texts, else the sample itself.

    Args:
        sample: of each row of the pairs the file.
    """
    nothing = (pairs[0][:0], pairs[1][:0])
    own = Asked("files", pairs[1], np.arange(len(pairs[1])))
    models = (old.model, new.model)
    views = [next((name for name, kind in model.views_.items() if kind == "text"), None) for model in models]
    if views[0] is None or views[1] is None:
        return nothing, own
    whole = [(at, item) for at, item in enumerate(sample) if len(keys_of(item)) == 1]
    told = [(line, at) for at, item in whole for line in item.facts.get("caption", "").split("\n") if line]
    captions = told if len({at for _, at in told}) >= CAPTIONS else []
    rest, others = texts_of(models, [line for line, _ in captions], seed)
    queries = [line for line, _ in captions] or others
    beside = nothing
    if rest:
        beside = (_said(old.model, views[0], rest, progress), _said(new.model, views[1], rest, progress))
    if not queries:
        return beside, own
    owners = np.array([at for _, at in captions] or [-1] * len(queries))
    vectors = _said(new.model, views[1], queries, progress)
    return beside, Asked("captions" if captions else "texts", vectors, owners)


def _said(model: Any, view: str, texts: list[str], progress: Progress | None) -> np.ndarray:
    """Texts `(n,)` as a model places them, `(n, d)` of length 1."""
    column, _, _ = model.placed(view, Views({view: Column("text", texts)}), progress=progress)
    rows: np.ndarray = normalize(np.asarray(column.items)[column.index])
    return rows


def _fill(
    old: Index, new: Index, items: dict[int, Item], sampled: Placed, across: Callable[[np.ndarray], np.ndarray] | None
) -> None:
    """Put every file into the new index: encoded, or mapped; where there is no map, what was encoded alone."""
    for start in range(0, len(sampled.keys), _ROWS):
        _put(new, sampled.keys[start : start + _ROWS], sampled.vectors[start : start + _ROWS], items)
    for keys, vectors in _blocks(old) if across is not None else ():
        rest = [
            row
            for row, key in enumerate(keys.tolist())
            if item_of(key) in items and item_of(key) not in sampled.leading
        ]
        if rest and across is not None:
            _put(new, keys[rest], across(vectors[rest]), items)


def _put(index: Index, keys: np.ndarray, vectors: np.ndarray, items: dict[int, Item]) -> None:
    """Into an index, with what is known of the files."""
    if not len(keys):
        return
    columns: Any = getattr(index, "columns", None) or {}
    index.update(keys, vectors, fitting((items[item_of(key)].facts for key in keys.tolist()), columns))


def _blocks(index: Index) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All keys and their vectors, some at a time."""
    keys = index.keys()
    for start in range(0, len(keys), _ROWS):
        yield index.vectors(keys[start : start + _ROWS])
