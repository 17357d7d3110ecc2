"""Statements for a table of vectors in PostgreSQL: names are quoted by the client, values are bound, none is pasted."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.where import Typed

__all__ = ["WIDEST", "column_type", "condition", "copied", "indexed", "literal"]

WIDEST = {"vector": 2000, "halfvec": 4000}
"""The most numbers a vector may have to be in an HNSW index, kept in single or in half precision."""

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_END = struct.pack(">h", -1)
_NULL = struct.pack(">i", -1)


def column_type(kind: str) -> str:
    """The type of a column of metadata: dates are seconds since 1970; text is compared byte by byte."""
    return "double precision" if kind in ("number", "date") else 'text COLLATE "C"'


def indexed(kind: str) -> str | None:
    """The kind of index of a column of metadata, None: none; a hash has no limit of length."""
    return {"number": "btree", "date": "btree", "category": "hash"}.get(kind)


def condition(conditions: Iterable[Typed]) -> tuple[Any, list[Any]]:
    """SQL that holds where all conditions do, and its values; NULL is not known, and meets none."""
    from psycopg import sql

    parts, values = [sql.SQL("TRUE")], []
    for one in conditions:
        text, given = _one(one)
        parts.append(sql.SQL(text).format(c=sql.Identifier(one.column)))
        values += given
    return sql.SQL(" AND ").join(parts), values


def _one(one: Typed) -> tuple[str, list[Any]]:
    if one.type == "number":
        return f"{{c}} {'<>' if one.op == '!=' else one.op} %s", [float(one.value)]
    if one.type == "date":
        low, high = map(float, one.value)
        return {
            "=": ("({c} >= %s AND {c} < %s)", [low, high]),
            "!=": ("({c} < %s OR {c} >= %s)", [low, high]),
            "<": ("{c} < %s", [low]),
            "<=": ("{c} < %s", [high]),
            ">": ("{c} >= %s", [high]),
            ">=": ("{c} >= %s", [low]),
        }[one.op]
    if one.op == "~":
        held = "lower({c})" if one.type == "path" else "{c}"
        return f"strpos({held}, %s::text) > 0", [one.value]
    if one.type == "path":
        same = "({c} = %s OR starts_with({c}, %s))"
        return same if one.op == "=" else f"NOT {same}", [one.value, f"{one.value}/"]
    return f"{{c}} {'=' if one.op == '=' else '<>'} %s", [one.value]


def copied(
    keys: Sequence[Any], vectors: np.ndarray, table: Mapping[str, np.ndarray], kinds: Mapping[str, str]
) -> Iterator[bytes]:
    """Rows (key, vector, metadata) as COPY takes them in its binary format."""
    yield _SIGNATURE
    fields = struct.pack(">h", 2 + len(kinds))
    head = struct.pack(">iHH", 4 + 4 * vectors.shape[1], vectors.shape[1], 0)
    columns = [(table[name].tolist(), kind in ("number", "date")) for name, kind in kinds.items()]
    for place, (key, vector) in enumerate(zip(keys, vectors, strict=True)):
        row = [fields, _packed(key), head, vector.astype(">f4").tobytes()]
        for values, is_number in columns:
            value = values[place]
            row.append(_NULL if value == "" or value != value else _packed(float(value) if is_number else value))
        yield b"".join(row)
    yield _END


def _packed(value: Any) -> bytes:
    if isinstance(value, int):
        return struct.pack(">iq", 8, value)
    if isinstance(value, float):
        return struct.pack(">id", 8, value)
    raw = value.encode("utf-8")
    return struct.pack(">i", len(raw)) + raw


def literal(vector: np.ndarray) -> str:
    """A vector as pgvector reads it; no digit is lost."""
    return f"[{','.join(map(repr, vector.astype(np.float64).tolist()))}]"
