"""The examples run as a reader would run them, and do what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_an_example_runs(path):
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_first_example_finds_what_was_asked():
    done = subprocess.run([sys.executable, str(EXAMPLES[0])], capture_output=True, text=True, check=True)
    assert [line.split("  ")[1].split(",")[0] for line in done.stdout.splitlines()] == ["a blue square"] * 3
