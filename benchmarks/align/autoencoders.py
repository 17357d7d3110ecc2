"""Autoencoders of two views beside CCA and regression: what one view finds and what it tells of the other.

`python -m benchmarks.align.autoencoders [PART ...] [--splits 3] [--method NAME ...]`.

`coco2k`, `web_news_zh`: photographs and their words in default features, 80 % learned from. R@1, beside `cca`, `kcca`,
is the mean of both directions; *R2* is the share of the squared distance from the training mean that a view made of the
other alone explains, the mean of both directions (0 is the mean predictor), beside ridge regression whose strength is
chosen by leaving rows out, and kernel ridge regression (Gaussian, bandwidth and strength by three folds of the rows
learned from). `digits`: halves of scikit-learn's digits, 1,200 learned from; *class* is the share of right halves, made
of the left one, that a classifier of true right halves takes for the digit they belong to. *Likelihood* of `mvae`
(1,000 draws, rows with both views, nats a row) is what it has above a normal on the same axes, whose correlations are
shrunk (Ledoit & Wolf 2004), and above `stats.mixture` on these axes, each over its standard deviation, form and number
of components by three folds. `wikipedia`: published features; a logistic regression of the 10 classes on what the
layers of `stacked_autoencoder` (64 and 32, latent 16) say of a view, less the same on as many principal axes (a text
has ten).

Every method at its defaults, which were set beside the first split of coco2k, parts of its training rows, and 1,200
rows of digits: these two sets flatter them. Differences are paired over splits (Nadeau & Bengio 2003).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks import _sets
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.align.cca import CCA
from chiasm.align.collaborative_autoencoder import CollaborativeAutoencoder
from chiasm.align.dccae import DCCAE
from chiasm.align.joint_autoencoder import JointAutoencoder
from chiasm.align.kcca import KCCA
from chiasm.align.mvae import MVAE
from chiasm.align.stacked_autoencoder import StackedAutoencoder
from chiasm.encoding import Encoding
from chiasm.stats import mixture
from chiasm.views import Column, Views

PARTS = ("coco2k", "wikipedia", "digits", "web_news_zh")
METHODS: dict[str, Any] = {
    "joint_autoencoder": lambda seed: JointAutoencoder(seed=seed),
    "collaborative_autoencoder": lambda seed: CollaborativeAutoencoder(seed=seed),
    "dccae": lambda seed: DCCAE(seed=seed),
    "mvae": lambda seed: MVAE(seed=seed),
    "stacked_autoencoder": lambda seed: StackedAutoencoder(seed=seed),
}
PRODUCT = "mvae, product"
REGRESSIONS = ("ridge", "kernel ridge")
DENSITIES = {"normal": "a normal's", "mixture": "a mixture's"}
SHARES = {"train": 0.8, "test": 0.2}
HALVES = {"train": 1200 / 1797, "test": 597 / 1797}
DRAWS = 1000
LAYERS = (64, 32)
LATENT = 16
DEPTHS = {"layer 1": 64, "layer 2": 32, "latent": LATENT}
WORDS = {
    "R@1": ("R@1", "%", ".1f", 100),
    "R2": ("R2 of a view made of the other", "", ".3f", 1),
    "class": ("right halves of the left half's digit", "%", ".1f", 100),
    "seconds": ("seconds to learn", "s", ".0f", 1),
}


def _figure(part: str, kind: str, name: str, measure: str, end: str = "") -> Figure:
    what, unit, form, scale = WORDS[measure]
    short = name.replace(", ", ".").replace(" ", "_")
    return Figure(
        f"{part}.{short}.{measure.lower().replace('@', '')}{end.replace(' ', '_')}",
        (part, kind, name, measure),
        f"{part}: {name}, {what}{end.replace('.', ' ').replace('_', ' ')}",
        "points" if end and unit == "%" else unit,
        ("+" if end else "") + form,
        "{n} splits",
        scale,
    )


def _figures() -> list[Figure]:
    found = []
    for part in ("coco2k", "digits", "web_news_zh"):
        names = [*METHODS, PRODUCT] if part == "digits" else [*METHODS]
        measures = ("R@1", "R2", "class", "seconds") if part == "digits" else ("R@1", "R2", "seconds")
        peers = ("cca", "kcca", *REGRESSIONS)
        found += [_figure(part, "found", name, measure) for name in (*peers, *names) for measure in measures]
        for peer in peers:
            end = f".less_{peer.replace(' ', '_')}"
            found += [_figure(part, f"less {peer}", name, "R2" if "ridge" in peer else "R@1", end) for name in names]
        found += [
            Figure(
                f"{part}.{name.replace(', ', '.')}.likelihood{'' if peer == 'normal' else f'.less_{peer}'}",
                (part, "likelihood", name, peer),
                f"{part}: {name}, log-likelihood less {words}, a row",
                "nats",
                "+.1f",
                "{n} splits",
            )
            for name in names
            if "mvae" in name
            for peer, words in DENSITIES.items()
        ]
    found.append(_figure("digits", "found", "truth", "class"))
    for view in ("image", "text"):
        for depth in DEPTHS:
            for kind, end, what in (("found", "", ""), ("less", ".less_pca", " less as many principal axes")):
                found.append(
                    Figure(
                        f"wikipedia.{view}.{depth.replace(' ', '')}{end}",
                        ("wikipedia", kind, view, depth),
                        f"wikipedia, {view}: classes told by {depth}{what}",
                        "points" if end else "%",
                        "+.1f" if end else ".1f",
                        "{n} splits",
                        100,
                    )
                )
    return found


FIGURES = _figures()


def paired(views: Views) -> dict[str, np.ndarray]:
    """By view the rows `(n, d)` that have both."""
    both = np.all([views.present(name) for name in views.names], axis=0)
    return {name: np.asarray(column.items, float)[column.index[both]] for name, column in views.columns.items()}


def explained(made: np.ndarray, true: np.ndarray, middle: np.ndarray) -> float:
    """The share of the squared distance from the training mean."""
    return 1 - float(np.square(true - made).sum() / np.square(true - middle).sum())


def densities(learned: dict[str, np.ndarray], held: dict[str, np.ndarray], model: MVAE, seed: int) -> dict[str, float]:
    """The mean log-likelihood of held-out rows on the model's axes under one normal and under a mixture."""
    from sklearn.covariance import ledoit_wolf

    def on_axes(rows: dict[str, np.ndarray]) -> np.ndarray:
        placed = [
            (rows[name] - model.centers_[name]) @ (basis / np.linalg.norm(basis[:, 0]))
            for name, basis in model.bases_.items()
        ]
        return np.concatenate(placed, axis=1)

    known, new = on_axes(learned), on_axes(held)
    middle, size = known.mean(axis=0), known.std(axis=0)
    known, new = (known - middle) / size, (new - middle) / size
    covariance, _ = ledoit_wolf(known, assume_centered=True)
    factor = np.linalg.cholesky(covariance)
    inside = np.log(np.diagonal(factor)).sum() + len(size) * np.log(2 * np.pi) / 2
    found = {
        "normal": -np.square(np.linalg.solve(factor, new.T)).sum(axis=0).mean() / 2 - inside,
        "mixture": mixture.density(mixture.learn(known, seed=seed), new).mean(),
    }
    return {name: float(value - np.log(size).sum()) for name, value in found.items()}


class Trial:
    """One split: what is learned from, and the rows with both views to make one view of the other."""

    def __init__(self, views: Views, split: np.ndarray, label: np.ndarray | None, seed: int):
        self.seed = seed
        train, test = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
        self.learned, self.held = views[train], views[test]
        self.known, self.new = paired(self.learned), paired(self.held)
        self.ways = [tuple(views.names), tuple(views.names[::-1])]
        columns = self.learned.columns.items()
        self.middles = {name: np.asarray(column.take(column.used), float).mean(axis=0) for name, column in columns}
        self.told: Any = None
        if label is not None:
            from sklearn.linear_model import LogisticRegression

            self.label = label[test]
            self.told = LogisticRegression(max_iter=3000, C=10).fit(self.known[views.names[1]], label[train])

    def regression(self, name: str) -> Callable[[str, str], np.ndarray]:
        """Each view of the other, by ridge regression, on the numbers or on a kernel of them."""

        def make(one: str, to: str) -> np.ndarray:
            own, other = (self.known[view] - self.middles[view] for view in (one, to))
            model = _kernel_ridge(own, self.seed) if name == "kernel ridge" else _ridge()
            found: np.ndarray = model.fit(own, other).predict(self.new[one] - self.middles[one])
            return found + self.middles[to]

        return make

    def made(self, by: Callable[[str, str], np.ndarray]) -> dict[str, float]:
        """Scores of views made of the other."""
        each = {to: by(one, to) for one, to in self.ways}
        found = {"R2": float(np.mean([explained(each[to], self.new[to], self.middles[to]) for to in each]))}
        return found if self.told is None else found | {"class": self.right(each[self.ways[0][1]])}

    def right(self, halves: np.ndarray) -> float:
        """The share of right halves that are taken for their digit."""
        return float(self.told.score(halves, self.label))


def _ridge() -> Any:
    from sklearn.linear_model import RidgeCV

    return RidgeCV(np.logspace(-3, 4, 15))


def _kernel_ridge(rows: np.ndarray, seed: int) -> Any:
    """To be fitted on these rows: widths in units of the mean squared distance between two of them."""
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import GridSearchCV, KFold

    apart_ = 2 * rows.var(axis=0).sum()
    grid = {"gamma": np.array([0.25, 0.5, 1, 2, 4]) / apart_, "alpha": [0.03, 0.1, 0.3, 1, 3]}
    folds = KFold(3, shuffle=True, random_state=seed)
    return GridSearchCV(KernelRidge(kernel="rbf"), grid, cv=folds, scoring="neg_mean_squared_error")


def part(name: str, splits: int, only: Sequence[str] | None) -> dict[str, Any]:
    """All methods, or those alone and their peers, over re-drawn splits."""
    views, label = _sets.halves() if name == "digits" else (_sets.encoded(_sets.pictures(name)), None)
    shares = HALVES if name == "digits" else SHARES
    methods = METHODS | ({PRODUCT: lambda seed: MVAE("product", seed=seed)} if name == "digits" else {})
    methods = {method: make for method, make in methods.items() if only is None or method in only}
    runs, beyond = Runs(), Runs()
    for seed, split in redrawn(views, shares, splits, Encoding().twins(views), label):
        trial, likely = Trial(views, split, label, seed), {}
        if label is not None:
            runs.add("truth", {"class": trial.right(trial.new[views.names[1]])})
        for peer in REGRESSIONS:
            runs.add(peer, trial.made(trial.regression(peer)))
        for peer, closed in (("cca", CCA(seed=seed)), ("kcca", KCCA(seed=seed))):
            runs.add(peer, {"R@1": float(closed.fit(trial.learned).score(trial.held))})
        for method, make in methods.items():
            started = time.perf_counter()
            model = make(seed).fit(trial.learned)
            seconds = time.perf_counter() - started
            made = trial.made(partial(_made, model, trial.new))
            runs.add(method, {"R@1": float(model.score(trial.held)), **made, "seconds": seconds})
            if isinstance(model, MVAE):
                ours = float(model.log_likelihood(trial.new, DRAWS).mean())
                likely = likely or densities(trial.known, trial.new, model, seed)  # axes do not depend on the experts
                beyond.add(method, {"ours": ours, **likely})
            say(name, seed, method, {measure: round(of[-1], 3) for measure, of in runs[method].items()})
    gaps = {"test": shares["test"], "learned": shares["train"]}
    return {
        "found": runs.spreads(),
        **{
            f"less {peer}": {m: {measure: apart(runs[m][measure], runs[peer][measure], **gaps)} for m in methods}
            for measure, peers in (("R@1", ("cca", "kcca")), ("R2", REGRESSIONS))
            for peer in peers
        },
        "likelihood": {m: {p: apart(of["ours"], of[p], **gaps) for p in DENSITIES} for m, of in beyond.items()},
    }


def _made(model: Any, new: dict[str, np.ndarray], one: str, to: str) -> np.ndarray:
    found: np.ndarray = model.reconstruct({one: new[one]}, to)
    return found


def wikipedia(splits: int) -> dict[str, Any]:
    """What a linear classifier tells of classes from each depth, and from as many principal axes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    views, label, twins = _sets.wikipedia()
    views = Views({name: Column("vector", np.asarray(c.items)[c.index]) for name, c in views.columns.items()})
    runs: dict[str, Runs] = {"layers": Runs(), "axes": Runs()}
    for seed, split in redrawn(views, SHARES, splits, twins, label):
        train, test = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
        model = StackedAutoencoder(layers=LAYERS, k=LATENT, seed=seed).fit(views[train])
        said = [model.at(views, 1), model.at(views, 2), model.transform(views)]
        axes = model.at(views, 0)
        for view in views.names:
            for (depth, width), layer in zip(DEPTHS.items(), said, strict=True):
                for kind, rows in (("layers", layer[view].items), ("axes", axes[view].items[:, :width])):
                    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000, C=0.1))
                    found = probe.fit(rows[train], label[train]).score(rows[test], label[test])
                    runs[kind].add(view, {depth: float(found)})
        say(
            "wikipedia",
            seed,
            {view: {depth: runs["layers"][view][depth][-1] for depth in DEPTHS} for view in axes.names},
        )
    less = {
        view: {
            depth: apart(values, runs["axes"][view][depth], SHARES["test"], SHARES["train"])
            for depth, values in of.items()
        }
        for view, of in runs["layers"].items()
    }
    return {"found": runs["layers"].spreads(), "axes": runs["axes"].spreads(), "less": less}


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--method", action="append", choices=[*METHODS, PRODUCT], help="these alone; repeat it")
    args = parser.parse_args()
    names = args.parts or PARTS
    finish(
        {n: wikipedia(args.splits) if n == "wikipedia" else part(n, args.splits, args.method) for n in names},
        FIGURES,
        args,
    )


if __name__ == "__main__":
    main()
