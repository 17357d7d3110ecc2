"""A folder of one's own that captions pictures: what it says, what is refused, the task and the command line."""

from __future__ import annotations

import csv
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import _tiny
import _tiny_captions
import chiasm
from chiasm import registry
from chiasm.cli import cli
from chiasm.data.toy import COLORS, SHAPES, shape_image
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.generate.hf_captioner import HfCaptioner
from chiasm.tasks.caption import Caption
from chiasm.views import Column, Views

if LACKING := registry.entries("generate")["hf_captioner"].missing:
    pytest.skip(f"needs {', '.join(LACKING)}", allow_module_level=True)

KINDS = [(color, shape) for color in COLORS for shape in SHAPES]
PICTURES = [shape_image(color, shape, seed=i) for i, (color, shape) in enumerate(KINDS)]


def part(kind: str = "taught", **params: Any) -> HfCaptioner:
    return HfCaptioner(str(_tiny_captions.tiny(kind)), **{"beam": 2, "longest": 12, **params})


@pytest.fixture
def views() -> Views:
    return Views({"photo": Column("image", PICTURES)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, and a table of them and of what is said of each."""
    lines = ["path,said,split"]
    for i, (color, shape) in enumerate(KINDS * 4):
        shape_image(color, shape, seed=i).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,a {color} {shape} on a white ground,{'test' if i >= 40 else 'train'}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("kind", ["random", "blip", "git"])
def test_a_caption_is_what_transformers_itself_writes(kind: str, views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

    home = _tiny_captions.tiny(kind)
    model = AutoModelForImageTextToText.from_pretrained(home).eval()
    reader, words = AutoImageProcessor.from_pretrained(home, backend="pil"), AutoTokenizer.from_pretrained(home)
    pixels = reader(images=PICTURES[:3], return_tensors="pt")
    with torch.inference_mode():
        known = model.generate(**pixels, max_new_tokens=12, num_beams=2)
    monkeypatch.setattr(socket, "socket", None)
    told = part(kind).fit(views).generate(views[:3])
    assert told.tolist() == [" ".join(one.split()) for one in words.batch_decode(known, skip_special_tokens=True)]


def test_a_folder_that_draws_its_captions_has_one_caption_here(views: Views, tmp_path: Path) -> None:
    home = Path(shutil.copytree(_tiny_captions.tiny(), tmp_path / "m"))
    settings = json.loads((home / "generation_config.json").read_text())
    settings |= {"do_sample": True, "temperature": 5.0, "num_return_sequences": 2, "max_new_tokens": 3}
    (home / "generation_config.json").write_text(json.dumps(settings))
    mine = HfCaptioner(str(home), beam=2, longest=12).fit(views)
    assert mine.generate(views).tolist() == part().fit(views).generate(views).tolist()


def test_it_names_the_colors_that_it_was_taught_and_a_caption_is_as_long_as_asked_for(views: Views) -> None:
    told = part().fit(views).generate(views)
    assert np.mean([color in text for (color, _), text in zip(KINDS, told, strict=True)]) > 0.9
    assert {len(text.split()) for text in part(longest=3).fit(views).generate(views)} <= {1, 2, 3}


def test_what_cannot_be_read_or_is_absent_gets_the_caption_of_a_gray_picture(views: Views) -> None:
    mine = part().fit(views)
    thin = np.zeros((2, 400, 3), np.uint8)
    odd = Views({"photo": Column("image", [PICTURES[0], b"no picture", thin], np.array([0, 1, 2, -1]))})
    gray = Views({"photo": Column("image", [np.full((64, 64, 3), 128, np.uint8)])})
    assert mine.generate(odd).tolist()[1:] == [mine.usual_] * 3
    assert mine.generate(gray).tolist() == [mine.usual_]


def test_progress_is_told_and_ctrl_c_keeps_what_is_there(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chiasm.scale.cores", lambda: 1)
    mine, seen = part(batch_size=4).fit(views), []
    whole = mine.generate(views, progress=lambda *one: seen.append(one))
    assert seen == [("photo", done, 16) for done in (4, 8, 12, 16)]

    def stop(view: str, done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.warns(ChiasmWarning, match="stopped after 8 of 16 pictures"):
        cut = mine.generate(views, progress=stop)
    assert cut.tolist() == [*whole[:8], *[None] * 8]


def test_ctrl_c_keeps_what_other_threads_had_written(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = part(batch_size=4).fit(views)
    whole = mine.generate(views)

    def ahead(function: Any, items: Any, workers: Any) -> Any:  # two groups are done, none was taken
        for item in items[:2]:
            function(item)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("chiasm.scale.threads", ahead)
    with pytest.warns(ChiasmWarning, match="stopped after 8 of 16 pictures: the others have no caption"):
        assert mine.generate(views).tolist() == [*whole[:8], *[None] * 8]


def test_answer_after_ctrl_c_writes_what_is_there_and_names_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i, picture in enumerate(PICTURES):
        picture.save(tmp_path / f"{i}.png")
    (tmp_path / "t.csv").write_text("\n".join(["path", *(f"{i}.png" for i in range(16))]) + "\n")
    views = chiasm.read(tmp_path / "t.csv", image="path")
    model = Caption(generate=part(beam=1, longest=4), encoders={"image": "pixel_image"}).fit(views)
    model.save(tmp_path / "m")
    inside, calls = HfCaptioner._told, []

    def pressed(self: Any, *given: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:  # a gray picture when the folder is opened, then eight
            raise KeyboardInterrupt
        return inside(self, *given)

    monkeypatch.setattr(HfCaptioner, "_told", pressed)
    monkeypatch.setattr("chiasm.scale.cores", lambda: 1)
    words = ["answer", str(tmp_path / "m"), str(tmp_path / "t.csv"), "--to", str(tmp_path / "out.csv")]
    with pytest.warns(ChiasmWarning) as told:
        done = CliRunner().invoke(cli, words, standalone_mode=False)
    held = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [bool(row["answer"]) for row in held] == [True] * 8 + [False] * 8
    assert any("8 of 16 rows are not answered (8.png, " in str(one.message) for one in told)
    assert "wrote 8 answers" in done.stderr
    assert done.return_value == 130


def test_what_no_captioner_can_use_is_refused_in_words(views: Views, tmp_path: Path) -> None:
    for wrong, match in (
        ("", "wanted a folder with a model's files, got none: say hf_captioner:FOLDER"),
        (str(tmp_path / "nowhere"), "nowhere', which is no folder here: copy the files there"),
        ("nobody/nothing", "run `hf download nobody/nothing`"),
        (str(_tiny.tiny("vit")), "hf_captioner: .* cannot be used"),
    ):
        with pytest.raises(ChiasmError, match=match):
            HfCaptioner(wrong).fit(views)
    home = Path(shutil.copytree(_tiny_captions.tiny(), tmp_path / "m"))
    (home / "model.safetensors").rename(home / "pytorch_model.bin")
    with pytest.raises(ChiasmError, match=r"wanted safetensors weights in .*, got pytorch_model.bin"):
        HfCaptioner(str(home)).fit(views)
    with pytest.raises(ChiasmError, match=r"wanted one view of pictures, got photo \(vector\)"):
        part().fit({"photo": np.eye(3)})
    with pytest.raises(ChiasmError, match="beam"):
        part(beam=0).fit(views)


def test_a_folder_that_has_changed_since_the_fit_is_refused(views: Views, tmp_path: Path) -> None:
    home = Path(shutil.copytree(_tiny_captions.tiny(), tmp_path / "m"))
    chiasm.save(HfCaptioner(str(home)).fit(views), tmp_path / "part")
    again = chiasm.load(tmp_path / "part")
    shutil.copytree(_tiny_captions.tiny("random"), home, dirs_exist_ok=True)
    with pytest.raises(ChiasmError, match="has changed since the model was fitted"):
        again.generate(views)


def test_the_task_shows_it_pictures_and_scores_it_beside_learned_captions(folder: Path) -> None:
    views = chiasm.read(folder / "t.csv", image={"photo": "path"}, text="said", split="split")
    model = Caption(generate=part(), encoders={"photo": "pixel_image", "text": "hashed_text"}, allow_leaks=True)
    score = model.fit(views).score(views[views.split == "test"])
    methods = score.table["methods"]
    assert methods["shuffled"]["CIDEr-D"]["value"] < 0.7 * methods["caption"]["CIDEr-D"]["value"]
    assert set(methods) == {"caption", "shuffled", "blank", "consensus", "nearest"}
    assert "one caption" not in str(score)


def test_other_views_are_told_and_do_not_stand_in_for_a_picture() -> None:
    columns = {
        "photo": Column("image", PICTURES),
        "size": Column("vector", np.random.default_rng(0).normal(size=(16, 3))),
    }
    with pytest.warns(ChiasmWarning, match="looks at photo alone, not at size"):
        model = Caption(generate=part(), encoders={"photo": "pixel_image"}).fit(Views(columns))
    thin = Views({**columns, "photo": Column("image", [*PICTURES[:15], None])})
    with pytest.warns(ChiasmWarning, match="1 of 16 rows hold nothing to caption"):
        told = model.answer(thin)
    assert told.columns["views"].tolist() == [1] * 15 + [0]
    with pytest.raises(ChiasmError, match="wanted the view photo, which is captioned, got size"):
        model.answer(Views({"size": columns["size"]}))


def test_without_captions_it_answers_and_has_nothing_to_score(folder: Path, tmp_path: Path) -> None:
    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, [*words])
        assert done.exit_code == code, done.output
        return done.stdout if not code else str(done.exception)

    table, to = str(folder / "t.csv"), str(tmp_path / "m.chiasm")
    named = f"hf_captioner:{_tiny_captions.tiny()}:beam=2"
    plain = ["--image", "path", "--encoder", "path=pixel_image", "--generate", named, "--to", to]
    said = run("fit", "caption", table, *plain, "--allow-leaks")
    assert "nothing is learned" in said
    assert "chiasm score" not in said
    run("answer", to, table, "--to", str(tmp_path / "a.csv"))
    with open(tmp_path / "a.csv") as file:
        answers = [row["answer"] for row in csv.DictReader(file)]
    assert np.mean([color in text for (color, _), text in zip(KINDS * 4, answers, strict=True)]) > 0.9
    one = json.loads(run("answer", to, str(folder / "0.png"), "--json"))
    assert "red" in one[0]["answer"]
    assert "name their column at fit (text='COL')" in run("score", to, table, "--allow-train", code=1)
    with pytest.raises(ChiasmError, match=r"no generate|hf_captioner"):
        Caption(generate="hf_captionist:x").fit(chiasm.read(table, image="path"))
