"""A whole reader on the unix port takes an update from a real Mosquitto, runs it out of its slot, and keeps or leaves it."""

import asyncio
import json
import time

import pytest

from firmware.reader.releases import TRIES
from firmware.release import make, pack
from server.policy import rollout
from server.policy.rollout import Progress
from tests.firmware.pico import pico_world
from tests.firmware.pico import release_packs as made

pytestmark = pytest.mark.needs("micropython", "mosquitto")
#: the reader's own time, not the network's: a minute of trial in three seconds
SCALE = 20


class UpdatingWorld(pico_world.World):
    """A reader that knows a release key, and its store, which can send a release as the `release` command does."""

    def __init__(self, folder, broker):
        super().__init__(folder, broker, scale=SCALE, heapsize="400K")
        path = folder / "settings.json"
        data = json.loads(path.read_text())
        data["release"] = {"keys": [{"id": 1, "n": f"{made.key().n:x}"}]}
        path.write_text(json.dumps(data))
        self.store = pico_world.Store(broker.host, broker.port)

    async def __aexit__(self, *error):
        self.store.close()
        await super().__aexit__(*error)

    def told(self) -> dict:
        """What the reader said last of updates."""
        return next((health["update"] for health in reversed(self.store.healths) if "update" in health), {})

    async def send(self, blob: bytes) -> None:
        """As the store does it, until the board has it whole."""
        sent, places = made.sent(blob), {int.from_bytes(one[8:12], "big"): one for one in made.pieces(blob, 1024)}
        now, arrived, heard = Progress(state=rollout.ASKED), self.arrived(), len(self.store.healths)
        deadline = time.monotonic() + 60
        while self.arrived() == arrived:
            assert time.monotonic() < deadline, f"it did not take all of it: {now} {self.told()}"
            for health in self.store.healths[heard:]:
                heard += 1
                now = rollout.heard(now, health.get("update", {}), sent, None, int(time.monotonic() * 1000))
            if (due := rollout.due(now, sent, int(time.monotonic() * 1000))) is not None:
                now = due
                for place in sorted(one for one in places if now.have <= one < now.until):
                    self.store.send("update", places[place])
            await asyncio.sleep(0.01)

    def arrived(self) -> int:
        """How many releases have stood whole in their slot."""
        events = [said for said in self.board.events() if said.get("event") == "update"]
        return len([said for said in events if said["size"] and said["have"] == said["size"]])

    async def send_refused(self, blob: bytes, code: str) -> None:
        """Its head is enough for the reader to refuse it."""
        self.store.send("update", made.pieces(blob, 1024)[0])
        await self.until(lambda: self.told().get("refused") == code, 30, code)

    async def ended(self) -> None:
        """The board's process ended by itself: an exception at its start."""
        await self.until(lambda: self.board.pid is None, 30, "the end of a start that cannot succeed")


@pytest.fixture(scope="module")
def built():
    """The files of a release of this very tree, as `muster release make` makes them."""
    return make.files("pico", "9.9.9", made.BUILT_S)


def release_of(files, counter, **changed):
    """A signed pack of a whole reader; changed: modules with other bytes."""
    named = dict(files) | {name.replace("__", "/") + ".mpy": data for name, data in changed.items()}
    return pack.sign(
        pack.put_together(named.items(), board="pico", version="9.9.9", counter=counter, built_s=made.BUILT_S),
        made.private(1),
    )


async def test_a_reader_takes_an_update_runs_it_out_of_its_slot_and_confirms_it(mosquitto, built, tmp_path):
    async with UpdatingWorld(tmp_path, mosquitto) as world:
        world.store.publish_roster(range(1, 6))
        await world.event("roster-kept")
        assert (await world.tap(1))[0] is not None
        assert (await world.event("boot"))["firmware"] != "muster-9.9.9"
        began = time.monotonic()
        await world.send(release_of(built, 5))
        assert (await world.event("boot", count=2))["firmware"] == "muster-9.9.9"
        print(f"\nan update of {len(release_of(built, 5))} B taken in {time.monotonic() - began:.1f} s over loopback")
        light, _ = await world.tap(2)
        assert light is not None, "on trial it takes cards as ever"
        await world.until(lambda: world.told().get("counter") == 5, 60, "the update confirmed")
        await world.restart()
        assert (await world.event("boot", count=3))["firmware"] == "muster-9.9.9"
        assert (await world.tap(3))[0] is not None
        await world.until(lambda: len(world.store.tokens()) == 3, 30, "every swipe, of both releases")
        # Nothing older is taken, whoever signed it.
        await world.send_refused(release_of(built, 4), "update-older")


async def test_a_release_that_cannot_even_start_gives_way_to_the_one_before(mosquitto, built, tmp_path):
    broken = pico_world.build(tmp_path / "built") / "code" / "firmware" / "contract" / "topics.mpy"
    async with UpdatingWorld(tmp_path, mosquitto) as world:
        await world.event("link-up")
        # Another module's bytes in its place: what is imported from it is not there.
        await world.send(release_of(built, 5, firmware__reader__reader=broken.read_bytes()))
        for _ in range(TRIES):
            await world.ended()
            await world.restart()
        # Its tries are used up; the reader that was there before runs again, and refuses it from now on.
        await world.event("link-up", count=2)
        assert [e["firmware"] for e in world.board.events() if e.get("event") == "boot"][-1] != "muster-9.9.9"
        await world.until(lambda: world.told().get("failed") == 5, 30, "told that it failed")
        await world.send_refused(
            release_of(built, 5, firmware__reader__reader=broken.read_bytes()), "update-failed-before"
        )
