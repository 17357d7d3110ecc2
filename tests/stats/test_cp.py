"""The CP decomposition: planted terms are found, also in noise and of four axes; agrees with tensorly where it is."""

import numpy as np
import pytest

from chiasm.stats.cp import composed, cp


def planted(shape, k, seed=0):
    """Weights falling from 3 to 1, and columns of length 1 at random angles."""
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=(d, k)) for d in shape]
    return np.linspace(3, 1, k), [factor / np.linalg.norm(factor, axis=0) for factor in factors]


def alike(factors, found):
    """`(k,)` by planted term the cosine of the found term that is nearest to it."""
    return np.prod([a.T @ b for a, b in zip(factors, found, strict=True)], axis=0).max(axis=1)


@pytest.mark.parametrize("shape", [(12, 10, 8), (30, 30, 30), (8, 7, 6, 5)])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_planted_terms_are_found(shape, noise):
    weights, factors = planted(shape, 4)
    tensor = composed(weights, factors) + noise * np.random.default_rng(1).normal(size=shape)
    found, vectors = cp(tensor, 4)
    assert alike(factors, vectors).min() > 0.99
    np.testing.assert_allclose(found, weights, atol=0.1)
    assert all(np.allclose(np.linalg.norm(one, axis=0), 1) for one in vectors)


def test_terms_composed_are_the_sum_of_outer_products():
    weights, factors = planted((3, 4, 5), 2)
    known = sum(
        w * np.einsum("i,j,k->ijk", *columns) for w, *columns in zip(weights, *(f.T for f in factors), strict=True)
    )
    np.testing.assert_allclose(composed(weights, factors), known, atol=1e-12)


def test_more_terms_than_an_axis_is_long_and_a_tensor_of_zeros_are_finite():
    weights, factors = planted((4, 4, 4), 6)
    found, vectors = cp(composed(weights, factors), 6)
    assert np.linalg.norm(composed(found, vectors) - composed(weights, factors)) < 0.1
    for values in (cp(np.zeros((3, 3, 3)), 2)[0], *cp(np.zeros((3, 3, 3)), 2)[1]):
        assert np.isfinite(values).all()


def test_it_fits_as_well_as_tensorly():
    decomposition = pytest.importorskip("tensorly.decomposition")
    weights, factors = planted((12, 10, 8), 4)
    tensor = composed(weights, factors) + 0.02 * np.random.default_rng(1).normal(size=(12, 10, 8))
    known = decomposition.parafac(tensor, 4, normalize_factors=True, n_iter_max=500, tol=1e-10, random_state=0)
    found, vectors = cp(tensor, 4)
    np.testing.assert_allclose(found, np.sort(known.weights)[::-1], rtol=1e-3)
    assert alike(known.factors, vectors).min() > 0.999
