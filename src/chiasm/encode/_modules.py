"""The modules of a sentence-transformers folder in numpy: what becomes of a text's token states, without torch.

Sources: Reimers & Gurevych, Sentence-BERT, EMNLP 2019; Muennighoff, SGPT, 2022 (weighted mean).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.encode._hf_files import loaded, part
from chiasm.errors import ChiasmError
from chiasm.files import read_tensors

__all__ = ["POOLINGS", "Step", "kind_of", "steps"]

Step = Callable[[np.ndarray], np.ndarray]
"""A function of one text's array: a pooling takes token states `(t, d)`, the others a vector `(d,)`."""


def _rising_mean(states: np.ndarray) -> np.ndarray:
    """The mean by weights 1, 2, ..., t: in a model that reads forward the later tokens have seen more."""
    weights = np.arange(1, len(states) + 1, dtype=states.dtype)
    return np.asarray(weights @ states / weights.sum())


POOLINGS: dict[str, Step] = {
    "cls": lambda states: states[0],
    "max": lambda states: states.max(0),
    "mean": lambda states: states.mean(0),
    "mean_sqrt_len_tokens": lambda states: states.sum(0) / np.float32(len(states) ** 0.5),
    "weightedmean": _rising_mean,
    "lasttoken": lambda states: states[-1],
}
"""Token states of one text -> its vector."""

_OLD_NAMES = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
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
"""What a dense layer may end in, as torch calls it."""


def kind_of(module: Any) -> str:
    """What an entry of modules.json is: Transformer, Pooling, ..."""
    return str(module.get("type") if isinstance(module, dict) else None).rsplit(".", 1)[-1]


def steps(name: str, folder: Path, modules: Sequence[Any], first: Sequence[str]) -> list[Step]:
    """What follows the first modules: pooling after a network, dense layers and normalizing in their order.

    Args:
        name: the encoder's, for errors. modules: the entries of modules.json. first: what the first must be, such as
            Transformer and Pooling.

    Raises a ChiasmError for a module, or a setting of one, that is none of these.
    """
    made = []
    for i, module in enumerate(modules):
        kind = kind_of(module)
        if kind != first[i] if i < len(first) else kind not in ("Dense", "Normalize"):
            raise ChiasmError(
                f"{name}: wanted modules {', '.join(first)}, then Dense or Normalize in {folder}/modules.json, got "
                f"{kind} as number {i + 1}: it is not known here."
            )
        if kind in _MODULES:
            place = part(folder, module)
            made.append(_MODULES[kind](name, place, loaded(place, "config.json") or {}))
    return made


def _pooling(name: str, folder: Path, settings: dict[str, Any]) -> Step:
    named = settings.get("pooling_mode") or [new for new, old in _OLD_NAMES.items() if settings.get(old)] or "mean"
    modes = [named] if isinstance(named, str) else list(named)
    for mode in modes:
        if mode not in POOLINGS:
            raise _odd(name, folder, "pooling_mode", mode)

    def pool(states: np.ndarray) -> np.ndarray:
        return np.concatenate([POOLINGS[mode](states) for mode in modes])

    return pool


def _dense(name: str, folder: Path, settings: dict[str, Any]) -> Step:
    file = folder / "model.safetensors"
    if not file.is_file():
        raise ChiasmError(f"{name}: wanted {file}, got none: save the model again with safe_serialization=True.")
    said = str(settings.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = said.rsplit(".", 1)[-1]
    if not said.startswith("torch.nn.modules.") or activation not in _BENDS:
        raise _odd(name, folder, "activation_function", said)
    for key in ("module_input_name", "module_output_name"):
        if settings.get(key, "sentence_embedding") != "sentence_embedding":
            raise _odd(name, folder, key, settings[key])
    if settings.get("use_residual"):
        raise _odd(name, folder, "use_residual", True)
    arrays = {key: np.array(value, np.float32) for key, value in read_tensors(file)[0].items()}
    if "linear.weight" not in arrays:
        raise ChiasmError(f"{name}: wanted the array linear.weight in {file}, got {', '.join(arrays) or 'none'}.")
    weight, bias = arrays["linear.weight"], arrays.get("linear.bias", np.float32(0))
    bend = _BENDS[activation]
    return lambda vector: bend(weight @ vector + bias)


def _normalize(name: str, folder: Path, settings: dict[str, Any]) -> Step:
    return lambda vector: vector / max(np.linalg.norm(vector), np.float32(1e-12))


def _odd(name: str, folder: Path, key: str, value: Any) -> ChiasmError:
    return ChiasmError(f"{name}: {folder}/config.json says {key} = {value!r}, which is not known here.")


_MODULES: dict[str, Callable[[str, Path, dict[str, Any]], Step]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "Normalize": _normalize,
}
