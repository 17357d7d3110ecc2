"""Do neighbors help an answer? `graph` less `early`, and less itself with neighbors dealt to other rows.

`python -m benchmarks.fuse.graph [PART ...] [--splits 5]`; re-drawn 60/20/20 splits, learned from training and
validation rows, scored on the test rows, which are linked to rows that were learned from alone. The parts are

- web_news_zh, mvsa_single: rows linked by the likeness of all views (news of 10 classes; sentiment of tweets, 3);
- hashtags: mvsa_single again, tweets linked by the hashtags and names that they share, which are a view of their own;
- buyers: articles of a shop (recsys), linked by who bought both up to September; the price (its logarithm) from the
  words and the buyers. Articles of one stock number, but for its letter, are on one side.

Every method gets the same views. Beside `graph`, whose neighbors count as far as held-out rows gain, its head that
always hears them, and one that learned and answers with each row's neighbors dealt to another row. Tags and buyers are
marks in rows of length 1, as `bow_text` gives words. Of buyers there is a bar more: `early`, and `graph`, with one view
more of the marks on 30 or 100 principal axes of the rows learned from, whichever `early` finds best out of fold.
Accuracy, or R2, in %; log loss in nats; differences split by split, with Nadeau & Bengio's (2003) interval.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.decomposition import TruncatedSVD
from threadpoolctl import threadpool_limits

from benchmarks._sets import encoded, pictures, table
from benchmarks._trials import SHARES, Figure, Runs, apart, arguments, finish, protocol, redrawn, say
from chiasm.fuse.early import Early
from chiasm.fuse.graph import Graph, Links
from chiasm.views import Column, Views, normalize

PARTS = {
    "web_news_zh": "Chinese news by likeness, accuracy",
    "mvsa_single": "sentiment of tweets by likeness, accuracy",
    "hashtags": "sentiment of tweets by shared hashtags, accuracy",
    "buyers": "log price of articles by shared buyers, R2",
}
ALWAYS, DEALT = "neighbors always", "neighbors dealt"
EARLY_AXES, GRAPH_AXES = "early with axes of marks", "graph with axes of marks"
SHORT = {"early": "early", "graph": "graph", "always": ALWAYS, "dealt": DEALT}
GAINS = {"graph.gain": ("graph", "early"), "always.gain": (ALWAYS, "early"), "always.over_dealt": (ALWAYS, DEALT)}
MARKED = {
    "axes.gain": (EARLY_AXES, "early"),
    "graph.over_axes": ("graph", EARLY_AXES),
    "axes.graph.gain": (GRAPH_AXES, EARLY_AXES),
}
AXES = (30, 100)
MARKS = {"buyers": "buyers"}
"""By part, the view of marks that is seen on axes too."""

FIGURES = [
    Figure(f"{part}.{short}", (part, "scores", method, "score"), f"{what}: {method}", "%", n="{n} splits")
    for part, what in PARTS.items()
    for short, method in (SHORT | ({"axes": EARLY_AXES, "axes.graph": GRAPH_AXES} if part in MARKS else {})).items()
]
FIGURES += [
    Figure(f"{part}.{name}", (part, "score", f"{a} less {b}"), f"{what}: {a} less {b}", "points", "+.1f", "{n} splits")
    for part, what in PARTS.items()
    for name, (a, b) in (GAINS | (MARKED if part in MARKS else {})).items()
]
FIGURES += [
    Figure(f"{part}.{at}", (part, "scores", "graph", at), f"{what}: {words}", "", ".2f", "{n} splits")
    for part, what in PARTS.items()
    for at, words in (("share", "what neighbors count"), ("linked", "rows learned from that have links"))
]


class Dealt(Graph):
    """A graph in which rows have one another's neighbors."""

    def _links(self, held: Any, n: int, folds: np.ndarray | None = None) -> Links:
        links = super()._links(held, n, folds)
        rows = np.flatnonzero(links.alike.any(axis=1))
        order = np.random.default_rng(self.seed).permutation(rows)
        links.places[rows], links.alike[rows] = links.places[order], links.alike[order]
        return links


def always(fitted: Graph) -> Graph:
    """A fitted graph that hears neighbors whatever held-out rows say."""
    other = type(fitted)(**fitted.get_params())
    vars(other).update(copy.copy(fitted.learned()))
    other.chosen_ = {**fitted.chosen_, "share": 1.0}
    return other


def hashtags() -> Views:
    """Tweets, and as a third view which of the tags and names that occur in two tweets or more they hold."""
    raw = pictures("mvsa_single", label="label")
    said = [set(re.findall(r"[#@]\w+", text.lower())) for text in table("mvsa_single")["text"]]
    counts = Counter(tag for tags in said for tag in tags)
    place = {tag: i for i, tag in enumerate(sorted(tag for tag, count in counts.items() if count > 1))}
    held = np.zeros((len(said), len(place)), dtype=np.float32)
    for row, tags in enumerate(said):
        held[row, [place[tag] for tag in tags if tag in place]] = 1
    return raw.replace({**raw.columns, "tags": Column("vector", normalize(held))})


def buyers() -> Views:
    """Articles: their words, who bought them up to September, and the logarithm of their price."""
    items, bought = table("recsys", "items.parquet"), table("recsys", "interactions.parquet")
    kept = [
        i for i, (known, price) in enumerate(zip(items["in_train"], items["price"], strict=True)) if known and price
    ]
    place = {items["item"][i]: row for row, i in enumerate(kept)}
    pairs = [(u, i) for u, i, s in zip(bought["user"], bought["item"], bought["split"], strict=True) if s == "train"]
    users = {user: column for column, user in enumerate(sorted({user for user, _ in pairs}))}
    held = np.zeros((len(kept), len(users)), dtype=np.float32)
    for user, item in pairs:
        if item in place:
            held[place[item], users[user]] = 1
    names = [items["item"][i] for i in kept]
    return Views.of(
        {"text": [items["text"][i] for i in kept], "buyers": normalize(held)},
        {"text": "text", "buyers": "vector"},
        id=names,
        label=[float(np.log(items["price"][i])) for i in kept],
        group=[re.sub(r"\D+$", "", name) for name in names],
    )


READ: dict[str, tuple[Callable[[], Views], dict[str, Any]]] = {
    "web_news_zh": (partial(pictures, "web_news_zh", label="label"), {}),
    "mvsa_single": (partial(pictures, "mvsa_single", label="label"), {}),
    "hashtags": (hashtags, {"by": "tags"}),
    "buyers": (buyers, {"by": "buyers", "kind": "numbers"}),
}


def scored(fuser: Any, test: Views) -> dict[str, float]:
    found = {"score": 100 * float(fuser.score(test))}
    if fuser.kind == "classes":
        found["log loss"] = float(-fuser.target_.gain(fuser.outputs(test), fuser.target_.encode(test.label)).mean())
    return found


def with_axes(views: Views, name: str, learned: np.ndarray, count: int) -> Views:
    """A view more: marks on so many principal axes of the rows learned from; where there is no mark, none."""
    units = np.asarray(views[name].items[views[name].index])
    marked = units.any(axis=1)
    axes = TruncatedSVD(count, random_state=0).fit(units[learned & marked])
    rows = np.where(marked[:, None], axes.transform(units), np.nan).astype(np.float32)
    return views.replace({**views.columns, "axes": Views.of({"axes": rows})["axes"]})


def on_axes(views: Views, part: str, split: np.ndarray, params: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What `early` and `graph` score with the axes that `early` finds best out of fold."""
    tried = []
    for count in AXES:
        seen = with_axes(views, MARKS[part], split != "test", count)
        early = Early(params.get("kind", "classes")).fit(seen[split != "test"])
        gain = early.target_.gain(early.crossed(seen[split != "test"]), early.folds_.truth_).mean()
        tried.append((float(gain), seen, early, count))
    _, seen, early, count = max(tried, key=lambda one: one[0])
    graph = Graph(**params).fit(seen[split != "test"])
    test = seen[split == "test"]
    return {EARLY_AXES: {**scored(early, test), "count": count}, GRAPH_AXES: {**scored(graph, test), **graph.chosen_}}


def run(part: str, splits: int) -> dict[str, Any]:
    read, params = READ[part]
    raw = read()
    views, found = encoded(raw), Runs()
    cuts = redrawn(raw, SHARES, splits) if params.get("kind") == "numbers" else protocol(raw, splits)
    for seed, split in cuts:
        learned, test = views[split != "test"], views[split == "test"]
        early = Early(params.get("kind", "classes")).fit(learned)
        graph = Graph(**params).fit(learned)
        found.add("early", scored(early, test))
        found.add("graph", {**scored(graph, test), **graph.chosen_})
        found.add(ALWAYS, scored(always(graph), test))
        found.add(DEALT, scored(always(Dealt(**params).fit(learned)), test))
        for name, scores in (on_axes(views, part, split, params) if part in MARKS else {}).items():
            found.add(name, scores)
        say(part, seed, found.last("score"), graph.chosen_)
    result: dict[str, Any] = {"rows": len(views), "scores": found.spreads()}
    for measure in ("score", "log loss") if splits > 1 else ():
        result[measure] = {
            f"{a} less {b}": apart(found[a][measure], found[b][measure], SHARES["test"], 1 - SHARES["test"])
            for a, b in (GAINS | (MARKED if part in MARKS else {})).values()
            if measure in found[a]
        }
    return result


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    with threadpool_limits(1):
        finish({part: run(part, args.splits) for part in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
