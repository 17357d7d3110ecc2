"""Scores over time become alarms: levels, running means, and what is matched with known spans."""

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.tasks._detect.alarms import Alarm, Alarms, found_spans, levels


def rung(scores, **options):
    bell = Alarms(**options)
    found = [alarm for at, score in enumerate(scores) for alarm in bell.push(float(at), float(score))]
    found += bell.finish()
    return list({id(alarm): alarm for alarm in found}.values())


def test_an_alarm_starts_at_the_high_level_and_is_dated_back_to_and_ended_at_the_low_one():
    (alarm,) = rung([0, 1, 2, 5, 2, 5, 1, 0, 0], high=4, low=2)
    assert (alarm.start, alarm.raised, alarm.end, alarm.score) == (2, 3, 5, 5)


def test_a_score_between_the_levels_starts_nothing_and_one_that_trembles_rings_once():
    assert rung([0, 3, 3, 3, 0], high=4, low=2) == []
    trembling = [0, 4.1, 3.9, 4.1, 3.9, 4.1, 0]
    assert len(rung(trembling, high=4, low=2)) == 1
    assert len(rung(trembling, high=4, low=4)) == 3


def test_a_running_mean_stands_for_the_middle_of_what_it_is_the_mean_of():
    bell = Alarms(np.inf, np.inf, smooth=2)
    scores = np.random.default_rng(0).normal(size=20)
    for at, score in enumerate(scores):
        bell.push(float(at), float(score))
        recent = scores[max(0, at - 2) : at + 1]
        assert bell.mean == pytest.approx(recent.mean())
        assert bell.at == pytest.approx(np.arange(max(0, at - 2), at + 1).mean())


def test_what_goes_on_at_the_end_is_ended_there_and_nothing_is_kept_of_the_past():
    bell = Alarms(4, 2, smooth=3)
    for at in range(10_000):
        bell.push(float(at), 5.0)
    assert len(bell._recent) == 4
    (alarm,) = bell.finish()
    assert (alarm.start, alarm.end) == (0, 9997.5)  # the middle of the last four
    assert bell.finish() == []


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_levels_hold_the_stated_share_of_normal_time(rate):
    rng = np.random.default_rng(1)
    normal = [(np.arange(2000) / 2, rng.exponential(size=2000)) for _ in range(10)]
    high, low = levels(normal[:5], rate, smooth=1.0)
    means = []
    for times, scores in normal[5:]:
        bell = Alarms(np.inf, np.inf, 1.0)
        for at, score in zip(times, scores, strict=True):
            bell.push(at, score)
            means.append(bell.mean)
    assert np.mean(np.array(means) >= high) == pytest.approx(rate, rel=0.25)
    assert np.mean(np.array(means) >= low) == pytest.approx(4 * rate, rel=0.25)


def test_each_span_is_found_once_by_the_highest_alarm_that_overlaps_enough():
    alarms = [Alarm(0, 4, 1.0, 0), Alarm(0, 5, 2.0, 0), Alarm(20, 30, 9.0, 20), Alarm(50, None, 3.0, 50)]
    found = found_spans(alarms, [(0, 5), (28, 40)], 0.3)
    assert found == {"alarms": 4, "spans": 2, "right": 1, "pairs": [(1, 0)]}


def test_levels_that_make_no_sense_are_told():
    with pytest.raises(ChiasmError, match="low <= high"):
        Alarms(1, 2)
    with pytest.raises(ChiasmError, match="normal stretches"):
        levels([], 0.05, 1.0)
