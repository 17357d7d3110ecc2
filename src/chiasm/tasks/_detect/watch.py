"""Watch: a detector over time: frames and sound in as they come, verdicts every half second, alarms out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, Decoded, Wants, decode, probe
from chiasm.media.images import MediaError, Note
from chiasm.scale import Progress
from chiasm.tasks._detect.alarms import SLACK, Alarm, Alarms
from chiasm.views import Column, Views

__all__ = ["FEEDS", "Watch"]

FEEDS = ("gray", "picture", "sound")
"""What can be fed."""
_SAID = {"gray": "gray frames", "picture": "pictures", "sound": "sound"}

CHUNK = 20.0
"""Seconds of a file that are decoded at once."""

MOST = 2.0
"""Of the level that starts an alarm: a verdict counts for no more, or one alone would outweigh all near it."""

CUT, RATIO = 25.0, 5.0
"""A frame that differs from the one before by so many gray levels, and so many times the usual, is another shot."""


class Watch:
    """What looks at a film or a stream through a detector of clips; `Detect.watch` makes one.

    Of what comes it keeps the last `window` seconds, so memory does not grow. Every `step` seconds these are described
    by the detector's own encoders, as one clip would be, and judged; the verdict stands for the window's middle. A
    running mean over `smooth` seconds crosses levels into alarms (`Alarms`): the level that starts one is the surprise
    that a share `rate` of normal clips reaches, the one that ends it 4 x `rate`. A cut to another shot is no motion:
    frames of different shots are not compared.

    Args:
        detector: a fitted `Detect` of encoders of audio and video (one a view).
        window: seconds that are judged at a time; the length of the clips that were learned from suits best.
        step: seconds between verdicts. smooth: seconds of the running mean; 0 is none.
        high, low: levels in nats; by default from the detector's `rate`, or see `_alarms.levels`.
        names: what names alarms: a fitted `Classify` or a detector that learned labels, with encoders of its own; by
            default the detector itself, where it learned labels. It is asked only where something is unusual.
        feeds: what will come: any of "gray", "picture" and "sound". Views that need something else are left out
            (`unfed`), and the surprise is calibrated without them.

    Raises a ChiasmError where no view is left.
    """

    def __init__(
        self,
        detector: Any,
        window: float = 2.0,
        step: float = 0.5,
        smooth: float = 1.0,
        high: float | None = None,
        low: float | None = None,
        names: Any = None,
        feeds: Sequence[str] = FEEDS,
    ):
        if not 0 < step <= window:
            raise ChiasmError(f"wanted a step above 0 and no longer than the window, got {step} and {window} seconds.")
        named = detector if names is None and hasattr(detector, "classifier_") else names
        self.encoders, self.unfed = _encoders(detector, feeds)
        """By view: what describes it; and of those that are left out what they need that will not come."""
        self.others, less = ({}, {}) if named is None or named is detector else _encoders(named, feeds)
        self.unfed = {**less, **self.unfed}
        whole = len(self.encoders) == len(detector.views_)
        self.detector = detector if whole else detector.narrowed(list(self.encoders))
        self.window, self.step = window, step
        self.wants = Wants()
        for encoder in (*self.encoders.values(), *self.others.values()):
            self.wants = self.wants | encoder.wants
        high = detector.threshold if high is None else high
        low = min(high, -float(np.log(min(0.5, SLACK * detector.rate)))) if low is None else low
        self.alarms = Alarms(high, low, smooth)
        self.names = None if named is None else getattr(named, "classifier_", named)
        self.surprise = float("nan")
        """The last verdict, in nats; NaN before the first."""
        self.verdicts = 0
        """How many there have been."""
        self._gray: deque[tuple[float, np.ndarray]] = deque()
        self._pictures: deque[tuple[float, np.ndarray]] = deque()
        self._sound: deque[tuple[float, np.ndarray]] = deque()
        self.notes: list[Note] = []
        """What was noted of the files that were read, and of views that could not be judged."""
        self._seen = {"gray": 0, "picture": 0}
        self._first: float | None = None
        self._last = self._due = 0.0
        self._told: dict[str, float] = {}  # by name, its probabilities since the score has been at `low` or above

    def feed(
        self,
        time: float,
        gray: np.ndarray | None = None,
        picture: np.ndarray | None = None,
        sound: np.ndarray | None = None,
    ) -> list[Alarm]:
        """Take what has come; the alarms that it starts (`end` is None) or ends.

        Args:
            time: of the frame, and of the end of the sound, in seconds; it never goes back.
            gray: `(h, w)` uint8, of any size. picture: `(h, w, 3)` uint8 RGB. sound: `(s,)` float32 in -1..1, at the
                rate that `wants.rate` says. What no encoder wants is dropped.
        """
        if self._first is None:
            self._first, self._due = time, time + self.window
        elif time < self._last:
            raise ChiasmError(
                f"wanted times that never go back, got {time} s after {self._last} s: start another watch."
            )
        self._last = time
        soon = self._gray and time - self._gray[-1][0] < 0.75 / self.wants.fps
        for kind, came, held in (("gray", gray, self._gray), ("picture", picture, self._pictures)):
            self._seen[kind] += came is not None and not (held and held[-1][0] == time)
        if gray is not None and self.wants.gray and not soon:
            self._gray.append((time, _sized(gray, *self.wants.gray)))
        if picture is not None and self.wants.pictures:
            self._pictures.append((time, _sized(picture, self.wants.size, self.wants.size)))
        if sound is not None and self.wants.rate:
            self._sound.append((time, np.asarray(sound, np.float32)[-round(self.window * self.wants.rate) :]))
        for held in (self._gray, self._pictures, self._sound):
            while held and held[0][0] < time - self.window - 1e-9:
                held.popleft()
        if time < self._due - 1e-9:
            return []
        self._due += self.step
        if self._due <= time:  # the stream stood still for a while
            self._due = time + self.step
        return self._judge(time, self.window)

    def finish(self, time: float) -> list[Alarm]:
        """The stream is over: a verdict where there was none yet, and the end of an alarm that goes on.

        Raises a MediaError where there is nothing that a verdict could be about [too_short], or no view could be read.
        """
        first, short = time if self._first is None else self._first, not self.verdicts
        frames = max(self._seen.values())
        judged = short and (frames > 1 or self._sound)
        found = self._judge(time, max(time - first, self.step)) if judged else []
        if not self.verdicts:
            if judged and self.notes:
                raise MediaError(self.notes[-1].code, self.notes[-1].message)
            of = "1 frame" if frames == 1 else f"{time - first:.1f} s"
            raise MediaError("too_short", f"too short to judge ({of})")
        ended = self.alarms.finish()
        for alarm in ended:
            self._ended(alarm, first if short else alarm.start, time)
            if short:
                alarm.start, alarm.end = first, time
            _name(alarm, self._told)
        return found + [alarm for alarm in ended if all(alarm is not one for one in found)]

    def film(self, path: str | Path, progress: Progress | None = None) -> tuple[np.ndarray, np.ndarray, list[Alarm]]:
        """The verdicts of a file: times `(t,)` and surprises `(t,)`, and its alarms; some seconds in memory at a time.

        Raises a MediaError where the file cannot be read (see `clips.decode`).
        """
        times, scores, alarms = [], [], []
        seconds, time, told = probe(str(path)).seconds, 0.0, -1
        for time, gray, picture, sound in _chunks(str(path), self.wants, self.window, self.notes):
            before = self.verdicts
            alarms += self.feed(time, gray, picture, sound)
            if self.verdicts > before:
                times.append(time - self.window / 2)
                scores.append(self.surprise)
                if progress and told < (done := min(round(time), int(seconds))):
                    told = done
                    progress("film", done, int(seconds))
        before = self.verdicts
        time = time if before else max(time, seconds)
        alarms += self.finish(time)
        if self.verdicts > before:
            times.append((time + (self._first or 0.0)) / 2)
            scores.append(self.surprise)
        unique = list({id(alarm): alarm for alarm in alarms}.values())
        return np.array(times), np.array(scores), unique

    def _judge(self, time: float, window: float) -> list[Alarm]:
        decoded = self._decoded(time - window, window)
        shots = _shots(decoded)
        views = _views(self.encoders, decoded, shots, self.notes)
        if views is None:
            return []
        self.verdicts += 1
        self.surprise = float(self.detector.outputs(views)[0])
        middle = (time + max(time - window, self._first or 0.0)) / 2
        changed = self.alarms.push(middle, min(self.surprise, MOST * self.alarms.high), time, self.surprise)
        for alarm in changed:
            self._ended(alarm, alarm.start, time)
        if self.alarms.since is None:
            ended, self._told = self._told, {}
            for alarm in changed:
                _name(alarm, ended)
            return changed
        if self.names is not None:
            other = _views(self.others, decoded, shots, self.notes) if self.others else views
            if other is not None:
                sure = self.names.outputs(other)[0]
                for text, one in zip(self.names.fuser_.target_.names_, sure.tolist(), strict=True):
                    self._told[text] = self._told.get(text, 0.0) + one
        for alarm in changed:
            _name(alarm, self._told)
        return changed

    def _ended(self, alarm: Alarm, start: float, time: float) -> None:
        """An alarm of one verdict alone lasts a step."""
        if alarm.end is not None and alarm.end <= start:
            alarm.end = max(start, min(start + self.step, time))

    def _decoded(self, start: float, window: float) -> Decoded:
        """The last window as a decoded clip."""
        made = Decoded(window, rate=self.wants.rate)
        if self._gray:
            made.gray = np.stack([frame for _, frame in self._gray])
            made.gray_times = np.array([time for time, _ in self._gray]) - start
        if self._pictures:
            times = np.array([time for time, _ in self._pictures]) - start
            middles = (np.arange(self.wants.pictures) + 0.5) * window / self.wants.pictures
            chosen = np.abs(times[None] - middles[:, None]).argmin(axis=1)
            made.pictures = np.stack([self._pictures[i][1] for i in chosen.tolist()])
            made.picture_times = times[chosen]
        if self._sound:
            made.sound = np.concatenate([part for _, part in self._sound])[-round(window * self.wants.rate) :]
        return made


def _shots(decoded: Decoded) -> list[tuple[int, int]]:
    """First and last frame (exclusive) of each shot of a window that has 3 frames or more."""
    if len(decoded.gray) < 4:
        return [(0, len(decoded.gray))]
    coarse = decoded.gray[:, ::4, ::4].astype(np.int16)
    change = np.abs(np.diff(coarse, axis=0)).mean(axis=(1, 2))
    cuts = np.flatnonzero(change > np.maximum(CUT, RATIO * np.median(change))) + 1
    edges = [0, *cuts.tolist(), len(decoded.gray)]
    return [(a, b) for a, b in pairwise(edges) if b - a > 2] or [(0, len(decoded.gray))]


def _chunks(
    path: str, wants: Wants, window: float, notes: list[Note]
) -> Iterator[tuple[float, np.ndarray | None, np.ndarray | None, np.ndarray | None]]:
    """A file's frames and sound in order of time, decoded some seconds at a time; `notes` are added to."""
    whole = probe(path).seconds
    start = 0.0
    while start < whole:
        end = min(whole, start + CHUNK)
        some = round(wants.pictures * max(end - start, window if not start else 0.0) / window)
        asked = replace(wants, pictures=max(some, min(wants.pictures, 1)))
        try:
            found = decode(Clip(path, start, end), asked)
        except MediaError as error:
            if start and error.note.code == "empty_clip":  # its header told of more than there is
                return
            silent, blind = replace(wants, rate=0), replace(wants, pictures=0, gray=None)
            less = {"no_sound": silent, "no_picture": blind}.get(error.note.code, wants)
            if less == wants:
                raise
            if not (less.rate or less.pictures or less.gray):
                if not start:
                    raise
                notes.append(Note("cut_short", f"judged up to {start:.1f} s ({error.note.message})"))
                return
            wants = less
            continue
        notes += [note for note in found.notes if note not in notes and note.code != "silent"]
        events: list[tuple[float, int, np.ndarray]] = []
        events += [(time, 0, frame) for time, frame in zip(found.gray_times.tolist(), found.gray, strict=True)]
        events += [(time, 1, frame) for time, frame in zip(found.picture_times.tolist(), found.pictures, strict=True)]
        if wants.rate and len(found.sound):
            size = max(1, wants.rate // 10)
            for place in range(0, len(found.sound), size):
                part = found.sound[place : place + size]
                events.append(((place + len(part)) / wants.rate, 2, part))
        for time, kind, part in sorted(events, key=lambda event: event[:2]):
            gray, picture, sound = (part if kind == k else None for k in range(3))
            yield start + time, gray, picture, sound
        start = end


def _name(alarm: Alarm, told: dict[str, float]) -> None:
    """Give it the name that was likeliest over its windows."""
    if told:
        alarm.event = max(told, key=lambda text: told[text])
        alarm.sure = told[alarm.event] / sum(told.values())


def _encoders(task: Any, feeds: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """By view, what describes a window of it; and of views that cannot be fed what they need besides."""
    found = {name: task.encoding_.encoders_.get(name) for name in task.views_}
    for name, encoder in found.items():
        if not hasattr(encoder, "wants"):
            raise ChiasmError(
                f"view {name!r} is not audio or video read by one encoder: only those can be watched as they come."
            )
    needs = {
        name: {"gray": one.wants.gray, "picture": one.wants.pictures, "sound": one.wants.rate}
        for name, one in found.items()
    }
    lacking = {name: [_SAID[kind] for kind in FEEDS if one[kind] and kind not in feeds] for name, one in needs.items()}
    unfed = {name: " and ".join(kinds) for name, kinds in lacking.items() if kinds}
    fed = {name: encoder for name, encoder in found.items() if name not in unfed}
    if not fed:
        raise ChiasmError(
            f"wanted a model of {' and '.join(_SAID[kind] for kind in feeds)}, which is what comes, got one that needs "
            f"{', '.join(f'{what} ({name})' for name, what in unfed.items())}: for gray frames fit with the "
            f"encoder motion_video:grid for {next(iter(found))}."
        )
    return fed, unfed


def _views(encoders: dict[str, Any], decoded: Decoded, shots: list[tuple[int, int]], notes: list[Note]) -> Views | None:
    """A window as one row of vectors; None where no encoder finds anything to describe, which is noted once."""
    columns = {}
    for name, encoder in encoders.items():
        try:
            columns[name] = Column(encoder.modality, encoder.pack([encoder.describe_shots(decoded, shots)]))
        except MediaError as error:  # such as no sound: the other views tell
            note = Note(error.note.code, f"{name} not judged: {error.note.message}")
            notes += [note] if note not in notes else []
    return Views(columns) if columns else None


def _sized(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """A frame of the size that is wanted, area-averaged."""
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3):
        raise ChiasmError(f"wanted frames (h, w) or (h, w, 3) of uint8, got {frame.shape} of {frame.dtype}.")
    if frame.shape[:2] == (height, width):
        return frame
    from PIL import Image

    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX))
