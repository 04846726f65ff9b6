"""Whom the Pico's link trusts: a TLS context that verifies, and the floor below which no clock may be.

Four traps of MicroPython's TLS stand behind these lines, each with a test on the real interpreter:
- `ssl.SSLContext(PROTOCOL_TLS_CLIENT)` verifies nothing, whatever CA is loaded: `tls.SSLContext` does, and is told so.
- Certificates are taken in DER only. `tls` takes the bytes by position, where `ssl` would take a file's path.
- Without a server's name the handshake must fail: a certificate of our own authority may belong to anybody (a Pi's).
- mbedTLS looks at the dates, and a board without a battery begins in 2021: no certificate would be valid yet.
"""

import tls

from firmware.reader.errors import SettingsError

FILE = "time.floor"
DAY_S = 86_400
#: The kept floor rises by at most this much in a day: a store whose clock was set years ahead for an hour must not
#: make every certificate look expired to six hundred boards.
STEP_S = 7 * DAY_S


def context(ca: "list | tuple"):
    """A TLS context that trusts these authorities only (DER each). Raises SettingsError for what is no certificate."""
    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_REQUIRED  # pyright: ignore  the stubs lack it
    for der in ca:
        try:
            # Each call adds one: during a change of the authority there are two.
            made.load_verify_locations(der)
        except (ValueError, OSError):
            raise SettingsError("the broker's tls has a ca that is no certificate in DER: provision this reader again")
    return made


class Floor:
    """No clock may be earlier than this. Kept on flash, in `folder`, so that it outlives a power cut.

    at_least_s: when the firmware was built, or the settings' floor, whichever is later; epoch seconds. `seconds` is the
    floor now: never later than the true time, while the store's clock is right.
    """

    def __init__(self, folder: str, at_least_s: int):
        self._path = folder + FILE
        self._raised_ms = None
        #: writes that failed: for the health report
        self.faults = 0
        self.seconds = at_least_s
        try:
            with open(self._path) as file:
                self.seconds = max(at_least_s, int(file.read(16)))
        except (OSError, ValueError):
            pass  # there was none yet, or it is nonsense: then what is built in holds

    def learned(self, now_s: int, uptime_ms: int) -> bool:
        """The store said that it is `now_s`. Whether the floor was raised; that costs an erase, so at most once a day."""
        if now_s - self.seconds < DAY_S:
            return False
        if self._raised_ms is not None and uptime_ms - self._raised_ms < DAY_S * 1000:
            return False
        self._raised_ms = uptime_ms
        self.seconds = min(now_s, self.seconds + STEP_S)
        try:
            # littlefs shows a file's new content when it was closed: at every power cut the old or the new floor.
            with open(self._path, "w") as file:
                file.write(str(self.seconds))
        except OSError:
            self.faults += 1
        return True
