"""Decision-level fusion: formulas equal numpy's, weights follow what is planted, fitted rows teach nothing."""

import numpy as np
import pytest
from scipy.special import softmax

import chiasm
from chiasm.fuse._alone import evidence, outputs
from chiasm.fuse.cascade import Cascade
from chiasm.fuse.late import Late
from chiasm.fuse.stacking import Stacking, _total, _Upper, _weights
from chiasm.stats.answers import ece, log_loss
from chiasm.stats.blocks import blocks
from chiasm.tasks.classify import Classify
from chiasm.views import as_views

FUSERS = {
    "average": Late(combine="average"),
    "weighted": Late(combine="weighted"),
    "product": Late(),
    "cascade": Cascade(),
    "stacking": Stacking(),
}


def make(name, kind="classes"):
    return type(FUSERS[name])(**FUSERS[name].get_params()).set_params(kind=kind)


def some(views, rows):
    return {name: values[rows] for name, values in views.items()}


def without(views, name, rows):
    """The views with one of them absent in some rows."""
    values = views[name].copy()
    values[rows] = np.nan
    return {**views, name: values}


def three_classes(n, seed, strengths=(1.5, 1.0), classes=3):
    """Views that are independent given the class, of stated distances between the classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    views = {}
    for name, strength in zip("abc", strengths, strict=False):
        views[name] = rng.normal(size=(n, 4))
        views[name][:, :classes] += strength * np.eye(classes)[y]
    return views, y


def labels_of(kind, y):
    """The same rows as classes, as tags (the class, and whether it is below 2) or as a number."""
    if kind == "classes":
        return y
    if kind == "numbers":
        return y + np.random.default_rng(0).normal(size=len(y)) / 3
    return [[f"tag {v}", "low"] if v < 2 else [f"tag {v}"] for v in y]


def alone(fused, views):
    """What each head says by itself, `(k, n, c)`, in the order of the views."""
    return np.stack(
        [fused.heads_[name].answer(blocks(as_views({name: views[name]})), len(views[name])) for name in views]
    )


@pytest.fixture(scope="module")
def planted():
    views, y = three_classes(700, 0)
    return some(views, slice(0, 400)), y[:400], some(views, slice(400, None)), y[400:]


@pytest.fixture(scope="module")
def fitted(planted):
    views, y, _, _ = planted
    return {name: make(name).fit(views, y) for name in FUSERS}


@pytest.mark.parametrize("kind", ["classes", "tags", "numbers"])
def test_the_average_is_numpys_mean_of_the_views_that_are_there(kind, planted):
    views, y, new, _ = planted
    fused = make("average", kind).fit(views, labels_of(kind, y))
    said = alone(fused, new)
    np.testing.assert_allclose(fused.outputs(new), said.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(fused.outputs({"b": new["b"]}), said[1], atol=1e-12)
    half = fused.outputs(without(new, "a", slice(0, 10)))
    np.testing.assert_allclose(half, np.concatenate([said[1, :10], said[:, 10:].mean(axis=0)]), atol=1e-12)
    assert fused.weights_ == {"a": 0.5, "b": 0.5}


def opinions(fused, views):
    """What the heads of `fused` say out of fold of the rows that it learned from."""
    from chiasm.fuse._alone import learn
    from chiasm.stats.blocks import blocks

    known = fused.folds_
    return learn(blocks(as_views(views)), known.truth_, known.numbers_, fused.kind, fused.seed)[1]


def stages(cascade, views):
    """What each stage says out of fold `(k, m, c)`, and how sure it is `(k, m)`."""
    from chiasm.fuse._alone import learn_one
    from chiasm.stats.blocks import blocks

    known, held = cascade.folds_, blocks(as_views(views))
    each = [
        learn_one({v: held[v] for v in cascade.order_[: j + 1]}, known.truth_, known.numbers_, cascade.kind, 0)[1]
        for j in range(len(cascade.order_))
    ]
    return np.stack(each), np.stack(each).max(axis=2)


def test_the_weighted_sum_is_the_formula_with_the_weights_of_least_log_loss_out_of_fold(planted, fitted):
    views, y, new, _ = planted
    fused = fitted["weighted"]
    out = opinions(fused, views).values
    w = fused.weights_["a"]
    assert fused.weights_["b"] == pytest.approx(1 - w)
    said = alone(fused, new)
    np.testing.assert_allclose(fused.outputs(new), w * said[0] + (1 - w) * said[1], atol=1e-12)
    grid = np.linspace(0, 1, 1001)
    losses = [log_loss(y, v * out[0] + (1 - v) * out[1]) for v in grid]
    assert w == pytest.approx(grid[np.argmin(losses)], abs=2e-3)


def test_the_weighted_product_is_the_formula_with_the_exponents_of_least_log_loss_out_of_fold(planted, fitted):
    views, y, new, _ = planted
    fused = fitted["product"]
    logs = np.log(opinions(fused, views).values / fused.prior_)
    e = np.array(list(fused.exponents_["a + b"].values()))
    said = alone(fused, new)
    by_hand = fused.prior_ * np.prod((said / fused.prior_) ** e[:, None, None], axis=0)
    np.testing.assert_allclose(fused.outputs(new), by_hand / by_hand.sum(axis=1, keepdims=True), atol=1e-9)
    np.testing.assert_allclose(fused.outputs({"a": new["a"]}), said[0], atol=1e-9)

    def loss(powers):
        return log_loss(y, softmax(np.log(fused.prior_) + np.tensordot(powers, logs, 1), axis=1))

    best = loss(e)
    assert all(best <= loss(e + step) + 1e-9 for step in 0.02 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]))


def test_the_product_is_naive_bayes_of_independent_views_and_counts_a_repeated_view_once():
    views, y = three_classes(600, 1)
    independent = Late().fit(views, y).exponents_["a + b"]
    assert all(abs(power - 1) < 0.15 for power in independent.values())
    again = {"a": views["a"], "b": views["a"]}
    assert sum(Late().fit(again, y).exponents_["a + b"].values()) == pytest.approx(1, abs=0.1)


def test_a_mixture_of_calibrated_answers_is_too_unsure_and_their_product_is_not(planted, fitted):
    views, y = three_classes(4000, 2)
    errors = {name: ece(y, fitted[name].predict_proba(views)) for name in ("average", "weighted", "product")}
    assert errors["average"] > 0.1
    assert errors["weighted"] > 0.03
    assert errors["product"] < 0.03
    sure = fitted["average"].predict_proba(views).max(axis=1).mean()
    assert sure < (fitted["average"].predict(views) == y).mean()


def test_tags_are_combined_each_alone(planted):
    views, y, new, _ = planted
    tags = labels_of("tags", y)
    fused = Late("tags").fit(views, tags)
    e, prior = np.array(list(fused.exponents_["a + b"].values())), fused.prior_
    said = alone(fused, new)
    odds = prior / (1 - prior) * np.prod((said / (1 - said) / (prior / (1 - prior))) ** e[:, None, None], axis=0)
    np.testing.assert_allclose(fused.outputs(new), odds / (1 + odds), atol=1e-9)


def test_numbers_are_weighed_by_least_squares():
    rng = np.random.default_rng(0)
    target = rng.normal(size=500)
    views = {"a": target[:, None] + rng.normal(size=(500, 1)), "b": target[:, None] + 2 * rng.normal(size=(500, 1))}
    fused = Late("numbers", combine="weighted").fit(views, target)
    said = opinions(fused, views).values[:, :, 0]
    grid = np.linspace(0, 1, 1001)
    errors = [np.square(w * said[0] + (1 - w) * said[1] - target).mean() for w in grid]
    assert fused.weights_["a"] == pytest.approx(grid[np.argmin(errors)], abs=2e-3)
    pooled = Late("numbers").fit(views, target)
    free = np.linalg.lstsq((opinions(pooled, views).values[:, :, 0] - target.mean()).T, target - target.mean())[0]
    np.testing.assert_allclose(list(pooled.exponents_["a + b"].values()), free, atol=1e-6)
    assert np.square(pooled.crossed(views)[:, 0] - target).mean() < min(errors)  # shrunk twice, once too often


@pytest.mark.parametrize("name", ["weighted", "product", "stacking"])
def test_a_view_replaced_by_noise_loses_its_weight_and_the_score_falls(name, planted, fitted):
    views, y, new, truth = planted
    rng = np.random.default_rng(5)
    spoiled, spoiled_new = ({**v, "b": rng.normal(size=v["b"].shape)} for v in (views, new))
    noisy = make(name).fit(spoiled, y)
    assert noisy.weights_["b"] < 0.6 * fitted[name].weights_["b"]
    assert sum(noisy.weights_.values()) == pytest.approx(1)
    assert noisy.score(spoiled_new, truth) < fitted[name].score(new, truth) - 0.03


def in_some_rows(n, seed):
    """View a is sure and wrong in half of the rows, which view c gives away; b is fair in all."""
    rng = np.random.default_rng(seed)
    y, flag = rng.integers(0, 3, n), rng.random(n) < 0.5
    a, b = rng.normal(size=(2, n, 6))
    a[:, :3] += 2.5 * np.eye(3)[np.where(flag, rng.integers(0, 3, n), y)]
    b[:, :3] += 1.5 * np.eye(3)[y]
    return {"a": a, "b": b, "c": (2 * flag + rng.normal(size=n) / 5)[:, None]}, y, flag


@pytest.mark.slow
def test_stacking_follows_noise_that_stands_in_some_rows_and_beats_fixed_weights_there():
    views, y, flag = in_some_rows(1350, 0)
    train, rest = slice(0, 450), slice(450, None)
    stacked, fixed = (fuser.fit(some(views, train), y[train]) for fuser in (Stacking(), Late()))
    weights = stacked.row_weights(some(views, rest))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    noise = flag[rest]
    assert weights[noise, 0].mean() < 0.6 * weights[~noise, 0].mean()
    truth = y[rest]
    mine, other = (fuser.predict_proba(some(views, rest)) for fuser in (stacked, fixed))
    assert log_loss(truth, mine) < log_loss(truth, other) - 0.05
    assert (mine.argmax(axis=1) == truth).mean() > (other.argmax(axis=1) == truth).mean() + 0.01
    assert stacked.strength_ > 0


def test_the_upper_learner_with_fixed_weights_is_scikit_learns_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    odds = (2 * y - 1)[:, None] * [0.5, 1.0] + rng.normal(size=(3000, 2)) * [1, 1.5]
    said = np.stack([-odds / 2, odds / 2], axis=2).transpose(1, 0, 2)
    truth = np.eye(2)[y]
    upper = _Upper(said, np.zeros((3000, 1)), truth, np.ones(2), "classes")
    known = LogisticRegression(C=1e6, fit_intercept=True).fit(odds, y)
    np.testing.assert_allclose(_weights(upper.mix(0.0), np.zeros((1, 1)))[0], known.coef_[0], rtol=0.03)


@pytest.mark.parametrize("name", list(FUSERS))
def test_random_labels_stay_at_chance_out_of_fold_and_on_new_rows(name):
    views, y = three_classes(600, 3, strengths=(1, 1), classes=4)
    train, rest = slice(0, 200), slice(200, None)
    hits, losses = [], []
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(y)
        fused = make(name).fit(some(views, train), shuffled[:200])
        commonest = np.bincount(shuffled[:200]).max() / 200
        for rows, found in ((train, fused.crossed(some(views, train))), (rest, fused.predict_proba(some(views, rest)))):
            hits.append((found.argmax(axis=1) == shuffled[rows]).mean() - commonest)
            losses.append(log_loss(shuffled[rows], found) - np.log(4))
    assert np.mean(hits[::2]) < 0.06  # out of fold
    assert np.mean(hits[1::2]) < 0.03  # new rows
    assert -0.03 < np.mean(losses[::2]) < 0.1
    assert -0.01 < np.mean(losses[1::2]) < 0.1


def test_the_upper_learner_is_fooled_by_fitted_outputs_and_not_by_those_out_of_fold():
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    prior, chance, still = np.full(2, 0.5), np.log(2), np.zeros((300, 1))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        views, y = rng.normal(size=(2, 600, 5)), rng.integers(0, 2, 600)
        heads = [KNeighborsClassifier(7).fit(view[:300], y[:300]) for view in views]
        fitted, new = (
            np.stack([head.predict_proba(view[rows]) for head, view in zip(heads, views, strict=True)])
            for rows in (slice(0, 300), slice(300, None))
        )
        out_of_fold = [
            cross_val_predict(KNeighborsClassifier(7), v[:300], y[:300], method="predict_proba") for v in views
        ]
        loss = {}
        for name, learned in (("fitted", fitted), ("out of fold", np.stack(out_of_fold))):
            said, said_new = (evidence((7 * p + 1) / 9, prior, "classes") for p in (learned, new))
            mix = _Upper(said, still, np.eye(2)[y[:300]], np.ones(2), "classes").mix(0.0)
            loss[name] = log_loss(y[300:], outputs(_total(said_new, _weights(mix, still)), prior, "classes"))
        assert loss["fitted"] > chance + 0.05
        assert loss["out of fold"] < chance + 0.04


def plain_in_some_rows(n, seed):
    """The text tells the class in half of the rows and nothing in the others; the picture tells it fairly well."""
    rng = np.random.default_rng(seed)
    y, plain = rng.integers(0, 3, n), rng.random(n) < 0.5
    text, image = rng.normal(size=(2, n, 5))
    text[:, :3] += 5 * plain[:, None] * np.eye(3)[y]
    image[:, :3] += 3 * np.eye(3)[y]
    return {"text": text, "image": image}, y, plain


@pytest.fixture(scope="module")
def cascaded():
    views, y, plain = plain_in_some_rows(1600, 0)
    return Cascade(order=["text", "image"]).fit(some(views, slice(0, 600)), y[:600]), views, y, plain


def test_a_cascade_answers_the_plain_rows_from_the_first_view_and_keeps_the_accuracy(cascaded):
    cascade, views, y, plain = cascaded
    new, truth = some(views, slice(600, None)), y[600:]
    stage = cascade.trace(new)
    assert (stage[plain[600:]] == 1).mean() > 0.9
    assert (stage[~plain[600:]] == 1).mean() < 0.15
    assert cascade.shares_ == pytest.approx([(stage == 1).mean(), (stage == 2).mean()], abs=0.08)
    whole = cascade.stages_["image"].answer(blocks(as_views(new)), 1000)
    assert cascade.score(new, truth) > (whole.argmax(axis=1) == truth).mean() - 0.01 - 0.01
    np.testing.assert_array_equal(cascade.trace({"text": new["text"]}), stage)  # the picture is not looked at before
    first = stage == 1
    np.testing.assert_allclose(
        cascade.predict_proba(new)[first],
        cascade.stages_["text"].answer(blocks(as_views(some(new, first))), first.sum()),
    )
    np.testing.assert_allclose(cascade.predict_proba(new)[~first], whole[~first], atol=1e-6)


def test_the_threshold_is_the_lowest_that_keeps_within_the_loss_and_its_standard_error(cascaded):
    cascade, views, y, _ = cascaded
    said, (sure, _) = stages(cascade, some(views, slice(0, 600)))
    hit = said.argmax(axis=2) == y[:600]
    kept = []
    for threshold in sure:
        lost = hit[1] * 1.0 - np.where(sure >= threshold, hit[0], hit[1])
        if lost.mean() + lost.std() / np.sqrt(600) <= 0.01 + 1e-12:
            kept.append(threshold)
    assert cascade.thresholds_[0] == min(kept)


@pytest.mark.slow
def test_three_stages_together_keep_within_the_loss():
    views, y = three_classes(400, 4, strengths=(1, 1.5, 2.5))
    cascade = Cascade(order=["a", "b", "c"], loss=0.04).fit(views, y)
    said, sure = stages(cascade, views)
    hit = (said.argmax(axis=2) == y).astype(float)
    first = np.array([next((j for j in (0, 1) if s[j] >= cascade.thresholds_[j]), 2) for s in sure.T])
    np.testing.assert_allclose(cascade.shares_, [(first == j).mean() for j in range(3)])
    assert min(cascade.shares_) > 0.03
    assert hit[first, np.arange(400)].mean() >= hit[2].mean() - 0.04
    assert set(cascade.trace(views)) == {1, 2, 3}


def test_a_cascade_that_may_lose_everything_asks_no_further_and_one_that_can_gain_nothing_never_stops():
    views, y, _ = plain_in_some_rows(300, 1)
    assert Cascade(order=["text", "image"], loss=1.0).fit(views, y).shares_.tolist() == [1, 0]
    blind = {"text": np.random.default_rng(0).normal(size=(300, 3)), "image": views["image"] * 3}
    cascade = Cascade(order=["text", "image"], loss=-0.5).fit(blind, y)
    assert cascade.thresholds_[0] == np.inf
    assert set(cascade.trace(blind)) == {2}


def test_a_cascade_begins_with_the_view_that_is_best_alone_and_takes_each_view_once(planted):
    views, y, _, _ = planted
    assert Cascade().fit({"b": views["b"], "a": views["a"]}, y).order_ == ["a", "b"]
    with pytest.raises(chiasm.ChiasmError, match="did you mean 'a'"):
        Cascade(order=["a ", "b"]).fit(views, y)
    with pytest.raises(chiasm.ChiasmError, match="every view once"):
        Cascade(order=["a"]).fit(views, y)


def test_a_task_hands_a_cascade_its_order_and_learns_the_views_alone_without_it():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    views = {name: rng.normal(size=(120, 3)) + y[:, None] for name in "abc"}
    model = Classify(fuse=Cascade(order=["b", "c", "a"])).fit(views, y)
    assert model.fuser_.order_ == ["b", "c", "a"]
    assert model.alone_["c"].order_ == ["c"]


def test_a_cascade_of_numbers_is_sure_where_it_errs_least():
    rng = np.random.default_rng(0)
    target, plain = rng.normal(size=900), rng.random(900) < 0.5
    text = np.column_stack([target + rng.normal(size=900) * np.where(plain, 0.05, 2), 3 * plain])
    views = {"text": text, "image": target[:, None] + rng.normal(size=(900, 1)) / 3}
    cascade = Cascade("numbers", order=["text", "image"]).fit(some(views, slice(0, 600)), target[:600])
    stage = cascade.trace(some(views, slice(600, None)))
    assert (stage[plain[600:]] == 1).mean() > 0.7
    assert (stage[~plain[600:]] == 1).mean() < 0.1


@pytest.mark.parametrize("kind", ["classes", "tags", "numbers"])
@pytest.mark.parametrize("name", list(FUSERS))
def test_absent_views_have_an_answer_and_the_saved_fuser_gives_the_same(name, kind, planted, tmp_path):
    views, y, new, _ = planted
    rows = slice(0, 120)
    partial = without(without(some(views, rows), "a", slice(0, 25)), "b", slice(60, 80))
    fused = make(name, kind).fit(partial, labels_of(kind, y)[:120])
    assert np.isfinite(fused.crossed(partial)).all()
    holes = without(without(some(new, rows), "a", slice(0, 20)), "b", slice(10, 40))
    out = fused.outputs(holes)
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out[10:20], np.tile(fused.prior_, (10, 1)))
    np.testing.assert_allclose(out[:10], fused.outputs({"b": new["b"][:10]}), atol=1e-6)
    np.testing.assert_allclose(out[40:60], fused.outputs(some(new, slice(40, 60))), atol=1e-6)
    if kind == "classes":
        np.testing.assert_allclose(out.sum(axis=1), 1)
    if name == "stacking":
        weights = fused.row_weights(holes)
        assert not weights[:20, 0].any()
        np.testing.assert_allclose(weights[20:].sum(axis=1), 1)
    chiasm.save(fused, tmp_path / "fused")
    np.testing.assert_array_equal(chiasm.load(tmp_path / "fused").outputs(holes), out)


@pytest.mark.parametrize("name", ["average", "weighted", "product"])
def test_a_view_that_hardly_any_row_has_says_nothing(name, planted):
    views, y, new, _ = planted
    rare = without(some(views, slice(0, 150)), "b", slice(4, None))
    fused = make(name).fit(rare, y[:150])
    np.testing.assert_allclose(fused.predict_proba({"b": new["b"]}), np.tile(fused.prior_, (300, 1)), atol=1e-9)
    assert fused.score(new, planted[3]) > 0.5


def test_an_unknown_way_to_combine_is_refused_by_name(planted):
    with pytest.raises(chiasm.ChiasmError, match="did you mean 'product'"):
        Late(combine="products").fit(planted[0], planted[1])
