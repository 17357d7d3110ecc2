"""Files of a folder that are no items: passed over with their reason, or part of one (the movie of a Live Photo)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from chiasm.collection._catalog import Catalog, Item
from chiasm.data.notes import Noted

__all__ = ["TABLES", "beside", "counts", "listed", "put"]

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
    found: dict[int, dict[str, list[str]]] = {}
    for item in items:
        stem = str(PurePosixPath(item.name).with_suffix(""))
        ends = (f"{stem}.", f"{stem}/")  # / follows . : all that begins with the stem and a dot
        kin = catalog.read("SELECT name FROM items WHERE name >= ? AND name < ? AND view <> ?", (*ends, item.view))
        live = catalog.read("SELECT name FROM passed WHERE name >= ? AND name < ? AND code = 'live'", ends)
        told = {
            level: [name for (name,) in rows if _same(name, stem) and (folder / name).exists()]
            for level, rows in (("beside", kin), ("with", live))
        }
        found[item.id] = {level: names for level, names in told.items() if names}
    return found


def _same(name: str, stem: str) -> bool:
    return str(PurePosixPath(name).with_suffix("")) == stem
