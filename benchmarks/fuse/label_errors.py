"""Planted label errors found by what the views say, against one view alone and the normalized margin; views that clash.

`python -m benchmarks.fuse.label_errors`. web_news_zh (2,190 Chinese news pictures with texts, ten classes): a tenth of
the labels is flipped, evenly among the other classes, five times; every row is judged out of fold, as by `chiasm doctor
labels`. The rule was chosen on other flips of the training rows of this pack and of mvsa_single ("choice"), so the
figures of the pack's test rows alone stand beside those of all rows. mvsa_single (4,511 tweets with pictures): its
text's label and its picture's label clash in 1,919 rows; are they found by `clash`, from the joint label alone?
Intervals resample ids; differences are paired and averaged over the flips.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import encoded, pictures, table, without_test
from benchmarks._trials import Figure, arguments, finish
from chiasm.measure.label_errors import LabelErrors, confident_joint, label_errors, wrong_share
from chiasm.stats.resample import Draws, Sampled, difference, interval_of
from chiasm.views import Views

SHARE = 0.1
FLIPS = range(1, 6)
"""Not 0, the seed of the fusers' landmarks: flipping just these rows would confound the two."""
CHOICE = range(100, 102)
OURS = "ours: 1 - p(label)"
RULES = {
    "words": ("text alone: 1 - p(label)", "words alone"),
    "image": ("image alone: 1 - p(label)", "picture alone"),
    "margin": ("normalized margin", "normalized margin"),
}
ALL = ("web_news_zh, all rows", "rules")
FLIPPED = "a tenth of the labels of Chinese news flipped, found again, AUROC"
FIGURES = [
    Figure("auroc", (*ALL, OURS, "AUROC"), FLIPPED, format=".3f", n="{rows} rows, {flips} flips"),
    *(
        Figure(short, (*ALL, rule, "AUROC"), f"{FLIPPED}: {what}", format=".3f", n="{rows} rows, {flips} flips")
        for short, (rule, what) in RULES.items()
    ),
    *(
        Figure(
            f"less_{short}",
            (*ALL, rule, "ours less this, AUROC"),
            f"{FLIPPED}: all views less {what}",
            format="+.4f" if short == "words" else "+.3f",
            n="{rows} rows, {flips} flips",
        )
        for short, (rule, what) in RULES.items()
    ),
]


def read(name: str) -> Views:
    """A pack with its labels, encoded; errors are planted later."""
    return encoded(pictures(name, label="label"))


def flipped(label: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a share is another class, drawn evenly, and the mask `(n,)` of these."""
    rng = np.random.default_rng(seed)
    names, code = np.unique(label.astype(str), return_inverse=True)
    rows = rng.permutation(len(label))[: round(share * len(label))]
    code[rows] = (code[rows] + rng.integers(1, len(names), len(rows))) % len(names)
    mask = np.zeros(len(label), bool)
    mask[rows] = True
    return names[code].astype(object), mask


def doubts(found: LabelErrors) -> dict[str, np.ndarray]:
    """Each rule's score, higher is more doubtful."""
    rows = np.arange(len(found.given))
    own = found.together[rows, found.given]
    other = found.together.copy()
    other[rows, found.given] = -1
    alone = {view: said[rows, found.given] for view, said in found.alone.items()}
    logs = {
        view: np.log(np.maximum(np.where(np.eye(said.shape[1], dtype=bool)[found.given], 0, said).max(axis=1), 1e-6))
        - np.log(np.maximum(alone[view], 1e-6))
        for view, said in found.alone.items()
    }
    return {
        OURS: found.doubt,
        "normalized margin": other.max(axis=1) - own,
        "sum over views of log p(other) - log p(label)": np.sum(list(logs.values()), axis=0),
        **{f"{view} alone: 1 - p(label)": 1 - p for view, p in alone.items()},
    }


def first(scores: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """`(n,)` 1 for an error among as many first rows as there are errors, 0 for a later one, NaN for a right label."""
    place = np.empty(len(scores))
    place[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    hit: np.ndarray = np.where(wrong, place < wrong.sum(), np.nan)
    return hit


def mean_of(sampled: list[Sampled]) -> Sampled:
    """The mean over flips; they share their draws of the rows."""
    return float(np.mean([value for value, _ in sampled])), np.mean([samples for _, samples in sampled], axis=0)


def planted(views: Views, seeds: range, inside: np.ndarray) -> dict[str, Any]:
    """AUROC and precision of every rule over flips, judged over the rows `inside`."""
    draws = Draws(views.clusters[inside])
    areas: dict[str, list[Sampled]] = {}
    hits: dict[str, list[Sampled]] = {}
    for seed in seeds:
        label, wrong = flipped(np.asarray(views.label), SHARE, seed)
        for rule, scores in doubts(label_errors(views, label)).items():
            areas.setdefault(rule, []).append(draws.auc(wrong[inside], scores[inside]))
            hits.setdefault(rule, []).append(draws.mean(first(scores[inside], wrong[inside])))
    found: dict[str, Any] = {"rows": int(inside.sum()), "flips": len(seeds), "rules": {}}
    for rule in areas:
        area, hit = mean_of(areas[rule]), mean_of(hits[rule])
        entry = {"AUROC": interval_of(*area), "precision at the number flipped": interval_of(*hit)}
        if rule != OURS:
            entry["ours less this, AUROC"] = difference(mean_of(areas[OURS]), area)
            entry["ours less this, precision"] = difference(mean_of(hits[OURS]), hit)
        found["rules"][rule] = entry
    return found


def estimates(views: Views) -> list[dict[str, Any]]:
    """The estimated number of errors by planted share: means of two flips."""
    rows = []
    for share in (0.0, 0.05, 0.1, 0.2):
        found = []
        for seed in (1, 2):
            label, wrong = flipped(np.asarray(views.label), share, seed)
            judged = label_errors(views, label)
            joint = confident_joint(judged.given, judged.together)
            estimate = wrong_share(judged.given, judged.together)
            counts = [len(label) * estimate[end] for end in ("value", "low", "high")]
            found.append([wrong.sum(), *counts, joint.sum() - np.trace(joint)])
        names = ("planted", "estimate", "low", "high", "confident joint")
        rows.append(dict(zip(names, np.mean(found, axis=0).round().astype(int).tolist(), strict=True)))
    return rows


def clashes(views: Views) -> dict[str, Any]:
    """mvsa_single: rows whose two own labels differ, found by what is learned from the joint label."""
    facts = table("mvsa_single")
    assert [str(i) for i in facts["id"]] == [str(i) for i in views.ids]
    clash = np.array([a != b for a, b in zip(facts["text_label"], facts["image_label"], strict=True)])
    found = label_errors(views)
    entropy = -(found.together * np.log(np.maximum(found.together, 1e-12))).sum(axis=1)
    differ = np.array([len({said[row].argmax() for said in found.alone.values()}) > 1 for row in range(len(clash))])
    draws = Draws(views.clusters)
    scores = {"clash": found.clash, "the likeliest classes differ": differ * 1.0, "doubt": found.doubt}
    scores["entropy of all views together"] = entropy
    return {
        "rows": len(clash),
        "clashing": int(clash.sum()),
        "AUROC": {name: interval_of(*draws.auc(clash, values)) for name, values in scores.items()},
        "agree": round(float((found.suggested == found.given).mean()), 4),
        "most doubtful": found.ranked(10),
    }


def main() -> None:
    args = arguments(__doc__).parse_args()
    choice = {}
    for name in ("web_news_zh", "mvsa_single"):
        train = without_test(name, read(name))
        choice[name] = {
            rule: {figure: entry[figure]["value"] for figure in ("AUROC", "precision at the number flipped")}
            for rule, entry in planted(train, CHOICE, np.ones(len(train), bool))["rules"].items()
        }
    news, tweets = read("web_news_zh"), read("mvsa_single")
    train_ids = set(without_test("web_news_zh", news).ids.tolist())
    test = np.array([i not in train_ids for i in news.ids.tolist()])
    natural = label_errors(pictures("web_news_zh", label="label"))
    finish(
        {
            "choice, training rows": choice,
            "web_news_zh, all rows": planted(news, FLIPS, np.ones(len(news), bool)),
            "web_news_zh, test rows": planted(news, FLIPS, test),
            "web_news_zh, estimated errors": estimates(news),
            "web_news_zh, labels as they are: most doubtful": natural.ranked(10),
            "mvsa_single, all rows": planted(tweets, FLIPS, np.ones(len(tweets), bool)),
            "mvsa_single, estimated errors": estimates(tweets),
            "mvsa_single, clash": clashes(tweets),
        },
        FIGURES,
        args,
    )


if __name__ == "__main__":
    main()
