"""Aligners side by side: the same features, drawn pairs, seeds and held-out rows for every method."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.cache import folder
from chiasm.compare.cells import Cell, Store, fingerprint
from chiasm.compare.comparison import AT, Comparison, tabulate
from chiasm.compare.runs import Run, Tell, parts_of, sizes_of
from chiasm.compare.trials import Trial, data_print, trials
from chiasm.errors import ChiasmError
from chiasm.scale import Progress
from chiasm.stats.ranking import chance_recall, ranks
from chiasm.stats.relevance import relevance
from chiasm.views import Views, as_views, normalize

__all__ = ["compare_align"]

BUDGET = "default settings, the same pairs and no other rows; what it tunes, it tunes inside them"


def compare_align(
    views: Any,
    methods: Sequence[str] | Mapping[str, Any] | None = None,
    *,
    pairs: Sequence[int | str] = (100, 300, "all"),
    seeds: int = 5,
    encoders: Mapping[str, Any] | None = None,
    final: bool = False,
    allow_leaks: bool = False,
    to: str | Path | None = None,
    source: str = "",
    progress: Progress | None = None,
    tell: Tell | None = None,
) -> Comparison:
    """Fit every method on the same n training pairs and score it on held-out rows, for several n and seeds.

    For each seed n things (ids that have two views) are drawn from the training rows; a smaller draw is part of a
    larger one. A method is fitted on them alone, without validation rows: what it tunes, it tunes inside them. So the
    validation rows, on which it is scored, decided nothing. With `final` the test rows are scored instead; else they
    are not even encoded. Rows without a split are cut 70/10/20 by id: the test part is always the same, the rest is cut
    again for each seed.

    Choose it to learn which aligner suits your data and your number of pairs. It does not look for better settings than
    the defaults: pass parts of your own for that.

    Args:
        views: raw or encoded Views (a dict of arrays, a DataFrame), with their split where there is one.
        methods: names of aligners, or a dict of your own names to parts, which are copied for every fit; None: every
            aligner there is. A `seed` that a part takes is set to the number of the comparison's seed.
        pairs: numbers of training things; "all" is all of them.
        seeds: how many, numbered from 0.
        encoders: as `Encoding` takes them; those that learn, learn from all training rows.
        final: score the test rows, and note the look at them in the store's `final.log`.
        allow_leaks: go on when ids or whole rows stand in two splits (otherwise refused).
        to: the folder of the cells; None: one in the cache, named after the data and its split.
        source: what the data is called in the table and the log.
        progress, tell: called while encoding, and while comparing.

    Each cell (method, n, seed) is on disk before the next begins, under a fingerprint of its rows, their features, the
    method's settings and source code: the same call again computes what is missing. A method that raises a ChiasmError
    (too few pairs, a missing package) has the reason in its place, and the others go on.

    Raises a ChiasmError for unknown methods, bad numbers, leaks, or when there is nothing to learn from or to score.

    >>> import tempfile
    >>> from chiasm.data.toy import planted_pair
    >>> a, b = planted_pair(300, correlations=(0.99,) * 8)
    >>> with tempfile.TemporaryDirectory() as store:
    ...     found = compare_align({"a": a, "b": b}, ["cca", "ridge"], pairs=[100], seeds=2, to=store)
    >>> found.table["methods"]["cca"]["100"]["R@1"]["value"] > 0.5
    True
    """
    views = as_views(views)
    if len(views.columns) < 2:
        raise ChiasmError(f"wanted at least two views that pair up, got only {', '.join(views.names)}.")
    if seeds < 1:
        raise ChiasmError(f"wanted at least 1 seed, got {seeds}.")
    parts, sizes = parts_of("align", methods), sizes_of(pairs, "pairs")
    store = Store(to or folder() / "reports" / f"compare-{data_print(views)}")
    look = {"data": source, "split": "test", "methods": list(parts), "pairs": sizes, "seeds": seeds}
    opened, held, run = 0, [], Run("align", parts, sizes, seeds, store, tell, unit="pairs")
    for trial in trials(views, seeds, final=final, encoders=encoders, progress=progress):
        if not trial.seed:
            first, found = trial, trial.leaks(allow_leaks)
            if final:
                opened = store.opened({"time": datetime.now(UTC).isoformat(timespec="seconds"), **look})
        held.append(one := _Held(trial))
        run.seed(trial.seed, trial.train, lambda train: train.things, one.cell, one.key)
    run.finish()
    directions = {name: way for name, way in held[0].ways.items() if all(name in one.ways for one in held)}
    default = next((name for name in ("auto", "cca") if name in parts), next(iter(parts)))
    scored, differences = tabulate(run.outcomes(), [one.things for one in held], directions, default)
    table = {
        "data": {
            "source": source,
            "views": {name: column.modality for name, column in views.columns.items()},
            "encoders": {name: encoder.fingerprint for name, encoder in first.encoding.encoders_.items()},
            "rows": len(views),
            "scored": held[0].count,
            "pairs": {size: min(run.drawn[size]) for size in sizes},
            "chance": _chance(held, directions),
            "leaks": found.as_dict(),
            **({"opened_before": opened} if final else {}),
        },
        "split": "test" if final else "validation",
        "seeds": seeds,
        "budget": BUDGET,
        "default": default,
        "methods": scored,
        "differences": differences,
    }
    return Comparison(table, store.folder, store.found, store.made, opened, first.report, found)


class _Held:
    """One seed's held-out rows: which items answer which, and what each query is about."""

    def __init__(self, trial: Trial):
        self.views, self.key = trial.held()
        self.known = trial.encoding.known()
        if self.known:
            self.key = fingerprint(self.key, *(np.asarray(part) for pair in self.known.values() for part in pair[:3]))
        self.answers: dict[str, tuple[np.ndarray, ...]] = {}
        self.ways: dict[str, tuple[str, str]] = {}
        self.things: dict[str, np.ndarray] = {}
        codes = trial.codes[trial.scored]
        for a, b in permutations(self.views.columns, 2):
            found = relevance(self.views, a, b)
            if found is None:
                continue
            column = self.views[a]
            rows = np.flatnonzero(column.present)
            about = codes[rows[np.unique(column.index[rows], return_index=True)[1]]]
            name = f"{a} -> {b}"
            self.answers[name], self.ways[name], self.things[name] = found, (a, b), about[found[0]]
        if not self.ways:
            raise ChiasmError("no held-out thing has two views: nothing to score.")
        self.count = len(np.unique(np.concatenate(list(self.things.values()))))

    def cell(self, aligner: Any, train: Views) -> Cell:
        """Fit an aligner and rank the held-out answers in its space."""
        start = time.perf_counter()
        registry.fit(aligner, train, **({"known": self.known} if self.known else {}))
        seconds = time.perf_counter() - start
        unit = {name: normalize(column.items) for name, column in aligner.transform(self.views).columns.items()}
        if not all(np.isfinite(values).all() for values in unit.values()):
            raise ChiasmError(f"{aligner!r} mapped held-out rows to numbers that are not finite.")
        outcomes = {}
        for name, (a, b) in self.ways.items():
            queries, hits, starts = self.answers[name]
            outcomes[name] = ranks(unit[a][queries], unit[b], hits, starts)
        return Cell(outcomes, seconds, len(getattr(aligner, "trials_", [])))


def _chance(held: Sequence[_Held], directions: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """The recalls of a random order, mean over the seeds."""
    found: list[dict[str, Any]] = []
    for name, (a, b) in directions.items():
        recalls = np.mean([list(_random(one, name, b)) for one in held], axis=0).round(6).tolist()
        found.append({"from": a, "to": b} | {f"R@{k}": recall for k, recall in zip(AT, recalls, strict=True)})
    whole = np.array([[d[f"R@{k}"] for k in AT] for d in found])
    return {"rsum": round(100 * float(whole.sum()), 3), "R@1": round(float(whole[:, 0].mean()), 6), "directions": found}


def _random(held: _Held, name: str, to: str) -> Iterator[float]:
    _, hits, starts = held.answers[name]
    counts = np.diff(np.append(starts, len(hits)))
    for k in AT:
        yield chance_recall(counts, len(held.views[to].items), k)
