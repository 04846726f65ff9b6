"""What every page passes through: who is signed in, forms and their CSRF token, safe addresses, headers, problems.

A page is a route of class PageRoute: whatever the store refuses becomes a page that says what to do next, and whoever
is not signed in is sent to sign in and comes back.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from server import csrf, declared
from server.api.signed_in import COOKIE, idle_ms
from server.errors import NotAllowed, NotFound, NotSignedIn, StoreError, TooMuch, Unwritable
from server.pages import words
from server.pages.rendering import page
from server.store import logins, notes
from server.store.engine import reading, writing

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    # Names stand on these pages: nothing is kept by a browser or by what is on the way.
    "cache-control": "no-store",
}
FORM_LIMIT = 64 * 1024
#: characters of one of its fields, unless its page takes more
FIELD_LIMIT = 2000
_HEADINGS = {
    401: "Sign in",
    403: "Not allowed",
    404: "Not found",
    409: "Not done",
    413: "Too much",
    429: "Too often",
    503: "Not now",
}


class PageRoute(APIRoute):
    """A route that answers a person."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler, with the store's errors made pages, and the headers on every answer."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                response = await handle(request)
            except NotSignedIn:
                response = _to_sign_in(request)
            except StoreError as error:
                response = problem(request, error)
            return _headed(response)

        return guarded


def _headed(response: Response) -> Response:
    for name, value in HEADERS.items():
        # An attached file comes with a stricter policy of its own.
        response.headers.setdefault(name, value)
    return response


def is_htmx(request: Request) -> bool:
    """Whether htmx asks, and wants a piece of a page."""
    return request.headers.get("hx-request") == "true"


def _to_sign_in(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if is_htmx(request):
        here = urlsplit(request.headers.get("hx-current-url", "")).path
        address = f"/sign-in?next={quote(safe_next(here), safe='')}"
        return Response(status_code=401, headers={"hx-redirect": address})
    after = here if request.method == "GET" else "/"
    return RedirectResponse(f"/sign-in?next={quote(safe_next(after), safe='')}", status_code=303)


def problem(request: Request, error: StoreError) -> Response:
    """The page that says what went wrong and what to do. To htmx only the status: it shows nothing of it."""
    if is_htmx(request):
        return Response(str(error), status_code=error.status, media_type="text/plain")
    login = getattr(request.state, "login", None)
    return page(
        request,
        "problem.html",
        status=error.status,
        bare=login is None,
        login=login,
        heading=_HEADINGS.get(error.status, "That did not work"),
        text=words.sentence(error),
        code=error.code,
        back={"href": "/", "name": "To my page"},
    )


def nowhere(request: Request, error: StoreError) -> Response:
    """The problem page where no page's route answers: there is none at the address, or none could."""
    return _headed(problem(request, error))


def who(request: Request) -> logins.Login:
    """Dependency: whoever is signed in by the cookie, if the route is for them. Raises NotSignedIn, NotAllowed."""
    found = by_cookie(request)
    if found is None:
        raise NotSignedIn("sign-in-needed", "sign in first")
    request.state.login = found
    declared.enforce(request.scope.get("endpoint"), found.scope)
    return found


def by_cookie(request: Request) -> logins.Login | None:
    """Whoever is signed in by the cookie, and is here now; None: nobody."""
    token, state = request.cookies.get(COOKIE, ""), request.app.state
    if not token:
        return None
    now_ms = state.clock.now_ms()
    with reading(state.engine) as connection:
        found = logins.find(connection, token, now_ms, idle_ms=idle_ms(request))
    # A page that looks for news by itself is nobody at the desk.
    if found is not None and now_ms - found.seen_ms >= logins.SEEN_MS and not request.url.path.endswith("/live"):
        # A database that cannot be written is said elsewhere (healthz); what can be read is still shown.
        with contextlib.suppress(Unwritable), writing(state.engine) as connection:
            logins.seen(connection, found.login_id, now_ms)
    return found


async def form(request: Request) -> dict[str, str]:
    """Dependency: the fields of a plain form, each once. Whatever else was sent is no form.

    Raises TooMuch(`form`, `text-long`), StoreError(`form-cut`).
    """
    return dict(await pairs(request))


async def pairs(request: Request, *, most: int = 50, longest: int = FIELD_LIMIT) -> list[tuple[str, str]]:
    """The fields of a plain form as they came: a name may come several times. Nothing of them is left out or cut off.

    most: fields. longest: characters of one. Raises TooMuch(`form`, `text-long`), StoreError(`form-cut`).
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_LIMIT:
                raise TooMuch("form", "this form is too long: write less")
    except ClientDisconnect:
        # Nobody reads this; it is no fault of ours.
        raise StoreError("form-cut", "the form did not arrive whole: send it again") from None
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return []
    try:
        found = parse_qsl(bytes(body).decode("ascii", "replace"), keep_blank_values=True, max_num_fields=most)
    except ValueError:
        raise TooMuch("form", "this form has too many fields: send fewer at once") from None
    found = [(name, clean(value)) for name, value in found]
    for _, value in found:
        notes.within(value, longest)
    return found


def clean(text: str, limit: int | None = None) -> str:
    """Text as a database takes it: no NUL, no lone surrogate, and no longer than *limit*; and as it was typed, where a
    form's way of sending it makes two characters of a line's end."""
    return text.encode("utf-8", "replace").decode().replace("\0", "").replace("\r\n", "\n")[:limit]


def check_csrf(fields: dict[str, str], login: logins.Login) -> None:
    """Raises NotAllowed(`csrf`) unless the form came from a page of this login."""
    if not csrf.is_from(fields.get("csrf", ""), login.csrf):
        raise NotAllowed("csrf", "this form is from another login: load the page again and do it once more")


def same(a: str, b: str) -> bool:
    """Whether two secrets are the same and not empty, in the same time whatever they are."""
    return bool(b) and hmac.compare_digest(a.encode("utf-8", "replace"), b.encode("utf-8", "replace"))


def id_in(text: str) -> int | None:
    """The id that a field or an address holds; None: it holds none. Every database takes a number of 18 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def number(text: str, what: str) -> int:
    """An id out of an address. Raises NotFound."""
    found = id_in(text)
    if found is None:
        raise NotFound(what, f"there is no such {what}")
    return found


def safe_next(address: str) -> str:
    """The address if it is a path of ours to go on to after signing in, else '/'."""
    # Browsers read a backslash as a slash and drop control characters: both could make a path another site's address.
    if not address.startswith("/") or address.startswith("//") or "\\" in address or not address.isprintable():
        return "/"
    try:
        parts: Any = urlsplit(address)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path.startswith(("//", "/sign-in", "/sign-out", "/static")):
        return "/"
    return address[:500]
