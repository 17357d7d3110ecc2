"""How dense a place among vectors is: mixtures of Gaussians on the axes that vary the most, one Gaussian off them."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from chiasm.allowed import COUNT, SEED, check
from chiasm.errors import ChiasmError, unknown
from chiasm.finite import check_array

__all__ = ["Mixture", "density", "held_out", "learn", "one_gaussian", "shares"]

AXES = 64
"""The most principal axes on which components differ: fewer where fewer hold the share `KEPT` of the variance."""
KEPT = 0.9
COUNTS = (1, 2, 4, 8, 16, 32)
FORMS = ("tied", "diagonal")
LEAST = 10
"""Rows a component that are wanted before more are tried."""
FLOOR = 1e-3
"""The least variance along an axis, as a share of the mean over all axes."""
FOLDS = 3

Mixture = dict[str, Any]
"""`mean` `(d,)`, `axes` `(d, d)`; `centers` and `variances` `(k, r)` on the first r axes and `shares` `(k,)` of the
components; `rest` `(d - r,)`, the variances along the other axes; `fixed`, what all densities have added, in nats."""


def learn(
    values: np.ndarray,
    k: int | None = None,
    *,
    forms: tuple[str, ...] = FORMS,
    folds: np.ndarray | None = None,
    seed: int = 0,
) -> Mixture:
    """A mixture of Gaussians of vectors, a density of the whole space; `density` and `shares` answer by arrays alone.

    Components differ on the leading principal axes (90 % of the variance, at most 64); along the others all share one
    variance an axis. So one component is `one_gaussian`, and models are compared by the likelihood of the same vectors,
    all d numbers of them. Two forms: "tied", all components of one full covariance on the axes; "diagonal", each with
    variances of its own. `chosen` tells form and count, and `trials` every held-out figure.

    Args:
        values: `(n, d)`. k: how many components; None: chosen with the form by `held_out`, among 1, 2, 4 .. 32 as far
            as there are ten rows for each. forms: those to choose among. folds: `(n,)` integers that cut no id; None:
            three at random.
        seed: of folds and starts.

    Never more components than distinct rows, nor axes than rows less one; what does not vary at all is one point. Rows
    with NaN are left out.

    Raises a ChiasmError where no row is left, for numbers beyond `finite.LARGEST`, another k, form or seed than these,
    and folds that are not two at least, one an entry of `values`.

    >>> values = np.random.default_rng(0).normal(size=(300, 3)) + 8 * (np.arange(300) % 2)[:, None]
    >>> learn(values)["chosen"]["components"]
    2

    Sources: Dempster, Laird & Rubin 1977; Ledoit & Wolf 2004 (the axes' variances).
    """
    check("mixture.learn", {"k": k, "seed": seed}, {"k": COUNT.or_none(), "seed": SEED})
    values, whole = _whole_rows(values)
    known = values[whole]
    folds = None if folds is None else _folds(folds, len(values))
    _check_forms(forms)
    few = tuple(c for c in COUNTS if c == 1 or c * LEAST <= len(known) * 2 / 3)
    counts = few if k is None else (min(k, len(known)),)
    trials: list[dict[str, Any]] = []
    if len(known) >= FOLDS * 2 and len(counts) * len(forms) > 1:
        given = None if folds is None else folds[whole]
        trials = held_out(known, counts, forms=forms, folds=given, seed=seed)
    start: dict[str, Any] = {"form": forms[0], "components": counts[0]}
    best = max(trials, key=lambda one: one["nats"], default=start)
    form, count = str(best["form"]), int(best["components"])
    fitted = _fitted(known, count, form, seed)
    chosen = {"form": form, "components": len(fitted["shares"])}
    return {**fitted, "chosen": chosen, "trials": trials}


def held_out(
    values: np.ndarray,
    counts: tuple[int, ...] = COUNTS,
    *,
    forms: tuple[str, ...] = FORMS,
    folds: np.ndarray | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """By form and count, `nats`: the mean log density of rows by what was learned without their fold.

    Args:
        values: `(n, d)`. counts: of components. folds: `(n,)` integers; None: three at random.

    Raises a ChiasmError for folds that are fewer than two.
    """
    if folds is None:
        folds = np.random.default_rng(seed).permutation(len(values)) % FOLDS
    folds = _folds(folds, len(values))
    found = []
    for form, count in product(forms, counts):
        if count == 1 and form != forms[0]:  # one Gaussian is the same in both
            continue
        nats = np.empty(len(values))
        for fold in np.unique(folds):
            held = folds == fold
            nats[held] = density(_fitted(values[~held], count, form, seed), values[held])
        found.append({"form": form, "components": count, "nats": round(float(nats.mean()), 4)})
    return found


def density(known: Mixture, values: np.ndarray) -> np.ndarray:
    """`(n,)` log density in nats; more is more usual."""
    found: np.ndarray = logsumexp(_parts(known, values), axis=1)
    return found


def shares(known: Mixture, values: np.ndarray, there: np.ndarray | None = None) -> np.ndarray:
    """`(n, k)` how probably each component made a row; rows sum to 1.

    Args:
        there: `(n, d)` boolean, which numbers of `values` are known; the others are integrated out. None: all.
    """
    there = None if there is None else np.broadcast_to(np.asarray(there, dtype=bool), values.shape)
    parts = _parts(known, values) if there is None or there.all() else _known_parts(known, values, there)
    found: np.ndarray = np.exp(parts - logsumexp(parts, axis=1, keepdims=True))
    return found


def one_gaussian(values: np.ndarray) -> Mixture:
    """One Gaussian of all correlations, shrunk to a ball as far as rows are few: what mixtures have to beat.

    Source: Ledoit & Wolf 2004.
    """
    values, whole = _whole_rows(values)
    mean, spread, axes = _principal(values[whole])
    one = np.ones((1, 1))
    return _whole(mean, axes, spread, one[:, :0], one[:, :0], one[0])


def _whole_rows(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values `(n, d)` in float64 and `(n,)` which rows are finite; a ChiasmError where none is."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ChiasmError("wanted numbers (n, d) to learn a mixture from, got something else.") from None
    if found.ndim != 2 or not found.shape[1]:
        raise ChiasmError(f"wanted numbers (n, d) to learn a mixture from, got an array of shape {found.shape}.")
    whole = np.asarray(np.isfinite(found).all(axis=1))
    if not whole.any():
        raise ChiasmError(
            f"wanted at least one row of finite numbers to learn a mixture from, got none of {len(found)}."
        )
    check_array(found[whole], "values")
    return found, whole


def _folds(folds: Any, n: int) -> np.ndarray:
    """`(n,)`; a ChiasmError where they are not, or where one fold holds all rows."""
    found = np.asarray(folds)
    if found.shape != (n,):
        raise ChiasmError(f"wanted folds (n,), one for each of {n} rows, got an array of shape {found.shape}.")
    if len(np.unique(found)) < 2:
        raise ChiasmError("wanted at least two folds, got one: nothing is left to learn from beside it.")
    return found


def _check_forms(forms: tuple[str, ...]) -> None:
    if not forms:
        raise ChiasmError(f"wanted at least one form of {', '.join(FORMS)}, got none.")
    for form in forms:
        if form not in FORMS:
            raise unknown("form", form, FORMS)


def _fitted(values: np.ndarray, count: int, form: str, seed: int) -> Mixture:
    from sklearn.mixture import GaussianMixture

    mean, spread, axes = _principal(values)
    held = min(AXES, int(np.searchsorted(np.cumsum(spread), KEPT * spread.sum())) + 1, len(spread))
    rows = (values - mean) @ axes[:, :held]
    count = min(count, len(np.unique(rows, axis=0)))
    if count == 1:
        return _whole(mean, axes, spread, rows[:1, :0], rows[:1, :0], np.ones(1))
    covariance = {"tied": "tied", "diagonal": "diag"}[form]
    floor = FLOOR * float(spread.mean())
    model = GaussianMixture(count, covariance_type=covariance, reg_covar=floor, random_state=seed).fit(rows)
    if form == "diagonal":
        return _whole(mean, axes, spread, model.means_, model.covariances_, model.weights_)
    within, turn = np.linalg.eigh(model.covariances_)
    turned = np.concatenate([axes[:, :held] @ turn, axes[:, held:]], axis=1)
    variances = np.tile(np.maximum(within, floor), (count, 1))
    return _whole(mean, turned, spread, model.means_ @ turn, variances, model.weights_)


def _principal(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variances `(d,)` along the principal axes, falling, and these axes `(d, d)`."""
    from sklearn.covariance import ledoit_wolf

    mean = values.mean(axis=0)
    if len(values) < 2:
        return mean, np.full(len(mean), 1e-300), np.eye(len(mean))
    scale = max(float(np.abs(values - mean).max(initial=0)), 1e-150)
    covariance = ledoit_wolf((values - mean) / scale, assume_centered=True)[0] * scale**2
    spread, axes = np.linalg.eigh(covariance)
    floor = max(FLOOR * float(spread.mean()), 1e-300)
    return mean, np.maximum(spread, floor)[::-1], axes[:, ::-1]


def _whole(
    mean: np.ndarray,
    axes: np.ndarray,
    spread: np.ndarray,
    centers: np.ndarray,
    variances: np.ndarray,
    weights: np.ndarray,
) -> Mixture:
    rest = spread[centers.shape[1] :]
    return {
        "mean": mean,
        "axes": np.ascontiguousarray(axes),
        "centers": centers,
        "variances": variances,
        "shares": weights,
        "rest": rest,
        "fixed": float(-0.5 * (len(mean) * np.log(2 * np.pi) + np.log(rest).sum())),
    }


def _parts(known: Mixture, values: np.ndarray) -> np.ndarray:
    """`(n, k)` log of each component's share of the density."""
    turned = (np.asarray(values, dtype=np.float64) - known["mean"]) @ known["axes"]
    held = known["centers"].shape[1]
    rows, off = turned[:, :held], (np.square(turned[:, held:]) / known["rest"]).sum(axis=1)
    narrow = 1 / known["variances"]
    far = np.square(rows) @ narrow.T - 2 * rows @ (known["centers"] * narrow).T
    far += (np.square(known["centers"]) * narrow).sum(axis=1)
    with np.errstate(divide="ignore"):
        log = np.log(known["shares"]) - 0.5 * np.log(known["variances"]).sum(axis=1)
    found: np.ndarray = log - 0.5 * far + (known["fixed"] - 0.5 * off)[:, None]
    return found


def _known_parts(known: Mixture, values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """As `_parts`, of those numbers of each row that are there."""
    held = known["centers"].shape[1]
    centers = known["mean"] + known["centers"] @ known["axes"][:, :held].T
    found = np.tile(np.log(np.maximum(known["shares"], 1e-300)), (len(values), 1))
    kinds, which = np.unique(there, axis=0, return_inverse=True)
    for kind, seen in enumerate(kinds):
        rows = np.flatnonzero(which.ravel() == kind)
        for component, variances in enumerate(known["variances"] if seen.any() else ()):
            spread = known["axes"][seen] * np.concatenate([variances, known["rest"]])
            root = np.linalg.cholesky(spread @ known["axes"][seen].T)
            off = solve_triangular(root, (values[rows][:, seen] - centers[component, seen]).T, lower=True)
            found[rows, component] -= np.log(root.diagonal()).sum() + 0.5 * np.square(off).sum(axis=0)
    return found
