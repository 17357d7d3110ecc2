"""The moving region of a film, as a mask and as boxes: what differs from the background that a still camera sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, Wants, decode, probe
from chiasm.media.images import MediaError

__all__ = ["boxes", "moving", "passages"]

_LEAST = 10.0
"""Gray levels below which a difference is never called motion."""
_AT_MOST = 64
"""Frames that the background is the median of."""
_PIECE = 20.0
"""Seconds that share a background, and that are decoded at a time."""
_SIZE = (96, 128)


def moving(gray: np.ndarray, sigmas: float = 5.0, least_area: float = 0.002) -> np.ndarray:
    """Where something moves, `(t, h, w)` booleans.

    The background is the median over time of each pixel; what differs from it by more than the noise, closed and
    filled, is foreground; smaller patches are dropped. The noise of a pixel is 1.48 x the median over time of its
    absolute difference to the background, so leaves and flicker are told from things that pass.

    Choose it for clips of a still camera in which things pass. It fails where the camera moves, and where a thing stays
    in one place for more than half of the clip (it becomes background). For the motion of such clips see
    `motion_video`, which compares with the frame before.

    Args:
        gray: `(t, h, w)` uint8, t at least 3.
        sigmas: of the noise, that a difference must exceed (and 10 gray levels in any case).
        least_area: share of the picture that a patch must cover to be kept.

    >>> gray = np.full((9, 48, 64), 90, np.uint8)
    >>> for i in range(9):
    ...     gray[i, 20:30, 6 * i : 6 * i + 10] = 150
    >>> boxes(moving(gray))[4].tolist()
    [20, 24, 30, 34]

    Sources: Gloyer et al. 1995 (median background); Serra 1982 (opening and closing).
    """
    from scipy import ndimage

    if gray.ndim != 3 or len(gray) < 3:
        raise ChiasmError(f"wanted at least 3 gray frames (t, h, w), got {gray.shape}: give a longer clip.")
    chosen = np.linspace(0, len(gray) - 1, min(len(gray), _AT_MOST)).astype(int)
    background = np.median(gray[chosen], axis=0).astype(np.float32)
    apart = np.abs(gray - background)
    noise = ndimage.gaussian_filter(1.4826 * np.median(apart[chosen], axis=0), 1)
    mask = ndimage.gaussian_filter(apart, (0, 0.5, 0.5)) > np.maximum(_LEAST, sigmas * noise)
    cross, edge = ndimage.generate_binary_structure(2, 1)[None], ((0, 0), (2, 2), (2, 2))
    mask = ndimage.binary_closing(np.pad(mask, edge), cross, iterations=2)[:, 2:-2, 2:-2]
    out = np.zeros_like(mask)
    for frame, found in zip(out, mask, strict=True):
        labels, _ = ndimage.label(ndimage.binary_fill_holes(found))
        large = np.bincount(labels.ravel()) >= least_area * found.size
        large[0] = False
        frame[:] = large[labels]
    return out


def boxes(mask: np.ndarray) -> np.ndarray:
    """The largest region of each frame: `(t, 4)` integers top, left, bottom, right (both past the end); zeros if none.

    Args:
        mask: `(t, h, w)` booleans, as from `moving`.
    """
    from scipy import ndimage

    out = np.zeros((len(mask), 4), dtype=np.int64)
    for row, frame in zip(out, mask, strict=True):
        labels, count = ndimage.label(frame)
        if count:
            rows, columns = ndimage.find_objects(labels)[np.bincount(labels.ravel())[1:].argmax()]
            row[:] = rows.start, columns.start, rows.stop, columns.stop
    return out


def passages(film: Any, fps: float = 5.0) -> list[dict[str, Any]]:
    """When and where something moves in a film of a still camera, in order of time.

    Each passage is a stretch of frames in which there is a moving region: `start` and `end` in seconds of the file, and
    `box`, the smallest that holds the largest region of each of its frames: left, top, right, bottom as shares of the
    picture (0..1). The background is learned anew every 20 s.

    Args:
        film: a path or a Clip. fps: frames a second that are looked at.

    Raises a MediaError where there are no pictures, or nothing can be read.
    """
    clip = film if isinstance(film, Clip) else Clip(str(film))
    facts = probe(clip.path)
    if not facts.width:
        raise MediaError("no_picture", f"no pictures in {clip.path}")
    stop = min(clip.end if clip.end is not None else facts.seconds, facts.seconds)
    found: list[dict[str, Any]] = []
    gap = 1.5 / fps
    for start in np.arange(clip.start, stop, _PIECE):
        piece = decode(Clip(clip.path, float(start), float(min(start + _PIECE, stop))), Wants(gray=_SIZE, fps=fps))
        if len(piece.gray) < 3:
            continue
        held = boxes(moving(piece.gray)) / np.array([*_SIZE, *_SIZE])
        for time, (top, left, bottom, right) in zip((start + piece.gray_times).tolist(), held.tolist(), strict=True):
            if bottom <= top:
                continue
            last = found[-1] if found else None
            if last is None or time - last["end"] > gap:
                found.append({"start": time, "end": time, "box": [left, top, right, bottom]})
                continue
            old = last["box"]
            last["end"] = time
            last["box"] = [min(old[0], left), min(old[1], top), max(old[2], right), max(old[3], bottom)]
    return [
        {"start": round(one["start"], 3), "end": round(one["end"], 3), "box": [round(side, 4) for side in one["box"]]}
        for one in found
    ]
