"""Who may use a page that other machines reach: those who have its link, or type the token that ends it."""

from __future__ import annotations

from secrets import compare_digest
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from nicegan.app.guard import HEADERS, App, limited

COOKIE, ENTRANCE = "nicegan-app", "/enter"
MAX_FORM = 4096  # bytes
FORM = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>nicegan</title>
<style>
body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 30em; margin: 12vh auto; padding: 0 1em }}
input, button {{ font: inherit; padding: .5em .8em; margin: .3em 0; box-sizing: border-box; width: 100% }}
</style>
<h1>nicegan</h1>
<p role="status">{said}</p>
<form method="post" action="{entrance}">
<label>Token <input name="token" type="password" autocomplete="off" required autofocus></label>
<button>Open</button>
</form>
<p>The browser has to take a cookie from this page.</p>
<script>
function enter() {{
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  document.forms[0].token.value = token;
  document.forms[0].submit();
}}
addEventListener("hashchange", enter);
enter();
</script>
</html>
"""
WANTED = "This page opens with the link that the command has printed, or with the token at the end of that link."
WRONG = "This is not the token of this page: it is a new one each time that the command starts."


def with_token(app: App, token: str) -> App:
    """Return the application for requests with the token in a cookie; others get a form that takes the token.

    The link has the token behind a #, which browsers keep to themselves: no log of a proxy and no Referer has it.

    Args:
        app: the application.
        token: letters, digits, - and _ alone.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and has_token(Request(scope), token)):
            await app(scope, receive, send)
        elif scope["type"] == "http":
            response = await let_in(Request(scope, limited(receive, MAX_FORM)), token)
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return answer


def has_token(request: Request, token: str) -> bool:
    """Return whether the request's cookie is the token."""
    return compare_digest(request.cookies.get(COOKIE, "").encode(), token.encode())


async def let_in(request: Request, token: str) -> Response:
    """Return the answer to a request without the cookie: the cookie for the token, or a refusal."""
    if request.url.path == ENTRANCE and request.method == "POST":
        try:
            given = str((await request.form()).get("token", ""))
        except ClientDisconnect:
            return PlainTextResponse("the request is too large", 413, HEADERS)
        if not compare_digest(given.strip().encode(), token.encode()):
            return form(WRONG)
        entered = RedirectResponse("/", 303, HEADERS)
        entered.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return entered
    if request.url.path == "/":
        return form(WANTED)
    return PlainTextResponse("this needs the token: open the page with its link first", 403, HEADERS)


def form(said: str) -> Response:
    """Return the page that takes the token, with the reason why it is shown."""
    return HTMLResponse(FORM.format(said=said, entrance=ENTRANCE), 403, HEADERS | {"Cache-Control": "no-store"})
