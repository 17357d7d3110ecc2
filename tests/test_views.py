"""Views: the one data model. Pairs go by id; nothing is dropped or guessed on the way in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.errors import ChiasmError
from chiasm.stats.relevance import relevance
from chiasm.views import ABSENT, Column, Views, as_views


def captions() -> Views:
    """Two photographs with three and two captions, one caption of which both share."""
    text = Column.from_cells("text", ["a", "b", "c", "c", "d"])
    image = Column.from_cells("image", ["one", None, None, "two", "two"])
    return Views({"caption": text, "photo": image}, np.array(["x", "x", "x", "y", "y"], dtype=object))


def test_a_column_keeps_each_distinct_item_once():
    column = captions()["caption"]
    assert column.items == ["a", "b", "c", "d"]
    assert column.index.tolist() == [0, 1, 2, 2, 3]


def test_rows_of_one_id_pair_whether_or_not_they_share_a_row():
    queries, hits, starts = relevance(captions(), "caption", "photo")
    answers = np.split(hits, starts[1:])
    assert queries.tolist() == [0, 1, 2, 3]
    assert [a.tolist() for a in answers] == [[0], [0], [0, 1], [1]]  # "c" belongs to both photographs


def test_a_name_wins_over_a_modality_and_an_ambiguous_modality_is_an_error():
    views = captions()
    assert views.resolve("caption") == "caption"
    assert views.resolve("text") == "caption"
    two = Views({"a": Column("text", ["x"]), "b": Column("text", ["y"])})
    with pytest.raises(ChiasmError, match="a or b"):
        two.resolve("text")
    with pytest.raises(ChiasmError, match="did you mean 'caption'"):
        views.resolve("captoin")


def test_rows_are_selected_as_scikit_learn_asks():
    views = captions()
    assert views.shape == (5, 2)
    for rows in (np.array([0, 3]), np.array([True, False, False, True, False]), (np.array([0, 3]), ...)):
        assert views[rows].ids.tolist() == ["x", "y"]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 7))
def test_chunks_hold_every_row_once_and_never_cut_an_id(ids, size):
    views = Views({"a": Column("vector", np.arange(len(ids), dtype=float)[:, None])}, np.array(ids))
    chunks = list(views.chunks(size))
    seen = np.concatenate([chunk["a"].index for chunk in chunks])
    assert sorted(seen.tolist()) == list(range(len(ids)))
    for i, chunk in enumerate(chunks):
        for other in chunks[i + 1 :]:
            assert not set(chunk.ids.tolist()) & set(other.ids.tolist())


def test_stacked_tables_leave_absent_what_one_of_them_lacks():
    a = Views({"t": Column("text", ["x", "y"]), "i": Column("vector", np.eye(2))}, np.array(["1", "2"]))
    b = Views({"t": Column("text", ["z"]), "s": Column("vector", np.ones((1, 3)))}, np.array(["3"]))
    both = Views.stack(a, b)
    assert both.present("i").tolist() == [True, True, False]
    assert both["s"].index.tolist() == [ABSENT, ABSENT, 0]
    assert both["t"].take(both["t"].index) == ["x", "y", "z"]
    with pytest.raises(ChiasmError, match="text in one table and vector"):
        Views.stack(a, Views({"t": Column("vector", np.eye(1))}))


def test_a_dict_and_a_data_frame_are_views_too():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"words": ["a", None, "b"]})
    views = as_views(frame, {"words": "text"})
    assert views.present("words").tolist() == [True, False, True]
    values = np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, 4.0]])
    assert as_views({"v": values}).present("v").tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "at least one column"),
        ({"a": ["x", "y"]}, "no known modality"),
        ({"a": np.eye(2), "b": np.eye(3)}, "one length"),
        (7, "wanted Views"),
    ],
)
def test_wrong_input_is_one_sentence(data, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        as_views(data)
