"""`check_part` for people outside: the examples keep every promise, and each planted fault is named."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import chiasm
from chiasm import registry
from chiasm.align.cca import CCA
from chiasm.contracts import (
    ChiasmError,
    Column,
    ContractError,
    Encoder,
    Linear,
    Views,
    check_part,
    kind_of,
    readable,
)
from chiasm.data.toy import planted_pair
from chiasm.encode.hashed_text import HashedText

PARTS = Path(__file__).parents[1] / "examples" / "parts"
CLASSES = {
    "own_encoder": "GridImage",
    "sklearn_encoder": "PhraseText",
    "sentence_encoder": "SentenceText",
    "own_aligner": "Predicted",
    "own_fuser": "Summed",
    "own_index": "Half",
    "own_explainer": "Quarters",
}


def example(name):
    """The module of an example, imported as a package's would be: it can be found again by its name."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, PARTS / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def part(name):
    return getattr(example(name), CLASSES[name])()


def test_there_is_an_example_of_every_kind_that_has_a_base_and_it_is_tried():
    assert {path.stem for path in PARTS.glob("*.py")} == set(CLASSES)
    assert {kind_of(part(name)) for name in CLASSES} == {"encode", "align", "fuse", "explain", "index"}


@pytest.mark.parametrize("name", CLASSES)
def test_an_example_keeps_every_promise_but_that_it_is_registered(name):
    found = check_part(part(name), other={"model": "another"})
    (skipped,) = found.of("skipped")
    assert skipped.promise.startswith("A model that holds it can be saved")
    assert f"no entry point names a part of '{name}' yet" in skipped.told
    assert not [one for one in found.of("kept") if one.told]
    assert any(one.promise.startswith("Saved and loaded") for one in found.of("kept"))


def test_the_first_example_of_the_page_breaks_what_the_page_says():
    page = (PARTS.parents[1] / "docs" / "contracts.md").read_text(encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        exec(re.search(r"```python\n(.*?)```", page, re.S)[1], {"__name__": "page"})
    found = [one.promise.split(" ")[0] for one in caught.value.findings.of("broken")]
    assert found == ["Different", "An"]  # items are not told apart; what cannot be read is not noted
    for path in re.findall(r"`(examples/[\w./]+)`", page):
        assert (PARTS.parents[1] / path).is_file()


def test_the_page_tells_what_an_object_without_a_base_has_to_offer():
    page = (PARTS.parents[1] / "docs" / "contracts.md").read_text(encoding="utf-8")
    section = page[page.index("## Without a base") : page.index("## Trying it")]
    for kind, names in registry.OFFERS.items():
        for name in names if kind != "tasks" else ():
            assert {"__len__": "a length"}.get(name, f"`{name}") in section


@pytest.mark.slow
def test_an_example_runs_as_its_first_line_says():
    done = subprocess.run([sys.executable, PARTS / "own_index.py"], capture_output=True, text=True, check=True)
    assert "0 broken" in done.stdout


def broken(given, **options):
    """What `check_part` finds broken, promise to what it tells; nothing else may be wrong."""
    with pytest.raises(ContractError) as caught:
        check_part(given, **options)
    found = {one.promise: one.told for one in caught.value.findings.of("broken")}
    for promise, told in found.items():
        assert f"- {promise}: {told}." in str(caught.value)
    return found


class Scaled(Encoder):
    """Letters of a text, divided by the largest of the batch: the planted fault."""

    modality = "text"

    def __init__(self, dimensions: int = 64):
        self.dimensions = dimensions

    def numbers(self, texts):
        return np.array(
            [[text.count(chr(97 + i)) + len(text) / 99 + hash_of(text, i) for i in range(8)] for text in texts]
        )

    def attempt(self, items):
        texts, notes = readable(items)
        values = self.numbers(texts)
        return (values / np.abs(values).max()).astype(np.float32), notes


def hash_of(text, i):
    return sum((i + 3) * place * ord(letter) % 251 for place, letter in enumerate(text)) / 251


def test_an_encoder_whose_numbers_depend_on_the_batch_is_named():
    found = broken(Scaled())
    assert "item 0 alone differs from itself among 19" in found["An item has the same numbers alone and in any batch"]
    assert len(found) == 2  # and what cannot be read does not leave the others alone


class Whole(Scaled):
    """As it should be."""

    def attempt(self, items):
        texts, notes = readable(items)
        return self.numbers(texts).astype(np.float32), notes


class Unmoved(Whole):
    """Its fingerprint does not know of its parameter."""

    @property
    def fingerprint(self):
        return "unmoved-1"


class Silent(Whole):
    """It says nothing of what it cannot read."""

    def attempt(self, items):
        return super().attempt(items)[0], {}


class Blunt(Whole):
    """All texts of one length are one to it."""

    def numbers(self, texts):
        return np.array([[len(text)] for text in texts])


def test_an_encoder_whose_method_was_changed_is_another_one_to_the_cache():
    def made(expression):
        held = {"Whole": Whole, "__name__": "elsewhere"}
        exec(f"class One(Whole):\n    def numbers(self, texts):\n        # a remark\n        return {expression}", held)
        return held["One"]().fingerprint

    assert made("[[1]]") == made("[ [1] ]") != made("[[2]]")
    assert made("[[t in {'a', 'b'}] for t in texts]") != made("[[t in {'a', 'c'}] for t in texts]")


FINGERPRINT = "The fingerprint changes with parameters and with what is learned, and with nothing else"


@pytest.mark.parametrize(
    ("given", "promise", "told"),
    [
        (Unmoved(), FINGERPRINT, "with another dimensions it is that of the encoder as given"),
        (Silent(), "An item that cannot be read", "attempt noted nothing"),
        (Blunt(), "Different items have different numbers", "19 different items have"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Encoder) else "",
)
def test_a_fault_of_an_encoder_is_named_and_nothing_else(given, promise, told):
    assert not check_part(Whole()).of("broken")
    ((found, said),) = broken(given).items()
    assert found.startswith(promise)
    assert told in said


class Crowded(Linear):
    """Least squares onto the first view; a row is centered on its company: the planted fault."""

    def __init__(self, ridge: float = 0.01):
        self.ridge = ridge

    def fit(self, views, y=None):
        fitted = example("own_aligner").Predicted(self.ridge).fit(views)
        self.means_, self.weights_ = fitted.means_, fitted.weights_
        return self

    def _map(self, name, rows):
        mapped = super()._map(name, rows)
        return mapped - mapped.mean(axis=0) if len(rows) > 1 else mapped


class Companion(example("own_aligner").Predicted):
    """A view maps otherwise where the other one is missing."""

    def transform(self, views):
        mapped = super().transform(views)
        if len(mapped.names) > 1:
            return mapped
        (name,) = mapped.names
        column = mapped[name]
        return mapped.replace({name: Column(column.modality, 2 * column.items, column.index)})


class Restless(example("own_aligner").Predicted):
    """It draws at random, without a seed."""

    def fit(self, views, y=None):
        super().fit(views)
        self.weights_["b"] = self.weights_["b"] + np.random.default_rng().normal(size=self.weights_["b"].shape) / 100
        return self


class Doubling(example("own_aligner").Predicted):
    """Its constructor changes what it is given."""

    def __init__(self, ridge: float = 0.01):
        self.ridge = 2 * ridge


class Eager(example("own_aligner").Predicted):
    """Its constructor does more than to store."""

    def __init__(self, ridge: float = 0.01):
        self.ridge = ridge
        self.names = ["a", "b"]


COMPANY = "A view maps the same alone as beside others, and a row alone as among others"
STORES = "Its constructor stores the values that it is given, unchanged, and learns nothing"


@pytest.mark.parametrize(
    ("given", "promise", "told"),
    [
        (Crowded(), COMPANY, "row 7 of view 'a' alone maps elsewhere"),
        (Companion(), COMPANY, "view 'a' alone maps elsewhere, by 1 of the largest number"),
        (Restless(), "Fitted twice it gives the same answer", "draw by a seed"),
        (Doubling(), STORES, "it does more with them than store them"),
        (Eager(), STORES, "it sets names too, which is no parameter"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Linear) else "",
)
def test_a_fault_of_an_aligner_or_of_a_constructor_is_named(given, promise, told):
    found = broken(given)
    assert told in found.pop(promise)
    rest = {"Doubling": {"scikit-learn can clone it"}}.get(type(given).__name__, set())
    assert set(found) <= rest


class Fragile(example("own_fuser").Summed):
    """It crashes where a view is absent."""

    def _sum(self, held, n, but=""):
        if len(held) < len(self.means_) or not all(block.present.all() for block in held.values()):
            raise KeyError("b")
        return super()._sum(held, n, but)


def test_a_fuser_that_crashes_on_an_absent_view_is_named():
    ((promise, told),) = broken(Fragile()).items()
    assert promise.startswith("Whichever views are absent")
    assert told == "it raised KeyError: 'b'"


class Remembering(example("own_index").Half):
    """It forgets to forget."""

    def delete(self, keys):
        return len(set(keys) & set(self.keys_.tolist()))


def test_an_index_that_forgets_deletion_is_named():
    ((promise, told),) = broken(Remembering()).items()
    assert promise.startswith("A deleted key is never found again")
    assert told == "a deleted key is still found"


class Cosines:
    """An index of its own kind, without a base: a dict."""

    def get_params(self, deep=True):
        return {}

    def add(self, keys, vectors):
        self.held_ = vars(self).get("held_", {}) | {
            key: row / np.linalg.norm(row) for key, row in zip(keys, np.asarray(vectors), strict=True)
        }

    def delete(self, keys):
        for key in keys:
            self.held_.pop(key, None)

    def __len__(self):
        return len(self.held_)

    def search(self, vectors, k=5):
        queries = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        scores = queries @ np.array(list(self.held_.values())).T
        best = np.argsort(-scores, axis=1)[:, :k]
        return np.array(list(self.held_), dtype=object)[best], np.take_along_axis(scores, best, axis=1)


class Regression:
    """An aligner without a base: all but the first view are guessed at."""

    def __init__(self, ridge=0.01):
        self.ridge = ridge

    def get_params(self, deep=True):
        return {"ridge": self.ridge}

    def set_params(self, **params):
        vars(self).update(params)
        return self

    def fit(self, views):
        self.inner_ = example("own_aligner").Predicted(self.ridge).fit(views)

    def transform(self, views):
        return self.inner_.transform(views)


class Letters:
    """An encoder without a base."""

    modality = "text"

    def __init__(self, scale=1.0):
        self.scale = scale

    def get_params(self, deep=True):
        return {"scale": self.scale}

    def set_params(self, **params):
        vars(self).update(params)
        return self

    def encode(self, items):
        return [[self.scale * (item.count(letter) + hash_of(item, 1)) for letter in "aeio"] for item in items]


class Neighbors:
    """A fuser without a base: the classes of the nearest rows of each view."""

    def fit(self, views, y):
        self.known = {name: (self.rows(views[name]), views.present(name)) for name in views.names}
        self.y, self.classes_ = np.array(y), np.unique(y)

    def rows(self, column):
        out = np.zeros((len(column), column.width))
        out[column.present] = column.take(column.index[column.present])
        return out

    def predict_proba(self, views):
        votes = np.full((len(views), len(self.classes_)), 0.01)
        for name in views.names:
            known, there = self.known[name]
            for row in np.flatnonzero(views.present(name)):
                far = np.linalg.norm(known - self.rows(views[name])[row], axis=1)
                near = np.argsort(np.where(there, far, np.inf))[:15]
                votes[row] += (self.y[near][:, None] == self.classes_).sum(axis=0)
        return votes / votes.sum(axis=1, keepdims=True)

    def predict(self, views):
        return self.classes_[self.predict_proba(views).argmax(axis=1)]


@pytest.mark.parametrize(
    ("given", "kind"), [(Letters(), "encode"), (Regression(), "align"), (Neighbors(), "fuse"), (Cosines(), "index")]
)
def test_an_object_without_a_base_is_told_by_its_methods_and_may_leave_out_the_rest(given, kind):
    assert kind_of(given) == kind
    if kind == "index":
        given = Cosines()
    found = {one.promise.split(" ")[0]: one for one in check_part(given).of("skipped")} if kind != "fuse" else {}
    for one in found.values():
        assert "entry point" in one.told or "get_params" in one.told


def test_a_fuser_without_a_base_answers_classes_and_says_what_it_cannot():
    with pytest.raises(ContractError) as caught:
        check_part(Neighbors)
    assert {one.promise for one in caught.value.findings.of("broken")} <= {
        'With kind="tags" it gives any number of tags a row',
        'With kind="numbers" it gives a number a row',
    }


def test_objects_without_a_base_serve_in_tasks():
    rng = np.random.default_rng(0)
    a, b = planted_pair(300, correlations=(0.99,) * 8)
    views = {"a": a, "b": b}
    model = chiasm.tasks.Retrieve(align=Regression(), index=Cosines()).fit({n: v[:250] for n, v in views.items()})
    score = model.score({n: v[250:] for n, v in views.items()})
    assert score > 0.5
    assert model.answer({"a": a[:1]}, k=1)[0].shape == (1, 1)
    texts = [f"{word} {i}" for i, word in enumerate(rng.choice(["alpha", "beer", "oslo", "ufo"], 300))]
    said = Views({"words": Column("text", texts), "b": Column("vector", b)})
    found = chiasm.tasks.Retrieve(encoders={"words": Letters()}, align="cca").fit(said)
    assert found.encoding_.encoders_["words"].fingerprint.startswith("letters-")
    y = np.where(a[:, 0] > 0, "up", "down")
    classes = chiasm.tasks.Classify(fuse=Neighbors()).fit({n: v[:250] for n, v in views.items()}, y[:250])
    assert classes.score({n: v[250:] for n, v in views.items()}, y[250:]) > 0.6
    assert classes.answer({"b": b[250:251]})[0][0] in ("up", "down")


def test_an_aligner_that_takes_validation_rows_gets_them_and_another_one_does_not():
    class Choosing(example("own_aligner").Predicted):
        def fit(self, views, y=None, *, val=None):
            self.told_ = {"val": val is not None}
            return super().fit(views)

    class Greedy(example("own_aligner").Predicted):
        def fit(self, views, y=None, **anything):
            self.told_ = {"names": sorted(anything)}
            return super().fit(views)

    a, b = planted_pair(200, correlations=(0.99,) * 8)
    split = np.array((["train"] * 4 + ["val"]) * 40, dtype=object)
    views = Views({"a": Column("vector", a), "b": Column("vector", b)}, facts={"split": split})
    for task in ("retrieve", "link", "match"):
        part = registry.get("tasks", task)(align=example("own_aligner").Predicted()).fit(views)
        assert type(part.aligner_).__name__ == "Predicted"
    for align, told in ((Choosing(), {"val": True}), (Greedy(), {"names": []})):
        assert chiasm.tasks.Retrieve(align=align).fit(views).aligner_.told_ == told


def test_corrected_and_aligned_take_aligners_that_map_in_their_own_way():
    a, b = planted_pair(300, correlations=(0.99,) * 8)
    corrected = chiasm.align.Corrected(align=Regression()).fit({"a": a[:250], "b": b[:250]})
    assert corrected.score({"a": a[250:], "b": b[250:]}) > 0.5
    fused = chiasm.fuse.Aligned(align=Regression(), fuse="early").fit({"a": a, "b": b}, a[:, 0] > 0)
    assert fused.score({"a": a, "b": b}, a[:, 0] > 0) > 0.7


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("align", 3, "wanted a part with fit, transform (align), got int, which lacks fit, transform"),
        ("align", Regression, "got the class Regression: make one, Regression()"),
        ("encode", SimpleNamespace(modality="text", encode=len), "which has neither: inherit from"),
        ("index", Regression(), "which lacks add, search, delete, __len__"),
    ],
)
def test_what_is_no_part_is_refused_in_a_sentence(kind, given, told):
    with pytest.raises(ChiasmError) as caught:
        registry.make(kind, given)
    assert told in str(caught.value)


def test_an_object_of_no_kind_is_told_what_it_lacks():
    with pytest.raises(ChiasmError, match="for encode it lacks modality"):
        check_part(SimpleNamespace(encode=len))


class Keeping(CCA):
    """CCA that keeps what it mapped last."""

    def transform(self, views):
        self.last = views
        return super().transform(views)


class KeepingText(HashedText):
    """Hashed words that keep the last texts, out of sight."""

    def attempt(self, items):
        self._seen = list(items)
        return super().attempt(items)


class Empty(chiasm.contracts.Aligner):
    """Nothing."""


@pytest.mark.parametrize(("part", "kept"), [(Keeping(k=4, ridge=1.0), "last"), (KeepingText(), "_seen")])
def test_a_part_that_keeps_what_a_call_brought_is_told_so(part, kept):
    (told,) = [told for promise, told in broken(part).items() if promise.startswith("No state of the last call")]
    assert f"a call changes {kept}:" in told


def test_a_missing_method_is_named():
    assert set(broken(Empty()).values()) == {"it has no fit of its own"}


@pytest.mark.parametrize(("how", "sentence"), [({"items": ["a"]}, "at least 10 items"), ({"within": -1}, "got -1")])
def test_a_check_that_cannot_be_made_is_refused(how, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        check_part(HashedText(), **how)
