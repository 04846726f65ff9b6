"""An NTAG 424 DNA as the chip's antenna sees it: ISO/IEC 14443-4 blocks, ISO 7816 commands, and an NDEF file that signs.

Secure Dynamic Messaging as in NXP's AN12196: at the first read of the file after it was selected the card counts one up
and writes into the file its number and the counter in hex, and a MAC over both under the session key that it makes of them.
Or, with `sealed`, number and counter encrypted under its metadata key. With `random_uid` it shows the reader a number of
four bytes beginning 08, another one each time. What is not there: authentication, writing, the other files.
"""

import random
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

#: How long the card takes, s: to answer RATS, a select, and a read for which it computes. And to send or hear one byte.
RATS_S, SELECT_S, READ_S, BYTE_S = 0.0015, 0.0025, 0.012, 0.0000944
URL = "example.org/t"
_APPLICATION = bytes.fromhex("d2760000850101")
_FILE_BYTES = 256


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC (NIST SP 800-38B), 16 bytes."""
    made = CMAC(algorithms.AES(key))
    made.update(message)
    return made.finalize()


@dataclass(kw_only=True)
class Ntag424:
    """One card. Its counter goes on for as long as the object lives."""

    #: 7 bytes
    uid: bytes
    #: the file's read key, 16 bytes, of this card alone
    key: bytes
    #: how often its file was read
    counter: int = 0
    #: number and counter are encrypted
    sealed: bool = False
    random_uid: bool = False
    #: the longest frame that the card sends, bytes with its block's first
    frame_bytes: int = 128
    #: as in `Card`
    nonsense: bytes | None = None
    sens: bytes = b"\x03\x44"
    sel: int = 0x20
    ats: bytes = bytes.fromhex("067777710280")
    rng: random.Random = field(default_factory=lambda: random.Random(7), repr=False)

    def __post_init__(self) -> None:
        self.real_uid = self.uid
        if self.random_uid:
            self.uid = b"\x08" + self.rng.randbytes(3)
        self._block = 0
        self._selected = ""
        self._file: bytes | None = None
        self._rest = b""

    def exchange(self, data: bytes) -> bytes | None:
        """The card's answer to a frame (both without CRC); None: it stays silent."""
        if data[:1] == b"\xe0":
            self._block, self._selected, self._file, self._rest = 0, "", None, b""
            return self.ats
        if data[:1] == b"\xc2":
            return data
        kind = data[0] if data else 0
        if kind & 0xEE == 0x02:
            self._block = kind & 1
            self._rest = self._command(data[1:])
            return self._part()
        if kind & 0xF6 == 0xA2 and self._rest:
            self._block = kind & 1
            return self._part()
        return None

    def took_s(self, data: bytes, said: bytes) -> float:
        """How long it took for this answer."""
        work = RATS_S if data[:1] == b"\xe0" else READ_S if data[2:3] == b"\xb0" else SELECT_S
        return work + (len(data) + len(said) + 4) * BYTE_S

    def _part(self) -> bytes:
        most = self.frame_bytes - 1
        part, self._rest = self._rest[:most], self._rest[most:]
        return bytes((0x02 | self._block | (0x10 if self._rest else 0),)) + part

    def _command(self, apdu: bytes) -> bytes:
        head = apdu[:4]
        if head == b"\x00\xa4\x04\x00" and apdu[5 : 5 + apdu[4]] == _APPLICATION:
            self._selected = "application"
            return b"\x90\x00"
        if head == b"\x00\xa4\x00\x0c" and self._selected and apdu[5:7] == b"\xe1\x04":
            self._selected, self._file = "file", None
            return b"\x90\x00"
        if head[:2] == b"\x00\xb0" and self._selected == "file" and len(apdu) == 5:
            if self._file is None:
                self.counter += 1
                self._file = self._written()
            start = head[2] << 8 | head[3]
            return self._file[start : start + (apdu[4] or 256)] + b"\x90\x00"
        return b"\x6a\x82"

    def _written(self) -> bytes:
        count = self.counter.to_bytes(3, "little")
        session = cmac(self.key, bytes.fromhex("3cc300010080") + self.real_uid + count)
        # The MAC's input is empty, as where SDMMACInputOffset is SDMMACOffset; of the 16 bytes every second one stands.
        mac = cmac(session, b"")[1::2].hex().upper()
        if self.sealed:
            plain = b"\xc7" + self.real_uid + count + self.rng.randbytes(5)
            encryptor = Cipher(algorithms.AES(self.key), modes.CBC(bytes(16))).encryptor()
            said = f"{URL}?e={encryptor.update(plain).hex().upper()}&m={mac}"
        else:
            said = f"{URL}?u={self.real_uid.hex().upper()}&c={self.counter:06X}&m={mac}"
        uri = b"\x04" + said.encode()
        record = bytes((0xD1, 1, len(uri), 0x55)) + uri
        return (len(record).to_bytes(2, "big") + record).ljust(_FILE_BYTES, b"\x00")
