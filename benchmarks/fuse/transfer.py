"""Transfer by features: a frozen pretrained network against what a handful of pictures teaches from scratch.

`python -m benchmarks.fuse.transfer [PART ...] [--splits 5]`: 5 and 20 rows of each class to learn from, at most 500
others to score, from the picture alone: tweets (mvsa_single, 3 classes), Chinese news (web_news_zh, 10), types of
product (ikea: types of three products more than are learned from; a series of products is on one side).

- features: `early` on the frozen features of `effnet_image`.
- handmade: `early` on color, edge and texture (`pixel_image`), which nothing was learned for.
- scratch: a convolutional network on 32 x 32 pixels (four blocks, 0.4 million numbers), learned from the same rows,
  turned and shifted at random; rate and epochs are those of least log loss on a fifth of them, then it learns from all.
- commonest: always one class.

Balanced accuracy, the mean over classes of how many of its rows are right, since as many rows of each class are learned
from; chance is one class's share.

Differences draw by draw; their intervals are Student's t over the draws, which share many of the rows scored.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks._sets import only, pictures
from benchmarks._trials import Figure, Runs, arguments, drawn, finish, gap, say
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.media.images import decode_image
from chiasm.views import Views

PARTS = {"mvsa_single": "tweets", "web_news_zh": "Chinese news", "ikea": "types of product"}
SIZES = (5, 20)
METHODS = ("features", "handmade", "scratch", "commonest")
MORE, TEST = 3, 500
SIDE, SHIFT = 32, 4
RATES, EPOCHS, PATIENCE, BATCH = (3e-4, 1e-3), 60, 10, 32

FIGURES = [
    Figure(
        f"{name}.{m}.{method}",
        (name, f"{m} rows a class", "balanced accuracy %", method),
        f"{what} from the picture, {m} rows a class: {method}",
        "%",
        n="{n} draws",
    )
    for name, what in PARTS.items()
    for m in SIZES
    for method in METHODS
]
FIGURES += [
    Figure(
        f"{name}.{m}.less_{method}",
        (name, f"{m} rows a class", "features less", method),
        f"{what} from the picture, {m} rows a class: features less {method}",
        "points",
        "+.1f",
        "{n} draws",
        interval="95 %, Student's t over draws",
    )
    for name, what in PARTS.items()
    for m in SIZES
    for method in ("handmade", "scratch")
]


def network(classes: int) -> Any:
    from torch import nn

    layers: list[Any] = []
    for before, after in ((3, 32), (32, 64), (64, 128), (128, 256)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(256, classes))


def moved(x: Any, rng: np.random.Generator) -> Any:
    """Pictures `(b, 3, s, s)` flipped and shifted at random, each its own way."""
    import torch

    padded = torch.nn.functional.pad(x, (SHIFT,) * 4, mode="replicate")
    out = []
    for one, (i, j) in zip(padded, rng.integers(0, 2 * SHIFT + 1, (len(x), 2)), strict=True):
        cut = one[:, i : i + SIDE, j : j + SIDE]
        out.append(cut.flip(2) if rng.random() < 0.5 else cut)
    return torch.stack(out)


def trained(x: Any, y: Any, rate: float, epochs: int, seed: int, held: Any = None) -> tuple[Any, float, int]:
    """A network; with rows held out, their least log loss and the epoch that reached it."""
    import torch

    torch.manual_seed(seed)
    rng, net = np.random.default_rng(seed), network(int(y.max()) + 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)
    best, at = np.inf, epochs
    for epoch in range(1, epochs + 1):
        net.train()
        for rows in np.array_split(rng.permutation(len(x)), max(1, len(x) // BATCH)):
            loss = torch.nn.functional.cross_entropy(net(moved(x[rows], rng)), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if held is not None:
            net.eval()
            with torch.no_grad():
                lost = float(torch.nn.functional.cross_entropy(net(held[0]), held[1]))
            if lost < best:
                best, at = lost, epoch
            if epoch - at >= PATIENCE:
                break
    return net.eval(), best, at


def scratch(learned: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """`(n,)` classes of test pictures by a network that has seen these pictures `(m, 3, s, s)` alone."""
    import torch

    names, codes = np.unique(labels, return_inverse=True)
    x, y = torch.from_numpy(learned), torch.from_numpy(codes)
    order = np.random.default_rng(seed).permutation(len(codes))
    apart = np.zeros(len(codes), dtype=bool)
    for one in range(len(names)):
        mine = order[codes[order] == one]
        apart[mine[: max(1, len(mine) // 5)]] = True
    tried = [(*trained(x[~apart], y[~apart], rate, EPOCHS, seed, (x[apart], y[apart]))[1:], rate) for rate in RATES]
    _, epochs, rate = min(tried)
    net = trained(x, y, rate, epochs, seed)[0]
    with torch.no_grad():
        found: np.ndarray = names[net(torch.from_numpy(test)).argmax(dim=1).numpy()]
    return found


def pixels(views: Views) -> np.ndarray:
    """`(n, 3, s, s)` float32, 0 to 1 less a half."""
    column = views["image"]
    found = []
    for item in column.take(column.index):
        whole = decode_image(item, SIDE)[0].convert("RGB")
        found.append(np.asarray(whole, dtype=np.float32).transpose(2, 0, 1) / 255 - 0.5)
    return np.stack(found)


def run(name: str, splits: int) -> dict[str, Any]:
    raw = pictures(name, **({"label": "type", "group": "name"} if name == "ikea" else {"label": "label"}))
    raw = only(raw, ["image"])
    result: dict[str, Any] = {"rows": len(raw)}
    for m in SIZES:
        counts, scores = Counter(raw.label), Runs()
        kept = np.isin(raw.label, [one for one, count in counts.items() if count >= m + MORE])
        views = raw[kept]
        for seed in range(splits):
            learned, test = (views[rows] for rows in drawn(views, m, seed, TEST))
            said = {"commonest": np.full(len(test), Counter(test.label).most_common(1)[0][0], dtype=object)}
            classes = np.unique(test.label)
            for method, encoder in (("features", "effnet_image"), ("handmade", "pixel_image")):
                encoding = Encoding({"image": encoder}).fit(learned)
                said[method] = Early(seed=seed).fit(encoding.transform(learned)).predict(encoding.transform(test))
            said["scratch"] = scratch(pixels(learned), learned.label, pixels(test), seed)
            for method, found in said.items():
                right = [(found == one)[test.label == one].mean() for one in classes]
                scores.add(method, {"accuracy": 100 * float(np.mean(right))})
            say(name, m, seed, scores.last("accuracy"))
        result[f"{m} rows a class"] = {
            "classes": len(np.unique(views.label)),
            "balanced accuracy %": {method: of["accuracy"] for method, of in scores.spreads().items()},
            "features less": {
                method: gap(scores["features"]["accuracy"], scores[method]["accuracy"])
                for method in ("handmade", "scratch")
            },
        }
    return result


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    with threadpool_limits(1):
        finish({name: run(name, args.splits) for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
