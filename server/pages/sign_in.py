"""Signing in with a password, and out. A login's token stands in a cookie that scripts cannot read, and is new at each
sign-in. The other ways in are beside this: provider.py and passkeys.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from server import csrf, scope
from server.api.signed_in import COOKIE
from server.declared import public, signed_in
from server.errors import NotSignedIn
from server.pages import device, entering, residence_roll_call
from server.pages.desk import Desk, Signed, desk_of
from server.pages.guard import PageRoute, by_cookie, check_csrf, form, safe_next
from server.pages.rendering import page
from server.pages.turns import AGAIN_S, Busy
from server.store import logins
from server.store.engine import writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

ACCOUNT = "/account"
#: where each role works; without a role, and where there is no such page, the account's own
HOMES = {
    scope.STUDENT: "/me",
    scope.LECTURER: "/today",
    scope.HEAD: "/today",
    scope.CURRICULUM: "/today",
    scope.REGISTRY: "/registry",
    scope.FINANCE: "/requests",
    scope.RESIDENCE: "/residence",
    scope.TECHNICIAN: "/doors",
    scope.AUDITOR: "/today",
    scope.ADMIN: "/today",
}


@router.get("/")
@signed_in("leads to the page of whoever is signed in")
def home(signed: Signed) -> Response:
    """The page that whoever is signed in works with."""
    address = HOMES.get(signed.scope.role, ACCOUNT)
    return RedirectResponse(address if address in signed.request.app.state.addresses else ACCOUNT, status_code=303)


@router.get("/sign-in")
@public("one signs in here")
def ask(request: Request, next: str = "/") -> Response:
    """The form; whoever is signed in already goes on."""
    if by_cookie(request) is not None:
        return RedirectResponse(safe_next(next), status_code=303)
    said = {
        "signed-out": "You are signed out.",
        "ended": "That is done. All your logins have ended: sign in again.",
        "password": "Your password is changed, and all your logins have ended. Sign in with the new one.",
    }.get(request.query_params.get("said", ""))
    return show(request, next=next, said=said)


def show(request: Request, *, next: str, typed: str = "", problem: str | None = None, said: str | None = None,
         status: int = 200) -> Response:  # fmt: skip
    """The form, with what went wrong at any of the ways in."""
    token, settings = entering.form_token(request), request.app.state.settings
    answer = page(
        request,
        "sign_in.html",
        status=status,
        bare=True,
        csrf=csrf.Token(token),
        next=safe_next(next),
        typed=typed,
        problem=problem,
        said=said,
        provider=settings.oidc_name if settings.oidc_issuer else None,
    )
    answer.set_cookie(entering.FORM_COOKIE, token, max_age=entering.FORM_COOKIE_S, **entering.flags(request))
    return answer


def is_ours(request: Request, fields: dict[str, str]) -> bool:
    """Whether a form of somebody who is not signed in came from a page of this browser's."""
    return csrf.is_from(fields.get("csrf", ""), request.cookies.get(entering.FORM_COOKIE, ""))


EXPIRED = "This form had expired, or your browser keeps no cookies. Allow cookies for this site and sign in again."


@router.post("/sign-in")
@public("one signs in here")
async def sign_in(request: Request, fields: Form, desk: Annotated[Desk, Depends(desk_of)]) -> Response:
    """Check the password; a new token whatever the browser brought, and what it brought ends."""
    now_ms = request.app.state.clock.now_ms()
    # Line ends and spaces that were pasted along; the password stays as it was typed.
    typed, goes_on = fields.get("login", "").strip()[:64], fields.get("next", "/")
    if not is_ours(request, fields):
        return show(request, next=goes_on, typed=typed, problem=EXPIRED, status=403)
    address = entering.address_of(request)
    known = await run_in_threadpool(device.known, request, typed, now_ms)
    owner = await run_in_threadpool(device.owner, request, now_ms) if known is None else None
    count, wait_ms = _counted(desk, address, typed, known, owner, now_ms)
    if wait_ms:
        minutes = -(-wait_ms // 60_000)
        told = (
            f"Too many wrong passwords from this network. Wait {minutes} {'minute' if minutes == 1 else 'minutes'}, "
            "then try again, or use a passkey."
        )
        return later(show(request, next=goes_on, typed=typed, problem=told, status=429), -(-wait_ms // 1000))
    turn = desk.turns.turn(address if known is None else f"device {known}", first=known is not None)
    try:
        async with turn:
            made = await run_in_threadpool(_checked, request, typed, fields.get("password", "")[:1024], now_ms)
    except Busy:
        count.back()
        told = "Very many people are signing in just now. Nothing is wrong: try again in a few seconds."
        return later(show(request, next=goes_on, typed=typed, problem=told, status=503), AGAIN_S)
    except NotSignedIn:
        told = "That login and password do not belong together. Check both and try again."
        answer = show(request, next=goes_on, typed=typed, problem=told, status=401)
        answer.background = BackgroundTask(logins.failed, request.app.state.engine, typed)
        return answer
    count.right()
    return await run_in_threadpool(entering.enter, request, made, goes_on)


@dataclass(frozen=True, kw_only=True)
class _Count:
    """Where a try is counted. back: it was none. right: the password was."""

    back: Callable[[], None]
    right: Callable[[], None]


def _counted(
    desk: Desk, address: str, typed: str, known: str | None, owner: int | None, now_ms: int
) -> tuple[_Count, int]:
    """Count a try; and how long to wait, where it is one too many. owner: whose browser it is, if another account's."""
    if owner is not None and not desk.guests.take(f"account {owner}", "", None, now_ms):
        # What others got wrong in this browser stays counted: they are not this person's mistakes.
        back = partial(desk.guests.back, f"account {owner}", "", None, now_ms)
        return _Count(back=back, right=back), 0
    wait_ms = desk.attempts.take(address, typed, known, now_ms)
    tried = (address, typed, known, now_ms)
    return _Count(back=partial(desk.attempts.back, *tried), right=partial(desk.attempts.right, *tried)), wait_ms


def _checked(request: Request, typed: str, password: str, now_ms: int) -> logins.SignedIn:
    state = request.app.state
    return logins.sign_in(
        state.engine,
        state.hasher,
        typed,
        password,
        now_ms,
        hours=state.settings.login_hours,
        browser=entering.browser_of(request),
    )


def later(answer: Response, seconds: int) -> Response:
    """The answer, and when to come back."""
    answer.headers["retry-after"] = str(seconds)
    return answer


@router.post("/sign-out")
@signed_in("ends one's own login")
def sign_out(signed: Signed, fields: Form) -> Response:
    """End the login: its token is worth nothing from now on, wherever it was copied to."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        logins.sign_out(connection, signed.request.cookies.get(COOKIE, ""), signed.now_ms())
    answer = RedirectResponse("/sign-in?said=signed-out", status_code=303)
    entering.forget(answer)
    residence_roll_call.let_go(signed.request.cookies, answer)
    return answer
