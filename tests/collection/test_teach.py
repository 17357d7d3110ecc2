"""Names taught by pictures: found alone and beside other words, measured at once, and forgotten without a trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import chiasm
from chiasm.cli import main
from chiasm.collection import Collection
from chiasm.collection._measured import luck
from chiasm.collection._taught import kept, said
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.stats.prototypes import Others
from chiasm.tasks.retrieve import Question, Retrieve
from conftest import make_pictures


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A quick model of colored shapes and their captions, saved."""
    home = tmp_path_factory.mktemp("model")
    return fitted(home / "m.chiasm", home / "learned", "cca")


def fitted(path, folder, align):
    pairs = make_pictures(folder, 96)
    views = chiasm.Views.of(
        {"text": [text for _, text in pairs], "image": [str(folder / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(96)],
    )
    Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}, align=align).fit(views).save(path)
    return path


def draw_rex(file, seed):
    """A thing that the model has never seen: an orange cross with a blue heart, somewhere on gray."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (64, 64), (200, 200, 200))
    pen = ImageDraw.Draw(picture)
    x, y = rng.integers(16, 48, 2).tolist()
    pen.rectangle((x - 14, y - 4, x + 14, y + 4), fill=(255, 140, 0))
    pen.rectangle((x - 4, y - 14, x + 4, y + 14), fill=(255, 140, 0))
    pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(0, 0, 255))
    picture.save(file)


@pytest.fixture
def home(tmp_path):
    make_pictures(tmp_path / "Pictures", 40, seed=5)
    (tmp_path / "elsewhere").mkdir()
    for i in range(4):
        draw_rex(tmp_path / "Pictures" / f"rex{i}.png", i)
        draw_rex(tmp_path / "elsewhere" / f"rex{i}.png", 10 + i)
    return tmp_path


@pytest.fixture
def made(home, model):
    return Collection.build(home / "p.index", model, home / "Pictures")


def items(made, words, k=4, **options):
    return [hit["item"] for hit in made.hits({"text": [words]}, k=k, **options)[0]]


REX = [f"rex{i}.png" for i in range(4)]


def test_a_taught_name_finds_the_other_pictures_of_the_thing(made):
    before = items(made, "rex")
    assert set(before) != set(REX)
    told = made.teach("Rex", ["rex0.png", "rex1.png"])
    assert told["pictures"] == told["added"] == 2
    assert set(items(made, "rex")) == set(items(made, "REX!")) == set(REX)
    assert made.hits({"text": ["rex"]}, k=1)[0][0]["why"] == {"taught": ["Rex"]}
    assert {one["item"] for one in told["alike"][:2]} == {"rex2.png", "rex3.png"}
    assert Collection(made.path).names()[0]["files"] == ["rex0.png", "rex1.png"]


def test_pictures_from_elsewhere_teach_too_and_need_not_stay(made, home):
    files = [home / "elsewhere" / name for name in REX]
    told = made.teach("rex", files)
    assert told["measured"]["of"] == 44
    for file in files:
        file.unlink()
    assert len(set(items(Collection(made.path), "rex")) & set(REX)) >= 3


def test_the_other_words_of_a_query_keep_their_meaning(made):
    plain = {hit["item"]: hit["score"] for hit in made.hits({"text": ["a red circle"]}, k=44)[0]}
    made.teach("rex", ["rex0.png", "rex1.png", "rex2.png"])
    both = items(made, "rex, a red circle", k=44)
    others = [item for item in both if not item.startswith("rex")]
    assert others != items(made, "rex", k=44)
    best = sorted((item for item in plain if not item.startswith("rex")), key=lambda item: -plain[item])
    assert set(others[:4]) & set(best[:8])
    assert items(made, "rex, a red circle", k=44).index("rex3.png") < items(made, "a red circle", k=44).index(
        "rex3.png"
    )


def test_a_picture_that_taught_a_name_scores_as_one_that_did_not(made):
    made.teach("rex", ["rex0.png", "rex1.png", "rex2.png"])
    scores = {hit["item"]: hit["score"] for hit in made.hits({"text": ["rex"]}, k=44)[0]}
    (taught,) = {round(scores[name], 5) for name in REX[:3]}  # all alike
    assert taught < 3 * scores["rex3.png"]
    assert [hit["rank"] for hit in made.hits({"text": ["rex"]}, k=6)[0]] == [1, 2, 3, 4, 5, 6]


def test_copies_of_what_taught_a_name_hide_no_better_file_and_pages_lose_none(made):
    for i in range(9):
        shutil.copy(made.folder / "rex0.png", made.folder / f"copy{i}.png")
    made.update()
    made.teach("rex", ["rex0.png", "0005.png"])
    whole = items(made, "rex", k=100, group=False)
    assert sorted(whole) == sorted(path.name for path in made.folder.glob("*.png"))
    assert items(made, "rex", k=3, group=False) == whole[:3]
    pages = [items(made, "rex", k=3, group=False, skip=skip) for skip in range(0, 53, 3)]
    assert [item for page in pages for item in page] == whole


def test_words_without_a_taught_name_are_answered_as_before_and_forget_undoes_it(made):
    asked = {"text": ["a red circle", "rex on a circle", "rex"]}
    before = list(made.hits(asked, k=9))
    made.teach("rex", ["rex0.png", "rex1.png"])
    after = list(made.hits(asked, k=9))
    assert after[0] == before[0]
    assert after[2] != before[2]
    made.forget("REX")
    assert list(made.hits(asked, k=9)) == list(Collection(made.path).hits(asked, k=9)) == before
    assert made.names() == []


def test_how_well_a_name_is_found_is_told_at_once(made):
    one = made.teach("rex", ["rex0.png"])
    assert one["measured"] is None
    assert "unmeasured" in one["note"]
    told = made.teach("rex", REX[1:])
    assert (told["pictures"], told["added"]) == (4, 3)
    assert told["measured"]["ranks"] == [1, 1, 1, 1]
    assert told["measured"]["of"] == 40
    assert 0 < told["measured"]["first_10"]["low"] < told["measured"]["first_10"]["value"] == 1
    assert not told["measured"]["by_luck"]
    assert told["note"] == ""


def test_the_rank_of_a_held_out_picture_is_that_of_a_plain_product(made):
    from chiasm.collection._marks import encoded, usual

    names = [path.name for path in sorted((made.folder).glob("*.png"))]
    vectors = encoded(made.model, "image", made.folder, names)[1]
    taught = [names.index(name) for name in ("rex0.png", "0001.png", "0002.png")]
    told = made.teach("mixed", [names[i] for i in taught])["measured"]
    rest = np.delete(vectors, taught, axis=0)
    others = Others(np.concatenate([usual(made.model, "image"), rest]))
    for at, rank in zip(taught, told["ranks"], strict=True):
        left = [i for i in taught if i != at]
        direction = others.directions([vectors[left]])[0]
        assert rank == 1 + (rest @ direction > vectors[at] @ direction).sum()


@pytest.mark.parametrize("align", ["auto", "corrected"])
def test_what_corrects_for_hubs_among_words_does_not_count_among_pictures(home, tmp_path, align):
    from chiasm.views import Column, Views, normalize

    model = fitted(tmp_path / "m.chiasm", tmp_path / "learned", align)
    made = Collection.build(home / "p.index", model, home / "Pictures")
    made.teach("rex", [home / "elsewhere" / "rex0.png"])
    files = sorted(made.folder.glob("*.png"))
    encoder = made.model.encoding_.encoders_["image"]
    rows = Views({"image": Column("vector", encoder.encode([str(file) for file in files]))})
    aligner = made.model.aligner_
    plain, whole = (np.asarray(of(rows)["image"].items) for of in (aligner.uncorrected, aligner.transform))
    direction = next(iter(kept(made._catalog))).direction
    assert len(direction) == plain.shape[1]
    if align == "auto":
        assert plain.shape[1] < whole.shape[1]
    scores = normalize(whole)[:, : plain.shape[1]] @ direction
    found = made.hits({"text": ["rex"]}, k=44)[0]
    assert [hit["score"] for hit in found] == pytest.approx(np.sort(scores / np.linalg.norm(direction))[::-1], abs=1e-5)


def test_pictures_without_anything_in_common_are_said_to_be_found_by_luck(made):
    notes = [made.teach(f"no {i}", [f"{a:04d}.png" for a in pair])["note"] for i, pair in enumerate(
        [(0, 17), (3, 30), (8, 21), (11, 36), (14, 25)])]  # fmt: skip
    assert sum("better than by chance" in note for note in notes) >= 4


def test_files_at_random_are_told_by_luck_and_a_planted_thing_is_not():
    rng = np.random.default_rng(0)
    files = rng.normal(size=(300, 12)).astype(np.float32)
    others, planted = Others(files), rng.normal(size=12).astype(np.float32) * 3
    shares = [luck(others, files, rng.normal(size=(3, 12)).astype(np.float32), seed) for seed in range(100)]
    assert sum(share <= 0.05 for share in shares) <= 13  # 5 expected
    assert luck(others, files, planted + 0.3 * rng.normal(size=(3, 12)).astype(np.float32)) <= 0.01
    assert luck(others, files[:19], files[20:22]) is None


@pytest.mark.parametrize(
    ("words", "names", "found", "rest"),
    [
        ("rex on a beach", ["rex"], ["rex"], "on a beach"),
        ("REX's ball", ["Rex"], ["Rex"], "ball"),
        ("rexona and a t-rex", ["rex"], [], "rexona and a t-rex"),
        ("旺财在海边", ["旺财"], ["旺财"], "在海边"),
        ("rex在海边", ["rex"], ["rex"], "在海边"),
        ("小旺财", ["旺财", "小旺财"], ["小旺财"], ""),
        ("uncle  bob with bob", ["bob", "uncle bob"], ["uncle bob", "bob"], "with"),
        ("Straße", ["STRASSE"], ["STRASSE"], ""),
        ("İzmir, rex?", ["rex"], ["rex"], "İzmir, ?"),
        ("rex, rex!", ["rex"], ["rex"], ""),
    ],
)
def test_a_name_is_found_among_words(words, names, found, rest):
    assert said(words, names) == (found, rest)


def test_a_query_may_have_several_names_and_several_queries_each_their_own(made):
    made.teach("rex", REX[:2])
    made.teach("旺财", ["0001.png"])
    rows = made.hits({"text": ["rex和旺财", "a red circle", "旺财"]}, k=3)
    assert [row[0].get("why", {}).get("taught") for row in rows] == [["rex", "旺财"], None, ["旺财"]]
    assert rows[2][0]["item"] == "0001.png"


def asked(made, written, k=44, **options):
    return made.hits([Question(written, folder=None)], k=k, **options)[0]


def test_a_name_beside_other_words_counts_in_a_question_of_several_terms(made):
    made.teach("rex", ["rex0.png", "rex1.png"])
    both = [hit["item"] for hit in asked(made, "rex, a red circle - blue")]
    words = [hit["item"] for hit in asked(made, "a red circle - blue")]
    assert both.index("rex3.png") < words.index("rex3.png")
    (twice,) = made.hits([Question("rex, a red circle + rex, a red circle", folder=None)], k=44)
    (once,) = made.hits({"text": ["rex, a red circle"]}, k=44)
    assert [hit["item"] for hit in twice][:10] == [hit["item"] for hit in once][:10]
    assert all(hit["why"] == {"taught": ["rex"]} for hit in asked(made, "a red circle + rex")[:3])
    assert not any("taught" in hit.get("why", {}) for hit in asked(made, "a red circle - rex"))


def test_what_taught_a_name_is_no_better_in_a_question_of_several_terms(made):
    made.teach("rex", ["rex0.png", "rex1.png", "rex2.png"])
    (alone,) = made.hits({"text": ["rex"]}, k=44)
    scores = {hit["item"]: hit["score"] for hit in alone}
    assert {hit["item"]: hit["score"] for hit in asked(made, "rex + rex")} == pytest.approx(scores, abs=1e-5)
    less = {hit["item"]: hit["score"] for hit in asked(made, "rex - a red circle")}
    assert max(less[name] for name in REX[:3]) < 3 * less["rex3.png"]
    assert [hit["rank"] for hit in asked(made, "rex - a red circle")] == list(range(1, 45))


def test_names_in_several_terms_may_be_marked_beside_and_are_not_rejected(made):
    made.teach("rex", ["rex0.png", "rex1.png"])
    assert asked(made, "rex - blue", more=["0001.png"]) != asked(made, "rex - blue")
    with pytest.raises(ChiasmError, match="taught name 'rex'"):
        asked(made, "rex - blue", reject=0.5)


def test_a_name_that_cannot_be_found_and_files_that_cannot_teach_are_refused(made, home):
    for name in ("", "  ", "!?", "-rex", "x" * 61):
        with pytest.raises(ChiasmError, match="begins and ends with"):
            made.teach(name, REX[:1])
    (home / "Pictures" / "broken.png").write_bytes(b"no picture")
    (home / "Pictures" / "words.txt").write_text("rex")
    for name in ("the", "AND", "的"):
        with pytest.raises(ChiasmError, match="a word of most sentences"):
            made.teach(name, REX[:1])
    for files, said_of in (([], "got none: a list"), ("rex0.png", "a list"), (["gone.png"], "none below"),
                           (["broken.png"], "broken.png"), (["words.txt"], "files of one of image")):  # fmt: skip
        with pytest.raises(ChiasmError, match=said_of):
            made.teach("rex", files)
    assert made.names() == []
    with pytest.raises(ChiasmError, match="no taught name"):
        made.forget("rex")


def test_a_taught_name_is_not_rejected_by_what_words_score(made):
    made.teach("rex", REX[:2])
    with pytest.raises(ChiasmError, match="taught name 'rex'"):
        made.hits({"text": ["rex"]}, reject=0.5)


def test_the_names_are_taught_anew_to_another_model_where_their_files_are_there(made, home, tmp_path):
    made.teach("rex", REX[:2])
    outside = home / "elsewhere" / "rex0.png"
    made.teach("other", [outside])
    outside.unlink()
    other = fitted(tmp_path / "o.chiasm", tmp_path / "learned", "ridge")
    with pytest.warns(ChiasmWarning, match="lost until a file of theirs is back: other"):
        made.switch(other)
    assert {one["name"]: one["lost"] for one in made.names()} == {"other": True, "rex": False}
    assert set(items(made, "rex")) == set(REX)
    assert "why" not in made.hits({"text": ["other"]}, k=1)[0][0]
    draw_rex(outside, 10)
    made.update()
    assert not any(one["lost"] for one in made.names())


def test_a_renamed_file_teaches_the_next_model_under_its_new_name(made, tmp_path):
    made.teach("rex", ["rex0.png"])
    (made.folder / "rex0.png").rename(made.folder / "moved.png")
    made.switch(fitted(tmp_path / "o.chiasm", tmp_path / "learned", "ridge"))
    assert not made.names()[0]["lost"]


def test_teach_killed_at_any_moment_leaves_a_name_whole_or_not_at_all(made):
    code = f"""
import sys
from chiasm.collection import Collection
made = Collection({str(made.path)!r})
print("ready", flush=True)
for i in range(10_000):
    made.teach(f"name{{i}}", ["rex0.png", "rex1.png"])
    print(i, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    acknowledged = -1
    for line in process.stdout:
        if line.strip() == "3":
            acknowledged = 3
            time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            break
    acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
    process.wait()
    again = Collection(made.path)
    known = {one["name"] for one in again.names()}
    assert {f"name{i}" for i in range(acknowledged + 1)} <= known
    assert len(known) <= acknowledged + 2
    assert set(items(again, f"name{acknowledged}")) == set(REX)
    assert again.verify()["sound"]
    again.teach("rex", REX[:2])


def test_the_command_teaches_searches_lists_and_forgets(made, capsys):
    path = str(made.path)
    main(["teach", path, "rex", "rex0.png", "rex1.png", "--json"])
    assert json.loads(capsys.readouterr().out)["measured"]["median_rank"] <= 2
    main(["teach", path, "rex", "rex2.png"])
    assert "rex: 3 files (1 new)" in capsys.readouterr().out
    main(["search", path, "rex", "--k", "1", "--json"])
    assert json.loads(capsys.readouterr().out)["results"][0]["why"] == {"taught": ["rex"]}
    main(["teach", path])
    assert "rex: 3 files" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["search", path, "rex", "--why"])
    assert "taught name" in capsys.readouterr().err
    main(["forget", path, "rex", "--json"])
    assert json.loads(capsys.readouterr().out) == {"forgotten": "rex", "names": []}


def test_an_index_that_was_made_before_names_can_be_taught(made):
    made._catalog.change("DROP TABLE IF EXISTS taught")
    assert made.names() == []
    made.teach("rex", REX[:2])
    assert Path(made.path).is_dir()
    assert [one["name"] for one in made.names()] == ["rex"]
