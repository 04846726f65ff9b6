"""A release from the page to a board: brought signed, sent out over TLS by store and gateway, taken, tried and confirmed by a
blank board that was provisioned by the documented commands. The board is the real MicroPython, the broker a real Mosquitto."""

import asyncio
import re
import time

import httpx
import pytest

from server.store import schema
from server.store.schema_releases import rollout, rollout_reader
from simulator.processes import run
from tests.server.store_world import UIDS
from tests.system.provisioned_line import Line, blank_door, provisioned

PASSWORD = "correct horse battery"
HERE = "/doors/releases"


class Technician:
    """Somebody's browser at the store's pages."""

    def __init__(self, store: str) -> None:
        self.http = httpx.Client(base_url=store, timeout=30, trust_env=False)
        answer = self.http.post("/sign-in", data={"login": "tess", "password": PASSWORD, "csrf": self.csrf("/sign-in")})
        assert answer.status_code == 303, answer.text[:500]

    def csrf(self, address: str = HERE) -> str:
        return re.search(r'name="csrf" value="([^"]*)"', self.http.get(address).text)[1]

    def bring(self, pack: bytes) -> str:
        answer = self.http.post(HERE, data={"csrf": self.csrf()}, files={"file": ("muster.pack", pack)})
        assert answer.status_code == 303, answer.text[-1500:]
        return re.search(HERE + r"/(\d+)/start", self.http.get(HERE).text)[1]

    def start(self, release: str) -> None:
        fields = {"csrf": self.csrf(), "stages": "1 10 100", "soak": "0"}
        answer = self.http.post(f"{HERE}/{release}/start", data=fields)
        assert answer.status_code == 303, answer.text[-1500:]


@pytest.mark.timeout(420)
@pytest.mark.long(180)
@pytest.mark.proof
@pytest.mark.needs("mosquitto", "micropython")
async def test_a_release_that_a_technician_brings_is_confirmed_by_a_board_over_tls(tmp_path):
    with Line(tmp_path) as line:
        world, env = line.world, line.env
        key, keys, pack = tmp_path / "release-key.pem", tmp_path / "keys.json", tmp_path / "muster-9.9.9.pack"
        keys.write_text(run(["release", "keys", str(key), "--no-passphrase"], env=env))
        run(["release", "trust", str(keys)], env=env)
        (tmp_path / "password").write_text(PASSWORD + "\n")
        run(["staff", "add", "tess", "--role", "technician", "--password-file", str(tmp_path / "password")], env=env)
        run(["release", "make", "--board", "pico", "--version", "9.9.9", "--counter", "5", "--out", str(pack)], env=env)
        run(["release", "sign", str(pack), "--key", str(key)], env=env)
        door, cables = blank_door(line)
        try:
            _, done = await provisioned(line, door, cables)
            assert done.status == 0, done.said
            tess = Technician(line.store)
            release = tess.bring(pack.read_bytes())

            async def until(what, text: str, seconds: float) -> float:
                began = time.monotonic()
                while not what():
                    assert time.monotonic() - began < seconds, (
                        f"{text}: {world.all(rollout_reader)} {cables[0].cable.said[-1500:]}"
                    )
                    await asyncio.sleep(0.5)
                return time.monotonic() - began

            def takes_updates() -> bool:
                return any('"update"' in (row.health or "") for row in world.all(schema.reader_state))

            await until(takes_updates, "the reader said that it takes updates", 120)
            tess.start(release)
            # A board would start anew by itself; at the end of this cable it ends at its prompt (firmware/pico/board.py).
            taken = await until(lambda: b'"trial": 5' in cables[0].cable.said, "the board has all of it", 180)
            await until(lambda: cables[0].cable.said.endswith(b">>> "), "the board ended", 20)
            await door.power_cut()
            await door.power_on()
            whole = await until(lambda: world.all(rollout)[0].state != "running", "confirmed", 240)
            (one,) = world.all(rollout_reader)
            print(
                f"\n{pack.stat().st_size} B brought to the board in {taken:.0f} s, confirmed after {taken + whole:.0f} s"
            )
            assert (world.all(rollout)[0].state, one.state) == ("done", "confirmed"), cables[0].cable.said[-1500:]
            assert world.all(schema.reader_state)[0].firmware == "muster-9.9.9"
            light, _ = await door.present(UIDS[0], 60.0)
            assert light == "green", "the new release takes cards as the one before"
            await until(world.credits, "the card in the register", 60)
        finally:
            await door.close()
