"""Toy generators with known answers, for tests and examples."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["COLORS", "SHAPES", "planted_pair", "shape_image", "square_film", "tone_wav"]

COLORS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 70, 200), "yellow": (230, 200, 40)}
SHAPES = ("circle", "square", "triangle", "bar")


def planted_pair(
    n: int, widths: tuple[int, int] = (20, 12), correlations: tuple[float, ...] = (0.9, 0.6, 0.3), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Two views `(n, widths[0])`, `(n, widths[1])` whose canonical correlations tend to `correlations`, then 0.

    Each pair of latent directions has unit variance and the planted correlation; both are mixed by random rotations.
    """
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=(n, width)) for width in widths)
    for i, rho in enumerate(correlations):
        b[:, i] = rho * a[:, i] + np.sqrt(1 - rho**2) * b[:, i]
    rotations = [np.linalg.qr(rng.normal(size=(width, width)))[0] for width in widths]
    return a @ rotations[0], b @ rotations[1]


def shape_image(color: str, shape: str, size: int = 48, seed: int = 0) -> Image.Image:
    """A picture of one colored shape at a random place and size, what a caption like "a red circle" says."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (size, size), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    r = int(rng.integers(size // 5, size // 3))
    x, y = (int(v) for v in rng.integers(r, size - r, size=2))
    fill = COLORS[color]
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill)
    elif shape == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill)
    else:
        draw.rectangle((x - r, y - r // 4, x + r, y + r // 4), fill)
    return image


RATE = 16_000
"""Samples a second of the toy sounds."""


def tone(seconds: float, start: float = 0.0) -> np.ndarray:
    """A sound that rises by 100 Hz a second from 200 Hz at time 0, so that a moment of it is like no other."""
    time = start + np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 50 * time) * time)).astype(np.float32)


def tone_wav(seconds: float = 0.6, start: float = 0.0) -> bytes:
    """The bytes of a wav file of `tone`, 16 bit.

    >>> tone_wav(0.5)[:4], len(tone_wav(0.5))
    (b'RIFF', 16044)
    """
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((tone(seconds, start) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def square_film(place: int, heard: float = 0.0, seconds: float = 1.0, fps: int = 10) -> bytes:
    """The bytes of a film, 64 x 48 pixels: a square that starts `place` pixels from the left and moves right.

    Its sound is `tone` from `heard` seconds on.
    """
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        video: Any = container.add_stream("mpeg4", fps)
        video.width, video.height, video.pix_fmt, video.bit_rate = 64, 48, "yuv420p", 2_000_000
        audio: Any = container.add_stream("flac", RATE, layout="mono")
        packets = []
        for i in range(round(seconds * fps)):
            picture = np.full((48, 64, 3), round(20 + 215 * i / fps / seconds), np.uint8)
            picture[8:24, place + i : place + i + 16] = (250, 60, 5 * place % 256)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            packets += video.encode(frame)
        packets += video.encode(None)
        whole = av.AudioFrame.from_ndarray(tone(seconds, heard)[None], format="fltp", layout="mono")
        whole.sample_rate, whole.pts, whole.time_base = RATE, 0, Fraction(1, RATE)
        fitting = av.AudioResampler(audio.format.name, "mono", RATE, audio.codec_context.frame_size or 1024)
        for frame in [*fitting.resample(whole), *fitting.resample(None)]:
            packets += audio.encode(frame)
        packets += audio.encode(None)
        for packet in sorted((p for p in packets if p.size), key=lambda p: float((p.dts or 0) * p.time_base)):
            container.mux(packet)
    return out.getvalue()
