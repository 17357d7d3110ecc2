"""Run once as a process of its own: a network's weights -> an ONNX file of pooled features, in floats or in int8.

`python -m chiasm.encode._export_effnet FOLDER NETWORK PRECISION STEM` writes `STEM<checksum>.onnx` there. Any input
size. The int8 file is made from the float32 one, without PyTorch.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from chiasm.encode._effnet import NETWORKS, Network, onnx_file, pixels
from chiasm.files import write_atomic

_LEAST = 0.98
"""Cosine of the int8 vectors to the float32 ones on the pictures that ranges are taken from, on average."""


def exported(network: Network) -> bytes:
    """Load the pinned weights (`weights_only`), export, check the numbers against torch."""
    import io

    import torch

    from chiasm.encode._effnet_torch import pooled

    model = pooled(network)
    example = torch.rand(2, 3, network.size, network.size) * 2 - 1
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    program = torch.onnx.export(
        model, (example,), input_names=["pixels"], output_names=["features"], dynamic_shapes=(sizes,), verbose=False
    )
    buffer = io.BytesIO()
    program.save(buffer)
    with torch.no_grad():
        gap = np.abs(_features(buffer.getvalue(), [example.numpy()])[0] - model(example).numpy()).max()
    if gap > 1e-3:
        raise SystemExit(f"the exported network differs from PyTorch's by {gap:.1e}")
    return buffer.getvalue()


def quantized(network: Network) -> bytes:
    """Weights (a scale a channel) and activations (a range a tensor) as whole numbers of 8 bits.

    The first block, whose 3 + 32 + 16 channels say most a number, and the mean stay in floats. The ranges are those
    over `samples`: after ReLU6 they are nearly the same for all photographs.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    inputs = list(samples(network.size))

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(inputs)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(({"pixels": one} for one in self.left), None)

    source = onnx_file(network)
    nodes = onnx.load(source).graph.node
    convolutions = [node.name for node in nodes if node.op_type == "Conv"]
    means = [node.name for node in nodes if node.op_type == "ReduceMean"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        quantize_static(
            source,
            file,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*convolutions[:3], *means],
        )
        made = file.read_bytes()
    ours, theirs = (np.concatenate(_features(model, inputs)) for model in (made, source))
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    if cosine.mean() < _LEAST:
        raise SystemExit(
            f"wanted int8 vectors like the float32 ones, got a cosine of {cosine.mean():.3f} on this processor: "
            'use precision="float32".'
        )
    return made


def samples(size: int, count: int = 64) -> Iterator[np.ndarray]:
    """Inputs of the network: parts of scikit-learn's two photographs, equal on every machine."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    for i in range(count):
        photograph = photographs[i % 2]
        width, height = (int(side * rng.uniform(0.35, 1)) for side in photograph.size)
        left, top = (int(rng.integers(0, a - b + 1)) for a, b in zip(photograph.size, (width, height), strict=True))
        part = photograph.crop((left, top, left + width, top + height))
        yield pixels(part.resize((size, size), Image.Resampling.BICUBIC))


def _features(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [session.run(None, {"pixels": one})[0] for one in inputs]


def main(folder: Path, name: str, precision: str, stem: str) -> None:
    """Make the file and write it atomically, under a name that tells its checksum."""
    data = (quantized if precision == "int8" else exported)(NETWORKS[name])
    write_atomic(folder / f"{stem}{hashlib.sha256(data).hexdigest()[:16]}.onnx", [data])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
