"""Messages become mails: files in an outbox folder, from where the house's mail system takes them. Where the settings
name an SMTP server, mails go there instead (mailer.py).

A mail is on stable storage before its message counts as sent, and its file has the message's name: so a crash between
the two writes the same file again, and nobody gets it twice from here.

A message that is erased takes its letter with it, if the mail system has left it there; old ones go by the retention
rule `outbox-letters`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from server import mail
from server.store import letters, notices
from server.store.engine import Engine, reading, writing

NO_ADDRESS, BAD_ADDRESS = "no-address", "bad-address"
#: messages of one step
BATCH = 100
SENDER = "muster@localhost"
#: store time between looks for letters of messages that were erased
FORGET_MS = 60_000
_LETTER = re.compile(r"message-([1-9][0-9]{0,18})\.eml")


class Outbox:
    """Writes mails into a folder."""

    def __init__(self, folder: Path, *, sender: str = SENDER) -> None:
        self._folder, self._sender = folder, sender
        #: the last look for erased messages
        self._looked_ms: int | None = None

    def work(self, engine: Engine, now_ms: int) -> int:
        """Send what waits. Returns how many messages were sent. Raises OSError where the folder cannot be written."""
        self._forget(engine, now_ms)
        done = 0
        while True:
            with reading(engine) as connection:
                waiting = notices.unsent(connection, now_ms, BATCH)
            if not waiting:
                return done
            sent, failed = [], {}
            for letter in waiting:
                if letter.address is None:
                    failed[letter.id] = NO_ADDRESS
                    continue
                try:
                    made = mail.compose(letter, self._sender, mail.address_of(letter.address))
                except ValueError:
                    failed[letter.id] = BAD_ADDRESS
                    continue
                self._write(letter.id, made)
                sent.append(letter.id)
            if sent:
                _sync(self._folder)
            with writing(engine) as connection:
                notices.settle(connection, sent, failed, now_ms)
            done += len(sent)

    def _forget(self, engine: Engine, now_ms: int) -> None:
        """Letters of messages that were erased go."""
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < FORGET_MS:
            return
        if there := held(self._folder):
            with reading(engine) as connection:
                erased = letters.erased(connection, there)
            remove(self._folder, erased)
        self._looked_ms = now_ms

    def _write(self, message_id: int, made: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"message-{message_id}.eml"
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def held(folder: Path) -> list[int]:
    """The messages whose letters lie in the folder, in order."""
    if not folder.is_dir():
        return []
    named = (_LETTER.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(one[1]) for one in named if one is not None)


def remove(folder: Path, message_ids: Iterable[int]) -> None:
    """Their letters go, if they are there."""
    for one in message_ids:
        (folder / f"message-{one}.eml").unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
