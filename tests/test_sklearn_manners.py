"""scikit-learn's manners: labels keep their type, and its searches, pipelines and checks take parts and tasks."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import chiasm
from chiasm import registry
from chiasm.align.cca import CCA
from chiasm.errors import ChiasmError
from chiasm.fuse.early import Early
from chiasm.fuse.late import Late
from chiasm.target import Target
from chiasm.tasks.classify import Classify
from chiasm.tasks.regress import Regress
from chiasm.tasks.retrieve import Retrieve
from chiasm.tasks.talk import Talk
from chiasm.views import Column, Views


def rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    held = {"a": z @ rng.normal(size=(3, 5)), "b": z @ rng.normal(size=(3, 4))}
    return Views({name: Column("vector", x) for name, x in held.items()}), z[:, 0]


VIEWS, SIZE = rows()
LABELS = {
    "int64": (SIZE > 0).astype(int) * 3 + 8,  # 8 and 11: by text 11 would come first
    "int8": (SIZE > 0).astype(np.int8),
    "bool": SIZE > 0,
    "float64": np.where(SIZE > 0, 1.0, 2.5),
    "object": np.where(SIZE > 0, "猫", "狗").astype(object),
}


@pytest.mark.parametrize("dtype", LABELS)
@pytest.mark.parametrize("make", [Early, Late, lambda: Classify(fuse="early")])
def test_labels_keep_their_type_also_after_saving(make, dtype, tmp_path):
    y = LABELS[dtype]
    model = make().fit(VIEWS, y)
    chiasm.save(model, tmp_path / "m")
    for held in (model, chiasm.load(tmp_path / "m")):
        assert held.classes_.dtype == dtype
        assert held.classes_.tolist() == sorted(set(y.tolist()))
        answered = held.predict(VIEWS)
        assert answered.dtype == dtype
        assert (answered == y).mean() > 0.8
        if isinstance(held, Classify):
            assert held.answer(VIEWS)[0].dtype == dtype


def test_lists_and_missing_labels_keep_their_type():
    assert Target().fit([3, None, 20, 3]).values().tolist() == [3, 20]
    assert Target().fit([True, False, None]).values().dtype == bool
    assert Target().fit(["3", 20]).values().tolist() == ["20", "3"]
    assert Target().fit([True, 2]).values().tolist() == ["2", "True"]
    old = Target().fit(["b", "a"])
    del old.dtype_  # as saved before
    assert old.decode(np.eye(2)).tolist() == ["a", "b"]


def holed(values, dtype):
    """The values with nothing in row 3, as pandas holds them."""
    y = pd.Series(list(values), dtype=dtype)
    y[3] = pd.NaT if dtype == "object" and values[0] == "q" else pd.NA
    return y


HOLES = {
    "Int64": holed([8, 11] * 30, "Int64"),
    "boolean": holed([True, False] * 30, "boolean"),
    "string": holed(["猫", "狗"] * 30, "string"),
    "category": holed(["猫", "狗"] * 30, "category"),
    "object": holed(["猫", "狗"] * 30, "object"),
    "NaT": holed(["q", "p"] * 30, "object"),
    "array": holed(["猫", "狗"] * 30, "object").to_numpy(),
    "list": holed([8, 11] * 30, "object").tolist(),
}


@pytest.mark.parametrize("kind", HOLES)
def test_rows_whose_label_is_pandas_na_are_rows_without_a_label(kind):
    y = HOLES[kind]
    model = Early().fit(VIEWS, y)
    known = np.array([value for row, value in enumerate(y) if row != 3]).tolist()
    assert model.classes_.tolist() == sorted(set(known))
    assert type(model.classes_.tolist()[0]) is type(known[0])
    assert model.unlabeled_ == 1
    assert 0 <= float(model.score(VIEWS, y)) <= 1


def test_a_task_takes_labels_that_are_pandas_na_too():
    model = Classify(fuse="early").fit(VIEWS, HOLES["array"])
    assert model.fuser_.unlabeled_ == model.counts_["unlabeled"] == 1
    asked = np.array([pd.NaT if pd.isna(label) else label for label in HOLES["array"]], dtype=object)
    assert model.score(VIEWS, asked, allow_train=True).table["unlabeled"] == 1


def test_numbers_tags_and_slots_that_are_pandas_na_are_absent_too():
    size = pd.Series(SIZE, dtype="Float64")
    tags: list = [["红"], ["绿"]] * 30
    said = pd.Series(["red", "blue"] * 30, dtype="string")
    size[3], tags[3], said[3] = pd.NA, pd.NA, pd.NA
    assert Early(kind="numbers").fit(VIEWS, size).unlabeled_ == 1
    assert Early(kind="tags").fit(VIEWS, tags).unlabeled_ == 1
    talk = Talk(fuse="early").fit(VIEWS, {"color": said})
    assert "<NA>" not in talk.fusers_["color"].classes_.tolist()


@pytest.mark.parametrize(
    ("make", "dtype"), [*((Early, dtype) for dtype in LABELS), (lambda: Classify(fuse="early"), "bool")]
)
def test_accuracy_by_scikit_learn_is_a_number(make, dtype):
    y = LABELS[dtype]
    y = y.astype(str) if dtype == "object" else y
    found = cross_val_score(
        make(), VIEWS, y if dtype != "float64" else (SIZE > 0).astype(int), cv=2, scoring="accuracy"
    )
    assert found.min() > 0.7


def test_cross_validation_and_search_take_views_and_a_matrix():
    y = LABELS["int64"]
    both = cross_validate(Early(), VIEWS, y, cv=2, scoring=["accuracy", "neg_log_loss", "roc_auc"])
    assert np.isfinite([both[f"test_{name}"] for name in ("accuracy", "neg_log_loss", "roc_auc")]).all()
    matrix = np.concatenate([VIEWS["a"].items, VIEWS["b"].items], axis=1)
    piped = make_pipeline(StandardScaler(), Early())
    assert cross_val_score(piped, matrix, y, cv=2, scoring="accuracy").min() > 0.6
    search = GridSearchCV(Early(), {"kernel": ["rbf", "linear"]}, cv=2, scoring="accuracy").fit(matrix, y)
    assert (search.predict(matrix) == y).mean() > 0.8
    assert set(cross_val_predict(Early(), VIEWS, y, cv=2)) == {8, 11}
    nested = GridSearchCV(Classify(fuse=Early()), {"fuse__kernel": ["rbf", "linear"]}, cv=2, scoring="accuracy")
    assert nested.fit(VIEWS, y).best_score_ > 0.7
    numbers = cross_val_score(Early(kind="numbers"), VIEWS, SIZE, cv=2, scoring="r2")
    assert numbers.min() > 0.5


def test_a_search_over_retrieve_fits_no_baseline_where_it_is_told_so_and_a_saved_model_still_has_one(
    monkeypatch, tmp_path
):
    fits = []
    real = registry.get("align", "ridge").fit
    monkeypatch.setattr(
        registry.get("align", "ridge"), "fit", lambda self, *a, **k: fits.append(1) or real(self, *a, **k)
    )
    search = GridSearchCV(Retrieve(align=CCA(k=2, ridge=1.0), baseline=False), {"align__ridge": [0.1, 1.0]}, cv=2)
    search.fit(VIEWS)
    assert not fits
    assert search.best_score_ > 0.2
    chiasm.save(Retrieve(align=CCA(k=2, ridge=1.0)).fit(VIEWS), tmp_path / "m")
    new, _ = rows(40, seed=5)
    loaded = chiasm.load(tmp_path / "m").score(new).table["directions"][0]
    assert fits
    assert loaded["baseline"]["name"] == "ridge regression"
    assert search.best_estimator_.score(new).table["directions"][0]["baseline"] is None


@pytest.mark.parametrize("kind", ["align", "fuse", "index", "tasks"])
def test_every_part_is_cloned_shown_and_not_fitted_in_scikit_learns_words(kind):
    for name in registry.names(kind):
        part = registry.get(kind, name)()
        assert repr(clone(part)) == repr(part)
        assert type(part).__name__ in part._repr_html_()
        assert "nothing yet" in part._repr_html_()
        if hasattr(part, "fit"):
            with pytest.raises(NotFittedError):
                check_is_fitted(part)
        with pytest.raises(NotFittedError, match="call fit first") as told:
            part.check_fitted()
        assert isinstance(told.value, ChiasmError)
        again = pickle.loads(pickle.dumps(told.value))
        assert isinstance(again, NotFittedError)
        assert str(again) == str(told.value)
        assert not hasattr(part, "n_features_in_")


def test_what_a_part_is_is_told():
    assert is_classifier(Early())
    assert is_classifier(Classify())
    assert is_classifier(Early(kind="tags"))
    assert is_regressor(Early(kind="numbers"))
    assert is_regressor(Regress())
    assert not is_classifier(CCA())
    assert not is_regressor(CCA())
    assert not is_classifier(Retrieve())


def test_features_have_names_and_an_aligner_stands_in_a_pipeline():
    fused = Early().fit(VIEWS, LABELS["int64"])
    assert fused.n_features_in_ == 9
    assert fused.feature_names_in_.tolist() == [f"a_{i}" for i in range(5)] + [f"b_{i}" for i in range(4)]
    assert Early().fit(VIEWS["a"].items, LABELS["int64"]).n_features_in_ == 5
    mapped = CCA(k=2, ridge=1.0).fit(VIEWS)
    assert mapped.n_features_in_ == 9
    assert mapped.get_feature_names_out().tolist() == ["a_0", "a_1", "b_0", "b_1"]
    piped = make_pipeline(CCA(k=2, ridge=1.0), Early()).set_output(transform="default")
    assert cross_val_score(piped, VIEWS, LABELS["int64"], cv=2, scoring="accuracy").min() > 0.6
    with pytest.raises(ChiasmError, match="an aligner gives Views"):
        CCA().set_output(transform="pandas")
    search = GridSearchCV(CCA(k=2), {"ridge": [0.1, 1.0]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(search.fit(VIEWS).cv_results_["mean_test_score"]).all()
