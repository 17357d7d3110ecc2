"""Hash codes: what 16 to 128 bits keep of a space of floats, beside random hyperplanes and signs without a turn.

`python -m benchmarks.align.hashing [PART ...] [--splits 10]`.

`wikipedia`: the published features (image log1p(50 x), text square root, as they suit `cca` best on cuts of the
training rows) and 10 classes; re-drawn cuts, 80 % of all 2,866 rows learned from. `ikea`: products of the types that
at least ten have (pictures <-> descriptions), a class a type. Class mAP over all rows scored, and mAP@50, means of both
directions; the space is `cca` as it chooses itself, and all codes are made of the same one. Ties between codes count by
the expectation over their orders. `coco2k`: R@1 and R@10, means of both directions. *Kept* is the share of the floats'
figure, its interval over re-drawn splits (Nadeau & Bengio 2003). Nothing of a code is chosen;
that all axes are turned was settled on cuts of the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks._sets import encoded, pictures, wikipedia
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.align.cca import CCA
from chiasm.align.hashing import Hashing
from chiasm.encoding import Encoding
from chiasm.stats.ranking import average_precision
from chiasm.views import Views, normalize

PARTS = ("wikipedia", "ikea", "coco2k")
BITS = (16, 32, 64, 128)
ROTATIONS = ("itq", "random", "none")
SHARES = {"train": 0.8, "test": 0.2}
LEAST = 10
"""Products that a type of ikea's must have."""
WORDS = {"mAP": "class mAP", "mAP@50": "class mAP@50", "R@1": "R@1", "R@10": "R@10"}

FIGURES = [
    Figure(
        f"{part}.{short}.{measure.lower().replace('@', '')}{end}",
        (part, kind, name, measure),
        f"{part}: {WORDS[measure]} of {name}{what}",
        unit,
        form,
        "{n} splits",
        100,
    )
    for part in PARTS
    for measure in (("R@1", "R@10") if part == "coco2k" else ("mAP", "mAP@50"))
    for name, short in (("floats", "floats"), *((f"{r} {b}", f"{r}.{b}") for r in ROTATIONS for b in BITS))
    for kind, end, what, unit, form in (
        ("found", "", "", "%", ".1f"),
        ("kept", ".kept", ", as a share of the floats'", "%", ".1f"),
    )
    if (kind, name) != ("kept", "floats")
]


def ikea() -> tuple[Views, np.ndarray, np.ndarray]:
    """Views, classes and what has to stay on one side."""
    views = pictures("ikea", label="type")
    _, label, counts = np.unique(views.label.astype(str), return_inverse=True, return_counts=True)
    views = views[np.flatnonzero(counts[label] >= LEAST)]
    label = np.unique(views.label.astype(str), return_inverse=True)[1]
    return encoded(views), label, Encoding().twins(views)


def coco2k() -> tuple[Views, np.ndarray, np.ndarray]:
    """As `ikea`; every row is a class of its own."""
    views = pictures("coco2k")
    return encoded(views), np.arange(len(views)), Encoding().twins(views)


def scores(views: Views, label: np.ndarray, mapped: Views) -> dict[str, float]:
    """Means of both directions."""
    a, b = (normalize(np.asarray(column.items)[column.index]) for column in mapped.columns.values())
    both = ((a, b), (b, a))
    if len(np.unique(label)) == len(label):
        return {f"R@{k}": float(np.mean([_recall(q, g, k) for q, g in both])) for k in (1, 10)}
    return {
        name: float(np.mean([average_precision(q, g, label, label, top).mean() for q, g in both]))
        for name, top in (("mAP", None), ("mAP@50", 50))
    }


def _recall(queries: np.ndarray, gallery: np.ndarray, k: int) -> float:
    """The expected share of queries with their own row among the k nearest, equal ones being in no order."""
    products = (queries @ gallery.T).round(6)
    own = np.diagonal(products)[:, None]
    above, tied = (products > own).sum(axis=1), (products == own).sum(axis=1)
    return float(np.clip((k - above) / tied, 0, 1).mean())


def part(name: str, splits: int) -> dict[str, Any]:
    """Every code beside the floats that it is made of."""
    views, label, twins = {"wikipedia": wikipedia, "ikea": ikea, "coco2k": coco2k}[name]()
    stratify = None if name == "coco2k" else label
    runs = Runs()
    for seed, split in redrawn(views, SHARES, splits, twins, stratify):
        train, test = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
        space = CCA(seed=seed).fit(views[train])
        known = {key: value for key, value in space.choices().items() if key in ("k", "ridge")}
        spaces: Mapping[str, Any] = {"floats": space} | {
            f"{rotation} {bits}": Hashing(bits, rotation, CCA(**known), seed).fit(views[train])
            for rotation in ROTATIONS
            for bits in BITS
        }
        for method, model in spaces.items():
            runs.add(method, scores(views[test], label[test], model.transform(views[test])))
        say(name, seed, runs.last(next(iter(runs["floats"])), 3))
    floats = runs["floats"]
    kept = {
        method: {
            measure: apart(np.array(of[measure]) / floats[measure], np.zeros(splits), SHARES["test"], SHARES["train"])
            for measure in of
        }
        for method, of in runs.items()
        if method != "floats"
    }
    return {"found": runs.spreads(), "kept": kept, "rows": len(views), "classes": len(np.unique(label))}


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    finish({name: part(name, args.splits) for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
