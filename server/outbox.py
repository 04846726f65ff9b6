"""Messages become mails: files in an outbox folder, from where the house's mail system takes them. Where the settings
name an SMTP server, mails go there instead (mailer.py).

A mail is on stable storage before its message counts as sent, and its file has the message's name: so a crash between
the two writes the same file again, and nobody gets it twice from here.
"""

from __future__ import annotations

import os
from pathlib import Path

from server import mail
from server.store import notices
from server.store.engine import Engine, reading, writing

NO_ADDRESS, BAD_ADDRESS = "no-address", "bad-address"
#: messages of one step
BATCH = 100
SENDER = "muster@localhost"


class Outbox:
    """Writes mails into a folder."""

    def __init__(self, folder: Path, *, sender: str = SENDER) -> None:
        self._folder, self._sender = folder, sender

    def work(self, engine: Engine, now_ms: int) -> int:
        """Send what waits. Returns how many messages were sent. Raises OSError where the folder cannot be written."""
        done = 0
        while True:
            with reading(engine) as connection:
                letters = notices.unsent(connection, now_ms, BATCH)
            if not letters:
                return done
            sent, failed = [], {}
            for letter in letters:
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

    def _write(self, message_id: int, made: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"message-{message_id}.eml"
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
