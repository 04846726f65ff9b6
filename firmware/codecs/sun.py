"""The message of a card that signs (NXP NTAG 424 DNA, "SUN"): what its NDEF file says at this tap, without I/O.

The file holds one URI record. Into the URI the card writes, at each first read after a select, its number, a counter that
only goes up, and a MAC over both under a key that only the card and the store have (AN12196, Secure Dynamic Messaging):

    https://…?u=04C767F2066180&c=000001&m=94EED9EE65337086

The names of the parameters are the institution's own. They are told by their lengths in hex: 14 the number, 6 the
counter, 16 the MAC; 32: the number and counter are encrypted, and nobody but a holder of the key can read them.
"""

from collections import namedtuple

#: `firmware.contract.statement.Message`, by its fields: counter (int, or None where it is encrypted), mac (8 bytes)
Message = namedtuple("Message", ("counter", "mac"))
ENCRYPTED = Message(None, None)

_HEX = b"0123456789abcdefABCDEF"
_UID, _COUNTER, _MAC, _PICC = 14, 6, 16, 32


def message_of(file: bytes, uid: bytes) -> "Message | None":
    """What the card with this UID signed, `ENCRYPTED`, or None: the file says nothing of that, or of another card.

    file: from its beginning; may be cut. Never raises. The UID in the message is compared and goes no further.
    """
    found = {}
    for part in _uri(file).partition(b"?")[2].split(b"&"):
        value = part.partition(b"=")[2]
        if value and not value.strip(_HEX) and len(value) in (_UID, _COUNTER, _MAC, _PICC):
            found[len(value)] = value
    if _MAC not in found:
        return None
    if _UID in found and _COUNTER in found:
        if _bytes(found[_UID]) != uid:
            return None
        return Message(int(found[_COUNTER], 16), _bytes(found[_MAC]))
    return ENCRYPTED if _PICC in found else None


def _bytes(text):
    return bytes.fromhex(text.decode())


def _uri(file):
    # Length of the message (2); of its first record: flags (short, well known), type's length, payload's length, `U`,
    # and the code of a prefix such as https://.
    if len(file) < 8 or file[2] & 0x17 != 0x11 or file[3] != 1 or file[5] != 0x55:
        return b""
    return file[7 : 6 + file[4]]
