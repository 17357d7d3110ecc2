"""Discriminators of views: how well two views' rows are told apart, as a loss that falls where they are not."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["Discriminators", "discrepancy"]

_WIDTHS = 5
_HIDDEN = 128
_STEPS = 4
"""Of a discriminator, for each of what it judges: with one it falls behind, and the heads win against a blunt judge."""
_RATE = 3e-3


def discrepancy(a: Tensor, b: Tensor) -> Tensor:
    """The squared maximum mean discrepancy of rows `(n, k)` of length 1, without bias: 0 on average for one source.

    mean k(a, a') + mean k(b, b') - 2 mean k(a, b') over rows of different positions (row i of one belongs to row i of
    the other), with k(x, y) the mean of exp(-g |x - y|^2) over g = 1/2, 1, 2, 4, 8: what the best function of that
    kernel's space tells of where a row came from. Source: Gretton et al. 2012.
    """
    apart = 1 - torch.eye(len(a), dtype=a.dtype, device=a.device)

    def alike(x: Tensor, y: Tensor) -> Tensor:
        kernel = (x @ y.T - 1).exp()  # exp(-|x - y|^2 / 2)
        total = kernel
        for _ in range(_WIDTHS - 1):
            kernel = kernel.square()
            total = total + kernel
        return (total * apart).sum() / (_WIDTHS * len(x) * max(1, len(x) - 1))

    return alike(a, a) + alike(b, b) - 2 * alike(a, b)


class Discriminators:
    """Networks of two hidden layers and bounded slope, one for every two views, that learn beside what they judge."""

    def __init__(self, seed: int):
        self.seed = seed
        self._known: dict[int, tuple[torch.nn.Module, torch.optim.Optimizer]] = {}

    def fooled(self, which: int, a: Tensor, b: Tensor) -> Tensor:
        """The loss of those who made rows `(n, k)` of length 1, after the discriminator number `which` has learned.

        It is cross entropy against the wrong view, whose slope is steep while the discriminator is right. Nothing of it
        is asked of the discriminator's own parameters.
        """
        network, optimizer = self._held(which, a)
        rows = [x.detach() for x in (a, b)]
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss = softplus(-_judged(network, rows[0])).mean() + softplus(_judged(network, rows[1])).mean()
            loss.backward()
            optimizer.step()
        return softplus(_judged(network, a)).mean() + softplus(-_judged(network, b)).mean()

    def _held(self, which: int, rows: Tensor) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        if which not in self._known:
            with torch.random.fork_rng():
                torch.manual_seed(self.seed + which)
                network = _network(rows.shape[1]).to(rows.device)
            self._known[which] = network, torch.optim.Adam(network.parameters(), lr=_RATE, betas=(0.5, 0.9))
        return self._known[which]


def _network(width: int) -> torch.nn.Module:
    from torch.nn import LeakyReLU, Linear, Sequential
    from torch.nn.utils.parametrizations import spectral_norm

    sizes = (width, _HIDDEN, _HIDDEN, 1)
    layers = [spectral_norm(Linear(d, k)) for d, k in pairwise(sizes)]
    return Sequential(layers[0], LeakyReLU(0.2), layers[1], LeakyReLU(0.2), layers[2])


def _judged(network: torch.nn.Module, rows: Tensor) -> Tensor:
    """`(n,)` above 0 for the first view; rows are scaled so that a coordinate has a mean square of 1."""
    found: Tensor = network(rows * rows.shape[1] ** 0.5)[:, 0]
    return found
