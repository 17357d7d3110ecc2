"""Thirty lines: pictures of colored shapes and their captions, learned, searched, saved and loaded again.

`python examples/search_by_words.py`. Your own table is the same with `chiasm.read("photos.csv", text=..., image=...)`.
"""

import tempfile
from itertools import product
from pathlib import Path

import numpy as np

import chiasm
from chiasm.data.toy import COLORS, SHAPES, shape_image
from chiasm.tasks import retrieve


def main() -> str:
    """Learn from 240 pictures with the weight-free encoders, ask in words; returns the caption of the best answer."""
    kinds = list(product(COLORS, SHAPES)) * 15
    captions = [f"a {color} {shape}" for color, shape in kinds]
    pictures = [np.asarray(shape_image(color, shape, seed=i)) for i, (color, shape) in enumerate(kinds)]
    names = [f"{caption}, picture {i}" for i, caption in enumerate(captions)]
    views = chiasm.Views(
        {
            "caption": chiasm.Column.from_cells("text", captions),
            "picture": chiasm.Column("image", pictures, labels=names),
        }
    )
    model = retrieve.Retrieve(encoders={"caption": "tfidf_text", "picture": "pixel_image"}).fit(views)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "shapes.chiasm")
        again = chiasm.load(Path(folder) / "shapes.chiasm")
    found, scores = again.answer({"caption": ["a blue square"]}, to="picture", k=3)
    for name, score in zip(found[0], scores[0], strict=True):
        print(f"{score:.3f}  {name}")
    return str(found[0][0])


if __name__ == "__main__":
    main()
