"""Deaths by `kill -9` at random moments of an index: built, grown, shrunk, taught, switched to another model and back.

`python -m benchmarks.search.deaths [N]`, N deaths (200). A process works on an index of small pictures, some at a time,
and is killed at a moment drawn from as long as such work usually takes; work that was done sooner does not count. After
each death, before anything is mended: does it open, is every file that was found before and is still there found now,
once? Then it is updated (a first build that died before there was a catalog is begun again by the same call), and asked
for every file of the folder, once, and whether `verify` calls it sound.
At the end the scores are those of an index that was built without a death.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._trials import Figure, arguments, finish, say
from chiasm.collection import Collection, _intake
from chiasm.data.toy import COLORS, SHAPES, shape_image
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

FIGURES = [
    Figure("deaths", ("deaths",), "deaths of a process that builds, grows or switches an index", "", ".0f"),
    Figure("lost", ("lost",), "files that were found before a death, and not after it", "", ".0f"),
    Figure("doubled", ("doubled",), "files that were found twice after a death", "", ".0f"),
    Figure(
        "broken", ("broken",), "deaths after which the index did not open, or was not sound when updated", "", ".0f"
    ),
]
FILES = 48
KINDS = list(product(COLORS, SHAPES))


class Ground:
    """A folder of pictures, two models, and the index that is worked on."""

    def __init__(self, home: Path):
        self.home, self.folder, self.index = home, home / "Pictures", home / "p.index"
        self.folder.mkdir()
        self.drawn = 0
        pairs = [(self.draw(home), " ".join(("a", *map(str, KINDS[i % len(KINDS)])))) for i in range(2 * FILES)]
        learned = Views(
            {"text": Column("text", [said for _, said in pairs]), "image": Column("image", [str(p) for p, _ in pairs])}
        )
        self.models = [home / "old.chiasm", home / "new.chiasm"]
        for place, align in zip(self.models, ("cca", "procrustes"), strict=True):
            Retrieve({"text": "hashed_text", "image": "pixel_image"}, align, baseline=False).fit(learned).save(place)
        for _ in range(FILES):
            self.draw(self.folder)

    def draw(self, folder: Path) -> Path:
        """A picture more, unlike all others; there whole or not at all, whatever kills the process that draws it."""
        self.drawn += 1
        file = folder / f"{self.drawn:05d}.png"
        shape_image(*KINDS[self.drawn % len(KINDS)], seed=self.drawn).save(draft := self.home / "draft.png")
        draft.replace(file)
        if folder == self.folder and self.drawn % 2:
            file.with_suffix(".txt").write_text(f"number {self.drawn}")
        return file

    def names(self) -> set[str]:
        """What lies in the folder."""
        return {path.name for path in self.folder.glob("*.png")}


def build(ground: Ground, rng: np.random.Generator) -> None:
    Collection.build(ground.index, ground.models[0], ground.folder)


def add(ground: Ground, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(4, 12))):
        ground.draw(ground.folder)
    Collection(ground.index).update()


def delete(ground: Ground, rng: np.random.Generator) -> None:
    for name in sorted(ground.names())[:: int(rng.integers(5, 9))]:
        (ground.folder / name).unlink()
        (ground.folder / name).with_suffix(".txt").unlink(missing_ok=True)
    Collection(ground.index).update()


def switch(ground: Ground, rng: np.random.Generator) -> None:
    made = Collection(ground.index)
    Collection(ground.index).switch(ground.models[int("procrustes" not in repr(made.model))], 0.7)


def rollback(ground: Ground, rng: np.random.Generator) -> None:
    made = Collection(ground.index)
    if made.status()["rollback"]:
        made.rollback()


def teach(ground: Ground, rng: np.random.Generator) -> None:
    made, names = Collection(ground.index), sorted(ground.names())
    made.teach("rex", names[:2])
    made.forget("rex")
    made.teach(f"name {rng.integers(5)}", names[2:5])


WORK: dict[str, Callable[[Ground, np.random.Generator], None]] = {
    one.__name__: one for one in (build, add, delete, teach, switch, rollback)
}
"""What a process is killed at."""


def apart(work: Callable[[], Any], delay: float | None = None) -> tuple[Any, float, bool]:
    """What a process of its own says, how long it took, and whether it was killed after so many seconds."""
    reads, writes = os.pipe()
    started = time.perf_counter()
    if not (child := os.fork()):
        os.close(reads)
        code = 1
        try:
            said = json.dumps(work()).encode()
            with os.fdopen(writes, "wb") as pipe:
                pipe.write(said)
            code = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    os.close(writes)
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reads, "rb") as pipe:
        told = pipe.read()
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status)
    return (json.loads(told) if told and not killed else None), time.perf_counter() - started, killed


def found(index: Path) -> list[str]:
    """Every file that is found, in the order of their names, as often as it is."""
    return sorted(hit["item"] for hit in _asked(index))


def settled(ground: Ground, begun: bool) -> tuple[list[str], bool]:
    """What is found once it is updated, and whether all is sound. One that died before it began is built again."""
    if begun:
        Collection(ground.index).update()
    else:
        build(ground, np.random.default_rng(0))
    return found(ground.index), bool(Collection(ground.index).verify()["sound"])


def scores(index: Path) -> dict[str, float]:
    return {hit["item"]: hit["score"] for hit in _asked(index)}


def _asked(index: Path) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = Collection(index).hits({"text": ["a red circle"]}, k=1000, group=False)[0]
    return hits


def run(deaths: int, seed: int, home: Path) -> dict[str, Any]:
    """The deaths, and what was wrong after them."""
    _intake._BATCH = 4
    rng = np.random.default_rng(seed)
    ground = Ground(home)
    usual: dict[str, float] = {}
    for name in (*WORK, "switch"):  # how long they take
        _, usual[name], _ = apart(partial(WORK[name], ground, rng))
        ground.drawn += 100
    known, _ = apart(lambda: settled(ground, True))[0]
    told: dict[str, Any] = {"deaths": 0, "lost": 0, "doubled": 0, "broken": 0, "at": Counter()}
    known = set(known)
    while told["deaths"] < deaths:
        name = str(rng.choice(list(WORK), p=(0.15, 0.2, 0.15, 0.1, 0.25, 0.15)))
        if name == "build":
            shutil.rmtree(ground.index)
            known = set()
        ground.drawn += 100  # what the process draws, it draws elsewhere
        work = partial(WORK[name], ground, np.random.default_rng(rng.integers(2**31)))
        _, seconds, killed = apart(work, float(rng.uniform(0, usual[name])))
        if not killed:
            usual[name] = 0.7 * usual[name] + 0.3 * seconds
        there = ground.names()
        begun = bool(known) or (ground.index / "catalog.sqlite").exists()  # a first build may die before there is any
        if begun:
            now, _, _ = apart(lambda: found(ground.index))
            told["broken"] += now is None
            now = now or []
            if gone := (known & there) - set(now):
                say(name, "lost", sorted(gone))
            told["lost"] += len(gone)
            told["doubled"] += len(now) - len(set(now))
        after, _, _ = apart(partial(settled, ground, begun))
        if after is None or not after[1]:
            told["broken"] += 1
        else:
            told["lost"] += len(there - set(after[0]))
            told["doubled"] += len(after[0]) - len(set(after[0]))
            known = set(after[0])
        told["deaths"] += killed
        told["at"][name] += killed
        while len(ground.names()) < FILES:
            ground.draw(ground.folder)
        if killed and told["deaths"] % 20 == 0:
            say(dict(told["at"]), {what: told[what] for what in ("lost", "doubled", "broken")})

    def same() -> float:
        made = Collection(ground.index)
        made.update()
        saved = next(model for model in ground.models if ("procrustes" in repr(made.model)) == ("new" in model.name))
        fresh = scores(Collection.build(home / "fresh.index", saved, ground.folder).path)
        ours = scores(ground.index)
        return max(abs(ours.get(file, 9.0) - score) for file, score in fresh.items()) + 9.0 * (len(ours) != len(fresh))

    gap, _, _ = apart(same)
    told["broken"] += gap is None or gap > 1e-5
    return {**told, "at": dict(told["at"])}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("n", nargs="?", type=int, default=200, help="deaths")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["CHIASM_CACHE"] = str(Path(home) / "cache")
        finish(run(args.n, args.seed, Path(home)), FIGURES, args)


if __name__ == "__main__":
    main()
