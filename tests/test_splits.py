"""Intervals cover what they say, splits never cut an id or a group, and every planted leak is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.splits import check_splits, cut, leaks, row_digests, split_name
from chiasm.stats.resample import bootstrap, paired
from chiasm.views import Column, Views


def test_a_95_percent_interval_of_a_mean_covers_the_truth_about_95_times_in_100():
    _, low, high = bootstrap(np.random.default_rng(0).gamma(4.0, size=(100, 1000)), np.arange(100), resamples=500)
    covered = int(((low <= 4) & (high >= 4)).sum())
    assert 930 <= covered <= 970  # within three standard errors; of a 90 % interval once in 1,000


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


def grouped(group, ids=None, **facts):
    return Views({"a": Column("vector", np.zeros((len(group), 1)))}, ids, {"group": np.array(group, object), **facts})


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["", None, "甲", "乙", "丙", "丁"])), min_size=1, max_size=30)
)
def test_clusters_are_what_hangs_together_by_id_or_group(rows):
    ids, groups = zip(*rows, strict=True)
    clusters = grouped(groups, np.array(ids)).clusters
    slow = list(range(len(rows)))  # spread the smallest number until nothing changes
    while True:
        before = list(slow)
        for i, (a, g) in enumerate(rows):
            for j, (b, h) in enumerate(rows):
                if a == b or (g and g == h):
                    slow[i] = slow[j] = min(slow[i], slow[j])
        if slow == before:
            break
    assert len(set(zip(clusters.tolist(), slow, strict=True))) == len(set(slow)) == len(set(clusters.tolist()))
    assert set(clusters.tolist()) == set(range(len(set(slow))))


def test_without_groups_the_clusters_are_the_ids():
    ids = np.array(["b", "a", "b"], dtype=object)
    views = Views({"a": Column("vector", np.zeros((3, 1)))}, ids)
    assert views.group is None
    assert views.clusters is views.codes
    assert grouped(["", None, float("nan")], ids).clusters.tolist() == views.codes.tolist()


def test_stacked_tables_keep_the_groups_that_one_of_them_has():
    one, other = grouped(["p", ""], ["1", "2"]), Views({"a": Column("vector", np.zeros((1, 1)))}, ["3"])
    assert Views.stack(one, other).group.tolist() == ["p", "", ""]
    assert Views.stack(other, other).group is None
    assert one[1:].group.tolist() == [""]


def test_a_cut_keeps_groups_whole_also_by_way_of_a_shared_id():
    group = [f"病人{i // 4}" for i in range(400)]
    ids = np.arange(400)
    ids[40] = ids[0]  # one thing of two patients: they belong on one side
    for seed in range(5):
        names = cut(grouped(group, ids), {"train": 0.7, "test": 0.3}, seed)
        assert all(len(set(names[4 * i : 4 * i + 4])) == 1 for i in range(100))
        assert names[0] == names[40]
        assert 0.6 < (names == "train").mean() < 0.8


def test_rows_without_a_group_are_cut_one_by_one():
    names = cut(grouped([""] * 100), {"train": 0.5, "test": 0.5})
    assert (names == "train").sum() == 50
    plain = Views({"a": Column("vector", np.zeros((100, 1)))})
    np.testing.assert_array_equal(names, cut(plain, {"train": 0.5, "test": 0.5}))


PARTS = {"train": 0.7, "val": 0.1, "test": 0.2}


def shares(names, classes, kind):
    return [int(((names == part) & (classes == kind)).sum()) for part in PARTS]


def test_a_stratified_cut_gives_every_part_its_share_of_every_class_to_one_thing():
    rng = np.random.default_rng(0)
    classes = rng.choice(["普通", "b", "c", "d"], p=[0.9, 0.07, 0.02, 0.01], size=1000)
    views = Views({"a": Column("vector", np.zeros((1000, 1)))})
    drawn = [cut(views, PARTS, seed, stratify=classes) for seed in range(3)]
    for names in drawn:
        for kind in np.unique(classes):
            exact = (classes == kind).sum() * np.array(list(PARTS.values()))
            assert (np.abs(shares(names, classes, kind) - exact) <= 1).all()
        assert [(names == part).sum() for part in PARTS] == pytest.approx([700, 100, 200], abs=2)
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], cut(views, PARTS, 0, stratify=classes))


def test_a_class_with_a_cluster_for_each_part_reaches_each_part():
    sizes = [9, 5, 2]  # of three patients of the rare class, whom the largest part would swallow whole
    group = [f"r{i}" for i, n in enumerate(sizes) for _ in range(n)] + [f"c{i // 2}" for i in range(400)]
    classes = np.array(["rare"] * sum(sizes) + ["common"] * 400)
    for seed in range(5):
        names = cut(grouped(group), PARTS, seed, stratify=classes)
        assert all(len(set(names[np.array(group) == g])) == 1 for g in group)
        assert min(shares(names, classes, "rare")) > 0
        assert shares(names, classes, "common") == [280, 40, 80]
    pair = cut(grouped(["", ""]), PARTS, stratify=np.array(["x", "x"]))
    assert len(set(pair.tolist())) == 2  # too few for three parts; no error


def test_classes_that_stand_once_are_shared_out_as_a_whole():
    views = Views({"a": Column("vector", np.zeros((500, 1)))})
    names = cut(views, PARTS, 1, stratify=np.random.default_rng(0).normal(size=500))
    assert [(names == part).sum() for part in PARTS] == [350, 50, 100]


def test_a_part_without_a_share_gets_nothing_and_twins_stay_together_when_stratified():
    classes = np.array(["a", "b"] * 50)
    twins = np.arange(100) // 4
    names = cut(grouped([""] * 100), {"train": 1, "test": 1, "val": 0}, twins=twins, stratify=classes)
    assert sorted(set(names.tolist())) == ["test", "train"]
    assert all(len(set(names[twins == t])) == 1 for t in range(25))
    with pytest.raises(ChiasmError, match="wanted 100 classes to stratify by, one a row, got 3"):
        cut(grouped([""] * 100), PARTS, stratify=classes[:3])


def test_a_group_in_two_splits_is_fatal_and_rows_without_one_are_not():
    split = np.array(["train", "train", "test", "test"], dtype=object)
    found = leaks(grouped(["王", "李", "王", "李"]), split)
    assert (found.ids, found.groups) == (0, 2)
    assert "2 groups stand in more than one split" in found.fatal
    assert found.as_dict()["groups"] == 2
    for fine in (["王", "王", "李", "李"], ["", "", "", None]):
        found = leaks(grouped(fine), split)
        assert (found.groups, found.fatal) == (0, "")


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


def test_equal_records_are_a_leak_only_beside_another_equal_view(cache):
    same = {"age": 40.0, "sex": "F"}
    records = Column.from_cells("record", [same, {"age": 50.0, "sex": "M"}, same, same])
    texts = Column.from_cells("text", ["a cat", "a dog", "a bird", "a cat"])
    split = np.array(["train", "train", "test", "test"], dtype=object)

    def found(views):
        return leaks(Encoding({"text": "tfidf_text"} if "t" in views.names else None).fit_transform(views), split)

    alone, both = found(Views({"r": records})), found(Views({"r": records, "t": texts}))
    assert (alone.rows, alone.equal, alone.tainted.any()) == (0, {}, False)
    assert (both.rows, both.equal) == (1, {"t": 1})
    assert both.tainted.tolist() == [False, False, False, True]


def test_a_row_digest_is_of_all_views_and_empty_where_one_is_absent(cache):
    views = encoded(["a b", "c d", None, "a b"])
    digests = row_digests(views)
    assert digests[0] == digests[3] != digests[1]
    assert digests[2] == b""


@pytest.mark.parametrize("seed", [-1, 0.5, 2**32])
def test_a_seed_that_there_is_not_is_refused_by_a_sentence(seed):
    views = Views({"a": Column("vector", np.zeros((4, 1)))})
    with pytest.raises(ChiasmError, match=r"wanted seed to be a whole number of at least 0 .*, got"):
        cut(views, {"train": 0.5, "test": 0.5}, seed)
