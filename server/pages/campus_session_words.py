"""What a change of a session does, in words. Pure: facts in, words out."""

from __future__ import annotations

from server.pages import campus_words as words
from server.pages.local import Local
from server.pages.words import Said
from server.store.campus_session_effects import Effect
from server.store.campus_sessions import Session


def follows(effect: Effect, local: Local) -> list[Said]:
    """What a change of a session does, in words."""
    before, after = effect.before, effect.after
    if before is after:
        return [Said("", "Nothing changes: it is so already.")]
    said = []
    if before.rooms != after.rooms:
        said.append(
            Said("calm", f"Moves from {', '.join(before.rooms) or 'no room'} to {', '.join(after.rooms) or 'no room'}.")
        )
    if effect.doors_before != effect.doors_after:
        stops = [one for one in effect.doors_before if one not in effect.doors_after]
        begins = [one for one in effect.doors_after if one not in effect.doors_before]
        if begins:
            said.append(Said("calm", f"The door of {', '.join(begins)} takes its cards from now on."))
        if stops:
            said.append(Said("", f"The door of {', '.join(stops)} takes them no more."))
    if not effect.doors_after:
        said.append(Said("late", "No reader stands at its door: it is marked by hand."))
    if (before.opens_ms, before.closes_ms) != (after.opens_ms, after.closes_ms):
        said.append(Said("calm", f"{words.many(effect.students_after, 'student')}: the window changes from "
                                 f"{_window(before, local)} to {_window(after, local)}."))  # fmt: skip
    if effect.students_before != effect.students_after:
        said.append(Said("calm", f"Its list has {words.many(effect.students_after, 'student')} instead of "
                                 f"{effect.students_before}."))  # fmt: skip
    if before.staff != after.staff:
        said.append(Said("calm", f"Taught by {', '.join(after.staff.values()) or 'nobody'}."))
    if effect.marked:
        said.append(Said("late", f"{words.many(effect.marked, 'mark')} {'stands' if effect.marked == 1 else 'stand'} on "
                                 "its register: those set by hand stay, those from cards are worked out again."))  # fmt: skip
    return said + _clashing(effect) + ([] if before.kept_by_hand else [_kept(before)])


def begins(effect: Effect, local: Local) -> list[Said]:
    """What a new session does, in words."""
    after = effect.after
    said = [Said("calm", f"{words.when(after.starts_ms, after.ends_ms, local)}, cards from {_window(after, local)}, for "
                         f"{words.many(effect.students_after, 'student')}.")]  # fmt: skip
    doors = ", ".join(effect.doors_after)
    said.append(Said("", f"The door of {doors} takes their cards." if doors else "No reader stands at its door: it is "
                     "marked by hand."))  # fmt: skip
    if not after.staff:
        said.append(Said("late", "Nobody teaches it: give it staff, or nobody sees its register."))
    return said + _clashing(effect)


def _clashing(effect: Effect) -> list[Said]:
    return [Said("bad", f"At the same time in its room: {one}.") for one in effect.room_clashes] + [
        Said("bad", f"Its staff teach at the same time: {one}.") for one in effect.staff_clashes
    ]


def _kept(before: Session) -> Said:
    return Said("", f"It is {words.source(before.source)}. From now on imports leave it as it is, and say so.")


def _window(one: Session, local: Local) -> str:
    return f"{local.moment(one.opens_ms)} – {local.time(one.closes_ms)}"
