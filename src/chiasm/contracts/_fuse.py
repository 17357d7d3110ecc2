"""What a fuser promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.contracts._probe import (
    Probe,
    Promise,
    SkippedError,
    answered,
    apart,
    hold,
    printed,
    reloaded,
    stateless,
    thinned,
)
from chiasm.errors import ChiasmError
from chiasm.fuse import Fuser
from chiasm.views import Column, Views

__all__ = ["BASE", "PROMISES"]

BASE = Fuser

LEARN = 400
"""Of the 600 generated rows those that are learned from; the commonest class has .35 of the others."""
RIGHT, CHANCE, THINNED, ALONE = 0.6, 0.45, 0.55, 0.42
"""Accuracy above which classes are told; below which they are not (random labels); above which they are where a third
of the views is absent in training; and from either view alone."""
CLOSE = 1e-4


def answers_above_chance(on: Probe) -> None:
    """It answers unseen rows far above chance, and at chance where the labels are random."""
    views = answered()
    right = float(_fitted(on).score(views[LEARN:]))
    hold(right > RIGHT, f"accuracy is {right:.3f}, wanted above {RIGHT} (the commonest class: 0.35)")
    dealt = np.random.default_rng(1).permutation(_labels()[:LEARN])
    right = float(on.make().fit(views[:LEARN], dealt).score(views[LEARN:]))
    hold(right < CHANCE, f"learned from random labels, accuracy is {right:.3f}, wanted below {CHANCE}")


def gives_probabilities(on: Probe) -> None:
    """`predict_proba` gives a row a row, a column a class in the order of `classes_`, that sum to 1."""
    fuser, views = _fitted(on), answered()[LEARN:]
    found = np.asarray(fuser.predict_proba(views))
    hold(found.shape == (len(views), 3), f"{len(views)} rows of 3 classes gave an array of shape {found.shape}")
    hold(np.allclose(found.sum(axis=1), 1, atol=1e-6), f"they sum to {found.sum(axis=1).min():.3f} and more")
    hold(sorted(fuser.classes_) == sorted(set(_labels())), f"the classes are {', '.join(fuser.classes_)}")
    likeliest = np.array(fuser.classes_)[found.argmax(axis=1)]
    hold(np.array_equal(likeliest, fuser.predict(views)), "predict gives other classes than the likeliest")


def answers_whatever_is_absent(on: Probe) -> None:
    """Whichever views are absent, in training or later, there is an answer: where all are, the training shares."""
    views = answered()
    some = thinned(views, a=4, b=3)
    fuser = on.make().fit(some[:LEARN])
    found = fuser.predict_proba(some)
    hold(np.allclose(found.sum(axis=1), 1, atol=1e-6), f"probabilities sum to {found.sum(axis=1).min():.3f} and more")
    empty = np.arange(len(views)) % 12 == 0
    prior = np.tile(fuser.prior_, (int(empty.sum()), 1))
    hold(np.allclose(found[empty], prior), "a row without any view is not answered with the training shares")
    for view in ("a", "b"):
        alone = fuser.predict_proba({view: views[view].items[LEARN:]})
        right = float((np.array(fuser.classes_)[alone.argmax(axis=1)] == _labels()[LEARN:]).mean())
        hold(right > ALONE, f"from view {view!r} alone accuracy is {right:.3f}, wanted above {ALONE}")
    right = float(fuser.score(views[LEARN:]))
    hold(right > THINNED, f"learned with absent views, accuracy is {right:.3f}, wanted above {THINNED}")


def says_the_same_twice_and_alone(on: Probe) -> None:
    """Fitted twice it gives the same answer, and a row has the same answer alone as among others."""
    views, fuser = answered()[LEARN:], _fitted(on)
    whole = fuser.predict_proba(views)
    far = apart(on.make().fit(answered()[:LEARN]).predict_proba(views), whole)
    hold(far <= on.within, f"a second fit answers otherwise, by {far:.1g}: draw by the seed")
    one = fuser.predict_proba(views[7:8])[0]
    hold(np.allclose(one, whole[7], rtol=CLOSE, atol=CLOSE / 10), f"row 7 alone differs by {apart(one, whole[7]):.1g}")


def gives_tags(on: Probe) -> None:
    """With kind="tags" it gives any number of tags a row."""
    views = answered()
    a, b = np.asarray(views["a"].items), np.asarray(views["b"].items)
    tags = [["p"] * bool(x > 0) + ["q"] * bool(z > 0) for x, z in zip(a[:, 0], b[:, 0], strict=True)]
    fuser = _of_kind(on, "tags", tags)
    hold(list(fuser.target_.names_) == ["p", "q"], f"the tags are {', '.join(fuser.target_.names_)}")
    right = float(fuser.score(views[LEARN:], tags[LEARN:]))
    hold(right > 0.7, f"{right:.3f} of its tags are right, wanted above 0.7")


def gives_numbers(on: Probe) -> None:
    """With kind="numbers" it gives a number a row."""
    views = answered()
    numbers = np.asarray(views["a"].items)[:, 0] + np.asarray(views["b"].items)[:, 0]
    fuser = _of_kind(on, "numbers", numbers)
    found = float(fuser.score(views[LEARN:], numbers[LEARN:]))
    hold(found > 0.4, f"R2 is {found:.3f}, wanted above 0.4")


def feels_the_loss_of_a_view(on: Probe) -> None:
    """With noise in place of a view its score falls, and so does the weight of that view, where it tells weights."""
    views = answered()
    noise = np.random.default_rng(5).normal(size=(len(views), 5))
    noised = views.replace({"a": views["a"], "b": Column("vector", noise)})
    fuser, blind = _fitted(on), on.make().fit(noised[:LEARN])
    before, after = float(fuser.score(views[LEARN:])), float(blind.score(noised[LEARN:]))
    hold(after < before - 0.02, f"accuracy is {after:.3f} with noise for view 'b', {before:.3f} with the view")
    if (true := _weight(fuser, views[LEARN:])) is not None:
        noisy = _weight(blind, noised[LEARN:])
        hold(noisy is not None and noisy < 0.8 * true, f"the weight of view 'b' is {noisy} as noise, {true:.3f} before")


def keeps_nothing_of_a_call(on: Probe) -> None:
    """No state of the last call: answering leaves nothing on it."""
    fuser, views = _fitted(on), answered()
    stateless(on, fuser, *(lambda some=some: fuser.predict_proba(some) for some in (views, views[:7], views[9:])))


def prints_its_score(on: Probe) -> None:
    """Its score prints as the table behind it."""
    printed(_fitted(on).score(answered()[LEARN:]))


def comes_back_from_disk(on: Probe) -> None:
    """Saved and loaded it answers the same."""
    fuser, views = _fitted(on), answered()[LEARN:]
    with reloaded(on, fuser) as again:
        far = apart(again.predict_proba(views), fuser.predict_proba(views))
        hold(far <= max(on.within, 1e-9), f"it answers otherwise, by {far:.1g}")
        hold(again.predict(views).tolist() == fuser.predict(views).tolist(), "predict gives other classes")


def _labels() -> np.ndarray:
    return answered().facts["label"]


def _fitted(on: Probe) -> Any:
    return on.once("fitted", lambda: on.make().fit(answered()[:LEARN]))


def _of_kind(on: Probe, kind: str, labels: Any) -> Any:
    """A fuser of another kind of answer, fitted; `SkippedError` where it says that it gives none."""
    fuser = on.make().set_params(kind=kind)
    try:
        return fuser.fit(answered()[:LEARN], labels[:LEARN])
    except ChiasmError as error:
        raise SkippedError(f"it gives no {kind}: {error}") from error


def _weight(fuser: Any, views: Views) -> float | None:
    if hasattr(fuser, "row_weights"):
        return float(np.mean(fuser.row_weights(views)[:, list(fuser.widths_).index("b")]))
    return fuser.weights_.get("b", 0.0) if getattr(fuser, "weights_", None) else None


PROMISES = tuple(
    Promise.of(keep)
    for keep in (
        answers_above_chance,
        gives_probabilities,
        answers_whatever_is_absent,
        says_the_same_twice_and_alone,
        gives_tags,
        gives_numbers,
        feels_the_loss_of_a_view,
        keeps_nothing_of_a_call,
        prints_its_score,
        comes_back_from_disk,
    )
)
