"""A sentence-transformers folder: what its modules.json does to a text and to the states of its tokens.

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

__all__ = ["POOLINGS", "Step", "prompt", "steps"]

Step = Callable[[np.ndarray], np.ndarray]
"""A function of one text's array: the first of a row takes token states `(t, d)`, the others a vector `(d,)`."""


def _rising_mean(states: np.ndarray) -> np.ndarray:
    """The mean by weights 1, 2, ..., t: in a model that reads forward the later tokens have seen more."""
    weights = np.arange(1, len(states) + 1, dtype=states.dtype)
    return np.asarray(weights @ states / weights.sum())


POOLINGS: dict[str, Step] = {
    "cls": lambda states: states[0],
    "max": lambda states: states.max(0),
    "mean": lambda states: states.mean(0),
    "mean_sqrt_len_tokens": lambda states: states.sum(0) / len(states) ** 0.5,
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


def steps(folder: Path, modules: Sequence[Any]) -> list[Step]:
    """What follows the network: pooling, then dense layers and normalizing in their order.

    Args:
        modules: the entries of modules.json, the network first.

    Raises a ChiasmError for a module, or a setting of one, that is none of these.
    """
    made = []
    for i, module in enumerate(modules):
        kind = str(module.get("type")).rsplit(".", 1)[-1]
        if kind != "Transformer" if i == 0 else kind not in _MODULES or (i == 1) != (kind == "Pooling"):
            raise ChiasmError(
                f"hf_text: wanted modules Transformer, Pooling, then Dense or Normalize in {folder}/modules.json, got "
                f'{kind} as number {i + 1}: choose pool="mean" or "cls".'
            )
        if i:
            made.append(_MODULES[kind](part(folder, module), loaded(part(folder, module), "config.json") or {}))
    return made or [POOLINGS["mean"]]


def prompt(folder: Path) -> str:
    """The words that the folder puts before every text unless told otherwise."""
    settings = loaded(folder, "config_sentence_transformers.json") or {}
    return str((settings.get("prompts") or {}).get(settings.get("default_prompt_name"), ""))


def _pooling(folder: Path, settings: dict[str, Any]) -> Step:
    named = settings.get("pooling_mode") or [new for new, old in _OLD_NAMES.items() if settings.get(old)] or "mean"
    modes = [named] if isinstance(named, str) else list(named)
    if not settings.get("include_prompt", True) and prompt(folder.parent):
        raise _odd(folder, "include_prompt", False)
    for mode in modes:
        if mode not in POOLINGS:
            raise _odd(folder, "pooling_mode", mode)

    def pool(states: np.ndarray) -> np.ndarray:
        return np.concatenate([POOLINGS[mode](states) for mode in modes])

    return pool


def _dense(folder: Path, settings: dict[str, Any]) -> Step:
    file = folder / "model.safetensors"
    if not file.is_file():
        raise ChiasmError(f"hf_text: wanted {file}, got none: save the model again with safe_serialization=True.")
    name = str(settings.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = name.rsplit(".", 1)[-1]
    if not name.startswith("torch.nn.modules.") or activation not in _BENDS:
        raise _odd(folder, "activation_function", name)
    for key in ("module_input_name", "module_output_name"):
        if settings.get(key, "sentence_embedding") != "sentence_embedding":
            raise _odd(folder, key, settings[key])
    if settings.get("use_residual"):
        raise _odd(folder, "use_residual", True)
    arrays = {key: np.array(value, np.float32) for key, value in read_tensors(file)[0].items()}
    weight, bias = arrays["linear.weight"], arrays.get("linear.bias", np.float32(0))
    bend = _BENDS[activation]
    return lambda vector: bend(weight @ vector + bias)


def _normalize(folder: Path, settings: dict[str, Any]) -> Step:
    return lambda vector: vector / max(np.linalg.norm(vector), np.float32(1e-12))


def _odd(folder: Path, key: str, value: Any) -> ChiasmError:
    return ChiasmError(
        f'hf_text: {folder}/config.json says {key} = {value!r}, which is not known here: choose pool="mean" or "cls".'
    )


_MODULES: dict[str, Callable[[Path, dict[str, Any]], Step]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "Normalize": _normalize,
}
