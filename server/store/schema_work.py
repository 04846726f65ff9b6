"""Tables of the work around registers: history, requests, absences, trips, messages. Conventions: see schema.py."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from server.store.schema import Id, Ms, _from, _id, _institution, _ref, metadata

#: Everything that happened to a register, in order, each entry with the hash of the one before (LOUGH-7, LOUGH-39).
#: `body` is JSON of ids, codes and salted digests: no name, reason or note. Never updated, never deleted.
history = Table(
    "history",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session"),
    #: 1, 2, 3 ... within the session
    Column("seq", Integer, nullable=False),
    #: mark, verify, cancel, cover, request, decide ...
    Column("kind", String(32), nullable=False),
    Column("at_ms", Ms, nullable=False),
    _ref("by_account_id", "account", nullable=True),
    Column("body", Text, nullable=False),
    #: sha256 over the hash before and everything above
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("session_id", "seq"),
    Index("ix_history_at", "institution_id", "at_ms"),
)

#: Which marks are from before there was a history: noted once, where a store was brought to it (LOUGH-39).
history_start = Table(
    "history_start",
    metadata,
    Column("institution_id", Id, ForeignKey("institution.id"), primary_key=True, autoincrement=False),
    #: the newest of them
    Column("mark_id", Id, nullable=False),
    Column("marks", BigInteger, nullable=False),
    #: sha256 hex over what they say: nobody puts one among them, or alters one, unseen
    Column("digest", String(64), nullable=False),
    Column("at_ms", Ms, nullable=False),
)

#: Somebody asks for what they may not do by themselves (LOUGH-32 to 35, STEP-15, LOUGH-18).
change_request = Table(
    "change_request",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session", index=True),
    #: marks, bursary (LOUGH-35: no mark changes), removal (LOUGH-18), transfer
    Column("kind", String(16), nullable=False, server_default="marks"),
    #: the tier by which it was asked, as the profile calls it
    Column("tier", String(48), nullable=False),
    #: the requirement that this tier comes from, such as LOUGH-32
    Column("rule", String(64), nullable=False),
    #: roles whose approval it needs besides the approvers', joined by commas (B, U)
    Column("approvals", String(64), nullable=False, server_default=""),
    #: where a transfer leads to
    _ref("to_class_id", "class_group", nullable=True),
    _ref("asked_by_account_id", "account", index=True),
    _ref("reason_note_id", "note", nullable=True),
    #: open, applied, rejected, withdrawn
    Column("state", String(16), nullable=False, server_default="open"),
    #: the register's version that was seen when it was asked
    Column("seen_version", Ms, nullable=False, server_default=text("0")),
    _ref("decided_by_account_id", "account", nullable=True),
    _ref("decided_note_id", "note", nullable=True),
    Column("decided_ms", Ms),
    #: evidence was asked for later (LOUGH-32, LOUGH-33)
    Column("evidence_asked_ms", Ms),
    Column("created_ms", Ms, nullable=False),
    Index("ix_change_request_state", "institution_id", "state"),
)

#: One student of a request, with the value that is asked for.
change_request_line = Table(
    "change_request_line",
    metadata,
    _id(),
    _institution(),
    _ref("request_id", "change_request", index=True),
    _ref("person_id", "person", index=True),
    #: the mark that held when it was asked; it must still hold when it is applied
    _ref("from_mark_id", "mark", nullable=True),
    Column("code", String(8)),
    Column("late_min", Integer),
    Column("early_min", Integer),
)

#: Somebody whose approval a request needs besides has given it.
request_approval = Table(
    "request_approval",
    metadata,
    _id(),
    _institution(),
    _ref("request_id", "change_request"),
    Column("role", String(16), nullable=False),
    _ref("by_account_id", "account"),
    Column("created_ms", Ms, nullable=False),
    UniqueConstraint("request_id", "role"),
)

#: A supporting file. The bytes lie outside the web root under `stored_as`; the name is what the sender called it.
attachment = Table(
    "attachment",
    metadata,
    _id(),
    _institution(),
    #: change_request, absence, mark
    Column("subject", String(32), nullable=False),
    Column("subject_id", Id, nullable=False),
    #: erasable
    Column("file_name", Text, nullable=False),
    #: as its content says
    Column("media_type", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    #: random; the name of the file that holds it
    Column("stored_as", String(64), nullable=False, unique=True),
    _ref("by_account_id", "account"),
    Column("created_ms", Ms, nullable=False),
    Column("erased_ms", Ms),
    Index("ix_attachment_subject", "subject", "subject_id"),
)

#: Bursary granted for a session without changing its mark (LOUGH-35, LOUGH-37).
bursary_grant = Table(
    "bursary_grant",
    metadata,
    _id(),
    _institution(),
    _ref("request_id", "change_request", nullable=True),
    _ref("session_id", "session", index=True),
    _ref("person_id", "person", index=True),
    _ref("by_account_id", "account"),
    Column("created_ms", Ms, nullable=False),
)

#: An absence that was reported, asked for or granted (LOUGH-19 to 22, PORT-13, STEP-23).
absence = Table(
    "absence",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    #: reported (R), authorised (over a week), leave (of absence)
    Column("kind", String(16), nullable=False),
    _from(),
    Column("to_ms", Ms, nullable=False),
    #: self, phone, parent, staff
    Column("channel", String(16), nullable=False),
    #: by whom it was told, where it was a parent or carer: erasable
    _ref("told_by_note_id", "note", nullable=True),
    _ref("reason_note_id", "note", nullable=True),
    Column("reported_ms", Ms, nullable=False),
    _ref("by_account_id", "account"),
    #: to whom it is routed: a department or faculty
    _ref("department_id", "department", nullable=True),
    #: whether its rules left it to the faculty; none: by its kind, all but what is reported
    Column("by_faculty", Boolean),
    #: open, approved, rejected, withdrawn
    Column("state", String(16), nullable=False, server_default="open"),
    _ref("decided_by_account_id", "account", nullable=True),
    _ref("decided_note_id", "note", nullable=True),
    Column("decided_ms", Ms),
    Index("ix_absence_state", "institution_id", "state"),
    Index("ix_absence_time", "person_id", "from_ms"),
)

#: The sessions that a report names; none: every session in its time.
absence_session = Table(
    "absence_session",
    metadata,
    _id(),
    _institution(),
    _ref("absence_id", "absence", index=True),
    _ref("session_id", "session", index=True),
    UniqueConstraint("absence_id", "session_id"),
)

#: A version of a profile of the institution's own, as its file was: one that has begun does not change any more.
profile_version = Table(
    "profile_version",
    metadata,
    _id(),
    _institution(),
    Column("name", String(32), nullable=False),
    #: holds for sessions from here on; 0: ever since
    Column("from_ms", Ms, nullable=False),
    #: sha256 of the body
    Column("digest", String(64), nullable=False),
    #: what the file says, as JSON
    Column("body", Text, nullable=False),
    #: when it was first read so
    Column("seen_ms", Ms, nullable=False),
    UniqueConstraint("institution_id", "name", "from_ms"),
)

#: A visit or trip: V on every register that its students miss meanwhile, once its staff have confirmed who came.
trip = Table(
    "trip",
    metadata,
    _id(),
    _institution(),
    Column("title", Text, nullable=False),
    _from(),
    Column("to_ms", Ms, nullable=False),
    _ref("by_account_id", "account"),
    Column("created_ms", Ms, nullable=False),
    Column("confirmed_ms", Ms),
    _ref("confirmed_by_account_id", "account", nullable=True),
    Column("cancelled_ms", Ms),
)

trip_person = Table(
    "trip_person",
    metadata,
    _id(),
    _institution(),
    _ref("trip_id", "trip", index=True),
    _ref("person_id", "person", index=True),
    #: staff, student
    Column("role", String(16), nullable=False),
    #: whether they came, as staff on the trip say; NULL: not said yet
    Column("came", Boolean),
    UniqueConstraint("trip_id", "person_id"),
)

#: A register kept on paper: transferred by the end of the day, at latest of the week, then destroyed (LOUGH-4).
paper_register = Table(
    "paper_register",
    metadata,
    Column("session_id", Id, primary_key=True, autoincrement=False),
    _institution(),
    Column("said_ms", Ms, nullable=False),
    _ref("said_by_account_id", "account"),
    Column("transferred_ms", Ms),
    _ref("transferred_by_account_id", "account", nullable=True),
    Column("destroyed_ms", Ms),
    _ref("destroyed_by_account_id", "account", nullable=True),
)

#: Something about a register that the registers team must know: not mine (LOUGH-12), cannot be marked (LOUGH-5).
register_report = Table(
    "register_report",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session", index=True),
    #: not-mine, it-fault, problem, completed
    Column("kind", String(16), nullable=False),
    _ref("note_id", "note", nullable=True),
    _ref("by_account_id", "account"),
    Column("created_ms", Ms, nullable=False),
    _ref("closed_by_account_id", "account", nullable=True),
    Column("closed_ms", Ms),
)

#: What a person made of a swipe that credited nobody here: whose it was, or that it is nobody's.
swipe_resolution = Table(
    "swipe_resolution",
    metadata,
    _id(),
    _institution(),
    _ref("swipe_id", "swipe", index=True),
    _ref("session_id", "session", index=True),
    _ref("person_id", "person", nullable=True),
    #: added, other-class, unknown-card, dismissed
    Column("outcome", String(16), nullable=False),
    _ref("note_id", "note", nullable=True),
    _ref("by_account_id", "account"),
    Column("created_ms", Ms, nullable=False),
)

#: Somebody not on the class list who was there, added by hand (a walk-in), until taken off again.
walk_in = Table(
    "walk_in",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session", index=True),
    _ref("person_id", "person", index=True),
    _ref("note_id", "note", nullable=True),
    _ref("by_account_id", "account"),
    Column("created_ms", Ms, nullable=False),
    Column("ended_ms", Ms),
)

#: A message to a person: written at once, sent by a job, kept as evidence that it went (STEP-6). Text is erasable.
message = Table(
    "message",
    metadata,
    _id(),
    _institution(),
    _ref("to_person_id", "person", index=True),
    _ref("session_id", "session", nullable=True, index=True),
    #: session-notice, lost-card, absence-decided ...
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    _ref("by_account_id", "account", nullable=True),
    Column("created_ms", Ms, nullable=False),
    Column("sent_ms", Ms),
    #: why it could not be sent, such as no-address
    Column("failed_why", String(64)),
    Column("erased_ms", Ms),
    Index("ix_message_unsent", "institution_id", "sent_ms"),
)

#: A message on its way by SMTP: what was tried, and what the mail system said. Its text stays in `message` alone.
mail = Table(
    "mail",
    metadata,
    Column("message_id", Id, ForeignKey("message.id"), primary_key=True, autoincrement=False),
    _institution(),
    #: the header Message-ID: the same at each try, so that who gets it twice can tell
    Column("name", String(255), nullable=False, unique=True),
    #: to whom, as it stood when it was first tried; emptied when the message is erased
    Column("address", Text, nullable=False),
    #: sha256 hex of exactly the bytes that are handed over, and how many
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    #: waiting, sent, failed
    Column("state", String(16), nullable=False, server_default="waiting"),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    #: when the last try began and ended; begun and not ended: a crash, or it is going on
    Column("begun_ms", Ms),
    Column("ended_ms", Ms),
    #: not before this
    Column("next_ms", Ms, nullable=False),
    #: how the last try ended: sent, or a code such as smtp-later; and the mail system's three digits
    Column("code", String(32)),
    Column("reply", Integer),
    Column("created_ms", Ms, nullable=False),
    Index("ix_mail_next", "state", "next_ms"),
)

#: A term or half-term.
term = Table(
    "term",
    metadata,
    _id(),
    _institution(),
    Column("source", String(64), nullable=False),
    Column("source_id", String(255), nullable=False),
    Column("title", Text, nullable=False),
    _from(),
    Column("to_ms", Ms, nullable=False),
    Column("ended_ms", Ms),
    UniqueConstraint("institution_id", "source", "source_id"),
)

#: An import that runs by itself: what, from which folder or file that the settings allow, how often; and how it went.
import_schedule = Table(
    "import_schedule",
    metadata,
    _id(),
    _institution(),
    Column("kind", String(32), nullable=False),
    Column("source", String(64), nullable=False),
    #: below the folder that the settings name
    Column("path", Text, nullable=False),
    Column("every_min", Integer, nullable=False),
    Column("next_ms", Ms, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=false()),
    Column("last_ms", Ms),
    #: ok, refused, failed
    Column("last_outcome", String(16)),
    Column("last_report", Text),
    #: when somebody asked for a run that has not begun; whether they have confirmed what would end or move
    Column("asked_ms", Ms),
    Column("asked_confirm", Boolean),
)

#: A remark on a session or one of its students, beside the marks' own notes (STEP-12).
remark = Table(
    "remark",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session", index=True),
    _ref("person_id", "person", nullable=True),
    _ref("note_id", "note"),
    _ref("by_account_id", "account"),
    Column("created_ms", Ms, nullable=False),
)
