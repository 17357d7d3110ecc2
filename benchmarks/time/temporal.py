"""Heads over time on real clips: against a closed learner on the same numbers, shuffled in time, and by streams.

`python -m benchmarks.time.temporal [lips|streams|words|still|fights ...]`; all five without. grid_s1 is scored on its
75 test clips, learned from the other 725 (nothing here is chosen on any of them: no validation rows are needed);
surv_fight on five folds of neighboring blocks. Paired intervals by drawing test clips again.

- lips: the command (4) and the digit (10) of a sentence from the pixels of the lower face in 25 steps; each head
  against `early` on the same numbers, as it comes (the closed head beside it) and its network alone; of that, with the
  steps of every clip shuffled, in test alone or throughout.
- streams: all 51 words of the sentences as tags from frame differences, displacement of what moves, raw sound and
  sound features, each a GRU of its own, against `early`; each stream left out in turn, and alone; the sentence found
  among the 75 by the words' probabilities (R@1, R@5).
- words: F = W_fc [tanh(W_lstm H); tanh(W_conv V)], H the sentence with every word misheard half the time, V the faces.
- still: a frame out of the middle finds its video (the mean of four other frames) among 75 of the same talker; a near
  twin is a still of another clip at a cosine of .98 or more.
- fights: an LSTM over four frames, or over what moves in eight steps, and a still; GRU fusion against concatenation and
  against `early`, as they come and the networks alone.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks._sets import SLOTS, fights, files, lower_face, pack
from benchmarks._trials import Figure, alone, arguments, family, finish, say
from chiasm import registry
from chiasm.align.auto import Auto
from chiasm.encode._timed import Steps, Timed
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.fuse.temporal import Temporal
from chiasm.media.clips import Decoded, Wants
from chiasm.stats.resample import Draws, Sampled, difference, interval_of
from chiasm.views import Column, Views

STEPS = 25
HEADS = ("gru", "lstm", "attention", "conv")
MISHEARD = 0.5
NEAR = 0.98
"""The cosine from which a frame counts as nearly equal."""

LIPS = {
    f"lips.{slot}.{short}": (slot, *at, f"{slot}: {words}")
    for slot in ("command", "digit")
    for short, at, words in (
        ("early", ("early",), "closed `early`"),
        *((head, (head, "accuracy"), head) for head in HEADS),
        *((f"{head}.network", (head, "network"), f"the network of {head} alone") for head in HEADS),
    )
}
LIPS_LESS = {
    f"lips.{slot}.{head}.{short}": (slot, head, key, f"{slot}: {head} {words}")
    for slot in ("command", "digit")
    for head in HEADS
    for short, key, words in (
        ("less_early", "minus early", "less closed `early`"),
        ("network.less_early", "network minus early", "its network alone, less closed `early`"),
        ("order", "minus in order", "its network alone, steps shuffled at the test less in order"),
    )
}
STREAMS = ("differences", "displacement", "raw sound", "sound features")
LESS = {
    f"streams.less.{s.replace(' ', '_')}": (f"less {s}", "word accuracy", f"word accuracy without {s}") for s in STREAMS
}
MIXED = "all four, steps shuffled in test"
LESS["streams.shuffled"] = (MIXED, "word accuracy", "word accuracy, steps shuffled at the test")
LESS["streams.less_early"] = ("less early", "word accuracy", "word accuracy less closed `early`")
WHOLE = {
    "streams.words": ("all four", "word accuracy", "word accuracy"),
    "streams.network": ("network", "word accuracy", "word accuracy, the networks alone"),
    "streams.early": ("early", "word accuracy", "word accuracy of closed `early`"),
    "streams.r1": ("all four", "R@1", "sentence R@1"),
    "streams.chance": ("chance", "R@1", "sentence R@1 by chance"),
}
WORDS = {"words.both": ("both", "words and lips"), "words.alone": ("words", "alone", "words alone")}
STILL = {
    "still": ("cosine", "R@1", "R@1"),
    "still.twins": ("cosine", "R@1 of stills with a near twin", "R@1 of stills with a near twin"),
}
FIGHTS = {
    f"fights.{title}.{short}": (title, key, f"{key}, {title}")
    for title in ("frames", "motion")
    for short, key in (
        ("gru-concat", "GRU fusion minus concatenation"),
        ("gru-early", "GRU fusion minus early"),
        ("network.gru-concat", "network of GRU fusion minus concatenation"),
        ("network.gru-early", "network of GRU fusion minus early"),
    )
}
SHARE: dict[str, Any] = {"unit": "%", "n": "{test} clips"}
MORE: dict[str, Any] = {"unit": "points", "format": "+.1f"}
FIGURES = [
    *family(("lips",), "lips to words in 25 steps", LIPS, **SHARE),
    *family(("lips",), "lips to words in 25 steps", LIPS_LESS, n="{test} clips", **MORE),
    *family(("streams",), "four streams to the words of a sentence", WHOLE, **SHARE),
    *family(("streams",), "four streams to the words of a sentence", LESS, n="{test} clips", **MORE),
    *family(("words",), "a digit from half-misheard words and lips", WORDS, **SHARE),
    *family(("still",), "a still finds its video among 75", STILL, **SHARE),
    Figure("still.near", ("still", "stills with a near twin"), "stills of 75 that have a near twin", "", ".0f"),
    *family(("fights",), "fights from a still and a video", FIGHTS, n="{clips} clips", **MORE),
]


class RawSound(Timed):
    """Every 10 ms of the waveform: log root mean square, log of the steepest slope, share of sign changes."""

    modality = "audio"

    def __init__(self, steps: int = 0):
        self.steps = steps

    @property
    def wants(self) -> Wants:
        return Wants(rate=16000)

    def over_time(self, decoded: Decoded) -> Steps:
        sound = decoded.sound[: len(decoded.sound) // 160 * 160].reshape(-1, 160)
        slope = np.abs(np.diff(sound, axis=1)).max(axis=1)
        turns = (np.diff(np.sign(sound), axis=1) != 0).mean(axis=1)
        values = np.stack([np.log(sound.std(axis=1) + 1e-4), np.log(slope + 1e-4), turns], axis=1)
        start = 0.01 * np.arange(len(values))
        return Steps(values.astype(np.float32), start, start + 0.01)


def made(name: str, **params: Any) -> Any:
    return registry.get("encode", name)(**params)


def encoded(files: list[str], modality: str, encoders: dict[str, Any]) -> dict[str, np.ndarray]:
    """`(n, d)` by encoder, one decode for all."""
    views = Views({name: Column(modality, files) for name in encoders})
    found = Encoding(encoders).fit(views).transform(views)
    return {name: np.asarray(found[name].take(found[name].index)) for name in encoders}


def talker() -> tuple[pd.DataFrame, np.ndarray]:
    """The clips of grid_s1, and which are its test rows."""
    table = pd.read_parquet(pack("grid_s1") / "data.parquet")
    return table, (table.split == "test").to_numpy()


def shuffled(values: np.ndarray, steps: int, seed: int = 0) -> np.ndarray:
    """The same steps of every row in a random order of its own."""
    rng = np.random.default_rng(seed)
    whole = values.reshape(len(values), steps, -1)
    return np.stack([row[rng.permutation(steps)] for row in whole]).reshape(len(values), -1)


def told(title: str, found: dict[str, Any]) -> dict[str, Any]:
    say(title, found)
    return found


def right(fuser: Any, views: dict[str, np.ndarray], truth: np.ndarray) -> np.ndarray:
    return np.asarray(fuser.predict(views) == truth, dtype=float)


def percent(sampled: Sampled) -> dict[str, float | None]:
    return {k: None if v is None else round(100 * v, 1) for k, v in interval_of(*sampled).items()}


def more(one: Sampled, other: Sampled) -> dict[str, float | None]:
    return {k: None if v is None else round(100 * v, 1) for k, v in difference(one, other).items()}


def lips() -> dict[str, Any]:
    """Accuracy of every head and of `early`; of shuffled steps, the difference to the head in order."""
    table, test = talker()
    face = lower_face(STEPS)
    mixed, draws = shuffled(face, STEPS), Draws(np.flatnonzero(test))
    result: dict[str, Any] = {"train": int((~test).sum()), "test": int(test.sum())}
    for slot in ("command", "digit"):
        y = table[slot].to_numpy(dtype=object)
        found: dict[str, Any] = {"chance": round(100 * max(pd.Series(y[test]).value_counts(normalize=True)), 1)}
        closed = draws.mean(right(Early().fit({"face": face[~test]}, y[~test]), {"face": face[test]}, y[test]))
        found["early"] = percent(closed)
        for head in HEADS:
            started = time.process_time()
            fuser = Temporal(steps=STEPS, head=head).fit({"face": face[~test]}, y[~test])
            took = time.process_time() - started
            network = alone(fuser)
            mine = draws.mean(right(fuser, {"face": face[test]}, y[test]))
            own = draws.mean(right(network, {"face": face[test]}, y[test]))
            broken = draws.mean(right(network, {"face": mixed[test]}, y[test]))
            found[head] = {"accuracy": percent(mine), "minus early": more(mine, closed), "seconds": round(took, 1)}
            found[head] |= {
                "share": fuser.shares_["0"],
                "network": percent(own),
                "network minus early": more(own, closed),
            }
            found[head] |= {"shuffled in test": percent(broken), "minus in order": more(broken, own)}
            if head == "gru":
                again = alone(Temporal(steps=STEPS, head=head).fit({"face": mixed[~test]}, y[~test]))
                blind = draws.mean(right(again, {"face": mixed[test]}, y[test]))
                found[head] |= {"shuffled throughout": percent(blind), "throughout minus in order": more(blind, own)}
            told(f"{slot} {head}", found[head])
        result[slot] = found
    return result


def hits(probabilities: np.ndarray, sentences: list[str], words: list[str], k: int) -> np.ndarray:
    """1 where a clip's own sentence is among the first k by the sum of log odds of its words; ties count by chance."""
    odds = np.log(np.clip(probabilities, 1e-4, 1 - 1e-4))
    odds -= np.log1p(-np.clip(probabilities, 1e-4, 1 - 1e-4))
    holds = np.array([[w in s.split() for w in words] for s in sentences], dtype=float)
    scores = odds @ holds.T
    own = np.diag(scores)[:, None]
    above, level = (scores > own + 1e-9).sum(axis=1), (np.abs(scores - own) <= 1e-9).sum(axis=1)
    return np.clip((k - above) / level, 0, 1)


def streams() -> dict[str, Any]:
    """Word accuracy and retrieval of all four streams, less each one, and each alone."""
    table, test = talker()
    motion = {
        "differences": made("motion_video", stream="differences", steps=STEPS),
        "displacement": made("motion_video", stream="displacement", steps=STEPS),
    }
    sound = {"raw sound": RawSound(steps=STEPS), "sound features": made("mel_audio", steps=STEPS)}
    held = encoded(files("grid_s1", "video"), "video", motion)
    held |= encoded(files("grid_s1", "audio"), "audio", sound)
    sentences = table.text.tolist()
    tags = [sentence.split() for sentence in sentences]
    draws = Draws(np.flatnonzero(test))

    def measures(fuser: Any, views: dict[str, np.ndarray]) -> dict[str, Sampled]:
        out, words = fuser.outputs({name: values[test] for name, values in views.items()}), list(fuser.target_.names_)
        mine = [sentences[i] for i in np.flatnonzero(test)]
        slotted = []
        for slot in SLOTS:  # a slot's word is the likeliest of the words that the slot can have
            known = sorted(set(table[slot]))
            best = out[:, [words.index(word) for word in known]].argmax(axis=1)
            slotted.append(np.array(known)[best] == table[slot].to_numpy()[test])
        found = {"word accuracy": draws.mean(np.mean(slotted, axis=0))}
        return found | {f"R@{k}": draws.mean(hits(out, mine, words, k)) for k in (1, 5)}

    learned = {name: values[~test] for name, values in held.items()}
    whole = Temporal("tags", steps=STEPS, head="gru").fit(learned, [tags[i] for i in np.flatnonzero(~test)])
    base = measures(whole, held)
    result: dict[str, Any] = {
        "test": int(test.sum()),
        "chance": {"R@1": round(100 / int(test.sum()), 1), "R@5": round(500 / int(test.sum()), 1)},
        "all four": told("all four", {name: percent(value) for name, value in base.items()}),
        "weights": {name: round(value, 3) for name, value in whole.weights_.items()},
    }
    closed = measures(Early("tags").fit(learned, [tags[i] for i in np.flatnonzero(~test)]), held)
    result["early"] = told("early", {name: percent(value) for name, value in closed.items()})
    result["less early"] = {name: more(value, closed[name]) for name, value in base.items()}
    result["network"] = {name: percent(value) for name, value in measures(alone(whole), held).items()}
    mixed = {name: shuffled(values, STEPS) for name, values in held.items()}
    found = measures(whole, mixed)
    result[MIXED] = told(MIXED, {name: more(value, base[name]) for name, value in found.items()})
    for name in held:
        rest = {other: values for other, values in held.items() if other != name}
        found = measures(whole, rest)
        result[f"less {name}"] = told(name, {m: more(value, base[m]) for m, value in found.items()})
        only = measures(whole, {name: held[name]})
        result[f"{name} alone"] = told(name, {m: percent(value) for m, value in only.items()})
    return result


def words() -> dict[str, Any]:
    """The digit from faces and half-misheard words, together and each alone; and words whose rows are shuffled."""
    table, test = talker()
    rng = np.random.default_rng(0)
    said = np.array([sentence.split() for sentence in table.text])
    heard = said.copy()
    for slot in range(said.shape[1]):
        wrong = rng.random(len(said)) < MISHEARD
        heard[wrong, slot] = rng.choice(np.unique(said[:, slot]), wrong.sum())
    known = np.unique(said)
    sentence = (heard[:, :, None] == known).astype(np.float32).reshape(len(said), -1)
    held = {"words": sentence, "pictures": lower_face(STEPS)}
    heads = {"words": "bilstm", "pictures": "conv"}
    paces = {"words": said.shape[1], "pictures": STEPS}
    y, draws = table.digit.to_numpy(dtype=object), Draws(np.flatnonzero(test))
    fuser = Temporal(steps=paces, head=heads).fit({n: v[~test] for n, v in held.items()}, y[~test])
    both = draws.mean(right(fuser, {n: v[test] for n, v in held.items()}, y[test]))
    closed = Early().fit({n: v[~test] for n, v in held.items()}, y[~test])
    result: dict[str, Any] = {"test": int(test.sum()), "both": percent(both)}
    plain = draws.mean(right(closed, {n: v[test] for n, v in held.items()}, y[test]))
    result |= {"early, both": percent(plain), "minus early": more(both, plain)}
    for name, values in held.items():
        single = Temporal(steps={name: paces[name]}, head={name: heads[name]}).fit({name: values[~test]}, y[~test])
        one = draws.mean(right(single, {name: values[test]}, y[test]))
        result[name] = {"alone": percent(one), "both minus alone": more(both, one)}
    swapped = {"words": sentence[test], "pictures": held["pictures"][test][rng.permutation(test.sum())]}
    result["pictures of other clips"] = more(draws.mean(right(fuser, swapped, y[test])), both)
    return told("words", result)


def ranks(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """How many of the gallery are closer to each query than its own, by cosine."""
    q, g = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, gallery))
    scores = q @ g.T
    found: np.ndarray = (scores > np.diag(scores)[:, None]).sum(axis=1)
    return found


def still() -> dict[str, Any]:
    """R@1 and R@5 of a still among the videos of the test rows, by cosine and in the space of `auto`."""
    table, test = talker()
    frames = made("frames_video", pictures=5, steps=5)
    values = encoded(files("grid_s1", "video"), "video", {"f": frames})["f"].reshape(len(table), 5, -1)
    picture, video = values[:, 2], values[:, [0, 1, 3, 4]].mean(axis=1)
    draws = Draws(np.flatnonzero(test))
    unit = picture[test] / np.linalg.norm(picture[test], axis=1, keepdims=True)
    alike = unit @ unit.T
    others = alike[~np.eye(len(alike), dtype=bool)]
    near = (alike - 2 * np.eye(len(alike))).max(axis=1) >= NEAR
    result: dict[str, Any] = {"test": int(test.sum()), "chance R@1": round(100 / int(test.sum()), 1)}
    result["stills with a near twin"] = int(near.sum())
    result["median cosine of two clips' stills"] = round(float(np.median(others)), 4)
    aligner = Auto().fit({"image": picture[~test], "video": video[~test]})
    mapped = aligner.transform({"image": picture[test], "video": video[test]})
    middle = video[~test].mean(axis=0)
    spaces = {
        "cosine": (picture[test], video[test]),
        "cosine of centered features": (picture[test] - middle, video[test] - middle),
        "auto": (mapped["image"].items, mapped["video"].items),
    }
    known = {title: ranks(*pair) for title, pair in spaces.items()}
    for title, places in known.items():
        result[title] = {f"R@{k}": percent(draws.mean(places < k)) for k in (1, 5)}
        twins = np.where(near, places < 1, np.nan)
        result[title]["R@1 of stills with a near twin"] = percent(draws.mean(twins))
        result[title]["R@1 minus cosine's"] = more(draws.mean(places < 1), draws.mean(known["cosine"] < 1))
    return told("still", result)


def joins() -> dict[str, Any]:
    """Out-of-fold accuracy of still + video by GRU fusion, by concatenation, by `early`; of each view alone.

    The video is four frames through the image encoder, or what moves in eight steps.
    """
    views, block, paths = fights()
    frames = made("frames_video", pictures=5, steps=5)
    found = encoded(paths, "video", {"frames": frames, "motion": made("motion_video", steps=8)})
    cells = found["frames"].reshape(len(views), 5, -1)
    y = views.label
    clusters = np.array([f"{a} {b}" for a, b in zip(y, block, strict=True)])
    result: dict[str, Any] = {"clips": len(y), "blocks": len(set(clusters))}
    shown = cells[:, [0, 1, 3, 4]].reshape(len(views), -1)
    for title, video, steps in (("frames", shown, 4), ("motion", found["motion"], 8)):
        held = {"image": cells[:, 2], "video": video}
        result[title] = told(title, joined(held, steps, y, block % 5, Draws(clusters)))
    return result


def joined(
    held: dict[str, np.ndarray], steps: int, y: np.ndarray, folds: np.ndarray, draws: Draws
) -> dict[str, dict[str, float | None]]:
    """Accuracy over the folds of each way to join an image and a video, of each view alone, of shuffled steps."""
    paces = {"video": steps}
    methods: dict[str, Any] = {
        "GRU fusion": lambda: Temporal(steps=paces, head="lstm", join="gru"),
        "concatenation": lambda: Temporal(steps=paces, head="lstm"),
        "early": Early,
    }
    rows: dict[str, np.ndarray] = {}
    mixed = {**held, "video": shuffled(held["video"], steps)}
    for title, method in methods.items():
        asked = {title: held, f"{title}, steps shuffled": mixed}
        asked |= {f"{title}, {name} alone": {name: values} for name, values in held.items()}
        for fold in range(5):
            out = folds == fold
            fuser = method().fit({n: v[~out] for n, v in held.items()}, y[~out])
            for one, views in asked.items():
                rows.setdefault(one, np.zeros(len(y)))[out] = right(
                    fuser, {n: v[out] for n, v in views.items()}, y[out]
                )
            if title != "early":
                rows.setdefault(f"network of {title}", np.zeros(len(y)))[out] = right(
                    alone(fuser), {n: v[out] for n, v in held.items()}, y[out]
                )
    found = {title: draws.mean(mine) for title, mine in rows.items()}
    result = {title: percent(mine) for title, mine in found.items()}
    for one, other in (("GRU fusion", "concatenation"), ("GRU fusion", "early"), ("concatenation", "early")):
        result[f"{one} minus {other}"] = more(found[one], found[other])
        networks = found.get(f"network of {other}", found[other])
        result[f"network of {one} minus {other}"] = more(found[f"network of {one}"], networks)
    return result


PARTS = {"lips": lips, "streams": streams, "words": words, "still": still, "fights": joins}


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    with threadpool_limits(1):
        finish({name: PARTS[name]() for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
