"""What users give back: files, names, marks; each is there once it was acknowledged, also after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import threading

import pytest

from _served import index, start  # noqa: F401 (a fixture)
from chiasm.collection import LONGEST_NAME, Collection
from chiasm.serve.app import PAGE
from chiasm.serve.tokens import Tokens
from conftest import make_pictures


@pytest.fixture
def home(index, tmp_path):
    """An index of its own, which may be changed."""
    shutil.copytree(index / "Pictures", tmp_path / "Pictures")
    Collection.build(tmp_path / "p.index", next((index / "p.index").glob("model-*")), tmp_path / "Pictures")
    return tmp_path


@pytest.fixture
def server(home):
    made = start(home)
    yield made
    made.process.kill()
    made.process.wait(20)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Pictures that are not in the folder."""
    folder = tmp_path_factory.mktemp("others")
    return [(folder / name).read_bytes() for name, _ in make_pictures(folder, 24, seed=77)]


def add(server, data, name="new.png"):
    status, told, _ = server.ask("POST", f"/items?name={name}", data, content_type="image/png")
    assert status == 200, told
    return told["item"]


def test_a_file_that_was_added_is_found_at_once_and_lies_in_the_folder(server, others):
    item = add(server, others[0])
    assert item["state"] == "searchable"
    assert (server.home / "Pictures" / item["path"]).read_bytes() == others[0]
    sent = server.ask("POST", "/uploads", others[0], content_type="image/png")[1]["upload"]
    assert server.ask("POST", "/search", {"terms": [{"upload": sent}], "k": 1})[1]["hits"][0]["id"] == item["id"]
    again = server.ask("POST", "/items?name=again.png", others[0], content_type="image/png")[1]
    assert (again["new"], again["item"]) == (False, item)
    assert again["message"] == f"a file of the same bytes is here already: no. {item['id']} (new.png)."
    assert server.ask("GET", "/ledger")[1]["searchable"] == 31
    assert Collection(server.home / "p.index").update() == {"seen": 31, "searchable": 31, "failed": 0, "waiting": 0}


NAMES = {
    "../../escape.png": "escape.png",
    "%2Fetc%2Fpasswd.png": "passwd.png",
    ".hidden.png": "hidden.png",
    ".png": "file.png",
    "a%00b.png": "ab.png",
    "%E7%8B%97.png": "狗.png",
    "0001.png": "0001-2.png",
    "x" * 300 + ".png": "x" * 96 + ".png",
}


def test_a_name_leads_nowhere_and_takes_no_place(server, others):
    before = (server.home / "Pictures" / "0001.png").read_bytes()
    told = {name: add(server, data, name) for name, data in zip(NAMES, others, strict=False)}
    assert {name: item["path"] for name, item in told.items()} == NAMES
    assert add(server, others[0], "again.png") == told["../../escape.png"]  # it is there already
    assert (server.home / "Pictures" / "0001.png").read_bytes() == before
    assert not list(server.home.glob("*.png"))


def test_a_file_of_another_kind_is_refused_and_one_that_is_broken_is_accounted_for(server):
    status, told, _ = server.ask("POST", "/items?name=run.sh", b"#!/bin/sh", content_type="text/plain")
    assert (status, told["error"]["code"]) == (422, "not_possible")
    assert add(server, b"\x89PNG\r\n\x1a\nbroken", "broken.png")["state"] == "failed"
    ledger = server.ask("GET", "/ledger")[1]
    assert (ledger["seen"], ledger["failed"]) == (31, 1)
    again = server.ask("POST", "/items?name=again.png", b"\x89PNG\r\n\x1a\nbroken", content_type="image/png")[1]
    assert (again["new"], again["item"]["state"], again["item"]["path"]) == (False, "failed", "broken.png")
    assert "(broken.png), and could not be read: " in again["message"]
    assert server.ask("GET", "/ledger")[1]["seen"] == 31
    assert not [path for path in (server.home / "Pictures").iterdir() if path.name.startswith(".")]


def test_what_a_kill_left_of_files_that_were_sent_is_removed_and_what_is_being_sent_is_not(home):
    made = Collection(home / "p.index")
    left, now = made.draft(), made.draft()
    os.utime(left, (1e9, 1e9))
    made.update()
    assert [left.exists(), now.exists()] == [False, True]


def test_a_taught_name_is_found_and_forgotten(server):
    red = [hit["id"] for hit in server.search("a red circle", k=3)["hits"]]
    before = server.search("rex", k=5)["hits"]
    status, named, _ = server.ask("POST", "/teach", {"name": "rex", "items": red})
    assert status == 200
    assert named["told"]["pictures"] == 3
    assert server.ask("GET", "/what")[1]["names"] == ["rex"]
    hits = server.search("rex", k=5)["hits"]
    assert hits[0]["why"]["taught"] == ["rex"]
    assert set(red) & {hit["id"] for hit in hits}
    assert server.ask("DELETE", "/names/rex")[0] == 200
    assert server.search("rex", k=5)["hits"] == before
    assert server.ask("DELETE", "/names/rex")[0] == 422


def test_a_name_is_at_most_so_long_and_one_limit_is_told(server):
    for name, status in (("x" * LONGEST_NAME, 200), ("x" * (LONGEST_NAME + 1), 422)):
        assert server.ask("POST", "/teach", {"name": name, "items": [1, 2]})[0] == status
    schema = server.ask("GET", "/openapi.json")[1]["components"]["schemas"]["Teach"]["properties"]["name"]
    assert schema["maxLength"] == LONGEST_NAME
    assert f"maxlength: {LONGEST_NAME}," in (PAGE / "teaching.js").read_text()


def test_a_name_taught_by_nearly_all_items_has_no_figure_that_could_not_be_otherwise(server):
    every = [item["id"] for item in server.ask("GET", "/items")[1]["items"]]
    told = server.ask("POST", "/teach", {"name": "rex", "items": every[9:]})[1]["told"]
    assert told["measured"] is None
    assert "10 that are not taught" in told["note"]


def test_marks_count_when_the_same_words_are_asked_again(server):
    hits = server.search("a circle", k=30)["hits"]
    last, first = hits[-1]["id"], hits[0]["id"]
    marks = {"words": "a  Circle", "more": [last], "less": [first]}
    assert server.ask("POST", "/feedback", marks)[0] == 200
    found = server.search("a circle", k=30)
    ranks = {hit["id"]: hit["rank"] for hit in found["hits"]}
    assert ranks[last] < hits[-1]["rank"]
    assert ranks[first] > 1
    assert found["notes"] == ["marks from before count: 1 +, 1 -"]
    assert server.ask("POST", "/feedback", {"words": "a circle"})[0] == 200
    assert server.search("a circle", k=30)["hits"] == hits
    assert server.ask("POST", "/feedback", {"words": "a circle", "more": [10**6]})[0] == 404


def test_marks_of_two_people_stand_beside_each_other_and_the_sum_counts(home, tmp_path):
    tokens = Tokens(tmp_path / "tokens.json")
    anna, bob = ({"authorization": f"Bearer {tokens.add(name, ['write'])}"} for name in ("anna", "bob"))
    server = start(home, "--tokens", str(tmp_path / "tokens.json"))

    def asked():
        return server.ask("POST", "/search", {"terms": [{"words": "a circle"}], "k": 30}, **bob)[1]

    def marked(who, **marks):
        assert server.ask("POST", "/feedback", {"words": "a circle", **marks}, **who)[0] == 200

    try:
        plain = asked()["hits"]
        first, second, third = (hit["id"] for hit in plain[:3])
        marked(anna, more=[first, second], less=[third])
        marked(bob, more=[first], less=[second])  # of second they say the opposite
        assert asked()["notes"] == ["marks from before count: 1 +, 1 -"]
        marked(bob)
        assert asked()["notes"] == ["marks from before count: 2 +, 1 -"]
        marked(anna)
        after = asked()
        assert (after["notes"], after["hits"]) == ([], plain)
    finally:
        server.process.kill()
        server.process.wait(20)


def test_marks_of_before_it_was_kept_whose_they_are_still_count(home):
    made = Collection(home / "p.index")
    made._catalog.change("CREATE TABLE marks (words TEXT, id INTEGER, sign INTEGER, PRIMARY KEY (words, id))")
    made._catalog.change("INSERT INTO marks VALUES ('a circle', 3, 1)")
    assert made.marks("a circle")[:2] == (["0002.png"], [])
    made.mark("a circle", less=[5], who="anna")
    assert made.marks("a circle")[:2] == (["0002.png"], ["0004.png"])
    assert not made._catalog.read("SELECT 1 FROM sqlite_master WHERE name = 'marks'")


def test_several_terms_pages_and_reasons(server):
    picture = server.ask("POST", "/search", {"terms": [{"words": "a red circle"}, {"item": 9}], "k": 30})[1]["hits"]
    assert len(picture) == 30
    pages = [server.search("a red circle", k=10, skip=skip) for skip in (0, 10, 20)]
    assert [page["more"] for page in pages] == [True, True, False]
    ids = [hit["id"] for page in pages for hit in page["hits"]]
    assert ids == [hit["id"] for hit in server.search("a red circle", k=30)["hits"]]
    status, told, _ = server.ask("POST", "/explain", {"terms": [{"words": "a red circle"}], "id": ids[0]})
    assert status == 200
    assert {"words", "region", "withheld"} & set(told["why"])
    dates = server.search("a red circle", k=5, sort="-date", among=8)["hits"]
    assert [hit["date"] for hit in dates] == sorted((hit["date"] for hit in dates), reverse=True)
    assert server.ask("GET", "/report")[1]["model"]["name"] == "retrieve"


def test_what_was_acknowledged_before_a_kill_is_there_once(home, others):
    server = start(home)
    done: list[str] = []

    def go_on():
        for place, data in enumerate(others):
            try:
                done.append(add(server, data, f"n{place}.png")["path"])
            except OSError:
                return

    threads = [threading.Thread(target=go_on)]
    for thread in threads:
        thread.start()
    while len(done) < 7:
        assert server.process.poll() is None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(20)
    for thread in threads:
        thread.join(30)
    made = Collection(home / "p.index")
    ledger = made.update()
    names = [item["item"] for item in made.items()]
    assert len(names) == len(set(names)) == ledger["seen"] == ledger["searchable"]
    assert set(done) <= set(names)
    found = [hit["item"] for hit in made.hits({"text": ["a red circle"]}, k=1000, group=False)[0]]
    assert sorted(found) == sorted(names)


def test_eight_ask_while_one_adds_and_nobody_gets_anothers_answer(server, others):
    words = ["a red circle", "a blue square", "a green triangle", "a circle", "a square", "red", "blue", "a triangle"]
    truth = {word: server.search(word, k=1, where=["path~00"])["hits"][0]["path"] for word in words}
    wrong: list[str] = []

    def ask(word):
        for _ in range(15):
            if server.search(word, k=1, where=["path~00"])["hits"][0]["path"] != truth[word]:
                wrong.append(word)

    threads = [threading.Thread(target=ask, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for place, data in enumerate(others[:8]):
        add(server, data, f"m{place}.png")
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert server.ask("GET", "/ledger")[1]["searchable"] == 38
