"""The door's judgement: tokens and a time in, a verdict and the session it was shown for out.

Holds the roster and what this door remembers of its own answers: a bit for each person and session recorded, and the
answers of the last two minutes. All of that is a courtesy to the person at the door: the store decides again, with the
same function, over everything it knows. After a reboot the memory is empty, and the store's decision is what counts.
"""

from collections import namedtuple

from firmware.contract import decide, verdict
from firmware.contract.roster import Roster

#: answers remembered, some 6 KB on a Pico: two minutes of a tap every two seconds. Past it the oldest is forgotten, and
#: the store, which forgets none, still credits nothing twice
ANSWERS_MAX = 64

Judged = namedtuple("Judged", ("verdict", "session"))
_Remembered = namedtuple("_Remembered", ("token", "session", "boot_ms"))


class Door:
    """Judges taps at one door."""

    def __init__(self):
        #: the `Roster` in force, or None
        self.roster = None
        self._recorded = {}  # session id -> bytearray, a bit for each place of its list
        self._answers = []

    def take(self, roster: "Roster") -> bool:
        """Use this roster from now on. False, and nothing changes, if it is not newer than the one in force."""
        old = self.roster
        if old is not None and roster.version_ms <= old.version_ms:
            return False
        recorded = {}
        for listed in roster.sessions:
            recorded[listed.window.id] = bytearray((listed.count + 7) // 8)
        if old is not None:
            for listed in old.sessions:
                self._carry_over(old, listed, roster, recorded)
        self._recorded = recorded
        self.roster = roster
        return True

    def judge(self, tokens: list, reading, now_ms: int) -> "Judged":
        """The verdict for a card with these tokens (8 bytes each) at a `clock.Reading`. now_ms: since the boot, by which
        a repeat is told: the time of day may be set right between two taps. Changes nothing."""
        if reading.wall_ms is None or self.roster is None:
            return Judged(verdict.UNCHECKED, None)
        at_ms = reading.wall_ms
        early, late = at_ms - reading.uncertainty_ms, at_ms + reading.uncertainty_ms
        mine, recorded = self._windows(tokens, early, late)
        answer = None
        for remembered in self._answers:
            if remembered.token in tokens:
                answer = decide.Answer(remembered.session, now_ms - remembered.boot_ms, 0)
        worth = decide.worth(mine, recorded, answer, at_ms, reading.uncertainty_ms)
        if worth.session is not None:
            return Judged(verdict.GREEN, worth.session)
        if not worth.sure or not self.roster.is_fresh(late):
            return Judged(verdict.UNCHECKED, None)
        if self.session_open(early) and self.session_open(late):
            return Judged(verdict.NOT_LISTED, None)
        for listed in self.roster.sessions:
            if listed.window.opens_ms <= late and early <= listed.window.closes_ms:
                return Judged(verdict.UNCHECKED, None)  # open for a part of the time that it may have been
        return Judged(verdict.NO_SESSION, None)

    def recorded(self, tokens: list, judged: "Judged", now_ms: int) -> None:
        """The swipe that was judged so at now_ms is on stable storage: remember the answer."""
        if judged.verdict != verdict.GREEN:
            return
        self._answers = [a for a in self._answers if now_ms - a.boot_ms < decide.REPEAT_MS][-(ANSWERS_MAX - 1) :]
        for answer in self._answers:
            if answer.token in tokens:
                break  # a repeat: the two minutes run from the first answer
        else:
            self._answers.append(_Remembered(tokens[0], judged.session, now_ms))
        for listed in self.roster.sessions:
            if listed.window.id == judged.session:
                for token in tokens:
                    place = self.roster.find(listed, token)
                    if place >= 0:
                        self._recorded[judged.session][place // 8] |= 1 << (place % 8)

    def session_open(self, at_ms: int) -> bool:
        """Whether any session's window is open at this door: the blue light (PORT-2)."""
        if self.roster is not None:
            for listed in self.roster.sessions:
                if decide.is_open(listed.window, at_ms):
                    return True
        return False

    def session_ended(self, after_ms: int, until_ms: int) -> bool:
        """Whether a session's window closed after `after_ms` and not after `until_ms`: a head is stated then."""
        if self.roster is not None:
            for listed in self.roster.sessions:
                if after_ms < listed.window.closes_ms <= until_ms:
                    return True
        return False

    def _windows(self, tokens, early, late):
        # Only what can be open then: each search of a list leaves a dozen small objects on the heap.
        mine = []
        recorded = []
        for listed in self.roster.sessions:
            if listed.window.opens_ms > late or early > listed.window.closes_ms:
                continue
            for token in tokens:
                place = self.roster.find(listed, token)
                if place >= 0:
                    mine.append(listed.window)
                    if self._recorded[listed.window.id][place // 8] >> (place % 8) & 1:
                        recorded.append(listed.window.id)
                    break
        return mine, recorded

    def _carry_over(self, old, listed, roster, recorded):
        bits = self._recorded[listed.window.id]
        for now in roster.sessions:
            if now.window.id != listed.window.id:
                continue
            for place in range(listed.count):
                if bits[place // 8] >> (place % 8) & 1:
                    moved = roster.find(now, old.token(listed, place))
                    if moved >= 0:
                        recorded[now.window.id][moved // 8] |= 1 << (moved % 8)
