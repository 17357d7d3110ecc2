"""Losses against slow, obvious numpy versions, finite differences and planted answers; heads in numpy and in torch."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp

from chiasm.errors import ChiasmError
from chiasm.nn.blocks import HEADS, ArrayOps, TensorOps, head
from chiasm.nn.losses import infonce, klot, sigmoid, sinkhorn, streamed_infonce, structure, triplet


def vectors(n=37, k=6, seed=0, length=1.0):
    rng = np.random.default_rng(seed)
    both = []
    for _ in range(2):
        rows = rng.normal(size=(n, k))
        both.append(torch.tensor(length * rows / np.linalg.norm(rows, axis=1, keepdims=True)))
    return both


def known_infonce(a, b, scale, same=None):
    logits = scale * np.asarray(a) @ np.asarray(b).T
    if same is not None:
        for i in range(len(logits)):
            for j in range(len(logits)):
                if i != j and (np.asarray(same)[i] == np.asarray(same)[j]).any():
                    logits[i, j] = -np.inf
    return -(np.diag(log_softmax(logits, axis=1)) + np.diag(log_softmax(logits, axis=0))).mean() / 2


def known_triplet(a, b, margin, negatives):
    scores = np.asarray(a) @ np.asarray(b).T
    total = 0.0
    for s in (scores, scores.T):
        for i in range(len(s)):
            wrong = np.delete(s[i], i)
            if negatives == "all":
                total += np.maximum(0, margin + wrong - s[i, i]).sum()
                continue
            if negatives == "semihard":
                wrong = [w for w in wrong if w < s[i, i]] or [wrong.min()]
            total += max(0, margin + max(wrong) - s[i, i])
    return total / len(scores)


def gradients(function, *values):
    leaves = [value.detach().clone().requires_grad_() for value in values]
    loss = function(*leaves)
    loss.backward()
    return loss.item(), [leaf.grad for leaf in leaves]


SAME = torch.tensor([[i // 3, 100 + i % 9] for i in range(37)])
SCALE = torch.tensor(14.0, dtype=torch.float64)


@pytest.mark.parametrize("same", [None, SAME], ids=["distinct", "alike"])
def test_infonce_equals_cross_entropy_both_ways_in_numpy(same):
    a, b = vectors()
    assert float(infonce(a, b, 14.0, same)) == pytest.approx(known_infonce(a, b, 14.0, same), abs=1e-9)


@pytest.mark.parametrize("tile", [1, 5, 16, 36, 37, 4096])
@pytest.mark.parametrize("same", [None, SAME], ids=["distinct", "alike"])
@pytest.mark.parametrize("length", [0.3, 1.0, 8.0], ids=["smooth", "unit", "wild"])
def test_the_streamed_loss_and_its_gradients_equal_those_of_the_full_matrix(tile, same, length):
    """At length 8 similarities span 1,800: rows whose own maximum lies far below the tile's take the careful way."""
    a, b = vectors(length=length)
    full, known = gradients(lambda x, y, s: infonce(x, y, s, same), a, b, SCALE)
    tiled, found = gradients(lambda x, y, s: streamed_infonce(x, y, s, same, tile), a, b, SCALE)
    assert tiled == pytest.approx(full, abs=1e-6, rel=1e-12)
    for mine, theirs in zip(found, known, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-9 * float(theirs.abs().max()))


def test_the_streamed_loss_passes_the_check_by_finite_differences():
    a, b = (v.requires_grad_() for v in vectors(n=11, k=4))
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    same = torch.tensor([[0], [0], *([i] for i in range(2, 11))])
    assert torch.autograd.gradcheck(lambda x, y, s: streamed_infonce(x, y, s, None, 4), (a, b, scale))
    assert torch.autograd.gradcheck(lambda x, y, s: streamed_infonce(x, y, s, same, 4), (a, b, scale))


def test_the_streamed_loss_is_exact_in_float32_where_rows_differ_by_more_than_float32_holds():
    a, b = vectors(n=300, k=4)
    full, known = gradients(lambda x, y: infonce(x, y, 100.0), a, b)
    tiled, found = gradients(lambda x, y: streamed_infonce(x, y, 100.0, tile=64), a.float(), b.float())
    assert tiled == pytest.approx(full, rel=1e-5)
    for mine, theirs in zip(found, known, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5 * float(theirs.abs().max()))


def test_items_that_are_alike_everywhere_leave_nothing_to_tell_apart():
    a, b = vectors()
    alike = torch.zeros((37, 1), dtype=torch.int64)
    for tile in (8, 64):
        assert float(streamed_infonce(a, b, 14.0, alike, tile)) == pytest.approx(0, abs=1e-12)


def test_sigmoid_equals_the_formula_of_siglip():
    a, b = vectors()
    logits = 10 * np.asarray(a) @ np.asarray(b).T - 10
    z = 2 * np.eye(37) - 1
    known = np.logaddexp(0, -z * logits).sum() / 37
    assert float(sigmoid(a, b, 10.0, -10.0)) == pytest.approx(known, abs=1e-9)
    assert float(sigmoid(a, b, 10.0, -10.0, torch.zeros((37, 1)))) == pytest.approx(
        np.logaddexp(0, -np.diag(logits)).mean(), abs=1e-9
    )


@pytest.mark.parametrize("negatives", ["hardest", "semihard", "all"])
def test_triplet_equals_the_loop_over_rows(negatives):
    a, b = vectors()
    b = 0.7 * a + 0.3 * b
    assert float(triplet(a, b, 0.2, negatives)) == pytest.approx(known_triplet(a, b, 0.2, negatives), abs=1e-9)


def test_the_planted_hard_negative_alone_is_pushed_away():
    """Item 5 is nearly item 0's partner: the hardest-negative loss of row 0 pulls at 0 and 5 and at nothing else."""
    a = torch.eye(8, dtype=torch.float64)
    b = torch.eye(8, dtype=torch.float64)
    b[5] = 0.6 * a[5] + 0.8 * a[0]
    b = b.requires_grad_()
    triplet(a, b, 0.3, "hardest").backward()
    assert np.flatnonzero(b.grad[:, 0].abs()).tolist() == [0, 5]
    assert b.grad[5, 0] > 0 > b.grad[0, 0]


def test_unknown_negatives_are_one_sentence():
    with pytest.raises(ChiasmError, match="no kind of negatives named 'hard'"):
        triplet(*vectors(), negatives="hard")


def test_structure_is_zero_where_a_map_keeps_all_similarities_and_grows_as_it_bends_them():
    x, y = vectors(n=40, k=8)
    rotation = torch.linalg.qr(torch.tensor(np.random.default_rng(1).normal(size=(8, 8))))[0]
    assert float(structure(x, 3 * x @ rotation, levels=3)) == pytest.approx(0, abs=1e-12)
    bent = [float(structure(x, (1 - t) * x + t * y)) for t in (0.1, 0.3, 0.6)]
    assert 0 < bent[0] < bent[1] < bent[2]


def test_structure_equals_the_divergence_by_hand():
    x, y = (np.asarray(v) for v in vectors(n=9, k=4))

    def neighbors(rows):
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows - rows.mean(axis=0)
        return np.exp(log_softmax(rows @ rows.T / 0.1, axis=1))

    p, q = neighbors(x), neighbors(y)
    known = 0.0
    for level in (1, 2):
        left, right = np.linalg.matrix_power(p, level), np.linalg.matrix_power(q, level)
        middle = (left + right) / 2
        both = left * np.log(left / middle) + right * np.log(right / middle)
        known += both.sum(axis=1).mean() / 2 / level
    assert float(structure(torch.tensor(x), torch.tensor(y), levels=2)) == pytest.approx(known, abs=1e-9)


@pytest.mark.parametrize("epsilon", [0.05, 0.005])
def test_sinkhorn_equals_the_iteration_on_logarithms(epsilon):
    a, b = vectors(n=60, k=5)
    scores = np.asarray(a @ b[:48].T)
    g = np.full((1, 48), -np.log(48))
    for _ in range(3000):
        f = -np.log(60) - logsumexp(scores / epsilon + g, axis=1, keepdims=True)
        g = -np.log(48) - logsumexp(scores / epsilon + f, axis=0, keepdims=True)
    plan = sinkhorn(torch.tensor(scores), epsilon, 3000)
    np.testing.assert_allclose(plan, np.exp(scores / epsilon + f + g), atol=2e-5)
    np.testing.assert_allclose(plan.sum(0), np.full(48, 1 / 48), rtol=1e-9)
    assert sinkhorn(torch.tensor(scores, dtype=torch.float32), epsilon, 3000).numpy() == pytest.approx(
        plan.numpy(), abs=1e-5
    )


def test_sinkhorn_says_when_epsilon_is_too_small_for_it():
    with pytest.raises(ChiasmError, match="within 600 epsilon"):
        sinkhorn(torch.tensor([[1.0, -1.0], [0.0, 1.0]]), 0.001)


def test_the_gradient_of_klot_is_that_of_the_divergence_through_the_whole_iteration():
    a, b = vectors(n=12, k=5)
    plan = sinkhorn(b @ a.T, 0.05, 2000)
    scores = (a @ b.T).requires_grad_()
    klot(scores, plan, 0.2, 2000).backward()

    def divergence(values):
        g = torch.zeros(1, 12, dtype=torch.float64)
        for _ in range(500):
            f = -np.log(12) - torch.logsumexp(values / 0.2 + g, 1, keepdim=True)
            g = -np.log(12) - torch.logsumexp(values / 0.2 + f, 0, keepdim=True)
        return (plan * (plan.log() - (values / 0.2 + f + g))).sum()

    again = scores.detach().clone().requires_grad_()
    value = divergence(again)
    value.backward()
    assert klot(scores, plan, 0.2, 2000).item() == pytest.approx(value.item(), abs=1e-4)
    # along the marginals, which both plans share, the divergence is flat: compared without row and column means
    bare = [g - g.mean(0) - g.mean(1, keepdim=True) + g.mean() for g in (scores.grad, again.grad)]
    np.testing.assert_allclose(bare[0], bare[1], atol=1e-4)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("started", [False, True], ids=["random", "from a map"])
def test_a_head_gives_in_numpy_what_it_gives_in_torch(name, started):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(20, 7)).astype(np.float32) if started else None
    params = head(name).init(20, 7, rng, matrix)
    params = {n: v + 0.1 * rng.normal(size=v.shape).astype(np.float32) for n, v in params.items()}
    x = rng.normal(size=(50, 20)).astype(np.float32)
    arrays = head(name).forward(params, x, ArrayOps(), 0.0)
    tensors = head(name).forward(
        {n: torch.tensor(v) for n, v in params.items()}, torch.tensor(x), TensorOps(torch.Generator()), 0.0
    )
    assert arrays.dtype == np.float32
    np.testing.assert_allclose(arrays, tensors, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "tolerance"), [("linear", 1e-6), ("residual", 1e-6), ("mlp", 0.3), ("gated", 0.3)])
def test_a_head_starts_as_the_map_that_it_is_given(name, tolerance):
    """The MLP's norm takes each row's mean and length out, the gate is nearly open: so they start close to the map."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(40, 7))
    x = rng.normal(size=(200, 40)).astype(np.float32)
    mapped = head(name).forward(head(name).init(40, 7, rng, matrix), x, ArrayOps(), 0.0)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (mapped, x @ matrix)]
    assert np.linalg.norm(unit[0] - unit[1], axis=1).mean() < tolerance


def test_dropout_keeps_the_mean_and_the_seed_decides_it():
    x = torch.ones(400, 100)
    one, two = (TensorOps(torch.Generator().manual_seed(3)).dropout(x, 0.6) for _ in range(2))
    assert torch.equal(one, two)
    assert float(one.mean()) == pytest.approx(1, abs=0.02)
    assert sorted(one.unique().tolist()) == pytest.approx([0, 2.5])
