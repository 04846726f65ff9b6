"""What the addresses of routes name: for each noun, one object in department ONE and one in department TWO.

A noun that nobody owns (a room) is the same thing twice: then only the role decides. A new noun in an address wants a
function here; the walk fails until it has one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from server.store import (
    attachments,
    logins,
    schema,
    schema_misuse,
    schema_releases,
    schema_residence,
    schema_rights,
    schema_slots,
    schema_work,
)
from server.store.engine import reading, writing

#: noun -> (walk, visitor) -> (the first, the other)
MAKERS: dict[str, Callable[[Any, Any], tuple[int, int]]] = {}


def of(*nouns: str):
    def keep(maker):
        for noun in nouns:
            MAKERS[noun] = maker
        return maker

    return keep


def noun_of(parameter: str) -> str:
    """`session_id` and `session` are one noun."""
    return parameter.removesuffix("_id")


def both(one: int) -> tuple[int, int]:
    return one, one


@of("session")
def session(walk, visitor):
    return walk.sessions


@of("person")
def person(walk, visitor):
    return walk.students


@of("card")
def card(walk, visitor):
    found = {row.person_id: row.card_id for row in walk.world.all(schema.card_assignment)}
    return found[walk.students[0]], found[walk.students[1]]


@of("enrolment")
def enrolment(walk, visitor):
    found = {row.person_id: row.id for row in walk.world.all(schema.enrolment)}
    return found[walk.students[0]], found[walk.students[1]]


@of("course")
def course(walk, visitor):
    return walk.courses


@of("programme")
def programme(walk, visitor):
    made = []
    for one in walk.departments:
        code = f"P{walk.number()}"
        made.append(
            walk.made(schema.programme, source="test", source_id=code, code=code, title="Walk", department_id=one)
        )
    return made[0], made[1]


@of("batch")
def batch(walk, visitor):
    made = [walk.made(schema.batch, code=f"B{walk.number()}", starts_ms=walk.school.now_ms) for _ in range(2)]
    with writing(walk.world.engine) as connection:
        for group_id, batch_id in zip(walk.groups, made, strict=True):
            table = schema.class_group
            connection.execute(table.update().where(table.c.id == group_id).values(batch_id=batch_id))
    return made[0], made[1]


@of("run")
def run(walk, visitor):
    made = [
        walk.made(schema.course_run, course_id=one, code=f"r{walk.number()}", ends_ms=walk.school.now_ms)
        for one in walk.courses
    ]
    return made[0], made[1]


@of("department")
def department(walk, visitor):
    # The list of departments is for whoever reads the campus, in whatever part of it.
    return both(walk.departments[0])


@of("group")
def group(walk, visitor):
    return walk.groups


@of("room")
def room(walk, visitor):
    return both(walk.world.rooms[0])


@of("reader")
def reader(walk, visitor):
    # Readers belong to the whole institution, and an address names them by their name.
    return both(walk.world.all(schema.reader)[0].name)


@of("term")
def term(walk, visitor):
    return both(walk.made(schema_work.term, source="muster", source_id="t", title="Autumn", from_ms=0, to_ms=1))


@of("assignment")
def assignment(walk, visitor):
    # Which rules hold where belongs to the whole institution.
    return both(
        walk.made(schema.profile_assignment, scope="session_kind", scope_value="exam", profile="step", from_ms=0)
    )


@of("alarm")
def alarm(walk, visitor):
    return both(walk.made(schema.alarm, code="walk", subject="a-101", text="for the walk", first_ms=1, last_ms=1))


@of("swipe")
def swipe(walk, visitor):
    return walk.swipes


@of("account")
def account(walk, visitor):
    return both(walk.accounts["victim"])


@of("grant")
def grant(walk, visitor):
    with reading(walk.world.engine) as connection:
        held = schema_rights.account_role
        query = select(held.c.id).where(held.c.account_id == walk.accounts["victim"], held.c.to_ms.is_(None))
        return both(connection.execute(query).scalars().one())


@of("login")
def login(walk, visitor):
    with writing(walk.world.engine) as connection:
        made = [
            logins.begin(connection, one, walk.school.now_ms, hours=1).login.login_id
            for one in (walk.accounts[visitor.name], walk.accounts["victim"])
        ]
    return made[0], made[1]


@of("token")
def token(walk, visitor):
    made = [
        walk.made(
            schema.api_token,
            account_id=walk.accounts[name],
            name="walk",
            token_hash=f"{name} {walk.number()}".encode(),
            created_ms=1,
        )
        for name in (visitor.name, "victim")
    ]
    return made[0], made[1]


@of("program")
def program(walk, visitor):
    # A token of the account in the address: administrators revoke anybody's.
    return both(token(walk, visitor)[1])


@of("passkey")
def passkey(walk, visitor):
    made = [
        walk.made(
            schema_rights.passkey,
            account_id=walk.accounts[name],
            credential_id=f"{name} {walk.number()}".encode(),
            public_key=b"k",
            name="walk",
            created_ms=1,
        )
        for name in (visitor.name, "victim")
    ]
    return made[0], made[1]


@of("identity")
def identity(walk, visitor):
    made = [
        walk.made(
            schema_rights.outside_identity,
            account_id=walk.accounts[name],
            issuer="https://provider.example",
            subject=f"{name} {walk.number()}",
            created_ms=1,
        )
        for name in (visitor.name, "victim")
    ]
    return made[0], made[1]


@of("link")
def link(walk, visitor):
    # A link of the account in the address: administrators end anybody's.
    return both(identity(walk, visitor)[1])


@of("request")
def request(walk, visitor):
    # Only whoever asked takes it back or adds to it, and never decides it.
    asks = walk.route is not None and walk.route.path.endswith(("/withdraw", "/evidence"))
    made = [
        walk.made(
            schema_work.change_request,
            session_id=session_id,
            tier="approval",
            rule="LOUGH-32",
            asked_by_account_id=walk.accounts[visitor.name if mine and asks else "victim"],
            created_ms=walk.school.now_ms,
        )
        for session_id, mine in zip(walk.sessions, (True, False), strict=True)
    ]
    return made[0], made[1]


@of("attachment")
def attachment(walk, visitor):
    made, folder = [], attachments.folder_of(walk.folder / "data")
    folder.mkdir(parents=True, exist_ok=True)
    for request_id in request(walk, visitor):
        (folder / f"walk-{request_id}").write_bytes(b"%PDF-1.4\n")
        made.append(
            walk.made(
                schema_work.attachment,
                subject="change_request",
                subject_id=request_id,
                file_name="note.pdf",
                media_type="application/pdf",
                size=9,
                sha256="0" * 64,
                stored_as=f"walk-{request_id}",
                by_account_id=walk.accounts["victim"],
                created_ms=walk.school.now_ms,
            )
        )
    return made[0], made[1]


@of("absence")
def absence(walk, visitor):
    made = [
        walk.made(
            schema_work.absence,
            person_id=person_id,
            kind="reported",
            from_ms=walk.school.now_ms,
            to_ms=walk.school.now_ms + 3_600_000,
            channel="self",
            reported_ms=walk.school.now_ms,
            by_account_id=walk.accounts["victim"],
        )
        for person_id in walk.students
    ]
    for absence_id, session_id in zip(made, walk.sessions, strict=True):
        walk.made(schema_work.absence_session, absence_id=absence_id, session_id=session_id)
    return made[0], made[1]


@of("trip")
def trip(walk, visitor):
    made = [
        walk.made(
            schema_work.trip,
            title="Museum",
            from_ms=walk.school.now_ms,
            to_ms=walk.school.now_ms + 3_600_000,
            by_account_id=walk.accounts[visitor.name] if n == 0 else walk.accounts["victim"],
            created_ms=walk.school.now_ms,
        )
        for n in range(2)
    ]
    for trip_id, student, staff in zip(made, walk.students, walk.lecturers, strict=True):
        walk.made(schema_work.trip_person, trip_id=trip_id, person_id=student, role="student")
        walk.made(schema_work.trip_person, trip_id=trip_id, person_id=staff, role="staff")
    return made[0], made[1]


@of("report")
def report(walk, visitor):
    made = [
        walk.made(
            schema_work.register_report,
            session_id=session_id,
            kind="not-mine",
            by_account_id=walk.accounts["victim"],
            created_ms=walk.school.now_ms,
        )
        for session_id in walk.sessions
    ]
    return made[0], made[1]


@of("schedule")
def schedule(walk, visitor):
    # One that was refused, so that there is something to fetch.
    made = walk.made(
        schema_work.import_schedule,
        kind="oneroster",
        source="walk",
        path=f"walk-{walk.number()}",
        every_min=1440,
        next_ms=walk.school.now_ms + 86_400_000,
        last_report='{"bad": 1, "bad_rows": [["users.csv", 2, "user", "not usable"]]}',
    )
    return both(made)


# the residence: a house ONE in which the first student lives, and a house TWO


@of("house")
def house(walk, visitor):
    return walk.houses


@of("resident")
def resident(walk, visitor):
    return walk.students


@of("residency")
def residency(walk, visitor):
    found = {row.house_id: row.id for row in walk.world.all(schema_residence.residency)}
    return found[walk.houses[0]], found[walk.houses[1]]


@of("duty")
def duty(walk, visitor):
    made = [
        walk.made(schema_residence.duty, house_id=one, person_id=staff, source="test", from_ms=0)
        for one, staff in zip(walk.houses, walk.lecturers, strict=True)
    ]
    return made[0], made[1]


@of("kiosk")
def kiosk(walk, visitor):
    readers = {row.name: row.id for row in walk.world.all(schema.reader)}
    made = []
    for n, house_id in enumerate(walk.houses):
        reader_id = readers.get(f"walk-{n}", min(readers.values()) + n)
        walk.made(schema_residence.kiosk, reader_id=reader_id, house_id=house_id, capacity=10, from_ms=0)
        made.append(reader_id)
    return made[0], made[1]


@of("evening_act")
def evening_act(walk, visitor):
    made = [
        walk.made(
            schema_residence.evening_act,
            person_id=person_id,
            house_id=house_id,
            evening="2026-10-04",
            kind="call",
            by_account_id=walk.accounts["victim"],
            at_ms=walk.school.now_ms,
        )
        for person_id, house_id in zip(walk.students, walk.houses, strict=True)
    ]
    return made[0], made[1]


@of("leave")
def leave(walk, visitor):
    made = [
        walk.made(
            schema_residence.residence_leave,
            person_id=person_id,
            first="2026-11-01",
            last="2026-11-02",
            asked_ms=walk.school.now_ms,
            asked_by_account_id=walk.accounts["victim"],
            state="asked",
        )
        for person_id in walk.students
    ]
    return made[0], made[1]


@of("flag")
def flag(walk, visitor):
    made = [
        walk.made(
            schema_residence.residence_flag,
            house_id=one,
            kind="opened",
            subject="walk",
            at_ms=walk.school.now_ms,
            last_ms=walk.school.now_ms,
        )
        for one in walk.houses
    ]
    return made[0], made[1]


@of("slot")
def slot(walk, visitor):
    made = walk.made(
        schema_slots.slot,
        reader_name=f"s-{walk.number()}",
        site_name="main",
        room_id=walk.world.rooms[0],
        token_hash=str(walk.number()).encode(),
        made_ms=walk.school.now_ms,
        expires_ms=walk.school.now_ms + 1,
    )
    return both(made)


@of("release")
def release(walk, visitor):
    n = walk.number()
    made = walk.made(
        schema_releases.firmware_release,
        board="pico",
        version=f"9.{n}",
        counter=1000 + n,
        minimum=0,
        built_ms=1,
        key_number=1,
        tag=f"{n:016x}",
        head=8,
        size=9,
        pack=b"walk",
        added_ms=1,
    )
    return both(made)


@of("tag")
def tag(walk, visitor):
    # A release's, by which gateways ask for it.
    made = release(walk, visitor)[0]
    return both(next(row.tag for row in walk.world.all(schema_releases.firmware_release) if row.id == made))


@of("rollout")
def rollout(walk, visitor):
    made = walk.made(
        schema_releases.rollout,
        release_id=release(walk, visitor)[0],
        percents="100",
        soak_ms=0,
        state="stopped",
        stage=1,
        began_ms=1,
    )
    walk.made(
        schema_releases.rollout_reader,
        rollout_id=made,
        reader_id=walk.world.all(schema.reader)[0].id,
        stage=1,
        state="waiting",
    )
    return both(made)


@of("misuse")
def misuse(walk, visitor):
    made = [
        walk.made(
            schema_misuse.misuse_flag,
            kind="lost-card",
            subject=f"person:{one}:{walk.number()}",
            person_id=one,
            at_ms=walk.school.now_ms,
            last_ms=walk.school.now_ms,
            raised_ms=walk.school.now_ms,
        )
        for one in walk.students
    ]
    return made[0], made[1]


@of("template")
def template(walk, visitor):
    made = []
    for n, (person_id, reader_id) in enumerate(zip(walk.students, kiosk(walk, visitor), strict=True)):
        agreed = walk.made(
            schema_residence.consent,
            person_id=person_id,
            purpose="finger",
            text_version="1",
            text_digest="0" * 64,
            language="en",
            given_ms=walk.school.now_ms,
            taken_by_account_id=walk.accounts["victim"],
        )
        made.append(
            walk.made(
                schema_residence.template,
                reader_id=reader_id,
                slot=n,
                generation=walk.number(),
                person_id=person_id,
                consent_id=agreed,
                state="wanted",
                asked_ms=walk.school.now_ms,
                asked_by_account_id=walk.accounts["victim"],
            )
        )
    return made[0], made[1]
