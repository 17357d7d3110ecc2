"""Views absent: one `auto` model with inputs dropped, against `auto` learned for just the views that are left.

`python -m benchmarks.fuse.missing [--splits N]`: mvsa_single, covid_cxr and web_news_zh, N re-drawn 80/20 splits (5).
Bar: 97 % of the accuracy for every subset of the views.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from benchmarks._sets import encoded, only, pictures
from benchmarks._trials import Figure, arguments, finish, redrawn, say
from benchmarks._xrays import xrays
from chiasm.encoding import Encoding
from chiasm.fuse.auto import Auto
from chiasm.views import Views

RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
PACKS = {"mvsa_single": "tweets", "covid_cxr": "X-rays + notes + record", "web_news_zh": "Chinese news"}
FIGURES = [
    *(
        Figure(
            name,
            (name, "least ratio"),
            f"{what}: accuracy of one model with views dropped over that of one learned without them, the least",
            format=".3f",
            n="{splits} splits",
        )
        for name, what in PACKS.items()
    ),
    Figure(
        "rates.least",
        ("ratios by rate, least",),
        "ratio of accuracies with views dropped at drop rates 0 to .95, all three packs, the least",
        format=".3f",
    ),
    Figure(
        "rates.most",
        ("ratios by rate, most",),
        "ratio of accuracies with views dropped at drop rates 0 to .95, all three packs, the most",
        format=".3f",
    ),
]


def missing(splits: int) -> dict[str, Any]:
    """One model for all subsets of the views, against one learned for each."""
    result: dict[str, Any] = {}
    for name in PACKS:
        if name == "covid_cxr":
            views = xrays(offset=False)[0]
            twins = None
        else:
            views = pictures(name, label="label")
            twins = Encoding().twins(views)
        result[name] = _missing(views, twins, splits, name)
    rates = [one[2] for found in result.values() for one in found["by rate: one model, oracle, ratio"].values()]
    result["bar: at least .97 for every subset"] = {name: result[name]["least ratio"] >= 0.97 for name in PACKS}
    return {**result, "ratios by rate, least": min(rates), "ratios by rate, most": max(rates)}


def _missing(raw: Views, twins: np.ndarray | None, splits: int, title: str) -> dict[str, Any]:
    names = raw.names
    kept = [s for size in range(1, len(names) + 1) for s in combinations(range(len(names)), size)]
    one: dict[tuple[int, ...], list[float]] = {s: [] for s in kept}
    oracle: dict[tuple[int, ...], list[float]] = {s: [] for s in kept}
    at_rate: dict[float, list[tuple[float, float]]] = {rate: [] for rate in RATES}
    learned_none = encoded(only(raw, [v for v in names if v != "record"]))
    for seed, split in redrawn(raw, {"train": 0.8, "test": 0.2}, splits, twins, raw.label):
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
    ratio = {label[s]: round(float(np.mean(one[s]) / np.mean(oracle[s])), 4) for s in kept}
    return {
        "splits": splits,
        "majority": round(float(np.unique(raw.label.astype(str), return_counts=True)[1].max() / len(raw)), 4),
        "one model": {label[s]: round(float(np.mean(v)), 4) for s, v in one.items()},
        "learned for the subset": {label[s]: round(float(np.mean(v)), 4) for s, v in oracle.items()},
        "ratio of accuracies": ratio,
        "least ratio": min(ratio.values()),
        "by rate: one model, oracle, ratio": {
            f"{rate:g}": [*np.mean(v, axis=0).round(4).tolist(), round(float(np.divide(*np.mean(v, axis=0))), 4)]
            for rate, v in at_rate.items()
        },
    }


def _right(outputs: np.ndarray, truth: np.ndarray, fuser: Any) -> float:
    return float((fuser.target_.decode(outputs) == truth).mean())


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    finish(missing(args.splits), FIGURES, args)


if __name__ == "__main__":
    main()
