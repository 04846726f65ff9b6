"""Inside or outside: what a kiosk's receiver says, judged against the place where the kiosk was registered (DDU-12).

Pure: fixes and a monotonic clock in; the place (`in`, `out`, `fixed`, `none`), a coarse cell and the fix's quality out.
The precise point stays in this memory, for as long as it is fresh, and in no record, log or text: the values that
hold one do not print it.

A fix is two sentences of the same second, RMC and GGA, and it is believed where both say so: a receiver without a fix
may well write a latitude of 0. Not believed are guesses (dead reckoning, by hand, simulated), a fix spread too thin
(HDOP), one that contradicts itself, and one too far from the last: a jump, until the next ones agree with it.
"""

import math
from collections import namedtuple

#: The earth's mean radius (IUGG), metres.
EARTH_M = 6_371_008.8
#: GGA's quality: GPS, differential, PPS, RTK fixed and float. 0 is no fix; 6, 7, 8 are a guess, by hand, simulated.
BELIEVED = (1, 2, 3, 4, 5)
#: Above the first a fix is only fair, above the second it is poor, and not believed.
HDOP_GOOD, HDOP_MOST = 2.0, 5.0
#: Farther than this from the last fix, and so much for each second since, is a jump, metres. Nobody carries a kiosk faster.
JUMP_M, SPEED_MS = 50.0, 60.0
#: RMC and GGA of one second that are farther apart contradict each other, metres.
APART_M = 50.0
#: Once inside, a fix is outside only so far beyond the radius; back inside is within it, metres.
MARGIN_M = 25.0
#: Fixes in a row on one side: until the first word, and until it changes.
SETTLED_AFTER, MOVED_AFTER = 3, 10
#: A believed fix says where the kiosk is for so long; a receiver not heard for so long is lost.
FRESH_MS, HEARD_MS = 15_000, 5_000
#: The coarse cell's side: a hundredth of a degree, about a kilometre.
CELLS_PER_DEGREE = 100

IN, OUT, FIXED, NONE = "in", "out", "fixed", "none"
MOVED, RETURNED = "moved", "returned"
GOOD, FAIR, POOR, LOST, NOT_FITTED = "good", "fair", "poor", "lost", "-"

#: What is kept of it all: place, cell (its south-west corner, `51.50,-0.12`, or `-`), and the fix's quality (`good`,
#: `fair`, `poor`, `none`, `lost`; `-`: no receiver is fitted).
Where = namedtuple("Where", ("place", "cell", "fix"))


class Rmc(namedtuple("Rmc", ("at", "status", "latitude", "longitude"))):
    """An RMC sentence: time of day (its text), status (`A`: valid), degrees or None where it has none."""

    __slots__ = ()

    def __repr__(self):
        return "Rmc(status=%r)" % (self.status,)


class Gga(namedtuple("Gga", ("at", "quality", "hdop", "latitude", "longitude"))):
    """A GGA sentence: time of day (its text), quality (see BELIEVED), HDOP, degrees; None where it has none."""

    __slots__ = ()

    def __repr__(self):
        return "Gga(quality=%r, hdop=%r)" % (self.quality, self.hdop)


class Site(namedtuple("Site", ("latitude", "longitude", "radius_m"))):
    """Where a kiosk was registered, in degrees, and how far around it is inside."""

    __slots__ = ()

    def __repr__(self):
        return "Site(%s)" % cell(self.latitude, self.longitude)


def distance_m(from_latitude, from_longitude, to_latitude, to_longitude):
    """Metres between two points (degrees) on a sphere of the earth's mean radius: haversine, right to half a percent."""
    north = math.radians(to_latitude - from_latitude)
    east = math.radians(to_longitude - from_longitude)
    a = (
        math.sin(north / 2) ** 2
        + math.cos(math.radians(from_latitude)) * math.cos(math.radians(to_latitude)) * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, a)))


def cell(latitude, longitude):
    """The coarse cell of a point: the south-west corner of a hundredth of a degree, as `51.50,-0.12`."""
    return _hundredths(latitude) + "," + _hundredths(longitude)


def _hundredths(degrees):
    # What was given in hundredths stays: 0.29 * 100 is a little less than 29.
    whole = math.floor(round(degrees * CELLS_PER_DEGREE, 6))
    return "%s%d.%02d" % ("-" if whole < 0 else "", abs(whole) // CELLS_PER_DEGREE, abs(whole) % CELLS_PER_DEGREE)


def quality(rmc, gga):
    """The quality of one fix, of which GOOD and FAIR are believed."""
    if rmc.status != "A" or gga.quality not in BELIEVED:
        return NONE
    for said in (rmc, gga):
        if not _possible(said.latitude, said.longitude):
            return NONE
    if distance_m(rmc.latitude, rmc.longitude, gga.latitude, gga.longitude) > APART_M:
        return POOR
    if gga.hdop is None or not 0 < gga.hdop <= HDOP_MOST:
        return POOR
    return GOOD if gga.hdop <= HDOP_GOOD else FAIR


def _possible(latitude, longitude):
    if latitude is None or longitude is None:
        return False
    # Not a number compares false. Nobody has a residence at 0, 0: that is what a receiver writes that knows nothing.
    return -90 <= latitude <= 90 and -180 <= longitude <= 180 and not (latitude == 0 and longitude == 0)


class Fence:
    """Where the kiosk is. `site`: where it was registered, or None: nobody said.

    fitted: whether it has a receiver; without one it is where it was registered (`fixed`). was: `out` where it stood
    outside when it was switched off, so that coming back is noticed.
    """

    def __init__(self, site: "Site | None", fitted=True, was: "str | None" = None):
        self._site = site
        self._fitted = fitted
        self._settled = was
        self._told = was  # OUT since it said that it was moved, until it has said that it is back
        self._side = None
        self._streak = 0
        self._rmc = None
        self._gga = None
        self._fix = NONE
        self._point = None
        self._believed_ms = None
        self._heard_ms = None
        #: fixes too far from the last one, since the start, for the health report
        self.jumps = 0

    def __repr__(self):
        return "Fence(place=%s, fix=%s)" % (self._settled, self._fix)

    def register(self, site):
        """It is registered at this `Site` (None: at none) from now on: another place than before is judged anew."""
        if site != self._site:
            self._site = site
            self._settled = self._side = None
            self._streak = 0

    def heard(self, now_ms):
        """Any whole sentence came: the receiver is there."""
        self._heard_ms = now_ms

    def rmc(self, rmc, now_ms):
        """An RMC sentence came. MOVED or RETURNED where it makes it so, else None."""
        self.heard(now_ms)
        self._rmc = rmc
        if rmc.status != "A":
            return self._without(NONE)
        return self._pair(now_ms)

    def gga(self, gga, now_ms):
        """A GGA sentence came. MOVED or RETURNED where it makes it so, else None."""
        self.heard(now_ms)
        self._gga = gga
        if gga.quality not in BELIEVED:
            return self._without(NONE)
        return self._pair(now_ms)

    def read(self, now_ms):
        """`Where` the kiosk is, at monotonic now_ms."""
        if not self._fitted:
            return Where(FIXED if self._site else NONE, cell(self._site[0], self._site[1]) if self._site else "-", "-")
        self._forget(now_ms)
        fix = self._fix
        if self._heard_ms is None or now_ms - self._heard_ms > HEARD_MS:
            fix = LOST
        if self._point is None or self._settled is None or self._streak == 0:
            return Where(NONE, "-", fix)
        return Where(self._settled, cell(self._point[0], self._point[1]), fix)

    def _pair(self, now_ms):
        rmc, gga = self._rmc, self._gga
        if rmc is None or gga is None or rmc.at != gga.at:
            return None
        self._rmc = self._gga = None
        fix = quality(rmc, gga)
        if fix not in (GOOD, FAIR):
            return self._without(fix)
        return self._take(rmc.latitude, rmc.longitude, fix, now_ms)

    def _without(self, fix):
        # Fixes in a row: this one ends the row. What was believed stays until it is old.
        self._fix = fix
        self._side = None
        return None

    def _take(self, latitude, longitude, fix, now_ms):
        self._forget(now_ms)
        last, self._point = self._point, (latitude, longitude)
        if last is not None:
            allowed_m = JUMP_M + SPEED_MS * (now_ms - self._believed_ms) / 1000
            if distance_m(last[0], last[1], latitude, longitude) > allowed_m:
                self.jumps += 1
                self._believed_ms = now_ms
                self._streak = 0
                return self._without(POOR)
        self._believed_ms = now_ms
        self._fix = fix
        if self._site is None:
            return None
        away_m = distance_m(self._site.latitude, self._site.longitude, latitude, longitude)
        most_m = self._site.radius_m + (0 if self._settled == OUT else MARGIN_M)
        side = IN if away_m <= most_m else OUT
        self._streak = self._streak + 1 if side == self._side else 1
        self._side = side
        if side == self._settled:
            return None
        if self._streak < (SETTLED_AFTER if self._settled is None else MOVED_AFTER):
            return None
        self._settled = side
        before, self._told = self._told, side
        if side == OUT:
            return MOVED
        return RETURNED if before == OUT else None

    def _forget(self, now_ms):
        """A point that is old says nothing any more, and is not kept."""
        if self._point is not None and now_ms - self._believed_ms > FRESH_MS:
            self._point = self._side = None
            self._streak = 0
            self._fix = NONE
