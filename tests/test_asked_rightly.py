"""What a caller in Python meant is done, or the sentence says what was not: names, order, labels, ids, numbers."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import chiasm
from chiasm.align.cca import CCA
from chiasm.data.vectors import write_vectors
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.fuse.early import Early
from chiasm.tasks.classify import Classify
from chiasm.tasks.link import Link
from chiasm.tasks.regress import Regress
from chiasm.tasks.retrieve import Retrieve
from chiasm.tasks.tag import Tag
from chiasm.views import Column, Views

RNG = np.random.default_rng(0)
Y = np.array(["猫", "狗"] * 30)
A = RNG.normal(size=(60, 4)) * [1, 10, 100, 1]
A[:, 0] += 3 * (Y == "猫")
B = A @ RNG.normal(size=(4, 6)) + RNG.normal(size=(60, 6))
FRAME = pd.DataFrame(A, columns=["年龄", "size", "price", "c"])
TURNED = FRAME[["price", "c", "年龄", "size"]]


@pytest.fixture(scope="module")
def model():
    return Classify(fuse="early").fit({"a": A, "b": B}, Y)


@pytest.fixture(scope="module")
def named():
    return Classify(fuse="early").fit({"a": FRAME}, Y)


@pytest.fixture(scope="module")
def search():
    return Retrieve(align="cca").fit({"a": A, "b": B})


# The numbers of a DataFrame go by their names.


def test_columns_in_another_order_are_those_columns(named, tmp_path):
    chiasm.save(named, tmp_path / "m")
    for held in (named, chiasm.load(tmp_path / "m")):
        want = held.outputs({"a": A})
        for given in ({"a": TURNED}, TURNED, [{"a": row} for row in A], {"a": FRAME}):
            np.testing.assert_array_equal(held.outputs(given), want)
        assert held.score({"a": TURNED + 1e-6}, Y) == held.score({"a": FRAME + 1e-6}, Y)


@pytest.mark.parametrize("make", [Early, lambda: CCA(k=2), lambda: Retrieve(align="cca"), lambda: Link(align="cca")])
def test_columns_in_another_order_are_those_columns_to_every_part(make):
    part = make()
    part.fit({"a": FRAME, "b": B}, Y) if isinstance(part, Early) else part.fit({"a": FRAME, "b": B})
    ask = {
        Early: lambda a: part.outputs({"a": a}),
        CCA: lambda a: part.transform({"a": a})["a"].items,
        Retrieve: lambda a: part.answer({"a": a}, to="b")[1],
        Link: lambda a: part.answer({"a": a, "b": B})[2],
    }[type(part)]
    np.testing.assert_array_equal(ask(TURNED), ask(A))


def test_columns_of_other_names_are_refused_and_more_columns_are_told(named):
    with pytest.raises(ChiasmError, match=r"view 'a': wanted the columns 年龄, size, price, c.*price is missing"):
        named.answer({"a": FRAME.rename(columns={"price": "cost"})})
    with pytest.warns(ChiasmWarning, match="learned from no such columns: new"):
        found = named.outputs({"a": TURNED.assign(new=1.0)})
    np.testing.assert_array_equal(found, named.outputs({"a": A}))


def test_columns_that_nobody_named_go_by_their_place(named):
    np.testing.assert_array_equal(named.outputs({"a": pd.DataFrame(A)}), named.outputs({"a": A}))
    plain = Classify(fuse="early").fit({"a": pd.DataFrame(A)}, Y)
    np.testing.assert_array_equal(plain.outputs({"a": pd.DataFrame(A)[[2, 0, 3, 1]]}), plain.outputs({"a": A}))
    np.testing.assert_array_equal(plain.outputs({"a": FRAME}), plain.outputs({"a": A}))


# Numbers without a name.


@pytest.mark.parametrize(
    "given",
    [pd.DataFrame(A), A.tolist(), list(A), sparse.csr_array(A), FRAME],
    ids=["frame", "lists", "rows", "sparse", "names"],
)
def test_numbers_alone_are_one_view_as_an_array_is(given):
    assert np.allclose(Views.of(given)["x"].take(np.arange(60)), A)
    assert cross_val_score(Classify(fuse="early"), given, Y, cv=2).min() > 0.7


def test_numbers_beside_a_label_are_one_view():
    views = Views.of(FRAME.assign(kind=Y), label="kind")
    assert views.names == ["x"]
    assert views["x"].names == list(FRAME)
    assert views.label.tolist() == Y.tolist()


def test_numbers_alone_are_the_only_fitted_view_and_are_asked_for_by_name_where_there_are_several(named, model, search):
    for given in (A, A.tolist(), FRAME):
        assert named.answer(given)[0].tolist() == named.answer({"a": A})[0].tolist()
        assert named.score(np.asarray(given) + 1e-6, Y) > 0.8
        assert Early().fit({"a": A}, Y).predict(given).shape == (60,)
    for part in (model, search, Early().fit({"a": A, "b": B}, Y)):
        ask = part.predict if hasattr(part, "predict") else part.answer
        with pytest.raises(ChiasmError, match="wanted some of the views a, b, got numbers without a name"):
            ask(A[:3])


@pytest.mark.parametrize(
    "call",
    [
        lambda: CCA().fit(A, B),
        lambda: CCA().fit_transform(A, B),
        lambda: CCA().fit(FRAME, B.tolist()),
        lambda: make_pipeline(CCA()).fit(A, B),
        lambda: make_pipeline(CCA(), Early()).fit(A, Y),
        lambda: GridSearchCV(CCA(), {"k": [1]}, cv=2, error_score="raise").fit(A, B),
    ],
)
def test_two_arrays_are_asked_for_as_views(call):
    with pytest.raises(ChiasmError, match=r"fit\(chiasm.Views.of\({'x': X, 'y': Y}\)\)"):
        call()
    assert np.isfinite(GridSearchCV(CCA(), {"k": [1]}, cv=2).fit(Views.of({"x": A, "y": B})).best_score_)


# Names that are none.


@pytest.mark.parametrize(
    "given", [{"a": A[:2], "bb": B[:2]}, [{"a": A[0], "bb": B[0]}], pd.DataFrame({"a": list(A[:2]), "bb": list(B[:2])})]
)
def test_a_name_that_no_view_has_is_told_with_the_nearest(model, given):
    with pytest.warns(ChiasmWarning, match="not looked at.*bb .did you mean 'b'"):
        model.answer(given)
    with pytest.warns(ChiasmWarning, match="zzz; fitted are a, b"):
        model.score({"a": A + 1e-6, "zzz": A}, Y)


def test_what_is_no_column_is_told(model):
    for wrong in (None, 7, np.float64(3.0), np.array(3.0)):
        with pytest.raises(ChiasmError, match="wanted"):
            model.answer({"a": wrong})
    with pytest.raises(ChiasmError, match="column 'a': wanted a list of items, got NoneType"):
        Views.of({"a": None, "b": B})
    with pytest.raises(ChiasmError, match="wanted a list of values"):
        Views.of({"b": B}, label=7)


def test_a_width_that_was_not_learned_is_told_in_the_same_words_by_every_part(model, search):
    for call in (
        lambda: search.answer({"a": A[:1, :3]}, to="b"),
        lambda: model.answer({"a": A[:1, :3]}),
        lambda: CCA(k=1).fit({"a": A, "b": B}).transform({"a": A[:, :3]}),
    ):
        with pytest.raises(ChiasmError, match="view 'a': wanted vectors of 4 numbers, got 3"):
            call()


def test_an_encoder_of_a_view_of_vectors_is_refused():
    for task in (Classify({"a": "nope"}), Classify({"vector": "e5_text"}), Retrieve({"b": "tfidf_text"})):
        with pytest.raises(ChiasmError, match="holds vectors, which no encoder reads"):
            task.fit({"a": A, "b": B}, *([Y] if isinstance(task, Classify) else []))


def test_a_task_of_vectors_tells_how_many_numbers_it_takes(model, search):
    assert model.n_features_in_ == search.n_features_in_ == 10
    assert search.feature_names_in_[-1] == "b_5"
    texts = Classify({"t": "hashed_text"}, fuse="early").fit(
        Views.of({"t": [f"w{i}" for i in range(60)]}, {"t": "text"}), Y
    )
    with pytest.raises(AttributeError, match="Classify reads t, which are no vectors"):
        _ = texts.n_features_in_


# Labels.


@pytest.mark.parametrize(
    ("learned", "given"),
    [
        ([0, 1], [0.0, 1.0]),
        ([0, 1], [False, True]),
        ([False, True], [0, 1]),
        ([0.0, 1.0], [0, 1]),
        ([0, 1], ["0.0", "1.0"]),
    ],
)
def test_a_label_is_the_class_of_its_value(learned, given):
    one, other = (np.where(Y == "猫", *pair) for pair in (learned, given))
    for part in (Classify(fuse="early"), Early()):
        part.fit({"a": A}, one)
        assert float(part.score({"a": A + 1e-6}, other)) == float(part.score({"a": A + 1e-6}, one)) > 0.8


def test_labels_that_were_never_learned_are_refused_with_what_is_spelled_nearly_so(model):
    for part in (model, Early().fit({"a": A, "b": B}, Y)):
        with pytest.raises(ChiasmError, match=r"wanted labels as they were learned.*'猫 ' 30 .did you mean '猫'"):
            part.score({"a": A + 1e-6}, np.char.add(Y, " "))
        with pytest.warns(ChiasmWarning, match="1 labels are no classes that were learned, and count as wrong: '鸟' 1"):
            part.score({"a": A + 1e-6}, ["鸟", *Y[1:]])
    texts = Early().fit({"a": A}, np.where(Y == "猫", "1", "0"))
    with pytest.raises(ChiasmError, match=r"'1.0' 30 .did you mean '1'"):
        texts.score({"a": A}, np.where(Y == "猫", "1.0", "0.0"))


def test_tags_that_were_never_learned_are_told_too():
    tags = [["red"] if y == "猫" else ["blue"] for y in Y]
    part = Tag(fuse="early").fit({"a": A}, tags)
    with pytest.raises(ChiasmError, match="did you mean 'red'"):
        part.score({"a": A + 1e-6}, [["Red"]] * 60)
    with pytest.warns(ChiasmWarning, match="no tags that were learned.*'Blue' 1"):
        part.score({"a": A + 1e-6}, [["Blue"], *tags[1:]])


@pytest.mark.parametrize(("far", "told"), [(1e300, r"1e\+300"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_a_number_to_learn_is_finite_as_the_views_are(far, told):
    y = A[:, 0].copy()
    model = Regress(fuse="early").fit({"a": A}, y)
    y[7] = far
    for call in (
        lambda: Regress(fuse="early").fit({"a": A}, y),
        lambda: Early(kind="numbers").fit({"a": A}, y),
        lambda: model.score({"a": A + 1e-6}, y),
    ):
        with pytest.raises(ChiasmError, match=rf"labels, row 7 holds {told}"):
            call()


def test_classes_of_one_row_each_are_refused_in_a_sentence():
    for part in (Classify(), Early()):
        with pytest.raises(ChiasmError, match="wanted classes of several rows, got 4 classes of one row each"):
            part.fit({"a": A[:4]}, list("wxyz"))


ODD = {
    "words for nothing": (["nan", "NA", "None", "b"] * 15, "a word for nothing is a class like any other: 'nan' 15"),
    "two types": ([1, "1", 2, "2"] * 15, "a number in some rows and text in others are one class each: 1, 2"),
    "two cases": (["cat", "Cat", "dog", "dog"] * 15, "spelled alike are different classes: 'cat' 15 / 'Cat' 15"),
}


@pytest.mark.parametrize(("labels", "told"), ODD.values(), ids=ODD)
def test_odd_labels_are_told_at_every_door(labels, told):
    for call in (
        lambda: Views.of({"a": A}, label=labels),
        lambda: chiasm.read({"v": list(A), "l": labels}, vector="v", label="l"),
        lambda: Classify(fuse="early").fit({"a": A}, labels),
    ):
        with pytest.warns(ChiasmWarning, match=told):
            call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Views.of({"a": A}, label=[*Y[:59], None])
        Views.of({"a": A}, label=["+", "-"] * 30)


# Ids, masks, indexes.


def test_an_id_of_all_rows_or_of_many_is_told():
    for call in (
        lambda: Views.of({"a": A}, id=[1] * 60),
        lambda: Views.of({"a": A}, id=["p"] * 15 + list(range(45))),
        lambda: chiasm.read({"v": list(A), "i": ["甲"] * 60}, vector="v", id="i"),
    ):
        with pytest.warns(ChiasmWarning, match="one thing therefore"):
            call()


def test_what_is_masked_is_missing():
    masked = np.ma.masked_array(A, mask=np.zeros_like(A, dtype=bool))
    masked[3] = np.ma.masked
    views = Views.of({"a": masked})
    assert np.flatnonzero(~views.present("a")).tolist() == [3]
    masked[5, 1] = np.ma.masked
    with pytest.raises(ChiasmError, match="view 'a', row 5 holds NaN"):
        Early().fit({"a": masked}, Y)
    y = np.ma.masked_array(Y, mask=np.arange(60) < 6)
    assert Early().fit({"a": A}, y).unlabeled_ == Classify(fuse="early").fit({"a": A}, y).fuser_.unlabeled_ == 6


def test_complex_numbers_are_refused():
    for wrong in (A * 1j, list(A * 1j), sparse.csr_array(A * 1j)):
        with pytest.raises(ChiasmError, match="wanted"):
            Views.of({"a": wrong}, {"a": "vector"})


def test_series_of_another_order_are_not_paired_by_their_place():
    turned = pd.Series(Y)[::-1]
    for call in (
        lambda: Views.of({"a": FRAME, "b": pd.DataFrame(B)[::-1]}),
        lambda: Views.of({"a": FRAME}, label=turned),
        lambda: Classify(fuse="early").fit({"a": FRAME}, turned),
        lambda: Classify(fuse="early").fit(FRAME, turned),
    ):
        with pytest.raises(ChiasmError, match="wanted rows in one order"):
            call()
    with pytest.warns(ChiasmWarning, match="different indexes"):
        Views.of({"a": FRAME, "b": pd.DataFrame(B, index=range(5, 65))})


# Tables in memory.


def test_columns_of_different_lengths_are_refused():
    for data in ({"t": ["a"], "n": [1, 2, 3]}, {"t": ["a", "b"], "n": [1] * 5}, {"t": ["a"] * 5, "n": [1]}):
        with pytest.raises(ChiasmError, match="wanted columns of one length"):
            chiasm.read(data, text="t", number="n")
        with pytest.raises(ChiasmError, match="wanted columns of one length"):
            chiasm.read(data, text="t", label="n")


def test_columns_may_have_numbers_for_names():
    frame = pd.DataFrame([["一只猫", "p", 3], ["一只狗", "q", 4]])
    views = chiasm.read(frame, text=0, id=1, number=[2])
    assert views.names == ["0", "record"]
    assert views.ids.tolist() == ["p", "q"]
    views = chiasm.read(frame, text={"t": np.int64(0)}, label=2, group=1)
    assert (views.names, views.label.tolist(), views.group.tolist()) == (["t"], ["3", "4"], ["p", "q"])
    assert chiasm.read(frame[[1, 0]], text=1, id=0).ids.tolist() == ["一只猫", "一只狗"]
    with pytest.raises(ChiasmError, match="wanted the name of a column, got float"):
        chiasm.read(frame, text=0.5)


def test_file_names_that_are_no_utf8_are_written(tmp_path, model):
    ids = ["caf\udce9.jpg", "猫.jpg"]
    views = Views({"a": Column("vector", A[:2].astype(np.float32))}, np.array(ids, dtype=object))
    write_vectors(views, tmp_path / "v.parquet")
    spelled = ["caf\\udce9.jpg", "猫.jpg"]
    assert pd.read_parquet(tmp_path / "v.parquet")["id"].tolist() == spelled
    frame = model.answer(views).to_pandas()
    assert frame["id"].tolist() == spelled
    frame.to_parquet(tmp_path / "a.parquet")
    assert frame.to_csv(index=False).splitlines()[1].startswith("caf\\udce9.jpg,")


# Rows with little in them.


@pytest.mark.parametrize("make", [Classify, Tag, Regress])
def test_a_row_without_any_view_is_told_wherever_it_is_answered(make):
    y = {Classify: Y, Tag: [[y] for y in Y], Regress: A[:, 0]}[make]
    part = make(fuse="early").fit({"a": A, "b": B}, y)
    few = A[:3].copy()
    few[1] = np.nan
    for call in (part.predict, part.outputs, part.answer):
        with pytest.warns(ChiasmWarning, match=r"1 of 3 rows hold none of the views a, b \(1\): their answer is the"):
            found = call({"a": few})
    assert [row["views"] for row in found.as_rows()] == [1, 0, 1]
    assert found.to_pandas()["views"].tolist() == [1, 0, 1]
    rows = part.rows(found.ids, found.outputs, found.columns["views"])
    assert [row["views"] for row in rows] == [1, 0, 1]


def test_an_absent_query_among_others_finds_nothing_and_is_told(search):
    with pytest.warns(ChiasmWarning, match=r"1 of 3 queries are absent \(a, row 2\)"):
        items, scores = search.answer({"a": [A[0], None, A[2]]}, to="b", k=2)
    want = search.answer({"a": A[[0, 2]]}, to="b", k=2)
    assert items[[0, 2]].tolist() == want[0].tolist()
    assert items[1].tolist() == [None, None]
    assert np.isnan(scores[1]).all()
    with pytest.warns(ChiasmWarning, match="row 1, 3"):
        found = search.hits({"a": [None, A[0], None]}, to="b", k=1)
    assert [len(one) for one in found] == [0, 1, 0]
    assert found.to_pandas()["query"].tolist() == [1]
    with pytest.raises(ChiasmError, match="empty query"):
        search.answer({"a": [None, None]})


def test_half_precision_is_finite_or_refused_and_says_nothing_else(model, search):
    half, bad = (A / 10).astype(np.float16), (A / 10).astype(np.float16)
    bad[3, 1] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(model.answer({"a": half})[0]) == len(search.answer({"a": half}, to="b")[0]) == 60
        for call in (
            lambda: Classify(fuse="early").fit({"a": bad}, Y),
            lambda: model.answer({"a": bad}),
            lambda: search.answer({"a": bad}, to="b"),
        ):
            with pytest.raises(ChiasmError, match="view 'a', row 3 holds infinity"):
                call()


def test_a_score_of_one_row_says_what_it_cannot_and_is_json(model):
    for part, y in ((model, Y[:1]), (Regress(fuse="early").fit({"a": A, "b": B}, A[:, 0]), A[:1, 0])):
        found = part.score({"a": A[:1] + 1e-6, "b": B[:1]}, y)
        assert "nan" not in str(found).lower()
        assert "1 rows" not in str(found)
        json.loads(found.to_json(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
