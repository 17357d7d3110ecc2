"""Trained parts on a graphics card: the seconds of a fit on the CPU and on the card, and the score of both.

`python -m benchmarks.speed.on_gpu [--rows 20000]`, on a machine with a card that torch finds. Aligners learn pairs of a
linear latent model (`simulator` of benchmarks/_sets.py), recall among 1,000 held-out pairs; fusers learn ten classes
from two views with noise, accuracy on 2,000 held-out rows; `temporal` learns them from eight steps. One fit of 256 rows
first, so that nothing is measured that is done once. Bar: on the card the score is within 2 points of the CPU's.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._sets import simulated
from benchmarks._trials import Figure, arguments, finish, say
from chiasm.align.contrastive import Contrastive
from chiasm.align.fusemix import Fusemix
from chiasm.align.sail import Sail
from chiasm.align.structure import Structure
from chiasm.fuse.attention import Attention
from chiasm.fuse.gated import Gated
from chiasm.fuse.temporal import Temporal

ALIGNERS = {"contrastive": Contrastive, "fusemix": Fusemix, "sail": Sail, "structure": Structure}
FUSERS = {"attention": Attention, "gated": Gated, "temporal": Temporal}
DEVICES = ("cpu", "cuda")
STEPS = 8

FIGURES = [
    Figure(f"{name}.{device}.{short}", (name, device, said), f"{name} on {device}: {said}", unit, form, n="{rows} rows")
    for name in (*ALIGNERS, *FUSERS)
    for device in DEVICES
    for short, said, unit, form in (("seconds", "seconds", "s", ".1f"), ("score", "score %", "%", ".1f"))
]


def pairs(rows: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    a, b, _ = simulated(rows + 1000, (1280, 384), 64, 0)
    return {"a": a[:rows], "b": b[:rows]}, {"a": a[rows:], "b": b[rows:]}


def classes(rows: int) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Two views of eight steps, whose class is a direction at a random step."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, rows + 2000)
    views = {}
    for name, width in (("a", 64), ("b", 32)):
        steps = rng.normal(size=(len(y), STEPS, width))
        steps[np.arange(len(y)), rng.integers(0, STEPS, len(y))] += 0.45 * rng.normal(size=(10, width))[y]
        views[name] = steps.reshape(len(y), -1).astype(np.float32)
    inside, outside = ({n: v[part] for n, v in views.items()} for part in (slice(rows), slice(rows, None)))
    return inside, y[:rows], outside, y[rows:]


def recall(aligner: Any, held: dict[str, np.ndarray]) -> float:
    """How often the nearest of all is the own pair, both ways, in %."""
    a, b = (aligner.transform({name: held[name]})[name] for name in held)
    a, b = (np.asarray(getattr(one, "items", one)) for one in (a, b))
    a, b = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (a, b))
    near, right = a @ b.T, np.arange(len(a))
    return 50 * float((near.argmax(axis=1) == right).mean() + (near.argmax(axis=0) == right).mean())


def run(rows: int) -> dict[str, Any]:
    import torch

    devices = [name for name in DEVICES if name == "cpu" or torch.cuda.is_available()]
    result: dict[str, Any] = {"rows": rows, "torch": torch.__version__}
    inside, outside = pairs(rows)
    seen, y, asked, truth = classes(rows)
    for name, make in {**ALIGNERS, **FUSERS}.items():
        for device in devices:
            more = {"steps": STEPS} if name == "temporal" else {}
            part = make(device=device, **more)
            if name in ALIGNERS:
                make(device=device).fit({n: v[:256] for n, v in inside.items()})
                started = time.perf_counter()
                part.fit(inside)
            else:
                make(device=device, **more).fit({n: v[:256] for n, v in seen.items()}, y[:256])
                started = time.perf_counter()
                part.fit(seen, y)
            took = time.perf_counter() - started
            score = recall(part, outside) if name in ALIGNERS else 100 * float(part.score(asked, truth))
            result.setdefault(name, {})[device] = {"seconds": round(took, 2), "score %": round(score, 2)}
        say(name, result[name])
    scores = [[of["score %"] for of in result[name].values()] for name in (*ALIGNERS, *FUSERS)]
    result["bar: within 2 points"] = all(max(both) - min(both) <= 2 for both in scores) if len(devices) > 1 else None
    return result


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=20000)
    args = parser.parse_args()
    finish(run(args.rows), FIGURES, args)


if __name__ == "__main__":
    main()
