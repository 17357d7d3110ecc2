"""A folder's preprocessor_config.json by Pillow alone: what a network of images reads, as transformers makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from chiasm.errors import ChiasmError

__all__ = ["Pixels", "pixels"]


class _Usual(NamedTuple):
    """What a processor does where its file says nothing."""

    square: bool
    """Whether one number as size means a square; else it is that of the shorter side."""
    crops: bool
    resample: Image.Resampling


_BICUBIC, _BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
_KINDS = {
    "Beit": _Usual(True, False, _BICUBIC),
    "Bit": _Usual(False, True, _BICUBIC),
    "Blip": _Usual(True, False, _BICUBIC),
    "CLIP": _Usual(False, True, _BICUBIC),
    "ChineseCLIP": _Usual(False, True, _BICUBIC),
    "ConvNext": _Usual(False, False, _BICUBIC),
    "DeiT": _Usual(True, True, _BICUBIC),
    "MobileNetV1": _Usual(False, True, _BILINEAR),
    "MobileNetV2": _Usual(False, True, _BILINEAR),
    "Segformer": _Usual(True, False, _BILINEAR),
    "Siglip": _Usual(True, False, _BICUBIC),
    "ViT": _Usual(True, False, _BILINEAR),
}
_ENDINGS = ("Pil", "Fast", "ImageProcessor", "FeatureExtractor")


@dataclass(frozen=True)
class Pixels:
    """What a processor makes of an RGB picture, in two steps: `seen`, by Pillow, and numbers of other scale, anywhere.

    Called, it does both: `(3, h, w)` float32, which is `(seen * scale - means) / deviations` in that order of axes.
    """

    size: Mapping[str, int]
    """What is resized to; empty: nothing is."""
    crop: Mapping[str, int]
    resample: Image.Resampling
    scale: np.float32
    means: np.ndarray
    """`(3, 1, 1)` float32 or of one number, as `deviations`."""
    deviations: np.ndarray

    def seen(self, image: Image.Image) -> np.ndarray:
        """The picture resized and cropped: `(h, w, 3)` uint8."""
        if self.size:
            image = image.resize(_resized(image.size, self.size), self.resample)
        if self.crop:
            left, top = (image.width - self.crop["width"]) // 2, (image.height - self.crop["height"]) // 2
            image = image.crop((left, top, left + self.crop["width"], top + self.crop["height"]))  # black outside
        return np.asarray(image)

    def __call__(self, image: Image.Image) -> np.ndarray:
        """What the network reads of a picture."""
        values: np.ndarray = self.seen(image).astype(np.float32).transpose(2, 0, 1) * self.scale
        return (values - self.means) / self.deviations


def pixels(said: Mapping[str, Any], where: str) -> Pixels:
    """What the processor that a preprocessor_config.json describes makes of pictures.

    Args:
        said: the file's content. where: the file, for errors.

    Raises a ChiasmError for a processor that is not known here, and for a setting that is.
    """
    told = str(said.get("image_processor_type") or said.get("feature_extractor_type"))
    kind = told
    for ending in _ENDINGS:
        kind = kind.removesuffix(ending)
    if kind not in _KINDS:
        raise ChiasmError(
            f"{where}: wanted a processor of images of the kind {', '.join(_KINDS)}, got {told}: "
            "open the model's transformers files with hf_image."
        )
    usual = _KINDS[kind]
    if odd := [key for key in ("do_pad", "do_flip_channel_order", "rescale_offset") if said.get(key)]:
        raise ChiasmError(f"{where}: {odd[0]} = {said[odd[0]]} is not known here: open its files with hf_image.")
    size = _size(said, "size", usual.square, where) if said.get("do_resize", True) else {}
    crop = _size(said, "crop_size", True, where) if said.get("do_center_crop", usual.crops) else {}
    resample = Image.Resampling(usual.resample if said.get("resample") is None else said["resample"])
    scale = np.float32(said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 1)
    means, deviations = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)
    if said.get("do_normalize", True):
        means, deviations = (
            np.asarray(_told(said, key, where), np.float32).reshape(-1, 1, 1) for key in ("image_mean", "image_std")
        )
    if kind == "ConvNext" and (short := size.get("shortest_edge")):
        if short < 384:  # its own manner: a margin around what is seen
            size = {"shortest_edge": int(short / said.get("crop_pct", 224 / 256))}
            crop = {"height": short, "width": short}
        else:
            size = {"height": short, "width": short}

    return Pixels(size, crop, resample, scale, means, deviations)


def _resized(now: tuple[int, int], size: Mapping[str, int]) -> tuple[int, int]:
    """Width and height."""
    if "height" in size:
        return size["width"], size["height"]
    short, width, height = size["shortest_edge"], *now
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def _size(said: Mapping[str, Any], key: str, square: bool, where: str) -> dict[str, int]:
    value = _told(said, key, where)
    if isinstance(value, int):
        value = {"height": value, "width": value} if square else {"shortest_edge": value}
    named = {name: n for name, n in value.items() if n is not None} if isinstance(value, dict) else {}
    if set(named) not in ({"height", "width"}, {"shortest_edge"}) or not all(
        isinstance(n, int) and 0 < n <= 4096 for n in named.values()
    ):
        raise ChiasmError(
            f"{where}: wanted {key} as height and width, or as shortest_edge, of 1 to 4096 pixels, got {value!r}: "
            "open the model's transformers files with hf_image."
        )
    return named


def _told(said: Mapping[str, Any], key: str, where: str) -> Any:
    if said.get(key) is None:
        raise ChiasmError(f"{where}: wanted {key}, got none: write it with the model's save_pretrained.")
    return said[key]
