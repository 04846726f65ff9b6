"""PINs at a kiosk: compared with the list's keyed hash, and counted before anybody learns whether one was right."""

from firmware.contract.residents import LOCKED, NO_PIN, PIN_BYTES
from firmware.reader.errors import ReaderError

#: wrong PINs in a row, after which that PIN is not taken until staff set a new one
TRIES_MOST = 5

RIGHT, WRONG, UNCOUNTED = "right", "wrong", "uncounted"


def pin_hash(key, token: bytes, digits: str) -> bytes:
    """What the list holds for this card and PIN: the first 8 bytes of the HMAC over token, zero byte, digits."""
    return key.hmac(token + b"\0" + digits.encode())[:PIN_BYTES]


class Pins:
    """The PINs of one kiosk. key: the institution's PIN `Key`.

    ledger: tries(token, hash), tried(token, hash) and forgive(token), durable on return; pins() -> every (token, hash)
    that it counts tries of, and forget(tokens), after which nothing of these is on its disk. All may raise ReaderError.
    """

    def __init__(self, *, key, ledger, count):
        self._key = key
        self._ledger = ledger
        self._count = count
        self._looked = None  # the list by which was forgotten last
        self._gone = set()  # tokens that are to be forgotten

    def forget(self, listed) -> None:
        """Whoever this list (None: there is none) does not name, with the PIN they have now, leaves nothing here."""
        if listed is None or listed is self._looked:
            return
        try:
            for token, pin in self._ledger.pins():
                entry = listed.find(token)
                if entry is None or entry.pin != pin:
                    self._gone.add(token)
            if self._gone:
                self._ledger.forget(sorted(self._gone))
                self._gone.clear()
            self._looked = listed
        except ReaderError as error:  # tried again
            self._count(error.code)

    def left(self, entry) -> int:
        """How many tries this entry's PIN has left; none where there is no PIN, and where they cannot be counted."""
        if entry is None or entry.pin == NO_PIN or entry.flags & LOCKED:
            return 0
        try:
            return TRIES_MOST - self._ledger.tries(entry.token, entry.pin)
        except ReaderError as error:
            self._count(error.code)
            return 0

    def given(self, entry, digits: str) -> str:
        """These digits were given: RIGHT, WRONG, or UNCOUNTED: the ledger failed, and nobody learns anything.

        Counted first: a power cut gives no try for nothing.
        """
        try:
            self._ledger.tried(entry.token, entry.pin)
            if pin_hash(self._key, entry.token, digits) != entry.pin:
                return WRONG
            self._ledger.forgive(entry.token)
            return RIGHT
        except ReaderError as error:
            self._count(error.code)
            return UNCOUNTED
