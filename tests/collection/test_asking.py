"""Asking a collection: words, questions, pages and sorting, whichever engine holds the vectors."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import chiasm
from chiasm.collection import Collection
from chiasm.errors import ChiasmError
from chiasm.index import Exact
from chiasm.tasks.retrieve import Question, Retrieve
from conftest import make_pictures

N = 60


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A quick model of colored shapes and their captions, of which enough are known to judge by."""
    home = tmp_path_factory.mktemp("model")
    pairs = make_pictures(home / "learned", 160)
    views = chiasm.Views.of(
        {
            "text": [f"{text} {i}" for i, (_, text) in enumerate(pairs)],
            "image": [str(home / "learned" / name) for name, _ in pairs],
        },
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(160)],
    )
    return Retrieve({"text": "hashed_text", "image": "pixel_image"}, align="cca", baseline=False).fit(views)


@pytest.fixture(scope="module")
def made(model, tmp_path_factory):
    """60 pictures of as many days, one of them twice."""
    home = tmp_path_factory.mktemp("asked")
    captions = dict(make_pictures(home / "Pictures", N, seed=5))
    (home / "Pictures" / "copy.png").write_bytes((home / "Pictures" / "0003.png").read_bytes())
    (home / "Pictures" / "0005.txt").write_text("Zebra")
    (home / "Pictures" / "0006.txt").write_text("ant")
    for i, name in enumerate([*captions, "copy.png"]):
        day = 1_700_000_000 + 86_400 * ((7 * i) % N)
        os.utime(home / "Pictures" / name, (day, day))
    return Collection.build(home / "p.index", model, home / "Pictures"), captions


def items(hits):
    return [hit["item"] for hit in hits]


def test_words_a_list_and_a_dict_ask_alike(made):
    held, _ = made
    (wanted,) = held.hits({"text": ["a red circle"]}, k=6)
    assert held.hits("a red circle", k=6) == [wanted]
    found = held.hits(["a blue bar", "a red circle"], k=6)
    assert items(found[1]) == items(wanted)
    views = chiasm.Views.of({"text": ["a red circle"]}, {"text": "text"})
    assert held.hits(views, k=6) == [wanted]


def test_a_picture_and_words_find_what_both_say(made):
    held, captions = made
    square = next(name for name, text in captions.items() if text == "a red square")
    (hits,) = held.hits(Question(f"{square} + blue - red", folder=held.folder), k=3)
    assert {captions[item] for item in items(hits)} == {"a blue square"}
    (mine,) = held.hits({"image": [str(held.folder / square)]}, k=3)
    assert mine[0]["item"] == square
    assert mine[0]["score"] == pytest.approx(1, abs=1e-5)


def test_pages_cut_the_ranking_and_copies_stay_with_the_first(made):
    held, _ = made
    (whole,) = held.hits("a red circle", k=1000)
    assert len(whole) == N
    pages = [held.hits("a red circle", k=9, skip=skip)[0] for skip in range(0, 70, 9)]
    assert [hit for page in pages for hit in page] == whole
    assert sum("copies" in hit for hit in whole) == 1


class Forgetful(Exact):
    """An engine that finds something else whenever it is asked for another number, as a graph may."""

    is_exact = False

    def search(self, vectors, k=5, where=None):
        """As the base, without a few that depend on k."""
        keys, scores = super().search(vectors, len(self), where)
        kept = [i for i in range(keys.shape[1]) if i % 7 != k % 7 or keys.shape[1] <= k][:k]
        return keys[:, kept], scores[:, kept]


def test_pages_share_no_hit_where_an_engine_misses_some(model):
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(90, 6)), "b": rng.normal(size=(90, 5))}
    views["b"] += views["a"][:, :5] * 2
    held = Retrieve(align="cca", index=Forgetful(), baseline=False).fit(views)
    asked = {"a": views["a"][:2]}
    pages = [held.hits(asked, k=10, skip=skip) for skip in range(0, 50, 10)]
    for row in range(2):
        ids = [hit["id"] for page in pages for hit in page[row]]
        assert len(ids) == len(set(ids)) == 50
        again = [hit["id"] for skip in range(0, 50, 10) for hit in held.hits(asked, k=10, skip=skip)[row]]
        assert again == ids


@pytest.mark.parametrize("column", ["date", "modified", "size", "path", "kind"])
def test_the_best_are_sorted_by_any_column(made, column):
    held, _ = made
    (best,) = held.hits("a red circle", k=20)
    stat = {hit["item"]: (held.folder / hit["item"]).stat() for hit in best}
    values = {
        "date": lambda item: stat[item].st_mtime,
        "modified": lambda item: stat[item].st_mtime,
        "size": lambda item: stat[item].st_size,
        "path": lambda item: item,
        "kind": lambda item: "image",
    }
    for sort, falling in ((column, False), (f"-{column}", True)):
        (hits,) = held.hits("a red circle", k=20, sort=sort, among=20)
        assert items(hits) == sorted(items(best), key=values[column], reverse=falling)


def test_what_is_not_known_comes_last_either_way(made):
    held, _ = made
    others = [item for item in items(held.hits("a red circle", k=N)[0]) if item not in ("0005.png", "0006.png")]
    for sort, told in (("caption", ["0006.png", "0005.png"]), ("-caption", ["0005.png", "0006.png"])):
        (hits,) = held.hits("a red circle", k=N, sort=sort, among=N)
        assert items(hits) == told + others


def test_only_what_is_accepted_is_sorted_and_a_condition_changes_nothing_of_it(made):
    held, _ = made
    (ranked,) = held.hits("a red circle 3", k=N)
    (accepted,) = held.hits("a red circle 3", k=N, sort="date", reject=0.3)
    assert 0 < len(accepted) < N
    assert set(items(accepted)) == set(items(ranked[: len(accepted)]))
    (some,) = held.hits("a red circle 3", k=N, sort="date", reject=0.3, where="date>=2023-12-01")
    chosen = {item for item in items(accepted) if (held.folder / item).stat().st_mtime >= 1_701_388_800}
    assert items(some) == [item for item in items(accepted) if item in chosen]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda c: c.hits("a", sort="dat", among=3), "no column to sort by named 'dat'; did you mean 'date'"),
        (lambda c: c.hits("a", where="path=/home/a.png"), "told below the folder: wanted a path such as holiday/2024"),
        (lambda c: c.hits("a", sort="date"), "wanted to know what is accepted before it is sorted by date"),
        (lambda c: c.hits("a", skip="2"), "skip of at least 0"),
        (lambda c: c.hits(7), "wanted Views, a dict of columns"),
        (lambda c: c.hits([]), "wanted Views, a dict of columns"),
        (lambda c: c.hits(Question([(1, {"audio": "a.wav"})])), "a model that knows sounds"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(made, call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call(made[0])


def test_nothing_there_is_nothing_found_also_with_reject(made):
    held, _ = made
    assert held.hits("a red circle", where="size>1e9", reject=0.3) == [[]]
    assert held.hits("a red circle", where="size>1e9", sort="date", among=3) == [[]]


def test_the_command_line_sorts_and_pages(run, made):
    held, _ = made
    ask = ("search", held.path, "red - circle", "--json", "--k", 4)
    told = json.loads(run(*ask, "--sort", "-date", "--among", 12, "--page", 2).stdout)
    wanted = held.hits(Question("red - circle"), k=4, skip=4, sort="-date", among=12)[0]
    assert items(told["results"]) == items(wanted)
    assert told["query"] == "red - circle"
