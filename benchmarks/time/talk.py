"""A talk that asks back: six slots filled from typed and spoken turns, clean and in noise, also with the lips seen.

`python -m benchmarks.time.talk` (grid_s1, ravdess; the first run recognizes some 1,500 clips and keeps the words in the
cache).

Everything is chosen on train and val rows. Intervals are 95 %: clips drawn again (cluster bootstrap). GRID here is one
talker, fsdd six talkers who are all in train too, so neither says anything about new voices; pocketsphinx itself has
heard none of them. With lips: the lower face of the same clip in 25 steps as one view more, whatever the noise; the
difference is paired by clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks._sets import SLOTS, lower_face
from benchmarks._trials import arguments, family, finish
from benchmarks.time._speech import ACTORS, NOISES, bag, grid, mel_steps, noisy, recognized, shown
from chiasm.media.speech import vocabulary
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks.talk import Dialogue, Talk
from chiasm.views import Views, as_views

MULTI = 250
"""Training clips that the talk also learns from in noise of 10 dB: all of them would take long to recognize."""

LIP_STEPS = 25

TURNS = {
    f"{short}.{when}": (key, f"{when}_asking", f"{words}, {when} asking back")
    for short, key, words in (
        ("clean", "spoken, clean", "spoken"),
        ("typed", "typed, 1 word in 5 lost", "typed with one word in five lost"),
        ("noise10", "spoken, white 10", "spoken in white noise at 10 dB"),
        ("babble10", "spoken, babble 10", "spoken in babble at 10 dB"),
        ("noise0", "spoken, white 0", "spoken in white noise at 0 dB"),
        ("babble0", "spoken, babble 0", "spoken in babble at 0 dB"),
    )
    for when in ("without", "with")
}
WRONG = {
    f"wrong.{kind}": (f"{kind}, wrong of sure", f"{kind}: wrong among sure values")
    for kind in ("typed", "spoken", "lips")
}
LIPS = {
    f"lips.{short}.{figure}": (f"lips, {noise}", key, f"{words}, lips seen: {what}")
    for short, noise, words in (
        ("clean", "clean", "spoken"),
        ("noise10", "white 10", "spoken in white noise at 10 dB"),
        ("babble10", "babble 10", "spoken in babble at 10 dB"),
        ("noise0", "white 0", "spoken in white noise at 0 dB"),
        ("babble0", "babble 0", "spoken in babble at 0 dB"),
    )
    for figure, key, what in (
        ("with", "with_asking", "all right with asking back"),
        ("gain", "with_asking, gain", "all right with asking back, less without lips"),
        ("slots", "slots", "values right in the first turn"),
        ("slots.before", "slots, before", "values right in the first turn, without lips"),
        ("slots.gain", "slots, gain", "values right in the first turn, less without lips"),
    )
}
SHARE: dict[str, Any] = {"unit": "%", "scale": 100}
FIGURES = [
    *family((), "a talk of six slots, all right", TURNS, n="{n} clips", **SHARE),
    *family((), "a talk of six slots", {"turns": ("spoken, clean", "turns", "turns")}, n="{n} clips"),
    *family((), "a talk of six slots", WRONG, **SHARE),
    *family((), "a talk of six slots", LIPS, n="{n} clips", **SHARE),
]


class Scripted(NamedTuple):
    """What came of n talks."""

    sure: np.ndarray
    """`(n, 6)` of the first turns: 1 and 0 for sure values that are right and wrong, NaN for unsure ones."""
    right: np.ndarray
    """`(n, 6)` whether the likeliest value of the first turn is right."""
    done: np.ndarray
    """`(n,)` the share of talks that end with all six right."""


def lossy(texts: Sequence[str], share: float = 0.2, seed: int = 0) -> list[str]:
    """Each word lost with this chance."""
    rng = np.random.default_rng(seed)
    return [" ".join(word for word in text.split() if rng.random() >= share) for text in texts]


def talk() -> dict[str, Any]:
    """Scripted talks: fill six slots from test clips; asked for one, the user says another clip that has its value."""
    table, held, rows, grammar = grid()
    known = vocabulary(table.text[rows["train"]].tolist())
    typed, spoken = {}, {}
    texts = {split: table.text[rows[split]].tolist() for split in rows}
    typed["train", "clean"] = {"text": bag(texts["train"], known)}
    some = [held[i] for i in rows["train"]]
    spoken["train", "clean"] = said(some, grammar, known)
    for noise in NOISES[:2]:
        spoken["train", noise] = said(noisy(some[:MULTI], noise, ACTORS["train"]), grammar, known)
    for split in ("val", "test"):
        typed[split, "clean"] = {"text": bag(texts[split], known)}
        typed[split, "1 word in 5 lost"] = {"text": bag(lossy(texts[split], seed=len(split)), known)}
        for noise in ("clean", *NOISES):
            some = noisy([held[i] for i in rows[split]], noise, ACTORS[split])
            spoken[split, noise] = said(some, grammar, known)
    result: dict[str, Any] = {}
    truth = {slot: table[slot].to_numpy() for slot in SLOTS}
    face = lower_face(LIP_STEPS)
    seen = {key: block | {"lips": face[rows[key[0]][: len(block["sound"])]]} for key, block in spoken.items()}
    by_clip: dict[str, Scripted] = {}
    for kind, blocks in (("typed", typed), ("spoken", spoken), ("lips", seen)):
        parts = [key for key in blocks if key[0] != "test"]
        sizes = [len(next(iter(blocks[key].values()))) for key in parts]
        places = np.concatenate([rows[key[0]][:size] for key, size in zip(parts, sizes, strict=True)])
        held_ = {name: np.concatenate([blocks[key][name] for key in parts]) for name in blocks[parts[0]]}
        views = Views(
            as_views(held_).columns,
            places,
            {"split": np.repeat([key[0] for key in parts], sizes).astype(object)},
        )
        model = Talk().fit(views, {slot: values[places] for slot, values in truth.items()})
        wrong, sure = [], []
        for (split, noise), block in blocks.items():
            if split == "test":
                key = f"{kind}, {noise}"
                result[key], by_clip[key] = scripted(model, block, truth, rows["test"], key)
                wrong.append((by_clip[key].sure == 0).sum(axis=1))
                sure.append((~np.isnan(by_clip[key].sure)).sum(axis=1))
        counts = np.array([np.sum(wrong, axis=0), np.sum(sure, axis=0)], float)
        share = Draws(rows["test"]).repeated(lambda r, c=counts: float(c[0, r].sum() / max(c[1, r].sum(), 1)))
        result[f"{kind}, wrong of sure"] = interval_of(*share)
        print(
            f"   {kind}, all conditions: {counts[0].sum():.0f} of {counts[1].sum():.0f} sure values wrong, "
            f"{shown(result[f'{kind}, wrong of sure'])} (allowed 5.0)"
        )
    draws = Draws(rows["test"])
    for noise in ("clean", *NOISES):
        one, before = by_clip[f"lips, {noise}"], by_clip[f"spoken, {noise}"]
        slots, slots_before = draws.mean(one.right.mean(axis=1)), draws.mean(before.right.mean(axis=1))
        result[f"lips, {noise}"] |= {
            "with_asking, gain": difference(draws.mean(one.done), draws.mean(before.done)),
            "slots": interval_of(*slots),
            "slots, before": interval_of(*slots_before),
            "slots, gain": difference(slots, slots_before),
        }
        print(
            f"   lips, {noise}: "
            + ", ".join(f"{k} {shown(v)}" for k, v in result[f"lips, {noise}"].items() if "," in k)
        )
    return result


def said(held: Sequence[np.ndarray], grammar: str, known: Sequence[str]) -> dict[str, np.ndarray]:
    """What a spoken utterance is to the model: recognized words, and the sound."""
    heard = recognized(held, grammar)[0]
    words = bag([h.text for h in heard], known)
    words[[not h.text for h in heard]] = np.nan  # absent, as `speech_audio` has it
    return {"words": words, "sound": mel_steps(held)}


def scripted(
    model: Talk, block: dict[str, np.ndarray], truth: dict[str, np.ndarray], test: np.ndarray, name: str
) -> tuple[dict[str, Any], Scripted]:
    """Talks about every test clip, 4 with other helping clips each; intervals over the clips, and each clip's own."""
    outputs = model.probabilities(block)
    rng = np.random.default_rng(0)
    first, last, turns, sure, right = [], [], [], [], []
    for goal in range(len(test)):
        wanted = {slot: truth[slot][test[goal]] for slot in SLOTS}
        done, took = [], []
        for _ in range(4):
            state, said_now = Dialogue(), goal
            reply = model.reply(state, {slot: one[said_now] for slot, one in outputs.items()})
            opening = reply
            while reply.asked:
                same = np.flatnonzero(truth[reply.asked][test] == wanted[reply.asked])
                others = same[same != goal]
                said_now = rng.choice(others) if len(others) else goal  # nobody else says it: the same clip again
                reply = model.reply(state, {slot: one[said_now] for slot, one in outputs.items()})
            done.append(reply.values == wanted)
            took.append(state.turns)
        first.append(opening.values == wanted)
        right.append([opening.values[s] == wanted[s] for s in SLOTS])
        sure.append([opening.values[s] == wanted[s] if s not in opening.unsure else np.nan for s in SLOTS])
        last.append(np.mean(done))
        turns.append(np.mean(took))
    draws = Draws(test)
    known = np.array(sure, float)
    one = {
        "n": len(test),
        "without_asking": interval_of(*draws.mean(np.array(first, float))),
        "with_asking": interval_of(*draws.mean(np.array(last))),
        "gain": difference(draws.mean(np.array(last)), draws.mean(np.array(first, float))),
        "turns": interval_of(*draws.mean(np.array(turns))),
        "sure": interval_of(*draws.mean((~np.isnan(known)).mean(axis=1))),
        "wrong_of_sure": float(1 - np.nanmean(known)) if not np.isnan(known).all() else None,
    }
    wrong = "none" if one["wrong_of_sure"] is None else f"{100 * one['wrong_of_sure']:.1f}"
    print(
        f"talk {name:24s} n {len(test)}: all six right {shown(one['without_asking'])} -> {shown(one['with_asking'])}"
        f"  turns {one['turns']['value']:.2f} [{one['turns']['low']:.2f}, {one['turns']['high']:.2f}]"
        f"  sure {shown(one['sure'])}, {wrong} of these wrong"
    )
    return one, Scripted(known, np.array(right, float), np.array(last))


def main() -> None:
    args = arguments(__doc__).parse_args()
    finish(talk(), FIGURES, args)


if __name__ == "__main__":
    main()
