"""Mixtures of Gaussians against scipy's densities and planted groups; odd inputs have an answer or a sentence."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from chiasm.errors import ChiasmError
from chiasm.stats import mixture


def planted(n=400, d=6, apart=6.0, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, n)
    return rng.normal(size=(n, d)) + apart * np.eye(d)[label], label


def test_one_gaussian_is_scipys():
    rows = planted()[0]
    known = mixture.one_gaussian(rows)
    covariance = known["axes"] @ np.diag(known["rest"]) @ known["axes"].T
    expected = multivariate_normal(rows.mean(axis=0), covariance).logpdf(rows[:20])
    np.testing.assert_allclose(mixture.density(known, rows[:20]), expected)


@pytest.mark.parametrize("form", mixture.FORMS)
def test_a_density_is_the_sum_of_its_components(form):
    rows = planted()[0]
    known = mixture.learn(rows, 3, forms=(form,))
    held = known["centers"].shape[1]
    axes, off = known["axes"][:, :held], known["axes"][:, held:]
    total = np.zeros(20)
    for share, center, spread in zip(known["shares"], known["centers"], known["variances"], strict=True):
        at = known["mean"] + axes @ center
        covariance = axes @ np.diag(spread) @ axes.T + off @ np.diag(known["rest"]) @ off.T
        total += share * multivariate_normal(at, covariance).pdf(rows[:20])
    np.testing.assert_allclose(mixture.density(known, rows[:20]), np.log(total), rtol=1e-8)


def test_planted_groups_are_found_and_are_likelier_than_one_gaussian():
    rows, label = planted()
    known = mixture.learn(rows[:300])
    assert known["chosen"]["components"] >= 3
    assert (
        mixture.density(known, rows[300:]).mean() > mixture.density(mixture.one_gaussian(rows[:300]), rows[300:]).mean()
    )
    three = mixture.shares(mixture.learn(rows, 3), rows)
    np.testing.assert_allclose(three.sum(axis=1), 1)
    assert len({(a, b) for a, b in zip(label.tolist(), three.argmax(axis=1).tolist(), strict=True)}) == 3


def test_where_there_is_one_gaussian_no_more_are_chosen():
    rows = np.random.default_rng(0).normal(size=(300, 5)) @ np.diag([3, 2, 1, 1, 0.5])
    assert mixture.learn(rows)["chosen"]["components"] == 1


def test_what_is_far_from_all_is_the_least_dense():
    rows = planted()[0]
    far = np.full((1, rows.shape[1]), 12.0)
    known = mixture.learn(rows, 3)
    assert mixture.density(known, far)[0] < mixture.density(known, rows).min()


@pytest.mark.parametrize(
    "rows",
    [np.ones((1, 4)), np.ones((30, 4)), np.eye(5, 40), np.vstack([planted(50)[0], np.full((1, 6), np.nan)])],
    ids=["one row", "constant", "wider than long", "NaN"],
)
def test_odd_rows_have_a_finite_density(rows):
    known = mixture.learn(rows)
    whole = rows[np.isfinite(rows).all(axis=1)]
    assert np.isfinite(mixture.density(known, whole)).all()
    assert len(known["shares"]) <= max(1, len(whole))


@pytest.mark.parametrize("form", mixture.FORMS)
def test_shares_by_some_numbers_are_those_of_the_marginal_densities(form):
    rows = planted()[0]
    known = mixture.learn(rows, 3, forms=(form,))
    held = known["centers"].shape[1]
    some, values = np.array([0, 2, 3]), rows[:20].copy()
    there = np.zeros(values.shape, bool)
    there[:, some] = True
    there[0], there[1] = True, False
    values[~there] = 1e3  # not looked at
    expected = np.empty((20, 3))
    for g, (share, center, spread) in enumerate(
        zip(known["shares"], known["centers"], known["variances"], strict=True)
    ):
        at = known["mean"] + known["axes"][:, :held] @ center
        whole = known["axes"] @ np.diag(np.concatenate([spread, known["rest"]])) @ known["axes"].T
        expected[:, g] = share * multivariate_normal(at[some], whole[np.ix_(some, some)]).pdf(rows[:20][:, some])
    expected /= expected.sum(axis=1, keepdims=True)
    expected[0], expected[1] = mixture.shares(known, rows[:1])[0], known["shares"]
    np.testing.assert_allclose(mixture.shares(known, values, there), expected, atol=1e-8)


@pytest.mark.parametrize(
    ("rows", "how", "sentence"),
    [
        (np.ones((0, 4)), {}, "at least one row of finite numbers .* got none of 0"),
        (np.full((5, 3), np.nan), {}, "at least one row of finite numbers .* got none of 5"),
        (np.full((5, 3), 1e200), {}, "wanted numbers within"),
        (np.ones(8), {}, r"wanted numbers \(n, d\)"),
        (np.full((5, 3), "x"), {}, r"wanted numbers \(n, d\)"),
        *(
            (planted(60)[0], {"k": k}, f"wanted k to be a whole number of at least 1, or None, got {k}")
            for k in (0, -1, 1.5)
        ),
        (planted(60)[0], {"forms": ("full",)}, "no form named 'full'"),
        (planted(60)[0], {"folds": np.arange(10)}, "one for each of 60 rows"),
        (planted(60)[0], {"folds": np.zeros(60, int)}, "at least two folds"),
    ],
)
def test_what_no_mixture_is_learned_from_is_one_sentence(rows, how, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        mixture.learn(rows, **how)


def test_what_is_chosen_is_what_was_fitted():
    assert mixture.learn(np.ones((20, 3)), 3)["chosen"]["components"] == 1
