"""`effnet_image` in int8 against float32: pictures a second of the network alone, and what the rounding costs.

`python -m benchmarks.speed.int8 [speed] [rsum] [--rounds 11] [--splits 10]`. Speed: coco2k's photographs, decoded
before, one a call on one thread, both networks in turn in one process; the median, least and most of the rounds'
ratios. rsum (R@1 + R@5 + R@10 both ways, points of 600): the default settings on coco2k's re-drawn splits, the same
splits for both, everything chosen on validation rows. The bar: 1.5 times, at no more than 1 % lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import COCO2K, pictures
from benchmarks._trials import Figure, against, apart, arguments, finish, ratios, redrawn, rsum, say, spread
from chiasm.encode._effnet import LITE0, onnx_file, pixels
from chiasm.encode.effnet_image import EffnetImage
from chiasm.media.images import decode_image
from chiasm.tasks.retrieve import Retrieve

PRECISIONS = ("float32", "int8")
COUNT = 32
"""Pictures a round."""
FIGURES = [
    Figure(
        "faster",
        ("speed", "int8 over float32"),
        "`effnet_image` in int8, the network alone, a picture a call on one thread, against float32",
        "x",
        ".2f",
        "{n} rounds",
        interval="least and most",
    ),
    *(
        Figure(
            f"rsum.{precision}",
            ("rsum", precision),
            f"coco2k, R@1 + R@5 + R@10 both ways, default settings, pictures in {precision}",
            "of 600",
            n="{n} splits",
        )
        for precision in PRECISIONS
    ),
    Figure(
        "rsum.lost",
        ("rsum", "int8 less float32"),
        "coco2k, R@1 + R@5 + R@10 both ways, int8 less float32 on the same splits",
        "of 600",
        "+.1f",
        "{n} splits",
    ),
    Figure("cosine", ("rsum", "cosine"), "coco2k, cosine of a picture's int8 vector to its float32 one", "", ".4f"),
]


def speed(rounds: int) -> dict[str, Any]:
    """Seconds of both networks over the same pictures, in turn."""
    column = pictures("coco2k")["image"]
    inputs = [pixels(decode_image(path, LITE0.size)[0]) for path in column.take(column.used[:COUNT])]
    sessions = {precision: EffnetImage(precision=precision)._open() for precision in PRECISIONS}
    for precision in PRECISIONS:
        say(precision, onnx_file(LITE0, precision))

    def over(session: Any) -> None:
        for one in inputs:
            session.run(None, {"pixels": one})

    seconds = ratios({name: lambda s=session: over(s) for name, session in sessions.items()}, rounds)
    found = {f"{name}, pictures/s": spread(COUNT / np.array(taken)) for name, taken in seconds.items()}
    return found | {"int8 over float32": against(seconds, "int8")["float32"]}


def cost(splits: int) -> dict[str, Any]:
    """rsum of both on the same re-drawn splits, and the difference."""
    views = pictures("coco2k")
    items = views["image"].take(views["image"].used)
    floats, whole = (EffnetImage(precision=precision).encode(items) for precision in PRECISIONS)
    cosine = (floats * whole).sum(1) / np.linalg.norm(floats, axis=1) / np.linalg.norm(whole, axis=1)
    found: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed, split in redrawn(views, COCO2K, splits):
        views.facts["split"] = split
        for precision, scores in found.items():
            encoders = {"image": EffnetImage(precision=precision)}
            model = Retrieve(encoders=encoders, seed=seed, baseline=False).fit(views)
            scores.append(rsum(model.score(views[split == "test"])))
        say(seed, {precision: round(scores[-1], 1) for precision, scores in found.items()})
    gap = apart(found["int8"], found["float32"], COCO2K["test"], COCO2K["train"] + COCO2K["val"])
    lost = -100 * gap["value"] / np.mean(found["float32"])
    return {
        **{precision: spread(scores) for precision, scores in found.items()},
        "int8 less float32": gap,
        "lost, %": round(float(lost), 2),
        "cosine": round(float(cosine.mean()), 5),
        "least cosine": round(float(cosine.min()), 5),
    }


def main() -> None:
    parser = arguments(__doc__, ("speed", "rsum"))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    parts = args.parts or ["speed", "rsum"]
    result: dict[str, Any] = {}
    if "speed" in parts:
        result["speed"] = speed(args.rounds)
    if "rsum" in parts:
        result["rsum"] = cost(args.splits)
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
