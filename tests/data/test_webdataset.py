"""Shards of WebDataset: the files of a sample are a row, and every file is used or told."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chiasm
from chiasm.data.source import Source
from chiasm.errors import ChiasmError, ChiasmWarning


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (48, 48), (shade, 255 - shade, 7 * shade % 255)).save(file, "PNG")
    return file.getvalue()


def shard(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as held:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            held.addfile(member, io.BytesIO(content))
    return path


def samples(count: int, first: int = 0) -> dict[str, bytes]:
    files = {}
    for i in range(first, first + count):
        files[f"{i:06d}.png"] = picture(i)
        files[f"{i:06d}.txt"] = f"caption {i} 狗".encode()
        files[f"{i:06d}.json"] = json.dumps({"width": 48, "caption": f"told {i}"}).encode()
    return files


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("A.TGZ", "w:gz")])
def test_a_shard_is_a_table(tmp_path: Path, name: str, mode: str) -> None:
    views = chiasm.read(shard(tmp_path / name, samples(4), mode))
    assert {n: c.modality for n, c in views.columns.items()} == {"image": "image", "text": "text"}
    assert views.ids.tolist() == [f"{i:06d}" for i in range(4)]
    assert views["text"].items[3] == "caption 3 狗"
    assert views["image"].items[2] == picture(2)


def test_a_folder_of_shards_is_read_in_their_order(tmp_path: Path) -> None:
    for number, first in ((10, 6), (2, 3), (0, 0)):
        shard(tmp_path / f"part-{number}.tar", samples(3, first))
    views = chiasm.read(tmp_path, text="json.caption", image="image")
    assert [views["json.caption"].items[i] for i in views["json.caption"].index] == [f"told {i}" for i in range(9)]


def test_what_lies_beside_shards_is_told(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", samples(4))
    (tmp_path / "README.md").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    with pytest.warns(ChiasmWarning, match=r"2 files of other kinds passed over \(hidden 1, \.md 1\)"):
        assert len(chiasm.read(tmp_path)) == 4


def test_shards_that_count_from_zero_are_not_one_thing(tmp_path: Path) -> None:
    for name in "ab":
        shard(tmp_path / f"{name}.tar", samples(2))
    assert chiasm.read(tmp_path).ids.tolist() == ["000000", "000001", "b.tar/000000", "b.tar/000001"]


def test_every_file_is_used_or_told(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.array([object()], dtype=object), allow_pickle=True)
    odd = {
        "deep/0.png": picture(9),
        "deep/0.mask.png": picture(5),
        "deep/0.txt": "猫在沙发上".encode("gb18030"),
        "deep/0.npy": array.getvalue(),
        "deep/1.jpg": picture(3),
        "deep/1.png": picture(4),
        "deep/1.json": b"[1]",
        "readme": b"x",
        "2.pyd": b"cos\nsystem\n",
        ".hidden.txt": b"x",
    }
    file = shard(tmp_path / "a.tar", odd)
    with pytest.warns(ChiasmWarning) as told:
        views = chiasm.read(file)
    assert views.ids.tolist() == ["deep/0", "deep/1"]
    said = " ".join(str(one.message) for one in told)
    for name in ("deep/0.txt passed over: not utf-8", "deep/0.npy passed over", "1.png passed over: its sample"):
        assert name in said
    assert chiasm.read(file, image=["image", "mask"])["mask"].items == [picture(5)]
    assert "deep/1.json passed over: wanted a JSON object" in said
    passed = {item for _, item, note in views.notes if note.code == "other_kind"}
    assert passed == {"a.tar/readme", "a.tar/2.pyd", "a.tar/.hidden.txt"}


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    file = shard(tmp_path / "a.tar", samples(2))
    with tarfile.open(file, "a") as held:
        link = tarfile.TarInfo("000009.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        held.addfile(link)
    with pytest.warns(ChiasmWarning, match="1 file of other kinds"):
        assert len(chiasm.read(file)) == 2


@pytest.mark.parametrize("cut", [100, 700, 2000])
def test_a_damaged_tar_is_refused_in_a_sentence(tmp_path: Path, cut: int) -> None:
    file = shard(tmp_path / "a.tar.gz", samples(9), "w:gz")
    os.truncate(file, min(cut, file.stat().st_size - 60))
    with pytest.raises(ChiasmError, match=r"a\.tar\.gz is damaged or is no tar"):
        chiasm.read(file)
    with pytest.raises(ChiasmError, match="wanted samples"):
        chiasm.read(shard(tmp_path / "b.tar", {"000.xyz": b"x"}))


def test_a_model_of_a_shard_answers_another(tmp_path: Path) -> None:
    file = shard(tmp_path / "a.tar", samples(3))
    source = Source(image="image", text="text")
    other = shard(tmp_path / "b.tar", samples(2, 50))
    assert source.read_gallery(file, "image", "image").ids.tolist() == ["000000", "000001", "000002"]
    assert len(source.read_present(other, {"image": "image", "text": "text"})) == 2
