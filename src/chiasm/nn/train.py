"""The one training loop: one optimizer or several, stopping where validation says; owns device, threads and seed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from chiasm import moved
from chiasm.device import place
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.nn.blocks import Params, TensorOps
from chiasm.nn.schedule import Schedule
from chiasm.scale import cores

__all__ = ["Outcome", "Step", "Stopped", "train"]

EVALUATIONS = 30
"""How often a run is looked at, at most."""


class Step(NamedTuple):
    """What an objective may want to know beside parameters and batch."""

    ops: TensorOps
    """Functions of heads, with dropout."""
    generator: torch.Generator
    """The source of randomness."""
    done: float
    """The share of the run that is behind, 0..1."""


class Outcome(NamedTuple):
    """What `train` returns: the best parameters as arrays, when they were reached, and what was seen on the way."""

    params: dict[str, Params]
    epoch: int
    history: list[dict[str, float]]


class Stopped(KeyboardInterrupt):
    """An interrupt (Ctrl-C) once an epoch scored at least what the start did: `outcome` is the best until then."""

    def __init__(self, outcome: Outcome):
        super().__init__("stopped")
        self.outcome = outcome


def train(
    params: Mapping[str, Params],
    rows: Mapping[str, np.ndarray],
    epoch: Callable[[], Iterable[Mapping[Any, Any]]],
    objective: Callable[[dict[str, Params], dict[str, Any], dict[Any, Any], Step], Any],
    score: Callable[[dict[str, Params]], float] | None = None,
    *,
    schedule: Schedule,
    stop: int | None = None,
    sides: Sequence[Sequence[str]] | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Minimize an objective over batches and keep the parameters that score best.

    Args:
        params: arrays by group and name; matrices decay, other shapes do not.
        rows: arrays that stay on the device; batches hold positions in them.
        epoch: the batches of one pass, by any keys; arrays inside become tensors.
        objective: (params, rows, batch, step) -> a scalar to minimize; of several sides a tuple, a scalar a side.
        score: of parameters as arrays, higher is better, asked at the start and at most 30 times; of equals the later
            is kept. Training ends after a third of the epochs without a better one. None: run to `stop`.
        schedule: epochs, rate, decay. stop: end earlier, on the same schedule (to repeat a run on more rows).
        sides: groups of parameters by name that have an optimizer of their own and minimize their own scalar (an
            adversary and what it is to be fooled by); left out, one for all.
        device: as `chiasm.device.place` takes it. On a CPU the same seed gives the same numbers.
        progress: called with {"epoch", "loss", "score"} whenever a score is taken.

    A loss that is not finite ends a run: with a warning, and the parameters that scored best until then; with a
    ChiasmError where none has yet. Raises one too for a device that is not there; `Stopped`, an interrupt that knows
    the best so far, where one comes once `score` has told it.
    """
    at = torch.device(place(device))
    generator = torch.Generator(at).manual_seed(seed)
    tensors = {
        group: {n: torch.tensor(v, device=at).requires_grad_() for n, v in inner.items()}
        for group, inner in params.items()
    }
    fixed = {name: torch.as_tensor(values, device=at) for name, values in rows.items()}
    owned = [[t for group in side for t in tensors[group].values()] for side in (sides or [list(tensors)])]
    leaves = [tensor for side in owned for tensor in side]
    optimizers = [_adamw(side, schedule) for side in owned]
    epochs = schedule.epochs
    every, last = math.ceil(epochs / EVALUATIONS), epochs if stop is None else stop
    best, history, steps, ops = Outcome(_arrays(tensors), 0, []), [], 0, TensorOps(generator)
    if score is not None:
        history.append({"epoch": 0, "score": score(best.params)})
    top, since = history[0]["score"] if history else -math.inf, 0
    with _threads(max(len(values) for values in rows.values())), _telling(lambda: best._replace(history=history)):
        for number in range(1, last + 1):
            total, count = 0.0, 0
            whole = list(epoch())
            for i, batch in enumerate(whole):
                done = (number - 1 + i / len(whole)) / epochs
                rate = schedule.at(steps, done, epochs * len(whole))
                found = objective(tensors, fixed, _to(batch, at), Step(ops, generator, done))
                losses = found if isinstance(found, tuple) else (found,)
                _step(optimizers, owned, losses, rate)
                total, count, steps = total + float(losses[0].detach()), count + 1, steps + 1
            if not (math.isfinite(total) and all(bool(tensor.isfinite().all()) for tensor in leaves)):
                told = f"the loss is not finite in epoch {number}"
                if not best.epoch:
                    raise ChiasmError(f"{told}: a learning rate below {schedule.rate:g} may help.")
                warnings.warn(f"{told}: what was best, in epoch {best.epoch}, stands", ChiasmWarning, stacklevel=2)
                break
            if score is None or (number % every and number != last):
                continue
            now = _arrays(tensors)
            history.append({"epoch": number, "score": score(now), "loss": total / count})
            if progress is not None:
                progress(history[-1])
            if history[-1]["score"] >= top:
                best = Outcome(now, number, [])
            if history[-1]["score"] > top:
                top, since = history[-1]["score"], number
            elif number - since >= epochs / 3:
                break
    if score is None:
        best = Outcome(_arrays(tensors), last, [])
    return best._replace(history=history)


def _adamw(leaves: list[torch.Tensor], schedule: Schedule) -> torch.optim.Optimizer:
    groups = [
        {"params": [t for t in leaves if t.ndim > 1], "weight_decay": schedule.decay},
        {"params": [t for t in leaves if t.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.rate, betas=schedule.betas)


def _step(
    optimizers: list[torch.optim.Optimizer], owned: list[list[torch.Tensor]], losses: tuple[Any, ...], rate: float
) -> None:
    """Each side down its own loss, all of them from where they stand now."""
    slopes = [
        torch.autograd.grad(loss, leaves, retain_graph=i + 1 < len(losses), allow_unused=True)
        for i, (loss, leaves) in enumerate(zip(losses, owned, strict=True))
    ]
    for optimizer, leaves, mine in zip(optimizers, owned, slopes, strict=True):
        for leaf, slope in zip(leaves, mine, strict=True):
            leaf.grad = slope
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()


def _to(batch: Any, at: torch.device) -> Any:
    """The same batch with tensors for arrays."""
    if isinstance(batch, np.ndarray):
        return torch.as_tensor(batch, device=at)
    if isinstance(batch, Mapping):
        return {key: _to(value, at) for key, value in batch.items()}
    if isinstance(batch, tuple):
        return type(batch)(*(_to(value, at) for value in batch))
    return batch


def _arrays(tensors: dict[str, Params]) -> dict[str, Params]:
    return {
        group: {name: tensor.detach().cpu().numpy().copy() for name, tensor in inner.items()}
        for group, inner in tensors.items()
    }


@contextmanager
def _telling(best: Callable[[], Outcome]) -> Iterator[None]:
    """Turns an interrupt into `Stopped`, once there is something to tell."""
    try:
        yield
    except KeyboardInterrupt:
        if best().epoch:
            raise Stopped(best()) from None
        raise


@contextmanager
def _threads(rows: int) -> Iterator[None]:
    """One thread for few rows: there more gain nothing, and beside a busy neighbor they wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if rows < 8192 else cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def __getattr__(name: str) -> Any:
    return moved.renamed(__name__, name)
