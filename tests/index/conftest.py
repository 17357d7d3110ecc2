"""The server of a database is ended when the tests are done."""

import pytest

import _server


@pytest.fixture(scope="session", autouse=True)
def no_server_left():
    yield
    _server.stop()
