"""The seven stages of a flow: each an existing call, what it reads, and the files that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import recipe, registry
from chiasm.data.read import read_split
from chiasm.data.source import Source
from chiasm.encoding import Encoding, Progress
from chiasm.encoding.cutting import ANSWER_PARTS, cut_whole
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.flow.ledger import digest_of
from chiasm.flow.plan import KNOWN, Plan
from chiasm.report.page import page
from chiasm.report.tables import answers_csv, csv_bytes, notes_csv
from chiasm.report.text import named, shown
from chiasm.views import Column, Views

__all__ = ["READS", "Stages"]

READS: Mapping[str, tuple[str, ...]] = {
    "data": (),
    "pretrained": ("data",),
    "multimodal": ("data", "pretrained"),
    "transfer": ("data", "pretrained", "multimodal"),
    "fine-tune": ("data", "pretrained", "multimodal", "transfer"),
    "answers": ("data", "multimodal", "transfer", "fine-tune"),
    "report": ("data", "multimodal", "transfer", "fine-tune"),
}
"""By stage whose files it reads: where these change, it is made again."""


class Stages:
    """The stages of one plan, to be called in order; what one leaves the next ones read from the disk.

    Args:
        plan: what to do. folders: by stage where it leaves its files. progress: called while encoding.
    """

    def __init__(self, plan: Plan, folders: Mapping[str, Path], progress: Progress | None):
        self.plan = plan
        self.folders = folders
        self.progress = progress
        self._held: dict[str, Any] = {}

    def made_from(self, stage: str) -> dict[str, str]:
        """Digests of a stage's own part of the file, and of the rows and encoders that it reads from outside."""
        keys = self.plan.stages[stage]
        found = {f"[{stage}]": digest_of(keys), "seed": digest_of(self.plan.seed)}
        found[self.plan.stages["data"]["from"]] = self._once("digest", lambda: digest_of(self.rows))
        if stage == "pretrained":
            found |= {name: registry.make("encode", name).fingerprint for name in self.plan.encoder_names}
        elif stage != "data" and "from" in keys:
            found[f"{keys['from']} of [{stage}]"] = digest_of(self._given(stage))
        return found

    def make(self, stage: str) -> str:
        """Make a stage anew; what there is to tell of it in a line."""
        made: Callable[[Path], str] = getattr(self, f"_{stage.replace('-', '_')}")
        return made(self.folders[stage])

    # ---- what flows ----
    @property
    def rows(self) -> Views:
        """The rows of [data], raw, as they are read."""
        return self._once("rows", lambda: self._source.read(self.plan.place("data"), root=self.plan.root))

    @property
    def _source(self) -> Source:
        return self.plan.source()

    @property
    def _cut(self) -> Views:
        """The rows with the split that [data] left."""

        def cut() -> Views:
            rows: Views = self.rows[:]
            rows.facts["split"] = read_split(self.folders["data"] / "split.csv", rows)
            return rows

        return self._once("cut", cut)

    def _given(self, stage: str) -> Views:
        """The rows that [transfer] or [answers] reads."""

        def read() -> Views:
            place = self.plan.place(stage)
            if stage == "transfer":
                return self.plan.source(stage).read(place, root=self.plan.root)
            modalities = {name: column.modality for name, column in self.rows.columns.items()}
            return self._source.read_present(place, modalities, root=self.plan.root)

        return self._once(f"given {stage}", read)

    def _once(self, name: str, made: Callable[[], Any]) -> Any:
        if name not in self._held:
            self._held[name] = made()
        return self._held[name]

    def _model(self, stage: str, name: str) -> Any:
        """What an earlier stage learned, or None where the plan has no such stage."""
        if stage not in self.plan.stages:
            return None
        return self._once(name, lambda: recipe.load(self.folders[stage] / name))

    def _widened(self, views: Views, *, source: bool = True) -> Views:
        """The rows with what earlier stages know of them as two more views of vectors.

        `space`: the mean of a row's views in the shared space of [multimodal]. `source`: what the model of [transfer]
        answers. Both are absent where all the views that they are made from are.
        """
        columns = dict(views.columns)
        if (space := self._model("multimodal", "space.chiasm")) is not None:
            mapped = space.transform(views, progress=self.progress)
            total = sum(_laid(mapped[name]) for name in mapped.names)
            count = np.sum([mapped.present(name) for name in mapped.names], axis=0)
            columns["space"] = _vectors(total / np.maximum(count, 1)[:, None], count > 0)
        model = self._model("transfer", "source.chiasm") if source else None
        if model is not None and (mine := [name for name in views.names if name in model.views_]):
            seen = {name: column for name, column in columns.items() if name in model.views_}
            said = model.outputs(views.replace(seen), progress=self.progress)
            count = np.sum([views.present(name) for name in mine], axis=0)
            columns["source"] = _vectors(said.astype(np.float32), count > 0)
        return views.replace(columns)

    # ---- the seven ----
    def _data(self, folder: Path) -> str:
        views: Views = self.rows[:]
        if views.split is None:
            views.facts["split"] = cut_whole(views, ANSWER_PARTS, self.plan.seed, self.plan.encoders())
        split = views.facts["split"]
        if not (split == "test").any() or not (split != "test").any():
            raise ChiasmError("wanted rows to learn from and rows of split test, got none: split = another column.")
        write_atomic(folder / "split.csv", [csv_bytes(["id", "split"], zip(views.ids, split, strict=True))])
        counts = {name: int((split == name).sum()) for name in ("train", "val", "test")}
        return f"{len(views)} rows ({', '.join(f'{n} {name}' for name, n in counts.items() if n)})"

    def _pretrained(self, folder: Path) -> str:
        views, encoding = self._cut, Encoding(self.plan.encoders())
        report = encoding.learn(views, views.facts["split"] != "test", self.progress)[1]
        write_atomic(folder / "items.csv", [notes_csv(report, views.notes)])
        recipe.save(encoding, folder / "encoders.chiasm")
        counts = report.as_dict()
        told = [f"{name} {c['encoded']} encoded, {c['found']} found in the cache" for name, c in counts.items()]
        return "; ".join(told) or "vectors as they are"

    def _multimodal(self, folder: Path) -> str:
        task = registry.get("tasks", "retrieve")
        model = task(encoders=self.plan.encoders(), seed=self.plan.seed, **self.plan.stages["multimodal"])
        model.fit(self._cut, progress=self.progress)
        model.source_ = self._source
        recipe.save(model, folder / "space.chiasm")
        return f"a shared space from {model.counts_['whole']['learned']} pairs"

    def _transfer(self, folder: Path) -> str:
        keys, given = self.plan.stages["transfer"], self._given("transfer")
        shared = [name for name in given.names if name in self.rows.columns]
        if not shared:
            raise ChiasmError(f"wanted views of [data] ({', '.join(self.rows.names)}), got {', '.join(given.names)}.")
        both = Views.stack(_bare(given, shared), _bare(self.rows, shared))
        twins = Encoding(self.plan.encoders(both)).twins(both)
        fresh = ~np.isin(twins[: len(given)], twins[len(given) :])
        if not fresh.any():
            raise ChiasmError(
                f"all {len(given)} rows of {keys['from']} equal rows of [data]: wanted other rows, to learn from first."
            )
        rows: Views = given[fresh]
        rows.facts.pop("split", None)  # nothing is scored here
        model = self._learned("transfer", self._widened(rows, source=False))
        recipe.save(model, folder / "source.chiasm")
        left = f"; {(~fresh).sum()} that equal rows of [data] left out" if not fresh.all() else ""
        return f"learned {keys['label']} from {len(rows)} rows{left}"

    def _fine_tune(self, folder: Path) -> str:
        views = self._cut
        model = self._learned("fine-tune", self._widened(views))
        model.source_ = self._source
        recipe.save(model, folder / "target.chiasm")
        learned = int((views.facts["split"] != "test").sum())
        return "; ".join([f"learned from {learned} rows", *_verdicts(model.crossed_)])

    def _learned(self, stage: str, views: Views) -> Any:
        keys = {"task": "classify", **self.plan.stages[stage]}
        params = {"fuse": keys["fuse"]} if "fuse" in keys else {}
        model = registry.get("tasks", keys["task"])(encoders=self.plan.encoders(views), seed=self.plan.seed, **params)
        return model.fit(views, progress=self.progress)

    def _answers(self, folder: Path) -> str:
        views = self._given("answers") if "from" in self.plan.stages["answers"] else self._test
        answers = self._model("fine-tune", "target.chiasm").answer(self._widened(views), progress=self.progress)
        write_atomic(folder / "answers.csv", [answers_csv(answers)])
        return f"{len(views)} rows answered"

    def _report(self, folder: Path) -> str:
        model, test = self._model("fine-tune", "target.chiasm"), self._test
        score = model.score(self._widened(test), split="test", progress=self.progress)
        data = Path(self.plan.stages["data"]["from"]).name
        write_atomic(folder / "score.json", [score.to_json().encode()])
        write_atomic(folder / "report.html", [page(score.table, score.wrong, data=data, command="chiasm flow")])
        judged = score.table["judged"]
        told = f"{named(judged)} {shown(judged, score.table[judged])} on {len(test)} test rows"
        return "; ".join([told, *_verdicts(score.table)])

    @property
    def _test(self) -> Views:
        test: Views = self._cut[self._cut.split == "test"]
        return test


def _verdicts(table: Mapping[str, Any]) -> list[str]:
    """What the stages before the last model add to it, in words."""
    held = table.get("leave_one_out", {})
    return [held[name]["verdict"] for name in KNOWN if name in held]


def _bare(views: Views, names: list[str]) -> Views:
    """Some views of the rows, without facts."""
    return Views({name: views[name] for name in names}, views.ids)


def _laid(column: Column) -> np.ndarray:
    """`(n, k)`, zeros where a row has none."""
    out = np.zeros((len(column), column.width), dtype=np.float32)
    out[column.present] = column.take(column.index[column.present])
    return out


def _vectors(rows: np.ndarray, here: np.ndarray) -> Column:
    return Column("vector", rows, np.where(here, np.arange(len(rows)), -1))
