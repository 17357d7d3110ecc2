"""Frames of one stream, from a moment on, and how they are turned when shown; in the decoder's process alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from chiasm.media.container import short, start_of

__all__ = ["GAP", "Frames", "Turn", "turn_of"]

GAP = 4.0
"""Seconds without anything wanted that are jumped over rather than decoded."""
_NEAR = 2e-3
"""Seconds by which times are rounded in files."""


class Turn(NamedTuple):
    """How a coded picture becomes the one that is shown: first rows for columns, then mirrored."""

    swap: bool = False
    down: bool = False
    right: bool = False

    def of(self, picture: np.ndarray) -> np.ndarray:
        """A picture `(h, w, ...)` as it is shown."""
        picture = picture.swapaxes(0, 1) if self.swap else picture
        return np.ascontiguousarray(picture[:: -1 if self.down else 1, :: -1 if self.right else 1])


_TAGS = {90: Turn(True, False, True), 180: Turn(False, True, True), 270: Turn(True, True, False)}
"""By degrees clockwise."""


def turn_of(frame: Any, stream: Any) -> Turn:
    """By the frame's display matrix, to the nearest right angle, mirrored or not; else by the stream's tag `rotate`."""
    from av.sidedata.sidedata import Type

    held = frame.side_data.get(Type.DISPLAYMATRIX)
    if held is None:
        degrees = next((value for name, value in stream.metadata.items() if name.lower() == "rotate"), "0")
        try:
            return _TAGS.get(round(float(degrees)) % 360, Turn())
        except (ValueError, OverflowError):
            return Turn()
    a, b, _, c, d = np.frombuffer(bytes(held), "=i4")[:5].tolist()  # x' = a x + c y, y' = b x + d y
    swap = abs(b) + abs(c) > abs(a) + abs(d)
    return Turn(swap, (b if swap else d) < 0, (c if swap else a) < 0)


class Frames:
    """The frames of a stream from about a moment on: the first is not later, unless the stream begins later.

    Where the file's index leads behind the key frame that is needed, it is sought further and further back, at last at
    the beginning. Damaged packets are passed over, and of pictures what follows them up to the next key frame, which
    would show what they left behind: `holes` tells where.
    """

    def __init__(self, container: Any, stream: Any, begin: float):
        self.container, self.stream = container, stream
        self.clock = start_of(container)
        self.step = 1.0 / float(getattr(stream, "average_rate", None) or 25)
        self.time = -self.step
        """Of the last frame, in seconds from the file's start."""
        self.lasts = self.step
        """How long the last frame is shown or heard, in seconds."""
        self.holes: list[tuple[float, float]] = []
        """From where to where frames were lost to damage."""
        self.damage = ""
        """What the decoder said of the first of it."""
        self._lost = False
        self._back = 0.0
        """When the first packet after the damage is shown: of those before it some may still come."""
        self.gains = True
        """Whether jumping is worth it: no jump has led far back yet, as it does where key frames are rare."""
        self._held: Any = None
        self._frames: Iterator[Any] = self._decoded(True)
        if begin > GAP:
            self.jump(begin)

    def next(self) -> Any:
        """The next frame, None at the end; its time is in `time`."""
        frame, self._held = (self._held, None) if self._held is not None else (next(self._frames, None), None)
        if frame is not None:
            end = self.end
            self.time = self.time + self.step if frame.time is None else frame.time - self.clock
            self.lasts = _lasting(frame) or self.step
            if self._lost and self.time >= self._back - _NEAR:
                self.holes.append((end, max(end, self.time)))
                self._lost = False
        return frame

    @property
    def end(self) -> float:
        """Where the last frame ends, in seconds from the file's start."""
        return self.time + self.lasts

    @property
    def lost(self) -> str:
        """What was said of damage that no frame has followed yet."""
        return self.damage if self._lost else ""

    def jump(self, time: float) -> None:
        """Go on at a key frame before a moment, the last where the file can tell."""
        import av

        before, back = self.time, 0.0
        while time - back > 0:
            with contextlib.suppress(av.FFmpegError, IndexError):
                self.container.seek(int((time - back + self.clock) * 1e6), backward=True, any_frame=False)
                self._frames, self._lost = self._decoded(False), False
                first = next(self._frames, None)
                if first is not None and first.time is not None and first.time - self.clock <= time + _NEAR:
                    self._held, self._lost = first, False
                    self.gains = before - (first.time - self.clock) < GAP
                    return
            back = 4 * back or GAP
        self.gains = before < GAP
        for early in (1.0, 0.0):  # where packets are searched for their times, the first is not met by its own
            with contextlib.suppress(av.FFmpegError):
                self.container.seek(int((self.clock - early) * 1e6), backward=True, any_frame=False)
                break
        self.time, self.lasts, self._lost = -self.step, self.step, False
        self._frames = self._decoded(True)

    def _decoded(self, ready: bool) -> Iterator[Any]:
        """The frames of what follows, or unless `ready`, of what follows the next key frame: some decoders make gray
        pictures of what comes before it."""
        import av

        for packet in self.container.demux(self.stream):
            ready = ready or packet.is_keyframe
            if not ready and packet.size:
                continue
            if self._lost and self._back == float("inf") and packet.size:
                told = packet.pts if packet.pts is not None else packet.dts
                self._back = self.time if told is None else float(told * packet.time_base) - self.clock
            try:
                frames = packet.decode()
            except av.InvalidDataError as error:
                self.damage = self.damage or short(error)
                self._lost, self._back = True, float("inf")
                ready = self.stream.type == "audio"
                continue
            yield from frames


def _lasting(frame: Any) -> float:
    """How long a frame is shown or heard, in seconds; 0 where that is not told."""
    if (samples := getattr(frame, "samples", 0)) and frame.sample_rate:
        return float(samples / frame.sample_rate)
    return float((getattr(frame, "duration", 0) or 0) * (frame.time_base or 0))
