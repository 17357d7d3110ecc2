"""What a classifier's names do in a search: a view of texts beside media alone, and why a hit was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.encoding.joined import members
from chiasm.errors import ChiasmError
from chiasm.views import ABSENT, Column, Views

__all__ = [
    "added",
    "explain",
    "silent",
    "top",
    "unknown_alone",
    "unsure",
    "with_words",
]

CHOOSES = 50
"""Pairs from which on the choice of what names count is sure enough (docs/align.md)."""

KEPT = 8
"""The names that are kept of an item of a gallery."""

TOLD = 3

_LEAST = 0.1
"""Of what both sides agree on, the least that is told of a name."""

_CHUNK = 4096


def with_words(views: Views) -> Views:
    """The same rows with a view of texts, absent in every row, where there is but one view of media.

    It is called text; words, where the media are.
    """
    if len(views.columns) != 1 or views[views.names[0]].modality in ("text", "vector", "record"):
        return views
    words = Column("text", [], np.full(len(views), ABSENT, dtype=np.int64))
    name = next(name for name in ("text", "words") if name not in views.columns)
    return views.replace({**views.columns, name: words})


def silent(views: Views) -> bool:
    """Whether one view of media alone has items, beside texts that have none: there is no pair to learn from."""
    held = [name for name in views.names if len(views[name].used)]
    others = {views[name].modality for name in views.names if name not in held}
    return len(held) == 1 and others == {"text"}


def mute(views: Views) -> bool:
    """Whether media of several kinds have no pair, and no text speaks of them."""
    if any(column.modality not in ("image", "audio", "video") for column in views.columns.values()):
        return False
    held = [np.unique(views.codes[views.present(name)]) for name in views.names]
    return len(held) > 1 and len(np.unique(np.concatenate(held))) == sum(map(len, held))


def top(aligner: Any, view: str, rows: Any) -> dict[str, np.ndarray]:
    """The `KEPT` leading names of encoded rows: `names` `(n, 8)` and their `shares`; nothing where no names count."""
    if not getattr(aligner, "names_", None):
        return {}
    found = []
    for start in range(0, len(rows), _CHUNK):
        shares = aligner.named(view, np.asarray(rows[start : start + _CHUNK], dtype=np.float32))
        if shares is None:
            return {}
        names = np.argpartition(-shares, min(KEPT, shares.shape[1]) - 1, axis=1)[:, :KEPT].astype(np.int32)
        found.append((names, np.take_along_axis(shares, names, axis=1).astype(np.float32)))
    if not found:
        return {}
    return {"names": np.concatenate([one for one, _ in found]), "shares": np.concatenate([one for _, one in found])}


def explain(aligner: Any, asked: np.ndarray | None, hits: list[list[dict[str, Any]]]) -> None:
    """Replace the names of each hit by those of `why`: the names that a query and its hit have in common, in place.

    A name's share is its part of what both agree on: the product of its shares in the two. What is no likelier than
    chance in one of them is not told.

    Args:
        asked: `(q, m)` the queries' shares of all names, or None. hits: the hits of each query.
    """
    for place, row in enumerate(hits):
        for hit in row:
            names, shares = hit.pop("names", None), hit.pop("shares", None)
            if names is None or asked is None:
                continue
            mine, chance = asked[place][names], 1 / asked.shape[1]
            both = np.where((mine > chance) & (shares > chance), mine * shares, 0.0)
            parts = both / max(float(both.sum()), 1e-30)
            order = [i for i in np.argsort(-parts, kind="stable")[:TOLD].tolist() if parts[i] >= _LEAST]
            said = [{"name": aligner.names_[names[i]], "share": round(float(parts[i]), 3)} for i in order]
            hit["why"] = {**hit.get("why", {}), "names": said}


def added(named: Mapping[Any, Any]) -> int:
    """How many names encoders bring."""
    return max((len(getattr(one, "names", ())) for one in named.values()), default=0)


def unsure(names: int, paired: int, chosen: Mapping[str, Any]) -> str:
    """What to say where few pairs chose what names count; "" where there is nothing to say."""
    if not names or not 0 < paired < CHOOSES:
        return ""
    pairs = "1 pair" if paired == 1 else f"{paired} pairs"
    if not chosen["bridge"]:
        return f"that {names:,} names count nothing was chosen on {pairs}; from {CHOOSES} pairs on the choice is sure"
    return (
        f"what {names:,} names count was chosen on {pairs}: where they know nothing of your pictures they can cost; "
        f"from {CHOOSES} pairs on the choice is sure"
    )


def unknown_alone(views: Views, align: Any, encoding: Any) -> ChiasmError:
    """Why one view alone cannot be learned from."""
    (name,) = views.names[:1]
    encoder = encoding.encoders_.get(name)
    modality = views[name].modality
    if encoder is not None and encoding.known():
        return ChiasmError(
            f"wanted pairs for the aligner {align!r}, got {name!r} alone: name a second column, or take auto, "
            f"which reads the names that {encoder!r} knows."
        )
    told = next(filter(None, (getattr(one, "nameless", str)() for one in members(encoder))), "")
    why = f" ({told})" if told else ""
    return ChiasmError(
        f"wanted a second column that pairs with {name!r}, or an encoder that knows names, got {modality} by "
        f"{encoder!r}, which knows none{why}. effnet_image does, and folders of classifiers with names, or of two "
        "towers (CLIP, CLAP)."
    )
