"""What a distiller promises."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from chiasm.contracts._probe import Probe, Promise, SkippedError, apart, hold, printed, reloaded, stateless
from chiasm.distill import Distiller
from chiasm.errors import ChiasmError
from chiasm.registry import make
from chiasm.views import Column, Views

__all__ = ["BASE", "PROMISES"]

BASE = Distiller

LEARN, LABELED = 500, 30
"""Of the generated rows those that are learned from, and of these those with a label."""
TEACHES = 0.05
"""By so much accuracy rises, at least, where labels are few and the student sees what the teacher knows."""


@cache
def _taught() -> Views:
    """Three classes plain in `notes`; `picture` shows the notes dimly, among many directions of its own."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    notes = 3 * np.eye(3, 6)[y] + rng.normal(size=(900, 6))
    picture = np.concatenate([0.5 * notes[:, :3] + 0.5 * rng.normal(size=(900, 3)), rng.normal(size=(900, 40))], axis=1)
    turned = picture @ np.linalg.qr(rng.normal(size=(43, 43)))[0]
    label = np.array([f"class {one}" for one in y], dtype=object)
    columns = {"picture": Column("vector", turned), "notes": Column("vector", notes)}
    return Views(columns, facts={"label": label})


def _few() -> np.ndarray:
    label = _taught().facts["label"][:LEARN].copy()
    label[LABELED:] = None
    return label


def _student(views: Views) -> Views:
    return views.replace({"picture": views.columns["picture"]})


def _fitted(on: Probe) -> Any:
    return on.once("fitted", lambda: on.make(teacher="notes").fit(_taught()[:LEARN], _few()))


def teaches_where_there_is_something_to_teach(on: Probe) -> None:
    """With few labels the student beats itself untaught, and a shuffled teacher teaches it nothing."""
    views, rest = _taught()[:LEARN], _student(_taught()[LEARN:])
    alone = float(make("fuse", on.make().student, seed=0).fit(_student(views), _few()).score(rest))
    taught = float(_fitted(on).score(rest))
    hold(taught > alone + TEACHES, f"accuracy is {taught:.3f}, untaught {alone:.3f}: wanted {TEACHES} more")
    dealt = np.random.default_rng(1).permutation(LEARN)
    other = views.replace({**views.columns, "notes": Column("vector", np.asarray(views["notes"].items[:LEARN])[dealt])})
    shuffled = float(on.make(teacher="notes").fit(other, _few()).score(rest))
    hold(
        shuffled < taught - TEACHES / 2, f"taught by a shuffled teacher accuracy is {shuffled:.3f}, by it {taught:.3f}"
    )


def reads_the_students_columns_alone(on: Probe) -> None:
    """After `fit` it reads the student's columns only: the teacher's may be noise, or missing."""
    views = _taught()[LEARN:]
    found = _fitted(on).predict_proba(_student(views))
    noise = Column("vector", np.random.default_rng(2).normal(size=(len(views), 6)))
    other = _fitted(on).predict_proba(views.replace({"picture": views.columns["picture"], "notes": noise}))
    hold(np.array_equal(found, other), f"with noise for the teacher it answers otherwise, by {apart(found, other):.1g}")
    try:
        _fitted(on).predict_proba({"notes": noise.items})
    except ChiasmError:
        return
    hold(False, "it answers from the teacher's view alone")


def gives_probabilities(on: Probe) -> None:
    """`predict_proba` gives a row a row, a column a class in the order of `classes_`, that sum to 1."""
    found = np.asarray(_fitted(on).predict_proba(_student(_taught()[LEARN:])))
    hold(found.shape == (len(_taught()) - LEARN, 3), f"3 classes gave an array of shape {found.shape}")
    hold(np.allclose(found.sum(axis=1), 1, atol=1e-6), f"they sum to {found.sum(axis=1).min():.3f} and more")
    likeliest = np.array(_fitted(on).classes_)[found.argmax(axis=1)]
    told = _fitted(on).predict(_student(_taught()[LEARN:]))
    hold(np.array_equal(likeliest, told), "predict gives other classes than the likeliest")


def gives_numbers(on: Probe) -> None:
    """With kind="numbers" it gives a number a row."""
    views = _taught()
    numbers = np.asarray(views["notes"].items)[:, 0].astype(object)
    asked = numbers[:LEARN].copy()
    asked[LABELED * 3 :] = None
    try:
        part = on.make(teacher="notes", kind="numbers").fit(views[:LEARN], asked)
    except ChiasmError as error:
        raise SkippedError(f"it gives no numbers: {error}") from error
    found = float(part.score(views[LEARN:], numbers[LEARN:]))
    hold(found > 0.2, f"R2 is {found:.3f}, wanted above 0.2")


def answers_alone_as_in_company(on: Probe) -> None:
    """Fitted twice it gives the same answer, and a row has the same answer alone as among others."""
    rest = _student(_taught()[LEARN:])
    whole = _fitted(on).predict_proba(rest)
    far = apart(on.make(teacher="notes").fit(_taught()[:LEARN], _few()).predict_proba(rest), whole)
    hold(far <= max(on.within, 1e-6), f"a second fit answers otherwise, by {far:.1g}: draw by the seed")
    one = _fitted(on).predict_proba(rest[7:8])[0]
    hold(np.allclose(one, whole[7], rtol=1e-4, atol=1e-5), f"row 7 alone differs by {apart(one, whole[7]):.1g}")


def bears_absent_items(on: Probe) -> None:
    """Teacher and student may be absent on some rows; a row without the student's gets the training shares."""
    views = _taught()
    rng = np.random.default_rng(3)
    thin = {
        name: Column("vector", column.items, np.where(rng.random(len(views)) < 0.2, -1, np.arange(len(views))))
        for name, column in views.columns.items()
    }
    some = views.replace(thin)
    part = on.make(teacher="notes").fit(some[:LEARN], _few())
    rest = _student(some[LEARN:])
    found = part.predict_proba(rest)
    empty = ~rest.present("picture")
    hold(np.isfinite(found).all(), "an answer is not finite")
    hold(np.allclose(found[empty], part.prior_), "a row without the student's view does not get the training shares")


def keeps_nothing_of_a_call(on: Probe) -> None:
    """No state of the last call: answering leaves nothing on it."""
    part, views = _fitted(on), _student(_taught())
    stateless(on, part, *(lambda some=some: part.predict_proba(some) for some in (views, views[:7], views[9:])))


def prints_its_score(on: Probe) -> None:
    """Its score prints as the table behind it."""
    printed(_fitted(on).score(_student(_taught()[LEARN:])))


def comes_back_from_disk(on: Probe) -> None:
    """Saved and loaded it answers the same."""
    part, views = _fitted(on), _student(_taught()[LEARN:])
    with reloaded(on, part) as again:
        far = apart(again.predict_proba(views), part.predict_proba(views))
        hold(far <= max(on.within, 1e-9), f"it answers otherwise, by {far:.1g}")


PROMISES = tuple(
    Promise.of(keep)
    for keep in (
        teaches_where_there_is_something_to_teach,
        reads_the_students_columns_alone,
        gives_probabilities,
        gives_numbers,
        answers_alone_as_in_company,
        bears_absent_items,
        keeps_nothing_of_a_call,
        prints_its_score,
        comes_back_from_disk,
    )
)
