"""Passkeys: made on the account's page, used to sign in, revoked. The browser's part is static/passkeys.js.

A passkey is bound to the host's name, needs whoever holds it to unlock it (user verification), and is asked for without
a login: so it is both who and proof, and waits for nobody's wrong passwords. Source: WebAuthn Level 3, py_webauthn.
"""

from __future__ import annotations

import json
import secrets
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

import webauthn
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from server.declared import public, signed_in
from server.errors import NotAllowed, NotFound, NotSignedIn, Refused, StoreError
from server.pages import entering, sign_in
from server.pages.desk import Signed, desk_of
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.provider import need_fresh, origin
from server.store import flows, logins, passkeys
from server.store.engine import reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]


def host(request: Request) -> str:
    """What passkeys are bound to. Raises Refused(`passkey-host`) where browsers take none."""
    parts = urlsplit(origin(request))
    name = parts.hostname or ""
    try:
        ip_address(name)
    except ValueError:
        if parts.scheme == "https" or name == "localhost" or name.endswith(".localhost"):
            return name
    raise Refused(
        "passkey-host", "passkeys work only where Muster's address begins with https, or is localhost: open it there"
    )


def _options(made: Any, state: str) -> Response:
    return JSONResponse({"state": state, "options": json.loads(webauthn.options_to_json(made))})


@router.post("/account/passkeys/begin")
@signed_in("makes a passkey of one's own account")
def begin_new(signed: Signed, fields: Form) -> Response:
    """What the browser asks the authenticator for: a new passkey."""
    check_csrf(fields, signed.login)
    now_ms, state = signed.now_ms(), secrets.token_urlsafe(32)
    need_fresh(signed.login, now_ms)
    signed.desk.begun.need(f"account {signed.login.account_id}", now_ms)
    with writing(signed.engine) as connection:
        there = passkeys.of_account(connection, signed.login.account_id)
        made = webauthn.generate_registration_options(
            rp_id=host(signed.request),
            rp_name="Muster",
            user_name=logins.own(connection, signed.login.account_id)[0],
            user_id=_handle(signed.login.account_id),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in there],
        )
        detail = {"challenge": bytes_to_base64url(made.challenge)}
        flows.begin(connection, "passkey-new", state, detail, now_ms, signed.login.account_id)
    return _options(made, state)


@router.post("/account/passkeys")
@signed_in("makes a passkey of one's own account")
def add(signed: Signed, fields: Form) -> Response:
    """Keep the new passkey's public key."""
    check_csrf(fields, signed.login)
    now_ms = signed.now_ms()
    name = fields.get("name", "").strip()[:64] or entering.browser_of(signed.request) or "passkey"
    with writing(signed.engine) as connection:
        flow = flows.take(connection, "passkey-new", fields.get("state", ""), now_ms)
    if flow is None or flow.account_id != signed.login.account_id:
        raise Refused("passkey-flow", "this took too long, or was done already: begin again")
    try:
        found = webauthn.verify_registration_response(
            credential=_sent(fields),
            expected_challenge=base64url_to_bytes(flow.detail["challenge"]),
            expected_rp_id=host(signed.request),
            expected_origin=origin(signed.request),
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise Refused("passkey-wrong", "this passkey could not be checked: begin again") from error
    with writing(signed.engine) as connection:
        passkeys.add(
            connection,
            signed.scope,
            credential_id=found.credential_id,
            public_key=found.credential_public_key,
            sign_count=found.sign_count,
            name=name,
            now_ms=now_ms,
        )
    return RedirectResponse("/account?said=passkey", status_code=303)


@router.post("/account/passkeys/{passkey}/revoke")
@signed_in("revokes a passkey of one's own account")
def revoke(signed: Signed, passkey: str, fields: Form) -> Response:
    """It opens nothing any more."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        if not passkeys.revoke(connection, signed.scope, number(passkey, "passkey"), signed.now_ms()):
            raise NotFound("passkey", "there is no such passkey of your account")
    return RedirectResponse("/account?said=passkey-revoked", status_code=303)


@router.post("/sign-in/passkey/begin")
@public("one signs in here")
def begin(request: Request, fields: Form) -> Response:
    """What the browser asks the authenticator for: any passkey of this host's."""
    if not sign_in.is_ours(request, fields):
        raise NotAllowed("csrf", "load the page again")
    now_ms, state = request.app.state.clock.now_ms(), secrets.token_urlsafe(32)
    desk_of(request).begun.need_for(request, now_ms)
    made = webauthn.generate_authentication_options(
        rp_id=host(request), user_verification=UserVerificationRequirement.REQUIRED
    )
    with writing(request.app.state.engine) as connection:
        flows.begin(connection, "passkey", state, {"challenge": bytes_to_base64url(made.challenge)}, now_ms)
    return _options(made, state)


@router.post("/sign-in/passkey")
@public("one signs in here")
def enter(request: Request, fields: Form) -> Response:
    """Somebody unlocked a passkey: whose is it?"""
    goes_on = fields.get("next", "/")
    if not sign_in.is_ours(request, fields):
        return sign_in.show(request, next=goes_on, problem=sign_in.EXPIRED, status=403)
    try:
        made = _signed(request, fields)
    except StoreError:
        told = "That passkey opens no account here. Try again, or sign in with your password."
        return sign_in.show(request, next=goes_on, problem=told, status=401)
    return entering.enter(request, made, goes_on)


def _signed(request: Request, fields: dict[str, str]) -> logins.SignedIn:
    """Raises NotSignedIn(`passkey`), Refused."""
    state = request.app.state
    now_ms = state.clock.now_ms()
    with writing(state.engine) as connection:
        flow = flows.take(connection, "passkey", fields.get("state", ""), now_ms)
    wrong = NotSignedIn("passkey", "this passkey opens no account")
    try:
        credential = _sent(fields)
        credential_id = base64url_to_bytes(str(credential["rawId"]))
        handle = credential["response"].get("userHandle")
        with reading(state.engine) as connection:
            row = passkeys.by_credential(connection, credential_id)
        if flow is None or row is None:
            raise wrong
        if handle and base64url_to_bytes(str(handle)) != _handle(row.account_id):
            raise wrong
        found = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(flow.detail["challenge"]),
            expected_rp_id=host(request),
            expected_origin=origin(request),
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise wrong from error
    with writing(state.engine) as connection:
        if not passkeys.used(connection, row.id, row.sign_count, found.new_sign_count, now_ms):
            raise wrong
        return logins.begin(
            connection,
            row.account_id,
            now_ms,
            hours=state.settings.login_hours,
            how="passkey",
            browser=entering.browser_of(request),
        )


def _handle(account_id: int) -> bytes:
    return account_id.to_bytes(8, "big")


def _sent(fields: dict[str, str]) -> dict[str, Any]:
    """What the authenticator answered. Raises ValueError."""
    found = json.loads(fields.get("credential", ""))
    if not isinstance(found, dict):
        raise ValueError("no credential")
    return found
