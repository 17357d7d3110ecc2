"""The layers of a trained network: by view what each is called, its shape and how many numbers it holds."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from chiasm.errors import ChiasmError

__all__ = ["Layer", "Layers", "layers"]


class Layer(NamedTuple):
    """One array of parameters."""

    view: str
    """The view that it reads; "(all)" of what comes after the views are joined."""
    name: str
    shape: tuple[int, ...]
    parameters: int


class Layers(tuple[Layer, ...]):
    """The layers of one network, which prints as a table; `networks` of them stand side by side, one a fold."""

    networks: int

    @property
    def parameters(self) -> int:
        """Of one network."""
        return sum(layer.parameters for layer in self)

    def __str__(self) -> str:
        rows = [(layer.view, layer.name, " x ".join(map(str, layer.shape)), f"{layer.parameters:,}") for layer in self]
        rows = [("view", "layer", "shape", "parameters"), *rows, ("", "one network", "", f"{self.parameters:,}")]
        total = f"{self.networks * self.parameters:,}"
        rows.append(("", f"all {self.networks}, one a fold", "", total))
        wide = [max(len(row[i]) for row in rows) for i in range(4)]
        return "\n".join(
            "  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], wide, strict=False)), row[3].rjust(wide[3])])
            for row in rows
        )


def layers(part: Any) -> Layers:
    """The layers of a fuser that torch trained, or of a task that holds one.

    What is learned in closed form (axes, scales, the head of `early` beside the networks) and the frozen encoders are
    no layers of it: they are not listed.

    Raises a ChiasmError for a part that holds no trained network.
    """
    held = getattr(part, "fuser_", part)
    params = getattr(held, "params_", None)
    if not params:
        raise ChiasmError(
            f"wanted a fitted fuser that is trained (temporal, attention ...), got {type(held).__name__}, which "
            "holds no layers: it is solved in closed form, or not fitted yet."
        )
    found = Layers(
        Layer(view, name, values.shape[1:], math.prod(values.shape[1:]))
        for view, inner in params.items()
        for name, values in inner.items()
    )
    found.networks = len(next(iter(next(iter(params.values())).values())))
    return found
