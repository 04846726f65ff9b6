"""The PN532's frames as the chip sees them (UM0701-02, 6.2.1): own code, no import from `firmware`.

The emulator must not share a framing mistake with the firmware it tests, so this stands for the chip's side only:
it reads the host's frames and writes the chip's.
"""

from collections.abc import Iterator

ACK = bytes.fromhex("0000ff00ff00")
NACK = bytes.fromhex("0000ffff0000")
#: What the chip answers to a command it does not know or cannot parse ("syntax error").
ERROR = bytes.fromhex("0000ff01ff7f8100")
#: Longest data field of a frame, TFI included.
MAX_LENGTH = 265


def answer(payload: bytes) -> bytes:
    """One frame around *payload* (TFI, code, data), extended where it is longer than 255 bytes."""
    length = len(payload)
    if length <= 255:
        head = bytes((length, -length & 0xFF))
    else:
        high, low = divmod(length, 256)
        head = bytes((0xFF, 0xFF, high, low, -(high + low) & 0xFF))
    return b"\x00\x00\xff" + head + payload + bytes((-sum(payload) & 0xFF, 0))


class HostStream:
    """Takes the host's bytes and yields `ACK`, `NACK` or the payload (TFI D4, command, data) of each whole frame.

    A frame with a wrong checksum is dropped without a word, as the chip does: the host then misses its ACK.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        #: Frames dropped for a wrong length or checksum.
        self.damaged = 0

    def clear(self) -> None:
        """Forget a frame that has begun."""
        self._pending.clear()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what *data* completes."""
        pending = self._pending
        pending += data
        while True:
            start = pending.find(b"\x00\xff")
            if start < 0:
                del pending[: len(pending) - 1 if pending.endswith(b"\x00") else len(pending)]
                return
            del pending[:start]
            if len(pending) < 4:
                return
            if pending[2:4] == b"\x00\xff":
                del pending[:4]
                yield ACK
                continue
            if pending[2:4] == b"\xff\x00":
                del pending[:4]
                yield NACK
                continue
            extended = pending[2:4] == b"\xff\xff"
            head = 7 if extended else 4
            if len(pending) < head:
                return
            length = pending[4] * 256 + pending[5] if extended else pending[2]
            if sum(pending[4:7] if extended else pending[2:4]) & 0xFF or not 0 < length <= MAX_LENGTH:
                self.damaged += 1
                del pending[:2]
                continue
            if len(pending) < head + length + 1:
                return
            if sum(pending[head : head + length + 1]) & 0xFF:
                self.damaged += 1
                del pending[:2]
                continue
            payload = bytes(pending[head : head + length])
            del pending[: head + length + 1]
            yield payload
