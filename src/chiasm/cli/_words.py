"""What the library says of its parameters, in the words of the command line."""

from __future__ import annotations

import ast
import re
import shlex

__all__ = ["flags", "typed"]

_NAMES = """
text image audio video vector number category date label id group split encoding column root to window normal space
allow_leaks allow_train learn hearing path
""".split()
_OTHER = {"space": "model", "path": "to"}

_PAIR = r"""(?:'[^']*'|"[^"]*"): (?:'[^']*'|"[^"]*")"""
_PAIRS = re.compile(rf"\b(where|columns)=\{{({_PAIR}(?:, {_PAIR})*)\}}")
_GIVEN = re.compile(rf"""(?<![\w.'])({"|".join(_NAMES)})=(?:'([^']*)'|"([^"]*)"|([A-Z]+)\b|True\b)""")
_CAPTIONS = re.compile(r"\bCaption\(to='([^']*)'\)")
_PLAIN = re.compile(r"[\w@%+=:,./-]+")


def flags(sentence: str) -> str:
    """A sentence of the library with its parameters as options; everything else stays.

    >>> flags("say which view to answer with (to='VIEW'), or insist with allow_train=True (where={'split': 'test'}).")
    'say which view to answer with (--to VIEW), or insist with --allow-train (--where split=test).'
    >>> flags("Say which of these holds what (columns={'text': 'COL'}).")
    'Say which of these holds what (--column text=COL).'
    >>> flags("Say which it is, Caption(to='NAME').")
    'Say which it is, --caption NAME.'
    """

    def option(found: re.Match[str]) -> str:
        value = found[2] or found[3] or found[4]
        return f"--{_OTHER.get(found[1], found[1]).replace('_', '-')}" + (f" {typed(value)}" if value else "")

    def pairs(found: re.Match[str]) -> str:
        held = ast.literal_eval("{" + found[2] + "}")
        return " ".join(f"--{found[1].removesuffix('s')} {typed(f'{k}={v}')}" for k, v in held.items())

    sentence = _CAPTIONS.sub(lambda found: f"--caption {typed(found[1])}", sentence)
    return _PAIRS.sub(pairs, _GIVEN.sub(option, sentence))


def typed(word: str) -> str:
    """A word as it can be typed in a shell: in quotes where it has to be.

    >>> typed("图.csv"), typed("my photos.csv")
    ('图.csv', "'my photos.csv'")
    """
    return word if _PLAIN.fullmatch(word) else shlex.quote(word)
