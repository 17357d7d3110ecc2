"""What items are, without encoding them: the digests that encoding would leave on their columns."""

from __future__ import annotations

import numpy as np

from chiasm.cache import key_of
from chiasm.encoding.step import Encoding, with_digests
from chiasm.errors import ChiasmError
from chiasm.views import ABSENT, Column, Views

__all__ = ["keyed"]


def keyed(encoding: Encoding, views: Views) -> Views:
    """The rows with a digest of each item; one that cannot be opened is absent.

    Args:
        encoding: fitted. views: whose raw ones were fitted.
    """
    columns = {}
    for name, column in views.columns.items():
        if hasattr(column.items, "shape"):
            columns[name] = with_digests(column)
            continue
        found: dict[int, bytes] = {}
        for position in column.used.tolist():
            try:
                found[position] = key_of(encoding.encoders_[name].content(column.items[position]))
            except ChiasmError:
                continue
        place = np.full(len(column.items) + 1, ABSENT, dtype=np.int64)  # the last serves index -1
        place[list(found)] = np.arange(len(found))
        digests = np.frombuffer(b"".join(found.values()), np.uint8).reshape(-1, 16)
        items = [column.items[position] for position in found]
        columns[name] = Column(column.modality, items, place[column.index], digests=digests)
    return views.replace(columns)
