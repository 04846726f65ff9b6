"""Cases that a registrar can read: what the wall says, and what the door does. UTC written out by hand.

Each: a zone, one class on the wall's clock (start and end), the window of its door in UTC (from 30 minutes before the
start to the end, PORT-2), and what the import tells of it.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """One class, once."""

    why: str
    zone: str
    #: wall clock, as in the timetable
    starts: str
    ends: str
    #: UTC
    opens: str
    closes: str
    #: words of the import's note; '' where there is nothing to tell
    told: str = ""


LEAVES, REPEATS = "leaves out: ", "repeats: the first is taken"

CASES = (
    Case("the Friday before summer time", "Europe/London", "2026-03-27 09:00", "2026-03-27 10:00",
         "2026-03-27 08:30", "2026-03-27 10:00"),
    Case("the Monday after: nine on the wall, eight in UTC", "Europe/London", "2026-03-30 09:00", "2026-03-30 10:00",
         "2026-03-30 07:30", "2026-03-30 09:00"),
    Case("half past one in March is not there: 02:30 is taken", "Europe/London", "2026-03-29 01:30", "2026-03-29 02:30",
         "2026-03-29 01:00", "2026-03-29 02:30", LEAVES + "02:30"),
    Case("a night class over the change in March is an hour shorter", "Europe/London", "2026-03-29 00:30",
         "2026-03-29 02:30", "2026-03-29 00:00", "2026-03-29 01:30"),
    Case("the Monday after the change in October", "Europe/London", "2026-10-26 09:00", "2026-10-26 10:00",
         "2026-10-26 08:30", "2026-10-26 10:00"),
    Case("half past one in October is there twice: the first", "Europe/London", "2026-10-25 01:30", "2026-10-25 02:30",
         "2026-10-25 00:00", "2026-10-25 02:30", REPEATS),
    Case("a night class over the change in October is an hour longer", "Europe/London", "2026-10-25 00:30",
         "2026-10-25 02:30", "2026-10-24 23:00", "2026-10-25 02:30"),
    Case("Lord Howe's half hour forward, the day after", "Australia/Lord_Howe", "2026-10-05 09:00", "2026-10-05 10:00",
         "2026-10-04 21:30", "2026-10-04 23:00"),
    Case("a quarter past two is not there in Lord Howe", "Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-04 03:15",
         "2026-10-03 15:15", "2026-10-03 16:45", LEAVES + "02:45"),
    Case("Casablanca the day before Ramadan begins: an hour ahead", "Africa/Casablanca", "2026-02-14 09:00",
         "2026-02-14 10:00", "2026-02-14 07:30", "2026-02-14 09:00"),
    Case("Casablanca in Ramadan: UTC", "Africa/Casablanca", "2026-02-16 09:00", "2026-02-16 10:00",
         "2026-02-16 08:30", "2026-02-16 10:00"),
    Case("Casablanca after Ramadan", "Africa/Casablanca", "2026-03-23 09:00", "2026-03-23 10:00",
         "2026-03-23 07:30", "2026-03-23 09:00"),
    Case("Apia, the day before the one that was skipped", "Pacific/Apia", "2011-12-29 09:00", "2011-12-29 10:00",
         "2011-12-29 18:30", "2011-12-29 20:00"),
    Case("Apia, the day that never was: the day after is taken", "Pacific/Apia", "2011-12-30 09:00", "2011-12-30 10:00",
         "2011-12-30 18:30", "2011-12-30 20:00", LEAVES + "2011-12-31 09:00"),
    Case("Apia, the day after", "Pacific/Apia", "2011-12-31 09:00", "2011-12-31 10:00",
         "2011-12-30 18:30", "2011-12-30 20:00"),
    Case("Sao Paulo has had no summer time since 2019", "America/Sao_Paulo", "2026-11-02 09:00", "2026-11-02 10:00",
         "2026-11-02 11:30", "2026-11-02 13:00"),
    Case("Sao Paulo, the midnight that was not there in 2018", "America/Sao_Paulo", "2018-11-04 00:00",
         "2018-11-04 01:00", "2018-11-04 02:30", "2018-11-04 04:00", LEAVES + "01:00"),
    Case("Kolkata never changes; half past in UTC", "Asia/Kolkata", "2026-07-01 09:00", "2026-07-01 10:00",
         "2026-07-01 03:00", "2026-07-01 04:30"),
    Case("Kathmandu is a quarter of an hour off", "Asia/Kathmandu", "2026-07-01 09:00", "2026-07-01 10:00",
         "2026-07-01 02:45", "2026-07-01 04:15"),
    Case("Dublin, whose winter is its exception", "Europe/Dublin", "2026-10-26 09:00", "2026-10-26 10:00",
         "2026-10-26 08:30", "2026-10-26 10:00"),
    Case("New York's first hour that is there twice", "America/New_York", "2026-11-01 01:30", "2026-11-01 02:30",
         "2026-11-01 05:00", "2026-11-01 07:30", REPEATS),
    Case("Nuuk skips the hour before midnight", "America/Nuuk", "2026-03-28 23:30", "2026-03-29 00:30",
         "2026-03-29 01:00", "2026-03-29 02:30", LEAVES + "2026-03-29 00:30"),
    Case("Kiritimati, 14 hours ahead", "Pacific/Kiritimati", "2026-07-01 09:00", "2026-07-01 10:00",
         "2026-06-30 18:30", "2026-06-30 20:00"),
)  # fmt: skip
