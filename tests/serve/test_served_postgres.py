"""A server whose vectors are in PostgreSQL: the same answers, also after the database died and came back."""

from __future__ import annotations

import shutil

import pytest

import _server
from _served import index, start  # noqa: F401 (a fixture)
from chiasm.collection import Collection
from conftest import make_pictures

WORDS = ["a red circle", "two blue squares", "green"]


@pytest.fixture
def home(index, tmp_path, monkeypatch):
    """An index of its own, whose vectors are in the database that the environment names."""
    conninfo = pytest.importorskip("psycopg.conninfo", reason="the extra postgres is not installed")
    told = conninfo.conninfo_to_dict(_server.address())
    for name, variable in {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}.items():
        if told.get(name):
            monkeypatch.setenv(variable, str(told[name]))
    shutil.copytree(index / "Pictures", tmp_path / "Pictures")
    model = next((index / "p.index").glob("model-*"))
    Collection.build(tmp_path / "p.index", model, tmp_path / "Pictures", index="postgres")
    return tmp_path


@pytest.mark.slow
def test_it_answers_as_the_file_does_and_outlives_the_death_of_its_database(index, home, tmp_path):
    plain, held = start(index), start(home)
    try:

        def found(server, words):
            return [(hit["path"], round(hit["score"], 3)) for hit in server.search(words, k=30)["hits"]]

        for words in WORDS:
            assert sorted(found(held, words)) == sorted(found(plain, words))
        (name, _), *_ = make_pictures(tmp_path / "more", 1, seed=3)
        data = (tmp_path / "more" / name).read_bytes()
        added = held.ask("POST", "/items?name=new.png", data, content_type="image/png")[1]["item"]
        assert added["state"] == "searchable"
        _server.kill()
        status, told, _ = held.ask("POST", "/search", {"terms": [{"words": "red"}]})
        assert (status, told["error"]["code"]) == (503, "index_away")
        assert "/" not in told["error"]["message"]  # not where the database is
        assert held.ask("GET", "/health")[0] == 200
        _server.restart()
        assert added["path"] in [path for path, _ in found(held, "red")]
        assert held.ask("GET", "/ledger")[1]["searchable"] == 31
    finally:
        for server in (plain, held):
            server.process.kill()
            server.process.wait(20)
