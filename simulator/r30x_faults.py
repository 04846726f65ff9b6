"""What can go wrong between the sensor and its host, as orders that strike once each."""

import random

#: Faults by name, and what each does.
FAULTS = {
    "lose_command": "the next command is not heard",
    "drop_answer": "the next command is carried out, and its answer never comes",
    "flip": "one byte of the next answer is wrong",
    "cut": "the next answer ends half-way",
    "repeat": "the next answer comes twice",
    "noise_before": "bytes of nothing come before the next answer",
    "noise_after": "bytes of nothing come after the next answer",
    "late": "the next answer comes when its host has given up",
    "refuse": "the next command is answered with a receive error",
}
#: How much later "late" is at a sensor's own pace, seconds.
LATE_S = 1.5


class Faults:
    """Faults waiting for their command."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._waiting: list[tuple[str, int | None, int | None]] = []

    def add(self, fault: str, count: int = 1, *, command: int | None = None, at: int | None = None) -> None:
        """Let *fault* strike the next *count* times; only at *command*, if given. at: which byte "flip" and "cut" hit."""
        if fault not in FAULTS:
            raise ValueError(f"unknown fault {fault!r}: one of {', '.join(FAULTS)}")
        self._waiting += [(fault, command, at)] * count

    def clear(self) -> None:
        """None waits any more."""
        self._waiting.clear()

    def strike(self, code: int) -> tuple[str, int | None] | None:
        """The first waiting fault for the command *code*, which is used up by it, and its place; None: none."""
        for i, (kind, command, at) in enumerate(self._waiting):
            if command in (None, code):
                del self._waiting[i]
                return kind, at
        return None

    def spoilt(self, frame: bytes, struck: tuple[str, int | None] | None) -> bytes:
        """The bytes that reach the host of *frame*."""
        kind, at = struck or ("", None)
        place = (self._draw.randrange(len(frame)) if at is None else at) % len(frame)
        if kind == "flip":
            return frame[:place] + bytes((frame[place] ^ (1 << self._draw.randrange(8)),)) + frame[place + 1 :]
        if kind == "cut":
            return frame[:place]
        if kind == "repeat":
            return frame + frame
        if kind == "noise_before":
            return self._draw.randbytes(1 + self._draw.randrange(40)) + frame
        if kind == "noise_after":
            return frame + self._draw.randbytes(1 + self._draw.randrange(40))
        return frame
