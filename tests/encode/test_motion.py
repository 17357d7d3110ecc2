"""Motion between frames: planted shifts, slow definitions, times that count, and fights told from quiet scenes."""

import time

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import chiasm
from chiasm.encode._motion import change_summary, changes, displacement, displacement_summary, thinned
from chiasm.encode.motion_video import MotionVideo
from chiasm.media.clips import Decoded
from chiasm.media.images import MediaError
from conftest import pack


def texture(h=96, w=128, seed=0, grain=3.0):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(h, w)), grain)
    return np.clip(128 + 45 * field / field.std(), 0, 255).astype(np.uint8)


def panned(down, right, t=6):
    """A window of 96 x 128 pixels on a large texture that moves `down`, `right` pixels a frame."""
    whole = texture(200, 240)
    return np.stack([whole[50 - down * i : 146 - down * i, 50 - right * i : 178 - right * i] for i in range(t)])


def walker(t=20, fps=12.0, speed=60.0, left=10.0):
    """A patch that walks `speed` pixels a second over a still ground; frames and times."""
    ground, patch = texture(seed=1), texture(24, 16, seed=2, grain=2.0)
    times = np.arange(t) / fps
    gray = np.repeat(ground[None], t, axis=0)
    for frame, now in zip(gray, times, strict=True):
        x = round(left + speed * now)
        frame[40:64, x : x + 16] = patch
    return gray, times


def decoded(gray, times):
    return Decoded(float(times[-1] + 0.1), gray=gray, gray_times=times)


def test_direction_has_a_sign_that_mirroring_turns():
    gray, times = walker(t=8)
    encoder = MotionVideo(stream="direction")
    right = encoder.over_time(decoded(gray, times)).values
    left = encoder.over_time(decoded(gray[:, :, ::-1], times)).values
    assert right[:, 1].min() > 0.3
    np.testing.assert_allclose(left[:, 1], -right[:, 1], atol=0.1)
    np.testing.assert_allclose(left[:, 3], 1 - right[:, 3], atol=0.02)
    assert np.all(np.diff(right[:, 3]) > 0)  # where it is moves on
    assert np.median(np.abs(right[:, 0])) < 0.1


def test_changes_are_the_mean_absolute_difference_of_each_cell():
    gray = np.random.default_rng(0).integers(0, 256, (4, 96, 128), dtype=np.uint8)
    found = changes(gray)
    assert found.shape == (3, 12, 16)
    for i, y, x in ((0, 0, 0), (1, 5, 9), (2, 11, 15)):
        now, then = (gray[i + k, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].astype(float) for k in (1, 0))
        assert found[i, y, x] == pytest.approx(np.abs(now - then).mean(), rel=1e-5)
    even = np.stack([np.full((96, 128), v, np.uint8) for v in (10, 20, 30)])
    assert changes(even).max() == 10
    assert changes(even, order=2).max() == 0


@pytest.mark.parametrize(("down", "right"), [(2, 0), (0, -4), (4, 2), (-3, 5), (0, 0)])
def test_displacement_finds_a_planted_shift(down, right):
    vectors = displacement(panned(down, right)).vectors[:, 1:-1, 1:-1] * 96  # heights -> pixels
    middle = np.median(vectors, axis=(0, 1, 2))
    np.testing.assert_allclose(middle, (down, right), atol=0.35)
    assert np.abs(vectors - (down, right)).max(axis=-1).mean() < 0.75


def test_what_stands_still_does_not_move_even_where_the_picture_is_noisy():
    still = texture()[None] + np.random.default_rng(0).normal(0, 4, (8, 96, 128))
    found = displacement(np.clip(still, 0, 255).astype(np.uint8))
    assert np.abs(found.vectors).max() < 0.5 / 48


def test_following_a_shift_leaves_little_and_a_new_picture_leaves_much():
    new = np.stack([texture(seed=s) for s in range(4)])
    assert displacement(panned(2, 2)).left[:, 1:-1, 1:-1].mean() < 0.2 * displacement(new).left.mean()


def test_only_the_walker_moves():
    gray, times = walker()
    speed = np.linalg.norm(displacement(gray).vectors, axis=-1)
    for i, now in enumerate(times[:-1]):
        inside = np.zeros((12, 16), dtype=bool)
        x = 10 + 60 * now
        inside[4:9, int(x // 8) - 1 : int((x + 21) // 8) + 2] = True
        assert speed[i][~inside].max() < 0.1 / 48
        assert speed[i][inside].max() * 96 == pytest.approx(5, abs=1.2)  # 60 pixels a second, 12 frames a second


def test_mirroring_alters_nothing():
    gray, times = walker()
    np.testing.assert_allclose(change_summary(gray[:, :, ::-1]), change_summary(gray), rtol=1e-3, atol=1e-3)
    one, other = (displacement_summary(np.ascontiguousarray(g), times) for g in (gray, gray[:, :, ::-1]))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_the_place_changes_little_beside_the_speed():
    def told(**how):
        return MotionVideo().describe(decoded(*walker(t=16, **how)))

    slow, shifted, fast = told(left=10), told(left=26), told(left=10, speed=20.0)
    assert np.abs(slow - shifted).mean() < 0.25 * np.abs(slow - fast).mean()


def test_speeds_are_by_seconds_not_by_frames():
    every, half = (displacement_summary(*walker(t=t, fps=fps)) for t, fps in ((24, 24.0), (12, 12.0)))
    slower = displacement_summary(*walker(t=24, fps=24.0, speed=30.0))
    speed = 0  # the mean logarithm of speed
    assert every[:, speed].mean() == pytest.approx(half[:, speed].mean(), abs=0.15)
    assert every[:, speed].mean() - slower[:, speed].mean() > 0.3


def test_frames_are_compared_at_most_so_often_whatever_the_rate_of_the_file():
    assert thinned(np.arange(31) / 30, 15).tolist() == list(range(0, 31, 2))
    assert thinned(np.array([0.0, 0.01, 0.5, 0.52, 0.6]), 15).tolist() == [0, 2, 4]
    steps = MotionVideo(fps=6).over_time(decoded(*walker(t=24, fps=24.0)))
    np.testing.assert_allclose(steps.end - steps.start, 1 / 6)


@pytest.mark.parametrize(("stream", "width"), [("differences", 18), ("displacement", 59), ("both", 77), ("grid", 192)])
def test_each_stream_is_finite_also_for_one_frame_and_for_black(stream, width):
    encoder = MotionVideo(stream)
    black = np.zeros((5, 96, 128), np.uint8)
    for gray, times in (walker(), (black, np.arange(5) / 10), (texture()[None], np.zeros(1))):
        steps = encoder.over_time(Decoded(2.0, gray=gray, gray_times=times))
        assert steps.values.shape == (max(len(gray) - 1, 1), width)
        assert steps.values.dtype == np.float32
        assert np.isfinite(steps.values).all()
        assert (steps.end > steps.start).all()
        assert encoder.pool(steps.values).shape == (3 * width,)


def test_the_order_of_frames_counts():
    gray, times = walker()
    order = np.random.default_rng(0).permutation(len(gray))
    one, other = (MotionVideo().over_time(decoded(g, times)).values for g in (gray, gray[order]))
    assert np.abs(one.mean(axis=0) - other.mean(axis=0)).max() > 0.5


def test_no_frame_is_a_reason_and_unknown_streams_and_wrong_sizes_are_refused():
    with pytest.raises(MediaError, match="no_picture"):
        MotionVideo().over_time(Decoded(1.0))
    with pytest.raises(chiasm.ChiasmError, match="did you mean 'displacement'"):
        MotionVideo("displacment").over_time(decoded(*walker()))
    with pytest.raises(chiasm.ChiasmError, match="wanted gray frames"):
        changes(np.zeros((3, 50, 64), np.uint8))


def test_three_seconds_of_real_film_take_some_hundredths_of_a_second():
    gray, times = walker(t=75, fps=25.0, speed=30.0)
    took = []
    for _ in range(3):
        started = time.process_time()
        displacement_summary(gray, times)
        took.append(time.process_time() - started)
    assert min(took) < 0.15  # .03 on a quiet machine


def test_fights_are_told_from_quiet_scenes_far_above_chance():
    folder = pack("surv_fight")
    pytest.importorskip("av")
    names = sorted(path.name for path in (folder / "video").iterdir())[::3]
    values = MotionVideo("displacement").encode([str(folder / "video" / name) for name in names])
    speed = values[:, 0]  # the mean over time of the mean logarithm of speed where it moves
    fight = np.array([name.startswith("fi") for name in names])
    above = (speed[fight][:, None] > speed[~fight][None]).mean()
    assert above > 0.64  # area under the ROC curve of one number; of 50 and 50 clips chance is above it once in 100
