"""Passkeys in real Chromium with its virtual authenticator: made, used to sign in, revoked; and what is no passkey."""

import json
import time

import pytest

from server.clock import Clock
from server.store import schema, schema_rights
from tests.server.pages.browser import Tab
from tests.server.pages.school import PASSWORD, School, Visitor
from tests.server.pages.serving import Serving

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def live_school(tmp_path):
    made = School(tmp_path, students=1, now_ms=int(time.time() * 1000), clock=Clock())
    yield made
    made.close()


@pytest.fixture
def serving(live_school):
    made = Serving(live_school.app())
    # Browsers take passkeys for a name, not for an address.
    made.url = made.url.replace("127.0.0.1", "localhost")
    yield made
    made.close()


@pytest.fixture
def tab(chromium):
    made = Tab(chromium)
    yield made
    made.close()


def sign_in(tab: Tab, url: str) -> None:
    tab.go(f"{url}/sign-in?next=/account")
    tab.run("document.getElementById('login').value = 'ada'")
    tab.run(f"document.getElementById('password').value = '{PASSWORD}'")
    tab.submit("form[action='/sign-in'] button")


@pytest.mark.needs("chromium")
def test_a_passkey_is_made_signs_in_without_a_login_and_is_revoked(live_school, serving, tab):
    tab.call("WebAuthn.enable")
    number = tab.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)["authenticatorId"]
    sign_in(tab, serving.url)
    assert tab.run("location.pathname") == "/account"
    tab.run("document.getElementById('passkey-name').value = 'My telephone'")
    tab.submit("form[data-passkey='new'] button")
    assert "The passkey is added" in tab.run("document.body.innerText"), tab.problems
    (row,) = live_school.world.all(schema_rights.passkey)
    assert (row.account_id, row.name, row.revoked_ms) == (live_school.accounts["ada"], "My telephone", None)
    held = tab.call("WebAuthn.getCredentials", authenticatorId=number)["credentials"]
    assert [one["isResidentCredential"] for one in held] == [True]

    tab.submit(".bar form button")
    assert tab.run("location.pathname") == "/sign-in"
    tab.go(f"{serving.url}/sign-in?next=/account")
    tab.submit("form[data-passkey='sign-in'] button")
    assert tab.run("location.pathname") == "/account", tab.run("document.body.innerText")
    assert "by passkey" in tab.run("document.body.innerText")
    assert {row.how for row in live_school.world.all(schema.login)} == {"password", "passkey"}
    (row,) = live_school.world.all(schema_rights.passkey)
    assert row.used_ms is not None and row.sign_count > 0
    assert tab.problems == []

    tab.submit("form[action$='/revoke'] button")
    assert "The passkey is revoked" in tab.run("document.body.innerText")
    tab.submit(".bar form button")
    tab.submit("form[data-passkey='sign-in'] button")
    assert "opens no account here" in tab.run("document.body.innerText")
    assert {row.action for row in live_school.world.all(schema.audit)} == {"passkey.add", "passkey.revoke"}


@pytest.mark.needs("chromium")
def test_an_authenticator_that_does_not_know_who_unlocks_it_makes_no_passkey(live_school, serving, tab):
    tab.call("WebAuthn.enable")
    tab.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR | {"isUserVerified": False})
    sign_in(tab, serving.url)
    tab.run("document.querySelector(\"form[data-passkey='new'] button\").click()")
    tab.until("document.querySelector('[data-told]').innerText.includes('No passkey was added')", within_s=30)
    assert live_school.world.all(schema_rights.passkey) == []


@pytest.mark.parametrize(
    "credential",
    ["", "x", "[]", "{}", '{"rawId": "AAAA"}', '{"rawId": 7, "response": 7}', '{"rawId": "é", "response": {}}',
     json.dumps({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {
         "clientDataJSON": "AAAA", "authenticatorData": "AAAA", "signature": "AAAA", "userHandle": "AAAA"}})],
)  # fmt: skip
def test_what_is_no_passkey_signs_nobody_in_and_is_none(school, anonymous, signed, credential):
    token = anonymous.csrf("/sign-in")
    fields = {"csrf": token, "state": "x", "credential": credential}
    assert anonymous.post("/sign-in/passkey", fields).status_code == 401
    visitor = signed("ada")
    fields["csrf"] = visitor.csrf("/account")
    assert visitor.post("/account/passkeys", fields).status_code == 409
    assert school.world.all(schema_rights.passkey) == []


def test_a_passkey_form_without_the_pages_token_is_refused(anonymous, signed):
    assert anonymous.post("/sign-in/passkey/begin", {}).status_code == 403
    assert anonymous.post("/sign-in/passkey", {"credential": "{}"}).status_code == 403
    assert signed("ada").post("/account/passkeys/begin", {}).status_code == 403


def test_a_passkey_is_added_only_by_somebody_who_signed_in_just_now(school, app):
    local = Visitor(app, base_url="http://localhost")
    local.sign_in("ada")
    token = local.csrf("/account")
    assert local.post("/account/passkeys/begin", {"csrf": token}).status_code == 200
    school.now_ms += 16 * 60_000
    answer = local.post("/account/passkeys/begin", {"csrf": token})
    assert answer.status_code == 409 and "younger than 15 minutes" in answer.text
    assert "Add a passkey" not in local.get("/account").text


def test_where_browsers_take_no_passkeys_the_page_says_so(signed):
    assert "passkeys work only where" in signed("ada").get("/account").text.lower()
