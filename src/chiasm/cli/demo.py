"""`chiasm demo`: the embedded default, from packages to a searched space in two minutes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import command_line, echo_json, progress
from chiasm.cli.serve import check_installed, serve_collection
from chiasm.collection import Collection
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
@click.option("--serve", is_flag=True, help="Then search the pictures in a browser (needs the extra serve).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def demo_command(target: str, seed: int, serve: bool, as_json: bool) -> None:
    """Find emoji by words before one name was learned; learn their English and Chinese names; score, search, draw."""
    if serve:
        check_installed()
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
    before = Retrieve(seed=seed).fit(_pictures(views), progress=progress())
    model = Retrieve(seed=seed).fit(views, progress=progress())
    tests = {lang: _test(views, lang) for lang in LANGUAGES}
    scores = {lang: model.score(test, split="test") for lang, test in tests.items()}
    bare = {lang: before.score(_called(test), split="test") for lang, test in tests.items()}
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
                "before": {lang: score.table for lang, score in bare.items()},
                "model": str(folder),
                "sheet": str(picture),
                "searches": found,
                "attribution": ATTRIBUTION,
                "seconds": seconds,
            }
        )
        if serve:
            _serve(views, folder, scores["en"], as_json)
        return
    say(
        f"\nR@10 % on unseen emoji: before one name was learned, by the {before.names_:,} names that the encoder knows,"
    )
    say("and after")
    for lang, title in LANGUAGES.items():
        for one, other in zip(bare[lang].table["directions"], scores[lang].table["directions"], strict=True):
            way = f"{title if one['from'] == 'text' else 'pictures'} -> {title if one['to'] == 'text' else 'pictures'}"
            known = [100 * table["R@10"]["value"] for table in (one, other)]
            say(f"  {way:28} {known[0]:5.1f}   {known[1]:5.1f}   chance {100 * one['chance']['R@10']:.1f}")
    for lang, title in LANGUAGES.items():
        say(f"\n{title} <-> pictures of unseen emoji, learned")
        say(_table(scores[lang]))
    say(f"\n95 % intervals, resampled by thing. {seconds} s. {ATTRIBUTION}")
    say(f"saved {folder}; a dozen searches are drawn in {picture}")
    say("next: " + "      ".join(command_line("search", folder, words) for words in ("a happy cat", "下雨")))
    if serve:
        _serve(views, folder, scores["en"], as_json)


def _serve(views: Views, model: Path, score: Score, as_json: bool) -> None:
    """Keep the pictures in an index beside the model, and answer in a browser, which shows the score of English."""
    pictures = Path(views["picture"].items[0]).parent
    made = Collection.build(model.with_name("openmoji.index"), model, pictures, progress=progress())
    serve_collection(made, score=json.loads(score.to_json()), as_json=as_json)


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


def _pictures(views: Views) -> Views:
    """One row a picture, and nothing else."""
    english = views[views.facts["language"] == "en"]
    return Views({"picture": english["picture"]}, english.ids)


def _called(views: Views) -> Views:
    """The names as the view that a model of pictures alone gives to words."""
    renamed: Views = views.replace({"text": views["name"], "picture": views["picture"]})
    return renamed


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
