"""A shop's customer service: a question and a photograph in, the product and the answer out, or a person is asked.

`python benchmarks/service.py`. Built from ikea (2,187 products: picture, type, color, size, description). A customer asks
for a product's name, color, size or description, in English or Chinese (the product words stay English), in a
phrasing that learning did not see, and sends a photograph of it: the shop's own, cropped to 50-90 % of its area, lighter
or darker by up to 40 %, saved as JPEG of quality 30-70. A question may say nothing of the product ("what size is
this?"), its type, its type and color, or a few words of its description.

The catalog is known; the questions and photographs of 60 % of the products are learned from, those of 20 % choose how
channels are combined and from which confidence on to answer, those of 20 % are asked: other products, other phrasings.
`Classify` reads what is asked for. `Retrieve` puts question, photograph, card (the product in words) and picture into
one space. The confidence of an answer is the probability of all products that give the same answer. It is answered
where that is at least the threshold that keeps the errors on the validation questions at 5 or 10 %; otherwise a person
is asked. Intervals resample products.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from _shared import finish, pack
from scipy.optimize import minimize
from scipy.special import logsumexp

from chiasm import Column, Views
from chiasm.classification import automation
from chiasm.encoding import Encoding
from chiasm.metrics import normalize
from chiasm.resample import Draws, difference, interval_of
from chiasm.tasks.classify import Classify
from chiasm.tasks.match import Match
from chiasm.tasks.retrieve import Retrieve
from chiasm.trust import cut

FIELDS = ("name", "color", "size", "description")
ERRORS = (0.05, 0.1)
SHORT = 20
"""Candidates of a question that `Match` judges."""

HOW = {
    "en": {
        "this": (["{ask}", "{ask} I have added a photo."], ["A question about the thing in my picture: {ask}"],
                 ["See attached. {ask}"]),
        "type": (["About your {type}: {ask}", "I am looking at a {type}. {ask}"], ["This {type} here, {ask}"],
                 ["Hello, it is the {type} I mean. {ask}"]),
        "color": (["The {color} {type}: {ask}", "I want the {type} in {color}. {ask}"], ["{type}, {color}. {ask}"],
                  ["Hi! You sell a {type} ({color}). {ask}"]),
        "words": (["Your {type} - \"{words}\" - {ask}", "It says \"{words}\". {ask}"],
                  ["I read \"{words}\" about the {type}. {ask}"], ["The {type} where it says: {words}. {ask}"]),
    },
    "zh": {
        "this": (["{ask}", "照片在上面，{ask}"], ["看一下我发的图，{ask}"], ["见附图。{ask}"]),
        "type": (["你们的{type}，{ask}", "我在看一款{type}。{ask}"], ["就是这款{type}，{ask}"], ["您好，我说的是{type}，{ask}"]),
        "color": (["{color}的{type}，{ask}", "我想要{color}的{type}。{ask}"], ["{type}，{color}色，{ask}"],
                  ["你好！你们有一款{type}（{color}），{ask}"]),
        "words": (["写着“{words}”的{type}，{ask}", "上面写“{words}”。{ask}"], ["我看到{type}写着“{words}”，{ask}"],
                  ["那款{type}，说明是：{words}。{ask}"]),
    },
}  # fmt: skip
"""By language and what is said of the product: phrasings to learn from, to choose on, to be asked."""

ASK = {
    "en": {
        "name": (["What is it called?", "Which product is this?"], ["What name does it go by?"],
                 ["Under what name can I find it?"]),
        "color": (["What color is it?", "Which color does it have?"], ["In what shade does it come?"],
                  ["How would you call its color?"]),
        "size": (["How big is it?", "What size is it?"], ["What are its measurements?"],
                 ["Could you give me the dimensions?"]),
        "description": (["What is special about it?", "Can you describe it?"], ["Tell me more about it."],
                        ["What should I know about it?"]),
    },
    "zh": {
        "name": (["它叫什么名字？", "这是哪一款产品？"], ["它的品名是什么？"], ["我搜什么名称能找到它？"]),
        "color": (["它是什么颜色？", "颜色是哪种？"], ["它是哪个色的？"], ["请问颜色怎么称呼？"]),
        "size": (["它有多大？", "尺寸是多少？"], ["长宽各是多少？"], ["麻烦给我具体的规格大小。"]),
        "description": (["它有什么特点？", "能介绍一下吗？"], ["详细说说这个产品。"], ["关于它我应该知道什么？"]),
    },
}  # fmt: skip
PARTS = ("train", "val", "test")


class Shop(NamedTuple):
    """Products, and what customers ask about them."""

    products: dict[str, np.ndarray]
    catalog: Views
    asked: Views
    product: np.ndarray
    """`(q,)` the product that is meant."""
    field: np.ndarray
    """`(q,)` what is asked for."""
    part: np.ndarray
    """`(q,)` train, val or test, by product."""
    said: np.ndarray
    """`(q,)` what the question says of the product."""


def shop(seed: int = 0) -> Shop:
    """Two questions a product, one in each language, each with a photograph of its own."""
    import pyarrow.parquet as pq

    folder = pack("ikea")
    table = {k: np.array(v, dtype=object) for k, v in pq.read_table(folder / "items.parquet").to_pydict().items()}
    n = len(table["id"])
    parts = cut(Views({"x": Column("vector", np.zeros((n, 1)))}), {"train": 0.6, "val": 0.2, "test": 0.2}, seed)
    cards = [
        " ".join(f"{table['name'][i]} {table['type'][i]}, {table['color'][i]}, {table['size'][i]}. "
                 f"{table['description'][i]}".split())
        for i in range(n)
    ]  # fmt: skip
    paths = [str(folder / path) for path in table["image"]]
    columns = {"card": Column.from_cells("text", cards), "picture": Column("image", paths, labels=table["id"].tolist())}
    rng = np.random.default_rng(seed)
    questions, photos, rows, fields, said = [], [], [], [], []
    for i in range(n):
        for language in HOW:
            able = [field for field in FIELDS if table[field][i]]
            field = able[rng.integers(len(able))]
            level = rng.choice([s for s in HOW[language] if not (s == "color" and (field == "color" or not table["color"][i]))])
            place = PARTS.index(parts[i])
            words = table["description"][i].split()
            start = rng.integers(max(len(words) - 5, 1))
            how = rng.choice(HOW[language][level][place])
            if "{words}" in how and field == "description":
                level, how = "type", HOW[language]["type"][place][0]
            text = how.format(
                ask=rng.choice(ASK[language][field][place]), type=table["type"][i].lower(),
                color=table["color"][i].lower(), words=" ".join(words[start : start + 5]).strip(".,"),
            )  # fmt: skip
            questions.append(text)
            photos.append(photograph(paths[i], rng))
            rows.append(i)
            fields.append(field)
            said.append(str(level))
    product = np.array(rows)
    asked = {"question": Column.from_cells("text", questions), "photo": Column("image", photos)}
    return Shop(
        table, Views(columns, table["id"]), Views(asked, table["id"][product]), product,
        np.array(fields, dtype=object), parts[product], np.array(said, dtype=object),
    )  # fmt: skip


def photograph(path: str, rng: np.random.Generator) -> bytes:
    """The shop's picture as a customer might send it: cropped, lighter or darker, badly compressed."""
    from PIL import Image, ImageEnhance

    with Image.open(path) as image:
        image = image.convert("RGB")
        w, h = image.size
        side = np.sqrt(rng.uniform(0.5, 0.9))
        left, top = rng.uniform(0, 1 - side, 2)
        image = image.crop((int(left * w), int(top * h), int((left + side) * w), int((top + side) * h)))
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.6, 1.4))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=int(rng.integers(30, 71)))
    return out.getvalue()


if __name__ == "__main__":
    s = shop()
