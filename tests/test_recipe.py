"""A saved part comes back equal, or a ChiasmError says why; nothing in a file is ever run."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chiasm
from chiasm import recipe
from chiasm.align.cca import CCA
from chiasm.align.ridge import Ridge
from chiasm.data.toy import planted_pair
from chiasm.encode.tfidf_text import TfidfText
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.index.exact import Exact
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views, as_views

WORDS = "red green blue circle square 红色 圆 三角形 bar tiny".split()


def sentences(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=4)) + f" {i}" for i in range(n)]


def vectors(n: int = 120) -> Views:
    a, b = planted_pair(n, seed=1)
    return as_views({"a": a, "b": b})


def texts(n: int = 80) -> Views:
    a, _ = planted_pair(n, seed=2)
    return as_views({"caption": Column.from_cells("text", sentences(n)), "b": a.astype(np.float32)})


def columns(views: Views) -> dict[str, np.ndarray]:
    return {name: column.take(column.index) for name, column in views.columns.items()}


def hits(model: Any, queries: dict) -> list:
    found = model.hits(queries, to="b", k=4)
    return [[(hit["item"], hit["score"]) for hit in row] for row in found]


PARTS: dict[str, tuple] = {
    "cca": (lambda: CCA().fit(vectors()), lambda part: columns(part.transform(vectors()))),
    "ridge": (lambda: Ridge().fit(vectors()), lambda part: columns(part.transform(vectors()))),
    "exact": (
        lambda: Exact().add([f"é{i}" for i in range(50)], np.random.default_rng(0).normal(size=(50, 6))),
        lambda part: part.search(np.eye(6), k=7),
    ),
    "exact of numbers": (lambda: Exact().add(list(range(9)), np.eye(9)), lambda part: part.search(np.eye(9), k=2)),
    "encoding": (
        lambda: Encoding({"caption": TfidfText(dimensions=12)}).fit(texts()),
        lambda part: columns(part.transform(texts())),
    ),
    "retrieve": (lambda: Retrieve().fit(vectors()), lambda part: hits(part, {"a": planted_pair(9, seed=3)[0]})),
    "retrieve by ridge": (
        lambda: Retrieve(align=Ridge()).fit(vectors()),
        lambda part: hits(part, {"a": planted_pair(9, seed=3)[0]}),
    ),
    "retrieve texts": (
        lambda: Retrieve(encoders={"text": "tfidf_text"}).fit(texts()),
        lambda part: hits(part, {"caption": ["a red circle", "三角形"]}),
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_was_saved_answers_as_before(tmp_path: Path, name: str, cache) -> None:
    make, answer = PARTS[name]
    part = make()
    loaded = recipe.load(recipe.save(part, tmp_path / "m"))
    assert type(loaded) is type(part)
    assert repr(loaded) == repr(part)
    np.testing.assert_equal(answer(loaded), answer(part))
    assert set(loaded.learned()) == set(part.learned())
    assert sorted(p.suffix for p in (tmp_path / "m").iterdir()) == ["", ".json", ".safetensors"]


def test_a_loaded_encoder_finds_what_the_fitted_one_put_in_the_cache(tmp_path: Path) -> None:
    encoder = TfidfText(dimensions=12).fit(sentences(80))
    assert recipe.load(recipe.save(encoder, tmp_path / "m")).fingerprint == encoder.fingerprint


VALUES = {
    "none": None,
    "a float": 0.1,
    "infinity": float("inf"),
    "a lone surrogate, as names of files have": "a\udcff",
    "Chinese": "三角形",
    "a tuple in a list": [1, ("a", 2.5), [True, None]],
    "no strings": np.array([], dtype=object),
    "strings": np.array(["", "ü", "\udc80", "a\0b"], dtype=object),
    "many strings": [f"s{i}" for i in range(100)],
    "numbers": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "no numbers": np.zeros((0, 5), np.float32),
    "big-endian": np.arange(3, dtype=">f4"),
    "a number of no dimension": np.array(2.5),
    "dicts whose dotted places meet": {"x": {"y": np.arange(2), "y.z": np.ones(3)}, "x.y": np.zeros(4)},
    "strings and numbers whose places meet": {"x": np.array(["a"], object), "x:text": np.arange(3, dtype=np.uint8)},
}


@pytest.mark.parametrize("name", VALUES)
def test_a_plain_value_comes_back_equal_and_of_its_type(tmp_path: Path, name: str) -> None:
    part = CCA(k=VALUES[name])  # parameters are not looked at before fit
    part.extra_ = {"deep": VALUES[name]}
    loaded = recipe.load(recipe.save(part, tmp_path / "m"))
    for found in (loaded.k, loaded.extra_["deep"]):
        np.testing.assert_equal(found, VALUES[name])
        assert type(found) is type(VALUES[name])


@pytest.mark.parametrize(
    "value",
    [lambda: 1, {1, 2}, object(), b"bytes", {1: 2}, 1j, open, Path("/x"), np.zeros(2, complex), np.array([{}, 1])],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_cannot_be_saved_is_refused_by_name_and_the_old_model_stays(tmp_path: Path, value: Any) -> None:
    recipe.save(CCA(k=3), tmp_path / "m")
    part = CCA()
    part.means_ = {"shape": value}
    with pytest.raises(ChiasmError, match=r"means_\.shape"):
        recipe.save(part, tmp_path / "m")
    assert recipe.load(tmp_path / "m").k == 3
    with pytest.raises(ChiasmError, match="means_"):
        recipe.save(part, tmp_path / "new")


def test_a_class_that_is_no_registered_part_is_refused_at_save(tmp_path: Path) -> None:
    class Strange(CCA):
        pass

    with pytest.raises(ChiasmError, match="Strange: wanted a part of chiasm's own"):
        recipe.save(Strange(), tmp_path / "m")
    part = CCA()
    part.inner_ = Strange()
    with pytest.raises(ChiasmError, match="Strange"):
        recipe.save(part, tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return recipe.save(CCA(k=2).fit(vectors()), tmp_path / "m")


def test_every_flipped_bit_of_the_recipe_is_noticed(tmp_path: Path) -> None:
    saved = recipe.save(Exact().add(["a", "三"], np.eye(2)), tmp_path / "m")
    file = saved / "recipe.json"
    whole = file.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        with pytest.raises(ChiasmError, match=re.escape(str(saved))):
            recipe.load(saved)


def test_every_flipped_bit_of_the_arrays_is_noticed(saved: Path) -> None:
    (file,) = saved.glob("arrays-*.safetensors")
    whole = file.read_bytes()
    for place in [*range(400), *range(400, len(whole), 37)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        with pytest.raises(ChiasmError, match=r"arrays-\w+\.safetensors is damaged"):
            recipe.load(saved)
    file.write_bytes(whole[:-1])
    with pytest.raises(ChiasmError, match="is damaged"):
        recipe.load(saved)
    file.unlink()
    with pytest.raises(ChiasmError, match="is missing"):
        recipe.load(saved)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"17", b"null", b"\xff", b"[" * 100_000, b'{"digest": "x"}'])
def test_a_recipe_that_is_none_is_refused(saved: Path, content: bytes) -> None:
    (saved / "recipe.json").write_bytes(content)
    with pytest.raises(ChiasmError, match="damaged"):
        recipe.load(saved)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("nothing", ".", "file"):
        with pytest.raises(ChiasmError, match="no saved model"):
            recipe.load(tmp_path / name)


def forge(folder: Path, change: Any) -> None:
    """Change a recipe as an attacker would: with the checksum made right again."""
    content = json.loads((folder / "recipe.json").read_text())
    content.pop("digest")
    change(content)
    content["digest"] = recipe._digest(content)
    (folder / "recipe.json").write_text(json.dumps(content))


def part(body: Any) -> Any:
    return lambda content: content.update(part=body)


def state(**values: Any) -> Any:
    return lambda content: content["part"].update(state=values)


def sklearn(name: str, params: Any = None, inner: Any = None) -> dict:
    return {"$sklearn": {"class": name, "params": {"$dict": params or {}}, "state": {"$dict": inner or {}}}}


def system(command: str) -> dict:
    return {"class": "os:system", "params": {"command": command}, "state": {}}


FORGED = {
    "a newer format": (lambda content: content.update(format=3), "format 3; this chiasm reads up to 2: upgrade chiasm"),
    "a format of another kind": (lambda content: content.update(format="1"), "is damaged"),
    "a format before the first": (lambda content: content.update(format=0), "is damaged"),
    "a format that is true": (lambda content: content.update(format=True), "is damaged"),
    "os:system as the part": (part(system("touch BAIT")), "not allowed"),
    "os:system as a parameter": (state(x_={"$part": system("touch BAIT")}), "not allowed"),
    "os:system as scikit-learn": (state(x_=sklearn("os:system", {"command": "touch BAIT"})), "not allowed"),
    "another class of scikit-learn": (
        state(x_=sklearn("sklearn.preprocessing._function_transformer:FunctionTransformer")),
        "not allowed",
    ),
    "a module as a kind": (part({"kind": "os", "name": "system", "params": {}, "state": {}}), "no kind named 'os'"),
    "a path as a name": (part({"kind": "align", "name": "../x", "params": {}, "state": {}}), "no align named"),
    "a kind that is a list": (part({"kind": [], "name": "x", "params": {}, "state": {}}), "does not describe"),
    "a class that is a list": (part({"class": [], "params": {}, "state": {}}), "does not describe"),
    "a name that no fit learns": (state(fit=1), "'fit', which no fit would learn"),
    "a dunder": (state(__class__=1), "which no fit would learn"),
    "a hidden name": (state(_x_=1), "which no fit would learn"),
    "a parameter that is not one": (
        part({"kind": "align", "name": "cca", "params": {"x": 1}, "state": {}}),
        "describe",
    ),
    "a pickle": (state(x_={"$pickle": "gASVCg=="}), "unknown tag '.pickle'"),
    "a call": (state(x_={"$reduce": ["os.system", "touch BAIT"]}), "unknown tag"),
    "two tags": (state(x_={"$tuple": [], "$dict": {}}), "does not describe"),
    "no tag": (state(x_={}), "does not describe"),
    "an array that is not there": (state(x_={"$array": "nowhere"}), "does not describe"),
    "deep nesting": (lambda c: state(x_=json.loads("[" * 900 + "]" * 900))(c), "does not describe"),
    "no part": (lambda content: content.pop("part"), "damaged"),
    "a part that is text": (part("chiasm"), "does not describe"),
    "arrays above the folder": (
        lambda content: content.update(arrays="../arrays-0123456789abcdef.safetensors"),
        "trust",
    ),
    "arrays by an absolute path": (lambda content: content.update(arrays="/etc/passwd"), "trust"),
    "arrays that are the folder above": (lambda content: content.update(arrays=".."), "trust"),
    "arrays that are the folder": (lambda content: content.update(arrays=""), "trust"),
    "arrays that are a number": (lambda content: content.update(arrays=1), "trust"),
    "another checksum": (lambda content: content.update(sha256="0" * 64), "is damaged"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_recipe_is_refused_and_nothing_in_it_is_run(
    saved: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = FORGED[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "arrays-0123456789abcdef.safetensors").write_bytes(next(saved.glob("arrays-*")).read_bytes())
    forge(saved, lambda content: None)
    recipe.load(saved)  # a forger who changes nothing is not noticed: the checksum is no signature
    forge(saved, change)
    with pytest.raises(ChiasmError, match=message):
        recipe.load(saved)
    assert not (tmp_path / "BAIT").exists()


def test_a_folder_with_other_files_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ChiasmError, match="holds other files"):
        recipe.save(CCA(), tmp_path)
    with pytest.raises(ChiasmError, match=r"got the file .*thesis\.tex"):
        recipe.save(CCA(), tmp_path / "thesis.tex")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "empty").mkdir()
    assert recipe.load(recipe.save(CCA(k=4), tmp_path / "empty")).k == 4


def test_saving_again_leaves_one_model_and_the_files_beside_it(tmp_path: Path) -> None:
    for k in (1, 2):
        recipe.save(CCA(k=k).fit(vectors()), tmp_path / "m", {"items.csv": b"x" * k})
    assert recipe.load(tmp_path / "m").k == 2
    assert (tmp_path / "m" / "items.csv").read_bytes() == b"xx"
    assert len(list((tmp_path / "m").glob("arrays-*"))) == 1
    assert not list((tmp_path / "m").glob(".new-*"))


def numbered(i: int) -> Exact:
    """A model of which every piece says which one it is."""
    return Exact().add([f"{i} {j}" for j in range(300)], np.random.default_rng(i).normal(size=(300, 40)))


SAVE = """
import sys
sys.path.insert(0, sys.argv[2])
from test_recipe import numbered
from chiasm import recipe
for i in range(1, 31):
    recipe.save(numbered(i), sys.argv[1])
"""


def test_a_reader_only_ever_sees_whole_models_while_another_process_saves(tmp_path: Path) -> None:
    folder = recipe.save(numbered(0), tmp_path / "m")
    writer = subprocess.Popen([sys.executable, "-c", SAVE, str(folder), str(Path(__file__).parent)])
    seen = []
    try:
        while not seen or seen[-1] < 30:
            ended = writer.poll() is not None
            loaded = recipe.load(folder)
            seen.append(int(loaded.keys_[0].split()[0]))
            assert loaded.keys_.tolist() == [f"{seen[-1]} {j}" for j in range(300)]
            np.testing.assert_array_equal(loaded.vectors_, numbered(seen[-1]).vectors_)
            assert not (ended and seen[-1] < 30), "the writer died"
    finally:
        writer.kill()
        writer.wait()
    assert seen == sorted(seen)
    assert len(set(seen)) > 5  # it did read in between


RUNS_CODE = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "code", "runpy"}


def offences(source: str, name: str) -> list[str]:
    """Where a source file could run code from a file that it loads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            if module.split(".")[0] in RUNS_CODE and (module, name) != ("joblib", "scale.py"):
                found.append(f"imports {module}")
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        options = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called in ("eval", "exec", "compile", "__import__", "joblib.load", "pd.read_pickle", "np.fromregex"):
            found.append(f"calls {called}")
        if called == "torch.load" and options.get("weights_only") != "True":
            found.append("torch.load without weights_only=True")
        if called in ("np.load", "numpy.load") and options.get("allow_pickle", "False") != "False":
            found.append("np.load of pickles")
        if called.split(".")[-2:] == ["Image", "open"] and (name != "images.py" or "formats" not in options):
            found.append("Image.open")
        if options.get("trust_remote_code", "False") != "False" or options.get("shell", "False") != "False":
            found.append("remote code or a shell")
    return found


@pytest.mark.parametrize("file", sorted(Path(chiasm.__file__).parent.rglob("*.py")), ids=lambda file: file.name)
def test_no_source_file_runs_code_that_it_loads(file: Path) -> None:
    found = offences(file.read_text(), file.name)
    assert [one for one in found if (file.parent.name, file.name, one) != ("export", "encoders.py", "Image.open")] == []


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib",
        "def f():\n    from dill import load",
        "x = eval(y)",
        "exec(y)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f, allow_pickle=True)",
        "Image.open(f)",
        "from PIL import Image\nwith Image.open(f, formats=F) as i: pass",
        "subprocess.run(c, shell=True)",
    ],
)
def test_the_search_for_such_code_finds_it_where_it_is_planted(planted: str) -> None:
    assert len(offences(planted, "x.py")) == 1


def test_what_is_no_part_is_not_saved(tmp_path):
    with pytest.raises(ChiasmError, match="wanted a part or a model to save, got dict"):
        chiasm.save({"a": 1}, tmp_path / "m")
