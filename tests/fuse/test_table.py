"""A learner of tables as a fuser: what it reads, what it answers, what it keeps, what it refuses."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from chiasm import recipe
from chiasm.errors import ChiasmError
from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse.table import Table
from chiasm.splits import folds_of
from chiasm.target import Target
from chiasm.views import Column, Views


def planted(n: int = 240, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    record, words = rng.normal(size=(n, 3)), rng.normal(size=(n, 50))
    return {"record": record, "words": words}, np.where((record[:, 0] > 0) ^ (record[:, 1] > 0), "yes", "no")


def test_trees_find_what_two_fields_say_only_together_and_a_linear_learner_does_not() -> None:
    views, y = planted(400)
    train, test = ({name: one[rows] for name, one in views.items()} for rows in (slice(300), slice(300, None)))
    learned = [Table(learner=one).fit(train, y[:300]) for one in ("trees", LogisticRegression())]
    right = [float((one.predict(test) == y[300:]).mean()) for one in learned]
    assert right[0] > 0.85
    assert right[1] < 0.65


def test_answers_are_those_of_scikit_learn_on_the_same_numbers_calibrated_by_left_out_rows() -> None:
    views, y = planted()
    record = views["record"].astype(np.float32)
    model = Table().fit({"record": record}, y)
    truth = Target("classes").fit(y).encode(y)
    folds = folds_of(np.arange(len(y)), truth, "classes", 0)

    def said(rows: np.ndarray, at: np.ndarray) -> np.ndarray:
        trees = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
        return np.log(np.maximum(trees.fit(record[rows], truth.argmax(axis=1)[rows]).predict_proba(at), 1e-6))

    held = np.empty_like(truth)
    for fold in np.unique(folds):
        held[folds == fold] = said(folds != fold, record[folds == fold])
    wanted = Calibrated("classes").fit(held, truth)(said(np.ones(len(y), dtype=bool), record))
    np.testing.assert_allclose(model.outputs({"record": record}), wanted, atol=1e-6)


def test_a_wide_view_stands_in_the_table_by_its_components_and_a_narrow_one_as_it_is() -> None:
    views, y = planted()
    model = Table(components=8).fit(views, y)
    assert model.table_.shape == (240, 3 + 8)
    np.testing.assert_array_equal(model.table_[:, :3], views["record"].astype(np.float32))
    centered = views["words"] - views["words"].mean(axis=0)
    spanned = np.linalg.svd(centered / centered.std(axis=0), full_matrices=False)[0][:, :8]
    kept = model.table_[:, 3:] - model.table_[:, 3:].mean(axis=0)
    assert np.linalg.norm(kept - spanned @ (spanned.T @ kept)) < 1e-2 * np.linalg.norm(kept)


class Reading(LogisticRegression):
    """Keeps what it was last asked about."""

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        READ[:] = [x]
        return np.asarray(super().predict_proba(x))


READ: list[np.ndarray] = []


def test_what_is_absent_is_empty_in_the_table_and_zero_for_a_learner_that_cannot_read_that() -> None:
    views, y = planted()
    index = np.where(np.arange(240) % 3 == 0, -1, np.arange(240))
    some = Views({"record": Column("vector", views["record"], index), "words": Column("vector", views["words"])})
    model = Table(learner=Reading()).fit(some, y)
    assert np.isnan(model.table_[::3, :3]).all()
    assert np.isfinite(model.table_[1::3]).all()
    model.outputs({"words": views["words"][:5]})
    np.testing.assert_array_equal(READ[0][:, :3], np.zeros((5, 3)))
    trees = Table().fit(some, y)
    without = trees.outputs({"words": views["words"][:6]})
    np.testing.assert_array_equal(without[::3], trees.outputs(some[np.arange(6)])[::3])


def test_a_class_of_one_row_and_a_tag_that_a_fold_lacks_are_no_matter() -> None:
    views, y = planted(60)
    y = y.astype(object)
    y[0] = "once"
    assert Table().fit(views, y).predict_proba(views).shape == (60, 3)
    tags = [["rare"] if i == 0 else ["often"] if i % 2 else [] for i in range(60)]
    out = Table("tags").fit(views, tags).predict_proba(views)
    assert out.shape == (60, 2)
    assert np.isfinite(out).all()


def test_a_loaded_model_learns_again_from_its_table_and_says_the_same(tmp_path: Path) -> None:
    views, y = planted()
    for learner in ("trees", LogisticRegression(C=0.1)):
        model = Table(learner=learner).fit(views, y)
        recipe.save(model, tmp_path / "model")
        np.testing.assert_array_equal(recipe.load(tmp_path / "model").outputs(views), model.outputs(views))
    assert recipe.load(tmp_path / "model").learner.C == 0.1


def test_what_a_learner_draws_is_drawn_by_the_seed_so_that_a_loaded_model_says_the_same(tmp_path: Path) -> None:
    views, y = planted()
    learner = make_pipeline(TruncatedSVD(5, n_iter=1), LogisticRegression())
    model = Table(learner=learner).fit(views, y)
    recipe.save(model, tmp_path / "model")
    np.testing.assert_array_equal(recipe.load(tmp_path / "model").outputs(views), model.outputs(views))
    one, same, other = (Table(learner=RandomForestClassifier(10), seed=seed).fit(views, y) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.outputs(views), same.outputs(views))
    assert not np.allclose(one.outputs(views), other.outputs(views))


class Breaking:
    """No scikit-learn class: what is asked for and no more, and it does not work."""

    classes_ = (0, 1)

    def __init__(self, said: object) -> None:
        self.said = said

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        if self.said is None:
            raise RuntimeError("out of ideas")

    def predict_proba(self, x: np.ndarray) -> object:
        return np.full((len(x), 2), self.said)


def test_a_learner_that_fails_is_told_in_a_sentence(tmp_path: Path) -> None:
    views, y = planted(60)
    Table(learner=Breaking(0.5)).fit(views, y)
    with pytest.raises(ChiasmError, match=r"Breaking does not learn from .*out of ideas.*take another learner"):
        Table(learner=Breaking(None)).fit(views, y)
    with pytest.raises(ChiasmError, match=r"Breaking does not answer .*not finite"):
        Table(learner=Breaking(np.nan)).fit(views, y)
    with pytest.raises(ChiasmError, match=r"an object with fit and predict_proba"):
        Table(learner=RandomForestClassifier).fit(views, y)
    if find_spec("tabicl"):
        (tmp_path / "weights.ckpt").write_bytes(b"no weights")
        with pytest.raises(ChiasmError, match=r"wanted a file of TabICL's weights"):
            Table(learner="tabicl", file=str(tmp_path / "weights.ckpt")).fit(views, y)


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    views, y = planted(60)
    with pytest.raises(ChiasmError, match="RandomForestClassifier"):
        recipe.save(Table(learner=RandomForestClassifier(5)).fit(views, y), tmp_path / "model")
    with pytest.raises(ChiasmError, match="did you mean 'trees'"):
        Table(learner="tree").fit(views, y)
    with pytest.raises(ChiasmError, match=r"file of TabICL's weights.*got 'none'.*not downloaded"):
        Table(learner="tabicl").fit(views, y)
    with pytest.raises(
        ChiasmError, match="wanted a learner of classes, an object with fit and predict_proba, got LinearRegression"
    ):
        from sklearn.linear_model import LinearRegression

        Table(learner=LinearRegression()).fit(views, y)


def test_tabicl_answers_from_a_file_of_weights_and_comes_back_from_disk(tmp_path: Path) -> None:
    tabicl = pytest.importorskip("tabicl", reason="pip install tabicl")
    import torch
    from tabicl._model.tabicl import TabICL

    sizes = {"embed_dim": 16, "col_num_blocks": 1, "col_nhead": 2, "col_num_inds": 4, "row_num_blocks": 1}
    sizes |= {"row_nhead": 2, "row_num_cls": 2, "icl_num_blocks": 1, "icl_nhead": 2}
    torch.manual_seed(0)
    file = tmp_path / "tiny.ckpt"
    torch.save({"config": sizes, "state_dict": TabICL(**sizes).state_dict()}, file)
    views, y = planted(60)
    model = Table(learner="tabicl", file=str(file)).fit(views, y)
    direct = tabicl.TabICLClassifier(
        model_path=file, allow_auto_download=False, device="cpu", random_state=0, n_jobs=1
    ).fit(model.table_, model.truth_.argmax(axis=1))
    scores = np.log(np.maximum(direct.predict_proba(model.table_[:5]), 1e-6))
    asked = {name: one[:5] for name, one in views.items()}
    np.testing.assert_allclose(model.outputs(asked), model.calibrated_(scores), atol=1e-5)
    recipe.save(model, tmp_path / "model")
    np.testing.assert_allclose(recipe.load(tmp_path / "model").outputs(asked), model.outputs(asked), atol=1e-6)
