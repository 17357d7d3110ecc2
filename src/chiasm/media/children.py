"""Child processes that decode (`chiasm.media.decoder`): started, asked, waited for, and ended when they hang."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import IO, Any

import numpy as np

from chiasm.media.images import MediaError

__all__ = ["DEADLINE", "Answer", "ask"]

DEADLINE = 30.0
"""Seconds that the child may take for a request."""
_REPLY_BYTES = 1 << 30

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]


def ask(request: dict[str, Any], count: int) -> list[Answer | MediaError]:
    """Ask a child; it is replaced where it does not answer in time or dies. An error stands for all answers."""
    with _lock:
        child = _idle.pop() if _idle else None
    child = child or _Child()
    timed_out = threading.Event()

    def end() -> None:
        timed_out.set()
        child.process.kill()

    timer = threading.Timer(DEADLINE, end)
    timer.daemon = True
    timer.start()
    try:
        answers = child.ask(request, count)
    except (OSError, ValueError, EOFError):
        child.close()
        if timed_out.is_set():
            return [MediaError("timeout", f"not decoded within {DEADLINE:.0f} s")] * count
        return [MediaError("broken", "its decoder died")] * count
    except BaseException:
        child.close()
        raise
    finally:
        timer.cancel()
    with _lock:
        _idle.append(child)
    return answers


class _Child:
    """A process of `chiasm.media.decoder`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "chiasm.media.decoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )

    def ask(self, request: dict[str, Any], count: int) -> list[Answer | MediaError]:
        """The answers to a request; an OSError, ValueError or EOFError where the process is gone."""
        pipe, out = self.process.stdin, self.process.stdout
        if pipe is None or out is None:
            raise EOFError
        pipe.write(json.dumps(request).encode() + b"\n")
        pipe.flush()
        answers: list[Answer | MediaError] = []
        while len(answers) < count:
            header = json.loads(_line(out))
            if "error" in header:
                return [MediaError(header["error"], header["message"])] * count
            arrays = {name: _array(out, kind, shape) for name, kind, shape in header.pop("arrays")}
            answers.append((header, arrays))
        return answers

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()


def _line(out: IO[bytes]) -> bytes:
    line = out.readline(1 << 20)
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def _array(out: IO[bytes], kind: str, shape: list[int]) -> np.ndarray:
    """An array's bytes; a ValueError where the child, which is not trusted, announces what no request asks for."""
    if kind not in ("uint8", "float32", "float64") or len(shape) > 4 or min(shape, default=0) < 0:
        raise ValueError
    array = np.empty(shape if np.prod(shape, dtype=float) * 8 <= _REPLY_BYTES else -1, kind)
    view = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    done = 0
    while done < len(view):
        got = out.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        done += got
    return array


_lock = threading.Lock()
_idle: list[_Child] = []


@atexit.register
def _end() -> None:
    with _lock:
        while _idle:
            _idle.pop().close()
