"""ResNet-50, ViT, DINOv2 and other image networks from a folder of transformers files: 2048-d for ResNet-50.

The folder's own image processor (by Pillow) and weights, in PyTorch, without a network connection. One image a call and
one thread a call: an image gives the same bits in any company.
Sources: He et al., ResNet, CVPR 2016; Dosovitskiy et al., ViT, ICLR 2021; Oquab et al., DINOv2, TMLR 2024.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import TEXT
from chiasm.encode._hf import Hf, Opened, configuration, network, processor
from chiasm.encode._hf_read import accepted, patches, read_image
from chiasm.errors import ChiasmError
from chiasm.media.images import Note

__all__ = ["HfImage"]

requires = ("transformers", "torch")


class HfImage(Hf):
    """An image's vector `(n, d)` float32 from an image network that you bring.

    Choose it for stronger features than `effnet_image` (DINOv2), for a network trained on your field, or to compare
    with published ResNet-50 features. Most such networks take several times as long as `effnet_image`.

    The vector is the network's own pooled output: the mean over the last map for ResNet, the class token for DINOv2.
    Where a network has no trained pooling layer, it is the class token; where it has no such token, the mean.

    Args:
        model: a folder with config.json, preprocessor_config.json and safetensors weights, or a hub id
            ("microsoft/resnet-50") whose files are in the local hub cache. On the command line
            `--encoder photo=hf_image:FOLDER`.

    Images are decoded whole, then resized, cropped and scaled as the folder says: what a crop leaves out is not seen.
    An image over 100 times as long as wide is skipped.
    `tokens(items)` gives the last states of the patches or of the cells of the last map, row by row, `(t_i, d)` each:
    (49, 2048) for ResNet-50 at 224 pixels.

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfImage("models/resnet-50")
    HfImage(model='models/resnet-50')
    """

    modality = "image"
    batch = 64

    allowed: ClassVar = {"model": TEXT}

    def __init__(self, model: str = ""):
        self.model = model

    def _load(self, folder: Path) -> Opened:
        config = configuration(folder)
        if hasattr(config, "text_config"):
            raise ChiasmError(
                f"hf_image: wanted a model of images alone, got {config.model_type!r} in {folder}: one of images and "
                "texts is for hf_image_text."
            )
        model, pooler = network(self._name, folder)
        return Opened(model, processor(folder), pooled=pooler)

    def _run(self, opened: Opened, item: Any) -> tuple[np.ndarray, np.ndarray, list[Note]]:
        import torch

        inputs, notes = read_image(opened, item)
        with torch.inference_mode():
            out = opened.network(**accepted(opened.network, inputs))
            states = out.last_hidden_state[0]
            parts = patches(states, inputs, getattr(opened.network.config, "patch_size", None))
            pooled = getattr(out, "pooler_output", None)
            if opened.pooled and pooled is not None:
                vector = pooled[0].flatten()
            else:
                vector = states[0] if states.dim() == 2 and len(states) > len(parts) else parts.mean(0)
        return vector.numpy(), parts.numpy(), notes

    def _probe(self) -> np.ndarray:
        return np.zeros((64, 64, 3), dtype=np.uint8)
