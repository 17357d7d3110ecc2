"""Diagnosis: COVID-19 against other pneumonia from X-ray, notes and record; what does each add?

`python -m benchmarks.fuse.diagnosis [--splits N]`. covid_cxr, 556 X-rays, N times (10) 5-fold cross-validation in which
a patient, an identical picture and an identical note stay together; notes without the words that name the diagnosis.
Bar: the interval of AUC(all views) - AUC(notes) above 0. Intervals over folds are Nadeau & Bengio's (2003), those of
the pooled answers resample whole clusters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import encoded, only
from benchmarks._trials import Figure, apart, arguments, finish, say, spread
from benchmarks._xrays import xrays
from chiasm.compare.baselines import Concat
from chiasm.encoding import Encoding
from chiasm.fuse._fuser import folds_of
from chiasm.fuse.auto import Auto
from chiasm.stats.answers import auc
from chiasm.stats.resample import Draws, difference, interval_of

SEEN = {
    "image": "image",
    "notes": "notes",
    "record": "record",
    "image+notes": "image + notes",
    "notes+record": "notes + record",
    "all": "all",
    "all+days": "all, with offset_days",
}
SETS = [("image",), ("notes",), ("record",), ("image", "notes"), ("notes", "record"), ("image", "notes", "record")]
SETS += [("image", "notes", "record + offset_days")]
BY = {"auto": "auto", "logistic": "logistic regression"}
FIGURES = [
    Figure(
        f"{by}.{short}",
        ("AUC, pooled", f"{by} | {seen}"),
        f"COVID-19 against other pneumonia, AUC by patient, {how}: {seen}",
        "",
        ".3f",
        "{rows} X-rays, {clusters} clusters",
    )
    for by, how in BY.items()
    for short, seen in SEEN.items()
]
FIGURES += [
    Figure(
        f"{by}.{short}.gain{folds}",
        (f"{by}: minus notes", seen, over),
        f"COVID-19 against other pneumonia, AUC of {seen} less that of the notes, {how}, {over}",
        "",
        "+.3f",
        "{rows} X-rays, {clusters} clusters",
    )
    for by, how in BY.items()
    for short, seen in SEEN.items()
    for folds, over in (("", "pooled, by cluster"), (".folds", "over folds"))
    if "notes" in seen.split(" + ") + ["notes"] * seen.startswith("all") and seen != "notes"
]

FIGURES += [
    Figure(
        f"all.over_logistic{end}",
        ("auto all minus logistic all", over),
        f"COVID-19 against other pneumonia, AUC of all views by auto less that by logistic regression, {over}",
        "",
        "+.3f",
        "{rows} X-rays, {clusters} clusters",
    )
    for end, over in (("", "pooled, by cluster"), (".folds", "over folds"))
]


def diagnosis(repeats: int) -> dict[str, Any]:
    """AUC of each view, of pairs with the notes and of all, by `auto` and by plain concatenation."""
    views, masked = xrays(offset=False)
    more = xrays(offset=True)[0]["record"]
    say("masked:", dict(masked.most_common()))
    features = encoded(only(views, ["image", "notes"]))
    truth = (views.label == "COVID-19").astype(float)
    title = {names: " + ".join(names) for names in SETS} | dict(
        zip(SETS[-2:], ("all", "all, with offset_days"), strict=True)
    )
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
            for names, t in title.items():
                part = only(whole, names)
                for by, fuser in (("auto", Auto(seed=repeat)), ("logistic", Concat(seed=repeat))):
                    fuser.fit(part[learn])
                    sure = fuser.outputs(part[test])[:, fuser.target_.names_.index("COVID-19")]
                    pooled[by, t][test] += sure / repeats
                    areas[by, t].append(auc(truth[test] == 1, sure))
        say("diagnosis", repeat, {" ".join(key): round(float(np.mean(values)), 4) for key, values in areas.items()})
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
                "over folds": apart(areas[by, t], areas[by, "notes"], 1, 4),
                "pooled, by cluster": difference(sampled[by, t], sampled[by, "notes"]),
            }
            for t in title.values()
            if "notes" in t.split(" + ") + ["notes"] * t.startswith("all") and t != "notes"
        }
    result["auto all minus logistic all"] = {
        "over folds": apart(areas["auto", "all"], areas["logistic", "all"], 1, 4),
        "pooled, by cluster": difference(sampled["auto", "all"], sampled["logistic", "all"]),
    }
    gap = result["auto: minus notes"]["all"]
    result["bar: all - notes above 0"] = {how: one["low"] > 0 for how, one in gap.items()}
    return result


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=10, help="repeats of the five folds")
    args = parser.parse_args()
    finish(diagnosis(args.splits), FIGURES, args)


if __name__ == "__main__":
    main()
