"""Whatever is sent, each has its stated status and reason, the server lives, and nothing of the machine leaks."""

from __future__ import annotations

import socket
import time

import pytest

from _served import index, server  # noqa: F401 (fixtures)

WORDS = {"terms": [{"words": "a red circle"}]}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**WORDS, "k": 0}, 422, "invalid"),
        ({**WORDS, "k": -1}, 422, "invalid"),
        ({**WORDS, "k": 10**9}, 422, "invalid"),
        ({**WORDS, "k": True}, 422, "invalid"),
        ({**WORDS, "k": "5"}, 422, "invalid"),
        ({**WORDS, "k": 2.5}, 422, "invalid"),
        ({**WORDS, "skip": -1}, 422, "invalid"),
        ({**WORDS, "reject": 1.5}, 422, "invalid"),
        ({**WORDS, "unknown": 1}, 422, "invalid"),
        ({"terms": []}, 422, "invalid"),
        ({"terms": [{}]}, 422, "invalid"),
        ({"terms": [{"words": "a", "item": 1}]}, 422, "invalid"),
        ({"terms": [{"words": ""}]}, 422, "invalid"),
        ({"terms": [{"words": "a" * 10_001}]}, 422, "invalid"),
        ({"terms": [{"words": "a", "weight": 0}]}, 422, "invalid"),
        ({"terms": [{"item": 10**6}]}, 404, "item"),
        ({"terms": [{"upload": "../../etc/passwd"}]}, 404, "upload"),
        ({**WORDS, "where": ["nothing=1"]}, 422, "not_possible"),
        ({**WORDS, "where": ["path='; DROP TABLE items; --"]}, 200, None),
        ({**WORDS, "to": "nothing"}, 422, "not_possible"),
        (b'{"terms": [{"words": "a", "weight": NaN}]}', 400, "not_json"),
        (b'{"terms": [{"words": "a", "weight": -Infinity}]}', 400, "not_json"),
        (b'{"terms": [{"words": "NaN and Infinity [[[[ \\" ]"}]}', 200, None),
        (b"[" * 100_000, 400, "too_deep"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, 400, "too_deep"),
        (b"{", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b'{"terms": [{"words": "a", "words": "b"}]}', 400, "not_json"),
    ],
)
def test_a_question_that_is_none_is_refused_with_its_reason(server, body, status, code):
    got, told, headers = server.ask("POST", "/search", body, content_type="application/json")
    assert got == status, told
    if code:
        assert told["error"]["code"] == code
        assert told["error"]["request"] == headers["x-request-id"]
        assert str(server.home) not in str(told)
        assert "Traceback" not in str(told)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/what", {"host": "evil.example"}, 421, "host"),
        ("GET", "/what", {"host": "127.0.0.1.evil.example:80"}, 421, "host"),
        ("POST", "/search", {"origin": "http://evil.example"}, 403, "origin"),
        ("POST", "/search", {"origin": "null"}, 403, "origin"),
        ("POST", "/search", {"sec_fetch_site": "cross-site"}, 403, "origin"),
        ("GET", "/page/../app.py", {}, 404, "not_found"),
        ("GET", "/page/%2e%2e%2fapp.py", {}, 404, "not_found"),
        ("GET", "/media/..%2f..%2fetc%2fpasswd", {}, 404, "not_found"),
        ("GET", "/media/abc", {}, 422, "invalid"),
        ("GET", "/media/-1", {}, 404, "item"),
        ("GET", "/media/99999999999999999999999", {}, 404, "item"),
        ("GET", "/media/1/still?side=7", {}, 422, "invalid"),
        ("GET", "/items?k=0", {}, 422, "invalid"),
        ("GET", "/items?limit=5", {}, 422, "invalid"),
        ("GET", "/ledger?k=5", {}, 422, "invalid"),
        ("POST", "/search?k=5", {}, 422, "invalid"),
        ("DELETE", "/items/1", {}, 405, "method"),
        ("GET", "/nothing", {}, 404, "not_found"),
    ],
)
def test_a_request_that_leads_elsewhere_is_refused_with_its_reason(server, method, path, headers, status, code):
    got, told, _ = server.ask(method, path, b"{}" if method == "POST" else None, **headers)
    assert (got, told["error"]["code"]) == (status, code)


def test_what_an_address_allows_is_told_of_all_its_routes(server):
    assert server.ask("DELETE", "/items")[2]["allow"] == "GET, POST"
    assert server.ask("DELETE", "/search")[2]["allow"] == "POST"


def test_an_upload_that_is_no_medium_is_refused_at_once_or_when_it_is_asked_with(server):
    assert server.ask("POST", "/uploads", b"x", content_type="text/html")[1]["error"]["code"] == "not_media"
    bomb = b"\x89PNG\r\n\x1a\n" + b"\0" * 1000
    status, told, _ = server.ask("POST", "/uploads", bomb, content_type="image/png")
    assert status == 200
    status, told, _ = server.ask("POST", "/search", {"terms": [{"upload": told["upload"]}]})
    assert (status, told["error"]["code"]) == (422, "not_possible")
    assert "/tmp" not in told["error"]["message"]


def test_a_body_that_is_too_large_is_not_read_to_its_end(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(
            b"POST /uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_who_sends_all_of_what_is_too_large_before_listening_still_hears_why(server):
    for body in (b"x" * (40 * 2**20), iter([b"x" * 2**20] * 40)):  # of a length that is told, and in chunks
        status, told, headers = server.ask("POST", "/uploads", body, content_type="image/png")
        assert (status, told["error"]["code"], headers["connection"]) == (413, "too_large", "close")


def test_what_an_address_asks_that_is_not_known_is_told_with_what_is(server):
    said = server.ask("GET", "/items?limit=5&k=2")[1]["error"]["message"]
    assert said.startswith("wanted nothing but state, after,")
    assert said.endswith("got limit.")


def test_who_leaves_early_or_sends_nonsense_harms_nobody(server):
    for begun in (b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{", b"\x16\x03\x01", b"GET"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
            line.sendall(begun)
    time.sleep(0.2)
    assert server.search("a red circle", k=1)["hits"]


def test_every_answer_forbids_what_a_page_does_not_need(server):
    for path in ("/", "/what", "/nothing", "/media/1/still"):
        headers = server.ask("GET", path)[2]
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_a_fault_of_the_servers_own_is_told_without_its_traceback():
    from starlette.testclient import TestClient

    from chiasm.serve.app import make_app

    class Broken:
        threads = 1

        def warm(self):
            pass

        def what(self):
            raise RuntimeError("a secret place")

    with TestClient(make_app(Broken()), base_url="http://localhost", raise_server_exceptions=False) as client:
        answer = client.get("/what")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "failed"
    assert "secret" not in answer.text
