"""Fusers over tokens on tweets: patches and words, against `early` on the pooled features of the same encoders.

`python -m benchmarks.fuse.tokens [--splits 5] [--method NAME ...]`: 1,500 rows of mvsa_single, drawn once, with the
patches of `effnet_image` (49) and the words and parts of words of `minilm_text`; by the protocol of
`benchmarks/fuse/classes.py`, each method learns from training and validation rows and is scored on the others:

- early: on the pooled features of the same two encoders; words: `early` on the pooled words alone;
- coattention, cross_attention, transformer: on the tokens, as they answer, beside their closed head;
- NAME, network: what its networks say alone (their share 1 wherever views are).

Accuracy in %, log loss in nats, seconds of a fit on one thread, and the networks' share of the answer where both views
are there. Differences to `early`, split by split, with Nadeau & Bengio's (2003) interval. What is set in the fusers was
set on planted data alone.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks._sets import only, pictures
from benchmarks._trials import SHARES, Figure, Runs, alone, apart, arguments, finish, protocol, say
from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.views import Views

ROWS = 1500
METHODS = ("coattention", "cross_attention", "transformer")
BASE, WORDS, NETWORK = "early", "words", "{}, network"
ENCODERS = {"text": "minilm_text", "image": "effnet_image"}

FIGURES = [
    Figure(name, ("scores", method, "accuracy"), f"tweets, {ROWS} rows, accuracy: {what}", "%", n="{n} splits")
    for name, method, what in (
        ("early", BASE, "`early` on pooled features"),
        ("words", WORDS, "`early` on pooled words"),
        *((method, method, f"`{method}` on tokens") for method in METHODS),
        *((f"{method}.network", NETWORK.format(method), f"the networks of `{method}` alone") for method in METHODS),
    )
]
FIGURES += [
    Figure(f"{name}.share", ("scores", name, "share"), f"tweets: share of `{name}`'s networks in its answer", n="{n}")
    for name in METHODS
]
FIGURES += [
    Figure(f"{name}.seconds", ("scores", name, "seconds"), f"tweets: fit of `{name}`, one thread", "s", n="{n} splits")
    for name in METHODS
]
FIGURES += [
    Figure(
        f"{name}{end}.gain{short}",
        (f"{measure} minus {BASE}'s", NETWORK.format(name) if end else name),
        f"tweets, {measure}: {'the networks of ' if end else ''}`{name}`{' alone' if end else ''} less `early`",
        unit,
        form,
        "{n} splits",
    )
    for name in METHODS
    for end in ("", ".network")
    for measure, short, unit, form in (("accuracy", "", "points", "+.1f"), ("log loss", ".loss", "", "+.3f"))
]


def scores(fuser: Any, test: Views) -> dict[str, float]:
    """Accuracy and log loss."""
    truth, outputs = fuser.target_.encode(test.label), fuser.outputs(test)
    right = outputs.argmax(axis=1) == truth.argmax(axis=1)
    return {"accuracy": 100 * float(right.mean()), "log loss": float(-fuser.target_.gain(outputs, truth).mean())}


def compared(splits: int, methods: list[str]) -> dict[str, Any]:
    """Every method on the same splits."""
    raw = pictures("mvsa_single", label="label")
    raw = raw[np.sort(np.random.default_rng(0).permutation(len(raw))[:ROWS])]
    pooled = Encoding(ENCODERS).fit(raw).transform(raw)
    parts = {name: f"{encoder}:pooled=False" for name, encoder in ENCODERS.items()}
    tokens = Encoding(parts).fit(raw).transform(raw)
    found = Runs()
    for seed, split in protocol(raw, splits):
        learn, test = split != "test", split == "test"
        found.add(BASE, scores(Early().fit(pooled[learn]), pooled[test]))
        found.add(WORDS, scores(Early().fit(only(pooled, ["text"])[learn]), pooled[test]))
        for method in methods:
            started = time.process_time()
            fuser = registry.make("fuse", method).fit(tokens[learn])
            took = time.process_time() - started
            both = {"seconds": took, "share": fuser.shares_.get("0,1", fuser.shares_[""])}
            found.add(method, {**scores(fuser, tokens[test]), **both})
            found.add(NETWORK.format(method), scores(alone(fuser), tokens[test]))
        say(seed, found.last("accuracy"))
    result: dict[str, Any] = {"rows": len(raw), "classes": len(set(raw.label)), "scores": found.spreads()}
    for measure in ("accuracy", "log loss") if splits > 1 else ():
        result[f"{measure} minus {BASE}'s"] = {
            method: apart(values[measure], found[BASE][measure], SHARES["test"], 1 - SHARES["test"])
            for method, values in found.items()
            if method != BASE
        }
    return result


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--method", action="append", choices=METHODS)
    args = parser.parse_args()
    with threadpool_limits(1):
        finish(compared(args.splits, args.method or list(METHODS)), FIGURES, args)


if __name__ == "__main__":
    main()
