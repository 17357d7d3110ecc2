"""The textbook models, each trained through its own encoders on a real pack: does the second form count?

`python -m benchmarks.fuse.textbook [sentiment|binary|tagger|formula ...] [--splits 5]`; all four without. All are
`temporal`, which joins by concatenation. No trained BERT or VGG16 is at hand: `e5_text` and `effnet_image` stand in
their slots. Re-drawn splits (60/20/20, learned from training and validation rows, scored on the others), differences
split by split with Nadeau & Bengio's (2003) interval; with `--splits 1` by drawing the scored rows again. `early`, the
closed learner, stands beside each on the same columns.

- sentiment (BERT + VGG16): mvsa_single, 3 classes; the sentence's vector and the picture's.
- binary (VGG16 + embedding with an LSTM, a sigmoid): the same posts without the neutral ones; word vectors learned from
  the training texts, the first 24 words, read by an LSTM.
- tagger (VGG16 + embedding): colors of ikea's products, 15 tags; the mean of word vectors learned from the training
  texts. Micro and macro F1 of the tags given at one half.
- formula: F = W_fc [tanh(W_lstm H); tanh(W_conv V)]; the digit (10) of grid_s1's sentences, H the six words, each
  misheard half the time, as learned word vectors through a two-way LSTM, V the lower face in 25 steps through a
  convolution.

"The network" is `temporal`'s, its own answers. As it answers by default, `temporal` is a mean of the network and the
closed head of `early`, in shares that out-of-fold answers choose (`mixed`; a share of 0 is `early`). "Other pictures":
the same network, each row given the picture of another.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks._sets import colors, lower_face, only, pictures, table
from benchmarks._trials import SHARES, Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.encoding import Encoding
from chiasm.fuse.temporal import Temporal
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.views import Column, Views

WORDS = 24
STEPS = 25
MISHEARD = 0.5
TITLES = {
    "sentiment": "sentiment of tweets, 3 classes, sentence vector + picture",
    "binary": "tweets positive or negative, LSTM over learned word vectors + picture",
    "tagger": "colors of ikea's products, 15 tags, learned word vectors + picture",
    "formula": "grid_s1's digit, two-way LSTM over words + convolution over faces",
}
ROWS = {
    "both": "the network on both",
    "words": "the network on the words alone",
    "picture": "the network on the picture alone",
    "mixed": "`temporal` as it answers, the closed head beside the network",
    "early": "`early` on both",
}
GAINS = {
    "picture.adds": ("picture", "what the picture adds to the words (the network on both less on the words alone)"),
    "words.add": ("words", "what the words add to the picture (the network on both less on the picture alone)"),
    "other": ("other pictures", "the network with other rows' pictures less with their own"),
    "less.early": ("early", "the network less `early`, both on both"),
    "mixed.less.early": ("mixed", "`temporal` as it answers less `early`, both on both"),
}
PAIRS = {
    "picture": ("both", "words"),
    "words": ("both", "picture"),
    "other pictures": ("other pictures", "both"),
    "early": ("both", "early"),
    "mixed": ("mixed", "early"),
}
"""By difference: of what, less what."""
MEASURES = {"tagger": ("micro F1", "", ".3f")}
FIGURES = []
for part, title in TITLES.items():
    measure, unit, form = MEASURES.get(part, ("accuracy", "%", ".1f"))
    how: dict[str, str] = {"n": "{over}"}
    FIGURES += [
        Figure(f"{part}.{row}", (part, "scores", row, measure), f"{title}: {measure}, {words}", unit, form, **how)
        for row, words in ROWS.items()
    ]
    FIGURES += [
        Figure(
            f"{part}.{short}",
            (part, "differences", row),
            f"{title}: {measure}, {words}",
            unit and "points",
            f"+{form}",
            **how,
        )
        for short, (row, words) in GAINS.items()
    ]
    share = f"{title}: what the network counts beside the closed head, by out-of-fold answers"
    FIGURES.append(Figure(f"{part}.share", (part, "scores", "mixed", "share"), share, "", ".2f", **how))
FIGURES.append(
    Figure(
        "tagger.macro",
        ("tagger", "scores", "both", "macro F1"),
        f"{TITLES['tagger']}: macro F1, the network",
        "",
        ".3f",
    )
)


def posts() -> Views:
    """mvsa_single, its views named words and picture."""
    views = pictures("mvsa_single", label="label")
    return views.replace({"words": views["text"], "picture": views["image"]})


def sentences() -> Views:
    """grid_s1: the sentence, every word misheard half the time, and the lower face over time; which digit was said."""
    facts, rng = table("grid_s1"), np.random.default_rng(0)
    said = np.array([sentence.split() for sentence in facts["text"]])
    heard = said.copy()
    for slot in range(said.shape[1]):
        wrong = rng.random(len(said)) < MISHEARD
        heard[wrong, slot] = rng.choice(np.unique(said[:, slot]), wrong.sum())
    columns = {
        "words": Column("text", [" ".join(row) for row in heard]),
        "picture": Column("vector", lower_face(STEPS)),
    }
    return Views(columns, facts["id"], {"label": np.array(facts["digit"], dtype=object)})


def compared(
    views: Views, encoders: Mapping[str, str], splits: int, temporal: Mapping[str, Any], kind: str = "classes"
) -> dict[str, Any]:
    """The network on both, each alone and other rows' pictures; with the closed head; `early`: on the same splits."""
    found, twins = Runs(), Encoding(encoders).twins(views)
    each: dict[str, np.ndarray] = {}
    for seed, split in redrawn(views, SHARES, splits, twins, views.label if kind == "classes" else None):
        learn, test = split != "test", split == "test"
        held = Encoding(encoders).learn(views, learn)[0]
        mine, theirs = held[learn], held[test]
        dealt = theirs["picture"][np.random.default_rng(seed).permutation(len(theirs))]
        others = theirs.replace({"words": theirs["words"], "picture": dealt})
        started = time.process_time()
        whole = made(temporal, kind, ("words", "picture")).fit(mine)
        took = time.process_time() - started
        found.add("mixed", {**right(whole, theirs), "share": float(whole.shares_[""]), "seconds": took})
        network = counting(whole, 1.0)
        found.add("both", right(network, theirs))
        found.add("other pictures", right(network, others))
        for name in ("words", "picture"):
            single = counting(made(temporal, kind, (name,)).fit(only(mine, [name])), 1.0)
            found.add(name, right(single, only(theirs, [name])))
            if kind != "tags":
                each[name] = hit(single, only(theirs, [name]))
        found.add("early", right(counting(whole, 0.0), theirs))
        say(seed, found.last("micro F1" if kind == "tags" else "accuracy", 3 if kind == "tags" else 1))
    if splits == 1 and kind != "tags":
        each |= {"both": hit(network, theirs), "other pictures": hit(network, others), "mixed": hit(whole, theirs)}
        each["early"] = hit(counting(whole, 0.0), theirs)
        return by_rows(found, each, Draws(theirs.clusters), len(views))
    return told(found, "micro F1" if kind == "tags" else "accuracy", len(views))


def made(params: Mapping[str, Any], kind: str, views: tuple[str, ...]) -> Temporal:
    """`temporal` with those of the parameters by view that are of these views."""
    held = {name: {v: one for v, one in of.items() if v in views} for name, of in params.items()}
    return Temporal(kind, **held)


def counting(fuser: Temporal, share: float) -> Temporal:
    """The same whose networks count so much: 1, they answer alone, calibrated as they are; 0, it is `early`."""
    other = copy.copy(fuser)
    other.shares_ = dict.fromkeys(fuser.shares_, share)
    return other


def right(fuser: Any, views: Views) -> dict[str, float]:
    """Accuracy in %; of tags F1, those at one half and above being given."""
    if fuser.kind != "tags":
        return {"accuracy": 100 * float(fuser.score(views))}
    truth, given = fuser.target_.encode(views.label) > 0.5, fuser.outputs(views) >= 0.5
    each = 2 * (truth & given).sum(axis=0) / np.maximum(truth.sum(axis=0) + given.sum(axis=0), 1)
    micro = 2 * (truth & given).sum() / (truth.sum() + given.sum())
    return {"micro F1": float(micro), "macro F1": float(each.mean())}


def hit(fuser: Any, views: Views) -> np.ndarray:
    """`(n,)` 100 where a row is answered rightly, else 0."""
    return 100 * np.asarray(fuser.predict(views) == views.label, dtype=float)


def by_rows(found: Runs, each: Mapping[str, np.ndarray], draws: Draws, rows: int) -> dict[str, Any]:
    """Of one split: accuracies and differences, with intervals by drawing its scored rows again."""
    mean = {name: draws.mean(values) for name, values in each.items()}
    scores = found.spreads()
    for name, one in mean.items():
        scores[name]["accuracy"] = interval_of(*one)
    differences = {name: difference(mean[ours], mean[theirs]) for name, (ours, theirs) in PAIRS.items()}
    over = f"{len(each['both'])} rows of one split"
    return {"rows": rows, "over": over, "scores": scores, "differences": differences}


def products() -> Views:
    """ikea with a list of colors a product as its label."""
    views, tags = colors()
    named = views.replace({"words": views["description"], "picture": views["image"]})
    named.facts["label"] = np.fromiter(tags, dtype=object, count=len(tags))
    kept: Views = named
    return kept


def told(found: Runs, measure: str, rows: int) -> dict[str, Any]:
    """Spreads, and the differences that are asked for."""
    mine = {name: np.array(of[measure]) for name, of in found.items()}
    count = mine["both"].size
    result: dict[str, Any] = {"rows": rows, "over": f"{count} splits", "scores": found.spreads()}
    if count > 1:
        shares = SHARES["test"], 1 - SHARES["test"]
        pairs = {name: (mine[ours], mine[theirs]) for name, (ours, theirs) in PAIRS.items()}
        result["differences"] = {name: apart(*pair, *shares) for name, pair in pairs.items()}
    return result


def measured(part: str, splits: int) -> dict[str, Any]:
    """One of the four."""
    if part == "tagger":
        encoders = {"words": "wordvec_text", "picture": "effnet_image"}
        return compared(products(), encoders, splits, {}, "tags")
    if part == "formula":
        encoders = {"words": "wordvec_text:pooled=False:steps=6"}
        heads = {"words": "bilstm", "picture": "conv"}
        return compared(sentences(), encoders, splits, {"steps": {"words": 6, "picture": STEPS}, "head": heads})
    views, words = posts(), "e5_text"
    if part == "binary":
        views, words = views[views.label != "neutral"], f"wordvec_text:pooled=False:steps={WORDS}"
    heads = {"words": "lstm"} if part == "binary" else {}
    return compared(views, {"words": words, "picture": "effnet_image"}, splits, {"head": heads} if heads else {})


def main() -> None:
    parser = arguments(__doc__, TITLES)
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    with threadpool_limits(1):
        finish({part: measured(part, args.splits) for part in args.parts or TITLES}, FIGURES, args)


if __name__ == "__main__":
    main()
