"""Planted tasks with a known best accuracy: does `auto` find what is best, and never lose to the better view?

`python -m benchmarks.fuse.regimes [--splits N]`; N draws (5), 1,000 rows to learn from and 5,000 to score each. Bars:
`auto` not worse by a point (the margin; the interval's lower end counts) than the best fixed method and than the best
single view, and far above chance where only both views together tell (XOR). Draws are independent: intervals of
differences are Student's t over them. Which fixed method is best is seen on the scored rows, which favors it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

from benchmarks._trials import Figure, arguments, finish, say, spread
from chiasm import registry
from chiasm.compare.baselines import Concat
from chiasm.fuse.auto import Auto
from chiasm.stats.resample import interval

REGIMES = {
    "redundant": "redundant views",
    "unique": "unique to each",
    "xor": "only together (XOR)",
    "one noisy view": "one view is noise",
}
MARGIN = 1.0
"""Points that count as no loss."""
METHODS = {"concat": "concat + logistic", "early": "early", "bilinear": "bilinear", "auto": "auto"}
FIGURES = [
    Figure(
        f"{name.replace(' ', '_')}.{short}",
        (name, *at),
        f"planted views, {regime}, accuracy: {what}",
        "%",
        n="{draws} draws",
    )
    for name, regime in REGIMES.items()
    for short, at, what in (
        ("best", ("best possible %",), "best possible"),
        ("view", ("better view %",), "better view"),
        ("fixed", ("best fixed %",), "best fixed method"),
        *((short, ("accuracy %", method), method) for short, method in METHODS.items()),
    )
]
FIGURES += [
    Figure(
        f"{name.replace(' ', '_')}.{short}",
        (name, key),
        f"planted views, {regime}: auto less the {what}",
        "points",
        form,
        "{draws} draws",
    )
    for name, regime in REGIMES.items()
    for short, key, what, form in (
        ("auto-fixed", "auto minus it", "best fixed method", "+.2f"),
        ("auto-view", "auto minus best single view", "better view", "+.2f"),
    )
]


def regimes(seeds: int) -> dict[str, Any]:
    """Planted tasks: what each fuser, each view alone and `auto` reach of the best that anything can."""
    result: dict[str, Any] = {}
    for name, plant in PLANTED.items():
        right: dict[str, list[float]] = {}
        chosen: Counter[str] = Counter()
        for seed in range(seeds):
            views, y = plant(np.random.default_rng(seed), 6000)
            train, test = ({v: x[rows] for v, x in views.items()} for rows in (slice(1000), slice(1000, None)))
            for method, make in _methods(list(views)).items():
                used, fuser = make(seed)
                fuser.fit({v: train[v] for v in used}, y[:1000])
                right.setdefault(method, []).append(100 * float((fuser.predict(test) == y[1000:]).mean()))
                if method == "auto":
                    chosen[fuser.chosen_["fuser"]] += 1
            say(name, seed, {method: round(values[-1], 1) for method, values in right.items()})
        result[name] = {
            "best possible %": round(100 * BEST[name], 1),
            "accuracy %": {method: spread(values) for method, values in right.items()},
            "auto chose": dict(chosen),
            "draws": seeds,
            **_verdict(right, [f"{v} alone" for v in views]),
        }
    result["bars"] = {
        f"not worse by {MARGIN:.0f} than the best fixed method": {n: r["not worse"] for n, r in result.items()},
        f"not worse by {MARGIN:.0f} than the best single view": {n: r["not below a view"] for n, r in result.items()},
        "finds XOR": result["xor"]["accuracy %"]["auto"]["mean"] > 50 + 0.8 * (100 * BEST["xor"] - 50),
    }
    return result


def _methods(views: list[str]) -> dict[str, Callable[[int], tuple[list[str], Any]]]:
    found: dict[str, Callable[[int], tuple[list[str], Any]]] = {}
    for name in registry.names("fuse"):
        if not registry.entries("fuse")[name].missing:
            found[name] = lambda seed, name=name: (views, registry.get("fuse", name)(seed=seed))  # type: ignore[misc]
    for view in views:
        found[f"{view} alone"] = lambda seed, view=view: ([view], Auto(seed=seed))  # type: ignore[misc]
    found["concat + logistic"] = lambda seed: (views, Concat(seed=seed))
    return found


def _verdict(right: dict[str, list[float]], alone: list[str]) -> dict[str, Any]:
    fixed = max((m for m in right if m != "auto"), key=lambda m: np.mean(right[m]))
    single = max(alone, key=lambda m: np.mean(right[m]))
    short, gap = (_over_draws(np.array(right["auto"]) - right[m]) for m in (fixed, single))
    return {
        "best fixed method": fixed,
        "best fixed %": round(float(np.mean(right[fixed])), 3),
        "better view %": round(float(np.mean(right[single])), 3),
        "auto minus it": short,
        "not worse": short["low"] > -MARGIN,
        "auto minus best single view": {"view": single, **gap},
        "not below a view": gap["low"] > -MARGIN,
    }


def _over_draws(gap: np.ndarray) -> dict[str, float]:
    """The mean over independent draws, with Student's t."""
    half = float(stdtrit(len(gap) - 1, 0.975)) * gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.inf
    return interval(gap.mean(), gap.mean() - half, gap.mean() + half, 3)


_SIGNAL, _WIDTH = 1.0, 6


def _hidden(rng: np.random.Generator, signal: np.ndarray, width: int = _WIDTH) -> np.ndarray:
    """A signal `(n,)` among width - 1 coordinates of noise, turned at random."""
    values = rng.normal(size=(len(signal), width))
    values[:, 0] = signal
    return (values @ np.linalg.qr(rng.normal(size=(width, width)))[0]).astype(np.float32)


def _redundant(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Both views show the same noisy signal."""
    y = rng.integers(2, size=n)
    seen = _SIGNAL * (2 * y - 1) + rng.normal(size=n)
    return {"a": _hidden(rng, seen), "b": _hidden(rng, seen)}, y


def _unique(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Each view shows the signal with a noise of its own."""
    y = rng.integers(2, size=n)
    return {v: _hidden(rng, _SIGNAL * (2 * y - 1) + rng.normal(size=n)) for v in "ab"}, y


def _xor(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Each view shows a coin, and the class is whether they differ: alone a view tells nothing."""
    a, b = rng.integers(2, size=(2, n))
    return {v: _hidden(rng, 3 * (2 * coin - 1) + rng.normal(size=n), 3) for v, coin in (("a", a), ("b", b))}, a ^ b


def _noisy(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One view shows the signal, the other, ten times as wide, is noise."""
    y = rng.integers(2, size=n)
    seen = _hidden(rng, _SIGNAL * (2 * y - 1) + rng.normal(size=n))
    return {"a": seen, "b": rng.normal(size=(n, 10 * _WIDTH)).astype(np.float32)}, y


PLANTED = {"redundant": _redundant, "unique": _unique, "xor": _xor, "one noisy view": _noisy}
BEST = {
    "redundant": float(ndtr(_SIGNAL)),
    "unique": float(ndtr(_SIGNAL * 2**0.5)),
    "xor": float(ndtr(3) ** 2 + (1 - ndtr(3)) ** 2),
    "one noisy view": float(ndtr(_SIGNAL)),
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=5, help="draws")
    args = parser.parse_args()
    finish(regimes(args.splits), FIGURES, args)


if __name__ == "__main__":
    main()
