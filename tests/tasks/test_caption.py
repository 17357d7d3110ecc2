"""The task: a planted answer, its controls, several source views, what is absent, the command line."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

import chiasm
from chiasm.cli import cli
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.tasks.caption import Caption
from chiasm.views import Column, Views
from conftest import make_pictures

NOUNS = ["bus", "dog", "cat", "boat", "horse", "train"]


def rows(n=240, seed=0):
    """A scan that shows the noun and a record that tells the weather; a caption has both."""
    rng = np.random.default_rng(seed)
    noun, sun = rng.integers(0, 6, n), rng.integers(0, 2, n)
    scan = np.eye(6)[noun] + 0.2 * rng.normal(size=(n, 6))
    texts = [f"a big {NOUNS[a]} in the {['bright sun', 'heavy rain'][b]}" for a, b in zip(noun, sun, strict=True)]
    record = np.eye(2)[sun] + 0.2 * rng.normal(size=(n, 2))
    return Views(
        {"scan": Column("vector", scan), "record": Column("vector", record), "said": Column.from_cells("text", texts)},
        facts={"split": np.array(["train"] * (n - 80) + ["test"] * 80, dtype=object)},
    ), texts


@pytest.fixture(scope="module")
def fitted():
    views, texts = rows()
    return Caption(encoders={"text": "hashed_text"}).fit(views), views, texts


def test_captions_follow_every_source_view(fitted):
    model, views, texts = fitted
    told = model.answer(views[views.split == "test"])[0]
    assert np.mean([a == b for a, b in zip(told, texts[-80:], strict=True)]) > 0.9
    without = model.answer(Views({"scan": views["scan"][views.split == "test"]}))[0]
    same = [a.split()[2] == b.split()[2] for a, b in zip(without, texts[-80:], strict=True)]
    assert np.mean(same) > 0.9


def test_the_score_has_its_controls_and_bars_beside_it(fitted):
    model, views, _ = fitted
    score = model.score(views[views.split == "test"])
    methods = score.table["methods"]
    assert set(methods) == {"caption", "shuffled", "blank", "consensus", "nearest"}
    assert methods["shuffled"]["CIDEr-D"]["value"] < 0.7 * methods["caption"]["CIDEr-D"]["value"]
    assert methods["blank"]["above"]["low"] > 0
    assert (
        score.table["consistency"]["caption"]["R@1"]["value"] > score.table["consistency"]["shuffled"]["R@1"]["value"]
    )
    shown = str(score)
    assert "shown another row" in shown
    assert "document frequencies of CIDEr-D: 160 training things" in shown
    json.loads(score.to_json())


def test_of_one_thing_there_is_no_other_row_to_show_and_no_interval(fitted):
    model, views, _ = fitted
    one = model.score(views[[170]])
    methods = one.table["methods"]
    assert set(methods) == {"caption", "blank", "consensus", "nearest"}
    assert methods["caption"]["CIDEr-D"]["low"] is None
    assert methods["blank"]["above"]["high"] is None
    assert "captions of 1 thing " in str(one)
    assert "there is no interval" in str(one)
    assert "there is no other row to show" in str(one)
    assert "[" not in str(one)
    two = model.score(views[[170, next(i for i in range(171, 240) if views.codes[i] != 170)]])
    assert "shown another row" in str(two)
    assert two.table["methods"]["caption"]["CIDEr-D"]["low"] is not None


def test_rows_learned_from_are_not_scored(fitted):
    model, views, _ = fitted
    with pytest.raises(ChiasmError, match="rows that the model was fitted on"):
        model.score(views[:90])
    with pytest.raises(ChiasmError, match="no view 'said'"):
        model.score(Views({"scan": views["scan"]}))


def test_a_row_without_anything_to_see_gets_the_most_usual_caption(fitted):
    model, _, texts = fitted
    with pytest.warns(ChiasmWarning, match="1 of 2 rows hold nothing to caption"):
        told = model.answer({"scan": [[1.0, 0, 0, 0, 0, 0], [np.nan] * 6]})[0]
    assert told[1] in texts


def test_a_saved_model_writes_the_same(fitted, tmp_path):
    model, views, _ = fitted
    chiasm.save(model, tmp_path / "m")
    test = views[views.split == "test"]
    assert chiasm.load(tmp_path / "m").answer(test)[0].tolist() == model.answer(test)[0].tolist()


def test_captions_may_be_absent_on_some_rows():
    views, texts = rows()
    cells = [None if i % 3 == 0 else text for i, text in enumerate(texts)]
    some = views.replace({**views.columns, "said": Column.from_cells("text", cells)})
    model = Caption(encoders={"text": "hashed_text"}).fit(some)
    assert model.generator_.uncaptioned_ == 54
    assert model.score(some[some.split == "test"]).table["things"] == 54


@pytest.mark.slow
def test_the_score_counts_rows_without_a_caption_and_things_with_nothing_to_see():
    views, texts = rows()
    test = views[views.split == "test"]
    columns = {}
    for name, lost in (("scan", 3), ("record", 1)):
        index = np.where(np.arange(80) < lost, -1, test[name].index)
        columns[name] = Column("vector", test[name].items, index)
    columns["said"] = Column.from_cells("text", [None if i >= 75 else text for i, text in enumerate(texts[-80:])])
    score = Caption(encoders={"text": "hashed_text"}).fit(views).score(Views(columns, test.ids))
    assert (score.table["things"], score.table["uncaptioned"], score.table["unseen"]) == (75, 5, 1)
    assert score.table["absent"] == {"scan": 3, "record": 1}
    assert "5 rows without a caption are left out" in str(score)
    assert "3 of the things have no scan" in str(score)
    assert "1 have nothing to see" in str(score)


def test_a_score_of_rows_that_all_say_the_same_lacks_the_consistency_alone(fitted):
    model, views, texts = fitted
    test = views[views.split == "test"]
    same = test.replace({**test.columns, "said": Column.from_cells("text", [texts[0]] * len(test))})
    table = model.score(same).table
    assert "no aligner to judge by" in table["consistency"]["skipped"]
    assert table["things"] == 80


def test_which_view_is_made_must_be_plain():
    views, _ = rows()
    two = views.replace({**views.columns, "more": views["said"]})
    with pytest.raises(ChiasmError, match="wanted one view of texts, the captions, got 2: said, more"):
        Caption().fit(two)
    with pytest.raises(ChiasmError, match=r"got none: read their column as texts \(text='COL'\)"):
        Caption().fit(views.replace({"scan": views["scan"], "record": views["record"]}))
    with pytest.raises(ChiasmError, match="wanted a view of texts as captions, got 'scan'"):
        Caption(to="scan").fit(views)
    with pytest.raises(ChiasmError, match="wanted a view to caption beside 'said'"):
        Caption().fit(views.replace({"said": views["said"]}))
    with pytest.raises(ChiasmError, match="wanted captions to learn from"):
        Caption().fit(views.replace({**views.columns, "said": Column.from_cells("text", [None] * len(views))}))


def test_a_name_that_is_none_lists_the_generators_that_write():
    with pytest.raises(ChiasmError, match=r"no generator of texts named 'nosuch'.*consensus.*mbr") as caught:
        Caption(generate="nosuch").fit(rows()[0])
    assert not any(name in str(caught.value) for name in ("cvae", "gan", "ridge"))
    with pytest.raises(ChiasmError, match=r"which makes vectors: .*mbr, nearest write"):
        Caption(generate="ridge").fit(rows()[0])


def test_learned_from_are_things_with_a_caption_and_something_to_see():
    views, texts = rows(120)
    views, texts = views[:40], texts[:40]
    index = np.arange(40)
    index[:4] = -1
    said = Column.from_cells(
        "text", [None if i in (4, 5) else "!?" if i == 6 else text for i, text in enumerate(texts)]
    )
    model = Caption(encoders={"text": "hashed_text"}).fit(
        Views({"scan": Column("vector", views["scan"].items[:40], index), "said": said})
    )
    assert model.captioned_ == 33
    with pytest.raises(ChiasmError, match="got 40 rows without a word in them"):
        Caption().fit(Views({"scan": views["scan"], "said": Column.from_cells("text", ["!"] * 40)}))


def test_the_command_line_fits_scores_and_captions_a_photograph(tmp_path):
    names = make_pictures(tmp_path, 96)
    with (tmp_path / "photos.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["path", "caption"])
        out.writerows(names)
    model, data = str(tmp_path / "m.chiasm"), str(tmp_path / "photos.csv")
    run = lambda *words: CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)  # noqa: E731
    encoders = ["--encoder", "path=pixel_image", "--encoder", "caption=hashed_text"]
    read = ["--image", "path", "--text", "caption", "--caption", "caption"]
    done = run("fit", "caption", data, *read, *encoders, "--to", model, "--json")
    assert json.loads(done.stdout)["generator"]["name"] == "mbr"
    assert "consensus of similar ones" in run("score", model, data).stdout
    listed = run("list", "generate").stdout
    assert all(name in listed for name in ("mbr", "captioner", "consensus", "nearest"))
    assert json.loads(run("score", model, data, "--json").stdout)["task"] == "caption"
    one = run("answer", model, tmp_path / names[0][0])
    assert one.exit_code == 0
    assert any(caption in one.stdout for _, caption in names)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ChiasmError, match=r"got .*broken\.png, which cannot be used"):
        run("answer", model, tmp_path / "broken.png")
    run("answer", model, data, "--to", tmp_path / "captions.csv")
    with (tmp_path / "captions.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 96
