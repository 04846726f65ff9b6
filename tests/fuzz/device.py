# ruff: noqa: PT017  a check says what holds for both outcomes, and pytest.raises allows only one
"""Fuzzed: what a reader hears from its chip, its flash, its broker and the store."""

import json
from collections.abc import Sequence

from firmware.codecs import mqtt, pn532
from firmware.codecs.mqtt_packets import MqttError
from firmware.contract.mac import Key
from firmware.pico.ring import Ring
from firmware.reader import settings
from firmware.reader.errors import ReaderError
from simulator.unixport.nor import BLOCK, Nor
from tests.firmware.pico.ring_bench import append, blank, fill
from tests.firmware.reader.reader_world import World, at_a_door
from tests.fuzz.contract import text_of
from tests.fuzz.targets import Check, vectors

BLOCKS = 4
SETTINGS = {
    "v": 1,
    "site": "main",
    "reader": "a-101",
    "key": {"id": 1, "secret": "00" * 32},
    "card_keys": [{"id": 1, "secret": "11" * 32}, {"id": 2, "secret": "22" * 32}],
    "broker": {"host": "broker.example", "port": 1883},
    "wifi": {"ssid": "campus", "password": "x"},
}


def some_settings() -> tuple[Check, Sequence[bytes]]:
    """A settings file is refused with a text that repeats no secret, or is whole."""

    def check(data: bytes) -> None:
        try:
            found = settings.parse(text_of(data))
        except ReaderError as error:
            assert "11" * 8 not in str(error), "an error repeats a secret"
            return
        assert isinstance(found.key, Key)
        assert 1 <= len(found.card_keys) <= 2

    return check, [json.dumps(SETTINGS).encode()]


def a_chip() -> tuple[Check, Sequence[bytes]]:
    """Any bytes give events and hold at most a frame, the same ones however they were cut."""

    def check(data: bytes) -> None:
        whole, cut = pn532.Decoder(), pn532.Decoder()
        step = 1 + (data[0] if data else 0) % 7
        events = whole.feed(data)
        pieces = [event for at in range(0, len(data), step) for event in cut.feed(data[at : at + step])]
        assert events == pieces
        assert whole.pending() <= pn532.MAX_FRAME
        pn532.from_i2c(data)
        for event in events:
            if isinstance(event, pn532.Answer):
                for parse in (pn532.parse_firmware, pn532.parse_targets):
                    try:
                        parse(event)
                    except pn532.Pn532Error:
                        continue

    card = pn532.command(pn532.IN_LIST_PASSIVE_TARGET, b"\x01\x00")
    examples = ["0000ff06fad50332010607e800", "0000ff0cf4d54b010104000807041122332c00", "0000ff00ff00"]
    return check, [card, *(bytes.fromhex(hexed) for hexed in examples)]


def a_broker() -> tuple[Check, Sequence[bytes]]:
    """Any bytes give events, or the connection ends with a code; and the same however they were cut."""

    def heard(pieces: list[bytes]) -> list:
        client = mqtt.Client(max_packet=2048)
        client.connect("r1")
        events: list = []
        for piece in pieces:
            try:
                client.feed(piece)
                while (event := client.next_event()) is not None:
                    events.append(event)
            except MqttError as error:
                return [*events, error.code]
        return events

    def check(data: bytes) -> None:
        step = 1 + (data[0] if data else 0) % 5
        assert heard([data]) == heard([data[at : at + step] for at in range(0, len(data), step)])

    up = b"\x20\x02\x00\x00"
    return check, [
        up,
        up + b"\x30\x05\x00\x01thi",
        up + b"\x32\x07\x00\x01t\x00\x07hi",
        up + b"\xd0\x00",
        up + b"\x90\x03\x00\x01\x01",
    ]


def a_receipt() -> tuple[Check, Sequence[bytes]]:
    """Whatever a reader hears: it neither raises, nor frees what no true receipt covers, nor obeys a command."""

    world = at_a_door(World)
    world.store.receipts = False
    world.tap(bytes([4, 1, 2, 3]))
    world.pump()
    reader, now_ms = world.reader, world.ms
    waiting = reader.journal.backlog()
    assert waiting

    def check(data: bytes) -> None:
        for kind in ("receipt", "command", "roster"):
            assert not reader.received(kind, data, now_ms), "a command was believed that nobody made"
        assert reader.journal.backlog() == waiting, "freed, and nobody said so"

    lines = [
        v["line"].encode() for v in vectors()["statements"] if v["kind"] in ("receipt", "again", "command", "time")
    ]
    messages = [bytes.fromhex(v["hex"]) for v in vectors()["envelopes"]]
    return check, [*messages, *(b'{"v": 1, "lines": ["' + line + b'"]}' for line in lines)]


def a_flash() -> tuple[Check, Sequence[bytes]]:
    """Whatever stands on the flash: the ring opens, lists what it has, and keeps the next record durably."""
    whole = blank(BLOCKS)
    fill(Ring(whole), "11" * 8, 0, 40)
    image = bytes(whole._memory)

    def check(data: bytes) -> None:
        memory = bytearray(image)
        # The bytes say where the flash was changed, and to what: (block, offset, length, bytes).
        at = 0
        while at + 4 <= len(data):
            place = (data[at] % BLOCKS) * BLOCK + (data[at + 1] << 4) + (data[at + 2] & 15)
            piece = data[at + 4 : at + 4 + (data[at + 3] & 31)]
            memory[place : place + len(piece)] = piece
            at += 4 + len(piece)
        ring = Ring(Nor(memory, BLOCKS * BLOCK))
        for held in ring.journals():
            assert held.oldest <= held.freed + 1 <= held.head + 1, held
            for first in range(held.oldest, held.head + 1, 16):
                ring.read(held.journal, first, 16)
        try:
            append(ring, "22" * 8, "1|open|a-101|1|" + "22" * 8 + "|0|-|-|1.0.0", 0)
        except ReaderError:
            return
        again = Ring(Nor(memory, BLOCKS * BLOCK))
        assert "22" * 8 in [held.journal for held in again.journals()], "kept, and gone after a boot"

    return check, [b"\x00\x00\x00\x04\xff\xff\xff\xff", b"\x01\x10\x08\x02ab\x00\x00\x00\x01\x00", b""]
