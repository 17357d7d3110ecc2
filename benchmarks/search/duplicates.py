"""Near-duplicates: altered copies of pictures told from other pictures, and bursts from pictures of different things.

`python -m benchmarks.search.duplicates [same] [burst]`. Same picture: of each pack 1,000 pictures of different bytes,
and of 200 of them five copies: strongly compressed, small, small as WebP, up to 3 % cut off each side, lighter or
darker. How many copies are found to be the same as their originals, and how many of the 1,000 as another of them:
true duplicates in the pack are among these, so mistakes are fewer. The constants of `chiasm.media.alike` were chosen
by altering others, the first 150 of each pack, and by looking at which pictures of whole packs were called the same.
Peers: signs of 63 and of 255 cosines alone, cosine of `effnet_image`; each with the one threshold for all packs at
which as many of the 1,000 are called the same as another, mean of the packs.

Burst: two views of a photograph, cut from it 2, 5 or 8 % of a side apart, turned by up to 3 degrees and wider or closer
by up to 3 %; and different photographs of the pack, as if taken in the same seconds.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
from PIL import Image
from scipy.fft import dctn

from benchmarks._sets import files
from benchmarks._trials import Figure, arguments, finish, say
from chiasm import scale
from chiasm.data.openmoji import openmoji
from chiasm.encode.effnet_image import EffnetImage
from chiasm.media.alike import BYTES, look_alike, same_picture, signature
from chiasm.media.images import content, decode_image
from chiasm.stats.resample import bootstrap, interval
from chiasm.views import normalize

PACKS = ("coco2k", "mvsa_single", "ikea", "openmoji")
ALTERED = ("compressed", "small", "small WebP", "cut", "lighter or darker")
METHODS = ("signature", "63 signs", "255 signs", "effnet_image")
SEEN, POOL, EACH = 150, 1000, 200
FIGURES = [
    Figure(
        f"{pack}.{method.replace(' ', '_')}.{what}",
        ("same", pack, method, what),
        f"{pack}: {words} by {method}",
        "%",
        n=n,
    )
    for pack in PACKS
    for method in METHODS
    for what, words, n in (
        ("recall", "altered copies that are found", "200 pictures, five copies each"),
        ("another", "pictures that are called the same as another", "1,000 pictures"),
    )
]
FIGURES += [
    Figure(
        f"{pack}.{kind.replace(' ', '_')}",
        ("same", pack, "signature", kind),
        f"{pack}: copies that are found: {kind}",
        "%",
        n="200 pictures",
    )
    for pack in PACKS
    for kind in ALTERED
]
FIGURES += [
    Figure(f"burst.{shift}", ("burst", f"{shift} %"), f"two views {shift} % apart that look alike", "%", n="400 photos")
    for shift in (2, 5, 8)
]
FIGURES.append(Figure("burst.other", ("burst", "other"), "different photographs that look alike", "%", n="400 photos"))


def saved(image: Image.Image, format: str = "JPEG", quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, quality=quality)
    return buffer.getvalue()


def copies(task: tuple[Any, int]) -> list[bytes]:
    item, seed = task
    rng = np.random.default_rng(seed)
    image = decode_image(item, None)[0]
    w, h = image.size
    share = rng.uniform(0.3, 0.6, 2)
    left, top, right, bottom = rng.uniform(0.01, 0.03, 4)
    gain = rng.choice([rng.uniform(0.8, 0.92), rng.uniform(1.08, 1.2)])
    return [
        saved(image, quality=int(rng.integers(25, 60))),
        saved(image.resize((max(int(w * share[0]), 8), max(int(h * share[0]), 8)))),
        saved(image.resize((max(int(w * share[1]), 8), max(int(h * share[1]), 8))), "WEBP", 70),
        saved(image.crop((int(w * left), int(h * top), int(w * (1 - right)), int(h * (1 - bottom))))),
        saved(image.point(lambda v: min(255, round(v * gain)))),
    ]


def pictures(pack: str) -> list[Any]:
    """Pictures of different bytes that no constant was chosen on, in a random order."""
    if pack == "openmoji":
        views = openmoji()
        (name,) = (name for name, column in views.columns.items() if column.modality == "image")
        items: list[Any] = views[name].take(views[name].used)
    else:
        items = sorted(set(files(pack, "image", "items.parquet" if pack == "ikea" else "data.parquet")))
    items = items[SEEN:]
    first = {hashlib.sha256(content(item)).digest(): item for item in reversed(items)}
    kept = list(first.values())
    return [kept[i] for i in np.random.default_rng(0).permutation(len(kept))]


def waves(item: Any, side: int) -> np.ndarray:
    gray = np.asarray(decode_image(item, 32)[0].convert("L"), np.float32)
    found = dctn(gray, norm="ortho")[:side, :side].ravel()[1:]
    return np.where(found > np.median(found), 1, -1).astype(np.float32) / np.sqrt(len(found))


def likenesses(items: list[Any]) -> dict[str, np.ndarray]:
    """By method what is compared: signatures `(n, BYTES)`, or rows `(n, d)` of length 1."""
    found = {"signature": np.frombuffer(b"".join(scale.threads(signature, items)), np.uint8).reshape(-1, BYTES)}
    for side, name in ((8, "63 signs"), (16, "255 signs")):
        found[name] = np.stack([waves(item, side) for item in items])
    found["effnet_image"] = normalize(EffnetImage().encode(items))
    return found


def share(values: np.ndarray) -> dict[str, float]:
    value, low, high = bootstrap(values.astype(float), np.arange(len(values)))
    return interval(100 * value[0], 100 * low[0], 100 * high[0])


def same() -> dict[str, Any]:
    own: dict[str, dict[str, np.ndarray]] = {method: {} for method in METHODS}
    nearest: dict[str, dict[str, np.ndarray]] = {method: {} for method in METHODS}
    for pack in PACKS:
        pool = pictures(pack)[:POOL]
        copied = list(scale.threads(copies, [(item, i) for i, item in enumerate(pool[:EACH])]))
        originals, altered = likenesses(pool), likenesses([one for some in copied for one in some])
        of = np.repeat(np.arange(EACH), len(ALTERED))
        held = originals["signature"]
        pairs = {(i, j) for i, j in same_picture(altered["signature"], held[:EACH]) if of[i] == j}
        own["signature"][pack] = np.array([(i, of[i]) in pairs for i in range(len(of))], dtype=float)
        nearest["signature"][pack] = np.zeros(len(pool))
        nearest["signature"][pack][[i for i, j in same_picture(held, held) if i != j]] = 1
        for method in METHODS[1:]:
            own[method][pack] = (altered[method] * originals[method][of]).sum(axis=1)
            likeness = originals[method] @ originals[method].T
            np.fill_diagonal(likeness, -1)
            nearest[method][pack] = likeness.max(axis=1)
        say(pack)
    wanted = np.mean([one.mean() for one in nearest["signature"].values()])
    result: dict[str, Any] = {"least": {}}
    for method in METHODS:
        steps = np.arange(0.3, 1, 0.002) if method != "signature" else np.array([0.5])
        shares = [np.mean([(near >= step).mean() for near in nearest[method].values()]) for step in steps]
        least = steps[int(np.argmin(np.abs(np.array(shares) - wanted)))]
        result["least"][method] = round(float(least), 3)
        for pack in PACKS:
            hits = (own[method][pack] >= least).reshape(EACH, len(ALTERED))
            told = {"recall": share(hits.mean(axis=1)), "another": share(nearest[method][pack] >= least)}
            told |= {kind: share(hits[:, i]) for i, kind in enumerate(ALTERED)}
            result.setdefault(pack, {})[method] = told
            say(pack, method, told["recall"], told["another"])
    return result


def burst() -> dict[str, Any]:
    paths = pictures("coco2k")[: 2 * EACH]
    rng = np.random.default_rng(1)

    def view(image: Image.Image, x: float, y: float, turn: float, zoom: float) -> Image.Image:
        w, h = image.size
        turned = image.rotate(turn, Image.Resampling.BICUBIC)
        side = 0.7 * zoom
        box = (w * (0.15 + x), h * (0.15 + y), w * (0.15 + x + side), h * (0.15 + y + side))
        return turned.crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]

    images = [decode_image(path, None)[0] for path in paths]
    one = np.frombuffer(b"".join(signature(view(image, 0, 0, 0, 1)) for image in images), np.uint8).reshape(-1, BYTES)
    result: dict[str, Any] = {}
    for shift in (0.02, 0.05, 0.08):
        moved = []
        for image in images:
            way, turn, zoom = rng.uniform(0, 2 * np.pi), rng.uniform(-3, 3), rng.uniform(0.97, 1.03)
            moved.append(view(image, 0.7 * shift * np.cos(way), 0.7 * shift * np.sin(way), turn, zoom))
        other = np.frombuffer(b"".join(map(signature, moved)), np.uint8).reshape(-1, BYTES)
        result[f"{100 * shift:.0f} %"] = share(look_alike(one, other))
    apart = [look_alike(one, np.roll(one, step, axis=0)) for step in range(1, 21)]
    result["other"] = share(np.mean(apart, axis=0))
    return result


def main() -> None:
    parser = arguments(__doc__, ["same", "burst"])
    args = parser.parse_args()
    parts = args.parts or ["same", "burst"]
    finish({name: {"same": same, "burst": burst}[name]() for name in parts}, FIGURES, args)


if __name__ == "__main__":
    main()
