"""Where the paths of a table lead: below the root, as they stand or as another system would have spelled them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from chiasm.data.cells import EmptyError, composed, embedded
from chiasm.errors import ChiasmError
from chiasm.media.images import Note, OutsideError, check_path

__all__ = ["NOWHERE", "OddPathError", "Places"]

NOWHERE = "nowhere"
"""The reason code of a path out of the root at which there is nothing: what another machine calls a file."""

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Halves of characters that stand for no byte of a file's name."""
_MOVED = "were the files moved? Write paths as they lie below the table's folder or a root='DIR'"
_CAPITALS = "/"
"""Before a name without capitals; no name holds it."""
_MOST = 4096
"""Longer than any path."""
_ENCODINGS = ("gb18030", "big5", "shift_jis", "euc_kr", "latin-1")
"""Of names that are not UTF-8, such as those that a zip of Chinese Windows unpacks to."""


class OddPathError(ChiasmError):
    """A cell that names no file which may be read; `note` has the reason."""

    def __init__(self, message: str, note: Note):
        super().__init__(message)
        self.note = note


class Places:
    """Finds the files that cells mean, below `root` and nowhere else.

    A path is looked for below the first of the starts, then below the next; as it stands, then with backslashes as
    separators, with accents and with capitals as the folder has them, and with names that are not UTF-8 read as Windows
    wrote them (a table written on Windows or macOS, a zip of Chinese Windows).

    Args:
        root: what no path may leave, links followed. starts: the folders that paths are relative to.
        beside: the folder of the table, which an error may point to.
    """

    def __init__(self, root: Path, starts: Sequence[Path], beside: Path | None = None):
        self.root, self.starts, self.beside = root, list(dict.fromkeys(starts)), beside or starts[0]
        self._listed: dict[str, dict[str, str]] = {}

    @classmethod
    def of(cls, base: Path, root: Path | None, is_folder: bool) -> Places:
        """Of a table in the folder `base`, or of that folder itself; `root` as the caller named it.

        A wider root widens where links may lead: what is not there below it is looked for beside the table too.
        """
        if root is None:
            return cls(base, [base])
        root = root.expanduser()
        if not Path(os.path.realpath(base)).is_relative_to(os.path.realpath(root)):
            return cls(root, [root], base)
        return cls(root, [base] if is_folder else [root, base])

    def find(self, cell: str) -> tuple[str | bytes, bool]:
        """The path that a cell means, or the bytes that it holds as base64; and whether there is such a file.

        Raises an `OddPathError` for a URL, a damaged data: URI, what no path can be, and one out of the root.
        """
        try:
            return self._found(cell)
        except ChiasmError as error:
            raise OddPathError(str(error), self._reason(cell, error)) from None

    def _found(self, cell: str) -> tuple[str | bytes, bool]:
        spelled = unquote(cell[7:]) if cell[:8].lower() == "file:///" else cell
        first, trouble = None, None
        for start in self.starts if len(cell) <= _MOST and cell[:5].lower() != "data:" else ():
            try:
                path = check_path(spelled, self.root, start)
                first = first or path
                if os.path.lexists(path):
                    return str(path), True
                if (other := self._respelled(spelled, start)) is not None:
                    return str(check_path(other, self.root, start)), True
                if _climbs(spelled):  # with backslashes, which are letters here
                    check_path(spelled.replace("\\", "/"), self.root, start)
            except ChiasmError as error:
                trouble = trouble or error
        if (held := embedded(cell)) is not None:  # base64 has slashes, and may begin with one
            return held, True
        if trouble is not None:
            raise trouble
        return str(first or check_path(spelled, self.root)), False

    def _reason(self, cell: str, error: ChiasmError) -> Note:
        """Why a cell cannot be used."""
        if cell[:5].lower() == "data:":
            return Note("damaged_cell", "a damaged data: URI", skipped=True)
        cell = unquote(cell[7:]) if cell[:8].lower() == "file:///" else cell
        if "://" in cell[:16]:
            return Note("url", "a URL: download the media first", skipped=True)
        if "\0" in cell or len(cell.encode("utf-8", "surrogatepass")) > _MOST or _LONE.search(cell):
            return Note("no_path", "no path of a file", skipped=True)
        led = cell.replace("\\", "/") if _climbs(cell) else cell
        if isinstance(error, OutsideError) and (
            error.linked or any(os.path.lexists(start / led) for start in self.starts)
        ):
            message = (
                f"out of the data's folder {self.root}: move the file there, or name a wider root='DIR' ({error.both} "
                "holds both)"
            )
            return Note("outside", message, skipped=True)
        if isinstance(error, OutsideError) and _climbs(cell):
            return Note(NOWHERE, f"out of the data's folder {self.root}, and no file is there: {_MOVED}", skipped=True)
        return Note(NOWHERE, f"no such file: {_MOVED}", skipped=True)

    def _respelled(self, cell: str, start: Path) -> str | None:
        """The path below `start` that is there under a name of the same characters, else None."""
        if os.path.isabs(cell):
            cell = os.path.relpath(cell, start)
        parts = [part for part in re.split(r"[\\/]", cell.strip()) if part not in ("", ".")]
        if ".." in parts or not parts or _DRIVE.match(cell):
            return None
        here = os.fspath(start)
        for part in parts:
            names = self._names(here)
            name = names.get(composed(part)) or names.get(_CAPITALS + composed(part).casefold())
            if not name:
                return None
            here = os.path.join(here, name)
        return os.path.relpath(here, start)

    def _names(self, folder: str) -> dict[str, str]:
        """Composed name, and without its capitals, -> name of what lies in a folder below the root."""
        if folder not in self._listed:
            try:
                inside = Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(self.root))
                names = os.listdir(folder) if inside else []
            except OSError:
                names = []
            told: dict[str, str] = {}
            for name in sorted(names, key=_is_foreign):
                for spelled in _readings(name):
                    told.setdefault(composed(spelled), name)
            for spelled, name in list(told.items()):  # of two such names nobody knows which is meant
                key = _CAPITALS + spelled.casefold()
                told[key] = name if told.get(key, name) == name else ""
            self._listed[folder] = told
        return self._listed[folder]

    def nowhere(self, cells: Sequence[str], name: str) -> ChiasmError:
        """The error for a column none of whose files is there: where was looked, and what is the likeliest cause."""
        tried = ", ".join(str(self.starts[0] / cell)[:200] for cell in cells[:3])
        count = f"none of the {len(cells)} files" if len(cells) > 1 else "the one file"
        verb = "was found" if len(cells) > 1 else "was not found"
        return EmptyError(f"column {name!r}: {count} that it names {verb} (tried {tried}): {self._cause(cells[0])}.")

    def _cause(self, cell: str) -> str:
        if _DRIVE.match(cell):
            return (
                "these are paths of Windows with a drive: write them as they lie below the table's folder or root='DIR'"
            )
        if os.path.isabs(cell):
            return _MOVED
        parts = [part for part in re.split(r"[\\/]", cell) if part]
        if ".." not in parts:
            if self.beside not in self.starts and os.path.lexists(self.beside.joinpath(*parts)):
                return f"they are there below {self.beside}: leave root out"
            for folder in [above for start in self.starts for above in list(start.absolute().parents)[:3]]:
                if os.path.lexists(folder.joinpath(*parts)):
                    return f"they are there below {folder}: say root={str(folder)!r}"
            for start in self.starts:
                for skipped in range(1, len(parts)):
                    if os.path.lexists(start.joinpath(*parts[skipped:])):
                        lies = os.path.join(*parts[skipped:])
                        return f"{start} has {lies!r}: write the paths as they lie there, or move the files"
        back = " (their backslashes were tried as separators too)" if "\\" in cell else ""
        return f"name the folder that they lie below with root='DIR', or put back what was moved{back}"


def _climbs(cell: str) -> bool:
    """Whether a path goes up (..), by slashes or backslashes."""
    return ".." in re.split(r"[\\/]", cell)


def _is_foreign(name: str) -> bool:
    """Whether a file's name is not UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in name)


def _readings(name: str) -> list[str]:
    """What a file's name may say: itself, and where it is not UTF-8 what it says in other encodings."""
    if not _is_foreign(name):
        return [name]
    readings = [name]
    for encoding in _ENCODINGS:
        with contextlib.suppress(UnicodeDecodeError):
            readings.append(os.fsencode(name).decode(encoding))
    return readings
