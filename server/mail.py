"""A message as a mail: the same message makes the same bytes, so that whoever gets it twice can tell."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from server.store.notices import Letter

#: an SMTP server need not take bytes above 127
_POLICY = SMTP.clone(cte_type="7bit")


def name_of(letter: Letter, sender: str) -> str:
    """The mail's Message-ID. It holds the message's time as well as its number: a store that was put back from a backup
    gives numbers a second time."""
    return f"<muster-{letter.id}-{letter.created_ms}@{sender.partition('@')[2]}>"


def address_of(said: str) -> str:
    """One address and nothing else, in ASCII: no list, no header of its own. Raises ValueError."""
    local, _, domain = said.partition("@")
    if (
        not local
        or not domain
        or "@" in domain
        or not said.isprintable()
        or any(one in said for one in ' ,;<>"\\()[]:')
    ):
        raise ValueError("no address")
    made = f"{local}@{domain.encode('idna').decode()}"
    if not made.isascii():
        raise ValueError("no address in ASCII")
    return made


def compose(letter: Letter, sender: str, address: str) -> bytes:
    """The mail's bytes, with CRLF. address: `address_of`."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["To"] = address
    mail["Subject"] = " ".join(letter.subject.split())
    mail["Date"] = format_datetime(datetime.fromtimestamp(letter.created_ms / 1000, UTC))
    mail["Message-ID"] = name_of(letter, sender)
    # Machines do not answer a machine.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.text)
    return mail.as_bytes()
