"""A package installed beside chiasm adds parts of every kind: listed unimported, fitted, scored, saved and loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SOURCE = Path(__file__).parents[1] / "src"

PARTS = '''"""Parts of one file."""
import numpy as np
from chiasm.contracts import Aligner, Encoder, Fuser, Index, as_views

class Rand(Aligner):
    """A random projection."""
    def __init__(self, k=8): self.k = k
    def fit(self, views, y=None):
        draw = np.random.default_rng(0)
        self.w_ = {n: draw.normal(size=(c.width, self.k)).astype("f4") for n, c in as_views(views).columns.items()}
        return self
    def _widths(self): return {n: len(w) for n, w in self.w_.items()}
    def _map(self, name, rows): return rows @ self.w_[name]

class MyText(Encoder):
    """Length and vowels."""
    modality = "text"
    def __init__(self, scale=1.0): self.scale = scale
    def attempt(self, items):
        return np.array([[len(x) * self.scale, x.count("a"), x.count("e"), 1] for x in items], "f4"), {}

class Mean(Fuser):
    """The mean answer, whatever is seen."""
    def __init__(self, kind="classes", seed=0): self.kind, self.seed = kind, seed
    def _learn(self, held, truth, folds): self.mean_ = truth.mean(axis=0)
    def _answer(self, held, n): return np.tile(self.mean_, (n, 1))
'''
PLAIN = '''
class Nearest:
    """Nothing inherited: nearest class means, of rows that have every view."""
    def __init__(self, power=1.0): self.power = power
    def get_params(self, deep=True): return {"power": self.power}
    def set_params(self, **p): vars(self).update(p); return self
    def fit(self, views, y):
        self.classes_ = sorted(set(y))
        x = self._x(views)
        self.means_ = [[float(v) for v in x[[one == c for one in y]].mean(axis=0)] for c in self.classes_]
    def _x(self, views):
        import numpy as np
        held = [views[n] for n in ("a", "b") if n in views.names]
        return np.concatenate([c.take(np.maximum(c.index, 0)) for c in held], axis=1)
    def predict_proba(self, views):
        import numpy as np
        x = self._x(views)
        if x.shape[1] != len(self.means_[0]): return np.full((len(views), len(self.classes_)), 1 / len(self.classes_))
        far = ((x[:, None] - np.array(self.means_)) ** 2).sum(axis=2) ** self.power
        near = np.exp(-far + far.min(axis=1, keepdims=True))
        return near / near.sum(axis=1, keepdims=True)
    def predict(self, views):
        import numpy as np
        return np.array(self.classes_)[self.predict_proba(views).argmax(axis=1)]
'''
POINTS = """[chiasm.align]
rand = myparts:Rand
cca = myparts:Rand
gone = nowhere:Part
lost = myparts:Missing
half = myparts
crash = myboom:Part
broken = mybroken:Part
[chiasm.encode]
mytext = myparts:MyText [extra]
[chiasm.fuse]
mean = myparts:Mean
nearest = mypack:Nearest
[chiasm.index]
number = myparts:np
[chiasm.tasks]
needy = myneedy:Needy
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the packages, their entry points and a table of two vectors, words and a label."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "myparts.py").write_text(PARTS)
    (folder / "mypack" / "inner").mkdir(parents=True)
    (folder / "mypack" / "__init__.py").write_text("raise_if_listed = 1\nfrom .inner import Nearest\n")
    (folder / "mypack" / "inner" / "__init__.py").write_text("from mypack.inner._plain import Nearest\n")
    (folder / "mypack" / "inner" / "_plain.py").write_text(PLAIN)
    (folder / "myboom.py").write_text('"""Cannot be imported."""\nraise RuntimeError("no licence")\nclass Part: pass\n')
    (folder / "mybroken.py").write_text("class Part(:\n")
    (folder / "myneedy.py").write_text('"""Needs much."""\nrequires = ("no_such_package.deep",)\nclass Needy: pass\n')
    info = folder / "myparts-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: myparts\nVersion: 1\n")
    (info / "entry_points.txt").write_text(POINTS)
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 6))
    a, b = z @ rng.normal(size=(6, 10)), z @ rng.normal(size=(6, 8))
    columns = {
        "a": a.tolist(),
        "b": b.tolist(),
        "words": [f"{'ae' * (i % 7)} thing {i * i}" for i in range(200)],
        "side": np.where(z[:, 0] > 0, "left", "right").tolist(),
    }
    pq.write_table(pa.table(columns), folder / "t.parquet")
    return folder


@pytest.fixture
def chiasm_in(home, run):
    """The command line with the packages on its path, in their folder."""

    def command(*args):
        return run(*args, env={"PYTHONPATH": f"{home}{os.pathsep}{SOURCE}"}, cwd=home)

    return command


def python(home, code):
    env = {**os.environ, "PYTHONPATH": f"{home}{os.pathsep}{SOURCE}"}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_parts_are_listed_with_their_first_line_and_nothing_of_theirs_is_imported(home):
    code = (
        "import sys, json; from chiasm import registry\n"
        "found = {n: e.as_dict() for k in registry.KINDS for n, e in registry.entries(k).items() if e.outside}\n"
        "mine = [m for m in sys.modules if m.startswith(('my', 'numpy.random', 'chiasm.align', 'chiasm.contracts'))]\n"
        "print(json.dumps([found, [m for m in mine if not m.startswith('numpy')]]))"
    )
    found, imported = json.loads(python(home, code))
    assert imported == []
    assert found["rand"]["doc"] == "A random projection."
    assert found["mytext"]["doc"] == "Length and vowels."
    assert found["nearest"]["doc"] == "Nothing inherited: nearest class means, of rows that have every view."
    assert found["crash"]["doc"] == "Cannot be imported."
    assert found["needy"]["missing"] == ["no_such_package.deep"]
    assert {name for name, entry in found.items() if entry["fault"]} == {"gone", "lost", "half", "broken"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gone", "got no module 'nowhere'"),
        ("lost", "got a module 'myparts' without 'Missing'"),
        ("half", "got no 'module:Class'"),
        ("crash", "got RuntimeError: no licence"),
        ("broken", "got a module 'mybroken' that is not Python"),
    ],
)
def test_a_wrong_entry_point_is_one_sentence_where_it_is_asked_for_and_nowhere_else(chiasm_in, name, told):
    asked = chiasm_in("fit", "retrieve", "t.parquet", "--vector", "a", "--vector", "b", "--align", name, "--to", "no")
    assert asked.returncode == 1
    (line,) = [line for line in asked.stderr.splitlines() if "passed over" not in line]
    assert line.startswith(f"error: align {name!r} is registered by another package as")
    assert told in line
    assert "Mend that package's entry point (chiasm.align), or uninstall it." in line


def test_chiasm_list_shows_faults_and_goes_on(chiasm_in):
    listed = chiasm_in("list", "align")
    assert listed.returncode == 0
    lines = {line.split()[1]: line for line in listed.stdout.splitlines()}
    assert lines["rand"].endswith("A random projection.")
    assert "cannot be had: align 'gone' is registered by another package as 'nowhere:Part'" in lines["gone"]
    assert lines["cca"].split("  ")[-1].strip().startswith("Canonical correlation analysis")
    assert "align 'cca' of myparts:Rand is passed over: chiasm.align.cca:CCA has that name" in listed.stderr
    assert chiasm_in("list", "index").returncode == 0


def test_an_aligner_without_val_is_fitted_scored_saved_and_loaded(chiasm_in, home):
    columns = ("--vector", "a", "--vector", "b", "--align", "rand", "--to", "m")
    fitted = chiasm_in("fit", "retrieve", "t.parquet", *columns)
    assert fitted.returncode == 0, fitted.stderr
    scored = chiasm_in("score", "m", "t.parquet", "--json")
    assert scored.returncode == 0, scored.stderr
    table = json.loads(scored.stdout)
    assert table["model"]["params"]["align"] == "rand"
    assert table["model"]["aligner"] == {}
    recipe = json.loads((home / "m" / "recipe.json").read_text())
    assert '"name": "rand"' in json.dumps(recipe)


def test_a_model_says_what_it_needs_where_the_package_is_not_installed(chiasm_in, home, run, tmp_path):
    chiasm_in("fit", "retrieve", "t.parquet", "--vector", "a", "--vector", "b", "--align", "rand", "--to", "n")
    without = run("score", home / "n", home / "t.parquet", env={"PYTHONPATH": str(SOURCE)}, cwd=tmp_path)
    assert without.returncode == 1
    assert "error: no align named 'rand' is here, and this model holds one: install the package" in without.stderr


@pytest.mark.slow
def test_an_encoder_of_texts_serves_by_its_name(chiasm_in):
    fitted = chiasm_in(
        "fit", "retrieve", "t.parquet", "--text", "words", "--vector", "b",
        "--encoder", "words=mytext:scale=2", "--align", "cca", "--to", "texts",
    )  # fmt: skip
    assert fitted.returncode == 0, fitted.stderr
    assert chiasm_in("score", "texts", "t.parquet").returncode == 0
    found = chiasm_in("search", "texts", "aeae thing 4", "--json")
    assert found.returncode == 0, found.stderr
    assert len(json.loads(found.stdout)["results"]) == 5


@pytest.mark.parametrize(("fuse", "right"), [("mean", 0.4), ("nearest", 0.8)])
@pytest.mark.slow
def test_a_fuser_with_a_base_or_without_is_fitted_scored_saved_and_loaded(chiasm_in, fuse, right):
    columns = ("--vector", "a", "--vector", "b", "--label", "side", "--fuse", fuse, "--to", fuse)
    fitted = chiasm_in("fit", "classify", "t.parquet", *columns)
    assert fitted.returncode == 0, fitted.stderr
    scored = chiasm_in("score", fuse, "t.parquet", "--json")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["accuracy"]["value"] >= right
    answered = chiasm_in("answer", fuse, "t.parquet", "--json")
    assert {row["answer"] for row in json.loads(answered.stdout)} <= {"left", "right"}


def test_parts_are_reached_by_their_class_names(home):
    code = (
        "import chiasm\n"
        "print(chiasm.align.Rand(k=3), 'Rand' in dir(chiasm.align), 'Part' in dir(chiasm.align),\n"
        "      chiasm.fuse.Nearest.__module__, 'mean' in chiasm.names()['fuse'])"
    )
    assert python(home, code) == "Rand(k=3) True True mypack.inner._plain True"
