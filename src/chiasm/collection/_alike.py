"""Pictures of a collection that are one: the same picture saved otherwise, or of one burst; kept beside the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import scale
from chiasm.collection._catalog import Catalog, Item
from chiasm.media.alike import BYTES, look_alike, same_picture, signature
from chiasm.media.images import MediaError
from chiasm.scale import Progress
from chiasm.where import seconds

__all__ = ["TABLES", "duplicates", "group", "keys", "others"]

TABLES = (
    "CREATE TABLE looks (id INTEGER PRIMARY KEY, content BLOB, signature BLOB, taken REAL, picture INTEGER, "
    "burst INTEGER)",
    "CREATE INDEX bursts ON looks (burst)",
    "CREATE TABLE same (a INTEGER, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID",
)
"""`looks`: a picture's signature, when it was taken, and the least id of its picture and burst. `same`: equal pairs."""

BURST = 3.0
"""Seconds between two pictures of a burst, by what the camera noted."""
_NEXT = 32
_MANY = 256
_BLOCK = 2048
_STALE = (
    "NOT EXISTS (SELECT 1 FROM items i WHERE i.id = looks.id AND i.content = looks.content AND i.state = 'searchable')"
)
_NEW = "state = 'searchable' AND id > ? AND id NOT IN (SELECT id FROM looks)"


def group(catalog: Catalog, folder: Path, views: Iterable[str], progress: Progress | None) -> None:
    """Bring signatures and groups up to date: what is new is compared with all, what is gone is forgotten.

    The groups depend on the files alone, not on the order in which they came.

    Args:
        views: those of pictures.
    """
    if catalog.read(f"SELECT 1 FROM looks WHERE {_STALE} LIMIT 1"):
        catalog.set(grouped=False)
        catalog.change(f"DELETE FROM looks WHERE {_STALE}")
        catalog.change("DELETE FROM same WHERE a NOT IN (SELECT id FROM looks) OR b NOT IN (SELECT id FROM looks)")
    for view in views:
        _sign(catalog, folder, view, progress)
    if not catalog.fact("grouped"):  # also where the last time was broken off
        _compare(catalog)
        _settle(catalog)
        catalog.set(grouped=True)


def _sign(catalog: Catalog, folder: Path, view: str, progress: Progress | None) -> None:
    """Signatures of the pictures that have none."""
    ((total,),) = catalog.read(f"SELECT COUNT(*) FROM items WHERE view = ? AND {_NEW}", (view, 0))
    done, last = 0, 0
    if total:
        catalog.set(grouped=False)
    while items := catalog.items(f"view = ? AND {_NEW}", [view, last], _MANY):
        last = items[-1].id
        signed = list(scale.threads(_signature, [folder / item.name for item in items]))
        rows = [
            (item.id, item.content, made, seconds(item.facts.get("taken")) if item.facts.get("taken") else None)
            for item, made in zip(items, signed, strict=True)
        ]
        catalog.change("INSERT OR REPLACE INTO looks (id, content, signature, taken) VALUES (?, ?, ?, ?)", rows)
        done += len(items)
        if progress is not None:
            progress("near-duplicates", done, max(total, done))


def _signature(file: Path) -> bytes:
    """Empty where a file has gone, or cannot be read any more."""
    try:
        return signature(file)
    except MediaError:
        return b""


def _compare(catalog: Catalog) -> None:
    """Pairs of the same picture, of those that are new (they have no group yet) with all.

    What was taken at two different moments is not the same, however alike.
    """
    asked = "SELECT id, signature, picture IS NULL, taken FROM looks WHERE length(signature) = ?"
    rows = sorted(catalog.read(asked, (BYTES,)), key=lambda row: -row[2])  # the new ones first
    held = np.frombuffer(b"".join(row[1] for row in rows), np.uint8).reshape(-1, BYTES)
    new = sum(row[2] for row in rows)
    pairs = set()
    for start in range(0, new, _BLOCK):
        for i, j in same_picture(held[start : min(start + _BLOCK, new)], held[start:]):
            (a, *_, here), (b, *_, there) = rows[start + i], rows[start + j]
            if a != b and (here is None or there is None or here == there):
                pairs.add((min(a, b), max(a, b)))
    catalog.change("INSERT OR IGNORE INTO same VALUES (?, ?)", sorted(pairs))


def _settle(catalog: Catalog) -> None:
    """Each picture's group: pictures that are joined by pairs of the same, and bursts by pairs of neighbors in time.

    What was taken at two different moments is joined by no chain of pairs either: a picture without a moment goes with
    one of the two, whichever the bytes of the files put first.
    """
    rows = catalog.read("SELECT id, content, picture, burst FROM looks ORDER BY id")
    joined = _Joined()
    first: dict[bytes, int] = {}
    for id_, content, _, _ in rows:
        joined.join(first.setdefault(content, id_), id_)
    known = dict(catalog.read("SELECT id, taken FROM looks WHERE taken IS NOT NULL"))
    moments = {joined.least(id_): taken for id_, taken in known.items()}
    contents = {id_: content for id_, content, _, _ in rows}

    def order(pair: tuple[int, int]) -> tuple[int, list[bytes]]:
        return sum(one not in known for one in pair), sorted(contents[one] for one in pair)

    for a, b in sorted(catalog.read("SELECT a, b FROM same"), key=order):
        held = {moments[top] for top in (joined.least(a), joined.least(b)) if top in moments}
        if len(held) < 2:
            joined.join(a, b)
            moments |= {joined.least(a): one for one in held}
    pictures = {id_: joined.least(id_) for id_, *_ in rows}
    for a, b in _neighbors(catalog):
        joined.join(a, b)
    changed = [
        (pictures[id_], joined.least(id_), id_)
        for id_, _, picture, burst in rows
        if (picture, burst) != (pictures[id_], joined.least(id_))
    ]
    catalog.change("UPDATE looks SET picture = ?, burst = ? WHERE id = ?", changed)


def _neighbors(catalog: Catalog) -> list[tuple[int, int]]:
    """Pairs that were taken within `BURST` seconds and look alike; each is compared with the next 32 in time."""
    asked = (
        "SELECT id, taken, signature FROM looks WHERE taken IS NOT NULL AND length(signature) = ? ORDER BY taken, id"
    )
    rows = catalog.read(asked, (BYTES,))
    if not rows:
        return []
    ids, times = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    held = np.frombuffer(b"".join(row[2] for row in rows), np.uint8).reshape(-1, BYTES)
    found: list[tuple[int, int]] = []
    for step in range(1, min(_NEXT, len(rows) - 1) + 1):
        near = np.flatnonzero(times[step:] - times[:-step] <= BURST)
        if not len(near):
            break
        near = near[look_alike(held[near], held[near + step])]
        found += zip(ids[near].tolist(), ids[near + step].tolist(), strict=True)
    return found


class _Joined:
    """Things that are one, each known by the least of its group."""

    def __init__(self) -> None:
        self._up: dict[int, int] = {}

    def least(self, one: int) -> int:
        top = one
        while (up := self._up.get(top, top)) != top:
            top = up
        while (up := self._up.get(one, one)) != top:
            self._up[one], one = top, up
        return top

    def join(self, a: int, b: int) -> None:
        low, high = sorted((self.least(a), self.least(b)))
        self._up[high] = low


def keys(catalog: Catalog, items: Sequence[Item]) -> dict[int, Any]:
    """What is equal for items of one group, by their ids: of pictures their burst, else their content."""
    rows = catalog.among("SELECT id, burst FROM looks WHERE burst IS NOT NULL AND id IN", [item.id for item in items])
    bursts = dict(rows)
    return {item.id: bursts.get(item.id, item.content or item.name) for item in items}


def others(catalog: Catalog, folder: Path, items: Sequence[Item]) -> dict[int, dict[str, list[str]]]:
    """By id the names of the files that are the same as an item, by level; of those that are there.

    `copies` have the same bytes, `same_picture` shows the same, `burst` was taken within seconds and looks alike.
    """
    looks = "SELECT id, picture, burst FROM looks WHERE burst IS NOT NULL AND"
    mine = {row[0]: row[1:] for row in catalog.among(f"{looks} id IN", [item.id for item in items])}
    kin = {row[0]: row[1:] for row in catalog.among(f"{looks} burst IN", [burst for _, burst in mine.values()])}
    same = catalog.among("SELECT id, id FROM items WHERE content IN", [item.content for item in items if item.content])
    held = catalog.by_id({*kin, *(row[0] for row in same)})
    alike: dict[Any, list[Item]] = defaultdict(list)
    for one in sorted(held.values(), key=lambda one: one.name):
        if one.state == "searchable" and (folder / one.name).exists():
            alike[one.content].append(one)
            if one.id in kin:
                alike[kin[one.id][1]].append(one)
    found: dict[int, dict[str, list[str]]] = {}
    for item in items:
        levels: dict[str, list[str]] = {}
        picture, burst = mine.get(item.id, (None, None))
        for one in {one.id: one for key in (item.content, burst) for one in alike.get(key, ())}.values():
            if one.id != item.id:
                equal, shows = one.content == item.content, kin.get(one.id, (0,))[0] == picture
                levels.setdefault("copies" if equal else "same_picture" if shows else "burst", []).append(one.name)
        found[item.id] = levels
    return found


def duplicates(catalog: Catalog, folder: Path) -> list[dict[str, Any]]:
    """Every group of more than one file that is there: the largest, as `file`, and the others by level."""
    many = (
        "SELECT id FROM looks WHERE burst IN (SELECT burst FROM looks GROUP BY burst HAVING COUNT(*) > 1) "
        "UNION SELECT id FROM items WHERE content IN (SELECT content FROM items WHERE state = 'searchable' "
        "GROUP BY content HAVING COUNT(*) > 1)"
    )
    items = [one for one in catalog.by_id(row[0] for row in catalog.read(many)).values() if one.state == "searchable"]
    items = [one for one in items if (folder / one.name).exists()]
    alike = keys(catalog, items)
    best: dict[Any, Item] = {}
    for item in sorted(items, key=lambda one: (-one.facts.get("size", 0), one.name)):
        best.setdefault(alike[item.id], item)
    named = others(catalog, folder, list(best.values()))
    found = [{"file": item.name, **named[item.id]} for item in best.values() if named[item.id]]
    return sorted(found, key=lambda one: str(one["file"]))
