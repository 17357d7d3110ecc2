"""Toy generators with known answers, for tests and examples."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["COLORS", "SHAPES", "planted_pair", "shape_image"]

COLORS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 70, 200), "yellow": (230, 200, 40)}
SHAPES = ("circle", "square", "triangle", "bar")


def planted_pair(
    n: int, widths: tuple[int, int] = (20, 12), correlations: tuple[float, ...] = (0.9, 0.6, 0.3), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Two views `(n, widths[0])`, `(n, widths[1])` whose canonical correlations tend to `correlations`, then 0.

    Each pair of latent directions has unit variance and the planted correlation; both are mixed by random rotations.
    """
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=(n, width)) for width in widths)
    for i, rho in enumerate(correlations):
        b[:, i] = rho * a[:, i] + np.sqrt(1 - rho**2) * b[:, i]
    rotations = [np.linalg.qr(rng.normal(size=(width, width)))[0] for width in widths]
    return a @ rotations[0], b @ rotations[1]


def shape_image(color: str, shape: str, size: int = 48, seed: int = 0) -> Image.Image:
    """A picture of one colored shape at a random place and size, what a caption like "a red circle" says."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (size, size), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    r = int(rng.integers(size // 5, size // 3))
    x, y = (int(v) for v in rng.integers(r, size - r, size=2))
    fill = COLORS[color]
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill)
    elif shape == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill)
    else:
        draw.rectangle((x - r, y - r // 4, x + r, y + r // 4), fill)
    return image
