"""The emulated fingerprint sensor at its packets, in virtual time. Hex is written out, as in a real one's capture."""

import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.r30x import BOOT_S, R30x, TemplateAsked
from simulator.r30x_faults import FAULTS
from simulator.r30x_finger import FEATURES, SAME, TEMPLATE_BYTES, Finger, features, score, template
from simulator.r30x_flash import SLOT_BYTES, Flash, PowerCut
from simulator.r30x_frames import COMMAND, HostStream, Packet, answer
from tests.rules import rule

ADA, BEN = Finger(person="ada"), Finger(person="ben")
HEAD = "ef01 ffffffff"
PASSWORD = "1300000000"
SAID_OK = bytes.fromhex(HEAD + "07 0003 00 000a")


class Clock:
    """Virtual seconds."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Host:
    """Writes packets to the sensor and takes what comes."""

    def __init__(self, folder, **settings):
        self.clock = Clock()
        self.sensor = R30x(clock=self.clock, flash=folder / "flash.bin", **settings)
        self.booted()

    def booted(self):
        self.clock.now += BOOT_S
        assert self.sensor.take() == b"\x55"

    def known(self):
        assert self.ask(PASSWORD) == b"\x00"
        return self

    def write(self, text):
        body = bytes.fromhex(text)
        self.sensor.receive(answer(body, kind=COMMAND))

    def hear(self, seconds=2.0):
        end, heard = self.clock.now + seconds, []
        while self.clock.now < end:
            if (data := self.sensor.take()) is not None:
                heard.append(data)
            self.clock.now += 0.001
        return heard

    def ask(self, text, seconds=2.0) -> Any:
        """The contents of the one whole answer, or None."""
        self.write(text)
        heard = b"".join(self.hear(seconds))
        found = [packet for packet in HostStream().feed(heard) if packet is not None]
        return found[0].contents if len(found) == 1 else None

    def enrol(self, slot, finger):
        for buffer in (1, 2):
            self.sensor.place(finger)
            assert self.ask("01") + self.ask(f"02{buffer:02x}") == b"\x00\x00"
            self.sensor.lift()
        return self.ask("05") + self.ask(f"0601{slot:04x}")


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path).known()
    yield made
    made.sensor.close()


def test_before_its_password_it_does_nothing_and_after_a_wrong_one_neither(tmp_path):
    host = Host(tmp_path, password=7)
    assert [host.ask("0f"), host.ask("1300000006"), host.ask("0f")] == [b"\x13"] * 3
    assert host.ask("1300000007") == b"\x00"
    assert host.ask("1d") == b"\x00\x00\x00"


def test_a_finger_is_pictured_extracted_merged_stored_and_compared(host):
    assert host.ask("01") == b"\x02"
    assert host.ask("0201") == b"\x15"
    assert host.enrol(7, ADA) == b"\x00\x00"
    assert host.ask("1d") == b"\x00\x00\x01"
    assert host.ask("1f00") == b"\x00\x80" + bytes(31)
    for finger, code in ((ADA, 0), (BEN, 8)):
        host.sensor.place(finger)
        assert host.ask("01") + host.ask("0201") + host.ask("07020007") == b"\x00\x00\x00"
        assert host.ask("03")[0] == code
        host.sensor.lift()


def test_its_memory_outlives_its_power_and_its_buffers_do_not(host):
    host.enrol(7, ADA)
    host.sensor.power_off()
    assert host.ask("0f") is None
    host.sensor.power_on()
    host.booted()
    assert host.ask("03") == b"\x13"
    host.known()
    assert host.ask("1d") == b"\x00\x00\x01"
    assert host.ask("03") == b"\x08\x00\x00"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("060100c8", b"\x0b"),
        ("070200c8", b"\x0b"),
        ("07020001", b"\x0c"),
        ("0c00c70002", b"\x10"),
        ("06010000", b"\x18"),
        ("05", b"\x0a"),
        ("0203", b"\x15"),
        ("99", b"\x01"),
        ("0f00", b"\x01"),
        ("03", b"\x08\x00\x00"),
    ],
)
def test_what_it_cannot_do_it_says(host, asked, said):
    assert host.ask(asked) == said


@rule("DDU-12")
@pytest.mark.parametrize("asked", ["0801", "0901", "0a", "0b", "0a00ff"])
def test_a_host_that_asks_for_a_template_or_a_picture_fails_the_run_and_gets_none(tmp_path, asked):
    host = Host(tmp_path).known()
    host.sensor.hold(1, ADA)
    host.sensor.check()
    assert host.ask(asked) == b"\x0d"
    assert host.hear() == []
    assert host.sensor.template_bytes_seen >= TEMPLATE_BYTES
    with pytest.raises(TemplateAsked):
        host.sensor.close()


@pytest.mark.parametrize("known", [True, False])
def test_data_from_the_host_is_seen_as_well_even_before_the_password(tmp_path, known):
    host = Host(tmp_path)
    if known:
        host.known()
    host.sensor.receive(answer(bytes(128), kind=2) + answer(bytes(64), kind=8))
    assert host.hear() == []
    assert host.sensor.template_bytes_seen == 192
    with pytest.raises(TemplateAsked, match="192"):
        host.sensor.check()


def test_every_fault_is_explained_and_an_unknown_one_is_said(host):
    assert all(FAULTS.values())
    with pytest.raises(ValueError, match="unknown fault"):
        host.sensor.inject("gremlin")


@pytest.mark.parametrize(
    ("fault", "right"),
    [
        ("lose_command", lambda heard: heard == b""),
        ("drop_answer", lambda heard: heard == b""),
        ("flip", lambda heard: len(heard) == 12 and heard != SAID_OK),
        ("cut", lambda heard: SAID_OK.startswith(heard) and heard != SAID_OK),
        ("repeat", lambda heard: heard == SAID_OK * 2),
        ("noise_before", lambda heard: heard.endswith(SAID_OK) and heard != SAID_OK),
        ("noise_after", lambda heard: heard.startswith(SAID_OK) and heard != SAID_OK),
        ("late", lambda heard: heard == SAID_OK),
        ("refuse", lambda heard: heard == bytes.fromhex(HEAD + "07 0003 01 000b")),
    ],
)
def test_each_fault_strikes_once(host, fault, right):
    host.sensor.inject(fault, command=0x13)
    assert host.ask("0f")[0] == 0
    host.write(PASSWORD)
    assert right(b"".join(host.hear()))
    assert host.ask(PASSWORD) == b"\x00"


def test_an_answer_that_is_late_comes_when_the_host_has_given_up(host):
    host.sensor.inject("late")
    host.write(PASSWORD)
    assert host.hear(1.4) == []
    assert host.hear(0.2) == [SAID_OK]


def test_a_slow_sensor_does_one_thing_after_another(host):
    host.sensor.pace = 3.0
    host.sensor.place(ADA)
    host.write("01")
    host.write("0201")
    assert host.hear(0.5) == []
    assert host.hear(0.2) == [SAID_OK]
    assert host.hear(0.5) == []
    assert host.hear(0.5) == [SAID_OK]


def test_silence_is_a_broken_line_and_the_sensor_forgets_nothing(host):
    host.sensor.silence(1.0)
    assert host.ask("0f", 0.5) is None
    host.clock.now += 1.0
    assert host.ask("1d") == b"\x00\x00\x00"


def test_a_line_that_is_behind_gives_each_command_an_older_answer(host):
    host.sensor.lag(b"\x00")
    assert [host.ask("01"), host.ask("1d"), host.ask("0f")] == [b"\x00", b"\x02", b"\x00\x00\x00"]


def test_presses_come_and_go_as_they_were_written_beforehand(host):
    host.sensor.place(ADA, after_s=1.0, for_s=1.0)
    seen = []
    for _ in range(3):
        seen.append(host.ask("01", 1.0))
    assert seen == [b"\x02", b"\x00", b"\x02"]


@pytest.mark.parametrize(("state", "code"), [("dirty", 6), ("wet", 7)])
def test_a_dirty_or_wet_finger_is_pictured_and_makes_no_template(host, state, code):
    host.sensor.place(Finger(person="ada", state=state))
    assert host.ask("01") + host.ask("0201") == bytes((0, code))


def test_a_smudge_is_no_picture(host):
    host.sensor.place(Finger(person="ada", state="smudge"))
    assert host.ask("01") == b"\x03"


def test_false_rejects_come_as_often_as_told_and_one_seed_gives_the_same(tmp_path):
    def refused(folder, often, seed):
        folder.mkdir()
        host = Host(folder, seed=seed).known()
        host.enrol(1, ADA)
        some = 0
        for _ in range(60):
            host.sensor.place(Finger(person="ada", false_reject=often))
            host.ask("01", 0.3)
            host.ask("0201", 0.4)
            host.ask("07020001", 0.1)
            some += host.ask("03", 0.1)[0] == 8
            host.sensor.lift()
        return some

    assert refused(tmp_path / "never", 0.0, 1) == 0
    sometimes = refused(tmp_path / "sometimes", 0.3, 1)
    assert 8 <= sometimes <= 30
    assert refused(tmp_path / "again", 0.3, 1) == sometimes


@given(st.binary(max_size=600))
def test_whatever_bytes_come_it_only_answers_packets_and_hears_the_next_command(tmp_path_factory, data):
    host = Host(tmp_path_factory.mktemp("sensor")).known()
    host.sensor.receive(data)
    for said in host.hear(0.5):
        assert said.startswith(b"\xef\x01")
    host.sensor.receive(bytes(300))
    host.hear(0.5)
    assert host.ask(PASSWORD) == b"\x00"


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4), st.data())
def test_packets_cut_anywhere_are_put_together(contents, data):
    stream = b"".join(answer(each, kind=COMMAND) for each in contents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    host = HostStream()
    assert [p for part in parts for p in host.feed(part)] == [Packet(kind=COMMAND, contents=c) for c in contents]


def test_a_command_with_a_wrong_sum_is_a_receive_error_and_one_for_another_address_is_nothing(host):
    host.sensor.receive(answer(b"\x0f", kind=COMMAND)[:-1] + b"\x00")
    assert host.hear() == [bytes.fromhex(HEAD + "07 0003 01 000b")]
    host.sensor.receive(answer(b"\x0f", kind=COMMAND, address=5))
    assert host.hear() == []


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8), st.integers())
def test_two_presses_of_one_finger_are_alike_and_of_two_people_are_not(one, other, seed):
    draw = random.Random(seed)
    finger = Finger(person=one)
    assert score(finger.press(draw), finger.press(draw)) >= 10 * SAME
    if one != other:
        assert score(finger.press(draw), Finger(person=other).press(draw)) == 0


def test_a_template_is_as_long_as_a_real_one_and_holds_its_features():
    shown = frozenset(ADA.features[:FEATURES])
    assert len(template(shown)) == TEMPLATE_BYTES
    assert features(template(shown)) == shown
    assert features(b"") is None and features(bytes(TEMPLATE_BYTES)) is None


@pytest.mark.parametrize("mark_first", [False, True])
def test_power_cut_at_every_byte_of_a_store_leaves_the_old_nothing_or_a_mark_and_never_a_half_for_a_whole(
    tmp_path, mark_first
):
    kept = template(frozenset(ADA.features[:FEATURES]))
    needed = 2 * SLOT_BYTES
    for cut in range(0, needed + 1, 7):
        (tmp_path / f"{cut}").mkdir()
        flash = Flash(tmp_path / f"{cut}" / "flash", capacity=4, mark_first=mark_first)
        flash.store(0, kept)
        flash.cut_after = cut
        if cut < needed:
            with pytest.raises(PowerCut):
                flash.store(1, kept)
        else:
            flash.store(1, kept)
        flash.close()
        flash = Flash(tmp_path / f"{cut}" / "flash", capacity=4)
        assert flash.load(0) == kept
        assert flash.load(1) in (None, kept)
        assert (flash.load(1) == kept) == (cut == needed)
        if not mark_first and cut < needed:
            assert flash.held() == [0]
        flash.close()


def test_wear_is_counted_for_each_slot(host):
    host.enrol(7, ADA)
    host.ask("0c00070001")
    assert host.sensor.memory.wear == {7: 2}


def exchanges(path):
    """Of the real capture: each command with the one answer that followed it."""
    sent = None
    for line in path.read_text().splitlines():
        if found := re.search(r"\[(RX|TX)\] - ([0-9A-F ]+)", line):
            data = bytes.fromhex(found[2])
            if found[1] == "RX" and sent is not None:
                yield sent, data
            sent = data if found[1] == "TX" else None


def test_it_answers_a_real_hosts_commands_as_the_real_sensor_did(tmp_path, shared_data):
    path = shared_data / "fingerprint" / "zfm-capture.log"
    if not path.is_file():
        pytest.skip("needs ../shared/data/fingerprint, which only the developers' machines have")
    host = Host(tmp_path, capacity=100, system=0x2EC8).known()
    host.sensor.place(ADA)
    host.ask("01")
    # The capture's one template at 1, which it had stored by a command that Muster does not send.
    host.sensor.hold(1, ADA)
    compared = 0
    for sent, said in exchanges(path):
        if sent[9] == 0x31:
            continue
        host.sensor.receive(sent)
        heard = b"".join(host.hear())
        assert heard[:7] == said[:7], sent.hex()
        assert len(heard) == len(said), sent.hex()
        if sent[9] not in (0x03, 0x04):  # a score is another one's own
            assert heard == said, sent.hex()
        compared += 1
    assert compared >= 12
