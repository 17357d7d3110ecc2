"""An encoder of one's own, of pictures: the mean color of each cell. `python examples/parts/own_encoder.py`."""

import numpy as np

from chiasm.contracts import Encoder, check_part, each
from chiasm.media.images import decode_image


class GridImage(Encoder):
    """Mean red, green and blue of each cell of a grid over the picture, `(n, 3 * cells * cells)` float32, 0 to 1.

    Args:
        cells: the grid's rows, and its columns. size: pictures are read as `size x size` pixels, a multiple of `cells`.
    """

    modality = "image"

    def __init__(self, cells: int = 4, size: int = 48):
        self.cells = cells
        self.size = size

    def attempt(self, items):
        """Vectors of the pictures; those that cannot be read are noted as skipped."""

        def one(item):
            image, notes = decode_image(item, self.size)  # a MediaError for what is no picture: `each` makes it a note
            pixels = np.asarray(image, dtype=np.float32) / 255
            step = self.size // self.cells
            cells = pixels.reshape(self.cells, step, self.cells, step, 3).mean(axis=(1, 3))
            return cells.ravel(), notes

        return each(one, items, 3 * self.cells**2)


if __name__ == "__main__":
    print(check_part(GridImage()))
