"""A quick model of colored shapes and their captions, for tests of collections."""

from __future__ import annotations

from pathlib import Path

import chiasm
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures


def shapes_model(home: Path, align: str = "cca") -> Path:
    """Where the model is saved, below `home`; its views are text and image."""
    pairs = make_pictures(home / "learned", 96)
    views = chiasm.Views.of(
        {"text": [text for _, text in pairs], "image": [str(home / "learned" / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(96)],
    )
    Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}, align=align).fit(views).save(home / "m.chiasm")
    return home / "m.chiasm"
