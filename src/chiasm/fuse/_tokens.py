"""What fusers over tokens share: views as tokens on few axes with a mask, tokens pooled, views weighed by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chiasm.finite import checked
from chiasm.fuse._axes import Axes
from chiasm.fuse._trained import HERE, JOINT, TrainedFuser, matrix
from chiasm.nn.attention import weigh
from chiasm.nn.blocks import ArrayOps, Ops, Params, every
from chiasm.stats.blocks import Block, Blocks, blocks, grouped, groups, means, presence
from chiasm.tokens import Tokens
from chiasm.views import Views

__all__ = ["WIDTH", "Looked", "TokenFuser", "units"]

WIDTH = 48
MOST = 16
"""Tokens of a row that a network reads."""

_SCORING = 32
_SAMPLE = 20_000
"""Tokens that axes are learned from, at most."""
_CHUNK = 256


class Looked(NamedTuple):
    """What a network makes of the tokens of n rows, by view."""

    parts: list[Any]
    """`(..., n, w)` a view: its tokens in one vector."""
    pooled: list[Any]
    """`(..., n, T)` a view: how much each token counts in it."""
    pairs: dict[tuple[int, int], Any]
    """`(..., n, T, S)` by places of two views: how much each token of the first looks at each of the second."""


class TokenFuser(TrainedFuser):
    """A trained fuser whose networks read tokens: words, patches, frames, as `chiasm.tokens.Tokens`, ragged or not.

    Tokens stand on their first 64 principal axes, learned from 20,000 of them; a view of plain vectors is one token, on
    its kernel axes as in `TrainedFuser`. A network reads at most 16 tokens of a row and a view: of more, each is the
    mean of neighbors, in groups as equal as may be. That keeps 2,000 rows of 49 patches and some words at one to two
    minutes on one core (reckoned from 1,200 rows); places of tokens are not told, so that their order counts only as
    far as the encoder says it. A row whose item has no token lacks the view. The closed head reads the mean of tokens.

    A view's tokens become one vector t_v of 48 numbers, which `_look` says how; views are weighed by row as in
    `attention`; the answer is linear in their weighted mean.
    """

    _epochs, _rate, _decay, _chunk = 30, 4e-3, 0.3, 512
    _cooling: ClassVar[tuple[float, ...]] = (1.0, 0.7, 0.5, 0.35, 0.25)

    def _look(
        self,
        params: Mapping[str, Params],
        tokens: Sequence[Any],
        allowed: Sequence[Any],
        there: Sequence[Any],
        ops: Ops,
        dropout: float,
    ) -> Looked:
        """What the tokens of every view say, `(..., n, T, 48)` each, `allowed` booleans `(..., n, T)`.

        Args:
            params: by view and of `JOINT`, views in the order of `tokens`. there: `(..., n, 1)`, 1 where a view is.
        """
        raise NotImplementedError

    def _start_view(self, rng: np.random.Generator) -> Params:
        """What `_look` has to learn of each view."""
        raise NotImplementedError

    def _start_joint(self, k: int, rng: np.random.Generator) -> Params:
        """What `_look` has to learn of all k views."""
        return {}

    def token_weights(self, views: Any) -> dict[str, list[np.ndarray]]:
        """By view one array a row: how much each of its tokens `(t,)` counts in it, mean over networks; they sum to 1.

        Tokens that were read as one share what it counts. Empty where a row lacks the view.
        """
        return self._told(views)[0]

    def _told(self, views: Any) -> tuple[dict[str, list[np.ndarray]], dict[tuple[str, str], list[np.ndarray]]]:
        """Weights of tokens by view, and by two views, a row each, spread to all tokens."""
        self.check_fitted()
        views = checked(views, self.widths_)
        held, n, names = self._held(views, list(self.widths_)), len(views), list(self.kernels_)
        rows, here = self._turned(held, n), presence(held, names, n).astype(np.float32)
        counts = {name: self._lengths(held.get(name), n) for name in names}
        pooled: dict[str, list[np.ndarray]] = {name: [] for name in names}
        pairs: dict[tuple[str, str], list[np.ndarray]] = {}
        for start in range(0, n, self._chunk):
            part = {name: values[start : start + self._chunk] for name, values in rows.items()}
            looked = self._networks(self.params_, part, here[start : start + self._chunk], ArrayOps(), 0.0)[0]
            for v, name in enumerate(names):
                for i, row in enumerate(_mean(looked.pooled[v], 2)):
                    pooled[name].append(_spread(row, counts[name][start + i]))
            for (a, b), found in looked.pairs.items():
                mine = pairs.setdefault((names[a], names[b]), [])
                for i, row in enumerate(_mean(found, 3)):
                    wide = _spread(row, counts[names[b]][start + i])
                    mine.append(wide[groups(counts[names[a]][start + i], MOST)])
        return pooled, pairs

    def _held(self, views: Views, names: Sequence[str] | None = None) -> Blocks:
        return blocks(views, names, ragged=True)

    def _numbers(self, block: Block) -> int:
        return block.values.width if isinstance(block.values, Tokens) else super()._numbers(block)

    def _vectors(self, held: Blocks) -> Blocks:
        return {name: Block(means(block), block.present) for name, block in held.items()}

    def _lengths(self, block: Block | None, n: int) -> np.ndarray:
        """`(n,)` tokens of every row: one where it has a plain vector, none where the view is absent."""
        if block is None:
            return np.zeros(n, dtype=np.int64)
        if isinstance(block.values, Tokens):
            return np.where(block.present, block.values.lengths, 0)
        return block.present.astype(np.int64)

    def _stand_on(self, name: str, block: Block) -> None:
        if not isinstance(block.values, Tokens):
            super()._stand_on(name, block)
            return
        rows = np.random.default_rng(self.seed).permutation(np.flatnonzero(block.present))
        some = rows[: max(1, int(np.searchsorted(np.cumsum(block.values.lengths[rows]), _SAMPLE, "right")))]
        every_token = np.concatenate([_of(block.values, some[i : i + _CHUNK]) for i in range(0, len(some), _CHUNK)])
        self.kernels_[name] = Axes().fit(Block(every_token, np.ones(len(every_token), dtype=bool)))

    def _turned(self, held: Blocks, n: int) -> dict[str, np.ndarray]:
        """By fitted view its tokens on its axes `(n, T, r)`, and beside it, by its name and `HERE`, which are there."""
        found: dict[str, np.ndarray] = {}
        for name in self.kernels_:
            block = held.get(name)
            if isinstance(self.kernels_[name], Axes):
                found[name], found[name + HERE] = self._laid(self.kernels_[name], block, n)
            else:
                found[name] = self._turn(name, block, n)[:, None]
                found[name + HERE] = (np.zeros(n, bool) if block is None else block.present)[:, None]
        return found

    def _laid(self, axes: Axes, block: Block | None, n: int) -> tuple[np.ndarray, np.ndarray]:
        """`(n, T, r)` tokens on axes, T of the row with the most but at most `MOST`, and `(n, T)` which are there."""
        lengths = self._lengths(block, n)
        most = int(np.clip(lengths.max(initial=0), 1, MOST))
        values, there = np.zeros((n, most, axes.width), np.float32), np.zeros((n, most), dtype=bool)
        for start in range(0, n, _CHUNK) if block is not None else ():
            part = np.arange(start, min(start + _CHUNK, n))
            some = part[lengths[part] > 0]
            if len(some):
                raw = _of(block.values, some)  # type: ignore[union-attr, arg-type]
                turned = axes(Block(raw, np.ones(len(raw), dtype=bool)))
                values[some], there[some] = grouped(turned, lengths[some], most)
        return values, there

    def _start(self, widths: Mapping[str, int], c: int, rng: np.random.Generator) -> dict[str, Params]:
        params: dict[str, Params] = {}
        for name, width in widths.items():
            mine = {"token": matrix(width, WIDTH, rng), "shift": np.zeros((1, WIDTH), np.float32)}
            mine |= {"scoring": matrix(WIDTH, _SCORING, rng), "bias": np.zeros((1, _SCORING), np.float32)}
            params[name] = mine | {"pool": matrix(WIDTH, 1, rng)} | self._start_view(rng)
        params[JOINT] = {"context": matrix(WIDTH, _SCORING, rng), "query": matrix(_SCORING, 1, rng, 0.1)}
        params[JOINT] |= {"head": matrix(WIDTH, c, rng, 0.1), "offset": np.zeros((1, c), np.float32)}
        params[JOINT] |= self._start_joint(len(widths), rng)
        return params

    def _networks(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Looked, list[Any]]:
        """What networks make of tokens, and where views are, `(..., n, 1)` each."""
        names = [name for name in params if name != JOINT]
        there = [here[..., v : v + 1] for v in range(len(names))]
        allowed = [rows[name + HERE] & (mask > 0) for name, mask in zip(names, there, strict=True)]
        tokens = [every(rows[name], params[name]["token"], params[name]["shift"]) for name in names]
        return self._look(params, tokens, allowed, there, ops, dropout), there

    def _forward(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Any, list[Any]]:
        joint, each = params[JOINT], [params[name] for name in params if name != JOINT]
        looked, there = self._networks(params, rows, here, ops, dropout)
        weights = weigh(looked.parts, each, joint, there, ops)
        fused = sum(weight * part for weight, part in zip(weights, looked.parts, strict=True))
        return ops.dropout(fused, dropout) @ joint["head"] + joint["offset"], weights


def units(tokens: Any, ops: Ops) -> Any:
    """gelu(norm(t)): tokens of one length, so that a token counts by its weight and by nothing else."""
    return ops.gelu(ops.standardize(tokens))


def _spread(weights: np.ndarray, length: int) -> np.ndarray:
    """Weights of groups `(..., T)` as those of `length` tokens, which share what their group counts."""
    group = groups(length, MOST)
    shared: np.ndarray = weights[..., group] / np.bincount(group, minlength=1)[group]
    return shared


def _mean(weights: np.ndarray, axes: int) -> np.ndarray:
    """The mean over networks of what has so many axes for one of them."""
    return weights if weights.ndim == axes else weights.mean(axis=0)


def _of(tokens: Tokens, rows: np.ndarray) -> np.ndarray:
    """`(m, d)` float32, all tokens of some rows one after the other."""
    values, mask = tokens.batch(rows)
    return values[mask]
