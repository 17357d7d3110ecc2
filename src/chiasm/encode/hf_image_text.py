"""CLIP, SigLIP, SigLIP 2 or Chinese CLIP from a folder of transformers files: images and texts in one space.

One folder, two towers: an encoder is one of them. The folder's own processor, tokenizer and weights, in PyTorch,
without a network connection. One item a call and one thread a call: an item gives the same bits in any company.
Sources: Radford et al., CLIP, ICML 2021; Zhai et al., SigLIP, ICCV 2023; Tschannen et al., SigLIP 2, 2025;
Yang et al., Chinese CLIP, 2022.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import TEXT, choice
from chiasm.encode._hf import Hf, Opened, configuration, network, processor, tokenizer
from chiasm.encode._hf_files import loaded, part
from chiasm.encode._hf_read import longest, patches, read_image, read_text
from chiasm.encode._modules import kind_of
from chiasm.errors import ChiasmError, unknown
from chiasm.media.images import Note

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

    Texts are read up to the model's limit (77 tokens for CLIP, 64 for SigLIP); a cut is noted on the item. Images are
    resized, cropped and scaled as the folder says. `tokens(items)` gives the last states of patches or words before
    they are projected, `(t_i, d')` each.

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfImageText("models/clip", modality="text").modality
    'text'
    """

    modality: str  # type: ignore[misc]  # the one encoder of which a parameter says what it reads
    batch = 64

    allowed: ClassVar = {"model": TEXT, "modality": choice(*_TOWERS)}

    def __init__(self, model: str = "", modality: str = "image"):
        self.model = model
        self.modality = modality

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

    def _run(self, opened: Opened, item: Any) -> tuple[np.ndarray, np.ndarray, list[Note]]:
        import torch

        config = opened.network.config
        with torch.inference_mode():
            if self.modality == "image":
                inputs, notes = read_image(opened, item)
                out = opened.network.get_image_features(**inputs)
                patch = getattr(config.vision_config, "patch_size", None)
                parts = patches(out.last_hidden_state[0], inputs, patch)
            else:
                padded = config.model_type.startswith("siglip")  # it reads the last position, trained so
                inputs, words, notes = read_text(opened, item, padded=padded)
                out = opened.network.get_text_features(**inputs)
                parts = out.last_hidden_state[0][words]
            vector = out.pooler_output[0]
            return (vector / vector.norm()).numpy(), parts.numpy(), notes

    def _probe(self) -> Any:
        return "a" if self.modality == "text" else np.zeros((64, 64, 3), dtype=np.uint8)
