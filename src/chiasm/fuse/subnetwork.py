"""Sub-networks: one small network a view, joined before the answer (parallel) or each reading the last (cascade)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import VIEWS, choice
from chiasm.errors import ChiasmError
from chiasm.fuse._trained import JOINT, TrainedFuser, beside, matrix
from chiasm.nn.blocks import Ops, Params
from chiasm.stats.blocks import Blocks

__all__ = ["Subnetwork"]

JOINS = ("parallel", "cascade")

_WIDTH = 64
_SAID = 32


class Subnetwork(TrainedFuser):
    """A network of two layers a view; together they are trained on the answer.

    What network v says is u_v = tanh(W'_v gelu(norm(W_v x_v + b_v)) + b'_v), 32 units.

    - "parallel": F = W_fc [u_1; ...; u_k], with a learned stand-in for an absent view; answer = H gelu(norm(F)) + h.
      No network knows of another.
    - "cascade": the networks stand one behind the other, and each reads what the one before it says beside its own
      view: u_v = tanh(W'_v gelu(norm(W_v x_v + R_v u_(v-1) + b_v)) + b'_v); answer = H u_k + h. An absent view's
      network hands on what it was told. With the R_v cut the last view answers alone.

    Choose `early` for the answer, which is closed and quicker and stands beside the networks anyway: this less `early`,
    over five re-drawn splits (benchmarks/fuse/subnetwork.py), is +0.4 points of accuracy [-0.3, 1.2] in parallel and
    +0.3 [-0.4, 1.0] as a cascade on tweets, +0.3 [-1.0, 1.6] and 0.0 [0.0, 0.0] on Chinese news, where the cascade
    never counts; the networks alone are +0.1, +0.2, -0.7 and -0.4. A cascade reads its first network: cut, it loses 7.7
    points [3.3, 12.2] and 34.5 [29.1, 39.9] to `early`, for the picture is all that is left.

    Args:
        kind: "classes", "tags" or "numbers". join: "parallel" or "cascade".
        order: of a cascade, the views' names, the first network's first; left out, as the views come.
        device: to train on, "auto" (a GPU where torch sees one), "cpu" or "cuda"; on a CPU the same seed gives the
            same numbers. seed: of folds, landmarks, starts and batches.

    `row_weights`: of "parallel" each view's share of the lengths of the parts of F; of "cascade" each network's own
    view counts |W_v x_v| and what it is told |R_v u_(v-1)|, all the way back. Learned: see `TrainedFuser`; `order_`.
    Raises a ChiasmError where `order` is not each view once.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> views = {"a": rng.normal(size=(200, 3)) + y[:, None], "b": rng.normal(size=(200, 4)) + y[:, None]}
    >>> fused = Subnetwork(join="cascade", order=["b", "a"]).fit(views, y)
    >>> fused.row_weights({"b": views["b"][:1]}).tolist(), fused.predict_proba(views).shape
    ([[0.0, 1.0]], (200, 2))

    Sources: Ngiam et al. 2011 (a network a form, joined in a shared layer); Fahlman & Lebiere 1990 (networks that read
    what earlier ones say); Neverova et al. 2016 (dropping views in training).
    """

    allowed: ClassVar = {"join": choice(*JOINS), "order": VIEWS}

    order_: list[str]

    def __init__(
        self,
        kind: str = "classes",
        join: str = "parallel",
        order: str | Sequence[str] = (),
        device: str = "auto",
        seed: int = 0,
    ):
        self.kind = kind
        self.join = join
        self.order = order
        self.device = device
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        self.order_ = ([self.order] if isinstance(self.order, str) else list(self.order)) or list(held)
        if sorted(self.order_) != sorted(held):
            raise ChiasmError(f"wanted order to be each of {', '.join(held)} once, got {', '.join(self.order_)}.")
        return super()._learn(held, truth, folds)

    def _start(self, widths: Mapping[str, int], c: int, rng: np.random.Generator) -> dict[str, Params]:
        params: dict[str, Params] = {}
        for name, width in widths.items():
            params[name] = {"own": matrix(width, _WIDTH, rng), "bias": np.zeros((1, _WIDTH), np.float32)}
            params[name] |= {"say": matrix(_WIDTH, _SAID, rng), "shift": np.zeros((1, _SAID), np.float32)}
            if self.join == "cascade":
                params[name] |= {"told": matrix(_SAID, _WIDTH, rng)}
            else:
                params[name] |= {"join": matrix(_SAID, _WIDTH, rng), "absent": np.zeros((1, _WIDTH), np.float32)}
        params[JOINT] = {} if self.join == "cascade" else {"inner": np.zeros((1, _WIDTH), np.float32)}
        last = _SAID if self.join == "cascade" else _WIDTH
        params[JOINT] |= {"head": matrix(last, c, rng, 0.1), "offset": np.zeros((1, c), np.float32)}
        return params

    def _forward(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Any, list[Any]]:
        joint, names = params[JOINT], [name for name in params if name != JOINT]
        there = {name: here[..., v : v + 1] for v, name in enumerate(names)}
        if self.join == "cascade":
            fused, weights = self._handed_on(params, rows, there, ops)
            return ops.dropout(fused, dropout) @ joint["head"] + joint["offset"], [weights[name] for name in names]
        each = [params[name] for name in names]
        said = [_says(one, rows[name] @ one["own"], ops) for name, one in zip(names, each, strict=True)]
        fused, lengths = beside(joint, each, said, list(there.values()))
        fused = ops.gelu(ops.standardize(fused))
        return ops.dropout(fused, dropout) @ joint["head"] + joint["offset"], lengths

    def _handed_on(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], there: Mapping[str, Any], ops: Ops
    ) -> tuple[Any, dict[str, Any]]:
        """What the last network says, and by view the share of it that came in there."""
        first = self.order_[0]
        own = rows[first] @ params[first]["own"]
        said = 0 * own[..., :_SAID]
        weights: dict[str, Any] = {}
        for name in self.order_:
            one, mask = params[name], there[name]
            own, told = rows[name] @ one["own"], said @ one["told"]
            kept = mask * _length(told) / (_length(own) + _length(told) + 1e-9) + 1 - mask
            weights = {view: weight * kept for view, weight in weights.items()} | {name: mask * (1 - kept)}
            said = mask * _says(one, own + told, ops) + (1 - mask) * said
        return said, weights


def _says(params: Params, units: Any, ops: Ops) -> Any:
    """tanh(W' gelu(norm(units + b)) + b')."""
    return ops.tanh(ops.gelu(ops.standardize(units + params["bias"])) @ params["say"] + params["shift"])


def _length(x: Any) -> Any:
    return ((x * x).sum(-1)[..., None] + 1e-18) ** 0.5
