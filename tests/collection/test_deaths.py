"""What was acknowledged is found again, once, whatever kills the building, growing and switching of an index."""

from __future__ import annotations

import pytest

from benchmarks.search import deaths


@pytest.mark.slow
def test_twenty_deaths_lose_and_double_nothing(tmp_path):
    told = deaths.run(20, 1, tmp_path)
    assert told["deaths"] == 20
    assert len([work for work, n in told["at"].items() if n]) >= 4
    assert (told["lost"], told["doubled"], told["broken"]) == (0, 0, 0)


@pytest.mark.slow
def test_the_checker_sees_files_that_are_lost_and_files_that_are_there_twice(tmp_path, monkeypatch):
    real = deaths.found
    with monkeypatch.context() as patch:
        patch.setattr(deaths, "found", lambda index: real(index)[1:])
        (tmp_path / "lost").mkdir()
        assert deaths.run(2, 2, tmp_path / "lost")["lost"] > 0
    monkeypatch.setattr(deaths, "found", lambda index: [*real(index), *real(index)[:1]])
    (tmp_path / "twice").mkdir()
    assert deaths.run(2, 2, tmp_path / "twice")["doubled"] > 0
