"""Signing in through the institution's OpenID provider, and linking one's account to it.

The state that comes back must be the browser's own (a cookie) and one that is under way here (a row, used once): a link
that somebody else began signs nobody in.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from server import oidc
from server.declared import public, signed_in
from server.errors import NotFound, NotSignedIn, Refused, StoreError
from server.pages import entering, sign_in, words
from server.pages.begun import Often
from server.pages.desk import Signed, desk_of
from server.pages.guard import PageRoute, by_cookie, check_csrf, form, number, same
from server.pages.rendering import page
from server.scope import Scope
from server.store import account_changes, flows, identities, institutions, logins
from server.store.engine import writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

FLOW_COOKIE = "muster_flow"
BACK = "/sign-in/provider/back"
#: linking an account, or adding a passkey to it, wants somebody who has just shown who they are
FRESH_MS = 15 * 60_000


def _provider(request: Request) -> oidc.Provider:
    found = request.app.state.provider
    if found is None:
        raise NotFound("provider", "there is no provider here: sign in with your password")
    return found


def origin(request: Request) -> str:
    """https://name[:port] of the pages, as people reach them."""
    return request.app.state.settings.public_url or str(request.base_url).rstrip("/")


def need_fresh(login: logins.Login, now_ms: int) -> None:
    """Raises Refused(`not-fresh`) unless this login is young: its cookie may have been left open on a desk."""
    if now_ms - login.created_ms > FRESH_MS:
        raise Refused("not-fresh", "sign out and in again first: this needs a login that is younger than 15 minutes")


@router.get("/sign-in/provider")
@public("one signs in here")
def begin(request: Request, next: str = "/") -> Response:
    """On to the provider."""
    found, now_ms = _provider(request), request.app.state.clock.now_ms()
    try:
        desk_of(request).begun.need_for(request, now_ms)
        address, state = _begun(request, found, "oidc", {"next": next[:500]}, now_ms)
    except Often as error:
        return sign_in.later(
            sign_in.show(request, next=next, problem=words.sentence(error), status=error.status), error.wait_s
        )
    except StoreError as error:
        return sign_in.show(request, next=next, problem=words.sentence(error), status=error.status)
    answer = RedirectResponse(address, status_code=303)
    _set_flow(request, answer, state)
    return answer


@router.post("/account/provider")
@signed_in("links one's own account")
def link(signed: Signed, fields: Form) -> Response:
    """A page whose link leads to the provider: a form of ours may not lead to another site (its policy)."""
    check_csrf(fields, signed.login)
    found, now_ms = _provider(signed.request), signed.now_ms()
    need_fresh(signed.login, now_ms)
    signed.desk.begun.need(f"account {signed.login.account_id}", now_ms)
    address, state = _begun(signed.request, found, "oidc-link", {}, now_ms, signed.login.account_id)
    name = signed.request.app.state.settings.oidc_name
    answer = page(
        signed.request,
        "problem.html",
        login=signed.login,
        heading=f"Link your {name}",
        text="Sign in there with your own account. It then opens this account here too.",
        code="link",
        back={"href": address, "name": f"Go on to your {name}"},
    )
    _set_flow(signed.request, answer, state)
    return answer


def _begun(
    request: Request, found: oidc.Provider, kind: str, more: dict[str, str], now_ms: int, account_id: int | None = None
) -> tuple[str, str]:
    flow = found.begin(origin(request) + BACK, now_ms)
    detail = {"nonce": flow.nonce, "verifier": flow.verifier} | more
    with writing(request.app.state.engine) as connection:
        flows.begin(connection, kind, flow.state, detail, now_ms, account_id)
    return flow.address, flow.state


def _set_flow(request: Request, answer: Response, state: str) -> None:
    answer.set_cookie(FLOW_COOKIE, state, max_age=flows.FLOW_MS // 1000, **entering.flags(request, "/sign-in"))


@router.get(BACK)
@public("the provider sends the browser here; it counts only with the state of a flow that is under way")
def back(request: Request) -> Response:
    """The provider sent somebody back: who is it?"""
    try:
        answer = _came_back(request)
    except StoreError as error:
        answer = sign_in.show(request, next="/", problem=words.sentence(error), status=error.status)
    answer.delete_cookie(FLOW_COOKIE, path="/sign-in")
    return answer


def _came_back(request: Request) -> Response:
    found, state = _provider(request), request.app.state
    now_ms = state.clock.now_ms()
    said = {name: value[:4000] for name, value in request.query_params.items()}
    if not same(said.get("state", ""), request.cookies.get(FLOW_COOKIE, "")):
        raise NotSignedIn("flow", "this sign-in was not begun in this browser, or took too long: begin again")
    with writing(state.engine) as connection:
        signing = flows.take(connection, "oidc", said["state"], now_ms)
        linking = None if signing else flows.take(connection, "oidc-link", said["state"], now_ms)
    flow = signing or linking
    if flow is None:
        raise NotSignedIn("flow", "this sign-in was used already, or took too long: begin again")
    who = found.finish(
        origin(request) + BACK, said, nonce=flow.detail["nonce"], verifier=flow.detail["verifier"], now_ms=now_ms
    )
    if linking is not None:
        login = by_cookie(request)
        if login is None or login.account_id != flow.account_id:
            raise NotSignedIn("flow", "you signed out meanwhile: sign in, and link the account again")
        with writing(state.engine) as connection:
            identities.link(connection, login.scope, who.issuer, who.subject, now_ms, by="owner")
        return RedirectResponse("/account?said=linked", status_code=303)
    with writing(state.engine) as connection:
        account_id = _account(connection, request, who, now_ms)
        made = logins.begin(
            connection,
            account_id,
            now_ms,
            hours=state.settings.login_hours,
            how="oidc",
            browser=entering.browser_of(request),
        )
    return entering.enter(request, made, flow.detail.get("next", "/"))


def _account(connection: Any, request: Request, who: oidc.Outside, now_ms: int) -> int:
    """Whose account it is: linked, or by the claim that the settings name. Raises NotSignedIn(`no-account`)."""
    account_id = identities.account_of(connection, who.issuer, who.subject)
    if account_id is not None:
        return account_id
    settings = request.app.state.settings
    claim = settings.oidc_login_claim
    name = who.claims.get(claim) if claim else None
    verified = claim != "email" or who.claims.get("email_verified") is True
    taken = identities.is_linked(connection, who.issuer, who.subject)
    if isinstance(name, str) and name and verified and not taken:
        here = institutions.ensure(connection, settings.institution, settings.time_zone, now_ms).id
        account_id = identities.unlinked_account(connection, here, who.issuer, name)
        if account_id is not None:
            scope = Scope(institution_id=here, account_id=account_id, person_id=None)
            identities.link(connection, scope, who.issuer, who.subject, now_ms, by=f"claim {claim}")
            return account_id
    if taken:
        told = f"the account here that your {settings.oidc_name} is linked to lets nobody in: ask an administrator"
        raise NotSignedIn("no-account", told)
    raise NotSignedIn(
        "no-account", f"no account here is linked to your {settings.oidc_name}: sign in with your password and link it"
    )


@router.post("/account/provider/{identity}/end")
@signed_in("ends a link of one's own account")
def unlink(signed: Signed, identity: str, fields: Form) -> Response:
    """The provider's account opens this one no more."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        account_changes.unlink(
            connection, signed.scope, signed.login.account_id, number(identity, "identity"), signed.now_ms()
        )
    return RedirectResponse("/account?said=unlinked", status_code=303)
