"""Distillers and tasks that learn from a teacher: closed forms, controls, and what the student reads."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.linear_model import Ridge

import chiasm
from chiasm.cli import cli
from chiasm.contracts._distill import LEARN, _few, _student, _taught
from chiasm.distill import Attention, Contrastive, Features, Relations, SoftLabels
from chiasm.distill._regression import JUDGED, RIDGES, Regression
from chiasm.errors import ChiasmError
from chiasm.report.text import foretold
from chiasm.stats.blocks import Block
from chiasm.tasks import Classify, Regress, Tag
from chiasm.tokens import Tokens
from chiasm.views import Column, Views


def block(rows):
    return Block(rows.astype(np.float32), np.ones(len(rows), bool))


@pytest.mark.parametrize("width", [7, 300])
def test_the_regression_is_scikit_learns_ridge_up_to_a_rotation_and_out_of_fold_where_it_says_so(width):
    rng = np.random.default_rng(0)
    rows, targets, folds = rng.normal(size=(120, width)), rng.normal(size=(120, 3)), np.arange(120) % 4
    targets[:, :2] += rows[:, :2]
    part = Regression()
    crossed = part.cross_fit({"a": block(rows)}, targets, folds)
    units = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    ridge = part.ridge_ * np.square(units).sum() / width
    middle = targets - targets.mean(axis=0)

    def same(ours, truth):  # what a rotation leaves as it is
        np.testing.assert_allclose(ours @ ours.T, truth @ truth.T, atol=2e-3)

    same(part.answer({"a": block(rows)}), Ridge(ridge, fit_intercept=False).fit(units, middle).predict(units))
    for fold in range(4):
        inside = folds != fold
        held = Ridge(ridge, fit_intercept=False).fit(units[inside], middle[inside]).predict(units[~inside])
        same(crossed[~inside], held)


def test_products_in_single_precision_choose_and_tell_as_plain_ones_in_double():
    rng = np.random.default_rng(0)
    rows, targets, folds = rng.normal(size=(900, 40)), rng.normal(size=(900, 6)), rng.integers(0, 5, 900) ** 2
    targets[:, :2] += 0.3 * rows[:, :2]
    part = Regression()
    crossed = part.cross_fit({"a": block(500 + rows * np.geomspace(0.1, 10, 40))}, 1000 + targets, folds)
    units, middle = (rows - rows.mean(axis=0)) / rows.std(axis=0), targets - targets.mean(axis=0)

    def out_of_fold(ridge, judged):
        out = np.zeros_like(middle)
        for fold in np.unique(folds)[:judged]:
            inside, eye = folds != fold, ridge * len(rows) * np.eye(40)
            weights = np.linalg.solve(units[inside].T @ units[inside] + eye, units[inside].T @ middle[inside])
            out[~inside] = units[~inside] @ weights
        return out

    def missed(ridge):
        mine = np.isin(folds, np.unique(folds)[:JUDGED])
        return np.square(middle - out_of_fold(ridge, JUDGED))[mine].sum()

    assert part.ridge_ == min(RIDGES, key=missed)
    out = out_of_fold(part.ridge_, 5)
    assert part.seen_ == pytest.approx(1 - np.square(middle - out).sum() / np.square(middle).sum(), abs=1e-5)
    np.testing.assert_allclose(crossed @ part.turn_.T, out @ part.turn_ @ part.turn_.T, atol=1e-3 * out.std())


def test_what_a_student_cannot_see_is_told_as_nothing():
    rng = np.random.default_rng(0)
    part = Regression()
    part.cross_fit({"a": block(rng.normal(size=(400, 20)))}, rng.normal(size=(400, 5)), np.arange(400) % 5)
    assert part.seen_ < 0.02
    assert part.ridge_ == 10


@pytest.mark.parametrize("method", [SoftLabels, Features, Relations])
def test_a_forecast_says_what_the_teacher_knows_and_what_of_it_is_seen(method):
    told = method(teacher="notes").fit(_taught()[:LEARN], _few()).forecast_
    assert told["teacher"] > told["student"] + 0.15
    assert told["see"] > 0.2
    noise = Column("vector", np.random.default_rng(1).normal(size=(LEARN, 6)))
    views = _taught()[:LEARN].replace({"picture": _taught()[:LEARN]["picture"], "notes": noise})
    told = method(teacher="notes").fit(views, _few()).forecast_
    assert told["teacher"] < 0.6
    assert told["see"] < 0.1


def test_a_task_learns_from_a_teacher_that_is_not_there_afterwards(tmp_path):
    views = _taught()
    label = views.label.copy()
    label[30:LEARN] = None
    views.facts["label"] = label
    model = Classify(teacher="notes").fit(views[:LEARN])
    assert model.views_ == {"picture": "vector"}
    rest = _student(_taught()[LEARN:])
    score = model.score(rest)
    controls = score.table["taught"]["controls"]
    assert list(controls) == ["untaught", "taught by shuffled rows", "taught by its own views"]
    for entry in controls.values():
        assert entry["difference"]["accuracy"]["low"] > 0
    assert "foretold" in str(score)
    assert "untaught" in str(score)
    model.save(tmp_path / "m.chiasm")
    again = chiasm.load(tmp_path / "m.chiasm")
    np.testing.assert_allclose(again.outputs(rest), model.outputs(rest))
    with_teacher = _taught()[LEARN:]
    np.testing.assert_array_equal(model.outputs(with_teacher), model.outputs(rest))


@pytest.mark.parametrize("method", [SoftLabels, Features])
def test_the_forecast_is_told_before_the_student_is_taught(method):
    views, told = _taught()[:LEARN], []
    part = method(teacher="notes", student="early")
    part.fit(views, _few(), foretell=lambda forecast: told.append((forecast, hasattr(part, "student_"))))
    assert told == [(part.forecast_, False)]
    task = Classify(teacher="notes", fuse="early", distill=method.__module__.rsplit(".", 1)[-1])
    task.fit(views, _few(), foretell=lambda forecast: told.append((forecast, hasattr(task, "fuser_"))))
    assert told[1:] == [(task.fuser_.forecast_, False)]


def _told_apart(views):
    """Vectors of the three classes in the notes of rows that were not learned from."""
    rest, label = np.asarray(views["notes"].items)[LEARN:], views.label[LEARN:]
    return {name: rest[label == name][:10].mean(axis=0) for name in ("class 0", "class 1", "class 2")}


def test_a_class_without_any_label_is_named_by_what_the_teacher_has_of_it():
    views = _taught()
    few = _few()
    few[few == "class 2"] = None
    model = Features(teacher="notes", student="early").fit(views[:LEARN], few)
    rest, truth = _student(views[LEARN:]), views.label[LEARN:]
    assert "class 2" not in model.predict(rest)
    names, cosines = model.name(rest, _told_apart(views))
    assert cosines.shape == (len(truth), 3)
    assert all((names == truth)[truth == name].mean() > 0.5 for name in np.unique(truth.astype(str)))
    dealt = np.random.default_rng(1).permutation(LEARN)
    other = Column("vector", np.asarray(views["notes"].items)[:LEARN][dealt])
    shuffled = Features(teacher="notes", student="early").fit(
        views[:LEARN].replace({"picture": views[:LEARN]["picture"], "notes": other}), few
    )
    assert (shuffled.name(rest, _told_apart(views))[0] == truth).mean() < 0.5


def test_the_teachers_vectors_are_told_as_scikit_learns_ridge_tells_them():
    views = _taught()
    model = Features(teacher="notes", student="early").fit(views[:LEARN], _few())
    rows, notes = (np.asarray(views[name].items)[:LEARN] for name in ("picture", "notes"))
    units = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    ridge = model.regression_.ridge_ * np.square(units).sum() / units.shape[1]
    truth = Ridge(ridge).fit(units, notes).predict(units)
    np.testing.assert_allclose(model.translate(_student(views[:LEARN])), truth, atol=0.05)
    absent = {"picture": Column("vector", rows, np.full(len(rows), -1))}
    np.testing.assert_allclose(model.translate(absent), np.tile(notes.mean(axis=0), (len(rows), 1)), atol=1e-5)


def test_the_patch_that_the_teacher_speaks_of_is_the_one_that_the_student_looks_at(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    notes = rng.normal(size=(400, 3)) + 3 * y[:, None]
    patches = rng.normal(size=(400, 9, 8))  # one of nine, in any place, shows the notes, and 4 in the last direction
    place = rng.integers(0, 9, 400)
    patches[np.arange(400), place, :3] = notes
    patches[np.arange(400), place, 7] += 4
    views = Views({"picture": Column("image", Tokens.of(list(patches))), "notes": Column("vector", notes)})
    label = np.array([None if row >= 40 else f"class {one}" for row, one in enumerate(y)], dtype=object)
    model = Attention(teacher="notes", student="early").fit(views[:300], label[:300])
    weights = model._weights("picture", patches[300:], np.ones((100, 9), bool))
    assert (weights.argmax(axis=1) == place[300:]).mean() > 0.75  # by chance 0.11
    truth = np.array([f"class {one}" for one in y[300:]], dtype=object)
    rest = views[300:].replace({"picture": views[300:]["picture"]})
    assert (model.predict(rest) == truth).mean() > 0.85
    assert model.crossed(views[:300]).shape == (40, 2)
    with pytest.raises(ChiasmError, match="pooling cannot be exported"):
        model.traced({})
    chiasm.save(model, tmp_path / "m")
    np.testing.assert_array_equal(chiasm.load(tmp_path / "m").outputs(rest), model.outputs(rest))


def test_infonce_brings_what_is_told_nearer_to_its_own_teacher():
    views = _taught()
    rest, notes = _student(views[LEARN:]), np.asarray(views["notes"].items)[LEARN:]

    def found(model):  # how many of 400 rows are nearest to their own notes
        units = [
            one / np.linalg.norm(one, axis=1, keepdims=True)
            for one in (model.translate(rest) - model.middle_, notes - model.middle_)
        ]
        return ((units[0] @ units[1].T).argmax(axis=1) == np.arange(len(notes))).sum()

    closed, trained = (
        part(teacher="notes", student="early").fit(views[:LEARN], _few()) for part in (Features, Contrastive)
    )
    assert found(trained) > found(closed)
    again = Contrastive(teacher="notes", student="early").fit(views[:LEARN], _few())
    np.testing.assert_array_equal(again.outputs(rest), trained.outputs(rest))


def test_naming_wants_two_classes_as_the_teacher_has_them():
    model = Features(teacher="notes", student="early").fit(_taught()[:LEARN], _few())
    with pytest.raises(ChiasmError, match="at least two classes to choose from, got class 0"):
        model.name(_student(_taught()[:3]), {"class 0": np.ones(6)})
    with pytest.raises(ChiasmError, match=r"wanted 6 numbers a class, as notes has them.*'b'"):
        model.name(_student(_taught()[:3]), {"a": np.ones(6), "b": np.ones(7)})
    with pytest.raises(ChiasmError, match="wanted some of the views picture"):
        model.translate({"notes": np.zeros((2, 6))})


@pytest.mark.parametrize(("task", "answers"), [(Regress, "numbers"), (Tag, "tags")])
def test_numbers_and_tags_are_taught_too(task, answers):
    views = _taught()
    first = np.asarray(views["notes"].items)[:, 0]
    given = first.astype(object) if answers == "numbers" else [["high"] if x > 1 else ["low"] for x in first]
    label = np.empty(LEARN, dtype=object)
    label[:60] = given[:60]
    model = task(teacher="notes").fit(views[:LEARN], label)
    truth = np.empty(len(views) - LEARN, dtype=object)
    truth[:] = given[LEARN:]
    score = model.score(_student(views[LEARN:]), truth)
    judged = score.table["judged"]
    assert score.table["taught"]["controls"]["untaught"]["difference"][judged]["value"] > 0


def test_a_student_that_was_taught_is_exported_as_it_answers(tmp_path):
    pytest.importorskip("onnxruntime")
    from chiasm.export import export
    from test_export import check_answers

    views = _taught()
    model = Classify(teacher="notes", fuse="early").fit(views[:LEARN], _few())
    export(model, tmp_path / "out")
    rows = np.asarray(views["picture"].items)[LEARN : LEARN + 5].tolist()
    check_answers(model, tmp_path / "out", [{"picture": row} for row in rows])


def test_a_teacher_that_is_none_is_told_before_the_work():
    views = _taught()[:LEARN]
    with pytest.raises(ChiasmError, match=r"no view named 'note'.*did you mean 'notes'"):
        Classify(teacher="note").fit(views, _few())
    with pytest.raises(ChiasmError, match="view for the student"):
        Classify(teacher=["notes", "picture"]).fit(views, _few())
    with pytest.raises(ChiasmError, match="wanted the view that teaches"):
        Features().fit(views, _few())
    absent = views.replace(
        {"picture": views["picture"], "notes": Column("vector", views["notes"].items, np.full(LEARN, -1))}
    )
    with pytest.raises(ChiasmError, match="at least 10 rows with notes beside picture"):
        SoftLabels(teacher="notes").fit(absent, _few())


@pytest.mark.slow
def test_the_command_teaches_and_says_what_was_foretold(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 240)
    words = [["cat purrs", "dog barks"][one] + f" {rng.integers(0, 9)}" for one in y]
    lines = ["a,b,note,label"]
    for row in range(240):
        seen = y[row] + 0.8 * rng.normal()
        label = ["cat", "dog"][y[row]] if row % 6 == 0 or row >= 180 else ""
        lines.append(f"{seen:.3f},{rng.normal():.3f},{words[row]},{label}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    told = ["fit", "classify", str(tmp_path / "t.csv"), "--number", "a", "--number", "b", "--text", "note"]
    told += ["--label", "label", "--encoder", "note=hashed_text", "--to", str(tmp_path / "m.chiasm")]
    done = CliRunner().invoke(cli, [*told, "--teacher", "note"])
    assert not done.exit_code, done.output
    assert "with a label and both, are note" in done.output
    assert done.output.index("foretold") < done.output.index("learned from")
    told_json = CliRunner().invoke(cli, [*told[:-2], "--to", str(tmp_path / "j.chiasm"), "--teacher", "note", "--json"])
    assert json.loads(told_json.stdout)["fuser"]["forecast"]["rows"] > 100
    assert "foretold" in told_json.stderr
    wrong = CliRunner().invoke(cli, [*told, "--distill", "features"])
    assert wrong.exit_code
    assert "--teacher" in wrong.output


def test_what_is_no_vector_of_a_class_is_refused_by_its_name():
    model = Features(teacher="notes", student="early").fit(_taught()[:LEARN], _few())
    rest, good = _student(_taught()[:3]), np.ones(6)
    for classes, wanted in (
        ({"a": good, "b": "culture"}, "wanted 6 numbers for class 'b', got str"),
        ([good, good], "wanted a dict of vectors by the names of classes, got list"),
        ({"a": good, "b": np.full(6, np.nan)}, "wanted finite numbers for class 'b'"),
        ({"a": np.zeros(6), "b": good}, "a direction for class 'a', got zeros alone"),
        ({"a": good, "b": model.middle_}, "a direction for class 'b', got the mean of notes"),
    ):
        with pytest.raises(ChiasmError, match=wanted):
            model.name(rest, classes)


def test_a_row_of_which_the_student_sees_nothing_has_no_name():
    views = _taught()
    model = Features(teacher="notes", student="early").fit(views[:LEARN], _few())
    items = np.asarray(views["picture"].items)[:3]
    rows = {"picture": Column("vector", items, np.array([0, -1, 2]))}
    names, cosines = model.name(rows, _told_apart(views))
    assert [name is None for name in names] == [False, True, False]
    assert np.isnan(cosines).all(axis=1).tolist() == [False, True, False]


def test_the_forecast_compares_both_on_the_same_rows():
    views = _taught.__wrapped__()[:LEARN]
    label = views.label.copy()
    label[120:] = None
    there = np.where(np.arange(LEARN) < 60, -1, np.arange(LEARN))  # of 120 labeled rows half lack the teacher
    items = np.asarray(views["notes"].items)[:LEARN]
    pictures = views["picture"]
    some = views.replace({"picture": pictures, "notes": Column("vector", items, there)})
    told = SoftLabels(teacher="notes", student="early").fit(some, label).forecast_
    assert (told["judged"], told["labeled"], told["rows"]) == (60, 120, LEARN - 60)
    assert told["teacher"] > 0.8  # with the rows that lack it, which are answered as the mean is, below 0.75
    assert told["gain"] == pytest.approx((told["teacher"] - told["student"]) * told["see"], abs=1e-5)
    apart = np.where(np.arange(LEARN) < 120, -1, np.arange(LEARN))
    apart[0] = 0
    other = views.replace({"picture": pictures, "notes": Column("vector", items, apart)})
    told = SoftLabels(teacher="notes", student="early").fit(other, label).forecast_
    assert (told["judged"], told["gain"]) == (1, None)
    assert foretold(["notes"], told).startswith("foretold: nothing, too few labeled rows have both notes")


@pytest.mark.slow
def test_teaching_that_did_not_help_is_said_to_be_left_out():
    views = _taught.__wrapped__()
    noise = Column("vector", np.random.default_rng(1).normal(size=(len(views), 6)))
    views = views.replace({"picture": views["picture"], "notes": noise})
    views.facts["label"] = np.where(np.arange(len(views)) % 5 < 2, views.label, None)
    model = Classify(teacher="notes").fit(views[:LEARN])
    assert model.fuser_.left_out_
    score = model.score(_student(views[LEARN:]))
    assert score.table["taught"]["left_out"]
    assert "the teaching was left out: it did not help on held-out folds" in str(score)
    assert "untaught (" not in str(score)
    assert "it answers the same untaught" in str(score)
    assert not Classify(teacher="notes", fuse="early").fit(views[:LEARN]).fuser_.left_out_


def test_without_any_label_it_translates_and_names_as_with_some(tmp_path):
    views = _taught.__wrapped__()
    rest = _student(views[LEARN:])
    labeled = Features(teacher="notes", student="early").fit(views[:LEARN], _few())
    pairs = {name: np.asarray(views[name].items)[:LEARN] for name in ("picture", "notes")}
    model = Features(teacher="notes", student="early").fit(pairs)
    np.testing.assert_allclose(model.translate(rest), labeled.translate(rest), atol=1e-4)
    for call in (model.predict, model.outputs, model.score, lambda rows: model.choices()):
        with pytest.raises(ChiasmError, match="fit had none: call translate or name"):
            call(rest)
    chiasm.save(model, tmp_path / "m")
    np.testing.assert_array_equal(chiasm.load(tmp_path / "m").translate(rest), model.translate(rest))
    with pytest.raises(ChiasmError, match="wanted labels, got none"):
        SoftLabels(teacher="notes").fit(pairs)
