"""Files to features: ours, a plain script over the same ONNX model in batches of 32, PyTorch eager and compiled.

`python -m benchmarks.speed.encode_speed`: coco2k's 1,997 photographs, 288 px; images per second, ratios in one run.
PyTorch runs on the first 256 of them (it is that slow here). Then a second run of ours, from the cache.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

import chiasm
from benchmarks._sets import pack
from benchmarks._trials import Figure, arguments, finish, plain_torch, spread
from chiasm.encode._effnet import onnx_file
from chiasm.encoding import Encoding

SIZE = 288
ENCODE = "files to features, 1,997 photographs, 288 px"
FIGURES = [
    Figure(short, (key,), f"{ENCODE}: {what}", "x", form, "{n} rounds", interval="least and most")
    for short, key, what, form in (
        ("script", "ours / plain script", "faster than a plain ONNX script in batches of 32", ".2f"),
        ("eager", "ours / torch eager, channels_last", "faster than torch eager, channels_last", ".1f"),
        ("compiled", "ours / torch compiled, channels_last", "faster than torch compiled", ".1f"),
        ("again", "second run / first run", "a second run is faster than the first", ".0f"),
    )
]


def pixels(path: str) -> np.ndarray:
    image = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return (np.asarray(image, dtype=np.float32).transpose(2, 0, 1) - 127) / 128


def batches(paths: Sequence[str]) -> list[Sequence[str]]:
    return [paths[start : start + 32] for start in range(0, len(paths), 32)]


def plain_script() -> Callable[[Sequence[str]], np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_file(), providers=["CPUExecutionProvider"])

    def run(paths: Sequence[str]) -> np.ndarray:
        return np.concatenate(
            [session.run(None, {"pixels": np.stack([pixels(p) for p in part])})[0] for part in batches(paths)]
        )

    return run


def eager(compiled: bool) -> Callable[[Sequence[str]], np.ndarray]:
    import torch

    network = plain_torch()
    features = torch.compile(network.extract_features) if compiled else network.extract_features

    def run(paths: Sequence[str]) -> np.ndarray:
        out = []
        with torch.inference_mode():
            for part in batches(paths):
                x = torch.from_numpy(np.stack([pixels(p) for p in part])).to(memory_format=torch.channels_last)
                out.append(features(x).mean((2, 3)).numpy())
        return np.concatenate(out)

    return run


def told(values: object) -> dict[str, float]:
    """A ratio of rates: the mean, the least, the most."""
    found = spread(values)
    return {"value": found["mean"], "low": found["min"], "high": found["max"], "n": found["n"]}


def rate(function: Callable[[Sequence[str]], object], paths: Sequence[str]) -> float:
    started = time.perf_counter()
    function(paths)
    return len(paths) / (time.perf_counter() - started)


def main() -> None:
    args = arguments(__doc__).parse_args()
    views = chiasm.read(pack("coco2k") / "data.parquet", image="image")
    paths = views["image"].take(views["image"].used)
    encoder = chiasm.get("encode", "effnet_image")()
    encoder.encode(paths[:4])
    script = plain_script()
    gap = np.abs(script(paths[:32]) - encoder.encode(paths[:32])).max()
    ours, plain, cached = [], [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            models = os.path.dirname(onnx_file())
            os.symlink(models, os.path.join(folder, "models"))
            before, os.environ["CHIASM_CACHE"] = os.environ.get("CHIASM_CACHE"), folder
            encoding = Encoding().fit(views)
            ours.append(rate(lambda _, e=encoding: e.apply(views), paths))
            cached.append(rate(lambda _, e=encoding: e.apply(views), paths))
            os.environ.pop("CHIASM_CACHE")
            if before:
                os.environ["CHIASM_CACHE"] = before
        plain.append(rate(script, paths))
    result = {
        "images": len(paths),
        "largest difference to the plain script": float(gap),
        "ours, images/s (decode, encode, cache)": spread(ours),
        "plain script, images/s": spread(plain),
        "ours / plain script": told(np.array(ours) / plain),
        "second run / first run": told(np.array(cached) / ours),
    }
    for name, compiled in (("eager, channels_last", False), ("compiled, channels_last", True)):
        try:
            run = eager(compiled)
            run(paths[:64])
            rates = [rate(run, paths[:256]) for _ in range(3)]
            result[f"torch {name}, images/s"] = spread(rates)
            result[f"ours / torch {name}"] = told(np.array(ours) / rates)
        except Exception as error:
            result[f"torch {name}"] = f"not measured: {type(error).__name__}: {str(error)[:200]}"
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
