"""A real server process over a small index of colored shapes."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import chiasm
from chiasm.collection import Collection
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    home: Path

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (or bytes) and headers of one request; a body that is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict | list):
            body, named = json.dumps(body).encode(), {"content-type": "application/json"} | named
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            data, told = answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        is_json = data and told.get("content-type") == "application/json"
        return answer.status, json.loads(data) if is_json else data, told

    def search(self, words: str, **more: Any) -> Any:
        """The answer to some words, which has to be one."""
        status, found, _ = self.ask("POST", "/search", {"terms": [{"words": words}], **more})
        assert status == 200, found
        return found


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds Pictures and its index, p.index; not to be changed."""
    home = tmp_path_factory.mktemp("served")
    pairs = make_pictures(home / "learned", 96)
    views = chiasm.Views.of(
        {"text": [text for _, text in pairs], "image": [str(home / "learned" / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(96)],
    )
    model = Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}, align="cca").fit(views)
    for i, (name, text) in enumerate(make_pictures(home / "Pictures", 30, seed=5)):
        os.utime(home / "Pictures" / name, (day := 1.7e9 + 86400 * (7 * i % 30), day))
        if i < 15:
            (home / "Pictures" / name).with_suffix(".txt").write_text(text)
    Collection.build(home / "p.index", model, home / "Pictures")
    return home


def start(home: Path, *options: str) -> Server:
    """A server over the index of a home, once it answers."""
    command = [sys.executable, "-m", "chiasm", "serve", str(home / "p.index"), "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line.rstrip() == "}":
            break
    assert told, "the server did not start"
    return Server(process, int(json.loads(told)["address"].rstrip("/").rsplit(":", 1)[1]), home)


@pytest.fixture(scope="session")
def server(index: Path) -> Iterator[Server]:
    """A server that whoever comes may ask; not to be ended or written to."""
    made = start(index)
    yield made
    made.process.terminate()
    made.process.wait(20)
