"""Tables as csv that other programs read back as they were: answers, and what was skipped or altered."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from chiasm.data.notes import Noted
from chiasm.encoding import Report

__all__ = ["answers_csv", "csv_bytes", "notes_csv"]


def csv_bytes(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """A small csv as bytes; a name that the header has already gets a number, so that no two columns share one."""
    out = io.StringIO()
    writer = csv.writer(out)
    names: list[str] = []
    for name in header:
        several = (name, *(f"{name} {i}" for i in range(2, len(names) + 3)))
        names.append(next(one for one in several if one not in names))
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def answers_csv(answers: Any) -> bytes:
    """What a task answered as a csv, a line a row: probabilities in a column each, tags as a JSON list."""

    def cell(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return json.dumps(list(value), ensure_ascii=False)
        plain = value.item() if hasattr(value, "item") else value
        return round(plain, 6) if isinstance(plain, float) else plain

    columns = answers.columns
    return csv_bytes(columns, (map(cell, row) for row in zip(*columns.values(), strict=True)))


def notes_csv(report: Report, read: Iterable[Noted] = ()) -> bytes:
    """What was skipped or altered, and what reading noted before, an item a line."""
    rows = [(view, label, note.code, note.message, note.skipped) for view, label, note in [*read, *report.notes]]
    return csv_bytes(["view", "item", "code", "message", "skipped"], rows)
