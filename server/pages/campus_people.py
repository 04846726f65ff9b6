"""A person as the registry keeps them: page, form, leaving, and what was done to them (PORT-8 for their cards)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from server import names
from server.declared import act
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Form, Sent, done, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.store import accounts, campus, campus_catalogue, campus_people, campus_person_changes
from server.store.campus_people import NAMELESS, Person
from server.store.campus_person_changes import Wanted
from server.store.engine import Connection, reading, writing
from server.store.person_erasure import CALLED

router = APIRouter(route_class=PageRoute, include_in_schema=False)

HOME = ("/registry", "Registry")


@router.get("/registry/people/new")
@act("campus.change")
def ask_new(signed: Signed) -> Response:
    """The form for a new person."""
    campus.need_whole(signed.scope, "campus.change")
    with reading(signed.engine) as connection:
        return show(signed, _ask_new(signed, connection))


@router.post("/registry/people/new")
@act("campus.change")
def add(signed: Signed, fields: Form) -> Response:
    """Make a person by hand. Sent twice it makes one."""
    campus.need_whole(signed.scope, "campus.change")
    with reading(signed.engine) as connection:
        came = sent(signed, fields, signed.local(connection))
        ask = _ask_new(signed, connection)
        wanted = _wanted(came, ask)
        alike = campus_people.search(connection, signed.scope, wanted.full_name, limit=4) if wanted.full_name else []

    def effects() -> list[Said]:
        found = [Said("late", f"{one.full_name} ({one.number or 'no number'}) is here already: is it the same person?")
                 for one in alike]  # fmt: skip
        return [*found, Said("", "Nobody else is concerned. Give them a card and their classes afterwards.")]

    def make() -> Response:
        with writing(signed.engine) as connection:
            made = campus_person_changes.add(connection, signed.scope, wanted, once=came.once, now_ms=signed.now_ms())
        return done(f"/registry/people/{made}", "added")

    return step(signed, ask, came, effects, make)


@router.get("/registry/people/{person}")
@act("campus.read")
def show_person(signed: Signed, person: str, said: str = "") -> Response:
    """Everything the registry keeps of a person."""
    with reading(signed.engine) as connection:
        found = campus_people.one(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        local = signed.local(connection)
        steps = campus.history(connection, signed.scope, [f"person/{found.id}"] if found.whole else [])
    return page(
        signed.request,
        "campus_person.html",
        login=signed.login,
        one=_shown(found, local),
        history=words.history(steps, local),
        may=signed.scope.may("campus.change"),
        said=words.SAID.get(said),
    )


def _shown(found: Person, local: Local) -> dict[str, Any]:
    now_ms = local.now_ms

    def span(from_ms: int, to_ms: int | None) -> str:
        begins = local.dated(from_ms) if from_ms > 0 else "the beginning"
        return f"from {begins}" + (f" to {local.dated(to_ms)}" if to_ms is not None else "")

    return {
        "id": found.id,
        "whole": found.whole,
        "name": found.full_name,
        "number": found.number,
        "email": found.email,
        "department": found.department,
        "source": ", ".join(words.source(one) for one in found.sources) or "made by hand",
        "ended": local.dated(found.ended_ms) if found.ended_ms is not None else None,
        "enrolments": [
            {"id": one.id, "class_id": one.class_id, "code": one.code, "title": one.title, "role": one.role,
             "span": span(one.from_ms, one.to_ms), "source": words.source(one.source),
             "open": one.to_ms is None or one.to_ms > now_ms}
            for one in found.enrolments
        ],
        "cards": [
            {"id": one.id, "span": span(one.from_ms, one.to_ms), "works": one.to_ms is None or one.to_ms > now_ms,
             "why": words.card_ended(one.ended_why)}
            for one in found.cards
        ],
    }  # fmt: skip


@router.get("/registry/people/{person}/change")
@act("campus.change")
def ask_change(signed: Signed, person: str) -> Response:
    """The form with what is there."""
    with reading(signed.engine) as connection:
        found = campus_people.theirs(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        return show(signed, _ask_change(signed, connection, found))


@router.post("/registry/people/{person}/change")
@act("campus.change")
def change(signed: Signed, person: str, fields: Form) -> Response:
    """Change a person. Changed meanwhile it is shown, not overwritten."""
    with reading(signed.engine) as connection:
        found = campus_people.theirs(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        came = sent(signed, fields, signed.local(connection))
        ask = _ask_change(signed, connection, found)
        wanted = _wanted(came, ask)
    seen = came.seen or found.seen

    def effects() -> list[Said]:
        changed = campus.tried(
            signed.engine,
            lambda connection: campus_person_changes.change(
                connection, signed.scope, found.id, wanted, seen=seen, now_ms=signed.now_ms()
            ),
        )
        return [Said("", told) for told in _follows(found, changed)]

    def make() -> Response:
        with writing(signed.engine) as connection:
            changed = campus_person_changes.change(
                connection, signed.scope, found.id, wanted, seen=came.seen, now_ms=signed.now_ms()
            )
        return done(f"/registry/people/{found.id}", "changed" if changed else "same")

    return step(signed, ask, came, effects, make)


def _follows(found: Person, changed: list[str]) -> list[str]:
    if not changed:
        return ["Nothing changes: it is so already."]
    said = [f"Changes: {', '.join(changed)}."]
    places = sum(one.to_ms is None for one in found.enrolments)
    if "name" in changed:
        said.append(f"Registers of {words.many(places, 'class', 'classes')} show the new name, also of past sessions.")
    outside = [one for one in found.sources if one != campus.SOURCE]
    if outside:
        said.append(
            f"This person comes from {', '.join(outside)}: correct it there too, or the next import sets it back."
        )
    return said


@router.get("/registry/people/{person}/end")
@act("campus.change")
def ask_end(signed: Signed, person: str) -> Response:
    """Whether they have left, or are back."""
    with reading(signed.engine) as connection:
        found = campus_people.theirs(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        return show(signed, _ask_end(found))


@router.post("/registry/people/{person}/end")
@act("campus.change")
def end(signed: Signed, person: str, fields: Form) -> Response:
    """They have left; or they are back."""
    with reading(signed.engine) as connection:
        found = campus_people.theirs(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        came = sent(signed, fields, signed.local(connection))
    back = found.ended_ms is not None
    seen = came.seen or found.seen

    def work(connection: Connection, seen: str) -> list[int] | None:
        if not back:
            return campus_person_changes.end(connection, signed.scope, found.id, seen=seen, now_ms=signed.now_ms())
        came_back = campus_person_changes.come_back(
            connection, signed.scope, found.id, seen=seen, now_ms=signed.now_ms()
        )
        return [] if came_back else None

    def effects() -> list[Said]:
        alone = campus.tried(signed.engine, lambda connection: work(connection, seen))
        with reading(signed.engine) as connection:
            logins = accounts.of_person(connection, signed.scope, found.id)
        if back:
            return _returning(logins)
        return _leaving(found, signed.now_ms(), len(alone or ()), logins)

    def make() -> Response:
        with writing(signed.engine) as connection:
            did = work(connection, came.seen)
        return done(f"/registry/people/{found.id}", "same" if did is None else "back" if back else "ended")

    return step(signed, _ask_end(found), came, effects, make)


def _returning(logins: list[accounts.Login]) -> list[Said]:
    said = [Said("", "They can be found, enrolled and given a card again. Nothing else comes back by itself.")]
    for one in (one for one in logins if not one.administers):
        told = (
            "lets in again, with the password, passkeys, API tokens and links to a provider that it had: an administrator "
            "ends what should not work any more."
        )
        said.append(Said("late", f"The account {one.login} {told}"))
    return said


def _leaving(found: Person, now_ms: int, alone: int, logins: list[accounts.Login]) -> list[Said]:
    places = [one for one in found.enrolments if one.to_ms is None or one.to_ms > now_ms]
    listed, taught = ([one.code for one in places if one.role == role] for role in ("student", "teacher"))
    cards = sum(one.to_ms is None for one in found.cards)
    said = []
    if listed:
        said.append(Said("late", f"Comes off {words.many(len(listed), 'class list')}: {', '.join(listed)}."))
    if taught:
        said.append(Said("late", f"Teaches {', '.join(taught)} no longer: their coming sessions need somebody else."))
    if alone:
        whom = (
            "was given to them alone by hand: it needs" if alone == 1 else "were given to them alone by hand: they need"
        )
        said.append(Said("late", f"{words.many(alone, 'coming session')} {whom} somebody else."))
    for one in logins:
        told = "stays open: an administrator disables it" if one.administers else "lets nobody in any more"
        said.append(Said("late", f"The account {one.login} {told}."))
    if cards:
        said.append(Said("late", f"{words.many(cards, 'card')} {'stops' if cards == 1 else 'stop'} at every door."))
    said.append(Said("", "Everything before stays: marks, registers, history."))
    if any(one != campus.SOURCE for one in found.sources):
        said.append(Said("", "They come from an import: if they are still in its next file, they come back with it."))
    return said


def _ask_end(found: Person) -> Ask:
    gone = found.ended_ms is not None
    return Ask(
        title=f"{found.full_name} {'is back' if gone else 'has left'}",
        address=f"/registry/people/{found.id}/end",
        fields=(),
        back=(f"/registry/people/{found.id}", found.full_name),
        seen=found.seen,
        notes=(Said("", "They have left. Say that they are back?" if gone else
                    "From now on they are on no class list, teach no coming session, and neither card nor account of theirs works. Nothing is deleted."),),
        do="They are back" if gone else "They have left",
    )  # fmt: skip


def _fields(signed: Visit, connection: Connection, found: Person | None) -> tuple[Field, ...]:
    departments = [("", "by their classes"), *(
        (str(one.id), one.values["title"])
        for one in campus_catalogue.listed(connection, signed.scope, "department", act="campus.change")
        if one.ended_ms is None or (found is not None and found.department_id == one.id)
    )]  # fmt: skip
    if found is not None and not signed.scope.reach("campus.change").all:
        # A part of the institution leaves it as it is.
        departments = [one for one in departments if one[0] == str(found.department_id or "")]
    given, family = _names(found) if found else ("", "")
    return (
        Field(name="given", label="Given names", value=given, longest=120),
        Field(name="family", label="Family name", value=family, longest=120, needed=True,
              hint="A register shows given names and family name, in this order."),
        Field(name="number", label="Student or staff number", value=found.number if found else "", longest=64),
        Field(name="email", label="E-mail address", kind="email", value=found.email if found else "", longest=254),
        Field(name="department", label="Department", kind="choice", options=tuple(departments),
              value=str(found.department_id or "") if found else ""),
    )  # fmt: skip


def _names(found: Person) -> tuple[str, str]:
    """Given names and family name for the form: of whom only a full name is kept, that one taken apart."""
    if found.family_name or found.full_name in (NAMELESS, CALLED.format(found.id)):
        return found.given_name, found.family_name
    return names.apart(found.full_name)


def _ask_new(signed: Visit, connection: Connection) -> Ask:
    return Ask(
        title="Add a person", address="/registry/people/new", fields=_fields(signed, connection, None), back=HOME,
        seen="", do="Add this person",
    )  # fmt: skip


def _ask_change(signed: Visit, connection: Connection, found: Person) -> Ask:
    return Ask(
        title=f"Change {found.full_name}",
        address=f"/registry/people/{found.id}/change",
        fields=_fields(signed, connection, found),
        back=(f"/registry/people/{found.id}", found.full_name),
        seen=found.seen,
    )


def _wanted(came: Sent, ask: Ask) -> Wanted:
    answers = came.answers
    options = next(one.options for one in ask.fields if one.name == "department")
    department = answers.chosen("department", options) if "department" in came.fields else ""
    return Wanted(
        given_name=answers.text("given", "the given names", longest=120),
        family_name=answers.text("family", "the family name", needed=True, longest=120),
        number=answers.text("number", "the number", longest=64),
        email=answers.mail("email"),
        department_id=int(department) if department else None,
    )
