"""Which encoders to take for pictures and words: the default task with one and two networks of pictures, and of texts.

`python -m benchmarks.search.recipes [coco2k] [web_news_zh] [ikea] [openmoji]`: rsum (points of 600) of the test rows of
re-drawn splits, 75/10/15 % (coco2k as benchmarks/search/coco2k.py cuts it); ten splits of coco2k, five of the others.
Everything is chosen on training and validation rows. What each gains over the default is told with Nadeau & Bengio's
interval, and what the encoders cost beside the default: seconds an item, one core, in one process. minilm_text reads
English only, and its packages and effnet2_image's are extras: what is missing is left out, and said.

`folder`: the photographs of coco2k, by the default and by both networks, without their captions, as a folder is fitted,
and with them: seconds of `fit` when all encodings are in the cache (so beyond the encoding's own time), on the clock
and of a core, and a query of words in turns, whole (the words encoded too) and in the index alone; beside it the index
of a space that knows no names (`auto` on the same pairs).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks._sets import COCO2K, encoded, openmoji, pictures
from benchmarks._trials import Figure, apart, arguments, finish, ratios, redrawn, rsum, say, spread
from chiasm import registry
from chiasm.align.auto import Auto
from chiasm.encoding import Encoding
from chiasm.index.exact import Exact
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

ROUNDS = 30
SHARES = {"train": 75, "val": 10, "test": 15}
SETS: dict[str, Callable[[], Views]] = {
    "coco2k": lambda: pictures("coco2k"),
    "web_news_zh": lambda: pictures("web_news_zh"),
    "ikea": lambda: pictures("ikea"),
    "openmoji": openmoji,
}
DEFAULT = ("effnet_image", "e5_text")
RECIPES = (
    DEFAULT,
    ("effnet2_image", "e5_text"),
    ("effnet_image+effnet2_image", "e5_text"),
    ("effnet_image", "e5_text+minilm_text"),
    ("effnet_image+effnet2_image", "e5_text+minilm_text"),
)
FIGURES = [
    figure
    for name in SETS
    for image, text in RECIPES
    for figure in (
        Figure(f"{name}.{image}.{text}", (name, f"{image}, {text}"), f"{name}, {image} with {text}: rsum of 600",
               n="{n} splits"),
        Figure(
            f"{name}.{image}.{text}.gain",
            (name, f"{image}, {text}", "gain"),
            f"{name}, {image} with {text}: rsum more than the default's",
            format="+.1f",
            n="{n} splits",
        ),
    )
]  # fmt: skip
FIGURES += [
    Figure(f"cost.{encoder}", ("cost", encoder), f"{encoder}: milliseconds an item, one core", "ms")
    for encoder in ("effnet_image", "effnet2_image", "e5_text", "minilm_text")
]
BOTH = "effnet_image+effnet2_image"
WIDE = {
    "folder": (DEFAULT[0], False),
    "folder.both": (BOTH, False),
    "pairs": (DEFAULT[0], True),
    "pairs.both": (BOTH, True),
}
PLAIN = "plain"
FIGURES += [
    Figure(f"folder.{name}.{key}", ("folder", name, key), f"1,997 photographs {told}: {words}", unit, form)
    for name, told in (
        ("folder", "without captions"),
        ("folder.both", "without captions, both networks"),
        ("pairs", "with captions"),
        ("pairs.both", "with captions, both networks"),
    )
    for key, words, unit, form in (
        ("fit", "fit when all is encoded, on the clock", "s", ".1f"),
        ("core", "fit when all is encoded, of a core", "s", ".1f"),
        ("width", "width of the space", "", ".0f"),
        ("query", "a query of words, whole", "ms", ".0f"),
        ("index", "a query in the index alone", "ms", ".2f"),
    )
]
FIGURES += [
    Figure(
        f"folder.{name}.{key}.ratio",
        ("folder", name, f"{key} ratio"),
        f"a query {how}, {name.replace('.', ', ')}, over {'one that knows no names' if key == 'index' else 'pairs'}",
        "x",
        ".2f",
        "{n} rounds",
        interval="least and most of rounds",
    )
    for name in WIDE
    for key, how in (("index", "in the index alone"), ("query", "whole"))
]


def there(image: str, text: str) -> bool:
    """Whether the packages of all encoders are installed."""
    try:
        for name in (*image.split("+"), *text.split("+")):
            part = registry.make("encode", name)
            part.encode(["a"] if part.modality == "text" else [np.zeros((32, 32, 3), np.uint8)])
    except Exception as error:  # whatever the package says
        say(f"left out: {image}, {text}: {error}")
        return False
    return True


def one(name: str, recipes: list[tuple[str, str]]) -> dict[str, Any]:
    views = SETS[name]()
    twins = Encoding().twins(views)
    shares, splits = (COCO2K, 10) if name == "coco2k" else (SHARES, 5)
    scores: dict[str, list[float]] = {}
    for seed, split in redrawn(views, shares, splits, None if name == "coco2k" else twins):
        views.facts["split"] = split
        for image, text in recipes:
            model = Retrieve({"image": image, "text": text}, seed=seed, baseline=False, allow_leaks=True).fit(views)
            scores.setdefault(f"{image}, {text}", []).append(rsum(model.score(views[split == "test"])))
        say(name, seed, {recipe: round(values[-1], 1) for recipe, values in scores.items()})
    first = scores[", ".join(DEFAULT)]
    learned = sum(n for part, n in shares.items() if part != "test")
    found: dict[str, Any] = {}
    for recipe, values in scores.items():
        found[recipe] = {**spread(values), "gain": apart(values, first, shares["test"], learned)}
    return found


def cost(recipes: list[tuple[str, str]]) -> dict[str, float]:
    """Milliseconds an item, one core, by encoder: 64 photographs, 64 captions, in turns."""
    views = pictures("coco2k")
    items = {
        "image": views["image"].take(views["image"].used[:64]),
        "text": views["caption"].take(views["caption"].used[:64]),
    }
    parts = {name: registry.make("encode", name) for pair in recipes for both in pair for name in both.split("+")}
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(4):
        for name, part in parts.items():
            started = time.process_time()
            part.encode(items[part.modality])
            seconds[name].append(time.process_time() - started)
    return {name: round(1000 * float(np.median(taken[1:])) / 64, 1) for name, taken in seconds.items()}


def folder(recipes: list[tuple[str, str]]) -> dict[str, Any]:
    """Seconds of fits, and of queries in turns."""
    views = pictures("coco2k")
    alone = views.replace({"image": views["image"]})
    asked = [views["caption"].items[p] for p in views["caption"].used[:20].tolist()]
    known = encoded(views)
    plain = Auto().fit(known)
    mapped = plain.transform(known)
    spaces = {PLAIN: Exact().add(mapped["image"].used, mapped["image"].items[mapped["image"].used])}
    vectors = {PLAIN: mapped["caption"].items[:20]}
    found: dict[str, Any] = {PLAIN: {"width": vectors[PLAIN].shape[1]}}
    models = {}
    for name, (image, paired) in WIDE.items():
        if (image, "e5_text") not in recipes:
            continue
        rows = views if paired else alone
        Retrieve({"image": image}, baseline=False).fit(rows)  # what is not in the cache yet is encoded
        started, core = time.perf_counter(), time.process_time()
        model = models[name] = Retrieve({"image": image}, baseline=False).fit(rows)
        found[name] = {"fit": time.perf_counter() - started, "core": time.process_time() - core}
        words = "caption" if paired else "text"
        vectors[name] = model.transform(Views({words: Column("text", asked)}))[words].items
        spaces[name] = model.indexes_["image"]
        found[name]["width"] = vectors[name].shape[1]

    def query(name: str) -> None:
        for one in asked:
            models[name].hits({"text": [one]}, "image")

    def index(name: str) -> None:
        for vector in vectors[name]:
            spaces[name].search(vector[None], 5)

    for what, ask, first, names in (("index", index, PLAIN, spaces), ("query", query, "pairs", models)):
        taken = ratios({name: partial(ask, name) for name in names}, ROUNDS)
        over = {name: np.array(seconds) / np.array(taken[first]) for name, seconds in taken.items()}
        for name, seconds in taken.items():
            found[name][what] = 1000 * float(np.median(seconds)) / len(asked)
            low, middle, high = np.quantile(over[name], (0, 0.5, 1)).tolist()
            found[name][f"{what} ratio"] = {"value": middle, "low": low, "high": high, "n": ROUNDS}
    return found


def main() -> None:
    args = arguments(__doc__, (*SETS, "cost", "folder")).parse_args()
    recipes = [recipe for recipe in RECIPES if there(*recipe)]
    result: dict[str, Any] = {}
    for name in args.parts or (*SETS, "cost", "folder"):
        known = [r for r in recipes if name != "web_news_zh" or "minilm" not in r[1]]
        result[name] = {"cost": cost, "folder": folder}[name](known) if name in ("cost", "folder") else one(name, known)
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
