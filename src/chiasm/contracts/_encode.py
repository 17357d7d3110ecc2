"""What an encoder promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.contracts._probe import (
    BrokenError,
    Probe,
    Promise,
    SkippedError,
    apart,
    hold,
    items_of,
    reloaded,
    rows_of,
    stateless,
)
from chiasm.encode import Encoder
from chiasm.errors import ChiasmError
from chiasm.tokens import Tokens

__all__ = ["BASE", "PROMISES", "taught"]

BASE = Encoder

FEW = 9
"""Items of a second fit, which has to be told from the first by its fingerprint."""
NEARLY = 1e-4
"""How far a module's numbers may be, in units of the largest."""


def gives_a_row_an_item(on: Probe) -> None:
    """`encode` gives one row of finite float32 numbers an item, or Tokens."""
    values, items = _whole(on), _items(on)
    hold(isinstance(values, np.ndarray | Tokens), f"it gave a {type(values).__name__}: wanted a numpy array or Tokens")
    hold(values.dtype == np.float32, f"its numbers are {values.dtype}")
    hold(len(values) == len(items), f"{len(items)} items gave {len(values)} rows")
    hold(isinstance(values, Tokens) or values.ndim == 2, f"the rows are an array of shape {np.shape(values)}")
    hold(all(np.isfinite(row).all() for row in rows_of(values)), "some of its numbers are not finite")


def says_the_same_alone_as_in_a_batch(on: Probe) -> None:
    """An item has the same numbers alone and in any batch."""
    encoder, items, whole = _fitted(on), _items(on), rows_of(_whole(on))
    for i in (0, 3, len(items) - 1):
        far = apart(rows_of(encoder.encode([items[i]]))[0], whole[i])
        hold(far <= on.within, f"item {i} alone differs from itself among {len(items)} by {far:.1g} of the largest")
    order = np.random.default_rng(0).permutation(len(items)).tolist()
    turned = rows_of(encoder.encode([items[i] for i in order]))
    far = max(apart(one, whole[i]) for one, i in zip(turned, order, strict=True))
    hold(far <= on.within, f"in another order items differ by {far:.1g} of the largest number")


def tells_items_apart(on: Probe) -> None:
    """Different items have different numbers, and different contents."""
    items, encoder = _items(on), _fitted(on)
    seen = {(row.round(6) + 0.0).tobytes() for row in rows_of(_whole(on))}
    hold(len(seen) == len(items), f"{len(items)} different items have {len(seen)} different rows")
    contents = [encoder.content(item) for item in items]
    hold(contents == [encoder.content(item) for item in items], "an item's content is not the same twice")
    hold(len(set(contents)) == len(items), f"{len(items)} different items have {len(set(contents))} contents")


def fingerprint_follows_the_numbers(on: Probe) -> str | None:
    """The fingerprint changes with parameters and with what is learned, and with nothing else."""
    items, encoder = _items(on), _fitted(on)
    again = taught(on.make(), items)
    hold(again.fingerprint == encoder.fingerprint, "two equal encoders, equally fitted, have different fingerprints")
    if encoder.learned():
        few = taught(on.make(), items[:FEW])
        hold(few.fingerprint != encoder.fingerprint, "it stays as it is when the encoder learns from other items")
    seen = {encoder.fingerprint: "the encoder as given"}
    left = []
    try:
        params = on.params()
    except SkippedError as why:
        return f"no parameter was changed, as {why}"
    local = getattr(encoder, "local", ())
    for name, value in params.items():
        if name in local:
            continue
        if name not in on.other and _another(value) is None:
            left.append(name)
            continue
        try:
            other = taught(on.make(**{name: on.other.get(name, _another(value))}), items)
            found = other.fingerprint
        except Exception as error:
            if name in on.other:
                raise BrokenError(
                    f"with {name}={on.other[name]!r} it raises {type(error).__name__}: {error}"
                ) from error
            left.append(name)
            continue
        hold(found not in seen, f"with another {name} it is that of {seen.get(found)}")
        seen[found] = f"another {name}"
    return f"not tried with another {', '.join(left)}: pass other={{name: value}}" if left else None


def notes_what_it_cannot_read(on: Probe) -> None:
    """An item that cannot be read is noted as skipped, leaves the others alone, and is an error of `encode`."""
    encoder, items = _fitted(on), _items(on)
    bad = items_of(encoder.modality)[1]
    values, notes = encoder.attempt([items[0], bad, items[1]])
    shown = repr(bad)[:40]
    hold(set(notes) == {1}, f"of items 0, {shown} and 1, attempt noted {_positions(notes)}")
    hold([note.skipped for note in notes[1]] == [True], f"what is noted of {shown} is not one note with skipped=True")
    far = max(apart(a, b) for a, b in zip(_picked(values, [0, 2]), rows_of(encoder.encode(items[:2])), strict=True))
    hold(far <= on.within, f"beside {shown} the other items differ by {far:.1g} of the largest number")
    try:
        encoder.encode([bad])
    except ChiasmError as error:
        hold(
            notes[1][0].code in str(error), f"the error of encode does not tell the code {notes[1][0].code!r}: {error}"
        )
        return
    raise BrokenError(f"encode of {shown} raises nothing")


def keeps_nothing_of_a_call(on: Probe) -> None:
    """No state of the last call: encoding leaves nothing on it, in `attempt` as in `encode`."""
    encoder, items = _fitted(on), _items(on)
    bad = items_of(encoder.modality)[1]
    calls = [lambda: encoder.attempt([bad, *items]), lambda: encoder.attempt(items[:2]), lambda: encoder.encode(items)]
    stateless(on, encoder, *calls)


def comes_back_from_disk(on: Probe) -> None:
    """Saved and loaded it gives the same numbers and has the same fingerprint."""
    encoder, items = _fitted(on), _items(on)
    with reloaded(on, encoder) as again:
        hold(again.fingerprint == encoder.fingerprint, "its fingerprint is another")
        few = zip(rows_of(again.encode(items[:4])), rows_of(encoder.encode(items[:4])), strict=True)
        far = max(apart(one, other) for one, other in few)
        hold(far <= on.within, f"its numbers differ by {far:.1g} of the largest")


def its_module_says_the_same(on: Probe) -> None:
    """Where it can be trained, `module()` gives of `prepare(items)` what `encode` gives, to 1e-4."""
    encoder, items = _fitted(on), _items(on)
    if not hasattr(encoder, "module"):
        return
    import torch

    prepared = encoder.prepare(items)
    with torch.inference_mode():
        found = encoder.module()(torch.from_numpy(prepared) if isinstance(prepared, np.ndarray) else prepared)
    far = max(apart(one, row) for one, row in zip(found.numpy(), rows_of(_whole(on)), strict=True))
    hold(far <= NEARLY, f"they differ by {far:.1g} of the largest number")


def taught(encoder: Any, items: Sequence[Any]) -> Any:
    """An encoder that has learned from items, and where it asks for labels from two in turn."""
    return registry.fit(encoder, items, y=np.array(["even", "odd"] * len(items), dtype=object)[: len(items)])


def _items(on: Probe) -> Sequence[Any]:
    return on.items if on.items is not None else items_of(on.make().modality)[0]


def _fitted(on: Probe) -> Any:
    return on.once("fitted", lambda: taught(on.make(), _items(on)))


def _whole(on: Probe) -> Any:
    return on.once("whole", lambda: _fitted(on).encode(_items(on)))


def _positions(notes: Any) -> str:
    return ", ".join(f"position {i}" for i in sorted(notes)) or "nothing"


def _picked(values: Any, places: list[int]) -> list[np.ndarray]:
    rows = rows_of(values)
    return [rows[i] for i in places]


def _another(value: Any) -> Any:
    """Another value like this one; None where there is no telling."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 8 if isinstance(value, int) else value * 1.5 + 0.25
    if isinstance(value, tuple | list) and len(value) > 1:
        return value[:1]
    return None


PROMISES = tuple(
    Promise.of(keep)
    for keep in (
        gives_a_row_an_item,
        says_the_same_alone_as_in_a_batch,
        tells_items_apart,
        fingerprint_follows_the_numbers,
        notes_what_it_cannot_read,
        keeps_nothing_of_a_call,
        comes_back_from_disk,
        its_module_says_the_same,
    )
)
