"""Captions and read text beside the pictures: what a collection's way of adding their scores finds, beside others.

`python -m benchmarks.search.hybrid captions`: pictures with a known text, asked with another text of the same thing.

- boxes_words: one caption of five is known, another asks (English; the 79 pictures of val2017 are asked, the others
  choose; 400 photographs of coco2k with their captions stand beside them; models of five cuts of coco2k's other rows).
- ikea: type and color are known, the description asks (English). openmoji: the English name is known, the Chinese one
  asks. web_news_zh: of a Chinese text the first 64 characters are known, the next 64 ask. Five re-drawn 60/20/20 cuts
  each; each thing once, and texts that several things share are left out.

Ways: the picture alone (`Retrieve`); the caption alone (e5 as it is; in the model's shared space); BM25 of all words
alone (`chiasm.index.Words`); reciprocal rank fusion (k = 60) of picture and caption, and of all three; standard scores
added as a collection does (the rule is in `chiasm/collection/_fused.py`; also in the shared space, and with BM25 as a
third) and one to one; cosines divided by fixed spreads, those of the validation queries; a logistic mix learned from
the validation queries. R@1 in %. `half`: the same with half of the known texts missing, at random, also apart for
queries whose text is there and whose is not; for a missing text `mean` takes what the picture scores, `sum` nothing.

`dealt`: boxes_words with tweets' read words (mvsa_single) dealt to half of the pictures, which have nothing to do with
them: what adding the score of read text costs where it is of no use. What it gains on tweets, and how the same rule
does there, is in `benchmarks/search/ocr.py`.

Intervals over things (clusters), differences in pairs. The rule was chosen on boxes_words (all pictures), tweets and
the validation queries of the others; adding one to one was given up after a look at two test cuts of web_news_zh.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks._sets import files, openmoji, pictures, table
from benchmarks._trials import Figure, arguments, finish, redrawn, say
from chiasm.collection._fused import Scale, Terms, fused
from chiasm.encoding import Encoding
from chiasm.index import Words
from chiasm.splits import cut
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views, normalize

CUTS, BESIDE, CONSTANT = 5, 400, 60
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
SETS = {
    "boxes": "boxes_words, a caption known, another asks",
    "ikea": "ikea, type and color known, the description asks",
    "openmoji": "openmoji, English names known, Chinese ones ask",
    "news": "web_news_zh, 64 characters of a Chinese text known, the next 64 ask",
}
WAYS = {
    "picture": "the picture alone",
    "caption": "the caption alone",
    "shared": "the caption alone, in the shared space",
    "words": "BM25 alone",
    "rrf": "reciprocal rank fusion of picture and caption",
    "rrf3": "reciprocal rank fusion of picture, caption and BM25",
    "fused": "standard scores added, the surer one more (a collection's)",
    "sum": "standard scores added, one to one",
    "fused.shared": "the same, captions in the shared space",
    "fused.words": "the same with BM25 as a third",
    "spreads": "cosines divided by fixed spreads, added",
    "learned": "a logistic mix learned from validation queries",
}
HALF = {
    "picture": "the picture alone",
    "fused": "the surer one more, a share of the picture's for a missing caption (a collection's)",
    "mean": "one to one, the mean of those there are",
    "sum": "one to one, nothing for a missing caption",
    "rrf": "reciprocal rank fusion, nothing for a missing caption",
    "learned": "two logistic mixes learned from validation queries",
}
PARTS = {"all": "all queries", "there": "those whose caption is there", "missing": "those whose caption is missing"}
DEALT = {
    "picture": "the picture alone",
    "fused": "read text can only lift (a collection's)",
    "mean": "the mean of both",
    "sum": "the sum of both",
}


def figures(start: str, at: tuple[str, ...], ways: dict[str, str], what: str, end: str = "") -> list[Figure]:
    """R@1 of each way, and what a collection's has more."""
    n = "{queries} queries"
    return [
        *(
            Figure(f"{start}{way}{end}", (*at, "%", way), f"{what}; {told}: R@1", "%", n=n)
            for way, told in ways.items()
        ),
        *(
            Figure(
                f"{start}less.{way}{end}",
                (*at, "fused less", way),
                f"{what}; a collection's R@1 less {told}",
                "points",
                "+.1f",
                n,
            )
            for way, told in ways.items()
            if way != "fused"
        ),
    ]


FIGURES = [
    *(one for name, what in SETS.items() for one in figures(f"{name}.", ("captions", name, "all"), WAYS, what)),
    *(
        one
        for name, what in SETS.items()
        for part, of in PARTS.items()
        for one in figures(
            f"{name}.half.",
            ("captions", name, f"half, {part}"),
            HALF,
            f"{what}, half of the captions missing, {of}",
            f".{part}",
        )
    ),
    *figures("dealt.", ("dealt",), DEALT, "boxes_words, tweets' read words dealt to half"),
]


class Asked(NamedTuple):
    """Queries and a gallery: query i asks for item `own[i]`."""

    things: np.ndarray
    """`(q,)` the thing of each query."""
    own: np.ndarray
    picture: np.ndarray
    """`(q, m)` cosines, and so on."""
    caption: np.ndarray
    shared: np.ndarray
    words: np.ndarray


def standard(scores: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """`(q, m)` each row's standard scores; of a gallery of which only some are `known` `(m,)`."""
    kept = scores if known is None else scores[:, known]
    return np.stack([Scale.of(row).standard(whole) for row, whole in zip(kept, scores, strict=True)])


def together(asked: Asked, caption: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """`(q, m)` pictures and captions (cosines, of those `known` `(m,)`) as a collection adds them."""
    there = np.ones(caption.shape[1], dtype=bool) if known is None else known
    parts = standard(asked.picture), np.where(there, standard(caption, there), np.nan)
    none = np.full(len(there), np.nan)
    return np.stack(
        [fused(p, c, none, Terms.of(p.max(), c[there].max(), p[there], c[there])) for p, c in zip(*parts, strict=True)]
    )


def ranks(scores: np.ndarray) -> np.ndarray:
    return 1.0 + (-scores).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")


def first(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    """`(q,)` whether the own item is the first; those that tie with it are before it."""
    mine = scores[np.arange(len(own)), own]
    return (scores >= mine[:, None]).sum(axis=1) == 1


def mixed(parts: list[np.ndarray], own: np.ndarray) -> Any:
    """A logistic mix of some scores, learned from queries whose items are known."""
    from sklearn.linear_model import LogisticRegression

    true = np.zeros(parts[0].shape, dtype=bool)
    true[np.arange(len(own)), own] = True
    return LogisticRegression(C=100.0).fit(np.stack([part.ravel() for part in parts], axis=1), true.ravel())


def mix(model: Any, parts: list[np.ndarray]) -> np.ndarray:
    return sum(weight * part for weight, part in zip(model.coef_[0], parts, strict=True)) + model.intercept_[0]


def whole(val: Asked, test: Asked) -> dict[str, np.ndarray]:
    """By way, which test queries found their own first."""
    picture, caption = standard(test.picture), standard(test.caption)
    weight = (picture.max(axis=1) / caption.max(axis=1))[:, None] ** 2
    model = mixed([standard(val.picture), standard(val.caption)], val.own)
    scores = {
        "picture": test.picture,
        "caption": test.caption,
        "shared": test.shared,
        "words": test.words,
        "rrf": 1 / (CONSTANT + ranks(test.picture)) + 1 / (CONSTANT + ranks(test.caption)),
        "rrf3": sum(1 / (CONSTANT + ranks(s)) for s in (test.picture, test.caption, test.words)),
        "fused": together(test, test.caption),
        "fused.shared": together(test, test.shared),
        "sum": picture + caption,
        "fused.words": weight * picture + caption + standard(test.words),
        "spreads": test.picture / val.picture.std() + test.caption / val.caption.std(),
        "learned": mix(model, [picture, caption]),
    }
    return {way: first(values, test.own) for way, values in scores.items()}


def halved(val: Asked, test: Asked, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """As `whole` with half of the captions missing, and which queries' own is there."""
    models, parts = {}, {}
    for name, asked in (("val", val), ("test", test)):
        there = rng.random(asked.picture.shape[1]) < 0.5
        caption = np.where(there, standard(asked.caption, there), np.nan)
        parts[name] = (there, standard(asked.picture), caption)
        if name == "val":
            for has in (True, False):
                kept = np.flatnonzero(there == has)
                asking = np.flatnonzero(there[asked.own] == has)
                own = np.searchsorted(kept, asked.own[asking])
                some = [part[np.ix_(asking, kept)] for part in parts[name][1:]][: 2 if has else 1]
                models[has] = mixed(some, own)
    there, picture, caption = parts["test"]
    filled = np.where(there, caption, 0.0)
    by_caption = np.where(there, 1 / (CONSTANT + ranks(np.where(there, caption, -np.inf))), 0.0)
    scores = {
        "picture": picture,
        "fused": together(test, test.caption, there),
        "mean": np.where(there, (picture + filled) / 2, picture),
        "sum": picture + filled,
        "rrf": 1 / (CONSTANT + ranks(picture)) + by_caption,
        "learned": np.where(there, mix(models[True], [picture, filled]), mix(models[False], [picture])),
    }
    return {way: first(values, test.own) for way, values in scores.items()}, there[test.own]


def asked_of(
    model: Retrieve, view: str, things: Any, paths: Any, known: list[str], asks: list[str], own: np.ndarray
) -> Asked:
    """Pictures with a known text each, asked by texts."""

    def mapped(name: str, items: Any, plain: bool = False) -> np.ndarray:
        encoded, _ = model.encoding_.apply(Views({name: Column(model.views_[name], list(items))}))
        if not plain:
            encoded = model.aligner_.transform(encoded)
        return normalize(np.asarray(encoded[name].items)[encoded[name].index])

    words = Words().add(list(range(len(known))), known)
    found = np.full((len(asks), len(known)), -1e-9 * np.arange(len(known)))
    for row, text in enumerate(asks):
        keys, scores = words.search(text.replace('"', " "), len(known))
        found[row, keys] = scores
    image = next(name for name, kind in model.views_.items() if kind == "image")
    query = mapped(view, asks)
    return Asked(
        np.asarray(things, dtype=object),
        own,
        query @ mapped(image, paths).T,
        mapped(view, asks, plain=True) @ mapped(view, known, plain=True).T,
        query @ mapped(view, known).T,
        found,
    )


def boxes() -> Iterator[tuple[Asked, Asked]]:
    held, paths = table("boxes_words"), files("boxes_words", "image")
    raw = pictures("coco2k")
    for seed in range(CUTS):
        split = cut(raw, {"train": 0.7, "val": 0.1, "rest": 0.2}, seed)
        learned = raw[split != "rest"]
        model = Retrieve(baseline=False, seed=seed).fit(
            Views(learned.columns, learned.ids, {"split": split[split != "rest"]})
        )
        rest = raw[np.flatnonzero(split == "rest")[:BESIDE]]
        more = [[rest[name].items[i] for i in rest[name].index] for name in ("image", "caption")]
        both = []
        for part in ("train", "val"):
            rows = [i for i, of in enumerate(held["split"]) if of == part and not held["in_coco2k"][i]]
            each = []
            for turn in range(5):
                captions = [held["captions"][i] for i in rows]
                each.append(
                    asked_of(
                        model,
                        "caption",
                        [held["id"][i] for i in rows],
                        [paths[i] for i in rows] + more[0],
                        [five[turn] for five in captions] + more[1],
                        [five[(turn + 1) % 5] for five in captions],
                        np.arange(len(rows)),
                    )
                )
            both.append(Asked(*(np.concatenate(parts) for parts in zip(*each, strict=True))))
        yield both[0], both[1]


def columned(name: str) -> tuple[list[str], Any, list[str], list[str], list[str]]:
    """The things of a set: ids, pictures, what is learned from, what is known, what asks."""
    if name == "openmoji":
        both = {language: openmoji(language) for language in ("en", "zh")}
        told = {
            language: dict(zip(map(str, views.ids), (views["name"].items[i] for i in views["name"].index), strict=True))
            for language, views in both.items()
        }
        views = both["zh"]
        shown = dict(zip(map(str, views.ids), (views["picture"].items[i] for i in views["picture"].index), strict=True))
        ids = [i for i in shown if i in told["en"]]
        chinese = [told["zh"][i] for i in ids]
        return ids, [shown[i] for i in ids], chinese, [told["en"][i] for i in ids], chinese
    pack, file = ("ikea", "items.parquet") if name == "ikea" else ("web_news_zh", "data.parquet")
    held, paths = table(pack, file), files(pack, "image", file)
    if name == "ikea":
        known = [f"{kind}, {color}" for kind, color in zip(held["type"], held["color"], strict=True)]
        return held["id"], paths, held["description"], known, held["description"]
    each = held["text"]
    return held["id"], paths, each, [text[:64] for text in each], [text[64:128] for text in each]


def cuts(name: str) -> Iterator[tuple[Asked, Asked]]:
    ids, shown, learned, known, asks = columned(name)
    often = {text: asks.count(text) for text in set(asks)}
    rows = [i for i, text in enumerate(asks) if text and known[i] and often[text] == 1]
    views = Views(
        {"image": Column("image", [shown[i] for i in rows]), "caption": Column("text", [learned[i] for i in rows])},
        np.array([str(ids[i]) for i in rows], dtype=object),
    )
    for seed, split in redrawn(views, SHARES, CUTS, Encoding().twins(views)):
        fitted = split != "test"
        model = Retrieve(baseline=False, seed=seed, allow_leaks=True).fit(
            Views(views[fitted].columns, views.ids[fitted], {"split": split[fitted]})
        )
        both = []
        for part in ("val", "test"):
            some = [rows[i] for i in np.flatnonzero(split == part)]
            told = [[of[i] for i in some] for of in (ids, shown, known, asks)]
            both.append(asked_of(model, "caption", told[0], told[1], told[2], told[3], np.arange(len(some))))
        yield both[0], both[1]


def told(found: dict[str, np.ndarray], things: np.ndarray) -> dict[str, Any]:
    """R@1 of each way, and what `fused` has more."""
    draws = Draws(things)
    sampled = {way: draws.mean(100.0 * hits) for way, hits in found.items()}
    return {
        "queries": f"{len(things):,}",
        "%": {way: interval_of(*one) for way, one in sampled.items()},
        "fused less": {way: difference(sampled["fused"], one) for way, one in sampled.items() if way != "fused"},
    }


def captions() -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in SETS:
        full: list[dict[str, np.ndarray]] = []
        half: list[dict[str, np.ndarray]] = []
        things, there = [], []
        for seed, (val, test) in enumerate(boxes() if name == "boxes" else cuts(name)):
            full.append(whole(val, test))
            some, has = halved(val, test, np.random.default_rng(seed))
            half.append(some)
            things.append(test.things)
            there.append(has)
            say(name, seed, {way: round(100 * hits.mean(), 1) for way, hits in full[-1].items()}, len(has))
        of, has = np.concatenate(things), np.concatenate(there)
        joined = [{way: np.concatenate([one[way] for one in runs]) for way in runs[0]} for runs in (full, half)]
        result[name] = {"all": told(joined[0], of)}
        for part, kept in (("all", np.ones(len(has), dtype=bool)), ("there", has), ("missing", ~has)):
            result[name][f"half, {part}"] = told({way: hits[kept] for way, hits in joined[1].items()}, of[kept])
        say(name, {part: {w: v["value"] for w, v in one["%"].items()} for part, one in result[name].items()})
    return result


def dealt() -> dict[str, Any]:
    views = pictures("mvsa_single")
    views = views[np.sort(np.random.default_rng(0).permutation(len(views))[:1000])]
    read = Encoding({"image": "ocr_image:wordless=zeros"}).fit_transform(views)["image"]
    words = normalize(np.asarray(read.items))
    words = words[np.linalg.norm(words, axis=1) > 0]
    held = table("boxes_words")
    found: dict[str, list[np.ndarray]] = {way: [] for way in DEALT}
    things = []
    for seed, (_, test) in enumerate(boxes()):
        rng = np.random.default_rng(seed)
        rows = [i for i, of in enumerate(held["split"]) if of == "val" and not held["in_coco2k"][i]]
        asks = [held["captions"][i][(turn + 1) % 5] for turn in range(5) for i in rows]
        encoded, _ = Encoding().fit(Views({"text": Column("text", asks)})).apply(Views({"text": Column("text", asks)}))
        query = normalize(np.asarray(encoded["text"].items)[encoded["text"].index])
        has = rng.random(test.picture.shape[1]) < 0.5
        cosines = query @ words[rng.integers(len(words), size=len(has))].T
        picture, read_ = standard(test.picture), np.where(has, standard(cosines, has), np.nan)
        none = np.full(picture.shape, np.nan)
        scores = {
            "picture": picture,
            "fused": fused(picture, none, read_, Terms()),
            "mean": np.where(has, (picture + read_) / 2, picture),
            "sum": np.where(has, picture + read_, picture),
        }
        for way, values in scores.items():
            found[way].append(first(values, test.own))
        things.append(test.things)
    return told({way: np.concatenate(hits) for way, hits in found.items()}, np.concatenate(things))


def main() -> None:
    parts = {"captions": captions, "dealt": dealt}
    args = arguments(__doc__, parts).parse_args()
    finish({name: parts[name]() for name in args.parts or parts}, FIGURES, args)


if __name__ == "__main__":
    main()
