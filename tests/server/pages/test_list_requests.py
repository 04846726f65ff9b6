"""Who asks for a learner to be taken off a list, and who applies it, is the profile's (LOUGH-18, STEP-22)."""

import pytest

from server.store import schema, schema_work
from tests.rules import rule
from tests.server.pages.requesting import ask, decide, made, send, told, with_profile

OWN = """
name = "own"
like = "lough"
title = "Our own"
[list_tier]
roles = { value = ["head", "registry"], unit = "roles", rule = "Board" }
copies = { value = ["curriculum"], unit = "roles", rule = "Board" }
approvers = { value = ["head"], unit = "roles", rule = "Board" }
"""


@pytest.fixture
def school(tmp_path):
    found = with_profile(tmp_path, OWN)
    yield found
    found.close()


@pytest.fixture
def app(school):
    return school.app(profiles_dir=school.folder / "profiles")


def waits(visitor) -> bool:
    """Whether a removal is among what waits to be decided."""
    return "Off the list" in visitor.get("/requests").text.partition("Asked by you")[0]


@rule("LOUGH-18", "STEP-22")
def test_a_removal_is_asked_for_and_applied_by_those_whom_the_profile_names(school, signed):
    session, gone = school.aged(0.1, profile="own"), school.students[0]
    ada, rita, hedda = signed("ada"), signed("rita"), signed("hedda")
    fields = {"csrf": ada.csrf("/requests"), "kind": "removal", "reason": "Done", f"who-{gone}": "yes"}
    seen = next(row.mark_id for row in school.world.all(schema.mark_current) if row.person_id == gone)
    answer = send(ada, f"/sessions/{session}/request", fields | {f"seen-{gone}": str(seen)})
    assert answer.status_code == 403 and "LOUGH-18: the head of department or the registers team asks" in told(answer)
    assert school.world.all(schema_work.change_request) == []
    request = made(ask(rita, session, {gone: "yes"}, kind="removal", reason="Has completed"))
    assert [row.kind for row in school.world.all(schema_work.message)] == ["request-copy"]
    assert waits(hedda) and not waits(signed("rolf"))
    assert decide(signed("rolf"), request, "apply").status_code == 403
    assert decide(hedda, request, "apply").status_code == 303
    assert all(row.to_ms for row in school.world.all(schema.enrolment) if row.person_id == gone)


@rule("LOUGH-18")
def test_by_the_shipped_profile_the_registers_team_applies_what_the_lecturer_asked(school, signed):
    session, gone = school.aged(0.1), school.students[0]
    request = made(ask(signed("ada"), session, {gone: "yes"}, kind="removal", reason="Has completed"))
    rita, hedda = signed("rita"), signed("hedda")
    assert waits(rita) and not waits(hedda)
    assert decide(hedda, request, "apply").status_code == 403 and decide(rita, request, "apply").status_code == 303
