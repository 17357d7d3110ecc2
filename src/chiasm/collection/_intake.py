"""How a collection takes in what lies in its folder: what is new is waiting, then searchable or failed."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm import scale
from chiasm.collection import _passed
from chiasm.collection._catalog import Catalog, Item
from chiasm.collection._gallery import packed
from chiasm.collection._moments import key_of, keys_of, rows_of
from chiasm.collection._said import Said
from chiasm.collection._scan import scan
from chiasm.collection._table import Plan, scan_table
from chiasm.data.text_file import as_text
from chiasm.errors import ChiasmError
from chiasm.index import Index
from chiasm.media.clips import probe
from chiasm.media.images import MediaError, Note
from chiasm.media.taken import taken
from chiasm.media.windows import windows
from chiasm.scale import Progress
from chiasm.views import Column, Views
from chiasm.where import fitting

__all__ = ["Beside", "Redated", "content_of", "look_again", "redate", "take_in"]

_BATCH = 128
_LONGEST = 10_000
"""Characters of a caption that are kept: the rest of a longer text is not searched."""


class Beside(NamedTuple):
    """What stands beside each file, by its name."""

    captions: Mapping[str, Path | None]
    """The same-named text."""
    rows: Mapping[str, Mapping[str, Any]]
    """What its row of a table says."""


class Redated(NamedTuple):
    """A file whose bytes are as they were and whose time has changed."""

    item: Item
    stamp: str


def look_again(
    catalog: Catalog, folder: Path, views: Mapping[str, str], retry: bool, progress: Progress | None
) -> tuple[list[int], Beside, list[Redated]]:
    """Compare the folder with the ledger: what is new or changed waits, what was moved has its new name.

    Args:
        views: name -> modality of those that are indexed. retry: what failed waits again.

    Returns the index's keys of what is gone, of which the ledger knows no more; what stands beside each file; and the
    files of which only the time is another, for `redate`.
    """
    rows: dict[str, dict[str, Any]] = {}
    if plan := catalog.fact("table"):
        found, notes, rows = scan_table(Plan(*plan), folder)
    else:
        found, notes = scan(folder, folder, views.values())
    known, here = catalog.stamps(), {one.name: one for one in found}
    if known and not any(one.there for one in found):
        raise ChiasmError(
            f"{folder} holds none of the {len(known)} files that were seen in it: mount it. Nothing was forgotten; "
            "where they are gone for good, remove the index."
        )
    gone = {id_: name for name, (id_, _, _) in known.items() if name not in here}
    fresh = [one for one in found if one.name not in known]
    other = [one for one in found if one.name in known and known[one.name][1] != one.stamp]
    lost = {item.content: item.id for item in catalog.by_id(gone).values() if item.content} if fresh else {}
    before = catalog.by_id(known[one.name][0] for one in other)
    by_kind = {kind: name for name, kind in views.items()}
    changes: list[dict[str, Any]] = []
    asked = other + (fresh if lost else [])
    contents = {}
    for place, one in enumerate(asked, 1):
        contents[one.name] = content_of(folder / one.name)
        if progress is not None:
            progress("files that changed", place, len(asked))
    moved: list[int] = []
    for one in fresh:
        same = lost.pop(contents.get(one.name, b""), None)
        if same is not None:
            moved.append(same)
            changes.append({"id": same, "name": one.name, "stamp": one.stamp, "state": "waiting"})
        else:
            facts = {"name": one.name, "view": by_kind[one.modality], "stamp": one.stamp, "state": "waiting"}
            changes.append(facts)
    redated: list[Redated] = []
    for one in other:
        item = before[known[one.name][0]]
        same_bytes = item.content and contents[one.name] == item.content
        untouched = same_bytes and one.caption is None and not item.facts.get("caption")
        untouched = untouched and item.facts.get("row") == rows.get(one.name)
        if untouched and item.state == "searchable":
            redated.append(Redated(item, one.stamp))
        else:
            changes.append({"id": item.id, "stamp": one.stamp, "state": "waiting"})
    if retry:
        changes += [{"id": item.id, "state": "waiting"} for item in catalog.items("state = 'failed'")]
    left = [id_ for id_ in gone if id_ not in moved]
    keys = [key for item in catalog.by_id(left).values() for key in keys_of(item)]
    catalog.drop(left)
    catalog.put(changes)
    _passed.put(catalog, notes)
    seen = {"new": len(fresh) - len(moved), "changed": len(other), "moved": len(moved), "gone": len(left)}
    catalog.set(looked=dt.datetime.now().isoformat(timespec="seconds"), changes=seen)
    return keys, Beside({one.name: one.caption for one in found}, rows), redated


def redate(
    catalog: Catalog,
    model: Any,
    folder: Path,
    columns: Mapping[str, str],
    engine: Callable[[str], Index],
    said: Said,
    redated: list[Redated],
) -> None:
    """Keep the new times of files whose bytes are as they were: into the indexes first, then the ledger says so."""
    for start in range(0, len(redated), _BATCH):
        some = redated[start : start + _BATCH]
        changes = []
        for view in dict.fromkeys(one.item.view for one in some):
            index, items, facts = engine(view), [], []
            for item, mark in some:
                if item.view != view:
                    continue
                now = _facts(folder, item.name, model.views_[view], columns, None, "utf-8")
                row = {name: value for name, value in item.facts.get("row", {}).items() if value is not None}
                items.append(item)
                facts.append({**item.facts, **now, **row})
                changes.append({"id": item.id, "stamp": mark, "facts": facts[-1]})
            of = {key: told for item, told in zip(items, facts, strict=True) for key in keys_of(item)}
            keys, vectors = index.vectors(list(of))
            index.update(keys.tolist(), vectors, fitting((of[key] for key in keys.tolist()), columns))
            said.put(view, [item.id for item in items], facts)
        catalog.put(changes)


def take_in(
    catalog: Catalog,
    model: Any,
    folder: Path,
    columns: Mapping[str, str],
    engine: Callable[[str], Index],
    beside: Beside,
    said: Said,
    progress: Progress | None,
) -> None:
    """Encode what is waiting, then what is mapped, some at a time: into the index first, then the ledger says so."""
    waits = sum(n for (state, _), n in catalog.counts().items() if state == "waiting")
    total, done = waits + catalog.mapped(), 0
    for condition in ("state = 'waiting'", "id IN (SELECT id FROM mapped)"):
        last = 0
        while items := catalog.items(f"{condition} AND id > ?", [last], _BATCH):
            last = items[-1].id
            for view in dict.fromkeys(item.view for item in items):
                some = [item for item in items if item.view == view]
                _take_in(catalog, model, folder, columns, engine(view), view, some, beside, said)
            done += len(items)
            if progress is not None:
                progress("files", done, max(total, done))


def _take_in(
    catalog: Catalog,
    model: Any,
    folder: Path,
    columns: Mapping[str, str],
    index: Index,
    view: str,
    items: list[Item],
    beside: Beside,
    said: Said,
) -> None:
    names = [item.name for item in items]
    contents = [content_of(folder / name) for name in names]
    window = (catalog.fact("windows") or {}).get(view)
    spelled = catalog.fact("encoding") or "utf-8"
    facts = [_facts(folder, name, model.views_[view], columns, beside.captions.get(name), spelled) for name in names]
    for held, name in zip(facts, names, strict=True):
        if row := beside.rows.get(name):
            held |= {**{column: value for column, value in row.items() if value is not None}, "row": row}
    said.read(folder, model.views_[view], items, contents, facts)
    paths = [str(folder / name) for name in names]
    if model.views_[view] == "video":
        for held, pixels in zip(facts, scale.threads(_pixels, paths), strict=True):
            held |= {"pixels": pixels} if pixels else {}
    views = Views({view: Column(model.views_[view], paths, labels=names)}, ids=np.array(names, dtype=object))
    views = windows(views, view, window) if window else views
    column, leading, report = model.placed(view, views)
    why = {label: note for _, label, note in report.notes if note.skipped}
    odd = {label: note for _, label, note in reversed(report.notes) if not note.skipped}
    place = {item: at for at, item in enumerate(column.used.tolist())}
    keys, found, known = [], [], []
    changes = []
    for at, (item, mine) in enumerate(zip(items, rows_of(views, names), strict=True)):
        read = [(part, row) for part, row in enumerate(mine) if column.index[row] >= 0]
        labels = [views[view].label(int(views[view].index[row])) for row in mine]
        note = facts[at].pop("odd", None) or next((odd[label] for label in labels if label in odd), Note("", ""))
        if len(mine) > 1:
            facts[at]["cut"] = [float(views.facts["end"][mine[-1]]), window]
        change: dict[str, Any] = {"id": item.id, "content": contents[at], "facts": facts[at]}
        if read:
            first = place[int(column.index[read[0][1]])]
            kept = packed(leading["names"][first], leading["shares"][first]) if leading and len(mine) == 1 else b""
            if lost := len(mine) - len(read):
                note = Note("moments_unread", f"{lost} of {len(mine)} moments could not be read")
            change |= {"state": "searchable", "code": note.code, "message": note.message, "leading": kept}
            keys += [key_of(item.id, part) for part, _ in read]
            found += [int(column.index[row]) for _, row in read]
            known += [at] * len(read)
        else:
            failed = next((why[label] for label in labels if label in why), None)
            code, message = (failed.code, failed.message) if failed else ("unread", "could not be read")
            change |= {"state": "failed", "code": code, "message": message}
        changes.append(change)
    index.delete(list({key for item in items for key in keys_of(item)} - set(keys)))  # of what it was before it changed
    if keys:
        index.update(keys, np.asarray(column.items[np.array(found)]), fitting((facts[at] for at in known), columns))
    there = [at for at, change in enumerate(changes) if change["state"] == "searchable"]
    said.put(view, [items[at].id for at in there], [facts[at] for at in there])
    said.delete(view, [item.id for item, change in zip(items, changes, strict=True) if change["state"] == "failed"])
    catalog.put(changes)


def content_of(file: Path) -> bytes:
    """A hash of a file's bytes; empty for one that cannot be read."""
    try:
        with open(file, "rb") as held:
            return hashlib.file_digest(held, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError:
        return b""


def _pixels(film: str) -> list[int]:
    """Width and height of a video as it is shown; nothing where it has no picture, or cannot be opened."""
    try:
        facts = probe(film)
    except MediaError:
        return []
    return [round(facts.height * facts.aspect), facts.height] if facts.aspect else []


def _facts(
    folder: Path, name: str, kind: str, columns: Mapping[str, str], caption: Path | None, encoding: str
) -> dict[str, Any]:
    """What is known of a file beside its content; under `odd` a note, where its caption cannot be read."""
    facts: dict[str, Any] = {"path": name, "kind": kind}
    try:
        told = os.stat(folder / name)
    except OSError:
        return facts
    try:
        when = dt.datetime.fromtimestamp(told.st_mtime).isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):  # in a year that no date has
        when = None
    facts |= {"size": told.st_size, "modified": when, "date": when}
    if kind == "image":
        noted = taken(folder / name, place="latitude" in columns)
        facts |= {"date": noted.get("taken", when), **noted}
    if caption is not None:
        try:
            with open(folder / caption, "rb") as file:
                said = as_text(file, encoding).read(_LONGEST + 1)
            facts["caption"] = "\n".join(line.strip() for line in said[:_LONGEST].split("\n") if line.strip())
            if len(said) > _LONGEST:
                told_of = f"{caption.name} has more than {_LONGEST:,} characters: the first {_LONGEST:,} are searched"
                facts["odd"] = Note("caption_cut", told_of)
        except UnicodeDecodeError:
            said = f"{caption.name} is not {encoding} text: save it as UTF-8, or name the encoding (gb18030 is one)"
            facts["odd"] = Note("caption_unread", said)
        except OSError as error:
            facts["odd"] = Note("caption_unread", f"{caption.name} cannot be read ({error.strerror})")
    return facts
