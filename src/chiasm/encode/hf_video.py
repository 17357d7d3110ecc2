"""VideoMAE and X-CLIP from a folder of transformers files: vectors of videos and states over time.

The folder's own image processor (by Pillow) on every picture, and its weights, in PyTorch, without a network
connection. On a CPU one video a call and one thread a call: a video gives the same bits in any company. On a GPU
many.
Sources: Tong et al., VideoMAE, NeurIPS 2022; Ni et al., X-CLIP, ECCV 2022.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import SIZE, TEXT
from chiasm.encode._hf_call import Opened, Read, Row
from chiasm.encode._hf_time import HfTime, pictures, probe, see, seen, watched
from chiasm.encode._timed import Steps
from chiasm.media.clips import Decoded, Wants
from chiasm.nn.hub import processor

__all__ = ["HfVideo"]

requires = ("transformers", "torch")


class HfVideo(HfTime):
    """A video's vector `(n, d)` float32 from a network that you bring.

    Choose it where what happens matters and you have such a model's files: these networks read pictures together. It
    costs far more than `frames_video` and `motion_video` (a VideoMAE of base size: 1,568 patches a clip). To search
    videos by words with an X-CLIP folder choose `hf_video_text`.

    The vector is the mean of VideoMAE's last states, 768-d for the base size, or X-CLIP's own vector of the clip.

    Args:
        model: a folder with config.json, preprocessor_config.json and safetensors weights, or a hub id
            ("MCG-NJU/videomae-base") whose files are in the local hub cache. On the command line
            `--encoder clip=hf_video:FOLDER`.
        steps: 0 gives the network's own vector; T the mean states of T equal parts side by side, `(n, T * d)`.
        device: "auto" (a GPU where torch sees one, else the CPU), "cpu" or "cuda".
        precision: "float32", "float16" or "bfloat16"; the latter two are for GPUs.
        batch_size: videos a call of the network; 0: one on a CPU, 16 on a GPU. Neither it nor the device is in the
            fingerprint, as vectors are equal to 1e-4 in float32; the precision is.

    The pictures (16 for VideoMAE, 8 for X-CLIP) come from the middles of as many equal parts of the clip, squeezed to
    a square where the networks were trained on crops: give clips of some seconds, as in training, and longer films as
    moments. `over_time(decoded)` gives a state for every two pictures (VideoMAE) or each (X-CLIP, before the pictures
    are read together); `tokens(items)` gives their values.

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfVideo("models/videomae")
    HfVideo(model='models/videomae')
    """

    modality = "video"
    kinds = ("videomae", "xclip")

    allowed: ClassVar = {"model": TEXT, "steps": SIZE}

    def __init__(
        self,
        model: str = "",
        steps: int = 0,
        device: str = "auto",
        precision: str = "float32",
        batch_size: int = 0,
    ):
        self.model = model
        self.steps = steps
        self.device = device
        self.precision = precision
        self.batch_size = batch_size

    def _load(self, folder: Path) -> Opened:
        model = self._network(folder)
        if hasattr(model, "text_model"):
            model.text_model = None
        return Opened(model, processor(folder))

    def _wants(self, opened: Opened) -> Wants:
        return pictures(opened)

    def _prepared(self, opened: Opened, decoded: Decoded) -> Read:
        return watched(opened, decoded)

    def _call(self, opened: Opened, inputs: dict[str, Any], counts: Any) -> tuple[Any, Any]:
        return see(opened, inputs)

    def _whole(self, opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Steps]:
        return seen(read, rows)

    def _probes(self) -> list[Any]:
        return [probe()]
