"""What a search model has to say of what it learned without captions, and of what it lacks: sentences and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.errors import ChiasmError
from chiasm.views import Views

__all__ = ["besides", "mixed", "nothing_to_find", "nothing_to_score", "unheard", "unsaid"]


def besides(known: Mapping[str, int], counts: Mapping[str, Any], paired: int, choices: Mapping[str, Any]) -> list[str]:
    """What a model learned from besides pairs, in sentences.

    Args:
        known: by view the names that its encoder brings, 0 where it shares a space with the texts'.
        counts: as `chiasm.measure.coverage` has them. paired: things that several views were learned from.
        choices: what the aligner chose.
    """
    if not known:
        return []
    view, names = next(iter(known.items()))
    what = f"the space that the encoders of {view!r} and of texts share"
    if names:
        what = f"the {names:,} names that the encoder of {view!r} knows"
    if paired:
        return [f"{what} count{'' if names else 's'} {100 * choices.get('bridge', 0.0):.0f} % beside the pairs"]
    told = f"learned from no caption but from {what}"
    if names:
        told += ". What is like none of them is found badly: add a column of captions, a hundred or two, and fit again"
    if held := counts["whole"]["all"]:
        some = "the one caption is" if held == 1 else f"all {held} captions are"
        return [told, f"{some} held out for choosing and scoring: give more, or a column of splits (split='COL')"]
    return [told]


def unheard(views: Mapping[str, str], encoders: Mapping[str, Any]) -> list[str]:
    """What to say where a folder has a side for texts that nobody is asked with.

    Args:
        views: by view of media, whose encoder has such a side, the view of texts that is read otherwise.
    """
    return [
        f"the folder that reads {shows!r} reads texts too, in the same space, which is not used: {speaks!r} is read by "
        f"{encoders[speaks]!r}. Name the folder alone for {shows!r} and no encoder for {speaks!r}, and it reads both"
        for shows, speaks in views.items()
    ]


def unsaid(encoders: Mapping[str, Any]) -> list[str]:
    """What to say where an encoder brings names and no view of texts is there to ask with."""
    if any(one.modality == "text" for one in encoders.values()):
        return []
    for view, encoder in encoders.items():
        if brought := getattr(encoder, "known", lambda: None)():
            told = f"the {len(brought.biases):,} names that the encoder of {view!r} knows are not used"
            return [f"{told}, and words find nothing: add a column of texts, or learn from that column alone"]
    return []


def mixed(views: Views) -> ChiasmError:
    """Media of several kinds without a pair and without texts."""
    kinds = list(dict.fromkeys(column.modality for column in views.columns.values()))
    first = views.names[0]
    return ChiasmError(
        f"wanted pairs, got {', '.join(views.names)}, none in a row with another: files of one name pair up, and a "
        f".txt of that name holds captions. Or learn from one kind alone ({kinds[0]}={first!r})."
    )


def nothing_to_find(view: str, held: list[str]) -> ChiasmError:
    """What to do where a view has no items, because the model learned from pictures alone."""
    others = " and ".join(map(repr, held))
    return ChiasmError(
        f"the model holds no items of {view!r}: it learned from {others} alone. Give some to search, or search "
        f"{held[0]!r} (to={held[0]!r})."
    )


def nothing_to_score(views: Views, fitted: Mapping[str, str]) -> ChiasmError:
    """Rows without a pair: nothing can be asked whose answer is known."""
    there = [name for name in views.names if len(views[name].used)]
    lacks = next((name for name in fitted if name not in there), next(iter(fitted)))
    return ChiasmError(
        f"wanted rows that have two of {', '.join(fitted)}, got {' and '.join(there)} alone: a score asks with one and "
        "looks for the other. Give a table with a column of each, such as captions of some pictures "
        f"(columns={{{lacks!r}: 'COL'}} says which)."
    )
