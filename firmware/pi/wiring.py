"""What the command hands to whatever board it starts, and the little that a reader and a kiosk share around it."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gpiozero.pins import Factory

from firmware.contract.statement import Held
from firmware.pi.journal import SqliteJournal
from firmware.pi.lamp import Lamp
from firmware.pi.release import runs_the_trial, synced
from firmware.reader.errors import StorageFailed
from firmware.reader.settings import Settings
from firmware.reader.update import Updates

#: in the data folder: what was taken as an update
RELEASES = "releases"


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What stays the same however often the journal is opened anew."""

    settings: Settings
    #: folder of the journal and of all else that is kept
    data: Path
    #: serial port of the PN532
    chip_path: str
    lamp: Lamp
    #: gpiozero's pins; None: it finds the board's own
    factory: Factory | None
    now_ms: Callable[[], int]
    on_light: Callable[[tuple[int, int, int], int], None]

    def updates(self) -> Updates | None:
        """What takes updates, where the settings name a key that may sign them."""
        if not self.settings.release:
            return None
        folder = self.data / RELEASES
        folder.mkdir(parents=True, exist_ok=True)
        updates = Updates(f"{folder}/", self.settings.release, "pi", synced(folder))
        # Where the disk did not take what is on trial, what ran before runs.
        updates.on_trial = updates.on_trial and runs_the_trial(folder)
        return updates


class NoJournal:
    """Stands in where the journal cannot be opened: every swipe is refused, and the lamp and the store are told."""

    def __init__(self, why: str) -> None:
        self.alarms = ["journal-not-open"]
        self._why = why

    @property
    def failed(self) -> str:
        """Why it cannot be opened."""
        return self._why

    def journals(self) -> list[Held]:
        """None."""
        return []

    def append(self, journal: str, seq: int, text: str, mac: bytes) -> NoReturn:
        """Raises StorageFailed."""
        raise StorageFailed(self._why)

    def read(self, journal: str, first: int, limit: int) -> list[str]:
        """Nothing."""
        return []

    def free(self, journal: str, up_to: int) -> None:
        """Nothing to free."""

    def unfree(self, journal: str, first: int) -> None:
        """Nothing to keep."""

    def room(self) -> int:
        """None."""
        return 0

    def idle(self) -> bool:
        """Nothing to do."""
        return False

    def close(self) -> None:
        """Nothing to close."""


Storage = SqliteJournal | NoJournal


def uptime(scale: float) -> Callable[[], int]:
    """Monotonic milliseconds, going `scale` times as fast from now on (1 on a real reader; more in simulations)."""
    began_ns = time.monotonic_ns()
    return lambda: int(began_ns + (time.monotonic_ns() - began_ns) * scale) // 1_000_000


def log(event: str, **fields: object) -> None:
    """One event with its fields, as a line of JSON on standard error."""
    print(json.dumps({"event": event, **fields}), file=sys.stderr, flush=True)
