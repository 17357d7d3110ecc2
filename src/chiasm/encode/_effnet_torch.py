"""The EfficientNet-Lite networks in torch: what ONNX Runtime's files are exported from, and what can be trained."""

from __future__ import annotations

from typing import Any

from chiasm.encode._effnet import Network, weights_file

__all__ = ["in_patches", "pooled"]


def pooled(network: Network) -> Any:
    """A torch module in evaluation mode: pixels `(n, 3, h, w)` -> features `(n, 1280)`."""
    return _module(network, lambda cells: cells.mean((2, 3)))


def in_patches(network: Network) -> Any:
    """As `pooled`, before the mean: `(n, t, 1280)`, patches row by row."""
    return _module(network, lambda cells: cells.flatten(2).transpose(1, 2))


def _module(network: Network, end: Any) -> Any:
    """The pinned weights (`weights_only`), and what becomes of the last map `(n, 1280, h, w)`."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name(f"efficientnet-{network.name}")
    net.load_state_dict(torch.load(weights_file(network), weights_only=True, map_location="cpu"))

    class Features(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = net

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return end(self.network.extract_features(pixels))

    return Features().eval()
