"""What is asked and answered, as types: strict, and nothing beside what is named."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from chiasm.collection import LONGEST_NAME

__all__ = [
    "Added",
    "Ask",
    "Bounds",
    "Explain",
    "Explained",
    "Failure",
    "Found",
    "Hit",
    "Item",
    "Items",
    "Ledger",
    "Login",
    "Marked",
    "Marks",
    "Named",
    "Report",
    "Teach",
    "Term",
    "Uploaded",
    "What",
]

Words = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Seconds = Annotated[float, Field(ge=0, lt=1e7, allow_inf_nan=False)]
Key = Annotated[int, Field(ge=0, lt=2**53)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Term(_Strict):
    """One thing to ask with: words, a file that was sent to /uploads, or an item that is here."""

    words: Words | None = None
    upload: Short | None = None
    item: Key | None = None
    start: Seconds | None = None
    """Of an item that is searched by moment: where the one that is meant begins; left out, its first."""
    weight: Annotated[float, Field(allow_inf_nan=False, ge=-100, le=100)] = 1.0
    """Below 0: not like this."""

    @model_validator(mode="after")
    def _one(self) -> Term:
        if sum(one is not None for one in (self.words, self.upload, self.item)) != 1:
            raise ValueError("wanted one of words, upload and item")
        if self.start is not None and self.item is None:
            raise ValueError("wanted start beside item alone")
        if abs(self.weight) < 1e-3:
            raise ValueError("wanted a weight of at least 0.001, or of at most -0.001")
        return self


class Ask(_Strict):
    """A question."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"terms": [{"words": "a dog in snow"}], "k": 12},
                {"terms": [{"words": "雪地里的狗"}], "where": ["date>=2024-05", "kind=image"], "reject": 0.1},
                {
                    "terms": [{"item": 17}, {"words": "at night"}, {"words": "people", "weight": -1}],
                    "k": 24,
                    "skip": 24,
                },
            ]
        },
    )

    terms: Annotated[list[Term], Field(min_length=1, max_length=16)]
    to: Short | None = None
    """The view to answer with, one of those in `held` of /what; needed where several could be meant."""
    k: Annotated[int, Field(ge=1, le=1000)] = 24
    skip: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Answers that are passed over: page 3 of 24 is skip 48."""
    where: Annotated[list[Short], Field(max_length=16)] = []
    """Conditions: "date>=2024-05", "kind=image", "caption~dog"."""
    reject: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = None
    """Say when nothing matches; of queries that do have a match so large a share is rejected too."""
    lenient: bool = False
    """Answer all the same, without `reject`, where nobody knows what a match scores: several terms, a taught name.

    Without `among` such answers are in no other order than the best first; `notes` says so, and why.
    """
    sort: Short | None = None
    """Within what is accepted by `reject`, or among the best: "date", "-date"."""
    among: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """The best so many are sorted."""
    group: bool = True
    """Near-duplicates are one answer."""
    more: Annotated[list[Key], Field(max_length=100)] = []
    less: Annotated[list[Key], Field(max_length=100)] = []
    """Items of which more, and less, is wanted."""


class Hit(BaseModel):
    """An item that fits."""

    id: int
    rank: int
    score: float
    probability: float | None = None
    """That it is the very one that is meant, supposing that one here is; with `reject` alone."""
    kind: str
    path: str | None = None
    """Below the folder; for the scope admin alone."""
    date: str | None = None
    caption: str | None = None
    width: int | None = None
    height: int | None = None
    """Pixels of a picture or video as it is shown, where they are known: older indexes lack them."""
    start: float | None = None
    end: float | None = None
    """Seconds, of a moment of a long medium."""
    alike: dict[str, list[int]] = {}
    """Other items that are nearly this one, folded into it: same_bytes, same_picture, burst."""
    why: dict[str, Any] = {}


class Found(BaseModel):
    """Answers, the best first; none and `rejected` where nothing matches."""

    hits: list[Hit]
    rejected: bool = False
    judged: bool = False
    """Whether `reject` was heeded: what does not match by itself is left out."""
    more: bool = False
    """Whether there are further pages."""
    notes: list[str] = []
    seconds: float


class Item(BaseModel):
    """A file of the collection."""

    id: int
    state: str
    kind: str
    code: str = ""
    path: str | None = None
    date: str | None = None
    caption: str | None = None
    width: int | None = None
    height: int | None = None
    """As of a hit."""


class Items(BaseModel):
    """Files in the order in which they were seen, or by their dates."""

    items: list[Item]
    next: int | None = None
    """What to ask with as `after` for those that follow."""
    notes: list[str] = []


class Ledger(BaseModel):
    """seen = searchable + failed + waiting."""

    seen: int
    searchable: int
    failed: int
    waiting: int
    reasons: dict[str, int] = {}
    passed_over: dict[str, int] = {}


class What(BaseModel):
    """What is served."""

    views: dict[str, str]
    """Name -> modality of what can be asked with."""
    held: dict[str, int]
    """View -> files that can be found."""
    columns: dict[str, str]
    scopes: list[str]
    """What you may do."""
    names: list[str] = []
    """Taught names."""
    can: list[str] = []
    """What this server does beside searching: add, teach, mark, reject, explain, filter."""


class Uploaded(BaseModel):
    """A file to ask with: it is kept for an hour."""

    upload: str
    kind: str


class Added(BaseModel):
    """A file that was added, or not, and why."""

    item: Item
    new: bool = True
    """False: a file of the same bytes is here already; it is `item`."""
    message: str = ""


class Teach(_Strict):
    """A name for what some items have in common."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"name": "rex", "items": [3, 5, 8, 13, 21]}]}
    )
    name: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, strip_whitespace=True)]
    items: Annotated[list[Key], Field(min_length=1, max_length=200)]


class Named(BaseModel):
    """A taught name, and how well its pictures are found by each other."""

    name: str
    told: dict[str, Any] = {}


class Marks(_Strict):
    """What was right and what was wrong among the answers to some words, in place of what this token kept for them.

    It is heeded when they are asked again, whoever asks; empty lists forget it. Of several tokens' marks the sum
    counts.
    """

    words: Words
    more: Annotated[list[Key], Field(max_length=100)] = []
    less: Annotated[list[Key], Field(max_length=100)] = []


class Marked(BaseModel):
    """How many marks were kept, and in `notes` which were not, and why."""

    more: int
    less: int
    notes: list[str] = []


class Bounds(BaseModel):
    """What a model can and what it cannot do."""

    finds: list[str]
    """Kinds of files: image, audio, video."""
    judges: bool
    """Whether it can tell that nothing matches."""
    judged: list[str]
    """The scripts (LATIN, CJK) of words of which it can; none are named by models that judge all alike."""
    reads_text: bool
    """Whether text in pictures was read."""


class Report(BaseModel):
    """What the model is and learned from, its score where that is known, and what it cannot do."""

    model: dict[str, Any]
    score: dict[str, Any] | None = None
    learned: list[str] = []
    """What it learned from besides pairs, in sentences."""
    limits: Bounds


class Explain(_Strict):
    """Why an item answers."""

    terms: Annotated[list[Term], Field(min_length=1, max_length=1)]
    id: Key
    start: Seconds | None = None
    """Of a moment: where it begins."""


class Explained(BaseModel):
    """What a score rests on; `withheld` names what is not told, since chance would do as well."""

    why: dict[str, Any]


class Login(_Strict):
    """A token to trade for a cookie."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Reason(BaseModel):
    """Why not."""

    code: str
    message: str
    request: str


class Failure(BaseModel):
    """What is sent instead of an answer."""

    error: Reason
