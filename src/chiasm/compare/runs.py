"""Runs: every method at every size of the training rows, a seed at a time, through the store."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chiasm import registry
from chiasm.compare.cells import Cell, Store, code_of, fingerprint
from chiasm.errors import ChiasmError, unknown
from chiasm.part import Part
from chiasm.views import Views

__all__ = ["Run", "Tell", "parts_of", "sizes_of"]

Tell = Callable[[int, int, str], None]
"""Called before each cell with (cells done, cells in all, the cell's name), and once at the end."""


class Run:
    """The cells of all methods at all sizes.

    Args:
        kind: of the parts, a folder of the registry. parts: by name, a part (copied for every fit) or a registered
            name. sizes: in order. seeds: how many. unit: what sizes count, for the cells' names.
        settings: what every method is told beside its seed.
    """

    def __init__(
        self,
        kind: str,
        parts: Mapping[str, Any],
        sizes: Sequence[str],
        seeds: int,
        store: Store,
        tell: Tell | None,
        *,
        unit: str,
        settings: Mapping[str, Any] | None = None,
    ):
        self.kind, self.parts, self.sizes, self.unit = kind, parts, sizes, unit
        self.store, self.tell, self.settings = store, tell, dict(settings or {})
        self.cells: dict[tuple[str, str], list[Cell]] = {(name, size): [] for name in parts for size in sizes}
        self.errors: dict[tuple[str, str], str] = {}
        self.drawn: dict[str, list[int]] = {size: [] for size in sizes}
        """By size, how much was drawn for each seed."""
        self.short: dict[str, str] = {}
        """By size, why there was too little to draw from."""
        self.code: dict[str, str] = {}
        self.done, self.total = 0, seeds * len(self.cells)

    def seed(
        self,
        seed: int,
        train: Callable[[str], tuple[Views, str]],
        count: Callable[[Views], int],
        answer: Callable[[Any, Views], Cell],
        held: str,
    ) -> None:
        """Every method at every size for one seed.

        Args:
            train: size -> the rows to learn from and their fingerprint. count: how much they are, in units.
            answer: a new part and the rows -> its cell. held: the fingerprint of the rows that are answered.
        """
        for size in self.sizes:
            try:
                rows, key = train(size)
                self.drawn[size].append(count(rows))
            except ChiasmError as error:
                self.drawn[size].append(0 if size == "all" else int(size))
                self.short[size] = str(error)
                self.errors |= {(name, size): str(error) for name in self.parts}
            for name in self.parts:
                if self.tell:
                    self.tell(self.done, self.total, f"{name}, {size} {self.unit}, seed {seed}")
                self.done += 1
                if (name, size) in self.errors:
                    continue
                try:
                    part, print_ = self._make(name, seed)
                    make = partial(answer, part, rows)
                    cell = self.store.cell(f"{name}-{size}-{seed}", fingerprint(*print_, key, held), make)
                    self.cells[name, size].append(cell)
                except ChiasmError as error:
                    self.errors[name, size] = str(error)

    def finish(self) -> None:
        """Tell that all is done; a ChiasmError where there was too little to learn from at every size."""
        if self.tell:
            self.tell(self.total, self.total, "")
        if self.short.keys() == self.drawn.keys():
            raise ChiasmError(f"nothing to compare: {'; '.join(dict.fromkeys(self.short.values()))}")

    def outcomes(self) -> dict[tuple[str, str], Sequence[Cell] | str]:
        """By (method, size) the cells, or why there are none."""
        return {place: self.errors.get(place, cells) for place, cells in self.cells.items()}

    def _make(self, name: str, seed: int) -> tuple[Any, list[Any]]:
        """A new, unfitted part of this seed, and what tells it from another one: code, class and parameters."""
        wanted = self.parts[name]
        part = (
            type(wanted)(**copy.deepcopy(wanted.get_params(deep=False)))
            if isinstance(wanted, Part)
            else registry.make(self.kind, wanted)
        )
        known = part.get_params(deep=False)
        part.set_params(**{k: v for k, v in {**self.settings, "seed": seed}.items() if k in known})
        if name not in self.code:
            self.code[name] = code_of(part)
        return part, [self.code[name], type(part).__qualname__, part.get_params()]


def parts_of(kind: str, methods: Sequence[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Names of methods to parts, or to the names of registered ones; None: every registered one."""
    if methods and isinstance(methods, Mapping):
        return dict(methods)
    known = registry.names(kind)
    for name in methods or ():
        if name not in known:
            raise unknown(kind, name, known)
    return {name: name for name in methods or known}


def sizes_of(given: Sequence[int | str], unit: str) -> list[str]:
    """Numbers of training pairs or rows in rising order, each once, "all" last."""
    sizes = {str(n) for n in given}
    wrong = [n for n in sizes if n != "all" and not (n.isdecimal() and int(n) > 1)]
    if wrong or not sizes:
        raise ChiasmError(f"wanted numbers of {unit} of at least 2, or 'all', got {', '.join(wrong) or 'none'}.")
    return sorted(sizes, key=lambda n: float("inf") if n == "all" else int(n))
