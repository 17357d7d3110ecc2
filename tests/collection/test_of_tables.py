"""A table of files as a collection: its rows are files, and its other columns choose among them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from _indexed import shapes_model
from chiasm.collection import Collection
from chiasm.errors import ChiasmError
from conftest import make_pictures


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes_model(tmp_path_factory.mktemp("shapes"))


ROWS = [
    {
        "image": f"media/{i:04d}.png",
        "price": 5 * i,
        "sold": f"2024/{1 + i % 12}/03",
        "shop": "Berlin" if i % 2 else "上海",
        "about": f"the {i}th of very many red things that a shop had",
        "size": "XL" if i % 3 else "S",
    }
    for i in range(30)
]


def write(file: Path, rows: list[dict[str, Any]], encoding: str = "utf-8") -> None:
    with open(file, "w", newline="", encoding=encoding) as out:
        made = csv.DictWriter(out, list(rows[0]))
        made.writeheader()
        made.writerows(rows)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_pictures(tmp_path / "media", 30, seed=5)
    write(tmp_path / "items.csv", ROWS)
    return tmp_path


def names(made: Collection, where: Any = None) -> list[str]:
    return sorted(hit["item"] for hit in made.hits({"text": ["a red circle"]}, k=100, where=where)[0])


def of(condition: Any) -> list[str]:
    return sorted(row["image"] for row in ROWS if condition(row))


def test_columns_named_as_what_is_kept_of_a_file_take_nothing_from_it(home: Path, shapes: Path) -> None:
    write(home / "items.csv", [{**row, "cut": "Ideal", "pixels": 7} for row in ROWS])
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    assert names(made, ["table.cut=Ideal", "table.pixels=7", "price>100"]) == of(lambda row: row["price"] > 100)
    assert all(item["pixels"][0] > 7 for item in made.items())


def test_the_columns_of_a_table_choose_among_its_files_by_their_types(home: Path, shapes: Path) -> None:
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    assert made.ledger() == {"seen": 30, "searchable": 30, "failed": 0, "waiting": 0}
    told = made.status()
    assert told["table"] == str(home / "items.csv")
    types = {"price": "number", "sold": "date", "shop": "category", "about": "text", "table.size": "category"}
    assert {name: kind for name, kind in told["columns"].items() if name in types} == types
    assert names(made, "price>100") == of(lambda row: row["price"] > 100)
    assert names(made, ["price<=50", "shop=上海"]) == of(lambda row: row["price"] <= 50 and row["shop"] == "上海")
    assert names(made, "sold=2024-03") == of(lambda row: "/3/" in row["sold"])
    assert names(made, "about~the 7th") == ["media/0007.png"]
    assert names(made, "table.size=s") == of(lambda row: row["size"] == "S")
    assert names(made, "size>0") == of(lambda row: True)  # a file's own
    hit = made.hits({"text": ["x"]}, k=1, where="price=35")[0][0]
    assert hit["row"]["about"] == ROWS[7]["about"]
    assert names(Collection(home / "p.index"), "price=35") == ["media/0007.png"]


def test_rows_that_change_come_and_leave_are_seen_and_only_new_files_encoded(
    home: Path, shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    monkeypatch.setattr("chiasm.collection._intake._take_in", lambda *_: pytest.fail("taken in again"))
    made.update()
    monkeypatch.undo()
    rows = [dict(row) for row in ROWS[2:]]
    rows[0]["price"] = 999
    make_pictures(home / "media" / "new", 1, seed=9)
    rows.append({**rows[-1], "image": "media/new/0000.png", "price": 1000})
    write(home / "items.csv", rows)
    made.update()
    assert made.ledger()["searchable"] == 29
    assert names(made, "price>=999") == ["media/0002.png", "media/new/0000.png"]
    assert "media/0000.png" not in names(made)
    assert made.verify()["sound"]


def test_every_row_is_a_file_or_is_told(home: Path, shapes: Path) -> None:
    (home.parent / "outside.png").write_bytes(b"x")
    rows = [dict(row) for row in ROWS]
    rows += [
        {**ROWS[0], "image": "media/gone.png"},
        {**ROWS[0], "image": "../outside.png"},
        {**ROWS[0], "image": "media/0000.png"},
        {**ROWS[0], "image": ""},
        {**ROWS[0], "image": "https://a.b/c.png"},
    ]
    write(home / "items.csv", rows)
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    assert made.ledger() == {"seen": 31, "searchable": 30, "failed": 1, "waiting": 0}
    assert [(one["file"], one["code"]) for one in made.failures()] == [("media/gone.png", "missing")]
    assert {one["file"]: one["code"] for one in made.passed()} == {
        "row 32, image": "outside",
        "row 33, image": "repeated",
        "row 34, image": "empty_cell",
        "row 35, image": "url",
    }
    shutil.copy(home / "media" / "0000.png", home / "media" / "gone.png")
    assert made.update()["searchable"] == 31


def test_a_value_of_another_type_later_is_unknown_and_loses_nothing(home: Path, shapes: Path) -> None:
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    write(home / "items.csv", [{**ROWS[0], "price": "ask us"}, *ROWS[1:]])
    made.update()
    assert made.ledger()["searchable"] == 30
    assert names(made, "price>=0") == of(lambda row: row["price"] > 0)
    assert made.passed()[-1]["file"] == "row 1, price"
    assert "is no number: 'ask us' is not known of" in made.passed()[-1]["message"]


def test_a_slip_or_two_make_no_text_of_numbers_and_dates_and_are_named(home: Path, shapes: Path) -> None:
    odd = [dict(row) for row in ROWS]
    odd[3]["price"], odd[7]["price"], odd[4]["sold"] = "abc", "n/k", "soon"
    write(home / "items.csv", odd)
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    assert (made.columns["price"], made.columns["sold"]) == ("number", "date")
    told = {one["file"]: one["code"] for one in made.passed()}
    assert told == {"row 4, price": "odd_cell", "row 8, price": "odd_cell", "row 5, sold": "odd_cell"}
    assert made.status()["passed_over"] == {"odd_cell": 3}
    assert made.ledger()["searchable"] == 30
    assert not set(names(made, "price>=0")) & {row["image"] for row in (odd[3], odd[7])}


def test_a_column_of_which_many_are_no_numbers_is_none(home: Path, shapes: Path) -> None:
    write(home / "items.csv", [{**row, "price": "abc" if i % 5 == 0 else row["price"]} for i, row in enumerate(ROWS)])
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    assert made.columns["price"] in ("category", "text")
    assert made.passed() == []


def test_a_table_that_is_gone_or_whose_files_are_loses_nothing(home: Path, shapes: Path) -> None:
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    (home / "items.csv").rename(home / "away.csv")
    assert "items.csv is not there" in Collection(home / "p.index").status()["problems"][0]
    with pytest.raises(ChiasmError, match=r"the table .*items\.csv is not there"):
        made.update()
    (home / "away.csv").rename(home / "items.csv")
    (home / "media").rename(home / "away")
    with pytest.raises(ChiasmError, match="none of the 30 files"):
        made.update()
    (home / "away").rename(home / "media")
    assert made.update()["searchable"] == 30
    write(home / "items.csv", [{"photo": row["image"]} for row in ROWS])
    with pytest.raises(ChiasmError, match="has no column 'image' any more"):
        made.update()


def test_the_table_may_lie_elsewhere_be_gbk_and_name_its_paths_otherwise(home: Path, shapes: Path) -> None:
    (home / "tables").mkdir()
    rows = [{"bild": Path(row["image"]).name, "shop": row["shop"]} for row in ROWS]
    write(home / "tables" / "t.csv", rows, "gb18030")
    options: dict[str, Any] = {"root": home / "media", "column": "bild", "encoding": "gb18030"}
    made = Collection.build(home / "p.index", shapes, home / "tables" / "t.csv", **options)
    assert names(made, "shop=上海") == [f"{i:04d}.png" for i in range(0, 30, 2)]
    with pytest.raises(ChiasmError, match="say which of its columns holds paths"):
        Collection.build(home / "q.index", shapes, home / "tables" / "t.csv", encoding="gb18030")
    with pytest.raises(ChiasmError, match="together with a table"):
        Collection.build(home / "q.index", shapes, home / "media", column="bild")
    with pytest.raises(ChiasmError, match="is the index of"):
        Collection.build(home / "p.index", shapes, home / "media")


@pytest.mark.slow
def test_the_command_builds_from_a_table(home: Path, shapes: Path, run: Any) -> None:
    done = run("index", "build", shapes, home / "items.csv", "--to", home / "p.index")
    assert f"of {home / 'items.csv'}" in done.stdout, done.stderr
    found = run("search", home / "p.index", "a red circle", "--where", "price=35", "--json")
    (hit,) = json.loads(found.stdout)["results"]
    assert (hit["item"], hit["row"]["shop"]) == ("media/0007.png", "Berlin")
    os.remove(home / "items.csv")
    assert "is not there" in run("index", "update", home / "p.index").stderr


def test_a_table_that_came_along_with_its_folder_is_read_at_its_new_place(home: Path, shapes: Path) -> None:
    made = Collection.build(home / "p.index", shapes, home / "items.csv")
    before = made.ledger()
    (home / "new").mkdir()
    for one in ("items.csv", "media"):
        (home / one).rename(home / "new" / one)
    made.update(folder=home / "new")
    assert made.ledger() == before
    assert made.status()["table"] == str(home / "new" / "items.csv")
