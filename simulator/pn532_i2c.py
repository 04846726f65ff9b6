"""The emulated chip behind an I2C address: whole transactions, as a bus master sees them (UM0701-02, 6.2.4)."""

from simulator.pn532 import Pn532

#: The PN532's 7-bit address (its documents write 0x48, shifted).
ADDRESS = 0x24


class I2cPort:
    """Transactions to one chip. A read begins with the status byte, 01 when a frame follows and 00 when not."""

    def __init__(self, chip: Pn532, *, address: int = ADDRESS) -> None:
        self._chip = chip
        self._address = address
        self._naks_left = 0

    def nak(self, count: int = 1) -> None:
        """Disturb the bus: the next *count* transactions are not acknowledged."""
        self._naks_left += count

    def write(self, address: int, data: bytes) -> bool:
        """A write transaction; False: not acknowledged (nobody there, or asleep: it wakes)."""
        if not self._there(address):
            return False
        self._chip.receive(data)
        return True

    def read(self, address: int, length: int) -> bytes | None:
        """A read transaction of *length* bytes; None: not acknowledged.

        One byte asks for the status only. A longer read takes the frame, and what it did not fetch is lost.
        """
        if not self._there(address):
            return None
        if length <= 1:
            return (b"\x01" if self._chip.ready() else b"\x00")[:length]
        frame = self._chip.take()
        if frame is None:
            return bytes(length)
        return (b"\x01" + frame)[:length].ljust(length, b"\x00")

    def _there(self, address: int) -> bool:
        if address != self._address or self._chip.silent:
            return False
        if self._naks_left:
            self._naks_left -= 1
            return False
        if self._chip.asleep:
            self._chip.wake()
            return False
        return True
