"""Hand-made color, edge and texture features, each alone and each left out, beside a pretrained network: ikea.

`python -m benchmarks.fuse.handmade`: the product's type from its picture, the 50 commonest types. 10 re-drawn splits,
three fifths to learn from, a fifth to choose on, a fifth to test, stratified by type; rows of byte-equal pictures stay
on one side (pictures of one product in two colors do not). Logistic regression on standardized features, C chosen on
the validation rows, then fitted again on both. A figure is the mean accuracy in % over the splits with its 95 %
interval by Student's t: splits share rows, so it is somewhat too narrow. Differences are taken split by split.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._sets import pictures, table
from benchmarks._trials import Figure, arguments, finish
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


def interval(values: list[float]) -> dict[str, float]:
    """Mean and 95 % interval of the mean."""
    mean, error = float(np.mean(values)), float(stats.sem(values))
    reach = error * float(stats.t.ppf(0.975, len(values) - 1))
    return {"value": round(mean, 1), "low": round(mean - reach, 1), "high": round(mean + reach, 1), "n": len(values)}


def classifier(strength: float) -> object:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300, tol=1e-3))


def accuracy(x: np.ndarray, y: np.ndarray, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
    """Accuracy in % on the test rows with the C that is best on the validation rows."""
    train, val, test = parts
    found = [classifier(c).fit(x[train], y[train]).score(x[val], y[val]) for c in STRENGTHS]
    both = np.concatenate([train, val])
    return 100 * classifier(STRENGTHS[int(np.argmax(found))]).fit(x[both], y[both]).score(x[test], y[test])


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
    against = {"all": [f"all but {group}" for group in GROUPS], "effnet_image": ["all"]}
    against["effnet_image + all"] = ["effnet_image"]
    finish(
        {
            "rows": len(rows),
            "pictures": len(np.unique(same_picture)),
            "width": {name: x.shape[1] for name, x in features.items()},
            "accuracy %": {name: interval(values) for name, values in scores.items()},
            "difference": {
                f"{one} minus {other}": interval([a - b for a, b in zip(scores[one], scores[other], strict=True)])
                for one, others in against.items()
                for other in others
            },
        },
        FIGURES,
        args,
    )


if __name__ == "__main__":
    main()
