"""Trials: for each seed, which rows may be learned from, how many of them are drawn, and which rows are scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chiasm.cache import Stored, key_of
from chiasm.compare.cells import fingerprint
from chiasm.encoding import Encoding, Report
from chiasm.encoding.cutting import PARTS
from chiasm.errors import ChiasmError
from chiasm.scale import Progress
from chiasm.splits import Leaks, check_splits, cut, leaks
from chiasm.tokens import Tokens
from chiasm.views import Column, Views

__all__ = ["Trial", "data_print", "draw", "draw_rows", "trials"]


@dataclass
class Trial:
    """One seed's encoded rows: those to learn from and those to score. No other row is in it."""

    seed: int
    views: Views
    split: np.ndarray
    """`(n,)` "train", or the part that is scored."""
    codes: np.ndarray
    """`(n,)` the number of each row's thing, which is the same in every trial."""
    clusters: np.ndarray
    """`(n,)` the number of each row's cluster (its id and its group), which is the same in every trial."""
    prints: Mapping[str, np.ndarray]
    """By view `(m + 1, 16)` bytes that change with an item or what encoded it; the last row stands for absent."""
    encoding: Encoding
    report: Report

    def train(self, size: str) -> tuple[Views, str]:
        """The drawn training rows without any item of other rows, and their fingerprint; see `draw`."""
        return self._part(draw(self.views, self.split == "train", size, self.seed))

    def train_rows(self, size: str) -> tuple[Views, str]:
        """The same of a number of rows; see `draw_rows`."""
        return self._part(draw_rows(self.clusters, self.split == "train", size, self.seed))

    def held(self) -> tuple[Views, str]:
        """The rows to score without any item of other rows, and their fingerprint."""
        return self._part(self.scored)

    @property
    def scored(self) -> np.ndarray:
        """`(n,)` mask of the rows to score."""
        return self.split != "train"

    def leaks(self, allow: bool) -> Leaks:
        """What the scored rows share with the training rows; a ChiasmError where that makes scores worthless."""
        near = {name: encoder.near for name, encoder in self.encoding.encoders_.items()}
        found = leaks(self.views, self.split, near)
        if found.fatal and not allow:
            raise ChiasmError(found.fatal)
        return found

    def _part(self, mask: np.ndarray) -> tuple[Views, str]:
        views = self.views[mask]
        items = [(name, self.prints[name][column.index]) for name, column in views.columns.items()]
        key = fingerprint([str(i) for i in views.ids], *(piece for pair in items for piece in pair))
        return Views({name: _alone(column) for name, column in views.columns.items()}, views.ids, views.facts), key


def trials(
    views: Views,
    seeds: int,
    *,
    final: bool = False,
    encoders: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    stratify: np.ndarray | None = None,
) -> Iterator[Trial]:
    """A trial a seed. Only rows to learn from and to score are encoded, once unless an encoder learns.

    Rows are scored that stand in split "val", with `final` in "test". Without a split: 70/10/20 by id, where the test
    part is always the same and the rest is cut again for each seed; so is a given split that lacks the "val" asked for.
    `stratify`, `(n,)` classes: what is cut has each class's share.

    Raises a ChiasmError when there are no rows to learn from or to score.
    """
    part = "test" if final else "val"
    splits = _splits(views, seeds, final, encoders, stratify)
    for name in ("train", part):
        if not all((split == name).any() for split in splits):
            raise ChiasmError(
                f"wanted rows of split {name!r}, got only {', '.join(sorted(set(splits[0])))}: name another split "
                "column, or none (then one is cut)."
            )
    keep = np.any([(split == "train") | (split == part) for split in splits], axis=0)
    views, splits = views[keep], [split[keep] for split in splits]
    given = {name: _hashes(column) for name, column in views.columns.items() if hasattr(column.items, "shape")}
    encoding = Encoding(encoders)
    for seed, split in enumerate(splits):
        if not seed or (_learns(encoding) and not np.array_equal(split, splits[seed - 1])):
            encoded, report = encoding.learn(views, split == "train", progress if not seed else None)
            prints = {name: given.get(name, _digests(column)) for name, column in encoded.columns.items()}
            for name, encoder in encoding.encoders_.items():
                mark = np.frombuffer(bytes.fromhex(fingerprint(encoder.fingerprint) * 2), np.uint8)
                prints[name] = prints[name] ^ mark
        rows = (split == "train") | (split == part)
        codes, clusters = encoded.codes[rows], encoded.clusters[rows]
        yield Trial(seed, encoded[rows], split[rows], codes, clusters, prints, encoding, report)


def draw(views: Views, rows: np.ndarray, size: str, seed: int) -> np.ndarray:
    """`(n,)` mask of the rows, among `rows`, of `size` things that have two views there; "all": of all such things.

    Drawn at random by `seed`; a smaller draw of one seed is part of a larger one.

    >>> views = Views({name: Column("vector", np.eye(9)) for name in "ab"})
    >>> few, more = (draw(views, np.ones(9, bool), size, seed=3) for size in ("2", "5"))
    >>> few.sum(), more.sum(), (few & more).sum()
    (np.int64(2), np.int64(5), np.int64(2))
    """
    codes = views.codes
    seen = np.zeros((views.things, len(views.columns)), bool)
    for i, column in enumerate(views.columns.values()):
        seen[codes[rows & column.present], i] = True
    whole = np.flatnonzero(seen.sum(axis=1) > 1)
    if size != "all":
        if int(size) > len(whole):
            raise ChiasmError(f"wanted {size} training things that have two views, got {len(whole)}.")
        whole = np.random.default_rng(seed).permutation(whole)[: int(size)]
    return rows & np.isin(codes, whole)


def draw_rows(clusters: np.ndarray, rows: np.ndarray, size: str, seed: int) -> np.ndarray:
    """`(n,)` mask of `size` rows among `rows`: whole clusters in random order until they are enough; "all": all.

    Drawn by `seed`; a smaller draw of one seed is part of a larger one. So the number is exact where a cluster is a
    row, and up to a cluster more where they are larger.

    >>> draw_rows(np.array([0, 0, 1, 2, 3]), np.array([True, True, True, True, False]), "3", seed=0).sum()
    np.int64(3)
    """
    if size == "all":
        return rows
    if int(size) > rows.sum():
        raise ChiasmError(f"wanted {size} labeled training rows, got {rows.sum()}.")
    known, counts = np.unique(clusters[rows], return_counts=True)
    order = np.random.default_rng(seed).permutation(len(known))
    enough = int(np.searchsorted(np.cumsum(counts[order]), int(size))) + 1
    drawn: np.ndarray = rows & np.isin(clusters, known[order[:enough]])
    return drawn


def data_print(views: Views) -> str:
    """A fingerprint of a table as it was given: ids, split, columns and their items (files by their paths)."""
    pieces: list[Any] = [[str(i) for i in views.ids], None if views.split is None else views.split.tolist()]
    for name, column in views.columns.items():
        pieces += [name, column.modality, column.index]
        pieces += [_hashes(column)] if hasattr(column.items, "shape") else [_plain(item) for item in column.items]
    return fingerprint(*pieces)


def _splits(
    views: Views, seeds: int, final: bool, encoders: Mapping[str, Any] | None, stratify: np.ndarray | None
) -> list[np.ndarray]:
    """The split `(n,)` of each seed."""
    given = None if views.split is None else check_splits(views.split)
    if given is not None and (final or (given == "val").any()):
        return [given] * seeds
    twins = Encoding(encoders).twins(views)
    base = cut(views, PARTS, 0, twins, stratify=stratify) if given is None else given
    rest = base != "test"
    splits = []
    for seed in range(seeds):
        split = base.copy()
        shares = {"train": PARTS["train"], "val": PARTS["val"]}
        kinds = None if stratify is None else stratify[rest]
        split[rest] = cut(views[rest], shares, seed, twins[rest], stratify=kinds)
        splits.append(split)
    return splits


def _learns(encoding: Encoding) -> bool:
    return any(encoder.learned() for encoder in encoding.encoders_.values())


def _alone(column: Column) -> Column:
    """The column with the items that its rows use and no others, so that no method can look at held-out ones."""
    used = column.used
    items = column.items
    if isinstance(items, Tokens):
        items = items.some(used)
    else:
        items = Stored(items.segments, items.places[used]) if isinstance(items, Stored) else column.take(used)
    index = np.where(column.present, np.searchsorted(used, column.index), column.index)
    return Column(column.modality, items, index)


def _digests(column: Column) -> np.ndarray:
    """`(m + 1, 16)`: what encoding recorded of each item's content, then zeros for absent."""
    return np.concatenate([np.asarray(column.digests).reshape(-1, 16), np.zeros((1, 16), np.uint8)])


def _hashes(column: Column) -> np.ndarray:
    """`(m + 1, 16)`: a hash of each vector that some row uses, zeros elsewhere."""
    out = np.zeros((len(column.items) + 1, 16), np.uint8)
    used = column.used
    for start in range(0, len(used), 4096):
        rows = used[start : start + 4096]
        hashed = [key_of(np.ascontiguousarray(vector).tobytes()) for vector in column.take(rows)]
        out[rows] = np.frombuffer(b"".join(hashed), np.uint8).reshape(-1, 16)
    return out


def _plain(item: Any) -> Any:
    return item.tobytes() if hasattr(item, "tobytes") else item
