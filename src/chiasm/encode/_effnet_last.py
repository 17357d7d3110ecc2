"""The last layers of the EfficientNet-Lite networks, apart: what they read, and what may be added in them.

The network's file ends in: a hidden map (1152 numbers a cell), a projection, the head's map (1280), cut to 0..6, and
the mean over cells. Projection and head are linear in one another, so that one matrix added from the hidden map to the
head's tunes both at once. What comes before is computed once a picture and cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import choice, number
from chiasm.encode._effnet import LITE0, NETWORKS, Network, onnx_file, pixels, session
from chiasm.encode._encoder import Encoder, each
from chiasm.known import Last
from chiasm.media.images import Note, decode_image

__all__ = ["Cells", "last"]


class Cells(Encoder):
    """What the last block of a network reads of an image: (81, 192) at 288 pixels, as `chiasm.tokens.Tokens`.

    Args:
        network: its name. size: the square the image is resized to, in pixels.
    """

    modality = "image"
    batch = 128
    pooled = False

    allowed: ClassVar = {"network": choice(*NETWORKS), "size": number(32, 4096, whole=True)}

    def __init__(self, network: str = LITE0.name, size: int = LITE0.size):
        self.network = network
        self.size = size

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Decode and encode on all cores; undecodable images are noted as skipped."""
        run = self._open()

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            image, notes = decode_image(item, self.size)
            grid = run.run(None, {"pixels": pixels(image)})[0][0]
            return np.ascontiguousarray(grid.reshape(len(grid), -1).T), notes

        return each(one, items, None)

    def weights(self) -> str:
        """The pinned SHA-256 of the package's weights."""
        return NETWORKS[self.network].weights

    def _open(self) -> Any:
        if getattr(self, "_session", None) is None:
            model, names = _parts(NETWORKS[self.network])
            self._session = session(_cut(model, ["pixels"], [names["cells"]]))
        return self._session

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_session"}


def last(network: Network, size: int) -> Last:
    """The last layers of a network at a size."""
    model, names = _parts(network)
    depthwise = session(_cut(model, [names["cells"]], [names["hidden"]]))
    head = session(_cut(model, names["read"], [names["sums"]]))

    def run(cells: np.ndarray, places: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        n, t, d = cells.shape
        grid = np.ascontiguousarray(cells.transpose(0, 2, 1)).reshape(n, d, round(t**0.5), -1)
        hidden = depthwise.run(None, {names["cells"]: grid})[0].reshape(n, -1, t)
        known = {names["hidden"]: hidden, names["cells"]: grid.reshape(n, d, t)}
        fed = {name: known[name] if places is None else known[name][:, :, places] for name in names["read"]}
        sums = head.run(None, {name: values[..., None] for name, values in fed.items()})[0][..., 0]
        return fed[names["hidden"]].transpose(0, 2, 1), sums.transpose(0, 2, 1)

    counted = sum(int(np.prod(one.dims)) for one in model.graph.initializer)
    return Last(Cells(network.name, size), run, 1280, counted)


def _parts(network: Network) -> tuple[Any, dict[str, Any]]:
    """The network's ONNX model, and what its last maps are called there: cells, hidden, sums; what sums read."""
    import onnx

    model = onnx.load(onnx_file(network))
    maker = {name: node for node in model.graph.node for name in node.output}
    mean = next(node for node in reversed(model.graph.node) if node.op_type == "ReduceMean")
    head = maker[maker[mean.input[0]].input[0]]
    made = maker[head.input[0]]
    project = (
        made if made.op_type == "Conv" else next(maker[name] for name in made.input if maker[name].op_type == "Conv")
    )
    depthwise = maker[maker[project.input[0]].input[0]]
    expand = maker[maker[depthwise.input[0]].input[0]]
    cells, hidden = expand.input[0], project.input[0]
    read = [hidden] if project is made else [hidden, cells]  # a block of equal widths adds what it reads
    return model, {"cells": cells, "hidden": hidden, "sums": head.output[0], "read": read}


def _cut(model: Any, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The part of a model between these maps."""
    from onnx.utils import Extractor

    found: bytes = Extractor(model).extract_model(list(inputs), list(outputs)).SerializeToString()
    return found
