"""Rejection: true queries are turned away as often as asked for, queries about something else more often."""

import json

import numpy as np
import pytest

import chiasm
from chiasm.align.auto import Auto
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.index.exact import Exact
from chiasm.tasks._rejection import calibrate, lowest
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

RATE = 0.1


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
    mapped = Auto().fit(planted[:500]).transform(planted)
    return mapped, {name: Exact().add(np.arange(1000), column.items) for name, column in mapped.columns.items()}


def elsewhere(n=300):
    """Queries of view a about something else: the directions that `planted_pair` shares are 0 in them."""
    a, _ = planted_pair(1000, correlations=(0.95,) * 10)
    latents = np.random.default_rng(0).normal(size=(1000, 20))  # what it draws first, and then rotates
    rotation = np.linalg.lstsq(latents, a, rcond=None)[0]
    np.testing.assert_allclose(latents @ rotation, a, atol=1e-9)
    other = np.random.default_rng(1).normal(size=(n, 20))
    other[:, :10] = 0
    return other @ rotation


def halvings(space, times):
    mapped, _ = space
    rng = np.random.default_rng(0)
    for _ in range(times):
        drawn = 500 + rng.permutation(500)
        yield mapped[np.sort(drawn[:250])], mapped[np.sort(drawn[250:])]


@pytest.mark.parametrize(("start", "to"), [("a", "b"), ("b", "a")])
def test_over_many_halvings_one_true_query_in_ten_is_rejected(space, start, to):
    mapped, indexes = space
    assert [len(mapped), len(indexes[to])] == [1000, 1000]
    best = indexes[to].search(mapped[start].items, 1)[1][:, 0]
    rates = []
    for known, asked in halvings(space, 120):
        least = lowest(calibrate(known, indexes), start, to, RATE, elsewhere=False)
        rates.append(np.mean(best[asked[start].index] < least))
    assert 0.09 < np.mean(rates) < 0.11


def test_another_gallery_that_holds_the_match_rejects_no_more_than_promised(space):
    """The gallery is the asked half alone."""
    rates, strict = [], []
    for known, asked in halvings(space, 40):
        x, y = (asked[name].items[asked[name].index] for name in "ab")
        best = Exact().add(np.arange(250), y).search(x, 1)[1][:, 0]
        found = calibrate(known, space[1])
        rates.append(np.mean(best < lowest(found, "a", "b", RATE, elsewhere=True)))
        strict.append(np.mean(best < lowest(found, "a", "b", RATE, elsewhere=False)))
    assert np.mean(rates) < RATE
    assert np.mean(rates) < np.mean(strict)  # the other threshold is for the whole index


def test_the_scores_of_calibration_are_those_of_a_slow_search(space):
    mapped, indexes = space
    held = mapped[500:560]
    found = calibrate(held, indexes)
    x, y = (np.asarray(mapped[name].items, np.float64) for name in "ab")
    likeness = x @ y.T
    np.testing.assert_allclose(found["a"]["b"]["best"], likeness[500:560].max(axis=1), atol=1e-6)
    np.testing.assert_allclose(found["b"]["a"]["best"], likeness[:, 500:560].max(axis=0), atol=1e-6)
    np.testing.assert_allclose(found["a"]["b"]["match"], np.diag(likeness)[500:560], atol=1e-6)


def test_of_several_matches_the_best_counts(space):
    mapped, indexes = space
    ids = np.arange(1000) // 2  # two items of each view are one thing
    held = Views(mapped.columns, ids)[500:560]
    match = calibrate(held, indexes)["a"]["b"]["match"]
    likeness = np.asarray(mapped["a"].items, np.float64) @ np.asarray(mapped["b"].items, np.float64).T
    slow = [max(likeness[i, i - i % 2], likeness[i, i - i % 2 + 1]) for i in range(500, 560)]
    np.testing.assert_allclose(match, slow, atol=1e-6)


def test_true_queries_are_answered_and_queries_about_something_else_are_rejected_more(planted, model):
    true = model.hits({"a": planted["a"].items[700:]}, reject=RATE)
    other = model.hits({"a": elsewhere()}, reject=RATE)
    rejected, caught = (np.mean([not row for row in rows]) for rows in (true, other))
    assert rejected < 0.16  # one calibration on 250 queries, one test on 300: 0.1 and three standard deviations
    assert caught > rejected + 0.3
    assert all(model.hits({"a": elsewhere()}))  # without it everything is answered


def test_a_higher_price_rejects_more_and_what_is_answered_stays_the_same(planted, model):
    asked = {"a": planted["a"].items[700:800]}
    free = model.hits(asked)
    before: set[int] = set()
    for rate in (0.02, 0.1, 0.3, 0.8):
        found = model.hits(asked, reject=rate)
        gone = {i for i, row in enumerate(found) if not row}
        assert before <= gone
        assert all(row == free[i] for i, row in enumerate(found) if row)
        before = gone
    assert len(before) > 60


def test_an_answer_that_is_rejected_is_none_and_nan(planted, model):
    asked = {"a": np.concatenate([planted["a"].items[700:740], elsewhere(40)])}
    gone = np.array([not row for row in model.hits(asked, reject=0.3)])
    labels, scores = model.answer(asked, k=3, reject=0.3)
    assert 0 < gone.sum() < 80
    assert labels.shape == scores.shape == (80, 3)
    assert set(labels[gone].ravel()) == {None}
    assert np.isnan(scores[gone]).all()
    free_labels, free_scores = model.answer(asked, k=3)
    np.testing.assert_array_equal(labels[~gone], free_labels[~gone])
    np.testing.assert_array_equal(scores[~gone], free_scores[~gone])


def test_within_another_gallery_true_queries_are_rejected_no_more_than_in_one_in_ten(planted, model):
    found = model.hits({"a": planted["a"].items[700:]}, within=planted[700:], reject=RATE)
    assert np.mean([not row for row in found]) < 0.16  # as above


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


def test_the_command_line_says_so_in_a_sentence_and_in_json(run, toy):
    words = ("search", toy.model, "a red circle number 3", "--reject")
    plain, answered = (run(*words, rate, "--json") for rate in ("0.99", "0.1"))
    assert plain.returncode == answered.returncode == 0, plain.stderr
    found = json.loads(plain.stdout)
    assert (found["rejected"], found["results"]) == (True, [])
    assert json.loads(answered.stdout)["rejected"] is False
    assert len(json.loads(answered.stdout)["results"]) == 5
    said = run(*words, "0.99")
    assert said.stdout == "nothing here matches (of queries that do have a match, 99 in 100 are rejected too)\n"
    assert run(*words, "1.5").returncode == 2
