"""The day of whoever has more than their own in their care: a page at a time, what is on now first, found by words."""

import re

import pytest
from sqlalchemy import event

from server.store import page_day, schema, schema_rights
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.requesting import Corrected

LINES = re.compile(r'<th scope="row" role="rowheader" class="what"><a href="/sessions/(\d+)">')


@pytest.fixture
def school(tmp_path):
    made = Corrected(tmp_path)
    yield made
    made.close()


def fill(school, many: int) -> list[int]:
    """Sessions of ten minutes from early on, the latest of them after now."""
    first = school.session("Class 000", starts_min=-600, minutes=10)
    with writing(school.world.engine) as connection:
        row = connection.execute(schema.session.select().where(schema.session.c.id == first)).one()._asdict()
        del row["id"]
        start = row["starts_ms"]
        connection.execute(
            schema.session.insert(),
            [
                row | {"uid": f"many-{n}", "title": f"Class {n:03}",
                       **{name: row[name] + 240_000 * n for name in ("starts_ms", "ends_ms", "opens_ms", "closes_ms")}}
                for n in range(1, many)
            ],
        )  # fmt: skip
    return [row.id for row in school.world.all(schema.session) if row.starts_ms >= start]


def shown(answer) -> list[int]:
    return [int(one) for one in LINES.findall(answer.text)]


def statements(school, work) -> int:
    said = []

    def note(_connection, _cursor, statement, *_):
        said.append(statement)

    event.listen(school.world.engine, "before_cursor_execute", note)
    work()
    event.remove(school.world.engine, "before_cursor_execute", note)
    return len(said)


def test_a_long_day_begins_with_what_is_on_now_and_is_read_a_page_at_a_time(school, signed):
    fill(school, 230)
    rita = signed("rita")
    first = rita.get("/today")
    assert "<h1>All sessions today</h1>" in first.text and "My registers" not in first.text
    on = shown(first)
    rows = {row.id: row for row in school.world.all(schema.session)}
    assert on and len(on) < page_day.PAGE
    assert all(rows[one].opens_ms <= school.now_ms < max(rows[one].closes_ms, rows[one].ends_ms) for one in on)
    pages = [rita.get(f"/today?show=all&page_nr={n}") for n in (1, 2, 3)]
    assert [len(shown(one)) for one in pages] == [100, 100, 30]
    every = [one for answer in pages for one in shown(answer)]
    assert len(set(every)) == 230 and every == sorted(every, key=lambda one: (rows[one].starts_ms, one))
    assert "Later ones" in pages[0].text and "Earlier ones" not in pages[0].text
    assert "Earlier ones" in pages[2].text and "Later ones" not in pages[2].text
    # A page that is none is the nearest.
    for odd in ("0", "99", "x", "-1", "9" * 30, "²"):
        assert shown(rita.get(f"/today?show=all&page_nr={odd}")), odd


def test_what_a_page_reads_does_not_grow_with_the_day(school, signed):
    fill(school, 120)
    rita = signed("rita")
    few = statements(school, lambda: rita.get("/today?show=all"))
    with writing(school.world.engine) as connection:
        rows = [row._asdict() for row in connection.execute(schema.session.select())]
        connection.execute(
            schema.session.insert(),
            [{name: value for name, value in row.items() if name != "id"} | {"uid": f"{row['uid']}-{n}"}
             for row in rows for n in range(8)],
        )  # fmt: skip
    assert statements(school, lambda: rita.get("/today?show=all")) == few
    assert len(shown(rita.get("/today?show=all"))) == page_day.PAGE


@rule("LOUGH-9")
def test_a_head_who_teaches_comes_for_their_own_and_has_the_departments_beside_them(school, signed):
    hedda = next(row.person_id for row in school.world.all(schema.account) if row.login == "hedda")
    mine = school.session("Mine", starts_min=60, staff=[hedda])
    other = school.session("Another's", starts_min=30)
    with writing(school.world.engine) as connection:
        connection.execute(
            schema_rights.account_role.insert().values(
                institution_id=school.world.institution_id, account_id=school.accounts["hedda"], role="lecturer",
                scope="institution", from_ms=school.now_ms - 1,
            )
        )  # fmt: skip
    visitor = signed("hedda")
    page = visitor.get("/today")
    assert shown(page) == [mine] and "<h1>My registers for today</h1>" in page.text
    page = visitor.get("/today?show=all")
    assert shown(page) == [other, mine] and "My registers" not in page.text and "Ada Lecturer" in page.text


def test_words_are_found_in_title_course_room_and_lecturer_and_over_every_page(school, signed):
    fill(school, 130)
    late = school.session("Éclairs for all", starts_min=300, staff=[school.bob], room=1)
    rita = signed("rita")
    for words in ("Éclairs", "BOB", "lecturer bob", "cs101 Éclairs", "FOR all R1"):
        page = rita.find("/today", words)
        assert shown(page) == [late], words
    assert shown(rita.find("/today", "Class 129")) and not shown(rita.find("/today", "nobody has this"))
    found = rita.find("/today", "bob", day="2026-10-05")
    assert shown(found) == [late]
    (after,) = re.findall(r'href="([^"]*)" rel="next"', found.text)
    assert "bob" not in after.casefold() and 'value="bob"' in rita.get(after.replace("&amp;", "&")).text


def test_who_has_only_their_own_sees_no_search_and_no_others(school, signed):
    school.session("Mine", staff=[school.ada])
    school.session("Another's", staff=[school.bob])
    page = signed("ada").get("/today?show=all")
    assert len(shown(page)) == 1 and "Another" not in page.text and 'type="search"' not in page.text
