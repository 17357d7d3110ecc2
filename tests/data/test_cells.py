"""What a cell means: words for nothing, base64, blanks, spellings; and what is odd about ids, labels, categories."""

from __future__ import annotations

import base64
import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chiasm
from chiasm import ChiasmError
from chiasm.data.cells import MISSING
from chiasm.data.read import read_split
from chiasm.data.toy import shape_image
from chiasm.encode.tabular_record import TabularRecord
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmWarning
from chiasm.media.images import decode_image
from chiasm.views import Views
from conftest import Run, make_pictures

quiet = pytest.mark.filterwarnings("ignore::chiasm.errors.ChiasmWarning")


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def codes(views: Views) -> list[str]:
    return [note.code for _, _, note in views.notes]


def png(seed: int = 0) -> bytes:
    out = io.BytesIO()
    shape_image("red", "bar", seed=seed).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("word", [*MISSING[1:], "NaN", "NULL", "None", "N/A", "<NA>", " nan "])
def test_a_word_for_nothing_is_an_empty_cell_of_paths_and_vectors_and_the_row_keeps_its_id(
    tmp_path: Path, word: str
) -> None:
    make_pictures(tmp_path, 1)
    rows = table(tmp_path, f'p,v,t\n{word},{word},a\n0000.png,"[1, 2]",b\n{word},"[3, 4]",c\n')
    views = chiasm.read(rows, image="p", vector="v", text="t")
    assert views.present("p").tolist() == [False, True, False]
    assert views.present("v").tolist() == [False, True, True]
    assert views.ids.tolist() == ["row 1", "0000.png", "row 3"]
    assert views.things == 3


def test_words_for_nothing_stay_words_of_texts_labels_and_categories(tmp_path: Path) -> None:
    views = chiasm.read(table(tmp_path, "t,k,c\nnone,NA,null\nx,b,y\n"), text="t", label="k", category="c")
    assert views["t"].items == ["none", "x"]
    assert views.facts["label"].tolist() == ["NA", "b"]
    assert views["record"].items[0] == {"c": "null"}


def test_an_id_that_many_rows_share_is_warned_of(tmp_path: Path) -> None:
    rows = "".join(f"NaN,text {i}\n" for i in range(20)) + "".join(f"p{i},text {i}\n" for i in range(12))
    with pytest.warns(ChiasmWarning, match=r"column 'k': .*32 rows \('NaN' in 20\), which are one thing"):
        views = chiasm.read(table(tmp_path, f"k,t\n{rows}"), text="t", id="k")
    assert codes(views) == ["shared_id"]
    five = "".join(f"p{i // 12},text {i}\n" for i in range(60))
    assert codes(chiasm.read(table(tmp_path, f"k,t\n{five}"), text="t", id="k")) == []  # twelve captions of a picture
    spread = "".join('{"k": "a", "t": ["' + '", "'.join(f"{i} {j}" for j in range(30)) + '"]}\n' for i in range(1))
    spread += '{"k": "b", "t": "x"}\n'
    assert codes(chiasm.read(table(tmp_path, spread, "t.jsonl"), text="t", id="k")) == []  # one row, a list of texts


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["null", "null", "a", "b"], "'null' in 2"),
        (["病人"] * 30 + [f"p{i}" for i in range(30)], "'病人' in 30"),
        (["0"] * 15 + ["n/a"] * 3 + [f"{i}" for i in range(1, 9)], "'n/a' in 3, '0' in 15"),
    ],
)
def test_other_ids_that_many_rows_share_are_warned_of_too(tmp_path: Path, ids: list[str], said: str) -> None:
    rows = "".join(f"{one},text {i}\n" for i, one in enumerate(ids))
    with pytest.warns(ChiasmWarning, match=said):
        chiasm.read(table(tmp_path, f"k,t\n{rows}"), text="t", id="k")


@pytest.mark.parametrize("word", ["NaN", "null", "NA", "n/a", "None", "<NA>"])
def test_a_word_for_nothing_is_no_group_that_rows_share(tmp_path: Path, word: str) -> None:
    rows = table(tmp_path, f"g,t\n{word},a\n{word},b\n病人 1,c\n病人 1,d\n,e\n")
    with pytest.warns(ChiasmWarning, match=rf"column 'g': 2 of 5 rows have no group \('{word}' in 2\): each is one"):
        views = chiasm.read(rows, text="t", group="g")
    assert views.group.tolist() == ["", "", "病人 1", "病人 1", ""]
    assert views.clusters.tolist() == [0, 1, 2, 2, 3]
    assert codes(views) == ["no_group"]


@quiet
def test_blanks_around_labels_are_no_part_of_them(tmp_path: Path) -> None:
    for blank in (" ", "\u3000", "\t", "\u00a0", "\u200b"):
        views = chiasm.read(
            table(tmp_path, f"t,k\na,{blank}积极\nb,积极{blank}\nc,积极\nd,{blank}\n"), text="t", label="k"
        )
        assert views.facts["label"].tolist() == ["积极", "积极", "积极", ""]
    tags = chiasm.read(table(tmp_path, '{"t": "a", "k": [" red", "blue\u3000"]}', "t.jsonl"), text="t", label="k")
    assert tags.facts["label"].tolist() == ['["red", "blue"]']
    several = chiasm.read(table(tmp_path, "t,k,l\na, x , y\n"), text="t", label=["k", "l"], where={"k": "x"})
    assert several.facts["label"].tolist() == ['{"k": "x", "l": "y"}']


def labelled(folder: Path, labels: list[str]) -> Views:
    rows = "".join(f"text {i},{label}\n" for i, label in enumerate(labels))
    return chiasm.read(table(folder, f"t,k\n{rows}"), text="t", label="k")


def test_spellings_of_one_label_are_warned_of_with_counts_and_never_merged(tmp_path: Path) -> None:
    with pytest.warns(ChiasmWarning, match=r"'positive' 9 / 'Positive' 3; .*`ask` counts answers as one"):
        views = labelled(tmp_path, ["positive"] * 9 + ["Positive"] * 3 + ["negative"] * 9)
    assert set(views.facts["label"]) == {"positive", "Positive", "negative"}
    with pytest.warns(ChiasmWarning, match=r"'1' 5 / '1\.0' 4 / '01' 3"):
        labelled(tmp_path, ["1"] * 5 + ["1.0"] * 4 + ["01"] * 3 + ["2"] * 5)


def test_classes_of_one_or_two_rows_are_warned_of(tmp_path: Path) -> None:
    with pytest.warns(ChiasmWarning, match=r"column 'k': 2 of 3 classes have one or two rows.*'猫' 2, 'bird' 1"):
        labelled(tmp_path, ["dog"] * 9 + ["猫"] * 2 + ["bird"])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["1"] * 12 + ["2"], r"1 of 2 classes have one or two rows.*'2' 1"),
        (["是"] * 12 + ["否"] * 12 + ["不确定"] * 2, r"1 of 3 classes .*'不确定' 2"),
        (list("abcdefghijkl"), r"12 of 12 classes .*'a' 1, 'b' 1, 'c' 1 and 9 more"),
    ],
)
def test_small_classes_of_every_kind_are_warned_of(tmp_path: Path, labels: list[str], said: str) -> None:
    with pytest.warns(ChiasmWarning, match=said):
        labelled(tmp_path, labels)


@pytest.mark.parametrize("kind", ["numbers", "with holes", "renamed"])
def test_every_kind_of_category_of_its_own_is_warned_of(tmp_path: Path, kind: str) -> None:
    held = [None if kind == "with holes" and i == 5 else i if kind == "numbers" else f"编号{i}" for i in range(14)]
    rows = "\n".join(json.dumps({"用户": one, "t": "x"}) for one in held)
    named = {"who": "用户"} if kind == "renamed" else "用户"
    with pytest.warns(ChiasmWarning, match=r"column '用户': each of its 1[34] rows has a category of its own"):
        chiasm.read(table(tmp_path, rows, "t.jsonl"), text="t", category=named)


@pytest.mark.filterwarnings("error::chiasm.errors.ChiasmWarning")
def test_labels_in_order_and_numbers_to_predict_are_not_warned_of(tmp_path: Path) -> None:
    labelled(tmp_path, ["dog"] * 9 + ["cat"] * 3)
    labelled(tmp_path, [f"{i / 7:.2f}" for i in range(30)] + ["1", "1.0"])


def test_a_category_of_its_own_in_every_row_is_warned_of(tmp_path: Path) -> None:
    rows = "".join(f"u{i},{'MF'[i % 2]}\n" for i in range(12))
    with pytest.warns(ChiasmWarning, match=r"column 'user': each of its 12 rows has a category of its own"):
        views = chiasm.read(table(tmp_path, f"user,sex\n{rows}"), category=["user", "sex"])
    assert codes(views) == ["unique_category"]


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff\u200d", "\u3000", "\u2800", "\u3164", "\u00ad", "\ufe0f \u2060"])
def test_a_text_of_which_nothing_can_be_seen_is_empty(tmp_path: Path, unseen: str) -> None:
    views = chiasm.read(table(tmp_path, f"a,b\n{unseen},x\n👩\u200d👩,y\n"), text=["a", "b"])
    assert views.present("a").tolist() == [False, True]


@quiet
def test_composed_and_decomposed_characters_are_one_text_label_and_id(tmp_path: Path) -> None:
    one, two = (unicodedata.normalize(form, "é 한") for form in ("NFC", "NFD"))
    assert one != two
    views = chiasm.read(table(tmp_path, f"t,k,i\n{one},{one},{one}\n{two},{two},{two}\n"), text="t", label="k", id="i")
    assert views["t"].items == [one]
    assert set(views.facts["label"]) == {one}
    assert views.things == 1
    split = table(tmp_path, f"id,split\n{two},restval\n", "s.csv")
    assert read_split(split, views).tolist() == ["train", "train"]
    accents = "e" + "\u0301" * 100_000  # composing such a one takes seconds
    assert chiasm.read(table(tmp_path, f"t,u\n{accents},x\n"), text="t")["t"].items == [accents]


def test_a_column_is_found_by_its_name_however_its_accents_are_spelled(tmp_path: Path) -> None:
    one, two = (unicodedata.normalize(form, "légende 한") for form in ("NFC", "NFD"))
    for stored, asked in [(one, two), (two, one)]:
        for file in (
            table(tmp_path, f"{stored},k\na,x\nb,y\n"),
            table(tmp_path, f'{{"{stored}": "a", "k": "x"}}\n{{"{stored}": "b", "k": "y"}}', "t.jsonl"),
        ):
            views = chiasm.read(file, text=asked, where={"k": "x"})
            assert (views.names, views[one].items) == ([one], ["a"])
            assert chiasm.read(file, text="k", id=asked, label=[asked]).ids.tolist() == ["a", "b"]


def test_every_number_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    rows = table(tmp_path, "年龄,w,t\n1,2,a\nabc,x,b\n3,?,c\n未知,4,d\n")
    with pytest.raises(ChiasmError) as caught:
        chiasm.read(rows, number=["年龄", "w"])
    for piece in ("column '年龄', row 2", "'abc'", "column '年龄', row 4: got '未知'", "column 'w', row 2: got 'x'"):
        assert piece in str(caught.value)


def test_every_vector_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    rows = table(tmp_path, 'v,t\n"[1, 2]",a\n"[1, 2, 3]",b\nx y,c\n"[3, 4]",d\n"[[1, 2]]",e\n')
    with pytest.raises(ChiasmError, match=r"3 numbers, not 2, in row 2, 'x y' in row 3, .*row 5"):
        chiasm.read(rows, vector="v")


def test_vectors_that_are_not_finite_are_warned_of(tmp_path: Path) -> None:
    rows = table(tmp_path, 'v,t\n"[1, 2]",a\n"[NaN, 2]",b\n"[Infinity, 2]",c\n')
    with pytest.warns(ChiasmWarning, match=r"column 'v': 2 vectors that are not finite are left out \(row 2, 3\)"):
        assert chiasm.read(rows, vector="v").present("v").tolist() == [True, False, False]


@pytest.mark.parametrize("wild", ["inf", "-inf", "1e39", "1" + "0" * 400])
def test_one_number_out_of_range_empties_its_field_alone(tmp_path: Path, wild: str) -> None:
    rows = table(tmp_path, f"age,sex\n30,F\n{wild},M\n50,M\n40,F\n")
    views = chiasm.read(rows, number="age", category="sex")
    encoded, report = Encoding().fit(views).apply(views)
    assert encoded.present("record").all()
    assert [(note.code, note.skipped) for _, _, note in report.notes] == [("not_finite", False)]
    encoder = TabularRecord().fit([{"age": 30.0, "sex": "F"}, {"sex": "M"}])
    np.testing.assert_array_equal(
        encoder.encode([{"age": float("inf"), "sex": "M"}]), encoder.encode([{"age": None, "sex": "M"}])
    )
    assert encoder.content({"age": float("inf"), "sex": "M"}) == encoder.content({"sex": "M"})


@pytest.mark.parametrize("form", ["bare", "uri", "urlsafe", "lines", "no padding"])
def test_a_picture_as_base64_is_read(tmp_path: Path, form: str) -> None:
    made = [png(seed) for seed in range(3)]
    spelled = [base64.b64encode(data).decode() for data in made]
    cells = {
        "bare": spelled,
        "uri": [f"data:image/png;base64,{s}" for s in spelled],
        "urlsafe": [base64.urlsafe_b64encode(data).decode() for data in made],
        "lines": ["\n".join(s[i : i + 76] for i in range(0, len(s), 76)) for s in spelled],
        "no padding": [s.rstrip("=") for s in spelled],
    }[form]
    views = chiasm.read(table(tmp_path, "p,t\n" + "".join(f'"{c}",x{i}\n' for i, c in enumerate(cells))), image="p")
    assert views["p"].items == made
    assert views.ids.tolist() == ["row 1", "row 2", "row 3"]
    assert decode_image(views["p"].items[0], 8)[0].size == (8, 8)


@pytest.mark.parametrize(
    "cell",
    [
        "data:image/png;base64,@@@@" + "A" * 3000,
        "data:image/png," + "x" * 3000,
        "x" * 5000,
        "/9j/" + "?" * 3000,
        "../" * 900 + "a.png",
        "https://example.org/" + "a" * 3000,
    ],
)
def test_a_long_cell_is_cut_in_the_sentence(tmp_path: Path, cell: str) -> None:
    with pytest.raises(ChiasmError) as caught:
        chiasm.read(table(tmp_path, f'p,t\n"{cell}",x\n'), image="p")
    assert len(str(caught.value)) < 700


def test_the_command_line_says_what_is_odd_in_a_line(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"text number {i},{'Good' if i == 3 else ['good', 'bad'][i % 2]}\n" for i in range(40))
    options: list[Any] = ["--text", "t", "--label", "k", "--encoder", "t=hashed_text", "--to", tmp_path / "m"]
    done = run("fit", "classify", table(tmp_path, f"t,k\n{rows}"), *options)
    assert done.returncode == 0, done.stderr
    assert "note: column 'k': labels that are spelled alike are different classes: 'good' 20 / 'Good' 1;" in done.stderr
    assert "Warning" not in done.stderr
