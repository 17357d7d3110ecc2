"""A folder of media as a table: a row for every picture, sound and video below it, and a note for every other file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from chiasm.data.cells import composed
from chiasm.data.notes import Noted, sentences
from chiasm.data.text_file import text_of
from chiasm.errors import ChiasmError
from chiasm.media.clips import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from chiasm.media.images import HEIC_SUFFIXES, IMAGE_SUFFIXES, Note, reads_heic

__all__ = ["modality_of", "read_folder", "walk"]

_SUFFIXES = {"image": IMAGE_SUFFIXES, "audio": AUDIO_SUFFIXES, "video": VIDEO_SUFFIXES}
_HEAD = 64 << 10


def modality_of(name: str) -> str | None:
    """What a file holds, by its suffix: "image", "audio" or "video"; None for any other."""
    return next((kind for kind, suffixes in _SUFFIXES.items() if name.lower().endswith(suffixes)), None)


def read_folder(
    folder: Path, encoding: str, root: Path, named: Sequence[str] = ()
) -> tuple[dict[str, list], list[Noted]]:
    """The media below a folder as columns id, path, and text (same-named .txt) or class (subfolder); and notes.

    Where there are pictures, sounds and videos side by side, same-named files are one row of columns image, audio and
    video, instead of path; several of one kind with one name are each a row of its own. Every file is in a row, gave a
    row its text, or is in the notes.

    Args:
        folder: what is read. encoding: of its texts. root: the folder that no link may lead out of.
        named: the columns that will be asked for, none for all. Texts are read where they are among them; where "class"
            is, files that lie in no subfolder have none; where a kind is ("image"), it is another name of "path".
    """
    notes: list[Noted] = []
    files: list[Path] = []
    others: list[Path] = []
    for path in walk(folder, root, notes):
        kind = modality_of(path.name)
        if kind == "image" and path.name.lower().endswith(HEIC_SUFFIXES) and not reads_heic():
            notes.append(("", str(path), Note("heic", "HEIC: pip install 'chiasm[heic]'", skipped=True)))
        else:
            (files if kind else others).append(path)
    if not files:
        every = ", ".join(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes[:4])
        notes += [_other(path) for path in others]
        found = f" ({'; '.join(sentences(notes))})" if notes else ""
        raise ChiasmError(f"no pictures, sounds or videos ({every}, ...) below {folder}{found}.")
    files.sort(key=lambda path: (folder / path).is_symlink())  # of equal files the one that is no link is the first
    notes += _copies(folder, files)
    kinds = [str(modality_of(p.name)) for p in files]
    if len(set(kinds)) == 1:
        rows = [(str(p), p, {"path": str(p)}) for p in files]
    else:
        rows = _side_by_side(files, kinds, notes)
    columns = ["path"] if len(set(kinds)) == 1 else [kind for kind in _SUFFIXES if kind in kinds]
    cells: dict[str, list] = {"id": [composed(name) for name, _, _ in rows]}
    cells |= {column: [held.get(column) for _, _, held in rows] for column in columns}
    if columns == ["path"] and kinds[0] in named:
        cells[kinds[0]] = cells["path"]
    written = _texts(others)
    stems = [_stem(p) for _, p, _ in rows]
    captions = {stem: written[stem] for stem in dict.fromkeys(stems) if stem in written}
    if captions and (not named or "text" in named):
        told = _captions(folder, captions, encoding, notes)
        cells["text"] = [told.get(stem) for stem in stems]
    elif not captions or "class" in named:
        classes = [p.parts[0] if len(p.parts) > 1 else None for _, p, _ in rows]
        if ("class" in named and any(classes)) or (all(classes) and len(set(classes)) > 1):
            cells["class"] = classes
            alone = Note("no_class", "lies in no subfolder: it has no class")
            notes += [("", str(p), alone) for _, p, _ in rows if len(p.parts) == 1]
    used = set(captions.values())
    return cells, notes + [_other(path) for path in others if path not in used]


def walk(folder: Path, root: Path, notes: list[Noted]) -> Iterator[Path]:
    """Every file below a folder, relative to it, links followed where they stay below the root; the rest in notes."""
    top = Path(os.path.realpath(root))
    waiting: list[tuple[Path, bool]] = [(Path(), False)]
    entered: set[str] = set()
    while waiting:
        here, linked = waiting.pop(0)
        real = os.path.realpath(folder / here)
        if real in entered:
            notes.append(("", str(here), Note("link", "a link to a folder that is read already", skipped=True)))
            continue
        entered.add(real)
        try:
            with os.scandir(folder / here) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not here.parts:
                raise ChiasmError(f"no permission to read the folder {folder} ({error.strerror}).") from None
            message = f"a folder that cannot be read ({error.strerror})"
            notes.append(("", f"{here}/", Note("denied", message, skipped=True)))
            continue
        below: list[tuple[Path, bool]] = []
        for entry in entries:
            path = here / entry.name
            if entry.name.startswith("."):
                notes.append(("", str(path), Note("other_kind", "hidden", skipped=True)))
            elif entry.is_symlink() and (trouble := _led(folder / path, top)):
                notes.append(("", str(path), Note("link", trouble, skipped=True)))
            elif entry.is_dir():
                below.append((path, linked or entry.is_symlink()))
            else:
                yield path
        # Folders in the order of their names, those that links lead to last: what lies here itself is read as that.
        waiting = [w for w in below if not w[1]] + waiting + [w for w in below if w[1]]


def _led(link: Path, top: Path) -> str:
    """What is wrong with where a link leads; "" where nothing is."""
    real = os.path.realpath(link)
    if not os.path.exists(real):
        return "a link that leads nowhere"
    if not Path(real).is_relative_to(top):
        return f"a link out of {top}: root={os.path.commonpath([real, top])!r} lets it lead there"
    return ""


def _side_by_side(files: list[Path], kinds: list[str], notes: list[Noted]) -> list[tuple[str, Path, dict[str, str]]]:
    """(id, a path, kind -> path) of every row: same-named files of different kinds are one, as far as that is clear."""
    by_stem: dict[str, dict[str, list[Path]]] = {}
    for path, kind in zip(files, kinds, strict=True):
        by_stem.setdefault(_stem(path), {}).setdefault(kind, []).append(path)
    rows = []
    for stem, held in by_stem.items():
        alone = {kind: paths[0] for kind, paths in held.items() if len(paths) == 1}
        several = [path for paths in held.values() if len(paths) > 1 for path in paths]
        if alone:
            rows.append((stem, next(iter(alone.values())), {kind: str(path) for kind, path in alone.items()}))
        rows += [(str(path), path, {str(modality_of(path.name)): str(path)}) for path in several]
        if alone and several:
            message = f"stands without {', '.join(str(path) for path in several)}: several have its name"
            notes += [("", str(path), Note("unpaired", message)) for path in alone.values()]
    return rows


def _stem(path: Path) -> str:
    """What same-named files share."""
    return composed(str(path.with_suffix("")))


def _texts(files: list[Path]) -> dict[str, Path]:
    """The texts by what same-named files share."""
    texts: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() == ".txt":
            texts.setdefault(_stem(path), path)
    return texts


def _other(path: Path) -> Noted:
    if path.suffix.lower() == ".txt":
        return "", str(path), Note("lone_text", "a text whose name no picture, sound or video has", skipped=True)
    return "", str(path), Note("other_kind", "no picture, sound or video", skipped=True)


def _copies(folder: Path, files: list[Path]) -> list[Noted]:
    """A note for each file whose bytes are those of one before it; only files of equal size are read."""
    sizes: dict[int, list[Path]] = {}
    for path in files:
        try:
            facts = os.stat(folder / path)
        except OSError:
            continue
        if facts.st_size and (facts.st_mode & 0o170000) == 0o100000:
            sizes.setdefault(facts.st_size, []).append(path)
    notes: list[Noted] = []
    for size, alike in sizes.items():
        for most in (_HEAD, None) if size > _HEAD else (None,):
            by_bytes: dict[bytes, list[Path]] = {}
            for path in alike if len(alike) > 1 else ():
                by_bytes.setdefault(_digest(folder / path, most), []).append(path)
            alike = [path for same in by_bytes.values() if len(same) > 1 for path in same]
        first = {path: same[0] for same in by_bytes.values() for path in same[1:]}
        notes += [("", str(p), Note("copy", f"the same bytes as {first[p]}")) for p in alike if p in first]
    return notes


def _digest(path: Path, most: int | None) -> bytes:
    """The hash of a file's bytes, or of its first `most`; of one that cannot be read, its path's."""
    try:
        with open(path, "rb") as file:
            if most is None:
                return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
            return hashlib.blake2b(file.read(most), digest_size=16).digest()
    except OSError:
        return b"unreadable " + os.fsencode(path)


def _captions(folder: Path, captions: Mapping[str, Path], encoding: str, notes: list[Noted]) -> dict[str, list[str]]:
    """The lines of the texts by what same-named files share; those that cannot be read are noted.

    Raises a ChiasmError where none can.
    """
    found: dict[str, list[str]] = {}
    lost: list[Noted] = []
    for stem, path in captions.items():
        try:
            lines = [line.strip() for line in text_of(folder / path, encoding).splitlines()]
            found[stem] = [line for line in lines if line]
        except UnicodeDecodeError:
            message = f"not {encoding} text: save it as UTF-8, or say encoding='gb18030' (or whichever it is)"
            lost.append(("", str(path), Note("encoding", message, skipped=True)))
        except OSError as error:
            lost.append(("", str(path), Note("denied", f"cannot be read ({error.strerror})", skipped=True)))
    if not found:
        raise ChiasmError(f"no text of {folder} can be read: {'; '.join(sentences(lost))}.")
    notes += lost
    return found
