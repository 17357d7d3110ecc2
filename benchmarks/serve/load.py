"""A server under load: words nobody asked before, words asked again, "more like this", too many at once, starting.

`python -m benchmarks.serve.load [unseen] [again] [alike] [overload] [start]`. 100,000 items: the vectors of coco2k's
photographs by a model that learned from its captions, each fifty times with a little noise, so that an answer has to
be looked for among as many; their files are there and small. Eight connections on loopback, each asks when it has its
answer; server and load share the machine's cores, and the load is a process of its own.

The peer of `unseen` is the bare encoder: the same texts, one a call, in as many threads as the server has, in a process
that does nothing else, alone on the machine. Server and encoder take turns, five rounds; ratios are of a round. Every
load is made in so many rounds: medians, the least and the most.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._sets import pictures, texts
from benchmarks._trials import Figure, arguments, finish, say
from chiasm.collection import Collection
from chiasm.encode.e5_text import E5Text
from chiasm.encoding import Report
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column

N = 100_000
AT_ONCE = 8
PARTS = ["unseen", "again", "alike", "overload", "start"]

UNSEEN = "distinct unseen words, 100,000 items, 8 connections"

ROUNDS: Any = {"n": "{n} rounds", "interval": "least and most of rounds"}

FIGURES = [
    Figure("unseen.share", ("unseen", "share"), f"{UNSEEN}: of the bare encoder's rate", "x", ".2f", **ROUNDS),
    Figure("unseen.rate", ("unseen", "rate"), "the same, answers", "a second", ".0f", **ROUNDS),
    Figure("unseen.late", ("unseen", "late"), "the same, slowest of a hundred: of 8 / that rate", "x", ".2f", **ROUNDS),
    Figure("unseen.errors", ("unseen", "errors"), "the same, errors", "", ".0f"),
    Figure("again.rate", ("again", "rate"), "words asked again, answers", "a second", ".0f", **ROUNDS),
    Figure("again.p99", ("again", "p99"), "words asked again, the slowest of a hundred", "ms", ".0f", **ROUNDS),
    Figure("alike.rate", ("alike", "rate"), '"more like this", answers', "a second", ".0f", **ROUNDS),
    Figure("alike.p99", ("alike", "p99"), '"more like this", the slowest of a hundred', "ms", ".0f", **ROUNDS),
    Figure("overload.refused", ("overload", "refused"), "200 connections at once: refused with 503", "%", ".0f"),
    Figure("overload.over", ("overload", "over"), "seconds after them until answers come as before", "s", ".1f"),
    Figure("start.first", ("start", "first"), "from the command to the first answer", "s", ".1f"),
    Figure("start.idle", ("start", "idle"), "the first answer after a minute without any", "ms", ".0f"),
    Figure("start.memory", ("start", "memory"), "memory, of vectors and encoders", "x", ".2f"),
]  # fmt: skip


def index(scratch: Path, n: int) -> Path:
    """An index of n small files whose vectors are those of photographs, with noise."""
    views = pictures("coco2k", text="caption")
    model = Retrieve(baseline=False).fit(views)
    mapped = model.transform(views)
    (name,) = [view for view, kind in model.views_.items() if kind == "image"]
    base = np.asarray(mapped[name].items)
    rng = np.random.default_rng(0)
    scale = 0.05 * np.linalg.norm(base, axis=1).mean() / np.sqrt(base.shape[1])
    folder = scratch / "Many"
    for part in range(100):
        (folder / f"{part:02d}").mkdir(parents=True)
    for i in range(n):
        (folder / f"{i % 100:02d}" / f"{i}.png").write_bytes(b"%d" % i)

    def placed(_: Any, view: str, asked: Any, **more: Any) -> Any:
        rows = np.array([int(Path(path).stem) for path in asked[view].items]) % len(base)
        return Column("vector", base[rows] + scale * rng.normal(size=(len(rows), base.shape[1]))), {}, Report()

    real, Retrieve.placed = Retrieve.placed, placed  # type: ignore[method-assign,assignment]
    try:
        made = Collection.build(scratch / "m.index", model, folder)
    finally:
        Retrieve.placed = real  # type: ignore[method-assign]
    assert made.ledger()["searchable"] == n
    return scratch / "m.index"


class Served:
    """A server process over an index."""

    def __init__(self, path: Path, threads: int):
        command = [sys.executable, "-m", "chiasm", "serve", str(path), "--port", "0", "--json"]
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "--threads", str(threads)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        told = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told += line
            if line.rstrip() == "}":
                break
        self.port = int(json.loads(told)["address"].rstrip("/").rsplit(":", 1)[1])

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def memory(self) -> float:
        """MiB."""
        told = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(told.split("VmRSS:")[1].split()[0]) / 1024


def ask(line: http.client.HTTPConnection, body: bytes) -> int:
    line.request("POST", "/search", body, {"content-type": "application/json"})
    answer = line.getresponse()
    answer.read()
    return answer.status


def _load(port: int, bodies: list[bytes], at_once: int, seconds: float, pipe: Any) -> None:
    """Ask, in threads of this process, until the time is over; tell when each answer came, and how late."""
    done: list[tuple[float, float, int]] = []
    place, guard, begun = iter(bodies), threading.Lock(), time.perf_counter()

    def one() -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.perf_counter() - begun < seconds:
            with guard:
                body = next(place, None)
            if body is None:
                return
            sent = time.perf_counter()
            try:
                status = ask(line, body)
            except OSError:
                status = 0
                line.close()
            done.append((time.perf_counter() - begun, time.perf_counter() - sent, status))

    threads = [threading.Thread(target=one) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(done)


def load(port: int, bodies: list[bytes], seconds: float, at_once: int = AT_ONCE) -> np.ndarray:
    """`(n, 3)` of every answer: when it came, how late, its status."""
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_load, args=(port, bodies, at_once, seconds, theirs))
    process.start()
    done = np.array(mine.recv())
    process.join()
    return done


def _bare(some: list[str], threads: int, seconds: float, pipe: Any) -> None:
    encoder, begun = E5Text(), 0.0
    encoder.encode(some[:2])
    begun = time.perf_counter()

    def one(text: str) -> int:
        if time.perf_counter() - begun > seconds:
            return 0
        encoder.encode([text])
        return 1

    with ThreadPoolExecutor(threads) as pool:
        n = sum(pool.map(one, some))
    pipe.send(n / (time.perf_counter() - begun))


def bare(some: list[str], threads: int, seconds: float) -> float:
    """Texts a second of the encoder alone."""
    mine, theirs = multiprocessing.Pipe()
    os.environ["OMP_NUM_THREADS"] = "1"
    process = multiprocessing.get_context("spawn").Process(target=_bare, args=(some, threads, seconds, theirs))
    process.start()
    rate: float = mine.recv()
    process.join()
    return rate


def question(**term: Any) -> bytes:
    return json.dumps({"terms": [term], "k": 24}).encode()


def run(parts: list[str], n: int, rounds: int, seconds: float) -> dict[str, Any]:
    threads = len(os.sched_getaffinity(0))
    words = list(dict.fromkeys(str(t) for t in texts()["text"].items if 8 <= len(str(t)) <= 120))
    words = [words[i] for i in np.random.default_rng(1).permutation(len(words))]
    found: dict[str, Any] = {"n": n, "threads": threads}
    with tempfile.TemporaryDirectory() as scratch:
        path = index(Path(scratch), n)
        say("indexed")
        served = Served(path, threads)
        try:
            line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
            assert ask(line, question(words=words[-1])) == 200
            first = time.perf_counter() - served.begun
            if "unseen" in parts:
                shares, lates, rates, errors, at = [], [], [], 0, 0
                for _ in range(rounds):
                    alone = bare(words[at:], threads, seconds)
                    done = load(served.port, [question(words=w) for w in words[at : at + 5000]], seconds)
                    at += 5000
                    good = done[done[:, 2] == 200]
                    rates.append(len(good) / done[:, 0].max())
                    shares.append(rates[-1] / alone)
                    lates.append(float(np.quantile(good[:, 1], 0.99)) / (AT_ONCE / alone))
                    errors += len(done) - len(good)
                    say("unseen", round(alone, 1), round(rates[-1], 1), round(lates[-1], 2))
                found["unseen"] = {
                    "share": ranged(shares), "late": ranged(lates), "rate": ranged(rates), "errors": errors,
                }  # fmt: skip
            kinds: dict[str, Callable[[int], bytes]] = {
                "again": lambda i: question(words=words[i % 50]),
                "alike": lambda i: question(item=1 + i % 5000),
            }
            for kind in (one for one in kinds if one in parts):
                load(served.port, [kinds[kind](i) for i in range(200)], seconds)
                loads = [load(served.port, [kinds[kind](i) for i in range(20_000)], seconds) for _ in range(rounds)]
                assert all((done[:, 2] == 200).all() for done in loads)
                found[kind] = {
                    "rate": ranged([len(done) / done[:, 0].max() for done in loads]),
                    "p99": ranged([1000 * float(np.quantile(done[:, 1], 0.99)) for done in loads]),
                }
                say(kind, found[kind])
            if "overload" in parts:
                found["overload"] = overload(served, words)
            if "start" in parts:
                time.sleep(60)
                sent = time.perf_counter()
                ask(http.client.HTTPConnection("127.0.0.1", served.port, timeout=60), question(words=words[-2]))
                idle = 1000 * (time.perf_counter() - sent)
                found["start"] = {"first": first, "idle": idle, "memory": served.memory() / needed(path)}
        finally:
            served.end()
    return found


def overload(served: Served, words: list[str]) -> dict[str, Any]:
    """200 connections for five seconds; then one asks until its answers come as they did."""
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)

    def late(word: str) -> float:
        sent = time.perf_counter()
        assert ask(line, question(words=word)) == 200
        return time.perf_counter() - sent

    usual = float(np.median([late(word) for word in words[-40:-20]]))
    done = load(served.port, [question(words=w) for w in words[-30_000:]], 5.0, 200)
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    ended = time.perf_counter()
    for word in words[-60:-40]:
        if late(word) <= 2 * usual:
            break
    refused = float(np.mean(done[:, 2] == 503))
    assert set(done[:, 2].astype(int)) <= {200, 503}
    return {"refused": 100 * refused, "over": time.perf_counter() - ended}


def needed(path: Path) -> float:
    """MiB of the vectors and of the encoders of a collection, each loaded in a process of its own that asks once."""
    code = (
        "import numpy as np, sys; from chiasm.encode.e5_text import E5Text; E5Text().encode(['a dog']); "
        "print(int(open('/proc/self/status').read().split('VmRSS:')[1].split()[0]))"
    )
    alone = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) / 1024
    vectors = sum(file.stat().st_size for file in path.glob("vectors-*/vectors-*.f32")) / 2**20
    return alone + vectors


def ranged(values: list[float]) -> dict[str, float]:
    """The median, the least and the most of some rounds, and of how many."""
    return {"n": len(values), "value": float(np.median(values)), "low": min(values), "high": max(values)}


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--n", type=int, default=N, help="items")
    parser.add_argument("--rounds", type=int, default=5, help="of each load")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    args = parser.parse_args()
    finish(run(args.parts or PARTS, args.n, args.rounds, args.seconds), FIGURES, args)


if __name__ == "__main__":
    main()
