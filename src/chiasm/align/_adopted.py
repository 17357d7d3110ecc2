"""An aligner of another class, with what every aligner here has around it."""

from __future__ import annotations

import copy
from typing import Any

from chiasm import registry
from chiasm.align._aligner import Aligner
from chiasm.asked import in_order
from chiasm.errors import ChiasmError
from chiasm.views import Views, as_views

__all__ = ["Adopted", "adopt"]


class Adopted(Aligner):
    """An object with `fit(views)` and `transform(views)` as an aligner: mapping is its own, the rest is the base's.

    Args:
        aligner: the object, which is copied to be fitted.

    Learned: `aligner_`, the fitted copy.
    """

    aligner_: Any

    def __init__(self, aligner: Any = None):
        self.aligner = aligner

    def fit(self, views: Any, y: Any = None, *, val: Any = None) -> Adopted:
        """Let a copy of the object learn; it gets `val` where its `fit` names it."""
        views = as_views(views)
        self.aligner_ = registry.fit(copy.deepcopy(self.aligner), views, val=val)
        return self

    def transform(self, views: Any) -> Views:
        """The object's own `transform`; a ChiasmError where it gives no Views of these rows."""
        self.check_fitted()
        views = in_order(as_views(views), vars(self).get("features_", {}))
        mapped = self.aligner_.transform(views)
        if not isinstance(mapped, Views) or len(mapped) != len(views) or set(mapped.names) != set(views.names):
            got = repr(mapped) if isinstance(mapped, Views) else type(mapped).__name__
            raise ChiasmError(
                f"wanted Views of the same {len(views)} rows and views from {type(self.aligner_).__name__}.transform, "
                f"got {got}: return views.replace({{name: Column(...)}})."
            )
        return mapped

    def choices(self) -> dict[str, Any]:
        """What the object chose, where it tells."""
        return dict(getattr(self.aligner_, "chosen_", {}))


def adopt(part: Any) -> Aligner:
    """The part itself where it is an `Aligner`; else with the base's methods around it."""
    return part if isinstance(part, Aligner) else Adopted(part)
