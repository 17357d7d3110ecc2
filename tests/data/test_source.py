"""A Source reads more of a table or folder the way it was read at first, also from inside a saved model."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from sklearn.base import clone

import chiasm
from chiasm.data.source import Source
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures

OPTIONS: dict[str, Any] = {
    "text": ["words=caption"],
    "image": ["path"],
    "number": ["size"],
    "id": "key",
    "label": "kind",
    "split": "part",
    "group": "film",
}
HEADER = "key,path,caption,size,kind,part,film"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures and `t.csv`, a table with a row each."""
    lines = [HEADER]
    for i, (name, caption) in enumerate(make_pictures(tmp_path / "d", 6)):
        part = ("train", "train", "train", "dev", "test", "test")[i]
        lines.append(f"k{i},{name},{caption},{i},{caption.split()[-1]},{part},f{i // 2}")
    return write(tmp_path / "d" / "t.csv", lines).parent


def write(file: Path, lines: list[str]) -> Path:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def cells(views: chiasm.Views, name: str) -> list[Any]:
    column = views[name]
    return [column.label(place) if place >= 0 else None for place in column.index.tolist()]


def tone(file: Path, seconds: float) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(int(16000 * seconds)))
    return file


def same(one: chiasm.Views, other: chiasm.Views) -> bool:
    """Whether two Views hold the same rows."""
    return (
        one.names == other.names
        and one.ids.tolist() == other.ids.tolist()
        and all(cells(one, name) == cells(other, name) for name in one.names)
        and {k: v.tolist() for k, v in one.facts.items()} == {k: v.tolist() for k, v in other.facts.items()}
    )


# What is read first, and what is kept


def test_it_reads_as_read_does(folder: Path) -> None:
    source = Source(**OPTIONS)
    assert same(source.read(folder / "t.csv"), chiasm.read(folder / "t.csv", **OPTIONS))
    some = source.read(folder / "t.csv", where={"kind": "circle"})
    assert some.ids.tolist() == ["k0", "k4"]
    assert some.split is not None
    assert some.split.tolist() == ["train", "test"]


def test_a_root_is_asked_for_at_each_reading_and_not_kept(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "t.csv"
    moved.parent.mkdir()
    (folder / "t.csv").rename(moved)
    source = Source(**OPTIONS)
    assert source.read(moved, root=folder)["path"].items[0] == str((folder / "0000.png").resolve())
    assert "root" not in source.get_params()


def test_it_is_an_estimator_of_plain_values() -> None:
    source = Source(**OPTIONS)
    assert clone(source).get_params() == source.get_params()
    assert json.loads(json.dumps(source.get_params())) == {**Source().get_params(), **OPTIONS}


def test_inside_a_saved_model_it_reads_the_same(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = Retrieve(align="ridge").fit({name: rng.normal(size=(40, 3)) for name in ("a", "b")})
    model.source_ = Source(**OPTIONS)
    model.save(tmp_path / "m")
    loaded = Source.of(chiasm.load(tmp_path / "m"))
    assert loaded.get_params() == model.source_.get_params()
    assert same(loaded.read(folder / "t.csv"), model.source_.read(folder / "t.csv"))
    assert str(folder) not in (tmp_path / "m" / "recipe.json").read_text(encoding="utf-8")


def test_a_model_that_kept_plain_values_reads_the_same(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = Retrieve(align="ridge").fit({name: rng.normal(size=(40, 3)) for name in ("a", "b")})
    model.source_ = {name: value for name, value in OPTIONS.items() if value}
    model.save(tmp_path / "m")
    loaded = chiasm.load(tmp_path / "m")
    assert isinstance(loaded.source_, dict)
    assert same(Source.of(loaded).read(folder / "t.csv"), Source(**OPTIONS).read(folder / "t.csv"))


def test_a_model_without_a_source_names_no_columns(folder: Path) -> None:
    assert Source.of(Retrieve()).get_params() == Source().get_params()
    assert Source.of(Retrieve()).read(folder).names == ["image"]
    with pytest.raises(ChiasmError, match="say which columns hold what"):
        Source.of(Retrieve()).read(folder / "t.csv")


def test_plain_values_that_mean_nothing_are_refused() -> None:
    model = Retrieve()
    model.source_ = {"txet": ["caption"]}
    with pytest.raises(ChiasmError, match=r"no parameter of Source named 'txet'; did you mean 'text'\?"):
        Source.of(model)


# Rows to answer


def test_rows_to_answer_lack_what_data_lacks(folder: Path, tmp_path: Path) -> None:
    source = Source(**OPTIONS)
    table = write(folder / "new.csv", ["caption,size", "a dog,3", ",4"])
    views = source.read_present(table, ["words", "path", "record"])
    assert views.names == ["words", "record"]
    assert cells(views, "words") == ["a dog", None]
    assert views.ids.tolist() == ["row 1", "row 2"]
    assert (views.split, views.label, views.group) == (None, None, None)  # nor are they missed


@pytest.mark.parametrize("empty", ["", "[]"])
def test_an_empty_column_is_as_good_as_none(folder: Path, empty: str) -> None:
    table = write(folder / "new.csv", ["key,caption,size", f'x,"{empty}",1', f'y,"{empty}",2'])
    with pytest.raises(ChiasmError, match="'caption' is empty in all 2 rows"):
        Source(text=["words=caption"], number=["size"]).read(table)
    views = Source(**OPTIONS).read_present(table, ["words", "path", "record"])
    assert (views.names, views.ids.tolist()) == (["record"], ["x", "y"])


def test_a_column_of_vectors_in_parquet_is_not_empty(tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32()))
    parquet.write_table(pa.table({"v": vectors, "w": pa.array([None, None], vectors.type)}), tmp_path / "t.parquet")
    views = Source(vector=["v", "w"]).read_present(tmp_path / "t.parquet", ["v", "w"])
    assert views.names == ["v"]
    np.testing.assert_array_equal(views["v"].items, [[1, 2], [3, 4]])


def test_rows_without_any_of_the_columns_are_refused(folder: Path) -> None:
    table = write(folder / "new.csv", ["title,weight", "a dog,3"])
    with pytest.raises(
        ChiasmError,
        match=r"has none of the columns that words \(caption\), path, size were read .*it has title, weight.*'words'",
    ):
        Source(**OPTIONS).read_present(table, ["words", "path", "record"])


def test_rows_to_answer_are_chosen_as_rows_to_learn_are(folder: Path) -> None:
    views = Source(**OPTIONS).read_present(folder / "t.csv", ["words"], where={"part": "test"})
    assert views.ids.tolist() == ["k4", "k5"]
    with pytest.raises(ChiasmError, match="has no rows where"):
        Source(**OPTIONS).read_present(folder / "t.csv", ["words"], where={"part": "none"})


def test_a_folder_is_answered_by_who_learned_from_a_folder(folder: Path) -> None:
    assert Source().read_present(folder, ["image"]).names == ["image"]


# Rows to search in


def test_a_table_is_searched_in_the_column_that_the_view_was_read_from(folder: Path) -> None:
    source = Source(**OPTIONS)
    views = source.read_gallery(folder / "t.csv", "words", "text")
    assert (views.names, views.ids.tolist()) == (["words"], [f"k{i}" for i in range(6)])
    assert views.facts == {}
    assert source.read_gallery(folder / "t.csv", "record", "record").names == ["record"]


def test_another_table_may_lack_the_ids_and_name_its_column_as_the_view(folder: Path) -> None:
    table = write(folder / "new.csv", ["path", "0001.png", "0000.png"])
    views = Source(image=["picture"], id="key").read_gallery(table, "path", "image")
    assert (views.names, views.ids.tolist()) == (["path"], ["0001.png", "0000.png"])
    with pytest.raises(ChiasmError, match=r"no column 'picture', from which view .*column='COL'\): path"):
        Source(image=["path=picture"]).read_gallery(table, "path", "image")


def test_the_paths_of_a_table_are_below_a_root(folder: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "new.csv", ["path", "0001.png"])
    views = Source(image=["path"]).read_gallery(table, "path", "image", root=folder)
    assert views["path"].items == [str((folder / "0001.png").resolve())]


def test_a_folder_is_searched_for_what_the_view_holds(folder: Path) -> None:
    for i in range(3):
        write(folder / f"{i:04d}.txt", [f"the words of {i}"])
    pictures = Source(**OPTIONS).read_gallery(folder, "path", "image")
    assert (pictures.names, len(pictures["path"].used)) == (["path"], 6)
    texts = Source(**OPTIONS).read_gallery(folder, "words", "text")
    assert cells(texts, "words")[:3] == ["the words of 0", "the words of 1", "the words of 2"]


def test_of_a_folder_of_several_media_only_the_views_own_are_searched(folder: Path) -> None:
    tone(folder / "0000.wav", 0.1)
    tone(folder / "only.wav", 0.1)
    views = Source().read_gallery(folder, "sound", "audio")
    assert cells(views, "sound") == ["0000.wav", None, None, None, None, None, "only.wav"]


def test_a_folder_without_the_media_is_refused(folder: Path, tmp_path: Path) -> None:
    tone(folder / "0000.wav", 0.1)
    with pytest.raises(ChiasmError, match=r"no column in .* named 'path'.* Known: audio, id, image"):
        Source().read_gallery(folder, "clip", "video")
    with pytest.raises(ChiasmError, match=r"holds texts, and no file below .* has a .txt of its name: .*to='image'"):
        Source().read_gallery(folder, "words", "text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ChiasmError, match="no pictures, sounds or videos"):
        Source(**OPTIONS).read_gallery(tmp_path / "empty", "path", "image")
    with pytest.raises(ChiasmError, match="'record' holds records, which lie in tables"):
        Source(**OPTIONS).read_gallery(folder, "record", "record")


def test_the_texts_of_a_folder_are_of_the_encoding_that_was_told(folder: Path) -> None:
    (folder / "0000.txt").write_bytes("一只狗".encode("gb18030"))
    source = Source(encoding="gb18030")
    assert cells(source.read(folder), "text")[0] == "一只狗"
    assert cells(source.read_gallery(folder, "words", "text"), "words")[0] == "一只狗"
    assert len(source.read_gallery(folder, "picture", "image")) == 6


def test_one_sound_is_a_gallery_of_its_own(tmp_path: Path) -> None:
    file = tone(tmp_path / "long.wav", 0.1)
    views = Source().read_gallery(file, "sound", "audio")
    assert (cells(views, "sound"), views.ids.tolist()) == (["long.wav"], ["long.wav"])
    assert views["sound"].items == [str(file.resolve())]
    with pytest.raises(ChiasmError, match=r"no file .*none\.wav.*wanted a media file, a folder or a table"):
        Source().read_gallery(tmp_path / "none.wav", "sound", "audio")


# By moments


@pytest.mark.parametrize(("window", "usual"), [(2.0, None), (2.0, 9.0), (None, 2.0)])
def test_a_long_sound_is_searched_by_moment(tmp_path: Path, window: float | None, usual: float | None) -> None:
    file = tone(tmp_path / "long.wav", 5.0)
    views = Source().read_moments(file, "sound", "audio", window=window, usual=usual)
    assert views.facts["start"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert {end - start for start, end in zip(views.facts["start"], views.facts["end"], strict=True)} == {2.0}
    assert set(views.facts["file"]) == set(views.ids) == {"long.wav"}
    assert all(isinstance(item, Clip) for item in views["sound"].items)


def test_who_does_not_know_how_long_a_moment_is_asks(tmp_path: Path) -> None:
    file = tone(tmp_path / "long.wav", 0.1)
    with pytest.raises(ChiasmError, match=r"how long is a moment.*window=SECONDS"):
        Source().read_moments(file, "sound", "audio")


def test_what_has_no_time_has_no_moments(folder: Path) -> None:
    source = Source(**OPTIONS)
    rows = source.read_moments(folder / "t.csv", "path", "image", usual=3.0)
    assert same(rows, source.read_gallery(folder / "t.csv", "path", "image"))
    with pytest.raises(ChiasmError, match="window=SECONDS is for sounds and videos; view 'path' holds image"):
        source.read_moments(folder / "t.csv", "path", "image", window=2.0)


# Rows of a split

RECORDED = (["k0", "k1", "k4"], ["test", "test", "train"])


def test_the_split_is_the_datas_own_where_a_column_was_named(folder: Path) -> None:
    source = Source(**OPTIONS)
    views = source.read(folder / "t.csv")
    assert source.of_split("test", views, *RECORDED).ids.tolist() == ["k4", "k5"]
    assert source.rows_of("val", views, *RECORDED).tolist() == [False] * 3 + [True, False, False]


def test_the_split_is_as_recorded_where_no_column_was_named(folder: Path) -> None:
    source = Source(text=["caption"], id="key")
    views = source.read(folder / "t.csv")
    assert source.of_split("test", views, *map(np.array, RECORDED)).ids.tolist() == ["k0", "k1"]
    assert source.rows_of("val", views, *RECORDED).tolist() == [False] * 6


def test_a_split_that_nobody_recorded_is_refused(folder: Path) -> None:
    source = Source(text=["caption"], id="key")
    views = source.read(folder / "t.csv")
    with pytest.raises(ChiasmError, match=r"no rows of split 'val' in the data \(m\.chiasm recorded test, train\)"):
        source.of_split("val", views, *RECORDED, model="m.chiasm")


@pytest.mark.parametrize(("name", "what"), [("片.mp4", "a film"), ("x.wav", "a sound"), ("x.gif", "a picture")])
def test_a_file_of_another_kind_is_called_what_it_is(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"0")
    other = {"a picture": "audio", "a film": "image", "a sound": "image"}[what]
    with pytest.raises(ChiasmError, match=f"view 'v' holds {other}, and {name} is {what}: wanted a folder or a table"):
        Source(**{other: {"v": "path"}}).read_gallery(tmp_path / name, "v", other)
    with pytest.raises(ChiasmError, match=f"got {name}, which is {what}: name the folder"):
        chiasm.read(tmp_path / name, image="path")
