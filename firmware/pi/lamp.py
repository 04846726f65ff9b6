"""The lamp and the optional buzzer, by gpiozero. What they show and when is the reader's; here is only how.

The pin factory is handed in: None for the board (gpiozero finds its own), `MockFactory(pin_class=MockPWMPin)` without one.
"""

from gpiozero import RGBLED, Buzzer
from gpiozero.pins import Factory

from firmware.contract import verdict

#: BCM numbers of red, green and blue. See hardware/.
PINS = (17, 27, 22)

#: What the buzzer does for each verdict: milliseconds on, off, on, ... It differs in rhythm, as the light does.
BEEPS = {
    verdict.GREEN: (80,),
    verdict.NOT_LISTED: (600,),
    verdict.NO_SESSION: (100, 100, 100, 100, 100),
    verdict.UNCHECKED: (60, 80, 60),
}


class Lamp:
    """A common-cathode RGB LED on three PWM pins, and a buzzer on a fourth (BCM number, or None)."""

    def __init__(
        self, factory: Factory | None, *, pins: tuple[int, int, int] = PINS, buzzer: int | None = None
    ) -> None:
        red, green, blue = pins
        self._led = RGBLED(red, green, blue, pwm=True, pin_factory=factory)
        self._buzzer = Buzzer(buzzer, pin_factory=factory) if buzzer is not None else None
        self._shown = (0, 0, 0)
        self._beep: tuple[int, ...] = ()
        self._since_ms = 0

    def show(self, rgb: tuple[int, int, int]) -> bool:
        """Set the colour (0 to 255 each). Returns whether it changed."""
        if rgb == self._shown:
            return False
        self._led.value = tuple(value / 255 for value in rgb)
        self._shown = rgb
        return True

    def beep(self, shown: str, now_ms: int) -> None:
        """Begin the beep of a verdict; none for what is not one."""
        self._beep = BEEPS.get(shown, ())
        self._since_ms = now_ms
        self.tick(now_ms)

    def tick(self, now_ms: int) -> None:
        """Go on with the beep. Call every 20 ms."""
        if self._buzzer is None:
            return
        at_ms = now_ms - self._since_ms
        for place, length_ms in enumerate(self._beep):
            if at_ms < length_ms:
                self._buzzer.value = place % 2 == 0
                return
            at_ms -= length_ms
        self._beep = ()
        self._buzzer.off()

    def close(self) -> None:
        """Lights out, and give the pins back."""
        self._led.close()
        if self._buzzer is not None:
            self._buzzer.close()
