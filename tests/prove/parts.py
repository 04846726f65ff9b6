"""The parts of the proof: what is run, how long usually and how long in full."""

from typing import NamedTuple


class Part(NamedTuple):
    """One part: `python -m MODULE ARGUMENTS --json FILE`."""

    module: str
    help: str
    #: what is run usually
    quick: tuple[str, ...]
    #: what `--full` runs
    full: tuple[str, ...]
    #: it is ended after so long, s: (quick, full)
    limit_s: tuple[int, int]


class Demand(NamedTuple):
    """What a figure of a part's result must be, beside nothing lost, doubled or miscredited."""

    part: str
    figure: str
    must: float
    at_least: bool
    #: the demand is for a run of so many seconds, None: however long it took
    in_s: float | None = None


DEMANDS = (
    Demand("simulation", "seeds", 300, True, 300.0),
    Demand("soak", "swipes in ten minutes at this pace", 50_000, True),
    Demand("soak", "sqlite: drained after the last fault, s", 60, False),
    Demand("soak", "postgresql: drained after the last fault, s", 60, False),
    Demand("guest", "cuts", 5, True),
    Demand("guest", "control_greens_lost", 1, True),
    Demand("power", "pico_capacity_swipes", 5000, True),
    Demand("light", "power to blue, journal new, s", 10, False),
    Demand("light", "power to blue, journal nearly full, s", 10, False),
    Demand("saboteurs", "caught", 14, True),
)

PARTS: dict[str, Part] = {
    "simulation": Part(
        "tests.simulation",
        "readers, gateways and store in one thread, under a seeded scheduler and virtual time",
        ("--seconds", "300", "--jobs", "2"),
        ("--seconds", "1800", "--jobs", "2"),
        (900, 3000),
    ),
    "soak": Part(
        "tests.soak",
        "the whole line as processes, killed at random",
        ("--minutes", "3", "--database", "both"),
        ("--minutes", "10", "--database", "both"),
        (900, 1800),
    ),
    "guest": Part(
        "tests.guest",
        "a guest kernel is cut off from its power",
        ("--cuts", "5"),
        ("--cuts", "25"),
        (900, 2400),
    ),
    "power": Part(
        "tests.power",
        "each write, sync, rename and erase is cut, or fails",
        ("--quick",),
        (),
        (900, 2 * 3600),
    ),
    "light": Part("tests.light", "a card tapped once a second", ("--minutes", "1"), ("--minutes", "10"), (600, 1500)),
    "residence": Part(
        "tests.residence",
        "evenings of a residence at its kiosks, a sensor pulled out and a power cut in each",
        ("--seeds", "1-2", "--residents", "24", "--kiosks", "2"),
        ("--seeds", "1-20"),
        (900, 5 * 3600),
    ),
    "time": Part("tests.time", "wrong clocks, and windows over every zone's changes", (), (), (600, 600)),
    "fuzz": Part("tests.fuzz", "what nobody would send", ("--seconds", "90"), ("--seconds", "900"), (600, 2400)),
    "saboteurs": Part("tests.saboteurs", "each broken variant is caught by its test", (), (), (1500, 1500)),
}
