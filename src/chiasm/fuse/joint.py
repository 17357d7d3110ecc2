"""Joint training: one network a view and several losses at once, weighed alike, by numbers, or by what they learn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.special import softmax

from chiasm.allowed import NOT_NEGATIVE, PART, VIEWS, Allowed
from chiasm.errors import ChiasmError, unknown
from chiasm.fuse._last import PLACES, change, last_layers, opened, start
from chiasm.fuse._trained import DROPOUT, HERE, JOINT, TRUTH, Rows, TrainedFuser, batches, beside, matrix
from chiasm.known import Last
from chiasm.nn.blocks import ArrayOps, Ops, Params
from chiasm.stats.blocks import Block, Blocks, presence
from chiasm.target import Target
from chiasm.views import Views

__all__ = ["Joint"]

FUSED, ALONE, PAIRS = "fused", "alone", "pairs"
LOSSES = (FUSED, ALONE, PAIRS)

_CELLS = "(cells)"
_WIDTH = 64
_SAID = 32
_STEPS = 100
"""Of training, at least: few rows make few batches."""
_SCALE = 10.0
"""Of the cosines of a row's views, at the start."""


_NAMED = ("equal", "learned")


def _numbers(weights: Any) -> list[float]:
    """Weights as numbers, also those that a command line gave as "1,1,0.1"; none where they are no numbers."""
    listed = weights.split(",") if isinstance(weights, str) else weights
    try:
        return [float(one) for one in listed]
    except (TypeError, ValueError):
        return []


def _holds(value: Any) -> bool:
    named = isinstance(value, str) and value in _NAMED
    found = _numbers(value)
    return named or (len(found) > 0 and all(map(NOT_NEGATIVE.holds, found)))


_WEIGHTS = Allowed("equal, learned, or numbers of at least 0, one a loss (1,1,0.1)", _holds)


class Seen(NamedTuple):
    """What the networks make of rows."""

    units: list[Any]
    """`(n, 32)` a view."""
    alone: list[Any]
    """`(n, c)` what each view answers."""
    known: Any
    """`(n, 64)` what heads read."""
    out: Any
    """`(n, c)` the answer."""
    weights: list[Any]
    """`(n, 1)` a view."""


class Joint(TrainedFuser):
    """A network of two layers a view, trained on several losses at once.

    Network v says u_v = tanh(W'_v gelu(norm(W_v x_v + b_v)) + b'_v), 32 units, and answers s_v = S_v u_v + c_v by
    itself; F = W_fc [u_1; ...; u_k], with a learned stand-in for an absent view; the answer is the mean of the s_v that
    are there and what the views say together, H gelu(norm(F)), which starts at 0. The losses, by name:

    - "fused": of the answer, views dropped at random;
    - "alone": of every s_v, so that no view is forgotten; the mean over views;
    - "pairs": InfoNCE between the directions P_v u_v of a row's views, among the rows of a batch; the mean over pairs;
    - one for each name in `also`: of a further head on gelu(norm(F)), which answers another question about the rows.

    What is minimized is their weighted sum: with weights "equal" as they are; with numbers, one a loss in this order,
    by these (0 switches one off); "learned", sum_i exp(-z_i) L_i + z_i / 2 (L_i / 2 of squared errors), the z_i trained
    with the network: a loss that stays large counts less.

    Choose `early` for the answer, which is closed and quicker and stands beside the networks anyway. No gain is shown
    (benchmarks/fuse/joint.py, ikea's types of product, three splits): less `early` +0.7 points of accuracy [-1.2, 2.6],
    less `late` +0.5 [-2.7, 3.7], the networks alone -2.5 [-8.2, 3.3] less `early` (tweets: +0.4 [-1.2, 2.0],
    +0.1 [-1.3, 1.6] and +0.6 [-1.0, 2.1]); learned weights answer as equal ones, and the last layers trained too,
    networks alone, +1.6 [-5.6, 8.9] less frozen ones.

    Args:
        kind: "classes", "tags" or "numbers". weights: "equal", "learned" or a list of numbers.
        also: facts of the Views beside the label, each a column of classes that a further head learns; a row may lack
            any of them.
        tuned: a view whose encoder's last layers are trained too, end to end: a matrix of rank 4 in them, of 16 of an
            item's cells, tells the first layer what it changes. The view's column holds what they read, as
            `encoder.last().below` encodes it; the closed head reads the frozen vectors. encoder: of that view.
        device: to train on, "auto" (a GPU where torch sees one), "cpu" or "cuda"; on a CPU the same seed gives the
            same numbers. seed: of folds, landmarks, starts and batches.

    `row_weights` are each view's share of the lengths of the S_v u_v, how loudly it answers by itself. Learned: see
    `TrainedFuser`; `also_`, by name the classes of a further head; `history_`, by loss its `loss` and `weight` in each
    epoch, means over networks and batches; `scores_`, the `score` of left-out rows by the networks' answer at the start
    and by `epoch`; `chosen_`: the epoch that stands, and the weights in it. Raises a ChiasmError for weights that are
    not one a loss or teach no answer, for a fact that the Views lack or that is no classes (1.5), and where `tuned`
    names no view of cells.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> views = {"a": rng.normal(size=(200, 3)) + y[:, None], "b": rng.normal(size=(200, 4)) + y[:, None]}
    >>> fused = Joint(weights="learned").fit(views, y)
    >>> sorted(fused.history_), fused.predict_proba({"b": views["b"][:1]}).shape
    (['alone', 'fused', 'pairs'], (1, 2))

    Sources: Ngiam et al. 2011; Kendall, Gal & Cipolla, CVPR 2018 (learned weights); van den Oord et al. 2018 (InfoNCE);
    Caruana 1997 (several tasks); Neverova et al. 2016 (dropping views in training).
    """

    allowed: ClassVar = {
        "weights": _WEIGHTS,
        "also": Allowed("the name of a fact, or a list of names", VIEWS.holds),
        "tuned": VIEWS,
        "encoder": PART,
    }

    _chunk = 128
    _cooling = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15)

    also_: dict[str, Target]
    history_: dict[str, dict[str, list[float]]]
    scores_: list[dict[str, float]]

    def __init__(
        self,
        kind: str = "classes",
        weights: str | Sequence[float] = "equal",
        also: str | Sequence[str] = (),
        tuned: str | Sequence[str] = (),
        encoder: Any = "effnet_image",
        device: str = "auto",
        seed: int = 0,
    ):
        self.kind = kind
        self.weights = weights
        self.also = also
        self.tuned = tuned
        self.encoder = encoder
        self.device = device
        self.seed = seed

    @property
    def _further(self) -> list[str]:
        return [self.also] if isinstance(self.also, str) else list(dict.fromkeys(self.also))

    @property
    def _fixed(self) -> dict[str, float]:
        """By loss its weight, where that is not learned."""
        names = [*LOSSES, *self._further]
        if isinstance(self.weights, str) and self.weights in _NAMED:
            return dict.fromkeys(names, 1.0)
        given = _numbers(self.weights)
        fixed = dict(zip(names, given, strict=False))
        if len(given) != len(names):
            raise ChiasmError(f"wanted a weight each of the losses {', '.join(names)}, got {len(given)}.")
        if not fixed[FUSED] + fixed[ALONE]:
            raise ChiasmError(f"wanted a weight above 0 of {FUSED} or {ALONE}, got none: no answer would be learned.")
        return fixed

    @property
    def _learns(self) -> bool:
        """Whether weights are learned."""
        return isinstance(self.weights, str) and self.weights == "learned"

    @property
    def _cells(self) -> str:
        """The view whose encoder is trained too; "" where none is."""
        return self.tuned if isinstance(self.tuned, str) else next(iter(self.tuned), "")

    def _last(self) -> Last:
        if getattr(self, "_layers", None) is None:
            self._layers = last_layers(self.encoder)
        return self._layers

    def __getstate__(self) -> dict[str, Any]:
        return {name: held for name, held in vars(self).items() if name != "_layers"}

    def _held(self, views: Views, names: Sequence[str] | None = None) -> Blocks:
        held = super()._held(views, names)
        if self._cells in held:
            held[self._cells] = opened(self._last(), self._cells, held[self._cells])
        return held

    def _vectors(self, held: Blocks) -> Blocks:
        if self._cells not in held:
            return held
        values, present = held[self._cells]
        return {**held, self._cells: Block(values[:, : self._last().width], present)}

    def _stand(self, held: Blocks) -> None:
        super()._stand(self._vectors(held))

    def _turned(self, held: Blocks, n: int) -> dict[str, np.ndarray]:
        found = super()._turned(self._vectors(held), n)
        if self._cells in self.kernels_:
            total, width = self.widths_[self._cells], self._last().width
            values = held[self._cells].values if self._cells in held else np.zeros((n, total), np.float32)
            found[_CELLS] = np.asarray(values)[:, width:].reshape(n, PLACES, -1)
        return found

    def _facts(self, views: Views) -> None:
        known = [fact for fact in views.facts if fact not in (*LOSSES, "label", "split", "group")]
        for name in self._further:
            if name not in known:
                raise unknown("fact", name, known)
            numbers = [value for value in views.facts[name] if isinstance(value, float | np.floating)]
            if broken := [one for one in numbers if not np.isnan(one) and one % 1 != 0]:
                raise ChiasmError(
                    f"wanted a fact of classes for a further head, got {name} with numbers like {broken[0]:g}: cut "
                    "them into classes, or leave it out."
                )
        self.also_ = {name: Target().fit(views.facts[name]) for name in self._further}
        self._asked = {name: target.encode(views.facts[name]) for name, target in self.also_.items()}

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        if self._further and "_asked" not in vars(self):
            raise ChiasmError("further labels (also) are learned where joint is fitted itself, not inside another.")
        if self._cells and self._cells not in held:
            raise unknown("view", self._cells, held)
        if not isinstance(self.tuned, str) and len(self.tuned) > 1:
            raise ChiasmError(f"wanted one view whose encoder is trained too, got {', '.join(self.tuned)}.")
        fixed = self._fixed  # before the work, not after
        self._active = [name for name, weight in fixed.items() if weight and (name != PAIRS or len(held) > 1)]
        try:
            return super()._learn(held, truth, folds)
        finally:
            vars(self).pop("_asked", None)
            del self._active

    def _train(self, data: Rows, insides: list[np.ndarray], parts: list[np.ndarray]) -> list[dict[str, float]]:
        self._told: dict[int, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
        asked = {_also(name): values.astype(np.float32) for name, values in vars(self).get("_asked", {}).items()}
        self._passes = self._rounds(len(insides[0]))
        seen = super()._train({**data, **asked}, insides, parts)
        self.scores_ = [{"epoch": one["epoch"], "score": one["score"]} for one in seen]
        epochs = [{name: np.mean(of, axis=0).tolist() for name, of in losses.items()} for losses in self._told.values()]
        self.history_ = {
            name: {"loss": [one[name][0] for one in epochs], "weight": [one[name][1] for one in epochs]}
            for name in self._active
        }
        last = max(self.chosen_["epochs"], 1) - 1
        stood = {name: round(of["weight"][last], 4) for name, of in self.history_.items()}
        self.chosen_ = {**self.chosen_, "weights": stood}
        del self._told, self._passes
        return seen

    def _start(self, widths: Mapping[str, int], c: int, rng: np.random.Generator) -> dict[str, Params]:
        params: dict[str, Params] = {}
        for name, width in widths.items():
            params[name] = {"own": matrix(width, _WIDTH, rng), "bias": np.zeros((1, _WIDTH), np.float32)}
            params[name] |= {"say": matrix(_WIDTH, _SAID, rng), "shift": np.zeros((1, _SAID), np.float32)}
            params[name] |= {"alone": matrix(_SAID, c, rng, 0.1), "offset": np.zeros((1, c), np.float32)}
            params[name] |= {"join": matrix(_SAID, _WIDTH, rng), "absent": np.zeros((1, _WIDTH), np.float32)}
            params[name] |= {"meet": matrix(_SAID, _SAID, rng)}
        if self._cells in widths:
            width = self._last().width
            hidden = (self.widths_[self._cells] - width) // PLACES - width
            params[self._cells] |= start(hidden, width, _WIDTH, rng)
        params[JOINT] = {"inner": np.zeros((1, _WIDTH), np.float32), "head": np.zeros((_WIDTH, c), np.float32)}
        params[JOINT] |= {"scale": np.log(np.float32(_SCALE))}
        for name, target in vars(self).get("also_", {}).items():
            wide = len(target.names_)
            params[_also(name)] = {"head": matrix(_WIDTH, wide, rng, 0.1), "offset": np.zeros((1, wide), np.float32)}
        if self._learns:
            params[JOINT] |= {f"doubt {name}": np.float32(0) for name in self._active}
        return params

    def _forward(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Any, list[Any]]:
        seen = self._see(params, rows, here, ops, dropout)
        return seen.out, seen.weights

    def _see(self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float) -> Seen:
        names = list(self.kernels_)
        there = [here[..., v : v + 1] for v in range(len(names))]
        each = [params[name] for name in names]
        first = {name: rows[name] @ params[name]["own"] for name in names}
        if self._cells in first:
            first[self._cells] = first[self._cells] + change(params[self._cells], rows[_CELLS], ops)
        units = [_says(one, first[name], ops) for name, one in zip(names, each, strict=True)]
        said = [ops.dropout(u, dropout) @ one["alone"] for u, one in zip(units, each, strict=True)]
        alone = [part + one["offset"] for part, one in zip(said, each, strict=True)]
        fused, _ = beside(params[JOINT], each, units, there)
        known = ops.dropout(ops.gelu(ops.standardize(fused)), dropout)
        mean = sum(mask * part for mask, part in zip(there, alone, strict=True)) / (sum(there) + 1e-9)
        loud = [mask * ((part * part).sum(-1)[..., None] + 1e-9) ** 0.5 for mask, part in zip(there, said, strict=True)]
        weights = [length / (sum(loud) + 1e-9) for length in loud]
        return Seen(units, alone, known, mean + known @ params[JOINT]["head"], weights)

    def _rounds(self, n: int) -> int:
        return max(self._epochs, round(_STEPS / batches(n)))

    def _objective(self) -> Callable[..., Any]:
        """The weighted sum of the losses, each of them noted by epoch."""
        import torch

        half = 0.5 if self.kind == "numbers" else 1.0

        def objective(params: dict[str, Params], data: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            rows, kept = self._drawn(data, batch["rows"], step)
            seen = self._see(params, rows, kept, step.ops, DROPOUT)
            losses = self._losses(seen, params, rows, data[HERE][batch["rows"]], data[TRUTH][batch["rows"]])
            total, epoch = torch.zeros(()), int(step.done * self._passes + 1e-6)
            for name, loss in losses.items():
                weight = loss.new_tensor(self._fixed[name])
                if self._learns:
                    doubt = params[JOINT][f"doubt {name}"]
                    shrunk = half if name in (FUSED, ALONE) else 1.0
                    weight = shrunk * (-doubt).exp()
                    total = total + (doubt / 2).mean()
                total = total + (weight * loss).mean()
                self._told[epoch][name].append((float(loss.detach().mean()), float(weight.detach().mean())))
            return total

        return objective

    def _losses(
        self, seen: Seen, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, truth: Any
    ) -> dict[str, Any]:
        """`(folds,)` a loss, each network's."""
        from chiasm.nn.losses import answer, infonce

        found = {}
        if FUSED in self._active:
            found[FUSED] = answer(seen.out, truth, self.kind).mean(-1)
        if ALONE in self._active:
            each = [_mean(answer(said, truth, self.kind), here[..., v]) for v, said in enumerate(seen.alone)]
            found[ALONE] = sum(each) / len(each)
        if PAIRS in self._active:
            ways = [_unit(u @ params[name]["meet"]) for name, u in zip(self.kernels_, seen.units, strict=True)]
            scale = params[JOINT]["scale"].exp()
            found[PAIRS] = sum(
                _each(infonce, ways[a], ways[b], scale, here[..., a] * here[..., b])
                for a, b in combinations(range(len(ways)), 2)
            ) / (len(ways) * (len(ways) - 1) / 2)
        for name in self._further:
            if name in self._active:
                asked, head = rows[_also(name)], params[_also(name)]
                known = ~asked[..., 0].isnan()
                said = answer(seen.known @ head["head"] + head["offset"], asked.nan_to_num(), "classes")
                found[name] = _mean(said, known.to(said))
        return found

    def further(self, views: Any) -> dict[str, np.ndarray]:
        """By name in `also` `(n, c)` probabilities of its classes (`also_[name].names_`), the mean of all networks.

        They are not calibrated. A row in which every view is absent has what the stand-ins say.
        """
        held, n = self._asked_of(views)
        here = presence(held, list(self.kernels_), n).astype(np.float32)
        seen = self._see(self.params_, self._turned(held, n), here, ArrayOps(), 0.0)
        heads = {name: self.params_[_also(name)] for name in self.also_}
        return {
            name: softmax(seen.known @ head["head"] + head["offset"], axis=-1).mean(axis=0)
            for name, head in heads.items()
        }


def _also(name: str) -> str:
    """The group of a further head, and where its truth stands among rows."""
    return f"(also) {name}"


def _says(params: Params, units: Any, ops: Ops) -> Any:
    """tanh(W' gelu(norm(units + b)) + b')."""
    hidden = ops.gelu(ops.standardize(units + params["bias"]))
    return ops.tanh(hidden @ params["say"] + params["shift"])


def _mean(loss: Any, mask: Any) -> Any:
    """`(folds,)` the mean over the rows that count; 0 where none does."""
    return (loss * mask).sum(-1) / mask.sum(-1).clamp(min=1)


def _unit(x: Any) -> Any:
    return x / (x.square().sum(-1, keepdim=True) + 1e-9) ** 0.5


def _each(loss: Callable[..., Any], a: Any, b: Any, scale: Any, both: Any) -> Any:
    """`(folds,)` a contrastive loss of the rows of each network's batch that have both views; 0 of fewer than two."""
    import torch

    found = []
    for one, other, by, there in zip(a, b, scale, both > 0, strict=True):
        found.append(loss(one[there], other[there], by) if there.sum() > 1 else one.sum() * 0)
    return torch.stack(found)
