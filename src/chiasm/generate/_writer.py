"""What the generators of texts share: the door, several captions a thing, absent views, and the score."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.asked import check_width, features_of, in_order
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.finite import checked
from chiasm.generate._candidates import Candidates
from chiasm.generate._generator import Generator
from chiasm.scale import one_thread
from chiasm.score import Score
from chiasm.stats.blocks import Blocks, blocks, presence
from chiasm.stats.captions import bleu, bleu_counts, cider, frequencies, rouge, words
from chiasm.stats.ngrams import Ngrams
from chiasm.stats.resample import Draws, interval_of
from chiasm.views import ABSENT, Views

__all__ = ["FOLDS", "Known", "Writer"]

FOLDS = 5
MOST = 5000
"""Things that are compared with each other, at most."""
LEAST = 2


class Known(NamedTuple):
    """The n things that are learned from."""

    held: Blocks
    """By view a row a thing."""
    references: list[list[str]]
    """Of each its captions, at least one, each with a word in it."""
    folds: np.ndarray
    """`(n,)` numbers; things that share a group share one."""


class Writer(Generator):
    """Encoded views -> a caption a row. A file of this folder implements `_learn` and `_write`; the rest follows.

    Rows of equal id are one thing with a caption each; rows without a caption, or with no word in it, are left out and
    counted. A row in which all views are absent gets `usual_`, the training caption most like all others.

    Learned: `references_` (a list of captions a thing), `widths_` by view, `usual_`, `uncaptioned_` (rows left out).
    """

    makes = "texts"
    seed: int
    references_: list[list[str]]
    widths_: dict[str, int]
    usual_: str
    _pool: Candidates

    def fit(self, views: Any, y: Any = None) -> Writer:
        """Learn from encoded views and n captions; what is chosen is chosen in folds that cut no id and no group.

        Raises a ChiasmError where fewer than two things have a caption, for a view that is absent throughout, and for
        captions that are no texts. Of more than 5,000 things as many are drawn, and a warning says so.
        """
        views = checked(views)
        self.features_ = features_of(views)
        known = self._gathered(views, _texts(y, len(views)))
        self.references_ = known.references
        vars(self).pop("_pool", None)
        self.widths_ = {name: block.values.shape[1] for name, block in known.held.items()}
        with one_thread(len(known.references)):
            self.usual_ = _usual(known.references)
            self._learn(known)
        return self

    def _learn(self, known: Known) -> None:
        """Learn from things with captions."""
        raise NotImplementedError

    def _write(self, held: Blocks, n: int) -> Sequence[str]:
        """n captions; views may be absent in rows, or missing from `held` altogether."""
        raise NotImplementedError

    def generate(self, views: Any) -> np.ndarray:
        """`(n,)` captions. Views that were not fitted are not looked at; a ChiasmError where none is there."""
        self.check_fitted()
        views = in_order(checked(views, self.widths_), vars(self).get("features_", {}))
        held = self._blocks(views)
        found = np.full(len(views), self.usual_, dtype=object)
        there = np.flatnonzero(presence(held, list(held), len(views)).any(axis=1)) if held else np.zeros(0, int)
        if len(there):
            with one_thread(len(there)):
                found[there] = list(self._write({name: block.some(there) for name, block in held.items()}, len(there)))
        return found

    def _candidates(self) -> Candidates:
        """The training captions, prepared on first use."""
        held: Candidates | None = vars(self).get("_pool")
        if held is None:
            self._pool = held = Candidates(self.references_)
        return held

    def _blocks(self, views: Views) -> Blocks:
        held = blocks(views, list(self.widths_))
        if not held:
            raise ChiasmError(f"wanted some of the views {', '.join(self.widths_)}, got {', '.join(views.names)}.")
        for name, block in list(held.items()):
            if not block.present.any():
                del held[name]  # nothing of it could be read: its width is not known
            else:
                check_width(name, views[name], self.widths_[name])
        return held

    def score(self, views: Any, y: Any = None) -> Score:
        """CIDEr-D (the float), ROUGE-L and BLEU-4 with 95 % intervals; document frequencies are the training captions'.

        Args:
            views: rows that were not learned from. y: n captions, None where absent; of a thing in several rows each
                is one reference.
        """
        views = checked(views, self.widths_)
        rows, references = _things(views, _texts(y, len(views)))
        if not len(rows):
            raise ChiasmError(f"wanted rows with captions to score, got {len(views)} without.")
        told = list(self.generate(_whole(views, rows)))
        draws = Draws(views.clusters[rows], seed=self.seed)
        counts = bleu_counts(told, references)
        found = cider(told, references, frequencies(self.references_))
        table = {
            "things": len(rows),
            "CIDEr-D": interval_of(*draws.mean(found)),
            "ROUGE-L": interval_of(*draws.mean(rouge(told, references))),
            "BLEU-4": interval_of(*draws.repeated(lambda some: bleu(counts[some]))),
            "document frequencies": f"of {len(self.references_)} training captions",
        }
        return Score(float(found.mean()), table)

    def _widths(self) -> dict[str, int]:
        return dict(self.widths_)

    def _gathered(self, views: Views, texts: Sequence[str | None]) -> Known:
        """The things with a caption, their first item of each view, and folds."""
        self.uncaptioned_ = sum(text is None for text in texts)
        rows, references = _things(views, texts)
        if len(rows) < LEAST:
            raise ChiasmError(f"wanted at least {LEAST} things with a caption to learn from, got {len(rows)}.")
        rng = np.random.default_rng(self.seed)
        if len(rows) > MOST:
            warnings.warn(
                f"{len(rows)} things have captions: {MOST} of them, drawn by the seed, are learned from",
                ChiasmWarning,
                stacklevel=4,
            )
            kept = np.sort(rng.permutation(len(rows))[:MOST])
            rows, references = rows[kept], [references[place] for place in kept]
        held = {}
        for name, block in blocks(_whole(views, rows)).items():
            if not block.present.any():
                raise ChiasmError(f"view {name!r} is absent in all {len(rows)} things with a caption: leave it out.")
            held[name] = block
        codes = np.unique(views.clusters[rows], return_inverse=True)[1]
        folds = rng.permutation(codes.max() + 1)[codes] % FOLDS
        return Known(held, references, folds)


def _texts(y: Any, n: int) -> list[str | None]:
    """A caption a row; None where there is none, or no word in it."""
    if y is None:
        raise ChiasmError("wanted captions, got none: pass y, a text a row and None where there is none.")
    if len(y) != n:
        raise ChiasmError(f"wanted {n} captions, one a row, got {len(y)}.")
    found: list[str | None] = []
    for row, one in enumerate(y):
        text = None if one is None or one != one else one
        if text is not None and not isinstance(text, str):
            raise ChiasmError(f"caption, row {row + 1}: wanted a text or None, got {type(text).__name__} {text!r}.")
        found.append(" ".join(text.split()) if text is not None and words(text) else None)
    return found


def _things(views: Views, texts: Sequence[str | None]) -> tuple[np.ndarray, list[list[str]]]:
    """`(m,)` the first captioned row of each thing that has a caption, and the captions of each."""
    first: dict[int, int] = {}
    references: dict[int, list[str]] = {}
    for row, (code, text) in enumerate(zip(views.codes.tolist(), texts, strict=True)):
        if text is not None:
            first.setdefault(code, row)
            references.setdefault(code, []).append(text)
    return np.array(list(first.values()), dtype=np.int64), list(references.values())


def _whole(views: Views, rows: np.ndarray) -> Views:
    """The things of some rows, a row each, with the first item that a thing has of each view."""
    codes, columns = views.codes, {}
    for name, column in views.columns.items():
        index = np.full(views.things, ABSENT, dtype=np.int64)
        there = np.flatnonzero(column.present)[::-1]
        index[codes[there]] = column.index[there]  # of several rows the last written counts: the first
        columns[name] = column.at(index[codes[rows]])
    return Views(columns)


def _usual(references: Sequence[Sequence[str]]) -> str:
    """The caption most like all others."""
    space = Ngrams(references)
    texts = [text for mine in references for text in mine]
    told = space.of(texts)
    middle = told.vectors.mean(axis=0)
    scores = np.asarray(told.vectors @ middle).ravel()
    return texts[int(scores.argmax())]
