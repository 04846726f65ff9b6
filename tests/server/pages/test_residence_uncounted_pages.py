"""What somebody did at a kiosk that did not count, and a check-in without a time: on each page where somebody decides."""

import csv
import html
import io
import re

from server.store import residence_admin
from server.store.schema_residence import evening_act
from tests.rules import rule
from tests.server.pages.home import CLOSES, DAY, HOUR, MIN, OPENS

EARLY = "came at 17:58 by finger, before hours: does not count"


def words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def line_of(answer, name: str) -> str:
    """What a list says in one resident's line."""
    assert answer.status_code == 200, answer.text
    (found,) = [one for one in re.findall(r"<li[ >].*?</li>", answer.text, re.S) if name in one]
    return words(found)


def over(home):
    home.known(CLOSES + MIN)
    home.now(CLOSES + HOUR)


@rule("DDU-12", "DDU-13")
def test_that_somebody_came_before_hours_is_said_wherever_they_are_called_missing(home):
    home.check_in(0, OPENS - 2 * MIN)
    over(home)
    ros, at = home.visitor("ros"), f"/residence/houses/{home.house}"
    for page in ("", "/missing", "/roll-call"):
        line = line_of(ros.get(f"{at}{page}?day={DAY}"), "Amara Okafor")
        assert "missing" in line and EARLY in line.replace("Came", "came"), page
        assert "does not count" not in line_of(ros.get(f"{at}{page}?day={DAY}"), "Chen Yu-Ting")
    dates = f"since={DAY}&until={DAY}"
    for who, page in (("ros", f"/residence/residents/{home.people[0]}?{dates}"), ("sam", f"/me/residence?{dates}")):
        text = words(home.visitor(who).get(page).text)
        assert "missing" in text and EARLY in text.replace("Came", "came"), page
        assert "counts against no check-in that counts" in text


@rule("DDU-12", "DDU-14")
def test_the_month_and_its_file_say_what_did_not_count_too(home):
    home.check_in(0, OPENS - 2 * MIN)
    over(home)
    ros, at = home.visitor("ros"), f"/residence/houses/{home.house}/month"
    text = words(ros.get(f"{at}?month={DAY:%Y-%m}").text)
    assert f"missing: {EARLY}" in text
    assert re.search(rf"does not count by itself .* Amara Okafor , Monday 21 September 2026 : {EARLY}", text)
    header, *rows = csv.reader(
        io.StringIO(ros.get(f"{at}/file?month={DAY:%Y-%m}&form=csv").content.decode("utf-8-sig"))
    )
    said = {row[0]: row[header.index("Did not count")] for row in rows}
    assert EARLY in said["Amara Okafor"] and "21 Sep" in said["Amara Okafor"] and said["Chen Yu-Ting"] == ""


@rule("DDU-12")
def test_a_witnessed_check_in_at_another_house_is_named_to_their_own_house_and_not_to_that_one(home):
    porter = home.world.person("W1", home.school.uids[5])
    home.hall.do(residence_admin.add_duty, home.hall.admin, home.south, porter, OPENS - HOUR, home.world.now_ms)
    word = {"method": "witness", "witness": home.school.uids[5], "board": home.south_board}
    line = home.hall.check_in(home.school.uids[0], OPENS + HOUR, **word)
    home.hall.deliver(home.south_board.lines[0], line)
    over(home)
    ros, lou = home.visitor("ros"), home.visitor("lou")
    found = line_of(ros.get(f"/residence/houses/{home.house}/missing?day={DAY}"), "Amara Okafor")
    assert "Came at 19:00 by card and a witness, with W1 Example, at the kiosk of South House: does not count" in found
    assert "A check-in at another house" in words(ros.get("/residence/flags").text)
    assert "Amara" not in lou.get("/residence/flags").text
    assert lou.get(f"/residence/residents/{home.people[0]}").status_code == 404


@rule("DDU-12", "DDU-13")
def test_staff_settle_a_check_in_without_a_time_from_the_missing_list(home):
    home.check_in(0, OPENS + HOUR, clock="none")
    over(home)
    ros = home.visitor("ros")
    page = f"/residence/houses/{home.house}/missing?day={DAY}"
    line = line_of(ros.get(page), "Amara Okafor")
    assert "? not known" in line and "one of their check-ins has no time: it was made between" in line
    assert "That check-in was on another evening" in line
    assert "on another evening" not in line_of(ros.get(page), "Chen Yu-Ting")
    form = {"csrf": ros.csrf(page), "house": str(home.house), "day": DAY.isoformat(), "do": "not-then", "text": ""}
    at = f"/residence/residents/{home.people[0]}/acts"
    assert ros.post(at, form).status_code == 409 and home.world.all(evening_act) == []
    assert ros.post(at, form | {"text": "She says Monday"}).status_code == 303
    line = line_of(ros.get(page), "Amara Okafor")
    assert "missing" in line and "the check-in without a time was not this evening's: She says Monday" in line
    (made,) = home.world.all(evening_act)
    assert ros.post(f"/residence/acts/{made.id}/withdraw", form).status_code == 303
    assert "? not known" in line_of(ros.get(page), "Amara Okafor")
