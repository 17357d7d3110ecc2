"""Generators of texts: planted answers, odd captions, several captions a thing."""

import numpy as np
import pytest

from chiasm import registry
from chiasm.errors import ChiasmError
from chiasm.generate._candidates import Candidates
from chiasm.generate._risk import Risk
from chiasm.stats.blocks import Block
from chiasm.stats.captions import words
from chiasm.views import Column, Views

WRITERS = [name for name in registry.names("generate") if registry.get("generate", name).makes == "texts"]
QUICK = [name for name in WRITERS if name in ("nearest", "consensus", "mbr")]


def planted(n=90, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    said = ["a red bus on a road", "two dogs run in the snow", "一只猫 on the sofa 🐱"]
    return np.eye(3)[y] + 0.1 * rng.normal(size=(n, 3)), [said[i] for i in y], said


@pytest.mark.parametrize("name", QUICK)
def test_odd_captions_are_told_apart(name):
    x, texts, said = planted()
    texts[:6] = ["", "  ", None, "dog", "🐶", "…"]
    part = registry.make("generate", name).fit({"v": x}, texts)
    assert part.uncaptioned_ == 4
    assert len(part.references_) == 86
    assert part.generate({"v": np.eye(3)}).tolist() == said


@pytest.mark.parametrize("name", QUICK)
def test_rows_of_one_id_are_one_thing_with_several_captions(name):
    x, texts, _ = planted(60)
    ids = np.repeat(np.arange(30), 2)
    views = Views({"v": Column("vector", np.repeat(x[:30], 2, axis=0))}, ids)
    part = registry.make("generate", name).fit(views, [f"{t} {i % 2}" for i, t in enumerate(np.repeat(texts[:30], 2))])
    assert [len(mine) for mine in part.references_] == [2] * 30


@pytest.mark.parametrize("name", QUICK)
def test_what_teaches_nothing_is_refused(name):
    x, texts, _ = planted(10)
    part = registry.make("generate", name)
    with pytest.raises(ChiasmError, match=r"at least 2 things with a caption .* to learn from, got 1"):
        part.fit({"v": x}, [*texts[:1], *[None] * 9])
    with pytest.raises(ChiasmError, match="row 2: wanted a text or None, got int 7"):
        part.fit({"v": x}, [texts[0], 7, *texts[2:]])
    with pytest.raises(ChiasmError, match="wanted 10 captions, one a row, got 9"):
        part.fit({"v": x}, texts[:9])


def test_the_votes_are_those_of_ridge_regression_and_sum_to_one():
    x, texts, _ = planted(40)
    held = {"v": Block(x.astype(np.float32), np.ones(40, bool))}
    risk = Risk().fit(held, [[t] for t in texts], np.arange(40) % 5, 0)
    votes = risk.votes(held, 40)
    rows = risk.seen_.rows(held, 40).astype(np.float64)
    slow = np.linalg.solve(rows @ rows.T + risk.ridge_ * np.eye(40), rows @ rows.T).T
    assert votes == pytest.approx(slow + (1 - slow.sum(axis=1, keepdims=True)) / 40, abs=1e-5)
    assert votes.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)


def test_the_first_pass_loses_no_best_caption():
    rng = np.random.default_rng(0)
    vocabulary = [f"w{i}" for i in range(40)]
    texts = [" ".join(rng.choice(vocabulary, rng.integers(3, 14))) for _ in range(600)]
    pool = Candidates([[t] for t in texts])
    for seed in range(5):
        votes = np.random.default_rng(seed).normal(size=600) / 600 + 1 / 600
        exact = votes @ pool.space.alike(pool.told, pool.told)
        place, score = pool.best(votes, 1)
        assert exact[place[0]] == pytest.approx(exact.max(), rel=1e-9)
        assert score[0] == pytest.approx(exact.max(), rel=1e-9)


def test_mbr_beats_consensus_where_a_direction_tells_and_neighbors_blur():
    rng = np.random.default_rng(0)
    n, noise = 400, 60
    y = rng.integers(0, 4, n)
    x = np.concatenate([1.2 * np.eye(4)[y], rng.normal(size=(n, noise)) * 0.9], axis=1)
    nouns = ["bus", "dog", "cat", "boat"]
    texts = [f"a {nouns[c]} number {rng.integers(9)} in the {rng.choice(['sun', 'rain', 'snow'])}" for c in y]

    def right(name, **params):
        part = registry.make("generate", name).set_params(**params)
        told = part.fit({"v": x[:300]}, texts[:300]).generate({"v": x[300:]})
        return np.mean([nouns[c] in words(text) for text, c in zip(told, y[300:], strict=True)])

    agreed = right("consensus", k=20)
    assert right("mbr") > agreed + 0.05
    assert agreed > 0.3


@pytest.mark.parametrize("name", ["nearest", "consensus"])
@pytest.mark.slow
def test_a_column_that_tells_nothing_does_not_lower_the_bars(name):
    rng = np.random.default_rng(0)
    noun, color = rng.integers(0, 6, 300), rng.integers(0, 4, 300)
    seen = np.concatenate([np.eye(6)[noun], np.eye(4)[color]], axis=1) + 0.3 * rng.normal(size=(300, 10))
    texts = [
        f"a {'red blue green gray'.split()[c]} {'bus dog cat boat horse train'.split()[k]}"
        for k, c in zip(noun, color, strict=True)
    ]
    noise = rng.normal(size=(300, 1))

    def right(views):
        part = registry.make("generate", name, seed=0).fit({v: x[:200] for v, x in views.items()}, texts[:200])
        return float(part.score({v: x[200:] for v, x in views.items()}, texts[200:]))

    alone = right({"photo": seen})
    assert right({"photo": seen, "number": noise}) > alone - 0.15
    assert right({"number": noise, "photo": seen}) > alone - 0.15
