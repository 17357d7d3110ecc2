"""`chiasm serve`: search over HTTP, with a page; and the tokens of who may."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from chiasm.cli._shared import command_line, device, echo_json
from chiasm.collection import Collection, load
from chiasm.errors import ChiasmError
from chiasm.scale import Bars


@click.command("serve")
@click.argument("index", metavar="INDEX|MODEL")
@click.argument("data", metavar="[FOLDER|DATA]", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--tokens", metavar="FILE", help="Who may ask (chiasm token add); needed for other machines.")
@click.option(
    "--name", multiple=True, metavar="HOST", help="A name that the server is called by, behind a proxy; repeat."
)
@click.option("--to", metavar="INDEX", help="With a MODEL: the index of DATA; default: MODEL with .index.")
@click.option("--score", metavar="FILE", help="Of its model, what chiasm score --json printed: the page shows it.")
@click.option(
    "--threads", type=click.IntRange(1, 256), help="Texts encoded at once; default: as many as there are cores."
)
@device
@click.option("--json", "as_json", is_flag=True, help="Print the address as JSON once it answers.")
def serve_command(
    index: str,
    data: str | None,
    host: str,
    port: int,
    tokens: str | None,
    name: tuple[str, ...],
    to: str | None,
    score: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Search INDEX, or DATA with a MODEL, in a browser or by programs (/docs says how). Ends with Ctrl-C.

    \b
    chiasm serve photos.index
    chiasm serve photos.chiasm Pictures    with a MODEL: takes the files in first (photos.index)
    """
    check_installed()
    from chiasm.serve.running import check_host, read_score
    from chiasm.serve.tokens import Tokens

    known = Tokens(tokens) if tokens else None
    if known is not None and not len(known):
        raise ChiasmError(f"{tokens} holds no token yet: chiasm token add NAME --tokens {tokens} makes one.")
    check_host(host, known)
    told = read_score(score) if score else None
    serve_collection(_collection(index, data, to), host, port, known, name, told, threads, as_json)


def _collection(index: str, data: str | None, to: str | None) -> Collection:
    """The index, or that of a model and some data, which is built, or brought up to date."""
    if not Path(index).exists():
        raise ChiasmError(
            f"there is no index {index}: {command_line('index', 'build', 'MODEL', 'FOLDER', '--to', index)} makes one, "
            "of a model (chiasm fit makes it) and a folder."
        )
    if data is not None and (Path(index) / "catalog.sqlite").exists():
        raise ChiasmError(
            f"wanted a model together with {data}, got the index {index}: {command_line('serve', index)} serves it; "
            f"{command_line('index', 'build', 'MODEL', data)} makes one of {data}."
        )
    if data is not None:
        place = Path(to) if to else Path(index).with_suffix(".index")
        return Collection.build(place, index, data, progress=Bars("index"))
    if to is not None:
        raise ChiasmError(f"wanted a model and the files to search with it together with --to, got {index} alone.")
    found = load(index)
    if not isinstance(found, Collection):
        raise ChiasmError(
            f"wanted an index, or a model and the files to search with it, got the model {index} alone: "
            f"{command_line('serve', index, 'FOLDER')} takes in those of a folder and serves them."
        )
    return found


def check_installed() -> None:
    """Raise a ChiasmError where the packages of the extra serve are missing."""
    if missing := [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]:
        raise ChiasmError(f"a server needs {' and '.join(missing)}: pip install 'chiasm[serve]'.")


def serve_collection(
    collection: Collection,
    host: str = "127.0.0.1",
    port: int = 8765,
    tokens: Any = None,
    names: Sequence[str] = (),
    score: dict[str, Any] | None = None,
    threads: int | None = None,
    as_json: bool = False,
) -> None:
    """Answer until a signal ends it, and say where."""
    from chiasm.serve.app import make_app
    from chiasm.serve.held import Held
    from chiasm.serve.running import listen, names_of, run

    socket = listen(host, port)
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host)  # no address to go to: this machine's own is told
    bare = everywhere or host
    shown = f"[{bare}]" if ":" in bare else bare
    address = f"http://{shown}:{socket.getsockname()[1]}/"

    def ready() -> None:
        if as_json:
            echo_json({"address": address, "ledger": collection.ledger()})
        else:
            click.echo(f"{address}   (Ctrl-C ends it)")
            if everywhere:
                told = ", ".join(names) or "none yet: --name HOST, the name or address that they call it by"
                click.echo(f"other machines reach it by the names it was given: {told}", err=True)

    run(make_app(Held(collection, score, threads), tokens=tokens, hosts=names_of(host, names)), socket, ready)


@click.group("token")
def token_command() -> None:
    """Tokens: who may ask a server, and what for."""


_FILE = click.option("--tokens", "file", required=True, metavar="FILE", help="Where their hashes are kept.")


@token_command.command("add")
@click.argument("name")
@_FILE
@click.option(
    "--scope",
    type=click.Choice(["read", "write", "admin"]),
    default="read",
    show_default=True,
    help="read: search; write: add, teach and mark too; admin: paths and figures too.",
)
@click.option("--replace", is_flag=True, help="NAME has a token: make another, and that one is good no longer.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def add_command(name: str, file: str, scope: str, replace: bool, as_json: bool) -> None:
    """Make a token for NAME. It is shown once."""
    from chiasm.serve.tokens import Tokens

    token = Tokens(file).add(name, [scope], replace=replace)
    if as_json:
        echo_json({"name": name, "scope": scope, "token": token})
    else:
        click.echo(token)
        click.echo(f"next: {command_line('serve', 'X.index', '--tokens', Path(file))}", err=True)


@token_command.command("remove")
@click.argument("name")
@_FILE
def remove_command(name: str, file: str) -> None:
    """The token of NAME is good no longer, at once."""
    from chiasm.serve.tokens import Tokens

    Tokens(file).remove(name)


@token_command.command("list")
@_FILE
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_command(file: str, as_json: bool) -> None:
    """The names of those who have a token, and what for."""
    from chiasm.serve.tokens import Tokens

    names = Tokens(file).names()
    if as_json:
        echo_json(names)
    else:
        for name, scopes in names.items():
            click.echo(f"{name}  {', '.join(scopes)}")
