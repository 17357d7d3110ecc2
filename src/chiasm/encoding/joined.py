"""Several encoders of one view side by side, each block divided by its spread so that no encoder drowns another."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.cache import key_of
from chiasm.known import Known
from chiasm.media.images import Note
from chiasm.part import Part

__all__ = ["Joined", "members"]


class Joined(Part):
    """Two or more encoders of one modality as one: `(n, d_1 + d_2 + ...)` float32.

    x = [x_1 / s_1, x_2 / s_2, ...], where s_i is the spread of encoder i: the square root of the mean squared distance
    of its vectors from their mean, over training items.

    Choose it where encoders see different things. Measured (benchmarks/align/text_encoders.py): two pretrained ones
    beat either on English captions; TF-IDF beside e5_text helps `cca` on Chinese news, under `auto` no more than within
    noise, and on captions not at all. So compare with the best one alone, on validation rows.

    `Encoding` makes it from `"e5_text+tfidf_text"` or a list, and reads each encoder through the cache on its own.

    Args:
        encoders: the encoders, of one modality, in the order of their blocks.

    Learned: `encoders_`, `scales_` (the s_i), `widths_` (the d_i) and `near_`.
    """

    def __init__(self, encoders: Sequence[Any]):
        self.encoders = encoders

    def fit(self, items: Sequence[Any]) -> Joined:
        """Let the encoders that learn do so from training items; until `weigh`, the scales are 1."""
        self.encoders_ = [copy.deepcopy(encoder).fit(items) for encoder in self.encoders]
        self.scales_ = [1.0] * len(self.encoders_)
        self.near_: float | None = None
        return self

    def weigh(self, blocks: Sequence[Any]) -> Joined:
        """Learn the scales from the vectors `(m, d_i)` that each encoder gives m training items.

        A block without any spread keeps scale 1. `near_` is the mean of the encoders' `near`, each weighted by its
        block's share of the squared length: of unit vectors, the cosine of two items that are so near in every block.
        """
        wide = [np.asarray(block, dtype=np.float64) for block in blocks]
        self.widths_ = [block.shape[1] for block in wide]
        spreads = [np.sqrt(((b - b.mean(axis=0)) ** 2).sum(axis=1).mean()) if len(b) else 0.0 for b in wide]
        self.scales_ = [float(spread) if spread > 1e-9 else 1.0 for spread in spreads]
        lengths = [(b**2).sum() / scale**2 for b, scale in zip(wide, self.scales_, strict=True)]
        limits = [encoder.near for encoder in self.encoders_]
        self.near_ = float(np.average(limits, weights=lengths)) if None not in limits and sum(lengths) > 0 else None
        return self

    def encode(self, items: Sequence[Any]) -> np.ndarray:
        """The vectors of n items; a ChiasmError that names the first item that one of the encoders cannot encode."""
        return self.encode_told(items)[0]

    def encode_told(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """As `encode`, with notes by position of what was altered; what two encoders note alike stands once."""
        self.check_fitted()
        found = [encoder.encode_told(items) for encoder in self.encoders_]
        blocks = [np.asarray(block, np.float32) / scale for (block, _), scale in zip(found, self.scales_, strict=True)]
        notes: dict[int, list[Note]] = {}
        for _, told in found:
            for position, mine in told.items():
                notes[position] = list(dict.fromkeys([*notes.get(position, []), *mine]))
        return np.concatenate(blocks, axis=1), notes

    def known(self) -> Known | None:
        """What the first of the encoders that knows names knows, in the joined vectors."""
        for place, encoder in enumerate(self.encoders_):
            if found := getattr(encoder, "known", lambda: None)():
                wide = [np.zeros((len(found.biases), width), np.float32) for width in self.widths_]
                wide[place] = found.weights * np.float32(self.scales_[place])
                return found._replace(weights=np.concatenate(wide, axis=1))
        return None

    def content(self, item: Any) -> bytes:
        """The bytes that make an item what it is: those that its encoders agree on, else a hash of each."""
        found = [encoder.content(item) for encoder in self.encoders]
        return found[0] if len(set(found)) == 1 else b"".join(key_of(content) for content in found)

    @property
    def modality(self) -> str:
        """What it reads."""
        return str(self.encoders[0].modality)

    @property
    def batch(self) -> int:
        """Items a call that is worth making."""
        return max(int(encoder.batch) for encoder in self.encoders)

    @property
    def near(self) -> float | None:
        """Cosine from which two items are called nearly equal; None before `weigh`, or where an encoder has none."""
        return self.near_

    @property
    def fingerprint(self) -> str:
        """Changes when the numbers would: with an encoder's fingerprint or a scale."""
        prints = [encoder.fingerprint for encoder in self.encoders_]
        text = repr((prints, self.scales_))
        return f"{'+'.join(p.rsplit('-', 1)[0] for p in prints)}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def members(encoder: Any) -> list[Any]:
    """The encoders that are joined, fitted ones where there are any; of any other encoder, itself."""
    if not isinstance(encoder, Joined):
        return [encoder]
    return list(vars(encoder).get("encoders_", encoder.encoders))
