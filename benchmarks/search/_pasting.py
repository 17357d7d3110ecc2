"""Pictures in which words have a known place: products pasted into photographs, and photographs with boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from benchmarks._sets import files, table
from chiasm.media.images import decode_image

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, 0 to 1."""

SIDE, PASTED = 288, 300
"""Pixels a side, and how many products are pasted."""


def cut_out(path: str) -> tuple[Image.Image, Image.Image] | None:
    """A product and its mask, cut to its box; None where there is no white ground around it."""
    from scipy.ndimage import label

    image = decode_image(path, None)[0]
    parts, _ = label((np.asarray(image) >= 240).all(axis=-1))
    ground = np.isin(parts, sorted({*parts[0], *parts[-1], *parts[:, 0], *parts[:, -1]} - {0}))
    if ground.mean() < 0.15 or ground.all():
        return None
    rows, columns = (np.flatnonzero((~ground).any(axis=axis)) for axis in (1, 0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return image.crop(box), Image.fromarray((~ground).astype(np.uint8) * 255).crop(box)


def paste(photo: Image.Image, product: Image.Image, mask: Image.Image, rng: np.random.Generator) -> Box:
    """Put a product at a random place of a square photograph, 30 to 60 % of its side long; where it is then."""
    side = photo.size[0]
    scale = rng.uniform(0.3, 0.6) * side / max(product.size)
    wide, high = (max(8, round(length * scale)) for length in product.size)
    x, y = (int(rng.integers(side - length + 1)) for length in (wide, high))
    photo.paste(product.resize((wide, high)), (x, y), mask.resize((wide, high)))
    return x / side, y / side, (x + wide) / side, (y + high) / side


def pasted(count: int = PASTED, seed: int = 0) -> Iterator[tuple[np.ndarray, str, Box]]:
    """Photograph with a product on it, the product's type, and its box."""
    rng = np.random.default_rng(seed)
    items, paths = table("ikea", "items.parquet"), files("ikea", "image", "items.parquet")
    common = {kind for kind in items["type"] if items["type"].count(kind) >= 5}
    usable = [i for i, kind in enumerate(items["type"]) if kind in common]
    held = table("coco2k")
    photos = [path for path, split in zip(files("coco2k", "image"), held["split"], strict=True) if split == "test"]
    made = 0
    while made < count:
        chosen = int(rng.choice(usable))
        if (cut := cut_out(paths[chosen])) is None:
            continue
        photo = decode_image(photos[int(rng.integers(len(photos)))], SIDE)[0]
        box = paste(photo, *cut, rng)
        made += 1
        yield np.asarray(photo), items["type"][chosen].lower(), box


def boxed() -> Iterator[tuple[np.ndarray, str, Box]]:
    """Photograph, a class that it has one box of, and that box."""
    rng = np.random.default_rng(0)
    held, boxes, paths = table("boxes_words"), table("boxes_words", "boxes.parquet"), files("boxes_words", "image")
    for place, path in enumerate(paths):
        if held["in_coco2k"][place]:
            continue
        size = np.array([held["width"][place], held["height"][place]] * 2, dtype=float)
        mine = []
        for i, image in enumerate(boxes["image_id"]):
            if image == held["id"][place] and boxes["unique_in_image"][i] and not boxes["crowd"][i]:
                x, y, w, h = (boxes[name][i] for name in ("x", "y", "w", "h"))
                box = (np.array([x, y, x + w, y + h]) / size).tolist()
                if 0.01 <= (box[2] - box[0]) * (box[3] - box[1]) <= 0.5:
                    mine.append((boxes["word"][i], tuple(box)))
        if mine:
            word, box = mine[int(rng.integers(len(mine)))]
            yield np.asarray(decode_image(path, SIDE)[0]), word, box


def center(mask: Sequence[str]) -> tuple[float, float]:
    """The middle of a region's cells."""
    cells = [(x, y) for y, line in enumerate(mask) for x, cell in enumerate(line) if cell == "1"]
    x, y = (np.mean(cells, axis=0) + 0.5) / len(mask)
    return float(x), float(y)


def placed(x: float, y: float, wide: float, high: float) -> Box:
    """A box of some size around a place."""
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def inside(place: tuple[float, float], box: Box) -> bool:
    """Whether a place lies in a box."""
    return box[0] <= place[0] <= box[2] and box[1] <= place[1] <= box[3]


def overlap(one: Sequence[float], other: Box) -> float:
    """Intersection over union of two boxes."""
    wide = max(min(one[2], other[2]) - max(one[0], other[0]), 0)
    high = max(min(one[3], other[3]) - max(one[1], other[1]), 0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return wide * high / (sum(areas) - wide * high)
