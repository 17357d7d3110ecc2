"""What a generator promises."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from chiasm.contracts._probe import Probe, Promise, apart, hold, printed, reloaded, stateless
from chiasm.data.toy import COLORS, SHAPES, shape_image
from chiasm.generate import Generator
from chiasm.views import ABSENT, Column, Views

__all__ = ["BASE", "PROMISES"]

BASE = Generator

LEARN = 240
"""Of the generated rows those that are learned from."""
LOST = 0.3
"""The share of its score that a generator loses, at least, when its input is shuffled."""


@cache
def _made() -> tuple[Views, np.ndarray, np.ndarray, Views]:
    """Things of a color and a shape, two dim views of both; a caption of each, and numbers linear in what is seen; and
    a picture of each."""
    rng = np.random.default_rng(0)
    n = LEARN + 60
    color, shape = rng.integers(0, len(COLORS), n), rng.integers(0, len(SHAPES), n)
    plain = np.concatenate([np.eye(len(COLORS))[color], np.eye(len(SHAPES))[shape]], axis=1)
    turned = [plain @ rng.normal(size=(plain.shape[1], d)) + 0.1 * rng.normal(size=(n, d)) for d in (12, 9)]
    names, ground = list(COLORS), ["on a white ground", "in the snow"]
    texts = [
        f"a {names[c]} {SHAPES[s]} {ground[g]}" for c, s, g in zip(color, shape, rng.integers(0, 2, n), strict=True)
    ]
    views = Views({"photo": Column("vector", turned[0]), "sketch": Column("vector", turned[1])})
    numbers = (plain @ rng.normal(size=(plain.shape[1], 7)) + 0.1 * rng.normal(size=(n, 7))).astype(np.float32)
    pictures = [shape_image(names[c], SHAPES[s], seed=i) for i, (c, s) in enumerate(zip(color, shape, strict=True))]
    return views, np.array(texts, dtype=object), numbers, Views({"photo": Column("image", pictures)})


def _drawn(on: Probe) -> Views:
    """What is read: vectors, or the pictures themselves."""
    views, _, _, pictures = _made()
    return pictures if getattr(on.make(), "reads", "vectors") == "items" else views


def _wanted(on: Probe) -> np.ndarray:
    """What is to be made of each row."""
    _, texts, numbers, _ = _made()
    return texts if on.make().makes == "texts" else numbers


def _fitted(on: Probe) -> Any:
    return on.once("fitted", lambda: on.make().fit(_drawn(on)[:LEARN], _wanted(on)[:LEARN]))


def _rest(on: Probe) -> Views:
    rest: Views = _drawn(on)[LEARN:]
    return rest


def _same(on: Probe, one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two outputs are equal: texts letter by letter, numbers to 1e-5."""
    if on.make().makes == "texts":
        return list(one) == list(other)
    return apart(one, other) <= max(on.within, 1e-5)


def makes_one_a_row(on: Probe) -> None:
    """`makes` says "texts" or "vectors", and `generate` gives one a row."""
    found = _fitted(on).generate(_rest(on))
    hold(len(found) == len(_rest(on)), f"{len(_rest(on))} rows gave {len(found)}")
    if on.make().makes == "texts":
        hold(all(isinstance(one, str) and one for one in found), "an output is no text, or empty")
    else:
        hold(found.shape == (len(_rest(on)), _wanted(on).shape[1]), f"the numbers have shape {found.shape}")
        hold(np.isfinite(found).all(), "an output is not finite")


def listens_to_its_input(on: Probe) -> None:
    """The output changes when the input does, and a shuffled input scores worse."""
    part, views, wanted = _fitted(on), _rest(on), _wanted(on)[LEARN:]
    found = part.generate(views)
    hold(len({str(one) for one in found}) > 1, "every row gives the same output")
    dealt = np.random.default_rng(0).permutation(len(views))
    right, shuffled = float(part.score(views, wanted)), float(part.score(views[dealt], wanted))
    hold(right > 0, f"its score is {right:.3f}")
    hold(shuffled < (1 - LOST) * right, f"it scores {right:.3f}, and {shuffled:.3f} with its rows shuffled")


def answers_alone_as_in_company(on: Probe) -> None:
    """A row has the same output alone as among others, and a second fit gives the same."""
    part, views = _fitted(on), _rest(on)
    whole = part.generate(views)
    hold(_same(on, part.generate(views[7:8]), whole[7:8]), "row 7 alone gives another output")
    again = on.make().fit(_drawn(on)[:LEARN], _wanted(on)[:LEARN])
    hold(_same(on, again.generate(views), whole), "a second fit gives other outputs: draw by the seed")


def bears_absent_items(on: Probe) -> None:
    """Any view, and what is to be made, may be absent on some rows; a view later altogether, a row without any."""
    views, rng = _drawn(on), np.random.default_rng(3)
    thin = views.replace(
        {
            name: column.at(np.where(rng.random(len(views)) < 0.2, ABSENT, np.arange(len(views))))
            for name, column in views.columns.items()
        }
    )
    wanted = _wanted(on)[:LEARN].copy()
    wanted[::9] = None if wanted.dtype == object else np.nan
    part = on.make().fit(thin[:LEARN], wanted)
    rest = thin[LEARN:]
    found = part.generate(rest)
    bare = ~np.any([rest.present(name) for name in rest.names], axis=0)
    hold(len({str(one) for one in found[bare]}) <= 1, "rows without any view get several outputs")
    hold(len(part.generate(rest.replace({"photo": rest["photo"]}))) == len(rest), "one view alone is not answered")


def keeps_nothing_of_a_call(on: Probe) -> None:
    """No state of the last call: generating leaves nothing on it."""
    part, views = _fitted(on), _rest(on)
    stateless(on, part, *(lambda some=some: part.generate(some) for some in (views, views[:7], views[9:])))


def prints_its_score(on: Probe) -> None:
    """Its score prints as the table behind it."""
    printed(_fitted(on).score(_rest(on), _wanted(on)[LEARN:]))


def comes_back_from_disk(on: Probe) -> None:
    """Saved and loaded it gives the same."""
    part, views = _fitted(on), _rest(on)
    with reloaded(on, part) as again:
        hold(_same(on, again.generate(views), part.generate(views)), "it gives other outputs")


PROMISES = tuple(
    Promise.of(keep)
    for keep in (
        makes_one_a_row,
        listens_to_its_input,
        answers_alone_as_in_company,
        bears_absent_items,
        keeps_nothing_of_a_call,
        prints_its_score,
        comes_back_from_disk,
    )
)
