"""Hamming search among 100,000 codes beside products of floats of the same width, and of the vectors they came from.

`python -m benchmarks.search.hamming [--rounds 41]`.

Random codes of 64 and 128 bits; one query (ten in a row), and 64 at once, the 10 nearest. Beside `hamming`: `exact`
(Chiasm's) and a plain NumPy product with `argpartition`, on the same codes as floats. Ratios are medians of rounds that
alternate in one process, on one thread. Bytes are those of the rows alone, without keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._trials import Figure, against, arguments, finish, ratios
from chiasm.index.exact import Exact
from chiasm.index.hamming import Hamming

N, K, ROW, TOGETHER = 100_000, 10, 10, 64
BITS = (64, 128)
QUERIES = {"one": "one query, ten in a row", "many": "64 at once"}
PEERS = {"numpy": "NumPy's product and argpartition", "exact": "exact"}

FIGURES = [
    Figure(
        f"{bits}.{asked}.{short}",
        (str(bits), asked, short),
        f"{words}, its time over that of hamming: {bits} bits, {N:,} codes, {QUERIES[asked]}",
        "x",
        ".1f",
        "{n} rounds",
    )
    for bits in BITS
    for asked in QUERIES
    for short, words in PEERS.items()
] + [
    Figure(f"{bits}.bytes", (str(bits), "bytes"), f"bytes of floats over those of {bits} bits", "x", ".0f")
    for bits in BITS
]


def product(units: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The K nearest of each query by one product."""
    scores = queries @ units.T
    best = np.argpartition(-scores, K, axis=1)[:, :K]
    found: np.ndarray = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)
    return found


def trial(bits: int, rounds: int) -> dict[str, Any]:
    """Both kinds of question."""
    rng = np.random.default_rng(0)
    codes = rng.choice(np.float32([-1, 1]), (N, bits))
    units = codes / np.float32(np.sqrt(bits))
    ours, exact = (made.add(np.arange(N), codes) for made in (Hamming(), Exact()))
    found: dict[str, Any] = {"bytes": units.nbytes / ours.vectors_.nbytes}
    drawn = rng.choice(np.float32([-1, 1]), (TOGETHER, bits))
    for asked, groups in (("one", np.split(drawn[:ROW], ROW)), ("many", [drawn])):
        functions: dict[str, Callable[[], Any]] = {
            "hamming": lambda groups=groups: [ours.search(some, K) for some in groups],
            "exact": lambda groups=groups: [exact.search(some, K) for some in groups],
            "numpy": lambda groups=groups: [product(units, some / np.float32(np.sqrt(bits))) for some in groups],
        }
        seconds = ratios(functions, rounds if asked == "one" else max(3, rounds // 8))
        found[asked] = against(seconds, "hamming")
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    args = parser.parse_args()
    finish({str(bits): trial(bits, args.rounds) for bits in BITS}, FIGURES, args)


if __name__ == "__main__":
    main()
