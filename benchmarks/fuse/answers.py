"""Tags and numbers on real packs: what each view adds, over re-drawn splits.

ikea: the colors of a product (any of its 15 commonest words of color) from its picture and its description.
covid_cxr: the age of a patient from the X-ray and the notes, ages in the notes masked; patients never parted.

    python -m benchmarks.fuse.answers [--json FILE]
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from benchmarks._shared import finish, pack, spread
from chiasm.data.read import read
from chiasm.encoding import Encoding
from chiasm.splits import cut
from chiasm.stats.resample import redrawn_interval
from chiasm.tasks.regress import Regress
from chiasm.tasks.tag import Tag
from chiasm.views import Views

SPLITS, SHARES = 10, {"train": 0.8, "test": 0.2}
AGE = re.compile(
    r"(?i)\b\d+\s*[- ]?(year|yr|y\.?o)\S*(\s*[- ]?old)?|\baged?\s+\d+|\b(in (his|her) )?\d0s\b"
    r"|\b(elderly|young|middle[- ]aged)\b"
)


def colors() -> tuple[Views, list[list[str]]]:
    folder = pack("ikea")
    views = read(folder / "items.parquet", image="image", text="description", id="id")
    cells = parquet.read_table(folder / "items.parquet", columns=["color"]).to_pydict()["color"]
    words = [[w for w in re.split(r"[,/ ]+", (cell or "").lower()) if w] for cell in cells]
    kept = {w for w, _ in Counter(w for row in words for w in set(row)).most_common(15)}
    return views, [sorted(set(row) & kept) for row in words]


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
    seen: dict[str, dict[str, list[float]]] = {}
    for seed in range(SPLITS):
        split = cut(encoded, SHARES, seed, twins)
        print(f"{task.__name__}: split {seed + 1} of {SPLITS}", file=sys.stderr)
        model = task(seed=seed, allow_leaks=True).fit(encoded[split == "train"], y[split == "train"])
        table = model.score(encoded[split == "test"], y[split == "test"], allow_train=True).table
        rows = {"all": table, **{f"{v} alone": t for v, t in table["views_alone"].items()}}
        for name, row in rows.items():
            for figure in figures:
                seen.setdefault(name, {}).setdefault(figure, []).append(row[figure]["value"])
        seen.setdefault("majority", {}).setdefault(figures[0], []).append(table["majority"])
    result: dict[str, Any] = {
        "rows": len(encoded),
        "figures": {name: {f: spread(v) for f, v in row.items()} for name, row in seen.items()},
        "adds": {},
    }
    for name, row in seen.items():
        if name.endswith("alone"):
            apart = np.array(seen["all"][figures[0]]) - np.array(row[figures[0]])
            result["adds"][f"over {name}"] = redrawn_interval(apart, SHARES["test"], SHARES["train"])
    return result


if __name__ == "__main__":
    finish(
        {
            "ikea colors": run(Tag, *colors(), ("f1_micro", "f1_macro", "average_precision")),
            "covid_cxr age": run(Regress, *ages(), ("r2", "mae")),
        }
    )
