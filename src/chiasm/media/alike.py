"""Whether two pictures are the same one, saved otherwise, or look alike: a signature of 257 bytes each, no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chiasm.media.images import decode_image

__all__ = ["BYTES", "look_alike", "same_picture", "signature"]

_SIDE, _PATTERN, _COLORS = 32, 16, 8
BYTES = 2 * _PATTERN**2 // 8 + 3 * _COLORS**2 + 1
"""Of a signature: where its pattern is positive and where negative (2 x 256 bits), 8 x 8 colors, how flat it is."""

_NOISE = 8.0
"""A coefficient of the pattern below this, of gray values 0 to 255, is neither: saving again would turn its sign."""
_STEP = 2.0
"""Gray levels between neighbors below which a place is flat."""

PATTERN, LEVELS = 0.45, 6.0
"""Same picture: patterns of a cosine of at least .45, and no color that differs by more than 6 levels."""
DETAILED = 0.45
"""Where at most .45 of either is flat, as in photographs, also: patterns of .5 or more, colors that correlate by .9,
and hues that differ by at most .25 of what there is. The flatter they are the more alike the patterns have to be, since
drawings and products on white have their outlines in common. Measured in `benchmarks/search/duplicates.py`."""
ALIKE = 0.6
"""Look alike: colors that correlate by this much. Two photographs of different things do once in 100."""
_LIGHT = np.array([0.299, 0.587, 0.114], np.float32)
_COLORLESS = 8.0
"""Levels of hue that nobody sees."""
_BLOCK = 2048


def signature(item: Any) -> bytes:
    """What `same_picture` and `look_alike` compare of a picture: `BYTES` bytes.

    The signs of its 255 lowest cosines (DCT, 32 x 32 gray; after Zauner 2010, with a third value for what is noise) and
    its colors in 8 x 8 places. The same however it is compressed or resized; nearly so where up to 3 % are cut off each
    side. Of a turned or mirrored picture it is another one.

    Args:
        item: a path, encoded bytes, a PIL image, or a uint8 array.

    Raises a MediaError for what is no picture, as `chiasm.media.images.decode_image` does.
    """
    from scipy.fft import dctn

    pixels = np.asarray(decode_image(item, _SIDE)[0], np.float32)
    gray = pixels @ _LIGHT
    waves = dctn(gray, norm="ortho")[:_PATTERN, :_PATTERN].ravel()
    waves[0] = 0  # how bright it is
    across, down = np.abs(np.diff(gray, axis=1))[:-1], np.abs(np.diff(gray, axis=0))[:, :-1]
    flat = np.mean((across < _STEP) & (down < _STEP))
    wide = _SIDE // _COLORS
    colors = pixels.reshape(_COLORS, wide, _COLORS, wide, 3).mean(axis=(1, 3))
    signs = np.packbits(waves >= _NOISE).tobytes() + np.packbits(waves <= -_NOISE).tobytes()
    return signs + np.rint(colors).astype(np.uint8).tobytes() + bytes([round(255 * float(flat))])


def same_picture(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[int, int]]:
    """Places (i, j) where a[i] and b[j] are the same picture; every pair is compared, some thousand at a time.

    Args:
        a, b: `(n, BYTES)` and `(m, BYTES)` uint8, signatures.

    A picture without any pattern (blank) is the same as none, not even as itself.
    """
    for start in range(0, len(a), _BLOCK):
        mine, left = a[start : start + _BLOCK], _patterns(a[start : start + _BLOCK])
        for other in range(0, len(b), _BLOCK):
            theirs = b[other : other + _BLOCK]
            likeness = left @ _patterns(theirs).T
            i, j = np.nonzero(likeness >= PATTERN)
            ours, those = _colors(mine[i]), _colors(theirs[j])
            same = np.abs(ours - those).max(axis=1, initial=0) <= LEVELS
            flat = np.maximum(mine[i, -1], theirs[j, -1]) / 255
            detailed = (flat <= DETAILED) & (likeness[i, j] >= 0.5 + 1.2 * np.maximum(flat - 0.2, 0))
            same |= detailed & (_correlations(ours, those) >= 0.9) & (_recolored(ours, those) <= 0.25)
            yield from zip((i[same] + start).tolist(), (j[same] + other).tolist(), strict=True)


def look_alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(n,)` whether a[i] and b[i] look alike, as two pictures of a burst do; both `(n, BYTES)` uint8."""
    found: np.ndarray = _correlations(_colors(a), _colors(b)) >= ALIKE
    return found


def _patterns(signatures: np.ndarray) -> np.ndarray:
    """`(n, 256)` of -1, 0, 1, each row of length 1."""
    size = _PATTERN**2 // 8
    bits = np.unpackbits(np.ascontiguousarray(signatures[:, : 2 * size]), axis=1).astype(np.float32)
    signs = bits[:, : 8 * size] - bits[:, 8 * size :]
    return signs / np.sqrt(np.abs(signs).sum(axis=1, keepdims=True)).clip(1)


def _colors(signatures: np.ndarray) -> np.ndarray:
    return signatures[:, -1 - 3 * _COLORS**2 : -1].astype(np.float32)


def _recolored(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(n,)` by how much hues differ, as a share of how colorful the pictures are; gray ones do not."""
    hues = []
    for colors in (a, b):
        pixels = colors.reshape(len(colors), _COLORS**2, 3)
        hues.append(pixels[:, :, [0, 2]] - (pixels @ _LIGHT)[:, :, None])
    most = np.maximum(np.abs(hues[0]), np.abs(hues[1])).mean(axis=(1, 2))
    found: np.ndarray = np.abs(hues[0] - hues[1]).mean(axis=(1, 2)) / (most + _COLORLESS)
    return found


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    found: np.ndarray = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1)).clip(1e-6)
    return found
