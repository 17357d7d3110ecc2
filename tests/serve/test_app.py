"""What the routes answer is what the collection answers."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from _served import Server, index, server, start  # noqa: F401 (fixtures)
from chiasm import recipe
from chiasm.collection import Collection
from chiasm.errors import ChiasmError
from chiasm.score import to_json
from chiasm.serve.held import Held
from chiasm.serve.limits import Refusal
from chiasm.serve.tokens import Tokens
from chiasm.serve.uploads import Uploads


def test_words_find_what_the_collection_finds(server, index):
    made = Collection(index / "p.index")
    plain = made.hits({"text": ["a red circle"]}, k=7)[0]
    found = server.search("a red circle", k=7)["hits"]
    assert [hit["id"] for hit in found] == [hit["key"] for hit in plain]
    assert [hit["path"] for hit in found] == [hit["item"] for hit in plain]
    assert [hit["rank"] for hit in found] == list(range(1, 8))


def test_a_condition_chooses(server):
    found = server.search("a red circle", k=100, where=["caption~red"])["hits"]
    assert found
    assert all("red" in hit["caption"] for hit in found)


def test_a_picture_that_was_sent_finds_itself(server, index):
    data = (index / "Pictures" / "0007.png").read_bytes()
    sent = server.ask("POST", "/uploads", data, content_type="image/png")[1]
    assert sent["kind"] == "image"
    status, found, _ = server.ask("POST", "/search", {"terms": [{"upload": sent["upload"]}], "k": 1})
    assert status == 200
    assert found["hits"][0]["path"] == "0007.png"


def test_an_item_finds_itself_first(server):
    status, found, _ = server.ask("POST", "/search", {"terms": [{"item": 9}], "k": 2})
    assert status == 200
    assert found["hits"][0]["id"] == 9


def test_a_still_is_a_small_jpeg_without_what_the_file_says_beside_its_pixels(server):
    status, data, headers = server.ask("GET", "/media/3/still?side=200")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    picture = Image.open(io.BytesIO(data))
    assert max(picture.size) <= 200
    assert not picture.getexif()
    assert server.ask("GET", "/media/3/still?side=200", if_none_match=headers["etag"])[0] == 304


def test_hits_and_items_say_how_large_their_pictures_are(server, index):
    told = server.search("a red circle", k=30)["hits"] + server.ask("GET", "/items")[1]["items"]
    assert len(told) == 60
    for one in told:
        assert (one["width"], one["height"]) == Image.open(index / "Pictures" / one["path"]).size


def test_head_is_answered_where_get_is_without_a_body(server):
    for path in ("/health", "/what", "/", "/page/main.js", "/media/3/still?side=200", "/media/3"):
        status, data, headers = server.ask("HEAD", path)
        got = server.ask("GET", path)
        assert (status, data) == (got[0], b"")
        assert headers["content-length"] == got[2]["content-length"]
        assert headers["x-content-type-options"] == "nosniff"
    assert server.ask("HEAD", "/nothing")[0] == 404
    assert server.ask("HEAD", "/search")[0] == 405


def test_the_ledger_and_the_files_agree(server):
    ledger = server.ask("GET", "/ledger")[1]
    assert ledger["seen"] == ledger["searchable"] + ledger["failed"] + ledger["waiting"] == 30
    first = server.ask("GET", "/items?k=20")[1]
    rest = server.ask("GET", f"/items?k=20&after={first['next']}")[1]
    assert len({item["id"] for item in first["items"] + rest["items"]}) == 30
    assert rest["next"] is None


def test_files_are_listed_that_meet_conditions_the_newest_first_page_by_page(server, index):
    pictures = sorted((index / "Pictures").glob("*.png"))
    dates = {path.name: int(path.stat().st_mtime) for path in pictures}

    def listed(asked):
        found, after = [], 0
        while after is not None:
            status, told, _ = server.ask("GET", f"/items?k=3&after={after}{asked}")
            assert status == 200, told
            found += [item["path"] for item in told["items"]]
            after = told["next"]
        return found

    red = [path.name for path in pictures if "red" in _caption(path)]
    assert sorted(listed("&where=caption~red")) == red
    assert len(red) > 3
    assert listed("&where=caption~red&where=kind=audio") == []
    for sort, sign in (("-date", -1), ("date", 1)):
        found = listed(f"&sort={sort}")
        assert sorted(found) == sorted(dates)
        assert [dates[name] for name in found] == sorted(dates.values(), key=lambda at, sign=sign: sign * at)
    assert set(listed("&sort=-date&where=caption~red")) == set(red)
    for wrong in ("sort=size", "where=nothing=1", "where=date", "sort=date&after=9999"):
        assert server.ask("GET", f"/items?{wrong}")[0] == 422


def _caption(path):
    text = path.with_suffix(".txt")
    return text.read_text() if text.exists() else ""


def test_a_server_without_tokens_stays_on_this_machine(index):
    command = [sys.executable, "-m", "chiasm", "serve", str(index / "p.index"), "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "wanted tokens together with" in done.stderr


@pytest.mark.slow
def test_who_has_a_token_may_do_what_it_is_for_and_no_more(index, tmp_path):
    tokens = tmp_path / "tokens.json"
    run = [sys.executable, "-m", "chiasm", "token", "add"]
    made = {
        scope: subprocess.run(
            [*run, scope, "--scope", scope, "--tokens", str(tokens)], capture_output=True, text=True, check=True
        ).stdout.strip()
        for scope in ("read", "admin")
    }
    again = subprocess.run([*run, "read", "--tokens", str(tokens)], capture_output=True, text=True)
    assert (again.returncode, "which has one" in again.stderr) == (1, True)
    assert Tokens(tokens).scopes(made["read"])
    assert tokens.stat().st_mode & 0o777 == 0o600
    assert not any(token in tokens.read_text() for token in made.values())
    server = start(index, "--tokens", str(tokens))
    try:
        question = {"terms": [{"words": "a red circle"}], "k": 1}
        bearer = {scope: {"authorization": f"Bearer {token}"} for scope, token in made.items()}
        assert server.ask("GET", "/health")[0] == 200
        assert server.ask("GET", "/what")[0] == 401
        assert server.ask("POST", "/search", question, authorization="Bearer nonsense")[0] == 401
        assert server.ask("GET", "/what", cookie="chiasm_session=forged")[0] == 401
        status, found, _ = server.ask("POST", "/search", question, **bearer["read"])
        assert status == 200
        assert found["hits"][0]["path"] is None
        for more in ({"where": ["path~a"]}, {"where": ["path!=a"]}, {"sort": "-path", "among": 5}):
            assert server.ask("POST", "/search", {**question, **more}, **bearer["read"])[0] == 403
            assert server.ask("POST", "/search", {**question, **more}, **bearer["admin"])[0] == 200
        assert server.ask("GET", "/items?where=path~a", **bearer["read"])[0] == 403
        assert "path" not in server.ask("GET", "/what", **bearer["read"])[1]["columns"]
        assert server.ask("GET", "/metrics", **bearer["read"])[1]["error"]["code"] == "scope"
        assert server.ask("GET", "/metrics", **bearer["admin"])[0] == 200
        assert server.ask("POST", "/search", question, **bearer["admin"])[1]["hits"][0]["path"]
        status, _, headers = server.ask("POST", "/login", {"token": made["read"]})
        value = headers["set-cookie"].split(";")[0]
        assert "HttpOnly" in headers["set-cookie"]
        assert "samesite=strict" in headers["set-cookie"].lower()
        assert server.ask("GET", "/media/1/still", cookie=value)[0] == 200
        assert server.ask("POST", "/search", question, cookie=value, origin="http://evil.example")[0] == 403
        subprocess.run([*run[:-1], "remove", "read", "--tokens", str(tokens)], check=True)
        assert server.ask("GET", "/what", cookie=value)[0] == 401
    finally:
        server.process.terminate()
        server.process.wait(20)


def test_what_was_asked_before_the_end_is_answered(index, tmp_path):
    shutil.copytree(index, tmp_path / "home")
    server = start(index)
    answers = []

    def ask():
        answers.append(server.ask("POST", "/search", {"terms": [{"words": "a red circle"}], "k": 3})[0])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(30)
    assert server.process.wait(30) in (0, -signal.SIGTERM)
    assert set(answers) <= {200}


def test_a_port_that_is_taken_is_one_sentence(server, index):
    command = [sys.executable, "-m", "chiasm", "serve", str(index / "p.index"), "--port", str(server.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f":{server.port}" in done.stderr


def test_words_are_read_as_the_command_line_reads_them(server):
    def found(*terms):
        status, told, _ = server.ask("POST", "/search", {"terms": list(terms), "k": 30})
        assert status == 200, told
        return [hit["id"] for hit in told["hits"]]

    written = found({"words": "a red circle - 2*blue"})
    assert written == found({"words": "a red circle"}, {"words": "blue", "weight": -2.0})
    assert found({"words": "a red circle +"}) == found({"words": "a red circle"})  # still being written
    assert found({"words": "a red -blue circle"}) == found({"words": "a red circle"}, {"words": "blue", "weight": -1.0})
    for wrong in ('- "red"', 'circle -"red"', "-red"):
        status, told, _ = server.ask("POST", "/search", {"terms": [{"words": wrong}]})
        assert (status, told["error"]["code"]) == (422, "not_possible")


def test_the_command_takes_the_files_in_where_it_is_given_a_model(index, tmp_path, monkeypatch):
    import chiasm.cli.serve as command
    from chiasm.cli import cli
    from chiasm.cli._words import flags

    served = []
    monkeypatch.setattr(command, "serve_collection", lambda collection, *_: served.append(collection))
    shutil.copytree(next((index / "p.index").glob("model-*")), tmp_path / "p.chiasm")
    alone = CliRunner().invoke(cli, ["serve", str(tmp_path / "p.chiasm")])
    assert alone.exit_code
    assert "p.chiasm FOLDER" in str(alone.exception)
    for _ in range(2):  # the second time it is there
        again = CliRunner().invoke(cli, ["serve", str(tmp_path / "p.chiasm"), str(index / "Pictures")])
        assert not again.exit_code, again.output
    assert [one.ledger()["searchable"] for one in served] == [30, 30]
    assert {one.path for one in served} == {tmp_path / "p.index"}
    shutil.copytree(index / "Pictures", tmp_path / "Others")
    other = ["serve", str(tmp_path / "p.chiasm"), str(tmp_path / "Others")]
    refused = CliRunner().invoke(cli, other)
    assert "--to INDEX" in flags(str(refused.exception))
    elsewhere = CliRunner().invoke(cli, [*other, "--to", str(tmp_path / "others.index")])
    assert not elsewhere.exit_code, elsewhere.output
    assert served[-1].path == tmp_path / "others.index"
    assert "--to" in str(CliRunner().invoke(cli, ["serve", str(index / "p.index"), "--to", "x"]).exception)


def test_a_path_that_is_no_index_and_an_index_beside_a_folder_are_told_what_makes_one(index, tmp_path):
    from chiasm.cli import cli

    nothing = CliRunner().invoke(cli, ["serve", str(tmp_path / "nothere.index")])
    assert "index build MODEL FOLDER --to" in str(nothing.exception)
    both = CliRunner().invoke(cli, ["serve", str(index / "p.index"), str(index / "Pictures")])
    assert f"index build MODEL {index / 'Pictures'}" in str(both.exception)


def test_the_container_is_started_with_every_file_that_its_command_names():
    lines = (Path(__file__).parents[2] / "deploy" / "Containerfile").read_text().splitlines()
    named = [one for one in json.loads(lines[-1].removeprefix("CMD ")) if "." in one and one != "0.0.0.0"]
    told = " ".join(line.strip("# \\") for line in lines if line.startswith("#"))
    start = told[told.index("podman run --rm -p") :]
    assert named == ["photos.index", "tokens.json"]
    assert [f":/data/{one}" in start for one in named] == [True, True]


def test_a_score_of_another_model_is_refused(index):
    made = Collection(index / "p.index")
    own = {**recipe.describe(made.model), "aligner": made.model.aligner_.choices()}
    told = json.loads(to_json({"model": own, "directions": []}))
    assert Held(made, told).score == told
    for other in ({"name": "link"}, {"params": {**told["model"]["params"], "seed": 7}}):
        with pytest.raises(ChiasmError, match="got one of another model"):
            Held(made, {**told, "model": {**told["model"], **other}})


def test_the_address_that_is_printed_answers_also_where_all_addresses_are_listened_at(index, tmp_path):
    tokens = tmp_path / "tokens.json"
    token = Tokens(tokens).add("anna", ["read"])
    command = [sys.executable, "-m", "chiasm", "serve", str(index / "p.index"), "--host", "0.0.0.0", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--tokens", str(tokens), "--name", "search.example"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0].removesuffix("/")
        asked = urllib.request.Request(f"{address}/what", headers={"Authorization": f"Bearer {token}"})
        assert urllib.request.urlopen(asked, timeout=30).status == 200
        refused = Server(process, int(address.rsplit(":", 1)[1]), index).ask("GET", "/health", host="other.example")
        assert (refused[0], "--name" in refused[1]["error"]["message"]) == (421, True)
    finally:
        process.terminate()
        said = process.communicate(timeout=20)[1]
    assert "search.example" in said


def test_files_to_ask_with_are_bounded_by_their_bytes_together_and_the_oldest_go():
    uploads = Uploads(most=25)
    names = []
    for _ in range(4):
        name, path, kind = uploads.draft("image/png")
        path.write_bytes(b"ten bytes.")
        uploads.keep(name, kind)
        names.append(name)
    try:
        assert [uploads.get(name)[0].stat().st_size for name in names[2:]] == [10, 10]
        for gone in names[:2]:
            with pytest.raises(Refusal):
                uploads.get(gone)
    finally:
        uploads.close()


def test_what_is_alike_an_item_is_not_judged_and_the_sentence_says_why(server):
    ask = {"terms": [{"item": 9}], "reject": 0.1}
    status, told, _ = server.ask("POST", "/search", ask)
    assert (status, told["error"]["code"]) == (422, "not_possible")
    assert "one of 'image', which answers" in told["error"]["message"]
    assert "val" not in told["error"]["message"]
    found = server.ask("POST", "/search", {**ask, "lenient": True})[1]
    assert (found["judged"], found["hits"][0]["id"]) == (False, 9)


def test_an_order_among_what_nobody_can_judge_is_told_not_to_count(server):
    ask = {"terms": [{"words": "a circle"}, {"words": "red"}], "reject": 0.1, "lenient": True, "k": 30}
    plain = server.ask("POST", "/search", ask)[1]
    found = server.ask("POST", "/search", {**ask, "sort": "-date"})[1]
    assert found["hits"] == plain["hits"]
    assert len([note for note in found["notes"] if note.startswith("the order did not count")]) == 1
    among = server.ask("POST", "/search", {**ask, "sort": "-date", "among": 5, "k": 5})[1]
    assert {hit["id"] for hit in among["hits"]} == {hit["id"] for hit in plain["hits"][:5]}
    dates = [hit["date"] for hit in among["hits"]]
    assert dates == sorted(dates, reverse=True)
    assert not any(note.startswith("the order did") for note in among["notes"])


def test_a_question_in_a_script_that_nobody_judges_is_told_as_not_judged(server):
    found = server.ask("POST", "/search", {"terms": [{"words": "雪地里的狗"}], "reject": 0.1})[1]
    assert found["judged"] is False
    assert any("not judged" in note for note in found["notes"])


def test_marks_that_contradict_each_other_or_are_of_no_words_are_refused(server):
    item = server.search("red")["hits"][0]["id"]
    for body in ({"words": "red", "more": [item], "less": [item]}, {"words": "  ", "more": [item]}):
        assert server.ask("POST", "/feedback", body)[0] == 422
    assert server.ask("POST", "/search", b'{"terms": [{"words": "red"}]}', content_type="text/plain")[0] == 415
    assert server.ask("POST", "/search", {"terms": [{"words": "red", "weight": 1e-320}]})[0] == 422
