"""Does fusing pay, and does `auto` find what is best? Real packs, planted regimes, absent views, seconds.

`python -m benchmarks.fuse.fuse [PART ...] [--splits N] [--json FILE]`; the parts are

- mvsa_single: 10 re-drawn 60/20/20 splits (stratified, rows equal in every view kept together) of all 4,511 tweets:
  each view alone, concatenation and averaged probabilities by scikit-learn's standardized logistic regression (its C
  chosen on the validation rows) against `auto`, once fitted on the training rows alone, once on training and validation
  rows; then the given split, and the strict 2,592 rows. Bar: the interval of auto - concatenation above 0; aim 72 %.
- covid_cxr: COVID-19 against other pneumonia (556 X-rays), 10 times 5-fold cross-validation in which a patient, an
  identical picture and an identical note stay together; notes without the words that name the diagnosis. Bar: the
  interval of AUC(all views) - AUC(notes) above 0.
- web_news_zh (10 classes), ikea (50 types of product, a series of products in one part): as mvsa_single.
- regimes: planted tasks with a known best accuracy. Bars: `auto` within a point of the best fixed method, far above
  chance where only both views together tell (XOR), never below the best single view beyond noise.
- missing: one `auto` model with inputs dropped, against `auto` learned for just the views that are left. Bar: 97 % of
  its accuracy for every subset of the views.
- seconds: `Classify` fitted and scored on mvsa_single from cached features, 2 threads. Bar: under 90 s.

Intervals over re-drawn splits and folds are Nadeau & Bengio's (2003), which know that the splits share rows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.special import ndtr, stdtrit

import chiasm
from benchmarks._shared import finish, pack, spread
from chiasm import registry
from chiasm.compare.baselines import Concat
from chiasm.encoding import Encoding
from chiasm.fuse._fuser import folds_of
from chiasm.fuse.auto import Auto
from chiasm.splits import cut
from chiasm.stats.resample import Draws, difference, interval, interval_of, redrawn_interval
from chiasm.views import Column, Views, connected

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
STRENGTHS = 10.0 ** np.arange(-5, 1.5, 0.5)
RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def say(*words: Any) -> None:
    """Progress."""
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def only(views: Views, names: Sequence[str]) -> Views:
    """The same rows with these views alone."""
    return views.replace({name: views[name] for name in names})


def encoded(views: Views) -> Views:
    """Views in the features of the default encoders, in memory. None of these encoders learns."""
    found = Encoding().fit(views).transform(views)
    columns = {
        n: Column(c.modality, np.asarray(c.items[np.arange(len(c.items))]), c.index) for n, c in found.columns.items()
    }
    return views.replace(columns)


def known(outputs: np.ndarray, names: Sequence[str], all_names: Sequence[str]) -> np.ndarray:
    """`(n, c)` outputs in the order of all classes."""
    out = np.zeros((len(outputs), len(all_names)))
    out[:, [list(all_names).index(name) for name in names]] = outputs
    return out


class Plain:
    """What most people would do: standardized features side by side, scikit-learn's logistic regression.

    Its C is the one with the highest accuracy on the validation rows.
    """

    def __init__(self, views: Views):
        self.views = views
        self.names, self.y = np.unique(views.label.astype(str), return_inverse=True)
        self.x = {}
        for name, column in views.columns.items():
            values = np.full((len(views), column.width), np.nan)
            values[column.present] = column.take(column.index[column.present])
            self.x[name] = values

    def outputs(self, names: Sequence[str], split: np.ndarray) -> dict[str, np.ndarray]:
        """Probabilities for the test rows, of what was learned from "train", and again from "train + val" rows."""
        train, val, test = (np.flatnonzero(split == part) for part in ("train", "val", "test"))
        x = np.hstack([self.x[name] for name in names])
        tried = self._path(x, train, val)
        best = max(tried, key=lambda c: tried[c])
        both = np.flatnonzero(split != "test")
        return {"train": self._fit(x, train, best, test), "train + val": self._fit(x, both, best, test)}

    def _path(self, x: np.ndarray, train: np.ndarray, val: np.ndarray) -> dict[float, float]:
        """Accuracy on the validation rows by C, the smallest first, until it has fallen by 2 points."""
        found: dict[float, float] = {}
        model = None
        for c in STRENGTHS.tolist():
            outputs, model = self._learned(x, train, c, val, model)
            found[c] = float((outputs.argmax(axis=1) == self.y[val]).mean())
            if found[c] < max(found.values()) - 0.02:
                break
        return found

    def _fit(self, x: np.ndarray, learn: np.ndarray, c: float, rows: np.ndarray) -> np.ndarray:
        return self._learned(x, learn, c, rows, None)[0]

    def _learned(
        self, x: np.ndarray, learn: np.ndarray, c: float, rows: np.ndarray, model: Any
    ) -> tuple[np.ndarray, Any]:
        from sklearn.linear_model import LogisticRegression

        mean, scale = np.nanmean(x[learn], axis=0), np.nanstd(x[learn], axis=0)
        scale = np.where(scale > 1e-6, scale, np.inf)
        inside, outside = (np.nan_to_num((x[part] - mean) / scale) for part in (learn, rows))
        model = model or LogisticRegression(max_iter=1000, warm_start=True)
        model.set_params(C=c).fit(inside, self.y[learn])
        return known(model.predict_proba(outside), model.classes_, range(len(self.names))), model


def auto(views: Views, learn: np.ndarray, rows: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, str]:
    """What `auto` learns from some rows says of others, and what it chose."""
    fuser = Auto().fit(views[learn])
    return known(fuser.outputs(views[rows]), fuser.target_.names_, names), fuser.chosen_["fuser"]


def answers(views: Views, split: np.ndarray) -> tuple[dict[tuple[str, str], np.ndarray], np.ndarray, str]:
    """By (method, what it learned from) the test rows' probabilities; the truth; what `auto` chose."""
    plain, test = Plain(views), split == "test"
    found = {}
    for name in views.names:
        for part, outputs in plain.outputs([name], split).items():
            found[f"{name} alone", part] = outputs
    for part, outputs in plain.outputs(views.names, split).items():
        found["concat + logistic", part] = outputs
    for part in ("train", "train + val"):
        found["averaged probabilities", part] = np.mean([found[f"{n} alone", part] for n in views.names], axis=0)
    found["auto", "train"], _ = auto(views, split == "train", test, plain.names)
    found["auto", "train + val"], chosen = auto(views, split != "test", test, plain.names)
    return found, plain.y[test], chosen


def redrawn(views: Views, splits: int, title: str) -> dict[str, Any]:
    """Every method on re-drawn splits: accuracies, what `auto` gains over each, and in what share of the splits."""
    twins = Encoding().twins(views)
    views = encoded(views)
    right: dict[tuple[str, str], list[float]] = {}
    chosen: Counter[str] = Counter()
    for seed in range(splits):
        split = cut(views, SHARES, seed, twins, stratify=views.label)
        found, truth, choice = answers(views, split)
        chosen[choice] += 1
        for key, outputs in found.items():
            right.setdefault(key, []).append(100 * float((outputs.argmax(axis=1) == truth).mean()))
        say(title, seed, choice, {" | ".join(key): round(values[-1], 1) for key, values in right.items()})
    return {"rows": len(views), "auto chose": dict(chosen), **gains(right)}


def gains(right: dict[tuple[str, str], list[float]]) -> dict[str, Any]:
    """Means of accuracies in %, and the differences of `auto` with intervals, by what was learned from."""
    result: dict[str, Any] = {"accuracy %": {}, "auto minus": {}}
    for (method, part), values in right.items():
        result["accuracy %"].setdefault(part, {})[method] = spread(values)
        if method != "auto" and len(values) > 1:
            gap = np.array(right["auto", part]) - values
            learned = 1 - SHARES["test"] if part == "train + val" else SHARES["train"]
            entry = {**redrawn_interval(gap, SHARES["test"], learned), "splits won": round(float((gap > 0).mean()), 2)}
            result["auto minus"].setdefault(part, {})[method] = entry
    return result


def passes(found: dict[str, Any], other: str) -> dict[str, bool]:
    """Whether the interval of `auto` minus another method is above 0, by what was learned from."""
    return {part: of[other]["low"] > 0 for part, of in found["auto minus"].items() if other in of}


def mvsa_single(splits: int) -> dict[str, Any]:
    """All rows, the given split, the strict rows."""
    path = pack("mvsa_single") / "data.parquet"
    columns: dict[str, Any] = {"text": "text", "image": "image", "id": "id", "label": "label", "split": "split"}
    views = chiasm.read(path, **columns)
    result: dict[str, Any] = {"all rows": redrawn(views, splits, "mvsa_single")}
    split = views.split
    found, truth, choice = answers(encoded(views), split)
    draws = Draws(views.clusters[split == "test"])
    sampled = {key: draws.accuracy(truth, outputs.argmax(axis=1)) for key, outputs in found.items()}
    given: dict[str, Any] = {"rows": int((split == "test").sum()), "auto chose": choice}
    given["accuracy"] = {" | ".join(key): interval_of(*one) for key, one in sampled.items()}
    given["auto minus concat + logistic"] = {
        part: difference(sampled["auto", part], sampled["concat + logistic", part]) for part in ("train", "train + val")
    }
    result["given split, once"] = given
    strict = chiasm.read(path, **columns, where={"consistent": "True"})
    result["strict rows"] = redrawn(strict, splits, "mvsa_single, strict")
    result["bar: auto - concat + logistic above 0"] = passes(result["all rows"], "concat + logistic")
    mean = result["all rows"]["accuracy %"]["train + val"]["auto"]["mean"]
    result["aim: 72 %"] = {"auto": mean, "reached": mean >= 72}
    return result


DIAGNOSES = re.compile(
    r"""\S*(?:covid|\bncov|sars|corona\s?virus|pneumoni[ac]|pneumocystis|pneumococc|pneumophila|jirovec|carinii|strep(?:toc|\b)
    |klebsiell|legionell|influenza|varicell|chicken\s?pox|zoster|mycoplasm|chlamyd|lipoid|aspergill|tubercul|herpes|
    escherichia|wuhan|hubei|pandemic|epidemic|outbreak|rt-?pcr)\S*
    |\b(?:mers|pcp|pcr|ards|flu|flu-like|h1n1|china|chinese|e\.?\s?coli|staphylococ\w*|tb)\b
    |acute\s+respiratory\s+distress\s+syndrome""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words that name a diagnosis of the collection, its germ, the test for it, or the place and time of the epidemic.

They are taken out without a trace: a mark in their place would say that a diagnosis had been named.
"""

RECORD = {
    "number": ["age", "temperature", "pO2_saturation", "leukocyte_count", "neutrophil_count", "lymphocyte_count"],
    "category": ["sex", "went_icu", "intubated"],
}


def covid_views(offset: bool) -> tuple[Views, Counter[str]]:
    """Image, masked notes and the raw record of the 556 rows, grouped by patient, picture and note; what was masked.

    `offset_days` (since the first symptoms) is left out of the record by default: who writes it down depends on the
    publication that a picture comes from, and so on the disease (it is there for 85 % of COVID-19 and for 75 % of the
    others). So is to a lesser degree every field; oxygen saturation and blood counts are known of COVID-19 alone.
    """
    path = pack("covid_cxr") / "data.parquet"
    fields = {"number": RECORD["number"] + ["offset_days"] * offset, "category": RECORD["category"]}
    columns: dict[str, Any] = {"image": "image", "text": {"notes": "clinical_notes"}, "id": "id", "label": "label"}
    views = chiasm.read(path, **columns, **fields, group="patient")
    views = views[np.isin(views.label, ["COVID-19", "Other pneumonia"])]
    masked: Counter[str] = Counter()

    def mask(note: str) -> str | None:
        masked.update(m.group().lower().strip(" .,;:()#") for m in DIAGNOSES.finditer(note))
        return " ".join(DIAGNOSES.sub(" ", note).split()) or None

    column = views["notes"]
    cells = [mask(item) for item in column.items]
    notes = Column.from_cells("text", [None if i < 0 else cells[i] for i in column.index.tolist()])
    views = views.replace({"image": views["image"], "notes": notes, "record": views["record"]})
    clusters = views.clusters
    for name in ("image", "notes"):
        same = Encoding().twins(only(views, [name]))
        same[~views.present(name)] = same.max() + 1 + np.flatnonzero(~views.present(name))
        clusters = connected(clusters, same)
    views.facts["group"] = np.array([f"cluster {c}" for c in clusters], dtype=object)
    return views, masked


def covid_cxr(repeats: int) -> dict[str, Any]:
    """AUC of each view, the pairs and all, by `auto` and by plain concatenation."""
    from chiasm.stats.answers import auc

    views, masked = covid_views(offset=False)
    more = covid_views(offset=True)[0]["record"]
    say("masked:", dict(masked.most_common()))
    features = encoded(only(views, ["image", "notes"]))
    truth = (views.label == "COVID-19").astype(float)
    sets = [list(s) for size in (1, 2, 3) for s in combinations(("image", "notes", "record"), size)]
    sets += [["record + offset_days"], ["image", "notes", "record + offset_days"]]
    title = {tuple(s): "all" if len(s) == 3 and "record" in s else " + ".join(s) for s in sets}
    title["image", "notes", "record + offset_days"] = "all, with offset_days"
    pooled = {(by, t): np.zeros(len(views)) for by in ("auto", "logistic") for t in title.values()}
    areas: dict[tuple[str, str], list[float]] = {key: [] for key in pooled}
    for repeat in range(repeats):
        folds = folds_of(views.clusters, np.stack([1 - truth, truth], axis=1), "classes", repeat, 5)
        for fold in range(5):
            learn, test = folds != fold, folds == fold
            records = {"record": views["record"], "record + offset_days": more}
            raw = views.replace(records)
            record = Encoding().fit(raw[learn]).transform(raw)  # its scales are learned
            whole = views.replace({**features.columns, **record.columns})
            for names in sets:
                part, t = only(whole, names), title[tuple(names)]
                for by, fuser in (("auto", Auto(seed=repeat)), ("logistic", Concat(seed=repeat))):
                    fuser.fit(part[learn])
                    sure = fuser.outputs(part[test])[:, fuser.target_.names_.index("COVID-19")]
                    pooled[by, t][test] += sure / repeats
                    areas[by, t].append(auc(truth[test] == 1, sure))
        say("covid_cxr", repeat, {" ".join(key): round(float(np.mean(values)), 4) for key, values in areas.items()})
    draws = Draws(views.clusters)
    sampled = {key: draws.auc(truth == 1, sure) for key, sure in pooled.items()}
    result: dict[str, Any] = {
        "rows": len(views),
        "clusters": len(np.unique(views.clusters)),
        "masked": dict(masked.most_common()),
        "AUC, mean over folds": {" | ".join(key): spread(values) for key, values in areas.items()},
        "AUC, pooled": {" | ".join(key): interval_of(*one) for key, one in sampled.items()},
    }
    for by in ("auto", "logistic"):
        result[f"{by}: minus notes"] = {
            t: {
                "over folds": redrawn_interval(np.array(areas[by, t]) - areas[by, "notes"], 1, 4),
                "pooled, by cluster": difference(sampled[by, t], sampled[by, "notes"]),
            }
            for t in title.values()
            if "notes" in t.split(" + ") + ["notes"] * t.startswith("all") and t != "notes"
        }
    result["auto all minus logistic all"] = {
        "over folds": redrawn_interval(np.array(areas["auto", "all"]) - areas["logistic", "all"], 1, 4),
        "pooled, by cluster": difference(sampled["auto", "all"], sampled["logistic", "all"]),
    }
    gap = result["auto: minus notes"]["all"]
    result["bar: all - notes above 0"] = {how: one["low"] > 0 for how, one in gap.items()}
    return result


def web_news_zh(splits: int) -> dict[str, Any]:
    """Ten classes of Chinese news."""
    path = pack("web_news_zh") / "data.parquet"
    views = chiasm.read(path, text="text", image="image", id="id", label="label")
    found = redrawn(views, splits, "web_news_zh")
    return {**found, "auto - concat + logistic above 0": passes(found, "concat + logistic")}


def ikea(splits: int) -> dict[str, Any]:
    """The 50 most frequent types of product, from picture, description, color and size.

    The name is that of a series, whose members share descriptions. So it is no view, but the group that is not cut.
    """
    views = ikea_views()
    found = redrawn(views, splits, "ikea")
    found["series"] = len(np.unique(views.clusters))
    return {**found, "auto - concat + logistic above 0": passes(found, "concat + logistic")}


def ikea_views() -> Views:
    path = pack("ikea") / "items.parquet"
    types = Counter(pq.read_table(path, columns=["type"])["type"].to_pylist())
    texts = ["description", "color", "size"]
    views = chiasm.read(path, text=texts, image="image", id="id", label="type", group="name")
    return views[np.isin(views.label, [name for name, _ in types.most_common(50)])]


def regimes(seeds: int) -> dict[str, Any]:
    """Planted tasks: what each fuser, each view alone and `auto` reach of the best that anything can."""
    result: dict[str, Any] = {}
    for name, plant in PLANTED.items():
        right: dict[str, list[float]] = {}
        chosen: Counter[str] = Counter()
        for seed in range(seeds):
            views, y = plant(np.random.default_rng(seed), 6000)
            train, test = ({v: x[rows] for v, x in views.items()} for rows in (slice(1000), slice(1000, None)))
            for method, make in _methods(list(views)).items():
                used, fuser = make(seed)
                fuser.fit({v: train[v] for v in used}, y[:1000])
                right.setdefault(method, []).append(100 * float((fuser.predict(test) == y[1000:].astype(str)).mean()))
                if method == "auto":
                    chosen[fuser.chosen_["fuser"]] += 1
            say(name, seed, {method: round(values[-1], 1) for method, values in right.items()})
        result[name] = {
            "best possible %": round(100 * BEST[name], 1),
            "accuracy %": {method: spread(values) for method, values in right.items()},
            "auto chose": dict(chosen),
            **_verdict(right, [f"{v} alone" for v in views]),
        }
    result["bars"] = {
        "within a point of the best fixed method": {n: r["within a point"] for n, r in result.items()},
        "not below the best single view": {n: r["not below a view"] for n, r in result.items()},
        "finds XOR": result["xor"]["accuracy %"]["auto"]["mean"] > 50 + 0.8 * (100 * BEST["xor"] - 50),
    }
    return result


def _methods(views: list[str]) -> dict[str, Callable[[int], tuple[list[str], Any]]]:
    found: dict[str, Callable[[int], tuple[list[str], Any]]] = {}
    for name in registry.names("fuse"):
        if not registry.entries("fuse")[name].missing:
            found[name] = lambda seed, name=name: (views, registry.get("fuse", name)(seed=seed))  # type: ignore[misc]
    for view in views:
        found[f"{view} alone"] = lambda seed, view=view: ([view], Auto(seed=seed))  # type: ignore[misc]
    found["concat + logistic"] = lambda seed: (views, Concat(seed=seed))
    return found


def _verdict(right: dict[str, list[float]], alone: list[str]) -> dict[str, Any]:
    fixed = max((m for m in right if m != "auto"), key=lambda m: np.mean(right[m]))
    single = max(alone, key=lambda m: np.mean(right[m]))
    short = float(np.mean(right["auto"]) - np.mean(right[fixed]))
    gap = np.array(right["auto"]) - right[single]
    half = float(stdtrit(len(gap) - 1, 0.975)) * gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else 0.0
    return {
        "best fixed method": fixed,
        "auto minus it": round(short, 3),
        "within a point": short >= -1,
        "auto minus best single view": {
            "view": single,
            **interval(gap.mean(), gap.mean() - half, gap.mean() + half, 3),
        },
        "not below a view": bool(gap.mean() + half >= 0),
    }


_SIGNAL, _WIDTH = 1.0, 6


def _hidden(rng: np.random.Generator, signal: np.ndarray, width: int = _WIDTH) -> np.ndarray:
    """A signal `(n,)` among width - 1 coordinates of noise, turned at random."""
    values = rng.normal(size=(len(signal), width))
    values[:, 0] = signal
    return (values @ np.linalg.qr(rng.normal(size=(width, width)))[0]).astype(np.float32)


def _redundant(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Both views show the same noisy signal."""
    y = rng.integers(2, size=n)
    seen = _SIGNAL * (2 * y - 1) + rng.normal(size=n)
    return {"a": _hidden(rng, seen), "b": _hidden(rng, seen)}, y


def _unique(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Each view shows the signal with a noise of its own."""
    y = rng.integers(2, size=n)
    return {v: _hidden(rng, _SIGNAL * (2 * y - 1) + rng.normal(size=n)) for v in "ab"}, y


def _xor(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Each view shows a coin, and the class is whether they differ: alone a view tells nothing."""
    a, b = rng.integers(2, size=(2, n))
    return {v: _hidden(rng, 3 * (2 * coin - 1) + rng.normal(size=n), 3) for v, coin in (("a", a), ("b", b))}, a ^ b


def _noisy(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One view shows the signal, the other, ten times as wide, is noise."""
    y = rng.integers(2, size=n)
    seen = _hidden(rng, _SIGNAL * (2 * y - 1) + rng.normal(size=n))
    return {"a": seen, "b": rng.normal(size=(n, 10 * _WIDTH)).astype(np.float32)}, y


PLANTED = {"redundant": _redundant, "unique": _unique, "xor": _xor, "one noisy view": _noisy}
BEST = {
    "redundant": float(ndtr(_SIGNAL)),
    "unique": float(ndtr(_SIGNAL * 2**0.5)),
    "xor": float(ndtr(3) ** 2 + (1 - ndtr(3)) ** 2),
    "one noisy view": float(ndtr(_SIGNAL)),
}


def missing(splits: int) -> dict[str, Any]:
    """One model for all subsets of the views, against one learned for each."""
    columns: dict[str, Any] = {"text": "text", "image": "image", "id": "id", "label": "label"}
    result: dict[str, Any] = {}
    for name in ("mvsa_single", "covid_cxr", "web_news_zh"):
        if name == "covid_cxr":
            views = covid_views(offset=False)[0]
            twins = None
        else:
            views = chiasm.read(pack(name) / "data.parquet", **columns)
            twins = Encoding().twins(views)
        result[name] = _missing(views, twins, splits, name)
    lows = {name: min(one["ratio of accuracies"].values()) for name, one in result.items()}
    result["bar: at least .97 for every subset"] = {n: {"least": low, "held": low >= 0.97} for n, low in lows.items()}
    return result


def _missing(raw: Views, twins: np.ndarray | None, splits: int, title: str) -> dict[str, Any]:
    names = raw.names
    kept = [s for size in range(1, len(names) + 1) for s in combinations(range(len(names)), size)]
    one: dict[tuple[int, ...], list[float]] = {s: [] for s in kept}
    oracle: dict[tuple[int, ...], list[float]] = {s: [] for s in kept}
    at_rate: dict[float, list[tuple[float, float]]] = {rate: [] for rate in RATES}
    learned_none = encoded(only(raw, [v for v in names if v != "record"]))
    for seed in range(splits):
        split = cut(raw, {"train": 0.8, "test": 0.2}, seed, twins, stratify=raw.label)
        learn, test = split == "train", split == "test"
        views = learned_none
        if "record" in names:
            part = only(raw, ["record"])
            record = Encoding().fit(part[learn]).transform(part)
            views = raw.replace({**learned_none.columns, **record.columns})
        views = only(views, names)
        truth, rows = views.label[test].astype(str), views[test]
        fuser = Auto(seed=seed).fit(views[learn])
        prior = fuser.prior_
        mine: dict[tuple[int, ...], np.ndarray] = {(): np.tile(prior, (len(truth), 1))}
        theirs = {(): mine[()]}
        for subset in kept:
            left = [names[i] for i in subset]
            mine[subset] = fuser.outputs(only(rows, left))
            theirs[subset] = Auto(seed=seed).fit(only(views[learn], left)).outputs(only(rows, left))
            one[subset].append(_right(mine[subset], truth, fuser))
            oracle[subset].append(_right(theirs[subset], truth, fuser))
        rng = np.random.default_rng(seed)
        for rate in RATES:
            mask = rng.random((len(truth), len(names))) >= rate
            mixed = [np.empty_like(mine[()]), np.empty_like(mine[()])]
            for subset in [(), *kept]:
                at = (mask == np.isin(np.arange(len(names)), subset)).all(axis=1)
                mixed[0][at], mixed[1][at] = mine[subset][at], theirs[subset][at]
            at_rate[rate].append((_right(mixed[0], truth, fuser), _right(mixed[1], truth, fuser)))
        say("missing", title, seed, {" + ".join(names[i] for i in s): round(v[-1], 3) for s, v in one.items()})
    label = {s: " + ".join(names[i] for i in s) for s in kept}
    return {
        "majority": round(float(np.unique(raw.label.astype(str), return_counts=True)[1].max() / len(raw)), 4),
        "one model": {label[s]: round(float(np.mean(v)), 4) for s, v in one.items()},
        "learned for the subset": {label[s]: round(float(np.mean(v)), 4) for s, v in oracle.items()},
        "ratio of accuracies": {label[s]: round(float(np.mean(one[s]) / np.mean(oracle[s])), 4) for s in kept},
        "by rate: one model, oracle, ratio": {
            f"{rate:g}": [*np.mean(v, axis=0).round(4).tolist(), round(float(np.divide(*np.mean(v, axis=0))), 4)]
            for rate, v in at_rate.items()
        },
    }


def _right(outputs: np.ndarray, truth: np.ndarray, fuser: Any) -> float:
    return float((fuser.target_.decode(outputs) == truth).mean())


_TIMED = """
import json, sys, time
import chiasm
from chiasm.tasks.classify import Classify
views = chiasm.read(sys.argv[1], text="text", image="image", id="id", label="label", split="split")
started = time.perf_counter()
model = Classify(allow_leaks=True).fit(views)
fitted = time.perf_counter()
score = model.score(views[views.split == "test"], split="test")
found = {"fit": fitted - started, "score": time.perf_counter() - fitted, "accuracy": float(score), **model.seconds_}
print(json.dumps({name: round(value, 3) for name, value in found.items()}))
"""


def seconds(rounds: int) -> dict[str, Any]:
    """Fit and score of `Classify` on mvsa_single with cached features, a process a round, 2 threads."""
    path = pack("mvsa_single") / "data.parquet"
    encoded(chiasm.read(path, text="text", image="image", id="id"))  # so that the features are cached
    env = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    runs = []
    for _ in range(rounds):
        command = [sys.executable, "-c", _TIMED, str(path)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
        say("seconds", runs[-1])
    total = float(np.median([run["fit"] + run["score"] for run in runs]))
    return {
        "runs": runs,
        "fit + score, median": round(total, 1),
        "load": os.getloadavg(),
        "bar: under 90 s": total < 90,
    }


PARTS: dict[str, tuple[Callable[[int], dict[str, Any]], int]] = {
    "mvsa_single": (mvsa_single, 10),
    "covid_cxr": (covid_cxr, 10),
    "web_news_zh": (web_news_zh, 10),
    "ikea": (ikea, 10),
    "regimes": (regimes, 5),
    "missing": (missing, 5),
    "seconds": (seconds, 3),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="*", help=f"some of {', '.join(PARTS)}; default: all")
    parser.add_argument("--splits", type=int, help="how many splits, seeds or rounds; default: each part's own")
    parser.add_argument("--json")
    given = parser.parse_args()
    if wrong := [name for name in given.part if name not in PARTS]:
        parser.error(f"no part named {wrong[0]}; known: {', '.join(PARTS)}")
    warnings.simplefilter("ignore", FutureWarning)
    result: dict[str, Any] = {}
    for name in given.part or PARTS:
        function, times = PARTS[name]
        started = time.perf_counter()
        result[name] = function(given.splits or times)
        result[name]["took, s"] = round(time.perf_counter() - started, 1)
    finish(result)


if __name__ == "__main__":
    main()
