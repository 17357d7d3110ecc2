"""Words about what is no single photograph: reports of X-rays beside a record, sentences of clips, names of exercises.

`python -m benchmarks.generate.reports [reports] [clips] [exercises] [--splits 10]`.

`reports`: covid_cxr, the clinical note of an X-ray and the record beside it (`benchmarks._xrays.RECORD`), as it was
written, diagnoses too; rows of one patient, picture or note stay on one side. `clips`: grid_s1, the sentence that a
talker says in a silent film of three seconds. `exercises`: the name of an exercise from a photograph of its start and
one of its end; rows that share a photograph stay on one side. Re-drawn splits, 60 % and 20 % to learn from, 20 % to
score; one reference each. Document frequencies are the training texts'. CIDEr-D times 100. The default encoders;
those that learn (records) learn from the rows learned from. `alone`: the same generator, shown one of the views.
Nothing was designed or chosen on these sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chiasm
from benchmarks._sets import files, only, pack, table
from benchmarks._trials import SHARES, Figure, Runs, apart, arguments, finish, redrawn, say
from benchmarks._xrays import RECORD
from benchmarks.generate._captions import measured, said
from chiasm.encoding import Encoding
from chiasm.encoding.streams import spread
from chiasm.generate.consensus import Consensus
from chiasm.generate.mbr import MBR
from chiasm.generate.nearest import Nearest
from chiasm.stats.captions import frequencies
from chiasm.views import Column, Views, connected

METHODS: dict[str, Callable[[int], Any]] = {
    "nearest": lambda seed: Nearest(seed=seed),
    "consensus": lambda seed: Consensus(seed=seed),
    "mbr": lambda seed: MBR(seed=seed),
}
MEASURES = {"CIDEr-D": "cider", "ROUGE-L": "rouge", "BLEU-4": "bleu"}
BESIDE = ("consensus", "nearest", "mbr shuffled", "blank")
"""What `mbr` is compared with, besides itself shown one of the views."""
SOURCES = {
    "reports": ("image", "record"),
    "clips": ("clip", "clip.motion"),
    "exercises": ("start", "end"),
}
WHAT = {
    "reports": "covid_cxr, the note of an X-ray and a record",
    "clips": "grid_s1, the sentence of a silent film",
    "exercises": "exercise_steps, the name of two photographs",
}


def _figures() -> list[Figure]:
    found = []
    for part, what in WHAT.items():
        alone = [f"{name} alone" for name in SOURCES[part]]
        for name in (*METHODS, "mbr shuffled", "blank", *alone):
            for measure, short in MEASURES.items():
                at = (part, "scores", name, measure)
                told = f"{what}: {name}, {measure}"
                found.append(Figure(f"{part}.{name.replace(' ', '_')}.{short}", at, told, "", ".1f", "{splits} splits"))
        for name in (*BESIDE, *alone):
            at = (part, "mbr less", name)
            told = f"{what}: mbr less {name}, CIDEr-D"
            found.append(Figure(f"{part}.less.{name.replace(' ', '_')}", at, told, "", "+.1f", "{splits} splits"))
    return found


FIGURES = _figures()


def reports() -> tuple[Views, np.ndarray]:
    """covid_cxr: X-rays, records and notes by patient; which rows are twins, by picture or note."""
    columns: dict[str, Any] = {"image": "image", "text": {"said": "clinical_notes"}, "id": "id", "group": "patient"}
    views = chiasm.read(pack("covid_cxr") / "data.parquet", **columns, **RECORD)
    return views, _twins(views, ("image", "said"))


def clips() -> tuple[Views, np.ndarray]:
    """grid_s1: films, as they are shown and as they move, and the sentences that are said in them."""
    facts = table("grid_s1")
    views = Views({"clip": Column("video", files("grid_s1", "video")), "said": Column("text", facts["text"])})
    moving = spread(views, None)[0]
    return only(moving, ["clip", "clip.motion", "said"]), np.arange(len(views))


def exercises() -> tuple[Views, np.ndarray]:
    """exercise_steps: a photograph of the start and one of the end, and the exercise's name."""
    facts, folder = table("exercise_steps"), pack("exercise_steps")
    start, end = ([str(folder / both[place]) for both in facts["frames"]] for place in (0, 1))
    columns = {"start": Column("image", start), "end": Column("image", end), "said": Column("text", facts["name"])}
    views = Views(columns, facts["id"])
    return views, _twins(views, ("start", "end", "said"))


def _twins(views: Views, names: Sequence[str]) -> np.ndarray:
    """`(n,)` codes: rows that share an item of one of the views share one."""
    codes = views.codes
    for name in names:
        there = np.flatnonzero(views.present(name))
        same = len(views) + np.arange(len(views))
        same[there] = Encoding().twins(only(views[there], [name]))
        codes = connected(codes, np.unique(same, return_inverse=True)[1].ravel())
    return codes


def run(part: str, views: Views, twins: np.ndarray, splits: int) -> dict[str, Any]:
    """The generators on re-drawn splits, the default one also with each view alone."""
    names, runs, sizes = SOURCES[part], Runs(), (1, 1)
    encoders = {"clip.motion": "motion_video"} if part == "clips" else None
    for seed, split in redrawn(views, SHARES, splits, twins):
        texts, test = said(views), split == "test"
        held = Encoding(encoders).learn(only(views, list(names)), ~test)[0]
        learned, here = held[~test], np.flatnonzero(test & np.array([bool(text) for text in texts]))
        mine = [text for text, one in zip(texts, test, strict=True) if not one]
        shown, references, sizes = held[here], [[texts[row] or ""] for row in here], (len(here), int((~test).sum()))
        known = frequencies([[text] for text in mine if text])
        dealt = np.random.default_rng(seed).permutation(len(here))
        for method, make in METHODS.items():
            model = make(seed).fit(learned, mine)
            told = model.generate(shown)
            runs.add(method, measured(told, references, known))
        runs.add("mbr shuffled", measured(told[dealt], references, known))
        runs.add("blank", measured([model.usual_] * len(here), references, known))
        for name in names:
            alone = METHODS["mbr"](seed).fit(only(learned, [name]), mine)
            runs.add(f"{name} alone", measured(alone.generate(only(shown, [name])), references, known))
        say(part, seed, sizes, model.chosen_, runs.last("CIDEr-D"))
    ours = runs["mbr"]["CIDEr-D"]
    beside = [*BESIDE, *(f"{name} alone" for name in names)]
    return {
        "splits": splits,
        "scores": runs.spreads(),
        "mbr less": {name: apart(ours, runs[name]["CIDEr-D"], *sizes) for name in beside},
    }


def main() -> None:
    """Run the parts."""
    parts: dict[str, Callable[[], tuple[Views, np.ndarray]]] = {
        "reports": reports,
        "clips": clips,
        "exercises": exercises,
    }
    parser = arguments(__doc__, parts)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    finish({name: run(name, *parts[name](), args.splits) for name in args.parts or parts}, FIGURES, args)


if __name__ == "__main__":
    main()
