"""How the networks of a user's own Hugging Face files are called: one item a call, or many, padded or stacked.

Many: items are read in threads while the network works on those before; texts go by their length; where the memory of
a GPU ends, calls are halved.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from chiasm.encode._modules_torch import Pool, Step
from chiasm.encode._pixels import Pixels
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.media.images import Note

__all__ = ["Call", "Opened", "Read", "Row", "alone", "ignores_padding", "prepared", "together"]

_WINDOW = 16
"""Calls' worth of texts that are put in order of length at a time."""
_SHAPES = 4
"""Calls' worth of items of different shapes that wait for others of their shape."""
_FAR = 1e-4
"""What padding may change, of a largest number of 1."""


@dataclass
class Opened:
    """What a folder became: everything that one call needs."""

    network: Any
    reader: Any
    """The folder's own tokenizer or image processor."""
    limit: int = 0
    """The most tokens that the network reads of a text."""
    prompt: str = ""
    """What stands before every text."""
    lower: bool = False
    """Whether every text is put in small letters first."""
    pool: Pool | None = None
    """What makes a text's token states one vector; None: the network's own pooled output."""
    steps: Sequence[Step] = ()
    """What follows it."""
    kept: int | None = None
    """How many of the vector's first numbers are kept; None: all."""
    pooled: bool = True
    """Whether the network's own pooled output was trained."""
    one_at_a_time: Any = field(default_factory=Lock)
    """Held while a tokenizer works, which keeps how to cut and pad as a state of its own, and for large images."""
    width: int = 0
    checksum: str = ""
    place: str = "cpu"
    """The device that the network is on."""
    size: int = 1
    """Items a call; less than was asked for where the memory of a GPU ended."""
    pixels: Pixels | None = None
    """What does the work of an image processor, its numbers on the network's device; None: the folder's own does it."""
    pads: bool = False
    """Whether items of different lengths may share a call: whether the network ignores padding."""


class Read(NamedTuple):
    """An item as inputs of the network, of one call or more: a long sound takes several."""

    calls: list[dict[str, Any]]
    """By name, tensors or arrays whose first axis is 1."""
    notes: list[Note]
    kept: Any = None
    """What is needed when the answers are there."""


class Row(NamedTuple):
    """What the network says of one of the inputs."""

    vector: np.ndarray | None
    """`(d,)`; None where the encoder makes it of the states."""
    states: np.ndarray
    """`(t, d)`, padding among them; empty where nobody asked for them."""


Call = Callable[[Opened, dict[str, Any], Any], tuple[Any, Any]]
"""(opened, inputs of n items, their token counts `(n,)`) -> vectors `(n, d)` or None, and states, by item."""


class _Part(NamedTuple):
    """One call's inputs of an item, and whose they are."""

    position: int
    place: int
    inputs: dict[str, Any]
    length: int
    """How many tokens; of what is no text 0."""


def _part(position: int, place: int, inputs: dict[str, Any]) -> _Part:
    return _Part(position, place, inputs, inputs["input_ids"].shape[1] if "input_ids" in inputs else 0)


def alone(opened: Opened, call: Call, read: Read) -> list[Row]:
    """The network's answers to one item, each input a call of its own."""
    found = []
    for inputs in read.calls:
        out = _tried(opened, call, [_part(0, 0, inputs)])
        found += _rows(_there(opened, out, 1), True)
    return found


def together(
    opened: Opened, call: Call, reads: Iterable[tuple[int, Read]], *, states: bool = False
) -> Iterator[tuple[int, Read, list[Row]]]:
    """The network's answers to many items, `opened.size` a call: (position, what was read, answers), in no order.

    Args:
        reads: (position, item as it was read), best from `chiasm.scale.threads`. states: whether states are wanted.

    Where the memory of a GPU ends, what failed is halved until it fits, `opened.size` is from then on what did, and a
    ChiasmWarning says so. Raises a ChiasmError where one item alone does not fit.
    """
    held: dict[int, tuple[Read, list[Row | None]]] = {}

    def kept() -> Iterator[tuple[int, Read]]:
        for position, read in reads:
            held[position] = (read, [None] * len(read.calls))
            yield position, read

    flying: deque[tuple[list[_Part], Any]] = deque()  # a GPU works on these while the next are read

    def landed() -> Iterator[tuple[int, Read, list[Row]]]:
        parts, out = flying.popleft()
        for part, row in zip(parts, _rows(out, states), strict=True):
            read, rows = held[part.position]
            rows[part.place] = row
            if all(one is not None for one in rows):
                del held[part.position]
                yield part.position, read, [one for one in rows if one is not None]

    for batch in _batches(opened, kept()):
        flying += _answered(opened, call, batch)
        while len(flying) > 1:
            yield from landed()
    while flying:
        yield from landed()


def ignores_padding(opened: Opened, call: Call, reads: Sequence[Read]) -> bool:
    """Whether items of different lengths have the same numbers in one call as alone.

    Some networks mix neighboring tokens or all of them, padding too: their calls hold items of one length.
    """
    parts = [_part(i, 0, read.calls[0]) for i, read in enumerate(reads)]
    found = _rows(_tried(opened, call, parts), True)
    for part, row in zip(parts, found, strict=True):
        known = _rows(_tried(opened, call, [part]), True)[0]
        pairs = [(row.states[: part.length], known.states)]
        if row.vector is not None and known.vector is not None:
            pairs.append((row.vector, known.vector))
        if any(np.abs(a - b).max() > _FAR * max(1.0, np.abs(b).max()) for a, b in pairs):
            return False
    return True


def prepared(opened: Opened, reads: Sequence[Read]) -> dict[str, Any]:
    """The inputs of items of one call each as those of one call, and `counts` `(n,)`, how many tokens each has."""
    inputs, counts = _stacked(opened, [_part(i, 0, read.calls[0]) for i, read in enumerate(reads)])
    return {**inputs, "counts": counts}


def _batches(opened: Opened, reads: Iterable[tuple[int, Read]]) -> Iterator[list[_Part]]:
    """Inputs that may share a call: of one shape, or texts of like lengths where the network ignores padding."""
    waiting: dict[Any, list[_Part]] = {}
    for position, read in reads:
        for place, inputs in enumerate(read.calls):
            kind = () if opened.pads else tuple(tuple(value.shape) for value in inputs.values())
            queue = waiting.setdefault(kind, [])
            queue.append(_part(position, place, inputs))
            if len(queue) >= (_WINDOW if opened.pads else 1) * opened.size:
                yield from _cut(opened, waiting.pop(kind))
            elif not opened.pads and sum(map(len, waiting.values())) >= _SHAPES * opened.size:
                yield from _cut(opened, waiting.pop(max(waiting, key=lambda one: len(waiting[one]))))
    for queue in waiting.values():
        yield from _cut(opened, queue)


def _cut(opened: Opened, queue: list[_Part]) -> Iterator[list[_Part]]:
    """The longest first: where memory ends is found out at once."""
    queue.sort(key=lambda part: -part.length)
    at = 0
    while at < len(queue):
        batch = queue[at : at + opened.size]  # which may be less by the next
        at += len(batch)
        yield batch


def _answered(opened: Opened, call: Call, batch: list[_Part]) -> list[tuple[list[_Part], Any]]:
    """The network's answers to a batch, in smaller ones where it does not fit."""
    asked, waiting, found = len(batch), deque([batch]), []
    while waiting:
        parts = waiting.popleft()
        out = _tried(opened, call, parts)
        if out is not None or len(parts) == 1:
            found.append((parts, _there(opened, out, len(parts))))
            continue
        half = (len(parts) + 1) // 2
        opened.size = min(opened.size, half)
        waiting.extendleft((parts[half:], parts[:half]))
    if len(found) > 1:
        warnings.warn(
            f"{asked} items a call do not fit in the memory of {opened.place}: going on with {opened.size} a call "
            f"(batch_size={opened.size} asks for that at once).",
            ChiasmWarning,
            stacklevel=2,
        )
    return found


def _there(opened: Opened, out: Any, count: int) -> Any:
    if out is None:
        raise ChiasmError(
            f"wanted memory for {count} item a call on {opened.place}, got too little: free it, take "
            'precision="float16", or device="cpu".'
        )
    return out


def _tried(opened: Opened, call: Call, parts: Sequence[_Part]) -> Any:
    """One call of the network; None where the memory of the GPU ends."""
    import torch

    try:
        with _exact(opened), torch.inference_mode():
            inputs, counts = _stacked(opened, parts)
            return call(opened, inputs, counts)
    except torch.cuda.OutOfMemoryError:
        pass
    torch.cuda.empty_cache()  # outside: what failed is held until the handler ends
    return None


def _stacked(opened: Opened, parts: Sequence[_Part]) -> tuple[dict[str, Any], Any]:
    """The inputs of several items as those of one call, on the network's device, and the token counts `(n,)`."""
    import torch

    dtype = next(opened.network.parameters()).dtype
    counts = np.array([part.length for part in parts])
    inside = np.arange(counts.max()) < counts[:, None]  # not padding
    inputs = {}
    for name, first in parts[0].inputs.items():
        rows = [part.inputs[name] for part in parts]
        if not isinstance(first, np.ndarray):
            whole = torch.cat(rows) if len(rows) > 1 else first
        elif name == "pixel_values" or inside.all():
            whole = torch.from_numpy(np.concatenate(rows))
        else:
            padded = np.full(inside.shape, _filler(opened) if name == "input_ids" else 0, first.dtype)
            padded[inside] = np.concatenate(rows, axis=1)[0]
            whole = torch.from_numpy(padded)
        inputs[name] = _moved(opened, whole.to(dtype) if whole.is_floating_point() else whole)
    if opened.pixels:
        inputs["pixel_values"] = _scaled(opened, opened.pixels, inputs["pixel_values"]).to(dtype)
    if "attention_mask" not in inputs and not inside.all():
        inputs["attention_mask"] = _moved(opened, torch.from_numpy(inside.astype(np.int64)))
    return inputs, _moved(opened, torch.from_numpy(counts))


def _scaled(opened: Opened, pixels: Pixels, seen: Any) -> Any:
    """Pictures `(n, h, w, 3)` uint8 as the network reads them: `(n, 3, h, w)` float32, where they are."""
    import torch

    means, deviations = (_moved(opened, torch.from_numpy(of)) for of in (pixels.means, pixels.deviations))
    values = seen.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return (values * float(pixels.scale) - means) / deviations


def _filler(opened: Opened) -> int:
    """The token of padding: networks such as RoBERTa count positions by it."""
    config = getattr(opened.network, "config", None)
    said = (opened.reader.pad_token_id, getattr(config, "pad_token_id", None))
    return next((int(one) for one in said if one is not None), 0)


def _moved(opened: Opened, values: Any) -> Any:
    return values if opened.place == "cpu" else values.pin_memory().to(opened.place, non_blocking=True)


def _rows(out: tuple[Any, Any], states: bool) -> list[Row]:
    """An answer as arrays, by item; this waits for the GPU."""
    vectors, held = out
    count = len(held)
    made = [None] * count if vectors is None else list(vectors.float().cpu().numpy())
    if not states:
        return [Row(vector, np.zeros((0, 0), np.float32)) for vector in made]
    if isinstance(held, list):
        return [Row(vector, one.float().cpu().numpy()) for vector, one in zip(made, held, strict=True)]
    return [Row(vector, one) for vector, one in zip(made, held.float().cpu().numpy(), strict=True)]


_SWITCHES = Lock()
"""Held while torch's switches are otherwise than the process has them."""


@contextmanager
def _exact(opened: Opened) -> Iterator[None]:
    """Single precision on a GPU as on a CPU: torch convolves with 10 bits of mantissa there (TF32) unless told."""
    import torch

    if opened.place == "cpu" or next(opened.network.parameters()).dtype != torch.float32:
        yield
        return
    with _SWITCHES:
        switches = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
        before = [switch.fp32_precision for switch in switches]
        try:
            for switch in switches:
                switch.fp32_precision = "ieee"
            yield
        finally:
            for switch, value in zip(switches, before, strict=True):
                switch.fp32_precision = value
