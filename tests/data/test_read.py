"""`chiasm.read`: every format, lists as rows of one id, default ids, facts, and every sentence it refuses with."""

from __future__ import annotations

import csv
import gzip
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import chiasm
from chiasm import ChiasmError
from chiasm.data.read import read_split
from chiasm.errors import ChiasmWarning
from chiasm.views import Views
from conftest import make_pictures

ROWS = [
    {"path": "0000.png", "caption": "a red circle", "split": "train"},
    {"path": "0001.png", "caption": "一只猫，\n躺在雪地里", "split": "val"},
    {"path": "0002.png", "caption": 'she said "left, right"', "split": "test"},
]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Rows as a file of the format that the suffix names, by the libraries' own writers."""
    if path.suffix in (".csv", ".tsv"):
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(
                {k: json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v for k, v in row.items()}
                for row in rows
            )
    elif path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return path


def cells(views: Views, name: str) -> list[Any]:
    """A column as one cell a row, None where absent."""
    column = views[name]
    return [column.items[i] if i >= 0 else None for i in column.index.tolist()]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    make_pictures(tmp_path, 6)
    return tmp_path


FORMATS = ["csv", "tsv", "jsonl", "ndjson", "parquet"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_views(pictures: Path, suffix: str) -> None:
    views = chiasm.read(write(pictures / f"t.{suffix}", ROWS), text="caption", image="path", split="split")
    assert views.names == ["caption", "path"]
    assert cells(views, "caption") == [row["caption"] for row in ROWS]
    assert cells(views, "path") == [os.path.realpath(pictures / row["path"]) for row in ROWS]
    assert views["path"].labels == [row["path"] for row in ROWS]
    assert views.ids.tolist() == [row["path"] for row in ROWS]
    assert views.split is not None
    assert views.split.tolist() == ["train", "val", "test"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_caption_list_is_spread_over_rows_of_one_id(pictures: Path, suffix: str) -> None:
    rows = [
        {"path": "0000.png", "caption": ["one", "two", "三"], "split": "train"},
        {"path": "0001.png", "caption": ["four"], "split": "test"},
    ]
    views = chiasm.read(write(pictures / f"t.{suffix}", rows), text="caption", image="path", split="split")
    assert cells(views, "caption") == ["one", "two", "三", "four"]
    assert views.ids.tolist() == ["0000.png"] * 3 + ["0001.png"]
    assert views["path"].index.tolist() == [0, 0, 0, 1]  # the single cell stands in every row, stored once
    assert views.facts["split"].tolist() == ["train"] * 3 + ["test"]
    assert views.things == 2


def test_two_lists_of_unequal_length_keep_every_item(tmp_path: Path) -> None:
    table = write(tmp_path / "t.jsonl", [{"en": ["a", "b"], "zh": ["甲", "乙", "丙"]}, {"en": [], "zh": "丁"}])
    views = chiasm.read(table, text=["en", "zh"])
    assert cells(views, "en") == ["a", "b", None, None]
    assert cells(views, "zh") == ["甲", "乙", "丙", "丁"]
    assert views.ids.tolist() == ["row 1", "row 1", "row 1", "row 2"]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + "caption,other\n猫,狗\n\n鸟,鱼\n".encode())
    views = chiasm.read(tmp_path / "t.csv", text=["caption", "other"])
    assert cells(views, "caption") == ["猫", "鸟"]


def test_text_in_brackets_that_is_no_json_stays_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("caption,other\n[sic] a dog [laughs],x\n", encoding="utf-8")
    assert cells(chiasm.read(tmp_path / "t.csv", text=["caption", "other"]), "caption") == ["[sic] a dog [laughs]"]


def test_a_file_of_another_encoding_is_refused_and_read_when_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("caption,other\n雪地里的狗,x\n".encode("gb18030"))
    with pytest.raises(ChiasmError, match=r"t\.csv is not utf-8 text .*encoding='gb18030'"):
        chiasm.read(tmp_path / "t.csv", text=["caption", "other"])
    views = chiasm.read(tmp_path / "t.csv", text=["caption", "other"], encoding="gb18030")
    assert cells(views, "caption") == ["雪地里的狗"]


def test_pictures_inside_parquet_are_read_as_hugging_face_keeps_them(pictures: Path) -> None:
    first, second = (pictures / name for name in ("0000.png", "0001.png"))
    image = pa.array(
        [{"bytes": first.read_bytes(), "path": "x.png"}, {"bytes": None, "path": "0001.png"}, None],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    parquet.write_table(pa.table({"image": image, "caption": ["a", "b", "c"]}), pictures / "t.parquet")
    views = chiasm.read(pictures / "t.parquet", text="caption", image="image")
    assert cells(views, "image") == [first.read_bytes(), os.path.realpath(second), None]
    assert views.ids.tolist() == ["row 1", "row 2", "row 3"]
    assert views["image"].labels == ["image 0", "0001.png"]


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 3), pa.list_(pa.float64())], ids=["fixed", "variable"])
def test_vectors_are_read_and_a_row_with_nan_is_absent(tmp_path: Path, kind: pa.DataType) -> None:
    values = [[1.0, 2.0, 3.0], [float("nan"), 0.0, 0.0], None, [4.0, 5.0, 6.0]]
    parquet.write_table(pa.table({"v": pa.array(values, kind), "t": ["a", "b", "c", "d"]}), tmp_path / "t.parquet")
    views = chiasm.read(tmp_path / "t.parquet", text="t", vector="v")
    assert views["v"].index.tolist() == [0, -1, -1, 1]
    np.testing.assert_array_equal(views["v"].items, np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    assert views["v"].items.dtype == np.float32


def test_a_vector_in_a_csv_cell_is_read_as_json(tmp_path: Path) -> None:
    views = chiasm.read(write(tmp_path / "t.csv", [{"v": [0.5, -1], "t": "x"}, {"v": [2, 3], "t": "y"}]), vector="v")
    np.testing.assert_array_equal(views["v"].items, [[0.5, -1], [2, 3]])


PATIENTS: list[dict[str, Any]] = [
    {"图": "a", "年龄": 63, "血氧": 97.5, "性别": "女", "病人": "王"},
    {"图": "b", "年龄": None, "血氧": None, "性别": None, "病人": "李"},
    {"图": "c", "年龄": 41, "血氧": None, "性别": "男", "病人": None},
    {"图": "d", "年龄": 63, "血氧": 97.5, "性别": "女", "病人": "王"},
]


@pytest.mark.parametrize("suffix", FORMATS)
def test_numbers_and_categories_of_a_row_are_one_record_and_equal_ones_one_item(tmp_path: Path, suffix: str) -> None:
    table = write(tmp_path / f"t.{suffix}", PATIENTS)
    views = chiasm.read(table, text="图", number=["年龄", "血氧"], category={"sex": "性别"}, group="病人")
    assert views.names == ["图", "record"]
    first, third = {"年龄": 63.0, "血氧": 97.5, "sex": "女"}, {"年龄": 41.0, "血氧": None, "sex": "男"}
    assert cells(views, "record") == [first, None, third, first]
    assert views["record"].index.tolist() == [0, -1, 1, 0]
    assert views["record"].modality == "record"
    assert all(isinstance(item["年龄"], float) for item in views["record"].items)
    assert views.group is not None
    assert views.group.tolist() == ["王", "李", "", "王"]
    assert views.clusters.tolist()[0] == views.clusters.tolist()[3]
    assert len(set(views.clusters.tolist())) == 3


def test_numbers_are_read_from_text_and_the_usual_signs_of_none_are_missing(tmp_path: Path) -> None:
    numbers = ["37.5", " 38 ", "-1e3", "３９", "NA", "n/a", "NaN", "null", "None", "-", "—", "?", "#N/A", " "]
    table = write(tmp_path / "t.csv", [{"体温": n, "k": "x"} for n in numbers])
    views = chiasm.read(table, number="temperature=体温")
    assert [r and r["temperature"] for r in cells(views, "record")] == [37.5, 38.0, -1000.0, 39.0] + [None] * 10


def test_a_category_is_any_cell_as_text_and_only_an_empty_one_is_missing(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"c": "NA"}\n{"c": " M "}\n{"c": 2.0}\n{"c": 2}\n{"c": true}\n{"c": ""}\n{"c": NaN}\n{"c": 1.5}', "utf-8"
    )
    read = cells(chiasm.read(tmp_path / "t.jsonl", category="c"), "record")
    assert [r and r["c"] for r in read] == ["NA", "M", "2", "2", "True", None, None, "1.5"]


def test_whole_numbers_with_gaps_are_the_same_categories_in_every_format(tmp_path: Path) -> None:
    rows = [{"ward": 3, "t": "x"}, {"ward": None, "t": "y"}]
    parquet.write_table(
        pa.table({"ward": pa.array([3.0, None], pa.float64()), "t": ["x", "y"]}), tmp_path / "f.parquet"
    )
    tables = [write(tmp_path / "t.csv", rows), write(tmp_path / "t.parquet", rows), tmp_path / "f.parquet"]
    assert [cells(chiasm.read(t, category="ward"), "record") for t in tables] == [[{"ward": "3"}, None]] * 3


def test_a_record_stands_in_every_row_that_a_caption_list_makes(tmp_path: Path) -> None:
    rows = [{"a": ["x", "y"], "n": 1, "p": "p1"}, {"a": ["z"], "n": 2, "p": "p2"}]
    views = chiasm.read(write(tmp_path / "t.jsonl", rows), text="a", number="n", group="p")
    assert cells(views, "record") == [{"n": 1.0}, {"n": 1.0}, {"n": 2.0}]
    assert views.facts["group"].tolist() == ["p1", "p1", "p2"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_missing_cells_are_absent(pictures: Path, suffix: str) -> None:
    rows = [{"path": "0000.png", "caption": ""}, {"path": "", "caption": "b"}, {"path": "0001.png", "caption": "  "}]
    if suffix not in ("csv", "tsv"):
        rows[0] = {"path": "0000.png", "caption": None}  # type: ignore[dict-item]
    views = chiasm.read(write(pictures / f"t.{suffix}", rows), text="caption", image="path")
    assert views.present("caption").tolist() == [False, True, False]
    assert views.present("path").tolist() == [True, False, True]
    assert views.ids.tolist() == ["0000.png", "row 2", "0001.png"]


def test_a_json_row_may_lack_a_column_and_hold_nan(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": "x"}\n{"a": NaN, "b": "y"}\n', encoding="utf-8")
    views = chiasm.read(tmp_path / "t.jsonl", text=["a", "b"])
    assert (cells(views, "a"), cells(views, "b")) == (["x", None], [None, "y"])


@pytest.mark.parametrize(
    "given", ["words=caption", ["words=caption"], {"words": "caption"}], ids=["text", "list", "dict"]
)
def test_a_column_can_be_renamed(pictures: Path, given: Any) -> None:
    views = chiasm.read(write(pictures / "t.csv", ROWS), text=given, image="path")
    assert views.names == ["words", "path"]
    assert cells(views, "words")[0] == "a red circle"
    assert views["text"] is views["words"]  # a modality is an alias where one view has it


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("valid", "val"),
        ("validation", "val"),
        ("Dev", "val"),
        (" val ", "val"),
        ("TEST", "test"),
        ("training", "train"),
    ],
)
def test_split_names_have_synonyms(tmp_path: Path, name: str, meant: str) -> None:
    table = write(tmp_path / "t.jsonl", [{"a": "x", "part": name}])
    assert chiasm.read(table, text="a", split="part").facts["split"].tolist() == [meant]


def test_where_keeps_the_rows_that_have_every_value(tmp_path: Path) -> None:
    rows = [{"a": f"{i}", "kind": k, "year": y} for i, (k, y) in enumerate([("x", 1), ("x", 2), ("y", 1)])]
    views = chiasm.read(write(tmp_path / "t.jsonl", rows), text="a", where={"kind": "x", "year": "1"})
    assert cells(views, "a") == ["0"]


def test_ids_and_labels_come_from_their_columns(tmp_path: Path) -> None:
    rows = [{"key": 7, "a": "x", "class": "cat"}, {"key": 7, "a": "y", "class": None}]
    views = chiasm.read(write(tmp_path / "t.jsonl", rows), text="a", id="key", label="class")
    assert views.ids.tolist() == ["7", "7"]
    assert views.things == 1
    assert views.facts["label"].tolist() == ["cat", ""]


def test_root_names_the_folder_of_the_pictures(tmp_path: Path) -> None:
    make_pictures(tmp_path / "pictures", 2)
    (tmp_path / "tables").mkdir()
    table = write(tmp_path / "tables" / "t.csv", ROWS[:2])
    views = chiasm.read(table, text="caption", image="path", root=tmp_path / "pictures")
    assert views["path"].items[0] == os.path.realpath(tmp_path / "pictures" / "0000.png")


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pictures(tmp_path / "photos", 2)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert chiasm.read("~/photos").names == ["image"]


def test_pictures_with_texts_beside_them_are_captioned_line_by_line(pictures: Path) -> None:
    (pictures / "0000.txt").write_bytes("\ufeffa red circle\n\n  一个红色的圆 \r\nround\n".encode())
    (pictures / "0001.txt").write_text("", encoding="utf-8")
    (pictures / "notes.md").write_text("not a picture", encoding="utf-8")
    (pictures / ".hidden").mkdir()
    make_pictures(pictures / ".hidden", 1)
    views = chiasm.read(pictures)
    assert views.names == ["image", "text"]
    assert views.ids.tolist() == ["0000.png"] * 3 + [f"{i:04d}.png" for i in range(1, 6)]
    assert cells(views, "text") == ["a red circle", "一个红色的圆", "round"] + [None] * 5
    assert len(views["image"].used) == 6


def test_a_folder_with_a_subfolder_a_class_is_labelled_by_it(tmp_path: Path) -> None:
    make_pictures(tmp_path / "猫" / "deep", 2)
    make_pictures(tmp_path / "dog", 1)
    views = chiasm.read(tmp_path, text="class", image="image")
    assert cells(views, "class") == ["dog", "猫", "猫"]
    assert views.ids.tolist() == ["dog/0000.png", "猫/deep/0000.png", "猫/deep/0001.png"]
    assert views.facts["label"].tolist() == ["dog", "猫", "猫"]


def test_names_of_subfolders_are_no_captions_unless_asked_for(tmp_path: Path) -> None:
    for i, name in enumerate(("2021", "2022", "misc")):
        make_pictures(tmp_path / name, 2, seed=i)
    said = r"3 names of folders \(2021, 2022, misc\) are labels, not captions: text='class', image='image' take them"
    with pytest.warns(ChiasmWarning, match=said):
        views = chiasm.read(tmp_path)
    assert (views.names, sorted(set(views.label))) == (["image"], ["2021", "2022", "misc"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ChiasmWarning)
        assert chiasm.read(tmp_path, image="image").names == ["image"]
        assert chiasm.read(tmp_path, label="class").names == ["image"]


def test_pictures_alone_are_one_view(pictures: Path) -> None:
    views = chiasm.read(pictures)
    assert (views.names, len(views), views.split, views.label) == (["image"], 6, None, None)


def test_a_split_written_as_csv_is_read_by_id(tmp_path: Path) -> None:
    table = write(tmp_path / "t.jsonl", [{"k": str(i), "a": "x"} for i in range(3)])
    views = chiasm.read(table, text="a", id="k")
    split = write(
        tmp_path / "split.csv", [{"id": i, "split": s} for i, s in (("2", "dev"), ("0", "train"), ("1", "test"))]
    )
    assert read_split(split, views).tolist() == ["train", "test", "val"]


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def _parquet_with_a_name_twice(folder: Path) -> Path:
    parquet.write_table(pa.table([["x"], ["y"]], names=["a", "a"]), folder / "t.parquet")
    return folder / "t.parquet"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "t.csv")
    return folder / "t.csv"


CSV = "a,b\nx,y\n"


@pytest.mark.parametrize(
    ("encoding", "tried", "advised"),
    [("gb18030", "utf-8", "gb18030"), ("utf-16", "gb18030", "utf-16"), ("gbk", "utf-8", "gb18030")],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "csv.gz"])
def test_the_encoding_that_a_refusal_advises_reads_the_table(
    tmp_path: Path, encoding: str, tried: str, advised: str, suffix: str
) -> None:
    text = (
        '{"说明": "雪地里的狗"}\n'
        if suffix == "jsonl"
        else "说明,x\n雪地里的狗,1\n".replace(",", "\t" if suffix == "tsv" else ",")
    )
    content = text.encode(encoding)
    (tmp_path / f"t.{suffix}").write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    with pytest.raises(ChiasmError, match=rf"encoding='{advised}'"):
        chiasm.read(tmp_path / f"t.{suffix}", text="说明", encoding=tried)
    assert cells(chiasm.read(tmp_path / f"t.{suffix}", text="说明", encoding=advised), "说明") == ["雪地里的狗"]


REFUSED: list[tuple[str, Any, dict[str, Any], str]] = [
    ("no file", lambda d: d / "none.csv", {"text": "a"}, r"no file or folder .*none\.csv.*wanted a table"),
    ("unknown suffix", lambda d: _file(d, "t.xlsx", b"PK"), {"text": "a"}, r"cannot read 't\.xlsx': wanted a table"),
    ("a pipe", _pipe, {"text": "a"}, r"t\.csv.* is no regular file"),
    ("no columns named", lambda d: _file(d, "t.csv", CSV), {}, r"text='COL', .* or date='COL'\. .* has a, b"),
    ("wrong column", lambda d: _file(d, "t.csv", "caption\nx\n"), {"text": "captoin"}, r"did you mean 'caption'\?"),
    ("wrong id column", lambda d: _file(d, "t.csv", CSV), {"text": "a", "id": "c"}, r"named 'c'.* Known: a, b"),
    ("no such rows", lambda d: _file(d, "t.csv", CSV), {"text": "a", "where": {"b": "z"}}, r"no rows where .*'z'"),
    ("no rows", lambda d: _file(d, "t.csv", "a,b\n"), {"text": "a"}, r"t\.csv has no rows\."),
    ("empty csv", lambda d: _file(d, "t.csv", ""), {"text": "a"}, r"t\.csv is empty: wanted a header"),
    ("a name twice", lambda d: _file(d, "t.csv", "a,a\nx,y\n"), {"text": "a"}, r"two columns have the same name"),
    ("a name twice in parquet", _parquet_with_a_name_twice, {"text": "a"}, r"two columns have the same name: a, a"),
    ("ragged csv", lambda d: _file(d, "t.csv", "a,b\nx,y\nz\n"), {"text": "a"}, r"line 3: wanted 2 fields, got 1"),
    ("open quote", lambda d: _file(d, "t.csv", 'a,b\n"x,y\n'), {"text": "a"}, r"line 2: not csv \("),
    ("wrong encoding", lambda d: _file(d, "t.csv", b"a\n\xb9\xb7\n"), {"text": "a"}, r"not utf-8 text \(byte \d+\)"),
    ("no such encoding", lambda d: _file(d, "t.csv", CSV), {"text": "a", "encoding": "klingon"}, r"named 'klingon'"),
    ("bad json", lambda d: _file(d, "t.jsonl", '{"a": "x"}\n{a}\n'), {"text": "a"}, r"line 2: not a JSON object"),
    ("deep json", lambda d: _file(d, "t.jsonl", "[" * 200_000), {"text": "a"}, r"line 1: not a JSON object"),
    ("json list", lambda d: _file(d, "t.jsonl", '["x"]\n'), {"text": "a"}, r"line 1: wanted a JSON object, got list"),
    (
        "damaged parquet",
        lambda d: _file(d, "t.parquet", b"PAR1" + bytes(90)),
        {"text": "a"},
        r"damaged or is no Parquet",
    ),
    ("no pictures", lambda d: d, {}, r"no pictures, sounds or videos \(\.png, .*\) below "),
    (
        "text of another encoding",
        lambda d: make_pictures(d, 1) and _file(d, "0000.txt", b"\xb9\xb7").parent,
        {},
        r"no text of .* 1 file \(0000\.txt\): passed over, not utf-8 text.*encoding='gb18030'",
    ),
    (
        "all absent",
        lambda d: _file(d, "t.jsonl", '{"a": null}\n{"a": ""}'),
        {"text": "a"},
        r"'a' is empty in all 2 rows",
    ),
    (
        "mixed types",
        lambda d: _file(d, "t.jsonl", '{"a": ["x", "y"]}\n{"a": 3}'),
        {"text": "a"},
        r"'a', row 2.*got int",
    ),
    ("image type", lambda d: _file(d, "t.jsonl", '{"a": 3}'), {"image": "a"}, r"row 1: wanted a path or encoded bytes"),
    ("no vectors", lambda d: _file(d, "t.jsonl", '{"a": null}'), {"vector": "a"}, r"'a' is empty in all 1 rows"),
    ("ragged vectors", lambda d: _file(d, "t.jsonl", '{"a": [1]}\n{"a": [1, 2]}'), {"vector": "a"}, r"of one length"),
    ("words as vectors", lambda d: _file(d, "t.jsonl", '{"a": "x"}'), {"vector": "a"}, r"wanted lists of numbers"),
    (
        "numbers as vectors",
        lambda d: _file(d, "t.jsonl", '{"a": 3}'),
        {"vector": "a"},
        r"list of numbers a row, got int",
    ),
    ("all NaN", lambda d: _file(d, "t.jsonl", '{"a": [NaN, 1]}'), {"vector": "a"}, r"got NaN or infinity in every row"),
    (
        "no id",
        lambda d: _file(d, "t.jsonl", '{"a": "x"}'.replace("}", ', "k": ""}')),
        {"text": "a", "id": "k"},
        "an id",
    ),
    ("no split", lambda d: _file(d, "t.csv", "a,s\nx,\n"), {"text": "a", "split": "s"}, r"wanted train, val or test"),
    (
        "wrong split",
        lambda d: _file(d, "t.csv", "a,s\nx,tset\n"),
        {"text": "a", "split": "s"},
        r"did you mean 'test'\?",
    ),
    (
        "no number",
        lambda d: _file(d, "t.csv", "体温,b\n37.5,x\n未知,y\n"),
        {"number": "体温"},
        r"column '体温', row 2: wanted a number, got '未知': .*empty the cell, or read the column as category='COL'\.",
    ),
    ("a decimal comma", lambda d: _file(d, "t.csv", 'n,b\n"1,5",x\n'), {"number": "n"}, r"row 1: .* got '1,5'"),
    ("an underscore", lambda d: _file(d, "t.csv", "n\n2020_12\n"), {"number": "n"}, r"row 1: .* got '2020_12'"),
    ("a list of numbers", lambda d: _file(d, "t.jsonl", '{"n": [1, 2]}'), {"number": "n"}, r"a number, got '\[1, 2\]'"),
    ("a list of tags", lambda d: _file(d, "t.jsonl", '{"c": ["x"]}'), {"category": "c"}, r"row 1: wanted one category"),
    ("numbers all missing", lambda d: _file(d, "t.csv", "n,c\nNA,x\n-,y\n"), {"number": "n"}, r"'n' is empty in all 2"),
    ("wrong number column", lambda d: _file(d, "t.csv", "age\n1\n"), {"number": "aeg"}, r"did you mean 'age'\?"),
    ("wrong group column", lambda d: _file(d, "t.csv", CSV), {"text": "a", "group": "c"}, r"named 'c'.* Known: a, b"),
    ("both kinds", lambda d: _file(d, "t.csv", CSV), {"number": "a", "category": "a"}, r"wanted 'a' as a number or as"),
    ("two records", lambda d: _file(d, "t.csv", CSV), {"text": "record=a", "category": "b"}, r"rename the text"),
    ("a URL", lambda d: _file(d, "t.csv", "a\nhttp://x.org/1.png\n"), {"image": "a"}, r"got the URL .*download"),
    ("a path that leaves", lambda d: _file(d, "t.csv", "a\n..\n"), {"image": "a"}, r"leaves the data's folder"),
]


@pytest.mark.parametrize(("make", "options", "sentence"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, make: Any, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ChiasmError, match=sentence) as caught:
        chiasm.read(make(tmp_path), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_table_without_permission_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [{"a": "x"}]).chmod(0)
    with pytest.raises(ChiasmError, match="no permission to read"):
        chiasm.read(tmp_path / name, text="a")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("id,split\n0,train\n", r"lacks the split of 1 ids, for example '1'"),
        ("key,split\n0,train\n", "no column .*'id'"),
    ],
)
def test_a_split_file_must_name_every_id(tmp_path: Path, content: str, sentence: str) -> None:
    views = chiasm.read(write(tmp_path / "t.jsonl", [{"k": "0", "a": "x"}, {"k": "1", "a": "y"}]), text="a", id="k")
    with pytest.raises(ChiasmError, match=sentence):
        read_split(_file(tmp_path, "split.csv", content), views)
