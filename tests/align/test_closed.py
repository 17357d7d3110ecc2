"""Closed-form aligners against known answers: hubs, permutation p-values, R^2, PLS, Procrustes, kernels, anchors."""

import numpy as np
import pytest

from chiasm import recipe
from chiasm.align.asif import ASIF
from chiasm.align.cca import CCA
from chiasm.align.kcca import KCCA
from chiasm.align.pls import PLS
from chiasm.align.procrustes import Procrustes
from chiasm.align.ridge import Ridge
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.views import Column, Views

WIDTHS = {"a": 30, "b": 24, "c": 20, "d": 18}


def tables(*names, n=300, latents=10, noise=1.5, seed=0):
    """One table of n things a string of view names, "ab" then "bc": all views show the same latents, in noise."""
    rng = np.random.default_rng(seed)
    mixes = {name: rng.normal(size=(latents, width)) for name, width in WIDTHS.items()}
    found, start = [], 0
    for held in names:
        z = rng.normal(size=(n, latents))
        columns = {v: Column("vector", z @ mixes[v] + noise * rng.normal(size=(n, WIDTHS[v]))) for v in held}
        found.append(Views(columns, np.arange(start, start + n)))
        start += n
    return found


def covariance(x, y):
    return (x - x.mean(axis=0)).T @ (y - y.mean(axis=0)) / len(x)


def block_solution(views, weight, k):
    """MCCA by hand, whose a-c block weighs its own estimate by `weight` and S_ab S_b^-1 S_bc by the rest."""
    from scipy.linalg import block_diag, eigh

    def both(x, y):
        rows = views.present(x) & views.present(y)
        if not rows.any():
            return np.zeros((WIDTHS[x], WIDTHS[y]))
        return covariance(*(views[n].items[views[n].index[rows]] for n in (x, y)))

    own = {n: both(n, n) for n in "abc"}
    ab, bc = both("a", "b"), both("b", "c")
    ac = weight * both("a", "c") + (1 - weight) * ab @ np.linalg.solve(own["b"], bc)
    whole = np.block([[own["a"], ab, ac], [ab.T, own["b"], bc], [ac.T, bc.T, own["c"]]])
    values, vectors = eigh(whole, block_diag(*own.values()))
    parts = np.split(vectors[:, ::-1][:, :k], np.cumsum([WIDTHS["a"], WIDTHS["b"]]))
    rho = (values[::-1][:k] - 1) / 2
    return rho, {n: part * np.sqrt(rho) for n, part in zip("abc", parts, strict=True)}


def test_a_pair_that_never_meets_is_completed_through_its_hub():
    views = Views.stack(*tables("ab", "bc"))
    model = CCA(k=10, ridge=0.0, precision="float64").fit(views)
    np.testing.assert_allclose(model.correlations_, block_solution(views, 0.0, 10)[0], atol=1e-8)
    gains = []
    for seed in range(3):
        views = Views.stack(*tables("ab", "bc", seed=seed))
        (test,) = tables("abc", n=1200, seed=seed)
        test = Views({n: test[n] for n in "ac"})[900:]
        model, zero = CCA(k=10, ridge=0.0).fit(views), CCA(k=10, ridge=0.0).fit(views)
        zero.weights_ = block_solution(views, 1.0, 10)[1]  # the missing block taken as zero
        assert model.score(test) > 0.6  # chance is 1 / 300
        gains.append(model.score(test) - zero.score(test))
    assert min(gains) > 0
    assert np.mean(gains) > 0.01


def test_a_pair_that_seldom_meets_counts_by_its_number_of_things():
    ab, bc, ac = tables("ab", "bc", "ac")
    views = Views.stack(ab, bc, ac[:20])
    model = CCA(k=10, ridge=0.0, precision="float64").fit(views)
    np.testing.assert_allclose(model.correlations_, block_solution(views, 40 / 320, 10)[0], atol=1e-8)
    (test,) = tables("abc", n=1500)
    test = Views({n: test[n] for n in "ac"})[1200:]
    alone = CCA(k=10, ridge=0.0).fit(views)
    alone.weights_ = block_solution(views, 1.0, 10)[1]  # twenty pairs of 30 and 20 dimensions taken at their word
    assert model.score(test) > alone.score(test) + 0.2


def test_a_chain_of_tables_links_its_ends():
    views = Views.stack(*tables("ab", "bc", "cd"))
    (test,) = tables("abcd", n=1200)
    assert CCA(k=10, ridge=0.1).fit(views).score(Views({n: test[n] for n in "ad"})[900:]) > 0.3


@pytest.mark.parametrize("make", [PLS, Procrustes, KCCA])
def test_other_closed_forms_link_through_a_hub_too(make):
    (test,) = tables("abc", n=1200)
    model = make().fit(Views.stack(*tables("ab", "bc")))
    assert model.score(Views({n: test[n] for n in "ac"})[900:]) > 0.25


def test_rows_without_a_partner_count_in_their_views_own_covariance():
    a, b = planted_pair(300, widths=(8, 6))
    rng = np.random.default_rng(1)
    more = rng.normal(size=(500, 8)) * np.arange(1, 9)
    views = Views.stack(
        Views({"a": Column("vector", a), "b": Column("vector", b)}),
        Views({"a": Column("vector", more)}, np.arange(300, 800)),
    )
    model = CCA(k=6, ridge=0.0, precision="float64").fit(views)
    both = np.vstack([a, more])
    roots = [np.linalg.cholesky(covariance(v, v)) for v in (both, b)]
    whitened = np.linalg.solve(roots[0], np.linalg.solve(roots[1], covariance(a, b).T).T)
    np.testing.assert_allclose(model.correlations_, np.linalg.svd(whitened, compute_uv=False), atol=1e-8)
    np.testing.assert_allclose(model.means_["a"], both.mean(axis=0), atol=1e-12)
    assert np.abs(model.correlations_ - CCA(k=6, ridge=0.0).fit({"a": a, "b": b}).correlations_).max() > 0.1


def test_permutations_of_related_views_never_reach_their_agreement():
    a, b = planted_pair(200)
    found = CCA(k=4, ridge=0.3).permutation_test({"a": a, "b": b}, permutations=99)
    assert found["p"] == 1 / 100
    assert found["statistic"] > found["null_mean"] + 5 * found["null_sd"]
    assert found["things"] == 100
    three = Views.stack(*tables("ab", "bc", n=100))
    assert CCA(k=4, ridge=0.3).permutation_test(three, permutations=19)["p"] == 1 / 20


def test_permutations_of_unrelated_views_give_p_values_that_are_uniform():
    ps = []
    for seed in range(600):
        a, b = planted_pair(60, correlations=(), seed=seed)
        ps.append(CCA(k=3, ridge=0.3, seed=seed).permutation_test({"a": a, "b": b}, permutations=19)["p"])
    ps = np.array(ps)
    assert (ps <= 0.05).sum() <= 46  # 30, and three standard errors; a rate of .1 would pass once in 30
    assert abs(ps.mean() - 0.525) < 0.036  # 1/20, 2/20, ..., 1
    with pytest.raises(ChiasmError, match="at least 1 permutation"):
        CCA().permutation_test({"a": a, "b": b}, permutations=0)


def test_r2_on_held_out_rows_equals_scikit_learns():
    from sklearn.metrics import r2_score

    a, b = planted_pair(500, correlations=(0.95,) * 6)
    model = Ridge(target="b", ridge=0.1).fit({"a": a[:300], "b": b[:300]})
    test = {"a": a[300:], "b": b[300:]}
    mapped = model.transform(test)
    known = r2_score(mapped["b"].items, mapped["a"].items, multioutput="variance_weighted")
    assert model.r2(test) == {"a": pytest.approx(known, abs=1e-6)}
    assert 0.35 < known < 0.5  # half of b's twelve directions are .95^2 explained
    with pytest.raises(ChiasmError, match="target 'b'"):
        model.r2({"a": a})


def test_ridge_regression_takes_the_hub_as_target_when_others_never_meet():
    views = Views.stack(*tables("ab", "bc"))
    model = Ridge().fit(views)
    assert {trial["target"] for trial in model.trials_} == {"b"}
    (test,) = tables("abc", n=1200)
    assert model.score(Views({n: test[n] for n in "ac"})[900:]) > 0.3  # chance is 1 / 300
    assert Ridge(ridge=1.0).partial_fit(views).chosen_ == {"target": "b", "ridge": 1.0}
    for call in (Ridge(target="a").fit, Ridge(target="a").partial_fit):
        with pytest.raises(ChiasmError, match="occurs together with every other view, got 'a'"):
            call(views)
    with pytest.raises(ChiasmError, match="got none such"):
        Ridge().fit(Views.stack(*tables("ab", "bc", "cd")))


def test_pls_has_the_singular_vectors_of_scikit_learns_plssvd():
    from sklearn.cross_decomposition import PLSSVD

    a, b = planted_pair(400, correlations=(0.9, 0.7, 0.5))
    model = PLS(k=3, precision="float64").fit({"a": a, "b": b})
    theirs = PLSSVD(3, scale=False).fit(a, b)
    for name, known in (("a", theirs.x_weights_), ("b", theirs.y_weights_)):
        np.testing.assert_allclose(np.abs(model.weights_[name]), np.abs(known), atol=1e-8)
    known = np.linalg.svd(covariance(a, b), compute_uv=False)[:3]
    np.testing.assert_allclose(model.covariances_, known, atol=1e-8)


def test_pls_of_three_views_solves_the_block_eigenproblem_of_views_of_equal_variance():
    (views,) = tables("abc")
    values = [views[n].items / np.sqrt(views[n].items.var(axis=0).mean()) for n in "abc"]
    whole = np.cov(np.hstack(values).T, bias=True)
    for start, stop in ((0, 30), (30, 54), (54, 74)):
        whole[start:stop, start:stop] = 0
    model = PLS(k=5, precision="float64").fit(views)
    np.testing.assert_allclose(model.covariances_, np.linalg.eigvalsh(whole)[::-1][:5], atol=1e-8)
    doubled = Views({"a": views["a"], "b": views["b"], "c": Column("vector", 100 * views["c"].items)})
    np.testing.assert_allclose(PLS(k=5, precision="float64").fit(doubled).covariances_, model.covariances_)


def rotation(d, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


@pytest.mark.parametrize("k", [4, 12, 20])
def test_procrustes_maps_are_orthonormal(k):
    a, b = planted_pair(400)
    model = Procrustes(k=k).fit({"a": a, "b": b, "c": a[:, ::-1] + b[:, :1]})
    for weights in model.weights_.values():
        narrow = min(weights.shape)  # a view narrower than k keeps all of its lengths and angles instead
        gram = weights.T @ weights if weights.shape[1] == narrow else weights @ weights.T
        np.testing.assert_allclose(gram, np.eye(narrow), atol=1e-6)


def test_procrustes_of_two_views_of_one_width_equals_scipys():
    from scipy.linalg import orthogonal_procrustes

    a, b = planted_pair(300, widths=(9, 9))
    model = Procrustes(k=9, precision="float64").fit({"a": a, "b": b})
    known = orthogonal_procrustes(a - a.mean(axis=0), b - b.mean(axis=0))[0]
    np.testing.assert_allclose(model.weights_["a"] @ model.weights_["b"].T, known, atol=1e-8)


def test_procrustes_recovers_planted_rotations_of_two_and_of_three_views():
    a = np.random.default_rng(0).normal(size=(200, 8)) * np.geomspace(1, 4, 8) + 3
    turns = {"b": rotation(8, 1), "c": rotation(8, 2)}
    for names in ("b", "bc"):
        views = {"a": a, **{name: a @ turns[name] * 7 - 1 for name in names}}
        model = Procrustes(k=8, precision="float64").fit(views)
        for name in names:
            np.testing.assert_allclose(model.weights_["a"] @ model.weights_[name].T, turns[name], atol=1e-8)
        assert model.score({name: values[:100] for name, values in views.items()}) == 1.0


def test_generalized_procrustes_turns_every_view_to_the_sum_of_the_others():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 6))
    views = {n: z @ rotation(6, i) + rng.normal(size=(400, 6)) for i, n in enumerate("abcd")}
    weights = Procrustes(k=6, precision="float64").fit(views).weights_
    scaled = {n: v / np.sqrt(v.var(axis=0).sum()) for n, v in views.items()}
    for name in views:
        pull = sum(covariance(scaled[name], scaled[o]) @ weights[o] for o in views if o != name)
        left, _, right = np.linalg.svd(pull)
        np.testing.assert_allclose(weights[name], left @ right, atol=1e-3)


def squares(n, seed=0):
    """b tells the squares of a's latents: no linear map finds it."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    return {"a": z @ rotation(3, 5), "b": z**2 @ rng.normal(size=(3, 4)) + 0.05 * rng.normal(size=(n, 4))}


def test_kernel_cca_finds_squares_where_cca_is_at_chance(tmp_path):
    views = squares(1000)
    train, test = {n: v[:800] for n, v in views.items()}, {n: v[800:] for n, v in views.items()}
    model = KCCA().fit(train)
    assert model.score(test) > 0.4
    assert CCA().fit(train).score(test) < 0.03  # chance is 0.005
    recipe.save(model, tmp_path / "m")
    np.testing.assert_array_equal(
        recipe.load(tmp_path / "m").transform(test)["a"].items, model.transform(test)["a"].items
    )


def test_kernel_cca_with_every_item_a_landmark_equals_regularized_kernel_cca():
    """In n coordinates: with centered kernels K, the correlations of (K + r I)^-1/2 K^1/2 of one view and the other."""
    from scipy.spatial.distance import cdist

    views = squares(60)
    model = KCCA(landmarks=60, bandwidth=1.0, k=5, ridge=0.5, precision="float64").fit(views)
    halves = []
    for values in views.values():
        distances = cdist(values, values)
        kernel = np.exp(-((distances / np.median(distances)) ** 2) / 2)
        center = np.eye(60) - 1 / 60
        spectrum, vectors = np.linalg.eigh(center @ kernel @ center)
        spectrum = np.clip(spectrum, 0, None) / 60
        own = np.linalg.eigvalsh(kernel)
        shrink = spectrum / (spectrum + 0.5 * spectrum.sum() / (own > 1e-8 * own[-1]).sum())
        halves.append((vectors * np.sqrt(shrink)) @ vectors.T)
    known = np.linalg.svd(halves[0] @ halves[1], compute_uv=False)[:5]
    np.testing.assert_allclose(model.correlations_, known, atol=1e-5)


def test_relative_representations_equal_a_slow_loop():
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(40), 2)  # two pictures a thing: an anchor is their mean
    a, b = rng.normal(size=(80, 7)) + 1, rng.normal(size=(80, 5))
    index = np.where(ids == 3, -1, np.arange(80))  # thing 3 lacks b: no anchor
    views = Views({"a": Column("vector", a), "b": Column("vector", b, index)}, ids)
    model = ASIF(k=6, power=3).fit(views)
    assert model.ids_.tolist() == [i for i in range(40) if i != 3]
    anchors = [a[ids == i].mean(axis=0) for i in model.ids_]
    center = np.mean(anchors, axis=0)
    x = rng.normal(size=7)
    known = []
    for anchor in anchors:
        u, v = x - center, anchor - center
        known.append(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    sixth = sorted(known)[-6]
    known = np.array([s**3 if s >= sixth else 0.0 for s in known])
    mapped = model.transform({"a": x[None]})["a"].items[0]
    np.testing.assert_allclose(mapped, known / np.linalg.norm(known), atol=1e-5)


def test_a_forgotten_anchor_is_as_if_it_had_never_been_given(tmp_path):
    a, b = planted_pair(120, correlations=(0.99,) * 6)
    names = np.array([f"thing {i}" for i in range(120)], dtype=object)
    views = Views({"a": Column("vector", a), "b": Column("vector", b)}, names)
    recipe.save(ASIF().fit(views), tmp_path / "m")
    model = recipe.load(tmp_path / "m")
    kept = ASIF(**model.chosen_).fit(views[40:])
    model.forget(names[:40])
    np.testing.assert_array_equal(model.transform(views)["a"].items, kept.transform(views)["a"].items)
    with pytest.raises(ChiasmError, match="'thing 0', which is none"):
        model.forget(["thing 0"])
    with pytest.raises(ChiasmError, match="at least 2 anchors, got 79 of 80"):
        model.forget(names[41:])


def test_anchors_need_things_with_every_view():
    with pytest.raises(ChiasmError, match=r"every view \(a, b, c\), got 0: fit two views at a time"):
        ASIF(k=5, power=1).fit(Views.stack(*tables("ab", "bc")))
    (whole,) = tables("abc")
    assert ASIF().fit(whole[:250]).score(whole[250:]) > 0.5


@pytest.mark.parametrize("make", [PLS, Procrustes, KCCA, ASIF])
@pytest.mark.parametrize(
    ("views", "sentence"),
    [
        ({"a": np.eye(4)}, "at least two views"),
        ({"a": np.eye(1), "b": np.eye(1)}, "at least 2 things"),
        ({"a": np.full((3, 2), np.nan), "b": np.eye(3)}, "absent in every row"),
        ({"a": Column("text", ["x", "y", "z"]), "b": np.eye(3)}, "encode them first"),
        ({"a": np.diag([1, np.inf, 1]), "b": np.eye(3)}, "view 'a', row 1 holds infinity"),
    ],
)
def test_what_cannot_be_aligned_is_one_sentence(make, views, sentence):
    with pytest.raises(ChiasmError, match=sentence), np.errstate(invalid="ignore"):
        make().fit(views)
