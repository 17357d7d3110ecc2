"""Comparing fusers: the same rows for all, known baselines, intervals of any figure, nothing computed twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import warnings
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from chiasm.compare import compare_fuse
from chiasm.compare.answers import _against
from chiasm.compare.baselines import STRENGTHS, Alone, Concat, Majority
from chiasm.compare.cells import code_of
from chiasm.compare.resampling import Redrawn
from chiasm.compare.trials import draw_rows
from chiasm.errors import ChiasmError
from chiasm.fuse._fuser import Fuser
from chiasm.fuse.auto import Auto
from chiasm.fuse.early import Early
from chiasm.part import size
from chiasm.stats.resample import Draws
from chiasm.views import Column, Views

CHEAP = {"early": Early(kernel="linear"), "none": Majority()}
BASELINES = ["a alone", "b alone", "concat + logistic", "majority"]


def table(n=200, split=(120, 40, 40), classes=3, seed=0, labels=None, group=None, absent=0.0):
    """Two views that each know something of the class; rows of train, val and test in turn."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(classes, size=n)
    means = 2 * rng.normal(size=(2, classes, 3))
    columns = {}
    for name, mean in zip("ab", means, strict=True):
        index = np.where(rng.random(n) < absent, -1, np.arange(n))
        columns[name] = Column("vector", (mean[codes] + rng.normal(size=(n, 3)) * 2).astype(np.float32), index)
    names = np.array(["x", "y", "z", "w"], object)[codes]
    facts = {"label": names if labels is None else labels(codes, columns, rng)}
    if split is not None:
        facts["split"] = np.repeat(np.array(["train", "val", "test"], object), split)
    if group is not None:
        facts["group"] = group
    return Views(columns, None, facts)


class Diary(Fuser):
    """A fuser that writes down the rows it was shown."""

    shown: ClassVar[list] = []

    def __init__(self, kind="classes", seed=0):
        self.kind = kind
        self.seed = seed

    def fit(self, views, y=None):
        self.shown.append(("fit", views.ids.tolist(), {n: len(c.items) for n, c in views.columns.items()}))
        return super().fit(views, y)

    def _learn(self, held, truth, folds):
        self.answers_ = 1

    def outputs(self, views):
        self.shown.append(("outputs", views.ids.tolist(), {n: len(c.items) for n, c in views.columns.items()}))
        return super().outputs(views)

    def _answer(self, held, n):
        return np.tile(self.prior_, (n, 1))


class Refusing(Diary):
    def _learn(self, held, truth, folds):
        raise ChiasmError("wanted a reason, got none: give one.")


class Nowhere(Diary):
    def _answer(self, held, n):
        return np.full((n, len(self.prior_)), np.nan)


@pytest.fixture
def diary(monkeypatch):
    monkeypatch.setattr(Diary, "shown", [])
    return Diary.shown


def accuracy(found, method, rows):
    return found.table["methods"][method][rows]["accuracy"]["value"]


def test_the_json_has_the_documented_shape(tmp_path):
    found = compare_fuse(table(), CHEAP, rows=[50, "all"], seeds=2, to=tmp_path, source="x.csv")
    read = json.loads(found.to_json())
    assert read == found.table
    assert list(read) == [
        *("data", "task", "kind", "split", "seeds", "budget", "default", "metrics", "judged", "methods", "differences")
    ]
    assert (read["task"], read["split"], read["seeds"]) == ("classify", "validation", 2)
    assert (read["default"], read["judged"]) == ("early", "accuracy")
    assert read["metrics"] == ["accuracy", "f1_macro", "auc", "log_loss", "ece"]
    assert read["data"].items() >= {"learned": {"50": 50, "all": 120}, "scored": 40, "names": ["x", "y", "z"]}.items()
    assert list(read["methods"]) == [*CHEAP, *BASELINES]
    for of in read["methods"].values():
        for cell in of.values():
            assert np.mean(cell["by_seed"]) == pytest.approx(cell["accuracy"]["value"], abs=1e-5)
            assert all(cell[f]["low"] <= cell[f]["value"] <= cell[f]["high"] for f in ("accuracy", "auc", "log_loss"))
            assert cell["seconds"] > 0
    assert read["methods"]["majority"]["all"]["parameters"] == 3
    assert list(read["methods"]["concat + logistic"]["all"]["chosen"][0]) == ["C"]
    assert len(read["differences"]) == 2 * (len(CHEAP) + len(BASELINES) - 1)
    for d in read["differences"]:
        ours, theirs = (read["methods"][m][d["rows"]] for m in (d["a"], d["b"]))
        for figure, sign in (("accuracy", 1), ("auc", 1), ("log_loss", -1)):
            expected = sign * (ours[figure]["value"] - theirs[figure]["value"])
            assert d[figure]["value"] == pytest.approx(expected, abs=2e-6)
            assert d[figure]["low"] <= d[figure]["value"] <= d[figure]["high"]


def test_scores_equal_scikit_learns_of_fitting_by_hand_on_the_drawn_rows(tmp_path):
    from sklearn import metrics

    views = table()
    found = compare_fuse(views, CHEAP, rows=[60], seeds=2, to=tmp_path).table["methods"]["early"]["60"]
    val = views[views.split == "val"]
    expected = []
    for seed in range(2):
        drawn = views[draw_rows(views.clusters, views.split == "train", "60", seed)]
        assert len(drawn) == 60
        fuser = Early(kernel="linear", seed=seed).fit(drawn)
        truth, sure = val.label.tolist(), fuser.predict_proba(val)
        answers = fuser.predict(val).tolist()
        expected.append(
            {
                "accuracy": metrics.accuracy_score(truth, answers),
                "f1_macro": metrics.f1_score(truth, answers, average="macro"),
                "auc": metrics.roc_auc_score(truth, sure, multi_class="ovr"),
                "log_loss": metrics.log_loss(truth, sure),
            }
        )
    for figure in expected[0]:
        assert found[figure]["value"] == pytest.approx(np.mean([one[figure] for one in expected]), abs=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_concatenation_is_scikit_learns_standard_scaler_and_logistic_regression(classes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import StandardScaler

    views = table(n=150, split=None, classes=classes)
    model = Concat(seed=3).fit(views)
    x = StandardScaler().fit_transform(np.hstack([views[name].items for name in "ab"]).astype(float))
    names = model.target_.names_
    losses = []
    for c in STRENGTHS:
        out = np.empty((150, classes))
        for fold in np.unique(model.folds_.numbers_):
            inside = model.folds_.numbers_ != fold
            one = LogisticRegression(C=c, max_iter=1000).fit(x[inside], views.label[inside].tolist())
            assert one.classes_.tolist() == names
            out[~inside] = one.predict_proba(x[~inside])
        losses.append(log_loss(views.label.tolist(), out))
    best = float(STRENGTHS[np.argmin(losses)])
    assert model.chosen_ == {"C": best}
    whole = LogisticRegression(C=best, max_iter=1000).fit(x, views.label.tolist())
    np.testing.assert_allclose(model.predict_proba(views), whole.predict_proba(x), atol=2e-3)


def test_concatenation_of_numbers_is_ridge_and_of_tags_a_logistic_regression_each():
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    views = table(n=150, split=None)
    x = StandardScaler().fit_transform(np.hstack([views[name].items for name in "ab"]).astype(float))
    y = x[:, 0] + x[:, 4] + np.random.default_rng(0).normal(size=150)
    model = Concat("numbers").fit(views, y)
    expected = Ridge(alpha=1 / model.chosen_["C"]).fit(x, y).predict(x)
    np.testing.assert_allclose(model.predict(views), expected, atol=1e-4)
    tags = [["hot"] * bool(v > 0) + ["wet"] * bool(w > 1) for v, w in zip(x[:, 0], y, strict=True)]
    tagger = Concat("tags").fit(views, tags)
    for place, tag in enumerate(("hot", "wet")):
        has = [tag in of for of in tags]
        one = LogisticRegression(C=tagger.chosen_["C"], max_iter=1000).fit(x, has)
        np.testing.assert_allclose(tagger.outputs(views)[:, place], one.predict_proba(x)[:, 1], atol=2e-3)


def test_the_baselines_answer_rows_without_views_and_classes_without_folds():
    views = table(n=120, split=None, absent=0.3)
    for part in (Concat(), Majority(), Alone("a", Early())):
        sure = part.fit(views).outputs(views)
        np.testing.assert_allclose(sure.sum(axis=1), 1, atol=1e-6)
        nothing = Views({name: Column("vector", views[name].items, np.full(2, -1)) for name in "ab"})
        np.testing.assert_allclose(part.outputs(nothing), np.tile(sure.mean(axis=0) * 0 + _prior(part), (2, 1)))
    rare = np.array(["x", "y"] * 20 + ["z"], object)  # some fold has to answer z without having met it
    assert Concat().fit(table(n=41, split=None), rare).predict_proba(table(n=41, split=None)).shape == (41, 3)


def _prior(part):
    return getattr(part, "fuser_", part).prior_


def test_a_view_alone_is_the_default_fuser_on_that_view_and_looks_at_no_other(tmp_path):
    views = table()
    found = compare_fuse(views, CHEAP, rows=["all"], seeds=1, to=tmp_path)
    train, val = views[views.split == "train"], views[views.split == "val"]
    one = {"a": Column("vector", train["a"].items, train["a"].index)}
    by_hand = Auto(seed=0).fit(Views(one, train.ids, {"label": train.label})).score(val)
    assert accuracy(found, "a alone", "all") == pytest.approx(float(by_hand), abs=1e-6)
    assert code_of(Alone("a", Auto())) != code_of(Alone("a", Early()))  # a changed fuser is another baseline


def test_a_smaller_draw_is_part_of_a_larger_one_and_no_cluster_is_cut():
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 40, size=120)
    rows = clusters < 30
    last = np.zeros(120, bool)
    for wanted in ("2", "10", "40", "all"):
        mask = draw_rows(clusters, rows, wanted, seed=1)
        assert not (last & ~mask).any()
        assert not (mask & ~rows).any()
        assert set(clusters[mask]).isdisjoint(clusters[rows & ~mask])
        if wanted != "all":
            assert int(wanted) <= mask.sum() < int(wanted) + np.bincount(clusters).max()
        last = mask
    assert (last == rows).all()
    assert not np.array_equal(draw_rows(clusters, rows, "10", 1), draw_rows(clusters, rows, "10", 2))
    with pytest.raises(ChiasmError, match=f"wanted 121 labeled training rows, got {rows.sum()}"):
        draw_rows(clusters, rows, "121", 1)


def test_a_method_is_shown_the_drawn_and_the_scored_rows_and_no_others(diary, tmp_path):
    views = table()
    compare_fuse(views, {"diary": Diary()}, rows=[20, 50], seeds=2, to=tmp_path)
    train, val = (set(views.ids[views.split == name].tolist()) for name in ("train", "val"))
    assert [what for what, *_ in diary] == ["fit", "outputs"] * 4
    for what, ids, items in diary:
        assert set(ids) <= train if what == "fit" else set(ids) == val
        assert items == {"a": len(ids), "b": len(ids)}  # nor does the column hold another row's item
    assert set(diary[0][1]) < set(diary[2][1])


def test_groups_stay_on_one_side_of_what_is_cut(diary, tmp_path):
    group = np.array([f"p{i // 5}" for i in range(200)], object)
    views = table(split=None, group=group)
    compare_fuse(views, {"diary": Diary()}, rows=[30], seeds=3, to=tmp_path)
    for (_, train, _), (_, held, _) in zip(diary[::2], diary[1::2], strict=True):
        assert {group[i] for i in train}.isdisjoint({group[i] for i in held})
        assert len(train) % 5 == 0  # nor is a group drawn in part


def test_without_a_split_each_part_has_its_share_of_every_class(diary, tmp_path):
    views = table(n=400, split=None, labels=lambda codes, *_: np.array(["rare"] * 20 + ["often"] * 380, object))
    compare_fuse(views, {"diary": Diary()}, rows=["all"], seeds=3, to=tmp_path)
    held = [ids for what, ids, _ in diary if what == "outputs"]
    assert [sum(i < 20 for i in ids) for ids in held] == [2, 2, 2]
    assert len({tuple(sorted(ids)) for ids in held}) == 3


@pytest.mark.slow
def test_test_rows_decide_nothing_before_final_and_each_look_is_logged(tmp_path):
    clean, poisoned = table(), table()
    for name in "ab":
        items = np.array(poisoned[name].items)
        items[160:] = np.nan
        poisoned = poisoned.replace({**poisoned.columns, name: Column("vector", items)})
    one, two = (compare_fuse(v, CHEAP, rows=[50], seeds=2, to=tmp_path / n) for v, n in ((clean, "1"), (poisoned, "2")))
    for found in (one, two):
        for of in found.table["methods"].values():
            del of["50"]["seconds"]
    assert one.table["methods"] == two.table["methods"]
    for times in range(2):
        final = compare_fuse(clean, CHEAP, rows=[50], seeds=2, final=True, to=tmp_path / "1", source="x.csv")
        assert final.table["split"] == "test"
        assert final.table["data"]["opened_before"] == final.opened == times
        assert "the test rows" in str(final)
    looks = [json.loads(line) for line in (tmp_path / "1" / "final.log").read_text().splitlines()]
    assert looks[0].items() >= {"data": "x.csv", "split": "test", "task": "classify", "rows": ["50"]}.items()
    assert not (tmp_path / "2" / "final.log").exists()


def test_the_bootstrap_of_any_figure_equals_scoring_the_drawn_rows_again():
    from sklearn.metrics import f1_score, roc_auc_score

    rng = np.random.default_rng(0)
    clusters = [rng.integers(0, 20, size=60) * 3, rng.integers(0, 20, size=50) * 3]
    truth = [rng.integers(2, size=len(c)) for c in clusters]
    scores = [t + rng.normal(size=len(t)) for t in truth]
    redrawn = Redrawn(clusters, resamples=15)
    for metric, by_hand in (
        (lambda d, t, s: d.auc(t == 1, s), roc_auc_score),
        (lambda d, t, s: d.f1_macro(t, (s > 0.5).astype(int)), lambda t, s: f1_score(t, s > 0.5, average="macro")),
    ):
        value, samples = redrawn.over([metric(*one) for one in zip(redrawn.by_seed, truth, scores, strict=True)])
        assert value == pytest.approx(np.mean([by_hand(t, s) for t, s in zip(truth, scores, strict=True)]))
        known = np.unique(np.concatenate(clusters))
        times = Draws(known, resamples=15)._weights.T[1:]
        for row in range(15):
            of_seed = []
            for seed in (0, 1):
                drawn = np.repeat(known, times[row])
                rows = np.concatenate([np.flatnonzero(clusters[seed] == c) for c in drawn])
                of_seed += int(redrawn.seeds[seed, row + 1]) * [by_hand(truth[seed][rows], scores[seed][rows])]
            assert samples[row] == pytest.approx(np.mean(of_seed))


def test_a_seed_without_the_figure_is_left_out():
    redrawn = Redrawn([np.arange(4), np.arange(4)], resamples=50)
    value, samples = redrawn.over([(0.5, np.full(50, 0.5)), (float("nan"), np.full(50, np.nan))])
    assert value == 0.5
    assert set(samples[~np.isnan(samples)]) == {0.5}
    assert np.isnan(samples).any()  # both draws of a seed may be of the one without


@pytest.mark.slow
def test_a_method_does_not_differ_from_itself_at_all(tmp_path):
    twins = {"one": Concat(), "two": Concat()}
    found = compare_fuse(table(), twins, rows=[50], seeds=3, to=tmp_path).table["differences"]
    same = {d["b"]: d for d in found}
    for name in ("two", "concat + logistic"):
        assert same[name]["accuracy"] == same[name]["log_loss"] == {"value": 0, "low": 0, "high": 0}
    assert same["majority"]["accuracy"]["low"] > 0
    assert same["majority"]["log_loss"]["low"] > 0  # of an error too, more is better


@pytest.mark.slow
def test_what_a_killed_process_computed_is_found(tmp_path):
    code = f"""
import os, signal
from test_compare_fuse import CHEAP, table
from chiasm.compare import compare_fuse
def tell(done, total, cell):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
compare_fuse(table(), CHEAP, rows=[50], seeds=2, to={str(tmp_path)!r}, tell=tell)
"""
    env = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = compare_fuse(table(), CHEAP, rows=[50], seeds=2, to=tmp_path)
    assert (found.found, found.made) == (3, 9)
    again = compare_fuse(table(), CHEAP, rows=[50], seeds=2, to=tmp_path)
    assert (again.found, again.made) == (12, 0)
    assert again.table == found.table


@pytest.mark.slow
def test_other_settings_labels_groups_or_rows_make_other_cells(tmp_path):
    def made(views, part=None):
        return compare_fuse(views, {"m": part or Majority()}, rows=[50], seeds=1, to=tmp_path).made

    assert made(table()) == 5
    assert made(table()) == 0
    assert made(table(), Early(kernel="linear")) == 1
    assert made(table(), Early(kernel="linear", weights="equal")) == 1
    assert made(table(labels=lambda codes, *_: np.array(["x", "y", "z"], object)[codes[::-1]])) == 5
    group = np.array([f"p{i}" for i in range(200)], object)
    assert made(table(group=group)) == 5
    assert made(table(split=(120, 41, 39))) == 5


def test_a_method_that_fails_leaves_the_others_alone(tmp_path):
    parts = {**CHEAP, "refusing": Refusing(), "nowhere": Nowhere()}
    found = compare_fuse(table(), parts, rows=[50, 121], seeds=2, to=tmp_path)
    methods = found.table["methods"]
    assert methods["refusing"]["50"] == {"error": "wanted a reason, got none: give one."}
    assert "not finite" in methods["nowhere"]["50"]["error"]
    assert methods["early"]["50"]["accuracy"]["value"] > 0.5
    assert {of["121"]["error"] for of in methods.values()} == {"wanted 121 labeled training rows, got 120."}
    assert {d["rows"] for d in found.table["differences"]} == {"50"}
    shown = str(found)
    assert "no score: refusing: wanted a reason" in shown
    assert shown.count("got 120") == 1
    assert "121 rows to learn from" in shown


def test_a_class_that_the_drawn_rows_lack_keeps_its_place_and_is_answered_wrong(tmp_path):
    def labels(codes, columns, rng):
        found = np.where(codes == 0, "a", "c").astype(object)
        found[[0, 130]] = "b"  # one in train, one in val
        return found

    views = table(labels=labels)
    lacks = [not draw_rows(views.clusters, views.split == "train", "20", seed)[0] for seed in range(3)]
    assert all(lacks)
    found = compare_fuse(views, CHEAP, rows=[20], seeds=3, to=tmp_path).table
    assert found["data"]["names"] == ["a", "b", "c"]
    best = max(of["20"]["accuracy"]["value"] for of in found["methods"].values())
    assert 0.5 < best <= 39 / 40
    assert found["methods"]["majority"]["20"]["log_loss"]["value"] > 27.6 / 40  # -log 1e-12 for that row


def test_rows_without_a_label_are_left_out_and_counted(diary, tmp_path):
    views = table(labels=lambda codes, *_: np.array(["x", "y", None], object)[codes])
    found = compare_fuse(views, {"diary": Diary()}, rows=["all"], seeds=1, to=tmp_path)
    bare = {int(i) for i in views.ids if views.label[i] is None}
    assert found.table["data"]["unlabeled"] == len(bare) > 20
    assert all(bare.isdisjoint(ids) for _, ids, _ in diary)
    assert found.table["judged"] == "auc"  # two classes are left
    assert found.table["methods"]["majority"]["all"]["auc"]["value"] == 0.5


def test_views_that_are_absent_in_rows_get_answers(tmp_path):
    found = compare_fuse(table(absent=0.4), CHEAP, rows=["all"], seeds=1, to=tmp_path).table["methods"]
    assert not [name for name, of in found.items() if "error" in of["all"]]
    assert found["early"]["all"]["accuracy"]["value"] > found["majority"]["all"]["accuracy"]["value"]


def test_tags_are_ranked_by_average_precision_and_numbers_by_r2(tmp_path):
    from sklearn.metrics import average_precision_score, f1_score, mean_absolute_error, r2_score

    def tags(codes, columns, rng):
        found = np.empty(200, object)
        found[:] = [
            f"{'hot' * int(a[0] > 0)};{'wet' * int(c == 1)}" for a, c in zip(columns["a"].items, codes, strict=True)
        ]
        return found

    def numbers(codes, columns, rng):
        return np.array([f"{v:.3f}" for v in codes + columns["a"].items[:, 0] + rng.normal(size=200)], object)

    tagged, counted = table(labels=tags), table(labels=numbers)
    found = compare_fuse(tagged, CHEAP, task="tag", rows=["all"], seeds=1, to=tmp_path)
    assert (found.table["judged"], found.table["data"]["names"]) == ("average_precision", ["hot", "wet"])
    val = tagged[tagged.split == "val"]
    fuser = Early("tags", kernel="linear").fit(tagged[tagged.split == "train"])
    truth, sure = fuser.target_.encode(val.label), fuser.outputs(val)
    cell = found.table["methods"]["early"]["all"]
    assert cell["average_precision"]["value"] == pytest.approx(average_precision_score(truth, sure), abs=1e-5)
    assert cell["f1_micro"]["value"] == pytest.approx(f1_score(truth, sure >= 0.5, average="micro"), abs=1e-6)
    found = compare_fuse(counted, CHEAP, task="regress", rows=["all"], seeds=1, to=tmp_path)
    assert list(found.table["methods"])[-2:] == ["concat + ridge", "mean"]
    val = counted[counted.split == "val"]
    said = Early("numbers", kernel="linear").fit(counted[counted.split == "train"]).predict(val)
    truth = val.label.astype(float)
    cell = found.table["methods"]["early"]["all"]
    assert cell["r2"]["value"] == pytest.approx(r2_score(truth, said), abs=1e-5)
    assert cell["mae"]["value"] == pytest.approx(mean_absolute_error(truth, said), abs=1e-5)
    assert "R2 minus early's" in str(found)
    pairs = [["even", "odd"][:1] * 2 if i % 2 else ["odd", "two"] for i in range(200)]  # lists of one length
    listed = compare_fuse(table(), {"m": Majority()}, task="tag", y=pairs, rows=["all"], seeds=1, to=tmp_path)
    assert listed.table["data"]["names"] == ["even", "odd", "two"]
    worst = next(d for d in found.table["differences"] if d["b"] == "mean")
    assert worst["r2"]["low"] > 0
    assert worst["mae"]["low"] > 0


def test_wrong_requests_are_one_sentence(tmp_path):
    for wrong, sentence in (
        ({"methods": ["erly"]}, "did you mean 'early'"),
        ({"task": "clasify"}, "did you mean 'classify'"),
        ({"rows": ["50", "many"]}, "numbers of rows of at least 2, or 'all', got many"),
        ({"seeds": 0}, "at least 1 seed"),
        ({"methods": {"majority": Majority()}}, "other names than those of the baselines, got 'majority'"),
        ({"y": ["x"] * 3}, "wanted 200 labels"),
        ({"y": ["x"] * 200}, "at least two classes"),
    ):
        with pytest.raises(ChiasmError, match=sentence):
            compare_fuse(table(), **{"methods": ["early"], "to": tmp_path, **wrong})
    with pytest.raises(ChiasmError, match="wanted labels, got none"):
        compare_fuse({"a": np.eye(9), "b": np.eye(9)}, to=tmp_path)
    with pytest.raises(ChiasmError, match="at least two views to fuse, got only a"):
        compare_fuse({"a": np.eye(9)}, y=list("xyzxyzxyz"), to=tmp_path)
    assert not list(tmp_path.iterdir())


def test_leaks_are_refused(tmp_path):
    views = table(group=np.array(["p"] * 200, object))
    with pytest.raises(ChiasmError, match="groups stand in more than one split"):
        compare_fuse(views, CHEAP, rows=[50], seeds=1, to=tmp_path)
    found = compare_fuse(views, {"m": Majority()}, rows=["all"], seeds=1, to=tmp_path, allow_leaks=True)
    assert found.table["data"]["leaks"]["groups"] == 1
    assert "got one" in found.table["methods"]["m"]["all"]["error"]  # folds, too, cut no group


def test_the_table_ranks_methods_and_marks_what_is_surely_worse(tmp_path):
    found = compare_fuse(table(), {"auto": Concat(), "none": Majority()}, rows=["all"], seeds=2, to=tmp_path)
    lines = str(found).splitlines()
    start = lines.index("120 rows to learn from (all)")
    assert lines[start + 1].endswith("accuracy % minus auto's")
    named = {re.split("  +", line)[0]: line for line in lines[start + 2 :]}
    values = [float(re.split("  +", line)[1].split()[0]) for line in named.values()]
    assert values == sorted(values, reverse=True)
    assert named["none"].endswith("worse")
    assert named["auto"].endswith(" -")
    assert _against("accuracy", {"value": -0.05, "low": -0.08, "high": -0.02}) == "+5.0 [+2.0, +8.0] better"
    assert _against("r2", {"value": 0.01, "low": -0.02, "high": 0.04}).strip() == "-0.010 [-0.040, +0.020]"


@pytest.mark.parametrize("rows", [[50], [50, 100, "all"]])
@pytest.mark.slow
def test_the_picture_shows_the_judged_figure_of_every_method(rows, tmp_path):
    found = compare_fuse(table(), {"合并": Majority()}, rows=rows, seeds=1, to=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of glyphs that the font lacks
        path = found.plot(tmp_path / "f.png")
    with Image.open(path) as picture:
        assert picture.width == 1350
        assert len(picture.convert("L").getcolors()) > 20


def test_the_numbers_learned_are_counted_in_nested_parts_too():
    views = table(split=None)
    model = Concat().fit(views)
    mine = sum(np.size(v) for v in (model.prior_, model.coef_, model.intercept_))
    assert size(model)["parameters"] == mine + 2 * 2 * 3  # means and scales of two views of three numbers
    inner = size(Early().fit(views))["parameters"]
    assert size(Alone("a", Early()).fit(views))["parameters"] < inner


@pytest.mark.slow
def test_the_command_compares_a_picture_words_and_a_record_end_to_end(run, tmp_path, toy):
    rng = np.random.default_rng(0)
    lines = toy.table.read_text(encoding="utf-8").splitlines()[1:]
    shapes = [line.split(",")[-1] for line in lines]
    kinds = sorted(set(shapes))
    sizes = [f"{kinds.index(s) + rng.normal():.2f}" for s in shapes]
    rows = [
        f"{line},{v},{'big' if float(v) > 1 else 'small'},p{i // 2}"
        for i, (line, v) in enumerate(zip(lines, sizes, strict=True))
    ]
    data = toy.folder / "fused.csv"
    data.write_text("\n".join(["path,caption,shape,size,class,person", *rows]), encoding="utf-8")
    words = ["compare", "fuse", data, "--text", "caption", "--image", "path", "--number", "size", "--category", "class"]
    words += ["--group", "person", "--encoder", "image=pixel_image", "--method", "early", "--to", tmp_path / "store"]
    words += ["--seeds", 2, "--rows", 40, "--rows", "all", "--label"]
    done = run(*words, "shape", "--plot", tmp_path / "f.png")
    assert done.returncode == 0, done.stderr
    assert "0 cells found, 24 computed" in done.stderr
    assert {"40 rows to learn from", "112 rows to learn from (all)"} <= set(done.stdout.splitlines())
    assert "record alone" in done.stdout
    assert (tmp_path / "f.png").stat().st_size > 10_000
    again = run(*words, "shape", "--json")
    assert again.returncode == 0, again.stderr
    assert "24 cells found, 0 computed" in again.stderr
    read = json.loads(again.stdout)
    assert read["data"]["views"] == {"caption": "text", "path": "image", "record": "record"}
    assert (
        read["methods"]["early"]["all"]["accuracy"]["value"] > read["methods"]["majority"]["all"]["accuracy"]["value"]
    )
    wrong = run(*words, "size", "--task", "tagg")
    assert wrong.returncode == 2
    number = run(*words[:-1], "--label", "shape", "--task", "regress")
    assert (number.returncode, number.stdout) == (1, "")
    assert "wanted numbers as labels" in number.stderr
