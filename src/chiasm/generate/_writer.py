"""What the generators of texts share: the door, several captions a thing, absent views, and the score."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.asked import features_of, in_order
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.finite import checked
from chiasm.generate._candidates import Candidates
from chiasm.generate._generator import Generator
from chiasm.scale import one_thread
from chiasm.score import Score
from chiasm.stats.blocks import Blocks, blocks, presence
from chiasm.stats.captions import bleu, bleu_counts, cider, frequencies, rouge
from chiasm.stats.ngrams import Ngrams
from chiasm.stats.references import captioned, captions_of, things_of
from chiasm.stats.resample import Draws, interval_of
from chiasm.views import Views

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
        known = self._gathered(views, captions_of(y, len(views)))
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

    def _write(self, held: Blocks, n: int) -> Sequence[str | None]:
        """n captions; views may be absent in rows, or missing from `held` altogether. None: stopped before (Ctrl-C)."""
        raise NotImplementedError

    def generate(self, views: Any) -> np.ndarray:
        """`(n,)` captions. Views that were not fitted are not looked at; a ChiasmError where none is there.

        Ctrl-C ends what takes long: the rows that are left have None, and a warning says how many were written.
        """
        self.check_fitted()
        self.check_params()
        views = self._door(views)
        held = self._blocks(views)
        found = np.full(len(views), self.usual_, dtype=object)
        there = np.flatnonzero(presence(held, list(held), len(views)).any(axis=1)) if held else np.zeros(0, int)
        if len(there):
            with one_thread(len(there)):
                found[there] = list(self._write({name: block.some(there) for name, block in held.items()}, len(there)))
        return found

    def _door(self, views: Any) -> Views:
        """What is asked about, its numbers in the order that was learned."""
        return in_order(checked(views, self.widths_), vars(self).get("features_", {}))

    def _there(self, views: Views) -> np.ndarray:
        """`(n,)` the rows that have something to see."""
        held = self._blocks(views)
        return np.asarray(presence(held, list(held), len(views)).any(axis=1)) if held else np.zeros(len(views), bool)

    def _candidates(self) -> Candidates:
        """The training captions, prepared on first use."""
        held: Candidates | None = vars(self).get("_pool")
        if held is None:
            self._pool = held = Candidates(self.references_)
        return held

    def _blocks(self, views: Views) -> Blocks:
        return self._seen(views, self.widths_)

    def score(self, views: Any, y: Any = None) -> Score:
        """CIDEr-D (the float), ROUGE-L and BLEU-4 with 95 % intervals; document frequencies are the training captions'.

        Rows without a caption are left out and counted (`uncaptioned`); things with nothing to see count (`unseen`).

        Args:
            views: rows that were not learned from. y: n captions, None where absent; of a thing in several rows each
                is one reference.
        """
        views = self._door(views)
        texts = captions_of(y, len(views))
        rows, references = captioned(views, texts)
        if not len(rows):
            raise ChiasmError(f"wanted rows with captions to score, got {len(views)} without.")
        whole = things_of(views, rows)
        told, seen = list(self.generate(whole)), self._there(whole)
        if None in told:  # a score of some would not say so
            raise KeyboardInterrupt
        draws = Draws(views.clusters[rows], seed=self.seed)
        counts = bleu_counts(told, references)
        found = cider(told, references, frequencies(self.references_))
        table = {
            "things": len(rows),
            "uncaptioned": sum(text is None for text in texts),
            "unseen": int((~seen).sum()),
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
        rows, references = captioned(views, texts)
        if len(rows) < LEAST:
            raise ChiasmError(
                f"wanted at least {LEAST} things with a caption (a word in it) to learn from, got {len(rows)}."
            )
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
        for name, block in blocks(things_of(views, rows)).items():
            if not block.present.any():
                raise ChiasmError(f"view {name!r} is absent in all {len(rows)} things with a caption: leave it out.")
            held[name] = block
        codes = np.unique(views.clusters[rows], return_inverse=True)[1]
        folds = rng.permutation(codes.max() + 1)[codes] % FOLDS
        return Known(held, references, folds)


def _usual(references: Sequence[Sequence[str]]) -> str:
    """The caption most like all others."""
    space = Ngrams(references)
    texts = [text for mine in references for text in mine]
    told = space.of(texts)
    middle = told.vectors.mean(axis=0)
    scores = np.asarray(told.vectors @ middle).ravel()
    return texts[int(scores.argmax())]
