"""Fusers over tokens: planted pairs are found, swaps and padding change nothing, answers without torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import chiasm
from chiasm import ChiasmError
from chiasm.fuse import _tokens
from chiasm.fuse._tokens import grouped
from chiasm.fuse.coattention import Coattention
from chiasm.fuse.cross_attention import CrossAttention
from chiasm.fuse.early import Early
from chiasm.fuse.transformer import Transformer
from chiasm.nn.blocks import ArrayOps, TensorOps
from chiasm.tokens import Tokens
from chiasm.views import Column, Views

PARTS = [Coattention, CrossAttention, Transformer]
SIZE = 3


def named(n, seed=0, planted=True):
    """Three colored things in a picture, one of them named by one of three words: the class is its color.

    Without planting the color is anybody's. Returns views, classes, which region is named, and by which word.
    """
    rng, rows = np.random.default_rng(seed), np.arange(n)
    kind = np.stack([rng.permutation(SIZE) for _ in rows])
    color, region, word = rng.integers(0, 2, (n, SIZE)), rng.integers(0, SIZE, n), rng.integers(0, SIZE, n)
    picture = np.concatenate([np.eye(SIZE)[kind], np.eye(2)[color]], axis=-1)
    words = np.concatenate([np.zeros((n, SIZE, SIZE)), np.eye(2)[rng.integers(0, 2, (n, SIZE))]], axis=-1)
    words[rows, word] = np.concatenate([np.eye(SIZE)[kind[rows, region]], np.zeros((n, 2))], axis=-1)
    seen = [Tokens.of(list(x + 0.1 * rng.normal(size=x.shape))) for x in (picture, words)]
    views = Views({"picture": Column("image", seen[0]), "words": Column("text", seen[1])})
    return views, color[rows, region] if planted else rng.integers(0, 2, n), region, word


def ragged(n, seed=0, most=6):
    """Words (1 to `most` a row) and a plain vector; the class is in both."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    words = Tokens.of([rng.normal(size=(rng.integers(1, most + 1), 5)) + label for label in y])
    return Views({"words": Column("text", words), "size": Column("vector", rng.normal(size=(n, 3)) + y[:, None])}), y


def top_pairs(fused, views, region, word):
    """The share of rows in which the named region and the word that names it have the largest weight of a pair."""
    looked, counts = fused.attention(views)["words", "picture"], fused.token_weights(views)["words"]
    for matrix, weights in zip(looked, counts, strict=True):
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(weights.sum(), 1, atol=1e-5)
    top = [(weights[:, None] * matrix).argmax() for matrix, weights in zip(looked, counts, strict=True)]
    return (np.array(top) == SIZE * word + region).mean()


def pooled(views):
    """The means of tokens."""
    found = {}
    for name, column in views.columns.items():
        values, mask = column.batch(np.arange(len(views)))
        found[name] = values.sum(axis=1) / mask.sum(axis=1, keepdims=True)
    return found


@pytest.fixture
def short(monkeypatch):
    """Few epochs: for claims that hold however long training is."""
    for part in PARTS:
        monkeypatch.setattr(part, "_epochs", 2)


@pytest.fixture(scope="module", params=PARTS)
def fitted(request):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(request.param, "_epochs", 3)
        return request.param().fit(*ragged(120))


def test_more_tokens_than_are_read_become_means_of_neighbors():
    tokens = np.arange(8, dtype=np.float32)[:, None]
    values, there = grouped(tokens, np.array([5, 1, 2]), 3)
    assert values[..., 0].tolist() == [[0.5, 2.5, 4.0], [5.0, 0.0, 0.0], [6.0, 7.0, 0.0]]
    assert there.tolist() == [[True] * 3, [True, False, False], [True, True, False]]


@pytest.mark.slow
@pytest.mark.parametrize("part", [Coattention, CrossAttention])
def test_a_planted_pair_of_a_word_and_a_region_has_the_top_weight_and_none_has_where_nothing_is_planted(part):
    train, y, *_ = named(600)
    test, truth, region, word = named(300, seed=1)
    fused = part().fit(train, y)
    assert top_pairs(fused, test, region, word) > 0.9
    blind = Early().fit(pooled(train), y)  # whose color is whose, a mean does not tell
    assert fused.score(test, truth) > blind.score(pooled(test), truth) + 0.1
    loose = part().fit(*named(600, planted=False)[:2])
    assert top_pairs(loose, test, region, word) < 0.5


def test_swapping_the_views_of_a_symmetric_one_swaps_the_weights_and_leaves_the_answer(short):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40)
    a, b = (Tokens.of([rng.normal(size=(1 + i % 3, 4)) + label for i, label in enumerate(y)]) for _ in range(2))
    views = Views({"a": Column("image", a), "b": Column("image", b)})
    swapped = Views({"a": Column("image", b), "b": Column("image", a)})
    fused = CrossAttention(symmetric=True).fit(views, y)
    fused.shares_ = dict.fromkeys(fused.shares_, 0.5)  # whatever they are: both parts of the answer are in it
    np.testing.assert_array_equal(fused.predict_proba(views), fused.predict_proba(swapped))
    np.testing.assert_array_equal(fused.row_weights(views), fused.row_weights(swapped)[:, ::-1])
    for one, other in zip(fused.attention(views)["a", "b"], fused.attention(swapped)["b", "a"], strict=True):
        np.testing.assert_array_equal(one, other)
    alone = [fused.predict_proba(Views({name: Column("image", a)})) for name in "ab"]
    np.testing.assert_array_equal(*alone)
    plain = CrossAttention().fit(views, y)
    plain.shares_ = dict.fromkeys(plain.shares_, 0.5)
    assert np.abs(plain.predict_proba(views) - plain.predict_proba(swapped)).max() > 1e-3


def test_only_two_views_of_one_width_can_be_swapped():
    rng = np.random.default_rng(0)
    with pytest.raises(ChiasmError, match=r"a \(4\), b \(3\): leave symmetric out"):
        CrossAttention(symmetric=True).fit(
            {"a": rng.normal(size=(20, 4)), "b": rng.normal(size=(20, 3))}, list("xy") * 10
        )


def test_numpy_answers_as_torch_does_for_networks_side_by_side_and_alone(fitted):
    rng = np.random.default_rng(0)
    rows, n = {}, 12
    for name, count in (("words", 5), ("size", 1)):
        rows[name] = rng.normal(size=(n, count, fitted.kernels_[name].width)).astype(np.float32)
        rows[name + "(here)"] = rng.random((n, count)) < 0.7
    here = np.array([[1, 1], [0, 1], [1, 0]] * 4, np.float32)
    params = {g: {k: v + np.float32(0.1) * rng.normal(size=v.shape).astype(np.float32) for k, v in inner.items()}
              for g, inner in fitted.params_.items()}  # fmt: skip
    mine = fitted._forward(params, rows, here, ArrayOps(), 0.0)
    tensors = {group: {k: torch.tensor(v) for k, v in inner.items()} for group, inner in params.items()}
    several = {k: torch.tensor(v).expand(5, *v.shape) for k, v in rows.items()}
    known = fitted._forward(tensors, several, torch.tensor(here).expand(5, -1, -1), TensorOps(None), 0.0)
    np.testing.assert_allclose(mine[0], known[0].numpy(), rtol=1e-5, atol=1e-5)
    for one, other in zip(mine[1], known[1], strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=1e-5)
    one = {group: {k: v[2] for k, v in inner.items()} for group, inner in params.items()}
    np.testing.assert_allclose(fitted._forward(one, rows, here, ArrayOps(), 0.0)[0], mine[0][2], rtol=1e-5, atol=1e-5)


def test_padding_and_what_stands_in_it_change_nothing(fitted):
    rng = np.random.default_rng(0)
    rows = fitted._turned(fitted._held(ragged(9)[0]), 9)
    here = np.array([[1, 1], [0, 1], [1, 0]] * 3, np.float32)
    known, weights = fitted._forward(fitted.params_, rows, here, ArrayOps(), 0.0)
    other = dict(rows)
    for name in ("words", "size"):
        wide = np.pad(rows[name], ((0, 0), (0, 3), (0, 0)))
        there = np.pad(rows[name + "(here)"], ((0, 0), (0, 3)))
        gone = ~there | ~(here[:, [["words", "size"].index(name)]] > 0)
        wide[gone] = 9 * rng.normal(size=(gone.sum(), wide.shape[2]))
        other |= {name: wide, name + "(here)": there}
    found, mine = fitted._forward(fitted.params_, other, here, ArrayOps(), 0.0)
    np.testing.assert_allclose(found, known, atol=1e-5)
    np.testing.assert_allclose(mine, weights, atol=1e-5)


def test_a_row_alone_is_answered_as_beside_longer_ones_and_weights_of_tokens_sum_to_one(fitted):
    views = ragged(40, seed=1, most=40)[0]
    whole = fitted.predict_proba(views)
    np.testing.assert_allclose(fitted.predict_proba(views[7:8])[0], whole[7], atol=1e-5)
    for weights, length in zip(fitted.token_weights(views)["words"], views["words"].items.lengths, strict=True):
        assert weights.shape == (length,)
        assert weights.sum() == pytest.approx(1, abs=1e-5)


def test_empty_rows_and_absent_views_are_answered_by_what_is_left(fitted):
    views = ragged(12, seed=2)[0]
    words = Tokens.of([np.zeros((0, 5)) if i % 3 == 0 else np.ones((2, 5)) for i in range(12)])
    size = np.where(np.arange(12)[:, None] % 4, views["size"].items, np.nan)
    found = fitted.predict_proba({"words": words, "size": size})
    np.testing.assert_allclose(found[0], fitted.prior_)  # neither a word nor a size
    alone = fitted.predict_proba({"size": size[3:4]})
    np.testing.assert_allclose(found[3], alone[0], atol=1e-6)
    weights = fitted.row_weights({"words": words, "size": size})
    np.testing.assert_allclose(weights.sum(axis=1), [0] + [1] * 11, atol=1e-5)
    assert (weights[::3, 0] == 0).all()
    assert [len(one) for one in fitted.token_weights({"words": words})["words"][:3]] == [0, 2, 2]


@pytest.mark.parametrize("part", PARTS)
def test_empty_rows_tokens_that_are_all_one_and_absent_rows_are_learned_from(part, short):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    words = Tokens.of([np.zeros((0, 4)) if i % 5 == 0 else rng.normal(size=(1, 4)) for i in range(60)])
    index = np.where(np.arange(60) % 7, np.arange(60), -1)
    columns = {"words": Column("text", words, index), "same": Column("image", Tokens.of([np.ones((3, 2))] * 60))}
    fused = part().fit(Views(columns), y)
    assert np.isfinite(fused.predict_proba(Views(columns))).all()
    assert np.isfinite(fused.predict_proba({"words": words})).all()
    alone = part().fit({"words": Tokens.of(list(rng.normal(size=(60, 2, 4))))}, y)
    assert np.isfinite(alone.predict_proba({"words": words})).all()


@pytest.mark.parametrize("part", PARTS)
def test_what_cannot_be_learned_from_is_one_sentence(part):
    views = ragged(20)[0]
    with pytest.raises(ChiasmError, match="wanted at least two classes"):
        part().fit(views, ["x"] * 20)
    empty = Views({"words": Column("text", Tokens.of([np.zeros((0, 4))] * 20)), "size": views["size"]})
    with pytest.raises(ChiasmError, match="view 'words' is absent in all 20"):
        part().fit(empty, list("xy") * 10)


def test_tokens_of_another_width_are_refused_and_other_fusers_say_that_they_read_none(fitted):
    with pytest.raises(ChiasmError, match="wanted vectors of 5 numbers, got 4"):
        fitted.predict({"words": Tokens.of([np.ones((2, 4))])})
    with pytest.raises(ChiasmError, match="different numbers of tokens"):
        Early().fit(*ragged(20))


@pytest.mark.parametrize("part", PARTS)
def test_networks_that_tell_nothing_leave_the_answer_of_early_on_the_means_of_tokens(part, short, monkeypatch):
    monkeypatch.setattr(_tokens.TokenFuser, "_rate", 1e-9)
    views, y = ragged(80)
    means = pooled(views.replace({"words": views["words"]})) | {"size": views["size"].items}
    fused = part().fit(views, y)
    assert set(fused.shares_.values()) == {0.0}
    np.testing.assert_allclose(fused.predict_proba(views), Early().fit(means, y).predict_proba(means), atol=1e-4)


def test_saved_it_answers_alike_where_torch_cannot_be_imported(tmp_path, fitted):
    views = ragged(30, seed=3)[0]
    fitted.shares_ = dict.fromkeys(fitted.shares_, 0.5)
    chiasm.save(fitted, tmp_path / "part")
    values, mask = views["words"].batch(np.arange(30))
    known = {"outputs": fitted.predict_proba(views), "weights": fitted.row_weights(views)}
    np.savez(tmp_path / "test.npz", values=values, lengths=mask.sum(axis=1), size=views["size"].items, **known)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm, pathlib\n"
        "from chiasm.tokens import Tokens\n"
        "home = pathlib.Path(sys.argv[1]); known = np.load(home / 'test.npz')\n"
        "words = Tokens.of([v[:t] for v, t in zip(known['values'], known['lengths'])])\n"
        "fused, test = chiasm.load(home / 'part'), {'words': words, 'size': known['size']}\n"
        "np.testing.assert_allclose(fused.predict_proba(test), known['outputs'], rtol=1e-5, atol=1e-5)\n"
        "np.testing.assert_allclose(fused.row_weights(test), known['weights'], rtol=1e-5, atol=1e-5)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_importing_a_fuser_over_tokens_does_not_import_torch():
    code = "import sys, chiasm.fuse.coattention, chiasm.fuse.transformer; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
