"""Spoken words, recognized and encoded as a text: audio by what is said in it, not by how it sounds.

pocketsphinx recognizes, with a model of US English inside its package; or a Whisper model of the user's own.
Source: Huggins-Daines et al., PocketSphinx, ICASSP 2006; Radford et al., Whisper, ICML 2023.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import PART, SIZE, TEXT, Allowed
from chiasm.encode._encoder import Encoder
from chiasm.encode._through_text import ThroughText
from chiasm.encode._timed import Steps, Timed
from chiasm.errors import ChiasmError
from chiasm.media.clips import Decoded, Wants, decode
from chiasm.media.images import MediaError
from chiasm.media.speech import RATE, Heard, transcribe
from chiasm.nn.hub_files import checksum, find

__all__ = ["SpeechAudio"]

requires = ("pocketsphinx",)


_WORDS = Allowed("a grammar, or a list of texts", lambda held: isinstance(held, str) or TEXT.each().holds(held))


class SpeechAudio(ThroughText, Timed):
    """The text vector `(n, d)` of what is said, in the space of a text encoder; wordless sounds are skipped.

    Choose it where the words matter and the text encoder's space is of use (a spoken query finds captions), and say in
    `words` what can come: with a list or a grammar pocketsphinx hears most commands, without it little (docs/time.md).
    Choose `mel_audio` for what is not in the words: events, voices, emotion, music.

    Over time, each word is a row with its own vector and times; with `steps` these are averaged in each part. A Whisper
    model gives no times: there the whole text is one row.

    Args:
        text: the text encoder, by name. recognizer: as `model` of `chiasm.media.speech.transcribe`.
        words: what can be said, as there: a JSGF grammar, or a list of words and example phrases.
        steps: 0 for one vector of the whole text, T for T parts.

    Learned: `text_encoder_`, where the text encoder learns (bow_text).
    """

    modality = "audio"

    allowed: ClassVar = {"text": PART, "recognizer": TEXT, "words": _WORDS.or_none(), "steps": SIZE}

    def __init__(
        self,
        text: str = "e5_text",
        recognizer: str = "pocketsphinx",
        words: str | Sequence[str] | None = None,
        steps: int = 0,
    ):
        self.text = text
        self.recognizer = recognizer
        self.words = words
        self.steps = steps

    @property
    def wants(self) -> Wants:
        """The sound."""
        return Wants(rate=RATE)

    def fit(self, items: Sequence[Any]) -> SpeechAudio:
        """Let a text encoder that learns do so from what is recognized of the items; others recognize nothing here."""
        encoder = self.new_text_encoder()
        if type(encoder).fit is not Encoder.fit:
            texts = [text for item in items if (text := self._text_of(item))]
            if not texts:
                raise ChiasmError(f"speech_audio: wanted sounds with words to learn from, got {len(items)} without.")
            self.text_encoder_ = encoder.fit(texts)
        return self

    def heard(self, decoded: Decoded) -> Heard:
        """What is recognized of a decoded clip."""
        memo: dict[str, Heard] = self.__dict__.setdefault("_memo", {})
        key = hashlib.blake2b(np.ascontiguousarray(decoded.sound).tobytes(), digest_size=16).hexdigest()
        if key not in memo:  # fit and encode read the same items, and recognition is the slow part
            (memo[key],) = transcribe([decoded.sound], decoded.rate, self.recognizer, self.words)
        return memo[key]

    def over_time(self, decoded: Decoded) -> Steps:
        """The vector of each recognized word with its times; a MediaError where there is none."""
        heard = self._said(decoded)
        if not heard.words:
            return Steps(self.vectors_of([heard.text]), np.zeros(1), np.array([decoded.seconds]))
        values = self.vectors_of([word.word for word in heard.words])
        return Steps(values, np.array([w.start for w in heard.words]), np.array([w.end for w in heard.words]))

    def describe(self, decoded: Decoded) -> np.ndarray:
        """The vector of the whole text, or the parts' means of its words'."""
        if self.steps:
            return super().describe(decoded)
        vector: np.ndarray = self.vectors_of([self._said(decoded).text])[0]
        return vector

    def weights(self) -> str:
        """What recognizes, and the text encoder's fingerprint."""
        name, _, folder = self.recognizer.partition(":")
        own = checksum("speech_audio", find("speech_audio", folder)) if name == "whisper" else version("pocketsphinx")
        return f"{own} {self.text_encoder().fingerprint}"

    def _said(self, decoded: Decoded) -> Heard:
        if "sound" in decoded.absent or not len(decoded.sound):
            note = decoded.absent.get("sound")
            raise MediaError(note.code if note else "no_sound", note.message if note else "a clip without sound")
        heard = self.heard(decoded)
        if not heard.text:
            raise MediaError("no_words", "no word was recognized")
        return heard

    def _text_of(self, item: Any) -> str:
        """What is said in an item; "" where nothing can be read or recognized."""
        try:
            return self._said(decode(item, self.wants)).text
        except MediaError:
            return ""
