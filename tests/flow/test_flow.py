"""A flow: seven stages and what each leaves; nothing unchanged is made again; deaths, changes and wrong files."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import _tiny
import chiasm
from chiasm.cli import main
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.flow import STAGES, Done, flow, read_plan
from chiasm.flow.stages import Stages

LEFT = {
    "data": ["split.csv"],
    "pretrained": ["encoders.chiasm", "items.csv"],
    "multimodal": ["space.chiasm"],
    "transfer": ["source.chiasm"],
    "fine-tune": ["target.chiasm"],
    "answers": ["answers.csv"],
    "report": ["report.html", "score.json"],
}
FLOW = """
to = "flow"
[data]
from = "posts.csv"
text = ["title", "body"]
label = "mood"
[pretrained]
text = "bow_text"
[multimodal]
align = "cca"
[transfer]
from = "reviews.csv"
label = "stars"
fuse = "late"
[fine-tune]
fuse = "late"
[answers]
from = "new.csv"
[report]
"""
SAID = {1: ["lovely", "happy", "great", "喜欢"], 0: ["awful", "sad", "never", "失望"]}


def write(file: Path, n: int, column: str, labels: dict[int, str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    with open(file, "w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(["title", "body", column])
        for i in range(n):
            good = int(rng.integers(2))
            title, body = (rng.choice(SAID[good if rng.random() < 0.8 else 1 - good]) for _ in range(2))
            table.writerow([f"{title} {seed + i}", f"{body} day {seed + i}", labels[good]])


def read(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the flow has run once."""
    folder = tmp_path_factory.mktemp("flow")
    write(folder / "posts.csv", 60, "mood", {1: "good", 0: "bad"}, 0)
    write(folder / "reviews.csv", 80, "stars", {1: "five", 0: "one"}, 1000)
    write(folder / "new.csv", 5, "mood", {1: "", 0: ""}, 2000)
    (folder / "flow.toml").write_text(FLOW, encoding="utf-8")
    done = flow(folder / "flow.toml")
    assert [one.why for one in done] == ["not made yet"] * 7
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(made, tmp_path / "home"))


def again(home: Path, text: str = FLOW) -> list[Done]:
    (home / "flow.toml").write_text(text, encoding="utf-8")
    return flow(home / "flow.toml")


def remade(done: list[Done]) -> list[str]:
    return [one.stage for one in done if one.why]


def test_seven_stages_each_leave_their_files_and_a_second_run_makes_none_again(home: Path) -> None:
    for number, stage in enumerate(STAGES):
        names = sorted(path.name for path in (home / "flow" / f"{number + 1}-{stage}").iterdir())
        assert [name for name in names if not name.startswith(".")] == LEFT[stage]
    assert remade(flow(home / "flow.toml")) == []


def test_what_a_flow_leaves_are_models_like_any_other(home: Path) -> None:
    to = home / "flow"
    target = chiasm.load(to / "5-fine-tune" / "target.chiasm")
    assert list(target.views_) == ["title", "body", "space", "source"]
    assert target.fuser_.widths_["source"] == 2  # the probabilities of one and five
    answers = read(to / "6-answers" / "answers.csv")
    assert [row["views"] for row in answers] == ["4"] * 5
    score = json.loads((to / "7-report" / "score.json").read_text(encoding="utf-8"))
    assert set(score["leave_one_out"]) == {"title", "body", "space", "source"}
    assert score["rows"] == 12
    labels, _ = target.answer({"title": ["lovely 1"]})  # without the flow, by what is there
    assert labels[0] in ("good", "bad")
    assert chiasm.load(to / "3-multimodal" / "space.chiasm").answer({"title": ["lovely"]}, k=1)[0].shape == (1, 1)


def test_the_last_model_reads_the_answer_of_the_source_model_and_the_mean_in_the_shared_space(home: Path) -> None:
    to = home / "flow"
    source = chiasm.load(to / "4-transfer" / "source.chiasm")
    space, target = (chiasm.load(to / place) for place in ("3-multimodal/space.chiasm", "5-fine-tune/target.chiasm"))
    rows = read(home / "new.csv")
    views: dict[str, Any] = {name: [row[name] for row in rows] for name in ("title", "body")}
    mapped = space.transform(views)
    views["space"] = (np.asarray(mapped["title"].items) + np.asarray(mapped["body"].items)) / 2
    views["source"] = source.predict_proba(views)
    known = read(to / "6-answers" / "answers.csv")
    np.testing.assert_allclose(target.predict_proba(views)[:, 1], [float(r["p(good)"]) for r in known], atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "stages", "why"),
    [
        ('[fine-tune]\nfuse = "late"', '[fine-tune]\nfuse = "early"', STAGES[4:], "changed: [fine-tune]"),
        pytest.param('align = "cca"', 'align = "pls"', STAGES[2:], "changed: [multimodal]", marks=pytest.mark.slow),
        ("[report]", "", (), ""),
    ],
    ids=["fuse", "align", "an empty table"],
)
def test_a_changed_key_makes_that_stage_and_those_after_it_again(
    home: Path, old: str, new: str, stages: tuple[str, ...], why: str
) -> None:
    done = again(home, FLOW.replace(old, new))
    assert remade(done) == list(stages)
    if stages:
        assert next(one.why for one in done if one.why) == why


def test_rows_that_lack_a_column_or_everything_are_answered_by_what_is_there(home: Path) -> None:
    (home / "new.csv").write_text("title,id\nlovely 1,a\n,b\n", encoding="utf-8")
    with pytest.warns(ChiasmWarning, match="1 of 2 rows hold none of the views"):
        assert remade(flow(home / "flow.toml")) == ["answers"]
    answers = read(home / "flow" / "6-answers" / "answers.csv")
    assert [row["views"] for row in answers] == ["3", "0"]  # title, space, source; none


def test_labels_and_words_that_changed_make_all_stages_again_though_the_cut_is_the_same(home: Path) -> None:
    cut = (home / "flow" / "1-data" / "split.csv").read_bytes()
    before = read(home / "flow" / "6-answers" / "answers.csv")
    rows = (home / "posts.csv").read_text(encoding="utf-8")
    swapped = rows.replace(",good", ",?").replace(",bad", ",good").replace(",?", ",bad")
    (home / "posts.csv").write_text(swapped, encoding="utf-8")
    assert remade(flow(home / "flow.toml")) == list(STAGES)
    assert (home / "flow" / "1-data" / "split.csv").read_bytes() == cut
    after = read(home / "flow" / "6-answers" / "answers.csv")
    for one, other in zip(before, after, strict=True):
        assert float(one["p(good)"]) == pytest.approx(float(other["p(bad)"]), abs=1e-3)


@pytest.mark.slow
def test_a_changed_row_is_seen_by_its_content_and_makes_what_reads_it_again(home: Path) -> None:
    (home / "new.csv").touch()
    assert remade(flow(home / "flow.toml")) == []
    write(home / "new.csv", 6, "mood", {1: "", 0: ""}, 2000)
    assert remade(flow(home / "flow.toml")) == ["answers"]
    write(home / "reviews.csv", 81, "stars", {1: "five", 0: "one"}, 1000)
    assert remade(flow(home / "flow.toml")) == ["transfer", "fine-tune", "answers", "report"]


def test_an_encoder_whose_file_changed_is_another_one(home: Path) -> None:
    file = Path(shutil.copy(_tiny.tiny("vgg16"), home / "vgg.pth"))
    (home / "flow.toml").write_text(
        FLOW.replace('text = "bow_text"', f'image = "vgg16_image:{file}"'), encoding="utf-8"
    )
    before = Stages(read_plan(home / "flow.toml"), {}, None).made_from("pretrained")
    shutil.copy(_tiny.tiny("vgg16", seed=1), file)
    after = Stages(read_plan(home / "flow.toml"), {}, None).made_from("pretrained")
    assert [name for name in after if after[name] != before[name]] == [f"vgg16_image:{file}"]


def test_an_artefact_that_is_gone_or_changed_is_made_again(home: Path) -> None:
    (home / "flow" / "7-report" / "report.html").unlink()
    with open(home / "flow" / "6-answers" / "answers.csv", "a", encoding="utf-8") as file:
        file.write("x")
    done = flow(home / "flow.toml")
    assert {one.stage: one.why for one in done if one.why} == dict.fromkeys(
        ("answers", "report"), "what it left is changed or gone"
    )


def test_without_source_and_space_the_last_model_reads_the_rows_alone(home: Path) -> None:
    without = FLOW[: FLOW.index("[multimodal]")] + FLOW[FLOW.index("[fine-tune]") :]
    done = again(home, without)
    assert [one.stage for one in done] == ["data", "pretrained", "fine-tune", "answers", "report"]
    assert remade(done) == ["fine-tune", "answers", "report"]
    assert list(chiasm.load(home / "flow" / "5-fine-tune" / "target.chiasm").views_) == ["title", "body"]


@pytest.mark.slow
def test_rows_of_the_source_that_equal_rows_of_the_data_are_left_out(home: Path) -> None:
    posts = (home / "posts.csv").read_text(encoding="utf-8").splitlines()[1:6]
    with open(home / "reviews.csv", "a", encoding="utf-8") as file:
        file.writelines(line.rpartition(",")[0] + ",five\n" for line in posts)
    done = {one.stage: one for one in flow(home / "flow.toml")}
    assert done["transfer"].told == "learned stars from 80 rows; 5 that equal rows of [data] left out"
    with pytest.raises(ChiasmError, match=r"all 60 rows of posts.csv equal rows of \[data\]"):
        again(home, FLOW.replace('from = "reviews.csv"\nlabel = "stars"', 'from = "posts.csv"\nlabel = "mood"'))


def test_a_source_may_have_some_of_the_columns_under_other_names(home: Path) -> None:
    text = (home / "reviews.csv").read_text(encoding="utf-8").replace("title,body,stars", "headline,text,stars")
    (home / "reviews.csv").write_text(text, encoding="utf-8")
    done = {one.stage: one for one in again(home, FLOW.replace('"stars"', '"stars"\ntext = "title=headline"'))}
    assert done["transfer"].told == "learned stars from 80 rows"
    assert list(chiasm.load(home / "flow" / "4-transfer" / "source.chiasm").views_) == ["title", "space"]
    assert list(chiasm.load(home / "flow" / "5-fine-tune" / "target.chiasm").views_)[-1] == "source"
    with pytest.raises(ChiasmError, match=r"^\[transfer\]: wanted views of \[data\] \(title, body\), got headline"):
        again(home, FLOW.replace('"stars"', '"stars"\ntext = "headline"'))


DIE = """
import os, signal, sys
from chiasm import recipe
from chiasm.cli import main
real = recipe.save
def save(part, path, *rest):
    if str(path).endswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(part, path, *rest)
recipe.save = save
main(["flow", sys.argv[1]])
"""


@pytest.mark.parametrize("when", [pytest.param("source.chiasm", marks=pytest.mark.slow), "target.chiasm"])
def test_a_flow_that_is_killed_goes_on_where_it_died(home: Path, when: str) -> None:
    shutil.rmtree(home / "flow" / "4-transfer")
    ran = subprocess.run([sys.executable, "-c", DIE, str(home / "flow.toml"), when], capture_output=True, text=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    done = flow(home / "flow.toml")
    first = "transfer" if when == "source.chiasm" else "fine-tune"
    assert remade(done) == list(STAGES[STAGES.index(first) :])
    assert remade(flow(home / "flow.toml")) == []
    assert list((home / "flow").rglob(".new-*")) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[fine-tune]", "[finetune]", "no stage in flow.toml named 'finetune'; did you mean 'fine-tune'"),
        ('label = "mood"\n', "", r"\[data\] lacks label: its column of what is to be answered"),
        ('label = "stars"\n', "", r"\[transfer\] lacks label: its own column"),
        ('align = "cca"', 'aling = "cca"', r"no key in \[multimodal\] named 'aling'; did you mean 'align'"),
        ('align = "cca"', 'align = "ccaa"', "no align.* named 'ccaa'; did you mean 'cca'"),
        ('text = "bow_text"', 'text = "bow"', "no encoder named 'bow'"),
        ('text = "bow_text"', 'txet = "bow_text"', "no view named 'txet'"),
        ('text = ["title", "body"]', "text = 3", r"\[data\]: wanted text to be a text or a list of texts, got 3"),
        ('text = ["title", "body"]', 'text = ["titel"]', "no column in .*posts.csv named 'titel'"),
        ('text = ["title", "body"]', 'text = ["space=title"]', "what the flow adds itself: rename it"),
        ('[fine-tune]\nfuse = "late"', '[fine-tune]\ntask = "clasify"', r"no task for \[fine-tune\] named 'clasify'"),
        ('label = "mood"', 'label = "mood"\nsplit = "body"', r"^\[data\]: no split named"),
        ('to = "flow"', "", "flow.toml lacks to: the folder of what each stage leaves"),
        ('to = "flow"', 'to = "flow"\nseed = -1', "wanted seed to be"),
        ('to = "flow"', 'to = "new.csv"', "wanted to = a folder .*, got the file new.csv"),
        ('[fine-tune]\nfuse = "late"', '[fine-tune]\nfuse = "graph:k=-1"', "wanted k to be"),
        ('[fine-tune]\nfuse = "late"', '[fine-tune]\nfuse = "early:zig=1"', "no parameter of early named 'zig'"),
        ('from = "posts.csv"', 'from = "post.csv"', "post.csv"),
        ("[data]", "[data", "wanted a flow in TOML, got .*flow.toml"),
        ("[report]", "", None),
    ],
)
def test_a_wrong_file_is_one_sentence_in_its_own_words_before_anything_is_made(
    made: Path, tmp_path: Path, old: str, new: str, said: str | None
) -> None:
    for name in ("posts.csv", "reviews.csv", "new.csv"):
        shutil.copy(made / name, tmp_path)
    assert old in FLOW
    (tmp_path / "flow.toml").write_text(FLOW.replace(old, new), encoding="utf-8")
    if said is None:
        assert list(read_plan(tmp_path / "flow.toml").stages) == list(STAGES)
        return
    with pytest.raises(ChiasmError, match=said):
        flow(tmp_path / "flow.toml")
    assert not (tmp_path / "flow" / "flow.json").exists()


@pytest.mark.parametrize("page", ["docs/commands.md", "examples/flow.toml"])
def test_the_flows_that_are_shown_are_read(page: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    shown = re.findall(r"```toml\n(.*?)```", text, re.S) or [text]
    (tmp_path / "f.toml").write_text(shown[0], encoding="utf-8")
    plan = read_plan(tmp_path / "f.toml")
    assert list(plan.stages) == list(STAGES)
    assert plan.to == tmp_path / "flow"


def test_a_flow_needs_a_last_model_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text('to = "x"\n[data]\nfrom = "a.csv"\nlabel = "b"\n')
    with pytest.raises(ChiasmError, match=r"f.toml lacks the stage \[fine-tune\]"):
        flow(tmp_path / "f.toml")
    with pytest.raises(ChiasmError, match="which cannot be read"):
        flow(tmp_path / "none.toml")


def test_a_damaged_ledger_and_another_process_at_it_are_told(home: Path) -> None:
    from chiasm.files import lock

    with lock(home / "flow"), pytest.raises(ChiasmError, match="another process runs this flow"):
        flow(home / "flow.toml")
    (home / "flow" / "flow.json").write_text("{")
    with pytest.raises(ChiasmError, match=r"flow\.json is damaged: remove it"):
        flow(home / "flow.toml")


def test_the_command_says_what_was_made_and_what_was_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.remove(home / "flow" / "7-report" / "report.html")
    main(["flow", str(home / "flow.toml")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [f"{i + 1} {stage}: unchanged" for i, stage in enumerate(STAGES[:6])]
    assert lines[6].startswith("7 report: AUC ")
    assert "7-report (what it left is changed or gone; " in lines[6]
    main(["flow", str(home / "flow.toml"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [one["stage"] for one in told["stages"]] == list(STAGES)
    assert not any(one["made"] for one in told["stages"])
