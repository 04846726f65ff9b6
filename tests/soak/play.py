"""One soak from first to last: set up, let people tap while things break, wait until all has arrived, judge."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.bench.machine import Watch
from tests.soak.cpu import Cpu
from tests.soak.faults import Faults
from tests.soak.havoc import Havoc
from tests.soak.oracle import Verdict, judge, rows
from tests.soak.stage import Script, Stage

#: everything must have arrived so long after the last fault, s
DRAIN_S = 60.0
#: where others took more than this share of the processors, how long it took is said and not judged
DISTURBED = 0.25
#: and if not, it is waited for so long to tell what is late from what is lost, s
LATE_S = 420.0
#: what is right must still be right after this, s
SETTLE_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one soak came to."""

    script: Script
    verdict: Verdict
    #: cards held to doors, and of these with which light; without light there was none
    holds: int
    lights: dict[str, int]
    faults: dict[str, int]
    #: how often the flash's power failed in the middle of an operation
    fell: int
    #: how long people tapped, s
    played_s: float
    #: what kept how many processors busy meanwhile
    cores: dict[str, float]
    #: readers whose lamps did not come back to blue after the last fault
    broken: tuple[str, ...]
    #: how long after the last fault the last of it was there, s; None: it never was
    drained_s: float | None
    #: the share of the processors that neither the soak nor what it started took
    others: float

    @property
    def in_time(self) -> bool:
        """Drained within the limit after the last fault; on a machine that others keep busy: drained."""
        return self.drained_s is not None and (self.drained_s <= DRAIN_S or self.others > DISTURBED)

    @property
    def only_late(self) -> bool:
        """Right in everything but how long the rest took."""
        return self.drained_s is not None and not self.in_time and replace(self, drained_s=0.0).ok

    @property
    def ok(self) -> bool:
        """Nothing lost, doubled or miscredited, and drained in time; and people did see greens."""
        right = self.verdict.ok and self.in_time and not self.broken
        return right and self.verdict.greens > 0 and self.verdict.credited > 0


async def play(script: Script, folder: Path, say: Callable[[str], None], *, late_s: float = LATE_S) -> Outcome:
    """Play it. folder: where all of it is kept."""
    async with Stage(script, folder, say) as stage:
        engine = sa.create_engine(stage.line.database_url, poolclass=sa.NullPool)
        say(f"{script.readers} doors are open; breaking things for {script.seconds:.0f} s")
        havoc = Havoc(seed=script.seed, make=Faults(stage).by_kind(), between_s=script.between_s)
        began = time.monotonic()
        breaking = asyncio.create_task(havoc.run(), name="havoc")
        try:
            with Cpu() as cpu, Watch() as watch:
                await _wait(script.seconds, breaking, say, stage)
        finally:
            breaking.cancel()
            results = await asyncio.gather(breaking, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]
        await stage.corridors.stop()
        played_s = time.monotonic() - began
        say("no more faults and nobody taps; waiting for what is still on its way")
        verdict, drained_s = await _drain(stage, engine, havoc.last_s, late_s, say)
        stage.ensure()
        holds = stage.corridors.holds
        lights = {light: sum(h.light == light for _, _, h in holds) for light in ("green", "red", "blue", "")}
        return Outcome(
            script=script, verdict=verdict, holds=len(holds), lights=lights, faults=dict(havoc.made),
            fell=stage.corridors.fell, played_s=played_s, drained_s=drained_s,
            cores=cpu.cores(), others=watch.others,
            broken=tuple(stage.corridors.broken),
        )  # fmt: skip


async def _wait(seconds: float, breaking: "asyncio.Task[None]", say: Callable[[str], None], stage: Stage) -> None:
    ends = time.monotonic() + seconds
    said = time.monotonic()
    while (left := ends - time.monotonic()) > 0:
        await asyncio.wait({breaking}, timeout=min(1.0, left))
        if breaking.done():
            breaking.result()
        if time.monotonic() - said > 30:
            said = time.monotonic()
            say(f"{len(stage.corridors.holds)} cards held so far, {left:.0f} s to go")


async def _drain(
    stage: Stage, engine: sa.Engine, since_s: float, late_s: float, say: Callable[[str], None]
) -> tuple[Verdict, float | None]:
    """Until the store agrees with what was seen, or it is too late; what it says then is the verdict."""
    seen = stage.seen()
    lit = sum(s.hold.light in ("green", "blue") for s in seen)
    verdict: Verdict | None = None

    def look() -> tuple[int, Verdict | None]:
        with engine.connect() as connection:
            there: Any = connection.execute(sa.text("SELECT count(*) FROM swipe")).scalar_one()
        late = time.monotonic() - since_s > late_s
        return there, judge(seen, rows(engine), stage.card_key) if there >= lit or late else None

    said_s = 0.0
    while True:
        there, verdict = await asyncio.to_thread(look)
        after_s = time.monotonic() - since_s
        if verdict is not None and (verdict.ok or after_s > late_s):
            break
        if after_s > said_s + 30:
            said_s = after_s
            wrong = verdict.wrong[:3] if verdict else []
            say(
                f"{after_s:.0f} s after the last fault: {there} swipes, of {lit} that must be there; {'; '.join(wrong)}"
            )
        await asyncio.sleep(0.5)
    if not verdict.ok:
        return verdict, None
    await asyncio.sleep(SETTLE_S)
    return judge(seen, await asyncio.to_thread(rows, engine), stage.card_key), after_s
