"""ask: planted pictures and questions, the controls of a score, answers from a list, bad input, the command line."""

import json

import numpy as np
import pytest
from PIL import Image

import chiasm
from chiasm import ChiasmError
from chiasm.cli import main
from chiasm.errors import ChiasmWarning
from chiasm.tasks._ask.kinds import kind_of, plain
from chiasm.tasks.ask import Ask
from chiasm.views import Column, Views

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "yellow": (230, 220, 30)}
ENCODERS = {"question": "bow_text", "picture": "pixel_image"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """100 pictures of one color each and what is asked of them: (Views with a split, folder)."""
    folder, rng = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    rows = []
    for number in range(100):
        color = list(COLORS)[number % 4]
        shade = np.clip(np.array(COLORS[color]) + rng.integers(-20, 20, (16, 16, 3)), 0, 255)
        path = folder / f"{number}.png"
        Image.fromarray(shade.astype(np.uint8)).save(path)
        other = list(COLORS)[(number + 1 + number % 3) % 4]
        split = "train" if number < 80 else "test"
        rows += [(path, "what color is it", color.upper() + ".", split), (path, f"is it {color}", "Yes", split)]
        rows += [(path, f"is it {other}", "no", split), (path, "how many pictures are there", "1", split)]
    path, question, answer, split = (list(column) for column in zip(*rows, strict=True))
    table = folder / "questions.jsonl"
    names = ("path", "question", "answer", "split")
    lines = [json.dumps(dict(zip(names, map(str, row), strict=True))) for row in rows]
    table.write_text("\n".join(lines), encoding="utf-8")
    columns = {"question": Column("text", question), "picture": Column("image", list(map(str, path)))}
    facts = {"label": np.array(answer, dtype=object), "split": np.array(split, dtype=object)}
    return Views(columns, np.arange(len(rows)), facts), folder


@pytest.fixture(scope="module")
def fitted(drawn):
    return Ask(ENCODERS).fit(drawn[0])


@pytest.fixture(scope="module")
def score(fitted, drawn):
    return fitted.score(drawn[0][drawn[0].split == "test"])


def test_planted_answers_are_right_of_pictures_that_were_not_learned_from(score):
    assert float(score) > 0.95
    assert score.table["kinds"]["other"]["all"]["value"] > 0.9


def test_the_question_alone_is_right_where_nothing_need_be_seen_and_by_chance_elsewhere(score):
    kinds = score.table["kinds"]
    assert score.table["controls"]["question alone"]["accuracy"]["value"] < 0.75
    assert kinds["other"]["question alone"]["value"] < 0.6
    assert score.table["controls"]["question alone"]["difference"]["low"] > 0


def test_a_blank_and_a_shuffled_picture_are_worse_than_the_true_one(score):
    for name in ("blank picture", "shuffled picture", "picture alone"):
        assert score.table["controls"][name]["difference"]["low"] > 0, name


def test_intervals_resample_pictures_not_questions(score, drawn):
    assert score.table["rows"] == 80
    assert score.table["clusters"] == 20


def test_the_score_prints_its_controls_and_what_holds_pictures_apart(score):
    told = str(score)
    for words in ("question alone", "picture alone", "blank picture", "shuffled picture", "out of fold", "commonest"):
        assert words in told


def test_rows_whose_pictures_were_learned_from_are_told_and_the_others_scored_apart(drawn):
    views = drawn[0]
    half = np.arange(len(views)) % 4 < 2
    split = np.where(half | (np.arange(len(views)) < 240), "train", "test").astype(object)
    shared = Views(views.columns, views.ids, {**views.facts, "split": split})
    shared = shared[(np.arange(len(views)) < 320) | ~half]  # the last pictures have test rows alone
    model = Ask(ENCODERS).fit(shared)
    table = model.score(shared[shared.split == "test"]).table
    assert table["pictures"]["rows_seen"] == 40
    assert table["pictures"]["others"]["rows"] == 40
    assert "40 of these rows show a picture that was learned from" in str(model.score(shared[shared.split == "test"]))


@pytest.mark.slow
def test_a_kind_whose_answers_the_picture_does_not_tell_is_answered_by_the_question_alone():
    rng = np.random.default_rng(0)
    n = 400
    asked, shown = rng.integers(0, 4, (2, n))
    colors, names = np.array(list(COLORS)), np.array(["a", "b", "c", "d"])
    yes = rng.permutation(np.arange(n) % 2).astype(bool)  # half ask for yes or no, which the question alone decides
    answers = np.where(yes, np.where(asked < 2, "yes", "no"), colors[shown])
    questions = np.where(yes, np.char.add("is it ", names[asked]), "what color is it")
    views = {
        "question": Column("text", questions.tolist()),
        "picture": Column("vector", np.eye(4)[shown] + 0.1 * rng.normal(size=(n, 4))),
    }
    model = Ask({"question": "bow_text"}).fit(Views(views), answers)
    assert list(model.heads_.blind_) == ["yes or no"]
    rows = Views(views)[np.flatnonzero(yes)[:9]]
    other = {"question": rows["question"], "picture": Column("vector", np.eye(4)[rng.integers(0, 4, 9)])}
    either = np.isin(model.heads_.names_, ["yes", "no"])
    assert np.allclose(model.outputs(rows)[:, either], model.outputs(Views(other))[:, either], atol=1e-9)
    always = Ask({"question": "bow_text"}, looks="always").fit(Views(views), answers)
    assert not always.heads_.blind_


def test_out_of_fold_figures_are_of_pictures_apart(fitted):
    assert fitted.crossed_["clusters"] == 80
    assert fitted.crossed_["rows"] == 320


def test_answers_that_differ_in_case_and_period_are_one(fitted):
    assert fitted.heads_.names_ == ["1", "blue", "green", "no", "red", "yellow", "yes"]


def test_kinds_are_told_of_english_and_chinese_answers():
    found = [kind_of(plain(one)) for one in ("Yes.", "是。", "不是", "3", "三个", "Three", "5 cm", "左肺", "left lung")]
    assert found == ["yes or no"] * 3 + ["number"] * 4 + ["other"] * 2


def test_a_question_without_a_picture_and_a_picture_without_a_question_are_answered(fitted, drawn):
    words, sure = fitted.answer({"question": ["how many pictures are there"]})
    assert words.tolist() == ["1"]
    assert 0 < sure[0] <= 1
    picture = str(drawn[1] / "0.png")
    assert fitted.answer({"picture": [picture]})[0][0] in fitted.heads_.names_
    with pytest.raises(ChiasmError, match="'title' has no known modality"):
        fitted.answer({"title": ["what"]})


def test_an_empty_question_is_answered_by_the_picture_alone(fitted, drawn):
    picture = str(drawn[1] / "0.png")
    known = fitted.answer({"picture": [picture]})
    empty = fitted.answer({"question": [""], "picture": [picture]})
    assert empty[0].tolist() == known[0].tolist()


def test_a_chinese_question_is_learned_and_answered(drawn):
    views, _ = drawn
    chinese = {"what color is it": "这是什么颜色", "how many pictures are there": "有几张图片"}
    items = [chinese.get(one, one) for one in views["question"].items]
    columns = {**views.columns, "question": Column("text", items, views["question"].index)}
    model = Ask({"question": "hashed_text", "picture": "pixel_image"}).fit(views.replace(columns))
    held = np.flatnonzero(np.isin(np.array(items)[views["question"].index], list(chinese.values())))
    asked = views.replace(columns)[held[views.split[held] == "test"]]
    assert float(model.score(asked)) > 0.9


def test_a_new_answer_is_chosen_from_a_list_by_its_likeness():
    """Pictures of the sea are "blue water" and the like, never "cold water"; those of forests "green leaf"."""
    rng = np.random.default_rng(0)
    n = 240
    sea = rng.integers(0, 2, n)
    how = rng.choice(["blue", "wet", "deep", "green", "wild", "dry", "wide", "still", "old", "dark"], n)
    answers = [f"{one} {'water' if wet else 'leaf'}" for one, wet in zip(how, sea, strict=True)]
    views = Views(
        {
            "question": Column("text", ["what is there", "what do you see"], rng.integers(0, 2, n)),
            "picture": Column("vector", np.eye(2)[sea] + 0.2 * rng.normal(size=(n, 2))),
        }
    )
    model = Ask({"question": "hashed_text"}).fit(views, answers)
    asked = {"question": ["what is there", "what is there"], "picture": [[0.0, 1.0], [1.0, 0.0]]}
    found = model.answer(asked, choices=["cold water", "new leaf"])
    assert found[0].tolist() == ["cold water", "new leaf"]
    assert np.allclose(found.outputs.sum(axis=1), 1)


def test_unknown_answers_count_as_wrong_and_stand_apart(fitted, drawn):
    views = drawn[0][drawn[0].split == "test"]
    label = views.label.copy()
    label[:4] = "violet"
    table = fitted.score(Views(views.columns, views.ids, {"label": label})).table
    assert table["unknown"]["rows"] == 4
    assert table["unknown"]["listed"] == 8
    assert table["accuracy"]["value"] <= 76 / 80


def test_a_choice_that_is_repeated_counts_once(fitted, drawn):
    rows = drawn[0][drawn[0].split == "test"]
    once, twice = fitted.answer(rows, ["red", "blue"]), fitted.answer(rows, ["red", " RED. ", "blue", "Blue"])
    assert np.allclose(twice.outputs, once.outputs)
    assert twice[0].tolist() == once[0].tolist()


def test_a_list_without_a_choice_or_with_an_empty_one_is_refused(fitted, drawn):
    for wrong in ([], ["red", " "]):
        with pytest.raises(ChiasmError, match="wanted choices that are not empty"):
            fitted.answer({"question": ["what color is it"]}, choices=wrong)


def test_one_answer_only_teaches_nothing(drawn):
    views = drawn[0]
    with pytest.raises(ChiasmError, match="at least two classes"):
        Ask(ENCODERS).fit(views, ["yes"] * len(views))
    with pytest.raises(ChiasmError, match="no label at all"):
        Ask(ENCODERS).fit(views, [" "] * len(views))


def test_a_question_alone_and_missing_answers_are_refused_with_what_to_do(drawn):
    views = drawn[0]
    with pytest.raises(ChiasmError, match="a question and what it is about"):
        Ask(ENCODERS).fit(views.replace({"question": views["question"]}))
    bare = Views(views.columns, views.ids)
    with pytest.raises(ChiasmError, match="wanted answers, got none"):
        Ask(ENCODERS).fit(bare)
    with pytest.raises(ChiasmError, match=r"wanted 400 answers, one a row, got 3"):
        Ask(ENCODERS).fit(bare, ["a", "b", "c"])


def test_rows_that_were_learned_from_are_not_scored_unless_insisted(fitted, drawn):
    learned = drawn[0][drawn[0].split == "train"]
    with pytest.raises(ChiasmError, match="was fitted on"):
        fitted.score(learned)
    assert float(fitted.score(learned, allow_train=True)) > 0.95


def test_judged_rows_are_what_the_score_is_the_mean_of(fitted, drawn, score):
    found = fitted.judged(drawn[0][drawn[0].split == "test"])
    assert found["all"].mean() == pytest.approx(float(score), abs=1e-6)
    assert set(found["kind"]) == {"yes or no", "number", "other"}


def test_saved_and_loaded_it_says_the_same(fitted, drawn, tmp_path):
    fitted.save(tmp_path / "m.chiasm")
    again = chiasm.load(tmp_path / "m.chiasm")
    rows = drawn[0][drawn[0].split == "test"]
    assert np.allclose(again.outputs(rows), fitted.outputs(rows), atol=1e-6)
    choices = ["red", "violet"]
    assert again.answer(rows, choices)[0].tolist() == fitted.answer(rows, choices)[0].tolist()


def test_the_command_line_fits_scores_and_answers_one_picture(drawn, tmp_path, capsys):
    folder = drawn[1]
    model = str(tmp_path / "q.chiasm")
    columns = ["--text", "question", "--image", "picture=path", "--label", "answer", "--split", "split"]
    encoders = ["--encoder", "question=bow_text", "--encoder", "picture=pixel_image"]
    main(["fit", "ask", str(folder / "questions.jsonl"), *columns, *encoders, "--to", model])
    told = capsys.readouterr().out
    assert "learned 7 answers" in told
    assert "the picture adds +" in told
    main(["score", model, str(folder / "questions.jsonl"), "--json"])
    assert json.loads(capsys.readouterr().out)["accuracy"]["value"] > 0.95
    photo = str(folder / "2.png")
    asked = ["--question", "what color is it"]
    main(["answer", model, photo, *asked, "--question", "is it blue", "--json"])
    assert [row["answer"] for row in json.loads(capsys.readouterr().out)] == ["blue", "yes"]
    main(["answer", model, photo, *asked, "--choice", "red", "--choice", "blue"])
    assert "blue" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["answer", model, photo, "--question", " "])
    assert "wanted questions that are not empty" in capsys.readouterr().err


def test_a_bare_text_and_what_is_no_text_are_no_list(fitted, drawn):
    rows = {"question": ["is it red"]}
    with pytest.raises(ChiasmError, match="got the text 'yes' alone: put it in a list"):
        fitted.answer(rows, choices="yes")
    with pytest.raises(ChiasmError, match="wanted choices that are texts, got None"):
        fitted.answer(rows, choices=["yes", None])
    with pytest.raises(ChiasmError, match="got the text 'is it red' alone"):
        fitted.about({"picture": [str(drawn[1] / "0.png")]}, "is it red")


def test_questions_that_are_their_own_answers_are_refused(drawn):
    views = drawn[0]
    questions = [views["question"].items[i] for i in views["question"].index]
    with pytest.raises(ChiasmError, match="the text of view 'question' as its answer"):
        Ask(ENCODERS).fit(views, [one.upper() for one in questions])


@pytest.fixture(scope="module")
def holed(drawn):
    """A model of rows of which some in train and some in test lack their picture: (Views, model)."""
    views = drawn[0]
    lost = np.isin(np.arange(len(views)), [0, 3, 7, 323, 327])  # questions that stand in train without picture too
    picture = views["picture"].at(np.where(lost, -1, views["picture"].index))
    views = views.replace({"question": views["question"], "picture": picture})
    return views, Ask(ENCODERS).fit(views)


def test_a_test_row_of_a_repeated_question_alone_is_scored_and_a_training_row_of_one_is_not(holed):
    views, model = holed
    test = views[views.split == "test"]
    table = model.score(test).table
    assert table["rows"] == 80
    assert table["leaks"]["fitted_rows"] == 0
    with pytest.raises(ChiasmError, match=r"2 of the 2 rows are rows that the model was fitted on"):
        model.score(views[np.array([3, 7])])
    renamed = Views(views.columns, np.arange(len(views)) + 1000, views.facts)
    with pytest.raises(ChiasmError, match="1 of the 1 rows"):  # a whole row is known by what it holds
        model.score(renamed[np.array([1])])
    assert len(model.to_score(Views(renamed.columns, renamed.ids, {"label": views.label})).rows) == 83


def test_pictures_that_stand_in_train_and_test_are_told_by_fit(drawn):
    views = drawn[0]
    place = np.arange(len(views))
    split = np.where((place % 4 == 3) & (place < 80), "test", "train").astype(object)
    asked = [f"{one} {place}" for place, one in enumerate(_questions(views))]
    shared = Views({**views.columns, "question": Column("text", asked)}, views.ids, {**views.facts, "split": split})
    model = Ask(ENCODERS).fit(shared)
    assert model.leaks_["equal"]["picture"] == 20
    assert len(model.tainted_) == 20


def _questions(views):
    return [views["question"].items[i] for i in views["question"].index]


def test_a_picture_that_is_not_there_is_told(fitted, drawn):
    asked = {"question": ["what color is it"], "picture": [str(drawn[1] / "none.png")]}
    with pytest.warns(ChiasmWarning, match="view 'picture': 1 not there"):
        fitted.answer(asked)


def test_advice_names_no_split_that_is_not_there(drawn):
    views = drawn[0][drawn[0].split == "train"]
    model = Ask(ENCODERS).fit(views)
    with pytest.raises(ChiasmError, match="score other rows, or insist"):
        model.score(views)


def test_the_spelling_of_answers_is_not_told_where_it_makes_no_difference(drawn, tmp_path, capsys):
    lines = (drawn[1] / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for i, row in enumerate(rows):
        row["answer"] = {"Yes": "yes" if i % 8 < 4 else "Yes", "1": "None"}.get(row["answer"], row["answer"])
    rows[5]["answer"] = None
    table = tmp_path / "q.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = ["--text", "question", "--image", "picture=path", "--label", "answer", "--split", "split"]
    encoders = ["--encoder", "question=bow_text", "--encoder", "picture=pixel_image"]
    model = str(tmp_path / "q.chiasm")
    main(["fit", "ask", str(table), *columns, *encoders, "--root", str(drawn[1]), "--to", model])
    out, told = capsys.readouterr()
    assert "spelled alike" not in told
    assert "word for nothing" not in told
    assert "out of fold on the 319 rows learned from (1 without an answer left out)" in out
    (line,) = [line for line in out.splitlines() if line.startswith("next: ") and " score " in line]
    assert line.endswith(f"--root {drawn[1]}")
    main(["score", model, str(table), "--root", str(drawn[1]), "--where", "split=test"])
    assert "spelled alike" not in capsys.readouterr().err
    main(["answer", model, "--question", "how many pictures are there", "--json"])
    assert [row["answer"] for row in json.loads(capsys.readouterr().out)] == ["none"]
    assert "from 319 answered rows of " in out
    for more, match in (
        ([], "Missing argument 'DATA'"),
        (["--question", "a", "--where", "k=1"], "--where: wanted DATA"),
    ):
        with pytest.raises(SystemExit):
            main(["answer", model, *more])
        assert match in capsys.readouterr().err


def test_ids_in_two_splits_are_refused_with_the_name_of_the_option(drawn, tmp_path, capsys):
    rows = [json.loads(line) for line in (drawn[1] / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    rows[0]["split"] = "test"
    table = tmp_path / "q.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = ["--text", "question", "--image", "picture=path", "--label", "answer", "--split", "split"]
    with pytest.raises(SystemExit):
        main(
            [
                "fit",
                "ask",
                str(table),
                *columns,
                "--root",
                str(drawn[1]),
                "--encoder",
                "question=bow_text",
                "--encoder",
                "picture=pixel_image",
                "--to",
                str(tmp_path / "m.chiasm"),
            ]
        )
    assert "--id COL" in capsys.readouterr().err
