"""A tap that has a doubt stands on its line of the register, in words; an open misuse flag for those who read flags."""

import html
import re

import pytest
from sqlalchemy import event

from server.policy.misuse import Case, Tap
from server.store import cards, misuse_flags, schema
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.school import version_of
from tests.server.pages.test_card_pages import UID, message, signing, tap
from tests.server.store_world import MIN

pytestmark = rule("PORT-9")


def line(answer, person) -> str:
    """A student's line, as it reads."""
    found = re.search(rf'<tr id="p{person}".*?</tr>', answer.text, re.S)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0]))) if found else ""


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        (lambda: message(5, bytes(8)), "card: wrong signature"),
        (lambda: message(4), "card: signature used twice"),
        (lambda: message(3), "card: old signature"),
        (lambda: None, "card: not signed"),
        (lambda: message(5), None),
    ],
)
def test_the_line_says_what_is_wrong_with_the_tap_behind_it(school, signed, said, tag):
    person, session, board, other = signing(school), school.session(), school.reader(), school.reader("a-2", room=1)
    tap_before = other.swipe(UID, school.now_ms - 3_000_000, said=message(4))
    school.deliver(other.lines[0], tap_before)
    tap(school, board, 300, said())
    school.tap(board, 0, ago_s=200)
    shown = signed("ada").get(f"/sessions/{session}")
    assert ("card:" in line(shown, person)) is bool(tag) and (tag or "") in line(shown, person)
    assert "card:" not in line(shown, school.students[0]), "its card does not sign, and nothing is wrong with it"
    # A doubt takes no attendance away, and the class sees none of it (LOUGH-16).
    assert "not seen" not in line(shown, person)
    assert "card:" not in signed("ada").get(f"/sessions/{session}/class").text


def test_the_most_serious_doubt_of_several_stands_there_once(school, signed):
    person, session, board = signing(school), school.session(), school.reader()
    tap(school, board, 700)
    tap(school, board, 500, message(5, bytes(8)))
    shown = line(signed("ada").get(f"/sessions/{session}"), person)
    assert shown.count("card:") == 1 and "card: wrong signature" in shown


def test_an_open_register_shows_a_new_doubt_on_its_line_alone_and_forgets_none(school, signed):
    person, session, board = signing(school), school.session(), school.reader()
    tap(school, board, 900, message(4))
    ada = signed("ada")
    page = ada.get(f"/sessions/{session}")
    tap(school, board, 500, message(4))
    # It changes no mark: an open page says it when it looks at everything again.
    school.now_ms += 16_000
    piece = ada.get(f"/sessions/{session}/live?v={version_of(page.text)}", htmx=True)
    assert "card: signature used twice" in line(piece, person) and piece.text.count("<tr id=") == 1
    school.tap(board, 0, ago_s=200)
    later = ada.get(f"/sessions/{session}/live?v={version_of(piece.text)}", htmx=True)
    assert later.text.count("<tr id=") == 1, "the other line did not change"
    assert "card: signature used twice" in line(ada.get(f"/sessions/{session}"), person)


def test_a_tap_that_arrives_late_elsewhere_takes_its_doubt_to_an_open_register_within_a_minute(school, signed):
    person, session = signing(school), school.session()
    board, other = school.reader(), school.reader("a-2", room=1)
    tap(school, board, 300, message(4))
    ada = signed("ada")
    page = ada.get(f"/sessions/{session}")
    assert "card:" not in line(page, person)
    # Offline until now: the same message, an hour before.
    earlier = other.swipe(UID, school.now_ms - 3_000_000, said=message(4))
    school.deliver(other.lines[0], earlier)
    school.now_ms += 75_000
    piece = ada.get(f"/sessions/{session}/live?v={version_of(page.text)}", htmx=True)
    assert "card: signature used twice" in line(piece, person)


def test_lines_with_signing_cards_ask_no_more_of_the_store_a_student(school, signed):
    session, board, ada = school.session(), school.reader(), signed("ada")
    signing(school)
    counts = []
    for n in range(4):
        tap(school, board, 700 - 100 * n, message(4 + n))
        asked = []
        event.listen(school.world.engine, "before_cursor_execute", lambda *args, into=asked: into.append(args[2]))
        ada.get(f"/sessions/{session}")
        counts.append(len(asked))
        school.tap(board, n, ago_s=100)
    assert len(set(counts)) == 1, counts


@pytest.fixture
def flagged(there):
    """Sam of department ONE has a tap in a session that an open flag rests on."""
    world = there.world
    sam = there.people["sam"]
    board = there.reader("a-101")
    world.now_ms = there.now_ms
    uid = bytes([4, 9, 9, 1])
    with writing(world.engine) as connection:
        cards.hold(connection, world.institution_id, sam, world.tokens(uid), 0)
    world.deliver(board.lines[0], board.swipe(uid, there.now_ms - 9 * MIN))
    (read,) = world.all(schema.reading)
    assert read.session_id == there.sessions[0]
    one = Tap(
        record=read.swipe_id,
        person_id=sam,
        reader_id=read.reader_id,
        site_id=1,
        room_id=1,
        at_ms=read.at_ms,
        unsure_ms=0,
    )
    case = Case(kind="two-doors", subject=f"person:{sam}:2026-10-05", person_id=sam, count=1, taps=(one,))
    with writing(world.engine) as connection:
        misuse_flags.raise_all(connection, world.institution_id, [case], there.now_ms)
    there.flagged = sam
    return there


def test_whoever_reads_flags_sees_it_on_the_line_and_is_led_to_it(flagged, enter):
    path = f"/sessions/{flagged.sessions[0]}"
    rita = enter("rita")
    page = rita.get(path)
    assert "misuse: open flag" in line(page, flagged.flagged)
    panel = rita.get(f"{path}/people/{flagged.flagged}")
    assert 'href="/misuse#m1"' in panel.text and "two doors too far apart" in panel.text
    flags = rita.get("/misuse")
    assert 'id="m1"' in flags.text
    assert f'href="{path}/people/{flagged.flagged}"' in flags.text, "and from the evidence back to its register"
    form = {"csrf": rita.csrf("/misuse"), "outcome": "explained", "text": "lent"}
    assert rita.post("/misuse/1/close", form).status_code == 303
    piece = rita.get(f"{path}/live?v={version_of(page.text)}", htmx=True)
    assert line(piece, flagged.flagged) and "misuse" not in piece.text, "judged, it is gone from the open page"


@pytest.mark.parametrize("name", ["lea", "hal"])
def test_who_reads_no_flags_sees_nothing_of_it_beside_one_who_does(flagged, enter, name):
    path = f"/sessions/{flagged.sessions[0]}"
    visitor = enter(name)
    page = visitor.get(path)
    assert line(page, flagged.flagged) and "misuse" not in line(page, flagged.flagged)
    assert "misuse" in line(enter("rita").get(path), flagged.flagged)
    live = visitor.get(f"{path}/live?v={version_of(page.text)}", htmx=True)
    assert live.status_code == 204, "their page stands still, whoever else looks"
    assert "misuse" not in visitor.get(f"{path}/live?v=x", htmx=True).text
    assert "/misuse#" not in visitor.get(f"{path}/people/{flagged.flagged}").text
