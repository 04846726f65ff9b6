"""Enrolments as they are wanted, compared with what is held. Each is dated; none is deleted. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from server.imports.badrows import BadRows, quoted
from server.imports.bundle import BULK
from server.imports.oneroster import TEACHER
from server.imports.roster import Enrolment, Roster
from server.imports.summary import Summary
from server.store.imported import Changes, Held

Row = dict[str, Any]
#: (class id, from, to or None) -> the starts in that time of sessions whose registers are final (STEP-3)
Finals = Callable[[int, int, int | None], list[int]]


def usable(one: Enrolment, roster: Roster, held: Held, bad: BadRows) -> bool:
    """Whether the enrolment's class and user are known; where not, that is a bad row.

    Codes: enrolment-class, enrolment-user.
    """
    if not one.active:
        return True
    found = True
    for sid, name, here, there, code in (
        (one.class_sid, "classes", roster.classes, held.classes, "enrolment-class"),
        (one.user_sid, "users", roster.users, held.persons, "enrolment-user"),
    ):
        if sid in here or (roster.modes[name] != BULK and sid in there):
            continue
        found = False
        if roster.lacks(name, sid):
            word = "class" if name == "classes" else "user"
            bad.add("enrollments.csv", one.line, code, f"there is no {word} {quoted(sid)}")
    return found


def plan(
    wanted: Iterable[Enrolment],
    roster: Roster,
    held: Held,
    changes: Changes,
    summary: Summary,
    *,
    over: Callable[[str, str], bool],
    term_of: Callable[[str], tuple[int, int] | None],
    finals: Finals,
    now_ms: int,
) -> None:
    """Fill `changes`. over: whether a class or user is at an end; term_of: from when to when a class's terms last; finals:
    which registers of a class are final."""
    _Plan(wanted, roster, held, changes, summary, over, term_of, finals, now_ms).run()


def _plain(row: Row) -> Row:
    """What an import may change of a place on a list."""
    return {name: row[name] for name in ("id", "source_id", "from_ms", "to_ms", "ended_by_hand")}


class _Plan:
    """Works out one plan."""

    def __init__(
        self,
        wanted: Iterable[Enrolment],
        roster: Roster,
        held: Held,
        changes: Changes,
        summary: Summary,
        over: Callable[[str, str], bool],
        term_of: Callable[[str], tuple[int, int] | None],
        finals: Finals,
        now_ms: int,
    ) -> None:
        self._finals = finals
        self._wanted = {one.sid: one for one in wanted}
        self._bulk = roster.modes["enrollments"] == BULK
        self._held, self._now_ms, self._over, self._term_of = held, now_ms, over, term_of
        self.changes, self.summary = changes, summary

    def run(self) -> None:
        """Every enrolment of the file, then those that it does not name."""
        held = self._held.enrolments
        open_rows = [row for row in held if row["to_ms"] is None or row["to_ms"] > self._now_ms]
        self.summary.before["enrolments"] = len(open_rows)
        by_sid: dict[str, list[Row]] = {}
        for row in held:
            by_sid.setdefault(row["source_id"] or "", []).append(row)
        skipped = 0
        # The same person in the same class under a new sourcedId is the same enrolment.
        loose: dict[tuple[str, str, str], list[Row]] = {}
        for row in open_rows:
            if self._bulk and row["source_id"] not in self._wanted:
                loose.setdefault((row["class_sid"], row["user_sid"], row["role"]), []).append(row)
        # Taken off the list here: under a new sourcedId too it is the one that was taken off.
        off = {
            (row["class_sid"], row["user_sid"], row["role"]): row
            for row in held
            if self._bulk and row["ended_by_hand"] and row["source_id"] not in self._wanted
        }
        done: set[int] = set()
        for one in self._wanted.values():
            rows = by_sid.get(one.sid, [])
            rows = [row for row in rows if self._same(row, one)]
            what = (one.class_sid, one.user_sid, one.role)
            if not rows and (same := loose.get(what)):
                rows = [same.pop(0)]
            elif not rows and what in off:
                rows = [off.pop(what)]
            done.update(row["id"] for row in rows)
            if not one.active:
                for row in rows[-1:]:
                    self._end_enrolment(row, "is to be deleted")
                    self._let_go(row)
            elif self._over(one.class_sid, one.user_sid):
                skipped += 1
                for row in rows[-1:]:
                    self._end_enrolment(row, "is of a class or a person that ended")
            elif rows:
                self._keep_enrolment(one, rows)
            else:
                self._new_enrolment(one)
        for row in open_rows:
            if row["id"] in done:
                continue
            if self._over(row["class_sid"], row["user_sid"]):
                self._end_enrolment(row, "is of a class or a person that ended")
            elif self._bulk:
                self._end_enrolment(row, "is not in enrollments.csv any more")
        if self._bulk:
            for row in held:
                if row["id"] not in done:
                    self._let_go(row)
        if skipped:
            self.summary.notes.append(f"left out: {skipped} enrolments of a class or a person that ended")

    @staticmethod
    def _same(row: Row, one: Enrolment) -> bool:
        """A sourcedId that comes to mean another person, class or role is another enrolment; the old one ends."""
        if not one.active and not one.class_sid and not one.user_sid:
            return True
        return (row["class_sid"], row["user_sid"], row["role"]) == (one.class_sid, one.user_sid, one.role)

    def _touch(self, class_sid: str, role: str) -> None:
        self.changes.lists.add(class_sid)
        if role == TEACHER:
            self.changes.teachers.add(class_sid)

    def _new_enrolment(self, one: Enrolment, from_ms: int | None = None) -> None:
        begins = one.begins_ms if from_ms is None else from_ms
        if begins is None:
            begins = self._now_ms
            if one.class_sid not in self._held.classes:
                # A new class: its list holds from the start of its term. A late starter has no such past.
                span = self._term_of(one.class_sid)
                begins = span[0] if span else 0
        ends = one.ends_ms if one.ends_ms is None or one.ends_ms >= begins else begins
        final = self._final(one.class_sid, one.role, begins, ends)
        if final:
            self._held_back(one, final)
            begins = final[-1] + 1
            if ends is not None and ends <= begins:
                return
        self.changes.new_enrolments.append(
            {
                "class_sid": one.class_sid,
                "user_sid": one.user_sid,
                "role": one.role,
                "source_id": one.sid,
                "from_ms": begins,
                "to_ms": ends,
            }
        )
        self._touch(one.class_sid, one.role)
        self.summary.add("enrolments", "added", f"enrolment {one.sid}: {one.role} {one.user_sid} in {one.class_sid}")

    def _keep_enrolment(self, one: Enrolment, rows: list[Row]) -> None:
        last = rows[-1]
        if last["ended_by_hand"] and last["to_ms"] is not None:
            self._leave_off(one, last)
            return
        over = last["to_ms"] is not None and last["to_ms"] <= self._now_ms
        still = one.ends_ms is None or one.ends_ms > self._now_ms
        if over and still and not (one.begins_ms is not None and one.ends_ms is not None):
            # Back after an end that the file says nothing of: the time between stays a gap.
            self._new_enrolment(one, self._now_ms)
            return
        begins = last["from_ms"]
        if len(rows) == 1 and one.begins_ms is not None:
            begins = one.begins_ms
        ends = one.ends_ms if one.ends_ms is None or one.ends_ms >= begins else begins
        begins, ends = self._as_final(one, last, begins, ends)
        if (begins, ends, one.sid) == (last["from_ms"], last["to_ms"], last["source_id"]):
            return
        self.changes.enrolments.append({**_plain(last), "source_id": one.sid, "from_ms": begins, "to_ms": ends})
        ended = ends is not None and ends <= self._now_ms and not over
        if (begins, ends) != (last["from_ms"], last["to_ms"]):
            self._touch(last["class_sid"], last["role"])
        self.summary.add("enrolments", "ended" if ended else "changed", f"enrolment {one.sid}: its dates or id")

    def _final(self, class_sid: str, role: str, from_ms: int, to_ms: int | None) -> list[int]:
        """The starts, in that time, of the class's sessions whose registers are final: they rest on its list as it is."""
        row = self._held.classes.get(class_sid)
        if row is None or role == TEACHER or from_ms >= self._now_ms:
            return []
        return self._finals(row["id"], from_ms, to_ms)

    def _as_final(self, one: Enrolment, last: Row, begins: int, ends: int | None) -> tuple[int, int | None]:
        """Begin and end as far as no final register has one student more or fewer by them (STEP-3)."""
        was_from, was_to = last["from_ms"], last["to_ms"]
        back: list[int] = []
        if begins != was_from:
            final = self._final(one.class_sid, one.role, min(begins, was_from), max(begins, was_from))
            if final:
                back += final
                # Earlier: from after the last of them. Later: they were on those lists, and stay on them.
                begins = final[-1] + 1 if begins < was_from else was_from
        if ends != was_to:
            earlier = was_to is None or (ends is not None and ends < was_to)
            first, second = (ends, was_to) if earlier else (was_to, ends)
            assert first is not None
            final = self._final(one.class_sid, one.role, first, second)
            if final:
                back += final
                ends = final[-1] + 1 if earlier else was_to
        if back:
            self._held_back(one, back)
        return begins, ends

    def _held_back(self, one: Enrolment, final: list[int]) -> None:
        registers = "1 register is" if len(final) == 1 else f"{len(final)} registers are"
        self.summary.notes.append(
            f"enrolment {one.sid}: {one.role} {one.user_sid} in {one.class_sid}: {registers} final since the course's lock "
            "date and stay as they are; the list changes after them only (STEP-3)"
        )

    def _leave_off(self, one: Enrolment, last: Row) -> None:
        """Taken off the list here, and the source has it still: it stays off, unless the source begins it anew after that
        (LOUGH-18)."""
        if one.begins_ms is not None and one.begins_ms > last["to_ms"]:
            self._new_enrolment(one)
            return
        self.summary.notes.append(
            f"enrolment {one.sid}: {one.role} {one.user_sid} was taken off {one.class_sid} here and stays off; end it in "
            "its source too, or drop it there and add it again to bring it back"
        )
        if last["source_id"] != one.sid:
            self.changes.enrolments.append({**_plain(last), "source_id": one.sid})
            self.summary.add("enrolments", "changed", f"enrolment {one.sid}: its dates or id")

    def _let_go(self, row: Row) -> None:
        """The source has dropped what was taken off here: if it has it again, that is its word and new."""
        if not row["ended_by_hand"] or row["to_ms"] is None or row["to_ms"] > self._now_ms:
            # Not taken off, or it ends now.
            return
        self.changes.enrolments.append({**_plain(row), "ended_by_hand": False})
        self.summary.add(
            "enrolments", "changed", f"enrolment {row['source_id']}: taken off here before, its source has ended it too"
        )

    def _end_enrolment(self, row: Row, why: str) -> None:
        if row["to_ms"] is not None and row["to_ms"] <= self._now_ms:
            return
        # One that has not begun yet never holds.
        ends = max(self._now_ms, row["from_ms"])
        if row["to_ms"] == ends:
            return
        self.changes.enrolments.append({**_plain(row), "to_ms": ends, "ended_by_hand": False})
        self._touch(row["class_sid"], row["role"])
        text = f"enrolment {row['source_id']}: {row['role']} {row['user_sid']} in {row['class_sid']} {why}"
        self.summary.add("enrolments", "ended", text)
