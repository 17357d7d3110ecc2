"""An index of a folder: 2,000 photographs taken in cold, nothing changed, 20 added; 100,000 unchanged files looked at.

`python -m benchmarks.search.indexing [photographs] [unchanged]`. Photographs: coco2k's, by a model that has learned
from none of their captions, with a cache of its own that is empty; the time of encoding the same files alone with the
same encoder is beside it, in the same process, after it. Unchanged: 100,000 small files in 100 folders, whose stamps
are in the ledger; `exact` holds a vector of 64 numbers for each. The median of five looks.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._sets import files
from benchmarks._trials import Figure, arguments, finish, say
from chiasm.collection import Collection
from chiasm.encode.effnet_image import EffnetImage
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

FIGURES = [
    Figure("photographs.rate", ("photographs", "rate"), "2,000 photographs indexed cold", "a second", ".0f"),
    Figure("photographs.over", ("photographs", "over"), "the same less the time of encoding them alone", "s", ".1f"),
    Figure("photographs.same", ("photographs", "same"), "2,000 photographs, nothing changed: a look", "s", ".2f"),
    Figure("photographs.added", ("photographs", "added"), "2,000 photographs, 20 added", "s", ".2f"),
    Figure("unchanged.look", ("unchanged", "look"), "100,000 unchanged files: a look", "s", ".1f"),
]


def photographs(scratch: Path) -> dict[str, Any]:
    paths = sorted(files("coco2k", "image"))
    folder = scratch / "Pictures"
    folder.mkdir()
    for path in paths[:-20]:
        shutil.copy(path, folder)
    learned = Views({"image": Column("image", paths[:50])})
    model = Retrieve().fit(learned)
    os.environ["CHIASM_CACHE"] = str(scratch / "cache")
    shutil.copytree(Path.home() / ".cache" / "chiasm" / "models", scratch / "cache" / "models", dirs_exist_ok=True)
    started = time.perf_counter()
    made = Collection.build(scratch / "p.index", model, folder)
    cold = time.perf_counter() - started
    held = made.ledger()["searchable"]
    started = time.perf_counter()
    EffnetImage().encode([str(folder / Path(path).name) for path in paths[:-20]])
    alone = time.perf_counter() - started
    looks = []
    for _ in range(5):
        started = time.perf_counter()
        made.update()
        looks.append(time.perf_counter() - started)
    for path in paths[-20:]:
        shutil.copy(path, folder)
    started = time.perf_counter()
    made.update()
    added = time.perf_counter() - started
    assert made.ledger()["searchable"] == len(paths)
    return {"n": held, "rate": held / cold, "over": cold - alone, "same": float(np.median(looks)), "added": added}


def unchanged(scratch: Path, n: int) -> dict[str, Any]:
    folder = scratch / "Many"
    for part in range(100):
        (folder / f"{part:02d}").mkdir(parents=True)
    rows = np.random.default_rng(0).normal(size=(60, 64)).astype(np.float32)
    views = Views({"image": Column("vector", rows), "text": Column("vector", rows[:, ::-1].copy())})
    model = Retrieve(align="cca", baseline=False).fit(views)
    model.views_ = {"image": "image", "text": "text"}  # files are never opened here
    made_up = np.random.default_rng(1).normal(size=(n, 64)).astype(np.float32)

    def placed(view: str, asked: Views, **_: Any) -> Any:
        rows = np.array([int(Path(path).stem) for path in asked[view].items])
        from chiasm.encoding import Report

        return Column("vector", made_up[rows]), {}, Report()

    model.save(scratch / "m")
    for i in range(n):
        (folder / f"{i % 100:02d}" / f"{i}.png").write_bytes(b"%d" % i)
    real = Retrieve.placed
    Retrieve.placed = lambda _, view, asked, **more: placed(view, asked)  # type: ignore[method-assign]
    try:
        made = Collection.build(scratch / "m.index", scratch / "m", folder)
    finally:
        Retrieve.placed = real  # type: ignore[method-assign]
    assert made.ledger()["searchable"] == n
    looks = []
    for _ in range(5):
        started = time.perf_counter()
        Collection(scratch / "m.index").update()
        looks.append(time.perf_counter() - started)
        say(round(looks[-1], 2))
    return {"n": n, "look": float(np.median(looks))}


def run(parts: list[str], n: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        found: dict[str, Any] = {}
        if "unchanged" in parts:
            found["unchanged"] = unchanged(Path(scratch), n)
        if "photographs" in parts:
            found["photographs"] = photographs(Path(scratch))
        return found


def main() -> None:
    parser = arguments(__doc__, ["photographs", "unchanged"])
    parser.add_argument("--n", type=int, default=100_000, help="unchanged files")
    args = parser.parse_args()
    finish(run(args.parts or ["photographs", "unchanged"], args.n), FIGURES, args)


if __name__ == "__main__":
    main()
