"""The confusion matrix of a report, in a size that its page has room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chiasm.report.html import Html, el, grid, join, percent
from chiasm.report.text import cut, wide

__all__ = ["matrix"]

MOST_MATRIX = 50
"""With more classes the confusion matrix gives way to a list of the commonest confusions."""
MOST_CONFUSED = 25
MOST_BESIDE = 6
"""With more classes the matrix stands below their table, not beside it."""
LONGEST = 40
"""Characters of a class's name in the list of confusions."""

PAGE, HALF = 940, 440
"""Pixels of a card that is as wide as the page, and of one of two beside each other, at 1,100 and more."""


class _Size(NamedTuple):
    """How the matrix is drawn: a step of `html.py`'s style sheet."""

    kinds: tuple[str, ...]
    font: int
    pad: int
    """Pixels beside a name, both sides together."""
    cell: int
    """Pixels of a cell at least."""
    name: int
    """Characters of a class's name at most."""
    most: int
    """Classes at most."""


_ROOMY = _Size((), 13, 16, 58, 24, 14)
_STANDING = _Size(("standing",), 13, 16, 58, 24, 14)
_TALL = _Size(("standing", "tall"), 11, 10, 27, 17, 30)
_DENSE = _Size(("standing", "tall", "dense"), 9, 4, 17, 12, MOST_MATRIX)


def matrix(names: Sequence[str], counts: Sequence[Sequence[int]]) -> tuple[Html, bool]:
    """The confusion matrix, and whether it fits in half the page: right answers blue, wrong ones red, by their share.

    Cells hold the count and its share where there is room for both, else the count, else (from 1,000 on) thousands.
    """
    if len(names) > MOST_MATRIX:
        return _confused(names, counts), False
    if len(names) <= MOST_BESIDE:
        for size in (_ROOMY, _STANDING):
            if _pixels(size, names, counts) <= HALF:
                return _drawn(size, names, counts), True
    sizes = [size for size in (_ROOMY, _STANDING, _TALL) if len(names) <= size.most]
    fitting = [size for size in sizes if _pixels(size, names, counts) <= PAGE]
    return _drawn(fitting[0] if fitting else _DENSE, names, counts), False


def _drawn(size: _Size, names: Sequence[str], counts: Sequence[Sequence[int]]) -> Html:
    roomy = size in (_ROOMY, _STANDING)
    lines = []
    for i, row in enumerate(counts):
        whole = sum(row)
        cells = []
        for j, count in enumerate(row):
            if not count:
                cells.append(el("td"))
                continue
            share = count / whole
            kind = " ".join(["right"] * (i == j) + ["full"] * (share > 0.8))
            known = {"class_": kind} if kind else {}
            known["title"] = f"{names[i]} answered as {names[j]}: {count} of {whole} ({100 * share:.1f} %)"
            told = f"{100 * share:.0f} %" if share >= 0.005 else "<1 %"
            inner = [_short(count, size), *([el("small", told)] if roomy else [])]
            cells.append(el("td", *inner, **known, style=f"--p:{0.06 + 0.94 * share:.3f}"))
        lines.append(el("tr", el("th", cut(names[i], size.name), scope="row", title=names[i]), *cells))
    titles = [(name, {"class_": "turned"} if size.kinds and wide(name) == len(name) else {}) for name in names]
    heads = [el("th", el("span", cut(name, size.name), **turned), scope="col", title=name) for name, turned in titles]
    head = el("tr", el("th", "true \\ answered"), *heads)
    table = el("table", el("thead", head), el("tbody", *lines), class_=" ".join(("heat", *size.kinds)))
    key = "A row is a true class, a column an answer: rows counted, as a share of the true class by color"
    more = " and below." if roomy else "; the share stands in each cell's tooltip."
    return join(
        [el("h3", "What was answered as what"), el("div", table, class_="scroll"), el("p", key + more, class_="key")]
    )


def _pixels(size: _Size, names: Sequence[str], counts: Sequence[Sequence[int]]) -> float:
    """How wide the matrix is at most, with 0.62 of the font's size a character, which few fonts exceed."""
    letter = 0.62 * size.font
    shown = [min(wide(name), size.name) for name in names]
    figures = max(len(_short(count, size)) for row in counts for count in row)
    cells = [max(size.cell, letter * figures + 9, 0 if size.kinds else letter * one + size.pad) for one in shown]
    return max(letter * max(shown), letter * len("answered")) + size.pad + sum(cells)


def _short(count: int, size: _Size) -> str:
    if size is not _DENSE or count < 1000:
        return str(count)
    if count < 100_000:
        return f"{count // 1000}k"
    return f"{count / 10**6:.1f}M".lstrip("0") if count < 10**6 else f"{count // 10**6}M"


def _confused(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Html:
    """The commonest confusions, for more classes than a matrix can show."""
    pairs = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if n and i != j]
    worst = sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))[:MOST_CONFUSED]
    rows = [[cut(names[i], LONGEST), cut(names[j], LONGEST), str(n), percent(n / sum(counts[i]))] for n, i, j in worst]
    title = f"The commonest of {len(pairs)} confusions"
    return join([el("h3", title), grid(["true", "answered", "rows", "of the true class"], rows)])
