"""What a server holds: a collection, asked in the words of the routes."""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import recipe
from chiasm.collection import Collection
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip
from chiasm.scale import cores
from chiasm.score import to_json
from chiasm.serve import schemas as s
from chiasm.serve.limits import Refusal
from chiasm.serve.recent import Recent
from chiasm.serve.shapes import LEVELS, hit_of, item_of
from chiasm.serve.uploads import Uploads
from chiasm.tasks.retrieve import At, Question

__all__ = ["Held"]

_TYPING = re.compile(r"\s+[+\-−＋－]\s*$")
"""A sign whose term is still being written."""

_SENT = re.compile(r"(?:(?:image|audio|video) )?'?chiasm-asked-[\w-]+/[\w-]+'?")

_ASKED = 32
"""Questions after which an index has made all that it makes."""

_UNJUDGED = "this was not judged:"
"""How a note begins that says why nobody knows what matches."""

_TO = re.compile(r"\bto='([^']*)'")
"""A view to answer with, as the library writes it."""

_PLACE = re.compile(r"(?<![\w/.:])/[^\s'\",;:()/]+/[^\s'\",;:()]+")
"""A path from the root of this machine."""


class Held:
    """A collection as the routes see it: items by number, answers as plain values.

    Args:
        collection: what is served. score: of its model, as `chiasm score --json` has it.
        threads: texts that are encoded at once; left out, as many as there are cores.

    Raises a ChiasmError for a score of another model.
    """

    def __init__(self, collection: Collection, score: Mapping[str, Any] | None = None, threads: int | None = None):
        self.collection = collection
        if score is not None and score.get("model") != _described(collection.model):
            raise ChiasmError(
                "wanted the score of the model that is served, got one of another model: score the one that the index "
                "was built with."
            )
        self.score = score
        self.threads = threads or cores()
        self._turns = threading.BoundedSemaphore(self.threads)

    def warm(self) -> None:
        """Ask every index a few times, so that what it makes at its first questions is made before people ask.

        What an earlier server had begun to take in when it was killed is removed.
        """
        self.collection.drop_drafts()
        for view in self.collection.media:
            engine = self.collection.reading(view)
            if len(keys := engine.keys()):
                engine.search(np.repeat(engine.vectors(keys[:1])[1], _ASKED, axis=0), 1)

    def what(self, paths: bool) -> dict[str, Any]:
        """Views, how many items each holds, the columns to choose by, taught names, and what can be done."""
        status, model = self.collection.status(), self.collection.model
        can = ["filter", "explain"]
        can += ["reject"] if any(map(model.judges, self.collection.media)) else []
        if os.access(self.collection.path, os.W_OK):
            can += ["teach", "mark"]
            can += ["add"] if "table" not in status and os.access(self.collection.folder, os.W_OK) else []
        return {
            "views": dict(model.views_),
            "held": status["files"],
            "columns": {name: kind for name, kind in self.collection.columns.items() if paths or kind != "path"},
            "names": [one["name"] for one in self.collection.names() if not one["lost"]],
            "can": can,
        }

    def ledger(self) -> dict[str, Any]:
        """The ledger, what failed by reason, and what was passed over by reason."""
        status = self.collection.status()
        return {**status["ledger"], "reasons": status["failed"], "passed_over": status["passed_over"]}

    def report(self) -> dict[str, Any]:
        """What the model is, what it learned from, how it scored where that was told, and what it cannot do."""
        model = self.collection.model
        told = {
            **recipe.describe(model),
            "views": dict(model.views_),
            "pairs": model.paired_,
            "rows": model.counts_,
            "names": model.names_,
            "aligner": model.aligner_.choices(),
        }
        media = self.collection.media
        limits = {
            "finds": sorted(set(media.values())),
            "judges": any(map(model.judges, media)),
            "judged": sorted({script for view in media for script in model.judged_scripts(view)}),
            "reads_text": "words" in self.collection.columns,
        }
        return {"model": told, "score": self.score, "learned": model.besides(), "limits": limits}

    def file(self, key: int) -> tuple[Path, str, str]:
        """An item's file, its kind, and a mark of its content. Raises a Refusal where it is not there."""
        item = self.collection.item(key)
        if item is None or not (path := self.collection.folder / item["item"]).is_file():
            raise Refusal(404, "item", "there is no such item, or its file is gone.")
        return path, item["kind"], item["content"]

    def item(self, key: int, paths: bool) -> s.Item:
        """What is known of an item. Raises a Refusal where there is none."""
        item = self.collection.item(key)
        if item is None:
            raise Refusal(404, "item", "there is no such item.")
        return item_of(item, paths)

    def items(self, state: str, after: int, k: int, where: list[str], sort: str, paths: bool) -> s.Items:
        """Files of a state that meet conditions and follow one."""
        self._check_paths(where, "", paths)
        found = self.collection.items(state, after, k, where=where, sort=sort)
        last = found[-1]["key"] if len(found) == k else None
        notes = [] if found or after >= 0 else self._unmet(where)
        return s.Items(items=[item_of(item, paths) for item in found], next=last, notes=notes)

    def search(self, ask: s.Ask, uploads: Uploads, paths: bool) -> s.Found:
        """The answers to a question: all of it by one model, whichever takes another's place meanwhile."""
        while True:
            before = self.collection.searched
            try:
                found = self._search(ask, uploads, paths)
            except (Refusal, LookupError, ValueError, OSError):
                if self.collection.searched == before:
                    raise
                continue
            if self.collection.searched == before:
                return found

    def _search(self, ask: s.Ask, uploads: Uploads, paths: bool) -> s.Found:
        started = time.monotonic()
        self._check_paths(ask.where, ask.sort or "", paths)
        self._remember()
        question = self._question(ask.terms, uploads)
        target = self.collection.target(self.collection.model.views_asked(question), ask.to)
        notes, marks = [], self.collection.counted(ask.more, ask.less, target)
        if not ask.more and not ask.less and len(ask.terms) == 1 and ask.terms[0].words is not None:
            marks = self.collection.marks(ask.terms[0].words, target)
            if marks.more or marks.less:
                notes.append(f"marks from before count: {len(marks.more)} +, {len(marks.less)} -")
        notes += marks.notes

        def hits_of(reject: float | None, sort: str | None) -> Any:
            return self.collection.hits(
                question,
                target,
                ask.k + 1,
                ask.where,
                reject,
                group=ask.group,
                skip=ask.skip,
                sort=sort,
                among=ask.among,
                more=marks.more,
                less=marks.less,
            )

        found, judged, told = _leniently(hits_of, ask)
        notes += told
        if judged and 0 in found.unjudged:
            judged = False
            notes.append(f"{_UNJUDGED} too few captions in its script are known to tell what a match scores")
        hits = found[0]
        notes += [] if hits else self._unmet(ask.where)
        names = {name for hit in hits for level in LEVELS for name in hit.get(level, ())}
        keys = self.collection.keys(sorted(names))
        return s.Found(
            hits=[hit_of(hit, keys, paths) for hit in hits[: ask.k]],
            rejected=judged and not hits,
            judged=judged,
            more=len(hits) > ask.k,
            notes=[self.scrubbed(note, paths) for note in (*notes, *found.notes)],
            seconds=round(time.monotonic() - started, 4),
        )

    def explain(self, ask: s.Explain, uploads: Uploads, paths: bool) -> s.Explained:
        """What the score of an item rests on."""
        item = self.collection.item(ask.id)
        if item is None:
            raise Refusal(404, "item", "there is no such item.")
        (term,) = ask.terms
        if term.item is not None:  # by its file: what is placed already has no words and regions
            path, kind, _ = self.file(term.item)
            whole = str(path) if term.start is None else Clip(str(path), *self._moment(term.item, term.start)[1])
            question = Question([(term.weight, {kind: whole})])
        else:
            question = self._question(ask.terms, uploads)
        hit = {"item": item["item"], "id": item["item"]}
        if ask.start is not None:
            span = self._moment(ask.id, ask.start)[1]
            hit |= {"file": item["item"], "start": span[0], "end": span[1]}
        made = self.collection.model.explain(question, [[hit]], item["view"], folder=self.collection.folder)
        return s.Explained(why=self.told(made[0][0]["why"], paths))

    def add(self, draft: Path, name: str, paths: bool) -> s.Added:
        """Take in a file that was sent; what is there already, by its bytes, stays as it is."""
        key = self.collection.add(draft, name)
        item = self.collection.item(key)
        assert item is not None
        new = not draft.exists()  # else it was not moved into the folder
        known = f"no. {key} ({item['item']})" if paths else f"no. {key}"
        message = self.scrubbed(item["message"], paths)
        if not new:
            unread = f", and could not be read: {message.removesuffix('.')}" if item["state"] == "failed" else ""
            message = f"a file of the same bytes is here already: {known}{unread}."
        return s.Added(item=item_of(item, paths), new=new, message=message)

    def teach(self, ask: s.Teach, paths: bool) -> s.Named:
        """Teach a name by items."""
        told = self.collection.teach(ask.name, self._names(ask.items))
        keys = self.collection.keys(one["item"] for one in told["alike"])
        told["alike"] = [keys[one["item"]] for one in told["alike"] if one["item"] in keys]
        return s.Named(name=told.pop("name"), told=told | {"note": self.scrubbed(told["note"], paths)})

    def names(self) -> list[s.Named]:
        """What was taught."""
        return [
            s.Named(name=one["name"], told={name: one[name] for name in ("view", "pictures", "lost")})
            for one in self.collection.names()
        ]

    def mark(self, ask: s.Marks, who: str) -> s.Marked:
        """Keep what was right and what was wrong among the answers to some words, as marks of who asks.

        Those of files that are gone or could not be read are not kept, which is told.
        """
        self._names([*ask.more, *ask.less])
        if set(ask.more) & set(ask.less):
            raise Refusal(422, "invalid", "wanted each item in more or in less, got one in both.")
        if not ask.words.strip():
            raise Refusal(422, "invalid", "wanted the words that were asked, got none.")
        counted = self.collection.counted(ask.more, ask.less)
        keys = self.collection.keys([*counted.more, *counted.less])
        more, less = ([keys[name] for name in names] for names in (counted.more, counted.less))
        self.collection.mark(ask.words, more, less, who)
        return s.Marked(more=len(more), less=len(less), notes=counted.notes)

    def scrubbed(self, message: str, paths: bool = True) -> str:
        """A sentence without the places of this machine.

        Args:
            paths: whether it may name files by their paths below the folder; else they are told by their numbers.
        """
        places = {place for one in (self.collection.folder, self.collection.path) for place in (one, one.resolve())}
        for place in sorted(map(str, places), key=len, reverse=True):
            message = message.replace(f"{place}/", "").replace(place, "the collection")
        message = _TO.sub(r'"to": "\1"', message)
        message = _SENT.sub("the file that was sent", message.replace(f"{tempfile.gettempdir()}/", ""))
        if paths:
            return message
        for name, key in self.collection.mentioned(message):
            message = message.replace(name, f"item {key}")
        return _PLACE.sub("a file", message)

    def told(self, value: Any, paths: bool) -> Any:
        """Plain values with every sentence in them `scrubbed`."""
        if isinstance(value, str):
            return self.scrubbed(value, paths)
        if isinstance(value, Mapping):
            return {name: self.told(one, paths) for name, one in value.items()}
        return [self.told(one, paths) for one in value] if isinstance(value, list | tuple) else value

    def _check_paths(self, where: Sequence[str], sort: str, paths: bool) -> None:
        """Raise a Refusal for who may not see paths, and chooses or sorts by them: answers would spell them out."""
        asked = [re.split(r"[=!~<>]", one, maxsplit=1)[0].strip() for one in where]
        asked += [sort.lstrip("-").strip()] if sort else []
        if not paths and any(self.collection.columns.get(name) == "path" for name in asked):
            raise Refusal(403, "scope", "paths are for the scope admin: choose and sort by other columns.")

    def _unmet(self, where: Sequence[str]) -> list[str]:
        """Notes on the conditions that no file meets, whatever is asked."""
        return [f"no file meets {one}" for one in where if not self.collection.items(k=1, where=[one])]

    def _question(self, terms: Sequence[s.Term], uploads: Uploads) -> Question:
        asked: list[tuple[float, Mapping[str, Any]]] = []
        for term in terms:
            if term.words is not None:
                written = Question(_TYPING.sub("", term.words) or term.words, folder=None)
                asked += [(term.weight * one.weight, {"text": one.item}) for one in written.terms]
            elif term.upload is not None:
                path, kind = uploads.get(term.upload)
                asked.append((term.weight, {kind: str(path)}))
            else:
                assert term.item is not None
                asked.append((term.weight, self._placed(term.item, term.start)))
        return Question(asked)

    def _moment(self, key: int, start: float) -> tuple[int, tuple[float, float]]:
        """A moment of a file: its key and its span. Raises a Refusal where the file has none there."""
        one, span = self.collection.moment(key, start)
        if span is None:
            raise Refusal(422, "invalid", f"wanted start of an item with moments, got item {key}: leave start out.")
        if start >= span[1]:
            raise Refusal(422, "invalid", f"wanted start before item {key} ends ({span[1]:g} s), got {start:g}.")
        return one, span

    def _placed(self, key: int, start: float | None) -> dict[str, Any]:
        """An item, or a moment of it, by its vector, which is in the index."""
        item = self.collection.item(key)
        if item is not None:
            one = key if start is None else self._moment(key, start)[0]
            vectors = self.collection.engine(item["view"]).vectors([one])[1]
            if len(vectors):
                return {item["view"]: At(vectors[0], f"item {key}")}
        raise Refusal(404, "item", "there is no such item to ask with.")

    def _names(self, keys: Sequence[int]) -> list[str]:
        """Items as the collection is told of them."""
        items = [self.collection.item(key) for key in keys]
        if None in items:
            raise Refusal(404, "item", "there is no such item.")
        return [item["item"] for item in items if item is not None]

    def _remember(self) -> None:
        """Texts that were asked are not encoded again, also after another model was put in place."""
        encoders = self.collection.model.encoding_.encoders_
        for view, kind in self.collection.model.views_.items():
            if kind == "text" and view in encoders and not isinstance(encoders[view], Recent):
                encoders[view] = Recent(encoders[view], self._turns)


def _leniently(hits_of: Callable[[float | None, str | None], Any], ask: s.Ask) -> tuple[Any, bool, list[str]]:
    """What is found, whether that was judged, and notes on what of the question could not be done.

    Raises what the collection does, unless the question is lenient and can be answered with less.
    """
    try:
        return hits_of(ask.reject, ask.sort), ask.reject is not None, []
    except ChiasmError as error:
        if not (ask.lenient and ask.reject is not None):
            raise
        unordered = ["the order did not count: nobody knows which of these match, so the best come first"]
        why = error
    loose = None if ask.among is None else ask.sort
    notes = unordered if ask.sort and loose is None else []
    if notes:
        with suppress(ChiasmError):
            return hits_of(ask.reject, None), True, notes
    found = hits_of(None, loose)  # raises again what was no matter of it
    return found, False, [f"{_UNJUDGED} {str(why).removesuffix('.')}", *notes]


def _described(model: Any) -> Any:
    """A model as its score names it."""
    return json.loads(to_json({**recipe.describe(model), "aligner": model.aligner_.choices()}))
