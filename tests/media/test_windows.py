"""Moments of long media: windows cover a file, hits name times, and of overlapping ones the best stays."""

import numpy as np
import pytest

from _media import write_sound
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip
from chiasm.media.windows import overlap_of, suppress, typical_seconds, windows
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views


def tone(pitch: float, seconds: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * 16000)) / 16000)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    long = np.concatenate([0.05 * rng.normal(size=48000), tone(300, 2), 0.05 * rng.normal(size=80000), tone(900, 2)])
    return str(write_sound(folder / "short.wav", tone(300, 1))), str(write_sound(folder / "long.wav", long))


def test_windows_cover_a_long_file_and_leave_a_short_one_whole(sounds):
    views = Views({"sound": Column("audio", list(sounds), labels=["short", "long"])}, ["s", "l"])
    found = windows(views, "sound", 2.0)
    assert found["sound"].items[0] == sounds[0]
    assert all(isinstance(item, Clip) for item in found["sound"].items[1:])
    assert set(found.ids[1:]) == {"l"}
    starts, ends = found.facts["start"][1:], found.facts["end"][1:]
    np.testing.assert_allclose(ends - starts, 2)
    np.testing.assert_allclose(starts[:-1], np.arange(len(starts) - 1))
    assert ends[-1] == pytest.approx(12)
    assert found["sound"].label(1) == "long 0.0-2.0 s"
    assert typical_seconds(list(sounds)) == pytest.approx(6.5)


def test_any_moment_as_long_as_the_windows_is_met_by_a_window():
    rng = np.random.default_rng(0)
    for seconds in (2.0, 3.7):
        starts = np.append(np.arange(0, 60 - seconds, seconds / 2), 60 - seconds)
        for begin in rng.uniform(0, 60 - seconds, 200):
            best = max(overlap_of((s, s + seconds), (begin, begin + seconds)) for s in starts)
            assert best >= 0.6 - 1e-9


def test_suppression_equals_the_slow_definition():
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 20, 60) * 1.0
    files = rng.choice(["a", "b"], 60).tolist()
    kept = suppress(zip(files, starts, starts + 2, strict=True), k=60)
    for i in range(60):
        hidden = any(
            j < i and files[i] == files[j] and overlap_of((starts[i], starts[i] + 2), (starts[j], starts[j] + 2)) > 0.25
            for j in kept
        )
        assert (i in kept) == (not hidden)


def test_a_moment_of_a_long_sound_is_found_with_its_times(sounds, tmp_path):
    pitches = np.linspace(250, 1200, 60)
    files = [str(write_sound(tmp_path / f"{i}.wav", tone(p, 2))) for i, p in enumerate(pitches)]
    views = Views({"sound": Column("audio", files), "pitch": Column("vector", _near(pitches))})
    model = Retrieve(encoders={"sound": "mel_audio"}).fit(views)
    assert model.seconds_ == {"sound": pytest.approx(2)}
    inside = windows(Views({"sound": Column("audio", [sounds[1]], labels=["long"])}, ["long"]), "sound", 2.0)
    for pitch, begin in ((300, 3), (900, 10)):
        (hits,) = model.hits({"pitch": _near(np.array([pitch]))}, "sound", k=3, within=inside)
        assert overlap_of((hits[0]["start"], hits[0]["end"]), (begin, begin + 2)) >= 0.5
        assert hits[0]["file"] == "long"
        spans = [(hit["start"], hit["end"]) for hit in hits]
        assert all(overlap_of(a, b) <= 0.25 for i, a in enumerate(spans) for b in spans[:i])


def _near(pitch: np.ndarray) -> np.ndarray:
    """Pitches as smooth bumps."""
    return np.exp(-(((pitch[:, None] - np.linspace(200, 1300, 24)) / 60) ** 2)).astype(np.float32)


def test_several_views_are_one_gallery():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 6))
    views = {name: z @ rng.normal(size=(6, 9)) + 0.01 * rng.normal(size=(300, 9)) for name in "abc"}
    model = Retrieve().fit(views)
    (hits,) = model.hits({"a": views["a"][:1]}, ["b", "c"], k=4)
    assert {hit["view"] for hit in hits[:2]} == {"b", "c"}
    assert {hit["id"] for hit in hits[:2]} == {"0"}
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    with pytest.raises(ChiasmError, match="several"):
        model.hits({"a": views["a"][:1]}, ["b", "c"], reject=0.1)


def test_windows_of_texts_are_refused():
    with pytest.raises(ChiasmError, match="audio or video"):
        windows(Views({"t": Column("text", ["a"])}), "t", 1.0)
