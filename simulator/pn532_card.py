"""A contactless card (ISO/IEC 14443 type A) as the chip's antenna sees it, and one presentation of it."""

from dataclasses import dataclass, field
from typing import Protocol

#: SENS_RES and SEL_RES of a card that says nothing else, by UID length: Classic 1K, Ultralight, a 10-byte DESFire.
_DEFAULTS = {4: (b"\x00\x04", 0x08), 7: (b"\x00\x44", 0x00), 10: (b"\x00\x84", 0x20)}


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card answers with."""

    #: 4, 7 or 10 bytes, in the order they travel.
    uid: bytes
    #: Two bytes as the PN532 reports them (high byte first); None: the usual ones for the UID's length.
    sens_res: bytes | None = None
    #: One byte (SAK); None: the usual one for the UID's length.
    sel_res: int | None = None
    #: Answer to RATS, its length byte included; empty: the card does not speak ISO 14443-4.
    ats: bytes = b""
    #: A type 2 tag's memory, 4 bytes a page.
    memory: bytes = bytes(64)
    #: Instead of a target the chip reports these bytes after NbTg (a card that answers nonsense).
    nonsense: bytes | None = None

    @property
    def sens(self) -> bytes:
        """SENS_RES, two bytes."""
        return self.sens_res if self.sens_res is not None else _DEFAULTS.get(len(self.uid), _DEFAULTS[4])[0]

    @property
    def sel(self) -> int:
        """SEL_RES (SAK)."""
        return self.sel_res if self.sel_res is not None else _DEFAULTS.get(len(self.uid), _DEFAULTS[4])[1]

    def exchange(self, data: bytes) -> bytes | None:
        """The card's answer to *data* (both without CRC); None: it stays silent and the chip times out."""
        if self.ats and data[:1] == b"\xe0":
            return self.ats
        if self.ats and data[:1] in (b"\xc2", b"\xca"):
            return data
        if self.sel & 0x60 == 0 and self.sel & 0x08 == 0 and data[:1] == b"\x30" and len(data) == 2:
            start = data[1] * 4
            return (self.memory + self.memory)[start : start + 16] if start < len(self.memory) else b"\x00"
        return None

    def took_s(self, data: bytes, said: bytes) -> float:
        """How long the card took for this answer: too short to count."""
        return 0.0


class AnyCard(Protocol):
    """What the chip asks of a card: a `Card`, or one that computes (simulator/ntag424.py)."""

    @property
    def uid(self) -> bytes:
        """As the reader sees it, in the order it travels."""
        ...

    @property
    def sens(self) -> bytes:
        """SENS_RES, two bytes."""
        ...

    @property
    def sel(self) -> int:
        """SEL_RES."""
        ...

    @property
    def ats(self) -> bytes:
        """Answer to RATS, or nothing."""
        ...

    @property
    def nonsense(self) -> bytes | None:
        """Instead of a target."""
        ...

    def exchange(self, data: bytes) -> bytes | None:
        """The answer to a frame."""
        ...

    def took_s(self, data: bytes, said: bytes) -> float:
        """How long it took for that answer."""
        ...


@dataclass(kw_only=True)
class Presentation:
    """One card held into the field once. Times are the emulator's clock, in seconds."""

    card: AnyCard
    #: When it came into the field.
    in_at_s: float
    #: When it was taken away.
    out_at_s: float | None = None
    #: From when the chip could have answered: the card was there and a search was running.
    wanted_at_s: float | None = None
    #: When the chip's first answer with this card was ready for the host.
    answered_at_s: float | None = None
    #: How long the card took for what it was asked after that.
    talked_s: float = 0.0
    # The card's state in ISO 14443-3 terms: "idle", "active", "protocol" or "halt".
    state: str = field(default="idle", repr=False)
    # Since when it has had power.
    powered_at_s: float = field(default=0.0, repr=False)

    @property
    def chip_s(self) -> float | None:
        """The card's and the chip's own time, to leave out of tap to light; None: not answered yet."""
        if self.answered_at_s is None or self.wanted_at_s is None:
            return None
        return self.answered_at_s - self.wanted_at_s + self.talked_s


def crc_a(data: bytes) -> bytes:
    """CRC_A of ISO/IEC 14443-3 over *data*, low byte first."""
    crc = 0x6363
    for octet in data:
        octet ^= crc & 0xFF
        octet = (octet ^ octet << 4) & 0xFF
        crc = (crc >> 8) ^ (octet << 8) ^ (octet << 3) ^ (octet >> 4)
    return bytes((crc & 0xFF, crc >> 8))
