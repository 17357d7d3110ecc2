"""web_news_zh (Chinese text <-> picture, 10 classes): three properties of the space of each aligner.

`python -m benchmarks.align.properties`, or with `--align NAME ...`. Default encoders and settings; 5 cuts (70 / 10 / 20
by id, seeds 0-4; rows equal in every view stay together) of the training rows alone; the last part is measured. "Plain
statistics" is the same aligner on character n-grams and pixel statistics. Mean and standard deviation over the cuts, in
percent (the gap is a length, at most 2). The first cut is printed whole, with its intervals.
"""

from __future__ import annotations

from typing import Any

from benchmarks._sets import pictures
from benchmarks._trials import Figure, Runs, arguments, finish, redrawn
from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.measure.properties import properties, statistics_space
from chiasm.report.properties import lines

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
CUTS = 5
ALIGNERS = ("cca", "ridge", "pls", "procrustes")
KEPT = {
    "modality.linear": ("modality, linear (50)", "the modality told by a linear classifier (50 is best)"),
    "modality.neighbors": ("modality, neighbors (50)", "the modality told by 10 neighbors (50 is best)"),
    "map.text": ("mAP text -> image", "class mAP, text -> image"),
    "map.image": ("mAP image -> text", "class mAP, image -> text"),
    "map.text.plain": ("mAP text -> image, plain statistics", "class mAP, text -> image, of plain statistics"),
    "map.image.plain": ("mAP image -> text, plain statistics", "class mAP, image -> text, of plain statistics"),
    "map.chance": ("mAP text -> image, chance", "class mAP by chance"),
    "classify.text": ("classify text -> text, accuracy", "texts classified, learned on texts"),
    "classify.image": ("classify image -> text, accuracy", "texts classified, learned on images"),
    "classify.majority": ("classify text -> text, majority", "texts classified by the commonest class"),
    "nmi": ("cluster all views, NMI", "k-means against the classes, NMI"),
    "nmi.shuffled": ("cluster all views, NMI, shuffled", "k-means against shuffled classes, NMI"),
}
"""By figure: what is measured, and in words."""

FIGURES = [
    Figure(f"{name}.{short}", (name, measure), f"web_news_zh in the space of `{name}`: {what}", "%", form, "{n} cuts")
    for name in ALIGNERS
    for short, (measure, what) in KEPT.items()
    for form in (".0f" if short in ("map.chance", "nmi.shuffled") else ".1f",)
]


def figures(table: dict[str, Any]) -> dict[str, float]:
    """The figures of one cut by what they measure, each beside its reference."""
    modality, semantics, tasks = table["modality"], table["semantics"], table["adaptability"]
    gap = modality["gap"][0]
    found = {
        "modality, linear (50)": modality["plain"]["linear"]["value"],
        "modality, linear, centered (50)": modality["centered"]["linear"]["value"],
        "modality, neighbors (50)": modality["plain"]["neighbors"]["value"],
        "modality, neighbors, centered (50)": modality["centered"]["neighbors"]["value"],
        "gap": gap["distance"],
        "gap, shuffled": gap["shuffled"],
    }
    for d in semantics["directions"]:
        way = f"{d['from']} -> {d['to']}"
        found[f"mAP {way}"] = d["mAP"]["value"]
        found[f"mAP {way}, plain statistics"] = d["statistics"]["value"]
        found[f"mAP {way}, difference"] = d["difference"]["value"]
        found[f"mAP {way}, chance"] = d["chance"]
    found["retrieve R@1"] = tasks["retrieve"]["R@1"]["value"]
    found["retrieve R@1, chance"] = tasks["retrieve"]["chance"]
    for d in tasks["classify"]["directions"]:
        way = f"{d['from']} -> {d['to']}"
        found[f"classify {way}, accuracy"] = d["accuracy"]["value"]
        found[f"classify {way}, majority"] = d["majority"]
        found[f"classify {way}, macro F1"] = d["macro_f1"]
    for d in tasks["cluster"]["tables"]:
        found[f"cluster {d['views']}, NMI"] = d["NMI"]
        found[f"cluster {d['views']}, NMI, shuffled"] = d["shuffled_NMI"]
        found[f"cluster {d['views']}, accuracy"] = d["accuracy"]["value"]
        found[f"cluster {d['views']}, accuracy, shuffled"] = d["shuffled_accuracy"]
    return {name: value if name.startswith("gap") else 100 * value for name, value in found.items()}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--align", nargs="+", default=[n for n in ALIGNERS if n in registry.names("align")])
    args = parser.parse_args()
    views = pictures("web_news_zh", split="split", label="label")
    views = views[views.split == "train"]
    encoded = Encoding().fit(views).transform(views)  # neither default encoder learns from the rows
    seen = Runs()
    for seed, split in redrawn(views, SHARES, CUTS, Encoding().twins(views)):
        train, val, test = (split == name for name in SHARES)
        for name in args.align:
            model = registry.get("align", name)().fit(encoded[train], val=encoded[val])
            plain = statistics_space(views[train], views[test], model, val=views[val])
            table = properties(model.transform(encoded[test]), plain, seed=seed)
            seen.add(name, figures(table))
            if seed == 0:
                print(name, model.chosen_, *lines(table), sep="\n", flush=True)
    tables = seen.spreads()
    print(" ".join(["mean (sd) of 5 cuts".ljust(46), *(name.rjust(13) for name in args.align)]))
    for measure in tables[args.align[0]]:
        cells = (f"{tables[name][measure]['mean']:.2f} ({tables[name][measure]['sd']:.2f})" for name in args.align)
        print(" ".join([measure.ljust(46), *(cell.rjust(13) for cell in cells)]))
    finish(tables, FIGURES, args)


if __name__ == "__main__":
    main()
