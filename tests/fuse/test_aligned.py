"""Align, then fuse: equal to doing both by hand, honest folds, rows with one view, weights by view."""

import numpy as np
import pytest

import chiasm
from chiasm import ChiasmError
from chiasm.align.cca import CCA
from chiasm.fuse import _trained
from chiasm.fuse.aligned import Aligned
from chiasm.fuse.attention import Attention
from chiasm.fuse.bilinear import Bilinear
from chiasm.fuse.cascade import Cascade
from chiasm.fuse.early import Early
from chiasm.views import ABSENT, Column, Views

QUICK = {"align": CCA(k=2, ridge=1.0), "fuse": Early(kernel="linear", weights="equal")}
"""Parts that choose nearly nothing: for claims that hold for any."""


def planted(n=300, seed=0, noise=2.0):
    """Two views of two shared numbers, of which the class is the greater's name."""
    rng, mix = np.random.default_rng(seed), np.random.default_rng(99)
    z = rng.normal(size=(n, 2))
    a = z @ mix.normal(size=(2, 8)) + noise * rng.normal(size=(n, 8))
    b = z @ mix.normal(size=(2, 6)) + noise * rng.normal(size=(n, 6))
    return {"b": b.astype(np.float32), "a": a.astype(np.float32)}, np.where(z[:, 0] > z[:, 1], "left", "right")


def some(views, rows):
    return {name: values[rows] for name, values in views.items()}


@pytest.fixture(scope="module")
def easy():
    views, y = planted(420)
    return some(views, slice(300)), y[:300], some(views, slice(300, None)), y[300:]


def hidden(n, seed):
    """The same class behind what moves each view most: six numbers of its own."""
    rng, mix = np.random.default_rng(seed), np.random.default_rng(99)
    z, views = rng.normal(size=(n, 2)), {}
    for name in "ab":
        own = 2 * rng.normal(size=(n, 6)) @ mix.normal(size=(6, 30))
        views[name] = 0.5 * z @ mix.normal(size=(2, 30)) + own + 0.5 * rng.normal(size=(n, 30))
    return views, np.where(z[:, 0] > z[:, 1], "left", "right")


@pytest.mark.parametrize("keep", ["both", "aligned"])
def test_it_equals_the_aligner_and_then_the_fuser_by_hand(keep, easy):
    train, y, test, _ = easy
    aligner = CCA().fit(train)
    mapped = [{name: c.items for name, c in aligner.transform(views).columns.items()} for views in (train, test)]
    if keep == "both":
        mapped = [
            views | {f"{name} (aligned)": values for name, values in part.items()}
            for views, part in zip((train, test), mapped, strict=True)
        ]
    known = Early(weights="equal").fit(mapped[0], y)
    mine = Aligned(fuse=Early(weights="equal"), keep=keep).fit(train, y)
    np.testing.assert_allclose(mine.predict_proba(test), known.predict_proba(mapped[1]), atol=1e-6)


@pytest.mark.parametrize("keep", ["both", "aligned"])
def test_out_of_fold_answers_come_from_aligners_and_fusers_that_never_saw_the_fold(keep, easy):
    train, y = easy[:2]
    fused = Aligned(**QUICK, keep=keep).fit(train, y)
    crossed = fused.crossed(train)
    fold = fused.folds_.numbers_ == 2
    again = copied(fused, train, ~fold)
    np.testing.assert_allclose(crossed[fold], again.outputs(some(train, fold)), atol=1e-6)
    moved = {name: values.copy() for name, values in train.items()}
    moved["a"][fold] = 100  # what stands in the fold itself does not move the others' maps
    np.testing.assert_allclose(copied(fused, moved, ~fold).outputs(some(train, fold)), crossed[fold], atol=1e-6)


def copied(fused, views, rows):
    """The same pipeline learned from some of the rows, in the same folds."""
    from chiasm.stats.blocks import Block, restrict

    part = type(fused)(**fused.get_params(deep=False))
    part.target_, part.widths_, part.prior_ = fused.target_, fused.widths_, fused.folds_.truth_[rows].mean(axis=0)
    held = {name: Block(values, np.ones(len(values), bool)) for name, values in views.items()}
    at = np.flatnonzero(rows)
    part._learn(restrict(held, at), fused.folds_.truth_[at], fused.folds_.numbers_[at])
    return part


@pytest.mark.slow
def test_labels_dealt_at_random_stay_at_chance_in_and_out_of_fold():
    rng = np.random.default_rng(0)
    views, _ = planted(300, seed=2)
    y = rng.integers(0, 2, 300)
    fused = Aligned(align=CCA(k=4, ridge=1.0), fuse=Early(weights="equal")).fit(views, y)
    fresh, _ = planted(300, seed=3)
    assert 0.42 < fused.score(fresh, rng.integers(0, 2, 300)) < 0.58
    assert ((fused.crossed(views)[:, 1] > 0.5) == y).mean() < 0.58


def test_rows_with_one_view_are_mapped_alone_and_empty_ones_get_the_prior(easy):
    train, y, test, truth = easy
    for keep in ("both", "aligned"):
        fused = Aligned(**QUICK, keep=keep).fit(train, y)
        whole = fused.predict_proba(test)
        for name in train:
            alone = fused.predict_proba({name: test[name]})
            assert (np.array(fused.classes_)[alone.argmax(axis=1)] == truth).mean() > 0.6
            part = {other: values.copy() for other, values in test.items()}
            part[next(other for other in part if other != name)][::2] = np.nan
            mixed = fused.predict_proba(part)
            np.testing.assert_allclose(mixed[::2], alone[::2], atol=1e-6)
            np.testing.assert_allclose(mixed[1::2], whole[1::2], atol=1e-6)
        nothing = {name: np.full_like(values, np.nan) for name, values in test.items()}
        np.testing.assert_allclose(fused.predict_proba(nothing), np.tile(fused.prior_, (len(truth), 1)))
        assert (fused.row_weights(nothing) == 0).all()


def test_views_absent_in_training_rows_do_not_stop_it(easy):
    train, y, test, truth = easy
    index = np.arange(300)
    columns = {
        "a": Column("vector", train["a"], np.where(index % 3 == 0, ABSENT, index)),
        "b": Column("vector", train["b"], np.where(index % 4 == 0, ABSENT, index)),
    }
    assert Aligned(**QUICK).fit(Views(columns), y).score(test, truth) > 0.7


def test_a_shared_space_helps_where_views_move_most_in_what_does_not_matter():
    train, y = hidden(200, 0)
    test, truth = hidden(300, 1)
    aligned = Aligned(align=CCA(k=2, ridge=0.1), keep="aligned").fit(train, y)
    assert aligned.score(test, truth) > Early().fit(train, y).score(test, truth) + 0.05


@pytest.mark.slow
def test_a_view_replaced_by_noise_loses_weight_and_the_answers_get_worse(easy):
    train, y, test, truth = easy
    static = np.random.default_rng(3)
    blind = Aligned().fit({**train, "b": static.normal(size=(300, 6))}, y)
    fused = Aligned().fit(train, y)
    assert blind.score({**test, "b": static.normal(size=(120, 6))}, truth) < fused.score(test, truth) - 0.02
    assert blind.weights_["b"] < 0.7 * fused.weights_["b"]


@pytest.mark.slow
def test_weights_are_told_by_view_whatever_the_fuser_sees(easy, monkeypatch):
    monkeypatch.setattr(_trained.TrainedFuser, "_epochs", 2)
    train, y, test, _ = easy
    half = {"a": test["a"], "b": np.where(np.arange(120)[:, None] % 2 == 0, np.nan, test["b"])}
    for fuse in (Early(weights="equal"), Bilinear(), Attention()):
        for keep in ("both", "aligned")[isinstance(fuse, Bilinear) :]:  # products of four views take their time
            fused = Aligned(align=QUICK["align"], fuse=fuse, keep=keep).fit(train, y)
            assert list(fused.weights_) == ["b", "a"]
            assert sum(fused.weights_.values()) == pytest.approx(1)
            weights = fused.row_weights(half)
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
            assert (weights[::2, 0] == 0).all()
            assert (weights[1::2, 0] > 0).all()
            nothing = {name: np.full_like(values, np.nan) for name, values in test.items()}
            assert (fused.row_weights(nothing) == 0).all()
    fused = Aligned(align=QUICK["align"], fuse=Attention()).fit(train, y)
    fine = fused.fuser_.row_weights(
        {**train, **{f"{n} (aligned)": c.items for n, c in fused.aligner_.transform(train).columns.items()}}
    )
    names = list(fused.fuser_.widths_)
    known = fine[:, names.index("b")] + fine[:, names.index("b (aligned)")]
    np.testing.assert_allclose(fused.row_weights(train)[:, 0], known, atol=1e-6)


def test_parts_that_are_given_are_copied_and_names_take_the_seed(easy):
    train, y = easy[:2]
    align, fuse = CCA(k=2, ridge=1.0), Early("numbers", kernel="linear")
    fused = Aligned(align=align, fuse=fuse).fit(train, y)
    assert not align.learned()
    assert not fuse.learned()
    assert fuse.kind == "numbers"
    assert fused.fuser_.kind == "classes"
    assert fused.fuser_.kernel == "linear"
    assert fused.fuser_.widths_ == {"b": 6, "a": 8, "b (aligned)": 2, "a (aligned)": 2}
    named = Aligned(align="pls", keep="aligned", seed=7).fit(train, y)
    assert type(named.aligner_).__name__ == "PLS"
    assert named.fuser_.seed == named.aligner_.seed == 7


def test_it_answers_the_same_after_saving_and_in_any_order_of_the_views(easy, tmp_path):
    train, y, test, _ = easy
    fused = Aligned(**QUICK).fit(train, y)
    chiasm.save(fused, tmp_path / "f")
    again = chiasm.load(tmp_path / "f")
    np.testing.assert_allclose(again.predict_proba(test), fused.predict_proba(test), atol=1e-9)
    assert again.weights_ == pytest.approx(fused.weights_)
    turned = Aligned(**QUICK).fit(dict(reversed(train.items())), y)
    assert np.abs(turned.predict_proba(test) - fused.predict_proba(test)).mean() < 0.05


def test_numbers_and_tags_pass_through(easy):
    train, _, test, _ = easy
    y = train["a"][:, 0] + train["b"][:, 0]
    assert Aligned("numbers", **QUICK).fit(train, y).score(test, test["a"][:, 0] + test["b"][:, 0]) > 0.9
    tags = [["p"] * bool(v > 0) + ["q"] * bool(u > 0) for u, v in zip(train["a"][:, 0], train["b"][:, 0], strict=True)]
    assert Aligned("tags", **QUICK).fit(train, tags).predict(test).shape == (120, 2)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (Aligned(keep="raw"), "no keep named 'raw'"),
        (Aligned(align="cca2"), "no align named 'cca2'; did you mean 'cca'"),
        (Aligned(fuse="erly"), "no fuse named 'erly'; did you mean 'early'"),
    ],
)
def test_what_cannot_be_is_one_sentence(part, sentence, easy):
    with pytest.raises(ChiasmError, match=sentence):
        part.fit(*easy[:2])


def test_of_one_view_there_is_nothing_to_align_and_the_fuser_reads_it(easy):
    train, y, test, _ = easy
    fused, plain = Aligned().fit({"a": train["a"]}, y), Early().fit({"a": train["a"]}, y)
    np.testing.assert_allclose(fused.predict_proba(test), plain.predict_proba({"a": test["a"]}), atol=1e-6)


def test_a_fuser_without_weights_says_so(easy):
    train, y = easy[:2]
    fused = Aligned(align=QUICK["align"], fuse=Cascade(), keep="aligned").fit(train, y)
    assert fused.weights_ == {}
    with pytest.raises(ChiasmError, match="Cascade gives views no weights"):
        fused.row_weights(train)
