"""Who maps: this process's threads, or processes, nothing else knows; and how it is told how far the work is."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

__all__ = ["Bars", "Progress", "cores", "one_thread", "openmp_alone", "openmp_cores", "processes", "tell", "threads"]

Progress = Callable[[str, int, int], None]
"""Called with (view, items done, items in all); an item is counted when it is on disk."""

_MANY = 8192
_SAID = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LONGEST = 60.0
"""Seconds between two lines of a long run that is not watched."""

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


def tell(progress: Progress | None, view: str, done: int, total: int, found: int) -> None:
    """Call `progress`; one that asks (it has `found`) is told before how many of the items were in the cache."""
    if progress is None:
        return
    if hasattr(progress, "found"):
        progress.found(view, found)
    progress(view, done, total)


class Bars:
    """How far the work is, on standard error: bars on a terminal and in a notebook, elsewhere a few lines.

    Lines come at most one a second, then ever more rarely, down to one a minute; the last of a view always comes. What
    was in the cache is said to come from there.

    Args:
        verb: what is done to the views.

    >>> from contextlib import redirect_stderr
    >>> with redirect_stderr(sys.stdout):
    ...     show = Bars()
    ...     show.found("caption", 3)
    ...     show("caption", 3, 3)
    encode caption: 3 of 3 (from the cache)
    """

    def __init__(self, verb: str = "encode"):
        self.verb = verb
        self._found: dict[str, int] = {}
        self._bars: dict[str, Any] = {}
        self._told, self._gap = float("-inf"), 0.5

    def found(self, view: str, count: int) -> None:
        """So many of the view's items that are done were in the cache."""
        self._found[view] = count

    def __call__(self, view: str, done: int, total: int) -> None:
        """Show that so many of the view's items are done."""
        found = self._found.get(view, 0)
        note = f" ({'' if found == done else f'{found} '}from the cache)" if found else ""
        if sys.stderr.isatty() or "ipykernel" in sys.modules:
            self._draw(view, done, total, note)
        elif done == total or (found < done and time.monotonic() - self._told >= self._gap):
            if done < total:
                self._told, self._gap = time.monotonic(), min(max(1.0, 2 * self._gap), LONGEST)
            print(f"{self.verb} {view}: {done} of {total}{note if done == total else ''}", file=sys.stderr, flush=True)

    def _draw(self, view: str, done: int, total: int, note: str) -> None:
        from tqdm.auto import tqdm

        if view not in self._bars:
            self._bars[view] = tqdm(total=total, desc=f"{self.verb} {view}", unit=" items", dynamic_ncols=True)
        bar = self._bars[view]
        bar.update(done - bar.n)
        if done == total:
            bar.set_postfix_str(note.strip(" ()"))
            bar.close()
            del self._bars[view]
