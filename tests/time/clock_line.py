"""A reader's clock and the store's, and the truth that only the test knows.

The real reader core on storage in memory, the real statements, the real placing of the store. True time runs in
microseconds; the reader's crystal drifts from it, the store's clock can be stepped, a question and its answer take
times of their own. Each tap is noted with its true time.
"""

import random
from dataclasses import dataclass
from typing import Any

from firmware.contract import envelope, statement
from firmware.contract.mac import Key
from firmware.reader.reader import Reader
from firmware.reader.settings import Settings
from server.store import swipes
from tests.firmware.reader.memory_storage import Medium, MemoryShelf, MemoryStorage

KEY, CARD_KEY = Key(1, b"\x11" * 32), Key(1, b"\x22" * 32)
READER = "a-101"
#: true time when the world begins, UTC epoch ms
T0_MS = 1_790_000_000_000
HOUR_US = 3_600_000_000


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A tap's truth, and what the store makes of it. bound_ms: RTT/2 + 50 ppm x age of the best answer before it."""

    true_ms: float
    at_ms: int | None
    uncertainty_ms: int
    how: str
    clock: str
    bound_ms: float | None


class ClockLine:
    """drift_ppm: of the reader's crystal. place: the store's, or a saboteur in its place."""

    def __init__(self, *, drift_ppm: float = 0.0, seed: int = 7, place: Any = swipes.place) -> None:
        self._drift, self._place = drift_ppm, place
        self._rng = random.Random(seed)
        self._medium = Medium()
        self._true_us = 0
        self._step_us = 0
        #: true us of each tap; (true us when heard, round trip in us) of each answer, of this boot and of all
        self._taps: list[int] = []
        self._bounds: list[float | None] = []
        self._answers: list[tuple[int, int]] = []
        self.boot()

    def boot(self) -> None:
        """Power off and on: only the journal stays; the clock is unset."""
        self._booted_us = self._true_us
        self._answers = []
        settings = Settings("main", READER, KEY, [CARD_KEY], {}, None)
        self._reader = Reader(
            settings=settings, storage=MemoryStorage(self._medium), shelf=MemoryShelf(self._medium),
            random_bytes=self._rng.randbytes, firmware="1.0.0",
        )  # fmt: skip
        self._reader.linked(0)

    @property
    def _boot_ms(self) -> int:
        return int((self._true_us - self._booted_us) * (1 + self._drift / 1e6)) // 1000

    @property
    def store_ms(self) -> int:
        """The store's clock."""
        return T0_MS + (self._true_us + self._step_us) // 1000

    def wait(self, us: int) -> None:
        """Time passes."""
        self._true_us += us

    def step(self, us: int) -> None:
        """The store's clock is off by so much from now on; 0: it is right."""
        self._step_us = us

    def ask(self, up_us: int, down_us: int) -> None:
        """The reader states a head, the store answers with the time: each takes its way's time."""
        self._reader.uplink.head_due(self._boot_ms)
        line = None
        while (out := self._reader.next(self._boot_ms)) is not None:
            if out.kind == "head":
                [line] = envelope.unwrap(out.payload)
        if line is None:
            raise AssertionError("no head was stated")
        nonce = statement.read(line).values["nonce"]
        self.wait(up_us)
        text = statement.say("time", READER, KEY.id, {"nonce": nonce, "wall_ms": self.store_ms})
        self.wait(down_us)
        answer = envelope.wrap([statement.seal(text, KEY.mac(text.encode()))])
        self._reader.received("command", answer, self._boot_ms)
        self._answers.append((self._true_us, up_us + down_us))

    def tap(self) -> None:
        """A card."""
        # RTT/2 + 50 ppm of the age, of the best answer: each grows at the same rate.
        self._bounds.append(
            min((rtt / 2000 + (self._true_us - heard) * 50e-9 for heard, rtt in self._answers), default=None)
        )
        self._taps.append(self._true_us)
        self._reader.tap(b"\x04%06d" % len(self._taps), self._boot_ms)

    def placed(self, received_ms: int | None = None) -> list[Placed]:
        """Every tap as the store places it, once all has arrived."""
        arrived_ms = self.store_ms if received_ms is None else received_ms
        said = [statement.read(line) for line in self._medium.lines()]
        pairs: dict[str, list[swipes.Pair]] = {}
        for one in said:
            if one.kind == "clock":
                v = one.values
                pairs.setdefault(v["journal"], []).append((v["boot_ms"], v["wall_ms"], v["uncertainty_ms"]))
        made = [one.values for one in said if one.kind == "swipe"]
        assert len(made) == len(self._taps), "a tap is not in the journal, or twice"
        found = []
        for v, true_us, bound_ms in zip(made, self._taps, self._bounds, strict=True):
            at_ms, unsure_ms, how = self._place(
                v["boot_ms"], v["wall_ms"], v["clock"], v["uncertainty_ms"], arrived_ms, pairs.get(v["journal"], ())
            )
            found.append(
                Placed(
                    true_ms=T0_MS + true_us / 1000,
                    at_ms=at_ms,
                    uncertainty_ms=unsure_ms,
                    how=how,
                    clock=v["clock"],
                    bound_ms=bound_ms,
                )
            )
        return found
