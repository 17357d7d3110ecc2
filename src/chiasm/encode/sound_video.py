"""The sound track of a video, through any encoder of audio: what is heard while something is seen."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.allowed import PART, SIZE
from chiasm.encode._timed import Steps, Timed
from chiasm.errors import ChiasmError
from chiasm.media.clips import Decoded, Wants

__all__ = ["SoundVideo"]


class SoundVideo(Timed):
    """What an encoder of audio says of a video's sound track: its widths, its rows over time, its pooling.

    Name it as a view of its own over the column of the pictures' view (`--video scene=file --video sound=file --encoder
    sound=sound_video:mel_audio`): one decode serves both, and a silent film is absent here [no_sound] and there in the
    other view.

    Args:
        audio: the name of an encoder of audio, with its defaults.
        steps: 0 pools as that encoder does; T gives T parts side by side (see `Timed`).

    >>> SoundVideo("mel_audio").wants
    Wants(pictures=0, size=288, gray=None, fps=25.0, rate=16000)
    """

    modality = "video"
    batch = 64

    allowed: ClassVar = {"audio": PART, "steps": SIZE}

    def __init__(self, audio: str = "spectrogram_audio", steps: int = 0):
        self.audio = audio
        self.steps = steps

    @property
    def wants(self) -> Wants:
        """What the encoder of audio wants."""
        wants: Wants = self._inner().wants
        return wants

    def over_time(self, decoded: Decoded) -> Steps:
        """The features over time of the encoder of audio; a MediaError [no_sound] where there is no sound."""
        steps: Steps = self._inner().over_time(decoded)
        return steps

    def pool(self, values: np.ndarray) -> np.ndarray:
        """As the encoder of audio pools."""
        pooled: np.ndarray = self._inner().pool(values)
        return pooled

    def describe(self, decoded: Decoded) -> np.ndarray:
        """The vector that the encoder of audio makes of the sound track."""
        vector: np.ndarray = self._inner().describe(decoded)
        return vector

    def weights(self) -> str:
        """The fingerprint of the encoder of audio."""
        return str(self._inner().fingerprint)

    def _inner(self) -> Any:
        held: tuple[str, int, Any] | None = vars(self).get("_held")
        if held is None or held[:2] != (self.audio, self.steps):
            encoder = registry.make("encode", self.audio)
            if encoder.modality != "audio":
                raise ChiasmError(
                    f"wanted the name of an encoder of audio, got {self.audio}: it reads {encoder.modality}."
                )
            encoder.set_params(steps=self.steps)
            self._held = held = (self.audio, self.steps, encoder)
        return held[2]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_held"}
