"""A cancelled class that took place after all: on its day by hand, after that by a request; never past the lock."""

import pytest

from server.scope import Grant, Scope
from server.store import attendance, chains, schema, schema_work
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.filetypes.files import LETTER
from tests.server.pages.requesting import DAY, Corrected, ask, decide, hidden, made, send, told

PROOF = [("letter.pdf", LETTER)]


@pytest.fixture
def school(tmp_path):
    found = Corrected(tmp_path)
    yield found
    found.close()


def cancelled(school, signed, days: float, **values) -> int:
    """One that was cancelled by a request that was applied."""
    session = school.aged(days, **values)
    request = made(asking(signed("ada" if days < 7 else "hedda"), session, "cancellation", PROOF))
    assert decide(signed("rita"), request, "apply").status_code == 303
    return session


def everything(school) -> Scope:
    grants = (Grant(role="registry"),)
    return Scope(
        institution_id=school.world.institution_id, account_id=school.accounts["rita"], person_id=None, grants=grants
    )


def row_of(school, session):
    return next(one for one in school.world.all(schema.session) if one.id == session)


def asking(visitor, session, kind, files=(), reason="It was held in the library"):
    """What the form sends, whether the page offers it or not."""
    fields = {"csrf": visitor.csrf("/requests"), "kind": kind, "reason": reason}
    return send(visitor, f"/sessions/{session}/request", fields, files)


def bring_back(visitor, session, files=()):
    return asking(visitor, session, "restoration", files)


@rule("LOUGH-11", "LOUGH-D", "LOUGH-32", "LOUGH-39")
def test_a_cancellation_by_request_is_taken_back_by_request_and_the_marks_before_hold_again(school, signed):
    session = cancelled(school, signed, 2)
    assert school.codes(session) == ["D"] * 5
    ada, rita = signed("ada"), signed("rita")
    page = ada.get(f"/sessions/{session}/cancel").text
    assert "kind=restoration" in page and 'name="do"' not in page
    form = ada.get(f"/sessions/{session}/request?kind=restoration").text
    assert "By rule LOUGH-32." in form and "The class took place after all" in form
    request = made(send(ada, f"/sessions/{session}/request", hidden(form) | {"reason": "It was held in the library"}))
    assert made(bring_back(ada, session)) == request, "the same asked twice is one"
    assert row_of(school, session).cancelled_ms is not None
    assert decide(signed("hedda"), request, "apply").status_code == 403
    assert decide(rita, request, "apply").status_code == 303
    row = row_of(school, session)
    assert (row.cancelled_ms, row.cancelled_by_account_id) == (None, None)
    assert school.codes(session) == ["A"] * 5
    told_ = [one for one in school.world.all(schema_work.history) if one.kind == "restore"]
    assert len(told_) == 1 and f'"request/{request}:LOUGH-32"' in told_[0].body
    assert "Bring the class back" in ada.get(f"/requests/{request}").text
    # And once it takes place there is nothing to bring back.
    assert bring_back(ada, session).status_code == 409


@rule("LOUGH-33", "LOUGH-34", "LOUGH-11")
@pytest.mark.parametrize(
    ("days", "who", "proof", "may"),
    [(8, "ada", False, False), (8, "hedda", False, True), (33, "hedda", False, False), (33, "hedda", True, True)],
)
def test_it_goes_by_the_tier_of_its_age_as_the_cancellation_did(school, signed, days, who, proof, may):
    session = cancelled(school, signed, days)
    visitor = signed(who)
    answer = bring_back(visitor, session, PROOF if proof else ())
    assert (answer.status_code == 303) == may, told(answer)


@rule("LOUGH-11")
def test_on_its_day_it_is_taken_back_by_hand_and_the_day_after_it_is_asked_for(school, signed):
    """The class is to come, so that its marks may be changed without asking all the time."""
    session = school.session(starts_min=3 * 24 * 60)
    ada, rita = signed("ada"), signed("rita")
    cancel = {"csrf": ada.csrf("/requests"), "do": "cancel", "reason": "The train"}
    assert ada.post(f"/sessions/{session}/cancel", cancel).status_code == 303
    assert bring_back(ada, session).status_code == 409, "no request is needed on the day"
    school.now_ms += DAY
    ada, rita = signed("ada"), signed("rita")
    page = ada.get(f"/sessions/{session}/cancel").text
    assert "on its own day only" in page and "kind=restoration" in page
    back = {"csrf": ada.csrf("/requests"), "do": "restore", "reason": "There is a bus"}
    assert ada.post(f"/sessions/{session}/cancel", back).status_code == 422
    request = made(bring_back(ada, session))
    assert "Bring the class back" in rita.get("/requests").text.partition("Others")[0]
    assert decide(ada, request, "apply").status_code == 403
    assert decide(rita, request, "apply").status_code == 303
    assert row_of(school, session).cancelled_ms is None


@rule("DDU-8", "DDU-10", "LOUGH-39")
def test_a_corrected_mark_is_a_correction_again_and_is_counted_once(school, signed):
    of = school.world.insert(schema.batch, code="b", starts_ms=school.now_ms - 50 * DAY)
    session, other, third = (school.aged(days, profile="ddu", batch_id=of) for days in (30, 31, 32))
    person, rita = school.students[0], signed("rita")
    request = made(ask(signed("ada"), session, {person: "P"}, reason="CCTV", files=PROOF))
    assert decide(rita, request, "apply").status_code == 303

    def corrected() -> list[bool]:
        with reading(school.world.engine) as connection:
            scope = everything(school)
            found, _ = attendance.of_person(connection, scope, person, 0, school.now_ms)
            assert chains.walk(connection).breaks == []
        return [one.corrected for one in found if one.session_id == session and one.code == "P"]

    assert corrected() == [True]
    for kind in ("cancellation", "restoration") * 2:
        if kind == "restoration":
            assert corrected() == []
        asked = made(asking(signed("hedda"), session, kind, PROOF, reason=f"{kind} {school.now_ms}"))
        assert decide(rita, asked, "apply").status_code == 303
        school.now_ms += 1
    assert school.codes(session)[0] == "P" and corrected() == [True]
    assert len(school.world.all(schema.correction)) == 3
    # It is one of the two of this month still (DDU-8): a second may be corrected, and no third.
    for one, status in ((other, 303), (third, 409)):
        answer = ask(signed("ada"), one, {person: "P"}, reason="CCTV", files=PROOF)
        assert answer.status_code == status, told(answer)
        if status == 303:
            assert decide(rita, made(answer), "apply").status_code == 303


@rule("STEP-3", "STEP-15")
def test_after_the_lock_it_stays_cancelled(school, signed):
    run = school.course_run(starts_ms=school.now_ms - 90 * DAY, ends_ms=school.now_ms - 13 * DAY)
    session = school.aged(13, profile="step", course_run_id=run)
    ada, rita = signed("ada"), signed("rita")
    request = made(asking(ada, session, "cancellation"))
    assert decide(rita, request, "apply").status_code == 303
    waiting = made(bring_back(ada, session))
    school.now_ms += 2 * DAY
    ada, rita = signed("ada"), signed("rita")
    assert decide(rita, waiting, "apply").status_code == 409
    assert bring_back(ada, session).status_code in (403, 409)
    assert "kind=restoration" not in ada.get(f"/sessions/{session}/cancel").text
    assert row_of(school, session).cancelled_ms is not None


def test_what_the_timetable_cancelled_comes_back_with_the_timetable(school, signed):
    session = school.aged(2)
    with writing(school.world.engine) as connection:
        table = schema.session
        connection.execute(table.update().where(table.c.id == session).values(cancelled_ms=school.now_ms - DAY))
    ada = signed("ada")
    assert "kind=restoration" not in ada.get(f"/sessions/{session}/cancel").text
    answer = bring_back(ada, session)
    assert answer.status_code in (403, 409) and "timetable" in answer.text
    assert row_of(school, session).cancelled_ms == school.now_ms - DAY
