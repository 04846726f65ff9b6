"""The kiosk's own condition (sensor, lid, place), and the records that tell of it: one follows each change, however late.

What was last said is on stable storage, so a kiosk that was opened, moved or left without its sensor while it was off
says so when it is on again, and says nothing twice.
"""

from firmware.reader.errors import ReaderError

#: A good start is no change: these are said only after something else was.
GOOD = ("sensor-found", "closed", "returned")


class Condition:
    """ledger: said(name) and say(name, value), durable on return; both may raise ReaderError."""

    def __init__(self, *, reader, ledger):
        self._reader = reader
        self._ledger = ledger
        #: name -> the event that holds now
        self.words = {}
        self._details = {}

    def tell(self, event, now_ms, subject=None, by=None, slot=None, generation=None, detail=None) -> bool:
        """Append a kiosk event (fields as in `statement.FIELDS`). Whether it is durable."""
        values = {
            "event": event,
            "subject": subject,
            "by": by,
            "slot": slot,
            "generation": generation,
            "detail": detail,
        }
        return self._reader.record("kiosk", values, self._reader.reading(now_ms), now_ms) is None

    def become(self, name: str, word: str, detail: "str | None", now_ms: int) -> None:
        """This holds now."""
        self.words[name] = word
        self._details[name] = detail
        self._report(name, now_ms)

    def report(self, now_ms: int) -> None:
        """Say what could not be said before."""
        for name in list(self.words):
            self._report(name, now_ms)

    def _report(self, name, now_ms):
        word = self.words[name]
        try:
            said = self._ledger.said(name)
            if said == word or (said is None and word in GOOD):
                return
            if self._reader.journal.trouble is None and self.tell(word, now_ms, detail=self._details[name]):
                self._ledger.say(name, word)
        except ReaderError as error:
            self._reader.count(error.code)
