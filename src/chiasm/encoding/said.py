"""What the names of a classifier are in a text encoder's vectors: shipped for the defaults, else encoded.

`python -m chiasm.encoding.said` writes the shipped file anew, after a change of a default encoder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.encoding.passes import Passes, drive
from chiasm.files import read_tensors, write_tensors
from chiasm.scale import Progress
from chiasm.views import Column

__all__ = ["said"]

SHIPPED = Path(__file__).parent / "_said.safetensors"
"""The names of effnet_image in the vectors of e5_text, half precision: 2,000 texts that no first fit waits for."""


def said(encoder: Any, phrasings: Sequence[Sequence[str]], progress: Progress | None = None) -> np.ndarray:
    """`(m, e)` float32, the mean vector of each name's phrasings, zeros where none can be read.

    Shipped where `encoder` and texts are those of `SHIPPED`; else through the cache.
    """
    arrays, told = read_tensors(SHIPPED)
    if told == _told(encoder, phrasings):
        return arrays["names"].astype(np.float32)
    return _encoded(encoder, phrasings, progress)


def _encoded(encoder: Any, phrasings: Sequence[Sequence[str]], progress: Progress | None) -> np.ndarray:
    of = np.repeat(np.arange(len(phrasings)), [len(one) for one in phrasings])
    run = Passes(encoder, Column("text", [text for one in phrasings for text in one]))
    drive({"names": run}, np.arange(len(of)), progress)
    column = run.column()
    place = column.index[column.present]
    sums = np.zeros((len(phrasings), column.width))
    np.add.at(sums, of[column.present], np.asarray(column.items)[place])
    counts = np.bincount(of[column.present], minlength=len(phrasings))
    return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)


def _told(encoder: Any, phrasings: Sequence[Sequence[str]]) -> dict[str, str]:
    texts = json.dumps([list(one) for one in phrasings], ensure_ascii=False)
    return {"encoder": encoder.fingerprint, "texts": hashlib.sha256(texts.encode()).hexdigest()}


def main() -> None:
    """Encode the names of the default image encoder by the default text encoder."""
    from chiasm import registry
    from chiasm.encoding.step import DEFAULTS

    text, image = (registry.make("encode", DEFAULTS[modality]) for modality in ("text", "image"))
    phrasings = image.known().phrasings
    write_tensors(SHIPPED, {"names": _encoded(text, phrasings, None).astype(np.float16)}, _told(text, phrasings))


if __name__ == "__main__":
    main()
