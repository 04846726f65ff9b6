"""`muster pi kiosk` in a process of its own, and all that stands around it: card chip, sensor, keypad, display, receiver.

The chip, the sensor and the receiver are emulated on pseudo-terminals, the keypad writes Linux input records into a pipe,
the display is a pseudo-terminal that somebody reads, the broker is a real one, the store fits a page (tiny_store.py).
"""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import tty

from firmware.contract import residents, topics
from firmware.contract.mac import Key
from firmware.contract.residents import Evening
from firmware.pi.keypad import EV_KEY, KEYS, PRESSED, RECORD
from firmware.reader.pins import pin_hash
from tests.firmware.pi import finger_world, pi_world
from tests.firmware.pi.tiny_store import CARD_KEY, KEY, READER, SITE, TinyStore, settings

PATIENCE_S = 60.0
PIN_KEY = Key(2, b"\x44" * 32)
PASSWORD, CAPACITY = 0x1234ABCD, 40
ADA, BEN, SAM = (bytes([4, n, 1, 2, 3, 4, 5]) for n in (1, 2, 3))
CODES = {char: code for code, char in sorted(KEYS.items(), reverse=True)}


def token(uid):
    return CARD_KEY.token(uid)


def word(uid):
    """A card's token as records have it."""
    return f"{CARD_KEY.id}:{token(uid).hex()}"


def pin(uid, digits="2468"):
    return pin_hash(PIN_KEY, token(uid), digits)


def kiosk_settings(port: int, **more) -> dict:
    """What the store would write for this kiosk."""
    return {
        **settings(port),
        "pin_key": {"id": PIN_KEY.id, "secret": (b"\x44" * 32).hex()},
        "sensor": {"password": PASSWORD, "capacity": CAPACITY},
        "house": {"latitude": 51.5, "longitude": -0.12, "radius_m": 150},
        "language": "en",
        **more,
    }


class KioskStore(TinyStore):
    """The store, with a residents list."""

    version_ms = 0

    def push(self, *entries, place=None) -> None:
        """The list is these entries now, and the kiosk is registered at this `Place`; an evening is open."""
        now_s = int(time.time())
        self.version_ms = max(now_s * 1000, self.version_ms + 1000)
        evenings = [Evening((now_s - 3600) * 1000, (now_s + 3600) * 1000)]
        until_ms = (now_s + 300_000) * 1000
        blob = residents.encode(READER, KEY, self.version_ms, self.version_ms, until_ms, evenings, entries, place)
        self._client.publish(topics.topic(SITE, READER, "roster"), blob, qos=1, retain=True).wait_for_publish(5)

    def of(self, kind: str) -> list[dict]:
        """Every record of this kind, as values."""
        return [said.values for _, said in sorted(self.records.items()) if said.kind == kind]

    def events(self) -> list[str]:
        return [values["event"] for values in self.of("kiosk")]


class Around:
    """The kiosk's parts, and the people who use them."""

    def __init__(self, folder, **sensor) -> None:
        self.cards = pi_world.World()
        sensor.setdefault("password", PASSWORD)
        sensor.setdefault("capacity", CAPACITY)
        self.fingers = finger_world.World(folder, **sensor)
        self.keypad = folder / "keypad"
        os.mkfifo(self.keypad)
        self._keys = os.open(self.keypad, os.O_RDWR | os.O_NONBLOCK)
        self._screen, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._screen, False)
        self.display = os.ttyname(self._slave)

    def press(self, text: str) -> None:
        """One key after the other, each pressed and released."""
        for char in text:
            for value in (PRESSED, 0):
                os.write(self._keys, RECORD.pack(0, 0, EV_KEY, CODES[char], value) + RECORD.pack(0, 0, 0, 0, 0))

    def on_display(self) -> bytes:
        """All that was written to the display since the last look."""
        found = b""
        while True:
            try:
                found += os.read(self._screen, 4096)
            except BlockingIOError:
                return found

    def close(self) -> None:
        """Ends everything; raises TemplateAsked where a template was asked for."""
        for handle in (self._keys, self._screen, self._slave):
            os.close(handle)
        self.cards.close()
        self.fingers.close()


class Kiosk:
    """The process. `said`: every line of JSON on its standard output: lamps and screens."""

    def __init__(self, repo, folder, port: int, around: Around, *more: str, **changed) -> None:
        path = folder / "settings.json"
        path.write_text(json.dumps(kiosk_settings(port, **changed)))
        command = [sys.executable, str(repo / "muster.py"), "pi", "kiosk", "--settings", str(path)]
        command += ["--data", str(folder / "data"), "--chip", around.cards.port.path, "--sensor", around.fingers.path]
        command += ["--keypad", str(around.keypad), "--display", around.display, "--mock-pins", *more]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._around = around
        self.said = []
        self.log = []
        self._threads = [
            threading.Thread(target=self._read, args=(self._process.stdout, self.said)),
            threading.Thread(target=self._read, args=(self._process.stderr, self.log)),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream, into) -> None:
        with stream:
            for line in stream:
                into.append(json.loads(line) if line.startswith("{") else {"event": line})

    def screen(self) -> list[str]:
        """What the display says now."""
        return next((line["screen"] for line in reversed(self.said) if "screen" in line), [""])

    def greens(self) -> int:
        return sum(line.get("lamp") == [0, 255, 0] for line in self.said)

    def until(self, what, timeout_s=PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not what():
            assert time.monotonic() < deadline, (self.log[-5:], self.said[-6:])
            assert self._process.poll() is None, self.log[-20:]
            time.sleep(0.005)

    def shows(self, text: str) -> None:
        """Until the display says this."""
        self.until(lambda: text in self.screen())

    def logged(self, event: str) -> None:
        self.until(lambda: any(line["event"] == event for line in self.log))

    def ready(self) -> None:
        """Until there is nothing left to wait for: list, clock, chip, sensor."""
        self.logged("sensor-ready")
        self.shows("Evening check-in")

    def card(self, uid) -> None:
        """Held until the display says something else, and taken away."""
        before = self.screen()
        self._around.cards.card_in(uid)
        self.until(lambda: self.screen() != before)
        self._around.cards.card_out()
        time.sleep(0.5)  # gone, so that it is a new one the next time

    def enrol(self, staff, uid, human) -> None:
        """Staff's card, the resident's card, and a finger that does as told, until the display says what came of it."""
        self.card(staff)
        self.shows("Staff: to enrol,")
        self._around.cards.card_in(uid)
        self.shows("Enrolment 1 of 2")
        self._around.cards.card_out()
        self._around.fingers.place(human)
        self.shows("Lift your finger")
        self._around.fingers.lift()
        self.shows("Enrolment 2 of 2")
        self._around.fingers.place(human)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self._process.send_signal(how)
        status = self._process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join()
        return status
