"""What is in memory goes in at every door: DataFrames, Series, sparse matrices, rows, Arrow tables; and comes out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

import chiasm
from chiasm import frames
from chiasm.align.procrustes import Procrustes
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.tasks.classify import Classify
from chiasm.views import Views, as_views

RNG = np.random.default_rng(0)
A = RNG.normal(size=(60, 8)).astype(np.float32)
B = A[:, ::-1].copy()


class Polars:
    """What a polars DataFrame offers, of what is used: columns, to_dict, [:, i] as a Series with to_list, to_numpy."""

    def __init__(self, held):
        self.held, self.columns = held, list(held)

    def to_dict(self, as_series=True):
        raise AssertionError

    def __getitem__(self, key):
        return pd.Series(list(self.held.values())[key[1]])

    def to_numpy(self):
        return np.stack(list(self.held.values()), axis=1)


SHUFFLED = RNG.permutation(60)

KINDS = {
    "DataFrame": pd.DataFrame(A),
    "a DataFrame in another order": pd.DataFrame(A[np.argsort(SHUFFLED)]).iloc[SHUFFLED],
    "nullable numbers": pd.DataFrame(A).astype("Float32"),
    "polars": Polars({f"c{i}": A[:, i] for i in range(8)}),
    "list of arrays": list(A),
    "list of lists": A.tolist(),
    "Series of arrays": pd.Series(list(A), index=range(100, 160)),
    "Series of lists": pd.Series(A.tolist()),
    "object array": pd.Series(list(A)).to_numpy(),
    "sparse": sparse.csr_array(A),
    "an old sparse matrix": sparse.csc_matrix(A),
    "Arrow": pa.chunked_array([pa.array(A.tolist(), pa.list_(pa.float32()))]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_in_any_holder_are_those_of_the_array(kind):
    views = Views.of({"a": KINDS[kind], "b": B})
    assert views["a"].modality == "vector"
    assert np.array_equal(views["a"].take(np.arange(60)), A)
    plain = Procrustes(k=4).fit({"a": A, "b": B}).transform({"a": A})["a"].items
    assert np.allclose(Procrustes(k=4).fit({"a": KINDS[kind], "b": B}).transform({"a": A})["a"].items, plain, atol=1e-5)


def test_a_matrix_alone_is_one_view_called_x():
    assert np.array_equal(Views.of(A)["x"].items, A)


def test_a_tensor_that_learns_is_taken_as_its_numbers():
    torch = pytest.importorskip("torch")
    assert np.array_equal(Views.of({"a": torch.tensor(A, requires_grad=True)})["a"].items, A)


def test_missing_cells_of_every_library_are_absent():
    held = [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, "x"]
    for cells in (held, pd.Series(held, dtype=object), np.array(held, dtype=object)):
        assert Views.of({"words": cells}, {"words": "text"}).present("words").tolist() == [False] * 5 + [True]
    rows = Views.of({"v": [None, [1.0, 2.0], pd.NA]}, {"v": "vector"})
    assert rows.present("v").tolist() == [False, True, False]
    half = pd.DataFrame({"x": [1.0, None], "y": [2, None]}).astype("Float64")
    assert Views.of({"v": half}).present("v").tolist() == [True, False]


def test_a_frame_gives_the_columns_that_are_named_and_facts_of_others():
    frame = pd.DataFrame(
        {"标题": ["猫", "狗", None], "图": [Path("a.png"), None, Path("b.png")], "谁": [3, 3, 4], "类": list("xyx")}
    )
    views = Views.of(frame, {"标题": "text", "图": "image"}, id="谁", label="类", split=["train", "train", "test"])
    assert views.names == ["标题", "图"]
    assert views.things == 2
    assert views["图"].items == ["a.png", "b.png"]
    assert views.label.tolist() == ["x", "y", "x"]
    assert views[views.split == "train"].present("标题").tolist() == [True, True]
    arrow = Views.of(pa.table({"t": ["a", None]}), {"t": "text"})
    assert arrow.present("t").tolist() == [True, False]


def test_views_are_taken_too_and_given_other_facts():
    views = Views.of({"a": A[:3]}, id=["x", "y", "z"], split=["train", "train", "test"])
    again = Views.of(views, label=pd.Series([["p", "q"], [], ["p", "r"]]))
    assert again.ids.tolist() == ["x", "y", "z"]
    assert again.split.tolist() == views.split.tolist()
    assert again.label.tolist() == [["p", "q"], [], ["p", "r"]]


def test_rows_may_lack_what_others_have():
    views = as_views(
        [{"words": "a"}, {"v": [1.0, 2.0]}, {"words": "b", "v": [3.0, 4.0]}], {"words": "text", "v": "vector"}
    )
    assert views.present("words").tolist() == [True, False, True]
    assert views.present("v").tolist() == [False, True, True]


def test_a_table_in_memory_is_read_as_the_same_table_in_a_file(tmp_path):
    frame = pd.DataFrame(
        {
            "说明": ["一只猫", None, "一只狗"],
            "age": [3.0, None, 5.0],
            "sex": ["F", "M", None],
            "who": ["p", "q", "r"],
            "s": ["train", "train", "test"],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    named = {"text": "说明", "number": "age", "category": "sex", "id": "who", "split": "s"}
    want = chiasm.read(tmp_path / "t.parquet", **named)
    rows = [{name: value for name, value in row.items() if not pd.isna(value)} for row in frame.to_dict("records")]
    for given in (frame, pa.Table.from_pandas(frame), rows, frame.to_dict("list")):
        got = chiasm.read(given, **named)
        assert got.names == want.names
        assert got.ids.tolist() == want.ids.tolist()
        assert got.split.tolist() == want.split.tolist()
        for name in want.names:
            assert got[name].items == want[name].items
            assert got[name].index.tolist() == want[name].index.tolist()


def test_paths_of_a_frame_are_below_the_working_directory_or_a_root(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"")
    frame = pd.DataFrame({"path": [Path("a.png")]})
    monkeypatch.chdir(tmp_path)
    assert chiasm.read(frame, image="path")["path"].items == [str(tmp_path / "a.png")]
    monkeypatch.chdir("/")
    assert chiasm.read(frame, image="path", root=tmp_path)["path"].items == [str(tmp_path / "a.png")]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: chiasm.Views(pd.DataFrame(A)), "Views.of"),
        (lambda: chiasm.Views({"a": A}), "Views.of"),
        (lambda: chiasm.Views.of(pd.DataFrame({"t": ["x"]})), "Views.of.data, {'t': 'text'}"),
        (lambda: chiasm.read(pd.DataFrame(A)), "text=.*the DataFrame has 0, 1, 2"),
        (lambda: chiasm.read(pd.DataFrame({"a": ["x"]}), text="b"), "column in the DataFrame named 'b'"),
        (lambda: chiasm.read(pd.DataFrame({"a": ["x"], "i": [None]}), text="a", id="i"), "wanted an id, got nothing"),
        (lambda: Views.of(pd.DataFrame([[1, 2]], columns=["a", "a"])), "same name"),
        (lambda: Views.of({"a": np.arange(3.0)}), "no known modality|one number a row"),
        (lambda: Views.of({"a": np.zeros((3, 2, 2))}), r"wanted vectors \(n, d\)"),
        (lambda: Views.of({"a": pd.DataFrame({"x": [1], "y": ["b"]})}), "DataFrame of numbers"),
        (lambda: Views.of({"a": [[1.0], [1.0, 2.0]]}), "of one length"),
        (lambda: Views.of({"a": "x"}, {"a": "text"}), "put it in a list"),
        (lambda: Views.of({"a": 7}, {"a": "text"}), "wanted a list of items"),
        (lambda: Views.of(["a dog"]), "list of str"),
        (lambda: Views.of({"a": A[:3]}, id=[1, None, 2]), "ids, row 2: wanted an id"),
        (lambda: chiasm.Views({"a": chiasm.Column("vector", A[:3])}, [1, None, 2]).things, "ids, row 2: wanted an id"),
        (lambda: Views.of({"a": sparse.csr_array((10**6, 10**6))}), "TruncatedSVD"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_names_the_right_call(call, sentence):
    with pytest.raises(ChiasmError, match=sentence) as raised:
        call()
    assert "--" not in str(raised.value)


def test_ids_of_several_types_are_told_apart():
    views = chiasm.Views({"a": chiasm.Column("vector", A[:3])}, np.array([1, "x", 1], dtype=object))
    assert views.things == 2
    assert views.codes[0] == views.codes[2] != views.codes[1]


@pytest.fixture(scope="module")
def moods():
    """A table of vectors, an age, a sex and a mood that all of them tell of; and a model of it."""
    rng = np.random.default_rng(1)
    mood = rng.choice(["good; 很好", "😐 so so"], 80)
    odd = mood == "😐 so so"
    vectors = list(rng.normal(size=(80, 3)) + 3 * odd[:, None])
    age = rng.normal(40, 5, 80) + 20 * odd
    frame = pd.DataFrame({"v": vectors, "age": age, "sex": rng.choice([1, 2], 80), "mood": mood})
    views = chiasm.read(frame, vector="v", number="age", category="sex", label="mood")
    return frame, views, Classify(fuse="late").fit(views)


def test_a_model_answers_rows_and_frames_as_it_answers_views(moods):
    frame, views, model = moods
    want = model.answer(views[:6])
    rows = [dict(row, note="not asked") for row in frame[["v", "age", "sex"]][:6].to_dict("records")]
    for given in (frame[:6], rows, pa.Table.from_pandas(frame[:6])):
        with pytest.warns(ChiasmWarning, match="not looked at.*(mood|note)"):
            got = model.answer(given)
        assert np.allclose(got.outputs, want.outputs, atol=1e-6)
        assert got.ids.tolist() == list(range(6))
    alone = model.answer([{"age": 62.0}])
    assert np.allclose(alone.outputs, model.answer(chiasm.read([{"age": 62.0}], number="age")).outputs)


def test_labels_may_be_a_series_in_any_order_with_gaps(moods):
    frame, views, _ = moods
    held = Views(views.columns)
    y = frame["mood"].copy()
    y.index = range(500, 580)
    y.iloc[3] = pd.NA
    model = Classify(fuse="late").fit(held, y)
    assert model.fuser_.target_.names_ == ["good; 很好", "😐 so so"]
    with pytest.raises(ChiasmError, match="wanted one column, got a DataFrame of"):
        Classify().fit(held, frame[["mood", "sex"]])


def test_no_rows_and_columns_without_any_item_are_answered_too(moods):
    frame, _, model = moods
    assert len(model.answer(frame[:0])[0]) == 0
    bare = pd.DataFrame({"v": [None, None], "age": [30.0, 60.0]})
    assert model.answer(bare)[0].tolist() == model.answer(chiasm.read(bare, number="age"))[0].tolist()
    with pytest.raises(ChiasmError, match="got list without rows"):
        model.answer([])


def test_a_name_that_is_no_view_is_told_with_those_that_are(moods):
    with pytest.raises(ChiasmError, match=r"column 'typo' has no known modality \(known are v, record\)"):
        moods[2].answer({"v": np.zeros((2, 3)), "typo": ["x", "y"]})


def test_a_frame_without_any_fitted_column_is_told(moods):
    with pytest.raises(ChiasmError, match="wanted some of the columns v, record, got words"):
        moods[2].answer(pd.DataFrame({"words": ["a"]}))


def test_one_column_of_a_frame_is_cells_and_several_are_not():
    assert frames.cells(pd.DataFrame({"a": [1, None]})) == [1, None]
