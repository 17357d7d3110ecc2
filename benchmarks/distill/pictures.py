"""A large picture network teaches a student that reads the small, embedded one; no other form of the rows is looked at.

`python -m benchmarks.distill.pictures [news ikea] [--splits 5] [--shares 25 100]`: pictures in effnet_image (the
student) and in effnet2_image (the teacher, EfficientNet-Lite2, the extra `lite2`), classes of news and types of ikea
products (of at least nine rows; of rows that share a picture the first). Re-drawn 60/20/20 splits with equal shares of
every class; of the rows that are learned from a share has its label, all have both views; test rows are read by the
student alone. The fuser is `early`.

- alone: the student untaught. large: the teacher's own view, at the test as well, which no student has.
- soft labels, features: taught so. shuffled: soft labels of a teacher whose rows were shuffled.

Nothing was chosen on these rows; the settings of the methods are their defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._sets import encoded, only, pictures, without_test
from benchmarks._trials import Figure, Runs, apart, arguments, finish, protocol, say
from benchmarks.distill._teaching import OTHER, fewer
from chiasm.distill.features import Features
from chiasm.distill.soft_labels import SoftLabels
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.views import Column, Views

SET = {"news": "Chinese news", "ikea": "ikea products"}
SHARES = {"news": (5, 25, 100), "ikea": (25, 100)}
"""Of ikea's labels two a type are 16 % already."""
LEAST = 9
METHODS: dict[str, Any] = {"soft labels": SoftLabels, "features": Features, "shuffled": SoftLabels}
READ = ("alone", "large")

FIGURES = [
    Figure(
        f"{pack}.{share}.{name.replace(' ', '_')}",
        (pack, f"{share} %", "less alone" if less else "accuracy", name),
        f"{held}, pictures of a small network taught by a large one, {share} % of the labels: {name}"
        + (" less alone" if less else ""),
        "points" if less else "%",
        "+.1f" if less else ".1f",
        "{splits} splits",
    )
    for pack, held in SET.items()
    for share in SHARES[pack]
    for name, less in [("alone", False), ("large", False), *((name, True) for name in METHODS)]
] + [
    Figure(
        f"{pack}.{share}.large.less",
        (pack, f"{share} %", "less alone", "large"),
        f"{held}, pictures, {share} % of the labels: the large network less the small one",
        "points",
        "+.1f",
        "{splits} splits",
    )
    for pack, held in SET.items()
    for share in SHARES[pack]
]


def read(pack: str) -> Views:
    """Rows with a label and `student` and `teacher`, one picture in two networks."""
    if pack == "news":
        raw = without_test("web_news_zh", pictures("web_news_zh", label="label"))
    else:
        raw = pictures("ikea", label="type")
    raw = raw[np.flatnonzero(raw.present("image"))]
    raw = raw[np.sort(np.unique(Encoding().twins(only(raw, ["image"])), return_index=True)[1])]
    known, count = np.unique(raw.label.astype(str), return_counts=True)
    raw = only(raw[np.flatnonzero(np.isin(raw.label.astype(str), known[count >= LEAST]))], ["image"])
    large = Encoding({"image": OTHER["image"]}).fit_transform(raw)["image"]
    large = Column(large.modality, np.asarray(large.items[np.arange(len(large.items))]), large.index)
    return raw.replace({"student": encoded(raw)["image"], "teacher": large})


def run(pack: str, splits: int, shares: Sequence[int]) -> dict[str, Any]:
    """Accuracy by share, and what each has more than the student alone."""
    views = read(pack)
    label = views.label.astype(object)
    say(pack, len(views), "rows,", len(set(label)), "classes")
    result: dict[str, Any] = {}
    for share in shares:
        scores, sizes = Runs(), (1, 4)
        for seed, split in protocol(only(views, ["student"]), splits):
            learned, test = np.flatnonzero(split != "test"), np.flatnonzero(split == "test")
            sizes = len(test), len(learned)
            kept, truth = fewer(label, learned, share, seed)[learned], label[test]
            whole, rest = views[learned], views[test]
            dealt = np.random.default_rng(seed).permutation(len(learned))
            other = Column("vector", whole["teacher"].items, whole["teacher"].index[dealt])
            for name in (*READ, *METHODS):
                if name in READ:
                    mine = "student" if name == "alone" else "teacher"
                    part: Any = Early(seed=seed).fit(only(whole, [mine]), kept)
                else:
                    mine = "student"
                    pair = {"student": whole["student"], "teacher": other if name == "shuffled" else whole["teacher"]}
                    part = METHODS[name](teacher="teacher", student="early", seed=seed).fit(whole.replace(pair), kept)
                found = part.predict(only(rest, [mine]))
                scores.add(name, {"accuracy": 100 * float((found == truth).mean())})
            say(pack, share, seed, scores.last("accuracy"))
        alone = scores["alone"]["accuracy"]
        result[f"{share} %"] = {
            "splits": splits,
            "accuracy": {name: one["accuracy"] for name, one in scores.spreads().items()},
            "less alone": {name: apart(scores[name]["accuracy"], alone, *sizes) for name in ("large", *METHODS)},
        }
    return result


def main() -> None:
    parser = arguments(__doc__, SET)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--shares", type=int, nargs="+")
    args = parser.parse_args()
    finish({pack: run(pack, args.splits, args.shares or SHARES[pack]) for pack in args.parts or SET}, FIGURES, args)


if __name__ == "__main__":
    main()
