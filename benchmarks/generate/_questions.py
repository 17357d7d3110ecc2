"""What the benchmarks of questions share: vqa_rad, and what pictures are encoded by."""

from __future__ import annotations

import warnings
from typing import Any

import chiasm
from benchmarks._sets import pack
from chiasm.views import Views

__all__ = ["BEST", "RAD", "quiet", "rad"]

RAD = {"text": "question", "image": "image", "label": "answer", "id": "id", "split": "split"}
BEST = {"image": "effnet_image+pixel_image"}
"""What the parts learn with: of `designs` best by .4 points when it was chosen; level with pixels alone since."""


def rad() -> Views:
    """vqa_rad."""
    return quiet(lambda: chiasm.read(pack("vqa_rad") / "data.parquet", **RAD))


def quiet(call: Any) -> Any:
    """A call without the warnings that reading rare answers gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()
