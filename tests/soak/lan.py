"""Wires that can be cut one way: each leads from a network namespace to here, and either direction alone can go dead.

    corridor or gateway -- in its namespace, 10.77.N.2 ==veth== 10.77.N.1, here: broker, store

A direction is cut by telling the sender a wrong hardware address for the other end: its frames leave and nobody takes
them, no error comes back, and the other direction still carries. That needs `ip` (iproute2) and nothing of the kernel
beyond veth; `tc`'s and nftables' modules are not everywhere. Where namespaces are not permitted, `Detour` does the like
to the bytes of TCP connections, in user space.
"""

import shutil
import subprocess
import threading
from typing import Literal, Protocol

from tests.soak.detour import Relay

Way = Literal["up", "down"]
#: what nothing on the wire has
NOBODY = "02:00:00:00:00:ff"


class Wire(Protocol):
    """How something at one end reaches broker and store at the other."""

    #: put before a command, to run it at the far end
    enter: list[str]

    def reach(self, port: int) -> tuple[str, int]:
        """Host and port by which the far end reaches a port of ours."""
        ...

    def cut(self, way: Way) -> None:
        """Nothing goes through that way any more, and nobody is told. up: towards the broker."""
        ...

    def heal(self) -> None:
        """Both ways carry again."""
        ...

    def close(self) -> None:
        """The wire goes."""
        ...


class Veth:
    """A namespace held by a process of ours, and the pair of interfaces that leads to it. number: 1 to 250."""

    def __init__(self, number: int) -> None:
        self._here, self._there = f"10.77.{number}.1", f"10.77.{number}.2"
        self._device = f"soak{number}"
        self._macs = {"here": f"02:00:00:00:{number:02x}:01", "there": f"02:00:00:00:{number:02x}:02"}
        # The namespace lives as long as this process does; nothing has to be unlinked after a crash.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo made; exec sleep 1000000"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        self._holder.stdout.close()
        pid = self._holder.pid
        self.enter = ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]
        macs = self._macs
        ip("link", "add", self._device, "address", macs["here"], "type", "veth",
           "peer", "name", "soak0", "address", macs["there"], "netns", str(pid))  # fmt: skip
        ip("addr", "add", f"{self._here}/24", "dev", self._device)
        ip("link", "set", self._device, "up")
        self._inside("link", "set", "lo", "up")
        self._inside("addr", "add", f"{self._there}/24", "dev", "soak0")
        self._inside("link", "set", "soak0", "up")
        self.heal()

    def reach(self, port: int) -> tuple[str, int]:
        """See `Wire`."""
        return self._here, port

    def cut(self, way: Way) -> None:
        """See `Wire`."""
        self._address(way, NOBODY)

    def heal(self) -> None:
        """See `Wire`."""
        self._address("up", self._macs["here"])
        self._address("down", self._macs["there"])

    def close(self) -> None:
        """See `Wire`."""
        self._holder.kill()
        self._holder.wait()
        # The far end went with its namespace, and the near end with it; where that takes a moment, it is hurried.
        ip("link", "del", self._device, check=False)

    def _address(self, way: Way, mac: str) -> None:
        if way == "up":
            self._inside("neigh", "replace", self._here, "lladdr", mac, "dev", "soak0", "nud", "permanent")
        else:
            ip("neigh", "replace", self._there, "lladdr", mac, "dev", self._device, "nud", "permanent")

    def _inside(self, *arguments: str) -> None:
        run([*self.enter, program("ip"), *arguments])


class Detour:
    """Instead of a namespace: a relay on loopback for each port that is reached, which can drop one way's bytes."""

    enter: list[str]

    def __init__(self) -> None:
        self.enter = []
        self._relays: dict[int, Relay] = {}
        self._lock = threading.Lock()

    def reach(self, port: int) -> tuple[str, int]:
        """See `Wire`."""
        with self._lock:
            if port not in self._relays:
                self._relays[port] = Relay(port)
            return "127.0.0.1", self._relays[port].port

    def cut(self, way: Way) -> None:
        """See `Wire`."""
        for relay in self._relays.values():
            relay.cut(way)

    def heal(self) -> None:
        """See `Wire`."""
        for relay in self._relays.values():
            relay.heal()

    def close(self) -> None:
        """See `Wire`."""
        for relay in self._relays.values():
            relay.close()


def program(name: str) -> str:
    """The path of a tool that may stand in sbin. Raises FileNotFoundError, saying what to install."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: `make setup` does it")
    return found


def ip(*arguments: str, check: bool = True) -> None:
    """One command of iproute2, here."""
    run([program("ip"), *arguments], check=check)


def run(command: list[str], *, check: bool = True) -> None:
    """Run it. Raises RuntimeError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` ended with status {done.returncode}: {done.stderr.strip()}")
