"""The same form twice at the same moment, by real threads on PostgreSQL: done once, and both answers make sense.

Each transaction that wrote something waits before its commit for the other's, a moment: without a lock both have looked
before either has written.
"""

import contextlib
import threading

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from server.errors import Refused
from server.scope import Scope
from server.store import cards, identities, passkeys, rights, schema, schema_rights, schema_work
from server.store.engine import writing
from tests.server.pages.school import Visitor
from tests.server.pages.two_departments import TwoDepartments, signed_in

pytestmark = pytest.mark.needs("postgres")
#: how long the first waits for a second that is held back by a lock, s
HELD_S = 0.4


@pytest.fixture
def there(tmp_path, new_postgres):
    made = TwoDepartments(tmp_path, url=new_postgres())
    yield made
    made.close()


@pytest.fixture
def app(there):
    return there.app()


@pytest.fixture
def twice(there, app):
    """`twice((visitor, path, fields), ...)`: these forms at once; the answers."""

    def send(*forms):
        gate, start = threading.Barrier(len(forms)), threading.Barrier(len(forms))
        answers = [None] * len(forms)

        def wait(connection):
            if connection.info.get("changed"):
                with contextlib.suppress(threading.BrokenBarrierError):
                    gate.wait(HELD_S)

        def run(place, visitor, path, fields):
            other = Visitor(app)
            other.http.cookies.update(visitor.http.cookies)
            start.wait(30)
            answers[place] = other.post(path, fields)

        forms = [(visitor, path, {"csrf": visitor.csrf("/account")} | fields) for visitor, path, fields in forms]
        event.listen(there.world.engine, "commit", wait)
        try:
            threads = [threading.Thread(target=run, args=(place, *form)) for place, form in enumerate(forms)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        finally:
            event.remove(there.world.engine, "commit", wait)
        assert all(answer is not None and answer.status_code < 500 for answer in answers)
        return answers

    return send


def grown(there, table, before):
    return len(there.world.all(table)) - before


FORMS = [
    pytest.param("sam", "/me/absence", {"first": "2026-10-06", "reason": "Ill"}, schema_work.absence, 1, id="absence"),
    pytest.param("lea", "/absences/new", {"person": "{sam}", "first": "2026-10-06", "reason": "Ill", "channel": "phone",
                 "told_day": "2026-10-05", "told_time": "08:00"}, schema_work.absence, 1, id="logged-absence"),
    pytest.param("lea", "/trips/new", {"title": "Museum", "first_day": "2026-10-06", "first_time": "09:00",
                 "last_day": "2026-10-06", "last_time": "12:00", "numbers": "N-sam", "me": "yes"}, schema_work.trip, 1,
                 id="trip"),
    pytest.param("lea", "/sessions/{s0}/add", {"person": "{tia}"}, schema_work.walk_in, 1, id="walk-in"),
    pytest.param("lea", "/sessions/{s0}/add", {"person": "{tia}"}, schema.mark, 1, id="walk-ins-mark"),
    pytest.param("lea", "/sessions/{s0}/cancel", {"do": "cancel", "reason": "Ill"}, schema_work.history, 1, id="cancel"),
    pytest.param("lea", "/sessions/{s0}/notify", {"to": "all", "subject": "S", "text": "T"}, schema_work.message, 1,
                 id="notify"),
    pytest.param("lea", "/sessions/{s0}/report", {"kind": "it-fault"}, schema_work.register_report, 1, id="report"),
    pytest.param("lea", "/sessions/{s0}/remarks", {"text": "Projector broken"}, schema_work.remark, 1, id="remark"),
    pytest.param("lea", "/sessions/{s0}/people/{sam}", {"code": "P", "seen": "0"}, schema.mark, 1, id="mark"),
    pytest.param("lea", "/sessions/{s0}/paper", {"do": "said"}, schema_work.paper_register, 1, id="paper"),
    pytest.param("admin", "/accounts/{lea_account}/roles", {"role": "technician", "scope": "institution", "code": ""},
                 schema_rights.account_role, 1, id="role"),
    pytest.param("sam", "/me/card/lost", {}, schema_work.message, 1, id="lost-card"),
    pytest.param("lea", "/sessions/{s0}/cover", {"do": "give", "person": "{lou}"}, schema_work.history, 1, id="cover"),
]  # fmt: skip


@pytest.mark.parametrize("who, path, fields, table, wanted", FORMS)
def test_a_form_that_is_sent_twice_at_once_is_done_once(there, app, twice, who, path, fields, table, wanted):
    with writing(there.world.engine) as connection:
        cards.hold(
            connection, there.world.institution_id, there.people["sam"], there.world.tokens(bytes([4, 9, 9, 9])), 0
        )
    names = {"s0": there.sessions[0], "lea_account": there.accounts["lea"], **there.people}
    visitor = signed_in(app, who)
    form = (visitor, path.format(**names), {name: value.format(**names) for name, value in fields.items()})
    before = len(there.world.all(table))
    answers = twice(form, form)
    assert grown(there, table, before) == wanted, [(one.status_code, one.headers.get("location")) for one in answers]
    assert 303 in {one.status_code for one in answers}
    assert {one.status_code for one in answers} <= {303, 409, 422}


def test_an_account_that_is_made_twice_at_once_is_made_once(there, app, twice):
    form = (signed_in(app, "admin"), "/accounts", {"login": "new", "shown_name": "New", "password": "a long new password",
                                                   "role": "technician", "scope": "institution", "code": ""})  # fmt: skip
    answers = twice(form, form)
    assert sorted(one.status_code for one in answers) == [303, 422]
    assert "there is an account new already" in next(one.text for one in answers if one.status_code == 422).lower()
    assert [row.login for row in there.world.all(schema.account)].count("new") == 1


def at_once(there, *works):
    """Each of these works in a transaction of its own, all at the same moment; what each answered or raised."""
    gate = threading.Barrier(len(works))
    answers: list = [None] * len(works)

    def run(place, work):
        try:
            with writing(there.world.engine) as connection:
                # Both have begun, and seen what is there, before either writes.
                connection.execute(schema.account.select()).all()
                gate.wait(30)
                answers[place] = work(connection)
        except (Refused, DBAPIError) as error:
            answers[place] = error

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def owner(there, name):
    return Scope(institution_id=there.world.institution_id, account_id=there.accounts[name], person_id=None)


def test_one_identity_that_two_link_at_once_is_one_accounts(there):
    def linking(name):
        return lambda connection: identities.link(
            connection, owner(there, name), "https://p.example", "s", 1, by="owner"
        )

    answers = at_once(there, linking("lea"), linking("lou"))
    assert [type(one) for one in answers if one is not None] == [Refused]
    (row,) = there.world.all(schema_rights.outside_identity)
    assert row.account_id in (there.accounts["lea"], there.accounts["lou"])
    # The same account twice: it is linked, and nothing is wrong with that.
    again = next(name for name in ("lea", "lou") if there.accounts[name] == row.account_id)
    assert at_once(there, linking(again), linking(again)) == [None, None]


def test_one_passkey_that_comes_twice_at_once_is_added_once(there):
    def adding(connection):
        return passkeys.add(
            connection, owner(there, "lea"), credential_id=b"k", public_key=b"k", sign_count=0, name="k", now_ms=1
        )

    answers = at_once(there, adding, adding)
    assert sorted(type(one).__name__ for one in answers) == ["Refused", "int"]
    assert len(there.world.all(schema_rights.passkey)) == 1


def test_an_absence_that_is_approved_and_refused_at_once_is_one_of_both(there, app, twice):
    absence = there.absence("sam")
    lea, rita = signed_in(app, "lea"), signed_in(app, "rita")
    path = f"/absences/{absence}/decide"
    answers = twice((lea, path, {"do": "approve"}), (rita, path, {"do": "reject", "comment": "No"}))
    assert sorted(one.status_code for one in answers) == [303, 409]
    (row,) = there.world.all(schema_work.absence)
    assert row.state == ("approved" if answers[0].status_code == 303 else "rejected")
    assert len(there.world.all(schema_work.message)) == 1


def test_two_administrators_who_end_each_others_role_at_once_leave_one(there, app, twice):
    there.account("root", "admin", None)
    admin, root = signed_in(app, "admin"), signed_in(app, "root")
    held = {row.account_id: row.id for row in there.world.all(schema_rights.account_role) if row.role == "admin"}
    forms = [
        (who, f"/accounts/{there.accounts[other]}/roles/{held[there.accounts[other]]}/revoke", {})
        for who, other in ((admin, "root"), (root, "admin"))
    ]
    answers = twice(*forms)
    rows = [row for row in there.world.all(schema_rights.account_role) if row.role == "admin" and row.to_ms is None]
    assert len(rows) == 1, [one.status_code for one in answers]


def test_a_register_is_verified_while_a_mark_is_set_and_both_stand(there, app, twice):
    session, sam = there.sessions[0], there.people["sam"]
    lea, rita = signed_in(app, "lea"), signed_in(app, "rita")
    assert lea.post(f"/sessions/{session}/people/{sam}",
                    {"csrf": lea.csrf("/account"), "code": "P", "seen": "0"}).status_code == 303  # fmt: skip
    (first,) = there.world.all(schema.mark_current)
    answers = twice(
        (lea, f"/sessions/{session}/verify", {}),
        (rita, f"/sessions/{session}/people/{sam}", {"code": "A", "seen": str(first.mark_id)}),
    )
    assert answers[0].status_code == 303 and answers[1].status_code in (303, 422)
    (held,) = there.world.all(schema.mark_current)
    code = next(row.code for row in there.world.all(schema.mark) if row.id == held.mark_id)
    assert code == ("A" if answers[1].status_code == 303 else "P")


@pytest.mark.parametrize("path, fields", [("verify", {}), ("people/{sam}", {"code": "A", "seen": "{mark}"})])
def test_a_class_that_is_cancelled_just_now_takes_no_mark_and_is_not_verified(there, app, twice, path, fields):
    """Whichever comes first: no mark but the cancellation's stands on a cancelled class's register."""
    session, sam = there.sessions[0], there.people["sam"]
    lea, rita = signed_in(app, "lea"), signed_in(app, "rita")
    assert lea.post(f"/sessions/{session}/people/{sam}",
                    {"csrf": lea.csrf("/account"), "code": "P", "seen": "0"}).status_code == 303  # fmt: skip
    (first,) = there.world.all(schema.mark_current)
    filled = {name: value.format(mark=first.mark_id) for name, value in fields.items()}
    twice(
        (lea, f"/sessions/{session}/cancel", {"do": "cancel", "reason": "Ill"}),
        (rita, f"/sessions/{session}/{path.format(sam=sam)}", filled),
    )
    (held,) = there.world.all(schema.mark_current)
    code = next(row.code for row in there.world.all(schema.mark) if row.id == held.mark_id)
    (row,) = [row for row in there.world.all(schema.session) if row.id == session]
    assert row.cancelled_ms is not None and code == "D"


def test_a_role_is_taken_away_once_and_whole_where_it_was_given_twice_before(there):
    """What a race of before may have left: two rows of one role."""
    account, here = there.accounts["lea"], there.world.institution_id
    with writing(there.world.engine) as connection:
        for _ in range(2):
            rights.grant(connection, here, account, "technician", now_ms=there.now_ms)
    with writing(there.world.engine) as connection:
        row = max(row.id for row in there.world.all(schema_rights.account_role))
        rights.revoke(connection, here, row, there.now_ms + 1)
    held = [row for row in there.world.all(schema_rights.account_role) if row.role == "technician"
            and row.account_id == account and row.to_ms is None]  # fmt: skip
    assert held == []
