"""The transformer that writes: numpy equals torch, nothing ahead is seen, the prefix and present patches count."""

import numpy as np
import pytest

from chiasm.nn.blocks import ArrayOps
from chiasm.nn.decoder import Shape, logits, start, states

SHAPE = Shape(pieces=30, length=9, seen=5, patch=6, width=16, depth=2, prefix=3)


def given(seed=0):
    rng = np.random.default_rng(seed)
    params = start(SHAPE, rng)
    ids = rng.integers(3, 30, (4, 7))
    seen = rng.normal(size=(4, 5)).astype(np.float32)
    patches = rng.normal(size=(4, 8, 6)).astype(np.float32), np.arange(8) < np.array([[8], [3], [5], [1]])
    return params, ids, seen, patches


def test_numpy_and_torch_tell_the_same():
    torch = pytest.importorskip("torch")
    from chiasm.nn.blocks import TensorOps

    params, ids, seen, patches = given()
    ours, weights = states(params, ids, seen, ArrayOps(), 0.0, patches)
    tensors = {name: torch.tensor(value) for name, value in params.items()}
    theirs, told = states(
        tensors, torch.tensor(ids), torch.tensor(seen), TensorOps(torch.Generator()), 0.0,
        tuple(torch.as_tensor(part) for part in patches),
    )  # fmt: skip
    assert ours == pytest.approx(theirs.numpy(), abs=1e-5)
    assert weights == pytest.approx(told.numpy(), abs=1e-5)
    assert logits(params, ours).shape == (4, 7, 30)


def test_a_piece_sees_what_is_before_it_and_nothing_after():
    params, ids, seen, patches = given()
    before, _ = states(params, ids, seen, ArrayOps(), 0.0, patches)
    ids[:, 4:] = 3
    after, _ = states(params, ids, seen, ArrayOps(), 0.0, patches)
    assert before[:, :4] == pytest.approx(after[:, :4], abs=1e-6)
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 1e-3


def test_what_is_seen_counts_and_patches_that_are_not_there_do_not():
    params, ids, seen, (values, there) = given()
    whole, weights = states(params, ids, seen, ArrayOps(), 0.0, (values, there))
    other, _ = states(params, ids, -seen, ArrayOps(), 0.0, (values, there))
    assert np.abs(whole - other).max() > 1e-3
    noise = np.where(there[..., None], values, 99.0).astype(np.float32)
    same, _ = states(params, ids, seen, ArrayOps(), 0.0, (noise, there))
    assert whole == pytest.approx(same, abs=1e-6)
    assert weights.sum(axis=-1) == pytest.approx(np.ones((4, 7)), abs=1e-5)
    assert np.all(weights[~np.broadcast_to(there[:, None], weights.shape)] == 0)
