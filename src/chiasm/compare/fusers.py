"""Fusers side by side: the same rows, folds and features, beside each view alone and plain concatenation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.cache import folder
from chiasm.compare.answers import AnswerComparison, Asked, judged, tabulate
from chiasm.compare.baselines import Alone, Concat, Majority
from chiasm.compare.cells import Cell, Store, fingerprint
from chiasm.compare.runs import Run, Tell, parts_of, sizes_of
from chiasm.compare.trials import Trial, data_print, trials
from chiasm.errors import ChiasmError, unknown
from chiasm.part import size
from chiasm.scale import Progress
from chiasm.target import Target
from chiasm.views import Views, as_views

__all__ = ["TASKS", "compare_fuse"]

TASKS = {"classify": "classes", "tag": "tags", "regress": "numbers"}
"""By task, the kind of answer."""

BUDGET = "default settings, the same rows, features and folds; what it tunes, it tunes inside its rows"


def compare_fuse(
    views: Any,
    methods: Sequence[str] | Mapping[str, Any] | None = None,
    *,
    task: str = "classify",
    y: Any = None,
    rows: Sequence[int | str] = (100, 300, "all"),
    seeds: int = 5,
    encoders: Mapping[str, Any] | None = None,
    final: bool = False,
    allow_leaks: bool = False,
    to: str | Path | None = None,
    source: str = "",
    progress: Progress | None = None,
    tell: Tell | None = None,
) -> AnswerComparison:
    """Fit every fuser on the same n training rows and score its answers to held-out rows, for several n and seeds.

    Beside the fusers stand, under the same conditions: the default fuser given each view alone ("text alone"); the
    standardized views side by side in scikit-learn's logistic regression (of numbers, ridge), its C chosen by the same
    folds ("concat + logistic"); and the commonest answer ("majority", of numbers "mean").

    For each seed n labeled rows are drawn from the training rows, whole ids and groups at a time; a smaller draw is
    part of a larger one. A method learns from them alone. It is scored on the validation rows, which decided nothing;
    with `final` on the test rows, which else are not even encoded. Rows without a split are cut 70/10/20 by id and
    group, of classes each part with its share: the test part is always the same, the rest is cut again for each seed.

    Choose it to learn whether fusing pays on your data, which fuser suits it, and from how many rows on. It does not
    look for better settings than the defaults: pass parts of your own for that.

    Args:
        views: raw or encoded Views (a dict of arrays, a DataFrame), with their split where there is one.
        methods: names of fusers, or a dict of your own names to parts (copied for every fit); None: every fuser there
            is. Parameters `kind` and `seed` are set for them.
        task: "classify", "tag" or "regress". y: labels, one a row; by default the views' label.
        rows: numbers of training rows; "all" is all of them.
        seeds: how many, numbered from 0.
        encoders: as `Encoding` takes them; those that learn, learn from all training rows.
        final: score the test rows, and note the look at them in the store's `final.log`.
        allow_leaks: go on when ids, groups or whole rows stand in two splits (otherwise refused).
        to: the folder of the cells; None: one in the cache, named after the data and its split.
        source: what the data is called in the table and the log.
        progress, tell: called while encoding, and while comparing.

    Each cell (method, n, seed) is on disk before the next begins, under a fingerprint of its rows, their features and
    labels, the method's settings and source code: the same call again computes what is missing. A method that raises a
    ChiasmError (one class among few rows, a missing package) has the reason in its place, and the others go on.

    Tags count as given from probability .5 on, and are ranked by average precision, which needs no threshold.

    Raises a ChiasmError for unknown methods, bad numbers, missing labels, leaks, or when there is nothing to learn from
    or to score.

    >>> import tempfile
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 400)
    >>> views = {v: rng.normal(size=(400, 3)) + y[:, None] for v in "ab"}
    >>> with tempfile.TemporaryDirectory() as store:
    ...     found = compare_fuse(views, ["early"], y=y, rows=["all"], seeds=2, to=store)
    >>> {name: of["all"]["accuracy"]["value"] > 0.7 for name, of in found.table["methods"].items()}
    {'early': True, 'a alone': True, 'b alone': True, 'concat + logistic': True, 'majority': False}
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    kind = TASKS[task]
    views, unlabeled = _labeled(as_views(views), y, kind)
    if len(views.columns) < 2:
        raise ChiasmError(f"wanted at least two views to fuse, got only {', '.join(views.names)}.")
    if seeds < 1:
        raise ChiasmError(f"wanted at least 1 seed, got {seeds}.")
    parts, sizes = _with_baselines(parts_of("fuse", methods), views.names, kind), sizes_of(rows, "rows")
    labels = [str(label) for label in views.facts["label"]]
    store = Store(to or folder() / "reports" / f"compare-{fingerprint(data_print(views), labels, task)}")
    look = {"data": source, "split": "test", "task": task, "methods": list(parts), "rows": sizes, "seeds": seeds}
    opened, asked = 0, []
    run = Run("fuse", parts, sizes, seeds, store, tell, unit="rows", settings={"kind": kind})
    stratify = np.array(labels, dtype=object) if kind == "classes" else None
    for trial in trials(views, seeds, final=final, encoders=encoders, progress=progress, stratify=stratify):
        if not trial.seed:
            first, found = trial, trial.leaks(allow_leaks)
            if final:
                opened = store.opened({"time": datetime.now(UTC).isoformat(timespec="seconds"), **look})
        one = _Held(trial, kind)
        asked.append(one.asked)
        run.seed(trial.seed, one.train, len, one.cell, one.key)
    run.finish()
    default = "auto" if "auto" in parts else next(iter(parts))
    scored, differences = tabulate(run.outcomes(), asked, default)
    whole: dict[str, Any] = next((cell for of in scored.values() for cell in of.values() if "error" not in cell), {})
    table = {
        "data": {
            "source": source,
            "views": {name: column.modality for name, column in views.columns.items()},
            "encoders": {name: encoder.fingerprint for name, encoder in first.encoding.encoders_.items()},
            "rows": len(views),
            "unlabeled": unlabeled,
            "names": asked[0].target.names_,
            "scored": len(asked[0].truth),
            "learned": {wanted: round(float(np.mean(run.drawn[wanted]))) for wanted in sizes},
            "leaks": found.as_dict(),
            **({"opened_before": opened} if final else {}),
        },
        "task": task,
        "kind": kind,
        "split": "test" if final else "validation",
        "seeds": seeds,
        "budget": BUDGET,
        "default": default,
        "metrics": [name for name in whole if name not in ("by_seed", "seconds", "parameters", "chosen")],
        "judged": judged(kind, asked[0].truth.shape[1]),
        "methods": scored,
        "differences": differences,
    }
    return AnswerComparison(table, store.folder, store.found, store.made, opened, first.report, found)


class _Held:
    """One seed's held-out rows, and what is asked of them."""

    def __init__(self, trial: Trial, kind: str):
        self.trial = trial
        self.views, key = trial.held()
        target = Target(kind).fit(trial.views.label)  # all classes of this seed, that a draw may lack
        self.asked = Asked(target, target.encode(self.views.label), trial.clusters[trial.scored])
        self.key = _with_labels(self.views, key)

    def train(self, wanted: str) -> tuple[Views, str]:
        """The drawn training rows and their fingerprint, labels and groups among it."""
        views, key = self.trial.train_rows(wanted)
        return views, _with_labels(views, key)

    def cell(self, fuser: Any, train: Views) -> Cell:
        """Fit a fuser and keep its answers to the held-out rows, in the order of this seed's classes."""
        start = time.perf_counter()
        fuser.fit(train)
        seconds = time.perf_counter() - start
        found = fuser.outputs(self.views)
        if not np.isfinite(found).all():
            raise ChiasmError(f"{fuser!r} answered held-out rows with numbers that are not finite.")
        names = self.asked.target.names_
        outputs = np.zeros((len(found), len(names)), dtype=np.float32)
        outputs[:, [names.index(name) for name in fuser.target_.names_]] = found
        chosen = {k: v for k, v in fuser.choices().items() if not isinstance(v, Mapping)}
        return Cell({"outputs": outputs}, seconds, 0, {"parameters": size(fuser)["parameters"], "chosen": chosen})


def _labeled(views: Views, y: Any, kind: str) -> tuple[Views, int]:
    """The rows that have a label, and how many have none."""
    y = views.label if y is None else y
    if y is None:
        raise ChiasmError("wanted labels, got none: pass y, one a row, or name the column of labels (label='COL').")
    if len(y) != len(views):
        raise ChiasmError(f"wanted {len(views)} labels, one a row, got {len(y)}.")
    known = ~np.isnan(Target(kind).fit(y).encode(y)).any(axis=1)
    label = np.empty(len(y), dtype=object)
    for row, value in enumerate(y):  # a row's tags may be a list
        label[row] = value
    return Views(views.columns, views.ids, {**views.facts, "label": label})[known], int((~known).sum())


def _with_labels(views: Views, key: str) -> str:
    groups = views.group
    return fingerprint(key, [str(label) for label in views.facts["label"]], [] if groups is None else groups.tolist())


def _with_baselines(parts: Mapping[str, Any], views: Sequence[str], kind: str) -> dict[str, Any]:
    """The fusers, then what they have to beat."""
    baselines: dict[str, Any] = {f"{view} alone": Alone(view, registry.get("fuse", "auto")()) for view in views}
    baselines["concat + ridge" if kind == "numbers" else "concat + logistic"] = Concat()
    baselines["mean" if kind == "numbers" else "majority"] = Majority()
    if both := sorted(parts.keys() & baselines.keys()):
        raise ChiasmError(f"wanted other names than those of the baselines, got {both[0]!r}: rename it.")
    return {**parts, **baselines}
