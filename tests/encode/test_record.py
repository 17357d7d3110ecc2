"""Records: numbers and categories of a row as one vector, checked against medians, quartiles and counts by hand."""

import csv
import json

import numpy as np
import pytest

import chiasm
from chiasm.encode.tabular_record import TabularRecord
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.views import Column, Views, as_views

PATIENTS = [
    {"年龄": 30.0, "血氧": 97.0, "性别": "女"},
    {"年龄": 40.0, "血氧": None, "性别": "男"},
    {"年龄": 50.0, "血氧": 91.0, "性别": "女"},
    {"年龄": 60.0, "血氧": 93.0, "性别": None},
    {"年龄": 70.0, "血氧": 95.0, "性别": "女"},
]


def column(encoder, items, name):
    return encoder.encode(items)[:, encoder.names_.index(name)]


def codes(encoder, item):
    return [(note.code, note.skipped) for note in encoder.attempt([item])[1].get(0, [])]


def test_a_number_is_its_distance_from_the_median_in_quartile_distances():
    encoder = TabularRecord().fit(PATIENTS)
    ages = np.array([30, 40, 50, 60, 70])
    known = (ages - 50) / ((60 - 40) / 1.349)
    np.testing.assert_allclose(column(encoder, PATIENTS, "年龄"), known, rtol=1e-6)


def test_the_scale_is_the_standard_deviation_where_numbers_are_normal():
    values = np.random.default_rng(0).normal(7, 3, size=20_000)
    encoder = TabularRecord().fit([{"x": v} for v in values])
    assert encoder.fields_["x"]["center"] == pytest.approx(7, abs=0.1)
    assert 1 / encoder.fields_["x"]["scale"] == pytest.approx(3, rel=0.03)


def test_wild_values_in_training_leave_the_others_apart_and_are_drawn_in():
    values = [*np.linspace(20, 80, 98), 6400.0, -1e30]
    encoder = TabularRecord().fit([{"age": v} for v in values])
    scaled = encoder.encode([{"age": v} for v in values])[:, 0]
    assert scaled[97] - scaled[0] > 2  # by mean and sd: less than 1e-20
    assert scaled[-2:].tolist() == [5, -5]


def test_a_field_that_is_mostly_zero_is_scaled_by_its_standard_deviation():
    values = np.array([0.0] * 9 + [10.0])
    encoder = TabularRecord().fit([{"n": v} for v in values])
    np.testing.assert_allclose(encoder.encode([{"n": 10.0}])[0, 0], 10 / values.std(), rtol=1e-6)


def test_a_constant_field_says_nothing_whatever_comes_later():
    encoder = TabularRecord().fit([{"a": 0.1, "b": i} for i in range(9)])
    assert column(encoder, [{"a": 0.1, "b": 1}, {"a": 900.0, "b": 1}], "a").tolist() == [0, 0]


def test_what_is_missing_is_marked_only_where_training_records_lacked_it():
    encoder = TabularRecord().fit(PATIENTS)
    assert encoder.names_ == ["年龄", "血氧", "血氧 missing", "性别=女", "性别=男", "性别 missing"]
    assert column(encoder, PATIENTS, "血氧 missing").tolist() == [0, 1, 0, 0, 0]
    assert column(encoder, PATIENTS, "血氧")[1] == 0
    assert column(encoder, PATIENTS, "性别=女").tolist() == [1, 0, 1, 0, 1]
    assert column(encoder, PATIENTS, "性别 missing").tolist() == [0, 0, 0, 1, 0]
    assert encoder.encode([{"血氧": 94.0}]).tolist()[0][3:] == [0, 0, 1]  # a field left out is a missing one


@pytest.mark.parametrize("nothing", [None, float("nan"), np.float32("nan")])
def test_none_and_nan_and_a_field_left_out_are_one_and_the_same(nothing):
    encoder = TabularRecord().fit(PATIENTS)
    one, other = {"年龄": 40.0, "血氧": nothing, "性别": "男"}, {"性别": "男", "年龄": 40}
    np.testing.assert_array_equal(encoder.encode([one]), encoder.encode([other]))
    assert encoder.content(one) == encoder.content(other)


def test_the_content_of_a_record_is_json_that_tells_numbers_from_texts():
    content = TabularRecord().content
    assert json.loads(content({"b": 1, "a": "一", "c": None})) == {"a": "一", "b": 1.0}
    assert content({"b": np.float32(0.5), "a": "x"}) == content({"a": " x ", "b": 0.5})
    assert content({"a": True}) == content({"a": 1}) == content({"a": 1.0}) != content({"a": "1.0"})
    assert content({"a": -0.0}) == content({"a": 0})


def test_the_commonest_categories_have_a_column_and_the_rest_share_one():
    items = [{"city": c} for c in "aaabbbccd"]
    encoder = TabularRecord(most=2).fit(items)
    assert encoder.names_ == ["city=a", "city=b", "city rare"]
    assert column(encoder, items, "city rare").tolist() == [0] * 6 + [1] * 3
    assert codes(encoder, {"city": "d"}) == []  # rare, yet known
    assert codes(encoder, {"city": "z"}) == [("unknown_category", False)]
    assert encoder.encode([{"city": "z"}]).tolist() == [[0, 0, 1]]


def test_an_unknown_category_has_no_column_where_training_had_no_rare_ones():
    encoder = TabularRecord().fit([{"c": "猫", "n": 1}, {"c": "狗", "n": 2}, {"c": "狗", "n": 3}])
    assert encoder.names_ == ["c=狗", "c=猫", "n"]
    assert encoder.encode([{"c": "鸟", "n": 2}]).tolist() == [[0, 0, 0]]
    assert codes(encoder, {"c": "鸟", "n": 2}) == [("unknown_category", False)]
    assert "c=鸟" in encoder.attempt([{"c": "鸟"}])[1][0][0].message


def test_a_field_that_training_records_lack_is_left_out_and_noted():
    encoder = TabularRecord().fit(PATIENTS)
    more = {**PATIENTS[0], "体温": 38.5}
    np.testing.assert_array_equal(encoder.encode([more]), encoder.encode(PATIENTS[:1]))
    assert codes(encoder, more) == [("unknown_field", False)]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({}, "empty"),
        ({"年龄": None, "性别": " "}, "empty"),
        ("年龄=40", "not_a_record"),
        ({1: 2.0}, "not_a_record"),
        ({"年龄": [40]}, "wrong_type"),
        ({"年龄": "forty"}, "wrong_type"),
        ({"性别": 1.0}, "wrong_type"),
        ({"年龄": float("inf")}, "not_finite"),
        ({"年龄": -1e39}, "not_finite"),
        ({"年龄": 10**5000}, "not_finite"),
    ],
    ids=["none", "blank", "text", "name", "list", "text for number", "number for text", "infinite", "large", "integer"],
)
def test_what_is_no_usable_record_is_skipped_with_its_reason(item, code):
    encoder = TabularRecord().fit([*PATIENTS, item] if code == "empty" else PATIENTS)
    assert codes(encoder, item) == [(code, True)]
    with pytest.raises(ChiasmError, match=code):
        encoder.encode([item])


def test_a_field_of_numbers_and_texts_is_refused_and_so_are_records_without_values():
    with pytest.raises(ChiasmError, match=r"field 'age': wanted numbers, or texts, got both \('unknown' in some"):
        TabularRecord().fit([{"age": 40}, {"age": "unknown"}])
    with pytest.raises(ChiasmError, match="got 2 items without any"):
        TabularRecord().fit([{}, {"age": None}])


def test_what_was_learned_survives_saving_with_many_chinese_categories(tmp_path):
    items = [{"城市": f"第{i % 45}城", "n": i} for i in range(200)]
    encoder = TabularRecord(most=40).fit(items)
    again = chiasm.load(chiasm.save(encoder, tmp_path / "record"))
    assert again.fingerprint == encoder.fingerprint
    assert again.names_ == encoder.names_
    np.testing.assert_array_equal(again.encode(items), encoder.encode(items))


def test_no_items_make_no_rows():
    assert TabularRecord().fit(PATIENTS).encode([]).shape == (0, 6)


def test_equal_records_are_one_item_of_a_column_and_keep_a_label_for_people():
    column = Column.from_cells("record", [{"a": 1.0, "b": "x"}, None, {"b": "x", "a": 1}, {"a": 1.0, "b": None}, {}])
    assert column.index.tolist() == [0, -1, 0, 1, 2]
    assert [column.label(i) for i in range(3)] == ["a=1.0, b=x", "a=1.0", "record 2"]
    odd = {"a": [1]}
    assert Column.from_cells("record", [odd, {"a": [1]}, odd]).index.tolist() == [0, 1, 0]  # told apart, not refused


def test_encoding_learns_records_from_training_rows_and_keeps_nothing_of_them_in_the_cache(cache):
    rows = [{"n": float(i), "c": "ab"[i % 2]} for i in range(20)] + [None, {"n": "?", "c": "b"}]
    views = as_views({"record": rows}, {"record": "record"})
    encoding = Encoding().fit(views[:20])
    assert repr(encoding.encoders_["record"]) == "TabularRecord()"
    encoded, report = encoding.apply(views)
    assert encoded["record"].width == 3
    assert encoded.present("record").tolist() == [True] * 20 + [False] * 2
    assert report.as_dict()["record"]["notes"] == {"wrong_type": 1}
    assert cache.info()["shelves"] == []


def test_rows_of_equal_records_are_twins():
    views = Views({"r": Column("record", [{"a": 1}, {"a": 1.0, "b": None}, {"a": 2}])})
    twins = Encoding().twins(views)
    assert twins[0] == twins[1] != twins[2]


@pytest.mark.slow
def test_the_command_line_reads_records_and_keeps_patients_whole(run, tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (f"{age}岁患者，编号{i}", age if i % 9 else "NA", "男女"[i % 2], f"病人{i // 3}")
        for i, age in enumerate(rng.integers(20, 80, size=180))
    ]
    with open(tmp_path / "t.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("说明", "年龄", "性别", "病人"), *rows])
    options = ("--text", "说明", "--number", "age=年龄", "--category", "性别", "--group", "病人")
    options += ("--encoder", "说明=hashed_text")
    done = run("encode", "t.csv", *options, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["encoders"]["record"].startswith("tabular_record-")
    fit = ("fit", "retrieve", "t.csv", *options, "--to", "m", "--write-split", "s.csv", "--json")
    done = run(*fit, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["views"] == {"说明": "text", "record": "record"}
    assert told["leaks"] == {"ids": 0, "groups": 0, "rows": 0, "equal": {"说明": 0}, "near": {"说明": 0}}
    with open(tmp_path / "s.csv", encoding="utf-8") as file:
        split = {row["id"]: row["split"] for row in csv.DictReader(file)}
    assert all(len({split[f"row {3 * p + i}"] for i in (1, 2, 3)}) == 1 for p in range(60))
    assert len(set(split.values())) == 3
    source = chiasm.load(tmp_path / "m").source_
    assert (source.number, source.category, source.group) == (["age=年龄"], ["性别"], "病人")
    assert run("score", "m", "t.csv", cwd=tmp_path).returncode == 0
    split["row 1"] = {"train": "test"}.get(split["row 2"], "train")
    with open(tmp_path / "s.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "split"), *split.items()])
    done = run("fit", "retrieve", "t.csv", *options, "--to", "m2", "--read-split", "s.csv", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 groups stand in more than one split" in done.stderr
