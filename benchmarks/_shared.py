"""What the benchmarks share: where the data packs are, redrawn splits, and spread."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PACKS = Path(os.environ.get("CHIASM_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def pack(name: str) -> Path:
    """The folder of a data pack, or the end of the run with a sentence."""
    folder = PACKS / name
    if not folder.exists():
        sys.exit(f"this benchmark needs the data pack {name} (looked in {PACKS}; set CHIASM_DATA)")
    return folder


def spread(values: Any) -> dict[str, float]:
    """Mean, standard deviation, least and most."""
    values = np.asarray(values, dtype=float)
    return {
        "mean": round(float(values.mean()), 3),
        "sd": round(float(values.std(ddof=1)), 3) if len(values) > 1 else 0.0,
        "min": round(float(values.min()), 3),
        "max": round(float(values.max()), 3),
    }


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
            "ratio": round(float(np.median(np.array(other) / mine)), 2),
            "low": round(float((np.array(other) / mine).min()), 2),
            "high": round(float((np.array(other) / mine).max()), 2),
            "median_seconds": round(float(np.median(other)), 3),
        }
        for name, other in seconds.items()
    }


def finish(result: dict[str, Any]) -> None:
    """Print the result; with --json FILE also write it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    known, _ = parser.parse_known_args()
    text = json.dumps(result, ensure_ascii=False, indent=1)
    print(text)
    if known.json:
        known.json.write_text(text, encoding="utf-8")
