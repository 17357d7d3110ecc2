"""A name taught by 1, 3 or 5 pictures: does it find other pictures of the thing, alone and beside other words?

`python -m benchmarks.search.teach`: `Retrieve` with its defaults, fitted on coco2k's training and validation rows.

- lines: the collection is ikea's 2,187 products; a thing is a line of products (PAX wardrobe), taught by some of its
  products and looked for by each of the others. Products of one line differ in color, size and parts.
- pasted: 60 products, cut out of their white ground, each pasted into ten photographs of coco2k's test rows (150
  photographs with four products each, 600 pictures, and these photographs as they are), and into eight training
  photographs, which teach it and are not in the collection. Looked for by the name, and by "NAME, CAPTION": right is
  that product in that photograph alone, not in others, and no other product in it.
- inside: the same with the pictures that teach it in the collection too. `plain` takes their scores as they are.
- strangers: how often a name taught by photographs at random, or by a pasted product, is said to be found by luck.

Beside ours (`chiasm.stats.prototypes.Others`): the nearest of the pictures that teach it, their mean (less the
collection's, tuned alike), the mean of what the image encoder itself gives, the words alone (the product's type), and
chance. Ten times half of the things choose ridges and weights, the other half is scored. Intervals over things.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks._sets import files, pictures, table
from benchmarks._trials import Figure, arguments, finish, say
from benchmarks.search._pasting import cut_out, paste
from chiasm.collection._marks import meaning, usual
from chiasm.collection._measured import luck, measured
from chiasm.collection._teaching import TYPICAL
from chiasm.encoding import Encoding
from chiasm.media.images import decode_image
from chiasm.stats.prototypes import Others
from chiasm.stats.resample import Draws, bootstrap, difference, interval, interval_of
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views, normalize

SIDE, PRODUCTS, SCENES, EACH, TEACH = 288, 60, 150, 4, 8
TAUGHT, DRAWS, UNRELATED = (1, 3, 5), 10, 120
RIDGES, WEIGHTS = (0.03, 0.1, 0.3, 1.0), (0.15, 0.25, 0.4, 0.6, 0.9, 1.3)
PARTS = ("lines", "pasted", "inside", "strangers")

NAME = {
    "ours": "taught",
    "nearest": "the nearest of the pictures that teach it",
    "mean": "their mean less the collection's",
    "raw": "the mean of the image encoder's own features",
    "raw ours": "ours on the image encoder's own features",
    "words": "the words alone (the type)",
}
BOTH = {
    "ours": "taught",
    "nearest": "the nearest of the pictures that teach it",
    "mean": "their mean less the collection's",
    "raw ours": "ours on the image encoder's own features",
    "words": "the caption with the product's type",
    "caption": "the caption alone",
    "name": "the name alone",
}
ASKED = {
    "lines.name": ("a line's other products", NAME),
    "pasted.name": ("pasted products, by the name", NAME),
    "pasted.both": ("pasted products, by name and caption", BOTH),
    "inside.both": ("the same, taught by pictures of the collection", {"ours": "ours", "plain": "scores as they are"}),
}

FIGURES = [
    *(
        Figure(f"{at}.{k}.{name.replace(' ', '_')}.{measure}", (*at.split("."), str(k), name, measure),
               f"{what}, {k} pictures: {said}, {measure}", n="{n}", unit="%")
        for at, (what, names) in ASKED.items() for k in TAUGHT for name, said in names.items()
        for measure in ("R@1", "R@10")[: 2 if name == "ours" else 1]
    ),
    *(
        Figure(f"{at}.{k}.less.{name.replace(' ', '_')}", (*at.split("."), str(k), "ours minus", name, "R@1"),
               f"{what}, {k} pictures: ours less {said}, R@1", format="+.1f", n="{n}")
        for at, (what, names) in ASKED.items() for k in TAUGHT for name, said in names.items()
        if name in ("nearest", "mean", "raw ours", "plain")
    ),
    *(Figure(f"{part}.chance", (part, "chance"), f"{part}: R@1 by chance", format=".2f", unit="%")
      for part in ("lines", "pasted")),
    *(Figure(f"strangers.{what}.{n}", ("strangers", what, str(n)), f"{said}, {n} pictures: said to be found by luck",
             unit="%", scale=100, n="{n}")
      for what, said in (("photographs", "photographs at random"), ("pasted", "a pasted product"))
      for n in (2, 3, 5)),
]  # fmt: skip


class Space(NamedTuple):
    """What is searched, and what directions are told apart from, in one space."""

    gallery: np.ndarray
    taught: np.ndarray
    others: dict[float, Others]


class World:
    """A model, its own pictures, and how others are mapped."""

    def __init__(self) -> None:
        raw = pictures("coco2k", split="split")
        self.model = Retrieve(baseline=False).fit(raw[raw.split != "test"])
        self.width = meaning(self.model, "image")
        self.own = usual(self.model, "image")
        held = raw[raw.split != "test"]
        self.own_raw = normalize(self.features([held["image"].items[p] for p in held["image"].used.tolist()]))

    def features(self, shown: Sequence[Any]) -> np.ndarray:
        """Pictures as the image encoder has them."""
        found = Encoding().fit_transform(Views({"image": Column("image", list(shown))}))["image"]
        return np.asarray(found.items, dtype=np.float32)[found.index]

    def mapped(self, view: str, rows: np.ndarray) -> np.ndarray:
        """Encoded rows in the shared space."""
        column = self.model.aligner_.transform(Views({view: Column("vector", rows)}))[view]
        return normalize(np.asarray(column.items))

    def words(self, texts: Sequence[str]) -> np.ndarray:
        """Texts in the shared space, scaled as a question is."""
        told = Encoding().fit_transform(Views({"text": Column.from_cells("text", list(texts))}))["text"]
        others = Others(self.own)
        vectors = self.mapped("caption", np.asarray(told.items))
        return np.stack([others.scaled(vector) for vector in vectors])[told.index].astype(np.float32)

    def spaces(self, gallery: np.ndarray, taught: np.ndarray) -> dict[str, Space]:
        """Features of pictures that are searched and that teach, in the shared space and as they are."""
        width, both = self.width, [self.mapped("image", rows)[:, : self.width] for rows in (gallery, taught)]
        plain = [normalize(rows) for rows in (gallery, taught)]
        return {
            name: Space(*held, {ridge: Others(np.concatenate([own, held[0]]), ridge) for ridge in RIDGES})
            for name, held, own in (("ours", both, self.own[:, :width]), ("raw", plain, self.own_raw))
        }


# ---- a name ----
def learned(spaces: dict[str, Space], groups: Sequence[np.ndarray]) -> list[dict[tuple[str, float], np.ndarray]]:
    """For each group of rows that teach a name, its direction by space and ridge."""
    found = {
        (name, ridge): others.directions([space.taught[rows] for rows in groups])
        for name, space in spaces.items()
        for ridge, others in space.others.items()
    }
    return [{key: rows[place] for key, rows in found.items()} for place in range(len(groups))]


def known(
    spaces: dict[str, Space], rows: np.ndarray, directions: dict[tuple[str, float], np.ndarray]
) -> dict[str, dict[Any, np.ndarray]]:
    """Scores of the whole gallery for a name taught by some rows, by method and ridge."""
    found: dict[str, dict[Any, np.ndarray]] = {"ours": {}, "raw ours": {}}
    for (name, ridge), direction in directions.items():
        found["ours" if name == "ours" else "raw ours"][ridge] = spaces[name].gallery @ direction
    shared, raw = spaces["ours"], spaces["raw"]
    some, others = shared.taught[rows], shared.others[RIDGES[0]]
    nearest = (shared.gallery @ normalize(some).T).max(axis=1)
    usual_one = (others.vectors @ normalize(some).T).max(axis=1)
    found["nearest"] = {0.0: (nearest - usual_one.mean()) / usual_one.std()}
    found["mean"] = {0.0: shared.gallery @ others.scaled(some.mean(axis=0) - others.center).astype(np.float32)}
    found["raw"] = {0.0: raw.gallery @ raw.taught[rows].mean(axis=0)}
    return found


def ranks(scores: np.ndarray, targets: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """Ranks of some targets `(t,)` among what is not `alike` `(n,)`."""
    rest = np.sort(scores[~alike])
    found: np.ndarray = len(rest) - np.searchsorted(rest, scores[targets], side="right") + 1
    return found


class Table:
    """Ranks by method, choice, thing and draw; what the one half of things chooses, scored on the other."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Any, dict[tuple[int, int], np.ndarray]]] = {}

    def add(self, method: str, choice: Any, draw: int, thing: int, found: np.ndarray) -> None:
        of = self.rows.setdefault(method, {}).setdefault(choice, {})
        of[draw, thing] = np.array([100 * np.mean(found <= 1), 100 * np.mean(found <= 10)])

    def told(self, things: Sequence[int]) -> dict[str, Any]:
        """R@1 and R@10 of every method, and what ours has more, over things."""
        scored: dict[str, list[np.ndarray]] = {name: [] for name in self.rows}
        chosen: dict[str, list[Any]] = {name: [] for name in self.rows}
        clusters: list[int] = []
        for draw in range(DRAWS):
            order = np.random.default_rng(draw).permutation(sorted(things)).tolist()
            val, test = order[: len(order) // 2], order[len(order) // 2 :]
            clusters += test
            for name, choices in self.rows.items():
                best = max(choices, key=lambda c, of=choices: sum(of[c][draw, t].sum() for t in val))
                chosen[name].append(best)
                scored[name] += [choices[best][draw, t] for t in test]
        draws = Draws(np.array(clusters))
        sampled = {
            name: {m: draws.mean(np.array(rows)[:, i]) for i, m in enumerate(("R@1", "R@10"))}
            for name, rows in scored.items()
        }
        return {
            "n": f"{len(set(things))} things",
            **{name: {m: interval_of(*one) for m, one in of.items()} for name, of in sampled.items()},
            "ours minus": {
                name: {m: difference(sampled["ours"][m], one) for m, one in of.items()}
                for name, of in sampled.items() if name != "ours"
            },
            "chosen": {n: [str(c) for c in sorted(set(of))] for n, of in chosen.items() if len(self.rows[n]) > 1},
        }  # fmt: skip


# ---- lines of products ----
def lines(world: World) -> dict[str, Any]:
    held = table("ikea", "items.parquet")
    line = np.array([f"{name}/{kind}" for name, kind in zip(held["name"], held["type"], strict=True)])
    codes, counts = np.unique(line, return_inverse=True, return_counts=True)[1:]
    features = world.features(files("ikea", "image", "items.parquet"))
    spaces, whole = world.spaces(features, features), world.mapped("image", features)
    kinds = world.words([kind.lower() for kind in held["type"]])
    found: dict[str, Any] = {"chance": 100 / len(line), "name": {}}
    for k in TAUGHT:
        rows, things = Table(), np.flatnonzero(counts > k).tolist()
        for draw in range(DRAWS):
            mines = [np.flatnonzero(codes == thing) for thing in things]
            groups = [
                np.random.default_rng((draw, thing)).choice(mine, k, replace=False)
                for thing, mine in zip(things, mines, strict=True)
            ]
            for thing, mine, taught, told in zip(things, mines, groups, learned(spaces, groups), strict=True):
                targets, alike = np.setdiff1d(mine, taught), codes == thing
                for method, choices in known(spaces, taught, told).items():
                    for choice, scores in choices.items():
                        rows.add(method, choice, draw, thing, ranks(scores, targets, alike))
                rows.add("words", 0.0, draw, thing, ranks(whole @ kinds[mine[0]], targets, alike))
            say("lines", k, draw)
        found["name"][k] = rows.told(things)
    return found


# ---- pasted products ----
def pasted() -> tuple[dict[str, list[Any]], dict[str, list[Any]], list[str]]:
    """Pictures that are searched and that teach, each with its product (-1: none) and photograph; the types."""
    rng = np.random.default_rng(0)
    items, paths = table("ikea", "items.parquet"), files("ikea", "image", "items.parquet")
    held, photos = table("coco2k"), files("coco2k", "image")
    tests = [i for i, split in enumerate(held["split"]) if split == "test"]
    trains = [i for i, split in enumerate(held["split"]) if split != "test"]
    cuts, kinds = [], []
    for chosen in rng.permutation(len(paths)).tolist():
        kind = items["type"][chosen].lower()
        common = items["type"].count(items["type"][chosen]) >= 5
        if len(cuts) < PRODUCTS and common and kinds.count(kind) < 4 and (cut := cut_out(paths[chosen])) is not None:
            cuts.append(cut)
            kinds.append(kind)
    searched: dict[str, list[Any]] = {"picture": [], "product": [], "photo": []}
    taught: dict[str, list[Any]] = {"picture": [], "product": [], "photo": []}

    def put(into: dict[str, list[Any]], product: int, place: int) -> None:
        photo = decode_image(photos[place], SIDE)[0]
        if product >= 0:
            paste(photo, *cuts[product], rng)
        for name, value in (("picture", np.asarray(photo)), ("product", product), ("photo", place)):
            into[name].append(value)

    used = np.zeros(PRODUCTS)
    for place in rng.choice(tests, SCENES, replace=False).tolist():
        put(searched, -1, place)
        for product in np.argsort(used + rng.random(PRODUCTS) / 2)[:EACH].tolist():
            used[product] += 1
            put(searched, product, place)
    for product in range(PRODUCTS):
        for place in rng.choice(trains, TEACH, replace=False).tolist():
            put(taught, product, place)
    return searched, taught, kinds


def pasting(world: World, parts: Sequence[str]) -> dict[str, Any]:
    searched, taught, kinds = pasted()
    shown, seen = (world.features(one["picture"]) for one in (searched, taught))
    product, photo, teacher = np.array(searched["product"]), np.array(searched["photo"]), np.array(taught["product"])
    spaces, whole = world.spaces(shown, seen), world.mapped("image", shown)
    captions = table("coco2k")["caption"]
    said = world.words(captions) @ whole.T
    pairs = np.flatnonzero(product >= 0)
    typed = world.words([f"{captions[photo[i]]} with a {kinds[product[i]]}" for i in pairs]) @ whole.T
    bare = world.words(kinds) @ whole.T
    inside = world.spaces(np.concatenate([shown, seen]), seen)["ours"]
    said_inside = world.words(captions) @ world.mapped("image", np.concatenate([shown, seen])).T
    nothing = np.zeros(len(shown), dtype=bool)
    found: dict[str, Any] = {"pasted": {"chance": 100 / len(shown), "name": {}, "both": {}}, "inside": {"both": {}}}
    for k in TAUGHT:
        name, both, within = Table(), Table(), Table()
        for draw in range(DRAWS):
            groups = [
                np.random.default_rng((draw, thing)).choice(np.flatnonzero(teacher == thing), k, replace=False)
                for thing in range(PRODUCTS)
            ]
            for thing, (rows, told) in enumerate(zip(groups, learned(spaces, groups), strict=True)):
                targets = np.flatnonzero(product == thing)
                scores = known(spaces, rows, told)
                for method, choices in scores.items():
                    for choice, one in choices.items():
                        name.add(method, choice, draw, thing, ranks(one, targets, product == thing))
                        for weight in WEIGHTS if method in BOTH else ():
                            total = [said[photo[t]] + weight * one for t in targets]
                            each = [ranks(s, t, nothing)[0] for s, t in zip(total, targets[:, None], strict=True)]
                            both.add(method, (choice, weight), draw, thing, np.array(each))
                name.add("words", 0.0, draw, thing, ranks(bare[thing], targets, product == thing))
                fixed = {
                    "words": [typed[np.searchsorted(pairs, t)] for t in targets],
                    "caption": [said[photo[t]] for t in targets],
                    "name": [scores["ours"][RIDGES[1]]] * len(targets),
                }
                for method, listed in fixed.items():
                    each = [ranks(s, t, nothing)[0] for s, t in zip(listed, targets[:, None], strict=True)]
                    both.add(method, 0.0, draw, thing, np.array(each))
                if "inside" in parts:
                    _inside(within, inside, said_inside, rows, len(shown), targets, photo, draw, thing)
            say("pasted", k, draw)
        found["pasted"]["name"][k], found["pasted"]["both"][k] = name.told(range(PRODUCTS)), both.told(range(PRODUCTS))
        if "inside" in parts:
            found["inside"]["both"][k] = within.told(range(PRODUCTS))
    return {part: found[part] for part in parts if part in found}


def _inside(
    rows: Table,
    space: Space,
    said: np.ndarray,
    taught: np.ndarray,
    count: int,
    targets: np.ndarray,
    photo: np.ndarray,
    draw: int,
    thing: int,
) -> None:
    """Add ranks where the pictures that teach a name are searched too: as their scores are, and as unseen ones'."""
    some = space.taught[taught]
    nothing = np.zeros(len(space.gallery), dtype=bool)
    for ridge, others in space.others.items():
        whole, *left = others.directions(
            [some, *(np.delete(some, i, axis=0) for i in range(len(some)) if len(some) > 1)]
        )
        typical = float(np.mean([d @ v for d, v in zip(left, some, strict=True)])) if left else TYPICAL
        plain = space.gallery @ whole
        lower = plain.copy()
        lower[count + taught] = np.minimum(lower[count + taught], typical)
        for weight in WEIGHTS:
            for method, scores in (("plain", plain), ("ours", lower)):
                each = [ranks(said[photo[t]] + weight * scores, np.array([t]), nothing)[0] for t in targets]
                rows.add(method, (ridge, weight), draw, thing, np.array(each))


# ---- names of nothing ----
def strangers(world: World) -> dict[str, Any]:
    """How often a name is said to be found by luck: of unrelated photographs, and of pasted products."""
    searched, taught, _ = pasted()
    shown, seen = (world.features(one["picture"]) for one in (searched, taught))
    held = pictures("coco2k", split="split")
    photos = world.features([held["image"].items[p] for p in held[held.split == "test"]["image"].used.tolist()])
    result: dict[str, Any] = {}
    for what, gallery, some in (("photographs", photos, photos), ("pasted", shown, seen)):
        space = world.spaces(gallery, some)["ours"]
        result[what] = {}
        for n in (2, 3, 5):
            told = []
            for trial in range(UNRELATED):
                rng = np.random.default_rng((n, trial))
                pool = np.flatnonzero(np.array(taught["product"]) == trial % PRODUCTS)
                rows = rng.choice(len(photos) if what == "photographs" else pool, n, replace=False)
                searched_in = np.delete(space.gallery, rows, axis=0) if what == "photographs" else space.gallery
                share = luck(space.others[RIDGES[1]], searched_in, space.taught[rows], trial)
                told.append(bool(measured([1], 1, share)["by_luck"]))
            (value,), (low,), (high,) = bootstrap(np.array(told), np.arange(len(told)))
            result[what][n] = {**interval(value, low, high), "n": f"{UNRELATED} names"}
    return result


def run(parts: Sequence[str] = ()) -> dict[str, Any]:
    wanted = list(parts or PARTS)
    world = World()
    found: dict[str, Any] = {}
    if "lines" in wanted:
        found["lines"] = lines(world)
    if {"pasted", "inside"} & set(wanted):
        found |= pasting(world, wanted)
    if "strangers" in wanted:
        found["strangers"] = strangers(world)
    return found


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    finish(run(args.parts), FIGURES, args)


if __name__ == "__main__":
    main()
