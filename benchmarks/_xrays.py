"""The X-ray pack as `diagnosis.py` and `missing.py` read it: image, masked notes and record, grouped."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

import chiasm
from benchmarks._sets import only, pack
from chiasm.encoding import Encoding
from chiasm.views import Column, Views, connected

DIAGNOSES = re.compile(
    r"""\S*(?:covid|\bncov|sars|corona\s?virus|pneumoni[ac]|pneumocystis|pneumococc|pneumophila|jirovec|carinii|strep(?:toc|\b)
    |klebsiell|legionell|influenza|varicell|chicken\s?pox|zoster|mycoplasm|chlamyd|lipoid|aspergill|tubercul|herpes|
    escherichia|wuhan|hubei|pandemic|epidemic|outbreak|rt-?pcr)\S*
    |\b(?:mers|pcp|pcr|ards|flu|flu-like|h1n1|china|chinese|e\.?\s?coli|staphylococ\w*|tb)\b
    |acute\s+respiratory\s+distress\s+syndrome""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words that name a diagnosis of the collection, its germ, the test for it, or the place and time of the epidemic.

They are taken out without a trace: a mark in their place would say that a diagnosis had been named.
"""

RECORD = {
    "number": ["age", "temperature", "pO2_saturation", "leukocyte_count", "neutrophil_count", "lymphocyte_count"],
    "category": ["sex", "went_icu", "intubated"],
}


def xrays(offset: bool) -> tuple[Views, Counter[str]]:
    """Image, masked notes and the raw record of the 556 rows, grouped by patient, picture and note; what was masked.

    `offset_days` (since the first symptoms) is left out of the record by default: who writes it down depends on the
    publication that a picture comes from, and so on the disease (it is there for 85 % of COVID-19 and for 75 % of the
    others). So is to a lesser degree every field; oxygen saturation and blood counts are known of COVID-19 alone.
    """
    path = pack("covid_cxr") / "data.parquet"
    fields = {"number": RECORD["number"] + ["offset_days"] * offset, "category": RECORD["category"]}
    columns: dict[str, Any] = {"image": "image", "text": {"notes": "clinical_notes"}, "id": "id", "label": "label"}
    views = chiasm.read(path, **columns, **fields, group="patient")
    views = views[np.isin(views.label, ["COVID-19", "Other pneumonia"])]
    masked: Counter[str] = Counter()

    def mask(note: str) -> str | None:
        masked.update(m.group().lower().strip(" .,;:()#") for m in DIAGNOSES.finditer(note))
        return " ".join(DIAGNOSES.sub(" ", note).split()) or None

    column = views["notes"]
    cells = [mask(item) for item in column.items]
    notes = Column.from_cells("text", [None if i < 0 else cells[i] for i in column.index.tolist()])
    views = views.replace({"image": views["image"], "notes": notes, "record": views["record"]})
    clusters = views.clusters
    for name in ("image", "notes"):
        same = Encoding().twins(only(views, [name]))
        same[~views.present(name)] = same.max() + 1 + np.flatnonzero(~views.present(name))
        clusters = connected(clusters, same)
    views.facts["group"] = np.array([f"cluster {c}" for c in clusters], dtype=object)
    return views, masked
