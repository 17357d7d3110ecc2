"""`chiasm fit cluster`, `answer`, `score` and the sheet, end to end; answers need no scikit-learn."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chiasm.cli import main
from chiasm.tasks.cluster import Cluster
from conftest import make_pictures


def test_pictures_and_captions_are_grouped_answered_scored_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cache: object
) -> None:
    lines = ["path,caption,shape"]
    for name, caption in make_pictures(tmp_path, 48):
        shape = caption.split()[2]
        lines.append(f"{name},{caption} {caption} of a {shape},{shape}")
    table = tmp_path / "t.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    options = ["--text", "caption", "--image", "path", "--label", "shape", "--groups", "3", "--learn", "kmeans"]
    encoders = ["--encoder", "caption=hashed_text", "--encoder", "path=pixel_image"]
    target, sheet = str(tmp_path / "m"), tmp_path / "s.png"
    main(["fit", "cluster", str(table), *options, *encoders, "--to", target, "--sheet", str(sheet), "--json"])
    done = json.loads(capsys.readouterr().out)
    assert sum(group["rows"] for group in done["groups"]) == 48
    assert all(group["words"] for group in done["groups"])
    assert Image.open(sheet).size[1] > 3 * 132
    main(["score", target, str(table), "--json"])
    scored = json.loads(capsys.readouterr().out)
    assert scored["rows"] == 48
    assert set(scored["views_alone"]) == {"caption", "path"}
    main(["answer", target, str(table), "--to", str(tmp_path / "a.csv")])
    with open(tmp_path / "a.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "answer", "name", "confidence", "views"]
    assert {row["answer"] for row in rows} <= {"0", "1", "2"}


def test_answers_need_no_scikit_learn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4)) + 6 * np.eye(4)[np.arange(60) % 2]
    code = (
        "import sys; sys.modules['sklearn'] = None; import numpy as np, chiasm; "
        "print(chiasm.load(sys.argv[1]).answer({'a': np.load(sys.argv[2])})[0].tolist())"
    )
    np.save(tmp_path / "rows.npy", rows)
    for learn in ("spectral", "kmeans", "mixture"):
        model = Cluster(k=2, learn=learn).fit({"a": rows})
        model.save(tmp_path / learn)
        words = [sys.executable, "-c", code, str(tmp_path / learn), str(tmp_path / "rows.npy")]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == model.predict({"a": rows}).tolist()
