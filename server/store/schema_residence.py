"""Tables of the residence: houses, kiosks, consents, templates, check-ins, evenings. Conventions: see schema.py.

No template and no image of a finger is here, nor anywhere but in a sensor: `template` says which slot of which sensor
holds whose. No precise position is here: a check-in has inside or outside, and a coarse cell.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from server.store.schema import Id, Ms, _from, _id, _institution, _ref, _to, metadata

house = Table(
    "house",
    metadata,
    _id(),
    _institution(),
    Column("source", String(64), nullable=False),
    Column("code", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("ended_ms", Ms),
    UniqueConstraint("institution_id", "code"),
)

#: Who lives where, and when.
residency = Table(
    "residency",
    metadata,
    _id(),
    _institution(),
    _ref("house_id", "house", index=True),
    _ref("person_id", "person", index=True),
    Column("floor", String(32), nullable=False, server_default=""),
    Column("room", String(64), nullable=False, server_default=""),
    Column("source", String(64), nullable=False),
    _from(),
    _to(),
)

#: Staff on duty in a house: their cards witness a PIN there, and let a finger be enrolled.
duty = Table(
    "duty",
    metadata,
    _id(),
    _institution(),
    _ref("house_id", "house", index=True),
    _ref("person_id", "person", index=True),
    Column("source", String(64), nullable=False),
    _from(),
    _to(),
)

#: A kiosk's placement: this reader serves that house. It gets a residents list, and no roster.
kiosk = Table(
    "kiosk",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader", index=True),
    _ref("house_id", "house", index=True),
    #: the registered place, degrees and metres; NULL: none is registered, and no position is judged
    Column("latitude", Float),
    Column("longitude", Float),
    Column("radius_m", Integer),
    #: slots of its sensor
    Column("capacity", Integer, nullable=False),
    _from(),
    _to(),
)

#: That somebody agreed, to which words, before whom; and that they took it back.
consent = Table(
    "consent",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    #: finger
    Column("purpose", String(16), nullable=False),
    #: the words agreed to: their version and SHA-256 (hex)
    Column("text_version", String(32), nullable=False),
    Column("text_digest", String(64), nullable=False),
    Column("language", String(8), nullable=False),
    Column("given_ms", Ms, nullable=False),
    _ref("taken_by_account_id", "account"),
    Column("withdrawn_ms", Ms),
    _ref("withdrawn_by_account_id", "account", nullable=True),
)

#: Which slot of which sensor holds, may hold, or held whose template. state: wanted, held, erasing, erased, failed.
template = Table(
    "template",
    metadata,
    _id(),
    _institution(),
    _ref("reader_id", "reader"),
    Column("slot", Integer, nullable=False),
    #: goes up with each enrolment on this sensor: an old template in a slot used again is told by it
    Column("generation", BigInteger, nullable=False),
    _ref("person_id", "person", index=True),
    _ref("consent_id", "consent"),
    Column("state", String(8), nullable=False),
    Column("asked_ms", Ms, nullable=False),
    _ref("asked_by_account_id", "account"),
    #: by the kiosk's own records
    Column("held_ms", Ms),
    #: a try failed; it stays wanted, and is tried again at the kiosk
    Column("failed_ms", Ms),
    #: the staff card that stood by
    _ref("by_person_id", "person", nullable=True),
    Column("erasing_ms", Ms),
    Column("erased_ms", Ms),
    UniqueConstraint("reader_id", "generation"),
    Index("ix_template_slot", "reader_id", "slot"),
)

#: The secret under which PINs become hashes. `secret` is encrypted under the server key.
pin_key = Table(
    "pin_key",
    metadata,
    _id(),
    _institution(),
    Column("key_id", SmallInteger, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    _from(),
    _to(),
    UniqueConstraint("institution_id", "key_id"),
)

#: A card's PIN as a keyed hash over the card's token: a new card wants a new PIN.
pin = Table(
    "pin",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    _ref("card_id", "card", index=True),
    #: under which card key the token is that was hashed; the key of the hash itself
    Column("card_key_id", SmallInteger, nullable=False),
    Column("key_id", SmallInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("set_ms", Ms, nullable=False),
    _ref("set_by_account_id", "account"),
    #: wrong ones since it was set, over all kiosks; at five it is locked
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("locked_ms", Ms),
    #: another took its place
    Column("ended_ms", Ms),
)

#: A check-in as the kiosk told it: a fact. Retention may empty the tokens and the cell; nothing else ever changes.
check_in = Table(
    "check_in",
    metadata,
    Column("id", Id, ForeignKey("record.id"), primary_key=True, autoincrement=False),
    _institution(),
    _ref("reader_id", "reader"),
    _ref("journal_id", "journal", index=True),
    Column("seq", BigInteger, nullable=False),
    Column("key_id", SmallInteger),
    Column("token", LargeBinary, index=True),
    Column("key2_id", SmallInteger),
    Column("token2", LargeBinary, index=True),
    #: finger, pin
    Column("method", String(16), nullable=False),
    Column("witness_key_id", SmallInteger),
    Column("witness_token", LargeBinary, index=True),
    Column("boot_ms", Ms, nullable=False),
    Column("wall_ms", Ms),
    Column("clock", String(4), nullable=False),
    Column("uncertainty_ms", Ms),
    #: what was shown, after how many refused tries, by which list
    Column("verdict", String(8), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("roster_shown", Ms),
    #: in, out, fixed, none; the coarse cell; the fix's quality
    Column("place", String(16), nullable=False),
    Column("cell", String(32)),
    Column("fix", String(16)),
    Column("received_ms", Ms, nullable=False),
)

#: What the store makes of a check-in. Made again whenever what it rests on changes.
check_in_reading = Table(
    "check_in_reading",
    metadata,
    Column("check_in_id", Id, ForeignKey("check_in.id"), primary_key=True, autoincrement=False),
    _institution(),
    _ref("reader_id", "reader"),
    _ref("house_id", "house", nullable=True),
    _ref("person_id", "person", nullable=True),
    _ref("witness_person_id", "person", nullable=True),
    #: NULL: not placed in time yet
    Column("at_ms", Ms),
    Column("uncertainty_ms", Ms, nullable=False, server_default=text("0")),
    Column("placed_by", String(8), nullable=False),
    #: the local date of the evening it belongs to, ISO; NULL: to none
    Column("evening", String(10)),
    #: whether it counts for its evening (DDU-13), and why it does not
    Column("counts", Boolean, nullable=False, server_default=false()),
    Column("why", String(32), nullable=False, server_default=""),
    #: something that it rests on has changed: its evening and worth are to be said again
    Column("due", Boolean, nullable=False, server_default=true(), index=True),
    Index("ix_check_in_reading_evening", "house_id", "evening"),
    Index("ix_check_in_reading_person", "person_id", "evening"),
    Index("ix_check_in_reading_at", "institution_id", "at_ms"),
)

#: What else happened at a kiosk: a fact, with who and when by the store's reckoning.
kiosk_event = Table(
    "kiosk_event",
    metadata,
    Column("id", Id, ForeignKey("record.id"), primary_key=True, autoincrement=False),
    _institution(),
    _ref("reader_id", "reader"),
    _ref("journal_id", "journal", index=True),
    Column("seq", BigInteger, nullable=False),
    Column("event", String(32), nullable=False),
    #: the card that it is about, and the staff card that did it
    Column("key_id", SmallInteger),
    Column("token", LargeBinary, index=True),
    Column("by_key_id", SmallInteger),
    Column("by_token", LargeBinary, index=True),
    Column("boot_ms", Ms, nullable=False),
    Column("wall_ms", Ms),
    Column("clock", String(4), nullable=False),
    Column("uncertainty_ms", Ms),
    Column("slot", BigInteger),
    Column("generation", BigInteger),
    Column("detail", String(64)),
    #: by the store's reckoning, said again as a check-in's are
    _ref("person_id", "person", nullable=True, index=True),
    _ref("by_person_id", "person", nullable=True),
    Column("at_ms", Ms),
    #: how wrong at_ms may be, either way; NULL: as uncertainty_ms says
    Column("unsure_ms", Ms),
    Column("received_ms", Ms, nullable=False),
    #: what follows from it is to be looked at again
    Column("due", Boolean, nullable=False, server_default=true(), index=True),
    Index("ix_kiosk_event_reader", "reader_id", "at_ms"),
)

#: What staff did about somebody on an evening. kind: entry (counts as a check-in, with a reason), excuse, call, note.
evening_act = Table(
    "evening_act",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person"),
    _ref("house_id", "house"),
    #: ISO date
    Column("evening", String(10), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reason", String(32), nullable=False, server_default=""),
    _ref("note_id", "note", nullable=True),
    _ref("by_account_id", "account"),
    Column("at_ms", Ms, nullable=False),
    Column("withdrawn_ms", Ms),
    _ref("withdrawn_by_account_id", "account", nullable=True),
    Index("ix_evening_act_evening", "house_id", "evening"),
    Index("ix_evening_act_person", "person_id", "evening"),
)

#: Leave from the residence: asked by the resident, decided by staff. Dates are evenings, both included.
residence_leave = Table(
    "residence_leave",
    metadata,
    _id(),
    _institution(),
    _ref("person_id", "person", index=True),
    Column("first", String(10), nullable=False),
    Column("last", String(10), nullable=False),
    _ref("note_id", "note", nullable=True),
    Column("asked_ms", Ms, nullable=False),
    _ref("asked_by_account_id", "account"),
    #: asked, approved, refused, withdrawn
    Column("state", String(16), nullable=False),
    Column("decided_ms", Ms),
    _ref("decided_by_account_id", "account", nullable=True),
    _ref("answer_note_id", "note", nullable=True),
)

#: What one shift tells the next.
duty_note = Table(
    "duty_note",
    metadata,
    _id(),
    _institution(),
    _ref("house_id", "house"),
    Column("evening", String(10), nullable=False),
    _ref("note_id", "note"),
    _ref("by_account_id", "account"),
    Column("at_ms", Ms, nullable=False),
    Index("ix_duty_note_evening", "house_id", "evening"),
)

#: What looks odd, for a person to judge: the machine decides nothing by it. `detail` is JSON of ids, counts and times.
residence_flag = Table(
    "residence_flag",
    metadata,
    _id(),
    _institution(),
    _ref("house_id", "house"),
    Column("kind", String(32), nullable=False),
    #: one row for a cause: who or which kiosk, and the evening
    Column("subject", String(128), nullable=False),
    _ref("person_id", "person", nullable=True, index=True),
    _ref("reader_id", "reader", nullable=True),
    Column("at_ms", Ms, nullable=False),
    Column("last_ms", Ms, nullable=False),
    Column("count", Integer, nullable=False, server_default=text("1")),
    Column("detail", Text, nullable=False, server_default="{}"),
    Column("closed_ms", Ms),
    _ref("closed_by_account_id", "account", nullable=True),
    _ref("note_id", "note", nullable=True),
    UniqueConstraint("house_id", "kind", "subject"),
)
