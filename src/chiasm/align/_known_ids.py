"""The ids that a model has learned from, as digests: what is learned twice, or forgotten unlearned, is refused."""

from __future__ import annotations

import hashlib

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.views import Views

__all__ = ["digests", "joined", "without"]


def digests(views: Views) -> np.ndarray | None:
    """`(m,)` rising uint64, a digest an id that has an item; None where the caller gave no ids."""
    if not views.has_ids:
        return None
    there = np.any([column.present for column in views.columns.values()], axis=0)
    ids = {str(one) for one in views.ids[there].tolist()}
    found = [hashlib.blake2b(one.encode("utf-8", "surrogatepass"), digest_size=8).digest() for one in ids]
    return np.unique(np.frombuffer(b"".join(found), dtype=np.uint64))


def joined(known: np.ndarray | None, more: np.ndarray | None) -> np.ndarray | None:
    """Both; a ChiasmError where they share ids, None where one side's are not known."""
    if known is None or more is None:
        return None
    if count := len(np.intersect1d(known, more, assume_unique=True)):
        raise ChiasmError(
            f"wanted ids that were not learned from yet, got {count} of {len(more)} that were: an id comes wholly in "
            "one call; forget them first."
        )
    return np.union1d(known, more)


def without(known: np.ndarray | None, gone: np.ndarray | None) -> np.ndarray | None:
    """What is left; a ChiasmError where some of `gone` are not known, None where one side's are not."""
    if known is None or gone is None:
        return None
    if count := int((~np.isin(gone, known, assume_unique=True)).sum()):
        raise ChiasmError(
            f"wanted ids that were learned from, got {count} of {len(gone)} that never were, or are forgotten already."
        )
    return np.setdiff1d(known, gone, assume_unique=True)
