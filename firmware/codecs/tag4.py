"""Reading the NDEF file of a card that speaks ISO/IEC 14443-4, without I/O: frames in, frames out. For both interpreters.

Whoever owns the chip sends `Reading.frame` to the card as it is (InCommunicateThru; the chip adds the CRC), hands the
answer to `heard`, and goes on until `frame` is None. What was read stands in `file` then, None where this is no such card.

    RATS -> ATS    SELECT application D2760000850101    SELECT file E104    READ BINARY      (NFC Forum, Type 4 Tag)

Blocks are those of ISO/IEC 14443-4 without CID: I-blocks with a block number, chained ones acknowledged, a card's wish for
more time granted. Whatever the card says, at most BLOCKS_MAX frames are sent, and nothing is raised.
"""

#: Request for answer to select: we take frames of 256 bytes, and the card is number 0.
RATS = b"\xe0\x80"
#: The card is to leave this protocol, and to keep silent until its power was off.
DESELECT = b"\xc2"
#: Bytes of the file that are read: its length, and a message of a card that signs. Fits one frame.
FILE_BYTES = 0x78
BLOCKS_MAX = 16

_COMMANDS = (
    b"\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x01\x00",
    b"\x00\xa4\x00\x0c\x02\xe1\x04",
    b"\x00\xb0\x00\x00" + bytes((FILE_BYTES,)),
)
_OK = b"\x90\x00"
_CHAINED = 0x10
_MORE_TIME = 0xF2


class Reading:
    """One card's file being read."""

    def __init__(self):
        #: what is to be sent to the card now; None: it is over
        self.frame = RATS
        #: what was read, or None
        self.file = None
        self._step = -1
        self._block = 0
        self._said = b""
        self._sent = 1

    @property
    def last(self) -> bool:
        """Whether the answer waited for is the long one."""
        return self._step == len(_COMMANDS) - 1

    def heard(self, answer: bytes) -> None:
        """The card's answer to `frame`; empty: it said nothing, or something damaged."""
        self.frame = None
        if not answer or self._sent >= BLOCKS_MAX:
            return
        if self._step < 0:
            if answer[0] == len(answer):  # an ATS begins with its own length
                self._next()
            return
        kind = answer[0]
        if kind == _MORE_TIME and len(answer) == 2:
            self._send(bytes((_MORE_TIME, answer[1] & 0x3F)))
            return
        if kind & 0xEE != 0x02 or kind & 1 != self._block or len(self._said) > FILE_BYTES + 2:
            return
        self._said += answer[1:]
        self._block ^= 1
        if kind & _CHAINED:
            self._send(bytes((0xA2 | self._block,)))
        elif self._said[-2:] == _OK:
            self._next()

    def _next(self):
        self._step += 1
        if self._step == len(_COMMANDS):
            self.file = self._said[:-2]
            return
        self._said = b""
        self._send(bytes((0x02 | self._block,)) + _COMMANDS[self._step])

    def _send(self, frame):
        self._sent += 1
        self.frame = frame
