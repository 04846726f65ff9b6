"""Pages of what the registry keeps beside people and sessions: rooms, terms, departments, programmes, courses, classes.

One list, one form and one history for all of them; PAGES says what each one's form asks.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import campus_words as words
from server.pages import course_dates
from server.pages.campus import session_line
from server.pages.campus_catalogue_forms import PAGES, Page
from server.pages.campus_form import Ask, Field, Form, Sent, done, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.store import (
    campus,
    campus_catalogue,
    campus_enrolments,
    campus_timetable,
    class_runs,
    people,
    programmes,
    session_profiles,
)
from server.store.campus_catalogue import Thing
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)


def _named(thing: Thing) -> str:
    return str(thing.values.get("code") or thing.values["title"])


def _ask(signed: Visit, connection: Connection, kind: Page, thing: Thing | None, local: Local) -> Ask:
    fields = kind.fields(signed, connection, thing, local)
    home = (f"/registry/{kind.plural}", kind.plural.capitalize())
    if thing is None:
        return Ask(title=f"Add a {kind.name}", address=f"/registry/{kind.plural}/new", fields=fields, back=home, seen="",
                   do=f"Add this {kind.name}")  # fmt: skip
    ended = Field(name="ended", label="It is at an end", kind="check", value="yes" if thing.ended_ms is not None else "",
                  hint="It is offered no more. What was before stays.")  # fmt: skip
    return Ask(
        title=f"Change {kind.name} {_named(thing)}",
        address=f"/registry/{kind.plural}/{thing.id}/change",
        fields=(*fields, ended),
        back=(f"/registry/{kind.plural}/{thing.id}", _named(thing)),
        seen=thing.seen,
    )


def _save(
    signed: Visit, kind: Page, thing: Thing | None, came: Sent, values: dict[str, Any], connection: Connection
) -> int:
    return campus_catalogue.save(
        connection, signed.scope, kind.name, thing.id if thing else None, values, ended=came.answers.checked("ended"),
        seen=came.seen or (thing.seen if thing else ""), once=came.once or "0" * 32, now_ms=signed.now_ms(),
        profiles=signed.desk.profiles,
    )  # fmt: skip


def _effects(signed: Visit, kind: Page, thing: Thing | None, came: Sent, values: dict[str, Any]) -> list[Said]:
    days = (
        kind.name == "class" and thing is not None and any(thing.values[one] != values[one] for one in class_runs.DAYS)
    )

    def work(connection: Connection) -> tuple[Counter[str], list[str]]:
        before = _judged(signed, kind, thing, connection)
        _save(signed, kind, thing, came, values, connection)
        after = _judged(signed, kind, thing, connection)
        changed = Counter(after[key] for key in after if after[key] != before.get(key))
        if thing is None or not days:
            return changed, []
        return changed, course_dates.of_class(signed, connection, thing.id, signed.local(connection))

    judged, holds = campus.tried(signed.engine, work)
    if thing is None:
        return [Said("", "Nothing rests on it yet.")]
    with reading(signed.engine) as connection:
        rests = campus_catalogue.rests(connection, kind.name, thing.id, signed.now_ms())
    said = []
    ends = came.answers.checked("ended") and thing.ended_ms is None
    counts = [f"{count} {what}" for what, count in rests.items() if count]
    if ends and counts:
        said.append(Said("late", f"Still there: {', '.join(counts)}. They stay as they are: move or end them first, if "
                                 "they should not."))  # fmt: skip
    elif counts:
        said.append(Said("calm", f"It concerns {', '.join(counts)}."))
    for name, count in sorted(judged.items()):
        said.append(Said("late", f"{words.many(count, 'coming session')} {'is' if count == 1 else 'are'} judged by {name} "
                                 f"from now on: {_BY[kind.name]}."))  # fmt: skip
    said += [Said("calm", text) for text in holds]
    if kind.name == "course" and values["department_id"] != thing.values["department_id"]:
        said.append(
            Said("late", "The head of the other department sees its registers from now on, also those of before.")
        )
    if thing.source not in ("", campus.SOURCE):
        said.append(
            Said("late", f"It comes from {thing.source}: change it there too, or the next import sets it back.")
        )
    return said


#: by what coming sessions go by another profile
_BY = {"class": "the profile of its new course", "course": "the profile of its programme, or of the institution"}


def _judged(signed: Visit, kind: Page, thing: Thing | None, connection: Connection) -> dict[int, str]:
    """The coming sessions of a class or a course, and the profile of each."""
    if thing is None:
        return {}
    ids = campus_catalogue.sessions_of(connection, kind.name, thing.id)
    found = session_profiles.coming(connection, ids, signed.now_ms())
    return {key: profile for key, (profile, _, _) in found.items()}


def _routes(kind: Page) -> None:
    """The kind's list, form, page and change."""

    def one_of(signed: Visit, connection: Connection, wanted: str = "campus.change") -> Thing:
        key = number(signed.request.path_params[kind.noun], kind.name)
        return campus_catalogue.one(connection, signed.scope, kind.name, key, wanted)

    @router.get(f"/registry/{kind.plural}", name=f"list_{kind.noun}")
    @act("campus.read")
    def listed(signed: Signed, said: str = "") -> Response:
        with reading(signed.engine) as connection:
            local = signed.local(connection)
            found = campus_catalogue.listed(connection, signed.scope, kind.name)
        return page(
            signed.request, "campus_list.html", login=signed.login, noun=kind.name, plural=kind.plural,
            lines=[_line(one, local) for one in found], may=_may(signed, kind), said=words.SAID.get(said),
        )  # fmt: skip

    @router.get(f"/registry/{kind.plural}/new", name=f"ask_new_{kind.noun}")
    @act("campus.change")
    def ask_new(signed: Signed) -> Response:
        campus_catalogue.need_change(signed.scope, kind.name)
        with reading(signed.engine) as connection:
            return show(signed, _ask(signed, connection, kind, None, signed.local(connection)))

    @router.post(f"/registry/{kind.plural}/new", name=f"add_{kind.noun}")
    @act("campus.change")
    def add(signed: Signed, fields: Form) -> Response:
        campus_catalogue.need_change(signed.scope, kind.name)
        return saved(signed, fields, new=True)

    @router.get(f"/registry/{kind.plural}/{{{kind.noun}}}", name=f"show_{kind.noun}")
    @act("campus.read")
    def shown(signed: Signed, said: str = "") -> Response:
        with reading(signed.engine) as connection:
            thing, local = one_of(signed, connection, "campus.read"), signed.local(connection)
            rests = campus_catalogue.rests(connection, kind.name, thing.id, local.now_ms)
            steps = campus.history(connection, signed.scope, [f"{kind.name}/{thing.id}"])
            ask = _ask(signed, connection, kind, thing, local) if _may(signed, kind) else None
            members = campus_enrolments.members(connection, thing.id) if kind.name == "class" else []
            reached = people.reached(connection, signed.scope, (one.person_id for one in members), "campus.read")
            coming = campus_timetable.of_class(connection, thing.id, local.now_ms) if kind.name == "class" else []
            courses = programmes.courses(connection, signed.scope, thing.id) if kind.name == "programme" else []
            runs = course_dates.shown(signed, connection, thing.id, local) if kind.name == "course" else []
        fields = ask.fields[:-1] if ask else ()
        return page(
            signed.request, "campus_thing.html", login=signed.login, kind=kind.name, plural=kind.plural,
            one=_line(thing, local), facts=[(one.label, dict(one.options).get(one.value, one.value)) for one in fields],
            rests=list(rests.items()), members=[_member(one, local) for one in members],
            reached=reached, coming=[session_line(one, local) for one in coming], runs=runs,
            courses=courses, history=words.history(steps, local), may=ask is not None, said=words.SAID.get(said),
        )  # fmt: skip

    @router.get(f"/registry/{kind.plural}/{{{kind.noun}}}/change", name=f"ask_change_{kind.noun}")
    @act("campus.change")
    def ask_change(signed: Signed) -> Response:
        campus_catalogue.need_change(signed.scope, kind.name)
        with reading(signed.engine) as connection:
            return show(signed, _ask(signed, connection, kind, one_of(signed, connection), signed.local(connection)))

    @router.post(f"/registry/{kind.plural}/{{{kind.noun}}}/change", name=f"change_{kind.noun}")
    @act("campus.change")
    def change(signed: Signed, fields: Form) -> Response:
        campus_catalogue.need_change(signed.scope, kind.name)
        return saved(signed, fields, new=False)

    def saved(signed: Visit, fields: dict[str, str], *, new: bool) -> Response:
        with reading(signed.engine) as connection:
            thing, local = None if new else one_of(signed, connection), signed.local(connection)
            came = sent(signed, fields, local)
            ask = _ask(signed, connection, kind, thing, local)
            values = kind.read(came.answers, ask.fields)

        def make() -> Response:
            with writing(signed.engine) as connection:
                made = _save(signed, kind, thing, came, values, connection)
            return done(f"/registry/{kind.plural}/{made}", "added" if new else "changed")

        return step(signed, ask, came, lambda: _effects(signed, kind, thing, came, values), make)


def _may(signed: Visit, kind: Page) -> bool:
    reach = signed.scope.reach("campus.change")
    return bool(reach) and (reach.all or campus_catalogue.KINDS[kind.name].by_department)


def _line(one: Thing, local: Local) -> dict[str, Any]:
    span = ""
    if one.kind == "term":
        span = f"{local.dated(one.values['from_ms'])} – {local.dated(one.values['to_ms'] - 1)}"
    return {"id": one.id, "name": _named(one), "title": one.values["title"] or "", "span": span,
            "source": words.source(one.source), "ended": one.ended_ms is not None}  # fmt: skip


def _member(one: campus_enrolments.Member, local: Local) -> dict[str, Any]:
    ends = f" to {local.dated(one.to_ms)}" if one.to_ms is not None else ""
    begins = local.dated(one.from_ms) if one.from_ms > 0 else "the beginning"
    return {"id": one.enrolment_id, "person_id": one.person_id, "name": one.full_name, "number": one.number,
            "role": one.role, "span": f"from {begins}{ends}", "open": one.to_ms is None or one.to_ms > local.now_ms,
            "source": words.source(one.source)}  # fmt: skip


for _kind in PAGES.values():
    _routes(_kind)
