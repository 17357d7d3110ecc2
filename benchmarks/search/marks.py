"""Whether a user's + and - improve a ranking: after 1, 3 and 5 of each, on what was not marked.

`python -m benchmarks.search.marks`: the user asks in words, looks at the first twenty pictures, and marks the first n
that are what was meant and the first n that are not. Both are then taken out (residual collection), and the rest is
ranked again: average precision before and after. Four draws: half of a pack teaches `auto`, the other is searched.

- ikea: asked by a product's type; the products of that type are meant (types with ten or more).
- coco2k: asked by a caption; photographs whose captions share three of its words of content are meant (five or more).
- wikipedia_crossmodal: asked by an article's topics (LDA); pictures (SIFT) of articles of its category (of ten) are.

Methods: `ours`, what a search does (`Others`, an infinite ridge: Rocchio's means, less what is usual, each scaled by
the spread of its scores); `apart`, directions told apart from what is usual as a taught name is; Rocchio's formula with
its classic weights, and tuned; ridge and logistic regression on the marks (+1, -1), drawn to the query instead of to 0.
Each chooses its weights on half of the questions (all three n together) and is scored on the other half, then the other
way round; `shipped` are ours by the weights that a search has. Intervals over types, captions, articles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from benchmarks._sets import encoded, pictures, table
from benchmarks._trials import Figure, arguments, finish, redrawn, say
from chiasm.align.auto import Auto
from chiasm.collection._marks import MARKED
from chiasm.encoding import Encoding
from chiasm.stats.prototypes import Others, mixed
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.views import Column, Views, normalize

PACKS = ("ikea", "coco2k", "wikipedia")
MARKS, SEEN, DRAWS, MOST = (1, 3, 5), 20, 4, 100
HALVES = {"train": 0.5, "test": 0.5}
COMMON = """
a an the of in on at with and to is are it its his her their by for from as that this two three near next while up down
out over into some one other people man woman person sitting standing
"""
"""Words that say nothing of a photograph's content."""

Method = Callable[["Asked", np.ndarray, np.ndarray], np.ndarray]


class Space(NamedTuple):
    """A gallery in the shared space: whole vectors `(m, k)`, of which the first `width` numbers are meaning; others."""

    gallery: np.ndarray
    own: np.ndarray
    width: int
    others: dict[float, Others]


class Asked(NamedTuple):
    """A question: its vector, the pictures that are meant, and what it counts with."""

    space: Space
    vector: np.ndarray
    meant: np.ndarray
    cluster: str
    scaled: np.ndarray
    """The vector, so that the scores of what is usual have a standard deviation of 1."""


def question(space: Space, vector: np.ndarray, meant: np.ndarray, cluster: str) -> Asked:
    return Asked(space, vector, meant, cluster, space.others[RIDGES[0]].scaled(vector, space.own))


# ---- methods: (what was asked, marked + `(n, w)`, marked - `(m, w)`) -> a vector to rank by ----
def ours(ridge: float, more: float, less: float) -> Method:
    def move(asked: Asked, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
        space, found = asked.space, asked.scaled.copy()
        held = [direction(space.others[ridge], one.tobytes()) for one in (plus, minus)]
        found[: space.width] = mixed(found[: space.width], *held, (more, less))
        return found

    return move


@lru_cache(maxsize=64)
def direction(others: Others, rows: bytes) -> np.ndarray:
    """`(1, w)` the direction of some rows, or none `(0, w)`."""
    held = np.frombuffer(rows, np.float32).reshape(-1, others.vectors.shape[1])
    return others.directions([held] if len(held) else [])


def rocchio(more: float, less: float) -> Method:
    def move(asked: Asked, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
        found = asked.vector / np.linalg.norm(asked.vector[: asked.space.width])
        found[: asked.space.width] += sum(w * one.mean(axis=0) for w, one in ((more, plus), (-less, minus)) if len(one))
        return found

    return move


def regression(loss: str, prior: float, ridge: float) -> Method:
    """Ridge or logistic regression on the marks, drawn to the query instead of to 0."""

    def move(asked: Asked, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
        width = asked.space.width
        found = asked.vector * prior / np.linalg.norm(asked.vector[:width])
        rows = np.concatenate([plus, minus]) - asked.space.own[:, :width].mean(axis=0)
        signs = np.repeat([1.0, -1.0], [len(plus), len(minus)])
        start = found[:width].copy()
        if loss == "squared":
            gram = rows @ rows.T + ridge * np.eye(len(rows))
            found[:width] += rows.T @ np.linalg.solve(gram, signs - rows @ start)
            return found
        now = start.copy()
        for _ in range(100):
            slope = ridge * (now - start) - rows.T @ (signs / (1 + np.exp(signs * (rows @ now))))
            now -= slope / (ridge + 0.25 * len(rows))
        found[:width] = now
        return found

    return move


RIDGES, WEIGHTS = (0.1, 1.0, np.inf), (0.15, 0.3, 0.5, 1.0, 2.0)
GRIDS: dict[str, dict[str, Method]] = {
    "ours": {f"{m} {s}": ours(np.inf, m, s * m) for m in WEIGHTS for s in (0, 0.15, 0.3, 0.6)},
    "apart": {f"{r} {m} {s}": ours(r, m, s * m) for r in RIDGES[:2] for m in WEIGHTS for s in (0, 0.15, 0.3, 0.6)},
    "rocchio": {f"{m} {s}": rocchio(m, s) for m in (0.15, 0.3, 0.5, 0.75, 1, 2, 3) for s in (0, 0.15, 0.3, 0.6, 1, 2)},
    "ridge": {f"{p} {r}": regression("squared", p, r) for p in (0.3, 1, 3) for r in (0.1, 1, 10, 100)},
    "logistic": {f"{p} {r}": regression("logistic", p, r) for p in (0.3, 1, 3) for r in (0.1, 1, 10)},
    "classic": {"0.75 0.15": rocchio(0.75, 0.15)},
    "shipped": {str(MARKED): ours(np.inf, *MARKED)},
}
WHAT = {
    "none": "without marks",
    "ours": "with marks",
    "apart": "directions told apart as names are",
    "shipped": "with marks, as a search weighs them",
    "rocchio": "Rocchio, tuned alike",
    "classic": "Rocchio, classic weights",
    "ridge": "ridge regression around the query",
    "logistic": "logistic regression around the query",
}
FIGURES = [
    *(
        Figure(f"{pack}.{n}.{name}", (pack, str(n), "AP", name), f"{pack}, {n} + and {n} -: AP of the rest, {what}",
               n="{n}", unit="%")
        for pack in PACKS for n in MARKS for name, what in WHAT.items()
    ),
    *(
        Figure(f"{pack}.{n}.less.{name}", (pack, str(n), "ours minus", name),
               f"{pack}, {n} + and {n} -: ours less {what}", format="+.1f", n="{n}")
        for pack in PACKS for n in MARKS for name, what in WHAT.items() if name in ("none", "apart", "rocchio")
    ),
    *(Figure(f"{pack}.{n}.gain", (pack, str(n), "shipped minus none"), f"{pack}, {n} + and {n} -: what marks add, as a "
             "search weighs them", format="+.1f", n="{n}")
      for pack in PACKS for n in MARKS),
    *(Figure(f"{pack}.chance", (pack, "chance"), f"{pack}: the share of the rest that is meant", n="{n}", unit="%")
      for pack in PACKS),
]  # fmt: skip


# ---- packs ----
def fitted(views: Views, train: np.ndarray, asks: str, shows: str) -> tuple[Space, Any]:
    """`auto` from some rows, the others' pictures in its space, and how it maps words."""
    aligner = Auto().fit(views[train], **({} if asks == "topics" else {"known": Encoding().fit(RAW[shows]).known()}))

    def mapped(view: str, rows: Any) -> np.ndarray:
        return np.asarray(aligner.transform(Views({view: Column("vector", rows)}))[view].items, dtype=np.float32)

    items = np.asarray(views[shows].items)[views[shows].index]
    width = aligner.uncorrected(Views({shows: Column("vector", items[:1])}))[shows].width
    gallery, own = (normalize(mapped(shows, items[mask])) for mask in (~train, train))
    space = Space(gallery, own, width, {ridge: Others(own[:, :width], ridge) for ridge in RIDGES})
    return space, lambda rows: normalize(mapped(asks, rows))


RAW: dict[str, Views] = {}


def ikea() -> Iterator[tuple[int, list[Asked]]]:
    raw = pictures("ikea")
    RAW["image"], views = raw, encoded(raw)
    kinds = np.array([kind.lower() for kind in table("ikea", "items.parquet")["type"]])
    names, counts = np.unique(kinds, return_counts=True)
    names = names[counts >= 10]
    words = np.asarray(encoded(Views({"text": Column("text", list(names))}))["text"].items)
    for seed, split in redrawn(views, HALVES, DRAWS):
        train = split == "train"
        space, ask = fitted(views, train, views.names[0], views.names[1])
        told = kinds[~train]
        yield seed, [question(space, v, told == n, n) for v, n in zip(ask(words), names.tolist(), strict=True)]


def coco2k() -> Iterator[tuple[int, list[Asked]]]:
    raw = pictures("coco2k")
    RAW["image"], views = raw, encoded(raw)
    captions = [str(raw["caption"].items[i]) for i in raw["caption"].index]
    said = [set(re.findall(r"[a-z]+", caption.lower())) - set(COMMON.split()) for caption in captions]
    rows = np.asarray(views["caption"].items)[views["caption"].index]
    for seed, split in redrawn(views, HALVES, DRAWS):
        train = split == "train"
        space, ask = fitted(views, train, "caption", "image")
        held = np.flatnonzero(~train)
        asked = []
        for row, vector in zip(held.tolist(), ask(rows[held]), strict=True):
            meant = np.array([len(said[row] & said[other]) >= 3 for other in held.tolist()])
            if meant.sum() >= 5:
                asked.append(question(space, vector, meant, str(raw.ids[row])))
        yield seed, asked


def wikipedia() -> Iterator[tuple[int, list[Asked]]]:
    held = table("wikipedia_crossmodal")
    columns = {"topics": np.array(held["text_lda"]), "image": np.sqrt(np.array(held["image_sift"], dtype=float))}
    views = Views({name: Column("vector", rows.astype(np.float32)) for name, rows in columns.items()})
    label = np.array(held["label"])
    for seed, split in redrawn(views, HALVES, DRAWS):
        train = split == "train"
        space, ask = fitted(views, train, "topics", "image")
        vectors = ask(columns["topics"][~train].astype(np.float32))
        ids = np.flatnonzero(~train)
        yield seed, [question(space, v, label[~train] == label[i], str(i)) for v, i in zip(vectors, ids, strict=True)]


# ---- the user ----
def trials(asked: Sequence[Asked], n: int) -> Iterator[tuple[Asked, np.ndarray, np.ndarray, np.ndarray]]:
    """Each question with its marks + and -, and the mask of the rest; where something was meant, marked and is left."""
    for one in asked:
        first = np.argsort(-(one.space.gallery @ one.vector), kind="stable")[:SEEN]
        plus, minus = first[one.meant[first]][:n], first[~one.meant[first]][:n]
        rest = np.ones(len(one.meant), dtype=bool)
        rest[plus] = rest[minus] = False
        if len(plus) and one.meant[rest].any():
            yield one, plus, minus, rest


def precision(scores: np.ndarray, meant: np.ndarray) -> list[float]:
    """Average precision, in %, of each ranking `(c, m)`."""
    right = meant[np.argsort(-scores, axis=1, kind="stable")]
    hits = np.cumsum(right, axis=1) / np.arange(1, right.shape[1] + 1)
    found: list[float] = (100 * (hits * right).sum(axis=1) / meant.sum()).tolist()
    return found


def run(parts: Sequence[str] = ()) -> dict[str, Any]:
    readers = {"ikea": ikea, "coco2k": coco2k, "wikipedia": wikipedia}
    return {pack: measured(pack, readers[pack]()) for pack in parts or PACKS}


def measured(pack: str, draws: Iterator[tuple[int, list[Asked]]]) -> dict[str, Any]:
    found: dict[int, dict[str, list[float]]] = {n: {name: [] for name in WHAT} for n in MARKS}
    clusters: dict[int, list[str]] = {n: [] for n in MARKS}
    chosen: dict[str, list[str]] = {name: [] for name in GRIDS}
    wins: dict[str, np.ndarray] = {}
    shares = []
    for seed, asked in draws:
        rng = np.random.default_rng(seed)
        asked = [asked[i] for i in rng.permutation(len(asked))[:MOST]]
        halves = asked[::2], asked[1::2]
        shares += [100 * one.meant.mean() for one in asked]
        scored = [{n: score(half, n) for n in MARKS} for half in halves]
        for half, other in ((0, 1), (1, 0)):
            for name, grid in GRIDS.items():
                means = np.array(
                    [np.mean([np.mean(scored[half][n][name][key]) for n in MARKS if scored[half][n]["rows"]])
                     for key in grid]
                )  # fmt: skip
                wins[name] = wins.get(name, 0) + means
                chosen[name].append(best := list(grid)[int(means.argmax())])
                for n in MARKS:
                    found[n][name] += scored[other][n][name][best]
            for n in MARKS:
                found[n]["none"] += scored[other][n]["none"]
                clusters[n] += scored[other][n]["rows"]
        say(pack, seed, {name: of[-2:] for name, of in chosen.items()})
    for name, grid in GRIDS.items():
        say(pack, name, "best on all:", [list(grid)[i] for i in np.argsort(-wins[name])[:4]])
    result: dict[str, Any] = {"chance": float(np.mean(shares)), "n": f"{len(shares)} questions"}
    for n in MARKS:
        draw = Draws(np.array(clusters[n]))
        sampled = {name: draw.mean(np.array(values)) for name, values in found[n].items()}
        result[n] = {
            "n": f"{len(clusters[n])} questions, {len(set(clusters[n]))} things",
            "AP": {name: interval_of(*one) for name, one in sampled.items()},
            "shipped minus none": difference(sampled["shipped"], sampled["none"]),
            "ours minus": {name: difference(sampled["ours"], one) for name, one in sampled.items() if name != "ours"},
        }
    return {**result, "chosen": {name: sorted(set(of)) for name, of in chosen.items()}}


def score(asked: Sequence[Asked], n: int) -> dict[str, Any]:
    """Average precision of every candidate of every method, a number a question."""
    found: dict[str, Any] = {name: {key: [] for key in grid} for name, grid in GRIDS.items()} | {"none": [], "rows": []}
    each = [(name, key, method) for name, grid in GRIDS.items() for key, method in grid.items()]
    for one, plus, minus, rest in trials(asked, n):
        gallery, width = one.space.gallery, one.space.width
        marks = gallery[plus, :width], gallery[minus, :width]
        moved = np.stack([one.vector, *(method(one, *marks) for _, _, method in each)]).astype(np.float32)
        plain, *scored = precision(moved @ gallery[rest].T, one.meant[rest])
        found["rows"].append(one.cluster)
        found["none"].append(plain)
        for (name, key, _), value in zip(each, scored, strict=True):
            found[name][key].append(value)
    return found


def main() -> None:
    args = arguments(__doc__, PACKS).parse_args()
    finish(run(args.parts), FIGURES, args)


if __name__ == "__main__":
    main()
