"""A shop's customer service: a question and a photograph in, the product and the answer out, or a person is asked.

`python -m benchmarks.search.service`. Built from ikea (2,187 products: picture, type, color, size, description). A
customer asks for a product's name, color, size or description, in English or Chinese (the product words stay English),
in a phrasing that learning did not see, and sends a photograph of it: the shop's own, cropped to 50-90 % of its area,
lighter or darker by up to 40 %, saved as JPEG of quality 30-70. A question may say nothing of the product ("what size
is this?"), its type, its type and color, or a few words of its description.

The catalog is known; the questions and photographs of 60 % of the products are learned from, those of 20 % choose how
channels are combined and from which confidence on to answer, those of 20 % are asked: other products, other phrasings
(the phrasings that were not learned are dealt to choosing and asking anew in each draw).
`Classify` reads what is asked for (rows of one phrasing are a group, so that its probabilities hold for phrasings that
it did not learn). `Retrieve` puts question, photograph, card (the product in words) and picture into one space. The
confidence of an answer is the probability of all products that give the same answer. It is answered where that is at
least the threshold that keeps the errors on the validation questions at 5 or 10 %; otherwise a person is asked.
Intervals resample products over three draws of everything.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from benchmarks._sets import files, table
from benchmarks._trials import Figure, arguments, finish
from benchmarks.search._questions import ASK, HOW, dealt
from chiasm import Column, Views
from chiasm.encoding import Encoding
from chiasm.splits import cut
from chiasm.stats.answers import aurc, automation
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks.classify import Classify
from chiasm.tasks.match import Match
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import normalize

FIELDS = ("name", "color", "size", "description")
ERRORS = (0.05, 0.1)
SHORT = 20
"""Candidates of a question that `Match` judges."""

WAYS = {
    "text alone": ["question > card", "question > picture"],
    "picture alone": ["photo > card", "photo > picture"],
}
PARTS = ("train", "val", "test")
DRAWS = 3
"""Of the products' parts, of the questions, and of which held-out phrasings choose and which are asked."""

FIGURES = [
    Figure(
        f"{way.split()[0]}{short}",
        ("test", way, key),
        f"customer service, {way}: {what}",
        "%",
        n="{test questions} questions",
        scale=100,
    )
    for way in (*WAYS, "both")
    for short, key, what in (
        ("", "answer right", "right answers"),
        (".answered5", "answered at 5%", "answered without a person at an allowed error of 5 %"),
        (".answered10", "answered at 10%", "answered without a person at an allowed error of 10 %"),
        (".wrong5", "errors at 5%", "of these wrong where 5 % were allowed"),
        (".wrong10", "errors at 10%", "of these wrong where 10 % were allowed"),
    )
]
FIGURES.append(
    Figure(
        "field",
        ("field understood",),
        "which field is asked for, understood",
        "%",
        n="{test questions} questions",
        scale=100,
    )
)


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
    phrasing: np.ndarray
    """`(q,)` in which words the field is asked for."""


def shop(seed: int) -> Shop:
    """Two questions a product, one in each language, each with a photograph of its own."""
    facts = {k: np.array(v, dtype=object) for k, v in table("ikea", "items.parquet").items()}
    n = len(facts["id"])
    parts = cut(Views({"x": Column("vector", np.zeros((n, 1)))}), {"train": 0.6, "val": 0.2, "test": 0.2}, seed)
    cards = [
        " ".join(f"{facts['name'][i]} {facts['type'][i]}, {facts['color'][i]}, {facts['size'][i]}. "
                 f"{facts['description'][i]}".split())
        for i in range(n)
    ]  # fmt: skip
    paths = files("ikea", "image", "items.parquet")
    columns = {"card": Column.from_cells("text", cards), "picture": Column("image", paths, labels=facts["id"].tolist())}
    rng = np.random.default_rng(seed + 1)
    told, wanted = dealt(HOW, rng), dealt(ASK, rng)
    questions, photos, rows, fields, said, phrasings = [], [], [], [], [], []
    for i in range(n):
        for language in HOW:
            able = [field for field in FIELDS if facts[field][i]]
            field = able[rng.integers(len(able))]
            level = rng.choice(
                [s for s in HOW[language] if not (s == "color" and (field == "color" or not facts["color"][i]))]
            )
            place = PARTS.index(parts[i])
            words = facts["description"][i].split()
            start = rng.integers(max(len(words) - 5, 1))
            how = rng.choice(told[language][level][place])
            if "{words}" in how and field == "description":
                level, how = "type", told[language]["type"][place][0]
            ask = str(rng.choice(wanted[language][field][place]))
            text = how.format(
                ask=ask, type=facts["type"][i].lower(),
                color=facts["color"][i].lower(), words=" ".join(words[start : start + 5]).strip(".,"),
            )  # fmt: skip
            questions.append(text)
            photos.append(photograph(paths[i], np.random.default_rng(len(photos))))
            rows.append(i)
            fields.append(field)
            said.append(str(level))
            phrasings.append(ask)
    product = np.array(rows)
    asked = {"question": Column.from_cells("text", questions), "photo": Column("image", photos)}
    return Shop(
        facts, Views(columns, facts["id"]), Views(asked, facts["id"][product]), product,
        np.array(fields, dtype=object), parts[product], np.array(said, dtype=object), np.array(phrasings, dtype=object),
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


def channels(s: Shop) -> dict[str, np.ndarray]:
    """Cosines `(q, products)` of each question and photograph to each card and picture, in one space.

    Questions and cards are one view of it, photographs and pictures the other; a product with its questions is one id.
    """
    learn = np.flatnonzero(s.part == "train")
    names = {"question": "text", "photo": "image", "card": "text", "picture": "image"}
    asked = Views({names[n]: c[learn] for n, c in s.asked.columns.items()}, s.asked.ids[learn])
    catalog = Views({names[n]: c for n, c in s.catalog.columns.items()}, s.catalog.ids)
    model = Retrieve(align="cca").fit(Views.stack(asked, catalog))
    askers = model.transform(Views({names[n]: c for n, c in s.asked.columns.items()}, s.asked.ids))
    shelves = model.transform(catalog)
    return {
        f"{a} > {b}": _unit(askers, names[a]) @ _unit(shelves, names[b]).T
        for a in ("question", "photo")
        for b in ("card", "picture")
    }


def _unit(views: Views, name: str) -> np.ndarray:
    return normalize(views[name].items[views[name].index])


def matched(s: Shop, pool: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`(rows, products)` summed log odds of `Match` that question and card, and photograph and picture, are a pair.

    Only of the products in the pool of each row; elsewhere 5 less than the least of these.
    """
    learn = np.flatnonzero(s.part == "train")
    at, sums = np.repeat(np.arange(len(rows)), pool.shape[1]), np.zeros(pool.size)
    for a, b in (("question", "card"), ("photo", "picture")):
        known = {a: s.asked[a][learn], b: s.catalog[b][s.product[learn]]}
        model = Match(align="cca").fit(Views(known, s.asked.ids[learn]))
        sure = model.outputs(Views({a: s.asked[a][rows[at]], b: s.catalog[b][pool.ravel()]}))
        sums += np.log(np.clip(sure, 1e-9, 1)) - np.log(np.clip(1 - sure, 1e-9, 1))
    odds = np.tile(sums.reshape(pool.shape).min(axis=1)[:, None] - 5, (1, len(s.catalog)))
    odds[at, pool.ravel()] = sums
    return odds


def likeliest(scores: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Weights `(channels,)`, none negative, of the likeliest softmax over products, of `(channels, q, products)`."""
    rows = np.arange(len(product))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = np.tensordot(weights, scores, 1)
        total = logsumexp(odds, axis=1)
        soft = np.exp(odds - total[:, None])
        slope = [(soft * one).sum(axis=1).mean() - one[rows, product].mean() for one in scores]
        return float((total - odds[rows, product]).mean()), np.array(slope)

    start = np.full(len(scores), 10.0 if np.abs(scores).max() < 2 else 1.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(scores))
    weights: np.ndarray = found.x
    return weights


class Answers(NamedTuple):
    """What is answered to some questions, and how surely."""

    found: np.ndarray
    """`(q,)` whether the first product is the right one, ties counted against it."""
    right: np.ndarray
    """`(q,)` whether the answer is: the field that was asked for, and its value."""
    sure: np.ndarray


def answers(s: Shop, odds: np.ndarray, fields: np.ndarray, names: Sequence[str], rows: np.ndarray) -> Answers:
    """The likeliest (field, value): the probability of the field times that of all products with the value."""
    soft = np.exp(odds - logsumexp(odds, axis=1, keepdims=True))
    best, right = np.zeros(len(rows)), np.zeros(len(rows), bool)
    for place, field in enumerate(names):
        values, code = np.unique(s.products[field].astype(str), return_inverse=True)
        share = np.zeros((len(rows), len(values)))
        np.add.at(share.T, code, soft.T)
        sure = share.max(axis=1) * fields[:, place]
        hit = (share.argmax(axis=1) == code[s.product[rows]]) & (s.field[rows] == field)
        right, best = np.where(sure > best, hit, right), np.maximum(best, sure)
    own = odds[np.arange(len(rows)), s.product[rows]][:, None]
    return Answers((odds >= own).sum(axis=1) == 1, right, best)


def crossed(scores: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Log odds `(q, products)` by weights that were learned from the other half of the products."""
    odds = np.empty(scores.shape[1:])
    half = product % 2
    for part in (0, 1):
        here = half == part
        odds[here] = np.tensordot(likeliest(scores[:, ~here], product[~here]), scores[:, here], 1)
    return odds


class Asked(NamedTuple):
    """What one way answered to the test questions of one draw."""

    answers: Answers
    done: dict[float, np.ndarray]
    """By stated error, which questions were answered without a person."""
    weights: np.ndarray


def draw(seed: int) -> dict[str, Any]:
    """Learn, choose and ask once."""
    s = shop(seed)
    encoded = Encoding().fit(s.asked).transform(s.asked), Encoding().fit(s.catalog).transform(s.catalog)
    s = s._replace(asked=encoded[0], catalog=encoded[1])
    learn, val, test = (np.flatnonzero(s.part == part) for part in PARTS)
    only = s.asked.replace({"question": s.asked["question"]})
    heard = Views(only[learn].columns, learn, {"group": s.phrasing[learn]})  # judged on phrasings that no fold learned
    reader = Classify(fuse="early").fit(heard, s.field[learn])
    fields, names = reader.outputs(only), reader.fuser_.target_.names_
    understood = np.array(names, dtype=object)[fields.argmax(axis=1)] == s.field
    said = {n: np.asarray(v, dtype=np.float64) for n, v in channels(s).items()}
    mean = np.mean(list(said.values()), axis=0)
    combined = {
        "mean of the cosines": lambda rows: mean[rows][None],
        "a weight a channel": lambda rows: np.stack([one[rows] for one in said.values()]),
        "odds of Match": lambda rows: matched(s, np.argsort(-mean[rows], axis=1)[:, :SHORT], rows)[None],
    }
    choice = {}
    for name, scores in combined.items():
        got = answers(s, crossed(scores(val), s.product[val]), fields[val], names, val)
        choice[name] = {
            "product first %": _share(got.found),
            "answer right %": _share(got.right),
            "area under risk and coverage": round(aurc(got.sure, got.right), 4),
        }
    best = min(choice, key=lambda name: choice[name]["area under risk and coverage"])
    ways: dict[str, Asked] = {}
    for way, used in {**WAYS, "both": list(said)}.items():
        scores = combined[best] if way == "both" else lambda rows, used=used: np.stack([said[n][rows] for n in used])
        known, wanted = scores(val), scores(test)
        weights = likeliest(known, s.product[val])
        before = answers(s, crossed(known, s.product[val]), fields[val], names, val)
        got = answers(s, np.tensordot(weights, wanted, 1), fields[test], names, test)
        done = {}
        for error in ERRORS:
            level = automation(before.sure, before.right, error)["threshold"]
            done[error] = got.sure >= (np.inf if level is None else level)
        ways[way] = Asked(got, done, weights)
    return {
        "choice": {"table": choice, "chosen": best, "field understood %": _share(understood[val])},
        "ways": ways,
        "understood": understood[test],
        "product": s.product[test],
        "said": s.said[test],
    }


def main() -> None:
    args = arguments(__doc__).parse_args()
    drawn = [draw(seed) for seed in range(DRAWS)]
    draws = Draws(np.concatenate([one["product"] for one in drawn]))
    said = np.concatenate([one["said"] for one in drawn])
    told: dict[str, Any] = {}
    sampled: dict[str, dict[str, Any]] = {}
    for way in (*WAYS, "both"):
        asked = [one["ways"][way] for one in drawn]
        found, right = (np.concatenate([getattr(one.answers, what) for one in asked]) for what in ("found", "right"))
        sampled[way] = {"product first": draws.mean(found * 1.0), "answer right": draws.mean(right * 1.0)}
        told[way] = {"weights": [np.round(one.weights, 1).tolist() for one in asked]}
        for error in ERRORS:
            done = np.concatenate([one.done[error] for one in asked])
            sampled[way][f"answered at {error:.0%}"] = draws.mean(done * 1.0)
            sampled[way][f"errors at {error:.0%}"] = draws.mean(np.where(done, ~right, np.nan))
            told[way][f"errors at {error:.0%}, by draw"] = [
                round(float((~one.answers.right[one.done[error]]).mean()), 4) if one.done[error].any() else None
                for one in asked
            ]
            told[way][f"answered at {error:.0%}, by what is said"] = {
                what: round(float(done[said == what].mean()), 3) for what in HOW["en"]
            }
        told[way] |= {figure: interval_of(*value) for figure, value in sampled[way].items()}
    finish(
        {
            "test questions": len(said),
            "field understood": interval_of(*draws.mean(np.concatenate([one["understood"] for one in drawn]) * 1.0)),
            "choice on validation": [one["choice"] for one in drawn],
            "test": told,
            "both less": {
                way: {k: difference(sampled["both"][k], sampled[way][k]) for k in sampled[way] if "errors" not in k}
                for way in WAYS
            },
        },
        FIGURES,
        args,
    )


def _share(mask: np.ndarray) -> float:
    return round(100 * float(mask.mean()), 1)


if __name__ == "__main__":
    main()
