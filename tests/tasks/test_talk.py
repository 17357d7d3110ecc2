"""Talk: slots are filled over turns, and what is unsure is asked for."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom

import chiasm
from chiasm.errors import ChiasmError
from chiasm.tasks._corrections import correction
from chiasm.tasks._saying import percent, question
from chiasm.tasks.talk import NOT_SAID, Dialogue, Talk, _threshold, least_rows
from chiasm.views import Column, Views
from conftest import pack

COLORS, PLACES = ["red", "green", "blue"], ["left", "right"]


def planted(n, spread=0.45, seed=0):
    """Utterances whose vectors point at a color and a place, and the slots' values."""
    rng = np.random.default_rng(seed)
    color, place = rng.integers(0, 3, n), rng.integers(0, 2, n)
    heard = np.concatenate([np.eye(3)[color], np.eye(2)[place]], axis=1) + spread * rng.normal(size=(n, 5))
    return heard, {"color": np.array(COLORS)[color], "place": np.array(PLACES)[place]}


def point(color=None, place=None):
    """An utterance that points at these, and at nothing in particular where there is None."""
    c = np.full(3, 1 / 3) if color is None else np.eye(3)[COLORS.index(color)]
    p = np.full(2, 1 / 2) if place is None else np.eye(2)[PLACES.index(place)]
    return {"sound": [np.concatenate([c, p]).tolist()]}


@pytest.fixture(scope="module")
def model():
    heard, slots = planted(400)
    return Talk(error=0.02, seed=1).fit({"sound": heard}, slots)


def test_a_clear_utterance_fills_every_slot_and_nothing_is_asked(model):
    reply = model.turn(Dialogue(), point("green", "left"))
    assert reply.values == {"color": "green", "place": "left"}
    assert (reply.unsure, reply.asked) == ([], "")
    assert reply.text == "Understood: color green, place left."


def test_an_unsure_slot_is_asked_for_and_the_next_turn_speaks_of_it_alone(model):
    talk = Dialogue()
    first = model.turn(talk, point("green", None))
    assert first.asked == "place"
    assert first.text.startswith("Which place? I understood")
    second = model.turn(talk, point("red", "right"))  # red is not listened to: the place was asked for
    assert second.values == {"color": "green", "place": "right"}
    assert (second.asked, talk.turns) == ("", 2)
    third = model.turn(talk, point("blue", "left"))  # nothing was asked: a new utterance changes every slot
    assert third.values == {"color": "blue", "place": "left"}


def test_after_so_many_questions_the_likeliest_value_is_taken_and_told_as_unsure(model):
    talk = Dialogue()
    asked = [model.turn(talk, point("green", None)).asked for _ in range(3)]
    assert asked == ["place", "place", ""]
    reply = model.turn(Dialogue(), point("green", None))
    assert "(not sure)" not in reply.text
    talk = Dialogue()
    replies = [model.turn(talk, point("green", None)) for _ in range(3)]
    assert replies[-1].text.count("(not sure)") == 1
    assert replies[-1].unsure == ["place"]


def test_what_two_turns_say_of_a_slot_is_combined_as_independent_evidence(model):
    fuser = model.fusers_["place"]
    weak = {slot: f.prior_.copy() for slot, f in model.fusers_.items()}
    weak["color"] = np.array([0.98, 0.01, 0.01])
    weak["place"] = np.array([0.6, 0.4])
    talk = Dialogue()
    first = model.reply(talk, weak)
    assert first.asked == "place"
    second = model.reply(talk, weak)
    prior = fuser.prior_
    expected = 0.6**2 / prior[0] / (0.6**2 / prior[0] + 0.4**2 / prior[1])
    assert first.confidence["place"] == pytest.approx(0.6, abs=1e-6)
    assert second.confidence["place"] == pytest.approx(expected, abs=1e-6)


def test_the_threshold_lets_through_as_many_turns_as_the_allowed_share_of_errors_permits():
    rng = np.random.default_rng(0)
    for _ in range(20):
        sure = rng.integers(1, 30, 200) / 30
        right = rng.random(200) < 0.5 + sure / 2
        found = _threshold(sure, right, 0.15)
        slow = []
        for t in np.unique(sure):  # as many errors or fewer must be unlikely (10 %) if the rate were the allowed one
            if binom.cdf(np.sum(~right[sure >= t]), np.sum(sure >= t), 0.15) <= 0.1:
                slow.append(t)
        assert found == (min(slow) if slow else 1.0)
    right[:] = True
    assert _threshold(sure + 100, right, 0.15) == 0.85  # nothing was wrong: a probability of 0.85 is sure enough


def test_fewer_errors_are_allowed_more_is_asked_and_fewer_of_the_sure_ones_are_wrong():
    heard, slots = planted(1200, spread=0.6)
    split = np.repeat(["train", "val"], [400, 800]).astype(object)
    views = Views({"sound": Column("vector", heard)}, facts={"split": split})
    new, truth = planted(2000, spread=0.6, seed=1)
    shares, errors = [], []
    for error in (0.15, 0.1, 0.05):
        talk = Talk(error=error).fit(views, slots)
        table = talk.score({"sound": new}, truth).table["slots"]["color"]
        shares.append(table["sure"]["value"])
        errors.append(1 - table["right_of_sure"]["value"])
    assert all(a > b for a, b in pairwise(shares))
    assert all(found < allowed + 0.04 for found, allowed in zip(errors, (0.15, 0.1, 0.05), strict=True))


def test_asking_back_fills_more_slots_right_than_taking_the_first_answer():
    heard, slots = planted(400, spread=0.5)
    model = Talk().fit({"sound": heard}, slots)
    new, truth = planted(300, spread=0.5, seed=2)
    outputs = model.probabilities({"sound": new})
    rng = np.random.default_rng(0)
    first, last = [], []
    for goal in range(300):
        wanted = {slot: values[goal] for slot, values in truth.items()}
        talk = Dialogue()
        reply = model.reply(talk, {slot: one[goal] for slot, one in outputs.items()})
        first.append(reply.values == wanted)
        while reply.asked:
            other = rng.choice(np.flatnonzero(truth[reply.asked] == wanted[reply.asked]))
            reply = model.reply(talk, {slot: one[other] for slot, one in outputs.items()})
        last.append(reply.values == wanted)
    assert np.mean(last) > np.mean(first) + 0.1


def test_a_slot_that_is_not_mentioned_is_not_filled_and_one_that_was_filled_stays():
    texts, color, place = [], [], []
    for i in range(240):
        c, p = COLORS[i % 3], PLACES[i // 3 % 2]
        both, only = f"go {p} to the {c} one {i}", [f"the {c} one {i}", f"go {p} {i}"][i % 2]
        texts += [both, only]
        color += [c, c if i % 2 == 0 else None]
        place += [p, p if i % 2 else None]
    views = Views({"words": Column("text", texts)})
    model = Talk({"words": "bow_text"}).fit(views, {"color": color, "place": place})
    assert model.slots == {"color": sorted(COLORS), "place": sorted(PLACES)}
    assert NOT_SAID in model.fusers_["color"].target_.names_
    talk = Dialogue()
    reply = model.turn(talk, Views({"words": Column("text", ["the blue one"])}))
    assert reply.values == {"color": "blue", "place": None}
    assert reply.text == "Which place?"
    assert model.turn(talk, Views({"words": Column("text", ["go left"])})).values == {"color": "blue", "place": "left"}
    reply = model.turn(talk, Views({"words": Column("text", ["go right"])}))
    assert reply.values == {"color": "blue", "place": "right"}


def test_a_talk_without_sound_or_without_text_still_answers():
    heard, slots = planted(300)
    other, _ = planted(300, seed=3)
    words = np.random.default_rng(0).normal(size=other.shape) * 0.2 + heard
    model = Talk().fit({"sound": heard, "words": words}, slots)
    for view in ("sound", "words"):
        assert model.turn(Dialogue(), {view: point("red", "left")["sound"]}).values == {"color": "red", "place": "left"}


def test_a_saved_talk_takes_the_same_turns(model, tmp_path):
    loaded = chiasm.load(model.save(tmp_path / "talk"))
    for views in (point("green", "left"), point("green", None), point(None, "right")):
        assert loaded.turn(Dialogue(), views) == model.turn(Dialogue(), views)


def test_slots_may_stand_in_the_label_as_objects_and_a_plain_label_is_one_slot():
    heard, slots = planted(300)
    rows = [{"color": c, "place": p} for c, p in zip(slots["color"], slots["place"], strict=True)]
    sounds = {"sound": Column("vector", heard)}
    by_slots = Talk().fit({"sound": heard}, slots).probabilities({"sound": heard[:9]})
    for labels in (rows, [json.dumps(row) for row in rows]):
        model = Talk().fit(Views(sounds, facts={"label": np.array(labels, dtype=object)}))
        found = model.probabilities({"sound": heard[:9]})
        assert list(found) == ["color", "place"]
        assert all(np.array_equal(found[slot], by_slots[slot]) for slot in found)
    plain = Talk().fit(Views(sounds, facts={"label": slots["color"]}))
    assert plain.slots == {"intent": sorted(COLORS)}
    values, sure = plain.answer({"sound": heard})
    assert values.shape == sure.shape == (300, 1)
    assert np.mean(values[:, 0] == slots["color"]) > 0.8
    new, truth = planted(200, seed=4)
    score = plain.score({"sound": new}, {"intent": truth["color"]})
    assert score > score.table["majority"] + 0.3
    assert "intent: " in str(score)
    with pytest.raises(chiasm.ChiasmError, match="JSON object"):
        Talk().fit(Views(sounds, facts={"label": np.array(["{"] * 300, dtype=object)}))


@pytest.mark.parametrize(
    ("made", "slots", "said"),
    [
        ({}, None, "wanted slots"),
        ({}, {"color": ["red"]}, "wanted 400 values"),
        ({"error": 0}, {"color": ["red"] * 400}, "between 0 and 1"),
    ],
)
def test_what_teaches_nothing_is_refused_in_a_sentence(made, slots, said):
    with pytest.raises(chiasm.ChiasmError, match=said):
        Talk(**made).fit({"sound": planted(400)[0]}, slots)


def test_two_utterances_are_no_turn(model):
    with pytest.raises(chiasm.ChiasmError, match="one utterance a turn"):
        model.turn(Dialogue(), {"sound": planted(2)[0]})


@pytest.mark.slow
def test_the_command_line_keeps_the_state_from_line_to_line(tmp_path, run):
    texts = [f"{c} {p}" for c in COLORS for p in PLACES] * 20
    slots = {"color": [t.split()[0] for t in texts], "place": [t.split()[1] for t in texts]}
    views = Views({"words": Column("text", [f"{t} {i % 7}" for i, t in enumerate(texts)])})
    folder = Talk({"words": "hashed_text"}).fit(views, slots).save(tmp_path / "talk")
    one = json.loads(run("talk", str(folder), "--text", "red left", "--json").stdout)
    assert {slot: s["value"] for slot, s in one["state"].items()} == {"color": "red", "place": "left"}
    assert one["answer"] == "Understood: color red, place left."
    assert "not from audio" in run("talk", str(folder), "--wav", "x.wav").stderr
    assert "not from video" in run("talk", str(folder), "--video", "x.mp4").stderr
    done = run("talk", str(folder), input="green left\nblue right\n\nred left\n")
    answers = [line for line in done.stdout.splitlines() if line.startswith("Understood")]
    assert answers == ["Understood: color green, place left.", "Understood: color blue, place right."]


@pytest.mark.slow
def test_slots_are_learned_from_the_columns_of_a_table_by_the_command_line(tmp_path, run):
    rows = [f"{c} {p} {i},{c},{p}" for i in range(12) for c in COLORS for p in PLACES]
    table = tmp_path / "orders.csv"
    table.write_text("said,color,place\n" + "\n".join(rows) + "\n")
    folder = str(tmp_path / "orders.chiasm")
    slots = ("--slot", "color", "--slot", "place")
    done = run("fit", "talk", table, "--text", "said", *slots, "--encoder", "said=bow_text", "--to", folder)
    assert done.returncode == 0, done.stderr
    assert "learned color, place from" in done.stdout
    one = json.loads(run("talk", folder, "--text", "red left", "--json").stdout)
    assert {slot: s["value"] for slot, s in one["state"].items()} == {"color": "red", "place": "left"}
    assert "color: 100.0 %" in run("score", folder, table).stdout
    assert "is a talk model" in run("answer", folder, table).stderr


def test_spoken_commands_fill_slots_through_the_recognizer(tmp_path):
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("av")
    folder = pack("fsdd") / "audio"
    names = [(d, speaker, i) for d in (1, 7) for speaker in ("lucas", "theo", "yweweler") for i in range(5, 11)]
    files = [str(folder / f"{d}_{speaker}_{i}.ogg") for d, speaker, i in names]
    from chiasm.encode.speech_audio import SpeechAudio

    views = Views({"said": Column("audio", files)})
    encoder = SpeechAudio("bow_text", words="#JSGF V1.0; grammar a; public <a> = one | seven;")
    model = Talk({"said": encoder}, error=0.2).fit(
        views, {"digit": ["one" if d == 1 else "seven" for d, _, _ in names]}
    )
    for digit, word in ((1, "one"), (7, "seven")):
        spoken = Views({"said": Column("audio", [str(folder / f"{digit}_lucas_0.ogg")])})
        assert model.turn(Dialogue(), spoken).values == {"digit": word}


WORDS = {"color": ["red", "green", "blue"], "digit": ["five", "two", "three", "four"]}
ZH = {"顏色": ["红色", "绿色", "蓝色"], "数字": ["七", "八", "九"]}


def words_model(slots, form, rows=240, **options):
    rng = np.random.default_rng(0)
    said = {name: rng.choice(values, rows) for name, values in slots.items()}
    texts = [form.format(*values) for values in zip(*said.values(), strict=True)]
    views = Views({"said": Column("text", texts)})
    return Talk({"said": "bow_text"}, **options).fit(views, said)


@pytest.fixture(scope="module")
def spoken():
    return words_model(WORDS, "the {} one and number {} please")


@pytest.fixture(scope="module")
def chinese():
    return words_model(ZH, "我 要 {} 和 {} 号")


def said(text):
    return {"said": [text]}


@pytest.mark.parametrize(
    "text", ["no, blue", "No! Blue.", "not red but blue", "no, not red, blue", "blue, not red", "no i said blue"]
)
@pytest.mark.parametrize("asked", ["", "digit"])
def test_a_correction_changes_the_slot_that_it_is_about_whatever_was_asked(text, asked, spoken):
    talk = Dialogue()
    assert spoken.turn(talk, said("the red one and number four please")).values == {"color": "red", "digit": "four"}
    talk.asked = asked
    reply = spoken.turn(talk, said(text))
    assert reply.values == {"color": "blue", "digit": "four"}
    assert talk.turns == 2


@pytest.mark.parametrize(
    "text", ["不，蓝色", "不是红色，是蓝色", "不是 红色 而是 蓝色", "不对，是 蓝色", "要 蓝色，不是 红色"]
)
def test_a_correction_in_chinese_does_too(text, chinese):
    talk = Dialogue()
    assert chinese.turn(talk, said("我 要 红色 和 七 号")).values == {"顏色": "红色", "数字": "七"}
    assert chinese.turn(talk, said(text)).values == {"顏色": "蓝色", "数字": "七"}


def test_a_value_that_is_taken_back_is_not_said_again_and_a_plain_no_is_about_what_was_asked(spoken):
    talk = Dialogue()
    spoken.turn(talk, said("the red one and number four please"))
    assert spoken.turn(talk, said("not red")).values["color"] in ("green", "blue")
    heard = set()
    for _ in range(4):
        talk.asked = "digit"
        reply = spoken.turn(talk, said("no"))
        assert reply.values["digit"] not in {"four", *(heard - {None})}
        heard.add(reply.values["digit"])
    assert None in heard
    assert spoken.turn(talk, said("no, two")).values["digit"] == "two"
    assert all(np.isfinite(list(reply.confidence.values())))


def test_values_that_words_do_not_name_are_put_right_by_what_was_learned():
    kinds = {"red": "warm", "orange": "warm", "blue": "cold", "gray": "dull"}
    rng = np.random.default_rng(0)
    color, size = rng.choice(list(kinds), 400), rng.choice(["big", "small", "tiny"], 400)
    short = rng.random(400) < 0.5
    texts = [c if alone else f"a {c} thing that is {s}" for c, s, alone in zip(color, size, short, strict=True)]
    slots = {"kind": [kinds[c] for c in color], "size": np.where(short, None, size)}
    model = Talk({"said": "bow_text"}).fit(Views({"said": Column("text", texts)}), slots)
    talk = Dialogue()
    assert model.turn(talk, said("a red thing that is big")).values == {"kind": "warm", "size": "big"}
    talk.asked = "size"
    assert model.turn(talk, said("no, blue")).values == {"kind": "cold", "size": "big"}


def test_words_that_take_nothing_back_are_an_utterance_like_any_other(spoken):
    first = "no, the red one and number four please"  # nothing was understood before that it could put right
    assert spoken.turn(Dialogue(), said(first)).values == {"color": "red", "digit": "four"}
    talk = Dialogue()
    spoken.turn(talk, said("the red one and number four please"))
    talk.asked = ""
    assert spoken.turn(talk, said("the green one and number two please")).values == {"color": "green", "digit": "two"}
    for text in ("no sugar please", "the knot, blue", "nothing but blue", "不要糖"):
        assert correction(text) is None


def test_what_can_never_be_sure_is_said_by_fit_and_in_the_question(tmp_path):
    views = Views(
        {"said": Column("text", ["red", "blue"] * 80)}, facts={"split": np.array(["train"] * 128 + ["val"] * 32)}
    )
    model = Talk({"said": "bow_text"}).fit(views, {"color": ["red", "blue"] * 80})
    assert model.doubts() == ["color: too few validation rows to be sure of any value at 5 %: 32, it takes 45 or more"]
    reply = model.turn(Dialogue(), said("red"))
    assert reply.asked == "color"
    assert "100 %" not in reply.text
    assert reply.text.endswith("I can never be sure of it.")
    assert max(reply.confidence.values()) < 1
    chiasm.save(model, tmp_path / "m")
    assert chiasm.load(tmp_path / "m").doubts() == model.doubts()
    talk = Dialogue()
    model.turn(talk, said("red"))
    assert model.turn(talk, said("no, blue")).text == "Understood: color blue."  # called by its name
    many = Views(
        {"said": Column("text", ["red", "blue"] * 120)}, facts={"split": np.array(["train", "train", "val"] * 80)}
    )
    assert Talk({"said": "bow_text"}).fit(many, {"color": ["red", "blue"] * 120}).doubts() == []
    wrong = np.random.default_rng(0).permutation(["red", "blue"] * 120)
    (told,) = Talk({"said": "bow_text"}).fit(many, {"color": wrong}).doubts()
    assert "too many wrong validation rows" in told


def test_the_least_rows_are_those_from_which_a_threshold_is_found():
    for error in (0.01, 0.05, 0.2):
        least = least_rows(error)
        sure = np.linspace(0.5, 0.6, least)
        assert _threshold(sure, np.ones(least, bool), error) < 1
        assert _threshold(sure[1:], np.ones(least - 1, bool), error) == 1


def test_a_question_names_the_threshold_and_rounds_to_neither_side():
    assert question("digit", "seven", 0.99961, 0.9998) == (
        "Which digit? I understood seven with 99.9 % confidence; I need 100 %."
    )
    assert question("digit", "seven", 0.996, 0.9962).endswith("with 99.6 % confidence; I need 99.7 %.")
    assert question("digit", "seven", 0.62, 0.95).endswith("with 62 % confidence; I need 95 %.")
    assert percent(0.9999999) == "99.9 %"
    assert "99.9 %" in question("digit", "seven", 1 - 1e-12, 1.0)


@pytest.mark.slow
def test_the_command_that_learns_to_talk_says_what_can_never_be_sure(tmp_path, run):
    lines = [f"{i},the {c} one,{c}" for i, c in enumerate(["red", "blue", "green"] * 20)]
    (tmp_path / "t.csv").write_text("\n".join(["id,said,颜色", *lines]), encoding="utf-8")
    columns = ("--text", "said", "--encoder", "said=bow_text", "--id", "id", "--slot", "颜色")
    done = run("fit", "talk", tmp_path / "t.csv", *columns, "--to", tmp_path / "m")
    assert "颜色: too few validation rows to be sure of any value at 5 %" in done.stdout, done.stderr
    done = run("talk", tmp_path / "m", "--text", "the red one")
    assert "100 %" not in done.stdout


@pytest.mark.parametrize("nothing", ["", "   ", "\n\t", "　"])
def test_an_empty_utterance_fills_no_slot(nothing, spoken):
    dialogue = Dialogue()
    for views in (said(nothing), Views({"said": Column.from_cells("text", [None])})):
        with pytest.raises(ChiasmError, match="wanted an utterance, got an empty one"):
            spoken.turn(dialogue, views)
    assert dialogue == Dialogue()


def test_what_is_no_sound_is_told_and_not_answered_by_what_is_common(tmp_path):
    import soundfile

    rng, paths = np.random.default_rng(0), []
    for i in range(60):
        beep = np.sin(np.arange(4000) * (0.1 + 0.2 * (i % 2))) + 0.1 * rng.normal(size=4000)
        soundfile.write(tmp_path / f"{i}.wav", beep, 8000)
        paths.append(str(tmp_path / f"{i}.wav"))
    sounds = Views({"said": Column.from_cells("audio", paths)})
    model = Talk({"said": "mel_audio"}).fit(sounds, {"color": np.array(["red", "blue"] * 30)})
    (tmp_path / "table.wav").write_text("id,said\n1,red\n", encoding="utf-8")
    dialogue = Dialogue()
    with pytest.raises(ChiasmError, match="wanted an utterance, got what cannot be used: said: "):
        model.turn(dialogue, Views({"said": Column.from_cells("audio", [str(tmp_path / "table.wav")])}))
    assert dialogue == Dialogue()
