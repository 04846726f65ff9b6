"""Signing in through an OpenID provider: npm's oidc-provider, run for real; and one that lies."""

import base64
import hmac
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

from server import oidc
from server.pages.begun import Begun
from server.store import flows, schema, schema_rights
from server.store.engine import writing
from tests.server.pages.evil_provider import CLIENT, EvilProvider
from tests.server.pages.school import Visitor

HERE = "https://muster.example"
BACK = f"{HERE}/sign-in/provider/back"
PUBLIC = {
    "client_id": CLIENT,
    "redirect_uris": [BACK],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
}
PEOPLE = {
    "sub-ada": {"preferred_username": "ada", "email": "bob", "email_verified": False},
    "sub-eve": {"preferred_username": "nobody-here"},
}


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def at_the_provider(address: str, who: str) -> str:
    """What somebody does there in their browser: signs in and agrees. Answers where the provider sends them back to."""
    with httpx.Client(follow_redirects=False, timeout=60) as http:
        for _ in range(12):
            if address.startswith(BACK):
                return address
            answer = http.get(address)
            form = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            if form:
                fields = dict(
                    re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', answer.text)
                )
                if 'name="login"' in answer.text:
                    fields |= {"login": who, "password": "any"}
                answer = http.post(urljoin(address, form[1]), data=fields)
            assert answer.is_redirect, f"{answer.status_code} {answer.text[:2000]}"
            address = urljoin(address, answer.headers["location"])
    raise AssertionError("the provider never sends anybody back")


def begin(visitor: Visitor, goes_on: str = "/today") -> str:
    answer = visitor.get(f"/sign-in/provider?next={goes_on}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


@pytest.fixture
def provided(school, openid_provider, tmp_path):
    """A visitor of a school that has a provider."""

    def make(*, secret: str = "", **settings) -> Visitor:
        client = PUBLIC
        if secret:
            path = tmp_path / "secret"
            path.write_text(f"{secret}\n")
            path.chmod(0o600)
            settings["oidc_client_secret_file"] = path
            client = PUBLIC | {"token_endpoint_auth_method": "client_secret_basic", "client_secret": secret}
        made = openid_provider(PEOPLE, client)
        app = school.app(oidc_issuer=made.issuer, oidc_client_id=CLIENT, public_url=HERE, **settings)
        # The provider judges times by its own clock.
        school.now_ms = int(time.time() * 1000)
        return Visitor(app)

    return make


@pytest.mark.needs("oidc-provider")
def test_one_signs_in_with_a_real_provider_by_the_claim_that_the_settings_name(school, provided):
    visitor = provided(oidc_login_claim="preferred_username")
    assert "Sign in with your college account" in visitor.get("/sign-in").text
    address = begin(visitor, "/doors")
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["response_type"] == ["code"]
    assert {"state", "nonce", "code_challenge"} <= set(asked) and "openid" in asked["scope"][0]
    back = at_the_provider(address, "sub-ada")
    answer = visitor.get(path_of(back))
    assert (answer.status_code, answer.headers["location"]) == (303, "/doors")
    assert "Ada" in visitor.get("/account").text
    linked = school.world.all(schema_rights.outside_identity)
    assert [(row.account_id, row.subject) for row in linked] == [(school.accounts["ada"], "sub-ada")]
    assert "account.link" in {row.action for row in school.world.all(schema.audit)}
    # The address is used up: a copy of it signs nobody in.
    thief = Visitor(visitor.http.app)
    thief.http.cookies.set("muster_flow", parse_qs(urlsplit(back).query)["state"][0], path="/sign-in")
    assert thief.get(path_of(back)).status_code == 401
    # And without the browser's own cookie it never was worth anything.
    other = at_the_provider(begin(visitor), "sub-ada")
    assert Visitor(visitor.http.app).get(path_of(other)).status_code == 401
    assert visitor.get(path_of(other)).status_code == 303


@pytest.mark.needs("oidc-provider")
def test_without_the_claim_in_the_settings_only_a_linked_account_is_let_in(school, provided):
    visitor = provided(secret="a secret of the client's own")
    answer = visitor.get(path_of(at_the_provider(begin(visitor), "sub-ada")))
    assert answer.status_code == 401
    assert "no account here is linked" in answer.text.lower()
    # Signed in with the password, one links it; the page that leads there is ours, the address the provider's.
    visitor.sign_in("ada")
    page = visitor.post("/account/provider", {"csrf": visitor.csrf("/account")})
    address = re.search(r'href="(http://127[^"]+)"', page.text)[1].replace("&amp;", "&")
    answer = visitor.get(path_of(at_the_provider(address, "sub-ada")))
    assert answer.headers["location"] == "/account?said=linked"
    again = Visitor(visitor.http.app)
    assert again.get(path_of(at_the_provider(begin(again), "sub-ada"))).headers["location"] == "/today"
    # Another account cannot take it over.
    bob = Visitor(visitor.http.app)
    bob.sign_in("bob")
    page = bob.post("/account/provider", {"csrf": bob.csrf("/account")})
    address = re.search(r'href="(http://127[^"]+)"', page.text)[1].replace("&amp;", "&")
    answer = bob.get(path_of(at_the_provider(address, "sub-ada")))
    assert answer.status_code == 409 and "linked to another account" in answer.text
    # The owner ends the link: it opens nothing any more.
    link = re.search(r"/account/provider/\d+/end", visitor.get("/account").text)[0]
    assert visitor.post(link, {"csrf": visitor.csrf("/account")}).status_code == 303
    assert again.get(path_of(at_the_provider(begin(Visitor(visitor.http.app)), "sub-ada"))).status_code == 401


@pytest.mark.needs("oidc-provider")
def test_an_address_that_the_provider_has_not_verified_is_nobodys_login(school, provided):
    visitor = provided(oidc_login_claim="email")
    assert visitor.get(path_of(at_the_provider(begin(visitor), "sub-ada"))).status_code == 401
    assert school.world.all(schema_rights.outside_identity) == []


@pytest.fixture
def evil():
    made = EvilProvider()
    yield made
    made.close()


@pytest.fixture
def lied_to(school, evil):
    """`lied_to(token)`: what happens to somebody whose provider answers that."""
    visitor = Visitor(
        school.app(
            oidc_issuer=evil.issuer, oidc_client_id=CLIENT, public_url=HERE, oidc_login_claim="preferred_username"
        )
    )

    return LiedTo(evil, visitor)


class LiedTo:
    def __init__(self, evil, visitor) -> None:
        self.evil, self.visitor = evil, visitor

    def __call__(self, token, **query):
        evil, visitor = self.evil, self.visitor
        asked = parse_qs(urlsplit(begin(visitor)).query)
        evil.nonce, evil.id_token = asked["nonce"][0], token
        said = {"state": asked["state"][0], "code": "c"} | query
        return visitor.get("/sign-in/provider/back?" + str(httpx.QueryParams(said)))


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def shared(claims, secret: bytes) -> str:
    """Signed with a shared secret; a library would refuse to take a public key for one."""
    said = f"{part(json.dumps({'alg': 'HS256', 'kid': 'one'}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{said}.{part(hmac.digest(secret, said.encode(), 'sha256'))}"


def unsigned(claims) -> str:
    return f"{part(json.dumps({'alg': 'none'}).encode())}.{part(json.dumps(claims).encode())}."


def test_a_right_token_is_believed_and_the_code_goes_with_its_verifier(school, evil, lied_to):
    answer = lied_to(lambda: evil.signed(evil.claims(school.now_ms // 1000)))
    assert answer.headers["location"] == "/today"
    (asked,) = evil.asked
    assert asked["code"] == "c" and len(asked["code_verifier"]) >= 43 and asked["redirect_uri"] == BACK


WRONG = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "somebody-else"},
    "no audience": {"aud": None},
    "several audiences and not for us": {"aud": [CLIENT, "somebody-else"]},
    "several audiences, authorised for another": {"aud": [CLIENT, "else"], "azp": "else"},
    "another flow's nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "expired": {"exp": 1_000_000_000},
    "never expiring": {"exp": None},
    "an expiry that is no time": {"exp": "tomorrow"},
    "nobody": {"sub": None},
    "an empty subject": {"sub": ""},
    "an endless subject": {"sub": "s" * 256},
    "a subject that is no text": {"sub": 7},
    "of another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_token_with_wrong_claims_signs_nobody_in(school, evil, lied_to, wrong):
    answer = lied_to(lambda: evil.signed(evil.claims(school.now_ms // 1000, **wrong)))
    assert answer.status_code == 401
    assert "muster_login=" not in answer.headers.get("set-cookie", "")
    assert school.world.all(schema.login) == [] and school.world.all(schema_rights.outside_identity) == []


def test_a_token_without_a_signature_of_the_providers_own_key_signs_nobody_in(school, evil, lied_to):
    def claims():
        return evil.claims(school.now_ms // 1000)

    # The public key, taken for a shared secret: the oldest trick there is.
    public = evil.key.as_pem(private=False)
    for token in (
        lambda: unsigned(claims()),
        lambda: shared(claims(), public),
        lambda: shared(claims(), b""),
        lambda: evil.signed(claims(), key=RSAKey.generate_key(2048, {"kid": "one"}, private=True)),
        lambda: evil.signed(claims())[:-6] + "AAAAAA",
        lambda: "",
        lambda: "not.a.token",
    ):
        assert lied_to(token).status_code == 401
    assert school.world.all(schema.login) == []


def test_an_answer_of_another_provider_or_without_a_code_signs_nobody_in(school, evil, lied_to):
    def right():
        return evil.signed(evil.claims(school.now_ms // 1000))

    assert lied_to(right, iss="https://evil.example").status_code == 401
    assert lied_to(right, code="").status_code == 401
    assert lied_to(right, error="access_denied").status_code == 401
    assert lied_to(right, state="x").status_code == 401
    assert evil.asked == []


def test_a_sign_in_that_takes_longer_than_ten_minutes_is_begun_again(school, evil, lied_to):
    asked = parse_qs(urlsplit(begin(lied_to.visitor)).query)
    evil.nonce, evil.id_token = asked["nonce"][0], lambda: evil.signed(evil.claims(school.now_ms // 1000))
    school.now_ms += flows.FLOW_MS
    assert lied_to.visitor.get(f"/sign-in/provider/back?code=c&state={asked['state'][0]}").status_code == 401
    assert evil.asked == []


def test_a_new_key_of_the_providers_is_fetched_when_a_token_comes_that_no_known_key_signed(school, evil, lied_to):
    def right():
        return evil.signed(evil.claims(school.now_ms // 1000))

    assert lied_to(right).status_code == 303
    evil.key = RSAKey.generate_key(2048, {"kid": "two"}, private=True)
    school.now_ms += 60_000
    assert lied_to(lambda: evil.signed(evil.claims(school.now_ms // 1000))).status_code == 303


def test_a_provider_that_calls_itself_another_is_not_believed(school, evil, lied_to):
    evil.metadata = {"issuer": "https://evil.example"}
    answer = lied_to.visitor.get("/sign-in/provider")
    assert answer.status_code == 500 and "another" in answer.text


def test_a_provider_that_cannot_be_reached_leaves_the_password(school):
    evil = EvilProvider()
    evil.close()
    visitor = Visitor(school.app(oidc_issuer=evil.issuer, oidc_client_id=CLIENT))
    answer = visitor.get("/sign-in/provider")
    assert answer.status_code == 503
    assert "sign in with your password" in answer.text and 'name="password"' in answer.text
    assert visitor.sign_in("ada").status_code == 303


def test_a_disabled_account_is_not_let_in_through_the_provider_either(school, evil, lied_to):
    def right():
        return evil.signed(evil.claims(school.now_ms // 1000))

    assert lied_to(right).status_code == 303
    with writing(school.world.engine) as connection:
        connection.execute(schema.account.update().values(disabled_ms=1))
    answer = lied_to(right)
    assert answer.status_code == 401
    # There is a link, and the password would be refused too.
    assert "lets nobody in: ask an administrator" in answer.text and "and link it" not in answer.text


@pytest.mark.parametrize("path, fields", [("password", {"password": "an entirely new one"}), ("disable", {}),
                                          ("links/{link}/end", {})])  # fmt: skip
def test_a_link_to_a_provider_does_not_outlive_a_new_password_or_disabling_and_administrators_end_it(
    school, evil, path, fields
):
    """Whoever had got into the account may have linked their own: it opens nothing by itself afterwards."""
    app = school.app(oidc_issuer=evil.issuer, oidc_client_id=CLIENT, public_url=HERE)
    enters = LiedTo(evil, Visitor(app))
    links = {
        name: school.world.insert(
            schema_rights.outside_identity, account_id=school.accounts[name], issuer=evil.issuer, subject=subject,
            created_ms=1,
        )
        for name, subject in (("ada", "sub-of-a-thief"), ("bob", "sub-of-bob"))
    }  # fmt: skip

    def comes_in(subject):
        return enters(lambda: evil.signed(evil.claims(school.now_ms // 1000, sub=subject))).status_code

    assert comes_in("sub-of-a-thief") == 303
    admin, here = Visitor(app), f"/accounts/{school.accounts['ada']}"
    admin.sign_in("admin")
    assert evil.issuer in admin.get(here).text, "it is shown"
    path = path.format(link=links["ada"])
    assert admin.post(f"{here}/{path}", fields | {"csrf": admin.csrf(here)}).status_code == 303
    admin.post(f"{here}/enable", {"csrf": admin.csrf(here)})
    assert comes_in("sub-of-a-thief") == 401 and comes_in("sub-of-bob") == 303
    assert evil.issuer not in admin.get(here).text
    # A link of another account is none of this one's.
    assert admin.post(f"{here}/links/{links['bob']}/end", {"csrf": admin.csrf(here)}).status_code == 404
    assert comes_in("sub-of-bob") == 303


class Away:
    """A provider whose every answer is a fault; it counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        away = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                away.asked += 1
                self.send_response(503)
                self.end_headers()

            def log_message(self, format, *args) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_a_provider_that_does_not_answer_is_not_asked_for_each_stranger_who_wants_it(school):
    """Whoever waits for it holds a thread of the server's: a storm of sign-ins must not hold them all."""
    away = Away()
    try:
        app = school.app(public_url=HERE, oidc_issuer=away.url, oidc_client_id=CLIENT)
        visitor = Visitor(app, base_url=HERE)
        answers = [visitor.get("/sign-in/provider") for _ in range(5)]
        assert {answer.status_code for answer in answers} == {503} and away.asked == 1
        assert "cannot be reached now" in answers[-1].text
        school.now_ms += oidc.AWAY_MS
        assert visitor.get("/sign-in/provider").status_code == 503 and away.asked == 2
        assert school.world.all(schema_rights.sign_in_flow) == []
    finally:
        away.close()


def test_sign_ins_at_the_provider_that_are_begun_without_end_leave_no_endless_rows(school):
    evil = EvilProvider()
    try:
        app = school.app(public_url=HERE, oidc_issuer=evil.issuer, oidc_client_id=CLIENT)
        object.__setattr__(app.state.desk, "begun", Begun(address=3))
        visitor = Visitor(app, base_url=HERE)
        answers = [visitor.get("/sign-in/provider") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [303, 303, 303, 429, 429]
        assert int(answers[-1].headers["retry-after"]) > 0 and "wait a minute" in answers[-1].text
        assert len(school.world.all(schema_rights.sign_in_flow)) == 3
    finally:
        evil.close()
