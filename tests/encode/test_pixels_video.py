"""Pixels over time against what was drawn into the frames, and against a real face."""

import numpy as np
import pytest

from chiasm.encode.pixels_video import PixelsVideo
from chiasm.errors import ChiasmError
from chiasm.media.clips import Decoded
from chiasm.media.images import MediaError
from conftest import pack


def film(gray, fps=25.0):
    gray = np.asarray(gray, np.uint8)
    return Decoded(len(gray) / fps, gray=gray, gray_times=np.arange(len(gray)) / fps)


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (9, 4, 6))


def test_a_frame_is_its_gray_values_and_their_absolute_change_from_the_frame_before(frames):
    found = PixelsVideo(4, 6).over_time(film(frames)).values
    np.testing.assert_allclose(found[:, :24], frames.reshape(9, 24) / 255, rtol=1e-6)
    for t in range(1, 9):
        np.testing.assert_allclose(found[t, 24:], np.abs(frames[t] - frames[t - 1]).ravel() / 255, atol=1e-6)
    np.testing.assert_array_equal(found[0, 24:], found[1, 24:])


def test_frames_follow_one_another_without_gaps_and_fill_the_clip(frames):
    found = PixelsVideo(4, 6).over_time(film(frames))
    np.testing.assert_allclose(found.start, np.arange(9) / 25)
    np.testing.assert_allclose(found.end, np.arange(1, 10) / 25)


def test_pooled_it_is_the_mean_and_the_standard_deviation_of_each_cell(frames):
    found = PixelsVideo(4, 6, parts=("pixels",)).describe(film(frames))
    gray = frames.reshape(9, 24) / 255
    np.testing.assert_allclose(found, np.concatenate([gray.mean(axis=0), gray.std(axis=0)]), rtol=1e-5)


def test_with_as_many_steps_as_frames_each_step_is_a_frame(frames):
    encoder = PixelsVideo(4, 6, steps=9)
    whole = encoder.describe(film(frames)).reshape(9, 48)
    np.testing.assert_allclose(whole, encoder.over_time(film(frames)).values, rtol=1e-6)


def test_parts_are_columns_of_the_whole_and_steps_come_in_order_of_time(frames):
    both = PixelsVideo(4, 6, steps=3).describe(film(frames)).reshape(3, 48)
    for part, columns in (("pixels", slice(0, 24)), ("change", slice(24, 48))):
        alone = PixelsVideo(4, 6, parts=(part,), steps=3).describe(film(frames)).reshape(3, 24)
        np.testing.assert_allclose(alone, both[:, columns])
    backward = PixelsVideo(4, 6, parts=("pixels",), steps=3).describe(film(frames[::-1])).reshape(3, 24)
    np.testing.assert_allclose(backward[::-1], both[:, :24], rtol=1e-6)


def test_a_single_frame_has_pixels_and_no_change(frames):
    found = PixelsVideo(4, 6).over_time(film(frames[:1])).values
    assert found[0, :24].any()
    assert not found[0, 24:].any()


def test_no_frames_are_a_reason_code_and_wrong_parameters_an_error():
    with pytest.raises(MediaError, match="no frame") as error:
        PixelsVideo(4, 6).over_time(film(np.zeros((0, 4, 6))))
    assert error.value.note.code == "no_picture"
    with pytest.raises(ChiasmError, match="change"):
        _ = PixelsVideo(parts=("chnge",)).wants
    with pytest.raises(ChiasmError, match="got none"):
        _ = PixelsVideo(parts=()).wants
    with pytest.raises(ChiasmError, match="0 x 8"):
        _ = PixelsVideo(0, 8).wants


def test_of_a_real_face_the_mouth_changes_the_most():
    folder = pack("grid_s1")
    encoder = PixelsVideo(steps=75, parts=("change",))
    found = encoder.encode([str(folder / "video" / f"{name}.mp4") for name in ("lwaz2p", "briz6n")])
    assert (found.steps, found.width, found.shape) == (75, 24 * 32, (2, 75 * 24 * 32))
    rows, columns = np.unravel_index(np.asarray(found).reshape(2 * 75, 24, 32).mean(axis=0).argmax(), (24, 32))
    assert 14 <= rows <= 20
    assert 9 <= columns <= 19
