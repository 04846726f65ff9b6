"""A whole line made by the documented commands, TLS and access list included, and a blank board at the end of a cable."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.cable import Cable
from simulator.doors import BoardDoor
from simulator.pn532_card import Card
from simulator.processes import ROOT, Part, free_port, muster, run, wait_http, wait_port
from simulator.unixport import runner
from tests.server.store_world import MIN, World


@dataclass(frozen=True, kw_only=True)
class Done:
    """One run of `muster provision`."""

    status: int
    said: str
    seconds: float


class Wired:
    """A cable as a door of the simulator has its board: power on and off."""

    def __init__(self, cable: Cable) -> None:
        self.cable = cable

    def start(self) -> None:
        """Plug it in."""
        if not self.cable.plugged:
            self.cable.plug()

    def kill(self) -> None:
        """Pull it out."""
        self.cable.unplug()

    stop = kill


class Line:
    """Broker, gateway, store and the agent beside the broker, as docs/trust.md says. `with Line(folder) as line`."""

    def __init__(self, folder: Path, *, students: int = 3) -> None:
        self.folder = folder
        database = f"sqlite:///{folder / 'muster.db'}"
        self.world = World(database, students=students, now_ms=int(time.time() * 1000) - 3_600_000)
        #: of all students, in room R0, since five minutes
        self.session = self.world.session(int(time.time() * 1000) - 5 * MIN)
        (folder / "server.key").write_text((b"k" * 32).hex())
        (folder / "server.key").chmod(0o600)
        # What reads it later opens it anew, beside the processes that write it.
        self.world.engine.dispose()
        self._port, self._mutual_port, self._store_port = free_port(), free_port(), free_port()
        self.store = f"http://127.0.0.1:{self._store_port}"
        self.env = {
            "MUSTER_DATABASE_URL": database,
            "MUSTER_DATA_DIR": str(folder / "data"),
            "MUSTER_SERVER_KEY_FILE": str(folder / "server.key"),
            "MUSTER_READER_BROKER": f"mqtts://127.0.0.1:{self._port}",
            "MUSTER_PORT": str(self._store_port),
        }
        self._parts: list[Part] = []
        # Not below the test's own folder, where no other user may look.
        self._of_broker = Path(tempfile.mkdtemp(prefix="muster-broker-"))
        self._of_broker.chmod(0o755)
        #: what Mosquitto reads
        self.broker = self._of_broker / "muster"

    def __enter__(self) -> Line:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for one in reversed(self._parts):
            one.stop()
        self.world.close()
        shutil.rmtree(self._of_broker, ignore_errors=True)

    def cable(self, **more: str) -> Cable:
        """A blank board, not plugged in yet. more: of its environment."""
        text = (ROOT / "firmware" / "pico" / "board.py").read_text()
        found = re.search(r"^FILES_BYTES = ([0-9 *]+)$", text, re.MULTILINE)
        assert found is not None, "firmware/pico/board.py says how large the files' part is"
        return Cable(
            built=runner.build(self.folder / "built"),
            flash=self.folder / "flash.img",
            port=self.folder / "ttyACM0",
            files_bytes=int(eval(found[1])),
            environment=more,
        )

    def token(self, *words: str) -> str:
        """`muster reader new`, and the token that it prints."""
        said = run(["reader", "new", *words, "--no-qr"], env=self.env)
        found = re.search(r"^token: (\S+)$", said, re.MULTILINE)
        assert found is not None, said
        return found[1]

    def provision(self, cable: Cable, token: str, *words: str) -> Done:
        """`muster provision`, as a script gives it."""
        return self._provision(token, "--port", str(cable.port), "--no-wifi", *words)

    def provision_pi(self, token: str, *words: str) -> Done:
        """The same on this very machine, as a Pi."""
        return self._provision(token, *words)

    def configure(self) -> None:
        """`muster broker config`, and its files carried to where Mosquitto runs, as docs/trust.md carries them."""
        made = self.folder / "broker"
        run(
            ["broker", "config", str(made), "--at", str(self.broker), "--host", "127.0.0.1", "--bind", "127.0.0.1",
             "--port", str(self._port), "--mutual-port", str(self._mutual_port)],
            env=self.env,
        )  # fmt: skip
        subprocess.run(["cp", "-rT", "--preserve=mode", str(made), str(self.broker)], check=True)
        # Root's Mosquitto becomes the user mosquitto, who may read its own files and no more.
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "mosquitto:", str(self.broker)], check=True)
        shutil.rmtree(made)

    def restart(self, *names: str) -> None:
        """These parts end and begin again, the first one first."""
        for name in names:
            part = next(one for one in self._parts if one.name == name)
            part.stop()
            part.start()
            if name == "broker":
                wait_port(self._port, part)

    def until(self, what: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until it is so."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, "not within the time"
            time.sleep(0.1)

    def _provision(self, token: str, *words: str) -> Done:
        began = time.monotonic()
        command = muster(
            "provision", "--store", self.store, *(["--token", token] if token else []), "--unattended",
            "--label", str(self.folder / "label.svg"), *words,
        )  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **self.env}, cwd=ROOT, check=False, timeout=300
        )
        return Done(status=done.returncode, said=done.stdout + done.stderr, seconds=time.monotonic() - began)

    def _start(self) -> None:
        env, folder = self.env, self.folder
        run(["ca", "init"], env=env)
        token = folder / "g1.token"
        token.write_text(run(["gateway", "add", "g1"], env=env))
        of_gateway = run(["broker", "password", "--gateway", "g1"], env=env).strip()
        self.configure()
        broker = self.broker
        main = folder / "mosquitto.conf"
        main.write_text(f"pid_file {broker}/pid\nlog_dest none\n" + (broker / "muster.conf").read_text())
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        wait_port(self._port, self._add("broker", [program, "-c", str(main)]))
        wait_http(f"{self.store}/healthz", self._add("store", muster("server", "run"), env=env))
        self._add(
            "agent", muster("broker", "keep", str(broker), "--store", self.store, "--pid-file", str(broker / "pid"))
        )
        self._add(
            "gateway",
            muster("gateway", "run", "--store", self.store, "--token-file", str(token), "--spool",
                   str(folder / "spool.db"), "--ca-file", str(broker / "ca.crt")),
            env={"MUSTER_GATEWAY_BROKER": f"mqtts://{of_gateway}@127.0.0.1:{self._port}"},
        )  # fmt: skip

    def _add(self, name: str, command: list[str], env: dict[str, str] | None = None) -> Part:
        part = Part(name, command, log=self.folder / f"{name}.log", env=env)
        self._parts.append(part)
        part.start()
        return part


def blank_door(line: Line) -> tuple[BoardDoor, list[Wired]]:
    """Room R0's door with a blank board; its cable is in the list once it has power."""
    cables: list[Wired] = []

    def board(pty: str) -> Any:
        cables.append(Wired(line.cable(MUSTER_BOARD_PTY=pty)))
        return cables[-1]

    return BoardDoor("R0", "r0", board), cables


async def provisioned(line: Line, door: BoardDoor, cables: list[Wired]) -> tuple[str, Done]:
    """Power, `muster reader new`, `muster provision`: the token, and what the command said."""
    await door.power_on()
    # A card lies on it for the self-test: whose, nobody hears.
    shown = door.chip.card_in(Card(uid=b"\x04\xff\xee\xdd"))
    token = await asyncio.to_thread(line.token, "--room", "R0")
    done = await asyncio.to_thread(line.provision, cables[0].cable, token)
    door.chip.card_out(shown)
    return token, done
