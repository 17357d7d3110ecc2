"""How close nearly equal items lie, and how close different ones: where the encoders' `near` comes from.

`python -m benchmarks.search.near_equal`. coco2k, 400 items a view. Copies: a picture saved again (JPEG 50), at half
size, with 3 % cut off each side; a caption in capitals, without its full stop, with doubled spaces, one letter typed
wrong. Different: each item's nearest other item (some are true near-duplicates, so the tail is an upper bound).
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

import chiasm
from benchmarks._sets import pictures
from benchmarks._trials import Figure, arguments, finish
from chiasm.views import normalize

NAMES = {"image": ("effnet_image", "pixel_image"), "text": ("e5_text", "tfidf_text")}
COPIES = {
    "image": ("saved again", "half size", "cut 3 %"),
    "text": ("capitals", "no full stop", "doubled spaces", "one letter wrong"),
}
FIGURES = [
    Figure(
        f"{name}.{kind.replace(' ', '_').replace('%', 'percent')}",
        (name, f"{kind}: found %"),
        f"altered copies that `{name}` recognizes: {kind}",
        "%",
        n="400 items",
    )
    for modality, names in NAMES.items()
    for name in names
    for kind in COPIES[modality]
]


def image_copies(path: str) -> dict[str, bytes]:
    image = Image.open(path).convert("RGB")
    w, h = image.size

    def saved(changed: Image.Image, **how: int) -> bytes:
        buffer = io.BytesIO()
        changed.save(buffer, "JPEG", **({"quality": 90} | how))
        return buffer.getvalue()

    return {
        "saved again": saved(image, quality=50),
        "half size": saved(image.resize((w // 2, h // 2))),
        "cut 3 %": saved(image.crop((w * 3 // 100, h * 3 // 100, w * 97 // 100, h * 97 // 100))),
    }


def text_copies(text: str) -> dict[str, str]:
    middle = len(text) // 2
    return {
        "capitals": text.upper(),
        "no full stop": text.rstrip(". "),
        "doubled spaces": text.replace(" ", "  "),
        "one letter wrong": text[:middle] + "x" + text[middle + 1 :],
    }


def main() -> None:
    args = arguments(__doc__).parse_args()
    views = pictures("coco2k")
    result = {}
    for view, modality, copies in (("image", "image", image_copies), ("caption", "text", text_copies)):
        items = views[view].take(views[view].used[:400])
        for name in NAMES[modality]:
            encoder = chiasm.get("encode", name)().fit(items)
            original = normalize(encoder.encode(items))
            likeness = original @ original.T
            np.fill_diagonal(likeness, -1)
            nearest = likeness.max(axis=1)
            made = [copies(item) for item in items]
            table = {
                "near": encoder.near,
                "different, called near %": round(100 * float((nearest >= encoder.near).mean()), 2),
            }
            table["nearest different: median, 99 %, most"] = np.quantile(nearest, [0.5, 0.99, 1]).round(4).tolist()
            for kind in made[0]:
                changed = normalize(encoder.encode([one[kind] for one in made]))
                cosine = (original * changed).sum(axis=1)
                table[f"{kind}: 5 %, median"] = np.quantile(cosine, [0.05, 0.5]).round(4).tolist()
                table[f"{kind}: found %"] = round(100 * float((cosine >= encoder.near).mean()), 1)
            result[name] = table
            print(name, table, flush=True)
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
