"""How the encoders of a user's own Hugging Face files read items: the network's inputs, notes, and patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from inspect import signature
from itertools import chain, pairwise
from typing import Any

import numpy as np
from PIL import Image

from chiasm.encode._hf_call import Opened, Read
from chiasm.encode._pixels import Pixels, pixels
from chiasm.encode._words import LONGEST, readable
from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError, Note, decode_image

__all__ = ["PROBES", "accepted", "by_pillow", "longest", "patches", "read_images", "read_texts"]


MOST = 8192
"""Tokens read of a text at most, whatever a folder says: their cost grows with their square."""
USUAL = 512
"""Tokens read of a text where a folder says nothing."""
LONGEST_SIDE = 100
"""How many times its shorter side an image's longer side may be: resizing by the shorter one would fill the memory."""
_LARGE = 5_000_000
_NEAR = 1e-5
"""How far a processor's numbers may be from ours, of a largest number of 1."""
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
    found: dict[int, Read | MediaError] = dict(skipped)
    if asked:
        made = _tokenized(opened, [texts[i] for i in asked], padded, [told.get(i, []) for i in asked])
        found.update(zip(asked, made, strict=True))
    return [found[i] for i in range(len(items))]


def _tokenized(opened: Opened, texts: list[str], padded: bool, told: list[list[Note]]) -> Iterator[Read]:
    """Texts as inputs of the network, which are parts of arrays of all of them, and their notes after those `told`."""
    reader, limit = opened.reader, opened.limit
    with opened.one_at_a_time:
        whole = dict(reader(texts, return_special_tokens_mask=True, verbose=False))
        lengths = [len(one) for one in whole["input_ids"]]
        again = [k for k, length in enumerate(lengths) if length > limit or padded]
        if again:
            options = {"truncation": True, "max_length": limit, "padding": "max_length" if padded else False}
            cut = reader([texts[k] for k in again], return_special_tokens_mask=True, **options)
            for name, rows in cut.items():
                for k, row in zip(again, rows, strict=True):
                    whole[name][k] = row
    edges = _edges([len(one) for one in whole["input_ids"]])
    flat = {name: np.fromiter(chain.from_iterable(rows), np.int64, edges[-1]) for name, rows in whole.items()}
    own = flat.pop("special_tokens_mask") == 0
    positions = (np.arange(edges[-1]) - np.repeat(edges[:-1], np.diff(edges)))[own]
    upto = _edges(own)[edges]  # tokens that are parts of a text, up to each text
    unknown = own & (flat["input_ids"] == (-1 if reader.unk_token_id is None else reader.unk_token_id))
    lacking = np.diff(_edges(unknown)[edges]).tolist()
    between, parted = list(pairwise(edges.tolist())), list(pairwise(upto.tolist()))
    rows = {name: values[None] for name, values in flat.items()}
    for k, ((start, end), (first, last)) in enumerate(zip(between, parted, strict=True)):
        notes = told[k]
        if lengths[k] > limit:
            notes = [*notes, Note("cut", f"read the first {limit} of {lengths[k]} tokens")]
        if 2 * lacking[k] > last - first:
            said = f"{lacking[k]} of {last - first} tokens are not in the vocabulary"
            notes = [*notes, Note("unknown_words", said)]
        yield Read([{name: values[:, start:end] for name, values in rows.items()}], notes, positions[first:last])


def _edges(counts: Any) -> np.ndarray:
    """Where each of so many begins, and where the last ends."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def read_images(opened: Opened, items: Sequence[Any]) -> list[Read | MediaError]:
    """Images as the network's inputs, and notes; a MediaError for what is unreadable.

    By `opened.pixels` as uint8 `(1, h, w, 3)`, of which the call makes numbers; without it by the folder's processor.
    """
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
        if opened.pixels:
            return Read([{"pixel_values": opened.pixels.seen(image)[None]}], notes)
        return Read([dict(opened.reader(images=image, return_tensors="pt"))], notes)


def by_pillow(reader: Any) -> Pixels | None:
    """What makes of pictures what an image processor of transformers does, for less: checked on two that are noise.

    None where the processor is of a kind that is not known here, or does something else than its settings say.
    """
    try:
        found = pixels(reader.to_dict(), "the folder's processor")
    except ChiasmError:
        return None
    rng = np.random.default_rng(0)
    for shape in ((301, 457, 3), (57, 40, 3)):
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        made = dict(reader(images=image, return_tensors="np"))
        known, ours = np.asarray(made.pop("pixel_values")[0]), found(image)
        if made or known.shape != ours.shape or np.abs(known - ours).max() > _NEAR * max(1.0, np.abs(known).max()):
            return None
    return found


def accepted(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs that a network's call names: a borrowed tokenizer may make others."""
    known = _named(type(model))  # type: ignore[arg-type]
    return {name: value for name, value in inputs.items() if name in known}


@cache
def _named(kind: type) -> frozenset[str]:
    return frozenset(signature(kind.forward).parameters)  # type: ignore[attr-defined]


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
