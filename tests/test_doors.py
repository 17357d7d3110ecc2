"""Numbers at every public door: what is not finite is refused by view and row, and what is absent goes through."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest

from chiasm import registry
from chiasm.errors import ChiasmError
from chiasm.stats.ranking import average_precision, ranks
from chiasm.tasks.classify import Classify
from chiasm.tasks.match import Match
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

ALIGNERS, FUSERS, INDEXES = registry.names("align"), registry.names("fuse"), registry.names("index")
INDEXES.remove("postgres")  # it needs a server: tests/index/test_contract.py asks this of it
BAD = {"NaN": np.nan, "infinity": np.inf, "1e.20": 1e20}


@pytest.fixture(autouse=True, scope="module")
def brief():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("attention", "gated", "temporal"):
            patch.setattr(registry.get("fuse", name), "_epochs", 2)
        yield


def rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    return {"a": z @ rng.normal(size=(3, 5)) + 0.1, "b": z @ rng.normal(size=(3, 4))}


LABELS = np.where(rows()["a"][:, 0] > 0, "猫", "狗")


def spoiled(value, row=3):
    views = rows()
    views["a"][row, 2] = value
    return views


def make(sort, name, **params):
    part = registry.make(sort, name)
    known = part.get_params(deep=False)
    brief = {"epochs": 1, "landmarks": 20} | params
    return part.set_params(**{key: value for key, value in brief.items() if key in known})


@cache
def fitted(kind, name):
    part = make(kind, name)
    return part.fit(rows(), LABELS) if kind == "fuse" else part.fit(rows())


def refused(call, *given, told):
    with pytest.raises(ChiasmError, match=rf"(view 'a'|queries|vectors), row 3 holds {told}"):
        call(*given)


@pytest.mark.parametrize("told", BAD)
@pytest.mark.parametrize("name", ALIGNERS)
def test_every_door_of_every_aligner_names_the_view_and_the_row(name, told):
    bad = spoiled(BAD[told])
    refused(make("align", name).fit, bad, told=told)
    with pytest.raises(ChiasmError, match="row 3 holds"):
        make("align", name).fit(rows(), val=bad)
    part = fitted("align", name)
    for door in (part.transform, part.score, part.uncorrected):
        refused(door, bad, told=told)
    for door in ("partial_fit", "forget"):
        if name != "asif" and hasattr(part, door):
            refused(getattr(part, door), bad, told=told)


@pytest.mark.parametrize("told", BAD)
@pytest.mark.parametrize("name", FUSERS)
def test_every_door_of_every_fuser_names_the_view_and_the_row(name, told):
    bad = spoiled(BAD[told])
    refused(make("fuse", name).fit, bad, LABELS, told=told)
    part = fitted("fuse", name)
    for door in (part.predict, part.predict_proba, part.outputs):
        refused(door, bad, told=told)
    refused(part.score, bad, LABELS, told=told)
    if hasattr(part, "row_weights"):
        refused(part.row_weights, bad, told=told)
    strange = {**rows(), "none of its": np.full((60, 2), 7e7)}
    strange["none of its"][0, 0] = np.inf  # a view that was not fitted is not looked at
    assert len(part.predict(strange)) == 60


@pytest.mark.parametrize("told", BAD)
@pytest.mark.parametrize("name", INDEXES)
def test_every_door_of_every_index_names_the_row(name, told):
    if missing := registry.entries("index")[name].missing:
        pytest.skip(f"{name} needs {', '.join(missing)}")
    index, good, bad = make("index", name), rows()["a"], spoiled(BAD[told])["a"]
    if index.reads_codes:
        good, bad = (np.where(np.abs(some) < 1e6, np.sign(some), some)[:, np.arange(8) % 5] for some in (good, bad))
    index.add(np.arange(60), good)
    refused(index.search, bad, told=told)
    refused(index.add, np.arange(60, 120), bad, told=told)
    assert len(index) == 60


@pytest.mark.parametrize("told", BAD)
def test_tasks_on_vectors_name_the_view_and_the_row(told):
    bad = spoiled(BAD[told])
    for task, more in ((Retrieve(align="cca"), ()), (Match(align="cca"), ()), (Classify(fuse="early"), (LABELS,))):
        refused(task.fit, bad, *more, told=told)
    search = Retrieve(align="cca").fit(rows())
    for door in (search.answer, search.hits):
        refused(door, {"a": bad["a"]}, told=told)
    refused(search.score, bad, told=told)
    refused(search.transform, bad, told=told)
    tell = Classify(fuse="early").fit(rows(), LABELS)
    refused(tell.answer, bad, told=told)
    refused(tell.outputs, bad, told=told)
    refused(tell.score, bad, LABELS, told=told)


def test_the_row_is_that_of_the_table_and_rows_alike_are_counted():
    views = rows()
    views["a"][[10, 40], 0] = np.nan
    labels = np.where(np.arange(60) < 8, None, LABELS)  # rows without a label are left out before learning
    with pytest.raises(ChiasmError, match=r"view 'a', row 10 holds NaN \(2 such rows\)"):
        make("fuse", "early").fit(views, labels)
    split = Views({n: Column("vector", v) for n, v in views.items()}, None, {"split": np.repeat(["test", "train"], 30)})
    with pytest.raises(ChiasmError, match="view 'a', row 10 holds NaN"):
        Retrieve(align="cca").fit(split)


@pytest.mark.parametrize("kind", ["align", "fuse"])
def test_rows_that_are_wholly_absent_go_through(kind):
    views = rows()
    views["a"][5] = np.nan
    for name in {"align": ALIGNERS, "fuse": FUSERS}[kind]:
        part = fitted(kind, name)
        if kind == "align":
            assert not part.transform(views).present("a")[5]
        else:
            assert np.isfinite(part.predict_proba(views)).all()


@pytest.mark.parametrize("name", ALIGNERS)
def test_a_constant_view_is_refused_by_every_aligner_with_the_true_reason(name):
    for constant in (np.zeros((60, 4)), np.full((60, 4), 3.5), np.full((60, 4), 1e-30) * rows()["b"]):
        with pytest.raises(ChiasmError, match=r"view 'b' holds (the same numbers|numbers that differ by)"):
            make("align", name).fit({"a": rows()["a"], "b": constant})


@pytest.mark.parametrize("name", FUSERS)
def test_a_constant_view_says_nothing_to_a_fuser_or_is_refused_by_name(name):
    views = {"a": rows()["a"], "b": np.full((60, 4), 3.5)}
    try:
        out = make("fuse", name).fit(views, LABELS).predict_proba(views)
    except ChiasmError as error:
        assert "view 'b' holds the same numbers" in str(error)
    else:
        assert np.isfinite(out).all()
    out = make("fuse", name).fit({"b": views["b"]}, LABELS).predict_proba({"b": views["b"]})
    np.testing.assert_allclose(out, np.tile([(name == LABELS).mean() for name in ("狗", "猫")], (60, 1)), atol=0.05)


@pytest.mark.parametrize("name", ["cca", "pls", "procrustes", "ridge", "auto", "asif", "kcca", "corrected"])
def test_an_offset_of_a_million_deviations_changes_no_map(name):
    views = rows(200)
    moved = {v: x + 1e6 for v, x in views.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = make("align", name).fit(views), make("align", name).fit(moved)
    plain, far = one.transform(views), two.transform(moved)
    for v in views:
        x, y = plain[v].items, far[v].items
        signs = np.ones(1) if name == "ridge" else np.sign((x * y).sum(axis=0))
        near = 1e-5 if name == "auto" else 1e-6  # its eighth powers of cosines are no linear map
        assert np.abs(x - y * signs).max() < near * np.abs(x).max()


@pytest.mark.parametrize("name", ["early", "late", "bilinear"])
def test_an_offset_of_a_million_deviations_changes_no_answer(name):
    views = rows(60)
    moved = {v: x + 1e6 for v, x in views.items()}
    one, two = make("fuse", name).fit(views, LABELS), make("fuse", name).fit(moved, LABELS)
    near = 1e-6 if name == "early" else 1e-5  # products of several heads' answers
    assert np.abs(one.predict_proba(views) - two.predict_proba(moved)).max() < near


def test_lists_of_numbers_keep_their_digits():
    views = {v: x + 1e6 for v, x in rows().items()}
    listed = {v: Column("vector", x) for v, x in views.items()}
    one = make("align", "cca").fit(listed).transform(listed)["a"].items
    plain = make("align", "cca").fit(rows()).transform(rows())["a"].items
    assert np.abs(np.abs(one) - np.abs(plain)).max() < 1e-6 * np.abs(plain).max()


def brute(scores, right, draws=4000):
    """Average precision over random orders of equal scores."""
    rng, found = np.random.default_rng(0), []
    for _ in range(draws):
        order = np.lexsort((rng.random(len(scores)), -scores))
        hit = right[order]
        found.append((np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean())
    return float(np.mean(found))


def of(scores, right):
    """Average precision of one query whose scores are these."""
    labels = np.where(right, "x", "y")
    return average_precision(np.ones((1, 1)), np.asarray(scores, float)[:, None], np.array(["x"]), labels)[0]


def test_ties_have_their_expected_precision_whatever_the_order_of_the_gallery():
    right = np.arange(8) == 0
    assert of(np.ones(8), right) == pytest.approx(np.mean(1 / np.arange(1, 9)))
    rng = np.random.default_rng(1)
    for seed in range(4):
        scores, right = rng.integers(0, 3, 9).astype(float), rng.random(9) < 0.4
        right[seed] = True
        order = rng.permutation(9)
        assert of(scores, right) == pytest.approx(brute(scores, right), abs=0.01)
        assert of(scores, right) == pytest.approx(of(scores[order], right[order]))
    strict = rng.permutation(9).astype(float)
    assert of(strict, right) == pytest.approx(brute(strict, right, 1))


def test_the_expectation_is_exact_over_all_permutations():
    from itertools import permutations

    scores, right = np.array([2.0, 1, 1, 1, 0]), np.array([False, True, False, True, True])
    found = []
    for middle in permutations([1, 2, 3]):
        hit = right[[0, *middle, 4]]
        found.append((np.cumsum(hit) / np.arange(1, 6))[hit].mean())
    assert of(scores, right) == pytest.approx(np.mean(found), abs=1e-12)


def test_what_has_no_score_is_last():
    right = np.array([True, False, False])
    assert of(np.array([np.nan, 1, 0]), right) == pytest.approx(1 / 3)
    assert of(np.array([np.nan, np.nan, 0]), right) == pytest.approx((1 / 2 + 1 / 3) / 2)
    queries, gallery = np.ones((1, 1)), np.array([[np.nan], [1.0], [0.0]])
    assert ranks(queries, gallery, np.array([0]), np.array([0])).tolist() == [3]


def test_copies_of_a_vector_are_one_item_of_the_gallery():
    views = rows(40)
    views["b"][20:] = views["b"][:20]
    searched = Retrieve(align="cca").fit(rows(60, seed=0))
    found = searched.score(Views({n: Column("vector", v + 1e-9) for n, v in views.items()}))
    gallery = {d["to"]: d["gallery"] for d in found.table["directions"]}
    assert gallery == {"a": 40, "b": 20}
    found = searched.aligner_.score(views).table["directions"]
    assert {d["to"]: d["gallery"] for d in found} == {"a": 40, "b": 20}


def named(ids, n=60):
    return Views({name: Column("vector", x[:n]) for name, x in rows().items()}, ids)


@pytest.mark.parametrize("name", ["cca", "pls", "procrustes", "ridge"])
def test_ids_are_learned_once_and_forgotten_once(name, tmp_path):
    import chiasm

    part = make("align", name)
    table = named([f"图 {i}" for i in range(60)])
    model = part.fit(table[:40])
    weights = {v: w.copy() for v, w in model.weights_.items()}
    chiasm.save(model, tmp_path / "m")
    for held in (model, chiasm.load(tmp_path / "m")):
        with pytest.raises(ChiasmError, match="not learned from yet, got 10 of 30 that were"):
            held.partial_fit(table[30:])
        with pytest.raises(ChiasmError, match="got 5 of 10 that never were"):
            held.forget(table[35:45])
        with pytest.raises(ChiasmError, match="got 2 of 22 that were"):
            held.merge(make("align", name).partial_fit(table[38:]))
        for v, w in weights.items():
            np.testing.assert_array_equal(held.weights_[v], w)
        held.partial_fit(table[40:]).forget(table[:10])
        with pytest.raises(ChiasmError, match="got 10 of 10 that never were, or are forgotten already"):
            held.forget(table[:10])
        held.partial_fit(table[:10])


def test_without_ids_updates_are_as_they_were_and_a_model_saved_without_digests_goes_on():
    model = make("align", "cca").fit(rows())
    assert "ids_" not in vars(model)
    model.partial_fit(rows(seed=1)).partial_fit(rows(seed=1)).forget(rows(seed=1))
    old = make("align", "cca").fit(named(list(range(60))))
    del old.ids_
    old.partial_fit(named(list(range(60))))


NONSENSE = [-1, 2.5, float("nan"), "much", [], object()]


def cases():
    """Every parameter of every part that learns or answers."""
    for kind in ("align", "fuse", "encode", "tasks"):
        for name in registry.names(kind):
            try:
                part = registry.get(kind, name)
            except ChiasmError:  # a package that is not installed
                continue
            for param in part._defaults():
                yield pytest.param(kind, name, param, id=f"{name}-{param}")


@pytest.mark.parametrize(("kind", "name", "param"), cases())
def test_nonsense_is_refused_in_a_sentence_that_names_the_parameter(kind, name, param):
    declared = {}
    for cls in reversed(registry.get(kind, name).__mro__):
        declared |= vars(cls).get("allowed", {})
    assert param in declared, "every parameter says what it may be"
    wrong = [value for value in NONSENSE if not declared[param].holds(value)]
    assert len(wrong) >= 3
    given = {"align": (rows(),), "encode": (["x"],), "tasks": (rows(),), "fuse": (rows(), LABELS)}[kind]
    for value in wrong:
        part = make(kind, name, **{param: value})
        with pytest.raises(ChiasmError, match=rf"\b{param}\b"):
            (part.fit if hasattr(part, "fit") else part.answer)(*given)


def test_a_k_beyond_what_the_views_have_is_told():
    for name in ("cca", "pls", "procrustes", "kcca", "asif", "contrastive"):
        with pytest.warns(UserWarning, match=r"wanted k=\d+, got"):
            make("align", name, k=70).fit(rows())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("align", "cca", k=2).fit(rows())


def test_tasks_refuse_nonsense_by_name_too():
    wrong = [(Retrieve(seed=-1), "seed"), (Retrieve(baseline="no"), "baseline"), (Match(prior=2.0), "prior")]
    for task, name in [
        *wrong,
        (Classify(allow_leaks="yes"), "allow_leaks"),
        (Classify(encoders="e5_text"), "encoders"),
    ]:
        with pytest.raises(ChiasmError, match=rf"wanted {name} to be"):
            task.fit(rows(), *([LABELS] if isinstance(task, Classify) else []))
