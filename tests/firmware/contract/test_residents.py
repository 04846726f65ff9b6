"""The residents list: what is made is read back, a card is found, and any other bytes are refused with a reason."""

import struct
from binascii import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.contract import residents, roster
from firmware.contract.errors import Malformed, Misuse
from firmware.contract.mac import Key
from firmware.contract.residents import (
    ENROL,
    LOCKED,
    NO_PIN,
    NO_SLOT,
    NOWHERE,
    PLACE_TOKEN,
    RESIDENT,
    STAFF,
    Entry,
    Evening,
    Place,
)

KEY = Key(1, bytes(range(32)))
NOW_MS = 1_790_000_000_123
HOUR_MS = 3_600_000
EVENINGS = [Evening(1_790_010_000_000, 1_790_024_400_000), Evening(1_790_096_400_000, 1_790_110_800_000)]

entries = st.builds(
    Entry,
    st.binary(min_size=8, max_size=8).filter(lambda token: token != PLACE_TOKEN),
    st.integers(0, 0xFFFF),
    st.integers(0, 2**32 - 1),
    st.integers(0, residents.FLAGS),
    st.binary(min_size=8, max_size=8),
)
lists = st.lists(entries, max_size=40, unique_by=lambda one: one.token)


places = st.none() | st.builds(
    Place, st.floats(-90, 90), st.floats(-180, 180), st.integers(0, residents.RADIUS_MAX_M)
)  # fmt: skip


def made(listed, evenings=EVENINGS, name="kiosk-1", place=None):
    return residents.encode(name, KEY, NOW_MS, NOW_MS, NOW_MS + 72 * HOUR_MS, evenings, listed, place)


@given(lists, st.binary(min_size=8, max_size=8), places)
def test_a_list_says_what_was_put_into_it_and_finds_each_card_and_no_other(listed, stranger, place):
    found = residents.decode(made(listed, place=place), KEY, "kiosk-1")
    if place is None:
        assert found.place is None
    else:
        assert found.place == pytest.approx(place, abs=1e-7)
    assert [found.entry(n) for n in range(found.count)] == sorted(listed)
    assert all(found.find(one.token) == one for one in listed)
    assert found.find(stranger) == next((one for one in listed if one.token == stranger), None)
    assert found.evenings == EVENINGS
    assert (found.reader, found.version_ms) == ("kiosk-1", NOW_MS)


def test_an_evening_holds_from_its_opening_to_just_before_its_close():
    found = residents.decode(made([]))
    first = EVENINGS[0]
    assert found.evening(first.opens_ms) == found.evening(first.closes_ms - 1) == first
    assert found.evening(first.opens_ms - 1) is found.evening(first.closes_ms) is None


def test_a_list_older_than_a_day_or_past_its_time_tells_nobody_that_they_are_not_on_it():
    found = residents.decode(made([]))
    assert found.is_fresh(NOW_MS + roster.STALE_AFTER_MS)
    assert not found.is_fresh(NOW_MS + roster.STALE_AFTER_MS + 1)


GOOD = made(
    [Entry(bytes([n] * 8), n, n, RESIDENT, NO_PIN) for n in range(1, 4)] + [Entry(b"s" * 8, NO_SLOT, 0, STAFF, NO_PIN)]
)


@given(st.binary(max_size=200) | st.integers(0, len(GOOD) * 8 - 1))
def test_any_other_bytes_and_any_flipped_bit_are_refused(spoiled):
    if isinstance(spoiled, int):
        blob = bytearray(GOOD)
        blob[spoiled // 8] ^= 1 << spoiled % 8
        spoiled = bytes(blob)
    with pytest.raises(Malformed) as refused:
        residents.decode(spoiled, KEY, "kiosk-1")
    assert refused.value.code.startswith("residents-")


@pytest.mark.parametrize("cut", [1, 20, 23, len(GOOD) - 10])
def test_a_list_cut_off_or_with_more_behind_it_is_refused(cut):
    for blob in (GOOD[:-cut], GOOD + bytes(cut)):
        with pytest.raises(Malformed):
            residents.decode(blob, KEY)


@pytest.mark.parametrize(
    ("key", "reader", "code"),
    [
        (Key(1, bytes(32)), "", "residents-mac"),
        (KEY, "kiosk-2", "residents-reader"),
        (None, "kiosk-2", "residents-reader"),
    ],
)
def test_a_list_of_another_kiosk_or_under_another_key_is_refused(key, reader, code):
    with pytest.raises(Malformed) as refused:
        residents.decode(GOOD, key, reader)
    assert refused.value.code == code


def test_a_roster_is_no_residents_list_nor_the_other_way_round():
    other = roster.encode("kiosk-1", KEY, NOW_MS, NOW_MS, NOW_MS + HOUR_MS, [])
    assert residents.is_one(GOOD)
    assert not residents.is_one(other)
    with pytest.raises(Malformed):
        residents.decode(other)
    with pytest.raises(Malformed) as refused:
        roster.decode(GOOD)
    assert refused.value.code == "roster-magic"


@pytest.mark.parametrize(
    ("listed", "evenings", "code"),
    [
        (
            [Entry(b"1" * 8, 1, 1, RESIDENT, NO_PIN), Entry(b"1" * 8, 2, 1, RESIDENT, NO_PIN)],
            EVENINGS,
            "residents-order",
        ),
        ([Entry(bytes(7), 1, 1, RESIDENT, NO_PIN)], EVENINGS, "residents-entry"),
        ([Entry(PLACE_TOKEN, 1, 1, RESIDENT, NO_PIN)], EVENINGS, "residents-entry"),
        ([Entry(b"1" * 8, 1, 1, 128, NO_PIN)], EVENINGS, "residents-entry"),
        ([], [Evening(5000, 5000)], "residents-order"),
        ([Entry(n.to_bytes(8, "big"), 1, 1, ENROL | LOCKED, NO_PIN) for n in range(1, 2700)], [], "residents-size"),
    ],
    ids=["twice", "short-token", "token-of-zeros", "flag", "evening", "size"],
)
def test_what_could_not_be_read_back_is_not_made(listed, evenings, code):
    with pytest.raises(Misuse) as refused:
        made(listed, evenings)
    assert refused.value.code == code


def test_two_thousand_residents_fit():
    listed = [Entry(n.to_bytes(8, "big"), n, 1, RESIDENT, NO_PIN) for n in range(1, 2001)]
    assert residents.decode(made(listed)).count == 2000


def test_to_a_release_that_knows_no_registered_place_it_is_the_entry_of_a_card_that_nobody_has():
    """Gateways and kiosks of the release before read the list as it was: same magic, entries of 23 bytes, known flags."""
    blob = made([Entry(b"s" * 8, NO_SLOT, 0, STAFF, NO_PIN)], [], place=Place(51.5, -0.12, 150))
    assert blob[:4] == b"MRS1" and struct.unpack_from("<HH", blob, 52) == (0, 2)
    first, second = (struct.unpack_from("<8sHIB8s", blob, 56 + n * 23) for n in (0, 1))
    assert first == (bytes(8), NO_SLOT, 150, 0, struct.pack("<ii", 515_000_000, -1_200_000))
    assert second == (b"s" * 8, NO_SLOT, 0, STAFF, NO_PIN)


def test_that_no_place_is_registered_is_not_the_same_as_a_store_that_tells_nothing():
    assert residents.decode(made([], place=NOWHERE)).place == NOWHERE
    assert residents.decode(made([])).place is None


@pytest.mark.parametrize("place", [Place(91, 0, 1), Place(0, -181, 1), Place(0, 0, -1), Place(float("nan"), 0, 1)])
def test_what_is_no_place_on_earth_is_not_told(place):
    with pytest.raises(Misuse) as refused:
        made([], place=place)
    assert refused.value.code == "residents-place"


def test_an_entry_of_zeros_that_is_no_place_is_refused():
    blob = bytearray(made([], [], place=Place(1, 1, 1)))
    blob[56 + 14] = RESIDENT
    body = bytes(blob[:-20])
    body += struct.pack("<I", crc32(body))
    with pytest.raises(Malformed) as refused:
        residents.decode(body + KEY.mac(body), KEY)
    assert refused.value.code == "residents-place"
