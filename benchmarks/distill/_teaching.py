"""Packs as a student and a teacher, and rows of which only some have a label, as the benchmarks of teaching ask."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks._sets import encoded, only, pictures, without_test
from benchmarks._xrays import xrays
from chiasm.encoding import Encoding
from chiasm.views import Column, Views

PACKS: dict[str, Callable[[], Views]] = {
    "web_news_zh": lambda: without_test("web_news_zh", pictures("web_news_zh", label="label")),
    "mvsa_single": lambda: without_test("mvsa_single", pictures("mvsa_single", label="label")),
    "covid_cxr": lambda: xrays(False)[0],
}
OTHER = {"image": "effnet2_image", "text": "hashed_text"}
"""By modality, the encoder of a teacher of the student's own."""
SHARES = (5, 10, 25, 100)
"""Of the rows learned from, in %, those that have a label."""


def fewer(label: np.ndarray, learned: np.ndarray, share: int, seed: int) -> np.ndarray:
    """Labels of a share of the rows learned from, two of every class at least; None elsewhere."""
    order = np.random.default_rng(seed).permutation(learned)
    wanted = max(1, round(len(learned) * share / 100))
    first = np.concatenate([order[label[order] == name][:2] for name in np.unique(label[learned].astype(str))])
    kept = np.unique(
        np.concatenate([first, [r for r in order if r not in set(first.tolist())][: max(0, wanted - len(first))]])
    )
    out = np.full(len(label), None, dtype=object)
    out[kept.astype(int)] = label[kept.astype(int)]
    return out


def read(pack: str, student: str) -> Views:
    """The rows of a pack that have a picture and words: `student`, `teacher`, and `own`."""
    raw = PACKS[pack]()
    by_modality = {column.modality: name for name, column in raw.columns.items()}
    named = {"image": by_modality["image"], "text": by_modality["text"]}
    raw = raw[np.flatnonzero(np.all([raw.present(name) for name in named.values()], axis=0))]
    held = encoded(only(raw, list(named.values())))
    own = Encoding({named[student]: OTHER[student]}).fit_transform(only(raw, [named[student]]))[named[student]]
    own = Column(own.modality, np.asarray(own.items[np.arange(len(own.items))]), own.index)
    teacher = "text" if student == "image" else "image"
    return raw.replace({"student": held[named[student]], "teacher": held[named[teacher]], "own": own})
