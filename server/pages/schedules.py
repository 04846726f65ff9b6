"""Scheduled imports: set, run now, and the report of the last one with its bad rows to download."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from server import schedules as runner
from server.declared import act
from server.errors import NotFound, StoreError
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Form, done, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.sheets import guarded
from server.pages.words import Said, sentence
from server.store import campus, schedules
from server.store.engine import reading, writing
from server.store.schedules import Schedule, Wanted

router = APIRouter(route_class=PageRoute, include_in_schema=False)

KINDS = (("oneroster", "people and classes (OneRoster)"), ("timetable", "timetable (iCalendar)"))
EVERY = (("60", "every hour"), ("360", "every 6 hours"), ("1440", "every day"), ("10080", "every week"))
OUTCOMES = {"ok": Said("good", "done"), "refused": Said("bad", "refused: nothing was changed"),
            "failed": Said("bad", "failed: nothing was changed"), "running": Said("calm", "running")}  # fmt: skip


@router.get("/registry/imports")
@act("imports.run")
def listed(signed: Signed, said: str = "") -> Response:
    """Every scheduled import and how its last run went."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = schedules.listed(connection, signed.scope)
    return page(
        signed.request,
        "schedules.html",
        login=signed.login,
        csrf=signed.login.csrf,
        lines=[_line(one, local) for one in found],
        folder=_folder(signed) != Path(),
        said=words.SAID.get(said),
    )


def _folder(signed: Visit) -> Path:
    return signed.request.app.state.schedules.folder


def _line(one: Schedule, local: Local) -> dict[str, Any]:
    report = one.report
    return {
        "id": one.id,
        "kind": dict(KINDS).get(one.kind, one.kind),
        "source": one.source,
        "path": one.path,
        "every": dict(EVERY).get(str(one.every_min), f"every {one.every_min} min"),
        "enabled": one.enabled,
        "asked": one.asked_ms is not None,
        "next": local.moment(one.next_ms),
        "last": local.moment(one.last_ms) if one.last_ms is not None else None,
        "tag": OUTCOMES.get(one.last_outcome or ""),
        "error": report.get("error", {}).get("text", ""),
        "counts": [
            f"{what}: {', '.join(f'{many} {how}' for how, many in of.items())}"
            for what, of in report.get("counts", {}).items()
        ],
        "unchanged": one.last_outcome == schedules.OK and not report.get("applied"),
        "notes": report.get("notes", []),
        "more_notes": report.get("more_notes", 0),
        "bad": report.get("bad", 0),
        "bad_rows": [f"{file}:{line}: {text}" for file, line, _, text in report.get("bad_rows", [])[:10]],
        "stops": report.get("stops", []),
    }


@router.get("/registry/imports/new")
@act("imports.run")
def ask_new(signed: Signed) -> Response:
    """The form for a new one."""
    campus.need_whole(signed.scope, "imports.run")
    with reading(signed.engine) as connection:
        return show(signed, _ask(signed, None, signed.local(connection)))


@router.post("/registry/imports/new")
@act("imports.run")
def add(signed: Signed, fields: Form) -> Response:
    """Make one. Sent twice it is one."""
    campus.need_whole(signed.scope, "imports.run")
    return _saved(signed, None, fields)


@router.get("/registry/imports/{schedule}/change")
@act("imports.run")
def ask_change(signed: Signed, schedule: str) -> Response:
    """The form with what is there."""
    with reading(signed.engine) as connection:
        found = schedules.one(connection, signed.scope, number(schedule, "schedule"))
        return show(signed, _ask(signed, found, signed.local(connection)))


@router.post("/registry/imports/{schedule}/change")
@act("imports.run")
def change(signed: Signed, schedule: str, fields: Form) -> Response:
    """Change one."""
    with reading(signed.engine) as connection:
        found = schedules.one(connection, signed.scope, number(schedule, "schedule"))
    return _saved(signed, found, fields)


def _saved(signed: Visit, found: Schedule | None, fields: dict[str, str]) -> Response:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
    came = sent(signed, fields, local)
    ask = _ask(signed, found, local)
    answers = came.answers
    wanted = Wanted(
        kind=answers.chosen("kind", KINDS),
        source=answers.text("source", "the name of the system", needed=True, longest=64),
        path=answers.text("path", "the path", needed=True, longest=500),
        every_min=int(answers.chosen("every", EVERY) or 1440),
        next_ms=answers.at_ms("day", "time"),
        enabled=answers.checked("enabled"),
    )
    if wanted.source in ("identifier", "username", campus.SOURCE):
        answers.wrong("source", "This name has a meaning of its own: choose another.")
    try:
        runner.below(_folder(signed), wanted.path)
    except StoreError as error:
        answers.wrong("path", sentence(error))

    def make() -> Response:
        with writing(signed.engine) as connection:
            schedules.save(
                connection, signed.scope, found.id if found else None, wanted, seen=came.seen, now_ms=local.now_ms
            )
        return done("/registry/imports", "changed" if found else "added")

    def effects() -> list[Said]:
        if not wanted.enabled:
            return [Said("", "It is switched off: it runs only when somebody asks for it.")]
        when = f"{local.dated(wanted.next_ms)}, {local.time(wanted.next_ms)}"
        return [
            Said("calm", f"It runs at {when}, and then {dict(EVERY)[str(wanted.every_min)]}."),
            Said("", "Everything in the file is applied, or nothing. Where more than 5 % would end or move, it waits for "
                     "somebody to look at it here."),
        ]  # fmt: skip

    return step(signed, ask, came, effects, make)


def _ask(signed: Visit, found: Schedule | None, local: Local) -> Ask:
    day, clock = local.iso(
        max(found.next_ms, local.now_ms) if found else local.bounds(local.today())[1] + 2 * 3_600_000
    )
    return Ask(
        title="Change a scheduled import" if found else "Schedule an import",
        address=f"/registry/imports/{found.id}/change" if found else "/registry/imports/new",
        fields=(
            Field(name="kind", label="What", kind="choice", options=KINDS, value=found.kind if found else "oneroster"),
            Field(name="source", label="Name of the system it comes from", needed=True, longest=64,
                  value=found.source if found else "oneroster",
                  hint="The same as in imports before, or what it brought before is not known again."),
            Field(name="path", label="File or folder", value=found.path if found else "", needed=True, longest=500,
                  hint="Below the folder for imports, such as nightly/oneroster.zip. A timetable's rules lie beside it: "
                       "timetable.ics, timetable.toml."),
            Field(name="every", label="How often", kind="choice", options=EVERY,
                  value=str(found.every_min) if found else "1440"),
            Field(name="day", label="Next on", kind="date", value=day, needed=True),
            Field(name="time", label="at", kind="time", value=clock, needed=True),
            Field(name="enabled", label="It is switched on", kind="check",
                  value="yes" if found is None or found.enabled else ""),
        ),
        back=("/registry/imports", "Imports"),
        seen=found.seen if found else "",
    )  # fmt: skip


@router.post("/registry/imports/{schedule}/run")
@act("imports.run")
def run(signed: Signed, schedule: str, fields: Form) -> Response:
    """Let it run now; confirm=yes: also where more than 5 % would end or move."""
    schedule_id = number(schedule, "schedule")
    confirm = fields.get("confirm") == "yes"
    with reading(signed.engine) as connection:
        schedules.one(connection, signed.scope, schedule_id)
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        schedules.ask(connection, signed.scope, schedule_id, signed.now_ms(), confirm=confirm)
    return RedirectResponse("/registry/imports?said=asked", status_code=303)


@router.get("/registry/imports/{schedule}/bad-rows")
@act("imports.run")
def bad_rows(signed: Signed, schedule: str) -> Response:
    """The rows that the last run could not use, as CSV."""
    schedule_id = number(schedule, "schedule")
    with reading(signed.engine) as connection:
        found = schedules.one(connection, signed.scope, schedule_id)
    rows = found.report.get("bad_rows", [])
    if not rows:
        raise NotFound("bad-rows", "the last run had no row that was not usable")
    into = io.StringIO()
    writer = csv.writer(into, lineterminator="\r\n")
    writer.writerow(("File", "Line", "Code", "What is wrong"))
    writer.writerows([guarded(file), line, code, guarded(text)] for file, line, code, text in rows)
    headers = {"content-disposition": f'attachment; filename="import-{schedule_id}-bad-rows.csv"'}
    return Response(("\ufeff" + into.getvalue()).encode(), media_type="text/csv; charset=utf-8", headers=headers)
