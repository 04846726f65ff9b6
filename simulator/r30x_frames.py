"""The R30x's packets as the sensor sees them: own code, no import from `firmware`.

The emulator must not share a framing mistake with the firmware it tests, so this stands for the sensor's side only:
it reads the host's packets and writes the sensor's.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

START = b"\xef\x01"
COMMAND, DATA, ANSWER, LAST_DATA = 1, 2, 7, 8
#: Longest contents and sum that a sensor takes: a data packet of 256 bytes.
MAX_LENGTH = 258


@dataclass(frozen=True, kw_only=True)
class Packet:
    """One whole packet from the host."""

    kind: int
    contents: bytes


def answer(contents: bytes, *, kind: int = ANSWER, address: int = 0xFFFFFFFF) -> bytes:
    """One packet around *contents*, whose first byte says how it went."""
    body = struct.pack(">BH", kind, len(contents) + 2) + contents
    return START + struct.pack(">I", address) + body + struct.pack(">H", sum(body) % 65536)


class HostStream:
    """Takes the host's bytes and yields whole packets; None for one with a wrong sum (the sensor says "receive error").

    What is for another address is passed over in silence, as on a bus that several sensors share.
    """

    def __init__(self, *, address: int = 0xFFFFFFFF) -> None:
        self._address = struct.pack(">I", address)
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Packet | None]:
        """Yield what *data* completes."""
        self._held += data
        while True:
            start = self._held.find(START)
            if start < 0:
                self._held = self._held[-1:] if self._held.endswith(START[:1]) else b""
                return
            self._held = self._held[start:]
            if len(self._held) < 9:
                return
            kind, length = struct.unpack_from(">BH", self._held, 6)
            if not 3 <= length <= MAX_LENGTH:
                self._held = self._held[2:]
                continue
            if len(self._held) < 9 + length:
                return
            packet, self._held = self._held[: 9 + length], self._held[9 + length :]
            if packet[2:6] != self._address:
                continue
            (told,) = struct.unpack(">H", packet[-2:])
            yield Packet(kind=kind, contents=packet[9:-2]) if sum(packet[6:-2]) % 65536 == told else None
