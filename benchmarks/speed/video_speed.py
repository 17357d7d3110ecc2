"""Videos to features: ours against decoding every frame and PyTorch eager; and peak memory against a film's length.

`python -m benchmarks.speed.video_speed [--clips 16] [--rounds 3] [--lengths 10,60,600,3600]`

Speed: 8 pictures of the same moments a clip, 288 px, EfficientNet-Lite0, mean over them. Ours: `frames_video`, without
cache. The other: PyAV, every frame to RGB, Pillow, PyTorch eager (channels_last, its faster layout here, all cores).
Rounds interleaved in one process after one that is not measured; ratios round by round. surv_fight's clips (2 to 3 s)
and films of a minute composed of them.

Memory: synthetic films, 160 x 120, 10 pictures a second, each in a process of its own: the whole film by
`frames_video`, then every window of 4 s, a window each 2 s, by `motion_video` through `Encoding` and a fresh cache.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._sets import files
from benchmarks._trials import Figure, again, against, arguments, finish, peak, plain_torch, ratios
from chiasm import scale
from chiasm.encode.frames_video import FramesVideo

PICTURES, SIZE = 8, 288
OURS, THEIRS = "this process, MiB", "largest decoder, MiB"
FIGURES = [
    *(
        Figure(
            short,
            (name, "ours / all frames + eager"),
            f"video files to features against every frame decoded + torch eager, {name}",
            "x",
            form,
            "{n} rounds",
            interval="least and most",
        )
        for short, name, form in (("clips", "clips of 2 to 3 s", ".2f"), ("films", "films of a minute", ".1f"))
    ),
    *(
        Figure(
            f"memory.{seconds}.{short}",
            ("peak memory by length", f"{seconds} s", key),
            f"film of {seconds:,} s: {what}",
            unit,
            ",.0f",
        )
        for seconds in (10, 60, 600, 3600)
        for short, key, what, unit in (
            ("own", OURS, "peak memory of this process", "MiB"),
            ("decoder", THEIRS, "peak memory of its decoder", "MiB"),
            ("windows", "windows", "windows of 4 s encoded", ""),
            ("seconds", "seconds for the windows", "seconds for the windows", "s"),
        )
    ),
]


def all_frames(path: str) -> list[np.ndarray]:
    """Every frame as RGB."""
    import av

    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def eager(paths: Sequence[str]) -> np.ndarray:
    """Every frame decoded, the middles of 8 equal parts through PyTorch eager: `(n, 1280)`."""
    import torch

    out = []
    for path in paths:
        frames = all_frames(path)
        chosen = [frames[(2 * i + 1) * len(frames) // (2 * PICTURES)] for i in range(PICTURES)]
        shrunk = [np.asarray(Image.fromarray(f).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for f in chosen]
        x = torch.from_numpy((np.stack(shrunk).transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128)
        with torch.inference_mode():
            features = _network().extract_features(x.to(memory_format=torch.channels_last))
            out.append(features.mean((2, 3)).mean(0).numpy())
    return np.stack(out)


@cache
def _network() -> Any:
    import torch

    torch.set_num_threads(scale.cores())
    return plain_torch()


def compose(paths: Sequence[str], to: Path, seconds: float = 60.0, fps: int = 25) -> str:
    """A film of these clips, one after another, again and again."""
    import av

    with av.open(str(to), "w") as container:
        stream = container.add_stream("mpeg4", fps)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 192, 144, "yuv420p", 50
        left = round(seconds * fps)
        while left > 0:
            for path in paths:
                for picture in all_frames(path)[:left]:
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(192, 144)
                    container.mux(stream.encode(frame))
                    left -= 1
        container.mux(stream.encode(None))
    return str(to)


def synthetic(to: Path, seconds: float) -> str:
    """A square that goes back and forth before a texture, 160 x 120, 10 a second."""
    import av

    texture = np.random.default_rng(0).integers(40, 200, (12, 16, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    with av.open(str(to), "w") as container:
        stream = container.add_stream("mpeg4", 10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 160, 120, "yuv420p", 50
        for i in range(round(seconds * 10)):
            picture = texture.copy()
            at = abs(i % 240 - 120)
            picture[40:60, at : at + 20] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return str(to)


def speed(paths: Sequence[str], rounds: int) -> dict[str, Any]:
    """Clips a second of both, and the ratio."""
    ours = FramesVideo(pictures=PICTURES)
    mine, theirs = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (ours.encode(paths[:4]), eager(paths[:4])))
    seconds = ratios({"ours": lambda: ours.encode(paths), "eager": lambda: eager(paths)}, rounds)
    return {
        "clips": len(paths),
        "ours, clips/s": round(len(paths) / float(np.median(seconds["ours"])), 2),
        "all frames + eager, clips/s": round(len(paths) / float(np.median(seconds["eager"])), 2),
        "ours / all frames + eager": against(seconds, "ours")["eager"],
        "least cosine of the vectors": round(float((mine * theirs).sum(axis=1).min()), 5),
    }


def measure(path: str) -> None:
    """In a process of its own: encode a film whole and in windows; peaks in MiB on standard output."""
    import chiasm
    from chiasm.encoding import Encoding
    from chiasm.media import clips
    from chiasm.media.windows import windows

    FramesVideo().encode([path])
    views = chiasm.Views({"film": chiasm.Column("video", [path])})
    started = time.perf_counter()
    rows = windows(views, "film", 4.0)
    encoded, report = Encoding({"film": "motion_video"}).fit(rows).apply(rows)
    facts = {
        OURS: int(peak()),
        THEIRS: max(int(peak(child.process.pid)) for child in clips._idle),
        "windows": len(encoded["film"].used),
        "skipped or altered": len(report.notes),
        "seconds for the windows": round(time.perf_counter() - started, 1),
        "file, MiB": round(os.path.getsize(path) / 2**20, 1),
    }
    print(json.dumps(facts))


def memory(lengths: Sequence[float], folder: Path) -> dict[str, Any]:
    """Peaks by length in seconds."""
    found = {}
    models = Path(os.environ.get("CHIASM_CACHE", Path.home() / ".cache" / "chiasm")) / "models"
    for seconds in lengths:
        fresh = folder / f"cache-{seconds}"
        fresh.mkdir()
        if models.is_dir():
            (fresh / "models").symlink_to(models)
        path = synthetic(folder / f"{seconds}.mp4", seconds)
        told = again("--measure", path, env=os.environ | {"CHIASM_CACHE": str(fresh)})
        found[f"{seconds:g} s"] = json.loads(told.splitlines()[-1])
        os.unlink(path)
    return found


def main() -> None:
    """Speed, then memory."""
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lengths", default="10,60,600,3600")
    parser.add_argument("--measure", help="(a process of its own) a film")
    known = parser.parse_args()
    if known.measure:
        return measure(known.measure)
    paths = sorted(files("surv_fight", "video"))
    paths = paths[:: max(1, len(paths) // known.clips)][: known.clips]
    result: dict[str, Any] = {"clips of 2 to 3 s": speed(paths, known.rounds)}
    with tempfile.TemporaryDirectory() as folder:
        films = [compose(paths[i::4], Path(folder) / f"film{i}.mp4") for i in range(4)]
        result["films of a minute"] = speed(films, known.rounds)
        lengths = [float(word) for word in known.lengths.split(",")]
        result["peak memory by length"] = found = memory(lengths, Path(folder))
    first, *_, last = [*found.values(), *found.values()]
    for what in (OURS, THEIRS):
        result[f"{what}: longest / shortest"] = round(last[what] / first[what], 3)
    finish(result, FIGURES, known)


if __name__ == "__main__":
    main()
