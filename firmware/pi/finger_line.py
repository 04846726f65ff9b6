"""The line to the fingerprint sensor: one command, one answer, and the certainty that they belong together.

An answer does not say which command it answers, so one repeated or late on the line could be taken for the next one's:
an old "ok" for a match that was none. Therefore:
- every command used here may be carried out twice, so what went wrong is done again as a whole (`settled`);
- after anything odd the line is set straight (`align`): ask for the parameters, whose answer cannot be taken for any
  other's, and drop all that comes before it;
- nothing is believed until that same question, asked next, is answered next (`settled`).
"""

import contextlib
import termios
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import serial

from firmware.codecs import fingerprint as codec
from firmware.codecs.fingerprint_packets import Answer, Damaged, Decoder

BAUD = 57600
#: The longest wait for one answer, and for one when the line is set straight. A sensor that goes silent is lost after
#: ANSWER_S + ALIGN_TRIES * ALIGN_S, which is under 2 s.
ANSWER_S = 1.0
ALIGN_S = 0.45
ALIGN_TRIES = 2
#: How often a thing is done again after damage on the line, before the sensor counts as lost.
TRIES = 3
#: One wait of the port for bytes; the longest for the port to take some.
READ_S = 0.05
WRITE_S = 0.5
#: A bite of what has come: noise that never ends is read in pieces, and the deadline is looked at between them.
BITE = 256

Given = TypeVar("Given")


class FingerError(Exception):
    """The sensor cannot be used. `why` is one word for records; nothing of a person is in it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Lost(FingerError):
    """It does not answer: `port`, `silent`, `garbled`, or `restarted` (it answers, and forgot all that it was told)."""


class Other(FingerError):
    """It answers, and is not the one that was set up here: `password`, `capacity`, `system`, `changed` or `index`."""


class _Odd(Exception):
    """Something on the line was not as it must be. It never leaves this module."""


class Line:
    """The sensor at serial port `path`, for one thread. Methods may raise Lost and Other."""

    def __init__(self, path: str, password: int, answer_s: float = ANSWER_S) -> None:
        self._path = path
        self._password = password
        self._answer_s = answer_s
        self._port: serial.Serial | None = None
        self._decoder = Decoder()
        #: what the sensor said of itself when the line was opened; None: not open
        self.parameters: codec.Parameters | None = None
        #: damaged, wrong and missing answers since the start
        self.failures = 0

    def open(self) -> codec.Parameters:
        """Take the port for us alone, tell the sensor its password, and learn what it is."""
        self.close()
        self._decoder.clear()
        with _port():
            self._port = serial.Serial(self._path, BAUD, timeout=READ_S, write_timeout=WRITE_S, exclusive=True)
        self._enter()
        self.align()
        assert self.parameters is not None
        return self.parameters

    def close(self) -> None:
        """Give the port back."""
        port, self._port, self.parameters = self._port, None, None
        if port is not None:
            with contextlib.suppress(OSError, termios.error):
                port.close()

    def ask(self, command: codec.Command) -> Answer:
        """One command, one answer. Only inside `settled`: by itself the answer may be another command's."""
        return self._exchange(command, self._answer_s)

    def settled(self, asked: Callable[[], Given], *, harmless: int | None = None) -> Given:
        """What asked() gives, done again as a whole as long as anything about it was odd.

        harmless: an answer with this code is taken as it is, without asking whether the line is straight.
        """
        for _ in range(TRIES):
            try:
                given = asked()
                if isinstance(given, Answer) and given.code == harmless:
                    return given
                self._same(codec.parse_parameters(self.ask(codec.read_parameters())))
                return given
            except (_Odd, codec.AnswerError):
                self.failures += 1
                self.align()
        raise Lost("garbled")

    def align(self) -> None:
        """Set the line straight: after this the next answer is the next command's."""
        for _ in range(ALIGN_TRIES):
            self._decoder.clear()
            self._send(codec.read_parameters())
            for event in self._heard(ALIGN_S):
                with contextlib.suppress(codec.AnswerError):
                    if isinstance(event, Answer):
                        self._not_restarted(event)
                        self._same(codec.parse_parameters(event))
                        return
            self.failures += 1
        raise Lost("silent")

    # -- inside --------------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        refused = 0
        for _ in range(TRIES):
            with contextlib.suppress(_Odd, codec.AnswerError):
                code = self._exchange(codec.verify_password(self._password), ALIGN_S).code
                if code == codec.OK:
                    return
                refused += code == codec.WRONG_PASSWORD
            self.failures += 1
        # One refusal may be an answer left over from before.
        raise Other("password") if refused > 1 else Lost("silent")

    def _exchange(self, command: codec.Command, wait_s: float) -> Answer:
        with _port():
            waiting = self._decoder.feed(self._open_port().read(self._open_port().in_waiting))
        if any(isinstance(event, Answer) for event in waiting):
            raise _Odd("an answer that nobody asked for")
        self._decoder.clear()
        self._send(command)
        for event in self._heard(wait_s):
            if isinstance(event, Damaged):
                raise _Odd(event.code)
            if command.code != codec.VERIFY_PASSWORD:
                self._not_restarted(event)
            if event.code == codec.PACKET_ERROR:
                raise _Odd("our packet was damaged on its way")
            return codec.expect(event, command)
        raise _Odd("no answer")

    def _heard(self, wait_s: float) -> Iterator[Answer | Damaged]:
        """What comes within *wait_s*."""
        until_s = time.monotonic() + wait_s
        while time.monotonic() < until_s:
            with _port():
                port = self._open_port()
                # The first byte is waited for; what has come with it is taken as well.
                data = port.read(1)
                data += port.read(min(port.in_waiting, BITE))
            yield from self._decoder.feed(data)

    def _send(self, command: codec.Command) -> None:
        with _port():
            self._open_port().write(codec.encode(command))

    def _same(self, found: codec.Parameters) -> None:
        # The status word changes while the sensor works.
        if self.parameters is not None and found[1:] != self.parameters[1:]:
            raise Other("changed")
        self.parameters = found

    def _open_port(self) -> serial.Serial:
        if self._port is None:
            raise Lost("port")
        return self._port

    def _not_restarted(self, answer: Answer) -> None:
        if answer.code == codec.WRONG_PASSWORD:
            raise Lost("restarted")


@contextlib.contextmanager
def _port() -> Iterator[None]:
    """Whatever the operating system says of a port that is gone, or will not take bytes: it is lost."""
    try:
        yield
    except (OSError, termios.error, TypeError) as error:
        # pyserial lets a TypeError out where another thread closed the port under it.
        raise Lost("port") from error
