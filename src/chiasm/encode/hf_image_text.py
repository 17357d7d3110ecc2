"""CLIP, SigLIP, SigLIP 2 or Chinese CLIP from a folder of transformers files: images and texts in one space.

One folder, two towers: an encoder is one of them. The folder's own processor, tokenizer and weights, in PyTorch,
without a network connection. Many items a call, images stacked, texts padded with masks: an item's numbers are equal in
any company to 1e-4, and with `batch_size=1` on a CPU to the bit.
Sources: Radford et al., CLIP, ICML 2021; Zhai et al., SigLIP, ICCV 2023; Tschannen et al., SigLIP 2, 2025;
Yang et al., Chinese CLIP, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import TEXT, choice
from chiasm.encode._hf import Hf
from chiasm.encode._hf_call import Opened, Read
from chiasm.encode._hf_read import PROBES, longest, patches, read_images, read_texts
from chiasm.encode._modules import kind_of
from chiasm.errors import ChiasmError, unknown
from chiasm.media.images import MediaError
from chiasm.nn.hub import configuration, network, processor, tokenizer
from chiasm.nn.hub_files import loaded, part

__all__ = ["HfImageText"]

requires = ("transformers", "torch")

_TOWERS = {"image": "text_model", "text": "vision_model"}
"""By modality, the half of the network that is not needed."""


class HfImageText(Hf):
    """An image's or a text's vector `(n, d)` float32 of length 1, in the space that both share.

    The cosine of an image's and a text's vector is what the model was trained on: its own `logits_per_image` without
    scale and bias. So the two towers match without a single training pair, and an aligner can still learn on top.
    Choose it where you have such a model's files. Choose `e5_text` and `effnet_image` where you have none.

    Args:
        model: a folder with config.json, preprocessor_config.json, a tokenizer and safetensors weights (of
            sentence-transformers too: 0_CLIPModel), or a hub id ("openai/clip-vit-base-patch32") whose files are in the
            local hub cache.
        modality: which tower: "image" or "text". A name takes that of its column, so that on the command line both
            are `--encoder photo=hf_image_text:FOLDER --encoder caption=hf_image_text:FOLDER`.
        device: "auto" (a GPU where torch sees one, else the CPU), "cpu" or "cuda".
        precision: "float32", "float16" or "bfloat16"; the latter two are for GPUs.
        batch_size: items a call of the network; 0: 32 on a CPU, 64 on a GPU. Neither it nor the device is in the
            fingerprint, as vectors are equal to 1e-4 in float32; the precision is.
        pooled: False gives the last states of patches or words before they are projected, `(t_i, d')`, as
            `chiasm.tokens.Tokens`: no space that images and texts share.

    Texts are read up to the model's limit (77 tokens for CLIP, 64 for SigLIP); a cut is noted on the item. Images are
    resized, cropped and scaled as the folder says.

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfImageText("models/clip", modality="text").modality
    'text'
    """

    modality: str  # type: ignore[misc]  # the one encoder of which a parameter says what it reads

    allowed: ClassVar = {"model": TEXT, "modality": choice(*_TOWERS)}

    def __init__(
        self,
        model: str = "",
        modality: str = "image",
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

    def speaker(self) -> HfImageText | None:
        """The tower of texts, of images."""
        return self.clone(modality="text") if self.modality == "image" and not self.in_parts else None

    def _load(self, folder: Path) -> Opened:
        if self.modality not in _TOWERS:
            raise unknown("tower of hf_image_text", self.modality, _TOWERS)
        modules = loaded(folder, "modules.json")
        if modules and kind_of(modules[0]) == "CLIPModel":  # as sentence-transformers lays it out
            folder = part(folder, modules[0])
        config = configuration(folder)
        model, _ = network(self._name, folder)
        if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
            raise ChiasmError(
                f"hf_image_text: wanted a model with an image and a text tower (CLIP, SigLIP), got "
                f"{config.model_type!r} in {folder}: one of texts alone is for hf_text, of images alone for hf_image."
            )
        setattr(model, _TOWERS[self.modality], None)
        if self.modality == "image":
            return Opened(model, processor(folder))
        reader = tokenizer(self._name, folder)
        return Opened(model, reader, limit=longest(reader, config.text_config, model.text_model))

    @property
    def pieces(self) -> int:  # type: ignore[override]
        """Items that one thread reads at a time."""
        return 256 if self.modality == "text" else 1

    def _reads(self, opened: Opened, items: Sequence[Any]) -> list[Read | MediaError]:
        if self.modality == "image":
            return read_images(opened, items)
        padded = opened.network.config.model_type.startswith("siglip")  # it reads the last position, trained so
        return read_texts(opened, items, padded=padded)

    def _call(self, opened: Opened, inputs: dict[str, Any], counts: Any) -> tuple[Any, Any]:
        if self.modality == "text":
            out = opened.network.get_text_features(**inputs)
            parts = out.last_hidden_state
        else:
            out = opened.network.get_image_features(**inputs)
            patch = getattr(opened.network.config.vision_config, "patch_size", None)
            parts = patches(out.last_hidden_state, inputs, patch)
        vectors = out.pooler_output.float()
        return vectors / vectors.norm(dim=1, keepdim=True), parts

    def _probes(self) -> list[Any]:
        return PROBES if self.modality == "text" else [np.zeros((64, 64, 3), dtype=np.uint8)]
