"""The store's tables, and why they are as they are. The only place where a column is named for the first time.

Conventions: every table has `institution_id`. Times are UTC epoch milliseconds (`*_ms`). Dated rows hold from
`from_ms` (included) to `to_ms` (excluded; NULL: still so); a row that goes missing from an import gets a `to_ms`,
it is never deleted. What may have to be erased (names, contacts, notes) stands in tables of its own; history holds
ids only. Facts (`record`, `swipe`, `head`) are never updated. What the store makes of them (`reading`, `credit`,
`mark`) stands apart, and can be made again from the facts.

Order below: who and what there is; rights; the line in (readers, journals, swipes); the register; operations.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

#: SQLite numbers rows by itself only where the column is exactly INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")
Ms = BigInteger

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _institution() -> Column:
    return Column("institution_id", Id, ForeignKey("institution.id"), nullable=False)


def _ref(name: str, target: str, *, nullable: bool = False, index: bool = False) -> Column:
    return Column(name, Id, ForeignKey(f"{target}.id"), nullable=nullable, index=index)


def _from() -> Column:
    return Column("from_ms", Ms, nullable=False)


def _to() -> Column:
    return Column("to_ms", Ms)


# --- who and what there is -------------------------------------------------------------------------------------------

institution = Table(
    "institution",
    metadata,
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    #: IANA name; for pages and policy only
    Column("time_zone", String(64), nullable=False),
    #: goes up at every change of a class list, room, placement or card: rosters are then built again
    Column("campus_change", BigInteger, nullable=False, server_default=text("0")),
    Column("created_ms", Ms, nullable=False),
)

person = Table(
    "person",
    metadata,
    _id(),
    _institution(),
    Column("created_ms", Ms, nullable=False),
    #: gone from the import; history stays
    Column("ended_ms", Ms),
)

#: Erasable.
person_name = Table(
    "person_name",
    metadata,
    Column("person_id", Id, ForeignKey("person.id"), primary_key=True, autoincrement=False),
    _institution(),
    #: the full learner name that a register shows (LOUGH-6)
    Column("full_name", Text, nullable=False),
    Column("given_name", Text),
    Column("family_name", Text),
    #: what lists are ordered by: the letters of the family name, then those of the given names (server/names.py)
    Column("sort_name", Text, nullable=False),
)

#: Erasable. kind: email, phone, ...
person_contact = Table(
    "person_contact",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    Column("kind", String(32), nullable=False),
    Column("value", Text, nullable=False),
    _from(),
    _to(),
)

#: source: oneroster (its sourcedId), username, identifier (the student number), ...
person_external_id = Table(
    "person_external_id",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    Column("source", String(64), nullable=False),
    Column("external_id", String(255), nullable=False),
    _from(),
    _to(),
    UniqueConstraint("institution_id", "source", "external_id"),
)

#: Birth date, support plan (EHCP), vulnerability ...: dated, with a visibility class. Empty in this issue.
person_fact = Table(
    "person_fact",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    Column("kind", String(32), nullable=False),
    Column("value", Text, nullable=False),
    Column("visibility", String(32), nullable=False),
    _from(),
    _to(),
)

#: Guardians, employers, sponsors: dated, with a visibility class. Empty in this issue.
person_relation = Table(
    "person_relation",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    _ref("other_person_id", "person", nullable=True),
    Column("kind", String(32), nullable=False),
    Column("other_name", Text),
    Column("other_contact", Text),
    Column("visibility", String(32), nullable=False),
    _from(),
    _to(),
)

#: The secret under which UIDs become tokens. `secret` is encrypted under the server key.
card_key = Table(
    "card_key",
    metadata,
    _id(),
    _institution(),
    Column("key_id", SmallInteger, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    _from(),
    _to(),
    UniqueConstraint("institution_id", "key_id"),
)

#: A card is its tokens: a UID is never here (PORT-1).
card = Table(
    "card",
    metadata,
    _id(),
    _institution(),
    Column("created_ms", Ms, nullable=False),
)

card_token = Table(
    "card_token",
    metadata,
    _id(),
    _institution(),
    _ref("card_id", "card", index=True),
    Column("key_id", SmallInteger, nullable=False),
    #: 8 bytes
    Column("token", LargeBinary, nullable=False),
    #: during a rotation of card keys: when, and by which reader's swipe. Null: it was registered
    Column("learnt_ms", Ms),
    _ref("learnt_from_id", "reader", nullable=True, index=True),
    UniqueConstraint("institution_id", "key_id", "token"),
)

#: Whose a card is, and when. A replaced card's row ends at the replacement (PORT-8).
card_assignment = Table(
    "card_assignment",
    metadata,
    _id(),
    _institution(),
    _ref("card_id", "card", index=True),
    _ref("person_id", "person", index=True),
    #: import, lost, replaced, returned
    Column("ended_why", String(32)),
    _from(),
    _to(),
)

site = Table(
    "site",
    metadata,
    _id(),
    _institution(),
    #: as in topics: 1 to 32 of a-z, 0-9, hyphen
    Column("name", String(32), nullable=False),
    UniqueConstraint("institution_id", "name"),
)

room = Table(
    "room",
    metadata,
    _id(),
    _institution(),
    _ref("site_id", "site", nullable=True),
    #: as timetables write it
    Column("code", String(64), nullable=False),
    Column("title", Text),
    Column("ended_ms", Ms),
    UniqueConstraint("institution_id", "code"),
)

programme = Table(
    "programme",
    metadata,
    _id(),
    _institution(),
    Column("source", String(64), nullable=False),
    Column("source_id", String(255), nullable=False),
    Column("code", String(64), nullable=False),
    Column("title", Text, nullable=False),
    #: no constraint, as below where a column came later: SQLite would have to copy the table
    Column("department_id", Id),
    Column("ended_ms", Ms),
    UniqueConstraint("institution_id", "source", "source_id"),
)

#: A module: what a class is taught. OneRoster's course.
course = Table(
    "course",
    metadata,
    _id(),
    _institution(),
    _ref("programme_id", "programme", nullable=True),
    Column("source", String(64), nullable=False),
    Column("source_id", String(255), nullable=False),
    #: on every register (LOUGH-6)
    Column("code", String(64), nullable=False),
    Column("title", Text, nullable=False),
    #: no constraint, as below where a column came later: SQLite would have to copy the table
    Column("department_id", Id),
    #: where its pages are in the LMS (STEP-7)
    Column("lms_url", Text),
    Column("ended_ms", Ms),
    UniqueConstraint("institution_id", "source", "source_id"),
)

course_run = Table(
    "course_run",
    metadata,
    _id(),
    _institution(),
    _ref("course_id", "course"),
    Column("code", String(64), nullable=False),
    Column("starts_ms", Ms),
    Column("ends_ms", Ms),
    #: until when lecturers mark; after it change requests (STEP-1, STEP-2, STEP-20)
    Column("marking_deadline_ms", Ms),
    #: from when nothing changes any more (STEP-3)
    Column("lock_ms", Ms),
    UniqueConstraint("institution_id", "course_id", "code"),
)

batch = Table(
    "batch",
    metadata,
    _id(),
    _institution(),
    _ref("course_run_id", "course_run", nullable=True),
    Column("code", String(64), nullable=False),
    Column("starts_ms", Ms, nullable=False),
    Column("ends_ms", Ms),
    UniqueConstraint("institution_id", "code"),
)

#: A teaching group (OneRoster's class). Its enrolments are the class list of its sessions.
class_group = Table(
    "class_group",
    metadata,
    _id(),
    _institution(),
    _ref("course_id", "course", nullable=True),
    _ref("course_run_id", "course_run", nullable=True),
    _ref("batch_id", "batch", nullable=True),
    Column("source", String(64), nullable=False),
    Column("source_id", String(255), nullable=False),
    #: what a timetable names it by
    Column("code", String(64), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("ended_ms", Ms),
    UniqueConstraint("institution_id", "source", "source_id"),
)

enrolment = Table(
    "enrolment",
    metadata,
    _id(),
    _institution(),
    _ref("class_id", "class_group"),
    _ref("person_id", "person"),
    #: student, teacher
    Column("role", String(16), nullable=False),
    Column("source", String(64), nullable=False),
    Column("source_id", String(255)),
    _from(),
    _to(),
    #: ended here, while its source still has it: an import leaves it so until the source has said otherwise (LOUGH-18)
    Column("ended_by_hand", Boolean, nullable=False, server_default=false()),
    Index("ix_enrolment_class", "class_id", "role"),
    Index("ix_enrolment_person", "person_id", "role"),
)

#: A day's shift of a batch; may hold sessions. Empty in this issue.
shift = Table(
    "shift",
    metadata,
    _id(),
    _institution(),
    _ref("batch_id", "batch"),
    #: local date, ISO
    Column("day", String(10), nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("starts_ms", Ms),
    Column("ends_ms", Ms),
    UniqueConstraint("batch_id", "day", "number"),
)

#: One timetabled teaching event. Cancelled, never deleted. Readers know it by `id` (32 bits on the roster).
session = Table(
    "session",
    metadata,
    _id(),
    _institution(),
    Column("source", String(64), nullable=False),
    Column("uid", String(255), nullable=False),
    #: RFC 5545 RECURRENCE-ID as UTC basic format; '' for an event that does not recur
    Column("recurrence_id", String(32), nullable=False, server_default=""),
    _ref("course_run_id", "course_run", nullable=True),
    _ref("batch_id", "batch", nullable=True),
    _ref("shift_id", "shift", nullable=True),
    #: class, exam, visit ...
    Column("kind", String(32), nullable=False, server_default="class"),
    #: classroom, online ...
    Column("mode", String(32), nullable=False, server_default="classroom"),
    Column("title", Text, nullable=False),
    Column("starts_ms", Ms, nullable=False),
    Column("ends_ms", Ms, nullable=False),
    #: the window by the profile (PORT-2); written by store/session_profiles.py whenever start, end or profile change
    Column("opens_ms", Ms, nullable=False),
    Column("closes_ms", Ms, nullable=False),
    #: what the profile is called that gave the window and judges the marks
    Column("profile", String(32), nullable=False),
    Column("cancelled_ms", Ms),
    #: cancelled by hand and why: an import does not bring it back (LOUGH-11)
    Column("cancelled_by_account_id", Id),
    #: its times, rooms, lists or staff were set by hand: an import leaves it alone and says so
    Column("kept_by_hand", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("institution_id", "source", "uid", "recurrence_id"),
    Index("ix_session_opens", "institution_id", "opens_ms"),
    Index("ix_session_closes", "closes_ms"),
)

session_class = Table(
    "session_class",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session", index=True),
    _ref("class_id", "class_group", index=True),
    _from(),
    _to(),
)

#: A swipe matches any room that the session had at any time in its window.
session_room = Table(
    "session_room",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session", index=True),
    _ref("room_id", "room", index=True),
    _from(),
    _to(),
)

session_staff = Table(
    "session_staff",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session", index=True),
    _ref("person_id", "person", index=True),
    #: lecturer, cover (LOUGH-9), away: handed it over, and only reads it
    Column("role", String(16), nullable=False, server_default="lecturer"),
    _from(),
    _to(),
)

#: Which rules hold where. scope: session, session_kind, course, programme, institution; the narrowest wins.
profile_assignment = Table(
    "profile_assignment",
    metadata,
    _id(),
    _institution(),
    Column("scope", String(16), nullable=False),
    #: the id of the session, course or programme, the kind's word, or '' for the institution
    Column("scope_value", String(64), nullable=False),
    Column("profile", String(32), nullable=False),
    _from(),
    _to(),
    #: the end that was set for it, where one was: what is planned after it may end it sooner, and never later
    Column("own_to_ms", Ms),
    Index("ix_profile_assignment_scope", "institution_id", "scope", "scope_value"),
)

# --- rights ----------------------------------------------------------------------------------------------------------

#: Somebody who may sign in. What they may do stands in account_role.
account = Table(
    "account",
    metadata,
    _id(),
    _institution(),
    #: who it is among the persons: `session_staff` names persons
    _ref("person_id", "person", nullable=True),
    Column("login", String(64), nullable=False, unique=True),
    #: shown to other staff
    Column("shown_name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("role", String(16), nullable=False),
    #: wrong passwords since the last right one, from wherever: said to administrators, locks nobody out
    Column("failures", Integer, nullable=False, server_default=text("0")),
    #: of release 0.1.0, which locked accounts; written no more
    Column("locked_until_ms", Ms),
    Column("created_ms", Ms, nullable=False),
    Column("disabled_ms", Ms),
)

#: A login on the web. Only the token's SHA-256 is here.
login = Table(
    "login",
    metadata,
    _id(),
    _institution(),
    _ref("account_id", "account", index=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("csrf", String(64), nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("seen_ms", Ms, nullable=False),
    Column("expires_ms", Ms, nullable=False),
    Column("ended_ms", Ms),
    #: password, oidc, passkey
    Column("how", String(16), nullable=False, server_default="password"),
    #: what browser it was, as its owner would say it; no address
    Column("browser", String(64), nullable=False, server_default=""),
)

#: A bearer token of an account, for programs.
api_token = Table(
    "api_token",
    metadata,
    _id(),
    _institution(),
    _ref("account_id", "account", index=True),
    Column("name", String(64), nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("created_ms", Ms, nullable=False),
    Column("expires_ms", Ms),
    Column("revoked_ms", Ms),
)

gateway = Table(
    "gateway",
    metadata,
    _id(),
    _institution(),
    Column("name", String(32), nullable=False, unique=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("created_ms", Ms, nullable=False),
    Column("revoked_ms", Ms),
    #: when it last asked for rosters, to within 10 s
    Column("seen_ms", Ms),
)

# --- the line in -----------------------------------------------------------------------------------------------------

reader = Table(
    "reader",
    metadata,
    _id(),
    _institution(),
    _ref("site_id", "site"),
    #: as in topics and statements; no two readers in the store share one, because a statement names no institution
    Column("name", String(32), nullable=False, unique=True),
    Column("created_ms", Ms, nullable=False),
    Column("ended_ms", Ms),
)

#: `secret` is encrypted under the server key.
reader_key = Table(
    "reader_key",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader"),
    Column("key_id", SmallInteger, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    _from(),
    _to(),
    UniqueConstraint("reader_id", "key_id"),
)

#: Which room's door a reader serves.
placement = Table(
    "placement",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader", index=True),
    _ref("room_id", "room", index=True),
    _from(),
    _to(),
)

#: The newest that is known of a reader. Operations, not evidence: it is overwritten.
reader_state = Table(
    "reader_state",
    metadata,
    Column("reader_id", Id, ForeignKey("reader.id"), primary_key=True, autoincrement=False),
    _institution(),
    #: the hello that arrived last, by the store's clock, and the nonces of those before it, newest first, joined by
    #: commas: two gateways may bring hellos in the wrong order, so receipts go out under each of them
    Column("hello_nonce", String(16)),
    Column("hello_before", String(64)),
    Column("hello_ms", Ms),
    #: roster version that the reader said it holds; a new roster's version is above every one ever said
    Column("roster_ms", Ms),
    Column("firmware", String(64)),
    #: arrival of anything authentic from it
    Column("seen_ms", Ms),
    #: newest head by arrival: what it said
    Column("head_ms", Ms),
    Column("head_wall_ms", Ms),
    Column("clock", String(4)),
    Column("uncertainty_ms", Ms),
    Column("able", String(64)),
    #: the door is known up to here: everything is held up to a head stated then
    Column("known_until_ms", Ms),
    #: registers of its doors that were complete are to be looked at again from here on: late word of it, or it was
    #: placed otherwise. Lowered each time, so that who looked knows whether more came meanwhile
    Column("again_from_ms", Ms),
    #: online, offline: the broker's word, for the eye only
    Column("status", String(16)),
    Column("status_ms", Ms),
    Column("health", Text),
    Column("health_ms", Ms),
)

journal = Table(
    "journal",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader"),
    #: 16 hex digits
    Column("journal", String(16), nullable=False),
    #: the journal before it, as its `open` record says
    Column("before_journal", String(16)),
    Column("before_seq", BigInteger),
    #: every record from 0 to here is held; -1: not even the first
    Column("up_to", BigInteger, nullable=False, server_default=text("-1")),
    #: highest record held; highest that a hello or head says exists
    Column("highest", BigInteger, nullable=False, server_default=text("-1")),
    Column("head", BigInteger, nullable=False, server_default=text("-1")),
    #: how often its reader has offered in vain what is missing above `up_to`, and when that was last counted
    Column("offers", Integer, nullable=False, server_default=text("0")),
    Column("offered_ms", Ms),
    Column("opened_ms", Ms, nullable=False),
    UniqueConstraint("reader_id", "journal"),
    Index("ix_journal_before", "reader_id", "before_journal"),
)

#: A journal record as received: a fact. `text` is what the MAC covers; *the same* means the same text.
record = Table(
    "record",
    metadata,
    _id(),
    _institution(),
    _ref("journal_id", "journal"),
    Column("seq", BigInteger, nullable=False),
    #: open, swipe, clock; unread: authentic, but of a kind or form not known here (it is in quarantine too)
    Column("kind", String(8), nullable=False),
    Column("text", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("received_ms", Ms, nullable=False),
    _ref("gateway_id", "gateway", nullable=True),
    UniqueConstraint("journal_id", "seq"),
)

#: What nobody has any more, or a technician declared lost.
lost_range = Table(
    "lost_range",
    metadata,
    _id(),
    _institution(),
    _ref("journal_id", "journal", index=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("why", String(64), nullable=False),
    _ref("by_account_id", "account", nullable=True),
    Column("created_ms", Ms, nullable=False),
)

#: A `clock` record's content: pairs one boot's monotonic time with the epoch.
clock_pair = Table(
    "clock_pair",
    metadata,
    Column("record_id", Id, ForeignKey("record.id"), primary_key=True, autoincrement=False),
    _institution(),
    _ref("journal_id", "journal", index=True),
    Column("boot_ms", Ms, nullable=False),
    Column("wall_ms", Ms, nullable=False),
    Column("uncertainty_ms", Ms, nullable=False),
)

#: A swipe as the reader told it: a fact. Retention may empty `token` and `token2`; nothing else ever changes.
swipe = Table(
    "swipe",
    metadata,
    Column("id", Id, ForeignKey("record.id"), primary_key=True, autoincrement=False),
    _institution(),
    _ref("reader_id", "reader"),
    _ref("journal_id", "journal", index=True),
    Column("seq", BigInteger, nullable=False),
    Column("key_id", SmallInteger),
    Column("token", LargeBinary, index=True),
    #: the second token, during a rotation of card keys
    Column("key2_id", SmallInteger),
    Column("token2", LargeBinary, index=True),
    Column("boot_ms", Ms, nullable=False),
    Column("wall_ms", Ms),
    Column("clock", String(4), nullable=False),
    Column("uncertainty_ms", Ms),
    #: what was shown, for which session, by which roster
    Column("verdict", String(8), nullable=False),
    Column("session_shown", BigInteger),
    Column("roster_shown", Ms),
    Column("received_ms", Ms, nullable=False),
)

#: What the store makes of a swipe: when, where, who, worth what. Made again whenever what it rests on changes.
reading = Table(
    "reading",
    metadata,
    Column("swipe_id", Id, ForeignKey("swipe.id"), primary_key=True, autoincrement=False),
    _institution(),
    _ref("reader_id", "reader"),
    #: the room of the reader's placement at that time
    _ref("room_id", "room", nullable=True),
    #: by the card's assignment at that time (unplaced: at its arrival)
    _ref("person_id", "person", nullable=True),
    #: NULL: not placed in time yet
    Column("at_ms", Ms),
    Column("uncertainty_ms", Ms, nullable=False, server_default=text("0")),
    #: what placed it: wall, clock (a clock record); or why not: unplaced, future
    Column("placed_by", String(8), nullable=False),
    #: what it is worth: green, red, shut, unsure, unknown_card, unplaced, withheld (its reader is believed no more);
    #: NULL: not derived yet
    Column("verdict", String(16)),
    #: the session it belongs to (credited, or repeated), and whether it is the one that credits
    _ref("session_id", "session", nullable=True),
    Column("credits", Boolean, nullable=False, server_default=false()),
    #: the store decides otherwise than the reader showed
    Column("differs", Boolean, nullable=False, server_default=false()),
    Index("ix_reading_person", "person_id", "at_ms"),
    Index("ix_reading_reader", "reader_id", "at_ms"),
    Index("ix_reading_session", "session_id"),
)

#: A hello statement: a fact. One that comes again, or late, does not become the reader's last.
hello = Table(
    "hello",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader"),
    Column("nonce", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("received_ms", Ms, nullable=False),
    UniqueConstraint("reader_id", "nonce"),
)

#: A head statement: a fact. From heads follow what a door is known up to, and when its reader was alive.
head = Table(
    "head",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader"),
    Column("nonce", String(16), nullable=False),
    Column("boot_ms", Ms, nullable=False),
    Column("wall_ms", Ms),
    Column("clock", String(4), nullable=False),
    Column("uncertainty_ms", Ms),
    Column("able", String(64), nullable=False),
    #: every journal and its head, id:head, joined by commas
    Column("journals", Text, nullable=False),
    Column("received_ms", Ms, nullable=False),
    #: the store holds every record that this head names: set once, when that becomes so
    Column("held_ms", Ms),
    UniqueConstraint("reader_id", "nonce"),
    Index("ix_head_wall", "reader_id", "wall_ms"),
    # Each delivery looks for these: a few of the 43,200 that a reader states in a month.
    Index("ix_head_open", "reader_id", sqlite_where=text("held_ms IS NULL"), postgresql_where=text("held_ms IS NULL")),
)

#: What could not be believed or used, as it came: beside the good, never in its place.
quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    _institution(),
    #: sha256 hex over kind, topic and content: the same is counted, not kept twice
    Column("digest", String(64), nullable=False, unique=True),
    Column("code", String(48), nullable=False),
    Column("kind", String(16), nullable=False),
    #: as it was claimed; may name no reader of ours
    Column("site_name", String(64)),
    Column("reader_name", String(64)),
    Column("topic", Text),
    Column("content", LargeBinary, nullable=False),
    #: its MAC was right
    Column("authentic", Boolean, nullable=False, server_default=false()),
    Column("count", Integer, nullable=False, server_default=text("1")),
    Column("first_ms", Ms, nullable=False),
    Column("last_ms", Ms, nullable=False),
    _ref("gateway_id", "gateway", nullable=True),
    Column("closed_ms", Ms),
    Index("ix_quarantine_code", "institution_id", "code"),
)

roster = Table(
    "roster",
    metadata,
    Column("reader_id", Id, ForeignKey("reader.id"), primary_key=True, autoincrement=False),
    _institution(),
    Column("version_ms", Ms, nullable=False),
    Column("valid_until_ms", Ms, nullable=False),
    #: sha256 hex of what it says, version left out: the same content is not issued again
    Column("digest", String(64), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    #: goes up with every change of any roster: the gateways' cursor
    Column("change_no", BigInteger, nullable=False, index=True),
    Column("built_ms", Ms, nullable=False),
)

# --- the register ----------------------------------------------------------------------------------------------------

#: Persons whose swipes are to be looked at again, and from when to when. A row goes when that is done.
due = Table(
    "due",
    metadata,
    Column("person_id", Id, ForeignKey("person.id"), primary_key=True, autoincrement=False),
    _institution(),
    _from(),
    Column("to_ms", Ms, nullable=False),
    Column("since_ms", Ms, nullable=False, index=True),
)

#: One swipe credits one session. Never updated but for `superseded_ms`.
credit = Table(
    "credit",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person"),
    _ref("session_id", "session"),
    _ref("swipe_id", "swipe", index=True),
    Column("at_ms", Ms, nullable=False),
    Column("uncertainty_ms", Ms, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("superseded_ms", Ms),
    Index(
        "uq_credit_current",
        "session_id",
        "person_id",
        unique=True,
        sqlite_where=text("superseded_ms IS NULL"),
        postgresql_where=text("superseded_ms IS NULL"),
    ),
    Index("ix_credit_person", "person_id", "at_ms"),
)

#: Erasable: reasons and remarks.
note = Table(
    "note",
    metadata,
    _id(),
    _institution(),
    #: history holds sha256 of salt and text; erased with the text
    Column("salt", LargeBinary),
    Column("text", Text, nullable=False),
    _ref("by_account_id", "account", nullable=True),
    Column("created_ms", Ms, nullable=False),
    Column("erased_ms", Ms),
)

#: A decision. Append-only: a change is a new row, and the newest row of (session, person) holds.
mark = Table(
    "mark",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session"),
    _ref("person_id", "person"),
    #: a code of the profile; NULL: not marked (the decision that there is none, such as evidence incomplete)
    Column("code", String(8)),
    Column("late_min", Integer),
    Column("early_min", Integer),
    #: swipe, absence (derived); person; import
    Column("source", String(16), nullable=False),
    _ref("by_account_id", "account", nullable=True),
    #: on whose authority, where it is not the marker's own
    Column("authority", String(64)),
    Column("verified", Boolean, nullable=False, server_default=false()),
    #: the rule that decided, such as `lough.late`
    Column("rule", String(64), nullable=False),
    #: for which ledgers it counts, joined by commas: attendance, bursary, entitlement
    Column("ledgers", String(64), nullable=False),
    #: something a person should look at: time_unsure
    Column("flag", String(32)),
    _ref("credit_id", "credit", nullable=True),
    _ref("note_id", "note", nullable=True),
    Column("created_ms", Ms, nullable=False),
    Index("ix_mark_session", "session_id", "person_id", "id"),
    Index("ix_mark_person", "person_id"),
)

#: Which mark holds: one row for each (session, person), so that a register is one read.
mark_current = Table(
    "mark_current",
    metadata,
    Column("session_id", Id, ForeignKey("session.id"), primary_key=True, autoincrement=False),
    Column("person_id", Id, ForeignKey("person.id"), primary_key=True, autoincrement=False),
    _institution(),
    _ref("mark_id", "mark"),
)

#: Derivation would say otherwise than a person did: it asks.
proposal = Table(
    "proposal",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session"),
    _ref("person_id", "person"),
    #: the mark it would change
    _ref("mark_id", "mark"),
    Column("code", String(8)),
    Column("late_min", Integer),
    Column("rule", String(64), nullable=False),
    Column("flag", String(32)),
    _ref("credit_id", "credit", nullable=True),
    Column("created_ms", Ms, nullable=False),
    Column("closed_ms", Ms),
    #: accepted, refused, overtaken
    Column("outcome", String(16)),
    Index("ix_proposal_session", "session_id", "person_id"),
)

#: A changed mark with its rule and date: quotas are counted from these. Empty in this issue.
correction = Table(
    "correction",
    metadata,
    _id(),
    _institution(),
    _ref("mark_id", "mark"),
    _ref("person_id", "person", index=True),
    Column("rule", String(64), nullable=False),
    #: local date, ISO
    Column("day", String(10), nullable=False),
    _ref("note_id", "note", nullable=True),
    Column("created_ms", Ms, nullable=False),
)

#: A session's register. `version` goes up whenever anything that the register shows changes.
register = Table(
    "register",
    metadata,
    Column("session_id", Id, ForeignKey("session.id"), primary_key=True, autoincrement=False),
    _institution(),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    #: pending: doors not known yet; complete: every door known past the end; incomplete: released without
    Column("evidence", String(16), nullable=False, server_default="pending"),
    Column("settled_ms", Ms),
    _ref("verified_by_account_id", "account", nullable=True),
    Column("verified_ms", Ms),
)

#: A reader was dead or not able in a session's window: a fact on the register, never held against a student.
outage = Table(
    "outage",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session", index=True),
    _ref("reader_id", "reader"),
    _from(),
    Column("to_ms", Ms, nullable=False),
    #: dead, chip, full, storage, unknown ...
    Column("why", String(64), nullable=False),
    Column("created_ms", Ms, nullable=False),
)

#: What an outside body (TPG) says of a mark or a session. Empty in this issue.
outside_status = Table(
    "outside_status",
    metadata,
    _id(),
    _institution(),
    _ref("session_id", "session"),
    _ref("person_id", "person", nullable=True),
    Column("body", String(32), nullable=False),
    Column("status", String(64), nullable=False),
    Column("at_ms", Ms, nullable=False),
    Index("ix_outside_status_session", "session_id", "person_id"),
)

# --- operations ------------------------------------------------------------------------------------------------------

#: One row for each (code, subject): raised again, it is counted and open again.
alarm = Table(
    "alarm",
    metadata,
    _id(),
    _institution(),
    Column("code", String(48), nullable=False),
    #: what it is about, such as a reader's name or name/journal
    Column("subject", String(128), nullable=False),
    _ref("reader_id", "reader", nullable=True),
    Column("text", Text, nullable=False),
    Column("count", Integer, nullable=False, server_default=text("1")),
    Column("first_ms", Ms, nullable=False),
    Column("last_ms", Ms, nullable=False),
    Column("closed_ms", Ms),
    _ref("closed_by_account_id", "account", nullable=True),
    UniqueConstraint("institution_id", "code", "subject"),
)

#: Who did what. Ids and words only; `detail` is JSON without names.
audit = Table(
    "audit",
    metadata,
    _id(),
    _institution(),
    Column("at_ms", Ms, nullable=False),
    _ref("account_id", "account", nullable=True),
    Column("action", String(64), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("detail", Text, nullable=False, server_default="{}"),
    Index("ix_audit_at", "institution_id", "at_ms"),
    Index("ix_audit_subject", "institution_id", "subject"),
)

#: One run of an import that was applied. `summary` is JSON: counts by what was done.
import_run = Table(
    "import_run",
    metadata,
    _id(),
    _institution(),
    #: oneroster, timetable, cards
    Column("kind", String(32), nullable=False),
    Column("source", String(64), nullable=False),
    #: sha256 hex of what was read
    Column("digest", String(64), nullable=False),
    Column("summary", Text, nullable=False),
    Column("started_ms", Ms, nullable=False),
    Column("finished_ms", Ms, nullable=False),
)
