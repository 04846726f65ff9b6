"""The sensor's glass: who lays which finger on it when, as it happens or by a script written beforehand."""

import random
from dataclasses import dataclass, field

from simulator.r30x_finger import Finger


@dataclass(kw_only=True)
class Press:
    """One finger laid on the glass once. Times are the emulator's clock, in seconds."""

    finger: Finger
    from_s: float
    #: when it is taken off; None: somebody has yet to do it
    until_s: float | None = None
    #: what this press shows: the same in every picture of it
    shown: frozenset[int] = field(default=frozenset(), repr=False)


class Glass:
    """Presses, past and to come."""

    def __init__(self, *, seed: int) -> None:
        self._draw = random.Random(f"glass/{seed}")
        #: every press so far and those to come; whoever reads them may clear the list
        self.presses: list[Press] = []

    def place(self, finger: Finger, now_s: float, *, after_s: float = 0.0, for_s: float | None = None) -> Press:
        """Lay *finger* down, now or after_s from now, until it is lifted or for so long."""
        from_s = now_s + after_s
        until_s = None if for_s is None else from_s + for_s
        press = Press(finger=finger, from_s=from_s, until_s=until_s, shown=finger.press(self._draw))
        self.presses.append(press)
        return press

    def lift(self, now_s: float) -> None:
        """Whatever lies on the glass is taken off, and what was to come does not."""
        for press in self.presses:
            if press.until_s is None or press.until_s > now_s:
                press.until_s = now_s

    def at(self, now_s: float) -> Press | None:
        """What lies there: the press that came last."""
        for press in reversed(self.presses):
            if press.from_s <= now_s and (press.until_s is None or now_s < press.until_s):
                return press
        return None
