"""Contrastive distillation: what a row is told is to be nearer its own teacher than the other rows' teachers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT, POSITIVE
from chiasm.distill._regression import Regression
from chiasm.distill._translating import Translating

__all__ = ["Contrastive"]

BATCH, RATE, DECAY = 256, 0.02, 0.1


class Contrastive(Translating):
    """As `features`, with a regression that is trained on: InfoNCE of what it tells against the teacher's vectors.

    It starts as the closed form and moves from there; decay draws it back. What it tells is nearer to its own teacher
    by cosines. As one more view for labels it gains what `features` gain on pictures of news, in several times the
    time (docs/distill.md): `soft_labels` first.

    Args:
        teacher: the view that teaches, or several. student: a fuser or its name. coordinates: of the teacher, at most.
        temperature: of the softmax over a batch. epochs: of training; six trainings a fit, one for each fold.
        kind: "classes", "tags" or "numbers". seed: of folds and batches.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 300)
    >>> notes = rng.normal(size=(300, 4)) + 2 * y[:, None]
    >>> views = {"picture": notes @ rng.normal(size=(4, 6)) + rng.normal(size=(300, 6)), "notes": notes}
    >>> labels = [label if row < 40 else None for row, label in enumerate(y.tolist())]
    >>> Contrastive(teacher="notes").fit(views, labels).predict({"picture": views["picture"][:2]}).shape
    (2,)

    Sources: Tian, Krishnan & Isola 2020 (CRD); Zhai et al. 2022 (LiT: the teacher stays as it is).
    """

    allowed: ClassVar = {"coordinates": COUNT, "temperature": POSITIVE, "epochs": COUNT}

    def __init__(
        self,
        teacher: Any = "",
        student: Any = "auto",
        coordinates: int = 128,
        temperature: float = 0.05,
        epochs: int = 10,
        kind: str = "classes",
        seed: int = 0,
    ):
        self.teacher = teacher
        self.student = student
        self.coordinates = coordinates
        self.temperature = temperature
        self.epochs = epochs
        self.kind = kind
        self.seed = seed

    def _regression(self) -> Regression:
        return _Nearer(self.temperature, self.epochs, self.seed)


class _Nearer(Regression):
    """The regression, and some epochs of InfoNCE from there on. Weights are its own plus a step in their own scale."""

    def __init__(self, temperature: float = 0.05, epochs: int = 10, seed: int = 0):
        self.temperature = temperature
        self.epochs = epochs
        self.seed = seed

    def _refined(
        self, weights: np.ndarray, rows: np.ndarray, wanted: np.ndarray, some: np.ndarray | None = None
    ) -> np.ndarray:
        from torch.nn.functional import normalize

        from chiasm.nn.losses import infonce
        from chiasm.nn.schedule import Schedule
        from chiasm.nn.train import train

        rows, wanted = (rows, wanted) if some is None else (rows[some], wanted[some])
        scale = float(np.sqrt(np.square(weights).mean())) or 1.0
        rng = np.random.default_rng(self.seed)

        def batches() -> Iterator[dict[str, np.ndarray]]:
            order = rng.permutation(len(rows))
            for part in np.array_split(order, -(-len(order) // BATCH)):
                yield {"rows": part}

        def objective(params: Any, held: Any, batch: Any, step: Any) -> Any:
            told = held["rows"][batch["rows"]] @ (held["start"] + scale * params["step"]["weights"])
            return infonce(normalize(told), normalize(held["wanted"][batch["rows"]]), 1 / self.temperature)

        found = train(
            {"step": {"weights": np.zeros_like(weights)}},
            {"rows": rows, "wanted": wanted, "start": weights.astype(np.float32)},
            batches,
            objective,
            schedule=Schedule(self.epochs, RATE, DECAY),
            seed=self.seed,
            device="cpu",
        )
        better: np.ndarray = weights + scale * found.params["step"]["weights"]
        return better.astype(np.float32)
