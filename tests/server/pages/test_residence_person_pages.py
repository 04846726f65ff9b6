"""One resident's page and the resident's own: the 75 % explained, leave, consent and enrolment, PIN, flags, the month."""

import csv
import io
import re

from server import residence_texts
from server.policy.oddities import OPENED, Odd
from server.store import residence_admin, residence_flags, schema
from server.store.engine import writing
from server.store.schema import audit
from server.store.schema_residence import consent, duty_note, pin, residence_flag, residence_leave, template
from tests.rules import rule
from tests.server.pages.home import CLOSES, DAY, HOUR, MIN, OPENS
from tests.server.pages.test_residence_board_pages import line_of, words


def at(home, place: int, more: str = "") -> str:
    return f"/residence/residents/{home.people[place]}{more}"


@rule("DDU-14")
def test_the_percentage_is_explained_evening_by_evening_to_staff_and_to_the_resident(home):
    home.check_in(0, OPENS + HOUR)
    home.known(CLOSES + MIN)
    home.now(CLOSES + HOUR)
    since = f"?since={DAY}&until={DAY}"
    for visitor, page in ((home.visitor("ros"), at(home, 0)), (home.visitor("sam"), "/me/residence")):
        text = words(visitor.get(page + since))
        assert "1/1 = 100.0 %" in text and "at or above 75 %" in text and "At least 75 % of the evenings" in text
        assert "Monday 21 September 2026" in text and "counts checked in by finger" in text
    text = words(home.visitor("ros").get(at(home, 1) + since))
    assert "0/1 = 0.0 % below 75 %" in text and "counts against no check-in" in text


@rule("DDU-12", "DDU-14")
def test_a_resident_asks_for_leave_and_reads_what_staff_answered(home):
    sam, ros = home.visitor("sam"), home.visitor("ros")
    form = {"csrf": sam.csrf("/me/residence"), "first": "2026-09-22", "last": "2026-09-23", "text": "My sister marries"}
    assert sam.post("/me/residence/leave", form | {"first": ""}).status_code == 409
    assert sam.post("/me/residence/leave", form).headers["location"] == "/me/residence?said=asked"
    assert "waits for an answer" in words(sam.get("/me/residence"))
    answer = ros.get("/residence/leaves")
    assert "Amara Okafor" in answer.text and "My sister marries" in answer.text
    (leave,) = home.world.all(residence_leave)
    decide = {"csrf": ros.csrf("/residence/leaves"), "do": "refuse"}
    told = ros.post(f"/residence/leaves/{leave.id}/decide", decide)
    assert told.status_code == 409 and "Say why it is refused" in told.text
    assert [one.state for one in home.world.all(residence_leave)] == ["asked"]
    answer = ros.post(f"/residence/leaves/{leave.id}/decide", decide | {"do": "approve", "text": "Enjoy it"})
    assert answer.headers["location"] == "/residence/leaves?said=approved"
    text = words(sam.get("/me/residence"))
    assert "approved" in text and "“Enjoy it”" in text
    home.now(OPENS + 25 * HOUR)
    answer = home.visitor("ros").get(f"/residence/houses/{home.house}")
    assert "on leave" in line_of(answer, "Amara Okafor")


@rule("DDU-12")
def test_nobody_answers_their_own_leave_nor_one_of_another_house(home):
    home.account("own", "residence", home.people[0], home.house)
    sam, own, lou = home.visitor("sam"), home.visitor("own"), home.visitor("lou")
    sam.post("/me/residence/leave", {"csrf": sam.csrf("/me/residence"), "first": "2026-09-22", "last": "2026-09-22"})
    (leave,) = home.world.all(residence_leave)
    path = f"/residence/leaves/{leave.id}/decide"
    assert "somebody else on duty answers it" in own.get("/residence/leaves").text
    assert own.post(path, {"csrf": own.csrf("/account"), "do": "approve"}).status_code == 403
    assert lou.post(path, {"csrf": lou.csrf("/account"), "do": "approve"}).status_code == 404
    assert sam.post(path, {"csrf": sam.csrf("/account"), "do": "approve"}).status_code == 403
    assert [one.state for one in home.world.all(residence_leave)] == ["asked"]


@rule("DDU-12")
def test_a_finger_is_enrolled_only_after_the_words_were_read_and_agreed_to_and_they_are_kept(home):
    ros = home.visitor("ros")
    page = at(home, 1, "/enrol")
    answer = ros.get(f"{page}?language=de")
    assert 'lang="de"' in answer.text and "Ich muss nicht zustimmen" in answer.text
    text = residence_texts.newest("de")
    form = {"csrf": ros.csrf(page), "language": "de", "digest": text.digest, "kiosk": str(home.hall.reader_id)}
    answer = ros.post(page, form)
    assert answer.status_code == 409 and "tick that the resident" in answer.text.casefold()
    assert ros.post(page, form | {"agreed": "yes", "digest": "of other words"}).status_code == 409
    assert home.world.all(consent) == [] and home.world.all(template) == []
    assert ros.post(page, form | {"agreed": "yes"}).headers["location"] == at(home, 1, "?said=armed")
    (kept,) = home.world.all(consent)
    assert (kept.person_id, kept.text_version, kept.text_digest, kept.language) == (
        home.people[1], text.version, text.digest, "de"
    )  # fmt: skip
    assert kept.taken_by_account_id == home.school.accounts["ros"]
    text_shown = words(ros.get(at(home, 1)))
    assert "waits for the finger at the kiosk" in text_shown
    # Before whom, in which language, and the very words: not those of today, where they are others.
    assert "before Ros, in Deutsch" in text_shown and "Ich muss nicht zustimmen" in text_shown


@rule("DDU-12")
def test_words_that_are_not_at_hand_any_more_are_not_shown_as_others(home):
    with writing(home.world.engine) as connection:
        connection.execute(consent.insert().values(
            institution_id=home.world.institution_id, person_id=home.people[0], purpose="finger",
            text_version="2020-01-01", text_digest="c0ffee" * 10, language="de", given_ms=OPENS,
            taken_by_account_id=home.school.accounts["ros"], withdrawn_ms=OPENS + MIN,
            withdrawn_by_account_id=home.school.accounts["sam"],
        ))  # fmt: skip
    for visitor, page in (("ros", at(home, 0)), ("sam", "/me/residence")):
        text = words(home.visitor(visitor).get(page))
        assert "words 2020-01-01, digest c0ffeec0ffee" in text and "taken back" in text and "by Sam" in text
        assert "What was agreed to" not in text


@rule("DDU-12")
def test_a_resident_takes_the_consent_back_alone_and_at_once(home):
    ros, sam = home.visitor("ros"), home.visitor("sam")
    page, text = at(home, 0, "/enrol"), residence_texts.newest("en")
    ros.post(page, {"csrf": ros.csrf(page), "language": "en", "digest": text.digest, "agreed": "yes",
                    "kiosk": str(home.hall.reader_id)})  # fmt: skip
    assert "Take my consent back" in sam.get("/me/residence").text
    answer = sam.post("/me/residence/consent/withdraw", {"csrf": sam.csrf("/me/residence")})
    assert answer.headers["location"] == "/me/residence?said=consent-withdrawn"
    assert [one.withdrawn_ms for one in home.world.all(consent)] == [home.school.now_ms]
    assert {one.state for one in home.world.all(template)} == {"erased"}
    assert "Take my consent back" not in sam.get("/me/residence").text


@rule("DDU-12")
def test_staff_of_the_house_that_somebody_left_see_its_evenings_and_nothing_beside_them(home):
    home.check_in(0, OPENS + HOUR)
    with writing(home.world.engine) as connection:
        residence_admin.add_resident(
            connection, home.hall.admin, home.south, home.people[0], CLOSES + HOUR, CLOSES + HOUR
        )
    home.now(CLOSES + 20 * HOUR)
    ros, lou = home.visitor("ros"), home.visitor("lou")
    text = words(ros.get(at(home, 0)))
    assert "in 19:00" in text and "in your care any more" in text and "New PIN" not in text and "Leave" not in text
    form = {"csrf": ros.csrf("/account"), "pin": "4729", "again": "4729"}
    assert ros.post(at(home, 0, "/pin"), form).status_code == 404 and home.world.all(pin) == []
    assert ros.get(at(home, 0, "/enrol")).status_code == 404
    text = words(lou.get(at(home, 0)))
    assert "New PIN" in text and "in 19:00" not in text


@rule("DDU-12")
def test_a_pin_is_typed_twice_and_shown_by_no_page(home):
    ros = home.visitor("ros")
    page = at(home, 2)
    form = {"csrf": ros.csrf(page), "pin": "4729", "again": "4792"}
    answer = ros.post(f"{page}/pin", form)
    assert answer.status_code == 409 and "not the same" in answer.text and "4729" not in answer.text
    answer = ros.post(f"{page}/pin", form | {"pin": "1111", "again": "1111"})
    assert answer.status_code == 409 and "1111" not in answer.text and home.world.all(pin) == []
    assert ros.post(f"{page}/pin", form | {"again": "4729"}).headers["location"] == f"{page}?said=pin"
    answer = ros.get(page)
    assert "A PIN is set" in words(answer) and "4729" not in answer.text
    assert b"4729" not in b"".join(bytes(one.hash) for one in home.world.all(pin))
    assert "4729" not in "".join(row.detail or "" for row in home.world.all(audit))


@rule("DDU-12")
def test_a_flag_is_closed_by_a_person_with_words(home):
    with writing(home.world.engine) as connection:
        odd = Odd(kind=OPENED, subject="k-1 2026-09-21", house_id=home.house, reader_id=home.hall.reader_id,
                  person_id=None, at_ms=OPENS, last_ms=OPENS + MIN, count=2, detail={"first_ms": OPENS})  # fmt: skip
        residence_flags.raise_all(connection, home.world.institution_id, [odd])
    ros, lou = home.visitor("ros"), home.visitor("lou")
    text = words(ros.get("/residence/flags"))
    assert "The kiosk was opened" in text and "kiosk k-1" in text and "2 times, 18:00 to 18:01" in text
    assert "The kiosk was opened" not in lou.get("/residence/flags").text
    (flag,) = home.world.all(residence_flag)
    path = f"/residence/flags/{flag.id}/close"
    assert lou.post(path, {"csrf": lou.csrf("/account"), "text": "mine"}).status_code == 404
    form = {"csrf": ros.csrf("/residence/flags"), "text": ""}
    assert ros.post(path, form).status_code == 409
    assert ros.post(path, form | {"text": "I changed the lamp"}).status_code == 303
    assert "Nothing looks odd" in ros.get("/residence/flags").text
    text = words(ros.get("/residence/flags?closed=yes"))
    assert "I changed the lamp" in text and "Ros, 20:00" in text


@rule("DDU-14")
def test_the_month_is_a_page_and_a_file_in_which_no_cell_is_a_formula(home):
    home.check_in(0, OPENS + HOUR)
    home.known(CLOSES + MIN)
    home.now(CLOSES + HOUR)
    with writing(home.world.engine) as connection:
        named = schema.person_name
        connection.execute(
            named.update().where(named.c.person_id == home.people[0]).values(full_name="=1+1", sort_name="=1+1")
        )
    ros = home.visitor("ros")
    base = f"/residence/houses/{home.house}/month"
    assert "September 2026" in words(ros.get(f"{base}?month=2026-09"))
    answer = ros.get(f"{base}/file?month=2026-09&form=csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    (first,) = [row for row in rows if row["Number"] == "s0"]
    assert first["Full name"] == "'=1+1" and first["In by finger"] == "1" and len(rows) == 6
    assert re.fullmatch(r"\d+\.\d %", first["Percentage"])
    assert ros.get(f"{base}/file?month=2026-09&form=xlsx").content[:2] == b"PK"
    assert ros.get(f"{base}/file?month=2026-09&form=exe").status_code == 400
    assert [row.action for row in home.world.all(audit)].count("residence.export") == 2


@rule("DDU-12")
def test_what_was_typed_stands_in_a_form_that_comes_back(home):
    ros, sam = home.visitor("ros"), home.visitor("sam")
    csrf = {"csrf": sam.csrf("/me/residence")}
    asked = {"first": "2026-09-23", "last": "2026-09-22", "text": 'My sister\'s "day"'}
    for visitor, path in ((sam, "/me/residence/leave"), (ros, at(home, 0, "/leave"))):
        token = csrf if visitor is sam else {"csrf": ros.csrf(at(home, 0))}
        answer = visitor.post(path, token | asked)
        assert answer.status_code == 409
        assert 'name="first" type="date" value="2026-09-23"' in answer.text
        assert 'name="last" type="date" value="2026-09-22"' in answer.text
        assert 'value="My sister&#39;s &#34;day&#34;"' in answer.text
    sam.post("/me/residence/leave", csrf | asked | {"last": "2026-09-23"})
    (leave,) = home.world.all(residence_leave)
    form = {"csrf": ros.csrf("/residence/leaves"), "text": "Perhaps"}
    assert 'value="Perhaps"' in ros.post(f"/residence/leaves/{leave.id}/decide", form).text
    missing = {"house": str(home.house), "day": DAY.isoformat(), "do": "excuse", "text": "an aunt"}
    answer = ros.post(at(home, 1, "/acts"), form | missing)
    assert answer.status_code == 409 and answer.text.count('value="an aunt"') == 1 == answer.text.count(
        "<details open>"
    )
    answer = ros.post(f"/residence/houses/{home.house}/notes", form | {"text": "The lift " + "sticks " * 900})
    assert answer.status_code == 413 and home.world.all(duty_note) == []


@rule("DDU-14")
def test_leave_is_for_evenings_on_which_they_live_there(home):
    sam = home.visitor("sam")
    form = {"csrf": sam.csrf("/me/residence"), "first": "1971-09-22", "last": "1971-09-23"}
    answer = sam.post("/me/residence/leave", form)
    assert answer.status_code == 409 and "look at the year" in answer.text
    assert home.world.all(residence_leave) == []
