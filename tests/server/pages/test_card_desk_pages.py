"""The card desk as a clerk uses it: a card is held there, and is given, once, to the one it is meant for (PORT-8)."""

import html
import re

import pytest

from server.scope import Grant, Scope
from server.store import cards, moves, revocations, schema
from server.store.engine import writing
from tests.rules import rule
from tests.server.store_world import MIN

pytestmark = rule("PORT-8")
NEW = bytes([4, 77, 77, 1])


def said(answer) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def hidden(answer) -> dict:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text))


def hold(school, board, uid=NEW, ago_s=20) -> int:
    """A card is held to a reader. Answers the tap's id."""
    board.swipe(uid, school.now_ms - ago_s * 1000)
    school.deliver(*board.lines)
    return max(row.id for row in school.world.all(schema.swipe))


def console(world) -> Scope:
    return Scope(institution_id=world.institution_id, account_id=0, person_id=None, grants=(Grant(role="admin"),))


def revoked(school, name: str, since_ms: int) -> None:
    with writing(school.world.engine) as connection:
        revocations.revoke(
            connection, console(school.world), name, since_ms=since_ms, why="stolen", now_ms=school.now_ms
        )


def holders(school, uid=NEW) -> list[int]:
    """Who has the card."""
    world = school.world
    with writing(world.engine) as connection:
        card_id = cards.known(connection, world.institution_id, world.tokens(uid))
    return [row.person_id for row in world.all(schema.card_assignment) if row.card_id == card_id and row.to_ms is None]


def give(visitor, person, tap, do="do", page=None):
    """The form of the person's page as it stands, sent."""
    path = f"/registry/people/{person}/card"
    page = page or visitor.get(f"{path}?tap={tap}")
    return visitor.post(path, hidden(page) | {"tapped": str(tap), "uid": "", "do": do})


@pytest.fixture
def desk(school):
    return school.reader("desk-1", room=None)


def test_a_card_is_given_from_the_desk_to_somebody_who_is_looked_for(school, signed, desk):
    tap, admin, who = hold(school, desk), signed("admin"), school.students[3]
    page = admin.get("/registry/card-desk")
    assert f'href="/registry/card-desk/give?tap={tap}"' in page.text and "Nobody has this card" in said(page)
    page = admin.get(f"/registry/card-desk/give?tap={tap}")
    to = admin.post("/registry/card-desk/find", hidden(page) | {"q": "Student 003"})
    address = to.headers["location"]
    assert to.status_code == 303 and "Student" not in address and "003" not in address, "names stand in no address"
    found = admin.get(address)
    assert "Student 003" in said(found) and f'href="/registry/people/{who}/card?tap={tap}"' in found.text
    form = admin.get(f"/registry/people/{who}/card?tap={tap}")
    assert f'<option value="{tap}" selected>' in form.text
    look = give(admin, who, tap, "look", form)
    assert look.status_code == 200 and "1 other card of theirs stops" in said(look) and holders(school) == []
    done = give(admin, who, tap, page=look)
    assert done.status_code == 303 and holders(school) == [who]
    assert give(admin, who, tap, page=look).status_code == 303, "sent twice it is done once"
    assert holders(school) == [who] and len(school.world.all(schema.card_assignment)) == len(school.students) + 1
    assert "Student 003" in said(admin.get("/registry/card-desk"))


def test_of_two_clerks_the_second_is_told_who_was_given_the_card(school, signed, desk):
    tap, one, two = hold(school, desk), signed("admin"), signed("admin")
    first, second = school.students[:2]
    pages = [who.get(f"/registry/people/{person}/card?tap={tap}") for who, person in ((one, first), (two, second))]
    assert give(one, first, tap, page=pages[0]).status_code == 303
    refused = give(two, second, tap, page=pages[1])
    assert refused.status_code == 422 and "this is the card of Student 000" in said(refused).lower().replace(
        "student 000", "Student 000"
    )
    assert holders(school) == [first]
    assert "There is no such card on a desk now" in said(two.get(f"/registry/card-desk/give?tap={tap}"))


@pytest.mark.parametrize(("ago_min", "status"), [(2, 303), (31, 422)])
def test_a_tap_of_two_minutes_ago_is_taken_and_one_of_half_an_hour_is_not(school, signed, desk, ago_min, status):
    tap, admin = hold(school, desk, ago_s=ago_min * 60), signed("admin")
    assert give(admin, school.students[0], tap).status_code == status
    assert bool(holders(school)) is (status == 303)


def test_what_a_revoked_reader_says_is_neither_shown_nor_given_to_anybody(school, signed, desk):
    door = school.reader("a-101")
    honest = hold(school, desk, bytes([4, 66, 66, 1]))
    school.now_ms += 5 * MIN
    revoked(school, "desk-1", school.now_ms - 1)
    revoked(school, "a-101", school.now_ms - 1)
    taps = [hold(school, board, bytes([4, 88, 88, n]), ago_s=5) for n, board in enumerate((desk, door))]
    admin, who = signed("admin"), school.students[0]
    page = admin.get("/registry/card-desk")
    assert "No card in the last ten minutes" in said(page) and "No reader stands on a desk" in said(page)
    form = admin.get(f"/registry/people/{who}/card").text
    for tap in taps:
        assert f'value="{tap}"' not in form
        assert give(admin, who, tap).status_code == 422
    assert f'value="{honest}"' in form, "it came before the theft"


def test_a_card_that_was_stopped_says_whose_it_was_before_it_is_given_again(school, signed, desk):
    admin, old = signed("admin"), school.students[1]
    with writing(school.world.engine) as connection:
        world = school.world
        card_id = cards.known(connection, world.institution_id, world.tokens(school.uids[1]))
        assert card_id is not None
        cards.end(connection, world.institution_id, card_id, school.now_ms - 60 * MIN, "lost")
    tap = hold(school, desk, school.uids[1])
    told = "It was Student 001’s until Mon 5 Oct 2026: lost"
    assert told in said(admin.get("/registry/card-desk"))
    assert told in said(admin.get(f"/registry/card-desk/give?tap={tap}"))
    look = give(admin, school.students[2], tap, "look")
    assert told in said(look) and holders(school, school.uids[1]) == []
    assert old not in holders(school)


def test_the_readers_on_desks_stand_there_with_how_they_are(school, signed, desk):
    admin = signed("admin")
    school.reader("a-101")
    school.reader("desk-2", room=None)
    with writing(school.world.engine) as connection:
        gone = schema.reader.update().where(schema.reader.c.name == "desk-2")
        connection.execute(gone.values(ended_ms=school.now_ms))
    shown = said(admin.get("/registry/card-desk"))
    assert "desk-1 never heard" in shown and "a-101" not in shown and "desk-2" not in shown
    school.deliver(*desk.lines, desk.hello(), desk.head(school.now_ms))
    assert "desk-1 takes cards" in said(admin.get("/registry/card-desk"))
    school.deliver(desk.head(school.now_ms, able="chip"))
    assert "desk-1 cannot take cards now (chip)" in said(admin.get("/registry/card-desk"))
    school.now_ms += 10 * MIN
    assert "desk-1 last heard 10:20" in said(admin.get("/registry/card-desk"))


def test_a_department_gives_cards_to_its_own_people_only(there, enter):
    world = there.world
    board = world.reader("desk-9", room=None)
    board.boot(at_ms=there.now_ms - 3_600_000)
    tap = hold(there, board)
    rex = enter("rex")
    page = rex.get(f"/registry/card-desk/give?tap={tap}")
    assert page.status_code == 200
    for words, seen in (("Tia", True), ("Sam", False)):
        to = rex.post("/registry/card-desk/find", hidden(page) | {"q": words})
        assert ("Student</strong>" in rex.get(to.headers["location"]).text) is seen
    assert give(rex, there.people["tia"], tap).status_code == 303
    assert holders(there) == [there.people["tia"]]


@pytest.mark.parametrize("name", ["ada", "tess"])
def test_who_does_not_change_the_campus_gives_nothing(school, signed, desk, name):
    tap, visitor = hold(school, desk), signed(name)
    assert visitor.get(f"/registry/card-desk/give?tap={tap}").status_code in (403, 404)
    form = {"csrf": visitor.csrf("/account"), "q": "Student", "tap": str(tap)}
    assert visitor.post("/registry/card-desk/find", form).status_code in (403, 404)
    assert signed("admin").post("/registry/card-desk/find", {"q": "Student", "tap": str(tap)}).status_code == 403


def test_a_reader_that_moves_to_a_desk_shows_its_cards_there(school, signed):
    door, admin = school.reader("a-101"), signed("admin")
    hold(school, door, ago_s=200)
    assert "No card in the last ten minutes" in said(admin.get("/registry/card-desk"))
    with writing(school.world.engine) as connection:
        moves.move(connection, console(school.world), "a-101", None, from_ms=school.now_ms - MIN, now_ms=school.now_ms)
    assert "a-101" in said(admin.get("/registry/card-desk"))
