"""Three views at once by their covariance tensor, beside what goes by pairs: retrieval, and classes of them together.

`python -m benchmarks.align.tensors [six_digits|ikea ...] [--splits 10]`.

`six_digits`: three feature sets of handwritten digits (profiles, Fourier and Karhunen-Loeve coefficients: the first
three by name), 10 classes. `ikea`: type, description and picture of products in default features, no classes. 70 % of
the things are learned from, those that are equal in every view on one side; aligners have their defaults and choose
inside these. *R@1*: both ways between every two views, and the mean of them. *Probe*: the accuracy of ridge regression
(scikit-learn's `RidgeClassifierCV`) on all three mapped views side by side, standardized; beside it on the views as
they are, and the fusers `early` and `tensor` on these. Differences are paired over splits (Nadeau & Bengio 2003).
"""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import numpy as np

from benchmarks._sets import encoded, only, pictures, six_digits
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.views import Views

PARTS = {"six_digits": ("fac", "fou", "kar"), "ikea": ("type", "description", "image")}
ALIGNERS = ("tcca", "cca", "pls")
FUSERS = ("early", "tensor")
SHARES = {"train": 0.7, "test": 0.3}
WORDS = {"r1": "R@1, mean of all pairs of views", "probe": "accuracy of ridge regression on the mapped views"} | {
    f"{a}_{b}": f"R@1 between {a} and {b}" for views in PARTS.values() for a, b in combinations(views, 2)
}
PROBED = {"plain": "ridge regression on the views as they are", "early": "`early`", "tensor": "`tensor`"}


def measures(part: str) -> list[str]:
    """What is measured of an aligner."""
    pairs = [f"{a}_{b}" for a, b in combinations(PARTS[part], 2)]
    return ["r1", *pairs, *(["probe"] if part == "six_digits" else [])]


FIGURES = [
    Figure(
        f"{part}.{name}.{measure}",
        (part, "found", name, measure),
        f"{part}: `{name}`: {WORDS[measure]}",
        "%",
        ".1f",
        "{n} splits",
        100,
    )
    for part in PARTS
    for name in ALIGNERS
    for measure in measures(part)
]
FIGURES += [
    Figure(
        f"{part}.less_{peer}.{measure}",
        (part, "tcca less", peer, measure),
        f"{part}: `tcca` less `{peer}`: {WORDS[measure]}",
        "points",
        "+.1f",
        "{n} splits",
        100,
    )
    for part in PARTS
    for peer in ALIGNERS[1:]
    for measure in measures(part)
]
FIGURES += [
    Figure(
        f"six_digits.{name}.probe",
        ("six_digits", "found", name, "probe"),
        f"six_digits: {words}: accuracy",
        "%",
        ".1f",
        "{n} splits",
        100,
    )
    for name, words in PROBED.items()
]
FIGURES += [
    Figure(
        f"six_digits.less_{name}.probe",
        ("six_digits", "tcca less", name, "probe"),
        f"six_digits: probe of `tcca` less {words}: accuracy",
        "points",
        "+.1f",
        "{n} splits",
        100,
    )
    for name, words in PROBED.items()
]
FIGURES += [
    Figure(
        f"{part}.{name}.seconds",
        (part, "found", name, "seconds"),
        f"{part}: `{name}`: seconds of a fit",
        "s",
        ".1f",
        "{n} splits",
    )
    for part in PARTS
    for name in ALIGNERS
]


def probe(learned: Views, test: Views) -> float:
    """The accuracy of a linear classifier on all views side by side; no row lacks one."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    sides = [
        np.concatenate([np.asarray(c.items)[c.index] for c in views.columns.values()], axis=1)
        for views in (learned, test)
    ]
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 3, 13)))
    return float(model.fit(sides[0], learned.label.astype(str)).score(sides[1], test.label.astype(str)))


def part(name: str, splits: int) -> dict[str, Any]:
    """Every method on the same splits."""
    raw = six_digits() if name == "six_digits" else pictures("ikea", text=["type", "description"])
    twins = Encoding().twins(raw)
    views = only(raw if name == "six_digits" else encoded(raw), PARTS[name])
    labelled, runs = name == "six_digits", Runs()
    for seed, names in redrawn(views, SHARES, splits, twins, views.label if labelled else None):
        learned, test = views[names == "train"], views[names == "test"]
        for method in ALIGNERS:
            started = time.perf_counter()
            model = registry.get("align", method)(seed=seed).fit(learned)
            found = {"seconds": time.perf_counter() - started}
            for a, b in combinations(PARTS[name], 2):
                found[f"{a}_{b}"] = float(model.score(only(test, [a, b])))
            found["r1"] = float(np.mean([found[f"{a}_{b}"] for a, b in combinations(PARTS[name], 2)]))
            if labelled:
                found["probe"] = probe(model.transform(learned), model.transform(test))
            runs.add(method, found)
            say(name, seed, method, model.chosen_, {key: round(value, 3) for key, value in found.items()})
        if labelled:
            runs.add("plain", {"probe": probe(learned, test)})
            for method in FUSERS:
                fuser = registry.get("fuse", method)(seed=seed).fit(learned)
                runs.add(method, {"probe": float(fuser.score(test))})
            say(name, seed, runs.last("probe", 3))
    less = {
        peer: {
            measure: apart(runs["tcca"][measure], runs[peer][measure], SHARES["test"], SHARES["train"])
            for measure in (measures(name) if peer in ALIGNERS else ["probe"])
        }
        for peer in runs
        if peer != "tcca"
    }
    return {"rows": len(views), "found": runs.spreads(), "tcca less": less}


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    finish({name: part(name, args.splits) for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
