"""Temporal fusion: views over time read step by step (GRU, LSTM, attention, convolution), joined with plain ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import SIZE, choice
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.fuse._axes import Axes
from chiasm.fuse._trained import JOINT, TrainedFuser, beside, matrix
from chiasm.nn.blocks import Ops, Params
from chiasm.nn.temporal import READERS, gru, reader, turn
from chiasm.stats.blocks import Block, Blocks
from chiasm.tokens import Tokens

__all__ = ["Temporal"]


JOINS = ("concat", "gru")

_WIDTH = 32
_HIDDEN = 64
_CHUNK = 8192
"""Steps in memory at a time, before they are on these axes."""


class Temporal(TrainedFuser):
    """Views over time each read by a head of their own, plain ones by a linear map; joined, then a small MLP.

    A view over time is T steps of d numbers side by side, `(n, T * d)`: what encoders of audio and video give with
    `steps=T`. Its steps are put on their first 64 principal axes, one set for all steps, and read by the head:

    - "attention": four weighted means of tokens that know their place in time; trained in half the time of the next.
    - "gru", "lstm", "bilstm": the mean output of a recurrent network. "gru" where order counts and places do not.
    - "conv": a convolution over five steps, its largest answer over time: short patterns, wherever they come.

    What the head says, and a plain vector's first 128 kernel principal axes, become u = tanh(W r + b), 32 units a view.
    join="concat": F = W_fc [u_1; ...; u_k], with a learned stand-in for an absent view; answer = H' gelu(norm(F)) + h.
    With a two-way LSTM on words and a convolution on pictures that is F = W_fc [tanh(W_lstm H); tanh(W_conv V)].
    join="gru": the views in the order of the table through one gated recurrent unit, the first that is there being the
    first state: h <- (1 - z) * n + z * h. Of an image and a video it is GRU fusion.

    Choose it where order is the answer, which a mean over time cannot know (planted, which of two events came first: a
    mean 50 %, every head but "conv" above 95 %). Choose `early` on the same numbers first for real clips: it is closed
    and quick, and stands beside the heads anyway, so that they answer much as it does. Of 75 test clips of one talker
    (benchmarks/time/temporal.py, 25 steps of the lower face) less `early`, for the command (4): -1.3 points [-7.9, 5.2]
    with "attention", 0.0 [-2.7, 2.7] with the others; for the digit (10) +2.7 [-1.9, 7.3] with "conv", 0.0 [-6.0, 6.0]
    with "attention". Networks alone do not beat it: +1.3 [-12.3, 15.0] with "attention", -9.3 [-21.7, 3.0] with "gru",
    -10.7 [-25.4, 4.0] with "conv", -18.7 [-30.7, -6.6] with "lstm" for the command; of the words that four streams tell
    they get 52.0 % [48.9, 55.2], `early` 71.8. Two of eight are shown to read time: with the steps of the test clips
    shuffled, "gru" alone loses 18.7 points [6.6, 30.7] of the digit's 33.3, "attention" 26.7 [14.2, 39.1] of the
    command's 57.3. On 300 surveillance clips, a still and what moves, GRU fusion less `early` is -0.3 points [-4.1,
    3.4]; networks alone, less concatenation +3.0 [-0.5, 6.5] and less `early` -3.3 [-10.0, 3.3]. On two plain vectors,
    a picture's and its words', its network is under `early` by .040 of F1 [.012, .069] on 15 tags (docs/textbook.md).

    Args:
        kind: "classes", "tags" or "numbers". steps: T of every view, or by view;
            0: as the columns say (tokens are over time, vectors are plain).
        head: of every view over time; or by view, "attention" where it is not named. join: "concat" or "gru".
        device: to train on, "auto" (a GPU where torch sees one), "cpu" or "cuda"; on a CPU the same seed gives
            the same numbers.
        seed: of folds, landmarks, starts and batches.

    `row_weights`: of "concat" each view's share of the lengths of the parts of F; of "gru" the share of the last state
    that came in with it. Learned: see `TrainedFuser`; `steps_`, `heads_` by view over time. Raises a
    ChiasmError for an unknown head, join or view, and where a view's numbers are no multiple of its steps.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 60)
    >>> clips = rng.normal(size=(60, 4, 3))
    >>> clips[np.arange(60), 3 * y, 0] += 6  # a peak at the first or at the last of four steps
    >>> fused = Temporal(steps={"clip": 4}).fit({"clip": clips.reshape(60, 12), "size": rng.normal(size=(60, 2))}, y)
    >>> fused.predict_proba({"clip": clips[:1].reshape(1, 12)}).shape
    (1, 2)

    Sources: Donahue et al. 2015 (frames through a CNN, then an LSTM); Cho et al. 2014 (GRU); Antol et al. 2015 (words
    and pictures joined before an MLP); Neverova et al. 2016 (dropping views in training).
    """

    _epochs, _rate, _decay, _chunk = 40, 5e-3, 0.1, 512  # networks over time learn longer, in smaller steps
    _cooling = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15)  # and are too sure of themselves long before they are at their best

    allowed: ClassVar = {"steps": SIZE.by_view(), "head": choice(*READERS).by_view(), "join": choice(*JOINS)}

    def __init__(
        self,
        kind: str = "classes",
        steps: int | dict[str, int] = 0,
        head: str | dict[str, str] = "attention",
        join: str = "concat",
        device: str = "auto",
        seed: int = 0,
    ):
        self.kind = kind
        self.steps = steps
        self.head = head
        self.join = join
        self.device = device
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        told = self.steps if isinstance(self.steps, dict) else dict.fromkeys(held, self.steps) if self.steps else {}
        steps = {name: block.steps for name, block in held.items()} | told
        heads = self.head if isinstance(self.head, dict) else dict.fromkeys(held, self.head)
        for name in (*steps, *heads):
            if name not in held:
                raise unknown("view in steps or head", name, held)
        self.steps_ = {name: count for name, count in steps.items() if count}
        named = self.head if isinstance(self.head, dict) else {}
        if flat := [name for name in named if name not in self.steps_]:
            raise ChiasmError(
                f"wanted views over time to read by head={named[flat[0]]!r}, got {', '.join(map(repr, flat))} of one "
                "vector a row: encode with pooled=False:steps=16, or leave the head out."
            )
        if len(held) > 1 and not self.steps_ and self.head not in ("attention", named):
            warnings.warn(
                f"head={self.head!r} reads nothing: no view is over time; encode with pooled=False:steps=16 for that.",
                ChiasmWarning,
                stacklevel=2,
            )
        self.heads_ = {name: heads.get(name, "attention") for name in self.steps_}
        for name, count in self.steps_.items():
            reader(self.heads_[name])
            width = held[name].values.shape[1]
            if count < 0 or width % count:
                raise ChiasmError(
                    f"view {name!r}: wanted {count} steps side by side, got {width} numbers, no multiple of {count}: "
                    f"encode it with steps={count}, or give steps by view."
                )
        return super()._learn(held, truth, folds)

    def _stand_on(self, name: str, block: Block) -> None:
        if name in self.steps_:
            self.kernels_[name] = Axes().fit(self._every(block, name))
        else:
            super()._stand_on(name, block)

    def _every(self, block: Block, name: str) -> Block:
        """The steps of a view, one a row: `(n * T, d)`."""
        values, steps = block.values, self.steps_[name]
        if isinstance(values, Tokens) and values.steps == steps:
            return Block(values.each(), np.repeat(block.present, steps))
        return Block(np.asarray(values).reshape(len(values) * steps, -1), np.repeat(block.present, steps))

    def _turn(self, name: str, block: Block | None, n: int) -> np.ndarray:
        """`(n, r)`, or `(n, T * r)` of steps, float32; 0 where it is absent."""
        if name not in self.steps_:
            return super()._turn(name, block, n)
        axes, steps = self._axes(name), self.steps_[name]
        turned = np.zeros((n, steps * axes.width), dtype=np.float32)
        size = max(1, _CHUNK // steps)
        for start in range(0, n, size) if block is not None else ():
            part = block.some(np.arange(start, min(start + size, n)))  # type: ignore[union-attr]
            turned[start : start + size] = axes(self._every(part, name)).reshape(len(part.present), -1)
        return turned

    def _axes(self, name: str) -> Axes:
        """The axes of a view's steps, also of models saved when they stood beside their kernel."""
        held = self.kernels_[name]
        if isinstance(held, Axes):
            return held
        axes = Axes()
        axes.kernel_, axes.axes_ = held, vars(self)["axes_"][name] / np.float32(self.scales_[name])
        return axes

    def _start(self, widths: Mapping[str, int], c: int, rng: np.random.Generator) -> dict[str, Params]:
        params: dict[str, Params] = {}
        for name, width in widths.items():
            mine: Params = {}
            if name in self.steps_:
                steps = self.steps_[name]
                made = reader(self.heads_[name]).init(width // steps, _WIDTH, steps, rng)
                mine, width = {f"over_{key}": values for key, values in made.items()}, _WIDTH
            params[name] = mine | {"map": matrix(width, _WIDTH, rng), "shift": np.zeros((1, _WIDTH), np.float32)}
            if self.join == "concat":
                params[name] |= {"join": matrix(_WIDTH, _HIDDEN, rng), "absent": np.zeros((1, _HIDDEN), np.float32)}
        if self.join == "gru":
            params[JOINT] = gru.init(_WIDTH, _HIDDEN, len(widths), rng)
        else:
            params[JOINT] = {"inner": np.zeros((1, _HIDDEN), np.float32)}
        params[JOINT] |= {"head": matrix(_HIDDEN, c, rng, 0.1), "offset": np.zeros((1, c), np.float32)}
        return params

    def _forward(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Any, list[Any]]:
        joint, names = params[JOINT], [name for name in params if name != JOINT]
        there = [here[..., v : v + 1] for v in range(len(names))]
        units = [self._units(name, params[name], rows[name], ops) for name in names]
        if self.join == "gru":
            fused, weights = _turned(joint, units, there, ops)
        else:
            fused, weights = beside(joint, [params[name] for name in names], units, there)
            fused = ops.gelu(ops.standardize(fused))
        return ops.dropout(fused, dropout) @ joint["head"] + joint["offset"], weights

    def _units(self, name: str, params: Params, x: Any, ops: Ops) -> Any:
        """tanh(W r + b) `(n, 32)`, r what the head says of the steps, or the plain vector."""
        if name in self.steps_:
            steps = self.steps_[name]
            mine = {key[5:]: values for key, values in params.items() if key.startswith("over_")}
            x = reader(self.heads_[name]).read(mine, x.reshape(*x.shape[:-1], steps, x.shape[-1] // steps), ops)
        return ops.tanh(x @ params["map"] + params["shift"])


def _turned(joint: Params, units: list[Any], there: list[Any], ops: Ops) -> tuple[Any, list[Any]]:
    """The views in turn through a gated recurrent unit; a view's weight is what of the last state came in with it."""
    h, before = 0 * (units[0] @ joint["in"])[..., : joint["again"].shape[-2]], 0 * there[0]
    weights: list[Any] = []
    for u, mask in zip(units, there, strict=True):
        new, keep = turn(joint, u @ joint["in"] + joint["bias"], h, ops)
        keep = keep * before * mask + 1 - mask  # the first one there is all; an absent one passes
        h = new + keep * (h - new)
        weights = [*(weight * keep for weight in weights), 1 - keep]
        before = before + mask - before * mask
    return h, weights
