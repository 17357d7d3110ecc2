"""Questions of several terms: "this, but red" and "dog - snow", beside what they would be compared with.

`python -m benchmarks.search.compound`. Six re-drawn halves: `auto` with the names of effnet_image learns from 50 % of
the rows, 25 % choose, 25 % are searched. Targets come from the packs' own attributes and words.

- but (ikea, color and type as words): the picture of a product and the name of a color that it has not; right are the
  products of the same type that have it. Beside it: the picture alone, the color alone, the color with the product's
  own words added (which nobody who has but a picture has), chance. What a color counts beside the picture is chosen on
  the validation rows of each draw among 0.5, 1, 2, 3, 4; `Retrieve` always takes the same (`FAR`).
- and (coco2k): a photograph whose caption has one word, and another word; right are photographs whose captions have
  both. As above.
- minus (coco2k): one word less another, for all pairs of words of which the first is said with the other in 12 to 70 %
  of its captions; right are photographs with the first and without the other. Projection beside plain subtraction,
  beside putting those last that are nearest to the other word, beside the sentence "dog without snow", beside no minus.
  What subtraction counts, and how many are put last, is chosen on validation rows: what comes nearest in average
  precision to what projection has there; so they lose as much, and what they take out is compared.
- words (coco2k): one word, and the sum of two, with the aligner's correction for hubs and without.

One caption a photograph does not say all that is in it, so that neither share reaches 0 or 100. Intervals resample
types of products, or pairs of words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks._trials import Figure, arguments, finish
from benchmarks.search._terms import COLORS, DRAWS, LEAST, Drawn, coco, drawn, ikea, pairs, precision
from chiasm.stats.composed import composed
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks._retrieve.placing import FAR

COUNTS = (0.5, 1.0, 2.0, 3.0, 4.0)
SUBTRACTED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
LAST = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
TOP = 10
SHARE: dict[str, Any] = {"unit": "%", "scale": 100, "n": "{n}"}

BUT = {
    "both": "both together",
    "chosen": "both, the word's weight chosen on validation rows",
    "equal": "both, counting alike",
    "picture": "the picture alone",
    "word": "the word alone",
    "chance": "chance",
}
MINUS = {
    "projection": "projection",
    "subtraction": "plain subtraction that loses as much",
    "last": "putting the nearest to the other word last, losing as much",
    "sentence": '"dog without snow" as words',
    "none": "no minus",
    "chance": "chance",
}
FIGURES = [
    *(
        Figure(f"{part}.{way}.{key}", (part, way, key), f"{what}, {words}: {told}", **SHARE)
        for part, what, ways in (
            ("but", "ikea, a picture and a color", {**BUT, "own": "the color and the product's own words"}),
            ("and", "coco2k, a photograph and a word", BUT),
        )
        for way, words in ways.items()
        for key, told in (("precision", "average precision"), ("top", "R@10"))
    ),
    *(
        Figure(f"{part}.{way}.gain", (part, "gain", way), f"{what}, average precision of both less {words}", **SHARE)
        for part, what in (("but", "ikea, a picture and a color"), ("and", "coco2k, a photograph and a word"))
        for way, words in BUT.items()
        if way not in ("both", "chance")
    ),
    *(
        Figure(f"minus.{way}.{key}", ("minus", way, key), f"coco2k, one word less another, {words}: {told}", **SHARE)
        for way, words in MINUS.items()
        for key, told in (
            ("held", "of ten hits hold the other word"),
            ("wanted", "of ten hits hold the first without it"),
            ("precision", "average precision"),
        )
    ),
    *(
        Figure(f"minus.less.{way}", ("minus", "less", way), f"coco2k, held by projection less {words}", **SHARE)
        for way, words in MINUS.items()
        if way not in ("projection", "chance")
    ),
    *(
        Figure(f"minus.lost.{way}", ("minus", "lost", way), f"coco2k, average precision less {words}", **SHARE)
        for way, words in MINUS.items()
        if way not in ("projection", "chance")
    ),
    *(
        Figure(f"words.{way}.{key}", ("words", way, key), f"coco2k, {what}, {how}: average precision", **SHARE)
        for way, what in (("one", "one word"), ("two", "the sum of two words"))
        for key, how in (
            ("plain", "plain cosines"),
            ("corrected", "corrected for hubs"),
            ("gain", "plain less corrected"),
        )
    ),
]


class Asked(NamedTuple):
    """A question of one draw."""

    row: int
    word: int
    right: np.ndarray
    """Rows."""
    cluster: str


# ---- a picture and a word ----
def but() -> dict[str, Any]:
    """Products of the same type in another color."""
    raw, views, has, types, cards = ikea()

    def asked(rows: np.ndarray) -> Iterator[Asked]:
        for row in rows[has[rows].any(axis=1)]:
            for color in np.flatnonzero(~has[row]):
                right = rows[(types[rows] == types[row]) & has[rows, color]]
                if len(right):
                    yield Asked(int(row), int(color), right, str(types[row]))

    own = lambda one: f"{cards[one.row]}, {COLORS[one.word]}"  # noqa: E731
    return added(list(drawn(views, raw, "picture", "card", COLORS)), asked, own)


def and_() -> dict[str, Any]:
    """Photographs that have a word more."""
    raw, views, has, vocabulary = coco()

    def asked(rows: np.ndarray) -> Iterator[Asked]:
        for first, other in pairs(has[rows]):
            right = rows[has[rows, first] & has[rows, other]]
            for row in rows[has[rows, first] & ~has[rows, other]][:6]:
                yield Asked(int(row), other, right, f"{vocabulary[first]} {vocabulary[other]}")

    return added(list(drawn(views, raw, "image", "caption", vocabulary)), asked)


def added(
    draws: Sequence[Drawn], asked: Callable[[np.ndarray], Iterator[Asked]], own: Callable[[Asked], str] | None = None
) -> dict[str, Any]:
    """What pictures and words find, together and alone."""
    found: dict[str, list[tuple[float, float]]] = {}
    clusters: list[str] = []
    picked = []
    for draw in draws:
        rows = {part: np.flatnonzero(draw.parts == part) for part in ("val", "test")}
        val = [[score(draw, rows["val"], one, counts)[0] for one in asked(rows["val"])] for counts in COUNTS]
        best = COUNTS[int(np.argmax([np.mean(one) for one in val]))]
        picked.append(best)
        questions = list(asked(rows["test"]))
        said = None if own is None else draw.space([own(one) for one in questions])
        for place, one in enumerate(questions):
            clusters.append(one.cluster)
            ways = {"both": FAR, "chosen": best, "equal": 1.0, "picture": 0.0, "word": None}
            told = {way: score(draw, rows["test"], one, counts) for way, counts in ways.items()}
            if said is not None:
                told["own"] = measured(draw.items[rows["test"]] @ said[place], rows["test"], one)
            share = len(one.right) / (len(rows["test"]) - 1)
            told["chance"] = share, 1 - (1 - share) ** TOP
            for way, values in told.items():
                found.setdefault(way, []).append(values)
    sampler = Draws(np.array(clusters))
    n = f"{len(clusters)} questions of {len(draws)} draws, {len(set(clusters))} clusters"
    sampled = {
        way: {key: sampler.mean(np.array(values)[:, i]) for i, key in enumerate(("precision", "top"))}
        for way, values in found.items()
    }
    return {
        "n": n,
        "weights chosen on validation rows": picked,
        **{way: {key: interval_of(*one) for key, one in of.items()} for way, of in sampled.items()},
        "gain": {
            way: difference(sampled["both"]["precision"], of["precision"])
            for way, of in sampled.items()
            if way not in ("both", "chance")
        },
    }


def score(draw: Drawn, rows: np.ndarray, one: Asked, counts: float | None) -> tuple[float, float]:
    """A picture and a word that counts so much; None: the word alone."""
    word = draw.words[one.word]
    query = word if counts is None else draw.items[one.row] + counts * word
    return measured(draw.items[rows] @ query, rows, one)


def measured(scores: np.ndarray, rows: np.ndarray, one: Asked) -> tuple[float, float]:
    """Average precision and R@10 among the rows but the one that was asked with."""
    others = rows != one.row
    right = np.isin(rows, one.right)[others]
    top = np.argsort(-scores[others], kind="stable")[:TOP]
    return precision(scores[others], right), float(right[top].any())


# ---- one word less another ----
def minus() -> dict[str, Any]:
    """What each way takes out and keeps."""
    raw, views, has, vocabulary = coco()
    found: dict[str, list[tuple[float, float, float]]] = {}
    clusters: list[str] = []
    picked = []
    for draw in drawn(views, raw, "image", "caption", vocabulary):
        val, test = (np.flatnonzero(draw.parts == part) for part in ("val", "test"))
        known = pairs(has[val])
        reached = kept(draw, val, has, known, projected)

        def nearest(ways: Sequence[Any], reached: float = reached) -> Any:
            return min(ways, key=lambda way: abs(kept(draw, val, has, known, way) - reached))  # noqa: B023

        subtract, last = nearest([subtracted(v) for v in SUBTRACTED]), nearest([put_last(v) for v in LAST])
        picked.append((subtract.__name__, last.__name__))
        asked = pairs(has[test])
        said = draw.space([f"{vocabulary[a]} without {vocabulary[b]}" for a, b in asked])
        for (a, b), sentence in zip(asked, said, strict=True):
            clusters.append(" ".join(sorted((vocabulary[a], vocabulary[b]))))
            ways = {"projection": projected, "subtraction": subtract, "last": last, "none": lambda i, p, n: i @ p}
            scores = {way: how(draw.items[test], draw.words[a], draw.words[b]) for way, how in ways.items()}
            scores["sentence"] = draw.items[test] @ sentence
            wanted, other = has[test, a] & ~has[test, b], has[test, b]
            for way, values in scores.items():
                top = np.argsort(-values, kind="stable")[:TOP]
                told = float(other[top].mean()), float(wanted[top].mean()), precision(values, wanted)
                found.setdefault(way, []).append(told)
            found.setdefault("chance", []).append((float(other.mean()), float(wanted.mean()), float(wanted.mean())))
    sampler = Draws(np.array(clusters))
    keys = ("held", "wanted", "precision")
    sampled = {
        way: {key: sampler.mean(np.array(values)[:, i]) for i, key in enumerate(keys)} for way, values in found.items()
    }
    others = [way for way in sampled if way not in ("projection", "chance")]
    return {
        "n": f"{len(clusters)} questions of {DRAWS} draws, {len(set(clusters))} pairs of words",
        "chosen on validation rows": picked,
        **{way: {key: interval_of(*one) for key, one in of.items()} for way, of in sampled.items()},
        "less": {way: difference(sampled["projection"]["held"], sampled[way]["held"]) for way in others},
        "lost": {way: difference(sampled["projection"]["precision"], sampled[way]["precision"]) for way in others},
    }


def kept(draw: Drawn, rows: np.ndarray, has: np.ndarray, known: Sequence[tuple[int, int]], how: Any) -> float:
    """Mean average precision of the wanted."""
    return float(
        np.mean(
            [
                precision(how(draw.items[rows], draw.words[a], draw.words[b]), has[rows, a] & ~has[rows, b])
                for a, b in known
            ]
        )
    )


def projected(items: np.ndarray, plus: np.ndarray, away: np.ndarray) -> np.ndarray:
    """As `Retrieve` asks."""
    scores: np.ndarray = items @ composed([(1, plus)], [(1, away)])
    return scores


def subtracted(weight: float) -> Any:
    """p - w n."""

    def subtraction(items: np.ndarray, plus: np.ndarray, away: np.ndarray) -> np.ndarray:
        scores: np.ndarray = items @ (plus - weight * away)
        return scores

    subtraction.__name__ = f"{weight:g} subtracted"
    return subtraction


def put_last(share: float) -> Any:
    """The share of items that are nearest to what is not wanted come after all others."""

    def last(items: np.ndarray, plus: np.ndarray, away: np.ndarray) -> np.ndarray:
        near = items @ away
        return items @ plus - 10.0 * (near > np.quantile(near, 1 - share))

    last.__name__ = f"{share:.0%} last"
    return last


# ---- single words, corrected or not ----
def words() -> dict[str, Any]:
    """Whether words and their sums gain by the correction for hubs."""
    raw, views, has, vocabulary = coco()
    rows: dict[str, list[tuple[float, float]]] = {"one": [], "two": []}
    clusters: dict[str, list[str]] = {"one": [], "two": []}
    for draw in drawn(views, raw, "image", "caption", vocabulary):
        test = np.flatnonzero(draw.parts == "test")
        items, owed = draw.items[test], draw.owed[test]
        asked = [((a,), has[test, a]) for a in np.flatnonzero(has[test].sum(axis=0) >= LEAST).tolist()]
        asked += [
            ((a, b), has[test, a] & has[test, b]) for a, b in sorted({(min(p), max(p)) for p in pairs(has[test])})
        ]
        for some, right in asked:
            scores = items @ composed([(1, draw.words[one]) for one in some])
            kind = "one" if len(some) == 1 else "two"
            rows[kind].append((precision(scores, right), precision(scores + owed, right)))
            clusters[kind].append(" ".join(vocabulary[one] for one in some))
    found: dict[str, Any] = {}
    for kind, values in rows.items():
        sampler = Draws(np.array(clusters[kind]))
        plain, corrected = (sampler.mean(np.array(values)[:, i]) for i in (0, 1))
        found[kind] = {
            "n": f"{len(values)} questions of {DRAWS} draws",
            "plain": interval_of(*plain),
            "corrected": interval_of(*corrected),
            "gain": difference(plain, corrected),
        }
    return found


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"but": but, "and": and_, "minus": minus, "words": words}


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    finish({name: part() for name, part in PARTS.items() if not args.parts or name in args.parts}, FIGURES, args)


if __name__ == "__main__":
    main()
