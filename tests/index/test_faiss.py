"""Search by a graph: it is used, follows its rows through every change, and its file is never trusted."""

import threading

import numpy as np
import pytest

faiss = pytest.importorskip("faiss", reason="the extra faiss is not installed")

from chiasm.errors import ChiasmError  # noqa: E402
from chiasm.index import _graph  # noqa: E402
from chiasm.index.exact import Exact  # noqa: E402
from chiasm.index.faiss import Faiss  # noqa: E402

KINDS = ["hnsw", "ivf"]


def sentences(n, seed=0, width=48):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(9).normal(size=(40, width))
    vectors = 1.5 + centers[rng.integers(0, 40, n)] + 0.7 * rng.normal(size=(n, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def shared(index, keys, vectors, queries, k=10):
    known = Exact().add(keys, vectors).search(queries, k)[0].tolist()
    found = index.search(queries, k)[0].tolist()
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found, known, strict=True)])


@pytest.fixture
def asked(monkeypatch):
    """How many queries went to a graph."""
    counts = []
    real = _graph.Graph.nearest

    def nearest(self, queries, *rest):
        counts.append(len(queries))
        return real(self, queries, *rest)

    monkeypatch.setattr(_graph.Graph, "nearest", nearest)
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_is_searched_and_with_less_effort_finds_less(kind, asked):
    vectors, queries = sentences(3000), sentences(100, seed=1)
    index = Faiss(kind=kind).add(np.arange(3000), vectors)
    assert len(index._graphs().known.rows) == 3000
    assert shared(index, np.arange(3000), vectors, queries) > 0.95
    assert sum(asked) == 100
    poor = Faiss(kind=kind, m=2, ef_construction=4, effort=1).add(np.arange(3000), vectors)
    assert shared(poor, np.arange(3000), vectors, queries) < 0.95


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folder", [True, False])
def test_rows_are_found_through_deletions_updates_and_additions_by_the_same_graph(kind, folder, asked, tmp_path):
    vectors = sentences(2000)
    index = Faiss(kind=kind, waiting=100, path=tmp_path / "held" if folder else None)
    index.add([f"k{i}" for i in range(1500)], vectors[:1500])
    graph = index._graphs().known.graph
    held = {f"k{i}": vectors[i] for i in range(1500)}
    rng = np.random.default_rng(5)
    for step in range(8):
        gone = rng.permutation(list(held))[:60].tolist()
        assert index.delete(gone) == 60
        for key in gone:
            del held[key]
        changed = [*rng.permutation(list(held))[:5].tolist(), list(held)[-1]]
        fresh = {key: sentences(1, seed=1000 + 10 * step + i)[0] for i, key in enumerate(changed)}
        for key in fresh:
            held.pop(key)
        held |= fresh
        index.update(list(fresh), np.stack(list(fresh.values())))
        new = {f"n{step}-{i}": vectors[1500 + 50 * step + i] for i in range(50)}
        held |= new
        index.add(list(new), np.stack(list(new.values())))
        assert index.keys().tolist() == list(held)
        keys, rows = list(held), np.stack(list(held.values()))
        assert shared(index, keys, rows, rows[::37] + 0.01) > 0.95
        assert index.search(rows[-1], 1)[0].tolist() == [[keys[-1]]]
        known = index._graphs().known
        assert known.graph is graph
        there = np.flatnonzero(known.rows >= 0)
        np.testing.assert_allclose(  # every vector in the graph is the row that it is said to be
            graph.index.reconstruct_batch(there) if kind == "hnsw" else _lists(graph)[there],
            index._held().vectors[known.rows[there]],
        )
        assert len(index) - known.through <= 100 or folder
    assert asked


def _lists(graph):
    graph.index.make_direct_map()
    return graph.index.reconstruct_n(0, len(graph))


@pytest.mark.parametrize("kind", KINDS)
def test_when_most_is_deleted_the_graph_is_made_anew(kind):
    vectors = sentences(1000)
    index = Faiss(kind=kind, waiting=50).add(np.arange(1000), vectors)
    before = index._graphs().known.graph
    index.delete(range(0, 700))
    assert index._graphs().known.graph is not before
    assert len(index._graphs().known.rows) == 300
    assert index.search(vectors[800], 1)[0].tolist() == [[800]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_filter_gives_as_many_as_there_are_and_nearly_the_same_as_exactly(kind, share, asked):
    n = 4000
    vectors = sentences(n)
    size = np.random.default_rng(3).permutation(n)
    index = Faiss(columns={"size": "number"}, kind=kind).add(np.arange(n), vectors, {"size": size.tolist()})
    exact = Exact(columns={"size": "number"}).add(np.arange(n), vectors, {"size": size.tolist()})
    queries, where = sentences(50, seed=4), f"size<{share * n}"
    found, known = index.search(queries, 10, where)[0], exact.search(queries, 10, where)[0]
    assert found.shape == (50, 10)
    assert (size[found] < share * n).all()
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), known.tolist(), strict=True)]) > 0.95
    assert asked


def test_where_the_graph_gives_too_few_all_are_compared(monkeypatch):
    vectors = sentences(1000)
    index = Faiss().add(np.arange(1000), vectors)
    monkeypatch.setattr(_graph.Graph, "nearest", lambda self, queries, k, *_: np.full((len(queries), k), -1))
    np.testing.assert_array_equal(
        index.search(vectors[:5], 10)[0], Exact().add(np.arange(1000), vectors).search(vectors[:5], 10)[0]
    )


def opened(path, kind="hnsw", **more):
    return Faiss(path=path, kind=kind, waiting=100, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_of_a_graph_is_read_again_and_what_came_since_is_taken_in(kind, tmp_path, monkeypatch):
    vectors = sentences(1600)
    opened(tmp_path / "held", kind).add(np.arange(1000), vectors[:1000])
    Exact(path=tmp_path / "held").add(np.arange(1000, 1600), vectors[1000:])  # another engine, no graph
    taken = []
    real = _graph.Graph.take
    monkeypatch.setattr(_graph.Graph, "take", lambda self, rows: (taken.append(len(rows)), real(self, rows))[1])
    again = opened(tmp_path / "held", kind).build()
    assert taken == [600]
    assert shared(again, np.arange(1600), vectors, sentences(50, seed=2)) > 0.9
    third = opened(tmp_path / "held", kind).build()
    assert taken == [600]
    assert len(third._graphs().known.rows) == 1600


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file):
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0x10
    file.write_bytes(bytes(raw))


HARMS = {
    "cut": cut,
    "flipped": flip,
    "nonsense": lambda file: file.write_bytes(b"{}" * 9000),
    "empty": lambda file: file.write_bytes(b""),
    "gone": lambda file: file.unlink(),
    "a list": lambda file: file.write_bytes(b"[1]".ljust(5000)),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_file_is_not_used_and_written_again(harm, tmp_path):
    vectors = sentences(600)
    opened(tmp_path / "held").add(np.arange(600), vectors)
    file = tmp_path / "held" / "graph.faiss"
    whole = file.read_bytes()
    HARMS[harm](file)
    again = opened(tmp_path / "held").build()
    assert shared(again, np.arange(600), vectors, vectors[:50]) > 0.95
    assert len(file.read_bytes()) == len(whole)
    assert _graph.Graph("hnsw", 48, 600).read(file, again._held().vectors) is not None


def test_the_file_of_other_vectors_of_another_kind_or_setting_is_not_used(tmp_path):
    vectors = sentences(600)
    opened(tmp_path / "held").add(np.arange(600), vectors)
    file, held = tmp_path / "held" / "graph.faiss", opened(tmp_path / "held")._held().vectors
    assert _graph.Graph("hnsw", 48, 600).read(file, held) is not None
    assert _graph.Graph("hnsw", 48, 600).read(file, held[::-1]) is None
    assert _graph.Graph("hnsw", 48, 600).read(file, held[:500]) is None
    assert _graph.Graph("hnsw", 48, 600, m=16).read(file, held) is None
    assert _graph.Graph("ivf", 48, 600).read(file, held) is None
    opened(tmp_path / "other").add(np.arange(600), sentences(600, seed=8))
    file.write_bytes((tmp_path / "other" / "graph.faiss").read_bytes())
    assert shared(opened(tmp_path / "held").build(), np.arange(600), vectors, vectors[:50]) > 0.95


def test_who_only_searches_has_the_graph_read_after_some_queries(tmp_path, asked):
    vectors = sentences(600)
    opened(tmp_path / "held").add(np.arange(600), vectors)
    index = opened(tmp_path / "held")
    for i in range(63):
        assert index.search(vectors[i], 1)[0].tolist() == [[i]]
    assert not asked
    for i in range(63, 70):
        assert index.search(vectors[i], 1)[0].tolist() == [[i]]
    assert sum(asked) == 7


def test_a_file_that_cannot_be_written_loses_no_row(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_graph, "write_atomic", full)
    index = opened(tmp_path / "held").add(np.arange(600), sentences(600))
    assert len(index) == 600
    assert "No space left" in caplog.text
    assert index.search(sentences(600)[5], 1)[0].tolist() == [[5]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_whose_growth_was_interrupted_is_not_used_and_made_again(kind, monkeypatch):
    vectors = sentences(1200)
    index = Faiss(kind=kind, waiting=50).add(np.arange(600), vectors[:600])
    real = _graph.Graph.take

    def interrupted(self, rows):
        real(self, rows[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_graph.Graph, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.add(np.arange(600, 1200), vectors[600:])
    assert shared(index, np.arange(1200), vectors, vectors[::40]) == 1.0  # all are compared
    index.build()
    assert len(index._graphs().known.rows) == len(index._graphs().known.graph) == 1200
    assert shared(index, np.arange(1200), vectors, vectors[::40]) > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_eight_threads_search_while_rows_come_and_go(kind):
    vectors = sentences(3000)
    index = Faiss(kind=kind, waiting=50).add(np.arange(1000), vectors[:1000])
    stop, wrong = threading.Event(), []

    def read(seed):
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            i = int(rng.integers(500, 1000))  # these stay
            keys, scores = index.search(vectors[i], 5)
            if keys[0, 0] != i or len(set(keys[0].tolist())) < 5 or abs(scores[0, 0] - 1) > 1e-5:
                wrong.append((i, keys, scores))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for start in range(1000, 3000, 100):
        index.add(np.arange(start, start + 100), vectors[start : start + 100])
        index.delete(range((start - 1000) // 4, (start - 1000) // 4 + 25))
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(index) == 2500


def test_wrong_settings_are_refused():
    with pytest.raises(ChiasmError, match="kind"):
        Faiss(kind="flat").add(["a"], np.ones((1, 2)))
    with pytest.raises(ChiasmError, match="waiting"):
        Faiss(waiting=0).add(["a"], np.ones((1, 2)))
