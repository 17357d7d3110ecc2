"""The routes: what is asked over HTTP, and what answers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match
from threadpoolctl import threadpool_limits

from chiasm.errors import Away, BusyError, ChiasmError
from chiasm.serve import schemas as s
from chiasm.serve.guard import COOKIE, LOCAL, Guard, cookie, needs
from chiasm.serve.held import Held
from chiasm.serve.limits import Limits, Refusal, Sentence
from chiasm.serve.metrics import Metrics
from chiasm.serve.pool import Pool
from chiasm.serve.stills import SIDES, Stills
from chiasm.serve.tokens import Sessions, Tokens
from chiasm.serve.uploads import Uploads

__all__ = ["make_app"]

T = TypeVar("T")

_log = logging.getLogger("chiasm.serve")

_BESIDE = 4
"""Requests worked on for each text that is encoded: the others wait for one pass over the vectors, together."""

_LONGEST = 1e6
"""Seconds."""

PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def make_app(
    held: Held,
    *,
    tokens: Tokens | None = None,
    hosts: Iterable[str] = LOCAL,
    limits: Limits | None = None,
) -> Any:
    """The server as an ASGI application.

    Args:
        held: what is asked. tokens: who may ask; None: whoever comes may do all (for this machine alone).
        hosts: the names that the server is called by.
    """
    limits = limits or Limits()
    pool = Pool(_BESIDE * held.threads, limits.at_once)
    metrics, sessions, uploads, stills = Metrics(), Sessions(), Uploads(), Stills(held.threads)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with threadpool_limits(1, "blas"):  # a thread a request: more would fight for the cores
            threading.Thread(target=held.warm, daemon=True).start()
            yield
        pool.close()
        uploads.close()

    app = FastAPI(
        title="Chiasm",
        summary="Search a folder of pictures, sounds and videos, by words or by one another.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(_known)],
        responses={"4XX": {"model": s.Failure}, "5XX": {"model": s.Failure}},
    )

    async def work(call: Callable[..., T], *values: Any) -> T:
        """Call in one of the threads; a library's sentence becomes an answer."""
        try:
            return await pool.run(call, *values, seconds=limits.seconds)
        except Away as error:
            _log.warning("%s", error)
            said = "the database that holds the vectors does not answer: ask again in a while."
            raise Refusal(503, "index_away", said, {"Retry-After": "5"}) from None
        except BusyError as error:
            raise Sentence(503, "updating", str(error), {"Retry-After": "5"}) from None
        except ChiasmError as error:
            raise Sentence(422, "not_possible", str(error)) from None

    writing = asyncio.Semaphore(1)

    async def write(call: Callable[..., T], *values: Any) -> T:
        """As `work`, one at a time: who waits for another one takes no thread from those who ask."""
        try:
            await asyncio.wait_for(writing.acquire(), limits.seconds)
        except TimeoutError:
            raise Refusal(503, "updating", "others write now: wait for them.", {"Retry-After": "5"}) from None
        try:
            return await work(call, *values)
        finally:
            writing.release()

    def may(request: Request, scope: str) -> frozenset[str]:
        scopes: frozenset[str] = request.state.scopes
        needs(scopes, scope, bool(scopes))
        return scopes

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> JSONResponse:
        if isinstance(refusal, Sentence):
            refusal.message = await asyncio.to_thread(held.scrubbed, refusal.message, "admin" in request.state.scopes)
        headers = refusal.headers | ({"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {})
        return JSONResponse(refusal.told(request.state.request), refusal.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if request.method == "POST" and not request.headers.get("content-type", "").startswith("application/json"):
            said = "wanted JSON, told as such by the header Content-Type: application/json."
            return JSONResponse(Refusal(415, "not_json", said).told(request.state.request), 415)
        said = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'][1:]) or 'the request'}: {one['msg']}"
            for one in error.errors()[:5]
        )
        return JSONResponse(Refusal(422, "invalid", said).told(request.state.request), 422)

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> JSONResponse:
        said = "something went wrong here: the server's log names the request."
        return JSONResponse(Refusal(500, "failed", said).told(request.state.request), 500)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method"}.get(error.status_code, "refused")
        told = Refusal(error.status_code, code, str(error.detail)).told(request.state.request)
        headers = dict(error.headers or {})
        if error.status_code == 405:  # of all routes of that address: the first one alone would be told
            met = [one for one in app.routes if one.matches(request.scope)[0] is not Match.NONE]
            headers["Allow"] = ", ".join(sorted({verb for one in met for verb in getattr(one, "methods", None) or ()}))
        return JSONResponse(told, error.status_code, headers)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the server lives. No token is needed."""
        return {"status": "ok"}

    @app.get("/what")
    async def what(request: Request) -> s.What:
        """What is served, and what you may do."""
        scopes = may(request, "read")
        told = await work(held.what, "admin" in scopes)
        able = [what for what in told.pop("can") if "write" in scopes or what not in ("add", "teach", "mark")]
        return s.What(**told, scopes=sorted(scopes), can=able)

    @app.post("/search")
    async def search(request: Request, ask: s.Ask) -> s.Found:
        """Find items by words, files and items, weighted; the best first."""
        scopes = may(request, "read")
        return await work(held.search, ask, uploads, "admin" in scopes)

    @app.post("/uploads")
    async def upload(request: Request) -> s.Uploaded:
        """Send a picture, a sound or a video to ask with: the file is the body, its type the content type."""
        may(request, "read")
        name, path, kind = uploads.draft(request.headers.get("content-type", ""))
        await _written(request, path)
        uploads.keep(name, kind)
        return s.Uploaded(upload=name, kind=kind)

    @app.get("/items")
    async def items(
        request: Request,
        state: str = "",
        after: int = 0,
        k: int = 100,
        where: Annotated[list[s.Short] | None, Query(max_length=16)] = None,
        sort: Literal["", "date", "-date"] = "",
    ) -> s.Items:
        """Files in the order in which they were seen, or by `sort`: "-date" is the newest first.

        `state`: searchable, failed or waiting; `where`, repeated: conditions, as of a question.
        """
        scopes = may(request, "read")
        if not 1 <= k <= 1000 or after < 0 or state not in ("", "searchable", "failed", "waiting"):
            raise Refusal(422, "invalid", "wanted k from 1 to 1000, after from 0, and a state of the ledger.")
        return await work(held.items, state, after or -1, k, where or [], sort, "admin" in scopes)

    @app.get("/items/{key}")
    async def item(request: Request, key: int) -> s.Item:
        """What is known of an item."""
        return await work(held.item, key, "admin" in may(request, "read"))

    @app.get("/media/{key}")
    async def media(request: Request, key: int) -> Response:
        """A sound or a video, whole or in ranges; a picture as a JPEG of at most 1,600 pixels."""
        may(request, "read")
        path, kind, content = await work(held.file, key)
        if kind == "image":
            return await _still(request, path, kind, content, max(SIDES))
        return FileResponse(path, media_type=stills.playable(path, kind), headers=_cached(content))

    @app.get("/media/{key}/still")
    async def still(request: Request, key: int, side: int = 400, at: float | None = None) -> Response:
        """A small JPEG of a picture, or of a video `at` seconds, else its middle; `side`: 200, 400, 800 or 1600."""
        may(request, "read")
        if side not in SIDES or (at is not None and not 0 <= at < _LONGEST):
            raise Refusal(422, "invalid", f"wanted a side of {', '.join(map(str, SIDES))} pixels, and seconds from 0.")
        path, kind, content = await work(held.file, key)
        return await _still(request, path, kind, content, side, at)

    async def _still(
        request: Request, path: Path, kind: str, content: str, side: int, at: float | None = None
    ) -> Response:
        mark = f"{content}-{side}" if at is None or kind != "video" else f"{content}-{side}-{at:.1f}"
        headers = _cached(mark)
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        made = await work(stills.of, path, kind, mark, side, at)
        return Response(made, media_type="image/jpeg", headers=headers)

    @app.post("/explain")
    async def explain(request: Request, ask: s.Explain) -> s.Explained:
        """Which words and what region of an item a score rests on; takes some seconds."""
        return await work(held.explain, ask, uploads, "admin" in may(request, "read"))

    @app.post("/items")
    async def add(request: Request, name: Annotated[str, Query(examples=["cat.jpg"])]) -> s.Added:
        """Add a file to the folder: it is the body. Once this answers, the file is on disk and accounted for."""
        scopes = may(request, "write")
        draft = await work(held.collection.draft)
        try:
            await _written(request, draft)
            return await write(held.add, draft, name, "admin" in scopes)
        finally:
            draft.unlink(missing_ok=True)

    @app.post("/teach")
    async def teach(request: Request, ask: s.Teach) -> s.Named:
        """Teach a name by items; what was measured comes back."""
        return await write(held.teach, ask, "admin" in may(request, "write"))

    @app.get("/names")
    async def names(request: Request) -> list[s.Named]:
        """The names that were taught."""
        may(request, "read")
        return await work(held.names)

    @app.delete("/names/{name}")
    async def forget(request: Request, name: str) -> dict[str, str]:
        """Forget a taught name."""
        may(request, "write")
        await write(held.collection.forget, name)
        return {"forgotten": name}

    @app.post("/feedback")
    async def feedback(request: Request, ask: s.Marks) -> s.Marked:
        """Keep what was right and wrong among the answers to some words: it counts when they are asked again."""
        may(request, "write")
        return await work(held.mark, ask, request.state.who)

    @app.get("/report")
    async def report(request: Request) -> s.Report:
        """What the model is, what it learned from, and its score."""
        may(request, "read")
        return s.Report(**await work(held.report))

    @app.get("/ledger")
    async def ledger(request: Request) -> s.Ledger:
        """How many files were seen, and what became of them."""
        may(request, "read")
        return s.Ledger(**await work(held.ledger))

    @app.get("/metrics")
    async def prometheus(request: Request) -> PlainTextResponse:
        """Counts for Prometheus; for the scope admin."""
        may(request, "admin")
        known = await work(held.ledger)
        gauges = {f"files_{name}": float(known[name]) for name in ("seen", "searchable", "failed", "waiting")}
        return PlainTextResponse(metrics.text(gauges | {"calls_held": float(pool.held)}))

    @app.post("/login")
    async def login(request: Request, asked: s.Login) -> Response:
        """Trade a token for a cookie, for the page: pictures on a page send no token."""
        if tokens is None:
            return JSONResponse({"scopes": sorted(request.state.scopes)})
        if not (scopes := tokens.scopes(asked.token)):
            raise Refusal(401, "token", "that token is not good here.")
        answer = JSONResponse({"scopes": sorted(scopes)})
        answer.set_cookie(
            COOKIE,
            sessions.open(asked.token),
            int(sessions.lasts),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",  # also behind a proxy on this machine that says so
        )
        return answer

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        """Give the cookie back."""
        sessions.close(cookie(dict(request.headers)))
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE)
        return answer

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return _asset("index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return _asset("docs.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        return _asset(name)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return RedirectResponse("/page/icon.svg")

    streams = {"/uploads": limits.asked, "/items": limits.upload}
    return Guard(app, hosts, tokens, sessions, limits, metrics, streams)


async def _known(request: Request) -> None:
    """Raise a Refusal for what an address asks that the route does not know: it would be passed over in silence."""
    if request.state.head:
        request.scope["method"] = "HEAD"  # whoever answers with a file sends its headers alone
    route = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    if route.include_in_schema and (strange := sorted(set(request.query_params) - set(known))):
        said = f"wanted nothing but {', '.join(known)}" if known else "wanted nothing"
        raise Refusal(422, "invalid", f"{said} behind the ? of {route.path}, got {', '.join(strange)[:100]}.")


def _asset(name: str) -> Response:
    path = PAGE / name
    if Path(name).name != name or path.suffix not in _TYPES or not path.is_file():
        raise Refusal(404, "not_found", "there is no such page.")
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers={"Cache-Control": "no-cache"})


def _cached(mark: str) -> dict[str, str]:
    return {"ETag": f'"{mark}"', "Cache-Control": "private, max-age=3600"}


async def _written(request: Request, path: Path) -> None:
    """A body in a file, as it arrives; no file where it does not arrive whole."""
    try:
        with open(path, "wb") as file:
            async for part in request.stream():
                file.write(part)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
