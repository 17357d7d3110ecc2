"""What is in a picture, and what a thing is by picture, sound and words together.

`python -m benchmarks.time.contents [PART ...]`; the parts are

- objects: names of the image encoder's own 1,000 classes against the nouns in coco2k's captions, all 1,997.
- kinds: a photo, a sound and a caption of one of 10 kinds of things, the kind's own words taken out of the caption:
  each alone against the three together (`early`), 5 folds; no photo and no recording stands in two folds.

Intervals: 95 %, over photographs, or over recordings, drawn again.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from benchmarks._sets import encoded, only, pack, pictures
from benchmarks._trials import Figure, arguments, family, finish, more_than, say
from benchmarks.time._films import rows, sound_of
from chiasm.stats.resample import Draws, interval_of
from chiasm.views import Column, Views

CHANCE = "chance: captions permuted, precision and recall"
ZERO_SHOT = "things in photographs by the network's own names against 20 nouns of the captions"
FIGURES = [
    Figure(
        "objects",
        ("objects", "top 1", "precision"),
        f"{ZERO_SHOT}: first name right",
        "%",
        n="{photos} photographs",
        scale=100,
    ),
    Figure(
        "objects.chance", ("objects", "top 1", CHANCE, 0), f"{ZERO_SHOT}: of captions dealt to others", "%", scale=100
    ),
    *family(
        ("kinds", "accuracy", "%"),
        "kinds of things, 10, composed of photograph, sound and words",
        {"kinds": ("all", "all three"), "kinds.photo": ("photo", "photograph alone")},
        unit="%",
        n="{things} things",
    ),
    Figure(
        "kinds.gain",
        ("kinds", "accuracy", "all minus", "photo"),
        "kinds of things: all three less the photograph alone",
        "points",
        "+.1f",
        "{things} things",
    ),
]

NOUNS: dict[str, tuple[str, list[int]]] = {
    "dog": (r"dogs?|pupp(?:y|ies)", [*range(151, 269)]),
    "cat": (r"cats?|kittens?", [*range(281, 286)]),
    "bird": (r"birds?|seagulls?|ducks?|geese|parrots?", [*range(7, 25), *range(80, 101), *range(127, 147)]),
    "elephant": (r"elephants?", [101, 385, 386]),
    "zebra": (r"zebras?", [340]),
    "bear": (r"bears?", [294, 295, 296, 297, 850]),
    "train": (r"trains?|locomotives?", [466, 547, 705, 820]),
    "airplane": (r"(?:air)?planes?|jets?|jetliners?|airliners?", [404, 895, 908]),
    "bus": (r"bus(?:es)?", [654, 779, 874]),
    "truck": (r"trucks?", [555, 569, 675, 717, 864, 867]),
    "boat": (r"boats?|ships?", [472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 914]),
    "clock": (r"clocks?", [409, 530, 892]),
    "toilet": (r"toilets?", [861, 999]),
    "pizza": (r"pizzas?", [963]),
    "umbrella": (r"umbrellas?", [879]),
    "laptop": (r"laptops?|computers?", [508, 527, 620, 664, 681, 782]),
    "stove": (r"stoves?|ovens?|microwaves?", [651, 827]),
    "refrigerator": (r"refrigerators?|fridges?", [760]),
    "banana": (r"bananas?", [954]),
    "vase": (r"vases?", [883]),
}
"""What both know: words in a caption, and numbers of the classes that they stand for."""


def objects(permutations: int = 200) -> dict[str, Any]:
    """Names of the image encoder's own classes against the nouns in captions."""
    from chiasm.encode.effnet_image import EffnetImage

    views = pictures("coco2k")
    seen = encoded(only(views, ["image"]))
    shares = EffnetImage().class_shares(np.asarray(seen["image"].take(seen["image"].index)))
    captions = [str(views["caption"].items[i]).lower() for i in views["caption"].index]
    true = np.array([[bool(re.search(rf"\b(?:{word})\b", c)) for word, _ in NOUNS.values()] for c in captions])
    order = np.argsort(-shares, axis=1)
    rng, draws = np.random.default_rng(0), Draws(np.arange(len(true)))
    result: dict[str, Any] = {"photos": len(true), "named in captions": int(true.sum())}
    for top in (1, 5):
        told = np.stack([np.isin(order[:, :top], kinds).any(axis=1) for _, kinds in NOUNS.values()], axis=1)
        chance = [_micro(true[rng.permutation(len(true))], told) for _ in range(permutations)]
        result[f"top {top}"] = {
            "precision": interval_of(*_ratio(draws, (true & told).sum(axis=1), told.sum(axis=1))),
            "recall": interval_of(*_ratio(draws, (true & told).sum(axis=1), true.sum(axis=1))),
            "chance: captions permuted, precision and recall": np.mean(chance, axis=0).round(4).tolist(),
            "by noun: named, told, both": {
                noun: [int(true[:, j].sum()), int(told[:, j].sum()), int((true & told)[:, j].sum())]
                for j, noun in enumerate(NOUNS)
            },
        }
    return result


def _ratio(draws: Draws, top: np.ndarray, bottom: np.ndarray) -> Any:
    above, below = draws.mean(top.astype(float)), draws.mean(bottom.astype(float))
    return above[0] / below[0], above[1] / below[1]


def _micro(true: np.ndarray, told: np.ndarray) -> tuple[float, float]:
    both = (true & told).sum()
    return both / max(1, told.sum()), both / max(1, true.sum())


KINDS = {
    "dog": (r"dogs?|pupp(?:y|ies)", ["dog"]),
    "cat": (r"cats?|kittens?", ["cat"]),
    "train": (r"trains?|locomotives?|railways?|railroads?", ["train"]),
    "airplane": (r"(?:air)?planes?|jets?|jetliners?|airliners?|aircraft|airports?", ["airplane"]),
    "clock": (r"clocks?", ["clock tick", "clock alarm"]),
    "toilet": (r"toilets?|urinals?|restrooms?", ["toilet flush"]),
    "sea": (r"oceans?|seas?|waves?|surf\w*|beach(?:es)?", ["sea waves"]),
    "bird": (r"birds?|ducks?|geese|parrots?|seagulls?", ["chirping birds", "crow"]),
    "keyboard": (r"keyboards?|laptops?|computers?", ["keyboard typing", "mouse click"]),
    "motor": (r"cars?|trucks?|bus(?:es)?|motorcycles?", ["engine", "car horn"]),
}
FOLDS, EACH = 5, 30


def kinds() -> dict[str, Any]:
    """A photo, a sound and a caption of one kind of thing each: alone, and together."""
    from sklearn.model_selection import GroupKFold

    from chiasm.fuse.early import Early

    rng = np.random.default_rng(0)
    photos, sounds = rows("coco2k"), rows("esc")
    patterns = {kind: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for kind, (words, _) in KINDS.items()}
    made: list[dict[str, Any]] = []
    for kind, (_, labels) in KINDS.items():
        mine = [p for p in photos if [k for k, r in patterns.items() if r.search(p["caption"])] == [kind]]
        heard = [s for s in sounds if s["label"] in labels]
        sources = np.array([s["src_file"] for s in heard])
        fold = np.zeros(len(heard), dtype=int)
        for number, (_, part) in enumerate(GroupKFold(min(FOLDS, len(set(sources)))).split(sources, groups=sources)):
            fold[part] = number
        for i, at in enumerate(rng.permutation(len(mine))[:EACH]):
            number = i % (fold.max() + 1)  # a kind with fewer recordings than folds is absent from a test fold
            clip = heard[int(rng.choice(np.flatnonzero(fold == number)))]
            caption = patterns[kind].sub("thing", mine[at]["caption"])
            made.append({"kind": kind, "photo": mine[at], "clip": clip, "words": caption, "fold": number})
    columns = {
        "words": Column.from_cells("text", [m["words"] for m in made]),
        "photo": Column.from_cells("image", [str(pack("coco2k") / m["photo"]["image"]) for m in made]),
    }
    seen = encoded(Views(columns))
    read = {n: Column("vector", np.asarray(c.take(c.index))) for n, c in seen.columns.items()}
    read["sound"] = Column("vector", np.stack([_heard(m["clip"]) for m in made]))
    # the fuser's own folds must keep a recording on one side, or it trusts the sound too much
    source = np.array([m["clip"]["src_file"] for m in made], dtype=object)
    views = Views(read, facts={"group": source})
    truth = np.array([m["kind"] for m in made])
    fold = np.array([m["fold"] for m in made])
    sets = {"words": ["words"], "photo": ["photo"], "sound": ["sound"], "all": ["words", "photo", "sound"]}
    said = {name: np.full(len(made), "", dtype=object) for name in sets}
    for number in range(FOLDS):
        learn, test = fold != number, fold == number
        for name, used in sets.items():
            part = only(views, used)
            said[name][test] = Early().fit(part[learn], truth[learn]).predict(part[test])
        say("kinds, fold", number)
    draws = Draws(source.astype(str))
    right = {name: (one == truth).astype(float).tolist() for name, one in said.items()}
    return {
        "things": len(made),
        "by kind: things, recordings": {
            kind: [int((truth == kind).sum()), len({m["clip"]["src_file"] for m in made if m["kind"] == kind})]
            for kind in KINDS
        },
        "commonest kind %": round(100 * float(np.mean(truth == max(set(truth), key=truth.tolist().count))), 1),
        "accuracy": more_than(draws, right, "all"),
    }


def _heard(clip: dict[str, Any]) -> np.ndarray:
    """Means and deviations over time of the log-mel spectrogram, its slopes too."""
    from chiasm.encode._sound import log_mel, slope

    mel = log_mel(sound_of(pack("esc") / clip["audio"]))
    turned = slope(mel)
    return np.concatenate([mel.mean(axis=0), mel.std(axis=0), turned.std(axis=0)])


PARTS = {"objects": objects, "kinds": kinds}


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    finish({name: PARTS[name]() for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
