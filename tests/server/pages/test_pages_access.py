"""Who gets in, and who sees what: anonymous first."""

import re
from urllib.parse import quote

import pytest

from server.pages.attempts import Attempts
from server.pages.guard import safe_next
from server.store import logins, schema
from server.store.engine import reading, writing
from tests.server.pages.school import HASHER, HOSTILE, PASSWORD, Visitor

PAGES = ("/", "/today", "/today?day=2026-10-05&found=x", "/sessions/1", "/sessions/1/people/1", "/doors")
LIVE = ("/sessions/1/live?v=x", "/doors/live?v=x", "/sessions/1/people/1")
POSTS = ("/sign-out", "/sessions/1/verify", "/sessions/1/people/1")


def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back(school, anonymous):
    school.session()
    for path in PAGES:
        answer = anonymous.get(path)
        assert answer.status_code == 303, path
        assert answer.text == ""
        assert answer.headers["location"] == f"/sign-in?next={quote(path, safe='')}"


def test_a_live_page_whose_login_ended_is_led_to_sign_in(school, anonymous):
    school.session()
    for path in LIVE:
        answer = anonymous.http.get(
            path, headers={"HX-Request": "true", "HX-Current-URL": "http://muster.example/sessions/1"}
        )
        assert answer.status_code == 401
        assert answer.headers["hx-redirect"] == "/sign-in?next=%2Fsessions%2F1"
        assert answer.text == ""


def test_nobody_changes_anything_without_being_signed_in(school, anonymous):
    school.session()
    for path in POSTS:
        assert anonymous.post(path, {"csrf": "x", "code": "P"}).headers["location"] == "/sign-in?next=%2F"
    assert school.world.all(schema.mark) == []


def test_a_form_without_the_logins_token_is_refused(school, signed):
    school.session()
    visitor = signed("ada")
    for path in POSTS:
        for token in (None, "", "wrong", "é", "x" * 2000):
            answer = visitor.post(path, {"code": "P", "seen": "0"} | ({} if token is None else {"csrf": token}))
            assert answer.status_code == 403, (path, token)
    assert school.world.all(schema.mark) == []
    assert visitor.get("/today").status_code == 200


def test_another_logins_token_is_no_token(school, signed):
    session = school.session(staff=[school.ada, school.bob])
    ada, bob = signed("ada"), signed("bob")
    answer = ada.post(f"/sessions/{session}/verify", {"csrf": bob.csrf("/today")})
    assert answer.status_code == 403


def test_another_lecturers_register_is_not_there(school, signed):
    session = school.session("Secret title", staff=[school.bob])
    person = school.students[0]
    visitor = signed("ada")
    token = visitor.csrf("/today")
    answers = [
        visitor.get(f"/sessions/{session}"),
        visitor.get(f"/sessions/{session}/live?v=x", htmx=True),
        visitor.get(f"/sessions/{session}/people/{person}"),
        visitor.post(f"/sessions/{session}/people/{person}", {"csrf": token, "code": "P", "seen": "0"}),
        visitor.post(f"/sessions/{session}/verify", {"csrf": token}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert not any("Secret" in answer.text or "Student" in answer.text for answer in answers)
    assert "Secret" not in visitor.get("/today").text
    assert school.world.all(schema.mark) == []


def test_a_technician_sees_doors_and_no_student_and_a_lecturer_no_doors(school, signed):
    session = school.session()
    technician, lecturer = signed("tess"), signed("ada")
    assert technician.get("/").headers["location"] == "/doors"
    assert technician.get("/doors").status_code == 200
    assert "Student" not in technician.get("/doors").text
    assert technician.get("/today").status_code == 403
    assert technician.get(f"/sessions/{session}").status_code == 403
    assert lecturer.get("/doors").status_code == 403
    assert lecturer.get("/doors/live").status_code == 403
    assert 'href="/doors"' not in lecturer.get("/today").text


def test_an_administrator_sees_every_session_and_finds_them_by_words(school, signed):
    school.session("Astronomy", staff=[school.bob])
    school.session("Botany", staff=[school.ada], starts_min=60)
    visitor = signed("admin")
    text = visitor.get("/today").text
    assert "Astronomy" in text and "Botany" in text and 'All <span class="number">2</span>' in text
    text = visitor.find("/today", "bob ASTRO").text
    assert "Astronomy" in text and "Botany" not in text


def test_signing_in_goes_on_to_where_one_wanted_to_be(school, anonymous):
    session = school.session()
    assert anonymous.sign_in("ada", goes_on=f"/sessions/{session}").headers["location"] == f"/sessions/{session}"
    # And whoever is signed in already goes on at once.
    assert anonymous.get("/sign-in?next=/today").headers["location"] == "/today"


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "https://evil.example", "evil.example", "/\t/evil.example", "/\n/evil",
     "javascript:alert(1)", "", "\\\\evil", "/sign-in?next=/sign-in", "/sign-out", "///evil", "/x\r\nSet-Cookie:x",
     "http:evil", "/../..//evil\\", "//[", "\x00/", "/\u202e/x"],
)  # fmt: skip
def test_an_address_of_another_site_is_not_gone_on_to(address):
    assert safe_next(address) == "/"


def test_one_is_never_sent_on_to_another_site(anonymous):
    assert anonymous.sign_in("ada", goes_on="//evil.example").headers["location"] == "/"
    assert anonymous.get("/sign-in?next=//evil.example").headers["location"] == "/"


@pytest.mark.parametrize("address", ["/", "/today", "/today?day=2026-10-05&found=a%20b", "/sessions/12"])
def test_one_is_sent_on_to_a_page_of_ours(address):
    assert safe_next(address) == address


def test_the_cookie_is_for_this_site_only_and_hidden_from_scripts(school, anonymous):
    cookie = anonymous.sign_in("ada").headers["set-cookie"]
    assert "muster_login=" in cookie and "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    secure = Visitor(school.app(secure_cookies=True), base_url="https://testserver").sign_in("ada")
    assert "Secure" in secure.headers["set-cookie"]


def test_a_token_that_was_planted_before_is_not_taken_over(school, app):
    visitor = Visitor(app)
    visitor.http.cookies.set("muster_login", "planted")
    visitor.sign_in("ada")
    token = visitor.http.cookies.get("muster_login", domain="testserver.local") or max(
        (cookie.value or "" for cookie in visitor.http.cookies.jar if cookie.name == "muster_login"), key=len
    )
    assert token != "planted"
    with reading(school.world.engine) as connection:
        assert logins.find(connection, "planted", school.now_ms) is None
        assert logins.find(connection, token, school.now_ms) is not None


def test_signing_in_again_ends_the_login_before(school, signed):
    visitor = signed("ada")
    old = visitor.http.cookies["muster_login"]
    # The form is sent once more, as by going back in the browser.
    visitor.http.cookies.set("muster_form", "f" * 32)
    visitor.post("/sign-in", {"csrf": "f" * 32, "login": "ada", "password": PASSWORD})
    with reading(school.world.engine) as connection:
        assert logins.find(connection, old, school.now_ms) is None


def test_signing_out_ends_the_login_wherever_its_cookie_was_copied(school, app, signed):
    visitor = signed("ada")
    copied = visitor.http.cookies["muster_login"]
    answer = visitor.post("/sign-out", {"csrf": visitor.csrf("/today")})
    assert answer.headers["location"] == "/sign-in?said=signed-out"
    assert "You are signed out" in visitor.get(answer.headers["location"]).text
    thief = Visitor(app)
    thief.http.cookies.set("muster_login", copied)
    assert thief.get("/today").status_code == 303


def test_a_login_ends_after_its_hours_however_busy_it_is(school, signed):
    visitor = signed("ada")
    begun_ms = school.now_ms
    for hour in range(1, 12):
        school.now_ms = begun_ms + hour * 3_600_000
        assert visitor.get("/today").status_code == 200
    school.now_ms = begun_ms + 12 * 3_600_000 - 1000
    assert visitor.get("/today").status_code == 200
    school.now_ms += 1000
    assert visitor.get("/today").status_code == 303


def test_a_login_that_nobody_uses_ends_and_a_page_that_looks_by_itself_is_nobody(school, signed):
    session = school.session()
    visitor = signed("ada")
    for _ in range(3):
        school.now_ms += 39 * 60_000
        assert visitor.get(f"/sessions/{session}/live?v=x", htmx=True).status_code == 200
    school.now_ms += 3 * 60_000
    assert visitor.get(f"/sessions/{session}/live?v=x", htmx=True).status_code == 401
    assert visitor.get("/today").status_code == 303


def test_how_long_a_login_may_idle_is_a_setting(school):
    visitor = Visitor(school.app(login_idle_min=10))
    visitor.sign_in("ada")
    school.now_ms += 9 * 60_000
    assert visitor.get("/today").status_code == 200
    school.now_ms += 9 * 60_000
    assert visitor.get("/today").status_code == 200
    school.now_ms += 10 * 60_000
    assert visitor.get("/today").status_code == 303


def test_a_sign_in_form_from_elsewhere_is_refused(school, app):
    answer = Visitor(app).post("/sign-in", {"login": "ada", "password": PASSWORD, "csrf": "x"})
    assert answer.status_code == 403
    assert "muster_login" not in answer.headers.get("set-cookie", "")


def test_a_wrong_password_says_the_same_as_a_login_that_does_not_exist(school, anonymous):
    answers = [anonymous.sign_in(name, "wrong password") for name in ("ada", "nobody")]
    assert [answer.status_code for answer in answers] == [401, 401]
    told = [re.search(r'role="alert"[^>]*>([^<]*)', answer.text)[1] for answer in answers]
    assert told[0] == told[1] and "Check both" in told[0]


def test_five_wrong_passwords_for_one_account_make_this_address_wait_and_no_other(school, app):
    here, elsewhere = (Visitor(app, client=(address, 1)) for address in ("192.0.2.1", "192.0.2.2"))
    for _ in range(5):
        assert here.sign_in("ada", "wrong password").status_code == 401
    answer = here.sign_in("ada")
    assert answer.status_code == 429
    assert "Wait 5 minutes" in answer.text and answer.headers["retry-after"] == "300"
    assert here.sign_in("bob").status_code == 303
    assert elsewhere.sign_in("ada").status_code == 303
    school.now_ms += 5 * 60_000
    assert Visitor(app, client=("192.0.2.1", 1)).sign_in("ada").status_code == 303


def test_a_storm_of_wrong_passwords_from_the_same_network_does_not_keep_a_known_browser_out(school, app):
    """A whole college is behind one address: a device that the account signed in with before goes past the storm."""
    own = Visitor(app)
    own.sign_in("ada")
    own.post("/sign-out", {"csrf": own.csrf("/account")})
    stranger = Visitor(app)
    for _ in range(150):
        stranger.sign_in("ada", "wrong password")
    assert stranger.sign_in("ada").status_code == 429
    assert own.sign_in("ada").status_code == 303
    # Its own wrong passwords are counted too.
    own.post("/sign-out", {"csrf": own.csrf("/account")})
    answers = [own.sign_in("ada", "wrong password").status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]


def test_a_machine_at_which_colleagues_sign_in_waits_for_no_storm_but_its_own(school, app):
    """A classroom's: whoever types wrong passwords from the same network keeps nobody out of it."""
    room, thief, stranger = Visitor(app), Visitor(app), Visitor(app)
    for visitor, name in ((room, "tess"), (thief, "bob")):
        visitor.sign_in(name)
        visitor.post("/sign-out", {"csrf": visitor.csrf("/account")})
    of_bob = thief.http.cookies["muster_device"]
    for n in range(100):
        stranger.sign_in("ada" if n < 6 else f"nobody-{n}", "wrong password")
    assert stranger.sign_in("ada").status_code == 429
    assert room.sign_in("ada").status_code == 303
    # It is no place to guess from: after five wrong ones, of whatever accounts, it waits like any other.
    answers = [
        thief.sign_in(name, "wrong password").status_code for name in ("ada", "tess", "ada", "admin", "ada", "ada")
    ]
    assert answers == [401] * 5 + [429]
    # Nor are they forgotten where another account's password is right there.
    school.now_ms += 5 * 60_000
    for _ in range(4):
        assert thief.sign_in("ada", "wrong password").status_code == 401
    assert thief.sign_in("tess").status_code == 303
    thief.http.cookies.set("muster_device", of_bob, path="/sign-in")
    thief.http.cookies.delete("muster_login")
    for n in range(100):
        stranger.sign_in(f"nobody-{n}", "wrong password")
    assert [thief.sign_in("ada", "wrong password").status_code for _ in range(2)] == [401, 429]


def test_a_device_that_somebody_made_up_or_of_another_password_is_no_known_one(school, app):
    visitor = Visitor(app)
    visitor.sign_in("ada")
    cookie = visitor.http.cookies["muster_device"]
    stranger = Visitor(app)
    for _ in range(5):
        stranger.sign_in("ada", "wrong password")
    for made_up in ("x", "AAAA", cookie[:-4] + "AAAA", cookie * 20):
        stranger.http.cookies.set("muster_device", made_up, path="/sign-in")
        assert stranger.sign_in("ada", "wrong password").status_code == 429
    stranger.http.cookies.set("muster_device", cookie, path="/sign-in")
    assert stranger.sign_in("ada", "wrong password").status_code == 401
    with writing(school.world.engine) as connection:
        connection.execute(
            schema.account.update()
            .where(schema.account.c.login == "ada")
            .values(password_hash=HASHER.hash("a new password"))
        )
    assert stranger.sign_in("ada", "a new password").status_code == 429


def test_an_address_waits_after_a_hundred_wrong_passwords_whatever_the_account(school, anonymous):
    for n in range(100):
        assert anonymous.sign_in(f"nobody-{n}", "wrong password").status_code == 401
    answer = anonymous.sign_in("ada")
    assert answer.status_code == 429
    assert "Wait 5 minutes" in answer.text and answer.headers["retry-after"] == "300"
    school.now_ms += 5 * 60_000
    assert anonymous.sign_in("ada").status_code == 303


def test_right_passwords_of_a_whole_building_count_nothing():
    attempts = Attempts(address=3)
    for n in range(20):
        assert attempts.take("192.0.2.1", f"lecturer-{n}", None, n) == 0
        attempts.right("192.0.2.1", f"lecturer-{n}", None, n)


def test_tries_at_the_same_moment_are_counted_before_any_is_answered():
    attempts = Attempts(pair=2, window_ms=1000)
    assert [attempts.take("192.0.2.1", "ada", None, 0) for _ in range(4)] == [0, 0, 1000, 1000]


def test_addresses_are_counted_apart_and_a_network_of_version_six_together():
    attempts = Attempts(pair=2, window_ms=1000)
    for n in range(2):
        assert attempts.take(f"2001:db8::{n}", "ada", None, 0) == 0
    assert attempts.take("2001:db8::ffff", "Ada", None, 10) == 990
    assert attempts.take("2001:db8:0:1::", "ada", None, 10) == 0
    assert attempts.take("192.0.2.1", "ada", None, 10) == 0
    assert attempts.take("2001:db8::1", "ada", None, 1000) == 0


def test_a_disabled_account_is_out_at_once(school, signed):
    visitor = signed("ada")
    with writing(school.world.engine) as connection:
        connection.execute(
            schema.account.update().where(schema.account.c.id == school.accounts["ada"]).values(disabled_ms=1)
        )
    assert visitor.get("/today").status_code == 303


def test_every_page_forbids_foreign_and_inline_scripts_and_is_kept_by_nobody(school, signed, anonymous):
    school.session(HOSTILE)
    admin = signed("admin")
    paths = ("/sign-in", "/today", "/sessions/1", "/sessions/999", "/doors")
    for answer in [visitor.get(path) for visitor in (admin, anonymous) for path in paths]:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src 'self'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script(?![^>]* src=)|<style|style=|\son\w+=", answer.text)
