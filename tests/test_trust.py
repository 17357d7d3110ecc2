"""Intervals cover what they say, splits never cut an id, and every planted leak is found."""

import numpy as np
import pytest

from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.trust import bootstrap, check_splits, cut, leaks, paired, row_digests, split_name
from chiasm.views import Column, Views


def test_a_95_percent_interval_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        values = rng.random(100) < 0.3
        _, low, high = bootstrap(values, np.arange(100), resamples=400, seed=trial)
        covered += bool(low[0] <= 0.3 <= high[0])
    assert 0.88 <= covered / 200 <= 0.99


def test_rows_of_one_id_count_as_one_draw():
    """Ten copies of every row add no evidence: the clustered interval stays as wide as without copies."""
    rng = np.random.default_rng(0)
    values = (rng.random(80) < 0.5).astype(float)
    _, low, high = bootstrap(values, np.arange(80))
    _, low10, high10 = bootstrap(np.repeat(values, 10), np.repeat(np.arange(80), 10))
    _, naive_low, naive_high = bootstrap(np.repeat(values, 10), np.arange(800))
    assert (high10 - low10)[0] == pytest.approx((high - low)[0], rel=0.05)
    assert (naive_high - naive_low)[0] < 0.5 * (high10 - low10)[0]


def test_missing_values_are_left_out_of_their_column_only():
    center, _, _ = bootstrap(np.array([[1.0, np.nan], [0.0, 1.0]]), np.arange(2))
    assert center.tolist() == [0.5, 1.0]


def test_a_paired_difference_is_tighter_than_two_intervals():
    rng = np.random.default_rng(0)
    hard = rng.random(300)
    a, b = (hard < 0.55), (hard < 0.5)
    difference, low, high = paired(a, b, np.arange(300))
    assert difference == pytest.approx(float(a.mean() - b.mean()))
    assert 0 < low <= difference <= high
    assert high - low < 0.08


def test_a_cut_keeps_ids_whole_and_shares_near_what_was_asked():
    ids = np.repeat(np.arange(100), 3)
    names = cut(
        Views({"a": Column("vector", np.zeros((300, 1)))}, ids), {"train": 0.7, "val": 0.1, "test": 0.2}, seed=3
    )
    for i in range(100):
        assert len(set(names[ids == i])) == 1
    assert {n: int((names == n).sum()) for n in ("train", "val", "test")} == {"train": 210, "val": 30, "test": 60}


def test_rows_that_are_equal_in_every_view_stay_on_one_side_of_a_cut():
    texts = [f"text {i % 30}" for i in range(90)]  # three rows of each text, three ids
    views = Views({"t": Column.from_cells("text", texts)}, np.arange(90) + 1000)
    twins = Encoding().twins(views)
    assert len(np.unique(twins)) == 30
    for seed in range(5):
        names = cut(views, {"train": 0.5, "test": 0.5}, seed, twins)
        for i in range(30):
            assert len({names[i], names[i + 30], names[i + 60]}) == 1
    alone = cut(views, {"train": 0.5, "test": 0.5}, 0)
    assert any(len({alone[i], alone[i + 30], alone[i + 60]}) > 1 for i in range(30))


def test_split_names_have_synonyms_and_a_wrong_one_is_an_error():
    assert [split_name(n) for n in ("valid", "DEV", "validation", "Train", "test")] == [
        "val",
        "val",
        "val",
        "train",
        "test",
    ]
    with pytest.raises(ChiasmError, match="no split named 'tset'; did you mean 'test'"):
        split_name("tset")
    with pytest.raises(ChiasmError, match="'train'"):
        check_splits(np.array(["test", "val"], dtype=object))


def encoded(texts, ids=None):
    column = Column.from_cells("text", texts)
    return Encoding({"t": "tfidf_text"}).fit_transform(Views({"t": column}, ids))


def test_equal_and_nearly_equal_items_across_splits_are_found_and_others_are_not(cache):
    texts = [
        f"the {w} sits on the {v}" for w in ("cat", "dog", "bird", "fish") for v in ("mat", "roof", "moon", "table")
    ]
    views = encoded([*texts, texts[0], texts[1] + " ", "something else entirely, with other words"])
    split = np.array(["train"] * len(texts) + ["test"] * 3, dtype=object)
    found = leaks(views, split, {"t": 0.96})
    assert found.equal == {"t": 1}
    assert found.near == {"t": 1}
    assert found.tainted.tolist() == [False] * len(texts) + [True, True, False]
    assert found.rows == 1  # with one view, an equal item is an equal row
    assert "1 held-out rows equal a training row" in found.fatal


def test_an_id_in_two_splits_is_fatal(cache):
    views = encoded(["a b", "c d", "e f", "g h"], np.array(["x", "y", "x", "z"], dtype=object))
    found = leaks(views, np.array(["train", "train", "test", "test"], dtype=object))
    assert found.ids == 1
    assert "more than one split" in found.fatal


def test_a_row_digest_is_of_all_views_and_empty_where_one_is_absent(cache):
    views = encoded(["a b", "c d", None, "a b"])
    digests = row_digests(views)
    assert digests[0] == digests[3] != digests[1]
    assert digests[2] == b""
