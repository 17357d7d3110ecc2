"""Cluster: planted groups are found, counted, named and scored; absent views, saved models, odd inputs."""

import numpy as np
import pytest

import chiasm
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.stats.partitions import adjusted_rand
from chiasm.tasks._cluster import groups, space, stability
from chiasm.tasks._cluster.naming import particular
from chiasm.tasks.cluster import Cluster
from chiasm.views import Column, Views


def planted(n=300, k=3, apart=5.0, seed=0):
    """Views a and b that show the same groups, and which group each row is of."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, k, n)
    views = {v: rng.normal(size=(n, 5)) + apart * np.eye(5)[(label + shift) % 5] for v, shift in (("a", 0), ("b", 1))}
    return views, label


def rings(n=300, seed=0):
    rng = np.random.default_rng(seed)
    inner = np.arange(n) % 2
    found = {}
    for name in "ab":
        angle, radius = rng.uniform(0, 2 * np.pi, n), 1 + 2 * inner + 0.1 * rng.normal(size=n)
        found[name] = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return found, inner


@pytest.mark.parametrize("learn", groups.METHODS)
def test_planted_groups_are_found_and_new_rows_join_them(learn):
    views, label = planted()
    model = Cluster(k=3, learn=learn).fit({v: rows[:200] for v, rows in views.items()})
    assert float(model.score({v: rows[200:] for v, rows in views.items()}, label[200:])) > 0.95
    found, sure = model.answer({v: rows[200:] for v, rows in views.items()})
    assert found.shape == sure.shape == (100,)
    assert ((sure >= 0) & (sure <= 1)).all()


def test_rings_are_told_apart_by_the_graph_and_not_by_means():
    views, inner = rings()
    assert float(Cluster(k=2, learn="spectral").fit(views).score(views, inner)) > 0.9
    assert float(Cluster(k=2, learn="kmeans").fit(views).score(views, inner)) < 0.1


@pytest.mark.parametrize("learn", groups.METHODS)
def test_any_view_alone_gives_the_group(learn):
    views, _ = planted()
    model = Cluster(k=3, learn=learn).fit(views)
    whole = model.predict(views)
    for view in views:
        assert (model.predict({view: views[view]}) == whole).mean() > 0.9
    np.testing.assert_array_equal(model.predict({v: rows[7:8] for v, rows in views.items()}), whole[7:8])


@pytest.mark.parametrize("learn", groups.METHODS)
def test_rows_without_a_view_are_grouped_by_the_other(learn):
    views, label = planted()
    b = np.where(np.arange(300)[:, None] % 3 == 0, np.nan, views["b"])
    model = Cluster(k=3, learn=learn).fit({"a": views["a"], "b": b})
    assert float(model.score({"a": views["a"], "b": b}, label)) > 0.9


def test_a_row_without_any_view_gets_the_largest_group_and_a_warning():
    views, _ = planted()
    model = Cluster(k=3, learn="kmeans").fit(views)
    with pytest.warns(ChiasmWarning, match="1 of 2 rows hold none of the views a, b"):
        found, sure = model.answer({"a": [views["a"][0], [np.nan] * 5]})
    assert (found[1], sure[1]) == (0, 0)
    assert model.sizes_[0] == model.sizes_.max()


@pytest.mark.parametrize("k", [2, 4])
def test_as_many_groups_are_found_as_were_planted(k):
    views, _ = planted(k=k)
    model = Cluster(learn="kmeans").fit(views)
    assert len(model.names_) == k
    best = max(model.stability_, key=lambda one: one["agreement"])
    assert best["agreement"] > 0.95
    assert best["k"] == k


def test_a_view_that_shows_no_groups_weighs_less():
    views, _ = planted()
    noise = np.random.default_rng(1).normal(size=(300, 20))
    weights = Cluster(k=3, learn="kmeans").fit({"a": views["a"], "noise": noise}).weights_
    assert weights["a"] > 10 * weights["noise"]


@pytest.mark.parametrize("learn", groups.METHODS)
def test_a_view_on_three_rows_and_rows_without_any_change_nothing_for_the_others(learn):
    views, label = planted(120)
    bare = np.concatenate([views["a"], np.full((120, 5), np.nan)])
    few = np.full((240, 2), np.nan)
    few[:3] = np.eye(3)[:, :2]
    model = Cluster(learn=learn).fit({"a": bare, "few": few})
    found = model.predict({"a": views["a"]})
    assert len(model.names_) == 3
    assert adjusted_rand(found, label) > 0.9
    assert model.weights_["few"] < 0.01 * model.weights_["a"]


def test_a_mixture_is_no_surer_of_a_row_by_noise_than_its_shares_say():
    views, _ = planted()
    noise = np.random.default_rng(1).normal(size=(300, 4))
    model = Cluster(k=3, learn="mixture").fit({"a": views["a"], "noise": noise})
    _, sure = model.answer({"noise": noise})
    assert sure.mean() < 0.55
    assert model.answer({"a": views["a"]})[1].mean() > 0.95


def test_noise_is_told_to_have_no_groups_and_planted_ones_are_not():
    with pytest.warns(ChiasmWarning, match="may be none"):
        Cluster(learn="kmeans").fit({"a": np.random.default_rng(0).normal(size=(300, 20))})
    assert max(one["agreement"] for one in Cluster(learn="kmeans").fit(planted()[0]).stability_) > stability.FAINT


def test_the_nearest_rows_of_a_group_are_not_those_that_lack_a_view():
    views, _ = planted(200)
    lacks = np.arange(200) % 4 == 0
    views["b"][lacks] = np.nan
    topics = Cluster(k=3, learn="kmeans").fit(views).topics(views)
    assert np.mean([lacks[row] for topic in topics for row in topic["nearest"]]) < 0.6


def test_views_that_no_thing_has_both_of_and_wider_vectors_are_told():
    views, _ = planted(60)
    apart = {name: rows.copy() for name, rows in views.items()}
    apart["a"][:30], apart["b"][30:] = np.nan, np.nan
    with pytest.warns(ChiasmWarning, match="no thing has two of the views a, b"):
        model = Cluster(k=3, learn="kmeans").fit(apart)
    with pytest.raises(ChiasmError, match="wanted vectors of 5 numbers, got 6"):
        model.answer({"a": np.ones((3, 6))})


def test_the_score_holds_each_view_alone_and_chance():
    views, label = planted()
    noise = np.random.default_rng(1).normal(size=(300, 20))
    given = {"a": views["a"], "noise": noise}
    table = Cluster(k=3, learn="kmeans").fit(given).score(given, label).table
    assert abs(table["chance_ari"]) < 0.05
    assert table["views_alone"]["noise"]["ari"]["value"] < 0.1
    assert table["views_alone"]["noise"]["ari_difference"]["low"] > 0.5
    assert table["ari"]["low"] <= table["ari"]["value"] <= table["ari"]["high"]


def test_groups_are_called_by_their_words_and_shown_by_their_nearest_rows():
    views, label = planted(120, k=2)
    words = np.array(["a bus on a red road", "猫在屋顶上睡觉"], dtype=object)[label]
    texts = Column.from_cells("text", [f"{word} {i}" for i, word in enumerate(words)])
    raw = Views({"a": Column("vector", views["a"]), "words": texts})
    model = Cluster({"words": "hashed_text"}, k=2, learn="kmeans").fit(raw)
    named = {tuple(label[model.predict(raw) == group][:1]): words for group, words in enumerate(model.words_)}
    assert {"bus", "road", "red"} <= set(named[(0,)])
    assert any("猫" in word or "屋顶" in word for word in named[(1,)])
    for topic in model.topics(raw, most=3):
        assert len(topic["nearest"]) == 3
        assert (model.predict(raw)[topic["nearest"]] == topic["group"]).all()


def test_a_word_that_all_use_names_no_group():
    texts = ["the dog runs"] * 30 + ["the cat sleeps"] * 30
    found = particular(texts, np.repeat([0, 1], 30), 2)
    assert not any("the" in words for words in found)
    assert set(found[0]) == {"dog", "runs"}


def test_a_name_without_spaces_is_cut_where_words_are():
    people, verbs, places = ("演员", "队员", "船员", "教员"), ("看", "进", "建", "用", "爱"), ("北京", "上海", "成都")
    plain = [f"{places[i % 3]}今天{verbs[i % 5]}花，天气很好。" for i in range(70)]
    told = [f"{verbs[i % 5]}{people[i % 4]}在{places[i % 3]}{verbs[i % 5]}人工智能实验室，很久。" for i in range(70)]
    found = particular(plain + told, np.repeat([0, 1], 70), 2)
    assert {"今天", "天气很好"} & {*found[0]}
    assert "人工智能实验室" in found[1]  # whole, though runs of four characters are counted
    assert not any("员在" in word for word in found[1])  # begins and ends no phrase: no word


def test_a_saved_model_answers_the_same(tmp_path):
    views, _ = planted()
    for learn in groups.METHODS:
        model = Cluster(k=3, learn=learn).fit(views)
        again = chiasm.load(model.save(tmp_path / learn))
        for one, other in zip(again.answer(views), model.answer(views), strict=True):
            np.testing.assert_array_equal(one, other)


def test_absent_parts_are_filled_by_the_group():
    views, label = planted()
    held = space.things(Views.of({"a": views["a"], "b": np.where(label[:, None] == 0, np.nan, views["b"])}))
    placed = space.place(space.learn(held), held)
    known = groups.learn("kmeans", placed, 3, 0)
    assert adjusted_rand(groups.assign(known, placed, 300)[0], label) > 0.9


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ({"a": np.eye(1, 3), "b": np.eye(1, 3)}, "wanted at least 4 things to group, got 1"),
        ({"a": np.ones((30, 3))}, "differ"),
        ({"a": np.full((30, 3), [[0, 1, np.nan]])}, "NaN"),
    ],
    ids=["one row", "constant", "NaN"],
)
def test_what_cannot_be_grouped_is_told(views, words):
    with pytest.raises(ChiasmError, match=words):
        Cluster(k=2).fit(views)


@pytest.mark.parametrize("learn", groups.METHODS)
def test_more_width_than_rows_and_a_constant_view_beside_another_are_grouped(learn):
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(20, 90)) + 9 * (np.arange(20) % 2)[:, None]
    model = Cluster(k=2, learn=learn).fit({"wide": wide, "same": np.ones((20, 3))})
    assert float(model.score({"wide": wide}, np.arange(20) % 2)) == 1


def test_more_groups_than_things_are_refused_and_labels_are_wanted():
    views, _ = planted(30)
    with pytest.raises(ChiasmError, match="wanted at least 40 things"):
        Cluster(k=40).fit(views)
    with pytest.raises(ChiasmError, match="labels"):
        Cluster(k=2, learn="kmeans").fit(views).score(views)


def test_rows_that_are_drawn_twice_do_not_raise_an_interval():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(10), 8)
    views = {"a": 3 * np.eye(10)[truth] + rng.normal(size=(80, 10))}
    found = Cluster(k=10, learn="kmeans").fit(views).score(views, truth).table["ari"]
    assert (found["low"] + found["high"]) / 2 == pytest.approx(found["value"], abs=0.02)
