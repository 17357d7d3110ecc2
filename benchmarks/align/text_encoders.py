"""Every text encoder beside the same pictures under the same aligner, and several of them side by side.

`python -m benchmarks.align.text_encoders`: coco2k (English captions) and web_news_zh (Chinese news), pictures by
effnet_image. rsum (R@1 + R@5 + R@10 both ways, points of 600) and R@1 (mean of both ways, %) over 5 re-drawn splits,
70/10/20 % of the training and validation rows alone: the given test rows are never looked at. Encoders that learn do
so from each split's training rows. The first table has every encoder under `cca` with default settings (minilm_text
reads English only), the second those side by side that promise most, under `cca` and `auto`, and how much better than
e5_text alone they are on the same splits.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks._sets import pictures
from benchmarks._trials import Figure, arguments, finish, redrawn, spread
from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.stats.relevance import recall_sum
from chiasm.views import Views

SHARES = {"train": 70, "val": 10, "test": 20}
SPLITS = 5
ENCODERS = ("bow_text", "wordvec_text", "hashed_text", "tfidf_text", "minilm_text", "e5_text")
PACKS = {"coco2k": ("caption", ENCODERS), "web_news_zh": ("text", tuple(e for e in ENCODERS if e != "minilm_text"))}
ALIGNERS = ("cca", "auto")
SIDE_BY_SIDE = {
    "coco2k": ("e5_text", "e5_text+tfidf_text", "minilm_text", "e5_text+minilm_text"),
    "web_news_zh": ("e5_text", "tfidf_text", "e5_text+tfidf_text", "e5_text+bow_text"),
}

TRIED = {
    name: [(e, "cca") for e in dict.fromkeys((*encoders, *SIDE_BY_SIDE[name]))]
    + [(e, "auto") for e in SIDE_BY_SIDE[name]]
    for name, (_, encoders) in PACKS.items()
}
FIGURES = [
    Figure(
        f"{name}.{encoder}.{aligner}",
        (name, f"{encoder}, {aligner}", "rsum"),
        f"rsum of {name}, texts by {encoder} under `{aligner}`",
        "of 600",
        n="{n} splits",
    )
    for name, tried in TRIED.items()
    for encoder, aligner in tried
]
FIGURES += [Figure(f"{name}.chance", (name, "chance, rsum"), f"rsum of {name} by chance", "of 600") for name in PACKS]

Scores = dict[str, float]


def measure(views: Views, split: Any, text: str, encoder: str, aligners: tuple[str, ...]) -> dict[str, Scores]:
    """One encoder, or several side by side, on one split, under each aligner."""
    train, val, test = (split == name for name in SHARES)
    encoded = Encoding({text: encoder}).fit(views[train]).transform(views)
    found = {}
    for name in aligners:
        mapped = registry.get("align", name)().fit(encoded[train], val=encoded[val]).transform(encoded[test])
        recall = partial(recall_sum, mapped, {n: column.items[column.used] for n, column in mapped.columns.items()})
        found[name] = {
            "width": encoded[text].width,
            "rsum": 600 * recall(),
            "R@1": 100 * recall(at=(1,)),
            "things": mapped.things,
        }
    return found


def told(scores: list[Scores], base: list[Scores]) -> dict[str, Any]:
    """Mean and spread over the splits, and of the differences to the base on the same splits."""
    both = list(zip(scores, base, strict=True))
    return {
        "width": max(one["width"] for one in scores),
        **{m: spread([one[m] for one in scores]) for m in ("rsum", "R@1")},
        **{f"{m} minus e5_text": spread([one[m] - e5[m] for one, e5 in both]) for m in ("rsum", "R@1")},
        "better": sum(one["rsum"] > e5["rsum"] for one, e5 in both),
    }


def cell(entry: dict[str, float], signed: str = "") -> str:
    """Mean (standard deviation)."""
    return f"{entry['mean']:{signed}.1f} ({entry['sd']:.1f})"


def main() -> None:
    args = arguments(__doc__).parse_args()
    result: dict[str, Any] = {}
    alone = ["| text encoder | width | rsum of 600 | R@1 % |", "|--|--|--|--|"]
    side = [
        "| text encoders | aligner | rsum of 600 | minus e5_text | better in | R@1 % | minus e5_text |",
        "|--|--|--|--|--|--|--|",
    ]
    for name, (text, encoders) in PACKS.items():
        views = pictures(name, split="split")
        views = views[views.split != "test"]
        splits = [split for _, split in redrawn(views, SHARES, SPLITS, Encoding().twins(views))]
        found: dict[tuple[str, str], list[Scores]] = {}
        for encoder in dict.fromkeys((*encoders, *SIDE_BY_SIDE[name])):
            aligners = ALIGNERS if encoder in SIDE_BY_SIDE[name] else ("cca",)
            scores = [measure(views, split, text, encoder, aligners) for split in splits]
            for aligner in aligners:
                found[encoder, aligner] = [one[aligner] for one in scores]
                print(name, encoder, aligner, [round(one[aligner]["rsum"], 1) for one in scores], flush=True)
        chance = sum(100 * 2 * k / found["e5_text", "cca"][0]["things"] for k in (1, 5, 10))
        alone.append(f"| **{name}**, chance {chance:.1f} | | | |")
        side.append(f"| **{name}** | | | | | | |")
        table = {key: told(scores, found["e5_text", key[1]]) for key, scores in found.items()}
        result[name] = {"chance, rsum": round(chance, 1)} | {f"{e}, {a}": entry for (e, a), entry in table.items()}
        for encoder in encoders:
            entry = table[encoder, "cca"]
            alone.append(f"| {encoder} | {entry['width']} | {cell(entry['rsum'])} | {cell(entry['R@1'])} |")
        for aligner in ALIGNERS:
            for encoder in SIDE_BY_SIDE[name]:
                entry = table[encoder, aligner]
                behind = ["", "", ""]
                if encoder != "e5_text":
                    behind = [cell(entry[f"{measured} minus e5_text"], "+") for measured in ("rsum", "R@1")]
                    behind.insert(1, f"{entry['better']} of {len(splits)}")
                side.append(
                    f"| {encoder} | {aligner} | {cell(entry['rsum'])} | {behind[0]} | {behind[1]} | "
                    f"{cell(entry['R@1'])} | {behind[2]} |"
                )
    print("\n".join([*alone, "", *side]))
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
