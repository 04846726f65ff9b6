"""What is stored of attendance, absences, requests and messages, and of the campus: lines of the inventory."""

from __future__ import annotations

from sqlalchemy import and_, or_, select

from server.store import schema, schema_rights, schema_work
from server.store.inventory import (
    BYTES,
    EVERYBODY,
    NAME,
    SECRET,
    STUDENTS,
    TEXT,
    WIRE,
    WORD,
    Kept,
    Me,
    of,
)  # fmt: skip
from server.store.inventory_groups import ABSENCES, CAMPUS, MESSAGES, PROOF, REGISTERS, REQUESTS, RUNNING
from server.store.schema_misuse import misuse_flag
from server.store.schema_residence import evening_act, residence_flag, residence_leave

_S, _R, _W = schema, schema_rights, schema_work
_PERSON = ("person_id",)


def cited(me: Me):  # noqa: ANN201  a condition of SQLAlchemy's
    """The notes that rows about somebody cite, and about nobody else. Who called about an absence is none of them."""
    direct = (
        (_S.mark, "note_id"), (_S.correction, "note_id"), (_W.absence, "reason_note_id"),
        (_W.absence, "decided_note_id"), (_W.walk_in, "note_id"), (_W.swipe_resolution, "note_id"),
        (_W.remark, "note_id"), (evening_act, "note_id"), (residence_leave, "note_id"),
        (residence_leave, "answer_note_id"), (residence_flag, "note_id"),
    )  # fmt: skip
    ways = [_S.note.c.id.in_(select(table.c[name]).where(table.c.person_id == me.person)) for table, name in direct]
    # Of a pair it is about somebody else too.
    odd = and_(misuse_flag.c.person_id == me.person, misuse_flag.c.other_person_id.is_(None))
    ways.append(_S.note.c.id.in_(select(misuse_flag.c.note_id).where(odd)))
    asked = _W.change_request.c
    ways += [
        _S.note.c.id.in_(select(column).where(asked.id.in_(me.sole_requests)))
        for column in (asked.reason_note_id, asked.decided_note_id)
    ]
    return and_(_S.note.c.institution_id == me.institution, or_(*ways))


def _attached(me: Me):
    file = _W.attachment.c
    ways = (("mark", me.marks), ("absence", me.absences), ("change_request", me.sole_requests))
    return or_(*(and_(file.subject == subject, file.subject_id.in_(ids)) for subject, ids in ways))


def _history(me: Me):
    # Of a register's entries an export shows what they say of this person (store/person_export.py).
    return _W.history.c.session_id.in_(select(_S.mark.c.session_id).where(_S.mark.c.person_id == me.person))


REGISTERS_ = (
    Kept(table=_S.mark, holds="Your marks, each with who set it, when and by which rule.", group=REGISTERS,
         whose=STUDENTS, way=of(_S.mark.c.person_id), own=_PERSON),
    Kept(table=_S.mark_current, holds="Which mark holds.", group=REGISTERS, whose=STUDENTS,
         way=of(_S.mark_current.c.person_id), own=_PERSON),
    Kept(table=_S.proposal, holds="That the door says otherwise than a mark.", group=REGISTERS, whose=STUDENTS,
         way=of(_S.proposal.c.person_id), own=_PERSON),
    Kept(table=_S.correction, holds="A changed mark, by which rule and on which day.", group=REGISTERS, whose=STUDENTS,
         way=of(_S.correction.c.person_id), own=_PERSON),
    Kept(table=_S.outside_status, holds="What an outside body says of a mark.", group=REGISTERS, whose=STUDENTS,
         way=of(_S.outside_status.c.person_id), own=_PERSON),
    Kept(table=_S.note, holds="Reasons and remarks about you.", group=REGISTERS, whose=EVERYBODY, way=cited,
         columns={"salt": SECRET, "text": TEXT}),
    Kept(table=_W.remark, holds="A remark on a session or on you in it.", group=REGISTERS, whose=STUDENTS,
         way=of(_W.remark.c.person_id), own=_PERSON),
    Kept(table=_W.walk_in, holds="That you were added to a class that you were at.", group=REGISTERS, whose=STUDENTS,
         way=of(_W.walk_in.c.person_id), own=_PERSON),
    Kept(table=_W.swipe_resolution, holds="Whose a tap was that marked nobody.", group=REGISTERS, whose=STUDENTS,
         way=of(_W.swipe_resolution.c.person_id), own=_PERSON),
    Kept(table=_W.bursary_grant, holds="Bursary granted for a session.", group=REGISTERS, whose=STUDENTS,
         way=of(_W.bursary_grant.c.person_id), own=_PERSON),
    Kept(table=_W.history, holds="Everything that happened to a register, in numbers, codes and digests.", group=PROOF,
         whose=STUDENTS, way=_history, columns={"body": WIRE, "hash": BYTES}),
    # requests
    Kept(table=_W.change_request, holds="A change of a mark of yours that was asked for.", group=REQUESTS,
         whose=STUDENTS, way=lambda me: _W.change_request.c.id.in_(me.requests)),
    Kept(table=_W.change_request_line, holds="Which mark, and what it was to become.", group=REQUESTS, whose=STUDENTS,
         way=of(_W.change_request_line.c.person_id), own=_PERSON),
    Kept(table=_W.request_approval, holds="Whose approval it has.", group=REQUESTS, whose=STUDENTS,
         way=lambda me: _W.request_approval.c.request_id.in_(me.requests)),
    Kept(table=_W.attachment, holds="Files: evidence for an absence, a mark or a request.", group=REQUESTS,
         whose=STUDENTS, way=_attached, columns={"file_name": TEXT, "stored_as": SECRET}),
    # absences and trips
    Kept(table=_W.absence, holds="Your absences: from when to when, why, and what was decided.", group=ABSENCES,
         whose=STUDENTS, way=of(_W.absence.c.person_id), own=_PERSON),
    Kept(table=_W.absence_session, holds="Which sessions an absence names.", group=ABSENCES, whose=STUDENTS,
         way=lambda me: _W.absence_session.c.absence_id.in_(me.absences)),
    Kept(table=_W.trip_person, holds="Trips that you are on, and whether you came.", group=ABSENCES, whose=EVERYBODY,
         way=of(_W.trip_person.c.person_id), own=_PERSON),
    Kept(table=_W.trip, holds="Visits and trips.", group=ABSENCES, columns={"title": WORD}),
    # messages
    Kept(table=_W.message, holds="Messages to you.", group=MESSAGES, whose=EVERYBODY,
         way=of(_W.message.c.to_person_id), own=("to_person_id",), columns={"subject": TEXT, "text": TEXT}),
    Kept(table=_W.mail, holds="That a message went by e-mail, to which address.", group=MESSAGES, whose=EVERYBODY,
         way=lambda me: _W.mail.c.message_id.in_(me.messages), columns={"address": NAME}, becomes={"address": ""}),
    # what is about registers, and nobody in them
    *(Kept(table=table, holds=holds, group=REGISTERS) for table, holds in (
        (_S.register, "Whether a register is complete and verified."),
        (_S.outage, "That a reader did not work in a session."),
        (_W.paper_register, "That a register was kept on paper."),
        (_W.register_report, "That something was wrong with a register."),
    )),
    Kept(table=_W.history_start, holds="Which marks are older than the history.", group=PROOF),
    # the campus
    *(Kept(table=table, holds=holds, group=CAMPUS, columns=columns) for table, holds, columns in (
        (_S.institution, "The institution.", {}),
        (_R.department, "Departments and faculties.", {"title": WORD}),
        (_S.site, "Sites.", {}),
        (_S.room, "Rooms.", {"title": WORD}),
        (_S.programme, "Programmes.", {"title": WORD}),
        (_S.course, "Courses.", {"title": WORD, "lms_url": WORD}),
        (_S.course_run, "When courses run.", {}),
        (_S.batch, "Batches.", {}),
        (_S.class_group, "Classes.", {"title": WORD}),
        (_S.shift, "Shifts.", {}),
        (_S.session, "Sessions.", {"title": WORD}),
        (_S.session_class, "Which classes a session is for.", {}),
        (_S.session_room, "Which rooms it has.", {}),
        (_S.profile_assignment, "Which rules hold where.", {}),
        (_W.profile_version, "The institution's own rules.", {"body": WORD}),
        (_W.term, "Terms.", {"title": WORD}),
    )),
    *(Kept(table=table, holds=holds, group=RUNNING, columns=columns) for table, holds, columns in (
        (_S.import_run, "What an import did, in counts.", {"summary": WORD}),
        (_W.import_schedule, "Imports that run by themselves, and how the last one went.",
         {"path": WORD, "last_report": WORD}),
    )),
)  # fmt: skip
