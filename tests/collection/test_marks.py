"""Files marked + and -: what is found moves towards the ones and away from the others, for this call alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chiasm
from chiasm.cli import main
from chiasm.collection import Collection
from chiasm.errors import ChiasmError
from chiasm.stats.prototypes import Others, mixed
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("marks")
    pairs = make_pictures(home / "learned", 96)
    views = chiasm.Views.of(
        {"text": [text for _, text in pairs], "image": [str(home / "learned" / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(96)],
    )
    Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}).fit(views).save(home / "m.chiasm")
    told = make_pictures(home / "Pictures", 96, seed=5)
    collection = Collection.build(home / "p.index", home / "m.chiasm", home / "Pictures")
    collection.told_scores = dict(told)
    return collection


def found(made, words, **options):
    return [made.told_scores[hit["item"]] for hit in made.hits({"text": [words]}, **options)[0]]


def of(made, caption):
    return [name for name, said in made.told_scores.items() if said == caption]


def test_a_file_marked_plus_draws_its_like_and_one_marked_minus_drives_them_off(made):
    plain = found(made, "a circle", k=96)
    red = of(made, "a red circle")
    more = found(made, "a circle", k=96, more=red[:1])
    less = found(made, "a circle", k=96, less=red[:1])

    def mean_rank(listed):
        return np.mean([place for place, said in enumerate(listed) if said == "a red circle"])

    assert mean_rank(more) < mean_rank(plain) < mean_rank(less)


def test_marks_are_of_the_call_and_leave_nothing_behind(made):
    before = made.hits({"text": ["a red circle"]}, k=9)
    assert made.hits({"text": ["a red circle"]}, k=9, more=of(made, "a blue square")[:2]) != before
    assert made.hits({"text": ["a red circle"]}, k=9) == before == made.hits({"text": ["a red circle"]}, k=9, more=[])


def test_a_picture_may_be_asked_with_and_files_from_elsewhere_marked(made):
    asked = {"image": [str(made.folder / of(made, "a red circle")[0])]}
    outside = made.folder.parent / "learned" / "0001.png"
    plain, marked = (made.hits(asked, k=5, more=more)[0] for more in ([], [outside]))
    assert marked != plain
    assert all("taught" not in hit.get("why", {}) for hit in marked)


def test_a_rejected_question_is_rejected_whatever_is_marked(made):
    asked, red = {"text": ["zebra crossing quantum", "a red circle"]}, of(made, "a red circle")
    plain = [bool(row) for row in made.hits(asked, k=3, reject=0.5)]
    assert [bool(row) for row in made.hits(asked, k=3, reject=0.5, more=red[:3])] == plain


def test_conditions_hold_for_a_marked_search(made):
    red = of(made, "a red circle")
    assert [hit["item"] for hit in made.hits({"text": ["a circle"]}, more=red[:2], where=f"path={red[5]}")[0]] == [
        red[5]
    ]


def test_a_file_that_is_not_there_is_refused(made):
    with pytest.raises(ChiasmError, match=r"none below .* nor by that path"):
        made.hits({"text": ["a circle"]}, more=["gone.png"])


def test_a_file_is_marked_one_way_and_files_are_a_list(made):
    red, blue, *_ = made.told_scores
    with pytest.raises(ChiasmError, match=f"marked \\+ or -, got {red} marked as both"):
        made.hits({"text": ["a circle"]}, more=[red, blue], less=[made.folder / red])
    with pytest.raises(ChiasmError, match=f"wanted less as a list of files, got '{red}'"):
        made.hits({"text": ["a circle"]}, less=red)


def test_the_command_takes_marks_of_an_index_alone(made, capsys):
    (red, *_), (blue, *_) = of(made, "a red circle"), of(made, "a blue square")
    main(["search", str(made.path), "a square", "--more", red, "--less", blue, "--json"])
    told = [hit["item"] for hit in json.loads(capsys.readouterr().out)["results"]]
    assert told == [hit["item"] for hit in made.hits({"text": ["a square"]}, more=[red], less=[blue])[0]]
    with pytest.raises(SystemExit):
        main(["search", str(made.path.parent / "m.chiasm"), "a square", "--more", red])
    assert "wanted an index together with --more" in capsys.readouterr().err


# ---- directions ----
def test_a_direction_is_fishers_and_scales_the_others_to_one():
    rng = np.random.default_rng(0)
    others = (rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6))).astype(np.float32)
    some = rng.normal(size=(3, 6)).astype(np.float32)
    (direction,) = Others(others, ridge=0.1).directions([some])
    covariance = np.cov(others.T, bias=True)
    known = np.linalg.solve(
        covariance + 0.1 * np.trace(covariance) / 6 * np.eye(6), some.mean(axis=0) - others.mean(axis=0)
    )
    assert direction / np.linalg.norm(direction) == pytest.approx(known / np.linalg.norm(known), abs=1e-4)
    assert (others @ direction).std() == pytest.approx(1, abs=1e-4)


def test_without_a_finite_ridge_a_direction_is_a_difference_of_means_and_with_one_other_a_mean():
    rng = np.random.default_rng(1)
    others, some = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(2, 4)).astype(np.float32)
    (direction,) = Others(others, ridge=np.inf).directions([some])
    apart = some.mean(axis=0) - others.mean(axis=0)
    assert direction / np.linalg.norm(direction) == pytest.approx(apart / np.linalg.norm(apart), abs=1e-5)
    (alone,) = Others(others[:1]).directions([some])
    assert alone == pytest.approx(some.mean(axis=0) / np.linalg.norm(some.mean(axis=0)), abs=1e-5)
    assert Others(others).directions([]).shape == (0, 4)


def test_a_query_is_moved_by_sums():
    query, plus, minus = np.array([1.0, 0]), np.eye(2), np.array([[2.0, 2]])
    assert mixed(query, plus, minus, (0.5, 0.25)).tolist() == [1.0, 0.0]
    assert mixed(query, plus[:0], minus[:0], (1.0, 1.0)).tolist() == [1.0, 0.0]
