"""Contracts: what a part of one's own has to offer, and `check_part`, which tries it. For people who write parts.

A part is a class with the manners of scikit-learn: its constructor stores the values that it is given, each with a
default, and does nothing else; what it learns goes to attributes whose names end in one underscore (arrays, numbers,
texts, lists and dicts of these, other parts): that, and no pickle, is what is saved. Vectors are `(n, d)` float32.
Inherit from the base of the kind, which has the rest; or write a class of your own with the methods named under "must",
and what is missing is put around it. docs/contracts.md has a page on it, with an example of each.

*encoder*: raw items of one modality -> vectors. `Encoder`: say `modality`, write `attempt(items)`, which returns
`(n, d)` float32 (or `Tokens`) and notes by position on items that were skipped; `each` and `readable` help. May be left
out: `fit(items)` (learn from training items), `content(item)` (the bytes that make an item what it is), `version`
(raise it when equal items get other numbers), `batch`, `near`, `weights()`. Without the base, must: `modality`,
`encode(items)`, and `get_params` or `fingerprint`.

*aligner*: encoded views -> one space. `Aligner`: write `fit(views, y=None)`, `_widths()` (by view, the width d that it
takes) and `_map(name, rows)` (`(m, d)` -> `(m, k)`); or `transform(views)` instead of the last two. `Linear`: only
`fit`, which sets `means_` and `weights_`. May be left out: `val` in `fit` (validation rows, for those that choose
something), `chosen_` (what was chosen, for the score's page), `spare` (names of learned attributes that only further
learning needs). Without the base, must: `fit(views)` and `transform(views)`, which returns Views of the same rows.

*fuser*: encoded views, any of them absent -> one answer a row. `Fuser`: parameters `kind` ("classes", "tags",
"numbers") and `seed`; write `_learn(held, truth, folds)` and `_answer(held, n)`, over a `Block` a view and truth
`(n, c)`. May be left out: out-of-fold answers as what `_learn` returns (with `crosses_cheaply = True`), `weights_` by
view, `row_weights(views)`. Without the base, must: `fit(views, y)` and `predict_proba(views)`, with `classes_` for
their order, or for numbers `predict(views)`.

*distiller*: a teacher's view and a student's -> a student that answers from its own view. `Distiller`: parameters
`teacher`, `student`, `kind` and `seed`; write `_targets(views, known)`, the numbers `(m, t)` that are taught of m rows.
Without the base, must: `fit(views, y)`, `predict(views)` and `teacher`.

*generator*: encoded views -> texts, or vectors of another form. `Generator`: `makes` ("texts" or "vectors"),
`fit(views, y)`, `generate(views)` and `score(views, y)`. `Writer`, for texts: write `_learn(known)` (things with their
captions) and `_write(held, n)`, n captions of a `Block` a view.

*index*: vectors -> the nearest. `Index`: `add(keys, vectors)`, `search(vectors, k)` -> keys and scores `(q, k)`, higher
is closer; `delete(keys)` -> how many went; `len`. May be left out: `ranked`, `is_exact`. Without the base, must: these
four.

*tuner*: a part taught for a task from labels, which stands where the part does that it wraps, its parameter `encoder`.
`Tuner`, and the base of that part's kind; it keeps what that kind promises. `fit(items, y=None, groups=None)` raises a
ChiasmError without labels.

*explainer*: a part and rows of two items -> what their scores rest on. `Explainer`: write `told(modality, item, score,
patches)`, which asks `score` for the scores of altered copies; or `explain(part, views)` instead. May be left out:
`reads`, the modalities that it takes apart. Without the base, must: `explain(part, views)`, which calls
`part.pair_scores` and returns Views of the same rows and columns, a dict an item.

*task*: a question over views: `fit(views, y=None)`, `answer(...)`, and `score(views)` whose table states its baseline
("majority" or "chance"). It encodes its views itself (`chiasm.encoding.Encoding`). There is no base to inherit from but
`Part`; the command line knows only chiasm's own tasks.

>>> import chiasm
>>> findings = chiasm.contracts.check_part(chiasm.index.Exact)
>>> len(findings.of("kept")), findings.of("broken")
(11, ())
"""

from chiasm.align import Aligner, Linear
from chiasm.contracts.check import ContractError, Finding, Findings, check_part, kind_of, promises
from chiasm.distill import Distiller
from chiasm.encode import Encoder, each, readable
from chiasm.errors import ChiasmError
from chiasm.explain import Explainer
from chiasm.fuse import Fuser
from chiasm.generate import Generator, Writer
from chiasm.index import Index
from chiasm.media.images import MediaError, Note
from chiasm.part import Part
from chiasm.stats.blocks import Block
from chiasm.tokens import Tokens
from chiasm.tune import Tuner
from chiasm.views import Column, Views, as_views

__all__ = [
    "Aligner",
    "Block",
    "ChiasmError",
    "Column",
    "ContractError",
    "Distiller",
    "Encoder",
    "Explainer",
    "Finding",
    "Findings",
    "Fuser",
    "Generator",
    "Index",
    "Linear",
    "MediaError",
    "Note",
    "Part",
    "Tokens",
    "Tuner",
    "Views",
    "Writer",
    "as_views",
    "check_part",
    "each",
    "kind_of",
    "promises",
    "readable",
]
