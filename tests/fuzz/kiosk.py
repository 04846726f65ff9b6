# ruff: noqa: PT017  a check says what holds for both outcomes, and pytest.raises allows only one
"""Fuzzed: what a residence's kiosk hears from its fingerprint sensor, its NMEA receiver, its settings and the store."""

import json
import re
from collections.abc import Sequence

from firmware.codecs import fingerprint, fingerprint_packets
from firmware.codecs.fingerprint_packets import ADDRESS, START, Answer, Decoder
from firmware.contract import residents
from firmware.contract.errors import ContractError
from firmware.contract.mac import Key
from firmware.pi.position import LINE_MAX, Damaged, Lines, sentence
from firmware.reader import fence, kiosk_settings
from firmware.reader.errors import ReaderError
from tests.fuzz.contract import text_of
from tests.fuzz.targets import Check

SITE = fence.Site(51.5014, -0.1419, 60.0)
PLACES, FIXES = (fence.IN, fence.OUT, fence.NONE), (fence.GOOD, fence.FAIR, fence.POOR, fence.NONE, fence.LOST)
CELL = re.compile(r"-|-?\d{1,2}\.\d\d,-?\d{1,3}\.\d\d")
SECRET = "5e" * 32
SETTINGS = {
    "pin_key": {"id": 1, "secret": SECRET},
    "sensor": {"password": 7, "capacity": 162},
    "house": {"latitude": 51.5014, "longitude": -0.1419, "radius_m": 60},
    "language": "cy",
}


def packet(contents: bytes, kind: int = 0x07) -> bytes:
    """A packet as the sensor makes it."""
    body = bytes((kind,)) + (len(contents) + 2).to_bytes(2, "big") + contents
    return START + ADDRESS + body + (sum(body) & 0xFFFF).to_bytes(2, "big")


def a_sensor() -> tuple[Check, Sequence[bytes]]:
    """Any bytes give events and hold less than a packet, the same however they were cut; and no answer parses into what
    cannot be. What a data packet carries is in no event: a template that came unasked is dropped unread."""

    def check(data: bytes) -> None:
        whole, cut = Decoder(), Decoder()
        step = 1 + (data[0] if data else 0) % 7
        events = whole.feed(data)
        assert events == [one for at in range(0, len(data), step) for one in cut.feed(data[at : at + step])]
        assert whole.junk == cut.junk
        assert whole.pending() == cut.pending() < fingerprint_packets.MAX_PACKET
        for event in events:
            if not isinstance(event, Answer):
                assert event.code.startswith("fingerprint."), event.code
                continue
            assert len(event.data) <= 32
            _answer(event)

    index = bytes([0b101, *([0] * 31)])
    parameters = bytes.fromhex("0000000900a20003ffffffff00010006")
    return check, [
        packet(b"\x00"),
        packet(b"\x02"),
        packet(b"\x00\x00\x64"),
        packet(b"\x00" + index),
        packet(b"\x00" + parameters),
        b"\x55" + packet(b"\x13"),
        packet(b"template" * 4, 0x02) + packet(b"\x00", 0x08) + packet(b"\x09"),
    ]


def _answer(event: Answer) -> None:
    for command, parse in (
        (fingerprint.match(), fingerprint.parse_score),
        (fingerprint.count(), fingerprint.parse_count),
        (fingerprint.read_index(1), lambda told: fingerprint.parse_index(told, 1)),
        (fingerprint.read_parameters(), fingerprint.parse_parameters),
    ):
        try:
            found = parse(fingerprint.expect(event, command))
        except fingerprint.AnswerError as error:
            assert error.code == "fingerprint.answer", error.code
            continue
        if isinstance(found, int):
            assert 0 <= found <= 0xFFFF
        elif isinstance(found, set):
            assert all(fingerprint.PAGE_SLOTS <= slot < 2 * fingerprint.PAGE_SLOTS for slot in found)
        elif found is not None:
            assert found.baud in range(9600, 115201, 9600)
            assert found.packet_bytes in (32, 64, 128, 256)


def a_receiver() -> tuple[Check, Sequence[bytes]]:
    """Whatever a receiver says: bounded lines, sentences or Damaged, a place that is one, and no precise point in any of
    what leaves the fence or could be printed of it."""

    def check(data: bytes) -> None:
        step = 1 + (data[0] if data else 0) % 9
        lines, kept = Lines(), fence.Fence(SITE)
        for now_ms, at in enumerate(range(0, len(data), step)):
            for line in lines.feed(data[at : at + step]):
                assert line.startswith("$")
                assert len(line) <= LINE_MAX
                _heard(kept, line, now_ms * 100)
                told = kept.read(now_ms * 100)
                assert told.place in PLACES, told
                assert told.fix in FIXES, told
                assert CELL.fullmatch(told.cell), told
                assert not re.search(r"\d\.\d{3}", f"{told} {kept!r}"), "a precise point is shown"
        assert len(lines._held) <= LINE_MAX

    rmc = "$GPRMC,120000.00,A,5130.0840,N,00008.5140,W,0.02,,010126,,,A"
    gga = "$GPGGA,120000.00,5130.0840,N,00008.5140,W,1,08,0.9,20.0,M,45.0,M,,"
    both = b"".join(_summed(one) for one in (rmc, gga))
    return check, [
        both,
        both * 12,
        _summed("$GPRMC,,V,,,,,,,,,,N"),
        _summed("$GNGGA,000941.00,4404.13387,N,12118.85628,W,1,12,1.01,1144.8,M,-21.4,M,,"),
        _summed("$GNZDA,103607.00,06,03,2021,00,00"),
        _summed("$GPGGA,120000.00,nan,N,inf,W,1,08,nan,20.0,M,45.0,M,,"),
    ]


def _summed(text: str) -> bytes:
    total = 0
    for letter in text[1:].encode():
        total ^= letter
    return f"{text}*{total:02X}\r\n".encode()


def _heard(kept: fence.Fence, line: str, now_ms: int) -> None:
    try:
        said = sentence(line)
    except Damaged as error:
        assert not error.args, "what stood in the line is told"
        return
    if isinstance(said, fence.Rmc):
        kept.rmc(said, now_ms)
    elif isinstance(said, fence.Gga):
        kept.gga(said, now_ms)
    else:
        kept.heard(now_ms)


def some_kiosk_settings() -> tuple[Check, Sequence[bytes]]:
    """A kiosk's settings are refused with a text that repeats no secret, or are whole."""

    def check(data: bytes) -> None:
        try:
            found = kiosk_settings.parse(text_of(data))
        except ReaderError as error:
            assert SECRET[:16] not in str(error), "an error repeats a secret"
            return
        assert isinstance(found.pin_key, Key)
        assert 0 <= found.password <= kiosk_settings.PASSWORD_MAX
        assert found.capacity is None or 1 <= found.capacity <= kiosk_settings.CAPACITY_MAX

    return check, [json.dumps(SETTINGS).encode(), json.dumps({**SETTINGS, "house": None}).encode()]


def a_residents_list() -> tuple[Check, Sequence[bytes]]:
    """A residents list is refused with a code; one that is believed can be asked everything."""
    key = Key(1, bytes(range(32)))
    evenings = [residents.Evening(1_790_010_000_000, 1_790_024_400_000)]
    entries = [
        residents.Entry(bytes([n] * 8), n, n, residents.RESIDENT | residents.ENROL, bytes([n] * 8)) for n in range(1, 5)
    ]
    span = (1_790_000_000_123, 1_790_000_000_123, 1_790_260_000_123)
    place = residents.Place(51.5, -0.12, 150)
    examples = [
        residents.encode("kiosk-1", key, *span, evenings, listed, told)
        for listed in ([], entries)
        for told in (None, place)
    ]

    def check(data: bytes) -> None:
        for with_key in (None, key):
            try:
                found = residents.decode(data, with_key, "kiosk-1")
            except ContractError as error:
                assert error.code.startswith("residents-"), error.code
                continue
            # With the key nothing but what was made with it is believed.
            assert with_key is None or data in examples, "a list was believed that nobody made"
            found.is_fresh(found.version_ms)
            found.evening(found.version_ms)
            for place in range(min(5, found.count)):
                one = found.entry(place)
                assert found.find(one.token) == one
            found.find(bytes(8))

    return check, examples
