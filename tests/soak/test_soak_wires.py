"""The soak's wires: what a one-way cut stops, what it leaves, and that all is well after it."""

import contextlib
import os
import socket
import subprocess
import sys
import threading

import pytest

from tests.soak import cage
from tests.soak.detour import Relay
from tests.soak.lan import Detour

WAIT_S = 30

#: inside the cage: what comes through a veth in each direction while one of them is cut, as "up,down"
PROBE = """
import socket, subprocess, sys
from tests.soak.cage import settle
from tests.soak.lan import Veth
settle()
wire = Veth(1)
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("10.77.1.1", 9000))
here.settimeout(3)
there = subprocess.Popen([*wire.enter, sys.executable, "-u", "-c", '''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.77.1.2", 9000))
s.settimeout(3)
print('bound')
while input():
    s.sendto(b"x", ("10.77.1.1", 9000))
    try:
        print(s.recv(9) == b"x")
    except TimeoutError:
        print(False)
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
there.stdout.readline()
def both():
    here.sendto(b"x", ("10.77.1.2", 9000))
    there.stdin.write("go\\n")
    there.stdin.flush()
    try:
        up = here.recv(9) == b"x"
    except TimeoutError:
        up = False
    return up, there.stdout.readline().strip() == "True"
seen = [both()]
for way in ("up", "down"):
    wire.cut(way)
    seen.append(both())
    wire.heal()
    seen.append(both())
there.kill()
wire.close()
print(seen)
"""


@contextlib.contextmanager
def echo():
    """The port of a server that gives back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                near, _ = server.accept()
                with near:
                    while data := near.recv(99):
                        near.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        # Closing alone does not wake who waits in accept().
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
    thread.join(WAIT_S)


def quiet(end: socket.socket) -> bool:
    end.settimeout(0.3)
    try:
        return not end.recv(99)
    except TimeoutError:
        return True
    finally:
        end.settimeout(WAIT_S)


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_relay_holds_one_way_and_gives_it_all_when_it_heals(way):
    with echo() as port:
        relay = Relay(port)
        try:
            with socket.create_connection(("127.0.0.1", relay.port), timeout=WAIT_S) as end:
                end.sendall(b"one")
                assert end.recv(99) == b"one"
                relay.cut(way)
                end.sendall(b"two")
                assert quiet(end)
                relay.heal()
                assert end.recv(99) == b"two"
        finally:
            relay.close()


def test_a_detour_keeps_one_relay_for_each_port_it_reaches():
    wire = Detour()
    with echo() as port:
        try:
            assert wire.reach(port) == wire.reach(port)
            assert wire.reach(port)[1] != port
        finally:
            wire.close()


def test_a_cut_wire_between_namespaces_carries_the_other_way_only():
    if why := cage.possible():
        if os.environ.get("CI"):
            pytest.fail(f"{why}; in CI it must be possible", pytrace=False)
        pytest.skip(f"needs network namespaces: {why}")
    done = subprocess.run(
        [*cage.UNSHARE, sys.executable, "-c", PROBE], cwd=cage.ROOT, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert done.stdout.strip() == str([(True, True), (False, True), (True, True), (True, False), (True, True)]), (
        done.stderr
    )
