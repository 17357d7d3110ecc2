"""Moments: long audio and video as overlapping windows, a row each; and hits that overlap reduced to the best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chiasm import scale
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, probe
from chiasm.media.images import MediaError
from chiasm.views import ABSENT, Column, Views

__all__ = ["HIDDEN", "OVERLAP", "overlap_of", "starts", "suppress", "typical_seconds", "windows"]

OVERLAP = 0.5
"""The share of a window that the next one has too."""

HIDDEN = 0.25
"""The intersection over union with a better moment of its file beyond which a moment is hidden."""

SLACK = 1.5
"""A file up to so many windows long is one moment as a whole."""


def windows(views: Views, name: str, seconds: float, overlap: float = OVERLAP) -> Views:
    """Each file of an audio or video view as rows of windows: `Clip` items, all of the file's id.

    Windows of `seconds` begin every (1 - overlap) x seconds; the last ends with the file. A file of up to 1.5 windows
    stays whole, and so does one that cannot be opened (who encodes it will tell why). Facts `file`, `start` and `end`
    (seconds; NaN where not known) say which moment a row is. What the rows hold in other views is repeated.

    Choose windows of about the length of the clips that a model was fitted on. With an overlap of a half, a moment of
    that length is met by a window with an intersection over union of at least 0.6.

    Raises a ChiasmError where the view holds neither audio nor video, or seconds are not above 0.
    """
    column = views[name]
    if column.modality not in ("audio", "video"):
        raise ChiasmError(f"wanted a view of audio or video, got {name!r}, which holds {column.modality}.")
    if not seconds > 0 or not 0 <= overlap < 1:
        raise ChiasmError(f"wanted seconds above 0 and an overlap in 0 to 1, got {seconds} and {overlap}.")
    used = column.used.tolist()
    lengths = dict(zip(used, scale.threads(_seconds, [column.items[p] for p in used]), strict=True))
    cut = {p: starts(lengths[p], seconds, overlap) for p in used}
    items: list[Any] = []
    labels: list[str] = []
    spans: list[tuple[float, float]] = []
    files: list[str] = []
    first: dict[int, int] = {}
    for p in used:
        first[p] = len(items)
        files += [column.label(p)] * max(len(cut[p]), 1)
        item, label = column.items[p], column.label(p)
        if not len(cut[p]):
            items, labels, spans = [*items, item], [*labels, label], [*spans, (0.0, lengths[p])]
            continue
        for start in cut[p].tolist():
            items.append(Clip(str(item), start, start + seconds))
            labels.append(f"{label} {start:.1f}-{start + seconds:.1f} s")
            spans.append((start, start + seconds))
    rows, index = [], []
    for row, p in enumerate(column.index.tolist()):
        made = [ABSENT] if p == ABSENT else list(range(first[p], first[p] + max(len(cut[p]), 1)))
        rows += [row] * len(made)
        index += made
    made_views: Views = views[np.array(rows)]
    found = made_views.replace(
        {**made_views.columns, name: Column(column.modality, items, np.array(index), labels=labels)}
    )
    moments = np.array([*spans, (np.nan, np.nan)])[index]  # the last serves index -1
    found.facts |= {"start": moments[:, 0], "end": moments[:, 1]}
    found.facts["file"] = np.array([*files, ""], dtype=object)[index]
    return found


def starts(length: float, seconds: float, overlap: float = OVERLAP) -> np.ndarray:
    """Where the windows of a file of some length begin, in seconds; none where the file stays whole."""
    if not length > SLACK * seconds:
        return np.zeros(0)
    last = length - seconds
    return np.append(np.arange(0.0, last, seconds * (1 - overlap)), last)


def _seconds(item: Any) -> float:
    """A file's length; 0 for what cannot be opened and what is a moment already."""
    try:
        return 0.0 if isinstance(item, bytes | Clip) else probe(item).seconds
    except MediaError:
        return 0.0


def typical_seconds(items: Sequence[Any], most: int = 50) -> float | None:
    """The median length of some of the items; None where none can be opened."""
    few = [items[i] for i in np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).astype(int))]
    known = [item.end - item.start for item in few if isinstance(item, Clip) and item.end is not None]
    known += [length for length in scale.threads(_seconds, few) if length > 0]
    return float(np.median(known)) if known else None


def overlap_of(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union of two spans `(start, end)`.

    >>> overlap_of((0, 2), (1, 3))
    0.3333333333333333
    """
    inside = max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)
    whole = max(a[1], b[1]) - min(a[0], b[0])
    return inside / whole if whole > 0 else 0.0


def suppress(moments: Iterable[tuple[Any, float, float]], k: int, most: float = HIDDEN) -> list[int]:
    """Non-maximum suppression: the first k of ranked moments that overlap no better one of their file by over `most`.

    Returns positions, in order. At most 0.25, a window hides its neighbors that share half of it.

    Args:
        moments: (file, start, end), the best first; no more of them are asked for than needed.

    >>> suppress([("a", 0, 2), ("a", 1, 3), ("b", 0, 2), ("a", 6, 8)], k=3)
    [0, 2, 3]
    """
    kept: list[int] = []
    spans: dict[Any, list[tuple[float, float]]] = {}
    for place, (file, start, end) in enumerate(moments):
        mine = spans.setdefault(file, [])
        if all(overlap_of(span, (start, end)) <= most for span in mine):
            mine.append((start, end))
            kept.append(place)
            if len(kept) == k:
                break
    return kept
