"""What a tap rests on stands on the register; and at the card desk a card held to the reader tells whose it is."""

import html
import re

import pytest

from firmware.contract import statement
from server import card_signature
from server.store import cards, schema, signed_cards
from server.store.engine import writing

UID, KEY = bytes.fromhex("04de5f1eacc040"), b"k" * 16


def said(answer) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def signing(school) -> int:
    """A student whose card signs."""
    person = school.person("Signe Card", UID)
    school.world.enrol(school.group, person)
    with writing(school.world.engine) as connection:
        world = school.world
        card_id = cards.known(connection, world.institution_id, world.tokens(UID))
        assert card_id is not None
        signer = signed_cards.Signer(uid=UID, key=KEY)
        signed_cards.register(connection, world.vault, world.institution_id, card_id, signer, world.now_ms)
    return person


def message(counter, mac=None):
    return statement.Message(counter, mac or card_signature.message_mac(KEY, UID, counter))


def tap(school, board, ago_s, said=None, uid=UID):
    board.swipe(uid, school.now_ms - ago_s * 1000, said=said)
    school.deliver(*board.lines)


@pytest.mark.rule("PORT-9")
def test_the_register_says_what_each_tap_rests_on(school, signed):
    person, session, board = signing(school), school.session(), school.reader()
    tap(school, board, 900, message(4))
    tap(school, board, 700, message(5, bytes(8)))
    tap(school, board, 500, message(4))
    tap(school, board, 300)
    school.tap(board, 0, ago_s=200)
    ada = signed("ada")
    shown = said(ada.get(f"/sessions/{session}/people/{person}"))
    for words in (
        "signed by the card, and counted in order",
        "its signature is wrong: it may be a copy",
        "its signature was used at another tap",
        "by its number alone, though this card signs",
    ):
        assert shown.count(words) == 1, words
    # All of it counts as any tap does: a doubt takes no attendance away.
    marks = {key: row for key, row in school.world.marks().items() if key == (session, person)}
    assert marks and all(code for code, _, _ in marks.values())
    plain = said(ada.get(f"/sessions/{session}/people/{school.students[0]}"))
    assert "by the card's number, which can be copied" in plain
    assert UID.hex() not in ada.get(f"/sessions/{session}/people/{person}").text.lower()


@pytest.mark.rule("PORT-8")
def test_at_the_card_desk_a_card_tells_whose_it_is_and_leads_to_what_can_be_done(school, signed):
    desk, door = school.reader("desk-1", room=None), school.reader("a-101")
    admin = signed("admin")
    assert "No card in the last ten minutes" in said(admin.get("/registry/card-desk"))
    tap(school, desk, 30, uid=school.uids[0])
    tap(school, desk, 20, uid=bytes([4, 8, 8, 8]))
    tap(school, desk, 10, uid=b"")
    tap(school, door, 5, uid=school.uids[1])
    shown = admin.get("/registry/card-desk")
    card = next(row for row in school.world.all(schema.card_assignment) if row.person_id == school.students[0])
    assert "Student 000" in said(shown) and "Nobody has this card" in said(shown)
    assert "another number each time" in said(shown)
    assert "Student 001" not in said(shown), "that was at a door"
    assert f'href="/registry/people/{school.students[0]}/card"' in shown.text
    assert f'href="/registry/people/{school.students[0]}/cards/{card.card_id}/block"' in shown.text
    version = re.search(r"card-desk/live\?v=(\w+)", shown.text)[1]
    assert admin.get(f"/registry/card-desk/live?v={version}", htmx=True).status_code == 204
    tap(school, desk, 3, uid=school.uids[2])
    piece = admin.get(f"/registry/card-desk/live?v={version}", htmx=True).text
    assert "Student 002" in piece and 'hx-swap-oob="true"' in piece and "<html" not in piece
    school.now_ms += 11 * 60_000
    assert "No card in the last ten minutes" in said(admin.get("/registry/card-desk"))


def test_the_card_desk_is_for_whoever_changes_the_campus(school, signed, anonymous):
    school.reader("desk-1", room=None)
    assert anonymous.get("/registry/card-desk").status_code in (303, 401)
    for name in ("ada", "tess"):
        assert signed(name).get("/registry/card-desk").status_code in (403, 404)


def test_whose_card_it_is_of_somebody_in_another_care_is_not_told(there, enter):
    world = there.world
    board = world.reader("desk-9", room=None)
    uid = bytes([4, 7, 7, 7])
    person = world.person("Somebody Else", uid)
    board.boot(at_ms=there.now_ms - 3_600_000)
    world.now_ms = there.now_ms
    world.deliver(*board.lines, board.swipe(uid, there.now_ms - 5000))
    assert person
    shown = said(enter("rex").get("/registry/card-desk"))
    assert "not in your care" in shown and "Somebody Else" not in shown
