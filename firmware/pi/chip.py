"""The card chip: unmodified nfcpy on a PN532 at a serial port, in one thread of its own, told as events.

nfcpy blocks and may wait a second for an answer, so it runs beside the event loop; it never touches anything of ours
but `report`. We loop on `sense` ourselves, because nfcpy's `connect` hides errors, and start the chip again after one.

A card left lying is one arrival. After a card is found it is sent to sleep (HLTA) and the field is asked again, so a
second card laid on top of it is seen as well. Of a card that speaks ISO 14443-4 the file is read before its arrival is
told (codecs/tag4.py); where that fails it has arrived all the same.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nfc.clf import ContactlessFrontend, RemoteTarget, pn532, transport

from firmware.codecs import sun, tag4
from firmware.codecs.pn532 import identifiable

#: A card not found for so long has left: contact flickers at the edge of the field.
GONE_S = 0.35
#: Between two searches with nothing there; one search takes some 12 ms.
PAUSE_S = 0.001
#: Failures in a row after which the chip counts as lost: the first is tried again at once, the others start it anew.
LOST_AFTER = 3
BACKOFF_FIRST_S = 0.1
BACKOFF_LAST_S = 5.0
#: Cards looked for in one pass: a wallet may hold several.
CARDS_MAX = 4
_IN_DESELECT = 0x44
#: SEL_RES of a card that speaks ISO 14443-4, which one that signs does
_SPEAKS_ISO_DEP = 0x20
_CRC = 0x80
#: A card's file is read within this time, or not at all; and one answer of it.
TALK_S, _ANSWER_S = 0.4, 0.1


@dataclass(frozen=True, kw_only=True)
class CardArrived:
    """A card came into the field."""

    #: 4, 7 or 10 bytes; never leaves the reader
    uid: bytes
    #: what a card that signs said at this tap
    said: sun.Message | None = None


@dataclass(frozen=True, kw_only=True)
class CardUnreadable:
    """A card came that identifies nobody: a random UID, or nonsense."""


@dataclass(frozen=True, kw_only=True)
class CardLeft:
    """The last card has gone."""


@dataclass(frozen=True, kw_only=True)
class ChipLost:
    """The chip has not answered LOST_AFTER times."""

    #: what was raised: a class name and, for the operating system's errors, its text
    why: str


@dataclass(frozen=True, kw_only=True)
class ChipReady:
    """The chip answers: for the first time, or again."""


Event = CardArrived | CardUnreadable | CardLeft | ChipLost | ChipReady


class Chip:
    """Runs the chip at serial port `path` (any path, a pseudo-terminal too) until `stop`.

    report(event) is called in the chip's thread. Failures are counted in `failures`.
    """

    def __init__(self, path: str, report: Callable[[Event], None]) -> None:
        self._path = path
        self._report = report
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chip", daemon=True)
        self._present: dict[bytes, float] = {}
        self._lost: bool | None = None
        #: since the start, for the health report
        self.failures = 0

    def start(self) -> None:
        """Begin. Events follow."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> bool:
        """End the thread; blocks for as long as nfcpy waits for an answer. Returns whether it ended."""
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        in_a_row = 0
        backoff_s = BACKOFF_FIRST_S
        while not self._stop.is_set():
            frontend = None
            try:
                frontend = _open(self._path)
                while not self._stop.is_set():
                    try:
                        self._look(frontend)
                    except Exception:  # as below; the first one in a row is tried again
                        self.failures += 1
                        in_a_row += 1
                        if in_a_row > 1:
                            raise
                        continue
                    in_a_row = 0
                    backoff_s = BACKOFF_FIRST_S
                    if self._lost is not False:
                        self._lost = False
                        self._report(ChipReady())
                    self._stop.wait(PAUSE_S)
            except Exception as error:  # noqa: BLE001  nfcpy lets IndexError and more out where an answer is nonsense
                if frontend is None:
                    self.failures += 1
                    in_a_row += 1
                if in_a_row >= LOST_AFTER and not self._lost:
                    self._lost = True
                    self._forget()
                    self._report(ChipLost(why=_why(error)))
            finally:
                _close(frontend)
            self._stop.wait(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_LAST_S)

    def _look(self, frontend: ContactlessFrontend) -> None:
        """One pass over the cards in the field."""
        target = frontend.sense(RemoteTarget("106A"))
        found = 0
        while target is not None:
            self._seen(bytes(target.sdd_res or b""), frontend.device, bytes(target.sel_res or b"\0")[0])
            found += 1
            if found == CARDS_MAX:
                break
            device: Any = frontend.device
            # Without a pause of the field, in which all of them would wake up again.
            device.chipset.command(_IN_DESELECT, bytearray([0]), 0.1)
            target = device.sense_tta(RemoteTarget("106A"))
        now_s = time.monotonic()
        gone = [uid for uid, seen_s in self._present.items() if now_s - seen_s > GONE_S]
        for uid in gone:
            del self._present[uid]
        if gone and not self._present:
            self._report(CardLeft())

    def _seen(self, uid: bytes, device: Any, sel_res: int) -> None:
        readable = identifiable(uid)
        # A random UID is another one at every look: all of them together are one card.
        name = uid if readable else b""
        new = name not in self._present
        self._present[name] = time.monotonic()
        if new:
            said = _said(device.chipset, uid) if readable and sel_res & _SPEAKS_ISO_DEP else None
            self._report(CardArrived(uid=uid, said=said) if readable else CardUnreadable())

    def _forget(self) -> None:
        if self._present:
            self._present.clear()
            self._report(CardLeft())


def _said(chipset: Any, uid: bytes) -> sun.Message | None:
    """What this card signed, if it does. None, too, where it was taken away meanwhile."""
    talk = tag4.Reading()
    began_s = time.monotonic()
    try:
        # nfcpy lets the chip check no CRC once it has seen a type 2 tag.
        chipset.write_register("CIU_RxMode", chipset.read_register("CIU_RxMode") | _CRC)
        while talk.frame is not None and time.monotonic() - began_s < TALK_S:
            talk.heard(bytes(chipset.in_communicate_thru(talk.frame, _ANSWER_S) or b""))
        # Else it would not hear that it is to sleep, and hide a card that lies behind it.
        chipset.in_communicate_thru(tag4.DESELECT, _ANSWER_S)
    except Exception:  # noqa: BLE001  nfcpy's errors have no common class; a chip that is gone is found out by the next look
        if talk.file is None:
            return None
    return sun.message_of(talk.file, uid) if talk.file else None


def quiet() -> None:
    """Silence nfcpy's own log: its debug lines hold UIDs, its error lines say what ChipLost says."""
    logging.getLogger("nfc").setLevel(logging.CRITICAL)


def _open(path: str) -> ContactlessFrontend:
    # ContactlessFrontend(path) takes only names in /dev; the driver underneath takes any terminal.
    frontend = ContactlessFrontend()
    line = transport.TTY(path)
    try:
        frontend.device = pn532.init(line)
    except BaseException:
        line.close()
        raise
    # Its str() wants one. (nfcpy has no types: what `device` is there is known only here.)
    frontend.device._path = path  # type: ignore[reportAttributeAccessIssue]
    return frontend


def _close(frontend: ContactlessFrontend | None) -> None:
    if frontend is None or frontend.device is None:
        return
    device: Any = frontend.device
    chipset = device.chipset
    line = chipset.transport if chipset is not None else None
    try:
        frontend.close()
    except Exception:  # noqa: BLE001  a chip that is gone cannot be put to sleep
        if line is not None:
            with contextlib.suppress(OSError, ValueError):
                line.close()


def _why(error: Exception) -> str:
    text = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
