"""What encoders share that read words somewhere and leave their vectors to a text encoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm import registry
from chiasm.errors import ChiasmError

__all__ = ["ThroughText"]


class ThroughText:
    """The text encoder behind another encoder: its parameter `text`, a name; learned, `text_encoder_`."""

    text: str
    text_encoder_: Any

    def vectors_of(self, texts: list[str]) -> np.ndarray:
        """`(n, d)` of n texts."""
        values: np.ndarray = self.text_encoder().encode(texts)
        return values

    def text_encoder(self) -> Any:
        """The one that has learned, else one that need not."""
        if "text_encoder_" in vars(self):
            return self.text_encoder_
        name, made = self.__dict__.get("_text", ("", None))
        if name != self.text:
            made = self.new_text_encoder()
            self._text = (self.text, made)
        return made

    def new_text_encoder(self) -> Any:
        """A new one; a ChiasmError for an encoder of anything else."""
        made = registry.make("encode", self.text)
        if made.modality != "text":
            own = type(self).__module__.rsplit(".", 1)[-1]
            raise ChiasmError(f"{own}: wanted a text encoder, got {self.text!r}, which reads {made.modality}.")
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {name: held for name, held in vars(self).items() if name not in ("_memo", "_text")}
