"""Tables of every layout that people have: separators, packed, JSON documents, COCO, Karpathy, arrays, nested keys."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import chiasm
from chiasm import ChiasmError
from chiasm.data import table as table_of_data
from chiasm.data.source import Source
from chiasm.data.table import read_table
from chiasm.errors import ChiasmWarning
from chiasm.splits import split_name
from chiasm.views import Views
from conftest import make_pictures


def put(folder: Path, name: str, text: str | Any) -> Path:
    text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    if name.endswith(".gz"):
        (folder / name).write_bytes(gzip.compress(text.encode()))
    else:
        (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def cells(views: Views, name: str) -> list[Any]:
    column = views[name]
    return [column.items[i] if i >= 0 else None for i in column.index.tolist()]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_the_separator_is_found_from_the_header(tmp_path: Path, separator: str, suffix: str) -> None:
    rows = [["编号", "path", "标题"], ["1", "a.png", '"a dog, a cat; a|b"']]
    file = put(tmp_path, f"t.{suffix}", "\n".join(separator.join(row) for row in rows))
    views = chiasm.read(file, text="标题", id="编号")
    assert (cells(views, "标题"), views.ids.tolist()) == (["a dog, a cat; a|b"], ["1"])
    assert Source(text=["标题"], id="编号").read_gallery(file, "标题", "text").ids.tolist() == ["1"]
    assert Source(text=["标题"]).read_present(file, ["标题"]).names == ["标题"]


def test_the_usual_separator_is_kept_where_it_finds_the_columns(tmp_path: Path) -> None:
    assert cells(chiasm.read(put(tmp_path, "t.csv", "a;b,c\nx;y,z\n"), text="a;b"), "a;b") == ["x;y"]
    assert cells(chiasm.read(put(tmp_path, "t.csv", "only one; really\nx\n"), text="only one; really"), "text") == ["x"]
    assert cells(chiasm.read(put(tmp_path, "t.csv", "id;name, first;c\n1;x;y\n"), text="c"), "c") == ["y"]
    assert cells(chiasm.read(put(tmp_path, "t.csv", "sep=;\r\na;b,c\r\nx;y\r\n"), text="a"), "a") == ["x"]


@pytest.mark.parametrize(
    "rows",
    ["img/1.png\ta dog\nimg/2.png\ta cat\n", "1000.jpg#0\tA child\n1000.jpg\tA girl\n", "0.5\tx\n0.25\ty\n"],
)
def test_a_table_without_a_header_is_refused_with_what_to_put_there(tmp_path: Path, rows: str) -> None:
    file = put(tmp_path, "t.tsv", rows)
    with pytest.raises(ChiasmError, match=r"has no header line.*got '.*put a line such as 'caption<TAB>path' on top"):
        chiasm.read(file, text="caption", image="path")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.ndjson", "t.json"])
def test_packed_tables_are_read(tmp_path: Path, name: str) -> None:
    rows = [{"a": "一", "b": "x"}, {"a": "two", "b": "y"}]
    text = {
        "csv": "a,b\n一,x\ntwo,y\n",
        "tsv": "a\tb\n一\tx\ntwo\ty\n",
        "json": json.dumps(rows),
    }.get(name[2:], "\n".join(map(json.dumps, rows)))
    assert cells(chiasm.read(put(tmp_path, f"{name}.gz", text), text="a"), "a") == ["一", "two"]


def test_a_packed_table_that_is_damaged_or_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = put(tmp_path, "t.csv.gz", "a,b\n" + "some words,x\n" * 5000)
    whole.write_bytes(whole.read_bytes()[:-20])
    put(tmp_path, "u.csv", "a\nx\n").rename(tmp_path / "u.csv.gz")
    for name in ("t.csv.gz", "u.csv.gz"):
        with pytest.raises(ChiasmError, match="damaged or is not packed by gzip"):
            chiasm.read(tmp_path / name, text="a")
    monkeypatch.setattr(table_of_data, "_MOST", 1 << 20)
    with pytest.raises(ChiasmError, match=r"b\.csv\.gz unpacks to more than .*unpack it, or read it in parts"):
        chiasm.read(put(tmp_path, "b.csv.gz", "a,b\n" + "x,y\n" * 300_000), text="a")
    with pytest.raises(ChiasmError, match=r"cannot read 't\.parquet\.gz'"):
        chiasm.read(put(tmp_path, "t.parquet.gz", "x"), text="a")


ROWS = [{"a": "一", "n": {"b": "x"}}, {"a": "two"}]


@pytest.mark.parametrize(
    "document",
    [ROWS, {"data": ROWS}, {"version": 1, "rows": ROWS}, {"a": ["一", "two"]}, {"a": {"0": "一", "1": "two"}}],
    ids=["list", "data", "rows", "columns", "pandas"],
)
def test_json_documents_are_read(tmp_path: Path, document: Any) -> None:
    assert cells(chiasm.read(put(tmp_path, "t.json", document), text="a"), "a") == ["一", "two"]


@pytest.mark.parametrize("document", ["{", '{"a": 1}\n{"a": 2}', "[1, 2]", "3", '{"a": 1}', "[]", "[" * 100_000])
def test_other_json_is_refused_in_a_sentence(tmp_path: Path, document: str) -> None:
    with pytest.raises(ChiasmError, match=r"t\.json: (not a JSON document|wanted a list of objects)"):
        chiasm.read(put(tmp_path, "t.json", document), text="a")


def test_coco_captions_are_read(tmp_path: Path) -> None:
    make_pictures(tmp_path, 3)
    document = {
        "images": [{"id": 7 + i, "file_name": f"{i:04d}.png", "height": 48} for i in range(3)],
        "annotations": [
            {"id": 1, "image_id": 8, "caption": "一只狗"},
            {"id": 2, "image_id": 7, "caption": "a"},
            {"id": 3, "image_id": 8, "caption": "b"},
            {"id": 4, "image_id": 99, "caption": "lost"},
        ],
    }
    file = put(tmp_path, "captions.json", document)
    with pytest.warns(chiasm.errors.ChiasmWarning, match="1 annotations passed over"):
        views = chiasm.read(file, text="caption", image="file_name", id="id")
    assert cells(views, "caption") == ["a", "一只狗", "b", None]
    assert views.ids.tolist() == ["7", "8", "8", "9"]
    document["categories"] = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    document["annotations"] = [{"image_id": 7, "category_id": c} for c in (2, 1, 2)]
    views = chiasm.read(
        put(tmp_path, "instances.json", document), image="file_name", label="category", where={"id": "7"}
    )
    assert views.facts["label"].tolist() == ['["cat", "dog"]']


def test_karpathy_splits_are_read(tmp_path: Path) -> None:
    make_pictures(tmp_path / "val2014", 3)
    images = [
        {
            "filename": f"{i:04d}.png",
            "filepath": "val2014",
            "cocoid": 40 + i,
            "split": ["restval", "val", "test"][i],
            "sentences": [{"raw": f"first {i}"}, {"tokens": ["second", str(i)]}],
        }
        for i in range(3)
    ]
    file = put(tmp_path, "dataset.json", {"images": images, "dataset": "part of coco"})
    views = chiasm.read(file, text="caption", image="path", id="id", split="split")
    assert cells(views, "caption")[:3] == ["first 0", "second 0", "first 1"]
    assert views.ids.tolist() == ["40", "40", "41", "41", "42", "42"]
    assert views.facts["split"].tolist() == ["train"] * 2 + ["val"] * 2 + ["test"] * 2


@pytest.mark.parametrize("missing", ["restval", None])
@pytest.mark.slow
def test_what_says_that_it_is_karpathys_coco_has_his_counts(tmp_path: Path, missing: str | None) -> None:
    counts = {"train": 82_783, "restval": 30_504, "val": 5_000, "test": 5_000}
    images = [
        {"filename": "a.png", "cocoid": f"{split}{i}", "split": split, "sentences": [{"raw": "a"}, {"raw": "b"}]}
        for split, count in counts.items()
        for i in range(count - (split == missing))
    ]
    file = put(tmp_path, "dataset_coco.json", {"images": images, "dataset": "coco"})
    if missing:
        with pytest.raises(ChiasmError, match=r"113,287 / 5,000 / 5,000 pictures .*, got (?!113,287 / 5,000 / 5,000)"):
            read_table(file)
        return
    held = read_table(file).cells
    assert Counter(map(split_name, held["split"])) == {"train": 113_287, "val": 5_000, "test": 5_000}
    assert len(set(held["id"])) == 123_287, "the captions of one picture are one row"


@pytest.mark.parametrize("word", ["restval", "RestVal", " restval "])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_the_rest_of_val_is_learned_from(tmp_path: Path, word: str, suffix: str) -> None:
    rows = [{"t": "x", "s": word}, {"t": "y", "s": "val"}]
    text = f"t,s\nx,{word}\ny,val\n" if suffix == "csv" else "\n".join(map(json.dumps, rows))
    assert chiasm.read(put(tmp_path, f"t.{suffix}", text), text="t", split="s").split.tolist() == ["train", "val"]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_dotted_names_reach_what_lies_inside(tmp_path: Path, suffix: str) -> None:
    rows = [{"a": {"b": "x", "deep": {"c": "一"}}, "d.e": "k"}, {"a": None, "d.e": "l"}]
    if suffix == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    else:
        put(tmp_path, f"t.{suffix}", "\n".join(map(json.dumps, rows)) if suffix == "jsonl" else rows)
    file = tmp_path / f"t.{suffix}"
    views = chiasm.read(file, text=["a.b", "a.deep.c", "d.e"])
    assert [cells(views, name) for name in views.names] == [["x", None], ["一", None], ["k", "l"]]
    assert Source(text=["a.b"]).read_present(file, ["a.b"]).names == ["a.b"]
    assert Source(text=["w=a.b"]).read_gallery(file, "w", "text").names == ["w"]
    with pytest.raises(ChiasmError, match=r"no column .*named 'a\.z'"):
        chiasm.read(file, text="a.z")


def test_arrays_of_numpy_are_vectors(tmp_path: Path) -> None:
    vectors = np.arange(12, dtype=np.float64).reshape(4, 3)
    np.save(tmp_path / "v.npy", vectors)
    assert chiasm.read(tmp_path / "v.npy").names == ["vector"]
    np.testing.assert_array_equal(chiasm.read(tmp_path / "v.npy", vector="w=vector")["w"].items, vectors)
    found = Source(vector=["w=features"]).read_gallery(tmp_path / "v.npy", "w", "vector")
    assert (found.names, len(found)) == (["w"], 4)
    np.save(tmp_path / "bad.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.arange(3.0))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-9])
    for name, sentence in [("bad", "no plain array"), ("flat", r"an array \(n, d\) of numbers"), ("cut", "damaged")]:
        with pytest.raises(ChiasmError, match=rf"{name}\.npy.*{sentence}"):
            chiasm.read(tmp_path / f"{name}.npy", vector="vector")


def test_a_column_of_npy_paths_is_a_column_of_vectors(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    np.save(tmp_path / "f" / "a.npy", np.array([1.0, 2.0]))
    np.save(tmp_path / "f" / "b.npy", np.array([[3.0, 4.0]]))
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    file = put(tmp_path, "t.csv", "v,t\nf/a.npy,x\nNA,y\nf\\b.npy,z\n")
    views = chiasm.read(file, vector="v", text="t")
    np.testing.assert_array_equal(views["v"].items, [[1, 2], [3, 4]])
    assert views.present("v").tolist() == [True, False, True]
    with pytest.warns(ChiasmWarning) as caught:
        views = chiasm.read(put(tmp_path, "t.csv", "v,t\nf/a.npy,x\ngone.npy,y\no.npy,z\n"), vector="v")
    assert views.present("v").tolist() == [True, False, False]
    assert [str(one.message) for one in caught] == [
        "column 'v': 1 cell passed over (row 2: 'gone.npy'): no such file",
        "column 'v': 1 cell passed over (row 3: 'o.npy'): a file that is damaged or holds no plain array",
    ]
    with pytest.raises(ChiasmError, match=r"got row 1: '\.\./o\.npy' \(out of the data's folder"):
        chiasm.read(put(tmp_path / "f", "t.csv", "v,t\n../o.npy,x\n"), vector="v")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_that_says_its_encoding_itself_is_read(tmp_path: Path, encoding: str, packed: bool) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    content = f"{mark}编号\t标题\n1\t一只狗\n".encode(encoding)
    file = tmp_path / f"t.tsv{'.gz' if packed else ''}"
    file.write_bytes(gzip.compress(content) if packed else content)
    assert chiasm.read(file, text="标题", id="编号")["标题"].items == ["一只狗"]


def test_json_as_pandas_splits_it_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"标题": ["一只狗", "a cat"], "n": [1, 2]}, index=[7, 9])
    frame.to_json(tmp_path / "t.json", orient="split", force_ascii=False)
    views = chiasm.read(tmp_path / "t.json", text="标题", number="n")
    assert views["标题"].items == ["一只狗", "a cat"]
    assert [record["n"] for record in views["record"].items] == [1.0, 2.0]
    (tmp_path / "odd.json").write_text('{"columns": ["a", "b"], "data": [[1]], "index": [0]}', encoding="utf-8")
    with pytest.raises(ChiasmError, match="got an object of 'columns', 'data', 'index'"):
        chiasm.read(tmp_path / "odd.json", number="a")


@pytest.mark.parametrize(
    ("name", "advice"), [("t.xlsx", "save it as csv"), ("t.ods", "save it as csv"), ("t.txt", r"named \.csv or \.tsv")]
)
def test_a_file_that_is_no_table_here_is_told_how_to_become_one(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(ChiasmError, match=rf"cannot read '{name}'.*{advice}"):
        chiasm.read(tmp_path / name, text="a")
