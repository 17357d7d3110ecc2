"""A collection whose folder lies elsewhere now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.collection._catalog import Catalog
from chiasm.collection._intake import content_of
from chiasm.collection._table import Plan
from chiasm.errors import ChiasmError

__all__ = ["moved"]

_LOOKED_AT = 64
"""Files, drawn at random, whose bytes are compared."""


def moved(catalog: Catalog, home: Path, before: Path, to: str | os.PathLike[str]) -> dict[str, Any]:
    """The facts of a collection in `home` whose folder was `before` and is at `to` now; a table below it came along.

    Raises a ChiasmError where that is no folder, or fewer than half of some files are there with the same bytes.
    """
    after = Path(to).expanduser().resolve()
    if not after.is_dir():
        raise ChiasmError(f"wanted the folder of media that was {before}, got {to}: there is no such folder.")
    plan = catalog.fact("table")
    if plan is None and home.resolve().is_relative_to(after):
        raise ChiasmError(f"the index {home} would lie in the folder that it is of: move it out of {after}.")
    known = catalog.items("state = 'searchable'")
    drawn = [known[at] for at in np.random.default_rng(0).permutation(len(known))[:_LOOKED_AT].tolist()]
    same = sum(content_of(after / item.name) == item.content for item in drawn)
    if 2 * same < len(drawn):
        raise ChiasmError(
            f"wanted the folder of media that was {before}, got {after}, in which {same} of {len(drawn)} files are the "
            "same: build another index of it."
        )
    facts: dict[str, Any] = {"folder": str(after)}
    if plan is not None and (table := Path(Plan(*plan).table)).is_relative_to(before):
        facts["table"] = Plan(*plan)._replace(table=str(after / table.relative_to(before)))
    return facts
