"""A sentence-transformers folder: what its modules.json does to a text and to the states of its tokens.

What follows the network is read and checked here, for every encoder of such folders; `_modules_numpy` does it to one
text, `_modules_torch` to many.
Source: Reimers & Gurevych, Sentence-BERT, EMNLP 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError, unknown
from chiasm.files import read_tensors
from chiasm.nn.hub_files import loaded, part

__all__ = ["ACTIVATIONS", "POOLINGS", "Dense", "Module", "Normalize", "Pooling", "kept", "kind_of", "prompt", "read"]

POOLINGS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
"""By name, how the states of a text's tokens become one vector; the switch that older folders have for it."""

ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid")
"""What a dense layer may end in, as torch calls it."""


class Pooling(NamedTuple):
    """Token states become one vector, in each of these ways, side by side."""

    modes: tuple[str, ...]


class Dense(NamedTuple):
    """x -> activation(W x + b)."""

    weight: np.ndarray
    """`(d', d)` float32."""
    bias: np.ndarray
    """`(d',)` float32."""
    activation: str


class Normalize(NamedTuple):
    """A vector is divided by its length."""


Module = Pooling | Dense | Normalize


def kind_of(module: Any) -> str:
    """What an entry of modules.json is: Transformer, Pooling, ..."""
    return str(module.get("type") if isinstance(module, dict) else None).rsplit(".", 1)[-1]


def read(name: str, folder: Path, modules: Sequence[Any], first: str, do: str = "") -> list[Module]:
    """What follows the first module, in its order: of a network pooling, then dense layers and normalizing.

    Args:
        name: the encoder's, for errors. modules: the entries of modules.json. first: what the first must be,
            "Transformer" (whose states are pooled, by their mean where nothing is said) or "StaticEmbedding". do: what
            to do instead, for errors.

    Raises a ChiasmError for a module, or a setting of one, that is none of these.
    """
    wanted = [first, "Pooling"] if first == "Transformer" else [first]
    made: list[Module] = []
    for i, module in enumerate(modules):
        kind = kind_of(module)
        if kind != wanted[i] if i < len(wanted) else kind not in ("Dense", "Normalize"):
            raise ChiasmError(
                f"{name}: wanted modules {', '.join(wanted)}, then Dense or Normalize in {folder}/modules.json, got "
                f"{kind} as number {i + 1}: {do or 'no other is read'}."
            )
        if i:
            settings = _Settings(name, part(folder, module), do)
            made.append(_READ[kind](settings))
    return [Pooling(("mean",)), *made] if len(wanted) > len(modules) else made


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
        if kind_of(module) == "Pooling":
            place = part(folder, module)
            if not (loaded(place, "config.json") or {}).get("include_prompt", True):
                raise ChiasmError(
                    f"{name}: {place}/config.json leaves the prompt's tokens out of the pooling, which is not done "
                    "here: write the prompt into the texts, or bring another model."
                )
    return words


def kept(name: str, folder: Path, chosen: int) -> int | None:
    """How many of a vector's first numbers are kept: as chosen, else as the folder says; None: all.

    Raises a ChiasmError for what is no such number.
    """
    file = "config_sentence_transformers.json"
    told = None if chosen else (loaded(folder, file) or {}).get("truncate_dim")
    found = told if told is not None else chosen
    if not isinstance(found, int) or isinstance(found, bool) or found < 0 or told == 0:
        where = f"{folder}/{file}" if told is not None else "its parameters"
        raise ChiasmError(f"{name}: wanted truncate_dim to be a whole number, 1 or more, got {found!r} in {where}.")
    return found or None


class _Settings:
    """The config.json of one module, and how to refuse what it says."""

    def __init__(self, name: str, folder: Path, do: str):
        self.name, self.folder, self.do = name, folder, do
        self.said: Mapping[str, Any] = loaded(folder, "config.json") or {}

    def odd(self, key: str, value: Any) -> ChiasmError:
        """That a setting is not known."""
        do = f": {self.do}" if self.do else ""
        return ChiasmError(
            f"{self.name}: {self.folder}/config.json says {key} = {value!r}, which is not known here{do}."
        )


def _pooling(settings: _Settings) -> Pooling:
    said = settings.said
    named = said.get("pooling_mode") or [new for new, old in POOLINGS.items() if said.get(old)] or "mean"
    modes = (named,) if isinstance(named, str) else tuple(named)
    for mode in modes:
        if mode not in POOLINGS:
            raise settings.odd("pooling_mode", mode)
    return Pooling(modes)


def _dense(settings: _Settings) -> Dense:
    name, said, file = settings.name, settings.said, settings.folder / "model.safetensors"
    if not file.is_file():
        raise ChiasmError(f"{name}: wanted {file}, got none: save the model again with safe_serialization=True.")
    bend = str(said.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = bend.rsplit(".", 1)[-1]
    if not bend.startswith("torch.nn.modules.") or activation not in ACTIVATIONS:
        raise settings.odd("activation_function", bend)
    for key in ("module_input_name", "module_output_name"):
        if said.get(key, "sentence_embedding") != "sentence_embedding":
            raise settings.odd(key, said[key])
    if said.get("use_residual"):
        raise settings.odd("use_residual", True)
    arrays = {key: np.array(value, np.float32) for key, value in read_tensors(file)[0].items()}
    weight = arrays.get("linear.weight", np.zeros(0, np.float32))
    bias = arrays.get("linear.bias", np.zeros(len(weight), np.float32))
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        shapes = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
        raise ChiasmError(
            f"{name}: wanted the arrays linear.weight (d', d) and linear.bias (d',) in {file}, got {shapes or 'none'}: "
            "copy the model's files again."
        )
    return Dense(weight, bias, activation)


_READ: dict[str, Callable[[_Settings], Module]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "Normalize": lambda settings: Normalize(),
}
