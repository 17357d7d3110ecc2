"""Why a hit was found: a model as an explainer sees it, and what is told of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.views import ABSENT, Views

__all__ = ["ASKED", "FOUND", "KEYS", "Pair", "why"]

ASKED, FOUND = "asked", "found"

KEYS = {"text": "words", "image": "region"}
"""By modality, what `why` calls what is told of an item."""


class Pair:
    """A model as an explainer sees it: whatever the two views are called, they are `asked` and `found`."""

    def __init__(self, model: Any, views: Mapping[str, str]):
        self.model, self.views = model, views

    def pair_scores(self, query: Views, candidates: Views) -> np.ndarray:
        """As the model's."""
        return self.model.pair_scores(self._named(query), self._named(candidates))

    def patches(self, views: Views) -> list[np.ndarray] | None:
        """As the model's."""
        return self.model.patches(self._named(views))

    def _named(self, views: Views) -> Views:
        (name,) = views.names
        return Views({self.views[name]: views[name]})


def why(explainer: Any, part: Pair, pair: Views) -> dict[str, Any]:
    """`words` and `region` of a pair, and by these names why one of them is `withheld`."""
    told = explainer.explain(part, pair)
    said: dict[str, Any] = {}
    withheld: dict[str, str] = {}
    for name in (ASKED, FOUND):  # the hit's takes the query's place where both are of one modality
        key = KEYS.get(pair[name].modality)
        if key is None or told[name].index[0] == ABSENT:
            continue
        item = told[name].items[int(told[name].index[0])]
        said.pop(key, None)
        withheld.pop(key, None)
        if "withheld" in item:
            withheld[key] = item["withheld"]
        else:
            said[key] = item[key]
    return said | ({"withheld": withheld} if withheld else {})
