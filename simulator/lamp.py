"""A lamp as somebody standing at the door sees it: colours over time, and what a flash meant."""

import asyncio
import math
from collections.abc import Callable, Iterator

#: a PWM duty (of 65,535) above which a colour is seen
SEEN = 16_000
#: blue that comes back within this time is the double flash; slower, it is the breathing of a reader that waits, s
BLINK_S = 0.3

Colours = tuple[bool, bool, bool]


class Lamp:
    """What the pins make of the lamp. Feed it with `pin`; watch it with `verdict`.

    pins: pin number -> 0 red, 1 green, 2 blue. keep: so many changes are remembered.
    """

    def __init__(
        self, pins: dict[int, int], on_change: Callable[[str], None] = lambda _: None, *, keep: int = 32
    ) -> None:
        self._pins = pins
        self._keep = keep
        self._duty = [0, 0, 0]
        self._on_change = on_change
        self._changed = asyncio.Event()
        #: (monotonic s, colours seen), the last `keep`
        self.history: list[tuple[float, Colours]] = [(0.0, (False, False, False))]
        #: when the board lost its power, monotonic s
        self.lost_s: list[float] = []

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
        self.lost_s.append(at_s)
        del self.lost_s[: -self._keep]
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
            found = self._first(since_s)
            left = deadline - asyncio.get_running_loop().time()
            if found is not None or left <= 0:
                return found
            try:
                await asyncio.wait_for(changed.wait(), left)
            except TimeoutError:
                return self._first(since_s)

    def powered_until(self, since_s: float) -> float:
        """When the power went first after `since_s`; infinity where it stayed. What is lit later is of the board's start."""
        return min((at_s for at_s in self.lost_s if at_s >= since_s), default=math.inf)

    def flashes(
        self, since_s: float, until_s: float = math.inf, *, ends_s: float = math.inf
    ) -> Iterator[tuple[str, float]]:
        """The flashes, in order, that began from `since_s` to `until_s`, by what was lit before `ends_s`; as `verdict` tells them."""
        # Before `since_s` the lamp may still show another person's flash: only what was lit after it counts.
        before = (False, False, False)
        went_s = back_s = None
        for at_s, colours in self.history:
            if at_s >= ends_s:
                return
            if at_s >= since_s:
                if colours[1] and not before[1] and at_s <= until_s:
                    yield "green", at_s
                if colours[0] and not before[0] and at_s <= until_s:
                    yield "red", at_s
                if before[2] and not any(colours):
                    # Twice dark: a reader that stops breathing and opens in its dark moment goes dark once only.
                    if went_s is not None and back_s is not None and at_s - back_s < BLINK_S and went_s <= until_s:
                        yield "blue", went_s
                    went_s, back_s = at_s, None
                elif went_s is not None and colours == (False, False, True) and at_s - went_s < BLINK_S:
                    back_s = at_s
            before = colours

    def _first(self, since_s: float) -> tuple[str, float] | None:
        return next(self.flashes(since_s), None)

    def _look(self, at_s: float) -> None:
        red, green, blue = (d > SEEN for d in self._duty)
        colours = (red, green, blue)
        self._on_change(self.css())
        if colours != self.history[-1][1]:
            self.history.append((at_s, colours))
            del self.history[: -self._keep]
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
