"""One contract over all engines: the same questions, the same answers, in memory, in a folder or in a database."""

import copy
import itertools
import subprocess
import sys
import threading

import numpy as np
import pytest

from chiasm import recipe, registry
from chiasm.errors import ChiasmError
from chiasm.index._bounds import Coarse
from chiasm.index.exact import Exact
from chiasm.index.signs import Signs

COLUMNS = {"title": "text", "size": "number", "taken": "date", "album": "category", "file": "path"}
WIDTH = 12


def in_memory(tmp_path):
    return Exact(columns=COLUMNS)


def in_a_folder(tmp_path):
    return Exact(columns=COLUMNS, path=tmp_path / "held")


def signs_in_memory(tmp_path):
    return Signs(columns=COLUMNS, candidates=60)


def signs_in_a_folder(tmp_path):
    return Signs(columns=COLUMNS, path=tmp_path / "held", candidates=60)


def faiss_of(kind, folder=True):
    def make(tmp_path):
        pytest.importorskip("faiss", reason="the extra faiss is not installed")
        faiss = registry.get("index", "faiss")
        return faiss(columns=COLUMNS, path=tmp_path / "held" if folder else None, kind=kind, waiting=32)

    return make


def postgres(tmp_path):
    import _server

    address = _server.address()  # skips where it cannot be started
    engine = registry.get("index", "postgres")
    return engine(columns=COLUMNS, address=address, table=_server.table(tmp_path), few=20)


ENGINES = {
    "exact in memory": (in_memory, 1.0),
    "exact in a folder": (in_a_folder, 1.0),
    "signs in memory": (signs_in_memory, 0.8),
    "signs in a folder": (signs_in_a_folder, 0.8),
    "hnsw in memory": (faiss_of("hnsw", folder=False), 0.95),
    "hnsw in a folder": (faiss_of("hnsw"), 0.95),
    "ivf in memory": (faiss_of("ivf", folder=False), 0.9),
    "ivf in a folder": (faiss_of("ivf"), 0.9),
    "postgres": (postgres, 0.95),
}
"""By name, how one is made, and the share of the 10 nearest that it has to find."""
LASTING = [name for name in ENGINES if not name.endswith("in memory")]


@pytest.fixture(params=list(ENGINES))
def engine(request, tmp_path):
    make, recall = ENGINES[request.param]
    index = make(tmp_path)
    index.least = recall
    return index


def made(n, seed=0, width=WIDTH):
    """n clustered vectors of length 1 and their metadata."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(12, width))
    vectors = (centers[rng.integers(0, 12, n)] + 0.4 * rng.normal(size=(n, width))).astype(np.float32)
    days = rng.integers(0, 1500, n)
    metadata = {
        "title": [f"The {('dog', 'cat', '海边的狗')[i % 3]} {i}" for i in range(n)],
        "size": [None if i % 11 == 5 else float(i) for i in range(n)],
        "taken": [str(np.datetime64("2021-01-01") + int(day)) for day in days],
        "album": [("summer", "winter")[i % 2] for i in range(n)],
        "file": [f"{('a', 'b')[i % 2]}/{i % 7}/{i}.jpg" for i in range(n)],
    }
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), metadata


def filled(index, n=400, seed=0):
    vectors, metadata = made(n, seed)
    return index.add([f"k{i}" for i in range(n)], vectors, metadata), vectors, metadata


def best(vectors, keys, query, k):
    order = np.argsort(-(vectors.astype(np.float64) @ query), kind="stable")[:k]
    return [keys[i] for i in order]


def recall(index, vectors, keys, allowed=None, where=None, k=10):
    """The mean share of the k nearest that are found, k being there."""
    rows = np.arange(len(keys)) if allowed is None else np.flatnonzero(allowed)
    queries = vectors[:: max(1, len(vectors) // 40)] + 0.01
    found, _ = index.search(queries, k, where)
    assert found.shape == (len(queries), min(k, len(rows)))
    wanted = [best(vectors[rows], [keys[i] for i in rows], q / np.linalg.norm(q), k) for q in queries]
    for row in found.tolist():
        assert len(set(row)) == len(row)
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), wanted, strict=True)])


def test_keys_come_out_as_they_went_in(engine):
    index, vectors, _ = filled(engine)
    assert index.keys().tolist() == [f"k{i}" for i in range(400)]
    found, scores = index.search(vectors[[7, 9]], 3)
    assert found[:, 0].tolist() == ["k7", "k9"]
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-3)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_keys_may_be_integers(engine):
    vectors, metadata = made(30)
    engine.add(np.arange(100, 130), vectors, metadata)
    assert engine.search(vectors[4], 1)[0].tolist() == [[104]]
    with pytest.raises(ChiasmError, match="strings or integers"):
        engine.add(["a"], vectors[:1])


def test_vectors_come_back_by_their_keys(engine):
    assert len(engine.vectors(["k1"])[0]) == 0
    index, vectors, _ = filled(engine)
    index.delete(["k3"])
    index.update(["k7"], vectors[:1])
    keys, found = index.vectors(["k9", "k7", "k3", "none", "k1"])
    assert keys.tolist() == ["k1", "k9", "k7"]
    np.testing.assert_allclose(found, vectors[[1, 9, 0]], atol=1e-6)


def test_the_nearest_are_found(engine):
    index, vectors, _ = filled(engine)
    assert recall(index, vectors, index.keys().tolist()) >= engine.least


def test_the_nearest_are_found_after_deleting_and_adding_a_third(engine):
    index, vectors, _ = filled(engine)
    gone = np.random.default_rng(1).permutation(400)[:120]
    assert index.delete([f"k{i}" for i in gone]) == 120
    more, metadata = made(120, seed=5)
    index.add([f"new{i}" for i in range(120)], more, metadata)
    stays = np.setdiff1d(np.arange(400), gone)
    keys = [f"k{i}" for i in stays] + [f"new{i}" for i in range(120)]
    assert sorted(index.keys().tolist()) == sorted(keys)
    assert len(index) == 400
    assert recall(index, np.concatenate([vectors[stays], more]), keys) >= engine.least


def test_an_update_replaces_and_adds(engine):
    index, vectors, metadata = filled(engine, 50)
    told = {name: [values[3]] * 2 for name, values in metadata.items()}
    index.update(["k3", "k99"], -vectors[[3, 4]], told)
    assert len(index) == 51
    assert index.search(-vectors[3], 1)[0].tolist() == [["k3"]]
    assert index.search(-vectors[4], 1)[0].tolist() == [["k99"]]
    assert index.search(vectors[3], 51)[0].tolist()[0].count("k3") == 1


CONDITIONS = {
    "size>200": lambda m: np.array([s is not None and s > 200 for s in m["size"]]),
    "size!=7": lambda m: np.array([s is not None and s != 7 for s in m["size"]]),
    "size<=20": lambda m: np.array([s is not None and s <= 20 for s in m["size"]]),
    "taken=2022-05": lambda m: np.array([t.startswith("2022-05") for t in m["taken"]]),
    "taken<=2022": lambda m: np.array([t[:4] <= "2022" for t in m["taken"]]),
    "taken>2022-05-03": lambda m: np.array([t > "2022-05-03" for t in m["taken"]]),
    "album=Summer": lambda m: np.array([a == "summer" for a in m["album"]]),
    "album!=summer": lambda m: np.array([a != "summer" for a in m["album"]]),
    "title~狗": lambda m: np.array(["狗" in t for t in m["title"]]),
    "title~the CAT": lambda m: np.array(["the cat" in t.lower() for t in m["title"]]),
    "file=a/3": lambda m: np.array([f.startswith("a/3/") for f in m["file"]]),
    "file=a": lambda m: np.array([f.startswith("a/") for f in m["file"]]),
    "file!=a/0": lambda m: np.array([not f.startswith("a/0/") for f in m["file"]]),
    "file~/3/": lambda m: np.array(["/3/" in f for f in m["file"]]),
}


@pytest.mark.parametrize("condition", list(CONDITIONS))
def test_a_condition_lets_through_what_meets_it_and_no_other(engine, condition):
    index, vectors, metadata = filled(engine)
    allowed = CONDITIONS[condition](metadata)
    assert 0 < allowed.sum() < 400
    keys = index.keys()
    found, _ = index.search(vectors[:3], 400, condition)
    for row in found.tolist():
        assert sorted(row) == sorted(keys[allowed].tolist())


def test_conditions_together_are_all_to_hold(engine):
    index, vectors, metadata = filled(engine)
    allowed = CONDITIONS["album=Summer"](metadata) & CONDITIONS["size>200"](metadata)
    found, _ = index.search(vectors[0], 400, ["album=summer", "size>200"])
    assert sorted(found[0].tolist()) == sorted(index.keys()[allowed].tolist())
    assert index.search(vectors[:2], 5, "size>99999")[0].shape == (2, 0)


@pytest.mark.parametrize("share", [0.5, 0.05, 0.005])
def test_filters_of_any_share_give_k_where_there_are_k(engine, share):
    n = 2000
    vectors, metadata = made(n)
    metadata["size"] = np.random.default_rng(3).permutation(n).tolist()
    engine.add(np.arange(n), vectors, metadata)
    allowed = np.array(metadata["size"]) < share * n
    assert recall(engine, vectors, list(range(n)), allowed, f"size<{share * n}") >= engine.least


def test_ranking_goes_on_to_the_last_and_repeats_none(engine):
    index, vectors, metadata = filled(engine)
    every = [key for key, _ in index.ranked(vectors[0])]
    assert sorted(every) == sorted(index.keys().tolist())
    scores = [score for _, score in index.ranked(vectors[0])]
    assert sorted(scores, reverse=True) == scores
    some = [key for key, _ in index.ranked(vectors[0], "album=summer")]
    assert sorted(some) == sorted(index.keys()[CONDITIONS["album=Summer"](metadata)].tolist())
    assert len(list(itertools.islice(index.ranked(vectors[0]), 40))) == 40


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda i: i.search(np.ones(WIDTH), 0), "k of at least 1, got 0"),
        (lambda i: i.search(np.ones(WIDTH), -1), "k of at least 1, got -1"),
        (lambda i: i.search(np.ones(WIDTH), 2.5), "k of at least 1"),
        (lambda i: i.search(np.full(WIDTH, np.nan), 1), "NaN"),
        (lambda i: i.search(np.full(WIDTH, np.inf), 1), "infinity"),
        (lambda i: i.search(np.ones(5), 1), "width 12, got 5"),
        (lambda i: i.search(np.ones(WIDTH), 1, "sise>3"), "no column named 'sise'; did you mean 'size'"),
        (lambda i: i.search(np.ones(WIDTH), 1, "size>big"), "wanted a number, got 'big'"),
        (lambda i: i.search(np.ones(WIDTH), 1, "taken>tomorrow"), "wanted 2024, 2024-05"),
        (lambda i: i.search(np.ones(WIDTH), 1, "album>summer"), "holds category: wanted one of = !="),
        (lambda i: i.search(np.ones(WIDTH), 1, "summer"), "wanted a condition such as"),
        (lambda i: i.add(["z"], np.ones((1, 5))), "width 12, got 5"),
        (lambda i: i.add(["k1"], np.ones((1, WIDTH))), "'k1': update it"),
        (lambda i: i.add(["y", "y"], np.ones((2, WIDTH))), "'y' twice"),
        (lambda i: i.add(["z"], np.full((1, WIDTH), np.nan)), "NaN"),
        (lambda i: i.add(["y", "z"], np.ones((1, WIDTH))), "one key a vector"),
        (lambda i: i.add([1.5], np.ones((1, WIDTH))), "strings or all integers"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"nosuch": ["x"]}), "got 'nosuch'"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"size": ["big"]}), "holds a number an item"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"size": [1, 2]}), "wanted 1 values"),
        (lambda i: i.update(["z"], np.ones((1, WIDTH)), {"taken": ["soon"]}), "holds a date an item"),
        (lambda i: i.search(np.ones(WIDTH), 1, [("size",)]), "wanted a condition as"),
        (lambda i: i.search(np.ones(WIDTH), 1, [5]), "wanted a condition as"),
        (lambda i: i.search(np.ones(WIDTH), 1, [(None, ">", 3)]), "wanted a condition as"),
        (lambda i: i.search(np.ones(WIDTH), 1, {"size": 3}), "wanted conditions such as"),
        (lambda i: i.search(np.ones(WIDTH), 1, 5), "wanted conditions such as"),
        (lambda i: i.search(np.ones(WIDTH), 1, [("title", "~", {})]), "a number, a text or a date"),
        (lambda i: i.search(np.ones(WIDTH), 1, [("size", ">", 10**400)]), "wanted a number, got 1000"),
        (lambda i: i.search(np.ones(WIDTH), 1, [("size", ">", 10**5000)]), "wanted a number, got an integer of"),
        (lambda i: i.search([[1.0] * WIDTH, [1.0]], 1), "queries .* rows of different lengths"),
        (lambda i: i.search("abc", 1), "numbers in 'queries'"),
        (lambda i: list(i.ranked(np.ones((2, WIDTH)))), "one query"),
        (lambda i: i.add(["y", "z"], [[1.0] * WIDTH, [1.0]]), "rows of different lengths"),
        (lambda i: i.add(["z"], None), "wanted vectors"),
        (lambda i: i.add("z", np.ones((1, WIDTH))), "a list of keys, got 'z'"),
        (lambda i: i.add(None, np.ones((1, WIDTH))), "a list of keys, got None"),
        (lambda i: i.add([10**30], np.ones((1, WIDTH))), "integers of 64 bits"),
        (lambda i: i.add(["\udce9"], np.ones((1, WIDTH))), "text that UTF-8 holds"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), ["x"]), "metadata as name"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"size": 3}), "in a list, got 3"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"title": "x"}), "in a list, got 'x'"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"size": [10**400]}), "holds a number an item"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"size": [np.ones(2)]}), "holds a number an item"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"title": [{"a": 1}]}), "holds a text an item"),
        (lambda i: i.add(["z"], np.ones((1, WIDTH)), {"album": [b"x"]}), "holds a category an item"),
        (lambda i: i.delete("k1"), "a list of keys, got 'k1'"),
        (lambda i: i.delete(None), "a list of keys, got None"),
    ],
)
def test_wrong_calls_are_one_sentence_and_change_nothing(engine, call, sentence):
    index, vectors, _ = filled(engine, 40)
    with pytest.raises(ChiasmError, match=sentence):
        call(index)
    assert len(index) == 40
    assert index.search(vectors[5], 1)[0].tolist() == [["k5"]]


def test_keys_that_cannot_be_there_are_passed_over_in_deleting(engine):
    index, _, _ = filled(engine, 10)
    assert index.delete([10**30, None, ["k1"], "\udce9", "k2"]) == 1
    assert len(index) == 9


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda path: Exact(columns=["size"], path=path), "wanted columns to be a dict"),
        (lambda path: Exact(columns={"size": "int"}, path=path), "wanted columns to be a dict"),
        (lambda path: Exact(path=5), "wanted path to be the path of a folder"),
        (lambda path: Signs(path=path, candidates="many"), "wanted candidates to be a whole number"),
        (lambda path: faiss_of("tree")(path), "no kind named 'tree'"),
    ],
)
def test_a_parameter_that_is_none_is_told_by_whatever_is_asked_first(made, sentence, tmp_path):
    for ask in (lambda i: i.search(np.ones(2)), lambda i: i.add(["a"], np.eye(2)[:1])):
        with pytest.raises(ChiasmError, match=sentence):
            ask(made(tmp_path))


def test_lists_are_taken_where_arrays_are(engine):
    engine.add(["a", "b"], [[1.0, 0.0], [0.0, 1.0]], {"size": np.array([1, 2]), "title": ("x", "y")})
    assert engine.search([0.9, 0.1], 1)[0].tolist() == [["a"]]


def test_names_that_are_no_text_are_found_as_they_are_spelled_out(engine):
    engine.add(["a", "b"], np.eye(2), {"file": ["caf\udce9/1.jpg", "x.jpg"]})
    assert engine.search(np.ones(2), 5, [("file", "=", "caf\udce9")])[0].tolist() == [["a"]]


@pytest.mark.parametrize(
    "written", ["taken>=2022/5/3", "taken>=2022年5月3日", "taken>=2022年5月3号", "taken >= ２０２２-05-03"]
)
def test_a_day_is_one_day_however_it_is_written(engine, written):
    index, vectors, _ = filled(engine, 100)
    wanted = index.search(vectors[0], 100, "taken>=2022-05-03")[0].tolist()
    assert 0 < len(wanted[0]) < 100
    assert index.search(vectors[0], 100, written)[0].tolist() == wanted
    assert index.search(vectors[0], 100, "taken=2022年5月")[0].tolist() == (
        index.search(vectors[0], 100, "taken=2022-05")[0].tolist()
    )


def test_asking_for_a_thousand_million_gives_all(engine):
    index, vectors, _ = filled(engine, 40)
    assert index.search(vectors[0], 10**9)[0].shape == (1, 40)


def test_metadata_that_are_not_known_meet_no_condition(engine):
    vectors, _ = made(3)
    engine.add(["a", "b", "c"], vectors, {"size": [1, None, 3], "title": ["x", None, ""]})
    for where in ("size!=1", "size<9", "title!=y", "taken>1999"):
        found = set(engine.search(vectors[0], 9, where)[0][0].tolist())
        assert found == {"size!=1": {"c"}, "size<9": {"a", "c"}, "title!=y": {"a"}, "taken>1999": set()}[where]


def test_paths_are_met_letter_by_letter_and_what_they_hold_whatever_the_case(engine):
    vectors, _ = made(3)
    engine.add(["a", "b", "c"], vectors, {"file": ["Trip/IMG_1.jpg", "trip/img_2.jpg", "TRIP"]})
    met = {
        where: set(engine.search(vectors[0], 9, where)[0][0].tolist())
        for where in ("file=Trip", "file=trip/", "file!=trip", "file~img_", "file~IMG", "file=./TRIP")
    }
    assert met == {
        "file=Trip": {"a"},
        "file=trip/": {"b"},
        "file!=trip": {"a", "c"},
        "file~img_": {"a", "b"},
        "file~IMG": {"a", "b"},
        "file=./TRIP": {"c"},
    }


def test_what_stands_in_conditions_and_keys_is_no_code(engine):
    odd = ["'; DROP TABLE rows; --", 'a"b', "%_%", "狗\n", "\\"]
    vectors, _ = made(5)
    engine.add(odd, vectors, {"title": odd, "album": odd})
    for i, one in enumerate(odd):
        assert engine.search(vectors[i], 9, [("album", "=", one)])[0].tolist() == [[one]]
        assert one in engine.search(vectors[i], 9, [("title", "~", one)])[0][0].tolist()
    assert engine.search(vectors[0], 9, [("title", "~", "%")])[0].tolist() == [["%_%"]]
    assert engine.delete(odd[:2]) == 2
    assert sorted(engine.keys().tolist()) == sorted(odd[2:])


def test_readers_see_whole_sets_while_others_are_written(engine):
    index, vectors, _metadata = filled(engine, 200)
    more, told = made(200, seed=9)
    wrong = []

    def read():
        for _ in range(30):
            found = index.search(vectors[:2], 1000)[0]
            for row in found.tolist():
                batches = {int(key[3:]) // 50 for key in row if key.startswith("new")}
                whole = sum(key.startswith("new") for key in row) == 50 * len(batches)
                if len(set(row)) != len(row) or not whole or sum(not key.startswith("new") for key in row) != 200:
                    wrong.append(row)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(0, 200, 50):
        part = slice(start, start + 50)
        index.add([f"new{i}" for i in range(start, start + 50)], more[part], {n: v[part] for n, v in told.items()})
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(index) == 400


@pytest.mark.parametrize("name", LASTING)
def test_what_was_added_is_there_when_it_is_opened_again(name, tmp_path):
    index, vectors, _metadata = filled(ENGINES[name][0](tmp_path))
    index.delete(["k5"])
    again = ENGINES[name][0](tmp_path)
    assert sorted(again.keys().tolist()) == sorted(f"k{i}" for i in range(400) if i != 5)
    assert again.search(vectors[6], 1, "album=summer")[0].tolist() == [["k6"]]
    again.add(["late"], -vectors[:1])
    assert index.search(-vectors[0], 1)[0].tolist() == [["late"]]  # who had it open sees it


def test_a_copy_in_memory_goes_its_own_way(tmp_path):
    index, vectors, _ = filled(in_memory(tmp_path), 30)
    other = copy.deepcopy(index)
    other.delete(["k1"])
    assert (len(index), len(other)) == (30, 29)
    recipe.save(other, tmp_path / "saved")
    loaded = recipe.load(tmp_path / "saved")
    assert loaded.search(vectors[3], 2, "size<10")[0].tolist() == other.search(vectors[3], 2, "size<10")[0].tolist()


KILLED = """
import os, sys, numpy as np
from tests.index.test_contract import ENGINES, made
from chiasm.index import _journal
from pathlib import Path
name, place, step = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
index = ENGINES[name][0](place)
vectors, metadata = made(100, seed=4)
half = {n: v[:50] for n, v in metadata.items()}
index.update([f"b{i}" for i in range(50)], vectors[:50], half)
print("acknowledged", flush=True)
def die(*_, **__): os._exit(9)
if step == "before the commit":
    _journal.Journal._say = die
elif step == "within the vectors":
    real = os.fsync
    os.fsync = die
elif step == "after the commit":
    real = _journal.Journal._say
    _journal.Journal._places = _journal.Journal._places
    index.update([f"b{i}" for i in range(100)], vectors, metadata); die()
index.update([f"b{i}" for i in range(100)], vectors, metadata)
"""


@pytest.mark.parametrize("step", ["within the vectors", "before the commit", "after the commit"])
@pytest.mark.parametrize("name", [name for name in LASTING if "postgres" not in name])
def test_a_death_at_any_step_loses_nothing_acknowledged_and_a_retry_ends_in_the_same_set(name, step, tmp_path):
    _index, vectors, _ = filled(ENGINES[name][0](tmp_path), 60)
    done = subprocess.run([sys.executable, "-c", KILLED, name, str(tmp_path), step], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (9, "acknowledged"), done.stderr
    again = ENGINES[name][0](tmp_path)
    first = [f"k{i}" for i in range(60)]
    there = sorted(again.keys().tolist())
    assert there in (sorted(first + [f"b{i}" for i in range(n)]) for n in (50, 100))
    more, metadata = made(100, seed=4)
    again.update([f"b{i}" for i in range(100)], more, metadata)
    assert sorted(again.keys().tolist()) == sorted(first + [f"b{i}" for i in range(100)])
    assert recall(again, np.concatenate([vectors, more]), first + [f"b{i}" for i in range(100)]) >= ENGINES[name][1]
    assert not again.damaged()


def test_flipped_bits_are_found_by_key_and_an_update_mends_them(tmp_path):
    index, vectors, _metadata = filled(in_a_folder(tmp_path), 60)
    assert index.damaged() == []
    (file,) = (tmp_path / "held").glob("vectors-*.f32")
    raw = bytearray(file.read_bytes())
    raw[4 * WIDTH * 7 + 3] ^= 0x40
    file.write_bytes(bytes(raw))
    again = in_a_folder(tmp_path)
    assert again.damaged() == ["k7"]
    again.update(["k7"], vectors[7:8])
    assert again.damaged() == []
    assert again.search(vectors[7], 1)[0].tolist() == [["k7"]]


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda f: next(f.glob("vectors-*")).write_bytes(b"1234"), "not whole"),
        (lambda f: next(f.glob("vectors-*")).unlink(), "not whole"),
        (lambda f: (f / "rows.sqlite").write_bytes(b"nonsense" * 500), "damaged"),
        (lambda f: (f / "rows.sqlite").unlink(), "lacks its rows.sqlite"),
        (lambda f: (f / "rows.sqlite").write_bytes(b""), "lacks its rows.sqlite"),
    ],
)
def test_a_folder_that_was_copied_half_or_damaged_says_so(tmp_path, harm, sentence):
    index, vectors, _ = filled(in_a_folder(tmp_path), 20)
    index._opened._db.close()
    for extra in (tmp_path / "held").glob("rows.sqlite-*"):
        extra.unlink()
    harm(tmp_path / "held")
    with pytest.raises(ChiasmError, match=sentence):
        in_a_folder(tmp_path).search(vectors, 1)


def test_other_columns_than_it_was_made_with_are_refused(tmp_path):
    filled(in_a_folder(tmp_path), 3)
    with pytest.raises(ChiasmError, match="was made with the columns title"):
        Exact(path=tmp_path / "held").add(["x"], np.ones((1, WIDTH)))


def test_many_deletions_make_the_folder_small_again_and_open_readers_stay_right(tmp_path):
    index, vectors, _metadata = filled(in_a_folder(tmp_path), 400)
    reader = in_a_folder(tmp_path)
    assert reader.search(vectors[:1], 1)[0].tolist() == [["k0"]]
    index.delete([f"k{i}" for i in range(300)])
    (file,) = (tmp_path / "held").glob("vectors-*.f32")
    assert file.stat().st_size == 4 * WIDTH * 100
    for one in (index, reader):
        assert one.keys().tolist() == [f"k{i}" for i in range(300, 400)]
        assert one.search(vectors[350], 1, "file=a")[0].tolist() == [["k350"]]
        assert one.damaged() == []


@pytest.mark.skipif(not Coarse.there(), reason="the package for products of 8 bits is not installed")
@pytest.mark.parametrize("scale", [1.0, 1e-3, 30.0])
def test_the_first_pass_in_whole_numbers_rules_out_none_of_the_nearest(scale):
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(20_000, 24)) + scale, scale * np.eye(24)[rng.integers(0, 24, 500)]])
    vectors[100:300] = vectors[99]  # equal ones, more than k
    index = Exact().add(np.arange(len(vectors)), vectors)
    queries = np.concatenate([vectors[95:105], rng.normal(size=(30, 24)), np.zeros((1, 24))])
    slow = Exact().add(np.arange(len(vectors)), vectors)
    assert len(queries) >= 16
    for k in (1, 7, 300):
        keys, scores = index.search(queries, k)
        assert "_known" in vars(index)
        for i, query in enumerate(queries[::4]):
            alone, value = slow.search(query, k)
            slow._asked = 0
            np.testing.assert_array_equal(alone[0], keys[4 * i])
            np.testing.assert_array_equal(value[0], scores[4 * i])
    assert "_known" not in vars(slow)


def test_the_first_pass_keeps_up_with_what_is_added_and_deleted():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(36_000, 8)).astype(np.float32)
    index = Exact().add(np.arange(17_000), vectors[:17_000])
    for upto in (17_000, 17_001, 33_000, 36_000):
        if upto > len(index):
            index.add(np.arange(len(index), upto), vectors[len(index) : upto])
        keys, _ = index.search(vectors[upto - 20 : upto], 1)
        assert keys[:, 0].tolist() == list(range(upto - 20, upto))
    index.delete(range(10, 36_000, 2))
    keys, _ = index.search(vectors[30_000:30_020], 1)
    assert all(key % 2 or key < 10 for key in keys[:, 0].tolist())
    assert keys[1::2, 0].tolist() == list(range(30_001, 30_020, 2))
