"""Target-aware last layers: a low-rank change of a frozen encoder's, learned from labels on a CPU, a task each.

Sources: Hu et al., LoRA, ICLR 2022; Kumar et al. 2022 (a head is fitted before the layers below it move); Wolpert 1992
(what a learned column says of training rows is said without them).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import registry, scale
from chiasm.allowed import COUNT, PART, SEED, choice
from chiasm.encode import Encoder, packed
from chiasm.encoding.passes import Passes, drive
from chiasm.errors import ChiasmError
from chiasm.known import Last
from chiasm.media.images import Note
from chiasm.nn.blocks import Params
from chiasm.splits import folds_of
from chiasm.target import ANSWER_KINDS, Target
from chiasm.tune._bar import passed
from chiasm.tune._networks import frozen, learned, tuned
from chiasm.tune._tuner import Tuner
from chiasm.views import Column, connected

__all__ = ["Adapter"]

_LEAST = 8


class Adapter(Tuner, Encoder):
    """The vectors `(n, d)` of an encoder whose last layers have learned the labels; in its place in every way.

    What the last layers read is computed once an item and kept in the cache, in half precision: 31 kB a picture of 288
    pixels for effnet_image. Trained are a matrix of low rank and a linear head over the vectors, which starts as
    regression on the frozen ones. In EfficientNet the matrix is added between the last block's hidden map and the
    head's, which tunes both layers that lie between; in BERT, ViT and their kin to the last linear layer.

    Five networks learn, each without one fold of the rows, no id, group or equal item parted. **An item that was
    learned from has the vector of the network that did not see it**, so that what is fitted on top does not take what
    networks know by heart for what they know of new items; any other item has the mean of all. A fuser, `early`,
    answers left-out rows from the frozen vectors and from the tuned ones; where these do not gain more than a standard
    error, nothing is changed, and the vectors are the encoder's own, to the half precision of the cache.

    **It has not won** (docs/fuse.md): of ikea's types of product, X-rays and tweets nothing was kept on any of three
    splits, of ikea's colors on one, -1.1 points [-7.4, 5.2], and the last layers learned in full were not shown to be
    better either. So it costs a fit and seldom changes anything; try it as a view of its own beside the frozen encoder,
    where a fuser weighs it. It wants labels, which a task hands on: `chiasm fit classify ... --encoder tuned=adapter`.

    Args:
        encoder: the encoder below, or its name: effnet_image or effnet2_image; hf_image or hf_text with a folder whose
            network ends in a linear layer and a layer normalization (BERT, RoBERTa, ViT, DINOv2): on the command line
            `--encoder caption=adapter:encoder=hf_text:FOLDER`.
        kind: of the labels: "classes", "tags" or "numbers".
        rank: of the matrix: at 4 the five networks together add 1.5 % to the numbers of effnet_image, .1 % to BERT's.
        seed: of folds and draws.
        fuse: the fuser by which the change is judged, or its name: best the one that comes after.

    Learned: `added_`, the arrays of all networks (the encoder's own are not saved); `digests_` `(m, 16)` and `folds_`
    `(m,)` of the items learned from; `target_`; `chosen_`: loss by epoch, the fuser's gain on left-out rows before and
    after, the standard error of the difference, and whether the change was kept.
    """

    allowed: ClassVar = {"encoder": PART, "kind": choice(*ANSWER_KINDS), "rank": COUNT, "seed": SEED, "fuse": PART}

    added_: Params
    target_: Target
    digests_: np.ndarray
    folds_: np.ndarray

    def __init__(
        self,
        encoder: Any = "effnet_image",
        kind: str = "classes",
        rank: int = 4,
        seed: int = 0,
        fuse: Any = "early",
    ):
        self.encoder = encoder
        self.kind = kind
        self.rank = rank
        self.seed = seed
        self.fuse = fuse

    @property
    def modality(self) -> str:  # type: ignore[override]
        """What the encoder reads."""
        return str(registry.make("encode", self.encoder).modality)

    @property
    def near(self) -> float | None:  # type: ignore[override]
        """Cosine from which two items are called nearly equal, as the encoder has it: its vectors move little."""
        found: float | None = registry.make("encode", self.encoder).near
        return found

    def fit(self, items: Sequence[Any], y: Any = None, groups: Any = None) -> Adapter:
        """Learn from items and their labels, one an item; items without a label, or that cannot be read, are left out.

        Args:
            groups: `(n,)` what has to stay on one side of a fold (a patient); left out, equal items alone do.

        Raises a ChiasmError without labels, where they are all equal, and for an encoder that has no last layers to
        tune.
        """
        if y is None:
            raise ChiasmError(
                "adapter: wanted labels to learn from, got none: name their column (label='COL'); beside another "
                f"encoder make it a view of its own, not one joined by +; without labels take {self.encoder!r}."
            )
        if len(y) != len(items):
            raise ChiasmError(f"adapter: wanted {len(items)} labels, one an item, got {len(y)}.")
        if groups is not None and len(groups) != len(items):
            raise ChiasmError(f"adapter: wanted {len(items)} groups, one an item, got {len(groups)}.")
        last = self._last()
        labels = np.fromiter(y, dtype=object, count=len(items))
        Target(self.kind).fit(labels)  # labels that teach nothing are told before the work, not after
        column = self._read(last, items)[0]
        rows = np.flatnonzero(column.present)
        rows = rows[~np.isnan(Target(self.kind).fit(labels).encode(labels)[rows]).any(axis=1)]
        if len(rows) < _LEAST:
            raise ChiasmError(f"adapter: wanted {_LEAST} items with labels to learn from, got {len(rows)}.")
        self.target_ = Target(self.kind).fit(labels[rows])
        truth = self.target_.encode(labels[rows])
        if self.kind == "numbers":
            truth = (truth - truth.mean(axis=0)) / np.maximum(truth.std(axis=0), 1e-30)
        same = column.index[rows]  # equal items are one already
        held = same if groups is None else np.unique([str(one) for one in groups], return_inverse=True)[1][rows]
        together = connected(held, same)
        folds = np.unique(folds_of(together, truth, self.kind, self.seed), return_inverse=True)[1]
        found = learned(last, column.items.some(same), truth, folds, self.kind, self.rank, self.seed)
        said = passed(self.fuse, labels[rows], together, self.kind, self.seed, found.before, found.after)
        self.added_ = found.added if said.kept else {}
        self.chosen_ = {"losses": found.losses, **said._asdict(), "kept": said.kept}
        first = np.unique(same, return_index=True)[1]
        self.digests_ = np.asarray(column.digests)[same[first]]
        self.folds_ = folds[first]
        return self

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Vectors on all cores; what cannot be read is noted as skipped."""
        self.check_fitted()
        last = self._last()
        column, notes = self._read(last, items)
        fold, tokens = self._known(column), column.items

        def one(place: int) -> np.ndarray:
            if not self.added_:
                return frozen(last, tokens, place)
            made = tuned(last, self.added_, tokens, place)
            return made.mean(axis=0) if fold[place] < 0 else made[fold[place]]

        used = column.used.tolist()
        made = dict(zip(used, scale.threads(one, used), strict=True))
        return packed([made.get(int(place)) for place in column.index], last.width), notes

    def _known(self, column: Column) -> np.ndarray:
        """`(m,)` of each item of a column the network that did not see it; -1 of one that none has seen."""
        places = dict(zip(map(bytes, self.digests_), self.folds_.tolist(), strict=True))
        return np.array([places.get(bytes(one), -1) for one in np.asarray(column.digests)], dtype=np.int64)

    def _read(self, last: Last, items: Sequence[Any]) -> tuple[Column, dict[int, list[Note]]]:
        """What the last layers read of items, through the cache, and notes by position."""
        run = Passes(last.below, Column(last.below.modality, list(items)))
        drive({"": run}, np.arange(len(items)))
        notes: dict[int, list[Note]] = {}
        for position, note in run.notes:
            notes.setdefault(position, []).append(note)
        return run.column(), notes

    def _last(self) -> Last:
        if getattr(self, "_layers", None) is None:
            encoder = registry.make("encode", self.encoder)
            if not hasattr(encoder, "last"):
                raise ChiasmError(
                    f"adapter: wanted an encoder whose last layers can be tuned (effnet_image, effnet2_image, hf_image "
                    f"or hf_text), got {encoder!r}."
                )
            self._layers = encoder.last()
        return self._layers

    def content(self, item: Any) -> bytes:
        """As the encoder has it."""
        found: bytes = registry.make("encode", self.encoder).content(item)
        return found

    def weights(self) -> str:
        """The fingerprint of what lies below."""
        return str(self._last().below.fingerprint)

    def __getstate__(self) -> dict[str, Any]:
        return {name: held for name, held in vars(self).items() if name != "_layers"}
