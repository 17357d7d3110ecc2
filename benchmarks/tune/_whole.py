"""An encoder's last layers learned in full, what a low-rank change is held against: one network with its own head.

Its start (the frozen layers, logistic regression on the frozen vectors), epochs, cells drawn and dropout are those of
`chiasm.tune.adapter`. The penalty of the start and the epoch are chosen on validation rows; then it learns again, from
training and validation rows.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax

from chiasm.encode._effnet import LITE0
from chiasm.encode._effnet_last import _parts
from chiasm.known import Last
from chiasm.nn.blocks import ArrayOps, Ops, Params
from chiasm.nn.schedule import Schedule
from chiasm.nn.train import Outcome, train
from chiasm.tokens import Tokens
from chiasm.tune import _networks

__all__ = ["Whole"]

RATE = 1e-3
"""Better than 1e-4 on the validation rows of covid_cxr's first split."""
PENALTIES = (0.1, 0.3, 1.0, 3.0)
"""C of logistic regression on vectors of total variance 1."""


class Start(NamedTuple):
    """The arrays that training starts from, and the penalty's strength."""

    params: dict[str, Params]
    strength: float


class Whole:
    """The projection and the head of EfficientNet-Lite0, and a linear head over the vectors.

    Args:
        last: its last layers. tokens: what they read of n items. truth: `(n, c)` of classes. seed: of draws.
    """

    def __init__(self, last: Last, tokens: Tokens, truth: np.ndarray, seed: int):
        self.last, self.tokens, self.truth, self.seed = last, tokens, truth.astype(np.float32), seed
        self.layers = layers()
        self.x = self.vectors(self.layers, np.arange(len(truth)))
        self.middle, self.scale = self.x.mean(axis=0), float(np.sqrt(self.x.var(axis=0).sum()))

    def fit(self, split: np.ndarray) -> Whole:
        """Choose on the rows of `split` `(n,)` that are "val", learn from all that are not "test"."""
        learn, val = (np.flatnonzero(rows) for rows in (split != "test", split == "val"))
        rows = np.flatnonzero(split == "train")
        x = (self.x - self.middle) / self.scale
        starts = [self.start(x, rows, strength) for strength in PENALTIES]
        start = max(starts, key=lambda one: self.likely(one.params, val))
        epoch = self.run(start, rows, val).epoch
        start = self.start(x, learn, start.strength)
        self.params = self.run(start, learn, stop=epoch).params if epoch else start.params
        self.chosen = {"strength": start.strength, "epoch": epoch}
        return self

    def start(self, x: np.ndarray, rows: np.ndarray, strength: float) -> Start:
        """The layers as they are, and logistic regression on the frozen vectors of some rows."""
        from sklearn.linear_model import LogisticRegression

        there = np.flatnonzero(self.truth[rows].any(axis=0))
        model = LogisticRegression(C=strength, max_iter=300).fit(x[rows], self.truth[rows].argmax(axis=1))
        weight, offset = model.coef_, model.intercept_
        if len(there) == 2:
            weight, offset = np.concatenate([-weight, weight]) / 2, np.concatenate([-offset, offset]) / 2
        head = {"weight": np.zeros((x.shape[1], self.truth.shape[1]), np.float32)}
        head["offset"] = np.full(self.truth.shape[1], -8, np.float32)  # of a class that no row has
        head["weight"][:, there], head["offset"][there] = weight.T, offset
        return Start({"layers": self.layers, "head": head}, strength)

    def run(self, start: Start, rows: np.ndarray, val: np.ndarray | None = None, stop: int | None = None) -> Outcome:
        """Train on rows; of the epochs the one that answers `val` best."""
        rng = np.random.default_rng(self.seed)
        epochs = _networks.epochs(len(rows))
        penalty = 1 / (2 * start.strength * len(rows))

        def objective(params: dict[str, Params], data: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            import torch

            mine = rows[batch["rows"].numpy()]
            hidden = self.last.run(self.tokens.batch(mine)[0], batch["cells"].numpy())[0]
            vectors = seen(params["layers"], torch.from_numpy(np.ascontiguousarray(hidden)), step.ops)
            turned = step.ops.dropout((vectors - data["middle"]) / self.scale, _networks.DROPOUT)
            out = turned @ params["head"]["weight"] + params["head"]["offset"]
            loss = -(out.log_softmax(-1) * data["truth"][torch.from_numpy(mine)]).sum(-1).mean()
            return loss + penalty * params["head"]["weight"].square().sum()

        return train(
            start.params,
            {"truth": self.truth, "middle": self.middle},
            partial(_networks.batches, len(rows), self.tokens.steps, rng),
            objective,
            None if val is None else partial(self.likely, rows=val),
            schedule=Schedule(epochs, RATE, _networks.DECAY),
            stop=stop,
            seed=self.seed,
            device="cpu",
        )

    def vectors(self, params: Params, rows: np.ndarray) -> np.ndarray:
        """`(n, w)` of rows, from all of their cells."""
        some = np.array_split(rows, max(1, len(rows) // 32))
        return np.concatenate([seen(params, self.last.run(self.tokens.batch(r)[0])[0], ArrayOps()) for r in some])

    def answers(self, params: dict[str, Params], rows: np.ndarray) -> np.ndarray:
        """`(n, c)` raw answers."""
        turned = (self.vectors(params["layers"], rows) - self.middle) / self.scale
        found: np.ndarray = turned @ params["head"]["weight"] + params["head"]["offset"]
        return found

    def likely(self, params: dict[str, Params], rows: np.ndarray) -> float:
        """The mean log likelihood of rows."""
        return float((log_softmax(self.answers(params, rows), axis=1) * self.truth[rows]).sum(axis=1).mean())

    def outputs(self, rows: np.ndarray) -> np.ndarray:
        """`(n, c)` probabilities, after `fit`."""
        found: np.ndarray = softmax(self.answers(self.params, rows), axis=1)
        return found


def layers() -> Params:
    """Projection and head of EfficientNet-Lite0 as its file has them: `(1152, 320)` and `(320, 1280)`, with offsets."""
    from onnx.numpy_helper import to_array

    model, names = _parts(LITE0)
    held = {one.name: to_array(one) for one in model.graph.initializer}
    found = {}
    for name, node in {
        "project": next(node for node in model.graph.node if names["hidden"] in node.input),
        "head": next(node for node in model.graph.node if names["sums"] in node.output),
    }.items():
        weight, offset = (held[one].astype(np.float32) for one in node.input[1:])
        found |= {name: np.ascontiguousarray(weight[:, :, 0, 0].T), f"{name}_offset": offset}
    return found


def seen(params: Params, hidden: Any, ops: Ops) -> Any:
    """`(n, w)` vectors from hidden numbers `(n, t, h)`."""
    low = hidden @ params["project"] + params["project_offset"]
    return ops.relu6(low @ params["head"] + params["head_offset"]).mean(1)
