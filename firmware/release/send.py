"""`muster release send`: a signed pack to readers, over the broker, in stages; it stops by itself when readers are not well.

    muster release send muster-0.2.0.pack --broker 192.0.2.10:8883 --user gateway --password-file FILE --ca ca.pem --name broker

It can be ended and begun again at any time: who has the release says so. It trusts what readers' health reports say, which are
not MACed: a forged one can hold a release up or let it go on, and can put no program on a reader.
"""

import argparse
import json
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware.contract import topics
from firmware.contract.errors import ContractError
from firmware.pi import trust
from firmware.reader.settings import Tls
from firmware.release import pack as packs
from firmware.release import rollout
from firmware.release.errors import ReleaseError
from firmware.release.rollout import CONFIRMED, OVER, SILENT, Seen, Sending

TURN_S = 0.1
#: so many at once: a wave of them must not be a storm at the broker, or a dark corridor
AT_ONCE = 8
LISTEN_S = 3.0
CONNECT_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the sub-command takes."""
    parser.add_argument("pack", type=Path, help="a signed pack")
    parser.add_argument("--broker", required=True, help="host:port")
    parser.add_argument("--user", help="an account that may write updates, such as a gateway's")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--ca", type=Path, help="the authority's certificate, PEM: TLS")
    parser.add_argument("--name", help="the name in the broker's certificate (default: the host)")
    parser.add_argument("--site", default="main")
    parser.add_argument("--reader", action="append", help="only this one; may stand more than once (default: all)")
    parser.add_argument("--stages", default="1,10,100", help="percent of the readers (default: 1,10,100)")
    parser.add_argument("--soak-min", type=float, default=10.0, help="minutes between two stages (default: 10)")


class Fleet:
    """The readers as the broker tells of them. `publish` and what is heard are all that touches the network."""

    def __init__(self, site: str, publish: Callable[[str, bytes], None]) -> None:
        self._site = site
        self._publish = publish
        self._lock = threading.Lock()
        #: name -> online; name -> its last health report
        self.online: dict[str, bool] = {}
        self.health: dict[str, dict[str, Any]] = {}
        self._fresh: list[tuple[str, dict[str, Any]]] = []

    def heard(self, topic: str, payload: bytes) -> None:
        """A `status` or `health` came, from anybody: what is none is let fall."""
        try:
            place = topics.parse(topic)
            said = json.loads(payload)
        except (ContractError, ValueError):
            return
        if place.site != self._site or not isinstance(said, dict):
            return
        with self._lock:
            if place.kind == "status":
                self.online[place.reader] = said.get("state") == "online"
            elif place.kind == "health":
                self.health[place.reader] = said
                if isinstance(said.get("update"), dict):
                    self._fresh.append((place.reader, said["update"]))

    def fresh(self) -> list[tuple[str, dict[str, Any]]]:
        """(reader, its `update`) of the health reports since the last call."""
        with self._lock:
            found, self._fresh = self._fresh, []
        return found

    def send(self, reader: str, pieces: Sequence[bytes]) -> None:
        """Publish these to one reader."""
        for piece in pieces:
            self._publish(topics.topic(self._site, reader, "update"), piece)

    def well(self, reader: str) -> bool:
        """It is there, and by its last health report it takes cards."""
        return self.online.get(reader, False) and self.health.get(reader, {}).get("able", "ok") == "ok"


def roll_out(
    pack: bytes,
    stages: Sequence[Sequence[str]],
    fleet: Fleet,
    *,
    soak_s: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """All stages, one after the other. False: it stopped by itself. clock: rising seconds."""
    for number, names in enumerate(stages, start=1):
        say(f"stage {number} of {len(stages)}: {len(names)} readers")
        was_well = {name: fleet.well(name) for name in names}
        sendings: dict[str, Sending] = {}
        over_s: float | None = None
        while True:
            for name, told in fleet.fresh():
                if name in sendings:
                    _turned(name, sendings[name], lambda one, told=told: one.heard(told, clock()), say)
            busy = [name for name, one in sendings.items() if one.state in (rollout.ASKED, rollout.TAKING)]
            for name in [one for one in names if one not in sendings][: max(0, AT_ONCE - len(busy))]:
                sendings[name] = Sending(pack, clock())
            for name, one in sendings.items():
                fleet.send(name, _turned(name, one, lambda one: one.due(clock()), say) or ())
            seen = [
                Seen(
                    name=name,
                    state=sendings[name].state if name in sendings else rollout.ASKED,
                    well=fleet.well(name),
                    was_well=was_well[name],
                )
                for name in names
            ]
            if all(one.state in OVER for one in seen):
                over_s = clock() if over_s is None else over_s
            decision = rollout.decide(seen, over_for_s=0.0 if over_s is None else clock() - over_s, soak_s=soak_s)
            if decision.stop is not None:
                say(f"stopped: {decision.stop}")
                return False
            if decision.go or (over_s is not None and number == len(stages)):
                counts = {state: sum(one.state == state for one in seen) for state in (CONFIRMED, SILENT)}
                say(f"stage {number}: {counts[CONFIRMED]} have it, {counts[SILENT]} did not answer")
                break
            sleep(TURN_S)
    return True


def _turned(name: str, one: Sending, act: Callable[[Sending], Any], say: Callable[[str], None]) -> Any:
    before = one.state
    result = act(one)
    if one.state != before:
        say(f"  {name}: {one.state}{f' ({one.code})' if one.code else ''}")
    return result


def run(arguments: argparse.Namespace) -> int:
    """The sub-command. Returns 0 where every stage went out, 1 where it stopped. Raises ReleaseError, OSError."""
    pack = arguments.pack.read_bytes()
    if not packs.take_apart(pack).signature:
        raise ReleaseError("release-unsigned", "nobody signed this pack: `muster release sign` first")
    percents = [int(one) for one in arguments.stages.split(",")]
    if not percents or percents != sorted(percents) or not all(0 < one <= 100 for one in percents):
        raise ReleaseError("release-stages", "stages are rising percents, such as 1,10,100")
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    fleet = Fleet(arguments.site, lambda topic, payload: _published(client, topic, payload))
    client.on_message = lambda one, data, message: fleet.heard(message.topic, bytes(message.payload))
    _connect(client, arguments)
    try:
        time.sleep(LISTEN_S)
        names = arguments.reader or sorted(name for name, online in list(fleet.online.items()) if online)
        if not names:
            raise ReleaseError("release-nobody", "the broker knows of no reader that is there: check account and site")
        made = [names] if arguments.reader else rollout.stages(names, percents)
        said = roll_out(pack, made, fleet, soak_s=arguments.soak_min * 60, say=lambda text: print(text, flush=True))
    finally:
        client.disconnect()
        client.loop_stop()
    return 0 if said else 1


def _published(client: mqtt.Client, topic: str, payload: bytes) -> None:
    client.publish(topic, payload, qos=1)


def _connect(client: mqtt.Client, arguments: argparse.Namespace) -> None:
    host, _, port = arguments.broker.rpartition(":")
    if arguments.user:
        password = arguments.password_file.read_text().strip() if arguments.password_file else None
        client.username_pw_set(arguments.user, password)
    if arguments.ca:
        ca = [ssl.PEM_cert_to_DER_cert(arguments.ca.read_text())]
        client.tls_set_context(trust.context(Tls(ca, arguments.name or host, 0, None, None)))
    ready, refused = threading.Event(), []

    def connected(one: mqtt.Client, data: object, flags: object, code: Any, properties: object) -> None:
        if code.is_failure:
            refused.append(str(code))
            ready.set()
            return
        one.subscribe([(f"{topics.ROOT}/{arguments.site}/+/{kind}", 1) for kind in ("status", "health")])

    client.on_connect = connected
    client.on_subscribe = lambda *rest: ready.set()
    client.connect(host, int(port))
    client.loop_start()
    if not ready.wait(CONNECT_S) or refused:
        client.loop_stop()
        raise ReleaseError(
            "release-broker", f"the broker does not take this account {refused}: check user and password"
        )
