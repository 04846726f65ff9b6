"""What stands in place of a journal whose flash cannot be read."""

from firmware.reader.errors import StorageFailed


class NoStorage:
    """In place of a journal whose flash cannot be read: nothing is taken, and the light says so."""

    late_erases = 0
    erases = 0
    damaged = 0

    def journals(self) -> list:
        """None are known."""
        return []

    def append(self, journal: str, seq: int, text: str, mac: bytes) -> None:
        """Never durable."""
        raise StorageFailed("the journal's flash cannot be read: replace the reader")

    def read(self, journal: str, first: int, limit: int) -> list:
        """Nothing."""
        return []

    def free(self, journal: str, up_to: int) -> None:
        """Nothing to free."""

    def unfree(self, journal: str, first: int) -> None:
        """Nothing to take back."""

    def room(self) -> int:
        """None."""
        return 0

    def idle(self) -> bool:
        """Nothing to do."""
        return False
