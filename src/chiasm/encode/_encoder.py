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
from chiasm.tokens import Tokens

__all__ = [
    "NO_TOKENS",
    "Encoder",
    "content_of",
    "each",
    "every",
    "first_words",
    "foreign_code",
    "packed",
    "state_bytes",
    "text_bytes",
]

_IN_PARTS = {
    "text": "words come from minilm_text, hf_text and wordvec_text",
    "image": "patches come from effnet_image and hf_image",
}


class Encoder(Part):
    """One encoder of one modality. A subclass says its `modality` and implements `attempt`; the rest follows.

    Where an item has parts (words, patches), the constructor has a parameter `pooled`. True: one vector an item,
    `(n, d)`. False: one a part, `chiasm.tokens.Tokens` of `(t_i, d')` an item; `tokens(items)` gives the same in single
    precision.

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
    pooled: bool = True

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

    def tokens(self, items: Sequence[Any]) -> list[np.ndarray]:
        """The vectors of each item's parts, n float32 arrays `(t_i, d')`; a ChiasmError where an encoder has none."""
        raise self.undivided()

    def undivided(self) -> ChiasmError:
        """Why an item of this encoder is one vector, and what to take for its parts."""
        name = type(self).__module__.rsplit(".", 1)[-1]
        if "steps" in self.get_params(deep=False):
            return ChiasmError(f"{name} has no parameter pooled: with steps=T an item is T vectors, in order of time.")
        do = f": {_IN_PARTS[self.modality]}, with pooled=False" if self.modality in _IN_PARTS else ""
        return ChiasmError(f"{name} has pooled vectors only, one an item{do}.")

    @property
    def in_parts(self) -> bool:
        """Whether an item is several vectors, `Tokens`, rather than one."""
        return not self.pooled

    def known(self) -> Known | None:
        """The names that a classifier with these vectors has, if it has any: `align` may learn from them."""
        return None

    def nameless(self) -> str:
        """Why `known` is None, of a network that might have had names; "" of others."""
        return ""

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
        half = "-half" if self.in_parts else ""  # tokens are in half precision, which is told
        return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}{half}"


def each(
    function: Callable[[Any], tuple[np.ndarray, list[Note]]], items: Sequence[Any], width: int | None
) -> tuple[Any, dict[int, list[Note]]]:
    """`attempt` by `function(item)` -> (vector, notes) on all cores; an item that raises MediaError is skipped.

    Args:
        width: d of the vectors; None where the function gives an item's tokens `(t, d)`.
    """

    def safe(item: Any) -> tuple[np.ndarray | None, list[Note]]:
        try:
            return function(item)
        except MediaError as error:
            return None, [error.note]

    made, notes = [], {}
    for i, (values, found) in enumerate(scale.threads(safe, items)):
        if values is not None and width is None and not len(values):
            values, found = None, [NO_TOKENS]
        made.append(values)
        if found:
            notes[i] = found
    return packed(made, width), notes


def every(
    function: Callable[[Any], tuple[np.ndarray, list[Note]]], items: Sequence[Any], what: str
) -> list[np.ndarray]:
    """`tokens` by `function(item)` -> (tokens, notes) on all cores; the first MediaError becomes a ChiasmError.

    Args:
        what: what an item is, for the error.
    """

    def one(item: Any) -> np.ndarray:
        try:
            return function(item)[0]
        except MediaError as error:
            raise ChiasmError(f"cannot encode {what} {str(item)[:200]!r}: {error}.") from None

    return list(scale.threads(one, items))


def first_words(tokens: np.ndarray, steps: int) -> tuple[np.ndarray, list[Note]]:
    """The first `steps` of an item's words, zeros behind its end, `(steps, d)`, and a note where some are left out.

    0: all of them. An item without a word stays without.

    >>> first_words(np.ones((2, 1)), 3)[0].ravel().tolist()
    [1.0, 1.0, 0.0]
    """
    if not steps or len(tokens) == steps or not len(tokens):
        return tokens, []
    if len(tokens) > steps:
        return tokens[:steps], [Note("cut", f"read the first {steps} of {len(tokens)} words")]
    return np.pad(tokens, ((0, steps - len(tokens)), (0, 0))), []


NO_TOKENS = Note("no_tokens", "nothing of it is a token", skipped=True)


def packed(made: Sequence[np.ndarray | None], width: int | None) -> Any:
    """What was made of n items as a column holds it; an item that is None is a row that means nothing.

    Args:
        made: vectors `(d,)`; with width None tokens `(t_i, d)`. width: d.
    """
    if width is None:
        wide = next((one.shape[1] for one in made if one is not None), 0)
        return Tokens.of([np.zeros((0, wide)) if one is None else one for one in made])
    out = np.zeros((len(made), width), dtype=np.float32)
    for row, one in enumerate(made):
        if one is not None:
            out[row] = one
    return out


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
