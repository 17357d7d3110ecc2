"""Match: right pairs are told from dealt ones, with a probability that means what it says, whatever views are there."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import chiasm
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.stats.dealing import NEIGHBORS, cosine, deal, margins
from chiasm.tasks.match import Match
from chiasm.views import Column, Views, normalize


def vectors(**arrays):
    return {name: Column("vector", np.asarray(values)) for name, values in arrays.items()}


@pytest.fixture(scope="module")
def pair():
    a, b = planted_pair(900, correlations=(0.9,) * 6)
    split = np.array(["train"] * 600 + ["test"] * 300, dtype=object)
    return Views(vectors(a=a, b=b), np.array([f"id {i}" for i in range(900)], dtype=object), {"split": split})


@pytest.fixture(scope="module")
def model(pair):
    return Match(align="cca").fit(pair)


def shuffled(views, rows, name="b"):
    """The rows with the items of a view moved on by one."""
    column = views[name]
    part = views[rows]
    return part.replace({**part.columns, name: Column("vector", column.items, np.roll(column.index[rows], 1))})


def test_right_pairs_are_told_from_dealt_ones_and_shuffled_training_tells_nothing(pair, model):
    score = model.score(pair[600:])
    assert float(score) == score.table["auc"]["value"] > 0.9
    assert score.table["against"]["random"]["auc"]["value"] > score.table["against"]["near"]["auc"]["value"]
    broken = Views(shuffled(pair, np.arange(900)).columns, pair.ids, pair.facts)
    table = Match(align="cca").fit(broken).score(pair[600:]).table
    assert table["auc"]["low"] < 0.5 < table["auc"]["high"] + 0.02
    assert table["log_loss"] < 0.75  # unsure, as it should be: log 2 is 0.69


def test_the_probability_is_calibrated_on_rows_that_were_not_learned_from():
    a, b = planted_pair(3000, correlations=(0.9,) * 6)
    views = Views(vectors(a=a, b=b))
    model = Match(align="cca").fit(views[:2000])
    dealt, kinds = deal(views[2000:], seed=5)
    even = (kinds == 0) | (kinds == np.where(dealt.clusters % 2, 1, 2))
    sure, right = model.outputs(dealt[even]), kinds[even] == 0
    for rows in np.array_split(np.argsort(sure), 4):
        assert abs(sure[rows].mean() - right[rows].mean()) < 0.08


def test_another_prior_moves_all_log_odds_by_one_constant(pair, model):
    other = Match(align="cca", prior=0.95).fit(pair)
    even, rare = (m.outputs(pair[600:700]) for m in (model, other))
    moved = np.log(rare / (1 - rare)) - np.log(even / (1 - even))
    np.testing.assert_allclose(moved, np.log(19), atol=1e-5)


def test_broken_pairs_among_many_are_found(pair, model):
    wrong = np.arange(600, 630)
    views = Views.stack(shuffled(pair, wrong), pair[630:])
    yes, sure = model.answer(views)
    assert roc_auc_score(np.arange(300) >= 30, sure) > 0.95
    assert (yes == (sure >= 0.5)).all()


def test_a_row_is_judged_alone_as_in_any_batch(pair, model):
    whole = model.outputs(pair[600:700])
    np.testing.assert_allclose(model.outputs(pair[642:643])[0], whole[42], atol=1e-6)
    order = np.random.default_rng(0).permutation(100)
    np.testing.assert_allclose(model.outputs(pair[600 + order]), whole[order], atol=1e-6)


def test_a_row_with_fewer_than_two_views_gets_the_prior(pair):
    model = Match(align="cca", prior=0.3).fit(pair)
    index = np.arange(600, 610)
    views = Views({"a": pair["a"][600:610], "b": Column("vector", pair["b"].items, np.where(index < 605, index, -1))})
    sure = model.outputs(views)
    np.testing.assert_allclose(sure[5:], 0.3)
    assert not np.isclose(sure[:5], 0.3).any()
    np.testing.assert_allclose(model.outputs({"a": pair["a"].items[:3]}), 0.3)


def test_of_three_views_any_two_or_more_are_judged_and_one_dealt_view_breaks_a_row():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(700, 5))
    a, b, c = (z @ rng.normal(size=(5, d)) + 0.3 * rng.normal(size=(700, d)) for d in (8, 7, 6))
    thinned = np.where(np.arange(700) % 4 == 0, -1, np.arange(700))
    views = Views(vectors(a=a, b=b) | {"c": Column("vector", c, thinned)}, np.arange(700))
    model = Match(align="cca").fit(views[:500])
    assert sorted(model.logistic_) == ["0,1", "0,1,2", "0,2", "1,2"]
    test = Views(vectors(a=a, b=b, c=c), np.arange(700))[500:]
    right = model.outputs(test)
    for name in test.names:
        assert roc_auc_score(np.repeat([1, 0], 200), [*right, *model.outputs(_dealt(test, name))]) > 0.9
    for left in test.names:
        two = test.replace({name: column for name, column in test.columns.items() if name != left})
        assert np.mean(model.outputs(two) > 0.5) > 0.75
    assert float(model.score(test)) > 0.9


def _dealt(views, name):
    column = views[name]
    return views.replace({**views.columns, name: Column("vector", column.items, np.roll(column.index, 1))})


def test_views_that_never_met_in_training_say_nothing():
    a, b = planted_pair(300, correlations=(0.95,) * 5)
    c = a @ np.random.default_rng(0).normal(size=(a.shape[1], 4))
    rows = np.arange(300)
    first, second = (np.where(rows < 150, rows, -1), np.where(rows >= 150, rows, -1))
    columns = {"a": Column("vector", a), "b": Column("vector", b, first), "c": Column("vector", c, second)}
    model = Match(align="cca").fit(Views(columns, rows))
    assert sorted(model.logistic_) == ["0,1", "0,2"]
    np.testing.assert_allclose(model.outputs({"b": b[:3], "c": c[:3]}), 0.5)


def test_the_margins_are_those_of_a_slow_separate_computation(pair):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 12, 4)).astype(np.float32)
    banks = {"a": normalize(rng.normal(size=(40, 4))), "b": normalize(rng.normal(size=(30, 4)))}
    banks["b"][3] = normalize(b[2:3])[0]  # known already: no rival to itself
    found = margins(Views(vectors(a=a, b=b)), banks)
    for i in range(12):
        x, y = a[i] / np.linalg.norm(a[i]), b[i] / np.linalg.norm(b[i])
        expected = []
        for asking, partner, bank in ((x, y, banks["b"]), (y, x, banks["a"])):
            near = sorted((float(asking @ one) for one in bank if one @ partner < 0.999), reverse=True)[:NEIGHBORS]
            expected += [x @ y - np.mean(near), x @ y - near[0]]
        np.testing.assert_allclose(found[i], expected, atol=1e-5)
        assert cosine(Views(vectors(a=a, b=b)))[i, 0] == pytest.approx(x @ y, abs=1e-6)


def test_dealt_items_belong_to_another_id_and_are_other_items():
    a = np.repeat(np.random.default_rng(0).normal(size=(20, 3)), 3, axis=0)
    views = Views(
        {"a": Column("vector", a[::3], np.arange(60) // 3), "b": Column("vector", np.eye(20), np.arange(60) % 20)},
        np.arange(60) // 3,
    )
    dealt, kinds = deal(views, seed=1)
    assert [int((kinds == k).sum()) for k in range(3)] == [60, 60, 60]
    true = set(zip((np.arange(60) // 3).tolist(), (np.arange(60) % 20).tolist(), strict=True))
    made = list(zip(dealt["a"].index.tolist(), dealt["b"].index.tolist(), strict=True))
    assert {one for one, kind in zip(made, kinds, strict=True) if kind == 0} == true
    moved = {one for one, kind in zip(made, kinds, strict=True) if kind}
    assert not moved & true
    assert len(moved) > 60


def test_near_wrong_pairs_come_from_rows_that_are_alike():
    centers = np.random.default_rng(0).normal(size=(10, 5)) * 10
    a = np.repeat(centers, 30, axis=0) + np.random.default_rng(1).normal(size=(300, 5)) * 0.1
    views = Views(vectors(a=a, b=a + 0.01))
    dealt, kinds = deal(views, seed=0)
    same = dealt["a"].index // 30 == dealt["b"].index // 30
    assert same[kinds == 2].all()
    assert same[kinds == 1].mean() < 0.25


def test_the_float_of_a_score_is_scikit_learns_auc_of_the_dealt_rows(pair, model):
    test = pair[600:]
    table = model.score(test).table
    dealt, kinds = deal(model.encoding_.transform(test), model.seed)
    alternate = np.where(dealt.clusters % 2, 1, 2)
    even = (kinds == 0) | (kinds == alternate)
    assert table["auc"]["value"] == pytest.approx(roc_auc_score(kinds[even] == 0, model.outputs(dealt[even])), abs=1e-6)
    assert table["pairs"] == 300
    assert sum(table["wrong"].values()) == 300
    assert table["majority"] == 0.5
    lines = str(model.score(test)).splitlines()
    assert lines[0].startswith("match: 300 right pairs")
    assert any("plain cosine" in line for line in lines)


def test_rows_that_were_learned_from_are_not_scored_and_leaks_are_refused(pair, model):
    with pytest.raises(ChiasmError, match="600 of the 900 rows are rows that the model was fitted on"):
        model.score(pair)
    assert model.score(pair, allow_train=True).table["leaks"]["fitted_rows"] == 600
    ids = pair.ids.copy()
    ids[600] = ids[0]
    leaky = Views(pair.columns, ids, pair.facts)
    with pytest.raises(ChiasmError, match="1 ids stand in more than one split"):
        Match(align="cca").fit(leaky)
    assert Match(align="cca", allow_leaks=True).fit(leaky).leaks_["ids"] == 1


def test_scores_are_repeated_without_the_rows_that_share_an_item_with_training_rows(pair):
    index = np.arange(900)
    index[890:] = np.arange(10)  # ten test rows show training items
    views = Views({"a": Column("vector", pair["a"].items, index), "b": pair["b"]}, pair.ids, pair.facts)
    table = Match(align="cca").fit(views).score(views[600:]).table
    assert table["clean"]["removed"] == 10
    assert table["clean"]["pairs"] == 290


def test_what_cannot_be_learned_is_told(pair):
    with pytest.raises(ChiasmError, match="at least 12 things"):
        Match(align="cca").fit(pair[:8])
    with pytest.raises(ChiasmError, match="prior between 0 and 1"):
        Match(prior=1.0).fit(pair)
    with pytest.raises(ChiasmError, match="two views"):
        Match().fit({"a": pair["a"].items})
    with pytest.raises(ChiasmError, match="not fitted"):
        Match().answer({"a": pair["a"].items})


def test_raw_texts_and_pictures_go_in_and_a_saved_model_answers_the_same(tmp_path):
    from chiasm.data.toy import COLORS, SHAPES, shape_image

    kinds = [(c, s) for c in COLORS for s in SHAPES] * 8
    words = [f"a {c} {s} number {i}" for i, (c, s) in enumerate(kinds)]
    pictures = [np.asarray(shape_image(c, s, seed=i)) for i, (c, s) in enumerate(kinds)]
    views = Views({"words": Column("text", words), "picture": Column("image", pictures)})
    model = Match(encoders={"words": "tfidf_text", "picture": "pixel_image"}, align="ridge").fit(views[:-20])
    color, shape = kinds[-1]
    other = next(c for c in COLORS if c != color)
    claims = {"words": [f"a {color} {shape}", f"a {other} {shape}"], "picture": [pictures[-1], pictures[-1]]}
    sure = model.answer(claims)[1]
    assert sure[0] > sure[1]
    model.save(tmp_path / "m")
    np.testing.assert_allclose(chiasm.load(tmp_path / "m").answer(claims)[1], sure, atol=1e-6)
