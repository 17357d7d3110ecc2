"""Maps over threads and processes: order, errors, and no more under way than promised."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from chiasm import scale
from chiasm.encode.e5_text import E5Text
from chiasm.encoding import Encoding
from chiasm.views import Column, Views


def square(x: int) -> tuple[int, int]:
    return x * x, os.getpid()


def fail_at_seven(x: int) -> int:
    if x == 7:
        raise KeyError("seven")
    return x


@pytest.mark.parametrize("workers", [1, 2, 5, None])
@pytest.mark.parametrize("n", [0, 1, 3, 100])
def test_threads_give_results_in_order_whichever_ends_first(workers: int | None, n: int) -> None:
    def slow_at_first(x: int) -> int:
        time.sleep(0.003 if x % 4 == 0 else 0)
        return x * x

    assert list(scale.threads(slow_at_first, iter(range(n)), workers)) == [x * x for x in range(n)]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_at_most_two_calls_a_worker_wait_to_be_taken(workers: int) -> None:
    drawn, running, most = 0, 0, 0
    guard = threading.Lock()

    def items():
        nonlocal drawn
        for x in range(60):
            drawn += 1
            yield x

    def count(x: int) -> int:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with guard:
            running -= 1
        return x

    for taken, _ in enumerate(scale.threads(count, items(), workers)):
        assert drawn - taken <= 2 * workers
    assert drawn == 60
    assert most == workers  # all workers were busy at once, and no more


def test_memory_stays_flat_however_many_items_there_are() -> None:
    def peak(n: int) -> int:
        tracemalloc.start()
        for block in scale.threads(lambda x: np.full(100_000, x, np.uint8), range(n), 2):
            assert len(block) == 100_000
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    assert peak(200) < 1_500_000  # 200 results are 20 MB


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_an_error_reaches_the_caller_after_the_results_before_it(workers: int) -> None:
    taken = []
    with pytest.raises(KeyError, match="seven"):
        taken.extend(scale.threads(fail_at_seven, range(1000), workers))
    assert taken == list(range(7))


def test_an_error_of_the_items_reaches_the_caller_and_a_caller_may_stop_early() -> None:
    def items():
        yield 1
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        list(scale.threads(str, items(), 2))
    before = threading.active_count()
    results = scale.threads(str, range(10**9), 2)
    assert next(results) == "0"
    results.close()
    assert threading.active_count() == before


def test_processes_give_results_in_order_from_other_processes_and_pass_errors_on() -> None:
    found = list(scale.processes(square, range(20), workers=2))
    assert [value for value, _ in found] == [x * x for x in range(20)]
    assert os.getpid() not in {process for _, process in found}
    with pytest.raises(KeyError, match="seven"):
        list(scale.processes(fail_at_seven, range(20), workers=2))


def test_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert scale.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert scale.cores() == len(allowed)


def limits(api: str) -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == api]


@pytest.fixture
def said_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_few_rows_are_worked_on_by_one_thread_and_many_are_not(said_nothing: None) -> None:
    with threadpool_limits(2):
        with scale.one_thread(100):
            assert set(limits("blas")) == {1}
        with scale.one_thread(8192):
            assert set(limits("blas")) == {2}
        assert set(limits("blas")) == {2}


def test_what_the_user_says_of_threads_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with threadpool_limits(2), scale.one_thread(100):
        assert set(limits("blas")) == {2}
    monkeypatch.setenv("OMP_NUM_THREADS", "1,4")
    assert scale.openmp_cores() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert scale.openmp_cores() == len(os.sched_getaffinity(0))


def test_threads_that_overlap_leave_the_limits_as_they_found_them(said_nothing: None) -> None:
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _ in range(20):
            with scale.one_thread():
                seen.append(set(limits("blas")))
                time.sleep(0.0005 * (number + 1))

    seen: list[set[int]] = []
    before = limits("blas")
    list(scale.threads(work, range(8), workers=8))
    assert limits("blas") == before
    assert {1} in seen


def test_a_text_is_encoded_on_one_thread_and_importing_changes_no_setting(said_nothing: None) -> None:
    seen = []

    class Engine:
        def query(self, texts: list[str]) -> np.ndarray:
            seen.extend(limits("openmp"))
            return np.ones((len(texts), 384), np.float32)

    encoder = E5Text()
    encoder.encode(["opens the engine, which brings its OpenMP"])
    encoder._engine = Engine()
    encoder.encode(["a dog", "狗"])
    assert seen
    assert set(seen) == {1}
    script = (
        "import os; a = dict(os.environ); import chiasm.tasks.retrieve, chiasm.encode.e5_text; assert a == os.environ"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_lines_of_progress_are_few_and_the_last_of_each_view_comes(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(scale.time, "monotonic", clock.monotonic)
    show = scale.Bars()
    for done in range(1, 36_001):  # an hour of ten items a second, of two views
        clock.now += 0.1
        show("图", done, 36_000)
        show("caption", done, 36_000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) < 70
    assert lines[0] == "encode 图: 1 of 36000"
    assert lines[-2:] == ["encode 图: 36000 of 36000", "encode caption: 36000 of 36000"]


def test_never_two_lines_in_a_second_but_for_the_last(monkeypatch, capsys):
    clock, told = Clock(), []
    monkeypatch.setattr(scale.time, "monotonic", clock.monotonic)
    show = scale.Bars()
    for done in range(1, 1000):
        clock.now += 0.01
        show("a" if done % 2 else "b", done, 1000)
        told += [clock.now] * len(capsys.readouterr().err.splitlines())
    assert min(b - a for a, b in pairwise(told)) > 0.99


def test_what_is_in_the_cache_is_said_to_come_from_there(cache, capsys):
    views = Views({"说明": Column("text", [f"text {i}" for i in range(60)])})
    Encoding({"text": "hashed_text"}).fit(views).apply(views[:40], scale.Bars())
    assert capsys.readouterr().err.splitlines() == ["encode 说明: 40 of 40"]
    Encoding({"text": "hashed_text"}).fit(views).apply(views[:40], scale.Bars())
    assert capsys.readouterr().err.splitlines() == ["encode 说明: 40 of 40 (from the cache)"]
    Encoding({"text": "hashed_text"}).fit(views).apply(views, scale.Bars())
    assert capsys.readouterr().err.splitlines() == ["encode 说明: 60 of 60 (40 from the cache)"]


def test_a_plain_function_is_told_as_before():
    told = []
    scale.tell(lambda *what: told.append(what), "a", 1, 2, 1)
    scale.tell(None, "a", 2, 2, 2)
    assert told == [("a", 1, 2)]


def test_bars_are_drawn_in_a_notebook(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipykernel", scale)
    show = scale.Bars()
    show("a", 1, 2)
    show.found("a", 2)
    show("a", 2, 2)
    assert "2/2" in capsys.readouterr().err
