"""Files of a folder that are no items: passed over with their reason, or part of one (the movie of a Live Photo)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from chiasm.collection._catalog import Catalog, Item
from chiasm.data.notes import Noted

__all__ = ["TABLES", "beside", "counts", "listed", "put"]

_MANY = 500

TABLES = ("CREATE TABLE passed (name TEXT PRIMARY KEY, code TEXT, message TEXT) WITHOUT ROWID",)


def put(catalog: Catalog, notes: Iterable[Noted]) -> None:
    """What was passed over at a look, instead of what was before; what has not changed is not written."""
    now = {name: (note.code, note.message) for _, name, note in notes}
    before = {name: told for name, *told in catalog.read("SELECT name, code, message FROM passed")}
    catalog.change("DELETE FROM passed WHERE name = ?", [(name,) for name in before if name not in now])
    new = [(name, *told) for name, told in now.items() if before.get(name) != list(told)]
    catalog.change("INSERT OR REPLACE INTO passed VALUES (?, ?, ?)", new)


def counts(catalog: Catalog) -> dict[str, int]:
    """How many files were passed over, by reason code."""
    return dict(catalog.read("SELECT code, COUNT(*) FROM passed GROUP BY code ORDER BY code"))


def listed(catalog: Catalog) -> list[dict[str, str]]:
    """The files that were passed over: name, code and message."""
    rows = catalog.read("SELECT name, code, message FROM passed ORDER BY name")
    return [dict(zip(("file", "code", "message"), row, strict=True)) for row in rows]


def beside(catalog: Catalog, folder: Path, items: Sequence[Item]) -> dict[int, dict[str, list[str]]]:
    """By id the files of an item's name: `beside` are items of other kinds, `with` the movie of a Live Photo."""
    stems = {item.id: str(PurePosixPath(item.name).with_suffix("")) for item in items}
    named = "CROSS JOIN {} AS held ON held.name >= low AND held.name < high"
    rows: list[tuple[int, str, str]] = []
    for start in range(0, len(items), _MANY):
        some = items[start : start + _MANY]
        # / follows . : between the two is all that begins with the stem and a dot
        asked = [value for item in some for value in (item.id, f"{stems[item.id]}.", f"{stems[item.id]}/", item.view)]
        rows += catalog.read(
            f"WITH asked(id, low, high, view) AS (VALUES {', '.join(['(?, ?, ?, ?)'] * len(some))}) "
            f"SELECT asked.id, 'beside', name FROM asked {named.format('items')} AND held.view <> asked.view "
            f"UNION ALL SELECT asked.id, 'with', name FROM asked {named.format('passed')} AND held.code = 'live'",
            asked,
        )
    found: dict[int, dict[str, list[str]]] = {item.id: {} for item in items}
    for id_, level, name in sorted(rows):
        if _same(name, stems[id_]) and os.path.exists(folder / name):
            found[id_].setdefault(level, []).append(name)
    return found


def _same(name: str, stem: str) -> bool:
    return str(PurePosixPath(name).with_suffix("")) == stem
