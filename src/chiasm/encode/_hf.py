"""What the encoders of a user's own Hugging Face files share: opening the folder, items through it, errors.

Nothing here connects to a network or runs code from a folder, and weights are read from safetensors files only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from chiasm import scale
from chiasm.allowed import DEVICE, FLAG, SIZE, check, choice
from chiasm.device import place
from chiasm.encode._encoder import NO_TOKENS, Encoder, packed
from chiasm.encode._hf_call import Opened, Read, Row, alone, ignores_padding, together
from chiasm.encode._hf_names import classifier
from chiasm.encode._hf_read import by_pillow
from chiasm.errors import ChiasmError
from chiasm.known import Known
from chiasm.media.images import MediaError, Note
from chiasm.nn.hub import in_words, one_thread, quiet
from chiasm.nn.hub_files import checksum, find, libraries

__all__ = ["T5", "Hf", "Made"]

T5 = ("t5", "mt5", "umt5")
"""Networks of an encoder and a decoder, of which the encoder alone is used for texts."""


Made = tuple[np.ndarray, Any, list[Note]]
"""An item's vector `(d,)`, token states `(t, d')` and notes."""

PRECISIONS = ("float32", "float16", "bfloat16")


class Hf(Encoder):
    """An encoder whose network is a folder of transformers files that the user names in `model`.

    A file of this kind implements `_load` (folder -> Opened), `_reads` (items -> inputs), `_call` (inputs -> what the
    network says) and where needed `_made` (what it says -> vector, token states). It has the parameters

    - device: "auto" (a GPU where torch sees one when the folder is opened, else the CPU), "cpu" or "cuda".
    - precision: "float32", "float16" or "bfloat16". The half ones are for GPUs: twice as fast there and more, vectors
      equal to 2 or 3 digits.
    - batch_size: items a call of the network; 0: 32 on a CPU (of sounds and videos one), more on a GPU.
    - pooled, where an item has parts: False gives the network's last states of them.

    With batch_size=1 one thread a call, as many calls at once as there are cores: no text is padded to the length of
    another, so an item gives the same bits in any company and on any number of cores. Many a call, which is up to three
    times as fast, and a GPU give numbers that equal these to 1e-4 in float32. So the fingerprint, which names vectors
    in the cache, has the precision and neither device nor batch_size: what is there was made by whichever came first.
    """

    model: str
    device: str
    precision: str
    batch_size: int

    local = ("device", "batch_size")
    later: ClassVar = {"precision": "float32", "prompt": "", "truncate_dim": 0, "pooled": True}
    allowed: ClassVar = {"device": DEVICE, "precision": choice(*PRECISIONS), "batch_size": SIZE, "pooled": FLAG}

    many: ClassVar[int] = 64
    """Items a call on a GPU."""
    few: ClassVar[int] = 32
    """Items a call on a CPU."""
    at_least: ClassVar[int] = 64
    """Items a batch for the cache."""
    pieces: ClassVar[int] = 1
    """Items that one thread reads at a time, where many go into a call."""

    @property
    def batch(self) -> int:  # type: ignore[override]
        """Items a call of `attempt` that is worth making."""
        opened: Opened | None = vars(self).get("_opened")
        size = opened.size if opened else self._size(place(self.device))
        return self.at_least if size == 1 else max(self.at_least, 16 * size)

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Encode on all cores or on a GPU; unreadable items are noted as skipped, cut ones as cut."""
        opened = self._open()
        found: list[np.ndarray | None] = [None] * len(items)
        notes: dict[int, list[Note]] = {}
        for position, made in self._each(opened, items, states=self.in_parts):
            if isinstance(made, MediaError):
                notes[position] = [made.note]
            elif self.in_parts and not len(self._parts(made)):
                notes[position] = [NO_TOKENS]
            else:
                found[position] = self._parts(made) if self.in_parts else made[0]
                notes |= {position: made[2]} if made[2] else {}
        return packed(found, None if self.in_parts else opened.width), dict(sorted(notes.items()))

    def tokens(self, items: Sequence[Any]) -> list[np.ndarray]:
        """The network's last states of each item's parts (words, patches): n float32 arrays `(t_i, d)`.

        Raises a ChiasmError that names the first item that cannot be read.
        """
        found: dict[int, np.ndarray] = {}
        for position, made in self._each(self._open(), items, states=True):
            if isinstance(made, MediaError):
                shown = str(items[position])[:200]
                raise ChiasmError(f"cannot encode {self.modality} {shown!r}: {made}.") from None
            found[position] = self._parts(made)
        return [found[i] for i in range(len(items))]

    def weights(self) -> str:
        """A checksum of the folder's weights and settings, and the version of transformers, which reads them."""
        opened: Opened | None = vars(self).get("_opened")
        return opened.checksum if opened else checksum(self._name, self._folder())

    def _classes(self, items: Sequence[Any]) -> Known | str:
        """The names that the folder's classifier knows, which is checked on some items, or why not; see `_hf_names`."""
        opened, made = self._open(), []
        if opened.place != "cpu" or opened.size > 1 or self.precision != "float32":
            return self.clone(device="cpu", precision="float32", batch_size=1)._classes(items)
        for read in self._reads(opened, items):
            if isinstance(read, Read) and not isinstance(one := self._finished(opened, read, None), MediaError):
                made.append((read.calls[0], one[0]))
        with in_words(self._name, self._folder()), quiet():
            return classifier(self._folder(), self.modality, made) if made else ""

    def clone(self, **changed: Any) -> Self:
        """Another of the same folder, with some parameters changed."""
        return type(self)(**{**self.get_params(deep=False), **changed})

    def _load(self, folder: Path) -> Opened:
        raise NotImplementedError

    def _reads(self, opened: Opened, items: Sequence[Any]) -> list[Read | MediaError]:
        """Items as the network's inputs; a MediaError stands for one that cannot be read. Asked in threads."""
        raise NotImplementedError

    def _call(self, opened: Opened, inputs: dict[str, Any], counts: Any) -> tuple[Any, Any]:
        """What the network says of the inputs of n items, see `Call`."""
        raise NotImplementedError

    def _made(self, opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Any]:
        """The vector `(d,)` and the token states `(t, d')` of an item."""
        (row,) = rows
        assert row.vector is not None
        return row.vector, row.states if read.kept is None or not row.states.size else row.states[read.kept]

    def _parts(self, made: Made) -> np.ndarray:
        """The states `(t, d')` of an item's parts."""
        states: np.ndarray = made[1]
        return states

    def _probes(self) -> list[Any]:
        """Items that any such network can read: the first call shows that it works, and its width. Of texts two of
        different lengths, which show whether it ignores padding."""
        raise NotImplementedError

    def _each(self, opened: Opened, items: Sequence[Any], *, states: bool) -> Iterator[tuple[int, Made | MediaError]]:
        """Each item's vector, states and notes, by position; a MediaError for what cannot be read. In no order."""

        def read(positions: Sequence[int]) -> list[tuple[int, Read | MediaError]]:
            found = self._reads(opened, [items[i] for i in positions])
            return list(zip(positions, found, strict=True))

        def answer(positions: Sequence[int]) -> list[tuple[int, Made | MediaError]]:
            return [(i, self._finished(opened, one, None)) for i, one in read(positions)]

        groups = self._groups(items, 1 if opened.size == 1 else self.pieces)
        if opened.size == 1:
            with one_thread():
                for told in scale.threads(answer, groups):
                    yield from told
            return
        failed: list[tuple[int, MediaError]] = []

        def good() -> Iterator[tuple[int, Read]]:
            for told in scale.threads(read, groups, max(2, scale.cores())):
                for position, one in told:
                    if isinstance(one, MediaError):
                        failed.append((position, one))
                    else:
                        yield position, one

        for position, one, rows in together(opened, self._call, good(), states=states or self.on_states):
            yield position, self._finished(opened, one, rows)
        yield from failed

    on_states: ClassVar[bool] = False
    """Whether a vector is made of the states."""

    def _groups(self, items: Sequence[Any], most: int) -> list[list[int]]:
        """Positions of the items that are read together."""
        return [list(range(i, min(i + most, len(items)))) for i in range(0, len(items), most)]

    def _finished(self, opened: Opened, read: Read | MediaError, rows: list[Row] | None) -> Made | MediaError:
        if isinstance(read, MediaError):
            return read
        try:
            vector, states = self._made(opened, read, alone(opened, self._call, read) if rows is None else rows)
        except MediaError as error:
            return error
        return vector, states, read.notes

    def _run(self, opened: Opened, item: Any) -> Made:
        """An item alone; a MediaError where it cannot be read."""
        made = self._finished(opened, self._reads(opened, [item])[0], None)
        if isinstance(made, MediaError):
            raise made
        return made

    def _open(self) -> Opened:
        if vars(self).get("_opened") is None:
            check(type(self).__name__, self.get_params(deep=False), Hf.allowed)
            device, folder = place(self.device), self._folder()
            libraries(self._name)
            mark = checksum(self._name, folder)
            with in_words(self._name, folder), quiet():
                opened = self._load(folder)
                self._settle(opened, device)
            opened.checksum = mark
            self._opened = opened
        return self._opened

    def _settle(self, opened: Opened, device: str) -> None:
        """Put the network where it runs, and find out how wide its vectors are and whether it ignores padding."""
        import torch

        opened.place, opened.size = device, self._size(device)
        opened.network.to(device)
        if self.modality == "image" and opened.size > 1:
            opened.pixels = by_pillow(opened.reader)
        reads = [one for one in self._reads(opened, self._probes()) if not isinstance(one, MediaError)]
        with one_thread():
            opened.pads = opened.size > 1 < len(reads) and ignores_padding(opened, self._call, reads)
            opened.network.to(getattr(torch, self.precision))
            opened.width = len(self._made(opened, reads[0], alone(opened, self._call, reads[0]))[0])

    def _size(self, device: str) -> int:
        return self.batch_size or (self.few if device == "cpu" else self.many)

    def _folder(self) -> Path:
        return find(self._name, self.model)

    @property
    def _name(self) -> str:
        return type(self).__module__.rsplit(".", 1)[-1]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_opened"}
