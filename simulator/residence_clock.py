"""When the residence's evening is, in a demo: around now beside the doors, or as the shipped profile has it, alone."""

from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from zoneinfo import ZoneInfo

from simulator.residence_people import Residence
from simulator.residence_plan import CLOSES_MIN, Evening

#: an evening beside the doors is so long, and began within the last hour
HOURS = 4
#: what it takes, in real seconds: until the kiosks are ready; an enrolment, a visit; and somewhat more for a slow machine
READY_S, LIST_S, ENROLMENT_S, VISIT_S, SLOWER = 25.0, 0.5, 5.0, 3.0, 1.4


def evening_now(folder: Path, zone: str) -> date:
    """Make *folder* one of an institution's own profiles by which an evening is on now. Returns the evening's date."""
    folder.mkdir(parents=True, exist_ok=True)
    # Opened some minutes ago at least: a kiosk's clock is not sure to the second.
    now = datetime.now(ZoneInfo(zone)) - timedelta(minutes=5)
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


def length_s(residence: Residence, evening: Evening) -> float:
    """How long a residence takes from the store's start until everybody has come, estimated, in seconds."""
    fingers = {
        name: sum(one.kiosk == name and one.way == "finger" for one in residence.residents.values())
        for name in residence.kiosks
    }
    longest = max(fingers[name] * ENROLMENT_S + len(evening.visits[name]) * VISIT_S for name in residence.kiosks)
    return READY_S + len(residence.residents) * LIST_S + longest * SLOWER
