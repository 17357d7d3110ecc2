"""Whether "nothing here matches" keeps its promise under conditions and in other languages, and the odds of a hit.

`python -m benchmarks.search.nothing [conditions] [languages] [odds]`.

`conditions`: coco2k (without its test rows), Chinese news, emoji and ikea, both ways. `Retrieve` by default learns from
70 % of the things and indexes all; the others are halved 200 times (40 times in each of five cuts): one half says what
a match scores, the other is asked at 10 %. Items are dealt into 2, 20 and 200 parts, and a query is asked with the
condition that leaves the part of its match (*in*), or another part (*out*: nothing that meets it is right). Beside it:
judging by the nearest hit that meets the condition, against the same bar. Asked besides: 300 texts and pictures each of
other packs, and queries whose own items were taken out of the collection.

`languages`: emoji, names in English, in Chinese or both to learn from (60 % of the things; 20 % say what a match
scores, 20 % ask, five cuts), asked by names in both; each script judged by its own known queries, and all by all.

`odds`: 60 % to learn from, 20 % to learn the odds, 20 % to ask, five cuts. The first hit's probability in the model's
own gallery, among the asked things alone, a quarter of them, and those beside all pictures of tweets or 10,000 other
texts: its calibration error (ten equally full bins) beside what chance alone would make it, and its Brier score less
that of the base rate. Beside it the temperature alone, learned among the validation things.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks._sets import SETS, pictures, table, texts, without_test
from benchmarks._trials import Figure, apart, arguments, finish, redrawn, say
from chiasm.data.openmoji import openmoji as emoji
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmWarning
from chiasm.index.exact import Exact
from chiasm.splits import cut
from chiasm.stats.match_odds import NEAR, learn_odds, match_odds
from chiasm.stats.relevance import relevance
from chiasm.tasks._retrieve.rejection import calibrate, odds_here, rejected, standards
from chiasm.tasks._retrieve.scripts import scripts
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

RATE, CUTS, HALVINGS, MOST = 0.1, 5, 40, 300
FOREIGN = 10_000
PARTS = {"50": 2, "5": 20, "0.5": 200}
OTHERS = {
    "coco2k": ("mvsa_single", "web_news_zh"),
    "web_news_zh": ("mvsa_single", "coco2k"),
    "openmoji": ("mvsa_single", "web_news_zh"),
    "ikea": ("mvsa_single", "web_news_zh"),
}
TOLD = {"mvsa_single": "tweets", "web_news_zh": "news", "coco2k": "photographs"}
THIRDS = {"train": 0.6, "val": 0.2, "test": 0.2}
OF_HALVINGS = "95 % of halvings"

GALLERIES = {
    "own": "all that the model learned from and indexed",
    "asked": "the asked things",
    "quarter": "a quarter of the asked things",
    "foreign": "the asked things and many of other packs",
}


def ways(name: str) -> tuple[str, str]:
    """A pack's two directions."""
    words = {"coco2k": ("caption", "image"), "web_news_zh": ("text", "image"), "openmoji": ("name", "picture")}
    a, b = words.get(name, ("description", "image"))
    return f"{a} -> {b}", f"{b} -> {a}"


def _figures() -> list[Figure]:
    """All that is saved."""
    found = []
    for name, others in OTHERS.items():
        for way in ways(name):
            at, short = ("conditions", name, way), f"{name}.{way.split()[0]}"
            shares = {"rejected": "true queries rejected", "removed": "queries rejected whose items were taken out"}
            for other in others:
                shares[f"off.{TOLD[other]}"] = f"{TOLD[other]} rejected"
                shares[f"off.{TOLD[other]}.all"] = f"{TOLD[other]} rejected if all scripts were judged alike"
            for part in PARTS:
                shares[f"{part}.in"] = f"true queries that find nothing, {part} % meet the condition, their match too"
                shares[f"{part}.out"] = f"queries that find nothing, {part} % meet the condition, their match does not"
                shares[f"{part}.hits"] = f"true queries rejected by the nearest hit that is among {part} %"
            for key, told in shares.items():
                what = f"{name}, {way}, 10 % allowed: {told}"
                found.append(
                    Figure(f"{short}.{key}", (*at, key), what, "%", ".1f", "{n} halvings", interval=OF_HALVINGS)
                )
                found.append(Figure(f"{short}.{key}.most", (*at, key, "most"), f"{what}, worst halving", "%", ".1f"))
    for learned in ("English", "Chinese", "both"):
        for asked in ("English", "Chinese"):
            for how, key in (("each script by its own", "own"), ("all by all", "all")):
                found.append(
                    Figure(
                        f"language.{learned}.{asked}.{key}".lower(),
                        ("languages", learned, asked, key),
                        f"emoji, names learned: {learned}, asked: {asked}, 10 % allowed, {how}: true queries rejected",
                        "%",
                        ".1f",
                        "{n} cuts",
                        interval="least and most of cuts",
                    )
                )
    for name in OTHERS:
        for way in ways(name):
            for gallery, told in GALLERIES.items():
                at, short = ("odds", name, way, gallery), f"odds.{name}.{way.split()[0]}.{gallery}"
                what = f"{name}, {way}, in {told}, first hits"
                for key, words, form in (
                    ("told", "mean probability", ".3f"),
                    ("true", "share that is true", ".3f"),
                    ("ece", "calibration error", ".3f"),
                    ("noise", "calibration error of chance alone", ".3f"),
                    ("brier", "Brier score less that of the base rate", "+.3f"),
                    ("alone.told", "mean probability, temperature alone", ".3f"),
                    ("alone.brier", "Brier score less that of the base rate, temperature alone", "+.3f"),
                ):
                    found.append(Figure(f"{short}.{key}", (*at, key), f"{what}: {words}", "", form, "{n} cuts"))
    return found


FIGURES = _figures()


def read(name: str) -> Views:
    """A pack's pictures and words."""
    return SETS["openmoji"]() if name == "openmoji" else without_test(name, pictures(name))


def some(name: str) -> Views:
    """At most 300 rows of a pack that is about something else."""
    views = pictures(name)
    return views[np.sort(np.random.default_rng(0).permutation(len(views))[:MOST])]


def true(views: Views, start: str, to: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """The queries that have a match `(q, k)`, and the positions of their matches among the items of `to`."""
    found = relevance(views, start, to)
    assert found is not None
    queries, hits, starts = found
    matches = np.split(views[to].used[hits], starts[1:])
    return views[start].items[views[start].used[queries]], matches


def few(index: Exact, vectors: np.ndarray, column: str, parts: list[str]) -> np.ndarray:
    """`(q,)` the scores of the first hits below a condition each; -2 where nothing meets it."""
    found = np.full(len(vectors), -2, np.float32)
    for part in set(parts):
        rows = [row for row, one in enumerate(parts) if one == part]
        scores = index.search(vectors[rows], 1, [f"{column}={part}"])[1]
        if scores.shape[1]:
            found[rows] = scores[:, 0]
    return found


class Cut:
    """A model of one cut, what was held out, and what is asked besides, with all first hits."""

    def __init__(self, views: Views, split: np.ndarray, seed: int, off: dict[str, Views]):
        rows = Views(views.columns, views.ids, {"split": split})
        self.model = Retrieve(seed=seed, baseline=False).fit(rows)
        every = self.model.transform(rows)
        self.held = every[split == "test"]
        self.ways = [tuple(self.held.names), tuple(self.held.names[::-1])]
        rng = np.random.default_rng(seed)
        self.indexes, self.near, self.off, self.items = {}, {}, {}, {}
        for start, to in self.ways:
            used = every[to].used
            dealt = {name: rng.integers(0, parts, len(every[to].items)) for name, parts in PARTS.items()}
            index = Exact(columns={f"of{name}": "category" for name in PARTS})
            known = {f"of{name}": [f"p{part}" for part in parts[used]] for name, parts in dealt.items()}
            self.indexes[to] = index.add(used, every[to].items[used], known)
            self.items[to] = every[to].items
            vectors, matches = true(self.held, start, to)
            first = np.array([match[0] for match in matches])
            for name, count in PARTS.items():
                for where, step in (("in", 0), ("out", 1)):
                    parts = [f"p{(dealt[name][match] + step) % count}" for match in first]
                    self.near[start, to, name, where] = few(index, vectors, f"of{name}", parts)
            for other, table_ in off.items():
                asked = self.model.transform(Views({start: table_[self.held[start].modality]}, table_.ids))[start]
                self.off[start, other] = asked.items[asked.used], scripts(asked, asked.used.tolist())

    def halved(self, rng: np.random.Generator) -> dict[tuple[str, str, str], float]:
        """Shares (%) of one halving."""
        found = {}
        half = cut(self.held, {"known": 1, "asked": 1}, int(rng.integers(2**31)))
        calibration = calibrate(self.held[half == "known"], self.indexes, self.model.aligner_)
        asked = self.held[half == "asked"]
        for start, to in self.ways:
            all_vectors, _ = true(self.held, start, to)
            vectors, matches = true(asked, start, to)
            rows = _places(self.held, asked, start, to)
            assert np.array_equal(all_vectors[rows], vectors)
            about = (calibration, self.model.aligner_, start, to)
            index = self.indexes[to]

            near = {"rejected": index.search(vectors, 1)[1][:, 0]}
            near |= {f"{name}.{at}": self.near[start, to, name, at][rows] for name in PARTS for at in ("in", "out")}
            first = [[{"what": what, "score": float(of[row])} for what, of in near.items()] for row in range(len(rows))]
            kept = standards(*about, vectors, RATE, index).keep(first)  # each hit as if a condition had left it first
            for what in near:
                empty = [not any(hit["what"] == what for hit in row) for row in kept]
                found[start, to, what] = 100 * float(np.mean(empty))
            for name in PARTS:
                alone = rejected(*about, vectors, near[f"{name}.in"], RATE)
                found[start, to, f"{name}.hits"] = 100 * float(alone.mean())
            gone = np.isin(index.keys(), np.concatenate(matches))
            rest = Exact().add(index.keys()[~gone], self.items[to][index.keys()[~gone]])
            scores = rest.search(vectors, 1)[1][:, 0]
            found[start, to, "removed"] = 100 * float(rejected(*about, vectors, scores, RATE, rest).mean())
            for (at, other), (away, written) in self.off.items():
                if at == start:
                    asks = (*about, away, index.search(away, 1)[1][:, 0], RATE)
                    found[start, to, f"off.{TOLD[other]}"] = 100 * float(rejected(*asks, None, written).mean())
                    found[start, to, f"off.{TOLD[other]}.all"] = 100 * float(rejected(*asks).mean())
        return found


def _places(held: Views, asked: Views, start: str, to: str) -> np.ndarray:
    """Where the queries of `asked` are among those of `held`."""
    of = [relevance(views, start, to) for views in (held, asked)]
    every, some_ = (v[start].used[found[0]] for v, found in zip((held, asked), of, strict=True) if found is not None)
    order = np.argsort(every)
    return order[np.searchsorted(every[order], some_)]


def conditions() -> dict[str, Any]:
    """By pack and direction, the shares over all halvings."""
    warnings.simplefilter("ignore", ChiasmWarning)  # of scripts that are not judged
    told: dict[str, Any] = {}
    for name, others in OTHERS.items():
        views = read(name)
        twins, off = Encoding().twins(views), {other: some(other) for other in others}
        found: dict[tuple[str, str, str], list[float]] = {}
        for seed, split in redrawn(views, {"train": 0.7, "test": 0.3}, CUTS, twins):
            one, rng = Cut(views, split, seed, off), np.random.default_rng(seed)
            for _ in range(HALVINGS):
                for key, share in one.halved(rng).items():
                    found.setdefault(key, []).append(share)
            say(name, seed)
        for (start, to, key), shares in found.items():
            cell = told.setdefault(name, {}).setdefault(f"{start} -> {to}", {})
            low, high = np.quantile(shares, (0.025, 0.975))
            cell[key] = {"value": float(np.mean(shares)), "low": low, "high": high, "n": len(shares)}
            cell[key]["most"] = float(np.max(shares))
            say(name, start, key, {what: round(float(value), 1) for what, value in cell[key].items()})
    return told


def languages() -> dict[str, Any]:
    """By what was learned and asked, the shares of true queries that are rejected."""
    views = emoji()
    spoken = np.where(np.asarray(views.facts["language"]) == "en", "English", "Chinese")
    views = Views({"name": views["name"], "picture": views["picture"]}, views.ids)
    twins = Encoding().twins(views)
    found: dict[str, Any] = {}
    for seed, split in redrawn(views, THIRDS, CUTS, twins):
        for learned in ("English", "Chinese", "both"):
            rows = (split != "test") & ((spoken == learned) | (learned == "both"))
            model = Retrieve(seed=seed, baseline=False).fit(Views(views.columns, views.ids, {"split": split})[rows])
            drawn = model.transform(views[spoken == "English"])["picture"]
            gallery = Exact().add(drawn.used, drawn.items[drawn.used])
            for asked, written in (("English", "LATIN"), ("Chinese", "CJK")):
                names = model.transform(views[(spoken == asked) & (split == "test")])["name"]
                vectors = names.items[names.used]
                best = gallery.search(vectors, 1)[1][:, 0]
                about = (model.calibration_, model.aligner_, "name", "picture", vectors, best, RATE, gallery)
                cell = found.setdefault(learned, {}).setdefault(asked, {"own": [], "all": []})
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ChiasmWarning)
                    cell["own"].append(100 * float(rejected(*about, [written] * len(vectors)).mean()))
                cell["all"].append(100 * float(rejected(*about).mean()))
    for learned, cells in found.items():
        for asked, cell in cells.items():
            for how, shares in cell.items():
                cell[how] = {"value": np.mean(shares), "low": min(shares), "high": max(shares), "n": len(shares)}
            say(learned, asked, cell)
    return found


def ece(told: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Mean distance of what was told and what is so, over equally full bins."""
    parts = np.array_split(np.argsort(told, kind="stable"), bins)
    return float(sum(len(part) * abs(told[part].mean() - right[part].mean()) for part in parts) / len(told))


def foreign(model: Retrieve, view: str) -> np.ndarray:
    """Many items of a view of other packs, in the model's space."""
    if model.views_[view] != "text":
        column = model.transform(Views({view: pictures("mvsa_single")["image"]}))[view]
        return column.items[column.used]
    own = {text for cell in table("coco2k")["caption"] for text in ([cell] if isinstance(cell, str) else cell)}
    own |= set(table("web_news_zh")["text"]) | set(table("ikea", "items.parquet")["description"])
    others = [text for text in texts()["text"].items if text not in own][:FOREIGN]
    column = model.transform(Views({view: Column("text", others)}))[view]
    return column.items[column.used]


def odds() -> dict[str, Any]:
    """By pack, direction and gallery, how true the probability of the first hit is."""
    told: dict[str, Any] = {}
    rng = np.random.default_rng(0)
    for name in OTHERS:
        views = read(name)
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for seed, split in redrawn(views, THIRDS, CUTS, Encoding().twins(views)):
            model = Retrieve(seed=seed, baseline=False).fit(Views(views.columns, views.ids, {"split": split}))
            every = model.transform(views)
            parts = {part: every[split == part] for part in ("train", "val", "test")}
            for start, to in (parts["test"].names, parts["test"].names[::-1]):
                away, known = foreign(model, to), model.calibration_[start][to]
                vectors, matches = true(parts["test"], start, to)
                items = every[to].items
                among = parts["val"][to].used
                alone = _temperature(known, Exact().add(among, items[among]))
                for gallery in GALLERIES:
                    used = parts["test"][to].used
                    if gallery == "quarter":
                        used = np.sort(rng.permutation(used)[: len(used) // 4])
                    if gallery == "own":
                        used = np.unique(np.concatenate([parts[part][to].used for part in parts]))
                    index = Exact().add(used, items[used])
                    if gallery == "foreign":
                        index.add(len(items) + np.arange(len(away)), away)
                    rows = [row for row, match in enumerate(matches) if np.isin(match, used).any()]
                    keys, near = index.search(vectors[rows], NEAR)
                    right = np.array([key in matches[row] for key, row in zip(keys[:, 0], rows, strict=True)])
                    line = odds_here(model.calibration_, start, to, None if gallery == "own" else index)
                    if line is None:
                        continue
                    ours, theirs = (
                        np.array([match_odds(row[:1], row, one)[0] for row in near]) for one in (line, alone)
                    )
                    base = float(right.mean() * (1 - right.mean()))
                    found.setdefault((f"{start} -> {to}", gallery), []).append(
                        {
                            "told": float(ours.mean()),
                            "true": float(right.mean()),
                            "ece": ece(ours, right),
                            "noise": float(np.mean([ece(ours, rng.random(len(ours)) < ours) for _ in range(100)])),
                            "brier": float(np.mean((ours - right) ** 2)) - base,
                            "alone.told": float(theirs.mean()),
                            "alone.brier": float(np.mean((theirs - right) ** 2)) - base,
                        }
                    )
        for (way, gallery), cells in found.items():
            cell = told.setdefault(name, {}).setdefault(way, {}).setdefault(gallery, {})
            for key in cells[0]:
                values = [one[key] for one in cells]
                cell[key] = apart(values, np.zeros(len(values)), THIRDS["test"], THIRDS["train"])
            say(name, way, gallery, {key: round(value["value"], 3) for key, value in cell.items()})
    return told


def _temperature(known: dict[str, np.ndarray], index: Exact) -> np.ndarray:
    """Odds by a temperature alone, of known queries among the validation things."""
    others = index.search(known["queries"], NEAR)[1].astype(np.float64)
    for row, matches in zip(others, known["matches"], strict=True):
        row[np.isclose(row[:, None], matches, rtol=0, atol=1e-5).any(axis=1)] = -np.inf
    return np.array([learn_odds(known["match"], others)[0], 1.0, 0.0])


PARTED = {"conditions": conditions, "languages": languages, "odds": odds}


def main() -> None:
    args = arguments(__doc__, PARTED).parse_args()
    result = {part: run() for part, run in PARTED.items() if not args.parts or part in args.parts}
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
