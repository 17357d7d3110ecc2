"""Cross-attention: the tokens of each view read those of the others, in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import FLAG
from chiasm.errors import ChiasmError
from chiasm.finite import checked
from chiasm.fuse._tokens import WIDTH, Looked, TokenFuser, units
from chiasm.fuse._trained import JOINT
from chiasm.nn.attention import layer, pool, start
from chiasm.nn.blocks import Ops, Params
from chiasm.stats.blocks import Block, Blocks
from chiasm.tokens import Tokens

__all__ = ["CrossAttention"]


class CrossAttention(TokenFuser):
    """Every token of a view reads the tokens of the other views by four heads, and every token of those reads its own.

    t + softmax(q k' / sqrt(12)) v, then t + W2 gelu(W1 norm(t) + b): q of the token, k and v of all tokens of the other
    views side by side, each direction with maps of its own. Where no other view is there it reads nothing; a view that
    has no other reads itself. A view is the mean of u = gelu(norm(t)), weighed by softmax(q' u).

    Choose it where two views are of one kind and their order must not matter (`symmetric`); else `coattention` first,
    which finds planted pairs from fewer rows. Choose `early` on pooled features before both: it is closed and quicker;
    over six packs this is -0.6 points [-1.6, 0.3] less `early` (benchmarks/fuse/every_fuser.py).

    Args:
        kind: "classes", "tags" or "numbers".
        symmetric: of two views of one kind (two photographs of a place, two questions): which one is called first must
            not matter. It learns every row in both orders and answers by the mean of both, so with the views swapped
            the answer is the same, to the last bit, and the weights are swapped. It takes twice as long.
        device: to train on, "auto" (a GPU where torch sees one), "cpu" or "cuda"; on a CPU the same seed gives
            the same numbers. seed: of folds, axes, starts and batches.

    Learned: see `TokenFuser` and `TrainedFuser`. Raises a ChiasmError where `symmetric` is asked of other than two
    views of one width.

    >>> rng = np.random.default_rng(0)
    >>> first, second = rng.normal(size=(2, 30, 4))
    >>> fused = CrossAttention(symmetric=True).fit({"a": first, "b": second}, (first * second).sum(axis=1) > 0)
    >>> one, other = fused.predict_proba({"a": first, "b": second}), fused.predict_proba({"a": second, "b": first})
    >>> bool((one == other).all())
    True

    Sources: Tan & Bansal 2019 (LXMERT) and Lu et al. 2019 (ViLBERT): attention in both directions; Tsai et al. 2019
    (MulT); swapped inputs and a mean over orders: any function becomes symmetric so.
    """

    allowed: ClassVar = {"symmetric": FLAG}

    def __init__(self, kind: str = "classes", symmetric: bool = False, device: str = "auto", seed: int = 0):
        self.kind = kind
        self.symmetric = symmetric
        self.device = device
        self.seed = seed

    def attention(self, views: Any) -> dict[tuple[str, str], list[np.ndarray]]:
        """By two views, the reading one first, a matrix `(t, s)` a row: how much each token looks at each other one.

        Rows sum to 1 over all views that are read, mean over heads and networks; empty where a view is absent. Tokens
        that were read as one share it.
        """
        return self._told(views)[1]

    def row_weights(self, views: Any) -> np.ndarray:
        """As every trained fuser's; of a symmetric one swapped where the views are."""
        found = super().row_weights(views)
        if self.symmetric:
            found = (found + super().row_weights(self._turned_round(views))[:, ::-1]) / 2
        return found

    def _told(self, views: Any) -> tuple[dict[str, list[np.ndarray]], dict[tuple[str, str], list[np.ndarray]]]:
        pooled, pairs = super()._told(views)
        if self.symmetric:
            (a, b), other = self.widths_, super()._told(self._turned_round(views))
            pooled = {one: _halved(pooled[one], other[0][two]) for one, two in ((a, b), (b, a))}
            pairs = {(one, two): _halved(pairs[one, two], other[1][two, one]) for one, two in ((a, b), (b, a))}
        return pooled, pairs

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        if not self.symmetric:
            return super()._learn(held, truth, folds)
        wide = {name: (self._numbers(block), isinstance(block.values, Tokens)) for name, block in held.items()}
        if len(wide) != 2 or len(set(wide.values())) != 1:
            listed = ", ".join(f"{name} ({width})" for name, (width, _) in wide.items())
            raise ChiasmError(
                f"wanted two views of one kind and one width, which can be swapped, got {listed}: leave symmetric out."
            )
        (a, one), (b, two) = held.items()
        both = {a: _after(one, two), b: _after(two, one)}
        crossed = super()._learn(both, np.tile(truth, (2, 1)), np.tile(folds, 2))
        self.weights_ = dict.fromkeys(held, 0.5)  # over both orders
        halved: np.ndarray = (crossed[: len(truth)] + crossed[len(truth) :]) / 2
        return halved

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        out = super()._answer(held, n)
        if self.symmetric:
            a, b = self.kernels_
            swapped = {new: held[old] for new, old in ((a, b), (b, a)) if old in held}
            out = (out + super()._answer(swapped, n)) / 2
        return out

    def _turned_round(self, views: Any) -> Any:
        """The same rows, each view called by the other's name."""
        a, b = self.widths_
        views = checked(views, self.widths_)
        return views.replace({new: views[old] for new, old in ((a, b), (b, a)) if old in views.columns})

    def _start_view(self, rng: np.random.Generator) -> Params:
        return start(WIDTH, rng)

    def _look(
        self,
        params: Mapping[str, Params],
        tokens: Sequence[Any],
        allowed: Sequence[Any],
        there: Sequence[Any],
        ops: Ops,
        dropout: float,
    ) -> Looked:
        each = [params[name] for name in params if name != JOINT]
        parts, pooled = [], []
        pairs: dict[tuple[int, int], Any] = {}
        for v, (mine, own) in enumerate(zip(tokens, each, strict=True)):
            others = [u for u in range(len(tokens)) if u != v] or [v]
            read = ops.join([tokens[u] for u in others], axis=-2)
            found, weights = layer(own, mine, read, ops.join([allowed[u] for u in others]), ops, dropout)
            weights, first = weights.mean(-3), 0
            for u in others:
                last = first + tokens[u].shape[-2]
                pairs[v, u], first = weights[..., first:last], last
            part, shares = pool(units(found, ops), own["pool"], allowed[v], ops)
            parts.append(part)
            pooled.append(shares)
        return Looked(parts, pooled, pairs)


def _after(one: Block, two: Block) -> Block:
    """The rows of one block, then those of the other."""
    present = np.concatenate([one.present, two.present])
    if isinstance(one.values, Tokens) and isinstance(two.values, Tokens):
        return Block(Tokens.stack([one.values, two.values]), present)
    return Block(np.concatenate([np.asarray(one.values), np.asarray(two.values)]), present)


def _halved(one: list[np.ndarray], other: list[np.ndarray]) -> list[np.ndarray]:
    """The mean of both, row by row."""
    return [(a + b) / 2 for a, b in zip(one, other, strict=True)]
