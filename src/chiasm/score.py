"""Score: a number that prints as the table behind it."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chiasm import frames, moved

__all__ = ["Score", "percent", "to_json"]

Shown = Callable[[Mapping[str, Any]], Sequence[str]]
"""A table -> the lines that a person reads."""


class Score(float):
    """A float (what scikit-learn compares) that carries its whole table.

    `print(score)` shows the table, `score.table` holds it as plain values, `score.to_json()` writes it.

    Args:
        value: the float. table: plain values; what has an interval is {"value", "low", "high"}.
        shown: the lines that a person reads; left out, every entry of the table has one.
        report: what encoding skipped or altered on the way (`chiasm.encoding.Report`), where there was any encoding.
        per_query: of retrieval, a dict a query: from, to, query, id, rank, answers.
        wrong: of answers, the raw rows of the table's `errors`, in their order.

    >>> print(Score(0.5, {"task": "guess", "rows": 4, "accuracy": {"value": 0.5, "low": 0.2, "high": 0.8}}))
    task      guess
    rows      4
    accuracy  0.5 [0.2, 0.8]
    """

    table: dict[str, Any]
    report: Any
    per_query: list[dict[str, Any]]
    wrong: Any

    def __new__(
        cls,
        value: float,
        table: dict[str, Any],
        shown: Shown | None = None,
        *,
        report: Any = None,
        per_query: Sequence[dict[str, Any]] = (),
        wrong: Any = None,
    ) -> Score:
        """Make a float and hang the rest on it."""
        score = super().__new__(cls, value)
        score.table = table
        score.report, score.per_query, score.wrong = report, list(per_query), wrong
        score._shown = shown or entries
        return score

    _shown: Shown

    def __getnewargs__(self) -> tuple[float, dict[str, Any]]:  # type: ignore[override]
        return float(self), self.table

    def to_json(self, indent: int | None = 1) -> str:
        """The table as JSON: fractions in 0..1, null for what does not exist."""
        return to_json(self.table, indent)

    def to_pandas(self) -> Any:
        """A DataFrame, a line a figure: its name (`accuracy`, `directions.0.R@1`), value, low and high.

        Texts and lists stay in `table`. Raises a ChiasmError where pandas is not installed.
        """
        return frames.to_pandas(figures(self.table))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __str__(self) -> str:
        return "\n".join(self._shown(self.table))


def to_json(value: Any, indent: int | None = 1) -> str:
    """Plain values as JSON; null where a number does not exist or has no end, for which JSON has no word.

    >>> to_json({"r2": float("nan")}, None)
    '{"r2": null}'
    """
    return json.dumps(_finite(value), ensure_ascii=False, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def figures(table: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Every number of a table, nested ones by the path that leads there: columns figure, value, low, high.

    >>> figures({"task": "guess", "rows": 4, "by": [{"accuracy": {"value": 0.5, "low": 0.2, "high": 0.8}}]})
    {'figure': ['rows', 'by.0.accuracy'], 'value': [4, 0.5], 'low': [None, 0.2], 'high': [None, 0.8]}
    """
    found: list[tuple[str, Any, Any, Any]] = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, Mapping) and _is_interval(value):
            found.append((path, value["value"], value["low"], value["high"]))
        elif isinstance(value, Mapping | list):
            inside = value.items() if isinstance(value, Mapping) else enumerate(value)
            for name, one in inside:
                walk(one, f"{path}.{name}" if path else str(name))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((path, value, None, None))

    walk(table, "")
    return {name: [one[i] for one in found] for i, name in enumerate(("figure", "value", "low", "high"))}


def entries(table: Mapping[str, Any], indent: str = "") -> list[str]:
    """A line an entry, what is nested indented."""
    wide = max((len(str(name)) for name in table), default=0)
    lines = []
    for name, value in table.items():
        if isinstance(value, Mapping) and not _is_interval(value):
            lines += [f"{indent}{name}:", *entries(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for one in value:
                lines += [f"{indent}{name}:", *entries(one, indent + "  ")]
        else:
            shown = _interval(value) if isinstance(value, Mapping) else "-" if value is None else str(value)
            lines.append(f"{indent}{str(name).ljust(wide)}  {shown}")
    return lines


def percent(entry: Mapping[str, float | None] | None) -> str:
    """A share with its interval, in percent; "-" where there is none.

    >>> percent({"value": 0.5, "low": 0.25, "high": 0.75})
    '50.0 [25.0, 75.0]'
    """
    if entry is None or entry["value"] is None or entry["low"] is None or entry["high"] is None:
        return "-"
    return f"{100 * entry['value']:.1f} [{100 * entry['low']:.1f}, {100 * entry['high']:.1f}]"


def _is_interval(value: Mapping[str, Any]) -> bool:
    return {"value", "low", "high"} <= value.keys()


def _interval(entry: Mapping[str, float | None]) -> str:
    if entry["value"] is None:
        return "-"
    if entry["low"] is None or entry["high"] is None:
        return f"{entry['value']:.4g}"
    return f"{entry['value']:.4g} [{entry['low']:.4g}, {entry['high']:.4g}]"


def __getattr__(name: str) -> Any:
    return moved.renamed(__name__, name)
