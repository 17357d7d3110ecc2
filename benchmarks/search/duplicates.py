"""Near-duplicates: altered copies of pictures told from other pictures, and bursts from pictures of different things.

`python -m benchmarks.search.duplicates [same] [burst]`. Same picture: of each pack pictures of different bytes, each
with five copies: strongly compressed, small, small as WebP, up to 3 % cut off each side, lighter or darker. Of all
pairs of all these pictures those of one origin are to be found (recall, by alteration), and no other (precision, where true
duplicates within a pack count as mistakes: a lower bound). Half of the pictures choose the peers' one threshold for all
packs (the most F1, mean of the packs), the other half is scored; the constants of `chiasm.media.alike` were chosen by
altering others, the first 150 of each pack. Peers: signs of 63 and of 255 cosines alone, cosine of `effnet_image`.

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
SEEN, EACH = 150, 200
FIGURES = [
    Figure(
        f"{pack}.{method.replace(' ', '_')}.{what}",
        ("same", pack, method, what),
        f"{pack}: altered copies {'that are found' if what == 'recall' else 'among the pairs found'} by {method}",
        "%",
        n="200 pictures, five copies each",
    )
    for pack in PACKS
    for method in METHODS
    for what in ("recall", "precision")
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
    Figure(
        f"burst.{shift}", ("burst", f"{shift} %"), f"two views {shift} % apart that look alike", "%", n="400 pictures"
    )
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
    """(n, n) by method; of `signature` whether they are the same."""
    held = np.frombuffer(b"".join(scale.threads(signature, items)), np.uint8).reshape(-1, BYTES)
    mine = np.zeros((len(items), len(items)), np.float32)
    pairs = np.array(list(same_picture(held, held)))
    mine[pairs[:, 0], pairs[:, 1]] = 1
    found = {"signature": mine}
    for side, name in ((8, "63 signs"), (16, "255 signs")):
        rows = np.stack([waves(item, side) for item in items])
        found[name] = rows @ rows.T
    rows = normalize(EffnetImage().encode(items))
    found["effnet_image"] = rows @ rows.T
    return found


def found_of(called: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong pairs of each origin `(o,)`; a wrong one is shared by two."""
    pairs = np.triu(called, 1)
    same = origin[:, None] == origin[None]
    right = np.bincount(origin, weights=(pairs & same).sum(axis=1))
    wrong = pairs & ~same
    return right, (np.bincount(origin, weights=wrong.sum(axis=1)) + np.bincount(origin, weights=wrong.sum(axis=0))) / 2


def f1(called: np.ndarray, origin: np.ndarray) -> float:
    right, wrong = (float(part.sum()) for part in found_of(called, origin))
    wanted = len(set(origin.tolist())) * 15  # pairs of six
    return 2 * right / (right + wrong + wanted)


def share(values: np.ndarray) -> dict[str, float]:
    value, low, high = bootstrap(values, np.arange(len(values)))
    return interval(100 * value[0], 100 * low[0], 100 * high[0])


def precision(called: np.ndarray, origin: np.ndarray) -> dict[str, float]:
    right, wrong = found_of(called, origin)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(right), size=(1000, len(right)))
    values = 100 * right[drawn].sum(1) / (right[drawn].sum(1) + wrong[drawn].sum(1))
    value = 100 * right.sum() / (right.sum() + wrong.sum())
    return interval(value, *np.quantile(values, [0.025, 0.975]))


def same() -> dict[str, Any]:
    halves: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for pack in PACKS:
        items = pictures(pack)
        for half, some in (("val", items[:EACH]), ("test", items[EACH : 2 * EACH])):
            made = list(scale.threads(copies, [(item, i) for i, item in enumerate(some)]))
            everything = [one for item, others in zip(some, made, strict=True) for one in (item, *others)]
            halves.setdefault(half, {})[pack] = likenesses(everything)
            say(pack, half, len(everything))
    origin = np.repeat(np.arange(EACH), 6)
    least = {"signature": 0.5}
    for method in METHODS[1:]:
        steps = np.arange(0.3, 1, 0.02) if method != "effnet_image" else np.arange(0.7, 1, 0.01)
        scores = [np.mean([f1(halves["val"][pack][method] >= step, origin) for pack in PACKS]) for step in steps]
        least[method] = float(steps[int(np.argmax(scores))])
    result: dict[str, Any] = {"thresholds": {name: round(value, 2) for name, value in least.items()}}
    for pack in PACKS:
        result[pack] = {}
        for method in METHODS:
            called = halves["test"][pack][method] >= least[method]
            hits = called[::6].reshape(EACH, EACH, 6)[np.arange(EACH), np.arange(EACH), 1:]
            told = {"recall": share(hits.mean(axis=1)), "precision": precision(called, origin)}
            told |= {kind: share(hits[:, i].astype(float)) for i, kind in enumerate(ALTERED)}
            result[pack][method] = told
            other = called[::6, ::6] & ~np.eye(EACH, dtype=bool)
            told["originals with another"] = int(other.any(axis=1).sum())
        say(
            pack,
            {
                method: [round(result[pack][method][w]["value"], 1) for w in ("recall", "precision")]
                for method in METHODS
            },
        )
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
        result[f"{100 * shift:.0f} %"] = share(look_alike(one, other).astype(float))
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
