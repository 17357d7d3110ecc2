"""X-CLIP from a folder of transformers files: videos and texts in one space.

One folder, two towers: an encoder is one of them. The folder's own image processor (by Pillow) on every picture, its
tokenizer and weights, in PyTorch, without a network connection. On a CPU one item a call and one
thread a call: an item gives the same bits in any company. On a GPU many.
Source: Ni et al., X-CLIP, ECCV 2022.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import TEXT, choice
from chiasm.encode._hf_call import Opened, Read, Row
from chiasm.encode._hf_time import HfTowers, pictures, see, seen, watched
from chiasm.encode._timed import Steps
from chiasm.media.clips import Decoded, Wants
from chiasm.nn.hub import processor

__all__ = ["HfVideoText"]

requires = ("transformers", "torch")


class HfVideoText(HfTowers):
    """A video's or a text's vector `(n, d)` float32 of length 1, in the space that both share.

    Videos are found by words without a single training pair, and an aligner can still learn on top. The cosine is that
    of the model's own two vectors. Its own `logits_per_video` move every text's vector a little towards the video that
    it is compared with, which no stored vector can do, so they differ from the cosine. Choose it where you have such a
    model's files.

    Args:
        model: a folder with config.json, preprocessor_config.json, a tokenizer and safetensors weights, or a hub id
            ("microsoft/xclip-base-patch32") whose files are in the local hub cache.
        modality: which tower: "video" or "text". A name takes that of its column, so that on the command line both
            are `--encoder clip=hf_video_text:FOLDER --encoder caption=hf_video_text:FOLDER`.
        device: "auto" (a GPU where torch sees one, else the CPU), "cpu" or "cuda".
        precision: "float32", "float16" or "bfloat16"; the latter two are for GPUs.
        batch_size: items a call of the network; 0: one on a CPU, 16 on a GPU. Neither it nor the device is in the
            fingerprint, as vectors are equal to 1e-4 in float32; the precision is.
        pooled: False gives each picture's vector before the pictures are read together, or the words' last states,
            `(t_i, d')`, as `chiasm.tokens.Tokens`: no space that videos and texts share.

    The pictures (8) come from the middles of as many equal parts of the clip, squeezed to a square: search long films
    by their moments. Texts are read up to the model's limit (77 tokens); a cut is noted on the item.

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfVideoText("models/xclip", modality="text").modality
    'text'
    """

    kinds = ("xclip",)

    allowed: ClassVar = {"model": TEXT, "modality": choice("text", "video")}

    def __init__(
        self,
        model: str = "",
        modality: str = "video",
        device: str = "auto",
        precision: str = "float32",
        batch_size: int = 0,
        pooled: bool = True,
    ):
        self.model = model
        self.modality = modality
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.pooled = pooled

    def _load(self, folder: Path) -> Opened:
        opened = self._towers(folder, "video", ("vision_model", "mit", "prompts_generator"))
        opened.reader = opened.reader or processor(folder)
        return opened

    def _wants(self, opened: Opened) -> Wants:
        return Wants() if self.modality == "text" else pictures(opened)

    def _prepared(self, opened: Opened, decoded: Decoded) -> Read:
        return watched(opened, decoded)

    def _perceived(self, opened: Opened, inputs: dict[str, Any]) -> tuple[Any, Any]:
        return see(opened, inputs)

    def _whole(self, opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Steps]:
        return seen(read, rows)
