"""When to say that nothing here matches: what validation queries, which do have a match, score."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.stats.conformal import fewest, threshold
from chiasm.stats.match_odds import NEAR, learn_odds, match_odds
from chiasm.stats.relevance import relevance
from chiasm.tasks._retrieve.hits import Hit
from chiasm.tasks._retrieve.scripts import scripts
from chiasm.views import Views, normalize

__all__ = [
    "Calibration",
    "Standards",
    "calibrate",
    "known_enough",
    "known_scripts",
    "no_pairs",
    "odds_here",
    "rejected",
    "standards",
]

MOST = 2000
"""The most known queries that are kept of an ordered pair of views."""

MOST_ELSEWHERE = 500
"""The most of them that are asked in another gallery, which takes as long as so many searches."""

MOST_ODDS = 300
"""The most of them from which the odds of a hit are learned."""

SURE = 0.9
"""The share of fits that reject no more true queries than allowed."""

_MATCHES = 8
_SAME = 1e-5

Calibration = dict[str, dict[str, dict[str, np.ndarray]]]
"""By the query's view and the answer's: n `queries` `(n, k)` in the shared space, the cosines `(n,)` of their `best`
hits in the whole index and of their true `match`, what each `owed` `(n,)`, the `script` `(n,)` it is in, its `matches`
`(n, 8)`; and of the whole index the `odds` `(s, 3)` of a hit by the script `asked` `(s,)`, "" for all."""


def calibrate(held: Views, indexes: Mapping[str, Any], aligner: Any) -> Calibration:
    """What held-out rows (in the shared space) score in the indexes that hold everything.

    One query an id and script, since those of one thing score alike, and at most 2,000.
    """
    found: Calibration = {name: {} for name in held.names}
    for a, b in permutations(held.names, 2):
        answers = relevance(held, a, b)
        if answers is None:
            continue
        queries, hits, starts = answers
        left, right = (normalize(held[name].items[held[name].used]) for name in (a, b))
        counts = np.diff(np.append(starts, len(hits)))
        true = np.einsum("ij,ij->i", left[np.repeat(queries, counts)], right[hits])
        mixed = np.random.default_rng(0).permutation(len(queries))
        things = held.codes[held[a].first_rows[queries[mixed]]]
        written = np.array(scripts(held[a], held[a].used[queries[mixed]].tolist()))
        one_each = np.unique(np.stack([things, np.unique(written, return_inverse=True)[1]]), axis=1, return_index=True)
        kept = np.sort(one_each[1])[:MOST]
        chosen = mixed[kept]
        vectors = left[queries[chosen]]
        matches = np.full((len(chosen), _MATCHES), -np.inf)
        for row, (start, count) in enumerate(zip(starts[chosen].tolist(), counts[chosen].tolist(), strict=True)):
            best = np.sort(true[start : start + count])[::-1][:_MATCHES]
            matches[row, : len(best)] = best
        known = {
            "queries": vectors,
            "best": indexes[b].search(vectors, 1)[1][:, 0],
            "match": matches[:, 0],
            "owed": aligner.owed(a, b, vectors),
            "script": written[kept],
            "matches": matches,
        }
        near = indexes[b].search(vectors[:MOST_ELSEWHERE], NEAR)[1]
        enough = [s for s in sorted({"", *written[kept].tolist()}) if _alike(known, s).sum() >= fewest(0.1, SURE)]
        known["asked"] = np.array(enough, dtype=known["script"].dtype)
        known["odds"] = np.array([_odds(known, near, s) for s in enough]).reshape(len(enough), 3)
        found[a][b] = known
    return found


def rejected(
    calibration: Calibration,
    aligner: Any,
    start: str,
    to: str,
    vectors: np.ndarray,
    scores: np.ndarray,
    rate: float,
    gallery: Any = None,
    written: Sequence[str] = (),
) -> np.ndarray:
    """`(q,)` mask of the queries whose first hits are too far for a match: at most `rate` of those that have one.

    Nine of ten fits keep to it (`threshold`, `sure`); fewer than 22 known queries reject nothing at 0.1, and warn.
    A known query would score in another gallery what its true match does, or a nearer item there: the same promise.

    Args:
        vectors: `(q, k)` queries in the shared space. scores: `(q,)` of their first hits in the whole gallery.
        gallery: the index that was searched, where it is not the model's own.
        written: the script of each query. Those in one of which too few queries are known are not rejected: what
            matches score is another matter there (docs/align.md). A warning tells.

    Raises a ChiasmError when the model was fitted without validation rows.
    """
    return _gone(_known(calibration, start, to, gallery), aligner, (start, to), vectors, scores, rate, written)


class Standards(NamedTuple):
    """What hits have to be to count as matches, query by query."""

    gone: np.ndarray
    """`(q,)` whether a query has no match in the whole gallery."""
    least: np.ndarray
    """`(q,)` the score from which on a hit counts."""
    odds: list[tuple[np.ndarray, np.ndarray] | None]
    """Of each query the line of `match_odds` and what the nearest of the whole gallery score; None: not known."""

    @property
    def ends(self) -> np.ndarray:
        """`(q,)` the score from which on a hit counts, infinite for a query without a match."""
        return np.where(self.gone, np.inf, self.least)

    def keep(self, found: Sequence[list[Hit]]) -> list[list[Hit]]:
        """The hits that count, each with its `probability` where it is known; a query without a match has none.

        A hit counts by its score, or, where it was ranked by something else, by what it says it is `judged` by.
        """
        kept: list[list[Hit]] = []
        for row, gone, least, known in zip(found, self.gone.tolist(), self.least.tolist(), self.odds, strict=True):
            some = [] if gone else [dict(hit) for hit in row if hit.get("judged", hit["score"]) >= least]
            judged = np.array([hit.pop("judged", hit["score"]) for hit in some])
            kept.append(some)
            if known is not None and some:
                line, near = known
                likely = match_odds(judged, near, line)
                for hit, value in zip(kept[-1], likely.tolist(), strict=True):
                    hit["probability"] = round(value, 4)
        return kept


def standards(
    calibration: Calibration,
    aligner: Any,
    start: str,
    to: str,
    vectors: np.ndarray,
    rate: float,
    own: Any,
    gallery: Any = None,
    written: Sequence[str] = (),
) -> Standards:
    """What counts as a match, judged by the whole gallery, whatever conditions choose among it.

    A query has a match where its nearest item reaches what (1 - `rate`) of the known queries reach; then a hit is one
    where it reaches what (1 - `rate` / 2) of the true matches do, so that a true match which meets the conditions is
    lost at `rate` in all.

    Args:
        own: the model's own index; gallery: another one, if that is searched. rate, written: as `rejected` has them.
    """
    index = own if gallery is None else gallery
    if not len(index):
        return Standards(np.ones(len(vectors), bool), np.full(len(vectors), np.inf), [None] * len(vectors))
    known = _known(calibration, start, to, gallery)
    near = index.search(vectors, NEAR)[1]
    gone = _gone(known, aligner, (start, to), vectors, near[:, 0], rate, written)
    owed = aligner.owed(start, to, vectors)
    least = np.full(len(vectors), -np.inf)
    odds: list[tuple[np.ndarray, np.ndarray] | None] = []
    lines: dict[str, np.ndarray | None] = {}
    for place, one in enumerate(written or [""] * len(vectors)):
        alike = _alike(known, one)
        if one not in lines:
            lines[one] = _odds_of(known, one)
        if alike.sum() >= fewest(rate / 2, SURE):
            least[place] = threshold((known["match"] + known["owed"])[alike], rate / 2, SURE) - owed[place]
        line = lines[one]
        odds.append(None if line is None else (line, near[place]))
    return Standards(gone, least, odds)


def known_enough(calibration: Calibration, to: str, rate: float = 0.1) -> bool:
    """Whether of some view enough queries are known whose matches are of the view `to`."""
    return any(len(known[to]["queries"]) >= fewest(rate, SURE) for known in calibration.values() if to in known)


def known_scripts(calibration: Calibration, to: str, rate: float = 0.1) -> list[str]:
    """The scripts in which enough queries are known whose matches are of the view `to`."""
    every = (known[to].get("script", np.zeros(0, "U1")).tolist() for known in calibration.values() if to in known)
    enough = fewest(rate, SURE)
    return sorted({script for held in every for script, n in Counter(held).items() if script and n >= enough})


def no_pairs() -> ChiasmError:
    """Why a model that learned from names alone rejects nothing: of 300 captions of coco2k they would reject all."""
    return ChiasmError(
        "wanted pairs to know what a match scores, got a model that learned from none: names score higher than "
        "sentences do, so they cannot tell it. Fit with some captions, or search without rejecting."
    )


def odds_here(calibration: Calibration, start: str, to: str, gallery: Any = None, written: str = "") -> Any:
    """What `match_odds` needs `(3,)` for hits of queries in a script; None where too few are known.

    Args:
        gallery: as `rejected` has it.
    """
    return _odds_of(_known(calibration, start, to, gallery), written)


def _known(calibration: Calibration, start: str, to: str, gallery: Any = None) -> dict[str, np.ndarray]:
    """What is known of an ordered pair of views; in another gallery its `best` there, and what is `near`."""
    known = calibration.get(start, {}).get(to)
    if known is None and start == to:
        raise ChiasmError(
            f"wanted a question of another view to know what a match scores, got one of {start!r}, which answers: how "
            "alike two of one view have to be is nowhere known, so search without rejecting."
        )
    if known is None:
        raise ChiasmError(
            f"wanted validation rows with {start!r} and {to!r} to know what a match scores, got a model that was "
            "fitted without: fit it with a split that has val rows, or search without rejecting."
        )
    if gallery is None:
        return known
    here = {name: values[:MOST_ELSEWHERE] for name, values in known.items() if name not in ("asked", "odds")}
    here["near"] = gallery.search(here["queries"], NEAR)[1]
    here["best"] = np.maximum(here["match"], here["near"][:, 0])
    return here


def _gone(
    known: Mapping[str, np.ndarray],
    aligner: Any,
    way: tuple[str, str],
    vectors: np.ndarray,
    scores: np.ndarray,
    rate: float,
    written: Sequence[str],
) -> np.ndarray:
    """As `rejected`."""
    mask = np.zeros(len(vectors), bool)
    asked = np.array(written or [""] * len(vectors))
    for one in np.unique(asked).tolist():
        alike = _alike(known, one)
        if alike.sum() < fewest(rate, SURE) and not alike.all():
            warnings.warn(_strange(one, int(alike.sum()), len(alike), fewest(rate, SURE)), ChiasmWarning, stacklevel=4)
            continue
        least = threshold((known["best"] + known["owed"])[alike], rate, SURE)
        here = asked == one
        mask[here] = scores[here] + aligner.owed(*way, vectors[here]) < least
    return mask


def _alike(known: Mapping[str, np.ndarray], written: str) -> np.ndarray:
    """`(n,)` the known queries in a script: all of them for "", and in a model saved before 0.2."""
    n = len(known["queries"])
    if not written or "script" not in known:
        return np.ones(n, bool)
    alike: np.ndarray = known["script"] == written
    return alike


def _odds_of(known: Mapping[str, np.ndarray], written: str) -> np.ndarray | None:
    """The odds `(3,)` for queries in a script; None where too few are known, and of a model saved before 0.2."""
    if "near" in known:
        enough = "matches" in known and _alike(known, written).sum() >= fewest(0.1, SURE)
        return _odds(known, known["near"], written) if enough else None
    if written not in known.get("asked", np.zeros(0)).tolist():
        return None
    own: np.ndarray = known["odds"][known["asked"].tolist().index(written)]
    return own


def _odds(known: Mapping[str, np.ndarray], near: np.ndarray, written: str) -> np.ndarray:
    """What `learn_odds` finds of the known queries in a script, of whose first ones `near` has the nearest items."""
    rows = np.flatnonzero(_alike(known, written)[: len(near)])[:MOST_ODDS]
    others, matches = near[rows].astype(np.float64), known["matches"][rows]
    for row in range(len(rows)):  # its matches may be among them
        others[row, np.isclose(others[row][:, None], matches[row], rtol=0, atol=_SAME).any(axis=1)] = -np.inf
    return learn_odds(matches[:, 0], others)


def _strange(written: str, alike: int, known: int, least: int) -> str:
    return (
        f"a query in {written} letters is not judged: of the {known} known queries {alike} are, and {least} are needed "
        "to know what a match scores. Fit with such captions among the validation rows"
    )
