"""The measured figures, put into the documents that name them.

`python -m benchmarks.measured` reads `benchmarks/results/*.json`, writes docs/measured.md and fills in README.md and
the other pages of docs/ in place. With `--check` nothing is written; it names what disagrees and exits 1.

A page names a figure by a marker that no reader sees, and what stands between is written here:

    <!--=coco2k.rsum-->399.8<!--/-->                             the value
    <!--=sound.esc.gain []-->+5.0 [2.0, 8.4]<!--/-->             value and interval
    <!--=sound.esc.all unit []-->94.3 % [91.8, 96.5]<!--/-->     with the unit; `unit` alone is without interval
    <!--=coco2k.rsum sd-->10.8<!--/-->                           the standard deviation over splits

To cite one, write `<!--=ID--><!--/-->` and run the command; ids stand in docs/measured.md. Whole blocks stand between
`<!-- measured: NAME -->` and `<!-- /measured -->`; the README's is `<!-- measured -->` alone.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks._sets import DESIGN, SETS
from benchmarks._trials import RESULTS, ROOT

Figures = dict[str, dict[str, Any]]

PAGE = ROOT / "docs" / "measured.md"
TOPICS = {
    "search": "Search and link",
    "serve": "Serve",
    "align": "Align: several forms, one space",
    "fuse": "Fuse: several forms, one answer",
    "distill": "Distill: what one form knows, taught to another",
    "tune": "Tune: encoders taught a task",
    "generate": "Generate: captions, answers, features of another form",
    "time": "Time: audio and video",
    "stats": "Statistics: what intervals hold",
    "speed": "Speed, memory, durability",
}
PARTS = {
    "": ("value",),
    "[]": ("value", "low", "high"),
    "unit": ("value",),
    "unit []": ("value", "low", "high"),
    "sd": ("sd",),
}
NAMED = r"(\S+?)(?: (\[\]|unit|unit \[\]|sd))?"
MARKER = re.compile(rf"<!--={NAMED}-->(?:(?!<!--).)*<!--/-->", re.S)
BLOCK = re.compile(r"(<!-- measured(?:: (\w+))? -->\n).*?(<!-- /measured -->)", re.S)
PLACE = re.compile(rf"\{{{NAMED}\}}")
"""A figure in `LINES`: as a marker, between braces."""

LINES = [
    (
        "photographs found by a caption and captions by a photograph, 1,497 pairs to learn from, one of 300: R@1",
        "**{coco2k.given.text.r1 unit []}** and {coco2k.given.image.r1 unit []}; chance {coco2k.given.chance.r1}",
    ),
    (
        "the same, R@1 + R@5 + R@10 both ways, of 600, mean of 10 re-drawn splits",
        "**{coco2k.rsum}** (sd {coco2k.rsum sd}); ridge regression, tuned alike, {coco2k.ridge}; "
        "chance {coco2k.chance}. {coco2k.designed unit} of these test rows were looked at in design; on the 300 that "
        "were not: {coco2k.given.rsum}, ridge {coco2k.given.ridge}",
    ),
    (
        "Chinese news into 10 classes, words + picture",
        "**{classes.web_news_zh.auto unit}** (sd {classes.web_news_zh.auto sd}); less words alone by the same head "
        "{classes.web_news_zh.text}: {classes.web_news_zh.over_text []}; less the best of scikit-learn's, tuned alike, "
        "{classes.web_news_zh.plain}: {classes.web_news_zh.gain []}",
    ),
    (
        "sentiment of tweets, words + picture, 3 classes",
        "**{classes.mvsa_single.auto unit}** (sd {classes.mvsa_single.auto sd}); less words alone by the same head "
        "{classes.mvsa_single.text}: {classes.mvsa_single.over_text []}; less the best of scikit-learn's, tuned alike, "
        "{classes.mvsa_single.plain}: {classes.mvsa_single.gain []}",
    ),
    (
        "one model with views dropped against one learned without them, least ratio of accuracies",
        "tweets **{missing.mvsa_single}**, news {missing.web_news_zh}, X-rays + notes + record {missing.covid_cxr}",
    ),
    (
        "sounds into 10 classes (ESC-10)",
        "**{sound.esc.all unit []}** (`early`); logistic regression on the same views {sound.esc.logistic.all}, "
        "difference {sound.esc.gain []}; `auto` {sound.esc.auto}, {sound.esc.auto.gain []}",
    ),
    (
        "which of 75 silent faces belongs to a voice, R@1",
        "**{talking_face.synchronous.voice unit []}**; PCA + CCA on the same steps {talking_face.pca.voice}, without "
        "time {talking_face.cca.voice}, chance {talking_face.chance}",
    ),
    (
        "the moment of a word in recordings of a minute, R@1 at an overlap of 0.5",
        "**{moments.sounds.r1 unit []}**; on the same windows ridge regression {moments.sounds.ridge}, logistic "
        "{moments.sounds.logistic}; by words that were not learned: Chinese names {moments.sounds.chinese}, classes "
        "kept out of training {moments.sounds.unseen}; chance {moments.sounds.chance}",
    ),
    (
        "a whole process: `chiasm --help`, a search in 1,997 pictures",
        "**{startup.help unit}**, **{startup.search unit}**; the second run of `encode` over 1,997 photographs is "
        "{encode_speed.again} times as fast as the first",
    ),
    (
        "peak memory of `chiasm encode`, 2,000 and 20,000 pictures",
        "**{encode_memory.2000}** and {encode_memory.20000 unit}",
    ),
]
"""The README's ten lines: what, and the figures."""


def load(folder: Path = RESULTS) -> Figures:
    """Every saved figure by its id, with the topic of its file."""
    found: Figures = {}
    for file in sorted(folder.glob("*.json")):
        for figure in json.loads(file.read_text(encoding="utf-8")):
            if figure["id"] in found:
                sys.exit(f"{file.name}: there are two figures {figure['id']}")
            found[figure["id"]] = {**figure, "topic": file.stem.split(".")[0]}
    return found


def number(value: float, figure: dict[str, Any], sign: bool = True) -> str:
    """A number as the figure is shown; what has no unit and is below 1 stands without its zero (.93)."""
    form = figure["format"] if sign else figure["format"].lstrip("+")
    text = re.sub(r"e([+-])0", r"e\1", format(value, form))
    if not any(digit in "123456789" for digit in text.split("e")[0]):
        text = text.lstrip("+-")
    return text if figure["unit"] else re.sub(r"^([+-]?)0\.", r"\1.", text)


def shown(figures: Figures, name: str, part: str | None = None) -> str:
    """What stands in a document for a figure: a part of it, see `PARTS`."""
    if name not in figures:
        sys.exit(f"no figure named {name!r} in benchmarks/results; docs/measured.md lists all")
    figure, part = figures[name], part or ""
    if missing := [key for key in PARTS[part] if figure[key] is None]:
        sys.exit(f"figure {name!r} has no {missing[0]}")
    if part == "sd":
        return number(figure["sd"], figure, sign=False)
    text = number(figure["value"], figure)
    if "unit" in part:
        text += f" {figure['unit']}"
    if "[]" in part:
        low, high = (number(figure[key], figure, sign=False) for key in ("low", "high"))
        text += f" [{low}, {high}]"
    return text


def ten_lines(figures: Figures) -> str:
    """The README's block: a line's figures, the commands that make them, and when these last ran."""
    lines = ["| what | figure | command | measured |", "|---|---|---|---|"]
    for what, cell in LINES:
        named = [figures[marker[1]] for marker in PLACE.finditer(cell)]
        commands = ", ".join(dict.fromkeys(f"`{one['command']}`" for one in named))
        days = sorted({one["date"] for one in named if not one["rerun"]})
        day = f"{days[0]}, not rerun" if days else min(one["date"] for one in named)
        lines.append(f"| {what} | {PLACE.sub(lambda m: shown(figures, m[1], m[2]), cell)} | {commands} | {day} |")
    return "\n".join(lines) + "\n"


def pairs_needed(figures: Figures) -> str:
    """docs/align.md: R@1 by set, pairs and method; the best of a line is bold."""
    methods = ("auto", "cca", "corrected", "ridge", "corrected ridge", "asif", "pls", "procrustes", "kcca")
    lines = ["| set | pairs | " + " | ".join(f"`{m}`" for m in methods) + " |", "|---|---|" + "---|" * len(methods)]
    for name in SETS:
        first = f"{name} *" if name in DESIGN else name
        for pairs in ("50", "100", "300", "1000", "all"):
            ids = [f"pairs_needed.{name}.{pairs}.{method}" for method in methods]
            if ids[0] not in figures:
                continue
            best = max((shown(figures, one) for one in ids if one in figures), key=float)
            cells = [shown(figures, one) if one in figures else "-" for one in ids]
            n = shown(figures, f"pairs_needed.{name}.pairs") if pairs == "all" else pairs
            lines.append(f"| {first} | {n} | " + " | ".join(f"**{c}**" if c == best else c for c in cells) + " |")
            first = ""
    return "\n".join(lines) + "\n"


def side_by_side(figures: Figures) -> str:
    """docs/align.md: aligners by what `auto` has more of, with R@1 by set and pairs; the best of a column is bold."""
    start = "side_by_side."
    sets, sizes = ("coco2k", "web_news_zh", "ikea", "digits"), ("100", "300", "all")
    columns = [(name, pairs) for name in sets for pairs in sizes]
    less = {one[len(start) : -len(".less")]: one for one in figures if one.startswith(start) and one.endswith(".less")}
    methods = sorted(less, key=lambda one: float(figures[less[one]]["value"]))
    known = {one.split(".", 3)[3] for one in figures if one.startswith(start) and one.split(".")[1] in sets}
    methods += sorted(known - {"auto", *methods})
    found = {
        method: [figures.get(f"{start}{name}.{pairs}.{method}") for name, pairs in columns]
        for method in ("auto", *methods)
    }
    best = [
        max((number(cell["value"], cell) for cell in column if cell), key=float)
        for column in zip(*found.values(), strict=True)
    ]
    head = (f"{name}, {pairs}" if pairs == "100" else pairs for name, pairs in columns)
    lines = ["| | " + " | ".join(head) + " | `auto` less it |", "|---|" + "---|" * (len(columns) + 1)]
    for method, cells in found.items():
        texts = [number(cell["value"], cell) if cell else "-" for cell in cells]
        texts = [f"**{text}**" if text == top else text for text, top in zip(texts, best, strict=True)]
        last = shown(figures, less[method], "[]") if method in less else ""
        name = f"`{method.removesuffix('.corrected')}`" + (", corrected" if method.endswith(".corrected") else "")
        lines.append(f"| {name} | " + " | ".join(texts) + f" | {last} |")
    return "\n".join(lines) + "\n"


def every_fuser(figures: Figures) -> str:
    """docs/fuse.md: fusers by what they have more of than `early`, with their score by set; the best of one is bold."""
    start, bars = "every_fuser.", ("auto", "early", "views_averaged", "late_transformer")
    sets = ("mvsa_single", "web_news_zh", "covid_cxr", "ikea", "grid_s1", "esc")
    known = {one.split(".")[2] for one in figures if one.startswith(start) and one.count(".") == 2}
    known -= {one for one in known if one.startswith("less_") or one == "seconds"}

    def over(method: str, bar: str) -> str:
        name = f"{start}{method}.less_{bar}"
        return shown(figures, name, "[]") if name in figures else "-" if method == bar else "not run"

    def rank(method: str) -> float:
        name = f"{start}{method}.less_early"
        return float(figures[name]["value"]) if name in figures else 0.0

    found = {
        method: [figures.get(f"{start}{name}.{method}") for name in sets]
        for method in sorted(known, key=rank, reverse=True)
    }
    best = [
        max((number(cell["value"], cell) for cell in column if cell), key=float)
        for column in zip(*found.values(), strict=True)
    ]
    heads = ["", *sets, "less `auto`", "less `early`", "less views averaged", "less late transformer"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for method, cells in found.items():
        texts = [number(cell["value"], cell) if cell else "-" for cell in cells]
        texts = [f"**{text}**" if text == top else text for text, top in zip(texts, best, strict=True)]
        plain = method.replace("_", " ") if method in (*bars[2:], "concat_logistic") else f"`{method}`"
        lines.append(f"| {plain} | {' | '.join([*texts, *(over(method, bar) for bar in bars)])} |")
    return "\n".join(lines) + "\n"


BLOCKS = {
    None: ten_lines,
    "pairs_needed": pairs_needed,
    "side_by_side": side_by_side,
    "every_fuser": every_fuser,
}


def fill(text: str, figures: Figures) -> str:
    """A document with every marker and block filled in."""
    text = BLOCK.sub(lambda m: m[1] + BLOCKS[m[2]](figures) + m[3], text)

    def filled(marker: re.Match[str]) -> str:
        part = f" {marker[2]}" if marker[2] else ""
        return f"<!--={marker[1]}{part}-->{shown(figures, marker[1], marker[2])}<!--/-->"

    return MARKER.sub(filled, text)


def page(figures: Figures) -> str:
    """docs/measured.md: one table a topic."""
    lines = [
        "# Measured",
        "",
        "Figures with the command that makes each. This page is made by `python -m benchmarks.measured` from",
        "`benchmarks/results/`, which `python -m benchmarks.TOPIC.NAME --save` writes; do not edit it. The other",
        "pages take theirs from there too, except docs/log.md, which tells what was found when, and the few that say",
        "by hand. Brackets are 95 % intervals, or the least and the most where it is said. `sd` is the deviation over",
        "re-drawn splits; intervals over those are Nadeau and Bengio's, symmetric, so they may end below 0 %. A",
        "figure without brackets has no interval. *Not rerun*: copied from a document of that date, not measured",
        "since. The load is how many processes wanted a core, averaged over a minute: times taken beside others are",
        "worth their ratios only. The same code gives features that differ in their last digits on another machine,",
        "and so may figures.",
    ]
    head = ("id", "what", "figure", "over", "command", "date", "cores, load")
    for topic, title in TOPICS.items():
        lines += ["", f"## {title}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for name, figure in figures.items():
            if figure["topic"] == topic:
                cells = (f"`{name}`", figure["what"], told(figures, name), figure["n"] or "", *how(figure))
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def told(figures: Figures, name: str) -> str:
    """A figure with its unit, interval and deviation."""
    figure = figures[name]
    parts = ["unit"] * bool(figure["unit"]) + ["[]"] * (figure["low"] is not None)
    kind = f" ({figure['interval']})" if figure["interval"] not in (None, "95 %") else ""
    deviation = f" (sd {shown(figures, name, 'sd')})" if figure["sd"] is not None else ""
    return shown(figures, name, " ".join(parts)) + kind + deviation


def how(figure: dict[str, Any]) -> tuple[str, str, str]:
    """Its command, its date, and the machine with what else ran on it."""
    command = figure["command"] if "by hand" in figure["command"] else f"`{figure['command']}`"
    date = figure["date"] if figure["rerun"] else f"{figure['date']}, *not rerun*"
    card = f" + {figure['card']}" if figure["card"] else ""
    return command, date, f"{figure['cores']}{card}, {figure['load'] or 'not recorded'}"


def documents() -> list[Path]:
    """What is filled in."""
    return [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path != PAGE)]


def made() -> dict[Path, str]:
    """Every document as the results would have it."""
    figures = load()
    return {PAGE: page(figures)} | {path: fill(path.read_text(encoding="utf-8"), figures) for path in documents()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; name what disagrees, and exit 1")
    args = parser.parse_args()
    wanted = made()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'disagrees with the results' if args.check else 'written'}")
        if not args.check:
            path.write_text(wanted[path], encoding="utf-8")
    if args.check and stale:
        sys.exit(1)


if __name__ == "__main__":
    main()
