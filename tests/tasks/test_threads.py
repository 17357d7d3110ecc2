"""One fitted model answers eight threads at once, about items that nobody encoded before: nothing mixes."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from _media import write_video
from chiasm.data import toy
from chiasm.encode._timed import Steps, Timed
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.media import clips
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

THREADS = 8
COLORS, SHAPES = list(toy.COLORS), list(toy.SHAPES)


def png(number: int) -> bytes:
    """A picture like no other."""
    out = io.BytesIO()
    toy.shape_image(COLORS[number % len(COLORS)], SHAPES[number % len(SHAPES)], seed=number).save(out, "PNG")
    return out.getvalue()


def together(ask):
    """What `ask(0)` to `ask(7)` give, asked by eight threads that begin at once."""
    start = threading.Barrier(THREADS)

    def run(number):
        start.wait()
        return ask(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.fixture(scope="module")
def model(session_cache):
    pictures = [png(i) for i in range(60)]
    texts = [f"a {COLORS[i % len(COLORS)]} {SHAPES[i % len(SHAPES)]} number {i}" for i in range(60)]
    views = Views({"text": Column("text", texts), "image": Column("image", pictures)}, np.arange(60))
    return Retrieve({"text": "hashed_text", "image": "pixel_image"}, align="cca").fit(views)


def rows(number: int, broken: int) -> Views:
    """`number + 3` new pictures with captions, then broken ones."""
    first = 1000 + 100 * number
    pictures = [png(first + i) for i in range(number + 3)] + [b"broken %d %d" % (number, i) for i in range(broken)]
    texts = [f"a {COLORS[i % len(COLORS)]} thing {first + i}" for i in range(len(pictures))]
    columns = {"text": Column("text", texts), "image": Column("image", pictures)}
    return Views(columns, first + np.arange(len(pictures)))


def counts(report) -> tuple[int, int]:
    told = report.as_dict()["image"]
    return told["items"], told["skipped"]


def test_every_search_tells_of_its_own_gallery(model, cache):
    for number, (told, ids) in enumerate(together(lambda n: search(model, n))):
        assert told == (2 * number + 3, number)
        assert ids == [str(1000 + 100 * number + i) for i in range(number + 3)]


def search(model, number):
    views = rows(number, number)
    found = model.hits({"text": ["a red square"]}, k=50, within=views.replace({"image": views["image"]}))
    return counts(found.report), sorted(hit["id"] for hit in found[0])


def test_every_score_and_every_transform_tells_of_its_own_rows(model, cache):
    def ask(number):
        views = rows(number, number % 3)
        score, space = model.score(views), model.transform(views)
        return counts(score.report), counts(space.report), len(score.per_query), score.table["rows"]

    for number, (scored, mapped, queries, total) in enumerate(together(ask)):
        assert scored == mapped == (number + 3 + number % 3, number % 3)
        assert queries == 2 * (number + 3)
        assert total == number + 3 + number % 3


def test_the_deprecated_report_is_the_calling_threads_own_and_warns(model, cache):
    def ask(number):
        search(model, number)
        with pytest.warns(DeprecationWarning, match="Retrieve.report goes with"):
            return counts(model.report)

    with ThreadPoolExecutor(1) as pool:  # pytest.warns is not for several threads at once: one after the other
        assert [pool.submit(ask, n).result() for n in (2, 5)] == [(7, 2), (13, 5)]

    def searched():
        search(model, 1)
        model.hits({"text": ["a red square"]})
        with pytest.warns(DeprecationWarning, match="goes with"):
            return model.report.as_dict()

    with ThreadPoolExecutor(1) as pool:  # the pictures of the model were read at fit: such a search reads none
        assert pool.submit(searched).result() == {}

    def stranger():
        with (
            pytest.warns(DeprecationWarning, match="goes with"),
            pytest.raises(AttributeError, match="asked this model nothing yet"),
        ):
            _ = model.report

    with ThreadPoolExecutor(1) as pool:
        pool.submit(stranger).result()


class Bright(Timed):
    """How bright two pictures are."""

    modality = "video"
    near = None
    wants = clips.Wants(pictures=2, size=16)

    def __init__(self, steps: int = 0):
        self.steps = steps

    def over_time(self, decoded):
        values = decoded.pictures.reshape(len(decoded.pictures), -1).mean(axis=1, keepdims=True)
        return Steps(values, decoded.picture_times, decoded.picture_times)

    def weights(self):
        return "none"


class Loud(Bright):
    """How loud the sound is."""

    wants = clips.Wants(rate=16000)

    def over_time(self, decoded):
        return Steps(np.square(decoded.sound).mean(keepdims=True)[:, None], np.zeros(1), np.ones(1))


@pytest.mark.slow
def test_every_thread_decodes_its_own_clips_once_for_both_encoders(cache, tmp_path, monkeypatch):
    files = []
    for i in range(THREADS * 3):
        frames = np.full((5, 16, 16, 3), 40 + 8 * i, np.uint8)
        sound = 0.02 * (i + 1) * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
        files.append(str(write_video(tmp_path / f"{i}.mkv", frames, fps=5, sound=sound)))

    def views(which):
        column = Column("video", which)
        return Views({"seen": column, "heard": column})

    encoding = Encoding({"seen": Bright(), "heard": Loud()}).fit(views(files))
    decoded = []
    ask = clips._ask
    monkeypatch.setattr(clips, "_ask", lambda items, wants: decoded.extend(items) or ask(items, wants))
    found = together(lambda n: encoding.apply(views(files[3 * n : 3 * n + 3])))
    assert sorted(decoded) == sorted(files)
    for n, (encoded, report) in enumerate(found):
        assert report.encoded == {"seen": 3, "heard": 3}
        seen, heard = (np.asarray(encoded[name].items[encoded[name].index]) for name in ("seen", "heard"))
        np.testing.assert_allclose(seen[:, 0], 40 + 8 * np.arange(3 * n, 3 * n + 3), atol=3)
        np.testing.assert_allclose(heard[:, 0], np.square(0.02 * (np.arange(3 * n, 3 * n + 3) + 1)) / 2, rtol=0.1)
    assert clips._shared.get() is None


def test_a_broken_gallery_is_refused_in_its_own_thread_alone(model, cache):
    def ask(number):
        if number % 2:
            with pytest.raises(ChiasmError, match="none of the 3 items could be read"):
                model.hits({"text": ["a"]}, within=Views({"image": Column("image", [b"x%d" % i for i in range(3)])}))
            return None
        return search(model, number)[0]

    assert together(ask) == [None if n % 2 else (2 * n + 3, n) for n in range(THREADS)]
