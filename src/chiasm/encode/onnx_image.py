"""An image network from an ONNX file, with its preprocessor_config.json: any width, no torch, no transformers.

The folder's settings by Pillow, the network by ONNX Runtime, without a network connection. One image a call and one
thread a call: an image gives the same numbers in any company.
"""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import TEXT
from chiasm.encode._hf_read import LONGEST_SIDE
from chiasm.encode._onnx import Network, Onnx, Opened, near, settings
from chiasm.encode._pixels import pixels
from chiasm.media.images import MediaError, Note, decode_image

__all__ = ["OnnxImage"]

requires = ("onnxruntime", "onnx")

_USUAL = ("image_embeds", "pooler_output", "last_hidden_state")


class OnnxImage(Onnx):
    """An image's vector `(n, d)` float32 from an ONNX network that you bring.

    Choose it for a network that exists as ONNX (transformers.js, optimum, `torch.onnx.export`), where torch is not
    wanted, or where ONNX Runtime was built for your device. Choose `hf_image` for a folder of safetensors weights.

    The vector is the first of the outputs `image_embeds` (of length 1: the space shared with texts), `pooler_output`,
    `last_hidden_state`; else the only one. Of states the class token is taken where there is one, else their mean.

    Args:
        model: an ONNX file, or a folder that holds model.onnx or vision_model.onnx, in itself or in its folder onnx, or
            a hub id whose files are in the local hub cache. preprocessor_config.json lies beside it or one folder up.
            On the command line `--encoder photo=onnx_image:FOLDER`.
        output: the name of the output to take.

    Images are decoded whole, then resized, cropped and scaled as the folder says: what a crop leaves out is not seen.
    An image over 100 times as long as wide is skipped.

    Raises a ChiasmError for a file that is no ONNX, a network of other things than images, one that has only a
    classifier's answers, and a folder without its settings.

    >>> OnnxImage("models/dinov2")
    OnnxImage(model='models/dinov2')
    """

    modality = "image"

    allowed: ClassVar = {"model": TEXT, "output": TEXT}

    def __init__(self, model: str = "", output: str = ""):
        self.model = model
        self.output = output

    def _load(self, network: Network) -> Opened:
        wanted = "a network of images alone"
        squares = [name for name, one in network.inputs.items() if len(one.shape) == 4]
        if len(squares) != 1:
            do = "one of texts is for onnx_text, of sounds for onnx_audio; of two halves name vision_model.onnx"
            raise network.unfit(wanted, f"one that wants {', '.join(network.inputs)}", do)
        network.check(squares, wanted)
        network.choose(self.output, _USUAL)
        place = near(network.file, "preprocessor_config.json")
        if place is None:
            raise network.unfit("preprocessor_config.json beside it or one folder up", "none", "copy the model's files")
        read = pixels(settings(network.file, place.name), f"onnx_image: {place}")
        config = settings(network.file, "config.json")
        of_two = "vision_config" in config
        patch = (config["vision_config"] if of_two else config).get("patch_size")
        last = network.inputs[squares[0]].shape[3] == 3  # as TensorFlow lays pictures out

        def run(item: Any) -> tuple[np.ndarray, list[Note]]:
            image, notes = decode_image(item, None)
            short, long = sorted(image.size)
            if long > LONGEST_SIDE * short:
                raise MediaError(
                    "too_narrow", f"{image.width} x {image.height}, one side over {LONGEST_SIDE} times the other"
                )
            values = read(image)
            out = network.run({squares[0]: (values.transpose(1, 2, 0) if last else values)[None]})
            if out.ndim > 1:
                return _pooled(out, values.shape[1:], patch), notes
            shared = of_two or network.output == "image_embeds"
            return out / np.linalg.norm(out) if shared else out, notes

        return Opened(network, run)

    def _probe(self) -> np.ndarray:
        return np.zeros((64, 64, 3), dtype=np.uint8)


def _pooled(out: np.ndarray, size: tuple[int, ...], patch: Any) -> np.ndarray:
    """A map's mean; of states the class token, or the mean where there is none.

    Args:
        out: `(d, h, w)` or `(t, d)`. size: the picture's height and width. patch: the side of a patch, where known.
    """
    if out.ndim == 3:
        return np.asarray(out.mean((1, 2)))
    sides = (patch, patch) if isinstance(patch, int) else patch
    cells = prod(a // b for a, b in zip(size, sides, strict=True)) if sides else len(out)
    return np.asarray(out[0] if len(out) > cells else out.mean(0))
