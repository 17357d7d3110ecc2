"""Another model in the place of a server's, from another process: searches go on, and no death loses what was there."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import chiasm
from _served import Server, start
from chiasm.collection import Collection
from chiasm.encode.pixel_image import PixelImage
from chiasm.files import lock
from chiasm.serve.held import Held
from chiasm.serve.schemas import Ask
from chiasm.serve.uploads import Uploads
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures

FILES = 90


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Two models, `old` and `new`, and 90 pictures; and 60 others."""
    home = tmp_path_factory.mktemp("switching")
    pairs = make_pictures(home / "learned", 96)
    views = chiasm.Views.of(
        {"text": [text for _, text in pairs], "image": [str(home / "learned" / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(96)],
    )
    for name, align in (("old", "cca"), ("new", "ridge")):
        Retrieve(encoders={"text": "hashed_text", "image": PixelImage()}, align=align).fit(views).save(home / name)
    make_pictures(home / "Pictures", FILES, seed=5)
    make_pictures(home / "others", 60, seed=77)
    return home


@pytest.fixture
def home(template, tmp_path):
    """An index of its own, which may be changed."""
    shutil.copytree(template / "Pictures", tmp_path / "Pictures")
    Collection.build(tmp_path / "p.index", template / "old", tmp_path / "Pictures")
    return tmp_path


def switch(home: Path, model: Path) -> subprocess.Popen[bytes]:
    """Another process that switches."""
    command = [sys.executable, "-m", "chiasm", "index", "switch", str(home / "p.index"), str(model), "--sample", "0.5"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_searches_go_on_without_an_error_while_another_process_switches_the_model_and_back(template, home):
    server = start(home)
    asks: list[dict[str, Any]] = [
        {"terms": [{"words": "a red circle"}], "k": 5},
        {"terms": [{"words": "a blue bar"}], "k": 5, "reject": 0.1, "lenient": True},
        {"terms": [{"item": 9}], "k": 5},
        {"terms": [{"item": 3}, {"words": "a green square"}, {"item": 5, "weight": -1}], "k": 5},
        {"terms": [{"words": "a circle"}], "more": [4], "less": [7], "k": 5},
    ]
    answers: list[tuple[int, Any]] = []
    done = threading.Event()

    def go_on(ask: dict[str, Any]) -> None:
        while not done.is_set():
            status, told, _ = server.ask("POST", "/search", ask)
            answers.append((status, told if status != 200 else None))
            done.wait(0.01)  # so that the switch has some of the machine

    def answered(model: Path) -> None:
        """What the server says is what the model says."""
        made = Collection(home / "p.index")
        assert made.model.aligner_.__class__ is chiasm.load(model).aligner_.__class__
        plain = made.hits({"text": ["a red circle"]}, k=5)[0]
        found = server.search("a red circle", k=5)["hits"]
        assert [(hit["id"], hit["score"]) for hit in found] == [(hit["key"], round(hit["score"], 4)) for hit in plain]
        itself = server.ask("POST", "/search", {"terms": [{"item": 9}], "k": 1})[1]["hits"][0]
        assert (itself["id"], itself["score"]) == (9, pytest.approx(1, abs=1e-3))

    try:
        answered(template / "old")
        threads = [threading.Thread(target=go_on, args=(ask,)) for ask in asks]
        for thread in threads:
            thread.start()
        for model in ("new", "old"):
            process = switch(home, template / model)
            assert process.wait(120) == 0, process.stderr.read() if process.stderr else ""
            answered(template / model)
        done.set()
        for thread in threads:
            thread.join(30)
        assert [one for one in answers if one[0] != 200] == []
        assert len(answers) > 50
    finally:
        done.set()
        server.process.kill()
        server.process.wait(20)


def test_a_model_that_is_switched_in_the_middle_of_a_question_answers_all_of_it(template, home):
    class Interrupted(Held):
        """Another process switches once an item is placed in the old model's space."""

        turns = 0

        def _placed(self, key: int, start: float | None) -> dict[str, Any]:
            placed = super()._placed(key, start)
            if not self.turns:
                Collection(home / "p.index").switch(template / "new", 0.5)
            self.turns += 1
            return placed

    held = Interrupted(Collection(home / "p.index"))
    found = held.search(Ask(terms=[{"item": 9}], k=1), Uploads(), True).hits[0]
    assert held.turns == 2
    assert (found.id, found.score) == (9, pytest.approx(1, abs=1e-3))


@pytest.mark.slow
def test_who_adds_while_another_process_writes_is_asked_to_wait_and_searches_are_answered(template, home):
    server = start(home)
    data = (template / "others" / "0000.png").read_bytes()
    told: list[tuple[int, str, str | None]] = []

    def add() -> None:
        status, answer, headers = server.ask("POST", "/items?name=a.png", data, content_type="image/png")
        told.append((status, answer["error"]["code"], headers.get("retry-after")))

    try:
        with lock(home / "p.index"):
            threads = [threading.Thread(target=add) for _ in range(2)]
            for thread in threads:
                thread.start()
            for _ in range(20):
                server.search("a red circle")
            for thread in threads:
                thread.join(60)
        assert told == [(503, "updating", "5")] * 2
        assert server.ask("POST", "/items?name=a.png", data, content_type="image/png")[0] == 200
    finally:
        server.process.kill()
        server.process.wait(20)


def busy(server: Server, others: list[Path], added: list[str], taught: list[str], rng: random.Random) -> None:
    """Add and teach until the server is gone; what was acknowledged is listed."""
    for place, file in enumerate(others):
        try:
            status, told, _ = server.ask(
                "POST", f"/items?name=n{place}.png", file.read_bytes(), content_type="image/png"
            )
            if status == 200:
                added.append(told["item"]["path"])
            name = f"thing{place}"
            status, _, _ = server.ask("POST", "/teach", {"name": name, "items": rng.sample(range(1, FILES), 3)})
            if status == 200:
                taught.append(name)
        except OSError:
            return


@pytest.mark.slow
@pytest.mark.parametrize("both", [False, True], ids=["the server dies", "both die"])
def test_what_was_acknowledged_before_a_kill_is_there_once_whatever_was_switched_meanwhile(template, home, both):
    rng = random.Random(both)
    others = sorted((template / "others").glob("*.png"))
    added: list[str] = []
    taught: list[str] = []
    for turn in range(6):
        server = start(home)
        mine = others[10 * turn : 10 * turn + 10]
        at = threading.Thread(target=busy, args=(server, mine, more := [], names := [], rng))
        at.start()
        process = switch(home, template / ("old" if turn % 2 else "new"))
        threading.Event().wait(rng.uniform(0.3, 4.0))
        server.process.send_signal(signal.SIGKILL)
        if both:
            process.kill()
        server.process.wait(20)
        process.wait(120)
        at.join(60)
        added, taught = added + more, taught + [f"{turn} {name}" for name in names]
        check(home, added, names)
    server = start(home)
    try:
        found = server.search("a red circle", k=1000, group=False)["hits"]
        assert Counter(hit["path"] for hit in found) >= Counter(added)
    finally:
        server.process.kill()
        server.process.wait(20)
    assert len(added) > 6
    assert len(taught) > 3


def check(home: Path, added: list[str], taught: list[str]) -> None:
    """After an update everything that was acknowledged is there, and found, once; the next turn serves it again."""
    made = Collection(home / "p.index")
    ledger = made.update()
    names = [item["item"] for item in made.items()]
    assert len(names) == len(set(names)) == ledger["seen"] == ledger["searchable"]
    assert set(added) <= set(names)
    hits = made.hits({"text": ["a red circle"]}, k=1000, group=False)[0]
    assert Counter(hit["item"] for hit in hits) == Counter(names)
    known = made.names()
    listed = [one["name"] for one in known]
    assert len(listed) == len(set(listed))
    assert set(taught) <= set(listed)
    assert not [one for one in known if one["lost"]]
    for name in taught:
        assert made.hits({"text": [name]}, k=1)[0][0]["why"]["taught"] == [name]
        made.forget(name)
