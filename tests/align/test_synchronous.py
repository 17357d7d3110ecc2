"""Synchronous canonical correlation against plain CCA, planted signals, and what must not help."""

import numpy as np
import pytest

import chiasm
from chiasm.align.cca import CCA
from chiasm.align.synchronous import Synchronous
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.views import Column, Views

T = 30


def clips(n=120, noise=1.0, delay=0, seed=0):
    """Two views of clips that share one signal over time, mixed into 5 and 4 features, under a constant of the clip.

    Of the second view the signal comes `delay` steps later.
    """
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, T + delay, 1))
    sides = []
    for d, late in ((5, 0), (4, delay)):
        signal = shared[:, delay - late : delay - late + T] * np.linspace(-1, 1, d)
        clip = 20 * rng.normal(size=(n, 1, d))
        sides.append((signal + noise * rng.normal(size=(n, T, d)) + clip).reshape(n, T * d))
    return Views({"sound": Column("vector", sides[0]), "lips": Column("vector", sides[1])})


def shifted(views, by):
    items = np.asarray(views["lips"].items).reshape(len(views["lips"].items), T, -1)
    moved = np.roll(items, by, axis=1).reshape(len(items), -1)
    return views.replace({"sound": views["sound"], "lips": Column("vector", moved, views["lips"].index)})


def test_of_one_step_it_is_plain_cca():
    a, b = planted_pair(500)
    ours = Synchronous(steps=1, k=5, ridge=0.1).fit({"a": a, "b": b})
    known = CCA(k=5, ridge=0.1).fit({"a": a, "b": b})
    np.testing.assert_allclose(ours.correlations_, known.correlations_, atol=1e-5)
    for view, rows in (("a", a), ("b", b)):
        mine, theirs = (m.transform({view: rows})[view].items for m in (ours, known))
        np.testing.assert_allclose(np.abs(mine), np.abs(theirs), atol=1e-3)


def test_without_context_it_is_cca_of_all_centered_steps_at_once():
    views = clips()
    steps = {}
    for name, column in views.columns.items():
        items = np.asarray(column.items).reshape(len(views), T, -1)
        steps[name] = (items - items.mean(axis=1, keepdims=True)).reshape(len(views) * T, -1)
    known = CCA(k=4, ridge=0.01, precision="float64").fit(steps)
    ours = Synchronous(steps=T, k=4, ridge=0.01, context=0).fit(views)
    np.testing.assert_allclose(ours.correlations_, known.correlations_, atol=1e-5)


def test_the_cosine_of_two_mapped_clips_is_the_correlation_over_time_of_their_coordinates():
    views = clips(20)
    model = Synchronous(steps=T, k=1, ridge=0.01, context=1).fit(views)
    mapped = {name: column.items for name, column in model.transform(views).columns.items()}
    for i, j in ((0, 0), (3, 8)):
        u, v = mapped["sound"][i], mapped["lips"][j]
        cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
        assert cosine == pytest.approx(np.corrcoef(u, v)[0, 1], abs=1e-5)


def test_context_is_the_steps_before_and_after_with_the_edges_repeated():
    views = clips(40)
    model = Synchronous(steps=T, k=2, ridge=0.01, context=2).fit(views)
    items = np.asarray(views["lips"].items, np.float64).reshape(40, T, 4)
    items = items - items.mean(axis=1, keepdims=True)
    slow = np.zeros((40, T, 2))
    for t in range(T):
        near = [items[:, min(max(t + o, 0), T - 1)] for o in range(-2, 3)]
        slow[:, t] = np.concatenate(near, axis=1) @ model.weights_["lips"]
    slow = slow - slow.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(model.transform(views)["lips"].items, slow.reshape(40, -1), atol=1e-4)


def test_it_matches_clips_by_their_timing_where_pooled_features_tell_nothing():
    views = clips()
    model = Synchronous(steps=T).fit(views[:60])
    assert model.score(views[60:]) > 0.9  # chance is 1 / 60
    assert model.score(shifted(views[60:], 10)) < 0.1
    pooled = {}
    for name, column in views.columns.items():
        items = np.asarray(column.items).reshape(len(views), T, -1)
        pooled[name] = np.concatenate([items.mean(axis=1), items.std(axis=1)], axis=1)
    learned = CCA().fit({name: rows[:60] for name, rows in pooled.items()})
    assert learned.score({name: rows[60:] for name, rows in pooled.items()}) < 0.15


def test_what_comes_some_steps_later_is_found_with_context_alone():
    views = clips(delay=2)
    assert Synchronous(steps=T, context=0).fit(views[:60]).score(views[60:]) < 0.2
    model = Synchronous(steps=T).fit(views[:60])
    assert model.chosen_["context"] >= 2
    assert model.score(views[60:]) > 0.9


def test_a_constant_added_to_a_clip_changes_nothing():
    views = clips(40, noise=0.5)
    model = Synchronous(steps=T, k=2, ridge=0.01, context=1).fit(views)
    rows = np.asarray(views["lips"].items)
    moved = rows + np.tile([5.0, -3.0, 2.0, 9.0], T)
    one, other = (model.transform({"lips": r})["lips"].items for r in (rows, moved))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_components_keep_the_planted_directions_of_a_wide_view():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(80, T, 1))
    wide = 5 * shared * rng.normal(size=300) + rng.normal(size=(80, T, 300))
    thin = shared * rng.normal(size=3) + rng.normal(size=(80, T, 3))
    views = {"film": wide.reshape(80, -1), "sound": thin.reshape(80, -1)}
    model = Synchronous(steps=T, components=4, k=1).fit({name: rows[:50] for name, rows in views.items()})
    assert model.bases_["film"].shape == (300, 4)
    assert model.score({name: rows[50:] for name, rows in views.items()}) > 0.95


def test_what_is_left_open_is_what_finds_the_given_validation_clips_best():
    views = clips()
    model = Synchronous(steps=T).fit(views[:80], val=views[80:])
    best = max(model.trials_, key=lambda trial: trial["score"])
    assert model.chosen_ == {name: best[name] for name in ("context", "ridge", "k")}
    again = Synchronous(steps=T, **model.chosen_).fit(views[:80])
    assert again.trials_ == []
    np.testing.assert_allclose(again.correlations_, model.correlations_, atol=1e-6)
    alone = Synchronous(steps=T, k=2, ridge=0.01).fit(views)  # chosen on parts of the rows, learned from all
    whole = Synchronous(steps=T, **alone.chosen_).fit(views)
    np.testing.assert_allclose(alone.correlations_, whole.correlations_, atol=1e-6)


def test_captions_of_one_clip_weigh_as_one_clip():
    views = clips(30)
    index = np.repeat(np.arange(30), 3)
    again = views[index]
    once, thrice = (Synchronous(steps=T, k=2, ridge=0.01, context=1).fit(v) for v in (views, again))
    np.testing.assert_allclose(once.correlations_, thrice.correlations_, atol=1e-5)


def test_three_views_share_one_space():
    two, third = clips(90), clips(90, seed=0)
    views = two.replace({**two.columns, "camera 2": third["lips"]})
    model = Synchronous(steps=T).fit(views[:60])
    assert model.score(views[60:]) > 0.9


def test_it_answers_the_same_after_saving(tmp_path):
    views = clips(40)
    model = Synchronous(steps=T, k=2).fit(views)
    chiasm.save(model, tmp_path / "m")
    again = chiasm.load(tmp_path / "m").transform(views)
    for name, column in model.transform(views).columns.items():
        np.testing.assert_allclose(again[name].items, column.items, atol=1e-6)


def test_a_width_that_does_not_divide_into_steps_is_an_error_that_says_what_to_do():
    views = clips(20)
    with pytest.raises(ChiasmError, match=r"wanted 7 steps.*'sound' of width 150: encode it with steps=7"):
        Synchronous(steps=7).fit(views)
    with pytest.raises(ChiasmError, match="wanted steps to be a whole number of at least 1, or None, got 0"):
        Synchronous(steps=0).fit(views)


def test_values_that_are_not_finite_are_an_error_that_names_the_view():
    views = {"a": np.random.default_rng(0).normal(size=(20, 300)), "b": np.ones((20, 30))}
    views["a"][3, 5] = np.inf
    with pytest.raises(ChiasmError, match="view 'a', row 3 holds infinity"):
        Synchronous(steps=2).fit(views)
