"""Few pairs and many rows without a partner: a closed form teaches by optimal transport plans over the latter."""

from __future__ import annotations

from itertools import combinations
from typing import Any, ClassVar

from chiasm.align._trained import Forms, Objective, TrainedAligner, over_links, unit
from chiasm.allowed import COUNT, PART, number
from chiasm.nn.blocks import Head, Params, head
from chiasm.views import Views

__all__ = ["Sotalign"]


class Sotalign(TrainedAligner):
    """Heads learn from pairs by InfoNCE, and from rows without a partner by a linear teacher's transport plans.

    A closed form is fitted first. Then each step draws items of both views, paired or not, lets the teacher say by a
    Sinkhorn plan which belong together (each item has about one partner, so that popular ones do not take all), and
    pulls the heads' own plan towards it: the gradient of KL(teacher's || own) is (own - teacher's) / epsilon.

    Choose it when pairs are some hundred and rows without a partner (pictures without captions, texts without pictures)
    are as many or several times as many: there it finds 3 to 4 points more than its teacher `cca` (docs/log.md).
    With no such rows the paired items stand in for them, and it ends where the teacher is.

    Args:
        teacher: a linear aligner, by name. It learns from the pairs alone.
        head: "linear", "mlp", "gated" or "residual".
        start: a linear aligner that the heads start as, or None: at random (as published).
        unpaired: items of each view a step.
        sharpness: epsilon of the teacher's plan; softness: of the heads' (published: 0.05; 0.1 did better
            on cuts of the training pairs). Small batches, as many steps are what helps.
        k, temperature (fixed), epochs, batch, rate, decay, seed, device: as in `Contrastive`.

    `fit` raises a ChiasmError for an epsilon below 1/300. Source: SOTAlign, 2026.
    """

    _forms = ("start", "teacher")
    _most = 256

    allowed: ClassVar = {
        "teacher": PART,
        "unpaired": COUNT,
        "sharpness": number(1 / 300),
        "softness": number(1 / 300),
    }

    def __init__(
        self,
        teacher: Any = "cca",
        head: str = "linear",
        k: int | None = None,
        start: Any = "cca",
        unpaired: int = 256,
        sharpness: float = 0.005,
        softness: float = 0.1,
        temperature: float = 0.05,
        epochs: int = 30,
        batch: int = 64,
        rate: float = 3e-3,
        decay: float = 1e-4,
        seed: int = 0,
        device: str = "auto",
    ):
        self.teacher = teacher
        self.head = head
        self.k = k
        self.start = start
        self.unpaired = unpaired
        self.sharpness = sharpness
        self.softness = softness
        self.temperature = temperature
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.seed = seed
        self.device = device

    def _head(self) -> Head:
        return head(self.head)

    def _objective(self, views: Views, forms: Forms) -> Objective:
        import torch

        from chiasm.nn.losses import infonce, klot, sinkhorn

        teacher = forms["teacher"].transform(views)
        known = {name: column.take(column.used) for name, column in teacher.columns.items()}

        def draw(name: str, step: Any) -> Any:
            generator = step.generator
            return torch.randperm(len(known[name]), generator=generator, device=generator.device)[: self.unpaired]

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            scale = 1 / self.temperature
            total = over_links(
                lambda one: infonce(one.left, one.right, scale, one.same), self._head(), params, rows, batch, step
            )
            drawn = {name: draw(name, step) for name in known}
            mine = {n: unit(self._head().forward(params[n], rows[n][at], step.ops, 0.0)) for n, at in drawn.items()}
            theirs = {n: unit(torch.as_tensor(known[n][at.cpu().numpy()], device=at.device)) for n, at in drawn.items()}
            couples = list(combinations(known, 2))
            for a, b in couples:
                plan = sinkhorn(theirs[a] @ theirs[b].T, self.sharpness)
                total = total + klot(mine[a] @ mine[b].T, plan, self.softness) / len(couples)
            return total

        return objective
