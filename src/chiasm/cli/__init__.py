"""The command line: one file a command group, imported when it is called, so that `--help` is quick."""

from __future__ import annotations

import difflib
import errno
import importlib
import io
import json
import logging
import os
import re
import sys
import warnings
from typing import Any

import click

from chiasm.cli._words import flags
from chiasm.errors import ChiasmError, ChiasmWarning

__all__ = ["main"]

_COMMANDS = {
    "demo": ("chiasm.cli.demo", "Learn emoji pictures <-> names from packages, then search: the embedded default."),
    "fit": ("chiasm.cli.fit", "Learn from a table or folder and save a model."),
    "score": ("chiasm.cli.score", "Score a saved model on rows that it did not learn from."),
    "answer": ("chiasm.cli.answer", "Answer the rows of a table with a saved model: classes, numbers, tags."),
    "match": ("chiasm.cli.match", "Whether the forms of each row belong together, and how probably."),
    "flow": ("chiasm.cli.flow", "From data to a report, stage by stage, as a file says; nothing unchanged again."),
    "compare": ("chiasm.cli.compare", "Compare methods on the same pairs, with intervals."),
    "search": ("chiasm.cli.search", "Search with words or a picture."),
    "explain": ("chiasm.cli.explain", "Where in pictures words are met: a heat map."),
    "index": ("chiasm.cli.index", "Keep a folder of media searchable: build, update, status, verify, rebuild."),
    "teach": ("chiasm.cli.teach", 'Teach an index a name by pictures: "rex on a beach" then works.'),
    "forget": ("chiasm.cli.teach", "Forget a name that an index was taught."),
    "serve": ("chiasm.cli.serve", "Search an index in a browser, or by programs over HTTP."),
    "token": ("chiasm.cli.serve", "Who may ask a server: add, remove, list tokens."),
    "summarize": ("chiasm.cli.summarize", "The few moments that stand for a film; a contact sheet."),
    "contents": ("chiasm.cli.contents", "What is in a picture, film or sound: things, scenes, events."),
    "detect": ("chiasm.cli.detect", "Find unusual rows, broken pairs, and moments of films or streams."),
    "transcribe": ("chiasm.cli.transcribe", "The words said in audio and video files, or written in pictures."),
    "talk": ("chiasm.cli.talk", "Talk with a saved model: slots are filled, and asked for when unsure."),
    "export": ("chiasm.cli.export", "Write a model as ONNX files and a short reader, to answer without Chiasm."),
    "link": ("chiasm.cli.link", "Link two unlinked collections one to one."),
    "encode": ("chiasm.cli.encode", "Encode a table's columns into the cache (resumable)."),
    "list": ("chiasm.cli.info", "List encoders, aligners, fusers, indexes and tasks."),
    "doctor": ("chiasm.cli.info", "Check this installation."),
    "cache": ("chiasm.cli.info", "Look at, verify or clear the cache."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            close = difflib.get_close_matches(cmd_name, _COMMANDS, n=1)
            ctx.fail(f"No such command {cmd_name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name + "_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, doc) for name, (_, doc) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="chiasm")
def cli() -> None:
    """Chiasm: learn together what belongs together (text, images, sounds, videos, records); search, or answer.

    \b
    chiasm demo
    chiasm fit retrieve photos.csv --text caption --image path --to photos.chiasm
    chiasm search photos.chiasm "a dog in snow"
    chiasm fit classify posts.csv --text words --image path --label mood --to posts.chiasm
    chiasm score posts.chiasm posts.csv
    """


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; a ChiasmError or an operating-system error is one sentence on stderr and exit code 1.

    With --json it is `{"error": ...}` on stdout too, for who reads that.
    """
    as_json = "--json" in (sys.argv[1:] if argv is None else argv)
    logging.basicConfig(
        level=logging.getLevelNamesMapping().get(os.environ.get("CHIASM_LOG", "").upper(), logging.WARNING),
        format="%(levelname)s %(name)s: %(message)s",
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a lone surrogate in a text must not end the program
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", ChiasmWarning)
            usual = warnings.showwarning
            warnings.showwarning = lambda message, category, *place, **more: (
                _warn(str(message)) if issubclass(category, ChiasmWarning) else usual(message, category, *place, **more)
            )
            done = cli.main(argv, standalone_mode=False)
    except click.ClickException as error:
        (_quoted(error) or error).show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped. What was encoded is kept for the next run.", err=True)
        sys.exit(130)
    except ChiasmError as error:
        _fail(str(error), as_json)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        todo = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "name another place"
        _fail(f"{error.strerror or error}{where}. What was done is kept: {todo}, then run it again.", as_json)
    except MemoryError:
        told = "out of memory. What was counted is kept: close other programs or use fewer rows, then run it again."
        _fail(told, as_json)
    if isinstance(done, int) and done:  # a command's own exit code
        sys.exit(done)
    return done


def _warn(sentence: str) -> None:
    click.echo(f"note: {' '.join(flags(sentence).split())}", err=True)


def _quoted(error: click.ClickException) -> click.UsageError | None:
    """Of words too many an error that shows them with the quotes that they may lack."""
    context = getattr(error, "ctx", None)
    extra = re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", error.message, re.DOTALL)
    places = [one for one in context.command.params if isinstance(one, click.Argument)] if context else []
    if context is None or extra is None or not places:
        return None
    last, words = places[-1], extra[1]
    few = "1 word" if len(words.split()) == 1 else f"{len(words.split())} words"
    quoted = json.dumps(f"{context.params.get(last.name) or ''} {words}".strip(), ensure_ascii=False)
    name = last.make_metavar(context).strip("[]")
    return click.UsageError(f"got {few} more than {name}: quote what belongs together: {quoted}.", context)


def _fail(sentence: str, as_json: bool) -> None:
    told = flags(" ".join(sentence.split()))
    click.echo(f"error: {told}", err=True)
    if as_json:
        click.echo(json.dumps({"error": told}, ensure_ascii=False))
    sys.exit(1)
