"""A store put back from a backup, in real processes: every green since comes back, and nobody does more than restore.

Mosquitto, a gateway, the store and readers on real MicroPython: play, `muster backup`, play on, SIGKILL, `muster
restore --over`, play on. What the store then has is compared with what the lamps showed.
"""

import asyncio

import pytest

from simulator.check import NEAR_MS, Outcome, compare
from simulator.people import Plan, around_now
from simulator.play import Script, Stage
from simulator.processes import run

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(600),
    pytest.mark.needs("micropython"),
    pytest.mark.needs("mosquitto"),
]

#: heads, which tell a restored store what it has lost, come each minute
DRAIN_S = 240


def thirds(plan: Plan) -> list[Plan]:
    """The plan in three, each door's taps in their order."""
    cut = {room: (len(taps) // 3, 2 * len(taps) // 3) for room, taps in plan.taps.items()}
    return [
        Plan(taps={room: taps[: cut[room][0]] for room, taps in plan.taps.items()}),
        Plan(taps={room: taps[cut[room][0] : cut[room][1]] for room, taps in plan.taps.items()}),
        Plan(taps={room: taps[cut[room][1] :] for room, taps in plan.taps.items()}),
    ]


async def settled(stage: Stage, token: str, patience_s: float) -> Outcome:
    """What the store has against what was seen: as soon as they agree, or when patience ends."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while True:
        outcome = compare(stage.world.seen, await stage.rows(token), near_ms=NEAR_MS)
        agrees = not (outcome.lost or outcome.miscredited)
        if agrees or asyncio.get_running_loop().time() > deadline:
            return outcome
        await asyncio.sleep(1)


async def play_and_restore(folder, script: Script, *, spools: bool, journals: bool = True) -> tuple[Outcome, Outcome]:
    """Greens missing right after the restore, and in the end. spools, journals: whether these outlive the store's disk."""
    async with Stage(script, folder, print) as stage:
        line = stage.line
        token = await asyncio.to_thread(line.api_token)
        await stage.wait_open()
        plans = thirds(around_now(stage.campus, taps=72, seed=script.seed, now_ms=int(stage.now_ms())))
        await stage.world.play(plans[0])
        assert not (await settled(stage, token, 60)).lost
        backup = folder / "monday.muster-backup"
        print(await asyncio.to_thread(run, ["backup", str(backup)], env=line.env))
        await stage.world.play(plans[1])
        # Receipts have come back for most of it: readers have freed what the backup does not know.
        assert not (await settled(stage, token, 60)).lost
        await asyncio.sleep(1)
        (store,), (gateway,) = line.parts["store"], line.parts["gateway"]
        store.kill()
        if not spools:
            gateway.kill()
            for path in folder.glob("spool-1.db*"):
                path.unlink()
        if not journals:
            for door in stage.world.doors.values():
                await door.power_cut()
            for path in folder.glob("*.flash"):
                path.unlink()
            for door in stage.world.doors.values():
                await door.power_on()
        print(await asyncio.to_thread(run, ["restore", str(backup), "--over"], env=line.env))
        store.start()
        await line.ready_store(store)
        missing = compare(stage.world.seen, await stage.rows(token), near_ms=NEAR_MS)
        if not spools:
            gateway.start()
            await line.ready_gateway(gateway)
        await stage.world.play(plans[2])
        return missing, await settled(stage, token, DRAIN_S if spools or journals else 15)


async def test_a_restored_store_gets_every_green_back_from_the_gateways(tmp_path, mosquitto, postgres_url, seed):
    script = Script(
        readers=2, students=40, micropython=2, seed=seed, broker=mosquitto.url, database=postgres_url, gateways=1
    )
    missing, end = await play_and_restore(tmp_path, script, spools=True)
    assert missing.lost > 10, "the backup was older than what people had seen"
    assert (end.lost, end.duplicated, end.miscredited) == (0, 0, 0), end.wrong


async def test_a_restored_store_gets_every_green_back_from_the_readers_where_the_spool_is_gone_too(
    tmp_path, mosquitto, seed
):
    script = Script(readers=2, students=40, micropython=2, seed=seed, broker=mosquitto.url, gateways=1)
    missing, end = await play_and_restore(tmp_path, script, spools=False)
    assert missing.lost > 10
    assert (end.lost, end.duplicated, end.miscredited) == (0, 0, 0), end.wrong


async def test_what_neither_gateways_nor_readers_have_any_more_is_seen_to_be_lost(tmp_path, mosquitto, seed):
    # The control: were the greens counted wrongly, nothing would be missing here either.
    script = Script(readers=1, students=20, micropython=1, seed=seed, broker=mosquitto.url, gateways=1)
    missing, end = await play_and_restore(tmp_path, script, spools=False, journals=False)
    assert missing.lost > 10
    assert end.lost > 10
    assert end.duplicated == 0
