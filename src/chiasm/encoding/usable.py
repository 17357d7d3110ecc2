"""Whether anything is left of each view that was given: an encoder may pass over every item of one."""

from __future__ import annotations

from collections import Counter

import numpy as np

from chiasm.encoding.step import Report
from chiasm.errors import ChiasmError
from chiasm.views import Views

__all__ = ["check_usable"]


def check_usable(given: Views, encoded: Views, learn: np.ndarray, report: Report) -> None:
    """Raise a ChiasmError that names a view of which the rows to learn from `(n,)` had items, and now have none.

    A view that was absent in all of them is for the task to judge.
    """
    for name in given.names:
        if name not in encoded.columns or not given.present(name)[learn].any() or encoded.present(name)[learn].any():
            continue
        skipped = [entry for entry in report.skipped if entry[0] == name]
        codes = Counter(note.code for _, _, note in skipped)
        why = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        example = f"; {skipped[0][1]}: {skipped[0][2].message}" if skipped else ""
        raise ChiasmError(
            f"wanted {given[name].modality} items of {name!r} to learn from, got none that can be used "
            f"({why}{example}): take another encoder, or leave {name!r} out."
        )
