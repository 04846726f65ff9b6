"""One's own account: the password, the logins that are open, passkeys, and the link to the provider."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from server.declared import signed_in
from server.errors import NotFound, Refused, StoreError
from server.pages import entering, passkeys, provider, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.turns import Busy
from server.scope import INSTITUTION, ROLE_NAMES
from server.store import account_changes, identities, logins, passwords, rights, tokens
from server.store import passkeys as stored
from server.store.campus import FieldRefused
from server.store.engine import reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

HOW = {"password": "password", "oidc": "college account", "passkey": "passkey"}
SAID = {
    "passkey": "The passkey is added. You can sign in with it from now on.",
    "passkey-revoked": "The passkey is revoked. It opens nothing any more.",
    "linked": "Your account is linked.",
    "unlinked": "The link is ended.",
    "ended": "That login has ended.",
    "token": "The token is revoked. Programs get nowhere with it any more.",
}


@router.get("/account")
@signed_in("one's own account")
def account(signed: Signed, said: str = "") -> Response:
    """The page."""
    return _page(signed, said=SAID.get(said))


def _page(signed: Visit, *, said: str | None = None, problems: dict[str, str] | None = None) -> Response:
    now_ms, settings = signed.now_ms(), signed.request.app.state.settings
    mine = signed.login.account_id
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        open_now = logins.open_logins(connection, mine, now_ms, idle_ms=settings.login_idle_min * 60_000)
        keys = stored.of_account(connection, mine)
        links = identities.of_account(connection, mine)
        programs = tokens.of_account(connection, mine, now_ms)
        login_name, has_password = logins.own(connection, mine)
    try:
        passkeys.host(signed.request)
        no_passkeys = None
    except StoreError as error:
        no_passkeys = words.sentence(error)
    return page(
        signed.request,
        "account.html",
        status=422 if problems else 200,
        login=signed.login,
        csrf=signed.login.csrf,
        said=said,
        problems=problems or {},
        login_name=login_name,
        has_password=has_password,
        roles=_roles(signed),
        fresh=now_ms - signed.login.created_ms <= provider.FRESH_MS,
        no_passkeys=no_passkeys,
        open=[_open(one, local, signed.login.login_id) for one in open_now],
        passkeys=[
            {"id": one.id, "name": one.name, "made": at(local, one.created_ms), "used": at(local, one.used_ms)}
            for one in keys
        ],
        tokens=[{"id": one.id, "name": one.name, "made": at(local, one.created_ms)} for one in programs],
        provider=settings.oidc_name if settings.oidc_issuer else None,
        links=[{"id": one.id, "issuer": one.issuer, "made": at(local, one.created_ms)} for one in links],
    )


def _roles(signed: Visit) -> list[str]:
    here: dict[str, None] = {}
    for one in signed.login.grants:
        where = "" if one.scope == INSTITUTION else f" (of one {one.scope})"
        here[f"{ROLE_NAMES[one.role]}{where}"] = None
    return list(here)


def at(local: Local, ms: int | None) -> str | None:
    """A moment, in words."""
    return None if ms is None else local.moment(ms)


def _open(one: logins.Open, local: Local, this: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "this": one.id == this,
        "browser": one.browser or "a browser that does not say what it is",
        "how": HOW.get(one.how, one.how),
        "since": at(local, one.created_ms),
        "seen": at(local, one.seen_ms),
    }


@router.post("/account/password")
@signed_in("one's own password")
async def change_password(signed: Signed, fields: Form) -> Response:
    """A new password; every login of the account ends, and one signs in with the new one."""
    check_csrf(fields, signed.login)
    now_ms, attempts = signed.now_ms(), signed.desk.attempts
    # A stolen login must not be a place to try passwords from.
    tried = f"account {signed.login.account_id}"
    if attempts.take(tried, "", None, now_ms):
        raise Refused("password-tries", "too many wrong passwords: wait five minutes and try again")
    try:
        async with signed.desk.turns.turn(tried, first=True):
            await run_in_threadpool(_change, signed, fields, now_ms)
    except Busy:
        attempts.back(tried, "", None, now_ms)
        raise
    except FieldRefused as error:
        if error.field != "now":
            attempts.right(tried, "", None, now_ms)
        return await run_in_threadpool(_page, signed, problems={error.field: words.sentence(error)})
    attempts.right(tried, "", None, now_ms)
    return _out("password")


def _change(signed: Visit, fields: dict[str, str], now_ms: int) -> None:
    passwords.change_password(
        signed.engine,
        signed.scope,
        signed.request.app.state.hasher,
        now=fields.get("now", "")[:1024],
        new=fields.get("new", "")[:1024],
        again=fields.get("again", "")[:1024],
        now_ms=now_ms,
        keep_tokens=fields.get("keep_tokens") == "yes",
    )


def _out(said: str) -> Response:
    answer = RedirectResponse(f"/sign-in?said={said}", status_code=303)
    entering.forget(answer)
    return answer


@router.post("/account/logins/end")
@signed_in("one's own logins")
def end_all(signed: Signed, fields: Form) -> Response:
    """End every login of the account, this one too."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        rights.end_logins(connection, signed.login.account_id, signed.now_ms())
    return _out("ended")


@router.post("/account/logins/{login}/end")
@signed_in("one's own logins")
def end_one(signed: Signed, login: str, fields: Form) -> Response:
    """End one login of the account."""
    check_csrf(fields, signed.login)
    login_id = number(login, "login")
    with writing(signed.engine) as connection:
        if not logins.end_one(connection, signed.login.account_id, login_id, signed.now_ms()):
            raise NotFound("login", "there is no such login of your account, or it has ended")
    return _out("ended") if login_id == signed.login.login_id else RedirectResponse("/account?said=ended", 303)


@router.post("/account/tokens/{token}/revoke")
@signed_in("revokes an API token of one's own account")
def revoke_token(signed: Signed, token: str, fields: Form) -> Response:
    """Programs get nowhere with it any more."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        account_changes.revoke_token(
            connection, signed.scope, signed.login.account_id, number(token, "token"), signed.now_ms()
        )
    return RedirectResponse("/account?said=token", status_code=303)
