"""Two live copies of one reader, such as a cloned SD card: seen in what it says, whichever way it shows (docs/misuse.md).

Two journals that follow one are told where journals open (server/deliveries.py). Here: a journal that goes on after
another followed it, two things under one number, and heads of two boards at once. Everything authentic is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from server.intake.answering import Said
from server.intake.desk import Desk
from server.policy import two_boards
from server.store import alarms, heads, journals, readers

TEXT = "find the second board and give it a name of its own, then close this: until then nobody is absent here"


class TwoBoards:
    """Looks at one delivery, once its journals are written."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def look(self, grown: Iterable[int], stated: Iterable[Said]) -> None:
        """grown: ids of journals that are longer now, or that another one follows. stated: heads that came."""
        for row in journals.outgrown(self.desk.connection, grown):
            found = self.desk.by_id[row.reader_id]
            subject = f"{found.name}/{row.journal}"
            # Once: the board that stays goes on with its journal, and that is nothing new.
            if self._last(found, subject) is None:
                self._tell(found, subject, "a journal went on after another had followed it")
        walls: dict[int, list[int]] = {}
        for _, found, said in stated:
            if said.values["clock"] != "none" and said.values["wall_ms"] is not None:
                walls.setdefault(found.id, []).append(said.values["wall_ms"])
        for reader_id, times in sorted(walls.items()):
            self._speak(self.desk.by_id[reader_id], min(times), max(times))

    def _speak(self, found: readers.Reader, first_ms: int, last_ms: int) -> None:
        near_ms = two_boards.WITHIN_MS
        near = heads.near(self.desk.connection, found.id, first_ms - near_ms, last_ms + near_ms)
        if not two_boards.is_two(near):
            return
        last = self._last(found, found.name)
        # What a person has closed speaks of heads until then.
        if last is None or last[0] or two_boards.is_two(one for one in near if one.wall_ms > last[1]):
            self._tell(found, found.name, "two boards speak under this name at once")

    def _last(self, found: readers.Reader, subject: str) -> tuple[bool, int] | None:
        return alarms.last(self.desk.connection, found.institution_id, alarms.CLONE, subject)

    def conflict(self, found: readers.Reader, journal: str) -> None:
        """It said two different things under one number, and both are its key's."""
        self._tell(found, f"{found.name}/{journal}", "two boards write one journal")

    def _tell(self, found: readers.Reader, subject: str, what: str) -> None:
        self.desk.alarm(
            found, alarms.CLONE, subject, f"{found.name}: {what}: a cloned or restored board. Both are kept; {TEXT}"
        )
