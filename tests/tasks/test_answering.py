"""classify, regress and tag: the score's table against scikit-learn, its verdicts on planted views, bad input."""

import copy
import json
import pickle

import numpy as np
import pytest

import chiasm
from chiasm import ChiasmError
from chiasm.cli import main
from chiasm.fuse.early import Early
from chiasm.tasks.classify import Classify
from chiasm.tasks.regress import Regress
from chiasm.tasks.tag import Tag
from chiasm.views import Column, Views


def planted(n=900, seed=0, b=1.0, facts=None):
    """Views a and b of three classes; b is noise where b = 0. Two thirds are training rows."""
    rng, mix = np.random.default_rng(seed), np.random.default_rng(99)
    y = rng.integers(0, 3, n)
    columns = {
        "a": Column("vector", np.eye(3)[y] @ mix.normal(size=(3, 5)) + rng.normal(size=(n, 5))),
        "b": Column("vector", b * np.eye(3)[y] @ mix.normal(size=(3, 4)) + rng.normal(size=(n, 4))),
    }
    label = np.array(["猫", "狗", "鸟"], dtype=object)[y]
    split = np.array(["train"] * (2 * n // 3) + ["test"] * (n - 2 * n // 3), dtype=object)
    return Views(columns, np.arange(n), {"label": label, "split": split, **(facts or {})})


@pytest.fixture(scope="module")
def scored():
    views = planted()
    model = Classify(fuse="early").fit(views)
    test = views[views.split == "test"]
    return model, test, model.score(test)


def test_a_class_that_no_row_has_and_none_is_given_is_not_in_the_mean(scored):
    from sklearn.metrics import f1_score

    model, test, _ = scored
    answers = model.predict(test)
    two = test[(test.label != "鸟") & (answers != "鸟")]
    table = model.score(two).table
    known = f1_score(two.label.astype(str), model.predict(two).astype(str), average="macro")
    assert len(table["classes"]) == 3
    assert table["f1_macro"]["value"] == pytest.approx(known, abs=1e-6)
    assert table["report"]["macro"]["f1"] == pytest.approx(known, abs=1e-12)


def test_the_metrics_of_a_score_equal_scikit_learns_to_the_digit(scored):
    from sklearn import metrics

    model, test, score = scored
    answers, _ = model.answer(test)
    outputs = model.outputs(test)
    t, names = score.table, model.fuser_.target_.names_
    assert t["classes"] == names == sorted(names)
    y = test.label.astype(str)
    assert (
        float(score)
        == t["accuracy"]["value"]
        == pytest.approx(metrics.accuracy_score(y, answers.astype(str)), abs=1e-6)
    )
    for kind in ("micro", "macro", "weighted"):
        known = metrics.precision_recall_fscore_support(y, answers.astype(str), average=kind)
        mine = t["report"][kind]
        assert [mine["precision"], mine["recall"], mine["f1"]] == pytest.approx(known[:3], abs=1e-12)
    each = metrics.precision_recall_fscore_support(y, answers.astype(str), labels=names)
    for i, row in enumerate(t["report"]["classes"]):
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx([e[i] for e in each])
    assert t["confusion"] == metrics.confusion_matrix(y, answers.astype(str), labels=names).tolist()
    auc = metrics.roc_auc_score(y, outputs, multi_class="ovr", labels=names)
    assert t["auc"]["value"] == pytest.approx(auc, abs=1e-6)
    assert t["log_loss"] == pytest.approx(metrics.log_loss(y, outputs, labels=names), abs=1e-6)
    assert t["majority"] == pytest.approx(max((y == name).mean() for name in names), abs=0.06)


def test_each_view_alone_is_the_same_method_on_that_view_alone(scored):
    _, test, score = scored
    train = planted()[:600]
    for view in ("a", "b"):
        again = Early().fit(train.replace({view: train[view]}), train.label)
        right = np.mean(again.predict(test) == test.label)
        assert score.table["views_alone"][view]["accuracy"]["value"] == pytest.approx(right, abs=1e-6)


@pytest.mark.slow
def test_the_verdict_says_adds_of_a_view_that_tells_and_nothing_of_noise(scored):
    table = scored[2].table
    assert "the b adds +" in table["leave_one_out"]["b"]["verdict"]
    assert "over a" in table["leave_one_out"]["b"]["verdict"]
    assert table["leave_one_out"]["b"]["difference"]["accuracy"]["low"] > 0
    assert table["cross_validated"]["rows"] == 600
    assert "adds +" in table["cross_validated"]["leave_one_out"]["b"]["verdict"]
    noised = planted(b=0.0)
    model = Classify().fit(noised)
    table = model.score(noised[noised.split == "test"]).table
    assert table["model"]["fuser"]["fuser"] == "a alone"
    assert "adds nothing" in table["leave_one_out"]["b"]["verdict"]
    assert table["shuffled"]["b"]["value"] == 0
    assert table["shuffled"]["a"]["high"] < -0.1


def test_dropped_views_fall_back_on_the_others_and_masks_lie_between(scored):
    _, _, score = scored
    missing = score.table["missing"]
    only = missing["only"]
    assert set(only) == {"a", "b", "a + b"}
    assert only["a + b"]["value"] == score.table[missing["figure"]]["value"]
    for view in ("a", "b"):
        assert only[view]["value"] >= 0.97 * score.table["views_alone"][view]["accuracy"]["value"]
    rates = list(missing["masks"]["by_rate"].values())
    assert missing["masks"]["masks"] == 200
    assert rates == sorted(rates, reverse=True)
    assert only["a + b"]["value"] >= rates[0]


@pytest.mark.slow
def test_the_additive_projection_loses_where_views_interact_and_nothing_where_they_add():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1200, 2))
    split = np.array(["train"] * 700 + ["test"] * 500, dtype=object)
    columns = {"a": Column("vector", a), "b": Column("vector", b)}
    y = np.where((a[:, 0] > 0) ^ (b[:, 0] > 0), "odd", "even").astype(object)
    views = Views(columns, np.arange(1200), {"label": y, "split": split})
    table = Classify().fit(views).score(views[700:]).table
    assert table["additive"]["difference"]["low"] > 0.2
    assert table["additive"]["verdict"].startswith("the views interact: what they say only together is worth +")
    added = np.where(a[:, 0] + b[:, 0] > 0, "odd", "even").astype(object)
    views = Views(columns, np.arange(1200), {"label": added, "split": split})
    table = Classify().fit(views).score(views[700:]).table
    assert table["additive"]["difference"]["value"] < 0.05
    assert table["judged"] == "auc"
    assert "points of AUC" in table["leave_one_out"]["a"]["verdict"]


@pytest.mark.slow
def test_probabilities_are_calibrated_and_automation_keeps_its_error():
    views = planted(3000)
    table = Classify(fuse="early").fit(views).score(views[views.split == "test"]).table
    assert table["ece"] < 0.05
    assert table["automation"]["0.05"]["error"] <= 0.05
    assert table["automation"]["0.05"]["share"] > 0.2


@pytest.mark.slow
def test_groups_never_cross_a_split_and_intervals_resample_them():
    group = np.repeat(np.arange(90), 10).astype(str).astype(object)
    views = planted(facts={"group": group})
    views.facts["split"] = np.where(np.arange(900) % 3 == 0, "test", "train").astype(object)
    with pytest.raises(ChiasmError, match="group"):
        Classify(fuse="early").fit(views)
    views.facts["split"] = np.where(np.repeat(np.arange(90), 10) % 3 == 0, "test", "train").astype(object)
    model = Classify(fuse="early").fit(views)
    assert model.leaks_["groups"] == 0
    assert model.score(views[views.split == "test"]).table["rows"] == 300


def test_rows_that_were_learned_from_are_refused_whichever_views_they_have(scored):
    model, _, _ = scored
    train = planted()[:600]
    with pytest.raises(ChiasmError, match="600 of the 600 rows are rows that the model was fitted on"):
        model.score(train)
    assert model.score(train, allow_train=True).table["leaks"]["fitted_rows"] == 600


@pytest.mark.slow
def test_one_class_missing_labels_and_classes_that_training_lacked():
    views = planted()
    only = Views(views.columns, views.ids, {"split": views.split, "label": np.full(900, "猫", dtype=object)})
    with pytest.raises(ChiasmError, match="at least two classes in the training rows, got only '猫'"):
        Classify().fit(only)
    with pytest.raises(ChiasmError, match="no label at all"):
        Classify().fit(Views(views.columns, views.ids, {"label": np.full(900, None, dtype=object)}))
    with pytest.raises(ChiasmError, match="wanted labels, got none"):
        Classify().fit(Views(views.columns))
    label = views.label.copy()
    label[600:620], label[620:640] = "unseen", None
    views = Views(views.columns, views.ids, {"split": views.split, "label": label})
    model = Classify(fuse="early").fit(views)
    table = model.score(views[600:]).table
    assert table["unlabeled"] == 20
    assert table["rows"] == 280
    assert table["classes"][-1] == "(a class not in training)"
    right = np.mean(model.answer(views[600:])[0] == label[600:]) * 300 / 280
    assert table["accuracy"]["value"] == pytest.approx(right, abs=1e-6)
    assert table["report"]["classes"][-1]["recall"] == 0


def test_a_view_that_holds_the_label_is_called_suspicious():
    views = planted()
    y = np.unique(views.label.astype(str), return_inverse=True)[1]
    leak = Column("vector", np.eye(3)[y] + 0.01 * np.random.default_rng(0).normal(size=(900, 3)))
    views = Views({"a": views["a"], "told": leak}, views.ids, views.facts)
    model = Classify(fuse="early").fit(views)
    assert list(model.suspects_) == ["told"]
    score = model.score(views[600:])
    assert "told alone is right on 100.0 %" in str(score)


def test_a_row_with_everything_absent_answers_the_training_prior(scored):
    model, test, _ = scored
    gone = Views(
        {"a": Column("vector", test["a"].items, np.full(2, -1)), "b": Column("vector", test["b"].items, [0, -1])}
    )
    outputs = model.outputs(gone)
    np.testing.assert_allclose(outputs[1], model.fuser_.prior_)
    assert not np.allclose(outputs[0], model.fuser_.prior_)
    with pytest.raises(ChiasmError, match="some of the views a, b"):
        model.answer({"c": np.zeros((2, 3))})


@pytest.mark.slow
def test_scored_rows_may_all_be_tainted_of_one_class_or_without_labels():
    views = planted()
    views = Views({"a": views["a"], "b": views["b"]}, views.ids, views.facts)
    model = Classify(fuse="early").fit(views)
    model.tainted_ = np.array([str(i) for i in views.ids], dtype=object)
    test = views[600:]
    assert model.score(test).table["clean"] == {"rows": 0, "removed": 300}
    with pytest.raises(ChiasmError, match="rows with labels to score, got 300 without"):
        model.score(test, [None] * 300)
    two = np.where(views.label == "猫", "猫", "其他").astype(object)
    model = Classify(fuse="early").fit(views[:600], two[:600])
    table = model.score(test[two[600:] == "猫"], two[600:][two[600:] == "猫"]).table
    assert table["auc"]["value"] is None
    assert table["additive"]["verdict"] == "these rows cannot show whether the views interact"


def test_numbers_come_with_a_width_that_holds_nine_in_ten():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1500, 3))
    y = a[:, 0] - b[:, 1] + 0.3 * rng.normal(size=1500)
    model = Regress(fuse="early").fit({"a": a[:500], "b": b[:500]}, y[:500])
    found, width = model.answer({"a": a[500:], "b": b[500:]})
    assert 0.86 < np.mean(np.abs(found - y[500:]) <= width) < 0.94
    from sklearn.metrics import mean_absolute_error, r2_score

    table = model.score({"a": a[500:], "b": b[500:]}, y[500:]).table
    assert table["r2"]["value"] == pytest.approx(r2_score(y[500:], found), abs=1e-6)
    assert table["mae"]["value"] == pytest.approx(mean_absolute_error(y[500:], found), abs=1e-6)
    assert "the a adds" in table["verdict"]
    assert table["task"] == "regress"


@pytest.mark.slow
def test_tags_get_a_threshold_each_and_the_scores_of_scikit_learn():
    from sklearn.metrics import average_precision_score, f1_score

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1200, 4))
    rare = a[:, 1] + 0.3 * rng.normal(size=1200) > 1.6
    truth = np.stack([b[:, 0] + 0.3 * rng.normal(size=1200) > 0, rare], axis=1)
    tags = [[name for name, on in zip(["常", "稀"], row, strict=True) if on] for row in truth]
    model = Tag(fuse="early").fit({"a": a[:700], "b": b[:700]}, tags[:700])
    assert model.thresholds_[1] < 0.5
    test = {"a": a[700:], "b": b[700:]}
    found, outputs = model.answer(test)
    given = np.array([["常" in row, "稀" in row] for row in found])
    table = model.score(test, tags[700:]).table
    for kind in ("micro", "macro"):
        assert table[f"f1_{kind}"]["value"] == pytest.approx(f1_score(truth[700:], given, average=kind), abs=1e-6)
    known = average_precision_score(truth[700:], outputs)
    assert table["average_precision"]["value"] == pytest.approx(known, abs=1e-6)
    assert table["f1_micro"]["value"] > table["majority"]


def test_lists_of_tags_of_one_length_are_lists_of_tags():
    a = np.random.default_rng(0).normal(size=(60, 2))
    tags = [["p", "q"] if x > 0 else ["q", "r"] for x in a[:, 0]]
    assert Tag(fuse="early").fit({"a": a}, tags).fuser_.target_.names_ == ["p", "q", "r"]


@pytest.fixture(scope="module")
def table_file(tmp_path_factory):
    """A csv of words, a record and a class, which the words and the record tell in part; Chinese words too."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 240)
    words = [["坏 糟糕 差", "好 很棒 喜欢"], ["bad awful poor", "good great lovely"]]
    rows = ["id,words,age,sex,mood,who"]
    for i, one in enumerate(y):
        text = words[i % 2][one if rng.random() < 0.85 else 1 - one].split()
        said = " ".join(rng.permutation(text)) + f" {i}"
        age = "" if i % 11 == 0 else f"{30 + 15 * one + 8 * rng.normal():.1f}"
        rows.append(f"r{i},{said},{age},{'FM'[rng.integers(2)]},{['down', 'up'][one]},p{i // 3}")
    path = tmp_path_factory.mktemp("answering") / "posts.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def run(capsys, *argv):
    main([str(a) for a in argv])
    return capsys.readouterr()


def test_the_command_line_fits_scores_and_answers(table_file, tmp_path, capsys):
    model = tmp_path / "m"
    columns = ["--text", "words", "--number", "age", "--category", "sex", "--label", "mood", "--group", "who"]
    encoder = ["--encoder", "words=hashed_text", "--id", "id"]
    done = json.loads(run(capsys, "fit", "classify", table_file, *columns, *encoder, "--to", model, "--json").out)
    assert done["views"] == {"words": "text", "record": "record"}
    assert done["answers"] == ["down", "up"]
    assert done["leaks"]["groups"] == 0
    assert done["split"]["train"] + done["split"]["test"] == 240
    table = json.loads(run(capsys, "score", model, table_file, "--json").out)
    assert table["task"] == "classify"
    assert set(table) >= {"accuracy", "f1_macro", "auc", "views_alone", "leave_one_out", "missing", "majority", "ece",
                          "verdict", "leaks"}  # fmt: skip
    assert table["accuracy"]["low"] <= table["accuracy"]["value"] <= table["accuracy"]["high"]
    assert table["accuracy"]["value"] > 0.7
    shown = run(capsys, "score", model, table_file).out
    assert len(shown.splitlines()) <= 50
    assert "what each view adds" in shown
    assert "words alone" in shown
    answers = json.loads(run(capsys, "answer", model, table_file, "--json").out)
    assert len(answers) == 240
    assert set(answers[0]) == {"id", "answer", "confidence", "views", "probabilities"}
    part = table_file.parent / "part.csv"
    part.write_text("id,words\nn1,好 喜欢\nn2,\nn3,awful bad\n", encoding="utf-8")
    out = run(capsys, "answer", model, part, "--to", tmp_path / "a.csv")
    assert "wrote 3 answers" in out.err
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("id,answer,confidence")
    assert lines[1].startswith("n1,up")
    assert lines[3].startswith("n3,down")
    loaded = chiasm.load(model)
    assert float(lines[2].split(",")[2]) == pytest.approx(loaded.fuser_.prior_.max(), abs=1e-6)
    with pytest.raises(SystemExit):
        main(["answer", str(model), str(table_file), "--where", "mood=sideways"])
    assert "no rows" in capsys.readouterr().err


def test_regress_and_tag_on_the_command_line(table_file, tmp_path, capsys):
    more = ["--text", "words", "--encoder", "words=hashed_text", "--id", "id", "--fuse", "early"]
    run(capsys, "fit", "regress", table_file, *more, "--label", "age", "--to", tmp_path / "r")
    out = run(capsys, "score", tmp_path / "r", table_file)
    assert out.out.startswith("regress: ")
    assert "R2" in out.out
    answer = json.loads(run(capsys, "answer", tmp_path / "r", table_file, "--json").out)[0]
    assert answer["plus_minus_90"] > 0
    tagged = tmp_path / "t.jsonl"
    rng = np.random.default_rng(0)
    rows = []
    for i in range(160):
        tags = [t for t in ("红", "蓝") if rng.random() < 0.5]
        rows.append(json.dumps({"words": " ".join(["东西", *tags, str(i)]), "tags": tags}, ensure_ascii=False))
    tagged.write_text("\n".join(rows), encoding="utf-8")
    run(
        capsys,
        "fit",
        "tag",
        tagged,
        "--text",
        "words",
        "--encoder",
        "words=hashed_text",
        "--label",
        "tags",
        "--to",
        tmp_path / "g",
    )
    table = json.loads(run(capsys, "score", tmp_path / "g", tagged, "--json").out)
    assert table["task"] == "tag"
    assert table["f1_micro"]["value"] > 0.9
    assert {row["support"] for row in table["report"]["tags"]}
    answer = json.loads(run(capsys, "answer", tmp_path / "g", tagged, "--json").out)[0]
    assert isinstance(answer["answer"], list)


def test_mistakes_on_the_command_line_are_one_sentence(table_file, tmp_path, capsys):
    def fails(*argv):
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in argv])
        assert stop.value.code in (1, 2)
        return capsys.readouterr().err

    base = ["fit", "classify", table_file, "--text", "words", "--to", tmp_path / "x"]
    assert "Missing option '--label'" in fails(*base)
    assert "did you mean 'mood'" in fails(*base, "--label", "mod")
    assert "no fuse named 'erly'; did you mean 'early'" in fails(*base, "--label", "mood", "--fuse", "erly")
    assert "classify is the task for names" in fails(
        "fit", "regress", table_file, "--number", "age", "--label", "mood", "--to", tmp_path / "x"
    )
    assert "--category" in fails(
        "fit", "classify", table_file, "--number", "mood", "--label", "mood", "--to", tmp_path / "x"
    )


@pytest.mark.parametrize("task", [Classify, Regress, Tag])
@pytest.mark.parametrize("fuse", chiasm.names()["fuse"])
@pytest.mark.slow
def test_the_score_of_every_task_prints_with_every_fuser(task, fuse):
    views = planted(120)
    y = {Classify: views.label, Regress: views["a"].items[:, 0], Tag: [[name] for name in views.label]}[task]
    model = task(fuse=fuse).fit(views[:80], y[:80])
    score = model.score(views[80:], y[80:])
    assert f"{score.table['rows']}" in str(score)
    assert "all views" in str(score)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_answers_can_be_copied_and_sent_to_other_processes(again, scored):
    model, test, _ = scored
    answers = model.answer(test)
    other = again(answers)
    assert [part.tolist() for part in other] == [part.tolist() for part in answers]
    np.testing.assert_array_equal(other.outputs, answers.outputs)
    np.testing.assert_array_equal(other.ids, answers.ids)
    assert other.report.__dict__.keys() == answers.report.__dict__.keys()
