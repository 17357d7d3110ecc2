"""Hand-made color, edge and texture features, each alone and each left out, beside a pretrained network: ikea.

`python -m benchmarks.fuse.handmade`: the product's type from its picture, the 50 commonest types. 10 re-drawn splits,
three fifths to learn from, a fifth to choose on, a fifth to test, stratified by type; rows of byte-equal pictures stay
on one side (pictures of one product in two colors do not). Logistic regression on standardized features, C chosen on
the validation rows, then fitted again on both. A figure is the mean accuracy in % over the splits with Nadeau &
Bengio's (2003) 95 % interval, which knows that splits share rows. Differences are taken split by split.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks._sets import pictures, table
from benchmarks._trials import Figure, apart, arguments, finish
from chiasm.encode.pixel_image import PixelImage
from chiasm.encoding import Encoding

TYPES = 50
SPLITS = 10
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
GROUPS = ("color", "edge", "texture")
FEATURES = {
    "majority": "majority",
    **{group: group for group in GROUPS},
    "all": "all",
    **{f"without_{group}": f"all but {group}" for group in GROUPS},
    "effnet": "effnet_image",
    "effnet+all": "effnet_image + all",
}
"""By figure: the features."""

AGAINST = {
    "gain.all-color": ("all", "all but color"),
    "gain.all-edge": ("all", "all but edge"),
    "gain.all-texture": ("all", "all but texture"),
    "gain.effnet-all": ("effnet_image", "all"),
    "gain.both-effnet": ("effnet_image + all", "effnet_image"),
}
"""By figure: one, and what is taken off it."""

FIGURES = [
    Figure(
        short,
        ("accuracy %", name),
        f"type of an ikea product from its picture, 50 classes: {name}",
        "%",
        n="{n} splits",
    )
    for short, name in FEATURES.items()
]
FIGURES += [
    Figure(
        short,
        ("difference", f"{one} minus {other}"),
        f"type of an ikea product from its picture, 50 classes: {one} less {other}",
        "points",
        "+.1f",
        "{n} splits",
    )
    for short, (one, other) in AGAINST.items()
]


def fitted(x: np.ndarray, y: np.ndarray, strengths: Sequence[float]) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Logistic regression on standardized features for each C, as functions from features to answers.

    It sees them in a basis of the space that the rows span, which changes no answer and saves time.
    """
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-9, spread, np.inf)
    turn = np.linalg.svd((x - mean) / spread, full_matrices=False)[2].T
    model = LogisticRegression(max_iter=300, tol=1e-3, warm_start=True)
    for strength in strengths:
        model.set_params(C=strength).fit((x - mean) / spread @ turn, y)
        yield lambda asked: np.asarray(model.predict((asked - mean) / spread @ turn))


def accuracy(x: np.ndarray, y: np.ndarray, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
    """Accuracy in % on the test rows with the C that is best on the validation rows."""
    train, val, test = parts
    found = [float((answer(x[val]) == y[val]).mean()) for answer in fitted(x[train], y[train], STRENGTHS)]
    both = np.concatenate([train, val])
    (answer,) = fitted(x[both], y[both], [STRENGTHS[int(np.argmax(found))]])
    return 100 * float((answer(x[test]) == y[test]).mean())


def main() -> None:
    args = arguments(__doc__).parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    types = table("ikea", "items.parquet")["type"]
    views = pictures("ikea", text=None)
    names, counts = np.unique(types, return_counts=True)
    rows = np.flatnonzero(np.isin(types, names[np.argsort(-counts, kind="stable")[:TYPES]]))
    y = np.array(types)[rows]
    views = views[rows]

    blocks = {}
    for group in GROUPS:
        column = Encoding({"image": PixelImage(groups=(group,))}).fit_transform(views)["image"]
        blocks[group] = np.asarray(column.take(column.index))
    column = Encoding({"image": "effnet_image"}).fit_transform(views)["image"]
    same_picture = column.index
    features = {"color": blocks["color"], "edge": blocks["edge"], "texture": blocks["texture"]}
    features["all"] = np.concatenate(list(blocks.values()), axis=1)
    for group in GROUPS:
        kept = [block for name, block in blocks.items() if name != group]
        features[f"all but {group}"] = np.concatenate(kept, axis=1)
    features["effnet_image"] = np.asarray(column.take(column.index))
    features["effnet_image + all"] = np.concatenate([features["effnet_image"], features["all"]], axis=1)

    scores: dict[str, list[float]] = {name: [] for name in ["majority", *features]}
    for seed in range(SPLITS):
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(rows, y, same_picture)
        fifths = [fifth for _, fifth in folds]
        parts = (np.concatenate(fifths[2:]), fifths[1], fifths[0])
        seen, often = np.unique(y[np.concatenate(parts[:2])], return_counts=True)
        scores["majority"].append(100 * float((y[parts[2]] == seen[often.argmax()]).mean()))
        for name, x in features.items():
            scores[name].append(accuracy(x, y, parts))
        print(seed, {name: round(values[-1], 1) for name, values in scores.items()}, flush=True)
    finish(
        {
            "rows": len(rows),
            "pictures": len(np.unique(same_picture)),
            "width": {name: x.shape[1] for name, x in features.items()},
            "accuracy %": {name: apart(values, 0, 0.2, 0.8) for name, values in scores.items()},
            "difference": {
                f"{one} minus {other}": apart(scores[one], scores[other], 0.2, 0.8) for one, other in AGAINST.values()
            },
        },
        FIGURES,
        args,
    )


if __name__ == "__main__":
    main()
