"""What a tuner promises: what the part that it wraps does, and that it learns from labels."""

from __future__ import annotations

from chiasm import registry
from chiasm.contracts import _encode
from chiasm.contracts._probe import BrokenError, Probe, Promise, apart, hold, items_of, rows_of
from chiasm.errors import ChiasmError
from chiasm.tune import Tuner

__all__ = ["BASE", "PROMISES"]

BASE = Tuner


def asks_for_labels(on: Probe) -> None:
    """Without labels, and where all are equal, it says what it wants."""
    items = items_of(on.make().modality)[0]
    for y in (None, ["same"] * len(items)):
        try:
            on.make().fit(items, y)
        except ChiasmError as error:
            hold("wanted" in str(error), f"of labels {y and y[0]} it says: {error}")
            continue
        raise BrokenError(f"it learns from labels {y and y[0]}")


def stays_in_the_space_of_what_it_wraps(on: Probe) -> None:
    """Its vectors are as wide as those of the encoder that it wraps, and none is another's."""
    tuner = on.once("fitted", lambda: _encode.taught(on.make(), items_of(on.make().modality)[0]))
    items = items_of(tuner.modality)[0]
    mine, theirs = (rows_of(one.encode(items)) for one in (tuner, registry.make("encode", tuner.encoder)))
    hold(mine[0].shape == theirs[0].shape, f"{mine[0].shape} where the encoder has {theirs[0].shape}")
    hold(all(apart(a, b) < 1 for a, b in zip(mine, theirs, strict=True)), "a vector is as far as another item's")


PROMISES = (*_encode.PROMISES, *(Promise.of(keep) for keep in (asks_for_labels, stays_in_the_space_of_what_it_wraps)))
