"""The promise of every kind, for every file in its folder: a new method is tested by being there."""

import tempfile
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import _films
import _tiny
import chiasm
from chiasm import registry
from chiasm.data.toy import COLORS, SHAPES, planted_pair, shape_image
from chiasm.views import Column, Views

TEXTS = [f"a {c} {s} on a white ground" for c in COLORS for s in SHAPES] + [
    "一只红色的圆",
    "蓝色的方块",
    "绿色的三角形",
]


def parts(kind):
    return [pytest.param(name, id=name) for name in registry.names(kind)]


def make(kind, name):
    entry = registry.entries(kind)[name]
    if entry.missing:
        pytest.skip(f"{name} needs {', '.join(entry.missing)}")
    if name == "speech_audio":
        pytest.skip("it reads words alone: tests/media/test_speech.py has some that are spoken")
    return registry.get(kind, name)(**_tiny.params(name))


def items_of(modality):
    if modality == "text":
        return TEXTS
    if modality in ("audio", "video"):
        return clips_of(modality)
    if modality == "record":
        sizes = [None, *range(len(COLORS) * len(SHAPES) - 1)]
        return [{"大小": n, "color": c, "shape": s} for n, (c, s) in zip(sizes, product(COLORS, SHAPES), strict=True)]
    return [np.asarray(shape_image(c, s, seed=i)) for i, (c, s) in enumerate((c, s) for c in COLORS for s in SHAPES)]


@cache
def clips_of(modality):
    """The bytes of short sounds, each higher than the last, or of films of a square, each farther to the right."""
    count = len(COLORS) * len(SHAPES)
    if modality == "audio":
        return [_films.float_wav(_films.tone(0.6, 16000, start=float(i)), 16000) for i in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        names = [_films.film(Path(folder) / f"{i}.mkv", 1.0, 10, square=3 * i, heard=float(i)) for i in range(count)]
        return [Path(name).read_bytes() for name in names]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_part_is_listed_with_a_sentence_and_stores_only_its_parameters(kind):
    for name, entry in registry.entries(kind).items():
        assert entry.doc, name
        if entry.missing:
            continue
        part = registry.get(kind, name)()
        assert not part.learned()
        assert {k: v for k, v in vars(part).items() if not k.startswith("_")} == part.get_params(deep=False)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in registry.KINDS for name in registry.names(kind)])
def test_every_part_can_be_cloned_by_scikit_learn(kind, name):
    from sklearn.base import clone

    part = make(kind, name)
    assert repr(clone(part)) == repr(part)


@pytest.mark.parametrize("name", parts("encode"))
def test_an_item_has_the_same_numbers_alone_and_in_any_batch(name):
    encoder = make("encode", name)
    items = items_of(encoder.modality)
    encoder.fit(items)
    whole = encoder.encode(items)
    assert whole.dtype == np.float32
    assert whole.shape[0] == len(items)
    assert np.isfinite(whole).all()
    for i in (0, 3, len(items) - 1):
        assert np.array_equal(encoder.encode([items[i]])[0], whole[i])
    order = np.random.default_rng(0).permutation(len(items))
    assert np.array_equal(encoder.encode([items[i] for i in order]), whole[order])


@pytest.mark.parametrize("name", parts("encode"))
def test_different_items_have_different_numbers(name):
    encoder = make("encode", name)
    items = items_of(encoder.modality)
    whole = encoder.fit(items).encode(items)
    assert len(np.unique(whole.round(6), axis=0)) == len(items)


@pytest.mark.parametrize("name", parts("encode"))
def test_the_fingerprint_changes_with_parameters_and_learned_state_and_with_nothing_else(name):
    encoder = make("encode", name)
    items = items_of(encoder.modality)
    encoder.fit(items)
    again = make("encode", name).fit(items)
    assert encoder.fingerprint == again.fingerprint
    if encoder.learned():
        assert make("encode", name).fit(items[:9]).fingerprint != encoder.fingerprint
    seen = {encoder.fingerprint}
    for parameter, value in encoder.get_params(deep=False).items():
        other = make("encode", name).set_params(**{parameter: _tiny.other(name, parameter, value)})
        seen.add(other.fit(items).fingerprint)
    assert len(seen) == 1 + len(encoder.get_params(deep=False))


@pytest.mark.parametrize("name", parts("encode"))
def test_a_broken_item_is_noted_and_leaves_the_others_alone(name):
    encoder = make("encode", name)
    items = items_of(encoder.modality)
    encoder.fit(items)
    bad = {"text": "  ", "record": {"color": ["red", "blue"]}}.get(encoder.modality, b"no picture")
    values, notes = encoder.attempt([items[0], bad, items[1]])
    assert [n.skipped for n in notes[1]] == [True]
    assert set(notes) == {1}
    assert np.array_equal(values[[0, 2]], encoder.encode(items[:2]))
    with pytest.raises(chiasm.ChiasmError, match=notes[1][0].code):
        encoder.encode([bad])


@pytest.fixture(scope="module")
def pair():
    a, b = planted_pair(600, correlations=(0.99,) * 8)
    return Views({"a": Column("vector", a), "b": Column("vector", b)})


@pytest.mark.parametrize("name", parts("align"))
def test_a_view_maps_alone_as_in_company_and_a_row_alone_as_in_a_batch(name, pair):
    aligner = make("align", name).fit(pair[:500])
    whole = aligner.transform(pair)
    assert {column.width for column in whole.columns.values()} == {whole["a"].width}
    for view in ("a", "b"):
        alone = aligner.transform(Views({view: pair[view]}))
        np.testing.assert_array_equal(alone[view].items, whole[view].items)
        one = aligner.transform({view: pair[view].items[7:8]})
        np.testing.assert_allclose(one[view].items[0], whole[view].items[7], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", parts("align"))
def test_an_aligner_finds_the_other_half_of_unseen_pairs_far_above_chance(name, pair):
    aligner = make("align", name).fit(pair[:500])
    assert aligner.score(pair[500:]) > 0.3  # chance is 0.01
    shuffled = Views({"a": pair["a"], "b": Column("vector", np.random.default_rng(0).permutation(pair["b"].items))})
    assert make("align", name).fit(shuffled[:500]).score(shuffled[500:]) < 0.08


@pytest.mark.parametrize("name", parts("align"))
def test_rows_that_lack_a_view_do_not_stop_an_aligner(name, pair):
    index = np.arange(600)
    thinned = Views({"a": pair["a"], "b": Column("vector", pair["b"].items, np.where(index % 3 == 0, -1, index))})
    aligner = make("align", name).fit(thinned[:500])
    mapped = aligner.transform(thinned[500:])
    assert mapped.present("b").tolist() == thinned[500:].present("b").tolist()
    assert aligner.score(pair[500:]) > 0.2


@pytest.mark.parametrize("name", parts("align"))
def test_an_aligner_gives_the_same_answer_twice(name, pair):
    one, two = (make("align", name).fit(pair) for _ in range(2))
    np.testing.assert_array_equal(one.transform(pair)["a"].items, two.transform(pair)["a"].items)


@pytest.mark.parametrize("name", parts("index"))
def test_an_index_agrees_with_sorting_and_survives_saving(name, tmp_path):
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(400, 12)), rng.normal(size=(20, 12))
    index = make("index", name).add([f"key {i}" for i in range(400)], vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    known = np.argsort(-(queries @ unit.T), axis=1)[:, :5]
    keys, scores = index.search(queries, 5)
    recall = np.mean([len({f"key {i}" for i in row} & set(found)) / 5 for row, found in zip(known, keys, strict=True)])
    assert recall >= 0.95
    assert (np.diff(scores, axis=1) <= 0).all()
    chiasm.save(index, tmp_path / "i")
    again, again_scores = chiasm.load(tmp_path / "i").search(queries, 5)
    assert again.tolist() == keys.tolist()
    np.testing.assert_array_equal(again_scores, scores)
    index.delete(["key 3"])
    assert "key 3" not in index.search(vectors[3], 400)[0]


@pytest.fixture(scope="module")
def answered():
    """Two views and a class that each tells in part; 400 rows to learn from, 200 to score."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    a = rng.normal(size=(600, 6)) + 1.2 * np.eye(3)[y] @ rng.normal(size=(3, 6))
    b = rng.normal(size=(600, 5)) + 1.2 * np.eye(3)[y] @ rng.normal(size=(3, 5))
    names = np.array(["猫", "狗", "bird"], dtype=object)[y]
    return Views({"a": Column("vector", a), "b": Column("vector", b)}, np.arange(600), {"label": names})


@pytest.mark.parametrize("name", parts("fuse"))
def test_a_fuser_answers_far_above_chance_and_random_labels_stay_at_chance(name, answered):
    fuser = make("fuse", name).fit(answered[:400])
    assert fuser.score(answered[400:]) > 0.6  # the commonest class: 0.35
    dealt = np.random.default_rng(1).permutation(answered.label[:400])
    assert make("fuse", name).fit(answered[:400], dealt).score(answered[400:]) < 0.45


@pytest.mark.parametrize("name", parts("fuse"))
def test_a_fuser_answers_whatever_is_absent_and_the_training_shares_where_all_is(name, answered):
    index = np.arange(600)
    thinned = answered.replace(
        {
            "a": Column("vector", answered["a"].items, np.where(index % 4 == 0, -1, index)),
            "b": Column("vector", answered["b"].items, np.where(index % 3 == 0, -1, index)),
        }
    )
    fuser = make("fuse", name).fit(thinned[:400])
    found = fuser.predict_proba(thinned)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    empty = index % 12 == 0
    np.testing.assert_allclose(found[empty], np.tile(fuser.prior_, (empty.sum(), 1)))
    for view in ("a", "b"):
        alone = fuser.predict_proba({view: answered[view].items[400:]})
        right = np.array(fuser.classes_)[alone.argmax(axis=1)] == answered.label[400:]
        assert right.mean() > 0.42
    assert fuser.score(answered[400:]) > 0.55


@pytest.mark.parametrize("name", parts("fuse"))
def test_a_fuser_gives_the_same_answer_twice_alone_in_a_batch_and_after_saving(name, answered, tmp_path):
    one, two = (make("fuse", name).fit(answered[:400]) for _ in range(2))
    whole = one.predict_proba(answered[400:])
    np.testing.assert_array_equal(two.predict_proba(answered[400:]), whole)
    np.testing.assert_allclose(one.predict_proba(answered[407:408])[0], whole[7], rtol=1e-4, atol=1e-5)
    chiasm.save(one, tmp_path / "f")
    again = chiasm.load(tmp_path / "f")
    np.testing.assert_allclose(again.predict_proba(answered[400:]), whole, atol=1e-9)
    assert again.predict(answered[400:]).tolist() == one.predict(answered[400:]).tolist()


@pytest.mark.parametrize("name", parts("fuse"))
def test_a_fuser_gives_tags_and_numbers_as_well(name, answered):
    a, b = np.asarray(answered["a"].items), np.asarray(answered["b"].items)
    tags = [["p"] * bool(x > 0) + ["q"] * bool(z > 0) for x, z in zip(a[:, 0], b[:, 0], strict=True)]
    fuser = make("fuse", name).set_params(kind="tags").fit(answered[:400], tags[:400])
    assert fuser.target_.names_ == ["p", "q"]
    assert fuser.score(answered[400:], tags[400:]) > 0.7
    numbers = a[:, 0] + b[:, 0]
    fuser = make("fuse", name).set_params(kind="numbers").fit(answered[:400], numbers[:400])
    assert fuser.score(answered[400:], numbers[400:]) > 0.4


@pytest.mark.parametrize("name", parts("fuse"))
def test_noise_in_place_of_a_view_moves_its_weight_and_the_score(name, answered):
    def weight(fuser, views):
        if hasattr(fuser, "row_weights"):
            return float(np.mean(fuser.row_weights(views)[:, list(fuser.widths_).index("b")]))
        return fuser.weights_.get("b", 0.0) if getattr(fuser, "weights_", None) else None

    noise = np.random.default_rng(5).normal(size=(600, 5))
    noised = answered.replace({"a": answered["a"], "b": Column("vector", noise)})
    fuser, blind = make("fuse", name).fit(answered[:400]), make("fuse", name).fit(noised[:400])
    assert blind.score(noised[400:]) < fuser.score(answered[400:]) - 0.02
    if (true := weight(fuser, answered[400:])) is not None:
        assert weight(blind, noised[400:]) < 0.8 * true


NOTHING_FITTED = ("contents", "summarize")
"""Tasks that learn nothing, and have no score: tests of their own."""


@pytest.mark.parametrize("name", [name for name in registry.names("tasks") if name not in NOTHING_FITTED])
def test_a_task_beats_its_baseline_of_chance_and_survives_saving(name, pair, tmp_path):
    split = np.array(["train"] * 450 + ["test"] * 150, dtype=object)
    label = np.asarray(pair["a"].items)[:, 0]
    label = {"tag": lambda: [["p"] if v > 0 else ["q"] for v in label], "regress": lambda: label}.get(
        name, lambda: np.where(label > 0, "p", "q")
    )()
    facts = {"split": split, "label": np.fromiter(label, dtype=object, count=600)}
    views = Views({"a": pair["a"], "b": pair["b"]}, pair.ids, facts)
    task = make("tasks", name).fit(views)
    score = task.score(views[450:])
    table = score.table
    if "majority" in table:
        assert float(score) > table["majority"] + 0.2
    else:
        chance = table["chance"] if "chance" in table else table["directions"][0]["chance"]["R@1"]
        assert 0 < chance <= 1 / 150 + 1e-6
        assert float(score) > 20 * chance
    chiasm.save(task, tmp_path / "t")
    again = chiasm.load(tmp_path / "t")
    repeated = again.score(views[450:]).table
    assert {k: v for k, v in repeated.items() if k != "seconds"} == {k: v for k, v in table.items() if k != "seconds"}
    one, other = ({view: pair[view].items[450:]} for view in ("a", "b"))
    asked = {"link": (one, other)}.get(name, (one,))  # a link needs both collections, a search the query alone
    for mine, known in zip(again.answer(*asked), task.answer(*asked), strict=True):
        if mine.dtype == object:
            assert mine.tolist() == known.tolist()
        else:
            np.testing.assert_allclose(mine, known, atol=1e-6)
