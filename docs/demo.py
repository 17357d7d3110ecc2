"""Draws docs/demo.png, four of the searches of `chiasm demo`: run that first, then `python docs/demo.py`."""

from pathlib import Path

import numpy as np
from PIL import Image

import chiasm
from chiasm.data.openmoji import ATTRIBUTION, openmoji
from chiasm.report.sheet import sheet

QUERIES = ["rainy weather", "a train station", "海里的动物", "生日礼物"]
TARGET = Path(__file__).with_suffix(".png")

views = openmoji()
english = views[np.flatnonzero(views.facts["language"] == "en")]
names = {
    english["picture"].label(picture): english["name"].label(name)
    for picture, name in zip(english["picture"].index, english["name"].index, strict=True)
}
files = {views["picture"].label(picture): views["picture"].items[picture] for picture in views["picture"].used}

model = chiasm.load("demo/openmoji.chiasm")
rows = [
    (query, [(files[hit["item"]], names[hit["item"]]) for hit in hits])
    for query, hits in zip(QUERIES, model.hits({"name": QUERIES}, "picture", 6), strict=True)
]
sheet(rows, TARGET, side=104, title=ATTRIBUTION)
Image.open(TARGET).quantize(64).save(TARGET, optimize=True)
print(f"{TARGET}: {TARGET.stat().st_size / 1000:.0f} kB")
