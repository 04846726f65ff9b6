"""A resident's file has everything of an evening, of the finger, the PIN and leave, and nothing of the neighbour (DDU-12)."""

import json

import pytest

from server.store import person_export, residence_acts, residence_leaves, residence_pins, residence_templates
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence


@pytest.fixture
def hall(world):
    """Two residents of whom everything is known that can be."""
    made = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    for n, said in enumerate(("mine", "the neighbour's")):
        person = world.students[n]
        made.do(
            residence_templates.arm, made.warden, person, made.reader_id, "2026-11-22", OPENS,
            text_digest="ab", language="cy",
        )  # fmt: skip
        made.do(residence_pins.set_pin, made.warden, world.vault, person, "4729", OPENS)
        for kind, reason in (("call", ""), ("entry", "injury"), ("excuse", "family"), ("note", "")):
            text = f"{said}: {kind}"
            made.do(residence_acts.act, made.warden, world.profiles, person, DAY, kind, reason, text, OPENS + HOUR)
        leave = made.do(residence_leaves.ask, made.warden, person, DAY, DAY, f"{said}: leave", OPENS)
        made.do(residence_leaves.decide, made.warden, leave, True, f"{said}: answer", OPENS + 1)
        made.check_in(
            UIDS[n], OPENS + MIN, method="pin", witness=WARDEN_UID, place="in", cell="51.50,-0.12", fix="good"
        )
        for m in range(3):
            made.event("finger-refused", OPENS + m * MIN, uid=UIDS[n])
    made.deliver(*made.board.lines, made.board.hello(), made.board.head(CLOSES + MIN))
    return made


@rule("DDU-12", "DDU-14")
def test_a_residents_file_has_all_of_the_residence_about_them_and_nothing_of_the_neighbour(hall):
    w = hall.w
    text = "".join(person_export.stream(w.engine, w.institution_id, w.students[0], w.now_ms))
    made = json.loads(text)
    kept = {name: one["rows"] for name, one in made["kept"].items()}
    (lives,) = kept["residency"]
    assert (lives["floor"], lives["room"]) == ("0", "0")
    assert made["houses"] == [{"id": hall.house, "code": "H1", "name": "North House"}]
    (came,) = kept["check_in"]
    assert (came["method"], came["place"], came["cell"], came["fix"]) == ("pin", "in", "51.50,-0.12", "good")
    assert came["witness_token"].startswith("(withheld") and kept["check_in_reading"][0]["evening"] == DAY.isoformat()
    assert [row["event"] for row in kept["kiosk_event"]] == ["finger-refused"] * 3
    (agreed,) = kept["consent"]
    assert (agreed["text_version"], agreed["language"], agreed["taken_by_account_id"]) == (
        "2026-11-22",
        "cy",
        "another",
    )
    (finger,) = kept["template"]
    assert finger["state"] == "wanted"
    # That there is a PIN, since when and how it stands; nothing to find it out with.
    assert {row["set_ms"] for row in kept["pin"]} == {OPENS}
    assert all(row["hash"].startswith("(withheld") for row in kept["pin"]) and "4729" not in text
    assert {row["kind"] for row in kept["evening_act"]} == {"call", "entry", "excuse", "note"}
    assert [row["state"] for row in kept["residence_leave"]] == ["approved"]
    assert [row["kind"] for row in kept["residence_flag"]] == ["one-card"]
    notes = {row["text"] for row in kept["note"]}
    assert notes == {f"mine: {one}" for one in ("call", "entry", "excuse", "note", "leave", "answer")}
    assert "neighbour" not in text
