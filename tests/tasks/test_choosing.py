"""Which rows are linked: those without a partner, and known pairs hidden on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.tasks.link import has_all, to_link
from chiasm.views import Column, Views


def table() -> Views:
    """Two whole rows, a pair in two rows, and a lone item of either side."""
    a = Column("text", list("uvwx"), [0, 1, 2, -1, 3, -1])
    b = Column("text", list("UVWX"), [0, 1, -1, 2, -1, 3])
    return Views({"a": a, "b": b}, np.array(["1", "2", "3", "3", "4", "5"], object))


def test_a_pair_in_two_rows_is_a_pair() -> None:
    assert has_all(table()).tolist() == [True] * 4 + [False] * 2


def test_what_has_no_partner_is_linked() -> None:
    assert to_link(table()).tolist() == [False] * 4 + [True] * 2
    assert to_link(table(), known=0).all()


def test_of_known_pairs_as_many_as_asked_for_stay_known_whole_and_drawn_by_the_seed() -> None:
    drawn = [to_link(table(), known=1, seed=seed) for seed in range(20)]
    assert {len(np.unique(table().ids[~mask])) for mask in drawn} == {1}
    assert all(mask[2] == mask[3] for mask in drawn)
    assert len({mask.tobytes() for mask in drawn}) == 3


def test_more_known_pairs_than_there_are_is_refused() -> None:
    with pytest.raises(ChiasmError, match="wanted 4 known pairs, got 3 rows with both columns: ask for fewer"):
        to_link(table(), known=4)
