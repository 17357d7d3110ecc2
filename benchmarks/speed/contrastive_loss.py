"""Exact InfoNCE without its matrix: peak memory at 65,536 pairs, time and gradients beside the full matrix at 8,192.

`python -m benchmarks.speed.contrastive_loss [--threads 2] [--rounds 5]`: vectors `(n, 512)` float32, forward and
backward. Memory is the peak of a fresh process beyond its inputs and their gradients. "two products" computes the
matrix once a direction, as CLIP's usual loss does; "one product" is `nn.losses.infonce`; "streamed" is
`nn.losses.streamed_infonce`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks._trials import Figure, again, arguments, finish, peak, ratios
from chiasm.nn.losses import TILE, infonce, streamed_infonce

WIDTH = 512
MIB = "MiB beyond inputs and gradients"
SCALE = 1 / 0.07
LOSS = "exact contrastive loss in tiles"
FIGURES = [
    Figure(
        "memory", ("streamed", "65536", MIB), f"{LOSS}, 65,536 x 512, beyond inputs and their gradients", "MiB", ".0f"
    ),
    *(
        Figure(
            short,
            ("8192 pairs", name),
            f"{LOSS}, 8,192 x 512, time over that of {what}",
            "x",
            ".2f",
            "{n} rounds",
            interval="least and most",
        )
        for short, name, what in (
            ("two", "two products", "the usual loss with a product a direction"),
            ("one", "one product", "one product"),
        )
    ),
    Figure("gap", ("greatest difference of a gradient",), f"{LOSS}: greatest difference of a gradient", format=".0e"),
]


def inputs(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two times n random vectors of length 1, made in place so that making them leaves no peak."""
    generator = torch.Generator().manual_seed(0)
    both = []
    for _ in range(2):
        rows = torch.empty(n, WIDTH).normal_(generator=generator)
        for part in rows.split(1024):
            part.div_(part.norm(dim=1, keepdim=True))
        both.append(rows.requires_grad_())
    return both[0], both[1]


def two_products(a: torch.Tensor, b: torch.Tensor, scale: float) -> torch.Tensor:
    rows = torch.arange(len(a))
    return (cross_entropy(scale * a @ b.T, rows) + cross_entropy(scale * b @ a.T, rows)) / 2


def memory(n: int) -> None:
    """In the child: MiB beyond inputs and gradients, and seconds."""
    small = inputs(256)
    streamed_infonce(*small, SCALE).backward()
    a, b = inputs(n)
    before, started = peak(), time.perf_counter()
    streamed_infonce(a, b, SCALE).backward()
    assert a.grad is not None
    assert b.grad is not None
    gradients = 2 * a.grad.numel() * 4 / 2**20
    print(peak() - before - gradients, time.perf_counter() - started)


def gradients(function: Any, a: torch.Tensor, b: torch.Tensor) -> list[torch.Tensor]:
    a.grad = b.grad = None
    function(a, b, SCALE).backward()
    return [leaf.grad.clone() for leaf in (a, b) if leaf.grad is not None]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, help="(the child) pairs")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.memory:
        return memory(args.memory)
    a, b = inputs(8192)
    functions = {"two products": two_products, "one product": infonce, "streamed": streamed_infonce}
    found = {name: gradients(function, a, b) for name, function in functions.items()}
    away = [float((x - y).abs().max()) for x, y in zip(found["one product"], found["streamed"], strict=True)]
    size = max(float(x.abs().max()) for x in found["one product"])
    seconds = ratios({n: lambda f=f: gradients(f, a, b) for n, f in functions.items()}, args.rounds)
    mine = np.array(seconds["streamed"])
    table = {
        name: {
            "median seconds": round(float(np.median(values)), 3),
            "value": round(float(np.median(mine / np.array(values))), 3),
            "low": round(float((mine / np.array(values)).min()), 3),
            "high": round(float((mine / np.array(values)).max()), 3),
            "n": len(values),
        }
        for name, values in seconds.items()
    }
    extra = {}
    for n in (16_384, 65_536):
        beyond, took = map(float, again("--threads", str(args.threads), "--memory", str(n)).split())
        extra[n] = {MIB: round(beyond, 1), "seconds": round(took, 1)}
    finish(
        {
            "threads": args.threads,
            "tile": TILE,
            "8192 pairs": table,
            "greatest difference of a gradient": max(away),
            "the same over the greatest gradient": max(away) / size,
            "streamed": extra,
        },
        FIGURES,
        args,
    )


if __name__ == "__main__":
    main()
