"""Containers of audio and video, opened in the decoder's process alone: one demuxer, no other file, the true length."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Any

__all__ = ["RefusedError", "length_of", "opened", "short", "start_of", "streams"]

_SCAN_BYTES = 64 << 20
"""Up to this size a file's packets are read through for its true length; of larger ones the header is believed."""


class RefusedError(Exception):
    """A request that cannot be answered: reason code and message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def short(error: Exception) -> str:
    """What a library says, without numbers and paths."""
    said = str(error).split("] ", 1)[-1].split(": '")[0].split("; ")[0]
    return said[:80] if said and "/" not in said else type(error).__name__


@contextlib.contextmanager
def opened(request: dict[str, Any]) -> Iterator[Any]:
    """The container of the request's file, by the demuxer that its first bytes ask for."""
    import av

    path, demuxer = request["path"], request["format"]
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise RefusedError("not_a_file", "not a regular file")
    rules = {"format_whitelist": demuxer, "protocol_whitelist": "file,pipe"}
    container = av.open(f"file:{path}", format=demuxer.split(",")[0], container_options=rules, metadata_errors="ignore")
    try:
        yield container
    finally:
        container.close()


def streams(container: Any) -> tuple[Any, Any]:
    """The first stream of moving pictures (a cover is none) and the first of sound, or None."""
    import av

    still = av.stream.Disposition.attached_pic
    pictures = next((s for s in container.streams.video if not s.disposition & still and s.codec_context), None)
    sound = next((s for s in container.streams.audio if s.codec_context), None)
    for stream in (pictures, sound):
        if stream is not None:
            stream.thread_type = "NONE"  # as many processes as cores; and the same bits however busy they are
            stream.codec_context.thread_count = 1
    return pictures, sound


def start_of(container: Any) -> float:
    """Where the file's clock begins, in seconds."""
    return float(container.start_time or 0) / 1e6


def _told(container: Any) -> float:
    """The length that the header tells, in seconds; 0 where it does not."""
    told = max(float(container.duration or 0) / 1e6, 0.0)
    of_streams = [float(s.duration * s.time_base) for s in container.streams if s.duration and s.time_base]
    return told or max(of_streams, default=0.0)


def length_of(request: dict[str, Any]) -> tuple[float, list[list[str]]]:
    """The file's length in seconds, and notes where the header tells another one; known for the last file asked for."""
    facts = os.stat(request["path"])
    key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if key not in _lengths:
        _lengths.clear()
        _lengths[key] = _measured(request)
    return _lengths[key]


_lengths: dict[tuple[int, ...], tuple[float, list[list[str]]]] = {}


def _measured(request: dict[str, Any]) -> tuple[float, list[list[str]]]:
    with opened(request) as container:
        told, begin, end = _told(container), start_of(container), 0.0
        if os.path.getsize(request["path"]) > _SCAN_BYTES and told and abs(begin) < 1:
            return told, []
        last: dict[int, float] = {}
        held = [s for s in streams(container) if s is not None]
        if not held:
            raise RefusedError("no_media", "neither pictures nor sound in it")
        try:
            for packet in container.demux(held):
                moment = packet.pts if packet.pts is not None else packet.dts
                if moment is None or packet.time_base is None:
                    continue
                now = float(moment * packet.time_base)
                length = float((packet.duration or 0) * packet.time_base)
                if not length:  # the last distance serves
                    length = max(now - last.get(packet.stream_index, now), 0.0)
                last[packet.stream_index] = now
                end = max(end, now + length - begin)
        except Exception as error:
            notes = [["cut_short", f"what follows {end:.1f} s is damaged ({short(error)})"]]
            return end, notes
    if not end:
        return told, []
    if abs(told - begin - end) < 0.3:  # some tell the time at the end, whatever the clock's first
        told = end
    if told - end > 0.3 or (told and end - told > max(1.0, 0.05 * told)):
        return end, [["duration", f"the header tells {told:.1f} s, the file holds {end:.1f} s"]]
    if _cut(request["path"]):
        return end, [["cut_short", f"the file was cut, it holds {end:.1f} s"]]
    return end, []


def _cut(path: str) -> bool:
    """Whether a file ends before its own end, of the kinds whose header tells no length."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            told = int.from_bytes(head[4:8], "little")
            return size < told + 8 and told < 2**31  # more: written before the length was known
        if head[:4] != b"OggS":
            return False
        file.seek(max(0, size - (64 << 10) - 512))  # more than a page
        tail = file.read()
    last = tail.rfind(b"OggS")
    return last < 0 or len(tail) < last + 27 or not tail[last + 5] & 4  # its last page is marked
