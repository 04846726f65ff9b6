"""One conversation with an SMTP server: connect, and hand mails over. Every way it can end has a code.

What the server says is never kept or logged but its three digits: its words may name people.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from pathlib import Path

from server.errors import BadSetting, StoreError

STARTTLS, IMPLICIT, NONE = MODES = ("starttls", "implicit", "none")
PORTS = {STARTTLS: 587, IMPLICIT: 465, NONE: 25}
#: for each answer, s
PATIENCE_S = 30.0
#: how a mail ends
SENT, REFUSED, LATER, SENDER, UNSURE = "sent", "smtp-refused", "smtp-later", "smtp-sender", "smtp-unsure"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where mails are handed over, and as whom."""

    host: str
    #: 0: the usual one
    port: int = 0
    #: starttls, implicit, none
    tls: str = STARTTLS
    user: str = ""
    password_file: Path = Path()
    sender: str
    patience_s: float = PATIENCE_S


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a mail ended: a code, and the server's three digits where it said any."""

    code: str
    reply: int | None = None


def password(path: Path) -> str:
    """The first line of the file. Raises BadSetting(`smtp-password`)."""
    try:
        if path.stat().st_mode & 0o077:
            raise BadSetting("smtp-password", f"{path} may be read by others: chmod 600 {path}")
        found = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting("smtp-password", f"{path} cannot be read") from error
    if not found:
        raise BadSetting("smtp-password", f"{path} holds no password in its first line")
    return found


class Line:
    """A conversation. Use `with`; raises StoreError(`smtp-unreachable`, `smtp-tls`, `smtp-login`), BadSetting(`smtp-password`)
    where there can be none."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Line:
        account = self._account
        secret = password(account.password_file) if account.user else ""
        port = account.port or PORTS[account.tls]
        # Not this machine's name: that may ask the network for it, and need not leave the house.
        here = account.sender.partition("@")[2]
        trust = ssl.create_default_context()
        try:
            if account.tls == IMPLICIT:
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                    account.host, port, local_hostname=here, timeout=account.patience_s, context=trust
                )
            else:
                smtp = smtplib.SMTP(account.host, port, local_hostname=here, timeout=account.patience_s)
            self._smtp = smtp
            if account.tls == STARTTLS:
                smtp.starttls(context=trust)
        except (
            ssl.SSLError,
            smtplib.SMTPNotSupportedError,
            smtplib.SMTPHeloError,
            smtplib.SMTPResponseException,
        ) as error:
            self.close()
            if isinstance(error, smtplib.SMTPConnectError):
                raise _unreachable(account) from None
            raise StoreError(
                "smtp-tls",
                f"{account.host} does not speak TLS as smtp_tls says ({account.tls}), or its certificate is not for it",
            ) from None
        except (OSError, smtplib.SMTPException):
            self.close()
            raise _unreachable(account) from None
        try:
            smtp.ehlo_or_helo_if_needed()
            if account.user:
                smtp.login(account.user, secret)
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPHeloError):
            self.close()
            raise _unreachable(account) from None
        except smtplib.SMTPException:
            self.close()
            raise StoreError(
                "smtp-login", f"{account.host} does not take the account: look at smtp_user and its file"
            ) from None
        except OSError:
            self.close()
            raise _unreachable(account) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Say good-bye, if anybody listens."""
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        try:
            smtp.quit()
        except (OSError, smtplib.SMTPException):
            smtp.close()

    @property
    def open(self) -> bool:
        """Whether more mails can be handed over."""
        return self._smtp is not None and self._smtp.sock is not None

    def send(self, address: str, content: bytes) -> Ended:
        """Hand one mail over. It may have been taken where the answer is UNSURE, and only there and where it is SENT."""
        smtp = self._smtp
        assert smtp is not None, "used after its end"
        try:
            for ask, who, wrong in ((smtp.mail, self._account.sender, SENDER), (smtp.rcpt, address, REFUSED)):
                reply = ask(who)[0]
                if reply // 100 != 2:
                    return self._refused(reply, wrong)
        except (OSError, smtplib.SMTPException):
            self._lost()
            return Ended(code=LATER)
        try:
            reply = smtp.data(content)[0]
        except smtplib.SMTPDataError as error:
            return self._refused(error.smtp_code, REFUSED)
        except (OSError, smtplib.SMTPException):
            # After the last line and before its answer nobody knows.
            self._lost()
            return Ended(code=UNSURE)
        return Ended(code=SENT, reply=reply) if reply // 100 == 2 else self._refused(reply, REFUSED)

    def _refused(self, reply: int, wrong: str) -> Ended:
        smtp = self._smtp
        if reply == 421 or smtp is None:
            self._lost()
        else:
            try:
                smtp.rset()
            except (OSError, smtplib.SMTPException):
                self._lost()
        return Ended(code=wrong if reply // 100 == 5 else LATER, reply=reply)

    def _lost(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None


def _unreachable(account: Account) -> StoreError:
    return StoreError(
        "smtp-unreachable", f"{account.host} does not answer, or broke off: look at smtp_host and smtp_port"
    )
