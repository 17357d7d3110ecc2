"""Sound of any number of channels as one, in the decoder's process alone."""

from __future__ import annotations

import numpy as np

__all__ = ["Mix"]

_CANCELS = 0.05
"""Of the power that a mean of unrelated channels has: below it they cancel one another (correlation under -0.95)."""


class Mix:
    """Pieces of sound as they come, kept as the sum of their channels, or as one of them.

    The mean is over the channels in which anything is heard: so many equal ones give exactly what one gives, and one
    among silent ones too. Memory is that of one channel, however many there are.
    """

    def __init__(self, only: int | None = None):
        self.only = only
        self.length = 0
        """Samples so far."""
        self._pieces: list[np.ndarray] = []
        self._powers: list[tuple[int, int, np.ndarray]] = []
        self._whole: np.ndarray | None = None

    def take(self, piece: np.ndarray) -> None:
        """Add samples `(s, channels)`."""
        self._whole = None
        if self.only is not None:
            made = piece[:, min(self.only, piece.shape[1] - 1)]
        else:
            made = piece[:, 0] if piece.shape[1] == 1 else piece.sum(axis=1, dtype=np.float64)
        powers = np.square(piece, dtype=np.float64).sum(axis=0)
        self._powers.append((self.length, self.length + len(piece), powers))
        self._pieces.append(np.array(made))
        self.length += len(piece)

    def rest(self, samples: int) -> None:
        """Add silence."""
        self.take(np.zeros((max(samples, 0), 1), np.float32))

    def between(self, low: int, high: int) -> np.ndarray:
        """Samples `(s,)` of a span, as one channel."""
        if self._whole is None:
            self._whole = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
            self._pieces = [self._whole]
        part = self._whole[max(low, 0) : max(high, 0)]
        return part if self.only is not None else part / max(np.count_nonzero(self._of_channels(low, high)), 1)

    def louder(self, low: int, high: int) -> int | None:
        """The loudest channel of a span in which the channels cancel one another; None where they do not."""
        powers = self._of_channels(low, high)
        heard = np.count_nonzero(powers)
        if heard < 2 or self.only is not None:
            return None
        mean = float(np.square(self.between(low, high), dtype=np.float64).sum())
        return int(powers.argmax()) if mean < _CANCELS * powers.sum() / heard**2 else None

    def _of_channels(self, low: int, high: int) -> np.ndarray:
        """The power of each channel in the pieces that a span touches."""
        held = [powers for start, stop, powers in self._powers if start < high and stop > low]
        total = np.zeros(max(map(len, held), default=1))
        for powers in held:
            total[: len(powers)] += powers
        return total
