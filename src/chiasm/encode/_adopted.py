"""An encoder of another class, with what every encoder here has around it."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.encode._encoder import Encoder, content_of, foreign_code, state_bytes
from chiasm.encode._words import readable
from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError, Note
from chiasm.part import learned_by
from chiasm.tokens import Tokens

__all__ = ["Adopted", "adopt"]


class Adopted(Encoder):
    """An object with `modality` and `encode(items)` as an encoder: notes, content and fingerprint are seen to here.

    What the object has of `fit`, `attempt`, `content`, `fingerprint`, `batch` and `near` is used. Without `attempt`,
    texts that hold nothing are skipped, and where `encode` raises a ValueError or OSError the items are tried one by
    one: those that raise it alone are skipped. Without `fingerprint` it is made of the class, `version`, `get_params`
    and what was learned.

    Args:
        encoder: the object, which is copied to be fitted.

    Learned: `encoder_`, the fitted copy, where `fit` leaves anything behind whose name ends in an underscore.
    """

    encoder_: Any

    def __init__(self, encoder: Any = None):
        self.encoder = encoder

    @property
    def modality(self) -> str:  # type: ignore[override]
        """What the object reads."""
        return str(self.encoder.modality)

    @property
    def batch(self) -> int:  # type: ignore[override]
        """Items a call that is worth making."""
        return int(getattr(self.encoder, "batch", Encoder.batch))

    @property
    def near(self) -> float | None:  # type: ignore[override]
        """Cosine from which two items are called nearly equal, where the object says."""
        return getattr(self.encoder, "near", Encoder.near)

    def fit(self, items: Sequence[Any]) -> Adopted:
        """Let a copy of the object learn, where it has `fit`."""
        vars(self).pop("encoder_", None)
        if hasattr(self.encoder, "fit"):
            fitted = copy.deepcopy(self.encoder)
            fitted.fit(items)
            if learned_by(fitted):
                self.encoder_ = fitted
        return self

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """The object's own `attempt`, or `encode` of what it can encode."""
        if hasattr(self._object, "attempt"):
            values, notes = self._object.attempt(items)
            return values, notes
        notes = {}
        if self.modality == "text":
            notes = {i: told for i, told in readable(items)[1].items() if any(note.skipped for note in told)}
        good = [i for i in range(len(items)) if i not in notes]
        rows: dict[int, np.ndarray] = {}
        for i, said in zip(good, self._said([items[i] for i in good]), strict=True):
            if isinstance(said, Note):
                notes[i] = [said]
            else:
                rows[i] = said
        return _placed(rows, len(items)), notes

    def _said(self, items: list[Any]) -> Sequence[np.ndarray | Note]:
        """What the object says of each item; where it refuses them together, of each alone, or why it does not."""
        if not items:
            return []
        try:
            values = self._object.encode(items)
        except (ValueError, OSError) as error:
            if len(items) > 1:
                return [self._said([item])[0] for item in items]
            return [error.note if isinstance(error, MediaError) else Note("broken", str(error), skipped=True)]
        if isinstance(values, Tokens):
            return [values.batch([i])[0][0] for i in range(len(values))]
        rows = np.asarray(values, dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(items):
            raise ChiasmError(
                f"wanted numbers ({len(items)}, d) from {type(self.encoder).__name__}.encode, one row an item, got an "
                f"array of shape {rows.shape}: return one vector for each item."
            )
        return list(rows)

    def content(self, item: Any) -> bytes:
        """The object's own `content`, or what makes an item of its modality what it is."""
        if hasattr(self.encoder, "content"):
            return bytes(self.encoder.content(item))
        return content_of(self.modality, item)

    @property
    def fingerprint(self) -> str:
        """The object's own `fingerprint`, or one of its class, version, parameters and learned state."""
        cls = type(self.encoder)
        if hasattr(self._object, "fingerprint"):
            facts = str(self._object.fingerprint).encode()
        else:
            params, learned = self.encoder.get_params(deep=False), learned_by(self._object)
            told = {"version": getattr(cls, "version", 1), "code": foreign_code(cls)}
            facts = state_bytes({"params": params, "learned": learned, **told})
        digest = hashlib.sha256(f"{cls.__module__}:{cls.__qualname__} ".encode() + facts).hexdigest()
        return f"{cls.__name__.lower()}-{digest[:16]}"

    @property
    def _object(self) -> Any:
        return vars(self).get("encoder_", self.encoder)


def _placed(rows: dict[int, np.ndarray], n: int) -> Any:
    """Rows by place -> vectors `(n, d)` or Tokens; a place without a row means nothing."""
    first = next(iter(rows.values()), np.zeros(0, np.float32))
    if first.ndim == 2:
        return Tokens.of([rows.get(i, np.zeros((0, first.shape[1]), np.float32)) for i in range(n)])
    out = np.zeros((n, len(first)), dtype=np.float32)
    for i, row in rows.items():
        out[i] = row
    return out


def adopt(part: Any) -> Encoder:
    """The part itself where it is an `Encoder`; else with the base's methods around it."""
    if isinstance(part, Encoder):
        return part
    if not hasattr(part, "fingerprint") and not hasattr(part, "get_params"):
        raise ChiasmError(
            "wanted an encoder with get_params or a fingerprint (a text that changes when its numbers would), got "
            f"{type(part).__name__}, which has neither: inherit from chiasm.contracts.Encoder, or add one."
        )
    return Adopted(part)
