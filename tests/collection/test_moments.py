"""Long sounds of a collection are searched by moment: one file, many vectors, and a ledger that counts files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _media import write_sound
from chiasm.collection import Collection
from chiasm.collection._moments import item_of, key_of
from chiasm.errors import ChiasmError
from chiasm.media.windows import overlap_of, windows
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views


def tone(pitch: float, seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(int(16000 * seconds)) / 16000)).astype(np.float32)


def near(pitch: float | np.ndarray) -> np.ndarray:
    """Pitches as smooth bumps `(n, 24)`."""
    held = np.atleast_1d(pitch)[:, None]
    return np.exp(-(((held - np.linspace(200, 1300, 24)) / 60) ** 2)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Retrieve:
    """From clips of two seconds: a pitch finds a sound."""
    home = tmp_path_factory.mktemp("clips")
    pitches = np.linspace(250, 1200, 60)
    files = [str(write_sound(home / f"{i}.wav", tone(p, 2))) for i, p in enumerate(pitches)]
    views = Views({"sound": Column("audio", files), "pitch": Column("vector", near(pitches))})
    return Retrieve(encoders={"sound": "mel_audio"}).fit(views)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A long sound that is 300 Hz from second 3 to 5 and 900 Hz from 10 to 12, and three short ones."""
    folder = tmp_path / "Sounds"
    folder.mkdir()
    long = tone(500, 14)
    for pitch, start in ((300, 3), (900, 10)):
        long[16000 * start : 16000 * (start + 2)] = tone(pitch, 2)
    write_sound(folder / "long.wav", long)
    for pitch in (700, 800, 1100):
        write_sound(folder / f"{pitch}.wav", tone(pitch, 2))
    return tmp_path


def built(home: Path, model: Any, **options: Any) -> Collection:
    return Collection.build(home / "s.index", model, home / "Sounds", **options)


def hits(made: Collection, pitch: float, k: int = 100, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made.hits({"pitch": near(pitch)}, k=k, **options)[0]
    return found


def test_a_moment_is_found_with_its_times_and_the_ledger_counts_files(home: Path, model: Retrieve) -> None:
    made = built(home, model)
    assert made.ledger() == {"seen": 4, "searchable": 4, "failed": 0, "waiting": 0}
    assert made.status()["views"] == {"sound": 13 + 3}  # 14 s in windows of 2 s that begin every second
    for pitch, start in ((300, 3), (900, 10)):
        best = hits(made, pitch)[0]
        assert (best["file"], best["id"]) == ("long.wav", "long.wav")
        assert overlap_of((best["start"], best["end"]), (start, start + 2)) >= 0.5
    assert hits(made, 1100)[0]["item"] == "1100.wav"
    assert "start" not in hits(made, 1100)[0]
    assert made.verify()["sound"]


def test_moments_are_those_that_the_model_finds_in_the_same_files(home: Path, model: Retrieve) -> None:
    made = built(home, model)
    files = sorted((home / "Sounds").iterdir())
    column = Column("audio", [str(file) for file in files], labels=[file.name for file in files])
    inside = windows(Views({"sound": column}, [file.name for file in files]), "sound", 2.0)
    (wanted,) = model.hits({"pitch": near(300)}, "sound", k=6, within=inside)
    found = hits(made, 300, 6)
    assert [hit["item"] for hit in found] == [hit["item"] for hit in wanted]
    assert [hit["score"] for hit in found] == pytest.approx([hit["score"] for hit in wanted], abs=1e-5)


def test_a_hit_hides_what_overlaps_it_and_k_are_given(home: Path, model: Retrieve) -> None:
    made = built(home, model)
    found = hits(made, 500)
    spans = [(hit["start"], hit["end"]) for hit in found if hit.get("file") == "long.wav"]
    assert len(spans) >= 5
    assert all(overlap_of(a, b) <= 0.25 for i, a in enumerate(spans) for b in spans[:i])
    for k in (1, 3, len(found)):
        assert hits(made, 500, k) == found[:k]
    assert [hit["item"] for hit in hits(made, 500, where="path=700.wav")] == ["700.wav"]


def test_copies_of_a_long_sound_hide_the_same_moments(home: Path, model: Retrieve) -> None:
    before = hits(built(home, model), 500)
    shutil.copy(home / "Sounds" / "long.wav", home / "Sounds" / "copy.wav")
    made = built(home, model)
    after = hits(made, 500)
    assert len(after) == len(before)
    long = [hit for hit in after if "file" in hit]
    assert all({hit["file"], *hit["copies"]} == {"long.wav", "copy.wav"} for hit in long)
    assert len(hits(made, 500, group=False)) == len(before) + len(long)


def test_a_file_that_is_cut_short_moved_or_gone_takes_its_moments_along(home: Path, model: Retrieve) -> None:
    folder = home / "Sounds"
    made = built(home, model)
    (folder / "long.wav").rename(folder / "moved.wav")
    made.update()
    assert hits(made, 300)[0]["file"] == "moved.wav"
    assert made.verify()["sound"]
    write_sound(folder / "moved.wav", tone(500, 5))
    made.update()
    assert made.status()["views"] == {"sound": 4 + 3}
    assert made.verify()["sound"]
    (folder / "moved.wav").write_bytes(b"no sound")
    made.update()
    assert made.status()["views"] == {"sound": 3}
    (folder / "moved.wav").unlink()
    made.update()
    assert made.ledger() == {"seen": 3, "searchable": 3, "failed": 0, "waiting": 0}
    assert made.verify()["sound"]


def test_after_a_death_between_the_index_and_the_ledger_no_moment_is_lost_or_stray(home: Path, model: Retrieve) -> None:
    made = built(home, model)
    engine = made.engine("sound")
    item = next(item for item in made._catalog.items() if item.name == "long.wav")
    engine.delete([key_of(item.id, 5)])
    assert made.verify()["missing"] == ["long.wav"]
    made.update()
    assert made.verify()["sound"]
    assert made.status()["views"] == {"sound": 16}
    place, _, _ = model.placed("sound", Views({"sound": Column("audio", [str(home / "Sounds" / "700.wav")])}))
    engine.update([key_of(999, 7)], np.asarray(place.items))
    assert made.verify()["stray"] == 1
    made.update()
    assert made.verify()["sound"]


def test_the_window_can_be_chosen_and_holds(home: Path, model: Retrieve) -> None:
    made = built(home, model, window=4)
    assert made.status()["views"] == {"sound": 6 + 3}
    made.rebuild()
    assert made.status()["views"] == {"sound": 6 + 3}
    for window in (0, -1, float("nan")):
        with pytest.raises(ChiasmError, match="seconds above 0"):
            Collection.build(home / "q.index", model, home / "Sounds", window=window)


def test_a_key_tells_its_item_and_its_moment() -> None:
    keys = {key_of(id_, place): (id_, place) for id_ in (1, 2, 77, 10**6) for place in (0, 1, 2, 5000)}
    assert len(keys) == 16
    assert all(item_of(key) == id_ for key, (id_, _) in keys.items())
    assert all(key == id_ for key, (id_, place) in keys.items() if not place)
