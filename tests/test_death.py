"""What was acknowledged survives `kill -9`, what was not is made again, and the checker of both can fail."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chiasm.cache import Cache, key_of
from chiasm.errors import ChiasmError
from conftest import make_pictures

KILLS = 20
ITEMS = 600

COMMAND = """
import itertools, sys, types
import chiasm.encode.pixel_image as pixel_image
from chiasm import scale
from chiasm.cli import main
pixel_image.PixelImage.batch = 8  # many commits
clock = itertools.count(0, 100)
scale.time = types.SimpleNamespace(monotonic=lambda: next(clock))  # every commit is told, not one a second
"""
RUN = "main(sys.argv[1:])\n"

DIE = """
import os, signal
def die():
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""

DIE_BEFORE_THE_FOURTH = """
from chiasm.cache import Shelf
real, calls = Shelf.add, itertools.count()
def add(self, keys, values, notes=None):
    if "pixel" in self.path.name and next(calls) == 3:
        die()
    real(self, keys, values, notes)
Shelf.add = add
"""
WITHOUT_WRITING = """
def real(self, keys, values, notes):  # sabotage: acknowledged from memory, to be written at the end
    self.segments.append(values)
    self.where.update((key, (len(self.segments) - 1, row)) for row, key in enumerate(keys))
"""

DIE_IN_THE_THIRD_SEGMENT = """
import chiasm.files as files
real = files.write_atomic
def write(path, blocks):
    def until_death():
        for number, block in enumerate(blocks):
            yield block
            if number == 1 and "pixel" in str(path) and path.name == "00000002.seg":
                die()
    return real(path, until_death())
files.write_atomic = write
"""
IN_PLACE = """
def real(path, blocks):  # sabotage: no new name, no rename
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb", buffering=0) as file:
        for block in blocks:
            file.write(block)
"""


class Table:
    """A table of pictures, the command that encodes it, and the checks of what its cache holds."""

    def __init__(self, folder: Path, n: int):
        pairs = make_pictures(folder / "data", n)
        self.keys = [key_of((folder / "data" / path).read_bytes()) for path, _ in pairs]
        self.file = folder / "data" / "table.csv"
        self.file.write_text("path,caption\n" + "".join(f"{path},{caption}\n" for path, caption in pairs))

    def start(self, root: Path, code: str = COMMAND + RUN) -> subprocess.Popen:
        """The command as a process that tells each commit on its stderr."""
        columns = ["--text", "caption", "--encoder", "caption=e5_text", "--image", "path", "--encoder"]
        return subprocess.Popen(
            [sys.executable, "-c", code, "encode", str(self.file), *columns, "path=pixel_image", "--json"],
            env={**os.environ, "CHIASM_CACHE": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, root: Path) -> dict:
        """Run to the end; the counts of `--json` by view."""
        out, error = (process := self.start(root)).communicate(timeout=120)
        assert process.returncode == 0, error
        return json.loads(out)["views"]

    def violations(self, root: Path, acknowledged: int) -> list[str]:
        """What is wrong with a cache after a death: every promise that does not hold."""
        found = []
        for shelf in Cache(root).verify()["shelves"]:
            found += [f"half-written: {path}" for path in shelf["damaged"]]
        try:
            (shelf,) = [s for s in Cache(root).shelves() if s.path.name.startswith("pixel")] or [None]
        except ChiasmError as error:
            return [*found, f"does not open: {error}"]
        held = set(shelf.where) if shelf else set()
        found += [f"lost: picture {i}" for i, key in enumerate(self.keys[:acknowledged]) if key not in held]
        rows = sum(len(segment) for segment in shelf.segments) if shelf else 0
        return found + ([f"encoded again: {rows - len(held)} items"] if rows > len(held) else [])


def told(line: str) -> int:
    """How many pictures a line of progress acknowledges."""
    match = re.fullmatch(r"encode path: (\d+) of \d+( \(.*from the cache\))?\n?", line)
    return int(match[1]) if match else 0


def leftovers(root: Path) -> list[Path]:
    return list(root.rglob(".new-*"))


@pytest.mark.slow
def test_twenty_kills_lose_nothing_acknowledged_and_end_in_the_undisturbed_digest(tmp_path: Path) -> None:
    table = Table(tmp_path, ITEMS)
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    counts = table.finish(undisturbed)
    distinct = len(set(table.keys))
    assert counts["path"]["encoded"] == distinct
    assert table.violations(undisturbed, ITEMS) == []

    draw = random.Random(0)
    most, progressed, killed = 0, 0, 0
    for _ in range(KILLS):
        process = table.start(disturbed, COMMAND.replace("batch = 8", "batch = 4") + RUN)
        lines = draw.choice([1, 2, 3])  # what the last runs did is not told again
        acknowledged = 0
        for line in process.stderr:
            acknowledged = max(acknowledged, told(line))
            lines -= bool(told(line))
            if lines <= 0:
                break
        time.sleep(draw.uniform(0, 0.01))
        process.kill()
        acknowledged = max([acknowledged, *map(told, process.stderr.readlines())])  # printed before it died
        process.communicate()
        killed += process.returncode == -9
        assert table.violations(disturbed, acknowledged) == []
        progressed += acknowledged > most
        most = max(most, acknowledged)
    assert killed == KILLS
    assert progressed >= 15  # the kills hit work, not only the start
    assert most < ITEMS  # and there is some left for the last run

    on_disk = {s["encoder"].split("-")[0]: s["items"] for s in Cache(disturbed).info()["shelves"]}
    assert on_disk["pixel_image"] >= len(set(table.keys[:most]))
    last = table.finish(disturbed)
    assert last["path"]["encoded"] == distinct - on_disk["pixel_image"]
    assert last["path"]["found"] >= on_disk["pixel_image"]
    assert last["caption"] == {**counts["caption"], "encoded": 0, "found": counts["caption"]["items"]}
    assert table.violations(disturbed, ITEMS) == []
    assert Cache(disturbed).verify()["shelves"] == Cache(undisturbed).verify()["shelves"]
    assert leftovers(disturbed) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("death", "sabotage", "violation"),
    [
        (DIE_BEFORE_THE_FOURTH, "", None),
        (DIE_BEFORE_THE_FOURTH, WITHOUT_WRITING, "lost: picture 0"),
        (DIE_IN_THE_THIRD_SEGMENT, "", None),
        (DIE_IN_THE_THIRD_SEGMENT, IN_PLACE, "half-written"),
    ],
    ids=["before a commit", "acknowledged from memory", "within a commit", "written in place"],
)
def test_the_checker_of_deaths_passes_the_real_thing_and_fails_without_its_safeguards(
    tmp_path: Path, death: str, sabotage: str, violation: str | None
) -> None:
    table, root = Table(tmp_path, 40), tmp_path / "cache"
    process = table.start(root, COMMAND + DIE + death + sabotage + RUN)
    _, error = process.communicate(timeout=60)
    assert process.returncode == -9, error
    acknowledged = max(map(told, error.splitlines()))
    assert acknowledged == (24 if death == DIE_BEFORE_THE_FOURTH else 16)
    found = table.violations(root, acknowledged)
    if violation:
        assert violation in " ".join(found)
        return
    assert found == []
    assert bool(leftovers(root)) == (death == DIE_IN_THE_THIRD_SEGMENT)
    last = table.finish(root)
    assert last["path"]["encoded"] == len(set(table.keys)) - len(set(table.keys[:acknowledged]))
    assert leftovers(root) == []
    assert table.violations(root, 40) == []


AT_EVERY_CALL = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_death
what, root = sys.argv[1], Path(sys.argv[3])
before, write, check = getattr(test_death, what)(root)

def count(limit):
    calls = 0
    def counted(real):
        def call(*args, **options):
            nonlocal calls
            if calls == limit:
                os.kill(os.getpid(), signal.SIGKILL)
            calls += 1
            return real(*args, **options)
        return call
    for name in ("open", "fsync", "replace", "rename", "unlink", "chmod", "mkdir", "close"):
        setattr(os, name, counted(getattr(os, name)))

deaths = 0
while True:
    before()
    child = os.fork()
    if not child:
        count(deaths)
        write()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    check()
    if status == 0:
        break
    assert os.WTERMSIG(status) == 9, status
    deaths += 1
print(deaths)
"""


def a_saved_model(root: Path):
    """A model saved over another one, with a file beside it."""
    import shutil

    import numpy as np

    from chiasm import recipe
    from chiasm.index.exact import Exact

    def model(name: str) -> Exact:
        return Exact().add([name, "b"], np.eye(2, 9) + len(name))

    def before() -> None:
        shutil.rmtree(root, ignore_errors=True)
        recipe.save(model("old"), root)

    def check() -> None:
        loaded = recipe.load(root)
        name = loaded.keys_[0]
        assert name in ("old", "newer")
        np.testing.assert_array_equal(loaded.vectors_, model(name).vectors_)
        recipe.save(model("last"), root)  # whatever is left lying there does not stop the next one
        assert recipe.load(root).keys_[0] == "last"
        assert sorted(p.suffix for p in root.iterdir() if p.name != "report.csv") == ["", ".json", ".safetensors"]

    return before, lambda: recipe.save(model("newer"), root, {"report.csv": b"x"}), check


def a_first_model(root: Path):
    """A model saved where there is none yet: a death leaves none, or the whole one, and never a folder in the way."""
    import shutil

    from chiasm import recipe
    from chiasm.align.cca import CCA

    def check() -> None:
        try:
            assert recipe.load(root).k == 3
        except ChiasmError as error:
            assert "no saved model" in str(error), error
        recipe.save(CCA(k=4), root)
        assert recipe.load(root).k == 4

    return lambda: shutil.rmtree(root, ignore_errors=True), lambda: recipe.save(CCA(k=3), root, {"a.csv": b"x"}), check


def a_shelf(root: Path):
    """Many segments, one more, and their merging."""
    import shutil

    import chiasm.cache
    from test_cache import fill, keys_of

    chiasm.cache._MERGE_COUNT = 4

    def before() -> None:
        shutil.rmtree(root, ignore_errors=True)
        fill(Cache(root).shelf("e"), range(6), 2)

    def write() -> None:
        shelf = fill(Cache(root).shelf("e"), [6, 7], 2)
        shelf.merge()

    def check() -> None:
        shelf = Cache(root).shelf("e")
        assert set(keys_of(range(6))) <= set(shelf.where) <= set(keys_of(range(8)))
        assert shelf.verify()["damaged"] == []
        fill(shelf, [50], 1)
        assert leftovers(root) == []
        missing = [n for n in (6, 7) if keys_of([n])[0] not in shelf.where]
        fill(shelf, missing, 1)
        whole = fill(Cache(root / "whole").shelf("e"), [*range(8), 50], 9)
        assert shelf.verify() == whole.verify()
        shutil.rmtree(root / "whole")

    return before, write, check


@pytest.mark.parametrize(("what", "least"), [("a_saved_model", 12), ("a_first_model", 10), ("a_shelf", 20)])
def test_a_death_before_any_system_call_of_a_write_leaves_the_old_or_the_new(
    tmp_path: Path, what: str, least: int
) -> None:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", AT_EVERY_CALL, what, here, str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= least
