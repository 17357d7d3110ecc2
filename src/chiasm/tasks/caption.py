"""Caption: what a person would write of a picture, a video or a record, learned from captions of others."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import recipe, registry
from chiasm.allowed import PART, TEXT
from chiasm.checks import some
from chiasm.encoding import Encoding, Progress
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.report.captions import lines
from chiasm.score import Score
from chiasm.splits import check_splits
from chiasm.stats.captions import bleu, bleu_counts, cider, frequencies, rouge
from chiasm.stats.references import captioned, captions_of, things_of
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks._captioned import consistency
from chiasm.tasks._known_rows import KnownRows
from chiasm.tasks._results import Answers
from chiasm.views import ABSENT, Views, as_views

__all__ = ["Caption"]

BARS = ("consensus", "nearest")
"""Generators that every score has beside it."""
SHOWN = 5
"""Captions that a score shows."""


class Caption(KnownRows):
    """Some views in, a caption out: photographs, videos, X-rays beside a record, whatever has captions to learn from.

    `fit` learns from the rows that are not "test"; `answer` writes; `score` compares with what people wrote, beside the
    same model shown another row's picture or none, and beside the captions of similar training pictures.

    A generator that reads pictures themselves (`hf_captioner`) brings what it knows: it is handed the raw pictures, and
    needs no captions; without any, nothing can be scored.

    Args:
        to: the view of captions; None: the one view of texts.
        generate: a generator of texts or its name, "hf_captioner:FOLDER".
        encoders: by view's name or modality, an encoder or its name, or several joined by +; None: the defaults. That
            of the captions is what `score` judges by whether a picture is found by its caption.
        allow_leaks: go on when ids, groups or whole rows stand in train and test. seed: of everything drawn at random.

    Learned: `generator_`, `bars_` (generators to compare with, by name), `to_` ("" where there were no captions),
    `captioned_` (training things that have a caption and something seen).

    >>> rng = np.random.default_rng(0)
    >>> words = np.array(["a red bus on a road", "two dogs in the snow", "a man on a wave"], dtype=object)
    >>> y = rng.integers(0, 3, 60)
    >>> views = Views.of({"photo": np.eye(3)[y] + 0.1 * rng.normal(size=(60, 3)), "said": words[y]}, {"said": "text"})
    >>> Caption(generate="mbr").fit(views).answer({"photo": [[0.0, 1.0, 0.0]]})[0].tolist()
    ['two dogs in the snow']
    """

    allowed: ClassVar = {"generate": PART, "to": TEXT.or_none()}

    generator_: Any
    bars_: dict[str, Any]
    to_: str
    captioned_: int

    def __init__(
        self,
        to: str | None = None,
        generate: Any = "mbr",
        encoders: Mapping[str, Any] | None = None,
        allow_leaks: bool = False,
        seed: int = 0,
    ):
        self.to = to
        self.generate = generate
        self.encoders = encoders
        self.allow_leaks = allow_leaks
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, progress: Progress | None = None) -> Caption:
        """Learn from the rows of split "train" and "val" (all, when the views have no split); "test" is for `score`.

        Rows of equal id are one thing with several captions. Rows without a caption are left out, and counted.

        Raises a ChiasmError where no view, or more than one, could be the captions, where nothing is beside them (none
        is wanted by a generator that needs none), and when an id, a group or a whole row stands in train and test.
        """
        views = as_views(views)
        named = self.generate.partition(":")[0] if isinstance(self.generate, str) else ""
        if named and named not in registry.entries("generate"):
            raise unknown("generator of texts", named, _writers())
        part = registry.make("generate", self.generate, seed=self.seed)
        if part.makes != "texts":
            raise ChiasmError(
                f"wanted a generator of texts, got {type(part).__name__}, which makes {part.makes}: "
                f"{', '.join(_writers())} write."
            )
        check_params = getattr(part, "check_params", None)
        if check_params is not None:  # before the work
            check_params()
        knows = _reads_items(part)
        self.to_ = self._captions(views, knows)
        learn = np.ones(len(views), bool) if views.split is None else check_splits(views.split) != "test"
        texts = captions_of(_told(views, self.to_), len(views)) if self.to_ else [None] * len(views)
        if not knows and not any(text is not None for text, mine in zip(texts, learn, strict=True) if mine):
            raise ChiasmError(
                f"wanted captions to learn from, got {int(learn.sum())} rows without a word in them: look at "
                f"{self.to_!r}."
            )
        mine = [text for text, kept in zip(texts, learn, strict=True) if kept]
        if knows:  # before the work: a folder may not be there
            self.generator_ = registry.fit(part, self._sources(views)[learn], mine)
        started = time.perf_counter()
        learned = self._learn_rows(views, progress)
        encoding, started = time.perf_counter() - started, time.perf_counter()
        train = self._sources(learned.train)
        if not knows:
            self.generator_ = registry.fit(part, train, mine).slim()
        seen = np.any([train.present(name) for name in train.names], axis=0)
        told = np.array([text is not None for text in mine])
        self.captioned_ = len(np.unique(train.codes[seen & told]))
        self.bars_ = {}
        if len({code for code, text in zip(train.codes.tolist(), mine, strict=True) if text}) > 1:
            bars = {name: registry.make("generate", name, seed=self.seed) for name in BARS}
            self.bars_ = {name: registry.fit(bar, train, mine) for name, bar in bars.items()}
        self.seconds_ = {"encoding": round(encoding, 3), "learning": round(time.perf_counter() - started, 3)}
        return self

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """A caption of each row `(n,)`. Views may be absent; a row without any gets the most usual training caption.

        Of a generator that reads pictures themselves, it gets what is said of a gray one. Ctrl-C while captions are
        written ends it: rows that are left have None, and a warning names them.
        """
        self.check_fitted()
        given = self._views(views)
        encoded, report = self._encode(self._sources(given), progress)
        shown = self._shown(given, encoded)
        there = np.sum([shown.present(name) for name in shown.names], axis=0)
        if len(bare := np.flatnonzero(there == 0)):
            told, usual = some([str(i) for i in given.ids[bare].tolist()]), self.generator_.usual_
            warnings.warn(
                f"{len(bare)} of {len(given)} rows hold nothing to caption ({told}): they get {usual!r}",
                ChiasmWarning,
                stacklevel=2,
            )
        texts = self._write(shown, progress)
        if len(left := np.flatnonzero([text is None for text in texts])):
            told = some([str(i) for i in given.ids[left].tolist()])
            said = f"stopped: {len(left)} of {len(given)} rows are not answered ({told}): ask again for these"
            warnings.warn(said, ChiasmWarning, stacklevel=2)
        return Answers((texts,), report, ids=given.ids, columns={"id": given.ids, "answer": texts, "views": there})

    def attention(self, views: Any) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
        """Of each row its caption, and of each of its words how much each patch `(g, g)` of the picture was looked at.

        The weights of a word sum to 1. They are not shown to be what a word rests on (docs/generate.md).

        Raises a ChiasmError where the generator looks at no patches of a picture, or they make no square.
        """
        self.check_fitted()
        part = self.generator_
        if self.views_.get(getattr(vars(part).get("looks_"), "view_", "")) != "image":
            raise ChiasmError(
                f"wanted a captioner that looks at patches of pictures, got {type(part).__name__}, which was given "
                "none: fit with generate='captioner' and encoders={'image': 'effnet_image:pooled=False'}."
            )
        encoded = self._sources(self._encode(self._sources(self._views(views)), None)[0])
        texts = part.generate(encoded).tolist()
        found = []
        for text, words in zip(texts, part.attention(encoded, texts), strict=True):
            side = round(len(words[0][1]) ** 0.5) if words else 0
            if any(len(weights) != side * side for _, weights in words):
                raise ChiasmError(
                    f"wanted patches that make a square, got {len(words[0][1])}: encode pictures with "
                    "effnet_image:pooled=False."
                )
            found.append((text, [(word, weights.reshape(side, side)) for word, weights in words]))
        return found

    def predict(self, views: Any) -> np.ndarray:
        """The captions alone, as scikit-learn calls answers."""
        return np.asarray(self.answer(views)[0])

    def score(
        self,
        views: Any,
        y: None = None,
        *,
        allow_train: bool = False,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """How like the captions are to those that people wrote: CIDEr-D (the float), ROUGE-L, BLEU-4, 95 % intervals.

        Beside it: the same model shown other rows' views (`shuffled`) and none (`blank`), `consensus` and `nearest`,
        with paired differences; of one thing alone neither `shuffled` nor an interval. Document frequencies are those
        of the training captions. `consistency`: whether a thing is found by its caption among those scored, by an
        aligner that learned from other scored rows, in folds.

        Rows without a caption are left out and counted (`uncaptioned`); things that lack views (`absent`, by view) or
        have none (`unseen`) are among those scored.

        Raises a ChiasmError where no row has a caption, and when rows that the model was fitted on are among them,
        unless `allow_train`.
        """
        self.check_fitted()
        if not self.bars_:
            raise ChiasmError(
                "wanted a model that was fitted beside captions to score, got one of pictures alone: name their column "
                "at fit (text='COL')."
            )
        views = self._views(views)
        if self.to_ not in views.columns:
            raise ChiasmError(f"wanted captions to score by, got no view {self.to_!r}: name their column.")
        texts = captions_of(_told(views, self.to_), len(views))
        rows, references = captioned(views, texts)
        if not len(rows):
            raise ChiasmError(f"wanted rows with captions to score, got {len(views)} without a word in them.")
        encoded, report = self._encode(views, progress)
        mine = self._learned_from(encoded, allow_train)
        whole, clusters = things_of(self._sources(encoded), rows), views.clusters[rows]
        shown = things_of(self._shown(views, encoded), rows)
        told = self._told_all(whole, shown, progress)
        seen = np.array([shown.present(name) for name in shown.names])
        table: dict[str, Any] = {
            "task": "caption",
            "things": len(rows),
            "references": sum(map(len, references)),
            "uncaptioned": sum(text is None for text in texts),
            "unseen": int((~seen.any(axis=0)).sum()),
            "absent": {name: int((~one).sum()) for name, one in zip(shown.names, seen, strict=True) if not one.all()},
            "split": split,
            "to": self.to_,
            "document frequencies": len(self.generator_.references_),
            "seed": self.seed,
            "model": {**recipe.describe(self), "generator": self.generator_.choices()},
            "methods": self._measured(told, references, clusters),
        }
        table["consistency"] = consistency(whole, self._spoken(references, told, progress), clusters, seed=self.seed)
        tainted = self._tainted(views)[rows]
        if tainted.any() and not tainted.all():
            clean = np.flatnonzero(~tainted)
            kept = {name: [texts[i] for i in clean] for name, texts in told.items()}
            methods = self._measured(kept, [references[i] for i in clean], clusters[clean])
            table["clean"] = {"things": len(clean), "removed": int(tainted.sum()), "methods": methods}
        table["examples"] = [
            {"id": str(views.ids[row]), "caption": text, "reference": mine[0]}
            for row, text, mine in list(zip(rows, told["caption"], references, strict=True))[:SHOWN]
        ]
        table["leaks"] = {**self.leaks_, "fitted_rows": mine}
        return Score(table["methods"]["caption"]["CIDEr-D"]["value"], table, lines, report=report)

    def _shown(self, raw: Views, encoded: Views) -> Views:
        """What the generator reads of rows: the encoded views, or the items themselves that an encoder could read."""
        encoded = self._sources(encoded)
        if not _reads_items(self.generator_):
            return encoded
        view = self.generator_.view_
        if view not in encoded.columns:
            raise ChiasmError(f"wanted the view {view}, which is captioned, got {', '.join(encoded.names)}.")
        column = raw[view]
        return raw.replace({view: column.at(np.where(encoded.present(view), column.index, ABSENT))})

    def _write(self, shown: Views, progress: Progress | None) -> np.ndarray:
        """The generator's captions; one that takes long says how far it is."""
        if not _reads_items(self.generator_):
            return np.asarray(self.generator_.generate(shown))
        return np.asarray(self.generator_.generate(shown, progress=progress))

    def _told_all(self, whole: Views, shown: Views, progress: Progress | None) -> dict[str, list[str]]:
        """What each method says of the things, encoded and as the generator reads them."""
        order = np.random.default_rng(self.seed).permutation(len(whole))
        told = {"caption": list(self._write(shown, progress))}
        if None in told["caption"]:  # a score of some would not say so
            raise KeyboardInterrupt
        if len(whole) > 1:  # as if shown another thing, of each the next in a random order
            other = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
            told["shuffled"] = [told["caption"][other[place]] for place in range(len(whole))]
        told["blank"] = [self.generator_.usual_] * len(whole)
        return told | {name: list(bar.generate(whole)) for name, bar in self.bars_.items()}

    def _measured(
        self, told: Mapping[str, Sequence[str]], references: Sequence[Sequence[str]], clusters: np.ndarray
    ) -> dict[str, Any]:
        """The figures of each method, and by how much ours is above it."""
        known, draws = frequencies(self.generator_.references_), Draws(clusters, seed=self.seed)
        sampled = {name: draws.mean(cider(texts, references, known)) for name, texts in told.items()}
        found = {}
        for name, texts in told.items():
            found[name] = {
                "CIDEr-D": interval_of(*sampled[name]),
                "ROUGE-L": interval_of(*draws.mean(rouge(texts, references))),
                "BLEU-4": interval_of(*draws.repeated(_bleu(texts, references))),
                "above": difference(sampled["caption"], sampled[name]) if name != "caption" else None,
            }
            if draws.clusters < 2:  # nothing to draw
                for one in filter(None, found[name].values()):
                    one["low"] = one["high"] = None
        return found

    def _spoken(
        self, references: Sequence[Sequence[str]], told: Mapping[str, Sequence[str]], progress: Progress | None
    ) -> dict[str, np.ndarray]:
        """By what was said (a person's first caption; each method's) its vectors `(n, d)`, zeros where it has none."""
        encoders = dict(self.encoders or {})
        wanted = encoders.get(self.to_) or encoders.get("text")
        encoding = Encoding({self.to_: wanted} if wanted else None)
        said = {"people": [mine[0] for mine in references], **told}
        views = Views.of({self.to_: [text for texts in said.values() for text in texts]}, {self.to_: "text"})
        encoded = encoding.fit(views).apply(views, progress)[0][self.to_]
        vectors = np.zeros((len(views), encoded.width), dtype=np.float32)
        vectors[encoded.present] = encoded.take(encoded.index[encoded.present])
        return dict(zip(said, np.split(vectors, len(said)), strict=True))

    def _captions(self, views: Views, knows: bool) -> str:
        """The view of captions; "" where there is none and the generator knows enough."""
        texts = [name for name, column in views.columns.items() if column.modality == "text"]
        if self.to is not None and self.to not in views.columns:
            raise unknown("view", self.to, views.columns)
        if self.to is not None and self.to not in texts:
            raise ChiasmError(f"wanted a view of texts as captions, got {self.to!r}, which is not one.")
        if self.to is None and not texts and knows:
            return ""
        if self.to is None and len(texts) != 1:
            got = f"{len(texts)}: {', '.join(texts)}" if texts else "none"
            advice = "say which it is, Caption(to='NAME')" if texts else "read their column as texts (text='COL')"
            raise ChiasmError(f"wanted one view of texts, the captions, got {got}: {advice}.")
        if len(views.columns) < 2:
            raise ChiasmError(f"wanted a view to caption beside {texts[0]!r}, got none.")
        return self.to or texts[0]

    def _sources(self, views: Views) -> Views:
        """The views without the captions."""
        kept = {name: column for name, column in views.columns.items() if name != self.to_}
        if not kept:
            raise ChiasmError(f"wanted some of the views {', '.join(self._read())}, got {self.to_} alone.")
        return views.replace(kept)

    def _read(self) -> list[str]:
        return [name for name in self.views_ if name != self.to_]

    def _encoders(self) -> Mapping[str, Any]:
        """Captions are told apart by their words alone here: what they mean is asked in `score`."""
        return {**(self.encoders or {}), **({self.to_: "hashed_text"} if self.to_ else {})}


def _writers() -> list[str]:
    """The names of the generators of texts that can be imported here."""
    names = [name for name, entry in registry.entries("generate").items() if not entry.missing and not entry.fault]
    return [name for name in names if getattr(registry.get("generate", name), "makes", "") == "texts"]


def _reads_items(generator: Any) -> bool:
    """Whether a generator is handed what views hold, not their vectors, and brings what it knows."""
    return getattr(generator, "reads", "vectors") == "items"


def _bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> Callable[[np.ndarray], float]:
    """BLEU-4 of some of the rows."""
    counts = bleu_counts(texts, references)
    return lambda rows: bleu(counts[rows])


def _told(views: Views, name: str) -> list[Any]:
    """A view's items, one a row, None where absent."""
    column = views[name]
    return [column.items[place] if place >= 0 else None for place in column.index.tolist()]
