"""The kiosk whole, as a process: cards, fingers, keys and a display on one side, a real broker and a store on the other."""

import re
import signal
import time

import pytest

from firmware.contract.residents import ENROL, NO_PIN, NO_SLOT, RESIDENT, STAFF, Entry, Place
from simulator.gps import Receiver, ReceiverPort
from simulator.r30x_finger import Finger
from tests.firmware.pi.kiosk_process import ADA, BEN, SAM, Around, Kiosk, KioskStore, pin, token, word
from tests.rules import rule

ADAS, BENS = Finger(person="ada"), Finger(person="ben")
STAFF_SAM = Entry(token(SAM), NO_SLOT, 0, STAFF, NO_PIN)
BEN_PIN = Entry(token(BEN), NO_SLOT, 0, RESIDENT, pin(BEN))
TO_ENROL = Entry(token(ADA), 5, 7, RESIDENT | ENROL, pin(ADA))
ENROLLED = Entry(token(ADA), 5, 7, RESIDENT, pin(ADA))
WITHDRAWN = Entry(token(ADA), NO_SLOT, 0, RESIDENT, pin(ADA))


@pytest.fixture
def around(tmp_path):
    made = Around(tmp_path)
    yield made
    made.close()  # raises where a template was asked for


@pytest.fixture
def store(mosquitto):
    made = KioskStore(mosquitto.port)
    yield made
    made.close()


@pytest.fixture
def start(repo, tmp_path, mosquitto, around):
    kiosks = []

    def start(*more, **changed):
        kiosks.append(Kiosk(repo, tmp_path, mosquitto.port, around, *more, **changed))
        return kiosks[-1]

    yield start
    for kiosk in kiosks:
        if kiosk._process.poll() is None:
            kiosk.end(signal.SIGKILL)


@rule("DDU-12")
def test_from_the_enrolment_to_the_withdrawal_every_record_reaches_the_store(start, store, around):
    store.push(TO_ENROL, BEN_PIN, STAFF_SAM)
    kiosk = start()
    kiosk.ready()
    kiosk.enrol(SAM, ADA, ADAS)
    kiosk.shows("Enrolled")
    around.fingers.lift()
    store.wait(lambda s: "enrolled" in s.events())
    said = store.of("kiosk")[-1]
    assert (said["slot"], said["generation"], said["subject"], said["by"]) == (5, 7, word(ADA), word(SAM))
    assert around.fingers.seen("whole") == {5}
    store.push(ENROLLED, BEN_PIN, STAFF_SAM)
    kiosk.shows("Evening check-in")

    # Card, finger, green, and a record with the right MAC.
    greens = kiosk.greens()
    kiosk.card(ADA)
    kiosk.shows("Place your finger")
    around.fingers.place(ADAS)
    kiosk.shows("Recorded")
    around.fingers.lift()
    kiosk.until(lambda: kiosk.greens() == greens + 1)
    store.wait(lambda s: s.of("checkin"))
    said = store.of("checkin")[0]
    assert (said["method"], said["verdict"], said["evidence"]) == ("finger", "green", "t" + word(ADA))
    assert (said["place"], said["cell"], said["fix"]) == ("fixed", "51.50,-0.12", None)

    # Ben's finger on Ada's card is refused, and she gives her PIN before a witness.
    kiosk.shows("Evening check-in")
    kiosk.card(ADA)
    kiosk.shows("Place your finger")
    around.fingers.place(BENS)
    kiosk.shows("Not recognised")
    around.fingers.lift()
    around.press("*")
    kiosk.shows("Your PIN, then #")
    around.press("1111#")
    kiosk.shows("Wrong PIN")
    around.press("2468#")
    kiosk.shows("PIN is right")
    kiosk.card(SAM)
    kiosk.shows("Recorded")
    store.wait(lambda s: len(s.of("checkin")) == 2)
    said = store.of("checkin")[1]
    assert (said["method"], said["witness"], said["verdict"], said["tries"]) == ("pin", word(SAM), "green", 2)
    assert {"finger-refused", "pin-refused"} <= set(store.events())
    assert b"Recorded" in around.on_display()
    assert not [line for line in kiosk.log if "2468" in str(line) or ADA.hex() in str(line)]

    # She withdraws: the slot is erased, and the kiosk says so.
    store.push(WITHDRAWN, BEN_PIN, STAFF_SAM)
    store.wait(lambda s: "erased" in s.events())
    assert around.fingers.seen("slots") == set()
    assert kiosk.end() == 0
    assert store.bad == []
    assert around.fingers.seen("template_bytes_seen") == 0


def test_without_its_sensor_the_alternative_works_and_both_are_told(start, store, around):
    store.push(BEN_PIN, STAFF_SAM)
    kiosk = start()
    kiosk.ready()
    around.fingers.do(around.fingers.port.unplug)
    store.wait(lambda s: "sensor-lost" in s.events())
    kiosk.card(BEN)
    kiosk.shows("Your PIN, then #")
    around.press("2468#")
    kiosk.shows("PIN is right")
    kiosk.card(SAM)
    kiosk.shows("Recorded")
    store.wait(lambda s: s.of("checkin"))
    around.fingers.do(around.fingers.port.plug)
    store.wait(lambda s: s.events()[-1] == "sensor-found")
    assert store.bad == []


def test_a_sensor_with_another_password_is_never_asked_for_anything(repo, tmp_path, mosquitto, store):
    around = Around(tmp_path, password=1)
    try:
        around.fingers.hold(5, BENS)
        store.push(ENROLLED, STAFF_SAM)
        kiosk = Kiosk(repo, tmp_path, mosquitto.port, around)
        try:
            store.wait(lambda s: "sensor-other" in s.events())
            kiosk.shows("Evening check-in")
            kiosk.card(ADA)
            kiosk.shows("Your PIN, then #")
        finally:
            assert kiosk.end() == 0
        assert around.fingers.seen("slots") == {5}, "what is on it is not touched"
    finally:
        around.close()


@pytest.fixture
def receiver(tmp_path, around):
    """A receiver at the registered place, twenty times as fast as a real one; carried 30 m a second once it is told to."""
    made = Receiver(51.5, -0.12)
    port = ReceiverPort(made, tmp_path, pace=0.05)
    around.fingers.do(port.attach, around.fingers._loop)
    yield made, port
    around.fingers.do(port.close)


@rule("DDU-12")
def test_a_kiosk_that_is_carried_away_says_so_and_keeps_no_point(start, store, around, receiver, tmp_path):
    made, port = receiver
    store.push(BEN_PIN, STAFF_SAM)
    kiosk = start("--gps", port.path)
    kiosk.ready()
    kiosk.logged("receiver-found")

    def check_in(n, idle, said):
        kiosk.shows(idle)
        kiosk.card(BEN)
        kiosk.shows("Your PIN, then #")
        around.press("2468#")
        kiosk.shows("PIN is right")
        kiosk.card(SAM)
        kiosk.shows(said)
        store.wait(lambda s: len(s.of("checkin")) == n)
        return [store.of("checkin")[-1][name] for name in ("place", "cell", "fix")]

    place, cell, fix = check_in(1, "Evening check-in", "Recorded")
    # It stands on the corner of four cells, and a fix wanders by two metres.
    assert (place, fix) == ("in", "good")
    assert cell in {f"{north},{west}" for north in ("51.49", "51.50") for west in ("-0.12", "-0.13")}
    made.north_ms = 30.0
    store.wait(lambda s: "moved" in s.events())
    made.north_ms = 0.0
    assert check_in(2, "Kiosk was moved", "It will be checked")[0] == "out"
    assert kiosk.end() == 0
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert b"51.5" in kept
    assert not re.search(rb"51\.\d{3}", kept), "more than a hundredth of a degree"


@rule("DDU-12")
def test_the_place_that_is_registered_on_the_page_holds_and_not_the_one_in_the_settings_file(start, store, receiver):
    made, port = receiver
    made.move(5000.0, 0.0)
    store.push(BEN_PIN, STAFF_SAM, place=Place(made.latitude, made.longitude, 150))
    kiosk = start("--gps", port.path)
    kiosk.ready()
    kiosk.logged("receiver-found")
    store.push(BEN_PIN, STAFF_SAM, place=Place(51.5, -0.12, 150))
    kiosk.shows("Kiosk was moved")
    store.wait(lambda s: "moved" in s.events())
    store.push(BEN_PIN, STAFF_SAM, place=Place(made.latitude, made.longitude, 150))
    kiosk.shows("Evening check-in")
    store.wait(lambda s: s.events()[-1] == "returned")
    assert kiosk.end() == 0


@rule("DDU-12")
@pytest.mark.parametrize("who", ["sensor", "kiosk"])
def test_power_lost_in_the_middle_of_an_enrolment_leaves_no_template_and_is_told(start, store, around, who):
    store.push(TO_ENROL, STAFF_SAM)
    kiosk = start()
    kiosk.ready()
    if who == "sensor":
        around.fingers.cut_power_after(700)
        kiosk.enrol(SAM, ADA, ADAS)
        kiosk.shows("Sensor is away")
        around.fingers.power_on()
    else:
        # Its answers come late enough that the kiosk is killed between the intent and the sensor's word.
        around.fingers.inject("drop_answer", command=0x06)
        kiosk.enrol(SAM, ADA, ADAS)
        kiosk.until(lambda: 0x06 in around.fingers.seen("counts"))
        kiosk.end(signal.SIGKILL)
        around.fingers.speak()
        kiosk = start()
    around.fingers.lift()
    store.wait(lambda s: "enrol-failed" in s.events())
    assert "enrolled" not in store.events()
    assert around.fingers.seen("slots") == set()
    time.sleep(0.5)
    kiosk.ready()
    kiosk.enrol(SAM, ADA, ADAS)
    kiosk.shows("Enrolled")
    store.wait(lambda s: s.events()[-1] == "enrolled")
    assert around.fingers.seen("whole") == {5}


def test_settings_without_a_kiosks_part_are_refused_with_what_to_do(start):
    kiosk = start(pin_key=None)
    assert kiosk._process.wait(60) == 2
    kiosk.end()
    assert "muster reader add --kiosk" in str(kiosk.log)
