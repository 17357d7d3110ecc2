"""What a collection tells of itself: the ledger, what failed, what is damaged, what a switch has cost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from chiasm.collection import _alike, _passed
from chiasm.collection._catalog import STATES, Item
from chiasm.collection._damage import away, whole
from chiasm.collection._moments import keys_of
from chiasm.collection._switch import Side
from chiasm.collection._table import Plan
from chiasm.collection._teaching import Teaching
from chiasm.collection._whole import strays, unlike
from chiasm.errors import ChiasmError, Damaged
from chiasm.index import Index

__all__ = ["Telling"]


class Telling(Teaching):
    """A collection that accounts for every file, and for its own."""

    def ledger(self) -> dict[str, int]:
        """How many files were seen, and how many of them are searchable, failed and waiting.

        After a switch also how many of the searchable ones are still `mapped`.
        """
        counts = Counter[str]()
        for (state, _), n in self._catalog.counts().items():
            counts[state] += n
        told = {"seen": sum(counts.values()), **{state: counts[state] for state in STATES}}
        mapped = self._catalog.mapped()
        return {**told, "mapped": mapped} if mapped else told

    def status(self) -> dict[str, Any]:
        """What it is and holds, as plain values: `ledger`; by reason `failed`, `noted`, `passed_over`; and more.

        By view the searchable `files`, and what `views` hold of them: more, where long files are searched by moment.
        `changes`: how many files the last look (at `looked`) found `new`, `changed`, `moved` and `gone`.
        `switch`: by view how many files the last one encoded first, and the `loss` (see `switch`), None where all were.
        `rollback`: whether there is a way back. `problems`: what is wrong with its own files, in sentences.
        """
        counts = sorted(self._catalog.counts().items())
        size = sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
        switch, before = self._catalog.facts("switch", "before")
        files = self._catalog.searchable()
        problems = self.problems()
        return {
            "index": str(self.path),
            "folder": str(self.folder),
            **({"table": str(self._of)} if self._of != self.folder else {}),
            "model": self._catalog.fact("model"),
            "columns": self.columns,
            "files": {view: files.get(view, 0) for view in self.media},
            "views": {view: 0 if problems else len(self.reading(view)) for view in self.media},
            "texts": {view: {} if problems else self.said.counts(view) for view in self.media},
            "engine": self._catalog.fact("engine"),
            "ledger": self.ledger(),
            "failed": {code: n for (state, code), n in counts if state == "failed"},
            "noted": {code: n for (state, code), n in counts if state == "searchable" and code},
            "passed_over": _passed.counts(self._catalog),
            "looked": self._catalog.fact("looked"),
            "changes": self._catalog.fact("changes"),
            "MiB": round(size / 2**20, 1),
            "switch": switch,
            "rollback": bool(before),
            "problems": problems,
        }

    def problems(self) -> list[str]:
        """What is wrong with its files at a glance, a sentence each with what to do; `verify` looks closer."""
        told = []
        for view in self.media:
            try:
                len(self.reading(view))
                with whole(self.path):
                    self.said.check(view)
            except ChiasmError as error:
                told.append(str(error))
        if odd := [one.name for one in strays(self.path, self._keep())]:
            told.append(
                f"{', '.join(odd)}: of another index, or left by a switch that was broken off; the next update removes "
                "it."
            )
        if not self.folder.is_dir():
            told.append(away(self.folder))
        elif not self._of.exists():
            told.append(f"the table {self._of} is not there: put it back, or build another index.")
        return told

    def failures(self) -> list[dict[str, str]]:
        """The files that failed: name, code and message."""
        found = self._catalog.items("state = 'failed'")
        return [{"file": item.name, "code": item.code, "message": item.message} for item in found]

    def notes(self) -> list[dict[str, str]]:
        """Files that are searchable, but of which something was altered or not read: name, code and message."""
        found = self._catalog.items("state = 'searchable' AND code <> ''")
        return [{"file": item.name, "code": item.code, "message": item.message} for item in found]

    def passed(self) -> list[dict[str, str]]:
        """The files of the folder that are no items, such as hidden ones: name, code and message."""
        return _passed.listed(self._catalog)

    def duplicates(self) -> list[dict[str, Any]]:
        """Every group of files that a search shows as one: the largest as `file`, the others by level, as in `hits`."""
        return _alike.duplicates(self._catalog, self.folder)

    def verify(self) -> dict[str, Any]:
        """Whether all is as it was written: `sound`, and the files whose vectors are `damaged`, `missing` or `stray`.

        `unlike`: of eight files drawn at random, those that the model places elsewhere now: their vectors are another
        model's. `problems` as in `status`. `mended_by`: "update", "update, retrying" (`retry=True`) or "rebuild"; None
        where nothing has to be mended, or the folder is not there to do it from.

        Raises a ChiasmError where more than vectors is damaged: the index has to be rebuilt.
        """
        self._catalog.check()
        damaged: list[str] = []
        missing: list[str] = []
        other: list[str] = []
        problems, inside = self.problems(), False
        stray = 0
        for view in self.media:
            items = self._catalog.items("state = 'searchable' AND view = ?", [view])
            try:
                index = self.reading(view)
                keys, bad = set(index.keys().tolist()), set(getattr(index, "damaged", list)())
                more = self.said.verify(view)
            except ChiasmError as error:
                missing += [item.name for item in items]
                if isinstance(error, Damaged):
                    problems.append(f"{error.what}: update {self.path}, retrying.")
                    inside = True
                continue
            there = {key: item.name for item in items for key in keys_of(item)}
            damaged += dict.fromkeys(there.get(key, str(key)) for key in sorted(bad))
            missing += [item.name for item in items if self._lacks(item, keys)]
            stray += len(keys - set(there))
            damaged, missing, stray = damaged + more[0], missing + more[1], stray + more[2]
            mapped = {id_ for (id_,) in self._catalog.read("SELECT id FROM mapped")}
            sure = [one for one in items if one.id not in mapped and not bad.intersection(keys_of(one))]
            other += unlike(sure, self._side(view, index))
        found = {"damaged": damaged, "missing": missing, "stray": stray, "unlike": other, "problems": problems}
        mended = {"mended_by": self._mended_by(found, inside)}
        return {"sound": not any(found.values()), **found, **mended, "ledger": self.ledger()}

    def _side(self, view: str, index: Index, model: Any = None) -> Side:
        """A view as a model sees it: the one that is searched now, or another."""
        window = (self._catalog.fact("windows") or {}).get(view)
        return Side(model or self.model, view, index, self.folder, window)

    def _mended_by(self, found: dict[str, Any], inside: bool) -> str | None:
        """As `verify` tells it; `inside`: whether something cannot be read."""
        if not self.folder.is_dir() or not self._of.exists():
            return None
        if found["unlike"]:
            return "rebuild"
        if found["damaged"] or inside:
            return "update, retrying"
        return "update" if any(found.values()) else None

    @property
    def _of(self) -> Path:
        """The folder or the table that it is of."""
        plan = self._catalog.fact("table")
        return Path(Plan(*plan).table) if plan else self.folder

    def _keep(self) -> list[tuple[str, str]]:
        """The parts that count, and their models."""
        part, model, before = self._catalog.facts("part", "model", "before")
        return [(part, model), *([(before["part"], before["model"])] if before else [])]

    @staticmethod
    def _lacks(item: Item, keys: set[int]) -> bool:
        """Whether an item has no vector; of moments some may be missing where they could not be read."""
        held = keys_of(item)
        return not any(key in keys for key in held) if item.code == "moments_unread" else not keys.issuperset(held)
