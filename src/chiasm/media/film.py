"""A film as features over time: decoded in pieces, one decode for pictures and sound, memory that does not grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, Wants, decode, probe
from chiasm.media.images import MediaError, Note
from chiasm.media.shots import changes, directions
from chiasm.scale import Progress

__all__ = ["Film", "clip_of", "hear", "picture_at", "read_film"]

RATE = 16000
MOST = 7200
"""Steps of a film: beyond an hour at half seconds they grow longer, so that an hour's memory serves any length."""
_PIECE = 20.0
"""Seconds decoded at a time: well within the time that a decoder is given, at any usual size of picture."""
_SILENT = "silent"
"""The reason code of sound that is silence."""
_SILENCE = 1e-7
"""Mean square of what is called silence: -70 dB."""


@dataclass
class Film:
    """What was read of a film; step i is from `i * step` to `(i + 1) * step` seconds after its start.

    Steps without a picture (lost to damage, before the first or after the last) are left out.
    """

    clip: Clip
    seconds: float
    """Where its pictures end, after its start."""
    step: float
    rows: np.ndarray
    """`(t, d)` float32: the features of the picture in the middle of each step."""
    loudness: np.ndarray
    """`(t,)` in dB, of a full scale of 1; empty where nothing was heard."""
    width: int = 0
    height: int = 0
    notes: list[Note] = field(default_factory=list)
    steps: np.ndarray = None  # type: ignore[assignment]
    """`(t,)` which step each row is; left out: the first t."""

    def __post_init__(self) -> None:
        if self.steps is None:
            self.steps = np.arange(len(self.rows))

    def times(self, rows: np.ndarray) -> np.ndarray:
        """The middle of these rows' steps, in seconds of the file."""
        return np.asarray(self.clip.start + (self.steps[rows] + 0.5) * self.step)

    def cuts(self) -> np.ndarray:
        """The first row of every shot but the first: where pictures change, and where some are missing before."""
        return np.union1d(changes(directions(self.rows)), np.flatnonzero(np.diff(self.steps) > 1) + 1)

    def spans(self, parts: np.ndarray) -> np.ndarray:
        """Of first and last rows (beyond) `(p, 2)` the start and end, in seconds of the file."""
        first, last = np.asarray(parts).T
        return self.clip.start + np.stack([self.steps[first], self.steps[last - 1] + 1], axis=1) * self.step


def clip_of(film: Any) -> Clip:
    """A path or a moment of one, as a `Clip`."""
    if isinstance(film, Clip):
        return film
    if isinstance(film, str | Path):
        return Clip(str(film))
    raise ChiasmError(f"wanted a film's path or a Clip of it, got {type(film).__name__}.")


def read_film(
    film: Any,
    encode: Callable[[Sequence[Any]], np.ndarray],
    size: int,
    step: float,
    *,
    listen: bool = True,
    progress: Progress | None = None,
) -> Film:
    """Features of a picture a step, and how loud each step is.

    Where pictures end before the file does, or the rest is damaged, the film ends there, and where some of it is
    damaged, its steps are left out: with a note each.

    Args:
        film: a path or a Clip. encode: RGB pictures -> `(n, d)`. size: of the pictures, in pixels. step: in seconds.
        listen: read the sound track too, where there is one.

    Raises a MediaError where nothing can be read (no_picture, missing, broken, ...).
    """
    clip = clip_of(film)
    if not step > 0:
        raise ChiasmError(f"wanted a step of more than 0 seconds, got {step}.")
    facts = probe(clip.path)
    if not facts.width:
        raise MediaError("no_picture", f"no pictures in {clip.path}")
    seconds = min(clip.end if clip.end is not None else facts.seconds, facts.seconds) - clip.start
    if not seconds > 0:
        raise MediaError("empty_clip", f"nothing between {clip.start} s and the end of {clip.path}")
    steps = int(np.clip(round(seconds / step), 1, MOST))
    step = seconds / steps
    listen = listen and facts.rate > 0
    at_once = max(1, int(_PIECE / step))
    made = Film(clip, seconds, step, np.zeros((0, 0)), np.zeros(0), facts.width, facts.height, list(facts.notes))
    rows: list[np.ndarray] = []
    loudness: list[np.ndarray] = []
    seen: list[np.ndarray] = []
    silent = listen
    for first in range(0, steps, at_once):
        count = min(at_once, steps - first)
        moment = Clip(clip.path, clip.start + first * step, clip.start + (first + count) * step)
        try:
            found = decode(moment, Wants(pictures=count, size=size) | (Wants(rate=RATE) if listen else Wants()))
        except MediaError as error:
            if error.note.code == "no_sound" and listen:  # sound that ends before the pictures do is silence
                found = decode(moment, Wants(pictures=count, size=size))
            elif rows:
                made.notes.append(Note("cut_short", f"read up to {first * step:.1f} s ({error.note.message})"))
                break
            else:
                raise
        middles = (np.arange(count) + 0.5) * step
        shown = np.flatnonzero([not any(a <= middle < b for a, b in found.gaps) for middle in middles])
        if not len(shown) and not seen and first + count >= steps:
            shown = np.array([0])  # a single picture, however short
        if len(shown):
            used, nearest = np.unique(
                np.searchsorted(found.picture_times, middles[shown] + 1e-6).clip(1) - 1, return_inverse=True
            )
            rows.append(encode(list(found.pictures[used]))[nearest])
            seen.append(first + shown)
            if listen:
                loudness.append(_loudness(found.sound, count, int(step * RATE))[shown])
        made.notes += [note for note in found.notes if note not in made.notes and note.code != _SILENT]
        silent = silent and any(note.code == _SILENT for note in found.notes)
        over = found.over and bool(seen)
        if progress:
            progress("film", steps if over else first + count, steps)
        if over:
            break
    if silent:  # all of it: a piece may well be
        made.notes.append(Note(_SILENT, "its sound is silence"))
    made.rows = np.concatenate(rows).astype(np.float32, copy=False)
    made.loudness = np.concatenate(loudness) if listen else np.zeros(0)
    made.steps = np.concatenate(seen)
    made.seconds = (int(made.steps[-1]) + 1) * step
    return made


def hear(film: Any, step: float) -> tuple[np.ndarray, float]:
    """How loud each step of a film or a sound file is, `(t,)` in dB of a full scale of 1, and its length in seconds.

    Steps beyond the end of the sound are silent. Raises a MediaError where there is no sound.
    """
    clip = clip_of(film)
    facts = probe(clip.path)
    if not facts.rate:
        raise MediaError("no_sound", f"no sound in {clip.path}")
    seconds = min(clip.end if clip.end is not None else facts.seconds, facts.seconds) - clip.start
    steps = max(1, int(np.ceil(seconds / step - 1e-6)))
    at_once = max(1, int(60 / step))
    heard: list[np.ndarray] = []
    for first in range(0, steps, at_once):
        count = min(at_once, steps - first)
        start = clip.start + first * step
        try:
            sound = decode(Clip(clip.path, start, start + count * step), Wants(rate=RATE)).sound
        except MediaError:
            if not heard:
                raise
            sound = np.zeros(0, np.float32)
        heard.append(_loudness(sound, count, int(step * RATE)))
    return np.concatenate(heard), seconds


def picture_at(film: Film, time: float) -> np.ndarray:
    """The RGB picture `(h, w, 3)` at a time of the file, of the film's own shape, 288 pixels high or wide at most."""
    from PIL import Image

    half = film.step / 2
    moment = Clip(film.clip.path, max(time - half, 0.0), time + half)
    square = decode(moment, Wants(pictures=1)).pictures[0]
    share = 288 / max(film.width, film.height)
    shape = (max(1, round(film.width * share)), max(1, round(film.height * share)))
    return np.asarray(Image.fromarray(square).resize(shape, Image.Resampling.BICUBIC))


def _loudness(sound: np.ndarray, steps: int, size: int) -> np.ndarray:
    """`(steps,)` dB of so many samples each; what is missing at the end is silent."""
    sound = np.pad(sound[: steps * size], (0, max(0, steps * size - len(sound))))
    return np.asarray(10 * np.log10(np.square(sound.reshape(steps, size)).mean(axis=1) + _SILENCE))
