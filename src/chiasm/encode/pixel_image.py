"""Color, edge and texture statistics of the pixels: the weight-free fallback and baseline for images.

Sources: Swain & Ballard 1991 (color histograms); Dalal & Triggs 2005 (histograms of oriented gradients);
Ojala et al. 2002 (uniform local binary patterns).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import choice, number
from chiasm.encode._encoder import Encoder, each
from chiasm.errors import unknown
from chiasm.media.images import Note, decode_image

__all__ = ["PixelImage"]

_GRID = 4


class PixelImage(Encoder):
    """Hand-made features `(n, d)` float32: each group a block, square-rooted histograms of length 1.

    Choose it where no pretrained weights may be used, or to see what a pretrained encoder adds. It sees layout,
    color and surface, not things.

    Args:
        groups: any of "color" (8 hues x 3 saturations x 4 brightnesses, 2 x 2 cells), "edge" (9 orientations, 4 x 4
            cells), "texture" (59 uniform binary patterns, 2 x 2 cells): 384 + 144 + 236 numbers.
        size: side of the square it looks at, in pixels.
    """

    modality = "image"
    near = 0.975
    batch = 512

    allowed: ClassVar = {"groups": choice("color", "edge", "texture").each(), "size": number(8, 4096, whole=True)}

    def __init__(self, groups: tuple[str, ...] = ("color", "edge", "texture"), size: int = 64):
        self.groups = groups
        self.size = size

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Decode and describe; undecodable images are noted as skipped."""
        for group in self.groups:
            if group not in _GROUPS:
                raise unknown("group of pixel features", group, _GROUPS)

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            image, notes = decode_image(item, self.size)
            hsv = np.asarray(image.convert("HSV"), dtype=np.int64)
            gray = np.asarray(image.convert("L"), dtype=np.float64)
            return np.concatenate([_GROUPS[group](hsv, gray) for group in self.groups]), notes

        return each(one, items, sum(_WIDTHS[group] for group in self.groups))


def _color(hsv: np.ndarray, gray: np.ndarray) -> np.ndarray:
    code = (hsv[..., 0] * 8 // 256) * 12 + (hsv[..., 1] * 3 // 256) * 4 + hsv[..., 2] * 4 // 256
    return _histograms(code, 96, 2)


def _edge(hsv: np.ndarray, gray: np.ndarray) -> np.ndarray:
    down, right = np.gradient(gray)
    code = (np.mod(np.arctan2(down, right), np.pi) / np.pi * 9).astype(np.int64) % 9
    return _histograms(code, 9, _GRID, np.hypot(down, right))


def _texture(hsv: np.ndarray, gray: np.ndarray) -> np.ndarray:
    center = gray[1:-1, 1:-1]
    code = np.zeros(center.shape, dtype=np.int64)
    h, w = gray.shape
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    for bit, (i, j) in enumerate(around):
        code |= (gray[i : h - 2 + i, j : w - 2 + j] >= center).astype(np.int64) << bit
    return _histograms(_UNIFORM[code], 59, 2)


def _histograms(code: np.ndarray, bins: int, grid: int, weight: np.ndarray | None = None) -> np.ndarray:
    """One histogram a cell of a grid, joined, square-rooted and scaled to length 1."""
    h, w = code.shape
    cell = (np.arange(h) * grid // h)[:, None] * grid + (np.arange(w) * grid // w)[None, :]
    flat = None if weight is None else weight.ravel()
    counts = np.bincount((cell * bins + code).ravel(), weights=flat, minlength=bins * grid * grid)
    return np.sqrt(counts / max(counts.sum(), 1e-9))


def _uniform_codes() -> np.ndarray:
    """256 binary patterns -> 58 with at most two changes around the circle, and one for the rest."""
    codes, used = np.full(256, 58), 0
    for pattern in range(256):
        bits = [(pattern >> i) & 1 for i in range(8)]
        if sum(bits[i] != bits[i - 1] for i in range(8)) <= 2:
            codes[pattern] = used
            used += 1
    return codes


_UNIFORM = _uniform_codes()
_GROUPS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "color": _color,
    "edge": _edge,
    "texture": _texture,
}
_WIDTHS = {"color": 96 * 4, "edge": 9 * _GRID * _GRID, "texture": 59 * 4}
