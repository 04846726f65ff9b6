"""The institution's audit on a page, on paper and as a file: in words, for whoever may read it, and with nobody's data more."""

import ast
import csv
import io
import json
import re

import pytest

from server.errors import NotAllowed
from server.pages import audit_words
from server.pages.local import Local
from server.policy import moments
from server.store import absences, audit_lines, residence_evenings, schema
from server.store.audit_lines import Line
from server.store.campus_catalogue import KINDS
from server.store.engine import reading, writing
from server.store.requests import STATES
from tests.rules import rule
from tests.server.pages.school import HOSTILE
from tests.server.pages.test_campus_pages import said
from tests.server.pages.two_departments import TwoDepartments

DAY = 24 * 3_600_000
PAGE = "/registry/audit"


@pytest.fixture
def there(there):
    made: TwoDepartments = there
    made.account("otto", "auditor", None)
    made.account("olga", "auditor", None, department=1)
    return made


@pytest.fixture
def otto(there, enter):
    return enter("otto")


def told(there, action: str, subject: str, *, by: str | None = "rita", ago_ms: int = 0, **detail) -> int:
    """A line of the audit."""
    table = schema.audit
    with writing(there.world.engine) as connection:
        made = connection.execute(
            table.insert().values(
                institution_id=there.world.institution_id, at_ms=there.now_ms - ago_ms,
                account_id=there.accounts[by] if by else None, action=action, subject=subject, detail=json.dumps(detail),
            )
        )  # fmt: skip
    return made.inserted_primary_key[0]


def rows(answer) -> list[tuple[str, ...]]:
    """(who, about, what) of every line that a page shows."""
    body = answer.text.partition("<tbody")[2].partition("</tbody>")[0]
    cells = [
        re.findall(r"<td[^>]*>(.*?)(?:: <strong>(.*))?</td>", row, re.S) for row in body.split("</tr>") if "<td" in row
    ]
    return [tuple(re.sub(r"<[^>]+>", "", one).strip() for one in (who[0], *what)) for who, what in cells]


@rule("LOUGH-39")
def test_the_page_says_who_did_what_to_what_in_words(there, otto):
    group, sam = there.groups[0], there.people["sam"]
    told(there, "class.change", f"class/{group}", changed=["title", "course_id"])
    told(there, "enrolment.begin", f"person/{sam}", role="student")
    told(there, "account.grant", f"account:{there.accounts['lea']}", by="otto", role="head")
    told(there, "course-run.final", "course-run/1", by=None)
    told(there, "register.export", f"class/{group}", form="csv", registers=3)
    assert rows(otto.get(PAGE)) == [
        ("Rita", "class C0-A", "registers exported: csv, 3 of them"),
        ("Muster", "course run 1", "final since the lock date"),
        ("Otto", "account Lea", "role given: head of department"),
        ("Rita", "Sam Student", "onto a class list as student"),
        ("Rita", "class C0-A", "changed: title, course"),
    ]
    text = said(otto.get(PAGE))
    assert "What it does not hold" in text and "signed in" in text and "muster audit verify" in text
    assert "{" not in text.partition("What it does not hold")[0]
    assert f'href="{PAGE}"' in otto.get("/registry").text


@pytest.mark.parametrize("name", ["rita", "rex", "hal", "lea", "sam"])
def test_it_is_for_auditors_and_administrators_alone(there, enter, name):
    told(there, "room.add", "room/1")
    for path in (PAGE, f"{PAGE}/file?form=csv"):
        assert enter(name).get(path).status_code == 403
    assert PAGE not in enter(name).get("/account").text


def test_it_is_narrowed_to_days_to_an_account_and_to_a_kind(there, otto):
    told(there, "room.add", "room/1", ago_ms=30 * DAY)
    told(there, "room.change", "room/1", ago_ms=2 * DAY, changed=["code"])
    told(there, "person.end", "person/1", by="otto")
    told(there, "schedule.run", "schedule/1", by=None)

    def whats(query: str) -> list[str]:
        return [one[2] for one in rows(otto.get(f"{PAGE}?{query}"))]

    room, left, ran = "changed: code", "left: off every class list, cards blocked", "import asked for"
    day = Local(time_zone="Europe/London", now_ms=there.now_ms).today()
    assert whats("") == [ran, left, room]
    assert whats(f"since={day}&until={day}") == [ran, left]
    assert whats(f"account={there.accounts['otto']}") == [left]
    assert whats("account=0") == [ran]
    assert whats("kind=timetable") == [room] and whats("kind=people") == [left]
    assert whats("kind=nonsense&account=x&since=never") == [ran, left, room]
    # Older than the days that are shown at once: by naming them.
    long_ago = moments.day_of(there.now_ms - 30 * DAY, Local(time_zone="Europe/London", now_ms=0).zone)
    assert whats(f"since={long_ago}&until={long_ago}") == ["made by hand"]


def test_it_is_read_on_from_the_last_line_and_each_line_comes_once(there, otto):
    many = audit_lines.PAGE * 2 + 3
    for n in range(many):
        # Many of one moment: what comes after is told by the line, not by the time.
        told(there, "room.change", f"room/{1000 + n}", ago_ms=(n // 40) * 1000, changed=["code"])
    seen, address, pages = [], PAGE, 0
    while address:
        answer = otto.get(address)
        seen += [one[1] for one in rows(answer)]
        found = re.search(r'href="([^"]*after=\d+)"', answer.text)
        address, pages = found[1].replace("&amp;", "&") if found else "", pages + 1
        if pages == 1:
            # What is written meanwhile moves nothing of what is to come.
            told(there, "room.add", "room/1")
    assert pages == 3 and len(seen) == len(set(seen)) == many


def test_another_institutions_lines_are_not_its_own(there, otto):
    with writing(there.world.engine) as connection:
        other = connection.execute(
            schema.institution.insert().values(name="other", time_zone="UTC", created_ms=1)
        ).inserted_primary_key[0]
        line = connection.execute(
            schema.audit.insert().values(institution_id=other, at_ms=there.now_ms, action="room.add", subject="room/1")
        ).inserted_primary_key[0]
    told(there, "term.add", "term/9")
    assert [one[1] for one in rows(otto.get(PAGE))] == ["term 9"]
    # And no line of theirs says where this list goes on.
    assert [one[1] for one in rows(otto.get(f"{PAGE}?after={line}"))] == ["term 9"]


@rule("LOUGH-39")
def test_the_file_is_guarded_whole_and_itself_in_the_audit(there, otto):
    with writing(there.world.engine) as connection:
        table = schema.account
        connection.execute(table.update().where(table.c.login == "rita").values(shown_name="=HYPERLINK(1)"))
    for n in range(audit_lines.PAGE + 5):
        told(there, "room.change", f"room/{1000 + n}", changed=["code"])
    answer = otto.get(f"{PAGE}/file?form=csv&kind=timetable")
    assert answer.headers["content-disposition"].startswith('attachment; filename="audit-')
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert lines[0] == ["Day", "Time", "Who", "About", "What"] and len(lines) == audit_lines.PAGE + 6
    assert {one[2] for one in lines[1:]} == {"'=HYPERLINK(1)"}
    assert otto.get(f"{PAGE}/file?form=xlsx").content[:2] == b"PK"
    assert otto.get(f"{PAGE}/file?form=pdf").status_code == 400
    newest = [one[2] for one in rows(otto.get(f"{PAGE}?kind=taken"))]
    assert newest == ["audit exported: xlsx, 106 lines", f"audit exported: csv, {audit_lines.PAGE + 5} lines"]
    paper = otto.get(f"{PAGE}/file?form=print&kind=taken")
    assert "3 lines" not in said(paper) and "2 lines to print" in said(paper) and "Printed" in said(paper)


def test_more_lines_than_a_file_takes_are_refused_and_not_cut_off(there, otto, monkeypatch):
    monkeypatch.setattr(audit_lines, "MOST", 3)
    for n in range(4):
        told(there, "room.change", f"room/{n}", changed=["code"])
    answer = otto.get(f"{PAGE}/file?form=csv")
    assert answer.status_code == 413 and "choose fewer days" in said(answer)
    assert "audit.export" not in [row.action for row in there.world.all(schema.audit)]


def test_an_auditor_of_a_department_reads_no_name_beyond_it_and_nothing_of_the_residence(there, enter, otto):
    sam, tia = there.people["sam"], there.people["tia"]
    told(there, "person.change", f"person/{sam}", changed=["name"])
    told(there, "person.change", f"person/{tia}", changed=["name"])
    told(there, "evening.excuse", f"person:{tia}", reason="injury", house=1)
    told(there, "pin.set", f"person:{tia}")
    hidden = ("Rita", "The residence", "something about a resident, for whoever reads the residence")
    olga = enter("olga").get(PAGE)
    assert rows(olga) == [
        hidden,
        hidden,
        ("Rita", "Tia Student", "changed: name"),
        ("Rita", f"person {sam}", "changed: name"),
    ]
    assert f"/registry/people/{sam}" not in olga.text
    names = [one[1:] for one in rows(otto.get(PAGE))]
    assert names[0] == ("Tia Student", "PIN set") and names[1] == ("Tia Student", "excused for an evening: injury")
    assert names[3] == ("Sam Student", "changed: name")
    file = enter("olga").get(f"{PAGE}/file?form=csv").text
    assert "Sam" not in file and "injury" not in file


def test_hostile_words_are_words_there_too(there, otto):
    with writing(there.world.engine) as connection:
        table = schema.class_group
        connection.execute(table.update().where(table.c.id == there.groups[0]).values(code=HOSTILE[:60]))
    told(there, "class.change", f"class/{there.groups[0]}", changed=[HOSTILE])
    assert "<script>" not in otto.get(PAGE).text.partition("<main")[2]


# --- words ----------------------------------------------------------------------------------------------------------------

LOCAL = Local(time_zone="Europe/London", now_ms=1_800_000_000_000)


def written_actions(repo) -> set[str]:
    """Every action that the server's code writes down, by reading it; those that it puts together are put together here."""
    found = set()
    for path in (repo / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            said = (
                node.args[2:3] if name == "write_down" else [one.value for one in node.keywords if one.arg == "action"]
            )
            texts = (part.value for one in said for part in ast.walk(one) if isinstance(part, ast.Constant))
            found |= {one for one in texts if isinstance(one, str) and "." in one}
    pieces = {one for one in found if one.startswith(".") or one.endswith(".")}
    assert pieces <= {".add", ".change", "absence.", "request.", "evening.", "residence-leave."}, pieces
    return (found - pieces) | {
        *(f"{kind}.{verb}" for kind in KINDS for verb in ("add", "change")),
        *(f"request.{state}" for state in STATES if state != "open"),
        *(f"evening.{kind}" for kind in residence_evenings.KINDS),
        *(f"residence-leave.{what}" for what in ("ask", "approve", "refuse", "withdraw")),
        *("absence.approve", "absence.reject", "card.hold", "card.replace"),
        *("course-run.dates", "course-run.days", "course-run.final"),
    }


def test_every_action_that_is_written_has_words_and_a_kind(repo):
    actions = written_actions(repo)
    assert len(actions) > 80
    line = {"id": 1, "at_ms": 1, "by": "A", "account_id": 1, "subject": "x/1", "detail": {}}
    plain = [one for one in actions if audit_words.what(Line(action=one, **line), LOCAL) == one.replace(".", " ")]
    assert plain == []
    groups = [key for _, keys in audit_words.KINDS.values() for key in keys]
    alone = {"text.erase", "emergency.read", "audit.export"}
    assert {one.partition(".")[0] for one in actions - alone} <= set(groups) and alone <= set(groups)


def test_an_action_of_a_later_release_says_its_own_name_and_no_json():
    line = Line(
        id=1, at_ms=1, by=None, account_id=None, action="new-thing.done", subject="new-thing/4", detail={"a": 1}
    )
    shown = audit_words.line(line, {}, dict.fromkeys(("campus.read", "register.read", "residence.read"), True), LOCAL)
    assert (shown["about"], shown["what"], shown["by"]) == ("new-thing 4", "new-thing done", audit_words.NOBODY)


def test_the_store_asks_for_itself_who_may_read(there):
    with reading(there.world.engine) as connection:
        scope = absences.scope_of(connection, there.world.institution_id, there.accounts["rita"], there.now_ms)
        wanted = audit_lines.Wanted(from_ms=0, to_ms=there.now_ms)
        for ask in (
            lambda: audit_lines.lines(connection, scope, wanted),
            lambda: audit_lines.who(connection, scope, 0, there.now_ms),
            lambda: audit_lines.named(connection, scope, []),
        ):
            with pytest.raises(NotAllowed):
                ask()
