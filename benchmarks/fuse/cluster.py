"""Groups against classes: all views at once beside each view alone, by three methods; no label is learned from.

`python -m benchmarks.fuse.cluster [web_news_zh|six_digits|ikea ...] [--method NAME ...] [--splits 10]`.

`web_news_zh`: Chinese news, text and picture in default features, 10 classes. `six_digits`: handwritten digits by six
feature sets (UCI), 10 classes. Groups are learned from two thirds of the rows, as many as there are classes, and the
others are given to them; ARI and NMI of these against the classes. *equal*: the same with views of equal weight.
*plain*: scikit-learn's k-means on the standardized numbers of all views, as a script would do it. How numbers are
scaled and views weighed was set on ikea and on scikit-learn's tables. web_news_zh was looked at once before that, at
equal weights, which is why there are weights; six_digits was not. Differences are paired over splits (Nadeau & Bengio
2003).

The default method is chosen on other sets, where nothing else is claimed (`CHOICE`: ikea's types of 20 products or
more, by description and picture; wikipedia_crossmodal, 10 classes; scikit-learn's wine, breast cancer and digits, their
left and right halves): that of the highest mean over them of the ARI of all views; within a point, the quicker.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._sets import encoded, halves, pictures, six_digits, wikipedia
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.stats.blocks import blocks
from chiasm.stats.partitions import adjusted_rand, mutual_information
from chiasm.tasks._cluster import groups
from chiasm.tasks.cluster import Cluster
from chiasm.views import Column, Views

PARTS = {"web_news_zh": ("text", "image"), "six_digits": ("fac", "fou", "kar", "mor", "pix", "zer")}
CHOICE: dict[str, tuple[str, ...]] = {
    "ikea": ("description", "image"),
    "wikipedia": ("image", "text"),
    "halves": ("left", "right"),
    "wine": ("numbers",),
    "breast_cancer": ("numbers",),
}
"""Sets by which the default method is chosen, and their views."""
LEAST = 20
"""Products of a type of ikea."""
METHODS = groups.METHODS
SHARES = {"train": 2 / 3, "held": 1 / 3}
MEASURES = {"ari": adjusted_rand, "nmi": mutual_information}
FIGURES = [
    Figure(
        f"{part}.{method}.{kind}.{measure}",
        (part, "found", f"{method}, {kind}", measure),
        f"{part}: `{method}`, {kind}: {measure.upper()} with the classes",
        "%",
        n="{n} splits",
        scale=100,
    )
    for part, views in PARTS.items()
    for method in METHODS
    for kind in ("joint", "equal", *views)
    for measure in MEASURES
]
FIGURES += [
    Figure(
        f"{part}.{method}.less_{kind}.{measure}",
        (part, "joint less", f"{method}, {kind}", measure),
        f"{part}: `{method}`, joint less {kind}: {measure.upper()}",
        "points",
        "+.1f",
        "{n} splits",
        100,
    )
    for part, views in PARTS.items()
    for method in METHODS
    for kind in ("equal", *views, "plain")
    for measure in MEASURES
]
FIGURES += [
    Figure(
        f"{part}.{method}.less_spectral.{measure}",
        (part, "joint less", f"{method}, spectral", measure),
        f"{part}: `{method}` less `spectral`, all views: {measure.upper()}",
        "points",
        "+.1f",
        "{n} splits",
        100,
    )
    for part in PARTS
    for method in METHODS[1:]
    for measure in MEASURES
]
FIGURES += [
    Figure(
        f"{part}.{kind}.{measure}",
        (part, "found", kind, measure),
        f"{part}: {words}: {measure.upper()} with the classes",
        "%",
        n="{n} splits",
        scale=100,
    )
    for part in PARTS
    for kind, words in (("plain", "scikit-learn's k-means on all standardized numbers"), ("dealt", "dealt at random"))
    for measure in MEASURES
]
FIGURES += [
    Figure(
        f"{part}.{method}.joint.{measure}",
        (part, "found", f"{method}, joint", measure),
        f"{part}: `{method}`, joint: {measure.upper()} with the classes (the default is chosen here)",
        "%",
        n="{n} splits",
        scale=100,
    )
    for part in CHOICE
    for method in METHODS
    for measure in MEASURES
]
FIGURES += [
    Figure(
        f"choice.{method}.{measure}",
        ("choice", method, measure),
        f"`{method}`: {measure.upper()}, mean of the sets by which the default is chosen",
        "%",
        n="{n} sets",
        scale=100,
    )
    for method in METHODS
    for measure in MEASURES
]


def sets(name: str) -> Views:
    """Encoded views with a label."""
    if name == "six_digits":
        return six_digits()
    if name == "web_news_zh":
        return encoded(pictures(name, label="label"))
    if name == "ikea":
        raw = pictures(name, label="type")
        types, counts = np.unique(raw.label.astype(str), return_counts=True)
        return encoded(raw[np.isin(raw.label.astype(str), types[counts >= LEAST])])
    if name == "wikipedia":
        return wikipedia()[0]
    if name == "halves":
        views, label = halves()
        return Views(views.columns, views.ids, {"label": np.asarray(label).astype(str).astype(object)})
    from sklearn import datasets

    rows, label = getattr(datasets, f"load_{name}")(return_X_y=True)
    column = Column("vector", rows.astype(np.float32))
    return Views({"numbers": column}, None, {"label": label.astype(str).astype(object)})


def plain(learned: Views, held: Views, k: int, seed: int) -> np.ndarray:
    """The groups `(n,)` of held-out rows by k-means on all standardized numbers, absent views at their mean."""
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    def side(views: Views) -> np.ndarray:
        return np.concatenate(
            [np.where(b.present[:, None], np.asarray(b.values, float), np.nan) for b in blocks(views).values()], axis=1
        )

    scaler = StandardScaler().fit(side(learned))
    known, new = (np.nan_to_num(scaler.transform(side(views))) for views in (learned, held))
    model = KMeans(k, n_init=10, random_state=seed).fit(known)
    found: np.ndarray = model.predict(new)
    return found


def part(name: str, splits: int, methods: tuple[str, ...]) -> dict[str, Any]:
    """Methods over re-drawn splits."""
    views, runs = sets(name), Runs()
    truth = np.unique(views.label.astype(str), return_inverse=True)[1]
    k, weights = int(truth.max()) + 1, {}
    for seed, names in redrawn(views, SHARES, splits):
        learned, held = views[names == "train"], views[names == "held"]
        answer = truth[names == "held"]

        def add(method: str, labels: np.ndarray, answer: np.ndarray = answer) -> None:
            runs.add(method, {measure: of(answer, labels) for measure, of in MEASURES.items()})

        for method in methods:
            started = time.perf_counter()
            model = Cluster(k=k, learn=method, seed=seed).fit(learned)
            add(f"{method}, joint", model.answer(held)[0])
            weights[method] = model.weights_
            placed = model._placed(held)
            for view, alone in model.alone_.items():
                add(f"{method}, {view}", groups.assign(alone, {view: placed[view]}, len(held))[0])
            equal = groups.learn(method, model._placed(learned), k, seed)
            add(f"{method}, equal", groups.assign(equal, placed, len(held))[0])
            say(name, seed, method, round(time.perf_counter() - started), weights[method])
        add("plain", plain(learned, held, k, seed))
        add("dealt", np.random.default_rng(seed).permutation(model.answer(held)[0]))
        say(name, seed, runs.last("ari", 3))
    less: dict[str, Any] = {}
    for method in methods:
        peers = {kind: f"{method}, {kind}" for kind in ("equal", *views.names)} | {"plain": "plain"}
        if "spectral" in methods and method != "spectral":
            peers["spectral"] = "spectral, joint"
        for kind, peer in peers.items():
            less[f"{method}, {kind}"] = {
                measure: apart(runs[f"{method}, joint"][measure], runs[peer][measure], SHARES["held"], SHARES["train"])
                for measure in MEASURES
            }
    return {"weights of the last": weights, "found": runs.spreads(), "joint less": less}


def main() -> None:
    parser = arguments(__doc__, {**PARTS, **CHOICE})
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--method", action="append", choices=METHODS)
    args = parser.parse_args()
    methods = tuple(args.method or METHODS)
    result: dict[str, Any] = {name: part(name, args.splits, methods) for name in args.parts or {**PARTS, **CHOICE}}
    if set(CHOICE) <= set(result):
        result["choice"] = {
            method: {
                measure: {
                    "mean": float(
                        np.mean([result[name]["found"][f"{method}, joint"][measure]["mean"] for name in CHOICE])
                    ),
                    "n": len(CHOICE),
                }
                for measure in MEASURES
            }
            for method in methods
        }
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
