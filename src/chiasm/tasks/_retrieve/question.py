"""A question of several terms: `beach.jpg + sunset - 2*people`, read as it is written, or given term by term."""

from __future__ import annotations

import difflib
import math
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm.data.folder import modality_of
from chiasm.errors import ChiasmError

__all__ = ["At", "Question", "Term", "alone", "questions"]

_OPERATOR = re.compile(
    r"(?:(?<=\s)|^)[+\-−＋－](?=\s|$)"  # a lone sign between spaces
    r"|(?<![＋－])[＋－](?![＋－])"  # a full-width one needs no spaces
)
_WEIGHTED = re.compile(
    r"([+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|nan|inf|infinity))\s*\*\s*(.+)", re.IGNORECASE | re.DOTALL
)
_APART = re.compile(r'"[^"]*"|“[^”]*”|「[^」]*」|[^\s"“「]+|["“「]')
"""Quotes, and words between spaces."""
_TAKEN = re.compile(r"[-−](?=[^\W\d_])")
"""A sign that touches the word behind it, as search engines have it."""
_BEFORE_QUOTES = re.compile(r"(?:^|(?<=\s))[-−](?=[\"“「])")
_PLUS = "+＋"
_NAMES = {"image": "picture", "audio": "sound", "video": "video"}


Folders = str | Path | Sequence[str | Path] | None
"""Where files are looked for, the first place first; None: nowhere."""


class Term(NamedTuple):
    """What is asked for (weight above 0) or taken out (below 0)."""

    weight: float
    view: str
    """A view's name, or its modality."""
    item: Any
    said: str = ""
    """How it was written, where it was."""

    def __str__(self) -> str:
        told = self.said or (self.item if isinstance(self.item, str) else getattr(self.item, "said", f"<{self.view}>"))
        size = abs(self.weight)
        return told if size == 1 else f"{size:g}*{told}"


class At(NamedTuple):
    """An item that is already placed: its vector `(k,)` in the shared space, as its view maps it."""

    vector: np.ndarray
    said: str
    """What it is called."""


class Question:
    """What is asked with several terms: words, pictures, sounds, added and taken out.

    Written, `beach.jpg + sunset - 2*people`:

    - A `+` or `-` that stands alone between spaces joins terms; full-width ＋ and － do so without
      spaces, too. So "2:30 - 4 pm" has two terms, and "2:30-4 pm", "C++", "e-mail", "-5" are words.
    - A `-` before a letter takes that one word out, wherever it stands: "park -car at night" is "park at night - car".
    - `2*` before a term is its weight, `2 *` too.
    - A term that is the name of a picture, a sound or a video is that file; what ends like one (".jpg") but is not
      there is an error. All else is words.

    Terms that are added are summed; terms that are taken out are projected out (`chiasm.stats.composed`).

    Args:
        asked: as it is written, or the terms: (weight, {view: item}) each, a weight below 0 takes out; or `Term`s.
        folder: where files lie, several in order; None: all terms are words. words: the view that words are of.

    Raises a ChiasmError for a sign without a term, a weight of 0, NaN or infinity, a file that is not there or is of no
    kind that can be read, and where nothing is asked for but only taken out.

    >>> str(Question("a dog in snow - people"))
    'a dog in snow - people'
    >>> Question([(1, {"image": "cat.jpg"}), (0.5, {"text": "red"})]).terms[1]
    Term(weight=0.5, view='text', item='red', said='')
    """

    def __init__(
        self,
        asked: str | Sequence[tuple[float, Mapping[str, Any]] | Term],
        *,
        folder: Folders = ".",
        words: str = "text",
    ):
        read = _written(asked, folder, words) if isinstance(asked, str) else _given(asked)
        self.terms: tuple[Term, ...] = tuple(read)
        for term in self.terms:
            if not math.isfinite(term.weight) or not term.weight:
                raise ChiasmError(f"wanted a weight that is a number above 0, got {term}.")
        if not any(term.weight > 0 for term in self.terms):
            told = " - ".join(map(str, self.terms))
            raise ChiasmError(f"wanted something to look for beside what is taken out, got - {told}.")

    @property
    def alone(self) -> bool:
        """Whether it has but one term."""
        return len(self.terms) == 1

    @property
    def views(self) -> list[str]:
        """The views that its terms are of, the first one first."""
        return list(dict.fromkeys(term.view for term in self.terms))

    def told(self) -> list[dict[str, Any]]:
        """The terms as plain values: weight, view and item."""
        return [
            {"weight": t.weight, "view": t.view, "item": t.said or getattr(t.item, "said", str(t.item))}
            for t in self.terms
        ]

    def __add__(self, other: Question) -> Question:
        """The terms of both."""
        return Question([*self.terms, *other.terms])

    def __str__(self) -> str:
        signed = [("- " if term.weight < 0 else "+ ") + str(term) for term in self.terms]
        return " ".join(signed).removeprefix("+ ")

    def __repr__(self) -> str:
        return f"Question({str(self)!r})"


def questions(asked: Any) -> list[Question] | None:
    """Words, a question, or a list of these as questions; None for whatever else is asked with.

    A string is words as they stand here, whatever is in them: no file is opened for it.
    """
    listed = [asked] if isinstance(asked, str | Question) else asked
    if not isinstance(listed, list | tuple) or not listed:
        return None
    if not all(isinstance(one, str | Question) for one in listed):
        return None
    return [one if isinstance(one, Question) else Question([(1, {"text": one})]) for one in listed]


def alone(asked: Sequence[Question]) -> dict[str, list[Any]]:
    """Questions of one term each, of one view, as its items.

    Raises a ChiasmError for others.
    """
    views = {term.view for question in asked for term in question.terms}
    several = next((str(question) for question in asked if not question.alone), " and ".join(views))
    if len(views) > 1 or not all(question.alone for question in asked):
        raise ChiasmError(f"wanted one term, or terms of one view each on its own, got {several}.")
    return {views.pop(): [question.terms[0].item for question in asked]}


def _given(asked: Any) -> Iterator[Term]:
    wanted = "wanted terms such as (1, {'image': 'cat.jpg'}) and (-2, {'text': 'people'})"
    if not isinstance(asked, Sequence) or not asked:
        raise ChiasmError(f"{wanted}, or words with + and -, got {asked!r}.")
    for one in asked:
        if isinstance(one, Term):
            yield one
            continue
        try:
            weight, held = one
            ((view, item),) = held.items()
            term = Term(float(weight), str(view), item)
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise ChiasmError(f"{wanted}, got {one!r}.") from None
        if item is None or (isinstance(item, str) and not item.strip()):
            raise ChiasmError(f"wanted something to ask with, got an empty {view}.")
        yield term


def _written(asked: str, folder: Folders, words: str) -> Iterator[Term]:
    if not asked.strip():
        raise ChiasmError("wanted words or a file to look for, got nothing.")
    asked = _behind(asked)
    signs = ["+", *(found[0] for found in _OPERATOR.finditer(asked))]
    parts = [part.strip() for part in _OPERATOR.split(asked)]
    if len(parts) > 1 and not parts[0]:  # it begins with a sign
        signs, parts = signs[1:], parts[1:]
    for sign, part in zip(signs, parts, strict=True):
        if not part:
            raise ChiasmError(f"wanted words or a file after {sign} in {asked.strip()!r}, got nothing.")
        weight, item = _weighed(part)
        if not weight > 0 or math.isinf(weight):
            raise ChiasmError(f"wanted a weight above 0, got {part!r}: 2* before a term counts it twice, - takes out.")
        kind = _kind(item, folder)
        yield Term(
            weight if sign in _PLUS else -weight, kind or words, item if kind is None else _at(item, folder), item
        )


def _behind(asked: str) -> str:
    """What is asked with the words that a - touches at its end, the sign apart; what is in quotes stays as it is.

    >>> _behind('park -car at night "a -b"'), _behind('park -"car"')
    ('park at night "a -b" - car', 'park - "car"')
    """
    asked = _BEFORE_QUOTES.sub(lambda sign: f"{sign[0]} ", asked)
    parts = _APART.findall(asked)
    if not any(map(_TAKEN.match, parts)):
        return asked
    kept = [one for one in parts if not _TAKEN.match(one)]
    return " ".join([*kept, *(f"- {one[1:]}" for one in parts if _TAKEN.match(one))])


def _weighed(part: str) -> tuple[float, str]:
    """A term's weight and what follows it."""
    star = part.find("*") if "*" in part else part.find("＊")
    if star < 0:
        return 1.0, part
    found = _WEIGHTED.fullmatch(unicodedata.normalize("NFKC", part[: star + 1]) + part[star + 1 :])
    return (float(found[1]), found[2].strip()) if found else (1.0, part)


def _kind(item: str, folder: Folders) -> str | None:
    """The modality of a term that is a file; None for words."""
    if folder is None or item.endswith(("/", ".")):
        return None
    kind, path = modality_of(item), Path(_at(item, folder))
    try:
        there = path.is_file()
    except (OSError, ValueError):  # too long for a name, or no name
        return None
    if there and kind:
        return kind
    if there and path.suffix:
        raise ChiasmError(f"{item} is a file, but neither picture, sound nor video: ask with words, or such a file.")
    if kind and path.stem.strip() == path.stem and path.stem:
        raise ChiasmError(f"{item} looks like a {_NAMES[kind]}, but there is no such file{_nearest(path, folder)}")
    return None


def _at(item: str, folder: Folders) -> str:
    """Where a file is: in the first of the folders that has it, else where it would be in the first."""
    path = Path(item).expanduser() if item.startswith("~") else Path(item)
    places = [
        (Path(one) / path).absolute() for one in ([folder] if isinstance(folder, str | Path) else folder or ["."])
    ]
    return str(next((place for place in places if len(item) < 4096 and os.path.exists(place)), places[0]))


def _nearest(path: Path, folder: Folders) -> str:
    """What may have been meant."""
    try:
        beside = [one.name for one in path.parent.iterdir() if modality_of(one.name)] if path.parent.is_dir() else []
    except OSError:
        beside = []
    close = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else f" in {path.parent}."
