"""The state body's quotas, counted under a lock: of two who take the last one at once, one gets it. On both databases."""

import pytest

from server.errors import Refused
from server.store import attachments, hands, request_asking, requests, schema, wanted_marks
from server.store.engine import writing
from server.store.parts import set_staff
from server.store.request_asking import Line, Wish
from tests.rules import rule
from tests.server.filetypes.files import LETTER
from tests.server.store.test_requests import at_once, people  # noqa: F401  a fixture
from tests.server.store_world import HOUR, NINE

DAY = 24 * HOUR
#: the batch's fortnight is over
NOW = NINE + 20 * DAY


@pytest.fixture
def shifts(world, people):  # noqa: F811
    """Three shifts of days one after the other, everybody marked A; of a batch that began with the first."""
    world.now_ms = NOW
    batch = world.insert(schema.batch, code="b", starts_ms=NINE)
    made = []
    for number in range(3):
        session = world.session(NINE + number * DAY, 300, profile="ddu")
        with writing(world.engine) as connection:
            connection.execute(schema.session.update().where(schema.session.c.id == session).values(batch_id=batch))
            set_staff(connection, world.institution_id, session, [people["ada"].person_id], 1)
            hands.record(
                connection, world.institution_id, session,
                [wanted_marks.Wanted(person_id=one, code="A") for one in world.students], source="import", rule="test",
                authority=None, by_account_id=None, now_ms=NOW, profiles=world.profiles,
            )  # fmt: skip
        made.append(session)
    return made


def ready(folder):
    path = attachments.new_file(folder, 1)
    path.write_bytes(LETTER)
    return attachments.make_ready(path, "letter.pdf")


def asked(world, people, session, tmp_path, kind) -> int:  # noqa: F811
    current = {row.person_id: row.mark_id for row in world.all(schema.mark_current) if row.session_id == session}
    one = world.students[0]
    lines = (Line(person_id=one, code="P", seen_mark_id=current[one]),) if kind == "marks" else ()
    wish = Wish(kind=kind, lines=lines, reason="CCTV was seen", files=(ready(tmp_path),))
    with writing(world.engine) as connection:
        return request_asking.ask(connection, tmp_path, people["ada"], world.profiles, session, wish, NOW)


def applied(world, scope, request) -> str:
    with writing(world.engine) as connection:
        return requests.decide(
            connection, scope, world.profiles, request, accept=True, comment="", now_ms=NOW + 1
        ).state


@rule("DDU-8")
@pytest.mark.parametrize("kind", [pytest.param("marks", id="corrections"), pytest.param("submission", id="late")])
def test_two_at_once_do_not_both_take_the_last_one(world, people, shifts, tmp_path, kind):  # noqa: F811
    """DDU-6 for the submissions of one batch, DDU-8 for the corrections of one candidate."""
    first, second, third = [asked(world, people, session, tmp_path, kind) for session in shifts]
    assert applied(world, people["rita"], first) == "applied"
    found = at_once(lambda: applied(world, people["rita"], second), lambda: applied(world, people["rolf"], third))
    refused = [one for one in found if isinstance(one, Refused)]
    assert found.count("applied") == 1 and len(refused) == 1
    assert refused[0].code == "request-quota" and "2 of 2" in str(refused[0])
    assert len(world.all(schema.correction)) == (2 if kind == "marks" else 0)
