"""A shop's customer service: a question and a photograph in; the product, its answer, or "ask a person" out.

`python examples/customer_service.py`: a made-up shop of 192 wall signs. Customers send the shop's picture, cropped and
darkened, and ask for a field of it in words that learning did not see. `benchmarks/search/service.py` is the same on
the 2,187 products of a real catalog, with intervals.
"""

from itertools import product

import numpy as np
from scipy.special import logsumexp

import chiasm
from chiasm.data.toy import COLORS, SHAPES, shape_image
from chiasm.stats.answers import automation
from chiasm.tasks.classify import Classify
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import normalize

ASK = {
    "price": (["What does it cost?", "How much is the price?"], "What price does it cost?"),
    "size": (["How big is it?", "What size is it?"], "How big in size is it?"),
}
"""What is asked for: phrasings to learn from, and one to be asked."""


def shop(copies: int = 12) -> tuple[list[dict[str, str]], list[np.ndarray]]:
    """Products as cards, and their pictures."""
    rng = np.random.default_rng(0)
    kinds = list(product(COLORS, SHAPES)) * copies
    cards = [
        {"name": f"{color} {shape}", "price": f"{rng.integers(5, 60)} crowns", "size": f"{rng.integers(10, 80)} cm"}
        for color, shape in kinds
    ]
    return cards, [np.asarray(shape_image(*kind, seed=i)) for i, kind in enumerate(kinds)]


def photographed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same picture, cropped by up to a tenth and darker."""
    top, left = rng.integers(0, picture.shape[0] // 10, 2)
    return (picture[top:, left:] * rng.uniform(0.6, 1.0)).astype(np.uint8)


def sharpest(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How much to trust each channel `(channels, questions, products)`: the weights under which the right products are
    likeliest."""
    rows = np.arange(len(right))

    def loss(weights: tuple[float, ...]) -> float:
        odds = np.tensordot(weights, scores, 1)
        return float((logsumexp(odds, axis=1) - odds[rows, right]).mean())

    return np.array(min(product((0.0, 5.0, 15.0, 50.0), repeat=len(scores)), key=loss))


def main() -> float:
    """Learn the space and the questions, choose weights and threshold, then answer; returns the share answered."""
    rng = np.random.default_rng(1)
    cards, pictures = shop()
    n = len(cards)
    names = [card["name"] for card in cards]
    photos = [photographed(picture, rng) for picture in pictures]
    fields = rng.choice(list(ASK), n)
    part = rng.choice(["learn", "choose", "ask"], n)
    asked = []
    for name, field, p in zip(names, fields, part, strict=True):
        asked.append(f"The {name}: {ASK[field][1] if p == 'ask' else rng.choice(ASK[field][0])}")

    shelf = chiasm.Views({"words": chiasm.Column("text", names), "picture": chiasm.Column("image", pictures)})
    space = Retrieve(encoders={"words": "hashed_text", "picture": "pixel_image"}, align="ridge").fit(shelf)
    said = space.transform({"words": chiasm.Column("text", asked)})["words"]
    stock = space.transform(shelf)["picture"]
    seen = [space.encoding_.transform(chiasm.Views({"picture": chiasm.Column("image", p)})) for p in (photos, pictures)]
    middle = np.asarray(seen[1]["picture"].items[:]).mean(axis=0)
    alike = [normalize(one["picture"].items[one["picture"].index] - middle) for one in seen]
    channels = {
        "words": normalize(said.items[said.index]) @ normalize(stock.items[stock.index]).T,
        "picture": alike[0] @ alike[1].T,
    }

    learn = np.flatnonzero(part == "learn")
    question = [chiasm.Column("text", [asked[i] for i in rows]) for rows in (learn, range(n))]
    reader = Classify(encoders={"question": "hashed_text"}).fit({"question": question[0]}, fields[learn])
    field, clear = reader.answer({"question": question[1]})

    choose, ask = np.flatnonzero(part == "choose"), np.flatnonzero(part == "ask")
    share = 0.0
    for way in (["words"], ["picture"], ["words", "picture"]):
        scores = np.stack([channels[name] for name in way])
        odds = np.tensordot(sharpest(scores[:, choose], choose), scores, 1)
        found = odds.argmax(axis=1)
        sure = np.exp(odds.max(axis=1) - logsumexp(odds, axis=1)) * clear
        answer = np.array([cards[i][f] for i, f in zip(found, field, strict=True)])
        right = answer == np.array([card[f] for card, f in zip(cards, fields, strict=True)])
        level = automation(sure[choose], right[choose], 0.05)["threshold"]
        done = ask[sure[ask] >= (2 if level is None else level)]
        share = len(done) / len(ask)
        print(f"{' + '.join(way):15s} {100 * right[ask].mean():3.0f} % right; answered without a person: "
              f"{100 * share:3.0f} %, {(~right[done]).sum()} of {len(done)} wrong")  # fmt: skip
    print(f"{asked[done[0]]!r} + photograph -> {answer[done[0]]}")
    return share


if __name__ == "__main__":
    main()
