"""Co-attention as an aligner: `cca` on plain vectors, more than that on planted tokens, nothing where nothing meets."""

import numpy as np
import pytest

import chiasm
from chiasm.align.cca import CCA
from chiasm.align.coattention import Coattention
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.stats.blocks import in_means
from chiasm.tokens import Tokens
from chiasm.views import Column, Views


def planted(n, shared, steps=3, d=10):
    """Words and regions: one word and one region of a row are the same thing, or no word and no region."""
    rng = np.random.default_rng(1)
    maps, things = rng.normal(size=(2, d, 12)), rng.normal(size=(n, d))
    words, regions = rng.normal(size=(2, n, steps, d))
    words[np.arange(n), rng.integers(steps, size=n)] = things
    regions[np.arange(n), rng.integers(steps, size=n)] = things if shared else rng.normal(size=(n, d))
    tokens = {"words": Tokens.of(list(words @ maps[0])), "picture": Tokens.of(list(regions @ maps[1]))}
    return Views({name: Column("vector", items) for name, items in tokens.items()})


def met(model, views):
    """The share of words whose own picture scores best, met in pairs."""
    tokens = model.unpooled(views)
    words, pictures = (tokens[name].items.some(tokens[name].index) for name in ("words", "picture"))
    rows = [model.met("words", words.batch([i])[0][0], "picture", pictures) for i in range(len(views))]
    return float(np.mean(np.argmax(rows, axis=1) == np.arange(len(views))))


def test_a_pair_of_tokens_that_means_blur_is_found():
    views = planted(700, shared=True)
    learn, other = views[:600], views[600:]
    model, plain = Coattention().fit(learn), CCA().fit(in_means(learn))
    pooled, means = float(model.score(other)), float(plain.score(in_means(other)))
    assert means < 0.1
    assert pooled > 1.5 * means
    assert met(model, other) > 0.5


def test_where_no_pair_meets_nothing_is_learned_from_meeting():
    views = planted(500, shared=False)
    model = Coattention().fit(views[:400])
    assert model.looks_ == {}
    assert met(model, views[400:]) < 0.1


def test_of_plain_vectors_it_is_cca_and_a_pair_scores_its_cosine():
    a, b = planted_pair(300, correlations=(0.95,) * 6)
    views = {"a": a, "b": b}
    model, plain = Coattention().fit(views), CCA().fit(views)
    mapped, wanted = model.transform(views), plain.transform(views)
    np.testing.assert_array_equal(mapped["a"].items, wanted["a"].items)
    x, y = (wanted[name].items / np.linalg.norm(wanted[name].items, axis=1, keepdims=True) for name in ("a", "b"))
    scores = model.pair_scores({"a": a[:1]}, {"b": b[:9]})
    np.testing.assert_allclose(scores, y[:9] @ x[0], atol=1e-3)  # tokens are kept in half precision


def test_an_item_maps_and_scores_the_same_alone_and_in_company():
    views = planted(300, shared=True)
    model = Coattention().fit(views[:250])
    query = Views({"words": views["words"][260:261]})
    every = model.pair_scores(query, Views({"picture": views["picture"][250:]}))
    one = model.pair_scores(query, Views({"picture": views["picture"][255:256]}))
    np.testing.assert_allclose(one, every[5:6], rtol=1e-5)
    alone = model.transform(Views({"picture": views["picture"][255:256]}))["picture"]
    whole = model.transform(views)["picture"].items
    np.testing.assert_allclose(alone.items[alone.index[0]], whole[255], rtol=1e-5, atol=1e-6)


def test_rows_without_tokens_and_ragged_ones(tmp_path):
    views = planted(200, shared=True)
    words = [views["words"].items.batch([i])[0][0][: i % 4] for i in range(200)]  # every fourth has none
    ragged = views.replace({"words": Column("text", Tokens.of(words)), "picture": views["picture"]})
    model = Coattention().fit(ragged)
    mapped = model.transform(ragged)
    assert mapped.present("words").tolist() == [i % 4 > 0 for i in range(200)]
    again = chiasm.load(chiasm.save(model, tmp_path / "m"))
    np.testing.assert_array_equal(again.transform(ragged)["words"].items, mapped["words"].items)
    with pytest.raises(ChiasmError, match="leave absent ones out"):
        model.pair_scores(Views({"words": ragged["words"][:1]}), Views({"picture": ragged["picture"][:2]}))
    none = model.pair_scores(Views({"words": ragged["words"][1:2]}), Views({"picture": ragged["picture"][:0]}))
    assert none.shape == (0,)


def test_tokens_of_another_width_are_refused():
    model = Coattention().fit(planted(100, shared=True))
    with pytest.raises(ChiasmError, match="wanted vectors of 12 numbers, got 5"):
        model.transform(Views({"words": Column("text", Tokens.of([np.ones((2, 5))]))}))
