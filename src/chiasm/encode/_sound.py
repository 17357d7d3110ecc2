"""What is heard in a sound, as arrays: log-mel spectrogram, slopes, cepstrum, pitch, modulation; numpy and scipy alone.

A sound is `(s,)` float32 of one channel; what is heard over time is `(t, d)` float32, one row every 10 ms.
Nothing here reads a file, and nothing is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import numpy as np

__all__ = ["BANDS", "HOP", "RATE", "cepstrum", "log_mel", "mel_filters", "mel_of", "modulation", "pitch", "slope"]

RATE = 16000
"""Samples a second."""
HOP = 0.01
"""Seconds between rows."""
BANDS = 64
_FLOOR = 1e-8
"""Power of what is called silence: about 16 bits' rounding noise."""
_SAMPLES = 1 << 20
"""Of all windows transformed at a time, at most: memory stays flat however long the sound."""
_LOWEST, _HIGHEST = 60.0, 400.0
"""The pitch of voices, in Hz."""


def log_mel(sound: np.ndarray, bands: int = BANDS, window: float = 0.025) -> np.ndarray:
    """The natural logarithm of the power in each mel band, `(t, bands)`, t = ceil(s / 160) and at least 1.

    Row i looks at `window` seconds around the middle of `i * HOP .. (i + 1) * HOP`, weighed by Hann's window; power is
    that of a window whose squares sum to 1: white noise of variance v has v in every band, however long the window.
    Bands are triangles (`mel_filters`), evenly spaced on the mel scale from 0 Hz to 8 kHz.

    >>> log_mel(np.zeros(1600, np.float32)).shape
    (10, 64)

    Sources: Stevens, Volkmann & Newman 1937 (mel); Davis & Mermelstein 1980 (triangular bands).
    """
    size = int(window * RATE)
    points = 1 << (size - 1).bit_length()
    filters = mel_filters(bands, points)
    weights = np.hanning(size + 2)[1:-1].astype(np.float32)
    weights /= np.sqrt(np.square(weights).sum())
    out = [np.log(np.abs(np.fft.rfft(rows * weights, points)) ** 2 @ filters + _FLOOR) for rows in _rows(sound, size)]
    return np.concatenate(out).astype(np.float32)


@cache
def mel_filters(bands: int, points: int) -> np.ndarray:
    """`(points // 2 + 1, bands)`: the weight of each frequency of a transform of `points` samples in each band.

    A band's weights sum to 1, so a band holds the mean power in it; a band that falls between two frequencies takes
    its power from both.
    """
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    hertz = np.arange(points // 2 + 1) * RATE / points
    apart = np.maximum(np.diff(edges), RATE / points)
    rising = 1 - (edges[1:-1] - hertz[:, None]) / apart[:-1]
    falling = 1 - (hertz[:, None] - edges[1:-1]) / apart[1:]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    return np.asarray(filters / filters.sum(axis=0), dtype=np.float32)


def slope(values: np.ndarray, reach: int = 4) -> np.ndarray:
    """How much each column of `(t, d)` rises a row, by least squares over `reach` rows before and after; same shape.

    Beyond the ends the first and last row go on. Source: Furui 1986.
    """
    weights = np.arange(-reach, reach + 1, dtype=np.float32)
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    total = sum(w * padded[i : i + len(values)] for i, w in enumerate(weights))
    return np.asarray(total / np.square(weights).sum(), dtype=np.float32)


def cepstrum(mel: np.ndarray, count: int = 20) -> np.ndarray:
    """The first `count` coefficients `(t, count)` of the cosine transform of log-mel `(t, bands)`: MFCC.

    Coefficient 0 is loudness, the low ones the shape of the vocal tract; pitch is left out with the high ones.
    """
    from scipy.fft import dct

    return np.asarray(dct(mel, axis=1, norm="ortho")[:, :count], dtype=np.float32)


def mel_of(values: np.ndarray, bands: int = BANDS) -> np.ndarray:
    """The smooth log-mel spectrogram `(t, bands)` that cepstra `(t, c)` describe: `cepstrum` undone, but for detail."""
    from scipy.fft import idct

    return np.asarray(idct(values, n=bands, axis=1, norm="ortho"), dtype=np.float32)


def pitch(sound: np.ndarray) -> np.ndarray:
    """`(t, 3)`: pitch in octaves above 100 Hz, how periodic it is (0..1), and loudness (natural log of power).

    Row i looks at 50 ms around the middle of it: the lag of 1/400 .. 1/60 s at which the sound is most like itself
    (autocorrelation over that of the window; Boersma 1993), the parabola through its neighbors between samples. Where
    `values[:, 1]` is under about 0.5 the pitch means nothing.
    """
    size = int(0.05 * RATE)
    points = 1 << (2 * size - 1).bit_length()
    weights = np.hanning(size + 2)[1:-1].astype(np.float32)
    own = np.fft.irfft(np.abs(np.fft.rfft(weights, points)) ** 2)[:size]
    shortest, longest = int(RATE / _HIGHEST), int(RATE / _LOWEST)
    found = []
    for rows in _rows(sound, size):
        power = np.square(rows).mean(axis=1)
        rows = (rows - rows.mean(axis=1, keepdims=True)) * weights
        like = np.fft.irfft(np.abs(np.fft.rfft(rows, points)) ** 2)[:, : longest + 2]
        like = like / np.maximum(like[:, :1], _FLOOR) / (own[: longest + 2] / own[0])
        lags = np.arange(shortest, longest + 1)
        # A period's multiples are as good as itself: a little is taken off for each octave down (Boersma 1993).
        best = (like[:, lags] - 0.02 * np.log2(lags / shortest)).argmax(axis=1) + shortest
        at = np.arange(len(rows))
        before, here, after = like[at, best - 1], like[at, best], like[at, best + 1]
        bend = np.minimum(before - 2 * here + after, -1e-6)
        lag = best + np.clip((before - after) / (2 * bend), -0.5, 0.5)
        octaves = np.log2(RATE / lag / 100)
        found.append(np.stack([octaves, np.clip(here, 0, 1), np.log(power + _FLOOR)], axis=1))
    return np.concatenate(found).astype(np.float32)


def modulation(mel: np.ndarray, groups: int = 8) -> np.ndarray:
    """How much `groups` bands of log-mel `(t, bands)` rise and fall at 0.5-1, 1-2, .. 16-32 Hz: `(groups * 6,)` logs.

    Rhythm without its phase: of speech the rate of syllables, of a siren its period. The mean over windows of 2.56 s
    that overlap by half; a shorter sound is filled up with its mean. Source: Atlas & Shamma 2003.
    """
    size = 256
    bands = np.stack([part.mean(axis=1) for part in np.array_split(mel, groups, axis=1)], axis=1)
    bands = bands - bands.mean(axis=0)
    if len(bands) < size:
        bands = np.pad(bands, ((0, size - len(bands)), (0, 0)))
    starts = range(0, len(bands) - size + 1, size // 2)
    weights = np.hanning(size)[:, None]
    power = np.mean([np.abs(np.fft.rfft(bands[s : s + size] * weights, axis=0)) ** 2 for s in starts], axis=0) / size
    hertz = np.arange(len(power)) / (size * HOP)
    edges = 0.5 * 2.0 ** np.arange(7)
    kept = [power[(hertz >= low) & (hertz < high)].mean(axis=0) for low, high in pairwise(edges)]
    return np.log(np.concatenate(kept) + 1e-4).astype(np.float32)


def _rows(sound: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Windows `(r, size)` around the middle of each `HOP`, some at a time; outside the sound is silence."""
    step = int(HOP * RATE)
    count = max(1, -(-len(sound) // step))
    most = max(1, _SAMPLES // size)
    for first in range(0, count, most):
        last = min(first + most, count)
        start = first * step + step // 2 - size // 2
        end = start + (last - 1 - first) * step + size
        part = sound[max(start, 0) : end]
        before = max(-start, 0)
        part = np.pad(part, (before, end - start - before - len(part)))
        yield np.lib.stride_tricks.sliding_window_view(part, size)[::step]
