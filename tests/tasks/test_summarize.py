"""Summaries of films written here: scenes of known length, color and loudness."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from chiasm.cli.summarize import summarize_command
from chiasm.data.toy import COLORS, SHAPES, shape_image
from chiasm.errors import ChiasmError
from chiasm.media import film as _film
from chiasm.media.clips import Clip
from chiasm.media.images import MediaError, decode_image
from chiasm.tasks.retrieve import Retrieve
from chiasm.tasks.summarize import Summarize
from chiasm.views import Column, Views

FPS, RATE = 10, 16000
PAIRS = [(color, shape) for color in COLORS for shape in SHAPES]


def write(path, scenes, sound=None, every=2 * FPS):
    """A film of (picture, seconds) scenes; `sound` is (s,) float32 or None."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": str(every)})
        video.width, video.height, video.pix_fmt = 96, 96, "yuv420p"
        audio = None if sound is None else file.add_stream("aac", rate=RATE, layout="mono")
        for picture, seconds in scenes:
            for _ in range(round(seconds * FPS)):
                file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode(None))
        if audio is not None:
            for start in range(0, len(sound), 1024):
                block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
                block.rate, block.pts = RATE, start
                file.mux(audio.encode(block))
            file.mux(audio.encode(None))
    return path


def picture(color, shape, seed=0):
    return np.asarray(decode_image(shape_image(color, shape, seed=seed), 96)[0])


SCENES = [(picture(*PAIRS[i]), seconds) for i, seconds in ((0, 7.0), (5, 2.0), (10, 2.0), (0, 6.0), (3, 2.0))]
CUTS = [7.0, 9.0, 11.0, 17.0]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """19 s: a long scene that returns, three short ones; a tone in the third scene, noise elsewhere."""
    sound = np.random.default_rng(0).normal(0, 0.003, 19 * RATE).astype(np.float32)
    sound[10 * RATE : 11 * RATE] += 0.3 * np.sin(np.arange(RATE) * 0.3).astype(np.float32)
    return str(write(tmp_path_factory.mktemp("film") / "film.mp4", SCENES, sound))


@pytest.fixture
def task():
    return Summarize(encoder="pixel_image")


def scene_at(time):
    return int(np.searchsorted(CUTS, time, side="right"))


def test_shots_begin_where_scenes_do(film, task):
    found = task.shots(film)
    assert found[0, 0] == 0
    assert found[-1, 1] == pytest.approx(19, abs=0.1)
    assert (found[1:, 0] == found[:-1, 1]).all()
    np.testing.assert_allclose(found[1:, 0], CUTS, atol=task.step)


def test_each_scene_is_shown_once_however_short_where_even_sampling_shows_one_twice(film, task):
    distinct = [{0: 0, 3: 0}.get(scene, scene) for scene in (scene_at(m["time"]) for m in task.answer(film, 4))]
    assert sorted(distinct) == [0, 1, 2, 4]
    even = [{0: 0, 3: 0}.get(scene_at(t), scene_at(t)) for t in (np.arange(4) + 0.5) * 19 / 4]
    assert len(set(even)) < 4


def test_a_moment_holds_its_key_frame_and_its_picture_is_that_of_the_time(film, task):
    moments = task.answer(film, 4)
    scores = [m["score"] for m in moments]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) <= 1 + 1e-3
    for moment in moments:
        assert 0 <= moment["start"] < moment["time"] < moment["end"] <= 19.1
        known = SCENES[scene_at(moment["time"])][0].astype(float)
        shown = np.asarray(decode_image(moment["picture"], 96)[0]).astype(float)
        assert np.abs(shown - known).mean() < 12
    json.dumps([{k: v for k, v in m.items() if k != "picture"} for m in moments])


def test_a_loud_scene_comes_first_unless_the_sound_is_not_heard(film, task):
    (heard,) = task.answer(film, 1)
    assert scene_at(heard["time"]) == 2
    assert heard["loud"] > 3
    (quiet,) = task.set_params(sound=0.0).answer(film, 1)
    assert scene_at(quiet["time"]) in (0, 3)
    assert quiet["loud"] is None


def test_words_lead_to_the_scene_that_they_name(film):
    n = 16
    pictures = [picture(*pair, seed=i) for pair in PAIRS for i in range(1, n)]
    words = [f"a {color} {shape}" for color, shape in PAIRS for _ in range(1, n)]
    space = Retrieve(encoders={"image": "pixel_image", "caption": "tfidf_text"}, align="ridge")
    space.fit(Views({"image": Column.from_cells("image", pictures), "caption": Column.from_cells("text", words)}))
    task = Summarize(space=space)  # a loud scene does not outweigh what was asked for
    for scene, kind in ((1, 5), (2, 10), (4, 3)):
        (best,) = task.answer(film, 1, "a {} {}".format(*PAIRS[kind]))
        assert scene_at(best["time"]) == scene
        assert best["near"] > 1


def test_words_without_a_space_are_refused_in_words(film, task):
    with pytest.raises(ChiasmError, match="space=MODEL"):
        task.answer(film, 3, "a red circle")


def test_a_moment_of_a_file_is_summarized_in_the_seconds_of_the_file(film, task):
    moments = task.answer(Clip(film, 6.0, 12.0), 3)
    assert all(6 <= m["start"] < m["end"] <= 12.01 for m in moments)
    assert {{3: 0}.get(scene_at(m["time"]), scene_at(m["time"])) for m in moments} == {0, 1, 2}


def test_a_film_read_in_pieces_has_the_features_of_one_read_at_once(film, task, monkeypatch):
    whole = task.read(film)
    monkeypatch.setattr(_film, "_PIECE", 3.0)
    parts = task.read(film)
    assert whole.rows.shape == parts.rows.shape == (38, whole.rows.shape[1])
    np.testing.assert_allclose(whole.rows, parts.rows, atol=1e-6)
    np.testing.assert_allclose(whole.loudness, parts.loudness, atol=0.5)


def test_a_film_of_any_length_has_a_bounded_number_of_steps(film, task, monkeypatch):
    monkeypatch.setattr(_film, "MOST", 10)
    read = task.read(film)
    assert len(read.rows) == 10
    assert read.step == pytest.approx(1.9, abs=0.01)


def test_key_frames_far_apart_in_the_file_change_nothing(film, task, tmp_path):
    rare = str(write(tmp_path / "rare.mp4", SCENES, every=10_000))
    assert len(task.read(rare).rows) == 38
    np.testing.assert_allclose(task.shots(rare)[1:, 0], CUTS, atol=task.step)


def test_a_film_without_sound_and_one_without_cuts_are_summarized_too(task, tmp_path):
    silent = str(write(tmp_path / "silent.mp4", SCENES))
    assert all(m["loud"] is None for m in task.answer(silent, 3))
    still = str(write(tmp_path / "still.mp4", [(picture(*PAIRS[1]), 6.0)]))
    assert len(Summarize().shots(still)) == 1
    assert len(Summarize().answer(still, 3)) == 3


def test_of_a_film_that_is_cut_short_what_is_left_is_summarized(task, tmp_path):
    whole = write(tmp_path / "whole.mkv", SCENES)
    data = whole.read_bytes()
    (tmp_path / "half.mkv").write_bytes(data[: int(len(data) * 0.7)])
    read = task.read(str(tmp_path / "half.mkv"))
    assert 2 < read.seconds < 18.5
    assert read.seconds == pytest.approx(len(read.rows) * read.step, abs=0.01)
    found = task.answer(str(tmp_path / "half.mkv"), 3)
    assert all(moment["end"] <= read.seconds + 0.01 for moment in found)
    assert found.notes


def test_what_cannot_be_read_has_its_reason(task, tmp_path):
    with pytest.raises(MediaError) as missing:
        task.answer(str(tmp_path / "none.mp4"))
    assert missing.value.note.code == "missing"
    (tmp_path / "text.mp4").write_text("not a film")
    with pytest.raises(MediaError):
        task.answer(str(tmp_path / "text.mp4"))
    with pytest.raises(ChiasmError, match="k = 0"):
        task.answer("film.mp4", 0)


def test_the_command_prints_moments_in_order_of_time_and_draws_them(film, tmp_path):
    run = CliRunner().invoke(summarize_command, [film, "--k", "4", "--json", "--sheet", str(tmp_path / "s.png")])
    assert run.exit_code == 0, run.output
    moments = json.loads(run.stdout)["moments"]
    times = [moment["time"] for moment in moments]
    assert times == sorted(times)
    assert len(times) == 4
    assert decode_image(str(tmp_path / "s.png"), None)[0].width > 500
    lines = CliRunner().invoke(summarize_command, [film, "--k", "3"]).stdout.splitlines()
    assert len(lines) == 3
    assert all(
        re.fullmatch(r" *0:\d\d\.\d   0:\d\d\.\d - 0:\d\d\.\d   0\.\d{3}(   loud \d+\.\d)?", line) for line in lines
    )


def test_the_command_refuses_a_model_that_is_no_space_of_pictures_and_texts(film, toy):
    run = CliRunner().invoke(summarize_command, [film, "--words", "a red circle"])
    assert isinstance(run.exception, ChiasmError)
    found = CliRunner().invoke(
        summarize_command, [film, "--words", "a red circle", "--model", str(toy.model), "--k", "2", "--json"]
    )
    assert found.exit_code == 0, found.output
    assert len(json.loads(found.stdout)["moments"]) == 2
    assert Path(film).exists()


def test_the_command_gives_notes_as_json_too(task, tmp_path):
    path = tmp_path / "a.mkv"
    write(path, [(picture(*PAIRS[0]), 2.0)], np.zeros(6 * RATE, np.float32))
    found = json.loads(CliRunner().invoke(summarize_command, [str(path), "--k", "2", "--json"]).stdout)
    assert {note["code"] for note in found["notes"]} >= {"cut_short"}
    assert all(moment["end"] <= 2.01 for moment in found["moments"])
