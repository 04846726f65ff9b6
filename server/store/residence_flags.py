"""Flags: what looked odd at a kiosk, once for a cause, counted, and closed by a person (DDU-12)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from server.errors import NotFound, Refused
from server.policy import evenings, oddities
from server.policy.oddities import Odd, Tap
from server.scope import Scope
from server.store import campus, notes, residence_reach, withheld
from server.store.campus import FieldRefused
from server.store.schema import account, note, person_name, reader, reading, swipe
from server.store.schema_residence import check_in, check_in_reading, house, kiosk_event, residence_flag, residency
from server.store.upsert import insert_of

TEXT_MAX = 2_000
#: kinds that rest on what is about the kiosk itself
OF_KIOSKS = (oddities.OPENED, oddities.MOVED, oddities.SENSOR)
#: in `detail`: the numbers of the records that a flag ever rested on; no page shows them
RESTS_ON = "records"
#: events and check-ins that an oddity may rest on
EVENTS = ("finger-refused", "opened", "moved", "sensor-other", "sensor-wiped", "sensor-lost", "pin-locked")
#: of these, what is about the kiosk and not about a person
ABOUT_ITSELF = ("opened", "moved", "sensor-other", "sensor-wiped", "sensor-lost")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """Something for a person to look at. closed_ms None: nobody has."""

    id: int
    kind: str
    text: str
    house_id: int
    person_id: int | None
    name: str
    reader: str
    at_ms: int
    last_ms: int
    count: int
    detail: Mapping[str, Any]
    closed_ms: int | None
    closed_by: str
    note: str
    #: a kiosk told it that turned out to be stolen by then: it is about nobody
    doubted: bool


def waiting(connection: Connection, scope: Scope, house_id: int | None = None) -> list[Flag]:
    """The flags that nobody has closed, newest first; of one house, or of every one in reach. Raises NotAllowed."""
    return _listed(connection, scope, house_id, residence_flag.c.closed_ms.is_(None))


def every(connection: Connection, scope: Scope, house_id: int | None, from_ms: int, to_ms: int) -> list[Flag]:
    """All flags of that time, closed ones too. Raises NotAllowed."""
    within = and_(residence_flag.c.last_ms >= from_ms, residence_flag.c.at_ms <= to_ms)
    return _listed(connection, scope, house_id, within)


def close(connection: Connection, scope: Scope, flag_id: int, text: str, now_ms: int) -> None:
    """Somebody has looked, and says what they found. Should the same be seen again, it is open again.

    Raises NotFound(`flag`), FieldRefused(`text`), Refused(`closed`, `own`).
    """
    scope.need("residence.tend")
    row = connection.execute(
        select(residence_flag)
        .join(house, house.c.id == residence_flag.c.house_id)
        .where(residence_flag.c.id == flag_id, residence_reach.visible(scope, "residence.tend"))
    ).first()
    if row is None:
        raise NotFound("flag", "there is no such flag, or its house is not in your care")
    if row.person_id is not None and row.person_id == scope.person_id:
        raise Refused("own", "this is about yourself: ask somebody else on duty")
    if not text.strip():
        raise FieldRefused("text", "text", "say what you found")
    text = notes.within(text, TEXT_MAX)
    note_id = notes.add(connection, scope.institution_id, text, scope.account_id or None, now_ms)
    done = connection.execute(
        update(residence_flag)
        .where(residence_flag.c.id == flag_id, residence_flag.c.closed_ms.is_(None))
        .values(closed_ms=now_ms, closed_by_account_id=scope.account_id, note_id=note_id)
    )
    if done.rowcount != 1:
        raise Refused("closed", "somebody has closed it meanwhile")
    cited = notes.cited(connection, [note_id])[note_id]
    campus.write_down(
        connection, scope, "residence-flag.close", f"flag:{flag_id}", now_ms, kind=row.kind, count=row.count, note=cited
    )


def raise_all(connection: Connection, institution_id: int, found: Iterable[Odd]) -> int:
    """Write what is odd: once for a cause. One that somebody closed is open again where it rests on something new: not
    where the same is judged again, or is given another time. Returns how many are new or open again."""
    raised = 0
    for one in found:
        same = and_(
            residence_flag.c.house_id == one.house_id,
            residence_flag.c.kind == one.kind,
            residence_flag.c.subject == one.subject,
        )
        about = {
            "institution_id": institution_id,
            "house_id": one.house_id,
            "kind": one.kind,
            "subject": one.subject,
            "person_id": one.person_id,
        }
        made = insert_of(connection.dialect.name, residence_flag).on_conflict_do_nothing(
            index_elements=[residence_flag.c[name] for name in ("house_id", "kind", "subject")]
        )
        if connection.execute(select(residence_flag.c.id).where(same)).first() is None and _told(connection, one):
            continue
        values = about | _figures(one, one.keys)
        if connection.execute(made.returning(residence_flag.c.id), values).first() is not None:
            raised += 1
            continue
        row = connection.execute(select(residence_flag).where(same).with_for_update()).one()
        held = json.loads(row.detail).get(RESTS_ON)
        if one.keys and held is not None:
            new = not one.keys <= set(held)
        else:
            new = row._mapping["count"] < one.count or row.last_ms < one.last_ms
        figures = _figures(one, one.keys | set(held or ()))
        if new:
            raised += 1
            opened = {"closed_ms": None, "closed_by_account_id": None}
            connection.execute(update(residence_flag).where(same).values(**figures, **opened))
        elif row.closed_ms is None and any(row._mapping[name] != value for name, value in figures.items()):
            connection.execute(update(residence_flag).where(same).values(**figures))
    return raised


def _told(connection: Connection, one: Odd) -> bool:
    """Whether all that this rests on is flagged already under another evening: by its arrival, or by a time that it had
    before."""
    cause = one.subject.rpartition(":")[0]
    query = select(residence_flag.c.detail).where(
        residence_flag.c.house_id == one.house_id,
        residence_flag.c.kind == one.kind,
        residence_flag.c.subject.startswith(f"{cause}:", autoescape=True),
    )
    held = (json.loads(detail).get(RESTS_ON) for detail in connection.execute(query).scalars())
    return bool(one.keys) and any(one.keys <= set(each or ()) for each in held)


def _figures(one: Odd, keys: Iterable[int]) -> dict[str, Any]:
    """What a flag says of its cause. keys: all that it ever rested on."""
    return {
        "reader_id": one.reader_id,
        "at_ms": one.at_ms,
        "last_ms": one.last_ms,
        "count": one.count,
        "detail": json.dumps(one.detail | {RESTS_ON: sorted(keys)}, sort_keys=True),
    }


def events_of(connection: Connection, reader_ids: Iterable[int], from_ms: int, to_ms: int) -> list[Any]:
    """These kiosks' events in [from, to) that an oddity may rest on; without a time, by their arrival."""
    wanted = sorted(reader_ids)
    of_these = kiosk_event.c.reader_id.in_(wanted), kiosk_event.c.event.in_(EVENTS)
    untimed = kiosk_event.c.at_ms.is_(None)
    found: list[Any] = []
    # Apart, so that each is found by the index of a kiosk's events by time, and not among all that it ever told.
    for when, where in ((kiosk_event.c.at_ms, ()), (kiosk_event.c.received_ms, (untimed,))):
        query = select(kiosk_event, when.label("when")).where(*of_these, *where, when >= from_ms, when < to_ms)
        found += connection.execute(query)
    # That it was opened or moved is for people to see, whoever did it; of persons a stolen kiosk says nothing.
    revoked = withheld.of_readers(connection, wanted)
    return [row for row in found if row.event in ABOUT_ITSELF or withheld.event_counts(row, revoked)]


def check_ins_of(connection: Connection, house_id: int, day: str) -> list[Any]:
    """The check-ins at a house's kiosks on an evening (ISO date), with why they are odd."""
    return list(
        connection.execute(_CHECK_INS.where(check_in_reading.c.house_id == house_id, check_in_reading.c.evening == day))
    )


def elsewhere_of(connection: Connection, house_id: int, day: str) -> list[Any]:
    """The same of those who lived in this house and checked in at the kiosk of another one: for their own staff."""
    lived = and_(
        residency.c.person_id == check_in_reading.c.person_id,
        residency.c.from_ms <= check_in_reading.c.at_ms,
        or_(residency.c.to_ms.is_(None), residency.c.to_ms > check_in_reading.c.at_ms),
    )
    query = _CHECK_INS.join(residency, lived).where(
        residency.c.house_id == house_id,
        check_in_reading.c.evening == day,
        check_in_reading.c.why == evenings.OTHER_HOUSE,
    )
    return list(connection.execute(query))


_CHECK_INS = select(check_in_reading, check_in.c.method, check_in.c.fix, check_in.c.received_ms).join(
    check_in, check_in.c.id == check_in_reading.c.check_in_id
)


def far_taps(connection: Connection, institution_id: int, since_ms: int, near_ms: int) -> list[tuple[Any, list[Tap]]]:
    """Each check-in since then, with the swipes and other check-ins of the same person so near it in time."""
    here, there = reader.alias("here"), reader.alias("there")
    second = check_in_reading.alias("second")
    found: dict[int, tuple[Any, list[Tap]]] = {}
    for table in (reading, second):
        query = (
            select(
                check_in_reading,
                here.c.site_id.label("site"),
                there.c.site_id.label("far_site"),
                there.c.id.label("far_reader"),
                table.c.at_ms.label("tap_ms"),
                table.c.uncertainty_ms.label("tap_unsure"),
            )
            .join(here, here.c.id == check_in_reading.c.reader_id)
            .join(
                table,
                and_(
                    table.c.person_id == check_in_reading.c.person_id,
                    table.c.at_ms >= check_in_reading.c.at_ms - near_ms,
                    table.c.at_ms <= check_in_reading.c.at_ms + near_ms,
                ),
            )
            .join(there, and_(there.c.id == table.c.reader_id, there.c.site_id != here.c.site_id))
            .where(
                check_in_reading.c.institution_id == institution_id,
                check_in_reading.c.at_ms >= since_ms,
                check_in_reading.c.house_id.is_not(None),
                check_in_reading.c.evening.is_not(None),
                withheld.counts(check_in, check_in_reading, check_in_reading.c.check_in_id),
                withheld.counts(swipe, table, table.c.swipe_id)
                if table is reading
                else withheld.counts(check_in, table, table.c.check_in_id),
            )
            .order_by(check_in_reading.c.check_in_id)
        )
        for row in connection.execute(query):
            tap = Tap(
                at_ms=row.tap_ms,
                uncertainty_ms=row.tap_unsure + row.uncertainty_ms,
                site_id=row.far_site,
                reader_id=row.far_reader,
            )
            found.setdefault(row.check_in_id, (row, []))[1].append(tap)
    return list(found.values())


def _listed(connection: Connection, scope: Scope, house_id: int | None, where: Any) -> list[Flag]:
    scope.need("residence.read")
    query = (
        select(
            residence_flag,
            func.coalesce(person_name.c.full_name, "").label("name"),
            func.coalesce(reader.c.name, "").label("reader"),
            func.coalesce(account.c.shown_name, "").label("closed_by"),
            notes.shown().label("note"),
        )
        .join(house, house.c.id == residence_flag.c.house_id)
        .outerjoin(person_name, person_name.c.person_id == residence_flag.c.person_id)
        .outerjoin(reader, reader.c.id == residence_flag.c.reader_id)
        .outerjoin(account, account.c.id == residence_flag.c.closed_by_account_id)
        .outerjoin(note, note.c.id == residence_flag.c.note_id)
        .where(residence_reach.visible(scope, "residence.read"), where)
        .order_by(residence_flag.c.last_ms.desc(), residence_flag.c.id.desc())
    )
    if house_id is not None:
        residence_reach.need_house(connection, scope, house_id, "residence.read")
        query = query.where(residence_flag.c.house_id == house_id)
    rows = connection.execute(query).all()
    rests = {row.id: set(json.loads(row.detail).get(RESTS_ON) or ()) for row in rows}
    doubted = withheld.events_among(connection, {one for ids in rests.values() for one in ids})
    return [
        Flag(
            id=row.id,
            doubted=bool(rests[row.id]) and row.kind not in OF_KIOSKS and rests[row.id] <= doubted,
            kind=row.kind,
            text=oddities.WORDS.get(str(row.kind), str(row.kind)),
            house_id=row.house_id,
            person_id=row.person_id,
            name=row.name,
            reader=row.reader,
            at_ms=row.at_ms,
            last_ms=row.last_ms,
            count=row._mapping["count"],
            detail={name: value for name, value in json.loads(row.detail).items() if name != RESTS_ON},
            closed_ms=row.closed_ms,
            closed_by=row.closed_by,
            note=row.note or "",
        )
        for row in rows
    ]
