"""Erasing a person who has left: names, addresses, numbers, texts, files, card tokens, account and PIN go for good.

Marks, their history, check-ins and consents stay as proof, under a number that names nobody: a fact keeps its identity
and its MAC (store/emptying.py), a chain its digests (`muster audit verify` goes on to hold). What an open decision still
needs, and what is about somebody else too, is kept and said. A preview is the same work, undone: the two cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from server.errors import Refused, StoreError
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import attachments, campus, derivations, emptying, erasure, footage, institutions, notes, people
from server.store import residence_templates as templates
from server.store import texts as texts_
from server.store.inventory import Me
from server.store.inventory_all import EVERY
from server.store.inventory_people import TOKENS
from server.store.inventory_registers import cited
from server.store.schema import (
    account,
    card_assignment,
    card_token,
    enrolment,
    mark_current,
    note,
    person,
    person_name,
    swipe,
)
from server.store.schema_cards import card_signer, swipe_message
from server.store.schema_residence import (
    check_in,
    check_in_reading,
    consent,
    duty,
    kiosk_event,
    residence_leave,
    residency,
    template,
)
from server.store.schema_rights import account_role
from server.store.schema_work import absence, attachment, change_request, message

ACT = "person.erase"
REASON_MAX = erasure.REASON_MAX
#: rows that go, as a person says them
WORDS = {
    "person_contact": "addresses",
    "person_external_id": "numbers",
    "person_fact": "facts such as a birth date",
    "person_relation": "relations",
    "login": "logins",
    "api_token": "tokens for programs",
    "passkey": "passkeys",
    "outside_identity": "identities at the sign-in service",
    "sign_in_flow": "sign-ins under way",
    "pin": "PINs",
}
#: rows that go with their card, unless somebody else has it now, or with their taps' tokens: before the rest, not by `way`
WITH_THE_CARD = (card_token, card_signer, swipe_message)
#: what an erased person is called on registers
CALLED = "erased {}"


@dataclass(kw_only=True)
class Erased:
    """What went or would go, and what stays. Counts by what it is, in words."""

    goes: dict[str, int] = field(default_factory=dict)
    #: sentences
    kept: list[str] = field(default_factory=list)


def erase(
    connection: Connection,
    folder: Path,
    scope: Scope,
    profiles: Profiles,
    person_id: int,
    *,
    reason: str,
    now_ms: int,
) -> Erased:
    """Erase a person. To look at it first, do it within `campus.tried`. profiles: how long footage is kept (DDU-9).

    Raises NotFound(`person`), Refused(`person-here`, `person-oneself`, `person-erased`), StoreError(`erase-reason`).
    """
    people.need(connection, scope, person_id, ACT)
    campus.need_whole(scope, ACT)
    campus.begin(connection, scope)
    row = connection.execute(select(person.c.ended_ms).where(person.c.id == person_id)).one()
    if row.ended_ms is None:
        raise Refused(
            "person-here", "they have not left: nobody is erased who still belongs here. Say `Has left` first"
        )
    if person_id == scope.person_id:
        raise Refused("person-oneself", "nobody erases themselves: another administrator does it")
    if not reason.strip():
        raise StoreError("erase-reason", "say why they are erased, without repeating who they are")
    name = connection.execute(select(person_name.c.full_name).where(person_name.c.person_id == person_id)).scalar()
    if name == CALLED.format(person_id):
        raise Refused("person-erased", "they are erased already")
    return _Erasing(connection, folder, scope, profiles, person_id, now_ms).all(notes.within(reason, REASON_MAX))


class _Erasing:
    """One erasure, step by step."""

    def __init__(
        self, connection: Connection, folder: Path, scope: Scope, profiles: Profiles, person_id: int, now_ms: int
    ) -> None:
        self.profiles = profiles
        self.connection, self.folder, self.scope, self.now_ms = connection, folder, scope, now_ms
        self.me = Me(person_id, scope.institution_id)
        self.done = Erased()

    def all(self, reason: str) -> Erased:
        """Everything, in an order in which nothing is looked for that is gone."""
        why = notes.add(self.connection, self.scope.institution_id, reason, self.scope.account_id or None, self.now_ms)
        self._texts(reason)
        self._tokens()
        self._fingers()
        self._account()
        self._cards()
        self._rows()
        self._name()
        for table in (enrolment, residency, duty):
            self._end(table)
        touched = select(mark_current.c.session_id).where(mark_current.c.person_id == self.me.person)
        derivations.touch(self.connection, self.connection.execute(touched).scalars().all())
        institutions.campus_changed(self.connection, self.scope.institution_id)
        counts = {name.replace(" ", "-").replace("'", ""): many for name, many in self.done.goes.items()}
        campus.write_down(
            self.connection,
            self.scope,
            "person.erase",
            f"person/{self.me.person}",
            self.now_ms,
            reason_note=why,
            **counts,
        )
        self.done.kept += [
            "Marks and the history of registers stay as proof, under a number that names nobody.",
            "Taps and check-ins stay without their card, consents with the digest of their words.",
            "Copies in backups go when those backups are thrown away; letters in the outbox folder within a minute.",
        ]
        return self.done

    def _count(self, what: str, many: int) -> None:
        if many:
            self.done.goes[what] = self.done.goes.get(what, 0) + many

    def _do(self, statement: Any) -> int:
        return self.connection.execute(statement).rowcount

    # --- texts ---

    def _texts(self, reason: str) -> None:
        held = self._held()
        while True:
            there = texts_.of_person(self.connection, self.scope, self.me.person, self.now_ms)
            keys = [one.key for one in there if one.erased_ms is None and one.key not in held][: erasure.AT_ONCE]
            if not keys:
                break
            done = erasure.of_person(
                self.connection, self.folder, self.scope, self.me.person, keys, reason=reason, now_ms=self.now_ms
            )
            self._count("texts and files", done)
        # What stands on no register: the residence's notes, callers, and what is older than a page shows.
        callers = select(absence.c.told_by_note_id).where(absence.c.person_id == self.me.person)
        mine = select(note.c.id).where(or_(cited(self.me), note.c.id.in_(callers)), note.c.erased_ms.is_(None))
        rest = [one for one in self.connection.execute(mine).scalars() if f"{texts_.NOTE}-{one}" not in held]
        self._count("texts and files", notes.erase(self.connection, self.scope.institution_id, rest, self.now_ms))
        way = EVERY["attachment"].way
        assert way is not None
        files = select(attachment.c.id).where(way(self.me), attachment.c.erased_ms.is_(None))
        for one in self.connection.execute(files).scalars().all():
            if f"{texts_.FILE}-{one}" not in held:
                attachments.erase(self.connection, self.folder, self.scope.institution_id, one, self.now_ms)
                self._count("texts and files", 1)
        words = update(message).where(message.c.to_person_id == self.me.person, message.c.erased_ms.is_(None))
        self._count("texts and files", self._do(words.values(text="", subject="", erased_ms=self.now_ms)))

    def _held(self) -> set[str]:
        """Keys of the texts and files that stay for now, and why they do."""
        found: set[str] = set()
        asked = change_request.c
        for where, why in (
            (and_(asked.id.in_(self.me.requests), asked.state == "open"),
             "A change request is open: its reason and files stay until it is decided. Erase them then on the register's page."),
            (and_(asked.id.in_(self.me.requests), asked.id.not_in(self.me.sole_requests)),
             "A change request names other students too: its reason and files stay. Erase them on the register's page."),
        ):  # fmt: skip
            rows = self.connection.execute(
                select(asked.id, asked.reason_note_id, asked.decided_note_id).where(where)
            ).all()
            found |= self._keys("change_request", [row.id for row in rows])
            found |= {f"note-{one}" for row in rows for one in row[1:] if one is not None}
            self.done.kept += [why] if rows else []
        rests, until = footage.rested_on(self.connection, self.profiles, self.scope, self.me.requests, self.now_ms)
        found |= self._keys("change_request", [row.id for row in rests])
        found |= {
            f"note-{one}" for row in rests for one in (row.reason_note_id, row.decided_note_id) if one is not None
        }
        if until is not None:
            self.done.kept.append(
                f"A correction rests on footage: the reference to it is kept until {until} (DDU-9). Erase it "
                "then, among the register's reasons and notes."
            )
        for table, subject, columns, waits in (
            (absence, "absence", ("reason_note_id", "told_by_note_id", "decided_note_id"), "open"),
            (residence_leave, "", ("note_id", "answer_note_id"), "asked"),
        ):
            mine = and_(table.c.person_id == self.me.person, table.c.state == waits)
            rows = self.connection.execute(select(table.c.id, *(table.c[one] for one in columns)).where(mine)).all()
            found |= self._keys(subject, [row.id for row in rows]) if subject else set()
            found |= {f"note-{one}" for row in rows for one in row[1:] if one is not None}
            if rows:
                self.done.kept.append("An absence or leave waits for a decision: its reason stays until then.")
        return found

    def _keys(self, subject: str, ids: list[int]) -> set[str]:
        query = select(attachment.c.id).where(attachment.c.subject == subject, attachment.c.subject_id.in_(ids))
        return {f"file-{one}" for one in self.connection.execute(query).scalars()}

    # --- what stands for them ---

    def _tokens(self) -> None:
        facts = {swipe: self.me.swipes, check_in: self.me.check_ins, kiosk_event: self.me.kiosk_events}
        for table, ids in facts.items():
            columns = [*TOKENS[table], *(("cell", "fix") if table is check_in else ())]
            there = self.connection.execute(ids).scalars().all()
            self._count("card tokens in taps and check-ins", emptying.empty(self.connection, table, there, columns))
        stood_by = select(check_in_reading.c.check_in_id).where(check_in_reading.c.witness_person_id == self.me.person)
        did = select(kiosk_event.c.id).where(kiosk_event.c.by_person_id == self.me.person)
        for table, ids, columns in (
            (check_in, stood_by, ("witness_key_id", "witness_token")),
            (kiosk_event, did, ("by_key_id", "by_token")),
        ):
            there = self.connection.execute(ids).scalars().all()
            self._count("card tokens in taps and check-ins", emptying.empty(self.connection, table, there, columns))

    def _fingers(self) -> None:
        mine = template.c.person_id == self.me.person
        gone = templates.end_of(self.connection, self.scope.institution_id, [mine], self.now_ms)
        self._count("fingers in sensors", gone)
        taken = update(consent).where(consent.c.person_id == self.me.person, consent.c.withdrawn_ms.is_(None))
        self._do(taken.values(withdrawn_ms=self.now_ms, withdrawn_by_account_id=self.scope.account_id or None))
        left = select(func.count()).where(mine, template.c.state == "erasing")
        if self.connection.execute(left.select_from(template)).scalar_one():
            self.done.kept.append(
                "A sensor still holds a finger of theirs: it forgets it when its kiosk is next heard."
            )

    def _account(self) -> None:
        for one in self.connection.execute(self.me.accounts).scalars().all():
            self._count("accounts", 1)
            self._do(
                update(account)
                .where(account.c.id == one)
                .values(
                    login=f"erased-{one}",
                    shown_name=CALLED.format(self.me.person),
                    password_hash="",
                    disabled_ms=func.coalesce(account.c.disabled_ms, self.now_ms),
                )
            )
            ends = update(account_role).where(account_role.c.account_id == one, account_role.c.to_ms.is_(None))
            self._do(ends.values(to_ms=self.now_ms))

    def _cards(self) -> None:
        self._end(card_assignment)
        others = select(card_assignment.c.card_id).where(
            card_assignment.c.person_id != self.me.person,
            or_(card_assignment.c.to_ms.is_(None), card_assignment.c.to_ms > self.now_ms),
        )
        mine = card_token.c.card_id.in_(self.me.cards) & card_token.c.card_id.not_in(others)
        self._count("cards' tokens", self._do(delete(card_token).where(mine)))
        signs = card_signer.c.card_id.in_(self.me.cards) & card_signer.c.card_id.not_in(others)
        self._count("cards' own keys", self._do(delete(card_signer).where(signs)))

    def _rows(self) -> None:
        for kept in EVERY.values():
            if kept.way is None or kept.table in WITH_THE_CARD:
                continue
            if kept.goes:
                self._count(WORDS[kept.table.name], self._do(delete(kept.table).where(kept.way(self.me))))
            elif kept.becomes:
                self._do(update(kept.table).where(kept.way(self.me)).values(**kept.becomes))

    def _name(self) -> None:
        called = CALLED.format(self.me.person)
        blank = {"full_name": called, "given_name": None, "family_name": None, "sort_name": called}
        self._count(
            "names", self._do(update(person_name).where(person_name.c.person_id == self.me.person).values(blank))
        )

    def _end(self, table: Any) -> None:
        still = or_(table.c.to_ms.is_(None), table.c.to_ms > self.now_ms)
        ends = update(table).where(table.c.person_id == self.me.person, still)
        self._do(ends.values(to_ms=self.now_ms))
