"""Sends messages as mails by SMTP, in a thread of its own: a mail system that hangs must keep no swipe and no register.

At least once: a try is written down before it begins and its end after it, so a crash between the two, or a line that
broke after the last byte, leads to a second try, under the same Message-ID. Nothing else is sent twice from here.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable

from server import mail, mail_line
from server.clock import Clock
from server.errors import BadSetting, StoreError, Unwritable
from server.mail_line import Account, Ended, Line
from server.outbox import BAD_ADDRESS, NO_ADDRESS
from server.store import alarms, institutions, mails, notices
from server.store.engine import Engine, reading, writing
from server.store.mails import Due

log = logging.getLogger("muster.mail")

ALARM = "mail-failing"
#: real seconds between looks
LOOK_S = 2.0
#: mails of one conversation
BATCH = 50
#: store time until a mail is tried again: doubled each time, to the most; and until it is given up, since it was new
AGAIN_MS, AGAIN_MOST_MS, GIVEN_UP_MS = 60_000, 3_600_000, 3 * 24 * 3_600_000
#: real seconds until a server that cannot be spoken to is tried again: doubled, to the most
DEAF_S, DEAF_MOST_S = 15.0, 600.0
EXPIRED = "smtp-expired"


class Mailer:
    """Looks every few seconds what is to be sent. `step` does it once, for tests."""

    def __init__(
        self, engine: Engine, clock: Clock, account: Account, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._clock, self._account, self._monotonic = engine, clock, account, monotonic
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        #: the code that it fails with now; None: before the first conversation
        self._failing: str | None = None
        self._deaf_s, self._not_before_s = DEAF_S, float("-inf")

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="muster-mail", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the mail that is on, and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._account.patience_s)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.step()
            except Unwritable:
                # The jobs say so. Nothing is tried that could not be written down.
                continue
            except Exception as error:
                log.error("mail-fault error=%s", type(error).__name__, exc_info=error)
                self._stop.wait(DEAF_S)

    def step(self) -> int:
        """Send what may be tried now. Returns how many were sent."""
        self._take()
        if self._monotonic() < self._not_before_s:
            return 0
        sent = 0
        while not self._stop.is_set():
            with reading(self._engine) as connection:
                ready = mails.due(connection, self._clock.now_ms(), BATCH)
            if not ready:
                return sent
            try:
                with Line(self._account) as line:
                    done, trouble = self._talk(line, ready)
            except (StoreError, BadSetting) as error:
                self._fails(error.code, str(error))
                self._not_before_s = self._monotonic() + self._deaf_s
                self._deaf_s = min(2 * self._deaf_s, DEAF_MOST_S)
                return sent
            self._deaf_s = DEAF_S
            sent += done
            if trouble is None:
                self._works()
            else:
                self._fails(trouble, "the SMTP server does not take mails now")
        return sent

    def _take(self) -> None:
        """Messages that are new: each is on its way now, or cannot be."""
        now_ms = self._clock.now_ms()
        with reading(self._engine) as connection:
            new = notices.unsent(connection, now_ms, BATCH, begun=False)
            erased = mails.any_erased(connection)
        if not new and not erased:
            return
        sender = self._account.sender
        with writing(self._engine) as connection:
            mails.drop_erased(connection, now_ms)
            here = mails.institutions_of(connection, [one.id for one in new])
            failed: dict[int, str] = {}
            for letter in new:
                try:
                    address = mail.address_of(letter.address) if letter.address is not None else ""
                except ValueError:
                    failed[letter.id] = BAD_ADDRESS
                    continue
                if not address:
                    failed[letter.id] = NO_ADDRESS
                    continue
                mails.add(connection, letter, here[letter.id], mail.name_of(letter, sender), address, now_ms)
            notices.settle(connection, [], failed, now_ms)

    def _talk(self, line: Line, ready: list[Due]) -> tuple[int, str | None]:
        """Hand mails over, each in turn. Answers how many were sent, and what kept all that were tried from it."""
        sent, last = 0, None
        for one in ready:
            if not line.open or self._stop.is_set():
                break
            content = mail.compose(one.letter, self._account.sender, one.address)
            with writing(self._engine) as connection:
                digest = hashlib.sha256(content).hexdigest()
                mine = mails.begin(connection, one.letter.id, digest, len(content), self._clock.now_ms())
            if not mine:
                continue
            ended = line.send(one.address, content)
            sent += ended.code == mail_line.SENT
            last = ended.code
            self._note(one, ended)
        return sent, last if not sent and last not in (None, mail_line.REFUSED) else None

    def _note(self, one: Due, ended: Ended) -> None:
        now_ms = self._clock.now_ms()
        state, code, next_ms = mails.WAITING, ended.code, 0
        if ended.code == mail_line.SENT:
            state = mails.SENT
        elif ended.code == mail_line.REFUSED:
            state = mails.FAILED
        elif now_ms - one.taken_ms > GIVEN_UP_MS:
            state, code = mails.FAILED, EXPIRED
        else:
            next_ms = now_ms + min(AGAIN_MS << min(one.tries, 10), AGAIN_MOST_MS)
        with writing(self._engine) as connection:
            mails.end(connection, one.letter.id, state, code, ended.reply, now_ms, next_ms)
        if state == mails.FAILED:
            log.warning("mail-failed message=%d code=%s reply=%s", one.letter.id, code, ended.reply)

    def _fails(self, code: str, words: str) -> None:
        if self._failing != code:
            log.error("mail-failing code=%s", code)
        self._failing = code
        self._tell(lambda connection, here, now_ms: alarms.raise_(
            connection, here, ALARM, "smtp", f"{words} [{code}]. Mails are kept, and tried again", now_ms
        ))  # fmt: skip

    def _works(self) -> None:
        if self._failing == "":
            return
        if self._failing:
            log.info("mail-recovered")
        self._failing = ""
        self._tell(lambda connection, here, now_ms: alarms.over(connection, here, ALARM, "smtp", now_ms))

    def _tell(self, say: Callable[..., None]) -> None:
        with writing(self._engine) as connection:
            for found in institutions.every(connection):
                say(connection, found.id, self._clock.now_ms())
