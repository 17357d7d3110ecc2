"""CLAP from a folder of transformers files: sounds and texts in one space.

One folder, two towers: an encoder is one of them. The folder's own feature extractor, tokenizer and weights, in
PyTorch, without a network connection. On a CPU one item a call and one thread a call: an item gives
the same bits in any company. On a GPU many.
Source: Wu et al., CLAP, ICASSP 2023.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import TEXT, choice
from chiasm.encode._hf_call import Opened, Read, Row
from chiasm.encode._hf_time import HfTowers, heard, listen, listener, sounds
from chiasm.encode._timed import Steps
from chiasm.media.clips import Decoded, Wants

__all__ = ["HfAudioText"]

requires = ("transformers", "torch")


class HfAudioText(HfTowers):
    """A sound's or a text's vector `(n, d)` float32 of length 1, in the space that both share.

    The cosine of a sound's and a text's vector is what the model was trained on: its own `logits_per_audio` without
    scale. So sounds are found by words without a single training pair, and an aligner can still learn on top. Choose it
    where you have such a model's files.

    Args:
        model: a folder with config.json, preprocessor_config.json, a tokenizer and safetensors weights, or a hub id
            ("laion/clap-htsat-unfused") whose files are in the local hub cache.
        modality: which tower: "audio" or "text". A name takes that of its column, so that on the command line both
            are `--encoder sound=hf_audio_text:FOLDER --encoder caption=hf_audio_text:FOLDER`.
        device: "auto" (a GPU where torch sees one, else the CPU), "cpu" or "cuda".
        precision: "float32", "float16" or "bfloat16"; the latter two are for GPUs.
        batch_size: items a call of the network; 0: one on a CPU, 16 on a GPU. Neither it nor the device is in the
            fingerprint, as vectors are equal to 1e-4 in float32; the precision is.
        pooled: False gives the states of every 0.3 s or of the words before they are projected, `(t_i, d')`, as
            `chiasm.tokens.Tokens`: no space that sounds and texts share.

    A sound of up to 10 s is repeated to fill them, as in training; a longer one is cut into the fewest equal parts that
    fit, and its vector is the mean of theirs: where a long recording holds several things, search its moments. Texts
    are read up to the model's limit (512 tokens); a cut is noted on the item.

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfAudioText("models/clap", modality="text").modality
    'text'
    """

    kinds = ("clap",)

    allowed: ClassVar = {"model": TEXT, "modality": choice("text", "audio")}

    def __init__(
        self,
        model: str = "",
        modality: str = "audio",
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
        opened = self._towers(folder, "audio", ("audio_model",))
        opened.reader = opened.reader or listener(folder)
        return opened

    def _wants(self, opened: Opened) -> Wants:
        return Wants() if self.modality == "text" else Wants(rate=opened.reader.sampling_rate)

    def _prepared(self, opened: Opened, decoded: Decoded) -> Read:
        return sounds(opened, decoded)

    def _perceived(self, opened: Opened, inputs: dict[str, Any]) -> tuple[Any, Any]:
        return listen(opened, inputs)

    def _whole(self, opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Steps]:
        return heard(opened, read, rows)
