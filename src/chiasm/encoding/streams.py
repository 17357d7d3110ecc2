"""The streams of a video: what it shows, how it moves and what is heard are views of their own for whoever answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.encoding import Encoding, Report
from chiasm.views import Views

__all__ = ["STREAMS", "drop_empty", "spread"]

STREAMS = {"motion": "motion_video", "sound": "sound_video"}
"""Beside the pictures, by the end of the view's name: the encoder."""


def spread(views: Views, encoders: Mapping[str, Any] | None) -> tuple[Views, dict[str, Any]]:
    """Each raw video view that nobody chose an encoder for, followed by its streams; and the encoders with theirs.

    `clip` stays what it is (`frames_video`), `clip.motion` and `clip.sound` are the same files read otherwise.
    """
    chosen = dict(encoders or {})
    columns: dict[str, Any] = {}
    for name, column in views.columns.items():
        columns[name] = column
        if column.modality != "video" or hasattr(column.items, "shape") or {name, "video"} & chosen.keys():
            continue
        taken = any(f"{name}.{stream}" in views.columns for stream in STREAMS)
        if taken or name.rpartition(".")[0] in views.columns:
            continue
        for stream, encoder in STREAMS.items():
            columns[f"{name}.{stream}"] = column
            chosen.setdefault(f"{name}.{stream}", encoder)
    return views.replace(columns), chosen


def drop_empty(encoded: Views, encoding: Encoding, report: Report, given: Views) -> Views:
    """Without the streams that no row has (a film without sound), which then are no news either."""
    empty = [n for n in encoded.names if n not in given.columns and not encoded.present(n).any()]
    for name in empty:
        del encoding.encoders_[name]
        for counts in (report.items, report.encoded, report.found):
            counts.pop(name, None)
    report.notes = [entry for entry in report.notes if entry[0] not in empty]
    return encoded.replace({n: column for n, column in encoded.columns.items() if n not in empty})
