"""Ask: a question about a picture in, its answer out; with what is right without looking always beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import recipe
from chiasm.allowed import choice
from chiasm.encoding import Progress
from chiasm.errors import ChiasmError
from chiasm.frames import cells
from chiasm.report.asked import asked
from chiasm.score import Score
from chiasm.target import Target
from chiasm.tasks._ask.given import check_apart, texts_of, warn_of_lost
from chiasm.tasks._ask.heads import Heads
from chiasm.tasks._ask.kinds import plain
from chiasm.tasks._ask.listed import Listed
from chiasm.tasks._ask.scoring import apart, compared, judged, scored
from chiasm.tasks._known_rows import KnownRows, Learned
from chiasm.tasks._results import Answers
from chiasm.views import Column, Views, as_views, connected

__all__ = ["Ask"]


class Ask(KnownRows):
    """Questions and pictures in, one of the answers that training rows have out, or one of a list that you give.

    The question is the first view of texts (of vectors alone, the first view); every other view is what it is about.
    A head for each kind of answer (yes or no, a number, anything else) says which answer; another tells the kind from
    the question. Answers that differ in case, spaces or a last period are one. Folds cut no picture: what is chosen is
    chosen for pictures that were not learned from.

    Choose it where the answer hangs on the question and the picture together; for one question about every picture
    choose `classify`. With few pictures look at its score first: much can be right without looking.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several joined by +; None: the defaults.
        fuse: a fuser or its name, of every head. route: "learned", or "none", one head for all answers.
        looks: "chosen", a kind of answers reads the picture where that pays on rows not learned from; or "always".
        allow_leaks: go on when ids, groups or whole rows stand in train and test.
        seed: of everything drawn at random.

    Learned: `heads_`; `alone_`, the same of the question and of the pictures alone; `listed_`, how answers are chosen
    from a list; `crossed_`, what is right out of fold, pictures apart.

    >>> rng = np.random.default_rng(0)
    >>> color, wanted = rng.integers(0, 2, (2, 200))  # "is it red?" of red and blue pictures
    >>> views = {"question": np.eye(2)[wanted], "picture": np.eye(2)[color] + rng.normal(size=(200, 2)) / 9}
    >>> model = Ask().fit(views, np.where(color == wanted, "yes", "no"))
    >>> model.answer({"question": [[1.0, 0], [1, 0]], "picture": [[1.0, 0], [0, 1]]})[0].tolist()
    ['yes', 'no']

    Sources: Antol et al. 2015 (questions about pictures); Goyal et al. 2017 (right without looking).
    """

    streams = False
    repeats = True
    allowed: ClassVar = {**KnownRows.allowed, "route": choice("learned", "none"), "looks": choice("chosen", "always")}

    def __init__(
        self,
        encoders: Mapping[str, Any] | None = None,
        fuse: Any = "tensor",
        route: str = "learned",
        looks: str = "chosen",
        allow_leaks: bool = False,
        seed: int = 0,
    ):
        self.encoders = encoders
        self.fuse = fuse
        self.route = route
        self.looks = looks
        self.allow_leaks = allow_leaks
        self.seed = seed

    def fit(self, views: Any, y: Any = None, *, progress: Progress | None = None) -> Ask:
        """Learn from the rows of split "train" and "val" (all, when the views have no split); "test" is for `score`.

        Args:
            views: raw or encoded. y: answers, one a row; by default the views' label; rows without are left out.

        Raises a ChiasmError where there is no question, nothing that it is about, or fewer than two answers; and when
        an id, a group or a whole row stands in train and test.
        """
        views = _answered(as_views(views), y)
        check_apart(views)
        if len(views.columns) < 2:
            raise ChiasmError(
                f"wanted a question and what it is about, got {', '.join(views.names)} alone: name both columns."
            )
        texts = [name for name, column in views.columns.items() if column.modality == "text"]
        self.asked_ = (texts or views.names)[0]
        known = np.ones(len(views), bool) if views.split is None else np.isin(views.split, ["train", "val"])
        Target("classes").fit(views.label[known])
        learned = self._learn_rows(views, progress)
        shown = [name for name in learned.rows.names if name != self.asked_]
        shared = self._tell_shared(learned, shown)
        self.tainted_ = np.unique([*self.tainted_, *shared]).astype(object)
        train, answers = self._with_answers(learned.train)
        self.heads_ = self._heads().fit(train, answers)
        self.alone_ = {
            "question": self._heads().fit(_only(train, [self.asked_]), answers),
            "picture": self._heads().fit(_only(train, shown), answers),
        }
        unlabeled = int(learned.learn.sum()) - len(train)
        self.crossed_ = {**compared(self.heads_, self.alone_, train, self.seed), "unlabeled": unlabeled}
        self.commonest_ = max(self.heads_.names_, key=answers.tolist().count)
        self.listed_ = None
        if self.views_[self.asked_] == "text":
            vectors, questions = self._vectors(self.heads_.names_), _dense(train[self.asked_])
            self.listed_ = Listed().fit(self.heads_, vectors, answers, questions)
        digests = np.unique(np.concatenate([_digests(train[name]) for name in shown]))
        self.shown_ = digests.view(np.uint8).reshape(-1, 16)
        self.heads_.slim()
        for heads in self.alone_.values():
            heads.slim()
        return self

    def answer(self, views: Any, choices: Sequence[str] | None = None, *, progress: Progress | None = None) -> Answers:
        """The likeliest answer of each row `(n,)` and its probability `(n,)`.

        A question without a picture, and a picture without a question, are answered by what the other tells; a row
        without either gets the commonest answers of training.

        Args:
            choices: m answers to choose among, also such as no training row has: these are found by their likeness to
                answers that were learned. Left out, the answers that were learned. What is one answer (`plain`) stands
                in the list once, as it is written first.

        Raises a ChiasmError for choices where questions were given as vectors: there is no encoder for them.
        """
        self.check_fitted()
        given = self._views(views)
        encoded, report = self._encode(given, progress)
        warn_of_lost(report)
        names, outputs = self.heads_.names_, self.heads_.outputs(encoded)
        if choices is not None:
            once: dict[str | None, str] = {}
            for one in texts_of(choices, "choices", "choices=['red', 'blue']"):
                once.setdefault(plain(one), one)
            names = list(once.values())
            if self.listed_ is None:
                raise ChiasmError(
                    "wanted questions as texts to choose from a list, got vectors: nothing reads answers."
                )
            questions = _dense(encoded[self.asked_])
            outputs = self.listed_.outputs(outputs, self._places(names), self._vectors(names), questions)
        best = outputs.argmax(axis=1)
        answers, sure = np.array(names, dtype=object)[best], outputs[np.arange(len(best)), best]
        there = np.sum([encoded.present(name) for name in encoded.names], axis=0)
        told = {"id": given.ids, "answer": answers, "confidence": sure, "views": there}
        return Answers((answers, sure), report, outputs, given.ids, told)

    def outputs(self, views: Any, *, progress: Progress | None = None) -> np.ndarray:
        """`(n, C)` the probability of each answer that was learned."""
        found: np.ndarray = self.answer(views, progress=progress).outputs
        return found

    def score(
        self,
        views: Any,
        y: Any = None,
        *,
        allow_train: bool = False,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """How many answers are right (the float), of all rows and by kind, on rows that were not learned from.

        Always beside it: the question alone and the picture alone (the same heads, learned and tuned alike), the model
        itself with a blank picture and with the pictures of other rows, and the commonest answer. An answer that no
        training row has counts as wrong; chosen from the list of all answers it may be right, which stands apart. Where
        rows show pictures that were learned from, it says so, and gives the figures of the others and those out of fold
        on training rows, pictures apart. 95 % intervals resample whole pictures, ids and groups.

        Raises a ChiasmError when rows that the model was fitted on are among them, unless `allow_train`.
        """
        self.check_fitted()
        views = _answered(self._views(views), y)
        encoded, report = self._encode(views, progress)
        mine = self._learned_from(encoded, allow_train)
        rows, answers = self._with_answers(encoded)
        if not len(rows):
            raise ChiasmError(f"wanted rows with answers to score, got {len(views)} without: name their column at fit.")
        known = self.shown_.view("V16").ravel()
        seen = np.any([np.isin(_row_digests(rows[name]), known) for name in self._shown(rows)], axis=0)
        table: dict[str, Any] = {
            "task": "ask",
            "rows": len(rows),
            "unlabeled": len(views) - len(rows),
            "split": split,
            "seed": self.seed,
            "model": recipe.describe(self),
            **scored(self, rows, self._blank(rows)),
            "blind": sorted(self.heads_.blind_),
            "majority": round(float((answers == self.commonest_).mean()), 6),
        }
        if self.listed_ is not None and table["unknown"]["rows"]:
            names = sorted({*self.heads_.names_, *answers.tolist()})
            said, true = self.heads_.outputs(rows), np.searchsorted(np.array(names, dtype=object), answers)
            listed = self._places(names), self._vectors(names), _dense(rows[self.asked_])
            table["unknown"] |= self.listed_.score(said, *listed, true, rows)
        table["pictures"] = {"rows_seen": int(seen.sum()), "others": apart(self, rows[~seen]) if seen.any() else None}
        table["out_of_fold"] = self.crossed_
        table["leaks"] = {**self.leaks_, "fitted_rows": mine}
        return Score(table["accuracy"]["value"], table, asked, report=report)

    def judged(self, views: Any, y: Any = None, *, progress: Progress | None = None) -> dict[str, np.ndarray]:
        """What a score counts, row by row: by answerer ("all", "question alone", ...) `(n,)` 1 where it is right, or 0.

        And the `kind` of each row's true answer. Every row needs an answer. For whoever puts scores of several models
        together, as in cross-validation.
        """
        self.check_fitted()
        rows = self._with_answers(self._encode(_answered(self._views(views), y), progress)[0])[0]
        if len(rows) < len(views):
            raise ChiasmError(f"wanted {len(views)} rows with an answer each, got {len(rows)} such rows.")
        return judged(self, rows, self._blank(rows))

    def about(self, views: Any, questions: Sequence[str]) -> Views:
        """Every question asked of every row: rows to `answer`, with the ids of the rows they are about.

        Of no rows (None): the questions alone.

        Raises a ChiasmError where questions were given as vectors, or a question is empty.
        """
        if self.views_[self.asked_] != "text":
            raise ChiasmError("wanted a model that was fitted on questions as texts, got one of vectors: give rows.")
        questions = texts_of(questions, "questions", "['is it red?']")
        if views is None:
            return Views({self.asked_: Column("text", questions)})
        given = self._views(views)
        rows = given[np.repeat(np.arange(len(given)), len(questions))]
        column = Column("text", questions, np.tile(np.arange(len(questions)), len(given)))
        kept = {name: rows.columns[name] for name in self._shown(rows)}
        return rows.replace({self.asked_: column, **kept})

    def _tell_shared(self, learned: Learned, shown: Sequence[str]) -> list[str]:
        """Put into `leaks_` how many held-out rows show what training rows show; the ids of these rows."""
        found: list[str] = []
        for name in shown:
            column = learned.rows[name]
            if column.modality == "record" or column.digests is None:
                continue
            digests = _row_digests(column)
            here = column.index >= 0
            same = np.isin(digests, digests[learned.learn & here]) & here & ~learned.learn
            self.leaks_["equal"][name] = int(same.sum())
            found += learned.rows.ids[same].astype(str).tolist()
        return found

    def _heads(self) -> Heads:
        return Heads(self.fuse, self.route, self.looks, self.asked_, self.seed)

    def _shown(self, views: Views) -> list[str]:
        """The views that questions are about."""
        return [name for name in self.views_ if name != self.asked_ and name in views.columns]

    def _with_answers(self, views: Views) -> tuple[Views, np.ndarray]:
        """The rows that have an answer, and their answers; rows that show one picture are one group."""
        label = np.asarray(views.label)
        views = views[np.flatnonzero([one is not None for one in label])]
        codes = views.clusters
        for name in self._shown(views):
            digests = _row_digests(views[name])
            code = np.unique(digests, return_inverse=True)[1].ravel()
            absent = views[name].index < 0
            code[absent] = len(code) + np.arange(absent.sum())
            codes = connected(codes, np.unique(code, return_inverse=True)[1].ravel())
        group = codes.astype(str).astype(object)
        return Views(views.columns, views.ids, {**views.facts, "group": group}), np.asarray(views.label)

    def _places(self, answers: Sequence[str]) -> list[int]:
        """The place of each answer among those that were learned; -1 of a new one."""
        place = {name: i for i, name in enumerate(self.heads_.names_)}
        return [place.get(plain(one) or "", -1) for one in answers]

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        """`(m, d)` texts in the encoder of the questions; zeros for what it cannot read."""
        return _dense(self.encoding_.apply(Views({self.asked_: Column("text", list(texts))}))[0][self.asked_])

    def _blank(self, rows: Views) -> Views:
        """The same rows with a gray picture in place of every picture; what is no picture is absent."""
        columns = dict(rows.columns)
        for name in self._shown(rows):
            if self.views_[name] == "image" and name in self.encoding_.encoders_:
                blank = self.encoding_.apply(Views({name: Column("image", [_gray()])}))[0][name]
                columns[name] = Column("vector", blank.items, np.zeros(len(rows), dtype=np.int64))
            else:
                columns[name] = columns[name].at(np.full(len(rows), -1, dtype=np.int64))
        return rows.replace(columns)


def _answered(views: Views, y: Any) -> Views:
    """The rows with plain answers as labels; None where there is none."""
    given = views.label if y is None else cells(y)
    if given is None:
        raise ChiasmError("wanted answers, got none: name their column (label='COL'), or pass y, one a row.")
    if len(given) != len(views):
        raise ChiasmError(f"wanted {len(views)} answers, one a row, got {len(given)}.")
    label = np.empty(len(given), dtype=object)
    label[:] = [plain(one) for one in given]
    return Views(views.columns, views.ids, {**views.facts, "label": label})


def _only(views: Views, names: Sequence[str]) -> Views:
    return views.replace({name: views.columns[name] for name in names})


def _dense(column: Column) -> np.ndarray:
    """`(n, d)` a column's rows; zeros where it is absent."""
    out = np.zeros((len(column.index), column.width), dtype=np.float32)
    here = np.flatnonzero(column.index >= 0)
    out[here] = column.take(column.index[here])
    return out


def _digests(column: Column) -> np.ndarray:
    """The digests of a column's items, as one value each."""
    return (
        np.ascontiguousarray(np.asarray(column.digests, dtype=np.uint8).reshape(-1, 16)[column.used])
        .view("V16")
        .ravel()
    )


def _row_digests(column: Column) -> np.ndarray:
    """`(n,)` the digest of each row's item; zeros where it is absent."""
    held = np.concatenate([np.asarray(column.digests, dtype=np.uint8).reshape(-1, 16), np.zeros((1, 16), np.uint8)])
    return np.ascontiguousarray(held[column.index]).view("V16").ravel()


def _gray() -> bytes:
    """A picture of nothing."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(out, "png")
    return out.getvalue()
