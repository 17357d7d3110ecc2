"""Tiny networks as ONNX files, of random weights, in the layouts that users bring."""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
from pathlib import Path
from typing import Any

import _tiny
import _tiny_time

MODELS = {"onnx_text": "bert", "onnx_image": "vit", "onnx_audio": "wav2vec2"}
"""By encoder, the tiny model that it is tested with where any will do."""
_SHAPES = {
    "input_ids": {0: "batch", 1: "length"},
    "attention_mask": {0: "batch", 1: "length"},
    "token_type_ids": {0: "batch", 1: "length"},
    "pixel_values": {0: "batch"},
    "input_values": {0: "batch", 1: "length"},
}


def tiny(kind: str, seed: int = 0) -> Path:
    """The folder of a tiny model's settings, with its network as onnx/model.onnx, as transformers.js has them."""
    folder = _tiny.home() / f"onnx-{kind}-{seed}"
    if not folder.exists():
        source = _tiny_time.tiny(kind, seed) if kind in ("wav2vec2", "hubert") else _tiny.tiny(kind, seed)
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        (folder / "onnx").mkdir()
        from transformers import AutoModel

        model = AutoModel.from_pretrained(source).eval()
        export(model, folder / "onnx" / "model.onnx", *_sides(kind))
    return folder


def _sides(kind: str) -> tuple[list[str], list[str]]:
    """The names of a network's inputs and outputs."""
    if kind in ("wav2vec2", "hubert"):
        return ["input_values"], ["last_hidden_state"]
    if kind in ("vit", "resnet", "dinov2"):
        return ["pixel_values"], ["last_hidden_state", "pooler_output"]
    return ["input_ids", "attention_mask", "token_type_ids"], ["last_hidden_state", "pooler_output"]


def export(model: Any, file: Path, inputs: list[str], outputs: list[str], fixed: int = 0) -> None:
    """Write the network as an ONNX file that takes the inputs and gives the outputs by their names.

    Args:
        fixed: where given, the one length of texts that the file reads.
    """
    import torch

    size = 64 if model.config.model_type == "resnet" else 32  # what the tiny processors make
    length = fixed or 7
    examples = {
        "input_ids": torch.randint(2, 20, (2, length)),
        "attention_mask": torch.ones((2, length), dtype=torch.long),
        "token_type_ids": torch.zeros((2, length), dtype=torch.long),
        "pixel_values": torch.rand(2, 3, size, size),
        "input_values": torch.rand(2, 16000),
    }

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *given: Any) -> Any:
            out = self.model(**dict(zip(inputs, given, strict=True)))
            return tuple(out[name] for name in outputs)

    shapes = {name: {0: "batch"} if fixed else _SHAPES[name] for name in inputs}
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Named().eval(),
            tuple(examples[name] for name in inputs),
            str(file),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=shapes,
            dynamo=False,
            opset_version=18,
        )
