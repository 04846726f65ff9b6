"""Making a reader of a board, step by step; each can be done again, and is, when the board was unplugged in between.

    find it -> hold it still -> firmware, hashes read back -> claim -> (erase) -> settings -> self-test -> let it go

The claim uses the token up, and its answer is nowhere else: so it comes after everything that may fail before it, and
until the settings are on the board this process holds them and waits for the board to come back. Settings are written
last and in one step: a board has an identity, or it has none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware.pico.names import HOLD, SETTINGS
from firmware.provision import claim as claims
from firmware.provision import selftest
from firmware.provision.board import Board, Known
from firmware.provision.bundle import MAIN, OTHER_SLOT, SELFTEST, SLOT, File
from firmware.provision.claim import Claimed
from firmware.provision.errors import PortLost, ProvisionError
from firmware.provision.port import Port
from firmware.provision.repl import Repl
from firmware.provision.talk import Found, Talk

#: how often a board may be unplugged in one run
TIMES = 20
#: what stands in a board's settings besides what the store said: the token's fingerprint, what it was for, and what it
#: replaced, so that the same words give the same label however the first run ended
SLOT_OF, _ROOM, _REPLACES = "slot", "room", "replaces"
RELEASE, WIFI = "release", "wifi"
#: after these the store may have made a reader of the token: the one that was on the board may serve no door any more
PERHAPS = ("slot-claimed", "store-silent", "store-answer")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be made. token: None where the board is a reader already. wifi: None: it has none, or keeps what it has."""

    token: str | None = field(repr=False)
    wifi: dict[str, str] | None = field(repr=False)
    #: erase what a reader before this one recorded on the board
    wipe: bool = False
    #: wait for a card in the self-test
    card: bool = True
    self_test: bool = True
    line_ms: int = selftest.LINE_MS
    #: whose releases it takes, as its settings say it (docs/wire.md); None: what the store said, or what is on it
    release: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """A reader. room: what the slot was for, also where an earlier run claimed it; None: nobody said a token."""

    reader: str
    room: str | None
    replaces: str | None
    found: tuple[Found, ...]

    @property
    def well(self) -> bool:
        """Nothing that was looked at was wrong."""
        return all(one.ok is not False for one in self.found)


def settled(claimed: Claimed, token: str, release: dict[str, Any] | None) -> dict[str, Any]:
    """The settings that a board keeps of its claim."""
    kept = {SLOT_OF: claims.fingerprint(token), _ROOM: claimed.room, _REPLACES: claimed.replaces}
    return claimed.settings | kept | ({} if release is None else {RELEASE: release})


def made(told: dict[str, Any], token: str | None, found: tuple[Found, ...]) -> Made:
    """What a board with these settings is. Without a token nobody asked for a label, and it may have moved since."""
    return Made(
        reader=str(told["reader"]),
        room=told.get(_ROOM) if token is not None else None,
        replaces=told.get(_REPLACES) if token is not None else None,
        found=found,
    )


class Making:
    """One run. opened: gives the board's port as soon as it is there, or raises PortLost. claim: (token, board) -> Claimed."""

    def __init__(
        self,
        wanted: Wanted,
        files: Sequence[File],
        *,
        opened: Callable[[], Port],
        claim: Callable[[str, str], Claimed],
        talk: Talk,
    ) -> None:
        self._wanted = wanted
        self._files = files
        self._opened = opened
        self._claim = claim
        self._talk = talk
        self._claimed: Claimed | None = None
        #: number of the board whose records were erased
        self._wiped = ""
        self._port: Port | None = None

    def run(self) -> Made:
        """All of it. A board that is unplugged is waited for. Raises ProvisionError."""
        try:
            for _ in range(TIMES):
                try:
                    return self._once()
                except PortLost as error:
                    self._close()
                    self._talk.say(f"{error}. It goes on where it was; nothing is lost.")
            raise PortLost("it was unplugged too often")
        finally:
            self._close()

    def _once(self) -> Made:
        board, known = self._connected()
        self._talk.say(f"board {known.number}, MicroPython {known.version}")
        told = self._identity(board, known)
        have = board.files()
        if HOLD not in have:
            board.hold()
            if told is not None or MAIN in have:
                board, known = self._restarted(board)
        wanted = {one.path: one.sha256 for one in self._files}
        if OTHER_SLOT in have and have.get(SLOT) != wanted.get(SLOT):
            # There is no room for three. Slot A runs where there is no other, and is written beside itself.
            board.remove(OTHER_SLOT)
        if board.sync(self._files, self._copied):
            # What was imported before it was replaced would be tried.
            board, known = self._restarted(board)
        self._talk.say(f"firmware: {len(self._files)} files, each read back and right")
        board.ask("import still\nstill.settle()")
        if told is None:
            told = self._anew(board, known)
        else:
            told = self._changed(board, told)
        found: tuple[Found, ...] = ()
        if self._wanted.self_test:
            tested = selftest.run(
                selftest.OnBoard(board), self._talk, card=self._wanted.card, line_ms=self._wanted.line_ms
            )
            found = selftest.told(tested, self._talk)
        board.remove(SELFTEST)
        board.release()
        board.restart()
        return made(told, self._wanted.token, found)

    def _identity(self, board: Board, known: Known) -> dict | None:
        """The board's settings, if they stay; where they do not, they are on it until the new ones are. Raises
        ProvisionError(`board-taken`, `token-needed`)."""
        told = board.settings()
        if told is not None and "reader" in told:
            token = self._wanted.token
            if token is None or told.get(SLOT_OF) == claims.fingerprint(token):
                self._talk.say(f"this board is {told['reader']} already: it is brought up to date, and tested")
                return told
            if not self._wanted.wipe or self._wiped not in ("", known.number):
                raise ProvisionError(
                    "board-taken",
                    f"this board is the reader {told['reader']}. What it has recorded and not delivered would be lost: let "
                    "it deliver (the doors page says what waits), then say --wipe; or leave the token out to test it",
                )
        elif self._wanted.token is None:
            raise ProvisionError("token-needed", "this board is no reader yet: say the token of a slot with --token")
        return None

    def _anew(self, board: Board, known: Known) -> dict:
        """It becomes the slot's reader; its settings. What a reader before left is lost where that was said, and not before
        the store took the token: one that is too old takes no reader off its door."""
        if not self._wanted.wipe:
            self._blank(board, known)
        if self._claimed is None:
            self._become(board, known)
        if self._wanted.wipe:
            self._blank(board, known)
        return self._settle(board)

    def _blank(self, board: Board, known: Known) -> None:
        """No record of another reader is on it. Raises ProvisionError(`board-journal`)."""
        [told] = board.ask(f"{selftest.IMPORT}selftest.journals()", 60.0)
        if told["count"] and not self._wanted.wipe:
            raise ProvisionError(
                "board-journal",
                "this board holds records of a reader before this one, that the store may not have: put that one's "
                "settings back and let it deliver, or say --wipe to lose them",
            )
        if told["count"] or told["damaged"]:
            self._talk.say("erasing what was recorded on it before")
            board.ask(f"{selftest.IMPORT}selftest.erase()", 120.0)
        self._wiped = known.number

    def _become(self, board: Board, known: Known) -> None:
        """Claim."""
        assert self._wanted.token is not None, "asked for in _identity"
        try:
            self._claimed = self._claim(self._wanted.token, known.number)
        except ProvisionError as error:
            if error.code not in PERHAPS and "reader" in (board.settings() or {}):
                # It is the reader that it was, and goes on.
                board.remove(SELFTEST)
                board.release()
                board.restart()
            raise
        self._talk.say(f"the store made the reader {self._claimed.settings['reader']}, at {self._claimed.room}")

    def _settle(self, board: Board) -> dict:
        """Write the settings of the claim."""
        token = self._wanted.token
        assert token is not None and self._claimed is not None
        told = settled(self._claimed, token, self._wanted.release) | {WIFI: self._wanted.wifi}
        board.write(File(path=SETTINGS, data=json.dumps(told).encode()))
        self._talk.say("its settings are on it")
        return told

    def _changed(self, board: Board, told: dict) -> dict:
        """A reader's settings, with the Wi-Fi and the release keys that were said now: a Wi-Fi that was mistyped is put
        right so, and one with a new password is made known."""
        now = {WIFI: self._wanted.wifi, RELEASE: self._wanted.release}
        new = {name: one for name, one in now.items() if one is not None and one != told.get(name)}
        if new:
            board.write(File(path=SETTINGS, data=json.dumps(told | new).encode()))
        if WIFI in new:
            self._talk.say("its settings say which Wi-Fi it joins")
        if RELEASE in new:
            self._talk.say("its settings say whose releases it takes")
        return told | new

    def _copied(self, path: str, number: int, of: int) -> None:
        self._talk.say(f"  {number}/{of} {path}")

    def _connected(self) -> tuple[Board, Known]:
        self._close()
        self._port = self._opened()
        repl = Repl(self._port)
        repl.enter()
        board = Board(repl)
        return board, board.know()

    def _restarted(self, board: Board) -> tuple[Board, Known]:
        board.restart()
        return self._connected()

    def _close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None
