"""Two collections linked by their shapes alone, no pair known: how many links are right, and which are refused.

`python -m benchmarks.search.linkable`. 300 things a draw, 10 draws; of pairs that were hidden the share that
`by_shape` links right, chance, and in how many of 100 draws `link` goes on (`linkable`, the test that it makes before):
captions and photographs (coco2k), descriptions and pictures (ikea), photographs as two encoders see them
(`effnet_image`, `effnet2_image`), captions as two encoders read them (`e5_text`, `tfidf_text`). Two copies of one cloud
of 300 points in 20 dimensions, each rotated, the second with noise. Without any true pair, 40 draws: captions of 300
photographs beside 300 other photographs; two clouds that were drawn apart; two drawn apart from eight common clusters.
Nothing is learned here. How the test draws its collections was chosen on other draws of the planted clouds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._sets import encoded, only, pictures
from benchmarks._trials import Figure, arguments, finish, say, spread
from chiasm.encoding import Encoding
from chiasm.stats.clusters import share
from chiasm.tasks._link.assigning import by_shape
from chiasm.tasks._link.common_shape import linkable
from chiasm.views import Views

HELD, DRAWS, APART = 300, 10, 40
FIRST = 100
"""The first seed: earlier ones were looked at in design."""
NOISES = (0.1, 0.2, 0.3, 0.4, 0.5)
PAIRED = {
    "coco2k": "coco2k, captions and photographs",
    "ikea": "ikea, descriptions and pictures",
    "photographs": "coco2k, photographs by two encoders",
    "captions": "coco2k, captions by two encoders",
    **{f"planted{noise}": f"a cloud twice, noise {noise}" for noise in NOISES},
}
UNPAIRED = {
    "strangers": "coco2k, captions and other photographs",
    "clouds": "two clouds drawn apart",
    "clusters": "two clouds drawn apart from common clusters",
}

FIGURES = [
    *(
        Figure(
            f"{name}.{key}",
            (name, key),
            f"{what}, {HELD} things, no pair known: {told}",
            "%",
            n="{n} draws",
            scale=100,
        )
        for name, what in PAIRED.items()
        for key, told in (("right", "linked right"), ("linked", "draws called linkable"))
    ),
    *(
        Figure(f"{name}.linked", (name, "linked"), f"{what}: draws called linkable", "%", n="{n} draws", scale=100)
        for name, what in UNPAIRED.items()
    ),
    Figure("chance", ("chance",), f"{HELD} things linked by chance: right", "%", scale=100),
]

Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""A generator -> two collections `(300, d)`, row i of one belonging to row i of the other, or to none."""


def drawn(name: str, draw: Draw, draws: int, paired: bool) -> dict[str, Any]:
    right, linked = [], []
    for seed in range(FIRST, FIRST + draws):
        rng = np.random.default_rng(seed)
        x, y = draw(rng)
        order = rng.permutation(len(y))
        links = by_shape(x, y[order], 0, seed)
        right.append(float((links.left == order[links.right]).mean()))
        linked.append(linkable(x, y[order], links, 0, seed))
        say(name, seed, right[-1], linked[-1])
    low, high = share(np.array(linked, float), np.arange(draws))
    found: dict[str, Any] = {"n": draws, "linked": {"value": float(np.mean(linked)), "low": low, "high": high}}
    return found | ({"right": spread(right)} if paired else {})


def both(views: Views, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of the rows that have two views."""
    views = views[views.present(a) & views.present(b)]
    x, y = (np.asarray(views[name].take(views[name].index), np.float32) for name in (a, b))
    return x, y


def some(x: np.ndarray, y: np.ndarray, apart: bool = False) -> Draw:
    """300 rows of both, or of each 300 others."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        order = rng.permutation(len(x))
        return x[order[:HELD]], y[order[HELD : 2 * HELD] if apart else order[:HELD]]

    return draw


def planted(noise: float) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        cloud = _cloud(rng)
        return cloud @ _turn(rng), (cloud + noise * rng.normal(size=cloud.shape)) @ _turn(rng)

    return draw


def clouds(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return _cloud(rng) @ _turn(rng), _cloud(rng) @ _turn(rng)


def clusters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    centers = 2 * rng.normal(size=(8, 20))
    first, second = (centers[rng.integers(0, 8, HELD)] + 0.5 * rng.normal(size=(HELD, 20)) for _ in range(2))
    return first @ _turn(rng), second @ _turn(rng)


def _cloud(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(HELD, 20)) * np.linspace(1.5, 0.5, 20)


def _turn(rng: np.random.Generator) -> np.ndarray:
    turn: np.ndarray = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    return turn


def twice(views: Views, name: str, other: str) -> tuple[np.ndarray, np.ndarray]:
    """A view by its default encoder and by another."""
    one = only(views, [name])
    mine, theirs = encoded(one), Encoding({name: other}).fit_transform(one)
    return both(mine.replace({"mine": mine[name], "theirs": theirs[name]}), "mine", "theirs")


def main() -> None:
    args = arguments(__doc__).parse_args()
    coco, ikea = pictures("coco2k"), pictures("ikea")
    pair = both(encoded(coco), "caption", "image")
    paired = {
        "coco2k": some(*pair),
        "ikea": some(*both(encoded(ikea), "description", "image")),
        "photographs": some(*twice(coco, "image", "effnet2_image")),
        "captions": some(*twice(coco, "caption", "tfidf_text")),
        **{f"planted{noise}": planted(noise) for noise in NOISES},
    }
    unpaired = {"strangers": some(*pair, apart=True), "clouds": clouds, "clusters": clusters}
    result: dict[str, Any] = {name: drawn(name, draw, DRAWS, True) for name, draw in paired.items()}
    result |= {name: drawn(name, draw, APART, False) for name, draw in unpaired.items()}
    finish(result | {"chance": 1 / HELD}, FIGURES, args)


if __name__ == "__main__":
    main()
