"""The names that a folder's classifier knows, where its last layer is linear in what the encoder returns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.known import Known

__all__ = ["classifier"]

_NEAR = 1e-3
"""What the encoder's vector through the last layer may differ from the classifier's own scores, of their spread."""

_CHINESE = re.compile(r"[\u4e00-\u9fff]")

_SAID = {"image": ("a photo of a {}", "一张{}的照片"), "audio": ("the sound of {}", "{}的声音")}


def classifier(folder: Path, modality: str, made: Sequence[tuple[Mapping[str, Any], np.ndarray]]) -> Known | str:
    """The names of a folder's classes and the last layer that tells them; where it is no such classifier, why.

    It is none where config.json names no architecture that classifies, where classes have numbers for names, and where
    the last layer does not give the classifier's own scores from the encoder's vectors. "" where it classifies nothing.

    Args:
        modality: "image" or "audio". made: some items, each as the network's inputs and as the encoder's vector `(d,)`.
    """
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    kinds = {"image": "ForImageClassification", "audio": "ForSequenceClassification|ForAudioClassification"}
    names = [str(config.id2label[i]) for i in sorted(getattr(config, "id2label", None) or {})]
    if not re.search(f"(?:{kinds[modality]})$", (config.architectures or [""])[0]) or len(names) < 2:
        return ""
    if all(re.fullmatch(r"(?i)label[_ ]?\d+", name) for name in names):
        return f"{folder}/config.json has numbers for names (id2label)"
    auto = {
        "image": transformers.AutoModelForImageClassification,
        "audio": transformers.AutoModelForAudioClassification,
    }
    options = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}  # no pickle
    model = auto[modality].from_pretrained(folder, **options).eval()
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == len(names)]
    whose = f"{config.architectures[0]} of {folder} is a classifier whose"
    if not linear:
        return f"{whose} last layer is not linear"
    weights, biases = linear[-1].weight, linear[-1].bias
    biases = torch.zeros(len(names)) if biases is None else biases
    width, between = len(made[0][1]), getattr(model, "projector", None)
    if weights.shape[1] != width and isinstance(between, torch.nn.Linear) and between.in_features == width:
        weights, biases = weights @ between.weight, weights @ between.bias + biases  # one linear layer after another
    if weights.shape[1] != width:
        return f"{whose} last layer reads {weights.shape[1]} numbers, not these {width}"
    with torch.inference_mode():
        for inputs, vector in made:
            own = model(**inputs).logits[0].numpy()
            ours = weights.numpy() @ vector + biases.numpy()
            if np.abs(own - ours).max() > _NEAR * np.ptp(own):
                return f"{whose} last layer does not give its own scores from these vectors"
    said = [name.split(",")[0].strip().replace("_", " ") for name in names]
    english, chinese = _SAID[modality]
    phrasings = [[name, (chinese if _CHINESE.search(name) else english).format(name)] for name in said]
    return Known(phrasings, weights.detach().numpy().copy(), biases.detach().numpy().copy())
