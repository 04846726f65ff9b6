"""Whose template which slot of which sensor may hold: asked with consent, held, and erased (DDU-12).

A row is a wish and what became of it. The residents list names what is `wanted` or `held`; the kiosk erases whatever it
does not name, and says so. What a kiosk said of a generation settles its row, in whatever order that came. No template
and no image is here, nor anywhere but in a sensor.

    wanted --enrolled--> held --withdrawn, moved out, card ended--> erasing --erased--> erased
       \\--withdrawn before any finger--> erased
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from server.errors import NotFound, Refused
from server.scope import Scope
from server.store import campus, institutions, residence_reach, withheld
from server.store.schema import account, card_assignment, reader
from server.store.schema_residence import consent, house, kiosk, kiosk_event, residency, template
from server.store.upsert import new_id

WANTED, HELD, ERASING, ERASED = STATES = ("wanted", "held", "erasing", "erased")
#: a slot is taken while its row is in one of these
TAKEN = (WANTED, HELD, ERASING)
FINGER = "finger"
#: what a kiosk says of an enrolment
ENROLLED, ENROL_FAILED, SLOT_ERASED, WIPED = "enrolled", "enrol-failed", "erased", "sensor-wiped"


@dataclass(frozen=True, kw_only=True)
class Template:
    """One enrolment, wished for or done. failed_ms: a try failed; it is tried again at the kiosk."""

    id: int
    reader_id: int
    #: the kiosk's name, and its house's code
    reader: str
    house: str
    slot: int
    generation: int
    person_id: int
    consent_id: int
    state: str
    asked_ms: int
    held_ms: int | None
    failed_ms: int | None
    erasing_ms: int | None
    erased_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Consent:
    """That somebody agreed, to which words, before whom, and whether they took it back."""

    id: int
    person_id: int
    text_version: str
    text_digest: str
    language: str
    given_ms: int
    #: what those are called before whom it was given and taken back; '' where nobody is called so any more
    taken_by: str
    withdrawn_ms: int | None
    withdrawn_by: str


def arm(
    connection: Connection,
    scope: Scope,
    person_id: int,
    reader_id: int,
    text_version: str,
    now_ms: int,
    *,
    text_digest: str = "",
    language: str = "en",
) -> int:
    """The resident agreed to these words, in front of who is signed in; a finger of theirs may be enrolled at this
    kiosk. What the sensor held of them before goes. Returns the template's id; armed already: that one's.

    Raises NotFound(`resident`, `kiosk`), Refused(`not-resident`, `no-card`, `consent-text`, `sensor-full`).
    """
    residence_reach.need_person(connection, scope, person_id, "residence.tend", now_ms=now_ms)
    campus.begin(connection, scope)
    here = _kiosk(connection, scope, reader_id, "residence.tend", now_ms)
    if not text_version.strip():
        raise Refused("consent-text", "say to which words they agreed: the consent's text has a version")
    if residence_reach.house_of(connection, person_id, now_ms) != here.house_id:
        raise Refused("not-resident", "they do not live in this kiosk's house now: nothing was asked of the kiosk")
    if not connection.execute(select(_has_card(person_id, now_ms))).scalar():
        raise Refused("no-card", "they have no card that works: the kiosk knows them by it. Give them one first")
    agreed = _consent(connection, scope, person_id, text_version.strip(), text_digest, language, now_ms)
    mine = and_(template.c.reader_id == reader_id, template.c.person_id == person_id)
    for row in connection.execute(select(template).where(mine, template.c.state.in_((WANTED, HELD)))).all():
        if row.state == WANTED and row.consent_id == agreed:
            return row.id
        _let_go(connection, row, now_ms)
    slot = _slot(connection, reader_id, here.capacity)
    generation = connection.execute(
        select(func.coalesce(func.max(template.c.generation), 0) + 1).where(template.c.reader_id == reader_id)
    ).scalar_one()
    made = connection.execute(
        template.insert().values(
            institution_id=scope.institution_id,
            reader_id=reader_id,
            slot=slot,
            generation=generation,
            person_id=person_id,
            consent_id=agreed,
            state=WANTED,
            asked_ms=now_ms,
            asked_by_account_id=scope.account_id,
        )
    )
    campus.write_down(connection, scope, "template.arm", f"person:{person_id}", now_ms, kiosk=reader_id, consent=agreed)
    institutions.campus_changed(connection, scope.institution_id)
    return new_id(made)


def withdraw(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> int:
    """The resident takes their consent back, themselves or before staff: every sensor is to forget them, at once or when
    it is heard next. Returns how many templates go. Raises NotFound(`resident`)."""
    residence_reach.need_own_or(connection, scope, person_id, "residence.tend", now_ms=now_ms)
    campus.begin(connection, scope)
    connection.execute(
        update(consent)
        .where(
            consent.c.institution_id == scope.institution_id,
            consent.c.person_id == person_id,
            consent.c.withdrawn_ms.is_(None),
        )
        .values(withdrawn_ms=now_ms, withdrawn_by_account_id=scope.account_id)
    )
    gone = end_of(connection, scope.institution_id, [template.c.person_id == person_id], now_ms)
    campus.write_down(connection, scope, "consent.withdraw", f"person:{person_id}", now_ms, templates=gone)
    return gone


def disarm(connection: Connection, scope: Scope, template_id: int, now_ms: int) -> None:
    """What was asked of a kiosk, or is held there, is no longer wanted; the consent stays. Raises NotFound(`template`)."""
    row = connection.execute(
        select(template).where(template.c.id == template_id, template.c.institution_id == scope.institution_id)
    ).first()
    if row is None or row.state not in (WANTED, HELD):
        raise NotFound("template", "there is no such enrolment any more")
    residence_reach.need_person(connection, scope, row.person_id, "residence.tend", now_ms=now_ms)
    _let_go(connection, row, now_ms)
    campus.write_down(connection, scope, "template.disarm", f"person:{row.person_id}", now_ms, kiosk=row.reader_id)
    institutions.campus_changed(connection, scope.institution_id)


def of_person(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> list[Template]:
    """Somebody's enrolments, newest first; residents their own. Raises NotFound(`resident`)."""
    residence_reach.need_own_or(connection, scope, person_id, "residence.read", now_ms=now_ms)
    return _listed(connection, template.c.person_id == person_id)


def consents(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> list[Consent]:
    """What somebody agreed to, newest first; residents their own. Raises NotFound(`resident`)."""
    residence_reach.need_own_or(connection, scope, person_id, "residence.read", now_ms=now_ms)
    giving, taking = account.alias("giving"), account.alias("taking")
    query = (
        select(
            consent,
            func.coalesce(giving.c.shown_name, "").label("taken_by"),
            func.coalesce(taking.c.shown_name, "").label("withdrawn_by"),
        )
        .outerjoin(giving, giving.c.id == consent.c.taken_by_account_id)
        .outerjoin(taking, taking.c.id == consent.c.withdrawn_by_account_id)
        .where(consent.c.institution_id == scope.institution_id, consent.c.person_id == person_id)
    )
    return [
        Consent(**{name: getattr(row, name) for name in Consent.__dataclass_fields__})
        for row in connection.execute(query.order_by(consent.c.id.desc()))
    ]


def sweep(connection: Connection, institution_id: int, now_ms: int) -> int:
    """Whoever no longer lives in a kiosk's house, or has no card that works, leaves its sensor; so does everybody where
    a kiosk serves its house no more. Returns how many go."""
    serves = exists().where(
        kiosk.c.reader_id == template.c.reader_id,
        kiosk.c.from_ms <= now_ms,
        or_(kiosk.c.to_ms.is_(None), kiosk.c.to_ms > now_ms),
        residency.c.house_id == kiosk.c.house_id,
        residency.c.person_id == template.c.person_id,
        residence_reach.lives_at(now_ms),
    )
    gone = or_(~serves, ~_has_card(template.c.person_id, now_ms))
    return end_of(connection, institution_id, [gone], now_ms)


def end_of(connection: Connection, institution_id: int, where: Iterable[Any], now_ms: int) -> int:
    """These templates are no longer wanted. Returns how many."""
    query = select(template).where(
        template.c.institution_id == institution_id, template.c.state.in_((WANTED, HELD)), *where
    )
    rows = connection.execute(query).all()
    for row in rows:
        _let_go(connection, row, now_ms)
    if rows:
        institutions.campus_changed(connection, institution_id)
    return len(rows)


def settle(connection: Connection, institution_id: int, reader_id: int) -> None:
    """Let what the kiosk has said move its templates: the same in whatever order its records came."""
    said: dict[int, list[Any]] = {}
    wipes: list[Any] = []
    #: generations of which only a kiosk says that there is a finger that was stolen by then
    doubted: set[int] = set()
    held = withheld.of_readers(connection, [reader_id]).get(reader_id)
    query = select(kiosk_event, withheld.event_is_believed().label("believed")).where(
        kiosk_event.c.reader_id == reader_id, kiosk_event.c.event.in_((ENROLLED, ENROL_FAILED, SLOT_ERASED, WIPED))
    )
    for row in sorted(connection.execute(query), key=_when):
        if not row.believed:
            if row.event == ENROLLED and row.generation is not None:
                doubted.add(row.generation)
        elif row.event == WIPED:
            wipes.append(row)
        elif row.generation is not None:
            said.setdefault(row.generation, []).append(row)
    changed = False
    for row in connection.execute(select(template).where(template.c.reader_id == reader_id)).all():
        events = said.get(row.generation, [])
        values = _settled(row, events, wipes)
        if held is not None and row.generation in doubted and not any(one.event == ENROLLED for one in events):
            values |= _perhaps(row, held.since_ms)
        if values:
            connection.execute(update(template).where(template.c.id == row.id).values(**values))
            changed = changed or values.get("state", row.state) != row.state
    if changed:
        institutions.campus_changed(connection, institution_id)


def _when(row: Any) -> tuple[int, int, int]:
    return (row.received_ms if row.at_ms is None else row.at_ms, row.seq, row.id)


def _settled(row: Any, events: list[Any], wipes: list[Any]) -> dict[str, Any]:
    enrolled = next((one for one in reversed(events) if one.event == ENROLLED), None)
    failed = next((one for one in reversed(events) if one.event == ENROL_FAILED), None)
    gone = next((one for one in reversed(events) if one.event == SLOT_ERASED), None)
    wanted: dict[str, Any] = {"failed_ms": None if failed is None else _when(failed)[0]}
    if enrolled is not None:
        wanted |= {"held_ms": _when(enrolled)[0], "by_person_id": enrolled.by_person_id}
        after = [one for one in (*([gone] if gone else []), *wipes) if _when(one) > _when(enrolled)]
        if after:
            wanted |= {"state": ERASED, "erased_ms": min(_when(one) for one in after)[0]}
        else:
            wanted |= {"state": HELD if row.erasing_ms is None else ERASING, "erased_ms": None}
    return {name: value for name, value in wanted.items() if getattr(row, name) != value}


def _perhaps(row: Any, since_ms: int) -> dict[str, Any]:
    """It is not believed that this sensor holds a finger, nor that it holds none: it is to forget it, and is never heard."""
    wanted = {"state": ERASING, "held_ms": None, "by_person_id": None, "erased_ms": None}
    wanted |= {"erasing_ms": since_ms} if row.erasing_ms is None else {}
    return {name: value for name, value in wanted.items() if getattr(row, name) != value}


def _let_go(connection: Connection, row: Any, now_ms: int) -> None:
    # Of which no finger was taken, as far as is known: should a record say otherwise, it is `erasing` from then on.
    held = row.state == HELD
    values = {"state": ERASING} if held else {"state": ERASED, "erased_ms": now_ms}
    connection.execute(update(template).where(template.c.id == row.id).values(erasing_ms=now_ms, **values))


def _slot(connection: Connection, reader_id: int, capacity: int) -> int:
    """The free slot that was written least often. Raises Refused(`sensor-full`)."""
    worn: dict[int, int] = {}
    taken: set[int] = set()
    for row in connection.execute(select(template).where(template.c.reader_id == reader_id)):
        worn[row.slot] = worn.get(row.slot, 0) + (row.held_ms is not None) + (row.failed_ms is not None)
        if row.state in TAKEN:
            taken.add(row.slot)
    free = [slot for slot in range(capacity) if slot not in taken]
    if not free:
        raise Refused("sensor-full", f"all {capacity} slots of this kiosk's sensor are taken: use another kiosk")
    return min(free, key=lambda slot: (worn.get(slot, 0), slot))


def _consent(
    connection: Connection, scope: Scope, person_id: int, version: str, digest: str, language: str, now_ms: int
) -> int:
    given = connection.execute(
        select(consent.c.id)
        .where(
            consent.c.person_id == person_id,
            consent.c.purpose == FINGER,
            # The same words in another language are other words: that they were read is kept too.
            consent.c.text_version == version,
            consent.c.text_digest == digest,
            consent.c.language == language,
            consent.c.withdrawn_ms.is_(None),
        )
        .order_by(consent.c.id.desc())
    ).scalar()
    if given is not None:
        return given
    made = connection.execute(
        consent.insert().values(
            institution_id=scope.institution_id,
            person_id=person_id,
            purpose=FINGER,
            text_version=version,
            text_digest=digest,
            language=language,
            given_ms=now_ms,
            taken_by_account_id=scope.account_id,
        )
    )
    campus.write_down(connection, scope, "consent.give", f"person:{person_id}", now_ms, version=version)
    return new_id(made)


def _kiosk(connection: Connection, scope: Scope, reader_id: int, act: str, now_ms: int) -> Any:
    query = (
        select(kiosk)
        .join(house, house.c.id == kiosk.c.house_id)
        .where(
            kiosk.c.reader_id == reader_id,
            residence_reach.visible(scope, act),
            kiosk.c.from_ms <= now_ms,
            or_(kiosk.c.to_ms.is_(None), kiosk.c.to_ms > now_ms),
        )
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("kiosk", "there is no such kiosk, or it is not in your care")
    return row


def _has_card(person_id: Any, now_ms: int) -> Any:
    return exists().where(
        card_assignment.c.person_id == person_id,
        card_assignment.c.from_ms <= now_ms,
        or_(card_assignment.c.to_ms.is_(None), card_assignment.c.to_ms > now_ms),
    )


def _listed(connection: Connection, where: Any) -> list[Template]:
    at_house = (
        select(house.c.code)
        .join(kiosk, kiosk.c.house_id == house.c.id)
        .where(kiosk.c.reader_id == template.c.reader_id)
        .order_by(kiosk.c.from_ms.desc())
        .limit(1)
        .correlate(template)
        .scalar_subquery()
    )
    query = (
        select(template, reader.c.name.label("reader"), func.coalesce(at_house, "").label("house"))
        .join(reader, reader.c.id == template.c.reader_id)
        .where(where)
        .order_by(template.c.id.desc())
    )
    return [
        Template(**{name: getattr(row, name) for name in Template.__dataclass_fields__})
        for row in connection.execute(query)
    ]
