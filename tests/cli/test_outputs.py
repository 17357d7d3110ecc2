"""What comes out of the command line: csv that other programs read, matches, and sentences that say what to do."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import chiasm
from chiasm.cli import main
from chiasm.cli._shared import csv_bytes
from chiasm.tasks.classify import Classify
from chiasm.tasks.link import Link
from chiasm.tasks.match import Match
from chiasm.tasks.regress import Regress
from chiasm.tasks.retrieve import Retrieve
from chiasm.tasks.tag import Tag

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(160, 6))
A, B = (Z @ RNG.normal(size=(6, 9))).astype("f4"), (Z @ RNG.normal(size=(6, 8))).astype("f4")
CLASSES = ["good; 很好", 'so "so", 一般', "😐\nno 0.5"]
MOODS = np.array(CLASSES)[np.digitize(Z[:, 0], [-0.5, 0.5])]
TAGS = [["红; red"] * bool(x > 0) + ["with, comma"] * bool(y > 0) for x, y in Z[:, :2]]

Chiasm = Callable[..., Any]


@pytest.fixture
def chiasm_(capsys: pytest.CaptureFixture[str]) -> Chiasm:
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        code = 0
        try:
            main([str(one) for one in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet table of two vector columns and moods, tags and numbers."""
    folder = tmp_path_factory.mktemp("tables")
    held = {"左": A.tolist(), "b": B.tolist(), "mood": MOODS.tolist(), "tags": TAGS, "size": Z[:, 0].tolist()}
    parquet.write_table(pa.table(held), folder / "v.parquet")
    return folder


def fit(chiasm_: Chiasm, home: Path, task: str, *more: Any) -> Path:
    folder = home / f"{task}.chiasm"
    if not folder.exists():
        code, _, told = chiasm_(
            "fit", task, home / "v.parquet", "--vector", "左", "--vector", "b", *more, "--to", folder
        )  # fmt: skip
        assert code == 0, told
    return folder


def test_a_csv_of_classes_reads_back_whatever_their_names_hold(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    model = fit(chiasm_, home, "classify", "--label", "mood", "--fuse", "late")
    assert chiasm_("answer", model, home / "v.parquet", "--to", tmp_path / "a.csv")[0] == 0
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    frame = pd.read_csv(tmp_path / "a.csv")
    names = [f"p({c})" for c in sorted(CLASSES)]
    assert list(frame.columns) == list(rows[0]) == ["id", "answer", "confidence", "views", *names]
    told = json.loads(chiasm_("answer", model, home / "v.parquet", "--json")[1])
    for place, want in enumerate(told):
        assert rows[place]["answer"] == frame["answer"][place] == want["answer"]
        assert {c: float(rows[place][f"p({c})"]) for c in CLASSES} == want["probabilities"]
        assert frame["confidence"][place] == want["confidence"]


def test_a_csv_of_tags_reads_back_as_labels(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    model = fit(chiasm_, home, "tag", "--label", "tags", "--fuse", "late")
    chiasm_("answer", model, home / "v.parquet", "--to", tmp_path / "a.csv")
    frame = pd.read_csv(tmp_path / "a.csv")
    told = json.loads(chiasm_("answer", model, home / "v.parquet", "--json")[1])
    assert [json.loads(cell) for cell in frame["answer"]] == [row["answer"] for row in told]
    assert frame["p(红; red)"].tolist() == [row["probabilities"]["红; red"] for row in told]


def test_an_answer_made_of_fewer_views_says_so_on_its_line(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    model = fit(chiasm_, home, "classify", "--label", "mood", "--fuse", "late")
    some = pa.table({"左": [*A[:2].tolist(), None], "b": [B[0].tolist(), None, None]})
    parquet.write_table(some, tmp_path / "some.parquet")
    _, out, told = chiasm_("answer", model, tmp_path / "some.parquet")
    ends = [line.partition("(by ")[2] for line in out.splitlines()]
    assert ends == ["", "1 of 2 views)", "none of 2 views)"]
    assert "in what is asked" not in told
    parquet.write_table(some.select(["左"]).slice(0, 2), tmp_path / "left.parquet")
    _, out, told = chiasm_("answer", model, tmp_path / "left.parquet")
    assert "(by " not in out  # alike for all, and told once
    assert "note: no b in what is asked: answered by the others" in told


def test_no_two_columns_of_a_csv_share_a_name(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    model = fit(chiasm_, home, "detect")
    assert chiasm_("detect", model, home / "v.parquet", "--to", tmp_path / "d.csv")[0] == 0
    head = next(csv.reader(io.StringIO((tmp_path / "d.csv").read_text(encoding="utf-8"))))
    assert head == ["id", "p", "surprise", "unusual", "p of 左", "p of b", "p of 左, b", "左", "b"]
    assert csv_bytes(["id", "p", "id", "id 2", "id"], []) == b"id,p,id 2,id 2 2,id 3\r\n"


@pytest.mark.parametrize("command", ["answer", "score", "detect", "match", "search", "labels"])
def test_the_table_of_vectors_that_was_learned_from_is_taken_by_every_command(
    chiasm_: Chiasm, home: Path, command: str
) -> None:
    table = home / "v.parquet"
    if command in ("answer", "score"):
        told = chiasm_(command, fit(chiasm_, home, "classify", "--label", "mood", "--fuse", "late"), table, "--json")
    elif command in ("detect", "match"):
        told = chiasm_(command, fit(chiasm_, home, command), table, "--json")
    elif command == "search":
        within = Retrieve(align="cca").fit({"左": A, "b": B})
        hits = within.hits({"左": A[:1]}, within=chiasm.read(table, vector=["左", "b"]), k=1)
        assert hits[0][0]["id"] == "row 1"
        return
    else:
        told = chiasm_("doctor", "labels", table, "--vector", "左", "--vector", "b", "--label", "mood", "--json")
    assert told[0] == 0, told[2]
    assert json.loads(told[1])


def test_broken_pairs_of_a_table_are_told_with_a_probability(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    model = fit(chiasm_, home, "match", "--align", "cca")
    code, out, _ = chiasm_("score", model, home / "v.parquet", "--json")
    assert code == 0
    assert json.loads(out)["auc"]["value"] > 0.9
    mixed = pa.table({"左": A[:12].tolist(), "b": [*B[:6].tolist(), *B[20:25].tolist(), None]})
    parquet.write_table(mixed, tmp_path / "new.parquet")
    code, out, err = chiasm_("match", model, tmp_path / "new.parquet", "--json", "--to", tmp_path / "m.csv")
    rows = json.loads(out)
    assert [row["answer"] for row in rows[:11]] == [True] * 6 + [False] * 5
    assert rows[11]["probability"] == 0.5
    assert "1 of 12 rows have fewer than two forms" in err
    frame = pd.read_csv(tmp_path / "m.csv")
    assert frame.columns.tolist() == ["id", "answer", "probability", "views"]
    assert frame["probability"].tolist() == [row["probability"] for row in rows]
    shown = chiasm_("match", model, tmp_path / "new.parquet")[1].splitlines()
    assert [" together " in line for line in shown] == [True] * 6 + [False] * 6
    assert "not judged" in shown[11]


def test_other_models_are_led_to_the_command_that_asks_them(chiasm_: Chiasm, home: Path) -> None:
    matcher = fit(chiasm_, home, "match", "--align", "cca")
    assert f"chiasm match {matcher} ... asks it" in chiasm_("answer", matcher, home / "v.parquet")[2]
    detector = fit(chiasm_, home, "detect")
    assert "chiasm fit match" in chiasm_("match", detector, home / "v.parquet")[2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["search", "m", "a", "dog"], 'got 1 word more than WORDS: quote what belongs together: "a dog".'),
        (["search", "m", "猫", "和", "狗"], 'got 2 words more than WORDS: quote what belongs together: "猫 和 狗".'),
        (["score", "m", "my", "table.csv"], 'got 1 word more than DATA: quote what belongs together: "my table.csv".'),
        (["fit", "classify", "a", "b", "--label", "x", "--to", "m"], 'quote what belongs together: "a b".'),
    ],
)  # fmt: skip
def test_words_without_quotes_are_told_to_be_quoted(chiasm_: Chiasm, words: list[str], told: str) -> None:
    code, _, err = chiasm_(*words)
    assert code == 2
    assert told in err


@pytest.mark.parametrize("how", [("align", "--pairs"), ("fuse", "--rows", "--label", "mood")])
def test_a_comparison_of_more_than_there_is_is_an_error_that_says_how_many(
    chiasm_: Chiasm, home: Path, how: tuple[str, ...]
) -> None:
    columns = ("--vector", "左", "--vector", "b", "--seeds", 1, *how[2:])
    code, out, err = chiasm_("compare", how[0], home / "v.parquet", *columns, how[1], 5000)
    assert (code, out) == (1, "")
    assert "nothing to compare: wanted 5000" in err
    assert "got 1" in err


def test_answers_hits_and_scores_are_data_frames_and_tables_of_a_notebook() -> None:
    views, ids = {"左": A, "b": B}, list(range(5))
    new = {"左": A[:5], "b": B[:5]}
    model = Classify(fuse="late").fit(views, MOODS)
    answers = model.answer(new)
    frame = answers.to_pandas()
    assert frame["id"].tolist() == ids
    assert frame["answer"].tolist() == answers[0].tolist()
    assert np.array_equal(frame[[f"p({c})" for c in sorted(CLASSES)]].to_numpy(), answers.outputs)
    assert "good; 很好" in answers._repr_html_()
    tags = Tag(fuse="late").fit(views, TAGS).answer(new)
    assert tags.to_pandas()["answer"].tolist() == tags[0].tolist()
    numbers = Regress(fuse="late").fit(views, Z[:, 0]).answer(new).to_pandas()
    assert numbers.columns.tolist() == ["id", "answer", "plus_minus_90", "views"]
    matched = Match(align="cca").fit(views).answer(new)
    assert matched.to_pandas()["probability"].tolist() == matched[1].tolist()
    search = Retrieve(align="cca").fit(views)
    hits = search.hits({"左": A[:2]}, k=3)
    assert hits.to_pandas()["query"].tolist() == [0, 0, 0, 1, 1, 1]
    assert search.answer({"左": A[:2]}, k=3).to_pandas()["item"].tolist() == hits.to_pandas()["item"].tolist()
    assert "<th>score</th>" in hits._repr_html_()
    links = Link(align="cca").fit({"左": A[:100], "b": B[:100]}).answer({"左": A[100:110]}, {"b": B[100:110]})
    assert len(links.to_pandas()) == len(links[0])
    score = search.score({"左": A, "b": B}, allow_train=True)
    found = score.to_pandas().set_index("figure")
    assert found.loc["directions.0.R@1", "value"] == score.table["directions"][0]["R@1"]["value"]
    assert "<pre>" in score._repr_html_()


def test_a_table_of_a_notebook_escapes_what_the_data_holds() -> None:
    y = np.where(Z[:, 0] > 0, "<b>x</b>", "y & z")
    shown = Classify(fuse="late").fit({"a": A, "b": B}, y).answer({"a": A[:60], "b": B[:60]})._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert "and 10 more rows" in shown


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(chiasm.ChiasmError, match=r"pip install 'chiasm\[pandas\]'"):
        chiasm.score.Score(0.5, {"rows": 3}).to_pandas()


def test_pairs_and_what_is_absent_are_counted_and_told(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    few = [None if row % 6 else one for row, one in enumerate(B.tolist())]
    moods = ["" if row == 7 else mood for row, mood in enumerate(MOODS.tolist())]
    split = ["test" if row >= 120 else "train" for row in range(160)]
    held = {"左": A.tolist(), "b": few, "mood": moods, "s": split}
    parquet.write_table(pa.table(held), tmp_path / "few.parquet")
    named = (tmp_path / "few.parquet", "--vector", "左", "--vector", "b", "--split", "s")
    code, out, err = chiasm_("fit", "retrieve", *named, "--align", "cca", "--to", tmp_path / "r")
    assert code == 0, err
    first, *others = out.splitlines()
    assert first.startswith("learned from 20 of 160 things (120 train, 40 test)")
    assert "pairs: 27 of 160 things have 左 + b, 20 of them learned from" in others
    assert "b: absent in 133 of 160 rows" in others
    out = chiasm_("fit", "match", *named, "--align", "cca", "--to", tmp_path / "m")[1]
    assert out.startswith("learned from 20 of 160 things")
    told = chiasm_("fit", "classify", *named, "--label", "mood", "--fuse", "late", "--to", tmp_path / "c", "--json")
    counts = json.loads(told[1])["counts"]
    assert counts["absent"] == {"左": 0, "b": 133}
    assert counts["pairs"] == {"左 + b": {"all": 27, "learned": 20}}
    assert counts["unlabeled"] == 1
    out = chiasm_("fit", "classify", *named, "--label", "mood", "--fuse", "late", "--to", tmp_path / "c")[1]
    assert "b: absent in 133 of 160 rows" in out
    assert "label: absent in 1 of 160 rows" in out
    assert chiasm.load(tmp_path / "c").counts_ == counts


def test_of_three_views_each_pair_is_counted_and_of_whole_rows_nothing_is_told() -> None:
    from chiasm.measure.coverage import coverage, told
    from chiasm.views import Column, Views

    cells = {"a": ["x", "y", None, "z"], "b": ["u", None, "v", "w"], "c": [None, None, None, "t"]}
    views = Views({name: Column.from_cells("text", held) for name, held in cells.items()}, ["1", "2", "2", "3"])
    found = coverage(views, np.array([True, True, True, False]))
    assert found["pairs"] == {
        "a + b": {"all": 3, "learned": 2},  # thing 2 has its two views in two rows
        "a + c": {"all": 1, "learned": 0},
        "b + c": {"all": 1, "learned": 0},
    }
    assert found["whole"] == {"all": 3, "learned": 2}
    assert "pairs: 1 of 3 things have a + c, 0 of them learned from" in told(found, pairs=True)
    whole = Views({"a": Column("text", ["x", "y"]), "b": Column("text", ["u", "v"])})
    assert told(coverage(whole, np.ones(2, bool)), pairs=True) == []


@pytest.mark.parametrize("task", ["classify", "tag", "match"])
def test_the_rows_of_an_answer_in_json_tell_what_of_them_was_altered_or_could_not_be_read(
    chiasm_: Chiasm, tmp_path: Path, task: str
) -> None:
    rows = [{"说": f"{'red' if i % 2 else 'blue'} {i}", "v": B[i].tolist(), "k": "ab"[i % 2]} for i in range(60)]
    rows = [row | {"k": [row["k"]]} if task == "tag" else row for row in rows]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    options = ["--label", "k", "--fuse", "late"] if task != "match" else ["--align", "cca"]
    columns = ("--text", "说", "--vector", "v", "--encoder", "说=hashed_text")
    assert chiasm_("fit", task, tmp_path / "t.jsonl", *columns, *options, "--to", tmp_path / "m")[0] == 0
    asked = [{"说": "red", "v": B[0].tolist()}, {"说": "red " * 9000, "v": B[1].tolist()}, {"v": B[2].tolist()}]
    (tmp_path / "n.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    command = "match" if task == "match" else "answer"
    code, out, err = chiasm_(command, tmp_path / "m", tmp_path / "n.jsonl", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [row.get("notes") for row in told] == [None, ["说: read the first 20000 of 36000 characters [cut]"], None]


def test_notes_of_reading_stand_in_the_json_of_detect(chiasm_: Chiasm, home: Path, tmp_path: Path) -> None:
    model = fit(chiasm_, home, "detect")
    mixed = [one if row else [float("nan")] * len(one) for row, one in enumerate(A[:12].tolist())]
    parquet.write_table(pa.table({"左": mixed, "b": B[:12].tolist()}), tmp_path / "new.parquet")
    told = json.loads(chiasm_("detect", model, tmp_path / "new.parquet", "--json")[1])
    assert told["notes"] == ["column '左': 1 vectors that are not finite are left out (row 1)"]
