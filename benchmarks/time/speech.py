"""Speech: digits and commands recognized, slots from words and from sound, emotion from words.

`python -m benchmarks.time.speech [digits|words|slots|emotion ...]` (fsdd, grid_s1, ravdess; the first run recognizes
some 2,000 clips, about 12 minutes on one core, and keeps the words in the cache).

Everything is chosen on train and val rows. Intervals are 95 %: clips drawn again (cluster bootstrap). GRID here is one
talker, fsdd six talkers who are all in train too, so neither says anything about new voices; pocketsphinx itself has
heard none of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import SLOTS
from benchmarks._trials import arguments, family, finish
from benchmarks.time._speech import ACTORS, NOISES, bag, grid, mel_steps, noisy, recognized, shown, sounds
from chiasm.fuse.late import Late
from chiasm.media.speech import jsgf, vocabulary, word_errors
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.views import Column, Views

DIGITS = "zero one two three four five six seven eight nine".split()
GRAMMAR = "recognized, learned from recognized"
SHARE: dict[str, Any] = {"unit": "%", "scale": 100}
FIGURES = [
    *family(
        ("digits",),
        "spoken digits",
        {"digits": ("accuracy", "recognized by a ten-word grammar")},
        n="{n} clips",
        **SHARE,
    ),
    *family(
        ("words",),
        "word error rate on commands",
        {
            "words.grammar": ("grammar", "word_error_rate", "grammar"),
            "words.list": ("list of 51 words", "word_error_rate", "word list"),
            "words.open": ("open English", "word_error_rate", "open English"),
        },
        n="{n} clips",
        **SHARE,
    ),
    *family(
        ("slots",),
        "six slots of a command, mean accuracy",
        {
            "slots.true": ("true words", "mean", "from true words"),
            "slots.recognized": (GRAMMAR, "mean", "from recognized words"),
            "slots.sound": ("sound (log-mel, 24 parts)", "mean", "from the sound"),
            "slots.both": ("recognized + sound", "mean", "from recognized words and sound"),
        },
        n="75 clips",
        **SHARE,
    ),
    *family(
        ("slots",),
        "six slots of a command",
        {"slots.gain": (f"recognized + sound minus {GRAMMAR}", "what the sound adds to recognized words")},
        format="+.1f",
        n="75 clips",
        **{**SHARE, "unit": "points"},
    ),
    *family(
        ("emotion",),
        "emotion in speech from what is said",
        {"emotion": ("recognized words", "recognized words"), "emotion.chance": ("chance", "by chance")},
        n="{n} clips, {actors} actors",
        **SHARE,
    ),
]


def digits() -> dict[str, Any]:
    """fsdd's given test split, the ten digits as grammar; by speaker."""
    table, held = sounds("fsdd")
    test = np.flatnonzero(table.split == "test")
    heard, speed = recognized([held[i] for i in test], jsgf(DIGITS))
    right = np.array([h.text == table.text[i] for h, i in zip(heard, test, strict=True)])
    result: dict[str, Any] = {"n": len(test), "accuracy": interval_of(*Draws(test).mean(right)), "real_time": speed}
    print(f"digits (fsdd test, n {len(test)}, chance 10): {shown(result['accuracy'])} at {speed:.2f} x real time")
    result["speakers"] = {}
    for speaker in sorted(set(table.speaker)):
        rows = np.flatnonzero(table.speaker[test] == speaker)
        result["speakers"][speaker] = one = interval_of(*Draws(rows).mean(right[rows]))
        print(f"   {speaker:12s} n {len(rows)}  {shown(one)}")
    return result


def words() -> dict[str, Any]:
    """Word error rate on grid_s1 by what the recognizer is told can come."""
    table, held, rows, grammar = grid()
    known = table.text[rows["train"]].tolist()
    unseen = np.concatenate([rows["test"], rows["val"]])
    result: dict[str, Any] = {}
    clean = [held[i] for i in unseen]
    asked = [
        ("grammar", grammar, unseen, clean),
        ("bigrams of train", known, unseen, clean),
        ("list of 51 words", vocabulary(known), unseen, clean),
        ("open English", None, rows["test"], [held[i] for i in rows["test"]]),
    ]
    for noise in NOISES:
        some = noisy([held[i] for i in rows["test"]], noise, ACTORS["test"])
        asked.append((f"grammar, {noise} dB", grammar, rows["test"], some))
    for name, told, some, heard_of in asked:
        heard, speed = recognized(heard_of, told)
        counts = np.array([word_errors(table.text[i], h.text) for h, i in zip(heard, some, strict=True)])
        draws = Draws(np.arange(len(some)))
        rate = interval_of(*draws.repeated(lambda r, c=counts: float(c[r, 0].sum() / c[r, 1].sum())))
        whole = interval_of(*draws.mean(counts[:, 0] == 0))
        result[name] = {"n": len(some), "word_error_rate": rate, "all_right": whole, "real_time": speed}
        print(f"words (grid_s1, n {len(some)}) {name:20s} WER {shown(rate)}  all right {shown(whole)}  {speed:.2f} x")
    return result


def rows_of(blocks: dict[str, np.ndarray], labels: np.ndarray) -> Views:
    return Views({name: Column("vector", values) for name, values in blocks.items()}, facts={"label": labels})


def slots() -> dict[str, Any]:
    """The six slots of grid_s1's test clips from the true words, from recognized words, and from the sound itself."""
    table, held, rows, grammar = grid()
    known = vocabulary(table.text[rows["train"]].tolist())
    some = {split: [held[i] for i in rows[split]] for split in rows}
    true = {split: bag(table.text[rows[split]].tolist(), known) for split in rows}
    told = {split: bag([h.text for h in recognized(some[split], grammar)[0]], known) for split in ("train", "test")}
    free = bag([h.text for h in recognized(some["test"], None)[0]], known)
    mel = {split: mel_steps(some[split]) for split in ("train", "test")}
    sources = {  # by name: what is learned from, what is answered
        "true words": ({"words": true["train"]}, {"words": true["test"]}),
        "recognized, learned from true": ({"words": true["train"]}, {"words": told["test"]}),
        "recognized, learned from recognized": ({"words": told["train"]}, {"words": told["test"]}),
        "open English, learned from true": ({"words": true["train"]}, {"words": free}),
        "sound (log-mel, 24 parts)": ({"sound": mel["train"]}, {"sound": mel["test"]}),
        "recognized + sound": (
            {"words": told["train"], "sound": mel["train"]},
            {"words": told["test"], "sound": mel["test"]},
        ),
    }
    right: dict[str, np.ndarray] = {}
    for name, (learn, ask) in sources.items():
        by_slot = []
        for slot in SLOTS:
            model = Late().fit(rows_of(learn, table[slot].to_numpy()[rows["train"]]))
            by_slot.append(
                model.predict(rows_of(ask, table[slot].to_numpy()[rows["test"]])) == table[slot][rows["test"]]
            )
        right[name] = np.array(by_slot, float).T
    draws = Draws(rows["test"])
    result: dict[str, Any] = {}
    print(f"slots (grid_s1 test, n {len(rows['test'])}), mean of six, then {', '.join(SLOTS)}; all six at once")
    for name, hits in right.items():
        result[name] = one = {
            "mean": interval_of(*draws.mean(hits.mean(axis=1))),
            "all": interval_of(*draws.mean(hits.all(axis=1))),
            **{slot: interval_of(*draws.mean(hits[:, i])) for i, slot in enumerate(SLOTS)},
        }
        each = " ".join(f"{100 * one[slot]['value']:5.1f}" for slot in SLOTS)
        print(f"   {name:36s} {shown(one['mean'])}  {each}  all {shown(one['all'])}")
    for one, other in (
        ("sound (log-mel, 24 parts)", "recognized, learned from recognized"),
        ("recognized + sound", "recognized, learned from recognized"),
        ("recognized + sound", "sound (log-mel, 24 parts)"),
        ("recognized, learned from recognized", "true words"),
    ):
        gap = difference(draws.mean(right[one].mean(axis=1)), draws.mean(right[other].mean(axis=1)))
        result[f"{one} minus {other}"] = gap
        print(f"   {one} minus {other}: {shown(gap)}")
    return result


def emotion() -> dict[str, Any]:
    """ravdess, actors 19-20 (its val): emotion from recognized words and from the two true sentences."""
    table, held = sounds("ravdess")
    test = np.flatnonzero(table.split == "val")
    train = np.random.default_rng(0).permutation(np.flatnonzero(table.split == "train"))[:180]
    lines = sorted(set(table.text))
    known = vocabulary(lines)
    told = {i: recognized([held[j] for j in rows], lines)[0] for i, rows in (("train", train), ("test", test))}
    result: dict[str, Any] = {"n": len(test), "actors": 2, "chance": 2 / 15}
    draws = Draws(test)
    for name, learn, ask in (
        ("recognized words", [h.text for h in told["train"]], [h.text for h in told["test"]]),
        ("true words", table.text[train].str.lower().tolist(), table.text[test].str.lower().tolist()),
    ):
        labels = table.emotion.to_numpy()
        model = Late().fit(rows_of({"words": bag(learn, known)}, labels[train]))
        found = model.predict(rows_of({"words": bag(ask, known)}, labels[test]))
        result[name] = interval_of(*draws.accuracy(labels[test], found))
        print(f"emotion from {name} (ravdess, n {len(test)}, 2 actors, chance 13.3): {shown(result[name])}")
    counts = np.array([word_errors(table.text[i], h.text) for h, i in zip(told["test"], test, strict=True)])
    rate = draws.repeated(lambda r: float(counts[r, 0].sum() / counts[r, 1].sum()))
    result["word_error_rate"] = interval_of(*rate)
    print(f"   its words by bigrams of the two sentences: WER {shown(result['word_error_rate'])}")
    return result


PARTS = {f.__name__: f for f in (digits, words, slots, emotion)}


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    finish({name: PARTS[name]() for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
