"""Data that is shaped otherwise than what was learned from: other columns, a folder, one file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.data.folder import modality_of
from chiasm.data.read import read
from chiasm.data.table import A_FILE, read_table
from chiasm.errors import ChiasmError
from chiasm.views import Column, Views

__all__ = ["by_kind", "one_file", "other_columns", "other_kind", "spoken", "texts_of", "told_in"]

_CAPTIONS = ("caption", "captions", "text")
"""What a column of texts is mostly called."""


def by_kind(cells: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """Modality -> the column of a folder or an array that holds it."""
    found = {kind: kind for kind in ("image", "audio", "video", "text", "vector") if kind in cells}
    if "path" in cells and (kind := modality_of(cells["path"][0])):
        found[kind] = "path"
    return found


def one_file(place: Path, views: Mapping[str, str]) -> Views:
    """A row of one media file; a ChiasmError where there is none."""
    if not place.is_file():
        raise ChiasmError(f"no file {str(place)!r}: wanted a media file, a folder or a table.")
    held = {name: Column(kind, [str(place.resolve())], labels=[place.name]) for name, kind in views.items()}
    return Views(held, [place.name])


def other_kind(place: Path, view: str, modality: str, kind: str) -> ChiasmError:
    """The error for one media file of another kind than the view to search holds."""
    return ChiasmError(
        f"view {view!r} holds {modality}, and {place.name} is {A_FILE[kind]}: wanted a folder or a table with "
        f"{modality}, or {A_FILE[modality] if modality in A_FILE else 'a model of ' + kind}."
    )


def other_columns(
    data: str | os.PathLike[str], lacks: str, named: Mapping[str, str], cells: Mapping[str, Any], views: Iterable[str]
) -> ChiasmError:
    """The error for data whose columns are called otherwise: what was read from which, what there is, what to say."""
    of = ", ".join(f"{name} ({column})" if name != column else name for name, column in named.items())
    first = next(iter(named), next(iter(views), "VIEW"))
    return ChiasmError(
        f"{data} {lacks} that {of or ', '.join(views)} were read from at fit: it has {', '.join(cells)}. Say which of "
        f"these holds what (columns={{{first!r}: 'COL'}})."
    )


def spoken(views: Mapping[str, str], named: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The views of texts that were read from no column, by name: a model of pictures alone makes one by itself."""
    read = {name for held in named.values() for name in held}
    whole = [name for name, of in views.items() if of == "text" and name.rpartition(".")[0] not in views]
    return {name: name for name in whole if name not in read}


def told_in(cells: Mapping[str, Any], texts: Mapping[str, str], asked: Iterable[str]) -> dict[str, str]:
    """The columns of texts of a table, without those of views that nobody named and that it has no captions for.

    Args:
        texts: view -> column. asked: the views whose column was named, at fit or now.
    """
    named = set(asked)
    able = {name: [column, *([] if name in named else _CAPTIONS)] for name, column in texts.items()}
    found = {name: [column for column in columns if column in cells or name in named] for name, columns in able.items()}
    return {name: columns[0] for name, columns in found.items() if columns}


def texts_of(folder: Path, view: str, encoding: str) -> Views:
    """The captions in a folder, as one view; a ChiasmError where it has none."""
    cells = read_table(folder, encoding, ["text"]).cells
    if "text" not in cells:
        kind = next(kind for kind in by_kind(cells) if kind in A_FILE)
        raise ChiasmError(
            f"view {view!r} holds texts, and no file below {folder} has a .txt of its name: to search its files say so "
            f"(to={kind!r}), or name texts."
        )
    return read(folder, text={view: "text"}, encoding=encoding)
