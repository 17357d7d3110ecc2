"""Sound in numbers one can name: cepstrum of the log-mel spectrogram, pitch, loudness, and how they move; no weights.

Sources: Davis & Mermelstein 1980 (mel cepstrum); Eyben et al. 2016, GeMAPS (functionals of voice); Atlas & Shamma
2003 (modulation).
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np

from chiasm.allowed import SIZE
from chiasm.encode._sound import HOP, RATE, cepstrum, log_mel, mel_of, modulation, pitch, slope
from chiasm.encode._timed import Steps, Timed
from chiasm.media.clips import Decoded, Wants
from chiasm.media.images import MediaError

__all__ = ["MelAudio"]

_COUNT, _KEPT = 24, 20
"""Cepstral coefficients a row, and those that statistics are made of."""
_PITCH, _PERIODIC, _LOUD = _COUNT, _COUNT + 1, _COUNT + 2
_RANGE = 4 * np.log(10)
"""A row within 40 dB of the loud ones counts as sounding."""
_VOICED = 0.5
_PERCENTILES = (5, 25, 50, 75, 95)
_LEAST = 5
"""Rows below which nothing is said of them."""


class MelAudio(Timed):
    """What a sound is like: timbre, pitch, loudness, rhythm; `(n, 262)`, or steps of 27 numbers each.

    Choose it for voices (with `steps` also for short words), where no pretrained weights may be used, and as a second
    view beside `spectrogram_audio`: the two see different things (benchmarks/time/sound.py).

    Over time, a row every 10 ms: 24 coefficients of the cosine transform of 64 log-mel bands, the pitch in octaves
    above 100 Hz, how periodic the sound is (0..1), the natural log of its power.

    Pooled: mean, spread and percentiles of 20 coefficients over the rows that sound (within 40 dB of the loud ones);
    spreads of their slopes and of the slopes of these; of the pitch where it is periodic also the course as a parabola,
    steps from row to row and the share of such rows; of loudness also its course in fifths, and how long sound and
    voiced runs last; power of the modulation of 8 bands at 0.5 to 32 Hz.

    Args:
        steps: 0 pools; T gives T parts of the clip side by side, `(n, T * 27)`: for what is told by order, as words.
    """

    modality = "audio"
    batch = 128

    allowed: ClassVar = {"steps": SIZE}

    def __init__(self, steps: int = 0):
        self.steps = steps

    @property
    def wants(self) -> Wants:
        """Sound of 16 kHz."""
        return Wants(rate=RATE)

    def over_time(self, decoded: Decoded) -> Steps:
        """`(t, 27)`, a row every 10 ms; a MediaError [no_sound] where there is none."""
        sound = decoded.sound
        if not len(sound):
            raise MediaError("no_sound", "no sound in it")
        values = np.concatenate([cepstrum(log_mel(sound), _COUNT), pitch(sound)], axis=1)
        start = np.arange(len(values)) * HOP
        return Steps(values, start, np.minimum(start + HOP, max(decoded.seconds, HOP)))

    def pool(self, values: np.ndarray) -> np.ndarray:
        """Statistics of rows `(t, 27)`: `(262,)`."""
        loud = values[:, _LOUD]
        sounds = loud > np.percentile(loud, 95) - _RANGE
        return np.concatenate(
            [
                _timbre(values[:, :_KEPT], sounds),
                _melody(values, sounds),
                _course(values, sounds),
                modulation(mel_of(values[:, :_COUNT])),
            ]
        ).astype(np.float32)


def _timbre(coefficients: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """`(180,)`: distribution of the coefficients, and of how they move."""
    moving = slope(coefficients)
    here = coefficients[sounds]
    return np.concatenate(
        [
            here.mean(axis=0),
            here.std(axis=0),
            np.percentile(here, _PERCENTILES, axis=0).ravel(),
            moving[sounds].std(axis=0),
            slope(moving)[sounds].std(axis=0),
        ]
    )


def _melody(values: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """`(15,)`: pitch where the sound is periodic, in octaves; zeros where it hardly ever is."""
    voiced = sounds & (values[:, _PERIODIC] > _VOICED)
    octaves = values[voiced, _PITCH] if voiced.sum() >= _LEAST else np.zeros(_LEAST)
    jumps = np.abs(np.diff(octaves))
    place = np.linspace(-1, 1, len(octaves))
    periodic = values[sounds, _PERIODIC]
    return np.concatenate(
        [
            [octaves.mean(), octaves.std()],
            np.percentile(octaves, _PERCENTILES),
            np.polyfit(place, octaves, 2)[::-1],
            [jumps.mean(), np.median(jumps), voiced.sum() / sounds.sum(), periodic.mean(), periodic.std()],
        ]
    )


def _course(values: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """`(19,)`: loudness from the first to the last sounding row, and how long sounding and voiced runs last (s)."""
    first, last = np.flatnonzero(sounds)[[0, -1]]
    loud = values[first : last + 1, _LOUD]
    fifths = np.linspace(0, len(loud), 6).astype(int)
    course = [loud[a : max(b, a + 1)].mean() - loud.mean() for a, b in pairwise(fifths)]
    voiced = (sounds & (values[:, _PERIODIC] > _VOICED)).astype(int)
    edges = np.flatnonzero(np.diff(voiced, prepend=0, append=0))
    runs = (edges[1::2] - edges[::2]) * HOP
    return np.concatenate(
        [
            [loud.mean(), loud.std(), loud.max()],
            np.percentile(loud, _PERCENTILES),
            course,
            [np.abs(np.diff(loud)).mean() if len(loud) > 1 else 0, sounds.sum() * HOP, len(loud) * HOP],
            [len(runs), runs.mean() if len(runs) else 0, runs.std() if len(runs) else 0],
        ]
    )
