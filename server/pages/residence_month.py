"""A house's month: every resident's evenings with the 75 %, on the page, to print, as CSV and as Excel (DDU-14)."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.errors import StoreError
from server.pages import residence_doubts, residence_evenings, residence_words, sheets
from server.pages.desk import Signed
from server.pages.guard import PageRoute, number
from server.pages.local import Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page
from server.policy import evenings
from server.store import campus, residence_board, residence_reach, residence_reports
from server.store.engine import reading, writing
from server.store.residence_reports import MonthRow

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
#: a letter for each state, for the month at a glance; said in words below it
LETTERS = {
    evenings.CHECKED_IN: "●",
    evenings.BY_ALTERNATIVE: "●",
    evenings.BY_STAFF: "●",
    evenings.MISSING: "▲",
    evenings.EXPECTED: "○",
    evenings.UNKNOWN: "?",
    evenings.LEAVE: "→",
    evenings.EXCUSED: "◇",
}
HEADINGS = (
    "Full name", "Number", "Floor", "Room", "In by finger", "In by card and witness", "In by staff entry", "Missing",
    "On leave", "Excused", "Not known", "Counts", "Of", "Percentage", "Did not count",
)  # fmt: skip


def _month(text: str, today: date) -> date:
    return parse_day(f"{text}-01") or today.replace(day=1)


def _cells(one: MonthRow, local: Local) -> list[str | int]:
    each = (
        evenings.CHECKED_IN, evenings.BY_ALTERNATIVE, evenings.BY_STAFF, evenings.MISSING, evenings.LEAVE,
        evenings.EXCUSED,
    )  # fmt: skip
    counted = one.percentage
    return [
        one.name, one.number, one.floor, one.room, *(one.count(state) for state in each),
        one.count(evenings.UNKNOWN), int(counted.attended), int(counted.counted), counted.text,
        "; ".join(f"{day_words(day)}: {said}" for day, said in _uncounted(one, local)),
    ]  # fmt: skip


def _uncounted(one: MonthRow, local: Local) -> list[tuple[date, str]]:
    """What they did at a kiosk that does not count, by evening."""
    return [
        (day, residence_words.uncounted(each, day, local))
        for day in sorted(one.uncounted)
        for each in one.uncounted[day]
    ]


@router.get("/residence/houses/{house}/month")
@act("residence.read")
def month(signed: Signed, house: str, month: str = "") -> Response:
    """The month as a table; the page prints as it is."""
    house_id = number(house, "house")
    with reading(signed.engine) as connection:
        residence_reach.need_house(connection, signed.scope, house_id, "residence.read")
        local, scope, profiles = signed.local(connection), signed.scope, signed.desk.profiles
        tonight = residence_board.tonight(connection, scope, profiles, local.now_ms)
        first = _month(month, tonight)
        rows = residence_reports.month(connection, scope, profiles, house_id, first.year, first.month, local.now_ms)
        name = next((one.name for one in residence_board.houses(connection, scope) if one.id == house_id), "")
    last = first.replace(day=monthrange(first.year, first.month)[1])
    # What is to come is nothing yet.
    days = [first.replace(day=n + 1) for n in range(last.day) if first.replace(day=n + 1) <= tonight]
    return page(
        signed.request,
        "residence_month.html",
        login=signed.login,
        house_id=house_id,
        house_name=name,
        title=f"{_MONTHS[first.month - 1]} {first.year}",
        month=f"{first:%Y-%m}",
        before=f"{first - timedelta(days=1):%Y-%m}",
        after=f"{last + timedelta(days=1):%Y-%m}" if last < tonight else None,
        days=[one.day for one in days],
        rows=[_line(one, days, local) for one in rows],
        doubts=_doubts(rows, local),
        uncounted=[
            {"id": one.person_id, "name": one.name or "name erased", "day": day_words(day), "said": said}
            for one in rows
            for day, said in _uncounted(one, local)
        ],
        below=sum(one.percentage.reached is False for one in rows),
        legend=[(one.shape, one.text) for one in dict.fromkeys(residence_words.STATES.values())],
    )


def _doubts(rows: list[MonthRow], local: Local) -> list[dict[str, Any]]:
    """Why evenings are not known, each once, in order of date."""
    found = {(day, residence_doubts.said(each, local)) for one in rows for day, each in one.doubts.items()}
    return [{"day": day_words(day), "why": why} for day, why in sorted(found)]


def _line(one: MonthRow, days: list[date], local: Local) -> dict[str, Any]:
    return {
        "id": one.person_id,
        "name": one.name or "name erased",
        "room": one.room,
        "days": [
            {"shape": LETTERS.get(one.states.get(day, ""), "·"),
             "text": _said(one, day, local)}
            for day in days
        ],
        "inside": one.count(*evenings.AVAILED),
        "missing": one.count(evenings.MISSING),
        "leave": one.count(evenings.LEAVE),
        "excused": one.count(evenings.EXCUSED),
        "figure": residence_evenings.figure(one.percentage),
    }  # fmt: skip


def _said(one: MonthRow, day: date, local: Local) -> str:
    if day not in one.states:
        return "did not live here"
    text = residence_words.STATES[one.states[day]].text
    why = [residence_doubts.said(one.doubts[day], local)] if day in one.doubts else []
    why += [residence_words.uncounted(each, day, local) for each in one.uncounted.get(day, ())]
    return f"{text}: {'; '.join(why)}" if why else text


@router.get("/residence/houses/{house}/month/file")
@act("residence.read")
def file(signed: Signed, house: str, month: str = "", form: str = "") -> Response:
    """The month as a file. form: csv, xlsx. That it was fetched is written down."""
    house_id = number(house, "house")
    with writing(signed.engine) as connection:
        residence_reach.need_house(connection, signed.scope, house_id, "residence.read")
        if form not in (sheets.CSV, sheets.XLSX):
            raise StoreError("export-form", "choose how: csv, xlsx")
        local, scope, profiles = signed.local(connection), signed.scope, signed.desk.profiles
        first = _month(month, residence_board.tonight(connection, scope, profiles, local.now_ms))
        rows = residence_reports.month(connection, scope, profiles, house_id, first.year, first.month, local.now_ms)
        campus.write_down(
            connection, scope, "residence.export", f"house:{house_id}", local.now_ms, form=form, month=f"{first:%Y-%m}"
        )
    made = sheets.table(form, HEADINGS, [_cells(one, local) for one in rows], "Evenings")
    name = f"residence-{house_id}-{first:%Y%m}.{form}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(made, media_type=sheets.MEDIA[form], headers=headers)
