"""Bytes on disk: atomic writes, the lock, and our safetensors files against the safetensors package."""

from __future__ import annotations

import hashlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import ChiasmError
from chiasm.files import lock, read_tensors, sha256, write_atomic, write_tensors

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
ARRAYS = {
    "wide": np.arange(12, dtype=np.float64).reshape(3, 4),
    "keys": np.arange(5, dtype=np.uint8),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 7), np.float32),
}


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    """Whether two sets of arrays are equal in names, dtypes, shapes and bytes."""
    return left.keys() == right.keys() and all(
        left[k].dtype == right[k].dtype and left[k].shape == right[k].shape and left[k].tobytes() == right[k].tobytes()
        for k in left
    )


def test_a_whole_write_replaces_the_file_and_returns_its_checksum(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "file"
    assert write_atomic(file, [b"one"]) == hashlib.sha256(b"one").hexdigest()
    assert write_atomic(file, [b"two", memoryview(b" three")]) == sha256(file)
    assert file.read_bytes() == b"two three"
    assert [p.name for p in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_writer_that_raises_midway_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type) -> None:
    def blocks():
        yield b"x" * 100_000
        raise error

    file = tmp_path / "file"
    write_atomic(file, [b"old"])
    with pytest.raises(error):
        write_atomic(file, blocks())
    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_reader_who_opened_the_old_file_keeps_reading_it(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"x": np.full(50_000, 1.0)}, {})
    held = read_tensors(tmp_path / "a")[0]["x"]
    write_tensors(tmp_path / "a", {"x": np.full(2, 2.0)}, {})
    assert held.sum() == 50_000
    assert read_tensors(tmp_path / "a")[0]["x"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (7,), (2, 3, 4)])
def test_the_safetensors_package_and_we_read_each_other(tmp_path: Path, dtype: str, shape: tuple) -> None:
    numbers = np.random.default_rng(0).integers(0, 2, size=shape).astype(dtype)
    arrays = {"x": np.asarray(numbers), "odd": np.ones(3, np.uint8), "ä b": np.asarray(numbers).T}
    digest = write_tensors(tmp_path / "ours", arrays, {"note": "ü"})
    assert digest == sha256(tmp_path / "ours")
    assert same(safetensors.numpy.load_file(tmp_path / "ours"), arrays)
    with safetensors.safe_open(tmp_path / "ours", "np") as file:
        assert file.metadata() == {"note": "ü"}
    plain = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    safetensors.numpy.save_file(plain, tmp_path / "theirs", metadata={"a": "b"})
    found, metadata = read_tensors(tmp_path / "theirs")
    assert same(found, arrays)
    assert metadata == {"a": "b"}


def test_strided_and_big_arrays_are_written_in_c_order_and_read_only(tmp_path: Path) -> None:
    x = np.arange(60_000, dtype=np.int32).reshape(200, 300)[::2, ::-3]
    write_tensors(tmp_path / "a", {"x": x}, {})
    found = read_tensors(tmp_path / "a")[0]["x"]
    np.testing.assert_array_equal(found, x)
    assert not found.flags.writeable
    with pytest.raises(ChiasmError, match=r"'x'.*complex128"):
        write_tensors(tmp_path / "a", {"x": np.zeros(2, complex)}, {})
    np.testing.assert_array_equal(read_tensors(tmp_path / "a")[0]["x"], x)


def entry(dtype: object = "U8", shape: object = (4,), offsets: object = (0, 4)) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


LIES = {
    "shape is smaller": {"x": entry(shape=[3])},
    "shape is -1": {"x": entry(shape=[-1])},
    "shape is huge": {"x": entry(shape=[2**70, 0, 2**70])},
    "shape overflows": {"x": entry(shape=[2**32, 2**32])},
    "shape is true": {"x": entry(shape=[True, 4])},
    "shape is 4.0": {"x": entry(shape=[4.0])},
    "shape is text": {"x": entry(shape="4")},
    "offsets run backwards": {"x": entry(offsets=[4, 0])},
    "offsets are negative": {"x": entry(offsets=[-4, 0])},
    "offsets go beyond the end": {"x": entry(shape=[8], offsets=[0, 8])},
    "offsets end early": {"x": entry(shape=[2], offsets=[0, 2])},
    "offsets leave a gap": {"x": entry(shape=[1], offsets=[0, 1]), "y": entry(shape=[1], offsets=[3, 4])},
    "arrays overlap": {"x": entry(), "y": entry(shape=[2], offsets=[2, 4])},
    "two are one": {"x": entry(), "y": entry()},
    "three offsets": {"x": entry(offsets=[0, 2, 4])},
    "no offsets": {"x": {"dtype": "U8", "shape": [4]}},
    "no dtype": {"x": {"shape": [4], "data_offsets": [0, 4]}},
    "unknown dtype": {"x": entry(dtype="O8")},
    "dtype is a list": {"x": entry(dtype=["U8"])},
    "wide dtype": {"x": entry(dtype="F64", shape=[1])},
    "entry is null": {"x": None},
    "a list": [entry()],
    "null": None,
    "a number": 17,
    "text": "x",
    "metadata is a list": {"__metadata__": [1], "x": entry()},
    "metadata holds a number": {"__metadata__": {"a": 1}, "x": entry()},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_with_the_file_named(tmp_path: Path, lie: str) -> None:
    def write(header: object) -> Path:
        text = json.dumps(header).encode()
        file = tmp_path / "lying.safetensors"
        file.write_bytes(len(text).to_bytes(8, "little") + text + b"abcd")
        return file

    assert read_tensors(write({"x": entry()}))[0]["x"].tobytes() == b"abcd"  # the honest header is read
    with pytest.raises(ChiasmError, match=r"lying\.safetensors is damaged"):
        read_tensors(write(LIES[lie]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        b"\0" * 8,
        (2**63).to_bytes(8, "little"),
        (2**40).to_bytes(8, "little") + b"{}",
        (3).to_bytes(8, "little") + b"{}",
        (200_002).to_bytes(8, "little") + b"[" * 100_001 + b"]" * 100_001,
        (4).to_bytes(8, "little") + b"\xff\xfe{}",
        b"\x89PNG\r\n\x1a\n" * 9,
        b"\x80\x04\x95pickle." * 9,
    ],
    ids=lambda content: f"{len(content)} bytes {content[:9]!r}",
)
def test_garbage_is_refused_with_the_file_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "garbage").write_bytes(content)
    with pytest.raises(ChiasmError, match="garbage is damaged"):
        read_tensors(tmp_path / "garbage")


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_tensors(file, ARRAYS, {"a": "b"})
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ChiasmError, match="file is damaged"):
            read_tensors(file)
    file.write_bytes(whole + b"\0")
    with pytest.raises(ChiasmError, match="file is damaged"):
        read_tensors(file)


def test_a_flipped_bit_in_the_header_is_refused_or_read_as_the_safetensors_package_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_tensors(file, ARRAYS, {"a": "b"})
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    refused, rng = 0, np.random.default_rng(0)
    for _ in range(1000):
        damaged = bytearray(whole)
        for bit in rng.integers(0, 8 * header, size=rng.integers(1, 4)).tolist():
            damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        try:
            found, _ = read_tensors(file)
        except ChiasmError as error:
            refused += "file is damaged" in str(error)
            continue
        assert same(found, safetensors.numpy.load(bytes(damaged)))
    assert 500 < refused < 1000


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_whatever_bytes_follow_a_length_only_a_chiasm_error_is_raised(tmp_path_factory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(len(content).to_bytes(8, "little") + content)
    try:
        found, _ = read_tensors(file)
    except ChiasmError:
        return
    assert found == {}


HOLD = """
import sys, time
from pathlib import Path
from chiasm.files import lock
print("trying", flush=True)
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_is_one_process_s_alone_and_a_death_frees_it(tmp_path: Path) -> None:
    def start() -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    first = start()
    assert [first.stdout.readline(), first.stdout.readline()] == ["trying\n", "held\n"]
    (tmp_path / ".new-of-the-first").write_text("half")
    second = start()
    try:
        assert second.stdout.readline() == "trying\n"
        assert select.select([second.stdout], [], [], 0.3)[0] == []  # it waits
        first.kill()
        first.wait()
        assert select.select([second.stdout], [], [], 20)[0]
        assert second.stdout.readline() == "held\n"
        assert not (tmp_path / ".new-of-the-first").exists()  # what the dead one left half-written
    finally:
        first.kill()
        second.kill()
        second.wait()
    with lock(tmp_path):
        assert os.listdir(tmp_path) == [".lock"]
