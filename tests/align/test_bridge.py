"""The names bridge: equal to its formula, finds planted things without a pair, and nothing by shuffled names."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

import chiasm
from chiasm.align._bridge import Bridge
from chiasm.align.auto import Auto
from chiasm.errors import ChiasmError
from chiasm.export.network import onnx_bytes, run
from chiasm.graph import Graph
from chiasm.known import Names, Same
from chiasm.views import ABSENT, Column, Views, normalize


def planted(n: int = 300, m: int = 40, seed: int = 0) -> tuple[Names, np.ndarray, np.ndarray]:
    """Names, and texts and pictures `(n, d)` of the same n things, each of a few names."""
    rng = np.random.default_rng(seed)
    weights, vectors = rng.normal(size=(m, 24)), rng.normal(size=(m, 16))
    shares = softmax(4 * rng.normal(size=(n, m)), axis=1)
    texts = shares @ vectors + 0.02 * rng.normal(size=(n, 16))
    pictures = shares @ weights + 0.02 * rng.normal(size=(n, 24))
    said = [f"thing {i}" for i in range(m)]
    return Names(*(a.astype(np.float32) for a in (weights, np.zeros(m), vectors)), said), texts, pictures


def apart(texts: np.ndarray, pictures: np.ndarray) -> Views:
    """The same items with no pair: a text a row, then a picture a row."""
    n = len(texts)
    place, none = np.arange(n), np.full(n, ABSENT)
    return Views(
        {
            "t": Column("vector", texts, np.concatenate([place, none])),
            "p": Column("vector", pictures, np.concatenate([none, place])),
        }
    )


def first(model: Auto, texts: np.ndarray, pictures: np.ndarray) -> float:
    """R@1 from text to picture."""
    a, b = (model.transform({name: rows})[name].items for name, rows in (("t", texts), ("p", pictures)))
    return float(((a @ b.T).argmax(axis=1) == np.arange(len(a))).mean())


def test_a_bridge_equals_its_formula():
    names, texts, pictures = planted(20)
    w, b, e = (np.asarray(a, dtype=np.float64) for a in names[:3])
    apart_, seen = e - e.mean(axis=0), pictures.sum(axis=0) / 21  # 0 counts as one picture more
    told = (texts.sum(axis=0) + 5 * e.mean(axis=0)) / (len(texts) + 5)  # the names' mean counts as five texts
    prior = (softmax((pictures @ w.T + b) / 1.5, axis=1).sum(axis=0) + 1 / 40) / 21
    own = normalize(texts - told)
    about = normalize(softmax(own @ normalize(apart_).T / 0.1, axis=1) @ w - w.mean(axis=0))
    named = normalize((softmax((pictures @ w.T + b) / 1.5, axis=1) - prior) @ apart_)
    want = (about @ normalize(pictures - seen).T + 0.5 * own @ named.T) / 1.5
    bridge = Bridge("t", "p").fit(apart(texts, pictures), names)
    np.testing.assert_allclose(bridge("t", texts) @ bridge("p", pictures).T, want, atol=1e-5)
    assert not bridge("other", texts).any()


def test_without_a_pair_names_find_what_shuffled_names_do_not():
    names, texts, pictures = planted()
    views = apart(texts[:100], pictures[:100])
    model = Auto().fit(views, known={("t", "p"): names})
    assert model.chosen_["bridge"] == 1
    assert first(model, texts[100:], pictures[100:]) > 0.3  # of 200: chance is .005
    shuffled = names._replace(vectors=np.random.default_rng(1).permutation(names.vectors))
    assert first(Auto().fit(views, known={("t", "p"): shuffled}), texts[100:], pictures[100:]) < 0.05
    with pytest.raises(ChiasmError, match="wanted at least 2 things"):
        Auto().fit(views)


def test_beside_pairs_names_count_where_they_help_and_little_where_they_know_nothing():
    names, texts, pictures = planted()
    views = {"t": texts[:60], "p": pictures[:60]}
    alone = Auto().fit(views)
    helped = Auto().fit(views, known={("t", "p"): names})
    assert helped.chosen_["bridge"] > 0
    assert first(helped, texts[100:], pictures[100:]) > first(alone, texts[100:], pictures[100:])
    wrong = names._replace(vectors=np.random.default_rng(1).normal(size=names.vectors.shape).astype(np.float32))
    assert Auto().fit(views, known={("t", "p"): wrong}).chosen_["bridge"] <= 0.34


def test_a_model_of_names_is_saved_and_answers_alike(tmp_path):
    names, texts, pictures = planted(60)
    model = Auto().fit(apart(texts, pictures), known={("t", "p"): names})
    chiasm.save(model, tmp_path / "m")
    again = chiasm.load(tmp_path / "m")
    assert np.array_equal(again.transform({"t": texts})["t"].items, model.transform({"t": texts})["t"].items)


def test_narrowing_a_bridge_keeps_its_products():
    rng = np.random.default_rng(0)
    names = Names(*(rng.normal(size=s).astype(np.float32) for s in ((60, 700), (60,), (60, 40))))
    texts, pictures = rng.normal(size=(80, 40)), rng.normal(size=(80, 700))
    bridge = Bridge("t", "p").fit(views := apart(texts, pictures), names)
    whole = bridge("t", texts) @ bridge("p", pictures).T
    assert bridge.width == 740
    narrow = bridge.narrowed(views)("t", texts) @ bridge("p", pictures).T
    assert bridge.width == 512 == bridge("p", pictures).shape[1]
    assert np.corrcoef(whole.ravel(), narrow.ravel())[0, 1] > 0.99


def test_one_text_beside_all_pictures_costs_nothing():
    """The mean of one known text is that text: centered by it alone, words would lose what it says."""
    names, texts, pictures = planted()
    views = apart(texts[:100], pictures[:100])
    none, one = apart(texts[:0], pictures[:100]), views[np.r_[0, 100:200]]
    found = [first(Auto().fit(v, known={("t", "p"): names}), texts[100:], pictures[100:]) for v in (none, one)]
    assert found[1] > found[0] - 0.03


def test_a_space_that_encoders_share_needs_no_pair_and_is_kept_beside_pairs():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 32))
    texts, pictures = (z + 1.5 * rng.normal(size=z.shape) for _ in range(2))
    known = {("t", "p"): Same(32)}
    own = normalize(texts[100:]) @ normalize(pictures[100:]).T
    cosine = float((own.argmax(axis=1) == np.arange(200)).mean())
    alone = Auto().fit(apart(texts[:100], pictures[:100]), known=known)
    assert alone.chosen_["bridge"] == 1
    assert first(alone, texts[100:], pictures[100:]) > cosine - 0.03
    for n in (20, 60):
        few = {"t": texts[:n], "p": pictures[:n]}
        beside = first(Auto().fit(few, known=known), texts[100:], pictures[100:])
        assert beside > cosine - 0.03
    assert beside > max(cosine + 0.05, first(Auto().fit(few), texts[100:], pictures[100:]) - 0.01)


def test_a_handful_of_pairs_takes_next_to_nothing_from_a_space_that_encoders_share():
    known, gains = {("t", "p"): Same(64)}, []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(210, 24)) * np.linspace(1, 0.3, 24) @ rng.normal(size=(24, 64))
        texts, pictures = (z + 3 * rng.normal(size=z.shape) + 2 * rng.normal(size=64) for _ in range(2))
        own = float(((normalize(texts[10:]) @ normalize(pictures[10:]).T).argmax(axis=1) == np.arange(200)).mean())
        model = Auto().fit({"t": texts[:10], "p": pictures[:10]}, known=known)
        assert model.sure_ == {"t": 10 / 110, "p": 10 / 110}
        gains.append(first(model, texts[10:], pictures[10:]) - own)
    assert (np.mean(gains) > -0.005, min(gains) > -0.02) == (True, True), gains  # all of the correction: -.02 and -.08


def test_a_correction_that_is_taken_in_part_is_written_down_as_it_computes():
    rng = np.random.default_rng(0)
    texts, pictures = rng.normal(size=(2, 20, 16))
    model = Auto().fit({"t": texts, "p": pictures}, known={("t", "p"): Same(16)})
    graph = Graph()
    traced = model.traced("p", graph.input("rows"))
    found = run(onnx_bytes(graph, traced, {"rows": 16}), rows=pictures.astype(np.float32))
    np.testing.assert_allclose(found, model.transform({"p": pictures})["p"].items, atol=1e-5)


def test_names_in_common_say_why():
    names, texts, pictures = planted()
    model = Auto().fit(apart(texts, pictures), known={("t", "p"): names})
    told, shown = model.named("t", texts), model.named("p", pictures)
    assert model.names_[:2] == ["thing 0", "thing 1"]
    assert model.named("other", texts) is None
    np.testing.assert_allclose(shown.sum(axis=1), 1, atol=1e-5)
    own = (told.argmax(axis=1) == shown.argmax(axis=1)).mean()
    assert own > 0.5 > 0.1 > (told.argmax(axis=1) == np.roll(shown.argmax(axis=1), 1)).mean()
