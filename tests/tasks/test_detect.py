"""What is unusual is found: odd rows, broken pairs, labeled kinds; over a film, in a stream, on the command line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import chiasm
from chiasm.align.cca import CCA
from chiasm.cli.detect import detect_command
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, Decoded, Wants, decode
from chiasm.media.images import MediaError
from chiasm.tasks._detect import tail as _tail
from chiasm.tasks._detect import unusual as _unusual
from chiasm.tasks._detect import watch as _watch
from chiasm.tasks.detect import Detect, columns_of
from chiasm.views import Column, Views

FIXED = CCA(ridge=1.0)
"""For tests whose claim is not about how a ridge is chosen."""


def auroc(wrong, values):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(wrong, values)


def paired(n=400, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 6))
    mix = np.random.default_rng(99)
    a, b = mix.normal(size=(6, 12)), mix.normal(size=(6, 9))
    return z @ a + 0.3 * rng.normal(size=(n, 12)), z @ b + 0.3 * rng.normal(size=(n, 9))


def test_broken_pairs_are_found_in_the_table_that_is_learned_from_and_no_view_alone_shows_them():
    a, b = paired()
    wrong = np.zeros(400, bool)
    wrong[:20] = True
    b[:20] = np.roll(b[:20], 1, axis=0)
    model = Detect(align=FIXED).fit({"a": a, "b": b})
    signs = model.signs({"a": a, "b": b})
    assert auroc(wrong, signs["a, b"]) > 0.98
    assert all(0.3 < auroc(wrong, signs[name]) < 0.7 for name in ("a", "b"))
    assert auroc(wrong, model.outputs({"a": a, "b": b})) > 0.9
    alone = Detect(learn="pairs", align=FIXED).fit({"a": a, "b": b})
    assert alone.signs_ == ["a, b"]
    assert auroc(wrong, alone.outputs({"a": a, "b": b})) > 0.98


def test_an_odd_item_is_found_and_the_sign_says_in_which_view():
    a, b = paired()
    b[7] += 6
    model = Detect(align=FIXED).fit({"a": a, "b": b})
    signs, total = model.signs({"a": a, "b": b}), model.outputs({"a": a, "b": b})
    assert total.argmax() == 7
    assert signs["b"][7] > 6 > signs["a"][7]


def test_shifted_rows_are_told_as_well_as_the_known_density_ratio_allows():
    rng = np.random.default_rng(3)
    learn, normal = rng.normal(size=(600, 5)), rng.normal(size=(400, 5))
    odd = 3 * rng.normal(size=(400, 5))
    wrong = np.arange(800) >= 400
    both = np.concatenate([normal, odd])
    best = auroc(wrong, (both**2).sum(axis=1))  # the likelihood ratio of two round Gaussians
    model = Detect().fit({"a": learn})
    assert auroc(wrong, model.outputs({"a": both})) > best - 0.01


def test_the_share_of_new_normal_rows_called_unusual_is_the_rate():
    a, b = paired(1200)
    model = Detect(rate=0.1, align=FIXED).fit({"a": a[:600], "b": b[:600]})
    called, surprise = model.answer({"a": a[600:], "b": b[600:]})
    assert called.mean() == pytest.approx(0.1, abs=0.035)
    assert np.array_equal(called, surprise >= -np.log(0.1))


def test_a_row_that_was_learned_from_is_judged_without_itself():
    a = np.random.default_rng(0).normal(size=(60, 30))
    model = Detect(align=FIXED).fit({"a": a})
    again = model.outputs({"a": a})
    assert np.mean(again >= -np.log(0.1)) == pytest.approx(0.1, abs=0.05)
    normal = model.normals_["a"]
    assert _unusual.figure(normal, a).mean() < model.crossed_[:, 0].mean() - 0.3  # what it would say of them else


def test_a_tail_keeps_the_order_of_what_no_normal_row_reaches_and_is_uniform_on_normal_ones():
    rng = np.random.default_rng(0)
    known = _tail.tail(rng.normal(size=5000))
    p = np.exp(-_tail.surprise(known, rng.normal(size=5000)))
    for share in (0.01, 0.05, 0.1, 0.3, 0.7):
        assert np.mean(p <= share) == pytest.approx(share, rel=0.2)
    far = _tail.surprise(known, np.array([4.0, 5, 50, np.nan]))
    assert np.all(np.diff(far[:3]) > 0)
    assert np.isnan(far[3])


def test_a_few_unusual_rows_do_not_make_themselves_look_usual():
    rng = np.random.default_rng(0)
    normal = rng.exponential(size=950)
    mixed = np.concatenate([normal, rng.uniform(8, 12, size=50)])
    truth = _tail.surprise(_tail.bulk_tail(normal), np.array([10.0]))
    assert truth == pytest.approx(10, rel=0.15)  # -log p of an exponential variable is itself
    assert _tail.surprise(_tail.bulk_tail(mixed), np.array([10.0])) > 0.7 * truth
    assert _tail.surprise(_tail.tail(mixed), np.array([10.0])) < 0.5 * truth


def test_an_absent_view_leaves_the_others_to_tell_and_a_row_without_any_is_no_surprise():
    a, b = paired()
    model = Detect(align=FIXED).fit({"a": a[:300], "b": b[:300]})
    one = a[300:].copy()
    one[0] += 8
    signs = model.signs({"a": one})
    assert np.isnan(signs["b"]).all()
    assert np.isnan(signs["a, b"]).all()
    assert model.outputs({"a": one}).argmax() == 0
    nothing = Views({"a": Column("vector", a[:1], np.array([-1, 0])), "b": Column("vector", b[:1], np.array([-1, -1]))})
    assert model.outputs(nothing)[0] == 0


def test_only_rows_labeled_normal_are_learned_from_and_the_score_is_of_the_labels():
    rng = np.random.default_rng(0)
    y = np.array(["fine", "odd"], dtype=object)[(np.arange(400) % 4 == 0).astype(int)]
    x = rng.normal(size=(400, 6)) + 3 * (y == "odd")[:, None]
    views = Views({"x": Column("vector", x)}, facts={"label": y})
    model = Detect(normal="fine").fit(views[:200])
    assert len(model.marks_) == 150
    score = model.score(views[200:])
    assert score == pytest.approx(auroc(y[200:] == "odd", model.outputs(views[200:])), abs=1e-6)
    assert score > 0.95
    assert score.table["found"] == "labels"
    with pytest.raises(ChiasmError, match="fitted on"):
        model.score(views)


def test_labels_find_what_is_unusual_in_one_direction_only_and_name_it():
    rng = np.random.default_rng(0)
    y = rng.choice(["calm", "left", "right"], 600, p=[0.6, 0.2, 0.2]).astype(object)
    x = rng.normal(size=(600, 5))
    x[:, 0] += 2.5 * (y == "left") - 2.5 * (y == "right")
    views = Views({"x": Column("vector", x)}, facts={"label": y})
    model = Detect(normal="calm", learn="labels", fuse="early").fit(views[:400])
    best = auroc(y[400:] != "calm", np.abs(x[400:, 0]))  # the density ratio grows with it
    assert auroc(y[400:] != "calm", model.outputs(views[400:])) > best - 0.02
    assert np.mean(model.events(views[400:]) == y[400:]) > 0.8
    called = model.answer(views[400:])[0]
    assert called[y[400:] == "calm"].mean() < 0.12
    with pytest.raises(ChiasmError, match="no events"):
        Detect().fit({"x": x}).events({"x": x})


def test_a_saved_detector_gives_the_same_answers(tmp_path):
    a, b = paired(200)
    model = Detect(align=FIXED).fit({"a": a, "b": b})
    chiasm.save(model, tmp_path / "m")
    again = chiasm.load(tmp_path / "m")
    np.testing.assert_allclose(again.outputs({"a": a, "b": b}), model.outputs({"a": a, "b": b}), atol=1e-6)


def test_what_cannot_be_learned_is_told():
    x = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(ChiasmError, match="at least 20"):
        Detect().fit({"x": x[:10]})
    with pytest.raises(ChiasmError, match="got no labels"):
        Detect(normal="fine").fit({"x": x})
    with pytest.raises(ChiasmError, match="which label is normal"):
        Detect(learn="labels").fit({"x": x})
    with pytest.raises(ChiasmError, match=r"no learn named 'nothing'.*views"):
        Detect(learn="nothing").fit({"x": x})
    with pytest.raises(ChiasmError, match="two views"):
        Detect(learn="pairs").fit({"x": x})
    with pytest.raises(ChiasmError, match="rate between"):
        Detect(rate=1).fit({"x": x})
    with pytest.raises(ChiasmError, match="one kind"):
        Detect().fit({"x": x}).score({"x": x + 1})


def test_without_labels_the_score_is_how_well_dealt_pairs_are_told_from_right_ones():
    a, b = paired(400)
    model = Detect(align=FIXED).fit({"a": a[:300], "b": b[:300]})
    score = model.score({"a": a[300:], "b": b[300:]})
    assert (score.table["found"], score.table["normal"], score.table["unusual"]) == ("broken pairs", 100, 100)
    assert score.table["signs"]["a, b"]["value"] > 0.97
    assert score > 0.9


SIZE, FPS = (48, 64), 10


def scene(rng, *spans):
    """Gray frames of a bright square that goes back and forth before a wall, for (seconds, pixels a frame) each."""
    wall = rng.integers(60, 120, SIZE)
    frames, at = [], float(rng.uniform(0, 40))
    for speed in [speed for seconds, speed in spans for _ in range(round(seconds * FPS))]:
        at += speed * rng.uniform(0.7, 1.3)
        left = int(40 - abs(at % 80 - 40))
        frame = wall + rng.integers(-3, 4, SIZE)
        frame[16:32, left : left + 16] = 230
        frames.append(frame.astype(np.uint8))
    return frames


def write(path, frames):
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", FPS)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = SIZE[1], SIZE[0], "yuv420p", 2_000_000
        stream.gop_size = 1  # key frames flash, and would be all that is unusual in so clean a picture
        for gray in frames:
            frame = av.VideoFrame.from_ndarray(np.repeat(gray[..., None], 3, axis=2), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return str(path)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A detector of 40 calm clips of two seconds and one of these and 20 wild ones, and a film with wild 8 to 12 s."""
    home = tmp_path_factory.mktemp("street")
    rng = np.random.default_rng(0)
    made = [write(home / f"{i}.mp4", scene(rng, (2, 1 if i < 40 else 9))) for i in range(60)]
    label = np.array(["calm"] * 40 + ["wild"] * 20, dtype=object)
    views = Views({"video": Column("video", made)}, facts={"label": label})
    calm = Detect({"video": "motion_video:differences"}, normal="calm").fit(views)
    both = Detect({"video": "motion_video:differences"}, normal="calm", learn="labels", fuse="early").fit(views)
    film = write(home / "film.mp4", scene(rng, (8, 1), (4, 9), (8, 1)))
    return calm, both, film


def test_an_alarm_of_a_film_covers_what_is_wild_in_it_and_names_it(street):
    calm, both, film = street
    times, scores, alarms = calm.watch(names=both).film(film)
    assert len(times) == len(scores) == pytest.approx(37, abs=1)
    wild = (times > 8.5) & (times < 11.5)
    assert auroc(wild[wild | (times < 7) | (times > 13)], scores[wild | (times < 7) | (times > 13)]) == 1
    (alarm,) = alarms
    assert 6.25 < alarm.start <= 8.25  # a window shows something wild from the first frame in it on
    assert 11.75 <= alarm.end < 13.75
    assert 8 < alarm.raised < 10.5
    assert (alarm.event, alarm.sure > 0.5) == ("wild", True)


def test_a_verdict_on_a_stream_is_what_the_detector_says_of_the_same_moment_as_a_clip(street):
    calm, _, film = street
    decoded = decode(Clip(film, 0.0, 4.0), Wants(gray=(96, 128)))
    watch = calm.watch(smooth=0)
    for time, frame in zip(decoded.gray_times, decoded.gray, strict=True):
        if time <= 2.0 + 1e-6:
            watch.feed(float(time), frame)
    assert watch.verdicts == 1
    first = decoded.gray_times <= 2.0 + 1e-6
    moment = Decoded(2.0, gray=decoded.gray[first], gray_times=decoded.gray_times[first])
    vector = calm.encoding_.encoders_["video"].describe(moment)
    assert watch.surprise == pytest.approx(calm.outputs({"video": Column("video", vector[None])})[0])


def test_a_watch_keeps_only_its_window_however_long_the_stream(street):
    watch = street[0].watch(window=1.0, step=1.0)
    frames = scene(np.random.default_rng(1), (2, 1))
    for i in range(600):
        watch.feed(i / FPS, frames[i % 20])
    assert len(watch._gray) <= FPS + 2
    assert watch.verdicts == pytest.approx(59, abs=1)


def test_a_cut_to_another_shot_is_no_alarm_and_what_is_measured_across_it_is_left_out(street, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    inverse = [255 - frame for frame in scene(rng, (6, 1))]
    film = write(tmp_path / "cut.mp4", scene(rng, (6, 1)) + inverse)
    times, scores, alarms = street[0].watch(smooth=0).film(film)
    assert alarms == []
    monkeypatch.setattr(_watch, "CUT", 1e9)
    assert street[0].watch(smooth=0).film(film)[1][(times > 5.2) & (times < 6.8)].min() > scores.max()


def test_a_film_shorter_than_a_window_gets_one_verdict_and_a_broken_one_a_reason(street, tmp_path):
    times, _, alarms = street[0].watch().film(write(tmp_path / "short.mp4", scene(np.random.default_rng(3), (1, 1))))
    assert (len(times), alarms) == (1, [])
    (tmp_path / "broken.mp4").write_bytes(b"not a film")
    with pytest.raises(chiasm.media.images.MediaError, match="container"):
        street[0].watch().film(tmp_path / "broken.mp4")


def test_a_stream_that_stands_still_goes_on_and_one_whose_time_goes_back_is_told(street):
    watch = street[0].watch()
    frame = scene(np.random.default_rng(1), (1, 1))[0]
    for time in (*np.arange(0, 3, 0.1), *np.arange(60, 63, 0.1)):
        watch.feed(float(time), frame)
    assert watch.verdicts == pytest.approx(9, abs=2)
    with pytest.raises(ChiasmError, match="never go back"):
        watch.feed(1.0, frame)
    with pytest.raises(ChiasmError, match="uint8"):
        watch.feed(70.0, frame / 255)


def test_a_noise_in_a_long_quiet_recording_is_found_and_only_the_window_of_it_is_kept(tmp_path):
    import soundfile

    rng = np.random.default_rng(0)

    def hum(seconds):
        time = np.arange(seconds * 16000) / 16000
        return 0.1 * np.sin(2 * np.pi * rng.uniform(200, 220) * time) + 0.02 * rng.normal(size=len(time))

    made = [str(tmp_path / f"{i}.wav") for i in range(30)]
    for path in made:
        soundfile.write(path, hum(2), 16000)
    noise = np.clip(0.4 * rng.normal(size=4 * 16000), -1, 1)
    soundfile.write(tmp_path / "long.wav", np.concatenate([hum(25), noise, hum(21)]), 16000)
    watch = Detect({"audio": "mel_audio"}).fit(Views({"audio": Column("audio", made)})).watch()
    (alarm,) = watch.film(tmp_path / "long.wav")[2]
    assert 23.25 < alarm.start <= 25.25
    assert 28.75 <= alarm.end < 30.75
    assert sum(len(part) for _, part in watch._sound) <= 2.2 * 16000


def test_only_what_is_read_over_time_can_be_watched():
    x = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(ChiasmError, match="not audio or video"):
        Detect().fit({"x": x}).watch()


def test_the_command_lists_alarms_of_a_film_and_of_raw_frames_and_unusual_rows(street, tmp_path):
    calm, both, film = street
    chiasm.save(calm, tmp_path / "calm")
    chiasm.save(both, tmp_path / "both")
    (tmp_path / "texts").write_text("wild=something races by\n", encoding="utf-8")
    run = CliRunner().invoke
    describe = ["--describe", str(tmp_path / "both"), "--texts", str(tmp_path / "texts")]
    done = run(detect_command, [str(tmp_path / "calm"), film, "--json", *describe])
    (alarm,) = json.loads(done.stdout)["alarms"]
    assert alarm["event"] == "something races by"
    raw = b"".join(frame.tobytes() for frame in decode(film, Wants(gray=(96, 128))).gray)
    done = run(detect_command, [str(tmp_path / "calm"), "--live", f"128x96@{FPS}", "--json", *describe], input=raw)
    started, ended = map(json.loads, done.stdout.splitlines())
    assert started["end"] is None
    assert ended["start"] == started["start"] == pytest.approx(alarm["start"], abs=0.3)
    assert ended["event"] == "something races by"
    for wrong in ("128x96", "0x96@12"):
        done = run(detect_command, [str(tmp_path / "calm"), "--live", wrong])
        assert "WxH@FPS" in str(done.exception)


def test_the_command_ranks_the_rows_of_a_table(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{i},{','.join(f'{v:.3f}' for v in rng.normal(size=2))},{rng.choice(['red', 'blue'])}" for i in range(80)]
    lines[33] = "33,9.0,9.0,red"
    (tmp_path / "t.csv").write_text("\n".join(["id,size,weight,color", *lines]), encoding="utf-8")
    source = {"number": ["size", "weight"], "category": ["color"], "id": "id"}
    model = Detect(rate=0.02).fit(chiasm.read(tmp_path / "t.csv", **source))
    model.source_ = source
    chiasm.save(model, tmp_path / "m")
    to = tmp_path / "all.csv"
    done = CliRunner().invoke(detect_command, [str(tmp_path / "m"), str(tmp_path / "t.csv"), "--json", "--to", str(to)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["unusual"][0]["id"] == "33"
    assert len(to.read_text(encoding="utf-8").splitlines()) == 81


@pytest.mark.slow
def test_a_detector_is_learned_by_the_command_line_from_the_table_that_it_is_asked_about(tmp_path, run):
    rng = np.random.default_rng(0)
    lines = [f"{i},{a:.3f},{b:.3f}" for i, (a, b) in enumerate(rng.normal(size=(80, 2)))]
    lines[33] = "33,9.0,9.0"
    table, folder = tmp_path / "t.csv", str(tmp_path / "m.chiasm")
    table.write_text("\n".join(["id,size,weight", *lines]), encoding="utf-8")
    columns = ("--number", "size", "--number", "weight", "--id", "id")
    done = run("fit", "detect", table, *columns, "--rate", "0.02", "--to", folder)
    assert done.returncode == 0, done.stderr
    assert "learned from 80 rows by record" in done.stdout
    found = json.loads(run("detect", folder, table, "--json").stdout)
    assert found["unusual"][0]["id"] == "33"


@pytest.fixture(scope="module")
def seen(street):
    """A detector of what is seen and how it moves, of 24 calm clips, and the folder that it is saved in."""
    home = Path(street[2]).parent
    made = [str(home / f"{i}.mp4") for i in range(24)]
    views = Views({name: Column("video", made) for name in ("video", "video.motion")})
    encoders = {"video": "frames_video:image=pixel_image", "video.motion": "motion_video:grid"}
    model = Detect(encoders).fit(views)
    chiasm.save(model, home / "seen.chiasm")
    return model, str(home / "seen.chiasm")


def asked(model, *given, **options):
    return CliRunner().invoke(detect_command, [model, *given], **options)


def test_views_that_gray_frames_cannot_feed_are_left_out_with_a_word(seen, street):
    model, folder = seen
    raw = decode(street[2], Wants(gray=(96, 128))).gray.tobytes()
    done = asked(folder, "--live", f"128x96@{FPS}", input=raw)
    assert done.exit_code == 0, done.exception
    assert "video: not judged, it needs pictures" in done.stderr
    assert done.stdout.splitlines()[-1].endswith("; 36 verdicts")
    watch = model.watch(feeds=("gray",))
    assert list(watch.encoders) == ["video.motion"]
    alone = Detect({"video.motion": "motion_video:grid"}).fit(
        Views({"video.motion": Column("video", [str(Path(street[2]).parent / f"{i}.mp4") for i in range(24)])})
    )
    assert watch.detector.signs_ == alone.signs_
    np.testing.assert_allclose(watch.detector.tails_[""]["ranks"], alone.tails_[""]["ranks"], atol=0.2)


def test_a_model_that_gray_frames_cannot_feed_is_refused_before_the_first_frame(seen, street):
    only = Detect({"video": "frames_video:image=pixel_image"}).fit(
        Views({"video": Column("video", [str(Path(street[2]).parent / f"{i}.mp4") for i in range(24)])})
    )
    with pytest.raises(ChiasmError, match=r"needs pictures \(video\).*encoder motion_video:grid for video"):
        only.watch(feeds=("gray",))
    with pytest.raises(ChiasmError, match="got one that needs"):
        seen[0].watch(feeds=("sound",))


def test_a_stream_without_a_frame_and_one_that_ends_inside_one_say_so(seen, street):
    raw = decode(street[2], Wants(gray=(96, 128))).gray.tobytes()
    done = asked(seen[1], "--live", f"128x96@{FPS}", input=b"")
    assert "no frames came" in str(done.exception)
    done = asked(seen[1], "--live", f"128x96@{FPS}", input=raw[: 96 * 128 * 60 + 5000])
    assert done.exit_code == 1
    assert "the stream ended inside frame 61" in str(done.exception)
    assert done.stdout.splitlines()[-1].endswith("; 8 verdicts")  # of the frames before
    done = asked(seen[1], "--live", f"128x96@{FPS}", input=raw[:17])
    assert "inside frame 1" in str(done.exception)
    done = asked(seen[1], "--live", f"128x96@{FPS}", input=raw[: 96 * 128])
    assert "too short to judge (1 frame)" in str(done.exception)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_films_of_a_frame_or_a_moment_have_a_reason_or_an_alarm_within_them(frames, seen, street, tmp_path):
    wild = [255 - 120 * (i % 2) * np.ones(SIZE, np.uint8) for i in range(frames)]
    film = write(tmp_path / "short.mp4", wild)
    for model in (seen[0], street[0], street[1]):
        if frames == 1:
            with pytest.raises(MediaError, match=r"too short to judge \(1 frame\) \[too_short\]"):
                model.watch().film(film)
            continue
        times, _, alarms = model.watch().film(film)
        assert len(times) == 1
        assert 0 < times[0] < frames / FPS
        for alarm in alarms:
            assert 0 <= alarm.start < alarm.end <= frames / FPS + 1e-6
    if frames > 1:
        assert alarms
        return
    done = asked(seen[1], film)
    assert "which cannot be used: too short to judge (1 frame) [too_short]" in str(done.exception)


def test_an_alarm_of_one_verdict_lasts_a_step(street, tmp_path):
    film = write(tmp_path / "one.mp4", scene(np.random.default_rng(5), (2.1, 1), (1.8, 9), (4, 1)))
    (alarm,) = street[0].watch(smooth=0, step=2.0, low=street[0].threshold).film(film)[2]
    assert (alarm.start, alarm.end) == (3.0, 5.0)


def test_films_foreign_to_a_detector_are_ranked_by_how_foreign_they_are(street):
    film, scores = Path(street[2]).parent / "foreign.mp4", []
    rng = np.random.default_rng(7)
    for loud in range(40, 140, 10):
        frames = [128 + (loud - 14) * (-1) ** i + rng.integers(-1, 2, SIZE) for i in range(30)]
        alarms = street[0].watch().film(write(film, [frame.astype(np.uint8) for frame in frames]))[2]
        scores.append(alarms[0].score)
    assert (np.diff(scores) > 0).all()
    assert min(scores) > 2 * street[0].threshold


def test_films_foreign_to_a_detector_of_two_views_are_ranked_too(seen, street):
    film, scores = Path(street[2]).parent / "foreign.mp4", []
    for loud in (40, 70, 100):
        frames = [np.full(SIZE, 128 + (loud - 14) * (-1) ** i, np.uint8) for i in range(30)]
        scores.append(seen[0].watch().film(write(film, frames))[2][0].score)
    assert (np.diff(scores) > 0).all()


def test_pictures_of_a_stream_foreign_to_a_detector_are_ranked_too(street):
    rng, scores = np.random.default_rng(7), []
    for loud in (40, 80, 120):
        watch = street[0].watch()
        for i in range(36):
            frame = 128 + (loud - 14) * (-1) ** i + rng.integers(-1, 2, SIZE)
            watch.feed(i / FPS, frame.astype(np.uint8))
        scores.append(watch.finish(3.0)[0].score)
    assert (np.diff(scores) > 0).all()


def test_a_film_whose_sound_outlasts_its_pictures_is_judged_as_far_as_these_go(street, tmp_path):
    from _media import write_video

    frames = np.repeat(np.stack(scene(np.random.default_rng(3), (4, 1)))[..., None], 3, axis=3)
    path = str(write_video(tmp_path / "a.mkv", frames, sound=np.zeros(30 * 16000, np.float32)))
    watch = street[0].watch()
    times, _, _ = watch.film(path)
    assert times.max() < 4
    assert [note.code for note in watch.notes][-1:] == ["cut_short"]
    chiasm.save(street[0], tmp_path / "calm")
    done = asked(str(tmp_path / "calm"), path)
    assert "[cut_short]" in done.stderr


def test_features_that_are_not_finite_never_reach_a_method(street, monkeypatch):
    calm, _, film = street
    encoder = calm.encoding_.encoders_["video"]
    monkeypatch.setattr(type(encoder), "pool", lambda self, values: np.full(values.shape[1], np.nan))
    notes = encoder.attempt([film])[1]
    assert [note.code for note in notes[0]] == ["not_finite"]
    with pytest.raises(MediaError, match="not_finite"):
        calm.watch().film(film)


def test_a_table_of_what_is_unusual_has_no_column_twice(street, tmp_path):
    home = Path(street[2]).parent
    signs, items = {"p": 0.5, "影片": 0.1}, {"p": "x"}
    rows = [{"id": "1", "p": 0.5, "surprise": 0.7, "unusual": False, "signs": signs, "items": items}]
    head, cells = columns_of(rows, ["p", "影片"])
    assert len(set(head)) == len(head) == len(cells[0])
    assert head[4:] == ["p of p", "p of 影片", "item p", "影片"]
    assert columns_of([], ["video"])[0] == ["id", "p", "surprise", "unusual", "video"]
    names = "".join(f"{i}.mp4\n" for i in range(30, 42))
    (home / "t.csv").write_text(f"影片\n{names}gone.mp4\n", encoding="utf-8")
    model = Detect({"影片": "motion_video:differences"}).fit(
        Views({"影片": Column("video", [str(home / f"{i}.mp4") for i in range(24)])})
    )
    model.source_ = {"video": ["影片"]}
    chiasm.save(model, tmp_path / "m")
    done = asked(str(tmp_path / "m"), str(home / "t.csv"), "--to", str(tmp_path / "out.csv"))
    assert done.exit_code == 0, done.exception
    header, first, *_, last = csv.reader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines())
    assert header == ["id", "p", "surprise", "unusual", "p of 影片", "影片"]
    assert first[5] in ("40.mp4", "41.mp4")
    assert last[1:] == ["", "", "False", "", "gone.mp4"]  # what cannot be read is not called usual
    assert "1 skipped" in done.stderr


@pytest.mark.parametrize("kind", ["mkv", "mp4", "avi", "ts", "webm"])
def test_an_encoded_film_is_no_stream_of_frames(kind, seen, tmp_path):
    from _films import film

    data = Path(film(tmp_path / f"a.{kind}", 2.0)).read_bytes()
    done = asked(seen[1], "--live", f"64x48@{FPS}", input=data)
    assert done.exit_code == 1
    assert "[encoded]" in str(done.exception)
    assert "-f rawvideo -pix_fmt gray -s 64x48" in str(done.exception)


def test_gray_pixels_of_any_brightness_are_frames():
    import io

    from chiasm.media.frames import gray_frames

    for value in (0, 0x47, 0xFF):  # 0x47 begins a packet of MPEG-TS, 0xFF a sound
        assert len(list(gray_frames(io.BytesIO(bytes([value]) * 64 * 48 * 3), 64, 48))) == 3


def test_an_alarm_that_only_the_end_shows_is_counted_and_one_that_goes_on_counts_once(street, tmp_path):
    calm = str(tmp_path / "calm")
    chiasm.save(street[0], calm)
    rng = np.random.default_rng(5)
    short = b"".join(frame.tobytes() for frame in scene(rng, (1.5, 9)))  # shorter than a window: judged at its end
    done = asked(calm, "--live", f"{SIZE[1]}x{SIZE[0]}@{FPS}", input=short)
    assert done.exit_code == 0, done.exception
    assert done.stdout.splitlines()[-1] == "1 alarm; 1 verdict"
    assert len(done.stdout.splitlines()) == 2
    long = b"".join(frame.tobytes() for frame in scene(rng, (3, 1), (4, 9)))  # it goes on when the stream ends
    done = asked(calm, "--live", f"{SIZE[1]}x{SIZE[0]}@{FPS}", input=long)
    assert done.stdout.splitlines()[-1].startswith("1 alarm; ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("t.csv", "--live", "8x8@9"), "wanted DATA or --live, got t.csv"),
        (("--live", "8x8@9", "--to", "a.csv"), "wanted a table for --to, got frames of --live"),
        (("--live", "8x8@9", "--where", "a=b", "--root", "/"), "wanted a table for --where, --root"),
        (("片.mp4", "--to", "a.csv"), "got a film (片.mp4): its alarms are printed"),
        (("t.csv", "--window", "2"), "wanted a film or --live for --window"),
    ],
)
def test_options_that_would_be_ignored_are_refused(given, said, seen):
    done = asked(seen[1], *given)
    assert done.exit_code == 1
    assert said in str(done.exception)


@pytest.mark.parametrize("name", ["a.gif", "a.m3u8", "a.txt"])
def test_what_is_neither_film_nor_table_is_told_that_films_are_wanted(name, seen, tmp_path):
    (tmp_path / name).write_bytes(b"0")
    done = asked(seen[1], str(tmp_path / name))
    assert done.exit_code == 1
    assert "wanted a film (.mp4, .mkv, .webm, .mov, ...), a sound (.wav, .flac, .mp3, .ogg, ...), a table" in str(
        done.exception
    )
    assert f"got {name}." in str(done.exception)


def test_progress_of_a_film_says_no_number_twice(street):
    told = []
    street[0].watch().film(street[2], progress=lambda *one: told.append(one))
    assert len(told) == len(set(told)) > 3


def test_fit_says_from_how_many_of_how_many_rows_and_by_which_signs(tmp_path, run):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 4))
    rows = [
        json.dumps({"左": [*map(float, z[i])], "b": [*map(float, z[i] + 0.1)], "what": "no" if i < 45 else "打"})
        for i in range(60)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(rows), encoding="utf-8")
    columns = ("--vector", "左", "--vector", "b", "--label", "what", "--normal", "no")
    done = run("fit", "detect", tmp_path / "t.jsonl", *columns, "--to", tmp_path / "m.chiasm")
    assert "learned from 45 of 60 rows by 左; b; 左 with b; saved" in done.stdout, done.stderr
