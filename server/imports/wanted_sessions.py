"""The sessions that a calendar's events ask for, matched with the classes and rooms that are known."""

from __future__ import annotations

from server.imports import matching
from server.imports.badrows import BadRows, quoted
from server.imports.occurrences import Occurrence
from server.imports.progress import Progress
from server.imports.rules import SKIP, Rules, plain
from server.imports.timetable_plan import WantedSession
from server.store import imported_sessions

#: more unmatched events than this are told together
_MOST_SKIPPED_TOLD = 50


def of(
    events: list[Occurrence],
    rules: Rules,
    held: imported_sessions.HeldTimetable,
    all_cancelled: bool,
    file: str,
    bad: BadRows,
    notes: list[str],
    tell: Progress,
) -> list[WantedSession]:
    """The sessions of these events. all_cancelled: the file cancels every event in it. What cannot be used goes to `bad`,
    under the file's name; what was left out, and why, to `notes`.

    Codes: event-class, event-class-ambiguous, event-room.
    """
    codes = matching.Codes(held.classes)
    spelled = {plain(code): code for code in held.rooms}
    known = {(one.uid, one.recurrence_id) for one in held.sessions}
    wanted: list[WantedSession] = []
    skipped: list[int] = []
    ignored = 0
    for number, event in enumerate(events):
        if not number % 500:
            tell.step("matching", number, len(events))
        if matching.ignored(event, rules):
            ignored += 1
            continue
        cancelled = event.cancelled or all_cancelled
        found = matching.classes(event, rules, codes)
        ids = [class_id for code in found for class_id in held.classes[code]]
        rooms = matching.rooms(event, rules)
        if not cancelled:
            problems = _problems(event, found, rooms, held)
            if not found and rules.unmatched == SKIP:
                skipped.append(event.line)
                continue
            for code, text in problems:
                bad.add(file, event.line, code, text)
            if problems:
                continue
        elif (event.uid, event.recurrence_id) not in known and not ids:
            continue
        wanted.append(
            WantedSession(
                line=event.line,
                uid=event.uid,
                recurrence_id=event.recurrence_id,
                title=" ".join(event.summary.split()) or ", ".join(found) or "Session",
                kind=rules.kind,
                starts_ms=event.starts_ms,
                ends_ms=event.ends_ms,
                cancelled=cancelled,
                classes=frozenset(ids),
                # The spelling that we know already, where only case or blanks differ.
                rooms=frozenset(spelled.setdefault(plain(room), room) for room in rooms),
            )
        )
    if ignored:
        notes.append(f"{ignored} events are ignored by the rules")
    if skipped:
        lines = ", ".join(map(str, sorted(set(skipped))[:_MOST_SKIPPED_TOLD]))
        notes.append(f"{len(skipped)} events name no class that is known: left out (lines {lines}, …)")
    return wanted


def _problems(
    event: Occurrence, found: list[str], rooms: list[str], held: imported_sessions.HeldTimetable
) -> list[tuple[str, str]]:
    problems = []
    if not found:
        text = f"names no class that is known ({quoted(event.summary)}); import the classes first, or write a rule"
        problems.append(("event-class", text))
    problems += [
        ("event-class-ambiguous", f"names {quoted(code)}, and {len(held.classes[code])} classes have that code")
        for code in found
        if len(held.classes[code]) > 1
    ]
    problems += [
        ("event-room", f"has a room with more than {matching.LONGEST_ROOM} characters: {quoted(room)}")
        for room in rooms
        if len(room) > matching.LONGEST_ROOM
    ]
    return problems
