"""Whose turn it is: which journals a batch takes from. Pure but for where the last turn ended."""

from collections.abc import Sequence


class Turns:
    """Round-robin over lanes that come and go.

    Where there are more lanes than places, half the places are for the lanes with the newest activity and half go
    round by name, so that nobody waits for ever.
    """

    def __init__(self) -> None:
        self._last = ""

    def choose(self, lanes: Sequence[tuple[str, int]], places: int) -> list[str]:
        """The lanes that this batch takes from, at most `places`. lanes: name and a number that grows with activity."""
        newest = [name for name, _ in sorted(lanes, key=lambda lane: -lane[1])]
        if len(newest) <= places:
            return newest
        chosen = newest[: places // 2]
        taken = set(chosen)
        names = sorted(name for name in newest if name not in taken)
        start = next((i for i, name in enumerate(names) if name > self._last), 0)
        turn = (names[start:] + names[:start])[: places - len(chosen)]
        self._last = turn[-1]
        return chosen + turn
