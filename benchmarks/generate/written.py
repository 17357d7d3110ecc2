"""Open answers that are written, beside answers that are chosen: does a language model pay in `chiasm fit ask`?

`python -m benchmarks.generate.written [published] [disjoint]`: vqa_rad's open questions (whose answer is neither yes
or no nor a number), with the splits of `benchmarks.generate.questions`. Chosen: the heads of `Ask`, as they stand.
Written: where these tell that the answer is open, the likeliest answer of the language model of `captioner`, which
learned from the open answers of the rows learned from to write one for a question's and a picture's vector, side by
side. Where it pays: where its answer's probability is so many times that of the chosen one, which factor, and for how
many epochs is learned, being chosen on a fifth of the rows learned from, pictures apart. Answers count when they are
equal, written one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks._trials import Figure, arguments, finish, say
from benchmarks.generate._questions import BEST, quiet, rad
from chiasm.encoding import Encoding
from chiasm.generate._beam import search
from chiasm.generate._language import Language
from chiasm.splits import cut
from chiasm.stats.blocks import blocks
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks._ask.heads import Heads
from chiasm.tasks._ask.kinds import kinds_of, plain
from chiasm.views import Views, normalize

WRITTEN = ("written", "where it pays")
AXES = 128
FACTORS = (np.inf, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1)
"""How many times likelier than the chosen answer a written one must be; the first: never written."""
SETS = {"published": "published test", "disjoint": "pictures apart"}
PARTS = 5


def _figures() -> list[Figure]:
    found = []
    for part, what in SETS.items():
        how: dict[str, Any] = {"unit": "%", "n": "{rows} open questions", "scale": 100.0}
        for name in ("chosen", *WRITTEN):
            short = f"{part}.{name.replace(' ', '_')}"
            told = f"vqa_rad, {what}, open questions: right, {name}"
            found.append(Figure(short, (part, "right", name), told, **how))
            told = f"vqa_rad, {what}, open answers that no row learned from has: right, {name}"
            found.append(Figure(f"{short}.new", (part, "new", name), told, **{**how, "n": "{new rows} open questions"}))
        for name in WRITTEN:
            at, told = (part, "less chosen", name), f"vqa_rad, {what}, open questions: {name} less chosen"
            less = {**how, "unit": "points", "format": "+.1f"}
            found.append(Figure(f"{part}.{name.replace(' ', '_')}.less", at, told, **less))
    return found


FIGURES = _figures()


def run(part: str) -> dict[str, Any]:
    """What is right of the open questions of a split."""
    raw = rad()
    pictures = raw["image"].index.astype(str).astype(object)
    label = np.array([plain(one) for one in raw.label], dtype=object)
    views = Views(raw.columns, raw.ids, {"label": label, "group": pictures})
    tests = [raw.split == "test"]
    if part == "disjoint":
        split = cut(views, {str(k): 1 for k in range(PARTS)}, 0)
        tests = [split == str(k) for k in range(PARTS)]
    each = []
    for test in tests:
        each.append(quiet(lambda test=test: answered(views, ~test)))
        say(part, {name: round(100 * float(each[-1][name].mean()), 1) for name in ("chosen", *WRITTEN)})
    right = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
    new = np.flatnonzero(right["new"])
    draws, fresh = Draws(right["picture"]), Draws(right["picture"][new])
    sampled = {name: draws.mean(right[name]) for name in ("chosen", *WRITTEN)}
    return {
        "rows": len(right["new"]),
        "new rows": len(new),
        "right": {name: interval_of(*one) for name, one in sampled.items()},
        "new": {name: interval_of(*fresh.mean(right[name][new])) for name in sampled},
        "less chosen": {name: difference(sampled[name], sampled["chosen"]) for name in WRITTEN},
    }


def answered(views: Views, learn: np.ndarray) -> dict[str, np.ndarray]:
    """The open questions that are not learned from: 1 where an answer is right, by how it was found."""
    rows = Encoding(BEST).learn(views, learn)[0]
    inner = cut(views[learn], {"train": 4, "val": 1}, 0) == "val"
    whole, test = rows[learn], rows[~learn]
    middles = {name: column.items[:].mean(axis=0) for name, column in whole.columns.items()}
    kept, held = (_open(some, middles) for some in (whole[~inner], whole[inner]))
    first = _chosen(_heads(whole[~inner]), held.rows)
    made = Language(axes=AXES).learn(kept.seen, [[one] for one in kept.true], (held.seen, held.true, None))
    texts, likely = _told(made, held.seen)
    gains = [np.mean(_mixed(first, texts, likely, factor) == held.true) for factor in FACTORS]
    factor, epochs = FACTORS[int(np.argmax(gains))], max(1, made.epochs_)
    say("epochs", epochs, "factor", factor, [round(100 * float(one), 1) for one in gains])
    known, asked = _open(whole, middles), _open(test, middles)
    chosen = _chosen(_heads(whole), asked.rows)
    made = Language(axes=AXES, epochs=epochs).learn(known.seen, [[one] for one in known.true])
    texts, likely = _told(made, asked.seen)
    return {
        "chosen": 1.0 * (chosen[0] == asked.true),
        "written": 1.0 * (np.where(chosen[2], texts, chosen[0]) == asked.true),
        "where it pays": 1.0 * (_mixed(chosen, texts, likely, factor) == asked.true),
        "new": 1.0 * ~np.isin(asked.true, known.true),
        "picture": asked.rows.facts["group"],
    }


class Open(NamedTuple):
    """The open questions of some rows."""

    rows: Views
    true: np.ndarray
    seen: np.ndarray
    """`(n, d)` the vectors of question and picture side by side, each less its mean, to length 1."""


def _open(rows: Views, middles: Mapping[str, np.ndarray]) -> Open:
    rows = rows[np.flatnonzero(kinds_of(rows.label) == "other")]
    held = blocks(rows)
    seen = np.concatenate([normalize(block.values - middles[name]) for name, block in held.items()], axis=1)
    return Open(rows, np.asarray(rows.label), seen)


def _heads(rows: Views) -> Heads:
    """What `Ask` learns to answer with."""
    return Heads(asked="question").fit(rows, np.asarray(rows.label)).slim()


def _chosen(heads: Heads, rows: Views) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The likeliest answers of heads, how probable they are, and which of them are open too."""
    said = heads.outputs(rows)
    answers = np.array(heads.names_, dtype=object)[said.argmax(axis=1)]
    return answers, said.max(axis=1), kinds_of(answers) == "other"


def _told(made: Language, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest answer that is written of each row, and its probability."""
    each = search(made.following(rows), len(rows), made.pieces_, beam=5, longest=made.longest_)
    best = [max(mine, key=lambda one: one.likelihood) for mine in each]
    return np.array([plain(one.text) for one in best], dtype=object), np.exp([one.likelihood for one in best])


def _mixed(
    chosen: tuple[np.ndarray, np.ndarray, np.ndarray], texts: np.ndarray, likely: np.ndarray, factor: float
) -> np.ndarray:
    """The written answers where they are so many times likelier, the chosen ones elsewhere."""
    answers, sure, open_ = chosen
    return np.where(open_ & (likely > factor * sure), texts, answers)


def main() -> None:
    """Run the parts."""
    args = arguments(__doc__, SETS).parse_args()
    finish({part: run(part) for part in args.parts or SETS}, FIGURES, args)


if __name__ == "__main__":
    main()
