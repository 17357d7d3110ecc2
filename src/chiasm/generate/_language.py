"""A language model of captions that sees: a small transformer, trained in torch, answering in numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chiasm.generate._looks import Look, chosen
from chiasm.generate._pieces import Pieces
from chiasm.nn.blocks import ArrayOps, Params
from chiasm.nn.decoder import Shape, logits, start, states
from chiasm.nn.schedule import Schedule
from chiasm.part import Part
from chiasm.stats.captions import words

__all__ = ["Language"]

EPOCHS, RATE, DECAY = 16, 3e-3, 0.1
DROPOUT, SMOOTH = 0.3, 0.1
BATCH = 48
CHUNK = 256
MOST_PIECES = 1500
LONGEST = 40
"""Pieces of a caption, at most; what is longer is learned from as far as that."""
_JUDGED = 150
"""Held-out captions that the epochs are judged on, at most."""


class Language(Part):
    """Rows of numbers -> how likely is each caption, and what piece comes next.

    Rows are turned onto their first principal axes, of which a linear map makes the vectors of a prefix. Of a thing
    with several captions each epoch learns one.

    Args:
        axes: principal axes that are seen; 0: none, a language model of captions alone.
        width, depth: of the transformer. epochs: None: those after which held-out captions are likeliest, of 16.

    Learned: `pieces_`, `params_`, `axes_` `(d, r)`, `longest_` (pieces), `epochs_`; where held-out captions chose
    them `likelihood_`, their log probability.
    """

    local = ("device",)

    pieces_: Pieces
    params_: Params
    axes_: np.ndarray
    longest_: int
    epochs_: int
    likelihood_: float

    def __init__(
        self,
        axes: int = 64,
        width: int = 128,
        depth: int = 2,
        epochs: int | None = None,
        seed: int = 0,
        device: str = "auto",
    ):
        self.axes = axes
        self.width = width
        self.depth = depth
        self.epochs = epochs
        self.seed = seed
        self.device = device

    def learn(
        self,
        rows: np.ndarray,
        references: Sequence[Sequence[str]],
        held: tuple[np.ndarray, Sequence[str], Look | None] | None = None,
        patch: int = 0,
        look: Callable[[np.ndarray], Look | None] = lambda rows: None,
    ) -> Language:
        """Learn from rows `(n, d)` and each one's captions; `held` rows, captions and patches choose how long.

        Args:
            patch: numbers of a patch that is read beside, 0: none. look: the patches of some rows.

        An interrupt is passed on; once an epoch was better than none, what is best so far has been learned.
        """
        from torch.nn.functional import cross_entropy

        from chiasm.nn.train import Outcome, Stopped, train

        texts = [text for mine in references for text in mine]
        self.pieces_ = Pieces(MOST_PIECES).fit(texts)
        ids = self.pieces_.ids(texts, LONGEST)
        self.longest_ = min(LONGEST, int(np.quantile((ids > 0).sum(axis=1) - 2, 0.98)) + 2)
        self.axes_ = _axes(rows, self.axes)
        seen = rows @ self.axes_
        first = np.cumsum([0, *(len(mine) for mine in references)])
        rng = np.random.default_rng(self.seed)

        def epoch() -> Iterator[dict[str, np.ndarray]]:
            order = rng.permutation(len(rows))
            told = first[:-1] + rng.integers(0, np.diff(first))
            for at in range(0, len(order), BATCH):
                some = order[at : at + BATCH]
                patches = look(some)
                yield {"seen": some, "ids": told[some]} | (
                    {} if patches is None else {"patches": patches[0], "there": patches[1]}
                )

        def objective(params: dict[str, Params], fixed: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            mine = fixed["ids"][batch["ids"]]
            mine = mine[:, : int((mine > 0).sum(dim=1).max())]
            patches = (batch["patches"], batch["there"]) if patch else None
            seen = fixed["seen"][batch["seen"]]
            found, _ = states(params["own"], mine[:, :-1], seen, step.ops, DROPOUT, patches)
            told = logits(params["own"], found)
            return cross_entropy(
                told.reshape(-1, told.shape[-1]), mine[:, 1:].reshape(-1), ignore_index=0, label_smoothing=SMOOTH
            )

        shape = Shape(len(self.pieces_), LONGEST + 2, seen.shape[1], patch, self.width, self.depth)
        score = None
        if held is not None and self.epochs is None:
            shown, said = held[0][:_JUDGED] @ self.axes_, list(held[1][:_JUDGED])
            looked = chosen(held[2], slice(0, _JUDGED))

            def score(params: dict[str, Params]) -> float:
                return float(self._likelihoods(params["own"], shown, said, looked)[0].sum())

        def keep(found: Outcome) -> None:
            self.params_, self.epochs_ = found.params["own"], found.epoch
            if found.history:
                self.likelihood_ = max(one["score"] for one in found.history)

        try:
            keep(
                train(
                    {"own": start(shape, rng)},
                    {"ids": ids, "seen": seen.astype(np.float32)},
                    epoch,
                    objective,
                    score,
                    schedule=Schedule(EPOCHS, RATE, DECAY),
                    stop=self.epochs,
                    seed=self.seed,
                    device=self.device,
                )
            )
        except Stopped as stopped:
            keep(stopped.outcome)
            raise
        return self

    def likelihoods(
        self, rows: np.ndarray, texts: Sequence[str], look: Look | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log probabilities `(n,)` of n captions of n rows `(n, d)`, and their pieces `(n,)`, the end among both."""
        return self._likelihoods(self.params_, rows @ self.axes_, texts, look)

    def _likelihoods(
        self, params: Params, seen: np.ndarray, texts: Sequence[str], look: Look | None
    ) -> tuple[np.ndarray, np.ndarray]:
        ids = self.pieces_.ids(texts, LONGEST)
        return self._each(params, seen, ids, look).sum(axis=1), (ids > 0).sum(axis=1) - 1

    def _each(self, params: Params, seen: np.ndarray, ids: np.ndarray, look: Look | None) -> np.ndarray:
        """`(n, t - 1)` the log probability of each piece but the start; 0 where there is none."""
        found, counts = np.zeros((len(ids), ids.shape[1] - 1)), (ids > 0).sum(axis=1) - 1
        for at in range(0, len(ids), CHUNK):
            some, t = slice(at, at + CHUNK), int(counts[at : at + CHUNK].max(initial=1))
            mine, patches = ids[some, : t + 1], chosen(look, some)
            known, _ = states(params, mine[:, :-1], seen[some].astype(np.float32), ArrayOps(), patches=patches)
            told = _logs(logits(params, known))
            found[some, :t] = np.take_along_axis(told, mine[:, 1:, None], axis=-1)[..., 0] * (mine[:, 1:] > 0)
        return found

    def words(self, rows: np.ndarray, texts: Sequence[str], look: Look | None = None) -> list[list[tuple[str, float]]]:
        """Of n texts of n rows `(n, d)` their words, and the log probability of each after those before it."""
        ids = self.pieces_.ids(texts, LONGEST)
        logs = self._each(self.params_, rows @ self.axes_, ids, look)
        return [
            [(word, float(logs[n, places].sum())) for word, places in self._words(one)] for n, one in enumerate(ids)
        ]

    def attention(self, row: np.ndarray, text: str, look: Look) -> list[tuple[str, np.ndarray]]:
        """Of a row `(d,)` and its patches: each word of a text, and how much each patch `(p,)` was looked at for it."""
        ids = self.pieces_.ids([text], LONGEST)
        seen = (row[None] @ self.axes_).astype(np.float32)
        _, weights = states(self.params_, ids[:, :-1], seen, ArrayOps(), patches=look)
        return [(word, weights[0, places].mean(axis=0)) for word, places in self._words(ids[0])]

    def _words(self, ids: np.ndarray) -> list[tuple[str, list[int]]]:
        """The words of a text's pieces `(t,)`, and the places of each: of its pieces, the start not counted."""
        found: list[tuple[str, list[int]]] = []
        begins = self.pieces_.begins()
        for place, piece in enumerate(ids[1 : (ids > 0).sum() - 1].tolist()):
            part = self.pieces_.text([piece])
            if begins[piece] or not found:
                found.append((part, [place]))
            else:
                found[-1] = (found[-1][0] + part, [*found[-1][1], place])
        return found

    def following(self, rows: np.ndarray, look: Look | None = None) -> Any:
        """Of rows `(n, d)` what `search` asks: pieces so far and the row of each -> log probabilities of the next."""
        seen = (rows @ self.axes_).astype(np.float32)

        def told(ids: np.ndarray, about: np.ndarray) -> np.ndarray:
            found, _ = states(self.params_, ids, seen[about], ArrayOps(), patches=chosen(look, about))
            return _logs(logits(self.params_, found[:, -1]))

        return told


def perplexity(likelihoods: np.ndarray, texts: Sequence[str]) -> float:
    """exp(-log probability a word), the end of each text being one word more: comparable whatever the pieces are."""
    return float(np.exp(-likelihoods.sum() / sum(len(words(text)) + 1 for text in texts)))


def _logs(scores: np.ndarray) -> np.ndarray:
    """The logarithms of the softmax over the last axis."""
    lower = scores - scores.max(axis=-1, keepdims=True)
    found: np.ndarray = lower - np.log(np.exp(lower).sum(axis=-1, keepdims=True))
    return found


def _axes(rows: np.ndarray, k: int) -> np.ndarray:
    """`(d, r)` the first principal axes of centered rows, such that what they show has a mean square of 1."""
    _, vectors = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
    axes = vectors[:, ::-1][:, : min(k, len(rows) - 1, rows.shape[1])]
    spread = np.sqrt(np.square(rows @ axes).mean()) if axes.shape[1] else 1.0
    found: np.ndarray = (axes / max(float(spread), 1e-12)).astype(np.float32)
    return found
