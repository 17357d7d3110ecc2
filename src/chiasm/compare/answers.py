"""Answers: how right every fuser is, by which figures, and how much the default differs from each, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.compare.comparison import Comparison, Outcome, aligned, looks, reasons
from chiasm.compare.plot import Figure, plot
from chiasm.compare.resampling import Redrawn
from chiasm.stats.answers import ece
from chiasm.stats.resample import Draws, Sampled, difference, interval_of
from chiasm.target import Target

__all__ = ["ERRORS", "AnswerComparison", "Asked", "judged", "tabulate"]

ERRORS = ("log_loss", "mae")
"""The figures of which less is better: their differences are turned, so that more is always better."""

_SHOWN = {
    "accuracy": "accuracy %",
    "f1_macro": "macro F1 %",
    "f1_micro": "micro F1 %",
    "auc": "AUC %",
    "average_precision": "average precision %",
    "log_loss": "log loss",
    "ece": "ECE %",
    "r2": "R2",
    "mae": "mean abs. error",
}


@dataclass(frozen=True)
class Asked:
    """One seed's rows to answer: the truth `(q, c)` and the cluster of each row `(q,)`."""

    target: Target
    truth: np.ndarray
    clusters: np.ndarray


@dataclass
class AnswerComparison(Comparison):
    """Every fuser's scores on the same rows, folds and features, beside what a fuser has to beat.

    As `Comparison`; in its table shares are fractions in 0..1, differences too, and a positive one means that the
    default is better, of errors (`log_loss`, `mae`) as well.
    """

    def plot(self, path: str | Path) -> Path:
        """Draw the judged figure against the training rows as a PNG; needs matplotlib. Returns its path."""
        name = self.table["judged"]
        scale = 100 if _SHOWN[name].endswith("%") else 1
        return plot(self.table, path, Figure(name, f"{_SHOWN[name]}, held-out rows", "learned", "rows", scale))

    def __str__(self) -> str:
        return "\n".join(_lines(self.table))


def judged(kind: str, c: int) -> str:
    """The figure that methods are ranked by; of two classes the AUC, from which a rare class cannot hide."""
    if kind == "classes":
        return "auc" if c == 2 else "accuracy"
    return "average_precision" if kind == "tags" else "r2"


def tabulate(
    outcomes: Mapping[tuple[str, str], Outcome], asked: Sequence[Asked], default: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The `methods` and `differences` of a comparison's table.

    Args:
        outcomes: by (method, size), cells of `outputs` `(q, c)`. asked: by seed. default: what is compared with others.
    """
    redrawn = Redrawn([one.clusters for one in asked])
    kind = asked[0].target.kind
    best = judged(kind, asked[0].truth.shape[1])
    methods: dict[str, Any] = {}
    measured: dict[tuple[str, str], dict[str, Sampled]] = {}
    for (method, size), cells in outcomes.items():
        if isinstance(cells, str):
            methods.setdefault(method, {})[size] = {"error": cells}
            continue
        outputs = [cell.outcomes["outputs"].astype(np.float64) for cell in cells]
        by_seed = [_measure(*each) for each in zip(redrawn.by_seed, asked, outputs, strict=True)]
        found = {name: redrawn.over([one[name] for one in by_seed]) for name in by_seed[0]}
        measured[method, size] = found
        entry: dict[str, Any] = {name: interval_of(*sampled) for name, sampled in found.items()}
        if kind == "classes":
            errors = [ece(one.truth.argmax(axis=1), _whole(out)) for one, out in zip(asked, outputs, strict=True)]
            entry["ece"] = round(float(np.mean(errors)), 6)
        methods.setdefault(method, {})[size] = {
            **entry,
            "by_seed": [None if np.isnan(one[best][0]) else round(one[best][0], 6) for one in by_seed],
            "seconds": round(float(np.median([cell.seconds for cell in cells])), 4),
            "parameters": int(np.median([cell.facts["parameters"] for cell in cells])),
            "chosen": [cell.facts["chosen"] for cell in cells],
        }
    differences = []
    for (method, size), found in measured.items():
        if method != default and (default, size) in measured:
            gaps = {name: _gap(name, measured[default, size][name], other) for name, other in found.items()}
            differences.append({"a": default, "b": method, "rows": size, **gaps})
    return methods, differences


def _measure(draws: Draws, asked: Asked, outputs: np.ndarray) -> dict[str, Sampled]:
    """Every figure of one seed's outputs, with its draws."""
    target, truth = asked.target, asked.truth
    if target.kind == "numbers":
        return {"r2": draws.r2(truth[:, 0], outputs[:, 0]), "mae": draws.mae(truth[:, 0], outputs[:, 0])}
    loss = draws.mean(-target.gain(outputs, truth))
    if target.kind == "tags":
        true, given = truth > 0.5, outputs >= 0.5
        return {
            "average_precision": draws.average_precision(true, outputs),
            "f1_micro": draws.f1_micro(true, given),
            "f1_macro": draws.f1_macro(true, given),
            "log_loss": loss,
        }
    codes, answers = truth.argmax(axis=1), outputs.argmax(axis=1)
    return {
        "accuracy": draws.accuracy(codes, answers),
        "f1_macro": draws.f1_macro(codes, answers),
        "auc": draws.auc(codes == 1, outputs[:, 1]) if truth.shape[1] == 2 else draws.auc_ovr(codes, outputs),
        "log_loss": loss,
    }


def _whole(outputs: np.ndarray) -> np.ndarray:
    """Probabilities that were kept in float32 sum to 1 again."""
    return outputs / outputs.sum(axis=1, keepdims=True)


def _gap(name: str, one: Sampled, other: Sampled) -> dict[str, float | None]:
    return difference(other, one) if name in ERRORS else difference(one, other)


def _lines(table: dict[str, Any]) -> list[str]:
    data, seeds = table["data"], table["seeds"]
    of = f" of {len(data['names'])} {table['kind']}" if table["kind"] != "numbers" else ""
    lines = [
        f"{data['scored']} held-out rows ({table['split']}){of}, {seeds} seed{'s' if seeds > 1 else ''}; "
        f"ranked by {_SHOWN[table['judged']].removesuffix(' %')}",
        f"every method: {table['budget']}",
        "[95 % intervals: ids, groups and seeds resampled together, the same draws for all methods]",
    ]
    if "opened_before" in data:
        lines.append(looks(data["opened_before"]))
    for size, n in data["learned"].items():
        lines += ["", f"{n} rows to learn from" + (" (all)" if size == "all" else ""), *_table(table, size)]
    return lines


def _table(table: dict[str, Any], size: str) -> list[str]:
    """The lines of one number of rows: methods from best to worst, then what failed."""
    best = table["judged"]
    cells = {name: of[size] for name, of in table["methods"].items()}
    good = [name for name in cells if "error" not in cells[name]]
    good.sort(key=lambda name: -np.inf if cells[name][best]["value"] is None else -cells[name][best]["value"])
    out = []
    if good:
        others = [name for name in table["metrics"] if name != best]
        against = {d["b"]: d[best] for d in table["differences"] if d["rows"] == size}
        head = [_SHOWN[name] for name in (best, *others)]
        rows = [["method", *head, "seconds", "numbers learned", f"{head[0]} minus {table['default']}'s"]]
        for name in good:
            cell = cells[name]
            shown = [_spread(best, cell[best]), *(_value(other, cell[other]) for other in others)]
            took = [f"{cell['seconds']:.3g}", f"{cell['parameters']:,}"]
            rows.append([name, *shown, *took, _against(best, against.get(name))])
        out = aligned(rows)
    return out + reasons(cells)


def _number(name: str, value: float, sign: str = "") -> str:
    return f"{100 * value:{sign}.1f}" if _SHOWN[name].endswith("%") else f"{value:{sign}.3f}"


def _value(name: str, entry: Any) -> str:
    value = entry["value"] if isinstance(entry, Mapping) else entry
    return "-" if value is None else _number(name, value)


def _spread(name: str, entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return "-"
    value, low, high = (_number(name, entry[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _against(name: str, found: Mapping[str, Any] | None) -> str:
    """A method minus the default, marked when the whole interval is on one side of 0."""
    if found is None or found["value"] is None:
        return "-"
    value, low, high = -found["value"], -found["high"], -found["low"]
    mark = "better" if low > 0 else "worse" if high < 0 else ""
    value, low, high = (_number(name, x + 0.0, "+") for x in (value, low, high))
    return f"{value} [{low}, {high}] {mark:6s}"
