"""Whatever a lecturer or a student may do is reached by links and buttons from the page where they begin."""

import html
import re

import pytest

from server.store import registers, schema
from server.store.engine import writing
from tests.server.pages.care_school import people

#: what a lecturer does -> (the address or form that does it, from home by at most so many clicks)
LECTURER = {
    "my registers for today": ("/today", 1),
    "a register": ("/sessions/S", 2),
    "mark one student, with its history": ("/sessions/S/people/P", 3),
    "set the mark": ("POST /sessions/S/people/P", 3),
    "mark several": ("POST /sessions/S/marks", 2),
    "verify": ("POST /sessions/S/verify", 2),
    "a walk-in": ("/sessions/S/add", 3),
    "taps that marked nobody": ("/sessions/S/taps", 3),
    "put such a tap away, with a reason": ("POST /sessions/S/taps/N", 3),
    "cancel the class": ("POST /sessions/S/cancel", 3),
    "hand over to cover": ("POST /sessions/S/cover", 3),
    "not my register": ("POST /sessions/S/report", 2),
    "write to the students": ("POST /sessions/S/notify", 3),
    "a remark": ("POST /sessions/S/remarks", 2),
    "kept on paper": ("POST /sessions/S/paper", 2),
    "paper registers": ("/paper", 3),
    "plan a trip": ("/trips/new", 3),
    "ask to take somebody off the list": ("/sessions/S/request?kind=removal&person=P", 4),
    "ask for a change": ("/sessions/S/request", 3),
    "persistent lateness": ("/lateness", 2),
    "export the register": ("/sessions/S/export", 3),
    "what was done to the register": ("/sessions/S/history", 3),
    "several registers": ("/export", 4),
    "a student's attendance": ("/people/P/attendance", 4),
    "absences, and logging a call": ("/absences/new", 3),
    "the class view": ("/sessions/S/class", 3),
    "the LMS": ("https://lms.example/c", 2),
}
STUDENT = {
    "own attendance": ("/me", 1),
    "report an absence": ("POST /me/absence", 2),
    "from one class": ("/me/absence?session=S", 2),
    "lost card": ("POST /me/card/lost", 2),
    "one's own absence": ("/absences/N", 2),
}


def ways(text: str) -> set[str]:
    """The links of a page, and the forms that it sends."""
    found = {html.unescape(one) for one in re.findall(r'<a [^>]*href="([^"#]+)"', text)}
    return (
        found
        | {f"POST {html.unescape(one)}" for one in re.findall(r'<form method="post" action="([^"]+)"', text)}
        | {f"POST {html.unescape(one)}" for one in re.findall(r'<form [^>]*method="post" action="([^"]+)"', text)}
    )


def reached(visitor, session: int, person: int, most: int) -> dict[str, int]:
    """Everything that links and forms lead to -> by how many clicks from home; of each kind of page one is seen."""

    def kind(way: str) -> str:
        way = re.sub(rf"/sessions/{session}\b", "/sessions/S", way.replace(f"session={session}", "session=S"))
        way = re.sub(rf"/people/{person}\b", "/people/P", way).replace(f"person={person}", "person=P")
        return re.sub(r"/(absences|taps|sessions|people|trips|requests)/\d+", r"/\1/N", way)

    here = [visitor.get("/").headers["location"]]
    found = {"/": 0, kind(here[0]): 0}
    for clicks in range(1, most + 1):
        following = []
        for address in here:
            answer = visitor.get(address)
            assert answer.status_code == 200, f"a link leads to {address}, which answers {answer.status_code}"
            for way in sorted(ways(answer.text)):
                if kind(way) not in found:
                    found[kind(way)] = clicks
                    if way.startswith("/") and not way.startswith(("/sign-out", "/attachments")):
                        following.append(way)
        here = following
    return found


def missing(found: dict[str, int], wanted: dict[str, tuple[str, int]]) -> list[str]:
    return [
        f"{name}: {way} " + (f"takes {found[way]} clicks" if way in found else "is not reached")
        for name, (way, clicks) in wanted.items()
        if found.get(way, 99) > clicks
    ]


@pytest.fixture
def school(school):
    people(school)
    return school


def test_everything_that_a_lecturer_does_with_a_register_is_reached_from_their_first_page(school, signed):
    session = school.session(starts_min=-20, profile="step")
    with writing(school.world.engine) as connection:
        connection.execute(schema.course.update().values(lms_url="https://lms.example/c"))
    board = school.reader()
    school.tap(board, bytes([4, 9, 9, 9]), ago_s=60)
    school.tap(board, 0, ago_s=30)
    found = reached(signed("ada"), session, school.students[0], most=4)
    assert missing(found, LECTURER) == []


def test_a_late_students_name_leads_from_the_report_to_their_attendance(school, signed):
    session = school.session(starts_min=-90)
    with writing(school.world.engine) as connection:
        registers.record(
            connection, school.world.institution_id, session,
            [registers.Wanted(person_id=school.students[0], code="L", late_min=9)], source="import", rule="test",
            authority=None, by_account_id=None, now_ms=school.now_ms, profiles=school.world.profiles,
        )  # fmt: skip
    address = f"/people/{school.students[0]}/attendance"
    ada = signed("ada")
    assert f'href="{address}"' in ada.get("/lateness?all=1").text and ada.get(address).status_code == 200


def test_everything_that_a_student_does_is_reached_from_their_own_page(school, signed):
    session = school.session(starts_min=60)
    sam = signed("sam")
    sent = {"csrf": sam.csrf("/me/absence"), "reason": "Ill", "first": "2026-10-06", "last": "2026-10-06"}
    assert sam.post("/me/absence", sent).status_code == 303
    found = reached(sam, session, school.students[0], most=3)
    assert missing(found, STUDENT) == []
