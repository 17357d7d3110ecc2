"""Schedule: how long, how fast and with how much decay a run trains, as one value."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Schedule"]


class Schedule(NamedTuple):
    """AdamW's settings over a run: the rate rises over a tenth of the steps, then falls along a cosine to 0.

    Source: Loshchilov & Hutter 2017 (cosine), 2019 (decoupled decay).
    """

    epochs: int
    rate: float
    """The highest learning rate."""
    decay: float
    """Of the weights, decoupled; matrices decay, other shapes do not."""
    warm_up: float = 0.1
    """The share of the steps in which the rate rises."""
    betas: tuple[float, float] = (0.9, 0.95)

    def at(self, step: int, done: float, steps: int) -> float:
        """The rate at a step of so many, `done` being the share of the run that is behind.

        >>> round(Schedule(epochs=1, rate=1.0, decay=0.0).at(step=50, done=0.5, steps=100), 3)
        0.5
        """
        rising = min(1.0, (step + 1) / max(1.0, self.warm_up * steps))
        return self.rate * rising * (0.5 + 0.5 * math.cos(math.pi * done))
