"""The self-test as a technician follows it: lights one by one, a card, the clock, and the line up to the class list."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from firmware.provision.board import Board
from firmware.provision.talk import Found, Talk

IMPORT = "import still\nstill.mount()\nimport selftest\n"
CARD_MS, LINE_MS, TICKS_MS = 30_000, 90_000, 500
#: a board's count may differ by so much from ours, the way through USB included
TICKS_OFF = 0.05
#: what to do where a step of the line is not reached, in its order
_LINE = {
    "storage": ("its journal can be written", "the flash cannot be written: replace the board"),
    "wifi": ("Wi-Fi is joined", "it cannot join the Wi-Fi: look at the name and the password, and do it again"),
    "broker": ("the broker took it", "the broker did not take it: see that it runs, and what it says in its log"),
    "clock": ("the store told it the time", "the store did not answer: see that the gateway and the store run"),
    "roster": ("it has its class list", "no class list came: see on the doors page whether it serves a room"),
}
_CHIP = "the card chip does not answer: look at its four wires"


def run(
    board: Board, talk: Talk, *, card: bool = True, now_s: Callable[[], float] = time.monotonic, line_ms: int = LINE_MS
) -> Iterator[Found]:
    """Each step as it is done. card: wait for one. The board must be at the REPL, with firmware and settings."""
    yield from _lights(board, talk)
    if card:
        yield from _card(board, talk)
    yield _ticks(board, now_s)
    yield from _line(board, line_ms)


def _lights(board: Board, talk: Talk) -> Iterator[Found]:
    for colour in ("red", "green", "blue"):
        board.ask(f"{IMPORT}selftest.light({colour!r})")
        seen = talk.ask(f"Is the light {colour}?")
        words = {True: f"the light shows {colour}", False: f"it does not show {colour}: look at that wire of the light",
                 None: f"the light was set to {colour}; nobody looked"}[seen]  # fmt: skip
        yield Found(step=colour, ok=seen, words=words)
    board.ask(f"{IMPORT}selftest.light('off')")


def _card(board: Board, talk: Talk) -> Iterator[Found]:
    talk.say("Hold a card to the reader (30 seconds).")
    told = {one["step"]: one for one in board.ask(f"{IMPORT}selftest.card({CARD_MS})", CARD_MS / 1000 + 20)}
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


def _ticks(board: Board, now_s: Callable[[], float]) -> Found:
    board.ask(IMPORT)
    began = now_s()
    board.ask(f"selftest.ticks({TICKS_MS})")
    took_ms = (now_s() - began) * 1000
    # What the way there and back takes makes it longer, never shorter.
    good = took_ms >= TICKS_MS * (1 - TICKS_OFF)
    words = "its clock counts right" if good else "its clock runs too fast: replace the board"
    return Found(step="ticks", ok=good, words=words)


def _line(board: Board, line_ms: int) -> Iterator[Found]:
    told = {one["step"]: one for one in board.ask(f"{IMPORT}selftest.line({line_ms})", line_ms / 1000 + 30)}
    for step, (good, bad) in _LINE.items():
        one = told.get(step, {"ok": False})
        if one["ok"]:
            yield Found(step=step, ok=True, words=f"{good} ({one['ms'] / 1000:.1f} s)")
        else:
            yield Found(step=step, ok=False, words=f"{bad} [{one['code']}]" if one.get("code") else bad)
            # What comes after it could not be reached.
            return
