"""Where the paths of a table lead: below the root, as they stand or as another system would have spelled them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from chiasm.data.cells import composed, embedded
from chiasm.errors import ChiasmError
from chiasm.media.images import check_path

__all__ = ["Places"]

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_MOST = 4096
"""Longer than any path."""
_ENCODINGS = ("gb18030", "big5", "shift_jis", "euc_kr", "latin-1")
"""Of names that are not UTF-8, such as those that a zip of Chinese Windows unpacks to."""


class Places:
    """Finds the files that cells mean, below `root` and nowhere else.

    A path is looked for below the first of the starts, then below the next; as it stands, then with backslashes as
    separators, with accents as the folder has them, and with names that are not UTF-8 read as Windows wrote them (a
    table written on another system, a zip of Chinese Windows).

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

        Raises a ChiasmError for a URL, a damaged data: URI, and a path that leads out of the root.
        """
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
            except ChiasmError as error:
                trouble = trouble or error
        if (held := embedded(cell)) is not None:  # base64 has slashes, and may begin with one
            return held, True
        if trouble is not None:
            raise trouble
        return str(first or check_path(spelled, self.root)), False

    def _respelled(self, cell: str, start: Path) -> str | None:
        """The path below `start` that is there under a name of the same characters, else None."""
        if os.path.isabs(cell):
            cell = os.path.relpath(cell, start)
        parts = [part for part in re.split(r"[\\/]", cell.strip()) if part not in ("", ".")]
        if ".." in parts or not parts or _DRIVE.match(cell):
            return None
        here = os.fspath(start)
        for part in parts:
            name = self._names(here).get(composed(part))
            if name is None:
                return None
            here = os.path.join(here, name)
        return os.path.relpath(here, start)

    def _names(self, folder: str) -> dict[str, str]:
        """Composed name -> name of what lies in a folder below the root."""
        if folder not in self._listed:
            try:
                inside = Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(self.root))
                names = os.listdir(folder) if inside else []
            except OSError:
                names = []
            self._listed[folder] = {}
            for name in sorted(names, key=_is_foreign):
                for spelled in _readings(name):
                    self._listed[folder].setdefault(composed(spelled), name)
        return self._listed[folder]

    def nowhere(self, cells: Sequence[str], name: str) -> ChiasmError:
        """The error for a column none of whose files is there: where was looked, and what is the likeliest cause."""
        tried = ", ".join(str(self.starts[0] / cell)[:200] for cell in cells[:3])
        count = f"none of the {len(cells)} files" if len(cells) > 1 else "the one file"
        verb = "was found" if len(cells) > 1 else "was not found"
        return ChiasmError(f"column {name!r}: {count} that it names {verb} (tried {tried}): {self._cause(cells[0])}.")

    def _cause(self, cell: str) -> str:
        if _DRIVE.match(cell):
            return "these are paths of Windows with a drive: write them as they lie below the table's folder or --root"
        if os.path.isabs(cell):
            return "were the files moved? Write paths as they lie below the table's folder or --root DIR"
        parts = [part for part in re.split(r"[\\/]", cell) if part]
        if ".." not in parts:
            if self.beside not in self.starts and os.path.lexists(self.beside.joinpath(*parts)):
                return f"they are there below {self.beside}: leave --root out"
            for folder in [above for start in self.starts for above in list(start.absolute().parents)[:3]]:
                if os.path.lexists(folder.joinpath(*parts)):
                    return f"they are there below {folder}: say --root {folder}"
            for start in self.starts:
                for skipped in range(1, len(parts)):
                    if os.path.lexists(start.joinpath(*parts[skipped:])):
                        lies = os.path.join(*parts[skipped:])
                        return f"{start} has {lies!r}: write the paths as they lie there, or move the files"
        back = " (their backslashes were tried as separators too)" if "\\" in cell else ""
        return f"name the folder that they lie below with --root DIR, or put back what was moved{back}"


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
