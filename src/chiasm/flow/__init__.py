"""A flow: data, pretrained, multimodal, transfer, fine-tune, answers, report, as one file says; nothing made twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from chiasm.encoding import Progress
from chiasm.errors import ChiasmError
from chiasm.files import lock
from chiasm.flow.ledger import Ledger
from chiasm.flow.plan import STAGES, Plan, read_plan
from chiasm.flow.stages import READS, Stages

__all__ = ["STAGES", "Done", "Plan", "flow", "read_plan"]


class Done(NamedTuple):
    """A stage of a flow."""

    stage: str
    folder: Path
    """What it leaves lies here."""
    why: str
    """Why it was made; "" where it was not, since nothing that it is made from has changed."""
    told: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**self._asdict(), "folder": str(self.folder), "made": bool(self.why)}


def flow(
    file: str | Path, *, progress: Progress | None = None, say: Callable[[Done], None] | None = None
) -> list[Done]:
    """Run the stages that a TOML file names, in order; those of which nothing has changed are not made again.

    1. data: read the rows and cut them (`split.csv`). 2. pretrained: frozen encoders, into the cache
    (`encoders.chiasm`). 3. multimodal: a shared space of the pairs (`space.chiasm`). 4. transfer: a model of another
    table and its labels (`source.chiasm`). 5. fine-tune: the model of the rows' own labels, which reads the views, the
    row in that space and that model's answer (`target.chiasm`). 6. answers (`answers.csv`). 7. report: the score on the
    test rows, and what each of these adds (`report.html`, `score.json`).

    [multimodal] and [transfer] may be left out of the file. Rows of the source that equal rows of [data] are left out.
    A stage is made again when its part of the file, the rows that it reads (their content), what earlier stages left,
    or what it left itself has changed; a run that died goes on at the stage in which it died, whose items that were
    encoded are in the cache.

    Args:
        file: see `read_plan`. progress: called while encoding. say: called after each stage.

    Raises a ChiasmError for a file that says what cannot be done, before anything is; when another process runs it; and
    what a stage raises, behind the stage's name: what the stages before it left is kept.
    """
    plan = read_plan(file)
    folders = {name: plan.to / f"{STAGES.index(name) + 1}-{name}" for name in plan.stages}
    done = []
    with lock(plan.to, busy=f"another process runs this flow in {plan.to}: wait for it, or stop it."):
        ledger, stages = Ledger(plan.to), Stages(plan, folders, progress)
        for stage, folder in folders.items():
            started = time.monotonic()
            try:
                made_from = stages.made_from(stage)
                made_from |= {other: ledger.stages[other]["left"] for other in READS[stage] if other in folders}
                if why := ledger.changed(stage, made_from, folder):
                    told = stages.make(stage)
                    ledger.record(stage, made_from, folder, {"told": told})
            except ChiasmError as error:
                raise ChiasmError(f"[{stage}]: {error}") from None
            one = Done(stage, folder, why, ledger.stages[stage]["told"], round(time.monotonic() - started, 2))
            done.append(one)
            if say:
                say(one)
    return done
