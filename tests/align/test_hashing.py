"""Codes keep what belongs together together: turned spaces lose less by their signs than random ones."""

import numpy as np
import pytest

from chiasm.align.cca import CCA
from chiasm.align.hashing import Hashing, _turned, signs
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.views import normalize


def pair(n=900, seed=0):
    """Pairs that share twelve directions, of which some say far more than others."""
    a, b = planted_pair(n, correlations=(0.99, 0.99, 0.98, 0.98, *np.linspace(0.9, 0.5, 8)), seed=seed)
    return {"a": a, "b": b}


def parts(views, at=600):
    return [{name: rows[some] for name, rows in views.items()} for some in (slice(at), slice(at, None))]


def test_codes_are_signs_and_their_cosine_counts_the_bits_that_differ():
    learned, held = parts(pair())
    mapped = Hashing(k=24).fit(learned).transform(held)
    a, b = (np.asarray(mapped[name].items) for name in "ab")
    assert a.dtype == np.float32
    assert set(np.unique(a)) == set(np.unique(b)) == {-1.0, 1.0}
    apart = (a[:, None] != b[None]).sum(axis=2)
    np.testing.assert_allclose(normalize(a) @ normalize(b).T, 1 - 2 * apart / 24, atol=1e-6)


def test_turned_codes_find_more_than_random_planes_and_more_bits_keep_more():
    found = {}
    for seed in range(3):
        learned, held = parts(pair(seed=seed))
        found.setdefault("floats", []).append(float(CCA().fit(learned).score(held)))
        for k in (16, 64):
            for rotation in ("itq", "random"):
                model = Hashing(k=k, rotation=rotation, seed=seed).fit(learned)
                found.setdefault((k, rotation), []).append(float(model.score(held)))
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    assert mean[16, "itq"] > 1.3 * mean[16, "random"]
    assert mean[64, "itq"] > mean[64, "random"] > mean[16, "random"]
    assert mean["floats"] > mean[64, "itq"] > mean[16, "itq"] > 10 / 300  # chance is 1/300


@pytest.mark.parametrize(("width", "bits"), [(20, 8), (20, 40), (16, 16)])
def test_a_turn_loses_less_by_its_signs_than_where_it_began(width, bits):
    rng = np.random.default_rng(0)
    rows = normalize(rng.normal(size=(500, width)) @ np.diag(1 / np.arange(1, width + 1)))
    turn = _turned(rows, bits, "itq", np.random.default_rng(1))
    small = turn @ turn.T if bits > width else turn.T @ turn
    np.testing.assert_allclose(small, np.eye(min(width, bits)), atol=1e-9)

    def along(turn):
        return np.abs(rows @ turn).mean()  # |sign(y R) - y R|^2 falls as this grows

    drawn = np.linalg.svd(np.random.default_rng(1).normal(size=(width, bits)), full_matrices=False)
    assert along(turn) > 1.05 * along(drawn[0] @ drawn[2])


def test_without_a_turn_a_bit_is_the_sign_of_an_axis():
    learned, held = parts(pair())
    space = CCA(k=8, ridge=1.0).fit(learned)
    model = Hashing(k=8, rotation="none", start=CCA(k=8, ridge=1.0)).fit(learned)
    for name in "ab":
        np.testing.assert_array_equal(model.transform(held)[name].items, signs(space.transform(held)[name].items))


def test_a_third_view_and_absent_rows_have_codes_too():
    views = pair()
    views["c"] = views["a"] @ np.random.default_rng(3).normal(size=(views["a"].shape[1], 9))
    learned, held = parts(views)
    model = Hashing(k=64).fit(learned)
    assert {name: column.width for name, column in model.transform(held).columns.items()} == dict.fromkeys("abc", 64)
    assert float(model.score(held)) > 0.1


@pytest.mark.parametrize("params", [{"k": 12}, {"k": 0}, {"rotation": "ITQ"}, {"start": "kcca"}])
def test_what_makes_no_codes_is_refused_by_name(params):
    with pytest.raises(ChiasmError, match=next(iter(params)) if "start" not in params else "linear aligner"):
        Hashing(**params).fit(parts(pair())[0])
