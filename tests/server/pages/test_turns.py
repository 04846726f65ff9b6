"""Many sign-ins at once: only so many passwords are checked at a time, and nobody takes everybody's turn."""

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher

from server.pages.begun import Begun, Often
from server.pages.turns import Busy, Turns
from server.store import schema, schema_rights
from tests.server.pages.school import PASSWORD, Visitor


class Room:
    """Who is inside, in which order they came, and how many there were at most."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.order, self.inside, self.most = turns, [], 0, 0
        self.opened = asyncio.Event()

    async def go(self, name: str, address: str, *, first: bool = False) -> str:
        try:
            async with self.turns.turn(address, first=first):
                self.inside += 1
                self.most = max(self.most, self.inside)
                self.order.append(name)
                await self.opened.wait()
                await asyncio.sleep(0)
                self.inside -= 1
            return "done"
        except Busy:
            return "busy"

    async def all(self, *who: tuple[str, str, bool]) -> list[str]:
        """They come one after the other; then the door opens."""
        tasks = []
        for name, address, first in who:
            tasks.append(asyncio.create_task(self.go(name, address, first=first)))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.opened.set()
        return await asyncio.gather(*tasks)


async def test_no_more_are_at_it_than_may_be_and_all_get_their_turn():
    room = Room(Turns(at_once=3))
    assert await room.all(*((f"{n}", f"a{n}", False) for n in range(20))) == ["done"] * 20
    assert room.most == 3


async def test_turns_go_around_by_address_and_a_known_device_comes_first():
    room = Room(Turns(at_once=1))
    flood = [(f"flood{n}", "evil", False) for n in range(5)]
    await room.all(*flood, ("ada", "home", False), ("bob", "device 1", True))
    assert room.order == ["flood0", "bob", "flood1", "ada", "flood2", "flood3", "flood4"]


async def test_who_finds_no_place_is_told_at_once_and_a_flood_makes_room_for_others():
    room = Room(Turns(at_once=1, waiting=4, of_one=4))
    flood = [(f"flood{n}", "evil", False) for n in range(7)]
    answers = await room.all(*flood, ("ada", "home", False), ("bob", "device 1", True))
    # Of the flood one has its turn and four wait; its last two make room for the two who come.
    assert answers[:7] == ["done", "done", "done", "busy", "busy", "busy", "busy"]
    assert answers[7:] == ["done", "done"]


async def test_one_address_waits_with_no_more_than_it_may():
    room = Room(Turns(at_once=1, waiting=100, of_one=3))
    assert (await room.all(*((f"{n}", "evil", False) for n in range(10)))).count("done") == 4


async def test_who_waits_too_long_or_goes_away_leaves_the_turn_to_others():
    turns = Turns(at_once=1, patience_s=0.01)
    async with turns.turn("a"):
        with pytest.raises(Busy):
            async with turns.turn("b"):
                pass
        waits = asyncio.create_task(turns.turn("c").__aenter__())
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
    async with asyncio.timeout(5), turns.turn("d"):
        pass


async def test_a_turn_that_comes_as_its_waiter_goes_away_is_somebody_elses():
    turns = Turns(at_once=1)
    holds = turns.turn("a")
    await holds.__aenter__()
    waits = asyncio.create_task(turns.turn("b").__aenter__())
    await asyncio.sleep(0)
    await holds.__aexit__(None, None, None)
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    came = []
    async with asyncio.timeout(5), turns.turn("c"):
        came.append("c")
    assert came == ["c"]


class Slow(PasswordHasher):
    """argon2 as it is, which says how many passwords it is asked about at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self._lock = threading.Lock()
        self.inside = self.most = 0
        self.full = threading.Barrier(2)

    def verify(self, hash, password):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            # The second one comes, or it is not let in beside the first.
            self.full.wait(0.2)
        except threading.BrokenBarrierError:
            self.full.reset()
        try:
            return super().verify(hash, password)
        finally:
            with self._lock:
                self.inside -= 1


def test_many_who_sign_in_at_once_are_checked_a_few_at_a_time_and_told_when_it_is_too_many(school):
    app = school.app()
    app.state.hasher = hasher = Slow()
    object.__setattr__(app.state.desk, "turns", Turns(at_once=1, waiting=2, of_one=2))
    visitors = [Visitor(app) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: one.sign_in("ada"), visitors))
    assert hasher.most == 1
    codes = sorted(answer.status_code for answer in answers)
    assert set(codes) == {303, 503} and codes.count(303) >= 3
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert int(busy.headers["retry-after"]) > 0 and "try again in a few seconds" in busy.text
    # It was no wrong password: nobody waits for it afterwards.
    assert [Visitor(app).sign_in("ada").status_code for _ in range(6)] == [303] * 6


def test_a_wrong_password_is_counted_when_the_answer_is_on_its_way_and_for_nobody_costs_the_same(school, anonymous):
    """What is written must not tell whether there is such a login: so it is written afterwards."""
    for name in ("ada", "nobody"):
        answer = anonymous.sign_in(name, "a wrong password")
        assert answer.status_code == 401
    rows = {row.login: row.failures for row in school.world.all(schema.account)}
    assert rows["ada"] == 1 and sum(rows.values()) == 1


def test_sign_ins_that_are_begun_again_and_again_leave_no_endless_rows(school):
    app = school.app()
    object.__setattr__(app.state.desk, "begun", Begun(address=3))
    local = Visitor(app, base_url="http://localhost")
    token = local.csrf("/sign-in")
    codes = [local.post("/sign-in/passkey/begin", {"csrf": token}).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    assert len(school.world.all(schema_rights.sign_in_flow)) == 3
    school.now_ms += 60_000
    assert local.post("/sign-in/passkey/begin", {"csrf": token}).status_code == 200
    # A password signs in all the same.
    assert local.sign_in("ada", PASSWORD).status_code == 303


def test_begins_are_counted_by_address_in_a_window():
    """What holds where everybody together begins too many: test_begun.py."""
    begun = Begun(address=2, window_ms=1000)
    for address in ("10.0.0.1", "10.0.0.2"):
        for _ in range(2):
            begun.need(address, 10)
        with pytest.raises(Often) as error:
            begun.need(address, 500)
        assert error.value.wait_s == 1
    begun.need("10.0.0.1", 1010)
    # All of one machine's IPv6 addresses are one.
    numbers = itertools.count(1)
    begun = Begun(address=2)
    for _ in range(2):
        begun.need(f"2001:db8::{next(numbers)}", 0)
    with pytest.raises(Often):
        begun.need(f"2001:db8::{next(numbers)}", 0)
