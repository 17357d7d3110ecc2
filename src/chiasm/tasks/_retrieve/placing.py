"""Where a question lies in the space that is searched: alone as the aligner maps it, with others composed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.stats.composed import composed
from chiasm.tasks._retrieve.question import Question
from chiasm.views import normalize

__all__ = ["Placed", "facing", "resolved", "shared_names", "toward"]

FAR = 2.0
"""What a term counts whose view is not the one that is searched, beside terms that are of it.

Cosines between views are smaller than those within one: chosen on validation rows of two packs
(`benchmarks/search/compound.py`).
"""

_KINDS = {"text": "words", "image": "pictures", "audio": "sounds", "video": "videos"}


Terms = Sequence[tuple[float, str, Any]]
"""Of one question: weight, fitted view and item of each term."""


class Placed(NamedTuple):
    """Questions as an index is asked."""

    vectors: np.ndarray
    """`(q, k)`"""
    factors: np.ndarray
    """`(q,)` by which the index's cosines are to be multiplied: those of uncorrected vectors are."""


def resolved(asked: Sequence[Question], views: Mapping[str, str], view: Any) -> list[Terms]:
    """The terms of each question with the model's own names of views.

    Args:
        views: modality by fitted view. view: name or modality -> fitted view.

    Raises a ChiasmError for a term whose view the model lacks.
    """
    held = set(views) | set(views.values())
    for question in asked:
        for term in question.terms:
            if term.view not in held:
                what = _KINDS.get(term.view, repr(term.view))
                do = ": fit with a column of texts" if term.view == "text" else ""
                got = ", ".join(views)
                raise ChiasmError(f"wanted a model that knows {what} for {str(term)!r}, got one of {got}{do}.")

    def meant(name: str) -> str:
        """The fitted view of a term, also where pictures lie in a column called text."""
        same = [one for one, modality in views.items() if modality == name]
        return same[0] if len(same) == 1 and views.get(name, name) != name else view(name)

    return [[(term.weight, meant(term.view), term.item) for term in question.terms] for question in asked]


def _alike(vectors: np.ndarray, aligner: Any) -> Placed:
    """Items that are to be compared with items of their own view: by their plain cosines.

    The cosines are those of vectors whose lengths in the space of `auto` are 1 or a little less, and all nearly the
    same: an item scores 1 with itself, and others are right to a hundredth or two.
    """
    bare = aligner.without_correction(normalize(vectors))
    return Placed(bare, 1 / np.maximum(np.linalg.norm(bare, axis=1), 1e-30))


def facing(view: str, vectors: np.ndarray, to: str, aligner: Any) -> Placed:
    """Mapped items of one view `(q, k)`, as view `to` is asked."""
    return _alike(vectors, aligner) if view == to else Placed(vectors, np.ones(len(vectors), dtype=np.float32))


def toward(questions: Sequence[Terms], mapped: Mapping[str, np.ndarray], to: str, aligner: Any) -> Placed:
    """Resolved questions as view `to` is asked.

    A question of one term is what the aligner makes of it, with its correction for hubs; within one view, and composed,
    it is without (`Aligner.without_correction`): terms of several views have no correction in common, and single words
    and their sums are found better without (`benchmarks/search/compound.py`).

    Args:
        mapped: by view the items of all questions `(n, k)`, in the order in which the questions name them.
    """
    bare = {view: _alike(vectors, aligner) for view, vectors in mapped.items()}
    nexts = dict.fromkeys(mapped, 0)
    vectors, factors = [], []
    for terms in questions:
        plus, minus, lengths = [], [], []
        near = any(view == to and weight > 0 for weight, view, _ in terms)
        for weight, view, _ in terms:
            row = nexts[view]
            nexts[view] += 1
            if len(terms) == 1 and view != to:
                vectors.append(mapped[view][row])
                factors.append(1.0)
            elif len(terms) == 1:
                vectors.append(bare[view].vectors[row])
                factors.append(float(bare[view].factors[row]))
            elif weight > 0:
                counts = weight * (FAR if near and view != to else 1)
                plus.append((counts, bare[view].vectors[row]))
                lengths.append((counts, bare[view].factors[row]))
            else:
                minus.append((-weight, bare[view].vectors[row]))
        if plus:
            vectors.append(composed(plus, minus))
            factors.append(sum(counts * one for counts, one in lengths) / sum(counts for counts, _ in lengths))
    return Placed(np.stack(vectors).astype(np.float32), np.array(factors, dtype=np.float32))


def shared_names(questions: Sequence[Terms], shares: Mapping[str, np.ndarray | None]) -> np.ndarray | None:
    """`(q, m)` how much of each question a name is: the weighted mean of what is added; None where a view has none."""
    if any(shares[view] is None for terms in questions for _, view, _ in terms):
        return None
    nexts, found = dict.fromkeys(shares, 0), []
    for terms in questions:
        told = []
        for weight, view, _ in terms:
            told.append((max(weight, 0.0), shares[view][nexts[view]]))  # type: ignore[index]
            nexts[view] += 1
        found.append(sum(weight * one for weight, one in told) / sum(weight for weight, _ in told))
    return np.stack(found)
