"""Batches on the registry's pages: what moves is said before, and is so afterwards; a department's for its own classes."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from server.store import schema
from tests.rules import rule
from tests.server.pages.test_campus_pages import audits, do, fill, said
from tests.server.pages.two_departments import TwoDepartments

DAY = 24 * 3_600_000


@pytest.fixture
def rita(enter):
    return enter("rita")


def day(there: TwoDepartments, back: int) -> str:
    """So many days ago, as a field has it."""
    return datetime.fromtimestamp((there.now_ms - back * DAY) / 1000, ZoneInfo("Europe/London")).date().isoformat()


def batch_of(there, number: int) -> int | None:
    return next(row.batch_id for row in there.world.all(schema.class_group) if row.id == there.groups[number])


@rule("DDU-3", "DDU-7")
def test_the_preview_says_which_registers_deadlines_move_and_the_registers_follow(there, rita):
    # The last class's block of days ends with day 15 by itself; by a batch that began 20 days ago, 10 days from now.
    session = there.session("Welding", starts_min=-4 * 24 * 60, profile="ddu")
    path = "/registry/batches/new"
    looked, fields = fill(rita, path, code="B7", first=day(there, 20), last=day(there, -60), classes="C1-A")
    text = said(looked)
    assert "1 register may be changed until another day" in text and "so far until" in text
    assert "of its 2 sessions have begun" in text
    assert there.world.all(schema.batch) == [] and batch_of(there, 1) is None
    done = rita.post(path, {**fields, "do": "do"})
    again = rita.post(path, {**fields, "do": "do"})
    assert done.status_code == 303 and done.headers["location"] == again.headers["location"]
    (row,) = there.world.all(schema.batch)
    assert batch_of(there, 1) == row.id and audits(there).count("batch.change") == 1
    page = said(rita.get(f"/registry/batches/{row.id}"))
    assert "B7" in page and "C1-A" in page and "its days or classes set" in page
    assert "B7" in said(rita.get("/registry/batches"))
    # What the preview said is what the register says.
    until = text.partition("until another day: the first, of")[2].partition("until ")[2].partition(", so far")[0]
    assert until and until in said(rita.get(f"/sessions/{session}"))


@rule("DDU-7")
def test_a_register_that_shuts_by_another_first_day_is_counted(there, rita):
    there.session("Welding", starts_min=-12 * 24 * 60, profile="ddu")
    looked, _ = fill(rita, "/registry/batches/new", code="B7", first=day(there, 20), classes="C1-A")
    assert "Of them 1 may be changed no more without the next approval" in said(looked)
    # A first day of which nothing moves says so; and classes by other rules are no matter of a batch's.
    other, _ = fill(rita, "/registry/batches/new", code="B8", first=day(there, 20), classes="C0-A")
    assert "None of these classes' sessions go by rules that count from a batch's first day" in said(other)


def test_a_class_is_in_one_batch_and_the_form_says_from_which_it_goes(there, rita):
    do(rita, "/registry/batches/new", code="B1", first=day(there, 20), classes="C0-A\nC1-A")
    (one,) = there.world.all(schema.batch)
    looked, fields = fill(rita, "/registry/batches/new", code="B2", first=day(there, 10), classes="C1-A")
    assert "C1-A leaves the batch B1" in said(looked)
    assert rita.post("/registry/batches/new", {**fields, "do": "do"}).status_code == 303
    assert batch_of(there, 0) == one.id and batch_of(there, 1) not in (None, one.id)
    path = f"/registry/batches/{one.id}/change"
    assert do(rita, path, classes="", first=day(there, 21)).status_code == 303
    assert batch_of(there, 0) is None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"code": ""}, "Fill in the code"),
        ({"first": ""}, "Fill in a day"),
        ({"last": "2020-01-01"}, "The last day is not before the first"),
        ({"classes": "C9-Z"}, "There is no class 'C9-Z'"),
        ({"code": "b1"}, "here is a batch with this code already"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_at_its_field(there, rita, values, told):
    do(rita, "/registry/batches/new", code="B1", first=day(there, 20))
    looked, _ = fill(rita, "/registry/batches/new", **({"code": "B2", "first": day(there, 20)} | values))
    assert looked.status_code == 422 and told in said(looked)
    assert [row.code for row in there.world.all(schema.batch)] == ["B1"]


def test_two_who_change_one_batch_at_once_do_not_overwrite_each_other(there, rita, enter):
    do(rita, "/registry/batches/new", code="B1", first=day(there, 20))
    (one,) = there.world.all(schema.batch)
    path = f"/registry/batches/{one.id}/change"
    _, late = fill(rita, path, first=day(there, 5))
    do(enter("rita"), path, first=day(there, 30))
    answer = rita.post(path, {**late, "do": "do"})
    assert answer.status_code == 409 and "This was changed while you looked" in said(answer)
    (now,) = there.world.all(schema.batch)
    assert now.starts_ms < one.starts_ms


def test_a_departments_registry_has_the_batches_of_its_own_classes(there, enter, rita):
    rex = enter("rex")
    do(rita, "/registry/batches/new", code="OTHERS", first=day(there, 20), classes="C0-A")
    (others,) = there.world.all(schema.batch)
    assert "OTHERS" not in said(rex.get("/registry/batches"))
    for path in (f"/registry/batches/{others.id}", f"/registry/batches/{others.id}/change"):
        assert rex.get(path).status_code == 404
    # Not without a class of theirs, and none of another department's.
    alone, _ = fill(rex, "/registry/batches/new", code="MINE", first=day(there, 20))
    assert alone.status_code == 422 and "it would be lost to you" in said(alone)
    strange, _ = fill(rex, "/registry/batches/new", code="MINE", first=day(there, 20), classes="C0-A")
    assert strange.status_code == 422 and "There is no class" in said(strange)
    assert do(rex, "/registry/batches/new", code="MINE", first=day(there, 20), classes="C1-A").status_code == 303
    mine = next(row for row in there.world.all(schema.batch) if row.code == "MINE")
    assert batch_of(there, 1) == mine.id and rex.get(f"/registry/batches/{mine.id}/change").status_code == 200
    # With a class of another department in it, it is the institution's: to be looked at, and no more.
    do(rita, f"/registry/batches/{mine.id}/change", classes="C0-A\nC1-A")
    shown = rex.get(f"/registry/batches/{mine.id}")
    assert shown.status_code == 200 and f"/registry/batches/{mine.id}/change" not in shown.text
    assert rex.get(f"/registry/batches/{mine.id}/change").status_code == 404
    # Nor is a class taken out of it for one of one's own.
    taken, _ = fill(rex, "/registry/batches/new", code="NEW", first=day(there, 20), classes="C1-A")
    assert taken.status_code == 422 and "is in the batch MINE, which is not yours alone" in said(taken)
