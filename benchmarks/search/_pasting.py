"""Products cut out of their white ground, to be pasted into photographs."""

from __future__ import annotations

import numpy as np
from PIL import Image

from chiasm.media.images import decode_image

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, 0 to 1."""


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
