"""What is stored of residents and staff on duty: lines of the inventory. No fingerprint, and no precise place."""

from __future__ import annotations

from server.store import schema_residence as _H
from server.store.inventory import OTHERS, SECRET, STAFF, STUDENTS, TOKEN, WIRE, WORD, Kept, of
from server.store.inventory_groups import CAMPUS, FINGER, RESIDENCE

_PERSON = ("person_id",)

RESIDENCE_ = (
    Kept(table=_H.residency, holds="Where you live, from when to when.", group=RESIDENCE, whose=STUDENTS,
         way=of(_H.residency.c.person_id), own=_PERSON),
    Kept(table=_H.duty, holds="When staff are on duty in a house.", group=RESIDENCE, whose=STAFF,
         way=of(_H.duty.c.person_id), own=_PERSON),
    Kept(table=_H.check_in, holds="A check-in as the kiosk told it: when, by finger or PIN, inside or outside the house's "
         "grounds, and a square of about one kilometre.", group=RESIDENCE, whose=STUDENTS,
         way=lambda me: _H.check_in.c.id.in_(me.check_ins),
         columns={"token": TOKEN, "token2": TOKEN, "witness_key_id": OTHERS, "witness_token": OTHERS}),
    Kept(table=_H.check_in_reading, holds="Which evening it counts for.", group=RESIDENCE, whose=STUDENTS,
         way=of(_H.check_in_reading.c.person_id), own=_PERSON),
    Kept(table=_H.kiosk_event, holds="What else happened at a kiosk with your card, such as a finger that was refused.",
         group=RESIDENCE, whose=STUDENTS, way=of(_H.kiosk_event.c.person_id), own=_PERSON,
         columns={"token": TOKEN, "by_key_id": OTHERS, "by_token": OTHERS}),
    Kept(table=_H.evening_act, holds="What staff did about you on an evening: a call, an excuse, an entry by hand.",
         group=RESIDENCE, whose=STUDENTS, way=of(_H.evening_act.c.person_id), own=_PERSON),
    Kept(table=_H.residence_leave, holds="Leave from the residence, and what was decided.", group=RESIDENCE,
         whose=STUDENTS, way=of(_H.residence_leave.c.person_id), own=_PERSON),
    Kept(table=_H.residence_flag, holds="What looked odd, for staff to judge: a machine decides nothing by it.",
         group=RESIDENCE, whose=STUDENTS, way=of(_H.residence_flag.c.person_id), own=_PERSON,
         columns={"detail": WIRE}),
    Kept(table=_H.duty_note, holds="What one shift tells the next.", group=RESIDENCE, whose=STAFF),
    Kept(table=_H.pin, holds="Your PIN, as a hash that nobody can turn back.", group=RESIDENCE, whose=STUDENTS,
         way=of(_H.pin.c.person_id), own=_PERSON, columns={"hash": SECRET}, goes=True),
    Kept(table=_H.consent, holds="That you agreed to a fingerprint, to which words, and whether you took it back.",
         group=FINGER, whose=STUDENTS, way=of(_H.consent.c.person_id), own=_PERSON),
    Kept(table=_H.template, holds="Which place in which sensor is yours. The print itself never leaves the sensor.",
         group=FINGER, whose=STUDENTS, way=of(_H.template.c.person_id), own=_PERSON),
    *(Kept(table=table, holds=holds, group=CAMPUS, columns=columns) for table, holds, columns in (
        (_H.house, "Houses.", {"name": WORD}),
        (_H.kiosk, "Which kiosk serves which house, and where it stands.", {}),
        (_H.pin_key, "The secret under which PINs become hashes.", {"secret": SECRET}),
    )),
)  # fmt: skip
