"""Talk: a turn loop that fills slots from what is typed or said, and asks back for those that it is unsure of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import betaincinv, softmax

from chiasm import registry
from chiasm.encoding import Progress, Report
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.report.scores import talked
from chiasm.score import Score
from chiasm.stats.resample import Draws, interval_of
from chiasm.tasks._corrections import called_by, correction
from chiasm.tasks._known_rows import KnownRows
from chiasm.tasks._results import Answers
from chiasm.tasks._saying import below_one, never_sure, percent, question, summary
from chiasm.tasks._slots import NOT_SAID, PREFIX, with_slots
from chiasm.views import ABSENT, Column, Views, as_views

__all__ = ["NOT_SAID", "Dialogue", "Reply", "Talk", "least_rows", "percent"]

_TINY = 1e-12
_SURE = 0.9
"""Of the upper bound on the share of wrong values: the least share found would be too good by having been chosen."""


@dataclass
class Dialogue:
    """What is kept from turn to turn; a new one starts a new talk."""

    evidence: dict[str, np.ndarray] = field(default_factory=dict)
    """By slot `(c,)` the sum of log p - log prior over the turns that spoke of it."""
    asked: str = ""
    """The slot that the last reply asked for."""
    asks: dict[str, int] = field(default_factory=dict)
    """How often each slot was asked for."""
    turns: int = 0


@dataclass(frozen=True)
class Reply:
    """What a turn led to: the state of every slot, and what is said back."""

    values: dict[str, str | None]
    """By slot its value; None where nothing was said of it."""
    confidence: dict[str, float]
    unsure: list[str]
    """The slots whose confidence is below their threshold."""
    asked: str
    """The slot that is asked for; "" when there is nothing more to ask."""
    text: str


class Talk(KnownRows):
    """An utterance in (text, sound, or both), a value for every slot out, over as many turns as it takes.

    Each slot is a class, learned from every view by a fuser of its own, with calibrated probabilities. A slot is sure
    where its probability is above a threshold: the least from which the share of wrong validation turns is at most
    `error` by its upper bound (90 %, exact binomial), which takes 45 turns at 0.05. For the least sure of the others
    the reply asks, one slot a turn, and the next utterance then speaks of that slot alone:
    p(c | turns) ~ prior(c) prod_t p(c | turn t) / prior(c). After `asks` questions the likeliest value is taken as it
    is. A slot that an utterance does not mention stays as it was.

    The promise holds for turns like the validation turns: where noise may come, have noisy ones among them.

    Choose it for commands with a fixed set of slots (intents are a slot). Replies are templates: there is no language
    model here, and no value that was not in the training rows can come out.

    Args:
        encoders: by view's name or modality, an encoder or its name; None: the defaults. fuse: a fuser or its name.
        error: the share of wrong values among sure ones that is allowed, by slot. asks: questions a slot, at most.
        allow_leaks: go on when ids or whole rows stand in train and test. seed: of everything drawn at random.

    An utterance of words that takes back what was understood ("no, blue", "not red but blue", 不是红色，是蓝色) changes
    the slot that it is about, whatever was asked; a value that it calls by its very name is sure.

    Learned: `fusers_`, `thresholds_` and `validated_` (rows that a threshold came from, wrong ones among them) by slot.

    >>> rng = np.random.default_rng(0)
    >>> color = rng.choice(["red", "blue"], 300)
    >>> heard = rng.normal(size=(300, 3)) + 2.5 * np.where(color == "red", 1, -1)[:, None]
    >>> model = Talk().fit({"sound": heard}, {"color": color})
    >>> talk = Dialogue()
    >>> model.turn(talk, {"sound": [[0.1, 0.0, -0.1]]}).asked
    'color'
    >>> model.turn(talk, {"sound": [[3.0, 2.0, 2.5]]}).text
    'Understood: color red.'

    Sources: Chow 1970 (reject option); Clopper & Pearson 1934 (the bound); Young et al. 2013 (a belief over turns).
    """

    def __init__(
        self,
        encoders: Mapping[str, Any] | None = None,
        fuse: Any = "late",
        error: float = 0.05,
        asks: int = 2,
        allow_leaks: bool = False,
        seed: int = 0,
    ):
        self.encoders = encoders
        self.fuse = fuse
        self.error = error
        self.asks = asks
        self.allow_leaks = allow_leaks
        self.seed = seed

    fusers_: dict[str, Any]
    thresholds_: dict[str, float]
    validated_: dict[str, dict[str, int]]

    def fit(
        self, views: Any, slots: Mapping[str, Sequence[Any]] | None = None, *, progress: Progress | None = None
    ) -> Talk:
        """Learn from the rows of split "train", and the thresholds from those of "val".

        Without "val" rows the thresholds come from held-out answers to the training rows; "test" is for `score`.

        Args:
            views: raw or encoded utterances, a row each. slots: by slot its value in every row, None where the row
                says nothing of it; by default the views' label: an object a row, {"color": "red"}, also as JSON, or a
                plain value of the one slot "intent". progress: called while encoding.

        Raises a ChiasmError for slots that teach nothing, an error rate outside (0, 1), or leaks.
        """
        if not 0 < self.error < 1:
            raise ChiasmError(f"wanted an error rate between 0 and 1, got {self.error}.")
        views = with_slots(as_views(views), slots)
        train = self._learn_rows(views, progress).train
        split = train.split
        val = np.zeros(len(train), bool) if split is None else split == "val"
        names = [name.removeprefix(PREFIX) for name in train.facts if name.startswith(PREFIX)]
        self.fusers_, self.thresholds_, self.validated_ = {}, {}, {}
        for slot in names:
            truth = train.facts[PREFIX + slot]
            rows = train[~val]
            self.fusers_[slot] = fuser = self._fuser().fit(rows, truth[~val])
            probabilities = fuser.outputs(train[val]) if val.any() else fuser.crossed(rows)
            right = fuser.target_.decode(probabilities) == (truth[val] if val.any() else truth)
            self.thresholds_[slot] = _threshold(probabilities.max(axis=1), right, self.error)
            self.validated_[slot] = {"rows": len(right), "wrong": int((~right).sum())}
        return self.slim()

    def doubts(self) -> list[str]:
        """A sentence for each slot of which no value can ever be sure, and what it would take; empty where all can."""
        self.check_fitted()
        return [
            never_sure(slot, self.error, least_rows(self.error), **vars(self).get("validated_", {}).get(slot, {}))
            for slot, threshold in self.thresholds_.items()
            if threshold >= 1
        ]

    @property
    def slots(self) -> dict[str, list[str]]:
        """The values that each slot can have."""
        self.check_fitted()
        return {slot: [v for v in f.target_.names_ if v != NOT_SAID] for slot, f in self.fusers_.items()}

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """The likeliest value of each slot `(n, s)` and its probability `(n, s)` in n utterances, each on its own.

        The slots are in the order of `slots`; a value is None where nothing is said of the slot.
        """
        found, report = self._said(views, progress)
        names = {slot: [None if v == NOT_SAID else v for v in f.target_.names_] for slot, f in self.fusers_.items()}
        values = [np.array(names[slot], dtype=object)[one.argmax(axis=1)] for slot, one in found.items()]
        sure = [one.max(axis=1) for one in found.values()]
        told = dict(zip(found, values, strict=True)) | {f"p({slot})": p for slot, p in zip(found, sure, strict=True)}
        return Answers((np.stack(values, axis=1), np.stack(sure, axis=1)), report, columns=told)

    def probabilities(self, views: Any, *, progress: Progress | None = None) -> dict[str, np.ndarray]:
        """By slot `(n, c)` the probabilities of its classes in n utterances, each on its own; views may be absent."""
        return self._said(views, progress)[0]

    def _said(self, views: Any, progress: Progress | None) -> tuple[dict[str, np.ndarray], Report]:
        """By slot `(n, c)` probabilities, and what encoding did."""
        self.check_fitted()
        encoded, report = self._encode(self._views(views), progress)
        return {slot: fuser.outputs(encoded) for slot, fuser in self.fusers_.items()}, report

    def turn(self, dialogue: Dialogue, views: Any) -> Reply:
        """One utterance (views of one row) in; `dialogue` is updated, and what to say back comes out."""
        views = as_views(views, self.modalities_)
        if len(views) == 1 and not any(_says(column) for column in views.columns.values()):
            raise ChiasmError("wanted an utterance, got an empty one: say something, in words or as a sound.")
        if self._corrected(dialogue, views):
            return self._replied(dialogue)
        found, report = self._said(views, None)
        rows = {len(one) for one in found.values()}
        if rows != {1}:
            raise ChiasmError(f"wanted one utterance a turn, got {max(rows, default=0)} rows: take turns one by one.")
        if lost := report.skipped:
            told = "; ".join(f"{name}: {note.message} [{note.code}]" for name, _, note in lost)
            if len({name for name, _, _ in lost}) == len(views.columns):
                raise ChiasmError(f"wanted an utterance, got what cannot be used: {told}.")
            warnings.warn(f"not all of the utterance was used: {told}.", ChiasmWarning, stacklevel=2)
        return self.reply(dialogue, {slot: one[0] for slot, one in found.items()})

    def reply(self, dialogue: Dialogue, probabilities: Mapping[str, np.ndarray]) -> Reply:
        """As `turn`, from the probabilities `(c,)` of each slot that `probabilities` gave for the utterance."""
        self.check_fitted()
        for slot in [dialogue.asked] if dialogue.asked else list(self.fusers_):
            self._update(dialogue, slot, np.asarray(probabilities[slot], np.float64))
        if not dialogue.asked:
            dialogue.asks = {}
        return self._replied(dialogue)

    def _replied(self, dialogue: Dialogue) -> Reply:
        """What is said back now that the beliefs are updated."""
        dialogue.turns += 1
        values, sure = {}, {}
        for slot, fuser in self.fusers_.items():
            values[slot], sure[slot] = self._state(dialogue, slot, fuser)
        unsure = sorted((s for s in sure if sure[s] < self.thresholds_[s]), key=lambda s: sure[s])
        open_ = [s for s in unsure if dialogue.asks.get(s, 0) < self.asks]
        dialogue.asked = open_[0] if open_ else ""
        if dialogue.asked:
            dialogue.asks[dialogue.asked] = dialogue.asks.get(dialogue.asked, 0) + 1
        if dialogue.asked:
            slot = dialogue.asked
            text = question(slot, values[slot], sure[slot], self.thresholds_[slot])
        else:
            text = summary(values, unsure)
        return Reply(values, {s: below_one(p) for s, p in sure.items()}, unsure, dialogue.asked, text)

    def _corrected(self, dialogue: Dialogue, views: Views) -> bool:
        """Whether the words take something back; then the slots are changed that they are about."""
        words = {name: column for name, column in views.columns.items() if column.modality == "text"}
        said = {item for column in words.values() for item in column.items if isinstance(item, str)}
        put = correction(said.pop()) if len(said) == 1 and dialogue.evidence else None
        if put is None:
            return False

        def heard(text: str) -> dict[str, np.ndarray]:
            """By slot the probabilities of what is said; of slots that are called by name, if any is, these alone."""
            names = {slot: fuser.target_.names_ for slot, fuser in self.fusers_.items()}
            called = {slot: called_by(text, values) for slot, values in names.items()}
            if any(called.values()):
                return {s: (np.array(names[s]) == value).astype(np.float64) for s, value in called.items() if value}
            found = self.probabilities(Views({name: Column("text", [text]) for name in words})) if text else {}
            return {slot: one[0].astype(np.float64) for slot, one in found.items()}

        new, old = heard(put.new), heard(put.old)
        held = {slot: self._state(dialogue, slot, fuser)[0] for slot, fuser in self.fusers_.items()}
        taken = [slot for slot in _about(old, self.fusers_) if self._likeliest(slot, old[slot]) == held[slot]][:1]
        if not (put.new or put.old):
            taken = [dialogue.asked] if dialogue.asked else []
        given = [slot for slot in taken or _about(new, self.fusers_) if slot in new and held[slot] is not None]
        given = [slot for slot in given if self._likeliest(slot, new[slot]) not in (held[slot], NOT_SAID)]
        given = given[:1] + [slot for slot in given[1:] if new[slot].max() >= self.thresholds_[slot]]
        for slot in given or taken:
            names = np.array(self.fusers_[slot].target_.names_)
            if given:
                said_now = np.where(new[slot] > 0, self._evidence(slot, new[slot]), -np.inf)
            else:
                said_now = dialogue.evidence.get(slot, np.zeros(len(names)))
            dialogue.evidence[slot] = np.where(names == held[slot], -np.inf, said_now)
            if not (np.isfinite(dialogue.evidence[slot]) & (names != NOT_SAID)).any():
                del dialogue.evidence[slot]  # nothing is left that it could be
        for slot in {*given, dialogue.asked} - {""}:  # a question that was not answered does not count
            dialogue.asks[slot] = max(dialogue.asks.get(slot, 0) - 1, 0)
        return bool(given or taken or not (put.new or put.old))

    def _likeliest(self, slot: str, probabilities: np.ndarray) -> str:
        name: str = self.fusers_[slot].target_.names_[int(probabilities.argmax())]
        return name

    def score(
        self,
        views: Any,
        slots: Mapping[str, Sequence[Any]] | None = None,
        *,
        allow_train: bool = False,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """How many values of single utterances are right, how many are sure, and how many of these are right.

        The score is the mean accuracy over slots. Intervals (95 %) resample ids and groups.
        Raises a ChiasmError when rows that the model was fitted on are among them, unless `allow_train`.
        """
        self.check_fitted()
        views = with_slots(self._views(views), slots)
        encoded, report = self._encode(views, progress)
        self._learned_from(encoded, allow_train)
        draws = Draws(encoded.clusters)
        table: dict[str, Any] = {"task": "talk", "rows": len(encoded), "split": split, "error": self.error, "slots": {}}
        majority = []
        for slot, fuser in self.fusers_.items():
            outputs = fuser.outputs(encoded)
            truth = views.facts[PREFIX + slot]
            right = fuser.target_.decode(outputs) == truth
            majority.append(float(np.mean(truth == fuser.target_.names_[int(fuser.prior_.argmax())])))
            sure = outputs.max(axis=1) >= self.thresholds_[slot]
            table["slots"][slot] = {
                "accuracy": interval_of(*draws.mean(right)),
                "sure": interval_of(*draws.mean(sure)),
                "right_of_sure": interval_of(*draws.mean(np.where(sure, right, np.nan))),
            }
        mean = float(np.mean([one["accuracy"]["value"] for one in table["slots"].values()]))
        table["majority"] = round(float(np.mean(majority)), 6)
        return Score(mean, table, talked, report=report)

    def _fuser(self) -> Any:
        return registry.make("fuse", self.fuse).set_params(kind="classes", seed=self.seed)

    def _update(self, dialogue: Dialogue, slot: str, probabilities: np.ndarray) -> None:
        """Add what an utterance says of a slot; a slot that was not asked for starts anew when it is mentioned."""
        fuser = self.fusers_[slot]
        asked = slot == dialogue.asked
        if fuser.target_.names_[int(probabilities.argmax())] == NOT_SAID:
            return
        said = self._evidence(slot, probabilities)
        held = dialogue.evidence.get(slot)
        dialogue.evidence[slot] = said if held is None or not asked else held + said

    def _evidence(self, slot: str, probabilities: np.ndarray) -> np.ndarray:
        evidence: np.ndarray = np.log(np.maximum(probabilities, _TINY))
        return evidence - np.log(np.maximum(self.fusers_[slot].prior_, _TINY))

    def _state(self, dialogue: Dialogue, slot: str, fuser: Any) -> tuple[str | None, float]:
        held = dialogue.evidence.get(slot)
        if held is None:
            return None, 0.0
        belief = np.log(np.maximum(fuser.prior_, _TINY)) + held
        names = fuser.target_.names_
        belief[[i for i, name in enumerate(names) if name == NOT_SAID]] = -np.inf
        belief = softmax(belief)
        return names[int(belief.argmax())], float(belief.max())


def least_rows(error: float) -> int:
    """The least number of validation rows, all of them right, from which a value can be sure.

    >>> least_rows(0.05)
    45
    """
    return int(np.ceil(np.log(1 - _SURE) / np.log(1 - error)))


def _threshold(confidence: np.ndarray, right: np.ndarray, error: float) -> float:
    """The least confidence from which the upper bound of the share of wrong turns is <= error; 1 where there is none.

    Where even the least confident validation turn may count as sure, calibration speaks for those below: 1 - error.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    wrong = np.cumsum(~np.asarray(right, bool)[order])
    count = np.arange(1, len(ranked) + 1)
    bound = np.where(wrong < count, betaincinv(wrong + 1, np.maximum(count - wrong, 1), _SURE), 1.0)
    last = np.append(ranked[1:] < ranked[:-1], True)  # equal confidences come in together
    good = np.flatnonzero(last & (bound <= error))
    if not len(good):
        return 1.0
    found = float(ranked[good[-1]])
    return min(found, 1 - error) if good[-1] == len(ranked) - 1 else found


def _about(found: Mapping[str, np.ndarray], fusers: Mapping[str, Any]) -> list[str]:
    """The slots, the one first of which an utterance says most (Kullback & Leibler's divergence from the prior)."""
    told = {
        slot: float((p * np.log(np.maximum(p, _TINY) / np.maximum(fusers[slot].prior_, _TINY))).sum())
        for slot, p in found.items()
    }
    return sorted(told, key=lambda slot: -told[slot])


def _says(column: Column) -> bool:
    """Whether the item of a column of one row is there and, of texts, more than blanks."""
    found = [column.items[place] for place in column.index.tolist() if place != ABSENT]
    return any(not isinstance(item, str) or column.modality != "text" or item.strip() for item in found)
