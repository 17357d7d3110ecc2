"""The modules of a sentence-transformers folder in numpy: what becomes of one text's token states, without torch.

Sources: Reimers & Gurevych, Sentence-BERT, EMNLP 2019; Muennighoff, SGPT, 2022 (weighted mean).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chiasm.encode._modules import Dense, Module, Pooling

__all__ = ["Step", "steps"]

Step = Callable[[np.ndarray], np.ndarray]
"""A function of one text's array: a pooling takes token states `(t, d)`, the others a vector `(d,)`."""


def steps(modules: Sequence[Module]) -> list[Step]:
    """What the modules do, in their order."""
    return [_step(module) for module in modules]


def _step(module: Module) -> Step:
    if isinstance(module, Pooling):
        return lambda states: np.concatenate([_POOLINGS[mode](states) for mode in module.modes])
    if isinstance(module, Dense):
        bend = _BENDS[module.activation]
        return lambda vector: bend(module.weight @ vector + module.bias)
    return lambda vector: vector / max(np.linalg.norm(vector), np.float32(1e-12))


def _rising_mean(states: np.ndarray) -> np.ndarray:
    """The mean by weights 1, 2, ..., t: in a model that reads forward the later tokens have seen more."""
    weights = np.arange(1, len(states) + 1, dtype=states.dtype)
    return np.asarray(weights @ states / weights.sum())


_POOLINGS: dict[str, Step] = {
    "cls": lambda states: states[0],
    "max": lambda states: states.max(0),
    "mean": lambda states: states.mean(0),
    "mean_sqrt_len_tokens": lambda states: states.sum(0) / np.float32(len(states) ** 0.5),
    "weightedmean": _rising_mean,
    "lasttoken": lambda states: states[-1],
}


def _gelu(values: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return np.asarray(values * 0.5 * (1 + erf(values * np.float32(2**-0.5))))


_BENDS: dict[str, Step] = {
    "Identity": lambda values: values,
    "Tanh": np.tanh,
    "ReLU": lambda values: np.maximum(values, 0),
    "GELU": _gelu,
    "Sigmoid": lambda values: 1 / (1 + np.exp(-values)),
}
