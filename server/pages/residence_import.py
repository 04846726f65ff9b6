"""Lists of houses, residents and duty staff taken in from CSV: looked at first, then done, all of it or nothing (DDU-12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotFound, StoreError
from server.imports import csvfile
from server.imports.badrows import BadRows
from server.imports.csvfile import Row
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.pages.upload import Sent, files_and_fields
from server.store import campus, campus_people, residence_admin
from server.store.campus import FieldRefused
from server.store.engine import Connection, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Upload = Annotated[Sent, Depends(files_and_fields)]
MANAGE = "residence.manage"
AT = "/residence/registry/import"
#: what a list is of -> (its name, the columns it needs, those it may have)
KINDS = {
    "houses": ("Houses", ("code", "name"), ()),
    "residents": ("Residents", ("number", "house"), ("floor", "room", "from", "to")),
    "duty": ("Duty staff", ("number", "house"), ("from", "to")),
}
SOURCE = "list"
#: characters of a list that the form can carry from looking to doing; bad rows that are shown
LONGEST, BAD_SHOWN = 200_000, 50
_PIECE = 15_000


@dataclass(kw_only=True)
class Taken:
    """What a list does, or would do."""

    made: int = 0
    changed: int = 0
    same: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)


@router.get(AT)
@act(MANAGE)
def ask(signed: Signed) -> Response:
    """Which list, and its file."""
    campus.need_whole(signed.scope, MANAGE)
    return _page(signed)


def _page(signed: Visit, **values: Any) -> Response:
    problem: StoreError | None = values.pop("problem", None)
    shown = {"kind": "residents", "found": None, "pieces": [], "text": None} | values
    return page(
        signed.request,
        "residence_import.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        kinds=KINDS,
        problem=None if problem is None else f"{str(problem)[:1].upper()}{str(problem)[1:]}.",
        **shown,
    )


@router.post(AT)
@act(MANAGE)
def take(signed: Signed, sent: Upload) -> Response:
    """do=look: what would follow, nothing is changed. do=do: it is done, if no row is bad."""
    campus.need_whole(signed.scope, MANAGE)
    fields = sent.fields
    kind = fields.get("kind", "")
    try:
        if kind not in KINDS:
            raise FieldRefused("kind", "kind", "choose what the list is of")
        data = _data(sent)
        rows, bad = _rows(kind, data)
        found = campus.tried(signed.engine, lambda connection: _work(connection, signed, kind, rows, list(bad)))
        if fields.get("do") == "do" and not found.bad:
            with writing(signed.engine) as connection:
                if _work(connection, signed, kind, rows, []).bad:
                    raise FieldRefused("file", "file", "something changed meanwhile: look at the list again")
            signed.request.app.state.wake()
            return RedirectResponse("/residence/registry?said=imported", status_code=303)
    except StoreError as error:
        if error.status >= 500:
            raise
        return _page(signed, problem=error, kind=kind if kind in KINDS else "residents")
    text = data.decode("utf-8-sig", "replace")
    pieces = [text[n : n + _PIECE] for n in range(0, len(text), _PIECE)]
    return _page(signed, kind=kind, found=found, bad=found.bad[:BAD_SHOWN], pieces=pieces)


def _data(sent: Sent) -> bytes:
    if sent.problem is not None:
        raise sent.problem
    kept = "".join(sent.all("piece"))
    if kept:
        # A form's line ends are CRLF, whatever the file's were.
        return kept.encode()
    if not sent.arrived:
        raise FieldRefused("file", "file", "choose the file, a CSV in UTF-8")
    (one, *_) = sent.arrived
    if one.size > LONGEST:
        raise FieldRefused("file", "file", "this list is too long for the page: split it")
    return one.path.read_bytes()


def _rows(kind: str, data: bytes) -> tuple[list[Row], list[tuple[int, str]]]:
    bad = BadRows()
    rows = csvfile.read("list", data, KINDS[kind][1], bad)
    return rows, [(one.line, one.text) for one in bad.rows]


def _work(connection: Connection, signed: Visit, kind: str, rows: list[Row], bad: list[tuple[int, str]]) -> Taken:
    found = Taken(bad=bad)
    local = signed.local(connection)
    for row in rows:
        try:
            done = _WORK[kind](connection, signed, row, local)
        except StoreError as error:
            found.bad.append((row.line, str(error)))
            continue
        setattr(found, done, getattr(found, done) + 1)
    found.bad.sort()
    return found


def _house(connection: Connection, signed: Visit, row: Row, _local: Local) -> str:
    house_id = residence_admin.house_by_code(connection, signed.scope.institution_id, row["code"])
    now_ms = signed.now_ms()
    if house_id is None:
        residence_admin.add_house(connection, signed.scope, row["code"], row["name"], now_ms, source=SOURCE)
        return "made"
    residence_admin.change_house(connection, signed.scope, house_id, row["name"], now_ms)
    return "changed"


def _who_and_where(connection: Connection, signed: Visit, row: Row) -> tuple[int, int]:
    house_id = residence_admin.house_by_code(connection, signed.scope.institution_id, row["house"])
    if house_id is None:
        raise NotFound("house", f"there is no house with the code {row['house'] or '(empty)'}")
    return campus_people.by_number(connection, signed.scope, row["number"]), house_id


def _span(row: Row, local: Local) -> tuple[int, int | None]:
    first, last = (parse_day(row[name]) if row[name] else None for name in ("from", "to"))
    if (row["from"] and first is None) or (row["to"] and last is None):
        raise FieldRefused("dates", "from", "a date is written 2026-10-12")
    begins = local.bounds(first or local.today())[0]
    return begins, None if last is None else local.bounds(last)[1]


def _resident(connection: Connection, signed: Visit, row: Row, local: Local) -> str:
    person_id, house_id = _who_and_where(connection, signed, row)
    from_ms, to_ms = _span(row, local)
    scope, now_ms = signed.scope, local.now_ms
    lives = [
        one for one in residence_admin.residents(connection, scope, house_id, now_ms) if one.person_id == person_id
    ]
    same = next((one for one in lives if one.to_ms == to_ms), None)
    if same is not None and (not row["from"] or same.from_ms == from_ms):
        if (same.floor, same.room) == (row["floor"], row["room"]):
            return "same"
        residence_admin.change_resident(connection, scope, same.id, floor=row["floor"], room=row["room"], now_ms=now_ms)
        return "changed"
    residence_admin.add_resident(
        connection, scope, house_id, person_id, from_ms, now_ms,
        floor=row["floor"], room=row["room"], to_ms=to_ms, source=SOURCE,
    )  # fmt: skip
    return "made"


def _duty(connection: Connection, signed: Visit, row: Row, local: Local) -> str:
    person_id, house_id = _who_and_where(connection, signed, row)
    from_ms, to_ms = _span(row, local)
    scope, now_ms = signed.scope, local.now_ms
    held = [one for one in residence_admin.duties(connection, scope, house_id, now_ms) if one.person_id == person_id]
    if any(one.to_ms == to_ms and (not row["from"] or one.from_ms == from_ms) for one in held):
        return "same"
    residence_admin.add_duty(connection, scope, house_id, person_id, from_ms, now_ms, to_ms=to_ms, source=SOURCE)
    return "made"


_WORK = {"houses": _house, "residents": _resident, "duty": _duty}
