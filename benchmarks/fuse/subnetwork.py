"""Sub-networks side by side or one behind the other: less `early`, on tweets (3 classes) and Chinese news (10).

`python -m benchmarks.fuse.subnetwork [PART ...] [--splits 5]`: mvsa_single and web_news_zh, by the protocol of
`benchmarks/fuse/classes.py`: learned from training and validation rows, scored on the others. "Parallel" and "cascade"
(the words first, then the picture) stand beside the head of `early` as far as held-out rows gain by it; "alone" is the
same networks without it, and "cut" the cascade's with its second network told nothing.

Accuracy in %, log loss in nats, seconds of a fit on one thread; differences split by split, with Nadeau & Bengio's
(2003) interval.
"""

from __future__ import annotations

import copy
import time
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks._sets import encoded, pictures
from benchmarks._trials import SHARES, Figure, Runs, apart, arguments, finish, protocol, say
from chiasm.fuse.early import Early
from chiasm.fuse.subnetwork import Subnetwork
from chiasm.views import Views

PACKS = {"mvsa_single": "sentiment of tweets", "web_news_zh": "Chinese news"}
NETWORKS: dict[str, dict[str, Any]] = {
    "parallel": {},
    "cascade": {"join": "cascade"},
}
SHORT = {
    "parallel": "parallel",
    "parallel_alone": "parallel, alone",
    "cascade": "cascade",
    "cascade_alone": "cascade, alone",
    "cascade_cut": "cascade, cut",
}
"""By figure: the method."""
FIGURES = [
    Figure(f"{name}.{short}", (name, "scores", method, "accuracy"), f"{what}, accuracy: {method}", "%", n="{n} splits")
    for name, what in PACKS.items()
    for short, method in {"early": "early", **SHORT}.items()
]
FIGURES += [
    Figure(
        f"{name}.{short}.gain",
        (name, "accuracy less early's", method),
        f"{what}, accuracy: {method} less `early` on the same splits",
        "points",
        "+.1f",
        "{n} splits",
    )
    for name, what in PACKS.items()
    for short, method in SHORT.items()
]


def alone(fitted: Subnetwork) -> Subnetwork:
    """The same networks without the closed head."""
    other = copy.copy(fitted)
    other.shares_ = dict.fromkeys(fitted.shares_, 1.0)
    return other


def cut(fitted: Subnetwork) -> Subnetwork:
    """The same networks, each told nothing of the one before."""
    other = alone(fitted)
    other.params_ = {
        group: {name: 0 * values if name == "told" else values for name, values in held.items()}
        for group, held in fitted.params_.items()
    }
    return other


def scored(fuser: Any, test: Views) -> dict[str, float]:
    gained = fuser.target_.gain(fuser.outputs(test), fuser.target_.encode(test.label))
    return {"accuracy": 100 * float(fuser.score(test)), "log loss": float(-gained.mean())}


def run(name: str, splits: int) -> dict[str, Any]:
    raw = pictures(name, label="label")
    views, found = encoded(raw), Runs()
    for seed, split in protocol(raw, splits):
        learned, test = views[split != "test"], views[split == "test"]
        found.add("early", scored(Early().fit(learned), test))
        for method, params in NETWORKS.items():
            started = time.process_time()
            fuser = Subnetwork(**params).fit(learned)
            took = time.process_time() - started
            found.add(method, {**scored(fuser, test), "share": fuser.shares_[""], "seconds": took})
            found.add(f"{method}, alone", scored(alone(fuser), test))
        found.add("cascade, cut", scored(cut(fuser), test))
        say(name, seed, found.last("accuracy"), found.last("share"))
    result: dict[str, Any] = {"rows": len(views), "scores": found.spreads()}
    for measure in ("accuracy", "log loss") if splits > 1 else ():
        result[f"{measure} less early's"] = {
            method: apart(values[measure], found["early"][measure], SHARES["test"], 1 - SHARES["test"])
            for method, values in found.items()
            if method != "early"
        }
    return result


def main() -> None:
    parser = arguments(__doc__, PACKS)
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    with threadpool_limits(1):
        finish({name: run(name, args.splits) for name in args.parts or PACKS}, FIGURES, args)


if __name__ == "__main__":
    main()
