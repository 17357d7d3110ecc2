"""Motion between gray frames: how much changes and where, which way it goes, and how to sum up both at a moment.

Everything lies on one grid of 12 x 16 cells. Times count, not frame numbers: whatever is a speed is divided by seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chiasm.errors import ChiasmError

__all__ = [
    "Displacement",
    "change_summary",
    "changes",
    "direction_summary",
    "displacement",
    "displacement_summary",
    "thinned",
]

ROWS, COLUMNS = 12, 16
_SIDE = 4
"""Small pixels along a cell: displacement is sought on frames of 48 x 64."""
_REACH = 3
"""Small pixels each way: at 12 frames a second three quarters of the picture's height a second."""
_STILL = 0.15
"""Gray levels that each small pixel of displacement must save: noise does not move."""
_SLOW = 0.05
"""Heights a second from which speeds count by their logarithm."""
_FAINT = 4.0
"""Gray levels from which changes count by their logarithm."""
_QUANTILES = (0.5, 0.75, 0.9, 0.97, 1.0)


class Displacement(NamedTuple):
    """Where each cell goes from one frame to the next."""

    vectors: np.ndarray
    """`(t - 1, 12, 16, 2)` down and right, in heights of the picture, as if it were 4:3."""
    left: np.ndarray
    """`(t - 1, 12, 16)` gray levels that differ though the cell is followed: it turned, bent or was hidden."""


def thinned(times: np.ndarray, fps: float) -> np.ndarray:
    """The positions of frames at least 1 / fps seconds apart; the first is always one.

    >>> thinned(np.arange(6) / 25, 15).tolist()
    [0, 2, 4]
    """
    kept: list[int] = []
    for place, time in enumerate(times.tolist()):
        if not kept or time - times[kept[-1]] > 1 / fps - 2e-3:  # times are rounded in many files
            kept.append(place)
    return np.array(kept, dtype=np.int64)


def changes(gray: np.ndarray, order: int = 1) -> np.ndarray:
    """Mean absolute difference of consecutive frames, by cell: `(t - order, 12, 16)` gray levels.

    Args:
        gray: `(t, h, w)` uint8, h a multiple of 48 and w of 64.
        order: 1, or 2 for differences of differences (what moves on evenly has little of them).
    """
    _check(gray)
    t, h, w = len(gray) - order, *gray.shape[1:]
    apart = np.abs(np.diff(gray.astype(np.int16), n=order, axis=0))
    means: np.ndarray = apart.reshape(t, ROWS, h // ROWS, COLUMNS, w // COLUMNS).mean(axis=(2, 4), dtype=np.float32)
    return means


def displacement(gray: np.ndarray) -> Displacement:
    """Where each cell goes, by block matching: the shift that makes the next frame most like this one.

    Every shift of up to 3 small pixels (1/48 of the height) each way is tried on windows two cells wide, and the best
    refined by a parabola. Choose it over gradient methods (Lucas & Kanade 1981) where few frames a second make things
    move far between them. It does not see what moves less than a tenth of a small pixel, nor inside of plain surfaces.

    Args:
        gray: `(t, h, w)` uint8, h a multiple of 48 and w of 64.

    Source: Jain & Jain 1981, IEEE Transactions on Communications 29.
    """
    _check(gray)
    t, h, w = gray.shape
    height, width = ROWS * _SIDE, COLUMNS * _SIDE
    small = gray.reshape(t, height, h // height, width, w // width).mean(axis=(2, 4), dtype=np.float32)
    now, then = small[:-1], np.pad(small[1:], ((0, 0), (_REACH, _REACH), (_REACH, _REACH)), mode="edge")
    down, right = _windows(ROWS).T.copy(), _windows(COLUMNS)
    side = 2 * _REACH + 1
    cost = np.empty((side, side, t - 1, ROWS, COLUMNS), np.float32)
    apart = np.empty_like(now)
    for i in range(side):
        for j in range(side):
            np.abs(np.subtract(now, then[:, i : i + height, j : j + width], out=apart), out=apart)
            np.matmul(down, apart @ right, out=cost[i, j])
            cost[i, j] += _STILL * np.hypot(i - _REACH, j - _REACH)
    flat = cost.reshape(side, side, -1)
    every = np.arange(flat.shape[2])
    best = flat.reshape(side * side, -1).argmin(axis=0)
    y, x = best // side, best % side
    least = flat[y, x, every]
    up, low = flat[np.maximum(y - 1, 0), x, every], flat[np.minimum(y + 1, side - 1), x, every]
    near, far = flat[y, np.maximum(x - 1, 0), every], flat[y, np.minimum(x + 1, side - 1), every]
    vectors = np.stack([_finer(y, up, least, low), _finer(x, near, least, far)], axis=-1) / np.float32(height)
    return Displacement(vectors.reshape(t - 1, ROWS, COLUMNS, 2), least.reshape(t - 1, ROWS, COLUMNS))


def change_summary(gray: np.ndarray) -> np.ndarray:
    """What changes at each moment, wherever in the picture it is: `(t - 1, 18)`; mirroring alters nothing.

    Of each cell the change and the change of the change (logarithms); of these the means and mean products, weighted by
    where it changes, and quantiles over cells; then how concentrated the change is and how high and wide it spreads.
    """
    first = changes(gray)
    second = changes(gray, 2) if len(gray) > 2 else first * 0
    second = np.concatenate([second[:1], second]) if len(second) < len(first) else second
    weights = _weights(first)
    local = np.log1p(np.stack([first, second], axis=-1) / _FAINT)
    concentration = np.log(0.005 + np.square(weights).sum(axis=(1, 2)))
    return np.column_stack([_moments(local, weights), _quantiles(local), concentration, *_spread(weights)])


def displacement_summary(gray: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How it moves at each moment, wherever in the picture it is: `(t - 1, 59)`; mirroring alters nothing.

    Of each cell the speed, its share up or down, its share sideways, how it differs from the neighbors' (where things
    bend or part) and from the moment before (acceleration), and what following it leaves; all as logarithms. Of these
    the means and mean products, weighted by where the picture changes, and quantiles over cells. Then whether all goes
    one way, and the speed against the size of what moves.

    Args:
        gray: `(t, h, w)` uint8, t at least 2. times: `(t,)` seconds.
    """
    seconds = np.maximum(np.diff(times), 1e-3)[:, None, None].astype(np.float32)
    vectors, left = displacement(gray)
    velocity = vectors / seconds[..., None]
    weights = _weights(changes(gray))
    speed = _length(velocity)
    edges = _length(np.gradient(velocity, axis=1)) + _length(np.gradient(velocity, axis=2))
    turns = np.zeros_like(speed)
    if len(speed) > 1:
        turns[1:] = _length(np.diff(velocity, axis=0))
        turns[0] = turns[1]
    down, right = np.abs(velocity[..., 0]), np.abs(velocity[..., 1])
    local = np.log1p(np.stack([speed, down, right, edges, turns], axis=-1) / _SLOW)
    local = np.concatenate([local, np.log1p(left[..., None] / _FAINT)], axis=-1)
    mean = (weights * speed).sum(axis=(1, 2))
    together = _length((weights[..., None] * velocity).sum(axis=(1, 2))) / (mean + _SLOW)
    size = 1 + np.hypot(*_spread(weights))
    return np.column_stack([_moments(local, weights), _quantiles(local), together, np.log((mean + _SLOW) / size)])


def direction_summary(gray: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Which way it goes at each moment, and where: `(t - 1, 4)`; the one summary that mirroring alters.

    The mean velocity down and right, weighted by where the picture changes, as sign(v) log(1 + |v| / slow); then the
    middle of the change from the top and from the left, 0 to 1.

    Args:
        gray: `(t, h, w)` uint8, t at least 2. times: `(t,)` seconds.
    """
    seconds = np.maximum(np.diff(times), 1e-3)[:, None].astype(np.float32)
    weights = _weights(changes(gray))
    velocity = (weights[..., None] * displacement(gray).vectors).sum(axis=(1, 2)) / seconds
    middle = [weights.sum(axis=2) @ np.linspace(0, 1, ROWS), weights.sum(axis=1) @ np.linspace(0, 1, COLUMNS)]
    return np.column_stack([np.sign(velocity) * np.log1p(np.abs(velocity) / _SLOW), *middle])


def _check(gray: np.ndarray) -> None:
    if gray.ndim != 3 or gray.shape[1] % (ROWS * _SIDE) or gray.shape[2] % (COLUMNS * _SIDE) or not gray.size:
        raise ChiasmError(
            f"wanted gray frames (t, 48 a, 64 b), got {gray.shape}: decode with "
            "chiasm.media.clips.Wants(gray=(96, 128))."
        )


def _windows(cells: int) -> np.ndarray:
    """`(4 cells, cells)` weights, a column a cell, of sum 1: full inside, falling to 0 over the next cell each side."""
    place = (np.arange(cells * _SIDE) + 0.5) / _SIDE - 0.5
    weights = np.clip(1.5 - np.abs(place[:, None] - np.arange(cells)), 0, 1).astype(np.float32)
    out: np.ndarray = weights / weights.sum(axis=0)
    return out


def _finer(place: np.ndarray, before: np.ndarray, least: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The shift at the bottom of the parabola through three costs; at the edge of what was tried, the shift itself."""
    bend = before - 2 * least + after
    inside = (place > 0) & (place < 2 * _REACH) & (bend > 1e-6)
    out: np.ndarray = place - _REACH + np.where(inside, (before - after) / np.where(inside, 2 * bend, 1), 0)
    return out.astype(np.float32)


def _length(vectors: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.sqrt(np.square(vectors).sum(axis=-1))
    return out


def _weights(change: np.ndarray) -> np.ndarray:
    """Each cell's share of the change above its frame's median: noise and flicker are everywhere."""
    above = np.maximum(change - np.median(change, axis=(1, 2), keepdims=True), 0) + 0.01
    out: np.ndarray = above / above.sum(axis=(1, 2), keepdims=True)
    return out


def _spread(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the change lies from its middle, in cells: up or down `(t,)`, sideways `(t,)`."""
    out = []
    for axis, size in ((2, ROWS), (1, COLUMNS)):
        share, place = weights.sum(axis=axis), np.arange(size)
        middle = (share * place).sum(axis=1, keepdims=True)
        out.append(np.sqrt((share * np.square(place - middle)).sum(axis=1)))
    return out[0], out[1]


def _moments(local: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means over cells of k quantities, and square roots of those of their products: `(t, k + k(k + 1)/2)`."""
    t, k = len(local), local.shape[-1]
    values, shares = local.reshape(t, -1, k), weights.reshape(t, -1, 1)
    products = np.matmul((values * shares).transpose(0, 2, 1), values)
    row, column = np.triu_indices(k)
    return np.concatenate([(values * shares).sum(axis=1), np.sqrt(products[:, row, column])], axis=1)


def _quantiles(local: np.ndarray) -> np.ndarray:
    """Quantiles over cells of k quantities, `(t, 5 k)`."""
    t, k = len(local), local.shape[-1]
    ordered = np.sort(local.reshape(t, -1, k), axis=1)
    places = [round(q * (ordered.shape[1] - 1)) for q in _QUANTILES]
    return ordered[:, places].reshape(t, -1)
