"""Inside or outside: what is believed of a receiver, when the kiosk has moved, and that the precise point stays inside."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.reader import fence
from firmware.reader.fence import MARGIN_M, MOVED_AFTER, SETTLED_AFTER, Fence, Gga, Rmc, Site, Where, cell, distance_m
from tests.rules import rule

#: A residence that does not exist.
HOUSE = Site(51.505, -0.115, 100.0)
METRE = 1 / 111_195


class Kiosk:
    """A fence, and a second of virtual time for each fix."""

    def __init__(self, site: Site | None = HOUSE, **settings):
        self.fence = Fence(site, **settings)
        self.now_ms = 1_000_000

    def second(self, away_m=0.0, *, status="A", quality=1, hdop=1.0, at=None, gga_away_m=None):
        """The sentences of one second from so many metres to the north of the site's middle; what the fence says."""
        self.now_ms += 1000
        at = at or str(self.now_ms)
        north = HOUSE.latitude + away_m * METRE
        first = self.fence.rmc(Rmc(at, status, north, HOUSE.longitude), self.now_ms)
        north = HOUSE.latitude + (away_m if gga_away_m is None else gga_away_m) * METRE
        return first or self.fence.gga(Gga(at, quality, hdop, north, HOUSE.longitude), self.now_ms)

    def seconds(self, count, *args, **named):
        return [self.second(*args, **named) for _ in range(count)]

    @property
    def where(self):
        return self.fence.read(self.now_ms)

    def settled(self):
        assert self.seconds(SETTLED_AFTER) == [None] * SETTLED_AFTER
        return self


IN = Where("in", "51.50,-0.12", "good")


@rule("DDU-12")
def test_a_kiosk_in_its_place_is_in_after_a_few_fixes_and_not_before():
    kiosk = Kiosk()
    seen = []
    for _ in range(SETTLED_AFTER):
        seen.append(kiosk.where.place)
        kiosk.second()
    assert seen == ["none"] * SETTLED_AFTER
    assert kiosk.where == IN


@rule("DDU-12")
def test_without_a_receiver_the_kiosk_is_where_it_was_registered():
    assert Fence(HOUSE, fitted=False).read(0) == Where("fixed", "51.50,-0.12", "-")


def test_with_neither_receiver_nor_place_nothing_is_said():
    assert Fence(None, fitted=False).read(0) == Where("none", "-", "-")


def test_a_receiver_without_a_registered_place_says_neither_in_nor_out():
    kiosk = Kiosk(None)
    kiosk.seconds(30)
    assert kiosk.where.place == "none"


@rule("DDU-12")
@pytest.mark.parametrize(
    ("named", "fix"),
    [
        ({"status": "V"}, "none"),
        ({"status": ""}, "none"),
        ({"quality": 0}, "none"),
        ({"quality": 6}, "none"),
        ({"quality": 7}, "none"),
        ({"quality": 8}, "none"),
        ({"hdop": None}, "poor"),
        ({"hdop": 0.0}, "poor"),
        ({"hdop": 5.1}, "poor"),
        ({"hdop": 99.9}, "poor"),
        ({"hdop": math.nan}, "poor"),
        ({"gga_away_m": 80.0}, "poor"),
    ],
)
def test_a_fix_that_is_none_or_poor_is_never_believed(named, fix):
    kiosk = Kiosk()
    assert kiosk.seconds(30, **named) == [None] * 30
    assert kiosk.where == Where("none", "-", fix)


@pytest.mark.parametrize(("hdop", "fix"), [(0.7, "good"), (2.0, "good"), (2.1, "fair"), (5.0, "fair")])
def test_the_spread_of_the_satellites_is_the_quality(hdop, fix):
    kiosk = Kiosk()
    kiosk.seconds(SETTLED_AFTER, hdop=hdop)
    assert kiosk.where.fix == fix


@rule("DDU-12")
@pytest.mark.parametrize(
    "point", [(0.0, 0.0), (None, None), (91.0, 0.0), (51.5, -181.0), (math.nan, 1.0), (51.5, None)]
)
def test_a_point_that_cannot_be_is_never_believed_even_as_a_valid_fix(point):
    told = Fence(Site(0.0, 0.0, 1e9))
    for second in range(30):
        assert told.rmc(Rmc(str(second), "A", *point), second * 1000) is None
        assert told.gga(Gga(str(second), 1, 1.0, *point), second * 1000) is None
    assert told.read(29_000) == Where("none", "-", "none")


def test_sentences_of_different_seconds_are_no_fix():
    kiosk = Kiosk()
    for second in range(30):
        kiosk.fence.rmc(Rmc(f"{second}", "A", *HOUSE[:2]), second * 1000)
        kiosk.fence.gga(Gga(f"{second + 1}a", 1, 1.0, *HOUSE[:2]), second * 1000)
    assert kiosk.fence.read(30_000).place == "none"


@rule("DDU-12")
def test_a_kiosk_that_is_carried_away_says_so_once_and_once_when_it_is_back():
    kiosk = Kiosk().settled()
    away = [kiosk.second(30.0 * step) for step in range(1, 40)]
    assert away.count("moved") == 1 and away.count("returned") == 0
    assert kiosk.where.place == "out"
    back = [kiosk.second(30.0 * step) for step in range(39, 0, -1)] + kiosk.seconds(MOVED_AFTER)
    assert back.count("returned") == 1 and back.count("moved") == 0
    assert kiosk.where == IN


def test_it_has_moved_after_so_many_fixes_outside_in_a_row_and_not_one_earlier():
    kiosk = Kiosk().settled()
    outside = HOUSE.radius_m + MARGIN_M + 5
    kiosk.second(80.0)
    assert kiosk.seconds(MOVED_AFTER - 1, outside) == [None] * (MOVED_AFTER - 1)
    assert kiosk.where.place == "in"
    assert kiosk.second(outside) == "moved"
    assert kiosk.where.place == "out"


@pytest.mark.parametrize("break_up", [{"away_m": 60.0}, {"status": "V"}, {"hdop": 9.0}, {"quality": 0}])
def test_a_row_that_is_broken_up_begins_anew(break_up):
    kiosk = Kiosk().settled()
    outside = HOUSE.radius_m + MARGIN_M + 5
    kiosk.second(80.0)
    for _ in range(5):
        assert kiosk.seconds(MOVED_AFTER - 1, outside) == [None] * (MOVED_AFTER - 1)
        kiosk.second(**break_up)
    assert kiosk.where.place == "in"


def test_a_fix_that_wanders_over_the_edge_does_not_change_the_place():
    kiosk = Kiosk().settled()
    assert not any(kiosk.second(HOUSE.radius_m + wander) for wander in (5, 20, -20, 15, 24) * 20)
    assert kiosk.where.place == "in"
    kiosk.seconds(MOVED_AFTER, HOUSE.radius_m + MARGIN_M + 5)
    assert kiosk.where.place == "out"
    assert not any(kiosk.second(HOUSE.radius_m + wander) for wander in (5, 20, 1, 15, 24) * 20)
    assert kiosk.where.place == "out"


def test_jumps_are_counted_and_never_believed_however_many_come():
    kiosk = Kiosk().settled()
    for far_m in (5_000, 0, -9_000, 70_000, 3_000, 0, 8_000, -8_000) * 20:
        assert kiosk.second(float(far_m)) is None
    assert kiosk.fence.jumps > 100
    assert kiosk.where.place != "out"


def test_after_a_jump_the_place_is_said_again_once_the_fixes_agree():
    kiosk = Kiosk().settled()
    kiosk.second(50_000.0)
    assert kiosk.where == Where("none", "-", "poor")
    kiosk.seconds(2)
    assert kiosk.where == IN


def test_a_kiosk_that_was_switched_off_and_taken_away_has_moved_when_it_is_back_on():
    kiosk = Kiosk()
    assert kiosk.seconds(SETTLED_AFTER, 40_000.0) == [None] * (SETTLED_AFTER - 1) + ["moved"]
    assert kiosk.where.place == "out"


def test_a_kiosk_that_stood_outside_and_is_switched_on_inside_has_returned():
    kiosk = Kiosk(was="out")
    assert kiosk.seconds(MOVED_AFTER) == [None] * (MOVED_AFTER - 1) + ["returned"]


def test_a_fix_that_is_old_says_nothing_and_is_forgotten():
    kiosk = Kiosk().settled()
    kiosk.now_ms += fence.FRESH_MS
    assert kiosk.where.place == "in"
    kiosk.now_ms += 1
    assert kiosk.where == Where("none", "-", "lost")
    assert not any(str(HOUSE.latitude)[:6] in str(value) for value in vars(kiosk.fence).values() if value is not HOUSE)
    assert kiosk.fence._point is None


def test_a_receiver_that_is_heard_and_has_no_fix_is_not_lost():
    kiosk = Kiosk().settled()
    kiosk.now_ms += fence.FRESH_MS + 1
    kiosk.fence.heard(kiosk.now_ms)
    assert kiosk.where.fix == "none"


def test_a_short_loss_of_the_fix_keeps_the_place():
    kiosk = Kiosk().settled()
    kiosk.seconds(5, status="V", quality=0)
    assert kiosk.where == Where("in", "51.50,-0.12", "none")


@rule("DDU-12")
def test_no_text_of_any_value_holds_the_precise_point():
    rmc = Rmc("120000.00", "A", 51.5051234, -0.1151234)
    gga = Gga("120000.00", 1, 1.0, 51.5051234, -0.1151234)
    site = Site(51.5051234, -0.1151234, 100.0)
    told = Fence(site)
    told.rmc(rmc, 0)
    told.gga(gga, 0)
    for value in (rmc, gga, site, told, told.read(0), [rmc], (gga,), {"site": site}):
        for text in (repr(value), str(value), f"{value}", f"{value!r}"):
            assert "5051" not in text and "1151" not in text


#: From one point to another, metres. A degree of a great circle, a quarter and half of it; two airports (Rosetta Code
#: gives 2,887.26 km on a sphere of 6,372.8 km), and two cities (278.546 km on one of 6,373 km).
DISTANCES = [
    (0, 0, 1, 0, 111_195.08, 0.01),
    (0, 0, 0, 1, 111_195.08, 0.01),
    (60, 0, 60, 1, 55_596.9, 2),
    (0, 0, 0, 90, 10_007_557.2, 1),
    (90, 0, -90, 0, 20_015_114.4, 1),
    (10, 179.5, 10, -179.5, 109_506, 5),
    (36.12, -86.67, 33.94, -118.40, 2_887_259.95 * 6_371_008.8 / 6_372_800, 20),
    (52.2296756, 21.0122287, 52.4063740, 16.9251681, 278_545.589 * 6_371_008.8 / 6_373_000, 1),
    (51.5, -0.1, 51.5, -0.1, 0, 0),
]


@pytest.mark.parametrize("case", DISTANCES)
def test_distances_are_those_of_known_pairs(case):
    *points, metres, give = case
    assert distance_m(*points) == pytest.approx(metres, abs=give + 1e-6)
    assert distance_m(*points[2:], *points[:2]) == pytest.approx(distance_m(*points), abs=1e-6)


LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_a_distance_is_never_negative_nor_more_than_half_the_earth(a, b, c, d):
    assert 0 <= distance_m(a, b, c, d) <= math.pi * fence.EARTH_M + 1


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ((51.505, -0.115), "51.50,-0.12"),
        ((51.50, -0.12), "51.50,-0.12"),
        ((51.509999, -0.110001), "51.50,-0.12"),
        ((0.29, 0.29), "0.29,0.29"),
        ((-0.001, 0.001), "-0.01,0.00"),
        ((-33.87, 151.21), "-33.87,151.21"),
        ((9.99999999, -180.0), "9.99,-180.00"),
    ],
)
def test_a_cell_is_the_south_west_corner_of_a_hundredth_of_a_degree(point, said):
    assert cell(*point) == said


@given(LATITUDES, LONGITUDES)
def test_a_cell_says_no_more_than_a_hundredth_of_a_degree(latitude, longitude):
    south, west = map(float, cell(latitude, longitude).split(","))
    assert -1e-6 <= latitude - south <= 0.01 + 1e-6
    assert -1e-6 <= longitude - west <= 0.01 + 1e-6
    assert all(len(part.partition(".")[2]) == 2 for part in cell(latitude, longitude).split(","))


@given(
    st.lists(
        st.tuples(
            st.floats(-1e6, 1e6),
            st.sampled_from(["A", "V", ""]),
            st.integers(0, 8),
            st.one_of(st.none(), st.floats(allow_nan=True)),
        ),
        max_size=60,
    )
)
def test_whatever_a_receiver_says_moved_and_returned_take_turns(said):
    kiosk = Kiosk()
    changes = [
        c
        for away, status, quality, hdop in said
        if (c := kiosk.second(away, status=status, quality=quality, hdop=hdop))
    ]
    assert all(a != b for a, b in itertools.pairwise(changes))
    assert changes[:1] in ([], ["moved"])
    assert kiosk.where.place in ("in", "out", "none")


@rule("DDU-12")
def test_registered_elsewhere_it_is_judged_anew_by_that_place():
    kiosk = Kiosk().settled()
    kiosk.fence.register(Site(HOUSE.latitude + 3000 * METRE, HOUSE.longitude, 100.0))
    assert kiosk.where.place == "none", "what was found out was of the place before"
    assert kiosk.seconds(SETTLED_AFTER)[-1] == fence.MOVED
    assert kiosk.where.place == "out"


@rule("DDU-12")
def test_a_kiosk_that_was_carried_to_its_new_house_is_back_once_that_is_registered():
    kiosk = Kiosk().settled()
    assert kiosk.seconds(MOVED_AFTER + 60, away_m=3000.0).count(fence.MOVED) == 1
    kiosk.fence.register(Site(HOUSE.latitude + 3000 * METRE, HOUSE.longitude, 100.0))
    assert kiosk.seconds(SETTLED_AFTER, away_m=3000.0) == [None] * (SETTLED_AFTER - 1) + [fence.RETURNED]
    assert kiosk.where.place == "in"


def test_registered_at_the_same_place_again_nothing_begins_anew():
    kiosk = Kiosk().settled()
    kiosk.fence.register(Site(*HOUSE))
    assert kiosk.where == IN


def test_registered_nowhere_it_says_neither_in_nor_out():
    kiosk = Kiosk().settled()
    kiosk.fence.register(None)
    kiosk.seconds(MOVED_AFTER)
    assert kiosk.where.place == "none"
    without = Fence(HOUSE, fitted=False)
    without.register(Site(52.0, 0.5, 80.0))
    assert without.read(0) == Where("fixed", "52.00,0.50", "-")
    without.register(None)
    assert without.read(0).place == "none"
