"""Labels that are likely wrong: planted ones rank first, the estimate counts them, what is absent has no opinion."""

import csv
import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from chiasm.errors import ChiasmError
from chiasm.measure.label_errors import confident_joint, label_errors, wrong_share
from chiasm.views import Column, Views
from conftest import CHEAP, make_pictures

NAMES = np.array(["cat", "dog", "owl"], dtype=object)


def planted(n=400, seed=0, share=0.1):
    """Two views of three classes, each telling them apart fairly well; labels of which a share is wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    a, b = (2 * np.eye(3, 6)[true] + rng.normal(size=(n, 6)) for _ in range(2))
    wrong = np.zeros(n, bool)
    wrong[rng.permutation(n)[: round(share * n)]] = True
    given = np.where(wrong, (true + rng.integers(1, 3, n)) % 3, true)
    return Views({"a": Column("vector", a), "b": Column("vector", b)}, np.arange(n)), true, given, wrong


@pytest.fixture(scope="module")
def found():
    views, true, given, wrong = planted()
    return label_errors(views, NAMES[given]), true, wrong


def test_planted_errors_rank_first_and_their_true_class_is_suggested(found):
    judged, true, wrong = found
    assert roc_auc_score(wrong, judged.doubt) > 0.95
    top = judged.order[: wrong.sum()]
    assert wrong[top].mean() > 0.75
    right = np.array(judged.names)[judged.suggested] == NAMES[true]
    assert right[wrong].mean() > 0.85


def test_two_views_find_more_errors_than_either_alone(found):
    judged, _, wrong = found
    rows = np.arange(len(wrong))
    together = roc_auc_score(wrong, judged.doubt)
    for said in judged.alone.values():
        assert together > roc_auc_score(wrong, 1 - said[rows, judged.given]) + 0.01


@pytest.mark.slow
def test_the_estimate_counts_the_planted_errors():
    for share in (0.0, 0.15):
        views, _, given, _ = planted(500, seed=1, share=share)
        judged = label_errors(views, NAMES[given])
        estimate = wrong_share(judged.given, judged.together)
        assert estimate["low"] - 0.02 <= share <= estimate["high"] + 0.02
        assert judged.as_dict(0)["estimate"]["wrong"] == round(500 * estimate["value"])


def test_no_row_vouches_for_itself_so_random_labels_stay_at_chance():
    rng = np.random.default_rng(0)
    views = Views({"a": Column("vector", rng.normal(size=(400, 5))), "b": Column("vector", rng.normal(size=(400, 30)))})
    judged = label_errors(views, NAMES[rng.integers(0, 3, 400)])
    assert judged.as_dict(0)["agree"] < 0.45


def test_other_rows_of_the_same_thing_do_not_vouch_for_its_label():
    views, true, _, _ = planted(300)
    twice = views[np.repeat(np.arange(300), 2)]
    given = np.repeat(true, 2)
    given[20:22] = (given[20] + 1) % 3  # both rows of thing 10
    judged = label_errors(twice, NAMES[given])
    assert judged.doubt[20:22].min() > np.quantile(judged.doubt, 0.95)


def test_views_clash_where_one_of_them_is_misleading():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 300)
    centers = 5 * np.eye(3, 6)
    other = true.copy()
    misled = rng.permutation(300)[:30]
    other[misled] = (true[misled] + 1) % 3
    views = {
        "a": centers[true] + rng.normal(size=(300, 6)),
        "b": centers[other] + rng.normal(size=(300, 6)),
    }
    judged = label_errors(views, NAMES[true])
    assert roc_auc_score(np.isin(np.arange(300), misled), judged.clash) > 0.95


def test_an_absent_view_has_no_opinion_and_rows_without_a_label_are_left_out():
    views, _, given, _ = planted(200)
    index = np.arange(200)
    columns = {
        "a": Column("vector", views["a"].items, np.where(index < 10, -1, index)),
        "b": Column("vector", views["b"].items, np.where((index > 4) & (index < 20), -1, index)),
    }
    label = NAMES[given]
    label[190:] = None
    judged = label_errors(Views(columns, np.arange(200)), label)
    assert judged.unlabeled == 10
    assert len(judged.given) == 190
    by_id = {int(row["id"]): row for row in judged.ranked()}
    assert by_id[0]["views"]["a"] is None
    assert by_id[0]["clash"] is None
    assert by_id[0]["items"] == {"b": "vector 0"}
    assert by_id[7]["views"] == {"a": None, "b": None}
    assert by_id[30]["clash"] is not None
    assert np.isfinite(judged.doubt).all()
    json.dumps(judged.as_dict())


def test_one_view_is_enough_and_never_clashes():
    views, _, given, wrong = planted()
    judged = label_errors({"a": views["a"].items}, NAMES[given])
    assert roc_auc_score(wrong, judged.doubt) > 0.8
    assert np.isnan(judged.clash).all()
    np.testing.assert_array_equal(judged.alone["a"], judged.together)


def test_the_confident_joint_is_that_of_a_slow_separate_count():
    rng = np.random.default_rng(0)
    sure = rng.dirichlet([1, 1, 1], 200)
    given = rng.integers(0, 3, 200)
    level = [np.mean([p[j] for p, g in zip(sure, given, strict=True) if g == j]) for j in range(3)]
    counts = np.zeros((3, 3))
    for p, g in zip(sure, given, strict=True):
        able = [j for j in range(3) if p[j] >= level[j]]
        if able:
            counts[g, max(able, key=lambda j: p[j])] += 1
    expected = [[c / sum(row) * (given == i).sum() for c in row] for i, row in enumerate(counts)]
    np.testing.assert_allclose(confident_joint(given, sure), expected)


def test_the_interval_of_the_share_is_wilsons_of_the_surest_fifth():
    rng = np.random.default_rng(0)
    sure = rng.dirichlet([0.3, 0.3, 0.3], 500)
    given = np.where(rng.random(500) < 0.15, 0, sure.argmax(axis=1))
    surest = np.argsort(-sure.max(axis=1))[:100]
    wrong = int((sure[surest].argmax(axis=1) != given[surest]).sum())
    known = binomtest(wrong, 100).proportion_ci(method="wilson")
    found = wrong_share(given, sure)
    assert found == {
        "value": wrong / 100,
        "low": pytest.approx(known.low, abs=1e-6),
        "high": pytest.approx(known.high, abs=1e-6),
    }


def test_labels_that_cannot_be_judged_are_refused():
    views, *_ = planted(50)
    with pytest.raises(ChiasmError, match="label='COL'"):
        label_errors(views)
    with pytest.raises(ChiasmError, match="at least two classes"):
        label_errors(views, ["cat"] * 50)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    rows = [[name, caption, caption.split()[-1]] for name, caption in make_pictures(folder, 240)]
    shapes = sorted({row[2] for row in rows})
    wrong = list(range(5, 240, 24))
    for i in wrong:
        rows[i][2] = shapes[(shapes.index(rows[i][2]) + 1) % len(shapes)]
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["path", "caption", "shape"], *rows])
    return folder / "t.csv", {rows[i][0] for i in wrong}


@pytest.mark.slow
def test_the_command_ranks_the_wrong_labels_of_a_table_first(run, table, tmp_path):
    file, wrong = table
    columns = (file, "--text", "caption", "--image", "path", "--encoder", "caption=tfidf_text", *CHEAP)
    done = run("doctor", "labels", *columns, "--label", "shape", "--to", tmp_path / "s.csv", "--top", 3)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("240 labels of ")
    assert lines[1].startswith("likely wrong: ")
    assert len(lines) == 5
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 240
    assert len({row["id"] for row in rows[:10]} & wrong) >= 8
    assert {"given", "suggested", "doubt", "caption says", "path says", "clash", "caption"} <= set(rows[0])
    found = json.loads(run("doctor", "labels", *columns, "--label", "shape", "--json", "--top", 10).stdout)
    assert [row["id"] for row in found["ranked"]] == [row["id"] for row in rows[:10]]
    assert found["ranked"][0]["suggested"] != found["ranked"][0]["given"]


def test_the_command_tells_what_is_missing(run, table):
    file, _ = table
    for arguments, said in ((("--label", "shapes"), "no column"), ((), "--label")):
        done = run("doctor", "labels", file, "--text", "caption", *arguments)
        assert done.returncode != 0
        assert said in done.stderr
    done = run("doctor", "labels", file, "--text", "caption", "--label", "shape", "--fuse", "earli")
    assert "did you mean 'early'" in done.stderr
