"""An index of pictures and of sounds, asked over HTTP: each kind by itself, and nothing of the folder told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chiasm
from _media import write_sound
from _served import Server, start
from chiasm.collection import Collection
from chiasm.serve.tokens import Tokens
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures

RATE = 16_000


def tone(path: Path, hertz: float) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(write_sound(path, 0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("learned")
    pairs = make_pictures(home, 24)
    views = chiasm.Views.of(
        {
            "text": [text for _, text in pairs],
            "image": [str(home / name) for name, _ in pairs],
            "sound": [tone(home / f"{i}.wav", 200 + 100 * (i % 16)) for i in range(24)],
        },
        {"text": "text", "image": "image", "sound": "audio"},
        split=["val" if i % 3 == 2 else "train" for i in range(24)],
    )
    encoders = {"text": "hashed_text", "image": "pixel_image", "sound": "mel_audio"}
    return Retrieve(encoders=encoders, align="cca").fit(views)


@pytest.fixture
def home(model: Any, tmp_path: Path) -> Path:
    """An index of six pictures and two sounds, and a picture that is broken, all in a folder whose name is secret."""
    folder = tmp_path / "Media" / "secret"
    make_pictures(folder, 6, seed=5)
    tone(folder / "low.wav", 300)
    tone(folder / "high.wav", 1500)
    (folder / "torn.png").write_bytes(b"no picture")
    Collection.build(tmp_path / "p.index", model, tmp_path / "Media")
    return tmp_path


@pytest.fixture
def served(home: Path) -> Iterator[Server]:
    made = start(home)
    yield made
    made.process.kill()
    made.process.wait(20)


def items(server: Server) -> dict[str, int]:
    return {Path(one["path"]).name: one["id"] for one in server.ask("GET", "/items")[1]["items"]}


def test_a_mark_of_another_kind_breaks_no_question_and_is_told(served):
    at = items(served)
    plain = served.search("a red circle", to="image")["hits"]
    told = served.ask("POST", "/feedback", {"words": "a red circle", "more": [at["low.wav"]]})
    assert told[:2] == (200, {"more": 1, "less": 0, "notes": []})
    found = served.search("a red circle", to="image")
    assert found["hits"] == plain
    assert found["notes"] == ["marked files that did not count: 1, of another kind than what answers"]
    assert served.search("a red circle", to="sound")["notes"] == ["marks from before count: 1 +, 0 -"]
    asked = served.search("a green bar", to="image", more=[at["0003.png"], at["high.wav"]])
    assert asked["notes"] == ["marked files that did not count: 1, of another kind than what answers"]


def test_marks_of_files_that_failed_or_are_gone_are_told_and_count_for_nothing(served):
    at = items(served)
    plain = served.search("a red circle", to="image")["hits"]
    (served.home / "Media" / "secret" / "0003.png").unlink()
    marks = {"words": "a red circle", "more": [at["torn.png"], at["0001.png"]], "less": [at["0003.png"]]}
    told = served.ask("POST", "/feedback", marks)[1]
    assert (told["more"], told["less"]) == (1, 0)
    assert told["notes"] == [f"marked files that did not count: 1, {why}" for why in ("could not be read", "gone")]
    found = served.search("a red circle", to="image", more=[at["torn.png"]], less=[at["0003.png"]])
    assert found["notes"] == told["notes"]
    assert [hit["id"] for hit in found["hits"]] == [hit["id"] for hit in plain if hit["id"] != at["0003.png"]]


def test_who_may_not_see_paths_reads_none_in_any_answer_also_of_files_that_failed_or_are_gone(home, tmp_path):
    token = Tokens(tmp_path / "tokens.json").add("anna", ["write"])
    folder = home / "Media" / "secret"
    at = {Path(one["item"]).name: one["key"] for one in Collection(home / "p.index").items()}
    for name in ("0001.png", "low.wav"):
        (folder / name).unlink()
    (folder / "0002.png").write_bytes(b"no picture any more")
    server = start(home, "--tokens", str(tmp_path / "tokens.json"))
    words = {"words": "a red circle"}
    posts: list[tuple[str, Any]] = [("/search", {"terms": [{"words": "red"}], "to": "nothing"})]
    for key in at.values():
        item, pair = {"item": key}, {"more": [key], "less": [key]}
        posts += [("/explain", {"terms": [term], "id": key}) for term in (words, item)]
        posts += [
            ("/explain", {"terms": [words], "id": key, "start": 0.0}),
            ("/teach", {"name": "rex", "items": [key]}),
        ]
        posts += [("/search", {"terms": [item, words], "to": to}) for to in ("image", "sound", "nothing")]
        posts += [("/search", {"terms": [item]}), ("/search", {"terms": [words], "more": [key], "to": "image"})]
        posts += [
            ("/search", {"terms": [words], **pair, "to": "image"}),
            ("/feedback", {"words": "red", "more": [key]}),
        ]
    posts += [("/teach", {"name": "rex", "items": list(at.values())}), ("/teach", {"name": "rex", "items": [3, 4, 5]})]
    posts += [("/search", {"terms": [{"words": "rex"}], "to": "image", "reject": 0.1, "lenient": True})]
    gets = ["/what", "/items", "/items?state=failed", "/ledger", "/report", "/names", "/items?where=x=1", "/metrics"]
    gets += [f"/{what}" for key in at.values() for what in (f"items/{key}", f"media/{key}", f"media/{key}/still")]
    try:
        asked = [("GET", path, None) for path in gets] + [("POST", path, body) for path, body in posts]
        told, said = [], ""
        for method, path, body in asked:
            _, answer, headers = server.ask(method, path, body, authorization=f"Bearer {token}")
            text = json.dumps(["" if isinstance(answer, bytes) else answer, headers], ensure_ascii=False)
            told += [(path, body, text) for one in (str(tmp_path), "Media", "secret", *at) if one in text]
            said += text
        assert told == []
        assert f"got item {at['0003.png']} marked as both" in said  # it is told which one all the same
        assert f"item {at['0001.png']}" in said
    finally:
        server.process.kill()
        server.process.wait(20)


def test_a_name_that_another_kind_was_taught_by_is_told_not_to_count(served):
    at = items(served)
    assert served.ask("POST", "/teach", {"name": "rex", "items": [at["low.wav"], at["high.wav"]]})[0] == 200
    said = "'rex' was taught by files of 'sound': it does not count among 'image'."
    assert said in served.search("rex in a circle", to="image")["notes"]
    assert said not in served.search("rex", to="sound")["notes"]
    two = served.ask("POST", "/search", {"terms": [{"words": "rex"}, {"words": "red"}], "to": "image"})[1]
    assert said in two["notes"]


def test_a_condition_that_no_file_meets_is_told(served):
    found = served.search("a red circle", to="image", where=["kind=imge", "date>=2000"])
    assert (found["hits"], found["notes"]) == ([], ["no file meets kind=imge"])
    assert served.ask("GET", "/items?where=kind=imge")[1]["notes"] == ["no file meets kind=imge"]


def test_which_kinds_can_answer_is_told_in_the_words_of_the_routes(served):
    status, told, _ = served.ask("POST", "/search", {"terms": [{"words": "a red circle"}]})
    assert (status, told["error"]["message"]) == (422, 'say which view to answer with ("to": "VIEW"): image, sound.')
