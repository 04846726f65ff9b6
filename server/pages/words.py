"""What the pages say, in plain words that tell what to do next. Pure: facts in, words out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from server.pages.local import Local
from server.policy import days, deadlines
from server.policy.profile import Profile
from server.policy.sections import ATTENDANCE, ATTENDED, DID_NOT, HALF, NOT_REQUIRED
from server.store.page_register import DoorSeen, Step
from server.store.registers import Outage, Register, Row
from server.store.session_rows import SessionRow

#: a reader says something each minute; after this it counts as not heard
QUIET_MS = 150_000


class Said(NamedTuple):
    """A sentence, and how serious it is: good, calm, late, bad, or '' for neither. The word carries it, not the colour."""

    kind: str
    text: str


def effect(profile: Profile, code: str) -> str:
    """What a code does in the attendance ledger; a code of an older profile does nothing."""
    known = profile.codes.get(code)
    return known.effects.get(ATTENDANCE, NOT_REQUIRED) if known else NOT_REQUIRED


def kind_of(profile: Profile, code: str | None) -> str:
    """How a code is coloured."""
    if code is None:
        return ""
    if code == profile.late:
        return "late"
    return {ATTENDED: "good", HALF: "late", DID_NOT: "bad"}.get(effect(profile, code), "calm")


def counts(profile: Profile, rows: Sequence[Row]) -> dict[str, int | None]:
    """The numbers above a register. Not required leaves nothing to wait for; `late` is None where nobody can be."""
    found = Counter(effect(profile, row.code) for row in rows if row.code is not None)
    present = sum(profile.was_there(row.code) for row in rows)
    return {
        "expected": sum(row.listed for row in rows),
        "present": present,
        "late": sum(row.code == profile.late for row in rows) if profile.late else None,
        "absent": found[DID_NOT],
        #: whoever counts as attended elsewhere too, as on a trip
        "other": found.total() - present - found[DID_NOT],
        "unseen": sum(row.code is None for row in rows),
        #: whom the profile shows with a mark that is nobody's yet
        "shown": sum(row.code is None and row.listed for row in rows) if profile.shown else 0,
        "unverified": sum(row.code is not None and not row.verified for row in rows),
    }


def mark_words(profile: Profile, code: str | None, late_min: int | None, early_min: int | None) -> str:
    """`present`, `late, 7 min`."""
    if code is None:
        return "not marked"
    known = profile.codes.get(code)
    said = known.meaning if known else "a mark of an older profile"
    if late_min is None and early_min is None:
        return said
    if code == profile.late:
        parts = [f"late, {late_min} min"] if late_min is not None else []
        parts += [f"left {early_min} min early"] if early_min is not None else []
        return "; ".join(parts)
    return f"{said}; {missed(late_min, early_min)}" if profile.takes_minutes(code) else said


#: more students than this of whom the rules say otherwise are only counted
_MOST_OTHERWISE = 10


def shifts(profile: Profile, row: SessionRow, rows: Sequence[Row], used: Mapping[int, int]) -> list[Said]:
    """Whose full, half or absent is not what the rules make of the minutes and of the occasions used: for whoever submits
    the day (DDU-3, DDU-4). used: person id -> occasions."""
    kind = days.kind_of(profile, length_min=(row.ends_ms - row.starts_ms) // 60_000)
    said = []
    for one in rows:
        if one.late_min is None and one.early_min is None:
            continue
        shift = days.Shift(
            kind=kind, late_min=one.late_min or 0, early_min=one.early_min or 0, occasions=used.get(one.person_id, 0)
        )
        if (found := days.otherwise(profile, shift, one.code)) is not None:
            said.append(f"{one.full_name} has {one.code}, and {profile.shifts[kind].rule} says {found.decision.code}. "
                        f"{found.text}")  # fmt: skip
    more = [f"And {len(said) - _MOST_OTHERWISE} more."] if len(said) > _MOST_OTHERWISE else []
    return [Said("late", text) for text in (*said[:_MOST_OTHERWISE], *more)]


def missed(late_min: int | None, early_min: int | None) -> str:
    """`7 min late`, `left 10 min early`."""
    parts = [f"{late_min} min late"] if late_min is not None else []
    parts += [f"left {early_min} min early"] if early_min is not None else []
    return "; ".join(parts) or "late"


def rows_of(
    profile: Profile, rows: Sequence[Row], local: Local, *, session: SessionRow, guests: Collection[int]
) -> dict[int, dict[str, Any]]:
    """person -> what their line of the register shows, in the register's order. guests: added by hand."""
    kinds = {code: kind_of(profile, code) for code in {row.code for row in rows}}
    unseen = "not seen" if local.now_ms > session.closes_ms else "not seen yet"
    if session.cancelled_ms is not None:
        unseen = ""
    return {
        row.person_id: _row_of(profile, row, local, unseen=unseen, kind=kinds[row.code])
        | {"walk_in": row.person_id in guests}
        for row in rows
    }


def _row_of(profile: Profile, row: Row, local: Local, *, unseen: str, kind: str) -> dict[str, Any]:
    notes = []
    if row.flag == "time_unsure":
        notes.append(Said("late", "time unsure: check"))
    if row.proposal is not None:
        says = "says otherwise" if row.proposal == "-" else f"says {row.proposal}"
        notes.append(Said("late", f"the door {says}: check"))
    if row.code is not None and not row.counts:
        notes.append(Said("calm", "to verify"))
    if row.source in ("person", "import"):
        notes.append(Said("", "by hand" if row.source == "person" else "imported"))
    words = mark_words(profile, row.code, row.late_min, row.early_min)
    if row.code is None and row.flag is None:
        words = unseen or "class cancelled"
        if unseen and profile.shown and row.listed:
            words = f"{words}: {mark_words(profile, profile.shown, None, None)} by default"
    return {
        "person_id": row.person_id,
        "at_ms": row.at_ms,
        "full_name": row.full_name,
        "external_id": row.external_id,
        "mark_id": row.mark_id,
        "listed": row.listed,
        "proposal": row.proposal,
        "code": row.code,
        "kind": kind,
        "words": words,
        "notes": notes,
        #: a tap that a page which is open does not show yet
        "fresh": False,
        "at": local.seconds(row.at_ms) if row.at_ms is not None else None,
    }


def session_state(row: SessionRow, now_ms: int, local: Local) -> Said:
    """Open now, coming, ended or cancelled."""
    if row.cancelled_ms is not None:
        return Said("", "cancelled")
    if now_ms < row.opens_ms:
        return Said("", f"opens {local.time(row.opens_ms)}")
    return Said("good", "open now") if now_ms <= row.closes_ms else Said("", "ended")


def marking_state(
    profile: Profile,
    row: SessionRow,
    facts: Mapping[str, Any],
    marked_ms: int | None,
    local: Local,
    *,
    verified: bool,
) -> list[Said]:
    """Where its marking stands, in a word, with the time that is left (LOUGH-1 to 3, LOUGH-8, STEP-5).

    verified: every mark that it has is.
    """
    about = {"starts_ms": row.starts_ms, "ends_ms": row.ends_ms, "mode": facts["mode"], "zone": local.zone,
             "course_deadline_ms": facts["deadline_ms"]}  # fmt: skip
    found = deadlines.state(
        profile, **about, now_ms=local.now_ms, marked_ms=marked_ms, cancelled=row.cancelled_ms is not None,
        members=row.members,
    )  # fmt: skip
    done = "verified" if profile.verification_needed else "marked"
    if found.name == deadlines.NOT_DUE:
        return []
    if found.name == deadlines.MARKED:
        return [Said("good", done)]
    if found.name == deadlines.LATE:
        return [Said("late", f"{done} late")]
    if local.now_ms < row.starts_ms:
        return []
    said = []
    if profile.verification_needed:
        said = [Said("good", "verified") if verified else Said("late", "not verified")]
    if found.name == deadlines.UNMARKED:
        return [*said, Said("bad", "unmarked")]
    due = deadlines.marking(profile, **about)
    at_ms = due.warn_ms if due.warn_ms is not None and local.now_ms <= due.warn_ms else due.breach_ms
    if at_ms is None:
        return said or [Said("calm", "to mark")]
    if local.now_ms > at_ms:
        return [*said, Said("bad", f"was to be marked by {local.moment(at_ms)}")]
    return [*said, Said("calm", f"mark by {local.moment(at_ms)}, {local.lasting(at_ms - local.now_ms)} left")]


def evidence_tag(row: SessionRow, now_ms: int, *, has_reader: bool) -> Said | None:
    """Where a session's evidence stands, in a word or two; None: nothing to say yet."""
    if row.cancelled_ms is not None or now_ms <= row.closes_ms:
        return None
    if row.evidence == "complete":
        return Said("good", "evidence complete")
    if row.evidence == "incomplete":
        return Said("late", "evidence incomplete")
    return Said("calm", "evidence pending") if has_reader else Said("", "no reader: mark by hand")


def evidence(register: Register, doors: Sequence[DoorSeen], local: Local) -> list[Said]:
    """How the evidence of a register stands, and what to do about it."""
    row, now_ms = register.session, local.now_ms
    if row.cancelled_ms is not None:
        return [Said("", "This session is cancelled. Nobody has to be marked.")]
    said = []
    if not doors:
        said.append(Said("late", "No reader stands at a door of this session: set the marks by hand."))
    elif now_ms < row.opens_ms:
        said.append(Said("calm", f"Marking opens at {local.moment(row.opens_ms)}: the light at the door turns blue."))
    elif now_ms <= row.closes_ms:
        said.append(
            Said("good", f"Marking is open until {local.time(row.closes_ms)}. Cards tapped now show here at once.")
        )
        said += [Said("late", f"{_last_heard(one, local)}: cards tapped since then show when it is heard again.")
                 for one in doors if _is_quiet(one, now_ms)]  # fmt: skip
        said += [Said("bad", f"The reader at {one.room_code} cannot take cards now ({one.able}): call a technician, and "
                             "mark by hand meanwhile.") for one in doors if one.able not in (None, "ok")]  # fmt: skip
    elif register.evidence == "complete":
        said.append(Said("good", "The evidence is complete: every card tapped at this session's doors is here."))
    elif register.evidence == "incomplete":
        said.append(
            Said("late", "The evidence is incomplete, so nobody without a card is marked absent. Set by hand the mark "
                         "of everybody who has none.")
        )  # fmt: skip
    else:
        said.append(Said("calm", _pending(doors, row, local)))
    return said


def _is_quiet(door: DoorSeen, now_ms: int) -> bool:
    return door.seen_ms is None or now_ms - door.seen_ms > QUIET_MS


def _last_heard(door: DoorSeen, local: Local) -> str:
    if door.seen_ms is None:
        return f"The reader at {door.room_code} was never heard"
    return f"The reader at {door.room_code} was last heard {local.moment(door.seen_ms)}"


def _pending(doors: Sequence[DoorSeen], row: SessionRow, local: Local) -> str:
    behind = [one for one in doors if one.known_until_ms is None or one.known_until_ms < row.closes_ms]
    if not behind:
        return "Absences are being worked out. This takes a moment."
    quiet = [one for one in behind if _is_quiet(one, local.now_ms)]
    if quiet:
        heard = "; ".join(_last_heard(one, local).replace("The reader", "the reader") for one in quiet[:3])
        return f"Absences are not known yet: {heard}. Nothing is lost; they follow when it is heard again."
    rooms = ", ".join(dict.fromkeys(one.room_code for one in behind))
    return f"Absences are not known yet: the reader at {rooms} has not delivered everything. They follow when it has."


_WHY = {
    "dead": "was off",
    "unknown": "was not heard",
    "chip": "had lost its card chip",
    "full": "had a full journal",
    "lost": "recorded taps that nobody has any more, perhaps",
    "restored": "was replaced, and the store put back from a backup: taps may be missing",
}


def outages(found: Sequence[Outage], local: Local) -> list[Said]:
    """What every outage of a reader means for the register."""
    return [
        Said("late", f"The reader {one.reader} {_WHY.get(one.why, f'could not take cards ({one.why})')} from "
                     f"{local.time(one.from_ms)} to {local.time(one.to_ms)}. This is never held against a student.")
        for one in found[:5]
    ]  # fmt: skip


def unmatched(found: dict[str, int]) -> str | None:
    """The swipes at these doors that credited nobody and nobody looked at. Counts, never names: a class may see this."""
    parts = []
    if many := found.get("unknown_card"):
        parts.append(f"{many} with a card that Muster does not know")
    if many := found.get("red"):
        parts.append(f"{many} by somebody who is not on this list")
    if many := found.get("unsure"):
        parts.append(f"{many} that still has to be checked" if many == 1 else f"{many} that still have to be checked")
    if many := found.get("withheld"):
        parts.append(f"{many} at a reader that is believed no more")
    return f"Taps at this door that marked nobody: {', '.join(parts)}." if parts else None


def quick(profile: Profile) -> list[dict[str, str]]:
    """The marks that stand on the row of somebody who has none: present, late, absent."""
    codes = [code for code in (profile.present, profile.late, profile.absent) if code]
    return [{"code": code, "kind": kind_of(profile, code), "meaning": profile.codes[code].meaning} for code in codes]


#: keys that do something else on a register: verify, down, up, select, cancel the selection, help
_TAKEN = "vjkx?"


def keys(profile: Profile) -> list[dict[str, str]]:
    """The letter that sets each mark, where it has one: its first, unless that is taken."""
    found: dict[str, str] = {}
    # A mark of one letter goes before a longer one.
    for code in sorted(profile.codes, key=len):
        letter = code[0].lower()
        if letter not in _TAKEN and code != profile.cancels_to:
            found.setdefault(letter, code)
    return [{"key": key, "code": code, "meaning": profile.codes[code].meaning} for key, code in found.items()]


_RULES = {
    "evidence.deadline": "the evidence was still missing at the deadline",
    "evidence.outage": "a reader had an outage",
    "evidence.incomplete": "the evidence is incomplete",
    "evidence.unsure-swipe": "a card was tapped at an unsure time",
    "evidence.no-door": "no reader stands at the door",
    "derive.nothing": "what it rested on is no longer so",
    "leave.taken-back": "the absence does not cover it any more",
    "trip.taken-back": "the trip does not cover it any more",
    "cancelled.off-list": "off the list of the cancelled class",
}
#: how a mark came that somebody decided elsewhere: by its source
_DECIDED = {
    "request": "applied by",
    "leave": "absence approved by",
    "trip": "trip confirmed by",
    "cancel": "class cancelled by",
}


def step(profile: Profile, one: Step, local: Local) -> dict[str, str | None]:
    """A line of a mark's history: who, when, to what, why, on whose authority, by which rule (LOUGH-7)."""
    said = mark_words(profile, one.code, one.late_min, one.early_min)
    what = f"{one.code} – {said}" if one.code else said
    if one.source == "person":
        how = f"set by {one.by or 'staff'}"
    elif one.source in _DECIDED:
        how = f"{_DECIDED[one.source]} {one.by or 'staff'}"
    elif one.by is not None:
        how = f"verified by {one.by}"
    elif one.tapped_ms is not None:
        how = f"card tapped at {local.seconds(one.tapped_ms)}"
    elif one.source == "import":
        how = "imported"
    else:
        how = _RULES.get(one.rule, "no card was tapped" if one.code else "nothing was tapped")
    if one.authority:
        # Such as `request/12:lough.tier.7d`: whatever it rests on has a page of its own, with the reason.
        how += f" · on {one.authority.partition(':')[0].replace('/', ' ')}"
    if one.source != "person":
        how += f" · rule {one.rule}"
    return {"at": local.moment(one.created_ms), "what": what, "how": how, "note": one.note}


def digest(shown: object) -> str:
    """Stands for what is shown: another one, if anything in it differs."""
    return hashlib.blake2b(repr(shown).encode("utf-8", "replace"), digest_size=6).hexdigest()


def sentence(error: Exception) -> str:
    """An error's text as a sentence."""
    text = str(error)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


def by_command(detail: Mapping[str, Any]) -> str:
    """Who ran the command that did it, by the operating system's name of them; '': it was no command, or an older line."""
    return f"command line, {detail['console']}" if detail.get("console") else ""
