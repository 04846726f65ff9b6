"""From a blank board to a mark: provisioned by the documented commands, over TLS and the access list, a card in the
register. The board is the real MicroPython, the broker a real Mosquitto."""

import asyncio
from xml.etree import ElementTree

import pytest

from simulator.processes import Part, muster
from tests.firmware.pi.pi_world import World
from tests.server.store_world import UIDS
from tests.system.provisioned_line import Line, blank_door, provisioned


@pytest.mark.rule("PORT-1", "PORT-3")
@pytest.mark.timeout(240)
@pytest.mark.long(60)
@pytest.mark.needs("mosquitto", "micropython")
async def test_a_blank_board_is_provisioned_and_a_card_is_in_the_register(tmp_path):
    with Line(tmp_path) as line:
        world = line.world
        door, cables = blank_door(line)
        try:
            token, done = await provisioned(line, door, cables)
            print(f"provisioned in {done.seconds:.1f} s\n{done.said}")
            assert done.status == 0, done.said
            for step in (
                "a card was read",
                "the broker took it",
                "told it the time",
                "has its class list",
                "r0 is ready",
            ):
                assert step in done.said, step
            assert "04ffeedd" not in done.said.lower() and token not in done.said
            assert ElementTree.parse(tmp_path / "label.svg").getroot().tag.endswith("svg")
            # It has just started: until its chip answers it shows that it takes no card.
            for _ in range(100):
                if b'"chip-ready"' in cables[0].cable.said.rpartition(b'"boot"')[2]:
                    break
                await asyncio.sleep(0.1)
            light, _ = await door.present(UIDS[0], 60.0)
            assert light == "green", cables[0].cable.said[-800:]
            for _ in range(600):
                if world.credits():
                    break
                await asyncio.sleep(0.1)
            assert {(one, person) for one, person, _, _ in world.credits()} == {(line.session, world.students[0])}
            again = await asyncio.to_thread(line.provision, cables[0].cable, token, "--no-test")
            assert again.status == 0 and "is r0 already" in again.said, "the same words again change nothing"
        finally:
            await door.close()


@pytest.mark.rule("PORT-1", "PORT-3")
@pytest.mark.timeout(240)
@pytest.mark.long(40)
@pytest.mark.needs("mosquitto")
def test_a_pi_is_provisioned_and_tested_by_one_command_and_a_card_is_in_the_register(tmp_path):
    parts = World()
    settings, data = tmp_path / "etc" / "settings.json", tmp_path / "data"
    of_pi = ["--pi", "--settings", str(settings), "--data", str(data), "--chip", parts.port.path, "--mock-pins"]
    try:
        with Line(tmp_path) as line:
            parts.card_in(b"\x04\xff\xee\xdd")
            token = line.token("--room", "R0")
            done = line.provision_pi(token, *of_pi)
            print(f"provisioned in {done.seconds:.1f} s\n{done.said}")
            assert done.status == 0, done.said
            steps = (
                "a card was read",
                "machine answers",
                "the broker took it",
                "told it the time",
                "has its class list",
            )
            places = [done.said.index(step) for step in (*steps, "r0 is ready")]
            assert places == sorted(places)
            assert "04ffeedd" not in done.said.lower() and token not in done.said
            again = line.provision_pi("", *of_pi, "--no-card")
            assert again.status == 0 and "this Pi is r0 already" in again.said, "tested once more, without a token"
            parts.card_out()
            pi = Part("pi", muster("pi", "run", *of_pi[1:]), log=tmp_path / "pi.log")
            pi.start()
            try:
                line.until(lambda: '"link-up"' in (tmp_path / "pi.log").read_text())
                parts.card_in(UIDS[0])
                line.until(lambda: line.world.credits())
            finally:
                pi.stop()
            assert {(one, person) for one, person, _, _ in line.world.credits()} == {
                (line.session, line.world.students[0])
            }
    finally:
        parts.close()
