"""Ten minutes of one card, once a second, through the reader's core in virtual time: any package of the firmware."""

from firmware.contract import statement
from tests.firmware.reader.reader_world import ALICE, GREEN, T0, World, session
from tests.light.counting import PERSON_SESSION, Counted, count

EVERY_MS = 1000


def run(*, taps: int = 600, package: str = "firmware", seed: int = 7) -> Counted:
    """Tap, and count: a light is counted only where it is green at once after its own tap, and out before the next."""
    world = World(package=package, seed=seed)
    window = session(PERSON_SESSION, 0, 7200)
    world.give([(window, [ALICE])])
    world.link()
    greens = 0
    for _ in range(taps):
        dark = world.lamp != GREEN
        world.reader.tap(ALICE, world.ms)
        greens += dark and world.lamp == GREEN
        world.run(EVERY_MS)
    world.run(120_000)
    assert world.wall_ms > T0
    lines = [statement.seal(text, bytes(16)) for text in world.store.records.values()]
    return count(taps, greens, lines, window)
