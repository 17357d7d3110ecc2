"""How the benchmarks try, time and tell: re-drawn splits, spread, paired differences, rounds of time, saved figures.

A benchmark declares its `FIGURES` and ends in `finish`, which prints its whole result, and with `--save` writes the
figures into `benchmarks/results/TOPIC.NAME.json`. That file is a list, one object a figure:

    id        "coco2k.rsum": the benchmark's name and the figure's
    what      in words
    value     as it was found; low, high: its interval or null, and `interval` says which; sd: over splits, or null
    unit      "%", "s", "x", "" ...; format: how it is shown, as Python's `format` has it
    n         over how much it was taken, in words
    command, date, cores, card, load       how, when and beside what; null where nobody wrote it down
    rerun     false for a figure that was copied from a document of that date instead of measured anew

`python -m benchmarks.measured` puts these figures into the documents; nothing else does.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.encoding import Encoding
from chiasm.score import Score
from chiasm.splits import cut
from chiasm.stats.resample import Draws, difference, interval_of, redrawn_interval
from chiasm.views import Views

__all__ = [
    "SHARES",
    "Figure",
    "Runs",
    "again",
    "against",
    "apart",
    "arguments",
    "drawn",
    "finish",
    "gap",
    "peak",
    "plain_torch",
    "protocol",
    "ratios",
    "redrawn",
    "rsum",
    "say",
    "spread",
]

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
"""Of the protocol of classes."""
STARTED = os.getloadavg()[0]
"""The load when the benchmark began."""


# ---- trials ----
def say(*words: Any) -> None:
    """Progress, on standard error."""
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def redrawn(
    views: Views, shares: Mapping[str, float], splits: int, twins: np.ndarray | None = None, stratify: Any = None
) -> Iterator[tuple[int, np.ndarray]]:
    """(seed, names `(n,)`) of re-drawn splits; rows of equal `twins` stay together."""
    for seed in range(splits):
        yield seed, cut(views, shares, seed, twins, stratify=stratify)


def protocol(views: Views, splits: int = 10) -> Iterator[tuple[int, np.ndarray]]:
    """The one protocol of classes: re-drawn 60/20/20 splits, equal shares of every class, equal rows kept together.

    Methods choose on validation rows (or by cross-validation), then learn from training and validation rows, and are
    scored on the test rows.
    """
    yield from redrawn(views, SHARES, splits, Encoding().twins(views), views.label)


def drawn(views: Views, m: int, seed: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """m rows of each class to learn from, and at most so many rows of other clusters to score."""
    order = np.random.default_rng(seed).permutation(len(views))
    learned = np.concatenate([order[views.label[order] == one][:m] for one in np.unique(views.label)])
    rest = order[~np.isin(views.clusters[order], views.clusters[learned])]
    return np.sort(learned), np.sort(rest[:most])


def spread(values: Any) -> dict[str, float]:
    """Mean, standard deviation, least and most, and of how many."""
    values = np.asarray(values, dtype=float)
    return {
        "mean": round(float(values.mean()), 3),
        "sd": round(float(values.std(ddof=1)), 3) if len(values) > 1 else 0.0,
        "min": round(float(values.min()), 3),
        "max": round(float(values.max()), 3),
        "n": values.size,
    }


def rsum(score: Score, baseline: bool = False) -> float:
    """R@1 + R@5 + R@10, both ways, in points."""
    directions = [d["baseline"] if baseline else d for d in score.table["directions"]]
    cells = [d[f"R@{k}"] for d in directions for k in (1, 5, 10)]
    return 100 * sum(cell if isinstance(cell, float) else cell["value"] for cell in cells)


def apart(ours: Any, theirs: Any, test: float, learned: float) -> dict[str, float]:
    """Mean of ours - theirs over the same re-drawn splits, with Nadeau & Bengio's (2003) interval."""
    gap = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    return {**redrawn_interval(gap, test, learned), "n": gap.size}


def gap(ours: Any, theirs: Any) -> dict[str, float]:
    """Mean of ours - theirs over the draws, with Student's interval."""
    from scipy.stats import t

    values = np.subtract(ours, theirs)
    wide = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    mean = float(values.mean())
    return {"value": mean, "low": mean - wide, "high": mean + wide, "n": len(values)}


class Runs(dict[str, dict[str, list[float]]]):
    """What each method scored, a number a split: `runs["early"]["accuracy"]`."""

    def add(self, method: str, scores: Mapping[str, float]) -> None:
        """One split more."""
        for measure, value in scores.items():
            self.setdefault(method, {}).setdefault(measure, []).append(value)

    def spreads(self) -> dict[str, dict[str, dict[str, float]]]:
        """`spread` of every measure of every method."""
        return {method: {measure: spread(v) for measure, v in of.items()} for method, of in self.items()}

    def last(self, measure: str, digits: int = 1) -> dict[str, float]:
        """A measure of every method on the split that was added last."""
        return {method: round(of[measure][-1], digits) for method, of in self.items() if measure in of}


def more_than(draws: Draws, values: Mapping[str, Sequence[float]], ours: str) -> dict[str, Any]:
    """Means over rows in % with intervals, and what `ours` has more, row by row."""
    sampled = {name: draws.mean(100 * np.array(one, dtype=float)) for name, one in values.items()}
    return {
        "%": {name: interval_of(*one) for name, one in sampled.items()},
        f"{ours} minus": {name: difference(sampled[ours], one) for name, one in sampled.items() if name != ours},
    }


def alone(fitted: Any) -> Any:
    """The same trained fuser without the closed head beside its networks."""
    other = copy.copy(fitted)
    other.shares_ = dict.fromkeys(fitted.shares_, 1.0)
    return other


def auroc(wrong: np.ndarray, values: np.ndarray) -> float:
    """The chance that a wrong row has a higher value than another."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(wrong, values))


# ---- time and memory ----
def ratios(functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each function, interleaved round by round in one process, after one unmeasured round."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def against(seconds: dict[str, list[float]], ours: str) -> dict[str, dict[str, float]]:
    """Each other function's time over ours, round by round: median, least, most."""
    mine = np.array(seconds[ours])
    return {
        name: {
            "value": round(float(np.median(np.array(other) / mine)), 2),
            "low": round(float((np.array(other) / mine).min()), 2),
            "high": round(float((np.array(other) / mine).max()), 2),
            "median_seconds": round(float(np.median(other)), 3),
            "n": len(other),
        }
        for name, other in seconds.items()
    }


def again(*words: str, env: Mapping[str, str] | None = None) -> str:
    """What this benchmark prints, run with these words in a process of its own."""
    command = [sys.executable, "-m", _module(), *words]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def peak(process: int | str = "self", *, files: bool = True) -> float:
    """The most memory that a process has held, MiB; without `files`, less the pages of mapped files.

    Mapped pages are the kernel's to drop. `getrusage` would count what the parent held when the process began.
    """
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines() if ":" in line
    )
    held = int(status["VmHWM"].split()[0]) - (0 if files else int(status["RssFile"].split()[0]))
    return held / 1024


def plain_torch() -> Any:
    """EfficientNet-Lite0 as PyTorch runs it, channels_last (its faster layout on CPUs), with the weights of ours."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    from chiasm.encode._effnet import weights_file

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights_file(), weights_only=True))
    return network.eval().to(memory_format=torch.channels_last)


# ---- the end of a run ----
@dataclass(frozen=True)
class Figure:
    """A figure of a benchmark that is kept, and where it stands in the printed result.

    Args:
        name: behind the benchmark's own: "rsum" of search/coco2k.py is coco2k.rsum.
        at: the keys that lead to it. There stands a number, or a dict that holds `value` or `mean`, and perhaps `low`,
            `high`, `sd`.
        what: in words that need no other line.
        unit: behind the number; scale: what makes it that unit (100 for a share in %).
        format: as Python's `format` has it; "+.1f" shows the sign.
        n: in words; {keys} are filled in from the dicts on the way, the innermost first ("{n} splits").
        interval: what low and high are.
    """

    name: str
    at: Sequence[Any]
    what: str
    unit: str = ""
    format: str = ".1f"
    n: str | None = None
    scale: float = 1.0
    interval: str = "95 %"

    def read(self, result: Mapping[Any, Any]) -> dict[str, Any] | None:
        """The figure of a printed result, or None where its part was not run."""
        met: dict[str, Any] = {}
        found: Any = result
        for key in self.at:
            if isinstance(found, Mapping):
                met |= found
                if key not in found:
                    return None
            found = found[key]
        cell = found if isinstance(found, Mapping) else {"value": found}
        met |= cell
        value = cell["value"] if "value" in cell else cell["mean"]
        if value is None:
            return None
        low, high, sd = (cell.get(key) for key in ("low", "high", "sd"))
        return self.told(value, low, high, sd, self.n and self.n.format_map(met))

    def told(
        self, value: float, low: float | None, high: float | None, sd: float | None, n: str | None
    ) -> dict[str, Any]:
        """What describes it, with these numbers, in its own unit."""
        value, low, high, sd = (
            None if v is None else float(f"{float(v) * self.scale:.9g}") for v in (value, low, high, sd)
        )
        about = {"interval": None if low is None else self.interval, "sd": sd, "unit": self.unit, "format": self.format}
        return {"what": self.what, "value": value, "low": low, "high": high, **about, "n": n}


def family(at: Sequence[Any], what: str, kept: Mapping[str, Sequence[str]], **how: Any) -> list[Figure]:
    """Figures of one part of a result: `kept` names the keys below `at` that lead to each, and last its own words."""
    return [Figure(name, (*at, *keys), f"{what}: {words}", **how) for name, (*keys, words) in kept.items()]


def arguments(doc: str | None, parts: Iterable[str] = ()) -> argparse.ArgumentParser:
    """A parser that shows the benchmark's docstring, with the options that `finish` reads, and the names of its parts.

    `args.parts` is empty where none was named, which means all of them.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if parts:
        parser.add_argument("parts", nargs="*", choices=[[], *parts], metavar="PART", help=", ".join(parts))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what is printed to this file")
    parser.add_argument("--save", action="store_true", help="also save the figures in benchmarks/results")
    parser.add_argument("--beside", metavar="WORDS", help="what else the machine was doing; saved with the figures")
    return parser


def finish(result: dict[str, Any], figures: Sequence[Figure], args: argparse.Namespace) -> None:
    """Print the result; with --json also write it; with --save keep the figures of the parts that were run."""
    text = json.dumps(result, ensure_ascii=False, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text, encoding="utf-8")
    if args.save:
        ended = os.getloadavg()[0]
        load = f"{STARTED:.1f} at the start, {ended:.1f} at the end" + (f"; {args.beside}" if args.beside else "")
        how = {"command": _command(), "date": datetime.date.today().isoformat(), **machine(), "load": load}
        file = RESULTS / f"{_module().removeprefix('benchmarks.')}.json"
        absent = save(file, figures, json.loads(text), how)
        say(f"saved {len(figures) - len(absent)} figures in {file.relative_to(ROOT)}; now run benchmarks.measured")
        more = f" and {len(absent) - 8} more" if len(absent) > 8 else ""
        say("not part of this run:", (", ".join(absent[:8]) or "nothing") + more)


def save(file: Path, figures: Sequence[Figure], result: Mapping[Any, Any], how: Mapping[str, Any]) -> list[str]:
    """Put figures into a file of results: those of the same id are replaced, others stay. Names that were not found."""
    held = {one["id"]: one for one in json.loads(file.read_text(encoding="utf-8"))} if file.exists() else {}
    name, absent = file.stem.split(".")[-1], []
    for figure in figures:
        if (found := figure.read(result)) is None:
            absent.append(figure.name)
        else:
            held[f"{name}.{figure.name}"] = {"id": f"{name}.{figure.name}", **found, **how, "rerun": True}
    order = {f"{name}.{figure.name}": place for place, figure in enumerate(figures)}
    write(file, sorted(held.values(), key=lambda one: order.get(one["id"], len(order))))
    return absent


def write(file: Path, held: Sequence[Mapping[str, Any]]) -> None:
    """A file of results, a figure a line."""
    file.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in held)
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Cores that this process may use, and the graphics card."""
    card = None
    if shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        card = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or None
    return {"cores": len(os.sched_getaffinity(0)), "card": card}


def _module() -> str:
    """The benchmark that runs, as `python -m` has it."""
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else "benchmarks"


def _command() -> str:
    """The command that runs, without what only `finish` reads."""
    words, skip = [], False
    for word in sys.argv[1:]:
        if skip or word == "--save" or word.split("=")[0] in ("--json", "--beside"):
            skip = word in ("--json", "--beside")
            continue
        words.append(shlex.quote(word))
    return " ".join(["python -m", _module(), *words])
