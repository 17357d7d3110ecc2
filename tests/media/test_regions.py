"""The moving region: known masks, noise, and what it is not meant for."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from _media import write_sound, write_video
from chiasm.errors import ChiasmError
from chiasm.media import MediaError
from chiasm.media.regions import boxes, moving, passages


def film(t=20, noise=2.0, seed=0):
    """A disk of its own texture that crosses a textured ground; frames and the true masks."""
    rng = np.random.default_rng(seed)
    ground, thing = (128 + 40 * f / f.std() for f in (gaussian_filter(rng.normal(size=(96, 128)), 4) for _ in range(2)))
    y, x = np.mgrid[:96, :128]
    gray, truth = np.empty((t, 96, 128)), np.empty((t, 96, 128), dtype=bool)
    for i in range(t):
        truth[i] = np.hypot(y - 45, x - (14 + 5 * i)) < 12
        gray[i] = np.where(truth[i], 255 - 0.4 * thing, 0.6 * ground) + rng.normal(0, noise, ground.shape)
    return np.clip(gray, 0, 255).astype(np.uint8), truth


def iou(found, truth):
    return (found & truth).sum() / (found | truth).sum()


def test_the_mask_covers_what_moves_and_nothing_else():
    gray, truth = film()
    found = moving(gray)
    assert found.dtype == bool
    assert found.shape == gray.shape
    assert iou(found, truth) > 0.85
    plain = np.abs(np.diff(gray.astype(int), axis=0, prepend=gray[:1])) > 8
    assert iou(plain, truth) < 0.6


def test_noise_and_flicker_are_not_motion():
    gray, truth = film(noise=5.0)
    rng = np.random.default_rng(1)
    gray[:, 70:, 90:] = rng.integers(60, 200, gray[:, 70:, 90:].shape)  # leaves in the wind
    found = moving(gray)
    assert found[:, 72:, 92:].mean() < 0.02
    assert iou(found[:, :70], truth[:, :70]) > 0.75
    assert not moving(np.full((5, 48, 64), 7, np.uint8)).any()


def test_small_patches_are_dropped_and_holes_filled():
    gray = np.full((9, 96, 128), 90, np.uint8)
    for i in range(9):
        gray[i, 30:50, 12 * i : 12 * i + 12] = 160
        gray[i, 38:42, 12 * i + 4 : 12 * i + 8] = 90  # a hole
        gray[i, 80:83, 12 * i : 12 * i + 3] = 160  # 9 pixels of 12,288
    found = moving(gray)
    assert found[4, 30:50, 48:60].all()
    assert found[4].sum() == 240
    assert moving(gray, least_area=0.0005)[4, 80:83, 48:51].any()


def test_the_box_is_that_of_the_largest_region():
    mask = np.zeros((3, 20, 30), dtype=bool)
    mask[0, 2:6, 3:10] = True
    mask[0, 10:12, 20:22] = True
    mask[2, 19, 29] = True
    assert boxes(mask).tolist() == [[2, 3, 6, 10], [0, 0, 0, 0], [19, 29, 20, 30]]


def test_too_few_frames_are_refused():
    with pytest.raises(ChiasmError, match="at least 3 gray frames"):
        moving(np.zeros((2, 48, 64), np.uint8))


def test_passages_of_a_film_tell_when_and_where_something_moves(tmp_path):
    gray, truth = film(t=60)
    still = np.repeat(film(t=1)[0][:, :, :], 30, axis=0)  # the disk stands at the left edge and is ground
    frames = np.concatenate([still, gray[:20], still])
    path = write_video(tmp_path / "yard.mkv", np.repeat(frames[..., None], 3, axis=3), fps=10)
    found = passages(path, fps=10)
    moved = [one for one in found if one["end"] - one["start"] > 1]
    assert len(moved) == 1
    start, end, (left, top, right, bottom) = moved[0]["start"], moved[0]["end"], moved[0]["box"]
    assert start == pytest.approx(3.0, abs=0.4)
    assert end == pytest.approx(5.0, abs=0.4)
    rows, columns = np.flatnonzero(truth[:20].any(axis=(0, 2))), np.flatnonzero(truth[:20].any(axis=(0, 1)))
    assert (top, bottom) == pytest.approx((rows[0] / 96, (rows[-1] + 1) / 96), abs=4 / 96)
    assert right == pytest.approx((columns[-1] + 1) / 128, abs=4 / 128)
    assert left < 0.3


def test_a_film_in_which_nothing_moves_has_no_passage_and_a_sound_is_refused(tmp_path):
    still = np.full((30, 96, 128, 3), 90, np.uint8)
    assert passages(write_video(tmp_path / "still.mkv", still, fps=10)) == []
    with pytest.raises(MediaError, match="no_picture"):
        passages(write_sound(tmp_path / "a.wav", np.sin(np.arange(16000) / 9)))
