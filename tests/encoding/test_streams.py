"""A video is several views for who answers: what it shows, how it moves, what is heard, where it has a sound at all."""

import numpy as np
import pytest

import chiasm
from _media import write_video
from chiasm.encode.frames_video import FramesVideo
from chiasm.encode.sound_video import SoundVideo
from chiasm.encoding.streams import spread
from chiasm.tasks.classify import Classify
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """24 films of a second, of equal pictures; every other one has a tone, high or low, which is its label."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    files, labels = [], []
    time = np.arange(16000) / 16000
    for i in range(24):
        label = "high" if i % 2 else "low"
        frames = np.repeat(rng.integers(0, 256, (1, 48, 64, 3)), 5, axis=0).astype(np.uint8)
        sound = 0.3 * np.sin(2 * np.pi * (1500 if i % 2 else 250) * time) if i % 4 < 2 else None
        files.append(str(write_video(folder / f"{i}.mkv", frames, fps=5, sound=sound)))
        labels.append(label)
    return Views({"clip": Column("video", files)}, facts={"label": np.array(labels, dtype=object)})


@pytest.mark.slow
def test_a_video_answers_by_its_sound_where_it_has_one(films):
    model = Classify(fuse="early").fit(films)
    assert set(model.views_) == {"clip", "clip.motion", "clip.sound"}
    codes = [(view, note.code) for view, _, note in model.fit_report.skipped]
    assert codes == [("clip.sound", "no_sound")] * 12
    answers = model.answer({"clip": films["clip"].items})[0]
    heard = np.arange(24) % 4 < 2
    assert (answers[heard] == films.label[heard]).all()
    assert model.fuser_.weights_["clip.sound"] > 0.45 > model.fuser_.weights_["clip.motion"]


def test_a_stream_that_no_film_has_is_no_view(films, tmp_path):
    silent = np.flatnonzero(np.arange(24) % 4 >= 2)
    model = Classify(fuse="early").fit(films[silent])
    assert set(model.views_) == {"clip", "clip.motion"}
    assert not model.fit_report.skipped
    model.save(tmp_path / "m.chiasm")
    again = chiasm.load(tmp_path / "m.chiasm")
    np.testing.assert_allclose(again.outputs(films[silent]), model.outputs(films[silent]), atol=1e-6)


def test_a_view_with_a_chosen_encoder_stays_one(films):
    assert spread(films, {"clip": "frames_video"})[0].names == ["clip"]
    assert spread(films, {"video": "frames_video"})[0].names == ["clip"]
    views, encoders = spread(films, {"clip.motion": "pixels_video"})
    assert views.names == ["clip", "clip.motion", "clip.sound"]
    assert encoders == {"clip.motion": "pixels_video", "clip.sound": "sound_video"}
    assert spread(views, None)[0].names == views.names  # streams are not spread again


def test_a_fuser_of_time_is_told_the_steps_of_the_encoders(films):
    views = films.replace({"clip": films["clip"], "motion": films["clip"]})
    encoders = {"clip": FramesVideo(4, "pixel_image", steps=4), "motion": "motion_video"}
    model = Classify(encoders=encoders, fuse="temporal").fit(views)
    assert model.fuser_.steps_ == {"clip": 4}
    assert model.alone_["motion"].steps_ == {}


@pytest.mark.slow
def test_an_aligner_over_time_reads_the_steps_off_the_columns(tmp_path):
    rng = np.random.default_rng(0)
    files = []
    for i in range(12):
        beat = np.repeat(rng.random(5), 3200)  # how loud, and how bright, in each fifth of a second
        frames = (255 * beat[::3200])[:, None, None, None] * rng.random((1, 48, 64, 3))
        sound = beat * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
        files.append(str(write_video(tmp_path / f"{i}.mkv", frames.astype(np.uint8), fps=5, sound=sound)))
    views = Views({"face": Column("video", files), "voice": Column("video", files)})
    encoders = {"face": "pixels_video:steps=5", "voice": SoundVideo("mel_audio", steps=5)}
    model = Retrieve(encoders=encoders, align="synchronous").fit(views)
    assert model.encoding_.encoders_["face"].steps == 5
    assert model.aligner_.steps_ == 5
    encoders["voice"] = SoundVideo("mel_audio", steps=3)
    with pytest.raises(chiasm.ChiasmError, match="as many steps in every view, got 3 and 5"):
        Retrieve(encoders=encoders, align="synchronous").fit(views)
