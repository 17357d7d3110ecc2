"""Evidence: how right the answers are, what each view adds, what happens when views are absent or shuffled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chiasm.part import size
from chiasm.stats import answers as classification
from chiasm.stats.resample import Draws, difference, interval_of, verdict
from chiasm.views import Column, Views

__all__ = ["PRIMARY", "Truth", "evidence", "held_out", "suspects"]

PRIMARY = {"classes": "accuracy", "tags": "f1_micro", "numbers": "r2"}
"""The figure that a task is judged by."""

MASKS = 200
ERRORS = 10
SUSPECT = 0.99
_PROJECTED, _BACKGROUND = 400, 40

Sampled = tuple[float, np.ndarray]


class Truth:
    """The labeled rows of a table, their truth and the draws that every interval shares."""

    def __init__(self, task: Any, views: Views, rows: np.ndarray | None = None):
        self.kind, self.target = task.kind, task.fuser_.target_
        self.thresholds = getattr(task, "thresholds_", None)
        truth = self.target.encode(views.label)
        self.rows = np.flatnonzero(~np.isnan(truth).any(axis=1)) if rows is None else rows
        self.truth = truth[self.rows]
        self.draws = Draws(views.clusters[self.rows], seed=task.seed)
        self.names = list(self.target.names_)
        if self.kind == "classes":
            self.unknown = int((self.truth.sum(axis=1) == 0).sum())
            if self.unknown:  # classes that training lacked: never answered right
                self.truth = np.column_stack([self.truth, self.truth.sum(axis=1) == 0])
                self.names.append("(a class not in training)")
            self.codes = self.truth.argmax(axis=1)

    def widen(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs with a column of zeros for classes that training lacked, where there are such rows."""
        more = len(self.names) - outputs.shape[1]
        return np.column_stack([outputs, np.zeros((len(outputs), more))]) if more else outputs

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """Class codes, tags or numbers."""
        if self.kind == "classes":
            codes: np.ndarray = outputs.argmax(axis=1)
            return codes
        return self.target.decode(outputs, self.thresholds)

    def measure(self, outputs: np.ndarray) -> dict[str, Sampled]:
        """Every figure of some outputs, with its samples over the draws."""
        d = self.draws
        answers = self.decide(outputs)
        if self.kind == "numbers":
            return {"r2": d.r2(self.truth[:, 0], answers), "mae": d.mae(self.truth[:, 0], answers)}
        if self.kind == "tags":
            true = self.truth > 0.5
            return {
                "f1_micro": d.f1_micro(true, answers),
                "f1_macro": d.f1_macro(true, answers),
                "average_precision": d.average_precision(true, outputs),
            }
        ranked = self.widen(outputs)
        auc = d.auc(self.codes == 1, ranked[:, 1]) if len(self.names) == 2 else d.auc_ovr(self.codes, ranked)
        return {
            "accuracy": d.accuracy(self.codes, answers),
            "f1_macro": d.f1_macro(self.codes, answers),
            "f1_weighted": d.f1_weighted(self.codes, answers),
            "auc": auc,
        }

    def figures(self, measured: Mapping[str, Sampled]) -> dict[str, Any]:
        """Values with intervals."""
        return {name: _rounded(interval_of(*sampled)) for name, sampled in measured.items()}

    @property
    def judged(self) -> str:
        """The figure of the verdict: of two classes the AUC, which a rare class cannot hide from."""
        return "auc" if self.kind == "classes" and len(self.names) == 2 else PRIMARY[self.kind]

    def compared(self, one: Mapping[str, Sampled], other: Mapping[str, Sampled]) -> dict[str, Any]:
        """Paired differences, one less other; of errors other less one, so that more is better."""
        return {
            name: _rounded(difference(other[name], one[name]) if name == "mae" else difference(one[name], other[name]))
            for name in one
        }

    def words(self, view: str, others: Sequence[str], differences: Mapping[str, Any], rows: int) -> str:
        """The verdict on a view."""
        unit = {"auc": "points of AUC", "r2": "R2"}.get(self.judged, "points")
        found = differences[self.judged]
        if unit == "points of AUC":
            return verdict(view, others, found, rows).replace(" points", " points of AUC")
        return verdict(view, others, found, rows, unit=unit)


def evidence(task: Any, encoded: Views, truth: Truth) -> dict[str, Any]:
    """The table of a score, as plain values."""
    views = encoded[truth.rows]
    outputs = task.fuser_.outputs(views)
    fused = truth.measure(outputs)
    table: dict[str, Any] = {"metrics": list(fused), "judged": truth.judged, **truth.figures(fused)}
    names = [name for name in task.views_ if name in views.columns]
    alone = {v: truth.measure(task.alone_[v].outputs(views)) for v in names if v in task.alone_}
    without = {
        v: truth.measure(task.without_[v].outputs(views)) for v in names if v in task.without_ and len(names) > 1
    }
    table["views_alone"] = {v: truth.figures(m) for v, m in alone.items()}
    table["leave_one_out"] = {
        v: {**truth.figures(m), "difference": truth.compared(fused, m)} for v, m in without.items()
    }
    sentences = []
    for v, entry in table["leave_one_out"].items():
        others = [w for w in task.views_ if w != v]
        entry["verdict"] = truth.words(v, others, entry["difference"], len(truth.rows))
        sentences.append(entry["verdict"])
    table["cross_validated"] = task.crossed_
    table["verdict"] = "; ".join(sentences) or f"there is one view: {', '.join(task.views_)}"
    if truth.kind == "classes":
        table |= _of_classes(task, truth, outputs, views)
    elif truth.kind == "tags":
        table["report"] = classification.tag_report(truth.truth > 0.5, truth.decide(outputs))
        table["report"]["names"] = truth.names
        table["majority"] = _tag_majority(task, truth)
    else:
        table["report"] = classification.number_report(truth.truth[:, 0], truth.decide(outputs))
        table["majority"] = 0.0
    if len(names) > 1:
        table["missing"] = missing(task.fuser_, truth, views, names, task.seed)
        table["shuffled"] = shuffled(task.fuser_, truth, views, names, fused, task.seed)
        table["additive"] = additive(task.fuser_, truth, views, names, task.seed)
    table["weights"] = dict(getattr(task.fuser_, "weights_", {}))
    table["size"] = size(task.fuser_)
    return table


def _of_classes(task: Any, truth: Truth, outputs: np.ndarray, views: Views) -> dict[str, Any]:
    answers = truth.decide(outputs)
    counts = classification.confusion(truth.codes, answers, len(truth.names))
    report = classification.report(counts)
    right = answers == truth.codes
    sure = outputs.max(axis=1)
    common = int(np.argmax(task.fuser_.prior_))
    return {
        "majority": round(float((truth.codes == common).mean()), 6),
        "classes": truth.names,
        "confusion": counts.tolist(),
        "report": report,
        "ece": round(classification.ece(truth.codes, truth.widen(outputs)), 6),
        "log_loss": round(classification.log_loss(truth.codes, truth.widen(outputs)), 6) if not truth.unknown else None,
        "reliability": classification.reliability(sure, right),
        "automation": {f"{error:g}": classification.automation(sure, right, error) for error in (0.01, 0.05, 0.1)},
        "errors": _errors(truth, outputs, answers, sure, views),
    }


def _errors(
    truth: Truth, outputs: np.ndarray, answers: np.ndarray, sure: np.ndarray, views: Views
) -> list[dict[str, Any]]:
    """The wrong answers that were given with most confidence, with what they were given about."""
    wrong = np.flatnonzero(answers != truth.codes)
    found = []
    for row in wrong[np.argsort(-sure[wrong], kind="stable")][:ERRORS].tolist():
        items = {
            name: column.label(int(column.index[row]))
            for name, column in views.columns.items()
            if column.index[row] >= 0
        }
        found.append(
            {
                "row": int(truth.rows[row]),
                "id": str(views.ids[row]),
                "true": truth.names[truth.codes[row]],
                "answer": truth.names[answers[row]],
                "confidence": round(float(sure[row]), 6),
                "items": items,
            }
        )
    return found


def _tag_majority(task: Any, truth: Truth) -> float:
    """Micro F1 of giving every row the tags that most training rows have, or else the commonest one."""
    common = task.fuser_.prior_ >= 0.5
    if not common.any():
        common = task.fuser_.prior_ == task.fuser_.prior_.max()
    true = truth.truth > 0.5
    return round(float(classification.tag_report(true, np.tile(common, (len(true), 1)))["micro"]["f1"]), 6)


def missing(fuser: Any, truth: Truth, views: Views, names: Sequence[str], seed: int) -> dict[str, Any]:
    """The fused model, its inputs dropped: by the views that are left, and under random masks.

    Every mask draws a rate from 0 to .95 and drops each view of each row with that chance.
    """
    k = len(names)
    sizes = range(1, k + 1) if k <= 5 else sorted({1, k - 1, k})
    kept = [subset for size in sizes for subset in combinations(range(k), size)]
    outputs = {subset: fuser.outputs(drop(views, [names[i] for i in range(k) if i not in subset])) for subset in kept}
    name = truth.judged
    table: dict[str, Any] = {
        "figure": name,
        "only": {" + ".join(names[i] for i in s): truth.figures(truth.measure(o))[name] for s, o in outputs.items()},
    }
    if k > 5:
        return table
    rng = np.random.default_rng(seed)
    outputs[()] = np.tile(fuser.prior_, (len(views), 1))
    values, rates = [], []
    quick = Truth.__new__(Truth)
    vars(quick).update(vars(truth))
    quick.draws = Draws(np.arange(len(truth.rows)), resamples=1, seed=seed)
    for _ in range(MASKS):
        rate = rng.uniform(0, 0.95)
        mask = rng.random((len(views), k)) >= rate
        mixed = np.empty_like(outputs[()])
        for subset, held in outputs.items():
            rows = (mask == np.isin(np.arange(k), subset)).all(axis=1)
            mixed[rows] = held[rows]
        rates.append(rate)
        values.append(quick.measure(mixed)[name][0])
    by_rate = {}
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.95)):
        inside = [v for v, r in zip(values, rates, strict=True) if low <= r < high]
        if inside:
            by_rate[f"{low:g}-{high:g}"] = round(float(np.mean(inside)), 6)
    table["masks"] = {"masks": MASKS, "mean": round(float(np.mean(values)), 6), "by_rate": by_rate}
    return table


def drop(views: Views, names: Sequence[str]) -> Views:
    """The same rows without any item in some views."""
    gone = np.full(len(views), -1, dtype=np.int64)
    return views.replace({n: _with(c, gone) if n in names else c for n, c in views.columns.items()})


def _with(column: Column, index: np.ndarray) -> Column:
    return Column(column.modality, column.items, index, labels=column.labels, digests=column.digests)


def shuffled(
    fuser: Any, truth: Truth, views: Views, names: Sequence[str], fused: Mapping[str, Sampled], seed: int
) -> dict[str, Any]:
    """By view, what is lost when its items are dealt to other rows: how much the model leans on it."""
    rng = np.random.default_rng(seed)
    table = {}
    for name in names:
        column = views[name]
        index = column.index.copy()
        rows = np.flatnonzero(column.present)
        index[rows] = index[rng.permutation(rows)]
        dealt = views.replace({**views.columns, name: _with(column, index)})
        table[name] = truth.compared(truth.measure(fuser.outputs(dealt)), fused)[truth.judged]
    return table


def additive(fuser: Any, truth: Truth, views: Views, names: Sequence[str], seed: int) -> dict[str, Any]:
    """Do the views interact? The model against its best additive projection, which no product of views can be in.

    f(x) is put on a scale where views add (log probability; log odds of tags; the number) and replaced by
    sum_v E f(x_v, others' x') - (k - 1) E f, expectations over rows drawn from the same table.

    Source: Hessel & Lee 2020 (empirical multimodally-additive projection).
    """
    rng = np.random.default_rng(seed)
    whole = np.flatnonzero(np.all([views.present(name) for name in names], axis=0))
    if len(whole) < 20:
        return {"rows": 0, "verdict": "too few rows have every view to ask whether the views interact"}
    rows = np.sort(rng.permutation(whole)[:_PROJECTED])
    back = rng.choice(whole, min(_BACKGROUND, len(whole)), replace=False)
    left, right = np.repeat(rows, len(back)), np.tile(back, len(rows))
    scale = _logits if truth.kind != "numbers" else (lambda x, _: x)
    grid = views[right]
    total = scale(fuser.outputs(views[back]), truth.kind).mean(axis=0) * (1 - len(names))
    for name in names:
        column = views[name]
        mixed = grid.replace({**grid.columns, name: _with(column, column.index[left])})
        parts = scale(fuser.outputs(mixed), truth.kind).reshape(len(rows), len(back), -1)
        total = total + parts.mean(axis=1)
    part = Truth.__new__(Truth)
    vars(part).update(vars(truth))
    part.truth, part.draws = truth.truth[rows], Draws(views.clusters[rows], seed=seed)
    if truth.kind == "classes":
        part.codes = truth.codes[rows]
    mine = part.measure(fuser.outputs(views[rows]))[truth.judged]
    projected = part.measure(_unlogits(total, truth.kind))[truth.judged]
    lost = _rounded(difference(mine, projected))
    return {
        "figure": truth.judged,
        "rows": len(rows),
        "model": _rounded(interval_of(*mine)),
        "projection": _rounded(interval_of(*projected)),
        "difference": lost,
        "verdict": _interaction(lost, truth.judged),
    }


def _interaction(lost: Mapping[str, Any], judged: str) -> str:
    """Whether the views interact, in words."""
    value, low, high = lost["value"], lost["low"], lost["high"]
    if value is None or low is None or high is None:
        return "these rows cannot show whether the views interact"
    times, unit = (1, "R2") if judged == "r2" else (100, "points of AUC" if judged == "auc" else "points")
    value, low, high = (round(times * v, 2 if judged == "r2" else 1) + 0.0 for v in (value, low, high))
    amount = f"{value:+g} {unit} [{low:g}, {high:g}]"
    if lost["low"] > 0:
        return f"the views interact: what they say only together is worth {amount}"
    return f"the views add up: no interaction shows, {amount}"


def _logits(outputs: np.ndarray, kind: str) -> np.ndarray:
    safe = np.clip(outputs, 1e-9, 1 - 1e-9)
    found: np.ndarray = np.log(safe) - (np.log(1 - safe) if kind == "tags" else 0)
    return found


def _unlogits(values: np.ndarray, kind: str) -> np.ndarray:
    from scipy.special import expit, softmax

    if kind == "numbers":
        return values
    back: np.ndarray = expit(values) if kind == "tags" else softmax(values, axis=1)
    return back


def held_out(task: Any, train: Views) -> dict[str, Any]:
    """What each view adds, out of fold on the rows that were learned from: more rows than a test set has.

    Every output comes from what was learned without its fold; ridges and weights were chosen on all folds, which all
    of the compared models share. Empty for fusers that would have to be fitted anew for every fold.
    """
    from chiasm.fuse import Fuser

    if type(task.fuser_)._crossed is Fuser._crossed or not task.without_:
        return {}
    truth = Truth(task, train, task.fuser_.rows)
    crossed = {"fused": task.fuser_.crossed(train)}
    crossed |= {v: f.crossed(train) for v, f in task.without_.items()}
    measured = {v: truth.measure(outputs) for v, outputs in crossed.items()}
    fused = measured.pop("fused")
    table: dict[str, Any] = {"rows": len(truth.rows), **truth.figures(fused), "leave_one_out": {}}
    for v, m in measured.items():
        entry = {**truth.figures(m), "difference": truth.compared(fused, m)}
        others = [w for w in task.views_ if w != v]
        entry["verdict"] = truth.words(v, others, entry["difference"], len(truth.rows))
        table["leave_one_out"][v] = entry
    return table


def suspects(task: Any, train: Views) -> dict[str, float]:
    """Views that alone are right nearly always out of fold: does one hold the label itself?"""
    from chiasm.fuse import Fuser

    fusers = task.alone_ or {next(iter(task.views_)): task.fuser_}
    found = {}
    for view, fuser in fusers.items():
        if task.kind != "classes" or fuser.prior_.max() > 0.9 or type(fuser)._crossed is Fuser._crossed:
            continue
        here = train[fuser.rows].present(view)
        right = fuser.truth[np.arange(len(fuser.truth)), fuser.crossed(train).argmax(axis=1)][here].mean()
        if right >= SUSPECT:
            found[view] = round(float(right), 6)
    return found


def _rounded(entry: Mapping[str, float | None]) -> dict[str, Any]:
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in entry.items()}
