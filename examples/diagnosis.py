"""A picture and a record, one diagnosis: patients never cut in two, and who is sent to a doctor instead of answered.

`python examples/diagnosis.py`: made-up scans (a faint bright spot in the sick ones) with age, temperature and ward of
160 patients, one to four visits each. A study of the method, never a medical device. Your own table is read the same
way: `chiasm fit classify DATA --image scan --number age --number temperature --category ward --group patient ...`.
"""

import csv
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import chiasm
from chiasm.splits import cut
from chiasm.stats.answers import automation
from chiasm.tasks.classify import Classify


def write(folder: Path, patients: int = 160, seed: int = 0) -> Path:
    """A csv and its pictures, as a hospital might export them: numbers are missing here and there."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        sick = bool(rng.random() < 0.5)
        body = rng.normal(110, 12)  # a patient's scans are alike, which is why they must not be parted
        for visit in range(int(rng.integers(1, 5))):
            scan = body + rng.normal(0, 14, size=(48, 48))
            if sick and rng.random() < 0.7:
                x, y = rng.integers(10, 18, 2)
                scan[y : y + 16, x : x + 16] += 40
            name = f"{patient:03d}-{visit}.png"
            Image.fromarray(np.clip(scan, 0, 255).astype(np.uint8)).save(folder / name)
            fever = f"{rng.normal(37.8 if sick else 36.9, 0.6):.1f}" if rng.random() < 0.6 else ""
            ward = rng.choice(["A", "B"])
            rows.append([name, f"P{patient}", rng.integers(20, 90), fever, ward, "sick" if sick else "well"])
    with (folder / "visits.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["scan", "patient", "age", "temperature", "ward", "finding"], *rows])
    return folder / "visits.csv"


def main() -> float:
    """Learn, score, and choose from which confidence on to answer; returns the AUC."""
    with tempfile.TemporaryDirectory() as home:
        views = chiasm.read(
            write(Path(home)),
            image="scan",
            number=["age", "temperature"],
            category="ward",
            group="patient",
            label="finding",
        )
        views.facts["split"] = cut(views, {"train": 0.6, "val": 0.2, "test": 0.2}, seed=1)
        train, val, test = (views[views.split == part] for part in ("train", "val", "test"))
        shared = set(train.group) & set(test.group)
        print(f"{len(train)} visits to learn from, {len(test)} to be scored, {len(shared)} patients in both")
        model = Classify(encoders={"scan": "pixel_image"}).fit(train)
        score = model.score(test, split="test")
        print(f"AUC {score.table['auc']}")
        print(score.table["verdict"])
        answers, sure = model.answer(val)
        chosen = automation(sure, answers == val.label, 0.05)
        level = 1.0 if chosen["threshold"] is None else chosen["threshold"]
        answers, sure = model.answer(test)
        done = sure >= level
        wrong = int((answers[done] != test.label[done]).sum())
        print(f"answered without a doctor, from {100 * level:.0f} % on: {done.sum()} of {len(test)}, {wrong} wrong")
    return float(score.table["auc"]["value"])


if __name__ == "__main__":
    main()
