"""Rosters on their way to readers, in virtual time."""

import base64
import logging

import pytest

from firmware.contract import residents, roster
from firmware.contract.mac import Key
from gateway.errors import StoreAway
from gateway.events import AGAIN_S, APART_MOST, Events, Seldom
from gateway.rosters import ASK_ALL_S, ASK_S, ECHO_S
from gateway.store import Offer
from gateway.testing import MemoryStore

MADE_UP = Key(1, b"z" * 32)


def away(_items):
    raise StoreAway("store-unreachable", "away")


def offer(lines, version_ms, reader="a-101", **more):
    return Offer(site="main", reader=reader, blob=lines.roster(reader, version_ms, **more))


def rosters(world):
    return [(topic, payload) for topic, payload, retain in world.link.published if retain]


def test_a_change_at_the_store_is_published_retained_within_five_seconds(play, lines):
    async def scenario(world):
        await world.passes(11)
        made = offer(lines, lines.now_ms)
        world.store.offers.append(made)
        assert await world.until(lambda: rosters(world)) < 2.6
        assert rosters(world) == [(lines.topic(kind="roster"), made.blob)]
        await world.passes(100)
        assert len(rosters(world)) == 1, "published again without need"

    play(scenario)


def test_one_that_is_below_what_the_store_offered_before_is_never_published(play, lines):
    async def scenario(world):
        newer, newest = offer(lines, 2000), offer(lines, 2001)
        world.store.offers += [newer, offer(lines, 1999)]
        await world.passes(60)
        assert [payload for _, payload in rosters(world)] == [newer.blob]
        assert world.counts.get("rosters_refused_total", "roster-older") == 1
        world.store.offers.append(newest)
        await world.until(lambda: rosters(world)[-1][1] == newest.blob, 3)

    play(scenario)


class SlowToTell(MemoryStore):
    """Tells of changes to nobody who asks with a cursor, as one whose cursor this gateway is ahead of. Counts."""

    asked_all = 0

    async def rosters(self, after):
        cursor, offers = await super().rosters(after)
        self.asked_all += after is None
        return cursor, offers if after is None else []


def test_a_newer_one_of_another_gateway_is_not_published_over_when_the_store_has_it(play, lines):
    async def scenario(world):
        first = offer(lines, 2000)
        world.store.offers.append(first)
        await world.until(lambda: rosters(world), 5)
        await world.passes(2 * ECHO_S)
        newer = offer(lines, 2001)
        world.store.offers.append(newer)
        world.link.send(lines.topic(kind="roster"), newer.blob)
        await world.passes(60)
        assert [payload for _, payload in rosters(world)] == [first.blob]
        assert world.store.asked_all == 2, "asked once at the start, and once in doubt"
        assert world.counts.get("rosters_overwritten_total") == 0
        assert not [i for i in world.store.held.values() if i["kind"] == "raw"]

    play(scenario, store=SlowToTell())


def test_the_store_is_not_asked_for_everything_where_its_next_answer_explains_what_is_retained(play, lines):
    async def scenario(world):
        for version_ms in range(2000, 2010):
            made = offer(lines, version_ms)
            world.link.send(lines.topic(kind="roster"), made.blob)
            world.store.offers.append(made)
            await world.passes(30)
        assert world.asked == [True] + [False] * (len(world.asked) - 1)

    class Watched(MemoryStore):
        async def rosters(self, after):
            asked.append(after is None)
            return await super().rosters(after)

    asked = []

    async def noted(world):
        world.asked = asked

    play(scenario, before=noted, store=Watched())


def forged(lines, version_ms=2**62, reader="a-101"):
    return roster.encode(reader, MADE_UP, version_ms, lines.now_ms - 10**7, lines.now_ms + 10**8, [])


@pytest.mark.parametrize("version_ms", [2**62, 2**63 - 1, 2000], ids=["far-above", "the-largest", "the-same"])
@pytest.mark.parametrize("first", ["forged", "offered"])
def test_a_forged_retained_roster_never_keeps_the_stores_from_its_door(play, lines, first, version_ms):
    async def scenario(world):
        topic, false, true = lines.topic(kind="roster"), forged(lines, version_ms), offer(lines, 2000)
        if first == "offered":
            world.store.offers.append(true)
            await world.until(lambda: rosters(world), 5)
            await world.passes(ECHO_S)
        world.link.send(topic, false)
        await world.passes(10)
        before = len(rosters(world))
        if first == "forged":
            world.store.offers.append(true)
        await world.until(lambda: rosters(world)[-1:] == [(topic, true.blob)], 2 * ASK_S + ASK_ALL_S)
        await world.until(lambda: world.store.held, 5)
        await world.passes(60)
        assert world.counts.get("rosters_overwritten_total") == 1
        [said] = world.named("roster-overwritten")
        assert (said["reader"], said["retained_version_ms"], said["version_ms"]) == ("a-101", version_ms, 2000)
        [raw] = world.store.held.values()
        assert (raw["kind"], raw["site"], raw["reader"], raw["topic"]) == ("raw", "main", "a-101", topic)
        assert base64.b64decode(raw["raw_b64"]) == false
        # The next change comes through as any does.
        newer = offer(lines, 2001)
        world.store.offers.append(newer)
        await world.until(lambda: rosters(world)[-1] == (topic, newer.blob), 5)
        assert before <= 2
        assert false not in [payload for _, payload in rosters(world)]

    play(scenario)


def test_a_roster_that_was_only_retained_is_not_given_back_to_a_broker_that_lost_its_memory(play, lines):
    async def scenario(world):
        world.store.fault = away
        world.link.send(lines.topic(kind="roster"), forged(lines))
        await world.passes(20)
        assert world.counts.get("rosters_held") == 1
        world.link.reconnect()
        await world.passes(60)
        assert rosters(world) == []
        world.store.fault = None
        true = offer(lines, 2000)
        world.store.offers.append(true)
        await world.until(lambda: rosters(world), 60)
        assert rosters(world) == [(lines.topic(kind="roster"), true.blob)]
        assert world.counts.get("rosters_overwritten_total") == 0

    play(scenario)


def test_a_store_that_is_away_is_waited_for_before_a_higher_version_is_published_over(play, lines):
    async def scenario(world):
        world.store.offers.append(offer(lines, 2000))
        await world.until(lambda: rosters(world), 5)
        await world.passes(ECHO_S)
        world.store.fault = away
        world.link.send(lines.topic(kind="roster"), forged(lines))
        await world.passes(300)
        assert len(rosters(world)) == 1
        world.store.fault = None
        await world.until(lambda: len(rosters(world)) == 2, 60)

    play(scenario)


def test_the_stores_roster_judges_and_a_retained_one_only_until_there_is_one(play, lines):
    async def scenario(world):
        window = lines.window(1, lines.now_ms, lines.now_ms + 3_600_000)
        world.store.offers.append(offer(lines, 2000, sessions=[(window, [b"annaanna"])]))
        await world.until(lambda: rosters(world), 5)
        world.link.send(lines.topic(kind="roster"), forged(lines))
        world.link.send(lines.topic(), lines.message(lines.swipe(token=b"annaanna")))
        await world.until(lambda: world.counts.get("judged_total", "matched"), 5)
        assert world.counts.get("judged_total", "matched") == 1

    play(scenario)


def test_a_flood_of_forged_rosters_costs_few_log_lines_questions_and_publications(play, lines):
    async def scenario(world):
        world.store.offers.append(offer(lines, 2000))
        await world.until(lambda: rosters(world), 5)
        for version_ms in range(3000, 3600):
            world.link.send(lines.topic(kind="roster"), forged(lines, version_ms))
            await world.passes(0.5)
        assert len(world.named("roster-overwritten")) <= 2
        assert len(world.named("roster-published")) <= 2
        assert world.store.asked_all <= 300 / ASK_ALL_S + 2
        assert 300 / ECHO_S / 2 <= len(rosters(world)) <= 300 / ECHO_S + 2, "the door gets its list in a flood as well"
        await world.until(lambda: rosters(world)[-1][1] == world.link.published[0][1], 30)

    play(scenario, store=SlowToTell())


def test_a_flood_of_broken_rosters_is_said_once_and_again_each_five_minutes_with_how_many(play, lines):
    async def scenario(world):
        for n in range(1200):
            world.link.send(lines.topic(kind="roster"), b"no roster %d" % n)
            await world.passes(0.5)
        await world.passes(AGAIN_S + 10)
        said = world.named("roster-refused")
        assert 2 <= len(said) <= 4
        assert "times" not in said[0]
        assert (
            1 + sum(s["times"] for s in said[1:]) == 1200 == world.counts.get("rosters_refused_total", said[0]["code"])
        )
        # After five minutes of quiet it begins anew.
        await world.passes(AGAIN_S + 10)
        world.link.send(lines.topic(kind="roster"), b"no roster")
        await world.passes(1)
        assert "times" not in world.named("roster-refused")[-1]
        assert len(world.named("roster-refused")) == len(said) + 1

    play(scenario)


def test_made_up_names_do_not_make_the_log_or_the_memory_grow_without_end(play, lines):
    said = []
    logger = logging.Logger("test")
    logger.addFilter(lambda record: said.append(record) or False)
    now_s = [0.0]
    seldom = Seldom(Events(logger), lambda: now_s[0])
    for n in range(5 * APART_MOST):
        seldom.warning("roster-refused", f"r-{n}", code="roster-length", how="retained")
    assert len(said) == APART_MOST + 1
    assert said[-1].fields["reader"] == "(more)"
    now_s[0] = AGAIN_S
    seldom.due()
    assert said[-1].fields["times"] == 4 * APART_MOST - 1
    assert len(said) == APART_MOST + 2

    async def scenario(world):
        for n in range(2100):
            world.link.send(lines.topic(f"r-{n}", kind="roster"), forged(lines, reader=f"r-{n}"))
        await world.until(lambda: not world.link.unacknowledged)
        assert world.counts.get("rosters_held") == 2000
        assert world.counts.get("rosters_refused_total", "roster-many") == 100
        world.store.offers.append(offer(lines, 2000, reader="r-2099"))
        await world.until(lambda: rosters(world), 10)

    play(scenario)


def test_retained_rosters_are_learned_while_the_store_is_away(play, lines):
    async def scenario(world):
        world.store.fault = away
        session = (lines.window(1, lines.now_ms, lines.now_ms + 3_600_000), [b"annaanna"])
        world.link.send(lines.topic(kind="roster"), lines.roster(sessions=[session]))
        world.link.send(lines.topic(), lines.message(lines.swipe(token=b"annaanna")))
        await world.until(lambda: world.counts.get("judged_total", "matched"))
        assert world.counts.get("rosters_held") == 1

    play(scenario)


def test_a_broker_that_lost_its_memory_gets_the_rosters_again(play, lines):
    async def scenario(world):
        world.store.offers.append(offer(lines, lines.now_ms))
        await world.until(lambda: rosters(world), 5)
        await world.passes(5)
        assert len(rosters(world)) == 1
        world.link.reconnect()
        await world.until(lambda: len(rosters(world)) == 2, 10)

    play(scenario)


def test_a_roster_for_another_reader_or_of_broken_bytes_is_not_published(play, lines):
    async def scenario(world):
        good = lines.roster()
        world.store.offers += [
            Offer(site="main", reader="b-202", blob=good),
            Offer(site="main", reader="a-101", blob=good[:-30] + bytes(10) + good[-20:]),
            Offer(site="+/#", reader="a-101", blob=good),
            Offer(site="main", reader="a-101", blob=b""),
        ]
        await world.passes(10)
        assert rosters(world) == []
        assert sum(1 for _ in world.named("roster-refused")) == 4

    play(scenario)


def test_what_could_not_be_published_while_the_link_was_down_is_published_after(play, lines):
    async def scenario(world):
        world.link.is_up = False
        world.store.offers.append(offer(lines, lines.now_ms))
        await world.passes(60)
        assert rosters(world) == []
        world.link.is_up = True
        world.link.generation += 1
        await world.until(lambda: rosters(world), 6)

    play(scenario)


def residents_list(lines, version_ms, reader="kiosk-1"):
    evening = residents.Evening(lines.now_ms - 10**6, lines.now_ms + 10**7)
    entry = residents.Entry(b"\x01" * 8, residents.NO_SLOT, 0, residents.RESIDENT, residents.NO_PIN)
    until_ms = lines.now_ms + 10**8
    blob = residents.encode(reader, MADE_UP, version_ms, lines.now_ms, until_ms, [evening], [entry])
    return Offer(site="main", reader=reader, blob=blob)


def test_a_kiosks_residents_list_is_published_retained_as_a_roster_is(play, lines):
    async def scenario(world):
        older, newer = residents_list(lines, 2000), residents_list(lines, 2001)
        world.store.offers.append(older)
        await world.until(lambda: rosters(world), 5)
        world.store.offers += [newer, residents_list(lines, 1999)]
        await world.until(lambda: rosters(world)[-1][1] == newer.blob, 5)
        topic = lines.topic(kind="roster").replace("a-101", "kiosk-1")
        assert rosters(world) == [(topic, older.blob), (topic, newer.blob)]
        assert world.counts.get("rosters_refused_total", "roster-older") == 1
        # Heard back from the broker it is what was offered; one that was changed on the way is not.
        world.link.send(topic, newer.blob[:-1] + bytes([newer.blob[-1] ^ 1]))
        await world.until(lambda: rosters(world)[-1] == (topic, newer.blob) and len(rosters(world)) == 3, 30)
        assert world.counts.get("rosters_overwritten_total") == 1

    play(scenario)


@pytest.mark.parametrize("cut, code", [(10, "length"), (60, "length"), (100, "checksum"), (-1, "checksum")])
def test_a_residents_list_that_is_cut_short_is_refused(play, lines, cut, code):
    async def scenario(world):
        whole = residents_list(lines, 2000)
        world.store.offers.append(Offer(site="main", reader="kiosk-1", blob=whole.blob[:cut]))
        await world.passes(20)
        assert rosters(world) == []
        assert world.counts.get("rosters_refused_total", f"residents-{code}") == 1

    play(scenario)
