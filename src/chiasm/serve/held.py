"""What a server holds: a collection, asked in the words of the routes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chiasm.collection import Collection
from chiasm.serve import schemas as s
from chiasm.serve.limits import Refusal
from chiasm.serve.uploads import Uploads

__all__ = ["Held"]


class Held:
    """A collection as the routes see it: items by number, answers as plain values.

    Args:
        collection: what is served.
    """

    def __init__(self, collection: Collection):
        self.collection = collection

    def what(self) -> dict[str, Any]:
        """Views, how many items each holds, and the columns to choose by."""
        status = self.collection.status()
        return {
            "views": dict(self.collection.model.views_),
            "held": status["views"],
            "columns": dict(self.collection.columns),
        }

    def ledger(self) -> dict[str, Any]:
        """The ledger, what failed by reason, and what was passed over by reason."""
        status = self.collection.status()
        return {**status["ledger"], "reasons": status["failed"], "passed_over": status["passed_over"]}

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
        return _item(item, paths)

    def items(self, state: str, after: int, k: int, paths: bool) -> s.Items:
        """Files of a state that follow one."""
        found = self.collection.items(state, after, k)
        last = found[-1]["key"] if len(found) == k else None
        return s.Items(items=[_item(item, paths) for item in found], next=last)

    def search(self, ask: s.Ask, uploads: Uploads, paths: bool) -> s.Found:
        """The answers to a question."""
        started = time.monotonic()
        (term,) = ask.terms
        if term.words is not None:
            query = {"text": [term.words]}
        else:
            if term.upload is not None:
                path, kind = uploads.get(term.upload)
            else:
                assert term.item is not None
                path, kind, _ = self.file(term.item)
            query = {kind: [str(path)]}
        found = self.collection.hits(query, ask.to, ask.k, ask.where, ask.reject)
        hits = [_hit(hit, paths) for hit in found[0]]
        rejected = not hits and ask.reject is not None
        return s.Found(hits=hits, rejected=rejected, seconds=round(time.monotonic() - started, 4))

    def scrubbed(self, message: str) -> str:
        """A sentence without the places of this machine."""
        for place in (self.collection.folder, self.collection.path, self.collection.path.resolve()):
            message = message.replace(f"{place}/", "").replace(str(place), "the collection")
        return message.replace(f"{tempfile.gettempdir()}/", "")


def _item(item: Mapping[str, Any], paths: bool) -> s.Item:
    told = {name: item.get(name) for name in ("date", "caption")}
    return s.Item(
        id=item["key"],
        state=item["state"],
        kind=item.get("kind") or item["view"],
        code=item["code"],
        path=item["item"] if paths else None,
        **told,
    )


def _hit(hit: Mapping[str, Any], paths: bool) -> s.Hit:
    return s.Hit(
        id=hit["key"],
        rank=hit["rank"],
        score=round(hit["score"], 4),
        kind=hit["kind"],
        path=hit["item"] if paths else None,
        date=hit.get("date"),
        caption=hit.get("caption"),
        why=hit.get("why", {}),
    )
