"""How likely held-out rows are under a mixture of Gaussians and under one, and whether outliers are found by it.

`python -m benchmarks.stats.density [nats|outliers ...] [--splits 5]`.

nats: the joint space of captions and photographs (coco2k) and of news texts and pictures (web_news_zh), the mean of
both views in 64 canonical directions (`cca`, learned from the training rows); and scikit-learn's digits, 64 pixels. Log
density of a fifth of the rows, in nats a row, by `stats.mixture` with form and number of components chosen on training
rows, less that of one Gaussian shrunk as Ledoit & Wolf say. Paired over splits (Nadeau & Bengio 2003).
outliers: scikit-learn's digits, breast cancer, wine and iris, each class once as normal, as `benchmarks.time.detect
rows`: AUROC of the density, each number over its standard deviation, less that of `detect`, on the same rows of one
view. Mean over the classes, intervals from draws of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import encoded, pictures
from benchmarks._trials import Figure, apart, arguments, finish, redrawn, say
from chiasm.align.cca import CCA
from chiasm.splits import cut
from chiasm.stats import mixture
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks.detect import Detect
from chiasm.views import Column, Views, normalize

SHARES = {"train": 0.8, "held": 0.2}
SPACES = ("coco2k", "web_news_zh", "digits")
TABLES = ("digits", "breast_cancer", "wine", "iris")
FIGURES = [
    Figure(
        f"nats.{name}",
        ("nats", name, "mixture less one Gaussian"),
        f"{name}: log density of held-out rows, a mixture's less one Gaussian's",
        "nats",
        "+.1f",
        "{n} splits, {components} components",
    )
    for name in SPACES
] + [
    Figure(
        f"outliers.{name}{short}",
        ("outliers", name, key),
        f"odd rows of {name}: AUROC {words}",
        "",
        form,
        "{classes} classes",
    )
    for name in TABLES
    for short, key, words, form in (
        ("", "mixture", "of a mixture's density", ".3f"),
        (".detect", "detect", "of `detect` on the same rows", ".3f"),
        (".less", "mixture less detect", "of a mixture's density less that of `detect`", "+.3f"),
    )
]


def space(name: str) -> Views:
    """Encoded rows that have every view."""
    if name == "digits":
        from sklearn.datasets import load_digits

        return Views({"pixels": Column("vector", load_digits().data)})
    views = encoded(pictures(name))
    whole: Views = views[np.logical_and.reduce([views.present(view) for view in views.names])]
    return whole


def joint(views: Views, learned: np.ndarray) -> np.ndarray:
    """`(n, d)`: the rows in the joint space that the learned ones give; one view as it is."""
    if len(views.names) == 1:
        column = views[views.names[0]]
        return np.asarray(column.items)[column.index]
    mapped = CCA(k=64).fit(views[learned]).transform(views)
    found: np.ndarray = np.sum([normalize(column.items)[column.index] for column in mapped.columns.values()], axis=0)
    return found


def nats(splits: int) -> dict[str, Any]:
    """Held-out log densities."""
    table = {}
    for name in SPACES:
        views, ours, theirs, counts = space(name), [], [], []
        for seed, names in redrawn(views, SHARES, splits):
            learned, held = np.flatnonzero(names == "train"), np.flatnonzero(names == "held")
            rows = joint(views, learned)
            folds = cut(views[learned], dict.fromkeys("012", 1 / 3), seed).astype(int)
            model = mixture.learn(rows[learned], folds=folds, seed=seed)
            ours.append(float(mixture.density(model, rows[held]).mean()))
            theirs.append(float(mixture.density(mixture.one_gaussian(rows[learned]), rows[held]).mean()))
            counts.append(model["chosen"])
            say(name, seed, model["chosen"], round(ours[-1], 2), round(theirs[-1], 2))
        chosen = ", ".join(sorted({f"{one['components']} {one['form']}" for one in counts}))
        less = apart(ours, theirs, SHARES["held"], SHARES["train"])
        table[name] = {"components": chosen, "mixture less one Gaussian": less}
    return table


def outliers() -> dict[str, Any]:
    """Each class once as normal."""
    from sklearn import datasets

    table = {}
    for name in TABLES:
        data = getattr(datasets, f"load_{name}")()
        found: dict[str, list[Any]] = {"mixture": [], "detect": []}
        for normal in np.unique(data.target):
            mine = np.random.default_rng(0).permutation(np.flatnonzero(data.target == normal))
            learn = mine[: min(len(mine) // 2, 120)]
            held = np.setdiff1d(np.arange(len(data.data)), learn)
            draws = Draws(np.arange(len(held)), seed=int(normal))
            wrong = data.target[held] != normal
            scale = data.data[learn].std(axis=0)
            rows = data.data / np.where(scale > 0, scale, 1)
            density = mixture.density(mixture.learn(rows[learn]), rows[held])
            found["mixture"].append(draws.auc(wrong, -density))
            found["detect"].append(
                draws.auc(wrong, Detect().fit({"x": data.data[learn]}).outputs({"x": data.data[held]}))
            )
        mean = {k: (float(np.mean([v for v, _ in f])), np.mean([s for _, s in f], axis=0)) for k, f in found.items()}
        one: dict[str, Any] = {k: interval_of(*figure) for k, figure in mean.items()}
        one["mixture less detect"] = difference(mean["mixture"], mean["detect"])
        table[name] = {"classes": len(np.unique(data.target)), **one}
        say(name, table[name])
    return table


def main() -> None:
    parser = arguments(__doc__, ("nats", "outliers"))
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    result: dict[str, Any] = {}
    if "outliers" in args.parts or not args.parts:
        result["outliers"] = outliers()
    if "nats" in args.parts or not args.parts:
        result["nats"] = nats(args.splits)
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
