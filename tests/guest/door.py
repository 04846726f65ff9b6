"""The reader in the guest: the real core on the real Pi journal and shelf. It recovers, says what it holds, and taps.

It says `door green LINE` after `tap` has returned green, `door receipted JOURNAL UP_TO` before the receipt goes in, and
`door roster VERSION` after the shelf has kept it. Its first words are what it found: `door alarm CODE`, `door held
JOURNAL OLDEST FREED HEAD`, `door kept LINE` for each record, `door shelf VERSION`, `door recovered RECORDS`.
"""

import itertools
import random
import time
from pathlib import Path

from firmware.contract import decide, envelope, roster, statement
from firmware.contract.mac import Key
from firmware.pi.journal import CHECKPOINT_EVERY, SqliteJournal
from firmware.pi.shelf import RosterShelf
from firmware.reader.reader import Reader
from firmware.reader.settings import Settings
from tests.guest.console import say

READER = "a-101"
KEY = Key(1, bytes(range(32)))
CARD_KEY = Key(3, b"\x22" * 32)
CARDS = [bytes([4, 1, n >> 8, n & 255]) for n in range(400)]
T0 = 1_790_000_000_000  #: the store's clock when the guest boots, UTC epoch ms
HOUR_MS = 3600_000
#: so small that what has a receipt is recycled in each run
CAPACITY = 1500
#: the reader's clock goes so much faster than the guest's: what it does each minute happens several times in a run
FASTER = 200
#: records beyond which the store gives receipts
UNRECEIPTED_MOST = 500


class Announced:
    """The journal, which remembers the line that it kept last."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.last = ""

    def append(self, journal: str, seq: int, text: str, mac: bytes) -> None:
        self._journal.append(journal, seq, text, mac)
        self.last = statement.seal(text, mac)

    def __getattr__(self, name: str):
        return getattr(self._journal, name)


def roster_of(version_ms: int) -> bytes:
    """The class list of one long session with every card on it."""
    window = decide.Window(17, T0 - HOUR_MS, T0, T0 + 48 * HOUR_MS, T0 + 48 * HOUR_MS)
    tokens = [CARD_KEY.token(uid) for uid in CARDS]
    return roster.encode(READER, KEY, version_ms, T0 - HOUR_MS, T0 + 72 * HOUR_MS, [(window, tokens)])


def recover(journal: SqliteJournal, shelf: RosterShelf) -> None:
    """Say all that was found."""
    blob = shelf.load()
    say(*(f"door alarm {code}" for code in journal.alarms))
    say(f"door shelf {roster.decode(blob, KEY, READER).version_ms if blob else 0}")
    records = 0
    for held in journal.journals():
        say(f"door held {held.journal} {held.oldest} {held.freed} {held.head}")
        at = held.oldest
        while lines := journal.read(held.journal, at, 100):
            say(*(f"door kept {line}" for line in lines))
            at += len(lines)
            records += len(lines)
    say(f"door recovered {records}")


class Line:
    """The far end of the reader's line: answers questions for the time, and gives receipts late."""

    def __init__(self, reader: Reader, rng: random.Random) -> None:
        self._reader = reader
        self._rng = rng
        self._nonce = ""

    def pump(self, now_ms: int) -> None:
        """Take all that the reader has to publish."""
        while (out := self._reader.next(now_ms)) is not None:
            if out.kind in ("hello", "head"):
                nonce = statement.read(envelope.unwrap(out.payload)[0]).values["nonce"]
                self._nonce = nonce if out.kind == "hello" else self._nonce
                self._down("command", "time", now_ms, nonce=nonce, wall_ms=T0 + now_ms)

    def receipts(self, now_ms: int) -> None:
        """Where much waits, some of the oldest gets a receipt."""
        over = self._reader.journal.backlog() - UNRECEIPTED_MOST
        for held in list(self._reader.journal.held):
            waits = held.head - held.freed
            if over <= 0:
                return
            if waits:
                up_to = held.freed + min(waits, over + self._rng.randrange(60))
                say(f"door receipted {held.journal} {up_to}")
                self._down("receipt", "receipt", now_ms, nonce=self._nonce, journal=held.journal, up_to=up_to)
                over -= up_to - held.freed

    def _down(self, topic: str, kind: str, now_ms: int, **values) -> None:
        text = statement.say(kind, READER, KEY.id, values)
        self._reader.received(topic, envelope.wrap([statement.seal(text, KEY.mac(text.encode()))]), now_ms)


def run(folder: Path, seed: str, mode: str, synchronous: str, checkpoints: bool) -> None:
    """Recover; then, unless `mode` is `look`, tap until the power is cut. checkpoints: between taps, as usual."""
    rng = random.Random(seed)
    began_ns = time.monotonic_ns()

    def now_ms() -> int:
        return (time.monotonic_ns() - began_ns) * FASTER // 1_000_000

    every = CHECKPOINT_EVERY if checkpoints else 1 << 30  # it has them all the same after CHECKPOINT_AT_LAST commits
    journal = SqliteJournal(folder / "reader", capacity=CAPACITY, checkpoint_every=every, uptime_ms=now_ms)
    shelf = RosterShelf(folder / "reader")
    recover(journal, shelf)
    if mode == "look":
        return
    if synchronous != "FULL":
        journal._database.execute(f"PRAGMA synchronous = {synchronous}")
    storage = Announced(journal)
    settings = Settings("main", READER, KEY, [CARD_KEY], {}, None)
    reader = Reader(settings=settings, storage=storage, shelf=shelf, random_bytes=rng.randbytes, firmware="guest")
    line = Line(reader, rng)
    reader.linked(now_ms())
    version_ms = max(T0, reader.uplink.roster_version_ms or 0)
    for taps in itertools.count():
        if taps % 150 == 0:
            version_ms += 1
            reader.received("roster", roster_of(version_ms), now_ms())
            if not shelf.alarms:
                say(f"door roster {version_ms}")
            line.pump(now_ms())
        shown = reader.tap(rng.choice(CARDS), now_ms())
        if shown != "green":
            raise RuntimeError(f"the reader showed {shown}")
        say(f"door green {storage.last}")
        if synchronous != "FULL":
            time.sleep(0.002)  # in place of the sync: the gateway would have no time on the guest's one processor
        if rng.random() < 0.1:
            reader.tick(now_ms())
            line.pump(now_ms())
            line.receipts(now_ms())
            reader.idle()
