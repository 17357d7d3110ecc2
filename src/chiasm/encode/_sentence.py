"""A sentence-transformers folder: what its modules.json does to a text and to the states of its tokens.

Sources: Reimers & Gurevych, Sentence-BERT, EMNLP 2019; Muennighoff, SGPT, 2022 (weighted mean).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chiasm.encode._hf_files import loaded, part
from chiasm.errors import ChiasmError, unknown

__all__ = ["POOLINGS", "Pool", "Step", "prompt", "steps"]

Pool = Callable[[Any, Any], Any]
"""Of n texts the token states `(n, t, d)` and how many tokens each has `(n,)` -> vectors `(n, d)`."""
Step = Callable[[Any], Any]
"""Vectors `(n, d)` -> vectors `(n, d')`."""


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


POOLINGS: dict[str, Pool] = {
    "cls": lambda states, counts: states[:, 0],
    "max": lambda states, counts: states.masked_fill(~_kept(states, counts), float("-inf")).max(1).values,
    "mean": lambda states, counts: _sum(states, counts) / counts[:, None],
    "mean_sqrt_len_tokens": lambda states, counts: _sum(states, counts) / counts[:, None] ** 0.5,
    "weightedmean": _rising_mean,
    "lasttoken": lambda states, counts: states.take_along_dim(counts[:, None, None] - 1, 1)[:, 0],
}
"""By name, how the states of a text's tokens become one vector."""

_OLD_NAMES = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}

_KINDS = ("Pooling", "Dense", "Normalize")
_ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid")


def steps(folder: Path, modules: Sequence[Any], place: str) -> tuple[Pool, list[Step]]:
    """What follows the network: pooling, then dense layers and normalizing in their order.

    Args:
        modules: the entries of modules.json, the network first. place: the device that the vectors are on.

    Raises a ChiasmError for a module, or a setting of one, that is none of these.
    """
    pool, made = POOLINGS["mean"], []
    for i, module in enumerate(modules):
        kind = str(module.get("type")).rsplit(".", 1)[-1]
        if kind != "Transformer" if i == 0 else kind not in _KINDS or (i == 1) != (kind == "Pooling"):
            raise ChiasmError(
                f"hf_text: wanted modules Transformer, Pooling, then Dense or Normalize in {folder}/modules.json, got "
                f'{kind} as number {i + 1}: choose pool="mean" or "cls".'
            )
        if not i:
            continue
        home = part(folder, module)
        settings = loaded(home, "config.json") or {}
        if kind == "Pooling":
            pool = _pooling(home, settings)
        elif kind == "Dense":
            made.append(_dense(home, settings, place))
        else:
            made.append(_normalized)
    return pool, made


def prompt(name: str, folder: Path, chosen: str = "") -> str:
    """The words that stand before every text: the folder's prompt of the chosen name; "": its default, if any.

    Args:
        name: the encoder's, for errors.

    Raises a ChiasmError for a name that the folder does not have, and for prompts that are read but not pooled.
    """
    settings = loaded(folder, "config_sentence_transformers.json") or {}
    known = settings.get("prompts") or {}
    if chosen and chosen not in known:
        raise unknown(f"prompt of {name} in {folder}", chosen, known)
    words = str(known.get(chosen or settings.get("default_prompt_name"), ""))
    for module in (loaded(folder, "modules.json") or []) if words else []:
        if str(module.get("type")).endswith(".Pooling"):
            place = part(folder, module)
            if not (loaded(place, "config.json") or {}).get("include_prompt", True):
                raise ChiasmError(
                    f"{name}: {place}/config.json leaves the prompt's tokens out of the pooling, which is not done "
                    "here: write the prompt into the texts, or bring another model."
                )
    return words


def _pooling(folder: Path, settings: dict[str, Any]) -> Pool:
    named = settings.get("pooling_mode") or [new for new, old in _OLD_NAMES.items() if settings.get(old)] or "mean"
    modes = [named] if isinstance(named, str) else list(named)
    for mode in modes:
        if mode not in POOLINGS:
            raise _odd(folder, "pooling_mode", mode)

    def pool(states: Any, counts: Any) -> Any:
        import torch

        return torch.cat([POOLINGS[mode](states, counts) for mode in modes], 1)

    return pool


def _dense(folder: Path, settings: dict[str, Any], place: str) -> Step:
    import torch
    from safetensors.torch import load_file

    file = folder / "model.safetensors"
    if not file.is_file():
        raise ChiasmError(f"hf_text: wanted {file}, got none: save the model again with safe_serialization=True.")
    name = str(settings.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = name.rsplit(".", 1)[-1]
    if not name.startswith("torch.nn.modules.") or activation not in _ACTIVATIONS:
        raise _odd(folder, "activation_function", name)
    for key in ("module_input_name", "module_output_name"):
        if settings.get(key, "sentence_embedding") != "sentence_embedding":
            raise _odd(folder, key, settings[key])
    if settings.get("use_residual"):
        raise _odd(folder, "use_residual", True)
    arrays = {key: value.float() for key, value in load_file(file, device=place).items()}
    weight, bias = arrays["linear.weight"], arrays.get("linear.bias")
    bend = getattr(torch.nn, activation)()
    return lambda vector: bend(torch.nn.functional.linear(vector, weight, bias))


def _normalized(vector: Any) -> Any:
    return vector / vector.norm(dim=1, keepdim=True).clamp_min(1e-12)


def _odd(folder: Path, key: str, value: Any) -> ChiasmError:
    return ChiasmError(
        f'hf_text: {folder}/config.json says {key} = {value!r}, which is not known here: choose pool="mean" or "cls".'
    )
