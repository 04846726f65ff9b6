"""What a confirmed trip does to registers: V for whoever came, on every register that they miss meanwhile.

Only once staff on the trip have confirmed who came. A tap wins, and so does what a person set: a proposal asks. What a
change gives up is taken back with its history.

A trip says so for as long as its paper register may still be transferred (LOUGH-4): what is older changes by a change
request alone, as every mark of that age does (LOUGH-32 to 34).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from server.derive import leave
from server.policy import deadlines, tiers
from server.policy.profile import Profile, Profiles
from server.store import covered, derivations, registers, standing, trips
from server.store.covered import Covered
from server.store.engine import Connection

#: what a proposal names that a trip raised
RULE = "trip.confirmed"
FILLS, ASKS, SO, STAYS = leave.FILLS, leave.ASKS, leave.SO, leave.STAYS


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a trip does, or would do, to one student's mark in one session."""

    session: Covered
    #: one of FILLS, ASKS, SO, STAYS
    kind: str
    code: str | None
    text: str


def effects(
    connection: Connection,
    profiles: Profiles,
    found: trips.Trip,
    students: set[int],
    *,
    institution_id: int,
    now_ms: int,
) -> list[Effect]:
    """What it does to every register that these students miss while the trip lasts, overlapping sessions too."""
    rows = covered.between(connection, students, found.from_ms, found.to_ms)
    zone = standing.zone_of(connection, institution_id)
    final = standing.final(connection, profiles, zone, rows, now_ms)
    made = []
    for one in rows:
        profile = standing.profile_of(profiles, one)
        made.append(_effect(profile, one, final=one.id in final, late=_late(profile, one, zone, now_ms)))
    return made


def _late(profile: Profile, one: Covered, zone: ZoneInfo, now_ms: int) -> bool:
    """Whether a trip says nothing any more of this session: its paper was to be transferred before (LOUGH-4), and marks
    of its age are changed by a request."""
    until_ms = deadlines.transferred_by(profile, starts_ms=one.starts_ms, ends_ms=one.ends_ms, zone=zone)
    if until_ms is None or now_ms < until_ms:
        return False
    return not tiers.tier(profile, ends_ms=one.ends_ms, now_ms=now_ms, zone=zone).direct


def _effect(profile: Profile, one: Covered, *, final: bool, late: bool) -> Effect:
    code = next((code for code, about in profile.codes.items() if about.confirmed_trip), None)

    def said(kind: str, text: str) -> Effect:
        return Effect(session=one, kind=kind, code=code, text=text)

    if one.cancelled_ms is not None:
        return said(STAYS, "the class is cancelled: nobody is marked")
    if final:
        return said(STAYS, "the records of this course are final")
    if code is None:
        return said(STAYS, f"the rules of this class ({profile.title}) have no mark for a trip")
    if one.code == code:
        return said(SO, f"is marked {code} already")
    if late:
        return said(STAYS, f"is too long ago to become {code} by a confirmation: by a change request")
    if one.code is None or one.code == profile.absent or one.source == covered.LEAVE:
        return said(FILLS, f"becomes {code}")
    if one.tapped and not one.verified:
        return said(ASKS, "a card was tapped: the register asks whoever marks it")
    return said(STAYS, f"is marked {one.code} by somebody: that stays")


def fill(
    connection: Connection,
    profiles: Profiles,
    trip_id: int,
    *,
    now_ms: int,
    also: Iterable[int] = (),
) -> int:
    """Bring every register to what the trip says. Idempotent. Returns how many marks were set or taken back.

    also: whoever was just taken off the trip, and may still have its marks.
    """
    first = _plan(connection, profiles, trip_id, also, now_ms)
    concerned = {one.session.id for one in (*first.fills, *first.asks)} | {one.id for one in first.gone}
    if not concerned:
        return 0
    # Looked at again under the lock: a tap or a hand that came meanwhile is seen.
    derivations.lock_registers(connection, first.institution_id, concerned)
    plan = _plan(connection, profiles, trip_id, also, now_ms)
    by_session: dict[int, list[Effect]] = {}
    for one in plan.fills:
        if one.session.id in concerned:
            by_session.setdefault(one.session.id, []).append(one)
    for session_id, some in by_session.items():
        profile = standing.profile_of(profiles, some[0].session)
        registers.record(
            connection,
            plan.institution_id,
            session_id,
            [registers.Wanted(person_id=one.session.person_id, code=one.code) for one in some],
            source=covered.TRIP,
            rule=f"{profile.name}.{some[0].code}.confirmed",
            authority=f"trip/{trip_id}",
            by_account_id=trips.confirmed_by(connection, trip_id),
            now_ms=now_ms,
            profiles=profiles,
        )
    for one in plan.asks:
        if one.session.id in concerned:
            leave.ask(connection, plan.institution_id, one.session, one.code, RULE, now_ms)
    gone = [one for one in plan.gone if one.id in concerned]
    leave.take_back(connection, plan.institution_id, gone, covered.TRIP, f"trip/{trip_id}", now_ms)
    return len(plan.fills) + len(gone)


def pending(connection: Connection, profiles: Profiles, trip_id: int, *, now_ms: int) -> bool:
    """Whether `fill` would do anything: a look that locks nothing."""
    plan = _plan(connection, profiles, trip_id, (), now_ms)
    return bool(plan.fills or plan.asks or plan.gone)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    institution_id: int
    fills: tuple[Effect, ...]
    asks: tuple[Effect, ...]
    gone: tuple[Covered, ...]


def _plan(connection: Connection, profiles: Profiles, trip_id: int, also: Iterable[int], now_ms: int) -> _Plan:
    found, institution_id = trips.one(connection, trip_id)
    students = {one.person_id: one.came for one in trips.members(connection, trip_id) if one.role == trips.STUDENT}
    came = {one for one, here in students.items() if here}
    if found.confirmed_ms is None or found.cancelled_ms is not None:
        came = set()
    wanted = effects(connection, profiles, found, came, institution_id=institution_id, now_ms=now_ms)
    keeps = {(one.session.id, one.session.person_id) for one in wanted if one.kind in (FILLS, SO)}
    held = covered.set_by(connection, set(students) | set(also), covered.TRIP, f"trip/{trip_id}")
    zone = standing.zone_of(connection, institution_id)
    kept = standing.final(connection, profiles, zone, held, now_ms)
    kept |= {one.id for one in held if _late(standing.profile_of(profiles, one), one, zone, now_ms)}
    return _Plan(
        institution_id=institution_id,
        fills=tuple(one for one in wanted if one.kind == FILLS),
        asks=tuple(
            one
            for one in wanted
            if one.kind == ASKS and not covered.proposed(connection, one.session.id, one.session.person_id, RULE)
        ),
        gone=tuple(one for one in held if (one.id, one.person_id) not in keeps and one.id not in kept),
    )
