"""People, courses, classes and enrolments as an import finds them and leaves them: read whole, written in bulk.

Nothing is deleted: what is gone gets an end. `Held` is what is there, `Changes` what is to be done; both are plain
values, so that what an import would do can be shown without doing it. Sessions: imported_sessions.py, cards:
imported_cards.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, insert, select, update

from server.policy.profile import Profiles
from server.store import due, imported_departments, institutions, session_profiles, upsert
from server.store.imported_cards import CardChanges, apply_cards
from server.store.imported_departments import Department, Place
from server.store.imported_registers import touch_registers
from server.store.imported_staff import follow_teachers
from server.store.schema import (
    class_group,
    course,
    course_run,
    enrolment,
    import_run,
    institution,
    person,
    person_contact,
    person_external_id,
    person_name,
    session,
    session_class,
)

#: called before each part of the work, with a word for it
Step = Callable[[str], None]
Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the store holds of one source. Keys are the source's own ids; values are rows by column."""

    #: sourcedId -> person row with its name columns and `email`, `contact_id`
    persons: Mapping[str, Values]
    #: (identifier or username, value) -> external id row
    externals: Mapping[tuple[str, str], Values]
    courses: Mapping[str, Values]
    #: (course sourcedId, code) -> course run row
    runs: Mapping[tuple[str, str], Values]
    #: sourcedId -> class row with `course` (sourcedId) and `run` (code)
    classes: Mapping[str, Values]
    #: every enrolment, old ones too, with `class_sid` and `user_sid`, oldest first
    enrolments: list[Values]
    departments: list[Department] = field(default_factory=list)
    #: sourcedId -> the department that they are in now
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is to be done. New rows name others by the source's ids (`user_sid`, `class_sid`, `course`, `run`)."""

    new_persons: list[Values] = field(default_factory=list)
    #: person_id, full_name, given_name, family_name, sort_name
    names: list[Values] = field(default_factory=list)
    #: person_id, ended_ms
    person_ends: list[Values] = field(default_factory=list)
    #: user_sid, source, external_id
    new_externals: list[Values] = field(default_factory=list)
    #: id, user_sid, to_ms
    externals: list[Values] = field(default_factory=list)
    #: user_sid, value
    new_emails: list[Values] = field(default_factory=list)
    #: ids of contacts that hold no longer
    old_emails: list[int] = field(default_factory=list)
    #: user_sid, department_id
    departments: list[Values] = field(default_factory=list)
    new_courses: list[Values] = field(default_factory=list)
    #: id, code, title, ended_ms
    courses: list[Values] = field(default_factory=list)
    new_runs: list[Values] = field(default_factory=list)
    #: id, starts_ms, ends_ms
    runs: list[Values] = field(default_factory=list)
    new_classes: list[Values] = field(default_factory=list)
    #: id, code, title, ended_ms, course, run
    classes: list[Values] = field(default_factory=list)
    new_enrolments: list[Values] = field(default_factory=list)
    #: id, source_id, from_ms, to_ms, ended_by_hand
    enrolments: list[Values] = field(default_factory=list)
    #: the source's ids of classes whose list or teachers change
    lists: set[str] = field(default_factory=set)
    #: the source's ids of classes with a teacher more or less
    teachers: set[str] = field(default_factory=set)
    #: person ids whose name changes
    renamed: set[int] = field(default_factory=set)
    cards: CardChanges = field(default_factory=CardChanges)

    def any(self) -> bool:
        """Whether there is anything to do."""
        lists = (
            self.new_persons, self.names, self.person_ends, self.new_externals, self.externals, self.new_emails,
            self.old_emails, self.new_courses, self.courses, self.new_runs, self.runs, self.new_classes, self.classes,
            self.new_enrolments, self.enrolments, self.departments,
        )  # fmt: skip
        return any(lists) or self.cards.any()


def lock(connection: Connection, institution_id: int) -> None:
    """Let no other import of this institution run before this transaction ends."""
    connection.execute(select(institution.c.id).where(institution.c.id == institution_id).with_for_update())


def held(connection: Connection, institution_id: int, source: str) -> Held:
    """What the store holds of this source."""
    sids: dict[int, str] = {}
    persons: dict[str, Values] = {}
    query = (
        select(person_external_id.c.external_id, person.c.id, person.c.ended_ms, person_name)
        .join(person, person.c.id == person_external_id.c.person_id)
        .outerjoin(person_name, person_name.c.person_id == person.c.id)
        .where(person_external_id.c.institution_id == institution_id, person_external_id.c.source == source)
    )
    for row in connection.execute(query).mappings():
        persons[row["external_id"]] = {**row, "id": row["id"], "email": "", "contact_id": None}
        sids[row["id"]] = row["external_id"]
    query = select(person_contact).where(
        person_contact.c.institution_id == institution_id,
        person_contact.c.kind == "email",
        person_contact.c.to_ms.is_(None),
    )
    for row in connection.execute(query):
        if row.person_id in sids:
            persons[sids[row.person_id]] |= {"email": row.value, "contact_id": row.id}
    query = select(person_external_id).where(
        person_external_id.c.institution_id == institution_id,
        person_external_id.c.source.in_(("identifier", "username")),
    )
    externals = {
        (row["source"], row["external_id"]): {**row, "user_sid": sids.get(row["person_id"])}
        for row in connection.execute(query).mappings()
    }
    courses = _by_source(connection, course, institution_id, source)
    course_sids = {row["id"]: sid for sid, row in courses.items()}
    runs = {
        (course_sids[row["course_id"]], row["code"]): dict(row)
        for row in connection.execute(
            select(course_run).where(course_run.c.institution_id == institution_id)
        ).mappings()
        if row["course_id"] in course_sids
    }
    run_codes = {row["id"]: code for (_, code), row in runs.items()}
    classes = _by_source(connection, class_group, institution_id, source)
    for row in classes.values():
        row["course"] = course_sids.get(row["course_id"], "")
        row["run"] = run_codes.get(row["course_run_id"], "")
    class_sids = {row["id"]: sid for sid, row in classes.items()}
    query = (
        select(enrolment)
        .where(enrolment.c.institution_id == institution_id, enrolment.c.source == source)
        .order_by(enrolment.c.from_ms, enrolment.c.id)
    )
    enrolments = [
        {**row, "class_sid": class_sids[row["class_id"]], "user_sid": sids[row["person_id"]]}
        for row in connection.execute(query).mappings()
        if row["class_id"] in class_sids and row["person_id"] in sids
    ]
    return Held(
        persons=persons, externals=externals, courses=courses, runs=runs, classes=classes, enrolments=enrolments,
        departments=imported_departments.departments(connection, institution_id),
        places=imported_departments.places(connection, institution_id, sids),
    )  # fmt: skip


def _by_source(connection: Connection, table: Table, institution_id: int, source: str) -> dict[str, Values]:
    query = select(table).where(table.c.institution_id == institution_id, table.c.source == source)
    return {row["source_id"]: dict(row) for row in connection.execute(query).mappings()}


def apply(
    connection: Connection,
    institution_id: int,
    source: str,
    before: Held,
    changes: Changes,
    now_ms: int,
    step: Step,
    profiles: Profiles,
) -> None:
    """Do what the changes say, in the caller's transaction, and mark whoever it concerns."""
    own = {"institution_id": institution_id}
    step("people")
    persons = {sid: row["id"] for sid, row in before.persons.items()}
    made = insert_many(connection, person, [{**own, "created_ms": now_ms} for _ in changes.new_persons])
    for values, person_id in zip(changes.new_persons, made, strict=True):
        persons[values["sid"]] = person_id
    named = ("full_name", "given_name", "family_name", "sort_name")
    new_names = [
        {**own, "person_id": persons[v["sid"]], **{name: v[name] for name in named}} for v in changes.new_persons
    ]
    update_many(connection, person, "id", changes.person_ends, ("ended_ms",))
    if changes.names or new_names:
        # A name may have been erased in the meantime: then it is written anew.
        statement = upsert.insert(connection, person_name)
        statement = statement.on_conflict_do_update(
            index_elements=[person_name.c.person_id], set_={name: statement.excluded[name] for name in named}
        )
        connection.execute(statement, [*new_names, *({**own, **values} for values in changes.names)])
    step("ids and addresses")
    external = [{"user_sid": v["sid"], "source": source, "external_id": v["sid"]} for v in changes.new_persons]
    add_many(
        connection,
        person_external_id,
        [
            {**own, "person_id": persons[v["user_sid"]], "source": v["source"], "external_id": v["external_id"]}
            | {"from_ms": now_ms}
            for v in (*external, *changes.new_externals)
        ],
    )
    moved = [{**v, "person_id": persons[v["user_sid"]]} for v in changes.externals]
    update_many(connection, person_external_id, "id", moved, ("person_id", "to_ms"))
    gone = [{"id": contact_id, "to_ms": now_ms} for contact_id in changes.old_emails]
    update_many(connection, person_contact, "id", gone, ("to_ms",))
    add_many(
        connection,
        person_contact,
        [
            {**own, "person_id": persons[v["user_sid"]], "kind": "email", "value": v["value"], "from_ms": now_ms}
            for v in changes.new_emails
        ],
    )
    imported_departments.apply(connection, institution_id, persons, changes.departments, now_ms)
    step("courses and classes")
    classes = _write_classes(connection, own, source, before, changes, now_ms)
    step("class lists")
    add_many(
        connection,
        enrolment,
        [
            {
                **own,
                "class_id": classes[v["class_sid"]],
                "person_id": persons[v["user_sid"]],
                "role": v["role"],
                "source": source,
                "source_id": v["source_id"],
                "from_ms": v["from_ms"],
                "to_ms": v["to_ms"],
            }
            for v in changes.new_enrolments
        ],
    )
    update_many(connection, enrolment, "id", changes.enrolments, ("source_id", "from_ms", "to_ms", "ended_by_hand"))
    step("cards")
    apply_cards(connection, institution_id, persons, changes.cards, now_ms)
    step("registers")
    lists = {classes[sid] for sid in changes.lists}
    follow_teachers(connection, institution_id, {classes[sid] for sid in changes.teachers}, now_ms)
    # A number stands on registers as a name does; who is new stands on none yet.
    others = (v["user_sid"] for v in (*changes.new_externals, *changes.externals))
    numbered = {persons[sid] for sid in others if sid in before.persons}
    touch_registers(connection, class_ids=lists, person_ids=changes.renamed | numbered)
    due.classes(connection, institution_id, lists, now_ms)
    # Profiles are given to courses and their programmes: what is still to come goes by the new one's (PORT-2).
    was = {row["id"]: row["course"] for row in before.classes.values()}
    moved = session_profiles.of_classes(connection, [v["id"] for v in changes.classes if v["course"] != was[v["id"]]])
    session_profiles.again(connection, institution_id, moved, now_ms, profiles)


def _write_classes(
    connection: Connection, own: Values, source: str, before: Held, changes: Changes, now_ms: int
) -> dict[str, int]:
    def rows(values: Iterable[Values], *columns: str) -> list[Values]:
        return [{**own, "source": source, "source_id": v["sid"], **{c: v[c] for c in columns}} for v in values]

    courses = {sid: row["id"] for sid, row in before.courses.items()}
    made = insert_many(connection, course, rows(changes.new_courses, "code", "title"))
    courses |= {v["sid"]: made_id for v, made_id in zip(changes.new_courses, made, strict=True)}
    update_many(connection, course, "id", changes.courses, ("code", "title", "ended_ms"))
    runs = {key: row["id"] for key, row in before.runs.items()}
    new_runs = [
        {**own, "course_id": courses[v["course"]], **{c: v[c] for c in ("code", "starts_ms", "ends_ms")}}
        for v in changes.new_runs
    ]
    made = insert_many(connection, course_run, new_runs)
    runs |= {(v["course"], v["code"]): made_id for v, made_id in zip(changes.new_runs, made, strict=True)}
    update_many(connection, course_run, "id", changes.runs, ("starts_ms", "ends_ms"))

    def about(v: Values) -> Values:
        return {"course_id": courses.get(v["course"]), "course_run_id": runs.get((v["course"], v["run"]))}

    classes = {sid: row["id"] for sid, row in before.classes.items()}
    new = [
        row | about(v) for row, v in zip(rows(changes.new_classes, "code", "title"), changes.new_classes, strict=True)
    ]
    made = insert_many(connection, class_group, new)
    classes |= {v["sid"]: made_id for v, made_id in zip(changes.new_classes, made, strict=True)}
    changed = [{**v, **about(v)} for v in changes.classes]
    _keep_runs(connection, before, changed, now_ms)
    update_many(connection, class_group, "id", changed, ("code", "title", "ended_ms", "course_id", "course_run_id"))
    return classes


def _keep_runs(connection: Connection, before: Held, changed: list[Values], now_ms: int) -> None:
    """What a class held in one run stays that run's, with its deadline and lock, when the class goes on in another: final
    registers do not open again (STEP-3)."""
    was = {row["id"]: row["course_run_id"] for row in before.classes.values()}
    for row in changed:
        if was[row["id"]] is None or was[row["id"]] == row["course_run_id"]:
            continue
        mine = select(session_class.c.session_id).where(session_class.c.class_id == row["id"])
        connection.execute(
            update(session)
            .where(session.c.id.in_(mine), session.c.course_run_id.is_(None), session.c.starts_ms <= now_ms)
            .values(course_run_id=was[row["id"]])
        )


def finish(
    connection: Connection,
    institution_id: int,
    kind: str,
    source: str,
    digest: str,
    summary: Mapping[str, Any],
    started_ms: int,
    now_ms: int,
) -> None:
    """Write that an import changed something: its run, and that the campus changed."""
    institutions.campus_changed(connection, institution_id)
    connection.execute(
        import_run.insert().values(
            institution_id=institution_id,
            kind=kind,
            source=source,
            digest=digest,
            summary=json.dumps(summary, sort_keys=True),
            started_ms=started_ms,
            finished_ms=now_ms,
        )
    )


def insert_many(connection: Connection, table: Table, rows: list[Values]) -> list[int]:
    """Insert rows of the same columns. Returns their ids in the same order."""
    if not rows:
        return []
    statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(connection.execute(statement, rows).scalars())


def add_many(connection: Connection, table: Table, rows: list[Values]) -> None:
    """Insert rows of the same columns whose ids nobody needs."""
    if rows:
        connection.execute(insert(table), rows)


def update_many(
    connection: Connection, table: Table, key: str, rows: Iterable[Values], columns: tuple[str, ...]
) -> None:
    """Set these columns in the row with this key, for each of the rows; what else stands in them is left alone."""
    values = [{"the_key": row[key], **{f"new_{name}": row[name] for name in columns}} for row in rows]
    if values:
        column: Column[Any] = table.c[key]
        statement = update(table).where(column == bindparam("the_key"))
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in columns}), values)
