"""A caption model's score as text: each method a line, whether things are found by what is said, examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.score import percent

__all__ = ["lines"]

NAMES = {
    "caption": "the model",
    "shuffled": "shown another row",
    "blank": "shown nothing",
    "consensus": "consensus of similar ones",
    "nearest": "caption of the nearest",
    "people": "what people wrote",
}
_WIDE = 26


def lines(table: Mapping[str, Any]) -> list[str]:
    """The lines that a person reads."""
    sure = table["methods"]["caption"]["CIDEr-D"]["low"] is not None
    alone = "of one thing, or one group of things, there is no interval"
    things = "1 thing" if table["things"] == 1 else f"{table['things']} things"
    found = [
        f"captions of {things} ({table['split']}) beside {table['references']} that people "
        f"wrote; points, {'with 95 % intervals' if sure else alone}",
        f"document frequencies of CIDEr-D: {table['document frequencies']} training things",
        *_lacking(table),
        "",
        *_methods(table["methods"]),
    ]
    if (clean := table.get("clean")) is not None:
        found += ["", f"without {clean['removed']} that share an item with training rows:", *_methods(clean["methods"])]
    judged = table["consistency"]
    if "skipped" in judged:
        found += ["", f"whether things are found by their captions: {judged['skipped']}"]
    else:
        found += ["", f"found by what is said, one of {judged['among']} ({judged['view']}), %: R@1, R@10"]
        found += [
            f"{NAMES[name]:{_WIDE}s} {percent(judged[name]['R@1']):20s} {percent(judged[name]['R@10'])}"
            for name in NAMES
            if name in judged
        ]
    found += ["", *(f"{one['id']}: {one['caption']}  (a person: {one['reference']})" for one in table["examples"])]
    return found


def _lacking(table: Mapping[str, Any]) -> list[str]:
    """What is left out, and what is scored though something of it is absent."""
    found = [f"{table['uncaptioned']} rows without a caption are left out"] if table["uncaptioned"] else []
    found += [f"{count} of the things have no {name}" for name, count in table["absent"].items()]
    if "shuffled" not in table["methods"]:
        found.append("there is no other row to show the model")
    if table["unseen"]:
        found.append(f"{table['unseen']} have nothing to see and get one caption: they count too")
    return found


def _methods(methods: Mapping[str, Any]) -> list[str]:
    head = f"{'':{_WIDE}s} {'CIDEr-D':20s} {'ROUGE-L':20s} {'BLEU-4':20s} the model above it"
    rows = [
        f"{NAMES[name]:{_WIDE}s} {_points(one['CIDEr-D']):20s} {_points(one['ROUGE-L']):20s} "
        f"{_points(one['BLEU-4']):20s} {_points(one['above']) if one['above'] else ''}".rstrip()
        for name, one in methods.items()
    ]
    return [head, *rows]


def _points(one: Mapping[str, float | None]) -> str:
    """Points with their interval; alone where there is none."""
    return f"{100 * one['value']:.1f}" if one["value"] is not None and one["low"] is None else percent(one)
