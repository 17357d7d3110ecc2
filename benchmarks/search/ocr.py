"""Text in pictures: how well it is read, and whether it helps to find tweets by their pictures and pictures by tweets.

`python -m benchmarks.search.ocr read` writes 100 English texts (five words of a coco2k caption) and 100 Chinese ones
(12 letters of a web_news_zh headline) over photographs of coco2k, each made 900 pixels wide: letters of 18, 28 or
44 pixels, black or white, whichever is farther from what lies behind, in full or half strength, at a random place.
The character error rate is edits over letters, of the lines read where the text stands, with the spaces (for English
without them too); an empty reading has 100 %. Words that the photograph holds itself are not counted. Intervals over
pictures. Where OpenCV, Shapely and pyclipper are installed, the package's own code reads the same pictures beside.
What the reader was tuned on was made likewise, of the same photographs and texts, by other seeds.

`python -m benchmarks.search.ocr find`: a random 1,000 rows of mvsa_single (tweets, pictures of at most 176 pixels on
the shorter side), five re-drawn 60/20/20 splits, `auto`, tweets by e5_text; rsum (R@1 + R@5 + R@10 both ways).
Pictures by effnet_image; joined with ocr_image (zeros where nothing is read); and a third view: the cosine of tweet and
read words, both by e5_text and centered, added with a weight that the validation rows choose, 0 among them.
And as a collection adds them (`chiasm.collection`): standard scores, to which read words can only add; no weight is
chosen and no mean is taken off. Differences to effnet_image alone with Nadeau & Bengio's intervals; also on the test
rows whose picture holds words.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks._sets import files, pictures, table
from benchmarks._trials import SHARES, Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm import registry
from chiasm.collection._fused import Scale, Terms, fused
from chiasm.encoding import Encoding
from chiasm.media.ocr import character_errors, read_text
from chiasm.report.sheet import font_file
from chiasm.stats.resample import Draws, interval_of
from chiasm.views import Views

COUNT, SIDE, SIZES, STRENGTHS, SEED = 100, 900, (18, 28, 44), (0.5, 1.0), 93
ROWS, SPLITS, WEIGHTS = 1000, 5, (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
LANGUAGES = {"en": "English", "zh": "Chinese"}
WAYS = {
    "alone": "pictures by effnet_image",
    "joined": "joined with ocr_image",
    "third": "and the words read in them as a third view",
    "collection": "and the words read in them as a collection adds them",
}

READ = {
    "cer": ("character error rate", "%", ".1f"),
    "no_spaces": ("character error rate, spaces left out", "%", ".1f"),
    "peer": ("character error rate of rapidocr-onnxruntime's own code", "%", ".1f"),
    "peer.no_spaces": ("character error rate of rapidocr-onnxruntime's own code, spaces left out", "%", ".1f"),
    "less": ("character error rate, spaces left out, less that of rapidocr-onnxruntime's own code", "points", "+.1f"),
    "whole": ("pictures read without an error", "%", ".0f"),
    "small": ("character error rate, letters of 18 pixels", "%", ".1f"),
    "faint": ("character error rate, half strength", "%", ".1f"),
}
FIGURES = [
    Figure(f"{short}.{name}", ("read", short, name), f"{language} text over photographs: {what}", unit, form, n="{n}")
    for short, language in LANGUAGES.items()
    for name, (what, unit, form) in READ.items()
]
FIGURES += [
    Figure("mvsa.words", ("find", "with words"), "mvsa_single, pictures with words read", "%", ".0f", n="1,000"),
    Figure("mvsa.chance", ("find", "chance"), "mvsa_single, tweets <-> pictures: rsum by chance", "of 600", ".1f"),
]
FIGURES += [
    Figure(
        f"mvsa.{way}{end}",
        ("find", part, way),
        f"mvsa_single, tweets <-> pictures, {words}: {what}",
        "of 600" if "less" not in what else "points",
        ".1f" if "less" not in what else "+.1f",
        f"{SPLITS} splits of 1,000 rows",
    )
    for way, words in WAYS.items()
    for end, part, what in (
        ("", "rsum", "rsum"),
        (".gain", "gain", "rsum less that of effnet_image alone"),
        (".worded", "rsum, with words", "rsum of rows whose picture holds words"),
        (".worded.gain", "gain, with words", "rsum of rows whose picture holds words, less effnet_image alone"),
    )
    if way != "alone" or "gain" not in end
]


# ---- reading ----
def written(file: str, text: str, size: int, strength: float, rng: np.random.Generator) -> tuple[Image.Image, Any]:
    """A photograph with a text over it, and where: left, top, right, bottom."""
    photo = Image.open(file).convert("RGB")
    photo = photo.resize((SIDE, round(photo.height * SIDE / photo.width)), Image.Resampling.BICUBIC)
    font = ImageFont.truetype(font_file(), size)
    left, top, right, bottom = ImageDraw.Draw(photo).textbbox((0, 0), text, font=font)
    x = int(rng.integers(8, photo.width - right - 8))
    y = int(rng.integers(8, photo.height - bottom - 8))
    place = (x + left, y + top, x + right, y + bottom)
    behind = float(np.asarray(photo.crop(place).convert("L")).mean())
    mask = Image.new("L", photo.size)
    ImageDraw.Draw(mask).text((x, y), text, font=font, fill=round(255 * strength))
    photo.paste("white" if behind < 128 else "black", mask=mask)
    return photo, place


def there(lines: list[tuple[Any, str]], place: Any) -> str:
    """The text of the lines whose middle is where the text stands."""
    found = []
    for box, text in lines:
        x, y = np.mean(box, axis=0)
        if place[0] - 8 <= x <= place[2] + 8 and place[1] - 8 <= y <= place[3] + 8:
            found.append(text)
    return " ".join(found)


def own_code() -> Any:
    """The package's own reader on one thread, or None where what it needs is not installed."""
    if any(find_spec(name) is None for name in ("cv2", "shapely", "pyclipper")):
        return None
    import cv2
    from rapidocr_onnxruntime import RapidOCR

    cv2.setNumThreads(1)
    return RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)


def rate(pairs: list[tuple[str, str]], kept: np.ndarray | None = None, spaces: bool = True) -> dict[str, Any]:
    """The character error rate in % with its interval over pictures."""
    if not spaces:
        pairs = [(text.replace(" ", ""), read.replace(" ", "")) for text, read in pairs]
    counted = np.array([character_errors(*pair) for pair in pairs])[slice(None) if kept is None else kept]
    draws = Draws(np.arange(len(counted)))
    return {
        **interval_of(*draws.repeated(lambda rows: 100 * counted[rows, 0].sum() / counted[rows, 1].sum())),
        "n": f"{len(counted)} pictures",
    }


def beside(pairs: list[tuple[str, str]], others: list[tuple[str, str]]) -> dict[str, Any]:
    """What the package's own code reads of the same pictures, and the difference to it, picture by picture."""
    ours, theirs = (
        np.array([character_errors(text.replace(" ", ""), read.replace(" ", "")) for text, read in of])
        for of in (pairs, others)
    )
    gap = Draws(np.arange(len(ours))).repeated(
        lambda rows: 100 * (ours[rows, 0] - theirs[rows, 0]).sum() / ours[rows, 1].sum()
    )
    return {
        "peer": rate(others),
        "peer.no_spaces": rate(others, spaces=False),
        "less": {**interval_of(*gap), "n": f"{len(ours)} pictures"},
        "worse": [(*pairs[i], others[i][1]) for i in np.flatnonzero(ours[:, 0] > theirs[:, 0])],
    }


def read() -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    photos = files("coco2k", "image")
    texts = {
        "en": [" ".join(caption.split()[:5]) for caption in table("coco2k")["caption"]],
        "zh": [short for text in table("web_news_zh")["text"] if len(short := "".join(text.split())[:12]) == 12],
    }
    peer = own_code()
    result: dict[str, Any] = {}
    for language in LANGUAGES:
        pairs, others, sizes, strengths = [], [], [], []
        for _ in range(COUNT):
            size, strength, text = int(rng.choice(SIZES)), float(rng.choice(STRENGTHS)), ""
            while not text or ImageFont.truetype(font_file(), size).getlength(text) > SIDE - 40:  # it has to fit
                text = texts[language][rng.integers(len(texts[language]))]
            photo, place = written(photos[rng.integers(len(photos))], text, size, strength, rng)
            found = read_text(photo)
            pairs.append((text, there([(line.box, line.text) for line in found.lines], place)))
            if peer:
                lines = peer(np.asarray(photo)[:, :, ::-1])[0] or []
                others.append((text, there([(box, read) for box, read, _ in lines], place)))
            sizes.append(size)
            strengths.append(strength)
        whole = Draws(np.arange(COUNT)).mean(np.array([100.0 * (character_errors(*pair)[0] == 0) for pair in pairs]))
        result[language] = {
            "cer": rate(pairs),
            "no_spaces": rate(pairs, spaces=False),
            "whole": {**interval_of(*whole), "n": f"{COUNT} pictures"},
            "small": rate(pairs, np.array(sizes) == SIZES[0]),
            "faint": rate(pairs, np.array(strengths) < 1),
            "empty reading": rate([(text, "") for text, _ in pairs]),
            **(beside(pairs, others) if peer else {}),
            "worst": sorted(pairs, key=lambda pair: -character_errors(*pair)[0])[:5],
        }
        say("ocr", language, {name: held for name, held in result[language].items() if name not in ("worst", "worse")})
    return result


# ---- finding ----
def unit(values: Any) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def rows_of(views: Views, name: str) -> np.ndarray:
    """A column's vectors row by row."""
    column = views[name]
    return np.asarray(column.items[column.index])


def rsum(scores: np.ndarray, rows: np.ndarray | None = None) -> float:
    """R@1 + R@5 + R@10 both ways, in points, of a matrix whose diagonal belongs together; items alike share a rank."""
    own = np.diag(scores)
    total = 0.0
    for table_ in (scores, scores.T):
        rank = 1 + (table_ > own[:, None] + 1e-9).sum(axis=1)
        total += sum(100 * np.mean((rank if rows is None else rank[rows]) <= k) for k in (1, 5, 10))
    return total


def mapped(encoded: Views, known: Any, parts: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Cosines of tweets and pictures by `auto`, of validation and of test rows."""
    aligner = registry.get("align", "auto")(seed=seed)
    aligner.fit(encoded[parts["train"]], val=encoded[parts["val"]], known=known)
    found = {}
    for name in ("val", "test"):
        shared = aligner.transform(encoded[parts[name]])
        found[name] = unit(rows_of(shared, "text")) @ unit(rows_of(shared, "image")).T
    return found


def collected(pictures_: np.ndarray, tweets: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Scores of tweets with pictures as a collection has them: of cosines `(n, n)`, vectors of tweets and words."""
    has = np.linalg.norm(words, axis=1) > 0
    rows = []
    for cosines, tweet in zip(pictures_, tweets, strict=True):
        read = np.where(has, unit(words) @ tweet, np.nan)
        picture = Scale.of(cosines).standard(cosines)
        rows.append(fused(picture, np.full(len(has), np.nan), Scale.of(read[has]).standard(read), Terms()))
    return np.stack(rows)


def find() -> dict[str, Any]:
    views = pictures("mvsa_single")
    views = views[np.sort(np.random.default_rng(0).permutation(len(views))[:ROWS])]
    twins = Encoding().twins(views)
    words = rows_of(Encoding({"image": "ocr_image:wordless=zeros"}).fit_transform(views), "image")
    has = np.linalg.norm(words, axis=1) > 0
    tweets = rows_of(Encoding().fit_transform(views), "text")
    runs, chosen = Runs(), []
    for seed, split in redrawn(views, SHARES, SPLITS, twins):
        parts = {name: split == name for name in SHARES}
        tables = {}
        for way, encoder in (("alone", "effnet_image"), ("joined", "effnet_image+ocr_image:wordless=zeros")):
            encoding = Encoding({"image": encoder}).fit(views[parts["train"]])
            tables[way] = mapped(encoding.transform(views), encoding.known(), parts, seed)
        third = {}
        for name in ("val", "test"):
            own, train = parts[name], parts["train"]
            read = np.where(has[own, None], words[own] - words[train & has].mean(axis=0), 0)
            third[name] = unit(tweets[own] - tweets[train].mean(axis=0)) @ unit(read).T

        def added(weight: float, name: str, tables: Any = tables, third: Any = third) -> np.ndarray:
            return tables["alone"][name] + weight * third[name]

        weight = max(WEIGHTS, key=lambda w: rsum(added(w, "val")))
        chosen.append(weight)
        held = np.flatnonzero(has[parts["test"]])
        scored = {
            "alone": tables["alone"]["test"],
            "joined": tables["joined"]["test"],
            "third": added(weight, "test"),
            "collection": collected(tables["alone"]["test"], unit(tweets[parts["test"]]), words[parts["test"]]),
        }
        for way, test in scored.items():
            runs.add(way, {"rsum": rsum(test), "rsum, with words": rsum(test, held)})
        size = int(parts["test"].sum())
        say("ocr", seed, weight, runs.last("rsum"), runs.last("rsum, with words"))
    return {
        "rows": ROWS,
        "with words": 100 * float(has.mean()),
        "chance": sum(200 * k / size for k in (1, 5, 10)),
        "weights chosen": chosen,
        **{m: {way: spread_of(runs[way][m]) for way in WAYS} for m in ("rsum", "rsum, with words")},
        **{
            gain: {
                way: apart(runs[way][m], runs["alone"][m], SHARES["test"], SHARES["train"])
                for way in ("joined", "third", "collection")
            }
            for gain, m in (("gain", "rsum"), ("gain, with words", "rsum, with words"))
        },
    }


def spread_of(values: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))}


PARTS = {"read": read, "find": find}


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    finish({name: PARTS[name]() for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
