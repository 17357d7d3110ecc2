"""Part: what is fitted. The scikit-learn manners without the second that importing scikit-learn takes."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np

from chiasm.allowed import Allowed, allowed_of, check
from chiasm.errors import not_fitted, unknown

__all__ = ["Part", "learned_by", "size"]


class Part:
    """A scikit-learn estimator by behavior: `__init__` only stores plain values, what `fit` learns ends in `_`.

    That is exactly what `chiasm.save` writes. `sklearn.base.clone`, `Pipeline` and `GridSearchCV` accept parts
    (tested); scikit-learn itself is imported only if one of them asks.

    >>> from chiasm.align.cca import CCA
    >>> CCA(k=2).set_params(ridge=0.1)
    CCA(k=2, ridge=0.1)
    """

    allowed: ClassVar[Mapping[str, Allowed]] = {}
    """What the constructor's values may be, by name, beside what the base classes say; `fit` refuses others."""

    local: ClassVar[tuple[str, ...]] = ()
    """Parameters that say how this machine runs the part, not what it is: saved, it has their defaults."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("fit", "partial_fit"):
            if name in vars(cls):
                setattr(cls, name, _checking(vars(cls)[name]))

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        if cls.__init__ is object.__init__:
            return {}
        signature = inspect.signature(cls.__init__)
        return {name: p.default for name, p in signature.parameters.items() if name != "self"}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's values by name; with `deep`, nested parts' too, as `part__name`."""
        params = {name: getattr(self, name) for name in self._defaults()}
        if deep:
            for name, value in list(params.items()):
                if hasattr(value, "get_params") and not isinstance(value, type):
                    params |= {f"{name}__{key}": inner for key, inner in value.get_params().items()}
        return params

    def lasting(self) -> dict[str, Any]:
        """The constructor's values by name, those that are `local` to this machine at their defaults."""
        defaults = self._defaults()
        return self.get_params(deep=False) | {name: defaults[name] for name in self.local if name in defaults}

    def set_params(self, **params: Any) -> Part:
        """Change constructor values in place; `part__name` reaches a nested part. Returns self."""
        for name, value in params.items():
            head, _, tail = name.partition("__")
            if head not in self._defaults():
                raise unknown(f"parameter of {type(self).__name__}", head, self._defaults())
            if tail:
                getattr(self, head).set_params(**{tail: value})
            else:
                setattr(self, head, value)
        return self

    def check_params(self) -> None:
        """Raise a ChiasmError that names a constructor value which is not among those `allowed`."""
        check(type(self).__name__, self.get_params(deep=False), allowed_of(type(self)))

    def learned(self) -> dict[str, Any]:
        """What `fit` learned: the attributes whose names end in one underscore."""
        return learned_by(self)

    def choices(self) -> dict[str, Any]:
        """What `fit` chose, plain values by name: a copy of `chosen_`, where the part tells it; else nothing."""
        return dict(getattr(self, "chosen_", {}))

    spare: ClassVar[tuple[str, ...]] = ()
    """Learned attributes that only further learning needs (sums to update, out-of-fold answers)."""

    def slim(self) -> Self:
        """Drop what only further learning needs, here and in nested parts, in place: a task keeps slim parts."""
        for name in self.spare:
            vars(self).pop(name, None)
        for part in _parts(list(self.learned().values())):
            part.slim()
        return self

    def check_fitted(self) -> None:
        """Raise a ChiasmError unless `fit` has been called."""
        if not self.learned():
            raise not_fitted(f"{type(self).__name__} is not fitted yet: call fit first.")

    def __repr__(self) -> str:
        defaults = self._defaults()
        shown = []
        for name, value in self.get_params(deep=False).items():
            if repr(value) != repr(defaults[name]):
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the part, and the views that it has learned from."""
        views = ", ".join(f"{name} ({modality})" for name, modality in getattr(self, "modalities_", {}).items())
        learned = f"from {views or 'data'}" if self.learned() else "nothing yet"
        return f"<pre>{html.escape(repr(self))}\n# has learned: {html.escape(learned)}</pre>"

    def _widths(self) -> dict[str, int]:
        """By fitted view, how many numbers a row of it has; an AttributeError where a part reads no views."""
        raise AttributeError(f"{type(self).__name__} reads no views of vectors")

    @property
    def feature_names_in_(self) -> np.ndarray:
        """`(d,)` a name for every number that was fitted, view after view, as scikit-learn asks: "caption_0"."""
        if not self.learned():
            raise AttributeError(f"{type(self).__name__} is not fitted yet")
        try:
            widths = self._widths()
        except NotImplementedError:
            raise AttributeError(f"{type(self).__name__} does not tell what it reads") from None
        return np.array([f"{view}_{i}" for view, width in widths.items() for i in range(width)], dtype=object)

    @property
    def n_features_in_(self) -> int:
        """The number of numbers in a row, all fitted views together."""
        return len(self.feature_names_in_)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        kind = {"classes": "classifier", "tags": "classifier", "numbers": "regressor"}.get(getattr(self, "kind", ""))
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=kind is not None),
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
            input_tags=InputTags(two_d_array=False, allow_nan=True),
        )


def _checking(learn: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(learn)
    def checked(self: Part, *args: Any, **options: Any) -> Any:
        self.check_params()
        return learn(self, *args, **options)

    return checked


def learned_by(part: Any) -> dict[str, Any]:
    """What an object of any class learned, by the same rule: attributes in the manner of scikit-learn, `mean_`."""
    held = getattr(part, "__dict__", {})
    return {name: value for name, value in held.items() if name.endswith("_") and not name.startswith("_")}


def size(part: Part) -> dict[str, Any]:
    """How many numbers a part answers with, nested parts too, and their MiB; `spare` ones are not counted.

    >>> from chiasm.align.cca import CCA
    >>> rng = np.random.default_rng(0)
    >>> size(CCA(k=2).fit({"a": rng.normal(size=(50, 3)), "b": rng.normal(size=(50, 4))}))["parameters"] > 14
    True
    """
    arrays = list(_arrays(part))
    return {
        "parameters": int(sum(a.size for a in arrays)),
        "MiB": round(sum(a.nbytes for a in arrays) / 2**20, 3),
    }


def _parts(value: Any) -> Iterator[Part]:
    """The parts inside, not those inside of them."""
    if isinstance(value, Part):
        yield value
    elif isinstance(value, Mapping):
        yield from _parts(list(value.values()))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _parts(inner)


def _arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, Part):
        yield from _arrays({name: held for name, held in value.learned().items() if name not in value.spare})
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _arrays(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _arrays(inner)
