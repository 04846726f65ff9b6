"""Staff accounts: found, made, given roles within a scope, given a new password, disabled. For administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.pages import sought, words
from server.pages.account import at
from server.pages.campus_words import many
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.rendering import page
from server.scope import ADMIN, COURSE, DEPARTMENT, INSTITUTION, LECTURER, RESIDENCE_HOUSE, ROLE_NAMES
from server.store import account_changes, accounts, campus, held_roles, identities, passkeys, tokens
from server.store.campus import FieldRefused
from server.store.engine import reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

SCOPE_NAMES = {
    INSTITUTION: "the whole institution",
    DEPARTMENT: "a department",
    COURSE: "a course",
    RESIDENCE_HOUSE: "a house of the residence",
}
SAID = {
    "added": "The account is made.",
    "granted": "The role is given. Whoever was signed in with this account signs in again.",
    "revoked": "The role is taken away. Whoever was signed in with this account signs in again.",
    "disabled": "The account is disabled, and its logins, API tokens, passkeys and links to a provider have ended.",
    "enabled": "The account may sign in again.",
    "password": "The password is changed, and the account's logins, API tokens, passkeys and links have ended.",
    "token": "The token is revoked. Programs get nowhere with it any more.",
    "person": "It is said whose the account is. Whoever was signed in with it signs in again.",
    "unlinked": "The link is ended. That account at the provider opens this one no more.",
}
ACTIONS = {
    "account.add": "account made",
    "account.grant": "role given",
    "account.revoke": "role taken away",
    "account.person": "said whose it is",
    "account.disable": "disabled",
    "account.enable": "enabled again",
    "account.password": "new password given",
    "account.own-password": "own password changed",
    "account.link": "linked to the provider",
    "account.unlink": "link to the provider ended",
    "passkey.add": "passkey added",
    "passkey.revoke": "passkey revoked",
    "token.revoke": "API token revoked",
}


@router.get("/accounts")
@act(accounts.ACT)
def listed(signed: Signed, found: str = "") -> Response:
    """The accounts, or those that have the words that were looked for (`find`)."""
    return _list(signed, q=sought.opened(signed, found))


@router.post("/accounts/find")
@act(accounts.ACT)
def find(signed: Signed, fields: Form) -> Response:
    """Look for a login or a name: it never stands in an address."""
    check_csrf(fields, signed.login)
    return sought.to(signed, "/accounts", fields.get("q", ""))


def _list(
    signed: Visit, *, q: str = "", typed: dict[str, str] | None = None, problems: dict[str, str] | None = None
) -> Response:
    with reading(signed.engine) as connection:
        found = accounts.search(connection, signed.scope, q, limit=accounts.LISTED + 1)
    typed = typed or {}
    return page(
        signed.request,
        "accounts.html",
        status=422 if problems else 200,
        login=signed.login,
        csrf=signed.login.csrf,
        q=q,
        more=len(found) > accounts.LISTED,
        accounts=[
            {
                "id": one.id,
                "login": one.login,
                "shown_name": one.shown_name,
                "roles": [_role(role) for role in one.roles],
                "disabled": one.disabled_ms is not None,
                "left": one.left_ms is not None,
            }
            for one in found[: accounts.LISTED]
        ],
        problems=problems or {},
        typed={name: typed.get(name, "") for name in ("login", "shown_name", "person", "code")},
        **_choices(typed),
    )


def _choices(typed: dict[str, str]) -> dict[str, Any]:
    role, kind = typed.get("role", LECTURER), typed.get("scope", INSTITUTION)
    return {
        "roles": [{"value": one, "name": name, "chosen": one == role} for one, name in ROLE_NAMES.items()],
        "scopes": [{"value": one, "name": name, "chosen": one == kind} for one, name in SCOPE_NAMES.items()],
    }


def _role(one: held_roles.Held) -> str:
    return f"{ROLE_NAMES[one.role]}{f' – {one.where}' if one.where else ''}"


@router.post("/accounts")
@act(accounts.ACT)
def add(signed: Signed, fields: Form) -> Response:
    """Make an account. What is wrong is said at its field, and nothing is made."""
    check_csrf(fields, signed.login)
    try:
        made = account_changes.add(
            signed.engine,
            signed.scope,
            signed.request.app.state.hasher,
            login_name=fields.get("login", ""),
            shown_name=fields.get("shown_name", ""),
            password=fields.get("password", ""),
            role=fields.get("role", ""),
            scope_kind=fields.get("scope", INSTITUTION),
            scope_code=fields.get("code", ""),
            person=fields.get("person", ""),
            now_ms=signed.now_ms(),
        )
    except FieldRefused as error:
        return _list(signed, typed=fields, problems={error.field: words.sentence(error)})
    return RedirectResponse(f"/accounts/{made}?said=added", status_code=303)


@router.get("/accounts/{account}")
@act(accounts.ACT)
def show(signed: Signed, account: str, said: str = "") -> Response:
    """One account with its roles and what was done to it."""
    return _show(signed, number(account, "account"), said=SAID.get(said))


def _show(
    signed: Visit,
    account_id: int,
    *,
    said: str | None = None,
    typed: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
) -> Response:
    with reading(signed.engine) as connection:
        found = accounts.one(connection, signed.scope, account_id)
        local = signed.local(connection)
        steps = campus.history(connection, signed.scope, accounts.subjects(account_id))
        programs = tokens.of_account(connection, found.id, signed.now_ms())
        whose = accounts.whose(connection, found)
        links = identities.of_account(connection, found.id)
        keys = passkeys.of_account(connection, found.id)
    settings = signed.request.app.state.settings
    # By the claim the provider's account is found without a link.
    claimed = bool(settings.oidc_issuer and settings.oidc_login_claim)
    typed = typed or {}
    return page(
        signed.request,
        "account_of.html",
        status=422 if problems else 200,
        login=signed.login,
        csrf=signed.login.csrf,
        said=said,
        problems=problems or {},
        one=found,
        own=found.id == signed.login.account_id,
        made=at(local, found.created_ms),
        disabled=at(local, found.disabled_ms),
        left=at(local, found.left_ms),
        administers=any(role.role == ADMIN for role in found.roles),
        held=[{"id": role.id, "name": _role(role), "since": at(local, role.from_ms)} for role in found.roles],
        tokens=[{"id": one.id, "name": one.name, "made": at(local, one.created_ms)} for one in programs],
        links=[{"id": one.id, "issuer": one.issuer, "made": at(local, one.created_ms)} for one in links],
        opens=_opens(len(programs), len(keys), len(links)),
        no_way=not (found.has_password or links or keys or claimed),
        whose=whose,
        person=typed.get("person", whose.external_id if whose else ""),
        code=typed.get("code", ""),
        history=[
            {
                "at": at(local, step.at_ms),
                "by": step.by or words.by_command(step.detail) or "the command line",
                "what": ACTIONS.get(step.action, step.action),
                "role": ROLE_NAMES.get(str(step.detail.get("role")), ""),
            }
            for step in steps
        ],
        **_choices(typed),
    )


def _opens(programs: int, keys: int, links: int) -> str:
    """What opens the account besides its password, such as `2 API tokens and 1 passkey`; '' for nothing."""
    counts = (
        (programs, "API token", "API tokens"),
        (keys, "passkey", "passkeys"),
        (links, "link to a provider", "links to a provider"),
    )
    return " and ".join(many(count, one, more) for count, one, more in counts if count)


@router.post("/accounts/{account}/person")
@act(accounts.ACT)
def set_person(signed: Signed, account: str, fields: Form) -> Response:
    """Say whose the account is."""
    check_csrf(fields, signed.login)
    account_id = number(account, "account")
    try:
        with writing(signed.engine) as connection:
            account_changes.set_person(
                connection, signed.scope, account_id, person=fields.get("person", ""), now_ms=signed.now_ms()
            )
    except FieldRefused as error:
        return _show(signed, account_id, typed=fields, problems={error.field: words.sentence(error)})
    return _done(account_id, "person")


@router.post("/accounts/{account}/roles")
@act(accounts.ACT)
def grant(signed: Signed, account: str, fields: Form) -> Response:
    """Give a role within a scope."""
    check_csrf(fields, signed.login)
    account_id = number(account, "account")
    try:
        with writing(signed.engine) as connection:
            account_changes.grant(
                connection,
                signed.scope,
                account_id,
                role=fields.get("role", ""),
                scope_kind=fields.get("scope", INSTITUTION),
                scope_code=fields.get("code", ""),
                now_ms=signed.now_ms(),
            )
    except FieldRefused as error:
        return _show(signed, account_id, typed=fields, problems={error.field: words.sentence(error)})
    return _done(account_id, "granted")


@router.post("/accounts/{account}/roles/{grant}/revoke")
@act(accounts.ACT)
def revoke(signed: Signed, account: str, grant: str, fields: Form) -> Response:
    """Take a role away."""
    check_csrf(fields, signed.login)
    account_id = number(account, "account")
    with writing(signed.engine) as connection:
        account_changes.revoke(connection, signed.scope, account_id, number(grant, "role"), signed.now_ms())
    return _done(account_id, "revoked")


@router.post("/accounts/{account}/password")
@act(accounts.ACT)
def password(signed: Signed, account: str, fields: Form) -> Response:
    """Give somebody a new password."""
    check_csrf(fields, signed.login)
    account_id, state = number(account, "account"), signed.request.app.state
    try:
        account_changes.set_password(
            signed.engine, signed.scope, state.hasher, account_id, fields.get("password", ""), signed.now_ms()
        )
    except FieldRefused as error:
        return _show(signed, account_id, problems={error.field: words.sentence(error)})
    return _done(account_id, "password")


@router.post("/accounts/{account}/tokens/{program}/revoke")
@act(accounts.ACT)
def revoke_token(signed: Signed, account: str, program: str, fields: Form) -> Response:
    """An API token of somebody else's account works no more."""
    check_csrf(fields, signed.login)
    account_id = number(account, "account")
    with writing(signed.engine) as connection:
        account_changes.revoke_token(connection, signed.scope, account_id, number(program, "token"), signed.now_ms())
    return _done(account_id, "token")


@router.post("/accounts/{account}/links/{link}/end")
@act(accounts.ACT)
def unlink(signed: Signed, account: str, link: str, fields: Form) -> Response:
    """An account at the provider opens this one no more."""
    check_csrf(fields, signed.login)
    account_id = number(account, "account")
    with writing(signed.engine) as connection:
        account_changes.unlink(connection, signed.scope, account_id, number(link, "identity"), signed.now_ms())
    return _done(account_id, "unlinked")


@router.post("/accounts/{account}/disable")
@act(accounts.ACT)
def disable(signed: Signed, account: str, fields: Form) -> Response:
    """Nobody signs in with it any more."""
    check_csrf(fields, signed.login)
    account_id = number(account, "account")
    with writing(signed.engine) as connection:
        account_changes.disable(connection, signed.scope, account_id, signed.now_ms())
    return _done(account_id, "disabled")


@router.post("/accounts/{account}/enable")
@act(accounts.ACT)
def enable(signed: Signed, account: str, fields: Form) -> Response:
    """It may sign in again."""
    check_csrf(fields, signed.login)
    account_id = number(account, "account")
    with writing(signed.engine) as connection:
        account_changes.enable(connection, signed.scope, account_id, signed.now_ms())
    return _done(account_id, "enabled")


def _done(account_id: int, said: str) -> Response:
    return RedirectResponse(f"/accounts/{account_id}?said={said}", status_code=303)
