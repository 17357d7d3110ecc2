"""Features of a picture made from words, and 32-pixel drawings made from their names.

`python -m benchmarks.generate.features [SET ...] [drawings] [--splits 5]`. Re-drawn splits, 80 % of the things to learn
from and 20 % to score; words in e5_text, pictures in effnet_image. By method, on held-out rows:

- found: the share of made vectors whose own picture is among the 10 most alike of all held-out ones;
- energy: the energy score of 8 draws beside that of ridge regression's (1; less is better);
- coherent: a classifier that learned classes from true pictures names the class that was asked, of one draw a row;
  of draws without words (`free`) it names it by chance, of the true pictures as often as it is right at all (`true`);
- distance: Frechet's between draws and held-out pictures on 32 axes, beside that of as many true training pictures (1).

`nearest` is the picture of the training words most alike (its draws those of the 32 most alike). The judge's own
features (`judged`) and the maker's (`hidden`) are probed by class: mean average precision among held-out rows.

`drawings`: names of OpenMoji -> drawings of 32 pixels, encoded again and searched for their names in a space that
`auto` learned from drawings at 32 pixels: how many find their name among the first 10 of all held-out
names, beside the true drawings, the nearest name's drawing, and drawings dealt to other names. The space is learned
from one half of the training drawings, the drawing from the other.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks._sets import encoded, openmoji, pictures
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.align.auto import Auto
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.generate.cvae import CVAE
from chiasm.generate.gan import GAN
from chiasm.generate.ridge import Ridge
from chiasm.stats.ranking import average_precision, energy, ranks
from chiasm.views import Column, Views, normalize

SETS: dict[str, Callable[[], Views]] = {
    "openmoji": openmoji,
    "web_news_zh": lambda: pictures("web_news_zh", label="label"),
    "ikea": lambda: pictures("ikea", text="type", label="type"),
}
METHODS: dict[str, Any] = {"ridge": Ridge, "cvae": CVAE, "gan": GAN}
DRAWS, AXES, SIDE, CLASSES = 32, 32, 32, 20
SHARES = {"train": 0.8, "test": 0.2}
MEASURES = {"found": "%", "energy": "x", "coherent": "%", "distance": "x"}
ROWS = ("nearest", *METHODS)
DRAWN = ("true", "nearest", *METHODS, "shuffled")

FIGURES = [
    *(
        Figure(
            f"{name}.{measure}.{row}",
            (name, "means", row, measure),
            f"{name}, {row}: {measure}",
            unit,
            ".1f" if unit == "%" else ".3f",
            "{splits} splits",
        )
        for name in SETS
        for measure, unit in MEASURES.items()
        for row in (*ROWS, *(("true", "free") if measure == "coherent" else ()))
        if not (measure == "coherent" and name == "openmoji")
    ),
    *(
        Figure(
            f"{name}.{measure}.{row}.gain",
            (name, "less ridge", row, measure),
            f"{name}, {row} less ridge: {measure}",
            "points" if unit == "%" else "x",
            "+.1f" if unit == "%" else "+.3f",
            "{splits} splits",
        )
        for name in SETS
        for measure, unit in MEASURES.items()
        for row in ROWS
        if row != "ridge" and not (measure == "coherent" and name == "openmoji")
    ),
    *(
        Figure(
            f"{name}.probe.{row}",
            (name, "means", row, "mAP"),
            f"{name}: class mAP of {what}",
            "%",
            ".1f",
            "{splits} splits",
        )
        for name in SETS
        if name != "openmoji"
        for row, what in (("true", "true pictures' features"), ("judged", "the judge's"), ("hidden", "the maker's"))
    ),
    *(
        Figure(
            f"drawings.{row}",
            ("drawings", "means", row, "found"),
            f"drawings of 32 pixels, {row}: find their name among the first 10",
            "%",
            ".1f",
            "{splits} splits",
        )
        for row in DRAWN
    ),
    *(
        Figure(
            f"drawings.{row}.gain",
            ("drawings", "less nearest", row, "found"),
            f"drawings of 32 pixels, {row} less nearest: find their name among the first 10",
            "points",
            "+.1f",
            "{splits} splits",
        )
        for row in (*METHODS, "shuffled")
    ),
]


def main() -> None:
    parser = arguments(__doc__, [*SETS, "drawings"])
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    found: dict[str, Any] = {}
    for part in args.parts or [*SETS, "drawings"]:
        found[part] = drawings(args.splits) if part == "drawings" else features(part, args.splits)
    finish(found, FIGURES, args)


def features(name: str, splits: int) -> dict[str, Any]:
    """Every method's measures on a set, and what it has more than ridge regression."""
    views = encoded(SETS[name]())
    words, picture = views.names
    views = views[np.flatnonzero(views.present(words) & views.present(picture))]
    if views.label is not None:  # classes large enough to be told
        names, counts = np.unique(views.label.astype(str), return_counts=True)
        views = views[np.flatnonzero(np.isin(views.label.astype(str), names[counts >= CLASSES]))]
    true = np.asarray(views[picture].items)[views[picture].index]
    told = np.asarray(views[words].items)[views[words].index]
    runs, sizes = Runs(), (1, 4)
    for seed, split in redrawn(views, SHARES, splits):
        learned, test = np.flatnonzero(split != "test"), np.flatnonzero(split == "test")
        sizes = len(test), len(learned)
        source = Views({"words": Column("vector", told)}, views.ids)
        base: dict[str, float] = {}
        named = None
        if views.label is not None:
            pair = Views({"picture": Column("vector", true)}, views.ids, {"label": views.label})
            named = Early(seed=seed).fit(pair[learned])
            runs.add("true", {"coherent": 100 * _right(named, true[test], views.label[test])})
            half = np.arange(len(test)) % 2 == 0
            probe = partial(_map, labels=views.label[test].astype(str), half=half)
            runs["true"].setdefault("mAP", []).append(100 * probe(true[test] - true[learned].mean(axis=0)))
        for row, made, draws, free, part in _made(source, told, true, learned, test, seed):
            values = {"found": 100 * _found(made, true[test], true[learned].mean(axis=0))}
            values["energy"] = energy(list(draws[:8]), true[test])
            one = draws[np.arange(len(test)) % len(draws), np.arange(len(test))]
            values["distance"] = _frechet(one, true[test], true[learned])
            if named is not None:
                values["coherent"] = 100 * _right(named, one, views.label[test])
                if row == "ridge":
                    runs.add("free", {"coherent": 100 * _right(named, free, views.label[test])})
                if row == "gan":
                    runs.add("judged", {"mAP": 100 * probe(part.judged(true[test]))})
                    runs.add("hidden", {"mAP": 100 * probe(part.hidden(source[test]))})
            if row == "ridge":
                base = {"energy": values["energy"]}
            runs.add(row, values)
        for row in ROWS:
            runs[row]["energy"][-1] /= base["energy"]
        say(name, seed, {row: {k: round(v[-1], 3) for k, v in one.items()} for row, one in runs.items()})
    return _told(runs, "less ridge", "ridge", [row for row in ROWS if row != "ridge"], sizes, splits)


def _made(
    source: Views, told: np.ndarray, true: np.ndarray, learned: np.ndarray, test: np.ndarray, seed: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray, Any]]:
    """(method, what it makes of test rows `(m, t)`, draws `(32, m, t)`, draws without words `(m, t)`, the part)."""
    alike = normalize(told[test] - told[learned].mean(axis=0)) @ normalize(told[learned] - told[learned].mean(axis=0)).T
    near = learned[np.argsort(-alike, axis=1, kind="stable")[:, :DRAWS]]
    yield "nearest", true[near[:, 0]], true[near].transpose(1, 0, 2), true[near[:, 0]], None
    bare = Views({"words": Column("vector", told[test], np.full(len(test), -1))})
    for name, method in METHODS.items():
        part = method(seed=seed).fit(source[learned], true[learned])
        draws = part.draw(source[test], DRAWS).transpose(1, 0, 2)
        free = part.draw(bare[:1], len(test))[0]
        yield name, part.generate(source[test]), draws, free, part


def drawings(splits: int) -> dict[str, Any]:
    """How many drawings of 32 pixels find their name, by who drew them."""
    raw = openmoji()
    raw = raw[np.flatnonzero(raw.present("picture"))]
    told = encoded(Views({"name": raw["name"]}, raw.ids))["name"]
    words = np.asarray(told.items)[told.index]
    pixels = np.stack([_small(raw["picture"].items[i]) for i in raw["picture"].index])
    runs, sizes = Runs(), (1, 4)
    seen = _look(pixels)
    for seed, split in redrawn(raw, SHARES, splits):
        learned, test = np.flatnonzero(split != "test"), np.flatnonzero(split == "test")
        sizes = len(test), len(learned)
        judged, learned = learned[::2], learned[1::2]  # who judges has seen no drawing that is copied
        pair = Views({"words": Column("vector", words[judged]), "drawing": Column("vector", seen[judged])})
        space = Auto(seed=seed).fit(pair)
        targets = normalize(_mapped(space, "words", words[test]))
        source = Views({"words": Column("vector", words)}, raw.ids)
        drawn = {"true": pixels[test]}
        for row, made, *_ in _made(source, words, pixels, learned, test, seed):
            drawn[row] = made
        drawn["shuffled"] = np.roll(drawn["ridge"], len(test) // 2, axis=0)
        for row, made in drawn.items():
            again = seen[test] if row == "true" else _look(made)
            own = np.arange(len(test))
            placed = ranks(normalize(_mapped(space, "drawing", again)), targets, own, own)
            runs.add(row, {"found": 100 * float(np.mean(placed <= 10))})
        say("drawings", seed, {row: round(one["found"][-1], 1) for row, one in runs.items()})
    return _told(runs, "less nearest", "nearest", [*METHODS, "shuffled"], sizes, splits)


def _told(runs: Runs, key: str, base: str, rows: list[str], sizes: tuple[int, int], splits: int) -> dict[str, Any]:
    return {
        "splits": splits,
        "means": {row: {name: float(np.mean(v)) for name, v in one.items()} for row, one in runs.items()},
        key: {
            row: {name: apart(v, runs[base][name], *sizes) for name, v in runs[row].items() if name in runs[base]}
            for row in rows
        },
    }


def _found(made: np.ndarray, true: np.ndarray, middle: np.ndarray) -> float:
    own = np.arange(len(true))
    return float(np.mean(ranks(normalize(made - middle), normalize(true - middle), own, own) <= 10))


def _right(named: Any, made: np.ndarray, label: np.ndarray) -> float:
    return float(np.mean(named.predict({"picture": made.astype(np.float32)}) == label))


def _map(rows: np.ndarray, *, labels: np.ndarray, half: np.ndarray) -> float:
    """Mean average precision of one half's rows among the other's, by cosine."""
    unit = normalize(rows.astype(np.float32))
    return float(np.nanmean(average_precision(unit[half], unit[~half], labels[half], labels[~half])))


def _frechet(made: np.ndarray, true: np.ndarray, learned: np.ndarray) -> float:
    """Frechet's distance to true rows, beside that of as many rows learned from."""
    centered = learned - learned.mean(axis=0)
    axes = np.linalg.svd(centered, full_matrices=False)[2][:AXES].T
    some = learned[np.random.default_rng(0).permutation(len(learned))[: len(true)]]
    return _apart(made @ axes, true @ axes) / _apart(some @ axes, true @ axes)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets of rows. Source: Dowson & Landau 1982."""
    c1, c2 = np.cov(one.astype(np.float64).T), np.cov(other.astype(np.float64).T)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(c1 @ c2).real, 0)).sum()
    gap = np.square(one.mean(axis=0) - other.mean(axis=0)).sum()
    return float(gap + np.trace(c1) + np.trace(c2) - 2 * roots)


def _small(path: Any) -> np.ndarray:
    """`(3072,)` the colors 0..1 of a picture at 32 pixels."""
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return (np.asarray(small, np.float32) / 255).ravel()


def _look(pixels: np.ndarray) -> np.ndarray:
    """Pictures `(n, 3072)` in the features of the default encoder."""
    from PIL import Image

    files = []
    for one in np.clip(pixels, 0, 1):
        file = io.BytesIO()
        shown = Image.fromarray(np.uint8(np.round(255 * one)).reshape(SIDE, SIDE, 3))
        shown.resize((8 * SIDE, 8 * SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
        files.append(file.getvalue())
    column = Encoding().fit_transform(Views({"drawing": Column("image", files)}))["drawing"]
    return np.asarray(column.items[np.arange(len(column.items))])[column.index]


def _mapped(space: Any, name: str, rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = space.transform({name: rows})[name].items
    return found


if __name__ == "__main__":
    main()
