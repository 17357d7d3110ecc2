"""Evidence: how right the answers are, what each view adds, what happens when views are absent or shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.measure.counterfactual import additive, missing, shuffled
from chiasm.measure.truth import Truth
from chiasm.part import size
from chiasm.stats import answers as classification
from chiasm.views import Views

__all__ = ["evidence", "held_out", "suspects"]

ERRORS = 10
SUSPECT = 0.99


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
    if controls := vars(task).get("controls_"):
        table["taught"] = _taught(task, controls, truth, views, fused, outputs)
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


def _taught(
    task: Any, controls: Mapping[str, Any], truth: Truth, views: Views, fused: Any, outputs: np.ndarray
) -> dict[str, Any]:
    """What the teacher adds to the student: over none, over one of shuffled rows, over the student's own views."""
    said = {name: part.outputs(views) for name, part in controls.items()}
    measured = {name: truth.measure(one) for name, one in said.items()}
    return {
        "by": task.teachers_,
        "forecast": task.fuser_.forecast_,
        "left_out": task.fuser_.left_out_,
        "controls": {
            name: {
                **truth.figures(m),
                "difference": truth.compared(fused, m),
                "same": bool(np.allclose(said[name], outputs)),
            }
            for name, m in measured.items()
        },
    }


def _of_classes(task: Any, truth: Truth, outputs: np.ndarray, views: Views) -> dict[str, Any]:
    answers = truth.decide(outputs)
    counts = classification.confusion(truth.codes, answers, len(truth.names))
    report = classification.class_report(counts)
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


def held_out(task: Any, train: Views) -> dict[str, Any]:
    """What each view adds, out of fold on the rows that were learned from: more rows than a test set has.

    Every output comes from what was learned without its fold; ridges and weights were chosen on all folds, which all
    of the compared models share. Empty for fusers that would have to be fitted anew for every fold.
    """
    if not task.fuser_.crosses_cheaply or not task.without_:
        return {}
    truth = Truth(task, train, task.fuser_.folds_.rows_)
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
    fusers = task.alone_ or {next(iter(task.views_)): task.fuser_}
    found = {}
    for view, fuser in fusers.items():
        if task.kind != "classes" or fuser.prior_.max() > 0.9 or not fuser.crosses_cheaply:
            continue
        known = fuser.folds_
        here = train[known.rows_].present(view)
        right = known.truth_[np.arange(len(known.rows_)), fuser.crossed(train).argmax(axis=1)][here].mean()
        if right >= SUSPECT:
            found[view] = round(float(right), 6)
    return found
