"""Generators of vectors: ridge regression is the bar, draws of the others follow what is planted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from chiasm.errors import ChiasmError
from chiasm.generate.cvae import CVAE
from chiasm.generate.gan import GAN
from chiasm.generate.ridge import Ridge
from chiasm.stats.ranking import energy


def pairs(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    return x, (x @ np.random.default_rng(9).normal(size=(4, 6)) + 0.3 * rng.normal(size=(n, 6))).astype(np.float32)


def loose(n: int = 800) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `pairs`, but in one direction x tells less where its first number is positive: 13 times the spread."""
    x, y = pairs(n)
    aside = np.linalg.qr(np.random.default_rng(9).normal(size=(6, 6)))[0][0]
    noise = np.random.default_rng(5).normal(size=(n, 1))
    return x, (y + np.where(x[:, :1] > 0, 4.0, 0.3) * noise * aside).astype(np.float32), aside


def test_ridge_is_scikit_learns_ridge_regression() -> None:
    x, y = pairs()
    model = Ridge().fit({"x": x}, y)
    scaler = StandardScaler().fit(x)
    known = RidgeCV(np.arange(10.0, 5000.0), fit_intercept=True).fit(scaler.transform(x), y)
    assert model.alpha_ == 10.0 == known.alpha_
    np.testing.assert_allclose(model.generate({"x": x[:9]}), known.predict(scaler.transform(x[:9])), atol=2e-3)


def test_draws_of_ridge_have_the_spread_that_is_left_open() -> None:
    x, y = pairs(2000)
    draws = Ridge().fit({"x": x}, y).draw({"x": x[:1]}, 2000)[0]
    np.testing.assert_allclose(draws.std(axis=0), 0.3, rtol=0.15)


def test_a_row_without_any_view_is_drawn_from_all_vectors() -> None:
    x, y = pairs(2000)
    model = Ridge().fit({"x": x}, y)
    alone = model.draw({"x": np.full((1, 4), np.nan)}, 2000)[0]
    np.testing.assert_allclose(alone.std(axis=0), y.std(axis=0), rtol=0.15)
    np.testing.assert_allclose(model.generate({"x": np.full((1, 4), np.nan)})[0], y.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize(
    ("part", "least", "most"),
    [
        (Ridge(), 0.99, 1.01),
        pytest.param(CVAE(), 1.3, 99, marks=pytest.mark.slow),
        (GAN(), 1.3, 99),
    ],
)
def test_a_network_draws_wider_where_less_is_told_and_ridge_does_not(part: Ridge, least: float, most: float) -> None:
    x, y, aside = loose()
    draws = part.fit({"x": x[:700]}, y[:700]).draw({"x": x[700:]}, 60)
    spread, wide = (draws @ aside).std(axis=1), x[700:, 0] > 0
    assert least < spread[wide].mean() / spread[~wide].mean() < most


def test_the_adversarys_own_features_can_be_read() -> None:
    x, y = pairs()
    model = GAN(epochs=2).fit({"x": x}, y)
    assert model.judged(y).shape == (300, 256)
    assert model.hidden({"x": x}).shape == (300, 512)
    with pytest.raises(ChiasmError, match="vectors of 6 numbers"):
        model.judged(y[:, :5])


def test_the_energy_score_is_its_definition_and_hedging_does_not_pay() -> None:
    rng = np.random.default_rng(0)
    draws, truth = [rng.normal(size=(5, 3)) for _ in range(4)], rng.normal(size=(5, 3))
    off = [np.linalg.norm(draw[i] - truth[i]) for draw in draws for i in range(5)]
    apart = [np.linalg.norm(draws[a][i] - draws[b][i]) for a in range(4) for b in range(4) for i in range(5) if a != b]
    assert energy(draws, truth) == pytest.approx(np.mean(off) - np.mean(apart) / 2)
    true = rng.normal(size=(4000, 3))
    scores = {scale: energy([scale * rng.normal(size=true.shape) for _ in range(8)], true) for scale in (0, 0.5, 1, 2)}
    assert min(scores, key=scores.__getitem__) == 1


@pytest.mark.parametrize("part", [Ridge, CVAE, GAN])
def test_what_cannot_be_learned_from_is_refused_in_a_sentence(part: type) -> None:
    x, y = pairs(30)
    for wanted, said in (
        (None, "wanted vectors to make, got none"),
        (y[:9], r"wanted 30 vectors \(n, t\)"),
        (np.where(np.arange(30)[:, None] < 25, np.nan, y), "at least 10 rows"),
        (np.where(np.eye(30, 6) > 0, np.inf, y), "row 1: wanted finite numbers"),
        (np.zeros((30, 3)), "vectors that differ"),
    ):
        with pytest.raises(ChiasmError, match=said):
            part().fit({"x": x}, wanted)
    with pytest.raises(ChiasmError, match="wanted some of the views x"):
        part(**({} if part is Ridge else {"epochs": 1})).fit({"x": x}, y).generate({"y": x})
