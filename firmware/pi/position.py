"""Where the kiosk is: an NMEA receiver at a serial port, in a thread of its own, read with pynmea2.

The thread keeps the fence; what leaves it is `where()` and the events below, which hold no point. What pynmea2 raises
holds the sentence, so it is counted and never shown. Without a receiver a `Fence(site, fitted=False)` is all there is.
"""

import contextlib
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pynmea2
import serial

from firmware.reader import fence
from firmware.reader.fence import Fence, Gga, Rmc, Site, Where

BAUD = 9600
#: A sentence has at most 82 bytes (NMEA 0183); some receivers write a few more.
LINE_MAX = 120
LOST_S = fence.HEARD_MS / 1000
READ_S = 0.2
BITE = 1024
#: Between two attempts to open the port.
BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.2, 5.0


@dataclass(frozen=True, kw_only=True)
class ReceiverFound:
    """The receiver says whole sentences: for the first time, or again. Whether it has a fix is another matter."""


@dataclass(frozen=True, kw_only=True)
class ReceiverLost:
    """No whole sentence for lost_s (`silent`), or no port (`port`)."""

    why: str


@dataclass(frozen=True, kw_only=True)
class KioskMoved:
    """The kiosk stands outside its fence."""


@dataclass(frozen=True, kw_only=True)
class KioskReturned:
    """The kiosk stands inside its fence again."""


Event = ReceiverFound | ReceiverLost | KioskMoved | KioskReturned
_SAID = {fence.MOVED: KioskMoved(), fence.RETURNED: KioskReturned()}


class Lines:
    """Bytes in, lines that may be sentences out; whatever comes, at most LINE_MAX bytes are held."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that *data* completes, from their `$` on. What holds none, or is too long, is dropped."""
        *ended, self._held = (self._held + data).split(b"\n")
        self._held = self._held[-LINE_MAX:]
        found = []
        for line in ended:
            # What stands before the last `$` belongs to a sentence that lost its end.
            sentence = line[line.rfind(b"$") :].strip() if b"$" in line else b""
            if sentence and len(sentence) <= LINE_MAX and sentence.isascii():
                found.append(sentence.decode("ascii"))
        return found


class Damaged(Exception):
    """A line that is no sentence, or whose sum is wrong, or with nonsense under a right one. It says nothing of what stood there."""


def sentence(line: str) -> Rmc | Gga | None:
    """What one line says: an `Rmc` or a `Gga`, or None for another whole sentence. May raise Damaged."""
    try:
        said: Any = pynmea2.parse(line, check=True)
    except pynmea2.SentenceTypeError:
        return None
    except ValueError:
        raise Damaged from None
    kind = getattr(said, "sentence_type", "")
    if kind not in ("RMC", "GGA"):
        return None
    try:
        # pynmea2 gives 0.0 where the field is empty.
        latitude = said.latitude if said.lat and said.lat_dir else None
        longitude = said.longitude if said.lon and said.lon_dir else None
        if kind == "RMC":
            return Rmc(said.data[0], said.status, latitude, longitude)
        hdop = float(said.horizontal_dil) if said.horizontal_dil else None
        return Gga(said.data[0], int(said.gps_qual or 0), hdop, latitude, longitude)
    except (ValueError, TypeError, IndexError, AttributeError):
        raise Damaged from None


class Position:
    """Reads the receiver at serial port `path` until `stop`; report(event) is called in its thread.

    lost_s: no whole sentence for so long, and the receiver is lost.
    """

    def __init__(
        self, path: str, kept: Fence, report: Callable[[Event], None], *, baud: int = BAUD, lost_s: float = LOST_S
    ) -> None:
        self._path = path
        self._baud = baud
        self._lost_s = lost_s
        self._fence = kept
        self._report = report
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._found: bool | None = None
        self._heard_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="position", daemon=True)
        #: sentences with a wrong sum, or with nonsense under a right one, since the start
        self.damaged = 0

    def start(self) -> None:
        """Begin. Events follow."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> bool:
        """End the thread. Returns whether it ended."""
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def where(self) -> Where:
        """The place, the coarse cell and the fix's quality, now. For any thread."""
        with self._lock:
            return self._fence.read(_now_ms())

    def register(self, site: Site | None) -> None:
        """The kiosk is registered there from now on. For any thread."""
        with self._lock:
            self._fence.register(site)

    @property
    def jumps(self) -> int:
        """Fixes too far from the one before, since the start."""
        return self._fence.jumps

    def _run(self) -> None:
        backoff_s = BACKOFF_FIRST_S
        while not self._stop.is_set():
            try:
                with contextlib.closing(serial.Serial(self._path, self._baud, timeout=READ_S)) as port:
                    backoff_s = BACKOFF_FIRST_S
                    self._read(port)
            except (OSError, termios.error, TypeError):
                self._lost("port")
            self._stop.wait(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_LAST_S)

    def _read(self, port: serial.Serial) -> None:
        lines = Lines()
        self._heard_s = time.monotonic()
        while not self._stop.is_set():
            data = port.read(1)
            for line in lines.feed(data + port.read(min(port.in_waiting, BITE))):
                self._take(line)
            if time.monotonic() - self._heard_s > self._lost_s:
                self._lost("silent")

    def _take(self, line: str) -> None:
        try:
            said = sentence(line)
        except Damaged:
            self.damaged += 1
            return
        now_ms = _now_ms()
        self._heard_s = time.monotonic()
        with self._lock:
            if isinstance(said, Rmc):
                change = self._fence.rmc(said, now_ms)
            elif isinstance(said, Gga):
                change = self._fence.gga(said, now_ms)
            else:
                change = self._fence.heard(now_ms)
        if self._found is not True:
            self._found = True
            self._report(ReceiverFound())
        if change is not None:
            self._report(_SAID[change])

    def _lost(self, why: str) -> None:
        if self._found is not False:
            self._found = False
            self._report(ReceiverLost(why=why))


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
