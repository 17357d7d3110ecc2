"""A discriminator makes views hard to tell apart where pairs alone do not ask for it, and pairs are still found."""

import numpy as np
import pytest
import torch

from chiasm.align.adversarial import Adversarial, told
from chiasm.errors import ChiasmError
from chiasm.nn.adversary import Discriminators, discrepancy
from chiasm.views import normalize


def stretched(n, width=24, seed=0):
    """Pairs that are found as they are, each view long where the other is short."""
    rng = np.random.default_rng(seed)
    shared, long = rng.normal(size=(n, width)), np.repeat([2.0, 1.0], width // 2)
    rotations = [np.linalg.qr(rng.normal(size=(width, width)))[0] for _ in range(2)]
    rows = [shared + 0.1 * rng.normal(size=shared.shape) for _ in range(2)]
    return {"a": rows[0] * long @ rotations[0], "b": rows[1] * long[::-1] @ rotations[1]}


@pytest.fixture(scope="module")
def views():
    whole = stretched(1100)
    return tuple({name: rows[part] for name, rows in whole.items()} for part in (slice(800), slice(800, None)))


def guessed(model, test):
    """Accuracy of classifiers that never saw the rows: logistic regression, and a Gaussian kernel's."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    a, b = (normalize(column.items) for column in model.transform(test).columns.values())
    learn, held = (np.concatenate([a[part], b[part]]) for part in (slice(150), slice(150, None)))
    view = np.repeat([0, 1], 150)
    return [probe.fit(learn, view).score(held, view) for probe in (LogisticRegression(), SVC(C=3))]


def fitted(train, **how):
    return Adversarial(start="pls", temperature=0.02, rate=1e-2, epochs=20, **how).fit(train)


@pytest.mark.parametrize("discriminator", ["kernel", "network"])
def test_views_are_no_longer_told_and_pairs_are_still_found(views, discriminator):
    train, test = views
    model = fitted(train, discriminator=discriminator, batch=200)
    linear, curved = guessed(model, test)
    assert abs(linear - 0.5) < 0.1
    assert curved < 0.7
    assert model.score(test) > 0.99


def test_without_a_discriminator_they_are_told_as_before(views):
    train, test = views
    model = fitted(train, strength=0.0, batch=200)
    assert guessed(model, test)[1] > 0.9
    assert model.score(test) > 0.99


def test_told_is_a_share_of_chance_for_equal_views_and_one_for_views_apart():
    rng = np.random.default_rng(0)
    rows = {"a": rng.normal(size=(300, 5)), "b": rng.normal(size=(100, 5))}
    things = {"a": np.arange(300), "b": np.arange(100)}
    assert told(rows, things) == pytest.approx(0.5, abs=0.06)
    assert told({"a": rows["a"] + 9, "b": rows["b"] - 9}, things) == 1.0


def test_the_discrepancy_is_that_of_a_slow_loop_and_about_zero_for_one_source():
    rng = np.random.default_rng(0)
    a, b = (np.float64(normalize(rng.normal(size=(20, 4)))) for _ in range(2))

    def k(x, y):
        return np.mean([np.exp(-g * np.sum((x - y) ** 2)) for g in (0.5, 1, 2, 4, 8)])

    pairs = [(i, j) for i in range(20) for j in range(20) if i != j]
    slow = np.mean([k(a[i], a[j]) + k(b[i], b[j]) - 2 * k(a[i], b[j]) for i, j in pairs])
    assert float(discrepancy(torch.tensor(a), torch.tensor(b))) == pytest.approx(slow, abs=1e-6)
    many = [normalize(rng.normal(size=(1500, 4))) for _ in range(2)]
    assert abs(float(discrepancy(*map(torch.tensor, many)))) < 2e-3


def test_a_discriminator_learns_to_tell_and_draws_nothing_from_the_global_seed():
    rng = np.random.default_rng(0)
    a, b = (torch.tensor(normalize(rng.normal(size=(100, 6)) + shift), dtype=torch.float32) for shift in (1, -1))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    judge = Discriminators(seed=0)
    losses = [judge.fooled(0, a, b).item() for _ in range(10)]
    assert torch.rand(1) == expected
    assert losses[-1] > losses[0] + 1  # what is told costs those who are told
    assert losses[-1] == [one.fooled(0, a, b).item() for one in [Discriminators(seed=0)] for _ in range(10)][-1]


def test_bad_inputs_are_named():
    pairs = stretched(40)
    with pytest.raises(ChiasmError, match="pair"):
        Adversarial().fit({name: rows[:1] for name, rows in pairs.items()})
    with pytest.raises(ChiasmError):
        Adversarial().fit({**pairs, "a": np.where(np.arange(24) == 3, np.nan, pairs["a"])})
    with pytest.raises(ChiasmError):
        Adversarial().fit({**pairs, "a": np.ones((40, 24))})
    with pytest.raises(ChiasmError, match="discriminator"):
        Adversarial(discriminator="judge").fit(pairs)


def test_more_width_than_rows_and_absent_views_are_learned_from():
    pairs = stretched(80, width=100)
    model = Adversarial(epochs=3).fit(pairs)
    assert np.isfinite(model.transform(pairs)["a"].items).all()
    gone = {"a": [None if i % 4 == 0 else row for i, row in enumerate(pairs["a"])], "b": list(pairs["b"])}
    model = Adversarial(epochs=3).fit(gone)
    assert len(model.transform({"b": pairs["b"]})["b"].items) == 80
