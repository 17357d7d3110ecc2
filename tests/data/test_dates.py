"""Columns of dates become parts of a record, however they are written; what is no date is told with its row."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chiasm
from chiasm.cli import main
from chiasm.data.dates import PARTS, date_parts
from chiasm.data.source import Source
from chiasm.errors import ChiasmError
from chiasm.tasks.classify import Classify
from chiasm.tasks.regress import Regress

DAY = (dt.date(2024, 3, 5) - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    "cell",
    [
        "2024-03-05", "2024-3-5", "2024/3/5", "2024.03.05", "20240305", 20240305, "5.3.2024", "05.03.2024",
        "5 March 2024",
        "5-Mar-2024", "March 5, 2024", "Mar 5th 2024", "Tue, 05 Mar 2024",
        "2024年3月5日", "2024 年 03 月 05 日", "２０２４年３月５号",
        dt.date(2024, 3, 5), np.datetime64("2024-03-05", "D").astype(dt.date),
    ],
)  # fmt: skip
def test_a_date_is_the_same_however_it_is_written(cell: Any) -> None:
    parts = date_parts([cell], "日期")
    assert parts is not None
    assert [parts[name][0] for name in PARTS[:5]] == [DAY, 2024, 3, "Tuesday", None]


@pytest.mark.parametrize(
    "cell",
    [
        "2024-03-05T14:30", "2024-03-05 14:30:00", "2024-03-05T14:30:00Z",
        "2024-03-05 14:30:00.250+08:00", "2024/3/5 2:30 PM",
        "2024年3月5日14时30分", "2024年3月5日 下午2点30分", "2024年3月5日 14:30",
        "Tue, 05 Mar 2024 14:30:00 GMT", "20240305T14:30",
        dt.datetime(2024, 3, 5, 14, 30), pd.Timestamp("2024-03-05 14:30"), np.datetime64("2024-03-05T14:30"),
    ],
)  # fmt: skip
def test_the_time_of_day_is_read_as_it_is_written(cell: Any) -> None:
    parts = date_parts([cell], "t")
    assert parts is not None
    assert parts["hour"] == [14.5]
    assert parts["days"] == [DAY + 14.5 / 24]


def test_the_ends_of_the_year_and_of_the_day_lie_side_by_side() -> None:
    parts = date_parts(["2023-12-31 23:59", "2024-01-01 00:01", "2024-07-01 12:00"], "t")
    assert parts is not None
    for circle in ("year", "day"):
        points = np.array([parts[f"{circle} sin"], parts[f"{circle} cos"]]).T
        assert np.allclose(np.linalg.norm(points, axis=1), 1)
        assert np.linalg.norm(points[0] - points[1]) < 0.05
        assert np.linalg.norm(points[0] - points[2]) > 1.9


def test_of_dates_with_slashes_the_column_tells_whether_the_day_stands_first() -> None:
    first, second = date_parts(["5/3/2024", "25/3/2024"], "t"), date_parts(["3/5/2024", "3/25/2024"], "t")
    assert first is not None
    assert second is not None
    assert first["days"] == second["days"] == [DAY, DAY + 20]
    alike = date_parts(["7/7/2024"], "t")
    assert alike is not None
    assert alike["month"] == [7]


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["2024-03-05", "明天"], "column '日期', row 2: wanted a date, got '明天': write it as 2024-03-05"),
        (["2024-02-30"], "row 1: wanted a date, got '2024-02-30'"),
        (["2024-03-05", "3/5/2024"], "row 2: .*'3/5/2024': does the day or the month stand first"),
        (["25/3/2024", "3/25/2024"], "row 2: .*the other way round"),
        (["5/3/24"], "row 1: wanted a date, got '5/3/24'"),
        ([1709596800], "row 1: wanted a date, got '1709596800'"),
        (["2024-03-05 25:00"], "row 1: wanted a date, got '2024-03-05 25:00'"),
        ([None, "n/a", ""], "empty in all 3 rows"),
    ],
)
def test_a_cell_that_is_no_date_is_told_with_its_row(cells: list[Any], sentence: str) -> None:
    with pytest.raises(ChiasmError, match=sentence):
        chiasm.read({"日期": cells}, date="日期")


def test_dates_are_fields_of_the_record_beside_numbers_and_empty_cells_are_missing() -> None:
    views = chiasm.read({"when": ["2024-03-05", "NA", None], "n": ["1", "2", "-"]}, number="n", date="when")
    assert views.names == ["record"]
    assert views.present("record").tolist() == [True, True, False]
    first, second = views["record"].items
    assert first["when weekday"] == "Tuesday"
    assert (second["n"], second["when days"]) == (2, None)
    renamed = chiasm.read({"when": ["2024-03-05"]}, date={"买": "when"})
    assert renamed["record"].items[0]["买 month"] == 3
    with pytest.raises(ChiasmError, match="two fields would be named 'when days'"):
        chiasm.read({"when": ["2024-03-05"], "n": ["1"]}, number={"when days": "n"}, date="when")


def test_what_depends_on_the_weekday_and_the_trend_is_learned_from_a_date() -> None:
    days = [dt.date(2023, 1, 1) + dt.timedelta(days=i) for i in range(240)]
    weekend = np.array(["frei" if day.weekday() > 4 else "Arbeit" for day in days])
    views = chiasm.read({"tag": [str(day) for day in days]}, date="tag")
    model = Classify(fuse="early").fit(views[:200], weekend[:200])
    assert (model.answer(views[200:])[0] == weekend[200:]).all()
    assert (model.answer([{"tag": day} for day in days[200:]])[0] == weekend[200:]).all()
    trend = Regress(fuse="early").fit(views[:200:2], np.arange(0, 200, 2.0))
    assert np.abs(trend.answer(views[1:200:2])[0] - np.arange(1, 200, 2)).mean() < 8


def test_the_command_line_learns_from_dates_and_answers_a_table_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [dt.date(2023, 1, 1) + dt.timedelta(days=i) for i in range(120)]
    rows = [f"{d.year}年{d.month}月{d.day}日,{'周末' if d.weekday() > 4 else '工作日'}" for d in days]
    (tmp_path / "t.csv").write_text("\n".join(["日期,类", *rows]), encoding="utf-8")
    table, folder = str(tmp_path / "t.csv"), str(tmp_path / "m")
    main(["fit", "classify", table, "--date", "日期", "--label", "类", "--fuse", "early", "--to", folder])
    (tmp_path / "new.csv").write_text("日期\n2023-05-06\n2023-05-08\n", encoding="utf-8")
    main(["answer", folder, str(tmp_path / "new.csv"), "--to", str(tmp_path / "a.csv")])
    capsys.readouterr()
    assert pd.read_csv(tmp_path / "a.csv")["answer"].tolist() == ["周末", "工作日"]
    source = Source.of(chiasm.load(folder))
    assert source.date == ["日期"]
    assert source.read_gallery(table, "record", "record").names == ["record"]


def test_all_wrong_dates_are_told_at_once_the_first_few_by_row() -> None:
    cells = ["2024-03-05", "soon", "2024-02-30", "", "never", "2024-13-01", "x"]
    with pytest.raises(ChiasmError) as told:
        chiasm.read({"when": cells, "到": ["2024-03-05"] * 6 + ["以后"]}, date=["when", "到"])
    said = str(told.value)
    assert "column 'when', row 2: wanted dates in 5 cells, got 'soon'" in said
    assert "(also row 3: got '2024-02-30', row 5: got 'never', row 6: got '2024-13-01' and 1 more)" in said
    assert "column '到', row 7: wanted a date, got '以后'" in said


def test_a_wrong_date_among_ones_that_can_be_read_two_ways_is_told_first() -> None:
    with pytest.raises(ChiasmError, match="row 2: wanted a date, got 'soon'"):
        chiasm.read({"when": ["5/3/2024", "soon"]}, date="when")
