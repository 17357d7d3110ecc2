"""`chiasm demo`: the embedded default, from packages to a searched space in two minutes."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import command_line, echo_json, progress
from chiasm.data.openmoji import ATTRIBUTION, openmoji
from chiasm.encoding.cutting import PARTS
from chiasm.report.sheet import sheet
from chiasm.score import Score
from chiasm.splits import cut
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Views

QUERIES = (
    "a dog",
    "something sweet to eat",
    "rainy weather",
    "I am very happy",
    "a train station",
    "musical instrument",
    "一只猫",
    "热的饮料",
    "下雪了",
    "我很生气",
    "海里的动物",
    "生日礼物",
)
LANGUAGES = {"en": "English names", "zh": "Chinese names"}


@click.command("demo")
@click.option("--to", "target", default="demo", show_default=True, metavar="FOLDER", help="Where model and sheet go.")
@click.option("--seed", default=0, show_default=True, help="Of the split.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def demo_command(target: str, seed: int, as_json: bool) -> None:
    """Learn emoji pictures <-> their English and Chinese names, score on unseen emoji, search, draw a sheet."""
    started = time.monotonic()

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    views = openmoji(_drawing)
    views.facts["split"] = cut(views, PARTS, seed)
    counts = {name: views[views.split == name].things for name in PARTS}
    say(
        f"{views.things} things (one picture each, no skin tones, no gendered doubles) with {len(views['name'].used)} "
        f"names: {counts['train']} to learn from, {counts['val']} to choose on, {counts['test']} unseen"
    )
    model = Retrieve(seed=seed).fit(views, progress=progress())
    scores = {lang: model.score(_test(views, lang), split="test") for lang in LANGUAGES}
    folder = Path(target) / "openmoji.chiasm"
    recipe.save(model, folder)
    found = dict(zip(QUERIES, model.hits({"name": list(QUERIES)}, "picture", 6), strict=True))
    picture = _draw(found, views, Path(target) / "searches.png")
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        echo_json(
            {
                "things": views.things,
                "names": len(views["name"].used),
                "split": counts,
                "aligner": model.aligner_.chosen_,
                "scores": {lang: score.table for lang, score in scores.items()},
                "model": str(folder),
                "sheet": str(picture),
                "searches": found,
                "attribution": ATTRIBUTION,
                "seconds": seconds,
            }
        )
        return
    for lang, title in LANGUAGES.items():
        say(f"\n{title} <-> pictures of unseen emoji")
        say(_table(scores[lang]))
    say(f"\n95 % intervals, resampled by thing. {seconds} s. {ATTRIBUTION}")
    say(f"saved {folder}; a dozen searches are drawn in {picture}")
    say("next: " + "      ".join(command_line("search", folder, words) for words in ("a happy cat", "下雨")))


def _table(score: Score) -> str:
    """The score's lines, what is left without near-equal drawings (faces, clocks) in one."""
    lines = str(score).splitlines()[1:]
    clean = score.table.get("clean")
    if clean is None:
        return "\n".join(lines)
    lines = lines[: next(i for i, line in enumerate(lines) if line.startswith("without"))]
    left = ", ".join(f"{d['from']} -> {d['to']} {100 * d['R@1']['value']:.1f}" for d in clean["directions"])
    lines.append(f"without the {clean['removed']} whose picture nearly equals a learned one, R@1 %: {left}")
    return "\n".join(lines)


def _test(views: Views, language: str) -> Views:
    assert views.split is not None
    kept: Views = views[(views.split == "test") & (views.facts["language"] == language)]
    return kept


def _drawing(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rdraw the pictures: {done} of {total}" + ("\n" if done == total else ""), nl=False, err=True)
    elif done == total:
        click.echo(f"draw the pictures: {done} of {total}", err=True)


def _draw(found: dict[str, list[dict[str, Any]]], views: Views, path: Path) -> Path:
    """The sheet: every query above its pictures, each with its English name."""
    english = views[views.facts["language"] == "en"]
    named = {
        english["picture"].label(p): english["name"].label(n)
        for p, n in zip(english["picture"].index, english["name"].index, strict=True)
    }
    files = {views["picture"].label(p): views["picture"].items[p] for p in views["picture"].used}
    rows = [(query, [(files[hit["item"]], named[hit["item"]]) for hit in hits]) for query, hits in found.items()]
    return sheet(rows, path, title=f"chiasm demo: pictures found by words. {ATTRIBUTION}")
