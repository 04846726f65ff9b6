"""A lamp as somebody standing at the door sees it: colours over time, and what a flash meant."""

import asyncio
from collections.abc import Callable

#: a PWM duty (of 65,535) above which a colour is seen
SEEN = 16_000
#: blue that comes back within this time is the double flash; slower, it is the breathing of a reader that waits, s
BLINK_S = 0.3

Colours = tuple[bool, bool, bool]


class Lamp:
    """What the pins make of the lamp. Feed it with `pin`; watch it with `verdict`.

    pins: pin number -> 0 red, 1 green, 2 blue.
    """

    def __init__(self, pins: dict[int, int], on_change: Callable[[str], None] = lambda _: None) -> None:
        self._pins = pins
        self._duty = [0, 0, 0]
        self._on_change = on_change
        self._changed = asyncio.Event()
        #: (monotonic s, colours seen), the last 32
        self.history: list[tuple[float, Colours]] = [(0.0, (False, False, False))]

    def pin(self, kind: str, pin: int, value: int, at_s: float) -> None:
        """A pin of the board changed (see `pn532_tunnel`)."""
        if pin in self._pins:
            self._duty[self._pins[pin]] = value if kind == "pwm" else value * 65_535
            self._look(at_s)

    def rgb(self, colours: tuple[int, int, int], at_s: float) -> None:
        """All three at once, 0 to 255 each."""
        self._duty = [c * 257 for c in colours]
        self._look(at_s)

    def dark(self, at_s: float) -> None:
        """The board lost its power."""
        self.rgb((0, 0, 0), at_s)

    def css(self) -> str:
        """The colour for a page."""
        return "rgb({}, {}, {})".format(*(d // 257 for d in self._duty))

    async def verdict(self, since_s: float, timeout_s: float) -> tuple[str, float] | None:
        """What was flashed after `since_s`: `green`, `red` or `blue` (the double flash), and when it could be seen first.

        None where nothing was flashed within `timeout_s`: then whoever tapped knows that it was not taken.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            # An event for each wait: the page and a person may watch the same lamp.
            changed = self._changed
            found = self._read(since_s)
            if found is not None:
                return found
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return None
            try:
                await asyncio.wait_for(changed.wait(), left)
            except TimeoutError:
                return self._read(since_s)

    def _read(self, since_s: float) -> tuple[str, float] | None:
        # Before `since_s` the lamp may still show another person's flash: only what was lit after it counts.
        before = (False, False, False)
        went_s = back_s = None
        for at_s, colours in self.history:
            if at_s >= since_s:
                if colours[1] and not before[1]:
                    return "green", at_s
                if colours[0] and not before[0]:
                    return "red", at_s
                if before[2] and not any(colours):
                    # Twice dark: a reader that stops breathing and opens in its dark moment goes dark once only.
                    if went_s is not None and back_s is not None and at_s - back_s < BLINK_S:
                        return "blue", went_s
                    went_s, back_s = at_s, None
                elif went_s is not None and colours == (False, False, True) and at_s - went_s < BLINK_S:
                    back_s = at_s
            before = colours
        return None

    def _look(self, at_s: float) -> None:
        red, green, blue = (d > SEEN for d in self._duty)
        colours = (red, green, blue)
        self._on_change(self.css())
        if colours != self.history[-1][1]:
            self.history.append((at_s, colours))
            del self.history[:-32]
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
