"""Asking for a change: one request of one or many students, with its reason and files. The same asked twice is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from server.errors import NotAllowed, NotFound, Refused, StoreError
from server.policy.profile import Profile, Profiles
from server.scope import Scope
from server.store import (
    attachments,
    campus,
    coded,
    derivations,
    holders,
    notes,
    page_requests,
    request_lines,
    request_quotas,
    request_situations,
    request_terms,
)
from server.store.attachments import Ready
from server.store.request_kinds import (
    BURSARY,
    CANCELLATION,
    KINDS,
    MARKS,
    REMOVAL,
    RESTORATION,
    SUBMISSION,
    TRANSFER,
    WHOLE,
)
from server.store.request_situations import Situation
from server.store.request_terms import Terms
from server.store.requests import ASKED, OPEN, REASON_MOST, send, tell
from server.store.schema import class_group
from server.store.schema_work import change_request, change_request_line
from server.store.upsert import new_id

LINES_MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Line:
    """One student, and the mark that is wanted. seen_mark_id: the mark that held when it was asked; 0: none."""

    person_id: int
    code: str | None = None
    late_min: int | None = None
    early_min: int | None = None
    seen_mark_id: int = 0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody asks for."""

    kind: str
    lines: tuple[Line, ...]
    reason: str
    files: tuple[Ready, ...] = ()
    #: the code of the class that a transfer leads to
    to_class: str = ""


def ask(
    connection: Connection,
    folder: Path,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    wish: Wish,
    now_ms: int,
) -> int:
    """Ask for a change. Returns the request's id; the same asked twice is one.

    Raises NotFound(`session`), NotAllowed or Refused(`request-tier`, `request-self`, `request-there`, `request-quota`,
    `mark-changed`),
    StoreError(`request-lines`, `request-reason`, `request-evidence`, `request-class`, `mark-*`, `file-*`).
    """
    now = request_situations.of(connection, scope, profiles, session_id, now_ms)
    derivations.lock_registers(connection, scope.institution_id, [session_id])
    if wish.kind in WHOLE:
        wish = replace(wish, lines=_everybody(connection, now))
    lines = _checked_lines(connection, scope, now, wish)
    terms = _terms(connection, now, wish, lines)
    if scope.person_id is not None and any(line.person_id == scope.person_id for line in lines):
        raise NotAllowed("request-self", "nobody asks for a change of their own mark: another must ask for it")
    reason = wish.reason.strip()
    if not reason or len(reason) > REASON_MOST:
        raise StoreError(
            "request-reason", f"write the reason, in at most {REASON_MOST} signs: {terms.rule} asks for it"
        )
    if "evidence" in terms.needs and not wish.files:
        what = {TRANSFER: "the transfer form", REMOVAL: "the form"}.get(wish.kind, "the evidence")
        raise StoreError("request-evidence", f"attach {what}: {terms.rule} asks for it")
    # Said now, and judged again when it is applied.
    request_quotas.need_left(connection, now, wish.kind, [line.person_id for line in lines])
    to_class_id = _to_class(connection, scope, now, wish)
    if (there := _asked_before(connection, scope, session_id, wish, lines, reason, to_class_id)) is not None:
        return there
    return _write(connection, folder, scope, now, wish, terms, lines, reason, to_class_id)


def _everybody(connection: Connection, now: Situation) -> tuple[Line, ...]:
    """Whoever is on the register, with the marks that hold."""
    there = derivations.marks_of(connection, [now.session.id], now.members)
    return tuple(
        Line(person_id=one, seen_mark_id=there[key].id if (key := (now.session.id, one)) in there else 0)
        for one in now.members
    )


def _checked_lines(connection: Connection, scope: Scope, now: Situation, wish: Wish) -> tuple[Line, ...]:
    if wish.kind not in KINDS:
        raise StoreError("request-kind", f"a request is for one of: {', '.join(KINDS)}")
    lines = wish.lines
    if not lines or len(lines) > LINES_MOST or len({line.person_id for line in lines}) != len(lines):
        raise StoreError("request-lines", "choose at least one student, and each of them once")
    there = {
        person: row
        for (_, person), row in derivations.marks_of(
            connection, [now.session.id], [line.person_id for line in lines]
        ).items()
    }
    known = set(now.members) | (set(there) if wish.kind in (MARKS, BURSARY) else set())
    if any(line.person_id not in known for line in lines):
        raise StoreError("mark-person", "one of these students is not on the register: load the page again")
    changed = [
        line.person_id
        for line in lines
        if (there[line.person_id].id if line.person_id in there else 0) != line.seen_mark_id
    ]
    if changed:
        names = ", ".join(page_requests.person_names(connection, changed[:3]).values())
        raise Refused("mark-changed", f"the mark of {names} was changed while you looked: look again, then ask")
    if wish.kind == MARKS:
        _need_changes(connection, now.profile, lines, there)
    return lines


def _need_changes(connection: Connection, profile: Profile, lines: Sequence[Line], there: Mapping[int, Any]) -> None:
    for line in lines:
        about = profile.codes.get(line.code or "")
        minutes = (line.late_min, line.early_min)
        if any(one is not None and not 0 <= one <= 1440 for one in minutes):
            raise StoreError("mark-minutes", "minutes are a whole number from 0 to 1440")
        if about is not None and about.minutes and minutes == (None, None):
            raise StoreError("mark-minutes", f"{line.code}: say how many minutes were missed, late or left early")
        held = there.get(line.person_id)
        now = (held.code, held.late_min, held.early_min) if held is not None else (None, None, None)
        if now == (line.code, *minutes):
            name = next(iter(page_requests.person_names(connection, [line.person_id]).values()))
            raise StoreError("request-same", f"{name} has this mark already: choose another, or leave it out")


def _terms(connection: Connection, now: Situation, wish: Wish, lines: Sequence[Line]) -> Terms:
    if wish.kind == MARKS:
        wanted = {line.person_id: line.code for line in lines}
        return request_terms.of_marks(connection, now, wanted, evidence=bool(wish.files))
    if wish.kind == CANCELLATION:
        return request_terms.of_cancellation(now)
    if wish.kind == RESTORATION:
        return request_terms.of_restoration(now)
    if wish.kind == SUBMISSION:
        return request_terms.of_submission(now)
    if wish.kind == BURSARY:
        return request_terms.of_bursary(now)
    return request_terms.of_list(connection, now, wish.kind, [line.person_id for line in lines])


def _to_class(connection: Connection, scope: Scope, now: Situation, wish: Wish) -> int | None:
    if wish.kind != TRANSFER:
        return None
    if not wish.to_class.strip():
        raise StoreError("request-class", "write the code of the class to which the learner goes")
    try:
        found = coded.one(connection, scope.institution_id, class_group, wish.to_class.strip())
    except NotFound as error:
        raise StoreError("request-class", str(error)) from error
    if found in request_terms.classes_of(connection, now.session.id):
        raise StoreError("request-class", "the learner is on this class's list already: write another class")
    return found


def _asked_before(
    connection: Connection,
    scope: Scope,
    session_id: int,
    wish: Wish,
    lines: Sequence[Line],
    reason: str,
    to_class_id: int | None,
) -> int | None:
    """The open request by which this scope has asked for exactly this."""
    mine = connection.execute(
        select(change_request).where(
            change_request.c.session_id == session_id,
            change_request.c.asked_by_account_id == scope.account_id,
            change_request.c.kind == wish.kind,
            change_request.c.state == OPEN,
        )
    ).all()
    wanted = {(line.person_id, line.code, line.late_min, line.early_min) for line in lines}
    for row in mine:
        there = {
            (line.person_id, line.code, line.late_min, line.early_min) for line in request_lines.of(connection, row.id)
        }
        if there != wanted or row.to_class_id != to_class_id:
            continue
        files = {one.sha256 for one in attachments.of(connection, scope.institution_id, attachments.REQUEST, [row.id])}
        same = page_requests.note_text(connection, row.reason_note_id) == reason
        if same and {one.sha256 for one in wish.files} <= files:
            return row.id
        raise Refused(
            "request-there",
            f"you have asked for this already, by request {row.id}: add your evidence there, or withdraw it first",
        )
    return None


def _write(
    connection: Connection,
    folder: Path,
    scope: Scope,
    now: Situation,
    wish: Wish,
    terms: Terms,
    lines: Sequence[Line],
    reason: str,
    to_class_id: int | None,
) -> int:
    institution_id, session_id, now_ms = scope.institution_id, now.session.id, now.now_ms
    note_id = notes.add(connection, institution_id, reason, scope.account_id, now_ms)
    request_id = new_id(
        connection.execute(
            change_request.insert().values(
                institution_id=institution_id,
                session_id=session_id,
                kind=wish.kind,
                tier=terms.tier,
                rule=terms.rule,
                approvals=",".join(terms.approvals),
                to_class_id=to_class_id,
                asked_by_account_id=scope.account_id,
                reason_note_id=note_id,
                seen_version=page_requests.version_of(connection, session_id),
                created_ms=now_ms,
            )
        )
    )
    connection.execute(
        change_request_line.insert(),
        [
            {
                "institution_id": institution_id,
                "request_id": request_id,
                "person_id": line.person_id,
                "from_mark_id": line.seen_mark_id or None,
                "code": line.code,
                "late_min": line.late_min,
                "early_min": line.early_min,
            }
            for line in lines
        ],
    )
    for ready in wish.files:
        attachments.add(connection, folder, scope, attachments.REQUEST, request_id, ready.file_name, ready, now_ms)
    copied = _copy(connection, scope, now, terms, request_id)
    tell(
        connection,
        scope,
        session_id,
        ASKED,
        now_ms,
        request=request_id,
        of=wish.kind,
        tier=terms.tier,
        rule=terms.rule,
        lines=[
            {
                name: value
                for name, value in (
                    ("person", line.person_id),
                    ("from", line.seen_mark_id or None),
                    ("code", line.code),
                    ("late", line.late_min),
                    ("early", line.early_min),
                )
                if value is not None
            }
            for line in lines
        ],
        note=notes.cited(connection, [note_id])[note_id],
        files=[one.sha256 for one in wish.files],
        copied=copied,
        **({"to_class": to_class_id} if to_class_id is not None else {}),
    )
    campus.write_down(connection, scope, "request.make", f"request/{request_id}", now_ms)
    return request_id


def _copy(connection: Connection, scope: Scope, now: Situation, terms: Terms, request_id: int) -> list[int]:
    """Write to whoever gets a copy (LOUGH-32). Returns their accounts."""
    asker = page_requests.account_names(connection, [scope.account_id]).get(scope.account_id, "somebody")
    told = []
    for role in terms.copies:
        for one in holders.of_session(connection, scope.institution_id, now.session.id, role, now.now_ms):
            if one.account_id == scope.account_id or one.account_id in told:
                continue
            told.append(one.account_id)
            if one.person_id is not None:
                text = f"{asker} has asked for a change to the register of {now.session.title}: request {request_id}."
                send(
                    connection,
                    scope,
                    one.person_id,
                    now.session.id,
                    "request-copy",
                    "A change was asked for",
                    text,
                    now.now_ms,
                )
    return told
