"""Every text encoder beside the same pictures under the same aligner, on English captions and on Chinese news.

`python benchmarks/text_encoders.py`: coco2k and web_news_zh, pictures by effnet_image, `cca` with default settings.
rsum (R@1 + R@5 + R@10 both ways, points of 600) and R@1 (mean of both ways, %) over 5 re-drawn splits, 70/10/20 % of
the training and validation rows alone: the given test rows are never looked at. Encoders that learn do so from each
split's training rows. minilm_text reads English only.
"""

from __future__ import annotations

from functools import partial

from _shared import finish, pack, spread

import chiasm
from chiasm.align.cca import CCA
from chiasm.encoding import Encoding
from chiasm.matching import recall_sum
from chiasm.trust import cut
from chiasm.views import Views

SHARES = {"train": 70, "val": 10, "test": 20}
SEEDS = range(5)
ENCODERS = ("bow_text", "wordvec_text", "hashed_text", "tfidf_text", "minilm_text", "e5_text")
PACKS = {"coco2k": ("caption", ENCODERS), "web_news_zh": ("text", tuple(e for e in ENCODERS if e != "minilm_text"))}


def measure(views: Views, split: object, text: str, encoder: str) -> dict[str, float]:
    """One encoder on one split."""
    train, val, test = (split == name for name in SHARES)
    encoded = Encoding({text: encoder}).fit(views[train]).transform(views)
    mapped = CCA().fit(encoded[train], val=encoded[val]).transform(encoded[test])
    recall = partial(recall_sum, mapped, {name: column.items[column.used] for name, column in mapped.columns.items()})
    return {"width": encoded[text].width, "rsum": 600 * recall(), "R@1": 100 * recall(at=(1,)), "things": mapped.things}


def main() -> None:
    result: dict[str, dict[str, object]] = {}
    table = ["| text encoder | width | rsum of 600 | R@1 % |", "|--|--|--|--|"]
    for name, (text, encoders) in PACKS.items():
        views = chiasm.read(pack(name) / "data.parquet", text=text, image="image", id="id", split="split")
        views = views[views.split != "test"]
        twins = Encoding().twins(views)
        splits = [cut(views, SHARES, seed, twins) for seed in SEEDS]
        found: dict[str, list[dict[str, float]]] = {}
        for encoder in encoders:
            found[encoder] = [measure(views, split, text, encoder) for split in splits]
            print(name, encoder, [round(one["rsum"], 1) for one in found[encoder]], flush=True)
        chance = sum(100 * 2 * k / found["e5_text"][0]["things"] for k in (1, 5, 10))
        table.append(f"| **{name}**, chance {chance:.1f} | | | |")
        result[name] = {"chance, rsum": round(chance, 1)}
        for encoder, scores in found.items():
            rsum, first = (spread([one[measured] for one in scores]) for measured in ("rsum", "R@1"))
            behind = spread([e5["rsum"] - one["rsum"] for e5, one in zip(found["e5_text"], scores, strict=True)])
            width = max(one["width"] for one in scores)
            result[name][encoder] = {"width": width, "rsum": rsum, "R@1": first, "e5_text minus it, rsum": behind}
            table.append(
                f"| {encoder} | {width:.0f} | {rsum['mean']:.1f} ({rsum['sd']:.1f}) | "
                f"{first['mean']:.1f} ({first['sd']:.1f}) |"
            )
    print("\n".join(table))
    finish(result)


if __name__ == "__main__":
    main()
