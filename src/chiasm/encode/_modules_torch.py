"""The modules of a sentence-transformers folder in torch: what becomes of many texts' token states, padded, anywhere.

Sources: Reimers & Gurevych, Sentence-BERT, EMNLP 2019; Muennighoff, SGPT, 2022 (weighted mean).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chiasm.encode._modules import Dense, Module, Pooling

__all__ = ["Pool", "Step", "pooling", "steps"]

Pool = Callable[[Any, Any], Any]
"""Of n texts the token states `(n, t, d)` and how many tokens each has `(n,)` -> vectors `(n, d)`."""
Step = Callable[[Any], Any]
"""Vectors `(n, d)` -> vectors `(n, d')`."""


def pooling(modes: Sequence[str]) -> Pool:
    """The pooling in each of these ways, side by side."""

    def pool(states: Any, counts: Any) -> Any:
        import torch

        return torch.cat([_POOLINGS[mode](states, counts) for mode in modes], 1)

    return pool


def steps(modules: Sequence[Module], place: str) -> tuple[Pool, list[Step]]:
    """What the modules do, in their order: the pooling, and what follows it.

    Args:
        place: the device that the vectors are on.
    """
    (pool,) = (pooling(module.modes) for module in modules if isinstance(module, Pooling))
    return pool, [_step(module, place) for module in modules if not isinstance(module, Pooling)]


def _step(module: Module, place: str) -> Step:
    import torch

    if isinstance(module, Dense):
        weight, bias = (torch.from_numpy(values).to(place) for values in (module.weight, module.bias))
        bend = getattr(torch.nn, module.activation)()
        return lambda vectors: bend(torch.nn.functional.linear(vectors, weight, bias))
    return lambda vectors: vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)


def _kept(states: Any, counts: Any) -> Any:
    """Which tokens are the texts' and no padding, `(n, t, 1)`."""
    import torch

    return (torch.arange(states.shape[1], device=states.device) < counts[:, None])[..., None]


def _sum(states: Any, counts: Any) -> Any:
    return states.masked_fill(~_kept(states, counts), 0).sum(1)


def _rising_mean(states: Any, counts: Any) -> Any:
    """The mean by weights 1, 2, ..., t: in a model that reads forward the later tokens have seen more."""
    import torch

    weights = torch.arange(1, states.shape[1] + 1, device=states.device)[:, None] * _kept(states, counts)
    weights = weights.to(states.dtype)
    return (weights.transpose(1, 2) @ states)[:, 0] / weights.sum(1)


_POOLINGS: dict[str, Pool] = {
    "cls": lambda states, counts: states[:, 0],
    "max": lambda states, counts: states.masked_fill(~_kept(states, counts), float("-inf")).max(1).values,
    "mean": lambda states, counts: _sum(states, counts) / counts[:, None],
    "mean_sqrt_len_tokens": lambda states, counts: _sum(states, counts) / counts[:, None] ** 0.5,
    "weightedmean": _rising_mean,
    "lasttoken": lambda states, counts: states.take_along_dim(counts[:, None, None] - 1, 1)[:, 0],
}
