"""An index in a real PostgreSQL server: its graph is used, values are never SQL, and a killed server loses nothing.

The contract that it shares with the other engines is in test_contract.py.
"""

import copy
import threading

import numpy as np
import pytest

import _server
from chiasm import recipe
from chiasm.errors import ChiasmError
from chiasm.index.exact import Exact

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")

from chiasm.index import postgres as module  # noqa: E402
from chiasm.index.postgres import Postgres  # noqa: E402


@pytest.fixture
def make(tmp_path):
    """Makes an index on a table of this test's own."""

    def made(name="", **more):
        return Postgres(**{"address": _server.address(), "table": _server.table(tmp_path / name), **more})

    return made


def vectors_of(n, width=24, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(9).normal(size=(20, width))
    vectors = centers[rng.integers(0, 20, n)] + 0.5 * rng.normal(size=(n, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def plans(index, monkeypatch):
    """What the server says of how it finds the nearest, a text a search from now on."""
    told = []
    real = index._nearest

    def nearest(db, made, query, k, conditions, exactly):
        sent = []
        execute = db.execute

        class Listening:
            def execute(self, text, values=None, **more):
                sent.append((text, values))
                return execute(text, values, **more)

        found = real(Listening(), made, query, k, conditions, exactly)
        text, values = sent[-1]
        lines = execute(psycopg.sql.SQL("EXPLAIN ") + text, values, prepare=False).fetchall()
        told.append("\n".join(line for (line,) in lines))
        return found

    monkeypatch.setattr(index, "_nearest", nearest)
    return told


def shared(index, exact, queries, k=10, where=None):
    found, known = index.search(queries, k, where)[0].tolist(), exact.search(queries, k, where)[0].tolist()
    assert [len(row) for row in found] == [len(row) for row in known]
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found, known, strict=True)])


def test_the_graph_is_used_where_many_are_allowed_and_all_are_compared_where_few_are(make, monkeypatch):
    n, size = 4000, np.random.default_rng(1).permutation(4000)
    columns = {"size": "number"}
    index, exact = make(columns=columns, few=300), Exact(columns=columns)
    for one in (index, exact):
        one.add(np.arange(n), vectors_of(n), {"size": size.tolist()})
    told = plans(index, monkeypatch)
    queries = vectors_of(20, seed=3)
    assert shared(index, exact, queries) > 0.95
    assert all("__vector_idx" in plan for plan in told)
    told.clear()
    assert shared(index, exact, queries, where="size<2000") > 0.95
    told.clear()
    assert shared(index, exact, queries, where="size<200") == 1.0
    assert not any("__vector_idx" in plan for plan in told)
    told.clear()
    assert [key for key, _ in index.ranked(queries[0])] == [key for key, _ in exact.ranked(queries[0])]
    assert told
    assert not any("__vector_idx" in plan for plan in told)


@pytest.mark.parametrize(("width", "used"), [(2000, "vector"), (2100, "halfvec"), (4100, None)])
def test_wide_vectors_are_searched_in_half_precision_and_wider_ones_without_a_graph(width, used, make, monkeypatch):
    vectors = vectors_of(400, width)
    index = make(few=10).add(np.arange(400), vectors)
    told = plans(index, monkeypatch)
    exact = Exact().add(np.arange(400), vectors)
    assert shared(index, exact, vectors[:10]) > 0.95
    found, known = index.search(vectors[:5], 3), exact.search(vectors[:5], 3)
    np.testing.assert_array_equal(found[0], known[0])
    np.testing.assert_allclose(found[1], known[1], atol=1e-6)  # single precision, whatever the graph is in
    assert all(("_idx" in plan) == (used is not None) for plan in told)
    assert all(("halfvec" in plan) == (used == "halfvec") for plan in told)


def test_vectors_wider_than_pgvector_takes_are_refused_and_leave_no_table(make):
    index = make()
    with pytest.raises(ChiasmError, match="at most 16,000 numbers"):
        index.add(["a"], np.ones((1, 16_001)))
    assert len(index) == 0
    assert index.add(["a"], np.ones((1, 3))).search(np.ones(3), 1)[0].tolist() == [["a"]]


def test_where_the_graph_gives_too_few_all_are_compared(make, monkeypatch):
    index = make(few=10).add(np.arange(500), vectors_of(500))
    real, asked = index._nearest, []

    def starved(db, made, query, k, conditions, exactly):
        asked.append(exactly)
        return real(db, made, query, k, conditions, exactly)[: k if exactly else 3]

    monkeypatch.setattr(index, "_nearest", starved)
    found = index.search(vectors_of(2), 8)[0]
    assert found.shape == (2, 8)
    assert asked == [False, False, True, True]


def test_names_and_values_are_never_code(make):
    odd = 'x"; DROP TABLE t; --'
    index = make(table="t'\"; --" + _server.table(make().table)[:8], columns={odd: "text", "Größe é": "number"})
    index.add(["a", "b"], np.eye(2), {odd: ["';--", "other"], "Größe é": [1, 2]})
    assert index.search(np.ones(2), 5, [(odd, "=", "';--")])[0].tolist() == [["a"]]
    assert index.search(np.ones(2), 5, "Größe é>1")[0].tolist() == [["b"]]
    assert index.delete(["' OR '1'='1", "a"]) == 1
    assert index.keys().tolist() == ["b"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda make: make("x", columns={"key": "text"}).add(["a"], np.eye(2)[:1]), "none of _row, key, _vector"),
        (lambda make: make("x", columns={"n" * 64: "text"}).add(["a"], np.eye(2)[:1]), "1 to 63 bytes"),
        (lambda make: make("x", table="狗" * 30).add(["a"], np.eye(2)[:1]), "1 to 63 bytes"),
        (lambda make: make().add(["a\0b"], np.eye(2)[:1]), "no zero byte"),
        (lambda make: make().add(["\udc80"], np.eye(2)[:1]), "UTF-8"),
        (lambda make: make().add(["k" * 5000], np.eye(2)[:1]), "at most 2,600 bytes"),
        (lambda make: make(ef=0).add(["k"], np.eye(2)[:1]), "ef"),
        (lambda make: make(columns={"size": "number"}).add(["k"], np.eye(2)[:1]), "was made with the columns none"),
        (lambda make: make(address="postgresql://nobody@/nowhere").keys(), "no PostgreSQL server answers"),
        (lambda make: make(address="host=/nowhere dbname=x").keys(), "no PostgreSQL server answers at /nowhere"),
        (lambda make: make(address="postgresql://127.0.0.1:1/x").keys(), "answers at 127.0.0.1, port 1"),
        (lambda make: make(address="no address").keys(), "wanted an address such as"),
        (lambda make: make(address=_server.address().replace("/postgres?", "/lost?")).keys(), '\'?"lost" does not'),
    ],
)
def test_what_cannot_be_done_is_one_sentence(call, sentence, make):
    make().add(["first"], np.eye(2)[:1])
    with pytest.raises(ChiasmError, match=sentence) as told:
        call(make)
    assert "\n" not in str(told.value)
    assert make().keys().tolist() == ["first"]


def test_a_table_of_others_is_left_alone(make):
    index = make()
    with psycopg.connect(_server.address()) as db:
        db.execute(f"CREATE TABLE {index.table} (key text)")
    for call in (lambda: index.add(["a"], np.eye(2)[:1]), index.keys, lambda: index.delete(["a"])):
        with pytest.raises(ChiasmError, match="holds something else than an index: name another"):
            call()


def test_a_password_is_never_shown_nor_saved(make, tmp_path):
    _server.address()
    file = _server.started().pgdata / "pg_hba.conf"
    if "guarded" not in file.read_text():
        file.write_text("local all guarded scram-sha-256\n" + file.read_text())
    with psycopg.connect(_server.address()) as db:
        db.execute("DROP ROLE IF EXISTS guarded")
        db.execute("CREATE ROLE guarded LOGIN PASSWORD 'right-one'")
        db.execute("SELECT pg_reload_conf()")
    address = _server.address().replace("postgres:@", "guarded:wr0ng-one@")
    index = make(address=address)
    deadline = 50
    while True:  # the server reads its file within moments
        with pytest.raises(ChiasmError) as told:
            index.keys()
        deadline -= 1
        if "let nobody in" in str(told.value) or not deadline:
            break
    assert "let nobody in" in str(told.value)
    assert "guarded" in str(told.value)
    index.columns = {}
    for text in (str(told.value), repr(index), index._repr_html_()):
        assert "wr0ng-one" not in text
    recipe.save(index, tmp_path / "saved")
    assert not any(b"wr0ng-one" in file.read_bytes() for file in (tmp_path / "saved").rglob("*") if file.is_file())
    assert recipe.load(tmp_path / "saved").table == index.table
    assert make(address=address.replace("wr0ng-one", "right-one")).keys().tolist() == []


def test_a_copy_asks_the_same_table_by_connections_of_its_own(make):
    index = make().add(["a", "b"], np.eye(2))
    other = copy.deepcopy(index)
    other.delete(["a"])
    assert index.keys().tolist() == ["b"]
    index.close()
    assert len(index) == len(other) == 1


def test_eight_writers_at_once_lose_nothing_and_a_key_is_there_once(make):
    make().add(["first"], np.ones((1, 8)))
    refused = []

    def write(number):
        index = make()
        for step in range(5):
            keys = [f"w{number}-{step}-{i}" for i in range(10)]
            index.add(keys, vectors_of(10, 8, seed=number))
            try:
                index.add(["contested"], np.ones((1, 8)))
            except ChiasmError:
                refused.append(number)
            index.update([f"both{step}"], np.ones((1, 8)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = make().keys().tolist()
    assert len(keys) == len(set(keys)) == 1 + 8 * 5 * 10 + 1 + 5
    assert len(refused) == 8 * 5 - 1


STEPS = ["before the rows", "within the rows", "after the rows", "in place of the commit", "after the commit"]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("first", [False, True], ids=["later", "first"])
def test_a_server_killed_in_mid_write_keeps_what_was_acknowledged_whole(step, first, make, monkeypatch):
    columns = {"size": "number"}
    index = make(columns=columns)
    before = [] if first else [f"k{i}" for i in range(40)]
    if before:
        index.add(before, vectors_of(40), {"size": list(range(40))})
    dying, real_fill, real_commit, real_copied = make(columns=columns), Postgres._fill, module.Server.commit, None
    real_copied = module.copied

    def rows(*given):
        for place, block in enumerate(real_copied(*given)):
            if place == 200:
                _server.kill()
            yield block

    def fill(self, *given):
        if step == "before the rows":
            _server.kill()
        real_fill(self, *given)
        if step == "after the rows":
            _server.kill()

    def commit(self, db):
        if step == "in place of the commit":
            _server.kill()
        real_commit(self, db)
        if step == "after the commit":
            _server.kill()

    keys = [f"k{i}" for i in range(20, 2000)]
    given = keys, vectors_of(1980, seed=7), {"size": list(range(1980))}
    with monkeypatch.context() as patch:
        patch.setattr(Postgres, "_fill", fill)
        patch.setattr(module.Server, "commit", commit)
        if step == "within the rows":
            patch.setattr(module, "copied", rows)
        if step == "after the commit":
            dying.update(*given)
        else:
            with pytest.raises(ChiasmError, match="went away while it was asked"):
                dying.update(*given)
    with pytest.raises(ChiasmError, match="no PostgreSQL server answers"):
        index.keys()
    _server.restart()
    done = before[:20] + keys if step == "after the commit" else before
    assert index.keys().tolist() == done
    dying.update(*given)  # the retry
    assert index.keys().tolist() == before[:20] + keys
    assert index.search(vectors_of(1980, seed=7)[5], 1, "size=5")[0].tolist() == [["k25"]]
    exact = Exact().add(keys, given[1]).update(before[:20] or keys[:1], vectors_of(40)[:20] if before else given[1][:1])
    assert shared(index, exact, given[1][:20]) > 0.95
