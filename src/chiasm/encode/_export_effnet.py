"""Run once as a process of its own: EfficientNet-Lite0's weights -> an ONNX file of pooled features.

`python -m chiasm.encode._export_effnet FOLDER` writes `effnet-lite0-<weights>-<checksum>.onnx` there. Any input size.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Load the pinned weights (`weights_only`), export, check the numbers against torch, write atomically."""
    import io

    import numpy as np
    import onnxruntime
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    from chiasm.encode.effnet_image import WEIGHTS, weights_file
    from chiasm.files import write_atomic

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights_file(), weights_only=True, map_location="cpu"))

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.network.extract_features(pixels).mean((2, 3))

    model = Pooled().eval()
    example = torch.rand(2, 3, 288, 288) * 2 - 1
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    program = torch.onnx.export(
        model, (example,), input_names=["pixels"], output_names=["features"], dynamic_shapes=(sizes,), verbose=False
    )
    buffer = io.BytesIO()
    program.save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        gap = np.abs(session.run(None, {"pixels": example.numpy()})[0] - model(example).numpy()).max()
    if gap > 1e-3:
        raise SystemExit(f"the exported network differs from PyTorch's by {gap:.1e}")
    name = f"effnet-lite0-{WEIGHTS[:8]}-{hashlib.sha256(buffer.getvalue()).hexdigest()[:16]}.onnx"
    write_atomic(folder / name, [buffer.getvalue()])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
