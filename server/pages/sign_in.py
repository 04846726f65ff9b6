"""Signing in and out. A login's token stands in a cookie that scripts cannot read, and is new at each sign-in."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from server.api.signed_in import COOKIE
from server.errors import NotSignedIn
from server.pages.desk import Desk, Signed, desk_of
from server.pages.guard import PageRoute, check_csrf, form, safe_next, same
from server.pages.rendering import page
from server.store import logins
from server.store.engine import reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

#: before there is a login, the form's token is compared with this cookie
FORM_COOKIE = "muster_form"
FORM_COOKIE_S = 3600


@router.get("/")
def home(signed: Signed) -> Response:
    """The page that whoever is signed in works with."""
    return RedirectResponse("/doors" if signed.scope.role == "technician" else "/today", status_code=303)


@router.get("/sign-in")
def ask(request: Request, next: str = "/") -> Response:
    """The form; whoever is signed in already goes on."""
    token = request.cookies.get(COOKIE, "")
    if token:
        with reading(request.app.state.engine) as connection:
            if logins.find(connection, token, request.app.state.clock.now_ms()) is not None:
                return RedirectResponse(safe_next(next), status_code=303)
    said = "You are signed out." if request.query_params.get("said") == "signed-out" else None
    return _form(request, next=next, said=said)


def _form(request: Request, *, next: str, typed: str = "", problem: str | None = None, said: str | None = None,
          status: int = 200) -> Response:  # fmt: skip
    token = request.cookies.get(FORM_COOKIE, "")
    if not (token.isascii() and len(token) == 32):
        token = secrets.token_urlsafe(24)
    answer = page(
        request,
        "sign_in.html",
        status=status,
        bare=True,
        csrf=token,
        next=safe_next(next),
        typed=typed,
        problem=problem,
        said=said,
    )
    answer.set_cookie(FORM_COOKIE, token, max_age=FORM_COOKIE_S, **_flags(request))
    return answer


def _flags(request: Request) -> dict:
    return {"httponly": True, "samesite": "lax", "secure": request.app.state.settings.secure_cookies, "path": "/"}


@router.post("/sign-in")
def sign_in(request: Request, fields: Form, desk: Annotated[Desk, Depends(desk_of)]) -> Response:
    """Check the password; a new token whatever the browser brought, and what it brought ends."""
    state = request.app.state
    now_ms = state.clock.now_ms()
    # Line ends and spaces that were pasted along; the password stays as it was typed.
    typed, goes_on = fields.get("login", "").strip()[:64], fields.get("next", "/")
    if not same(fields.get("csrf", ""), request.cookies.get(FORM_COOKIE, "")):
        told = "This form had expired, or your browser keeps no cookies. Allow cookies for this site and sign in again."
        return _form(request, next=goes_on, typed=typed, problem=told, status=403)
    address = request.client.host if request.client else ""
    if wait_ms := desk.attempts.wait_ms(address, now_ms):
        minutes = -(-wait_ms // 60_000)
        told = (
            f"Too many wrong passwords from this network. Wait {minutes} {'minute' if minutes == 1 else 'minutes'}, "
            "then try again."
        )
        answer = _form(request, next=goes_on, typed=typed, problem=told, status=429)
        answer.headers["retry-after"] = str(-(-wait_ms // 1000))
        return answer
    try:
        made = logins.sign_in(
            state.engine,
            state.hasher,
            typed,
            fields.get("password", "")[:1024],
            now_ms,
            hours=state.settings.login_hours,
        )
    except NotSignedIn as error:
        desk.attempts.failed(address, now_ms)
        if error.code == "sign-in-locked":
            told = (
                "This account has had too many wrong passwords. Wait five minutes, then try again, or ask whoever runs "
                "Muster here."
            )
            return _form(request, next=goes_on, typed=typed, problem=told, status=429)
        told = "That login and password do not belong together. Check both and try again."
        return _form(request, next=goes_on, typed=typed, problem=told, status=401)
    if old := request.cookies.get(COOKIE):
        with writing(state.engine) as connection:
            logins.sign_out(connection, old, now_ms)
    answer = RedirectResponse(safe_next(goes_on), status_code=303)
    answer.set_cookie(COOKIE, made.token, max_age=state.settings.login_hours * 3600, **_flags(request))
    answer.delete_cookie(FORM_COOKIE, path="/")
    return answer


@router.post("/sign-out")
def sign_out(signed: Signed, fields: Form) -> Response:
    """End the login: its token is worth nothing from now on, wherever it was copied to."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        logins.sign_out(connection, signed.request.cookies.get(COOKIE, ""), signed.now_ms())
    answer = RedirectResponse("/sign-in?said=signed-out", status_code=303)
    answer.delete_cookie(COOKIE, path="/")
    return answer
