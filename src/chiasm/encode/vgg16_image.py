"""VGG16 from a file of weights in torchvision's layout: pooled 512-d, or the second dense layer, 4096-d.

transformers has no VGG16, and torchvision is not needed: the network is thirteen convolutions. In PyTorch, without a
network connection, one image a call and one thread a call: an image gives the same bits in any company.
Source: Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import FLAG, TEXT, choice
from chiasm.encode._encoder import Encoder, each, every
from chiasm.errors import ChiasmError, unknown
from chiasm.files import read_tensors
from chiasm.media.images import Note, decode_image
from chiasm.nn.hub import one_thread
from chiasm.nn.hub_files import file_checksum

__all__ = ["Vgg16Image"]

requires = ("torch",)

SIDE = 224
CONVOLUTIONS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""The numbers of torchvision's `features`, a block a tuple: each followed by ReLU, each block by a halving."""
DENSE = (0, 3)
"""The numbers of torchvision's `classifier` up to the second dense layer, each followed by ReLU."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg16Image(Encoder):
    """An image's vector `(n, 512)` or `(n, 4096)` float32 from VGG16 (ImageNet), never negative.

    Choose it to compare with published VGG16 features, for which you have the weights (`vgg16-397923af.pth`, 528 MB).
    For results choose `effnet_image`: better features at a small part of the time.

    Args:
        file: the weights, a state dict of torchvision's `vgg16`, as .pth or .safetensors; read without running code.
            On the command line `--encoder photo=vgg16_image:FILE`.
        layer: "pooled", the mean over the last 7 x 7 map; or "dense", the second dense layer ("fc7").
        pooled: False gives the cells of that map, row by row, `(49, 512)`, as `chiasm.tokens.Tokens`.

    The image is resized to 224 x 224 (aspect not kept) and scaled by ImageNet's means and deviations.

    Raises a ChiasmError when there is no such file, or it holds other arrays.

    >>> Vgg16Image("vgg16-397923af.pth", layer="dense")
    Vgg16Image(file='vgg16-397923af.pth', layer='dense')
    """

    modality = "image"
    batch = 64
    later: ClassVar = {"pooled": True}

    allowed: ClassVar = {"file": TEXT, "layer": choice("pooled", "dense"), "pooled": FLAG}

    def __init__(self, file: str = "", layer: str = "pooled", pooled: bool = True):
        self.file = file
        self.layer = layer
        self.pooled = pooled

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Decode and encode on all cores; undecodable images are noted as skipped."""
        arrays = self._open()

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            import torch

            image, notes = decode_image(item, SIDE)
            with torch.inference_mode():
                cells = _map(arrays, image)
                vector = cells.mean((2, 3)) if self.layer == "pooled" else _dense(arrays, cells)
            return vector[0].numpy(), notes

        with one_thread():
            if self.in_parts:
                return each(self._cells, items, None)
            return each(one, items, len(arrays[_last(self.layer)]))

    def tokens(self, items: Sequence[Any]) -> list[np.ndarray]:
        """The last map's 7 x 7 cells, row by row: n float32 arrays `(49, 512)`.

        Raises a ChiasmError that names the first image that cannot be read.
        """
        self._open()
        with one_thread():
            return every(self._cells, items, "image")

    def _cells(self, item: Any) -> tuple[np.ndarray, list[Note]]:
        """An image's cells `(49, 512)` and notes."""
        import torch

        image, notes = decode_image(item, SIDE)
        with torch.inference_mode():
            cells = _map(self._open(), image)
        return np.ascontiguousarray(cells[0].flatten(1).T.numpy()), notes

    def weights(self) -> str:
        """The SHA-256 of the file."""
        return vars(self).get("_checksum") or file_checksum(self._place())

    def _place(self) -> Path:
        place = Path(self.file).expanduser()
        if not self.file or not place.is_file():
            raise ChiasmError(
                f"vgg16_image: wanted a file of torchvision's VGG16 weights, got {self.file or 'none'!r}: say "
                'vgg16_image:FILE, in Python Vgg16Image("FILE").'
            )
        return place

    def _open(self) -> dict[str, Any]:
        if self.layer not in ("pooled", "dense"):
            raise unknown("layer of vgg16_image", self.layer, ["pooled", "dense"])
        if self.in_parts and self.layer == "dense":
            raise ChiasmError('vgg16_image: wanted the map\'s cells, got layer="dense", which has none: leave it out.')
        if vars(self).get("_arrays") is None:
            place = self._place()
            self._checksum = file_checksum(place)
            self._arrays = _read(place, self.layer)
        return self._arrays

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_arrays", "_checksum")}


def _last(layer: str) -> str:
    """The name of the biases of the layer that answers."""
    return f"features.{CONVOLUTIONS[-1][-1]}.bias" if layer == "pooled" else f"classifier.{DENSE[-1]}.bias"


def _read(place: Path, layer: str) -> dict[str, Any]:
    """The arrays that are used, by torchvision's names, in single precision; a ChiasmError for any others."""
    import torch

    names = [f"features.{number}" for block in CONVOLUTIONS for number in block]
    names += [f"classifier.{number}" for number in DENSE] if layer == "dense" else []
    try:
        if place.suffix == ".safetensors":
            found = {name: torch.tensor(value) for name, value in read_tensors(place)[0].items()}
        else:
            found = torch.load(place, weights_only=True, map_location="cpu")
        arrays = {f"{n}.{kind}": found[f"{n}.{kind}"].float() for n in names for kind in ("weight", "bias")}
        width = 3
        for block in CONVOLUTIONS:
            for number in block:
                shape = tuple(arrays[f"features.{number}.weight"].shape)
                if shape[1:] != (width, 3, 3):
                    raise ValueError(f"features.{number}.weight is {shape}")
                width = shape[0]
    except Exception as error:  # damaged and foreign files raise all kinds
        said = " ".join(str(error).split())[:120]
        raise ChiasmError(
            f"vgg16_image: {place} cannot be used ({said}): wanted the state dict of torchvision's vgg16 (without "
            "batch normalization)."
        ) from error
    return arrays


def _map(arrays: dict[str, Any], image: Any) -> Any:
    """The last map `(1, 512, 7, 7)` of an RGB image."""
    import torch
    from torch.nn import functional

    pixels = (np.asarray(image, dtype=np.float32) / 255 - np.array(_MEAN, np.float32)) / np.array(_STD, np.float32)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()
    for block in CONVOLUTIONS:
        for number in block:
            x = functional.relu(
                functional.conv2d(x, arrays[f"features.{number}.weight"], arrays[f"features.{number}.bias"], padding=1)
            )
        x = functional.max_pool2d(x, 2)
    return x


def _dense(arrays: dict[str, Any], cells: Any) -> Any:
    """The second dense layer `(1, 4096)`."""
    from torch.nn import functional

    x = cells.flatten(1)
    for number in DENSE:
        x = functional.relu(
            functional.linear(x, arrays[f"classifier.{number}.weight"], arrays[f"classifier.{number}.bias"])
        )
    return x
