"""`check_part`: whether a part of one's own keeps the promises that chiasm's own are tested for."""

from __future__ import annotations

import copy
import importlib
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chiasm.contracts import _any
from chiasm.contracts._encode import FEW
from chiasm.contracts._probe import BrokenError, Probe, Promise, SkippedError
from chiasm.errors import ChiasmError
from chiasm.part import Part
from chiasm.registry import KINDS, OFFERS

__all__ = ["ContractError", "Finding", "Findings", "check_part", "kind_of", "promises"]

_OWN = {kind: importlib.import_module(f"chiasm.contracts._{kind}") for kind in KINDS}
"""By kind, what its parts inherit from (`BASE`) and what they promise (`PROMISES`)."""

_ORDER = sorted(KINDS, key=lambda kind: ("fit" in OFFERS[kind], -KINDS.index(kind)))
"""Of the kinds, as an object is asked for their methods: those first that are told by more than `fit`."""


LEAST = FEW + 1
"""Items that an encoder is tried on, at least."""


@dataclass(frozen=True)
class Finding:
    """One promise, and what came of it."""

    promise: str
    state: str
    """"kept", "broken" or "skipped"."""
    told: str = ""
    """What was found of a broken one, why one was skipped, what was left out of a kept one."""
    error: BaseException | None = None
    """What was raised, for a debugger."""

    def __str__(self) -> str:
        return f"{self.state:8s}{self.promise}" + (f": {self.told}" if self.told else "")


@dataclass(frozen=True)
class Findings:
    """What `check_part` found: prints as a line a promise."""

    part: str
    kind: str
    each: tuple[Finding, ...]

    def of(self, state: str) -> tuple[Finding, ...]:
        """The promises that are "kept", "broken" or "skipped"."""
        return tuple(one for one in self.each if one.state == state)

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.of(state))} {state}" for state in ("kept", "broken", "skipped"))
        return "\n".join([f"{self.part} ({self.kind}): {counts}", *(f"  {one}" for one in self.each)])


class ContractError(ChiasmError):
    """The promises that a part breaks, all at once; `findings` tells of the others too."""

    def __init__(self, findings: Findings):
        broken = findings.of("broken")
        lines = [f"- {one.promise}: {one.told}." for one in broken]
        super().__init__(
            f"wanted a part that keeps the {len(findings.each)} promises of its kind ({findings.kind}), got "
            f"{findings.part}, which breaks {len(broken)}:\n" + "\n".join(lines) + "\nSee docs/contracts.md."
        )
        self.findings = findings


def promises(kind: str) -> tuple[Promise, ...]:
    """What a part of a kind promises, what parts of all kinds do first."""
    return (*_any.PROMISES, *_OWN[kind].PROMISES)


def kind_of(part: Any) -> str:
    """The kind of a part: by its base class, or else by the methods that it has (`chiasm.registry.OFFERS`).

    Raises a ChiasmError where neither tells.

    >>> from chiasm.align.cca import CCA
    >>> kind_of(CCA())
    'align'
    """
    for kind in sorted(_OWN, key=lambda kind: kind != "tune"):  # a tuner is what it wraps too
        if isinstance(part, _OWN[kind].BASE):
            return kind
    for kind in _ORDER:
        if all(hasattr(part, name) for name in OFFERS[kind]):
            return kind
    lacks = {kind: [name for name in OFFERS[kind] if not hasattr(part, name)] for kind in _ORDER}
    nearest = min(_ORDER, key=lambda kind: len(lacks[kind]) / len(OFFERS[kind]))
    wanted = "; ".join(f"{kind}: {', '.join(OFFERS[kind])}" for kind in KINDS)
    raise ChiasmError(
        f"wanted a part, by its base class or by what it offers ({wanted}), got {type(part).__name__}, which is none; "
        f"for {nearest} it lacks {', '.join(lacks[nearest])}. Inherit from a base of chiasm.contracts, or add that."
    )


def check_part(
    part: Any,
    *,
    items: Sequence[Any] | None = None,
    other: Mapping[str, Any] | None = None,
    within: float = 1e-5,
) -> Findings:
    """Try the promises of a part's kind on generated data; nothing is downloaded and nothing of the part is changed.

    These are the tests that chiasm's own parts pass. A test of yours is one line, `check_part(MyAligner())`; at a
    prompt, `print(check_part(MyAligner()))` shows every promise.

    Args:
        part: an encoder, aligner, fuser, explainer, index or task, or its class, which is then made without arguments.
        items: of an encoder, some sixteen items that all differ, where the generated ones do not suit it.
        other: of an encoder, other values by parameter, to see that its fingerprint follows. Numbers, booleans and
            tuples are changed without; names and files have to be given.
        within: how much numbers may differ that should be equal, in units of the largest. 0: not at all.

    Raises `ContractError`, a ChiasmError that lists every broken promise, with `findings` for the rest; and a
    ChiasmError where it cannot be told what kind of part it is, for fewer than 10 items and for `within` below 0.

    >>> from chiasm.index.exact import Exact
    >>> print(check_part(Exact()))
    Exact() (index): 11 kept, 0 broken, 0 skipped
      kept    Its docstring says in a line what it is
      kept    It can be made without arguments, so that a name is enough
      kept    Its constructor stores the values that it is given, unchanged, and learns nothing
      kept    scikit-learn can clone it
      kept    A model that holds it can be saved: its package registers parts
      kept    It finds what sorting all cosines finds, nearest first
      kept    `add` adds to what is there, `len` counts it, and `search` gives all where there are fewer than k
      kept    A deleted key is never found again; keys that are not there are passed over
      kept    `ranked` gives every key in the end, each once, the scores falling
      kept    No state of the last call: searching leaves nothing on it
      kept    Saved and loaded it finds the same
    """
    made = part() if isinstance(part, type) else copy.deepcopy(part)
    kind = kind_of(made)
    if items is not None and len(items) < LEAST:
        raise ChiasmError(f"wanted at least {LEAST} items that all differ, got {len(items)}: give some sixteen.")
    if not within >= 0:
        raise ChiasmError(f"wanted within, a share of the largest number, 0 or more, got {within}.")
    trial = Probe(kind, made, items, dict(other or {}), within)
    name = repr(made) if isinstance(made, Part) else type(made).__name__
    found = Findings(name, kind, tuple(_tried(promise, trial) for promise in promises(kind)))
    if found.of("broken"):
        raise ContractError(found)
    return found


def _tried(promise: Promise, trial: Probe) -> Finding:
    try:
        return Finding(promise.words, "kept", promise.keep(trial) or "")
    except BrokenError as error:
        return Finding(promise.words, "broken", str(error), error)
    except SkippedError as why:
        return Finding(promise.words, "skipped", str(why))
    except NotImplementedError as error:
        lacks = traceback.extract_tb(error.__traceback__)[-1].name
        return Finding(promise.words, "broken", f"it has no {lacks} of its own", error)
    except Exception as error:
        said = " ".join(str(error).split())
        return Finding(promise.words, "broken", f"it raised {type(error).__name__}: {said}", error)
