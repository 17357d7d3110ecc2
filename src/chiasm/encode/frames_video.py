"""Pictures from the middle of equal parts of a video, each through an image encoder: the default for video."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.allowed import COUNT, PART, SIZE
from chiasm.encode._timed import Steps, Timed
from chiasm.media.clips import Decoded, Wants
from chiasm.media.images import MediaError

__all__ = ["FramesVideo"]


class FramesVideo(Timed):
    """What a video shows: the mean over time of an image encoder's features, `(n, d)`, or steps of them.

    Choose it where the place and the things matter. It is nearly blind to what happens: what moves is in
    `motion_video`, what is heard in `sound_video`; name each as a view of its own over the same column.

    Args:
        pictures: how many, each from the middle of one of as many equal parts of the clip; seeking, so that a long
            film costs no more than a short one.
        image: the image encoder's name; its parameter `size` decides the pictures' side, 224 pixels where it has none.
        steps: 0 pools; T gives T parts side by side (see `Timed`).

    Source: Karpathy et al., Large-scale Video Classification with CNNs, CVPR 2014 (late fusion of frames).
    """

    modality = "video"
    batch = 16

    allowed: ClassVar = {"pictures": COUNT, "image": PART, "steps": SIZE}

    def __init__(self, pictures: int = 8, image: str = "effnet_image", steps: int = 0):
        self.pictures = pictures
        self.image = image
        self.steps = steps

    @property
    def wants(self) -> Wants:
        """Pictures of the image encoder's size."""
        return Wants(pictures=self.pictures, size=getattr(self._image(), "size", 224))

    def over_time(self, decoded: Decoded) -> Steps:
        """One row of features a picture; a MediaError [no_picture] where there is none."""
        if not len(decoded.pictures):
            raise MediaError("no_picture", "no picture could be read")
        values = self._image().encode(list(decoded.pictures))
        edges = np.linspace(0, decoded.seconds, len(values) + 1)
        return Steps(values, edges[:-1], edges[1:])

    def pool(self, values: np.ndarray) -> np.ndarray:
        """The mean over the pictures."""
        mean: np.ndarray = values.mean(axis=0)
        return mean

    def weights(self) -> str:
        """The image encoder's fingerprint."""
        return str(self._image().fingerprint)

    def _image(self) -> Any:
        held: tuple[str, Any] | None = vars(self).get("_held")
        if held is None or held[0] != self.image:
            self._held = held = (self.image, registry.make("encode", self.image))
        return held[1]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_held"}
