"""ResNet-50, ViT, DINOv2 and other image networks from a folder of transformers files: 2048-d for ResNet-50.

The folder's own image processor (by Pillow) and weights, in PyTorch, without a network connection. Many images a
call, stacked: an image's numbers are equal in any company to 1e-4, and with `batch_size=1` on a CPU to the bit.
Sources: He et al., ResNet, CVPR 2016; Dosovitskiy et al., ViT, ICLR 2021; Oquab et al., DINOv2, TMLR 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import TEXT
from chiasm.encode._hf_call import Opened, Read
from chiasm.encode._hf_read import accepted, patches, read_images
from chiasm.encode._hf_torch import Trainable
from chiasm.errors import ChiasmError
from chiasm.known import Known
from chiasm.media.images import MediaError
from chiasm.nn.hub import configuration, network, processor

__all__ = ["HfImage"]

requires = ("transformers", "torch")


class HfImage(Trainable):
    """An image's vector `(n, d)` float32 from an image network that you bring.

    Choose it for stronger features than `effnet_image` (DINOv2), for a network trained on your field, or to compare
    with published ResNet-50 features. Most such networks take several times as long as `effnet_image`.

    The vector is the network's own pooled output: the mean over the last map for ResNet, the class token for DINOv2.
    Where a network has no trained pooling layer, it is the class token; where it has no such token, the mean.

    Args:
        model: a folder with config.json, preprocessor_config.json and safetensors weights, or a hub id
            ("microsoft/resnet-50") whose files are in the local hub cache. On the command line
            `--encoder photo=hf_image:FOLDER`.
        device: "auto" (a GPU where torch sees one, else the CPU), "cpu" or "cuda".
        precision: "float32", "float16" or "bfloat16"; the latter two are for GPUs.
        batch_size: images a call of the network; 0: 32 on a CPU, 64 on a GPU. Neither it nor the device is in the
            fingerprint, as vectors are equal to 1e-4 in float32; the precision is.
        pooled: False gives the last states of the patches or of the cells of the last map, row by row, as
            `chiasm.tokens.Tokens`: (49, 2048) for ResNet-50 at 224 pixels.

    Images are decoded whole, then resized, cropped and scaled as the folder says: what a crop leaves out is not seen.
    An image over 100 times as long as wide is skipped.

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfImage("models/resnet-50")
    HfImage(model='models/resnet-50')
    """

    modality = "image"

    allowed: ClassVar = {"model": TEXT}

    def __init__(
        self,
        model: str = "",
        device: str = "auto",
        precision: str = "float32",
        batch_size: int = 0,
        pooled: bool = True,
    ):
        self.model = model
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.pooled = pooled

    def known(self) -> Known | None:
        """The names of the folder's classifier, where it is one and its last layer is linear in these vectors."""
        return found if isinstance(found := self._named(), Known) else None

    def nameless(self) -> str:
        """As `Encoder.nameless`."""
        return found if isinstance(found := self._named(), str) else ""

    def _named(self) -> Known | str:
        if self.in_parts:
            return "its vectors are of parts of pictures"
        rng = np.random.default_rng(0)
        return self._classes([rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2)])

    def _load(self, folder: Path) -> Opened:
        config = configuration(folder)
        if hasattr(config, "text_config"):
            raise ChiasmError(
                f"hf_image: wanted a model of images alone, got {config.model_type!r} in {folder}: one of images and "
                "texts is for hf_image_text."
            )
        model, pooler = network(self._name, folder)
        return Opened(model, processor(folder), pooled=pooler)

    def _reads(self, opened: Opened, items: Sequence[Any]) -> list[Read | MediaError]:
        return read_images(opened, items)

    def _call(self, opened: Opened, inputs: dict[str, Any], counts: Any) -> tuple[Any, Any]:
        import torch

        out = opened.network(**accepted(opened.network, inputs))
        states = out.last_hidden_state
        parts = patches(states, inputs, getattr(opened.network.config, "patch_size", None))
        pooled = getattr(out, "pooler_output", None)
        if opened.pooled and pooled is not None:
            return pooled.flatten(1), parts
        if states.dim() == 3 and states.shape[1] > len(parts[0]):
            return states[:, 0], parts
        return torch.stack([part.float().mean(0) for part in parts]), parts

    def _probes(self) -> list[Any]:
        return [np.zeros((64, 64, 3), dtype=np.uint8)]
