"""Which profile holds where: seen, given from a day on, and ended. The past keeps its own."""

from __future__ import annotations

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Form, done, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, id_in, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.store import campus, campus_profiles
from server.store.campus_profiles import Assignment, Effect
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
                "name": _named(one, local),
                "profile": one.profile,
                "from": local.dated(one.from_ms) if one.from_ms > 0 else "the beginning",
                "to": local.dated(one.to_ms) if one.to_ms is not None else "",
                "over": one.over(local.now_ms),
                "back": one.back,
                "id": one.id,
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
        found = campus.tried(signed.engine, lambda connection: work(connection, came.seen or ask.seen))
        return _follows(found, name, local)

    def make() -> Response:
        with writing(signed.engine) as connection:
            work(connection, came.seen)
        signed.request.app.state.wake()
        return done("/registry/profiles", "changed")

    return step(signed, ask, came, effects, make)


@router.get("/registry/profiles/{assignment}/end")
@act("profiles.change")
def ask_end(signed: Signed, assignment: str) -> Response:
    """From when on it does not hold any more."""
    with reading(signed.engine) as connection:
        found = campus_profiles.one(connection, signed.scope, number(assignment, "profile"))
        return show(signed, _ask_end(signed, connection, found, signed.local(connection)))


@router.post("/registry/profiles/{assignment}/end")
@act("profiles.change")
def end(signed: Signed, assignment: str, fields: Form) -> Response:
    """End one from a day on; one that has not begun by then is taken back."""
    with reading(signed.engine) as connection:
        found = campus_profiles.one(connection, signed.scope, number(assignment, "profile"))
        local = signed.local(connection)
        came = sent(signed, fields, local)
        ask = _ask_end(signed, connection, found, local)
        to_ms = came.answers.day_ms("day")
        if not came.answers.problems and to_ms < local.bounds(local.today())[0]:
            came.answers.wrong("day", "From today on, or later: what was judged before stays as it was.")

    def work(connection: Connection, seen: str) -> Effect:
        return campus_profiles.end(
            connection, signed.scope, signed.desk.profiles, found.id, to_ms, seen_=seen, now_ms=signed.now_ms()
        )

    def effects() -> list[Said]:
        effect = campus.tried(signed.engine, lambda connection: work(connection, came.seen or ask.seen))
        return _ends(effect, found, to_ms, local)

    def make() -> Response:
        with writing(signed.engine) as connection:
            effect = work(connection, came.seen)
        signed.request.app.state.wake()
        return done("/registry/profiles", "same" if effect is campus_profiles.NOTHING else "changed")

    return step(signed, ask, came, effects, make)


def _named(one: Assignment, local: Local) -> str:
    """What it is given to: a session by its title and start."""
    return one.name if one.starts_ms is None else _session(one.name, one.starts_ms, local)


def _session(title: str, starts_ms: int, local: Local) -> str:
    return f"{title}, {local.dated(starts_ms)}, {local.time(starts_ms)}"


def _follows(effect: Effect, name: str, local: Local) -> list[Said]:
    said = [Said("calm", f"{words.many(effect.sessions, 'session')} from that day on: {effect.judged} "
                         f"{'is' if effect.judged == 1 else 'are'} judged by {name} instead of another profile.")]  # fmt: skip
    if effect.until_ms is not None:
        said.append(Said("late", f"It holds until {local.dated(effect.until_ms)}: from then on another one was planned "
                                 "there already. To let it hold longer, end that one first."))  # fmt: skip
    if effect.begun:
        has, keep = ("has", "keeps its profile") if effect.begun == 1 else ("have", "keep their profiles")
        told = f"{words.many(effect.begun, 'session')} of that day {has} begun"
        said.append(Said("", f"{told}, and {keep}."))
    said += _windows(effect)
    if effect.judged != effect.sessions:
        said.append(Said("", "The others keep theirs: a narrower assignment holds, or they have it already."))
    return said


def _ends(effect: Effect, found: Assignment, to_ms: int, local: Local) -> list[Said]:
    back = to_ms <= found.from_ms and found.from_ms > local.now_ms
    said = [Said("calm", f"{found.profile} never holds there: what held before it goes on, to its own last day where it has one." if back else
                         f"{found.profile} holds there no more from that day on: what is given more widely does, or port where "
                         "nothing is.")]  # fmt: skip
    for name, count in effect.by.items():
        said.append(Said("", f"{words.many(count, 'session')} {'is' if count == 1 else 'are'} judged by {name} then."))
    if not effect.by:
        said.append(Said("", "No session is judged by another profile then."))
    return said + _windows(effect)


def _windows(effect: Effect) -> list[Said]:
    if not effect.windows:
        return []
    has = "has" if effect.windows == 1 else "have"
    told = f"{words.many(effect.windows, 'session')} {has} another window: for {words.many(effect.students, 'student')}"
    return [Said("late", f"{told} the doors open and close at other times.")]


def _ask_end(signed: Visit, connection: Connection, found: Assignment, local: Local) -> Ask:
    to_come = found.from_ms > local.now_ms
    where = f"{SCOPES.get(found.scope, found.scope)} {_named(found, local)}".rstrip()
    return Ask(
        title=f"End {found.profile} for {where}",
        address=f"/registry/profiles/{found.id}/end",
        fields=(
            Field(name="day", label="It holds no more from this day on", kind="date", needed=True,
                  value=local.iso(found.from_ms if to_come else local.now_ms)[0],
                  hint="Its first day: it is taken back, and never holds." if to_come else
                       "What was before, and what has begun today, is judged as it was."),
        ),
        back=("/registry/profiles", "Profiles"),
        seen=campus_profiles.seen(connection, signed.scope),
        do="End it",
    )  # fmt: skip


def _ask(signed: Visit, connection: Connection, local: Local, *, chosen: str) -> Ask:
    found = campus_profiles.choices(connection, signed.scope)
    options = [("institution:", "the whole institution")]
    for scope, values in found.items():
        options += [(f"{scope}:{value}", f"{SCOPES[scope]}: {text}") for value, text in values.items()]
    # Only as the store writes it: an assignment to another spelling of the number would hold for nothing.
    session_id = id_in(chosen.removeprefix("session:"))
    if chosen == f"session:{session_id}":
        there = campus_profiles.sessions_named(connection, signed.scope, [str(session_id)]).values()
        text = next((_session(*one, local) for one in there), f"number {session_id}")
        options.append((chosen, f"{SCOPES['session']}: {text}"))
    profiles = tuple((name, f"{name} – {one.title}") for name, one in signed.desk.profiles.items())
    return Ask(
        title="Give a profile",
        address="/registry/profiles/new",
        fields=(
            Field(name="where", label="Where", kind="choice", options=tuple(options), value=chosen or "institution:",
                  hint="The narrowest holds: session, kind of session, course, programme, institution."),
            Field(name="profile", label="Profile", kind="choice", options=profiles, value=profiles[0][0]),
            Field(name="day", label="From this day on", kind="date", value=local.today().isoformat(), needed=True,
                  hint="What was before, and what has begun today, is judged as it was."),
        ),
        back=("/registry/profiles", "Profiles"),
        seen=campus_profiles.seen(connection, signed.scope),
        do="Let it hold",
    )  # fmt: skip
