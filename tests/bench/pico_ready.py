"""When the Pico's reader on its wall is ready for cards: for the measurements that tap them."""

import time

from tests.firmware.pico.pico_world import BLUE, World


async def ready(world: World, timeout_s: float) -> None:
    """Wait until chip, clock and list are there: steady blue."""

    def steady() -> bool:
        last = next((p for p in reversed(world.pins) if p[0] == BLUE), None)
        return last is not None and last[1] == 65535 and time.monotonic() - last[2] > 0.3

    await world.event("chip-ready", timeout_s)
    await world.event("link-up", timeout_s)
    await world.until(steady, timeout_s, "steady blue")
