"""The last layers of a transformers network, apart: BERT, ViT and their kin end in a linear layer and a normalization.

The linear layer of the last block's multilayer perceptron adds to the states, which are then normalized and become one
vector. What that layer reads and what is normalized is all that a low-rank change of the layer has to know, so that
nothing of the block is run again: of vectors that are made of the first token alone, one token is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from threading import local
from typing import Any

import numpy as np

from chiasm import scale
from chiasm.encode._encoder import Encoder, packed
from chiasm.encode._hf import Hf
from chiasm.encode._hf_call import Opened, Read, together
from chiasm.errors import ChiasmError
from chiasm.known import Last
from chiasm.media.images import MediaError, Note
from chiasm.nn.blocks import ArrayOps, Ops, Params
from chiasm.nn.hub import one_thread

__all__ = ["last"]

_NEAR = 1e-4
"""How far the vectors may be from the encoder's, of a largest number of 1."""


def last(encoder: Hf) -> Last:
    """Of an encoder of one call an item, which is this function's from then on."""
    opened, probes = encoder._open(), encoder._probes()
    if encoder.modality == "image":
        rng = np.random.default_rng(0)
        probes = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2)]
    states, wanted = States(encoder), encoder.encode(probes)
    made, h = [one for one in states.made(probes)[0] if one is not None], states.widths[0]
    for first, end in product((True, False), _ends(opened)):
        tail = {**states.tail, **end}
        sums = [one[:1, h:] if first else one[:, h:] for one in made]
        found = np.stack([vector(tail, one, np.float32(1 / len(one)), ArrayOps()) for one in sums])
        if found.shape == wanted.shape and np.abs(found - wanted).max() <= _NEAR * max(1.0, np.abs(wanted).max()):
            states.first = first
            counted = sum(one.numel() for one in opened.network.parameters())
            return Last(states, partial(_parted, h), wanted.shape[1], counted, tail, vector)
    raise ChiasmError(
        f"{encoder._name}: wanted vectors that are the first token's state, its trained pooler's or the mean, got "
        f"others in {encoder!r}: its last layers cannot be tuned."
    )


def _parted(h: int, cells: np.ndarray, places: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    some = cells if places is None else cells[:, places]
    return some[..., :h], some[..., h:]


def vector(tail: Mapping[str, Any], sums: Any, shares: Any, ops: Ops) -> Any:
    """`(..., w)` of sums `(..., t, w)`: normalized, their mean, and what follows it."""
    apart = sums - sums.mean(axis=-1, keepdims=True)
    states = apart / ((apart * apart).mean(axis=-1, keepdims=True) + tail["eps"]) ** 0.5 * tail["gain"] + tail["bias"]
    mean = (states * shares).sum(-2)
    if "weight" in tail:
        mean = ops.tanh(mean @ tail["weight"] + tail["offset"])
    if "unit" in tail:
        mean = mean / ((mean * mean).sum(axis=-1, keepdims=True) ** 0.5).clip(1e-12)
    return mean


class States(Encoder):
    """What the last linear layer reads of each token, and what is normalized: `(t, h + w)`, `chiasm.tokens.Tokens`.

    Args:
        encoder: whose network it is. first: whether the first token alone is kept.
    """

    pooled = False

    def __init__(self, encoder: Any = None, first: bool = False):
        self.encoder = encoder
        self.first = first

    @property
    def widths(self) -> tuple[int, int]:
        """h and w."""
        norm, linear = self._ended()
        return linear.in_features, len(norm.weight)

    @property
    def tail(self) -> Params:
        """The arrays of the normalization."""
        norm, _ = self._ended()
        bias = np.zeros(len(norm.weight), np.float32) if norm.bias is None else _array(norm.bias)
        return {"gain": _array(norm.weight), "bias": bias, "eps": np.full(1, norm.eps, np.float32)}

    @property
    def modality(self) -> str:  # type: ignore[override]
        """What the encoder reads."""
        return str(self.encoder.modality)

    @property
    def batch(self) -> int:  # type: ignore[override]
        """As the encoder has it."""
        return int(self.encoder.batch)

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Many items a call; what cannot be read is noted as skipped."""
        made, notes = self.made(items)
        return packed(made, None), notes

    def made(self, items: Sequence[Any]) -> tuple[list[np.ndarray | None], dict[int, list[Note]]]:
        """As `attempt`, in single precision: `(t, h + w)` an item."""
        opened: Opened = self.encoder._open()
        self._ended()
        pieces = self.encoder.pieces
        groups = [items[i : i + pieces] for i in range(0, len(items), pieces)]
        reads = [one for some in scale.threads(partial(self.encoder._reads, opened), groups) for one in some]
        notes = {i: [one.note] if isinstance(one, MediaError) else one.notes for i, one in enumerate(reads)}
        made: list[np.ndarray | None] = [None] * len(items)
        good = ((i, one) for i, one in enumerate(reads) if isinstance(one, Read))
        with one_thread():
            for position, read, (row,) in together(opened, self._caught, good, states=True):
                ids = read.calls[0].get("input_ids")
                made[position] = row.states if ids is None else row.states[: ids.shape[1]]
        return made, {i: told for i, told in notes.items() if told}

    def weights(self) -> str:
        """The encoder's fingerprint."""
        return str(self.encoder.fingerprint)

    def telling(self) -> dict[str, Any]:
        """Which tokens are kept: the encoder's fingerprint tells the rest."""
        return {"first": self.first}

    def _ended(self) -> tuple[Any, Any]:
        """The normalization and the linear layer, which leave what they read in `_seen`."""
        if vars(self).get("_ends") is None:
            norm, linear = _layers(self.encoder)
            self._seen = seen = local()
            linear.register_forward_pre_hook(lambda _, given: setattr(seen, "hidden", given[0]))
            norm.register_forward_pre_hook(lambda _, given: setattr(seen, "sums", given[0]))
            self._ends = norm, linear
        return self._ends

    def __getstate__(self) -> dict[str, Any]:
        return {name: held for name, held in vars(self).items() if name not in ("_ends", "_seen")}

    def _caught(self, opened: Opened, inputs: dict[str, Any], counts: Any) -> tuple[None, Any]:
        import torch

        self.encoder._call(opened, inputs, counts)
        states = torch.cat([self._seen.hidden, self._seen.sums], dim=-1)
        return None, states[:, :1] if self.first else states


def _layers(encoder: Hf) -> tuple[Any, Any]:
    """The last normalization of a network's states, and the last linear layer before it that is as wide."""
    import torch

    opened, calls = encoder._open(), []
    hooks = [
        one.register_forward_hook(lambda module, given, out: calls.append((module, given[0].shape, out.shape)))
        for one in opened.network.modules()
        if isinstance(one, torch.nn.LayerNorm | torch.nn.Linear)
    ]
    try:
        encoder.encode(encoder._probes()[:1])
    finally:
        for hook in hooks:
            hook.remove()
    ends = [i for i, (one, _, out) in enumerate(calls) if isinstance(one, torch.nn.LayerNorm) and len(out) == 3]
    if ends and calls[ends[-1]][0].weight is not None:
        norm, wide, _ = calls[ends[-1]]
        for one, _, out in reversed(calls[: ends[-1]]):
            if isinstance(one, torch.nn.Linear) and out == wide:
                return norm, one
    raise ChiasmError(
        f"{encoder._name}: wanted a network whose last block ends in a linear layer and a layer normalization (BERT, "
        f"RoBERTa, ViT, DINOv2 and their kin), got {opened.network.config.model_type!r}: its last layers cannot be "
        "tuned."
    )


def _ends(opened: Opened) -> list[Params]:
    """What may follow the mean: nothing, a length of one, the network's pooler."""
    import torch

    found: list[Params] = [{}, {"unit": np.ones(1, np.float32)}]
    dense = getattr(getattr(opened.network, "pooler", None), "dense", None)
    if isinstance(dense, torch.nn.Linear):
        found.append({"weight": np.ascontiguousarray(_array(dense.weight).T), "offset": _array(dense.bias)})
    return found


def _array(held: Any) -> np.ndarray:
    found: np.ndarray = held.detach().float().cpu().numpy().copy()
    return found
