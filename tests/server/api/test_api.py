"""The HTTP interface: anonymous first, then each role; the gateway's calls; one shape for errors."""

import base64

import pytest

from firmware.contract import roster
from server.store import cards, schema
from server.store.engine import writing
from tests.server.store_client import PASSWORD, Server
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World, wrap


@pytest.fixture
def server(world):
    world.now_ms = NINE + 10 * MIN
    return Server(world)


def items(*lines):
    return [{name: getattr(wrap(line), name) for name in ("id", "site", "reader", "kind", "line")} for line in lines]


def paths_of(server):
    for path, methods in server.client.get("/openapi.json").json()["paths"].items():
        if path.startswith("/api/"):
            for method in methods:
                yield (
                    method.upper(),
                    path.replace("{session_id}", "1").replace("{person_id}", "1").replace("{alarm_id}", "1"),
                )


def test_every_api_path_refuses_the_anonymous_in_one_shape(server):
    found = list(paths_of(server))
    assert len(found) >= 12
    for method, path in found:
        body = {"items": []} if "deliveries" in path else {"code": "P"}
        answer = server.client.request(method, path, json=body if method in ("POST", "PUT") else None)
        assert answer.status_code == 401, path
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) == {"code", "text"}


def test_a_wrong_token_is_refused(server):
    refused = server.deliver(token="x")
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "gateway-token"
    assert server.deliver(token=server.tokens["admin"]).status_code == 401
    assert server.client.get("/api/v1/me", headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_delivery_is_answered_with_what_is_done_and_what_goes_down(server, world):
    board = world.reader()
    lines = [board.hello(), board.lines[0]]
    answer = server.deliver(*items(*lines)).json()
    assert set(answer) == {"done", "down", "replay"}
    assert [one["kind"] for one in answer["down"]] == ["command", "receipt"]


def test_too_many_items_are_refused(server):
    one = {"id": "x", "kind": "raw", "raw_b64": ""}
    assert server.deliver(*[one] * 501).status_code == 413
    assert server.deliver(*[one] * 500).status_code == 200


def test_a_database_that_cannot_be_written_is_503_and_then_all_goes_on(new_sqlite):
    """PostgreSQL's read-only state is in test_engine_faults.py."""
    world = World(new_sqlite())
    server, board = Server(world), world.reader()
    with world.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=1")
    answer = server.deliver(*items(board.lines[0]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database-read-only")
    with world.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=0")
    assert server.deliver(*items(board.lines[0])).status_code == 200
    world.close()


def test_a_lecturer_sees_own_sessions_and_no_others(server, world):
    mine, other = world.session(), world.session(room=1)
    server.teach(mine)
    day = server.ask("GET", "/api/v1/sessions", "lecturer").json()["sessions"]
    assert [one["id"] for one in day] == [mine]
    assert [one["id"] for one in server.ask("GET", "/api/v1/sessions", "admin").json()["sessions"]] == [mine, other]
    assert server.ask("GET", "/api/v1/sessions", "technician").status_code == 403
    for path in ("register", "version"):
        assert server.ask("GET", f"/api/v1/sessions/{mine}/{path}", "lecturer").status_code == 200
        # To a technician no register is open at all; to a lecturer this one is not there.
        assert server.ask("GET", f"/api/v1/sessions/{other}/{path}", "technician").status_code == 403
        assert server.ask("GET", f"/api/v1/sessions/{other}/{path}", "lecturer").status_code == 404
    refused = server.ask("PUT", f"/api/v1/sessions/{other}/marks/{world.students[0]}", "lecturer", json={"code": "A"})
    assert refused.status_code == 404


def test_swipes_are_for_administrators_a_page_at_a_time(server, world):
    session, board = world.session(), world.reader()
    world.deliver(board.lines[0], *(board.swipe(UIDS[n % 3], NINE + n * 1000) for n in range(5)))
    for role in ("lecturer", "technician"):
        assert server.ask("GET", "/api/v1/swipes", role).status_code == 403
    first = server.ask("GET", "/api/v1/swipes?limit=3", "admin").json()
    rest = server.ask("GET", f"/api/v1/swipes?limit=3&after={first['next']}", "admin").json()
    found = first["swipes"] + rest["swipes"]
    assert rest["next"] is None
    assert [one["seq"] for one in found] == [1, 2, 3, 4, 5]
    assert (found[0]["person"], found[0]["session_uid"], found[0]["credits"]) == ("S0", "u1", True)
    assert found[0]["journal"] == board.journal
    one = server.ask("GET", f"/api/v1/swipes?person_id={found[1]['person_id']}", "admin").json()["swipes"]
    assert {row["seq"] for row in one} == {2, 5}
    assert session


def test_a_mark_by_hand_moves_the_version(server, world):
    session = world.session()
    server.teach(session)
    before = server.ask("GET", f"/api/v1/sessions/{session}/version", "lecturer").json()["version"]
    path = f"/api/v1/sessions/{session}/marks/{world.students[0]}"
    assert server.ask("PUT", path, "lecturer", json={"code": "Q"}).json()["error"]["code"] == "mark-code"
    after = server.ask("PUT", path, "lecturer", json={"code": "A", "remark": "seen elsewhere"}).json()["version"]
    assert after > before
    rows = server.ask("GET", f"/api/v1/sessions/{session}/register", "lecturer").json()["rows"]
    assert (rows[0]["full_name"], rows[0]["code"], rows[0]["source"]) == ("S0 Example", "A", "person")


def test_a_program_overwrites_no_mark_that_it_has_not_seen(server, world):
    """Where every page says that somebody else was quicker (LOUGH-39), so does the API."""
    session = world.session()
    server.teach(session)
    path = f"/api/v1/sessions/{session}/marks/{world.students[0]}"

    def put(role, **body):
        answer = server.ask("PUT", path, role, json=body)
        return answer.status_code if answer.status_code == 200 else answer.json()["error"]["code"]

    def held():
        row = server.ask("GET", f"/api/v1/sessions/{session}/register", "admin").json()["rows"][0]
        return row["mark_id"], row["code"]

    assert held() == (0, None) and put("admin", code="P", seen=0) == 200
    first, _ = held()
    assert put("lecturer", code="A", seen=first) == 200
    # The program still thinks of the first one, of none, or has looked at nothing.
    for seen in (first, 0, None):
        assert put("admin", code="P", seen=seen) == "mark-changed"
    assert put("admin", code="P") == "mark-changed"
    second, code = held()
    assert code == "A"
    assert put("admin", code="A") == 200, "of one mind: nothing is changed"
    assert held() == (second, "A")
    # What A to P would take, taking the A away takes too (PORT-8).
    assert put("admin", code=None, seen=second) == "mark-not-allowed" and held() == (second, "A")
    assert put("admin", code=None, seen=second, remark="Was on a call") == 200 and held()[1] is None


def test_a_program_that_looked_at_nothing_sets_a_mark_where_no_person_did(server, world):
    session, board = world.session(), world.reader()
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE + 1000))
    assert {code for code, _, _ in world.marks().values()} == {"P"}
    path = f"/api/v1/sessions/{session}/marks/{world.students[0]}"
    assert server.ask("PUT", path, "admin", json={"code": "A"}).status_code == 200
    assert world.marks()[session, world.students[0]][0] == "A"


def test_a_cookie_needs_the_csrf_value_for_a_change(server, world):
    from server.store import logins

    session = world.session()
    found = logins.sign_in(world.engine, server.app.state.hasher, "admin", PASSWORD, world.now_ms)
    server.client.cookies.set("muster_login", found.token)
    path = f"/api/v1/sessions/{session}/verify"
    refused = server.client.post(path)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "csrf"
    assert server.client.post(path, headers={"x-csrf-token": found.login.csrf}).status_code == 200
    world.now_ms += 13 * HOUR
    assert server.client.get("/api/v1/me").status_code == 401


def test_wrong_passwords_lock_nobody_out_and_are_counted(server, world):
    """Who may try how often is asked where passwords come in (pages/attempts.py); the account itself is never locked."""
    from server.errors import NotSignedIn
    from server.store import logins

    def sign_in(password):
        return logins.sign_in(world.engine, server.app.state.hasher, "admin", password, world.now_ms)

    for _ in range(20):
        with pytest.raises(NotSignedIn, match="wrong"):
            sign_in("no")
        logins.failed(world.engine, "admin")
    assert {row.failures for row in world.all(schema.account) if row.login == "admin"} == {20}
    assert sign_in(PASSWORD).token
    assert {row.failures for row in world.all(schema.account) if row.login == "admin"} == {0}


def test_doors_show_light_backlog_and_alarms_without_students(server, world):
    world.session()
    board = world.reader()
    board.swipe(UIDS[0], NINE)
    world.deliver(board.hello(roster=5), board.lines[0], board.head(world.now_ms))
    door = server.ask("GET", "/api/v1/doors", "technician").json()["doors"][0]
    assert (door["light"], door["backlog"], door["session"], door["room_code"]) == ("blue", 1, "Lesson", "R0")


def test_rosters_reach_gateways_by_cursor_and_leave_replaced_cards_out(server, world):
    session, board = world.session(NINE + HOUR), world.reader()
    server.app.state.jobs.step()
    ask = {"headers": {"Authorization": f"Bearer {server.gateway}"}}
    first = server.client.get("/api/gateway/v1/rosters", **ask).json()
    made = roster.decode(base64.b64decode(first["rosters"][0]["payload_b64"]), board.key, "a-1")
    assert [(one.window.id, one.count) for one in made.sessions] == [(session, 3)]
    assert made.valid_until_ms - world.now_ms >= 72 * HOUR
    server.app.state.jobs.step()
    assert server.client.get(f"/api/gateway/v1/rosters?after={first['cursor']}", **ask).json()["rosters"] == []
    with writing(world.engine) as connection:
        (card,) = cards.of_person(connection, world.students[0], world.now_ms)
        cards.end(connection, world.institution_id, card, world.now_ms, "lost")
    server.app.state.jobs.step()
    again = server.client.get(f"/api/gateway/v1/rosters?after={first['cursor']}", **ask).json()["rosters"][0]
    newer = roster.decode(base64.b64decode(again["payload_b64"]), board.key, "a-1")
    assert newer.sessions[0].count == 2
    assert newer.version_ms > made.version_ms
    # A reader that says it holds a higher version than any issued gets one above it.
    world.deliver(board.hello(roster=newer.version_ms + HOUR))
    server.app.state.jobs.step()
    assert world.all(schema.roster)[0].version_ms == newer.version_ms + HOUR + 1


def test_health_and_metrics_answer_without_names(server, world):
    assert server.client.get("/healthz").json() == {"ok": True}
    server.deliver({"id": "x", "kind": "raw", "raw_b64": "AA=="})
    text = server.client.get("/metrics").text
    assert 'muster_quarantine{institution="main",code="raw"} 1' in text
    assert "Example" not in text


def test_an_unknown_path_and_a_bad_body_have_the_errors_shape(server):
    assert server.client.get("/api/v1/nothing").json()["error"]["code"] == "not-found"
    assert (
        server.client.post(
            "/api/gateway/v1/deliveries", headers={"Authorization": f"Bearer {server.gateway}"}, json={}
        ).json()["error"]["code"]
        == "request"
    )
