"""Rejection: true queries are turned away as often as asked for, queries about something else more often."""

import json

import numpy as np
import pytest

import chiasm
from chiasm.align.auto import Auto
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.index.exact import Exact
from chiasm.tasks._retrieve.rejection import calibrate, rejected
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

RATE = 0.1
MEAN = 19 / 251  # of 250 calibration scores the 19th keeps to 0.1 in nine of ten calibrations, and the 20th does not


@pytest.fixture(scope="module")
def planted():
    """1,000 pairs: 450 to learn from, 250 to calibrate on, 300 to ask with."""
    a, b = planted_pair(1000, correlations=(0.95,) * 10)
    split = np.array(["train"] * 450 + ["val"] * 250 + ["test"] * 300, dtype=object)
    return Views({"a": Column("vector", a), "b": Column("vector", b)}, np.arange(1000), {"split": split})


@pytest.fixture(scope="module")
def model(planted):
    return Retrieve().fit(planted)


@pytest.fixture(scope="module")
def space(planted):
    """The 500 held-out rows in a space that was learned without them, and the indexes of everything."""
    aligner = Auto().fit(planted[:500])
    mapped = aligner.transform(planted)
    return (
        aligner,
        mapped,
        {name: Exact().add(np.arange(1000), column.items) for name, column in mapped.columns.items()},
    )


def elsewhere(n=300):
    """Queries of view a about something else: the directions that `planted_pair` shares are 0 in them."""
    a, _ = planted_pair(1000, correlations=(0.95,) * 10)
    latents = np.random.default_rng(0).normal(size=(1000, 20))  # what it draws first, and then rotates
    rotation = np.linalg.lstsq(latents, a, rcond=None)[0]
    np.testing.assert_allclose(latents @ rotation, a, atol=1e-9)
    other = np.random.default_rng(1).normal(size=(n, 20))
    other[:, :10] = 0
    return other @ rotation


def halvings(mapped, times):
    rng = np.random.default_rng(0)
    for _ in range(times):
        drawn = 500 + rng.permutation(500)
        yield mapped[np.sort(drawn[:250])], mapped[np.sort(drawn[250:])]


@pytest.mark.parametrize(("start", "to"), [("a", "b"), ("b", "a")])
@pytest.mark.slow
def test_over_many_halvings_true_queries_are_rejected_as_often_as_the_promise_needs(space, start, to):
    aligner, mapped, indexes = space
    x = mapped[start].items
    best = indexes[to].search(x, 1)[1][:, 0]
    rates = []
    for known, asked in halvings(mapped, 120):
        found, rows = calibrate(known, indexes, aligner), asked[start].index
        rates.append(rejected(found, aligner, start, to, x[rows], best[rows], RATE).mean())
    assert abs(np.mean(rates) - MEAN) < 0.01


@pytest.mark.slow
def test_so_it_is_in_another_gallery_too(space):
    """The gallery is the asked half alone."""
    aligner, mapped, indexes = space
    rates = []
    for known, asked in halvings(mapped, 60):
        x, y = (asked[name].items[asked[name].index] for name in "ab")
        gallery = Exact().add(np.arange(250), y)
        best = gallery.search(x, 1)[1][:, 0]
        found = calibrate(known, indexes, aligner)
        rates.append(rejected(found, aligner, "a", "b", x, best, RATE, gallery).mean())
    assert abs(np.mean(rates) - MEAN) < 0.01


def test_the_scores_of_calibration_are_those_of_a_slow_search(space):
    aligner, mapped, indexes = space
    held = mapped[500:560]
    found = calibrate(held, indexes, aligner)
    x, y = (np.asarray(mapped[name].items, np.float64) for name in "ab")
    likeness = x @ y.T
    slow = {
        ("a", "b"): (likeness[500:560].max(axis=1), np.diag(likeness)[500:560]),
        ("b", "a"): (likeness[:, 500:560].max(axis=0), np.diag(likeness)[500:560]),
    }
    for (start, to), (best, match) in slow.items():
        ours = found[start][to]
        order = (ours["queries"] @ mapped[start].items[500:560].T).argmax(axis=1)  # they are kept in another order
        assert sorted(order) == list(range(60))
        np.testing.assert_allclose(ours["best"], best[order], atol=1e-6)
        np.testing.assert_allclose(ours["match"], match[order], atol=1e-6)


def test_of_several_matches_the_best_counts(space):
    aligner, mapped, indexes = space
    held = Views(mapped.columns, np.arange(1000) // 2)[500:560]  # two items of each view are one thing
    ours = calibrate(held, indexes, aligner)["a"]["b"]
    x, y = (np.asarray(mapped[name].items, np.float64)[500:560] for name in "ab")
    slow = (x @ y.T).reshape(60, 30, 2)[np.arange(60), np.arange(60) // 2].max(axis=1)
    order = (ours["queries"] @ x.T).argmax(axis=1)
    np.testing.assert_allclose(ours["match"], slow[order], atol=1e-6)


def test_what_a_query_owes_for_being_near_known_ones_does_not_hide_that_it_has_no_match(space):
    """Cosines of the corrected space are lowered most for queries like those that are known."""
    aligner, mapped, indexes = space
    other = aligner.transform({"a": elsewhere()})["a"].items
    true = mapped["a"].items[500:]
    plain, comparable = [], []
    for x in (true, other):
        best = indexes["b"].search(x, 1)[1][:, 0]
        plain.append(best)
        comparable.append(best + aligner.owed("a", "b", x))
    assert area(*comparable) > area(*plain) + 0.01


def area(true, false):
    """The chance that a true query scores above a false one."""
    return np.mean(true[:, None] > false[None])


def test_true_queries_are_answered_and_queries_about_something_else_are_rejected_more(planted, model):
    true = model.hits({"a": planted["a"].items[700:]}, reject=RATE)
    other = model.hits({"a": elsewhere()}, reject=RATE)
    rejected, caught = (np.mean([not row for row in rows]) for rows in (true, other))
    assert rejected < 0.14  # one calibration on 250 queries, one test on 300: the mean and three standard deviations
    assert caught > rejected + 0.3
    assert all(model.hits({"a": elsewhere()}))  # without it everything is answered


def bare(row):
    """Hits without what only `reject` tells."""
    return [{name: value for name, value in hit.items() if name != "probability"} for hit in row]


def test_a_higher_price_rejects_more_and_what_is_answered_are_the_same_first_hits(planted, model):
    asked = {"a": planted["a"].items[700:800]}
    free = model.hits(asked)
    before: set[int] = set()
    for rate in (0.02, 0.1, 0.3, 0.8):
        found = model.hits(asked, reject=rate)
        gone = {i for i, row in enumerate(found) if not row}
        assert before <= gone
        assert all(bare(row) == free[i][: len(row)] for i, row in enumerate(found) if row)
        before = gone
    assert len(before) > 60


def test_an_answer_that_is_rejected_is_none_and_nan(planted, model):
    asked = {"a": np.concatenate([planted["a"].items[700:740], elsewhere(40)])}
    gone = np.array([not row for row in model.hits(asked, reject=0.3)])
    labels, scores = model.answer(asked, k=3, reject=0.3)
    assert 0 < gone.sum() < 80
    assert labels.shape == scores.shape
    assert labels.shape[1] in (1, 2, 3)  # no more than count as matches
    assert set(labels[gone].ravel()) == {None}
    assert np.isnan(scores[gone]).all()
    labels, scores = model.answer({"a": np.zeros((1, 20))}, k=3, reject=0.999)
    assert (labels.tolist(), scores.shape) == ([[None] * 3], (1, 3))
    labels, scores = model.answer(asked, k=3, reject=0.3)
    free_labels, free_scores = model.answer(asked, k=3)
    kept, wide = ~np.isnan(scores), scores.shape[1]
    assert kept[~gone, 0].all()
    np.testing.assert_array_equal(labels[kept], free_labels[:, :wide][kept])
    np.testing.assert_array_equal(scores[kept], free_scores[:, :wide][kept])


def test_within_another_gallery_true_queries_are_answered_and_others_rejected_more(planted, model):
    true, other = (
        np.mean([not row for row in model.hits({"a": rows}, within=planted[700:], reject=RATE)])
        for rows in (planted["a"].items[700:], elsewhere())
    )
    assert true < 0.14  # as above
    assert other > true + 0.3


def test_a_saved_model_rejects_the_same(planted, model, tmp_path):
    asked = {"b": planted["b"].items[700:]}
    again = chiasm.load(model.save(tmp_path / "m"))
    assert again.hits(asked, reject=RATE) == model.hits(asked, reject=RATE)


def test_a_model_without_validation_rows_says_what_is_missing(planted):
    model = Retrieve().fit(Views(planted.columns, planted.ids)[:300])
    with pytest.raises(
        ChiasmError, match=r"wanted validation rows with 'a' and 'b' .* fit it with a split that has val"
    ):
        model.hits({"a": planted["a"].items[:1]}, reject=RATE)
    assert model.hits({"a": planted["a"].items[:1]})[0]


def test_two_views_whose_validation_rows_never_meet_cannot_reject(planted):
    rows = np.arange(1000)
    c = Column("vector", planted["b"].items + 1, np.where(rows < 450, rows, -1))
    model = Retrieve().fit(planted.replace({**planted.columns, "c": c}))
    assert model.hits({"a": planted["a"].items[:1]}, "b", reject=RATE) is not None
    with pytest.raises(ChiasmError, match="wanted validation rows with 'a' and 'c'"):
        model.hits({"a": planted["a"].items[:1]}, "c", reject=RATE)


@pytest.mark.parametrize("rate", [0, 1, -0.1])
def test_a_rate_that_is_none_is_one_sentence(planted, model, rate):
    with pytest.raises(ChiasmError, match="between 0 and 1"):
        model.hits({"a": planted["a"].items[:1]}, reject=rate)


@pytest.mark.slow
def test_the_command_line_says_so_in_a_sentence_and_in_json(run, toy):
    words = ("search", toy.model, "a red circle number 3", "--reject")
    plain, answered = (run(*words, rate, "--json") for rate in ("0.99", "0.1"))
    assert plain.returncode == answered.returncode == 0, plain.stderr
    found = json.loads(plain.stdout)
    assert (found["rejected"], found["results"]) == (True, [])
    assert json.loads(answered.stdout)["rejected"] is False
    assert len(json.loads(answered.stdout)["results"]) == 5
    said = run(*words, "0.99")
    assert said.stdout == "nothing here matches (of queries that do have a match, at most 99 in 100 are rejected too)\n"
    assert run(*words, "1.5").returncode == 2
