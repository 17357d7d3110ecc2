"""How the encoders of a user's own Hugging Face files read one item: the network's inputs, notes, and its patches."""

from __future__ import annotations

from contextlib import nullcontext
from inspect import signature
from typing import Any

import numpy as np

from chiasm.encode._hf import Opened
from chiasm.encode._words import LONGEST, readable
from chiasm.media.images import MediaError, Note, decode_image

__all__ = ["accepted", "longest", "patches", "read_image", "read_text"]


MOST = 8192
"""Tokens read of a text at most, whatever a folder says: their cost grows with their square."""
USUAL = 512
"""Tokens read of a text where a folder says nothing."""
LONGEST_SIDE = 100
"""How many times its shorter side an image's longer side may be: resizing by the shorter one would fill the memory."""
_LARGE = 5_000_000


def longest(reader: Any, config: Any, model: Any, told: int | None = None) -> int:
    """The most tokens that a network reads: the least of what its tokenizer, its positions and its folder say."""
    positions = getattr(config, "max_position_embeddings", None)
    first = getattr(getattr(model, "embeddings", None), "padding_idx", None)  # RoBERTa counts from behind it
    if positions and first is not None:
        positions -= first + 1
    said = [int(n) for n in (reader.model_max_length, positions, told) if n and n < 10**6]  # "no limit" is 10**30
    return min([*said, MOST]) if said else USUAL


def read_text(opened: Opened, item: Any, *, padded: bool = False) -> tuple[dict[str, Any], np.ndarray, list[Note]]:
    """A text as the network's inputs, the positions of the tokens that are parts of the text, and notes.

    A text beyond the network's limit is cut and noted; one of which the vocabulary lacks more than half is noted.
    Raises a MediaError for what is no text or holds nothing visible.
    """
    (text,), told = readable([item])
    notes = told.get(0, [])
    if notes and notes[0].skipped:
        raise MediaError(notes[0].code, notes[0].message)
    text = opened.prompt + text[:LONGEST].replace("\0", " ").encode("utf-8", "replace").decode()
    text = text.lower() if opened.lower else text
    reader, limit = opened.reader, opened.limit
    with opened.one_at_a_time:
        found = reader(text, return_special_tokens_mask=True, return_tensors="pt", verbose=False)
        length = found["input_ids"].shape[1]
        cut = length > limit
        if cut or padded:
            padding = "max_length" if padded else False
            options = {"truncation": True, "max_length": limit, "padding": padding}
            found = reader(text, return_special_tokens_mask=True, return_tensors="pt", **options)
    if cut:
        notes = [*notes, Note("cut", f"read the first {limit} of {length} tokens")]
    parts = (found.pop("special_tokens_mask")[0] == 0).nonzero()[:, 0]
    ids = found["input_ids"][0, parts]
    lacking = 0 if reader.unk_token_id is None else int((ids == reader.unk_token_id).sum())
    if 2 * lacking > len(parts):
        notes = [*notes, Note("unknown_words", f"{lacking} of {len(parts)} tokens are not in the vocabulary")]
    return dict(found), parts.numpy(), notes


def read_image(opened: Opened, item: Any) -> tuple[dict[str, Any], list[Note]]:
    """An image as the network's inputs, by the folder's own processor, and notes.

    Raises a MediaError where the image cannot be read.
    """
    image, notes = decode_image(item, None)
    short, long = sorted(image.size)
    if long > LONGEST_SIDE * short:
        raise MediaError("too_narrow", f"{image.width} x {image.height}, one side over {LONGEST_SIDE} times the other")
    with opened.one_at_a_time if short * long > _LARGE else nullcontext():
        return dict(opened.reader(images=image, return_tensors="pt")), notes


def accepted(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs that a network's call names: a borrowed tokenizer may make others."""
    known = signature(model.forward).parameters
    return {name: value for name, value in inputs.items() if name in known}


def patches(states: Any, inputs: dict[str, Any], patch: Any) -> Any:
    """The states `(t, d)` of an image's patches, row by row: of a grid its cells, of a sequence what stands behind the
    class and register tokens, without padding.

    Args:
        states: the last states of one image, `(d, h, w)` or `(t, d)`. patch: side of a patch in pixels, where known.
    """
    if states.dim() == 3:
        return states.flatten(1).T.contiguous()
    if "pixel_attention_mask" in inputs:
        return states[inputs["pixel_attention_mask"][0].bool()]
    if patch is None:
        return states
    height, width = (patch, patch) if isinstance(patch, int) else patch
    pixels = inputs["pixel_values"].shape
    count = (pixels[-2] // height) * (pixels[-1] // width)
    return states[-count:]
