"""What is said of files: captions beside them and text read in them, searchable by meaning and by words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import scale
from chiasm.collection._catalog import Catalog, Item, place_of
from chiasm.collection._damage import emptied, made_anew
from chiasm.collection._fused import LEAST, SAMPLE, Fused
from chiasm.collection._gallery import Gallery
from chiasm.errors import ChiasmError, Damaged
from chiasm.index import APART, Exact, Index, Words
from chiasm.media.images import MediaError, decode_image
from chiasm.media.ocr import read_text
from chiasm.views import Column, Views
from chiasm.where import fitting

__all__ = ["TEXTS", "Said"]

TEXTS = ("caption", "words")
"""The facts of a file that are searched: the text beside it, and what was read in it."""

_HELD = "state = 'searchable' AND view = ? AND (facts LIKE '%\"caption\"%' OR facts LIKE '%\"words\"%')"


class Said:
    """The texts of a collection's files: for each view an index of vectors a kind of text, and one of words.

    The vectors are those of the model's text encoder as they are: in the space that words and pictures share texts
    find one another a little less well (benchmarks/search/hybrid.py).

    Args:
        path: the collection's folder. model: that searches it. columns: name -> type of what is known of files.
        part: of which model's indexes; None: of those that are searched now.
    """

    def __init__(self, path: Path, catalog: Catalog, model: Any, columns: Mapping[str, str], part: str | None = None):
        self.path, self.columns, self.model, self.part = path, columns, model, part
        self._catalog = catalog
        texts = (name for name, kind in model.views_.items() if kind == "text")
        self.view = next((name for name in texts if name in model.encoding_.encoders_), None)
        self._opened: dict[tuple[str, str, str], Any] = {}
        self._sampled: tuple[Any, dict[str, np.ndarray]] = (None, {})

    # ---- keeping ----
    def read(self, folder: Path, kind: str, items: Sequence[Item], contents: Sequence[bytes], facts: Any) -> None:
        """Read the text in pictures, where that was asked for, into their facts; not again in equal bytes."""
        if kind != "image" or "words" not in self.columns:
            return
        rows = []
        for row, item in enumerate(items):
            if item.content and item.content == contents[row] and "words" in item.facts:
                facts[row]["words"] = item.facts["words"]
            else:
                rows.append(row)
        read = scale.threads(_read, [folder / items[row].name for row in rows])
        for row, text in zip(rows, read, strict=True):
            facts[row]["words"] = text

    def put(self, view: str, ids: Sequence[int], facts: Sequence[dict[str, Any]]) -> None:
        """Take in what is said of some files of a view, and forget what was; `said` of the facts tells of what kinds.

        Whoever dies in between has it done again: the ledger calls them searchable only afterwards.
        """
        for one in facts:
            if any(one.get(name) for name in TEXTS):
                one["said"] = []
        for name in TEXTS:
            rows = [row for row, one in enumerate(facts) if one.get(name)] if self.view else []
            column = self._encoded([facts[row][name] for row in rows]) if rows else None
            kept = [] if column is None else np.flatnonzero(column.index >= 0).tolist()
            if column is not None and kept:
                told = fitting((facts[rows[at]] for at in kept), self.columns)
                vectors = np.asarray(column.items)[column.index[kept]]
                self._engine(view, name, new=True).update([ids[rows[at]] for at in kept], vectors, told)
            for at in kept:
                facts[rows[at]]["said"].append(name)
            if (index := self._engine(view, name)) is not None:
                index.delete([id_ for id_, one in zip(ids, facts, strict=True) if name not in one.get("said", ())])
        written = [(id_, one) for id_, one in zip(ids, facts, strict=True) if "said" in one]
        if written:
            texts = [APART.join(one[name] for name in TEXTS if one.get(name)) for _, one in written]
            self._worded(view, new=True).update([id_ for id_, _ in written], texts)
        if (words := self._worded(view)) is not None:
            words.delete([id_ for id_, one in zip(ids, facts, strict=True) if "said" not in one])

    def delete(self, view: str, ids: Sequence[int]) -> None:
        """Forget what is said of some files."""
        for index in (*(self._engine(view, name) for name in TEXTS), self._worded(view)):
            if index is not None:
                index.delete(ids)

    def sample(self, view: str, pictures: Index, changed: bool) -> None:
        """Choose the files that say what a query usually scores, for searches from now on, where any have changed."""
        each = {"": pictures, **{name: self._engine(view, name) for name in TEXTS}}
        held = {name: 0 if index is None else len(index) for name, index in each.items()}
        before = self._catalog.fact(f"sample {view}")
        if changed or before is None or before["held"] != held:
            chosen = {
                name: np.random.default_rng(0).permutation(index.keys())[:SAMPLE].tolist()
                for name, index in each.items()
                if index is not None
            }
            taken = 1 + (before["taken"] if before else 0)
            self._catalog.set(**{f"sample {view}": {"taken": taken, "held": held, "files": chosen}})

    def mend(self, view: str, thoroughly: bool = False) -> None:
        """After a death between the indexes and the ledger: what only one of them knows is done again.

        Args:
            thoroughly: what is damaged inside, too.
        """
        for name in (*TEXTS, "text"):
            if made_anew(partial(self._kept, view, name), self._place(view, name), thoroughly):
                self._opened = {at: held for at, held in self._opened.items() if at[1:] != (view, name)}
        held = self._held(view)
        wait = {item.id for item in held if "said" not in item.facts}
        for index, there in self._promised(view, held):
            keys = set(() if index is None else index.keys().tolist())
            if stray := sorted(keys - set(there)):
                index.delete(stray)
            bad = set(index.damaged()) if thoroughly and index is not None else set()
            wait |= set(there) - (keys - bad)
        self._catalog.put({"id": id_, "state": "waiting"} for id_ in sorted(wait))

    def verify(self, view: str) -> tuple[list[str], list[str], int]:
        """The files whose texts are damaged, those whose are missing, and how many texts are of no file."""
        damaged, missing, stray = [], [], 0
        for index, there in self._promised(view, self._held(view)):
            keys = set(() if index is None else index.keys().tolist())
            missing += [name for id_, name in there.items() if id_ not in keys]
            stray += len(keys - set(there))
            damaged += [there.get(key, str(key)) for key in getattr(index, "damaged", list)()]
        return damaged, missing, stray

    def check(self, view: str) -> None:
        """Raise a ChiasmError where what is kept is not whole, as far as it shows at a glance."""
        for name in (*TEXTS, "text"):
            if (index := self._kept(view, name)) is not None:
                len(index)

    def counts(self, view: str) -> dict[str, int]:
        """How many files of a view are found by the meaning of each kind of text."""
        return {name: len(index) for name in TEXTS if (index := self._engine(view, name)) is not None}

    # ---- asking ----
    def counting(self, view: str, pictures: Index) -> list[str]:
        """What counts by meaning beside the files of a view, as people call it: enough of them have it."""
        called = {"caption": "captions", "words": "read text"}
        return [called[name] for name in self._usual(view, pictures)[0]]

    def within(
        self, beside: Gallery, view: str, exact: Sequence[Sequence[str]], texts: list[str] | None
    ) -> tuple[Gallery, Gallery | None]:
        """The files of a view that hold what each query wants exactly: ranked by their pictures alone, and fused.

        Args:
            beside: the gallery of the pictures. exact: the phrases of each query. texts: the queries, where they are
                words and nothing else: captions and read text count then (else None comes second).
        """
        words = self._worded(view)
        keys = [None if not of else self._holding(words, list(of)) for of in exact]
        alone = Fused(beside, {}, {}, None, keys) if any(exact) else beside
        indexes, samples = self._usual(view, beside.index) if texts else ({}, {})
        said = self._asked(texts) if indexes and texts else None
        return alone, None if said is None else Fused(beside, indexes, samples, said, keys)

    def _holding(self, words: Words | None, exact: list[str]) -> np.ndarray:
        return np.zeros(0, dtype=np.int64) if words is None else words.holding(exact)

    def _asked(self, texts: list[str]) -> np.ndarray | None:
        """`(q, d)` queries as the texts' vectors are; None where one cannot be encoded, which the model tells."""
        rows, notes = self.model.encoding_.encoders_[self.view].encode_told(texts)
        return None if any(note.skipped for told in notes.values() for note in told) else np.asarray(rows)

    def _usual(self, view: str, pictures: Index) -> tuple[dict[str, Index], dict[str, np.ndarray]]:
        """The indexes of texts that count, and the vectors that say what is usual, as `Fused` has them."""
        told = self._catalog.fact(f"sample {view}")
        if told is None or self.view is None:
            return {}, {}
        for name in TEXTS:
            if told["files"].get(name) and self._engine(view, name) is None:
                raise ChiasmError(
                    f"the vectors of what is said of {view!r} ({name}) are missing in {self.path}: it was copied half, "
                    "or they were removed. Update it, and they are made anew."
                )
        texts = {
            name: index
            for name in TEXTS
            if len(told["files"].get(name, ())) >= LEAST and (index := self._engine(view, name)) is not None
        }
        stamp = (view, self._catalog.fact("part"), told["taken"])
        if texts and self._sampled[0] != stamp:
            each = {"": pictures, **texts}
            found = {name: _by_key(index, told["files"][name]) for name, index in each.items()}
            if "caption" in found:
                keys, vectors = found["caption"]
                there, pictures_ = _by_key(pictures, keys)
                found["caption"] = there, vectors[np.isin(keys, there)]
                found["beside"] = there, pictures_
            self._sampled = (stamp, {name: vectors for name, (_, vectors) in found.items()})
        samples = self._sampled[1]
        if not texts or any(len(samples[name]) < LEAST for name in ("", *texts)):
            return {}, {}
        return texts, samples

    # ---- the indexes ----
    def _held(self, view: str) -> list[Item]:
        """The searchable files of a view of which something is said."""
        return [item for item in self._catalog.items(_HELD, [view]) if any(map(item.facts.get, TEXTS))]

    def _promised(self, view: str, held: list[Item]) -> list[tuple[Any, dict[int, str]]]:
        """Each index of a view (None: not made yet), and the files (id -> name) that the ledger says are in it."""
        each = [
            (self._engine(view, name), {item.id: item.name for item in held if name in item.facts.get("said", ())})
            for name in TEXTS
        ]
        return [*each, (self._worded(view), {item.id: item.name for item in held if "said" in item.facts})]

    def _engine(self, view: str, name: str, new: bool = False) -> Any:
        """The vectors of a kind of text, beside the catalog whatever engine holds the files' own; None where there are
        none, unless it is to be made.
        """

        def made(path: Path) -> Any:
            return Exact(columns=self.columns, path=path)

        return self._open(view, name, made, new)

    def _worded(self, view: str, new: bool = False) -> Any:
        """The words of the texts; None where there are none, unless it is to be made."""
        return self._open(view, "text", Words, new)

    def _open(self, view: str, name: str, make: Callable[[Path], Any], new: bool) -> Any:
        part = self.part or self._catalog.fact("part")
        if (part, view, name) not in self._opened:
            path = self._place(view, name)
            if not new and not path.exists():
                return None
            if not new and emptied(path):
                raise Damaged(f"{path} is empty (copied half, or its files were removed)")
            self._opened[part, view, name] = make(path)
        return self._opened[part, view, name]

    def _place(self, view: str, name: str) -> Path:
        """The folder of an index."""
        return self.path / f"said-{self.part or self._catalog.fact('part')}-{place_of(self.model, view)}-{name}"

    def _kept(self, view: str, name: str) -> Any:
        """An index by its name."""
        return self._worded(view) if name == "text" else self._engine(view, name)

    def _encoded(self, texts: list[str]) -> Column:
        """Texts as the model's text encoder has them, through the cache."""
        assert self.view is not None
        views = Views({self.view: Column("text", texts)})
        column: Column = self.model.encoding_.apply(views)[0][self.view]
        return column


def _by_key(index: Index, keys: Any) -> tuple[np.ndarray, np.ndarray]:
    """Those of the keys that are there, rising, and their vectors."""
    found, vectors = index.vectors(keys)
    order = np.argsort(found)
    return found[order], vectors[order]


def _read(path: Path) -> str:
    """What is written in a picture; nothing where it cannot be opened, which its encoder tells."""
    try:
        return read_text(decode_image(str(path), None)[0]).text
    except MediaError:
        return ""
