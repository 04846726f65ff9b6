"""Which profile holds where: seen, and given from a day on. The past keeps its own."""

from __future__ import annotations

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Form, done, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, id_in
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.store import campus, campus_profiles
from server.store.campus_profiles import Effect
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SCOPES = {"institution": "the whole institution", "programme": "a programme", "course": "a course",
          "session_kind": "a kind of session", "session": "one session"}  # fmt: skip


@router.get("/registry/profiles")
@act("profiles.change")
def listed(signed: Signed, said: str = "") -> Response:
    """Every assignment, and how many sessions each profile judges."""
    with reading(signed.engine) as connection:
        found = campus_profiles.listed(connection, signed.scope)
        counts = campus_profiles.counted(connection, signed.scope)
        local = signed.local(connection)
        steps = campus.history(connection, signed.scope, ["profiles"])
    return page(
        signed.request,
        "campus_profiles.html",
        login=signed.login,
        lines=[
            {
                "where": SCOPES.get(one.scope, one.scope),
                "name": one.name,
                "profile": one.profile,
                "from": local.dated(one.from_ms) if one.from_ms > 0 else "the beginning",
                "to": local.dated(one.to_ms) if one.to_ms is not None else "",
                "over": one.to_ms is not None and one.to_ms <= local.now_ms,
            }
            for one in found
        ],
        profiles=[(name, words.many(counts.get(name, 0), "session")) for name in signed.desk.profiles],
        history=words.history(steps, local),
        said=words.SAID.get(said),
    )


@router.get("/registry/profiles/new")
@act("profiles.change")
def ask_new(signed: Signed, scope: str = "institution", value: str = "") -> Response:
    """The form. scope, value: what is filled in already."""
    campus.need_whole(signed.scope, "profiles.change")
    with reading(signed.engine) as connection:
        scope = scope if scope in SCOPES else "institution"
        text = f"session:{value}" if scope == "session" else ""
        return show(signed, _ask(signed, connection, signed.local(connection), chosen=text))


@router.post("/registry/profiles/new")
@act("profiles.change")
def assign(signed: Signed, fields: Form) -> Response:
    """From a day on this profile holds there."""
    campus.need_whole(signed.scope, "profiles.change")
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        came = sent(signed, fields, local)
        ask = _ask(signed, connection, local, chosen=came.fields.get("where", ""))
        where, _, value = came.answers.chosen("where", ask.fields[0].options).partition(":")
        name = came.answers.chosen("profile", ask.fields[1].options)
        from_ms = came.answers.day_ms("day")
        if not came.answers.problems and from_ms < local.bounds(local.today())[0]:
            came.answers.wrong("day", "From today on, or later: what was judged before stays as it was.")

    def work(connection: Connection, seen: str) -> Effect:
        return campus_profiles.assign(
            connection, signed.scope, signed.desk.profiles, where, value, name, from_ms, seen_=seen,
            now_ms=signed.now_ms(),
        )  # fmt: skip

    def effects() -> list[Said]:
        return _follows(campus.tried(signed.engine, lambda connection: work(connection, came.seen or ask.seen)), name)

    def make() -> Response:
        with writing(signed.engine) as connection:
            work(connection, came.seen)
        signed.request.app.state.wake()
        return done("/registry/profiles", "changed")

    return step(signed, ask, came, effects, make)


def _follows(effect: Effect, name: str) -> list[Said]:
    said = [Said("calm", f"{words.many(effect.sessions, 'session')} from that day on: {effect.judged} "
                         f"{'is' if effect.judged == 1 else 'are'} judged by {name} instead of another profile.")]  # fmt: skip
    if effect.windows:
        has = "has" if effect.windows == 1 else "have"
        told = f"{words.many(effect.windows, 'session')} {has} another window: for {words.many(effect.students, 'student')}"
        said.append(Said("late", f"{told} the doors open and close at other times."))
    if effect.judged != effect.sessions:
        said.append(Said("", "The others keep theirs: a narrower assignment holds, or they have it already."))
    return said


def _ask(signed: Visit, connection: Connection, local: Local, *, chosen: str) -> Ask:
    found = campus_profiles.choices(connection, signed.scope)
    options = [("institution:", "the whole institution")]
    for scope, values in found.items():
        options += [(f"{scope}:{value}", f"{SCOPES[scope]}: {text}") for value, text in values.items()]
    # Only as the store writes it: an assignment to another spelling of the number would hold for nothing.
    session_id = id_in(chosen.removeprefix("session:"))
    if chosen == f"session:{session_id}":
        options.append((chosen, f"one session: number {session_id}"))
    profiles = tuple((name, f"{name} – {one.title}") for name, one in signed.desk.profiles.items())
    return Ask(
        title="Give a profile",
        address="/registry/profiles/new",
        fields=(
            Field(name="where", label="Where", kind="choice", options=tuple(options), value=chosen or "institution:",
                  hint="The narrowest holds: session, kind of session, course, programme, institution."),
            Field(name="profile", label="Profile", kind="choice", options=profiles, value=profiles[0][0]),
            Field(name="day", label="From this day on", kind="date", value=local.today().isoformat(), needed=True,
                  hint="What was before is judged as it was."),
        ),
        back=("/registry/profiles", "Profiles"),
        seen=campus_profiles.seen(connection, signed.scope),
        do="Let it hold",
    )  # fmt: skip
