"""Who maps: this process's threads, or processes, nothing else knows; and how it is told how far the work is."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

__all__ = ["Progress", "cores", "one_thread", "processes", "threads"]

Progress = Callable[[str, int, int], None]
"""Called with (view, items done, items in all); an item is counted when it is on disk."""

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """The processors this process may use (its affinity, not the machine's count)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS on one thread inside: for factorizations of a thousand rows or so.

    They gain nothing from more threads, and beside a busy neighbor the threads wait for each other (measured on 2
    cores: a fit of 96 rows took 40 s instead of 2).
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
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
