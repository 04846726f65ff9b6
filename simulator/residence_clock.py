"""When the residence's evening is, in a demo: around now beside the doors, or as the shipped profile has it, alone."""

from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from zoneinfo import ZoneInfo

from simulator.residence_plan import CLOSES_MIN, Evening

#: an evening beside the doors is so long, and began within the last hour
HOURS = 4
#: what an evening takes, in real seconds: until what broke is whole again; a visit; and somewhat more
MENDED_S, VISIT_S, MORE = 50.0, 1.6, 1.4
#: an enrolment on a machine that has nothing else to do; everything is started within so many times of the first start
ENROLMENT_S, STARTS = 2.9, 3.0


def evening_now(folder: Path, zone: str, now: datetime | None = None) -> date:
    """Make *folder* one of an institution's own profiles by which an evening is on now. Returns the evening's date.

    now: the time at the place; None: what the clock says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Opened some minutes ago at least: a kiosk's clock is not sure to the second.
    now = (now or datetime.now(UTC)).astimezone(UTC) - timedelta(minutes=5)
    now = now.astimezone(ZoneInfo(zone))
    opens = now.hour
    closes = (opens + HOURS) % 24
    (folder / "residence.toml").write_text(
        f'# For a demo at any hour.\nname = "ddu"\nfrom = {(now - timedelta(days=2)).date().isoformat()}\n\n[residence]\n'
        f'opens = {{ value = {opens * 100}, unit = "hhmm" }}\ncloses = {{ value = {closes * 100}, unit = "hhmm" }}\n'
    )
    return now.date()


def today(zone: str) -> date:
    """The date at a place."""
    return datetime.now(ZoneInfo(zone)).date()


def closing(day: date, zone: str) -> float:
    """When the shipped profile's evening of a date closes, epoch seconds."""
    return datetime.combine(day, time_of_day(CLOSES_MIN // 60), ZoneInfo(zone)).timestamp()


def length_s(evening: Evening, *, started_s: float, enrolment_s: float) -> float:
    """How long it takes from the store's start until everybody has come, estimated, in seconds.

    started_s: what its start took on this machine. enrolment_s: what one enrolment took, by which a slow machine is known.
    """
    slower = MORE * max(1.0, enrolment_s / ENROLMENT_S)
    longest = max(len(queue) for queue in evening.visits.values())
    return MENDED_S * slower + STARTS * started_s + longest * VISIT_S * slower
