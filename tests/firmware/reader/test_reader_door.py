"""What the reader knows: rosters, the time, and how the lamp says it."""

from itertools import pairwise

import pytest

from firmware.contract import statement
from firmware.contract.mac import Key
from firmware.reader import lights
from firmware.reader.clock import DRIFT_PPM, SYNC_FOR_MS, Clock
from tests.firmware.reader.reader_world import (
    ALICE,
    BLUE,
    BOB,
    CARD_KEY,
    CAROL,
    GREEN,
    HOUR_MS,
    OFF,
    RED,
    T0,
    at_a_door,
    session,
)

DOUBLE_FLASH = [[BLUE, 120], [OFF, 100], [BLUE, 120], [OFF, 260]]
YEAR_MS = 365 * 24 * HOUR_MS


def flash(world):
    """The lamp after a tap, as [(colour, about how many ms)], until it is idle again."""
    return [(tuple(colour), ms) for colour, ms in world.lamps(1200)]


def test_on_the_list_is_green_and_not_on_it_is_one_long_red(make):
    world = at_a_door(make)
    assert world.tap(ALICE) == "green"
    assert flash(world)[0] == (GREEN, 700)
    world.now_ms += 5000
    assert world.tap(CAROL) == "red"
    assert flash(world)[:2] == [(RED, 900), (OFF, 100)]


def test_no_session_open_is_three_short_reds(make):
    world = make()
    world.give([(session(1, 7200, 10800), [ALICE])])
    world.link()
    assert world.lamp == OFF
    assert world.tap(ALICE) == "shut"
    shown = flash(world)[:5]
    assert [colour for colour, _ in shown] == [RED, OFF, RED, OFF, RED]
    assert all(ms <= 160 for _, ms in shown)


def test_the_two_reds_differ_in_rhythm_and_every_flash_differs_without_colour():
    rhythms = [tuple((ms, colour != OFF) for ms, colour in pattern) for pattern in lights.FLASHES.values()]
    assert len(set(rhythms)) == len(lights.FLASHES) == 4


@pytest.mark.parametrize(
    "idle, colours",
    [("off", {OFF}), ("open", {BLUE}), ("broken", {RED, OFF}), ("waiting", None)],
)
def test_the_table_of_idle_lights(idle, colours):
    lamp = lights.Lights()
    lamp.idle(idle)
    seen = [lamp.rgb(at) for at in range(0, 8000, 20)]
    if colours is not None:
        assert set(seen) == colours
    else:  # breathing: blue only, up and down, never dark
        assert {(r, g) for r, g, _ in seen} == {(0, 0)}
        assert min(b for *_, b in seen) > 0
        assert max(b for *_, b in seen) == 255
        assert max(abs(a[2] - b[2]) for a, b in pairwise(seen)) <= 3
    assert all(0 <= part <= 255 for colour in seen for part in colour)


def test_every_verdict_has_a_flash_and_it_ends():
    lamp = lights.Lights()
    for shown, pattern in lights.FLASHES.items():
        lamp.flash(shown, 1000)
        assert lamp.rgb(1000) != OFF
        assert lamp.rgb(1000 + sum(ms for ms, _ in pattern)) == OFF


def test_without_a_clock_it_breathes_and_a_tap_is_kept_with_a_double_flash(make):
    world = make()
    world.give([(session(1), [ALICE])])
    breath = {world.reader.light(at) for at in range(0, 4000, 20)}
    assert len(breath) > 20
    assert world.tap(ALICE) == "check"
    assert [list(row) for row in flash(world)[:4]] == DOUBLE_FLASH
    [swipe] = world.swipes()
    assert (swipe["wall_ms"], swipe["clock"], swipe["uncertainty_ms"], swipe["session"]) == (None, "none", None, None)
    world.now_ms += 5000
    world.link()
    assert world.lamp == BLUE
    paired = world.reader.clock.pairing  # and a clock record places what was taken without one
    assert any(
        f"|clock|a-101|1|{swipe['journal']}|2|{paired.boot_ms}|{paired.wall_ms}|" in x for x in world.medium.lines()
    )
    world.delivered()


def test_without_a_roster_it_breathes_and_a_tap_is_kept_with_a_double_flash(make):
    world = make()
    world.link()
    assert world.reader.lights.name(0) == "waiting"
    assert world.tap(ALICE) == "check"
    assert world.swipes()[0]["clock"] == "sync"


def test_an_unknown_card_with_a_stale_roster_gets_the_double_flash_and_never_red(make):
    for age_h, valid_h in ((25, 72), (2, 1)):  # older than a day; past its last hour
        world = make()
        world.now_ms = age_h * HOUR_MS
        world.boot()
        world.give([(session(1, age_h * 3600, age_h * 3600 + 3600), [ALICE])], valid_h=valid_h)
        world.link()
        assert world.tap(CAROL) == "check"
        world.now_ms += 5000
        assert world.tap(ALICE) == "green"  # a card that it does know


def test_a_roster_that_is_a_day_old_to_the_second_still_says_red(make):
    world = make()
    world.now_ms = 24 * HOUR_MS - 1000
    world.boot()
    world.give([(session(1, 24 * 3600, 25 * 3600), [ALICE])])
    world.link()
    assert world.tap(CAROL) == "red"


STRANGER = Key(1, b"\x66" * 32)


@pytest.mark.parametrize(
    "code, spoil",
    [
        ("roster-checksum", lambda w, rows: w.roster(rows, version_ms=T0 + 1)[:-30] + b"x" + w.roster(rows)[-29:]),
        ("roster-mac", lambda w, rows: w.roster(rows, version_ms=T0 + 1, key=STRANGER)),
        ("roster-older", lambda w, rows: w.roster(rows, version_ms=T0 - 1)),
        ("roster-reader", lambda w, rows: w.roster(rows, version_ms=T0 + 1, reader="a-102")),
        ("roster-length", lambda w, rows: b""),
        ("roster-magic", lambda w, rows: bytes(200)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_roster_not_to_be_believed_is_refused_and_counted_and_the_old_one_stays(make, code, spoil):
    world = at_a_door(make)
    kept = list(world.medium.rosters)
    blob = spoil(world, [(session(1), [CAROL])])
    world.reader.received("roster", blob, world.ms)
    assert world.reader.uplink.refused == {code: 1}
    assert world.medium.rosters == kept
    assert world.tap(ALICE) == "green"
    assert world.tap(CAROL) == "red"
    world.boot()  # nor after a boot
    world.reader.received("roster", blob, world.ms)
    assert world.reader.door.roster.blob == kept[-1]
    assert world.reader.uplink.roster_version_ms == T0


def test_a_kept_roster_that_was_not_made_with_the_readers_key_is_not_used_at_boot(make):
    world = at_a_door(make)
    # Somebody had the card in hand: whole, for this door, newer, and of another key.
    world.medium.rosters.append(world.roster([(session(1), [CAROL])], version_ms=T0 + 1, key=STRANGER))
    world.boot()
    assert world.reader.uplink.refused == {"roster-mac": 1}
    assert world.reader.door.roster is None
    assert world.reader.uplink.roster_version_ms is None  # nor is its version said to be held
    world.link()
    assert world.tap(CAROL) == "check"


def test_the_same_roster_again_is_no_news_and_writes_nothing(make):
    world = at_a_door(make)
    for _ in range(3):
        world.reader.received("roster", world.medium.rosters[0], world.ms)
    assert len(world.medium.rosters) == 1
    assert world.reader.uplink.refused == {}


def test_a_shelf_that_fails_is_counted_and_the_roster_holds_till_the_next_boot(make):
    world = make()
    world.shelf.broken = True
    world.give([(session(1), [ALICE])])
    world.link()
    assert world.tap(ALICE) == "green"
    assert world.reader.uplink.refused == {"roster-shelf": 1}
    world.boot()
    assert world.reader.uplink.refused == {"roster-shelf": 1}
    assert world.tap(ALICE) == "check"


def test_a_new_roster_keeps_who_is_recorded_already(make):
    world = at_a_door(make)
    world.now_ms = 1_900_000
    world.tap(ALICE)
    world.now_ms += 130_000
    world.give([(session(1), [BOB, ALICE, CAROL]), (session(2, 3600, 7200), [CAROL, ALICE])], version_ms=T0 + 5)
    world.tap(ALICE)
    world.tap(CAROL)
    assert [s["session"] for s in world.swipes()] == [1, 2, 1]


def test_more_people_than_it_remembers_are_all_green(make):
    world = make()
    people = [b"\x04p%05d" % n for n in range(300)]
    world.give([(session(1), people)])
    world.link()
    for uid in people + people:
        world.now_ms += 300
        assert world.tap(uid) == "green"
    assert len(world.reader.door._answers) <= 64


def test_a_card_that_identifies_nobody_is_kept_as_one_with_the_double_flash(make):
    world = at_a_door(make)
    assert world.tap(b"") == "check"
    assert world.lamp == BLUE
    assert [(s["evidence"], s["verdict"], s["session"]) for s in world.swipes()] == [("x", "check", None)]
    world.run(5000)
    assert world.tap(ALICE) == "green"


def test_a_card_that_signs_is_looked_up_by_its_number_and_what_it_said_is_kept_with_it(make):
    world = at_a_door(make)
    world.reader.tap(ALICE, world.ms, statement.Message(0x00003D, bytes.fromhex("94eed9ee65337086")))
    (kept,) = world.swipes()
    token = CARD_KEY.token(ALICE)
    assert (kept["evidence"], kept["verdict"]) == (f"s{CARD_KEY.id}:{token.hex()};00003d94eed9ee65337086", "green")
    assert statement.tokens(kept["evidence"]) == [statement.Token(CARD_KEY.id, token)]
    assert statement.message(kept["evidence"]) == (61, bytes.fromhex("94eed9ee65337086"))


def test_a_card_whose_message_is_encrypted_gets_the_double_flash_and_its_number_is_kept(make):
    world = at_a_door(make)
    assert world.reader.tap(ALICE, world.ms, statement.Message(None, None)) == "check"
    (kept,) = world.swipes()
    assert kept["evidence"] == f"e{CARD_KEY.id}:{CARD_KEY.token(ALICE).hex()}"
    assert world.reader.taps == {"check": 1}


def test_what_answers_and_is_no_card_is_red_and_not_kept(make):
    world = at_a_door(make)
    world.reader.unreadable(world.ms)
    assert world.lamp == RED  # the double flash would say that it is stored
    assert world.medium.lines() == []
    assert world.reader.taps == {"unreadable": 1}


def test_a_lost_chip_pulses_red_and_is_told_with_a_head(make):
    world = at_a_door(make)
    world.run(1000)
    world.store.heads.clear()
    world.reader.chip(False, world.ms)
    world.pump()
    assert world.store.heads[-1]["able"] == "chip"
    assert {colour for colour, _ in world.lamps(4000)} == {RED, OFF}
    world.reader.chip(True, world.ms)
    world.pump()
    assert world.store.heads[-1]["able"] == "ok"
    assert world.lamp == BLUE


# The clock.
def test_the_time_is_known_to_half_the_round_trip_and_drifts_by_50_ppm():
    clock = Clock()
    assert clock.read(5) == (None, "none", None)
    assert clock.answered(1000, 1400, T0)
    assert clock.read(1400) == (T0 + 200, "sync", 203)
    assert clock.read(1400 + HOUR_MS) == (T0 + 200 + HOUR_MS, "hold", 203 + HOUR_MS * DRIFT_PPM // 1_000_000)
    assert clock.read(1400 + SYNC_FOR_MS).state == "sync"
    assert clock.read(1400 + SYNC_FOR_MS + 1).state == "hold"


def test_a_clock_never_claims_more_than_is_true(rng):
    # The board's crystal is off by up to 50 ppm; answers take up to 3 s and come from anywhere in between.
    for _ in range(200):
        ppm = rng.uniform(-50, 50)
        clock, true_ms = Clock(), T0 * 1.0
        for _ in range(20):
            true_ms += rng.uniform(1000, 3 * HOUR_MS)
            up, down = rng.uniform(0, 1500), rng.uniform(0, 1500)
            board = [int((moment - T0) * (1 + ppm / 1e6)) for moment in (true_ms, true_ms + up + down)]
            clock.answered(board[0], board[1], int(true_ms + up))
            later = true_ms + up + down + rng.uniform(0, 2 * HOUR_MS)
            reading = clock.read(int((later - T0) * (1 + ppm / 1e6)))
            assert abs(reading.wall_ms - later) <= reading.uncertainty_ms + 1
            assert clock.contradictions == 0


def test_an_answer_that_contradicts_is_taken_and_counted():
    clock = Clock()
    clock.answered(0, 10, T0)
    assert clock.answered(1000, 1010, T0 + 60_000)
    assert clock.contradictions == 1
    assert abs(clock.read(1010).wall_ms - T0 - 60_000) <= 6


def test_a_slow_answer_never_replaces_a_better_one_however_old():
    clock = Clock()
    clock.answered(0, 10, T0)
    assert not clock.answered(1000, 1400, T0 + 1000)
    assert not clock.answered(HOUR_MS, HOUR_MS + 120_000, T0 + HOUR_MS + 60_000)
    assert clock.read(HOUR_MS + 120_000).uncertainty_ms < 250
    assert clock.answered(2 * HOUR_MS, 2 * HOUR_MS + 100, T0 + 2 * HOUR_MS + 50)


def test_a_store_that_is_wrong_by_30_years_is_refused_or_put_right_by_the_next_answer(make):
    world = at_a_door(make)
    world.line_up = False
    for years in (-30, +80):
        world.link()
        nonce = world.reader.uplink._nonce
        world.down(world.store.line("time", nonce=nonce, wall_ms=T0 + years * YEAR_MS), kind="command")
        assert world.reader.uplink.refused.pop("time-range") == 1
        assert world.tap(ALICE) == "green"
        world.now_ms += 130_000
    world.link()
    wrong = world.store.line("time", nonce=world.reader.uplink._nonce, wall_ms=T0 + 30 * YEAR_MS)
    world.down(wrong, kind="command")
    assert world.reader.clock.contradictions == 1
    world.now_ms += 1000
    assert world.tap(ALICE) == "check"  # the roster is thirty years old by this clock: never red
    world.line_up = True
    world.link()
    assert world.reader.clock.contradictions == 2
    assert world.tap(ALICE) == "green"
    world.run(1000)
    clocks = [line for line in world.medium.lines() if "|clock|" in line]
    assert len(clocks) == 2  # one for each contradiction: the swipes taken in between are placed again
    world.delivered()


@pytest.mark.parametrize("after_s, session_shown", [(119, 1), (121, 2)])
@pytest.mark.parametrize("wrong_s", [-90, 90])
def test_a_repeat_is_told_by_the_readers_own_clock_though_the_time_is_put_right_between_two_taps(
    make, after_s, session_shown, wrong_s
):
    world = make()
    world.line_up = False
    world.give([(session(1, 0, 600), [ALICE]), (session(2, 600, 1200), [ALICE])])
    world.now_ms = 300_000
    for wrong_ms, wait_s in ((wrong_s * 1000, after_s), (0, 0)):
        world.link()
        answer = world.store.line("time", nonce=world.reader.uplink._nonce, wall_ms=world.wall_ms + wrong_ms)
        world.down(answer, kind="command")
        assert world.tap(ALICE) == "green"
        world.now_ms += wait_s * 1000
    shown = [statement.read(line).values["session"] for line in world.medium.lines() if "|swipe|" in line]
    assert shown == [1, session_shown]


def test_an_answer_that_nobody_asked_for_sets_no_clock(make):
    world = make()
    world.down(world.store.line("time", nonce="0" * 16, wall_ms=T0), kind="command")
    assert world.reader.clock.pairing is None
    assert world.reader.uplink.refused == {"time-not-asked": 1}


@pytest.mark.parametrize("edge_s, shown", [(-1, "shut"), (0, "green"), (5400, "green"), (5401, "shut")])
def test_port_2_open_from_30_minutes_before_until_the_end_and_not_a_second_more(make, edge_s, shown):
    world = make()
    world.now_ms = HOUR_MS
    world.boot()
    world.give([(session(1, 3600 + 7200, 3600 + 10800), [ALICE])])
    world.now_ms += (5400 + edge_s) * 1000 + (300 if edge_s == 0 else -300 if edge_s == 5400 else 0)
    world.link()
    assert world.tap(ALICE) == shown


def test_where_the_doubt_straddles_the_windows_edge_it_is_stored_to_be_checked(make):
    world = make()
    world.give([(session(1, 7200, 10800), [ALICE])])
    world.link()
    world.now_ms = 5400_000 + 10  # one and a half hours later, on a clock that was set once: 270 ms of doubt
    assert world.tap(ALICE) == "check"
    assert world.tap(CAROL) == "check"
    world.now_ms += 600
    assert world.tap(ALICE) == "green"
    assert world.tap(CAROL) == "red"
