"""The exact contrastive loss in tiles against the one that holds the whole matrix: memory, time, gradients.

`python benchmarks/contrastive_loss.py [--json FILE]`. float32, d = 512, two threads. (1) 65,536 rows: peak memory of
loss and gradients, in a child process, beyond the inputs and their gradients. (2) 8,192 rows: seconds of both, rounds
interleaved, and the largest difference of their gradients.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _shared import against, finish, ratios

D, THREADS, SCALE = 512, 2, 20.0


def rows(n: int) -> tuple[Any, Any]:
    import torch

    torch.set_num_threads(THREADS)
    generator = torch.Generator().manual_seed(0)
    a, noise = (torch.randn(n, D, generator=generator) for _ in range(2))
    b = torch.nn.functional.normalize(a + 2 * noise, dim=1)
    return torch.nn.functional.normalize(a, dim=1).requires_grad_(), b.requires_grad_()


def step(loss: Any, a: Any, b: Any) -> Any:
    a.grad = b.grad = None
    found = loss(a, b, SCALE)
    found.backward()
    return found


def child(n: int) -> None:
    from chiasm.nn.losses import streamed_infonce

    warm = rows(256)
    step(streamed_infonce, *warm)
    a, b = rows(n)
    a.grad, b.grad = (x.detach().clone() for x in (a, b))
    before = _anonymous()
    a.grad.zero_()
    b.grad.zero_()
    started = time.perf_counter()
    loss = streamed_infonce(a, b, SCALE)
    loss.backward()
    seconds = time.perf_counter() - started
    print(json.dumps({"MiB beyond inputs and gradients": round(_anonymous() - before), "seconds": round(seconds, 1)}))


def _anonymous() -> float:
    """Peak resident memory, MiB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["VmHWM"].split()[0]) / 1024


def main() -> None:
    from chiasm.nn.losses import infonce, streamed_infonce

    done = subprocess.run([sys.executable, __file__, "--child", "65536"], capture_output=True, text=True, check=True)
    a, b = rows(8192)
    gradients = []
    for loss in (infonce, streamed_infonce):
        step(loss, a, b)
        gradients.append((a.grad.numpy().copy(), b.grad.numpy().copy()))
    gap = max(np.abs(x - y).max() / np.abs(x).max() for x, y in zip(*gradients, strict=True))
    seconds = ratios({"streamed": lambda: step(streamed_infonce, a, b), "full matrix": lambda: step(infonce, a, b)}, 5)
    finish(
        {
            "65,536 x 512, streamed": json.loads(done.stdout),
            "8,192 x 512": against(seconds, "streamed"),
            "largest gradient difference, relative to the largest gradient": float(gap),
            "largest gradient difference": float(max(np.abs(x - y).max() for x, y in zip(*gradients, strict=True))),
        }
    )


if __name__ == "__main__":
    if "--child" in sys.argv:
        child(int(sys.argv[sys.argv.index("--child") + 1]))
    else:
        main()
