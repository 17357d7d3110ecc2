"""Classes that the student's labels never held, named by what it was told of the teacher.

`python -m benchmarks.distill.unseen [news ikea wikipedia] [--draws 5]`. In every draw half of the classes is set
apart; no row of them has a label. Test rows (40 % of theirs) are read by the student alone, and named among these
classes. In `absent` no row of these classes is learned from at all; in `unlabeled` the other 60 % are there without a
label, with picture and words. A class is told by its name in the teacher's space (`names`; the packs' own English ones,
news as well) or by the mean of five of its texts (`texts`; the published features of Wikipedia know no names).

- told: `features` learned from labels of the other half and all pairs, then `name`; shuffled: by a teacher whose rows
  were shuffled. A student alone can name none of these classes: it has never met one.
- aligner: the strongest peer, `auto` learned from the same pairs, cosines in its space. teacher: its own words, read at
  the test, which no student has.

Mean recall of the classes in %, so that chance is 100 / classes, over draws of classes and rows, with Nadeau & Bengio's
interval. Nothing was chosen on these draws: centering by the teacher's mean against the classes' own was tried on five
others (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks._sets import encoded, only, pictures, table
from benchmarks._trials import Figure, Runs, apart, arguments, finish, say
from chiasm.align.auto import Auto
from chiasm.distill.features import Features
from chiasm.encoding import Encoding
from chiasm.views import Column, Views, normalize

APART, TESTED, EXAMPLES, LEAST = 0.5, 0.4, 5, 9
"""Share of classes without labels; of their rows that are tested; texts a class; rows of a class of ikea, at least."""
FIRST = 100
"""The first seed: others were looked at while this was made."""
WHO = ("told", "shuffled", "aligner", "teacher")
SET = {"news": "Chinese news", "ikea": "ikea products", "wikipedia": "Wikipedia (SIFT, topics)"}
BY = {"news": ("names", "texts"), "ikea": ("names", "texts"), "wikipedia": ("texts",)}
CELLS = [(pack, mode, by) for pack in SET for mode in ("absent", "unlabeled") for by in BY[pack]]

FIGURES = [
    *(
        Figure(
            f"{pack}.{mode}.{by}.{who}",
            (pack, mode, by, "recall", who),
            f"{SET[pack]}, classes without labels, their rows {mode}, told by {by}: {who}",
            "%",
            ".1f",
            "{draws} draws",
        )
        for pack, mode, by in CELLS
        for who in WHO
    ),
    *(
        Figure(
            f"{pack}.{mode}.{by}.{short}",
            (pack, mode, by, key),
            f"{SET[pack]}, classes without labels, their rows {mode}, told by {by}: {key}",
            "points",
            "+.1f",
            "{draws} draws",
        )
        for pack, mode, by in CELLS
        for short, key in (
            ("over_shuffled", "told less shuffled"),
            ("over_chance", "told less chance"),
            ("over_aligner", "told less aligner"),
        )
    ),
    *(
        Figure(f"{pack}.chance", (pack, "chance"), f"{SET[pack]}, classes without labels: chance", "%", ".1f")
        for pack in SET
    ),
]


def read(pack: str) -> tuple[Views, dict[str, np.ndarray]]:
    """Rows with `student`, `teacher` and labels; by class its name in the teacher's space, where it has one."""
    if pack == "wikipedia":
        held = table("wikipedia_crossmodal")
        seen = np.log1p(50 * np.array(held["image_sift"], np.float32))
        columns = {
            "student": Column("vector", seen),
            "teacher": Column("vector", np.array(held["text_lda"], np.float32)),
        }
        return Views(columns, facts={"label": np.array(held["label"], dtype=object)}), {}
    raw = pictures("web_news_zh", label="label") if pack == "news" else pictures("ikea", label="type")
    known, count = np.unique(raw.label.astype(str), return_counts=True)
    both = raw.present("image") & raw.present("text")
    raw = raw[np.flatnonzero(both & np.isin(raw.label.astype(str), known[count >= LEAST]))]
    for name in (
        "image",
        "text",
    ):  # of rows that share a picture or a text the first: no copy of a tested row is learned
        raw = raw[np.sort(np.unique(Encoding().twins(only(raw, [name])), return_index=True)[1])]
    rows = encoded(raw)
    classes = sorted(set(rows.label))
    named = encoded(Views({"text": Column("text", [one.replace("_", " ").lower() for one in classes])}))["text"]
    vectors = np.asarray(named.items)[named.index]
    return rows.replace({"student": rows["image"], "teacher": rows["text"]}), dict(zip(classes, vectors, strict=True))


def matrix(column: Column) -> np.ndarray:
    return np.asarray(column.take(column.index), dtype=np.float32)


def recall(names: np.ndarray, truth: np.ndarray) -> float:
    """Mean over classes, in %."""
    return 100 * float(np.mean([(names == truth)[truth == one].mean() for one in np.unique(truth)]))


def nearest(rows: np.ndarray, classes: dict[str, np.ndarray]) -> np.ndarray:
    """The class of the largest cosine."""
    return np.array([*classes])[(normalize(rows) @ normalize(np.stack([*classes.values()])).T).argmax(axis=1)]


def draws(label: np.ndarray, times: int) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """(seed, classes set apart, rows of them, of these the tested)."""
    for seed in range(FIRST, FIRST + times):
        rng = np.random.default_rng(seed)
        classes = np.unique(label)
        chosen = rng.permutation(classes)[: round(APART * len(classes))]
        mine = np.isin(label, chosen)
        test = np.zeros(len(label), bool)
        for one in chosen:
            rows = rng.permutation(np.flatnonzero(label == one))
            test[rows[: round(TESTED * len(rows))]] = True
        yield seed, chosen, mine, test


def run(pack: str, times: int) -> dict[str, Any]:
    views, named = read(pack)
    label, words = views.label.astype(str), matrix(views["teacher"])
    rows = {(mode, by): Runs() for mode in ("absent", "unlabeled") for by in BY[pack]}
    sizes, chance = (1.0, 1.0), 0.0
    for seed, chosen, mine, test in draws(label, times):
        rng = np.random.default_rng(seed)
        kept = [np.flatnonzero(mine & ~test & (label == one)) for one in chosen]
        few = [words[rng.permutation(held)[:EXAMPLES]].mean(axis=0) for held in kept]
        ways = {"names": {one: named[one] for one in chosen if one in named}}
        ways["texts"] = dict(zip(chosen, few, strict=True))
        rest, truth, chance = views[np.flatnonzero(test)], label[test], 100 / len(chosen)
        student = rest.replace({"student": rest["student"]})
        for mode in ("absent", "unlabeled"):
            learned = np.flatnonzero(~mine if mode == "absent" else ~test)
            sizes = len(truth), len(learned)
            some = views[learned]
            y = np.where(mine[learned], None, label[learned].astype(object))
            pair = {"student": some["student"], "teacher": some["teacher"]}
            dealt = np.random.default_rng(seed).permutation(len(learned))
            shuffled = pair | {"teacher": Column("vector", some["teacher"].items, some["teacher"].index[dealt])}
            part = Features(teacher="teacher", student="early", seed=seed).fit(some.replace(pair), y)
            other = Features(teacher="teacher", student="early", seed=seed).fit(some.replace(shuffled), y)
            aligner = Auto(seed=seed).fit(some.replace(pair))
            seen = matrix(aligner.transform(student)["student"])
            for by in BY[pack]:
                classes = ways[by]
                held = Views({"teacher": Column("vector", np.stack([*classes.values()]))})
                placed = dict(zip(classes, matrix(aligner.transform(held)["teacher"]), strict=True))
                less = {one: vector - part.middle_ for one, vector in classes.items()}
                found = {
                    "told": part.name(student, classes)[0],
                    "shuffled": other.name(student, classes)[0],
                    "aligner": nearest(seen, placed),
                    "teacher": nearest(words[test] - part.middle_, less),
                }
                for name, answer in found.items():
                    rows[mode, by].add(name, {"recall": recall(answer, truth)})
                say(pack, seed, mode, by, rows[mode, by].last("recall"))
    result: dict[str, Any] = {"draws": times, "chance": chance}
    for (mode, by), runs in rows.items():
        told = runs["told"]["recall"]
        cell = {"recall": {who: spread["recall"] for who, spread in runs.spreads().items()}}
        for who in ("shuffled", "aligner"):
            cell[f"told less {who}"] = apart(told, runs[who]["recall"], *sizes)
        cell["told less chance"] = apart(told, [chance] * len(told), *sizes)
        result.setdefault(mode, {})[by] = cell
    return result


def main() -> None:
    parser = arguments(__doc__, SET)
    parser.add_argument("--draws", type=int, default=5)
    args = parser.parse_args()
    finish({pack: run(pack, args.draws) for pack in args.parts or SET}, FIGURES, args)


if __name__ == "__main__":
    main()
