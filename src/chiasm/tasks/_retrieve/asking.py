"""From a question to its place in the shared space, and why a hit was found: the words and the region that count."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm import registry
from chiasm.asked import in_order
from chiasm.checks import some as some_of
from chiasm.encoding import Report
from chiasm.encoding.joined import members
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.frames import is_matrix
from chiasm.index import Index
from chiasm.media.clips import Clip
from chiasm.scale import Progress
from chiasm.stats.blocks import in_means
from chiasm.tasks._known_rows import KnownRows
from chiasm.tasks._results import Hits
from chiasm.tasks._retrieve import names, reranking
from chiasm.tasks._retrieve.hits import Gallery, described
from chiasm.tasks._retrieve.maps import left_out
from chiasm.tasks._retrieve.placing import Placed, facing, resolved, shared_names, toward
from chiasm.tasks._retrieve.question import At, Question, alone, questions
from chiasm.tasks._retrieve.reranking import Look, lone, tokens_of
from chiasm.tasks._retrieve.scripts import script, scripts
from chiasm.tasks._retrieve.why import ASKED, FOUND, KEYS, Pair, why
from chiasm.tokens import Tokens
from chiasm.views import Column, Views, as_views, normalize

__all__ = ["Asked", "Asking"]


class Asked(NamedTuple):
    """What is asked with, ready to search any view."""

    views: list[str]
    """The views of its terms, the first one first."""
    n: int
    rows: np.ndarray
    """Of n queries those that are there, a row of the following each."""
    toward: Callable[[str], Placed]
    """The view that is searched -> how its index is asked."""
    shares: np.ndarray | None
    """`(q, m)` how much of each a name is."""
    report: Report
    written: list[str]
    """The script that each of the rows is in, "" for what is no text."""
    questions: Sequence[Question] = ()
    looks: Sequence[Look | None] = ()
    """Of each of the rows its view and tokens, where it is one item and hits are looked at again."""

    def check_alone(self) -> None:
        """Raise a ChiasmError for what nobody knows whether it has a match: several terms, or views."""
        several = next((question for question in self.questions if not question.alone), None)
        if several is not None or len(self.views) > 1:
            got = several or f"questions of {' and '.join(self.views)}"
            raise ChiasmError(f"wanted one term to know what a match scores, got {got}: ask without rejecting.")


class Asking(KnownRows):
    """A task that knows which view is asked and which answers, and why two items score as they do."""

    aligner_: Any
    index: Any
    indexes_: dict[str, Any]
    items_: dict[str, Any]
    looks_: dict[str, dict[str, np.ndarray]]
    reranked_: dict[str, Any]

    def target(self, start: str | Sequence[str], to: str | None = None, *, own: bool = False) -> str:
        """The view to answer with: `to` by its name or modality; left out, the only one beside those asked with.

        Where all are asked with ("this, but red"), the only one that is no text.

        Args:
            own: whether the model's own items are searched: then the only view that has any, where one alone has.
        """
        if to is not None:
            return self.view(to)
        starts = {start} if isinstance(start, str) else set(start)
        items = vars(self).get("items_", {}) if own else {}
        held = [view for view, table in items.items() if len(table["item"])]
        if len(held) == 1:
            return held[0]
        able = [view for view in self.views_ if view not in starts]
        others = able or [view for view, modality in self.views_.items() if modality != "text"]
        if len(others) != 1:
            raise ChiasmError(f"say which view to answer with (to='VIEW'): {', '.join(others or self.views_)}.")
        return others[0]

    def views_asked(self, question: Question) -> list[str]:
        """The fitted views that a question's terms are of; a ChiasmError for a term whose view the model lacks."""
        return list(dict.fromkeys(view for _, view, _ in resolved([question], self.views_, self.view)[0]))

    def asked(self, queries: Any) -> Asked:
        """What is asked with, encoded and mapped: words, questions, or items of one view. `hits` takes it, too."""
        if isinstance(queries, Asked):
            return queries
        if (some := questions(queries)) is not None:
            terms = resolved(some, self.views_, self.view)
            items: dict[str, list[Any]] = {}
            for _, view, item in (term for one in terms for term in one):
                items.setdefault(view, []).append(item)
            mapped, shares, report = {}, {}, Report()
            tokens: dict[str, Sequence[Any]] = {}
            for view, held in items.items():
                mapped[view], shares[view], read, tokens[view] = self._placed(view, held)
                report |= read
            return Asked(
                list(items),
                len(some),
                np.arange(len(some)),
                lambda to: toward(terms, mapped, to, self.aligner_),
                shared_names(terms, shares),
                report,
                [script(one.terms[0].item) if isinstance(one.terms[0].item, str) else "" for one in some],
                some,
                lone(terms, tokens),
            )
        by_modality = {} if is_matrix(queries) else {m: m for m in self.views_.values()}
        views = as_views(queries, by_modality | self.views_)
        if len(views.columns) != 1:
            raise ChiasmError(f"wanted queries of one view, got {', '.join(views.names)}: ask with one at a time.")
        start = self.view(views.names[0])
        views = in_order(views.replace({start: views.columns[views.names[0]]}), vars(self).get("features_", {}))
        column, rows = views[start], np.flatnonzero(views.present(start))
        if not len(rows):
            raise ChiasmError(f"wanted something to ask with, got an empty query ({start}).")
        if len(rows) < len(views):
            absent = some_of([str(row + 1) for row in np.flatnonzero(~column.present).tolist()])
            told = f"{len(views) - len(rows)} of {len(views)} queries are absent ({start}, row {absent})"
            warnings.warn(f"{told}: they find nothing", ChiasmWarning, stacklevel=3)
        vectors, names_of, report, looks = self._place(start, column, rows)
        written = scripts(column, column.index[rows].tolist())
        return Asked(
            [start],
            len(views),
            rows,
            lambda to: facing(start, vectors, to, self.aligner_),
            names_of,
            report,
            written,
            looks=[(start, own) for own in looks],
        )

    def _placed(self, view: str, items: list[Any]) -> tuple[np.ndarray, np.ndarray | None, Report, Sequence[Any]]:
        """As `_place`, of items of which some may be placed already; then nobody knows what names they share."""
        raw = [row for row, item in enumerate(items) if not isinstance(item, At)]
        if not raw:
            return np.stack([item.vector for item in items]), None, Report(), []
        held = [items[row] for row in raw]
        alike = all(isinstance(one, np.ndarray) for one in held) and len({one.shape for one in held}) == 1
        given = as_views({view: np.stack(held) if alike else held}, self.views_)
        column = in_order(given, vars(self).get("features_", {}))[view]
        if not column.present.all():
            raise ChiasmError(f"wanted something to ask with, got an empty {view}.")
        mapped, shares, report, looks = self._place(view, column, np.arange(len(raw)))
        if len(raw) == len(items):
            return mapped, shares, report, looks
        every = np.stack([item.vector if isinstance(item, At) else mapped[0] for item in items])
        every[raw] = mapped
        again = dict(zip(raw, looks, strict=False))
        return every, None, report, [again.get(row) for row in range(len(items))]

    def view(self, name: str) -> str:
        """A fitted view by its name, or by its modality when one view alone has it."""
        if name in self.views_:
            return name
        same = [view for view, modality in self.views_.items() if modality == name]
        if len(same) == 1:
            return same[0]
        if same:
            raise ChiasmError(f"{name!r} could mean {' or '.join(same)}: say which view by its name.")
        raise unknown("fitted view", name, self.views_)

    def pair_scores(self, query: Any, candidates: Any) -> np.ndarray:
        """`(n,)` cosines of one query beside n candidates, those that a search would rank them by at first.

        Args:
            query: one item of a view by its name, `{"caption": ["a dog"]}`, or Views. candidates: n items of a view.

        They are encoded anew, without the cache: for items that nobody will ask about again.

        Raises a ChiasmError for an item that is absent or cannot be read, and for several queries.
        """
        self.check_fitted()
        (one, asked), (other, held) = self._column(query), self._column(candidates)
        if len(asked) != 1:
            raise ChiasmError(f"wanted one query, got {len(asked)}: ask one at a time.")
        if not (asked.present.all() and held.present.all()):
            raise ChiasmError("wanted a query and candidates that are there, got an absent one: leave it out.")
        query, found = (
            self._place(name, column, np.arange(len(column)))[0] for name, column in ((one, asked), (other, held))
        )
        placed = facing(one, query, other, self.aligner_)
        scores: np.ndarray = placed.factors[0] * (normalize(found) @ normalize(placed.vectors)[0])
        return scores

    def patches(self, views: Any) -> list[np.ndarray] | None:
        """The patches `(t, d)` of each item of one view as its encoder has them, row by row; None where it has none."""
        self.check_fitted()
        name, column = self._column(views)
        for encoder in members(self.encoding_.encoders_.get(name)):
            try:
                found: list[np.ndarray] = encoder.tokens(column.take(column.index))
            except (AttributeError, ChiasmError):
                continue
            return found
        return None

    def maps(self, query: Any, candidates: Any) -> list[np.ndarray | None]:
        """Where in each of n pictures a query is met: `(g, g)` what the score loses without a patch and its neighbors.

        The largest cells are where the words point to. Words score as in `pair_scores`, but nothing is encoded again:
        a picture is encoded once. None for a picture whose vector is not the mean of a square grid of patches.

        Args and errors: as `pair_scores`. Measured by `benchmarks/search/maps.py`.
        """
        self.check_fitted()
        (one, asked), (other, held) = self._column(query), self._column(candidates)
        if len(asked) != 1:
            raise ChiasmError(f"wanted one query, got {len(asked)}: ask one at a time.")
        if not (asked.present.all() and held.present.all()):
            raise ChiasmError("wanted a query and candidates that are there, got an absent one: leave it out.")
        placed = facing(one, self._place(one, asked, np.arange(1))[0], other, self.aligner_)
        wanted = normalize(placed.vectors)[0]

        def score(vectors: np.ndarray) -> np.ndarray:
            mapped = self.aligner_.transform(Views({other: Column("vector", vectors)}))
            found: np.ndarray = placed.factors[0] * (normalize(np.asarray(mapped[other].items)) @ wanted)
            return found

        patches, encoder = self.patches(candidates), self.encoding_.encoders_.get(other)
        if patches is None or encoder is None:
            return [None] * len(held)
        whole = np.asarray(encoder.encode(held.take(held.index)))
        return [
            left_out(grid, score) if grid.shape[1] == len(own) and _same(grid.mean(axis=0), own) else None
            for grid, own in zip(patches, whole, strict=True)
        ]

    def explain(
        self,
        queries: Any,
        found: Sequence[Sequence[Mapping[str, Any]]],
        to: str | None = None,
        within: Any = None,
        *,
        folder: str | Path = ".",
        by: Any = "occlusion",
    ) -> Hits:
        """The hits that `hits` gave for these queries, with more in `why`: what each score rests on.

        `words`: the pieces of a text in order, each with its `share`. `region`: of a picture, the `box` (left, top,
        right, bottom, 0 to 1), `mask` and `share`. They are the hit's, or the query's where the hit is of another
        modality. Where one of them is not told, `withheld` says by its name why not. See `chiasm.explain`.

        Args:
            queries, to, within: as for `hits`. found: what that gave.
            folder: where the data's pictures are, since a model keeps none; those of `within` are read from there.
            by: an explainer or its name.

        It takes some thirty encodings a picture and one a word, for every hit.
        """
        explainer = registry.make("explain", by)
        start, column = self._column(queries)
        if len(column) != len(found):
            raise ChiasmError(f"wanted the hits of these {len(column)} queries, got those of {len(found)}.")
        usual = to and self.view(to)
        items = None if within is None else as_views(within, self.views_)
        told: list[list[dict[str, Any]]] = []
        for row, hits in enumerate(found):
            told.append([])
            for hit in hits:
                view = hit.get("view") or usual or self.target(start)
                item = self._item(hit, view, items, folder)
                pair = {ASKED: column[row : row + 1], FOUND: Column.from_cells(self.views_[view], [item])}
                said = why(explainer, Pair(self, {ASKED: start, FOUND: view}), Views(pair))
                if item is None:
                    absent = f"the {self.views_[view]} is not below the folder {folder}"
                    keys = (KEYS.get(self.views_[one]) for one in (start, view))
                    said["withheld"] = {key: absent for key in keys if key}
                told[-1].append({**hit, "why": {**hit.get("why", {}), **said}})
        return Hits(told, getattr(found, "report", Report()), getattr(found, "notes", ()))

    def _place(
        self, name: str, queries: Column, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None, Report, list[np.ndarray]]:
        """Raw items of some rows `(n,)` -> `(n, k)` in the shared space, shares of names, what was altered, tokens.

        Raises a ChiasmError for an item that cannot be read.
        """
        encoder, wanted = self.encoding_.encoders_.get(name), queries.index[rows]
        items = queries.items.some(wanted) if isinstance(queries.items, Tokens) else queries.take(wanted)
        report = Report()
        if encoder is not None:
            items, notes = encoder.encode_told(items)
            if notes:
                report = Report({name: len(rows)}, {name: len(rows)}, {name: 0})
            report.notes = [
                (name, queries.label(int(queries.index[rows[i]])), note) for i in notes for note in notes[i]
            ]
        column = Column(self.views_[name], items if isinstance(items, Tokens) else np.asarray(items))
        rows = np.asarray(self._flat(Views({name: column}))[name].items)
        mapped = self.aligner_.transform(Views({name: Column(self.views_[name], rows)}))
        shares = self.aligner_.named(name, rows) if getattr(self.aligner_, "names_", None) else None
        return np.asarray(mapped[name].items), shares, report, tokens_of(self._looker, name, column)

    def _flat(self, views: Views) -> Views:
        """Encoded views as the aligner reads them: where hits may be looked at again, tokens as their mean."""
        return views if getattr(self, "rerank", None) is None else in_means(views)

    @property
    def _looker(self) -> Any:
        """What scores pairs; None where hits are not looked at again, and in a model saved before there was one."""
        return vars(self).get("reranker_")

    def placed(
        self, view: str, views: Views, *, progress: Progress | None = None
    ) -> tuple[Column, dict[str, np.ndarray], Report]:
        """Raw items of one view in the shared space, what names lead for each used one, and what encoding did.

        A row whose item cannot be read is absent in the column that comes back; the report says why.
        """
        name = views.resolve(view) if view in views.columns else views.resolve(self.views_[view])
        encoded, report = self._encode(views.replace({view: views[name]}), progress)
        return (*self._placed_as(view, encoded), report)

    def _placed_as(self, view: str, encoded: Views) -> tuple[Column, dict[str, np.ndarray]]:
        """As `placed`, of rows that are encoded."""
        encoded = self._flat(encoded)
        column = encoded[view]
        if not len(column.used):
            return column, {}
        mapped = self.aligner_.transform(encoded)[view]
        return mapped, names.top(self.aligner_, view, column.items[column.used])

    def _own(self, view: str, looks: Sequence[Any] | None) -> Gallery:
        """What was indexed of a view; without `looks` nothing is looked at again."""
        if self._looker is None or looks is None:
            return Gallery(self.indexes_[view], self.items_[view])
        return self._second(self.indexes_[view], self.items_[view], view, reranking.again(self.looks_[view]), looks)

    def _gallery(
        self, views: Views, to: str, looks: Sequence[Any] | None, progress: Progress | None
    ) -> tuple[Gallery, Report]:
        """Other rows' items as a gallery, and what encoding did."""
        name = views.resolve(to) if to in views.columns else views.resolve(self.views_[to])
        encoded, report = self._encode(views.replace({to: views[name]}), progress)
        column, leading = self._placed_as(to, encoded)
        used, rows = column.used, column.first_rows
        if not len(used):
            codes = ", ".join(sorted({note.code for _, _, note in report.skipped}))
            raise ChiasmError(f"nothing to search: none of the {len(views)} items could be read ({codes}).")
        index: Index = registry.make("index", self.index).add(np.arange(len(used)), column.items[used])
        table = described(column, views, rows) | leading
        if self._looker is None or looks is None:
            return Gallery(index, table), report
        tokens = self._looker.unpooled(encoded)[to].items.some(used)
        return self._second(index, table, to, tokens, looks), report

    def _second(self, index: Index, table: Any, to: str, tokens: Tokens, looks: Sequence[Any]) -> Gallery:
        return reranking.SecondLook(index, table, self._looker, self.reranked_["share"], to, tokens, looks)

    def _column(self, data: Any) -> tuple[str, Column]:
        """The fitted view that some data are of, and its column."""
        if (asked := questions(data)) is not None:
            data = alone(asked)
        views = as_views(data, {modality: modality for modality in self.views_.values()} | self.views_)
        if len(views.columns) != 1:
            raise ChiasmError(f"wanted items of one view, got {', '.join(views.names)}: name one.")
        return self.view(views.names[0]), views[views.names[0]]

    def _item(self, hit: Mapping[str, Any], view: str, within: Views | None, folder: str | Path) -> Any:
        """The raw item of a hit, None where it is not at hand."""
        if within is not None:
            column = within[within.resolve(view if view in within.columns else self.views_[view])]
            return next((column.items[p] for p in column.used.tolist() if column.label(p) == hit["item"]), None)
        if self.views_[view] == "text":
            return hit["item"]
        path = Path(folder) / str(hit.get("file", hit["item"]))
        if not path.is_file():
            return None
        return Clip(str(path), hit["start"], hit["end"]) if "start" in hit else str(path)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two vectors are equal but for what rounding makes of them."""
    return bool(np.linalg.norm(one - other) <= 1e-3 * np.linalg.norm(other))
