"""Captions by a trained network of your own: BLIP, GIT, ViT-GPT2 from a folder of transformers files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chiasm import scale
from chiasm.allowed import COUNT, SIZE, TEXT
from chiasm.device import place
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.generate._beam import BEAM
from chiasm.generate._writer import Writer
from chiasm.media.images import MediaError, decode_image
from chiasm.nn.hub import in_words, network, one_thread, processor, quiet, tokenizer
from chiasm.nn.hub_files import checksum, find, libraries
from chiasm.scale import Progress
from chiasm.stats.references import captioned, captions_of
from chiasm.views import Views, as_views

__all__ = ["HfCaptioner"]

requires = ("transformers", "torch")

NAME = "hf_captioner"
CALL = {"cpu": 8, "cuda": 32}
"""Pictures a call of the network."""
NOTHING = "…"
"""The caption of a picture of which a network says nothing."""
NARROW = 100
"""How many times its shorter side a picture's longer side may be: resizing by the shorter one would fill the memory."""


class _Opened(NamedTuple):
    network: Any
    processor: Any
    tokenizer: Any
    place: str


class HfCaptioner(Writer):
    """What a network says of each picture that was trained on other people's captions: nothing is learned here.

    It reads the pictures themselves, not their vectors, of the one view of pictures; other views it does not look at.
    `fit` opens the folder, and keeps the captions there are for `score` to count words by; it needs none. A row without
    a picture, or with one that cannot be read, gets what the network says of a gray one.

    Choose it where you have such a network's files, and pictures of the kind that it has seen; `mbr` and `captioner`
    write as your own captions do.

    Args:
        model: a folder with config.json, preprocessor_config.json, a tokenizer and safetensors weights, or a hub id
            ("nlpconnect/vit-gpt2-image-captioning") whose files are in the local hub cache. Networks that want a
            question or a chat beside the picture are refused.
        beam: texts that are followed at a time; 1 is quickest. Nothing is drawn: whatever the folder says of sampling,
            a picture has one caption.
        longest: pieces (of words) of a caption, at most.
        device: "auto" (a GPU where torch sees one, else the CPU), "cpu" or "cuda".
        batch_size: pictures a call of the network; 0: 8 on a CPU, 32 on a GPU. With 1 on a CPU a picture has the same
            caption in any company to the letter; with more, but for ties that rounding decides.

    Learned: `view_`, `checksum_` of the folder, `references_` (may be empty), `usual_`.

    Sources: Li et al., BLIP, ICML 2022; Wang et al., GIT, TMLR 2022.

    >>> HfCaptioner("models/vit-gpt2", beam=1)
    HfCaptioner(model='models/vit-gpt2', beam=1)
    """

    reads = "items"
    seed = 0
    local = ("device", "batch_size")
    allowed: ClassVar = {"model": TEXT, "beam": BEAM, "longest": COUNT, "batch_size": SIZE}

    view_: str
    checksum_: str
    _opened: _Opened

    def __init__(self, model: str = "", beam: int = 4, longest: int = 40, device: str = "auto", batch_size: int = 0):
        self.model = model
        self.beam = beam
        self.longest = longest
        self.device = device
        self.batch_size = batch_size

    def fit(self, views: Any, y: Any = None) -> HfCaptioner:
        """Open the folder, find the view of pictures, and remember the captions, where there are any.

        Raises a ChiasmError unless exactly one view holds pictures, and for a folder that is not whole, holds no
        safetensors weights or another kind of network.
        """
        views = as_views(views)
        pictures = [name for name, column in views.columns.items() if column.modality == "image"]
        if len(pictures) != 1:
            got = ", ".join(f"{name} ({column.modality})" for name, column in views.columns.items())
            raise ChiasmError(f"{NAME}: wanted one view of pictures, got {got}: give the pictures themselves.")
        texts = [None] * len(views) if y is None else captions_of(y, len(views))
        self.view_ = pictures[0]
        if other := [name for name in views.names if name != self.view_]:
            told = f"{NAME} looks at {self.view_} alone, not at {', '.join(other)}: leave them out"
            warnings.warn(told, ChiasmWarning, stacklevel=3)
        self.uncaptioned_ = sum(text is None for text in texts)
        self.references_ = captioned(views, texts)[1]
        vars(self).pop("_opened", None)
        vars(self).pop("checksum_", None)
        opened = self._open()
        self.checksum_ = checksum(NAME, self._folder())
        self.usual_ = self._told(opened, [_gray()])[0]
        return self

    def generate(self, views: Any, *, progress: Progress | None = None) -> np.ndarray:
        """`(n,)` captions of raw pictures. Ctrl-C ends it: the rows that are left have None, with a warning.

        Raises a ChiasmError where the view is missing or holds no pictures, and where the folder has changed since
        `fit`.
        """
        self.check_fitted()
        self.check_params()
        views = self._door(views)
        column = views[self.view_]
        items, opened = column.used, self._open()
        told = np.full(len(column.items), None, dtype=object)
        size = self.batch_size or CALL[opened.place.partition(":")[0]]
        groups = [items[at : at + size] for at in range(0, len(items), size)]

        def write(group: np.ndarray) -> int:
            told[group] = self._told(opened, [column.items[one] for one in group.tolist()])  # kept, whoever waits
            return len(group)

        done = 0
        try:
            with one_thread(), quiet():
                for count in scale.threads(write, groups, None if opened.place == "cpu" else 1):
                    done += count
                    scale.tell(progress, self.view_, done, len(items), 0)
        except KeyboardInterrupt:
            done = sum(told[one] is not None for one in items.tolist())
            if done < len(items):
                said = f"stopped after {done} of {len(items)} pictures: the others have no caption"
                warnings.warn(said, ChiasmWarning, stacklevel=2)
        found = np.full(len(views), self.usual_, dtype=object)
        found[column.present] = told[column.index[column.present]]
        return found

    def choices(self) -> dict[str, Any]:
        """What writes."""
        return {"model": self.model, "beam": self.beam, "longest": self.longest}

    def _door(self, views: Any) -> Views:
        views = as_views(views, {self.view_: "image"})
        if self.view_ not in views.columns:
            raise ChiasmError(f"wanted the view {self.view_}, got {', '.join(views.names)}.")
        if views[self.view_].modality != "image":
            raise ChiasmError(f"view {self.view_!r}: wanted the pictures themselves, got {views[self.view_].modality}.")
        return views

    def _there(self, views: Views) -> np.ndarray:
        return views.present(self.view_)

    def _told(self, opened: _Opened, items: Sequence[Any]) -> list[str]:
        """What the network says of pictures; of one that cannot be read, `usual_`."""
        import torch

        read: list[dict[str, Any] | None] = [self._read(opened, item) for item in items]
        found = ["" if one else self.usual_ for one in read]
        for rows in _alike(read):
            group = [one for one in (read[row] for row in rows) if one]
            inputs = {name: torch.cat([one[name] for one in group]).to(opened.place) for name in group[0]}
            try:
                with torch.inference_mode():
                    out = opened.network.generate(
                        **inputs,
                        max_new_tokens=self.longest,
                        num_beams=self.beam,
                        num_return_sequences=1,
                        do_sample=False,
                        return_dict_in_generate=False,
                    )
            except torch.cuda.OutOfMemoryError:
                raise ChiasmError(
                    f"wanted memory for {len(rows)} pictures a call on {opened.place}, got too little: set "
                    "batch_size lower, or device='cpu'."
                ) from None
            texts = opened.tokenizer.batch_decode(out.cpu(), skip_special_tokens=True)
            for row, text in zip(rows, texts, strict=True):
                found[row] = " ".join(text.split()) or NOTHING
        return found

    def _read(self, opened: _Opened, item: Any) -> dict[str, Any] | None:
        """A picture as the network's inputs; None where it cannot be read."""
        try:
            image, _ = decode_image(item, None)
        except MediaError:
            return None
        if max(image.size) > NARROW * min(image.size):
            return None
        return dict(opened.processor(images=image, return_tensors="pt"))

    def _open(self) -> _Opened:
        held: _Opened | None = vars(self).get("_opened")
        if held is None:
            folder, device = self._folder(), place(self.device)
            libraries(NAME)
            mark = checksum(NAME, folder)
            if mark != vars(self).get("checksum_", mark):
                raise ChiasmError(
                    f"{NAME}: {folder} or transformers has changed since the model was fitted: fit again, or bring the "
                    "same files back."
                )
            with in_words(NAME, folder), quiet(), one_thread():
                made = network(NAME, folder, "AutoModelForImageTextToText")[0].to(device)
                held = _Opened(made, processor(folder), tokenizer(NAME, folder), device)
                self._told(held, [_gray()])  # a network that wants more than a picture fails here
            self._opened = held
        return held

    def _folder(self) -> Path:
        return find(NAME, self.model)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_opened"}


def _alike(read: Sequence[dict[str, Any] | None]) -> Iterator[list[int]]:
    """The rows whose inputs have one shape."""
    rows: dict[Any, list[int]] = {}
    for row, one in enumerate(read):
        if one is not None:
            rows.setdefault(tuple(tuple(value.shape) for value in one.values()), []).append(row)
    yield from rows.values()


def _gray() -> np.ndarray:
    """A picture of nothing."""
    return np.full((64, 64, 3), 128, dtype=np.uint8)
