"""What lies in a folder now: each medium with its stamp, and what was passed over, with the reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from chiasm.data.cells import composed
from chiasm.data.folder import modality_of, walk
from chiasm.data.notes import Noted
from chiasm.errors import ChiasmError
from chiasm.media.images import Note

__all__ = ["IGNORED", "Found", "scan"]

IGNORED = ".chiasmignore"
"""The file at the top of a folder that says what is passed over, in the manner of .gitignore."""

RAW = (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw")


class Found(NamedTuple):
    """A file that a model can search."""

    name: str
    """Its path below the folder, with / between the parts."""
    modality: str
    stamp: str
    caption: Path | None
    """The same-named text beside it."""


def scan(folder: Path, root: Path, modalities: Iterable[str]) -> tuple[list[Found], list[Noted]]:
    """Every file below a folder that is of one of the modalities, sorted by name; and notes on all others.

    Raises a ChiasmError for a folder that is not there, or cannot be read.
    """
    if not folder.is_dir():
        raise ChiasmError(f"the folder {folder} is not there: mount it, or move it back.")
    wanted, ignored = set(modalities), _ignored(folder)
    notes: list[Noted] = []
    media: list[tuple[Path, str]] = []
    texts: dict[str, Path] = {}
    raw: list[Path] = []
    for path in walk(folder, root, notes):
        if odd := _odd(folder / path):
            notes.append(("", ascii(str(path)), odd))
            continue
        if ignored is not None and ignored.match_file(path.as_posix()):
            notes.append(("", str(path), Note("ignored", f"named in {IGNORED}", skipped=True)))
            continue
        kind = modality_of(path.name)
        if kind in wanted:
            media.append((path, str(kind)))
        elif path.suffix.lower() == ".txt":
            texts[composed(str(path.with_suffix("")))] = path
        elif path.suffix.lower() in RAW and "image" in wanted:
            raw.append(path)
        else:
            message = f"holds {kind}, which the model does not read" if kind else "no picture, sound or video"
            notes.append(("", str(path), Note("other_kind", message, skipped=True)))
    stems = {composed(str(path.with_suffix(""))) for path, _ in media}
    for path in raw:
        beside = composed(str(path.with_suffix(""))) in stems
        said = "a raw file; the picture of its name beside it is read" if beside else "a raw file: export it as JPEG"
        notes.append(("", str(path), Note("raw", said, skipped=True)))
    for stem, path in texts.items():
        if stem not in stems:
            said = "a text whose name no picture, sound or video has"
            notes.append(("", str(path), Note("lone_text", said, skipped=True)))
    found = []
    for path, kind in media:
        caption = texts.get(composed(str(path.with_suffix(""))))
        stamp = _stamp(folder / path) + (f"+{_stamp(folder / caption)}" if caption else "")
        found.append(Found(path.as_posix(), kind, stamp, caption))
    return sorted(found), notes


def _odd(path: Path) -> Note | None:
    """Why a file is not even looked at: its name is no text, or it is no file (a pipe, a device)."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Note("name", "its name is not UTF-8: rename it", skipped=True)
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return None
    return None if regular else Note("no_file", "a pipe or a device", skipped=True)


def _stamp(path: Path) -> str:
    try:
        facts = os.stat(path)
    except OSError:
        return "unreadable"
    return f"{facts.st_size}-{facts.st_mtime_ns}"


def _ignored(folder: Path) -> Any:
    """The patterns of the ignore file, or None."""
    file = folder / IGNORED
    if not file.is_file():
        return None
    import pathspec

    try:
        return pathspec.GitIgnoreSpec.from_lines(file.read_text(encoding="utf-8").splitlines())
    except (ValueError, UnicodeDecodeError) as error:
        raise ChiasmError(f"{file} cannot be read as patterns of what to ignore: {error}.") from None
