"""The plan of a flow: a TOML file, a table a stage, read and checked before anything is done."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm import registry
from chiasm.allowed import SEED
from chiasm.data.source import Source
from chiasm.errors import ChiasmError, unknown
from chiasm.views import Views

__all__ = ["KNOWN", "STAGES", "Plan", "read_plan"]

STAGES = ("data", "pretrained", "multimodal", "transfer", "fine-tune", "answers", "report")
"""In the order in which they are run."""

COLUMNS = ("text", "image", "audio", "video", "vector", "number", "category", "date")
KEYS: dict[str, tuple[str, ...]] = {
    "data": ("from", "label", *COLUMNS, "id", "group", "split", "root", "encoding"),
    "multimodal": ("align",),
    "transfer": ("from", "label", "task", "fuse", *COLUMNS),
    "fine-tune": ("task", "fuse"),
    "answers": ("from",),
    "report": (),
}
"""What may stand in a stage's table; in [pretrained] stand views."""
WANTED = {
    "data": {"from": "the table or folder to read", "label": "its column of what is to be answered"},
    "transfer": {
        "from": "another table of such rows, to learn from first",
        "label": "its own column of what is to be answered",
    },
}
NEEDED = ("data", "fine-tune")
TASKS = ("classify", "tag", "regress")
KNOWN = ("space", "source")
"""The views that [multimodal] and [transfer] add, whose names no column may have."""


@dataclass(frozen=True)
class Plan:
    """What a flow does.

    Args:
        home: the folder of the file, below which its paths are. to: the folder of what each stage leaves.
        seed: of the split and of everything drawn at random. stages: by stage, in order, its own keys.
    """

    home: Path
    to: Path
    seed: int
    stages: dict[str, dict[str, Any]]

    def source(self, stage: str = "data") -> Source:
        """How the table of [data] is read, or that of [transfer]: by its own columns where it names any."""
        data, held = self.stages["data"], self.stages[stage]
        columns = {name: held[name] for name in COLUMNS if name in held}
        columns = columns or {name: data[name] for name in COLUMNS if name in data}
        facts = {name: data[name] for name in ("id", "group", "split", "encoding") if name in data and stage == "data"}
        return Source(label=held["label"], **columns, **facts)

    def place(self, stage: str) -> Path:
        """The table or folder that a stage reads."""
        return self.home / Path(self.stages[stage]["from"]).expanduser()

    @property
    def root(self) -> Path | None:
        """The folder that the paths in tables are below, where the file says one."""
        held = self.stages["data"].get("root")
        return self.home / held if held else None

    def encoders(self, views: Views | None = None) -> dict[str, str] | None:
        """By view or modality its encoder, of all that are named or of those of some rows; None: the defaults."""
        held = self.stages["pretrained"]
        if views is not None:
            there = {*views.columns, *(column.modality for column in views.columns.values())}
            held = {name: one for name, one in held.items() if name in there}
        return held or None

    @property
    def encoder_names(self) -> list[str]:
        """Each encoder that is named, those side by side apart."""
        return [one.strip() for name in self.stages["pretrained"].values() for one in name.split("+")]


def read_plan(file: str | Path) -> Plan:
    """Read a flow's file. Raises a ChiasmError for what is no TOML, and names a stage or key that is unknown or absent.

    Names of encoders, aligners, fusers and tasks are looked up too: they are told before the work, not after.
    """
    place = Path(file).expanduser()
    try:
        held = tomllib.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChiasmError(
            f"wanted a flow, a TOML file, got {place}, which cannot be read ({error.strerror})."
        ) from None
    except ValueError as error:  # bytes that are no UTF-8 too
        raise ChiasmError(f"wanted a flow in TOML, got {place}: {error}.") from None
    to, seed = held.pop("to", None), held.pop("seed", 0)
    if not isinstance(to, str) or not to:
        raise ChiasmError(f'{place.name} lacks to: the folder of what each stage leaves, such as to = "flow".')
    if (place.absolute().parent / Path(to).expanduser()).is_file():
        raise ChiasmError(f"{place.name}: wanted to = a folder for what each stage leaves, got the file {to}.")
    if not SEED.holds(seed):
        raise ChiasmError(f"{place.name}: wanted seed to be {SEED.words}, got {seed!r}.")
    for name, keys in held.items():
        if name not in STAGES:
            raise unknown(f"stage in {place.name}", name, STAGES)
        if not isinstance(keys, Mapping):
            raise ChiasmError(f"{place.name}: wanted a table [{name}], got {name} = {keys!r}.")
        _check(name, keys)
    for name in NEEDED:
        if name not in held:
            raise ChiasmError(f"{place.name} lacks the stage [{name}]: a flow needs {' and '.join(NEEDED)}.")
    stages = {
        name: dict(held.get(name, {})) for name in STAGES if name in held or name not in ("multimodal", "transfer")
    }
    plan = Plan(place.absolute().parent, place.absolute().parent / Path(to).expanduser(), seed, stages)
    _look_up(plan)
    return plan


def _check(stage: str, keys: Mapping[str, Any]) -> None:
    for key, value in keys.items():
        if stage in KEYS and key not in KEYS[stage]:
            raise unknown(f"key in [{stage}]", key, KEYS[stage])
        several = stage in ("data", "transfer") and key in COLUMNS
        listed = value if several and isinstance(value, list) else [value]
        if not listed or not all(isinstance(one, str) and one for one in listed):
            raise ChiasmError(f"[{stage}]: wanted {key} to be a text{' or a list of texts' * several}, got {value!r}.")
    for key, what in WANTED.get(stage, {}).items():
        if key not in keys:
            raise ChiasmError(f"[{stage}] lacks {key}: {what}.")


def _look_up(plan: Plan) -> None:
    """Make every part that is named, and nothing with it."""
    for name in plan.encoder_names:
        registry.make("encode", name)
    for stage, keys in plan.stages.items():
        for kind in ("align", "fuse"):
            if kind in keys:
                part = registry.make(kind, keys[kind])
                if hasattr(part, "check_params"):
                    part.check_params()
        if keys.get("task", TASKS[0]) not in TASKS:
            raise unknown(f"task for [{stage}]", keys["task"], TASKS)
    columns = [name for kind in COLUMNS for name in _listed(plan.stages["data"].get(kind, []))]
    for name in columns:
        if name.partition("=")[0] in KNOWN:
            raise ChiasmError(
                f'[data]: a view named {name!r} is what the flow adds itself: rename it, such as "my {name}={name}".'
            )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
