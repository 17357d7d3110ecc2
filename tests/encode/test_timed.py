"""Audio and video from files to features: what is decoded is what was written, at the times it was written."""

import numpy as np
import pytest

import chiasm
from _media import stripes, write_sound, write_video
from chiasm.encode._timed import Steps, parts
from chiasm.encode.frames_video import FramesVideo
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.media import MediaError, clips
from chiasm.media.clips import Clip, Wants, decode, decode_many, probe
from chiasm.views import Column, Views


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two seconds at 10 frames a second whose gray level tells the time, with a tone that begins at 1 s."""
    t = np.arange(2 * 16000) / 16000
    tone = np.where(t >= 1, 0.5 * np.sin(2 * np.pi * 440 * t), 0)
    return str(write_video(tmp_path_factory.mktemp("film") / "a.mkv", stripes(2), sound=tone, gop=5))


def test_gray_frames_come_with_their_times_and_levels(film):
    found = decode(film, Wants(gray=(12, 16)))
    assert found.gray.shape == (20, 12, 16)
    np.testing.assert_allclose(found.gray_times, np.arange(20) / 10, atol=2e-3)
    np.testing.assert_allclose(found.gray.mean(axis=(1, 2)), np.arange(20) * 10, atol=4)


def test_pictures_are_from_the_middle_of_equal_parts(film):
    found = decode(film, Wants(pictures=4, size=32))
    assert found.pictures.shape == (4, 32, 32, 3)
    np.testing.assert_allclose(found.picture_times, [0.2, 0.7, 1.2, 1.7], atol=0.051)
    np.testing.assert_allclose(found.pictures.mean(axis=(1, 2, 3)), 100 * found.picture_times, atol=5)


def test_sound_is_what_was_written(tmp_path):
    rng = np.random.default_rng(0)
    wave = rng.uniform(-0.5, 0.5, 8000)
    found = decode(str(write_sound(tmp_path / "a.wav", wave)), Wants(rate=16000))
    np.testing.assert_allclose(found.sound, wave, atol=1e-6)
    assert found.seconds == pytest.approx(0.5)


def test_the_sound_of_a_video_begins_when_it_was_written_to(film):
    sound = decode(film, Wants(rate=16000)).sound
    assert abs(sound[:15000]).max() < 0.05
    assert abs(sound[17000:31000]).max() > 0.4


def test_a_track_that_begins_late_is_heard_late(tmp_path):
    noise = 0.5 * np.random.default_rng(0).uniform(-1, 1, 16000)
    late = str(write_video(tmp_path / "late.mkv", stripes(2), sound=noise, late=1.0))
    sound = decode(late, Wants(rate=16000)).sound
    assert abs(sound[:15500]).max() < 0.01
    assert abs(sound[16500:31000]).mean() > 0.1


@pytest.mark.parametrize("start", [0.3, 1.1])
def test_a_moment_is_that_part_of_the_whole(film, start):
    wants = Wants(gray=(12, 16)) | Wants(rate=16000)
    whole, part = decode(film, wants), decode(Clip(film, start, start + 0.6), wants)
    rows = (whole.gray_times >= start - 1e-6) & (whole.gray_times < start + 0.6)
    np.testing.assert_array_equal(part.gray, whole.gray[rows])
    np.testing.assert_allclose(part.sound, whole.sound[round(start * 16000) : round((start + 0.6) * 16000)], atol=1e-3)


def test_a_moment_that_the_file_ends_in_is_shorter_and_says_so(film):
    whole, cut = decode_many([Clip(film, 1, 2), Clip(film, 1.5, 3)], Wants(gray=(8, 8)))
    assert not whole.notes
    assert cut.seconds == pytest.approx(0.5, abs=0.05)
    assert [note.code for note in cut.notes] == ["cut_short"]


def test_moments_in_one_pass_equal_moments_alone(film):
    wants = Wants(pictures=2, size=16, gray=(12, 16), rate=8000)
    moments = [Clip(film, 0, 1), Clip(film, 0.5, 1.5), Clip(film, 1, 2)]
    for together, moment in zip(decode_many(moments, wants), moments, strict=True):
        alone = decode(moment, wants)
        np.testing.assert_array_equal(together.gray, alone.gray)
        np.testing.assert_array_equal(together.pictures, alone.pictures)
        np.testing.assert_allclose(together.sound, alone.sound, atol=1e-3)


def test_a_moment_far_into_a_film_is_found_by_seeking(tmp_path):
    levels = np.repeat(np.arange(30) * 8, 10)
    frames = np.broadcast_to(levels[:, None, None, None], (300, 32, 32, 3)).astype(np.uint8)
    path = str(write_video(tmp_path / "long.mp4", frames, gop=20))
    found = decode(Clip(path, 25, 27), Wants(gray=(8, 8)))
    assert len(found.gray) == 20
    np.testing.assert_allclose(found.gray.mean(axis=(1, 2)), levels[250:270], atol=3)


def test_one_decode_serves_several_encoders(film, monkeypatch):
    asked = []
    ask = clips._ask
    monkeypatch.setattr(clips, "_ask", lambda items, wants: asked.append(wants) or ask(items, wants))
    a, b = Wants(pictures=2), Wants(gray=(8, 8))
    with clips.one_decode([a, b]):
        assert len(decode(film, a).pictures) == 2
        assert decode(film, b).gray.shape[1:] == (8, 8)
    assert asked == [a | b]
    with clips.one_decode([a, Wants(pictures=3)]):  # cannot be joined
        assert len(decode(film, a).pictures) == 2


def test_wants_of_one_stream_in_two_ways_are_refused():
    with pytest.raises(ChiasmError, match="decode twice"):
        Wants(pictures=2) | Wants(pictures=3)


def test_absent_streams_are_told_by_a_reason(film, tmp_path):
    silent = str(write_video(tmp_path / "silent.mp4", stripes(1)))
    sound = str(write_sound(tmp_path / "a.wav", np.zeros(1600)))
    for item, wants, code in ((silent, Wants(rate=16000), "no_sound"), (sound, Wants(pictures=1), "no_picture")):
        with pytest.raises(MediaError) as caught:
            decode(item, wants)
        assert caught.value.note.code == code
    both = decode(silent, Wants(pictures=1)).absent
    assert not both
    with clips.one_decode([Wants(pictures=1), Wants(rate=16000)]):
        assert len(decode(silent, Wants(pictures=1)).pictures) == 1  # what is absent hinders no other encoder


def test_a_probe_tells_length_and_streams(film):
    facts = probe(film)
    assert facts.seconds == pytest.approx(2, abs=0.1)
    assert (facts.width, facts.height) == (64, 48)
    assert facts.fps == pytest.approx(10)
    assert facts.rate == 48000


def test_bytes_decode_as_their_file_does(film):
    with open(film, "rb") as file:
        data = file.read()
    wants = Wants(pictures=2, size=16)
    np.testing.assert_array_equal(decode(data, wants).pictures, decode(film, wants).pictures)


def test_a_clip_is_known_by_its_files_bytes_and_its_moment(film, tmp_path):
    copy = tmp_path / "copy.mkv"
    with open(film, "rb") as file:
        copy.write_bytes(file.read())
    assert clips.clip_content(film) == clips.clip_content(str(copy)) == clips.clip_content(Clip(film))
    assert clips.clip_content(Clip(film, 0, 1)) != clips.clip_content(film)
    with open(copy, "ab") as file:
        file.write(b"x")
    assert clips.clip_content(film) != clips.clip_content(str(copy))


def test_parts_are_means_of_what_lies_in_them():
    steps = Steps(np.arange(8.0)[:, None], np.arange(8.0), np.arange(1.0, 9))
    assert parts(steps, 8.0, 4).ravel().tolist() == [0.5, 2.5, 4.5, 6.5]
    assert parts(steps, 8.0, 16).ravel().tolist() == np.repeat(np.arange(8.0), 2).tolist()  # the nearest where empty


def test_frames_are_the_image_encoders_features_of_the_pictures(film):
    encoder = FramesVideo(pictures=4, image="pixel_image", steps=2)
    pictures = decode(film, encoder.wants).pictures
    each = encoder._image().encode(list(pictures))
    np.testing.assert_allclose(encoder.encode([film])[0], each.reshape(2, 2, -1).mean(axis=1).ravel(), atol=1e-6)
    pooled = FramesVideo(pictures=4, image="pixel_image").encode([film])
    np.testing.assert_allclose(pooled[0], each.mean(axis=0), atol=1e-6)
    with open(film, "rb") as file:
        np.testing.assert_array_equal(FramesVideo(pictures=4, image="pixel_image").encode([file.read()]), pooled)


def test_a_changed_image_encoder_changes_the_fingerprint():
    one = FramesVideo(image="pixel_image")
    before = one.fingerprint
    one.set_params(image="effnet_image")
    assert one.fingerprint != before


def test_views_of_one_column_of_videos_are_decoded_once(film, tmp_path, monkeypatch):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 100)
    asked = []
    ask = clips._ask
    monkeypatch.setattr(clips, "_ask", lambda items, wants: asked.append(items) or ask(items, wants))
    column = Column("video", [film, str(broken)])
    views = Views({"scene": column, "motion": Column("video", list(column.items))})
    encoders = {"scene": FramesVideo(2, "pixel_image"), "motion": FramesVideo(2, "pixel_image", steps=2)}
    encoded, report = Encoding(encoders).fit(views).apply(views)
    assert len(asked) == 2  # one a file
    assert encoded["scene"].present.tolist() == encoded["motion"].present.tolist() == [True, False]
    assert {(view, note.code) for view, _, note in report.skipped} == {("scene", "broken"), ("motion", "broken")}


def test_a_table_and_a_folder_of_videos_are_read(film, tmp_path):
    folder = tmp_path / "media"
    (folder / "x").mkdir(parents=True)
    for name in ("x/one.mkv", "x/two.mkv"):
        with open(film, "rb") as file:
            (folder / name).write_bytes(file.read())
    (folder / "x/one.txt").write_text("a gray film\n灰色的影片\n", encoding="utf-8")
    views = chiasm.read(folder)
    assert {name: column.modality for name, column in views.columns.items()} == {"video": "video", "text": "text"}
    assert len(views) == 3
    write_sound(folder / "x/two.wav", np.zeros(1600))
    mixed = chiasm.read(folder)
    assert mixed.names == ["audio", "video", "text"]
    assert mixed["audio"].present.tolist() == [False, False, True]
    assert mixed.ids.tolist() == ["x/one", "x/one", "x/two"]
    (tmp_path / "t.csv").write_text("file,what\nmedia/x/one.mkv,a\nmedia/x/two.mkv,b\n")
    table = chiasm.read(tmp_path / "t.csv", video={"scene": "file", "motion": "file"}, text="what")
    assert table.ids.tolist() == ["media/x/one.mkv", "media/x/two.mkv"]
    assert table["scene"].items == table["motion"].items
