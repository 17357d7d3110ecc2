"""What every encoder shares: strict and lenient encoding, the fingerprint, and the bytes of an item."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any, ClassVar

import numpy as np

from chiasm import scale
from chiasm.errors import ChiasmError
from chiasm.known import Exported, Known
from chiasm.media import images
from chiasm.media.clips import clip_content
from chiasm.media.images import MediaError, Note
from chiasm.part import Part

__all__ = ["Encoder", "content_of", "each", "foreign_code", "state_bytes", "text_bytes"]


class Encoder(Part):
    """One encoder of one modality. A subclass says its `modality` and implements `attempt`; the rest follows.

    Class attributes:
        modality: what it reads. version: raised when the numbers of equal items change, which are in caches.
        batch: items a call that is worth making. near: cosine from which two items are called nearly equal (chosen by
            benchmarks/search/near_equal.py), or None. later: parameters that came after the first release, each with
            the value that leaves the numbers as they were: with it, what is in caches stays good.
    """

    modality: ClassVar[str]
    version: ClassVar[int] = 1
    batch: ClassVar[int] = 256
    near: ClassVar[float | None] = None
    later: ClassVar[Mapping[str, Any]] = {}

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Encode what can be: `(n, d)` float32 or Tokens, and notes by position. A skipped item's row means nothing."""
        raise NotImplementedError

    def encode(self, items: Sequence[Any]) -> Any:
        """`(n, d)` float32 vectors of n items, or their `Tokens`; a ChiasmError names the first that cannot be read."""
        return self.encode_told(items)[0]

    def encode_told(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """As `encode`, and the notes on what was altered, by position."""
        values, notes = self.attempt(items)
        for position, found in notes.items():
            for note in found:
                if note.skipped:
                    shown = items[position] if isinstance(items[position], str) else f"item {position}"
                    raise ChiasmError(
                        f"cannot encode {self.modality} {str(shown)[:200]!r}: {note.message} [{note.code}]."
                    )
        return values, notes

    def known(self) -> Known | None:
        """The names that a classifier with these vectors has, if it has any: `align` may learn from them."""
        return None

    def speaker(self) -> Encoder | None:
        """The encoder of texts whose vectors share a space with these, where there is one: no pair is needed then."""
        return None

    def exported(self) -> Exported:
        """What a reader without this library needs to encode an item; a ChiasmError from an encoder that cannot tell.

        The reader reads ordinary items alone: it notes nothing, and has no bounds on what it opens.
        """
        raise ChiasmError(
            f"wanted encoders that a reader without Chiasm can run, got {self!r}: fit with effnet_image, "
            "effnet2_image, e5_text or minilm_text, or with vectors of your own."
        )

    def fit(self, items: Sequence[Any]) -> Encoder:
        """Learn from training items, where the encoder learns at all. Returns self."""
        return self

    def content(self, item: Any) -> bytes:
        """The bytes that make an item what it is: with the fingerprint, its name in the cache. See `content_of`."""
        return content_of(self.modality, item)

    def weights(self) -> str:
        """A checksum of the weights the encoder runs (empty where it has none)."""
        return ""

    def telling(self) -> dict[str, Any]:
        """The parameters that the numbers depend on, as the fingerprint has them: not `local`, not `later` ones."""
        told = {name: value for name, value in self.get_params(deep=False).items() if name not in self.local}
        return {name: value for name, value in told.items() if name not in self.later or value != self.later[name]}

    @property
    def fingerprint(self) -> str:
        """Changes when the numbers would: class, version, parameters, weights and learned state.

        Of a class that is not chiasm's its own methods count too, so that whoever works on one is not given the old
        numbers from the cache. What these call, or read from files, does not: `version` and `weights` are for that.
        """
        state = hashlib.sha256()
        for name, value in sorted(self.learned().items()):
            state.update(name.encode() + state_bytes(value))
        cls = type(self)
        code = foreign_code(cls)
        facts = {
            "class": f"{cls.__module__}:{cls.__qualname__} {code}" if code else cls.__qualname__,
            "version": self.version,
            "params": self.telling(),
            "weights": self.weights(),
            "state": state.hexdigest() if self.learned() else "",
        }
        text = json.dumps(facts, sort_keys=True, default=str)
        name = cls.__module__.rsplit(".", 1)[-1]
        return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def each(
    function: Callable[[Any], tuple[np.ndarray, list[Note]]], items: Sequence[Any], width: int
) -> tuple[np.ndarray, dict[int, list[Note]]]:
    """`attempt` by `function(item)` -> (vector, notes) on all cores; an item that raises MediaError is skipped."""

    def safe(item: Any) -> tuple[np.ndarray | None, list[Note]]:
        try:
            return function(item)
        except MediaError as error:
            return None, [error.note]

    out = np.zeros((len(items), width), dtype=np.float32)
    notes = {}
    for i, (vector, found) in enumerate(scale.threads(safe, items)):
        if vector is not None:
            out[i] = vector
        if found:
            notes[i] = found
    return out, notes


def foreign_code(cls: type) -> str:
    """A hash of the methods of a class and its bases that are not chiasm's; "" where all of them are."""
    found = []
    for base in cls.__mro__:
        if base is object or base.__module__.split(".")[0] == "chiasm":
            continue
        for name, held in sorted(vars(base).items()):
            function = getattr(held, "fget", None) or getattr(held, "__func__", held)
            if isinstance(code := getattr(function, "__code__", None), CodeType):
                found.append((base.__qualname__, name, _code(code)))
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16] if found else ""


def _code(code: CodeType) -> tuple[Any, ...]:
    """What a function does, without where it stands."""
    consts: list[Any] = []
    for one in code.co_consts:
        if isinstance(one, CodeType):
            consts.append(_code(one))
        else:
            consts.append(sorted(map(repr, one)) if isinstance(one, frozenset) else repr(one))
    return code.co_name, code.co_code, code.co_names, code.co_varnames, consts


def content_of(modality: str, item: Any) -> bytes:
    """What makes an item what it is: a text as UTF-8, a picture's bytes or pixels, a hash of a sound or film.

    A record and a vector are their values, as JSON. Raises a ChiasmError for what is no item of the modality.
    """
    if modality == "image":
        data = images.content(item)
        return data + b"gray as of 0.2" if images.is_deep(item, data) else data  # these alone are seen otherwise
    if modality in ("audio", "video"):
        return clip_content(item)
    if modality in ("record", "vector"):
        try:
            return json.dumps(item, sort_keys=True, default=_plain).encode()
        except TypeError:
            raise ChiasmError(f"wanted a {modality}, got {type(item).__name__}: {str(item)[:60]!r}.") from None
    return text_bytes(item)


def text_bytes(item: Any) -> bytes:
    """A text as UTF-8; lone surrogates are kept apart from what they would be replaced by."""
    if not isinstance(item, str):
        raise ChiasmError(f"wanted a text, got {type(item).__name__}: {str(item)[:60]!r}.")
    return item.encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    """Numbers of numpy as plain ones."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no number")


def state_bytes(value: Any) -> bytes:
    """Learned state as bytes that do not depend on the run."""
    if isinstance(value, np.ndarray):
        return str((value.dtype, value.shape)).encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, np.generic):
        value = value.item()  # a loaded encoder holds plain numbers, and is the same encoder
    if isinstance(value, dict):
        return b"".join(str(k).encode() + state_bytes(v) for k, v in sorted(value.items()))
    if hasattr(value, "get_params"):
        return state_bytes({k: v for k, v in vars(value).items() if k != "_stop_words_id"})  # that one is an address
    return repr(value).encode()
