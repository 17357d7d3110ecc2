"""What `spectral` and `sue` share: things as rows of their views."""

from __future__ import annotations

from chiasm.align._moments import means_by_id
from chiasm.stats.blocks import Block
from chiasm.views import Views

__all__ = ["things"]


def things(views: Views) -> dict[str, Block]:
    """By view the mean item of each id `(things, d)`, zeros where it has none."""
    return {name: Block(*means_by_id(views, name)) for name in views.names}
