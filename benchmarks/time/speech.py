"""Speech: digits and commands recognized, voice activity, slots from words and from sound, and a talk that asks back.

`python -m benchmarks.time.speech` (fsdd, grid_s1, ravdess, esc; the first run recognizes some 2,000 clips, about 12
minutes
on one core, and keeps the words in the cache; then 3 minutes). `--only digits words slots emotion activity talk`.

Everything is chosen on train and val rows. Intervals are 95 %: clips drawn again (cluster bootstrap). GRID here is one
talker, fsdd six talkers who are all in train too, so neither says anything about new voices; pocketsphinx itself
has heard none of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._shared import finish, pack
from chiasm.cache import folder
from chiasm.encode._sound import log_mel
from chiasm.fuse.late import Late
from chiasm.media.clips import Wants, decode
from chiasm.media.speech import RATE, Heard, Word, jsgf, transcribe, vocabulary, voiced, word_errors
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks.talk import Dialogue, Talk
from chiasm.views import Column, Views, as_views

SLOTS = ("command", "color", "preposition", "letter", "digit", "adverb")
DIGITS = "zero one two three four five six seven eight nine".split()
ACTORS = {"train": [1, 2, 3, 4, 5, 6, 7, 8, 9], "val": [10, 11, 12, 13, 14], "test": [15, 16, 17, 18, 19, 20]}
"""Of ravdess, who babble behind the turns of each split."""
MULTI = 250
"""Training clips that the talk also learns from in noise of 10 dB: all of them would take long to recognize."""
NOISES = ("white 10", "babble 10", "white 0", "babble 0")
KEPT = folder() / "benchmark-speech"


# ---- sounds, noise, and the recognizer's answers, kept ----
def sounds(name: str) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """A pack's table, and each row's sound at 16,000 samples a second."""
    table = pd.read_parquet(pack(name) / "data.parquet")
    file = KEPT / f"{name}.npz"
    if not file.exists():
        held = [decode(str(pack(name) / one), Wants(rate=RATE)).sound for one in table.audio]
        KEPT.mkdir(parents=True, exist_ok=True)
        np.savez(file, sound=np.concatenate(held), ends=np.cumsum([len(one) for one in held]))
    kept = np.load(file)
    return table, np.split(kept["sound"], kept["ends"][:-1])


def babble(speakers: Sequence[int], seconds: float = 30.0) -> np.ndarray:
    """Eight clips of these ravdess actors at once, on and on."""
    table, held = sounds("ravdess")
    rng = np.random.default_rng(speakers[0])
    rows = np.flatnonzero(table.actor.isin(speakers))
    out = np.zeros(int(seconds * RATE))
    for _ in range(8):
        line = np.concatenate([held[i] / (held[i].std() + 1e-9) for i in rng.choice(rows, 14, replace=False)])
        out += np.resize(line, len(out))
    return out / out.std()


def noisy(held: Sequence[np.ndarray], noise: str, speakers: Sequence[int]) -> list[np.ndarray]:
    """Each sound with noise ("white 10", "babble 0": so many dB below it, both by their power over the clip)."""
    if noise == "clean":
        return list(held)
    kind, snr = noise.split()
    rng = np.random.default_rng(speakers[0])
    ground = babble(speakers) if kind == "babble" else rng.normal(size=30 * RATE)
    out = []
    for sound in held:
        start = rng.integers(len(ground) - len(sound))
        piece = ground[start : start + len(sound)]
        level = sound.std() / piece.std() * 10 ** (-float(snr) / 20)
        out.append((sound + level * piece).astype(np.float32))
    return out


def recognized(held: Sequence[np.ndarray], words: Any) -> tuple[list[Heard], float]:
    """What was recognized, from the cache where it is there; and processor seconds a second of sound."""
    key = hashlib.sha256(repr(words).encode())
    for sound in held:
        key.update(np.ascontiguousarray(sound).tobytes())
    file = KEPT / f"{key.hexdigest()[:20]}.json"
    if file.exists():
        kept = json.loads(file.read_text())
        found = [Heard(h["text"], h["confidence"], [Word(**w) for w in h["words"]]) for h in kept["heard"]]
        return found, kept["speed"]
    started = time.process_time()
    found = transcribe(held, RATE, words=words)
    speed = (time.process_time() - started) / (sum(map(len, held)) / RATE)
    plain = [{"text": h.text, "confidence": h.confidence, "words": [vars(w) for w in h.words]} for h in found]
    file.write_text(json.dumps({"heard": plain, "speed": speed}))
    return found, speed


def shown(found: dict[str, Any]) -> str:
    """A share with its interval, in %."""
    return f"{100 * found['value']:5.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


# ---- what is measured ----
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


def grid() -> tuple[pd.DataFrame, list[np.ndarray], dict[str, np.ndarray], str]:
    """grid_s1, its rows by split, and the grammar of its commands."""
    table, held = sounds("grid_s1")
    rows = {split: np.flatnonzero(table.split == split) for split in ("train", "val", "test")}
    return table, held, rows, jsgf(*(sorted(set(table[slot])) for slot in SLOTS))


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


def mel_steps(held: Sequence[np.ndarray], steps: int = 24) -> np.ndarray:
    """The mean log-mel spectrum in each of 24 equal parts of what is voiced, `(n, 24 * 64)`."""
    out = []
    for sound in held:
        spans = voiced(sound, RATE)
        cut = sound[int(spans[0][0] * RATE) : int(spans[-1][1] * RATE)] if spans else sound
        mel = log_mel(cut)
        mel = mel - mel.mean()
        parts = np.array_split(mel, steps) if len(mel) >= steps else [mel] * steps
        out.append(np.concatenate([part.mean(axis=0) for part in parts]))
    return np.array(out, np.float32)


def bag(texts: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Which of the known words stand in each text, `(n, d)`."""
    held = [set(text.split()) for text in texts]
    return np.array([[word in one for word in known] for one in held], np.float32)


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


# ---- voice activity ----
def everyday(folds: Sequence[int]) -> np.ndarray:
    """Sounds of ESC-10 (rain, dog, clock, helicopter, ...) without the voices, one after the other."""
    table, held = sounds("esc")
    some = table.esc10 & table.fold.isin(folds) & ~table.label.isin(["crying baby", "sneezing"])
    rows = np.random.default_rng(folds[0]).permutation(np.flatnonzero(some))[:60]
    return np.concatenate([held[i] / (held[i].std() + 1e-6) for i in rows])


def films(
    seed: int, count: int, snr: float, held: Sequence[np.ndarray], ground: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sounds of about 10 s: four clips at random places in noise of so many dB below them, and where they are.

    A clip is cut from the first to the last 10 ms that are within 20 dB of its loudest, so the truth is loudness too.
    """
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        parts, truth = [], []
        for i in rng.choice(len(held), 4, replace=False):
            gap = int(rng.uniform(0.7, 3.0) * RATE)
            clip = held[i] / (np.abs(held[i]).max() + 1e-9) * rng.uniform(0.2, 0.7)
            power = np.square(clip[: len(clip) // 160 * 160]).reshape(-1, 160).mean(axis=1)
            loud = np.flatnonzero(power > power.max() * 1e-2)
            clip = clip[loud[0] * 160 : (loud[-1] + 1) * 160]
            parts += [np.zeros(gap), clip]
            truth += [np.zeros(gap, bool), np.ones(len(clip), bool)]
        sound, spoken = np.concatenate([*parts, np.zeros(RATE)]), np.concatenate([*truth, np.zeros(RATE, bool)])
        start = rng.integers(len(ground) - len(sound))
        noise = ground[start : start + len(sound)]
        noise = noise / (noise.std() + 1e-9) * sound[spoken].std() * 10 ** (-snr / 20)
        out.append(((sound + noise).astype(np.float32), spoken[:: RATE // 100]))
    return out


def by_energy(sound: np.ndarray, threshold: float) -> np.ndarray:
    """The baseline: 10 ms that are so many dB above the quietest tenth, smoothed over 0.3 s."""
    power = 10 * np.log10(np.square(sound[: len(sound) // 160 * 160]).reshape(-1, 160).mean(axis=1) + 1e-12)
    high = (power - np.quantile(power, 0.1) > threshold).astype(float)
    return np.convolve(high, np.ones(31) / 31, "same") > 0.5


def by_detector(sound: np.ndarray, strict: int) -> np.ndarray:
    out = np.zeros(len(sound) // 160, bool)
    for start, end in voiced(sound, RATE, strict):
        out[round(start * 100) : round(end * 100)] = True
    return out


def agreement(found: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> np.ndarray:
    """By sound `(n, 4)`: frames of both, found, true; and the share of equal ones."""
    rows = []
    for one, two in zip(found, truth, strict=True):
        n = min(len(one), len(two))
        one, two = one[:n], two[:n]
        rows.append([(one & two).sum(), one.sum(), two.sum(), (one == two).mean()])
    return np.array(rows, float)


def f1(counts: np.ndarray, rows: Any = slice(None)) -> float:
    both, found, true = counts[rows, :3].sum(axis=0)
    return float(2 * both / max(found + true, 1))


def activity() -> dict[str, Any]:
    """Where someone speaks, in composed sounds: the detector against loudness; settings chosen on other clips."""
    result: dict[str, Any] = {}
    rng = np.random.default_rng(0)
    grounds = {
        "white": (rng.normal(size=60 * RATE), rng.normal(size=60 * RATE)),
        "everyday": (everyday([1, 2, 3]), everyday([4, 5])),
    }
    ways = (("detector", by_detector, (0, 1, 2, 3)), ("energy", by_energy, (0.5, 1, 2, 3, 5, 7, 10, 15)))
    packs = {}
    for name in ("fsdd", "grid_s1", "ravdess"):
        table, held = sounds(name)
        test = (table.split == ("val" if name == "ravdess" else "test")).to_numpy()
        packs[name] = [[held[i] for i in np.flatnonzero(side)] for side in (~test, test)]
    # One setting for everything: whoever uses it knows neither the noise nor the speaker.
    learn = [
        film
        for train, _ in packs.values()
        for ground, _ in grounds.values()
        for k, snr in enumerate((20, 10))
        for film in films(k, 6, snr, train, ground)
    ]
    best = {}
    for kind, run, settings in ways:
        scored = [f1(agreement([run(s, x) for s, _ in learn], [t for _, t in learn])) for x in settings]
        best[kind] = (run, settings[int(np.argmax(scored))])
    for name, (_, test) in packs.items():
        for noise, (_, ground) in grounds.items():
            for snr in (20, 10):
                asked = films(2, 40, snr, test, ground)
                draws, sampled, frames = Draws(np.arange(len(asked))), {}, {}
                for kind, (run, setting) in best.items():
                    counts = agreement([run(s, setting) for s, _ in asked], [t for _, t in asked])
                    sampled[kind] = draws.repeated(lambda r, c=counts: f1(c, r))
                    frames[kind] = interval_of(*draws.mean(counts[:, 3]))
                one = {kind: interval_of(*sampled[kind]) for kind in best}
                gap = difference(sampled["detector"], sampled["energy"])
                key = f"{name}, {noise} {snr} dB"
                result[key] = {"n": len(asked), "f1": one, "frames": frames, "gain": gap}
                print(
                    f"voice {key:24s} n {len(asked)}: F1 detector {shown(one['detector'])}"
                    f"  energy {shown(one['energy'])}  difference {shown(gap)};"
                    f"  frames {shown(frames['detector'])}, {shown(frames['energy'])}"
                )
    result["settings"] = {kind: setting for kind, (_, setting) in best.items()}
    print(f"   chosen on other clips: {result['settings']}")
    return result


# ---- the turn loop ----
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
    for kind, blocks in (("typed", typed), ("spoken", spoken)):
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
                result[key], known_ = scripted(model, block, truth, rows["test"], key)
                wrong.append((known_ == 0).sum(axis=1))
                sure.append((~np.isnan(known_)).sum(axis=1))
        counts = np.array([np.sum(wrong, axis=0), np.sum(sure, axis=0)], float)
        share = Draws(rows["test"]).repeated(lambda r, c=counts: float(c[0, r].sum() / max(c[1, r].sum(), 1)))
        result[f"{kind}, wrong of sure"] = interval_of(*share)
        print(
            f"   {kind}, all conditions: {counts[0].sum():.0f} of {counts[1].sum():.0f} sure values wrong, "
            f"{shown(result[f'{kind}, wrong of sure'])} (allowed 5.0)"
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
) -> tuple[dict[str, Any], np.ndarray]:
    """Talks about every test clip, 4 with other helping clips each; intervals over the clips.

    Also `(n, 6)` of the first turns: 1 and 0 for sure values that are right and wrong, NaN for unsure ones.
    """
    outputs = model.probabilities(block)
    rng = np.random.default_rng(0)
    first, last, turns, sure = [], [], [], []
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
    return one, known


def main() -> None:
    parts = {f.__name__: f for f in (digits, words, slots, emotion, activity, talk)}
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args().only
    finish({name: parts[name]() for name in chosen})


if __name__ == "__main__":
    main()
