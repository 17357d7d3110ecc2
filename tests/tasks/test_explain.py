"""Why a hit was found: words and region beside the names, of whichever side has them; what is not at hand says so."""

import json

import numpy as np
import pytest

from chiasm.data.toy import COLORS, SHAPES, shape_image
from chiasm.errors import ChiasmError
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

N = 150


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    names, captions = [], []
    for i in range(N):
        color, shape = list(COLORS)[i % len(COLORS)], SHAPES[i // len(COLORS) % len(SHAPES)]
        shape_image(color, shape, seed=i).save(folder / f"{i:03d}.png")
        names.append(f"{i:03d}.png")
        captions.append(f"a {color} {shape} here")
    paths = [str(folder / name) for name in names]
    return folder, Views({"caption": Column("text", captions), "photo": Column("image", paths, labels=names)})


@pytest.fixture(scope="module")
def model(views):
    return Retrieve({"caption": "hashed_text", "photo": "pixel_image"}, align="cca", baseline=False).fit(views[1])


def test_pair_scores_are_those_of_a_search(model, views):
    folder, _ = views
    (hits,) = model.hits({"caption": ["a red circle here"]}, to="photo", k=6)
    found = model.pair_scores(
        {"caption": ["a red circle here"]}, {"photo": [str(folder / hit["item"]) for hit in hits]}
    )
    assert found == pytest.approx([hit["score"] for hit in hits], abs=1e-5)
    back = [
        model.pair_scores({"photo": [str(folder / hit["item"])]}, {"caption": ["a red circle here"]}) for hit in hits
    ]
    assert np.ravel(back) == pytest.approx(found, abs=1e-5)


def test_a_hit_gets_words_and_region_and_keeps_what_it_had(model, views):
    folder, _ = views
    asked = {"caption": ["a red circle here"]}
    found = model.hits(asked, to="photo", k=3)
    told = model.explain(asked, found, to="photo", folder=folder)
    for before, after in zip(found[0], told[0], strict=True):
        assert {name: after[name] for name in before if name != "why"} == {
            k: v for k, v in before.items() if k != "why"
        }
        why = after["why"]
        assert [word["word"] for word in why["words"]] == ["a", "red", "circle", "here"]
        assert sum(word["share"] for word in why["words"]) == pytest.approx(1, abs=0.01)
        assert ("region" in why) != ("region" in why.get("withheld", {}))
    assert "why" not in found[0][0]
    assert json.loads(json.dumps(list(told)))
    assert told.columns["why"][0]["words"]


def test_what_was_searched_elsewhere_is_read_from_there(model, views):
    _, rows = views
    asked = {"caption": ["a red circle here"]}
    found = model.hits(asked, to="photo", k=2, within=rows[:20])
    told = model.explain(asked, found, to="photo", within=rows[:20], folder="nowhere")
    assert all("words" in hit["why"] for hit in told[0])


def test_of_a_picture_that_finds_words_the_region_is_the_querys(model, views):
    folder, _ = views
    asked = {"photo": [str(folder / "000.png")]}
    (hit,) = model.explain(asked, model.hits(asked, to="caption", k=1), to="caption")[0]
    assert [word["word"] for word in hit["why"]["words"]] == hit["item"].split()
    assert ("region" in hit["why"]) != ("region" in hit["why"].get("withheld", {}))


def test_a_picture_that_finds_pictures_has_a_region_and_no_words(model, views):
    folder, _ = views
    asked = {"photo": [str(folder / "000.png")]}
    (hit,) = model.explain(asked, model.hits(asked, to="photo", k=1), to="photo", folder=folder)[0]
    assert "words" not in hit["why"]
    assert ("region" in hit["why"]) != ("region" in hit["why"].get("withheld", {}))


def test_a_picture_that_is_not_at_hand_says_so(model, tmp_path):
    asked = {"caption": ["a red circle here"]}
    (hit,) = model.explain(asked, model.hits(asked, k=1), folder=tmp_path)[0]
    assert hit["why"]["withheld"] == dict.fromkeys(("words", "region"), f"the image is not below the folder {tmp_path}")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.pair_scores({"caption": ["a", "b"]}, {"caption": ["c"]}), "wanted one query, got 2"),
        (lambda m: m.pair_scores({"caption": ["a"]}, {"caption": ["c", None]}), "got an absent one"),
        (lambda m: m.pair_scores({"sound": ["a"]}, {"caption": ["c"]}), "column 'sound' has no known modality"),
        (lambda m: m.pair_scores({"caption": ["a"]}, {"photo": ["gone.png"]}), "no such file"),
        (lambda m: m.explain({"caption": ["a"]}, [[], []]), "wanted the hits of these 1 queries, got those of 2"),
        (lambda m: m.explain({"caption": ["a"]}, [[]], by="occlusio"), "no explain named 'occlusio'"),
        (lambda m: m.explain({"caption": ["a"]}, [[]], to="sound"), "no fitted view named 'sound'"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_a_sentence(model, call, words):
    with pytest.raises(ChiasmError, match=words):
        call(model)
