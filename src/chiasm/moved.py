"""Where modules and classes went: old imports work for one release, with a warning; older models go on loading."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["CLASSES", "MODULES", "NAMES", "install", "now", "renamed"]

MODULES: dict[str, tuple[str, ...]] = {
    "chiasm.calibration": ("chiasm.stats.calibration",),
    "chiasm.classification": ("chiasm.stats.answers",),
    "chiasm.clips": ("chiasm.media.clips",),
    "chiasm.conformal": ("chiasm.stats.conformal",),
    "chiasm.covariance": ("chiasm.stats.covariance",),
    "chiasm.filtering": ("chiasm.stats.filtering",),
    "chiasm.hubness": ("chiasm.stats.hubness",),
    "chiasm.labels": ("chiasm.measure.label_errors",),
    "chiasm.matching": ("chiasm.stats.relevance",),
    "chiasm.metrics": ("chiasm.stats.ranking", "chiasm.views"),
    "chiasm.moments": ("chiasm.media.windows",),
    "chiasm.nn.part": ("chiasm.nn.pairs",),
    "chiasm.open_media": ("chiasm.media.decoder",),
    "chiasm.regions": ("chiasm.media.regions",),
    "chiasm.resample": ("chiasm.stats.resample",),
    "chiasm.sheet": ("chiasm.report.sheet",),
    "chiasm.shots": ("chiasm.media.shots",),
    "chiasm.speech": ("chiasm.media.speech",),
    "chiasm.trust": ("chiasm.splits", "chiasm.stats.resample"),
}
"""Modules until 0.1 -> where what they held is looked for now, in order. They go with 0.3."""

NAMES = {
    "chiasm.classification:report": "chiasm.stats.answers:class_report",
    "chiasm.data.record:MISSING": "chiasm.data.cells:MISSING",
    "chiasm.media:FORMATS": "chiasm.media.images:FORMATS",
    "chiasm.media:IMAGE_SUFFIXES": "chiasm.media.images:IMAGE_SUFFIXES",
    "chiasm.media:check_path": "chiasm.media.images:check_path",
    "chiasm.media:content": "chiasm.media.images:content",
    "chiasm.media:decode_image": "chiasm.media.images:decode_image",
    "chiasm.nn.part:Link": "chiasm.nn.pairs:PairRows",
    "chiasm.nn.train:Run": "chiasm.nn.train:Outcome",
    "chiasm.score:interval": "chiasm.stats.resample:interval",
}
"""Names until 0.1 that are called otherwise now, or left a module that still is. They go with 0.3."""

CLASSES = {
    "chiasm.calibration:Platt": "chiasm.stats.calibration:Platt",
    "chiasm.calibration:Thresholds": "chiasm.stats.calibration:Thresholds",
    "chiasm.covariance:Covariance": "chiasm.stats.covariance:Covariance",
    "chiasm.encode._joined:Joined": "chiasm.encoding.joined:Joined",
    "chiasm.encoding:Encoding": "chiasm.encoding.step:Encoding",
    "chiasm.fuse._head:Head": "chiasm.fuse._ridge_head:RidgeHead",
    "chiasm.fuse._target:Target": "chiasm.target:Target",
}
"""How parts were called in models saved before -> what they are called now. These stay."""


def now(target: str) -> str:
    """The `module:Class` of today that a saved model means."""
    return CLASSES.get(target, target)


def renamed(module: str, name: str) -> Any:
    """What a name of `NAMES` stands for now, with a warning; an AttributeError for others. A module's `__getattr__`."""
    if f"{module}:{name}" not in NAMES:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    place, _, other = NAMES[f"{module}:{name}"].partition(":")
    text = f"{module}.{name} is now {place}.{other}; the old name goes with chiasm 0.3."
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    return getattr(importlib.import_module(place), other)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the old modules importable: each looks names up where they are now, and says where that is."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for the names in `MODULES`, nothing for others."""
        return importlib.machinery.ModuleSpec(fullname, self) if fullname in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module a look-up instead of contents."""
        places = MODULES[module.__name__]

        def look_up(name: str) -> Any:
            if name == "__all__":
                return [each for place in places for each in importlib.import_module(place).__all__]
            if f"{module.__name__}:{name}" in NAMES:
                return renamed(module.__name__, name)
            for place in places:
                held = importlib.import_module(place)
                if not name.startswith("__") and hasattr(held, name):
                    text = f"{module.__name__}.{name} is now {place}.{name}; the old name goes with chiasm 0.3."
                    warnings.warn(text, DeprecationWarning, stacklevel=2)
                    return getattr(held, name)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}; see {' and '.join(places)}.")

        module.__doc__ = f"Moved: see {' and '.join(places)}."
        vars(module)["__getattr__"] = look_up


def install() -> None:
    """Let `import chiasm.trust` and its like go on working."""
    if not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.append(_Finder())
