"""A small transformer writes captions, and minimum Bayes risk picks among them and known ones (trained)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import SIZE, TEXT
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.generate._beam import BEAM, Wishes, search
from chiasm.generate._language import Language, perplexity
from chiasm.generate._looks import Look, Looks, chosen, repeated
from chiasm.generate._risk import Risk
from chiasm.generate._writer import Known, Writer
from chiasm.stats.blocks import Blocks, restrict
from chiasm.stats.captions import words
from chiasm.stats.references import captioned, captions_of, things_of

__all__ = ["Captioner"]

RETRIEVED = 30
"""Known captions among the candidates of a row."""
WEIGHTS = (0.0, 0.03, 0.1, 0.3, 1.0)
"""Of a candidate's log probability a piece, beside what it can be expected to score (CIDEr, 0 to 10)."""
POOLS = ("both", "written", "known")
BLOCKS = (2, 3)
"""Of the transformer, to choose among."""
JUDGED = 150
"""Held-out things that pool and weight are chosen on, at most."""
TOGETHER = 16
"""Rows that are written at a time."""


class Captioner(Writer):
    """Captions that nobody has written yet, from a thousand pairs.

    A transformer of our own (two blocks or three, 128 wide; word pieces learned from the captions) reads a prefix made
    of what is seen, placed among the word embeddings, and by cross-attention the patches of a view of tokens, where
    there is one; it writes the `beam` likeliest captions. Candidates are these and the 30 training captions that can be
    expected to score best (`mbr`). The one given has the highest

        expected CIDEr + w x log probability a piece,

    the weight w, and whether written or known candidates alone are better, chosen on a fifth of the training things,
    as are the transformer's blocks and how long it learns; then everything is learned from all of them. Minutes for
    thousands of captions; answers need no torch. Choose it where `mbr` repeats itself; `mbr` is quicker. An interrupt
    (Ctrl-C) keeps the best that was learned from the other four fifths until then, with a warning.

    Args:
        beam: texts that are followed at a time. axes: principal axes of what is seen; 0: none, a language model.
        forced, forbidden: words or phrases that each caption must hold, and must not. Where none is found that keeps to
            them, a known one is given, with a warning. They may be changed after `fit` (`set_params`).
        device: where torch trains.

    Learned: `language_`, `looks_`, `risk_`, `chosen_`.

    Sources: prefix, Mokady et al. 2021 (ClipCap); candidates and their risk, Kumar & Byrne 2004.
    """

    allowed: ClassVar = {"beam": BEAM, "axes": SIZE, "forced": TEXT.each(0), "forbidden": TEXT.each(0)}
    local = ("device",)

    language_: Language
    looks_: Looks
    risk_: Risk
    chosen_: dict[str, Any]

    def __init__(
        self,
        beam: int = 5,
        axes: int = 64,
        forced: Sequence[str] = (),
        forbidden: Sequence[str] = (),
        seed: int = 0,
        device: str = "auto",
    ):
        self.beam = beam
        self.axes = axes
        self.forced = forced
        self.forbidden = forbidden
        self.seed = seed
        self.device = device

    def check_params(self) -> None:
        """Raise a ChiasmError for values that are not allowed, and for wishes that no caption can keep."""
        super().check_params()
        for name in ("forced", "forbidden"):
            for one in getattr(self, name):
                if not words(one):
                    raise ChiasmError(
                        f"{name}: wanted words or phrases, got {one!r}, which holds no word: leave it out."
                    )
        wishes = Wishes.of(self.forced, self.forbidden)
        for told, one in zip(self.forced, wishes.forced, strict=True):
            if wishes.broken(one):
                raise ChiasmError(
                    f"wanted wishes that a caption can keep, got {told!r} forced, with a forbidden one in it: drop one."
                )

    def _learn(self, known: Known) -> None:
        n = len(known.references)
        outside = np.flatnonzero(known.folds == known.folds[np.random.default_rng(self.seed).integers(n)])
        inside = np.setdiff1d(np.arange(n), outside)
        trial = Captioner(**self.get_params(deep=False) | {"forced": (), "forbidden": ()})
        trial.chosen_ = {"pool": POOLS[0], "likelihood": 0.1}
        blocks, epochs = BLOCKS[:1], None
        try:
            if len(inside) >= 2 and len(outside) >= 2:  # with fewer nothing can be chosen
                trial._choose(known, inside, outside)
                blocks, epochs = (trial.language_.depth,), max(1, trial.language_.epochs_)
            self.risk_ = Risk().fit(known.held, known.references, known.folds, self.seed)
            self._speak(known.held, known.references, blocks, epochs, None)
        except KeyboardInterrupt:
            if "language_" not in vars(trial):
                raise
            epochs = trial.language_.epochs_
            warnings.warn(
                f"stopped: what was learned from {len(inside)} of {n} things in {epochs} epochs is kept",
                ChiasmWarning,
                stacklevel=4,
            )
            self.references_, self.risk_, self.looks_ = trial.references_, trial.risk_, trial.looks_
            self.language_ = trial.language_
        self.chosen_ = {
            "blocks": self.language_.depth,
            "epochs": self.language_.epochs_,
            "ridge": self.risk_.ridge_,
        } | trial.chosen_

    def _speak(
        self,
        held: Blocks,
        references: Sequence[Sequence[str]],
        blocks: Sequence[int],
        epochs: int | None,
        judge: Any,
    ) -> None:
        """Learn the language model of things, for so many epochs or as `judge` (rows, captions, what is held) chooses.

        Of several numbers of blocks the one under which the judge's captions are likeliest is kept; after an interrupt,
        of those that were learned until then.
        """
        rows = self.risk_.seen_.rows(held, len(references))
        self.looks_ = looks = Looks().fit(held)
        if judge is not None:
            shown, said, outside = judge
            judge = shown, said, looks.of(outside, np.arange(len(said)))
        best = -np.inf
        for depth in blocks:
            made = Language(self.axes, depth=depth, epochs=epochs, seed=self.seed, device=self.device)
            try:
                made.learn(rows, references, judge, looks.width, lambda some: looks.of(held, some))
            finally:
                if "params_" in vars(made) and vars(made).get("likelihood_", 0.0) > best:
                    self.language_, best = made, vars(made).get("likelihood_", 0.0)

    def _choose(self, known: Known, inside: np.ndarray, outside: np.ndarray) -> None:
        """Learn from the things inside, with the blocks, epochs, pool and weight that are best for the ones outside."""
        self.references_ = [known.references[i] for i in inside.tolist()]
        self.risk_ = Risk().fit(restrict(known.held, inside), self.references_, known.folds[inside], self.seed)
        held = restrict(known.held, outside)
        rows = self.risk_.seen_.rows(held, len(outside))
        said = [known.references[i][0] for i in outside.tolist()]
        self._speak(restrict(known.held, inside), self.references_, BLOCKS, None, (rows, said, held))
        some = slice(0, JUDGED)
        look = self.looks_.of(held, np.arange(len(outside))[some])
        space, worth = self._candidates().space, dict.fromkeys([(p, w) for p in POOLS for w in WEIGHTS], 0.0)
        votes = self.risk_.votes(held, len(outside))[some]
        for place, (texts, expected, likely, written) in enumerate(self._candidates_of(rows[some], votes, look)):
            truth = space.of(known.references[int(outside[place])])
            scores = space.alike(truth, space.of(texts)).mean(axis=0)
            for pool, weight in worth:
                worth[pool, weight] += scores[_best(pool, weight, expected, likely, written)]
        pool, weight = max(worth, key=lambda one: worth[one])
        self.chosen_ = {"pool": pool, "likelihood": weight}

    def _candidates_of(
        self, rows: np.ndarray, votes: np.ndarray, look: Look | None
    ) -> Iterator[tuple[list[str], np.ndarray, np.ndarray, np.ndarray]]:
        """Of each row its candidates: texts, expected CIDEr, log probability a piece, and which were written."""
        pool, wishes = self._candidates(), Wishes.of(self.forced, self.forbidden)
        for at in range(0, len(rows), TOGETHER):
            some, looked = rows[at : at + TOGETHER], chosen(look, slice(at, at + TOGETHER))
            told = search(
                self.language_.following(some, looked),
                len(some),
                self.language_.pieces_,
                beam=self.beam,
                longest=self.language_.longest_,
                wishes=wishes,
            )
            for place, (row, vote, found) in enumerate(zip(some, votes[at : at + TOGETHER], told, strict=True)):
                best, _ = pool.best(vote, RETRIEVED)
                retrieved = [pool.texts[one] for one in best.tolist()]
                texts = [one.text for one in found] + [text for text in retrieved if wishes.granted(text)]
                if not texts:
                    texts = [text for text in retrieved if not wishes.refused(text)] or retrieved[:1]
                    warnings.warn(
                        f"no caption holds {', '.join(self.forced) or 'nothing forbidden'}: a known one is given",
                        ChiasmWarning,
                        stacklevel=5,
                    )
                same = np.repeat(row[None], len(texts), axis=0)
                likely, counts = self.language_.likelihoods(same, texts, repeated(looked, place, len(texts)))
                written = np.arange(len(texts)) < len(found)
                yield texts, pool.expected(vote, pool.space.of(texts)), likely / counts, written

    def _write(self, held: Blocks, n: int) -> Sequence[str | None]:
        votes = self.risk_.votes(held, n)
        rows, look = self.risk_.seen_.rows(held, n), self.looks_.of(held, np.arange(n))
        found: list[str | None] = []
        try:
            for texts, expected, likely, written in self._candidates_of(rows, votes, look):
                place = _best(self.chosen_["pool"], self.chosen_["likelihood"], expected, likely, written)
                found.append(texts[place])
        except KeyboardInterrupt:
            told = f"stopped after {len(found)} of {n} rows: the others have no caption"
            warnings.warn(told, ChiasmWarning, stacklevel=4)
            found += [None] * (n - len(found))
        return found

    def perplexity(self, views: Any, y: Any) -> float:
        """exp(-log probability a word) of captions, each thing's first; lower is better, as many words as were learned.

        Compare it with that of `Captioner(axes=0)`, which sees nothing. Raises a ChiasmError without captions.
        """
        self.check_fitted()
        views = self._door(views)
        rows, references = captioned(views, captions_of(y, len(views)))
        if not len(rows):
            raise ChiasmError(f"wanted captions to be told how likely they are, got {len(views)} rows without.")
        texts = [mine[0] for mine in references]
        held = self._blocks(things_of(views, rows))
        look = self.looks_.of(held, np.arange(len(rows)))
        return perplexity(self.language_.likelihoods(self.risk_.seen_.rows(held, len(rows)), texts, look)[0], texts)

    def likelihoods(self, views: Any, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Of each row's text its words, and the log probability of each after those before it.

        Raises a ChiasmError where texts and rows differ in number.
        """
        rows, held = self._asked(views, texts)
        return self.language_.words(rows, texts, self.looks_.of(held, np.arange(len(rows))))

    def attention(self, views: Any, texts: Sequence[str]) -> list[list[tuple[str, np.ndarray]]]:
        """Of each row's text its words, and how much each patch `(p,)` was looked at for each; weights sum to 1.

        Raises a ChiasmError where no view of patches was learned from, or texts and rows differ in number.
        """
        rows, held = self._asked(views, texts)
        if not self.looks_.view_:
            raise ChiasmError(
                "wanted a view of patches, got none at fit: encode pictures in patches (effnet_image, pooled=False)."
            )
        found = []
        for place, text in enumerate(texts):
            look = self.looks_.of(held, np.array([place]))
            found.append(self.language_.attention(rows[place], text, look) if look is not None else [])
        return found

    def _asked(self, views: Any, texts: Sequence[str]) -> tuple[np.ndarray, Blocks]:
        """What is seen of rows `(n, d)`, and their blocks; a text a row."""
        self.check_fitted()
        held = self._blocks(self._door(views))
        n = len(next(iter(held.values())).present)
        if len(texts) != n:
            raise ChiasmError(f"wanted {n} texts, one a row, got {len(texts)}.")
        return self.risk_.seen_.rows(held, n), held


def _best(pool: str, weight: float, expected: np.ndarray, likely: np.ndarray, written: np.ndarray) -> int:
    """The place of the best candidate; of a pool that holds none, the best of all."""
    kept = {"both": np.ones(len(written), bool), "written": written, "known": ~written}[pool]
    scores = expected + weight * likely
    return int(np.where(kept if kept.any() else True, scores, -np.inf).argmax())
