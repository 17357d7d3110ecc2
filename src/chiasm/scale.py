"""Who maps: this process's threads, or processes, nothing else knows; and how it is told how far the work is."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from threading import Lock
from typing import TypeVar

__all__ = ["Progress", "cores", "one_thread", "openmp_alone", "processes", "threads"]

Progress = Callable[[str, int, int], None]
"""Called with (view, items done, items in all); an item is counted when it is on disk."""

_MANY = 8192

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """The processors this process may use: of its affinity, at most as many as OMP_NUM_THREADS says where it is set."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(mine, int(told)) if told.isdecimal() and int(told) else mine


class _Blas:
    """Holds BLAS, whose number of threads is the whole process's, at one thread while anybody asks for it."""

    def __init__(self) -> None:
        self.lock, self.asked, self.limits = Lock(), 0, None

    def hold(self) -> None:
        from threadpoolctl import threadpool_limits

        with self.lock:
            self.asked += 1
            if self.asked == 1:
                self.limits = threadpool_limits(1, "blas")

    def let_go(self) -> None:
        with self.lock:
            self.asked -= 1
            if not self.asked:
                self.limits.restore_original_limits()


_BLAS = _Blas()


@contextmanager
def one_thread(rows: int = 0) -> Iterator[None]:
    """BLAS and OpenMP on one thread inside: for work of some thousand rows; from 8,192 rows on nothing is changed.

    Such work gains nothing from more threads, and beside a busy neighbor they wait for one another, awake: on 2 shared
    cores a fit of 96 rows took 40 s instead of 2, one text through a network .6 s instead of .05.
    """
    if rows >= _MANY:
        yield
        return
    _BLAS.hold()
    try:
        with openmp_alone():
            yield
    finally:
        _BLAS.let_go()


@contextmanager
def openmp_alone() -> Iterator[None]:
    """OpenMP on one thread inside, for calls from this thread: others keep theirs."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "openmp"):
        yield


def processes(function: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """`map` over processes, results in order: for work that holds the interpreter. `function` is a module's own.

    By joblib (loky): a caller's script needs no `if __name__ == "__main__"`.
    """
    from joblib import Parallel, delayed

    run = Parallel(n_jobs=workers or cores(), return_as="generator", pre_dispatch="2*n_jobs")
    yield from run(delayed(function)(item) for item in items)


def threads(function: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """`map` over threads, results in order: for work that releases the interpreter (decoding, ONNX Runtime).

    At most twice as many calls as workers are under way before their results are taken: memory stays flat. What the
    caller set in context variables holds in the calls.
    """
    workers = workers or cores()
    if workers == 1:
        yield from map(function, items)
        return
    waiting: deque = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(copy_context().run, function, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
