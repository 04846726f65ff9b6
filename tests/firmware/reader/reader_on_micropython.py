"""The reader's whole line in one script, for real MicroPython: roster, clock, taps, hello, offers, receipts, `again`,
nonsense, a full journal, a boot. Asserts as it goes and prints how many records the store has in the end."""

import json
import os

from firmware.contract import decide, envelope, roster, statement
from firmware.contract.mac import Key
from firmware.reader import settings
from firmware.reader.reader import Reader
from tests.firmware.reader.memory_storage import Medium, MemoryShelf, MemoryStorage
from tests.firmware.reader.store_emulator import StoreEmulator

T0 = 1790000000000
KEY = Key(1, bytes(range(32)))
CARD = Key(3, b"\x22" * 32)
SETTINGS = settings.parse(
    json.dumps(
        {
            "v": 1,
            "site": "main",
            "reader": "a-101",
            "key": {"id": 1, "secret": bytes(range(32)).hex()},
            "card_keys": [{"id": 3, "secret": "22" * 32}],
            "broker": {"host": "192.0.2.10", "port": 1883},
        }
    )
)


def boot(medium):
    return Reader(
        settings=SETTINGS,
        storage=MemoryStorage(medium),
        shelf=MemoryShelf(medium),
        random_bytes=os.urandom,
        firmware="1.0.0",
    )


def pump(reader, store, now_ms, deaf=False):
    """Everything the reader has to say now, to the store and back. Returns the kinds that were said."""
    kinds = []
    while True:
        out = reader.next(now_ms)
        if out is None:
            return kinds
        kinds.append(out.kind)
        if not deaf:
            for line in store.hears(out, T0 + now_ms):
                reader.received("receipt", envelope.wrap([line]), now_ms)


def main():
    medium = Medium(capacity=12)
    store = StoreEmulator("a-101", KEY)
    reader = boot(medium)
    assert reader.tap(b"alice", 10) == "check"
    window = decide.Window(1, T0 - 1800000, T0, T0 + 3600000, T0 + 3600000)
    blob = roster.encode("a-101", KEY, T0, T0, T0 + 72 * 3600000, [(window, [CARD.token(b"alice")])])
    reader.received("roster", blob, 20)
    reader.received("roster", blob[:-1], 20)
    for nonsense in (b"", b"\xff", b"[" * 500, b'{"v": 1, "lines": ["1|x"]}', b'{"v":1,"lines":[7]}'):
        reader.received("receipt", nonsense, 20)
    assert reader.uplink.refused == {"roster-checksum": 1, "envelope": 4, "statement-kind": 1}, reader.uplink.refused
    reader.linked(30)
    said = pump(reader, store, 40)
    assert said[:3] == ["status", "hello", "swipes"], said
    assert "head" in said
    assert "health" in said
    assert reader.tap(b"alice", 5000) == "green"
    assert reader.light(5000) == (0, 255, 0)
    assert reader.tap(b"carol", 8000) == "red"
    reader.tick(8000)
    pump(reader, store, 8000)
    assert reader.journal.backlog() == 0
    live = reader.journal.live
    for seq in range(1, 5):
        store.records.pop((live, seq), None)  # the store is set back
    reader.linked(9000)
    pump(reader, store, 9000)
    assert store.contiguous(live) == 4, store.contiguous(live)
    shown = [reader.tap(b"alice", 10000 + 1000 * n) for n in range(14)]
    assert shown == ["green"] * 12 + ["full"] * 2, shown
    reader = boot(medium)
    assert reader.tap(b"alice", 10) == "full"
    assert reader.light(10) == (255, 0, 0)
    reader.linked(20)
    pump(reader, store, 20, deaf=True)
    pump(reader, store, 60000)
    pump(reader, store, 120000)
    assert reader.tap(b"alice", 121000) == "green"
    pump(reader, store, 121000)
    assert reader.journal.backlog() == 0
    opened = statement.read(medium.lines()[-2]).values
    assert (opened["before"], opened["before_seq"]) == (live, 16), opened
    print(len(store.records))


main()
