"""Audio and video files for tests: what they show and sound like is known at every time."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

SOUNDS = {"mp4": "aac", "mov": "aac", "mkv": "flac", "avi": "pcm_s16le", "webm": "libopus", "ts": "mp2", "flv": "aac"}
PICTURES = {"webm": "libvpx", "ts": "mpeg2video", "flv": "flv"}
"""Codecs by a file's ending; of pictures, where it is not mpeg4."""


def gray_at(time: float, seconds: float) -> int:
    """How bright the film of `film` is at a time: from 20 to 235, in proportion to it."""
    return round(20 + 215 * time / seconds)


def tone(seconds: float, rate: int, start: float = 0.0) -> np.ndarray:
    """A sound that rises by 100 Hz a second from 200 Hz, so that a moment of it is like no other."""
    time = start + np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * (200 + 50 * time) * time)).astype(np.float32)


def film(
    path: Path,
    seconds: float = 4.0,
    fps: int = 10,
    size: tuple[int, int] = (64, 48),
    rate: int = 16000,
    times: Sequence[float] = (),
    gop: int = 12,
    square: int = -1,
    heard: float = 0.0,
    options: dict[str, str] | None = None,
) -> str:
    """Write a film that grows brighter, with `tone` as its sound.

    Args:
        rate: samples a second, 0 for a film without sound. fps: 0 for a file without pictures.
        times: the pictures' own times, where they are not `fps` a second.
        square: where a colored square begins, which goes a pixel to the right each picture; -1: there is none.
        heard: where in `tone` its sound begins, in seconds.
    """
    import av

    kind = path.suffix[1:]
    moments = list(times) or [i / fps for i in range(round(seconds * fps) if fps else 0)]
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(PICTURES.get(kind, "mpeg4"), fps) if fps else None
        if video is not None:
            video.width, video.height, video.pix_fmt, video.gop_size = *size, "yuv420p", gop
            video.codec_context.time_base = Fraction(1, 1000) if times else Fraction(1, fps)
            video.codec_context.bit_rate = 2_000_000
            if kind == "webm":
                video.options = {"deadline": "realtime", "cpu-used": "8"}
        audio: Any = container.add_stream(SOUNDS[kind], rate, layout="mono") if rate else None
        packets = []
        for i, moment in enumerate(moments):
            picture = np.full((size[1], size[0], 3), gray_at(moment, seconds), np.uint8)
            if square >= 0:
                picture[8:24, square + i : square + i + 16] = (250, 60, 5 * square)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = (round(moment * 1000), Fraction(1, 1000)) if times else (i, Fraction(1, fps))
            packets += video.encode(frame) if video is not None else []
        packets += video.encode(None) if video is not None else []
        if audio is not None:
            whole = av.AudioFrame.from_ndarray(tone(seconds, rate, heard)[None], format="fltp", layout="mono")
            whole.sample_rate, whole.pts, whole.time_base = rate, 0, Fraction(1, rate)
            fitting = av.AudioResampler(audio.format.name, "mono", rate, audio.codec_context.frame_size or 1024)
            for frame in [*fitting.resample(whole), *fitting.resample(None)]:
                packets += audio.encode(frame)
            packets += audio.encode(None)
        for packet in sorted((p for p in packets if p.size), key=lambda p: float((p.dts or 0) * p.time_base)):
            container.mux(packet)
    return str(path)


def wav(path: Path, samples: np.ndarray, rate: int) -> str:
    """Write 16-bit sound; the file's path."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return str(path)


def float_wav(samples: np.ndarray, rate: int, claimed: int | None = None) -> bytes:
    """The bytes of a wav file of 32-bit floats; its header claims `claimed` bytes of data."""
    data = samples.astype("<f4").tobytes()
    size = len(data) if claimed is None else claimed
    head = b"WAVEfmt " + np.array([16], "<u4").tobytes() + np.array([3, 1], "<u2").tobytes()
    head += np.array([rate, 4 * rate], "<u4").tobytes() + np.array([4, 32], "<u2").tobytes()
    head += b"data" + np.array([size], "<u4").tobytes()
    return b"RIFF" + np.array([min(size + len(head), 2**32 - 1)], "<u4").tobytes() + head + data
