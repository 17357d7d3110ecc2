"""Losses over paired rows: contrastive (also exact in constant memory), sigmoid, triplet, structure, transport.

And `answer`, of what a row is asked.

All take vectors `(n, k)` of two views, row i of one belonging to row i of the other, of length 1 where the paper says
so, and return a scalar. Importing this module imports torch.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from chiasm.errors import ChiasmError, unknown

__all__ = [
    "answer",
    "barlow",
    "infonce",
    "klot",
    "sigmoid",
    "sinkhorn",
    "streamed_infonce",
    "structure",
    "total_correlation",
    "triplet",
    "vicreg",
]

TILE = 4096
"""Rows and columns of the tile of `streamed_infonce`: 64 MiB in float32. Smaller ones are slower."""

_STRIP = 1024
"""Rows of a tile that are worked on at once, so that they stay near the processor."""

_SAFE = 60.0
"""How far below the shared maximum a row's own may lie: what exp drops (87 below) is then under exp(-27) of its sum."""


def answer(out: Tensor, truth: Tensor, kind: str) -> Tensor:
    """`(..., n)` of outputs and truth `(..., n, c)`: cross-entropy, of tags each on its own, or squared error."""
    if kind == "numbers":
        return torch.nn.functional.mse_loss(out, truth, reduction="none").mean(-1)
    if kind == "tags":
        return torch.nn.functional.binary_cross_entropy_with_logits(out, truth, reduction="none").mean(-1)
    return -(out.log_softmax(-1) * truth).sum(-1)


def infonce(a: Tensor, b: Tensor, scale: Tensor | float, same: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE: the mean of -log softmax of a row's own pair, over rows and over columns.

    With S = scale a b': mean_i (logsumexp_j S_ij + logsumexp_j S_ji) / 2 - S_ii. Holds the `(n, n)` matrix; from some
    thousand rows on `streamed_infonce` gives the same without.

    Args:
        same: `(n, m)` integers; two rows that are equal in any column (one caption of two pictures, two captions of
            one picture) are no negatives of each other.

    Source: van den Oord et al. 2018; Radford et al. 2021 (symmetric).
    """
    logits = scale * a @ b.T
    if same is not None:
        logits = logits.masked_fill(_alike(same, same, 0), -torch.inf)
    own = logits.diagonal()
    return ((logits.logsumexp(1) + logits.logsumexp(0)) / 2 - own).mean()


def streamed_infonce(
    a: Tensor, b: Tensor, scale: Tensor | float, same: Tensor | None = None, tile: int = TILE
) -> Tensor:
    """`infonce`, exact, in tiles: memory beyond the inputs and their gradients is one tile (two where similarities
    differ wildly, or with `same`), whatever n.

    The forward pass streams the log-sum-exp of rows and columns, the backward pass computes each tile again and adds
    to both gradients: 8 n^2 k operations and no `(n, n)` matrix. The scale (above 0) has a gradient too.

    Source: the idea of Gao et al. 2021 (GradCache) and Cheng et al. 2024 (Inf-CL), for one process.
    """
    factor = torch.as_tensor(scale, dtype=a.dtype, device=a.device)
    loss: Tensor = _Streamed.apply(a, b, factor, same, tile)
    return loss


class _Streamed(torch.autograd.Function):  # type: ignore[misc]
    """One exponential an entry and pass, against a maximum shared by the tile; where rows differ too much, two."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, scale: Tensor, same: Tensor | None, tile: int) -> Tensor:
        rows, columns = (torch.full((len(a),), -torch.inf, dtype=a.dtype, device=a.device) for _ in range(2))
        for i, j, logits in _tiles(a, b, scale, same, tile):
            peak = logits.max()
            if torch.isneginf(peak):  # a tile of items that are all alike
                continue
            logits.sub_(peak).exp_()
            down, across = logits.sum(0), logits.sum(1)
            if torch.minimum(down.min(), across.min()) > math.exp(-_SAFE):
                down, across = down.log_().add_(peak), across.log_().add_(peak)
            else:
                again = _tile(a[i], b[j], scale, logits)
                _hide(again, same, i, j)
                down, across = again.logsumexp(0), again.logsumexp(1)
            rows[i] = torch.logaddexp(rows[i], across)
            columns[j] = torch.logaddexp(columns[j], down)
        own = scale * torch.linalg.vecdot(a, b)
        ctx.save_for_backward(a, b, scale, rows, columns)
        ctx.same, ctx.tile = same, tile
        return ((rows + columns) / 2 - own).mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b, scale, rows, columns = ctx.saved_tensors
        share = float(grad) / (2 * len(a))
        factor = float(scale)
        grad_a, grad_b = b * (-2 * share * factor), a * (-2 * share * factor)
        for i, j, logits in _tiles(a, b, scale, ctx.same, ctx.tile):
            peak = torch.minimum(rows[i].max(), columns[j].max())  # no entry lies above
            close = torch.maximum(peak - rows[i].min(), peak - columns[j].min()) < _SAFE
            down = (peak - columns[j]).exp_().mul_(share)
            for strip, total in zip(logits.split(_STRIP), rows[i].split(_STRIP), strict=True):
                if close:
                    across = (peak - total).exp_().mul_(share)
                    strip.sub_(peak).exp_().mul_(across[:, None] + down)
                else:
                    turned = (strip - columns[j]).exp_()
                    strip.sub_(total[:, None]).exp_().add_(turned).mul_(share)
            grad_a[i].addmm_(logits, b[j], alpha=factor)
            grad_b[j].addmm_(logits.T, a[i], alpha=factor)
        parts = zip(grad_a.split(ctx.tile), a.split(ctx.tile), strict=True)
        grad_scale = sum(torch.linalg.vecdot(g, x).sum() for g, x in parts) / scale
        return grad_a, grad_b, grad_scale, None, None


def _tiles(a: Tensor, b: Tensor, scale: Tensor, same: Tensor | None, tile: int) -> Any:
    """Every tile of scale a b' as (rows, columns, logits), in one buffer that is used again."""
    n = len(a)
    buffer = a.new_empty(min(tile, n) ** 2)
    for row in range(0, n, tile):
        for column in range(0, n, tile):
            i, j = slice(row, min(row + tile, n)), slice(column, min(column + tile, n))
            shape = (i.stop - i.start, j.stop - j.start)
            logits = _tile(a[i], b[j], scale, buffer[: shape[0] * shape[1]].view(shape))
            _hide(logits, same, i, j)
            yield i, j, logits


def _tile(a: Tensor, b: Tensor, scale: Tensor, out: Tensor) -> Tensor:
    return torch.addmm(out, a, b.T, beta=0, alpha=float(scale), out=out)


def _hide(logits: Tensor, same: Tensor | None, i: slice, j: slice) -> None:
    if same is not None:
        logits.masked_fill_(_alike(same[i], same[j], i.start - j.start), -torch.inf)


def _alike(left: Tensor, right: Tensor, shift: int) -> Tensor:
    """Which rows are equal in any column, a row and itself (`shift` below the tile's diagonal) excepted."""
    alike = left[:, None, 0] == right[None, :, 0]
    for column in range(1, left.shape[1]):
        alike |= left[:, None, column] == right[None, :, column]
    alike.diagonal(-shift)[:] = False
    return alike


def sigmoid(a: Tensor, b: Tensor, scale: Tensor | float, bias: Tensor | float, same: Tensor | None = None) -> Tensor:
    """Every pair of the batch is a yes-or-no question: -1/n sum_ij log sigmoid(z_ij (scale a_i.b_j + bias)).

    z is 1 on the diagonal and -1 elsewhere; rows alike in `same` are left out. Source: SigLIP, Zhai et al. 2023.
    """
    logits = scale * a @ b.T + bias
    yes = torch.eye(len(a), dtype=torch.bool, device=a.device)
    terms = torch.nn.functional.logsigmoid(torch.where(yes, logits, -logits))
    if same is not None:
        terms = terms.masked_fill(_alike(same, same, 0), 0)
    return -terms.sum() / len(a)


def triplet(
    a: Tensor, b: Tensor, margin: float = 0.2, negatives: str = "semihard", same: Tensor | None = None
) -> Tensor:
    """A pair is to be closer than a wrong pair by a margin: mean_i max(0, margin + s(wrong) - s_ii), both ways summed.

    Args:
        negatives: "hardest" takes each row's closest wrong item (Faghri et al. 2018, VSE++); "semihard" the closest
            among those further away than the right one, else the furthest of all (Schroff et al. 2015), which is
            calmer at the start; "all" sums over every wrong item.
    """
    if negatives not in ("hardest", "semihard", "all"):
        raise unknown("kind of negatives", negatives, ("hardest", "semihard", "all"))
    scores = a @ b.T
    own = scores.diagonal()[:, None]
    wrong = ~torch.eye(len(a), dtype=torch.bool, device=a.device)
    if same is not None:
        wrong &= ~_alike(same, same, 0)
    total = scores.new_zeros(())
    for values in (scores, scores.T):
        if negatives == "all":
            total = total + (margin + values - own).clamp_min(0).masked_fill(~wrong, 0).sum() / len(a)
            continue
        allowed = values.masked_fill(~wrong, -torch.inf)
        hardest = allowed.amax(1, keepdim=True)
        if negatives == "semihard":
            softer = allowed.masked_fill(values >= own, -torch.inf).amax(1, keepdim=True)
            furthest = values.masked_fill(~wrong, torch.inf).amin(1, keepdim=True)
            hardest = torch.where(softer.isfinite(), softer, torch.where(furthest.isfinite(), furthest, hardest))
        total = total + (margin + hardest - own).clamp_min(0).mean()
    return total


def total_correlation(a: Tensor, b: Tensor, ridge: float) -> Tensor:
    """The sum of the canonical correlations of rows `(n, k)` and `(n, k')`: singular values of S_a^-1/2 S_ab S_b^-1/2.

    In float64; `ridge` x the mean variance stands on the diagonals of S_a and S_b. n is to be larger than k and k'.

    Source: Andrew et al. 2013.
    """
    apart = [(rows - rows.mean(dim=0)).double() for rows in (a, b)]
    n = max(len(a) - 1, 1)
    roots = []
    for rows in apart:
        own = rows.T @ rows / n
        own = own + (ridge * own.diagonal().mean() + 1e-12) * torch.eye(len(own), dtype=own.dtype, device=own.device)
        roots.append(torch.linalg.cholesky(own))
    crossed = apart[0].T @ apart[1] / n
    half = torch.linalg.solve_triangular(roots[0], crossed, upper=False)
    whole = torch.linalg.solve_triangular(roots[1], half.T, upper=False)
    found: Tensor = torch.linalg.svdvals(whole).sum()
    return found


def vicreg(a: Tensor, b: Tensor, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0) -> Tensor:
    """Pairs are near, every direction of a view varies, and no two say the same: no row is pushed from another.

    invariance x mean (a - b)^2 + variance x mean_j max(0, 1 - sd_j) + covariance x sum_{i != j} C_ij^2 / k, the last
    two summed over both views; sd and C are a batch's.

    Source: Bardes et al. 2022 (VICReg).
    """
    loss = invariance * (a - b).square().mean()
    for rows in (a, b):
        apart = rows - rows.mean(dim=0)
        spread = (apart.square().sum(dim=0) / max(len(rows) - 1, 1) + 1e-4).sqrt()
        shared = apart.T @ apart / max(len(rows) - 1, 1)
        crossed = shared.square().sum() - shared.diagonal().square().sum()
        loss = loss + variance * (1 - spread).clamp(min=0).mean() + covariance * crossed / rows.shape[1]
    return loss


def barlow(a: Tensor, b: Tensor, redundancy: float = 0.005) -> Tensor:
    """The views' cross correlation over a batch is to be the identity: mean (1 - C_jj)^2 + redundancy x the others'.

    Source: Zbontar et al. 2021 (Barlow Twins).
    """
    units = [(rows - rows.mean(dim=0)) / (rows.std(dim=0, correction=0) + 1e-4) for rows in (a, b)]
    crossed = units[0].T @ units[1] / len(a)
    own = crossed.diagonal()
    return ((1 - own).square().sum() + redundancy * (crossed.square().sum() - own.square().sum())) / len(own)


def structure(original: Tensor, aligned: Tensor, levels: int = 1, temperature: float = 0.1) -> Tensor:
    """How far a map bends the similarities within one view, 0 where it keeps them all: to be added to a loss.

    Rows are scaled to length 1, then centered; P = softmax(E E' / temperature) by row, of the originals and of the
    mapped rows; the Jensen-Shannon divergence between the two, and between their l-th powers weighted 1 / l up to
    `levels`, is averaged over rows. Source: STRUCTURE, Groeger et al. 2025, arXiv 2506.16895.
    """
    with torch.no_grad():
        before = first_before = _neighbors(original, temperature)
    after = first_after = _neighbors(aligned, temperature)
    total = _divergence(before, after)
    for level in range(2, levels + 1):
        before, after = before @ first_before, after @ first_after
        total = total + _divergence(before, after) / level
    return total


def _neighbors(rows: Tensor, temperature: float) -> Tensor:
    unit = torch.nn.functional.normalize(rows, dim=1)
    unit = unit - unit.mean(0)
    return torch.softmax(unit @ unit.T / temperature, dim=1)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon, in nats, the mean over rows."""
    middle = ((p + q) / 2).clamp_min(1e-30).log()
    left, right = (x * (x.clamp_min(1e-30).log() - middle) for x in (p, q))
    return (left + right).sum(1).mean() / 2


def klot(similarity: Tensor, plan: Tensor, epsilon: float = 0.05, iterations: int = 100) -> Tensor:
    """KL(plan || sinkhorn(similarity / epsilon)): how far a transport plan is from a teacher's `plan`, `(n, m)`.

    The gradient is (sinkhorn(similarity / epsilon) - plan) / epsilon: nothing flows through the iterations.
    Source: SOTAlign, 2026.
    """
    mine = sinkhorn(similarity, epsilon, iterations)
    pull = ((mine - plan) / epsilon * similarity).sum()
    value = (plan * (plan.clamp_min(1e-30).log() - mine.clamp_min(1e-30).log())).sum()
    return pull + (value - pull).detach()


@torch.no_grad()  # type: ignore[untyped-decorator]
def sinkhorn(similarity: Tensor, epsilon: float, iterations: int = 100) -> Tensor:
    """The transport plan `(n, m)` between uniform marginals that favors what is similar, smoothed by epsilon.

    diag(u) exp(K / epsilon) diag(v), which is as exact as iterating on logarithms while K / epsilon spans less than
    600 (in float64 where it spans more than 60), and 10 times faster. It ends early once a round changes v by less than
    1e-4. Source: Cuturi 2013.
    """
    scaled = similarity / epsilon
    scaled = scaled - scaled.amax(1, keepdim=True)
    span = -float(scaled.min())
    if span > 600:
        raise ChiasmError(f"wanted similarities within 600 epsilon of each other, got {span:.0f}.")
    kernel = (scaled if span < 60 else scaled.double()).exp()
    n, m = kernel.shape
    v = torch.full((m,), 1 / m, dtype=kernel.dtype, device=kernel.device)
    for i in range(iterations):
        u = torch.mv(kernel, v).mul_(n).reciprocal_()
        before, v = v, torch.mv(kernel.T, u).mul_(m).reciprocal_()
        if i % 10 == 9 and torch.allclose(v, before, rtol=1e-4, atol=0):
            break
    return (u[:, None] * kernel * v).to(similarity.dtype)
