"""Comparing: the same rows for every method, intervals that cover, held-out rows unseen, nothing computed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from chiasm.align._aligner import Linear
from chiasm.align.cca import CCA
from chiasm.align.ridge import Ridge
from chiasm.compare import cells, compare_align, plot
from chiasm.compare.cells import Store, code_of
from chiasm.compare.resampling import Resampling, spread
from chiasm.compare.trials import draw, trials
from chiasm.data.toy import planted_pair
from chiasm.encode.tfidf_text import TfidfText
from chiasm.errors import ChiasmError
from chiasm.views import Column, Views

CHEAP = {"cca": CCA(k=8, ridge=1.0), "ridge": Ridge(target="b", ridge=1.0)}


def table(n=400, split=(280, 40, 80), correlations=(0.9,) * 8):
    """Planted pairs with rows of train, val and test in turn; no split where it is None."""
    a, b = planted_pair(n, correlations=correlations)
    facts = {} if split is None else {"split": np.repeat(np.array(["train", "val", "test"], object), split)}
    return Views({"a": Column("vector", a), "b": Column("vector", b)}, None, facts)


class Diary(Linear):
    """An aligner that writes down the rows it was shown."""

    shown: ClassVar[list] = []

    def fit(self, views, y=None, *, val=None):
        assert val is None
        self.shown.append(("fit", views.ids.tolist(), {n: len(c.items) for n, c in views.columns.items()}))
        self.means_ = {name: np.zeros(column.width) for name, column in views.columns.items()}
        self.weights_ = {name: np.eye(column.width)[:, :8] for name, column in views.columns.items()}
        return self

    def transform(self, views):
        self.shown.append(("transform", views.ids.tolist(), {n: len(c.items) for n, c in views.columns.items()}))
        return super().transform(views)


class Refusing(Diary):
    def fit(self, views, y=None, *, val=None):
        raise ChiasmError("wanted a reason, got none: give one.")


class Nowhere(Diary):
    def transform(self, views):
        mapped = super().transform(views)
        nan = {n: Column("vector", np.full_like(c.items, np.nan), c.index) for n, c in mapped.columns.items()}
        return mapped.replace(nan)


@pytest.fixture
def diary(monkeypatch):
    monkeypatch.setattr(Diary, "shown", [])
    return Diary.shown


def test_the_json_has_the_documented_shape(tmp_path):
    found = compare_align(table(), CHEAP, pairs=[50, "all"], seeds=2, to=tmp_path)
    read = json.loads(found.to_json())
    assert read == found.table
    assert list(read) == ["data", "split", "seeds", "budget", "default", "methods", "differences"]
    assert (read["split"], read["seeds"], read["default"]) == ("validation", 2, "cca")
    assert read["data"]["pairs"] == {"50": 50, "all": 280}
    assert read["data"]["scored"] == 40
    for of in read["methods"].values():
        assert list(of) == ["50", "all"]
        for cell in of.values():
            assert list(cell) == ["rsum", "R@1", "by_seed", "directions", "seconds", "tried"]
            assert np.mean(cell["by_seed"]) == pytest.approx(cell["R@1"]["value"], abs=1e-5)
            for entry in (cell["rsum"], cell["R@1"]):
                assert entry["low"] <= entry["value"] <= entry["high"]
            assert [(d["from"], d["to"]) for d in cell["directions"]] == [("a", "b"), ("b", "a")]
            recalls = [d[f"R@{k}"]["value"] for d in cell["directions"] for k in (1, 5, 10)]
            assert cell["rsum"]["value"] == pytest.approx(100 * sum(recalls), abs=1e-2)
            assert cell["R@1"]["value"] == pytest.approx((recalls[0] + recalls[3]) / 2, abs=1e-5)
    assert [(d["a"], d["b"], d["pairs"]) for d in read["differences"]] == [
        ("cca", "ridge", "50"),
        ("cca", "ridge", "all"),
    ]
    for d in read["differences"]:
        ours, theirs = (read["methods"][m][d["pairs"]]["R@1"]["value"] for m in ("cca", "ridge"))
        assert d["difference"] == pytest.approx(100 * (ours - theirs), abs=1e-3)
        assert d["low"] <= d["difference"] <= d["high"]


def test_chance_is_k_out_of_the_gallery(tmp_path):
    found = compare_align(table(), CHEAP, pairs=[50], seeds=1, to=tmp_path).table["data"]["chance"]
    assert found["rsum"] == pytest.approx(100 * 2 * (1 + 5 + 10) / 40)
    assert found["R@1"] == pytest.approx(1 / 40)


def test_scores_equal_those_of_fitting_by_hand_on_the_drawn_rows(tmp_path):
    views = table()
    found = compare_align(views, CHEAP, pairs=[60], seeds=2, to=tmp_path).table["methods"]["cca"]["60"]
    firsts = []
    for seed in range(2):
        drawn = views[draw(views, views.split == "train", "60", seed)]
        mapped = CCA(k=8, ridge=1.0, seed=seed).fit(drawn).transform(views[views.split == "val"])
        a, b = (mapped[name].items[mapped[name].used] for name in "ab")
        cosine = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
        firsts.append([(cosine.argmax(axis=axis) == np.arange(40)).mean() for axis in (1, 0)])
    for i, direction in enumerate(found["directions"]):
        assert direction["R@1"]["value"] == pytest.approx(np.mean(firsts, axis=0)[i], abs=1e-6)


def test_a_smaller_draw_is_part_of_a_larger_one_and_only_pairs_of_the_given_rows_are_drawn():
    rng = np.random.default_rng(0)
    index = np.where(rng.random(90) < 0.3, -1, np.arange(90))
    views = Views({"a": Column("vector", np.eye(90)), "b": Column("vector", np.eye(90), index)}, np.arange(90) // 2)
    rows = np.arange(90) < 60
    last = np.zeros(90, bool)
    for size in ("2", "10", "20", "all"):
        mask = draw(views, rows, size, seed=1)
        assert (mask | rows).sum() == 60
        assert (last & ~mask).sum() == 0
        drawn = views[mask]
        assert size == "all" or drawn.things == int(size)
        assert all((drawn["b"].present & (drawn.ids == i)).any() for i in drawn.ids)
        last = mask
    assert not np.array_equal(draw(views, rows, "10", 1), draw(views, rows, "10", 2))
    with pytest.raises(ChiasmError, match="wanted 31 training things that have two views, got"):
        draw(views, rows, "31", 1)


def test_a_method_is_shown_the_drawn_rows_and_the_scored_rows_and_no_others(diary, tmp_path):
    views = table()
    compare_align(views, {"diary": Diary()}, pairs=[20, 50], seeds=2, to=tmp_path)
    train, val = (set(views.ids[views.split == name].tolist()) for name in ("train", "val"))
    assert [what for what, *_ in diary] == ["fit", "transform"] * 4
    for what, ids, items in diary:
        assert set(ids) <= train if what == "fit" else set(ids) == val
        assert items == {"a": len(ids), "b": len(ids)}  # nor does the column hold another row's item
    assert set(diary[0][1]) < set(diary[2][1])


def test_test_rows_decide_nothing_before_final(tmp_path):
    clean, poisoned = table(), table()
    for name in "ab":
        items = np.array(poisoned[name].items)
        items[320:, 1:] = np.nan
        poisoned = poisoned.replace({**poisoned.columns, name: Column("vector", items)})
    one, two = (
        compare_align(v, CHEAP, pairs=[50], seeds=2, to=tmp_path / n) for v, n in ((clean, "1"), (poisoned, "2"))
    )
    for found in (one, two):
        for of in found.table["methods"].values():
            del of["50"]["seconds"]
    assert one.table["methods"] == two.table["methods"]
    assert compare_align(poisoned, CHEAP, pairs=[50], seeds=2, to=tmp_path / "2").made == 0


def test_final_scores_the_test_rows_and_logs_each_look(diary, tmp_path):
    views = table()
    for times in range(3):
        found = compare_align(views, {"diary": Diary()}, pairs=[20], seeds=1, final=True, to=tmp_path, source="x.csv")
        assert found.table["split"] == "test"
        assert found.table["data"]["opened_before"] == found.opened == times
        assert f"opened {['for the first time', 'once before', '2 times before'][times]}" in str(found)
    assert [what for what, *_ in diary] == ["fit", "transform"]  # the second look was at what is on disk
    assert set(diary[1][1]) == set(views.ids[views.split == "test"].tolist())
    looks = [json.loads(line) for line in (tmp_path / "final.log").read_text().splitlines()]
    assert len(looks) == 3
    assert looks[0].items() >= {"data": "x.csv", "split": "test", "methods": ["diary"]}.items()
    assert looks[0]["time"] <= looks[2]["time"]


def test_without_a_split_the_test_part_stays_and_the_rest_is_cut_again_for_each_seed():
    views = table(split=None)
    held = {final: [t.views.ids[t.scored] for t in trials(views, 3, final=final)] for final in (False, True)}
    test = set(held[True][0].tolist())
    assert len(test) == 80
    assert all(set(ids.tolist()) == test for ids in held[True])
    assert all(len(ids) == 40 and not test & set(ids.tolist()) for ids in held[False])
    assert set(held[False][0].tolist()) != set(held[False][1].tolist())
    for final in (False, True):
        numbers = [
            dict(zip(t.views.ids.tolist(), t.codes.tolist(), strict=True)) for t in trials(views, 2, final=final)
        ]
        assert all(numbers[0][i] == numbers[1][i] for i in numbers[0].keys() & numbers[1].keys())


def test_a_split_without_validation_rows_has_them_cut_from_training():
    views = table(split=(320, 0, 80))
    for trial in trials(views, 2):
        assert set(trial.views.ids.tolist()) == set(range(320))
        assert trial.scored.sum() == 40
    assert next(iter(trials(views, 1, final=True))).split.tolist().count("train") == 320


def test_an_encoder_that_learns_learns_from_the_training_rows_of_each_seed():
    words = [f"{w} {i % 9} {i}" for i, w in enumerate(["red", "green", "blue", "tall"] * 50)]
    views = Views({"t": Column("text", words), "v": Column("vector", planted_pair(200)[0])})
    seen = [trial.encoding.encoders_["t"].fingerprint for trial in trials(views, 2, encoders={"t": TfidfText()})]
    first = next(iter(trials(views, 1, encoders={"t": TfidfText()})))
    train = [words[i] for i in first.views.ids[first.split == "train"]]
    assert seen[0] == TfidfText().fit(train).fingerprint != seen[1]


def test_the_bootstrap_equals_scoring_the_drawn_things_again():
    rng = np.random.default_rng(0)
    about = [rng.integers(0, 30, size=50) * 7, rng.integers(0, 30, size=40) * 7]
    values = [rng.random((len(things), 2)) for things in about]
    drawn = Resampling(np.concatenate(about), 2, resamples=20)
    means = drawn.means(values, about)
    np.testing.assert_allclose(means[0], np.mean([v.mean(axis=0) for v in values], axis=0), rtol=1e-5)
    for row in range(1, 21):
        of_seed = []
        for seed in (0, 1):
            copies = [np.flatnonzero(about[seed] == t) for t in np.repeat(drawn.things, drawn.ids[row].astype(int))]
            of_seed += int(drawn.seeds[row, seed]) * [values[seed][np.concatenate(copies)].mean(axis=0)]
        np.testing.assert_allclose(means[row], np.mean(of_seed, axis=0), rtol=1e-5)


def test_the_interval_covers_the_truth_where_things_alone_would_not():
    """Planted: a score is 0.5 + an effect of the seed + one of the thing + noise; 8 seeds, 60 things."""
    rng = np.random.default_rng(0)
    covered = {"both": 0, "things": 0}
    things = np.arange(60)
    drawn, once = Resampling(things, 8, resamples=200), Resampling(things, 1, resamples=200)
    for _ in range(2000):
        of_seed, of_thing = rng.normal(0, 0.1, 8), rng.normal(0, 0.3, 60)
        values = [(0.5 + s + of_thing + rng.normal(0, 0.1, 60))[:, None] for s in of_seed]
        both = spread(drawn.means(values, [things] * 8)[:, 0])
        covered["both"] += both["low"] <= 0.5 <= both["high"]
        alone = spread(once.means([np.mean(values, axis=0)], [things])[:, 0])
        covered["things"] += alone["low"] <= 0.5 <= alone["high"]
    assert 0.92 < covered["both"] / 2000 < 0.97  # .936 as with few seeds; .9 would pass once in 1,000
    assert covered["things"] < covered["both"] - 100


def test_a_method_does_not_differ_from_itself_at_all(tmp_path):
    twins = {"cca": CCA(k=8, ridge=1.0), "again": CCA(k=8, ridge=1.0), "ridge": Ridge(target="b", ridge=100.0)}
    same, other = compare_align(table(), twins, pairs=[50], seeds=3, to=tmp_path).table["differences"]
    assert (same["b"], same["difference"], same["low"], same["high"]) == ("again", 0, 0, 0)
    assert other["low"] < other["high"]


def test_only_missing_and_damaged_cells_are_computed_again(tmp_path):
    def run(pairs=(50, 100), **more):
        return compare_align(table(), CHEAP, pairs=pairs, seeds=3, to=tmp_path, **more)

    first = run()
    assert (first.found, first.made) == (0, 12)
    assert run().table == first.table
    gone, broken = sorted(tmp_path.glob("*.safetensors"))[2:4]
    gone.unlink()
    broken.write_bytes(broken.read_bytes()[:-5])
    again = run()
    assert (again.found, again.made) == (10, 2)
    assert run().found == 12
    assert run(pairs=(50, 70)).found == 6


def test_what_a_killed_process_computed_is_found(tmp_path):
    code = f"""
import os, signal
from test_compare import CHEAP, table
from chiasm.compare import compare_align
def tell(done, total, cell):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
compare_align(table(), CHEAP, pairs=[50], seeds=3, to={str(tmp_path)!r}, tell=tell)
"""
    env = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (tmp_path / ".new-half").write_bytes(b"half a cell")
    found = compare_align(table(), CHEAP, pairs=[50], seeds=3, to=tmp_path)
    assert (found.found, found.made) == (3, 3)
    assert not list(tmp_path.glob(".new-*"))


def test_other_settings_data_or_held_out_rows_make_other_cells(tmp_path):
    def made(views, methods):
        return compare_align(views, methods, pairs=[50], seeds=1, to=tmp_path).made

    cca = {"m": CCA(k=8, ridge=1.0)}
    assert made(table(), cca) == 1
    assert made(table(), cca) == 0
    assert made(table(), {"m": CCA(k=8, ridge=3.0)}) == 1
    assert made(table(), {"m": Ridge(ridge=1.0)}) == 1
    assert made(table(correlations=(0.8,) * 8), cca) == 1
    assert made(table(split=(280, 41, 79)), cca) == 1


def test_a_changed_file_or_a_changed_file_that_it_imports_is_another_method(tmp_path, monkeypatch):
    def turn():
        spec = spec_from_file_location("turn", tmp_path / "turn.py")
        module = module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "turn", module)
        spec.loader.exec_module(module)
        return code_of(module.Turn())

    body = "from chiasm.part import Part\nclass Turn(Part):\n    def __init__(self, by=1):\n        self.by = by\n"
    monkeypatch.setattr(cells, "_ROOT", tmp_path)
    cells._imports.cache_clear()
    (tmp_path / "part.py").write_text("from chiasm.errors import ChiasmError\n")
    (tmp_path / "errors.py").write_text("'one'\n")
    (tmp_path / "turn.py").write_text(body)
    seen = [turn(), turn()]
    (tmp_path / "errors.py").write_text("'two'\n")
    seen.append(turn())
    (tmp_path / "turn.py").write_text(body + "# faster\n")
    seen.append(turn())
    (tmp_path / "sibling.py").write_text("")
    seen.append(turn())
    (tmp_path / "registry.py").write_text("")
    (tmp_path / "turn.py").write_text("from chiasm import registry\n" + body)
    seen.append(turn())
    (tmp_path / "sibling.py").write_text("'changed'")
    seen.append(turn())
    (tmp_path / "turn.py").write_text("from chiasm import registry\n" + body.replace("by=1", "by='sibling'"))
    seen.append(turn())
    (tmp_path / "sibling.py").write_text("'changed again'")
    seen.append(turn())
    first, same, imported, own, sibling, asks, other, named, held = seen
    assert first == same
    assert own == sibling
    assert asks == other  # a part of the folder that it does not name
    assert len({first, imported, own, asks, named, held}) == 6
    cells._imports.cache_clear()


def test_a_method_that_fails_leaves_the_others_alone(tmp_path):
    parts = {"refusing": Refusing(), "nowhere": Nowhere(), **CHEAP}
    found = compare_align(table(), parts, pairs=[50, 281], seeds=2, to=tmp_path)
    methods = found.table["methods"]
    assert methods["refusing"]["50"] == {"error": "wanted a reason, got none: give one."}
    assert "not finite" in methods["nowhere"]["50"]["error"]
    assert methods["cca"]["50"]["R@1"]["value"] > 0.1
    assert {of["281"]["error"] for of in methods.values()} == {
        "wanted 281 training things that have two views, got 280."
    }
    assert {d["pairs"] for d in found.table["differences"]} == {"50"}
    shown = str(found)
    assert "no score: refusing: wanted a reason" in shown
    assert shown.count("got 280") == 1


def test_registered_aligners_are_asked_by_name_and_wrong_requests_are_one_sentence(tmp_path):
    found = compare_align(table(), ["ridge", "cca"], pairs=[50], seeds=1, to=tmp_path).table
    assert found["default"] == "cca"
    assert found["methods"]["cca"]["50"]["tried"] > 1
    for wrong, sentence in (
        ({"methods": ["cda"]}, "did you mean 'cca'"),
        ({"pairs": ["50", "many"]}, "at least 2, or 'all', got many"),
        ({"pairs": [1]}, "at least 2"),
        ({"seeds": 0}, "at least 1 seed"),
    ):
        with pytest.raises(ChiasmError, match=sentence):
            compare_align(table(), **{"methods": ["cca"], "to": tmp_path, **wrong})
    with pytest.raises(ChiasmError, match="two views"):
        compare_align({"a": np.eye(9)}, to=tmp_path)
    with pytest.raises(ChiasmError, match="wanted rows of split 'test', got only train, val"):
        compare_align(table(split=(300, 100, 0)), final=True, to=tmp_path)


def test_leaks_are_refused_and_told(tmp_path):
    views = table()
    items = {name: np.array(views[name].items) for name in "ab"}
    items["a"][285] = items["a"][3]
    once = views.replace({name: Column("vector", values) for name, values in items.items()})
    found = compare_align(once, CHEAP, pairs=[50], seeds=1, to=tmp_path)
    assert found.table["data"]["leaks"]["equal"] == {"a": 1, "b": 0}
    items["b"][285] = items["b"][3]
    whole = views.replace({name: Column("vector", values) for name, values in items.items()})
    with pytest.raises(ChiasmError, match="equal a training row in every view"):
        compare_align(whole, CHEAP, pairs=[50], seeds=1, to=tmp_path)
    compare_align(whole, CHEAP, pairs=[50], seeds=1, to=tmp_path, allow_leaks=True)


def test_three_views_are_scored_in_six_directions(tmp_path):
    z = np.random.default_rng(0).normal(size=(200, 6))
    views = {n: z + 0.3 * np.random.default_rng(i).normal(size=z.shape) for i, n in enumerate("abc", 1)}
    found = compare_align(views, {"cca": CCA(k=6, ridge=0.1)}, pairs=["all"], seeds=2, to=tmp_path)
    cell = found.table["methods"]["cca"]["all"]
    assert len(cell["directions"]) == 6
    assert cell["rsum"]["value"] > 1000
    assert "a -> b" not in str(found)


def test_the_table_ranks_methods_and_marks_what_is_surely_worse(tmp_path):
    far = {"ridge": Ridge(target="b", ridge=1e6), "cca": CCA(k=8, ridge=1.0)}
    lines = str(compare_align(table(), far, pairs=["all"], seeds=3, to=tmp_path)).splitlines()
    start = lines.index("280 pairs (all)")
    assert [line.split()[0] for line in lines[start + 1 :]] == ["method", "cca", "ridge", "chance"]
    assert lines[start + 1].endswith("R@1 minus cca's")
    assert lines[start + 3].endswith("worse")
    assert " -" in lines[start + 3]


@pytest.mark.parametrize("pairs", [[50], [50, 100, "all"]])
def test_the_picture_has_chinese_names_and_every_method(pairs, tmp_path):
    a, b = planted_pair(200, correlations=(0.9,) * 8)
    found = compare_align({"说明": a, "图片": b}, {"甲": CCA(k=8, ridge=1.0)}, pairs=pairs, seeds=1, to=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of glyphs that the font lacks
        path = found.plot(tmp_path / "f.png")
    with Image.open(path) as picture:
        assert picture.width == 1350
        assert len(picture.convert("L").getcolors()) > 20
    failed = compare_align(table(), {"no": Refusing()}, pairs=pairs, seeds=1, to=tmp_path)
    with pytest.raises(ChiasmError, match="nothing to draw"):
        failed.plot(tmp_path / "g.png")


def test_labels_are_moved_apart_and_no_further_than_they_must():
    places = plot._apart(np.array([0.9, 0.52, 0.51, 0.5, 0.02, 0.01]), 0.05)
    np.testing.assert_allclose(places, [0.9, 0.56, 0.51, 0.46, 0.05, 0.0], atol=0.011)
    assert (places[:-1] - places[1:]).min() > 0.05 - 1e-9


def test_a_missing_matplotlib_is_told_before_the_work(tmp_path):
    code = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *package: None if name == "matplotlib" else real(name, *package)
from chiasm.cli import main
main(sys.argv[1:])
"""
    words = ["compare", "align", "no-such.csv", "--plot", str(tmp_path / "f.png")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: a plot needs matplotlib, which is not installed: pip install matplotlib.\n"


@pytest.mark.slow
def test_the_command_compares_pictures_and_captions_end_to_end(run, toy, tmp_path):
    words = ["compare", "align", toy.table, "--text", "caption", "--image", "path", "--encoder", "image=pixel_image"]
    words += ["--method", "cca", "--method", "ridge", "--pairs", 40, "--pairs", "all", "--seeds", 2]
    words += ["--to", tmp_path / "store"]
    done = run(*words, "--plot", tmp_path / "f.png")
    assert done.returncode == 0, done.stderr
    assert "0 cells found, 8 computed" in done.stderr
    assert {"40 pairs", "112 pairs (all)"} <= set(done.stdout.splitlines())
    assert (tmp_path / "f.png").stat().st_size > 10_000
    again = run(*words, "--json")
    assert again.returncode == 0, again.stderr
    assert "8 cells found, 0 computed" in again.stderr
    read = json.loads(again.stdout)
    assert read["methods"]["cca"]["all"]["R@1"]["value"] > 3 * read["data"]["chance"]["R@1"]
    assert not (tmp_path / "store" / "final.log").exists()
    final = run(*words, "--final")
    assert "32 held-out things (test)" in final.stdout
    assert "the test rows were opened for the first time" in final.stdout


@pytest.mark.slow
def test_the_command_reads_vectors_made_elsewhere_and_keeps_cells_in_the_cache(run, tmp_path, cache):
    a, b = (x.round(4).tolist() for x in planted_pair(120, correlations=(0.95,) * 8))
    rows = [json.dumps({"a": x, "b": y}) for x, y in zip(a, b, strict=True)]
    (tmp_path / "t.jsonl").write_text("\n".join(rows))
    words = ["compare", "align", tmp_path / "t.jsonl", "--vector", "a", "--vector", "b", "--method", "cca"]
    done = run(*words, "--pairs", "all", "--seeds", 1)
    assert done.returncode == 0, done.stderr
    (store,) = (cache.root / "reports").glob("compare-*")
    assert f"0 cells found, 1 computed; kept in {store}" in done.stderr
    assert "84 pairs (all)" in done.stdout
    wrong = run(*words, "--pairs", "few")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "got few" in wrong.stderr


def test_a_store_writes_names_that_any_file_system_takes(tmp_path):
    store = Store(tmp_path)
    cell = cells.Cell({"图 -> 文": np.arange(3)}, 1.5, 2)
    made = store.cell("我的/cca k=5-100-0", "ab12", lambda: cell)
    again = store.cell("我的/cca k=5-100-0", "ab12", lambda: pytest.fail("computed twice"))
    assert again.outcomes["图 -> 文"].tolist() == made.outcomes["图 -> 文"].tolist() == [0, 1, 2]
    assert (again.seconds, again.tried, store.found, store.made) == (1.5, 2, 1, 1)
