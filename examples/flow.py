"""A flow from data to a report in one command: what other labels and a shared space add to a mood.

`python examples/flow.py [FOLDER]`: made-up posts, in which the words and the color of the picture tell the mood two
times in three each. Few of them have it; many reviews with the same words and pictures have stars. The flow learns from
the reviews first (`examples/flow.toml`), and a second run makes nothing again.
"""

import csv
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from chiasm.data.toy import SHAPES, shape_image
from chiasm.flow import flow

WORDS = {1: ["what a lovely day", "so happy with it", "great, thanks"], 0: ["awful", "so sad about it", "never again"]}
COLORS = {1: ["yellow", "green"], 0: ["blue", "red"]}


def write(folder: Path, name: str, n: int, labels: dict[int, str], column: str, seed: int) -> None:
    """A table of words, pictures and a label."""
    rng = np.random.default_rng(seed)
    with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["words", "picture", column])
        for i in range(n):
            good = int(rng.integers(2))
            said, seen = (good if rng.random() < 2 / 3 else int(rng.integers(2)) for _ in range(2))
            picture = f"{name}-{i}.png"
            shape_image(rng.choice(COLORS[seen]), rng.choice(SHAPES), seed=seed + i).save(folder / picture)
            table.writerow([f"{rng.choice(WORDS[said])} #{seed + i}", picture, labels[good]])


def main() -> None:
    """Make the tables, run the flow twice."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="flow-"))
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "posts", 120, {1: "good", 0: "bad"}, "mood", 0)
    write(folder, "reviews", 150, {1: "five", 0: "one"}, "stars", 10_000)
    write(folder, "new", 10, {1: "", 0: ""}, "mood", 20_000)
    shutil.copy(Path(__file__).with_name("flow.toml"), folder)
    for _ in range(2):
        for one in flow(folder / "flow.toml"):
            print(f"{one.stage}: {one.told if one.why else 'unchanged'} -> {one.folder.name} ({one.seconds} s)")
    print(f"the report: {folder / 'flow' / '7-report' / 'report.html'}")


if __name__ == "__main__":
    main()
