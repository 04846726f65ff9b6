"""Batches: which classes began together and on which day, from which their fortnights are counted (DDU-3, DDU-7)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Form, Sent, done, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.policy import moments
from server.store import batch_effects, batches, campus, campus_classes
from server.store.batches import Batch, Wanted
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
HOME = ("/registry/batches", "Batches")


@router.get("/registry/batches")
@act("campus.read")
def listed(signed: Signed, said: str = "") -> Response:
    """Every batch in reach."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = batches.listed(connection, signed.scope, local.now_ms)
    return page(
        signed.request, "batches.html", login=signed.login, batches=[_line(one, local) for one in found],
        may=signed.scope.may("campus.change"), said=words.SAID.get(said),
    )  # fmt: skip


@router.get("/registry/batches/new")
@act("campus.change")
def ask_new(signed: Signed) -> Response:
    """The form of a new one."""
    with reading(signed.engine) as connection:
        return show(signed, _ask(signed, connection, None, signed.local(connection)))


@router.post("/registry/batches/new")
@act("campus.change")
def add(signed: Signed, fields: Form) -> Response:
    """Make it, once what follows was looked at."""
    return _saved(signed, None, fields)


@router.get("/registry/batches/{batch}")
@act("campus.read")
def shown(signed: Signed, batch: str, said: str = "") -> Response:
    """One batch, its classes and its history."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = batches.one(connection, signed.scope, number(batch, "batch"), local.now_ms)
        steps = campus.history(connection, signed.scope, [f"batch/{found.id}"])
        may = batches.may_change(connection, signed.scope, found)
        reached = set(campus_classes.ids_of(connection, signed.scope, "campus.read").values())
    return page(
        signed.request, "batch.html", login=signed.login, one=_line(found, local), classes=[(key, code, key in reached) for key, code in found.members.items()],
        sessions=found.sessions, begun=found.begun, may=may, history=words.history(steps, local),
        said=words.SAID.get(said),
    )  # fmt: skip


@router.get("/registry/batches/{batch}/change")
@act("campus.change")
def ask_change(signed: Signed, batch: str) -> Response:
    """The form with what holds."""
    with reading(signed.engine) as connection:
        found = _of(signed, connection, batch)
        return show(signed, _ask(signed, connection, found, signed.local(connection)))


@router.post("/registry/batches/{batch}/change")
@act("campus.change")
def change(signed: Signed, batch: str, fields: Form) -> Response:
    """Change it, once what follows was looked at."""
    with reading(signed.engine) as connection:
        found = _of(signed, connection, batch)
    return _saved(signed, found, fields)


def _of(signed: Visit, connection: Connection, key: str) -> Batch:
    return batches.one(connection, signed.scope, number(key, "batch"), signed.now_ms(), "campus.change")


def _saved(signed: Visit, found: Batch | None, fields: dict[str, str]) -> Response:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        came = sent(signed, fields, local)
        ask = _ask(signed, connection, found, local)
        wanted = _wanted(signed, connection, came, found)

    def make() -> Response:
        with writing(signed.engine) as connection:
            made = _save(signed, connection, found, came, wanted)
        return done(f"/registry/batches/{made}", "changed" if found else "added")

    return step(signed, ask, came, lambda: _effects(signed, found, came, wanted, local), make)


def _save(signed: Visit, connection: Connection, found: Batch | None, came: Sent, wanted: Wanted) -> int:
    seen = came.seen or (found.seen if found else "")
    key = found.id if found else None
    return batches.save(connection, signed.scope, key, wanted, seen=seen, now_ms=signed.now_ms())


def _ask(signed: Visit, connection: Connection, found: Batch | None, local: Local) -> Ask:
    offered = tuple(campus_classes.ids_of(connection, signed.scope))
    first = local.iso(found.starts_ms)[0] if found else ""
    last = local.iso(found.ends_ms - 1)[0] if found and found.ends_ms is not None else ""
    return Ask(
        title=f"Change batch {found.code}" if found else "Add a batch",
        address=f"/registry/batches/{found.id}/change" if found else "/registry/batches/new",
        fields=(
            Field(name="code", label="Code", value=found.code if found else "", needed=True, longest=64),
            Field(name="first", label="First day", kind="date", value=first, needed=True,
                  hint="Its blocks of days are counted from here."),
            Field(name="last", label="Last day", kind="date", value=last,
                  hint="Footage is kept by it. Empty: not known yet."),
            Field(name="classes", label="Classes", kind="lines", value="\n".join(found.classes) if found else "",
                  offered=offered, longest=2000, hint="Their codes, one a line. A class is in one batch."),
        ),
        back=(f"/registry/batches/{found.id}", found.code) if found else HOME,
        seen=found.seen if found else "",
        do="Apply" if found else "Add this batch",
    )  # fmt: skip


def _wanted(signed: Visit, connection: Connection, came: Sent, found: Batch | None) -> Wanted:
    answers = came.answers
    # What it has it may keep, also what is at an end or beyond reach.
    known = campus_classes.ids_of(connection, signed.scope)
    known |= {code: key for key, code in found.members.items()} if found else {}
    code, first = answers.text("code", "the code", needed=True, longest=64), answers.day_ms("first")
    last = answers.day_ms("last", after=True) if answers.text("last", "the day") else None
    if not answers.problems and last is not None and last <= first:
        answers.wrong("last", "The last day is not before the first: correct it.")
    return Wanted(code=code, starts_ms=first, ends_ms=last, classes=answers.listed("classes", known, "class"))


def _effects(signed: Visit, found: Batch | None, came: Sent, wanted: Wanted, local: Local) -> list[Said]:
    concerned = wanted.classes | set(found.members if found else ())
    scope, profiles, key = signed.scope, signed.desk.profiles, found.id if found else None

    def work(connection: Connection) -> tuple[Any, ...]:
        leaves = batch_effects.elsewhere(connection, wanted.classes, key)
        before = batch_effects.deadlines(connection, scope, profiles, concerned)
        made = _save(signed, connection, found, came, wanted)
        after = batch_effects.deadlines(connection, scope, profiles, concerned)
        return leaves, before, after, batches.one(connection, scope, made, local.now_ms)

    leaves, before, after, made = campus.tried(signed.engine, work)
    said = [Said("late", f"{code} leaves the batch {other}: a class is in one.") for code, other in leaves.items()]
    if not after:
        said.append(Said("calm", "None of these classes' sessions go by rules that count from a batch's first day."))
    moved = sorted((after[one][0], before[one][1], after[one][1]) for one in after if after[one] != before[one])
    if moved:
        ends_ms, earlier, later = moved[0]
        said.append(
            Said(
                "late",
                f"{words.many(len(moved), 'register')} may be changed until another day: the first, of "
                f"{local.dated(ends_ms)}, {_until(later, local)}, so far {_until(earlier, local)}.",
            )
        )
        shut = sum(later <= local.now_ms < earlier for _, earlier, later in moved)
        again = sum(earlier <= local.now_ms < later for _, earlier, later in moved)
        if shut:
            said.append(Said("late", f"Of them {shut} may be changed no more without the next approval."))
        if again:
            said.append(Said("late", f"Of them {again} may be changed again."))
    elif after:
        said.append(Said("calm", "No register's days move."))
    if made.begun:
        said.append(Said("calm", f"{made.begun} of its {words.many(made.sessions, 'session')} have begun: what is counted "
                                 "in a block of days is counted for them so too."))  # fmt: skip
    return said


def _until(at_ms: int, local: Local) -> str:
    return f"until {moments.said(at_ms, local.zone)}"


def _line(one: Batch, local: Local) -> dict[str, Any]:
    last = "open" if one.ends_ms is None else local.dated(one.ends_ms - 1)
    return {"id": one.id, "name": one.code, "span": f"{local.dated(one.starts_ms)} – {last}",
            "classes": ", ".join(one.classes)}  # fmt: skip
