"""Small sounds and videos, written by PyAV for tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np


def write_sound(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    """A wav file of float samples `(s,)`."""
    import av

    with av.open(str(path), "w", format="wav") as out:
        stream = out.add_stream("pcm_f32le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None], format="flt", layout="mono")
        frame.rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


def write_video(
    path: Path,
    frames: np.ndarray,
    fps: int = 10,
    sound: np.ndarray | None = None,
    rate: int = 16000,
    codec: str = "mpeg4",
    gop: int = 12,
    late: float = 0.0,
) -> Path:
    """A video of RGB frames `(t, h, w, 3)` uint8, with a sound track `(s,)` from `late` seconds on, if there is one."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.gop_size = gop
        track = None
        if sound is not None:
            track = out.add_stream("libopus" if path.suffix in (".mkv", ".webm") else "aac", rate=48000, layout="mono")
        for picture in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
        if track is not None and sound is not None:
            for packet in _encoded(track, sound, rate, late):
                out.mux(packet)
    return path


def _encoded(track, sound: np.ndarray, rate: int, late: float):
    import av

    whole = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], format="flt", layout="mono")
    whole.rate = rate
    whole.pts = round(late * rate)
    whole.time_base = Fraction(1, rate)
    resampler = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=48000)
    for frame in [*resampler.resample(whole), *resampler.resample(None)]:
        yield from track.encode(frame)
    yield from track.encode(None)


def stripes(seconds: float, fps: int = 10, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Frames whose gray level is the time in units of 10 ms: `(t, h, w, 3)`, frame i at i / fps seconds."""
    levels = np.arange(round(seconds * fps)) * (100 / fps) % 256
    return np.broadcast_to(levels[:, None, None, None], (len(levels), *size, 3)).astype(np.uint8)
