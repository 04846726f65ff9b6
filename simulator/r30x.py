"""An R30x fingerprint sensor (also sold as ZFM and AS608) at the byte level: the outside world's side of its line.

    simulator/r30x_frames.py  the sensor's packets         simulator/r30x_flash.py   its own memory, and the power cut
    simulator/r30x_finger.py  people's fingers             simulator/r30x_faults.py  what goes wrong
    simulator/r30x_glass.py   who lays a finger down when  simulator/r30x_port.py    its line on a pseudo-terminal
    simulator/r30x_work.py    what each command does       simulator/r30x.py         power, time, faults and the line

The sensor keeps no thread and no timer: it is told the time by the clock handed in, and works out what has happened
since whenever somebody looks. It was written from the modules' manuals and a capture of a real one, whose times it
keeps. Where those leave a choice, the harder one for a host is taken: it does nothing before it is told its password,
forgets that when it starts anew, and does one thing after another.

Templates and pictures never leave a sensor of Muster's: a host that asks for one, or sends one, makes the run fail
(`check`); `template_bytes_seen` says how many bytes it was about. The sensor then sends none.
"""

import random
from collections import deque
from collections.abc import Callable
from pathlib import Path

from simulator.r30x_faults import LATE_S, Faults
from simulator.r30x_finger import Finger, template
from simulator.r30x_flash import Flash, PowerCut
from simulator.r30x_frames import COMMAND, HostStream, Packet, answer
from simulator.r30x_glass import Glass, Press
from simulator.r30x_work import FORBIDDEN, Work

#: From a command's last byte to its answer, seconds; other commands take WORK_S.
WORK_S = 0.014
TAKES_S = {0x01: 0.19, 0x02: 0.295, 0x03: 0.028, 0x04: 0.045, 0x06: 0.058, 0x07: 0.03, 0x0C: 0.066, 0x0D: 0.07}
#: From power to the first command heard. Then it says so with one byte.
BOOT_S, BOOTED = 0.2, b"\x55"
#: So many commands are remembered with their parameters.
REMEMBERED = 10_000


class TemplateAsked(Exception):
    """A host asked for a template or a picture, or sent one: whatever else happened, the run has failed."""


class R30x:
    """The sensor. Bytes go in by `receive`, come out by `take`; fingers by `place` and `lift`."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        flash: Path,
        capacity: int = 200,
        system: int = 0x2EC8,
        password: int = 0,
        address: int = 0xFFFFFFFF,
        seed: int = 0,
        pace: float = 1.0,
        mark_first: bool = False,
        empty_loads: bool = False,
    ) -> None:
        """*pace*: how slow it is, 1.0 as the captured one. *empty_loads*: it says "ok" to loading an empty slot, and the
        buffer keeps what it held, as some cheap ones do."""
        self._clock = clock
        self._address = address
        #: may be changed at any time
        self.pace = pace
        #: how much later a "late" answer comes, seconds
        self.late_s = LATE_S
        #: its templates; whoever wipes them (`memory.wipe()`) or asks for their wear does so behind its back
        self.memory = Flash(flash, capacity=capacity, mark_first=mark_first)
        self._glass = Glass(seed=seed)
        self._work = Work(
            memory=self.memory,
            glass=self._glass,
            capacity=capacity,
            system=system,
            password=password,
            address=address,
            empty_loads=empty_loads,
        )
        self._draw = random.Random(f"r30x/{seed}")
        self._faults = Faults(self._draw)
        #: Called (without arguments) when something may be due earlier than `due()` last said.
        self.on_change: Callable[[], None] = lambda: None
        #: Commands heard, oldest first: code and parameters; and how often each code was.
        self.heard: deque[tuple[int, bytes]] = deque(maxlen=REMEMBERED)
        self.counts: dict[int, int] = {}
        #: Bytes of templates and pictures that were asked for or sent. Anything but 0 is a failed run: see `check`.
        self.template_bytes_seen = 0
        self._silent_until_s = 0.0
        self._behind: deque[bytes] = deque()
        self._power_on(self._clock())

    # -- the world -----------------------------------------------------------------------------------------------

    def place(self, finger: Finger, *, after_s: float = 0.0, for_s: float | None = None) -> Press:
        """Lay a finger on the glass, now or after_s from now, until `lift` or for so long."""
        return self._glass.place(finger, self._advanced(), after_s=after_s, for_s=for_s)

    def lift(self) -> None:
        """Take off whatever lies there, and let nothing come that was to come."""
        self._glass.lift(self._advanced())

    def inject(self, fault: str, count: int = 1, *, command: int | None = None, at: int | None = None) -> None:
        """Let *fault* (see `r30x_faults.FAULTS`) strike the next *count* times, only at *command*, if given."""
        self._faults.add(fault, count, command=command, at=at)

    def silence(self, seconds: float = float("inf")) -> None:
        """Its line is broken, both ways, for so long or until `speak`; the sensor itself goes on."""
        self._silent_until_s = self._advanced() + seconds
        self._out.clear()

    def lag(self, *contents: bytes) -> None:
        """Its line is behind from now on: these answers come first, one for each command, and its own so many later."""
        self._behind.extend(answer(each, address=self._address) for each in contents)

    def speak(self) -> None:
        """Its line is whole again, and nothing waits to go wrong."""
        self._silent_until_s = 0.0
        self._behind.clear()
        self._faults.clear()

    def power_off(self) -> None:
        """No power until `power_on`: only what is in its memory stays."""
        self._advanced()
        self._powered = False
        self._out.clear()
        self._todo.clear()

    def power_on(self) -> None:
        """As when it is plugged in: it knows nothing but what is in its memory."""
        self._power_on(self._clock())
        self.on_change()

    def cut_power_after(self, written: int) -> None:
        """The power goes when so many bytes more have been written to its memory."""
        self.memory.cut_after = written

    @property
    def powered(self) -> bool:
        """Whether it has power (see `cut_power_after`)."""
        self._advanced()
        return self._powered

    @property
    def slots(self) -> set[int]:
        """The slots marked as held: what its index would say."""
        return set(self.memory.held())

    @property
    def whole(self) -> set[int]:
        """The slots that hold a whole template."""
        return {slot for slot in self.memory.held() if self.memory.load(slot) is not None}

    def hold(self, slot: int, finger: Finger) -> None:
        """Put a finger into a slot without its host: for a sensor that was in use elsewhere, or a scenario's start."""
        self.memory.store(slot, template(finger.press(self._draw) | finger.press(self._draw)))

    def check(self) -> None:
        """Raise TemplateAsked if a template or a picture was ever asked for or sent."""
        if self.template_bytes_seen:
            asked = {f"0x{code:02x}": self.counts[code] for code in FORBIDDEN if code in self.counts}
            raise TemplateAsked(f"{self.template_bytes_seen} bytes of templates or pictures: commands {asked}")

    def close(self) -> None:
        """Its memory stays in its file. Raises as `check` does."""
        self.memory.close()
        self.check()

    # -- the line ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes from the host. A sensor without power or line misses them."""
        now_s = self._advanced()
        if not self._powered or now_s < self._deaf_until_s or now_s < self._silent_until_s:
            return
        for packet in self._stream.feed(data):
            self._todo.append(packet)
            if len(self._todo) == 1:
                self._done_s = now_s + self._takes(packet)
        self.on_change()

    def due(self) -> float | None:
        """When `take` may have something next (clock seconds); None: not before something else happens."""
        self._advanced()
        times = [self._out[0][0]] if self._out else []
        return min(times + ([self._done_s] if self._todo else []), default=None)

    def take(self) -> bytes | None:
        """The next bytes for the host, if any are due."""
        now_s = self._advanced()
        return self._out.popleft()[1] if self._out and self._out[0][0] <= now_s else None

    # -- inside --------------------------------------------------------------------------------------------------

    def _power_on(self, now_s: float) -> None:
        self._powered = True
        self._work.start_anew()
        self._deaf_until_s = now_s + BOOT_S * self.pace
        self._stream = HostStream(address=self._address)
        self._todo: deque[Packet | None] = deque()
        self._done_s = 0.0
        self._out: deque[tuple[float, bytes]] = deque([(self._deaf_until_s, BOOTED)])

    def _takes(self, packet: Packet | None) -> float:
        return self.pace * (TAKES_S.get(packet.contents[0], WORK_S) if packet else WORK_S)

    def _advanced(self) -> float:
        """Let happen what has happened by now, which is returned."""
        now_s = self._clock()
        while self._todo and self._done_s <= now_s:
            packet = self._todo.popleft()
            done_s = self._done_s
            if self._todo:
                self._done_s += self._takes(self._todo[0])
            try:
                self._do(packet, done_s)
            except PowerCut:
                self._powered = False
                self._todo.clear()
        return now_s

    def _do(self, packet: Packet | None, now_s: float) -> None:
        if packet is None:
            self._say(now_s, b"\x01", None)
            return
        if packet.kind != COMMAND:
            # A data packet: somebody sends a template or a picture.
            self.template_bytes_seen += len(packet.contents)
            return
        code, parameters = packet.contents[0], packet.contents[1:]
        struck = self._faults.strike(code)
        if struck is not None and struck[0] == "lose_command":
            return
        self.heard.append((code, parameters))
        self.counts[code] = self.counts.get(code, 0) + 1
        self.template_bytes_seen += FORBIDDEN.get(code, 0)
        if struck is not None and struck[0] == "refuse":
            self._say(now_s, b"\x01", None)
            return
        said = self._work.carry_out(code, parameters, now_s)
        if struck is None or struck[0] != "drop_answer":
            self._say(now_s + (self.late_s if struck and struck[0] == "late" else 0), said, struck)

    def _say(self, at_s: float, contents: bytes, struck: tuple[str, int | None] | None) -> None:
        if at_s >= self._silent_until_s:
            frame = answer(contents, address=self._address)
            if self._behind:
                self._behind.append(frame)
                frame = self._behind.popleft()
            self._out.append((at_s, self._faults.spoilt(frame, struck)))
