"""Text in pictures, read and encoded as a text: a picture by the words that stand in it, not by what it shows.

The networks of PP-OCRv4 read (`chiasm.media.ocr`): printed English and Chinese.
Source: Du et al., PP-OCR: A Practical Ultra Lightweight OCR System, 2020 (arXiv:2009.09941).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import scale
from chiasm.allowed import PART, choice
from chiasm.encode._encoder import Encoder
from chiasm.encode._through_text import ThroughText
from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError, Note, decode_image
from chiasm.media.ocr import CHECKSUMS, Written, read_text

__all__ = ["OcrImage"]

requires = ("onnxruntime", "rapidocr_onnxruntime")


class OcrImage(ThroughText, Encoder):
    """The text vector `(n, d)` of the words in a picture, in the space of a text encoder; wordless ones are skipped.

    Choose it for pictures that are read: scans, slides, signs, screenshots, posters; words find them without a pair, as
    both are in one space. Where some pictures are read and some are seen, make it a view of its own over the same
    column, beside the one that shows: joined with `effnet_image` into one view it did not help (docs/log.md). It takes
    some 0.35 s of a core a picture; letters of less than about 10 pixels it does not read.

    Args:
        text: the text encoder, by name.
        wordless: what becomes of a picture in which nothing is read: "skip", it is absent; or "zeros", its vector is 0.
            Joined with another encoder choose zeros: an item that one of them skips is absent for both.

    Learned: `text_encoder_`, where the text encoder learns (bow_text); the training pictures are read twice then.

    Raises a ChiasmError where the package of the networks is missing or is not the one that was tested.
    """

    modality = "image"
    batch = 16

    allowed: ClassVar = {"text": PART, "wordless": choice("skip", "zeros")}

    def __init__(self, text: str = "e5_text", wordless: str = "skip"):
        self.text = text
        self.wordless = wordless

    def fit(self, items: Sequence[Any]) -> OcrImage:
        """Let a text encoder that learns do so from what is read in the items; others read nothing here."""
        encoder = self.new_text_encoder()
        if type(encoder).fit is not Encoder.fit:
            texts = [written.text for written, _ in scale.threads(_read, items) if written.text]
            if not texts:
                raise ChiasmError(f"ocr_image: wanted pictures with words to learn from, got {len(items)} without.")
            self.text_encoder_ = encoder.fit(texts)
        return self

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Read on all cores, then encode what was read; those that cannot be decoded are noted as skipped."""
        encoder = self.text_encoder()
        found = list(scale.threads(_read, items))
        notes = {place: told for place, (_, told) in enumerate(found) if told}
        places = [place for place, (written, _) in enumerate(found) if written.text]
        values, told = encoder.attempt([found[place][0].text for place in places])
        out = np.zeros((len(items), values.shape[1]), np.float32)
        out[places] = values
        for at, more in told.items():
            notes[places[at]] = [*notes.get(places[at], []), *more]
        silent = set(range(len(items))) - set(places) - {p for p, own in notes.items() if any(n.skipped for n in own)}
        for place in sorted(silent):
            notes[place] = [*notes.get(place, []), self._wordless()]
        return out, notes

    def speaker(self) -> Encoder | None:
        """The text encoder, unless it learns: words are in one space with what is read."""
        made: Encoder = self.text_encoder()
        return made if type(made).fit is Encoder.fit else None

    def weights(self) -> str:
        """The pinned SHA-256 of the networks, and the text encoder's fingerprint."""
        return f"{' '.join(CHECKSUMS.values())} {self.text_encoder().fingerprint}"

    def _wordless(self) -> Note:
        if self.wordless == "skip":
            return Note("no_words", "no text was read in it", skipped=True)
        return Note("no_words", "no text was read in it: its vector is 0")


def _read(item: Any) -> tuple[Written, list[Note]]:
    """What is read in a picture, and notes; nothing of one that cannot be decoded."""
    try:
        picture, notes = decode_image(item, None)
    except MediaError as error:
        return Written("", 0.0), [error.note]
    written = read_text(picture)
    if written.left:
        notes = [*notes, Note("cut", f"{written.left} smaller lines were found and not read")]
    return written, notes
