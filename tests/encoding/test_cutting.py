"""A split that is cut before anything is encoded parts no id, no group and no rows of equal items."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.encoding.cutting import ANSWER_PARTS, PARTS, cut_whole
from chiasm.splits import cut
from chiasm.views import Column, Views


def rows(n: int = 400, group: bool = True) -> Views:
    """Captions of which every fourth is said twice, ids that stand in two rows, groups of five."""
    rng = np.random.default_rng(0)
    texts = [f"text {i - 1 if i % 4 == 1 else i}" for i in range(n)]
    facts = {"group": np.array([f"g{g}" for g in rng.permutation(n) // 5], object)} if group else {}
    return Views({"t": Column("text", texts)}, np.array([f"id {i // 2}" for i in range(n)], object), facts)


@pytest.mark.parametrize("seed", range(5))
def test_what_hangs_together_gets_one_split(seed: int) -> None:
    views = rows()
    names = cut_whole(views, seed=seed)
    for keys in (views.codes, np.unique(views.group, return_inverse=True)[1], np.array(views["t"].items)):
        parts = {key: set(names[keys == key]) for key in np.unique(keys)}
        assert all(len(found) == 1 for found in parts.values())


def test_rows_of_equal_items_come_apart_where_only_ids_are_looked_at() -> None:
    texts = [f"text {i // 2}" for i in range(400)]
    views = Views({"t": Column("text", texts)})
    plain, whole = cut(views, PARTS, 0), cut_whole(views, PARTS, 0)
    assert (plain[::2] != plain[1::2]).any()
    assert (whole[::2] == whole[1::2]).all()


@pytest.mark.parametrize("parts", [PARTS, ANSWER_PARTS])
def test_each_part_gets_its_share_of_the_things(parts: dict[str, float]) -> None:
    views = Views({"t": Column("text", [f"text {i}" for i in range(1000)])})
    names = cut_whole(views, parts)
    assert {name: int((names == name).sum()) for name in parts} == {name: 1000 * share for name, share in parts.items()}
    np.testing.assert_array_equal(names, cut_whole(views, parts, 0))
    assert (names != cut_whole(views, parts, 1)).any()
