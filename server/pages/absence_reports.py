"""Reporting an absence: students by themselves, staff for a telephone call (LOUGH-19, LOUGH-20)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.derive import absence_routes
from server.errors import NotAllowed, NotFound, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.pages.student import own
from server.pages.upload import Sent, files_and_fields
from server.store import attachments, attendance, notes, people, reported_absences, standing
from server.store.absence_kinds import PARENT, PHONE, SELF, STAFF
from server.store.attachments import Ready
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Upload = Annotated[Sent, Depends(files_and_fields)]

#: days around now of which the form offers the classes
OFFER_BACK, OFFER_AHEAD = 2, 14
#: problems that the form itself shows; others are pages of their own
_IN_FORM = ("absence-", "file-", "session", "text-")
#: characters of who called
CALLER_MAX = 200


class Wrong(StoreError):
    """What was filled in cannot be used: shown in the form."""

    status = 422


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a form of absence says."""

    from_ms: int
    to_ms: int
    session_ids: tuple[int, ...]
    leave: bool
    reason: str


def _read(fields: Mapping[str, str], offered: list[attendance.Coming], local: Local) -> _Asked:
    """Raises Wrong(`absence-*`)."""
    by_id = {one.session_id: one for one in offered}
    named = [by_id[one] for one in by_id if fields.get(f"session-{one}") == "yes"]
    first, last = fields.get("first", "").strip(), fields.get("last", "").strip()
    if named and (first or last):
        raise Wrong("absence-time", "choose classes, or fill in days: not both")
    if named:
        begins, ends = min(one.starts_ms for one in named), max(one.ends_ms for one in named)
    else:
        if not first:
            raise Wrong("absence-time", "choose the classes, or fill in the first day")
        days = [parse_day(first), parse_day(last or first)]
        if days[0] is None or days[1] is None:
            raise Wrong("absence-time", "fill in days such as 2026-11-22")
        begins, ends = local.bounds(days[0])[0], local.bounds(days[1])[1]
        if ends <= begins:
            raise Wrong("absence-time", "the last day is before the first: correct the days")
    return _Asked(
        from_ms=begins,
        to_ms=ends,
        session_ids=tuple(one.session_id for one in named),
        leave=fields.get("leave") == "yes",
        reason=notes.within(fields.get("reason", ""), reported_absences.REASON_MAX),
    )


def _offered(connection: Connection, signed: Visit, person_id: int, local: Local) -> list[attendance.Coming]:
    """The classes that a form may name: a lecturer logs what concerns their own, or whole days."""
    return attendance.for_scope(connection, signed.scope, person_id, _around(connection, person_id, local))


def _around(connection: Connection, person_id: int, local: Local) -> list[attendance.Coming]:
    today = local.today()
    begins = local.bounds(today - timedelta(days=OFFER_BACK))[0]
    ends = local.bounds(today + timedelta(days=OFFER_AHEAD))[0]
    found = attendance.between(connection, person_id, begins, ends)
    return [one for one in found if one.cancelled_ms is None]


def _send(
    connection: Connection,
    signed: Visit,
    person_id: int,
    asked: _Asked,
    files: list[Ready],
    *,
    channel: str,
    told_by: str,
    reported_ms: int,
) -> int:
    route = absence_routes.of(
        connection,
        signed.desk.profiles,
        person_id,
        from_ms=asked.from_ms,
        to_ms=asked.to_ms,
        session_ids=asked.session_ids,
        zone=standing.zone_of(connection, signed.scope.institution_id),
        wants_leave=asked.leave,
        now_ms=signed.now_ms(),
    )
    wanted = reported_absences.Wanted(
        person_id=person_id,
        kind=route.kind,
        from_ms=asked.from_ms,
        to_ms=asked.to_ms,
        session_ids=asked.session_ids,
        reason=asked.reason,
        channel=channel,
        told_by=told_by,
        reported_ms=reported_ms,
        by_faculty=route.by_faculty,
    )
    absence_id = reported_absences.report(connection, signed.scope, wanted, now_ms=signed.now_ms())
    attach(connection, signed, absence_id, files)
    return absence_id


def attach(connection: Connection, signed: Visit, absence_id: int, files: list[Ready]) -> int:
    """Attach what is not there already: a form sent twice attaches once."""
    scope, folder = signed.scope, attachments.folder_of(signed.request.app.state.settings.data_dir)
    there = {one.sha256 for one in attachments.of(connection, scope.institution_id, attachments.ABSENCE, [absence_id])}
    added = 0
    for one in files:
        if one.sha256 not in there:
            attachments.add(
                connection, folder, scope, attachments.ABSENCE, absence_id, one.file_name, one, signed.now_ms()
            )
            there.add(one.sha256)
            added += 1
    return added


def _form(
    signed: Visit,
    connection: Connection,
    person_id: int | None,
    *,
    fields: Mapping[str, str],
    problem: StoreError | None = None,
    number_problem: str = "",
) -> Response:
    local = signed.local(connection)
    is_own = person_id is not None and person_id == signed.scope.person_id
    sessions, who, kinds = [], None, set()
    if person_id is not None:
        who = attendance.student(connection, signed.scope, person_id)
        around = _around(connection, person_id, local)
        kinds = {kind for one in around for kind in signed.desk.profile(one.profile, one.starts_ms).absences}
        for one in attendance.for_scope(connection, signed.scope, person_id, around):
            sessions.append(
                {
                    "id": one.session_id,
                    "title": one.title,
                    "when": f"{local.dated(one.starts_ms)}, {local.time(one.starts_ms)} – {local.time(one.ends_ms)}",
                    "mark": one.code,
                    "checked": fields.get(f"session-{one.session_id}") == "yes",
                }
            )
    told_day, told_time = local.iso(local.now_ms)
    return page(
        signed.request,
        "absence_form.html",
        status=200 if problem is None and not number_problem else 422,
        login=signed.login,
        csrf=signed.login.csrf,
        own=is_own,
        who=who,
        number=fields.get("number", ""),
        number_problem=number_problem,
        sessions=sessions,
        leave_known="leave" in kinds,
        short_needs_none=bool(kinds) and "reported" not in kinds,
        fields={
            "first": fields.get("first", ""),
            "last": fields.get("last", ""),
            "reason": fields.get("reason", ""),
            "leave": fields.get("leave", ""),
            "channel": fields.get("channel", PHONE),
            "told_by": fields.get("told_by", ""),
            "told_day": fields.get("told_day", told_day),
            "told_time": fields.get("told_time", told_time),
        },
        reason_max=reported_absences.REASON_MAX,
        caller_max=CALLER_MAX,
        problem=words.sentence(problem) if problem is not None else None,
    )


def _own_form(problem: StoreError) -> bool:
    return problem.code.startswith(_IN_FORM) and not isinstance(problem, NotAllowed)


@router.get("/me/absence")
@act("attendance.own")
def ask(signed: Signed, session: str = "") -> Response:
    """The form in which a student reports an absence. session: a class to be chosen beforehand."""
    person_id = own(signed)
    chosen = {f"session-{session}": "yes"} if session.isascii() and session.isdigit() else {}
    with reading(signed.engine) as connection:
        return _form(signed, connection, person_id, fields=chosen)


@router.post("/me/absence")
@act("attendance.own")
def report(signed: Signed, sent: Upload) -> Response:
    """A student reports an absence (LOUGH-19). Sent twice it is reported once."""
    person_id = own(signed)
    try:
        files = sent.ready()
        with writing(signed.engine) as connection:
            local = signed.local(connection)
            asked = _read(sent.fields, _offered(connection, signed, person_id, local), local)
            _send(connection, signed, person_id, asked, files, channel=SELF, told_by="", reported_ms=local.now_ms)
    except StoreError as error:
        if not _own_form(error):
            raise
        with reading(signed.engine) as connection:
            return _form(signed, connection, person_id, fields=sent.fields, problem=error)
    return RedirectResponse("/me?said=reported", status_code=303)


@router.get("/absences/new")
@act("absence.log")
def ask_for(signed: Signed, person: str = "") -> Response:
    """The form in which staff log a telephone call (LOUGH-20): first whose, then what. person: an id."""
    with reading(signed.engine) as connection:
        if not person:
            return _form(signed, connection, None, fields={})
        return _form(signed, connection, _in_care(connection, signed, person), fields={})


@router.post("/absences/new/student")
@act("absence.log")
def whose(signed: Signed, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
    """Whose absence it is, by their number, which never stands in an address."""
    check_csrf(fields, signed.login)
    typed = fields.get("number", "")
    with reading(signed.engine) as connection:
        try:
            person_id = _student(connection, signed, typed)
        except NotFound as error:
            return _nobody(signed, connection, typed, error)
    return RedirectResponse(f"/absences/new?person={person_id}", status_code=303)


def _nobody(signed: Visit, connection: Connection, typed: str, error: NotFound) -> Response:
    told = words.sentence(error)
    return _form(signed, connection, None, fields={"number": typed[:255]}, number_problem=told)


def _in_care(connection: Connection, signed: Visit, person: str) -> int:
    """The student with this id. Raises NotFound(`person`)."""
    return people.need(connection, signed.scope, number(person, "person"), "absence.log")


def _student(connection: Connection, signed: Visit, typed: str) -> int:
    """Whose number it is. Raises NotFound(`person`) in the same words, be there nobody or somebody else's student."""
    try:
        found = people.by_external_id(connection, signed.scope.institution_id, typed.strip()[:255])
        return people.need(connection, signed.scope, found, "absence.log")
    except NotFound:
        raise NotFound("person", "no student in your care has this number: write it as on their card") from None


@router.post("/absences/new")
@act("absence.log")
def log(signed: Signed, sent: Upload) -> Response:
    """Log what somebody was told: by the student, a parent or a carer (LOUGH-20). Sent twice it is logged once."""
    fields = sent.fields
    with reading(signed.engine) as connection:
        if not fields.get("person"):
            return _nobody(signed, connection, "", NotFound("person", "give the student's number first"))
        person_id = _in_care(connection, signed, fields["person"])
    try:
        files = sent.ready()
        with writing(signed.engine) as connection:
            local = signed.local(connection)
            asked = _read(fields, _offered(connection, signed, person_id, local), local)
            channel = fields.get("channel", "")
            if channel not in (PHONE, PARENT, STAFF):
                raise Wrong("absence-channel", "choose how it was told")
            told_by = notes.within(fields.get("told_by", ""), CALLER_MAX)
            if channel == PARENT and not told_by:
                raise Wrong("absence-channel", "say who called: which parent or carer")
            reported_ms = min(_told(fields, local), local.now_ms + 60_000)
            absence_id = _send(
                connection, signed, person_id, asked, files,
                channel=channel, told_by=told_by if channel == PARENT else "", reported_ms=reported_ms,
            )  # fmt: skip
    except StoreError as error:
        if not _own_form(error):
            raise
        with reading(signed.engine) as connection:
            return _form(signed, connection, person_id, fields=fields, problem=error)
    return RedirectResponse(f"/absences/{absence_id}?said=reported", status_code=303)


def _told(fields: Mapping[str, str], local: Local) -> int:
    """When the call came. Raises Wrong(`absence-told`)."""
    day: date | None = parse_day(fields.get("told_day", "").strip())
    try:
        clock = time.fromisoformat(fields.get("told_time", "").strip()[:5])
    except ValueError:
        clock = None
    at_ms = local.ms(day, clock) if day is not None and clock is not None else None
    if at_ms is None:
        raise Wrong("absence-told", "fill in when it was told: a day and a time, such as 08:30")
    # A form is filled in to the minute, and a call of this minute is not later than now.
    return min(at_ms, local.now_ms) if at_ms - local.now_ms < 60_000 else at_ms
