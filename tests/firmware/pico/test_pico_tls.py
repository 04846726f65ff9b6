"""TLS on the Pico, on real MicroPython with a real Mosquitto: whom a reader trusts, and that it connects without a clock.

The unix port's own clock is right; where a board's is to be wrong, clock.c stands before the C library.
"""

import importlib
import json
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from tests.firmware.pico import pico_world
from tests.firmware.pico.authority import DAY_S, Authority

pytestmark = pytest.mark.needs("micropython", "mosquitto")
NAME = "broker.test"
NOW_S = int(time.time())
TRIED = Path(__file__).parent / "scripts" / "tls_tried.py"
#: what the clock of a Pico without a battery says after a power cut
BEGINNING_S = 1_609_459_200  # 2021-01-01


@pytest.fixture(scope="module")
def authorities():
    """Ours, another one, and our next one."""
    return [Authority(NOW_S - 400 * DAY_S, NOW_S + 400 * DAY_S, f"authority-{n}.test") for n in range(3)]


@pytest.fixture
def broker(start_mosquitto, free_port, tmp_path):
    """broker(authority, name, from_s, until_s) -> (a Mosquitto that also listens with TLS, on which port)."""

    def start(authority, name=NAME, from_s=NOW_S - 300 * DAY_S, until_s=NOW_S + 30 * DAY_S):
        certificate, key = authority.issue(tmp_path, name, from_s, until_s)
        port = free_port()
        lines = [f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"]
        return start_mosquitto(lines=lines), port

    return start


@pytest.fixture
def settings(tmp_path):
    """settings(authority, ...) -> the path of a settings file that trusts these."""

    def write(*cas: Authority) -> str:
        tls = {"ca": [one.setting for one in cas], "name": NAME}
        key = {"id": 1, "secret": "11" * 32}
        broker = {"host": "127.0.0.1", "port": 1, "tls": tls}
        data = {"v": 1, "site": "main", "reader": "a-101", "key": key, "card_keys": [key], "broker": broker}
        (tmp_path / "s.json").write_text(json.dumps(data))
        return str(tmp_path / "s.json")

    return write


def test_a_broker_of_our_authority_with_the_right_name_is_spoken_to(broker, authorities, probe, settings):
    _, port = broker(authorities[0])
    link = probe(port=port, tls=settings(authorities[0]))
    assert link.wait("up")


def test_during_a_change_of_the_authority_both_are_trusted(broker, authorities, probe, settings):
    _, port = broker(authorities[2])
    link = probe(port=port, tls=settings(authorities[0], authorities[2]))
    assert link.wait("up")


@pytest.mark.parametrize("which", [0, 1])
def test_two_authorities_of_one_name_are_told_apart(broker, probe, settings, which):
    """`muster ca next` calls the next authority as the one before: the institution's name."""
    both = [Authority(NOW_S - 400 * DAY_S, NOW_S + 400 * DAY_S, "college.test") for _ in range(2)]
    _, port = broker(both[which])
    assert probe(port=port, tls=settings(*both)).wait("up")


@pytest.mark.parametrize("which", ["another authority", "another name", "expired", "not yet valid"])
def test_a_broker_that_is_not_ours_hears_not_even_the_user(broker, authorities, probe, settings, which):
    ours, other, _ = authorities
    dates = {
        "expired": (NOW_S - 300 * DAY_S, NOW_S - DAY_S),
        "not yet valid": (NOW_S + DAY_S, NOW_S + 30 * DAY_S),
    }.get(which, (NOW_S - 300 * DAY_S, NOW_S + 30 * DAY_S))
    # A Pi's certificate is of our authority too, and must not make a broker.
    name = "pi-1.test" if which == "another name" else NAME
    mosquitto, port = broker(other if which == "another authority" else ours, name, *dates)
    link = probe(port=port, tls=settings(ours), user="a-101", password="secret-of-a-101")
    assert link.wait("down")["code"] == "link-tls"
    log = mosquitto.log.read_text()
    assert "a-101" not in log and "New client connected" not in log


def test_a_broker_without_tls_is_not_spoken_to_in_plain(mosquitto, authorities, probe, settings):
    link = probe(port=mosquitto.port, tls=settings(authorities[0]), user="a-101", password="secret-of-a-101")
    link.wait("down")
    assert "New client connected" not in mosquitto.log.read_text()


def test_a_certificate_that_is_none_or_is_pem_is_refused_with_what_to_do(authorities, micropython, tmp_path):
    """Trap: MicroPython takes DER only. What is no certificate must not leave a reader that trusts anybody."""
    wrong = []
    for number, text in enumerate((authorities[0].pem, b"0\x03abc", b"0")):
        (tmp_path / str(number)).write_bytes(text)
        wrong.append(json.dumps([str(tmp_path / str(number)), NAME]))
    assert micropython.run(TRIED, "1", *wrong).stdout.split()[1:] == ["unusable"] * 3


def test_without_a_name_or_an_authority_there_is_no_connection(broker, authorities, micropython, tmp_path):
    """Traps: `ssl.SSLContext` would connect in each of these, and `tls` without a server's name must not."""
    _, port = broker(authorities[0])
    ours = str(tmp_path / "ours.der")
    (tmp_path / "ours.der").write_bytes(authorities[0].der)
    tries = [json.dumps(one) for one in ([ours, NAME], ["", NAME], [ours, None])]
    assert micropython.run(TRIED, str(port), *tries).stdout.split()[1:] == ["connected", "refused", "refused"]


# --- without a clock -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory):
    """clock.c, compiled."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed (make setup)")
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"], check=True)
    return made


class TlsWorld(pico_world.World):
    """A reader whose broker wants TLS, and whose clock begins in 2021 at each start of its power."""

    def __init__(self, folder, mosquitto, port, tls, library):
        self.clock = folder / "clock"
        environment = {"LD_PRELOAD": str(library), "MUSTER_CLOCK": str(self.clock), "TZ": "UTC"}
        super().__init__(folder, mosquitto, environment=environment)
        path = folder / "settings.json"
        data = json.loads(path.read_text())
        data["broker"].update(port=port, tls=tls)
        path.write_text(json.dumps(data))
        self.set_clock(BEGINNING_S)

    def set_clock(self, epoch_s: int) -> None:
        """What the board's clock says now."""
        self.clock.write_text(str(epoch_s - int(time.time())))

    def clock_s(self) -> int:
        """What the board's clock says now, after it may have set it."""
        return int(time.time()) + int(self.clock.read_text())


async def test_a_reader_that_believes_it_is_2021_taps_a_card_in_over_tls(broker, authorities, clock_library, tmp_path):
    mosquitto, port = broker(authorities[0])
    floor = NOW_S - 20 * DAY_S  # when it was provisioned, after its firmware was built
    tls = {"ca": [authorities[0].setting], "name": NAME, "floor": floor}
    store = pico_world.Store(mosquitto.host, mosquitto.port)
    try:
        async with TlsWorld(tmp_path, mosquitto, port, tls, clock_library) as world:
            store.publish_roster(range(1, 4))
            await world.until(lambda: store.hellos, 30, "a hello over TLS")
            assert 0 <= world.clock_s() - floor < 8 * DAY_S
            await world.event("roster-kept")
            light, _ = await world.tap(1)
            assert light is not None
            await world.until(lambda: len(store.tokens()) == 1, 30, "the swipe in the store")
            # The store's time is MACed: the floor follows it, a week at a time, and is there after a power cut.
            await world.event("floor-raised")
            world.set_clock(BEGINNING_S)
            await world.restart()
            await world.event("link-up", count=2)
            assert 7 * DAY_S <= world.clock_s() - floor < 15 * DAY_S
            heap = [said for said in world.board.events() if said.get("event") == "heap"][-1]
            print(f"\nheap of the reader with TLS (mbedTLS's own not in it): {heap}")
    finally:
        store.close()


def test_a_reader_without_a_floor_would_not_connect_in_2021(
    broker, authorities, clock_library, tmp_path, micropython, monkeypatch
):
    """The control of the test above: on this interpreter the dates are looked at."""
    _, port = broker(authorities[0])
    (tmp_path / "clock").write_text(str(BEGINNING_S - NOW_S))
    monkeypatch.setenv("LD_PRELOAD", str(clock_library))
    monkeypatch.setenv("MUSTER_CLOCK", str(tmp_path / "clock"))
    (tmp_path / "ours.der").write_bytes(authorities[0].der)
    tried = micropython.run(TRIED, str(port), json.dumps([str(tmp_path / "ours.der"), NAME]))
    assert tried.stdout.split() == ["2021", "refused"]


def test_the_floor_rises_a_week_a_day_and_survives_nonsense_on_flash(tmp_path, monkeypatch):
    """A store whose clock stood years ahead for an hour must not make every certificate look expired for good."""
    trust = _trust(monkeypatch)
    folder = f"{tmp_path}/"
    floor = trust.Floor(folder, 1_000 * DAY_S)
    assert floor.seconds == 1_000 * DAY_S
    assert not floor.learned(1_000 * DAY_S + DAY_S - 1, 0)
    assert floor.learned(9_000 * DAY_S, 5)
    assert floor.seconds == 1_007 * DAY_S
    assert not floor.learned(9_000 * DAY_S, DAY_S * 1000)
    assert floor.learned(9_000 * DAY_S, DAY_S * 1000 + 5)
    assert trust.Floor(folder, 1_000 * DAY_S).seconds == 1_014 * DAY_S
    assert trust.Floor(folder, 2_000 * DAY_S).seconds == 2_000 * DAY_S
    (tmp_path / trust.FILE).write_text("\x00nonsense")
    assert trust.Floor(folder, 1_000 * DAY_S).seconds == 1_000 * DAY_S
    full = trust.Floor(f"{tmp_path}/absent/", 0)
    assert full.learned(5 * DAY_S, 0)
    assert (full.seconds, full.faults) == (5 * DAY_S, 1)


def _trust(monkeypatch):
    """firmware/pico/trust.py on CPython, which has no `tls`."""
    monkeypatch.setitem(sys.modules, "tls", types.ModuleType("tls"))
    monkeypatch.delitem(sys.modules, "firmware.pico.trust", raising=False)
    made = importlib.import_module("firmware.pico.trust")
    monkeypatch.delitem(sys.modules, "firmware.pico.trust")
    return made
