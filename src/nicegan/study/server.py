"""The server of a study: one page a trial, images by trial and position, and answers. No path leads to a file."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from nicegan.study.session import NoAssignment, NotAVote, Now, Session
from nicegan.study.store import CannotKeepError, Rater, VoteConflict
from nicegan.study.words import WORDS

MAX_BODY = 4096  # bytes of a request
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex",
}
PRIVATE, UNSTORED = "private, max-age=86400, immutable", "no-store"
STATIC = {"study.css": "text/css", "study.js": "text/javascript", "start.js": "text/javascript"}


class Pages:
    """The pages of one study.

    Args:
        session: what they show.
        token: what the first page's address must hold, if anything.
    """

    def __init__(self, session: Session, token: str | None) -> None:
        self.session, self.token = session, token
        self.reported = set[str]()  # problems of the disk that the terminal has
        self.definition = session.study.definition
        self.words = WORDS[self.definition.language]
        templates = Environment(
            loader=PackageLoader("nicegan.study"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        templates.globals |= {"study": self.definition, "words": self.words}
        self.templates = templates
        folder = files("nicegan.study") / "static"
        self.static = {name: (folder / name).read_bytes() for name in STATIC}

    def routes(self) -> list[Route]:
        """Return the addresses that there are."""
        return [
            Route("/", self.start, methods=["GET"]),
            Route("/", self.join, methods=["POST"]),
            Route("/invited/{token}", self.start, methods=["GET"]),
            Route("/invited/{token}", self.join, methods=["POST"]),
            Route("/static/{name}", self.asset, methods=["GET"]),
            Route("/favicon.ico", self.no_icon, methods=["GET"]),
            Route("/r/{key}", self.trial, methods=["GET"]),
            Route("/r/{key}", self.vote, methods=["POST"]),
            Route("/r/{key}/{number:int}/{slot}", self.picture, methods=["GET"]),
        ]

    def page(self, name: str, status: int = 200, **values: Any) -> Response:
        """Return a page made from a template."""
        text = self.templates.get_template(f"{name}.html").render(**values)
        return HTMLResponse(text, status, {"Cache-Control": UNSTORED})

    def message(self, name: str, status: int, link: str | None = None) -> Response:
        """Return a page that says one thing."""
        return self.page("message", status, message=self.words[name], link=link, closing=name == "finished")

    async def start(self, request: Request) -> Response:
        """The first page: what the study asks, and a button that begins it."""
        if not self._is_invited(request):
            return self.message("needs_link", 403)
        count = self.session.num_trials
        return self.page("start", key=secrets.token_hex(16), count=count, action=request.url.path)

    async def join(self, request: Request) -> Response:
        """The button was pressed: a rater joins, or comes back."""
        if not self._is_invited(request):
            return self.message("needs_link", 403)
        fields = await read_fields(request)
        try:
            rater = await run_in_threadpool(self.session.join, fields.get("key", ""))
        except NotAVote:
            return self.message("bad_vote", 400)
        except NoAssignment as full:
            return self.message("complete" if full.complete else "later", 200 if full.complete else 503)
        return RedirectResponse(f"/r/{rater.key}", 303)

    def _is_invited(self, request: Request) -> bool:
        given = request.path_params.get("token", "")
        return self.token is None or secrets.compare_digest(given.encode(), self.token.encode())

    async def trial(self, request: Request) -> Response:
        """The trial at hand, or the end."""
        rater = await self._rater(request)
        now = await run_in_threadpool(self.session.now, rater)
        if now.trial is None:
            return self.message("finished", 200)
        return self.page("trial", **self._shown(rater, now))

    def _shown(self, rater: Rater, now: Now) -> dict[str, Any]:
        assert now.trial is not None
        at = f"/r/{rater.key}/{now.number}"
        following = now.following
        slots = [*following.context, *range(len(following.pictures))] if following else []
        return {
            "now": now,
            "trial": now.trial,
            "practice": now.trial.role == "practice",
            "context": {name: f"{at}/{name}" for name in now.trial.context},
            "pictures": [f"{at}/{slot}" for slot in range(len(now.trial.pictures))],
            "ahead": " ".join(f"/r/{rater.key}/{now.number + 1}/{slot}" for slot in slots),
            "identity": secrets.token_hex(16),
        }

    async def vote(self, request: Request) -> Response:
        """Take an answer: 200 or a redirection when it is on the disk, 409 when another one was there first."""
        rater = await self._rater(request)
        fields = await read_fields(request)
        try:
            await run_in_threadpool(self.session.vote, rater, fields)
        except NotAVote:
            return self._told(request, "bad_vote", 400, rater)
        except VoteConflict:
            return self._told(request, "answered", 409, rater)
        if wants_json(request):
            return JSONResponse({"kept": fields["id"]}, headers={"Cache-Control": UNSTORED})
        return RedirectResponse(f"/r/{rater.key}", 303)

    def _told(self, request: Request, name: str, status: int, rater: Rater) -> Response:
        if wants_json(request):
            return JSONResponse({"problem": self.words[name]}, status, {"Cache-Control": UNSTORED})
        return self.message(name, status, f"/r/{rater.key}")

    async def picture(self, request: Request) -> Response:
        """An image of the trial at hand, or of the next one."""
        rater = await self._rater(request)
        number, slot = request.path_params["number"], request.path_params["slot"]
        name = await run_in_threadpool(self.session.picture, rater, number, slot)
        if name is None:
            raise HTTPException(404)
        content = await run_in_threadpool(self.session.study.image(name).read_bytes)
        return Response(content, media_type="image/png", headers={"Cache-Control": PRIVATE})

    async def asset(self, request: Request) -> Response:
        """The style or the script."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        return Response(self.static[name], media_type=STATIC[name], headers={"Cache-Control": "no-cache"})

    async def no_icon(self, request: Request) -> Response:
        """Browsers ask for an icon by themselves; there is none."""
        return Response(status_code=204, headers={"Cache-Control": PRIVATE})

    async def _rater(self, request: Request) -> Rater:
        rater = await run_in_threadpool(self.session.rater, request.path_params["key"])
        if rater is None:
            raise HTTPException(404)
        return rater

    async def refused(self, request: Request, problem: Exception) -> Response:
        """Say what is wrong with a request, or that the disk takes nothing; the terminal gets the latter once."""
        status = problem.status_code if isinstance(problem, HTTPException) else 503
        if status == 503 and (said := str(problem)) not in self.reported:
            self.reported.add(said)
            sys.stderr.write(f"nicegan: {said}\n")
        name = {413: "too_large", 503: "cannot_keep", 400: "bad_vote"}.get(status, "no_page")
        if wants_json(request):
            return JSONResponse({"problem": self.words[name]}, status)
        return self.message(name, status)


def wants_json(request: Request) -> bool:
    """Return whether the page's script asks, and not the browser itself."""
    return request.headers.get("accept", "") == "application/json"


async def read_fields(request: Request) -> dict[str, str]:
    """Return the fields of a form; raises HTTPException for more than a few, or for text that is none."""
    body = b""
    if int(request.headers.get("content-length", "0")) > MAX_BODY:  # h11 takes digits only
        raise HTTPException(413)
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise HTTPException(413)
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=10, encoding="utf-8", errors="strict"))
    except (ValueError, ClientDisconnect):
        raise HTTPException(400) from None


def build_app(session: Session, token: str | None = None) -> Callable[..., Awaitable[None]]:
    """Return the application of a study; every answer of it has the headers that keep a page to itself."""
    pages = Pages(session, token)
    refusals: Any = {HTTPException: pages.refused, CannotKeepError: pages.refused, OSError: pages.refused}
    app = Starlette(routes=pages.routes(), exception_handlers=refusals)
    app.router.redirect_slashes = False  # to an address made from what the request says of itself

    async def with_headers(scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        await app(scope, receive, send_with_headers)

    return with_headers


def serve(app: Callable[..., Awaitable[None]], listener: socket.socket) -> None:
    """Serve until a signal ends it."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=5
    )
    uvicorn.Server(config).run(sockets=[listener])


def study_token(session: Session) -> str:
    """Return the word in the link of this study, the same each time it is served."""
    token = session.store.fact("token") or secrets.token_urlsafe(12)
    session.store.set_fact("token", token)
    return token
