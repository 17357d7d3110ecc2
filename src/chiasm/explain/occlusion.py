"""Occlusion: cover a part of a picture, or leave out a word, and see what the score loses.

Sources: Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014 (cover and look); Petsiuk, Das
& Saenko, RISE, BMVC 2018 (what is told is judged by deleting it); clusters of patches, one covered at a time: CCI
(arXiv 2511.12978, 2025). Written here, with the test against chance.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from PIL import Image, ImageFilter

from chiasm.allowed import SEED, choice, number
from chiasm.encode import spans
from chiasm.explain._cells import blob, box, features, segments, spread
from chiasm.explain._explainer import Explainer, Scoring
from chiasm.media.images import decode_image

__all__ = ["Occlusion"]

SIDE = 288
"""Pixels a side of the pictures that are covered in part."""

MOST = 48
"""Pieces that a text is cut into at most; of a longer one, neighbors are left out together."""

OWN = 1 / 3
"""A random blob that holds more of the region than this is no comparison for it, and is drawn again."""

_LEAST = 1e-6
"""What a score has to lose to have lost anything: rounding is less."""

_TRIES = 50


class Occlusion(Explainer):
    """The region of a picture and the words of a text that a score rests on, by what it loses without them.

    *A picture* is cut into segments: connected cells that are alike (to the encoder, where it has patches, else in
    color). Each is covered in turn, and the one that costs most is the region. It is withheld where the picture scores
    no better than a blank one, so that there is nothing to lose, and where covering it costs no more than covering each
    of some random connected blobs of equal area. The blobs hold at most a third of the region, or else they would be
    the region itself. All of 50 are to be beaten, not 95 of 100, since the region is the best of six tries: of scores
    that are noise this tells a region of 6 in 100 (39 of 600), the 95th percentile would of 17.

    *A text* loses one piece at a time: a word, or in scripts without spaces one or two characters, cut so that the sum
    of what the pieces cost is largest. It is withheld where there is but one piece, and where none costs anything. No
    random words are drawn: every other word is left out too, and told.

    Args:
        segments: into how many a picture is cut.
        blobs: how many random blobs of equal area it has to beat; 0: none, for those who compare it themselves.
        fill: what covers: "mean", the picture's mean color; "blur", the picture out of focus.
        seed: of the blobs.

    It costs 2 + segments + blobs encodings a picture, and one a word. Pictures are scored as squares of 288 pixels.
    What a score rests on need not be what a person would point at (docs/explain.md has both measured).

    >>> class Red:
    ...     def pair_scores(self, query, candidates):
    ...         (column,) = candidates.columns.values()
    ...         return np.array([text.count("red") for text in column.items], dtype=float)
    >>> from chiasm.views import Column, Views
    >>> pair = Views({"asked": Column("text", ["a red bus"]), "found": Column("text", ["the red one"])})
    >>> told = Occlusion().explain(Red(), pair)
    >>> [(word["word"], word["share"]) for word in told["found"].items[0]["words"]]
    [('the', 0.0), ('red', 1.0), ('one', 0.0)]
    """

    allowed: ClassVar = {
        "segments": number(2, 40, whole=True),
        "blobs": number(0, 1000, whole=True),
        "fill": choice("mean", "blur"),
        "seed": SEED,
    }

    def __init__(self, segments: int = 6, blobs: int = 50, fill: str = "mean", seed: int = 0):
        self.segments = segments
        self.blobs = blobs
        self.fill = fill
        self.seed = seed

    def told(self, modality: str, item: Any, score: Scoring, patches: Callable[[Any], Any]) -> dict[str, Any]:
        """As the base says."""
        return self._words(item, score) if modality == "text" else self._region(item, score, patches)

    def _region(self, item: Any, score: Scoring, patches: Callable[[Any], Any]) -> dict[str, Any]:
        image = decode_image(item, SIDE)[0]
        picture = np.asarray(image)
        values = features(patches(picture), picture)
        cut = segments(values, self.segments)
        cover = self._cover(image)

        def without(mask: np.ndarray) -> np.ndarray:
            return np.where(spread(mask, SIDE)[..., None], cover, picture)

        masks = [cut == number for number in range(cut.max() + 1)]
        whole, blank, *each = score([picture, cover, *map(without, masks)]).tolist()
        drops = whole - np.array(each)
        best = int(drops.argmax())
        region, drop = masks[best], float(drops[best])
        told = {"score": whole}
        if whole - blank <= _LEAST:
            return told | {"withheld": "the picture scores no better than a blank one"}
        if drop <= _LEAST:
            return told | {"withheld": "no part of the picture lowers the score when it is covered"}
        rng = np.random.default_rng(self.seed)
        blobs = [without(_elsewhere(region, rng)) for _ in range(self.blobs)]
        bar = float((whole - score(blobs)).max()) if blobs else 0.0
        if drop <= bar:
            return told | {"withheld": "no part of the picture counts more than random ones of equal area"}
        share = drop / float(drops[drops > 0].sum())
        found = {"box": box(region), "share": round(share, 3), "drop": drop, "random": bar}
        return told | {"region": found | {"mask": ["".join(map(str, row)) for row in region.astype(int).tolist()]}}

    def _cover(self, image: Image.Image) -> np.ndarray:
        """What is seen where a picture is covered, `(h, w, 3)`."""
        if self.fill == "blur":
            return np.asarray(image.filter(ImageFilter.GaussianBlur(SIDE / 12)))
        mean = np.asarray(image).reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
        return np.broadcast_to(mean, (SIDE, SIDE, 3))

    def _words(self, text: str, score: Scoring) -> dict[str, Any]:
        units = spans(text)
        step = -(-len(units) // MOST) or 1
        pieces = [(places[0][0], places[-1][1]) for i in range(0, len(units), step) if (places := units[i : i + step])]
        if len(pieces) < 2:
            (whole,) = score([text]).tolist()
            return {"score": whole, "withheld": "a text of one word has nothing to leave out"}
        pairs = [] if step > 1 else [(a[0], b[1]) for a, b in pairwise(units) if _touch(a, b)]
        pairs = pairs if len(pieces) > 2 else []
        whole, *each = score([text, *(_less(text, *piece) for piece in [*pieces, *pairs])]).tolist()
        lost = {piece: whole - one for piece, one in zip([*pieces, *pairs], each, strict=True)}
        chosen = _cut(pieces, set(pairs), lost)
        total = sum(max(lost[piece], 0.0) for piece in chosen)
        if max(lost[piece] for piece in chosen) <= _LEAST:
            return {"score": whole, "withheld": "no word that is left out lowers the score"}
        words = [
            {"word": text[a:b], "start": a, "end": b, "share": round(max(lost[a, b], 0.0) / total, 3)}
            for a, b in chosen
        ]
        return {"score": whole, "words": words}


def _elsewhere(region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random blob of the area of `region` that is not the region itself, as far as there is room."""
    area, least, found = int(region.sum()), np.inf, region
    for _ in range(_TRIES):
        mask = blob(len(region), area, rng)
        if (own := float((mask & region).sum() / area)) < least:
            least, found = own, mask
        if own <= OWN:
            break
    return found


def _touch(a: tuple[int, int, bool], b: tuple[int, int, bool]) -> bool:
    """Whether two units are neighboring characters of a script without spaces."""
    return a[2] and b[2] and a[1] == b[0]


def _less(text: str, start: int, end: int) -> str:
    """A text without a stretch of it, and without the double space that this leaves."""
    return re.sub(r"\s{2,}", " ", text[:start] + text[end:]).strip()


def _cut(
    pieces: list[tuple[int, int]], pairs: set[tuple[int, int]], lost: dict[tuple[int, int], float]
) -> list[tuple[int, int]]:
    """The pieces in order, neighbors as one pair where a pair costs more than both alone: the largest sum."""
    best: list[tuple[float, list[tuple[int, int]]]] = [(0.0, [])]
    for i, piece in enumerate(pieces):
        ways = [(best[i][0] + lost[piece], [*best[i][1], piece])]
        if i and (both := (pieces[i - 1][0], piece[1])) in pairs:
            ways.append((best[i - 1][0] + lost[both] - _LEAST, [*best[i - 1][1], both]))
        best.append(max(ways, key=lambda way: way[0]))
    return best[-1][1]
