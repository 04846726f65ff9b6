"""Any bytes in addresses, queries, cookies and forms: an answer that a person can read, and never a fault."""

import asyncio
import logging
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.store import schema

ODD = ["", "0", "-1", "1.0", "9" * 18, "9" * 19, "9" * 400, "١", "1%00", "%ff", "%c3%28", "../1", "1;x", "' OR 1=1 --",
       "null", "\u202e1", "{{7*7}}", "%0d%0a", "é", "1e3", "0x1", "+1", "1 "]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(ODD), st.text(max_size=60), st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
SAME = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_odd_ids_in_addresses_are_not_found(school, signed):
    school.session()
    visitor = signed("admin")
    token = visitor.csrf("/today")
    for odd in ODD:
        part = quote(odd, safe="%")
        for path in (f"/sessions/{part}", f"/sessions/{part}/live", f"/sessions/1/people/{part}"):
            assert visitor.get(path).status_code in (303, 307, 404, 405), path
        answer = visitor.post(f"/sessions/1/people/{part}", {"csrf": token, "seen": "0", "code": "P"})
        assert answer.status_code in (307, 404, 405), odd
    assert school.world.all(schema.mark) == []


def test_any_text_in_queries_gives_a_page(school, signed):
    school.session()
    visitor = signed("admin")

    @SAME
    @given(TEXTS, TEXTS)
    def check(one, other):
        for path, values in (
            ("/today", {"day": one, "found": other, "show": one, "page_nr": other}),
            ("/sessions/1/live", {"v": one}),
            ("/sessions/1", {"said": other}),
            ("/doors/live", {"v": other}),
            ("/sign-in", {"next": one, "said": other}),
        ):
            assert visitor.http.get(path, params=values).status_code in (200, 204, 303)

    check()


def test_any_bytes_as_a_form_are_answered(school, signed):
    school.session()
    visitor = signed("ada")
    token = visitor.csrf("/today")

    @SAME
    @given(
        st.binary(max_size=200), st.sampled_from(["application/x-www-form-urlencoded", "text/plain", "é/\u00ff", ""])
    )
    def check(body, kind):
        headers = {"content-type": kind.encode("latin-1")}
        for path in ("/sessions/1/people/1", "/sessions/1/verify", "/sign-out", "/sign-in"):
            answer = visitor.http.post(path, content=body, headers=headers)
            assert answer.status_code == 403, path

    check()

    @SAME
    @given(st.dictionaries(st.sampled_from(["code", "seen", "late_min", "early_min", "note"]), TEXTS))
    def fields(values):
        answer = visitor.post("/sessions/1/people/1", {"csrf": token} | values)
        assert answer.status_code in (303, 422)

    fields()
    known = {"P", "L", "V", "B", "A", "R", "D", "H", "E", "C", "T", "W", "U", None}
    assert {row.code for row in school.world.all(schema.mark)} <= known


def test_a_form_without_end_is_refused(school, signed):
    answer = signed("ada").post("/sign-out", {"csrf": "x" * 100_000})
    assert answer.status_code == 413 and "too long" in answer.text


def test_a_text_that_is_too_long_or_too_many_fields_are_refused_and_nothing_is_cut_off(school, signed):
    school.session()
    ada = signed("ada")
    token = {"csrf": ada.csrf("/today")}
    answer = ada.post(f"/sessions/1/people/{school.students[0]}", token | {"code": "P", "seen": "0", "note": "x" * 501})
    assert answer.status_code == 422 and "500 characters at most" in answer.text
    assert school.world.all(schema.mark) == []
    answer = ada.post("/sign-out", token | {"x": "x" * 2001})
    assert answer.status_code == 413 and "2001 characters, and 2000 are taken" in answer.text
    answer = ada.post("/sign-out", token | {f"f{n}": "" for n in range(60)})
    assert answer.status_code == 413 and "too many fields" in answer.text
    assert ada.get("/today").status_code == 200


def test_odd_cookies_and_logins_are_nobody(school, anonymous):
    for odd in ("", "x", "\u00e9" * 10, "%00", "a" * 5000, '"', "muster_login=1"):
        headers = {"cookie": f"muster_login={odd}".encode("latin-1")}
        assert anonymous.http.get("/today", headers=headers).status_code == 303
    for login, password in (("\0", "\0"), ("é" * 64, "x"), ("ada\0", "correct horse battery"), ("\ud800", "\ud800")):
        fields = {
            "login": login.encode("utf-8", "surrogatepass"),
            "password": password.encode("utf-8", "surrogatepass"),
        }
        token = anonymous.csrf("/sign-in")
        assert anonymous.post("/sign-in", fields | {"csrf": token}).status_code in (303, 401)


def test_days_beyond_the_calendar_are_today(school, signed):
    visitor = signed("admin")
    for day in ("0001-01-01", "9999-12-31", "1970-01-01", "2026-02-30", "2026-W40-1", "20261005"):
        assert visitor.get(f"/today?day={day}").status_code == 200
    assert 'href="/today?day=2900-12-31' in visitor.get("/today?day=2900-12-31").text


def test_a_form_that_is_broken_off_is_no_fault(app, signed, caplog):
    visitor = signed("ada")
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
    parts = [{"type": "http.request", "body": b"csrf=x", "more_body": True}, {"type": "http.disconnect"}]
    said = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        said.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/sign-out",
        "raw_path": b"/sign-out", "query_string": b"", "root_path": "", "scheme": "http", "server": ("t", 80),
        "client": ("127.0.0.1", 1), "headers": [(b"cookie", cookies.encode())],
    }  # fmt: skip
    with caplog.at_level(logging.WARNING):
        asyncio.run(app(scope, receive, send))
    assert said[0]["status"] == 400
    assert caplog.records == []


def test_an_address_that_is_nowhere_is_a_page_in_a_browser_and_json_for_a_program(anonymous):
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for answer in (anonymous.http.get("/nope", headers=browser), anonymous.http.get("/static/nope", headers=browser)):
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html") and "Not found" in answer.text
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    assert anonymous.http.delete("/today", headers=browser).headers["content-type"].startswith("text/html")
    for answer in (anonymous.http.get("/nope"), anonymous.http.get("/api/v1/nope", headers=browser)):
        assert answer.json()["error"]["code"] == "not-found"
