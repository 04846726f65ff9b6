"""What can go wrong between the chip and its host, as orders that strike once each."""

#: Faults by name, and what each does.
FAULTS = {
    "drop_ack": "the next command is lost: no ACK, no answer",
    "lost_ack": "the next command is carried out, but its ACK is lost",
    "drop_answer": "the next answer never comes",
    "corrupt": "one bit of the next answer is wrong",
    "truncate": "the next answer ends half-way",
    "nonsense": "the next InListPassiveTarget answers a target that cannot be",
}
#: What "nonsense" answers: one target whose UID is longer than the answer.
NONSENSE = bytes.fromhex("0101ffffff2104")


class Faults:
    """Faults waiting for their command."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, int | None]] = []

    def add(self, fault: str, count: int = 1, command: int | None = None) -> None:
        """Let *fault* strike the next *count* times; only at commands with code *command*, if given."""
        if fault not in FAULTS:
            raise ValueError(f"unknown fault {fault!r}: one of {', '.join(FAULTS)}")
        self._waiting += [(fault, command)] * count

    def strike(self, kinds: tuple[str, ...], code: int) -> str | None:
        """The first waiting fault of *kinds* for the command *code*, which is used up by it; None: none."""
        for i, (kind, command) in enumerate(self._waiting):
            if kind in kinds and command in (None, code):
                del self._waiting[i]
                return kind
        return None


def damaged(frame: bytes, fault: str | None) -> bytes:
    """The bytes that reach the host of *frame*."""
    if fault == "corrupt":
        return frame[:-3] + bytes((frame[-3] ^ 0x10,)) + frame[-2:]
    if fault == "truncate":
        return frame[: len(frame) // 2 + 2]
    return frame
