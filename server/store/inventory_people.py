"""What is stored of people, their accounts and cards, and of taps at doors: lines of the inventory."""

from __future__ import annotations

from sqlalchemy import or_

from server.store import schema, schema_fleet, schema_rights, schema_slots, schema_trust
from server.store.inventory import (
    BYTES,
    EVERYBODY,
    NAME,
    NOBODY,
    OTHERS,
    SECRET,
    STUDENTS,
    TEXT,
    TOKEN,
    WIRE,
    WORD,
    Kept,
    of,
    of_account,
)  # fmt: skip
from server.store.inventory_groups import CARDS, LINE, PROOF, RUNNING, SIGN_IN, WHO
from server.store.schema_residence import check_in, kiosk_event

_S, _R, _F, _T = schema, schema_rights, schema_fleet, schema_trust
_PERSON = ("person_id",)
_SHOWN = {"full_name": NAME, "given_name": NAME, "family_name": NAME, "sort_name": NAME}

PEOPLE = (
    Kept(table=_S.person, holds="That you are a person here, since when, and until when.", group=WHO, whose=EVERYBODY,
         way=lambda me: _S.person.c.id == me.person, own=("id",)),
    Kept(table=_S.person_name, holds="Your name.", group=WHO, whose=EVERYBODY, way=of(_S.person_name.c.person_id),
         own=_PERSON, columns=_SHOWN),
    Kept(table=_S.person_contact, holds="Your e-mail address and other ways to reach you.", group=WHO,
         whose=EVERYBODY, way=of(_S.person_contact.c.person_id), own=_PERSON, columns={"value": NAME}, goes=True),
    Kept(table=_S.person_external_id, holds="Your student or staff number, and what other systems call you.",
         group=WHO, whose=EVERYBODY, way=of(_S.person_external_id.c.person_id), own=_PERSON,
         columns={"external_id": NAME}, goes=True),
    Kept(table=_S.person_fact, holds="Facts such as a birth date or a support plan, where your institution keeps them.",
         group=WHO, whose=STUDENTS, way=of(_S.person_fact.c.person_id), own=_PERSON, columns={"value": TEXT},
         goes=True),
    Kept(table=_S.person_relation, holds="Your parents, carers, employer or sponsor.", group=WHO, whose=STUDENTS,
         way=of(_S.person_relation.c.person_id), own=_PERSON,
         columns={"other_name": OTHERS, "other_contact": OTHERS}, goes=True),
    Kept(table=_R.person_department, holds="Your department or faculty.", group=WHO, whose=EVERYBODY,
         way=of(_R.person_department.c.person_id), own=_PERSON),
    Kept(table=_S.enrolment, holds="The classes that you are in or teach.", group=WHO, whose=EVERYBODY,
         way=of(_S.enrolment.c.person_id), own=_PERSON),
    Kept(table=_S.session_staff, holds="The sessions that you staff.", group=WHO, whose=EVERYBODY,
         way=of(_S.session_staff.c.person_id), own=_PERSON),
    # cards
    Kept(table=_S.card, holds="That a card exists.", group=CARDS, whose=EVERYBODY,
         way=lambda me: _S.card.c.id.in_(me.cards)),
    Kept(table=_S.card_token, holds="The token by which a door knows your card.", group=CARDS, whose=EVERYBODY,
         way=lambda me: _S.card_token.c.card_id.in_(me.cards), columns={"token": TOKEN}, goes=True),
    Kept(table=_S.card_assignment, holds="Which card is yours, from when to when.", group=CARDS, whose=EVERYBODY,
         way=of(_S.card_assignment.c.person_id), own=_PERSON),
    Kept(table=_S.card_key, holds="The secret under which cards become tokens.", group=CARDS,
         columns={"secret": SECRET}),
    # account
    Kept(table=_S.account, holds="Your account: its login, and your password as a hash.", group=SIGN_IN,
         whose=EVERYBODY, way=of(_S.account.c.person_id), own=_PERSON,
         columns={"login": NAME, "shown_name": NAME, "password_hash": SECRET}),
    Kept(table=_S.login, holds="When you signed in, how, with what browser; never from which address.", group=SIGN_IN,
         whose=EVERYBODY, way=of_account(_S.login.c.account_id), own=("account_id",),
         columns={"token_hash": SECRET, "csrf": SECRET}, goes=True),
    Kept(table=_S.api_token, holds="Tokens of yours for programs, as hashes.", group=SIGN_IN, whose=EVERYBODY,
         way=of_account(_S.api_token.c.account_id), own=("account_id",), columns={"token_hash": SECRET}, goes=True),
    Kept(table=_R.account_role, holds="What your account may do, and where.", group=SIGN_IN, whose=EVERYBODY,
         way=of_account(_R.account_role.c.account_id), own=("account_id",)),
    Kept(table=_R.passkey, holds="Your passkeys: public keys, and what you call them.", group=SIGN_IN,
         whose=EVERYBODY, way=of_account(_R.passkey.c.account_id), own=("account_id",),
         columns={"credential_id": SECRET, "public_key": BYTES, "name": NAME}, goes=True),
    Kept(table=_R.outside_identity, holds="Who you are at your institution's sign-in service.", group=SIGN_IN,
         whose=EVERYBODY, way=of_account(_R.outside_identity.c.account_id), own=("account_id",),
         columns={"subject": NAME}, goes=True),
    Kept(table=_R.sign_in_flow, holds="A sign-in that is under way.", group=SIGN_IN, whose=EVERYBODY,
         way=of_account(_R.sign_in_flow.c.account_id), own=("account_id",),
         columns={"state_hash": SECRET, "detail": SECRET}, goes=True),
    # the line in
    Kept(table=_S.swipe, holds="A tap as the reader told it: when, at which reader, with which card token.", group=LINE,
         whose=EVERYBODY, way=lambda me: _S.swipe.c.id.in_(me.swipes),
         columns={"token": TOKEN, "token2": TOKEN}),
    Kept(table=_S.reading, holds="What was made of a tap: when and where it was, and whose.", group=LINE,
         whose=EVERYBODY, way=of(_S.reading.c.person_id), own=_PERSON),
    Kept(table=_S.record, holds="What a reader sent, sealed so that nobody can alter it.", group=LINE, whose=EVERYBODY,
         way=lambda me: or_(*(_S.record.c.id.in_(ids) for ids in (me.swipes, me.check_ins, me.kiosk_events))),
         columns={"text": WIRE, "mac": BYTES}),
    Kept(table=_S.credit, holds="Which tap counts for which session.", group=LINE, whose=STUDENTS,
         way=of(_S.credit.c.person_id), own=_PERSON),
    Kept(table=_S.due, holds="That your taps are being looked at again.", group=LINE, whose=EVERYBODY,
         way=of(_S.due.c.person_id), own=_PERSON),
    Kept(table=_S.quarantine, holds="What came from a reader and could not be believed or used.", group=LINE,
         whose=NOBODY, columns={"topic": WORD, "content": WIRE}),
    Kept(table=_S.roster, holds="The card tokens that a door's reader knows today; made anew every day.", group=LINE,
         whose=EVERYBODY, columns={"payload": WIRE}),
    Kept(table=_S.audit, holds="What was done to your data, and what you did yourself, in numbers and words.",
         group=PROOF, whose=EVERYBODY, own=("account_id",),
         way=lambda me: or_(_S.audit.c.account_id.in_(me.accounts),
                            _S.audit.c.subject.in_((f"person/{me.person}", f"person:{me.person}"))),
         columns={"detail": WIRE}),
    # the rest of the line: nobody's
    *(Kept(table=table, holds=holds, group=RUNNING, columns=columns) for table, holds, columns in (
        (_S.gateway, "Gateways.", {"token_hash": SECRET}),
        (_S.reader, "Readers.", {}),
        (_S.reader_key, "Readers' keys, sealed.", {"secret": SECRET}),
        (_T.authority, "The certificate authority by which readers know the broker; its key sealed.",
         {"certificate": BYTES, "key": SECRET}),
        (_T.broker_credential, "Who may speak at the broker: passwords as hashes.", {"hash": SECRET}),
        (_T.broker_agent, "What stands beside the broker.", {"token_hash": SECRET}),
        (schema_slots.slot, "Doors that wait for a board, which becomes their reader.", {"token_hash": SECRET}),
        (_T.reader_revocation, "Readers that were stolen, lost or opened.", {}),
        (_S.placement, "At which door a reader is.", {}),
        (_S.reader_state, "How a reader is.", {"health": WORD}),
        (_S.journal, "How far a reader's records are held.", {}),
        (_S.lost_range, "Records that nobody has any more.", {}),
        (_S.clock_pair, "What a reader's clock said.", {}),
        (_S.hello, "That a reader connected.", {"text": WIRE}),
        (_S.head, "Up to where a reader had records.", {"journals": WIRE}),
        (_S.alarm, "What a technician should look at.", {"text": WORD}),
        (_F.reader_outage, "When a reader, or the whole line, was out.", {}),
        (_F.reader_command, "What a technician asked a reader to do.", {"found": WORD}),
        (_F.fleet_watch, "When the store looked at its readers last.", {}),
        (_F.fleet_alert, "When a reader was down by a rule.", {"text": WORD}),
        (_F.fleet_notice, "What went out about readers that were down.", {"subject": WORD, "body": WORD}),
    )),
)  # fmt: skip

#: columns of these that hold a card's token, with its key's number
TOKENS = {
    _S.swipe: ("key_id", "token", "key2_id", "token2"),
    check_in: ("key_id", "token", "key2_id", "token2"),
    kiosk_event: ("key_id", "token"),
}
