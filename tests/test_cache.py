"""What is in the cache is whole, is found again, and survives other writers, bit rot and full disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chiasm.cache import Cache, Shelf, key_of
from chiasm.errors import ChiasmError
from conftest import make_pictures


def keys_of(numbers: range | list[int]) -> list[bytes]:
    return [key_of(str(n).encode()) for n in numbers]


def values_of(numbers: range | list[int], width: int = 5) -> np.ndarray:
    """One vector a number, always the same one."""
    return np.array([np.random.default_rng(n).normal(size=width) for n in numbers], np.float32).reshape(-1, width)


def fill(shelf: Shelf, numbers: range | list[int], step: int) -> Shelf:
    for start in range(0, len(numbers), step):
        part = numbers[start : start + step]
        told = {row: {"code": "cut", "message": f"of {n}"} for row, n in enumerate(part) if n % 3 == 0}
        shelf.add(keys_of(part), values_of(part), told)
    return shelf


def test_what_was_added_is_found_at_once_and_by_a_later_process(cache: Cache) -> None:
    shelf = fill(cache.shelf("e-1"), range(50), 7)
    wanted = [3, 49, 3, 0, 20]
    for opened in (shelf, Cache().shelf("e-1")):
        assert len(opened) == 50
        stored = opened.stored(keys_of(wanted))
        assert stored.shape == (5, 5)
        np.testing.assert_array_equal(np.asarray(stored), values_of(wanted))
        np.testing.assert_array_equal(stored[np.array([2, 0])], values_of([3, 3]))
        np.testing.assert_array_equal(stored[1], values_of([49])[0])
        assert keys_of([7])[0] in opened
        assert keys_of([50])[0] not in opened
        assert opened.notes == {keys_of([n])[0]: {"code": "cut", "message": f"of {n}"} for n in range(0, 50, 3)}
    assert len(cache.shelf("e-2")) == 0
    assert cache.shelf("e-1").stored([]).shape == (0, 0)


def test_a_key_added_twice_is_one_item_and_keeps_its_first_vector(cache: Cache) -> None:
    shelf = cache.shelf("e")
    first, second = cache.shelf("e"), cache.shelf("e")
    first.add(keys_of([1, 1, 2]), values_of([1, 9, 2]))
    second.add(keys_of([2, 3]), values_of([8, 3]))
    shelf = cache.shelf("e")
    assert len(shelf) == shelf.info()["items"] == shelf.verify()["items"] == 3
    np.testing.assert_array_equal(shelf.stored(keys_of([1, 2, 3])), values_of([1, 2, 3]))


def test_the_digest_tells_sets_apart_and_not_their_order_or_segments(cache: Cache) -> None:
    numbers = list(range(40))
    a = fill(cache.shelf("a"), numbers, 40).verify()
    b = fill(cache.shelf("b"), numbers[::-1], 3).verify()
    assert a["digest"] == b["digest"]
    assert a["items"] == b["items"] == 40
    fewer = fill(cache.shelf("c"), numbers[:-1], 40)
    assert fewer.verify()["digest"] != a["digest"]
    fewer.add(keys_of([39]), np.nextafter(values_of([39]), np.inf, dtype=np.float32))
    assert fewer.verify()["digest"] != a["digest"]  # the last bit of one number
    swapped = cache.shelf("d")
    swapped.add(keys_of([1, 2]), values_of([2, 1]))
    assert swapped.verify()["digest"] != fill(cache.shelf("e"), [1, 2], 2).verify()["digest"]


def test_merging_keeps_every_item_note_and_the_digest(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = fill(cache.shelf("e"), range(100), 4)
    before, notes = shelf.verify(), dict(shelf.notes)
    held = shelf.stored(keys_of([5, 99]))
    shelf.merge()
    assert shelf.info()["segments"] == len(list(shelf.path.glob("*.seg"))) == 1
    for opened in (shelf, Cache().shelf("e")):
        assert opened.verify() == before
        assert opened.notes == notes
        np.testing.assert_array_equal(opened.stored(keys_of(range(100))), values_of(range(100)))
    np.testing.assert_array_equal(held, values_of([5, 99]))  # read from a segment whose file is gone
    shelf.merge()
    fill(shelf, range(100, 200), 4)
    monkeypatch.setattr("chiasm.cache._MERGED_BYTES", 3000)  # groups, so that memory does not grow with the shelf
    shelf.merge()
    assert 3 < shelf.info()["segments"] < 12
    assert shelf.verify()["digest"] == fill(cache.shelf("other"), range(200), 200).verify()["digest"]


def test_any_flipped_bit_of_a_segment_is_found_by_verify(cache: Cache) -> None:
    shelf = fill(cache.shelf("e"), range(4), 4)
    (file,) = shelf.path.glob("*.seg")
    whole = file.read_bytes()
    assert cache.verify()["shelves"][0]["damaged"] == []
    for bit in range(0, 8 * len(whole), 7):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        assert cache.verify()["shelves"][0]["damaged"] == [str(file)], f"bit {bit}"


def test_merging_does_not_give_rotten_bits_a_fresh_checksum(cache: Cache) -> None:
    shelf = fill(cache.shelf("e"), range(60), 2)
    file = sorted(shelf.path.glob("*.seg"))[5]
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    shelf.merge()
    assert cache.verify()["shelves"][0]["damaged"] == [str(file)]
    file.unlink()
    assert cache.verify()["shelves"][0] == {
        **fill(cache.shelf("f"), [n for n in range(60) if n not in (10, 11)], 9).verify(),
        "encoder": "e",
    }


@pytest.mark.parametrize("length", [0, 7, 100, -4096, -1])
def test_a_truncated_segment_is_reported_and_never_read(cache: Cache, run, length: int) -> None:
    fill(cache.shelf("good"), range(3), 3)
    shelf = cache.shelf("e")
    shelf.add(keys_of(range(50)), values_of(range(50), 100))
    (file,) = shelf.path.glob("*.seg")
    os.truncate(file, length % file.stat().st_size)
    with pytest.raises(ChiasmError, match=r"00000000\.seg is damaged: delete it"):
        Cache().shelf("e")
    bad, good = cache.verify()["shelves"]
    assert bad == {"encoder": "e", "items": 0, "digest": "0" * 64, "damaged": [str(file)]}
    assert good["items"] == 3
    if length == -4096:  # a map that is longer than its file would kill the process: look at a real one
        for command in ("verify", "info"):
            done = run("cache", command)
            assert done.returncode == 1
            assert done.stderr.startswith("error: ")
            assert done.stderr.count("\n") == 1
            assert str(file) in done.stderr
        assert run("cache", "clear").returncode == 0
        assert json.loads(run("cache", "info", "--json").stdout)["shelves"] == []


@pytest.mark.parametrize("content", [{}, {"keys": np.zeros((2, 16), "u1")}, {"keys": 3, "values": 2}, {"values": 1.0}])
def test_a_segment_without_its_parts_is_reported(cache: Cache, content: dict) -> None:
    from chiasm.files import write_tensors

    whole = {"keys": np.zeros((2, 16), np.uint8), "values": np.zeros((2, 3), np.float32)}
    file = cache.root / "encoded" / "e" / "00000000.seg"
    write_tensors(file, whole, {"notes": "{}"})
    assert len(cache.shelf("e")) == 1
    write_tensors(file, {k: np.zeros((v, 16), "u1") if isinstance(v, int) else v for k, v in content.items()}, {})
    with pytest.raises(ChiasmError, match="is damaged"):
        cache.shelf("e")
    write_tensors(file, whole, {"notes": "[1]"})
    with pytest.raises(ChiasmError, match="is damaged"):
        cache.shelf("e")


WRITE = """
import sys
sys.path.insert(0, sys.argv[2])
from test_cache import fill
from chiasm.cache import Cache
first = int(sys.argv[1])
shelf = Cache().shelf("e")
print("ready", flush=True)
sys.stdin.readline()
for start in range(first, first + 300, 60):
    fill(shelf, range(start, start + 60), 5)
    shelf.merge()
assert all(key in shelf for n in range(first, first + 300) for key in __import__("test_cache").keys_of([n]))
"""


def test_two_processes_that_write_and_merge_at_once_lose_nothing(cache: Cache) -> None:
    here = str(Path(__file__).parent)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(first), here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for first in (0, 200)  # a hundred items are written by both
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    while any(writer.poll() is None for writer in writers):
        found = cache.verify()["shelves"]  # a reader beside them never meets half a segment
        assert found == [] or found[0]["damaged"] == []
        len(cache.shelf("e"))
    assert [writer.wait() for writer in writers] == [0, 0]
    shelf = cache.shelf("e")
    np.testing.assert_array_equal(shelf.stored(keys_of(range(500))), values_of(range(500)))
    assert shelf.verify()["digest"] == fill(cache.shelf("alone"), range(500), 500).verify()["digest"]
    assert not list(shelf.path.glob(".new-*"))


def test_clear_deletes_the_cache_s_own_folders_and_nothing_else(cache: Cache, tmp_path: Path, run) -> None:
    fill(cache.shelf("e"), range(9), 3)
    (cache.root / "encoded" / "e" / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").mkdir()
    for keep in (cache.root / "mine.txt", cache.root / "photos" / "a.png", tmp_path / "precious" / "thesis"):
        keep.parent.mkdir(exist_ok=True)
        keep.write_text("x")
    done = run("cache", "clear", "--json")
    assert json.loads(done.stdout)["freed"] > 9 * 5 * 4
    assert sorted(p.name for p in cache.root.iterdir()) == ["mine.txt", "photos"]
    assert (tmp_path / "precious" / "thesis").exists()
    assert len(cache.shelf("e")) == 0
    assert run("cache", "clear").returncode == 0  # an empty one too


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from chiasm.cli import main
main(sys.argv[2:])
"""


def encode(table: Path) -> list[str]:
    columns = ["--text", "caption", "--image", "path", "--encoder", "path=pixel_image"]
    return ["encode", str(table), *columns, "--encoder", "caption=e5_text", "--json"]


def test_a_full_disk_ends_in_one_line_and_a_later_run_completes_what_is_missing(
    cache: Cache, tmp_path: Path, run
) -> None:
    pairs = make_pictures(tmp_path / "data", 60)
    table = tmp_path / "data" / "table.csv"
    table.write_text("path,caption\n" + "".join(f"{path},{caption}\n" for path, caption in pairs))
    undisturbed = run(*encode(table), env={"CHIASM_CACHE": str(tmp_path / "other")})
    assert undisturbed.returncode == 0, undisturbed.stderr
    full = subprocess.run(
        [sys.executable, "-c", LIMITED, "100000", *encode(table)], capture_output=True, text=True, check=False
    )
    assert full.returncode == 1
    assert json.loads(full.stdout)["error"].startswith("File too large")
    *told, last = full.stderr.splitlines()
    assert last.startswith("error: File too large")
    assert all(line.startswith("encode caption: ") for line in told), told  # no traceback, no picture counted
    assert {p.name for p in cache.root.rglob("*") if p.name.startswith(".new-")} == set()
    kept = {shelf["encoder"].split("-")[0]: shelf["items"] for shelf in cache.info()["shelves"]}
    assert kept == {"e5_text": 16, "pixel_image": 0}
    later = run(*encode(table))
    assert later.returncode == 0, later.stderr
    counts = json.loads(later.stdout)["views"]
    distinct = len({(table.parent / path).read_bytes() for path, _ in pairs})
    assert (counts["caption"]["encoded"], counts["path"]["encoded"]) == (0, distinct)
    other = Cache(tmp_path / "other").verify()["shelves"]
    assert cache.verify()["shelves"] == other
    assert [shelf["damaged"] for shelf in other] == [[], []]


def test_a_cache_that_cannot_be_written_ends_in_one_line(tmp_path: Path, run) -> None:
    make_pictures(tmp_path / "data", 3)
    (tmp_path / "file").write_text("x")
    blocked = tmp_path / "file" / "cache"
    done = run("encode", tmp_path / "data", "--encoder", "image=pixel_image", env={"CHIASM_CACHE": str(blocked)})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: Not a directory")
    assert str(blocked) in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "x"
