"""Tonight's board, the list of who is not in, and hand-over notes: as staff on duty use them, through their forms."""

import re

import pytest

from server.policy import evenings
from server.store import alarms, schema_residence
from server.store.engine import writing
from server.store.schema_residence import evening_act
from tests.rules import rule
from tests.server.pages.home import CLOSES, DAY, HOUR, MIN, OPENS, WARDEN_UID
from tests.server.pages.school import version_of


def words(answer) -> str:
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def line_of(answer, name: str) -> str:
    """What the board says in one resident's line."""
    (found,) = [one for one in re.findall(r"<li.*?</li>", answer.text, re.S) if name in one]
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


@rule("DDU-12", "DDU-13")
def test_the_board_says_who_is_in_by_floor_and_up_to_when_it_holds(home):
    home.check_in(0, OPENS + HOUR)
    home.known(OPENS + 2 * HOUR - MIN)
    ros = home.visitor("ros")
    assert "<h1>North House</h1>" in ros.get("/residence").text
    answer = ros.get(f"/residence/houses/{home.house}")
    text = words(answer)
    assert "Complete up to 19:58" in text and "“Missing” is said only after 22:00" in text
    assert re.search(r"1 in .*of 6", text) and "Floor 0 1 of 2 in" in text
    assert "in 19:00 by finger" in line_of(answer, "Amara Okafor")
    assert "not in yet" in line_of(answer, "Chen Yu-Ting")


@rule("DDU-12")
def test_card_pin_and_witness_and_an_entry_by_staff_look_the_same_as_a_finger(home):
    home.check_in(0, OPENS + HOUR)
    home.check_in(1, OPENS + HOUR, method="pin", witness=WARDEN_UID)
    ros = home.visitor("ros")
    page = f"/residence/houses/{home.house}/missing"
    ros.post(f"/residence/residents/{home.people[2]}/acts", {"csrf": ros.csrf(page), "do": "entry", "reason": "injury"})
    answer = ros.get(f"/residence/houses/{home.house}")
    tags = re.findall(r'<span class="tag good"><span class="shape" aria-hidden="true">●</span> in', answer.text)
    assert len(tags) == 3 and "3 in 2 without a finger" in words(answer)
    assert "by card and PIN, with W0 Example" in line_of(answer, "Chen Yu-Ting")
    assert "entered by Ros" in line_of(answer, "Elif")


@rule("DDU-13")
def test_nobody_is_missing_before_the_kiosk_has_told_of_the_whole_evening(home):
    home.known(OPENS + 3 * HOUR)
    home.now(CLOSES + HOUR)
    ros = home.visitor("ros")
    text = words(ros.get(f"/residence/houses/{home.house}?day={DAY}"))
    assert "what happened after 20:59 is not known yet" in text and "Nobody is called missing" in text
    assert "? not known" in text and "▲ missing" not in text.replace("0 missing", "")
    home.known(CLOSES + MIN)
    text = words(ros.get(f"/residence/houses/{home.house}?day={DAY}"))
    assert "complete up to 22:00: “missing” means no check-in" in text and "6 missing" in text


def off(home, from_ms, to_ms):
    """The kiosk was off from then to then, and is heard of again after the evening."""
    board = home.hall.board
    home.now(CLOSES + HOUR)
    lines = [*board.lines, board.head(from_ms)]
    board.boot(at_ms=to_ms)
    home.hall.deliver(*lines, board.lines[-1], board.hello(), board.head(max(to_ms, CLOSES) + MIN))


@rule("DDU-12", "DDU-13")
def test_whom_a_kiosk_that_was_off_kept_from_checking_in_is_not_missing_and_is_looked_for(home):
    home.check_in(0, OPENS + 10 * MIN)
    off(home, OPENS + 30 * MIN, CLOSES + 5 * MIN)
    ros = home.visitor("ros")
    answer = ros.get(f"/residence/houses/{home.house}?day={DAY}")
    text = words(answer)
    assert "The evening is over, but the kiosks were down from 18:29 to 22:00" in text.replace("18:30", "18:29")
    assert "0 missing 5 not known" in re.sub(r"[^\w ]+ ?", "", text)
    assert "? not known the kiosks were down from 18:" in line_of(answer, "Chen Yu-Ting")
    answer = ros.get(f"/residence/houses/{home.house}/missing?day={DAY}")
    hidden = [one for one in re.findall(r"<li id=.*?>", answer.text) if " hidden" in one]
    assert "5 residents not in" in words(answer) and len(hidden) == 1, "they are looked for as those missing are"
    assert "It is not known: the kiosks were down from 18:" in line_of(answer, "Zoë van der Berg")


@rule("DDU-12")
def test_a_kiosk_that_there_may_be_two_of_is_said_to_need_a_technician(home):
    world = home.world
    home.known(CLOSES + MIN)
    home.hall.do(
        alarms.raise_, world.institution_id, alarms.CLONE, "k-1", "two", world.now_ms, reader_id=home.hall.reader_id
    )
    text = words(home.visitor("ros").get(f"/residence/houses/{home.house}?day={DAY}"))
    assert "there may be two of k-1, so that a technician must look" in text and "0 missing" in text
    assert "Kiosk k-1: there may be two of it, so nothing is known of it" in text


@rule("DDU-14")
def test_the_month_and_each_evening_say_why_it_is_not_known(home):
    off(home, OPENS - MIN, CLOSES + 5 * MIN)
    ros = home.visitor("ros")
    month = words(ros.get(f"/residence/houses/{home.house}/month?month={DAY:%Y-%m}"))
    assert re.search(r"Not known These evenings .* the kiosks were down from 18:00 to 22:00", month)
    for who, at in (("ros", f"/residence/residents/{home.people[0]}"), ("sam", "/me/residence")):
        text = words(home.visitor(who).get(f"{at}?since={DAY}&until={DAY}"))
        assert "not counted the kiosks were down from 18:00 to 22:00" in text, text
        assert "nothing counts yet" in text


@rule("DDU-12")
def test_the_board_asks_again_and_is_sent_only_when_something_changed(home):
    ros = home.visitor("ros")
    at = f"/residence/houses/{home.house}"
    version = version_of(ros.get(at).text.replace("&amp;day", '"'))
    assert ros.get(f"{at}/live?v={version}&day={DAY}", htmx=True).status_code == 204
    home.check_in(3, OPENS + 2 * HOUR - MIN)
    answer = ros.get(f"{at}/live?v={version}&day={DAY}", htmx=True)
    assert answer.status_code == 200 and 'hx-swap-oob="true"' in answer.text and "1 of 2 in" in words(answer)


@rule("DDU-12")
def test_staff_of_another_house_see_and_do_nothing_here(home):
    lou = home.visitor("lou")
    for at in ("", "/missing", "/notes", "/roll-call", "/month", "/live"):
        assert lou.get(f"/residence/houses/{home.house}{at}").status_code == 404, at
    assert lou.get(f"/residence/residents/{home.people[0]}").status_code == 404
    csrf = lou.csrf("/account")
    path = f"/residence/residents/{home.people[0]}/acts"
    assert lou.post(path, {"csrf": csrf, "do": "entry", "reason": "injury"}).status_code == 404
    assert home.world.all(evening_act) == []


@rule("DDU-12")
def test_one_tap_notes_a_call_and_it_is_taken_back_again(home):
    ros = home.visitor("ros")
    page = f"/residence/houses/{home.house}/missing"
    assert "6 residents not in" in words(ros.get(page))
    form = {"csrf": ros.csrf(page), "house": str(home.house), "day": DAY.isoformat(), "do": "no-answer"}
    answer = ros.post(f"/residence/residents/{home.people[1]}/acts", form)
    assert answer.headers["location"].startswith(page)
    answer = ros.get(page)
    assert "called: No answer Ros, 20:00" in line_of(answer, "Chen Yu-Ting") and "6 residents not in" in words(answer)
    (made,) = home.world.all(evening_act)
    assert (made.kind, made.person_id) == ("call", home.people[1])
    answer = ros.post(f"/residence/acts/{made.id}/withdraw", form)
    assert answer.headers["location"].startswith(page)
    assert "called" not in line_of(ros.get(page), "Chen Yu-Ting")
    assert [one.withdrawn_ms for one in home.world.all(evening_act)] == [home.school.now_ms]


@rule("DDU-12")
def test_an_excuse_and_an_entry_want_a_reason_and_say_so_on_the_list(home):
    ros = home.visitor("ros")
    page = f"/residence/houses/{home.house}/missing"
    form = {"csrf": ros.csrf(page), "house": str(home.house), "day": DAY.isoformat()}
    at = f"/residence/residents/{home.people[1]}/acts"
    answer = ros.post(at, form | {"do": "excuse"})
    assert answer.status_code == 409 and "Say why" in answer.text and "Not in yet" in answer.text
    assert ros.post(at, form | {"do": "excuse", "reason": "other"}).status_code == 409
    assert home.world.all(evening_act) == []
    assert ros.post(at, form | {"do": "excuse", "reason": "guest-visit", "text": "an aunt"}).status_code == 303
    assert "excused by Ros" in line_of(ros.get(f"/residence/houses/{home.house}"), "Chen Yu-Ting")
    assert home.hall.states()[home.people[1]] == evenings.EXCUSED


@rule("DDU-12")
def test_only_the_rows_that_changed_are_sent_to_an_open_list(home):
    ros = home.visitor("ros")
    page = f"/residence/houses/{home.house}/missing"
    (address,) = re.findall(r'hx-get="([^"]+)"', ros.get(page).text)
    address = address.replace("&amp;", "&")
    assert ros.get(address, htmx=True).status_code == 204
    home.check_in(4, OPENS + 2 * HOUR - MIN)
    answer = ros.get(address, htmx=True)
    assert re.findall(r'<li id="(r\d+)"', answer.text) == [f"r{home.people[4]}"]
    assert "in 19:59" in line_of(answer, "Tomás") and "5 residents not in" in words(answer)


@rule("DDU-12")
def test_a_note_reaches_the_next_shift_and_an_auditor_reads_it_but_writes_none(home):
    ros, otto = home.visitor("ros"), home.visitor("otto")
    at = f"/residence/houses/{home.house}/notes"
    form = {"csrf": ros.csrf(at), "text": "The lift sticks; the porter knows."}
    assert ros.post(at, form | {"text": " "}).status_code == 409
    assert ros.post(at, form).headers["location"] == f"{at}?said=noted"
    text = words(otto.get(at))
    assert "The lift sticks" in text and "Ros, 20:00" in text and "Leave the note" not in text
    assert otto.post(at, {"csrf": otto.csrf("/account"), "text": "x"}).status_code == 403


@rule("DDU-12")
@pytest.mark.parametrize(
    ("able", "says"),
    [("list", "it has no list of residents, and can check nobody in"), ("chip", "it says that it needs a technician")],
)
def test_the_board_says_what_keeps_a_kiosk_from_checking_anybody_in(home, able, says):
    board = home.hall.board
    home.hall.deliver(*board.lines, board.head(OPENS + 2 * HOUR - MIN, able=able))
    assert f"; {says} ." in words(home.visitor("ros").get(f"/residence/houses/{home.house}"))


def test_a_technician_sees_whose_kiosk_a_reader_is_and_that_its_lamp_is_off_at_rest(home):
    board = home.hall.board
    home.hall.deliver(*board.lines, board.hello(roster=OPENS), board.head(OPENS + 2 * HOUR - MIN))
    text = words(home.visitor("tess").get("/doors"))
    assert "Kiosk, North House k-1" in text and "off until somebody checks in" in text
    assert "Kiosk, South House k-2" in text and "no room" not in text


@rule("DDU-12")
def test_at_night_the_roll_call_is_of_the_evening_before_with_whoever_slept_or_lives_here(home):
    home.check_in(0, OPENS + HOUR)
    home.known(CLOSES + MIN)
    gone, come = home.people[1], home.people[5]
    with writing(home.world.engine) as c:
        table = schema_residence.residency
        midnight_ms = OPENS + 6 * HOUR
        c.execute(table.update().where(table.c.person_id == gone).values(to_ms=midnight_ms))
        c.execute(table.update().where(table.c.person_id == come).values(from_ms=midnight_ms + 8 * HOUR))
    path = f"/residence/houses/{home.house}/roll-call"
    for hours, many in ((9, 5), (16, 6)):  # three at night; ten in the morning, when somebody has moved in
        home.now(OPENS + hours * HOUR)
        text = words(home.visitor("ros").get(path))
        assert "Monday 21 September 2026: The evening is over and complete up to 22:00" in text
        assert "Amara Okafor in 19:00" in text.replace("● ", "").replace("✓ ", "") and "Chen Yu-Ting" in text
        assert f"{many} residents" in text and ("Zoë van der Berg" in text) == (many == 6)
    # From the next opening on it is the evening's.
    home.now(OPENS + 24 * HOUR + MIN)
    text = words(home.visitor("ros").get(path))
    assert "Tuesday 22 September 2026" in text and "Chen Yu-Ting" not in text and "5 residents" in text
