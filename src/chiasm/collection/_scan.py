"""What lies in a folder now: each medium with its stamp, and what was passed over, with the reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from chiasm.collection._damage import away
from chiasm.data.cells import composed
from chiasm.data.folder import modality_of, walk
from chiasm.data.notes import Noted
from chiasm.errors import ChiasmError
from chiasm.media.images import Note

__all__ = ["IGNORED", "Found", "scan", "stamp"]

IGNORED = ".chiasmignore"
"""The file at the top of a folder that says what is passed over, in the manner of .gitignore."""

COMPANIONS = ((".aae", ".xmp", ".thm", ".lrv"), ("thumbs.db", "desktop.ini", "ehthumbs.db"))
"""Endings and names of what editors, cameras and systems leave beside pictures."""

LIVE, LIVE_BYTES = (".heic", ".heif", ".jpg", ".jpeg"), 16 << 20
"""A .mov of a Live Photo lies beside a picture of its name and lasts three seconds: at most so many bytes."""

RAW = (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw")


UNREADABLE = "unreadable"
"""The stamp of a file that is not there, or in a folder that may not be entered."""


class Found(NamedTuple):
    """A file that a model can search."""

    name: str
    """Its path below the folder, with / between the parts."""
    modality: str
    stamp: str
    caption: Path | None
    """The same-named text beside it."""

    @property
    def there(self) -> bool:
        """Whether it could be looked at."""
        return not self.stamp.startswith(UNREADABLE)


def scan(folder: Path, root: Path, modalities: Iterable[str]) -> tuple[list[Found], list[Noted]]:
    """Every file below a folder that is of one of the modalities, sorted by name; and notes on all others.

    Raises a ChiasmError for a folder that is not there, or cannot be read.
    """
    if not folder.is_dir():
        raise ChiasmError(away(folder))
    wanted, ignored = set(modalities), _ignored(folder)
    notes: list[Noted] = []
    movies: list[Path] = []
    walked: list[Noted] = []
    media: list[tuple[Path, str]] = []
    texts: dict[str, Path] = {}
    raw: list[Path] = []
    for path in walk(folder, root, walked):
        if odd := _odd(folder / path):
            notes.append(("", ascii(str(path)), odd))
            continue
        if ignored is not None and ignored.match_file(path.as_posix()):
            notes.append(("", str(path), Note("ignored", f"named in {IGNORED}", skipped=True)))
            continue
        kind = modality_of(path.name)
        if path.suffix.lower() == ".mov":
            movies.append(path)
        elif kind in wanted:
            media.append((path, str(kind)))
        elif path.suffix.lower() == ".txt":
            texts[_stem(path)] = path
        elif path.suffix.lower() in RAW and "image" in wanted:
            raw.append(path)
        else:
            notes.append(("", str(path), _unwanted(path)))
    stills = {_stem(path) for path, _ in media if path.suffix.lower() in LIVE}
    for path in movies:
        if _stem(path) in stills and _size(folder / path) <= LIVE_BYTES:
            notes.append(("", str(path), Note("live", "moves the picture of its name: a Live Photo", skipped=True)))
        elif "video" in wanted:
            media.append((path, "video"))
        else:
            notes.append(("", str(path), _unwanted(path)))
    notes += [("", name, _from_walk(folder, Path(name), note)) for _, name, note in walked]
    stems = {_stem(path) for path, _ in media}
    for path in raw:
        beside = _stem(path) in stems
        said = "a raw file; the picture of its name beside it is read" if beside else "a raw file: export it as JPEG"
        notes.append(("", str(path), Note("raw", said, skipped=True)))
    for stem, path in texts.items():
        if stem not in stems:
            said = "a text whose name no picture, sound or video has"
            notes.append(("", str(path), Note("lone_text", said, skipped=True)))
    found = []
    for path, kind in media:
        caption = texts.get(_stem(path))
        mark = stamp(folder / path) + (f"+{stamp(folder / caption)}" if caption else "")
        found.append(Found(path.as_posix(), kind, mark, caption))
    return sorted(found), notes


def _stem(path: Path) -> str:
    """What same-named files share."""
    return composed(str(path.with_suffix("")))


def _unwanted(path: Path) -> Note:
    """Why a file is passed over whose kind the model does not read."""
    endings, names = COMPANIONS
    if path.suffix.lower() in endings or path.name.lower() in names:
        return Note("companion", "left by an editor, a camera or a system beside pictures", skipped=True)
    kind = modality_of(path.name)
    message = f"holds {kind}, which the model does not read" if kind else "no picture, sound or video"
    return Note("other_kind", message, skipped=True)


def _from_walk(folder: Path, path: Path, note: Note) -> Note:
    """What walking said, with codes of their own for what is hidden and for links that lead nowhere or out."""
    if path.name.startswith("."):
        return Note("hidden", "a hidden file or folder", skipped=True)
    if note.code == "link" and not (folder / path).exists():
        return Note("broken_link", "a link that leads nowhere", skipped=True)
    if note.code == "link" and not (folder / path).resolve().is_relative_to(folder.resolve()):
        return Note("outside", "a link out of the folder", skipped=True)
    return note


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


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


def stamp(path: Path) -> str:
    """Size and time of a file: what has the same is not read again."""
    try:
        facts = os.stat(path)
    except OSError:
        return UNREADABLE
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
