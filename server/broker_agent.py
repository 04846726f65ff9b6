"""The agent beside a broker: who may speak there is what the store says, a second later (docs/trust.md).

It asks the store each second, writes Mosquitto's files whole, and sends it SIGHUP: Mosquitto then reads them again and
throws off every session whose password holds no more. While the store is away everything stays as it is: a store that
is down must not stop the doors, and nobody new comes in by it.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from server import broker_files
from server.errors import StoreError
from server.store.credentials import Held

log = logging.getLogger("muster.broker")
EVERY_S = 1.0
TIMEOUT_S = 5.0


#: what stands in a line of Mosquitto's files
_FIELD = re.compile(r"[!-9;-~]{1,256}")


class Agent:
    """One broker's. folder: as `muster broker config` made it. pid_file: where the broker writes its number."""

    def __init__(self, folder: Path, store: httpx.Client, pid_file: Path, *, kill: Callable[[int, int], None]) -> None:
        self._folder, self._store, self._pid_file, self._kill = folder, store, pid_file, kill
        self._known = ""
        #: files are written that the broker has not been told of yet
        self._owed = False
        self._trouble = ""

    def step(self) -> bool:
        """Ask once, and do what follows. Returns whether the broker was told to read its files again.

        Raises StoreError(`agent-token`) where the store knows this agent's token no more: nothing mends that but a person.
        """
        try:
            answer = self._store.get("/api/broker/v1/credentials", params={"known": self._known})
        except httpx.HTTPError as error:
            return self._wait("store-away", type(error).__name__)
        if answer.status_code == 401:
            raise StoreError(
                "agent-token",
                "the store does not know this agent's token: run `muster broker config` for this folder again",
            )
        if answer.status_code == 200:
            try:
                held, digest = _read(answer)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                return self._wait("store-refuses", f"{type(error).__name__}: what answers is no store of Muster")
            self._write(held, digest)
        elif answer.status_code != 204:
            return self._wait("store-refuses", str(answer.status_code))
        return self._tell() if self._owed else self._well()

    def _write(self, held: list[Held], digest: str) -> None:
        living = broker_files.living(held)
        changed = [name for name in broker_files.LIVING if broker_files.put(self._folder, name, living[name])]
        self._known = digest
        # At the start too: what was written before this agent ended may never have been read.
        self._owed = True
        log.info("event=credentials users=%d changed=%s", len(held), ",".join(changed) or "none")

    def _tell(self) -> bool:
        try:
            number = int(self._pid_file.read_text("ascii").strip())
            self._kill(number, signal.SIGHUP)
        except (OSError, ValueError) as error:
            # It reads the files when it starts.
            return self._wait("broker-away", type(error).__name__)
        self._owed = False
        self._well()
        return True

    def _wait(self, code: str, detail: str) -> bool:
        if self._trouble != code:
            log.warning("event=%s detail=%s", code, detail)
        self._trouble = code
        return False

    def _well(self) -> bool:
        if self._trouble:
            log.info("event=well after=%s", self._trouble)
        self._trouble = ""
        return False


def _read(answer: httpx.Response) -> tuple[list[Held], str]:
    """What a store answered; its digest. Raises ValueError, KeyError, TypeError and the like: it is no store's answer."""
    told = answer.json()
    held = [
        Held(user=one["user"], hash=one["hash"], mutual=bool(one["mutual"]), is_gateway=bool(one["gateway"]))
        for one in told["credentials"]
    ]
    for one in held:
        # Each is a line of a file: whatever else stood in it would be another line.
        if not _FIELD.fullmatch(one.user) or not _FIELD.fullmatch(one.hash):
            raise ValueError("credentials")
    return held, str(told["digest"])


def keep(folder: Path, store: str, token: str, pid_file: Path, ca_file: Path | None) -> None:
    """Go on until the process is ended. store: http:// or https://. Raises StoreError(`agent-token`, `file`)."""
    verify: bool | str = True if ca_file is None else str(ca_file)
    with httpx.Client(
        base_url=store, headers={"authorization": f"Bearer {token}"}, timeout=TIMEOUT_S, verify=verify
    ) as client:
        agent = Agent(folder, client, pid_file, kill=os.kill)
        while True:
            agent.step()
            time.sleep(EVERY_S)
