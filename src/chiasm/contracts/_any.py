"""What a part of any kind promises."""

from __future__ import annotations

from chiasm import registry
from chiasm.contracts._probe import BrokenError, Probe, Promise, SkippedError, hold
from chiasm.part import Part, learned_by

__all__ = ["PROMISES"]


def says_what_it_is(on: Probe) -> None:
    """Its docstring says in a line what it is."""
    hold((on.cls.__doc__ or "").strip(), f"{on.cls.__name__} has no docstring")


def can_be_made_without_arguments(on: Probe) -> None:
    """It can be made without arguments, so that a name is enough."""
    try:
        on.cls()
    except TypeError as error:
        raise BrokenError(f"{on.cls.__name__}() raises: {error}") from error


def stores_its_values(on: Probe) -> None:
    """Its constructor stores the values that it is given, unchanged, and learns nothing."""
    told = {name: object() for name in on.params()}
    try:
        fresh = on.cls(**told)
    except Exception as error:
        raise BrokenError(f"it does more with them than store them: {type(error).__name__}: {error}") from error
    changed = [name for name, value in told.items() if getattr(fresh, name, None) is not value]
    hold(not changed, f"{', '.join(changed)} came out changed, or is not an attribute of that name")
    more = sorted(name for name in vars(fresh) if not name.startswith("_") and name not in told)
    hold(not more, f"it sets {', '.join(more)} too, which is no parameter")
    hold(not learned_by(on.cls()), f"it has learned {', '.join(learned_by(on.cls()))} before any fit")


def can_be_cloned(on: Probe) -> None:
    """scikit-learn can clone it."""
    from sklearn.base import clone

    on.params()
    try:
        copied = clone(on.given)
    except (RuntimeError, TypeError) as error:
        raise BrokenError(str(error)) from error
    same = type(copied) is on.cls and (not isinstance(copied, Part) or repr(copied) == repr(on.given))
    hold(same, f"the clone is {copied!r}, the part {on.given!r}")


def is_registered(on: Probe) -> None:
    """A model that holds it can be saved: its package registers parts."""
    on.params()
    package = on.cls.__module__.split(".")[0]
    if package == "__main__":
        raise SkippedError("it is in a script: put it in a module of a package that registers it by an entry point")
    if package not in registry.packages():
        raise SkippedError(
            f"no entry point names a part of {package!r} yet: add one to pyproject.toml "
            f'([project.entry-points."chiasm.{on.kind}"]) and install the package'
        )


PROMISES = tuple(
    Promise.of(keep)
    for keep in (says_what_it_is, can_be_made_without_arguments, stores_its_values, can_be_cloned, is_registered)
)
