"""How well "nothing here matches" keeps its promise: false alarms at 10 %, and queries about something else.

`python -m benchmarks.search.rejection [halvings] [fits]`.

`halvings`: coco2k (without its test rows) and ikea, five cuts: `Retrieve` by default learns from 70 % of the things and
indexes all; the others ask. 200 times they are halved: one half says what a match scores, the other is asked. Asked
besides: 300 texts and pictures each of tweets (mvsa_single) and of Chinese web news (web_news_zh), which are about
something else, mostly.

`fits`: what one model rejects for good, over 40 refits (coco2k 8, ikea 4) with 50 to 1,000 validation rows (500
others to learn from, all the rest asked, both ways): mean, 5 % and 95 % of the fits, and how many are above 10 %;
beside it the plain conformal threshold, which keeps to 10 % on average. Simulated pairs are asked with 2,000 queries;
with the few hundred of a pack, chance in what is asked counts too. The bar: of the simulated fits no more than one in
ten above 10 % (and what 80 fits allow).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import pictures, without_test
from benchmarks._trials import Figure, arguments, finish, redrawn, say, spread
from chiasm.data.toy import planted_pair
from chiasm.encoding import Encoding
from chiasm.index.exact import Exact
from chiasm.splits import cut
from chiasm.stats.conformal import threshold
from chiasm.stats.relevance import relevance
from chiasm.tasks._retrieve.rejection import calibrate, rejected
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

RATE = 0.1
CUTS, HALVINGS, MOST = 5, 200, 300
PARTS = {"train": 0.7, "test": 0.3}
LEARNED, VALIDATION, ASKED = 500, (50, 100, 200, 400, 1000), 2000
REFITS = {"simulated": 40, "coco2k": 8, "ikea": 4}
SOURCES = {"simulated": "simulated pairs", "coco2k": "coco2k", "ikea": "ikea"}
OTHERS = ("mvsa_single", "web_news_zh")
WAYS = {"coco2k": ("caption -> image", "image -> caption"), "ikea": ("description -> image", "image -> description")}
GALLERIES = {"indexed": "all that is indexed", "other": "the asked half alone"}
FIGURES = [
    Figure(
        f"{name}.{way.split()[0]}.{short}",
        ("table", f"{name}, {way}, {where}", key),
        f"{name}, {way}, {100 * RATE:.0f} % allowed, in {GALLERIES[where]}: {what}",
        unit,
        form,
        n=n,
    )
    for name, ways in WAYS.items()
    for way in ways
    for short, where, key, what, unit, form, n in (
        ("alarms", "indexed", "false alarm %", "real queries rejected", "%", ".1f", "{n} halvings"),
        ("alarms.other", "other", "false alarm %", "real queries rejected", "%", ".1f", "{n} halvings"),
        ("tweets", "indexed", "mvsa_single rejected %", "tweets rejected", "%", ".1f", "300 queries"),
        ("news", "indexed", "web_news_zh rejected %", "Chinese news rejected", "%", ".1f", "300 queries"),
        ("tweets.auroc", "indexed", "mvsa_single AUROC", "AUROC of real queries against tweets", "", ".2f", "5 cuts"),
        ("news.auroc", "indexed", "web_news_zh AUROC", "AUROC of real queries against news", "", ".2f", "5 cuts"),
    )
]
FIGURES += [
    Figure(
        f"fits.{source}.{n}{end}",
        ("fits", source, str(n), key),
        f"{told}, {n} validation rows, 10 % allowed{how}: {what}",
        "%",
        ".1f",
        "{fits} fits",
        interval="5 and 95 % of fits",
    )
    for source, told in SOURCES.items()
    for n in VALIDATION
    for end, key, how, what in (
        ("", "rejected %", "", "real queries rejected"),
        (".over", "above 10 %", "", "fits that reject more than 10 %"),
        (".plain", "rejected %, plain", ", plain conformal threshold", "real queries rejected"),
        (".plain.over", "above 10 %, plain", ", plain conformal threshold", "fits that reject more than 10 %"),
    )
]


def others() -> dict[str, Views]:
    """At most 300 rows of each pack that is about something else."""
    found = {}
    for name in OTHERS:
        views = pictures(name)
        rows = np.random.default_rng(0).permutation(len(views))[:MOST]
        found[name] = views[np.sort(rows)]
    return found


def auroc(true: np.ndarray, false: np.ndarray) -> float:
    """The chance that a true query scores above a false one."""
    return float(np.mean(true[:, None] > false[None]) + np.mean(true[:, None] == false[None]) / 2)


class Cut:
    """A model of one cut, the held-out things, and items about something else, in its space."""

    def __init__(self, views: Views, split: np.ndarray, seed: int, off: dict[str, Views]):
        rows = Views(views.columns, views.ids, {"split": split})
        self.model = Retrieve(seed=seed).fit(rows)
        self.held = self.model.transform(rows[split == "test"])
        self.ways = [tuple(self.held.names), tuple(self.held.names[::-1])]
        self.off = {}
        for start in self.held.names:
            for name, table in off.items():
                asked = self.model.transform(Views({start: table[self.held[start].modality]}, table.ids))[start]
                self.off[start, name] = asked.items[asked.used]

    def halved(self, rng: np.random.Generator) -> dict[tuple[str, ...], float]:
        """Shares that are rejected, calibrated on one half of the held-out things and asked with the other."""
        model, found = self.model, {}
        part = cut(self.held, {"known": 1, "asked": 1}, int(rng.integers(2**31)))
        asked = self.held[part == "asked"]
        calibration = calibrate(self.held[part == "known"], model.indexes_, model.aligner_)
        for start, to in self.ways:
            gallery = asked[to].items[asked[to].used]
            inside = Exact().add(np.arange(len(gallery)), gallery)
            for name, vectors in {"true": true(asked, start, to), **{o: self.off[start, o] for o in OTHERS}}.items():
                for where, index in (("indexed", None), ("other", inside)):
                    best = (index or model.indexes_[to]).search(vectors, 1)[1][:, 0]
                    mask = rejected(calibration, model.aligner_, start, to, vectors, best, RATE, index)
                    found[start, to, name, where] = float(mask.mean())
        return found

    def areas(self) -> dict[tuple[str, ...], float]:
        """How well the first hits' scores tell true queries from those about something else."""
        found = {}
        for start, to in self.ways:
            scores = []
            for vectors in (true(self.held, start, to), *(self.off[start, other] for other in OTHERS)):
                best = self.model.indexes_[to].search(vectors, 1)[1][:, 0]
                scores.append(best + self.model.aligner_.owed(start, to, vectors))
            found |= {(start, to, o): auroc(scores[0], false) for o, false in zip(OTHERS, scores[1:], strict=True)}
        return found


def true(views: Views, start: str, to: str) -> np.ndarray:
    """The queries that have a match."""
    answered = relevance(views, start, to)
    assert answered is not None
    found: np.ndarray = views[start].items[views[start].used[answered[0]]]
    return found


def measure(name: str, off: dict[str, Views]) -> list[dict[str, Any]]:
    """A row a direction and gallery."""
    views = without_test(name, pictures(name))
    twins = Encoding().twins(views)
    cuts = [Cut(views, split, seed, off) for seed, split in redrawn(views, PARTS, CUTS, twins)]
    rates = []
    for seed, one in enumerate(cuts):
        rng = np.random.default_rng(seed)
        rates.append([one.halved(rng) for _ in range(HALVINGS)])
    areas = [one.areas() for one in cuts]
    rows = []
    for start, to in cuts[0].ways:
        for where in ("indexed", "other"):
            share = {
                asked: 100 * np.array([[found[start, to, asked, where] for found in of_cut] for of_cut in rates])
                for asked in ("true", *OTHERS)
            }
            row: dict[str, Any] = {
                "set": name,
                "from": start,
                "to": to,
                "gallery": where,
                "held-out items": len(cuts[0].held[start].used),
                "false alarm %": spread(share["true"]),
                "false alarm %, mean of each cut": share["true"].mean(axis=1).round(2).tolist(),
            }
            for other in OTHERS:
                row[f"{other} rejected %"] = round(float(share[other].mean()), 1)
                if where == "indexed":
                    row[f"{other} AUROC"] = round(float(np.mean([area[start, to, other] for area in areas])), 3)
            rows.append(row)
    return rows


def refitted(source: str) -> dict[str, Any]:
    """By validation rows, the shares of real queries that a fit rejects."""
    found: dict[str, Any] = {}
    packed = None
    if source != "simulated":
        raw = without_test(source, pictures(source))
        packed, twins = Encoding().fit_transform(raw), Encoding().twins(raw)
    for n in VALIDATION:
        rates: dict[str, list[float]] = {"": [], ", plain": []}
        for seed in range(REFITS[source]):
            if packed is None:
                rows = LEARNED + n + ASKED
                a, b = planted_pair(rows, (64, 48), (0.95,) * 12 + (0.6,) * 12, seed)
                views = Views({"a": Column("vector", a), "b": Column("vector", b)})
                split = np.repeat(["train", "val", "test"], (LEARNED, n, ASKED)).astype(object)
            elif len(packed) < LEARNED + n + 200:
                break
            else:
                views, parts = packed, {"train": LEARNED, "val": n, "test": len(packed) - LEARNED - n}
                split = cut(views, {name: part / len(packed) for name, part in parts.items()}, seed, twins)
            model = Retrieve(seed=seed).fit(Views(views.columns, views.ids, {"split": split}))
            asked = model.transform(views[split == "test"])
            for start, to in (asked.names, asked.names[::-1]):
                vectors = true(asked, start, to)
                best = model.indexes_[to].search(vectors, 1)[1][:, 0]
                gone = rejected(model.calibration_, model.aligner_, start, to, vectors, best, RATE)
                known = model.calibration_[start][to]
                plain = best + model.aligner_.owed(start, to, vectors) < threshold(known["best"] + known["owed"], RATE)
                rates[""].append(100 * gone.mean())
                rates[", plain"].append(100 * plain.mean())
        for how, shares in rates.items():
            if shares:
                low, high = np.quantile(shares, (0.05, 0.95))
                cell = found.setdefault(str(n), {"fits": len(shares)})
                cell[f"rejected %{how}"] = {
                    "value": round(float(np.mean(shares)), 2),
                    "low": round(float(low), 2),
                    "high": round(float(high), 2),
                    "most": round(float(np.max(shares)), 2),
                }
                cell[f"above 10 %{how}"] = round(100 * float(np.mean(np.array(shares) > 100 * RATE)), 1)
        say(source, n, found.get(str(n)))
    return found


def line(row: dict[str, Any]) -> str:
    alarm = row["false alarm %"]
    caught = "".join(
        f"{row[f'{o} rejected %']:8.1f}" + (f" ({row[f'{o} AUROC']:.3f})" if f"{o} AUROC" in row else " " * 8)
        for o in OTHERS
    )
    way = f"{row['from']} -> {row['to']}"
    return f"{row['set']:7} {way:22} {GALLERIES[row['gallery']]:21} {alarm['mean']:6.2f} +- {alarm['sd']:.2f} {caught}"


def halved() -> dict[str, Any]:
    """The first part: many halvings, and queries about something else."""
    off = others()
    print("rejected %, at 10 %, of true queries; of queries about something else (AUROC): " + ", ".join(OTHERS))
    rows = {}
    for name in WAYS:
        for row in measure(name, off):
            rows[f"{name}, {row['from']} -> {row['to']}, {row['gallery']}"] = row
            print(line(row), flush=True)
    return rows


def main() -> None:
    args = arguments(__doc__, ("halvings", "fits")).parse_args()
    result: dict[str, Any] = {"rate %": 100 * RATE}
    if not args.parts or "fits" in args.parts:
        result["fits"] = {source: refitted(source) for source in SOURCES}
    if not args.parts or "halvings" in args.parts:
        result["table"] = halved()
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
