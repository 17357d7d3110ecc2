"""Tiny networks on disk, of random weights, in the layouts that users bring: transformers and torchvision files."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a on the white ground red blue green yellow purple orange black circle square "
    "triangle star cross ##s 一 只 红 色 的 圆 蓝 方 块 绿 三 角 形 , ."
).split()
SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
MODELS = {"hf_text": "bert", "hf_image": "vit", "hf_image_text": "clip", "static_text": "static"}
"""By encoder, the tiny model that it is tested with where any will do."""

PLAIN = {
    "frames_video": {"image": "pixel_image"},
    "spectrogram_audio": {"image": "pixel_image"},
    "sound_video": {"audio": "mel_audio"},
}
"""By encoder, the quickest of the encoders that it builds on."""
QUICK: dict[str, dict[str, Any]] = {
    "captioner": {"beam": 2},
    "cvae": {"epochs": 30},
    "mvae": {"epochs": 25, "batch": 64},
}
"""By part, what is less work than its default."""
OTHERS = {
    "pool": "cls",
    "device": "cpu",
    "modality": "text",
    "layer": "dense",
    "prompt": "query",
    "output": "last_hidden_state",
    "image": "effnet_image",
    "audio": "spectrogram_audio",
    "stream": "grid",
    "text": "hashed_text",
    "encoder": "effnet2_image",
    "fuse": "stacking",
    "kind": "tags",
}
"""By parameter, a name that is not the default."""


@cache
def home() -> Path:
    """A folder of this process, gone when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="chiasm-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def tiny(kind: str, seed: int = 0) -> Path:
    """The folder of a tiny model: bert, resnet, vit, dinov2, clip, siglip(2), chinese_clip, static; or vgg16's file."""
    import torch

    folder = home() / f"{kind}-{seed}"
    file = folder / "vgg16.pth"
    if folder.exists():
        return file if kind == "vgg16" else folder
    folder.mkdir()
    torch.manual_seed(seed)
    if kind == "static":
        _static(folder)
        return folder
    if kind == "vgg16":
        torch.save(vgg16_state(), file)
        return file
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, image, text = _made(kind)
    for name, values in model.named_parameters():
        if "norm" not in name.lower() and values.dim() > 1:
            torch.nn.init.normal_(values, std=0.2)  # far enough apart that one picture's numbers are not another's
    model.save_pretrained(folder)
    if image is not None:
        image.save_pretrained(folder)
    if text:
        _tokenizer(folder)
    return folder


def params(name: str, seed: int = 0) -> dict[str, Any]:
    """The constructor's values that an encoder of a user's own files cannot do without."""
    import _tiny_captions
    import _tiny_onnx
    import _tiny_time

    if name == "hf_captioner":
        return {"model": str(_tiny_captions.tiny()), "beam": 1, "longest": 12}
    if name == "vgg16_image":
        return {"file": str(tiny("vgg16", seed))}
    if name in PLAIN:
        return dict(PLAIN[name])
    if name in QUICK:
        return dict(QUICK[name])
    if name in _tiny_time.MODELS:
        return {"model": str(_tiny_time.tiny(_tiny_time.MODELS[name], seed))}
    if name in _tiny_onnx.MODELS:
        return {"model": str(_tiny_onnx.tiny(_tiny_onnx.MODELS[name], seed))}
    return {"model": str(tiny(MODELS[name], seed))} if name in MODELS else {}


def other(name: str, parameter: str, value: Any) -> Any:
    """Another value of an encoder's parameter."""
    if parameter in ("model", "file"):
        return params(name, seed=1)[parameter]
    if parameter == "precision":
        return "bfloat16" if name.startswith("hf_") else "int8"
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return OTHERS[parameter]
    return value[:1] if isinstance(value, tuple) else value + 8


def vgg16_state(widths: tuple[int, ...] = (4, 4, 6, 6, 8, 8, 8, 8, 8, 8, 8, 8, 10), dense: int = 12) -> dict[str, Any]:
    """Random arrays under the names of torchvision's vgg16, which is the same network with wider layers."""
    import torch

    names = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    shapes = {f"features.{n}": (w, b, 3, 3) for n, w, b in zip(names, widths, (3, *widths), strict=False)}
    shapes |= {"classifier.0": (dense, widths[-1] * 49), "classifier.3": (dense, dense), "classifier.6": (5, dense)}
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape) * (2 / torch.tensor(shape[1:]).prod()) ** 0.5
        state[f"{name}.bias"] = torch.randn(shape[0]) / 10
    return state


def _made(kind: str) -> tuple[Any, Any, bool]:
    """A network, its image processor or None, and whether it reads texts."""
    import transformers as t

    text = {"vocab_size": len(WORDS), "max_position_embeddings": 16, "pad_token_id": 0, **SIZE}
    towers = {
        "text_config": {**text, "bos_token_id": 2, "eos_token_id": 3},
        "vision_config": {"image_size": 32, "patch_size": 8, **SIZE},
    }
    square = {"height": 32, "width": 32}
    cropped = {"size": {"shortest_edge": 36}, "crop_size": square}
    if kind == "bert":
        return t.BertModel(t.BertConfig(**text)), None, True
    if kind == "resnet":
        config = t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1])
        return t.ResNetModel(config), t.ConvNextImageProcessorPil(size={"shortest_edge": 64}), False
    if kind == "vit":
        return t.ViTModel(t.ViTConfig(image_size=32, patch_size=8, **SIZE)), t.ViTImageProcessorPil(size=square), False
    if kind == "dinov2":
        config = t.Dinov2Config(image_size=40, patch_size=8, **SIZE)
        return t.Dinov2Model(config), t.BitImageProcessorPil(**cropped), False
    if kind == "clip":
        return t.CLIPModel(t.CLIPConfig(projection_dim=10, **towers)), t.CLIPImageProcessorPil(**cropped), True
    if kind == "siglip":
        return t.SiglipModel(t.SiglipConfig(**towers)), t.SiglipImageProcessorPil(size=square), True
    if kind == "siglip2":
        towers["vision_config"] = {"num_patches": 16, "patch_size": 8, **SIZE}
        return (
            t.Siglip2Model(t.Siglip2Config(**towers)),
            t.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16),
            True,
        )
    if kind == "chinese_clip":
        config = t.ChineseCLIPConfig(projection_dim=10, **towers)
        return t.ChineseCLIPModel(config), t.CLIPImageProcessorPil(**cropped), True
    raise ValueError(kind)


def _tokenizer(folder: Path) -> None:
    from transformers import BertTokenizer

    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)


def _static(folder: Path) -> None:
    """A vector a byte, as model2vec lays it out."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    reader = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    reader.pre_tokenizer, reader.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    reader.save(str(folder / "tokenizer.json"))
    save_file({"embeddings": torch.randn(len(alphabet), 16)}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "model2vec", "normalize": true}')
