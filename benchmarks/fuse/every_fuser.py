"""Every fuser on six packs, beside `auto` and the three that have to be beaten, on the same five re-drawn splits.

`python -m benchmarks.fuse.every_fuser [SET ...] [--method NAME ...]`. Resumable. Each seed cuts the rows anew, by id
and group: seven eighths to learn from, an eighth to score, on which nothing is chosen. Everything at its defaults; what
a method tunes, it tunes inside its rows. With some sets alone cells are computed and nothing is saved; some methods
alone are compared with `auto` and `early`.

To be beaten: `early`; the views' own models averaged by greedy selection (`ensemble` without fusers); a late-fusion
transformer in PyTorch, its rate, dropout and epochs chosen inside the rows (benchmarks/fuse/_late_transformer.py). And
logistic regression on the standardized views side by side.

Sets: mvsa_single (tweets, 3 classes), web_news_zh (Chinese news, 10), covid_cxr (picture, masked notes, record; 2
classes, grouped by patient, picture and note), ikea (types of eight products and more, from picture and description;
grouped by series), grid_s1 (the command, 4 classes, from sound in white noise of its own power, 0 dB, and the lower
face in eight steps; one talker), esc (ESC-10: mel bands and spectrograms seen as pictures; grouped by recording).
Accuracy; of covid_cxr the AUC, where a rare class cannot hide.

A difference is paired by row and by seed (two-level bootstrap by cluster). Pooled, sets count as independent. Cells
"not shown" are those where the interval of `auto` less the other does not lie above -1 point.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import soundfile
from scipy.stats import norm

import chiasm
from benchmarks._sets import files, lower_face, mel, pack, pictures, products, table
from benchmarks._trials import Figure, arguments, finish
from benchmarks._xrays import xrays
from benchmarks.fuse._late_transformer import LateTransformer
from chiasm import registry
from chiasm.compare import compare_fuse
from chiasm.fuse.ensemble import Ensemble
from chiasm.tokens import Tokens
from chiasm.views import Column, Views

STEPS, DECIBELS = 8, 0.0
LIMIT = -1.0
"""Points: how much `auto` may lose."""
SEEDS = 5


def commands() -> Views:
    facts, rng = table("grid_s1"), np.random.default_rng(0)
    sounds = []
    for path in files("grid_s1", "audio"):
        sound, rate = soundfile.read(path)
        noise = rng.normal(size=len(sound)) * np.sqrt(np.square(sound).mean() * 10 ** (-DECIBELS / 10))
        sounds.append(mel(sound + noise, rate))
    lips = lower_face(STEPS)
    columns = {
        "sound": Column("vector", np.stack(sounds)),
        "lips": Column("vector", Tokens.of(list(lips.reshape(len(lips), STEPS, -1)))),
    }
    return Views(columns, facts["id"], {"label": np.array(facts["command"], dtype=object)})


def sounds() -> Views:
    audio = {"mel": "audio", "picture": "audio"}
    views = chiasm.read(pack("esc") / "data.parquet", audio=audio, id="id", label="label", group="src_file")
    return views[np.array(table("esc")["esc10"], dtype=bool)]


SETS: dict[str, tuple[Callable[[], Views], dict[str, str], str]] = {
    "mvsa_single": (lambda: pictures("mvsa_single", label="label"), {}, "accuracy"),
    "web_news_zh": (lambda: pictures("web_news_zh", label="label"), {}, "accuracy"),
    "covid_cxr": (lambda: xrays(False)[0], {}, "auc"),
    "ikea": (products, {}, "accuracy"),
    "grid_s1": (commands, {}, "accuracy"),
    "esc": (sounds, {"mel": "mel_audio"}, "accuracy"),
}
"""How a set is read, its encoders other than the default ones, and what it is judged by."""

BARS: dict[str, Callable[[], Any]] = {
    "early": lambda: registry.make("fuse", "early"),
    "views averaged": lambda: Ensemble(fusers=()),
    "late transformer": LateTransformer,
}
APART = ("auto", "early")
COUNTED = ("cells", "not shown", "clearly below")
"""Over all methods, so nothing that a run of some can say."""
FUSERS = tuple(name for name in registry.names("fuse") if name not in APART)
METHODS = (*BARS, *FUSERS)
LOGISTIC = "concat + logistic"
SHOWN = ("auto", *METHODS, LOGISTIC)


def short(name: str) -> str:
    return name.replace(" + ", "_").replace(" ", "_")


FIGURES = [
    Figure("cells", ("cells",), "comparisons of `auto` with another fuser on a set", "", ".0f"),
    Figure("open", ("not shown",), "of these where it is not shown that `auto` loses less than a point", "", ".0f"),
    Figure("below", ("clearly below",), "of these where the whole interval is below -1 point", "", ".0f"),
    *(
        Figure(f"{name}.{short(one)}", ("scores", name, one), f"{name}: `{one}`", "%", n="{seeds} seeds", scale=100)
        for name in SETS
        for one in SHOWN
    ),
    *(
        Figure(
            f"{name}.{short(one)}.less_{short(bar)}",
            ("less", bar, name, one),
            f"{name}: `{one}` less `{bar}`",
            format="+.1f",
            scale=100,
        )
        for bar in ("auto", *BARS)
        for name in SETS
        for one in SHOWN
        if one != bar
    ),
    *(
        Figure(
            f"{short(one)}.less_{short(bar)}",
            ("pooled", bar, one),
            f"`{one}` less `{bar}`, six sets",
            format="+.1f",
            scale=100,
        )
        for bar in ("auto", *BARS)
        for one in SHOWN
        if one != bar
    ),
    *(
        Figure(f"{name}.{short(one)}.seconds", ("seconds", name, one), f"{name}: a fit of `{one}`", "s", ".0f")
        for name in ("mvsa_single",)
        for one in SHOWN
    ),
]


def made(name: str) -> Any:
    return BARS[name]() if name in BARS else registry.make("fuse", name)


def compared(name: str, methods: list[str], bars: list[str]) -> dict[str, Any]:
    """The tables of a set, by what the others are compared with; cells are computed once."""
    read, encoders, _ = SETS[name]
    views = read()
    views = Views(views.columns, views.ids, {**views.facts, "split": np.array(["train"] * len(views), dtype=object)})
    tables = {}
    for bar in ("auto", *bars):  # the first is the one compared with, where none is called auto
        parts = {"auto" if one == bar else f"{one} ": made(one) for one in ("auto", *methods)}
        found = compare_fuse(
            views,
            parts,
            rows=["all"],
            seeds=SEEDS,
            encoders=encoders,
            allow_leaks=True,
            source=name,
            tell=lambda done, total, what: print(f"\r{done}/{total} {what:50}", end="", file=sys.stderr),
        )
        if bar == "auto":
            print(f"\n== {name}\n{found}", flush=True)
        tables[bar] = found.table
    return tables


def pooled(cells: Mapping[str, Mapping[str, float]]) -> dict[str, Any] | None:
    """The mean over all sets; None where one is lacking."""
    if len(cells) < len(SETS):
        return None
    mean = float(np.mean([cell["value"] for cell in cells.values()]))
    errors = [(cell["high"] - cell["low"]) / (2 * norm.ppf(0.975)) for cell in cells.values()]
    half = float(norm.ppf(0.975) * np.sqrt(np.sum(np.square(errors))) / len(SETS))
    return {"value": mean, "low": mean - half, "high": mean + half, "n": len(cells)}


def summary(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Scores of all, what each has more than `auto` and the three, by set and pooled."""
    scores: dict[str, Any] = {}
    seconds: dict[str, Any] = {}
    errors: dict[str, str] = {}
    less: dict[str, Any] = {bar: {} for bar in ("auto", *BARS)}
    for name, by_bar in tables.items():
        judged = SETS[name][2]
        for method, of in by_bar["auto"]["methods"].items():
            cell, one = of["all"], method.strip()
            if "error" in cell:
                errors[f"{one}, {name}"] = cell["error"]
                continue
            scores.setdefault(name, {})[one] = {**cell[judged], "seeds": SEEDS}
            seconds.setdefault(name, {})[one] = cell["seconds"]
        for bar, whole in by_bar.items():
            for found in whole["differences"]:
                gap = found[judged]
                less[bar].setdefault(name, {})[found["b"].strip()] = {
                    "value": -gap["value"],
                    "low": -gap["high"],
                    "high": -gap["low"],
                }
    cells = [cell for of in less["auto"].values() for one, cell in of.items() if one in SHOWN]
    every = {one for of in less["auto"].values() for one in of}
    return {
        "scores": scores,
        "seconds": seconds,
        "errors": errors,
        "less": less,
        "pooled": {
            bar: {
                one: found
                for one in (*sorted(every), "auto")
                if (found := pooled({name: of[one] for name, of in by_set.items() if one in of}))
            }
            for bar, by_set in less.items()
        },
        "cells": len(cells),
        "not shown": sum(-100 * cell["high"] <= LIMIT for cell in cells),
        "clearly below": sum(-100 * cell["low"] < LIMIT for cell in cells),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--method", action="append", help=f"default: all: {', '.join(METHODS)}")
    args = parser.parse_args()
    bars = ["early"] if args.method else list(BARS)
    methods = list(dict.fromkeys([*bars, *(args.method or METHODS)]))
    found = summary({name: compared(name, methods, bars) for name in args.sets})
    if set(args.sets) != set(SETS):
        args.save = False
    if args.method:
        found = {key: value for key, value in found.items() if key not in COUNTED}
    finish(found, FIGURES, args)


if __name__ == "__main__":
    main()
