"""What an aligner promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.align import Aligner
from chiasm.contracts._probe import Probe, Promise, apart, hold, pair, printed, reloaded, stateless, thinned
from chiasm.views import Column, Views

__all__ = ["BASE", "PROMISES"]

BASE = Aligner

LEARN = 500
"""Of the 600 generated pairs those that are learned from; chance is 0.01 among the others."""
FOUND, THINNED, NOTHING = 0.3, 0.2, 0.08
"""R@1 above which unseen pairs are found, also with a third of one view absent; below which nothing is."""
CLOSE = 1e-5


def maps_to_one_space(on: Probe) -> None:
    """`transform` gives Views of the same rows, every view as wide as the others; `fit` gives the aligner back."""
    aligner, views = _fitted(on), pair()
    hold(on.memo["returned"], "fit does not return self")
    mapped = aligner.transform(views)
    hold(isinstance(mapped, Views), f"transform gave a {type(mapped).__name__}")
    hold(mapped.names == views.names and len(mapped) == len(views), f"transform gave {mapped!r} for {views!r}")
    hold(np.array_equal(mapped.ids, views.ids), "the rows have other ids")
    widths = {name: column.width for name, column in mapped.columns.items()}
    hold(len(set(widths.values())) == 1, f"the views' widths differ: {widths}")
    hold(all(np.isfinite(column.items[column.used]).all() for column in mapped.columns.values()), "not all is finite")


def maps_the_same_alone_as_in_company(on: Probe) -> None:
    """A view maps the same alone as beside others, and a row alone as among others."""
    aligner, views = _fitted(on), pair()
    whole = aligner.transform(views)
    for view in views.names:
        every = _rows(whole, view)
        far = apart(_rows(aligner.transform(Views({view: views[view]})), view), every)
        hold(far <= on.within, f"view {view!r} alone maps elsewhere, by {far:.1g} of the largest number")
        one = _rows(aligner.transform({view: views[view].items[7:8]}), view)
        hold(
            one.shape == every[7:8].shape and np.allclose(one[0], every[7], rtol=CLOSE, atol=CLOSE / 10),
            f"row 7 of view {view!r} alone maps elsewhere, by {apart(one, every[7:8]):.1g} of the largest number",
        )


def finds_unseen_pairs(on: Probe) -> None:
    """It finds the other half of unseen pairs far above chance, and nothing where the pairs were shuffled."""
    views = pair()
    found = float(_fitted(on).score(views[LEARN:]))
    hold(found > FOUND, f"R@1 of unseen pairs is {found:.3f}, wanted above {FOUND} (chance is 0.01)")
    shuffled = np.random.default_rng(0).permutation(views["b"].items)
    dealt = Views({"a": views["a"], "b": Column("vector", shuffled)})
    found = float(on.make().fit(dealt[:LEARN]).score(dealt[LEARN:]))
    hold(found < NOTHING, f"learned from shuffled pairs, R@1 is {found:.3f}, wanted below {NOTHING} (chance is 0.01)")


def copes_with_absent_views(on: Probe) -> None:
    """Rows that lack a view do not stop it, and lack it in the space as well."""
    views = pair()
    some = thinned(views, b=3)
    aligner = on.make().fit(some[:LEARN])
    mapped = aligner.transform(some[LEARN:])
    hold(
        mapped.present("b").tolist() == some[LEARN:].present("b").tolist(),
        f"{some[LEARN:].present('b').sum()} rows have view 'b', in the space {mapped.present('b').sum()} do",
    )
    found = float(aligner.score(views[LEARN:]))
    hold(found > THINNED, f"with a third of view 'b' absent R@1 is {found:.3f}, wanted above {THINNED}")


def learns_the_same_twice(on: Probe) -> None:
    """Fitted twice it gives the same answer."""
    views = pair()
    again = on.make().fit(views[:LEARN])
    far = _apart(again.transform(views), _fitted(on).transform(views))
    hold(far <= on.within, f"a second fit maps elsewhere, by {far:.1g} of the largest number: draw by a seed")


def keeps_nothing_of_a_call(on: Probe) -> None:
    """No state of the last call: mapping leaves nothing on it."""
    aligner, views = _fitted(on), pair()
    stateless(on, aligner, *(lambda some=some: aligner.transform(some) for some in (views, views[:7], views[9:])))


def prints_its_score(on: Probe) -> None:
    """Its score prints as the table behind it."""
    printed(_fitted(on).score(pair()[LEARN:]))


def comes_back_from_disk(on: Probe) -> None:
    """Saved and loaded it maps the same."""
    aligner, views = _fitted(on), pair()
    with reloaded(on, aligner) as again:
        far = _apart(again.transform(views), aligner.transform(views))
        hold(far <= max(on.within, 1e-6), f"it maps elsewhere, by {far:.1g} of the largest number")


def _fitted(on: Probe) -> Any:
    def fitted() -> Any:
        aligner = on.make()
        on.memo["returned"] = aligner.fit(pair()[:LEARN]) is aligner
        return aligner

    return on.once("fitted", fitted)


def _apart(one: Views, other: Views) -> float:
    """By how much the views of two spaces differ, at most."""
    return max(apart(_rows(one, view), _rows(other, view)) for view in other.names)


def _rows(mapped: Views, view: str) -> np.ndarray:
    column = mapped[view]
    return np.asarray(column.items[column.index])


PROMISES = tuple(
    Promise.of(keep)
    for keep in (
        maps_to_one_space,
        maps_the_same_alone_as_in_company,
        finds_unseen_pairs,
        copes_with_absent_views,
        learns_the_same_twice,
        keeps_nothing_of_a_call,
        prints_its_score,
        comes_back_from_disk,
    )
)
