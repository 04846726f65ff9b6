"""What background work fails with: said in the log, and by an alarm that is closed again when it works."""

from __future__ import annotations

import logging

from server.store import alarms, institutions
from server.store.engine import Engine, reading, writing

log = logging.getLogger("muster.jobs")

CODE = "job-failing"
#: an alarm that is still true is raised again after this
AGAIN_MS = 60_000

#: (institution id; None: every one, what it is about)
Subject = tuple[int | None, str]


class Trouble:
    """Collects what failed and what works again; `tell` writes it. One thread's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: subject -> (text, reader id, when it was last told)
        self._now: dict[Subject, tuple[str, int | None, int | None]] = {}
        self._over: set[Subject] = set()
        self._read = False

    def failed(self, what: str, error: Exception) -> None:
        """Work of this name failed."""
        text = f"{what}: some of this work fails ({_name(error)}) and is tried again; the rest goes on. See the log"
        self._fails((None, what), text, None, error)

    def works(self, what: str) -> None:
        """Work of this name was done."""
        self._works((None, what))

    def readers(self, institution_id: int, failed: dict[str, tuple[int, Exception]]) -> None:
        """The class lists of an institution were built, but for these readers: name -> (id, error)."""
        for name, (reader_id, error) in failed.items():
            text = f"{name}: its class list cannot be made ({_name(error)}); other readers get theirs. See the log"
            self._fails((institution_id, f"reader {name}"), text, reader_id, error)
        for subject in list(self._now):
            if subject[0] == institution_id and subject[1].removeprefix("reader ") not in failed:
                self._works(subject)

    def _fails(self, subject: Subject, text: str, reader_id: int | None, error: Exception) -> None:
        self._over.discard(subject)
        before = self._now.get(subject)
        if before is None:
            log.error("job-failing subject=%s error=%s", subject[1], _name(error), exc_info=error)
        self._now[subject] = (text, reader_id, before[2] if before else None)

    def _works(self, subject: Subject) -> None:
        if self._now.pop(subject, None) is not None:
            self._over.add(subject)
            log.info("job-recovered subject=%s", subject[1])

    def tell(self, now_ms: int) -> None:
        """Raise what is new or still so, close what is over: also what was raised before this process began."""
        if not self._read:
            self._find_former()
            self._read = True
        due = [one for one, (_, _, told) in self._now.items() if told is None or not 0 <= now_ms - told < AGAIN_MS]
        if not due and not self._over:
            return
        with writing(self._engine) as connection:
            every = [found.id for found in institutions.every(connection)]
            for one in due:
                text, reader_id, _ = self._now[one]
                for here in every if one[0] is None else [one[0]]:
                    alarms.raise_(connection, here, CODE, one[1][:128], text, now_ms, reader_id=reader_id)
            for one in self._over:
                for here in every if one[0] is None else [one[0]]:
                    alarms.over(connection, here, CODE, one[1][:128], now_ms)
        for one in due:
            self._now[one] = (*self._now[one][:2], now_ms)
        self._over.clear()

    def _find_former(self) -> None:
        with reading(self._engine) as connection:
            for found in institutions.every(connection):
                for one in alarms.open_alarms(connection, found.id):
                    subject = (found.id if one.subject.startswith("reader ") else None, one.subject)
                    if one.code == CODE and subject not in self._now:
                        # Every kind of work was done or failed in this step: what did not fail is over.
                        self._over.add(subject)


def _name(error: Exception) -> str:
    return type(error.__cause__ or error).__name__
