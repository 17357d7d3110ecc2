"""Summarize: the few moments that stand for a film: shots, key frames with times; by its sound and by words too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.allowed import MODEL, NOT_NEGATIVE, PART, POSITIVE
from chiasm.errors import ChiasmError
from chiasm.media.film import Film, picture_at, read_film
from chiasm.media.images import Note
from chiasm.media.shots import cover, directions, outstanding, pieces
from chiasm.part import Part
from chiasm.scale import Progress
from chiasm.tasks._results import recalled, remember
from chiasm.views import Column, Views

__all__ = ["Highlights", "Summarize"]

_LOUDEST = 10.0
"""Usual deviations of loudness beyond which louder is not more: one bang must not outweigh a whole film."""
_FINER = 4
"""With fewer shots than moments wanted, parts of at most 1 / (4 k) of the film are chosen from; else of 1 / k."""


class Highlights(list[dict[str, Any]]):
    """The moments that stand for a film, the best first.

    Args:
        found: dicts, as `Summarize.answer` describes them. notes: what was altered or cut short in the film.
    """

    def __init__(self, found: Iterable[dict[str, Any]], notes: Sequence[Note]):
        super().__init__(found)
        self.notes = list(notes)


class Summarize(Part):
    """A film in, k moments out that stand for it: each with start, end, the time of its key frame, and the picture.

    Pictures every `step` seconds go through an image encoder. Cuts are found where the picture changes more than it
    usually does (`shots.changes`); of the shots those are chosen that are most like the rest and least like one another
    (`shots.cover`), each weighed by

        w = sqrt(length) (1 + sound l^2),   or, where words are given,   w = sqrt(length) exp(2 z)

    with l how far its loudest step stands above the film's usual loudness (`shots.outstanding`) and z how far it is
    nearer to the words than the film is as a whole, in standard deviations: who asks for something has said what
    counts. The square root lets a short scene stand beside a long one. Where there are fewer shots than moments wanted,
    equal parts of the shots are chosen from.

    Nothing is fitted. Choose it for films of several scenes; of one unmoving camera it shows what differs most, and
    `detect` says what is unusual. Loudness is all that it hears: music throughout, and nothing stands out.

    Args:
        encoder: an image encoder or its name.
        space: a fitted `Retrieve` of pictures and texts, for `words`; its own image encoder is used then.
        step: seconds between pictures: shots shorter than two of them are not found. Longer in films over an hour.
        sound: how much loud moments count, where no words are given; 0 leaves the sound track unread.

    Sources: Lin & Bilmes 2011 (coverage); Gygli, Grabner & Van Gool 2015 (films).
    """

    allowed: ClassVar = {"encoder": PART, "space": MODEL, "step": POSITIVE, "sound": NOT_NEGATIVE}

    def __init__(self, encoder: Any = "effnet_image", space: Any = None, step: float = 0.5, sound: float = 1.0):
        self.encoder = encoder
        self.space = space
        self.step = step
        self.sound = sound

    def answer(
        self, film: Any, k: int = 6, words: str | None = None, *, progress: Progress | None = None
    ) -> Highlights:
        """The k best moments, the best first; fewer where the film has fewer steps.

        Each has `start`, `end` and `time` (of the key frame) in seconds of the file; `score`, the share of the weighed
        film that it adds to those before it; `loud` and `near`, l and z as above (None where nothing was heard or
        asked); `picture`, RGB `(h, w, 3)` uint8. The list's `notes` tell what was altered or cut short.

        Args:
            film: a path, or a `Clip` of one. k: how many. words: what to look for; needs `space`.

        Raises a MediaError where the film cannot be read, a ChiasmError for words without a space.
        """
        if k < 1:
            raise ChiasmError(f"wanted 1 moment or more, got k = {k}.")
        read = self.read(film, words, progress=progress)
        remember(self, notes=read.notes)
        found = self.moments(read, k, words)
        return Highlights([{**one, "picture": picture_at(read, one["time"])} for one in found], read.notes)

    def shots(self, film: Any) -> np.ndarray:
        """Start and end of every shot, `(s, 2)` in seconds of the file."""
        read = self.read(film)
        return read.spans(pieces(read.cuts(), len(read.rows), len(read.rows)))

    def read(self, film: Any, words: str | None = None, *, progress: Progress | None = None) -> Film:
        """The film's features and loudness over time, decoded once; `moments` chooses from them, as often as asked."""
        self.check_params()
        if words is not None and self.space is None:
            raise ChiasmError("wanted a fitted space of pictures and texts to look for words: name one (space=MODEL).")
        encoder = self._encoder()
        size = int(getattr(encoder, "size", 224))
        return read_film(film, encoder.encode, size, self.step, listen=self.sound > 0, progress=progress)

    def moments(self, film: Film, k: int, words: str | None = None) -> list[dict[str, Any]]:
        """As `answer`, of a film that was read, without pictures."""
        rows = directions(film.rows)
        cuts = film.cuts()
        finer = 1 if len(cuts) + 1 >= k else _FINER  # parts of one shot are much alike: no more of them than needed
        parts = pieces(cuts, len(rows), len(rows) / (finer * k))
        loud, near = self._loud(film), self._near(film, words)
        lengths = parts[:, 1] - parts[:, 0]
        weights = np.sqrt(lengths)
        heard = asked = None
        if loud is not None:
            heard = np.array([loud[a:b].max() for a, b in parts])
            if near is None:
                weights = weights * (1 + self.sound * np.minimum(heard, _LOUDEST) ** 2)
        if near is not None:
            asked = np.array([near[a:b].mean() for a, b in parts])
            weights = weights * np.exp(2 * asked)
        means = np.stack([rows[a:b].mean(axis=0) for a, b in parts])
        lengths_of = np.linalg.norm(means, axis=1, keepdims=True)
        means = means / np.where(lengths_of > 0, lengths_of, 1)
        chosen, gains = cover(means, weights, k)
        found = []
        times = film.spans(parts).round(3).tolist()
        for i, gain in zip(chosen.tolist(), gains.tolist(), strict=True):
            first, last = parts[i]
            key = first + int((rows[first:last] @ means[i]).argmax())
            found.append(
                {
                    "start": times[i][0],
                    "end": times[i][1],
                    "time": round(float(film.times(key)), 3),
                    "score": round(gain, 4),
                    "loud": None if heard is None else round(float(heard[i]), 2),
                    "near": None if asked is None else round(float(asked[i]), 2),
                }
            )
        return found

    notes = recalled("notes", "the notes of what answer returned, or of a film that was read")

    def _loud(self, film: Film) -> np.ndarray | None:
        return outstanding(film.loudness) if len(film.loudness) and self.sound > 0 else None

    def _near(self, film: Film, words: str | None) -> np.ndarray | None:
        """How near each step's picture is to the words, in standard deviations above the film's mean."""
        if words is None:
            return None
        text, image = self.space.view("text"), self.space.view("image")
        asked = self._placed(text, self.space.encoding_.encoders_[text].encode([words]))
        near = (self._placed(image, film.rows) @ asked.T)[:, 0]
        return np.asarray((near - near.mean()) / max(float(near.std()), 1e-6))

    def _placed(self, view: str, vectors: np.ndarray) -> np.ndarray:
        """Unit vectors of the space."""
        column = Column(self.space.views_[view], np.asarray(vectors, dtype=np.float32))
        mapped = np.asarray(self.space.aligner_.transform(Views({view: column}))[view].items)
        return np.asarray(mapped / np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), 1e-12))

    def _encoder(self) -> Any:
        if self.space is not None:
            return self.space.encoding_.encoders_[self.space.view("image")]
        if not isinstance(self.encoder, str):
            return self.encoder
        held: tuple[str, Any] | None = vars(self).get("_held")
        if held is None or held[0] != self.encoder:
            self._held = held = (self.encoder, registry.make("encode", self.encoder))
        return held[1]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_held"}
