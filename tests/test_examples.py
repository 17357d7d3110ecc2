"""The examples run as a reader would run them, and do what they say."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@cache
def lines(name: str) -> list[str]:
    done = subprocess.run([sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.glob("*.py"))])
def test_an_example_runs(name):
    assert lines(name)


def test_search_by_words_finds_what_was_asked():
    assert [line.split("  ")[1].split(",")[0] for line in lines("search_by_words.py")] == ["a blue square"] * 3


def test_customer_service_is_right_more_often_with_words_and_picture_than_with_either():
    right = {line[:15].strip(): float(line[15:20]) for line in lines("customer_service.py")[:3]}
    assert right["words + picture"] > max(right["words"], right["picture"]) + 5


def test_motion_tells_what_a_picture_does_not():
    right = {}
    for line in lines("traffic.py")[3:5]:
        name, figures = line.split(" alone")
        right[name.strip()] = float(figures.split()[0])
    assert right["video.motion"] > right["video"] + 30


def test_words_and_picture_each_add_to_the_sentiment():
    found = [line for line in lines("sentiment.py") if " adds +" in line]
    assert len(found) == 4  # both views, on scored rows and out of fold


def test_a_flow_makes_each_stage_once():
    first, second = lines("flow.py")[:7], lines("flow.py")[7:14]
    assert [line.split(":")[0] for line in first] == [line.split(":")[0] for line in second]
    assert not any(": unchanged" in line for line in first)
    assert all(": unchanged" in line for line in second)
