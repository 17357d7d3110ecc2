"""Search in a PostgreSQL database with pgvector: rows that other programs share, one server for many machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from chiasm.allowed import COUNT, SIZE, TEXT
from chiasm.errors import ChiasmError
from chiasm.index._held import COLUMNS, checked_k, checked_queries, checked_rows, possible_keys
from chiasm.index._index import Index, Where
from chiasm.index._queries import WIDEST, column_type, condition, copied, indexed, literal
from chiasm.index._server import Server, hidden
from chiasm.where import Typed, typed

__all__ = ["Postgres"]

requires = ("psycopg",)

_FORMAT = 1
_OLDEST = (0, 8)
"""Of pgvector: from here on a search goes on until it has found k that meet the conditions."""
_OWN = ("_row", "key", "_vector")
_LONGEST = 2600
"""Bytes of a key: what a unique index takes."""
_NAME = 63
"""Bytes of a name; the server would cut longer ones."""
_EF = 1000
"""The greatest hnsw.ef_search."""
_WIDE = 20
"""A search for more than one in so many is by comparing all."""
_MEMORY = 2048
"""MiB at most for making the graph."""


class Postgres(Index):
    """Cosine search in one table of a PostgreSQL database with the extension pgvector, 0.8 or newer.

    Choose it where a database is there anyway, where several machines write, or where other programs read the rows:
    the table has a column `key`, one for each column of metadata under its name (text in lower case, dates as seconds
    since 1970), and the vectors. Every call is one transaction, so that readers see all of it or nothing, and what
    was acknowledged survives the death of either side as far as the server's own settings promise it.

    Vectors of up to 2,000 numbers are searched by an HNSW index in single precision, up to 4,000 by one in half
    precision whose best are compared in single; wider ones, up to 16,000, are compared one by one. It is not exact:
    of the 10 nearest among 91,000 sentences it finds about 99 of 100 (benchmarks/search/engines.py, docs/index.md).
    `ranked` is exact, and so is a search that at most `few` items are allowed in, that asks for many of them, or that
    the index gives too few for: k are found wherever there are k. Add the most at once and first: the index is made
    after the first rows and then row by row, which takes longer.

    Args:
        columns: name -> type of what is known beside the vectors.
        address: as libpq takes it (`postgresql://user@host/database`); what it lacks comes from PGHOST, PGUSER ...
            and ~/.pgpass. It is not saved with the index, and a password is never shown.
        table: the table, which is made by the first `add`.
        m, ef_construction: links of a vector, and how many are looked at to find them.
        ef: how many vectors a search looks at, at most 1,000.
        few: up to so many that meet the conditions are compared one by one.

    Every call raises a ChiasmError where no server answers, where it refuses the user, or where the table is another's.

    Source: pgvector (A. Kane), https://github.com/pgvector/pgvector; Yu. Malkov, D. Yashunin, 2018.
    """

    allowed: ClassVar = {
        "columns": COLUMNS,
        "address": TEXT,
        "table": TEXT,
        "m": COUNT,
        "ef_construction": COUNT,
        "ef": COUNT,
        "few": SIZE,
    }
    local = ("address",)

    def __init__(
        self,
        columns: Mapping[str, str] | None = None,
        address: str = "",
        table: str = "chiasm",
        m: int = 16,
        ef_construction: int = 64,
        ef: int = 200,
        few: int = 5000,
    ):
        self.columns = columns
        self.address = address
        self.table = table
        self.m = m
        self.ef_construction = ef_construction
        self.ef = ef
        self.few = few

    def add(
        self,
        keys: Sequence[Any] | np.ndarray,
        vectors: np.ndarray,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Self:
        """Add n keys that are new, their `(n, d)` vectors and what is known of them. Returns self.

        Raises a ChiasmError, and adds nothing, for keys that are there or come twice, for vectors of another width or
        that are not finite, and for metadata that are not of their columns' types.
        """
        return self._put(keys, vectors, metadata, replace=False)

    def update(
        self,
        keys: Sequence[Any] | np.ndarray,
        vectors: np.ndarray,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Self:
        """As `add`, but keys that are there get the new vectors and metadata. Returns self."""
        return self._put(keys, vectors, metadata, replace=True)

    def delete(self, keys: Sequence[Any]) -> int:
        """Remove keys; those that are not there are passed over. Returns how many went."""
        listed = possible_keys(keys)
        with self._server().lent(writing=True) as db:
            self._alone(db)
            made = self._made(db)
            return 0 if made is None else self._remove(db, made, listed)

    def keys(self) -> np.ndarray:
        """`(n,)` all keys, in the order in which they were added."""
        with self._server().lent() as db:
            if (made := self._made(db)) is None:
                return np.zeros(0, dtype=object)
            found = db.execute(self._sql("SELECT key FROM {table} ORDER BY _row")).fetchall()
        return np.array([key for (key,) in found], dtype=made.dtype)

    def vectors(self, keys: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the keys that are there `(m,)`, in the order of adding, and their vectors `(m, d)`, of length 1."""
        with self._server().lent() as db:
            if (made := self._made(db)) is None:
                return np.zeros(0, dtype=object), np.zeros((0, 0), dtype=np.float32)
            text = self._sql("SELECT key, _vector::float4[] FROM {table} WHERE key = ANY(%s) ORDER BY _row")
            found = db.execute(text, [_takeable(made, keys)]).fetchall()
        rows = np.array([row for _, row in found], dtype=np.float32).reshape(len(found), made.width)
        return np.array([key for key, _ in found], dtype=made.dtype), rows

    def __len__(self) -> int:
        with self._server().lent() as db:
            if self._made(db) is None:
                return 0
            return int(db.execute(self._sql("SELECT count(*) FROM {table}")).fetchone()[0])

    def search(self, vectors: np.ndarray, k: int = 5, where: Where = None) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of each query: keys `(q, k)` and cosines `(q, k)`, falling; fewer where no more are there.

        Args:
            vectors: `(q, d)` or one `(d,)`. k: at least 1. where: conditions on the metadata; k that meet them are
                found wherever there are k.
        """
        return self._search(vectors, k, where, exactly=False)

    def close(self) -> None:
        """End the connections to the server; the next call opens new ones."""
        self._server().close()

    def check_fitted(self) -> None:
        """Raise a ChiasmError where not even an address is given: what there is stands in the table."""
        if not self.address:
            super().check_fitted()

    def _page(self, vector: np.ndarray, k: int, where: Where) -> tuple[np.ndarray, np.ndarray]:
        return self._search(vector, k, where, exactly=True)

    def _search(self, vectors: Any, k: int, where: Where, exactly: bool) -> tuple[np.ndarray, np.ndarray]:
        k = checked_k(k)
        queries = checked_queries(vectors)
        conditions = typed(where, self.columns or {})
        with self._server().lent() as db:
            if (made := self._made(db)) is None or not len(queries):
                return np.zeros((len(queries), 0), dtype=object), np.zeros((len(queries), 0), dtype=np.float32)
            if queries.shape[1] != made.width:
                raise ChiasmError(f"wanted queries of width {made.width}, got {queries.shape[1]}.")
            exactly = exactly or made.width > WIDEST["halfvec"] or self._are_few(db, k, conditions)
            found = [self._nearest(db, made, query, k, conditions, exactly) for query in queries]
            if len({len(rows) for rows in found}) > 1 or (not exactly and len(found[0]) < k):
                found = [self._nearest(db, made, query, k, conditions, True) for query in queries]
        keys = np.array([[key for key, _ in rows] for rows in found], dtype=made.dtype).reshape(len(queries), -1)
        return keys, np.array([[s for _, s in rows] for rows in found], dtype=np.float32).reshape(keys.shape)

    def _are_few(self, db: Any, k: int, conditions: list[Typed]) -> bool:
        """Whether so few are allowed, or so many of them wanted, that all are compared."""
        holds, values = condition(conditions)
        least = max(self.few if conditions else 0, _WIDE * k)
        text = self._sql(
            "SELECT count(*) FROM (SELECT FROM {table} WHERE {holds} LIMIT {least}) AS counted", holds, least
        )
        return int(db.execute(text, values).fetchone()[0]) < least

    def _nearest(
        self, db: Any, made: _Made, query: np.ndarray, k: int, conditions: list[Typed], exactly: bool
    ) -> list[tuple[Any, float]]:
        settings = {"enable_indexscan": "on", "enable_seqscan": "off", "hnsw.iterative_scan": "strict_order"}
        if exactly:
            settings = {"enable_indexscan": "off", "enable_seqscan": "on"}  # an index of metadata still serves
        else:
            settings["hnsw.ef_search"] = str(min(_EF, max(self.ef, 2 * k)))
            settings["hnsw.scan_mem_multiplier"] = "8"
        pairs = [value for pair in settings.items() for value in pair]
        db.execute("SELECT " + ", ".join(["set_config(%s, %s, true)"] * len(settings)), pairs)
        holds, values = condition(conditions)
        asked = literal(query)
        by_half = not exactly and made.width > WIDEST["vector"]
        kept, some = (f"(_vector::halfvec({made.width}))", 2 * k + 10) if by_half else ("_vector", k)
        text = self._sql(
            "WITH near AS MATERIALIZED (SELECT _row, key, _vector <#> %s::vector AS apart FROM {table} WHERE {holds} "
            f"ORDER BY {kept} <#> %s::{'halfvec' if by_half else 'vector'} LIMIT {{least}}) "
            f"SELECT key, -apart FROM near ORDER BY apart, _row LIMIT {k}",
            holds,
            some,
        )
        found: list[tuple[Any, float]] = db.execute(text, [asked, *values, asked], prepare=False).fetchall()
        return found

    def _put(self, keys: Any, vectors: Any, metadata: Any, replace: bool) -> Self:
        self.check_params()
        found, units, table = checked_rows(keys, vectors, metadata, self.columns or {})
        listed = found.tolist()
        _check_texts(listed, table)
        if not listed:
            return self
        with self._server().lent(writing=True) as db:
            self._alone(db)
            made = self._made(db)
            new = made is None
            if made is None:
                made = self._create(db, units.shape[1], isinstance(listed[0], int))
            if units.shape[1] != made.width:
                raise ChiasmError(f"wanted vectors of width {made.width}, got {units.shape[1]}.")
            if isinstance(listed[0], int) != made.whole:
                kind = "integers" if made.whole else "strings"
                raise ChiasmError(f"wanted keys that are {kind}, got {listed[0]!r}: an index has strings or integers.")
            if replace:
                self._remove(db, made, listed)
            elif there := db.execute(self._sql("SELECT key FROM {table} WHERE key = ANY(%s)"), [listed]).fetchone():
                raise ChiasmError(f"wanted keys that are new to the index, got {there[0]!r}: update it instead.")
            self._fill(db, listed, units, table)
            if new:
                self._index(db, made.width, len(listed))
        return self

    def _remove(self, db: Any, made: _Made, keys: list[Any]) -> int:
        return int(db.execute(self._sql("DELETE FROM {table} WHERE key = ANY(%s)"), [_takeable(made, keys)]).rowcount)

    def _fill(self, db: Any, keys: list[Any], vectors: np.ndarray, table: Mapping[str, np.ndarray]) -> None:
        from psycopg import sql

        columns = dict(self.columns or {})
        names = sql.SQL(", ").join(map(sql.Identifier, ("key", "_vector", *columns)))
        into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(self.table), names)
        with db.cursor() as cursor, cursor.copy(into) as copy:
            for block in copied(keys, vectors, table, columns):
                copy.write(block)

    def _create(self, db: Any, width: int, whole: bool) -> _Made:
        from psycopg import sql

        columns = dict(self.columns or {})
        for name in (self.table, *columns):
            if not name or len(name.encode()) > _NAME or "\0" in name or name in _OWN or "%" in name:
                raise ChiasmError(
                    f"wanted a table and columns whose names have 1 to {_NAME} bytes, no % and are none of "
                    f"{', '.join(_OWN)}, got {name!r}."
                )
        if width > 16_000:
            raise ChiasmError(f"wanted vectors of at most 16,000 numbers, which pgvector takes, got {width}.")
        self._extend(db)
        typed_columns = "".join(f", {{}} {column_type(kind)}" for kind in columns.values())
        db.execute(
            sql.SQL(
                "CREATE TABLE {} (_row bigint GENERATED ALWAYS AS IDENTITY, "
                f"key {'bigint' if whole else column_type('text')} PRIMARY KEY, _vector vector({width}) NOT NULL"
                f"{typed_columns})"
            ).format(sql.Identifier(self.table), *map(sql.Identifier, columns))
        )
        facts = json.dumps({"chiasm": _FORMAT, "columns": columns, "width": width, "whole": whole})
        db.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(self.table), sql.Literal(facts)))
        return _Made(width, whole)

    def _extend(self, db: Any) -> None:
        """Have pgvector in the database."""
        find = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        if db.execute(find).fetchone() is None:
            db.execute("CREATE EXTENSION vector")
        version = db.execute(find).fetchone()[0]
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            raise ChiasmError(f"wanted pgvector {'.'.join(map(str, _OLDEST))} or newer, got {version}: upgrade it.")

    def _index(self, db: Any, width: int, count: int) -> None:
        from psycopg import sql

        table = sql.Identifier(self.table)
        for name, kind in (self.columns or {}).items():
            if how := indexed(kind):
                db.execute(sql.SQL(f"CREATE INDEX ON {{}} USING {how} ({{}})").format(table, sql.Identifier(name)))
        if width > WIDEST["halfvec"]:
            return
        kept = "_vector vector_ip_ops"
        if width > WIDEST["vector"]:
            kept = f"(_vector::halfvec({width})) halfvec_ip_ops"
        memory = 64 + 2 * count * (4 * width + 16 * self.m) // 2**20
        # One process makes it: several share memory, of which containers have little.
        db.execute("SET LOCAL max_parallel_maintenance_workers = 0")
        db.execute(f"SET LOCAL maintenance_work_mem = '{min(_MEMORY, memory)}MB'")
        how = f"m = {self.m}, ef_construction = {max(self.ef_construction, 2 * self.m)}"
        db.execute(sql.SQL(f"CREATE INDEX ON {{}} USING hnsw ({kept}) WITH ({how})").format(table))

    def _alone(self, db: Any) -> None:
        """Wait until no other writes to the table; it need not exist."""
        db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"chiasm {self.table}"])

    def _made(self, db: Any) -> _Made | None:
        """What the table was made for; None: there is none."""
        from psycopg import sql

        name = sql.Identifier(self.table).as_string(db)
        text = "SELECT obj_description(c.oid, 'pg_class') FROM pg_class AS c WHERE c.oid = to_regclass(%s)"
        found = db.execute(text, [name]).fetchone()
        if found is None:
            return None
        try:
            facts = json.loads(found[0])
            version, columns = facts["chiasm"], facts["columns"]
        except (TypeError, ValueError, KeyError):
            raise ChiasmError(f"the table {self.table} holds something else than an index: name another.") from None
        if version != _FORMAT:
            raise ChiasmError(f"the table {self.table} is of format {version}, this chiasm reads {_FORMAT}.")
        if columns != dict(self.columns or {}):
            raise ChiasmError(
                f"the table {self.table} was made with the columns {_shown(columns)}, got {_shown(self.columns)}: open "
                "it with its own, or name another."
            )
        return _Made(facts["width"], facts["whole"])

    def _sql(self, text: str, holds: Any = None, least: int = 0) -> Any:
        from psycopg import sql

        return sql.SQL(text).format(table=sql.Identifier(self.table), holds=holds, least=sql.Literal(least))

    def _server(self) -> Server:
        kept: Server | None = vars(self).get("_kept")
        if kept is None or kept.address != self.address:
            self.check_params()
            kept = self._kept = Server(self.address)
        return kept

    def __repr__(self) -> str:
        return hidden(super().__repr__(), self.address)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_kept"}


class _Made(NamedTuple):
    width: int
    whole: bool
    """Whether its keys are integers."""

    @property
    def dtype(self) -> Any:
        return np.int64 if self.whole else object


def _takeable(made: _Made, keys: Any) -> list[Any]:
    """Those of the keys that the table could hold."""
    plain = [int(key) if isinstance(key, np.integer) else key for key in keys]
    kind: Any = int if made.whole else str
    return [key for key in plain if isinstance(key, kind) and (made.whole or "\0" not in key)]


def _check_texts(keys: list[Any], table: Mapping[str, np.ndarray]) -> None:
    """Refuse what PostgreSQL cannot hold as text, and keys that are too long for it."""
    texts = [key for key in keys if isinstance(key, str)]
    for name, values in {"keys": texts, **{n: v.tolist() for n, v in table.items() if v.dtype == object}}.items():
        for value in values:
            if "\0" in value:
                raise ChiasmError(f"{name}: wanted text that PostgreSQL holds (no zero byte), got {value!r}.")
            if name == "keys" and (size := len(value.encode("utf-8"))) > _LONGEST:
                raise ChiasmError(
                    f"wanted keys of at most {_LONGEST:,} bytes, got one of {size:,} ({value[:40]!r}...)."
                )


def _shown(columns: Mapping[str, str] | None) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in (columns or {}).items()) or "none"
