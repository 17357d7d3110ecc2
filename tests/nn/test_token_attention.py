"""Attention among tokens against torch's own and its formulas."""

import numpy as np
import torch

from chiasm.nn.attention import attend, coattend
from chiasm.nn.blocks import ArrayOps


def test_attention_is_torch_s_own():
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(3, t, 8)).astype(np.float32) for t in (4, 5, 5))
    there = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1]], bool)
    found, weights = attend(q, k, v, there[:, None], ArrayOps(), heads=2)
    parts = [torch.tensor(x).reshape(3, -1, 2, 4).transpose(1, 2) for x in (q, k, v)]
    known = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=torch.tensor(there)[:, None, None])
    np.testing.assert_allclose(found, known.transpose(1, 2).reshape(3, 4, 8), atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)
    assert (weights[1][..., ~there[1]] == 0).all()


def test_what_is_there_of_nothing_is_nothing():
    x, none = np.ones((2, 3, 4), np.float32), np.zeros((2, 3), bool)
    found, weights = attend(x, x, x, none[:, None], ArrayOps())
    assert not found.any()
    assert not weights.any()


def test_an_affinity_gives_both_ways_their_softmax():
    rng = np.random.default_rng(0)
    affinity, x, y = (rng.normal(size=size).astype(np.float32) for size in ((4, 4), (2, 3, 4), (2, 5, 4)))
    on, back = coattend(affinity, x, y, np.ones((2, 3), bool), np.ones((2, 5), bool), ArrayOps())
    scores = np.exp(np.einsum("nti,ij,nsj->nts", x, affinity, y) / 2)
    np.testing.assert_allclose(on, scores / scores.sum(axis=2, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(back, np.swapaxes(scores / scores.sum(axis=1, keepdims=True), 1, 2), rtol=1e-4)
