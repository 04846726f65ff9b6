"""The lights as a table: what stands on the lamp at each millisecond. Rhythm differs as well as colour.

A pattern is a list of (milliseconds, (red, green, blue)); a flash is played once over the idle light, which repeats.
Brightness is 0 to 255. See the design's table of lights; the idle names are also what the simulator and the doors page show.
"""

from firmware.contract import verdict

OFF = (0, 0, 0)
RED = (255, 0, 0)
GREEN = (0, 255, 0)
BLUE = (0, 0, 255)

IDLE_OFF = "off"  #: no session at this door now
IDLE_OPEN = "open"  #: blue, steady: marking is open (PORT-2)
IDLE_WAITING = "waiting"  #: blue, slow breathing: cards are taken and will be checked
IDLE_BROKEN = "broken"  #: red, slow pulse: the reader needs a technician

WHITE = (255, 255, 255)
#: what a technician asks for from afar. Never a green alone: that is a swipe's (PORT-3). Slower than three flashes a second
IDENTIFY = ((350, WHITE), (350, OFF)) * 15
SELF_TEST = ((500, RED), (250, OFF), (500, BLUE), (250, OFF), (500, WHITE), (250, OFF))

BREATH_MS = 4000
GAP_MS = 30  #: dark before a flash that follows another at once, so that the second person sees a light of their own
PULSE_MS = 2000

FLASHES = {
    verdict.GREEN: ((700, GREEN), (100, OFF)),
    # two rhythms of red: one long for "not on the class list" (PORT-4), three short for "no session open"
    verdict.NOT_LISTED: ((900, RED), (100, OFF)),
    verdict.NO_SESSION: ((150, RED), (120, OFF), (150, RED), (120, OFF), (150, RED), (120, OFF)),
    verdict.UNCHECKED: ((110, BLUE), (110, OFF), (110, BLUE), (270, OFF)),
}


class Lights:
    """The lamp of one reader. Nothing here waits: the board asks `rgb` every 20 ms, and at once after a tap."""

    def __init__(self):
        self._idle = IDLE_OFF
        self._flash = None
        self._since_ms = 0
        self._pulse_from_ms = 0
        self._shown = None  # what was asked for, and since when
        self._shown_ms = 0

    def idle(self, name: str) -> None:
        """What the lamp shows when nobody taps: one of the IDLE names."""
        self._idle = name

    def flash(self, shown: str, now_ms: int) -> None:
        """Show a verdict from now on. A new verdict takes the place of one still being shown, after a short gap."""
        self.rgb(now_ms)
        gap_ms = GAP_MS if self._flash is not None else 0
        self._flash = FLASHES[shown]
        self._since_ms = now_ms + gap_ms

    def show(self, pattern: tuple, now_ms: int) -> None:
        """Play this over the idle light, once. A verdict goes before it."""
        self._shown = pattern
        self._shown_ms = now_ms

    def cancel(self, now_ms: int) -> None:
        """Show no verdict any more: a swipe was not kept, and a green left from the one before must not stand for it."""
        self._flash = None
        self._pulse_from_ms = now_ms

    def name(self, now_ms: int) -> str:
        """The idle name that holds now, for status messages."""
        return self._idle

    def rgb(self, now_ms: int) -> tuple:
        """The lamp's colour at monotonic `now_ms`."""
        if self._flash is not None:
            at = now_ms - self._since_ms
            if at < 0:
                return OFF
            for length_ms, colour in self._flash:
                if at < length_ms:
                    return colour
                at -= length_ms
            self._flash = None
        if self._shown is not None:
            at = now_ms - self._shown_ms
            for length_ms, colour in self._shown:
                if at < length_ms:
                    return colour
                at -= length_ms
            self._shown = None
        if self._idle == IDLE_OPEN:
            return BLUE
        if self._idle == IDLE_WAITING:
            return (0, 0, _triangle(now_ms, BREATH_MS))
        if self._idle == IDLE_BROKEN:
            return RED if (now_ms - self._pulse_from_ms) % PULSE_MS < PULSE_MS // 4 else OFF
        return OFF


def _triangle(now_ms: int, period_ms: int) -> int:
    # Never quite dark: a breath that goes to nothing looks like a reader that is off.
    half = period_ms // 2
    at = now_ms % period_ms
    return 20 + 235 * (at if at < half else period_ms - at) // half
