"""How the encoders of a user's own Hugging Face files read items: the network's inputs, notes, and patches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from inspect import signature
from typing import Any

from chiasm.encode._hf_call import Opened, Read
from chiasm.encode._words import LONGEST, readable
from chiasm.media.images import MediaError, Note, decode_image

__all__ = ["PROBES", "accepted", "longest", "patches", "read_images", "read_texts"]


MOST = 8192
"""Tokens read of a text at most, whatever a folder says: their cost grows with their square."""
USUAL = 512
"""Tokens read of a text where a folder says nothing."""
LONGEST_SIDE = 100
"""How many times its shorter side an image's longer side may be: resizing by the shorter one would fill the memory."""
_LARGE = 5_000_000
PROBES = ["a", "a" + ", a" * 5]
"""Texts of different lengths that any tokenizer reads."""


def longest(reader: Any, config: Any, model: Any, told: int | None = None) -> int:
    """The most tokens that a network reads: the least of what its tokenizer, its positions and its folder say."""
    positions = getattr(config, "max_position_embeddings", None)
    first = getattr(getattr(model, "embeddings", None), "padding_idx", None)  # RoBERTa counts from behind it
    if positions and first is not None:
        positions -= first + 1
    said = [int(n) for n in (reader.model_max_length, positions, told) if n and n < 10**6]  # "no limit" is 10**30
    return min([*said, MOST]) if said else USUAL


def read_texts(opened: Opened, items: Sequence[Any], *, padded: bool = False) -> list[Read | MediaError]:
    """Texts as the network's inputs, with the positions of the tokens that are parts of the text, and notes.

    A text beyond the network's limit is cut and noted; one of which the vocabulary lacks more than half is noted.
    A MediaError stands for what is no text or holds nothing visible.
    """
    texts, told = readable(items)
    skipped = {i: MediaError(of[0].code, of[0].message) for i, of in told.items() if of[0].skipped}
    asked = [i for i in range(len(items)) if i not in skipped]
    texts = [opened.prompt + text[:LONGEST].replace("\0", " ").encode("utf-8", "replace").decode() for text in texts]
    texts = [text.lower() for text in texts] if opened.lower else texts
    reader, limit = opened.reader, opened.limit
    found: dict[int, Read | MediaError] = dict(skipped)
    with opened.one_at_a_time:
        whole = reader([texts[i] for i in asked], return_special_tokens_mask=True, verbose=False) if asked else {}
        for place, i in enumerate(asked):
            made, notes = {name: values[place] for name, values in whole.items()}, told.get(i, [])
            length = len(made["input_ids"])
            if length > limit or padded:
                padding = "max_length" if padded else False
                options = {"truncation": True, "max_length": limit, "padding": padding}
                made = reader(texts[i], return_special_tokens_mask=True, **options)
            if length > limit:
                notes = [*notes, Note("cut", f"read the first {limit} of {length} tokens")]
            found[i] = _text(opened, dict(made), notes)
    return [found[i] for i in range(len(items))]


def _text(opened: Opened, made: dict[str, list[int]], notes: list[Note]) -> Read:
    import torch

    parts = [k for k, special in enumerate(made.pop("special_tokens_mask")) if not special]
    unknown = opened.reader.unk_token_id
    lacking = 0 if unknown is None else sum(made["input_ids"][k] == unknown for k in parts)
    if 2 * lacking > len(parts):
        notes = [*notes, Note("unknown_words", f"{lacking} of {len(parts)} tokens are not in the vocabulary")]
    return Read([{name: torch.tensor([values]) for name, values in made.items()}], notes, parts)


def read_images(opened: Opened, items: Sequence[Any]) -> list[Read | MediaError]:
    """Images as the network's inputs, by the folder's own processor, and notes; a MediaError for what is unreadable."""
    found: list[Read | MediaError] = []
    for item in items:
        try:
            found.append(_image(opened, item))
        except MediaError as error:
            found.append(error)
    return found


def _image(opened: Opened, item: Any) -> Read:
    image, notes = decode_image(item, None)
    short, long = sorted(image.size)
    if long > LONGEST_SIDE * short:
        raise MediaError("too_narrow", f"{image.width} x {image.height}, one side over {LONGEST_SIDE} times the other")
    with opened.one_at_a_time if short * long > _LARGE else nullcontext():
        return Read([dict(opened.reader(images=image, return_tensors="pt"))], notes)


def accepted(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs that a network's call names: a borrowed tokenizer may make others."""
    known = signature(model.forward).parameters
    return {name: value for name, value in inputs.items() if name in known}


def patches(states: Any, inputs: dict[str, Any], patch: Any) -> list[Any]:
    """The states `(t, d)` of each image's patches, row by row: of a grid its cells, of a sequence what stands behind
    the class and register tokens, without padding.

    Args:
        states: the last states, `(n, d, h, w)` or `(n, t, d)`. patch: side of a patch in pixels, where known.
    """
    if states.dim() == 4:
        return list(states.flatten(2).transpose(1, 2))
    if "pixel_attention_mask" in inputs:
        return [one[mask.bool()] for one, mask in zip(states, inputs["pixel_attention_mask"], strict=True)]
    if patch is None:
        return list(states)
    height, width = (patch, patch) if isinstance(patch, int) else patch
    pixels = inputs["pixel_values"].shape
    count = (pixels[-2] // height) * (pixels[-1] // width)
    return list(states[:, -count:])
