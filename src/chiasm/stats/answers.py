"""Scores of answers: classes, tags and numbers against the truth, the trust that their probabilities deserve.

Functions of arrays, truth first. Classes are integer codes 0..c-1 `(n,)`, tags booleans `(n, t)`. Tables are plain
dicts of floats, None where a figure does not exist. Where scikit-learn has the figure it is scikit-learn's, to the
digit (ten thousand rows take milliseconds here, importing scikit-learn takes a second).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.errors import ChiasmError

__all__ = [
    "auc",
    "auc_ovr",
    "aurc",
    "automation",
    "average_precision",
    "brier",
    "class_report",
    "confusion",
    "ece",
    "log_loss",
    "number_report",
    "reliability",
    "risk_coverage",
    "tag_ranking",
    "tag_report",
]  # fmt: skip


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How often a row of class i was called class j: `(c, c)` integers, truth down, predictions across.

    Raises a ChiasmError for codes outside 0..classes-1, other lengths, or no rows.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    _same_rows(true, predicted)
    codes = np.concatenate([true, predicted])
    if codes.dtype.kind not in "iub" or codes.min() < 0 or codes.max() >= classes:
        raise ChiasmError(f"wanted class codes 0..{classes - 1}, got {np.unique(codes)[:6].tolist()}: number them.")
    pairs = true.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_report(counts: np.ndarray) -> dict[str, Any]:
    """Precision, recall, F1 and support of each class, their averages, accuracy and balanced accuracy.

    Precision = tp / predicted, recall = tp / true, F1 = 2 tp / (predicted + true), 0 where that is 0 / 0. `macro` is
    the mean over the classes that stand in the truth or the predictions, `weighted` weighs them by support, `micro`
    pools all rows; balanced accuracy is the mean recall of the classes that stand in the truth.

    Choose macro F1 or balanced accuracy to judge rare classes as much as frequent ones, accuracy to count rows.

    Args:
        counts: `(c, c)` from `confusion`.

    Source: scikit-learn's `precision_recall_fscore_support(zero_division=0)`.

    >>> class_report(np.array([[1, 1], [0, 1]]))["macro"]["recall"]
    0.75
    """
    right, predicted, support = np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)
    table = {"rows": int(counts.sum()), "accuracy": float(right.sum() / counts.sum())}
    recall = _ratio(right, support)
    table["balanced_accuracy"] = float(recall[support > 0].mean())
    rows, averages = _averages(right, predicted, support, keep=predicted + support > 0)
    return {**table, **averages, "classes": rows}


def tag_report(true: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """The same of tags `(n, t)`, and the shares of rows with every tag right and of cells that are wrong.

    `macro` and `weighted` run over all tags: one that nobody has and nobody predicts counts 0, as in scikit-learn.
    `hamming` is a loss (the share of the n * t cells that are wrong), `subset_accuracy` wants all tags of a row right.
    """
    true, predicted = _tags(true, predicted)
    right, wrong = (true & predicted).sum(axis=0), true != predicted
    rows, averages = _averages(right, predicted.sum(axis=0), true.sum(axis=0), keep=np.ones(true.shape[1], bool))
    shares = {"subset_accuracy": float(np.mean(~wrong.any(axis=1))), "hamming": float(np.mean(wrong))}
    return {"rows": len(true), **shares, **averages, "tags": rows}


def auc(true: np.ndarray, scores: np.ndarray) -> float:
    """The area under the ROC curve: how often a positive row scores above a negative one, ties counted half.

    With r the ranks of the scores: (sum of r over the P positives - P (P + 1) / 2) / (P N). NaN without a positive or
    without a negative. Source: Hanley & McNeil 1982.

    >>> auc(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))
    0.75
    """
    true, scores = _flags(true), _numbers(scores)
    _same_rows(true, scores)
    positive = int(true.sum())
    negative = len(true) - positive
    if not positive or not negative:
        return float("nan")
    return float((_ranks(scores)[true].sum() - positive * (positive + 1) / 2) / (positive * negative))


def auc_ovr(true: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """AUC of each class against the rest and their mean, for codes `(n,)` and probabilities or scores `(n, c)`.

    Returns value, classes (None for one that has no row or every row) and left_out, the codes of those.
    """
    true, probabilities = np.asarray(true), np.asarray(probabilities)
    each = [auc(true == code, probabilities[:, code]) for code in range(probabilities.shape[1])]
    return {"value": _mean(each), "classes": [_known(v) for v in each], "left_out": _missing(each)}


def average_precision(true: np.ndarray, scores: np.ndarray) -> float:
    """The area under the precision-recall curve, as steps: the sum of precision times the rise of recall.

    Rows of equal score come at once. NaN without a positive. Better than AUC where positives are rare: it looks only
    at how clean the top of the list is, and a useless score gives the share of positives instead of 0.5.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.1]))
    0.8333333333333333
    """
    true, scores = _flags(true), _numbers(scores)
    _same_rows(true, scores)
    if not true.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(true[order])[ends]
    return float((np.diff(found, prepend=0) * (found / (ends + 1))).sum() / true.sum())


def tag_ranking(true: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """Average precision and AUC of each tag, and their means, for tags `(n, t)` and scores `(n, t)`.

    No threshold is involved. Tags without a positive row have no average precision and are left out of the mean (of
    the AUC: without a negative row too); `left_out` are their places.
    """
    true, scores = _flags(true), np.asarray(scores)
    _same_rows(true, scores)
    areas = [average_precision(true[:, j], scores[:, j]) for j in range(true.shape[1])]
    aucs = [auc(true[:, j], scores[:, j]) for j in range(true.shape[1])]
    tags = [{"average_precision": _known(a), "auc": _known(b)} for a, b in zip(areas, aucs, strict=True)]
    macro = {"average_precision": _mean(areas), "auc": _mean(aucs)}
    return {"macro": macro, "tags": tags, "left_out": _missing(areas)}


def log_loss(true: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -log p of the true class, in nats, p kept above 2.2e-16. It asks for honest probabilities.

    >>> log_loss(np.array([0, 1]), np.array([[1.0, 0.0], [0.5, 0.5]]))
    0.34657359027997264
    """
    true, probabilities = _answers(true, probabilities)
    eps = np.finfo(np.float64).eps
    return float(-np.mean(np.log(np.clip(probabilities[np.arange(len(true)), true], eps, 1.0))))


def brier(true: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over rows of the sum over classes of (p - y)^2, between 0 and 2. Source: Brier 1950.

    For two classes it is twice what is often given (of the positive class alone).
    """
    true, probabilities = _answers(true, probabilities)
    hit = probabilities[np.arange(len(true)), true]
    return float(np.mean((probabilities**2).sum(axis=1) - 2 * hit + 1))


def ece(true: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the top class: how far "80 % sure" is from right 80 times in 100.

    The mean of |accuracy - confidence| over bins of equal width, weighed by their rows (`reliability`). 0 is perfect;
    some hundred rows give a positive value by chance alone, so compare it on the same rows.
    Source: Guo et al. 2017, arXiv 1706.04599.
    """
    true, probabilities = _answers(true, probabilities)
    return float(reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == true, bins)["ece"])


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> dict[str, Any]:
    """The reliability table: by bin of confidence the rows, their mean confidence and their share of right answers.

    Args:
        confidence: `(n,)` in 0..1, of the answer given; for a tag, its probability.
        correct: `(n,)` whether the answer is right; for a tag, whether the row has it.
        bins: of equal width, each without its lower edge.

    Returns ece and bins: low, high, count, confidence and accuracy (None in a bin without rows).
    """
    confidence, correct = _numbers(confidence), _flags(correct)
    _same_rows(confidence, correct)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sure = _ratio(np.bincount(place, confidence, bins), count)
    right = _ratio(np.bincount(place, correct, bins), count)
    table = []
    for m, rows in enumerate(count.tolist()):
        means = (float(sure[m]), float(right[m])) if rows else (None, None)
        edges = {"low": m / bins, "high": (m + 1) / bins}
        table.append({**edges, "count": rows, "confidence": means[0], "accuracy": means[1]})
    return {"ece": float((count * np.abs(right - sure)).sum() / len(confidence)), "bins": table}


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The share of rows answered and the share of wrong ones among them, from the surest rows on.

    Returns (coverage, risk, threshold), one place for each different confidence, falling: answering the rows whose
    confidence is at least `threshold`. Source: El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017.
    """
    confidence, correct = _numbers(confidence), _flags(correct)
    _same_rows(confidence, correct)
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(confidence[order])), len(confidence) - 1)
    answered = ends + 1
    return answered / len(confidence), np.cumsum(~correct[order])[ends] / answered, confidence[order][ends]


def aurc(confidence: np.ndarray, correct: np.ndarray) -> float:
    """The area under the risk-coverage curve: the mean, over rows, of the risk of answering all that are as sure.

    Less is better; a confidence that tells nothing gives the plain error rate. Source: Geifman, Uziel & El-Yaniv 2019.

    >>> round(aurc(np.array([0.9, 0.6, 0.5]), np.array([True, True, False])), 4)  # (0 + 0 + 1/3) / 3
    0.1111
    """
    coverage, risk, _ = risk_coverage(confidence, correct)
    return float((np.diff(coverage, prepend=0) * risk).sum())


def automation(confidence: np.ndarray, correct: np.ndarray, error: float) -> dict[str, float | None]:
    """The largest share of rows that can be answered without a person at no more than a stated share of errors.

    The threshold is chosen on these very rows, so the error on others is somewhat larger: choose it on held-out rows
    and check it on further ones.

    Args:
        confidence: `(n,)`, higher is surer. correct: `(n,)`. error: 0..1, of the rows answered.

    Returns error (asked for), share, risk (the errors among the rows answered) and threshold: answer where the
    confidence is at least that; share 0 and no threshold where no cut is good enough.

    >>> automation(np.array([0.9, 0.8, 0.6, 0.5]), np.array([True, True, True, False]), 0.1)["share"]
    0.75
    """
    if not 0 <= error < 1:
        raise ChiasmError(f"wanted an error between 0 and 1 (0.05 is one answer in twenty wrong), got {error}.")
    coverage, risk, threshold = risk_coverage(confidence, correct)
    good = np.flatnonzero(risk <= error + 1e-12)
    if not len(good):
        return {"error": error, "share": 0.0, "risk": None, "threshold": None}
    at = good[-1]
    return {"error": error, "share": float(coverage[at]), "risk": float(risk[at]), "threshold": float(threshold[at])}


def number_report(true: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """R2, mean absolute error, root mean squared error (both in the target's unit) and Spearman's rank correlation.

    R2 = 1 - sum (y - p)^2 / sum (y - mean y)^2; where every y is equal it is 1 if every p is right, else 0. Spearman
    is None where the truth or the predictions are constant.
    """
    true, predicted = _numbers(true), _numbers(predicted)
    _same_rows(true, predicted)
    missed = true - predicted
    squares, spread = float((missed**2).sum()), float(((true - true.mean()) ** 2).sum())
    r2 = 1 - squares / spread if spread > 0 else float(squares == 0)
    a, b = _ranks(true), _ranks(predicted)
    varied = np.ptp(a) > 0 and np.ptp(b) > 0
    return {
        "rows": len(true),
        "r2": r2 if len(true) > 1 else None,
        "mae": float(np.mean(np.abs(missed))),
        "rmse": float(np.sqrt(np.mean(missed**2))),
        "spearman": float(np.corrcoef(a, b)[0, 1]) if varied else None,
    }


def _averages(
    right: np.ndarray, predicted: np.ndarray, support: np.ndarray, keep: np.ndarray
) -> tuple[list[dict[str, Any]], dict[str, dict[str, float]]]:
    """The rows of a table and its averages, from counts a class `(c,)`."""
    names = ("precision", "recall", "f1")
    each = np.stack([_ratio(right, predicted), _ratio(right, support), _ratio(2 * right, predicted + support)])
    pooled = right.sum(), predicted.sum(), support.sum()
    micro = [_ratio(*p) for p in ((pooled[0], pooled[1]), (pooled[0], pooled[2]), (2 * pooled[0], sum(pooled[1:])))]
    averages = {
        "macro": each[:, keep].mean(axis=1),
        "micro": np.array(micro),
        "weighted": _ratio((each * support).sum(axis=1), support.sum()),
    }
    rows = [
        dict(zip(names, values, strict=True)) | {"support": int(n)}
        for values, n in zip(each.T.tolist(), support, strict=True)
    ]
    return rows, {name: dict(zip(names, values.tolist(), strict=True)) for name, values in averages.items()}


def _ratio(top: Any, bottom: Any) -> np.ndarray:
    """top / bottom, 0 where bottom is 0."""
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), 0.0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs, `(n,)`."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: np.ndarray = (last - (count - 1) / 2)[place]
    return ranks


def _same_rows(one: np.ndarray, other: np.ndarray) -> None:
    if len(one) != len(other) or not len(one):
        raise ChiasmError(f"wanted an answer for each row of the truth, got {len(one)} and {len(other)} rows.")


def _tags(true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    true, predicted = _flags(true), _flags(predicted)
    if true.ndim != 2 or true.shape != predicted.shape or not true.size:
        raise ChiasmError(f"wanted tags (rows, tags) twice, got {true.shape} and {predicted.shape}.")
    return true, predicted


def _flags(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise ChiasmError(f"wanted yes or no (booleans, 0 and 1), got {np.unique(values)[:4].tolist()}.")
    return values.astype(bool)


def _numbers(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64).ravel()
    if np.isnan(values).any():
        raise ChiasmError(f"wanted numbers, got {int(np.isnan(values).sum())} NaN of {len(values)}: leave them out.")
    return values


def _answers(true: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    true, probabilities = np.asarray(true), np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or true.ndim != 1:
        raise ChiasmError(f"wanted codes (n,), then probabilities (n, c), got {true.shape} and {probabilities.shape}.")
    _same_rows(true, probabilities)
    if true.dtype.kind not in "iub" or true.min() < 0 or true.max() >= probabilities.shape[1]:
        raise ChiasmError(f"wanted codes 0..{probabilities.shape[1] - 1}, got {np.unique(true)[:6].tolist()}.")
    sums = probabilities.sum(axis=1)
    if not (np.abs(sums - 1) < 1e-3).all() or probabilities.min() < 0:
        raise ChiasmError(f"wanted probabilities that sum to 1 a row, got sums of {sums.min():g} to {sums.max():g}.")
    return true, probabilities


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _missing(values: list[float]) -> list[int]:
    return [place for place, value in enumerate(values) if np.isnan(value)]


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None
