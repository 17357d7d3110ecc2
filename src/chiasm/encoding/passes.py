"""Passes: encoders over the items of a column, a batch at a time, each through its shelf of the cache."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from chiasm.cache import Cache, Scratch, SideBySide, Stored, key_of
from chiasm.encoding.joined import Joined, members
from chiasm.media.clips import one_decode
from chiasm.media.images import MediaError, Note
from chiasm.scale import Progress, tell
from chiasm.tokens import Tokens
from chiasm.views import ABSENT, Column

__all__ = ["Pass", "Passes", "drive"]


def drive(runs: Mapping[str, Passes], positions: np.ndarray, progress: Progress | None = None) -> None:
    """Encode the items at these positions by all the runs, a batch of items at a time."""
    passes = [one for run in runs.values() for one in run.passes]
    wanted = [one.encoder.wants for one in passes if hasattr(one.encoder, "wants")]
    done = 0
    for batch in _batches(positions, min(run.encoder.batch for run in runs.values())):
        with one_decode(wanted) if len(wanted) > 1 else contextlib.nullcontext():
            for run in runs.values():
                run.take(batch)
        done += len(batch)
        for name, run in runs.items():
            tell(progress, name, done, len(positions), run.found)
    for run in runs.values():
        run.end()


class Passes:
    """An encoder, or several side by side, over items of one column."""

    def __init__(self, encoder: Any, column: Column):
        self.encoder, self.source = encoder, column
        self.passes = [Pass(one, column) for one in members(encoder)]
        self.notes: list[tuple[int, Note]] = []
        """(position, note) for every skipped or altered item; what two encoders note alike stands once."""

    def take(self, batch: list[int]) -> None:
        """Put the items at these positions on the encoders' shelves."""
        told: list[tuple[int, Note]] = []
        for one in self.passes:
            told += one.take(batch)
            batch = [position for position in batch if position in one.keys]
        self.notes += dict.fromkeys(told)

    @property
    def found(self) -> int:
        """How many of the items that were taken no encoder had to encode; of several encoders at most so many."""
        return len(self.passes[-1].keys) - max(len(one.fresh) for one in self.passes)

    def end(self) -> None:
        """No item follows: find what is equal, and what had to be encoded."""
        for one in self.passes:
            one.shelf.merge()
        self.keys = self._keys()
        """The key of each item that every encoder could read, by position."""
        now = set().union(*(one.fresh for one in self.passes))
        self.fresh = {self.keys[position] for position in now & self.keys.keys()}
        """The keys of what had to be encoded."""
        self.first: dict[bytes, int] = {}
        """The first position of each key: items of equal bytes are one item."""
        for position, key in self.keys.items():
            self.first.setdefault(key, position)

    def _keys(self) -> dict[int, bytes]:
        if len(self.passes) == 1:
            return self.passes[0].keys
        keys = {}
        for position in self.passes[-1].keys:  # the last was asked for what all before it could read
            found = [one.keys[position] for one in self.passes]
            keys[position] = found[0] if len(set(found)) == 1 else key_of(b"".join(found))  # as `Joined.content` has it
        return keys

    @property
    def blocks(self) -> list[Stored | Tokens]:
        """What each encoder says of the distinct items: `(m, d_i)`, or tokens."""
        return [one.shelf.stored(one.keys[position] for position in self.first.values()) for one in self.passes]

    def column(self) -> Column:
        """The column over the encoded vectors; items of equal bytes become one item."""
        place = {key: i for i, key in enumerate(self.first)}
        moved = np.full(len(self.source.items) + 1, ABSENT, dtype=np.int64)  # the last entry serves index -1
        moved[list(self.keys)] = [place[key] for key in self.keys.values()]
        labels = [self.source.label(position) for position in self.first.values()]
        digests = np.frombuffer(b"".join(self.first), np.uint8).reshape(-1, 16)
        blocks = self.blocks
        items: Any = SideBySide(blocks, self.encoder.scales_) if isinstance(self.encoder, Joined) else blocks[0]
        if not len(self.source.used):
            items = np.asarray(self.encoder.encode([]))  # its width
        return Column(self.source.modality, items, moved[self.source.index], labels=labels, digests=digests)


class Pass:
    """One encoder over items of one column, through its shelf."""

    def __init__(self, encoder: Any, column: Column):
        self.encoder, self.column = encoder, column
        self.shelf = Scratch() if encoder.learned() else Cache().shelf(encoder.fingerprint)
        self.keys: dict[int, bytes] = {}
        """The key of each item that is on the shelf, by position."""
        self.fresh: set[int] = set()
        """The positions that were encoded; of items of equal bytes, the first."""

    def take(self, batch: list[int]) -> list[tuple[int, Note]]:
        """Put the items on the shelf that are not there yet: what was skipped or altered."""
        told = []
        waiting: dict[bytes, int] = {}
        for position in batch:
            try:
                key = key_of(self.encoder.content(self.column.items[position]))
            except MediaError as error:
                told.append((position, error.note))
                continue
            if key not in self.shelf:
                waiting.setdefault(key, position)
            self.keys[position] = key
        failed = self._fill(waiting)
        self.fresh |= {position for key, position in waiting.items() if key not in failed}
        for position in batch:
            key_ = self.keys.get(position)
            if key_ in failed:
                del self.keys[position]
                told.append((position, failed[key_]))
            elif key_ in self.shelf.notes:
                told.append((position, Note(self.shelf.notes[key_]["code"], self.shelf.notes[key_]["message"])))
        return told

    def _fill(self, waiting: Mapping[bytes, int]) -> dict[bytes, Note]:
        """Encode the waiting items and put them on the shelf, which is on disk: what failed."""
        if not waiting:
            return {}
        order = list(waiting)
        values, notes = self.encoder.attempt([self.column.items[waiting[key]] for key in order])
        failed = {order[i]: n for i, found in notes.items() for n in found if n.skipped}
        tokens = isinstance(values, Tokens)
        finite = values.finite() if tokens else np.isfinite(values).all(axis=1)
        for i in np.flatnonzero(~finite).tolist():
            failed.setdefault(order[i], Note("not_finite", "its features are not finite numbers", skipped=True))
        good = [i for i, key in enumerate(order) if key not in failed]
        told = {}
        for row, i in enumerate(good):
            if altered := notes.get(i):
                told[row] = {"code": altered[0].code, "message": "; ".join(n.message for n in altered)}
        self.shelf.add([order[i] for i in good], values.some(good) if tokens else values[good], told)
        return failed


def _batches(positions: np.ndarray, size: int) -> Iterator[list[int]]:
    for start in range(0, len(positions), size):
        yield positions[start : start + size].tolist()
