"""Peak memory of `chiasm encode` for 2,000 and 20,000 pictures.

`python -m benchmarks.speed.encode_memory [--count 20000]`: real processes, default encoder, fresh cache; the pictures
are coco2k's photographs, saved again with another quality until there are enough different ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks._sets import pack
from benchmarks._trials import Figure, arguments, finish

CHILD = (
    "import resource, sys; from chiasm.cli import cli; "
    "cli.main(sys.argv[1:], standalone_mode=False); "
    "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
)
FIGURES = [
    *(
        Figure(str(n), ("peak MiB", str(n)), f"peak memory of `chiasm encode`, {n:,} pictures", "MiB", ".0f")
        for n in (2_000, 20_000)
    ),
    Figure("ratio", ("ratio",), "peak memory of `chiasm encode`, 20,000 pictures over 2,000", "x", ".2f"),
]


def write(folder: Path, count: int) -> None:
    """`count` different small JPEG files and a csv of their names."""
    sources = sorted((pack("coco2k") / "images").glob("*.webp"))
    names = []
    for i in range(count):
        quality = 40 + (i // len(sources)) * 4
        names.append(f"{i}.jpg")
        Image.open(sources[i % len(sources)]).convert("RGB").save(folder / names[-1], quality=quality)
    (folder / "table.csv").write_text("path\n" + "\n".join(names) + "\n")


def peak(folder: Path, models: Path) -> int:
    cache = folder / "cache"
    cache.mkdir()
    (cache / "models").symlink_to(models)
    env = os.environ | {"CHIASM_CACHE": str(cache)}
    command = [sys.executable, "-c", CHILD, "encode", str(folder / "table.csv"), "--image", "path"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return int(done.stdout.split("peak")[1])


def main() -> None:
    from chiasm.encode._effnet import onnx_file

    parser = arguments(__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    args = parser.parse_args()
    models = Path(onnx_file()).resolve().parent
    result = {}
    for n in (2_000, args.count):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), n)
            result[n] = peak(Path(folder), models)
    finish({"peak MiB": result, "ratio": round(result[args.count] / result[2_000], 3)}, FIGURES, args)


if __name__ == "__main__":
    main()
