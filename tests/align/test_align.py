"""Aligners against known answers: closed forms, planted correlations, scikit-learn, and each other."""

import numpy as np
import pytest

from chiasm.align.cca import CCA
from chiasm.align.ridge import Ridge
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.stats.relevance import reciprocal_rank
from chiasm.views import Column, Views


def golub(a, b):
    """Canonical correlations by Bjoerck & Golub (1973): singular values of Qa' Qb."""
    qa, qb = (np.linalg.qr(v - v.mean(axis=0))[0] for v in (a, b))
    return np.linalg.svd(qa.T @ qb, compute_uv=False)


def test_correlations_equal_the_qr_definition_to_1e_8():
    a, b = planted_pair(500)
    ours = CCA(k=12, ridge=0.0, precision="float64").fit({"a": a, "b": b})
    np.testing.assert_allclose(ours.correlations_, golub(a, b), atol=1e-8)


def test_correlations_equal_scikit_learns_to_1e_6():
    from sklearn.cross_decomposition import CCA as Theirs

    a, b = planted_pair(400, widths=(6, 5))
    ours = CCA(k=3, ridge=0.0, precision="float64").fit({"a": a, "b": b})
    x, y = Theirs(3, max_iter=20_000, tol=1e-14).fit_transform(a, b)
    theirs = [np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(ours.correlations_, theirs, atol=1e-6)


def test_float32_products_change_correlations_by_less_than_1e_5():
    a, b = planted_pair(3000)
    views = {"a": a + 100, "b": b - 50}
    exact = CCA(k=12, ridge=0.1, precision="float64").fit(views)
    fast = CCA(k=12, ridge=0.1).fit(views)
    np.testing.assert_allclose(fast.correlations_, exact.correlations_, atol=1e-5)


def test_planted_correlations_are_found():
    a, b = planted_pair(20_000, correlations=(0.9, 0.6, 0.3))
    found = CCA(k=5, ridge=0.0).fit({"a": a, "b": b}).correlations_
    np.testing.assert_allclose(found[:3], [0.9, 0.6, 0.3], atol=0.03)
    assert found[3] < 0.06


def test_mapped_directions_have_variance_rho_and_are_uncorrelated():
    a, b = planted_pair(2000)
    model = CCA(k=6, ridge=0.0, precision="float64").fit({"a": a, "b": b})
    z = np.asarray(model.transform({"a": a})["a"].items, dtype=np.float64)
    np.testing.assert_allclose(np.cov(z.T, bias=True), np.diag(model.correlations_), atol=1e-5)


def test_three_views_solve_the_generalized_eigenproblem():
    from scipy.linalg import block_diag, eigh

    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 3))
    views = {
        n: z @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(3000, d)) for n, d in (("a", 8), ("b", 7), ("c", 6))
    }
    model = CCA(k=3, ridge=0.0, precision="float64").fit(views)
    whole = np.cov(np.hstack(list(views.values())).T, bias=True)
    own = block_diag(*(np.cov(v.T, bias=True) for v in views.values()))
    known = (eigh(whole, own, eigvals_only=True)[::-1][:3] - 1) / 2  # the mean correlation with the other two views
    np.testing.assert_allclose(model.correlations_, known, atol=1e-9)
    assert model.score({name: v[:200] for name, v in views.items()}) > 100 / 200  # chance is 1 / 200


def test_the_eigenproblem_of_views_given_twice_has_the_directions_of_two():
    a, b = planted_pair(2000)
    two = CCA(k=1, ridge=1e-3).fit({"a": a, "b": b})
    four = CCA(k=1, ridge=1e-3).fit({"a": a, "b": b, "a2": a, "b2": b})
    u, v = two.weights_["a"][:, 0], four.weights_["a"][:, 0]
    assert abs(u @ v) / np.linalg.norm(u) / np.linalg.norm(v) > 1 - 1e-3


def test_fewer_rows_than_dimensions_work_with_a_ridge_and_say_so_without():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 4))
    views = {"a": z @ rng.normal(size=(4, 300)), "b": z @ rng.normal(size=(4, 200))}
    assert CCA().fit({n: v[:40] for n, v in views.items()}).score({n: v[40:] for n, v in views.items()}) > 0.8
    with pytest.raises(ChiasmError, match="wanted a ridge above 0"):
        CCA(k=4, ridge=0.0).fit(views)


def test_ridge_and_k_are_those_that_retrieve_best_on_the_given_validation_rows():
    a, b = planted_pair(600, correlations=(0.99,) * 6)
    train, val = {"a": a[:400], "b": b[:400]}, {"a": a[400:], "b": b[400:]}
    model = CCA().fit(train, val=val)
    best = max(model.trials_, key=lambda trial: trial["score"])
    assert model.chosen_ == {"ridge": best["ridge"], "k": best["k"]}
    refit = CCA(**model.chosen_).fit(train)
    mapped = refit.transform(val)
    again = reciprocal_rank(mapped, {n: c.items for n, c in mapped.columns.items()})
    assert again == pytest.approx(best["score"], abs=1e-9)
    np.testing.assert_allclose(np.abs(refit.weights_["a"]), np.abs(model.weights_["a"]), atol=1e-6)


def test_without_validation_rows_all_rows_are_learned_from_in_the_end():
    a, b = planted_pair(400, correlations=(0.99,) * 6)
    model = CCA(seed=1).fit({"a": a, "b": b})
    whole = CCA(**model.chosen_).fit({"a": a, "b": b})
    np.testing.assert_allclose(model.correlations_, whole.correlations_, atol=1e-5)
    np.testing.assert_allclose(model.means_["a"], a.mean(axis=0), atol=1e-5)


def test_validation_rows_that_are_given_are_not_learned_from():
    a, b = planted_pair(400, correlations=(0.99,) * 6)
    model = CCA().fit({"a": a[:300], "b": b[:300]}, val={"a": a[300:], "b": b[300:]})
    np.testing.assert_allclose(model.means_["a"], a[:300].mean(axis=0), atol=1e-5)


def test_validation_rows_without_pairs_are_told_and_not_chosen_on(caplog):
    a, b = planted_pair(400, correlations=(0.99,) * 6)
    alone = {"a": a[:40], "b": np.full((40, 12), np.nan)}
    model = CCA(seed=1).fit({"a": a, "b": b}, val=alone)
    assert "hold no pairs" in caplog.text
    assert model.chosen_ == CCA(seed=1).fit({"a": a, "b": b}).chosen_


def test_five_captions_of_a_picture_weigh_as_much_as_one():
    """Repeating one thing's row changes nothing: every id weighs the same."""
    a, b = planted_pair(200)
    ids = np.arange(200)
    more = np.concatenate([ids, np.full(50, 7)])
    once = Views({"a": Column("vector", a), "b": Column("vector", b)}, ids)
    often = Views({"a": Column("vector", a, more), "b": Column("vector", b, more)}, more)
    one, two = (CCA(k=3, ridge=0.1, precision="float64").fit(v) for v in (once, often))
    np.testing.assert_allclose(one.correlations_, two.correlations_, atol=1e-10)


def test_ridge_equals_scikit_learns_ridge():
    from sklearn.linear_model import Ridge as Theirs

    a, b = planted_pair(300)
    ours = Ridge(target="b", ridge=0.5, precision="float64").fit({"a": a, "b": b})
    centered = a - a.mean(axis=0)
    alpha = 0.5 * np.trace(centered.T @ centered) / a.shape[1]
    theirs = Theirs(alpha=alpha).fit(a, b)
    np.testing.assert_allclose(ours.weights_["a"], theirs.coef_.T, atol=1e-8)


def test_scikit_learns_grid_search_takes_an_aligner_and_views():
    from sklearn.model_selection import GridSearchCV, GroupKFold

    a, b = planted_pair(240, correlations=(0.99,) * 6)
    views = Views({"a": Column("vector", a), "b": Column("vector", b)}, np.repeat(np.arange(120), 2))
    search = GridSearchCV(CCA(k=6), {"ridge": [0.1, 1000.0]}, cv=GroupKFold(3))
    search.fit(views, groups=views.ids)
    assert search.best_params_ == {"ridge": 0.1}
    assert search.best_score_ > 0.5


@pytest.mark.parametrize("make", [CCA, Ridge])
@pytest.mark.parametrize(
    ("views", "sentence"),
    [
        ({"a": np.eye(4)}, "at least two views"),
        ({"a": np.eye(1), "b": np.eye(1)}, "at least 2 things"),
        ({"a": np.full((3, 2), np.nan), "b": np.eye(3)}, "absent in every row"),
    ],
)
def test_what_cannot_be_aligned_is_one_sentence(make, views, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        make().fit(views)
