"""What the library says of its parameters, in the words of the command line."""

from __future__ import annotations

import re

__all__ = ["flags"]

_NAMES = """
text image audio video vector number category date label id group split encoding column root to window normal space
allow_leaks allow_train learn hearing
""".split()
_OTHER = {"space": "model"}

_WHERE = re.compile(r"where=\{'([^']+)': '([^']+)'\}")
_GIVEN = re.compile(rf"(?<![\w.'])({'|'.join(_NAMES)})=(?:'([^']*)'|([A-Z]+)\b|True\b)")


def flags(sentence: str) -> str:
    """A sentence of the library with its parameters as options; everything else stays.

    >>> flags("say which view to answer with (to='VIEW'), or insist with allow_train=True (where={'split': 'test'}).")
    'say which view to answer with (--to VIEW), or insist with --allow-train (--where split=test).'
    """

    def option(found: re.Match[str]) -> str:
        value = found[2] or found[3]
        return f"--{_OTHER.get(found[1], found[1]).replace('_', '-')}" + (f" {value}" if value else "")

    return _GIVEN.sub(option, _WHERE.sub(r"--where \1=\2", sentence))
