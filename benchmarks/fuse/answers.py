"""Tags and numbers on real packs: what each view adds, over re-drawn splits.

ikea: the colors of a product (any of its 15 commonest words of color) from its picture and its description.
covid_cxr: the age of a patient from the X-ray and the notes, ages in the notes masked; patients never parted.

`python -m benchmarks.fuse.answers`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from benchmarks._sets import colors, pack
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.data.read import read
from chiasm.encoding import Encoding
from chiasm.tasks.regress import Regress
from chiasm.tasks.tag import Tag
from chiasm.views import Views

SPLITS, SHARES = 10, {"train": 0.8, "test": 0.2}
AGE = re.compile(
    r"(?i)\b\d+\s*[- ]?(year|yr|y\.?o)\S*(\s*[- ]?old)?|\baged?\s+\d+|\b(in (his|her) )?\d0s\b"
    r"|\b(elderly|young|middle[- ]aged)\b"
)
COLORS, AGE_OF = "ikea colors", "covid_cxr age"
FIGURES = [
    Figure(
        f"colors.{short}",
        (COLORS, "figures", row, measure),
        f"colors of ikea's products, 15 tags: {what}",
        format=".3f",
        n="{n} splits",
    )
    for short, row, measure, what in (
        ("f1", "all", "f1_micro", "micro F1 from picture and description"),
        ("macro", "all", "f1_macro", "macro F1"),
        ("map", "all", "average_precision", "mean average precision"),
        ("image", "image alone", "f1_micro", "micro F1 from the picture alone"),
        ("description", "description alone", "f1_micro", "micro F1 from the description alone"),
        ("majority", "majority", "f1_micro", "micro F1 of the commonest tags"),
    )
]
FIGURES += [
    Figure(
        "colors.description.adds",
        (COLORS, "adds", "over image alone"),
        "colors of ikea's products, 15 tags: micro F1, what the description adds",
        format="+.3f",
        n="{n} splits",
    ),
    Figure(
        "age.r2",
        (AGE_OF, "figures", "all", "r2"),
        "a patient's age from X-ray and notes (ages masked): R2",
        format=".3f",
        n="{n} splits",
    ),
    Figure(
        "age.notes.adds",
        (AGE_OF, "adds", "over image alone"),
        "a patient's age: R2, what the notes add",
        format="+.3f",
        n="{n} splits",
    ),
]


def ages() -> tuple[Views, list[float | None]]:
    folder = pack("covid_cxr")
    views = read(folder / "data.parquet", image="image", text="clinical_notes", id="id", group="patient", label="age")
    notes = views["clinical_notes"]
    notes.items = [AGE.sub("_", text) for text in notes.items]
    return views, [float(a) if a not in ("", "nan") else None for a in views.label]


def run(task: type, views: Views, labels: Any, figures: tuple[str, ...]) -> dict[str, Any]:
    """The task on re-drawn splits from features encoded once: each figure of all, each alone, and the difference."""
    twins = Encoding().twins(views)
    encoded = Encoding().fit_transform(views)
    known = np.array([label is not None for label in labels])
    y = np.empty(len(labels), dtype=object)
    y[:] = labels
    encoded, y, twins = encoded[known], y[known], twins[known]
    seen = Runs()
    for seed, split in redrawn(encoded, SHARES, SPLITS, twins):
        say(f"{task.__name__}: split {seed + 1} of {SPLITS}")
        model = task(seed=seed, allow_leaks=True).fit(encoded[split == "train"], y[split == "train"])
        told = model.score(encoded[split == "test"], y[split == "test"], allow_train=True).table
        rows = {"all": told, **{f"{v} alone": t for v, t in told["views_alone"].items()}}
        for name, row in rows.items():
            seen.add(name, {figure: row[figure]["value"] for figure in figures})
        seen.add("majority", {figures[0]: told["majority"]})
    first = {name: row[figures[0]] for name, row in seen.items()}
    adds = {
        f"over {name}": apart(first["all"], values, SHARES["test"], SHARES["train"])
        for name, values in first.items()
        if name.endswith("alone")
    }
    return {"rows": len(encoded), "figures": seen.spreads(), "adds": adds}


def main() -> None:
    args = arguments(__doc__).parse_args()
    result = {
        COLORS: run(Tag, *colors(), ("f1_micro", "f1_macro", "average_precision")),
        AGE_OF: run(Regress, *ages(), ("r2", "mae")),
    }
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
