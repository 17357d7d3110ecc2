"""Models that an earlier chiasm saved load, and answer as they did."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import chiasm
from chiasm.moved import CLASSES, MODULES, NAMES, now
from fixtures.make import answers

FIXTURES = Path(__file__).parent / "fixtures"
SAVED = sorted(path.parent for path in FIXTURES.glob("format-*/*/recipe.json"))


@pytest.mark.parametrize("folder", SAVED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_model_of_an_earlier_format_answers_as_it_did(folder):
    told = json.loads((folder.parent / "expected.json").read_text(encoding="utf-8"))[folder.name]
    asked = {name: np.array(v) if isinstance(v[0], list) else v for name, v in told["asked"].items()}
    got = json.loads(json.dumps(answers(chiasm.load(folder), asked)))
    _equal(got, told["answers"])


def _equal(got, told):
    if isinstance(told, dict):
        assert got.keys() == told.keys()
        for name in told:
            _equal(got[name], told[name])
    elif isinstance(told, list):
        assert len(got) == len(told)
        for one, other in zip(got, told, strict=True):
            _equal(one, other)
    elif isinstance(told, float):
        assert got == pytest.approx(told, abs=1e-5)
    else:
        assert got == told


def test_every_task_of_format_1_has_a_fixture():
    held = {path.name for path in SAVED if path.parent.name == "format-1"}
    assert {"retrieve", "classify", "regress", "tag", "match", "detect", "link", "talk"} <= held


@pytest.mark.parametrize("old", sorted(CLASSES))
def test_an_old_class_name_leads_to_a_part_of_today(old):
    module, _, name = now(old).partition(":")
    held = getattr(__import__(module, fromlist=[name]), name)
    assert (held.__module__, held.__name__) == (module, name)


NAMES_OF_THEN = json.loads((FIXTURES / "names-0.1.json").read_text(encoding="utf-8"))
"""By public module of 0.1 what its `__all__` held."""


@pytest.mark.parametrize("old", sorted(NAMES_OF_THEN))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_name_that_a_public_module_had_in_0_1_can_be_imported(old):
    module = importlib.import_module(old)
    assert [name for name in NAMES_OF_THEN[old] if not hasattr(module, name)] == []


@pytest.mark.parametrize("old", sorted(MODULES))
def test_an_old_module_says_where_its_names_are(old):
    module = importlib.import_module(old)
    for name in NAMES_OF_THEN[old]:
        with pytest.warns(DeprecationWarning, match=f"{old}.{name} is now"):
            getattr(module, name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_star_import_of_an_old_module_gives_its_names():
    held = {}
    exec("from chiasm.trust import *", held)
    assert set(NAMES_OF_THEN["chiasm.trust"]) <= held.keys()


@pytest.mark.parametrize("old", sorted(NAMES))
def test_a_name_that_left_a_module_says_where_it_is(old):
    module, _, name = old.partition(":")
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} is now"):
        getattr(importlib.import_module(module), name)


def test_from_imports_of_old_modules_give_todays_objects():
    with pytest.warns(DeprecationWarning, match="is now"):
        from chiasm.metrics import normalize, recall_at
    with pytest.warns(DeprecationWarning, match="is now"):
        from chiasm.trust import bootstrap, cut
    from chiasm import splits, views
    from chiasm.stats import ranking, resample

    assert (normalize, recall_at) == (views.normalize, ranking.recall_at)
    assert (bootstrap, cut) == (resample.bootstrap, splits.cut)
