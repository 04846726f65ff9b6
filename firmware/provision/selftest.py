"""The self-test as a technician follows it: lights one by one, a card, the clock, and the line up to the class list."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from firmware.provision.board import Board
from firmware.provision.talk import Found, Talk

IMPORT = "import still\nstill.mount()\nimport selftest\n"
CARD_MS, LINE_MS, TICKS_MS = 30_000, 90_000, 500
#: a board's count may differ by so much from ours, the way through USB included
TICKS_OFF = 0.05
#: a step of the line -> what is said where it is reached, and what to do where it is not; in their order
Words = Mapping[str, tuple[str, str]]
_LINE: Words = {
    "storage": ("its journal can be written", "the flash cannot be written: replace the board"),
    "wifi": (
        "Wi-Fi is joined",
        "it cannot join the Wi-Fi: look at the name and the password, and do it again with the right --wifi",
    ),
    "broker": ("the broker took it", "the broker did not take it: see that it runs, and what it says in its log"),
    "clock": ("the store told it the time", "the store did not answer: see that the gateway and the store run"),
    "roster": ("it has its class list", "no class list came: see on the doors page whether it serves a room"),
}
_CHIP = "the card chip does not answer: look at its four wires"


class Bench(Protocol):
    """What is tested, at the end of a cable or this very machine. Each step answers `{"step": ..., "ok": ...}`."""

    #: of its line
    words: Words
    #: whether its clock is another than this machine's
    has_clock: bool

    def light(self, colour: str) -> None:
        """Show red, green, blue or off."""

    def card(self, timeout_ms: int) -> list[dict[str, Any]]:
        """Wait for the chip and for a card."""
        ...

    def ticks(self, ms: int) -> None:
        """Wait so long by its own count."""

    def line(self, timeout_ms: int) -> list[dict[str, Any]]:
        """Bring up its own link until all is reached."""
        ...


class OnBoard:
    """A board at the REPL, with firmware and settings on it."""

    words: Words = _LINE
    has_clock = True

    def __init__(self, board: Board) -> None:
        self._board = board

    def light(self, colour: str) -> None:
        """Show red, green, blue or off."""
        self._board.ask(f"{IMPORT}selftest.light({colour!r})")

    def card(self, timeout_ms: int) -> list[dict[str, Any]]:
        """Wait for the chip and for a card."""
        return self._board.ask(f"{IMPORT}selftest.card({timeout_ms})", timeout_ms / 1000 + 20)

    def ticks(self, ms: int) -> None:
        """Wait so long by its own count."""
        self._board.ask(f"{IMPORT}selftest.ticks({ms})")

    def line(self, timeout_ms: int) -> list[dict[str, Any]]:
        """Bring up its own link until all is reached."""
        return self._board.ask(f"{IMPORT}selftest.line({timeout_ms})", timeout_ms / 1000 + 30)


def run(
    bench: Bench, talk: Talk, *, card: bool = True, now_s: Callable[[], float] = time.monotonic, line_ms: int = LINE_MS
) -> Iterator[Found]:
    """Each step as it is done. card: wait for one."""
    yield from _lights(bench, talk)
    if card:
        yield from _card(bench, talk)
    if bench.has_clock:
        yield _ticks(bench, now_s)
    yield from _line(bench, line_ms)


def told(found: Iterator[Found], talk: Talk) -> tuple[Found, ...]:
    """Say each step to the technician as it is done; all of them."""
    every = []
    for one in found:
        sign = {True: "ok   ", False: "WRONG", None: "-    "}[one.ok]
        talk.say(f"  {sign} {one.words}")
        every.append(one)
    return tuple(every)


def _lights(bench: Bench, talk: Talk) -> Iterator[Found]:
    for colour in ("red", "green", "blue"):
        bench.light(colour)
        seen = talk.ask(f"Is the light {colour}?")
        words = {True: f"the light shows {colour}", False: f"it does not show {colour}: look at that wire of the light",
                 None: f"the light was set to {colour}; nobody looked"}[seen]  # fmt: skip
        yield Found(step=colour, ok=seen, words=words)
    bench.light("off")


def _card(bench: Bench, talk: Talk) -> Iterator[Found]:
    talk.say("Hold a card to the reader (30 seconds).")
    told = {one["step"]: one for one in bench.card(CARD_MS)}
    chip = told.get("chip", {"ok": False})
    yield Found(step="chip", ok=chip["ok"], words="the card chip answers" if chip["ok"] else _CHIP)
    if not chip["ok"]:
        return
    read = told.get("card", {"ok": False})
    if not read["ok"]:
        words = "no card was seen: hold one to the middle of the case, and do it again"
    elif read["identifies"]:
        words = f"a card was read, its number has {read['bytes']} bytes"
    else:
        words = "something was read that identifies nobody (a phone, or a card with a random number): try a card"
    yield Found(step="card", ok=read["ok"] and read["identifies"], words=words)


def _ticks(bench: Bench, now_s: Callable[[], float]) -> Found:
    bench.ticks(0)  # what is loaded for the first time takes its time
    began = now_s()
    bench.ticks(TICKS_MS)
    took_ms = (now_s() - began) * 1000
    # What the way there and back takes makes it longer, never shorter.
    good = took_ms >= TICKS_MS * (1 - TICKS_OFF)
    words = "its clock counts right" if good else "its clock runs too fast: replace the board"
    return Found(step="ticks", ok=good, words=words)


def _line(bench: Bench, line_ms: int) -> Iterator[Found]:
    told = {one["step"]: one for one in bench.line(line_ms)}
    for step, (good, bad) in bench.words.items():
        one = told.get(step, {"ok": False})
        if one["ok"]:
            yield Found(step=step, ok=True, words=f"{good} ({one['ms'] / 1000:.1f} s)")
        else:
            yield Found(step=step, ok=False, words=f"{bad} [{one['code']}]" if one.get("code") else bad)
            # What comes after it could not be reached.
            return
