"""What the benchmarks of captions share: a caption a row, and how like some captions are to those that people wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chiasm.stats.captions import bleu, bleu_counts, cider, rouge
from chiasm.views import Views

__all__ = ["measured", "said"]


def said(views: Views) -> list[str | None]:
    """A caption a row."""
    column = views["said"]
    return [column.items[place] if place >= 0 else None for place in column.index.tolist()]


def measured(told: Sequence[str], references: Sequence[Sequence[str]], known: Any) -> dict[str, float]:
    """The means of the three, times 100."""
    return {
        "CIDEr-D": 100 * float(cider(told, references, known).mean()),
        "ROUGE-L": 100 * float(rouge(told, references).mean()),
        "BLEU-4": 100 * bleu(bleu_counts(told, references)),
    }
