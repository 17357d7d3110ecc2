"""Names that a user has taught by pictures: how the catalog keeps them, and where the words of a query say them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from chiasm.collection._catalog import Catalog
from chiasm.data.folder import modality_of
from chiasm.errors import ChiasmError

__all__ = ["LONGEST_NAME", "Taught", "checked_name", "forgotten", "keep", "kept", "said"]

LONGEST_NAME = 60
"""Letters of a taught name."""
_SIGNS = ("+", "-", "−", "＋", "－")

_EVERYWHERE = frozenset(
    """a about an and are as at be but by for from has have he her his i in is it its my no not of off on one or our out
    she that the their them there these they this those to under up was we were what which who with you your
    的 了 在 是 和 有 我 你 他 她 它 们 这 那 不 也 与 或""".split()
)
"""Words that say how others belong together."""

_RUN_ON = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Letters of scripts that put no space between words: Thai, Lao, Khmer, Japanese, Chinese."""

_COLUMNS = "name, view, model, examples, vectors, direction, typical"


class Taught(NamedTuple):
    """A name and what its examples have in common, in the shared space of one model."""

    name: str
    view: str
    model: str
    """The digest of the model whose space it is."""
    examples: list[dict[str, str]]
    """Of each its `file` and its `content`, a hash of the bytes in hexadecimal."""
    vectors: np.ndarray
    """`(n, d)` of length 1, a row an example."""
    direction: np.ndarray
    """`(w,)` what they have in common, in the coordinates that carry meaning."""
    typical: float
    """The product with it of an example that it was not learned from."""


def checked_name(name: str) -> str:
    """A name as it is kept.

    Raises a ChiasmError for one that could not be found among words.
    """
    found = " ".join(unicodedata.normalize("NFC", name).split())
    if not found or not (found[0].isalnum() and found[-1].isalnum()) or len(found) > LONGEST_NAME:
        raise ChiasmError(
            "wanted a name that begins and ends with a letter or a digit, at most "
            f"{LONGEST_NAME} characters, got {name!r}."
        )
    if modality_of(found) or set('/\\*"“”「」') & set(found) or any(part in _SIGNS for part in found.split()):
        raise ChiasmError(
            f"wanted a name that words can hold, got {name!r}: no file's name, no quotes, slashes, * or lone + and -."
        )
    if len(found) == 1 and found.isascii():
        raise ChiasmError(f"wanted a name of more than one letter, got {name!r}: it would be found in most queries.")
    if found.casefold() in _EVERYWHERE:
        raise ChiasmError(f"wanted a name, got {name!r}, a word of most sentences: it would be found in most queries.")
    return found


def kept(catalog: Catalog) -> list[Taught]:
    """All names that are taught, in the order of the alphabet."""
    if not catalog.read("SELECT 1 FROM sqlite_master WHERE name = 'taught'"):
        return []
    rows = catalog.read(f"SELECT {_COLUMNS} FROM taught ORDER BY key")
    return [_read(*row) for row in rows]


def keep(catalog: Catalog, some: Iterable[Taught]) -> None:
    """Keep names, in place of those of the same letters; all or none."""
    catalog.change(
        "CREATE TABLE IF NOT EXISTS taught (key TEXT PRIMARY KEY, name TEXT, view TEXT, model TEXT, examples TEXT, "
        "vectors BLOB, direction BLOB, typical REAL)"
    )
    rows = []
    for one in some:
        arrays = (values.astype("<f4").tobytes() for values in (one.vectors, one.direction))
        told = (one.name, one.view, one.model, json.dumps(one.examples))
        rows.append((_folded(one.name)[0], *told, *arrays, one.typical))
    catalog.change(f"INSERT OR REPLACE INTO taught (key, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def forgotten(catalog: Catalog, name: str) -> None:
    """Forget a name."""
    catalog.change("DELETE FROM taught WHERE key = ?", [(_folded(name)[0],)])


def said(words: Any, names: Iterable[str]) -> tuple[list[str], Any]:
    """Which names are among some words, in the order of the words, and what the words are without them.

    The longest name first; upper case as lower case. A name is a whole word, but in scripts that put no space between
    words it may stand anywhere.

    >>> said("Rex's ball on a beach", ["rex"])
    (['rex'], 'ball on a beach')
    >>> said("旺财在海边", ["旺财"]), said("rexona", ["rex"])
    ((['旺财'], '在海边'), ([], 'rexona'))
    """
    folded, places = _folded(unicodedata.normalize("NFC", words))
    listed = sorted(names, key=lambda name: -len(name))
    if not listed:
        return [], words
    each = "|".join(f"(?P<n{i}>{_pattern(_folded(name)[0])})" for i, name in enumerate(listed))
    found, rest, last = [], [], 0
    plain = unicodedata.normalize("NFC", words)
    for match in re.finditer(rf"(?:{each})(?:['’]s(?!\w))?", folded):
        found.append(listed[int(str(match.lastgroup)[1:])])
        rest.append(plain[last : places[match.start()]])
        last = places[match.end()]
    if not found:
        return [], words
    left = " ".join("".join([*(f"{one} " for one in rest), plain[last:]]).split())
    return list(dict.fromkeys(found)), left if any(c.isalnum() for c in left) else ""


def _pattern(name: str) -> str:
    """A folded name as a whole word, with any space where it has one."""
    letter = rf"[^\W{_RUN_ON}]"
    before, after = rf"(?<!{letter})(?<!{letter}-)", rf"(?!-?{letter})"
    ends = [re.match(letter, end) for end in (name[0], name[-1])]
    inner = r"\s+".join(re.escape(word) for word in name.split())
    return (before if ends[0] else "") + inner + (after if ends[1] else "")


def _folded(text: str) -> tuple[str, list[int]]:
    """A text without its case, and of each of its characters, and of its end, where it was."""
    folded, places = [], []
    for place, character in enumerate(text):
        for one in character.casefold():
            folded.append(one)
            places.append(place)
    return "".join(folded), [*places, len(text)]


def _read(name: str, view: str, model: str, examples: str, vectors: bytes, direction: bytes, typical: float) -> Taught:
    told = json.loads(examples)
    rows = np.frombuffer(vectors, "<f4").reshape(len(told), -1)
    return Taught(name, view, model, told, rows, np.frombuffer(direction, "<f4"), typical)
