"""The real reader core on one side, the store's intake on the other: a test says what becomes of either.

No network and no time of ours: what one says is handed to the other at once.
"""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

from firmware.contract import envelope
from firmware.pi.journal import SqliteJournal
from firmware.pi.shelf import RosterShelf
from firmware.reader.reader import Reader
from firmware.reader.settings import Settings
from server import deliveries
from server.store import schema
from server.store.engine import open_engine
from tests.server.store_world import World, wrap


class Line:
    """One reader, connected; its journal on a disk, the store in a file."""

    def __init__(self, url: str, folder: Path, delivery=deliveries.Delivery) -> None:
        self.world = World(url)
        self.world.delivery = delivery
        board = self.world.reader("a-1")
        settings = Settings(site="main", reader="a-1", key=board.key, card_keys=self.world.keys, broker=None, wifi=None)
        self.now_ms = 1000
        self.journal = SqliteJournal(folder, uptime_ms=lambda: self.now_ms)
        numbers = itertools.count(1)
        self.reader = Reader(
            settings=settings,
            storage=self.journal,
            shelf=RosterShelf(folder),
            random_bytes=lambda size: next(numbers).to_bytes(size, "big"),
            firmware="test",
        )
        self.answers: list[deliveries.Answer] = []
        #: whether a line of the reader's never arrives: its medium rotted there, or the way is bad
        self.loses: Callable[[str], bool] = lambda line: False
        self.reader.linked(self.now_ms)
        self.minutes(1)

    def minutes(self, count: int) -> None:
        """Time passes; what either says reaches the other at once."""
        for _ in range(count * 60):
            self.now_ms += 1000
            self.world.now_ms += 1000
            self.reader.tick(self.now_ms)
            while (out := self.reader.next(self.now_ms)) is not None:
                if out.kind not in ("status", "health"):
                    came = [wrap(said) for said in envelope.unwrap(out.payload) if not self.loses(said)]
                    answer = self.world.deliver(*came, derive=False)
                    self.answers.append(answer)
                    for down in answer.down:
                        self.reader.received(down["kind"], envelope.wrap([down["line"]]), self.now_ms)

    def taps(self, uids) -> None:
        for uid in uids:
            self.now_ms += 1500
            self.reader.tap(uid, self.now_ms)
        self.minutes(1)

    def stored(self) -> int:
        return len(self.world.all(schema.swipe))

    def file(self) -> Path:
        return Path(str(self.world.engine.url.database))

    def backup(self) -> Path:
        copy = self.file().with_suffix(".copy")
        self.world.engine.dispose()
        shutil.copy(self.file(), copy)
        return copy

    def restore(self, copy: Path) -> None:
        url = self.world.engine.url
        self.world.engine.dispose()
        for tail in ("-wal", "-shm"):
            Path(f"{self.file()}{tail}").unlink(missing_ok=True)
        shutil.copy(copy, self.file())
        self.world.engine = open_engine(str(url))

    def close(self) -> None:
        self.journal.close()
        self.world.close()
