"""What stands before every route: whose host and origin, who asks, how much at most; and what every answer carries."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse

from chiasm.serve.limits import Limits, Refusal, check_json
from chiasm.serve.metrics import Metrics
from chiasm.serve.tokens import SCOPES, Sessions, Tokens

__all__ = ["COOKIE", "Guard", "needs"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

COOKIE = "chiasm_session"
LOCAL = ("127.0.0.1", "localhost", "[::1]")

_log = logging.getLogger("chiasm.serve")

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(self)"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
)

_SAFE = ("GET", "HEAD")

_LINGERS = 5.0
"""Seconds that what is too large may go on arriving once it was refused: who is cut off earlier may lose the answer."""
_UNREAD = 64 * 2**20
"""Bytes that may go on arriving."""


class Guard:
    """An ASGI application before another one.

    Args:
        hosts: names by which the server may be called, without ports. tokens: None: whoever comes may do all.
        streams: paths whose body is a file, which the route reads by itself, each with its bytes at most.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        hosts: Iterable[str],
        tokens: Tokens | None,
        sessions: Sessions,
        limits: Limits,
        metrics: Metrics,
        streams: MutableMapping[str, int],
    ):
        self.app, self.tokens, self.sessions = app, tokens, sessions
        self.hosts, self.limits, self.metrics, self.streams = set(hosts), limits, metrics, streams
        self.running = 0
        """Requests that are not answered yet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        name, started, status = secrets.token_hex(6), time.monotonic(), 500
        begun = False
        scope.setdefault("state", {}).update(request=name, head=scope["method"] == "HEAD")
        if scope["state"]["head"]:  # found as GET is; no body is sent, since whoever sends it sees HEAD
            scope = {**scope, "method": "GET"}
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}

        async def answer(message: MutableMapping[str, Any]) -> None:
            nonlocal begun, status
            if message["type"] == "http.response.start":
                begun, status = True, message["status"]
                held = list(message.get("headers", []))
                given = {key for key, _ in held}
                held += [pair for pair in _HEADERS if pair[0] not in given]
                if b"cache-control" not in given:
                    held.append((b"cache-control", b"no-store"))
                message["headers"] = [*held, (b"x-request-id", name.encode())]
            if status == 413 and message["type"] == "http.response.body" and not message.get("more_body"):
                await send({**message, "more_body": True})
                await _passed_over(receive)
                message = {"type": "http.response.body"}
            await send(message)

        try:
            self._admit(scope, headers)
            self.running += 1
            try:
                await self.app(scope, await self._bounded(scope, headers, receive), answer)
            finally:
                self.running -= 1
        except Refusal as refusal:
            await _refuse(refusal, name, scope, receive, answer)
        except _GoneError:
            status = 499
        except Exception:
            _log.exception("request %s failed", name)
            if not begun:
                failed = Refusal(500, "failed", "something went wrong here: the server's log names the request.")
                await _refuse(failed, name, scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.seen(route, status, time.monotonic() - started)

    def _admit(self, scope: Scope, headers: dict[str, str]) -> None:
        """Raise a Refusal for a foreign host or origin, too many at once; note what who asks may do."""
        host = headers.get("host", "")
        bare = host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() else host
        if bare.lower() not in self.hosts:
            raise Refusal(
                421,
                "host",
                "this server does not go by that name: it answers to those that it is started with (--name).",
            )
        if self.running >= self.limits.at_once:
            raise Refusal(503, "busy", "too many ask at once: ask again in a second.", {"Retry-After": "1"})
        told = headers.get("authorization", "")
        bearer = told[7:].strip() if told[:7].lower() == "bearer " else ""
        if scope["method"] not in _SAFE and not bearer:
            origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
            foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
            if foreign or site not in ("same-origin", "none"):
                raise Refusal(403, "origin", "this was asked by a page of another origin.")
        scope["state"]["who"], scope["state"]["scopes"] = self._known(bearer, headers)

    def _known(self, bearer: str, headers: dict[str, str]) -> tuple[str, frozenset[str]]:
        """The name of the token of who asks, and what it is good for."""
        if self.tokens is None:
            return "", frozenset(SCOPES)
        token = bearer or self.sessions.token(cookie(headers))
        return ("", frozenset()) if token is None else self.tokens.known(token)

    async def _bounded(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Receive:
        """What the application reads the body by: whole and checked where it is JSON, counted where it is a file."""
        until = time.monotonic() + self.limits.seconds
        most = next((n for path, n in self.streams.items() if scope["path"] == path), None)
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > (self.limits.json if most is None else most):
            raise _too_large(self.limits.json if most is None else most)
        if most is not None:
            return _counted(receive, most, self.limits.seconds)
        body = bytearray()
        while True:
            message = await _within(receive, until - time.monotonic())
            if message["type"] == "http.disconnect":
                raise _GoneError
            body += message.get("body", b"")
            if len(body) > self.limits.json:
                raise _too_large(self.limits.json)
            if not message.get("more_body"):
                break
        if body:
            check_json(bytes(body), self.limits.depth)
        sent = False

        async def again() -> MutableMapping[str, Any]:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        return again


class _GoneError(Exception):
    """Who asked has gone."""


def needs(scopes: frozenset[str], wanted: str, authenticated: bool) -> None:
    """Raise a Refusal (401, 403) unless what is asked for may be done."""
    if wanted in scopes:
        return
    if not authenticated:
        raise Refusal(401, "token", "wanted a token: send it as Authorization: Bearer ..., or give it to the page.")
    raise Refusal(403, "scope", f"this token may not do that: it wants the scope {wanted}.")


def cookie(headers: dict[str, str]) -> str:
    """The value of the session's cookie, or nothing."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _counted(receive: Receive, most: int, seconds: float) -> Receive:
    total = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal total
        message = await _within(receive, seconds)
        if message["type"] == "http.disconnect":
            raise _GoneError
        total += len(message.get("body", b""))
        if total > most:
            raise _too_large(most)
        return message

    return counted


async def _within(receive: Receive, seconds: float) -> MutableMapping[str, Any]:
    try:
        return await asyncio.wait_for(receive(), max(seconds, 0.001))
    except TimeoutError:
        raise Refusal(408, "slow", "the request did not arrive in time.", {"Connection": "close"}) from None


async def _passed_over(receive: Receive) -> None:
    """Read what is still sent, within bounds, and keep nothing of it."""
    until, left = time.monotonic() + _LINGERS, _UNREAD
    with contextlib.suppress(Refusal):
        while left > 0:
            message = await _within(receive, until - time.monotonic())
            left -= len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return


def _too_large(most: int) -> Refusal:
    said = f"{most / 2**20:g} MiB"
    return Refusal(413, "too_large", f"wanted at most {said}.", {"Connection": "close"})


async def _refuse(refusal: Refusal, name: str, scope: Scope, receive: Receive, send: Send) -> None:
    headers = dict(refusal.headers)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    await JSONResponse(refusal.told(name), refusal.status, headers)(scope, receive, send)
