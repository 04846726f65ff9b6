"""The reference to footage on which a correction rests is kept, and cannot be erased before its time (DDU-9)."""

import pytest

from server.store import schema, schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.filetypes.files import LETTER
from tests.server.pages.requesting import DAY, Corrected, ask, decide, made

PROOF = [("letter.pdf", LETTER)]


@pytest.fixture
def school(tmp_path):
    found = Corrected(tmp_path)
    yield found
    found.close()


def corrected(school, signed, *, ends_ms: int | None, applied: bool = True) -> int:
    """A shift of 30 days ago with a correction that names the footage; its batch ends then."""
    batch = school.world.insert(schema.batch, code="b", starts_ms=school.now_ms - 50 * DAY, ends_ms=ends_ms)
    session = school.aged(30, profile="ddu", batch_id=batch)
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="Camera 3, 09:14", files=PROOF))
    assert decide(signed("rita"), request, "apply" if applied else "reject", "checked").status_code == 303
    return session


def erase(school, visitor, session, do: str = "do"):
    keys = [f"note-{school.world.all(schema_work.change_request)[0].reason_note_id}",
            f"file-{school.world.all(schema_work.attachment)[0].id}"]  # fmt: skip
    return [
        visitor.post(path, {"csrf": visitor.csrf("/requests"), "t": key, "reason": "asked", "do": do})
        for path in (f"/sessions/{session}/texts", f"/people/{school.students[0]}/texts")
        for key in keys
    ]


def erased(school) -> int:
    notes = [row for row in school.world.all(schema.note) if row.erased_ms is not None]
    return len(notes) + len([row for row in school.world.all(schema_work.attachment) if row.erased_ms is not None])


@rule("DDU-9")
def test_it_is_kept_until_three_months_after_completion_and_can_go_then(school, signed):
    session = corrected(school, signed, ends_ms=school.now_ms + 10 * DAY)
    for days in (0, 99):
        school.now_ms += days * DAY
        rita = signed("rita")
        for answer in erase(school, rita, session, "look") + erase(school, rita, session):
            assert answer.status_code == 422 and "kept until Fri 15 Jan 2027" in answer.text and "DDU-9" in answer.text
        assert erased(school) == 0
    school.now_ms += 4 * DAY
    assert erase(school, signed("rita"), session)[0].status_code == 303
    assert erased(school)


@rule("DDU-9")
def test_an_early_closure_ends_it(school, signed):
    session = corrected(school, signed, ends_ms=school.now_ms + 10 * DAY)
    with writing(school.world.engine) as connection:
        run = school.world.all(schema.batch)[0].id
        table = schema.class_group
        connection.execute(table.update().values(batch_id=run, ended_ms=school.now_ms - DAY))
    assert erase(school, signed("rita"), session)[0].status_code == 303
    assert erased(school)


@rule("DDU-9")
def test_while_a_batch_has_no_end_it_is_kept(school, signed):
    session = corrected(school, signed, ends_ms=None)
    answer = erase(school, signed("rita"), session)[0]
    assert answer.status_code == 422 and "until the batch is completed" in answer.text
    assert erased(school) == 0


def test_what_no_correction_rests_on_is_erased_at_once(school, signed):
    session = corrected(school, signed, ends_ms=school.now_ms + 10 * DAY, applied=False)
    assert erase(school, signed("rita"), session)[0].status_code == 303
    assert erased(school)


def leave_and_erase(school, visitor, do: str):
    with writing(school.world.engine) as connection:
        person = schema.person
        connection.execute(person.update().where(person.c.id == school.students[0]).values(ended_ms=school.now_ms - 1))
    path = f"/people/{school.students[0]}/data"
    return visitor.post(f"{path}/erase", {"csrf": visitor.csrf(path), "reason": "asked for by letter", "do": do})


@rule("DDU-9", "DDU-8")
@pytest.mark.parametrize(("days", "kept"), [(99, True), (104, False)])
def test_whoever_is_erased_leaves_the_reference_behind_as_long_as_it_must_be_kept(school, signed, days, kept):
    corrected(school, signed, ends_ms=school.now_ms + 10 * DAY)
    school.now_ms += days * DAY
    rita = signed("rita")
    looked = leave_and_erase(school, rita, "look")
    assert ("kept until Fri 15 Jan 2027" in looked.text and "DDU-9" in looked.text) == kept
    assert leave_and_erase(school, rita, "do").headers["location"].endswith("said=erased")
    (request,), (file,) = school.world.all(schema_work.change_request), school.world.all(schema_work.attachment)
    texts = {row.id: row.erased_ms is None for row in school.world.all(schema.note)}
    assert texts[request.reason_note_id] == kept and (file.erased_ms is None) == kept
    named = {row.person_id: row.full_name for row in school.world.all(schema.person_name)}
    assert named[school.students[0]] == f"erased {school.students[0]}", "the name goes all the same"
