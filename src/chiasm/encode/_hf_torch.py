"""What the encoders of a user's own files share that can be trained: inputs as tensors, and the network as a module."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chiasm.encode._hf import Hf
from chiasm.encode._hf_call import Read, ignores_padding, prepared
from chiasm.encode._hf_last import last
from chiasm.errors import ChiasmError
from chiasm.known import Last

__all__ = ["Trainable"]


class Trainable(Hf):
    """An encoder of one call an item: `module()(prepare(items))` is `encode(items)`, to 1e-4."""

    def prepare(self, items: Sequence[Any]) -> dict[str, Any]:
        """What `module` reads: the network's inputs by name, first axis n, and `counts` `(n,)`, tokens an item.

        Raises a ChiasmError that names the first item that cannot be read, and where texts of different lengths change
        one another in a network that does not ignore padding.
        """
        opened, reads = self._open(), []
        for item, read in zip(items, self._reads(opened, items), strict=True):
            if not isinstance(read, Read):
                raise ChiasmError(f"cannot prepare {self.modality} {str(item)[:200]!r}: {read}.")
            reads.append(read)
        lengths = {read.calls[0]["input_ids"].shape[1] for read in reads if "input_ids" in read.calls[0]}
        if len(lengths) > 1 and not (opened.pads or ignores_padding(opened, self._call, reads)):
            raise ChiasmError(
                f"{self._name}: wanted texts of one length, as this network mixes padding in, got several."
            )
        return prepared(opened, reads)

    def module(self) -> Any:
        """A copy of the network as a torch module, to be trained; in evaluation mode."""
        import torch

        self._trains()
        opened = self._open()
        call, own = self._call, replace(opened, network=copy.deepcopy(opened.network))

        class Vectors(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.network = own.network.requires_grad_(True)

            def forward(self, given: dict[str, Any]) -> torch.Tensor:
                return call(own, {name: held for name, held in given.items() if name != "counts"}, given["counts"])[0]

        return Vectors().eval()

    def last(self) -> Last:
        """The last linear layer before the last normalization, apart, for `adapter`.

        Raises a ChiasmError for a network that does not end so, and for vectors that are not made of its states by the
        first token, its trained pooler or the mean.
        """
        self._trains()
        return last(self.clone())

    def _trains(self) -> None:
        if self.precision != "float32" or self.in_parts:
            raise ChiasmError(f'{self._name}: wanted precision="float32" and pooled=True to train, got {self!r}.')
