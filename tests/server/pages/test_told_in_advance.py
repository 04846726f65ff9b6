"""R that was told in advance is set on the register up to a week after the class: nobody asks for it by a request."""

import pytest

from server.store import schema, schema_work
from tests.rules import rule
from tests.server.pages.requesting import DAY, Corrected, ask, made, told


@pytest.fixture
def school(tmp_path):
    made_ = Corrected(tmp_path)
    yield made_
    made_.close()


def absent(school, session: int, *, before_min: int) -> None:
    """The first student told staff of their absence so long before the class began."""
    (row,) = (row for row in school.world.all(schema.session) if row.id == session)
    note = school.world.insert(schema.note, text="Ill", salt=b"1", created_ms=1)
    school.world.insert(
        schema_work.absence, person_id=school.students[0], kind="reported", from_ms=row.starts_ms - DAY, to_ms=row.starts_ms + DAY,
        channel="phone", reported_ms=row.starts_ms - before_min * 60_000, by_account_id=school.accounts["ada"],
        reason_note_id=note,
    )  # fmt: skip


@rule("LOUGH-21")
def test_no_request_is_taken_for_what_may_be_set_on_the_register(school, signed):
    session, one = school.aged(3), school.students[0]
    absent(school, session, before_min=60)
    ada = signed("ada")
    answer = ask(ada, session, {one: "R"}, reason="Was ill")
    assert answer.status_code in (403, 422) and "No request is needed" in told(answer).replace(
        "no request", "No request"
    )
    assert school.world.all(schema_work.change_request) == []
    # Of the same class, whoever did not tell is asked for.
    assert made(ask(ada, session, {school.students[1]: "R"}, reason="Was ill"))


@rule("LOUGH-21")
@pytest.mark.parametrize(("days", "before_min", "who"), [(3, -5, "ada"), (8, 60, "hedda")])
def test_told_too_late_or_longer_ago_than_a_week_it_is_asked_for(school, signed, days, before_min, who):
    session, one = school.aged(days), school.students[0]
    absent(school, session, before_min=before_min)
    assert made(ask(signed(who), session, {one: "R"}, reason="Was ill"))
