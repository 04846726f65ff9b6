"""Sends what alerting wrote: mails by SMTP, or as files of the outbox; webhooks by HTTP POST. In a thread of its own.

At least once: a try is noted after its end, so a crash in between sends it again, under the same number
(`Muster-Notice`, and the mail's Message-ID): whoever gets it twice can tell.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx

from server import mail, mail_line
from server.clock import Clock
from server.errors import BadSetting, StoreError, Unwritable
from server.mail_line import Account, Line
from server.store import fleet_alerts
from server.store.engine import Engine, reading, writing
from server.store.fleet_alerts import MAIL, Notice
from server.store.notices import Letter

log = logging.getLogger("muster.alerts")

#: real seconds between looks
LOOK_S = 2.0
PATIENCE_S = 10.0
#: store time until one is tried again: doubled each time, to the most; and until it is given up
AGAIN_MS, AGAIN_MOST_MS, GIVEN_UP_MS = 15_000, 1_800_000, 2 * 24 * 3_600_000
#: store time in which nobody else tries one that is tried now, longer than a try lasts; whoever is killed leaves it so long
TAKEN_MS = 120_000
SENT, OUTBOX, GONE = "sent", "outbox", "given-up"
#: hex HMAC-SHA256 of the body, under the first line of the secret's file
SIGNATURE = "Muster-Signature"


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Where alerts go. smtp None: mails become files in `outbox`."""

    mail_to: str = ""
    mail_from: str = "muster@localhost"
    smtp: Account | None = None
    outbox: Path = Path("outbox")
    webhook: str = ""
    secret_file: Path = Path()

    @property
    def channels(self) -> tuple[str, ...]:
        """Those that are set."""
        return tuple(one for one, at in zip(fleet_alerts.CHANNELS, (self.mail_to, self.webhook), strict=True) if at)


class Telling:
    """Looks every few seconds what is to be sent. `step` does it once, for tests."""

    def __init__(self, engine: Engine, clock: Clock, targets: Targets) -> None:
        self._engine, self._clock, self._targets = engine, clock, targets
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = ""

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="muster-alerts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the message that is on, and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.step()
            except (StoreError, Unwritable):
                # The jobs say so, and nothing is lost: it waits.
                continue
            except Exception as error:
                log.error("alerts-fault error=%s", type(error).__name__, exc_info=error)

    def step(self) -> int:
        """Send what may be tried now. Returns how many went."""
        with reading(self._engine) as connection:
            ready = fleet_alerts.due(connection, self._clock.now_ms())
        sent = 0
        for one in ready:
            if self._stop.is_set():
                break
            if not self._take(one):
                continue
            code, gone = self._mail(one) if one.channel == MAIL else self._post(one)
            sent += gone
            self._note(one, code, gone)
        return sent

    def _take(self, one: Notice) -> bool:
        now_ms = self._clock.now_ms()
        with writing(self._engine) as connection:
            return fleet_alerts.take(connection, one.id, now_ms, now_ms + TAKEN_MS)

    def _note(self, one: Notice, code: str, gone: bool) -> None:
        now_ms = self._clock.now_ms()
        lost = not gone and now_ms - one.created_ms > GIVEN_UP_MS
        wait_ms = min(AGAIN_MS << min(one.tries, 10), AGAIN_MOST_MS)
        if not gone and code != self._failing:
            log.error("alerts-failing channel=%s code=%s", one.channel, code)
        elif gone and self._failing:
            log.info("alerts-recovered channel=%s", one.channel)
        self._failing = "" if gone else code
        with writing(self._engine) as connection:
            fleet_alerts.tried(
                connection,
                one.id,
                GONE if lost else code,
                sent_ms=now_ms if gone else None,
                failed_ms=now_ms if lost else None,
                next_ms=now_ms + wait_ms,
            )

    def _mail(self, one: Notice) -> tuple[str, bool]:
        targets = self._targets
        # Below zero: no message to a person has such a number, and so no such Message-ID.
        letter = Letter(
            id=-one.id, address=targets.mail_to, subject=one.subject, text=one.body, created_ms=one.created_ms
        )
        try:
            content = mail.compose(letter, targets.mail_from, mail.address_of(targets.mail_to))
        except ValueError:
            return "bad-address", False
        if targets.smtp is None:
            return self._file(one, content)
        try:
            with Line(targets.smtp) as line:
                ended = line.send(targets.mail_to, content)
        except (StoreError, BadSetting) as error:
            return error.code, False
        return ended.code, ended.code == mail_line.SENT

    def _file(self, one: Notice, content: bytes) -> tuple[str, bool]:
        folder = self._targets.outbox
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = folder / f"alert-{one.id}.eml"
            part = path.with_suffix(".part")
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            return "outbox-unwritable", False
        return OUTBOX, True

    def _post(self, one: Notice) -> tuple[str, bool]:
        targets, body = self._targets, one.body.encode()
        headers = {"content-type": "application/json", "muster-notice": str(one.id)}
        try:
            if targets.secret_file != Path():
                secret = mail_line.password(targets.secret_file)
                headers[SIGNATURE.lower()] = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            # No redirect: what was signed for one address is not for another. What it says besides its state is not
            # read: an answer that never ends would hold every mail behind it.
            with httpx.stream(
                "POST", targets.webhook, content=body, headers=headers, timeout=PATIENCE_S, follow_redirects=False
            ) as answer:
                return f"webhook-{answer.status_code}", answer.is_success
        except BadSetting:
            return "webhook-secret", False
        except (httpx.HTTPError, httpx.InvalidURL):
            return "webhook-unreachable", False
