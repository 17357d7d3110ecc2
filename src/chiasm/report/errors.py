"""The most confident errors of a report with what they were about: pictures made small, texts, records."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError, decode_image
from chiasm.report.html import Html, el
from chiasm.views import Column, Views

__all__ = ["SIDE", "errors"]

SIDE = 160
"""Pixels of a picture's longer side, at most."""
MOST_TEXT = 480
MOST_FIELDS = 24


def errors(found: Sequence[Mapping[str, Any]], wrong: Views | None) -> Html:
    """A card an error: what was true, what was answered how surely, and the items of each view."""
    if wrong is not None and [str(i) for i in wrong.ids] != [error["id"] for error in found]:
        raise ChiasmError(
            f"wanted the rows of the table's {len(found)} errors in their order, got {len(wrong)} other rows: "
            "pass the task's `wrong` of this very score."
        )
    cards = [_card(error, None if wrong is None else wrong[[place]]) for place, error in enumerate(found)]
    note = "The wrong answers given with most confidence: is the model wrong, or the label?"
    return el(
        "section",
        el("h2", "Most confident errors"),
        el("p", note, class_="soft"),
        el("div", *cards, class_="errors"),
    )


def _card(error: Mapping[str, Any], row: Views | None) -> Html:
    head = el(
        "header",
        el("span", el("b", error["true"]), " answered as ", el("b", error["answer"], class_="was")),
        el("span", f"{100 * error['confidence']:.1f} %", class_="soft bar"),
    )
    texts: list[Html] = []
    others: list[Html] = []
    for view, label in error["items"].items():
        column = None if row is None else row.columns.get(view)
        read = column is None or column.modality == "text"
        (texts if read else others).append(_item(view, str(label), column))
    body = [el("div", *items, class_=name) for items, name in ((texts, "texts"), (others, "others")) if items]
    foot = el("p", f"id {error['id']}", class_="name")
    return el("article", head, el("div", *body, class_="body"), foot, class_="error")


def _item(view: str, label: str, column: Column | None) -> Html:
    """One view's item by its modality; its name alone where the item is not at hand."""
    position = -1 if column is None else int(column.index[0])
    if column is None or position < 0 or hasattr(column.items, "shape"):
        return el("div", el("p", view, class_="name"), _text(label), class_="item")
    item = column.items[position]
    if column.modality == "image":
        return el("div", el("p", view, class_="name"), *_picture(item, label), class_="item")
    shown = _record(item) if isinstance(item, Mapping) else _text(item if isinstance(item, str) else label)
    return el("div", el("p", view, class_="name"), shown, class_="item")


def _picture(item: Any, label: str) -> list[Html]:
    """The picture, decoded by the rules of `chiasm.media` and encoded anew: nothing but pixels comes over."""
    try:
        whole = decode_image(item, None)[0]
    except MediaError as error:
        return [_text(label), el("p", f"cannot be shown: {error.note.message}", class_="name")]
    small = Image.fromarray(np.asarray(whole))  # no comment, no place, no camera
    small.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=82)
    source = "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")
    return [el("img", src=source, alt=label, title=label, width=str(small.width), height=str(small.height))]


def _record(item: Mapping[str, Any]) -> Html:
    known = {name: value for name, value in item.items() if value is not None and value == value}
    rows = [el("tr", el("th", str(name)), el("td", _short(_plain(value), 80))) for name, value in known.items()]
    return el("table", *rows[:MOST_FIELDS], class_="record")


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(text: str) -> Html:
    return el("p", _short(text.strip(), MOST_TEXT), class_="text", dir="auto")


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
