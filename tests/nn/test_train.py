"""The training loop: several sides, each with an optimizer and a loss of its own."""

import numpy as np
import pytest

from chiasm.nn.schedule import Schedule
from chiasm.nn.train import Stopped, train

ONE = {"rows": np.arange(1)}
ROWS = {"x": np.zeros((1, 1), np.float32)}


def values(found):
    return {group: float(inner["value"]) for group, inner in found.params.items()}


def run(objective, sides, epochs=400):
    start = {name: {"value": np.array(0.0, np.float32)} for name in ("player", "other")}
    schedule = Schedule(epochs=epochs, rate=0.05, decay=0.0)
    return values(train(start, ROWS, lambda: [ONE], objective, schedule=schedule, sides=sides))


def chase(params, rows, batch, step):
    """The player wants to be at 3, the other where the player is."""
    player, other = params["player"]["value"], params["other"]["value"]
    return (player - 3) ** 2, (other - player) ** 2 + 100 * (player + 5) ** 2


def test_each_side_goes_down_its_own_loss_alone():
    found = run(chase, [["player"], ["other"]])
    assert found["player"] == pytest.approx(3, abs=0.02)  # what the other's loss asks of the player is not heard
    assert found["other"] == pytest.approx(3, abs=0.05)


def test_one_side_minimizes_one_sum():
    found = run(lambda *given: sum(chase(*given)), None)
    assert found["player"] == pytest.approx((3 - 500) / 101, abs=0.05)


def test_what_one_side_owns_no_other_moves():
    found = run(lambda *given: chase(*given)[:1], [["player"]])
    assert found["player"] == pytest.approx(3, abs=0.02)
    assert found["other"] == 0


@pytest.mark.parametrize("seen", [0, 7])
def test_an_interrupt_tells_the_best_so_far_or_is_one(seen):
    scores = []

    def score(params):
        scores.append(-abs(float(params["player"]["value"]) - 0.2))
        if len(scores) == seen + 1:
            raise KeyboardInterrupt
        return scores[-1]

    start = {"player": {"value": np.array(0.0, np.float32)}}
    with pytest.raises(Stopped if seen else KeyboardInterrupt) as caught:
        train(
            start,
            ROWS,
            lambda: [ONE],
            lambda params, *_: (params["player"]["value"] - 3) ** 2,
            score,
            schedule=Schedule(epochs=20, rate=0.1, decay=0.0),
        )
    if seen:
        best = caught.value.outcome
        assert -abs(float(best.params["player"]["value"]) - 0.2) == max(scores[:seen])
        assert best.epoch == int(np.argmax(scores[:seen]))
        assert len(best.history) == seen
    else:
        assert not isinstance(caught.value, Stopped)


def test_adversaries_meet_at_the_saddle():
    """min over x, max over y of x y + x^2/2 - y^2/2 is at (0, 0)."""

    def objective(params, rows, batch, step):
        x, y = params["player"]["value"] + 1, params["other"]["value"] - 1
        value = x * y + x**2 / 2 - y**2 / 2
        return value, -value

    found = run(objective, [["player"], ["other"]], epochs=800)
    assert found["player"] == pytest.approx(-1, abs=0.05)
    assert found["other"] == pytest.approx(1, abs=0.05)


def test_a_schedule_rises_then_falls_to_nothing():
    schedule = Schedule(epochs=10, rate=2.0, decay=0.0)
    rates = [schedule.at(step, step / 100, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.2 * 0.5 * (1 + np.cos(0)))
    assert max(rates) == pytest.approx(rates[9])
    assert all(np.diff(rates[9:]) < 0)
    assert rates[100] == pytest.approx(0)
