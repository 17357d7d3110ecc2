"""A bounded number of threads that work for the server, and a bounded queue before them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from chiasm.serve.limits import Refusal

__all__ = ["Pool"]

T = TypeVar("T")


class Pool:
    """Threads that work one call each; what is too much is refused at once instead of waiting for ever.

    Args:
        threads: calls that are worked on together. waiting: calls that wait for one at most.
    """

    def __init__(self, threads: int, waiting: int):
        self.threads, self.most = threads, threads + waiting
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="chiasm")
        self._guard = threading.Lock()
        self.held = 0
        """Calls that are worked on or wait."""

    async def run(self, call: Callable[..., T], *values: Any, seconds: float) -> T:
        """What a call gives, made in one of the threads.

        Raises a Refusal (503) where too many wait already, or it takes longer than `seconds`.
        """
        with self._guard:
            if self.held >= self.most:
                raise Refusal(503, "busy", "too many ask at once: ask again in a second.", {"Retry-After": "1"})
            self.held += 1
        future = self._executor.submit(self._work, call, values)
        future.add_done_callback(self._left)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError:
            future.cancel()
            raise Refusal(503, "too_long", f"this took longer than {seconds:g} s.", {"Retry-After": "5"}) from None

    def _work(self, call: Callable[..., T], values: tuple[Any, ...]) -> T:
        return call(*values)

    def _left(self, _: Any) -> None:
        with self._guard:
            self.held -= 1

    def close(self) -> None:
        """Finish what is worked on; what waits is not begun."""
        self._executor.shutdown(wait=True, cancel_futures=True)
