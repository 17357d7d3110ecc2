"""Where text is in a picture: rotated boxes from a map of how probably each pixel is text, and the picture inside one.

The map is what a network trained by differentiable binarization gives: lines shrunk towards their middle, so that
neighbors do not touch. A box is the smallest rectangle around a connected part of the map, grown back.

Source: Liao et al., Real-time Scene Text Detection with Differentiable Binarization, AAAI 2020.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["boxes_of", "cut_out", "in_order"]

_SURE = 0.3
_MEAN = 0.5
_GROW = 1.6
_THINNEST = 3.0


def boxes_of(
    text: np.ndarray, sure: float = _SURE, mean: float = _MEAN, grow: float = _GROW
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes `(m, 4, 2)` of text, and the mean of the map in each `(m,)`, largest boxes first.

    A box's corners are x, y in pixels of the map, from the one nearest to the upper left on around clockwise.

    Args:
        text: `(h, w)`, 0..1, how probably each pixel is text. sure: from where on it is taken for text.
        mean: what the mean of the map inside a box has to reach.
        grow: a box of area A and perimeter P gets grow * A / P wider on every side.
    """
    from scipy import ndimage

    parts, _ = ndimage.label(ndimage.binary_dilation(text > sure, np.ones((2, 2))), np.ones((3, 3)))
    boxes, means, sizes = [], [], []
    for number, place in enumerate(ndimage.find_objects(parts), 1):
        rows, columns = np.nonzero(parts[place] == number)
        points = np.stack([columns + place[1].start, rows + place[0].start], axis=1).astype(np.float64)
        center, axes, half = _smallest(points)
        if 2 * half.min() < _THINNEST:
            continue
        found = _mean_inside(text, center, axes, half)
        if found < mean:
            continue
        more = grow * half[0] * half[1] / half.sum()  # area 4ab over perimeter 4(a + b)
        boxes.append(_clockwise(center, axes, half + more))
        means.append(found)
        sizes.append(half.prod())
    order = np.argsort(-np.array(sizes), kind="stable")
    return np.array(boxes).reshape(-1, 4, 2)[order], np.array(means)[order]


def in_order(boxes: np.ndarray) -> list[int]:
    """The order in which boxes `(m, 4, 2)` are read: lines from top to bottom, in one line from left to right.

    A box is in the line of the last one if its middle is less than half a height below that one's.
    """
    middle, height = boxes.mean(axis=1), np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=1)
    lines: list[list[int]] = []
    for i in np.lexsort((middle[:, 0], middle[:, 1])).tolist():
        last = lines[-1][-1] if lines else None
        if last is not None and middle[i, 1] - middle[last, 1] < min(height[i], height[last]) / 2:
            lines[-1].append(i)
        else:
            lines.append([i])
    return [i for line in lines for i in sorted(line, key=lambda one: middle[one, 0])]


def cut_out(picture: Image.Image, box: np.ndarray) -> Image.Image:
    """The picture inside a box `(4, 2)`, upright: a box half as high again as wide is a column, turned to lie.

    A column's lower end comes to the right, as rows of letters that were turned clockwise have it reversed: which way
    up they are is for `ocr` to tell.
    """
    wide, high = (max(1, round(float(np.linalg.norm(box[k] - box[0])))) for k in (1, 3))
    right, down = (box[1] - box[0]) / wide, (box[3] - box[0]) / high
    matrix = (right[0], down[0], box[0, 0], right[1], down[1], box[0, 1])
    # Pillow fills black beyond the edge; a box that was grown past it ends where the picture does
    found = picture.transform((wide, high), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    return found.transpose(Image.Transpose.ROTATE_90) if high >= 1.5 * wide else found


def _smallest(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rectangle of least area around points `(n, 2)`: its center, its two axes `(2, 2)` and half their lengths.

    One of its sides lies on a side of the convex hull.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        corners = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):  # all on one line, or too few
        corners = points
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    sides = sides[lengths > 0] / lengths[lengths > 0, None]
    along = np.concatenate([sides, [[1.0, 0.0]]])
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    low = np.stack([(corners @ along.T).min(axis=0), (corners @ across.T).min(axis=0)])
    high = np.stack([(corners @ along.T).max(axis=0), (corners @ across.T).max(axis=0)])
    best = int(np.argmin((high - low).prod(axis=0)))
    axes = np.stack([along[best], across[best]])
    return (low[:, best] + high[:, best]) / 2 @ axes, axes, (high[:, best] - low[:, best]) / 2


def _mean_inside(text: np.ndarray, center: np.ndarray, axes: np.ndarray, half: np.ndarray) -> float:
    reach = np.abs(axes).T @ half
    left, top = np.maximum(np.floor(center - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(center + reach) + 1, (text.shape[1], text.shape[0])).astype(int)
    y, x = np.mgrid[top:bottom, left:right]
    away = np.abs(axes @ (np.stack([x.ravel(), y.ravel()]) - center[:, None]))
    inside = (away <= half[:, None] + 1e-6).all(axis=0)
    return float(text[top:bottom, left:right].ravel()[inside].mean()) if inside.any() else 0.0


def _clockwise(center: np.ndarray, axes: np.ndarray, half: np.ndarray) -> np.ndarray:
    """The corners of a rectangle, upper left first, so that the first side goes to the right."""
    if abs(axes[0, 0]) < abs(axes[1, 0]):  # the first axis is the one that lies flatter
        axes, half = axes[::-1], half[::-1]
    right, down = axes[0] * np.sign(axes[0, 0]), axes[1] * np.sign(axes[1, 1])
    a, b = right * half[0], down * half[1]
    return np.stack([center - a - b, center + a - b, center + a + b, center - a + b])
