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

PATTERN, COLOR, DETAILED, LEVELS = 0.45, 0.9, 0.3, 6.0
"""Same picture: patterns of a cosine of at least .45; and then colors that correlate by .9 where at most .3 of either
is flat, as in photographs, or else no color that differs by more than 6 levels, since drawings and products on white
have their outlines in common. Chosen in `benchmarks/search/duplicates.py`."""
ALIKE = 0.6
"""Look alike: colors that correlate by this much. Two photographs of different things do 2 times in 100."""
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
    gray = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
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
            i, j = np.nonzero(left @ _patterns(theirs).T >= PATTERN)
            ours, those = _colors(mine[i]), _colors(theirs[j])
            detailed = np.maximum(mine[i, -1], theirs[j, -1]) <= 255 * DETAILED
            same = np.abs(ours - those).max(axis=1, initial=0) <= LEVELS
            same |= detailed & (_correlations(ours, those) >= COLOR)
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


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    found: np.ndarray = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1)).clip(1e-6)
    return found
