"""Who maps: this process's threads, or processes, nothing else knows; and how it is told how far the work is."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

__all__ = ["Progress", "cores", "one_thread", "openmp_alone", "openmp_cores", "processes", "threads"]

Progress = Callable[[str, int, int], None]
"""Called with (view, items done, items in all); an item is counted when it is on disk."""

_MANY = 8192
_SAID = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """The processors this process may use (its affinity, not the machine's count)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def openmp_cores() -> int:
    """The same for work that OpenMP would share out: at most as many as OMP_NUM_THREADS says, where it is set."""
    told = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(cores(), int(told)) if told.isdecimal() and int(told) else cores()


@contextmanager
def one_thread(rows: int = 0) -> Iterator[None]:
    """BLAS and OpenMP on one thread inside: for work of some thousand rows; from 8,192 rows on nothing is changed.

    Such work gains nothing from more threads, and beside a busy neighbor they wait for one another, awake: on 2 shared
    cores a fit of 96 rows took 40 s instead of 2. Where OMP_NUM_THREADS, OPENBLAS_NUM_THREADS or MKL_NUM_THREADS is
    set, nothing is changed either.
    """
    if rows >= _MANY or any(os.environ.get(name) for name in _SAID):
        yield
        return
    from threadpoolctl import get_cached_controller

    with get_cached_controller().limit(limits=1):  # of several threads, one sets BLAS
        yield


@contextmanager
def openmp_alone() -> Iterator[None]:
    """OpenMP on one thread inside, for calls from this thread: where `threads` asks several at once."""
    from threadpoolctl import get_cached_controller

    with get_cached_controller().select(user_api="openmp").limit(limits=1):
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
    if workers == 1 or (isinstance(items, Sized) and len(items) == 1):
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
